"""Trains PacGAN on images.

python training/train_pacgan.py
python training/train_pacgan.py --dataset stacked_mnist --pack-size 2

Writes checkpoints, TensorBoard logs and the model to `--log-dir`.
"""

import dataclasses

import gan_helpers
from script_helpers import flag, parse_flags

from gen_keras.models import PacGAN


@dataclasses.dataclass
class Config(gan_helpers.Config):
    """Hyperparameters, with the values of the paper where it gives one."""

    batch_size: int = flag(128, "images a step, in packs")
    log_dir: str = flag("runs/pacgan", "folder for checkpoints, TensorBoard, the model")
    pack_size: int = flag(2, "images that the discriminator sees together (m)")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    return gan_helpers.train(config, PacGAN, pack_size=config.pack_size)


if __name__ == "__main__":
    main(parse_flags(Config))
