import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from keras import ops
from tensorboard.backend.event_processing import event_accumulator

from gen_keras import backend, callbacks, datasets
from tests.model_checks import assert_same_state
from tests.toy_models import ToyGAN

POINTS = np.random.default_rng(0).normal(0, 1, (32, 2)).astype("float32")


def make_gan(learning_rate=1e-2):
    keras.utils.set_random_seed(0)
    model = ToyGAN(seed=0)
    rates = learning_rate, 1e-2
    model.compile(*[keras.optimizers.Adam(rate) for rate in rates])
    return model


def fit(model, epochs, directory, *others, **options):
    checkpoint = callbacks.Checkpoint(directory, **options)
    arguments = {"callbacks": others, "verbose": 0}
    callbacks.fit(model, POINTS, 8, epochs, checkpoint, **arguments)


class StopAt(keras.callbacks.Callback):
    """Does something at one step of the run, counted from 1 over all epochs."""

    def __init__(self, step, action):
        super().__init__()
        self.left, self.action = step, action

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            self.action()


def interrupt():
    signal.raise_signal(signal.SIGINT)


def scalars(directory, name):
    events = event_accumulator.EventAccumulator(str(directory)).Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def pass_a_second(monkeypatch):
    """Sets the clock forward: TensorBoard orders its files by the second."""
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + 1)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A model that was trained for three epochs, and the folder of its logs."""
    model, folder = make_gan(), tmp_path_factory.mktemp("whole")
    fit(model, 3, folder, callbacks.TensorBoard(folder))
    return model, folder


@pytest.mark.parametrize("step", [1, 3, 4, 6])
def test_training_resumed_within_an_epoch_equals_uninterrupted_training(
    step, uninterrupted, tmp_path, monkeypatch
):
    model, whole = uninterrupted
    parts, resumed = tmp_path / "parts", make_gan()
    with pytest.raises(KeyboardInterrupt):  # An epoch has four steps.
        stop = StopAt(step, interrupt)
        fit(make_gan(), 3, parts, stop, callbacks.TensorBoard(parts))
    pass_a_second(monkeypatch)
    fit(resumed, 3, parts, callbacks.TensorBoard(parts))
    assert int(resumed.critic_optimizer.iterations) == 12
    assert_same_state(model, resumed)
    # The means of the epoch go on too.
    expected = scalars(whole, "critic_loss")
    assert [step for step, _ in expected] == [1, 2, 3]
    assert scalars(parts, "critic_loss") == expected


def test_a_signal_saves_before_it_stops(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(callbacks.Interrupted, match="epoch 1, step 2"):
        fit(make_gan(), 3, tmp_path, StopAt(6, interrupt))
    assert callbacks.Checkpoint(tmp_path).restore(make_gan()) == (1, 2)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_checkpoint_serves_again_after_a_signal(tmp_path):
    checkpoint = callbacks.Checkpoint(tmp_path)
    arguments = (POINTS, 8, 3, checkpoint)
    with pytest.raises(callbacks.Interrupted):
        callbacks.fit(
            make_gan(), *arguments, callbacks=[StopAt(6, interrupt)], verbose=0
        )
    model = make_gan()
    callbacks.fit(model, *arguments, verbose=0)
    assert int(model.critic_optimizer.iterations) == 12


def test_epochs_that_are_done_are_not_repeated(tmp_path):
    model, again = make_gan(), make_gan()
    fit(model, 2, tmp_path)
    fit(again, 2, tmp_path)
    assert_same_state(model, again)


def test_checkpoints_come_by_the_clock_too(tmp_path):
    steps = []

    class Spy(callbacks.Checkpoint):
        def save(self, progress):
            steps.append(tuple(progress))
            super().save(progress)

    checkpoint = Spy(tmp_path, seconds=0.0)
    callbacks.fit(make_gan(), POINTS, 8, 1, checkpoint, verbose=0)
    assert steps == [(0, 1), (0, 2), (0, 3), (1, 0)]


def test_checkpoint_keeps_two_and_skips_a_damaged_one(tmp_path):
    fit(make_gan(), 3, tmp_path)
    checkpoint = callbacks.Checkpoint(tmp_path)
    progress = [path.name.split(".")[0] for path in sorted(tmp_path.iterdir())]
    assert progress == [
        "epoch_000002_step_000000000",
        "epoch_000003_step_000000000",
    ]
    latest = checkpoint.paths()[-1]
    latest.write_bytes(latest.read_bytes()[:1000])
    with pytest.warns(UserWarning, match="Skipped"):
        assert checkpoint.restore(make_gan()) == (2, 0)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    fit(make_gan(), 1, tmp_path)
    other = ToyGAN(latent_dim=5, seed=0)
    other.compile(keras.optimizers.Adam(), keras.optimizers.Adam())
    with pytest.raises(ValueError, match="another model"):
        callbacks.Checkpoint(tmp_path).restore(other)


def test_other_callbacks_are_remembered(tmp_path):
    def plateau():
        return keras.callbacks.ReduceLROnPlateau(
            "critic_loss", factor=0.5, patience=2, mode="max", min_delta=1e9
        )

    model, resumed = make_gan(), make_gan()
    one, two, three = plateau(), plateau(), plateau()
    fit(model, 4, tmp_path / "whole", one, remember=[one])
    fit(make_gan(), 2, tmp_path / "parts", two, remember=[two])
    fit(resumed, 4, tmp_path / "parts", three, remember=[three])
    assert_same_state(model, resumed)
    assert (three.wait, three.best) == (one.wait, one.best)


@pytest.mark.parametrize("step", [2, 4])  # After the last step no loss tells of it.
def test_nan_stops_training_and_keeps_the_last_good_checkpoint(step, tmp_path):
    model = make_gan()
    fit(model, 1, tmp_path)

    def poison():
        weight = model.critic.trainable_variables[0]
        weight.assign(np.full(weight.shape, np.nan))

    if backend.NAME == "jax":  # The weights are elsewhere while JAX trains.
        poison, do_poison = lambda: (backend.sync_state(model), do_poison()), poison
    with pytest.raises(callbacks.NonFiniteLoss, match="epoch_000001.*step_000000000"):
        fit(model, 3, tmp_path, StopAt(step, poison))
    restored = make_gan()
    assert callbacks.Checkpoint(tmp_path).restore(restored) == (1, 0)
    assert all(np.isfinite(w).all() for w in restored.get_weights())


def test_a_full_disk_warns_and_training_goes_on(tmp_path, monkeypatch):
    model = make_gan()
    fit(model, 1, tmp_path)

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ToyGAN, "save_weights", fail)
    with pytest.warns(UserWarning, match="Make room"):
        fit(model, 3, tmp_path)
    assert int(model.critic_optimizer.iterations) == 12
    assert len(callbacks.Checkpoint(tmp_path).paths()) == 1


def test_stopping_on_a_full_disk_does_not_claim_to_have_saved(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ToyGAN, "save_weights", fail)
    with (
        pytest.warns(UserWarning, match="Make room"),
        pytest.raises(callbacks.Interrupted, match="Nothing could be saved"),
    ):
        fit(make_gan(), 3, tmp_path, StopAt(2, interrupt))


def test_tensorboard_logs(tmp_path):
    model, twin = make_gan(), make_gan()
    fit(twin, 2, tmp_path / "twin")
    tensorboard = callbacks.TensorBoard(
        tmp_path / "logs",
        hparams={"learning_rate": 1e-2, "name": "toy"},
        images={"samples": lambda: ops.reshape(model.sample(6), (6, 2, 1, 1))},
        value_range=(-3, 3),
    )
    fit(model, 2, tmp_path / "model", tensorboard)
    assert_same_state(model, twin)  # Looking at samples changes nothing.

    events = event_accumulator.EventAccumulator(str(tmp_path / "logs")).Reload()
    assert [event.step for event in events.Scalars("critic_loss")] == [1, 2]
    rate = events.Scalars("learning_rate/generator")[0].value
    assert rate == pytest.approx(1e-2)
    image = events.Images("samples")[0]
    assert (image.height, image.width) == (4, 3)
    assert "_hparams_/session_start_info" in events.summary_metadata


def test_tensorboard_draws_images_every_few_epochs(tmp_path):
    image = np.zeros((1, 2, 2, 1), "float32")
    log = callbacks.TensorBoard(tmp_path, images={"samples": lambda: image}, every=2)
    fit(make_gan(), 3, tmp_path / "model", log)
    events = event_accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in events.Images("samples")] == [2]


def test_tensorboard_forgets_what_is_repeated(tmp_path, monkeypatch):
    fit(make_gan(), 3, tmp_path / "a", callbacks.TensorBoard(tmp_path / "logs"))
    pass_a_second(monkeypatch)
    fit(make_gan(), 2, tmp_path / "b", callbacks.TensorBoard(tmp_path / "logs"))
    assert [step for step, _ in scalars(tmp_path / "logs", "critic_loss")] == [1, 2]


@pytest.mark.backends("jax", "torch")
def test_tensorboard_does_not_import_tensorflow(tmp_path):
    script = f"""
