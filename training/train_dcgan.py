"""Trains DCGAN on images.

python training/train_dcgan.py
python training/train_dcgan.py --dataset folder:photos --image-size 64
python training/train_dcgan.py --dataset emoji --epochs 300
python training/train_dcgan.py --epochs 1 --max-images 1024   # smoke run

Writes checkpoints, TensorBoard logs and the model to `--log-dir`.
"""

import dataclasses

import keras
from script_helpers import Config as SharedConfig
from script_helpers import fit, flag, load_images, make_model, parse_flags, setup

from gen_keras import datasets
from gen_keras.models import DCGAN


@dataclasses.dataclass
class Config(SharedConfig):
    """Hyperparameters, with the values of the paper where it gives one."""

    epochs: int = flag(25, "epochs in total, those before --resume included")
    batch_size: int = flag(128, "images a step")
    log_dir: str = flag("runs/dcgan", "folder for checkpoints, TensorBoard, the model")
    flip: bool = flag(False, "mirror half of the images")
    learning_rate: float = flag(2e-4, "of Adam, for both networks")
    latent_dim: int = flag(100, "length of a latent vector")
    base_filters: int = flag(128, "filters at half the image size")
    kernel_size: int = flag(5, "side of the convolution kernels")
    ema_momentum: float = flag(0.0, "average of the generator, such as 0.999; 0: none")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    with setup(config):
        images = load_images(config, DCGAN.value_range)
        model = make_model(
            config,
            DCGAN,
            image_shape=images.image_shape,
            latent_dim=config.latent_dim,
            base_filters=config.base_filters,
            kernel_size=config.kernel_size,
            ema_momentum=config.ema_momentum or None,
            seed=config.seed,
        )
        model.compile(
            generator_optimizer=keras.optimizers.Adam(config.learning_rate, 0.5),
            discriminator_optimizer=keras.optimizers.Adam(config.learning_rate, 0.5),
        )
    fit(
        model,
        images,
        config,
        sample_images={"samples": lambda: model.sample(64, seed=0)},
        transform=datasets.random_flip if config.flip else None,
    )
    return model


if __name__ == "__main__":
    main(parse_flags(Config))
