"""A discriminator that sees how alike the images of a batch are."""

import keras
from keras import initializers, layers, ops


@keras.saving.register_keras_serializable(package="gen_keras")
class MinibatchDiscrimination(layers.Layer):
    """Appends to each image's features its closeness to the others of the batch.

    A generator that makes one image only is given away by a batch, never by an image.
    With M = f(x) T, a matrix (num_kernels, kernel_dim) for each image i,

        o(x_i)_b = sum over j of exp(-|M_ib - M_jb|), in the L1 norm.

    The sum leaves out j = i, as the released code does. The paper's does not; that adds
    the constant 1. The released code's scaling by a first batch is left out.

    Real and generated images must come in batches of their own, else the closeness
    would say nothing about either.

    Args:
        num_kernels: Integer, the number of sums b, which is that of the features
            appended.
        kernel_dim: Integer, the length of the vectors that are compared.
        kernel_initializer: Initializer of T, kept in the shape
            (features, num_kernels * kernel_dim). By default the columns have about the
            length 1, which they have exactly in the released code.

    Call with features (batch, features); returns (batch, features + num_kernels).

    Raises:
        ValueError: If `num_kernels` or `kernel_dim` is not positive.

    Reference:
        Salimans et al., Improved Techniques for Training GANs, 2016, section 3.2.
        https://arxiv.org/abs/1606.03498
    """

    def __init__(
        self, num_kernels, kernel_dim, kernel_initializer="lecun_normal", **kwargs
    ):
        super().__init__(**kwargs)
        for name, value in (("num_kernels", num_kernels), ("kernel_dim", kernel_dim)):
            if value < 1:
                raise ValueError(f"`{name}` must be positive. Received: {value}")
        self.num_kernels = num_kernels
        self.kernel_dim = kernel_dim
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.input_spec = layers.InputSpec(ndim=2)

    def build(self, input_shape):
        """Makes the tensor T."""
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.num_kernels * self.kernel_dim),
            initializer=self.kernel_initializer,
            name="kernel",
        )

    def call(self, features):
        """Returns the features with the sums appended."""
        matrices = ops.reshape(
            ops.matmul(features, self.kernel), (-1, self.num_kernels, self.kernel_dim)
        )
        matrices = ops.cast(matrices, "float32")  # 16 bits are too few to tell alike.
        distances = ops.sum(ops.abs(matrices[:, None] - matrices), axis=-1)
        # An image has the distance 0 to itself, which the sum leaves out.
        closeness = ops.sum(ops.exp(-distances), axis=1) - 1
        return ops.concatenate([features, ops.cast(closeness, features.dtype)], axis=-1)

    def compute_output_shape(self, input_shape):
        """Returns (batch, features + num_kernels)."""
        batch_size, num_features = input_shape
        return (batch_size, num_features + self.num_kernels)

    def get_config(self):
        """Returns the arguments of `__init__`."""
        return super().get_config() | {
            "num_kernels": self.num_kernels,
            "kernel_dim": self.kernel_dim,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
        }
