"""Annealed importance sampling against sums over all states."""

import itertools

import numpy as np
import pytest

from gen_keras import metrics


def make_rbm(num_visible, num_hidden, scale=1.0, seed=1):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(0, scale, (num_visible, num_hidden)),
        rng.normal(0, 0.5, num_visible),
        rng.normal(0, 0.5, num_hidden),
    )


def enumerate_log_partition(kernel, visible_bias, hidden_bias):
    """Adds up exp(-E(v, h)) over all pairs of states, straight from the definition."""
    total = 0.0
    for v in itertools.product((0, 1), repeat=len(visible_bias)):
        for h in itertools.product((0, 1), repeat=len(hidden_bias)):
            v, h = np.array(v), np.array(h)
            total += np.exp(v @ kernel @ h + visible_bias @ v + hidden_bias @ h)
    return np.log(total)


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3, 6)])
def test_exact_log_partition_is_the_sum_over_all_states(shape):
    rbm = make_rbm(*shape)
    exact = metrics.exact_log_partition(*rbm)
    np.testing.assert_allclose(exact, enumerate_log_partition(*rbm), rtol=1e-12)


def test_exact_log_partition_of_independent_units_has_a_closed_form():
    # More units than one block of states holds, and 1 + exp(-|x|) of so many visible
    # units multiplies to more than float64 can hold.
    visible_bias, hidden_bias = np.linspace(-0.1, 0.1, 1100), np.linspace(-2, 2, 13)
    exact = metrics.exact_log_partition(np.zeros((1100, 13)), visible_bias, hidden_bias)
    expected = np.logaddexp(0, visible_bias).sum() + np.logaddexp(0, hidden_bias).sum()
    np.testing.assert_allclose(exact, expected, rtol=1e-12)


def test_exact_log_partition_refuses_what_cannot_be_enumerated():
    with pytest.raises(
        ValueError, match="at most 25 units.*use annealed.*Received: 26"
    ):
        metrics.exact_log_partition(np.zeros((30, 26)), np.zeros(30), np.zeros(26))
    with pytest.raises(ValueError, match="num_visible, num_hidden.*Received: kernel"):
        metrics.exact_log_partition(np.zeros((3, 4)), np.zeros(4), np.zeros(3))


