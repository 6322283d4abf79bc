"""Wasserstein GAN (WGAN).

Where data and samples lie on separate manifolds, the divergence that a GAN minimizes is
constant and its gradient vanishes. The Wasserstein distance still tells how far apart
they are. A critic without a sigmoid estimates it, provided that it is a Lipschitz
function: its weights are clipped after each step. It is trained nearly to the optimum,
by many steps for one of the generator, and its loss tells how good the samples are.

Reference:
    Arjovsky et al., Wasserstein GAN, 2017. https://arxiv.org/abs/1701.07875
"""

import keras
from keras import ops

from gen_keras.models.base import check_at_least
from gen_keras.models.gans.base import Critic
from gen_keras.models.gans.gan import GAN

# Model ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="gen_keras")
class WGAN(Critic, GAN):
    """Wasserstein GAN with clipped weights; its critic is the `discriminator`.

    Args:
        image_shape: See `GAN`.
        base_filters: See `GAN`.
        discriminator_steps: Integer, steps of the critic for one of the generator.
        warm_up_steps: Integer, as many for each of the first 25 steps of the generator
            and for every 500th, if they are more (100 in the authors' release, of which
            the paper does not speak).
        clip_value: Float, the greatest absolute value of a weight of the critic (c).
        **options: See `GAN`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
    >>> model = WGAN(image_shape=(64, 64, 3))
    >>> model.compile()  # RMSprop(5e-5), as in the paper.
    >>> model.fit(images)  # (num_images, 64, 64, 3) in [-1, 1]

    Reference:
        Arjovsky et al., 2017, algorithm 1; github.com/martinarjovsky/WassersteinGAN.
    """

    def __init__(
        self,
        image_shape=(64, 64, 3),
        base_filters=64,
        discriminator_steps=5,
        warm_up_steps=100,
        clip_value=0.01,
        **options,
    ):
        self.warm_up_steps = warm_up_steps
        self.clip_value = clip_value
        super().__init__(
            image_shape,
            base_filters=base_filters,
            discriminator_steps=discriminator_steps,
            **options,
        )
        self.critic_steps = self.add_weight(
            shape=(),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            name="critic_steps",  # Since the generator's last one.
        )

    def check_arguments(self):
        """Raises a `ValueError` if an argument is out of range."""
        super().check_arguments()
        check_at_least(self, 0, "warm_up_steps")
        if self.clip_value <= 0:
            raise ValueError(
                f"`clip_value` must be positive. Received: {self.clip_value}"
            )

    def default_optimizer(self, side):
        """Returns RMSprop(5e-5) of Torch; the paper found momentum to be unstable."""
        # Keras adds epsilon under the root, Torch 1e-8 to the root.
        return keras.optimizers.RMSprop(5e-5, rho=0.99, epsilon=1e-16)

    def update_discriminator(self, data):
        """Takes a step of the critic (lines 5 to 7)."""
        super().update_discriminator(data)
        self.critic_steps.assign_add(1)

    def constrain_discriminator(self):
        """Clips the weights of the critic (line 7)."""
        for weight in self.discriminator_variables:
            weight.assign(ops.clip(weight, -self.clip_value, self.clip_value))

    def update_generator(self, data):
        """Takes a step of the generator."""
        super().update_generator(data)
        self.critic_steps.assign(0)

    def generator_is_due(self):
        """Returns whether the critic had its steps, a boolean tensor."""
        step = self.generator_optimizer.iterations
        is_long = ops.logical_or(step < 25, step % 500 == 0)
        long = max(self.warm_up_steps, self.discriminator_steps)
        return self.critic_steps >= ops.where(is_long, long, self.discriminator_steps)
