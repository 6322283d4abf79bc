"""Claim: low-dimensional features of a DBN cluster much better than those of PCA.

python training/claims/clustering.py
python training/claims/clustering.py --variants dbn,pca --seeds 0

Digits are brought into the plane: by an autoencoder that begins as a deep belief
network, by the same one from random weights, and by principal components. k-means then
looks for ten clusters, which stand for the class that is the most frequent in them.

Reference:
    Hinton and Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks,
    2006 (there 784-1000-500-250-2).
"""

import find_training  # noqa: F401, I001

import dataclasses
import functools

import digit_evaluation
import keras
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import repeated_runs
import result_files
from digit_evaluation import BATCH_SIZE, load
from script_helpers import flag, parse_flags
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from gen_keras import metrics
from gen_keras.models import DBN
from gen_keras.models.boltzmann_machines.dbn import stack_rbms

SHAPE = (28, 28, 1)
HIDDEN_DIMS = (500, 250, 125, 2)
VARIANTS = {
    "dbn": "Autoencoder from a DBN",
    "random": "The same from random weights",
    "pca": "PCA",
}
NUM_SHOWN = 2000  # Digits of a map.
# The colours of the digits 0 to 9.
COLORS = (
    *("#4338ca", "#ea580c", "#16a34a", "#dc2626", "#9333ea"),
    *("#92400e", "#db2777", "#52525b", "#ca8a04", "#0891b2"),
)


@dataclasses.dataclass
class Config(repeated_runs.Config):
    """What to run."""

    log_dir: str = flag("runs/clustering", "folder for the figures of the runs")
    layer_epochs: int = flag(10, "epochs of each RBM, by CD-1")
    layer_rate: float = flag(0.1, "of the RBMs; falls to 0")
    code_rate: float = flag(0.005, "of the RBM whose two hidden units are Gaussian")
    epochs: int = flag(40, "epochs of back-propagation")
    learning_rate: float = flag(1e-3, "of Adam in these; falls along a cosine to 0")
    max_images: int = flag(0, "of each split; 0: all")


def make_dbn(seed):
    """Returns a DBN whose two uppermost units are real numbers."""
    rbms = stack_rbms(SHAPE, HIDDEN_DIMS, seed, top={"hidden_units": "gaussian"})
    return DBN(SHAPE, HIDDEN_DIMS, rbms=rbms, seed=seed)


