r"""Claim: documents, too, are found by the codes of a deep belief network.

python training/make_package_corpus.py --packages Packages.xz \
    --descriptions Translation-en.bz2
python training/claims/documents.py --dataset folder:runs/packages

Documents of the test split find training documents of their class: by the hidden units
of a replicated softmax RBM, by as many bits that these make, by the few bits of
semantic hashing, which goes on with such an RBM by back-propagation, and by as many
features and bits of latent semantic analysis, and bits of spectral hashing and of
iterative quantization; by words without any model, too.

References:
    Salakhutdinov and Hinton, Semantic Hashing, 2007.
    Salakhutdinov and Hinton, Replicated Softmax: an Undirected Topic Model, 2009,
    section 4.2.
"""

import find_training  # noqa: F401, I001

import dataclasses
import functools
import hashlib

import document_helpers
import hash_baselines
import repeated_runs
import train_documents
from document_helpers import measure_retrieval
from script_helpers import flag, one_line_errors, parse_flags


@dataclasses.dataclass
class Config(repeated_runs.Config):
    """What to run."""

    dataset: str = flag("folder:runs/packages", "text files in one folder a class")
    log_dir: str = flag("runs/claim_documents", "folder for the figures of the runs")
    num_features: int = flag(128, "hidden units, topics and bits, if a name has none")
    num_below: int = flag(128, "hidden units below the code of the DBN")
    epochs: int = flag(train_documents.Config.epochs, "of the RBM of words")
    upper_epochs: int = flag(train_documents.Config.upper_epochs, "of the one above")
    learning_rate: float = flag(train_documents.Config.learning_rate, "of each RBM")
    code_epochs: int = flag(12, "of back-propagation, for semantic hashing")
    code_rate: float = flag(train_documents.Config.code_rate, "of Adam in these")
    code_noise: float = flag(train_documents.Config.code_noise, "on codes in these")


def run(name, seed, config):
    """Returns how well documents are found by the features of one variant."""
    settings = settings_of(name, seed, config)
    database, queries, held_out = (
        train_documents.load(settings, split)
        for split in ("train", "test", "validation")
    )
    encode, threshold = METHODS[parse(name, config)[0]](database, settings)
    features = encode(database)
    figures, only_bits = {}, features.dtype == "uint8"
    for prefix, documents in (("", queries), ("validation_", held_out)):
        pairs = {"": (encode(documents), features)}
        if threshold is not None:
            make_codes = document_helpers.make_codes
            pairs["bits_"] = [make_codes(each, threshold) for each in pairs[""]]
        if only_bits:
            del pairs[""]
        for kind, (found, searched) in pairs.items():
            result = measure_retrieval(
                found, documents.labels, searched, database.labels
            )
            figures |= {prefix + kind + key: value for key, value in result.items()}
    return figures


def settings_of(name, seed, config):
    """Returns the flags of the training of a variant."""
    method, num_features = parse(name, config)
    below = (config.num_below,) if method == "dbn" else ()
    code_epochs = config.code_epochs if method == "hashing" else 0
    return train_documents.Config(
        dataset=config.dataset,
        seed=seed,
        log_dir=f"{config.log_dir}/{name}_{seed}_training",
        hidden_dims=(*below, num_features),
        epochs=config.epochs,
        learning_rate=config.learning_rate,
        upper_epochs=config.upper_epochs,
        code_epochs=code_epochs,
        code_rate=config.code_rate,
        code_noise=config.code_noise,
        measure_every=max(config.epochs, config.upper_epochs, config.code_epochs),
        resume=True,
    )


def parse(name, config):
    """Returns the method of a variant, and how many features: "lsa_32" has 32."""
    method, _, number = name.rpartition("_")
    return (method, int(number)) if number.isdigit() else (name, config.num_features)


# Methods ----------------------------------------------------------------------------
# Of each: a function of documents that returns features, and above what these are bits.


