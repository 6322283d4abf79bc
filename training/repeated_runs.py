"""Runs of an experiment over settings and seeds, each kept in a file."""

import dataclasses
import json
import pathlib
import time

import keras
import numpy as np
import result_files
from evaluation import standard_error
from script_helpers import flag, one_line_errors, print_devices, save

from gen_keras import backend

BLOCK = 500  # Steps between two looks at a training.


@dataclasses.dataclass
class Config:
    """Flags of an experiment."""

    variants: str = flag("", "names, with commas; by default all")
    seeds: tuple = flag((0, 1, 2), "of weights, noise and the order of the data")
    log_dir: str = flag("runs/experiment", "folder for the figures of the runs")
    out: str = flag("", "file for the result; none: training/results")


def run_all(config, run, variants, script, protocol, collect=None, out=None):
    """Runs what is missing, writes the result, and returns it.

    Args:
        config: `Config`.
        run: Function (variant, seed, config) that returns a dict of figures.
        variants: Iterable of all names.
        script: String, the script below `training/`; its name is the result's.
        protocol: String, how it was done.
        collect: Function from results, name to a list over seeds, to figures by name;
            by default the means of what are numbers, and the runs.
        out: String, the file for the result if --out names none; by default
            `claim_NAME.json` of the script.
    """
    print_devices()
    with one_line_errors():
        names = config.variants.split(",") if config.variants else list(variants)
        unknown = [name for name in names if name not in variants]
        if unknown:
            raise ValueError(
                f"--variants knows {', '.join(variants)}. "
                f"Received: {', '.join(unknown)}"
            )
        results = repeat(
            lambda name, seed: run(name, seed, config),
            names,
            config.seeds,
            config.log_dir,
            settings_of(config),
        )
        result = result_files.make(
            config,
            script,
            list(config.seeds),
            f"{protocol} {describe_seeds(config.seeds)}",
            (collect or summarize_all)(results),
            sum(each["wall_seconds"] for runs in results.values() for each in runs),
        )
        out = config.out or out or f"claim_{pathlib.Path(script).stem}.json"
        result_files.write(result, out)
    return result


def repeat(function, names, seeds, log_dir, settings):
    """Runs what is not there yet, and returns all results: name to a list over seeds.

    Each result has its `wall_seconds`, too.

    Each result goes to `log_dir/NAME_SEED.json`; an experiment that was stopped goes on
    where it was.

    Args:
        function: Function (name, seed) that returns a dict which JSON can hold.
        names: Iterable of strings, the variants.
        seeds: Iterable of integers.
        log_dir: String or path, the folder.
        settings: Dict that JSON can hold, what else the results depend on.

    Raises:
        ValueError: If the folder holds results of other settings.
    """
    folder = pathlib.Path(log_dir)
    folder.mkdir(parents=True, exist_ok=True)
    check_settings(folder / "settings.json", settings)
    results = {}
    for name in names:
        results[name] = []
        for seed in seeds:
            path = folder / f"{name}_{seed}.json"
            if not path.is_file():
                start = time.time()
                result = function(name, seed)
                result = result_files.tidy(
                    result | {"wall_seconds": time.time() - start}
                )
                part = path.with_suffix(".part")
                part.write_text(json.dumps(result), "utf-8")
                part.replace(path)
            results[name].append(json.loads(path.read_text("utf-8")))
            print(path.stem, shorten(results[name][-1]), flush=True)
    return results


def load_or_train(config, name, seed, train):
    """Returns the model of a run from `log_dir/NAME_SEED.keras`, trained if need be.

    What is measured on it may so be stopped, and go on; `train_seconds` tells what the
    training took.

    Args:
        config: `Config`.
        name: String.
        seed: Integer.
        train: Function without arguments that returns a model.
    """
    path = pathlib.Path(config.log_dir) / f"{name}_{seed}.keras"
    if not path.is_file():
        start = time.time()
        model = train()
        path.with_suffix(".seconds").write_text(f"{time.time() - start:.1f}", "utf-8")
        save(model, path)
    model = keras.saving.load_model(path)
    keras.utils.set_random_seed(seed)  # What follows is the same, trained or not.
    return model


