"""Boltzmann machine: binary units, each of which may be connected to each other.

    E(s) = -Σ_{i<j} s_i J_ij s_j - b^T s,    p(s) = exp(-E(s)) / Z.

Some units are visible, s = (v, h). With connections within a layer no layer can be
drawn at once: a Gibbs step draws one unit after the other. So it learns slowly, and is
for few units; what is known of it can be checked by adding up all states.

Cooled down slowly, it comes to states of low energy: with couplings that stand for the
terms of a combinatorial problem it looks for a solution, see `max_cut`.

References:
    Kirkpatrick, Gelatt and Vecchi, Optimization by Simulated Annealing, 1983.
    Korst and Aarts, Combinatorial Optimization on a Boltzmann Machine, 1989 (maximum
    cut).
    Ackley et al., A Learning Algorithm for Boltzmann Machines, 1985.
    https://www.cs.toronto.edu/~hinton/absps/cogscibm.pdf
"""

import math

import keras
import numpy as np
from keras import ops

from gen_keras import backend, metrics
from gen_keras.models.base import GenerativeModel, check_at_least, check_range
from gen_keras.models.boltzmann_machines.base import (
    TwoPhases,
    check_chain,
    to_states,
)

POSITIVE_PHASES = ("gibbs", "mean_field")


