"""Claim: input completion works from half an image.

python training/claims/completion.py
python training/claims/completion.py --models rbm_mnist,runs/dbn/model.keras

Half of a test digit is given, and the other half drawn by a model, several times. A
classifier that knows nothing of the model tells whether the wholes are still the digit,
and how many different digits they are. Beside the models: the mean of the training
images, the halves of the nearest training images, and the true half.

The Gibbs steps of each model are chosen on validation digits. A run that is in
`--log-dir` is not repeated: name another one when a model has changed.

References:
    Hinton, Osindero and Teh, A Fast Learning Algorithm for Deep Belief Nets, 2006.
    Salakhutdinov and Hinton, Deep Boltzmann Machines, 2009, figure 5 (completion).
"""

import find_training  # noqa: F401, I001

import dataclasses
import functools
import pathlib
import re

import numpy as np
import repeated_runs
import result_files
from evaluation import standard_error
from keras import ops
from script_helpers import flag, in_batches, parse_flags

from gen_keras import datasets, image_grids, masks, metrics, models, presets

STEPS = (10, 30, 100, 300, 1000)
BATCH_SIZE = 500  # Chains at once.
SHOWN = 6  # Completions of a digit in the picture.


@dataclasses.dataclass
class Config(repeated_runs.Config):
    """What to run."""

    models: str = flag(
        "", "presets or .keras files, with commas; by default all that complete digits"
    )
    seeds: tuple = flag((0,), "of the completions")
    log_dir: str = flag("runs/completion", "folder for the figures of the runs")
    num_images: int = flag(1000, "test digits")
    num_validation: int = flag(300, "validation digits that choose the Gibbs steps")
    num_completions: int = flag(8, "of each half of a digit")


# Data ---------------------------------------------------------------------------------


@functools.cache
def load_digits(split, count):
    """Returns a dataset of digits, and them binarized once."""
    digits = datasets.load("mnist", split).take(count)
    return digits, datasets.binarize(digits.images, np.random.default_rng(0))


@functools.cache
def load_training():
    """Returns the training images."""
    return datasets.load("mnist", "train").images


def make_masks():
    """Returns the masks of the four halves by name."""
    return {side: masks.half((28, 28, 1), side) for side in masks.SIDES}


# Completions --------------------------------------------------------------------------
# Each function returns (num_images, num_completions, 28, 28, 1) in [0, 1]. Known pixels
# are those of binarized images, unknown ones gray: probabilities, or pixels.


def merge(images, mask, unknown):
    """Returns images with the pixels of `unknown` (batch, count, ...) where 0."""
    return np.where(mask == 1, images[:, None], unknown)


def take_mean(images, mask, count):
    """Completes by the mean of the training images."""
    return merge(images, mask, load_training().mean(axis=0)[None, None])


def take_neighbors(images, mask, count):
    """Completes by the training images that are nearest in what is known."""
    known, training = mask[..., 0] == 1, load_training()
    nearest = metrics.nearest_neighbors(images[:, known], training[:, known], count)
    return merge(images, mask, training[nearest.indices])


def complete(model, images, mask, count, gibbs_steps, seed):
    """Completes by a model, `count` times; known pixels stay as they are."""
    rows = np.repeat(images, count, axis=0)
    with model.seeded(seed):
        batches = [
            ops.convert_to_numpy(
                model.complete(batch, mask, gibbs_steps=gibbs_steps, probabilities=True)
            )
            for batch in in_batches(rows, BATCH_SIZE)
        ]
    completed = np.concatenate(batches)
    if not np.array_equal(completed * mask, rows * mask):
        raise ValueError(
            "`complete` must leave known pixels as they are. "
            f"Received: {type(model).__name__}"
        )
    return completed.reshape(len(images), count, *images.shape[1:])


# Figures ------------------------------------------------------------------------------


@functools.cache
def load_classifier():
    """Returns the classifier of digits."""
    return metrics.load_classifier("mnist")


def classify(completions):
    """Returns the classes of completions, integers (num_images, num_completions)."""
    flat = completions.reshape(-1, *completions.shape[2:])
    guesses = metrics.extract_features(load_classifier(), flat).argmax(axis=1)
    return guesses.reshape(completions.shape[:2])


def measure(function, digits, images):
    """Returns the errors of completions for each half, and how much they differ.

    Args:
        function: Function (images, mask) that completes.
        digits: Dataset with labels.
        images: Array (num_images, 28, 28, 1), its images, binarized.
    """
    errors, distances, classes = {}, [], []
    for side, mask in make_masks().items():
        completions = function(images, mask)
        guesses = classify(completions)
        errors[side] = np.mean(guesses != digits.labels[:, None], axis=1)
        if completions.shape[1] > 1:
            diversity = metrics.completion_diversity(completions, mask, guesses)
            distances.append(diversity.distance)
            classes.append(diversity.classes)
    errors["error"] = np.mean(list(errors.values()), axis=0)
    figures = {key: values.mean() for key, values in errors.items()}
    figures["over_images"] = {k: standard_error(v) for k, v in errors.items()}
    if distances:
        figures |= {"distance": np.mean(distances), "classes": np.mean(classes)}
    return figures


