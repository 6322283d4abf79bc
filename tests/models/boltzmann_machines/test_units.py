"""Each kind of units against its density, by sums and integrals; and RBMs of them."""

import itertools

import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
from keras import ops

from gen_keras import backend, metrics
from gen_keras.models import RBM
from gen_keras.models.boltzmann_machines import units
from tests.model_checks import check_model

INPUTS = np.array([[-2.0, 0.5, 1.0, 3.0]], "float32")
RNG = np.random.default_rng(0)
COUNT = 20_000
# All documents of three words out of four, as sequences and as counts.
SEQUENCES = np.array(list(itertools.product(range(4), repeat=3)))
DOCUMENTS = np.eye(4, dtype="float32")[SEQUENCES].sum(axis=1)


def to_numpy(tensor):
    return ops.convert_to_numpy(tensor)


def to_tensor(array):
    return ops.convert_to_tensor(array, "float32")


def draw(kind, inputs, scale=None, total=None):
    """Returns COUNT draws of each unit of the first row."""
    rows = to_tensor(np.tile(inputs, (COUNT, 1)))
    if total is not None:
        total = ops.full((COUNT, 1), float(total))
    return to_numpy(kind.draw(rows, backend.SeedGenerator(0), scale, total))


def made(kind, shape=(4,)):
    return units.make(kind, shape, "units")


# Densities --------------------------------------------------------------------------


def test_bernoulli():
    kind = made("bernoulli")
    np.testing.assert_allclose(
        to_numpy(kind.log_sum(to_tensor(INPUTS))),
        np.log1p(np.exp(INPUTS)).sum(),
        rtol=1e-6,
    )
    assert_draws(draw(kind, INPUTS), to_numpy(kind.mean(to_tensor(INPUTS)))[0])
    np.testing.assert_allclose(
        to_numpy(kind.mean(to_tensor(INPUTS), 0.5))[0],
        scipy.special.expit(0.5 * INPUTS[0]),
        rtol=1e-6,
    )


def test_gaussian():
    kind = made(units.Gaussian(stddev=1.5))
    variance = np.array([0.25, 1.0, 2.0, 4.0], "float32")
    assert to_numpy(kind.log_variance) == pytest.approx(2 * np.log(1.5))
    kind.log_variance.assign(np.log(variance))

    def density(u, i):
        return np.exp(INPUTS[0, i] * u / variance[i] - u**2 / (2 * variance[i]))

    # log Z by an integral; s and r are those of `statistic` and `own_energy`.
    expected = [np.log(scipy.integrate.quad(density, -50, 50, i)[0]) for i in range(4)]
    assert to_numpy(kind.log_sum(to_tensor(INPUTS)))[0] == pytest.approx(
        sum(expected), rel=1e-5
    )
    states = RNG.normal(0, 1, (3, 4)).astype("float32")
    log_density = to_numpy(kind.statistic(to_tensor(states))) @ INPUTS[0]
    log_density -= to_numpy(kind.own_energy(to_tensor(states)))
    by_hand = [sum(np.log(density(state[i], i)) for i in range(4)) for state in states]
    np.testing.assert_allclose(log_density, by_hand, rtol=1e-5)

    for scale in (None, 0.25):
        drawn = draw(kind, INPUTS, scale)
        assert_draws(drawn, INPUTS[0])
        spread = variance / (scale or 1)
        np.testing.assert_allclose(drawn.var(axis=0), spread, rtol=0.05)


def test_softmax():
    kind = made("softmax", (2, 2))
    groups = INPUTS.reshape(2, 2)
    np.testing.assert_allclose(
        to_numpy(kind.log_sum(to_tensor(INPUTS)))[0],
        np.log(np.exp(groups).sum(axis=1)).sum(),
        rtol=1e-6,
    )
    drawn = draw(kind, INPUTS)
    np.testing.assert_array_equal(drawn.reshape(-1, 2, 2).sum(axis=2), 1)
    for scale in (None, 0.5):
        expected = scipy.special.softmax((scale or 1) * groups, axis=1).ravel()
        np.testing.assert_allclose(
            to_numpy(kind.mean(to_tensor(INPUTS), scale))[0], expected, rtol=1e-5
        )
        assert_draws(draw(kind, INPUTS, scale), expected)


