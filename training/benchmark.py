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
}


def main():
    """Runs the parts that the flags name and writes their results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="a,b,c,d,e", help="parts, such as a,d")
    parser.add_argument(
        "--blocks", type=int, default=12, help="of each process of a, and of b"
    )
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    args = parser.parse_args()
    parts = args.only.split(",")
    if not parts or not set(parts) <= set(PARTS):
        parser.error(f"--only names parts among a,b,c,d,e. Received: {args.only}")
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
    return {
        model: {
            setting: measure_step(model, setting, num_blocks, quick)
            for setting in SETTINGS
        }
        for model in MODELS
    }


def measure_step(model, setting, num_blocks, quick):
    """Returns a dict: seconds a step of each contestant and the ratios."""
    contestants = ["ours", "loop"] + ["native"] * (setting == "torch")
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
        "ratio": compare(seconds["ours"], seconds["loop"]),
    }
    if "native" in seconds:
        result["native_ratio"] = compare(seconds["ours"], seconds["native"])
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
        photo["peak_gigabytes"] = round(read_peak_memory(app.process.pid) / 1e9, 1)
    worst = max(row["p95_milliseconds"] for row in result.values())
    return {"presets": result, "worst_p95_milliseconds": worst, "photo": photo}


def read_peak_memory(pid):
    """Returns the most bytes that a process has held, on Linux."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


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


PARTS = {
    "a": benchmark_steps,
    "b": benchmark_rbm,
    "c": benchmark_app,
    "d": benchmark_start,
    "e": benchmark_translation,
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
