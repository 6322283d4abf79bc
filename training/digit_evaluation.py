"""Deep networks of digits: trained by layers, then as a whole, and measured."""

import keras
import numpy as np
from keras import layers

from gen_keras import datasets
from gen_keras.models import DBN

BATCH_SIZE = 100


def load(split, max_images=0):
    """Returns a split of the digits, or the first of it; 0: all."""
    data = datasets.load("mnist", split)
    return data.take(max_images) if max_images else data


def load_splits(max_images=0):
    """Returns the digits to learn, to choose by, and to measure with."""
    return [load(split, max_images) for split in ("train", "validation", "test")]


def choose_labels(labels, num_labels, seed):
    """Returns the positions of random images, as many of each digit.

    Args:
        labels: Integer array, the digits.
        num_labels: Integer, ten times those of each digit.
        seed: Integer.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    each = num_labels // 10
    return np.concatenate([order[labels[order] == i][:each] for i in range(10)])


def train_layers(rbms, images, draw, epochs, rates, seed):
    """Trains RBMs from below by SGD of momentum 0.5, whose rate falls to 0.

    Args:
        rbms: List of `RBM`.
        images: Array of images.
        draw: Function (images, level, epoch) that returns what an RBM is shown.
        epochs: Integer, of each RBM.
        rates: Floats, the learning rate of each.
        seed: Integer, of the order of the images.
    """
    steps = epochs * (len(images) // BATCH_SIZE)
    rng = np.random.default_rng(seed)
    for level, (rbm, rate) in enumerate(zip(rbms, rates, strict=True)):
        schedule = keras.optimizers.schedules.PolynomialDecay(rate, steps, 0.0)
        rbm.compile(keras.optimizers.SGD(schedule, momentum=0.5))
        for epoch in range(epochs):
            inputs = draw(images[rng.permutation(len(images))], level, epoch)
            rbm.fit(inputs, batch_size=BATCH_SIZE, shuffle=False, verbose=0)
        print(f"Layer {level + 1} is trained.", flush=True)


def train_dbn_layers(model, images, epochs, rates, seed):
    """Trains the RBMs of a `DBN`, the upper ones on samples, see `train_layers`."""

    def draw(images, level, epoch):
        return model.draw_up(images, level, seed=epoch)

    train_layers(model.rbms, images, draw, epochs, rates, seed)


def pretrain_dbn(images, hidden_dims, epochs, rate, seed):
    """Returns a DBN of gray digits that has seen no label, see `train_layers`."""
    keras.utils.set_random_seed(seed)
    model = DBN((28, 28, 1), hidden_dims, seed=seed)
    train_dbn_layers(model, images, epochs, [rate] * len(hidden_dims), seed)
    return model


def sigmoid_initializer():
    """Returns four times Glorot's initial weights, as sigmoid units want.

    From Glorot's own nothing was learned.
    """
    return keras.initializers.VarianceScaling(16.0, "fan_avg", "uniform")


def draw_weights_anew(network, make_initializer):
    """Draws the kernels of dense layers, parts of a network included; biases are 0.

    Args:
        network: `keras.Model`.
        make_initializer: Function that returns an initializer, one for each layer: it
            draws the same numbers whenever it is called.
    """
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            draw_weights_anew(layer, make_initializer)
        elif isinstance(layer, layers.Dense):
            layer.kernel.assign(make_initializer()(layer.kernel.shape))
            if layer.use_bias:
                layer.bias.assign(np.zeros(layer.bias.shape))


def fine_tune(classifier, splits, epochs, learning_rate, seed, **options):
    """Trains a network of logits by SGD of momentum 0.9; see `train_and_choose`."""
    steps = epochs * (len(splits[0].images) // BATCH_SIZE)
    compile_classifier(classifier, steps, learning_rate)
    return train_and_choose(classifier, splits, epochs, BATCH_SIZE, seed, **options)


def train_and_choose(
    classifier, splits, epochs, batch_size, seed, inputs=None, keep="least"
):
    """Trains a classifier; returns its errors and the curve of validation errors.

    Args:
        classifier: Compiled `keras.Model` from images to what is greatest for the
            likeliest class.
        splits: Three `datasets.Dataset`: training, validation and test.
        epochs: Integer.
        batch_size: Integer.
        seed: Integer, of the order of the images.
        inputs: Function of images that returns the inputs of the classifier, one or a
            list of arrays; by default the images.
        keep: String, whose weights the classifier gets: `"least"`, those of the epoch
            with the least validation error, or `"last"`. Of hundreds of epochs the
            least one is mostly a lucky one; a rate that falls to 0 needs no choice.
    """
    train, held_out, test = (
        (inputs(each.images) if inputs else each.images, each.labels) for each in splits
    )
    rng = np.random.default_rng(seed)
    curve = []
    for _ in range(epochs):
        x, y = take(train, rng.permutation(len(train[1])))
        classifier.fit(x, y, batch_size=batch_size, shuffle=False, verbose=0)
        curve.append(error_of(classifier, *held_out))
        if keep == "last" or curve[-1] < min(curve[:-1], default=np.inf):
            kept, weights = len(curve), classifier.get_weights()
    classifier.set_weights(weights)
    return {
        "test_error": error_of(classifier, *test),
        "validation_error": curve[kept - 1],
        "epoch": kept,
        "curve": curve,
    }


def take(arrays, order):
    """Returns the examples at places, of an array or of nested ones."""
    return keras.tree.map_structure(lambda values: values[order], arrays)


def compile_classifier(classifier, steps, learning_rate):
    """Sets SGD with momentum 0.9, whose rate falls to 0, and the loss of logits."""
    rate = keras.optimizers.schedules.PolynomialDecay(learning_rate, steps, 0.0)
    classifier.compile(
        keras.optimizers.SGD(rate, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )


def error_of(classifier, inputs, labels):
    """Returns the share of inputs whose class is not the likeliest."""
    scores = classifier.predict(inputs, batch_size=1000, verbose=0)
    return float(np.mean(scores.argmax(axis=1) != labels))
