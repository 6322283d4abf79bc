import keras
import numpy as np
import pytest
import scipy.special
from keras import ops

from gen_keras.models import DBN, SemanticHashing
from gen_keras.models.boltzmann_machines.dbn import stack_rbms
from tests.model_checks import check_model

RNG = np.random.default_rng(0)
DATA = (RNG.uniform(0, 1, (64, 6)) < 0.3).astype("float32")
COUNTS = RNG.poisson(RNG.uniform(0, 2, (64, 1)), (64, 6)).astype("float32")
# Examples of each kind of visible units.
KINDS = {"bernoulli": DATA, "replicated_softmax": COUNTS}
of_each_kind = pytest.mark.parametrize("kind", KINDS)


def make_model(learning_rate=0.01, compile_options=None, **kwargs):
    shape = {"visible_shape": (6,), "hidden_dims": (5, 4)}
    model = SemanticHashing(**shape | kwargs)
    model.compile(keras.optimizers.Adam(learning_rate), **compile_options or {})
    return model


def make_dbn(kind="bernoulli", **top):
    rbms = stack_rbms((6,), (5, 4), 0, bottom={"visible_units": kind}, top=top)
    dbn = DBN((6,), (5, 4), rbms=rbms, seed=0)
    for rbm in dbn.rbms:
        rbm.set_weights([RNG.normal(0, 1, w.shape) for w in rbm.get_weights()])
    return dbn


def to_numpy(tensor):
    return ops.convert_to_numpy(tensor)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@of_each_kind
def test_model(kind, tmp_path):
    def make(**kwargs):
        return make_model(**{"visible_units": kind} | kwargs)

    config = {"code_noise": 2.0, "seed": 3}
    if kind != "bernoulli":
        config["visible_units"] = kind
    check_model(make, config, KINDS[kind], None, tmp_path)


@of_each_kind
def test_it_begins_as_the_dbn(kind):
    dbn, examples = make_dbn(kind), KINDS[kind]
    model = SemanticHashing.from_dbn(dbn, code_noise=2.0)
    assert model.hidden_dims == (5, 4) and model.code_noise == 2
    assert model.seed == dbn.seed == 0 and model.visible_units == kind
    means = to_numpy(dbn.prop_up(examples))
    np.testing.assert_allclose(to_numpy(model(examples)), means, rtol=1e-4, atol=1e-6)
    codes = model.encode(examples, batch_size=10)
    assert codes.dtype == "uint8"
    np.testing.assert_array_equal(codes, means > 0.5)
    kernel, bias, _ = dbn.top.weight_arrays()
    below = sigmoid(codes @ kernel.T + bias)
    kernel, bias, _ = dbn.rbms[0].weight_arrays()
    logits = below @ kernel.T + bias
    means = sigmoid(logits) if kind == "bernoulli" else scipy.special.softmax(logits, 1)
    np.testing.assert_allclose(to_numpy(model.decode(codes)), means, rtol=1e-4)
    np.testing.assert_allclose(to_numpy(model.reconstruct(examples)), means, rtol=1e-4)


@of_each_kind
def test_loss_is_the_cross_entropy_of_rounded_codes(kind):
    model, examples = SemanticHashing.from_dbn(make_dbn(kind)), KINDS[kind]
    model.compile()
    p = to_numpy(model.reconstruct(examples)).astype("float64")
    entropy = -examples * np.log(p)
    if kind == "bernoulli":
        entropy -= (1 - examples) * np.log(1 - p)
    loss = model.evaluate(examples, batch_size=48, verbose=0)
    assert loss == pytest.approx(entropy.sum(axis=1).mean(), rel=1e-4)


def train_on_noise(kind, code_noise):
    """Returns how far p(bit = 1) is from a half, for what no three bits can tell."""
    rng = np.random.default_rng(1)
    examples = (rng.uniform(0, 1, (256, 12)) < 0.5).astype("float32")
    keras.utils.set_random_seed(0)
    shape = {"visible_shape": (12,), "hidden_dims": (3,), "visible_units": kind}
    model = make_model(0.05, code_noise=code_noise, seed=0, **shape)
    model.fit(np.tile(examples, (400, 1)), batch_size=256, verbose=0)
    return np.abs(to_numpy(model(examples)) - 0.5).mean()


@of_each_kind
def test_noise_makes_codes_binary(kind):
    assert train_on_noise(kind, 4.0) > 0.42 > 0.36 > train_on_noise(kind, 0.0)


def test_documents_of_two_topics_have_codes_that_differ():
    rng = np.random.default_rng(0)
    topics = rng.permutation(20).reshape(2, 10)
    labels = np.arange(100) % 2
    counts = np.zeros((100, 20), "float32")
    for i, label in enumerate(labels):
        words = rng.choice(topics[label], rng.integers(5, 30))
        counts[i] = np.bincount(words, minlength=20)
    keras.utils.set_random_seed(0)
    options = {"visible_units": "replicated_softmax", "seed": 0}
    model = make_model(0.02, visible_shape=(20,), hidden_dims=(8, 4), **options)
    model.fit(counts, batch_size=50, epochs=60, verbose=0)
    codes = model.encode(counts).astype(int)
    distances = abs(codes[:, None] - codes).sum(axis=-1)
    same = labels[:, None] == labels
    assert distances[same].mean() + 1 < distances[~same].mean()
    # Words of a document's own topic are what its code stands for.
    shares = to_numpy(model.reconstruct(counts))
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    own = np.take_along_axis(shares, topics[labels], axis=1).sum(axis=1)
    assert own.mean() > 0.9


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
    with pytest.raises(ValueError, match="from 0 to 1. Received: values from 0 to 255"):
        model.fit(DATA, validation_data=(DATA * 255,), verbose=0)
    with pytest.raises(ValueError, match="from 0 to 1. Received: values from 0 to 255"):
        model.evaluate(DATA * 255, verbose=0)
    with pytest.raises(ValueError, match="`code_noise` must be at least 0"):
        make_model(code_noise=-1.0)
    with pytest.raises(ValueError, match="one of bernoulli, replicated_softmax"):
        make_model(visible_units="gaussian")
    model = make_model(visible_units="replicated_softmax")
    with pytest.raises(ValueError, match="not whole"):
        model.fit(COUNTS / 2, verbose=0)
    with pytest.raises(ValueError, match="from 0 to inf. Received: values from -1"):
        model.encode(COUNTS - 1)


def test_a_dbn_that_it_cannot_train_on_is_refused():
    with pytest.raises(ValueError, match="`dbn` must .*bernoulli or repl.*: gaussian"):
        SemanticHashing.from_dbn(make_dbn("gaussian"))
    with pytest.raises(ValueError, match="`dbn` must .*at the top.* and gaussian"):
        SemanticHashing.from_dbn(make_dbn(hidden_units="gaussian"))
    with pytest.raises(ValueError, match="`dbn` must .*bernoulli.*Rec.*replicated"):
        make_model().initialize(make_dbn("replicated_softmax"))
    with pytest.raises(ValueError, match=r"`dbn` must .*\(5, 3\).*\(5, 4\)"):
        make_model(hidden_dims=(5, 3)).initialize(make_dbn())


@of_each_kind
def test_no_examples_have_no_codes(kind):
    codes = make_model(visible_units=kind).encode(np.zeros((0, 6), "float32"))
    assert codes.shape == (0, 4) and codes.dtype == "uint8"


def test_models_saved_before_there_were_kinds_are_of_images():
    assert SemanticHashing.from_preset("dbn_hash_mnist").visible_units == "bernoulli"
