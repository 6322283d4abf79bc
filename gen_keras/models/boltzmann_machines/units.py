"""Kinds of units, of which the layers of Boltzmann machines are made.

A unit u that receives the input x, the weighted sum of other units and a bias, has

    p(u | x) = exp(x s(u) - r(u)) / Z(x).

A kind of units is its statistic s, which is also what the others receive of it, its own
energy r, and with them log Z(x), the mean of s and a way to draw. An energy that is
divided by a temperature T multiplies x and r by `scale` = 1 / T.

    kind                u         s(u)     r(u)         log Z(x)
    Bernoulli           0 or 1    u        0            log(1 + exp(x))
    Gaussian            real      u / σ²   u² / (2σ²)   x² / (2σ²) + log(2πσ²) / 2
    Softmax             1 of K    one-hot  0            log Σ_k exp(x_k)
    ReplicatedSoftmax   D words   counts   0            D log Σ_k exp(x_k)
    NoisyReLU           0 to ∞    u        (its class)  ∫ log(1 + exp(t)) dt up to x

References:
    Welling et al., Exponential Family Harmoniums, 2004.
    Hinton, A Practical Guide to Training Restricted Boltzmann Machines, 2010.
"""

import math

import keras
import numpy as np
from keras import ops

from gen_keras import backend, metrics


class Units(keras.layers.Layer):
    """Units that do not depend on each other, given their inputs; a base class.

    States are flat, (batch, num_units), as are inputs. `total` is None but for units
    that share a fixed number of counts.

    Attributes:
        low: Float, the least value of a state.
        high: Float, the greatest value of a state.
        has_total: Boolean, whether `total` is something.
        num_units: Integer, known when the units are built.
    """

    low, high = 0.0, 1.0
    has_total = False

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def build(self, shape):
        """Makes what weights the units have.

        Args:
            shape: Tuple, of one state.
        """
        self.num_units = math.prod(shape)

    def statistic(self, states):
        """Returns s(u), (batch, num_units)."""
        return states

    def own_energy(self, states):
        """Returns the sum of r(u), (batch,), or 0."""
        return 0.0

    def total(self, states):
        """Returns how often biases of the other layer count, (batch, 1), or None."""
        return None

    def starting_total(self, num_samples):
        """Returns what `total` is of states that start from nothing."""
        return None

    def dense_weights(self, kernel, bias):
        """Returns the kernel and bias of a dense layer of the states themselves.

        It gives the other layer s(u) @ kernel + bias, the bias as often as it counts.

        Args:
            kernel: Array (num_units, num_others).
            bias: Array (num_others,), of the other layer.
        """
        return kernel, bias

    def log_sum(self, inputs, total=None):
        """Returns the sum of log Z(x), (batch,)."""
        raise NotImplementedError

    def log_prob(self, states, inputs):
        """Returns log p(u | x), (batch,), in nats."""
        inner = ops.sum(inputs * self.statistic(states), axis=-1)
        log_sum = self.log_sum(inputs, self.total(states))
        return inner - self.own_energy(states) - log_sum

    def mean(self, inputs, scale=None, total=None):
        """Returns E[u | x], (batch, num_units)."""
        raise NotImplementedError

    def draw(self, inputs, seed, scale=None, total=None):
        """Returns u from p(u | x), (batch, num_units).

        Args:
            inputs: Tensor (batch, num_units).
            seed: `SeedGenerator`.
            scale: Scalar tensor or `None`, one over the temperature.
            total: Tensor (batch, 1) or `None`, see `total`.
        """
        raise NotImplementedError

    def draw_start(self, shape, seed):
        """Returns states (num_samples, num_units) that know nothing of a model."""
        return self.draw(ops.zeros(shape), seed)

    def check(self, examples):
        """Raises a `ValueError` if an array within `low` and `high` is no states."""

    def base_rate_bias(self, examples):
        """Returns the biases of units that hear of nobody and fit examples best.

        One imagined example of each value keeps what never occurs finite.

        Args:
            examples: Array (num_examples, *shape).

        Returns:
            Array (num_units,), or `None` of units that are not counted.
        """


@keras.saving.register_keras_serializable(package="gen_keras")
class Bernoulli(Units):
    """Units that are 0 or 1; data may be probabilities."""

    def log_sum(self, inputs, total=None):
        """Returns the sum of log(1 + exp(x)), (batch,)."""
        return ops.sum(ops.softplus(inputs), axis=-1)

    def mean(self, inputs, scale=None, total=None):
        """Returns p(u = 1 | x), (batch, num_units)."""
        return ops.sigmoid(_times(inputs, scale))

    def draw(self, inputs, seed, scale=None, total=None):
        """Returns 0 and 1, (batch, num_units)."""
        return backend.bernoulli(self.mean(inputs, scale), seed=seed)

    def base_rate_bias(self, examples):
        """Returns log(p / (1 - p)) of the rates p, see `Units`."""
        return metrics.base_rate_bias(examples)


