"""Packed GAN (PacGAN).

A discriminator that sees one sample at a time cannot tell that all samples are alike.
PacGAN shows it several at once, side by side as channels: packs of samples without
variety are easily told from packs of data. Nothing else changes.

Reference:
    Lin et al., PacGAN: The Power of Two Samples in Generative Adversarial Networks,
    2017. https://arxiv.org/abs/1712.04086
"""

import keras
from keras import ops

from gen_keras.models.base import check_at_least
from gen_keras.models.gans import networks
from gen_keras.models.gans.gan import GAN

# Model ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="gen_keras")
class PacGAN(GAN):
    """GAN whose discriminator judges several examples together.

    A batch of `fit` is split into packs. If its size is no multiple of theirs, its
    first examples fill the last pack.

    Args:
        image_shape: See `GAN`.
        latent_distribution: See `GAN`.
        base_filters: See `GAN`.
        pack_size: Integer, the examples of a pack (m; the paper's PacDCGAN2 has 2).
        **options: See `GAN`. A `discriminator` of one's own takes packs (batch, height,
            width, pack_size * channels), or (batch, pack_size * 2) of points.

    Raises:
        ValueError: If an argument is out of range.

    Example:
    >>> model = PacGAN(image_shape=(28, 28, 3), pack_size=2)
    >>> model.compile()
    >>> model.fit(images, batch_size=128)  # 64 packs; (num_images, 28, 28, 3)

    Reference:
        Lin et al., 2017, section 2.
    """

    def __init__(
        self,
        image_shape=(28, 28, 3),
        latent_distribution="uniform",
        base_filters=64,
        pack_size=2,
        **options,
    ):
        self.pack_size = pack_size
        super().__init__(
            image_shape,
            latent_distribution=latent_distribution,
            base_filters=base_filters,
            **options,
        )

    def check_arguments(self):
        """Raises a `ValueError` if an argument is out of range."""
        super().check_arguments()
        check_at_least(self, 1, "pack_size")

    def make_discriminator(self):
        """Returns a model from packs to logits (packs, 1)."""
        *size, channels = self.image_shape
        return networks.build_discriminator(
            (*size, self.pack_size * channels), self.base_filters, self.kernel_size
        )

    def judge(self, examples, training):
        """Returns the logits of packs (packs, 1)."""
        return super().judge(self.pack(examples), training)

    def pack(self, examples):
        """Returns (packs, ..., pack_size * channels), batch / pack_size rounded up."""
        num_packs = -(-self.batch_size(examples) // self.pack_size)
        *size, channels = self.image_shape
        # Without the repetition a batch of fewer would have no pack, and a loss of NaN.
        examples = ops.concatenate([examples] * self.pack_size)
        examples = examples[: num_packs * self.pack_size]
        packs = ops.reshape(examples, (num_packs, self.pack_size, *size, channels))
        packs = ops.moveaxis(packs, 1, -2)
        return ops.reshape(packs, (num_packs, *size, self.pack_size * channels))
