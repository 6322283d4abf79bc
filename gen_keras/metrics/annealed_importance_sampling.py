"""The log partition function of a Bernoulli RBM: exactly, or by annealing (AIS).

The likelihood of an RBM, log p(v) = -F(v) - log Z, needs a sum Z over all states. Up to
25 units in the smaller layer it can be added up. Beyond that, annealed importance
sampling moves samples of a base model without couplings, whose Z is known, through
distributions p_β that lead to the RBM, β = 0 … 1:

    log p*_β(v) = (1 - β) b_A·v + β b·v + Σ_j softplus((1 - β) c_A + β (vW + c))_j

Each chain gathers w = Σ_k log p*_βk(v) - log p*_βk-1(v), and Z_A exp(w) is an unbiased
estimate of Z. Its logarithm is low on average: too few temperatures flatter a model, so
look at the standard error and at the spread of the chains. They do not tell, though,
when all chains have missed where the model is; `reverse_annealing` does, if that is
where the data are. A base model that has the rates of the data in both layers, b_A and
c_A, is there from the start: of a deep Boltzmann machine, whose even layers are v here
and whose odd ones h, fair coins in the hidden layers (as in the literature) made log Z
43 nats too low. Modes far from the data, which short chains of
training leave, are as hard to find from there, or harder: of an RBM by CD-25 log Z from
coins was 7 nats more. Of several estimates believe the largest.

All is NumPy. Keras on JAX has no float64 by default, which the sums over thousands of
temperatures want; and a temperature is two large matrix products, beside which the cost
of a Python loop does not show.

References:
    Neal, Annealed Importance Sampling, 2001. https://arxiv.org/abs/physics/9803008
    Salakhutdinov and Murray, On the Quantitative Analysis of Deep Belief Networks,
    2008, section 4.2.
    Burda et al., Accurate and Conservative Estimates of MRF Log-Likelihood using
    Reverse Annealing, 2015. https://arxiv.org/abs/1412.8566
"""

import itertools
import typing

import keras
import numpy as np

MAX_ENUMERATED_UNITS = 25


class LogPartition(typing.NamedTuple):
    """An estimate of log Z and what shows how far to trust it, in nats.

    Attributes:
        log_partition: Float, the logarithm of the mean of the chains' estimates of Z.
        standard_error: Float, its standard error by the delta method. Meaningless when
            a few chains carry the mean, which `log_weights` shows.
        log_weights: Float64 array (num_chains,), the logarithm of each chain's estimate
            of Z.
        log_weight_range: Pair of floats, the least and the greatest log weight.
    """

    log_partition: float
    standard_error: float
    log_weights: np.ndarray
    log_weight_range: tuple


def linear_schedule(num_temperatures):
    """Returns the inverse temperatures from 0 to 1 in `num_temperatures` equal steps.

    Args:
        num_temperatures: Integer of at least 1, the distributions after the base model.

    Returns:
        Array (num_temperatures + 1,).
    """
    return np.linspace(0.0, 1.0, num_temperatures + 1)


def reference_schedule():
    """Returns the 14,500 temperatures of Salakhutdinov and Murray.

    500 steps up to β = 0.5, 4,000 up to 0.9 and 10,000 up to 1.

    Returns:
        Array (14501,).
    """
    return np.concatenate(
        [
            np.linspace(0.0, 0.5, 500, endpoint=False),
            np.linspace(0.5, 0.9, 4000, endpoint=False),
            np.linspace(0.9, 1.0, 10001),
        ]
    )


def check_schedule(schedule):
    """Returns a schedule as an array, that of the reference for `None`.

    Raises:
        ValueError: If it does not lead from 0 to 1.
    """
    schedule = reference_schedule() if schedule is None else np.asarray(schedule)
    is_list = schedule.ndim == 1 and len(schedule) > 1
    ends = (schedule[0], schedule[-1]) if is_list else None
    if ends != (0, 1) or np.any(np.diff(schedule) < 0):
        raise ValueError(f"`schedule` must increase from 0 to 1. Received: {schedule}")
    return schedule


def base_rate_bias(states):
    """Returns the biases of units without couplings that fit their states best.

    One imagined example of each value keeps pixels that never change finite.

    Args:
        states: Array (num_examples, ...), 0 or 1 or probabilities.

    Returns:
        Float64 array (num_units,), the logits of the smoothed means.
    """
    states = np.reshape(states, (len(states), -1))
    mean = (np.sum(states, axis=0, dtype="float64") + 1) / (len(states) + 2)
    return np.log(mean) - np.log1p(-mean)