@keras.saving.register_keras_serializable(package="gen_keras")
class Gaussian(Units):
    """Real units, u ~ N(x, σ²); the other layer receives u / σ².

    Data should have mean 0 and, if the variance is not learned, deviation 1. Rates are
    a tenth to a hundredth of those of binary units: nothing bounds a reconstruction.

    Args:
        learn_variance: Boolean, whether σ² is learned, one for each unit.
        stddev: Positive float, σ at the start.

    Reference:
        Cho et al., Improved Learning of Gaussian-Bernoulli Restricted Boltzmann
        Machines, 2011, equation 4; log σ² is what is learned.
    """

    low, high = -math.inf, math.inf

    def __init__(self, learn_variance=True, stddev=1.0, **kwargs):
        super().__init__(**kwargs)
        if not stddev > 0:
            raise ValueError(f"`stddev` must be positive. Received: {stddev}")
        self.learn_variance = learn_variance
        self.stddev = stddev

    def build(self, shape):
        """Makes log σ² for states of a shape."""
        super().build(shape)
        self.log_variance = self.add_weight(
            shape=(self.num_units,),
            initializer=keras.initializers.Constant(2 * math.log(self.stddev)),
            trainable=self.learn_variance,
            name="log_variance",
        )

    def statistic(self, states):
        """Returns u / σ², (batch, num_units)."""
        return states * ops.exp(-self.log_variance)

    def dense_weights(self, kernel, bias):
        """Returns the kernel over σ², and the bias."""
        variance = np.exp(ops.convert_to_numpy(self.log_variance))
        return kernel / variance[:, None], bias

    def own_energy(self, states):
        """Returns the sum of u² / (2σ²), (batch,)."""
        return 0.5 * ops.sum(ops.square(states) * ops.exp(-self.log_variance), axis=-1)

    def log_sum(self, inputs, total=None):
        """Returns the sum of x² / (2σ²) + log(2πσ²) / 2, (batch,)."""
        square = ops.square(inputs) * ops.exp(-self.log_variance)
        constant = self.log_variance + math.log(2 * math.pi)
        return 0.5 * ops.sum(square + constant, axis=-1)

    def mean(self, inputs, scale=None, total=None):
        """Returns x itself, at any temperature."""
        return inputs

    def draw(self, inputs, seed, scale=None, total=None):
        """Returns draws from N(x, σ² / scale), (batch, num_units)."""
        deviation = ops.exp(0.5 * self.log_variance)
        if scale is not None:
            deviation = deviation / ops.sqrt(scale)
        return inputs + deviation * backend.normal(ops.shape(inputs), seed=seed)

    def get_config(self):
        """Returns the arguments of `__init__`."""
        options = {"learn_variance": self.learn_variance, "stddev": self.stddev}
        return super().get_config() | options


@keras.saving.register_keras_serializable(package="gen_keras")
class Softmax(Units):
    """Groups of K units of which one is 1; K is the last axis of the layer's shape.

    Reference:
        Salakhutdinov et al., Restricted Boltzmann Machines for Collaborative Filtering,
        2007, equation 1.
    """

    def build(self, shape):
        """Takes the size of a group from the shape."""
        super().build(shape)
        self.num_categories = shape[-1]

    def log_sum(self, inputs, total=None):
        """Returns the sum of log Σ_k exp(x_k) over groups, (batch,)."""
        return ops.sum(ops.logsumexp(self._to_groups(inputs), axis=-1), axis=-1)

    def mean(self, inputs, scale=None, total=None):
        """Returns the probability of each category, (batch, num_units)."""
        groups = self._to_groups(_times(inputs, scale))
        return ops.reshape(ops.softmax(groups), ops.shape(inputs))

    def draw(self, inputs, seed, scale=None, total=None):
        """Returns one 1 in each group, (batch, num_units)."""
        # The greatest of inputs and Gumbel noise: XLA compiles it everywhere.
        groups = self._to_groups(_times(inputs, scale))
        uniform = backend.uniform(ops.shape(groups), seed=seed)
        chosen = ops.argmax(groups - ops.log(-ops.log(uniform)), axis=-1)
        states = ops.one_hot(chosen, self.num_categories, dtype=inputs.dtype)
        return ops.reshape(states, ops.shape(inputs))

    def check(self, examples):
        """Raises a `ValueError` if an array has groups whose sum is not 1."""
        sums = examples.sum(axis=-1)
        if examples.size and abs(sums - 1).max() > 0.01:
            raise ValueError(
                "`x` must have groups of softmax units, its last axis, that add up to "
                f"1. Received: sums from {sums.min():g} to {sums.max():g}"
            )

    def base_rate_bias(self, examples):
        """Returns log p of the share p of each category in its group, see `Units`."""
        return log_shares(examples.sum(axis=0, dtype="float64"))

    def _to_groups(self, inputs):
        return ops.reshape(inputs, (ops.shape(inputs)[0], -1, self.num_categories))


