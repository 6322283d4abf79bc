"""Semantic hashing: an autoencoder whose code is a few bits, begun as a DBN.

Images or documents that are alike shall have codes that differ in few bits, so that
those like a given one are found by comparing machine words. The autoencoder has the
layers of a deep belief network on the way up, and the same, transposed, on the way
down. While it is trained noise is added to the inputs of the code units; what passes
through much noise is 0 or 1, so that little is lost when the codes are rounded. No
labels are used.

The code units differ from the paper's in one thing: the noise is drawn anew each time,
where the paper fixes that of an example for all epochs.

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
    check_range,
)
from gen_keras.models.boltzmann_machines import units
from gen_keras.models.boltzmann_machines.base import WatchedWeights
from gen_keras.models.boltzmann_machines.dbn import DBN, stack_rbms


@keras.saving.register_keras_serializable(package="gen_keras")
class SemanticHashing(WatchedWeights, GenerativeModel):
    """Autoencoder of images, or of documents, with binary codes.

    Args:
        visible_shape: Tuple, the shape of one example; (num_words,) of a document.
        hidden_dims: Tuple of integers, the hidden units of the layers; the last are the
            bits of a code.
        code_noise: Float, the standard deviation of the noise (4 in the paper).
        visible_units: String, what an example is made of: "bernoulli", values in
            [0, 1], or "replicated_softmax", the counts of the words of a document.
        seed: Integer or `None`, seed of the noise.

    Raises:
        ValueError: If `code_noise` is negative, or `visible_units` are others.

    Example:
    >>> model = SemanticHashing.from_dbn(dbn)  # Its RBMs are trained.
    >>> model.compile()
    >>> model.fit(images)  # (num_images, 28, 28, 1) in [0, 1]
    >>> index = HammingIndex(model.encode(images))
    >>> neighbors, distances = index.search(model.encode(images[:1]), 10)
    """

    metric_names = ("loss",)
    usage = "codes = model.encode(examples)  # (num_examples, num_bits), 0 or 1"
    # Those whose distribution follows from what the decoder gives, without a variance.
    kinds = {
        "bernoulli": units.Bernoulli,
        "replicated_softmax": units.ReplicatedSoftmax,
    }

    def __init__(
        self,
        visible_shape=(28, 28, 1),
        hidden_dims=(500, 250, 32),
        code_noise=4.0,
        visible_units="bernoulli",
        seed=None,
    ):
        super().__init__(seed)
        self.visible_shape = tuple(visible_shape)
        self.hidden_dims = tuple(hidden_dims)
        self.code_noise = code_noise
        self.visible_units = visible_units
        check_at_least(self, 0, "code_noise")
        if visible_units not in self.kinds:
            raise ValueError(
                f"`visible_units` must be one of {', '.join(self.kinds)}. "
                f"Received: {visible_units}"
            )
        self.visible_layer = units.make(
            visible_units, self.visible_shape, "visible_units"
        )
        self.value_range = (self.visible_layer.low, self.visible_layer.high)
        bottom = {"visible_units": visible_units}
        rbms = stack_rbms(self.visible_shape, self.hidden_dims, seed, bottom)
        dbn = DBN(self.visible_shape, self.hidden_dims, rbms=rbms, seed=seed)
        self.autoencoder = dbn.to_autoencoder(code_noise)
        self.built = True

    @classmethod
    def from_dbn(cls, dbn, code_noise=4.0):
        """Returns a model that begins with the weights of a trained `DBN`.

        Raises:
            ValueError: If `dbn` has units that are not of `visible_units`, or a top
                that makes no bits.
        """
        model = cls(
            dbn.visible_shape,
            dbn.hidden_dims,
            code_noise,
            cls._kind_of(dbn),
            dbn.seed,
        )
        model.initialize(dbn)
        return model

    def initialize(self, dbn):
        """Takes the weights of a trained `DBN` of the same layers.

        Raises:
            ValueError: If `dbn` has others.
        """
        wanted = self.visible_shape, self.hidden_dims, self.visible_units
        given = dbn.visible_shape, dbn.hidden_dims, self._kind_of(dbn)
        if given != wanted:
            raise ValueError(
                "`dbn` must have the visible shape, hidden units and kind of visible "
                f"units {wanted}. Received: {given}"
            )
        network = dbn.to_autoencoder(self.code_noise)
        self.autoencoder.set_weights(network.get_weights())

    @classmethod
    def _kind_of(cls, dbn):
        """Returns the `visible_units` of a `DBN`, or raises a `ValueError`."""
        bottom, top = dbn.rbms[0].visible_layer, dbn.top.hidden_layer
        for name, kind in cls.kinds.items():
            if isinstance(bottom, kind) and isinstance(top, units.Bernoulli):
                return name
        raise ValueError(
            f"`dbn` must have visible units {' or '.join(cls.kinds)}, and bernoulli "
            f"hidden units at the top. Received: {dbn.rbms[0].visible_units} and "
            f"{dbn.top.hidden_units}"
        )

    @property
    def encoder(self):
        """Plain model from examples to p(bit = 1), (batch, num_bits)."""
        return self.autoencoder.get_layer("encoder")

    @property
    def decoder(self):
        """Plain model from codes (batch, num_bits) to the logits of examples."""
        return self.autoencoder.get_layer("decoder")

    def compile(self, optimizer=None, **options):
        """Sets the optimizer; by default Adam(1e-3).

        Args:
            optimizer: `keras.optimizers.Optimizer`. The paper used conjugate gradients.
            **options: See `keras.Model.compile`.
        """
        super().compile(optimizer or keras.optimizers.Adam(1e-3), **options)

    def call(self, visible):
        """Returns p(bit = 1), (batch, num_bits)."""
        return self.encoder(visible)

    def encode(self, visible, batch_size=1000):
        """Returns the codes of examples, a uint8 array (num_examples, num_bits).

        Args:
            visible: Array of shape (num_examples, *visible_shape), in [0, 1] or counts.
            batch_size: Integer, the examples that are encoded at once.
        """
        self.check_data(visible)
        check_range("batch_size", batch_size, 1)
        codes = [np.zeros((0, self.hidden_dims[-1]))]  # There may be no examples.
        with backend.no_gradients():
            for i in range(0, len(visible), batch_size):
                means = self.encoder(visible[i : i + batch_size])
                codes.append(ops.convert_to_numpy(means))
        return (np.concatenate(codes) > 0.5).astype("uint8")

    def decode(self, codes):
        """Returns the means (batch, *visible_shape) of codes (batch, num_bits).

        They are in [0, 1]: pixels, or of documents the probability of each word.

        Args:
            codes: Array of 0 and 1, or of probabilities between.
        """
        codes = ops.convert_to_tensor(codes, self.compute_dtype)
        with backend.no_gradients():
            logits = self.decoder(codes)
            means = self.visible_layer.mean(self._flatten(logits), total=1)
            return ops.reshape(means, ops.shape(logits))

    def reconstruct(self, visible):
        """Returns what is decoded from the codes of examples, see `decode`."""
        return self.decode(self.encode(visible))

    def check_data(self, visible):
        """Raises a `ValueError` on an array of another shape, or of no such values."""
        super().check_data(visible)
        self.visible_layer.check(visible)

    def train_step(self, data):
        """Takes one step of back-propagation through noisy codes."""
        visible, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        logs = self.minimize(
            lambda: self.compute_loss(visible, self.encoder(visible, training=True)),
            self.optimizer,
            self.trainable_variables,
        )
        return self.update_metrics(logs)

    def test_step(self, data):
        """Returns the loss of held-out examples from codes that are rounded."""
        visible, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        codes = ops.cast(self.encoder(visible) > 0.5, self.compute_dtype)
        _, logs = self.compute_loss(visible, codes)
        return self.update_metrics(logs, num_examples=ops.shape(visible)[0])

    def compute_loss(self, visible, codes):
        """Returns the cross-entropy, in nats an example, and the logs.

        It is -log p(v | code) of pixels, and of the sequence of words of a document.

        Args:
            visible: Tensor of shape (batch, *visible_shape), in [0, 1] or counts.
            codes: Tensor of shape (batch, num_bits).
        """
        # In full precision, whatever that of the layers is.
        visible, logits = (
            ops.cast(self._flatten(each), self.variable_dtype)
            for each in (visible, self.decoder(codes))
        )
        loss = -ops.mean(self.visible_layer.log_prob(visible, logits))
        return loss, {"loss": loss}

    def _flatten(self, examples):
        return ops.reshape(examples, (ops.shape(examples)[0], -1))
