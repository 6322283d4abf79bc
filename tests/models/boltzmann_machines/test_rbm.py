import itertools

import keras
import numpy as np
import pytest
from keras import ops

from gen_keras import backend, metrics
from gen_keras.models.boltzmann_machines import rbm
from tests.model_checks import check_model

DATA = (np.random.default_rng(0).uniform(0, 1, (64, 6)) < 0.3).astype("float32")
# All states of 4 visible units.
STATES = np.array(list(itertools.product([0, 1], repeat=4)), "float32")
# Five standard deviations, at most, of a frequency among 8192.
TOLERANCE = 5 * 0.5 / 90


def make_model(learning_rate=0.1, compile_options=None, **kwargs):
    model = rbm.RBM(**{"visible_shape": (6,), "num_hidden": 5} | kwargs)
    model.compile(keras.optimizers.SGD(learning_rate), **compile_options or {})
    return model


def make_tiny_model(**kwargs):
    model = make_model(visible_shape=(4,), num_hidden=3, seed=0, **kwargs)
    generator = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0, 1, variable.shape))
    return model


def state_probabilities(model, temperature=1.0):
    energies = all_energies(model) / temperature
    probabilities = np.exp(-energies).sum(axis=1)
    return probabilities / probabilities.sum()


def all_energies(model):
    """Returns E(v, h) of all states of the tiny model, shape (16, 8)."""
    kernel, b, c = (ops.convert_to_numpy(v) for v in model.trainable_variables)
    hidden = np.array(list(itertools.product([0, 1], repeat=3)))
    return -STATES @ kernel @ hidden.T - (STATES @ b)[:, None] - hidden @ c


def frequencies(samples):
    index = (ops.convert_to_numpy(samples) @ [8, 4, 2, 1]).astype(int)
    return np.bincount(index, minlength=16) / len(samples)


@pytest.mark.parametrize("num_chains", [0, 20])
def test_model(num_chains, tmp_path):
    def make(**kwargs):
        return make_model(**{"num_chains": num_chains} | kwargs)

    check_model(make, {"gibbs_steps": 2, "seed": 3}, DATA, (6,), tmp_path)


def test_free_energy_sums_over_hidden_units():
    model = make_tiny_model()
    expected = -np.log(np.exp(-all_energies(model)).sum(axis=1))
    actual = ops.convert_to_numpy(model.free_energy(STATES))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_log_probabilities_add_up_to_one():
    model = make_tiny_model()
    log_prob = ops.convert_to_numpy(model.log_prob(STATES))
    np.testing.assert_allclose(np.exp(log_prob), state_probabilities(model), rtol=1e-4)


def test_log_partition_by_annealing_agrees_with_enumeration():
    keras.utils.set_random_seed(0)
    model = make_model(visible_shape=(30,), num_hidden=12)
    rng = np.random.default_rng(0)
    model.kernel.assign(rng.normal(0, 0.5, (30, 12)))
    exact = model.log_partition("exact")
    schedule = metrics.linear_schedule(1000)
    estimate = metrics.annealed_importance_sampling(
        *model._weight_arrays(), schedule=schedule
    )
    assert abs(estimate.log_partition - exact) < 3 * estimate.standard_error
    assert estimate.standard_error < 0.1
    assert model.log_partition("ais", schedule=schedule) == estimate.log_partition
    with pytest.raises(ValueError, match="method"):
        model.log_partition("guess")


