"""Claim: upper layers hold more abstract features; few labels are enough for them.

python training/claims/features.py
python training/claims/features.py --variants pixels,layer_1 --seeds 0

A deep belief network learns digits without labels. Its layers are asked how much of
what a unit does is the class of the digit, how well a linear classifier does on them
that has seen few labels, and in how small a part of the image the weights of the first
layer are. Then the whole network becomes a classifier by back-propagation, from these
weights and from random ones.

References:
    Hinton et al., A Fast Learning Algorithm for Deep Belief Nets, 2006.
    Erhan et al., Why Does Unsupervised Pre-training Help Deep Learning?, 2010.
"""

import find_training  # noqa: F401, I001

import dataclasses
import functools
import pathlib

import digit_evaluation
import keras
import numpy as np
import PIL.Image
import repeated_runs
import result_files
from digit_evaluation import BATCH_SIZE
from keras import ops
from retrieval_figures import to_rows
from script_helpers import flag, in_batches, parse_flags

from gen_keras import image_grids
from gen_keras.models import DBN

HIDDEN_DIMS = (500, 500, 2000)
LAYERS = ("pixels", "layer_1", "layer_2", "layer_3")
NETWORKS = ("pretrained", "random")
NUM_LABELS = (100, 1000, 10_000)
# The best on validation images counts.
PENALTIES = (0.01, 0.1, 1.0)  # Inverse strength C of the linear classifier's.
RATES = (0.02, 0.2)  # Of back-propagation.
NUM_SHOWN = 15  # Units of a layer.
NUM_LIKED = 50  # Images that a unit answers to most.


@dataclasses.dataclass
class Config(repeated_runs.Config):
    """What to run."""

    log_dir: str = flag("runs/features", "folder for the figures of the runs")
    layer_epochs: int = flag(10, "epochs of each RBM, by CD-1")
    layer_rate: float = flag(0.1, "of the RBMs; falls to 0")
    steps: int = flag(6000, "batches of back-propagation")
    dropout: float = flag(0.2, "share of hidden units dropped by back-propagation")
    max_images: int = flag(0, "of each split; 0: all")


def load_or_pretrain(seed, config, images):
    """Returns a DBN that has seen digits, but no label."""
    rbms = config.layer_epochs, config.layer_rate
    return repeated_runs.load_or_train(
        config,
        "dbn",
        seed,
        lambda: digit_evaluation.pretrain_dbn(images, HIDDEN_DIMS, *rbms, seed),
    )


def run(name, seed, config):
    """Returns the figures of a layer, or of a network."""
    splits = digit_evaluation.load_splits(config.max_images)
    if name == "pixels":
        return measure([to_rows(each.images) for each in splits], splits, seed)
    if name == "random":
        keras.utils.set_random_seed(seed)
        model = DBN((28, 28, 1), HIDDEN_DIMS, seed=seed)
        return measure_network(model, True, splits, seed, config)
    model = load_or_pretrain(seed, config, splits[0].images)
    if name == "pretrained":
        return measure_network(model, False, splits, seed, config)
    level = LAYERS.index(name)
    features = [prop_up(model, each.images, level) for each in splits]
    weights = project(model, level)
    picture = draw(weights, features[0], splits[0].images)
    picture.save(pathlib.Path(config.log_dir) / f"{name}_{seed}.png")
    return measure(features, splits, seed) | {"pixels_of_half": spread_of(weights)}


def prop_up(model, images, level):
    """Returns the means of the units of a layer, (num_images, num_units)."""
    parts = (model.prop_up(batch, level) for batch in in_batches(images, 1000))
    return np.concatenate([ops.convert_to_numpy(part) for part in parts])


def project(model, level):
    """Returns how pixels weigh in the units of a layer, as if all were linear."""
    kernels = [ops.convert_to_numpy(rbm.kernel) for rbm in model.rbms[:level]]
    return functools.reduce(np.matmul, kernels)


def spread_of(weights):
    """Returns in how many pixels half of a unit's squared weights are, on the average.

    Args:
        weights: Array (num_pixels, num_units).
    """
    shares = np.sort(weights**2, axis=0)[::-1].cumsum(axis=0)
    return float(np.mean(np.sum(shares < 0.5 * shares[-1], axis=0) + 1))


def class_share(features, labels):
    """Returns the share of the variance of features that is between classes.

    Args:
        features: Array (num_images, num_units).
        labels: Integer array (num_images,).
    """
    counts = np.bincount(labels)
    present = np.flatnonzero(counts)
    means = np.stack([features[labels == label].mean(axis=0) for label in present])
    between = counts[present] @ (means - features.mean(axis=0)) ** 2
    return float(between.sum() / (features.var(axis=0).sum() * len(features)))


