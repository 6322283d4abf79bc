r"""Trains DiscoGAN on two sets of images that nobody has matched.

python training/train_discogan.py
python training/train_discogan.py --dataset horse2zebra
python training/train_discogan.py --epochs 1 --max-images 64   # smoke run

Writes checkpoints, TensorBoard logs, the model and the one with the least kernel
distance on held-out images (`best.keras`) to `--log-dir`. The sets of
`train_cyclegan.py` are known here, too. Images are jittered and flipped as for the
other translators; the release takes them as they are.
"""

import dataclasses

import keras
from script_helpers import flag, make_model, parse_flags, setup
from translation_helpers import Config as TranslationConfig
from translation_helpers import fit_unpaired, load_unpaired

from gen_keras.models import DiscoGAN


@dataclasses.dataclass
class Config(TranslationConfig):
    """Hyperparameters, with the values of the authors' release where it gives one."""

    dataset: str = flag(
        "emoji_vendors", "emoji_vendors, horse2zebra … or unpaired_folder:PATH"
    )
    image_size: int = flag(64, "side of the images; a multiple of 16")
    epochs: int = flag(200, "epochs in total")
    batch_size: int = flag(
        48, "images of each domain a step, a third for each update (release: 192)"
    )
    log_dir: str = flag(
        "runs/discogan", "folder for checkpoints, TensorBoard, the model"
    )
    learning_rate: float = flag(2e-4, "of Adam, for all networks")
    num_halvings: int = flag(4, "halvings of the image by a generator (paper: 4 or 5)")
    base_filters: int = flag(64, "filters of the first layer of all networks")
    first_rate: float = flag(0.01, "share of the reconstruction at first")
    rate: float = flag(0.5, "share of the reconstruction from then on")
    curriculum_iterations: int = flag(10000, "how many iterations are the first")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    with setup(config):
        images, held_out = load_unpaired(config, DiscoGAN.value_range)
        model = make_model(
            config,
            DiscoGAN,
            image_shape=images.image_shape,
            num_halvings=config.num_halvings,
            base_filters=config.base_filters,
            first_rate=config.first_rate,
            rate=config.rate,
            curriculum_iterations=config.curriculum_iterations,
            seed=config.seed,
        )
        adam = keras.optimizers.Adam
        model.compile(*(adam(config.learning_rate, 0.5) for _ in range(2)))
    fit_unpaired(model, images, held_out, config)
    return model


if __name__ == "__main__":
    main(parse_flags(Config))
