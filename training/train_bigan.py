"""Trains BiGAN, or ALI by --stochastic, on images.

python training/train_bigan.py
python training/train_bigan.py --dataset emoji --base-filters 64 --stochastic

Writes checkpoints, TensorBoard logs and the model to `--log-dir`.
"""

import dataclasses

import gan_helpers
from script_helpers import flag, parse_flags
from translation_helpers import side_by_side

from gen_keras.models import BiGAN


@dataclasses.dataclass
class Config(gan_helpers.Config):
    """Hyperparameters, with the values of the paper where it gives one."""

    epochs: int = flag(400, "epochs in total, those before --resume included")
    batch_size: int = flag(128, "images a step")
    log_dir: str = flag("runs/bigan", "folder for checkpoints, TensorBoard, the model")
    decay: str = flag(
        "exponential", "of the rates, from half of the epochs on", gan_helpers.DECAYS
    )
    base_filters: int = flag(0, "filters at half the image size; 0: dense networks")
    units: int = flag(0, "units of dense layers; 0: the paper's")
    stochastic: bool = flag(False, "the encoder draws latents (ALI)")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    return gan_helpers.train(
        config,
        BiGAN,
        show=show_reconstructions,
        units=config.units or None,
        stochastic=config.stochastic,
    )


def show_reconstructions(model, held_out):
    """Returns functions that draw samples, and held-out images with what comes back."""
    images = held_out.take(32).images

    def reconstruct():
        return side_by_side(images, model.reconstruct(images))

    return {
        "samples": lambda: gan_helpers.draw(model, 64),
        "reconstructions": reconstruct,
    }


if __name__ == "__main__":
    main(parse_flags(Config))