def annealed_importance_sampling(
    kernel,
    visible_bias,
    hidden_bias,
    base_biases=None,
    schedule=None,
    num_chains=100,
    seed=0,
    dtype="float32",
    verbose=0,
):
    """Estimates log Z of a Bernoulli RBM.

    Args:
        kernel: Array (num_visible, num_hidden), W.
        visible_bias: Array (num_visible,), b.
        hidden_bias: Array (num_hidden,), c.
        base_biases: Pair of arrays, b_A (num_visible,) and c_A (num_hidden,), such as
            an RBM's `base_biases(images)`; see `base_rate_bias`. `None` means zeros, a
            base model of fair coins, which needs many more temperatures.
        schedule: Increasing array from 0 to 1, the inverse temperatures β. `None` means
            `reference_schedule()`.
        num_chains: Integer of at least 2, the chains, which run side by side.
        seed: Integer.
        dtype: "float32" or "float64", of the Gibbs steps and the matrix products. The
            weights are always summed in float64. With float32 products the log weights
            of a 784 x 500 RBM are off by about 1e-5, in half the time.
        verbose: 1 shows a progress bar.

    Returns:
        A `LogPartition`.

    Raises:
        ValueError: If shapes disagree, or the schedule does not lead from 0 to 1.

    Example:
    >>> base_biases = base_rate_bias(images), base_rate_bias(hidden_means)
    >>> estimate = annealed_importance_sampling(W, b, c, base_biases)
    >>> log_likelihood = -free_energy - estimate.log_partition
    """
    if num_chains < 2:
        raise ValueError(f"`num_chains` must be at least 2. Received: {num_chains}")
    path = AnnealingPath(
        kernel, visible_bias, hidden_bias, base_biases, schedule, dtype
    )
    rng = np.random.default_rng(seed)
    visible = path.draw_base(num_chains, rng)
    log_weights = np.full(num_chains, path.log_base_partition)
    progress = keras.utils.Progbar(len(path.schedule) - 1, verbose=verbose)
    for previous, beta in itertools.pairwise(path.schedule):
        # The weight first, at the state that knows the previous temperature only.
        hidden_inputs = path.hidden_inputs(visible)
        log_weights += path.log_ratio(visible, hidden_inputs, previous, beta)
        # Then one Gibbs step, which leaves p_β unchanged.
        visible = path.draw(hidden_inputs, beta, rng)
        progress.add(1)
    return summarize(log_weights)


def reverse_annealing(
    kernel,
    visible_bias,
    hidden_bias,
    visible,
    base_biases=None,
    schedule=None,
    seed=0,
    dtype="float32",
    verbose=0,
):
    """Returns estimates of log p(v) of a Bernoulli RBM that are low on average (RAISE).

    Annealing as in `annealed_importance_sampling` draws from the base model and then
    takes a Gibbs step at each temperature; where it ends is nearly p. Its probability
    of v is estimated by the steps in reverse, from v to the base model:

        log w = log p*_1(v) - log Z_A + Σ_k log p*_βk-1(v_k-1) - log p*_βk(v_k-1).

    The mean of w is that probability, and log w is lower on average. Where annealing
    makes log Z too low, and the likelihood too high, this is too low: the two are a
    bracket, if the model is better on these data than what annealing makes of it.

    Args:
        kernel: Array (num_visible, num_hidden), W.
        visible_bias: Array (num_visible,), b.
        hidden_bias: Array (num_hidden,), c.
        visible: Array (num_examples, num_visible), 0 or 1.
        base_biases: Pair of arrays or `None`, see `annealed_importance_sampling`.
        schedule: Increasing array from 0 to 1. `None` means `reference_schedule()`.
        seed: Integer.
        dtype: "float32" or "float64", of the Gibbs steps and the matrix products.
        verbose: 1 shows a progress bar.

    Returns:
        Float64 array (num_examples,), nats.

    Raises:
        ValueError: If shapes disagree, or the schedule does not lead from 0 to 1.

    Reference:
        Burda et al., Accurate and Conservative Estimates of MRF Log-Likelihood using
        Reverse Annealing, 2015, algorithm 2. https://arxiv.org/abs/1412.8566
    """
    path = AnnealingPath(
        kernel, visible_bias, hidden_bias, base_biases, schedule, dtype
    )
    visible = np.asarray(visible, dtype)
    if visible.ndim != 2 or visible.shape[1] != len(path.kernel):
        raise ValueError(
            f"`visible` must have the shape (num_examples, {len(path.kernel)}). "
            f"Received: {visible.shape}"
        )
    rng = np.random.default_rng(seed)
    hidden_inputs = path.hidden_inputs(visible)
    log_weights = path.log_probability(visible, hidden_inputs, 1.0)
    log_weights -= path.log_base_partition
    progress = keras.utils.Progbar(len(path.schedule) - 1, verbose=verbose)
    for beta, previous in itertools.pairwise(path.schedule[::-1]):
        visible = path.draw(hidden_inputs, beta, rng)
        hidden_inputs = path.hidden_inputs(visible)
        log_weights -= path.log_ratio(visible, hidden_inputs, previous, beta)
        progress.add(1)
    return log_weights


