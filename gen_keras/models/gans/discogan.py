"""Discovery of relations between two unpaired domains (DiscoGAN).

The same circle as CycleGAN's, found in the same weeks: two generators, two
discriminators, and an image that went there and back must be what it was. What differs:
the generators are encoders and decoders with no way past the bottleneck, so that shapes
may change; a discriminator judges the whole image, by cross-entropy, and the generators
also match the means of its features; the error of the circle is squared and counts
little at first; the discriminators rest for two of three iterations.

Reference:
    Kim et al., Learning to Discover Cross-Domain Relations with Generative Adversarial
    Networks, 2017. https://arxiv.org/abs/1703.05192
    Constants and feature matching: the authors' release, github.com/SKTBrain/DiscoGAN.
"""

import contextlib
import math

import keras
from keras import layers, ops

from gen_keras.models.base import GenerativeModel, check_at_least
from gen_keras.models.gans.base import TwoWayTranslator

# Networks ---------------------------------------------------------------------------


def build_autoencoder(channels=3, base_filters=64, num_halvings=4, name="generator"):
    """Returns a model of images in [0, 1] to images in [0, 1] of the same size.

    Both sides must be multiples of 2**num_halvings. Section 3.1 of the paper: four (or
    five) convolutions, as many transposed; filters of the release: 64, 128, 256, 512.
    A fifth has 1,024 here; the release's goes to 1 x 1 with 100, at one size alone.
    """
    inputs = x = keras.Input((None, None, channels))
    filters = [base_filters * 2**stage for stage in range(num_halvings)]
    for stage in range(num_halvings):
        x = _halve(x, filters[stage], is_normalized=stage > 0)
    for stage in reversed(range(num_halvings - 1)):
        x = _double(x, filters[stage])
        x = layers.ReLU()(_normalize(x))
    x = _double(x, channels)
    outputs = layers.Activation("sigmoid", dtype="float32")(x)
    return keras.Model(inputs, outputs, name=name)


def build_discriminator(image_shape=(64, 64, 3), base_filters=64, name="discriminator"):
    """Returns a model of images in [0, 1] to a list of logits and features.

    The logits have the shape (batch, 1); three features (batch, rows, columns,
    channels) follow, those after the second, third and fourth convolution.
    """
    height, width, _ = image_shape
    inputs = x = keras.Input(image_shape)
    features = []
    for stage in range(4):
        x = _halve(x, base_filters * 2**stage, is_normalized=stage > 0)
        features.append(x)
    kernel_size = height // 16, width // 16
    x = layers.Conv2D(
        1, kernel_size, use_bias=False, kernel_initializer=_uniform(x, kernel_size)
    )(x)
    logits = layers.Flatten(dtype="float32")(x)
    return keras.Model(inputs, [logits, *features[1:]], name=name)


def _halve(x, filters, is_normalized):
    x = layers.Conv2D(
        filters, 4, 2, "same", use_bias=False, kernel_initializer=_uniform(x)
    )(x)
    if is_normalized:
        x = _normalize(x)
    return layers.LeakyReLU(0.2)(x)


def _double(x, filters):
    return layers.Conv2DTranspose(
        filters, 4, 2, "same", use_bias=False, kernel_initializer=_uniform(x)
    )(x)


def _normalize(x):
    return layers.BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        gamma_initializer=keras.initializers.RandomUniform(0.0, 1.0),
    )(x)


def _uniform(x, kernel_size=(4, 4)):
    # The release leaves it, as the scales of the normalization, to the PyTorch of 2017:
    # within ±1/sqrt(inputs of a kernel), transposed or not.
    limit = 1 / math.sqrt(math.prod(kernel_size) * x.shape[-1])
    return keras.initializers.RandomUniform(-limit, limit)