def test_replicated_softmax():
    kind = made("replicated_softmax")
    total = to_tensor([[3.0]])
    # The sum over all sequences of three words.
    energies = np.exp(DOCUMENTS @ INPUTS[0])
    assert to_numpy(kind.log_sum(to_tensor(INPUTS), total))[0] == pytest.approx(
        np.log(energies.sum()), rel=1e-6
    )
    expected = energies @ DOCUMENTS / energies.sum()
    np.testing.assert_allclose(
        to_numpy(kind.mean(to_tensor(INPUTS), total=total))[0], expected, rtol=1e-5
    )
    drawn = draw(kind, INPUTS, total=3)
    np.testing.assert_array_equal(drawn.sum(axis=1), 3)
    assert_draws(drawn, expected)
    # Not only the means: the multinomial's variances, D p (1 - p).
    p = expected / 3
    np.testing.assert_allclose(drawn.var(axis=0), 3 * p * (1 - p), rtol=0.06)


def test_documents_of_several_lengths_keep_them():
    kind = made("replicated_softmax")
    lengths = [0, 1, 7, 3]
    rows, total = to_tensor(np.tile(INPUTS, (4, 1))), to_tensor(lengths)[:, None]
    drawn = to_numpy(kind.draw(rows, backend.SeedGenerator(0), total=total))
    np.testing.assert_array_equal(drawn.sum(axis=1), lengths)
    start = to_numpy(kind.draw_start((5, 4), backend.SeedGenerator(0)))
    np.testing.assert_array_equal(start.sum(axis=1), 100)


def test_noisy_relu_is_a_sum_of_binary_units_of_falling_bias():
    kind = made("noisy_relu")
    copies = np.arange(1, 2001)[:, None] - 0.5
    each = scipy.special.expit(INPUTS - copies)
    mean, variance = each.sum(axis=0), (each * (1 - each)).sum(axis=0)
    log_sum = np.log1p(np.exp(INPUTS - copies)).sum(axis=0)
    # The paper's integrals in place of sums are off by up to 1/24.
    np.testing.assert_allclose(
        to_numpy(kind.mean(to_tensor(INPUTS)))[0], mean, atol=0.012
    )
    assert to_numpy(kind.log_sum(to_tensor(INPUTS)))[0] == pytest.approx(
        log_sum.sum(), abs=4 / 24
    )
    # Draws are rectified normal ones, which for great inputs are like that sum.
    drawn = draw(kind, INPUTS)
    deviation = np.sqrt(scipy.special.expit(INPUTS[0]))
    ratio = INPUTS[0] / deviation
    rectified = INPUTS[0] * scipy.stats.norm.cdf(ratio)
    assert_draws(drawn, rectified + deviation * scipy.stats.norm.pdf(ratio))
    assert drawn[:, 3].mean() == pytest.approx(mean[3], abs=0.1)
    assert drawn[:, 3].var() == pytest.approx(variance[3], abs=0.1)


def test_integral_of_softplus_is_the_dilogarithm():
    x = np.array([-10.0, -3.0, -0.1, 0.0, 0.1, 4.0, 50.0])
    actual = to_numpy(units.integrate_softplus(ops.convert_to_tensor(x, "float32")))
    # scipy's spence(z) is Li2(1 - z).
    expected = -scipy.special.spence(1 + np.exp(x))
    np.testing.assert_allclose(actual, expected, rtol=3e-5)


def test_mean_is_the_derivative_of_log_z():
    step = 1e-2
    for kind, total in (
        (made("bernoulli"), None),
        (made("softmax", (2, 2)), None),
        (made("replicated_softmax"), to_tensor([[3.0]] * 4)),
        (made("noisy_relu"), None),
    ):
        rows = np.tile(INPUTS, (4, 1))
        up, down = (
            to_numpy(kind.log_sum(to_tensor(rows + sign * step * np.eye(4)), total))
            for sign in (1, -1)
        )
        mean = to_numpy(kind.mean(to_tensor(rows), total=total))[0]
        np.testing.assert_allclose((up - down) / (2 * step), mean, atol=2e-3)


def assert_draws(drawn, expected):
    """The means of draws are the expected ones, up to five standard errors."""
    error = 5 * drawn.std(axis=0) / np.sqrt(len(drawn)) + 1e-6
    assert (abs(drawn.mean(axis=0) - expected) < error).all()


# RBMs -------------------------------------------------------------------------------


def make_data(kind):
    """Returns 64 examples of a small layer, and its shape."""
    if kind == "softmax":
        return np.eye(3, dtype="float32")[RNG.integers(0, 3, (64, 2))], (2, 3)
    if kind == "replicated_softmax":
        return RNG.multinomial(5, [0.1, 0.2, 0.3, 0.4], 64).astype("float32"), (4,)
    if kind == "gaussian":
        return RNG.normal(0, 1, (64, 4)).astype("float32"), (4,)
    return RNG.integers(0, 2, (64, 4)).astype("float32"), (4,)