def test_gradients_are_those_of_the_log_likelihood():
    # -log p(v) = F(v) + log Z, differentiated through an enumeration of all states,
    # against those of free energies, averaged over the probabilities of all states.
    model = make_tiny_model()
    data = STATES[[3, 5, 5, 9]]

    class Probe(rbm.RBM):
        def train_step(self, _):
            def loss_fn():
                log_z = ops.logsumexp(-self.free_energy(STATES))
                return ops.mean(self.free_energy(data)) + log_z, {}

            _, _, gradients = backend.value_and_gradients(
                loss_fn, self.trainable_variables
            )
            return {f"sq_{i}": ops.sum(g * g) for i, g in enumerate(gradients)} | {
                f"sum_{i}": ops.sum(g) for i, g in enumerate(gradients)
            }

    probe = Probe((4,), 3, seed=0)
    probe.set_weights(model.get_weights())
    probe.compile(keras.optimizers.SGD(0.0))
    logs = probe.fit(DATA, batch_size=64, verbose=0).history

    # One state at a time, so that the sums over states are done here, in float64.
    expected = [0.0, 0.0, 0.0]
    one = ops.ones((1,))
    for states, weights in (
        (data, np.full(4, 0.25)),
        (STATES, -state_probabilities(model)),
    ):
        for state, weight in zip(states, weights, strict=True):
            parts = rbm.compute_gradients(
                ops.convert_to_tensor(state[None]), model(state[None]), one
            )
            for i, part in enumerate(parts):
                expected[i] = expected[i] + weight * ops.convert_to_numpy(part)
    for i, gradient in enumerate(expected):
        assert logs[f"sq_{i}"][0] == pytest.approx(np.sum(gradient**2), rel=1e-4)
        assert logs[f"sum_{i}"][0] == pytest.approx(np.sum(gradient), rel=1e-4)


# At 1/2, half the scale in either layer alone would be off by 0.07 and more.
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_gibbs_chains_reach_the_model_distribution(temperature):
    model = make_tiny_model()
    samples = model.sample(8192, gibbs_steps=30, temperature=temperature)
    # p_T(v) ∝ Σ_h exp(-E / T).
    difference = frequencies(samples) - state_probabilities(model, temperature)
    assert abs(difference).max() < TOLERANCE


def test_gibbs_steps_leave_the_model_distribution_unchanged():
    model = make_tiny_model()
    probabilities = state_probabilities(model)
    rng = np.random.default_rng(0)
    start = STATES[rng.choice(16, 8192, p=probabilities)]
    for steps in (1, 3):
        samples = model.gibbs(start, steps, seed=0)
        assert abs(frequencies(samples) - probabilities).max() < TOLERANCE


def test_completion_follows_the_conditional_distribution():
    model = make_tiny_model()
    mask = np.array([1, 1, 0, 0], "float32")
    image = np.array([1, 0, 0, 0], "float32")
    samples = model.complete(np.tile(image, (8192, 1)), mask, seed=0, gibbs_steps=30)
    fits = (STATES[:, :2] == image[:2]).all(axis=1)
    expected = np.where(fits, state_probabilities(model), 0)
    difference = frequencies(samples) - expected / expected.sum()
    assert abs(difference).max() < TOLERANCE


def test_cd_step_is_the_one_of_the_algorithm_box():
    # CD-1 in expectation, by enumeration: <v h> under the data minus <v h> after one
    # sampled step down, with probabilities of h in both.
    model = make_tiny_model(learning_rate=1.0)
    v0 = STATES[6]
    before = [ops.convert_to_numpy(v).copy() for v in model.trainable_variables]
    kernel, b, c = before

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    def bernoulli(states, means):
        return np.prod(np.where(states == 1, means, 1 - means), axis=-1)

    hidden = np.array(list(itertools.product([0, 1], repeat=3)))
    p_hidden = bernoulli(hidden, sigmoid(v0 @ kernel + c))
    p_v1 = p_hidden @ [bernoulli(STATES, sigmoid(kernel @ h + b)) for h in hidden]
    h1 = sigmoid(STATES @ kernel + c)
    expected = [
        np.outer(v0, sigmoid(v0 @ kernel + c)) - (p_v1[:, None] * STATES).T @ h1,
        v0 - p_v1 @ STATES,
        sigmoid(v0 @ kernel + c) - p_v1 @ h1,
    ]

    model.fit(np.tile(v0, (8192, 1)), batch_size=8192, verbose=0)
    for new, old, step in zip(model.trainable_variables, before, expected, strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(new) - old, step, atol=TOLERANCE
        )