class AnnealingPath:
    """The distributions p_β from a base model to an RBM, and Gibbs steps of each.

    See `annealed_importance_sampling` for the arguments.

    Attributes:
        log_base_partition: Float, log Z_A.
        schedule: List of floats, the inverse temperatures from 0 to 1.

    Raises:
        ValueError: If shapes disagree, or the schedule does not lead from 0 to 1.
    """

    def __init__(self, kernel, visible_bias, hidden_bias, base_biases, schedule, dtype):
        kernel, visible_bias, hidden_bias = check_rbm(kernel, visible_bias, hidden_bias)
        shapes = visible_bias.shape, hidden_bias.shape
        base_biases = [*map(np.zeros, shapes)] if base_biases is None else base_biases
        received = [np.shape(biases) for biases in base_biases][:3]
        if received != [*shapes]:
            raise ValueError(
                f"`base_biases` must be a pair of the shapes {shapes[0]} and "
                f"{shapes[1]}, of `visible_bias` and `hidden_bias`. Received: "
                + ", ".join(map(str, received))
            )
        base_biases = [np.asarray(biases, "float64") for biases in base_biases]
        # Python floats, since NumPy's would make float64 of float32 arrays.
        self.schedule = check_schedule(schedule).tolist()
        self.log_base_partition = sum(map(sum_softplus, base_biases))
        self.kernel, self.hidden_bias = kernel.astype(dtype), hidden_bias.astype(dtype)
        self.base_bias, self.hidden_base_bias = base_biases
        self.bias_gap = visible_bias - self.base_bias
        self.dtype = dtype

    def draw_base(self, num_chains, rng):
        """Returns states of the base model, (num_chains, num_visible)."""
        logits = np.tile(self.base_bias, (num_chains, 1)).astype(self.dtype)
        return sample_bernoulli(logits, rng)

    def hidden_inputs(self, visible):
        """Returns v W + c, (num_chains, num_hidden)."""
        return visible @ self.kernel + self.hidden_bias

    def log_probability(self, visible, hidden_inputs, beta):
        """Returns log p*_β(v), (num_chains,), in float64."""
        bias = visible @ (self.base_bias + beta * self.bias_gap)
        return bias + self.sum_out_hidden(hidden_inputs, beta)

    def log_ratio(self, visible, hidden_inputs, previous, beta):
        """Returns log p*_β(v) - log p*_previous(v), (num_chains,), in float64."""
        ratio = (beta - previous) * (visible @ self.bias_gap)
        ratio += self.sum_out_hidden(hidden_inputs, beta)
        ratio -= self.sum_out_hidden(hidden_inputs, previous)
        return ratio

    def sum_out_hidden(self, hidden_inputs, beta):
        """Returns Σ_j softplus((1 - β) c_A + β (vW + c))_j, in float64."""
        inputs = beta * hidden_inputs.astype("float64")
        return sum_softplus(inputs + (1 - beta) * self.hidden_base_bias)

    def draw(self, hidden_inputs, beta, rng):
        """Returns visible states after a Gibbs step of p_β."""
        base = ((1 - beta) * self.hidden_base_bias).astype(self.dtype)
        hidden = sample_bernoulli(base + beta * hidden_inputs, rng)
        bias = (self.base_bias + beta * self.bias_gap).astype(self.dtype)
        return sample_bernoulli(beta * (hidden @ self.kernel.T) + bias, rng)


def exact_log_partition(kernel, visible_bias, hidden_bias):
    """Returns log Z of a Bernoulli RBM by adding up all states of its smaller layer.

    Args:
        kernel: Array (num_visible, num_hidden).
        visible_bias: Array (num_visible,).
        hidden_bias: Array (num_hidden,).

    Returns:
        Float, nats.

    Raises:
        ValueError: If both layers have more than 25 units, or shapes disagree.
    """
    kernel, visible_bias, hidden_bias = check_rbm(kernel, visible_bias, hidden_bias)
    # The two layers play the same part: enumerate the smaller, sum out the larger.
    if len(visible_bias) < len(hidden_bias):
        kernel, visible_bias, hidden_bias = kernel.T, hidden_bias, visible_bias
    num_units = len(hidden_bias)
    check_enumerable(num_units, "annealed importance sampling")

    # A state is a pair of a low and a high half. The products with W are made for each
    # half once; a block, all low halves under one high half, only adds them.
    low = binary_states(min(num_units, 10))
    high = binary_states(num_units - low.shape[1])
    split = low.shape[1]
    low_inputs = low @ kernel[:, :split].T + visible_bias
    high_inputs = high @ kernel[:, split:].T
    low_energies, high_energies = low @ hidden_bias[:split], high @ hidden_bias[split:]

    blocks = [
        log_sum_exp(low_energies + energy + sum_softplus(low_inputs + inputs))
        for inputs, energy in zip(high_inputs, high_energies, strict=True)
    ]
    return float(log_sum_exp(np.array(blocks)))


