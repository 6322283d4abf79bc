"""What GANs share: two sides with an optimizer each, and translation both ways."""

import keras
import numpy as np
from keras import ops

from gen_keras import backend
from gen_keras.models.base import Translator, check_at_least
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


class ClassConditional:
    """A generator that is told the class of what to draw; a mixin, before `GAN`.

    It takes latents (batch, latent_dim + num_classes): noise, then the class as one
    number of ones and zeros a class. The model trains on images and integer classes.

    Attributes:
        num_classes: Integer.
    """

    def check_arguments(self):
        """Raises a `ValueError` if an argument is out of range."""
        super().check_arguments()
        check_at_least(self, 2, "num_classes")

    @property
    def num_latents(self):
        """Integer, the inputs of the generator."""
        return self.latent_dim + self.num_classes

    def classes_in_turn(self, num_samples):
        """Returns integers (num_samples,): 0, 1, ..., num_classes - 1, 0, 1, ..."""
        return np.arange(num_samples) % self.num_classes

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
            if isinstance(classes, str) and classes == "random":
                draws = backend.uniform((num_samples,), seed=self.seed_generator)
                classes = ops.cast(draws * self.num_classes, "int32")
            else:
                classes = check_labels(
                    "classes", classes, num_samples, self.num_classes, ", or 'random'"
                )
        return self.with_classes(noise, ops.one_hot(classes, self.num_classes))

    def with_classes(self, noise, one_hot):
        """Returns latents (batch, latent_dim + num_classes)."""
        return ops.concatenate([noise, ops.cast(one_hot, noise.dtype)], axis=-1)

    def fit(self, x=None, y=None, *args, **kwargs):
        """Trains, see `keras.Model.fit`.

        Raises:
            ValueError: If classes are given as an array, and one is out of range.
        """
        self._check_classes(x, y)
        return super().fit(x, y, *args, **kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """Returns the losses, see `fit` and `keras.Model.evaluate`."""
        self._check_classes(x, y)
        return super().evaluate(x, y, *args, **kwargs)

    def _check_classes(self, images, classes):
        if classes is not None:
            check_labels("y", np.reshape(classes, -1), len(images), self.num_classes)

    def unpack(self, data):
        """Returns images and one-hot classes, from what `fit` hands over.

        A class out of range is NaN, and so are the losses.
        """
        images, classes, _ = keras.utils.unpack_x_y_sample_weight(data)
        if classes is None:
            raise ValueError(
                f"{type(self).__name__} trains on images with classes: "
                "fit(images, classes). Received: images only"
            )
        if len(classes.shape) > 1 and classes.shape[-1] != 1:
            raise ValueError(
                "`classes` must be integers, one an image. "
                f"Received: the shape {tuple(classes.shape)}"
            )
        classes = ops.reshape(ops.cast(classes, "int32"), (-1, 1))
        is_known = ops.logical_and(classes >= 0, classes < self.num_classes)
        known = ops.clip(classes[:, 0], 0, self.num_classes - 1)
        one_hot = ops.one_hot(known, self.num_classes)
        images = ops.convert_to_tensor(images)
        return images, ops.where(is_known, one_hot, np.nan)

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


def check_labels(name, labels, num_samples, num_labels, alternative=""):
    """Returns labels (num_samples,), integers from 0 to `num_labels` - 1.

    Args:
        name: String, the argument to name in an error.
        labels: Integer, one for all, or array of integers (num_samples,).
        num_samples: Integer.
        num_labels: Integer.
        alternative: String, what else the argument may be.

    Raises:
        ValueError: If `labels` are anything else.
    """
    given = np.asarray(
        ops.convert_to_numpy(labels) if ops.is_tensor(labels) else labels
    )
    if given.dtype.kind in "iu" and given.shape in ((), (num_samples,)):
        if np.all((0 <= given) & (given < num_labels)):
            return np.broadcast_to(given, (num_samples,)).astype("int32")
    received = labels
    if given.size > 10 and given.dtype != object:
        # Sorted, so that what is left out is in between.
        values = np.array2string(np.unique(given), threshold=10)
        received = f"{values} in an array of {given.shape}"
    raise ValueError(
        f"`{name}` must be an integer from 0 to {num_labels - 1}, or an array of "
        f"{num_samples}{alternative}. Received: {received}"
    )
