import contextlib
import dataclasses
import importlib
import io
import math
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import gan_helpers
import keras
import numpy as np
import PIL.Image
import pytest
import script_helpers
from keras import ops
from tensorboard.backend.event_processing import event_accumulator

from gen_keras import callbacks
from gen_keras.layers import InstanceNoise
from tests.model_checks import assert_same_state, assert_same_variables

ROOT = pathlib.Path(__file__).parents[2]
SMALL = {
    "dcgan": {
        "base_filters": 4,
        "latent_dim": 4,
        "kernel_size": 3,
        "ema_momentum": 0.9,
        "flip": True,
    },
    "vae": {"hidden_dims": (8,), "latent_dim": 2},
    "rbm": {"num_hidden": 8, "gibbs_steps": 1, "num_chains": 4},
    "pix2pix": {"base_filters": 2, "max_filters": 4, "receptive_field": 16},
    "cyclegan": {
        "base_filters": 2,
        "num_blocks": 1,
        "receptive_field": 16,
        "pool_size": 5,
    },
    "discogan": {"base_filters": 2, "num_halvings": 1, "curriculum_iterations": 3},
}
# The other GANs, whose scripts differ in a few flags only.
GANS = {
    "acgan": {"base_filters": 2, "latent_dim": 4, "instance_noise": 0.2},
    "gan": {"base_filters": 2, "tricks": "label_smoothing,replay_memory"},
    "lsgan": {"base_filters": 2, "flip": True},
    "wgan": {"base_filters": 2, "warm_up_steps": 3},
    "wgan_gp": {"base_filters": 2, "discriminator_steps": 2},
    "pacgan": {"base_filters": 2, "tricks": "augmentation"},
    "unrolled_gan": {"base_filters": 2, "unrolled_steps": 1},
    "conditional_gan": {"base_filters": 2},
    "infogan": {"base_filters": 2},
    "bigan": {"base_filters": 2, "stochastic": True},
}
TRANSLATORS = {
    "pix2pix": "paired_folder",
    "cyclegan": "unpaired_folder",
    "discogan": "unpaired_folder",
}
RATES = {
    "dcgan": {"learning_rate/generator", "learning_rate/discriminator"},
    "vae": {"learning_rate"},
    "rbm": {"learning_rate"},
    "pix2pix": {"learning_rate/generator", "learning_rate/discriminator"},
    "cyclegan": {"learning_rate/generator", "learning_rate/discriminator"},
    "discogan": {"learning_rate/generator", "learning_rate/discriminator"},
    "acgan": {"learning_rate/generator", "learning_rate/discriminator"},
}
PICTURES = {
    "dcgan": {"samples"},
    "vae": {"samples", "reconstructions"},
    "rbm": {"samples", "weights"},
    "pix2pix": {"input_output_target"},
    "cyclegan": {"a_to_b_to_a", "b_to_a_to_b"},
    "discogan": {"a_to_b_to_a", "b_to_a_to_b"},
    "acgan": {"samples"},
}
MEASURED = {
    "pix2pix": {"val_top_1"},
    "cyclegan": {"val_kernel_distance", "val_kernel_distance/a_to_b"},
    "discogan": {"val_kernel_distance", "val_kernel_distance/b_to_a"},
    "dcgan": {"val_kernel_distance", "val_coverage"},
    "acgan": {"val_kernel_distance", "val_coverage"},
}


def each_script(slow=("cyclegan",), more=()):
    """Returns a decorator that runs a test with each script's name.

    Two-way translators share one path through the scripts; CycleGAN takes the longest.
    """
    names = [name for name in SMALL if name not in slow]
    slow = [pytest.param(name, marks=pytest.mark.slow) for name in slow]
    return pytest.mark.parametrize("name", [*names, *slow, *more])


@pytest.fixture(autouse=True)
def float32():
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of 32 images to train on and 8 held out, 16 x 16."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for split, count in (("train", 32), ("validation", 8)):
        pairs, unpaired = (f"A/{split}", f"B/{split}"), (f"{split}A", f"{split}B")
        for part in (split, *pairs, *unpaired):
            (folder / part).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                pixels = generator.integers(0, 256, (16, 16, 3), "uint8")
                PIL.Image.fromarray(pixels).save(folder / part / f"{i}.png")
        for i in range(count):
            part = folder / "classes" / split / ("cats", "dogs")[i % 2]
            part.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / split / f"{i}.png", part)
    return folder


def module_of(name):
    return importlib.import_module(f"train_{name}")


