import keras
import numpy as np
import pytest
from keras import layers, ops

from gen_keras.layers import DropReference, ReferenceBatch, VirtualBatchNormalization

RNG = np.random.default_rng(0)


def normalize(x, num_reference, epsilon=1e-5):
    """Section 3.5, example by example, from the mean and the mean of squares."""
    n, c = num_reference, x.shape[-1]
    reference = x[:n].reshape(-1, c)
    mean, mean_square = reference.mean(0), (reference**2).mean(0)
    outputs = [
        (example - mean) / np.sqrt(mean_square - mean**2 + epsilon) for example in x[:n]
    ]
    for example in x[n:]:
        own = example.reshape(-1, c)
        m = n / (n + 1) * mean + 1 / (n + 1) * own.mean(0)
        square = n / (n + 1) * mean_square + 1 / (n + 1) * (own**2).mean(0)
        outputs.append((example - m) / np.sqrt(square - m**2 + epsilon))
    return np.stack(outputs)


@pytest.mark.parametrize("shape", [(7, 3), (7, 4, 2, 3)])
def test_against_numpy(shape):
    x = RNG.normal(2, 3, shape).astype("float32")
    layer = VirtualBatchNormalization(4, epsilon=0.1)
    layer.build(shape)
    layer.gamma.assign([1.0, 2.0, 3.0])
    layer.beta.assign([0.0, 0.5, 1.0])
    expected = normalize(x.astype("float64"), 4, 0.1) * [1, 2, 3] + [0, 0.5, 1]
    for training in (False, True):
        outputs = ops.convert_to_numpy(layer(x, training=training))
        np.testing.assert_allclose(outputs, expected, atol=1e-5)


def make_network(num_reference=4):
    inputs = keras.Input((6, 6, 1))
    x = ReferenceBatch(num_reference, name="reference")(inputs)
    x = layers.Conv2D(3, 3, 2, name="conv")(x)
    x = VirtualBatchNormalization(num_reference)(x)
    x = layers.Flatten()(layers.ReLU()(x))
    x = VirtualBatchNormalization(num_reference)(layers.Dense(2)(x))
    return keras.Model(inputs, DropReference(num_reference)(x))


def test_examples_do_not_depend_on_each_other_but_on_the_reference():
    network = make_network()
    assert network.output_shape == (None, 2)
    x = RNG.normal(0, 1, (3, 6, 6, 1)).astype("float32")
    before = network.predict_on_batch(x)
    assert before.shape == (3, 2)
    x[1:] = 5
    after = network.predict_on_batch(x)
    np.testing.assert_allclose(after[0], before[0], atol=1e-6)
    assert np.abs(after[1] - before[1]).max() > 1e-2

    network.get_layer("reference").adapt(RNG.normal(0, 1, (4, 6, 6, 1)))
    assert np.abs(network.predict_on_batch(x)[0] - after[0]).max() > 1e-2


def test_a_reference_is_fixed_and_can_be_given(tmp_path):
    layer = ReferenceBatch(2)
    reference = np.arange(6).reshape(2, 3).astype("float32")
    layer.adapt(reference)
    x = RNG.normal(0, 1, (4, 3)).astype("float32")
    outputs = ops.convert_to_numpy(layer(x))
    np.testing.assert_array_equal(outputs, np.concatenate([reference, x]))
    rest = ops.convert_to_numpy(DropReference(2)(outputs))
    np.testing.assert_array_equal(rest, x)
    assert layer.trainable_weights == []
    with pytest.raises(ValueError, match=r"\(2, 3\). Received: \(3, 3\)"):
        layer.adapt(np.zeros((3, 3)))


def test_the_reference_is_saved(tmp_path):
    network = make_network()
    network.save(tmp_path / "network.keras")
    restored = keras.models.load_model(tmp_path / "network.keras")
    x = RNG.normal(0, 1, (3, 6, 6, 1)).astype("float32")
    np.testing.assert_array_equal(
        network.predict_on_batch(x), restored.predict_on_batch(x)
    )


def test_reference_latents_are_drawn_as_asked():
    uniform = keras.initializers.RandomUniform(-1, 1, seed=0)
    layer = ReferenceBatch(200, initializer=uniform)
    layer.build((None, 5))
    values = layer.get_weights()[0]
    assert -1 <= values.min() < -0.95 and 0.95 < values.max() <= 1
    assert values.std() == pytest.approx(3**-0.5, abs=0.05)
    layer = ReferenceBatch(200)
    layer.build((None, 5))
    assert layer.get_weights()[0].std() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    "layer",
    [
        ReferenceBatch(3, initializer="ones"),
        VirtualBatchNormalization(3, 0.1, "ones", "zeros"),
        DropReference(3),
    ],
)
def test_config(layer):
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config
    assert config["num_reference"] == 3
    with pytest.raises(ValueError, match="`num_reference` must be .* Received: 0"):
        type(layer)(0)


def test_half_precision_has_statistics_in_32_bits():
    x = (1000 + RNG.normal(0, 8, (9, 2))).astype("float32")
    layer = VirtualBatchNormalization(8, dtype="mixed_bfloat16")
    x = ops.cast(x, "bfloat16")
    outputs = layer(x)
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    x, outputs = (ops.convert_to_numpy(ops.cast(v, "float32")) for v in (x, outputs))
    np.testing.assert_allclose(outputs, normalize(x.astype("float64"), 8), atol=0.02)
