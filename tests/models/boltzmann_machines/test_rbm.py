import itertools

import keras
import numpy as np
import pytest
from keras import ops

from gen_keras import metrics
from gen_keras.models import RBM, ClassRBM
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


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_regularizer": keras.regularizers.L2(1e-4), "sparsity_cost": 0.1},
        {"num_chains": 20, "inverse_temperatures": (1.0, 0.5)},
    ],
)
def test_model(options, tmp_path):
    def make(**kwargs):
        return make_model(**options | kwargs)

    check_model(make, {"gibbs_steps": 2, "seed": 3}, DATA, (6,), tmp_path)


def test_free_energy_sums_over_hidden_units():
    model = make_tiny_model()
    expected = -np.log(np.exp(-all_energies(model)).sum(axis=1))
    actual = ops.convert_to_numpy(model.free_energy(STATES))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_energy_is_bilinear():
    model = make_tiny_model()
    hidden = np.array(list(itertools.product([0, 1], repeat=3)), "float32")
    for i, row in enumerate(hidden):
        actual = model.energy(STATES, np.tile(row, (16, 1)))
        expected = all_energies(model)[:, i]
        np.testing.assert_allclose(ops.convert_to_numpy(actual), expected, rtol=1e-4)


def test_layers_are_independent_given_each_other():
    model = make_tiny_model()
    joint = np.exp(-all_energies(model))
    hidden = np.array(list(itertools.product([0, 1], repeat=3)), "float32")
    up = joint @ hidden / joint.sum(axis=1, keepdims=True)
    down = (joint.T @ STATES) / joint.sum(axis=0)[:, None]
    np.testing.assert_allclose(
        ops.convert_to_numpy(model.prop_up(STATES)), up, rtol=1e-4
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(model.prop_down(hidden)), down, rtol=1e-4
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(model.reconstruct(STATES)),
        ops.convert_to_numpy(model.prop_down(up)),
        rtol=1e-4,
    )


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
        *model.weight_arrays(), schedule=schedule
    )
    assert abs(estimate.log_partition - exact) < 3 * estimate.standard_error
    assert estimate.standard_error < 0.1
    assert model.log_partition("ais", schedule=schedule) == estimate.log_partition

    data = rng.uniform(0, 1, (50, 30)).astype("float32")
    visible, hidden = model.base_biases(data)
    np.testing.assert_array_equal(visible, metrics.base_rate_bias(data))
    means = ops.convert_to_numpy(model.prop_up(data))
    np.testing.assert_array_equal(hidden, metrics.base_rate_bias(means))
    options = {"schedule": schedule, "num_chains": 500}
    from_rates = model.log_partition("ais", base_biases=(visible, hidden), **options)
    assert from_rates == pytest.approx(exact, abs=0.1)
    with pytest.raises(ValueError, match="method"):
        model.log_partition("guess")


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


@pytest.mark.parametrize("num_chains", [0, 4])
@pytest.mark.parametrize("steps", [1, 3])
def test_so_many_gibbs_steps_are_taken_as_were_asked_for(steps, num_chains):
    # A hidden unit listens to the visible one of its number and to the one before, so
    # that what is 1 spreads by one unit a step.
    model = make_model(num_chains=num_chains, gibbs_steps=steps, num_hidden=6)
    model.kernel.assign(40 * (np.eye(6) + np.eye(6, k=1)))
    model.visible_bias.assign(np.full(6, -20.0))
    model.hidden_bias.assign(np.full(6, -20.0))
    start = np.tile(np.eye(6, dtype="float32")[0], (4, 1))
    expected = np.tile(np.arange(6) <= steps, (4, 1))
    samples = ops.convert_to_numpy(model.gibbs(start, steps, seed=0))
    np.testing.assert_array_equal(samples, expected)
    if num_chains:
        model.chains.assign(start)
        samples = ops.convert_to_numpy(model.sample(4, seed=0, gibbs_steps=steps))
        np.testing.assert_array_equal(samples, expected)
    negative = model.draw_negative(ops.convert_to_tensor(start))
    np.testing.assert_array_equal(ops.convert_to_numpy(negative), expected)


def test_completion_follows_the_conditional_distribution():
    model = make_tiny_model()
    mask = np.array([1, 1, 0, 0], "float32")
    image = np.array([1, 0, 0, 0], "float32")
    samples = model.complete(np.tile(image, (8192, 1)), mask, seed=0, gibbs_steps=30)
    fits = (STATES[:, :2] == image[:2]).all(axis=1)
    expected = np.where(fits, state_probabilities(model), 0)
    difference = frequencies(samples) - expected / expected.sum()
    assert abs(difference).max() < TOLERANCE