def config_of(name, photos, log_dir, **flags):
    # Pictures once in two epochs: an RBM's chains take longer than its training.
    shared = {"epochs": 2, "sample_every": 2, "batch_size": 8, "log_dir": str(log_dir)}
    shared["dataset"] = f"{TRANSLATORS.get(name, 'folder')}:{photos}"
    if name in ("acgan", "conditional_gan"):
        shared["dataset"] += "/classes"
    if name in TRANSLATORS:
        shared |= {"image_size": 16}
    if name in MEASURED:
        shared |= {"measure_every": 1}
    return module_of(name).Config(**(shared | (SMALL | GANS)[name] | flags))


def run(name, *args, **flags):
    return module_of(name).main(config_of(name, *args, **flags))


def error_of(name, *args, **flags):
    """Runs a script that must stop, and returns the line that it ends with."""
    with pytest.raises(SystemExit) as caught:
        run(name, *args, **flags)
    message = caught.value.code
    assert isinstance(message, str), "Python prints it and exits with 1."
    assert "\n" not in message.strip()
    return message.strip()


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory):
    """A function of a script's name that runs it once: model, folder, printed text."""
    runs = {}

    def finish(name):
        if name not in runs:
            folder = tmp_path_factory.mktemp(name) / "run"
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                model = run(name, photos, folder)
            runs[name] = model, folder, printed.getvalue()
        return runs[name]

    return finish


def events_of(folder):
    return event_accumulator.EventAccumulator(str(folder)).Reload()


@each_script(more=["acgan"])
def test_the_printed_lines_load_the_model(name, finished):
    model, _, printed = finished(name)
    lines = [line for line in printed.splitlines() if line.startswith("    ")]
    results = {}
    results["images"] = np.zeros((16, 16, 16, 3))
    exec("\n".join(line.strip() for line in lines), results)
    outputs = "outputs" if name in TRANSLATORS else "samples"
    assert ops.convert_to_numpy(results[outputs]).shape == (16, 16, 16, 3)
    assert_same_variables(model.variables, results["model"].variables)
    assert ("translate.py" if name in TRANSLATORS else "sample.py") in printed


@each_script(more=["acgan"])
def test_tensorboard_shows_losses_rates_images_and_hyperparameters(name, finished):
    model, folder, _ = finished(name)
    events = events_of(folder)
    scalars = set(events.Tags()["scalars"])
    assert scalars >= set(model.metric_names) | RATES[name]
    if name not in ("dcgan", "acgan"):
        assert scalars >= {f"val_{metric}" for metric in model.metric_names}
    assert scalars >= MEASURED.get(name, set())
    for tag in scalars:
        assert [event.step for event in events.Scalars(tag)] == [1, 2]
        assert np.isfinite([event.value for event in events.Scalars(tag)]).all()
    assert set(events.Tags()["images"]) == PICTURES[name]
    assert events.PluginTagToContent("hparams")
    assert (folder / "best.keras").is_file() == (name in MEASURED)


@each_script(slow=["cyclegan", "discogan"], more=["acgan"])
def test_resumed_training_equals_uninterrupted_training(
    name, photos, finished, tmp_path, monkeypatch
):
    model, _, _ = finished(name)
    steps = []

    def interrupt(checkpoint, batch, logs=None):
        steps.append(batch)
        if len(steps) == 6:  # Of 2 epochs with 4 steps.
            signal.raise_signal(signal.SIGINT)
        original(checkpoint, batch, logs)

    original = callbacks.Checkpoint.on_train_batch_end
    monkeypatch.setattr(callbacks.Checkpoint, "on_train_batch_end", interrupt)
    message = error_of(name, photos, tmp_path)
    assert "--resume" in message and "epoch 1, step 2" in message
    resumed = run(name, photos, tmp_path, resume=True)
    assert len(steps) == 8  # None was taken twice.
    assert_same_state(model, resumed)
    assert_same_variables(
        model.variables, keras.models.load_model(tmp_path / "model.keras").variables
    )