# The last RBM is so strongly coupled that adding the weight after the Gibbs step, where
# it belongs before it, is 10 standard errors too high; the mean of logs 8 too low.
@pytest.mark.parametrize(
    ("shape", "scale"), [((6, 14), 1.0), ((20, 10), 1.0), ((60, 12), 1.0)]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_estimate_is_within_three_standard_errors_of_exact(shape, scale, dtype):
    rbm = make_rbm(*shape, scale)
    exact = metrics.exact_log_partition(*rbm)
    estimate = metrics.annealed_importance_sampling(
        *rbm, schedule=metrics.linear_schedule(100), num_chains=500, dtype=dtype
    )
    assert abs(estimate.log_partition - exact) < 3 * estimate.standard_error
    assert 0 < estimate.standard_error < 0.1


def test_any_base_model_leads_to_the_same_partition_function():
    rbm = make_rbm(60, 12)
    exact = metrics.exact_log_partition(*rbm)
    rng = np.random.default_rng(5)
    base_biases = rng.normal(0, 1, 60), rng.normal(0, 1, 12)
    estimate = metrics.annealed_importance_sampling(
        *rbm, base_biases, metrics.linear_schedule(200), num_chains=500
    )
    assert abs(estimate.log_partition - exact) < 3 * estimate.standard_error


def test_a_base_at_the_rates_of_both_layers_needs_fewer_temperatures():
    # Many hidden units, few of which are ever active: from coins most are at first.
    kernel, visible_bias, _ = make_rbm(16, 400, scale=0.5)
    rbm = kernel, visible_bias, np.full(400, -3.0)
    exact = metrics.exact_log_partition(*rbm)
    rng = np.random.default_rng(0)
    visible = np.zeros((200, 16))
    for _ in range(200):  # Samples of the model.
        hidden = 1 / (1 + np.exp(-visible @ kernel + 3))
        drawn = (rng.random(hidden.shape) < hidden).astype(float)
        means = 1 / (1 + np.exp(-drawn @ kernel.T - visible_bias))
        visible = (rng.random(means.shape) < means).astype(float)
    rates = metrics.base_rate_bias(visible), metrics.base_rate_bias(hidden)
    for_visible_alone = rates[0], np.zeros(400)
    errors = [
        exact
        - metrics.annealed_importance_sampling(
            *rbm, base_biases, metrics.linear_schedule(30)
        ).log_weights.mean()
        for base_biases in (None, for_visible_alone, rates)
    ]
    assert 0 < errors[2] < 0.6 * min(errors[:2])


def test_one_temperature_is_plain_importance_sampling():
    """The whole estimate by hand: weights at samples of the base model."""
    kernel, visible_bias, hidden_bias = make_rbm(4, 3)
    estimate = metrics.annealed_importance_sampling(
        kernel, visible_bias, hidden_bias, schedule=[0, 1], num_chains=4, seed=2
    )
    uniform = np.random.default_rng(2).random((4, 4), "float32")
    visible = (uniform < 0.5).astype("float64")
    log_target = visible @ visible_bias
    log_target += np.logaddexp(0, visible @ kernel + hidden_bias).sum(axis=1)
    # The base model is uniform: p_A(v) = 2^-4, up to the hidden units alike.
    np.testing.assert_allclose(
        estimate.log_weights, log_target + 4 * np.log(2), rtol=1e-6
    )
    weights = np.exp(estimate.log_weights)
    np.testing.assert_allclose(estimate.log_partition, np.log(weights.mean()))
    np.testing.assert_allclose(
        estimate.standard_error, weights.std(ddof=1) / 2 / weights.mean()
    )
    assert estimate.log_weight_range == (
        min(estimate.log_weights),
        max(estimate.log_weights),
    )


def test_uncoupled_rbm_with_its_own_base_has_no_spread():
    _, visible_bias, hidden_bias = make_rbm(30, 8)
    estimate = metrics.annealed_importance_sampling(
        np.zeros((30, 8)),
        visible_bias,
        hidden_bias,
        (visible_bias, hidden_bias),
        metrics.linear_schedule(5),
    )
    exact = np.logaddexp(0, np.append(visible_bias, hidden_bias)).sum()
    np.testing.assert_allclose(estimate.log_weights, exact, rtol=1e-8)


def log_probabilities(rbm, visible):
    """Returns log p(v) exactly."""
    kernel, visible_bias, hidden_bias = rbm
    log_weights = visible @ visible_bias
    log_weights += np.logaddexp(0, visible @ kernel + hidden_bias).sum(axis=1)
    return log_weights - metrics.exact_log_partition(*rbm)


@pytest.mark.parametrize("num_temperatures", [1, 3, 20])
def test_reverse_annealing_weighs_a_distribution(num_temperatures):
    # What annealing ends with is a distribution, however few the temperatures: the
    # means of exp(log w) over all images add up to 1.
    rbm = make_rbm(4, 3)
    states = np.array(list(itertools.product([0, 1], repeat=4)))
    log_weights = metrics.reverse_annealing(
        *rbm,
        np.repeat(states, 4000, axis=0),
        base_biases=([0.3, -0.5, 0.0, 1.0], [-0.4, 0.6, 1.0]),
        schedule=metrics.linear_schedule(num_temperatures),
        dtype="float64",
    )
    weights = np.exp(log_weights).reshape(16, 4000)
    error = np.sqrt((weights.var(axis=1) / 4000).sum())
    assert abs(weights.mean(axis=1).sum() - 1) < 3 * error + 1e-9
    assert error < 0.02


def test_annealing_forwards_and_backwards_bracket_the_likelihood():
    rbm = make_rbm(20, 10, scale=1.5)
    rng = np.random.default_rng(0)
    path = metrics.annealed_importance_sampling
    exact_log_z = metrics.exact_log_partition(*rbm)
    visible = (rng.random((400, 20)) < 0.5).astype("float64")
    kernel, visible_bias, hidden_bias = rbm
    for _ in range(500):  # Samples of the model.
        means = 1 / (1 + np.exp(-visible @ kernel - hidden_bias))
        hidden = (rng.random(means.shape) < means).astype("float64")
        means = 1 / (1 + np.exp(-hidden @ kernel.T - visible_bias))
        visible = (rng.random(means.shape) < means).astype("float64")
    exact = log_probabilities(rbm, visible).mean()
    gaps = []
    for num_temperatures in (10, 1000):
        schedule = metrics.linear_schedule(num_temperatures)
        below = metrics.reverse_annealing(*rbm, visible, schedule=schedule).mean()
        estimate = path(*rbm, schedule=schedule, num_chains=2)
        # A mean of log weights is below log Z, so it makes the likelihood too high.
        above = exact + exact_log_z - estimate.log_weights.mean()
        assert below < exact < above + 0.05
        gaps.append(exact - below)
    assert gaps[1] < 0.1 < gaps[0]


def test_weights_that_diverged_are_named():
    kernel, visible_bias, hidden_bias = make_rbm(4, 3)
    kernel[1, 2] = np.nan
    for function in (metrics.exact_log_partition, metrics.annealed_importance_sampling):
        with pytest.raises(ValueError, match="finite.*lower learning rate.*decay"):
            function(kernel, visible_bias, hidden_bias)


def test_reverse_annealing_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"visible.*\(num_examples, 4\).*\(2, 5\)"):
        metrics.reverse_annealing(*make_rbm(4, 3), np.zeros((2, 5)))


