"""Trains ConditionalGAN on images with classes.

python training/train_conditional_gan.py
python training/train_conditional_gan.py --base-filters 64   # convolutions
python training/train_conditional_gan.py --dataset folder:photos --image-size 64

Writes checkpoints, TensorBoard logs and the model to `--log-dir`.
"""

import dataclasses

import gan_helpers
from script_helpers import flag, parse_flags

from gen_keras.models import ConditionalGAN


@dataclasses.dataclass
class Config(gan_helpers.Config):
    """Hyperparameters, with the values of the paper where it gives one."""

    epochs: int = flag(50, "epochs in total, those before --resume included")
    batch_size: int = flag(100, "images a step")
    log_dir: str = flag(
        "runs/conditional_gan", "folder for checkpoints, TensorBoard, the model"
    )
    base_filters: int = flag(0, "filters at half the image size; 0: dense networks")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    return gan_helpers.train(
        config, ConditionalGAN, show=gan_helpers.show_classes, with_classes=True
    )


if __name__ == "__main__":
    main(parse_flags(Config))
