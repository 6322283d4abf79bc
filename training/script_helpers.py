"""What every training script shares: flags, devices, files. Never the model."""

import argparse
import contextlib
import dataclasses
import json
import math
import os
import pathlib
import sys

import keras
import numpy as np

from gen_keras import backend, callbacks, datasets
from gen_keras.models.base import GenerativeModel, Translator


def flag(default, help, choices=None):
    """Returns a dataclass field with a default and the text that `--help` shows."""
    metadata = {"help": help, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass
class Config:
    """Flags of every training script; a script states its own defaults.

    Attributes:
        remedy: String, which of them to change if training gives what is not finite.
    """

    seed: int = flag(0, "decides initial weights, noise and the order of the images")
    dataset: str = flag(
        "mnist",
        "mnist, stacked_mnist, emoji, fashion_mnist, cifar10, folder:PATH or PATH.npz",
    )
    image_size: int = flag(0, "side of the images, for emoji and folders")
    channels: int = flag(0, "1 (gray), 3 or 4 of the images of folders; 0: 3")
    max_images: int = flag(0, "train on the first so many images; 0: on all")
    epochs: int = flag(10, "epochs in total, those before --resume included")
    batch_size: int = flag(64, "images a step")
    log_dir: str = flag("runs/model", "folder for checkpoints, TensorBoard, the model")
    resume: bool = flag(
        False, "go on exactly where the run in --log-dir stopped, with its flags"
    )
    from_preset: str = flag(
        "", "fine-tune a preset or a .keras file; flags of the networks do nothing then"
    )
    precision: str = flag(
        "float32", "of computations", choices=("float32", "mixed_bfloat16")
    )
    data_parallel: bool = flag(False, "train on all local devices (TensorFlow, JAX)")
    dry_run: bool = flag(False, "print networks and steps, then stop")
    sample_every: int = flag(1, "epochs between two sample images in TensorBoard")

    remedy = "Try a lower --learning-rate."


# What a resumed run may change.
FREE_FLAGS = (
    *("log_dir", "epochs", "resume", "dry_run", "data_parallel"),
    *("sample_every", "measure_every"),
)
FLAGS_FILE = "flags.json"


def parse_flags(config_class, arguments=None):
    """Returns a `config_class` (a dataclass) filled from the command line.

    With --resume, flags that are not given are those of the start of the run.
    """
    module = sys.modules[config_class.__module__]
    parser = argparse.ArgumentParser(
        description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for field in dataclasses.fields(config_class):
        parser.add_argument("--" + field.name.replace("_", "-"), **_options(field))
    given = vars(parser.parse_args(arguments))
    if given.get("resume"):
        given = flags_of_start(given.get("log_dir", config_class.log_dir)) | given
        known = [field.name for field in dataclasses.fields(config_class)]
        given = {name: value for name, value in given.items() if name in known}
    return config_class(**given)


def flags_of_start(log_dir):
    """Returns the flags that the run in a folder was started with, as a dict."""
    path = pathlib.Path(log_dir) / FLAGS_FILE
    if not path.is_file():
        return {}
    flags = json.loads(path.read_text("utf-8"))
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in flags.items()
        if name not in ("log_dir", "resume", "dry_run")
    }


def _options(field):
    text = field.metadata.get("help", "").replace("%", "%%")
    options = {"default": argparse.SUPPRESS, "help": text}
    if field.type is bool:
        on_by_default = argparse.BooleanOptionalAction
        return options | {"action": on_by_default if field.default else "store_true"}
    if field.default not in ("", 0):
        options["help"] = f"{text} (default: {_as_text(field.default)})".strip()
    if field.metadata.get("choices"):
        return options | {"choices": field.metadata["choices"]}
    metavar = {int: "N", float: "X", str: "TEXT", tuple: "N,N"}[field.type]
    kind = integers if field.type is tuple else field.type
    return options | {"type": kind, "metavar": metavar}


def integers(text):
    """Returns the tuple of integers that a flag such as "200,200" gives."""
    return tuple(int(part) for part in text.split(","))


def _as_text(value):
    return ",".join(map(str, value)) if isinstance(value, tuple) else value


@contextlib.contextmanager
def setup(config):
    """Sets seed, precision and devices; make and compile the model in this context.

    Prints the devices, with a warning where there is no accelerator.
    """
    with one_line_errors():
        _check(config)
        keras.utils.set_random_seed(config.seed)
        keras.config.set_dtype_policy(config.precision)
        print_devices()
        with (
            backend.data_parallel()
            if config.data_parallel
            else contextlib.nullcontext()
        ):
            yield


def print_devices():
    """Prints backend and devices, with a warning where there is no accelerator."""
    devices = backend.devices()
    print(f"Backend: {backend.NAME}. Devices: {', '.join(devices)}.")
    if devices == ["CPU"]:
        print("Warning: no GPU was found; this is slow on the CPU; see README.")


def _check(config):
    for name in ("epochs", "batch_size", "sample_every", "measure_every"):
        if getattr(config, name, 1) < 1:
            raise ValueError(
                f"--{name.replace('_', '-')} must be at least 1. "
                f"Received: {getattr(config, name)}"
            )
    if config.dry_run:
        return
    checkpoint = callbacks.Checkpoint(config.log_dir)
    started = checkpoint.paths()
    if started and not config.resume:
        raise ValueError(
            f"{config.log_dir} holds a run already. Go on with it by --resume, or name "
            "another folder by --log-dir."
        )
    in_parts = any(pathlib.Path(config.log_dir).glob(f"*/{FLAGS_FILE}"))
    if config.resume and not started and not in_parts:
        print(f"Nothing to resume in {config.log_dir}: training starts anew.")
        return
    for name, value in flags_of_start(config.log_dir).items():
        now = getattr(config, name, value)
        if name not in FREE_FLAGS and now != value:
            raise ValueError(
                f"--{name.replace('_', '-')} was {_as_text(value)} when the run in "
                f"{config.log_dir} started. Leave it out, or start another run in "
                f"another --log-dir. Received: {_as_text(now)}"
            )
        if name == "epochs" and now != value:
            print(
                f"The run began with --epochs {value}. A rate that falls over the "
                f"epochs falls from now on as in a run of {now}."
            )
    if started and checkpoint.progress().epoch >= config.epochs:
        print(
            f"The run in {config.log_dir} has had its {config.epochs} epochs already; "
            "more by a larger --epochs."
        )


def dataset_options(config):
    """Returns the options of `datasets.load` that the flags set."""
    names = [name for name in ("image_size", "channels") if getattr(config, name)]
    return {name: getattr(config, name) for name in names}


# What `datasets.load` may return.
KINDS = {
    datasets.Dataset: "images",
    datasets.PairedDataset: "pairs of images",
    datasets.UnpairedDataset: "two sets of images that are not matched",
}


def load_images(config, value_range, split="train", kind=None, **options):
    """Returns the data set that the flags name.

    Args:
        config: `Config`.
        value_range: See `datasets.load`.
        split: See `datasets.load`.
        kind: Class of the data set that the model trains on, one of `KINDS`, or `None`:
            any will do.
        **options: See `datasets.load`.
    """
    options = dataset_options(config) | options
    images = datasets.load(config.dataset, split, value_range, **options)
    if kind and type(images) is not kind:
        raise ValueError(
            f"The model trains on {KINDS[kind]}, not on {KINDS[type(images)]}. "
            f"Received: --dataset {config.dataset}"
        )
    if split != "train":
        return images
    if config.max_images:
        images = images.take(config.max_images)
    if len(images) < config.batch_size:
        raise ValueError(
            f"{config.dataset} has {len(images)} training images, fewer than one "
            f"batch. Lower --batch-size. Received: {config.batch_size}"
        )
    return images


def with_labels(data):
    """Returns images in the data's range and integer labels of what can be told apart.

    Of pairs: the inputs, label 0, then the targets, label 1.
    """
    if isinstance(data, datasets.PairedDataset):
        images = np.concatenate([data.inputs, data.targets])
        return images, np.repeat([0, 1], [len(data.inputs), len(data.targets)])
    return data.images, data.labels


def classes_of(images, config):
    """Returns the labels of a data set, integers (num_images,)."""
    if images.labels is None:
        raise ValueError(
            "The model wants images with classes: mnist, fashion_mnist, emoji, "
            "a folder with one subfolder a class, or PATH.npz with y_train. "
            f"Received: --dataset {config.dataset}"
        )
    return images.labels


def limit(data, count, max_bytes=2**28):
    """Returns the first `count` of a data set, fewer if they are too large."""
    largest = max(max_bytes // (4 * math.prod(data.image_shape)), 1)
    return data.take(min(count, largest))


def in_batches(array, batch_size):
    """Returns the array in pieces of `batch_size`, the last one maybe smaller."""
    return np.split(array, range(batch_size, len(array), batch_size))


def make_model(config, model_class, **arguments):
    """Returns a new model, or the trained one that --from-preset names."""
    if not config.from_preset:
        return model_class(**arguments)
    if config.precision != "float32":
        raise ValueError(
            "--precision is for new models: with --from-preset the layers keep theirs. "
            f"Received: {config.precision}"
        )
    trained = model_class.from_preset(config.from_preset)
    # Built anew for the seed of this run.
    model = type(trained).from_config(trained.get_config() | {"seed": config.seed})
    model.set_weights(trained.get_weights())
    for name in ("image_shape", "visible_shape", "input_channels"):
        if name in arguments and getattr(model, name) != arguments[name]:
            raise ValueError(
                f"{config.from_preset} has {name}={getattr(model, name)}. "
                f"Received: {config.dataset} with {name}={arguments[name]}"
            )
    if arguments.get("num_classes", 0) > getattr(model, "num_classes", math.inf):
        raise ValueError(
            f"{config.from_preset} knows {model.num_classes} classes. "
            f"Received: {config.dataset} with {arguments['num_classes']}"
        )
    return model


def fit(model, images, config, sample_images, monitor=None, figures=None, **options):
    """Fits the model with checkpoints and logs, then saves it as a `.keras` file.

    Args:
        model: Compiled `GenerativeModel`.
        images: Training data, see `gen_keras.callbacks.fit`; a tuple of images and
            classes, too.
        config: `Config`.
        sample_images: Dict of functions that return images, see
            `gen_keras.callbacks.TensorBoard`.
        monitor: String or `None`, a metric whose least value marks the model to keep
            as `best.keras`.
        figures: Function or `None`, see `gen_keras.callbacks.Measure`; every
            --measure-every epochs.
        **options: See `gen_keras.callbacks.fit`.

    Returns:
        The path of the saved model, `None` for a dry run.
    """
    if config.dry_run:
        return _describe(model, images, config)
    log_dir = pathlib.Path(config.log_dir)
    best = [callbacks.BestModel(log_dir / "best.keras", monitor)] if monitor else []
    measure = []
    if figures:
        measure = [callbacks.Measure(figures, config.measure_every, config.epochs)]
    model.remedy = config.remedy  # Which names the flags.
    checkpoint = callbacks.Checkpoint(log_dir, remember=best)
    tensorboard = callbacks.TensorBoard(
        config.log_dir,
        hparams={"backend": backend.NAME}
        | {name: _as_text(value) for name, value in vars(config).items()},
        images=sample_images,
        value_range=model.value_range,
        every=config.sample_every,
    )
    options.setdefault("verbose", 1 if sys.stdout.isatty() else 2)
    with one_line_errors():
        make_folder(config.log_dir)
        flags = log_dir / FLAGS_FILE
        if not checkpoint.paths():
            flags.write_text(json.dumps(vars(config), indent=2) + "\n", "utf-8")
        callbacks.fit(
            model,
            images,
            config.batch_size,
            config.epochs,
            checkpoint,
            seed=config.seed,
            callbacks=[*measure, tensorboard, *best, *options.pop("callbacks", ())],
            **options,
        )
        return save(model, log_dir / "model.keras")


def make_folder(path):
    """Makes a folder for files to write, unless there is one.

    Raises:
        OSError: If it cannot be made or written to.
    """
    pathlib.Path(path).mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK):
        raise PermissionError(f"The folder {path} cannot be written to.")


def save(model, path):
    """Saves the model and prints how to load it; returns its path."""
    temporary = path.with_name(f"unfinished_{path.name}")  # Never half a model.
    model.save(temporary)
    temporary.replace(path)
    print(f"""Saved {path}. To use it:

    import gen_keras, keras
    model = keras.models.load_model("{path}")
    {model.usage}
""")
    if isinstance(model, Translator):
        print(f"To look at it: python training/translate.py {path} IN OUT")
    elif draws_images(model):
        print(f"To look at it: python training/sample.py {path}")
    return path


def draws_images(model):
    """Returns whether a model samples images: not codes, words or other units."""
    shape = getattr(model, "visible_shape", ("height", "width", "channels"))
    return len(shape) == 3 and type(model).sample is not GenerativeModel.sample


def _describe(model, images, config):
    networks = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    for network in networks:
        network.summary()
    for weight in [] if networks else model.trainable_variables:
        print(f"{weight.name}: {tuple(weight.shape)}")
    parameters = sum(math.prod(v.shape) for v in model.trainable_variables)
    images = images[0] if isinstance(images, tuple) else images  # Not the classes.
    steps = len(images) // config.batch_size
    print(
        f"{type(model).__name__}: {parameters:,} trainable parameters. "
        f"{len(images):,} images, {steps:,} steps an epoch, "
        f"{steps * config.epochs:,} steps in all. A dry run: nothing was trained."
    )


@contextlib.contextmanager
def one_line_errors():
    """Ends the script with one line for mistakes that the user can mend."""
    try:
        yield
    except callbacks.Interrupted as error:
        sys.exit(f"\nStopped. {error} Go on with --resume.")
    except KeyboardInterrupt:
        sys.exit("\nStopped.")
    except (callbacks.NonFiniteLoss, NotImplementedError, OSError, ValueError) as error:
        sys.exit(f"\nError: {' '.join(str(error).split())}")