def test_a_clamped_chain_goes_on_from_its_state():
    model = make_tiny_model()
    mask = np.array([1, 1, 0, 0], "float32")
    fits = (STATES[:, :2] == [1, 0]).all(axis=1)
    expected = np.where(fits, state_probabilities(model, 0.5), 0)
    expected = expected / expected.sum()
    # From the conditional distribution a step, or three, lead nowhere else; from its
    # least likely state one is too few.
    start = STATES[np.random.default_rng(0).choice(16, 8192, p=expected)]
    options = {"seed": 0, "temperature": 0.5, "mask": mask}
    for steps in (1, 3):
        samples = model.gibbs(start, steps, **options)
        assert abs(frequencies(samples) - expected).max() < TOLERANCE
    rare = np.tile(STATES[np.where(fits, expected, 1).argmin()], (8192, 1))
    samples = frequencies(model.gibbs(rare, **options))
    assert abs(samples - expected).max() > 2 * TOLERANCE and samples[~fits].sum() == 0
    means = ops.convert_to_numpy(model.gibbs(start, probabilities=True, **options))
    np.testing.assert_array_equal(means[:, :2], start[:, :2])
    np.testing.assert_allclose(means.mean(axis=0), expected @ STATES, atol=TOLERANCE)
    assert 0 < means[0, 2] < 1


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


@pytest.mark.parametrize("inverse_temperatures", [(1.0,), (1.0, 0.6, 0.2)])
def test_chains_at_equilibrium_give_the_likelihood_gradient(inverse_temperatures):
    model = make_tiny_model(
        num_chains=8192,
        gibbs_steps=20,
        learning_rate=1.0,
        inverse_temperatures=inverse_temperatures,
    )
    before = [ops.convert_to_numpy(v).copy() for v in model.trainable_variables]
    probabilities = state_probabilities(model)
    hidden = ops.convert_to_numpy(model(STATES))
    shares = np.bincount([3, 5, 5, 9], minlength=16) / 4
    difference = shares - probabilities
    expected = [
        (difference[:, None] * STATES).T @ hidden,
        difference @ STATES,
        difference @ hidden,
    ]
    model.fit(STATES[[3, 5, 5, 9]], batch_size=4, verbose=0)
    for new, old, step in zip(model.trainable_variables, before, expected, strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(new) - old, step, atol=TOLERANCE
        )


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


def test_tempered_chains_cross_from_mode_to_mode():
    # All units 1 and all 0 are equally likely, and nearly nothing else is.
    shares = {}
    for scales in ((1.0,), (1.0, 0.7, 0.4, 0.1)):
        model = make_model(
            num_chains=200,
            gibbs_steps=50,
            inverse_temperatures=scales,
            learning_rate=0.0,
            seed=0,
        )
        model.kernel.assign(np.full((6, 5), 3.0))
        model.visible_bias.assign(np.full(6, -7.5))
        model.hidden_bias.assign(np.full(5, -9.0))
        model.chains.assign(np.ones((200 * len(scales), 6)))
        model.fit(DATA, batch_size=64, verbose=0)
        shares[len(scales)] = ops.convert_to_numpy(model.chains)[:200].mean()
    assert shares[1] > 0.95
    assert 0.35 < shares[4] < 0.65


def test_exchange_loses_no_chain():
    scales = (1.0, 0.7, 0.4, 0.1, 0.0)
    model = make_model(num_chains=100, inverse_temperatures=scales)
    chains = np.arange(3000, dtype="float32").reshape(500, 6)
    energies = np.random.default_rng(0).normal(0, 3, 500).astype("float32")
    tensors = map(ops.convert_to_tensor, (chains, energies))
    moved = ops.convert_to_numpy(model._exchange(*tensors))
    assert not np.array_equal(moved, chains)
    np.testing.assert_array_equal(np.sort(moved[:, 0]), chains[:, 0])


def test_regularizer_adds_its_gradient():
    kernels = []
    for regularizer in (None, keras.regularizers.L2(0.25)):
        model = make_tiny_model(kernel_regularizer=regularizer, learning_rate=0.1)
        before = ops.convert_to_numpy(model.kernel).copy()
        model.fit(STATES, batch_size=16, shuffle=False, verbose=0)
        kernels.append(ops.convert_to_numpy(model.kernel))
    difference = kernels[0] - kernels[1]
    np.testing.assert_allclose(difference, 0.1 * 0.5 * before, atol=1e-5)


def test_sparsity_moves_units_to_the_target():
    activities = []
    for cost in (0.0, 1.0):
        keras.utils.set_random_seed(0)
        model = make_model(sparsity_target=0.2, sparsity_cost=cost, seed=0)
        model.fit(np.tile(DATA, (50, 1)), batch_size=16, verbose=0)
        activities.append(ops.convert_to_numpy(model(DATA)).mean(axis=0))
    off = abs(np.array(activities) - 0.2).max(axis=1)
    assert off[0] > 0.2 and off[1] < 0.05


