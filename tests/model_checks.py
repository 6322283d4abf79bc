"""One behavioural contract for all models, after scikit-learn's `check_estimator`."""

import keras
import numpy as np
import pytest
from keras import ops

from gen_keras import backend


def check_model(
    make_model, config, data, sample_shape, tmp_path, draw=None, jit_compile=True
):
    """Checks what every model promises.

    Args:
        make_model: Function of keyword arguments returning a compiled model. It hands
            `compile_options`, a dict, to `compile`.
        config: Dict of scalar `__init__` arguments, none equal to its default.
        data: Array, a small training set in the model's value range, or a tuple (x, y).
        sample_shape: Tuple, the shape of one sample; `None` for a model without noise.
        tmp_path: Folder for files.
        draw: Function `(model, num_samples, seed=None)` that returns random outputs;
            by default `model.sample`.
        jit_compile: Boolean, whether to compile by XLA, too.
    """
    if draw is None and sample_shape is not None:
        with pytest.raises(ValueError, match="num_samples.*at least 1. Received: 0"):
            make_model().sample(0)
    draw = draw or (lambda model, *args, **kwargs: model.sample(*args, **kwargs))
    data = data if isinstance(data, tuple) else (data,)
    check_config(make_model, config)
    if sample_shape is not None:
        check_sample(make_model, sample_shape, draw)
    check_save_and_load(make_model, config, tmp_path)
    check_training(make_model, data, tmp_path)
    if jit_compile and backend.NAME != "torch":  # Keras runs torch eagerly.
        check_jit_compile(make_model, data)


def check_config(make_model, config):
    stored = make_model(**config).get_config()
    for name, value in config.items():
        assert stored[name] == value, f"{name}: {stored[name]} is not {value}"


def check_sample(make_model, sample_shape, draw):
    model, twin, other = make_model(seed=1), make_model(seed=1), make_model(seed=2)
    for copy in (twin, other):
        copy.set_weights(model.get_weights())
    keras.utils.set_random_seed(0)  # The model's own seed must decide, not this one.
    samples = ops.convert_to_numpy(draw(model, 3))
    keras.utils.set_random_seed(1)
    assert samples.shape == (3, *sample_shape)
    low, high = model.value_range
    assert low <= samples.min() and samples.max() <= high
    np.testing.assert_array_equal(samples, ops.convert_to_numpy(draw(twin, 3)))
    assert not np.array_equal(samples, ops.convert_to_numpy(draw(other, 3)))

    # A seed given to `sample` decides alone, and leaves the model's stream as it was.
    first = ops.convert_to_numpy(draw(model, 3, seed=5))
    np.testing.assert_array_equal(first, ops.convert_to_numpy(draw(other, 3, seed=5)))
    assert not np.array_equal(first, ops.convert_to_numpy(draw(model, 3, seed=6)))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(draw(model, 3)), ops.convert_to_numpy(draw(twin, 3))
    )
    with pytest.raises(ValueError, match="seed"):
        draw(model, 3, seed=-1)


def check_save_and_load(make_model, config, tmp_path):
    model = make_model(**config)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert type(restored) is type(model)
    assert_same_variables(model.variables, restored.variables)
    for name, value in config.items():
        assert restored.get_config()[name] == value, name


def check_training(make_model, data, tmp_path):
    """`fit` moves all weights, `evaluate` none; a loaded model trains on alike."""
    options = {"batch_size": len(data[0]) // 2, "verbose": 0}
    model = make_model(seed=1)
    before = arrays_of(model.trainable_variables)
    history = model.fit(*data, **options, shuffle=False, epochs=2).history
    assert set(history) == set(model.metric_names)
    assert all(np.isfinite(values).all() for values in history.values()), history
    unchanged = [
        variable.path
        for variable, value in zip(model.trainable_variables, before, strict=True)
        if np.array_equal(ops.convert_to_numpy(variable), value)
    ]
    assert not unchanged, f"fit() left these weights as they were: {unchanged}"

    before = arrays_of(model.weights)
    logs = model.evaluate(*data, **options, return_dict=True)
    assert set(logs) == set(model.metric_names)
    assert np.isfinite(list(logs.values())).all(), logs
    assert_same_variables(model.weights, before)

    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    for each in (model, restored):
        each.fit(*data, **options, shuffle=False, epochs=2)
    assert_same_state(model, restored)


def arrays_of(variables):
    return [ops.convert_to_numpy(v).copy() for v in variables]


def check_jit_compile(make_model, data):
    model = make_model(seed=1, compile_options={"jit_compile": True})
    history = model.fit(*data, batch_size=len(data[0]) // 2, verbose=0).history
    logs = model.evaluate(*data, batch_size=len(data[0]), verbose=0, return_dict=True)
    for values in (*history.values(), *logs.values()):
        assert np.isfinite(values).all(), (history, logs)


def assert_same_state(a, b):
    assert_same_variables(a.variables, b.variables)
    assert_same_variables(a.optimizer.variables, b.optimizer.variables)


def assert_same_variables(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(x), ops.convert_to_numpy(y), err_msg=x.path
        )


def dropped_by(network):
    """Returns the rate of each dropout layer, and what it drops of ones."""
    found = []
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dropout):
            ones = np.ones((64, layer.input.shape[-1]), "float32")
            kept = ops.convert_to_numpy(layer(ones, training=True))
            found.append((layer.rate, kept == 0))
    return found
