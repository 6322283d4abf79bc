"""The networks that metrics look through. They are shipped with the package.

Both are small convolutional networks with 64 features before the logits, written by
`training/train_classifier.py`; accuracy in `training/results/NAME_classifier.json`.

"mnist": which digit; (28, 28, 1) in [0, 1], white on black.
"emoji_vendors": who drew an emoji, Noto (0) or Twemoji (1); (64, 64, 3) in [0, 1].
"""

import pathlib

import keras
import numpy as np

FOLDER = pathlib.Path(__file__).parent


def load_classifier(name="mnist"):
    """Returns a Keras model from images in [0, 1] to logits.

    Args:
        name: String, "mnist" or "emoji_vendors".

    Returns:
        A Keras model: (batch, 28, 28, 1) to (batch, 10), or (batch, 64, 64, 3) to
        (batch, 2).

    Raises:
        ValueError: If there is no such classifier.
    """
    path = FOLDER / f"{name}_classifier.keras"
    if not path.is_file():
        suffix = "_classifier.keras"
        names = sorted(p.name.removesuffix(suffix) for p in FOLDER.glob("*" + suffix))
        raise ValueError(f"`name` must be one of {names}. Received: {name!r}")
    return keras.saving.load_model(path, compile=False)


def load_feature_network(name="mnist"):
    """Returns a Keras model from images in [0, 1] to features.

    Args:
        name: String, "mnist" or "emoji_vendors".

    Returns:
        A Keras model: (batch, 28, 28, 1) or (batch, 64, 64, 3) to (batch, 64), each
        feature at least 0.

    Raises:
        ValueError: If there is no such network.
    """
    return feature_network(load_classifier(name))


def feature_network(classifier):
    """Returns the part of a Functional `classifier` up to its layer "features"."""
    features = classifier.get_layer("features").output
    return keras.Model(classifier.inputs, features, name="feature_network")


def extract_features(network, images, batch_size=500):
    """Returns a network's outputs for many images.

    Args:
        network: Keras model, of `load_feature_network` or `load_classifier`.
        images: Array (num_images, height, width, channels) in [0, 1].
        batch_size: Integer.

    Returns:
        Array (num_images, num_features).

    Raises:
        ValueError: If values lie outside [0, 1], or are not numbers.
    """
    images = np.asarray(images, "float32")
    low, high = float(images.min()), float(images.max())
    # A tanh generator's images, in [-1, 1], would give plausible wrong numbers.
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # NaN is refused, too.
        raise ValueError(
            f"`images` must lie in [0, 1]. Received: values from {low:g} to {high:g}"
        )
    return network.predict(images, batch_size=batch_size, verbose=0)
