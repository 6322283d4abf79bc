"""Trains DCGAN on images.

python training/train_dcgan.py
python training/train_dcgan.py --dataset folder:photos --image-size 64
python training/train_dcgan.py --dataset emoji --epochs 300
python training/train_dcgan.py --epochs 1 --max-images 1024   # smoke run

Writes checkpoints, TensorBoard logs and the model to `--log-dir`.
"""

import dataclasses

import gan_helpers
from script_helpers import flag, parse_flags

from gen_keras.models import DCGAN


@dataclasses.dataclass
class Config(gan_helpers.Config):
    """Hyperparameters, with the values of the paper where it gives one."""

    batch_size: int = flag(128, "images a step")
    log_dir: str = flag("runs/dcgan", "folder for checkpoints, TensorBoard, the model")
    base_filters: int = flag(128, "filters at half the image size")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    return gan_helpers.train(config, DCGAN)


if __name__ == "__main__":
    main(parse_flags(Config))