def choose_steps(model, seed, config):
    """Returns the Gibbs steps, and the validation errors by steps.

    They are the fewest whose error is within a standard error of the least one.
    """
    digits, images = load_digits("validation", config.num_validation)
    curve = {}
    for steps in STEPS:
        draw = functools.partial(complete, model, count=1, gibbs_steps=steps, seed=seed)
        curve[steps] = measure(draw, digits, images)
    least = min(curve.values(), key=lambda figures: figures["error"])
    bound = least["error"] + least["over_images"]["error"]
    chosen = min(steps for steps in STEPS if curve[steps]["error"] <= bound)
    return chosen, {str(steps): curve[steps]["error"] for steps in STEPS}


# Variants -----------------------------------------------------------------------------


def run_baseline(name, config):
    """Returns the figures of what needs no model."""
    digits, images = load_digits("test", config.num_images)
    count = config.num_completions
    functions = {
        "originals": lambda x, mask: merge(x, mask, digits.images[:, None]),
        "binarized_originals": lambda x, mask: x[:, None],
        "training_mean": lambda x, mask: take_mean(x, mask, 1),
        "nearest_neighbor": lambda x, mask: take_neighbors(x, mask, 1),
        "nearest_neighbors": lambda x, mask: take_neighbors(x, mask, count),
    }
    return measure(functions[name], digits, images)


BASELINES = (
    "originals",
    "binarized_originals",
    "training_mean",
    "nearest_neighbor",
    "nearest_neighbors",
)


def run_model(path, name, seed, config):
    """Returns the figures of a model; draws its picture."""
    model = presets.load(path)
    if not hasattr(model, "complete"):
        raise ValueError(
            f"--models must name models with `complete`. Received: {path}, a "
            f"{type(model).__name__}"
        )
    steps, curve = choose_steps(model, seed, config)
    draw = functools.partial(complete, model, gibbs_steps=steps, seed=seed)
    digits, images = load_digits("test", config.num_images)
    figures = measure(
        functools.partial(draw, count=config.num_completions), digits, images
    )
    save_picture(draw, name, config)
    return figures | {"gibbs_steps": steps, "validation_error": curve}


def find_models():
    """Returns the names of the presets that complete digits and are there."""
    return [
        name
        for name, row in presets.table().items()
        if row["dataset"] == "mnist"
        and hasattr(getattr(models, row["model"]), "complete")
        and presets.path(name).is_file()
    ]


def name_of(path):
    """Returns what a model is called in the result."""
    return re.sub(r"\W+", "_", path.removesuffix(".keras")).strip("_")


# Picture ------------------------------------------------------------------------------


def save_picture(draw, name, config):
    """Writes a picture: in each row what is given, completions, the whole digit."""
    digits, images = load_digits("test", config.num_images)
    firsts = [np.flatnonzero(digits.labels == label)[:1] for label in range(10)]
    rows = []
    for i, row in enumerate(np.concatenate(firsts)):
        mask = masks.half((28, 28, 1), masks.SIDES[i % 4])
        image = images[row : row + 1]
        wholes = np.repeat(draw(image, mask, count=SHOWN)[0], 3, axis=-1)
        whole = image_grids.to_uint8(image.repeat(3, axis=-1))
        rows += [image_grids.cover(image, mask), image_grids.to_uint8(wholes), whole]
    # White lines part what is given, and the whole, from what is drawn.
    grid = image_grids.make_grid(
        np.concatenate(rows), (0, 255), columns=SHOWN + 2, padding=2
    )
    out = pathlib.Path(config.out).parent if config.out else result_files.FOLDER
    out.mkdir(parents=True, exist_ok=True)
    picture = image_grids.to_pil(grid, scale=2)
    picture.save(out / f"claim_completion_{name}.webp", lossless=True)


# Main ---------------------------------------------------------------------------------


def collect(results):
    """Returns the figures; of one seed their standard errors are over digits."""
    figures = repeated_runs.summarize_all(results)
    for name, (first, *others) in results.items():
        if not others:
            errors = first["over_images"].items()
            figures[name] |= {f"{key}_standard_error": value for key, value in errors}
    return figures


def main(config):
    """Runs what is missing and writes the result."""
    paths = config.models.split(",") if config.models else find_models()
    by_name = {name_of(path): path for path in paths}

    def run(name, seed, config):
        if name in BASELINES:
            return run_baseline(name, config)
        return run_model(by_name[name], name, seed, config)

    return repeated_runs.run_all(
        config,
        run,
        [*BASELINES, *by_name],
        "claims/completion.py",
        f"The first {config.num_images:,} test digits of MNIST, binarized once, seed "
        "0. One half is known, as binary pixels, the other completed "
        f"{config.num_completions} times by Gibbs sampling given the known half; its "
        "pixels are p(v = 1 | h) at the last step. left and so on: the share of "
        "completions that the digit classifier takes for another digit, by the half "
        "that is known; error: the mean of the four. distance: the root mean square of "
        "the differences of two completions over unknown pixels; classes: the "
        "different digits among the completions of a half. gibbs_steps: of "
        f"{', '.join(map(str, STEPS))} the fewest whose error on "
        f"{config.num_validation} validation digits is within a standard error of the "
        "least. originals: with the true gray half; binarized_originals: wholly "
        "binary. training_mean: the mean of the training images; nearest_neighbor: the "
        "half of the training image whose known half is nearest, nearest_neighbors: "
        f"those of the {config.num_completions} nearest. Standard errors are over "
        "digits.",
        collect,
    )


if __name__ == "__main__":
    main(parse_flags(Config))