@pytest.mark.parametrize("num_chains", [0, 64])
def test_learns_a_distribution(num_chains):
    keras.utils.set_random_seed(0)
    data = np.tile(STATES[[0, 15]], (20_000, 1))
    model = make_model(
        visible_shape=(4,), num_hidden=3, num_chains=num_chains, learning_rate=0.5
    )
    model.fit(data, batch_size=64, shuffle=False, verbose=0)
    probabilities = state_probabilities(model)
    # Chains hardly cross from one mode to the other, so their shares are left open.
    assert probabilities[[0, 15]].sum() > 0.8


def test_visible_bias_starts_at_the_log_odds_of_the_data():
    model = make_model()
    model.initialize_visible_bias(DATA)
    odds = ops.convert_to_numpy(ops.sigmoid(model.visible_bias))
    np.testing.assert_allclose(odds, (DATA.sum(axis=0) + 1) / 66, rtol=1e-5)


def test_initial_biases_of_groups_counts_and_images_with_classes():
    groups = np.eye(3)[[[0, 1], [0, 2], [2, 1]]]  # (3, 2, 3)
    model = RBM((2, 3), 4, visible_units="softmax")
    model.initialize_visible_bias(groups)
    shares = np.array([[3, 1, 2], [1, 3, 2]]) / 6
    bias = ops.convert_to_numpy(model.visible_bias).reshape(2, 3)
    np.testing.assert_allclose(np.exp(bias), shares, rtol=1e-5)
    counts = np.array([[1, 0, 2], [4, 0, 1]])
    model = RBM((3,), 4, visible_units="replicated_softmax")
    model.initialize_visible_bias(counts)
    bias = ops.convert_to_numpy(model.visible_bias)
    np.testing.assert_allclose(np.exp(bias), np.array([6, 1, 4]) / 11, rtol=1e-5)
    model = ClassRBM((6,), 2, 3)
    model.initialize_visible_bias(DATA)
    bias = ops.convert_to_numpy(model.visible_bias)
    np.testing.assert_allclose(1 / (1 + np.exp(-bias[:6])), (DATA.sum(axis=0) + 1) / 66)
    np.testing.assert_array_equal(bias[6:], [0, 0])


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


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"inverse_temperatures": (1.0, 0.5)}, "num_chains.*at least 1. Received: 0"),
        ({"inverse_temperatures": (0.5, 0.1), "num_chains": 2}, "fall from 1"),
        ({"inverse_temperatures": (1.0, 1.0), "num_chains": 2}, "fall from 1"),
        ({"inverse_temperatures": (), "num_chains": 2}, "fall from 1"),
        (
            {
                "inverse_temperatures": (1.0, 0.0),
                "num_chains": 2,
                "visible_units": "gaussian",
            },
            "stay above 0",
        ),
        ({"sparsity_target": 0.0}, "sparsity_target"),
        ({"sparsity_cost": -1.0}, "sparsity_cost"),
        ({"hidden_units": "replicated_softmax"}, "cannot be counts"),
    ],
    ids=str,
)
def test_bad_settings(argument, message):
    with pytest.raises(ValueError, match=message):
        make_model(**argument)


def test_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"mask.*\(6,\).*Received: \(5,\)"):
        make_model().complete(DATA, np.ones(5))
    with pytest.raises(ValueError, match="`mask` must have the shape"):
        make_model().gibbs(DATA, mask=np.ones(5))


@pytest.mark.parametrize(
    ("setting", "name"), [("num_chains", "chains"), ("num_hidden", "kernel")]
)
def test_weights_of_other_settings_are_one_clear_error(setting, name, tmp_path):
    settings = {"num_hidden": 4, "num_chains": 6}
    rbm.RBM((6,), **settings).save_weights(tmp_path / "a.weights.h5")
    other = rbm.RBM((6,), **settings | {setting: 5})
    with pytest.raises(
        ValueError, match=f"`{name}` has the shape .*`keras.models.load"
    ):
        other.load_weights(tmp_path / "a.weights.h5")


@pytest.mark.parametrize("rate", [1e30, 1e6])
def test_training_that_diverges_is_named(rate):
    # Binary units are 0 or 1, whatever the weights: no metric is NaN.
    model = make_model()
    model.compile(keras.optimizers.SGD(rate))
    with pytest.raises(ValueError, match="diverged in epoch 1: `kernel`.*lower"):
        model.fit(DATA, verbose=0)


def test_callbacks_of_the_user_are_called_beside_the_watch():
    model = make_model()
    model.compile()
    epochs = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: epochs.append(epoch)
    )
    model.fit(DATA, None, 10, 2, 0, [note])
    model.fit(DATA, verbose=0, callbacks=[note])
    assert epochs == [0, 1, 0]
