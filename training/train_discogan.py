r"""Trains DiscoGAN on two sets of images that nobody has matched.

python training/train_discogan.py
python training/train_discogan.py --dataset horse2zebra
python training/train_discogan.py --epochs 1 --max-images 64   # smoke run

Writes checkpoints, TensorBoard logs, the model and the one with the least kernel
distance on held-out images (`best.keras`) to `--log-dir`. The sets of
`train_cyclegan.py` are known here, too.
"""

import dataclasses

import keras
from script_helpers import (
    TranslationConfig,
    equally_long,
    fit,
    flag,
    load_images,
    make_model,
    measure_unpaired,
    parse_flags,
    setup,
    show_circle,
)

from gen_keras import datasets
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
    is_shipped = config.dataset == "emoji_vendors"
    options = {"kind": datasets.UnpairedDataset}
    options |= {"paired": False} if is_shipped else {}
    with setup(config):
        images = load_images(config, DiscoGAN.value_range, **options)
        held_out = load_images(config, DiscoGAN.value_range, "validation", **options)
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
    held_out = held_out.take(200)
    fit(
        model,
        images,
        config,
        sample_images=show_circle(model, held_out.take(16)),
        monitor="val_kernel_distance",
        figures=measure_unpaired(model, held_out),
        transform=datasets.random_jitter,
        validation_data=equally_long(held_out.inputs, held_out.targets),
        validation_batch_size=config.batch_size,
    )
    return model


if __name__ == "__main__":
    main(parse_flags(Config))
