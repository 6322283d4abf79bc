"""A dense layer that learns its activation function."""

import keras
from keras import initializers, layers, ops


@keras.saving.register_keras_serializable(package="gen_keras")
class Maxout(layers.Layer):
    """The largest of several affine maps: h_i(x) = max_j (x W_ij + b_ij).

    Args:
        units: Integer, the number of outputs i.
        num_pieces: Integer, the affine maps j of each output. The discriminator of the
            first GAN on MNIST had 5.
        kernel_initializer: Initializer of W, kept in the shape
            (features, units * num_pieces), the pieces of an output side by side.
        bias_initializer: Initializer of b, shape (units * num_pieces,).

    Call with features (batch, ..., features); returns (batch, ..., units).

    Raises:
        ValueError: If `units` or `num_pieces` is not positive.

    Reference:
        Goodfellow et al., Maxout Networks, 2013, section 3.
        https://arxiv.org/abs/1302.4389
    """

    def __init__(
        self,
        units,
        num_pieces=5,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        for name, value in (("units", units), ("num_pieces", num_pieces)):
            if value < 1:
                raise ValueError(f"`{name}` must be positive. Received: {value}")
        self.units = units
        self.num_pieces = num_pieces
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, input_shape):
        """Makes the weights of all pieces."""
        width = self.units * self.num_pieces
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width),
            initializer=self.kernel_initializer,
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(width,), initializer=self.bias_initializer, name="bias"
        )

    def call(self, inputs):
        """Returns the largest piece of each unit."""
        pieces = ops.matmul(inputs, self.kernel) + self.bias
        shape = (*ops.shape(inputs)[:-1], self.units, self.num_pieces)
        return ops.max(ops.reshape(pieces, shape), axis=-1)

    def compute_output_shape(self, input_shape):
        """Returns (batch, ..., units)."""
        return (*input_shape[:-1], self.units)

    def get_config(self):
        """Returns the arguments of `__init__`."""
        return super().get_config() | {
            "units": self.units,
            "num_pieces": self.num_pieces,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
        }
