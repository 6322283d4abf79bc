"""Runs blocks of training steps when `benchmark.py` says so.

    KERAS_BACKEND=jax python training/benchmark_worker.py vae ours loop

Prints one line of JSON when it is ready. Then it reads names of contestants, one a
line, and prints the seconds that a block of each took. Contestants: "ours", "loop" and
"native" train the model, see `benchmark_loops.py`; "products" does the bare matrix
products of an RBM; "sklearn-1" and "sklearn-2" train scikit-learn's RBM with so many
threads.

What is timed: the steps of one block, one after the other, until the last is done.
Tensors are ready before, compilation is over, and nothing of `fit` (callbacks,
progress bar) is there. Only "rbm_epoch" reads its batches from an array.
"""

import argparse
import contextlib
import dataclasses
import importlib.metadata
import json
import math
import pathlib
import sys
import time
from unittest import mock

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # Runs from a checkout, too.
IMAGES = ROOT / "gen_keras/datasets/data/mnist_train.npz"
NUM_HIDDEN = 500
RATE = 0.05


@dataclasses.dataclass
class Workload:
    """A model, its data and the length of a block.

    Attributes:
        model: String, the class in `gen_keras.models`.
        arguments: Dict, its arguments.
        batch_size: Integer.
        num_steps: Integer, the steps of a block.
        num_images: Integer, how many MNIST images a block goes through again and again.
    """

    model: str
    arguments: dict
    batch_size: int
    num_steps: int
    num_images: int = 1000

    def build(self, jit_compile="auto"):
        """Returns the compiled model, always with the same weights."""
        import keras

        from gen_keras import models

        keras.utils.set_random_seed(0)
        model = getattr(models, self.model)(**self.arguments, seed=0)
        model.compile(jit_compile=jit_compile)
        return model

    def load_batches(self):
        """Returns MNIST as arrays (batch_size, 28, 28, 1), 0 or 1, for a GAN ±1."""
        with np.load(IMAGES) as file:
            images = file["images"][: self.num_images, ..., None] / np.float32(255)
        images = (images > np.random.default_rng(0).uniform(size=images.shape)) * 1.0
        images = np.float32(2 * images - 1 if self.model == "DCGAN" else images)
        num_batches = len(images) // self.batch_size
        return list(
            images[: num_batches * self.batch_size].reshape(
                num_batches, self.batch_size, 28, 28, 1
            )
        )


PCD = {"num_hidden": NUM_HIDDEN, "num_chains": 100}
WORKLOADS = {
    "dcgan": Workload("DCGAN", {"image_shape": (28, 28, 1), "base_filters": 32}, 64, 3),
    "vae": Workload("VAE", {}, 100, 20),
    "rbm": Workload("RBM", PCD, 100, 20),
    "rbm_epoch": Workload("RBM", PCD, 100, 600, 60_000),
}
QUICK = {
    "dcgan": Workload("DCGAN", {"image_shape": (28, 28, 1), "base_filters": 4}, 8, 10),
    "vae": Workload("VAE", {"hidden_dims": (32,), "latent_dim": 4}, 10, 20),
    "rbm": Workload("RBM", {"num_hidden": 32, "num_chains": 10}, 10, 20),
    "rbm_epoch": Workload("RBM", PCD, 100, 30, 3_000),
}