def train(seed, config, is_pretrained):
    """Returns an encoder from images to the plane."""
    keras.utils.set_random_seed(seed)
    images = load("train", config.max_images).images
    images = images[np.random.default_rng(seed).permutation(len(images))]
    model = make_dbn(seed)
    if is_pretrained:
        rates = [config.layer_rate] * (len(HIDDEN_DIMS) - 1) + [config.code_rate]
        digit_evaluation.train_dbn_layers(
            model, images, config.layer_epochs, rates, seed
        )
    network = model.to_autoencoder()
    if not is_pretrained:
        digit_evaluation.draw_weights_anew(
            network, digit_evaluation.sigmoid_initializer
        )
    steps = config.epochs * (len(images) // BATCH_SIZE)
    rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
    network.compile(
        keras.optimizers.Adam(rate), keras.losses.BinaryCrossentropy(from_logits=True)
    )
    options = {"batch_size": BATCH_SIZE, "shuffle": False, "verbose": 0}
    network.fit(images, images, epochs=config.epochs, **options)
    encoder = network.get_layer("encoder")
    return lambda x: encoder.predict(x, batch_size=1000, verbose=0)


def fit_pca(config):
    """Returns the projection to the two greatest principal components."""
    rows = load("train", config.max_images).images
    pca = PCA(2, random_state=0).fit(rows.reshape(len(rows), -1))
    return lambda x: pca.transform(x.reshape(len(x), -1))


def run(name, seed, config):
    """Returns how well a map of test digits tells their classes."""
    encode = fit_pca(config) if name == "pca" else train(seed, config, name == "dbn")
    seen, test = load("train", config.max_images), load("test", config.max_images)
    codes, test_codes = encode(seen.images), encode(test.images)
    return measure(codes, seen.labels, test_codes, test.labels, seed) | {
        "map": test_codes[:NUM_SHOWN].round(4),
        "labels": test.labels[:NUM_SHOWN],
    }


def measure(codes, labels, test_codes, test_labels, seed):
    """Returns the purity of k-means, and the error of the nearest neighbour."""
    clusters = KMeans(10, n_init=10, random_state=seed).fit(codes)
    classes = metrics.match_categories(clusters.labels_, labels, 10)
    found = classes[clusters.predict(test_codes)]
    return {
        "purity": np.mean(found == test_labels),
        "neighbor_error": metrics.neighbor_error(
            test_codes, test_labels, codes, labels
        ),
    }


def draw_map(points, labels, side=420):
    """Returns a picture of points in the plane, in the colours of their classes.

    The outermost hundredth along each axis is left out.
    """
    picture = PIL.Image.new("RGB", (2 * side, 2 * side), "white")
    brush = PIL.ImageDraw.Draw(picture)
    low, high = np.quantile(points, [0.005, 0.995], axis=0)
    places = (points - low) / (high - low)
    is_inside = ((places >= 0) & (places <= 1)).all(axis=1)
    places = (0.02 + 0.96 * places * (1, -1) + (0, 0.96)) * (2 * side, 2 * side)
    for (x, y), label in zip(places[is_inside], labels[is_inside], strict=True):
        brush.ellipse((x - 4, y - 4, x + 4, y + 4), fill=COLORS[label])
    return picture.resize((side, side), PIL.Image.Resampling.LANCZOS)


def draw_maps(runs, side=420, gap=20):
    """Returns the maps of variants side by side, and the colours of digits.

    Args:
        runs: Dict from names of `VARIANTS` to results of `run`.
        side: Integer, pixels of a map.
        gap: Integer, pixels between two.
    """
    width = len(runs) * (side + gap) - gap
    picture = PIL.Image.new("RGB", (width, side + 68), "white")
    brush = PIL.ImageDraw.Draw(picture)
    font = PIL.ImageFont.load_default(15)
    for i, (name, run) in enumerate(runs.items()):
        places = i * (side + gap), 28
        each = draw_map(np.array(run["map"]), np.array(run["labels"]), side)
        picture.paste(each, places)
        brush.text((places[0] + 8, 4), VARIANTS[name], fill="#18181b", font=font)
    for digit, color in enumerate(COLORS):
        x, y = digit * 38 + 8, side + 42
        brush.ellipse((x, y + 3, x + 11, y + 14), fill=color)
        brush.text((x + 17, y), str(digit), fill="#18181b", font=font)
    return picture


def collect(results, picture):
    """Returns the figures without the maps, of which a picture is drawn."""
    draw_maps({name: runs[0] for name, runs in results.items()}).save(
        picture, quality=85
    )
    kept = {
        name: [
            {k: v for k, v in run.items() if k not in ("map", "labels")} for run in runs
        ]
        for name, runs in results.items()
    }
    return repeated_runs.summarize_all(kept)


def main(config):
    """Runs what is missing and writes the result."""
    layers = "-".join(map(str, (784, *HIDDEN_DIMS)))
    path = result_files.place(config.out or "claim_clustering.json")
    return repeated_runs.run_all(
        config,
        run,
        VARIANTS,
        "claims/clustering.py",
        f"MNIST in gray. dbn: an autoencoder {layers} and back, two linear code units, "
        f"from RBMs of {config.layer_epochs} epochs of CD-1 each; random: the same "
        "from four times Glorot's initial weights, as sigmoid units want; both: "
        f"{config.epochs} epochs of Adam, "
        f"{config.learning_rate:g} falling to 0. pca: two components. purity: ten "
        "clusters by k-means of the 55,000 training images, each of the class that is "
        "the most frequent in it; the share of 10,000 test images that lie in a "
        "cluster of their class. neighbor_error: by the nearest training image in the "
        f"plane. The picture shows {NUM_SHOWN:,} test digits of the first seed, but "
        "for the outermost hundredth along each axis.",
        collect=functools.partial(collect, picture=path.with_suffix(".webp")),
    )


if __name__ == "__main__":
    main(parse_flags(Config))
