"""What GANs share: two sides with an optimizer each, and translation both ways."""

import keras
from keras import ops

from gen_keras import backend
from gen_keras.models.base import Translator, WithClasses, check_at_least
from gen_keras.models.gans import losses


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
        """Sets one optimizer for each side; see `default_optimizer`.

        Args:
            generator_optimizer: `keras.optimizers.Optimizer` of all generators.
            discriminator_optimizer: `keras.optimizers.Optimizer` of all
                discriminators.
            **options: See `keras.Model.compile`.
        """
        self.generator_optimizer = generator_optimizer or self.default_optimizer(
            "generator"
        )
        self.discriminator_optimizer = (
            discriminator_optimizer or self.default_optimizer("discriminator")
        )
        optimizers = {
            getattr(self, name): optimizer
            for names, optimizer in (
                (self.generator_names, self.generator_optimizer),
                (self.discriminator_names, self.discriminator_optimizer),
            )
            for name in names
        }
        super().compile(backend.Optimizers(optimizers), **options)

    def default_optimizer(self, side):
        """Returns what trains a side, "generator" or "discriminator".

        It is DCGAN's Adam (section 4), also for GAN and ConditionalGAN: their papers
        have stochastic gradient descent with momentum, from before Adam.
        """
        return keras.optimizers.Adam(2e-4, beta_1=0.5)

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


class Critic:
    """A discriminator that estimates the Wasserstein distance; a mixin, before `GAN`.

    Its scores are no logits: they have no bounds and no sigmoid. Its loss, without a
    penalty, is minus the estimate, which is logged as `distance`.
    """

    metric_names = (
        "discriminator_loss",
        "generator_loss",
        "real_score",
        "fake_score",
        "distance",
    )
    loss_pair = losses.WASSERSTEIN

    def score(self, logits):
        """Returns the scores themselves."""
        return logits

    def compute_discriminator_loss(self, data, training):
        """Returns E[C(G(z))] - E[C(x)], and a penalty if there is one."""
        loss, logs = super().compute_discriminator_loss(data, training)
        return loss, logs | {"distance": logs["real_score"] - logs["fake_score"]}


class ClassConditional(WithClasses):
    """A generator that is told the class of what to draw; a mixin, before `GAN`.

    It takes latents (batch, latent_dim + num_classes): noise, then the class as one
    number of ones and zeros a class.
    """

    def check_arguments(self):
        """Raises a `ValueError` if an argument is out of range."""
        super().check_arguments()
        check_at_least(self, 2, "num_classes")

    @property
    def num_latents(self):
        """Integer, the inputs of the generator."""
        return self.latent_dim + self.num_classes

    def sample(self, num_samples, seed=None, truncation=1.0, classes=None):
        """Returns generated images (num_samples, *image_shape) in `value_range`.

        Args:
            num_samples: Integer.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            truncation: See `GAN.sample`.
            classes: Integer, one class for all; array of integers (num_samples,); or
                "random".

        Raises:
            ValueError: If `classes` is missing, of another length, or out of range.
        """
        latents = self.sample_latents(num_samples, seed, truncation, classes)
        return self.decode(latents)

    def sample_latents(self, num_samples, seed=None, truncation=1.0, classes=None):
        """Returns latents (num_samples, latent_dim + num_classes), see `sample`."""
        with self.seeded(seed):
            noise = super().sample_latents(num_samples, None, truncation)
            classes = self.choose_classes(num_samples, classes)
        return self.with_classes(noise, ops.one_hot(classes, self.num_classes))

    def with_classes(self, noise, one_hot):
        """Returns latents (batch, latent_dim + num_classes)."""
        return ops.concatenate([noise, ops.cast(one_hot, noise.dtype)], axis=-1)

    def fake_examples(self, data, training):
        """Returns images of the classes of the batch, and these classes."""
        _, one_hot = data
        noise = self.draw_noise(self.batch_size(data))
        return self(self.with_classes(noise, one_hot), training=training), one_hot


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
