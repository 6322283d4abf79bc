"""The benchmark compares steps that do the same, and its statistics are right."""

import json
import pathlib
import sys

import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "training"))

import benchmark  # noqa: E402
import benchmark_loops  # noqa: E402
import benchmark_worker  # noqa: E402

pytestmark = pytest.mark.backends("tensorflow")


@pytest.mark.parametrize("name", benchmark.MODELS)
def test_loop_does_what_our_step_does(name):
    workload = benchmark_worker.QUICK[name]
    assert benchmark_worker.compare_with_loop(workload) < 1e-5


def test_comparison_sees_another_update(monkeypatch):
    def make_lazy_loop(model):
        model.optimizer.learning_rate = 2e-3
        return make_loop(model)

    make_loop = benchmark_loops.make_loop
    monkeypatch.setattr(benchmark_loops, "make_loop", make_lazy_loop)
    workload = benchmark_worker.QUICK["vae"]
    assert benchmark_worker.compare_with_loop(workload) > 1e-4


def test_products_are_those_of_a_step():
    visible = np.ones((10, 4), "float32")
    products = benchmark_loops.make_products((5, 4, 3), False)(visible)
    assert {tuple(product.shape) for product in products.values()} == {(4, 3)}


def test_interval_is_binomial():
    # Ranks 6 and 15 of 20: P(fewer than 6 of 20 coins) = 0.0207.
    assert benchmark.median_interval(range(1, 21)) == (6, 15)
    assert benchmark.median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)


def test_interval_covers_the_median():
    rng = np.random.default_rng(0)
    bounds = [benchmark.median_interval(rng.normal(size=20)) for _ in range(1000)]
    # 95.9 % with a standard error of 0.6 %.
    assert 0.94 < np.mean([low <= 0 <= high for low, high in bounds]) < 0.98


def test_blocks_alternate():
    calls = []
    runs = {name: lambda name=name: calls.append(name) or 1.0 for name in "ab"}
    seconds = benchmark.alternate(runs, 3)
    assert "".join(calls) == "abbaab" and seconds == {"a": [1.0] * 3, "b": [1.0] * 3}


def test_percentile():
    assert benchmark.percentile(range(1, 101), 95) == 95
    assert benchmark.percentile([5.0], 50) == 5.0


def test_parts_measured_earlier_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "ROOT", tmp_path)
    monkeypatch.setattr(benchmark, "RESULTS", tmp_path / "results" / "benchmark.json")
    benchmark.save({"a": {"wall_seconds": 1.0, "x": 1}}, load=0.0)
    benchmark.save({"b": {"wall_seconds": 2.0}}, load=0.0)
    result = json.loads(benchmark.RESULTS.read_text())
    assert result["metrics"]["a"]["x"] == 1 and result["wall_seconds"] == 3.0
    assert {"command", "seed", "protocol", "hardware"} <= set(result)
