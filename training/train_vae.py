r"""Trains a VAE on images.

    python training/train_vae.py
    python training/train_vae.py --latent-dim 2
    python training/train_vae.py --dataset folder:photos --image-size 64 \
        --likelihood gaussian --network convolutional
    python training/train_vae.py --epochs 1 --max-images 1024   # smoke run

Writes checkpoints, TensorBoard logs and the model to `--log-dir`.
"""

import dataclasses

import keras
import numpy as np
from script_helpers import Config as SharedConfig
from script_helpers import (
    fit,
    flag,
    limit,
    load_images,
    make_model,
    parse_flags,
    setup,
)

from gen_keras import datasets
from gen_keras.models import VAE
from gen_keras.models.vaes.vae import LIKELIHOODS, NETWORKS


@dataclasses.dataclass
class Config(SharedConfig):
    """Hyperparameters: the dense networks and the Adam of Burda et al., 2015, k = 1.

    There: batches of 20 and 3,280 epochs, the rate falling in eight steps.
    """

    epochs: int = flag(300, "epochs in total; the learning rate falls over all of them")
    batch_size: int = flag(100, "images a step")
    log_dir: str = flag("runs/vae", "folder for checkpoints, TensorBoard, the model")
    binarize: bool = flag(True, "draw 0 or 1 for each gray pixel anew at each step")
    learning_rate: float = flag(
        1e-3, "of Adam, at the start; it falls along a cosine to 0"
    )
    latent_dim: int = flag(50, "length of a latent vector")
    likelihood: str = flag("bernoulli", "of the pixels", choices=LIKELIHOODS)
    network: str = flag("dense", "kind of both networks", choices=tuple(NETWORKS))
    hidden_dims: tuple = flag((200, 200), "hidden layers of the encoder")


def main(config):
    """Builds, compiles and fits the model; returns it for tests."""
    with setup(config):
        images = load_images(config, VAE.value_range)
        held_out = load_images(config, VAE.value_range, "validation")
        model = make_model(
            config,
            VAE,
            image_shape=images.image_shape,
            latent_dim=config.latent_dim,
            likelihood=config.likelihood,
            network=config.network,
            hidden_dims=config.hidden_dims,
            seed=config.seed,
        )
        steps = config.epochs * (len(images) // config.batch_size)
        rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
        model.compile(keras.optimizers.Adam(rate, epsilon=1e-4))
    binary = config.binarize and model.likelihood == "bernoulli"
    pictures = held_out.take(64).images
    validation = limit(held_out, 5000).images
    if binary:
        validation = datasets.binarize(validation, np.random.default_rng(config.seed))
    fit(
        model,
        images,
        config,
        sample_images={
            "samples": lambda: model.sample(64, seed=0),
            "reconstructions": lambda: model.reconstruct(pictures),
        },
        transform=datasets.binarize if binary else None,
        validation_data=(validation,),
        validation_batch_size=config.batch_size,
    )
    return model


if __name__ == "__main__":
    main(parse_flags(Config))
