"""Augmentation of real and generated images alike, through which a generator learns."""

import keras
from keras import layers, ops

from gen_keras import backend


def adjust_color(images, draws):
    """Changes brightness, then saturation, then contrast.

    Args:
        images: Tensor (batch, height, width, channels) in [-1, 1].
        draws: Tensor (batch, 3) in [0, 1): an offset from -0.5 to 0.5, the saturation's
            factor from 0 to 2, the contrast's from 0.5 to 1.5. All 0.5 is the identity,
            and saturation does nothing to gray images.
    """
    draws = ops.cast(draws, images.dtype)[:, :, None, None, None]
    images = images + (draws[:, 0] - 0.5)
    gray = ops.mean(images, axis=-1, keepdims=True)
    images = gray + (images - gray) * (2 * draws[:, 1])
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + (images - mean) * (draws[:, 2] + 0.5)


def translate(images, draws):
    """Moves images by up to an eighth of their sides, rounded; zeros come in.

    Args:
        images: Tensor (batch, height, width, channels) in [-1, 1].
        draws: Tensor (batch, 2 or more) in [0, 1), whole pixels down and to the right:
            0 is an eighth up or left, and 0.5 the identity.
    """
    for axis in (1, 2):
        side = images.shape[axis]
        most = (side + 4) // 8
        shifts = _pick(draws[:, axis - 1], 2 * most + 1) - most
        sources = ops.arange(side) - shifts[:, None]
        nearest = ops.clip(sources, 0, side - 1)
        is_inside = ops.cast(sources == nearest, images.dtype)
        moved = ops.take_along_axis(images, _along(axis, nearest), axis=axis)
        images = moved * _along(axis, is_inside)
    return images


def cut_out(images, draws):
    """Sets a rectangle of half the height and width to zero, gray in [-1, 1].

    Args:
        images: Tensor (batch, height, width, channels) in [-1, 1].
        draws: Tensor (batch, 2 or more) in [0, 1), the rectangle's center, from one
            border of the image to the other, where half of it falls off.
    """
    is_cut = True
    for axis in (1, 2):
        side = images.shape[axis]
        size = (side + 1) // 2
        centers = _pick(draws[:, axis - 1], side + 1 - size % 2)
        offsets = ops.arange(side) - (centers - size // 2)[:, None]
        is_between = ops.logical_and(offsets >= 0, offsets < size)
        is_cut = ops.logical_and(is_cut, _along(axis, is_between))
    return images * ops.cast(ops.logical_not(is_cut), images.dtype)


AUGMENTATIONS = {"color": adjust_color, "translation": translate, "cutout": cut_out}


@keras.saving.register_keras_serializable(package="gen_keras")
class DifferentiableAugmentation(layers.Layer):
    """Augments images at random in training, each by itself, anew at each call.

    A discriminator with few images learns them by heart. Augmented real images alone
    would teach the generator to make such; here the generated ones are augmented too,
    and the generator's gradient goes through. Put it first in a discriminator.

    Args:
        policy: Sequence of "color", "translation" and "cutout", in the order of their
            use; see `adjust_color`, `translate` and `cut_out`. The strengths are those
            of the released code.
        pack_size: Integer, the images that come as one, side by side as channels: those
            of a pack of `PacGAN`.
        seed: Integer or `None`, seed of the augmentations.

    Call with images (batch, height, width, channels) in [-1, 1]; returns the same
    shape, not clipped. Where `training=False`, images are handed on as they are.

    Raises:
        ValueError: If `policy` has another name in it.

    Reference:
        Zhao et al., Differentiable Augmentation for Data-Efficient GAN Training, 2020,
        section 3. https://arxiv.org/abs/2006.10738
    """

    def __init__(
        self,
        policy=("color", "translation", "cutout"),
        pack_size=1,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not set(policy) <= set(AUGMENTATIONS):
            names = ", ".join(AUGMENTATIONS)
            raise ValueError(f"`policy` must be of {names}. Received: {policy}")
        self.policy = tuple(policy)
        self.pack_size = pack_size
        self.seed = seed
        self.seed_generator = backend.SeedGenerator(seed)

    def call(self, images, training=False):
        """Returns images augmented, if in training."""
        if not training:
            return images
        images = ops.concatenate(ops.split(images, self.pack_size, axis=-1))
        shape = (ops.shape(images)[0], len(self.policy), 3)
        draws = backend.uniform(shape, seed=self.seed_generator)
        for i, name in enumerate(self.policy):
            images = AUGMENTATIONS[name](images, draws[:, i])
        return ops.concatenate(ops.split(images, self.pack_size), axis=-1)

    def compute_output_shape(self, input_shape):
        """Returns the same shape."""
        return input_shape


def _pick(draws, count):
    """Returns integers from 0 to `count` - 1 for numbers in [0, 1)."""
    return ops.cast(ops.floor(draws * count), "int32")


def _along(axis, values):
    """Reshapes values (batch, side) to go with axis 1 or 2 of images."""
    return values[:, :, None, None] if axis == 1 else values[:, None, :, None]
