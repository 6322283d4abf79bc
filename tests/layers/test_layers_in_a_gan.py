"""All layers at once in a model that trains, is saved, and goes on alike."""

import keras
import numpy as np
from keras import layers, ops

from gen_keras import backend
from gen_keras.layers import (
    DifferentiableAugmentation,
    DropReference,
    InstanceNoise,
    Maxout,
    MinibatchDiscrimination,
    ReferenceBatch,
    SpectralNormalization,
    VirtualBatchNormalization,
)
from gen_keras.models import DCGAN
from tests.model_checks import check_jit_compile, check_training

IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, 16, 16, 1)).astype("float32")


def build_generator():
    inputs = keras.Input((3,))
    uniform = keras.initializers.RandomUniform(-1, 1)
    x = ReferenceBatch(4, initializer=uniform)(inputs)
    x = layers.Reshape((4, 4, 2))(layers.Dense(32)(x))
    x = layers.ReLU()(VirtualBatchNormalization(4)(x))
    x = SpectralNormalization(layers.Conv2DTranspose(1, 4, 4, activation="tanh"))(x)
    x = layers.Activation("linear", dtype="float32")(DropReference(4)(x))
    return keras.Model(inputs, x)


def build_discriminator():
    inputs = keras.Input((16, 16, 1))
    x = InstanceNoise(0.1, 100, seed=1, name="noise")(inputs)
    x = DifferentiableAugmentation(seed=2)(x)
    x = SpectralNormalization(layers.Conv2D(3, 4, 4, activation="relu"), name="sn")(x)
    x = Maxout(5, num_pieces=2)(layers.Flatten()(x))
    x = MinibatchDiscrimination(3, 2)(x)
    return keras.Model(inputs, layers.Dense(1, dtype="float32")(x))


def make_gan(compile_options=None, **arguments):
    keras.utils.set_random_seed(0)
    networks = {"generator": build_generator(), "discriminator": build_discriminator()}
    model = DCGAN((16, 16, 1), 3, **networks, **arguments)
    model.compile(**(compile_options or {}))
    return model


def test_training_saving_and_compiling(tmp_path):
    check_training(make_gan, (IMAGES,), tmp_path)
    if backend.NAME == "tensorflow":  # JAX compiles always, Keras runs torch eagerly.
        check_jit_compile(make_gan, (IMAGES,))


def test_states_in_half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = make_gan()
        noise, wrapper = map(model.discriminator.get_layer, ("noise", "sn"))
        before = ops.convert_to_numpy(wrapper.u).copy()
        history = model.fit(IMAGES, batch_size=4, epochs=2, verbose=0).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert all(np.isfinite(values).all() for values in history.values())
    assert int(ops.convert_to_numpy(noise.step)) == 4
    assert np.abs(ops.convert_to_numpy(wrapper.u) - before).max() > 1e-3
    assert wrapper.layer.compute_dtype == "bfloat16" and wrapper.u.dtype == "float32"
