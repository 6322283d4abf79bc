"""Trains binary codes of images: a deep belief network, made an autoencoder.

python training/train_semantic_hashing.py
python training/train_semantic_hashing.py --hidden-dims 500,250,64
python training/train_semantic_hashing.py --dataset emoji --image-size 32
python training/train_semantic_hashing.py --layer-epochs 1 --epochs 1 --max-images 1024

Each RBM trains on samples of the units below it, and has a folder of its own in
`--log-dir` with checkpoints and TensorBoard logs, as the autoencoder has, whose model
it is. The last of --hidden-dims are the bits of a code. No labels are used. With
--resume layers that are done stay as they are.
"""

import dataclasses

import boltzmann_helpers
import keras
import script_helpers
from script_helpers import flag, limit, load_images, make_model, parse_flags, setup

from gen_keras.models import DBN, SemanticHashing


@dataclasses.dataclass
class Config(boltzmann_helpers.StackConfig):
    """Hyperparameters."""

    log_dir: str = flag("runs/semantic_hashing", "folder for checkpoints, the model …")
    hidden_dims: tuple = flag((500, 250, 32), "hidden units of the layers, from below")
    epochs: int = flag(60, "epochs of back-propagation")
    learning_rate: float = flag(1e-3, "of Adam in these; falls along a cosine to 0")
    code_noise: float = flag(4.0, "standard deviation of the noise on codes")


def main(config):
    """Builds the model, trains its layers, then all of it; returns it for tests."""
    with setup(config):
        images = load_images(config, SemanticHashing.value_range)
        held_out = load_images(config, SemanticHashing.value_range, "validation")
        held_out = limit(held_out, 5000).images
        model = make_model(
            config,
            SemanticHashing,
            visible_shape=images.image_shape,
            hidden_dims=config.hidden_dims,
            code_noise=config.code_noise,
            seed=config.seed,
        )
        model.compile(make_optimizer(config, len(images)))
    if not config.from_preset:
        pretrain(config, model, images, held_out)
    pictures = held_out[:64]
    script_helpers.fit(
        model,
        images,
        config,
        sample_images={"reconstructions": lambda: model.reconstruct(pictures)},
        validation_data=(held_out,),
        validation_batch_size=config.batch_size,
    )
    return model


def make_optimizer(config, num_examples):
    """Returns Adam whose rate falls along a cosine over the epochs of the run."""
    steps = config.epochs * (num_examples // config.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
    return keras.optimizers.Adam(rate)


def pretrain(config, model, images, held_out):
    """Trains RBMs by CD-1, and hands their weights to the model."""
    rbms = boltzmann_helpers.make_stack(config, images.image_shape, gibbs_steps=1)
    rbms[0].initialize_visible_bias(limit(images, 60_000).images)
    for level in range(len(rbms)):
        changes = config.of_layer(level)
        boltzmann_helpers.fit_layer(config, rbms, level, images, held_out, **changes)
    model.initialize(DBN(images.image_shape, config.hidden_dims, rbms=rbms))


if __name__ == "__main__":
    main(parse_flags(Config))
