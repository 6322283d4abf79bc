"""Bidirectional GAN (BiGAN), the same game as adversarially learned inference (ALI).

A generator maps latents to images, an encoder images to latents. The discriminator sees
pairs, an image with its code or a latent with its sample, and tells which of the two it
is. It can be fooled only if the pairs are distributed alike, and then the encoder
inverts the generator, though nothing ever compares an image with its reconstruction.

References:
    Donahue et al., Adversarial Feature Learning, 2016.
    https://arxiv.org/abs/1605.09782
    Dumoulin et al., Adversarially Learned Inference, 2016.
    https://arxiv.org/abs/1606.00704
"""

import math

import keras
from keras import layers, ops

from gen_keras import backend
from gen_keras.layers import Maxout
from gen_keras.models.gans import networks
from gen_keras.models.gans.gan import GAN
from gen_keras.models.gans.networks import batch_normalization, normal

# Networks ---------------------------------------------------------------------------


def build_generator(image_shape, latent_dim):
    """Returns two layers of 1,024 ReLU units (BiGAN, appendix C.1)."""
    inputs = keras.Input((latent_dim,))
    x = layers.ReLU()(_dense(1024, inputs))
    x = layers.ReLU()(_dense(1024, x))
    x = layers.Dense(math.prod(image_shape), kernel_initializer=normal())(x)
    images = layers.Activation("tanh", dtype="float32")(layers.Reshape(image_shape)(x))
    return keras.Model(inputs, images, name="generator")


def build_encoder(
    image_shape, num_outputs, base_filters=None, kernel_size=5, units=None
):
    """Returns a model: (batch, *image_shape) to (batch, num_outputs).

    Two layers of 1,024 leaky ReLU units (BiGAN, appendix C.1), of `units` if given, or
    DCGAN's discriminator with other outputs; for points, two layers of 400.
    """
    if base_filters is not None and len(image_shape) == 3:
        body = networks.convolutional_discriminator(
            image_shape, base_filters, kernel_size, num_outputs=num_outputs
        )
        return keras.Model(body.inputs[0], body.outputs[0], name="encoder")
    units = units or (1024 if len(image_shape) == 3 else 400)
    inputs = keras.Input(image_shape)
    x = layers.Flatten()(inputs)
    for _ in range(2):
        x = layers.LeakyReLU(0.2)(_dense(units, x))
    outputs = layers.Dense(num_outputs, kernel_initializer=normal(), dtype="float32")(x)
    return keras.Model(inputs, outputs, name="encoder")


def build_discriminator(
    image_shape, latent_dim, base_filters=None, kernel_size=5, units=200
):
    """Returns a model: images and latents to logits (batch, 1).

    Two layers of 1,024 leaky ReLU units for both together (BiGAN, appendix C.1). With
    `base_filters` the image goes through DCGAN's convolutions first; these layers then
    have 16 times as many units, 1,024 with 64 filters. For points it is that of a GAN,
    of `units` maxout units.
    """
    examples, latents = keras.Input(image_shape), keras.Input((latent_dim,))
    x = layers.Flatten()(examples)
    if len(image_shape) == 1:
        x = layers.Concatenate()([x, latents])
        for _ in range(3):
            x = Maxout(units, 5, kernel_initializer=normal())(x)
    else:
        units = 1024 if base_filters is None else 16 * base_filters
        if base_filters is not None:
            body = networks.convolutional_discriminator(
                image_shape, base_filters, kernel_size, num_outputs=units
            )
            x = layers.LeakyReLU(0.2)(body(examples))
        x = layers.Concatenate()([x, latents])
        x = layers.LeakyReLU(0.2)(layers.Dense(units, kernel_initializer=normal())(x))
        x = layers.LeakyReLU(0.2)(_dense(units, x))
    logits = layers.Dense(1, kernel_initializer=normal(), dtype="float32")(x)
    return keras.Model([examples, latents], logits, name="discriminator")


