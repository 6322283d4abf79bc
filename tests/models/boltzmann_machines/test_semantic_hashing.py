import keras
import numpy as np
import pytest
from keras import ops

from gen_keras.models import DBN, SemanticHashing
from tests.model_checks import check_model

RNG = np.random.default_rng(0)
DATA = (RNG.uniform(0, 1, (64, 6)) < 0.3).astype("float32")


def make_model(learning_rate=0.01, compile_options=None, **kwargs):
    shape = {"visible_shape": (6,), "hidden_dims": (5, 4)}
    model = SemanticHashing(**shape | kwargs)
    model.compile(keras.optimizers.Adam(learning_rate), **compile_options or {})
    return model


def make_dbn():
    keras.utils.set_random_seed(0)
    dbn = DBN((6,), (5, 4), seed=0)
    for rbm in dbn.rbms:
        rbm.set_weights([RNG.normal(0, 1, w.shape) for w in rbm.get_weights()])
    return dbn


def to_numpy(tensor):
    return ops.convert_to_numpy(tensor)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_model(tmp_path):
    config = {"code_noise": 2.0, "seed": 3}
    check_model(make_model, config, DATA, None, tmp_path)


def test_it_begins_as_the_dbn():
    dbn = make_dbn()
    model = SemanticHashing.from_dbn(dbn, code_noise=2.0)
    assert model.hidden_dims == (5, 4) and model.code_noise == 2
    assert model.seed == dbn.seed == 0
    means = to_numpy(dbn.prop_up(DATA))
    np.testing.assert_allclose(to_numpy(model(DATA)), means, rtol=1e-5)
    codes = model.encode(DATA, batch_size=10)
    assert codes.dtype == "uint8"
    np.testing.assert_array_equal(codes, means > 0.5)
    x = codes
    for rbm in reversed(dbn.rbms):
        kernel, bias, _ = rbm._weight_arrays()
        x = sigmoid(x @ kernel.T + bias)
    np.testing.assert_allclose(to_numpy(model.decode(codes)), x, rtol=1e-4)
    np.testing.assert_allclose(to_numpy(model.reconstruct(DATA)), x, rtol=1e-4)


def test_loss_is_the_cross_entropy_of_rounded_codes():
    model = SemanticHashing.from_dbn(make_dbn())
    model.compile()
    p = to_numpy(model.reconstruct(DATA)).astype("float64")
    entropy = -(DATA * np.log(p) + (1 - DATA) * np.log(1 - p)).sum(axis=1)
    loss = model.evaluate(DATA, batch_size=48, verbose=0)
    assert loss == pytest.approx(entropy.mean(), rel=1e-4)


def train_on_twelve_coins(code_noise):
    """Returns how far p(bit = 1) is from a half, for what no three bits can tell."""
    rng = np.random.default_rng(1)
    coins = (rng.uniform(0, 1, (256, 12)) < 0.5).astype("float32")
    keras.utils.set_random_seed(0)
    shape = {"visible_shape": (12,), "hidden_dims": (3,)}
    model = make_model(0.05, code_noise=code_noise, seed=0, **shape)
    model.fit(np.tile(coins, (400, 1)), batch_size=256, verbose=0)
    return np.abs(to_numpy(model(coins)) - 0.5).mean()


def test_noise_makes_codes_binary():
    assert train_on_twelve_coins(4.0) > 0.42 > 0.36 > train_on_twelve_coins(0.0)


def test_noise_is_drawn_by_the_seed():
    def train(seed):
        keras.utils.set_random_seed(0)
        model = make_model(seed=seed)
        model.set_weights([np.full(w.shape, 0.1) for w in model.get_weights()])
        model.fit(DATA, batch_size=32, shuffle=False, verbose=0)
        return to_numpy(model(DATA))

    np.testing.assert_array_equal(train(1), train(1))
    assert not np.array_equal(train(1), train(2))


def test_wrong_images_are_refused():
    model = make_model()
    with pytest.raises(ValueError, match=r"`x` must have the shape \(None, 6\)"):
        model.encode(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="from 0 to 1. Received: values from 0 to 255"):
        model.fit(DATA * 255, verbose=0)
    with pytest.raises(ValueError, match="`code_noise` must be at least 0"):
        make_model(code_noise=-1.0)
