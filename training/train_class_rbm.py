"""Trains an RBM of images and their classes, which classifies and draws.

python training/train_class_rbm.py
python training/train_class_rbm.py --objective generative --num-chains 100
python training/train_class_rbm.py --dataset folder:photos --image-size 32 --channels 1

Writes checkpoints, TensorBoard logs and the models to `--log-dir`: that of the least
validation error as `best.keras`.
"""

import dataclasses

import boltzmann_helpers
import numpy as np
from script_helpers import (
    classes_of,
    fit,
    flag,
    limit,
    load_images,
    make_model,
    parse_flags,
    setup,
)

from gen_keras.models import ClassRBM
from gen_keras.models.boltzmann_machines import class_rbm


@dataclasses.dataclass
class Config(boltzmann_helpers.ChainConfig):
    """Hyperparameters."""

    epochs: int = flag(50, "epochs in total; the learning rate falls over all of them")
    log_dir: str = flag("runs/class_rbm", "folder for checkpoints, TensorBoard, models")
    num_hidden: int = flag(500, "hidden units")
    objective: str = flag("hybrid", "what is maximized", class_rbm.OBJECTIVES)
    generative_weight: float = flag(0.01, "factor of the generative part of hybrid")
    gibbs_steps: int = flag(1, "Gibbs steps of each update (k)")
    num_chains: int = flag(0, "persistent chains (PCD-k); 0 means CD-k")
    measure_every: int = flag(1, "epochs between measurements on validation images")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    with setup(config):
        images = load_images(config, ClassRBM.value_range)
        held_out = limit(load_images(config, ClassRBM.value_range, "validation"), 5000)
        classes = classes_of(images, config)
        model = make_model(
            config,
            ClassRBM,
            visible_shape=images.image_shape,
            num_classes=int(classes.max()) + 1,
            num_hidden=config.num_hidden,
            objective=config.objective,
            generative_weight=config.generative_weight,
            gibbs_steps=config.gibbs_steps,
            num_chains=config.num_chains,
            kernel_regularizer=boltzmann_helpers.make_regularizer(config),
            seed=config.seed,
        )
        model.compile(boltzmann_helpers.make_optimizer(config, len(images)))
    fit(
        model,
        (images, classes),
        config,
        sample_images={
            "samples": lambda: model.sample(
                60, seed=0, classes=model.classes_in_turn(60), probabilities=True
            ),
            "weights": lambda: boltzmann_helpers.draw_weights(model),
        },
        monitor="val_error",
        figures=lambda: {
            "val_error": np.mean(model.classify(held_out.images) != held_out.labels)
        },
    )
    return model


if __name__ == "__main__":
    main(parse_flags(Config))
