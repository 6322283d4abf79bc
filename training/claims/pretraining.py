"""Claim: pre-training helps: DBN 1.2 % error on MNIST, SVM 1.4 %, random start 1.6 %.

python training/claims/pretraining.py
python training/claims/pretraining.py --variants pretrained --seeds 0

One network, 784-500-500-2000-10 of sigmoid units, is trained by back-propagation from
the weights of a deep belief network, whose layers were fitted without labels, and from
random ones; a support vector machine and a deep Boltzmann machine, 784-500-1000-10,
stand beside them.

References:
    Hinton and Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks,
    2006, supporting material (the network, 1.2 %).
    Salakhutdinov and Hinton, Deep Boltzmann Machines, 2009, section 3.3 (0.95 %).
    Glorot and Bengio, Understanding the Difficulty of Training Deep Feedforward Neural
    Networks, 2010, section 4.2 (initial weights of sigmoid units).
    Decoste and Schölkopf, Training Invariant Support Vector Machines, 2002 (1.4 %).
"""

import find_training  # noqa: F401, I001

import dataclasses
import functools

import boltzmann_helpers
import digit_evaluation
import keras
import numpy as np
import repeated_runs
from digit_evaluation import BATCH_SIZE, load_splits
from keras import ops
from script_helpers import flag, in_batches, parse_flags

from gen_keras import datasets
from gen_keras.models import DBM, DBN

HIDDEN_DIMS = (500, 500, 2000)
DBM_HIDDEN_DIMS = (500, 1000)
DBM_DROPOUT = {"dropout": 0.5, "input_dropout": 0.2}
VARIANTS = ("pretrained", "random", "svm", "dbm")


@dataclasses.dataclass
class Config(repeated_runs.Config):
    """What to run."""

    log_dir: str = flag("runs/pretraining", "folder for the figures of the runs")
    layer_epochs: int = flag(30, "epochs of each RBM")
    layer_rate: float = flag(0.1, "of the RBMs; falls to 0")
    dbm_epochs: int = flag(60, "epochs of a DBM as a whole, after its RBMs")
    dbm_rate: float = flag(0.005, "of these; falls to 0")
    epochs: int = flag(30, "epochs of back-propagation")
    learning_rate: float = flag(0.2, "of back-propagation; falls to 0")
    dropout: float = flag(0.2, "share of hidden units dropped by back-propagation")
    dbm_tuning_epochs: int = flag(240, "epochs of back-propagation of a DBM")
    dbm_tuning_rate: float = flag(0.3, "of these; falls to 0")
    max_images: int = flag(0, "of each split; 0: all")


def train_dbm(images, seed, config):
    """Returns a DBM, pre-trained and then trained on binarized images."""
    keras.utils.set_random_seed(seed)
    model = DBM((28, 28, 1), DBM_HIDDEN_DIMS, seed=seed)
    rbms = model.make_rbms()
    rbms[0].initialize_visible_bias(images)
    rng = np.random.default_rng(seed)

    def draw(images, level, epoch):
        return boltzmann_helpers.draw_units(rbms, level)(images, rng)

    rates = [config.layer_rate / 2] * len(rbms)  # Half of the layers count twice.
    digit_evaluation.train_layers(rbms, images, draw, config.layer_epochs, rates, seed)
    model.compose(rbms)
    steps = config.dbm_epochs * (len(images) // BATCH_SIZE)
    rate = keras.optimizers.schedules.PolynomialDecay(config.dbm_rate, steps, 0.0)
    model.compile(keras.optimizers.SGD(rate))
    for _ in range(config.dbm_epochs):
        inputs = datasets.binarize(images[rng.permutation(len(images))], rng)
        model.fit(inputs, batch_size=BATCH_SIZE, shuffle=False, verbose=0)
    return model


def add_means(model):
    """Returns a function from images to the inputs of the classifier of a `DBM`."""

    def add(images):
        parts = [
            [ops.convert_to_numpy(means) for means in model.mean_field(batch)[1:]]
            for batch in in_batches(images, 1000)
        ]
        means = [np.concatenate(layer) for layer in zip(*parts, strict=True)]
        return [images, *means]

    return add


@functools.cache
def fit_svm(max_images):
    """Returns the errors of a support vector machine, which needs no seed."""
    from sklearn.svm import SVC

    train, held_out, test = load_splits(max_images)

    def flat(data):
        return data.images.reshape(len(data.images), -1)

    machine = SVC(C=5.0, gamma=0.025, cache_size=1000)
    machine.fit(flat(train), train.labels)
    return {
        "test_error": float(np.mean(machine.predict(flat(test)) != test.labels)),
        "validation_error": float(
            np.mean(machine.predict(flat(held_out)) != held_out.labels)
        ),
    }


def run(name, seed, config):
    """Returns the errors of one variant."""
    if name == "svm":
        return fit_svm(config.max_images)
    splits = load_splits(config.max_images)
    load_or_train = functools.partial(repeated_runs.load_or_train, config, name, seed)
    if name == "dbm":
        model = load_or_train(lambda: train_dbm(splits[0].images, seed, config))
        return digit_evaluation.fine_tune(
            model.to_classifier(10, **DBM_DROPOUT),
            splits,
            config.dbm_tuning_epochs,
            config.dbm_tuning_rate,
            seed,
            inputs=add_means(model),
            keep="last",
        )
    if name == "pretrained":
        model = load_or_train(
            lambda: digit_evaluation.pretrain_dbn(
                splits[0].images,
                HIDDEN_DIMS,
                config.layer_epochs,
                config.layer_rate,
                seed,
            )
        )
    else:
        keras.utils.set_random_seed(seed)
        model = DBN((28, 28, 1), HIDDEN_DIMS, seed=seed)
    classifier = model.to_classifier(10, config.dropout)
    if name == "random":
        digit_evaluation.draw_weights_anew(
            classifier, digit_evaluation.sigmoid_initializer
        )
    return digit_evaluation.fine_tune(
        classifier, splits, config.epochs, config.learning_rate, seed
    )


def main(config):
    """Runs what is missing and writes the result."""
    return repeated_runs.run_all(
        config,
        run,
        VARIANTS,
        "claims/pretraining.py",
        "MNIST: 55,000 training, 5,000 validation and 10,000 test images in gray. "
        "784-500-500-2000-10 sigmoid units. pretrained: each RBM by CD-1, "
        f"{config.layer_epochs} epochs, batches of {BATCH_SIZE}, momentum 0.5, rate "
        f"{config.layer_rate:g} falling to 0, no labels; upper layers see samples. "
        f"Then, and random: {config.epochs} epochs of SGD with momentum 0.9, rate "
        f"{config.learning_rate:g} falling to 0, dropout {config.dropout:g} of hidden "
        "units; the epoch of the least validation error. random: four times Glorot's "
        "initial weights, as sigmoid units want. svm: radial basis functions, C = 5, "
        "gamma = 0.025, the same for each seed. dbm: 784-500-1000-10 that begins as "
        "mean-field updates, with the means of the upper layer as more inputs; its "
        "RBMs, on binarized images, as those of the DBN, but from half the rate, then "
        f"{config.dbm_epochs} epochs of all of it, from {config.dbm_rate:g}, 10 "
        "mean-field updates, 100 chains of 5 Gibbs steps; back-propagation of "
        f"{config.dbm_tuning_epochs} epochs from {config.dbm_tuning_rate:g}, dropout "
        f"{DBM_DROPOUT['dropout']:g} of hidden units and of these means, and "
        f"{DBM_DROPOUT['input_dropout']:g} of pixels; the last epoch.",
    )


if __name__ == "__main__":
    main(parse_flags(Config))
