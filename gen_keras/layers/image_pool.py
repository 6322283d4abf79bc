"""A history of generated images, from which a discriminator learns."""

import keras
from keras import layers, ops

from gen_keras import backend


@keras.saving.register_keras_serializable(package="gen_keras")
class ImagePool(layers.Layer):
    """Hands on new images or, half of the time, earlier ones.

    The first `size` images are stored and handed on. From then on each image, by
    itself, is handed on with probability 1/2; else it takes the place of a stored one,
    drawn at random, which is handed on instead. The pool is part of a model's state: it
    is saved and resumed.

    Args:
        size: Integer, how many images are stored; 0 hands on every image as it comes.
        image_shape: Tuple (height, width, channels).
        seed: Integer or `None`, seed of the choices.

    Call with images (batch, *image_shape); returns as many.

    Reference:
        Shrivastava et al., 2017, section 2.3; Zhu et al., 2017, section 4, for 50
        images and one at a time. https://arxiv.org/abs/1612.07828
    """

    def __init__(self, size, image_shape, seed=None, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.size = size
        self.image_shape = tuple(image_shape)
        self.seed = seed
        self.seed_generator = backend.SeedGenerator(seed)
        if size:
            options = {
                "initializer": "zeros",
                "trainable": False,
                "autocast": False,
                "aggregation": "only_first_replica",
            }
            self.images = self.add_weight(
                shape=(size, *self.image_shape), name="images", **options
            )
            self.count = self.add_weight(
                shape=(), dtype="int32", name="count", **options
            )
        self.built = True

    def call(self, images):
        """Returns images of the pool's choice; stores new ones."""
        if not self.size:
            return images
        num_images = ops.shape(images)[0]
        choices = backend.uniform((num_images, 2), seed=self.seed_generator)
        is_swapped = choices[:, 0] < 0.5
        slots = ops.cast(choices[:, 1] * self.size, "int32")

        def exchange(i, state):
            """Image i meets a pool of `count` images."""
            stored, count, handed_on = state
            is_full = count == self.size
            slot = ops.where(is_full, slots[i], count)
            new, old = handed_on[i], ops.take(stored, slot, axis=0)
            goes_in = ops.logical_or(is_swapped[i], ops.logical_not(is_full))
            comes_out = ops.logical_and(is_swapped[i], is_full)
            return (
                _replace(stored, slot, ops.where(goes_in, new, old)),
                ops.minimum(count + 1, self.size),
                _replace(handed_on, i, ops.where(comes_out, old, new)),
            )

        state = (
            ops.convert_to_tensor(self.images),
            ops.convert_to_tensor(self.count),
            ops.cast(images, self.images.dtype),
        )
        stored, count, handed_on = backend.fori_loop(0, num_images, exchange, state)
        self.images.assign(stored)
        self.count.assign(count)
        return handed_on


def _replace(images, index, image):
    start = (index, *[0] * (len(images.shape) - 1))
    return ops.slice_update(images, start, image[None])
