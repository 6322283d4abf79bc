"""The benchmark compares steps that do the same, and its statistics are right."""

import inspect
import json
import math
import pathlib
import sys

import numpy as np
import pytest

from gen_keras import models

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "training"))

import benchmark  # noqa: E402
import benchmark_annealing  # noqa: E402
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


# The GANs -----------------------------------------------------------------------------


def test_variants_are_all_gans_that_sample():
    gans = {
        name
        for name, value in vars(models).items()
        if inspect.isclass(value) and issubclass(value, models.GAN)
    }
    assert set(benchmark.VARIANTS) == gans - {"DCGAN"}


@pytest.mark.parametrize("name", benchmark.VARIANTS)
def test_variants_have_the_same_networks(name):
    gan, model = (benchmark_worker.QUICK[key].build() for key in ("GAN", name))
    # The first layer also takes classes or codes.
    assert shapes_of(model.generator)[1:] == shapes_of(gan.generator)[1:]
    convolutions = [s for s in shapes_of(model.discriminator) if len(s) == 4]
    expected = [s for s in shapes_of(gan.discriminator) if len(s) == 4]
    assert convolutions[1:] == expected[1:]
    assert convolutions[0][-1] == expected[0][-1]
    assert model.latent_dim == gan.latent_dim


def shapes_of(network):
    return [tuple(variable.shape) for variable in network.trainable_variables]


@pytest.mark.parametrize("name, updates", [("WGAN", 1), ("WGANGP", 1), ("ACGAN", 5)])
def test_block_holds_whole_rounds(name, updates, monkeypatch):
    build, built = benchmark_worker.Workload.build, []
    monkeypatch.setattr(
        benchmark_worker.Workload,
        "build",
        lambda *args: built.append(build(*args)) or built[-1],
    )
    run = benchmark_worker.make_block("ours", benchmark_worker.QUICK[name])
    (model,) = built
    for count in (1, 2):
        run()
        assert int(model.discriminator_optimizer.iterations) == 5 * count
        assert int(model.generator_optimizer.iterations) == updates * count


def test_classes_are_those_of_the_images():
    workload = benchmark_worker.QUICK["ACGAN"]
    data = workload.load_data()
    assert len(data) == workload.num_images // workload.batch_size
    for image_batch, classes in data:
        assert image_batch.shape == (8, 28, 28, 1) and classes.shape == (8,)
        assert set(np.unique(image_batch)) == {-1.0, 1.0}
    with np.load(benchmark_worker.IMAGES) as file:
        np.testing.assert_array_equal(
            np.concatenate([classes for _, classes in data]), file["labels"][:1000]
        )


def test_memory_of_a_process_that_trains(monkeypatch):
    setting = (sys.prefix, "tensorflow", [])
    monkeypatch.setitem(benchmark.SETTINGS, "tensorflow", setting)
    with benchmark.Worker("tensorflow", "GAN", ["memory"], quick=True) as worker:
        memory = worker.info
    model = benchmark_worker.QUICK["GAN"].build()
    trainable = sum(math.prod(v.shape) for v in model.trainable_variables)
    others = sum(math.prod(v.shape) for v in model.non_trainable_variables)
    # Adam has two slots; counters and rates are a few bytes.
    expected = 4 * (3 * trainable + others)
    assert expected < memory["variable_bytes"] < expected + 200
    assert memory["variable_bytes"] < memory["peak_bytes"] < 1e9


class FakeWorker:
    """Says how long a block took without running any."""

    seconds = {"UnrolledGAN": 4.0, "ours": 3.0, "example": 2.0}
    timed = []

    def __init__(self, setting, workload, contestants, quick):
        self.info = {"variable_bytes": 1000, "peak_bytes": 2000}
        if contestants != ["memory"]:
            self.info = {"steps_per_block": 5}

    def time(self, contestant):
        self.timed.append(contestant)
        return self.seconds.get(contestant, 1.0)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def test_result_has_all_models(monkeypatch):
    monkeypatch.setattr(benchmark, "Worker", FakeWorker)
    monkeypatch.setattr(FakeWorker, "timed", [])
    result = benchmark.PARTS["f"](4, False)
    variants = result["variants"]["tensorflow"]["models"]
    assert list(variants) == list(benchmark.VARIANTS)
    for name, row in variants.items():
        ratio = 4.0 if name == "UnrolledGAN" else 1.0
        assert row["ratio"] == {
            "median": ratio,
            "interval": [ratio, ratio],
            "blocks": 4 * benchmark.NUM_PROCESSES,
        }
        assert row["milliseconds_per_step"] == 200 * ratio
        assert (row["variable_bytes"], row["peak_bytes"]) == (1000, 2000)
    first_pairs = ["GAN"] * 8 + ["LSGAN", "GAN", "GAN", "LSGAN"]
    assert FakeWorker.timed[:12] == first_pairs
    example = result["example"]["torch"]
    assert example["example_ratio"]["median"] == 1.5 and "ratio" not in example


@pytest.mark.backends("torch")
def test_example_does_what_the_native_loop_does(monkeypatch):
    # With the same noise for both sides the two differ in the order of work alone.
    import torch

    def draw(shape, *bounds):
        return torch.sin(1.7 * torch.arange(math.prod(shape))).reshape(shape)

    monkeypatch.setattr(benchmark_loops, "uniform", draw)
    monkeypatch.setattr(benchmark_loops, "normal", draw)
    workload = benchmark_worker.QUICK["dcgan"]
    logs = []
    for make in (benchmark_loops.make_native, benchmark_loops.make_example):
        model = workload.build()
        torch.manual_seed(0)
        step = make(model)
        batches = map(torch.from_numpy, workload.load_batches()[:4])
        logs.append([step(batch) for batch in batches])
    for native, example in zip(*logs, strict=True):
        assert set(native) == set(example)
        for name, value in native.items():
            torch.testing.assert_close(example[name], value, rtol=1e-3, atol=1e-4)
    assert logs[0][0]["generator_loss"] != logs[0][1]["generator_loss"]


# Annealing ----------------------------------------------------------------------------


def test_other_rbm_is_the_one_that_scikit_learn_trained():
    from sklearn.neural_network import BernoulliRBM

    workload = benchmark_worker.QUICK["rbm"]
    batches = workload.load_batches()[:10]
    images = np.concatenate(batches)
    other = benchmark_annealing.train_sklearn(workload, batches, seed=1)
    expected = BernoulliRBM(32, learning_rate=0.05, n_iter=5, random_state=1)
    expected.fit(images.reshape(-1, 784))
    np.testing.assert_allclose(
        other.free_energy(images),
        expected._free_energy(images.reshape(-1, 784)),
        rtol=1e-4,
    )
    ours = benchmark_annealing.train_ours(workload, batches, seed=1)
    assert int(ours.optimizer.iterations) == 5 * len(batches)
    log_partition = benchmark_annealing.estimate(ours, images, quick=True)
    assert -450 < np.mean(ours.log_prob(images, log_partition)) < -100  # 543: coins.


def test_both_rbms_are_measured_in_nats(monkeypatch):
    workload = benchmark_worker.QUICK["rbm"]
    monkeypatch.setitem(benchmark_annealing.WORKLOADS, "rbm_epoch", workload)
    nll = benchmark_annealing.compare_nll(quick=True)
    assert set(nll) == {"ours", "sklearn"}
    for (value,) in nll.values():
        assert 100 < value < 543


# Statistics ---------------------------------------------------------------------------


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
