"""Trains a deep Boltzmann machine: its layers as RBMs, then all of them together.

python training/train_dbm.py
python training/train_dbm.py --hidden-dims 500,500,1000
python training/train_dbm.py --layer-epochs 1 --epochs 1 --max-images 1024   # smoke run

The RBMs of the pre-training have folders of their own in `--log-dir`, with checkpoints
and TensorBoard logs, as the model has. With --resume layers that are done stay as they
are.
"""

import dataclasses

import boltzmann_helpers
import script_helpers
from script_helpers import flag, limit, load_images, make_model, parse_flags, setup

from gen_keras import datasets
from gen_keras.models import DBM


@dataclasses.dataclass
class Config(boltzmann_helpers.ChainConfig, boltzmann_helpers.StackConfig):
    """Hyperparameters."""

    log_dir: str = flag("runs/dbm", "folder for checkpoints, TensorBoard, the model")
    hidden_dims: tuple = flag((500, 1000), "hidden units of the layers, from below")
    epochs: int = flag(30, "epochs of all layers together")
    learning_rate: float = flag(0.005, "of these; falls linearly to 0")
    mean_field_steps: int = flag(10, "updates of q for each batch")
    num_chains: int = flag(100, "persistent chains, at least 1")


def main(config):
    """Builds the model, trains its layers, then all of it; returns it for tests."""
    with setup(config):
        images = load_images(config, DBM.value_range)
        held_out = limit(load_images(config, DBM.value_range, "validation"), 1000)
        model = make_model(
            config,
            DBM,
            visible_shape=images.image_shape,
            hidden_dims=config.hidden_dims,
            mean_field_steps=config.mean_field_steps,
            gibbs_steps=config.gibbs_steps,
            num_chains=config.num_chains,
            kernel_regularizer=boltzmann_helpers.make_regularizer(config),
            seed=config.seed,
        )
        model.compile(boltzmann_helpers.make_optimizer(config, len(images)))
    if not config.from_preset:
        pretrain(config, model, images, held_out.images)
    script_helpers.fit(
        model,
        images,
        config,
        sample_images={
            "samples": lambda: model.sample(64, seed=0, probabilities=True),
            "weights": lambda: boltzmann_helpers.draw_weights(model, model.kernels[0]),
        },
        transform=datasets.binarize,
        validation_data=(
            boltzmann_helpers.binarize_fixed(held_out.images, config.seed),
        ),
        validation_batch_size=config.batch_size,
    )
    return model


def pretrain(config, model, images, held_out):
    """Trains the RBMs by CD-1, and hands their weights to the model."""
    rbms = model.make_rbms(
        kernel_regularizer=boltzmann_helpers.make_regularizer(config)
    )
    rbms[0].initialize_visible_bias(limit(images, 60_000).images)
    for level in range(len(rbms)):
        changes = config.of_layer(level)
        boltzmann_helpers.fit_layer(config, rbms, level, images, held_out, **changes)
    model.compose(rbms)


if __name__ == "__main__":
    main(parse_flags(Config))
