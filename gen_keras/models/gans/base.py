"""What GANs share: two sides with an optimizer each, and translation both ways."""

import keras
from keras import ops

from gen_keras import backend
from gen_keras.models.base import Translator


class TwoSides:
    """Generators against discriminators; a mixin, before the base.

    Attributes:
        generator_names: Tuple of strings, the attributes of the generators.
        discriminator_names: Tuple of strings, those of the discriminators.
    """

    generator_names = ("generator",)
    discriminator_names = ("discriminator",)

    def compile(
        self, generator_optimizer=None, discriminator_optimizer=None, **options
    ):
        """Sets one optimizer for each side; by default the paper's Adam(2e-4, 0.5).

        Args:
            generator_optimizer: `keras.optimizers.Optimizer` of all generators.
            discriminator_optimizer: `keras.optimizers.Optimizer` of all
                discriminators.
            **options: See `keras.Model.compile`.
        """
        adam = keras.optimizers.Adam
        self.generator_optimizer = generator_optimizer or adam(2e-4, beta_1=0.5)
        self.discriminator_optimizer = discriminator_optimizer or adam(2e-4, beta_1=0.5)
        optimizers = {
            getattr(self, name): optimizer
            for names, optimizer in (
                (self.generator_names, self.generator_optimizer),
                (self.discriminator_names, self.discriminator_optimizer),
            )
            for name in names
        }
        super().compile(backend.Optimizers(optimizers), **options)

    @property
    def generator_variables(self):
        """The trainable variables of all generators."""
        return self._variables_of(self.generator_names)

    @property
    def discriminator_variables(self):
        """The trainable variables of all discriminators."""
        return self._variables_of(self.discriminator_names)

    def _variables_of(self, names):
        return [v for name in names for v in getattr(self, name).trainable_variables]


class TwoWayTranslator(TwoSides, Translator):
    """Two generators, from a to b and from b to a; a mixin, before the base.

    The model implements `compute_generator_loss(images_a, images_b, training)`, whose
    logs hold the generated images as `fakes_a` and `fakes_b`, and
    `compute_discriminator_loss(images_a, images_b, fakes_a, fakes_b, training)`.

    Attributes:
        image_shape: Tuple (height, width, channels).
        num_halvings: Integer, how often a generator halves an image.
    """

    generator_names = ("generator_ab", "generator_ba")
    discriminator_names = ("discriminator_a", "discriminator_b")

    @property
    def input_channels(self):
        """Integer, the channels of images of either domain."""
        return self.image_shape[-1]

    def call(self, images, training=False):
        """Maps images (batch, *image_shape) of a to b, in `value_range`."""
        return self.generator_ab(images, training=training)

    def translate(self, images, direction="a_to_b"):
        """Returns images (batch, height, width, channels) of the other domain.

        Args:
            images: Array of shape (batch, height, width, channels) in `value_range`,
                of any height and width: padded by reflection, the output cropped back.
            direction: String, "a_to_b" or "b_to_a".

        Raises:
            ValueError: If `direction` or the shape of `images` is another.
        """
        multiple = 2**self.num_halvings
        network = self._find_generator(direction)
        return self.translate_by(network, images, multiple, 2 * multiple)

    def reconstruct(self, images, direction="a_to_b"):
        """Returns what comes back after the full circle.

        Args:
            images: See `translate`.
            direction: String, the first half: "a_to_b" goes from a to b and back.
        """
        back = {"a_to_b": "b_to_a", "b_to_a": "a_to_b"}
        return self.translate(self.translate(images, direction), back[direction])

    def save_generator(self, path, direction="a_to_b"):
        """Writes one generator as a plain Keras model; see `Translator`.

        Args:
            path: File name ending in ".keras".
            direction: String, "a_to_b" or "b_to_a".
        """
        self._find_generator(direction).save(path)

    def test_step(self, data):
        """Returns the losses on held-out images of both domains."""
        images_a, images_b, _ = keras.utils.unpack_x_y_sample_weight(data)
        _, logs = self.compute_generator_loss(images_a, images_b, training=False)
        fakes = logs.pop("fakes_a"), logs.pop("fakes_b")
        _, discriminator_logs = self.compute_discriminator_loss(
            images_a, images_b, *fakes, training=False
        )
        return self.update_metrics(logs | discriminator_logs, ops.shape(images_a)[0])

    def _find_generator(self, direction):
        generators = {"a_to_b": self.generator_ab, "b_to_a": self.generator_ba}
        if direction not in generators:
            raise ValueError(
                f"`direction` must be 'a_to_b' or 'b_to_a'. Received: {direction!r}"
            )
        return generators[direction]