# Model ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="gen_keras")
class DiscoGAN(TwoWayTranslator, GenerativeModel):
    """Two autoencoders and two discriminators with feature matching.

    `a` and `b` are the domains; `generator_ab` maps a to b and `generator_ba` maps b to
    a.

    Args:
        image_shape: Tuple (height, width, channels): sides are multiples of 16 and of
            2**num_halvings, 1 to 4 channels. `translate` takes images of any size.
        num_halvings: Integer, how often a generator halves the image (paper: 4 or 5).
        base_filters: Integer, the filters of the first layer of all networks.
        first_rate: Float in [0, 1], the share r of the reconstruction in the loss of
            the generators at first.
        rate: Float in [0, 1], that share from then on.
        curriculum_iterations: Integer, how many iterations `first_rate` holds. One
            training step has three.
        feature_weight: Float in [0, 1], the share of feature matching in what is left;
            the rest is adversarial.
        weight_decay: Float, weight of half the squared norm of all weights.
        generator_ab: Model of images to images; `None` builds the paper's.
        generator_ba: As `generator_ab`.
        discriminator_a: Model of images to [logits, features, ...]; `None` builds the
            paper's.
        discriminator_b: As `discriminator_a`.
        seed: Integer or `None`; there is no noise in this model.

    Raises:
        ValueError: If an argument is out of range.

    Example:
    >>> model = DiscoGAN(image_shape=(64, 64, 3))
    >>> model.compile()
    >>> images = datasets.UnpairedDataset(bags, shoes)  # (num_images, 64, 64, 3)
    >>> model.fit(images.batches(batch_size=192, seed=0))  # Three times 64.
    >>> model.translate(images.inputs[:4], "a_to_b").shape
    (4, 64, 64, 3)

    Reference:
        Kim et al., 2017, equations 3 to 8.
    """

    metric_names = (
        "adversarial_loss",
        "feature_loss",
        "reconstruction_loss",
        "discriminator_loss",
    )

    def __init__(
        self,
        image_shape=(64, 64, 3),
        num_halvings=4,
        base_filters=64,
        first_rate=0.01,
        rate=0.5,
        curriculum_iterations=10000,
        feature_weight=0.9,
        weight_decay=1e-5,
        generator_ab=None,
        generator_ba=None,
        discriminator_a=None,
        discriminator_b=None,
        seed=None,
    ):
        super().__init__(seed)
        self.image_shape = tuple(image_shape)
        self.num_halvings = num_halvings
        self.base_filters = base_filters
        self.first_rate = first_rate
        self.rate = rate
        self.curriculum_iterations = curriculum_iterations
        self.feature_weight = feature_weight
        self.weight_decay = weight_decay
        self._check_arguments()

        def build_generator(name):
            channels = self.image_shape[-1]
            return build_autoencoder(channels, base_filters, num_halvings, name)

        self.generator_ab = generator_ab or build_generator("generator_ab")
        self.generator_ba = generator_ba or build_generator("generator_ba")
        self.discriminator_a = discriminator_a or build_discriminator(
            self.image_shape, base_filters, "discriminator_a"
        )
        self.discriminator_b = discriminator_b or build_discriminator(
            self.image_shape, base_filters, "discriminator_b"
        )
        self.built = True

    def _check_arguments(self):
        *size, channels = self.image_shape
        multiple = max(16, 2**self.num_halvings)
        if any(side < 1 or side % multiple for side in size) or not 1 <= channels <= 4:
            raise ValueError(
                "`image_shape` must be (height, width, channels) with sides that are "
                f"multiples of {multiple} and 1 to 4 channels. "
                f"Received: {self.image_shape}"
            )
        check_at_least(self, 1, "num_halvings", "base_filters")
        check_at_least(self, 0, "curriculum_iterations", "weight_decay")
        for name in ("first_rate", "rate", "feature_weight"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"`{name}` must be in [0, 1]. Received: {getattr(self, name)}"
                )

    def train_step(self, data):
        """Updates the discriminators once, then the generators twice.

        Each update is an iteration of the paper with a third of the batch of its own.
        """
        images_a, images_b, _ = keras.utils.unpack_x_y_sample_weight(data)
        thirds_a, thirds_b = in_thirds(images_a), in_thirds(images_b)

        logs = self.minimize(
            lambda: self.compute_discriminator_loss(
                thirds_a[0],
                thirds_b[0],
                self.generator_ba(thirds_b[0], training=True),
                self.generator_ab(thirds_a[0], training=True),
                training=True,
            ),
            self.discriminator_optimizer,
            self.discriminator_variables,
        )
        for third_a, third_b in zip(thirds_a[1:], thirds_b[1:], strict=True):
            logs |= self.minimize(
                lambda a=third_a, b=third_b: self.compute_generator_loss(
                    a, b, training=True
                ),
                self.generator_optimizer,
                self.generator_variables,
            )

        return self.update_metrics(logs)

    def compute_generator_loss(self, images_a, images_b, training):
        """Returns (.1 adversarial + .9 features)(1 - r) + r reconstruction, and decay.

        Each part is the sum over both domains; r is `reconstruction_rate`.
        """
        fakes_b = self.generator_ab(images_a, training=training)
        fakes_a = self.generator_ba(images_b, training=training)
        # Test statistics are those of the images that `translate` will get.
        with statistics_kept(self.generator_ab, self.generator_ba):
            cycled_a = self.generator_ba(fakes_b, training=training)
            cycled_b = self.generator_ab(fakes_a, training=training)

        adversarial_losses, feature_losses = [], []
        for discriminator, images, fakes in (
            (self.discriminator_a, images_a, fakes_a),
            (self.discriminator_b, images_b, fakes_b),
        ):
            _, *features = discriminator(images, training=training)
            logits, *fake_features = discriminator(fakes, training=training)
            adversarial_losses.append(ops.mean(ops.softplus(-logits)))
            feature_losses.append(feature_distance(features, fake_features))
        adversarial_loss, feature_loss = sum(adversarial_losses), sum(feature_losses)
        reconstruction_loss = _squared_distance(cycled_a, images_a) + _squared_distance(
            cycled_b, images_b
        )

        weight, r = self.feature_weight, self.reconstruction_rate()
        looks_real = (1 - weight) * adversarial_loss + weight * feature_loss
        loss = (1 - r) * looks_real + r * reconstruction_loss
        return loss + self._decay(self.generator_variables), {
            "adversarial_loss": adversarial_loss,
            "feature_loss": feature_loss,
            "reconstruction_loss": reconstruction_loss,
            "fakes_a": fakes_a,
            "fakes_b": fakes_b,
        }

    def compute_discriminator_loss(
        self, images_a, images_b, fakes_a, fakes_b, training
    ):
        """Returns half of -E[log D(x)] - E[log(1 - D(fake))], summed over both."""
        losses = []
        for discriminator, images, fakes in (
            (self.discriminator_a, images_a, fakes_a),
            (self.discriminator_b, images_b, fakes_b),
        ):
            logits = discriminator(images, training=training)[0]
            fake_logits = discriminator(ops.stop_gradient(fakes), training=training)[0]
            losses += [
                ops.mean(ops.softplus(-logits)),
                ops.mean(ops.softplus(fake_logits)),
            ]
        loss = 0.5 * sum(losses)
        decay = self._decay(self.discriminator_variables)
        return loss + decay, {"discriminator_loss": loss}

    def reconstruction_rate(self):
        """Returns the share of the reconstruction in the generators' next update."""
        iteration = ops.cast(self.generator_optimizer.iterations, "float32") + ops.cast(
            self.discriminator_optimizer.iterations, "float32"
        )
        is_early = iteration < self.curriculum_iterations
        return ops.where(is_early, self.first_rate, self.rate)

    def _decay(self, variables):
        return 0.5 * self.weight_decay * sum(ops.sum(ops.square(v)) for v in variables)


def in_thirds(images):
    """Returns three equal parts of a batch.

    Where the last part would be smaller, it ends with the first images again.
    """
    count = ops.shape(images)[0]
    size = (count + 2) // 3
    return [
        ops.take(images, (i * size + ops.arange(size)) % count, axis=0)
        for i in range(3)
    ]


@contextlib.contextmanager
def statistics_kept(*networks):
    """Puts back the moving means and variances that calls in this context change."""
    variables = [v for network in networks for v in network.non_trainable_weights]
    values = [ops.copy(v) for v in variables]
    yield
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def feature_distance(features, fake_features):
    """Returns the mean squared difference of the features' means over the batch.

    Args:
        features: List of tensors (batch, ...) from real images.
        fake_features: List of tensors (batch, ...) from generated ones.

    Returns:
        Scalar tensor, the sum over the list.
    """

    def mean(x):
        return ops.mean(ops.cast(x, "float32"), axis=0)

    return sum(
        _squared_distance(mean(x), mean(y))
        for x, y in zip(features, fake_features, strict=True)
    )


def _squared_distance(x, y):
    return ops.mean(ops.square(x - y))
