"""Trains LSGAN on images.

python training/train_lsgan.py
python training/train_lsgan.py --fake-target -1 --generator-target 0

Writes checkpoints, TensorBoard logs and the model to `--log-dir`.
"""

import dataclasses

import gan_helpers
from script_helpers import flag, parse_flags

from gen_keras.models import LSGAN


@dataclasses.dataclass
class Config(gan_helpers.Config):
    """Hyperparameters, with the values of the paper where it gives one."""

    log_dir: str = flag("runs/lsgan", "folder for checkpoints, TensorBoard, the model")
    fake_target: float = flag(0.0, "what the discriminator gives to samples (a)")
    real_target: float = flag(1.0, "what it gives to data (b)")
    generator_target: float = flag(1.0, "what the generator wants it to give (c)")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    return gan_helpers.train(
        config,
        LSGAN,
        fake_target=config.fake_target,
        real_target=config.real_target,
        generator_target=config.generator_target,
    )


if __name__ == "__main__":
    main(parse_flags(Config))
