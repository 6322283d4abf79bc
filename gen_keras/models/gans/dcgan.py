"""Deep convolutional generative adversarial network (DCGAN).

A generator turns noise into images; a discriminator tells them from real ones. Each
is trained against the other. The first GANs were dense networks and unstable; DCGAN
found a convolutional architecture that trains: strides instead of pooling, batch
normalization in both networks except where the images enter and leave, ReLU in the
generator, leaky ReLU in the discriminator, small normal initial weights.

References:
    Goodfellow et al., Generative Adversarial Nets, 2014.
    https://arxiv.org/abs/1406.2661
    Radford et al., Unsupervised Representation Learning with Deep Convolutional
    Generative Adversarial Networks, 2015. https://arxiv.org/abs/1511.06434
"""

import math

import keras
from keras import layers, ops

from gen_keras import backend
from gen_keras.models.base import GenerativeModel, LatentSpace
from gen_keras.models.gans.base import TwoSides

# Networks ---------------------------------------------------------------------------


def build_generator(
    image_shape=(64, 64, 3), latent_dim=100, base_filters=128, kernel_size=5
):
    """Returns a model: (batch, latent_dim) to (batch, *image_shape) in [-1, 1].

    Each stage doubles height and width, cropped by one where the size to reach is odd,
    and halves the filters; the last hidden one has `base_filters`. At 64 x 64 these are
    1024, 512, 256, 128, as in figure 1.
    """
    sizes = stage_sizes(image_shape)[:0:-1]
    filters = base_filters * 2 ** (len(sizes) - 1)

    inputs = keras.Input((latent_dim,))
    x = layers.Dense(
        math.prod(sizes[0]) * filters, use_bias=False, kernel_initializer=_normal()
    )(inputs)
    x = layers.Reshape((*sizes[0], filters))(x)
    x = layers.ReLU()(_normalize(x))
    for height, width in sizes[1:]:
        filters //= 2
        x = layers.Conv2DTranspose(
            filters,
            kernel_size,
            2,
            "same",
            use_bias=False,
            kernel_initializer=_normal(),
        )(x)
        if height % 2 or width % 2:
            x = layers.Cropping2D(((0, height % 2), (0, width % 2)))(x)
        x = layers.ReLU()(_normalize(x))
    # Not normalized: the images need their own mean and scale.
    x = layers.Conv2DTranspose(
        image_shape[-1], kernel_size, 2, "same", kernel_initializer=_normal()
    )(x)
    images = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, images, name="generator")


