"""What Boltzmann machines share: the two phases of training, and flat states.

The gradient of log p(v) is a difference of two expectations: that of the positive
phase, over what the data make of the machine, and that of the negative phase, over what
it makes by itself.
"""

import contextlib
import inspect
import math

import keras
import numpy as np
from keras import layers, ops

from gen_keras import backend
from gen_keras.metrics.annealed_importance_sampling import check_finite
from gen_keras.models.base import CheckedData, check_examples

# Nats by which a unit may move another one; data that differ by 1 need some tens.
MAX_COUPLING = 1e4


class WatchedWeights(CheckedData):
    """A model whose binary units hide from its metrics that it diverges; a mixin.

    It has the shape of an example in `visible_shape`.
    """

    def fit(self, x=None, *args, **kwargs):
        """Trains, see `keras.Model.fit`.

        Raises:
            ValueError: If `x`, or that of `validation_data`, is an array or a tensor of
                another shape than `visible_shape`, or of values that the visible units
                cannot take; or if training diverges, at the end of that epoch.
        """
        watch = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: self._check_weights(epoch)
        )
        options = inspect.signature(keras.Model.fit).bind(self, x, *args, **kwargs)
        callbacks = keras.tree.flatten(options.arguments.get("callbacks"))
        options.arguments["callbacks"] = [watch, *filter(None, callbacks)]
        return super().fit(*options.args[1:], **options.kwargs)

    def _check_weights(self, epoch):
        """Raises a `ValueError` if weights are not numbers, or too large for any use.

        Units of 0 and 1 hide that from the metrics.
        """
        backend.sync_state(self)
        for variable in self.trainable_variables:
            largest = np.abs(ops.convert_to_numpy(variable)).max()
            is_coupling = len(variable.shape) == 2
            if not np.isfinite(largest) or (is_coupling and largest > MAX_COUPLING):
                raise ValueError(
                    f"Training diverged in epoch {epoch + 1}: `{variable.name}` has "
                    f"grown to {largest:.3g}. {self.remedy}"
                )

    @contextlib.contextmanager
    def seeded(self, seed):
        """Starts all random streams at `seed`, see `GenerativeModel.seeded`.

        Raises:
            ValueError: If weights are not finite: what is drawn of them would not show.
        """
        self.check_weights()
        with super().seeded(seed):
            yield

    def check_weights(self):
        """Raises a `ValueError` if weights are not finite."""
        check_finite(*map(ops.convert_to_numpy, self.trainable_variables))

    def check_data(self, visible):
        """Raises a `ValueError` on data that the visible units cannot take."""
        check_examples(visible, self.visible_shape, self.value_range)


class TwoPhases(WatchedWeights):
    """A model that learns from the difference of two phases; a mixin, before the base.

    The model implements `draw_phases(data, training)`, which returns the states of
    both phases, and `compute_loss(positive, negative)`, which returns the loss and the
    logs.
    """

    remedy = "Try a lower learning rate, or weight decay: `kernel_regularizer`."

    def draw_phases(self, data, training):
        """Returns the states of the positive phase, and those of the negative one.

        Args:
            data: What `fit` hands over.
            training: Boolean, whether chains that persist move on.
        """
        raise NotImplementedError

    def train_step(self, data):
        """Moves the statistics of the model towards those of the data."""
        with backend.no_gradients():
            positive, negative = self.draw_phases(data, training=True)
        logs = self.minimize(
            lambda: self.compute_loss(positive, negative),
            self.optimizer,
            self.trainable_variables,
        )
        return self.update_metrics(logs)

    def test_step(self, data):
        """Returns the metrics of held-out data; chains stay as they are."""
        positive, negative = self.draw_phases(data, training=False)
        _, logs = self.compute_loss(positive, negative)
        count = ops.shape(keras.tree.flatten(positive)[0])[0]
        return self.update_metrics(logs, num_examples=count)

    def unpack(self, data):
        """Returns visible states (batch, num_visible), from what `fit` hands over."""
        visible, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self._flatten(visible)

    def _sample_bernoulli(self, means):
        return backend.bernoulli(means, seed=self.seed_generator)

    def _flip_coins(self, shape):
        return self._sample_bernoulli(ops.full(shape, 0.5))

    def _flatten(self, visible):
        """Returns a tensor (batch, num_visible).

        Raises a `ValueError` on other shapes, and on a NumPy array or a list of values
        that the visible units cannot take.
        """
        if isinstance(visible, list):
            visible = self._to_array(visible)
        states = ops.convert_to_tensor(visible, keras.config.floatx())
        if tuple(states.shape[1:]) != self.visible_shape:
            raise ValueError(
                f"`visible` must have the shape (batch, *{self.visible_shape}). "
                f"Received: {tuple(states.shape)}"
            )
        self._check_array(visible)
        return ops.reshape(states, (-1, math.prod(self.visible_shape)))

    def _to_array(self, visible):
        try:
            return np.asarray(visible)
        except ValueError:
            raise ValueError(
                f"`visible` must have the shape (batch, *{self.visible_shape}), or be "
                "what this model takes as a tuple. Received: a list of others"
            ) from None

    def _unflatten(self, visible):
        return ops.reshape(visible, (-1, *self.visible_shape))

    def _make_mask(self, mask, visible):
        """Returns `mask` as a tensor (batch, num_visible), or raises a `ValueError`."""
        count = len(visible)
        mask = ops.convert_to_numpy(mask).astype(keras.config.floatx())
        try:
            mask = np.broadcast_to(mask, (count, *self.visible_shape))
        except ValueError:
            raise ValueError(
                f"`mask` must have the shape {self.visible_shape}, or one that "
                f"broadcasts to it. Received: {mask.shape}"
            ) from None
        if not np.isin(mask, (0, 1)).all():
            raise ValueError(
                "`mask` must be 1 where a unit is known, else 0. Received: values from "
                f"{mask.min():g} to {mask.max():g}"
            )
        return ops.reshape(ops.convert_to_tensor(mask), (count, -1))


def drop(x, rate, seed, place):
    """Returns what a layer gives, a share of it dropped while training.

    Args:
        x: Symbolic tensor.
        rate: Float, the share.
        seed: Integer, or `None`.
        place: Integer, by which the layers of a network draw differently.
    """
    if not rate:
        return x
    return layers.Dropout(rate, seed=None if seed is None else seed + place)(x)


def to_states(name, states, num_units):
    """Returns states as a tensor (batch, num_units); a `ValueError` on other shapes.

    Args:
        name: String, the argument to name in the error.
        states: Array.
        num_units: Integer.
    """
    states = ops.convert_to_tensor(states, keras.config.floatx())
    if len(states.shape) != 2 or states.shape[1] != num_units:
        raise ValueError(
            f"`{name}` must have the shape (batch, {num_units}). "
            f"Received: {tuple(states.shape)}"
        )
    return states


def check_chain(gibbs_steps, temperature):
    """Raises a `ValueError` if a chain cannot run so long, or so hot."""
    if gibbs_steps < 1 or not temperature > 0:
        raise ValueError(
            "`gibbs_steps` must be at least 1 and `temperature` above 0. Received: "
            f"{gibbs_steps} and {temperature}"
        )
