"""Trains a deep belief network: RBMs one on the other, then all together if asked to.

python training/train_dbn.py
python training/train_dbn.py --gibbs-steps 5 --epochs 40 --upside-down-rate 0.01
python training/train_dbn.py --hidden-dims 500,2000 --up-down-epochs 20
python training/train_dbn.py --epochs 1 --max-images 1024   # smoke run

Each RBM trains on samples of the units below it, and has a folder of its own in
`--log-dir` with checkpoints and TensorBoard logs; the model is in `--log-dir`. With
--resume layers that are done stay as they are.
"""

import dataclasses
import itertools
import pathlib

import boltzmann_helpers
import script_helpers
from script_helpers import flag, limit, load_images, make_model, parse_flags, setup

from gen_keras import datasets
from gen_keras.models import DBN


@dataclasses.dataclass
class Config(boltzmann_helpers.ChainConfig):
    """Hyperparameters."""

    log_dir: str = flag("runs/dbn", "folder for checkpoints, TensorBoard, the model")
    hidden_dims: tuple = flag((500, 2000), "hidden units of the layers, from below")
    epochs: int = flag(20, "epochs of each RBM; its learning rate falls over them")
    gibbs_steps: int = flag(1, "Gibbs steps of each update (k)")
    num_chains: int = flag(100, "persistent chains of the top RBM; 0 means CD-k")
    upside_down_rate: float = flag(
        0.0,
        "each RBM has chains; upper ones begin as the one below, turned over, and have "
        "this learning rate, such as 0.01; 0: they begin anew",
    )
    up_down_epochs: int = flag(0, "epochs of the up-down algorithm after that")
    up_down_rate: float = flag(0.005, "its learning rate; falls linearly to 0")

    remedy = (
        "Try a lower --learning-rate, or in the up-down algorithm --up-down-rate, or a "
        "higher --weight-decay."
    )


def main(config):
    """Builds the model, trains its layers and fine-tunes it; returns it for tests."""
    with setup(boltzmann_helpers.stage_of(config, "layer_1")):
        images = load_images(config, DBN.value_range)
        held_out = limit(load_images(config, DBN.value_range, "validation"), 1000)
        model = make_model(
            config,
            DBN,
            visible_shape=images.image_shape,
            hidden_dims=config.hidden_dims,
            rbms=boltzmann_helpers.make_stack(
                config,
                images.image_shape,
                config.gibbs_steps,
                config.num_chains,
                chains_below=config.num_chains if config.upside_down_rate else 0,
            ),
            seed=config.seed,
        )
        bottom = model.rbms[0]
        if not config.from_preset:
            bottom.initialize_visible_bias(limit(images, 60_000).images)
            if config.upside_down_rate:
                # Once more before each layer; here to fail at once if one does not fit.
                for below, rbm in itertools.pairwise(model.rbms):
                    rbm.initialize_upside_down(below)
    if not model.untied:
        fit_layers(config, model.rbms, images, held_out.images)
    if config.up_down_epochs:
        model = fine_tune(config, model, images, held_out.images)
    if not config.dry_run:
        with script_helpers.one_line_errors():
            script_helpers.save(model, pathlib.Path(config.log_dir) / "model.keras")
    return model


def fit_layers(config, rbms, images, held_out):
    """Fits the RBMs from below, each to samples of the units of the one below it."""
    for level, rbm in enumerate(rbms):
        changes = {}
        if level > 0 and config.upside_down_rate:
            changes = {"learning_rate": config.upside_down_rate}
            if not config.from_preset:
                rbm.initialize_upside_down(rbms[level - 1])
        boltzmann_helpers.fit_layer(config, rbms, level, images, held_out, **changes)


def fine_tune(config, model, images, held_out):
    """Returns the model after the up-down algorithm."""
    stage = boltzmann_helpers.stage_of(
        config,
        "up_down",
        epochs=config.up_down_epochs,
        learning_rate=config.up_down_rate,
    )
    with setup(stage):
        model = model if model.untied else model.untie()
        model.compile(boltzmann_helpers.make_optimizer(stage, len(images)))
    script_helpers.fit(
        model,
        images,
        stage,
        sample_images={
            "samples": lambda: model.sample(64, seed=0, probabilities=True),
            "weights": lambda: boltzmann_helpers.draw_weights(model.rbms[0]),
        },
        transform=datasets.binarize,
        validation_data=(boltzmann_helpers.binarize_fixed(held_out, config.seed),),
        validation_batch_size=config.batch_size,
    )
    return model


if __name__ == "__main__":
    main(parse_flags(Config))
