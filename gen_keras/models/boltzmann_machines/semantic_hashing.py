"""Semantic hashing: an autoencoder whose code is a few bits, begun as a DBN.

Images that are alike shall have codes that differ in few bits, so that the images like
a given one are found by comparing machine words. The autoencoder has the layers of a
deep belief network on the way up, and the same, transposed, on the way down. While it
is trained noise is added to the inputs of the code units; what passes through much
noise is 0 or 1, so that little is lost when the codes are rounded. No labels are used.

The code units differ from the paper's in one thing: the noise is drawn anew each time,
where the paper fixes that of an image for all epochs.

References:
    Krizhevsky and Hinton, Using Very Deep Autoencoders for Content-Based Image
    Retrieval, 2011.
    Salakhutdinov and Hinton, Semantic Hashing, 2007.
    https://www.cs.toronto.edu/~rsalakhu/papers/semantic_final.pdf
"""

import keras
import numpy as np
from keras import ops

from gen_keras import backend
from gen_keras.models.base import (
    GenerativeModel,
    check_at_least,
    check_examples,
    check_range,
)
from gen_keras.models.boltzmann_machines.dbn import DBN


@keras.saving.register_keras_serializable(package="gen_keras")
class SemanticHashing(GenerativeModel):
    """Autoencoder of images with binary codes.

    Args:
        visible_shape: Tuple, the shape of one image.
        hidden_dims: Tuple of integers, the hidden units of the layers; the last are the
            bits of a code.
        code_noise: Float, the standard deviation of the noise (4 in the paper).
        seed: Integer or `None`, seed of the noise.

    Raises:
        ValueError: If `code_noise` is negative.

    Example:
    >>> model = SemanticHashing.from_dbn(dbn)  # Its RBMs are trained.
    >>> model.compile()
    >>> model.fit(images)  # (num_images, 28, 28, 1) in [0, 1]
    >>> index = HammingIndex(model.encode(images))
    >>> neighbors, distances = index.search(model.encode(images[:1]), 10)
    """

    metric_names = ("loss",)
    usage = "codes = model.encode(images)  # (num_images, num_bits), 0 or 1"

    def __init__(
        self,
        visible_shape=(28, 28, 1),
        hidden_dims=(500, 250, 32),
        code_noise=4.0,
        seed=None,
    ):
        super().__init__(seed)
        self.visible_shape = tuple(visible_shape)
        self.hidden_dims = tuple(hidden_dims)
        self.code_noise = code_noise
        check_at_least(self, 0, "code_noise")
        dbn = DBN(self.visible_shape, self.hidden_dims, seed=seed)
        self.autoencoder = dbn.to_autoencoder(code_noise)
        self.built = True

    @classmethod
    def from_dbn(cls, dbn, code_noise=4.0):
        """Returns a model that begins with the weights of a trained `DBN`."""
        model = cls(dbn.visible_shape, dbn.hidden_dims, code_noise, dbn.seed)
        model.initialize(dbn)
        return model

    def initialize(self, dbn):
        """Takes the weights of a trained `DBN` of the same layers."""
        network = dbn.to_autoencoder(self.code_noise)
        self.autoencoder.set_weights(network.get_weights())

    @property
    def encoder(self):
        """Plain model from images to p(bit = 1), (batch, num_bits)."""
        return self.autoencoder.get_layer("encoder")

    @property
    def decoder(self):
        """Plain model from codes (batch, num_bits) to the logits of images."""
        return self.autoencoder.get_layer("decoder")

    def compile(self, optimizer=None, **options):
        """Sets the optimizer; by default Adam(1e-3).

        Args:
            optimizer: `keras.optimizers.Optimizer`. The paper used conjugate gradients.
            **options: See `keras.Model.compile`.
        """
        super().compile(optimizer or keras.optimizers.Adam(1e-3), **options)

    def call(self, images):
        """Returns p(bit = 1), (batch, num_bits)."""
        return self.encoder(images)

    def encode(self, images, batch_size=1000):
        """Returns the codes of images, a uint8 array (num_images, num_bits).

        Args:
            images: Array of shape (num_images, *visible_shape) in [0, 1].
            batch_size: Integer, the images that are encoded at once.
        """
        check_examples(images, self.visible_shape, self.value_range)
        check_range("batch_size", batch_size, 1)
        starts = range(0, len(images), batch_size)
        with backend.no_gradients():
            means = [
                ops.convert_to_numpy(self.encoder(images[i : i + batch_size]))
                for i in starts
            ]
        return (np.concatenate(means) > 0.5).astype("uint8")

    def decode(self, codes):
        """Returns images (batch, *visible_shape) in [0, 1] of codes (batch, num_bits).

        Args:
            codes: Array of 0 and 1, or of probabilities between.
        """
        codes = ops.convert_to_tensor(codes, self.compute_dtype)
        with backend.no_gradients():
            return ops.sigmoid(self.decoder(codes))

    def reconstruct(self, images):
        """Returns images (batch, *visible_shape) that are decoded from their codes."""
        return self.decode(self.encode(images))

    def fit(self, x=None, *args, **kwargs):
        """Trains, see `keras.Model.fit`.

        Raises:
            ValueError: If `x` is a NumPy array of another shape than `visible_shape`,
                or of values outside of [0, 1].
        """
        if isinstance(x, np.ndarray):
            check_examples(x, self.visible_shape, self.value_range)
        return super().fit(x, *args, **kwargs)

    def train_step(self, data):
        """Takes one step of back-propagation through noisy codes."""
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        logs = self.minimize(
            lambda: self.compute_loss(images, self.encoder(images, training=True)),
            self.optimizer,
            self.trainable_variables,
        )
        return self.update_metrics(logs)

    def test_step(self, data):
        """Returns the loss of held-out images from codes that are rounded."""
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        codes = ops.cast(self.encoder(images) > 0.5, self.compute_dtype)
        _, logs = self.compute_loss(images, codes)
        return self.update_metrics(logs, num_examples=ops.shape(images)[0])

    def compute_loss(self, images, codes):
        """Returns the cross-entropy of images, in nats an image, and the logs.

        Args:
            images: Tensor of shape (batch, *visible_shape) in [0, 1].
            codes: Tensor of shape (batch, num_bits).
        """
        logits = ops.reshape(self.decoder(codes), (ops.shape(images)[0], -1))
        images = ops.reshape(images, ops.shape(logits))
        loss = ops.mean(ops.sum(ops.softplus(logits) - images * logits, axis=-1))
        return loss, {"loss": loss}
