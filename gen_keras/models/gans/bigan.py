"""Bidirectional GAN (BiGAN), the same game as adversarially learned inference (ALI).

A generator maps latents to images, an encoder images to latents. The discriminator sees
pairs, an image with its code or a latent with its sample, and tells which of the two it
is. It can be fooled only if the pairs are distributed alike, and then the encoder
inverts the generator, though nothing ever compares an image with its reconstruction.

References:
    Dumoulin et al., Adversarially Learned Inference, 2016.
    https://arxiv.org/abs/1606.00704
    Donahue et al., Adversarial Feature Learning, 2016.
    https://arxiv.org/abs/1605.09782
"""

import math

import keras
from keras import layers, ops

from gen_keras import backend
from gen_keras.layers import Maxout
from gen_keras.models.gans import networks
from gen_keras.models.gans.gan import GAN
from gen_keras.models.gans.networks import normal

# Networks ---------------------------------------------------------------------------

# The dense ones are those of the authors' release for digits, github.com/jeffdonahue/
# bigan, net.py, which appendix C.1 sketches. Codes in the range of uniform latents are
# also from there (dist.py): others run away, and the discriminator wins. Its decay of
# the weights by 2.5e-5 is not here.
#
# ALI's discriminator is that of its authors for SVHN, github.com/IshmaelBelghazi/ALI,
# ali_svhn.py, behind DCGAN's convolutions. It must not normalize what it makes of
# latents: an encoder that draws them may draw far too large ones, and normalization
# hides just that.


def build_generator(image_shape, latent_dim, units=1024):
    """Returns two layers of ReLU units, the second of which sees the latents again."""
    latents = keras.Input((latent_dim,))
    x = layers.ReLU()(_normalized_dense(units, latents))
    x = layers.Concatenate()([x, latents])
    x = layers.ReLU()(_normalized_dense(units, x))
    x = _dense(math.prod(image_shape), x)
    images = layers.Activation("tanh", dtype="float32")(layers.Reshape(image_shape)(x))
    return keras.Model(latents, images, name="generator")


def build_encoder(
    image_shape,
    num_outputs,
    base_filters=None,
    kernel_size=5,
    units=None,
    bounded=False,
):
    """Returns a model: (batch, *image_shape) to (batch, num_outputs).

    Two layers of leaky ReLU units, or DCGAN's discriminator with other outputs. If
    `bounded`, the outputs are in [-1, 1], where uniform latents are.
    """
    if base_filters is not None and len(image_shape) == 3:
        body = networks.convolutional_discriminator(
            image_shape, base_filters, kernel_size, num_outputs=num_outputs
        )
        inputs, outputs = body.inputs[0], body.outputs[0]
    else:
        units = units or (1024 if len(image_shape) == 3 else 400)
        inputs = keras.Input(image_shape)
        x = layers.LeakyReLU(0.2)(_dense(units, layers.Flatten()(inputs)))
        x = layers.LeakyReLU(0.2)(_normalized_dense(units, x))
        outputs = _dense(num_outputs, x, dtype="float32")
    if bounded:
        outputs = layers.Activation("tanh", dtype="float32")(outputs)
    return keras.Model(inputs, outputs, name="encoder")


def build_discriminator(
    image_shape,
    latent_dim,
    base_filters=None,
    kernel_size=5,
    units=None,
    stochastic=False,
):
    """Returns a model: images and latents to logits (batch, 1).

    Two layers of leaky ReLU units, the second of which sees the latents. With
    `base_filters` DCGAN's convolutions stand before the first; the layers then have 16
    times as many units. If `stochastic`, it is ALI's: after the first layer two of
    their own for the latents, then two of twice the units for both, with dropout. For
    points it is that of a GAN.
    """
    examples, latents = keras.Input(image_shape), keras.Input((latent_dim,))
    if len(image_shape) == 1:
        x = layers.Concatenate()([examples, latents])
        for _ in range(3):
            x = Maxout(units or 200, 5, kernel_initializer=normal())(x)
    else:
        if base_filters is None:
            units = units or 1024
            x = _dense(units, layers.Flatten()(examples))
        else:
            units = units or 16 * base_filters
            x = networks.convolutional_discriminator(
                image_shape, base_filters, kernel_size, num_outputs=units
            )(examples)
        x = layers.LeakyReLU(0.2)(x)
        if stochastic:
            y = _dropout_dense(units, _dropout_dense(units, latents, seed=0), seed=1)
            x = layers.Concatenate()([x, y])
            x = _dropout_dense(2 * units, _dropout_dense(2 * units, x, seed=2), seed=3)
        else:
            x = layers.Concatenate()([x, latents])
            x = layers.LeakyReLU(0.2)(_normalized_dense(units, x))
    logits = _dense(1, x, dtype="float32")
    return keras.Model([examples, latents], logits, name="discriminator")


