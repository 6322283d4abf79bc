"""The scripts that train Boltzmann machines, layer by layer where there are layers."""

import dataclasses
import importlib
import pathlib
import re
import signal

import boltzmann_helpers
import keras
import numpy as np
import pytest
import sample
import script_helpers
import train_rbm
from keras import ops
from tensorboard.backend.event_processing import event_accumulator

from gen_keras import callbacks
from gen_keras.models import DBM, RBM
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


# The pictures in TensorBoard, of the parts of a run.
PICTURES = {
    "boltzmann_machine": {"": ["samples"]},
    "class_rbm": {"": ["samples", "weights"]},
    "dbn": {"layer_1": ["weights"], "up_down": ["samples", "weights"]},
    "dbm": {"layer_1": ["weights"], "layer_2": [], "": ["samples", "weights"]},
}


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


def test_an_upper_layer_may_begin_upside_down(digits, tmp_path):
    flags = {"hidden_dims": (6, 70), "up_down_epochs": 0, "upside_down_rate": 1e-9}
    bottom, top = run("dbn", digits, tmp_path / "run", **flags).rbms
    assert bottom.chains.shape == (4, 64)
    kernels = [ops.convert_to_numpy(rbm.kernel) for rbm in (bottom, top)]
    np.testing.assert_allclose(kernels[1][:, :64], kernels[0].T, atol=1e-6)
    assert np.abs(kernels[0] - kernels[0].mean()).max() > 0.01
    with pytest.raises(SystemExit, match="at least 64 hidden ones"):
        run("dbn", digits, tmp_path / "other", **flags | {"hidden_dims": (6, 5)})
    assert not (tmp_path / "other" / "layer_1").exists()


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


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_logged(name, finished):
    _, folder = finished(name)
    for part, tags in PICTURES[name].items():
        events = event_accumulator.EventAccumulator(str(folder / part)).Reload()
        assert sorted(events.Tags()["images"]) == tags


def test_weights_of_the_first_layer_are_drawn():
    kernel = np.random.default_rng(0).normal(0, 1, (64, 6))
    model = DBM((8, 8, 1), (6, 5), num_chains=1)
    model.kernels[0].assign(kernel)
    rbm = RBM((8, 8, 1), 6)
    rbm.kernel.assign(kernel)
    expected = boltzmann_helpers.draw_weights(rbm)
    assert expected.shape == (6, 8, 8, 1)
    drawn = boltzmann_helpers.draw_weights(model, model.kernels[0])
    np.testing.assert_array_equal(drawn, expected)


def test_a_broken_run_names_flags(digits, tmp_path):
    flags = {"learning_rate": 1e30, "weight_decay": 0.1}
    with pytest.raises(SystemExit) as caught:
        run("boltzmann_machine", digits, tmp_path, **flags)
    assert re.search(
        "(not finite|diverged).*--learning-rate, or.*--weight-decay",
        str(caught.value),
    )
    assert "kernel_regularizer" not in str(caught.value)


def test_remedies_name_flags_that_there_are():
    paths = pathlib.Path(script_helpers.__file__).parent.glob("train_*.py")
    configs = [importlib.import_module(path.stem).Config for path in paths]
    configs = [c for c in configs if issubclass(c, script_helpers.Config)]
    assert len(configs) > 20
    for config in configs:
        fields = {f"--{x.name.replace('_', '-')}" for x in dataclasses.fields(config)}
        named = set(re.findall("--[a-z-]+", config.remedy))
        assert "--learning-rate" in named <= fields
        is_boltzmann = issubclass(config, boltzmann_helpers.Config)
        assert ("--weight-decay" in named) == is_boltzmann


def test_weight_decay_reaches_the_couplings(digits, tmp_path):
    flags = {"weight_decay": 0.1, "dry_run": True}
    model = run("boltzmann_machine", digits, tmp_path, **flags)
    assert float(model.kernel_regularizer.l2) == pytest.approx(0.05)


@pytest.mark.parametrize("name", ["boltzmann_machine", "class_rbm", "dbn", "dbm"])
def test_help_says_whether_chains_may_be_none(name, digits, tmp_path):
    fields = dataclasses.fields(importlib.import_module(f"train_{name}").Config)
    (text,) = [x.metadata["help"] for x in fields if x.name == "num_chains"]
    flags = {"num_chains": 0, "dry_run": True}
    if "0 means CD-k" in text:
        run(name, digits, tmp_path, **flags)
        return
    assert "at least 1" in text
    with pytest.raises(SystemExit, match="num_chains.*at least 1. Received: 0"):
        run(name, digits, tmp_path, **flags)


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
