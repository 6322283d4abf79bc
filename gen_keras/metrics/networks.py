"""The networks that metrics look through. They are shipped with the package.

They are small convolutional networks. Two are classifiers with 64 features before the
logits, written by `training/train_classifier.py`:

"mnist": which digit; (28, 28, 1) in [0, 1], white on black.
"emoji_vendors": who drew an emoji, Noto (0) or Twemoji (1); (64, 64, 3) in [0, 1].

The third, by `training/train_feature_network.py`, has 64 features alone:

"emoji": which emoji it is, whoever drew it, and who drew it; (64, 64, 3) in [0, 1].

How good they are is in `training/results/NAME_classifier.json` and `…_features.json`.
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
    if name not in _names("classifier"):
        raise ValueError(
            f"`name` must be one of {_names('classifier')}. Received: {name!r}"
        )
    return _load(name, "classifier")


def _names(kind):
    suffix = f"_{kind}.keras"
    return sorted(p.name.removesuffix(suffix) for p in FOLDER.glob("*" + suffix))


def _load(name, kind):
    return keras.saving.load_model(FOLDER / f"{name}_{kind}.keras", compile=False)


def load_feature_network(name="mnist"):
    """Returns a Keras model from images in [0, 1] to features.

    Args:
        name: String, "mnist", "emoji" or "emoji_vendors"; "inception", see
            `inception_network`; or the file of a Keras model, ending in ".keras".

    Returns:
        A Keras model: (batch, 28, 28, 1) or (batch, 64, 64, 3) to (batch, 64), each
        feature at least 0.

    Raises:
        ValueError: If there is no such network.
    """
    if str(name).endswith(".keras") and pathlib.Path(name).is_file():
        return keras.saving.load_model(name, compile=False)
    if name == "inception":
        return inception_network()
    if name in _names("features"):
        return _load(name, "features")
    if name in _names("classifier"):
        return feature_network(_load(name, "classifier"))
    names = sorted(["inception", *_names("features"), *_names("classifier")])
    raise ValueError(
        f"`name` must be one of {names}, or a .keras file. Received: {name!r}"
    )


def inception_network(weights="imagenet"):
    """Returns InceptionV3 from images in [0, 1] to the features of the FID.

    The weights are those of Keras, and the images are resized bilinearly: distances are
    near those of the reference code, which has weights of its own, but not the same.

    Args:
        weights: String, "imagenet", which Keras downloads at the first call, or the
            file of such weights; `None` for random ones.

    Returns:
        A Keras model: (batch, height, width, 1 or 3) to (batch, 2048).

    Reference:
        Heusel et al., 2017 (the distance); Szegedy et al., 2015 (the network).
    """
    inputs = keras.Input((None, None, None))
    x = keras.layers.Resizing(299, 299)(inputs)
    x = keras.layers.Rescaling(2.0, -1.0)(x)
    # Gray images, too: three channels that are alike.
    x = keras.layers.Lambda(_to_three_channels, output_shape=(299, 299, 3))(x)
    network = keras.applications.InceptionV3(
        include_top=False, weights=weights, pooling="avg", input_shape=(299, 299, 3)
    )
    return keras.Model(inputs, network(x), name="inception_network")


def _to_three_channels(images):
    return keras.ops.broadcast_to(images, (*keras.ops.shape(images)[:-1], 3))


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
        ValueError: If there is no image, or values lie outside [0, 1] or are not
            numbers.
    """
    images = np.asarray(images, "float32")
    if not images.size:
        raise ValueError(f"`images` must not be empty. Received: {images.shape}")
    low, high = float(images.min()), float(images.max())
    # A tanh generator's images, in [-1, 1], would give plausible wrong numbers.
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # NaN is refused, too.
        raise ValueError(
            f"`images` must lie in [0, 1]. Received: values from {low:g} to {high:g}"
        )
    return network.predict(images, batch_size=batch_size, verbose=0)
