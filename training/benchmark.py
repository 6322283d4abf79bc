"""Measures speed and writes `training/results/benchmark.json`.

    make benchmark
    python training/benchmark.py --only a     # one part; the others keep their results
    python training/benchmark.py --quick      # small sizes: does it run? Writes nothing

Parts:
    a: A training step of each model against a loop written by hand for the backend
        over the same Keras networks; with torch also over `torch.nn` networks.
    b: An epoch of an RBM (PCD-1, 60,000 x 784 to 500, batch 100, float32) against
        scikit-learn's, and against the six matrix products a step that it needs.
    c: 16 samples through the running app, by its API.
    d: From the start of the app to its first page; what `import gen_keras` costs.
    e: A translation through the running app, and that of a large photo.
    f: A training step and the memory of each GAN against `GAN` with the same networks;
        a step of DCGAN against PyTorch's public example.
    g: Annealed importance sampling of an RBM; the likelihoods of ours and of
        scikit-learn's after equal epochs.

JAX and torch run in `.venv-jax` and `.venv-torch`. Run it on an idle machine.
"""

import argparse
import contextlib
import datetime
import json
import math
import os
import pathlib
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from benchmark_worker import VARIANTS, read_memory

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # Runs from a checkout, too.
RESULTS = ROOT / "training/results/benchmark.json"
# Name of a setting: the environment, the backend, what is more than the default.
SETTINGS = {
    "tensorflow": (".venv", "tensorflow", []),
    "tensorflow_xla": (".venv", "tensorflow", ["--jit-compile"]),
    "jax": (".venv-jax", "jax", []),
    "torch": (".venv-torch", "torch", []),
}
MODELS = ("dcgan", "vae", "rbm")
WARM_UP_SECONDS = 20
# Where a process finds its memory moves a ratio of part a by some percent.
NUM_PROCESSES = 3

PROTOCOL = {
    "a": "Three processes one after the other, in each both sides with the same "
    "weights at the start, tensors ready, compilation over. A block is "
    "steps_per_block steps in turn. Blocks of both sides alternate, and who starts "
    "alternates too. ours: the function that fit calls for a batch, with its metrics, "
    "without callbacks and progress bar. loop: the same mathematics by hand, see "
    "training/benchmark_loops.py; loss_difference is how far the two are apart over "
    "three steps with the same noise. ratio: ours / other, the median of the blocks "
    "with its binomial 95 % interval.",
    "b": "A block is an epoch. One process each; blocks alternate. Ours reads its "
    "batches from an array, as scikit-learn does. scikit-learn runs with 1 thread "
    "and with all; the faster one counts. Its step has five products, ours six: its "
    "chains are hidden units, drawn with the weights before the update. "
    "products_ratio: ours / products; sklearn_ratio: scikit-learn / ours; each with "
    "its binomial 95 % interval.",
    "c": "Requests of gradio_client one after the other, each with a seed of its own, "
    "until all 16 PNG files are here, over one connection as a browser keeps it. The "
    "app has been warm.",
    "d": "Fresh processes, files cached by the system. page: from the start of "
    "demos/app.py to the last byte of /. import: `import keras`, then "
    "`import gen_keras` in the same process.",
    "e": "Requests of gradio_client one after the other, until all pictures are made: "
    "of pix2pix the translation and four variants; of CycleGAN the full circle, at the "
    "size of the training. The app has been warm. photo: the full circle of one noisy "
    "image of 2048 x 2048 pixels, once, and the most memory that the app has held.",
    "f": "variants: all with DCGAN's networks of 28 x 28 x 1 pixels, base_filters 16, "
    "latent_dim 100, and the same batch size; else each with its defaults, but WGAN "
    "without its longer first rounds. ConditionalGAN, ACGAN and InfoGAN have the "
    "inputs and outputs more that they need, PacGAN the channels of two images, WGANGP "
    "no batch normalization in its critic, BiGAN an encoder and a discriminator of "
    "pairs with dense layers of 256. Three processes, each with all models; blocks of "
    "a model and of GAN alternate. A block is 5 steps, each a batch, so with WGAN and "
    "WGANGP 5 updates of the critic and 1 of the generator. ratio: model / GAN, as in "
    "a; that of GAN with itself shows the noise. variable_bytes: all variables, those "
    "of the optimizers included. peak_bytes: a process of its own trains 10 steps, "
    "once; the most resident memory from the first step on, compilation included, less "
    "what it was after the imports. example: DCGAN as in a against the loop of "
    "github.com/pytorch/examples, dcgan/main.py, on torch.nn networks of the same "
    "shapes, in the same three processes, so with the same threads. It generates once "
    "a step, ours twice, as algorithm 1 does. example_ratio: ours / example.",
    "g": "In a process of its own. seconds: log Z of rbm_mnist, 784 x 500, by 100 "
    "chains of 14,500 temperatures, once with each number of threads. nll: nats of the "
    "5,000 validation images, binarized, of RBMs after five epochs of PCD-1 (100 "
    "chains, batches of 100 in the same order, rate 0.05) by the same annealing; three "
    "seeds.",
}