import sys
sys.modules["tensorflow"] = None  # As if it were not installed.
from gen_keras.callbacks import TensorBoard
from tests.test_callbacks import fit, make_gan
fit(make_gan(), 1, {str(tmp_path / "run")!r}, TensorBoard({str(tmp_path / "logs")!r}))
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert list((tmp_path / "logs").iterdir())


def test_epochs_come_in_the_order_of_their_seed(tmp_path):
    seen = []

    def spy(batch, rng):
        seen.append(batch.tolist())
        return batch

    checkpoint = callbacks.Checkpoint(tmp_path)
    arguments = {"seed": 3, "transform": spy, "verbose": 0}
    callbacks.fit(make_gan(), POINTS, 16, 2, checkpoint, **arguments)
    expected = datasets.Batches(POINTS, 16, seed=3)
    for batch in [batch.tolist() for _ in range(2) for batch in expected]:
        assert batch in seen


# Figures, and the best model --------------------------------------------------------


def test_measure_adds_figures_every_few_epochs_and_at_the_end():
    model = make_gan()
    calls = []

    def figures():
        calls.append(model.sample(1))  # Noise of the model's own stream.
        return {"val_score": float(len(calls))}

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(logs.get("val_score"))

    seen = []
    watched = [callbacks.Measure(figures, every=2, last_epoch=5), Watch()]
    model.fit(POINTS, epochs=5, callbacks=watched, shuffle=False, verbose=0)
    assert seen == [None, 1.0, None, 2.0, 3.0]

    undisturbed = make_gan()
    undisturbed.fit(POINTS, epochs=5, shuffle=False, verbose=0)
    assert_same_state(model, undisturbed)


