"""Weights divided by their largest singular value, which bounds a network's slope."""

import contextlib
import contextvars

import keras
from keras import layers, ops

_TRANSPOSED = (
    layers.Conv1DTranspose,
    layers.Conv2DTranspose,
    layers.Conv3DTranspose,
)
_WRAPPED = (
    layers.Dense,
    layers.Embedding,
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    *_TRANSPOSED,
)

# A variable of the context, since replicas of a model are traced in threads.
_estimates_are_kept = contextvars.ContextVar("estimates_are_kept", default=False)


@contextlib.contextmanager
def keep_estimates():
    """Returns a context in which training calls leave all singular vectors as they are.

    Within it every `SpectralNormalization` divides as the last call outside of it did.
    A discriminator moves its vectors once a step, in the first of its passes, and not
    in the generator's step:

    Example:
    >>> real_logits = discriminator(real, training=True)
    >>> with keep_estimates():
    ...     fake_logits = discriminator(fake, training=True)
    """
    token = _estimates_are_kept.set(True)
    try:
        yield
    finally:
        _estimates_are_kept.reset(token)


@keras.saving.register_keras_serializable(package="gen_keras")
class SpectralNormalization(layers.Wrapper):
    """Runs a layer with the kernel W / sigma(W), of spectral norm 1, and its own bias.

    The singular value sigma(W) = u'Wv is estimated by power iteration, one a training
    call. The kernel is seen as a matrix (outputs, all else). It is what the optimizer
    trains: no call changes it, and the gradient goes through both W and sigma, with u
    and v fixed (section 2.3).

    Differs from algorithm 1 in half an iteration: v is always computed from the stored
    u, so that all calls until u moves again divide by the same sigma, inference too.

    Args:
        layer: `Dense`, `Embedding`, `Conv1D`, `Conv2D`, `Conv3D` or one of the
            transposed convolutions. It may have a bias and an activation.

    Attributes:
        u: Weight (outputs,), not trainable, saved with the model: the estimate of the
            first left singular vector, up to its length.

    Call as the layer. Where `training=True`, `u` moves; see `keep_estimates`.

    Raises:
        ValueError: If `layer` is of another class.

    Reference:
        Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018,
        algorithm 1. https://arxiv.org/abs/1802.05957
    """

    def __init__(self, layer, **kwargs):
        if not isinstance(layer, _WRAPPED):
            names = ", ".join(cls.__name__ for cls in _WRAPPED)
            raise ValueError(f"`layer` must be one of {names}. Received: {layer}")
        # The singular value needs 32 bits where the layer computes in 16.
        kwargs["dtype"] = keras.backend.result_type(layer.variable_dtype, "float32")
        super().__init__(layer, **kwargs)

    def build(self, input_shape=None):
        """Builds the layer and draws the first singular vector."""
        super().build(input_shape)
        self.u = self.add_weight(
            shape=(self._find_matrix().shape[0],),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            trainable=False,
            name="u",
            aggregation="only_first_replica",
        )

    def call(self, inputs, training=False):
        """Returns the outputs of the normalized layer."""
        sigma = self.compute_sigma(update=training and not _estimates_are_kept.get())
        if isinstance(self.layer, layers.Embedding):
            return ops.divide(self.layer(inputs), sigma)  # Integers in, no bias.
        # A layer with the kernel W / sigma: (W / sigma) x = W (x / sigma).
        return self.layer(inputs / sigma)

    def compute_sigma(self, update=False):
        """Returns the estimate of the kernel's largest singular value, a scalar.

        Args:
            update: Boolean, whether a power iteration moves `u` first.
        """
        matrix = self._find_matrix()
        fixed = ops.stop_gradient(matrix)
        u = _normalize(self.u)
        v = _normalize(ops.matmul(u, fixed))
        if update:
            u = _normalize(ops.matmul(fixed, v))
            v = _normalize(ops.matmul(u, fixed))
            self.u.assign(u)
        return ops.sum(matrix * ops.outer(u, v))  # u'Wv

    def _find_matrix(self):
        """Returns the kernel as a matrix (outputs, all else)."""
        is_embedding = isinstance(self.layer, layers.Embedding)
        kernel = self.layer.embeddings if is_embedding else self.layer.kernel
        outputs_axis = -2 if isinstance(self.layer, _TRANSPOSED) else -1
        matrix = ops.moveaxis(ops.cast(kernel, self.compute_dtype), outputs_axis, 0)
        return ops.reshape(matrix, (matrix.shape[0], -1))


def _normalize(vector):
    return vector / (ops.norm(vector) + 1e-12)
