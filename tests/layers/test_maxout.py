import keras
import numpy as np
import pytest
from keras import ops

from gen_keras.layers import Maxout

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(4, 3), (2, 5, 3)])
def test_it_is_the_largest_affine_map(shape):
    x = RNG.normal(0, 1, shape).astype("float32")
    layer = Maxout(2, num_pieces=4, bias_initializer="random_normal")
    outputs = ops.convert_to_numpy(layer(x))
    kernel, bias = layer.get_weights()
    assert kernel.shape == (3, 8) and bias.std() > 0
    expected = np.empty((*shape[:-1], 2))
    for i in range(2):
        pieces = [x @ kernel[:, 4 * i + j] + bias[4 * i + j] for j in range(4)]
        expected[..., i] = np.max(pieces, axis=0)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_the_absolute_value_is_a_maxout():
    layer = Maxout(1, num_pieces=2)
    layer.build((None, 1))
    layer.kernel.assign([[1.0, -1.0]])
    outputs = layer(np.array([[-3.0], [2.0]], "float32"))
    np.testing.assert_array_equal(ops.convert_to_numpy(outputs), [[3.0], [2.0]])


def test_shapes_and_config():
    assert Maxout(7).compute_output_shape((None, 9, 3)) == (None, 9, 7)
    inputs = keras.Input((9, None, 3))
    assert Maxout(7)(inputs).shape == (None, 9, None, 7)
    layer = Maxout(7, 3, kernel_initializer="he_normal", bias_initializer="ones")
    config = layer.get_config()
    assert Maxout.from_config(config).get_config() == config
    assert config["units"] == 7 and config["num_pieces"] == 3
    assert config["kernel_initializer"]["class_name"] == "HeNormal"


@pytest.mark.parametrize("arguments", [{"units": 0}, {"units": 3, "num_pieces": 0}])
def test_errors(arguments):
    with pytest.raises(ValueError, match="must be positive. Received: 0"):
        Maxout(**arguments)