def train_seconds(config, name, seed):
    """Returns how long the model of `load_or_train` was trained, or `None`."""
    path = pathlib.Path(config.log_dir) / f"{name}_{seed}.seconds"
    return float(path.read_text("utf-8")) if path.is_file() else None


def describe_seeds(seeds):
    """Returns what the figures of several seeds are, or of one."""
    if len(seeds) > 1:
        return f"Means and standard errors over {len(seeds)} seeds."
    return f"Seed {seeds[0]}."


def settings_of(config):
    """Returns the flags that a single result depends on, and the backend."""
    settings = dataclasses.asdict(config) | {"backend": backend.NAME}
    for name in ("variants", "models", "mixtures", "seeds", "log_dir", "out"):
        settings.pop(name, None)
    return settings


def check_settings(path, settings):
    """Writes the settings of a folder, or compares them with those written."""
    if not path.is_file():
        path.write_text(json.dumps(settings, indent=2), "utf-8")
    found = json.loads(path.read_text("utf-8"))
    for name in settings.keys() | found.keys():
        old, new = found.get(name), settings.get(name)
        if old != new:
            raise ValueError(
                f"{path.parent} holds runs of another {name}, {old}. Name another "
                f"--log-dir. Received: {new}"
            )


def train(make_model, load, num_steps, batch_size, seed, transform=None, watch=None):
    """Trains a model; returns it and the seconds of its training.

    Args:
        make_model: Function that returns a model; if not compiled, by its defaults.
        load: Function of its value range that returns a `Dataset`.
        num_steps: Integer, batches.
        batch_size: Integer.
        seed: Integer, of weights and the order of the images.
        transform: See `train_in_blocks`.
        watch: Function (model, steps) that is called after each block, or `None`.
    """
    keras.utils.set_random_seed(seed)
    model = make_model()
    if not model.compiled:
        model.compile()
    images = load(model.value_range).images
    order = np.random.default_rng(seed)
    start = time.time()
    blocks = train_in_blocks(
        model, images, num_steps, batch_size, order, BLOCK, transform
    )
    for steps, _ in blocks:
        if watch is not None:
            watch(model, steps)
    return model, time.time() - start


def train_in_blocks(
    model, data, num_steps, batch_size, rng, block=BLOCK, transform=None
):
    """Trains on random examples; yields the steps so far and the block's history.

    Args:
        model: Compiled `keras.Model`.
        data: Array (num_examples, ...).
        num_steps: Integer.
        batch_size: Integer.
        rng: `numpy.random.Generator`, which draws the examples, with replacement.
        block: Integer, the steps between two yields.
        transform: Function (examples, rng) that returns what to train on, or `None`.
    """
    for start in range(0, num_steps, block):
        stop = min(start + block, num_steps)
        examples = data[rng.integers(len(data), size=(stop - start) * batch_size)]
        if transform is not None:
            examples = transform(examples, rng)
        logs = model.fit(examples, batch_size=batch_size, shuffle=False, verbose=0)
        yield stop, logs.history


def summarize(results, keys=None):
    """Returns for each key the mean over runs and, as KEY_standard_error, its error.

    Args:
        results: List of dicts of numbers; a run whose value is `None` is left out.
        keys: Iterable of strings; by default the keys of the first whose values are
            numbers.
    """
    keys = keys or [k for k, v in results[0].items() if isinstance(v, (int, float))]
    figures = {}
    for key in keys:
        values = [result[key] for result in results if result[key] is not None]
        figures[key] = np.mean(values) if values else None
        figures[f"{key}_standard_error"] = (
            standard_error(np.array(values)) if len(values) > 1 else None
        )
    return figures


def summarize_all(results):
    """Returns what `summarize` gives for each name, and the runs."""
    return {name: summarize(runs) | {"runs": runs} for name, runs in results.items()}


def shorten(result):
    """Returns the numbers of a result."""
    return {k: v for k, v in result.items() if isinstance(v, (int, float))}
