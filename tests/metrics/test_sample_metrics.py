"""Figures of samples while a model trains: history, TensorBoard, the best model."""

import keras
import numpy as np
import pytest
from keras import ops

from gen_keras import callbacks, datasets, metrics
from tests.test_callbacks import make_gan, scalars
from tests.toy_models import ToyGAN

POINTS = np.random.default_rng(0).normal(0, 1, (64, 2)).astype("float32")
NAMES = ["kernel_distance", "precision", "recall", "density", "coverage"]


def test_a_run_keeps_the_model_of_the_least_distance(tmp_path):
    model = make_gan(learning_rate=0.05)
    measure = metrics.SampleMetrics(None, POINTS, seed=3)
    history = model.fit(
        POINTS,
        batch_size=16,
        epochs=6,
        shuffle=False,
        verbose=0,
        callbacks=[
            callbacks.Measure(lambda: measure(model), every=2),
            callbacks.TensorBoard(tmp_path),
            callbacks.BestModel(tmp_path / "best.keras", "val_kernel_distance"),
        ],
    ).history
    distances = history["val_kernel_distance"]
    assert len(distances) == 3 < len(history["critic_loss"])
    assert [step for step, _ in scalars(tmp_path, "val_kernel_distance")] == [2, 4, 6]
    for name in NAMES:
        logged = [value for _, value in scalars(tmp_path, f"val_{name}")]
        assert logged == pytest.approx(history[f"val_{name}"])

    assert measure(model)["val_kernel_distance"] == pytest.approx(distances[-1])
    best = keras.models.load_model(tmp_path / "best.keras", compile=False)
    kept = measure(best)["val_kernel_distance"]
    assert kept == pytest.approx(min(distances)) and kept < max(distances)


def test_figures_are_those_of_the_metrics():
    model = make_gan()
    figures = metrics.SampleMetrics(None, POINTS, num_samples=40, seed=1)(model)
    samples = metrics.draw_samples(model, 40, seed=1)
    assert figures == {
        "val_kernel_distance": metrics.kernel_distance(POINTS, samples),
        **{
            f"val_{name}": value
            for scores in (
                metrics.precision_recall(POINTS, samples),
                metrics.density_coverage(POINTS, samples),
            )
            for name, value in scores._asdict().items()
        },
    }
    assert list(figures) == [f"val_{name}" for name in NAMES]


def test_images_go_through_the_network():
    class Noise(ToyGAN):
        value_range = (-1.0, 1.0)

        def sample(self, num_samples):
            shape = (num_samples, 28, 28, 1)
            return keras.random.uniform(shape, -1, 1, seed=self.seed_generator)

    digits = datasets.load("mnist", "validation").take(60).images
    network = metrics.load_feature_network("mnist")
    model = Noise(seed=0)
    figures = metrics.SampleMetrics(network, digits, num_samples=50)(model)
    samples = (metrics.draw_samples(model, 50) + 1) / 2
    expected = metrics.kernel_distance(
        metrics.extract_features(network, digits),
        metrics.extract_features(network, samples),
    )
    assert figures["val_kernel_distance"] == pytest.approx(expected, rel=1e-4)


def test_samples_come_in_batches_and_leave_the_model_as_it_was():
    class Classes(ToyGAN):
        def sample(self, num_samples, classes, kind):
            calls.append((num_samples, classes.tolist(), kind))
            return super().sample(num_samples)

    calls = []
    model = Classes(seed=0)
    before = [ops.convert_to_numpy(state).tolist() for state in model.seed_states]
    options = {"batch_size": 3, "classes": np.arange(7), "kind": "any"}
    first, again, other = (
        metrics.draw_samples(model, 7, seed, **options) for seed in (0, 0, 1)
    )
    assert first.shape == (7, 2)
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()
    expected = [(3, [0, 1, 2], "any"), (3, [3, 4, 5], "any"), (1, [6], "any")]
    assert calls[:3] == expected
    after = [ops.convert_to_numpy(state).tolist() for state in model.seed_states]
    assert before == after


def test_range_of_samples():
    images = np.array([-1.5, -1.0, 0.0, 1.0])
    unit = metrics.to_unit_range(images, (-1, 1))
    np.testing.assert_array_equal(unit, [0, 0, 0.5, 1])


def test_too_few_examples_are_named():
    with pytest.raises(ValueError, match="`num_samples` must be at least 1. Received"):
        metrics.draw_samples(make_gan(), 0)
    with pytest.raises(ValueError, match="at least 6 images each. Received: 5"):
        metrics.SampleMetrics(None, POINTS[:5])
    with pytest.raises(ValueError, match="at least 2 images each. Received: 64 and 1"):
        metrics.SampleMetrics(None, POINTS, num_samples=1)(make_gan())
