"""Trains WGAN, with clipped weights, on images.

python training/train_wgan.py
python training/train_wgan.py --dataset emoji --image-size 64 --epochs 300

Writes checkpoints, TensorBoard logs and the model to `--log-dir`.
"""

import dataclasses

import gan_helpers
from script_helpers import flag, parse_flags

from gen_keras.models import WGAN


@dataclasses.dataclass
class Config(gan_helpers.Config):
    """Hyperparameters, with the values of the paper where it gives one."""

    epochs: int = flag(100, "epochs in total, those before --resume included")
    log_dir: str = flag("runs/wgan", "folder for checkpoints, TensorBoard, the model")
    clip_value: float = flag(0.01, "the greatest weight of the critic (c)")
    warm_up_steps: int = flag(100, "critic steps for the first 25 of the generator")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    return gan_helpers.train(
        config,
        WGAN,
        clip_value=config.clip_value,
        warm_up_steps=config.warm_up_steps,
    )


if __name__ == "__main__":
    main(parse_flags(Config))