@pytest.mark.parametrize("name", GANS)
def test_gans_are_made_from_their_flags(name, photos, tmp_path, monkeypatch):
    calls = []

    def fit(model, data, config, sample_images, monitor, figures, transform):
        calls.append((data, sample_images, monitor, transform))

    monkeypatch.setattr(script_helpers, "fit", fit)
    model = run(name, photos, tmp_path)
    ((data, sample_images, monitor, transform),) = calls
    for field, value in GANS[name].items():
        if field not in ("flip", "tricks", "instance_noise"):
            assert getattr(model, field) == value
    kinds = {type(trick).__name__ for trick in model.tricks}
    kinds |= {type(layer).__name__ for layer in model.discriminator.layers}
    for trick in (
        GANS[name].get("tricks", "").split(",") if "tricks" in GANS[name] else ()
    ):
        known = gan_helpers.TRICKS | gan_helpers.INPUT_LAYERS
        assert known[trick].__name__ in kinds
    (noise,) = [
        layer
        for layer in model.discriminator.layers
        if isinstance(layer, InstanceNoise)
    ] or [None]
    assert bool(noise) == ("instance_noise" in GANS[name])
    if noise:  # Two epochs.
        assert noise.standard_deviation == 0.2
        assert noise.decay_steps == 2 * 4
    assert bool(transform) == GANS[name].get("flip", False)
    assert monitor == "val_kernel_distance"
    assert isinstance(data, tuple) == (name in ("acgan", "conditional_gan"))
    for draw in sample_images.values():
        images = draw()
        assert images.shape[1] == 16 and np.isfinite(images).all()


