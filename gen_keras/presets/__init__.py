"""Trained models that come with the package, and the table of what they are."""

import functools
import pathlib
import tomllib

import keras

DIRECTORY = pathlib.Path(__file__).parent


@functools.cache
def table():
    """Returns a dict of presets: each name with a dict of its metadata."""
    return tomllib.loads((DIRECTORY / "presets.toml").read_text("utf-8"))


def path(name):
    """Returns the path of the file of the preset `name`.

    Raises:
        ValueError: If there is no such preset.
    """
    if name not in table():
        raise ValueError(
            f"There is no such preset. Known are {', '.join(table())}, and paths that "
            f"end in .keras. Received: {name}"
        )
    return DIRECTORY / f"{name}.keras"


def load(name):
    """Returns the model of a preset, or of a `.keras` file, not compiled.

    Args:
        name: String, a name in `table()`, or the path of a `.keras` file.

    Raises:
        ValueError: If there is neither such a preset nor such a file.
    """
    is_file = str(name).endswith(".keras")
    file = pathlib.Path(name) if is_file else path(name)
    if not file.is_file():
        raise ValueError(f"There is no file {file}. Received: {name}")
    return keras.models.load_model(file, compile=False)
