"""Trains AC-GAN on images with classes.

python training/train_acgan.py
python training/train_acgan.py --dataset folder:photos --image-size 64

Writes checkpoints, TensorBoard logs and the model to `--log-dir`.
"""

import dataclasses

import gan_helpers
from script_helpers import flag, parse_flags

from gen_keras.models import ACGAN


@dataclasses.dataclass
class Config(gan_helpers.Config):
    """Hyperparameters, with the values of the paper where it gives one."""

    log_dir: str = flag("runs/acgan", "folder for checkpoints, TensorBoard, the model")
    class_weight: float = flag(1.0, "factor of the class loss")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    return gan_helpers.train(
        config,
        ACGAN,
        show=gan_helpers.show_classes,
        with_classes=True,
        class_weight=config.class_weight,
    )


if __name__ == "__main__":
    main(parse_flags(Config))
