"""What every training script shares: flags, devices, files. Never the model."""

import argparse
import contextlib
import dataclasses
import pathlib
import sys

import keras

from gen_keras import backend, callbacks, datasets


def flag(default, help):
    """Returns a dataclass field with a default and the text that `--help` shows."""
    return dataclasses.field(default=default, metadata={"help": help})


@dataclasses.dataclass
class Config:
    """Flags of every training script; a script states its own defaults."""

    seed: int = flag(0, "decides initial weights, noise and the order of the images")
    dataset: str = flag("mnist", "a name, folder:PATH, or PATH.npz; see the README")
    epochs: int = flag(10, "epochs in total, those before --resume included")
    batch_size: int = flag(64, "images a step")
    max_images: int = flag(0, "use so many training images at most; 0 means all")
    log_dir: str = flag("runs/model", "folder for checkpoints, TensorBoard, the model")
    resume: bool = flag(False, "go on exactly where the run in --log-dir stopped")
    from_preset: str = flag("", "start from a preset or a .keras file (fine-tuning)")
    precision: str = flag("float32", "float32 or mixed_bfloat16")
    data_parallel: bool = flag(False, "train on all local devices (tensorflow, jax)")
    dry_run: bool = flag(False, "print networks and steps, then stop")
    sample_every: int = flag(1, "epochs between two sample images in TensorBoard")


def parse_flags(config_class):
    """Returns a `config_class` (a dataclass) filled from the command line."""
    module = sys.modules[config_class.__module__]
    parser = argparse.ArgumentParser(
        description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for field in dataclasses.fields(config_class):
        options = {"default": field.default, "help": _help(field)}
        if field.type is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["type"] = field.type
        parser.add_argument("--" + field.name.replace("_", "-"), **options)
    return config_class(**vars(parser.parse_args()))


def _help(field):
    default = "" if field.default in ("", False) else f" (default: {field.default})"
    return (field.metadata.get("help", "") + default).replace("%", "%%")


@contextlib.contextmanager
def setup(config):
    """Sets seed, precision and devices; make and compile the model in this context.

    Prints the devices, with a warning where there is no accelerator.
    """
    _check(config)
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    devices = backend.devices()
    print(f"Backend: {backend.NAME}. Devices: {', '.join(devices)}.")
    if devices == ["CPU"]:
        print("Warning: no GPU was found; training on the CPU is slow. See the README.")
    context = contextlib.nullcontext()
    if config.data_parallel:
        context = backend.data_parallel()
    with context:
        yield


def _check(config):
    for name in ("epochs", "batch_size", "sample_every"):
        if getattr(config, name) < 1:
            sys.exit(
                f"--{name.replace('_', '-')} must be at least 1. "
                f"Received: {getattr(config, name)}"
            )
    if config.precision not in ("float32", "mixed_bfloat16"):
        sys.exit(
            "--precision must be float32 or mixed_bfloat16. "
            f"Received: {config.precision}"
        )
    started = callbacks.Checkpoint(config.log_dir).paths()
    if config.dry_run:
        return
    if started and not config.resume:
        sys.exit(
            f"{config.log_dir} holds a run already. Go on with it by --resume, or name "
            "another folder by --log-dir."
        )
    if config.resume and not started:
        print(f"Nothing to resume in {config.log_dir}: training starts anew.")


def load_images(config, value_range, split="train", **options):
    """Returns the data set that the flags name; a bad one ends with one clear line."""
    with one_line_errors():
        images = datasets.load(config.dataset, split, value_range, **options)
        if config.max_images and split == "train":
            images = images.take(config.max_images)
        if split == "train" and len(images) < config.batch_size:
            raise ValueError(
                f"{config.dataset} has {len(images)} training images, fewer than one "
                f"batch. Lower --batch-size. Received: {config.batch_size}"
            )
        return images


def make_model(config, model_class, **arguments):
    """Returns a new model, or the trained one that --from-preset names."""
    with one_line_errors():
        if config.from_preset:
            return model_class.from_preset(config.from_preset)
        return model_class(**arguments)


def fit(model, images, config, sample_images, **options):
    """Fits the model with checkpoints and logs, then saves it as a `.keras` file.

    Args:
        model: Compiled `GenerativeModel`.
        images: Training data, see `gen_keras.callbacks.fit`.
        config: `Config`.
        sample_images: Dict of functions that return images, see
            `gen_keras.callbacks.TensorBoard`.
        **options: See `gen_keras.callbacks.fit`.

    Returns:
        The path of the saved model, `None` for a dry run.
    """
    if config.dry_run:
        return _describe(model, images, config)
    checkpoint = callbacks.Checkpoint(config.log_dir)
    tensorboard = callbacks.TensorBoard(
        config.log_dir,
        hparams={"backend": backend.NAME} | dataclasses.asdict(config),
        images=sample_images,
        value_range=model.value_range,
        every=config.sample_every,
    )
    options.setdefault("verbose", 1 if sys.stdout.isatty() else 2)
    with one_line_errors():
        callbacks.fit(
            model,
            images,
            config.batch_size,
            config.epochs,
            checkpoint,
            seed=config.seed,
            callbacks=[tensorboard, *options.pop("callbacks", ())],
            **options,
        )
        return save(model, pathlib.Path(config.log_dir) / "model.keras")


def save(model, path):
    """Saves the model and prints how to load it."""
    temporary = path.with_name("unfinished.keras")
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(temporary)
    temporary.replace(path)
    print(f"""Saved {path}. To use it:

    import gen_keras, keras
    model = keras.models.load_model("{path}")
    samples = model.sample(16, seed=0)

To look at it: python training/sample.py {path}""")
    return path


def _describe(model, images, config):
    for network in model.layers:
        if network.weights:
            network.summary() if hasattr(network, "summary") else None
    trainable = sum(
        v.shape.num_elements()
        if hasattr(v.shape, "num_elements")
        else keras.ops.size(v)
        for v in model.trainable_variables
    )
    steps = len(images) // config.batch_size
    print(
        f"{type(model).__name__}: {int(trainable):,} trainable parameters. "
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
    except callbacks.NonFiniteLoss as error:
        sys.exit(f"\nError: {error}")
    except (OSError, ValueError) as error:
        sys.exit(f"\nError: {error}")