def test_large_weights_do_not_overflow():
    kernel, visible_bias, hidden_bias = make_rbm(40, 600, scale=20)
    estimate = metrics.annealed_importance_sampling(
        kernel, 100 * visible_bias, hidden_bias, schedule=metrics.linear_schedule(10)
    )
    assert np.all(np.isfinite(estimate.log_weights))


def test_seed_decides():
    rbm = make_rbm(10, 5)
    options = {"schedule": metrics.linear_schedule(10), "num_chains": 5}
    first, again, other = (
        metrics.annealed_importance_sampling(*rbm, **options, seed=seed)
        for seed in (0, 0, 1)
    )
    assert first.log_partition == again.log_partition != other.log_partition


def test_schedules():
    np.testing.assert_allclose(metrics.linear_schedule(4), [0, 0.25, 0.5, 0.75, 1])
    reference = metrics.reference_schedule()
    assert len(reference) == 14501
    np.testing.assert_allclose(reference[[0, 1, 500, 501, 4500, 4501, 14500]], [
        0, 1e-3, 0.5, 0.5001, 0.9, 0.90001, 1
    ])  # fmt: skip


def test_base_rate_bias_is_the_logit_of_the_smoothed_mean():
    images = np.array([[[1.0], [0.0]], [[1.0], [1.0]]])  # (2, 2, 1)
    bias = metrics.base_rate_bias(images)
    np.testing.assert_allclose(bias, [np.log(0.75 / 0.25), 0.0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": [0.0, 0.5]}, "from 0 to 1"),
        ({"schedule": []}, "from 0 to 1"),
        ({"schedule": [[0.0, 1.0]]}, "from 0 to 1"),
        ({"schedule": [0.0, 0.7, 0.5, 1.0]}, "from 0 to 1"),
        ({"num_chains": 1}, "at least 2. Received: 1"),
        ({"base_biases": [np.zeros(3)] * 2}, r"\(4,\) and \(3,\).*\(3,\), \(3,\)"),
    ],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        metrics.annealed_importance_sampling(*make_rbm(4, 3), **options)
