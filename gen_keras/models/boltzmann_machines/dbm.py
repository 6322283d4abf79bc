"""Deep Boltzmann machine (DBM): layers of binary units, each connected to the next.

    E(v, h1, ..., hL) = -v^T W1 h1 - h1^T W2 h2 - ... - Σ_l b_l^T h_l, with h0 = v.

Unlike in a deep belief network all connections have no direction: a layer hears of the
one above as of the one below. Given all odd layers, the even ones are independent, and
the reverse, so that a Gibbs step draws one half, then the other. In this view a DBM is
an RBM between its even and its odd layers, some of whose weights are 0; what is known
of RBMs, such as annealed importance sampling, holds for it.

Training moves statistics of the data towards those of the model. Of the data, hidden
units are means of the factorial q(h | v) that is nearest to the posterior, found by
mean-field updates; of the model, they come from persistent chains. Pre-training stacks
RBMs that have copies of the layers which have a neighbour too few.

In the code W1 is `kernels[0]` and b_l is `biases[l]`, b_0 of the visible units.

References:
    Salakhutdinov and Hinton, Deep Boltzmann Machines, 2009.
    http://proceedings.mlr.press/v5/salakhutdinov09a.html
"""

import itertools
import math

import keras
import numpy as np
from keras import layers, ops

from gen_keras import backend, metrics
from gen_keras.models.base import GenerativeModel, check_at_least, check_range
from gen_keras.models.boltzmann_machines.base import (
    TwoPhases,
    check_chain,
    drop,
    to_states,
)
from gen_keras.models.boltzmann_machines.partition_function import (
    largest_log_partition,
    log_partition_of,
)
from gen_keras.models.boltzmann_machines.rbm import RBM