def _dense(units, x, **options):
    return layers.Dense(units, kernel_initializer=normal(), **options)(x)


def _dropout_dense(units, x, seed):
    return layers.LeakyReLU(0.2)(_dense(units, layers.Dropout(0.2, seed=seed)(x)))


def _normalized_dense(units, x):
    x = _dense(units, x, use_bias=False)
    return networks.batch_normalization(x, "ones", center=False, scale=False)


# Model ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="gen_keras")
class BiGAN(GAN):
    """GAN with an encoder; the discriminator sees images with their latents.

    Args:
        image_shape: See `GAN`.
        latent_dim: Integer, the length of a latent vector (BiGAN on digits: 50).
        latent_distribution: See `GAN`; `None` is uniform, as in BiGAN on digits, or, if
            `stochastic`, normal, as in ALI.
        units: Integer, the units of dense layers; `None`: 1,024, or 16 times
            `base_filters`; for points those of a GAN, 400 and 200. Where ALI's
            discriminator sees image and latents together, it has twice as many.
        stochastic: Boolean, whether the encoder draws latents from a normal
            distribution (ALI) or gives one (BiGAN).
        tricks: See `GAN`.
        encoder: Model from images to latents (batch, latent_dim), or, if `stochastic`,
            to means and log deviations (batch, 2 * latent_dim); `None` builds one.
        **options: See `GAN`; without `base_filters` the networks are BiGAN's dense
            ones. A `discriminator` of one's own takes images and latents.

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
        units=None,
        stochastic=False,
        tricks=(),
        encoder=None,
        **options,
    ):
        self.units = units
        self.stochastic = stochastic
        distribution = latent_distribution or ("normal" if stochastic else "uniform")
        super().__init__(image_shape, latent_dim, distribution, **options)
        self.encoder = encoder or self.make_encoder()
        self.keep_average("encoder")
        self.attach_tricks(tricks)  # The encoder must be there.

    def make_generator(self):
        """Returns a model: (batch, latent_dim) to (batch, *image_shape)."""
        if self.base_filters is not None or len(self.image_shape) == 1:
            return super().make_generator()
        return build_generator(self.image_shape, self.latent_dim, self.units or 1024)

    def make_discriminator(self):
        """Returns a model from images and latents to logits (batch, 1)."""
        return build_discriminator(
            self.image_shape,
            self.latent_dim,
            self.base_filters,
            self.kernel_size,
            self.units,
            self.stochastic,
        )

    def make_encoder(self):
        """Returns a model from images to latents, or to means and log deviations."""
        bounded = self.latent_distribution == "uniform" and not self.stochastic
        return build_encoder(
            self.image_shape,
            self.latent_dim * (1 + self.stochastic),
            self.base_filters,
            self.kernel_size,
            self.units,
            bounded,
        )

    def default_optimizer(self, side):
        """Returns DCGAN's Adam, see `TwoSides`; for ALI at half the rate, 1e-4."""
        rate = 1e-4 if self.stochastic else 2e-4
        return keras.optimizers.Adam(rate, beta_1=0.5)

    def encode(self, images):
        """Returns the latents (batch, latent_dim) of images, their means if drawn.

        Args:
            images: Array (batch, *image_shape) in `value_range`.
        """
        with backend.no_gradients():
            codes = self.averaged("encoder")(images, training=False)
            return codes[:, : self.latent_dim]

    def extract_features(self, images):
        """Returns the inputs of the encoder's last layer of weights (batch, features).

        Args:
            images: Array (batch, *image_shape) in `value_range`.
        """
        encoder = self.averaged("encoder")
        (features,) = networks.inputs_of_last_weights(encoder)
        with backend.no_gradients():
            return keras.Model(encoder.inputs[0], features)(images, training=False)

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
