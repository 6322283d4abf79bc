"""Measures annealed importance sampling for `benchmark.py`, and RBMs by it.

    python training/benchmark_annealing.py
    python training/benchmark_annealing.py --quick   # small sizes: does it run?

Prints one line of JSON: `seconds` of an estimate by the number of threads; `nll`, the
negative log likelihood of validation images under our RBM and scikit-learn's, which
have seen the same batches in the same order, a list over seeds.
"""

import argparse
import json
import os
import sys
import time

import numpy as np
from benchmark_worker import RATE, ROOT, WORKLOADS

sys.path.insert(0, str(ROOT))  # Runs from a checkout, too.

NUM_EPOCHS = 5
SEEDS = (0, 1, 2)


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    print(json.dumps({"seconds": time_annealing(quick), "nll": compare_nll(quick)}))


def time_annealing(quick):
    """Returns the seconds of an estimate of log Z of `rbm_mnist`, by threads."""
    import threadpoolctl

    from gen_keras import models

    model = models.RBM.from_preset("rbm_mnist")
    images = load_images("train")
    seconds = {}
    for num_threads in sorted({1, os.cpu_count()}):
        with threadpoolctl.threadpool_limits(num_threads):
            start = time.perf_counter()
            estimate(model, images, quick)
            seconds[num_threads] = time.perf_counter() - start
    return seconds


def compare_nll(quick):
    """Returns the nats of both, after as many epochs at the same rate."""
    workload = WORKLOADS["rbm_epoch"]
    batches = workload.load_batches()[: 10 if quick else None]
    held_out = load_images("validation")[: 100 if quick else None]
    nll = {"ours": [], "sklearn": []}
    for seed in SEEDS[: 1 if quick else None]:
        for name, train in (("ours", train_ours), ("sklearn", train_sklearn)):
            model = train(workload, batches, seed)
            log_partition = estimate(model, np.concatenate(batches), quick)
            nll[name].append(-float(np.mean(model.log_prob(held_out, log_partition))))
    return nll


def train_ours(workload, batches, seed):
    """Returns our RBM after `NUM_EPOCHS`."""
    model = make_rbm(workload, seed)
    model.fit(
        np.concatenate(batches),
        batch_size=workload.batch_size,
        epochs=NUM_EPOCHS,
        shuffle=False,
        verbose=0,
    )
    return model


def train_sklearn(workload, batches, seed):
    """Returns our RBM with the weights that scikit-learn's has after `NUM_EPOCHS`."""
    from sklearn.neural_network import BernoulliRBM

    rbm = BernoulliRBM(
        workload.arguments["num_hidden"],
        learning_rate=RATE,
        batch_size=workload.batch_size,
        n_iter=NUM_EPOCHS,
        random_state=seed,
    ).fit(np.concatenate(batches).reshape(-1, 784))
    model = make_rbm(workload, seed)
    model.kernel.assign(rbm.components_.T)
    model.visible_bias.assign(rbm.intercept_visible_)
    model.hidden_bias.assign(rbm.intercept_hidden_)
    return model


def make_rbm(workload, seed):
    """Returns a compiled RBM of new weights."""
    import keras

    from gen_keras import models

    keras.utils.set_random_seed(seed)
    model = models.RBM(**workload.arguments, seed=seed)
    model.compile(keras.optimizers.SGD(RATE))
    return model


def estimate(model, images, quick):
    """Returns log Z, by 100 chains of 14,500 temperatures."""
    from gen_keras import metrics

    schedule = metrics.linear_schedule(100) if quick else metrics.reference_schedule()
    return model.log_partition(
        "ais", base_biases=model.base_biases(images[:10_000]), schedule=schedule
    )


def load_images(split):
    """Returns binarized digits of a split."""
    from gen_keras import datasets

    images = datasets.load("mnist", split).images
    return datasets.binarize(images, np.random.default_rng(0))


if __name__ == "__main__":
    main()
