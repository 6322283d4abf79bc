"""How figures are published: a JSON file with all that it takes to run them again."""

import dataclasses
import json
import os
import pathlib
import platform
import shlex

import keras
import numpy as np

from gen_keras import backend

FOLDER = pathlib.Path(__file__).parent / "results"


def make(config, script, seed, protocol, figures, seconds):
    """Returns a result as a dict.

    Args:
        config: Dataclass of the script's flags.
        script: String, the script's path below `training/`.
        seed: Integer, or several.
        protocol: String or dict: how it was measured.
        figures: Nested dict of numbers.
        seconds: Float, how long it took.
    """
    return {
        "command": describe_command(config, script),
        "seed": seed,
        "protocol": protocol,
        "hardware": describe_hardware(),
        "wall_seconds": round(seconds),
        "metrics": tidy(figures),
    }


def place(path):
    """Returns where a result is; a name without folders is in `training/results`."""
    return FOLDER / path if pathlib.Path(path).name == str(path) else pathlib.Path(path)


def write(result, path):
    """Writes a result, see `place`."""
    path = place(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_text(result), "utf-8")
    print(f"Wrote {path}")
    return path


def as_text(result):
    """Returns a result as JSON."""
    return json.dumps(result, indent=2, ensure_ascii=False) + "\n"


def describe_command(config, script):
    """Returns the command line of a script of `training/` that gives this config."""
    words = [f"KERAS_BACKEND={backend.NAME}", "python", f"training/{script}"]
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value != field.default:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            words += ["--" + field.name.replace("_", "-"), text]
    return shlex.join(words)


def describe_hardware():
    """Returns processor, accelerators and versions in one line."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1] for line in lines if line.startswith("model name")]
    processor = (names or [platform.processor() or platform.machine()])[0].strip()
    devices = [name for name in backend.devices() if name != "CPU"]
    return ", ".join(
        [
            f"{processor} ({os.cpu_count()} cores)",
            *devices,
            f"Keras {keras.__version__} on {backend.NAME}",
        ]
    )


def tidy(value):
    """Returns figures as JSON can hold them; fractions with six digits."""
    if isinstance(value, dict):
        return {key: tidy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [tidy(item) for item in value]
    if value is None:
        return None
    if isinstance(value, (int, np.integer)) or float(value).is_integer():
        return int(value)
    # JSON has no infinity (a class that never occurs) and no NaN.
    return float(f"{value:.6g}") if np.isfinite(value) else None