def main():
    """Runs the parts that the flags name and writes their results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(PARTS), help="parts, such as a,d")
    parser.add_argument(
        "--blocks", type=int, default=12, help="of each process of a and f, and of b"
    )
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    args = parser.parse_args()
    parts = args.only.split(",")
    if not parts or not set(parts) <= set(PARTS):
        names = ",".join(PARTS)
        parser.error(f"--only names parts among {names}. Received: {args.only}")
    if args.blocks < 1:
        parser.error(f"--blocks must be at least 1. Received: {args.blocks}")

    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"Warning: the machine is busy (load {load:.1f}); do not publish this.")
    metrics = {}
    for part in parts:
        start = time.perf_counter()
        result = PARTS[part](args.blocks, args.quick)
        seconds = round(time.perf_counter() - start, 1)
        command = " ".join(["python", *sys.argv])
        metrics[part] = result | {"command": command, "wall_seconds": seconds}
        print(json.dumps({part: metrics[part]}, indent=2), flush=True)
    if not args.quick:
        save(metrics, load)


def save(metrics, load):
    """Writes the results; parts not measured now keep theirs."""
    if RESULTS.exists():
        metrics = json.loads(RESULTS.read_text())["metrics"] | metrics
    result = {
        "command": "python training/benchmark.py",  # Of all parts; each names its own.
        "seed": 0,
        "protocol": PROTOCOL,
        "date": datetime.date.today().isoformat(),
        "hardware": describe_hardware() | {"load_average_at_start": round(load, 2)},
        "wall_seconds": sum(part["wall_seconds"] for part in metrics.values()),
        "metrics": dict(sorted(metrics.items())),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"Wrote {RESULTS.relative_to(ROOT)}.")


# Parts --------------------------------------------------------------------------------


def benchmark_steps(num_blocks, quick):
    """Returns the ratios of part a: a dict of models of settings."""
    options = num_blocks, quick
    return {
        model: {
            setting: measure_step(
                model, setting, ["loop"] + ["native"] * (setting == "torch"), *options
            )
            for setting in SETTINGS
        }
        for model in MODELS
    }


def measure_step(model, setting, others, num_blocks, quick):
    """Returns a dict: milliseconds a step of ours and of others, and the ratios."""
    contestants = ["ours", *others]
    seconds = {name: [] for name in contestants}
    for _ in range(1 if quick else NUM_PROCESSES):
        with Worker(setting, model, contestants, quick) as worker:
            runs = {name: lambda name=name: worker.time(name) for name in contestants}
            for name, values in alternate(runs, num_blocks).items():
                seconds[name] += values
    steps = worker.info["steps_per_block"]
    result = worker.info | {
        "milliseconds_per_step": {
            name: round(1000 * statistics.median(values) / steps, 3)
            for name, values in seconds.items()
        },
    }
    for name in others:
        key = "ratio" if name == "loop" else f"{name}_ratio"
        result[key] = compare(seconds["ours"], seconds[name])
    return result


def benchmark_rbm(num_blocks, quick):
    """Returns the seconds of an epoch and the ratios of part b."""
    threads = {f"sklearn-{n}" for n in (1, os.cpu_count())}
    runs = {}
    with contextlib.ExitStack() as stack:
        for setting in SETTINGS:
            worker = Worker(setting, "rbm_epoch", ["ours", "products"], quick)
            stack.enter_context(worker)
            for name in ("ours", "products"):
                runs[setting, name] = lambda w=worker, n=name: w.time(n)
        sklearn = Worker("tensorflow", "rbm_epoch", sorted(threads), quick)
        stack.enter_context(sklearn)
        for name in sorted(threads):
            runs["sklearn", name] = lambda name=name: sklearn.time(name)
        seconds = alternate(runs, num_blocks)

    medians = {key: statistics.median(values) for key, values in seconds.items()}
    reference = min((key for key in runs if key[0] == "sklearn"), key=medians.get)
    best = min(SETTINGS, key=lambda setting: medians[setting, "ours"])
    return {
        "seconds_per_epoch": {" ".join(k): round(v, 3) for k, v in medians.items()},
        "sklearn_threads": int(reference[1].removeprefix("sklearn-")),
        "sklearn_versions": sklearn.info["versions"],
        "best": best,
        "settings": {
            setting: {
                "sklearn_ratio": compare(seconds[reference], seconds[setting, "ours"]),
                "products_ratio": compare(
                    seconds[setting, "ours"], seconds[setting, "products"]
                ),
            }
            for setting in SETTINGS
        },
    }


def benchmark_app(num_blocks, quick):
    """Returns the milliseconds of a request of part c, for each preset."""
    import gradio_client
    import httpx

    from gen_keras import models, presets
    from gen_keras.models.base import Translator

    names = [
        name
        for name, row in presets.table().items()
        if presets.path(name).exists()
        and not issubclass(getattr(models, row["model"]), Translator)
    ]
    num_requests = 5 if quick else 100
    with App() as app, httpx.Client() as browser:
        # gradio_client would open a connection for each file.
        client = gradio_client.Client(app.url, verbose=False, download_files=False)

        def request(preset, seed):
            start = time.perf_counter()
            images = client.predict(
                preset=preset, num_images=16, seed=seed, api_name="/sample"
            )
            files = [browser.get(image["image"]["url"]).content for image in images]
            seconds = time.perf_counter() - start
            is_png = [file.startswith(b"\x89PNG") for file in files]
            if len(files) != 16 or not all(is_png):
                raise RuntimeError(f"16 PNG files were asked for. Received: {images}")
            return 1000 * seconds

        for name in names:
            request(name, seed=0)
        # The app makes pictures ready in the background.
        time.sleep(1 if quick else WARM_UP_SECONDS)
        result = {}
        for name in names:
            times = [request(name, seed) for seed in range(1, num_requests + 1)]
            result[name] = {
                "requests": num_requests,
                "p50_milliseconds": round(percentile(times, 50)),
                "p95_milliseconds": round(percentile(times, 95)),
            }
    worst = max(row["p95_milliseconds"] for row in result.values())
    return {"presets": result, "worst_p95_milliseconds": worst}


def benchmark_translation(num_blocks, quick):
    """Returns the milliseconds of a request of part e, for each preset."""
    import gradio_client
    import numpy as np
    from PIL import Image

    from gen_keras import models, presets

    rng = np.random.default_rng(0)
    num_requests = 3 if quick else 50
    with App() as app, tempfile.TemporaryDirectory() as folder:
        client = gradio_client.Client(app.url, verbose=False, download_files=False)

        def request(name, side, **options):
            path = pathlib.Path(folder) / "image.jpg"
            small = rng.integers(0, 256, (64, 64, 3), "uint8")
            Image.fromarray(small).resize((side, side)).save(path)
            model_class = getattr(models, presets.table()[name]["model"])
            api_name = (
                "/cyclegan" if hasattr(model_class, "reconstruct") else "/pix2pix"
            )
            image = gradio_client.handle_file(path)
            start = time.perf_counter()
            client.predict(preset=name, image=image, api_name=api_name, **options)
            return 1000 * (time.perf_counter() - start)

        names = [
            name
            for name, row in presets.table().items()
            if hasattr(getattr(models, row["model"]), "translate")
        ]
        for name in names:
            request(name, 64)
        time.sleep(1 if quick else WARM_UP_SECONDS)
        result = {}
        for name in names:
            times = [request(name, 64) for _ in range(num_requests)]
            result[name] = {
                "requests": num_requests,
                "p50_milliseconds": round(percentile(times, 50)),
                "p95_milliseconds": round(percentile(times, 95)),
            }
        side = 128 if quick else 2048
        seconds = request("cyclegan_noto2twemoji", side, max_side=side) / 1000
        photo = {"side": side, "seconds": round(seconds, 1)}
        peak = read_memory("VmHWM", app.process.pid)
        photo["peak_gigabytes"] = round(peak / 1e9, 1)
    worst = max(row["p95_milliseconds"] for row in result.values())
    return {"presets": result, "worst_p95_milliseconds": worst, "photo": photo}


def benchmark_start(num_blocks, quick):
    """Returns the seconds of part d."""

    def start_app():
        start = time.perf_counter()
        with App():
            return time.perf_counter() - start

    def time_imports():
        code = (
            "import time; start = time.perf_counter(); import keras; "
            "middle = time.perf_counter(); import gen_keras; "
            "print(middle - start, time.perf_counter() - middle)"
        )
        output = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ).stdout
        return map(float, output.split())

    num_runs = 1 if quick else 5
    seconds = {"page": [start_app() for _ in range(num_runs)]}
    imports = zip(*(time_imports() for _ in range(num_runs)), strict=True)
    seconds["import keras"], seconds["import gen_keras"] = imports
    return {
        "median_seconds": {
            name: round(statistics.median(values), 3)
            for name, values in seconds.items()
        },
        "seconds": {
            name: [round(value, 3) for value in values]
            for name, values in seconds.items()
        },
    }


def benchmark_variants(num_blocks, quick):
    """Returns part f: the GANs against `GAN`, and DCGAN against PyTorch's example."""
    return {
        "variants": {"tensorflow": measure_variants("tensorflow", num_blocks, quick)},
        "example": {
            "torch": measure_step("dcgan", "torch", ["example"], num_blocks, quick)
        },
    }


