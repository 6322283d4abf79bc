"""Claims: WGAN's loss tells when to stop, and what more discriminator steps do.

python training/claims/indicator.py
python training/claims/indicator.py --variants wgan_gp_k5 --seeds 0

Several GANs of the same networks learn digits. At checkpoints over the training, what
the discriminator estimates is put beside a distance of the samples from validation
images that it knows nothing of. If the estimate is an indicator, both fall together.

References:
    Goodfellow et al., 2014, algorithm 1 (k steps of the discriminator).
    Arjovsky et al., 2017, section 4.2 and figure 3; Gulrajani et al., 2017, figure 5.
"""

import find_training  # noqa: F401, I001

import dataclasses

import keras
import numpy as np
import repeated_runs
from script_helpers import flag, parse_flags

from gen_keras import datasets, metrics
from gen_keras.models import GAN, WGAN, WGANGP

BATCH_SIZE = 64
# Models and the steps of their discriminators. WGAN without its first 25 iterations of
# 100 steps, which would take most of the budget; and at a rate at which it gets far.
KINDS = {
    "gan": (GAN, {}, lambda: keras.optimizers.Adam(2e-4, beta_1=0.5)),
    "wgan": (
        WGAN,
        {"warm_up_steps": 0},
        lambda: keras.optimizers.RMSprop(2e-4, rho=0.99, epsilon=1e-16),
    ),
    "wgan_gp": (WGANGP, {}, lambda: keras.optimizers.Adam(1e-4, 0.5, 0.9)),
}
VARIANTS = {f"{kind}_k{k}": (kind, k) for kind in KINDS for k in (1, 2, 5)}


@dataclasses.dataclass
class Config(repeated_runs.Config):
    """What to run."""

    log_dir: str = flag("runs/indicator", "folder for the figures of the runs")
    steps: int = flag(6000, "batches that the discriminator sees")
    checkpoints: int = flag(20, "measurements, at even distances")
    base_filters: int = flag(8, "filters at half the image size")
    num_samples: int = flag(2000, "samples, and validation images, of a measurement")


def make_model(name, config, seed):
    """Returns the compiled model of a variant."""
    keras.utils.set_random_seed(seed)
    kind, steps = VARIANTS[name]
    model_class, options, make_optimizer = KINDS[kind]
    model = model_class(
        image_shape=(28, 28, 1),
        base_filters=config.base_filters,
        discriminator_steps=steps,
        seed=seed,
        **options,
    )
    model.compile(make_optimizer(), make_optimizer())
    return model


def run(name, seed, config):
    """Trains a variant; returns its curves and their correlation."""
    model = make_model(name, config, seed)
    images = datasets.load("mnist", "train", value_range=model.value_range).images
    real = datasets.load("mnist", "validation").take(config.num_samples).images
    measure = metrics.SampleMetrics(metrics.load_feature_network("mnist"), real)
    order = np.random.default_rng(seed)
    block = config.steps // config.checkpoints
    estimates, distances = [], []
    for _, logs in repeated_runs.train_in_blocks(
        model, images, config.checkpoints * block, BATCH_SIZE, order, block
    ):
        # The Wasserstein distance of a critic; of a discriminator, minus its loss,
        # which is a bound on twice the Jensen-Shannon divergence less log 4.
        if "distance" in logs:
            estimates.append(logs["distance"][-1])
        else:
            estimates.append(-logs["discriminator_loss"][-1])
        distances.append(measure(model)["val_kernel_distance"])
    return {
        "last_distance": distances[-1],
        "least_distance": min(distances),
        "estimates": estimates,
        "distances": distances,
        "generator_steps": int(model.generator_optimizer.iterations),
    }


def collect(results):
    """Returns the means over seeds, with the correlations of the curves.

    A critic first has to learn to tell anything: over the first checkpoints its
    estimate rises from nothing. So there is a correlation without them, too.
    """
    for run in [run for runs in results.values() for run in runs]:
        curves = run["estimates"], run["distances"]
        skipped = len(curves[0]) // 10
        run["correlation"] = rank_correlation(*curves)
        run["later_correlation"] = rank_correlation(*(x[skipped:] for x in curves))
    return repeated_runs.summarize_all(results)


def rank_correlation(first, second):
    """Returns Spearman's correlation of two sequences of different numbers."""
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    return np.corrcoef(ranks)[0, 1]


def main(config):
    """Runs what is missing and writes the result."""
    return repeated_runs.run_all(
        config,
        run,
        VARIANTS,
        "claims/indicator.py",
        f"MNIST, DCGAN's networks with {config.base_filters} filters at half the size "
        f"(without batch normalization in WGAN-GP's critic), {config.steps:,} batches "
        f"of {BATCH_SIZE} for the discriminator; the generator moves at each k-th. At "
        f"{config.checkpoints} even checkpoints: the discriminator's estimate over the "
        "training batches since the last one, and the kernel distance of "
        f"{config.num_samples:,} samples to as many validation images in the features "
        "of the digit classifier. correlation: Spearman's, of the two over all "
        "checkpoints, or without the first tenth of them (later_correlation), in which "
        "an untrained critic learns to tell anything at all. WGAN: "
        "RMSprop at 0.0002 in place of 0.00005, and no long first iterations.",
        collect,
    )


if __name__ == "__main__":
    main(parse_flags(Config))
