"""Restricted Boltzmann machine (RBM).

Visible units v and hidden units h have an energy, of binary units
E(v, h) = -v^T W h - b^T v - c^T h, and the probability exp(-E(v, h)) / Z. No two units
of one layer are connected, so that each layer can be sampled at once given the other.
Other kinds of units have other statistics in place of v and h, see `units`.

The gradient of log p(v) is a difference of statistics, such as <v h> over the data
minus <v h> over the model. Contrastive divergence (CD-k) replaces the samples of the
model by k Gibbs steps from the data. Persistent contrastive divergence (PCD) keeps
chains of samples alive between updates instead. Parallel tempering lets these chains
change places with hotter ones, which cross from mode to mode.

In the code W is `kernel`, b `visible_bias` and c `hidden_bias`.

References:
    Hinton, Training Products of Experts by Minimizing Contrastive Divergence, 2002.
    Tieleman, Training Restricted Boltzmann Machines using Approximations to the
    Likelihood Gradient, 2008.
    Desjardins et al., Parallel Tempering for Training of Restricted Boltzmann Machines,
    2010.
    Salakhutdinov and Murray, On the Quantitative Analysis of Deep Belief Networks,
    2008 (annealed importance sampling).
"""

import keras
import numpy as np
from keras import ops

from gen_keras import backend
from gen_keras.models.base import GenerativeModel, check_at_least, check_range
from gen_keras.models.boltzmann_machines import units
from gen_keras.models.boltzmann_machines.base import (
    TwoPhases,
    check_chain,
    to_states,
)
from gen_keras.models.boltzmann_machines.partition_function import PartitionFunction


