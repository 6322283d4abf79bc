r"""Trains pix2pix on pairs of images.

python training/train_pix2pix.py
python training/train_pix2pix.py --dataset emoji_vendors
python training/train_pix2pix.py --dataset facades --image-size 256 \
    --receptive-field 70 --batch-size 1
python training/train_pix2pix.py --epochs 1 --max-images 64   # smoke run

Writes checkpoints, TensorBoard logs, the model and the one with the least L1 loss on
held-out pairs (`best.keras`) to `--log-dir`.

Sets of the paper, downloaded once from its authors: facades, maps, edges2shoes,
edges2handbags, night2day. Your own pairs: paired_folder:PATH.
"""

import dataclasses

from script_helpers import (
    fit,
    flag,
    limit,
    load_images,
    make_model,
    parse_flags,
    setup,
)
from translation_helpers import Config as TranslationConfig
from translation_helpers import (
    make_decaying_optimizers,
    measure_paired,
    side_by_side,
)

from gen_keras import datasets
from gen_keras.models import Pix2Pix


@dataclasses.dataclass
class Config(TranslationConfig):
    """Hyperparameters, with the values of the paper where it gives one."""

    dataset: str = flag(
        "emoji_edges",
        "emoji_edges, emoji_vendors, facades (or another, see above) or "
        "paired_folder:PATH",
    )
    image_size: int = flag(64, "side of the images; a multiple of 16")
    input_channels: int = flag(0, "those of a folder's inputs; 0: as --channels")
    epochs: int = flag(200, "epochs in total; the rate falls over the second half")
    batch_size: int = flag(8, "pairs a step (paper: 1, on larger images)")
    log_dir: str = flag(
        "runs/pix2pix", "folder for checkpoints, TensorBoard, the model"
    )
    learning_rate: float = flag(2e-4, "of Adam, for both networks")
    receptive_field: int = flag(
        34, "side of the discriminator's patches (paper: 70, at 256)"
    )
    base_filters: int = flag(64, "filters of the first layer of both networks")
    max_filters: int = flag(512, "the most filters of a layer of the U-Net")
    discriminator_filters: int = flag(
        0, "filters of the discriminator's first layer; 0: --base-filters"
    )
    dropout: float = flag(0.5, "rate of the generator's noise")
    l1_weight: float = flag(100.0, "weight of the L1 loss")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    with setup(config):
        options = {"kind": datasets.PairedDataset}
        if config.input_channels:
            options["input_channels"] = config.input_channels
        pairs, held_out = (
            load_images(config, Pix2Pix.value_range, split, **options)
            for split in ("train", "validation")
        )
        model = make_model(
            config,
            Pix2Pix,
            image_shape=pairs.image_shape,
            input_channels=pairs.input_shape[-1],
            receptive_field=config.receptive_field,
            base_filters=config.base_filters,
            max_filters=config.max_filters,
            discriminator_filters=config.discriminator_filters or None,
            dropout=config.dropout,
            l1_weight=config.l1_weight,
            seed=config.seed,
        )
        model.compile(*make_decaying_optimizers(config, pairs))
    held_out = limit(held_out, 200)
    shown = held_out.take(16)
    fit(
        model,
        pairs,
        config,
        sample_images={
            "input_output_target": lambda: side_by_side(
                shown.inputs, model.translate(shown.inputs), shown.targets
            )
        },
        monitor="val_l1_loss",
        figures=measure_paired(model, held_out),
        transform=datasets.random_jitter,
        validation_data=(held_out.inputs, held_out.targets),
        validation_batch_size=config.batch_size,
    )
    return model


if __name__ == "__main__":
    main(parse_flags(Config))
