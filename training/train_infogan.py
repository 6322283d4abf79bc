"""Trains InfoGAN on images.

python training/train_infogan.py
python training/train_infogan.py --num-categories 20 --num-codes 3

Writes checkpoints, TensorBoard logs and the model to `--log-dir`.
"""

import dataclasses
import functools

import gan_helpers
import numpy as np
from script_helpers import flag, parse_flags

from gen_keras.models import InfoGAN


@dataclasses.dataclass
class Config(gan_helpers.Config):
    """Hyperparameters, with the values of the paper where it gives one."""

    epochs: int = flag(50, "epochs in total, those before --resume included")
    batch_size: int = flag(128, "images a step")
    log_dir: str = flag(
        "runs/infogan", "folder for checkpoints, TensorBoard, the model"
    )
    kernel_size: int = flag(4, "side of the convolution kernels")
    num_categories: int = flag(10, "values of the categorical code")
    num_codes: int = flag(2, "continuous codes")
    information_weight: float = flag(1.0, "factor of the mutual information (lambda)")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    return gan_helpers.train(
        config,
        InfoGAN,
        show=show_codes,
        num_categories=config.num_categories,
        num_codes=config.num_codes,
        information_weight=config.information_weight,
    )


def show_codes(model, held_out):
    """Returns functions that draw the paper's grids: a row a category, codes across."""

    def draw(code):
        rows, columns = min(model.num_categories, 10), 10
        codes = np.zeros((rows, columns, model.num_codes))
        if code is not None:
            codes[..., code] = np.linspace(-1, 1, columns)
        return gan_helpers.draw(
            model,
            rows * columns,
            categories=np.repeat(np.arange(rows), columns),
            codes=codes.reshape(-1, model.num_codes),
        )

    grids = {"categories": lambda: draw(None)}
    return grids | {
        f"code_{i}": functools.partial(draw, i) for i in range(model.num_codes)
    }


if __name__ == "__main__":
    main(parse_flags(Config))