def weigh(database, settings):
    """Returns tf-idf vectors."""
    training_counts = database.counts
    return lambda documents: document_helpers.weigh_words(
        documents.counts, training_counts
    ), None


def analyse(database, settings):
    """Returns latent semantic analysis of tf-idf vectors."""
    weighted, _ = weigh(database, settings)
    topics = document_helpers.find_topics(weighted(database), settings.hidden_dims[-1])
    return lambda documents: weighted(documents) @ topics, 0.0


def quantize(fit_codes, database, settings):
    """Returns codes of tf-idf vectors by a function of `hash_baselines`."""
    weighted, _ = weigh(database, settings)
    encode = fit_codes(weighted(database), settings.hidden_dims[-1], settings.seed)
    return lambda documents: encode(weighted(documents)), 0.5


def train(database, settings):
    """Returns the means of the uppermost hidden units, or of the bits of a code."""
    model = train_documents.main(settings)
    return functools.partial(train_documents.encode, model), 0.5


METHODS = {
    "words": lambda *_: (lambda documents: documents.counts, None),
    "tf_idf": weigh,
    "lsa": analyse,
    "rbm": train,
    "dbn": train,
    "hashing": train,
    "spectral": functools.partial(quantize, hash_baselines.spectral_codes),
    "itq": functools.partial(quantize, hash_baselines.itq_codes),
}
VARIANTS = (
    *("words", "tf_idf", "lsa", "spectral", "itq", "rbm", "dbn"),
    *("lsa_32", "spectral_32", "itq_32", "hashing_32"),
    *("lsa_64", "spectral_64", "itq_64", "hashing_64"),
)


def describe(config):
    """Returns what the corpus is."""
    splits = [
        train_documents.load(settings_of("words", 0, config), split)
        for split in ("train", "validation", "test")
    ]
    train_split, validation, test = splits
    digest = hashlib.sha256()
    for documents in splits:
        digest.update("\n".join(documents.example_names).encode("utf-8"))
        digest.update(documents.counts.tobytes())
    return (
        f"{len(train_split):,} training, {len(validation):,} validation and "
        f"{len(test):,} test documents in {len(train_split.label_names)} classes, "
        f"{len(train_split.vocabulary):,} words; SHA-256 of names and counts "
        f"{digest.hexdigest()[:16]}."
    )


def main(config):
    """Runs what is missing and writes the result."""
    with one_line_errors():
        corpus = describe(config)
    return repeated_runs.run_all(
        config,
        run,
        VARIANTS,
        "claims/documents.py",
        "Descriptions of packages of Debian 12.15 (main, amd64) by section, made by "
        f"`training/make_package_corpus.py`: {corpus} precision_at_10: the share of "
        "the ten nearest training documents that are of the test document's section; "
        "mean_average_precision: of all training documents ranked by the cosine. "
        f"bits_: by {config.num_features} bits, or as many as a name says, and their "
        "Hamming distance. rbm: "
        f"{config.num_features} hidden units on replicated softmax units, by "
        f"`training/train_documents.py`, CD-1, {config.epochs} epochs of Adam from "
        f"{config.learning_rate:g}; dbn: {config.num_below}, and {config.num_features} "
        f"above them, which are trained for {config.upper_epochs} epochs; a bit is 1 "
        "if its unit is so with a probability above 0.5. hashing: an RBM of that many "
        f"hidden units, then {config.code_epochs} epochs of back-propagation by Adam "
        f"from {config.code_rate:g} through codes with noise of {config.code_noise:g}, "
        "without a layer between words and code. lsa: "
        f"{config.num_features} singular vectors of tf-idf, or as many as a name says; "
        "a bit is 1 above 0. spectral, itq: spectral hashing, and 50 iterations of "
        "iterative quantization, of tf-idf. words: the counts; tf_idf: "
        "log(1 + count) times rareness. Settings were chosen on the validation split.",
    )


if __name__ == "__main__":
    main(parse_flags(Config))
