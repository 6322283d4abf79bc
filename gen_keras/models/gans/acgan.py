"""Auxiliary classifier GAN (AC-GAN).

The generator is told the class; the discriminator is not, it has to find it. Both sides
want the class to be recognized, of real and of generated images, so the samples are
clear. The price: images that are hard to classify are not drawn, and classes lose
variety.

Reference:
    Odena et al., Conditional Image Synthesis with Auxiliary Classifier GANs, 2016.
    https://arxiv.org/abs/1610.09585
"""

import keras
from keras import ops

from gen_keras import backend
from gen_keras.models.base import check_range
from gen_keras.models.gans import networks
from gen_keras.models.gans.base import ClassConditional
from gen_keras.models.gans.gan import GAN

# Model ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="gen_keras")
class ACGAN(ClassConditional, GAN):
    """GAN whose discriminator also recognizes the class. DCGAN's networks.

    Args:
        image_shape: See `GAN`.
        num_classes: Integer, at least 2.
        latent_dim: Integer, the length of the noise.
        base_filters: See `GAN`.
        kernel_size: See `GAN`.
        class_weight: Float, the factor of the class loss (paper: 1).
        generator: Model from (batch, latent_dim + num_classes) to images; `None` builds
            one.
        discriminator: Model from images to (batch, 1 + num_classes), a logit and those
            of the classes; `None` builds one.
        **options: See `GAN`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
    >>> model = ACGAN(image_shape=(28, 28, 1), num_classes=10)
    >>> model.compile()
    >>> model.fit(images, classes)  # (num_images, 28, 28, 1), (num_images,) integers
    >>> model.sample(16, classes=3).shape
    (16, 28, 28, 1)

    Reference:
        Odena et al., 2016, equations 2 and 3: D maximizes L_S + L_C, G L_C - L_S.
    """

    metric_names = (*GAN.metric_names, "class_loss")
    judged = "class_loss"
    usage = 'samples = model.sample(16, seed=0, classes="random")'

    def __init__(
        self,
        image_shape=(64, 64, 3),
        num_classes=10,
        latent_dim=100,
        base_filters=64,
        kernel_size=5,
        class_weight=1.0,
        generator=None,
        discriminator=None,
        **options,
    ):
        check_range("num_classes", num_classes, 2)
        check_range("latent_dim", latent_dim, 1)
        super().__init__(
            image_shape,
            latent_dim,
            base_filters=base_filters,
            kernel_size=kernel_size,
            generator=generator
            or networks.build_generator(
                image_shape, latent_dim + num_classes, base_filters, kernel_size
            ),
            discriminator=discriminator
            or networks.build_discriminator(
                image_shape, base_filters, kernel_size, num_outputs=1 + num_classes
            ),
            **options,
        )
        self.num_classes = num_classes
        self.class_weight = class_weight

    def judge(self, examples, training):
        """Returns logits, and the cross-entropy of the classes (L_C with a minus)."""
        images, one_hot = examples
        outputs, _ = super().judge(images, training)
        logits, class_logits = outputs[:, :1], outputs[:, 1:]
        class_loss = ops.mean(
            ops.categorical_crossentropy(one_hot, class_logits, from_logits=True)
        )
        return logits, self.class_weight * class_loss

    def classify(self, images):
        """Returns the discriminator's class probabilities (batch, num_classes).

        Args:
            images: Array (batch, *image_shape) in `value_range`.
        """
        with backend.no_gradients():
            return ops.softmax(self.discriminator(images, training=False)[:, 1:])
