import keras
import numpy as np
import pytest
from keras import ops

from gen_keras.layers import MinibatchDiscrimination

RNG = np.random.default_rng(0)


def test_against_a_double_loop():
    features = RNG.normal(0, 1, (5, 6)).astype("float32")
    layer = MinibatchDiscrimination(num_kernels=3, kernel_dim=2)
    outputs = ops.convert_to_numpy(layer(features))
    tensor = layer.get_weights()[0].reshape(6, 3, 2)
    expected = np.zeros((5, 3))
    for i, x in enumerate(features):
        for j, y in enumerate(features):
            if i != j:
                for b in range(3):
                    m_i, m_j = x @ tensor[:, b], y @ tensor[:, b]
                    expected[i, b] += np.exp(-np.abs(m_i - m_j).sum())
    np.testing.assert_array_equal(outputs[:, :6], features)
    np.testing.assert_allclose(outputs[:, 6:], expected, atol=1e-5)


def test_equal_images_give_themselves_away():
    layer = MinibatchDiscrimination(4, 5)
    collapsed = ops.convert_to_numpy(layer(np.ones((6, 8), "float32")))
    np.testing.assert_array_equal(
        collapsed[:, 8:], 5
    )  # The others, each at distance 0.
    alone = ops.convert_to_numpy(layer(np.ones((1, 8), "float32")))
    np.testing.assert_array_equal(alone[:, 8:], 0)


def test_initial_columns_have_about_the_length_1():
    layer = MinibatchDiscrimination(10, 5)
    layer.build((None, 2000))
    lengths = np.linalg.norm(layer.get_weights()[0], axis=0)
    np.testing.assert_allclose(lengths, 1, atol=0.1)


def test_shapes_and_config():
    layer = MinibatchDiscrimination(3, 2, kernel_initializer="ones")
    assert layer(keras.Input((6,))).shape == (None, 9)
    config = layer.get_config()
    assert MinibatchDiscrimination.from_config(config).get_config() == config
    assert (config["num_kernels"], config["kernel_dim"]) == (3, 2)


def test_half_precision_measures_in_32_bits():
    layer = MinibatchDiscrimination(
        1, 4, kernel_initializer="identity", dtype="mixed_bfloat16"
    )
    outputs = layer(np.array([[0, 0, 0, 0], [1, 2, 1, 1]], "float32"))
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    closeness = ops.convert_to_numpy(ops.cast(outputs, "float32"))[:, 4]
    np.testing.assert_allclose(closeness, np.exp(-5), rtol=0.004)


@pytest.mark.parametrize("arguments", [(0, 2), (2, 0)])
def test_errors(arguments):
    with pytest.raises(ValueError, match="must be positive. Received: 0"):
        MinibatchDiscrimination(*arguments)
    with pytest.raises(ValueError, match="expected ndim=2"):
        MinibatchDiscrimination(2, 3)(np.ones((1, 2, 3), "float32"))
