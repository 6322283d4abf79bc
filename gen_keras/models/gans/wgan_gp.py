"""Wasserstein GAN with gradient penalty (WGAN-GP).

Clipped weights make a critic simple, and its gradients explode or vanish. The critic
that attains the Wasserstein distance has gradients of norm 1 on lines from data to
samples; here it pays for each norm that differs, at random points of such lines.

Reference:
    Gulrajani et al., Improved Training of Wasserstein GANs, 2017.
    https://arxiv.org/abs/1704.00028
"""

import keras
from keras import ops

from gen_keras import backend
from gen_keras.models.base import check_at_least
from gen_keras.models.gans import networks
from gen_keras.models.gans.base import Critic
from gen_keras.models.gans.gan import GAN

# Model ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="gen_keras")
class WGANGP(Critic, GAN):
    """Wasserstein GAN with gradient penalty; its critic is the `discriminator`.

    Args:
        image_shape: See `GAN`.
        latent_dim: Integer, the length of the noise (released code: 128).
        base_filters: See `GAN`.
        discriminator_steps: Integer, steps of the critic for one of the generator.
        penalty_weight: Float, the factor of the gradient penalty (lambda).
        **options: See `GAN`. The critic made here has no batch normalization: the
            penalty is that of each example by itself.

    Raises:
        ValueError: If an argument is out of range.

    Example:
    >>> model = WGANGP(image_shape=(64, 64, 3))
    >>> model.compile()  # Adam(1e-4, 0, 0.9), as in the paper.
    >>> model.fit(images)  # (num_images, 64, 64, 3) in [-1, 1]

    Reference:
        Gulrajani et al., 2017, algorithm 1; section 4 for batch normalization.
    """

    metric_names = (*Critic.metric_names, "gradient_penalty")

    def __init__(
        self,
        image_shape=(64, 64, 3),
        latent_dim=128,
        base_filters=64,
        discriminator_steps=5,
        penalty_weight=10.0,
        **options,
    ):
        self.penalty_weight = penalty_weight
        super().__init__(
            image_shape,
            latent_dim,
            base_filters=base_filters,
            discriminator_steps=discriminator_steps,
            **options,
        )
        if self.discriminator.output_shape[-1] != 1:
            raise ValueError(
                "The gradient penalty is for one critic, `discriminator` must have one "
                f"output. Received: {self.discriminator.output_shape}"
            )

    def check_arguments(self):
        """Raises a `ValueError` if an argument is out of range."""
        super().check_arguments()
        check_at_least(self, 0, "penalty_weight")

    def make_discriminator(self):
        """Returns a critic without batch normalization."""
        return networks.build_discriminator(
            self.image_shape, self.base_filters, self.kernel_size, normalize=False
        )

    def default_optimizer(self, side):
        """Returns Adam(1e-4, 0, 0.9), the defaults of algorithm 1."""
        return keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9)

    def compute_penalty(self, real, fake, training):
        """Returns lambda E[(||dC/dx|| - 1)²] at random points from real to fake."""
        # One weight for each example (line 4), not for each pixel.
        shape = (self.batch_size(real), *[1] * (len(real.shape) - 1))
        weights = backend.uniform(shape, seed=self.seed_generator)
        gradients = backend.input_gradients(
            lambda x: self.discriminator(x, training=training),
            weights * real + (1 - weights) * fake,
        )
        squares = ops.sum(ops.square(gradients), axis=tuple(range(1, len(real.shape))))
        # The square root has no finite gradient at zero.
        penalty = ops.mean(ops.square(ops.sqrt(squares + 1e-12) - 1))
        return self.penalty_weight * penalty, {"gradient_penalty": penalty}
