"""Trains the first GAN, with dense networks, on images.

python training/train_gan.py
python training/train_gan.py --saturating    # the minimax game
python training/train_gan.py --epochs 1 --max-images 1024   # smoke run

Writes checkpoints, TensorBoard logs and the model to `--log-dir`.
"""

import dataclasses

import gan_helpers
from script_helpers import flag, parse_flags

from gen_keras.models import GAN


@dataclasses.dataclass
class Config(gan_helpers.Config):
    """Hyperparameters, with the values of the paper where it gives one."""

    epochs: int = flag(50, "epochs in total, those before --resume included")
    batch_size: int = flag(100, "images a step")
    log_dir: str = flag("runs/gan", "folder for checkpoints, TensorBoard, the model")
    base_filters: int = flag(0, "filters at half the image size; 0: dense networks")
    saturating: bool = flag(False, "the generator minimizes log(1 - D(G(z)))")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    return gan_helpers.train(config, GAN, saturating=config.saturating)


if __name__ == "__main__":
    main(parse_flags(Config))
