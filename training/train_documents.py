"""Trains a code of documents: counts of words, replicated softmax units, a DBN.

python training/train_documents.py --dataset folder:PATH
python training/train_documents.py --dataset folder:PATH --hidden-dims 500,250,32
python training/train_documents.py --dataset folder:PATH --epochs 1   # smoke run

PATH holds text files, one folder a class. The lowest RBM has the counts of a document
in its visible units, each further one the hidden units of the one below it; each
trains by itself, as in `train_dbn.py`. Writes checkpoints, TensorBoard logs, the model
and its `vocabulary.txt` to `--log-dir`, and prints how well validation documents find
training documents of their class by the code, by words and by latent semantic analysis.
"""

import dataclasses
import pathlib

import boltzmann_helpers
import keras
import numpy as np
import script_helpers
from document_helpers import baseline_features, make_codes, measure_retrieval
from keras import ops
from script_helpers import flag, in_batches, make_model, parse_flags, setup

from gen_keras import datasets
from gen_keras.models import DBN


@dataclasses.dataclass
class Config(boltzmann_helpers.ChainConfig):
    """Hyperparameters."""

    dataset: str = flag("", "folder:PATH, text files in one folder a class")
    log_dir: str = flag("runs/documents", "folder for checkpoints, logs, the model")
    num_words: int = flag(2000, "words of the vocabulary")
    max_share: float = flag(0.1, "words that more of the documents have are left out")
    max_length: int = flag(60, "words of a document that an epoch sees at most")
    hidden_dims: tuple = flag((128,), "hidden units of the layers, from below")
    epochs: int = flag(10, "epochs of the RBM of words; its rate falls over them")
    upper_epochs: int = flag(50, "epochs of each RBM above it")
    learning_rate: float = flag(0.01, "of Adam; falls linearly to 0")
    gibbs_steps: int = flag(1, "Gibbs steps of each update (k)")
    num_chains: int = flag(0, "persistent chains (PCD-k); 0 means CD-k")
    measure_every: int = flag(5, "epochs between measurements on validation documents")


def main(config):
    """Builds the model, trains its layers and measures it; returns it for tests."""
    with script_helpers.one_line_errors():
        documents, held_out = load(config, "train"), load(config, "validation")
    with setup(boltzmann_helpers.stage_of(config, "layer_1")):
        model = make_model(
            config,
            DBN,
            visible_shape=documents.image_shape,
            hidden_dims=config.hidden_dims,
            rbms=boltzmann_helpers.make_stack(
                config,
                documents.image_shape,
                config.gibbs_steps,
                config.num_chains,
                "replicated_softmax",
            ),
            seed=config.seed,
        )
        if not config.from_preset:
            model.rbms[0].initialize_visible_bias(documents.counts)
    boltzmann_helpers.train_layers(
        config,
        model.rbms,
        documents,
        held_out.counts,
        transform=shorten(config.max_length),
        optimizer=make_optimizer,
        figures=lambda level: measure(model, documents, held_out, level),
        changes=lambda level: {"epochs": config.upper_epochs} if level else {},
    )
    if not config.dry_run:
        with script_helpers.one_line_errors():
            folder = pathlib.Path(config.log_dir)
            script_helpers.save(model, folder / "model.keras")
            vocabulary = "\n".join(documents.vocabulary) + "\n"
            (folder / "vocabulary.txt").write_text(vocabulary, "utf-8")
        report(model, documents, held_out)
    return model


def load(config, split):
    """Returns the documents of a split."""
    documents = datasets.load_documents(
        config.dataset, split, config.num_words, config.max_share
    )
    if split != "train":
        return documents
    documents = documents.take(config.max_images or len(documents))
    if len(documents) < config.batch_size:
        raise ValueError(
            f"{config.dataset} has {len(documents)} training documents, fewer than one "
            f"batch. Lower --batch-size. Received: {config.batch_size}"
        )
    return documents


def make_optimizer(config, num_documents):
    """Returns Adam whose rate falls to 0 over the epochs of the run.

    The gradient grows with the length of a document, and is the same for all hidden
    units at first: plain gradient ascent does not tell them apart.
    """
    steps = config.epochs * (num_documents // config.batch_size)
    rate = keras.optimizers.schedules.PolynomialDecay(config.learning_rate, steps, 0.0)
    return keras.optimizers.Adam(rate)


def shorten(max_length):
    """Returns a function (counts, rng) that draws so many words of long documents."""

    def draw(counts, rng):
        counts = counts.copy()
        for i in np.flatnonzero(counts.sum(axis=1) > max_length):
            words = counts[i].astype("int64")
            counts[i] = rng.multivariate_hypergeometric(words, max_length)
        return counts

    return draw


def encode(model, documents, level=None):
    """Returns the means of the hidden units of a level, `None` the top one."""
    parts = in_batches(documents.counts, 500)
    means = [ops.convert_to_numpy(model.prop_up(part, level)) for part in parts]
    return np.concatenate(means)


def measure(model, documents, held_out, level):
    """Returns the figures of the code that the RBM of a level makes, for its log."""
    found = measure_retrieval(
        encode(model, held_out, level + 1),
        held_out.labels,
        encode(model, documents, level + 1),
        documents.labels,
    )
    return {f"val_{name}": value for name, value in found.items()}


def report(model, documents, held_out):
    """Prints how well documents are found by the code, and by what it is beside."""
    codes = encode(model, held_out), encode(model, documents)
    size = codes[0].shape[1]
    baselines = baseline_features(held_out.counts, documents.counts, size)
    rows = {
        f"code of {size}": codes,
        f"its {size} bits": [make_codes(code, 0.5) for code in codes],
        "words": baselines["words"],
        "tf-idf": baselines["tf-idf"],
        f"LSA of {size}": baselines["LSA"],
    }
    print(
        f"Of {len(held_out):,} validation documents, by {len(documents):,} training "
        "documents: precision at 10, mean average precision"
    )
    for title, (found, database) in rows.items():
        figures = measure_retrieval(found, held_out.labels, database, documents.labels)
        print(f"  {title:16}", *(f"{value:8.1%}" for value in figures.values()))


if __name__ == "__main__":
    main(parse_flags(Config))