def measure(features, splits, seed):
    """Returns the figures of the features of three splits."""
    figures = {"class_share": class_share(features[2], splits[2].labels)}
    for num_labels in NUM_LABELS:
        chosen = digit_evaluation.choose_labels(splits[0].labels, num_labels, seed)
        figures[f"error_{num_labels}"] = linear_error(
            (features[0][chosen], splits[0].labels[chosen]),
            *(
                (x, each.labels)
                for x, each in zip(features[1:], splits[1:], strict=True)
            ),
        )
    return figures


def linear_error(train, held_out, test):
    """Returns the test error of logistic regression, its penalty chosen on others.

    Args:
        train: Pair of features and labels.
        held_out: The same, to choose by.
        test: The same.
    """
    from sklearn.linear_model import LogisticRegression

    machines = [LogisticRegression(C=c, max_iter=500).fit(*train) for c in PENALTIES]
    best = max(machines, key=lambda machine: machine.score(*held_out))
    return 1 - best.score(*test)


def measure_network(model, is_random, splits, seed, config):
    """Returns the test errors of a whole network that has seen few labels."""
    figures = {}
    for num_labels in NUM_LABELS:
        chosen = digit_evaluation.choose_labels(splits[0].labels, num_labels, seed)
        few = splits[0].images[chosen], splits[0].labels[chosen]
        errors = []
        for rate in RATES:
            classifier = model.to_classifier(10, config.dropout)
            if is_random:
                digit_evaluation.draw_weights_anew(
                    classifier, digit_evaluation.sigmoid_initializer
                )
            train(classifier, few, rate, seed, config.steps)
            errors.append(
                [
                    digit_evaluation.error_of(classifier, each.images, each.labels)
                    for each in splits[1:]
                ]
            )
        _, figures[f"error_{num_labels}"] = min(errors)
    return figures


def train(classifier, few, rate, seed, steps, block=100):
    """Trains a classifier on batches that are drawn of few images."""
    digit_evaluation.compile_classifier(classifier, steps, rate)
    rng = np.random.default_rng(seed)
    for start in range(0, steps, block):
        count = min(block, steps - start) * BATCH_SIZE
        x, y = digit_evaluation.take(few, rng.integers(len(few[1]), size=count))
        classifier.fit(x, y, batch_size=BATCH_SIZE, shuffle=False, verbose=0)


def draw(weights, features, images):
    """Returns a picture of units: their weights above the images that they like."""
    liked = np.argsort(-features[:, :NUM_SHOWN], axis=0)[:NUM_LIKED]
    means = [images[rows].mean(axis=0) for rows in liked.T]
    looks = image_grids.weights_to_images(weights, images.shape[1:], NUM_SHOWN)
    grid = image_grids.make_grid(
        np.concatenate([looks, means]), columns=NUM_SHOWN, padding=2
    )
    return image_grids.to_pil(grid, scale=2)


def collect(results, folder, picture):
    """Returns the figures; the pictures of layers of the first seed become one."""
    names = [name for name in results if name in LAYERS[1:]]
    strips = [PIL.Image.open(sorted(folder.glob(f"{n}_*.png"))[0]) for n in names]
    if strips:
        rows = [np.asarray(strip) for strip in strips]
        gap = np.full((16, rows[0].shape[1]), 255, "uint8")
        parts = [part for row in rows for part in (gap, row)]
        PIL.Image.fromarray(np.concatenate(parts[1:])).save(picture, quality=85)
    return repeated_runs.summarize_all(results)


def main(config):
    """Runs what is missing and writes the result."""
    path = result_files.place(config.out or "claim_features.json")
    layers = "-".join(map(str, (784, *HIDDEN_DIMS)))
    return repeated_runs.run_all(
        config,
        run,
        LAYERS + NETWORKS,
        "claims/features.py",
        f"MNIST in gray; a DBN {layers}, each RBM {config.layer_epochs} epochs of CD-1 "
        f"in batches of {BATCH_SIZE}, momentum 0.5, rate {config.layer_rate:g} falling "
        "to 0, no labels. layer: p(h = 1 | v) of a layer. class_share: the share of "
        "the variance of its units over the 10,000 test images that is between digits. "
        "pixels_of_half: half of a unit's squared weights are in so many of 784 "
        "pixels, on the average; weights of upper layers are products. error: test "
        "error with so many labelled training images, as many of each digit; pixels "
        "and layers by logistic regression (C of 0.01, 0.1 and 1); pretrained and "
        "random: 784-500-500-2000-10 by back-propagation from the weights of the DBN, "
        f"or from random ones as in claims/pretraining.py, {config.steps:,} batches, "
        f"SGD with momentum 0.9, rate 0.02 or 0.2 falling to 0, dropout "
        f"{config.dropout:g}. C and rate by the error on 5,000 validation images. The "
        f"picture: the first {NUM_SHOWN} units of each layer, their weights above the "
        f"mean of the {NUM_LIKED} training images which they answer to most.",
        collect=functools.partial(
            collect,
            folder=pathlib.Path(config.log_dir),
            picture=path.with_suffix(".webp"),
        ),
    )


if __name__ == "__main__":
    main(parse_flags(Config))
