"""Runs blocks of training steps when `benchmark.py` says so.

    KERAS_BACKEND=jax python training/benchmark_worker.py vae ours loop

Prints one line of JSON when it is ready. Then it reads names of contestants, one a
line, and prints the seconds that a block of each took. Contestants: "ours", "loop",
"native" and "example" train the model, see `benchmark_loops.py`; "products" does the
bare matrix products of an RBM; "sklearn-1" and "sklearn-2" train scikit-learn's RBM
with so many threads; the name of another workload trains ours of that one. "memory",
alone, prints what training holds in memory, and ends.

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

    @property
    def has_classes(self):
        """Whether the model trains on images with their classes."""
        return self.model in ("ConditionalGAN", "ACGAN")

    def build(self, jit_compile="auto"):
        """Returns the compiled model, always with the same weights."""
        import keras

        from gen_keras import models

        keras.utils.set_random_seed(0)
        arguments = self.arguments
        if self.model == "InfoGAN":
            arguments = arguments | build_dcgan_networks(**arguments)
        model = getattr(models, self.model)(**arguments, seed=0)
        model.compile(jit_compile=jit_compile)
        return model

    def load_data(self):
        """Returns what each step gets: tuples of images and, if needed, classes."""
        data = [self.load_batches()]
        if self.has_classes:
            with np.load(IMAGES) as file:
                classes = file["labels"][: len(data[0]) * self.batch_size]
            data.append(list(classes.reshape(-1, self.batch_size).astype("int32")))
        return list(zip(*data, strict=True))

    def load_batches(self):
        """Returns MNIST as arrays (batch_size, 28, 28, 1), 0 or 1, for a GAN ±1."""
        with np.load(IMAGES) as file:
            images = file["images"][: self.num_images, ..., None] / np.float32(255)
        images = (images > np.random.default_rng(0).uniform(size=images.shape)) * 1.0
        images = np.float32(2 * images - 1 if "GAN" in self.model else images)
        num_batches = len(images) // self.batch_size
        return list(
            images[: num_batches * self.batch_size].reshape(
                num_batches, self.batch_size, 28, 28, 1
            )
        )


def build_dcgan_networks(image_shape, latent_dim, base_filters):
    """Returns DCGAN's networks as arguments of InfoGAN, whose own are others."""
    from gen_keras.models.gans import networks

    num_codes = 10 + 2
    return {
        "generator": networks.build_generator(
            image_shape, latent_dim + num_codes, base_filters
        ),
        "discriminator": networks.build_discriminator(
            image_shape, base_filters, num_outputs=1 + num_codes
        ),
    }


# The GANs that sample. Their other arguments are the papers'.
VARIANTS = {
    "GAN": {},
    "LSGAN": {},
    "WGAN": {"warm_up_steps": 0},  # Else its first steps are the critic's alone.
    "WGANGP": {},
    "PacGAN": {},
    "UnrolledGAN": {},
    "ConditionalGAN": {},
    "ACGAN": {},
    "InfoGAN": {},
    "BiGAN": {},
}


def make_variants(base_filters, batch_size):
    """Returns a dict of workloads of the GANs, with the same networks if they can.

    A block has 5 steps: in it a Wasserstein GAN updates its generator once.
    """
    shared = {"image_shape": (28, 28, 1), "latent_dim": 100}
    shared["base_filters"] = base_filters
    return {
        name: Workload(name, shared | arguments, batch_size, num_steps=5)
        for name, arguments in VARIANTS.items()
    }


PCD = {"num_hidden": NUM_HIDDEN, "num_chains": 100}
WORKLOADS = {
    "dcgan": Workload("DCGAN", {"image_shape": (28, 28, 1), "base_filters": 32}, 64, 3),
    "vae": Workload("VAE", {}, 100, 20),
    "rbm": Workload("RBM", PCD, 100, 20),
    "rbm_epoch": Workload("RBM", PCD, 100, 600, 60_000),
} | make_variants(base_filters=16, batch_size=64)
QUICK = {
    "dcgan": Workload("DCGAN", {"image_shape": (28, 28, 1), "base_filters": 4}, 8, 10),
    "vae": Workload("VAE", {"hidden_dims": (32,), "latent_dim": 4}, 10, 20),
    "rbm": Workload("RBM", {"num_hidden": 32, "num_chains": 10}, 10, 20),
    "rbm_epoch": Workload("RBM", PCD, 100, 30, 3_000),
} | make_variants(base_filters=4, batch_size=8)


def main():
    """Prepares the contestants, then times what it is told to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("contestants", nargs="+")
    parser.add_argument("--jit-compile", action="store_true")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    workloads = QUICK if args.quick else WORKLOADS
    workload = workloads[args.workload]
    jit_compile = args.jit_compile or "auto"
    if args.contestants == ["memory"]:
        print(json.dumps(measure_memory(workload, jit_compile)), flush=True)
        return
    blocks = {
        name: make_block("ours", workloads[name], jit_compile)
        if name in workloads
        else make_block(name, workload, jit_compile)
        for name in args.contestants
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
    batches = workload.load_data()
    if contestant == "products":
        batches = [(batch.reshape(-1, model.num_visible),) for (batch,) in batches]
    # An epoch reads from an array, as scikit-learn does; else tensors are ready.
    is_epoch = len(batches) == workload.num_steps
    if not is_epoch:
        batches = [tuple(map(ops.convert_to_tensor, batch)) for batch in batches]

    def run():
        for i in range(workload.num_steps):
            batch = batches[i % len(batches)]
            logs = step(*(map(ops.convert_to_tensor, batch) if is_epoch else batch))
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


# Memory -------------------------------------------------------------------------------


def measure_memory(workload, jit_compile="auto", num_blocks=2):
    """Trains a model and returns what it holds. Linux only; in a process of its own.

    Returns:
        Dict: `variable_bytes`, of all variables with those of the optimizers;
        `peak_bytes`, by how much the most memory that training held exceeds that of
        the imports.
    """
    import benchmark_loops  # noqa: F401

    import gen_keras.models  # noqa: F401

    imports = read_memory("VmRSS")
    run = make_block("ours", workload, jit_compile)
    # Peaks are counted anew: that of unpacking the images is none of training.
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    for _ in range(num_blocks):
        run()
    peak = read_memory("VmHWM") - imports
    return {"variable_bytes": count_bytes(workload.build()), "peak_bytes": peak}


def read_memory(field, pid="self"):
    """Returns the bytes that a process holds ("VmRSS") or has held ("VmHWM")."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(field))
    return 1024 * int(line.split()[1])


def count_bytes(model):
    """Returns the bytes of all variables of a compiled model and its optimizers."""
    variables = model.variables + model.optimizer.variables
    return sum(math.prod(v.shape) * np.dtype(v.dtype).itemsize for v in variables)


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
