"""Trains the network through which metrics look at emoji.

    python training/train_feature_network.py
    python training/train_feature_network.py --epochs 1 --max-images 128   # smoke run

A picture's 64 features must tell which emoji it shows, whoever drew it: of the drawings
by Twemoji in a batch they must find that of the emoji that Noto drew, and the reverse.
They must also tell who drew it. So they depend on shape, colour and sharpness, where
those of a classifier of two vendors alone would pass blots with the right edges.

The shipped `gen_keras/metrics/emoji_features.keras` is a file that this script writes;
`python training/evaluate.py --preset emoji_features` measures it on test emoji.

Expected: the nearest of 150 validation drawings is the same emoji in 40 % of the cases,
after 40 epochs, five minutes on two CPU cores.

References:
    van den Oord et al., 2018, equation 4 (InfoNCE). https://arxiv.org/abs/1807.03748
    Chen et al., 2020 (SimCLR: the projection, the temperature).
    https://arxiv.org/abs/2002.05709
"""

import dataclasses

import keras
import numpy as np
from keras import layers, ops
from script_helpers import flag, parse_flags, print_devices
from train_classifier import make_optimizer, normalized_convolution, save

from gen_keras import datasets, metrics

WHITE = {"fill_mode": "constant", "fill_value": 1.0}


@dataclasses.dataclass
class Config:
    """Hyperparameters."""

    seed: int = flag(0, "decides initial weights, order and augmentation")
    epochs: int = flag(40, "epochs in total")
    batch_size: int = flag(128, "emoji a step, each by both vendors")
    max_images: int = flag(0, "use so many emoji of a split at most; 0 means all")
    learning_rate: float = flag(3e-3, "of AdamW; falls to 0 along a cosine")
    weight_decay: float = flag(1e-3, "of AdamW")
    dropout: float = flag(0.2, "share of the last pixels that training leaves out")
    temperature: float = flag(0.2, "of the softmax over cosines")
    log_dir: str = flag("runs/feature_network", "folder for the model")


def build_network(image_shape=(64, 64, 3), num_features=64, dropout=0.0):
    """Returns a model: (batch, *image_shape) in [0, 1] to (batch, num_features) ≥ 0.

    No average over the image: features know where things are.
    """
    images = keras.Input(image_shape, name="images")
    outputs = normalized_convolution(images, 16, 3)
    for filters, kernel_size in ((32, 5), (48, 3), (64, 3), (64, 3)):
        outputs = normalized_convolution(outputs, filters, kernel_size, strides=2)
    outputs = layers.Dropout(dropout)(layers.Flatten()(outputs))
    outputs = layers.Dense(num_features, use_bias=False)(outputs)
    # Of like spread, and none that is always 0.
    outputs = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(outputs)
    features = layers.ReLU(name="features")(outputs)
    return keras.Model(images, features, name="feature_network")


def build_training_model(network, temperature):
    """Returns a model: pairs (batch, 2, h, w, 3) to what the two losses want.

    Its outputs are cosines over the temperature, (batch, batch), of the first drawings
    with the second ones, and a logit for each drawing, (batch, 2).
    """
    image_shape = network.input_shape[1:]
    num_features = network.output_shape[-1]
    pairs = keras.Input((2, *image_shape))
    # Nothing is resampled: the sharpness of an edge tells the vendors apart.
    augment = keras.Sequential(
        [
            layers.RandomFlip("horizontal"),
            layers.RandomTranslation(0.1, 0.1, interpolation="nearest", **WHITE),
        ]
    )
    # Both vendors pass at once, so that no batch statistics tell them apart.
    features = network(augment(ops.reshape(pairs, (-1, *image_shape))))
    projected = layers.Dense(num_features)(features)
    projected = ops.normalize(projected, axis=-1, epsilon=1e-6)
    projected = ops.reshape(projected, (-1, 2, num_features))
    cosines = ops.matmul(projected[:, 0], ops.transpose(projected[:, 1]))
    vendor = ops.reshape(layers.Dense(1)(features), (-1, 2))
    return keras.Model(pairs, {"emoji": cosines / temperature, "vendor": vendor})


def contrastive_loss(_, logits):
    """Returns -log softmax of the diagonal, the mean of rows and columns (InfoNCE)."""
    indices = ops.arange(ops.shape(logits)[0])
    losses = [
        keras.losses.sparse_categorical_crossentropy(indices, x, from_logits=True)
        for x in (logits, ops.transpose(logits))
    ]
    return (losses[0] + losses[1]) / 2


def load_pairs(split, max_images):
    """Returns pairs (num_emoji, 2, 64, 64, 3) in [0, 1], and the losses' targets."""
    emoji = datasets.load("emoji_vendors", split).take(max_images or 10**9)
    pairs = np.stack([emoji.inputs, emoji.targets], axis=1)
    vendors = np.tile(np.array([[0.0, 1.0]], "float32"), (len(pairs), 1))
    return pairs, {"emoji": vendors, "vendor": vendors}  # The first is not looked at.


def main(config):
    """Trains the network, saves it in `log_dir` and returns it."""
    print_devices()
    keras.utils.set_random_seed(config.seed)
    train, held_out = (
        load_pairs(split, config.max_images) for split in ("train", "validation")
    )
    network = build_network(train[0].shape[2:], dropout=config.dropout)
    model = build_training_model(network, config.temperature)
    model.compile(
        make_optimizer(config, len(train[0])),
        {
            "emoji": contrastive_loss,
            "vendor": keras.losses.BinaryCrossentropy(from_logits=True),
        },
    )
    model.fit(
        *train,
        batch_size=config.batch_size,
        epochs=config.epochs,
        validation_data=held_out,
        validation_batch_size=len(held_out[0]),
        verbose=2,
    )

    noto, twemoji = (
        metrics.extract_features(network, x) for x in held_out[0].swapaxes(0, 1)
    )
    noto, twemoji = noto - noto.mean(axis=0), twemoji - twemoji.mean(axis=0)
    share = np.mean(metrics.retrieval_ranks(noto, twemoji) == 0)
    print(f"The nearest validation drawing is the same emoji: {share:.1%}")
    save(network, config)
    return network


if __name__ == "__main__":
    main(parse_flags(Config))