@pytest.mark.parametrize(
    ("visible", "hidden", "num_chains"),
    [
        ("gaussian", "noisy_relu", 0),
        ("softmax", "gaussian", 10),
        ("replicated_softmax", "bernoulli", 0),
    ],
)
def test_model(visible, hidden, num_chains, tmp_path):
    data, shape = make_data(visible)

    def make(compile_options=None, **kwargs):
        model = RBM(
            **{
                "visible_shape": shape,
                "num_hidden": 5,
                # Short documents, which are drawn word by word.
                "visible_units": units.ReplicatedSoftmax(num_words=5)
                if visible == "replicated_softmax"
                else visible,
                "hidden_units": hidden,
                "num_chains": num_chains,
            }
            | kwargs
        )
        model.compile(keras.optimizers.SGD(0.01, momentum=0.5), **compile_options or {})
        return model

    config = {"gibbs_steps": 2, "seed": 3}
    check_model(make, config, data, shape, tmp_path)


def make_rbm(visible, hidden="bernoulli", shape=(4,), num_hidden=3, **options):
    model = RBM(
        shape,
        num_hidden,
        visible_units=visible,
        hidden_units=hidden,
        seed=0,
        **options,
    )
    generator = np.random.default_rng(1)
    for variable in (model.kernel, model.visible_bias, model.hidden_bias):
        variable.assign(generator.normal(0, 1, variable.shape))
    return model


HIDDEN = np.array(list(itertools.product([0, 1], repeat=3)), "float32")


def marginal(model, visible):
    """Returns the sum of exp(-E(v, h)) over h, for each of the given v."""
    return sum(
        np.exp(-to_numpy(model.energy(visible, np.tile(h, (len(visible), 1)))))
        for h in HIDDEN
    )


@pytest.mark.parametrize("kind", ["gaussian", "softmax", "replicated_softmax"])
def test_free_energy_sums_over_hidden_units(kind):
    visible, shape = make_data(kind)
    model = make_rbm(kind, shape=shape)
    np.testing.assert_allclose(
        to_numpy(model.free_energy(visible)),
        -np.log(marginal(model, visible)),
        rtol=2e-4,
        atol=1e-4,
    )


def test_energy_of_gaussian_units_is_that_of_the_paper():
    model = make_rbm("gaussian")
    model.visible_layer.log_variance.assign(np.log([0.5, 1.0, 2.0, 3.0]))
    visible, _ = make_data("gaussian")
    hidden = RNG.integers(0, 2, (64, 3))
    kernel, b, c = model.weight_arrays()
    variance = np.array([0.5, 1.0, 2.0, 3.0])
    # Cho et al., 2011, equation 4, less b² / (2σ²), which is constant.
    expected = ((visible - b) ** 2 / (2 * variance)).sum(1)
    expected -= (b**2 / (2 * variance)).sum()
    expected -= ((visible / variance) @ kernel * hidden).sum(1) + hidden @ c
    actual = to_numpy(model.energy(visible, hidden))
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_energy_of_counts_has_the_hidden_bias_once_a_word():
    model = make_rbm("replicated_softmax")
    hidden = RNG.integers(0, 2, (64, 3))
    kernel, b, c = model.weight_arrays()
    # Salakhutdinov and Hinton, 2009, equation 4.
    expected = -((DOCUMENTS @ kernel) * hidden).sum(1) - DOCUMENTS @ b
    expected -= 3 * hidden @ c
    actual = to_numpy(model.energy(DOCUMENTS, hidden))
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_log_partition_of_words_adds_up_all_sequences():
    model = make_rbm("replicated_softmax")
    log_z = model.log_partition(num_words=3)
    assert log_z == pytest.approx(np.log(marginal(model, DOCUMENTS).sum()), rel=1e-5)
    with pytest.raises(ValueError, match="num_words"):
        model.log_partition()


