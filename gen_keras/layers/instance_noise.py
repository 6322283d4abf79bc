"""Noise on a discriminator's inputs, which makes real and generated images overlap."""

import keras
from keras import layers, ops

from gen_keras import backend


@keras.saving.register_keras_serializable(package="gen_keras")
class InstanceNoise(layers.Layer):
    """Adds Gaussian noise in training, whose standard deviation falls to zero.

    Where real and generated images lie apart, a perfect discriminator has no gradient
    for the generator. Noise on both lets them overlap. After t steps its standard
    deviation is `standard_deviation` * max(0, 1 - t / `decay_steps`).

    A model calls `advance()` once a step: calls are no measure of time, since a
    discriminator sees real, generated and again generated images in one step.

    Args:
        standard_deviation: Float, at the start, in units of the inputs.
        decay_steps: Integer, the steps until there is no noise; `None`: it stays.
        seed: Integer or `None`, seed of the noise.

    Attributes:
        step: Integer weight, the steps so far, saved with the model.

    Call with inputs of any shape; returns the same shape. Where `training=False`,
    inputs are handed on as they are.

    Raises:
        ValueError: If `standard_deviation` is negative or `decay_steps` not positive.

    Reference:
        Sønderby et al., Amortised MAP Inference for Image Super-resolution, 2016.
        https://arxiv.org/abs/1610.04490
        Arjovsky & Bottou, Towards Principled Methods for Training Generative
        Adversarial Networks, 2017, section 3. https://arxiv.org/abs/1701.04862
    """

    def __init__(self, standard_deviation=0.1, decay_steps=10_000, seed=None, **kwargs):
        super().__init__(**kwargs)
        if standard_deviation < 0:
            raise ValueError(
                "`standard_deviation` must not be negative. "
                f"Received: {standard_deviation}"
            )
        if decay_steps is not None and decay_steps < 1:
            raise ValueError(f"`decay_steps` must be positive. Received: {decay_steps}")
        self.standard_deviation = standard_deviation
        self.decay_steps = decay_steps
        self.seed = seed
        self.seed_generator = backend.SeedGenerator(seed)
        self.step = self.add_weight(
            shape=(),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            name="step",
            aggregation="only_first_replica",
        )
        self.built = True

    def advance(self):
        """Lets one training step pass."""
        self.step.assign_add(1)

    def call(self, inputs, training=False):
        """Returns inputs with noise, if in training."""
        if not training:
            return inputs
        deviation = self.standard_deviation
        if self.decay_steps is not None:
            elapsed = ops.cast(self.step, "float32") / self.decay_steps
            deviation = deviation * ops.maximum(1 - elapsed, 0)
        noise = backend.normal(ops.shape(inputs), seed=self.seed_generator)
        return inputs + ops.cast(deviation * noise, inputs.dtype)

    def compute_output_shape(self, input_shape):
        """Returns the same shape."""
        return input_shape
