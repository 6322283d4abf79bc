"""Likelihoods by annealed importance sampling, of whatever has an RBM in it."""

import numpy as np
from evaluation import standard_error
from keras import ops

from gen_keras import datasets, metrics
from gen_keras.models import DBM, DBN, RBM

NUM_FOR_RATES = 10_000  # Training images, of the base model.
NUM_BACKWARDS = 500  # Images of reverse annealing.


def suits(model):
    """Returns whether log Z of a model is that of an RBM of binary units."""
    if isinstance(model, DBM):
        return True
    rbm = model.top if isinstance(model, DBN) else model
    return isinstance(rbm, RBM) and rbm._is_binary


def make_schedule(num_temperatures):
    """Returns equally spaced inverse temperatures; 0: the 14,500 of the literature."""
    if num_temperatures:
        return metrics.linear_schedule(num_temperatures)
    return metrics.reference_schedule()


def weights_of(model):
    """Returns the weights of the RBM whose log Z a model has."""
    if isinstance(model, DBM):
        return model.as_rbm()
    return (model.top if isinstance(model, DBN) else model)._weight_arrays()


def reverse_log_prob(model, images, base_biases, schedule, seed=0, verbose=0):
    """Returns log p(v) from below by reverse annealing, (num_images,), in nats.

    Of a DBN or DBM it is that of one draw of q, whose probability is taken off, in the
    RBM of `weights_of`; of a DBM its odd layers are summed out.
    """
    rng = np.random.default_rng(seed)
    states, rest = images.reshape(len(images), -1), 0.0
    if isinstance(model, DBM):
        means = [ops.convert_to_numpy(each) for each in model.mean_field(images)]
        means = np.concatenate(means[1::2], axis=1)
        drawn = datasets.binarize(means, rng)
        states, rest = (
            np.concatenate([states, drawn], axis=1),
            -log_bernoulli(drawn, means),
        )
    if isinstance(model, DBN):
        with model.seeded(seed):
            layers = model._draw_states_up(model._flatten(images), len(model.rbms) - 1)
        rest = ops.convert_to_numpy(model._log_ratio(layers))
        states = ops.convert_to_numpy(layers[-1])
    options = {"base_biases": base_biases, "schedule": schedule}
    options |= {"seed": seed, "verbose": verbose}
    return metrics.reverse_annealing(*weights_of(model), states, **options) + rest


def measure_bracket(model, images, nll, base_biases, schedule, **options):
    """Returns how much more nll reverse annealing gives to the first of some images.

    Args:
        model: `RBM`, `DBN` or `DBM`.
        images: Array of binary images.
        nll: Float array (num_images,), by annealing forwards.
        base_biases: See `metrics.reverse_annealing`.
        schedule: The same.
        **options: `seed` and `verbose` of it.

    Returns:
        Dict of the mean and its standard error over images, that of log Z left out.
    """
    few = images[:NUM_BACKWARDS]
    backwards = reverse_log_prob(model, few, base_biases, schedule, **options)
    gap = -nll[:NUM_BACKWARDS] - backwards
    return {"bracket": gap.mean(), "bracket_standard_error": standard_error(gap)}


def log_bernoulli(states, means):
    """Returns the log probability of binary states, (num_states,), in nats."""
    chosen = np.where(states > 0.5, means, 1 - means)
    return np.log(np.maximum(chosen, 1e-30)).sum(axis=1)


def log_prob(model, images, log_partition):
    """Returns log p(v), of a DBN or DBM a lower bound, (batch,)."""
    if isinstance(model, RBM):
        return model.log_prob(images, log_partition)
    if isinstance(model, DBN):
        return model.log_prob_bound(images, log_partition, num_samples=20, seed=0)
    return model.log_prob_bound(images, log_partition)