@keras.saving.register_keras_serializable(package="gen_keras")
class ReplicatedSoftmax(Units):
    """The counts of K words in a document of D words, which share their weights.

    D is given: all that is drawn has the words of what came before. Biases of the other
    layer count D times, so that long documents do not all look alike to it.

    Args:
        num_words: Integer, D of samples that start from nothing.

    Reference:
        Salakhutdinov and Hinton, Replicated Softmax: an Undirected Topic Model, 2009,
        equations 4 to 6.
    """

    high = math.inf
    has_total = True

    def __init__(self, num_words=100, **kwargs):
        super().__init__(**kwargs)
        if num_words < 1:
            raise ValueError(f"`num_words` must be at least 1. Received: {num_words}")
        self.num_words = num_words

    def total(self, states):
        """Returns D, (batch, 1)."""
        return ops.sum(states, axis=-1, keepdims=True)

    def starting_total(self, num_samples):
        """Returns `num_words`, (num_samples, 1)."""
        return ops.full((num_samples, 1), float(self.num_words))

    def dense_weights(self, kernel, bias):
        """Returns the kernel with the bias in each row, and no bias.

        D times the bias is the sum over words of the bias, whatever D is.
        """
        return kernel + bias, np.zeros_like(bias)

    def log_sum(self, inputs, total=None):
        """Returns D log Σ_k exp(x_k), (batch,), the sum over sequences of words."""
        return total[:, 0] * ops.logsumexp(inputs, axis=-1)

    def mean(self, inputs, scale=None, total=None):
        """Returns the expected counts, (batch, num_units)."""
        return total * ops.softmax(_times(inputs, scale))

    def draw(self, inputs, seed, scale=None, total=None):
        """Returns counts from a multinomial of D draws, (batch, num_units)."""
        ends = ops.cumsum(ops.softmax(_times(inputs, scale)), axis=-1)
        starts = ops.concatenate([ops.zeros_like(ends[:, :1]), ends[:, :-1]], axis=-1)
        # Rounding must not leave a gap at the end.
        ends = ops.concatenate([ends[:, :-1], ops.ones_like(ends[:, :1])], axis=-1)

        def draw_word(i, counts):
            place = backend.uniform((ops.shape(inputs)[0], 1), seed=seed)
            is_word = ops.logical_and(starts <= place, place < ends)
            is_left = ops.cast(i, total.dtype) < total
            return counts + ops.cast(ops.logical_and(is_word, is_left), counts.dtype)

        most = ops.cast(ops.max(total), "int32")
        return backend.fori_loop(0, most, draw_word, ops.zeros_like(inputs))

    def draw_start(self, shape, seed):
        """Returns documents of `num_words` words, each as likely as any other."""
        total = self.starting_total(shape[0])
        return self.draw(ops.zeros(shape), seed, total=total)

    def check(self, examples):
        """Raises a `ValueError` if an array holds what are no counts."""
        if (examples % 1).any():
            raise ValueError(
                "`x` must be counts of words. Received: values that are not whole"
            )

    def get_config(self):
        """Returns the arguments of `__init__`."""
        return super().get_config() | {"num_words": self.num_words}

    def base_rate_bias(self, examples):
        """Returns log p of the share p of each word in all words, see `Units`."""
        counts = examples.reshape(len(examples), -1)
        return log_shares(counts.sum(axis=0, dtype="float64"))


@keras.saving.register_keras_serializable(package="gen_keras")
class NoisyReLU(Units):
    """Rectified linear units, max(0, x + N(0, sigmoid(x))).

    Each stands for infinitely many binary units that share weights and a bias, which
    falls by 1 from one to the next: their sum has the mean log(1 + exp(x)) and the
    variance sigmoid(x), and log Z(x) is the integral of that mean. Their energy depends
    on which of them are 1, so that the sum alone has none. The rectified normal is the
    authors' approximation of the sum: its mean is lower near 0, by up to 0.35.

    Reference:
        Nair and Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines,
        2010, section 2.
    """

    high = math.inf

    def own_energy(self, states):
        """Raises a `ValueError`: there is none."""
        raise ValueError(
            "Noisy ReLU units have no joint energy, only a free energy. Received: "
            "hidden_units='noisy_relu'"
        )

    def log_sum(self, inputs, total=None):
        """Returns the sum of the integrals of log(1 + exp(t)) up to x, (batch,)."""
        return ops.sum(integrate_softplus(inputs), axis=-1)

    def mean(self, inputs, scale=None, total=None):
        """Returns log(1 + exp(x)), (batch, num_units)."""
        if scale is None:
            return ops.softplus(inputs)
        return ops.softplus(scale * inputs) / scale

    def draw(self, inputs, seed, scale=None, total=None):
        """Returns rectified normal draws, (batch, num_units)."""
        variance = ops.sigmoid(_times(inputs, scale))
        if scale is not None:
            variance = variance / scale
        noise = backend.normal(ops.shape(inputs), seed=seed)
        return ops.relu(inputs + ops.sqrt(variance) * noise)


