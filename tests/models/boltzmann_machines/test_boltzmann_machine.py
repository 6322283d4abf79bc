import itertools

import keras
import numpy as np
import pytest
from keras import ops

from gen_keras.models import BoltzmannMachine
from gen_keras.models.boltzmann_machines.boltzmann_machine import max_cut
from tests.model_checks import check_model

DATA = (np.random.default_rng(0).uniform(0, 1, (64, 4)) < 0.3).astype("float32")
TOLERANCE = 5 * 0.5 / 90


def states_of(count):
    return np.array(list(itertools.product([0, 1], repeat=count)), "float32")


V, S = states_of(4), states_of(7)


def make_model(learning_rate=0.1, compile_options=None, **kwargs):
    options = {"visible_shape": (4,), "num_hidden": 3, "num_chains": 20}
    model = BoltzmannMachine(**options | kwargs)
    model.compile(keras.optimizers.SGD(learning_rate), **compile_options or {})
    return model


def make_random_model(**kwargs):
    model = make_model(seed=0, **kwargs)
    generator = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0, 1, variable.shape))
    return model


def to_numpy(tensor):
    return ops.convert_to_numpy(tensor)


def all_energies(model, states=S):
    """Returns E(s), one pair of units after the other."""
    couplings, bias = (to_numpy(v) for v in model.trainable_variables)
    visible = model.num_visible
    energies = -states @ bias
    for i, j in itertools.combinations(range(model.num_units), 2):
        if j < visible and not model.visible_connections:
            continue
        if i >= visible and not model.hidden_connections:
            continue
        energies = energies - couplings[i, j] * states[:, i] * states[:, j]
    return energies


def probabilities(model, temperature=1.0):
    weights = np.exp(-all_energies(model) / temperature)
    return weights / weights.sum()


def visible_probabilities(model, temperature=1.0):
    return probabilities(model, temperature).reshape(16, 8).sum(axis=1)


def frequencies(samples):
    index = (to_numpy(samples) @ [8, 4, 2, 1]).astype(int)
    return np.bincount(index, minlength=16) / len(samples)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_regularizer": keras.regularizers.L2(1e-3)},
        {"positive_phase": "mean_field", "visible_connections": False},
    ],
)
def test_model(options, tmp_path):
    def make(**kwargs):
        return make_model(**options | kwargs)

    check_model(make, {"gibbs_steps": 2, "seed": 3}, DATA, (4,), tmp_path)


@pytest.mark.parametrize("visible_connections", [False, True])
@pytest.mark.parametrize("hidden_connections", [False, True])
def test_energy_and_densities(visible_connections, hidden_connections):
    model = make_random_model(
        visible_connections=visible_connections, hidden_connections=hidden_connections
    )
    np.testing.assert_allclose(to_numpy(model.energy(S)), all_energies(model), 1e-4)
    log_z = np.log(np.exp(-all_energies(model)).sum())
    assert model.log_partition() == pytest.approx(log_z, rel=1e-5)
    np.testing.assert_allclose(
        np.exp(model.log_prob(V)), visible_probabilities(model), rtol=1e-4
    )


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_gibbs_chains_reach_the_model_distribution(temperature):
    model = make_random_model()
    samples = model.sample(8192, 0, gibbs_steps=40, temperature=temperature)
    difference = frequencies(samples) - visible_probabilities(model, temperature)
    assert abs(difference).max() < TOLERANCE


def test_completion_follows_the_conditional_distribution():
    model = make_random_model()
    images = np.tile(V[9], (8192, 1))
    samples = model.complete(images, np.array([1, 1, 0, 0]), seed=0, gibbs_steps=40)
    fits = (V[:, :2] == V[9, :2]).all(axis=1)
    expected = np.where(fits, visible_probabilities(model), 0)
    expected = expected / expected.sum()
    assert abs(frequencies(samples) - expected).max() < TOLERANCE
    # The hidden units of a chain that goes on are drawn anew.
    samples = model.gibbs(samples, 20, seed=1, mask=np.array([1, 1, 0, 0]))
    assert abs(frequencies(samples) - expected).max() < TOLERANCE


def test_mean_field_is_a_fixed_point():
    model = make_random_model(gibbs_steps=100)
    means = np.concatenate([V, to_numpy(model.mean_field(V))], axis=1)
    couplings, bias = (to_numpy(v) for v in model.trainable_variables)
    upper = np.triu(couplings, 1)
    inputs = means @ (upper + upper.T) + bias
    expected = 1 / (1 + np.exp(-inputs[:, 4:]))
    np.testing.assert_allclose(means[:, 4:], expected, atol=1e-4)


def test_means_of_the_positive_phase_are_those_of_the_posterior():
    model = make_random_model(positive_phase="mean_field", gibbs_steps=20)
    couplings = to_numpy(model.couplings).copy()
    couplings[4:, 4:] *= 0.15  # Where q is nearly the posterior.
    model.couplings.assign(couplings)
    joint = probabilities(model).reshape(16, 8)
    expected = joint @ states_of(3) / joint.sum(axis=1, keepdims=True)
    positive, _ = model.draw_phases(ops.convert_to_tensor(V), training=False)
    positive = to_numpy(positive)
    np.testing.assert_array_equal(positive[:, :4], V)
    np.testing.assert_allclose(positive[:, 4:], expected, atol=0.008)
    # What couples hidden units counts, little as it is.
    couplings[4:, 4:] = 0
    model.couplings.assign(couplings)
    assert abs(to_numpy(model.mean_field(V)) - expected).max() > 0.03