def test_persistent_chains_at_equilibrium_give_the_likelihood_gradient():
    model = make_tiny_model(num_chains=8192, gibbs_steps=20, learning_rate=1.0)
    data = STATES[[3, 5, 5, 9]]
    before = make_tiny_model()
    model.fit(data, batch_size=4, verbose=0)
    expected = state_probabilities(before) @ STATES - data.mean(axis=0)
    step = ops.convert_to_numpy(before.visible_bias) - ops.convert_to_numpy(
        model.visible_bias
    )
    np.testing.assert_allclose(step, expected, atol=TOLERANCE)


def test_persistent_chains_go_on_from_where_they_were():
    # Units without couplings but strong biases: one step moves all chains there, and
    # with learning rate 0 they stay.
    model = make_model(num_chains=50, learning_rate=0.0)
    model.kernel.assign(ops.zeros((6, 5)))
    model.visible_bias.assign(np.array([30, -30, 30, -30, 30, -30], "float32"))
    model.fit(DATA, batch_size=32, verbose=0)
    chains = ops.convert_to_numpy(model.chains)
    np.testing.assert_array_equal(chains, np.tile([1, 0] * 3, (50, 1)))


def test_samples_start_from_the_persistent_chains():
    # Couplings so strong that all units are 0 or all are 1, and stay so. Fair coins
    # would lead to either.
    model = make_model(num_chains=50)
    model.kernel.assign(np.full((6, 5), 10.0))
    model.visible_bias.assign(np.full(6, -25.0))
    model.hidden_bias.assign(np.full(5, -30.0))
    for value in (0.0, 1.0):
        model.chains.assign(np.full((50, 6), value))
        samples = ops.convert_to_numpy(model.sample(40, seed=0, gibbs_steps=2))
        np.testing.assert_array_equal(samples, value)


@pytest.mark.parametrize("num_chains", [0, 64])
def test_learns_a_distribution(num_chains):
    keras.utils.set_random_seed(0)
    data = np.tile(STATES[[0, 15]], (512, 1))
    model = make_model(
        visible_shape=(4,), num_hidden=3, num_chains=num_chains, learning_rate=0.5
    )
    model.fit(data, batch_size=64, epochs=40, shuffle=False, verbose=0)
    probabilities = state_probabilities(model)
    # Chains hardly cross from one mode to the other, so their shares are left open.
    assert probabilities[[0, 15]].sum() > 0.8


def test_visible_bias_starts_at_the_log_odds_of_the_data():
    model = make_model()
    model.initialize_visible_bias(DATA)
    odds = ops.convert_to_numpy(ops.sigmoid(model.visible_bias))
    np.testing.assert_allclose(odds, (DATA.sum(axis=0) + 1) / 66, rtol=1e-5)


def test_images_keep_their_shape():
    model = make_model(visible_shape=(2, 3, 1))
    images = DATA.reshape(64, 2, 3, 1)
    for result in (
        model.sample(64, gibbs_steps=1),
        model.gibbs(images),
        model.reconstruct(images),
        model.complete(images, np.ones((2, 3, 1)), gibbs_steps=2),
        model.sample(64, gibbs_steps=1, probabilities=True),
    ):
        assert tuple(result.shape) == (64, 2, 3, 1)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(model.complete(images, np.ones((2, 3, 1)))), images
    )


def test_images_of_another_shape_are_refused():
    model = rbm.RBM((4, 4, 1), 3)
    for shape in ((2, 4, 4, 3), (2, 16), (2, 8, 2, 1)):
        with pytest.raises(ValueError, match=r"\(batch, \*\(4, 4, 1\)\)"):
            model.free_energy(np.zeros(shape))


@pytest.mark.parametrize(
    "argument", [{"num_hidden": 0}, {"gibbs_steps": 0}, {"num_chains": -1}], ids=str
)
def test_bad_arguments(argument):
    with pytest.raises(ValueError, match=next(iter(argument))):
        make_model(**argument)
    with pytest.raises(ValueError, match="gibbs_steps"):
        make_model().sample(1, gibbs_steps=0)
    with pytest.raises(ValueError, match="temperature"):
        make_model().sample(1, temperature=0.0)