class Concatenation(Units):
    """Built units of two kinds, side by side; `check` is of the first."""

    def __init__(self, first, second):
        super().__init__()
        self.first, self.second = first, second
        self.low = min(first.low, second.low)
        self.high = max(first.high, second.high)
        self.has_total = first.has_total
        self.build((first.num_units + second.num_units,))

    def split(self, states):
        """Returns the states, or inputs, of the first kind and of the second."""
        count = self.first.num_units
        return states[..., :count], states[..., count:]

    def statistic(self, states):
        """Returns s(u) of both, side by side."""
        return self._join(lambda part, states: part.statistic(states), states)

    def own_energy(self, states):
        """Returns the sum of both."""
        first, second = self.split(states)
        return self.first.own_energy(first) + self.second.own_energy(second)

    def total(self, states):
        """Returns that of the first."""
        return self.first.total(self.split(states)[0])

    def log_sum(self, inputs, total=None):
        """Returns the sum of both."""
        first, second = self.split(inputs)
        return self.first.log_sum(first, total) + self.second.log_sum(second)

    def mean(self, inputs, scale=None, total=None):
        """Returns the means of both, side by side."""
        return self._join(lambda part, inputs: part.mean(inputs, scale, total), inputs)

    def draw(self, inputs, seed, scale=None, total=None):
        """Returns draws of both, side by side."""
        return self._join(
            lambda part, inputs: part.draw(inputs, seed, scale, total), inputs
        )

    def draw_start(self, shape, seed):
        """Returns those of both, side by side."""
        parts = [
            part.draw_start((shape[0], part.num_units), seed)
            for part in (self.first, self.second)
        ]
        return ops.concatenate(parts, axis=-1)

    def check(self, examples):
        """Raises a `ValueError` if an array is no states of the first kind."""
        self.first.check(examples)

    def base_rate_bias(self, examples):
        """Returns those of the first kind, of which the examples are, and zeros."""
        bias = self.first.base_rate_bias(examples)
        return (
            None if bias is None else np.append(bias, np.zeros(self.second.num_units))
        )

    def _join(self, function, values):
        first, second = self.split(values)
        parts = function(self.first, first), function(self.second, second)
        return ops.concatenate(parts, axis=-1)


KINDS = {
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "softmax": Softmax,
    "replicated_softmax": ReplicatedSoftmax,
    "noisy_relu": NoisyReLU,
}


def make(units, shape, name):
    """Returns built `Units` for states of a shape.

    Args:
        units: `Units`, or String, one of `KINDS`.
        shape: Tuple, of one state.
        name: String, of the argument, for the error.
    """
    if isinstance(units, str) and units in KINDS:
        units = KINDS[units]()
    if not isinstance(units, Units):
        raise ValueError(
            f"`{name}` must be one of {', '.join(KINDS)}, or `Units`. Received: {units}"
        )
    if not units.built:
        units.build(shape)
    return units


def log_shares(counts):
    """Returns the logarithms of the shares in the sums over the last axis, flat."""
    counts = counts + 1
    return np.log(counts / counts.sum(axis=-1, keepdims=True)).reshape(-1)


def integrate_softplus(x):
    """Returns the integral of log(1 + exp(t)) from minus infinity to x, like `x`.

    It is -Li2(-exp(x)) = Σ_k (-1)^(k+1) exp(x)^k / k² for negative x, mirrored for
    others. The weights of Cohen, Rodriguez Villegas and Zagier (2000, algorithm 1) make
    ten terms of this slow series exact to float32.
    """
    power = part = ops.exp(-ops.abs(x))
    series = 0.0
    for k, weight in enumerate(_alternating_weights(10), 1):
        series = series + (weight / k**2) * part
        part = part * power
    mirrored = math.pi**2 / 6 + 0.5 * ops.square(x) - series
    return ops.where(x > 0, mirrored, series)


def _alternating_weights(num_terms):
    """Returns signs and weights of the terms of an alternating series."""
    d = (3 + math.sqrt(8)) ** num_terms
    d = (d + 1 / d) / 2
    b, c, weights = -1.0, -d, []
    for k in range(num_terms):
        c = b - c
        weights.append(c / d)
        b *= (k + num_terms) * (k - num_terms) / ((k + 0.5) * (k + 1))
    return weights


def _times(inputs, scale):
    return inputs if scale is None else scale * inputs
