"""Figures of likelihoods against enumerations of small models."""

import json

import annealing
import claim_tables
import make_tables
import measure_likelihoods
import numpy as np
import pytest
from keras import ops

from gen_keras import datasets, metrics
from gen_keras.models import DBM, DBN, RBM

CONFIG = measure_likelihoods.Config(temperatures=1000)


def make_random(model, rng, scale=0.3):
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, scale, variable.shape))
    return model


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    images = datasets.load("mnist", "validation").take(100).images
    return datasets.binarize(images, rng)


MAKERS = {
    "rbm": lambda: RBM((28, 28, 1), 8, seed=0),
    "dbn": lambda: DBN((28, 28, 1), (6, 5), seed=0),
    "dbm": lambda: DBM((28, 28, 1), (7, 4), num_chains=2, seed=0),
}


@pytest.mark.parametrize("name", MAKERS)
def test_figures_are_the_exact_ones(name, images):
    model = make_random(MAKERS[name](), np.random.default_rng(1))
    figures = measure_likelihoods.measure(model, images, images, CONFIG)
    exact = model.log_partition("exact")
    error = figures["log_partition_error"]
    assert abs(figures["log_partition"] - exact) < 3 * error + 0.01
    log_prob = annealing.log_prob(model, images, exact)
    nll = -ops.convert_to_numpy(log_prob).mean()
    assert figures["nll"] == pytest.approx(nll, abs=3 * error + 0.01)
    best = figures.get("nll_summed_out", figures["nll"])
    assert figures["nll_backwards"] == pytest.approx(best + figures["backwards_gap"])
    noise = 4 * figures["backwards_gap_error"]
    assert -0.1 - noise < figures["backwards_gap"] < 1 + noise


def test_the_sum_over_odd_layers_is_the_better_bound(images):
    model = make_random(MAKERS["dbm"](), np.random.default_rng(1))
    figures = measure_likelihoods.measure(model, images, images, CONFIG)
    assert figures["nll_summed_out"] < figures["nll"] - 0.01


@pytest.mark.parametrize("name", MAKERS)
def test_states_are_the_images_and_draws_of_q(name, images):
    model = make_random(MAKERS[name](), np.random.default_rng(1))
    draws = [annealing.draw_states(model, images[:20], seed) for seed in range(300)]
    means = [images[:20].reshape(20, -1)]
    if name == "dbm":
        means.append(ops.convert_to_numpy(model.mean_field(images[:20])[1]))
    if name == "dbn":
        means = [ops.convert_to_numpy(model.prop_up(images[:20], level=1))]
    expected = np.concatenate(means, axis=1)
    np.testing.assert_allclose(np.mean(draws, axis=0), expected, atol=0.15)
    assert set(np.unique(draws)) == {0, 1}


def test_weights_of_states_are_free_energies(images):
    model = make_random(MAKERS["rbm"](), np.random.default_rng(1))
    weights = annealing.log_weights(
        images.reshape(100, -1), *annealing.weights_of(model)
    )
    energies = ops.convert_to_numpy(model.free_energy(images))
    np.testing.assert_allclose(weights, -energies, rtol=1e-5, atol=1e-4)


def test_each_batch_has_draws_of_its_own(images):
    model = make_random(MAKERS["dbm"](), np.random.default_rng(1), scale=1.0)
    likelihood = annealing.Likelihood(model, images, np.linspace(0, 1, 3))
    twice = likelihood.measure_nll(np.concatenate([images, images]), sum_out=True)
    assert not np.allclose(twice[:100], twice[100:], atol=1e-3)
    np.testing.assert_array_equal(
        likelihood.measure_nll(images, sum_out=True), twice[:100]
    )


def test_coins_are_in_hidden_layers_alone(images):
    for name, num_pixels in (("rbm", 784), ("dbn", 6), ("dbm", 784)):
        model = make_random(MAKERS[name](), np.random.default_rng(1))
        rates = model.base_biases(images)
        visible, hidden = model.base_biases(images, coins=True)
        np.testing.assert_array_equal(visible[:num_pixels], rates[0][:num_pixels])
        assert not visible[num_pixels:].any() and not hidden.any()
        assert rates[1].all()


