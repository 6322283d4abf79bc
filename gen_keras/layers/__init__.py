"""Layers that several models share."""

from gen_keras.layers.image_pool import ImagePool
