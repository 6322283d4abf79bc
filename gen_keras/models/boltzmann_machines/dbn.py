"""Deep belief network (DBN): restricted Boltzmann machines, one on the other.

Each RBM models what the hidden units of the one below do on data. Of the stack the top
RBM stays one; the layers below it become a directed network, which draws downwards:

    p(v, h1, ..., hL) = p(v | h1) p(h1 | h2) ... p(hL-1, hL).

The same weights upwards, q(h1 | v) = p(h1 | v) of the first RBM and so on, approximate
the posterior. Greedy training fits the RBMs from below, each on samples of q:

    for level, rbm in enumerate(model.rbms):
        rbm.compile()
        rbm.fit(model.draw_up(images, level))

Each new layer raises a bound of log p(v) if it begins as the one below turned over, see
`RBM.initialize_upside_down`. What follows is a choice: the up-down algorithm, which
fine-tunes the density with weights of its own for either direction, or
back-propagation, in a classifier or an autoencoder made of the layers.

References:
    Hinton and Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks,
    2006.
    Salakhutdinov and Murray, On the Quantitative Analysis of Deep Belief Networks,
    2008, section 4.3 (the bound).
    Hinton et al., A Fast Learning Algorithm for Deep Belief Nets, 2006.
    https://www.cs.toronto.edu/~hinton/absps/fastnc.pdf
"""

import math

import keras
from keras import layers, ops

from gen_keras import backend
from gen_keras.models.base import GenerativeModel, check_at_least, check_range
from gen_keras.models.boltzmann_machines import units
from gen_keras.models.boltzmann_machines.base import TwoPhases, drop
from gen_keras.models.boltzmann_machines.rbm import RBM


def pair_shapes(visible_shape, hidden_dims):
    """Returns the pair of visible shape and hidden units of each RBM, from below."""
    if not hidden_dims or min(hidden_dims) < 1:
        raise ValueError(
            "`hidden_dims` must be one or more layers, of one or more units each. "
            f"Received: {hidden_dims}"
        )
    below = [tuple(visible_shape), *((dim,) for dim in hidden_dims[:-1])]
    return list(zip(below, hidden_dims, strict=True))


def stack_rbms(visible_shape, hidden_dims, seed=None, bottom=None, top=None, **options):
    """Returns RBMs that fit on each other, from below.

    Args:
        visible_shape: Tuple, the shape of one example.
        hidden_dims: Tuple of integers, the hidden units of each.
        seed: Integer or `None`, of the lowest; the others have the next ones.
        bottom: Dict of arguments of the lowest alone, or `None`.
        top: Dict of arguments of the uppermost alone, or `None`.
        **options: Arguments of each, see `RBM`.

    Example:
    >>> rbms = stack_rbms((784,), (500, 2), top={"hidden_units": "gaussian"})
    >>> model = DBN((784,), (500, 2), rbms=rbms)
    """
    rbms = []
    for i, shape in enumerate(pair_shapes(visible_shape, hidden_dims)):
        own = options | ((bottom or {}) if i == 0 else {})
        own |= (top or {}) if i == len(hidden_dims) - 1 else {}
        rbms.append(RBM(*shape, seed=None if seed is None else seed + i, **own))
    return rbms