@pytest.mark.parametrize("from_rates, from_coins", [(600.0, 613.0), (600.0, 587.0)])
def test_the_larger_log_z_counts(images, monkeypatch, from_rates, from_coins):
    def anneal(*weights, base_biases, **options):
        value = from_rates if base_biases[1].any() else from_coins
        return metrics.LogPartition(value, 0.1, np.full(100, value), (value, value))

    monkeypatch.setattr(annealing.metrics, "annealed_importance_sampling", anneal)
    model = make_random(MAKERS["rbm"](), np.random.default_rng(1))
    figures = measure_likelihoods.measure(model, images, images, CONFIG)
    assert figures["log_partition"] == max(from_rates, from_coins)
    assert figures["log_partition_from_rates"] == from_rates
    assert figures["log_partition_from_coins"] == from_coins
    energy = ops.convert_to_numpy(model.free_energy(images)).mean()
    assert figures["nll"] == pytest.approx(energy + figures["log_partition"], abs=1e-2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RBM((28, 28, 1), 30),
        lambda: DBN((28, 28, 1), (40, 30)),
        lambda: DBM((28, 28, 1), (30, 30)),
    ],
    ids=("rbm", "dbn", "dbm"),
)
@pytest.mark.parametrize("from_rates, from_coins", [(600.0, 613.0), (600.0, 587.0)])
def test_the_larger_log_z_counts_where_none_is_given(
    images, monkeypatch, make, from_rates, from_coins
):
    def anneal(*weights_and_base):
        value = from_rates if weights_and_base[3][1].any() else from_coins
        return metrics.LogPartition(value, 0.1, np.full(100, value), (value, value))

    monkeypatch.setattr(metrics, "annealed_importance_sampling", anneal)
    model = make()
    log_prob = getattr(model, "log_prob_bound", None) or model.log_prob
    options = {} if isinstance(model, RBM) else {"seed": 0}
    value = log_prob(images[:8], **options)
    wanted = log_prob(images[:8], max(from_rates, from_coins), **options)
    np.testing.assert_allclose(
        ops.convert_to_numpy(value), ops.convert_to_numpy(wanted), rtol=1e-5
    )


def first_rbm(model):
    return model.rbms[0] if isinstance(model, DBN) else model


@pytest.mark.parametrize("name", MAKERS)
def test_both_sides_agree_where_annealing_is_easy(name, images):
    # Of weak couplings, and pixels as bright as digits, few temperatures are enough.
    model = make_random(MAKERS[name](), np.random.default_rng(1), scale=0.05)
    visible_bias = model.biases[0] if name == "dbm" else first_rbm(model).visible_bias
    visible_bias.assign(metrics.base_rate_bias(images))
    schedule = np.linspace(0, 1, 301)
    likelihood = annealing.Likelihood(model, images, schedule)
    figures = likelihood.measure_gap(images)
    assert abs(figures["backwards_gap"]) < 4 * figures["backwards_gap_error"] + 0.02
    assert figures["backwards_gap_error"] < 0.05


def test_models_are_trained_and_measured(tmp_path):
    config = measure_likelihoods.Config(
        variants="dbn,rbm_pcd_5,dbm",
        steps=2,
        layer_steps=2,
        deep_steps=2,
        temperatures=2,
        num_images=100,
        log_dir=str(tmp_path / "runs"),
        out=str(tmp_path / "likelihoods_mnist.json"),
    )
    result = measure_likelihoods.main(config)
    for name in ("rbm_pcd_5", "dbn", "dbm"):
        figures = result["metrics"][name]
        assert 80 < figures["nll"] < figures["nll_backwards"] < 1000
    assert "2 temperatures" in result["protocol"]


@pytest.mark.parametrize("name", ["rbm", "dbm"])
def test_the_gap_is_between_validation_and_training_images(images, name):
    model = MAKERS[name]()
    dark, bright = np.zeros_like(images), np.ones_like(images)
    visible_bias = model.biases[0] if name == "dbm" else model.visible_bias
    visible_bias.assign(metrics.base_rate_bias(dark))
    watch, curve = measure_likelihoods.make_watch(model, dark, bright[:50])
    watch(10)
    (point,) = curve
    assert point["batches"] == 10
    # A bright pixel costs what it has as a bias, log 1 / 101.
    assert point["free_energy_gap"] == pytest.approx(784 * np.log(101), rel=0.05)
    watch, curve = measure_likelihoods.make_watch(
        model, dark, bright, lambda images, rng: 1 - images
    )
    watch(10)
    assert curve[0]["free_energy_gap"] < 0


def test_likelihoods_stand_beside_the_papers(tmp_path):
    curve = [{"batches": 2000 * i, "free_energy_gap": i - 3} for i in range(1, 9)]
    metrics = {
        "rbm_cd_25": {
            "nll": 88.123,
            "nll_backwards": 89,
            "log_partition_from_rates": 600.12,
            "runs": [{"curve": curve}],
        },
        "dbm": {"nll": 90, "nll_summed_out": 88.5, "runs": [{"curve": []}]},
    }
    result = {"command": "COMMAND", "protocol": "Measured.", "metrics": metrics}
    path = tmp_path / "likelihoods_mnist.json"
    path.write_text(json.dumps(result), "utf-8")
    table = claim_tables.make_likelihoods_table(
        make_tables.Config(results=str(tmp_path))
    )
    assert "| RBM, CD-25 | 88.12 |  | 89.00 | 600.1 |  | 86.34 |" in table
    assert "| DBM | 90.00 | 88.50 |  |  |  | 84.62 |" in table
    assert "| RBM, CD-25: free-energy gap after batches | 4,000 | 12,000 |" in table
    assert "| nats | -1.00 | +3.00 |" in table