def _dense(units, x):
    x = layers.Dense(units, use_bias=False, kernel_initializer=normal())(x)
    return batch_normalization(x)


# Model ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="gen_keras")
class BiGAN(GAN):
    """GAN with an encoder; the discriminator sees images with their latents.

    Args:
        image_shape: See `GAN`.
        latent_dim: Integer, the length of a latent vector (BiGAN on digits: 50).
        latent_distribution: See `GAN`; `None` is uniform, as in BiGAN on digits, or, if
            `stochastic`, normal, as in ALI.
        base_filters: See `GAN`; `None` builds BiGAN's dense networks.
        kernel_size: See `GAN`.
        stochastic: Boolean, whether the encoder draws latents from a normal
            distribution (ALI) or gives one (BiGAN).
        tricks: See `GAN`.
        generator: Model from latents to images; `None` builds one.
        encoder: Model from images to latents (batch, latent_dim), or, if `stochastic`,
            to means and log deviations (batch, 2 * latent_dim); `None` builds one.
        discriminator: Model from images and latents to logits (batch, 1); `None` builds
            one.
        **options: See `GAN`.

    Example:
    >>> model = BiGAN(image_shape=(28, 28, 1))
    >>> model.compile()
    >>> model.fit(images)  # (num_images, 28, 28, 1) in [-1, 1]
    >>> model.reconstruct(images[:4]).shape
    (4, 28, 28, 1)

    Reference:
        Donahue et al., 2016, equation 3, section 3.4 for the flipped labels; Dumoulin
        et al., 2016, algorithm 1.
    """

    generator_names = ("generator", "encoder")

    def __init__(
        self,
        image_shape=(28, 28, 1),
        latent_dim=50,
        latent_distribution=None,
        base_filters=None,
        kernel_size=5,
        stochastic=False,
        tricks=(),
        generator=None,
        encoder=None,
        discriminator=None,
        **options,
    ):
        if generator is None and base_filters is None and len(image_shape) == 3:
            generator = build_generator(image_shape, latent_dim)
        super().__init__(
            image_shape,
            latent_dim,
            latent_distribution or ("normal" if stochastic else "uniform"),
            base_filters,
            kernel_size,
            generator=generator,
            discriminator=discriminator
            or build_discriminator(image_shape, latent_dim, base_filters, kernel_size),
            **options,
        )
        self.stochastic = stochastic
        self.encoder = encoder or build_encoder(
            image_shape, latent_dim * (1 + stochastic), base_filters, kernel_size
        )
        self.attach_tricks(tricks)

    def encode(self, images):
        """Returns the latents (batch, latent_dim) of images, their means if drawn.

        Args:
            images: Array (batch, *image_shape) in `value_range`.
        """
        with backend.no_gradients():
            return self.encoder(images, training=False)[:, : self.latent_dim]

    def reconstruct(self, images):
        """Returns the images (batch, *image_shape) that the latents are decoded to."""
        return self.decode(self.encode(images))

    def real_examples(self, data, training):
        """Returns images and what the encoder makes of them."""
        latents = self.encoder(data, training=training)
        if self.stochastic:
            means, log_deviations = ops.split(latents, 2, axis=-1)
            noise = backend.normal(ops.shape(means), seed=self.seed_generator)
            latents = means + ops.exp(log_deviations) * noise
        return data, latents

    def fake_examples(self, data, training):
        """Returns samples and the latents they are made of."""
        latents = self.draw_noise(self.batch_size(data))
        return self(latents, training=training), latents

    def judge(self, examples, training):
        """Returns the logits of pairs."""
        return super().judge(list(examples), training)

    def compute_generator_loss(self, data, training):
        """Returns -E[log D(G(z), z)] - E[log(1 - D(x, E(x)))]: both labels flipped."""
        loss, logs = super().compute_generator_loss(data, training)
        logits, _ = self.judge(self.real_examples(data, training), training)
        loss = loss + self.generator_loss(-logits)
        return loss, logs | {"generator_loss": loss}
