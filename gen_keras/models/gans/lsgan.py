"""Least squares GAN (LSGAN).

Cross-entropy has hardly a gradient for samples on the right side of the decision
boundary, however far from the data they are. Squared errors of the logits pull them
towards it. With b - c = 1 and b - a = 2 the game minimizes a Pearson divergence.

Reference:
    Mao et al., Least Squares Generative Adversarial Networks, 2016.
    https://arxiv.org/abs/1611.04076
"""

import keras

from gen_keras.models.gans import losses
from gen_keras.models.gans.gan import GAN

# Model ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="gen_keras")
class LSGAN(GAN):
    """GAN with squared errors, and DCGAN's networks.

    Args:
        image_shape: See `GAN`.
        base_filters: See `GAN`.
        fake_target: Float, what the discriminator gives to samples (a; paper: 0).
        real_target: Float, what it gives to data (b; paper: 1).
        generator_target: Float, what the generator wants it to give to samples (c;
            paper: 1).
        **options: See `GAN`.

    Example:
    >>> model = LSGAN(image_shape=(64, 64, 3), fake_target=-1, generator_target=0)
    >>> model.compile()
    >>> model.fit(images)  # (num_images, 64, 64, 3) in [-1, 1]

    Reference:
        Mao et al., 2016, equations 2, 8 and 9.
    """

    loss_pair = losses.LEAST_SQUARES

    def __init__(
        self,
        image_shape=(64, 64, 3),
        base_filters=128,
        fake_target=0.0,
        real_target=1.0,
        generator_target=1.0,
        **options,
    ):
        self.fake_target = fake_target
        self.real_target = real_target
        self.generator_target = generator_target
        super().__init__(image_shape, base_filters=base_filters, **options)

    @property
    def discriminator_options(self):
        """The targets a and b."""
        return {"fake_target": self.fake_target, "real_target": self.real_target}

    @property
    def generator_options(self):
        """The target c."""
        return {"target": self.generator_target}

    def score(self, logits):
        """Returns the logits themselves; D is not squashed."""
        return logits
