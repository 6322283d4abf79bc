r"""Trains the small classifiers that the metrics look through.

    python training/train_classifier.py
    python training/train_classifier.py --dataset emoji_vendors --dropout 0.3 \
        --weight-decay 0.02 --epochs 40 --batch-size 32
    python training/train_classifier.py --epochs 1 --max-images 1024   # smoke run

`mnist`: which digit; `emoji_vendors`: who drew the emoji, Noto or Twemoji. Each network
has 85,000 weights. Its penultimate layer, "features", has 64 units; distances between
sets of images are measured there. The shipped `gen_keras/metrics/NAME_classifier.keras`
are files that this script writes; `python training/evaluate.py --preset
NAME_classifier` measures them on the test images.

Expected of digits: validation accuracy of about 99.4 % after 12 epochs, five minutes on
two CPU cores.
"""

import dataclasses
import pathlib

import keras
from keras import layers
from script_helpers import flag, parse_flags, print_devices, with_labels

from gen_keras import datasets


@dataclasses.dataclass
class Config:
    """Hyperparameters."""

    dataset: str = flag("mnist", "what to tell apart", ("mnist", "emoji_vendors"))
    seed: int = flag(0, "decides initial weights, order and augmentation")
    epochs: int = flag(12, "epochs in total")
    batch_size: int = flag(128, "images a step")
    max_images: int = flag(0, "use so many images of a split at most; 0 means all")
    learning_rate: float = flag(3e-3, "of AdamW; falls to 0 along a cosine")
    weight_decay: float = flag(1e-3, "of AdamW")
    dropout: float = flag(0.0, "share of the features that training leaves out")
    log_dir: str = flag("runs/classifier", "folder for the model")


def normalized_convolution(inputs, filters, kernel_size, strides=1):
    """Returns the outputs of a convolution, batch normalization and ReLU."""
    outputs = layers.Conv2D(
        filters, kernel_size, strides, padding="same", use_bias=False
    )(inputs)
    outputs = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(outputs)
    return layers.ReLU()(outputs)


def build_classifier(
    image_shape=(28, 28, 1), num_classes=10, num_features=64, dropout=0.0
):
    """Returns a model: (batch, *image_shape) in [0, 1] to logits (batch, num_classes).

    Its first layers halve the image, to 7 x 7 from 28 and 8 x 8 from 64. Above 32 x 32
    one more layer looks at all pixels first.
    """
    images = outputs = keras.Input(image_shape, name="images")
    if image_shape[0] > 32:
        outputs = normalized_convolution(outputs, 16, 3)
    for filters, kernel_size in ((32, 5), (48, 3), (64, 3), (64, 3)):
        is_large = outputs.shape[1] > 8
        strides = 2 if is_large else 1
        outputs = normalized_convolution(outputs, filters, kernel_size, strides)
    outputs = layers.GlobalAveragePooling2D()(outputs)
    outputs = layers.Dropout(dropout)(outputs)
    features = layers.Dense(num_features, activation="relu", name="features")(outputs)
    # No softmax and no smoothed labels: the metrics read the confidence.
    logits = layers.Dense(num_classes, name="logits")(features)
    return keras.Model(images, logits, name="classifier")


def build_augmentation(dataset):
    """Returns a model that changes images a little, in training."""
    if dataset == "emoji_vendors":
        # How sharp an edge is tells the vendors apart: nothing may be resampled. What
        # is missing makes it look everywhere.
        missing = {"scale": (0.1, 0.4), "fill_value": 1.0, "value_range": (0, 1)}
        return keras.Sequential(
            [layers.RandomFlip("horizontal"), layers.RandomErasing(1.0, **missing)]
        )
    black = {"fill_mode": "constant", "fill_value": 0.0}
    return keras.Sequential(
        [
            layers.RandomTranslation(0.1, 0.1, **black),  # Share of the image's side.
            layers.RandomRotation(10 / 360, **black),
            layers.RandomZoom((-0.1, 0.1), (-0.1, 0.1), **black),
        ],
        name="augmentation",
    )


def make_optimizer(config, num_examples):
    """Returns AdamW whose rate falls to 0 over the training."""
    num_steps = config.epochs * -(-num_examples // config.batch_size)
    return keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(config.learning_rate, num_steps),
        weight_decay=config.weight_decay,
    )


def save(network, config):
    """Writes `model.keras` to `log_dir`."""
    path = pathlib.Path(config.log_dir) / "model.keras"
    path.parent.mkdir(parents=True, exist_ok=True)
    network.save(path)
    print(f"Saved {path}")


def main(config):
    """Trains the classifier, saves it in `log_dir` and returns it."""
    print_devices()
    keras.utils.set_random_seed(config.seed)
    (images, labels), held_out = (
        with_labels(
            datasets.load(config.dataset, split).take(config.max_images or 10**9)
        )
        for split in ("train", "validation")
    )

    classifier = build_classifier(
        images.shape[1:], len(set(labels)), dropout=config.dropout
    )
    augmentation = build_augmentation(config.dataset)
    model = keras.Sequential([keras.Input(images.shape[1:]), augmentation, classifier])
    model.compile(
        make_optimizer(config, len(images)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(
        images,
        labels,
        batch_size=config.batch_size,
        epochs=config.epochs,
        validation_data=held_out,
        verbose=2,
    )

    save(classifier, config)
    return classifier


if __name__ == "__main__":
    main(parse_flags(Config))
