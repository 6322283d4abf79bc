"""Trains UnrolledGAN on images.

python training/train_unrolled_gan.py
python training/train_unrolled_gan.py --dataset stacked_mnist --unrolled-steps 10

Writes checkpoints, TensorBoard logs and the model to `--log-dir`.
"""

import dataclasses

import gan_helpers
from script_helpers import flag, parse_flags

from gen_keras.models import UnrolledGAN


@dataclasses.dataclass
class Config(gan_helpers.Config):
    """Hyperparameters, with the values of the paper where it gives one."""

    log_dir: str = flag(
        "runs/unrolled_gan", "folder for checkpoints, TensorBoard, the model"
    )
    base_filters: int = flag(16, "filters at half the image size; 0: dense networks")
    unrolled_steps: int = flag(5, "updates of the discriminator that are foreseen (k)")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    return gan_helpers.train(config, UnrolledGAN, unrolled_steps=config.unrolled_steps)


if __name__ == "__main__":
    main(parse_flags(Config))