@keras.saving.register_keras_serializable(package="gen_keras")
class RBM(TwoPhases, PartitionFunction, GenerativeModel):
    """Restricted Boltzmann machine, trained with CD-k, PCD-k or parallel tempering.

    Args:
        visible_shape: Tuple, the shape of one example, such as (28, 28, 1) or (784,);
            of softmax units (num_groups, num_categories).
        num_hidden: Integer, the number of hidden units.
        gibbs_steps: Integer, the Gibbs steps of each update (k).
        num_chains: Integer, the persistent chains of PCD, independent of the batch
            size and saved with the model; 0 means CD.
        visible_units: String, "bernoulli", "gaussian", "softmax" or
            "replicated_softmax", or an object of `units`.
        hidden_units: String, "bernoulli", "noisy_relu" or "gaussian", the latter of
            variance 1, or an object of `units`.
        inverse_temperatures: Tuple of floats, 1 and then less and less: those of the
            chains that change places with the persistent ones, `num_chains` of each.
        kernel_regularizer: `keras.regularizers.Regularizer` of W or `None`. Hinton's
            weight decay λ is `L2(λ / 2)`; he advises 0.00001 to 0.01 (section 10).
        sparsity_target: Float between 0 and 1, how often a hidden unit should be 1.
        sparsity_cost: Float, the weight of the cross-entropy between this target and
            the mean of p(h = 1 | v) over a batch (Hinton, 2010, section 11).
        copies: Pair of integers, how many copies of the visible layer, and of the
            hidden layer, share their weights, as in the pre-training of a `DBM`; one
            draw stands for all.
        seed: Integer or `None`, seed of all sampling.

    Raises:
        ValueError: If a number is out of range, or settings exclude each other.

    Example:
    >>> model = RBM(visible_shape=(28, 28, 1), num_hidden=500)
    >>> model.compile()
    >>> model.fit(images)  # (num_images, 28, 28, 1), 0 or 1
    >>> model.sample(16).shape
    (16, 28, 28, 1)
    """

    metric_names = ("free_energy", "free_energy_gap")

    def __init__(
        self,
        visible_shape=(28, 28, 1),
        num_hidden=500,
        gibbs_steps=1,
        num_chains=0,
        visible_units="bernoulli",
        hidden_units="bernoulli",
        inverse_temperatures=(1.0,),
        kernel_regularizer=None,
        sparsity_target=0.1,
        sparsity_cost=0.0,
        copies=(1, 1),
        seed=None,
    ):
        super().__init__(seed)
        self.visible_shape = tuple(visible_shape)
        self.num_hidden = num_hidden
        self.gibbs_steps = gibbs_steps
        self.num_chains = num_chains
        self.visible_units = visible_units
        self.hidden_units = hidden_units
        self.inverse_temperatures = tuple(inverse_temperatures)
        self.kernel_regularizer = kernel_regularizer
        self.sparsity_target = sparsity_target
        self.sparsity_cost = sparsity_cost
        self.copies = tuple(copies)

        self.visible_layer = self._make_visible_layer()
        if hidden_units == "gaussian":
            hidden_units = units.Gaussian(learn_variance=False)
        self.hidden_layer = units.make(hidden_units, (num_hidden,), "hidden_units")
        self.value_range = (self.visible_layer.low, self.visible_layer.high)
        self.num_visible = self.visible_layer.num_units
        self._check_arguments()
        self._make_weights()
        self.built = True

    def _make_visible_layer(self):
        return units.make(self.visible_units, self.visible_shape, "visible_units")

    def _check_arguments(self):
        check_at_least(self, 1, "num_hidden", "gibbs_steps")
        check_at_least(self, 0, "num_chains", "sparsity_cost")
        check_range("sparsity_target", self.sparsity_target, 1e-6, 1 - 1e-6)
        if len(self.copies) != 2 or min(self.copies) < 1:
            raise ValueError(
                f"`copies` must be two integers of at least 1. Received: {self.copies}"
            )
        scales = np.array(self.inverse_temperatures)
        if scales[:1].tolist() != [1] or np.any(np.diff(scales) >= 0) or scales[-1] < 0:
            raise ValueError(
                "`inverse_temperatures` must fall from 1 and not below 0. Received: "
                f"{self.inverse_temperatures}"
            )
        first = getattr(self.visible_layer, "first", self.visible_layer)
        is_real = [isinstance(x, units.Gaussian) for x in (first, self.hidden_layer)]
        if scales[-1] == 0 and any(is_real):
            raise ValueError(
                "`inverse_temperatures` of Gaussian units must stay above 0, where "
                f"they could be anywhere. Received: {self.inverse_temperatures}"
            )
        if len(scales) > 1 and not self.num_chains:
            raise ValueError(
                "`inverse_temperatures` are those of persistent chains: `num_chains` "
                "must be at least 1. Received: 0"
            )
        if len(scales) > 1 and isinstance(self.hidden_layer, units.NoisyReLU):
            raise ValueError(
                "`inverse_temperatures` need a joint energy, which noisy ReLU units "
                f"have not. Received: {self.inverse_temperatures}"
            )
        if self.hidden_layer.has_total:
            raise ValueError(
                "`hidden_units` cannot be counts: nothing says how many words they "
                f"have. Received: {self.hidden_units}"
            )
        if self.sparsity_cost and not isinstance(self.hidden_layer, units.Bernoulli):
            raise ValueError(
                "`sparsity_cost` is for Bernoulli hidden units. Received: "
                f"{self.hidden_units}"
            )

    def _make_weights(self):
        self.kernel = self.add_weight(
            shape=(self.num_visible, self.num_hidden),
            initializer=keras.initializers.RandomNormal(stddev=0.01),
            autocast=False,
            name="kernel",
        )
        self.visible_bias = self.add_weight(
            shape=(self.num_visible,),
            initializer="zeros",
            autocast=False,
            name="visible_bias",
        )
        self.hidden_bias = self.add_weight(
            shape=(self.num_hidden,),
            initializer="zeros",
            autocast=False,
            name="hidden_bias",
        )
        if not self.num_chains:
            return
        # Those of one temperature follow each other.
        shape = (len(self.inverse_temperatures) * self.num_chains, self.num_visible)
        self.chains = self.add_weight(
            shape=shape,
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
            name="chains",
        )
        with self.seeded(self.seed):
            start = self.visible_layer.draw_start(shape, self.seed_generator)
        self.chains.assign(start)

    def compile(self, optimizer=None, **options):
        """Sets the optimizer; by default SGD(0.05).

        Args:
            optimizer: `keras.optimizers.Optimizer`. PCD wants a rate that decays to 0,
                Gaussian units one of 0.001 or so. Momentum is the optimizer's.
            **options: See `keras.Model.compile`.
        """
        super().compile(optimizer or keras.optimizers.SGD(0.05), **options)

    def initialize_visible_bias(self, images):
        """Sets b to log(p / (1 - p)) of the pixel means p (Hinton, 2010, section 8.1).

        The means are smoothed a little, see `metrics.base_rate_bias`. That is of binary
        units; of softmax units and of counts of words b is log p of the share p of each
        category in its group, or of each word in all words.

        Args:
            images: Array of shape (num_images, *visible_shape): values in [0, 1], or
                counts.

        Raises:
            ValueError: If `images` are others, or units are Gaussian.
        """
        images = np.asarray(images)
        self.check_data(images)
        bias = self.visible_layer.base_rate_bias(images)
        if bias is None:
            raise ValueError(
                "`initialize_visible_bias` is for binary and softmax units and for "
                "counts; for Gaussian ones data should have mean 0. Received: "
                f"{self.visible_units}"
            )
        self.visible_bias.assign(bias)

    def initialize_upside_down(self, below):
        """Begins as another machine turned over, so that p(v) is p(h) of that one.

        On top of it, in a DBN, this machine changes nothing at first: the DBN's bound
        is log p(v) of the machine below, and training raises it from there (Hinton et
        al., 2006, section 4). All of this holds nearly if there are more hidden units
        than `below` has visible ones: these keep the small weights of a new machine,
        and b takes back what they add to its inputs when they know nothing.

        Args:
            below: `RBM` of binary units, with as many hidden units as this one has
                visible ones, and no more visible units than this one has hidden ones.

        Raises:
            ValueError: If it does not fit, or units are others.
        """
        if not (self.is_binary and below.is_binary):
            raise ValueError(
                "`initialize_upside_down` is for machines of binary units. Received: "
                f"{self.visible_units} and {self.hidden_units} on "
                f"{below.visible_units} and {below.hidden_units}"
            )
        size, wanted = below.num_visible, below.num_hidden
        if self.num_visible != wanted or self.num_hidden < size:
            raise ValueError(
                f"`below` has {size} visible and {wanted} hidden units, so that this "
                f"machine must have {wanted} visible and at least {size} hidden ones. "
                f"Received: {self.num_visible} and {self.num_hidden}"
            )
        kernel, visible_bias, hidden_bias = below.weight_arrays()
        extra, extra_bias = self.weight_arrays()[0][:, size:], self.hidden_bias[size:]
        pull = extra @ ops.convert_to_numpy(self.hidden_layer.mean(extra_bias))
        self.kernel.assign(np.concatenate([kernel.T, extra], axis=1))
        self.visible_bias.assign(hidden_bias - pull)
        self.hidden_bias.assign(ops.concatenate([visible_bias, extra_bias]))

    def call(self, visible):
        """Returns E[h | v], (batch, num_hidden), for v (batch, *visible_shape)."""
        return self.prop_up(visible)

    def prop_up(self, visible):
        """Returns E[h | v], for binary units p(h = 1 | v), shape (batch, num_hidden).

        Args:
            visible: Array of shape (batch, *visible_shape).
        """
        return self.hidden_layer.mean(self._hidden_inputs(self._flatten(visible)))

    def prop_down(self, hidden):
        """Returns E[v | h], for binary units p(v = 1 | h), (batch, *visible_shape).

        Args:
            hidden: Array of shape (batch, num_hidden).
        """
        hidden = to_states("hidden", hidden, self.num_hidden)
        self._refuse_counts("prop_down")
        return self._unflatten(self.visible_layer.mean(self._visible_inputs(hidden)))

    # Sampling -------------------------------------------------------------------------

    def sample(
        self,
        num_samples,
        seed=None,
        gibbs_steps=1000,
        temperature=1.0,
        probabilities=False,
    ):
        """Returns visible units (num_samples, *visible_shape), 0 or 1 if binary.

        The chains start from persistent chains, if there are any, else from units drawn
        without a model, binary ones from fair coins.

        Args:
            num_samples: Integer.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            gibbs_steps: Integer, how long the chains run.
            temperature: Positive float; the energy is divided by it.
            probabilities: Boolean, whether to return E[v | h] at the last step, which
                is easier on the eye, in place of the sample from it.
        """
        check_range("num_samples", num_samples, 1)
        with self.seeded(seed):
            start = self._draw_start(num_samples)
            return self._run(start, gibbs_steps, temperature, probabilities)

    def gibbs(
        self,
        visible,
        gibbs_steps=1,
        seed=None,
        temperature=1.0,
        probabilities=False,
        mask=None,
    ):
        """Returns visible units after `gibbs_steps` of Gibbs sampling from `visible`.

        Args:
            visible: Array of shape (batch, *visible_shape).
            gibbs_steps: Integer, how often h is drawn given v, then v given h.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            temperature: Positive float; the energy is divided by it.
            probabilities: Boolean, see `sample`.
            mask: Array that broadcasts to `visible`, or `None`: 1 where a unit stays as
                it is, else 0.

        Raises:
            ValueError: If `mask` has another shape, or other values.
        """
        mask = None if mask is None else self._make_mask(mask, visible)
        with self.seeded(seed):
            start = self._start_from(visible)
            return self._run(start, gibbs_steps, temperature, probabilities, mask)

    def complete(self, images, mask, seed=None, gibbs_steps=500, probabilities=False):
        """Returns images whose unknown pixels are drawn given the known ones.

        At the start they are drawn given that no hidden unit is 1: about as bright as
        data, where fair coins would take many steps to be forgotten.

        Args:
            images: Array of shape (batch, *visible_shape).
            mask: Array that broadcasts to `images`: 1 where a pixel is known, else 0.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            gibbs_steps: Integer, how long the chains run.
            probabilities: Boolean, see `sample`.

        Raises:
            ValueError: If `mask` has another shape, or other values, or units are
                counts.
        """
        self._refuse_counts("complete")
        mask = self._make_mask(mask, images)
        states = self._flatten(images)
        with self.seeded(seed):
            start = mask * states + (1 - mask) * self._draw_without_hidden(
                states.shape[0]
            )
            return self._run(start, gibbs_steps, 1.0, probabilities, mask)

    def reconstruct(self, visible):
        """Returns E[v | h], (batch, *visible_shape), at the means h of p(h | v)."""
        visible = self._flatten(visible)
        hidden = self.hidden_layer.mean(self._hidden_inputs(visible))
        means = self.visible_layer.mean(
            self._visible_inputs(hidden), total=self.visible_layer.total(visible)
        )
        return self._unflatten(means)

    def _start_from(self, visible):
        """Returns the flat state in which a chain from `visible` begins."""
        return self._flatten(visible)

    def _run(self, start, gibbs_steps, temperature, probabilities=False, mask=None):
        check_chain(gibbs_steps, temperature)
        samples, means = self._run_clamped_chain(
            start,
            ops.zeros_like(start) if mask is None else mask,
            ops.convert_to_tensor(gibbs_steps - 1, "int32"),
            ops.convert_to_tensor(1 / temperature, start.dtype),
        )
        return self._unflatten(means if probabilities else samples)

    @backend.compiled
    def _run_clamped_chain(self, visible, mask, gibbs_steps, scale):
        """Returns the last v and E[v | h], keeping v where `mask` is 1."""
        known = visible * mask

        def clamp(states):
            return known + (1 - mask) * states

        def gibbs_step(_, visible):
            return clamp(self._draw_visible(*self._step_up(visible, scale), scale))

        visible = backend.fori_loop(0, gibbs_steps, gibbs_step, visible)
        inputs, total = self._step_up(visible, scale)
        means = self.visible_layer.mean(inputs, scale, total)
        return clamp(self._draw_visible(inputs, total, scale)), clamp(means)

    def _run_chain(self, visible, gibbs_steps):
        """Draws h given v, then v given h, `gibbs_steps` times."""

        def gibbs_step(_, visible):
            return self._draw_visible(*self._step_up(visible))

        if gibbs_steps == 1:
            return gibbs_step(0, visible)
        return backend.fori_loop(0, gibbs_steps, gibbs_step, visible)

    def _step_up(self, visible, scale=None):
        """Draws h given v; returns the inputs of v, and its total."""
        hidden = self._draw_hidden(visible, scale)
        return self._visible_inputs(hidden), self.visible_layer.total(visible)

    def _draw_hidden(self, visible, scale=None):
        inputs = self._hidden_inputs(visible)
        return self.hidden_layer.draw(inputs, self.seed_generator, scale)

    def _draw_visible(self, inputs, total, scale=None):
        return self.visible_layer.draw(inputs, self.seed_generator, scale, total)

    def _draw_start(self, num_samples):
        if not self.num_chains:
            shape = (num_samples, self.num_visible)
            return self.visible_layer.draw_start(shape, self.seed_generator)
        index = keras.random.randint(
            (num_samples,), 0, self.num_chains, seed=self.seed_generator
        )
        return ops.take(ops.convert_to_tensor(self.chains), index, axis=0)

    def _draw_without_hidden(self, num_samples):
        """Draws v given that all h are 0, (num_samples, num_visible)."""
        inputs = self._visible_inputs(ops.zeros((num_samples, self.num_hidden)))
        return self._draw_visible(inputs, None)

    def _hidden_inputs(self, visible):
        statistic = self.copies[0] * self.visible_layer.statistic(visible)
        product = self._multiply(statistic, self.kernel)
        bias, total = self.hidden_bias, self.visible_layer.total(visible)
        return product + (
            ops.convert_to_tensor(bias) if total is None else total * bias
        )

    def _visible_inputs(self, hidden):
        statistic = self.copies[1] * self.hidden_layer.statistic(hidden)
        product = self._multiply(statistic, ops.transpose(self.kernel))
        return product + ops.convert_to_tensor(self.visible_bias)

    def _multiply(self, units, weights):
        # Products in the precision of the policy; units 0 and 1 are exact in any.
        dtype = self.compute_dtype
        if dtype == self.variable_dtype:
            return units @ ops.convert_to_tensor(weights)
        product = ops.cast(units, dtype) @ ops.cast(weights, dtype)
        return ops.cast(product, self.variable_dtype)

    # Training -------------------------------------------------------------------------

    def check_data(self, visible):
        """Raises a `ValueError` on data that the visible units cannot take."""
        super().check_data(visible)
        self.visible_layer.check(visible)

    def draw_phases(self, data, training):
        """Returns data, and states of the model; held-out data start their own."""
        positive = self.unpack(data)
        if training:
            return positive, self.draw_negative(positive)
        return positive, self._run_chain(positive, self.gibbs_steps)

    def draw_negative(self, positive):
        """Returns states of the model, (batch or num_chains, num_visible).

        Those of CD-k start at the data `positive`, (batch, num_visible).
        """
        if not self.num_chains:
            return self._run_chain(positive, self.gibbs_steps)
        chains = ops.convert_to_tensor(self.chains)
        if len(self.inverse_temperatures) == 1:
            chains = self._run_chain(chains, self.gibbs_steps)
        else:
            chains = self._run_tempered_chains(chains)
        self.chains.assign(chains)
        return chains[: self.num_chains]

    def compute_loss(self, positive, negative):
        """Returns the mean of F over data less that over chains, and the logs.

        Its gradient is that of contrastive divergence: dF / dW is -v p(h = 1 | v), so
        that means of h stand where samples would have more variance. What regularizes
        is added.

        Args:
            positive: Tensor of shape (batch, num_visible), data.
            negative: Tensor of shape (num_chains, num_visible), states of chains.
        """
        # They pass the product with W as one batch: it takes the time.
        visible, weights = join_phases(positive, negative)
        hidden_inputs = self._hidden_inputs(visible)
        free_energy = self._free_energy(visible, hidden_inputs)
        gap = ops.sum(weights * free_energy)
        logs = {
            "free_energy": ops.sum(ops.relu(weights) * free_energy),
            "free_energy_gap": gap,
        }
        return gap + self._compute_penalty(hidden_inputs, weights), logs

    def _compute_penalty(self, hidden_inputs, weights):
        penalty = self._regularize_kernel()
        if self.sparsity_cost:
            means = self.hidden_layer.mean(hidden_inputs)
            activity = ops.sum(ops.relu(weights)[:, None] * means, axis=0)
            activity = ops.clip(activity, 1e-6, 1 - 1e-6)
            target = self.sparsity_target
            cross_entropy = -target * ops.log(activity)
            cross_entropy -= (1 - target) * ops.log(1 - activity)
            penalty = penalty + self.sparsity_cost * ops.sum(cross_entropy)
        return penalty

    def _regularize_kernel(self):
        if self.kernel_regularizer is None:
            return 0.0
        return self.kernel_regularizer(ops.convert_to_tensor(self.kernel))

    # Parallel tempering ---------------------------------------------------------------

    def _run_tempered_chains(self, chains):
        """Returns all chains after Gibbs steps, each with exchanges of temperatures."""
        scales = np.repeat(self.inverse_temperatures, self.num_chains)[:, None]
        scales = ops.convert_to_tensor(scales, chains.dtype)

        def step(_, chains):
            total = self.visible_layer.total(chains)
            hidden = self._draw_hidden(chains, scales)
            inputs = self._visible_inputs(hidden)
            chains = self._draw_visible(inputs, total, scales)
            return self._exchange(chains, self._energy(chains, hidden, inputs))

        return backend.fori_loop(0, self.gibbs_steps, step, chains)

    def _exchange(self, chains, energies):
        """Lets chains of neighbouring temperatures change places.

        Two joint states change with the probability
        min(1, exp((β_i - β_j) (E_i - E_j))), Desjardins et al., 2010, equation 8.

        Args:
            chains: Tensor (num_temperatures * num_chains, num_visible).
            energies: Tensor (num_temperatures * num_chains,), of the joint states.
        """
        count = len(self.inverse_temperatures)
        chains = ops.reshape(chains, (count, self.num_chains, -1))
        energies = ops.reshape(energies, (count, self.num_chains))
        scales = np.array(self.inverse_temperatures)[:, None]
        for first in (0, 1):  # Even pairs, then odd ones.
            partner = np.arange(count)
            for i in range(first, count - 1, 2):
                partner[[i, i + 1]] = i + 1, i
            gap = ops.convert_to_tensor(scales - scales[partner], energies.dtype)
            gain = gap * (energies - ops.take(energies, partner, axis=0))
            uniform = backend.uniform(
                (count, self.num_chains), seed=self.seed_generator
            )
            # One number for both of a pair; who has no partner changes with itself.
            uniform = ops.take(uniform, np.minimum(np.arange(count), partner), axis=0)
            changes = ops.log(uniform) < gain
            energies = ops.where(changes, ops.take(energies, partner, axis=0), energies)
            chains = ops.where(
                changes[..., None], ops.take(chains, partner, axis=0), chains
            )
        return ops.reshape(chains, (count * self.num_chains, -1))

    # Densities ------------------------------------------------------------------------

    def energy(self, visible, hidden):
        """Returns E(v, h) in nats, shape (batch,).

        Args:
            visible: Array of shape (batch, *visible_shape).
            hidden: Array of shape (batch, num_hidden).
        """
        hidden = to_states("hidden", hidden, self.num_hidden)
        return self._energy(
            self._flatten(visible), hidden, self._visible_inputs(hidden)
        )

    def free_energy(self, visible):
        """Returns F(v) = -log sum_h exp(-E(v, h)) in nats, shape (batch,).

        Args:
            visible: Array of shape (batch, *visible_shape).
        """
        visible = self._flatten(visible)
        return self._free_energy(visible, self._hidden_inputs(visible))

    def log_prob(self, visible, log_partition=None):
        """Returns log p(v) = -F(v) - log Z in nats, shape (batch,).

        Of real units it is a density; of counts, the probability of a sequence of these
        words.

        Args:
            visible: Array of shape (batch, *visible_shape).
            log_partition: Float, the result of `log_partition`; computed if `None`, of
                many binary units by annealing from both `base_biases` of `visible`. An
                estimate that is too low flatters the model. Of documents of several
                lengths an array (batch,), that of each one's length.

        Raises:
            ValueError: If documents have several lengths, and it is `None`.
        """
        if log_partition is None:
            log_partition = self._log_partition_of(visible)
        free_energy = self.free_energy(visible)
        return -free_energy - ops.convert_to_tensor(log_partition, free_energy.dtype)

    def _energy(self, visible, hidden, visible_inputs):
        inputs = visible_inputs * self.visible_layer.statistic(visible)
        bias = hidden * self.hidden_bias
        total = self.visible_layer.total(visible)
        bias = bias if total is None else total * bias
        below = self.visible_layer.own_energy(visible) - ops.sum(inputs, axis=-1)
        above = self.hidden_layer.own_energy(hidden) - ops.sum(bias, axis=-1)
        return self.copies[0] * below + self.copies[1] * above

    def _free_energy(self, visible, hidden_inputs):
        statistic = self.visible_layer.statistic(visible)
        bias_energy = -(statistic @ self.visible_bias[:, None])[:, 0]
        below = self.visible_layer.own_energy(visible) + bias_energy
        above = self.hidden_layer.log_sum(hidden_inputs)
        return self.copies[0] * below - self.copies[1] * above

    def weight_arrays(self):
        """Returns the kernel, b and c as NumPy arrays."""
        return [
            ops.convert_to_numpy(v)
            for v in (self.kernel, self.visible_bias, self.hidden_bias)
        ]

    def _dense_up(self):
        """Returns kernel and bias of a dense layer from v to the inputs of h."""
        kernel, _, bias = self.weight_arrays()
        return self.visible_layer.dense_weights(self.copies[0] * kernel, bias)

    def _dense_down(self):
        """Returns kernel and bias of a dense layer from h to the inputs of v."""
        kernel, bias, _ = self.weight_arrays()
        return self.hidden_layer.dense_weights(self.copies[1] * kernel.T, bias)

    def _refuse_counts(self, method):
        if self.visible_layer.has_total:
            raise ValueError(
                f"`{method}` is not for counts of words. Received: {self.visible_units}"
            )


def join_phases(positive, negative):
    """Returns one batch of data and chains, and the weights 1 / n and -1 / m.

    Args:
        positive: Tensor of shape (n, num_visible), data.
        negative: Tensor of shape (m, num_visible), the states of chains.
    """
    n, m = ops.shape(positive)[0], ops.shape(negative)[0]
    weights = [
        ops.full((n,), 1 / n, positive.dtype),
        ops.full((m,), -1 / m, positive.dtype),
    ]
    return ops.concatenate([positive, negative]), ops.concatenate(weights)
