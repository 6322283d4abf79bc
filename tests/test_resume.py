"""A run killed at a random moment and resumed equals a run left alone, bit for bit."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing import event_accumulator

from gen_keras import callbacks, datasets
from gen_keras.models import DCGAN, RBM

ROOT = pathlib.Path(__file__).parents[1]
SCRIPT = "import sys; from tests import test_resume; test_resume.train(*sys.argv[1:])"


class Slow(keras.callbacks.Callback):
    """Takes 48 steps so long that on any machine a kill comes before the end."""

    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.02)


def make_model(name):
    rate = keras.optimizers.schedules.CosineDecay(1e-2, 300)
    if name == "dcgan":
        model = DCGAN((16, 16, 1), 4, base_filters=2, ema_momentum=0.9, seed=0)
        momentum = keras.optimizers.SGD(0.05, momentum=0.9)
        model.compile(keras.optimizers.Adam(rate), momentum)
    else:
        model = RBM((16, 16, 1), num_hidden=20, num_chains=30, seed=0)
        model.compile(keras.optimizers.SGD(rate))
    generator = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0, 0.1, variable.shape))
    if name == "dcgan":
        model.average_generator.set_weights(model.generator.get_weights())
    return model


def train(name, directory):
    """Trains, or goes on; returns the state at the end as arrays."""
    seed = int.from_bytes(os.urandom(3), "big")  # Must not matter.
    keras.utils.set_random_seed(seed)
    data = np.random.default_rng(0).uniform(0, 1, (512, 16, 16, 1)).astype("float32")
    model = make_model(name)
    callbacks.fit(
        model,
        data,
        32,
        epochs=3,
        checkpoint=callbacks.Checkpoint(directory, seconds=0.05),
        callbacks=[callbacks.TensorBoard(directory), Slow()],
        transform=datasets.binarize,
        verbose=0,
    )
    variables = model.variables + model.optimizer.variables
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def start(name, directory):
    command = [sys.executable, "-c", SCRIPT, name, str(directory)]
    return subprocess.Popen(command, cwd=ROOT)


def scalars(directory):
    events = event_accumulator.EventAccumulator(str(directory)).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


@pytest.mark.parametrize("name", [pytest.param("dcgan", marks=pytest.mark.slow), "rbm"])
def test_killed_and_resumed_training_is_exact(name, tmp_path):
    left_alone, killed = tmp_path / "left_alone", tmp_path / "killed"
    delay = random.Random(os.getpid())
    for _ in range({"rbm": 1, "dcgan": 2}[name]):
        checkpoints = callbacks.Checkpoint(killed).paths()
        process = start(name, killed)
        while callbacks.Checkpoint(killed).paths() == checkpoints:
            assert process.poll() is None
            time.sleep(0.001)
        time.sleep(delay.uniform(0, 0.5))  # In an epoch, or while a file is written.
        process.kill()
        assert process.wait() == -signal.SIGKILL
        time.sleep(1)  # TensorBoard orders its files by the second.

    # Another process goes on, which has seen nothing of the run but its files.
    actual, expected = train(name, killed), train(name, left_alone)
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert scalars(killed) == scalars(left_alone)
