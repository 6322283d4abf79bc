r"""Trains a code of documents: counts of words, replicated softmax units, a DBN.

python training/train_documents.py --dataset folder:PATH
python training/train_documents.py --dataset folder:PATH --hidden-dims 500,250,32
python training/train_documents.py --dataset folder:PATH --hidden-dims 32 \
    --code-epochs 12
python training/train_documents.py --dataset folder:PATH --epochs 1   # smoke run

PATH holds text files, one folder a class. The lowest RBM has the counts of a document
in its visible units, each further one the hidden units of the one below it; each
trains by itself, as in `train_dbn.py`. With --code-epochs all of them are then made an
autoencoder whose code is binary, as in `train_semantic_hashing.py`: it is the model.
Writes checkpoints, TensorBoard logs, the model and its `vocabulary.txt` to `--log-dir`,
and prints how well validation documents find training documents of their class by the
code, by words and by latent semantic analysis. With --resume what is done stays as it
is.
"""

import dataclasses
import functools
import pathlib

import boltzmann_helpers
import keras
import numpy as np
import script_helpers
import train_semantic_hashing
from document_helpers import baseline_features, make_codes, measure_retrieval
from keras import ops
from script_helpers import flag, in_batches, make_model, parse_flags, setup

from gen_keras import datasets
from gen_keras.models import DBN, SemanticHashing


@dataclasses.dataclass
class Config(script_helpers.Config):
    """Hyperparameters."""

    dataset: str = flag("", "folder:PATH, text files in one folder a class")
    log_dir: str = flag("runs/documents", "folder for checkpoints, logs, the model")
    num_words: int = flag(2000, "words of the vocabulary")
    max_share: float = flag(0.1, "words that more of the documents have are left out")
    max_length: int = flag(60, "words of a document that an epoch sees at most")
    batch_size: int = flag(100, "documents a step")
    hidden_dims: tuple = flag((128,), "hidden units of the layers, from below")
    epochs: int = flag(10, "epochs of the RBM of words; its rate falls over them")
    upper_epochs: int = flag(50, "epochs of each RBM above it")
    learning_rate: float = flag(0.01, "of Adam; falls linearly to 0")
    weight_decay: float = flag(0.0, "λ of λ/2 ΣW², such as 0.0002")
    gibbs_steps: int = flag(1, "Gibbs steps of each update (k)")
    num_chains: int = flag(0, "persistent chains (PCD-k); 0 means CD-k")
    code_epochs: int = flag(0, "epochs of back-propagation; 0: the RBMs are the model")
    code_rate: float = flag(3e-3, "of Adam in these; falls along a cosine to 0")
    code_noise: float = flag(4.0, "standard deviation of the noise on codes in these")
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
    for level in range(len(model.rbms)):
        to_codes = functools.partial(encode, model, level=level + 1)
        boltzmann_helpers.fit_layer(
            *(config, model.rbms, level, documents, held_out.counts),
            transform=shorten(config.max_length),
            optimizer=make_optimizer,
            figures=functools.partial(measure, to_codes, documents, held_out),
            epochs=config.upper_epochs if level else config.epochs,
        )
    if config.code_epochs:
        model = fine_tune(config, model, documents, held_out)
    if not config.dry_run:
        with script_helpers.one_line_errors():
            folder = pathlib.Path(config.log_dir)
            script_helpers.save(model, folder / "model.keras")
            vocabulary = "\n".join(documents.vocabulary) + "\n"
            (folder / "vocabulary.txt").write_text(vocabulary, "utf-8")
        report(model, documents, held_out)
    return model


def fine_tune(config, dbn, documents, held_out):
    """Returns `SemanticHashing` that began as a DBN."""
    stage = boltzmann_helpers.stage_of(
        config, "codes", epochs=config.code_epochs, learning_rate=config.code_rate
    )
    with setup(stage):
        model = SemanticHashing.from_dbn(dbn, config.code_noise)
        optimizer = train_semantic_hashing.make_optimizer(stage, len(documents))
        model.compile(optimizer)
    script_helpers.fit(
        model,
        documents,
        stage,
        sample_images={},
        transform=shorten(config.max_length),
        validation_data=(held_out.counts,),
        validation_batch_size=config.batch_size,
        figures=lambda: measure(
            lambda each: make_codes(encode(model, each), 0.5), documents, held_out
        ),
    )
    return model


def load(config, split):
    """Returns the documents of a split."""
    for name, value in script_helpers.dataset_options(config).items():
        raise ValueError(
            f"--{name.replace('_', '-')} is for images; leave it out. Received: {value}"
        )
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
    """Returns the means of the hidden units of a level of a DBN.

    `None` is the top one; it may be that of `SemanticHashing`, whose codes are bits.
    """
    up = model if level is None else functools.partial(model.prop_up, level=level)
    parts = in_batches(documents.counts, 500)
    return np.concatenate([ops.convert_to_numpy(up(part)) for part in parts])


def measure(encode, documents, held_out):
    """Returns, for a log, how well documents are found by a function of them."""
    found = measure_retrieval(
        encode(held_out), held_out.labels, encode(documents), documents.labels
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
