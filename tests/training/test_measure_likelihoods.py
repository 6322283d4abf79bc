"""Figures of likelihoods against enumerations of small models."""

import json

import annealing
import claim_tables
import make_tables
import measure_likelihoods
import numpy as np
import pytest
from keras import ops

from gen_keras import datasets
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
    error = figures["log_partition_standard_error"]
    assert abs(figures["log_partition"] - exact) < 3 * error + 0.01
    log_prob = annealing.log_prob(model, images, exact)
    nll = -ops.convert_to_numpy(log_prob).mean()
    assert figures["nll"] == pytest.approx(nll, abs=3 * error + 0.01)
    assert figures["nll_backwards"] - figures["nll"] == pytest.approx(
        figures["bracket"], abs=1e-3
    )
    noise = 4 * figures["bracket_standard_error"]  # A DBN's has one draw of an image.
    assert -0.1 - noise < figures["bracket"] < 4 + noise


@pytest.mark.parametrize("name", MAKERS)
def test_what_annealing_finds_backwards_is_the_exact_probability(name, images):
    # Of weak couplings the posterior is factorial, and few temperatures are enough.
    model = make_random(MAKERS[name](), np.random.default_rng(1), scale=0.05)
    own = annealing.weights_of(model)[1:]
    backwards = annealing.reverse_log_prob(model, images, own, np.linspace(0, 1, 301))
    exact = annealing.log_prob(model, images, model.log_partition("exact"))
    gap = ops.convert_to_numpy(exact) - backwards
    assert abs(gap.mean()) < 0.05 + 4 * gap.std() / 10
    assert gap.std() < 1.5


def test_a_model_is_trained_and_measured(tmp_path):
    config = measure_likelihoods.Config(
        variants="rbm_pcd_5",
        steps=2,
        temperatures=2,
        num_images=100,
        log_dir=str(tmp_path / "runs"),
        out=str(tmp_path / "likelihoods_mnist.json"),
    )
    result = measure_likelihoods.main(config)
    figures = result["metrics"]["rbm_pcd_5"]
    assert 100 < figures["nll"] < figures["nll_backwards"] < 600
    assert "2 temperatures" in result["protocol"]


def test_likelihoods_stand_beside_the_papers(tmp_path):
    curve = [{"batches": 2000 * i, "free_energy_gap": i - 3} for i in range(1, 9)]
    metrics = {
        "rbm_cd_25": {"nll": 88.123, "nll_backwards": 89, "runs": [{"curve": curve}]},
        "dbm": {"nll": 90, "runs": [{"curve": []}]},
    }
    result = {"command": "COMMAND", "protocol": "Measured.", "metrics": metrics}
    path = tmp_path / "likelihoods_mnist.json"
    path.write_text(json.dumps(result), "utf-8")
    table = claim_tables.make_likelihoods_table(
        make_tables.Config(results=str(tmp_path))
    )
    assert "| RBM, CD-25 | 88.12 | 89.00 | 86.34 |" in table
    assert "| DBM | 90.00 |  | 84.62 |" in table
    assert "| RBM, CD-25: free-energy gap after batches | 4,000 | 12,000 |" in table
    assert "| nats | -1.00 | +3.00 |" in table
