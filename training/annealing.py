"""Likelihoods by annealed importance sampling, of whatever has an RBM in it."""

import numpy as np
from evaluation import standard_error
from keras import ops
from script_helpers import in_batches

from gen_keras import datasets, metrics
from gen_keras.metrics.annealed_importance_sampling import sum_softplus
from gen_keras.models import DBM, DBN, RBM

NUM_FOR_RATES = 10_000  # Training images, of the base model.
NUM_BACKWARDS = 500  # Images of reverse annealing.
NUM_SAMPLES = 20  # Of hidden layers, over which a bound is averaged.
BASES = (
    "from units without couplings, once at the rates that all layers have on "
    f"{NUM_FOR_RATES:,} training images, once with fair coins in hidden layers (of a "
    "DBN those of the top); the larger log Z counts"
)


def suits(model):
    """Returns whether log Z of a model is that of an RBM of binary units."""
    if isinstance(model, DBM):
        return True
    rbm = model.top if isinstance(model, DBN) else model
    return isinstance(rbm, RBM) and rbm.is_binary


def make_schedule(num_temperatures):
    """Returns equally spaced inverse temperatures; 0: the 14,500 of the literature."""
    if num_temperatures:
        return metrics.linear_schedule(num_temperatures)
    return metrics.reference_schedule()


class Likelihood:
    """The likelihood of images under a model, from both sides.

    Annealing finds log Z or less, so that the larger one of two estimates counts: from
    the rates of training images it finds where these are, from fair coins in hidden
    layers at times a mode elsewhere.

    Args:
        model: `RBM`, `DBN` or `DBM`.
        training_images: Array (num_images, ...) in [0, 1].
        schedule: Inverse temperatures, see `make_schedule`.
        num_chains: Integer.
        seed: Integer.
        verbose: 1 shows progress bars.

    Attributes:
        estimates: Dict of `metrics.LogPartition`, from "rates" and from "coins".
        log_z: The one of the two with the larger log Z.
    """

    def __init__(
        self, model, training_images, schedule, num_chains=100, seed=0, verbose=0
    ):
        self.model, self.seed = model, seed
        self.weights = weights_of(model)
        images = training_images[:NUM_FOR_RATES]
        self.bases = {
            "rates": model.base_biases(images),
            "coins": model.base_biases(images, coins=True),
        }
        self.options = {"schedule": schedule, "seed": seed, "verbose": verbose}
        self.estimates = {
            name: metrics.annealed_importance_sampling(
                *self.weights, base_biases=base, num_chains=num_chains, **self.options
            )
            for name, base in self.bases.items()
        }
        self.log_z = max(self.estimates.values(), key=lambda each: each.log_partition)

    def compare_bases(self):
        """Returns a dict of the estimates of log Z from either base."""
        return {
            f"log_partition_from_{name}": estimate.log_partition
            for name, estimate in self.estimates.items()
        }

    def measure_nll(self, images, **options):
        """Returns -log p(v), of a DBN or DBM an upper bound, in nats.

        Args:
            images: Array (num_images, ...), 0 or 1.
            **options: Arguments of `log_prob`.

        Returns:
            Float64 array (num_images,).
        """
        # log Z is added in float64. Each batch has draws of its own.
        values = [
            ops.convert_to_numpy(
                log_prob(self.model, batch, 0.0, self.seed + i, **options)
            )
            for i, batch in enumerate(in_batches(images, 100))
        ]
        return self.log_z.log_partition - np.concatenate(values).astype("float64")

    def measure_summed_out(self, images, name="nll_summed_out"):
        """Returns a dict of the tighter bound of a DBM; of other models it is empty.

        Args:
            images: Array (num_images, ...), 0 or 1.
            name: String, what the mean over images is called.
        """
        if not isinstance(self.model, DBM):
            return {}
        return {name: self.measure_nll(images, sum_out=True).mean()}

    def measure_gap(self, images):
        """Returns how much less likely the first images are by reverse annealing.

        It is annealing from the rates, which finds them. Both sides are of the same
        states: the images, and what q draws with them. If the model is the better one
        on these, better than what annealing makes of it, the gap is at least by how
        much annealing forwards flatters it. A gap below 0 tells that it is not.

        Args:
            images: Array (num_images, ...), 0 or 1.

        Returns:
            Dict of the mean and its error over images, that of log Z left out.
        """
        states = draw_states(self.model, images[:NUM_BACKWARDS], self.seed)
        forwards = log_weights(states, *self.weights) - self.log_z.log_partition
        gap = forwards - metrics.reverse_annealing(
            *self.weights, states, base_biases=self.bases["rates"], **self.options
        )
        return {"backwards_gap": gap.mean(), "backwards_gap_error": standard_error(gap)}


def weights_of(model):
    """Returns the weights of the RBM whose log Z a model has."""
    if isinstance(model, DBM):
        return model.as_rbm()
    return (model.top if isinstance(model, DBN) else model).weight_arrays()


def draw_states(model, images, seed):
    """Returns states of the visible layer of that RBM, given images.

    Of a DBN it is the layer below the top, of a DBM the images and all even layers.

    Args:
        model: `RBM`, `DBN` or `DBM`.
        images: Array (num_images, ...), 0 or 1.
        seed: Integer.

    Returns:
        Array (num_images, num_visible).
    """
    flat = images.reshape(len(images), -1)
    if isinstance(model, DBM):
        means = [ops.convert_to_numpy(each) for each in model.mean_field(images)]
        return datasets.binarize(
            np.concatenate([flat, *means[1::2]], axis=1), np.random.default_rng(seed)
        )
    if isinstance(model, DBN):
        states = model.draw_up(images, len(model.rbms) - 1, seed=seed)
        return ops.convert_to_numpy(states)
    return flat


def log_weights(visible, kernel, visible_bias, hidden_bias):
    """Returns log Σ_h exp(-E(v, h)) of an RBM, (num_states,), in float64."""
    inputs = visible.astype("float64") @ kernel + hidden_bias
    return visible @ visible_bias + sum_softplus(inputs)


def log_prob(model, images, log_partition, seed=0, sum_out=False):
    """Returns log p(v), of a DBN or DBM a lower bound, (batch,).

    Args:
        model: `RBM`, `DBN` or `DBM`.
        images: Array (batch, ...), 0 or 1.
        log_partition: Float.
        seed: Integer, of the samples over which a bound is averaged.
        sum_out: Boolean, of a DBM: whether its odd layers are summed out.
    """
    if isinstance(model, RBM):
        return model.log_prob(images, log_partition)
    has_samples = sum_out or isinstance(model, DBN)
    num_samples = NUM_SAMPLES if has_samples else 0
    return model.log_prob_bound(images, log_partition, num_samples, seed)