def measure_variants(setting, num_blocks, quick):
    """Returns a dict: time and memory of a step of each model, and ratios to GAN's."""
    pairs = {name: {"variant": [], "gan": []} for name in VARIANTS}
    for _ in range(1 if quick else NUM_PROCESSES):
        with Worker(setting, "GAN", list(VARIANTS), quick) as worker:
            for name, pair in pairs.items():
                runs = {
                    "variant": lambda name=name: worker.time(name),
                    "gan": lambda: worker.time("GAN"),
                }
                for side, values in alternate(runs, num_blocks).items():
                    pair[side] += values
    steps = worker.info["steps_per_block"]
    models = {}
    for name, pair in pairs.items():
        with Worker(setting, name, ["memory"], quick) as memory:
            milliseconds = 1000 * statistics.median(pair["variant"]) / steps
            models[name] = memory.info | {
                "milliseconds_per_step": round(milliseconds, 3),
                "ratio": compare(pair["variant"], pair["gan"]),
            }
    return worker.info | {"models": models}


def benchmark_annealing(num_blocks, quick):
    """Returns the figures of part g."""
    lines = subprocess.run(
        [
            *(ROOT / ".venv/bin/python", ROOT / "training/benchmark_annealing.py"),
            *["--quick"] * quick,
        ],
        env=os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.splitlines()
    return json.loads(lines[-1])


PARTS = {
    "a": benchmark_steps,
    "b": benchmark_rbm,
    "c": benchmark_app,
    "d": benchmark_start,
    "e": benchmark_translation,
    "f": benchmark_variants,
    "g": benchmark_annealing,
}

# Processes ----------------------------------------------------------------------------


class Worker:
    """A process of `benchmark_worker.py`; use it as a context.

    Args:
        setting: String, a name in `SETTINGS`.
        workload: String, see the worker; so are `contestants`.
        contestants: List of strings.
        quick: Boolean, whether to use small sizes.

    Attributes:
        info: Dict, what the worker says of itself.
    """

    def __init__(self, setting, workload, contestants, quick=False):
        venv, backend, options = SETTINGS[setting]
        self.process = subprocess.Popen(
            [
                ROOT / venv / "bin/python",
                ROOT / "training/benchmark_worker.py",
                workload,
                *contestants,
                *options,
                *["--quick"] * quick,
            ],
            env=os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.info = self._read()

    def time(self, contestant):
        """Returns the seconds of one block."""
        self.process.stdin.write(contestant + "\n")
        self.process.stdin.flush()
        return self._read()["seconds"]

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError("A worker stopped; its error stands above.")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait()


class App:
    """A process of `demos/app.py` that has served its first page; use it as a context.

    Attributes:
        url: String, where it is.
    """

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "demos/app.py", "--port", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while True:
            try:
                urllib.request.urlopen(self.url).read()
                return self
            except urllib.error.URLError:
                if self.process.poll() is not None:
                    raise RuntimeError("demos/app.py stopped before a page.") from None
                time.sleep(0.02)

    def __exit__(self, *error):
        self.process.terminate()
        self.process.wait()


# Statistics ---------------------------------------------------------------------------


def alternate(runs, num_blocks):
    """Calls all functions in turn, `num_blocks` times, every other time backwards.

    Args:
        runs: Dict of functions that return seconds.
        num_blocks: Integer.

    Returns:
        Dict of lists of `num_blocks` seconds.
    """
    seconds = {name: [] for name in runs}
    for block in range(num_blocks):
        for name in list(runs)[:: -1 if block % 2 else 1]:
            seconds[name].append(runs[name]())
    return seconds


def compare(seconds, reference):
    """Returns the median of seconds / reference with its 95 % interval."""
    ratios = [a / b for a, b in zip(seconds, reference, strict=True)]
    return {
        "median": round(statistics.median(ratios), 4),
        "interval": [round(bound, 4) for bound in median_interval(ratios)],
        "blocks": len(ratios),
    }


def median_interval(values, confidence=0.95):
    """Returns bounds of the median that assume nothing about the distribution.

    The number of values below the median is binomial. Fewer than 6 values cannot give
    95 %; the bounds are then the extremes.
    """
    values, n = sorted(values), len(values)
    outside, rank = 0.0, 0
    while rank < n // 2:
        outside += 2 * math.comb(n, rank) / 2**n
        if outside > 1 - confidence:
            break
        rank += 1
    rank = max(rank, 1)
    return values[rank - 1], values[n - rank]


def percentile(values, percent):
    """Returns the smallest value that `percent` % of all do not exceed."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def describe_hardware():
    """Returns a dict: processor, cores, memory, system, Python."""
    information = pathlib.Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.split(": ")[1] for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gigabytes": round(memory / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