def test_log_prob_of_documents_has_the_log_partition_of_their_length():
    model = make_rbm("replicated_softmax")
    short, long = DOCUMENTS, 2 * DOCUMENTS
    log_prob = [to_numpy(model.log_prob(documents)) for documents in (short, long)]
    assert np.exp(log_prob[0]).sum() == pytest.approx(1, rel=1e-4)
    both = np.concatenate([short, long])
    with pytest.raises(
        ValueError, match="`log_partition` must be an array, one.* of 3 to 6 words"
    ):
        model.log_prob(both)
    log_z = [model.log_partition(num_words=length) for length in (3, 6)]
    actual = to_numpy(model.log_prob(both, np.repeat(log_z, len(short))))
    np.testing.assert_allclose(actual, np.concatenate(log_prob), rtol=1e-5)


def test_advice_on_too_many_states_is_what_can_be_done():
    with pytest.raises(ValueError, match="of more, use method='ais'. Received: 26"):
        make_rbm("gaussian", num_hidden=26).log_partition("exact")
    relus = make_rbm("bernoulli", "noisy_relu", shape=(26,))
    with pytest.raises(ValueError, match="can be enumerated. Received: 26"):
        relus.log_partition("exact")


def test_log_partition_of_gaussian_units_is_an_integral():
    model = make_rbm("gaussian", shape=(2,))
    model.visible_layer.log_variance.assign(np.log([0.5, 2.0]))
    grid = np.linspace(-15, 15, 601, dtype="float32")
    points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    area = (grid[1] - grid[0]) ** 2
    expected = np.log(marginal(model, points).sum() * area)
    assert model.log_partition() == pytest.approx(expected, rel=1e-4)
    density = np.exp(to_numpy(model.log_prob(points)))
    assert density.sum() * area == pytest.approx(1, rel=1e-3)


def test_log_partition_of_softmax_and_relu_units_adds_up_visible_states():
    groups = np.eye(3)[list(itertools.product(range(3), repeat=2))].astype("float32")
    model = make_rbm("softmax", shape=(2, 3))
    assert model.log_partition() == pytest.approx(
        np.log(marginal(model, groups).sum()), rel=1e-5
    )
    model = make_rbm("bernoulli", "noisy_relu")
    states = np.array(list(itertools.product([0, 1], repeat=4)), "float32")
    free = to_numpy(model.free_energy(states))
    assert model.log_partition() == pytest.approx(np.log(np.exp(-free).sum()), rel=1e-5)
    with pytest.raises(ValueError, match="one layer is binary"):
        make_rbm("gaussian", "noisy_relu").log_partition("exact")


KINDS_TO_ANNEAL = {
    "gaussian": ("gaussian", "bernoulli", (8,), {}),
    "softmax": ("softmax", "bernoulli", (4, 3), {}),
    "words": ("replicated_softmax", "bernoulli", (12,), {"num_words": 7}),
    "gaussian_hidden": ("bernoulli", "gaussian", (8,), {}),
}


def make_random_rbm(scale, shape, **options):
    model = RBM(shape, 6, seed=0, **options)
    rng = np.random.default_rng(1)
    for variable in (model.kernel, model.visible_bias, model.hidden_bias):
        variable.assign(rng.normal(0, scale, variable.shape))
    return model


@pytest.mark.parametrize("kind", KINDS_TO_ANNEAL)
def test_annealing_agrees_with_enumeration(kind):
    visible, hidden, shape, options = KINDS_TO_ANNEAL[kind]
    model = make_random_rbm(0.6, shape, visible_units=visible, hidden_units=hidden)
    if visible == "gaussian":
        rng = np.random.default_rng(2)
        model.visible_layer.log_variance.assign(rng.uniform(-0.5, 0.5, 8))
    exact = model.log_partition("exact", **options)
    annealing = {"num_chains": 200, "schedule": metrics.linear_schedule(350)} | options
    estimate = model.anneal(**annealing)
    assert estimate.standard_error < 0.05
    assert abs(estimate.log_partition - exact) < 3 * estimate.standard_error
    assert model.log_partition("ais", **annealing) == estimate.log_partition
    model.kernel.assign(0 * model.kernel)
    assert abs(model.log_partition("exact", **options) - exact) > 0.3


def test_annealing_weighs_a_state_before_it_moves_on():
    # With few temperatures the other order gives 0.08 nats too much.
    model = make_random_rbm(1.0, (4, 3), visible_units="softmax")
    schedule = metrics.linear_schedule(50)
    estimate = model.anneal(num_chains=500, schedule=schedule)
    error = abs(estimate.log_partition - model.log_partition("exact"))
    assert estimate.standard_error < 0.05
    assert error < 3 * estimate.standard_error