@keras.saving.register_keras_serializable(package="gen_keras")
class DBM(TwoPhases, GenerativeModel):
    """Deep Boltzmann machine of binary units.

    Args:
        visible_shape: Tuple, the shape of one example.
        hidden_dims: Tuple of at least two integers, the hidden units of the layers.
        mean_field_steps: Integer, the updates of q for each batch.
        gibbs_steps: Integer, the Gibbs steps of the chains for each update.
        num_chains: Integer, the persistent chains, saved with the model.
        kernel_regularizer: `keras.regularizers.Regularizer` of the weights, or `None`.
        seed: Integer or `None`, seed of all sampling.

    Raises:
        ValueError: If a number is out of range.

    Example:
    >>> model = DBM((28, 28, 1), hidden_dims=(500, 1000))
    >>> rbms, data = model.make_rbms(), images
    >>> for rbm in rbms:
    ...     rbm.compile()
    ...     rbm.fit(data)
    ...     data = rbm.prop_up(data)
    >>> model.compose(rbms)
    >>> model.compile()
    >>> model.fit(images)  # (num_images, 28, 28, 1), 0 or 1

    Reference:
        Salakhutdinov and Hinton, 2009: sections 2 (learning), 2.1 (`log_prob_bound`,
        by AIS), 3.1 (pre-training) and 3.3 (`to_classifier`). There q has 10 updates
        and the chains 5 Gibbs steps, 100 chains.
    """

    metric_names = ("free_energy", "energy_gap")

    def __init__(
        self,
        visible_shape=(28, 28, 1),
        hidden_dims=(500, 1000),
        mean_field_steps=10,
        gibbs_steps=5,
        num_chains=100,
        kernel_regularizer=None,
        seed=None,
    ):
        super().__init__(seed)
        self.visible_shape = tuple(visible_shape)
        self.hidden_dims = tuple(hidden_dims)
        self.mean_field_steps = mean_field_steps
        self.gibbs_steps = gibbs_steps
        self.num_chains = num_chains
        self.kernel_regularizer = kernel_regularizer
        check_at_least(self, 1, "mean_field_steps", "gibbs_steps", "num_chains")
        if len(self.hidden_dims) < 2 or min(self.hidden_dims) < 1:
            raise ValueError(
                "`hidden_dims` must be two or more layers; one is an RBM. "
                f"Received: {self.hidden_dims}"
            )
        self.layer_dims = (math.prod(self.visible_shape), *self.hidden_dims)
        self._make_weights()
        self.built = True

    def _make_weights(self):
        self.kernels = [
            self.add_weight(
                shape=shape,
                initializer=keras.initializers.RandomNormal(stddev=0.01),
                autocast=False,
                name=f"kernel_{i}",
            )
            for i, shape in enumerate(itertools.pairwise(self.layer_dims), 1)
        ]
        self.biases = [
            self.add_weight(
                shape=(dim,), initializer="zeros", autocast=False, name=f"bias_{i}"
            )
            for i, dim in enumerate(self.layer_dims)
        ]
        self.chains = [
            self.add_weight(
                shape=(self.num_chains, dim),
                initializer="zeros",
                trainable=False,
                aggregation="only_first_replica",
                name=f"chains_{i}",
            )
            for i, dim in enumerate(self.layer_dims)
        ]
        with self.seeded(self.seed):
            for chain in self.chains:
                chain.assign(self._flip_coins(chain.shape))

    def compile(self, optimizer=None, **options):
        """Sets the optimizer; by default SGD(0.005).

        Args:
            optimizer: `keras.optimizers.Optimizer`. Its rate should decay to 0.
            **options: See `keras.Model.compile`.
        """
        super().compile(optimizer or keras.optimizers.SGD(0.005), **options)

    def call(self, visible):
        """Returns `encode(visible)`."""
        return self.encode(visible)

    # Pre-training ---------------------------------------------------------------------

    def make_rbms(self, **options):
        """Returns a new RBM for each kernel, to be trained from below.

        A layer inside the DBM hears of two neighbours, in an RBM of one: the first has
        two copies of the visible layer, the last two of its hidden one, those between
        two of either (section 3.1; equations 10 to 16).

        Args:
            **options: See `RBM`.
        """
        last = len(self.kernels) - 1
        return [
            RBM(
                self.visible_shape if i == 0 else (below,),
                above,
                copies=(1 if i == last else 2, 1 if i == 0 else 2),
                seed=self.seed,
                **options,
            )
            for i, (below, above) in enumerate(itertools.pairwise(self.layer_dims))
        ]

    def compose(self, rbms):
        """Takes the weights of trained `make_rbms`.

        A hidden layer has a bias from either RBM; it gets their mean, as its input is
        the mean of those that the two RBMs give it.

        Args:
            rbms: List of `RBM`.
        """
        weights = [rbm.weight_arrays() for rbm in rbms]
        shapes = [kernel.shape for kernel, _, _ in weights]
        if shapes != list(itertools.pairwise(self.layer_dims)):
            raise ValueError(
                f"`rbms` must be those of `make_rbms`. Received: kernels {shapes}"
            )
        for kernel, (new, _, _) in zip(self.kernels, weights, strict=True):
            kernel.assign(new)
        from_above = [b for _, b, _ in weights]
        from_below = [c for _, _, c in weights]
        self.biases[0].assign(from_above[0])
        self.biases[-1].assign(from_below[-1])
        for bias, b, c in zip(
            self.biases[1:-1], from_above[1:], from_below, strict=False
        ):
            bias.assign((b + c) / 2)

    # Inference ------------------------------------------------------------------------

    def encode(self, visible):
        """Returns the means of q for the uppermost layer, (batch, hidden_dims[-1]).

        Args:
            visible: Array of shape (batch, *visible_shape).
        """
        return self.mean_field(visible)[-1]

    def mean_field(self, visible):
        """Returns the means of q for each hidden layer, a list of (batch, hidden_dim).

        Args:
            visible: Array of shape (batch, *visible_shape).
        """
        return self._compute_means(self._flatten(visible))[1:]

    @backend.compiled
    def _compute_means(self, visible):
        return self._mean_field(visible)

    def _mean_field(self, visible):
        """Returns `visible` and the means of the hidden layers given it."""
        # On the way up what is above is unknown: below counts twice, as in the RBMs.
        means = [visible]
        for i in range(1, len(self.biases)):
            factor = 1 if i == len(self.biases) - 1 else 2
            inputs = factor * self._from_below(i, means) + self.biases[i]
            means.append(ops.sigmoid(inputs))

        def update(_, means):
            means = list(means)
            for i in range(1, len(means)):
                means[i] = ops.sigmoid(self._inputs(i, means))
            return means

        return backend.fori_loop(0, self.mean_field_steps, update, means)

    def _inputs(self, i, states):
        """Returns the inputs of layer `i` from its neighbours, (batch, layer_dim)."""
        inputs = ops.convert_to_tensor(self.biases[i])
        if i > 0:
            inputs = inputs + self._from_below(i, states)
        if i < len(self.kernels):
            inputs = inputs + states[i + 1] @ ops.transpose(self.kernels[i])
        return inputs

    def _from_below(self, i, states):
        return states[i - 1] @ ops.convert_to_tensor(self.kernels[i - 1])

    # Sampling -------------------------------------------------------------------------

    def sample(
        self,
        num_samples,
        seed=None,
        gibbs_steps=1000,
        temperature=1.0,
        probabilities=False,
    ):
        """Returns visible units (num_samples, *visible_shape), 0 or 1.

        The chains start from persistent chains.

        Args:
            num_samples: Integer.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            gibbs_steps: Integer, how long the chains run.
            temperature: Positive float; the energy is divided by it.
            probabilities: Boolean, whether to return p(v = 1 | h1) at the last step in
                place of the sample from it.
        """
        check_range("num_samples", num_samples, 1)
        with self.seeded(seed):
            index = keras.random.randint(
                (num_samples,), 0, self.num_chains, seed=self.seed_generator
            )
            start = [ops.take(chain.value, index, axis=0) for chain in self.chains]
            mask = ops.zeros_like(start[0])
            return self._run(start, mask, gibbs_steps, temperature, probabilities)

    def complete(self, images, mask, seed=None, gibbs_steps=500, probabilities=False):
        """Returns images whose unknown pixels are drawn given the known ones.

        Args:
            images: Array of shape (batch, *visible_shape), 0 or 1.
            mask: Array that broadcasts to `images`: 1 where a pixel is known, else 0.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            gibbs_steps: Integer, how long the chains run.
            probabilities: Boolean, see `sample`.
        """
        visible = self._flatten(images)
        mask = self._make_mask(mask, images)
        with self.seeded(seed):
            # Given that no hidden unit is 1, as in `RBM.complete`.
            bias = ops.broadcast_to(self.biases[0], ops.shape(visible))
            drawn = self._sample_bernoulli(ops.sigmoid(bias))
            start = self._start_from(mask * visible + (1 - mask) * drawn)
            return self._run(start, mask, gibbs_steps, 1.0, probabilities)

    def gibbs(
        self,
        visible,
        gibbs_steps=1,
        seed=None,
        temperature=1.0,
        probabilities=False,
        mask=None,
        hidden=None,
        return_hidden=False,
    ):
        """Returns visible units after Gibbs sampling from `visible`.

        Args:
            visible: Array of shape (batch, *visible_shape), 0 or 1.
            gibbs_steps: Integer.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            temperature: Positive float; the energy is divided by it.
            probabilities: Boolean, see `sample`.
            mask: Array that broadcasts to `visible`, or `None`: 1 where a unit stays as
                it is, else 0.
            hidden: List of arrays (batch, hidden_dim), the states of the hidden layers
                from which a chain goes on. `None` draws them from q, a start that is
                soon forgotten, but in each of many short calls is another chain.
            return_hidden: Boolean, whether to return the hidden layers, too.

        Returns:
            Tensor of shape (batch, *visible_shape); with `return_hidden` a pair of it
            and a list, the next call's `hidden`.

        Raises:
            ValueError: If `hidden` is not one array a hidden layer, as many states in
                each as in `visible`; or if `return_hidden` is asked for with
                `probabilities`, from which no chain goes on.
        """
        if probabilities and return_hidden:
            raise ValueError(
                "`return_hidden` is for samples: a chain goes on from states. "
                "Received: probabilities=True"
            )
        mask = self._make_mask(0.0 if mask is None else mask, visible)
        with self.seeded(seed):
            if hidden is None:
                start = self._start_from(self._flatten(visible))
            else:
                start = self._to_layers(visible, hidden)
            return self._run(
                *(start, mask, gibbs_steps, temperature, probabilities, return_hidden)
            )

    def reconstruct(self, visible):
        """Returns p(v = 1 | h1), (batch, *visible_shape), at the means of q."""
        means = self._compute_means(self._flatten(visible))
        return self._unflatten(ops.sigmoid(self._inputs(0, means)))

    def _start_from(self, visible):
        """Returns states of all layers, the hidden ones drawn from q."""
        means = self._compute_means(visible)
        return [visible, *map(self._sample_bernoulli, means[1:])]

    def _run(
        self,
        start,
        mask,
        gibbs_steps,
        temperature,
        probabilities,
        return_hidden=False,
    ):
        check_chain(gibbs_steps, temperature)
        (samples, *hidden), means = self._run_clamped_chain(
            mask,
            ops.convert_to_tensor(gibbs_steps, "int32"),
            ops.convert_to_tensor(1 / temperature, mask.dtype),
            *start,
        )
        visible = self._unflatten(means if probabilities else samples)
        return (visible, hidden) if return_hidden else visible

    @backend.compiled
    def _run_clamped_chain(self, mask, gibbs_steps, scale, *states):
        """Returns the last states and p(v | h1), keeping v where `mask` is 1."""
        known = mask * states[0]

        def step(_, states):
            visible, *hidden = self._gibbs_step(states, scale)
            return [known + (1 - mask) * visible, *hidden]

        states = backend.fori_loop(0, gibbs_steps, step, list(states))
        # Of the h1 that v was drawn from.
        means = ops.sigmoid(scale * self._inputs(0, states))
        return states, known + (1 - mask) * means

    def _gibbs_step(self, states, scale=1.0):
        """Draws the odd layers given the even ones, then the reverse."""
        return self._draw_half(0, self._draw_half(1, states, scale), scale)

    def _draw_half(self, first, states, scale):
        states = list(states)
        for i in range(first, len(states), 2):
            means = ops.sigmoid(scale * self._inputs(i, states))
            states[i] = self._sample_bernoulli(means)
        return states

    # Training -------------------------------------------------------------------------

    def draw_phases(self, data, training):
        """Returns the means of q given data, and the states of the chains."""
        positive = self._mean_field(self.unpack(data))
        if training:
            return positive, self._advance_chains()
        return positive, [ops.convert_to_tensor(chain) for chain in self.chains]

    def _advance_chains(self):
        states = backend.fori_loop(
            0,
            self.gibbs_steps,
            lambda _, states: self._gibbs_step(states),
            [ops.convert_to_tensor(chain) for chain in self.chains],
        )
        for chain, state in zip(self.chains, states, strict=True):
            chain.assign(state)
        return states

    def compute_loss(self, positive, negative):
        """Returns the mean energy of data and its q less that of chains, and the logs.

        The energy is linear in each layer, so that means stand for the expectation
        under q. What regularizes is added.

        Args:
            positive: List of tensors (batch, layer_dim), data and the means of q.
            negative: List of tensors (num_chains, layer_dim), states of chains.
        """
        energies = self._energy(positive)
        gap = ops.mean(energies) - ops.mean(self._energy(negative))
        free_energy = ops.mean(energies - _entropy(positive[1:]))
        loss = gap
        if self.kernel_regularizer is not None:
            loss = gap + sum(
                self.kernel_regularizer(ops.convert_to_tensor(kernel))
                for kernel in self.kernels
            )
        return loss, {"free_energy": free_energy, "energy_gap": gap}

    # Densities ------------------------------------------------------------------------

    def energy(self, visible, *hidden):
        """Returns E(v, h1, ..., hL) in nats, shape (batch,).

        Args:
            visible: Array of shape (batch, *visible_shape).
            *hidden: Arrays of shape (batch, hidden_dim), one for each hidden layer.
        """
        return self._energy(self._to_layers(visible, hidden))

    def _to_layers(self, visible, hidden):
        """Returns flat states of all layers, or raises a `ValueError`."""
        if len(hidden) != len(self.hidden_dims):
            raise ValueError(
                f"`hidden` must be {len(self.hidden_dims)} arrays, one for each hidden "
                f"layer. Received: {len(hidden)}"
            )
        layers_of_states = [self._flatten(visible)]
        for i, (states, dim) in enumerate(zip(hidden, self.hidden_dims, strict=True)):
            layers_of_states.append(to_states(f"hidden[{i}]", states, dim))
        counts = [states.shape[0] for states in layers_of_states]
        if len(set(counts)) > 1:
            raise ValueError(
                "`visible` and `hidden` must be of as many states. "
                f"Received: {', '.join(map(str, counts))}"
            )
        return layers_of_states

    def log_partition(self, method="auto", **options):
        """Returns log Z in nats, a float.

        Args:
            method: "exact" enumerates the states of the even or of the odd layers, at
                most 25 units; "ais" estimates by annealed importance sampling; "auto"
                is exact up to 20 units.
            **options: Arguments of `annealed_importance_sampling`, for `as_rbm`.

        Raises:
            ValueError: If `method` is unknown or cannot be used.
        """
        return log_partition_of(*self.as_rbm(), method=method, **options)

    def base_biases(self, visible, coins=False):
        """Returns those of the even and of the odd layers; see `RBM.base_biases`."""
        means = [self._flatten(visible), *self.mean_field(visible)]
        biases = [metrics.base_rate_bias(ops.convert_to_numpy(x)) for x in means]
        if coins:
            biases[1:] = [np.zeros(dim) for dim in self.layer_dims[1:]]
        return np.concatenate(biases[0::2]), np.concatenate(biases[1::2])

    def as_rbm(self):
        """Returns the weights of the RBM between the even and the odd layers.

        Returns:
            Tuple of arrays: the kernel (num_even, num_odd), whose blocks of layers that
            are not connected are 0, and the biases (num_even,) and (num_odd,).
        """
        kernels, biases = (
            [ops.convert_to_numpy(v) for v in variables]
            for variables in (self.kernels, self.biases)
        )
        rows, columns = range(0, len(biases), 2), range(1, len(biases), 2)

        def block(i, j):
            if j == i + 1:
                return kernels[i]
            if j == i - 1:
                return kernels[j].T
            return np.zeros((self.layer_dims[i], self.layer_dims[j]))

        return (
            np.block([[block(i, j) for j in columns] for i in rows]),
            np.concatenate([biases[i] for i in rows]),
            np.concatenate([biases[j] for j in columns]),
        )

    def log_prob_bound(self, visible, log_partition=None, num_samples=0, seed=None):
        """Returns a lower bound of log p(v), one value an example, in nats.

        It is E_q[-E(v, h1, ..., hL)] + H(q) - log Z (equation 6). A tighter one sums
        the odd layers out, as the even ones tell all of them:
        E_q[log Σ_odd exp(-E)] + H(q(even)) - log Z, by samples of the even ones.

        Args:
            visible: Array of shape (batch, *visible_shape), 0 or 1.
            log_partition: Float, the result of `log_partition`; computed if `None`, of
                many units by annealing from both `base_biases` of `visible`.
                An estimate that is too low makes the bound too high.
            num_samples: Integer, the samples of even layers over which the tighter
                bound is averaged, of which one may be some nats off; 0 means equation
                6.
            seed: Integer or `None`, of the samples, see `GenerativeModel.sample`.

        Returns:
            Tensor of shape (batch,).
        """
        check_range("num_samples", num_samples, 0)
        if log_partition is None:
            log_partition = largest_log_partition(self, self.as_rbm(), visible)
        means = self._compute_means(self._flatten(visible))
        if num_samples == 0:
            return _entropy(means[1:]) - self._energy(means) - log_partition
        with self.seeded(seed):
            mean = self._sum_out(ops.convert_to_tensor(num_samples), *means)
        return _entropy(means[2::2]) + mean - log_partition

    @backend.compiled
    def _sum_out(self, num_samples, *means):
        """Returns the mean of log Σ_odd exp(-E) over samples of the even layers."""
        visible, places = means[0], range(len(self.biases))

        def add(_, mean):
            states = list(means)
            for i in places[2::2]:
                states[i] = self._sample_bernoulli(means[i])
            total = 0.0
            for i in places[0::2]:
                total = total + states[i] @ ops.convert_to_tensor(self.biases[i])
            for i in places[1::2]:
                softplus = ops.softplus(self._inputs(i, states))
                total = total + ops.sum(softplus, axis=-1)
            return mean + total / ops.cast(num_samples, total.dtype)

        return backend.fori_loop(0, num_samples, add, ops.zeros_like(visible[:, 0]))

    def _energy(self, states):
        total = 0.0
        for i, bias in enumerate(self.biases):
            inputs = ops.convert_to_tensor(bias)
            if i > 0:
                inputs = inputs + self._from_below(i, states)
            total = total - ops.sum(inputs * states[i], axis=-1)
        return total

    # Network for back-propagation -----------------------------------------------------

    def to_classifier(self, num_classes, dropout=0.0, input_dropout=0.0):
        """Returns a plain Keras model that begins as the mean-field updates.

        Each hidden layer hears of the one below and, as more inputs, of the means of q
        for the one above (section 3.3 and figure 4).

        Args:
            num_classes: Integer.
            dropout: Float, the share of hidden units that are dropped while training,
                and of the means that are more inputs.
            input_dropout: Float, the same of images.

        Returns:
            `keras.Model` from a list, images (batch, *visible_shape) and
            `mean_field(images)[1:]`, to logits (batch, num_classes). It shares no
            weights with this model.
        """
        images = keras.Input(self.visible_shape)
        means = [keras.Input((dim,)) for dim in self.hidden_dims[1:]]
        depth = len(self.hidden_dims)
        x = drop(layers.Flatten()(images), input_dropout, self.seed, 0)
        for i, dim in enumerate(self.hidden_dims, 1):
            x = layers.Dense(dim, name=f"up_{i}")(x)
            if i < depth:
                above = drop(means[i - 1], dropout, self.seed, depth + i)
                down = layers.Dense(dim, use_bias=False, name=f"down_{i + 1}")
                x = layers.Add()([x, down(above)])
            x = drop(layers.Activation("sigmoid")(x), dropout, self.seed, i)
        logits = layers.Dense(num_classes, name="logits")(x)
        model = keras.Model([images, *means], logits, name="classifier")
        kernels = [ops.convert_to_numpy(kernel) for kernel in self.kernels]
        for i, kernel in enumerate(kernels, 1):
            bias = ops.convert_to_numpy(self.biases[i])
            model.get_layer(f"up_{i}").set_weights([kernel, bias])
            if i > 1:
                model.get_layer(f"down_{i}").set_weights([kernel.T])
        return model


def _entropy(means):
    """Returns the entropy of layers of independent units, in nats, (batch,)."""
    total = 0.0
    for mean in means:
        mean = ops.clip(mean, 1e-7, 1 - 1e-7)
        entropy = -mean * ops.log(mean) - (1 - mean) * ops.log(1 - mean)
        total = total + ops.sum(entropy, axis=-1)
    return total
