"""The scripts that train Boltzmann machines, layer by layer where there are layers."""

import importlib
import signal

import boltzmann_helpers
import keras
import numpy as np
import pytest
import sample
import train_rbm
from keras import ops

from gen_keras import callbacks
from gen_keras.models import RBM
from tests.model_checks import assert_same_variables

SMALL = {
    "boltzmann_machine": {"num_hidden": 3, "num_chains": 4, "reduction": 4},
    "class_rbm": {"num_hidden": 8, "measure_every": 1},
    "dbn": {"hidden_dims": (6, 5), "num_chains": 4, "up_down_epochs": 1},
    "dbm": {"hidden_dims": (6, 5), "num_chains": 4, "layer_epochs": 2},
    "semantic_hashing": {"hidden_dims": (6, 5), "layer_epochs": 2},
}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A file of 40 images of 8 x 8 pixels in three classes."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 8, 8), "uint8")
    labels = np.arange(40) % 3
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    arrays = {"x_train": images, "y_train": labels}
    np.savez(path, **arrays, x_test=images[:8], y_test=labels[:8])
    return path


def run(name, digits, log_dir, **flags):
    module = importlib.import_module(f"train_{name}")
    shared = {"epochs": 2, "batch_size": 8, "dataset": str(digits)}
    return module.main(
        module.Config(**shared | SMALL[name] | {"log_dir": str(log_dir)} | flags)
    )


@pytest.fixture(scope="module")
def finished(digits, tmp_path_factory):
    """A function of a script's name that runs it once: model and folder."""
    runs = {}

    def finish(name):
        if name not in runs:
            folder = tmp_path_factory.mktemp(name) / "run"
            runs[name] = run(name, digits, folder), folder
        return runs[name]

    return finish


@pytest.mark.parametrize("name", SMALL)
def test_a_model_is_trained_saved_and_drawn_from(name, finished, tmp_path):
    model, folder = finished(name)
    path = folder / "model.keras"
    restored = keras.models.load_model(path, compile=False)
    assert_same_variables(model.variables, restored.variables)
    for variable in model.trainable_variables:
        assert np.isfinite(ops.convert_to_numpy(variable)).all()
    if name == "semantic_hashing":
        assert model.encode(np.zeros((2, 8, 8, 1))).shape == (2, 5)
        return
    arguments = [str(path), "--num-samples", "3", "--steps", "1"]
    arguments += ["--out", str(tmp_path)]
    written = sample.main(sample.parse_arguments(arguments))
    assert written[0].name == "samples.png" and written[0].is_file()
    if name == "class_rbm":
        assert (folder / "best.keras").is_file()
        assert model.num_classes == 3


@pytest.mark.parametrize(
    ("name", "step", "folder"),
    [("dbn", 11, "layer_2"), ("dbm", 18, ""), ("semantic_hashing", 21, "")],
)
def test_a_stack_goes_on_in_the_layer_where_it_stopped(
    name, step, folder, digits, finished, tmp_path, monkeypatch, capsys
):
    model, _ = finished(name)
    original, steps = callbacks.Checkpoint.on_train_batch_end, []

    def interrupt(checkpoint, batch, logs=None):
        steps.append(checkpoint.directory.name)
        if len(steps) == step:
            signal.raise_signal(signal.SIGINT)
        original(checkpoint, batch, logs)

    monkeypatch.setattr(callbacks.Checkpoint, "on_train_batch_end", interrupt)
    stopped = tmp_path / "stopped"
    with pytest.raises(SystemExit, match="--resume"):
        run(name, digits, stopped)
    assert steps[-1] == (folder or "stopped")
    resumed = run(name, digits, stopped, resume=True)
    assert_same_variables(model.variables, resumed.variables)
    assert f"Nothing to resume in {stopped}:" not in capsys.readouterr().out
    with pytest.raises(SystemExit, match="holds a run already"):
        run(name, digits, stopped)


def test_upper_layers_see_samples_of_the_units_below():
    keras.utils.set_random_seed(0)
    rbms = [RBM((4,), 3), RBM((3,), 2), RBM((2,), 2)]
    for rbm in rbms:
        rbm.kernel.assign(np.random.default_rng(1).normal(0, 2, rbm.kernel.shape))
    images = np.tile(np.float32([0.2, 0.9, 0.5, 0.0]), (20_000, 1))
    rng = np.random.default_rng(0)
    pixels, first, second = (
        boltzmann_helpers.draw_units(rbms, level)(images, rng) for level in range(3)
    )
    for states in (pixels, first, second):
        assert set(np.unique(states)) == {0, 1}
    np.testing.assert_allclose(pixels.mean(axis=0), images[0], atol=0.02)
    for rbm, below, above in zip(rbms, (pixels, first), (first, second), strict=False):
        means = ops.convert_to_numpy(rbm.prop_up(below)).mean(axis=0)
        np.testing.assert_allclose(above.mean(axis=0), means, atol=0.02)


def test_dry_run_trains_nothing(digits, tmp_path, capsys):
    for name in SMALL:
        run(name, digits, tmp_path / name, dry_run=True)
        assert not (tmp_path / name).exists()
    printed = capsys.readouterr().out
    assert "ClassRBM: " in printed and "DBM: " in printed


def test_a_reduction_that_does_not_fit_is_named(digits, tmp_path):
    with pytest.raises(SystemExit, match="--reduction must divide.*Received: 3"):
        run("boltzmann_machine", digits, tmp_path, reduction=3)


def test_temperatures_lead_to_0_where_units_are_bounded():
    config = train_rbm.Config(temperatures=3)
    assert train_rbm.space_temperatures(config) == [1, 0.5, 0]
    config = train_rbm.Config(temperatures=3, visible_units="gaussian")
    assert train_rbm.space_temperatures(config) == pytest.approx([1, 2 / 3, 1 / 3])
    with pytest.raises(ValueError, match="--temperatures must be at least 1"):
        train_rbm.space_temperatures(train_rbm.Config(temperatures=0))