def test_best_model_keeps_the_least(tmp_path):
    best = callbacks.BestModel(tmp_path / "best.keras", "val_loss")
    model = make_gan()
    best.set_model(model)
    kernel = model.generator.layers[0].kernel
    for epoch, value in enumerate((3.0, 1.0, 2.0, float("nan"))):
        kernel.assign(np.full(kernel.shape, value, "float32"))
        best.on_epoch_end(epoch, {"val_loss": value, "loss": -value})
    best.on_epoch_end(4, {"loss": 0.0})  # An epoch without validation.
    kept = keras.models.load_model(tmp_path / "best.keras", compile=False)
    assert (ops.convert_to_numpy(kept.generator.layers[0].kernel) == 1).all()
    assert [path.name for path in tmp_path.iterdir()] == ["best.keras"]


def test_best_model_remembers_the_least(tmp_path):
    """A resumed run does not take its first epoch for the best."""

    def make():
        best = callbacks.BestModel(tmp_path / "best.keras", "generator_loss")
        return best, callbacks.Checkpoint(tmp_path, remember=[best])

    best, checkpoint = make()
    callbacks.fit(make_gan(), POINTS, 8, 1, checkpoint, callbacks=[best], verbose=0)
    assert np.isfinite(best.best)
    (tmp_path / "best.keras").unlink()
    resumed, checkpoint = make()
    resumed_model = make_gan()
    checkpoint.restore(resumed_model)
    checkpoint.set_model(resumed_model)
    checkpoint.on_epoch_begin(1)
    assert resumed.best == best.best


def test_best_model_survives_a_full_disk(tmp_path, monkeypatch):
    model = make_gan()
    best = callbacks.BestModel(tmp_path / "best.keras", "val_loss")
    best.set_model(model)
    best.on_epoch_end(0, {"val_loss": 2.0})

    def fail(path):
        raise OSError("No space left on device")

    monkeypatch.setattr(model, "save", fail)
    with pytest.warns(UserWarning, match="could not be written: No space"):
        best.on_epoch_end(1, {"val_loss": 1.0})
    keras.models.load_model(tmp_path / "best.keras", compile=False)