def test_what_cannot_be_annealed_is_named():
    with pytest.raises(ValueError, match="exact draws.*noisy_relu"):
        make_rbm("gaussian", "noisy_relu").log_partition()
    with pytest.raises(ValueError, match="num_chains"):
        make_rbm("gaussian").anneal(num_chains=1)
    with pytest.raises(ValueError, match="from 0 to 1"):
        make_rbm("gaussian").anneal(schedule=[0, 0.5])


def test_chains_of_gaussian_units_reach_the_model_distribution():
    model = make_rbm("gaussian", shape=(2,))
    model.kernel.assign(0.7 * model.kernel)
    for temperature in (1.0, 2.0):
        samples = to_numpy(
            model.sample(8192, seed=0, gibbs_steps=60, temperature=temperature)
        )
        # A mixture of Gaussians, one a hidden state.
        kernel, b, c = model.weight_arrays()
        means = HIDDEN @ kernel.T + b
        log_shares = (0.5 * (means**2).sum(1) + HIDDEN @ c) / temperature
        shares = scipy.special.softmax(log_shares)
        mean = shares @ means
        covariance = temperature * np.eye(2) + (means - mean).T @ (
            shares[:, None] * (means - mean)
        )
        np.testing.assert_allclose(samples.mean(0), mean, atol=0.12)
        np.testing.assert_allclose(np.cov(samples.T), covariance, atol=0.25)


def test_chains_of_words_reach_the_model_distribution():
    model = make_rbm(units.ReplicatedSoftmax(num_words=3))
    samples = to_numpy(model.sample(8192, seed=0, gibbs_steps=30))
    probabilities = marginal(model, DOCUMENTS)
    expected = probabilities @ DOCUMENTS / probabilities.sum()
    np.testing.assert_allclose(samples.mean(axis=0), expected, atol=0.06)
    np.testing.assert_array_equal(samples.sum(axis=1), 3)


def test_variance_is_learned():
    keras.utils.set_random_seed(0)
    data = RNG.normal(0, (0.5, 2.0), (60_000, 2)).astype("float32")
    model = RBM((2,), 2, visible_units="gaussian", seed=0)
    model.compile(keras.optimizers.SGD(0.02))
    model.fit(data, batch_size=100, verbose=0)
    deviation = np.exp(0.5 * to_numpy(model.visible_layer.log_variance))
    np.testing.assert_allclose(deviation, [0.5, 2.0], rtol=0.15)
    fixed = RBM((2,), 2, visible_units=units.Gaussian(learn_variance=False))
    assert len(fixed.trainable_variables) == 3


def test_units_are_saved_with_their_settings(tmp_path):
    model = make_rbm(units.ReplicatedSoftmax(num_words=7))
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    assert restored.visible_layer.num_words == 7
    assert to_numpy(restored.sample(2, gibbs_steps=1)).sum() == 14


def test_what_units_cannot_do_is_said():
    for argument, message in (
        ({"visible_units": "binary"}, "visible_units.*bernoulli, gaussian.*binary"),
        ({"hidden_units": "noisy_relu", "sparsity_cost": 0.1}, "Bernoulli hidden"),
    ):
        with pytest.raises(ValueError, match=message):
            RBM((4,), 3, **argument)
    with pytest.raises(ValueError, match="no joint energy"):
        make_rbm("bernoulli", "noisy_relu").energy(np.zeros((1, 4)), np.zeros((1, 3)))
    words = make_rbm("replicated_softmax")
    with pytest.raises(ValueError, match="not for counts"):
        words.complete(DOCUMENTS, np.ones(4))
    with pytest.raises(ValueError, match="stddev"):
        units.Gaussian(stddev=0.0)
    with pytest.raises(ValueError, match="num_words"):
        units.ReplicatedSoftmax(num_words=0)


@pytest.mark.parametrize(
    ("kind", "shape", "value", "message"),
    [
        ("bernoulli", (4,), 1.5, "from 0 to 1"),
        ("bernoulli", (4,), np.nan, "from 0 to 1"),
        ("bernoulli", (5,), 1.0, r"\(None, 5\)"),
        ("softmax", (2, 2), 1.0, "add up to 1"),
        ("replicated_softmax", (4,), 0.5, "not whole"),
        ("replicated_softmax", (4,), -1.0, "from 0"),
    ],
)
def test_data_that_units_cannot_take_is_refused(kind, shape, value, message):
    model = RBM(shape, 3, visible_units=kind)
    model.compile()
    data_shape = (4,) if shape == (5,) else shape
    with pytest.raises(ValueError, match=message):
        model.fit(np.full((8, *data_shape), value, "float32"), verbose=0)