def log_sum_over_states(log_weights, num_units, alternative=""):
    """Returns log Σ_s exp(log_weights(s)) over all states s of binary units.

    Args:
        log_weights: Function of a float32 tensor of states (num_states, num_units) that
            returns a tensor (num_states,).
        num_units: Integer of at most 25.
        alternative: String, what estimates the sum of more units, for the error.

    Returns:
        Float, nats.

    Raises:
        ValueError: If there are too many units, or weights are not finite.
    """
    check_enumerable(num_units, alternative)
    low = binary_states(min(num_units, 12)).astype("float32")
    high = binary_states(num_units - low.shape[1]).astype("float32")
    blocks = []
    for state in high:
        states = np.concatenate([low, np.tile(state, (len(low), 1))], axis=1)
        values = log_weights(keras.ops.convert_to_tensor(states))
        values = keras.ops.convert_to_numpy(values).astype("float64")
        check_finite(values)
        blocks.append(log_sum_exp(values))
    return float(log_sum_exp(np.array(blocks)))


def summarize(log_weights):
    """Returns the `LogPartition` of the chains' log weights."""
    check_finite(log_weights)
    greatest = log_weights.max()
    weights = np.exp(log_weights - greatest)
    # The mean of the weights is unbiased for Z. The mean of logs is lower.
    mean, deviation = weights.mean(), weights.std(ddof=1)
    return LogPartition(
        log_partition=float(greatest + np.log(mean)),
        # Delta method: the error of log Z is the relative error of Z.
        standard_error=float(deviation / mean / np.sqrt(len(weights))),
        log_weights=log_weights,
        log_weight_range=(float(log_weights.min()), float(greatest)),
    )


def sum_softplus(inputs):
    """Returns Σ_j log(1 + exp(inputs_j)) over the last axis, without overflow.

    One logarithm serves 512 units: the factors 1 + exp(-|x|) lie between 1 and 2, so
    their product is at most 2^512.
    """
    factors = 1 + np.exp(-np.abs(inputs))
    starts = np.arange(0, inputs.shape[-1], 512)
    products = np.multiply.reduceat(factors, starts, axis=-1)
    return np.maximum(inputs, 0).sum(axis=-1) + np.log(products).sum(axis=-1)


def sample_bernoulli(logits, rng):
    """Draws 1 with probability sigmoid(logits), else 0."""
    # The sigmoid by tanh, which cannot overflow.
    probabilities = 0.5 + 0.5 * np.tanh(0.5 * logits)
    uniform = rng.random(logits.shape, logits.dtype)
    return (uniform < probabilities).astype(logits.dtype)


def log_sum_exp(values):
    """Returns the logarithm of the sum of the exponentials of a vector."""
    greatest = values.max()
    return greatest + np.log(np.exp(values - greatest).sum())


def binary_states(num_units):
    """Returns all 2^num_units states, an array (2^num_units, num_units)."""
    numbers = np.arange(2**num_units)[:, None]
    return (numbers >> np.arange(num_units) & 1).astype("float64")


def check_enumerable(num_units, alternative=""):
    """Raises a `ValueError` if there are too many units.

    Args:
        num_units: Integer.
        alternative: String, what to use then, or "" if there is nothing.
    """
    if num_units > MAX_ENUMERATED_UNITS:
        advice = f"; of more, use {alternative}" if alternative else ""
        raise ValueError(
            f"The states of at most {MAX_ENUMERATED_UNITS} units can be "
            f"enumerated{advice}. Received: {num_units}"
        )


def check_rbm(kernel, visible_bias, hidden_bias):
    """Returns the parameters in float64, or raises a `ValueError` on wrong shapes."""
    kernel, visible_bias, hidden_bias = (
        np.asarray(keras.ops.convert_to_numpy(weight), "float64")
        for weight in (kernel, visible_bias, hidden_bias)
    )
    if kernel.shape != visible_bias.shape + hidden_bias.shape:
        raise ValueError(
            "`kernel` must have the shape (num_visible, num_hidden) of the biases. "
            f"Received: kernel {kernel.shape}, visible_bias {visible_bias.shape}, "
            f"hidden_bias {hidden_bias.shape}"
        )
    check_finite(kernel, visible_bias, hidden_bias)
    return kernel, visible_bias, hidden_bias


def check_finite(*arrays):
    """Raises a `ValueError` if weights, or what is computed of them, are not finite."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(
            "The weights must be finite; train at a lower learning rate, or with "
            "weight decay. Received: NaN or infinity"
        )
