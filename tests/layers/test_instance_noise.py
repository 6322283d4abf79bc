import keras
import numpy as np
import pytest
from keras import ops

from gen_keras.layers import InstanceNoise

X = np.linspace(-1, 1, 40_000).reshape(40, 1000).astype("float32")


def noise_of(layer, **options):
    return ops.convert_to_numpy(layer(X, training=True)) - X


def test_noise_falls_linearly_with_the_steps():
    layer = InstanceNoise(0.2, decay_steps=4, seed=0)
    for expected in (0.2, 0.15, 0.1, 0.05, 0, 0):
        noise = noise_of(layer)
        assert noise.std() == pytest.approx(expected, rel=0.02)  # Four standard errors.
        assert noise.mean() == pytest.approx(0, abs=0.004)
        layer.advance()
    assert int(ops.convert_to_numpy(layer.step)) == 6


def test_noise_may_stay():
    layer = InstanceNoise(0.2, decay_steps=None, seed=0)
    for _ in range(3):
        assert noise_of(layer).std() == pytest.approx(0.2, rel=0.02)
        layer.advance()


def test_calls_are_no_steps():
    layer = InstanceNoise(seed=0)
    first, second = noise_of(layer), noise_of(layer)
    assert np.abs(first - second).max() > 0.1  # Drawn anew.
    assert int(ops.convert_to_numpy(layer.step)) == 0


def test_only_in_training():
    layer = InstanceNoise(seed=0)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(X)), X)


def test_one_seed_one_noise():
    first, same, other = (noise_of(InstanceNoise(seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert np.corrcoef(first.ravel(), other.ravel())[0, 1] == pytest.approx(0, abs=0.02)


def test_the_step_is_saved(tmp_path):
    model = keras.Sequential([keras.Input((3,)), InstanceNoise(0.3, 50, seed=1)])
    assert model.output_shape == (None, 3)
    for _ in range(3):
        model.layers[0].advance()
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras").layers[0]
    assert int(ops.convert_to_numpy(restored.step)) == 3
    config = restored.get_config()
    assert config == model.layers[0].get_config()
    assert [config[k] for k in ("standard_deviation", "decay_steps", "seed")] == [
        0.3,
        50,
        1,
    ]


def test_half_precision():
    outputs = InstanceNoise(0.5, dtype="mixed_bfloat16", seed=0)(X, training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    noise = ops.convert_to_numpy(ops.cast(outputs, "float32")) - X
    assert noise.std() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize(
    "arguments",
    [{"standard_deviation": -1}, {"decay_steps": 0}],
)
def test_errors(arguments):
    name, value = next(iter(arguments.items()))
    with pytest.raises(ValueError, match=f"`{name}` must .* Received: {value}"):
        InstanceNoise(**arguments)
