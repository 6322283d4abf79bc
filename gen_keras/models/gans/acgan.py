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
        base_filters: See `GAN`.
        class_weight: Float, the factor of the class loss (paper: 1).
        **options: See `GAN`. A `generator` of one's own takes (batch, latent_dim +
            num_classes), a `discriminator` gives (batch, 1 + num_classes), a logit and
            those of the classes.

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
        base_filters=64,
        class_weight=1.0,
        **options,
    ):
        self.num_classes = num_classes
        self.class_weight = class_weight
        super().__init__(image_shape, base_filters=base_filters, **options)

    def make_discriminator(self):
        """Returns a model: images to (batch, 1 + num_classes)."""
        return networks.build_discriminator(
            self.image_shape,
            self.base_filters,
            self.kernel_size,
            num_outputs=1 + self.num_classes,
        )

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
