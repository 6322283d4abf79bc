"""Restricted Boltzmann machine (RBM).

Binary visible units v and binary hidden units h have the energy
E(v, h) = -v^T W h - b^T v - c^T h and the probability exp(-E(v, h)) / Z. No two units
of one layer are connected, so that each layer can be sampled at once given the other.

The gradient of log p(v) is a difference of statistics, such as <v h> over the data
minus <v h> over the model. Contrastive divergence (CD-k) replaces the samples of the
model by k Gibbs steps from the data. Persistent contrastive divergence (PCD) keeps
chains of samples alive between updates instead.

In the code W is `kernel`, b `visible_bias` and c `hidden_bias`.

References:
    Hinton, Training Products of Experts by Minimizing Contrastive Divergence, 2002.
    Tieleman, Training Restricted Boltzmann Machines using Approximations to the
    Likelihood Gradient, 2008.
    Salakhutdinov and Murray, On the Quantitative Analysis of Deep Belief Networks,
    2008 (annealed importance sampling).
"""

import math

import keras
import numpy as np
from keras import ops

from gen_keras import backend, metrics
from gen_keras.models.base import GenerativeModel, check_range


@keras.saving.register_keras_serializable(package="gen_keras")
class RBM(GenerativeModel):
    """Restricted Boltzmann machine of binary units, trained with CD-k or PCD-k.

    Args:
        visible_shape: Tuple, the shape of one example, such as (28, 28, 1) or (784,).
        num_hidden: Integer, the number of hidden units.
        gibbs_steps: Integer, the Gibbs steps of each update (k).
        num_chains: Integer, the persistent chains of PCD, independent of the batch
            size and saved with the model; 0 means CD.
        seed: Integer or `None`, seed of all sampling.

    Raises:
        ValueError: If a number is out of range.

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
        seed=None,
    ):
        super().__init__(seed)
        for name, value, least in (
            ("num_hidden", num_hidden, 1),
            ("gibbs_steps", gibbs_steps, 1),
            ("num_chains", num_chains, 0),
        ):
            if value < least:
                raise ValueError(
                    f"`{name}` must be at least {least}. Received: {value}"
                )
        self.visible_shape = tuple(visible_shape)
        self.num_hidden = num_hidden
        self.gibbs_steps = gibbs_steps
        self.num_chains = num_chains

        self.num_visible = math.prod(self.visible_shape)
        self.kernel = self.add_weight(
            shape=(self.num_visible, num_hidden),
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
            shape=(num_hidden,),
            initializer="zeros",
            autocast=False,
            name="hidden_bias",
        )
        if num_chains:
            self.chains = self.add_weight(
                shape=(num_chains, self.num_visible),
                initializer="zeros",
                trainable=False,
                aggregation="only_first_replica",
                name="chains",
            )
            coins = np.random.default_rng(seed).integers(0, 2, self.chains.shape)
            self.chains.assign(coins.astype("float32"))
        self.built = True

    def compile(self, optimizer=None, **options):
        """Sets the optimizer; by default SGD(0.05).

        Args:
            optimizer: `keras.optimizers.Optimizer`. PCD wants a rate that decays to 0.
            **options: See `keras.Model.compile`.
        """
        super().compile(optimizer or keras.optimizers.SGD(0.05), **options)

    def initialize_visible_bias(self, images):
        """Sets b to log(p / (1 - p)) of the pixel means p (Hinton, 2010, section 8.1).

        The means are smoothed a little, see `metrics.base_rate_bias`.

        Args:
            images: Array of shape (num_images, *visible_shape) in [0, 1].
        """
        self.visible_bias.assign(metrics.base_rate_bias(np.asarray(images)))

    def call(self, visible):
        """Returns p(h = 1 | v), (batch, num_hidden), for v (batch, *visible_shape)."""
        return self._hidden_probabilities(self._flatten(visible))

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

        The chains start from persistent chains, if there are any, else from fair coins.

        Args:
            num_samples: Integer.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            gibbs_steps: Integer, how long the chains run.
            temperature: Positive float; the energy is divided by it.
            probabilities: Boolean, whether to return p(v = 1 | h) at the last step,
                which is easier on the eye, in place of the sample from it.
        """
        check_range("num_samples", num_samples, 1)
        with self.seeded(seed):
            start = self._draw_start(num_samples)
            return self._run(start, gibbs_steps, temperature, probabilities)

    def gibbs(self, visible, gibbs_steps=1, seed=None, temperature=1.0):
        """Returns visible units after `gibbs_steps` of Gibbs sampling from `visible`.

        Args:
            visible: Array of shape (batch, *visible_shape), 0 or 1.
            gibbs_steps: Integer, how often h is drawn given v, then v given h.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            temperature: Positive float; the energy is divided by it.
        """
        with self.seeded(seed):
            return self._run(self._flatten(visible), gibbs_steps, temperature)

    def complete(self, images, mask, seed=None, gibbs_steps=500, probabilities=False):
        """Returns images whose unknown pixels are drawn given the known ones.

        Args:
            images: Array of shape (batch, *visible_shape), 0 or 1.
            mask: Array that broadcasts to `images`: 1 where a pixel is known, else 0.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            gibbs_steps: Integer, how long the chains run.
            probabilities: Boolean, see `sample`.
        """
        images = ops.convert_to_tensor(images, self.kernel.dtype)
        mask = ops.broadcast_to(
            ops.convert_to_tensor(mask, images.dtype), ops.shape(images)
        )
        images, mask = self._flatten(images), self._flatten(mask)
        with self.seeded(seed):
            coins = self._sample_bernoulli(0.5 * ops.ones_like(images))
            start = mask * images + (1 - mask) * coins
            return self._run(start, gibbs_steps, 1.0, probabilities, mask)

    def reconstruct(self, visible):
        """Returns p(v = 1 | h), (batch, *visible_shape), at the means h of p(h | v)."""
        hidden = self(visible)
        return self._unflatten(self._visible_probabilities(hidden))

    def _run(self, start, gibbs_steps, temperature, probabilities=False, mask=None):
        if gibbs_steps < 1 or not temperature > 0:
            raise ValueError(
                "`gibbs_steps` must be at least 1 and `temperature` above 0. Received: "
                f"{gibbs_steps} and {temperature}"
            )
        samples, means = self._run_clamped_chain(
            start,
            ops.zeros_like(start) if mask is None else mask,
            ops.convert_to_tensor(gibbs_steps - 1, "int32"),
            ops.convert_to_tensor(1 / temperature, start.dtype),
        )
        return self._unflatten(means if probabilities else samples)

    @backend.compiled
    def _run_clamped_chain(self, visible, mask, gibbs_steps, scale):
        """Returns the last v and p(v | h), keeping v where `mask` is 1."""
        known = visible * mask

        def draw_means(visible):
            hidden = self._sample_bernoulli(self._hidden_probabilities(visible, scale))
            means = self._visible_probabilities(hidden, scale)
            return known + (1 - mask) * means

        def gibbs_step(_, visible):
            return self._sample_bernoulli(draw_means(visible))

        means = draw_means(backend.fori_loop(0, gibbs_steps, gibbs_step, visible))
        return self._sample_bernoulli(means), means

    def _run_chain(self, visible, gibbs_steps):
        """Draws h given v, then v given h, `gibbs_steps` times."""

        def gibbs_step(_, visible):
            hidden = self._sample_bernoulli(self._hidden_probabilities(visible))
            return self._sample_bernoulli(self._visible_probabilities(hidden))

        if gibbs_steps == 1:
            return gibbs_step(0, visible)
        return backend.fori_loop(0, gibbs_steps, gibbs_step, visible)

    def _draw_start(self, num_samples):
        if not self.num_chains:
            return self._sample_bernoulli(
                ops.full((num_samples, self.num_visible), 0.5)
            )
        index = keras.random.randint(
            (num_samples,), 0, self.num_chains, seed=self.seed_generator
        )
        return ops.take(ops.convert_to_tensor(self.chains), index, axis=0)

    def _hidden_probabilities(self, visible, scale=None):
        return _scaled_sigmoid(self._hidden_logits(visible), scale)

    def _hidden_logits(self, visible):
        bias = ops.convert_to_tensor(self.hidden_bias)
        return self._multiply(visible, self.kernel) + bias

    def _visible_probabilities(self, hidden, scale=None):
        bias = ops.convert_to_tensor(self.visible_bias)
        logits = self._multiply(hidden, ops.transpose(self.kernel)) + bias
        return _scaled_sigmoid(logits, scale)

    def _multiply(self, units, weights):
        # Products in the precision of the policy; units 0 and 1 are exact in any.
        dtype = self.compute_dtype
        if dtype == self.variable_dtype:
            return units @ ops.convert_to_tensor(weights)
        product = ops.cast(units, dtype) @ ops.cast(weights, dtype)
        return ops.cast(product, self.variable_dtype)

    def _sample_bernoulli(self, probabilities):
        return backend.bernoulli(probabilities, seed=self.seed_generator)

    # Training -------------------------------------------------------------------------

    def train_step(self, data):
        """Moves the statistics of the model towards those of the data."""
        with backend.no_gradients():  # The gradients are written out below.
            visible, _, _ = keras.utils.unpack_x_y_sample_weight(data)
            positive = self._flatten(visible)
            negative = self._run_chain(
                ops.convert_to_tensor(self.chains) if self.num_chains else positive,
                self.gibbs_steps,
            )
            if self.num_chains:
                self.chains.assign(negative)

            # Data and chains pass the products with W as one batch: they take the time.
            visible, weights = join_phases(positive, negative)
            hidden_logits = self._hidden_logits(visible)
            logs = self.compute_logs(visible, hidden_logits, weights)
            self.apply_gradients(
                compute_gradients(visible, ops.sigmoid(hidden_logits), weights),
                self.optimizer,
                [self.kernel, self.visible_bias, self.hidden_bias],
            )
            return self.update_metrics(logs)

    def test_step(self, data):
        """Returns the metrics for held-out data, with chains that start there."""
        visible, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        positive = self._flatten(visible)
        negative = self._run_chain(positive, self.gibbs_steps)
        visible, weights = join_phases(positive, negative)
        logs = self.compute_logs(visible, self._hidden_logits(visible), weights)
        return self.update_metrics(logs, num_examples=ops.shape(positive)[0])

    def compute_logs(self, visible, hidden_logits, weights):
        """Returns the means of F(data) and of F(data) - F(chains).

        Args:
            visible: Tensor of shape (batch, num_visible).
            hidden_logits: Tensor of shape (batch, num_hidden).
            weights: Tensor of shape (batch,), positive for data, negative for chains,
                see `join_phases`.
        """
        free_energy = self._free_energy(visible, hidden_logits)
        return {
            "free_energy": ops.sum(ops.relu(weights) * free_energy),
            "free_energy_gap": ops.sum(weights * free_energy),
        }

    # Densities ------------------------------------------------------------------------

    def free_energy(self, visible):
        """Returns F(v) = -log sum_h exp(-E(v, h)) in nats, shape (batch,).

        Args:
            visible: Array of shape (batch, *visible_shape), 0 or 1.
        """
        visible = self._flatten(visible)
        logits = ops.matmul(visible, self.kernel) + self.hidden_bias  # In full.
        return self._free_energy(visible, logits)

    def log_partition(self, method="auto", **options):
        """Returns log Z in nats, a float.

        Args:
            method: "exact" enumerates the states of the smaller layer, at most 25
                units; "ais" estimates by annealed importance sampling; "auto" is exact
                up to 20 units.
            **options: Arguments of `annealed_importance_sampling`, such as
                `num_chains`, `schedule`, `base_bias` and `seed`.

        Raises:
            ValueError: If `method` is unknown or cannot be used.
        """
        if method not in ("auto", "exact", "ais"):
            raise ValueError(
                f"`method` must be 'auto', 'exact' or 'ais'. Received: {method}"
            )
        small = min(self.num_visible, self.num_hidden) <= 20
        if method == "exact" or (method == "auto" and small):
            return metrics.exact_log_partition(*self._weight_arrays())
        return metrics.annealed_importance_sampling(
            *self._weight_arrays(), **options
        ).log_partition

    def log_prob(self, visible, log_partition=None):
        """Returns log p(v) = -F(v) - log Z in nats, shape (batch,).

        Args:
            visible: Array of shape (batch, *visible_shape), 0 or 1.
            log_partition: Float, the result of `log_partition`; computed if `None`.
                An estimate that is too low flatters the model.
        """
        if log_partition is None:
            log_partition = self.log_partition()
        return -self.free_energy(visible) - log_partition

    def _free_energy(self, visible, hidden_logits):
        visible_energy = -(visible @ self.visible_bias[:, None])[:, 0]
        return visible_energy - ops.sum(ops.softplus(hidden_logits), axis=-1)

    def _weight_arrays(self):
        return [
            ops.convert_to_numpy(v)
            for v in (self.kernel, self.visible_bias, self.hidden_bias)
        ]

    def _flatten(self, visible):
        visible = ops.convert_to_tensor(visible, self.kernel.dtype)
        if tuple(visible.shape[1:]) != self.visible_shape:
            raise ValueError(
                f"`visible` must have the shape (batch, *{self.visible_shape}). "
                f"Received: {tuple(visible.shape)}"
            )
        return ops.reshape(visible, (-1, self.num_visible))

    def _unflatten(self, visible):
        return ops.reshape(visible, (-1, *self.visible_shape))


def _scaled_sigmoid(logits, scale):
    return ops.sigmoid(logits if scale is None else scale * logits)


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


def compute_gradients(visible, hidden, weights):
    """Returns the gradients of sum_i weights_i F(v_i) with respect to W, b and c.

    Args:
        visible: Tensor of shape (batch, num_visible), 0 or 1.
        hidden: Tensor of shape (batch, num_hidden), p(h = 1 | v): these in place of a
            sample have the same mean and less variance.
        weights: Tensor of shape (batch,).
    """
    weights = -weights[:, None]
    hidden, visible_t = weights * hidden, ops.transpose(visible)
    return [visible_t @ hidden, (visible_t @ weights)[:, 0], ops.sum(hidden, axis=0)]
