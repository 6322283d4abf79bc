"""Deep convolutional generative adversarial network (DCGAN).

The first GANs were dense networks and unstable; DCGAN found a convolutional
architecture that trains: strides instead of pooling, batch normalization in both
networks except where the images enter and leave, ReLU in the generator, leaky ReLU in
the discriminator, small normal initial weights. The game is that of `GAN`.

Reference:
    Radford et al., Unsupervised Representation Learning with Deep Convolutional
    Generative Adversarial Networks, 2015. https://arxiv.org/abs/1511.06434
"""

import keras

from gen_keras.models.gans.gan import GAN

# Model ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="gen_keras")
class DCGAN(GAN):
    """Deep convolutional GAN with the non-saturating loss.

    Args:
        image_shape: Tuple (height, width, channels): sides are multiples of 4 from 16
            to 128, 1 to 4 channels.
        latent_dim: Integer, the length of a latent vector.
        base_filters: Integer, the filters at half the image size, doubled at each
            stage towards the latents (paper: 128).
        latent_distribution: See `GAN`; in the paper it is uniform.
        **options: See `GAN`; `kernel_size` is 5 in the paper.

    Raises:
        ValueError: If `image_shape` or another argument is out of range.

    Example:
    >>> model = DCGAN(image_shape=(28, 28, 1))
    >>> model.compile()
    >>> model.fit(images)  # (num_images, 28, 28, 1) in [-1, 1]
    >>> model.sample(16).shape
    (16, 28, 28, 1)

    Reference:
        Radford et al., 2015, sections 3 and 4; figure 1.
    """

    def __init__(
        self,
        image_shape=(64, 64, 3),
        latent_dim=100,
        base_filters=128,
        latent_distribution="uniform",
        **options,
    ):
        super().__init__(
            image_shape, latent_dim, latent_distribution, base_filters, **options
        )
