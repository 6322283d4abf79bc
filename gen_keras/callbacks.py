"""Callbacks: checkpoints to resume from exactly, and TensorBoard logs.

Keras has both. Its `BackupAndRestore` writes over its only file, forgets where in an
epoch it was, and its `TensorBoard` needs TensorFlow.
"""

import contextlib
import json
import os
import pathlib
import signal
import threading
import time
import typing
import warnings

import keras
import numpy as np

from gen_keras import backend, image_grids


class NonFiniteLoss(ArithmeticError):
    """Training stopped because a metric or weight is infinite or not a number."""


class Interrupted(KeyboardInterrupt):
    """Training stopped by a signal, after its state was saved."""


class Progress(typing.NamedTuple):
    """How far a run has come: whole epochs, then steps of the next one."""

    epoch: int = 0
    step: int = 0


class Checkpoint(keras.callbacks.Callback):
    """Saves all state so that a killed run can be resumed exactly.

    It saves after each epoch, every few minutes, and when the process is asked to stop
    (Ctrl-C or SIGTERM). A file appears under its name only once it is complete on disk:
    a run can be killed at any moment. The file holds weights, optimizers, seeds, the
    running metrics of the epoch and the memory of other callbacks.

    Put it last: what the callbacks before it did and wrote in an epoch is then done
    when the epoch counts as done.

    Args:
        directory: Folder for the checkpoints.
        keep: Integer, how many of the latest checkpoints to keep.
        seconds: Float, the time between two checkpoints within an epoch.
        remember: List of callbacks, such as `ReduceLROnPlateau`, whose numbers are
            saved and restored too.
        remedy: String or `None`, what the error of a broken training says to do in
            place of the model's `remedy`.

    Raises:
        NonFiniteLoss: While training, if a metric or weight is not finite. The
            checkpoints on disk are then from before.
        Interrupted: While training, after Ctrl-C or SIGTERM.

    Example:
    >>> checkpoint = Checkpoint("runs/vae")
    >>> fit(model, images, batch_size=100, epochs=50, checkpoint=checkpoint)
    """

    _CHECK_STEPS = 100

    def __init__(self, directory, keep=2, seconds=300.0, remember=(), remedy=None):
        super().__init__()
        self.directory = pathlib.Path(directory)
        self.keep = keep
        self.seconds = seconds
        self.remember = list(remember)
        self.remedy = remedy
        self._resumed = None
        self._epoch = 0
        self._first_step = 0
        self._signal = None
        self._handlers = {}

    def paths(self):
        """Returns the paths of all checkpoints, the latest last."""
        return sorted(self.directory.glob("epoch_*_step_*.weights.h5"))

    def progress(self):
        """Returns how far the latest checkpoint is, as its name says: `Progress`."""
        paths = self.paths()
        if not paths:
            return Progress()
        _, epoch, _, step = paths[-1].name.split(".")[0].split("_")
        return Progress(int(epoch), int(step))

    def restore(self, model):
        """Loads the latest checkpoint that can be read.

        Args:
            model: Compiled model.

        Returns:
            `Progress`, zero if there is no checkpoint.

        Raises:
            ValueError: If a checkpoint is of another model.
        """
        for path in reversed(self.paths()):
            try:
                model.load_weights(path)
                self._resumed = _read_metadata(path)
            except OSError as error:  # Damaged on disk: the reason to keep two.
                warnings.warn(f"Skipped {path}: {error}", stacklevel=2)
            except (ValueError, KeyError) as error:
                raise ValueError(
                    f"The checkpoint {path} is of another model or another setting. "
                    "Resume with the flags of the start, or name another folder. "
                    f"Received: {str(error).splitlines()[0]}"
                ) from error
            else:
                return Progress(self._resumed["epoch"], self._resumed["step"])
        return Progress()

    # Keras calls ----------------------------------------------------------------------

    def on_train_begin(self, logs=None):
        """Begins to listen to signals."""
        self._last_save = time.monotonic()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._on_signal)

    def on_epoch_begin(self, epoch, logs=None):
        """Puts back, in a resumed epoch, what Keras has just reset."""
        self._epoch, self._first_step = epoch, 0
        if self._resumed is None:
            return
        for callback, state in zip(
            self.remember, self._resumed["callbacks"], strict=True
        ):
            vars(callback).update(state)
        if self._resumed["step"]:
            self._first_step = self._resumed["step"]
            for variable, value in zip(
                self.model.metrics_variables, self._resumed["metrics"], strict=True
            ):
                variable.assign(value)
        self._resumed = None

    def on_train_batch_end(self, batch, logs=None):
        """Saves if it is time to, or if a signal came."""
        if batch + 1 == self.params["steps"]:
            return  # `on_epoch_end` follows.
        step = self._first_step + batch + 1
        asked = self._signal is not None  # Read once: it may come at any moment.
        overdue = time.monotonic() - self._last_save > self.seconds
        if overdue or asked or step % self._CHECK_STEPS == 0:
            self._check(logs, step)
        if overdue or asked:
            self._save_and_stop(Progress(self._epoch, step), asked)

    def on_epoch_end(self, epoch, logs=None):
        """Saves the state of a complete epoch."""
        asked = self._signal is not None
        self._check(logs, self._first_step + self.params["steps"])
        self._save_and_stop(Progress(epoch + 1, 0), asked)

    def on_train_end(self, logs=None):
        """Leaves signals to whom they belonged."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    # ----------------------------------------------------------------------------------

    def save(self, progress):
        """Writes one checkpoint, then removes the oldest.

        A full disk gives a warning and training goes on: the next time may be better,
        and the last checkpoint is still there.

        Returns:
            Boolean, whether it was written.

        Raises:
            NonFiniteLoss: If a weight is not finite; nothing is written then.
        """
        backend.sync_state(self.model)
        self._check_weights()
        self._last_save = time.monotonic()
        name = f"epoch_{progress.epoch:06d}_step_{progress.step:09d}.weights.h5"
        temporary = self.directory / "unfinished.weights.h5"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self.model.save_weights(temporary, overwrite=True)
            _write_metadata(temporary, self._describe(progress))
            _flush_to_disk(temporary)
            os.replace(temporary, self.directory / name)  # Atomic.
            _flush_to_disk(self.directory)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            warnings.warn(
                f"No checkpoint could be written to {self.directory}: {error}. Make "
                f"room there; training goes on. {self._name_latest()}",
                stacklevel=2,
            )
            return False
        for old_path in self.paths()[: -self.keep]:
            old_path.unlink()
        return True

    def _describe(self, progress):
        metrics = [
            np.asarray(keras.ops.convert_to_numpy(v)).tolist()
            for v in self.model.metrics_variables
        ]
        return {
            "epoch": progress.epoch,
            "step": progress.step,
            "metrics": metrics,
            "callbacks": [_numbers_of(callback) for callback in self.remember],
        }

    def _check(self, logs, step):
        values = {name: float(value) for name, value in (logs or {}).items()}
        self._stop_if_broken(
            [name for name, value in values.items() if not np.isfinite(value)],
            f"epoch {self._epoch + 1}, step {step}",
        )

    def _check_weights(self):
        # The last update before a checkpoint shows in no loss yet.
        weights = {v.path: keras.ops.convert_to_numpy(v) for v in self.model.weights}
        self._stop_if_broken(
            [path for path, value in weights.items() if not np.isfinite(value).all()],
            f"epoch {self._epoch + 1}",
        )

    def _stop_if_broken(self, names, place):
        if names:
            raise NonFiniteLoss(
                f"Training stopped in {place}: {names[0]} is not finite. "
                f"{self.remedy or self.model.remedy} {self._name_latest()}"
            )

    def _name_latest(self):
        paths = self.paths()
        if not paths:
            return "There is no earlier checkpoint."
        return f"The latest good checkpoint is {paths[-1]}."

    def _save_and_stop(self, progress, asked):
        saved = self.save(progress)
        if asked:
            self._signal = None  # Another `fit` may follow.
            raise Interrupted(
                f"Saved after epoch {progress.epoch}, step {progress.step} in "
                f"{self.directory}."
                if saved
                else f"Nothing could be saved now. {self._name_latest()}"
            )

    def _on_signal(self, number, frame):
        if self._signal:  # Asked twice: at once.
            self._signal = None
            raise KeyboardInterrupt
        self._signal = number


def fit(model, data, batch_size, epochs, checkpoint, seed=0, callbacks=(), **options):
    """Fits `model`, or goes on exactly where an earlier run was stopped.

    Args:
        model: Compiled `GenerativeModel`.
        data: `gen_keras.datasets.Dataset` or array of examples.
        batch_size: Integer.
        epochs: Integer, the epochs in total, those of earlier runs included.
        checkpoint: `Checkpoint`. The run goes on from its latest file.
        seed: Integer, decides the order of the examples.
        callbacks: List of other callbacks.
        **options: Arguments of `datasets.Batches` (`transform`) and `keras.Model.fit`
            (`validation_data`, `verbose`).
    """
    from gen_keras import datasets

    transform = options.pop("transform", None)
    epoch, step = checkpoint.restore(model)

    def run(first_epoch, last_epoch, first_step=0):
        batches = datasets.Batches(
            data,
            batch_size,
            seed,
            first_epoch=first_epoch,
            first_step=first_step,
            transform=transform,
        )
        try:
            model.fit(
                batches,
                shuffle=False,
                initial_epoch=first_epoch,
                epochs=last_epoch,
                callbacks=[*callbacks, checkpoint],
                **options,
            )
        except BaseException:  # Keras ends no callback then.
            for callback in (*callbacks, checkpoint):
                callback.on_train_end()
            raise

    if step and epoch < epochs:  # The rest of an epoch is a `fit` of its own.
        run(epoch, epoch + 1, step)
        epoch += 1
    if epoch < epochs and not model.stop_training:
        run(epoch, epochs)


class Measure(keras.callbacks.Callback):
    """Adds figures of the model to the logs of an epoch.

    Put it before the callbacks that read these logs, such as `TensorBoard` and
    `BestModel`; Keras' own history comes last. `metrics.SampleMetrics` has figures of
    samples.

    Args:
        figures: Function without arguments that returns a dict of names and floats.
        every: Integer, the epochs between two calls.
        last_epoch: Integer or `None`, an epoch that has one, too.
    """

    def __init__(self, figures, every=1, last_epoch=None):
        super().__init__()
        self.figures = figures
        self.every = every
        self.last_epoch = last_epoch

    def on_epoch_end(self, epoch, logs=None):
        """Measures the model, if it is time."""
        epoch += 1
        if epoch % self.every and epoch != self.last_epoch:
            return
        backend.sync_state(self.model)
        with _same_noise(self.model):
            logs.update(self.figures())


class BestModel(keras.callbacks.Callback):
    """Keeps the model of the epoch with the least of a metric.

    Give it to `Checkpoint(remember=…)` as well, so that a resumed run knows the least.

    Args:
        path: File name ending in ".keras".
        monitor: String, a key of the logs of an epoch, such as "val_l1_loss".
    """

    def __init__(self, path, monitor):
        super().__init__()
        self.path = pathlib.Path(path)
        self.monitor = monitor
        self.best = float("inf")

    def on_epoch_end(self, epoch, logs=None):
        """Saves the model if it is the best so far."""
        value = (logs or {}).get(self.monitor, float("inf"))
        if not value < self.best:  # NaN is no improvement.
            return
        self.best = float(value)
        backend.sync_state(self.model)
        temporary = self.path.with_name("unfinished_best.keras")  # Never half a model.
        try:
            self.model.save(temporary)
            temporary.replace(self.path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            warnings.warn(f"{self.path} could not be written: {error}", stacklevel=2)


class TensorBoard(keras.callbacks.Callback):
    """Logs metrics, learning rates, images and hyperparameters; without TensorFlow.

    A resumed run may use the folder of the first: what a killed run wrote of an epoch
    that is now repeated disappears from the curves.

    Args:
        directory: Folder for the event file of this run.
        hparams: Dict of numbers, strings and bools, the hyperparameters of the run.
        images: Dict of names and functions without arguments that return images
            (num_images, height, width, channels), called at the end of epochs.
        value_range: Pair of floats, the values of black and white in the images.
        every: Integer, the epochs between two logs of images.
    """

    def __init__(
        self, directory, hparams=None, images=None, value_range=(0.0, 1.0), every=1
    ):
        super().__init__()
        self.directory = str(directory)
        self.hparams = hparams
        self.images = images or {}
        self.value_range = value_range
        self.every = every
        self._writer = None

    def on_epoch_begin(self, epoch, logs=None):
        """Opens the event file and writes the hyperparameters."""
        if self._writer is not None:
            return
        from tensorboard.compat.proto import event_pb2
        from tensorboard.plugins.hparams import summary_v2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = EventFileWriter(self.directory)
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._write(epoch + 1, session_log=start)
        if self.hparams:
            self._write(0, summary=summary_v2.hparams_pb(self.hparams))

    def on_epoch_end(self, epoch, logs=None):
        """Writes the metrics of the epoch, the learning rates and the images."""
        from tensorboard.compat.proto import summary_pb2

        scalars = dict(logs or {}) | self._learning_rates()
        values = [
            summary_pb2.Summary.Value(tag=name, simple_value=float(value))
            for name, value in scalars.items()
        ]
        if (epoch + 1) % self.every == 0:
            values += [
                summary_pb2.Summary.Value(tag=name, image=self._draw(function))
                for name, function in self.images.items()
            ]
        self._write(epoch + 1, summary=summary_pb2.Summary(value=values))
        try:
            self._writer.flush()
        except OSError as error:
            warnings.warn(f"TensorBoard logs are incomplete: {error}.", stacklevel=2)

    def on_train_end(self, logs=None):
        """Closes the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _learning_rates(self):
        optimizers = {
            name.removesuffix("_optimizer"): value
            for name, value in vars(self.model).items()
            if name.endswith("_optimizer")
        } or {"": self.model.optimizer}
        return {
            f"learning_rate/{name}".rstrip("/"): keras.ops.convert_to_numpy(
                optimizer.learning_rate
            )
            for name, optimizer in optimizers.items()
        }

    def _draw(self, function):
        from tensorboard.compat.proto import summary_pb2

        with _same_noise(self.model):
            images = keras.ops.convert_to_numpy(function())
        grid = image_grids.make_grid(images, self.value_range)
        height, width, channels = grid.shape
        return summary_pb2.Summary.Image(
            height=height,
            width=width,
            colorspace=channels,
            encoded_image_string=image_grids.encode_png(grid),
        )

    def _write(self, step, **content):
        from tensorboard.compat.proto import event_pb2

        event = event_pb2.Event(wall_time=time.time(), step=step, **content)
        try:
            self._writer.add_event(event)
        except OSError as error:
            warnings.warn(f"TensorBoard logs are incomplete: {error}.", stacklevel=2)


@contextlib.contextmanager
def _same_noise(model):
    """Puts back the random streams: looking on must not change what follows."""
    states = model.seed_states
    before = [np.array(keras.ops.convert_to_numpy(state)) for state in states]
    yield
    for state, value in zip(states, before, strict=True):
        state.assign(value)


def _numbers_of(callback):
    plain = (bool, int, float, str, type(None))
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in vars(callback).items()
        if isinstance(value, (*plain, np.generic))
    }


def _write_metadata(path, metadata):
    import h5py

    with h5py.File(path, "a") as file:
        file.attrs["gen_keras"] = json.dumps(metadata)


def _read_metadata(path):
    import h5py

    with h5py.File(path, "r") as file:
        return json.loads(file.attrs["gen_keras"])


def _flush_to_disk(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