@keras.saving.register_keras_serializable(package="gen_keras")
class BoltzmannMachine(TwoPhases, GenerativeModel):
    """Boltzmann machine of binary units.

    Args:
        visible_shape: Tuple, the shape of one example.
        num_hidden: Integer, the hidden units; may be 0.
        visible_connections: Boolean, whether visible units are connected.
        hidden_connections: Boolean, whether hidden units are connected. Without either
            kind it is a restricted Boltzmann machine, which `RBM` is faster at.
        positive_phase: "gibbs" draws hidden units given data; "mean_field" takes means
            of the factorial q(h | v) nearest to the posterior.
        gibbs_steps: Integer, the sweeps over all units in each phase of an update, and
            the mean-field updates.
        num_chains: Integer, the persistent chains, saved with the model.
        kernel_regularizer: `keras.regularizers.Regularizer` of the couplings, or
            `None`.
        seed: Integer or `None`, seed of all sampling.

    Raises:
        ValueError: If a number is out of range, or `positive_phase` unknown.

    Example:
    >>> model = BoltzmannMachine(visible_shape=(8,), num_hidden=4)
    >>> model.compile()
    >>> model.fit(states)  # (num_examples, 8), 0 or 1
    >>> model.log_prob(states).shape
    (num_examples,)

    Reference:
        Ackley et al., 1985; chains and mean field as in Salakhutdinov and Hinton, Deep
        Boltzmann Machines, 2009, section 2.
    """

    metric_names = ("energy_gap",)

    def __init__(
        self,
        visible_shape=(8,),
        num_hidden=4,
        visible_connections=True,
        hidden_connections=True,
        positive_phase="gibbs",
        gibbs_steps=5,
        num_chains=100,
        kernel_regularizer=None,
        seed=None,
    ):
        super().__init__(seed)
        self.visible_shape = tuple(visible_shape)
        self.num_hidden = num_hidden
        self.visible_connections = visible_connections
        self.hidden_connections = hidden_connections
        self.positive_phase = positive_phase
        self.gibbs_steps = gibbs_steps
        self.num_chains = num_chains
        self.kernel_regularizer = kernel_regularizer
        check_at_least(self, 0, "num_hidden")
        check_at_least(self, 1, "gibbs_steps", "num_chains")
        if positive_phase not in POSITIVE_PHASES:
            raise ValueError(
                f"`positive_phase` must be one of {', '.join(POSITIVE_PHASES)}. "
                f"Received: {positive_phase}"
            )
        self.num_visible = math.prod(self.visible_shape)
        self.num_units = self.num_visible + num_hidden
        self._make_weights()
        self.built = True

    def _make_weights(self):
        # Above the diagonal; the rest stays 0.
        self.connections = np.triu(np.ones((self.num_units, self.num_units), "f"), 1)
        if not self.visible_connections:
            self.connections[: self.num_visible, : self.num_visible] = 0
        if not self.hidden_connections:
            self.connections[self.num_visible :, self.num_visible :] = 0
        self.couplings = self.add_weight(
            shape=(self.num_units, self.num_units),
            initializer="zeros",
            autocast=False,
            name="couplings",
        )
        self.bias = self.add_weight(
            shape=(self.num_units,), initializer="zeros", autocast=False, name="bias"
        )
        self.chains = self.add_weight(
            shape=(self.num_chains, self.num_units),
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
            name="chains",
        )
        initial = keras.initializers.RandomNormal(stddev=0.01)
        self.couplings.assign(initial(self.couplings.shape) * self.connections)
        with self.seeded(self.seed):
            self.chains.assign(self._flip_coins(self.chains.shape))

    def compile(self, optimizer=None, **options):
        """Sets the optimizer; by default SGD(0.05).

        Args:
            optimizer: `keras.optimizers.Optimizer`.
            **options: See `keras.Model.compile`.
        """
        super().compile(optimizer or keras.optimizers.SGD(0.05), **options)

    def call(self, visible):
        """Returns the means of q(h | v), (batch, num_hidden), see `mean_field`."""
        return self.mean_field(visible)

    # Sampling -------------------------------------------------------------------------

    def sample(self, num_samples, seed=None, gibbs_steps=200, temperature=1.0):
        """Returns visible units (num_samples, *visible_shape), 0 or 1.

        The chains start from fair coins.

        Args:
            num_samples: Integer.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            gibbs_steps: Integer, the sweeps over all units.
            temperature: Positive float; the energy is divided by it.
        """
        check_range("num_samples", num_samples, 1)
        with self.seeded(seed):
            start = self._flip_coins((num_samples, self.num_units))
            return self._run(start, None, gibbs_steps, temperature)

    def gibbs(self, visible, gibbs_steps=1, seed=None, temperature=1.0, mask=None):
        """Returns visible units after Gibbs sampling from `visible`.

        A sweep begins with the hidden units, which are fair coins before the first one:
        exact draws, unless they are connected, when they need some sweeps.

        Args:
            visible: Array of shape (batch, *visible_shape), 0 or 1.
            gibbs_steps: Integer, the sweeps over all units.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            temperature: Positive float; the energy is divided by it.
            mask: Array that broadcasts to `visible`, or `None`: 1 where a unit stays as
                it is, else 0.
        """
        mask = None if mask is None else self._mask_units(mask, visible)
        with self.seeded(seed):
            start = self._add_hidden(self._flatten(visible))
            return self._run(start, mask, gibbs_steps, temperature)

    def complete(self, images, mask, seed=None, gibbs_steps=200):
        """Returns images whose unknown pixels are drawn given the known ones.

        Args:
            images: Array of shape (batch, *visible_shape), 0 or 1.
            mask: Array that broadcasts to `images`: 1 where a pixel is known, else 0.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            gibbs_steps: Integer, the sweeps over all units.
        """
        visible = self._flatten(images)
        units = self._mask_units(mask, images)
        mask = units[:, : self.num_visible]
        with self.seeded(seed):
            coins = self._flip_coins(visible.shape)
            start = self._add_hidden(mask * visible + (1 - mask) * coins)
            return self._run(start, units, gibbs_steps, 1.0)

    def _mask_units(self, mask, visible):
        """Returns a mask of all units, (batch, num_units); hidden ones are free."""
        mask = self._make_mask(mask, visible)
        hidden = ops.zeros((len(visible), self.num_hidden))
        return ops.concatenate([mask, hidden], axis=-1)

    def anneal(self, num_samples, inverse_temperatures, seed=None):
        """Returns states of low energy, by simulated annealing.

        Args:
            num_samples: Integer, the chains, which start from fair coins.
            inverse_temperatures: Array (num_sweeps,), those of the sweeps in turn.
            seed: Integer or `None`, see `GenerativeModel.sample`.

        Returns:
            Array (num_samples, num_units), 0 and 1, and their energies (num_samples,).
        """
        check_range("num_samples", num_samples, 1)
        scales = ops.convert_to_tensor(inverse_temperatures, self.couplings.dtype)
        with self.seeded(seed):
            start = self._flip_coins((num_samples, self.num_units))
            states = self._anneal(start, scales, None)
        return [ops.convert_to_numpy(x) for x in (states, self._energy(states))]

    def _run(self, start, mask, gibbs_steps, temperature):
        check_chain(gibbs_steps, temperature)
        scales = ops.full((gibbs_steps,), 1 / temperature)
        states = self._anneal(start, scales, mask)
        return self._unflatten(states[:, : self.num_visible])

    @backend.compiled
    def _anneal(self, states, scales, mask):
        """Returns states after a sweep at each scale; where `mask` is 1 they stay."""

        def step(k, states):
            return self._sweep(states, self.num_units, ops.take(scales, k), mask)

        return backend.fori_loop(0, ops.shape(scales)[0], step, states)

    def _sweep(self, states, count, scale=1.0, mask=None):
        """Draws so many units one after the other, the hidden ones first."""
        couplings = self._symmetric_couplings()
        bias = ops.convert_to_tensor(self.bias)

        def draw(k, states):
            i = (self.num_visible + k) % self.num_units
            inputs = states @ ops.take(couplings, i, axis=1)[:, None]
            inputs = scale * (inputs + ops.take(bias, i))
            drawn = self._sample_bernoulli(ops.sigmoid(inputs))
            here = self._is_unit(i)
            if mask is not None:
                here = here * (1 - mask)
            return states + here * (drawn - states)

        return backend.fori_loop(0, count, draw, states)

    def _is_unit(self, i):
        """Returns 1 at unit `i`, else 0, (1, num_units)."""
        return ops.cast(ops.arange(self.num_units)[None] == i, self.couplings.dtype)

    def _symmetric_couplings(self):
        upper = self.couplings * self.connections
        return upper + ops.transpose(upper)

    def _add_hidden(self, visible):
        coins = self._flip_coins((ops.shape(visible)[0], self.num_hidden))
        return ops.concatenate([visible, coins], axis=-1)

    # Mean field -----------------------------------------------------------------------

    def mean_field(self, visible):
        """Returns the means of q(h | v), (batch, num_hidden).

        Args:
            visible: Array of shape (batch, *visible_shape), 0 or 1.
        """
        states = self._compute_means(self._flatten(visible))
        return states[:, self.num_visible :]

    @backend.compiled
    def _compute_means(self, visible):
        return self._mean_field(visible)

    def _mean_field(self, visible):
        """Returns `visible` and the means of the hidden units, (batch, num_units)."""
        if self.num_hidden == 0:
            return visible
        couplings = self._symmetric_couplings()
        bias = ops.convert_to_tensor(self.bias)
        half = ops.full((ops.shape(visible)[0], self.num_hidden), 0.5)

        def update(k, states):
            i = self.num_visible + k % self.num_hidden
            inputs = states @ ops.take(couplings, i, axis=1)[:, None]
            mean = ops.sigmoid(inputs + ops.take(bias, i))
            return states + self._is_unit(i) * (mean - states)

        states = ops.concatenate([visible, half], axis=-1)
        return backend.fori_loop(0, self.gibbs_steps * self.num_hidden, update, states)

    # Training -------------------------------------------------------------------------

    def draw_phases(self, data, training):
        """Returns data with what is hidden, and the states of the chains."""
        positive = self._draw_positive(self.unpack(data))
        if training:
            return positive, self._advance_chains()
        return positive, ops.convert_to_tensor(self.chains)

    def _draw_positive(self, visible):
        if self.positive_phase == "mean_field" or self.num_hidden == 0:
            return self._mean_field(visible)
        return backend.fori_loop(
            0,
            self.gibbs_steps,
            lambda _, states: self._sweep(states, self.num_hidden),
            self._add_hidden(visible),
        )

    def _advance_chains(self):
        chains = backend.fori_loop(
            0,
            self.gibbs_steps,
            lambda _, states: self._sweep(states, self.num_units),
            ops.convert_to_tensor(self.chains),
        )
        self.chains.assign(chains)
        return chains

    def compute_loss(self, positive, negative):
        """Returns the mean energy of data less that of chains, and the logs.

        What regularizes is added.

        Args:
            positive: Tensor of shape (batch, num_units), data and what is hidden.
            negative: Tensor of shape (num_chains, num_units), states of chains.
        """
        gap = ops.mean(self._energy(positive)) - ops.mean(self._energy(negative))
        loss = gap
        if self.kernel_regularizer is not None:
            loss = gap + self.kernel_regularizer(self.couplings * self.connections)
        return loss, {"energy_gap": gap}

    # Densities ------------------------------------------------------------------------

    def energy(self, states):
        """Returns E(s) in nats, shape (batch,).

        Args:
            states: Array of shape (batch, num_units), visible units, then hidden ones.
        """
        return self._energy(to_states("states", states, self.num_units))

    def free_energy(self, visible):
        """Returns F(v) = -log Σ_h exp(-E(v, h)) in nats, shape (batch,).

        Adds up the states of the hidden units, at most 25 of them.

        Args:
            visible: Array of shape (batch, *visible_shape), 0 or 1.
        """
        visible = self._flatten(visible)
        return np.array([-self._sum_over_hidden(v) for v in visible], "float32")

    def log_partition(self):
        """Returns log Z in nats, a float, by adding up all states of at most 25 units.

        Raises:
            ValueError: If there are more.
        """
        return metrics.log_sum_over_states(lambda s: -self._energy(s), self.num_units)

    def log_prob(self, visible, log_partition=None):
        """Returns log p(v) = -F(v) - log Z in nats, an array (batch,).

        Args:
            visible: Array of shape (batch, *visible_shape), 0 or 1.
            log_partition: Float, the result of `log_partition`; computed if `None`.
        """
        if log_partition is None:
            log_partition = self.log_partition()
        return -self.free_energy(visible) - log_partition

    def _sum_over_hidden(self, visible):
        if self.num_hidden == 0:
            return -float(ops.convert_to_numpy(self._energy(visible[None]))[0])

        def log_weights(hidden):
            shape = (ops.shape(hidden)[0], self.num_visible)
            repeated = ops.broadcast_to(visible, shape)
            return -self._energy(ops.concatenate([repeated, hidden], axis=-1))

        return metrics.log_sum_over_states(log_weights, self.num_hidden)

    def _energy(self, states):
        upper = self.couplings * self.connections
        inputs = states @ upper + ops.convert_to_tensor(self.bias)
        return -ops.sum(inputs * states, axis=-1)