def test_mean_field_step_is_the_difference_of_statistics():
    options = {"num_chains": 8192, "gibbs_steps": 30, "learning_rate": 1.0}
    model = make_random_model(positive_phase="mean_field", **options)
    before = [to_numpy(v).copy() for v in model.trainable_variables]
    data, joint = V[[3, 5, 5, 9]], probabilities(model)
    means = np.concatenate([data, to_numpy(model.mean_field(data))], axis=1)
    pairs = means.T @ means / 4 - (joint[:, None] * S).T @ S
    expected = np.triu(pairs, 1), means.mean(axis=0) - joint @ S
    model.fit(data, batch_size=4, verbose=0)
    for new, old, step in zip(model.trainable_variables, before, expected, strict=True):
        np.testing.assert_allclose(to_numpy(new) - old, step, atol=TOLERANCE)


def test_regularizer_adds_its_gradient_to_couplings():
    steps = []
    for regularizer in (None, keras.regularizers.L2(0.25)):
        model = make_random_model(kernel_regularizer=regularizer)
        before = to_numpy(model.couplings).copy()
        model.fit(V, batch_size=16, shuffle=False, verbose=0)
        steps.append(to_numpy(model.couplings) - before)
    expected = 0.1 * 0.5 * np.triu(before, 1)
    np.testing.assert_allclose(steps[0] - steps[1], expected, atol=1e-5)


def test_step_is_the_likelihood_gradient():
    model = make_random_model(num_chains=8192, gibbs_steps=30, learning_rate=1.0)
    before = [to_numpy(v).copy() for v in model.trainable_variables]
    joint = probabilities(model).reshape(16, 8)
    data = np.zeros(16)
    data[[3, 5, 9]] = 0.25, 0.5, 0.25
    # The states of the data, its hidden units as the model has them, less the model's.
    shares = (data / joint.sum(axis=1))[:, None] * joint - joint
    shares = shares.ravel()
    expected = np.triu((shares[:, None] * S).T @ S, 1), shares @ S
    model.fit(np.repeat(V[[3, 5, 5, 9]], 2048, axis=0), batch_size=8192, verbose=0)
    for new, old, step in zip(model.trainable_variables, before, expected, strict=True):
        np.testing.assert_allclose(to_numpy(new) - old, step, atol=TOLERANCE)


def test_persistent_chains_go_on_from_where_they_were():
    # Units without couplings but strong biases: one sweep moves all chains there, and
    # with learning rate 0 they stay.
    model = make_model(num_chains=50, gibbs_steps=1, learning_rate=0.0)
    model.couplings.assign(np.zeros((7, 7)))
    signs = np.resize([1, -1], 7)
    model.bias.assign(30 * signs)
    model.fit(DATA, batch_size=32, verbose=0)
    np.testing.assert_array_equal(to_numpy(model.chains), np.tile(signs > 0, (50, 1)))


def test_learns_the_pairs_of_the_data():
    keras.utils.set_random_seed(0)
    data = np.tile(states_of(3)[[0, 0, 3, 6, 7]], (3200, 1))
    model = BoltzmannMachine((3,), num_hidden=0, gibbs_steps=2, seed=0)
    model.compile(keras.optimizers.Adam(0.1))
    model.fit(data, batch_size=200, shuffle=False, verbose=0)
    shares = np.exp(model.log_prob(states_of(3)))
    np.testing.assert_array_equal(to_numpy(model.mean_field(data[:4])), data[:4, :0])
    pairs = (shares[:, None] * states_of(3)).T @ states_of(3)
    np.testing.assert_allclose(pairs, data.T @ data / len(data), atol=0.1)


def test_annealing_finds_the_maximum_cut():
    generator = np.random.default_rng(0)
    weights = np.triu(generator.integers(0, 5, (14, 14)), 1)
    weights = weights + weights.T
    states = states_of(14)
    cuts = (states @ weights * (1 - states)).sum(axis=1)
    cut, value = max_cut(weights, np.linspace(0.01, 2, 100), num_samples=20)
    assert value == cuts.max()
    assert cut @ weights @ (1 - cut) == value
    # In no time it does not: a single chain that is frozen at once.
    _, hasty = max_cut(weights, [0.0], num_samples=1)
    assert hasty < value


def test_a_chain_begins_with_the_visible_units_that_it_is_given():
    model = BoltzmannMachine((4,), 4, hidden_connections=False, seed=0)
    couplings = np.zeros((8, 8))
    couplings[:4, 4:] = 20 * np.eye(4)
    model.couplings.assign(couplings)
    model.bias.assign(np.full(8, -10.0))
    given = np.tile([1, 0, 1, 0], (20, 1)).astype("float32")
    np.testing.assert_array_equal(to_numpy(model.gibbs(given, seed=0)), given)


def test_images_keep_their_shape():
    model = make_model(visible_shape=(2, 2, 1))
    images = DATA.reshape(64, 2, 2, 1)
    for result in (
        model.sample(64, gibbs_steps=1),
        model.gibbs(images),
        model.complete(images, np.ones((2, 2, 1)), gibbs_steps=2),
    ):
        assert tuple(result.shape) == (64, 2, 2, 1)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="positive_phase.*gibbs, mean_field"):
        make_model(positive_phase="exact")
    with pytest.raises(ValueError, match="num_hidden"):
        make_model(num_hidden=-1)
    # Nothing estimates log Z of a general machine, so nothing is advised.
    large = make_model(num_hidden=26)
    with pytest.raises(
        ValueError, match="at most 25 units can be enum.*d. Received: 3"
    ):
        large.log_partition()
    with pytest.raises(ValueError, match="can be enumerated. Received: 26"):
        large.free_energy(V)
    with pytest.raises(ValueError, match="symmetric"):
        max_cut(np.triu(np.ones((3, 3))), [1.0])
    with pytest.raises(ValueError, match="from 0 to 1"):
        make_model().fit(3 * DATA, verbose=0)