def test_rates_and_tricks_of_gans(photos, tmp_path):
    flags = {"learning_rate": 0.5, "discriminator_rate": 0.25, "dry_run": True}
    model = run("gan", photos, tmp_path, **flags)
    assert float(model.generator_optimizer.learning_rate) == 0.5
    assert float(model.discriminator_optimizer.learning_rate) == 0.25
    # Ten epochs of two batches; the generator of WGAN-GP moves less often.
    for name, share in (("gan", 1), ("wgan_gp", 2)):
        options = {"max_images": 20, "epochs": 10, "decay": "linear"}
        model = run(name, photos, tmp_path, **options, **flags)
        assert model.discriminator_steps == share
        for optimizer, updates in (
            (model.generator_optimizer, 20 // share),
            (model.discriminator_optimizer, 20),
        ):
            schedule = optimizer.get_config()["learning_rate"]["config"]
            assert schedule["constant_steps"] == schedule["decay_steps"] == updates // 2
    message = error_of("gan", photos, tmp_path, tricks="magic")
    assert "pull_away" in message and "Received: magic" in message
    noise = {"instance_noise": 0.1, "noise_stays": True}
    _, first, *_ = run("gan", photos, tmp_path, **noise, **flags).discriminator.layers
    assert first.standard_deviation == 0.1 and first.decay_steps is None
    fine_tuned = {"from_preset": "dcgan_mnist", "tricks": "pull_away"}
    assert "--tricks and --instance-noise are for new" in error_of(
        "gan", photos, tmp_path, **fine_tuned
    )
    unlabelled = {"dataset": f"folder:{photos}/train"}
    assert "one subfolder a class" in error_of("acgan", photos, tmp_path, **unlabelled)


def test_a_second_run_in_one_folder_is_refused(photos, finished):
    _, folder, _ = finished("rbm")
    assert "--resume" in error_of("rbm", photos, folder)


def test_resuming_a_finished_run_changes_nothing(photos, finished):
    model, folder, _ = finished("rbm")
    assert_same_state(model, run("rbm", photos, folder, resume=True))


def test_resume_without_a_run_starts_one(photos, tmp_path, capsys):
    run("rbm", photos, tmp_path, resume=True, epochs=1)
    assert "Nothing to resume" in capsys.readouterr().out
    assert (tmp_path / "model.keras").exists()


@each_script(more=["acgan"])
def test_dry_run_trains_nothing(name, photos, tmp_path, capsys):
    model = run(name, photos, tmp_path / "run", dry_run=True, max_images=20)
    assert int(model.optimizer.iterations) == 0
    assert not (tmp_path / "run").exists()
    printed = capsys.readouterr().out
    count = sum(math.prod(v.shape) for v in model.trainable_variables)
    assert f"{count:,} trainable parameters" in printed
    assert "20 images, 2 steps an epoch, 4 steps in all" in printed
    for network in {"dcgan": ["generator", "discriminator"], "vae": ["decoder"]}.get(
        name, []
    ):
        assert f'Model: "{network}"' in printed


@each_script(slow=["cyclegan", "discogan"])
def test_fine_tuning_starts_from_the_trained_weights(name, photos, finished, tmp_path):
    model, folder, _ = finished(name)
    path = str(folder / "model.keras")
    flags = {"from_preset": path, "learning_rate": 1e-20, "epochs": 1}
    tuned = run(name, photos, tmp_path, **flags)
    for a, b in zip(model.trainable_variables, tuned.trainable_variables, strict=True):
        a, b = ops.convert_to_numpy(a), ops.convert_to_numpy(b)
        np.testing.assert_allclose(a, b, atol=1e-18, err_msg=str(a.shape))


def test_fine_tuning_refuses_what_does_not_fit(photos, finished, tmp_path):
    path = str(finished("rbm")[1] / "model.keras")
    message = error_of("rbm", photos, tmp_path, from_preset=path, dataset="mnist")
    assert "(16, 16, 3)" in message and "(28, 28, 1)" in message
    assert "preset of VAE" in error_of("vae", photos, tmp_path, from_preset=path)
    assert "no file" in error_of("vae", photos, tmp_path, from_preset="lost.keras")
    flags = {"from_preset": path, "precision": "mixed_bfloat16"}
    assert "--precision is for new" in error_of("rbm", photos, tmp_path, **flags)
    assert "vae_mnist" in error_of("vae", photos, tmp_path, from_preset="nonsense")
    images, labels = np.zeros((24, 28, 28, 1), "uint8"), np.arange(24) % 12
    np.savez(tmp_path / "dozen.npz", x_train=images, y_train=labels)
    flags = {"from_preset": "acgan_mnist", "instance_noise": 0.0, "tricks": ""}
    flags["dataset"] = str(tmp_path / "dozen.npz")
    message = error_of("acgan", photos, tmp_path, **flags)
    assert "acgan_mnist knows 10 classes. Received: " in message and "12" in message


@each_script(slow=["cyclegan", "discogan"])
def test_bfloat16(name, photos, tmp_path):
    model = run(name, photos, tmp_path, precision="mixed_bfloat16", epochs=1)
    if name == "rbm":
        images = np.random.default_rng(0).integers(0, 2, (4, 16, 16, 3))
        kernel, bias = map(
            keras.ops.convert_to_numpy, (model.kernel, model.hidden_bias)
        )
        logits = images.reshape(4, -1) @ kernel + bias
        error = keras.ops.convert_to_numpy(model(images)) - 1 / (1 + np.exp(-logits))
        assert 1e-5 < np.abs(error).max() < 1e-2
    else:
        network = next(x for x in model.layers if isinstance(x, keras.Model))
        assert network.layers[2].compute_dtype == "bfloat16"
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    for tag in model.metric_names:
        assert np.isfinite([event.value for event in events_of(tmp_path).Scalars(tag)])


def test_broken_training_stops_and_keeps_the_last_good_checkpoint(photos, tmp_path):
    run("vae", photos, tmp_path, epochs=1)
    paths = callbacks.Checkpoint(tmp_path).paths()
    (tmp_path / "flags.json").unlink()  # Else another rate would be refused.
    flags = {"resume": True, "epochs": 3, "learning_rate": 1e30}
    message = error_of("vae", photos, tmp_path, **flags)
    assert "not finite" in message and str(paths[-1]) in message
    assert "Try a lower --learning-rate." in message
    assert callbacks.Checkpoint(tmp_path).paths() == paths


@pytest.mark.parametrize(
    "name, flags, words",
    [
        ("dcgan", {"dataset": "folder:lost"}, "There is no folder lost"),
        ("vae", {"dataset": "folder:{empty}"}, "no image in"),
        ("rbm", {"dataset": "nonsense"}, "Unknown data set"),
        ("rbm", {"dataset": "lost.npz"}, "lost.npz"),
        ("rbm", {"batch_size": 33}, "32 training images, fewer than one batch"),
        ("vae", {"max_images": 7}, "7 training images, fewer than one batch"),
        ("rbm", {"max_images": -1}, "num_examples"),
        ("dcgan", {"image_size": 18}, "multiples of 4"),
        ("dcgan", {"ema_momentum": 2.0}, "ema_momentum"),
        ("vae", {"network": "convolutional", "hidden_dims": (8,)}, "hidden_dims"),
        ("vae", {"epochs": 0}, "--epochs must be at least 1"),
        ("rbm", {"log_dir": "{file}/run"}, "{file}/run"),
        ("pix2pix", {"dataset": "unpaired_folder:{photos}"}, "on pairs of images, not"),
        ("cyclegan", {"dataset": "paired_folder:{photos}"}, "on two sets of images"),
        ("cyclegan", {"dataset": "mnist", "image_size": 0}, "not on images. Received"),
    ],
)
def test_mistakes_end_with_one_line(name, flags, words, photos, tmp_path):
    names = {"empty": tmp_path / "empty", "file": tmp_path / "file", "photos": photos}
    names["empty"].mkdir()
    names["file"].touch()
    flags = {
        key: value.format(**names) if isinstance(value, str) else value
        for key, value in ({"log_dir": str(tmp_path / "run")} | flags).items()
    }
    config = dataclasses.replace(config_of(name, photos, "run"), **flags)
    with pytest.raises(SystemExit) as caught:
        module_of(name).main(config)
    message = caught.value.code.strip()
    assert words.format(**names) in message
    assert message.startswith("Error: ") and "\n" not in message


def test_control_c_saves_and_names_resume(photos, tmp_path):
    script = ROOT / "training" / "train_rbm.py"
    flags = ["--dataset", f"folder:{photos}", "--batch-size", "8", "--num-hidden", "4"]
    flags += ["--epochs", "1000000", "--sample-every", "1000000", "--num-chains", "0"]
    process = subprocess.Popen(
        [sys.executable, script, *flags, "--log-dir", tmp_path],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    checkpoint = callbacks.Checkpoint(tmp_path)
    while len(checkpoint.paths()) < 2 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].endswith("Go on with --resume.")
    assert checkpoint.paths()


# Flags ------------------------------------------------------------------------------


@each_script()
def test_help_explains_every_flag(name, capsys):
    config_class = module_of(name).Config
    with pytest.raises(SystemExit) as caught:
        script_helpers.parse_flags(config_class, ["--help"])
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    assert f"python training/train_{name}.py" in printed
    for field in dataclasses.fields(config_class):
        assert field.metadata["help"], field.name
        assert "--" + field.name.replace("_", "-") in printed


def test_flags_arrive():
    flags = "--epochs 3 --no-binarize --resume --learning-rate 1e-4 --dataset emoji"
    config = script_helpers.parse_flags(module_of("vae").Config, flags.split())
    assert (config.epochs, config.binarize, config.resume) == (3, False, True)
    assert (config.learning_rate, config.dataset) == (1e-4, "emoji")
    with pytest.raises(SystemExit):
        script_helpers.parse_flags(
            module_of("vae").Config, ["--precision", "mixed_float16"]
        )


def test_resume_goes_by_the_flags_of_the_start(photos, tmp_path, capsys):
    started = config_of("vae", photos, tmp_path, epochs=1, learning_rate=0.5)
    module_of("vae").main(started)
    arguments = ["--resume", "--log-dir", str(tmp_path)]
    resumed = script_helpers.parse_flags(module_of("vae").Config, arguments)
    assert resumed == dataclasses.replace(started, resume=True)
    assert isinstance(resumed.hidden_dims, tuple)

    module_of("vae").main(resumed)
    assert "has had its 1 epochs already" in capsys.readouterr().out
    longer = script_helpers.parse_flags(
        module_of("vae").Config, [*arguments, "--epochs", "2"]
    )
    module_of("vae").main(longer)
    assert "began with --epochs 1. A rate that falls" in capsys.readouterr().out
    more = [*arguments, "--epochs", "2", "--learning-rate", "0.25"]
    other = script_helpers.parse_flags(module_of("vae").Config, more)
    assert (other.epochs, other.learning_rate) == (2, 0.25)
    with pytest.raises(SystemExit) as caught:
        module_of("vae").main(other)
    words = r"--learning-rate was 0.5 when .* started.*Received: 0.25$"
    assert re.search(words, str(caught.value))


# Several devices --------------------------------------------------------------------

TWO_DEVICES = """
import sys
import keras, numpy as np
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
from tests.training.test_scripts import config_of, module_of

name, photos, folder = sys.argv[1:]
model = module_of(name).main(config_of(name, photos, folder, data_parallel=True))
strategy = model.distribute_strategy
assert strategy.num_replicas_in_sync == 2

@tf.function
def draw():
    return strategy.run(lambda: keras.random.normal((4,), seed=model.seed_generator))

first, second = map(np.array, strategy.experimental_local_results(draw()))
assert not np.isin(first, second).any(), "The replicas draw the same noise."
for variable in model.trainable_variables:
    first, second = (np.array(v) for v in variable.value.values)
    np.testing.assert_array_equal(first, second, err_msg=variable.path)
"""


@pytest.mark.slow
@pytest.mark.backends("tensorflow")
@each_script()
def test_data_parallel_training(name, photos, tmp_path):
    subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, name, photos, tmp_path],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'training'}"},
        check=True,
    )
    events = events_of(tmp_path)
    for tag in events.Tags()["scalars"]:
        values = [event.value for event in events.Scalars(tag)]
        assert len(values) == 2 and np.isfinite(values).all(), tag
    model = keras.models.load_model(tmp_path / "model.keras")
    outputs = (
        model.translate(np.zeros((4, 16, 16, 3)))
        if name in TRANSLATORS
        else model.sample(4, seed=0)
    )
    assert np.isfinite(ops.convert_to_numpy(outputs)).all()