def max_cut(weights, inverse_temperatures, num_samples=100, seed=0):
    """Parts the nodes of a graph in two, with much weight on the edges between them.

    Each node is a unit; minus the energy of a state is the weight that it cuts,
    Σ_{i<j} w_ij (s_i + s_j - 2 s_i s_j).

    Args:
        weights: Array (num_nodes, num_nodes), symmetric, the weights of edges, 0 where
            there is none.
        inverse_temperatures: Array (num_sweeps,), from near 0 to many times the inverse
            of a weight, see `BoltzmannMachine.anneal`.
        num_samples: Integer, the chains, of which the best counts.
        seed: Integer.

    Returns:
        The cut, an array (num_nodes,) of 0 and 1, and its weight, a float.

    Raises:
        ValueError: If `weights` are not symmetric.

    Reference:
        Korst and Aarts, 1989.
    """
    weights = np.asarray(weights, "float32")
    if weights.ndim != 2 or not np.array_equal(weights, weights.T):
        raise ValueError(
            f"`weights` must be a symmetric matrix. Received: the shape {weights.shape}"
        )
    weights = weights - np.diag(np.diag(weights))
    model = BoltzmannMachine((len(weights),), num_hidden=0, num_chains=1)
    model.couplings.assign(-2 * np.triu(weights, 1))
    model.bias.assign(weights.sum(axis=1))
    states, energies = model.anneal(num_samples, inverse_temperatures, seed)
    best = energies.argmin()
    return states[best].astype(int), float(-energies[best])
