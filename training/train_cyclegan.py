r"""Trains CycleGAN on two sets of images that nobody has matched.

python training/train_cyclegan.py
python training/train_cyclegan.py --dataset horse2zebra --image-size 256 \
    --receptive-field 70 --batch-size 1
python training/train_cyclegan.py --epochs 1 --max-images 64   # smoke run

Writes checkpoints, TensorBoard logs, the model and the one with the least kernel
distance on held-out images (`best.keras`) to `--log-dir`.

Sets of the paper, downloaded once from its authors: apple2orange, cezanne2photo,
horse2zebra, iphone2dslr_flower, monet2photo, summer2winter_yosemite, ukiyoe2photo,
vangogh2photo. Your own images: unpaired_folder:PATH.
"""

import dataclasses

from script_helpers import flag, make_model, parse_flags, setup
from translation_helpers import Config as TranslationConfig
from translation_helpers import fit_unpaired, load_unpaired, make_decaying_optimizers

from gen_keras.models import CycleGAN


@dataclasses.dataclass
class Config(TranslationConfig):
    """Hyperparameters, with the values of the paper where it gives one."""

    dataset: str = flag(
        "emoji_vendors",
        "emoji_vendors, horse2zebra (or another, see above) or unpaired_folder:PATH",
    )
    image_size: int = flag(64, "side of the images; a multiple of 4")
    epochs: int = flag(200, "epochs in total; the rate falls over the second half")
    batch_size: int = flag(4, "images of each domain a step (paper: 1, at 256)")
    log_dir: str = flag(
        "runs/cyclegan", "folder for checkpoints, TensorBoard, the model"
    )
    learning_rate: float = flag(2e-4, "of Adam, for all networks")
    num_blocks: int = flag(0, "residual blocks; 0: 6 up to 128 pixels, 9 above")
    num_halvings: int = flag(2, "halvings of the image before the residual blocks")
    base_filters: int = flag(64, "filters of the first layer of all networks")
    receptive_field: int = flag(
        34, "side of the discriminators' patches (paper: 70, at 256)"
    )
    cycle_weight: float = flag(10.0, "weight of the loss after the full circle")
    identity_weight: float = flag(0.5, "of the identity loss, times --cycle-weight")
    pool_size: int = flag(50, "generated images kept for each discriminator")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    with setup(config):
        images, held_out = load_unpaired(config, CycleGAN.value_range)
        model = make_model(
            config,
            CycleGAN,
            image_shape=images.image_shape,
            num_blocks=config.num_blocks or None,
            num_halvings=config.num_halvings,
            base_filters=config.base_filters,
            receptive_field=config.receptive_field,
            cycle_weight=config.cycle_weight,
            identity_weight=config.identity_weight,
            pool_size=config.pool_size,
            seed=config.seed,
        )
        model.compile(*make_decaying_optimizers(config, images))
    fit_unpaired(model, images, held_out, config)
    return model


if __name__ == "__main__":
    main(parse_flags(Config))
