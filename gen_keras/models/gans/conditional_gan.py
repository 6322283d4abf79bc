"""Conditional GAN: samples of a class that one asks for.

Generator and discriminator are both told the class. A sample must look real *for its
class*: the discriminator sees pairs, so a good image of the wrong class is found out.

Reference:
    Mirza and Osindero, Conditional Generative Adversarial Nets, 2014.
    https://arxiv.org/abs/1411.1784
"""

import math

import keras
from keras import layers

from gen_keras.layers import Maxout
from gen_keras.models.gans import networks
from gen_keras.models.gans.base import ClassConditional
from gen_keras.models.gans.gan import GAN

# Networks ---------------------------------------------------------------------------


def build_generator(
    image_shape, latent_dim, num_classes, base_filters=None, kernel_size=5
):
    """Returns a model: (batch, latent_dim + num_classes) to (batch, *image_shape).

    Without `base_filters` it is the paper's: 200 units for the noise and 1,000 for the
    class, 1,200 for both, all ReLU with dropout.
    """
    if base_filters is not None or len(image_shape) == 1:
        return networks.build_generator(
            image_shape, latent_dim + num_classes, base_filters, kernel_size
        )
    inputs = keras.Input((latent_dim + num_classes,))
    noise = layers.Dense(200, "relu")(inputs[:, :latent_dim])
    classes = layers.Dense(1000, "relu")(inputs[:, latent_dim:])
    x = layers.Dropout(0.5, seed=0)(layers.Concatenate()([noise, classes]))
    x = layers.Dropout(0.5, seed=1)(layers.Dense(1200, "relu")(x))
    x = layers.Reshape(image_shape)(layers.Dense(math.prod(image_shape))(x))
    images = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, images, name="generator")


def build_discriminator(image_shape, num_classes, base_filters=None, kernel_size=5):
    """Returns a model: images and classes (batch, num_classes) to logits (batch, 1).

    Without `base_filters` it is the paper's: 240 maxout units of 5 pieces for the image
    and 50 of 5 for the class, 240 of 4 for both, with dropout. With convolutions the
    class comes as one plane a class, all of ones or zeros.
    """
    images, classes = keras.Input(image_shape), keras.Input((num_classes,))
    if len(image_shape) == 1:
        x = layers.Concatenate()([images, classes])
        body = networks.point_discriminator(x.shape[1:])
        return keras.Model([images, classes], body(x), name="discriminator")
    if base_filters is not None:
        height, width, channels = image_shape
        planes = layers.RepeatVector(height * width)(classes)
        planes = layers.Reshape((height, width, num_classes))(planes)
        body = networks.build_discriminator(
            (height, width, channels + num_classes), base_filters, kernel_size
        )
        logits = body(layers.Concatenate()([images, planes]))
        return keras.Model([images, classes], logits, name="discriminator")
    x = Maxout(240, 5)(layers.Flatten()(images))
    y = Maxout(50, 5)(classes)
    both = layers.Dropout(0.5, seed=0)(layers.Concatenate()([x, y]))
    both = layers.Dropout(0.5, seed=1)(Maxout(240, 4)(both))
    logits = layers.Dense(1, dtype="float32")(both)
    return keras.Model([images, classes], logits, name="discriminator")


# Model ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="gen_keras")
class ConditionalGAN(ClassConditional, GAN):
    """GAN whose two networks are told the class.

    Args:
        image_shape: See `GAN`.
        num_classes: Integer, at least 2.
        latent_distribution: See `GAN`; in the paper it is uniform.
        **options: See `GAN`; without `base_filters` the networks are the paper's. A
            `generator` of one's own takes (batch, latent_dim + num_classes), a
            `discriminator` images and one-hot classes (batch, num_classes).

    Raises:
        ValueError: If an argument is out of range.

    Example:
    >>> model = ConditionalGAN(image_shape=(28, 28, 1), num_classes=10)
    >>> model.compile()
    >>> model.fit(images, classes)  # (num_images, 28, 28, 1), (num_images,) integers
    >>> model.sample(16, classes=3).shape
    (16, 28, 28, 1)

    Reference:
        Mirza and Osindero, 2014, equation 2; section 4.1 for the networks.
    """

    usage = 'samples = model.sample(16, seed=0, classes="random")'

    def __init__(
        self,
        image_shape=(28, 28, 1),
        num_classes=10,
        latent_distribution="uniform",
        **options,
    ):
        self.num_classes = num_classes
        super().__init__(
            image_shape, latent_distribution=latent_distribution, **options
        )

    def make_generator(self):
        """Returns a model: (batch, num_latents) to (batch, *image_shape)."""
        return build_generator(
            self.image_shape,
            self.latent_dim,
            self.num_classes,
            self.base_filters,
            self.kernel_size,
        )

    def make_discriminator(self):
        """Returns a model from images and one-hot classes to logits (batch, 1)."""
        return build_discriminator(
            self.image_shape, self.num_classes, self.base_filters, self.kernel_size
        )

    def judge(self, examples, training):
        """Returns the logits of images together with their classes."""
        return super().judge(list(examples), training)
