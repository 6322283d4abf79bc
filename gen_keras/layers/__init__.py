"""Layers that several models share."""

from gen_keras.layers.differentiable_augmentation import DifferentiableAugmentation
from gen_keras.layers.image_pool import ImagePool
from gen_keras.layers.instance_noise import InstanceNoise
from gen_keras.layers.maxout import Maxout
from gen_keras.layers.minibatch_discrimination import MinibatchDiscrimination
from gen_keras.layers.spectral_normalization import (
    SpectralNormalization,
    keep_estimates,
)
from gen_keras.layers.virtual_batch_normalization import (
    DropReference,
    ReferenceBatch,
    VirtualBatchNormalization,
)
