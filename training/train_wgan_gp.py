"""Trains WGAN-GP on images.

python training/train_wgan_gp.py
python training/train_wgan_gp.py --dataset emoji --epochs 300 --flip

Writes checkpoints, TensorBoard logs and the model to `--log-dir`.
"""

import dataclasses

import gan_helpers
from script_helpers import flag, parse_flags

from gen_keras.models import WGANGP


@dataclasses.dataclass
class Config(gan_helpers.Config):
    """Hyperparameters, with the values of the paper where it gives one."""

    epochs: int = flag(100, "epochs in total, those before --resume included")
    log_dir: str = flag(
        "runs/wgan_gp", "folder for checkpoints, TensorBoard, the model"
    )
    penalty_weight: float = flag(10.0, "factor of the gradient penalty (lambda)")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    return gan_helpers.train(config, WGANGP, penalty_weight=config.penalty_weight)


if __name__ == "__main__":
    main(parse_flags(Config))
