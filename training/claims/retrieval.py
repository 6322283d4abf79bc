"""Claim: binary codes make retrieval fast; an autoencoder begun as a DBN learns them.

python training/claims/retrieval.py
python training/claims/retrieval.py --variants mnist_dbn_32 --split validation

A query is an image that no code was fitted to; what is found are training images, the
nearest by Hamming distance. What has the query's class is relevant. No code is told any
class. Beside semantic hashing stand signs of principal components, spectral hashing,
iterative quantization (ITQ), and the Euclidean distance of all pixels.

References:
    Salakhutdinov and Hinton, Semantic Hashing, 2007.
    Krizhevsky and Hinton, Using Very Deep Autoencoders for Content-Based Image
    Retrieval, 2011.
"""

import find_training  # noqa: F401, I001

import dataclasses
import pathlib
import time

import hash_baselines
import numpy as np
import repeated_runs
import retrieval_figures
import train_semantic_hashing
from script_helpers import flag, parse_flags

from gen_keras import HammingIndex, datasets

NUM_BITS = (32, 64)
METHODS = ("dbn", *hash_baselines.BASELINES)
# What the models are trained with, beside the defaults of the script.
DATASETS = {
    "mnist": {"dataset": "mnist", "hidden_dims": (400, 200), "code_noise": 4.0},
    "emoji": {
        "dataset": "emoji",
        "image_size": 32,
        "hidden_dims": (500, 250),
        "layer_epochs": 100,
        "layer_rate": 0.03,
        "code_noise": 1.5,
        "epochs": 300,
    },
}
VARIANTS = [
    f"{name}_{method}_{num_bits}"
    for name in DATASETS
    for num_bits in NUM_BITS
    for method in METHODS
] + [f"{name}_pixels" for name in DATASETS]


@dataclasses.dataclass
class Config(repeated_runs.Config):
    """What to run."""

    seeds: tuple = flag((0,), "of weights, noise and the order of the images")
    log_dir: str = flag("runs/retrieval", "folder for the figures of the runs")
    split: str = flag("test", "of the queries", ("test", "validation"))
    smoke: bool = flag(False, "a short training on few images, to try the script")


def load(name, split, config):
    """Returns images and classes; of emoji those of both vendors."""
    options = {"image_size": 32, "vendor": "both"} if name == "emoji" else {}
    data = datasets.load(name, split, **options)
    if config.smoke:
        data = data.take(300)
    return data.images, data.labels


def run(variant, seed, config):
    """Returns how well one kind of codes finds what is alike."""
    name, method, *num_bits = variant.split("_")
    images, labels = load(name, "train", config)
    queries, query_labels = load(name, config.split, config)
    if method == "pixels":
        relevant = retrieval_figures.rank_by_distance(
            images, labels, queries, query_labels
        )
        return retrieval_figures.summarize(relevant)
    encode = make_encoder(name, method, int(num_bits[0]), images, seed, config)
    codes, query_codes = encode(images), encode(queries)
    index = HammingIndex(codes)
    relevant = retrieval_figures.rank_by_codes(index, labels, query_codes, query_labels)
    figures = {
        "balance": codes.mean(),
        "distinct_codes": retrieval_figures.count_distinct(codes),
    }
    return (
        retrieval_figures.summarize(relevant)
        | figures
        | time_search(codes, query_codes)
    )


def make_encoder(name, method, num_bits, images, seed, config):
    """Returns a function from images to codes, fitted to images without classes."""
    if method == "dbn":
        return train(name, num_bits, seed, config).encode
    fit = hash_baselines.BASELINES[method]
    encode = fit(retrieval_figures.to_rows(images), num_bits, seed)
    return lambda x: encode(retrieval_figures.to_rows(x))


def train(name, num_bits, seed, config):
    """Returns `SemanticHashing`, trained by its script."""
    options = dict(DATASETS[name])
    options["hidden_dims"] = (*options["hidden_dims"], num_bits)
    folder = pathlib.Path(config.log_dir) / f"{name}_{num_bits}_{seed}"
    if config.smoke:
        options |= {"max_images": 300, "layer_epochs": 1, "epochs": 1}
    flags = train_semantic_hashing.Config(
        **options, seed=seed, log_dir=str(folder), resume=folder.is_dir()
    )
    return train_semantic_hashing.main(flags)


def time_search(codes, queries, num_codes=60_000, num_queries=101):
    """Returns the median milliseconds of a search among 60,000 codes."""
    index = HammingIndex(np.resize(codes, (num_codes, codes.shape[1])))
    seconds = []
    for query in np.resize(queries, (num_queries, queries.shape[1])):
        start = time.perf_counter()
        index.search(query[None], 10)
        seconds.append(time.perf_counter() - start)
    return {"search_milliseconds": 1000 * np.median(seconds)}


def main(config):
    """Runs what is missing and writes the result."""
    mnist, emoji = DATASETS["mnist"], DATASETS["emoji"]
    return repeated_runs.run_all(
        config,
        run,
        VARIANTS,
        "claims/retrieval.py",
        f"Queries: the {config.split} images, among the training images: 10,000 among "
        "55,000 digits; emoji of 32×32 pixels by both vendors, of which the category "
        "counts as class. dbn: semantic hashing, layers "
        f"{mnist['hidden_dims']} (emoji {emoji['hidden_dims']}) and the bits, by "
        "train_semantic_hashing.py; emoji: of Twemoji alone, "
        f"{emoji['layer_epochs']} epochs a layer and {emoji['epochs']} of "
        "back-propagation. pca: signs of components; "
        "spectral: spectral hashing; itq: 50 iterations; pixels: Euclidean distance. "
        "precision_at_10: the share of the query's class among the ten nearest; "
        "mean_average_precision: over all; codes as near as each other come "
        "in a random order. balance: the share of ones; distinct_codes: the share of "
        "codes that differ. search_milliseconds: median of the search of one query "
        "among 60,000 codes by one thread, ten neighbors.",
    )


if __name__ == "__main__":
    main(parse_flags(Config))
