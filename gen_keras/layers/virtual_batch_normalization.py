"""Batch normalization in which no example depends on the others of its batch.

A fixed reference batch runs through the network ahead of the examples. Its statistics,
and those of an example itself, normalize that example:

>>> x = ReferenceBatch(64)(inputs)
>>> x = layers.Conv2D(32, 5, 2, "same")(x)
>>> x = VirtualBatchNormalization(64)(x)
>>> outputs = DropReference(64)(x)

Reference:
    Salimans et al., Improved Techniques for Training GANs, 2016, section 3.5.
    https://arxiv.org/abs/1606.03498
"""

import keras
from keras import initializers, layers, ops


@keras.saving.register_keras_serializable(package="gen_keras")
class ReferenceBatch(layers.Layer):
    """Puts the reference batch in front of the inputs.

    Args:
        num_reference: Integer, the number of reference examples.
        initializer: Initializer of the reference examples. The default, a standard
            normal distribution, suits a generator of such latents; name the one of the
            latents. For a discriminator see `adapt`.

    Attributes:
        examples: Weight (num_reference, ...), not trainable, saved with the model.

    Call with inputs (batch, ...); returns (num_reference + batch, ...).

    Raises:
        ValueError: If `num_reference` is not positive.
    """

    def __init__(self, num_reference, initializer=None, **kwargs):
        super().__init__(**kwargs)
        _check_positive(num_reference)
        self.num_reference = num_reference
        self.initializer = initializers.get(
            initializer or initializers.RandomNormal(stddev=1.0)
        )

    def build(self, input_shape):
        """Draws the reference examples."""
        self.examples = self.add_weight(
            shape=(self.num_reference, *input_shape[1:]),
            initializer=self.initializer,
            trainable=False,
            name="examples",
            aggregation="only_first_replica",
        )

    def adapt(self, examples):
        """Makes other examples the reference, such as the first of the training data.

        Args:
            examples: Array (num_reference, ...), in the value range of the inputs.

        Raises:
            ValueError: If the shape of `examples` is another.
        """
        if not self.built:
            self.build(examples.shape)
        if tuple(examples.shape) != tuple(self.examples.shape):
            raise ValueError(
                f"`examples` must have the shape {tuple(self.examples.shape)}. "
                f"Received: {tuple(examples.shape)}"
            )
        self.examples.assign(examples)

    def call(self, inputs):
        """Returns the reference examples, then the inputs."""
        return ops.concatenate([self.examples, inputs], axis=0)

    def get_config(self):
        """Returns the arguments of `__init__`."""
        return super().get_config() | {
            "num_reference": self.num_reference,
            "initializer": initializers.serialize(self.initializer),
        }


@keras.saving.register_keras_serializable(package="gen_keras")
class VirtualBatchNormalization(layers.Layer):
    """Normalizes each example by the reference batch and itself.

    Channels have the mean and variance of the n reference examples, with a weight of
    n/(n + 1), and the example, with 1/(n + 1). The reference examples are normalized by
    their own. Training and inference are the same.

    Args:
        num_reference: Integer, the number of reference examples n.
        epsilon: Float, added to the variance (released code: 1e-5).
        beta_initializer: Initializer of the offset, shape (channels,).
        gamma_initializer: Initializer of the scale, shape (channels,).

    Call with what became of the outputs of `ReferenceBatch`, shape
    (num_reference + batch, ..., channels); returns the same shape.

    Raises:
        ValueError: If `num_reference` is not positive.
    """

    def __init__(
        self,
        num_reference,
        epsilon=1e-5,
        beta_initializer="zeros",
        gamma_initializer="ones",
        **kwargs,
    ):
        super().__init__(**kwargs)
        _check_positive(num_reference)
        self.num_reference = num_reference
        self.epsilon = epsilon
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)

    def build(self, input_shape):
        """Makes offset and scale."""
        options = {"shape": (input_shape[-1],), "autocast": False}
        self.beta = self.add_weight(
            initializer=self.beta_initializer, name="beta", **options
        )
        self.gamma = self.add_weight(
            initializer=self.gamma_initializer, name="gamma", **options
        )

    def call(self, inputs):
        """Returns the reference examples and the inputs, normalized."""
        shape = ops.shape(inputs)
        x = ops.cast(inputs, self.gamma.dtype)
        x = ops.reshape(x, (shape[0], -1, shape[-1]))  # (examples, positions, channels)
        is_reference = ops.arange(shape[0])[:, None, None] < self.num_reference
        weight = ops.where(is_reference, 0.0, 1 / (self.num_reference + 1))

        reference_mean, reference_variance = ops.moments(
            x[: self.num_reference], axes=(0, 1), keepdims=True
        )
        own_mean, own_variance = ops.moments(x, axes=(1,), keepdims=True)
        mean = (1 - weight) * reference_mean + weight * own_mean
        # The variance of a mixture: the squared distances of the means come in.
        variance = (1 - weight) * (
            reference_variance + ops.square(reference_mean - mean)
        ) + weight * (own_variance + ops.square(own_mean - mean))

        x = (x - mean) * ops.rsqrt(variance + self.epsilon) * self.gamma + self.beta
        return ops.cast(ops.reshape(x, shape), inputs.dtype)

    def compute_output_shape(self, input_shape):
        """Returns the same shape."""
        return input_shape

    def get_config(self):
        """Returns the arguments of `__init__`."""
        return super().get_config() | {
            "num_reference": self.num_reference,
            "epsilon": self.epsilon,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
        }


@keras.saving.register_keras_serializable(package="gen_keras")
class DropReference(layers.Layer):
    """Takes what became of the reference batch off again.

    Args:
        num_reference: Integer, the number of reference examples.

    Call with (num_reference + batch, ...); returns (batch, ...).

    Raises:
        ValueError: If `num_reference` is not positive.
    """

    def __init__(self, num_reference, **kwargs):
        super().__init__(**kwargs)
        _check_positive(num_reference)
        self.num_reference = num_reference

    def call(self, inputs):
        """Returns the examples alone."""
        return inputs[self.num_reference :]


def _check_positive(num_reference):
    if num_reference < 1:
        raise ValueError(f"`num_reference` must be positive. Received: {num_reference}")