def build_discriminator(image_shape=(64, 64, 3), base_filters=128, kernel_size=5):
    """Returns a model: (batch, *image_shape) in [-1, 1] to logits (batch, 1)."""
    inputs = x = keras.Input(image_shape)
    for stage in range(len(stage_sizes(image_shape)) - 1):
        first = stage == 0
        x = layers.Conv2D(
            base_filters * 2**stage,
            kernel_size,
            2,
            "same",
            use_bias=first,
            kernel_initializer=_normal(),
        )(x)
        if not first:
            x = _normalize(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    logits = layers.Dense(1, kernel_initializer=_normal(), dtype="float32")(x)
    return keras.Model(inputs, logits, name="discriminator")


def stage_sizes(image_shape):
    """Returns (height, width) of the images and after each halving, rounded up.

    The last has a side of at most 5: from 64 it is 4, as in figure 1; from 28 the sizes
    are 28, 14, 7, 4.

    Raises:
        ValueError: If a side is no multiple of 4 or not from 16 to 128, or if there
            are not 1 to 4 channels.
    """
    *size, channels = image_shape
    sides_fit = all(side % 4 == 0 and 16 <= side <= 128 for side in size)
    if not sides_fit or not 1 <= channels <= 4:
        raise ValueError(
            "`image_shape` must be (height, width, channels) with multiples of 4 from "
            f"16 to 128 and 1 to 4 channels. Received: {tuple(image_shape)}"
        )
    sizes = [tuple(size)]
    while min(sizes[-1]) > 5:
        sizes.append(tuple((side + 1) // 2 for side in sizes[-1]))
    return sizes


def _normal():
    return keras.initializers.RandomNormal(stddev=0.02)


def _normalize(x):
    # The paper gives neither momentum nor epsilon: these are those of Torch, in which
    # an author's release, dcgan.torch, is written.
    return layers.BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        gamma_initializer=keras.initializers.RandomNormal(mean=1.0, stddev=0.02),
    )(x)


# Model ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="gen_keras")
class DCGAN(LatentSpace, TwoSides, GenerativeModel):
    """Deep convolutional GAN with the non-saturating loss.

    Args:
        image_shape: Tuple (height, width, channels): sides are multiples of 4 from 16
            to 128, 1 to 4 channels.
        latent_dim: Integer, the length of a latent vector.
        base_filters: Integer, the filters at half the image size, doubled at each
            stage towards the latents (paper: 128).
        kernel_size: Integer, side of the convolution kernels (paper: 5).
        ema_momentum: Float in (0, 1) or `None`. If given, `sample` and `decode` use a
            moving average of the generator's weights, updated after each step. The
            paper has none.
        generator: Model from (batch, latent_dim) to images; `None` builds the paper's.
        discriminator: Model from images to logits (batch, 1); `None` builds the
            paper's.
        seed: Integer or `None`, seed of all sampling.

    Raises:
        ValueError: If `image_shape` or `ema_momentum` is out of range.

    Example:
    >>> model = DCGAN(image_shape=(28, 28, 1))
    >>> model.compile()
    >>> model.fit(images)  # (num_images, 28, 28, 1) in [-1, 1]
    >>> model.sample(16).shape
    (16, 28, 28, 1)

    Reference:
        Radford et al., 2015, sections 3 and 4.
    """

    metric_names = ("discriminator_loss", "generator_loss", "real_score", "fake_score")
    value_range = (-1.0, 1.0)

    def __init__(
        self,
        image_shape=(64, 64, 3),
        latent_dim=100,
        base_filters=128,
        kernel_size=5,
        ema_momentum=None,
        generator=None,
        discriminator=None,
        seed=None,
    ):
        super().__init__(seed)
        if ema_momentum is not None and not 0 < ema_momentum < 1:
            raise ValueError(
                f"`ema_momentum` must be between 0 and 1. Received: {ema_momentum}"
            )
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        self.base_filters = base_filters
        self.kernel_size = kernel_size
        self.ema_momentum = ema_momentum
        self.generator = generator or build_generator(
            image_shape, latent_dim, base_filters, kernel_size
        )
        self.discriminator = discriminator or build_discriminator(
            image_shape, base_filters, kernel_size
        )
        if ema_momentum is not None:
            self.average_generator = keras.models.clone_model(self.generator)
            self.average_generator.trainable = False
            self.average_generator.set_weights(self.generator.get_weights())
        self.built = True

    @property
    def sampler(self):
        """The network that samples: the moving average, if there is one."""
        return self.generator if self.ema_momentum is None else self.average_generator

    def call(self, latents, training=False):
        """Maps latents (batch, latent_dim) to images in [-1, 1]."""
        return self.generator(latents, training=training)

    def sample(self, num_samples, seed=None, truncation=1.0):
        """Returns generated images (num_samples, *image_shape) in [-1, 1].

        Args:
            num_samples: Integer.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            truncation: Float in (0, 1]; smaller is less varied.
        """
        return self.decode(self.sample_latents(num_samples, seed, truncation))

    def sample_latents(self, num_samples, seed=None, truncation=1.0):
        """Draws latents uniform in [-truncation, truncation], (num_samples, dim)."""
        if not 0 < truncation <= 1:
            raise ValueError(f"`truncation` must be in (0, 1]. Received: {truncation}")
        with self.seeded(seed):
            return self._draw_latents(num_samples) * truncation

    def decode(self, latents):
        """Returns the images (batch, *image_shape) of latents (batch, latent_dim)."""
        with backend.no_gradients():
            return self.sampler(latents, training=False)

    def train_step(self, data):
        """Updates the discriminator once, then the generator once."""
        real, _, _ = keras.utils.unpack_x_y_sample_weight(data)

        discriminator_logs = self.minimize(
            lambda: self.compute_discriminator_loss(real, training=True),
            self.discriminator_optimizer,
            self.discriminator_variables,
        )
        generator_logs = self.minimize(
            lambda: self.compute_generator_loss(ops.shape(real)[0], training=True),
            self.generator_optimizer,
            self.generator_variables,
        )
        if self.ema_momentum is not None:
            self.update_average()

        return self.update_metrics(discriminator_logs | generator_logs)

    def test_step(self, data):
        """Returns the losses on held-out images."""
        real, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        batch_size = ops.shape(real)[0]
        _, logs = self.compute_discriminator_loss(real, training=False)
        _, generator_logs = self.compute_generator_loss(batch_size, training=False)
        return self.update_metrics(logs | generator_logs, batch_size)

    def compute_discriminator_loss(self, real, training):
        """Returns -E[log D(x)] - E[log(1 - D(G(z)))], with D = sigmoid(logits)."""
        fake = self(self._draw_latents(ops.shape(real)[0]), training=training)
        # Two batches: statistics over real and fake images together would leak which
        # image is which.
        real_logits = self.discriminator(real, training=training)
        fake_logits = self.discriminator(ops.stop_gradient(fake), training=training)
        loss = ops.mean(ops.softplus(-real_logits)) + ops.mean(
            ops.softplus(fake_logits)
        )
        return loss, {
            "discriminator_loss": loss,
            "real_score": ops.mean(ops.sigmoid(real_logits)),
            "fake_score": ops.mean(ops.sigmoid(fake_logits)),
        }

    def compute_generator_loss(self, batch_size, training):
        """Returns -E[log D(G(z))], whose gradient does not vanish where D is sure."""
        fake = self(self._draw_latents(batch_size), training=training)
        loss = ops.mean(ops.softplus(-self.discriminator(fake, training=training)))
        return loss, {"generator_loss": loss}

    def update_average(self):
        """Moves the averaged weights, batch statistics included, to the latest."""
        # Early averages are short, to forget the initial weights.
        step = ops.cast(self.generator_optimizer.iterations, "float32")
        momentum = ops.minimum(self.ema_momentum, (1 + step) / (10 + step))
        for average, weight in zip(
            self.average_generator.weights, self.generator.weights, strict=True
        ):
            average.assign(momentum * average + (1 - momentum) * weight)

    def _draw_latents(self, num_samples):
        shape = (num_samples, self.latent_dim)
        return backend.uniform(shape, -1.0, 1.0, seed=self.seed_generator)