def main():
    """Prepares the contestants, then times what it is told to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("contestants", nargs="+")
    parser.add_argument("--jit-compile", action="store_true")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    workload = (QUICK if args.quick else WORKLOADS)[args.workload]
    jit_compile = args.jit_compile or "auto"
    blocks = {
        name: make_block(name, workload, jit_compile) for name in args.contestants
    }
    description = describe(workload, jit_compile, args.contestants)
    for run in 2 * list(blocks.values()):
        run()  # Compiles, and fills what later blocks find filled.
    print(json.dumps(description), flush=True)
    for name in map(str.strip, sys.stdin):
        start = time.perf_counter()
        blocks[name]()
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)


def make_block(contestant, workload, jit_compile="auto"):
    """Returns a function without arguments that runs one block to its end."""
    if contestant.startswith("sklearn-"):
        return make_sklearn_epoch(workload, int(contestant.removeprefix("sklearn-")))
    import benchmark_loops as loops
    from keras import ops

    model = workload.build(jit_compile)
    if contestant == "products":
        shapes = (model.num_chains, model.num_visible, model.num_hidden)
        step = loops.make_products(shapes, model.jit_compile)
    else:
        step = getattr(loops, f"make_{contestant}")(model)
    batches = workload.load_batches()
    if contestant == "products":
        batches = [batch.reshape(-1, model.num_visible) for batch in batches]
    # An epoch reads from an array, as scikit-learn does; else tensors are ready.
    is_epoch = len(batches) == workload.num_steps
    if not is_epoch:
        batches = [ops.convert_to_tensor(batch) for batch in batches]

    def run():
        for i in range(workload.num_steps):
            batch = batches[i % len(batches)]
            logs = step(ops.convert_to_tensor(batch) if is_epoch else batch)
        loops.wait(logs)

    return run


def make_sklearn_epoch(workload, num_threads):
    """Returns a function that fits scikit-learn's RBM for one epoch (PCD-1)."""
    import sklearn.neural_network
    import threadpoolctl

    images = np.concatenate(workload.load_batches()).reshape(-1, 784)

    def run():
        rbm = sklearn.neural_network.BernoulliRBM(
            workload.arguments["num_hidden"],
            learning_rate=RATE,
            batch_size=workload.batch_size,
            n_iter=1,
            random_state=0,
        )
        with threadpoolctl.threadpool_limits(num_threads):
            rbm.fit(images)

    return run


# Both sides do the same --------------------------------------------------------------


def compare_with_loop(workload, jit_compile="auto", num_steps=3):
    """Returns how far the logs of our step and of the loop are apart.

    Both start from the same weights, see the same images and the same "noise".

    Returns:
        Float, the largest |ours - loop| / (1 + |ours|) over steps and logs. From the
        second step on it sees whether the first one made the same update.
    """
    import benchmark_loops as loops
    from keras import ops

    with fixed_noise():
        steps = [
            make(workload.build(jit_compile))
            for make in (loops.make_ours, loops.make_loop)
        ]
        sums, difference = {}, 0.0
        for count, batch in enumerate(workload.load_batches()[:num_steps], 1):
            ours, loop = (step(ops.convert_to_tensor(batch)) for step in steps)
            assert set(ours) == set(loop), (set(ours), set(loop))
            for name, value in loop.items():
                # Our logs are running means.
                sums[name] = sums.get(name, 0.0) + float(value)
                expected = float(ours[name])
                error = abs(expected - sums[name] / count) / (1 + abs(expected))
                difference = max(difference, error)
    return difference


@contextlib.contextmanager
def fixed_noise():
    """Replaces random numbers by fixed ones, in our steps and in the loops."""
    import benchmark_loops as loops
    import keras

    from gen_keras import backend

    def draw_uniform(shape, low=0.0, high=1.0, seed=None, key=None):
        waves = 0.5 + 0.5 * np.sin(np.arange(math.prod(shape)) * 1.7)
        values = np.float32(low + (high - low) * waves.reshape(shape))
        return keras.ops.convert_to_tensor(values)

    def draw_normal(shape, seed=None, key=None):
        return draw_uniform(shape, -1.7, 1.7)

    with contextlib.ExitStack() as stack:
        for module in (loops, backend):
            for name, draw in (("uniform", draw_uniform), ("normal", draw_normal)):
                stack.enter_context(mock.patch.object(module, name, draw))
        yield


def describe(workload, jit_compile, contestants):
    """Returns a dict: versions, sizes, how far "ours" and "loop" are apart."""
    packages = ("keras", "tensorflow", "jax", "torch", "scikit-learn", "numpy")
    loaded = [p for p in packages if p.replace("scikit-", "sk") in sys.modules]
    result = {
        "versions": {name: importlib.metadata.version(name) for name in loaded},
        "batch_size": workload.batch_size,
        "steps_per_block": workload.num_steps,
    }
    if "ours" in contestants:
        result["jit_compile"] = bool(workload.build(jit_compile).jit_compile)
    if {"ours", "loop"} <= set(contestants):
        result["loss_difference"] = compare_with_loop(workload, jit_compile)
    return result


if __name__ == "__main__":
    main()
