"""A run killed at a random moment and resumed equals a run left alone, bit for bit."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from tensorboard.backend.event_processing import event_accumulator

from gen_keras import callbacks

SCRIPT = """
import os, sys, time
import keras, numpy as np
from gen_keras import callbacks, datasets
from gen_keras.models import DCGAN, RBM

name, directory = sys.argv[1:]
keras.utils.set_random_seed(int.from_bytes(os.urandom(3), "big"))  # Must not matter.
data = np.random.default_rng(0).uniform(0, 1, (512, 16, 16, 1)).astype("float32")
rate = keras.optimizers.schedules.CosineDecay(1e-2, 300)
if name == "dcgan":
    model = DCGAN((16, 16, 1), 4, base_filters=2, ema_momentum=0.9, seed=0)
    model.compile(keras.optimizers.Adam(rate), keras.optimizers.SGD(0.05, momentum=0.9))
else:
    model = RBM((16, 16, 1), num_hidden=20, num_chains=30, seed=0)
    model.compile(keras.optimizers.SGD(rate))
generator = np.random.default_rng(1)
for variable in model.trainable_variables:
    variable.assign(generator.normal(0, 0.1, variable.shape))
if name == "dcgan":
    model.average_generator.set_weights(model.generator.get_weights())


class Slow(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.02)  # 48 steps: on any machine a kill comes before the end.

callbacks.fit(
    model, data, 32, epochs=3,
    checkpoint=callbacks.Checkpoint(directory, seconds=0.05),
    callbacks=[callbacks.TensorBoard(directory), Slow()],
    transform=datasets.binarize, verbose=0,
)
variables = model.variables + model.optimizer.variables
values = [keras.ops.convert_to_numpy(v) for v in variables]
np.savez(os.path.join(directory, "end.npz"), *values)
"""


def start(name, directory):
    command = [sys.executable, "-c", SCRIPT, name, str(directory)]
    return subprocess.Popen(command)


def scalars(directory):
    events = event_accumulator.EventAccumulator(str(directory)).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


@pytest.mark.parametrize("name", [pytest.param("dcgan", marks=pytest.mark.slow), "rbm"])
def test_killed_and_resumed_training_is_exact(name, tmp_path):
    left_alone, killed = tmp_path / "left_alone", tmp_path / "killed"
    assert start(name, left_alone).wait() == 0

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
    assert start(name, killed).wait() == 0

    expected, actual = np.load(left_alone / "end.npz"), np.load(killed / "end.npz")
    assert expected.files == actual.files
    for array in expected.files:
        np.testing.assert_array_equal(expected[array], actual[array])
    assert scalars(killed) == scalars(left_alone)