@keras.saving.register_keras_serializable(package="gen_keras")
class DBN(TwoPhases, GenerativeModel):
    """Deep belief network of binary hidden units.

    Args:
        visible_shape: Tuple, the shape of one example.
        hidden_dims: Tuple of integers, the hidden units of the layers.
        gibbs_steps: Integer, the Gibbs steps of the top RBM in fine-tuning; RBMs that
            are trained by themselves have settings of their own.
        rbms: List of `RBM` in place of the default ones, CD-1, from below, see
            `stack_rbms`. The top one may have hidden units that are not binary, such as
            "gaussian" for a code.
        untied: Boolean, whether there are weights of their own for the way up, see
            `untie`.
        seed: Integer or `None`, seed of all sampling.

    Raises:
        ValueError: If `rbms` do not fit on each other.

    Example:
    >>> model = DBN((28, 28, 1), hidden_dims=(500, 500, 2000))
    >>> for level, rbm in enumerate(model.rbms):
    ...     rbm.compile()
    ...     rbm.fit(model.draw_up(images, level))
    >>> model.sample(16).shape
    (16, 28, 28, 1)
    >>> classifier = model.to_classifier(num_classes=10)
    """

    metric_names = ("loss", "wake_loss", "free_energy_gap", "sleep_loss")

    def __init__(
        self,
        visible_shape=(28, 28, 1),
        hidden_dims=(500, 500, 2000),
        gibbs_steps=3,
        rbms=None,
        untied=False,
        seed=None,
    ):
        super().__init__(seed)
        self.visible_shape = tuple(visible_shape)
        self.hidden_dims = tuple(hidden_dims)
        self.gibbs_steps = gibbs_steps
        self.untied = untied
        check_at_least(self, 1, "gibbs_steps")
        self.rbms = rbms or stack_rbms(self.visible_shape, self.hidden_dims, seed)
        self._check_rbms(pair_shapes(self.visible_shape, self.hidden_dims))
        self.value_range = self.rbms[0].value_range
        self.recognition = []
        if untied:
            self._make_recognition()
        self.built = True

    def _check_rbms(self, wanted):
        given = [(rbm.visible_shape, rbm.num_hidden) for rbm in self.rbms]
        if given != wanted:
            raise ValueError(
                f"`rbms` must have the visible shapes and hidden units {wanted}. "
                f"Received: {given}"
            )
        for rbm in self.rbms[:-1]:
            if not isinstance(rbm.hidden_layer, units.Bernoulli):
                raise ValueError(
                    "`rbms` below the top must have Bernoulli hidden units. "
                    f"Received: {rbm.hidden_units}"
                )
        for rbm in self.rbms[1:]:
            if not isinstance(rbm.visible_layer, units.Bernoulli):
                raise ValueError(
                    "`rbms` above the bottom must have Bernoulli visible units. "
                    f"Received: {rbm.visible_units}"
                )

    def _make_recognition(self):
        for rbm in self.rbms[:-1]:
            layer = layers.Dense(rbm.num_hidden, name=f"recognition_{rbm.num_hidden}")
            layer.build((None, rbm.num_visible))
            self.recognition.append(layer)
            # The bias of the way up; downwards the layer above stands in its place.
            rbm.hidden_bias.trainable = False

    @property
    def top(self):
        """The `RBM` of the two uppermost layers."""
        return self.rbms[-1]

    def untie(self):
        """Returns a copy with weights of its own for the way up, to be fine-tuned.

        They start as those of the RBMs, or as those that there are. `fit` then runs the
        up-down algorithm.
        """
        model = type(self).from_config(self.get_config() | {"untied": True})
        for mine, theirs in zip(self.rbms, model.rbms, strict=True):
            theirs.set_weights(mine.get_weights())
        for rbm, layer in zip(self.rbms, model.recognition, strict=False):
            kernel, _, bias = rbm.weight_arrays()
            layer.set_weights([rbm.copies[0] * kernel, bias])
        for layer, mine in zip(model.recognition, self.recognition, strict=False):
            layer.set_weights(mine.get_weights())
        return model

    def compile(self, optimizer=None, **options):
        """Sets the optimizer of the up-down algorithm; by default SGD(0.01).

        Args:
            optimizer: `keras.optimizers.Optimizer`.
            **options: See `keras.Model.compile`.
        """
        super().compile(optimizer or keras.optimizers.SGD(0.01), **options)

    def call(self, visible):
        """Returns `prop_up` to the top."""
        return self.prop_up(visible)

    # Ways up and down -----------------------------------------------------------------

    def prop_up(self, visible, level=None):
        """Returns means of the units below the RBM of a level, given means below those.

        Args:
            visible: Array of shape (batch, *visible_shape).
            level: Integer, how many layers up; `None` is all.

        Returns:
            Tensor of shape (batch, hidden_dims[level - 1]); `visible` for level 0.
        """
        level = self._check_level(level)
        if level == 0:
            return ops.convert_to_tensor(visible)
        states = self._flatten(visible)
        for i in range(level):
            states = self.rbms[i].hidden_layer.mean(self._inputs_up(i, states))
        return states

    def draw_up(self, visible, level=None, seed=None):
        """Returns samples of the units below the RBM of a level: what it is trained on.

        Args:
            visible: Array of shape (batch, *visible_shape).
            level: Integer, how many layers up; `None` is all.
            seed: Integer or `None`, see `GenerativeModel.sample`.

        Returns:
            Array of shape (batch, hidden_dims[level - 1]); `visible` for level 0.
        """
        level = self._check_level(level)
        if level == 0:
            return ops.convert_to_numpy(visible)
        states = self._flatten(visible)
        with self.seeded(seed):
            return ops.convert_to_numpy(self._draw_up(states, level))

    def sample(
        self,
        num_samples,
        seed=None,
        gibbs_steps=1000,
        temperature=1.0,
        probabilities=False,
    ):
        """Returns visible units (num_samples, *visible_shape).

        The top RBM runs its chains; what they come to is drawn down through the layers.

        Args:
            num_samples: Integer.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            gibbs_steps: Integer, how long the chains of the top RBM run.
            temperature: Positive float; the energy of the top RBM is divided by it.
            probabilities: Boolean, whether to return E[v | h1] in place of a draw.
        """
        options = gibbs_steps, temperature
        if len(self.rbms) == 1:
            return self.top.sample(num_samples, seed, *options, probabilities)
        total = self.rbms[0].visible_layer.starting_total(num_samples)
        with self.seeded(seed):
            states = self.top.sample(num_samples, None, *options)
            return self._unflatten(self._draw_down(states, total, bool(probabilities)))

    def reconstruct(self, visible):
        """Returns means (batch, *visible_shape) down from the means at the top."""
        states = self.prop_up(visible)
        for rbm in reversed(self.rbms[1:]):
            states = rbm.visible_layer.mean(rbm._visible_inputs(states))
        bottom = self.rbms[0]
        total = bottom.visible_layer.total(self._flatten(visible))
        means = bottom.visible_layer.mean(bottom._visible_inputs(states), total=total)
        return self._unflatten(means)

    def complete(self, images, mask, seed=None, gibbs_steps=500, probabilities=False):
        """Returns images whose unknown pixels are drawn given the known ones.

        Draws go up, through the top RBM and down again, and the known pixels are put
        back: as good as q is, the chain comes to what the model has given them. It
        starts as that of `RBM.complete`.

        Args:
            images: Array of shape (batch, *visible_shape).
            mask: Array that broadcasts to `images`: 1 where a pixel is known, else 0.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            gibbs_steps: Integer, how often.
            probabilities: Boolean, see `sample`.
        """
        if len(self.rbms) == 1:
            return self.top.complete(images, mask, seed, gibbs_steps, probabilities)
        bottom = self.rbms[0]
        bottom._refuse_counts("complete")
        check_range("gibbs_steps", gibbs_steps, 1)
        mask, states = self._make_mask(mask, images), self._flatten(images)
        with self.seeded(seed):
            start = mask * states + (1 - mask) * bottom._draw_without_hidden(
                states.shape[0]
            )
            samples, means = self._run_clamped_chain(
                start,
                mask,
                ops.convert_to_tensor(gibbs_steps - 1, "int32"),
            )
        return self._unflatten(means if probabilities else samples)

    @backend.compiled
    def _draw_up(self, states, level):
        return self._draw_states_up(states, level)[-1]

    @backend.compiled
    def _draw_down(self, states, total, means):
        if means:
            states = self._draw_states_down(states, total, 1)[0]
            bottom = self.rbms[0]
            return bottom.visible_layer.mean(
                bottom._visible_inputs(states), total=total
            )
        return self._draw_states_down(states, total)[0]

    @backend.compiled
    def _run_clamped_chain(self, visible, mask, gibbs_steps):
        """Returns the last v and E[v | h1], keeping v where `mask` is 1."""
        known, bottom = visible * mask, self.rbms[0]

        def draw_inputs(visible):
            states = self._draw_states_up(visible, len(self.rbms) - 1)[-1]
            states = self.top._run_chain(states, 1)
            lowest = self._draw_states_down(states, None, 1)[0]
            return bottom._visible_inputs(lowest)

        def step(_, visible):
            return known + (1 - mask) * bottom._draw_visible(draw_inputs(visible), None)

        inputs = draw_inputs(backend.fori_loop(0, gibbs_steps, step, visible))
        pair = bottom._draw_visible(inputs, None), bottom.visible_layer.mean(inputs)
        return [known + (1 - mask) * states for states in pair]

    def _draw_states_up(self, states, level):
        """Returns the flat states of all layers up to one: `level` + 1 tensors."""
        layers_of_states = [states]
        for i in range(level):
            inputs = self._inputs_up(i, layers_of_states[-1])
            hidden = self.rbms[i].hidden_layer
            layers_of_states.append(hidden.draw(inputs, self.seed_generator))
        return layers_of_states

    def _draw_states_down(self, states, total, level=0):
        """Returns the flat states from those below the top down to one level."""
        layers_of_states = [states]
        for i in reversed(range(level, len(self.rbms) - 1)):
            rbm = self.rbms[i]
            inputs = rbm._visible_inputs(layers_of_states[0])
            below = rbm._draw_visible(inputs, total if i == 0 else None)
            layers_of_states.insert(0, below)
        return layers_of_states

    def _inputs_up(self, level, states):
        """Returns the inputs of the hidden units of an RBM on the way up."""
        rbm = self.rbms[level]
        if not self.untied or rbm is self.top:
            return rbm._hidden_inputs(states)
        layer, total = self.recognition[level], rbm.visible_layer.total(states)
        bias = ops.convert_to_tensor(layer.bias)
        product = rbm.visible_layer.statistic(states) @ layer.kernel
        return product + (bias if total is None else total * bias)

    def _check_level(self, level):
        level = len(self.rbms) if level is None else level
        check_range("level", level, 0, len(self.rbms))
        return level

    # Fine-tuning ----------------------------------------------------------------------

    def check_data(self, visible):
        """Raises a `ValueError` on data that the visible units cannot take."""
        self.rbms[0].check_data(visible)

    def fit(self, x=None, *args, **kwargs):
        """Fine-tunes by the up-down algorithm, see `keras.Model.fit`.

        Raises:
            ValueError: If the weights are tied, or on data that do not suit.
        """
        if not self.untied:
            raise ValueError(
                "The RBMs of a DBN are trained one by one: model.rbms[0].fit(...). "
                "To fine-tune them together: model = model.untie(). "
                "Received: untied=False"
            )
        return super().fit(x, *args, **kwargs)

    def draw_phases(self, data, training):
        """Returns the states drawn upwards from data, and downwards from the top."""
        visible = self.unpack(data)
        awake = self._draw_states_up(visible, len(self.rbms) - 1)
        top = self.top._run_chain(awake[-1], self.gibbs_steps)
        total = self.rbms[0].visible_layer.total(visible)
        return awake, self._draw_states_down(top, total)

    def compute_loss(self, awake, dream):
        """Returns the loss whose gradient is that of the up-down algorithm, and logs.

        Awake, what is below learns to follow from what was drawn above it. The top RBM
        learns by contrastive divergence. Asleep, what is above learns to be recognized.
        What regularizes the weights downwards is added.

        Args:
            awake: List of states from the visible ones up to those below the top.
            dream: List of the same, drawn downwards after Gibbs steps at the top.
        """
        wake = sleep = penalty = 0.0
        for i, rbm in enumerate(self.rbms[:-1]):
            inputs = rbm._visible_inputs(awake[i + 1])
            wake = wake - ops.mean(rbm.visible_layer.log_prob(awake[i], inputs))
            inputs = self._inputs_up(i, dream[i])
            sleep = sleep - ops.mean(rbm.hidden_layer.log_prob(dream[i + 1], inputs))
            penalty = penalty + rbm._regularize_kernel()
        top, logs = self.top.compute_loss(awake[-1], dream[-1])
        loss = wake + top + sleep + penalty
        return loss, {
            "loss": loss,
            "wake_loss": wake,
            "free_energy_gap": logs["free_energy_gap"],
            "sleep_loss": sleep,
        }

    # Densities ------------------------------------------------------------------------

    def log_partition(self, method="auto", **options):
        """Returns log Z of the top RBM in nats, a float; see `RBM.log_partition`."""
        return self.top.log_partition(method, **options)

    def base_biases(self, visible, coins=False):
        """Returns `RBM.base_biases` of the top RBM.

        Args:
            visible: Array of shape (num_examples, *visible_shape), such as 10,000
                training images.
            coins: Boolean, whether the units of the top layer are fair coins.
        """
        return self.top.base_biases(self._draw_below_top(visible), coins)

    def _draw_below_top(self, visible):
        states = self.draw_up(visible, len(self.rbms) - 1, seed=0)
        return ops.convert_to_numpy(states)

    def log_prob_bound(self, visible, log_partition=None, num_samples=1, seed=None):
        """Returns a lower bound of log p(v), one value an example, in nats.

        It is E_q[log p(v, h1, ..., hL-1) - log q(h1, ..., hL-1 | v)], averaged over
        samples of q. Where q is the posterior each sample gives log p(v) itself.

        Args:
            visible: Array of shape (batch, *visible_shape).
            log_partition: Float, the result of `log_partition`; computed if `None`, of
                many units by annealing from both `base_biases` of `visible`.
                An estimate that is too low makes the bound too high.
            num_samples: Integer, the samples over which it is averaged.
            seed: Integer or `None`, see `GenerativeModel.sample`.

        Returns:
            Tensor of shape (batch,).
        """
        check_range("num_samples", num_samples, 1)
        if log_partition is None:
            below = self._draw_below_top(visible)
            log_partition = self.top._log_partition_of(below)
        states = self._flatten(visible)
        with self.seeded(seed):
            total = self._add_bounds(states, ops.convert_to_tensor(num_samples))
        return total / num_samples - log_partition

    @backend.compiled
    def _add_bounds(self, visible, num_samples):
        """Returns the sum of bounds, without log Z, over samples of q."""

        def add(_, total):
            states = self._draw_states_up(visible, len(self.rbms) - 1)
            total = total + self._log_ratio(states)
            inputs = self.top._hidden_inputs(states[-1])
            return total - self.top._free_energy(states[-1], inputs)

        return backend.fori_loop(0, num_samples, add, ops.zeros_like(visible[:, 0]))

    def _log_ratio(self, states):
        """Returns log p(v, h1, ... | hL-1) - log q(h1, ..., hL-1 | v), (batch,)."""
        total = ops.zeros_like(states[0][:, 0])
        for i, rbm in enumerate(self.rbms[:-1]):
            inputs = rbm._visible_inputs(states[i + 1])
            total = total + rbm.visible_layer.log_prob(states[i], inputs)
            inputs = self._inputs_up(i, states[i])
            total = total - rbm.hidden_layer.log_prob(states[i + 1], inputs)
        return total

    # Networks for back-propagation ----------------------------------------------------

    def to_classifier(self, num_classes, dropout=0.0, input_dropout=0.0):
        """Returns a plain Keras model of the layers upwards, and a new one of logits.

        Args:
            num_classes: Integer.
            dropout: Float, the share of hidden units that are dropped while training.
            input_dropout: Float, the same of visible units.

        Returns:
            `keras.Model` from (batch, *visible_shape) to logits (batch, num_classes).
            It takes what the visible units take: pixels, real numbers or counts. What
            is below the logits starts as `prop_up`. It shares no weights with this
            model.
        """
        inputs, outputs = self._build_encoder(
            dropout=dropout, input_dropout=input_dropout
        )
        outputs = layers.Dense(num_classes, name="logits")(outputs)
        model = keras.Model(inputs, outputs, name="classifier")
        self._hand_over(model)
        return model

    def to_autoencoder(self, code_noise=0.0):
        """Returns a plain Keras model of the layers up and down again.

        Args:
            code_noise: Float, the deviation of Gaussian noise on the inputs of the code
                while training, which drives its units to 0 and 1 (semantic hashing).

        Returns:
            `keras.Model` from (batch, *visible_shape) to the same shape, whose layers
            "encoder" and "decoder" are models of their own. It starts as `reconstruct`:
            of binary units the outputs are the logits of its means; of softmax units
            logits, too, each group a softmax; of Gaussian units the means themselves;
            of counts logits, whose softmax times the words of the document are the
            means. It shares no weights with this model.

        Reference:
            Hinton and Salakhutdinov, 2006; Salakhutdinov and Hinton, Semantic Hashing,
            2007.
        """
        inputs, code = self._build_encoder(code_noise)
        encoder = keras.Model(inputs, code, name="encoder")
        self._hand_over(encoder)
        code = x = keras.Input((self.hidden_dims[-1],))
        for i in reversed(range(1, len(self.rbms))):
            width = self.rbms[i].num_visible
            x = layers.Dense(width, activation="sigmoid", name=f"down_{i + 1}")(x)
        x = layers.Dense(math.prod(self.visible_shape), name="down_1")(x)
        x = layers.Reshape(self.visible_shape)(x)
        decoder = keras.Model(code, x, name="decoder")
        for i, rbm in enumerate(self.rbms, 1):
            decoder.get_layer(f"down_{i}").set_weights(rbm._dense_down())
        inputs = keras.Input(self.visible_shape)
        return keras.Model(inputs, decoder(encoder(inputs)), name="autoencoder")

    def _build_encoder(self, code_noise=0.0, dropout=0.0, input_dropout=0.0):
        """Returns inputs, and outputs of dense layers named up_1, up_2 and so on."""
        x = inputs = keras.Input(self.visible_shape)
        x = drop(layers.Flatten()(x), input_dropout, self.seed, 0)
        for i, rbm in enumerate(self.rbms, 1):
            x = layers.Dense(rbm.num_hidden, name=f"up_{i}")(x)
            if rbm is self.top and code_noise:
                x = layers.Rescaling(1 / code_noise)(x)
                x = layers.GaussianNoise(1.0, seed=self.seed)(x)  # Keras allows ≤ 1.
                x = layers.Rescaling(code_noise)(x)
            activation = ACTIVATIONS[type(rbm.hidden_layer)]
            x = drop(layers.Activation(activation)(x), dropout, self.seed, i)
        return inputs, x

    def _hand_over(self, network):
        """Gives the dense layers of `_build_encoder` the weights of the way up."""
        for i, rbm in enumerate(self.rbms):
            weights = rbm._dense_up()
            if self.untied and rbm is not self.top:
                own = self.recognition[i].get_weights()
                weights = rbm.visible_layer.dense_weights(*own)
            network.get_layer(f"up_{i + 1}").set_weights(weights)


# What a hidden unit does to its input.
ACTIVATIONS = {
    units.Bernoulli: "sigmoid",
    units.Gaussian: "linear",
    units.Softmax: "softmax",
    units.NoisyReLU: "softplus",
}
