import keras
import numpy as np
import pytest

from gen_keras import schedules


def test_linear_decay_is_constant_then_falls_to_nothing():
    rate = schedules.LinearDecay(0.5, constant_steps=10, decay_steps=4)
    values = [float(rate(step)) for step in range(18)]
    expected = [0.5] * 11 + [0.375, 0.25, 0.125] + [0.0] * 4
    np.testing.assert_allclose(values, expected, atol=1e-7)


def test_linear_decay_is_cyclegans():
    # Appendix 7.1 and the released code: 1 - max(0, e + e0 - n) / (n_decay + 1), with
    # e0 = 1 counted from 0, n = n_decay = 100.
    rate = schedules.LinearDecay(1.0, constant_steps=99, decay_steps=101)
    for epoch in (0, 50, 99, 100, 150, 199):
        expected = 1 - max(0, epoch + 1 - 100) / 101
        assert float(rate(epoch)) == pytest.approx(expected, abs=1e-6)


def test_exponential_decay_is_bigans():
    # Released code: the same factor each epoch of the second half, 0.01 in all.
    rate = schedules.ExponentialDecay(2e-4, constant_steps=200, decay_steps=200)
    values = [float(rate(epoch)) for epoch in range(420)]
    np.testing.assert_allclose(values[:201], 2e-4, rtol=1e-5)
    ratios = np.divide(values[201:401], values[200:400])
    np.testing.assert_allclose(ratios, 0.01 ** (1 / 200), rtol=1e-4)
    np.testing.assert_allclose(values[400:], 2e-6, rtol=1e-5)


@pytest.mark.parametrize("make", [schedules.LinearDecay, schedules.ExponentialDecay])
def test_decay_survives_saving(make):
    rate = make(0.5, 10, 4)
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(rate)
    )
    assert type(restored) is make and restored.get_config() == rate.get_config()
    optimizer = keras.optimizers.Adam(rate)
    restored = keras.optimizers.Adam.from_config(optimizer.get_config())
    assert float(restored.learning_rate) == 0.5


@pytest.mark.parametrize("steps", [(-1, 4), (10, 0)])
def test_bad_steps(steps):
    with pytest.raises(ValueError, match="constant_steps"):
        schedules.LinearDecay(0.5, *steps)
