"""Claims: D* = p / (p + q), C(G) = -log 4 + 2 JSD, and which gradients vanish.

python training/claims/optimal_discriminator.py

The generator is held fixed: it draws from a round Gaussian at some distance from that
of the data, so both densities p and q are known. A discriminator is trained to the
optimum and compared with the formula, its loss with the divergence. Then the gradient
with respect to the generator's mean is measured: of the minimax loss, of the
non-saturating one, and of a WGAN-GP critic's.

References:
    Goodfellow et al., 2014, proposition 1, theorem 1 and section 3.
    Arjovsky et al., 2017, theorem 2 and figure 2.
"""

import find_training  # noqa: F401, I001

import dataclasses
import math
import time

import keras
import numpy as np
import result_files
from keras import layers, ops
from script_helpers import flag, one_line_errors, parse_flags, print_devices

from gen_keras import backend
from gen_keras.models import GAN, WGANGP
from gen_keras.models.gans import networks

DISTANCES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
NUM_POINTS = 200_000


@dataclasses.dataclass
class Config:
    """What to run."""

    seed: int = flag(0, "of weights, noise and data")
    steps: int = flag(4000, "batches of 256 that each discriminator sees")
    out: str = flag("", "file for the result; none: training/results")


def make_generator(distance):
    """Returns a network from (batch, 2) to points with mean (distance, 0)."""
    latents = keras.Input((2,))
    layer = layers.Dense(2)
    network = keras.Model(latents, layer(latents), name="generator")
    layer.set_weights([np.eye(2), np.array([distance, 0.0])])
    return network


def train(model_class, distance, config, **options):
    """Returns a model whose discriminator alone was trained, nearly to the optimum."""
    keras.utils.set_random_seed(config.seed)
    model = model_class(
        image_shape=(2,),
        latent_dim=2,
        generator=make_generator(distance),
        discriminator=networks.point_discriminator(units=32),
        discriminator_steps=config.steps + 1,  # The generator never moves.
        seed=config.seed,
        **options,
    )
    model.compile(discriminator_optimizer=keras.optimizers.Adam(1e-3, 0.5))
    for block, rate in enumerate((1e-3, 1e-3, 3e-4, 1e-4)):
        model.discriminator_optimizer.learning_rate = rate
        points = draw_points(config.steps // 4 * 256, (config.seed, block))
        model.fit(points, batch_size=256, shuffle=False, verbose=0)
    return model


def draw_points(count, seed, distance=0.0):
    """Returns points (count, 2) of a round Gaussian."""
    points = np.random.default_rng(seed).normal(size=(count, 2)) + [distance, 0]
    return points.astype("float32")


def optimal(points, distance):
    """Returns D* of equation 2 at points, p / (p + q)."""
    log_p = -0.5 * np.square(points).sum(axis=1)
    log_q = -0.5 * np.square(points - [distance, 0]).sum(axis=1)
    return 1 / (1 + np.exp(log_q - log_p))


def divergence(distance, seed):
    """Returns the Jensen-Shannon divergence in nats, over many fresh points."""
    parts = []
    for sign, mean in ((1, 0.0), (-1, distance)):
        real = optimal(draw_points(NUM_POINTS, (seed, 99, sign + 1), mean), distance)
        own = real if sign == 1 else 1 - real
        parts.append(np.mean(np.log(np.maximum(own, 1e-300))))
    return 0.5 * sum(parts) + math.log(2)


def gradient_norm(model, seed):
    """Returns the length of the gradient with respect to the generator's mean."""
    noise = draw_points(5000, (seed, 7))
    bias = model.generator.layers[-1].bias

    def loss_fn():
        logits = model.discriminator(model.generator(noise), training=False)
        return model.generator_loss(logits), {}

    _, _, (gradient,) = backend.value_and_gradients(loss_fn, [bias])
    return float(ops.norm(gradient))


def measure(distance, config):
    """Returns the figures of one distance between the two Gaussians."""
    model = train(GAN, distance, config)
    halves = [
        draw_points(NUM_POINTS // 2, (config.seed, 50 + i), mean)
        for i, mean in enumerate((0.0, distance))
    ]
    logits = [model.discriminator.predict(x, 5000, verbose=0)[:, 0] for x in halves]
    learned = 1 / (1 + np.exp(-np.concatenate(logits).astype("float64")))
    best = optimal(np.concatenate(halves), distance)
    real, fake = (x.astype("float64") for x in logits)
    value = -np.mean(np.logaddexp(0, -real)) - np.mean(np.logaddexp(0, fake))
    minimax = GAN(
        image_shape=(2,),
        saturating=True,
        generator=model.generator,
        discriminator=model.discriminator,
    )
    critic = train(WGANGP, distance, config, penalty_weight=10.0)
    return {
        "discriminator_error": np.abs(learned - best).mean(),
        "mean_score": learned.mean(),
        "objective": value,
        "theory": -math.log(4) + 2 * divergence(distance, config.seed),
        "gradient": {
            "minimax": gradient_norm(minimax, config.seed),
            "non_saturating": gradient_norm(model, config.seed),
            "wgan_gp": gradient_norm(critic, config.seed),
        },
    }


def main(config):
    """Measures all distances and writes the result."""
    start = time.time()
    print_devices()
    figures = {}
    with one_line_errors():
        for distance in DISTANCES:
            figures[str(distance)] = measure(distance, config)
            print(distance, figures[str(distance)], flush=True)
    protocol = (
        "Data: a round Gaussian of deviation 1 in the plane; samples: the same, moved "
        "by the distances that are the keys. Three maxout layers of 32 units, "
        f"{config.steps:,} batches of 256, Adam from 0.001 to 0.0001. "
        "discriminator_error: the mean |D - p / (p + q)| over "
        f"{NUM_POINTS:,} points, half of them data. objective: E[log D(x)] + "
        "E[log(1 - D(G(z)))] of the trained discriminator on these; theory: "
        "-log 4 + 2 JSD of the densities, by Monte Carlo over "
        f"{NUM_POINTS:,} points of each. gradient: its length with respect to the mean "
        "of the samples, 5,000 of them."
    )
    result = result_files.make(
        config,
        "claims/optimal_discriminator.py",
        config.seed,
        protocol,
        figures,
        time.time() - start,
    )
    result_files.write(result, config.out or "claim_optimal_discriminator.json")
    return result


if __name__ == "__main__":
    main(parse_flags(Config))
