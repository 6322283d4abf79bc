"""The shipped networks, on held-out images."""

import keras
import numpy as np
import pytest

from gen_keras import datasets, metrics
from gen_keras.metrics.networks import inception_network


@pytest.fixture(scope="module")
def classifier():
    return metrics.load_classifier("mnist")


@pytest.fixture(scope="module")
def validation():
    return datasets.load("mnist", "validation").take(1000)


def test_classifier_knows_digits(classifier, validation):
    logits = metrics.extract_features(classifier, validation.images)
    assert logits.shape == (1000, 10)
    assert np.mean(logits.argmax(axis=1) == validation.labels) > 0.985
    # Logits, not probabilities.
    assert logits.min() < -1 and logits.max() > 1


def test_classifier_knows_the_vendors():
    pairs = datasets.load("emoji_vendors", "validation")
    network = metrics.load_classifier("emoji_vendors")
    for vendor, images in enumerate((pairs.inputs, pairs.targets)):
        guesses = metrics.extract_features(network, images).argmax(axis=1)
        assert np.mean(guesses == vendor) > 0.93


def test_emoji_features_see_what_is_wrong_with_images():
    """Faults weigh more than what other emoji differ by, and the graver the more."""
    network = metrics.load_feature_network("emoji")
    rng = np.random.default_rng(0)
    images = datasets.load("emoji", "train").images
    images = images[rng.permutation(len(images))]
    real, others = images[:600], images[600:1200]

    def in_tiles(images, size):
        n = 64 // size
        return images.reshape(-1, n, size, n, size, 3).swapaxes(2, 3)

    def shuffled(images):
        order = rng.permuted(np.tile(np.arange(16), (len(images), 1)), axis=1)
        tiles = in_tiles(images, 16).reshape(-1, 16, 16, 16, 3)
        tiles = np.take_along_axis(tiles, order[..., None, None, None], axis=1)
        return tiles.reshape(-1, 4, 4, 16, 16, 3).swapaxes(2, 3).reshape(images.shape)

    def coarse(images, size):
        tiles = in_tiles(images, size).mean(axis=(3, 4), keepdims=True)
        tiles = np.broadcast_to(tiles, in_tiles(images, size).shape)
        return tiles.swapaxes(2, 3).reshape(images.shape)

    def noisy(images, deviation):
        return np.clip(images + rng.normal(0, deviation, images.shape), 0, 1)

    def distance(images):
        features = (metrics.extract_features(network, x) for x in (real, images))
        return metrics.frechet_distance(*features)

    floor = distance(others)
    assert distance(others[:300].repeat(2, axis=0)) > floor
    for worse, bad in (
        (coarse(others, 8), coarse(others, 2)),
        (noisy(others, 0.3), noisy(others, 0.1)),
        (others[:10].repeat(60, axis=0), others[:50].repeat(12, axis=0)),
    ):
        assert distance(worse) > 1.5 * distance(bad) > 1.5 * floor
    assert distance(shuffled(others)) > 1.5 * floor


def test_emoji_features_know_an_emoji_by_another_hand():
    pairs = datasets.load("emoji_vendors", "validation")
    network = metrics.load_feature_network("emoji")
    features = [
        metrics.extract_features(network, x) for x in (pairs.inputs, pairs.targets)
    ]
    assert all((x.std(axis=0) > 0.01).all() for x in features)
    centred = [x - x.mean(axis=0) for x in features]
    by_features = np.mean(metrics.retrieval_ranks(*centred) == 0)
    by_pixels = np.mean(metrics.retrieval_ranks(pairs.inputs, pairs.targets) == 0)
    assert by_features > by_pixels + 0.05


def test_features_are_what_the_logits_are_made_of(classifier, validation):
    network = metrics.load_feature_network("mnist")
    features = metrics.extract_features(network, validation.images[:50])
    assert features.shape == (50, 64) and features.min() >= 0
    head = classifier.get_layer("logits")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(head(features)),
        metrics.extract_features(classifier, validation.images[:50]),
        atol=1e-4,
    )


def test_batches_do_not_matter(classifier, validation):
    images = validation.images[:50]
    np.testing.assert_allclose(
        metrics.extract_features(classifier, images, batch_size=50),
        metrics.extract_features(classifier, images, batch_size=7),
        atol=1e-4,
    )


def test_wrong_range_and_wrong_name_are_refused(classifier, validation):
    with pytest.raises(ValueError, match=r"\[0, 1\]. Received: values from -1 to 1"):
        metrics.extract_features(classifier, 2 * validation.images[:5] - 1)
    with pytest.raises(ValueError, match="`images` must not be empty. Received: .0,"):
        metrics.extract_features(classifier, validation.images[:0])
    with pytest.raises(ValueError, match=r"\[0, 1\]. Received: values from nan"):
        metrics.extract_features(classifier, validation.images[:5] * np.nan)
    with pytest.raises(ValueError, match=r"\['emoji_vendors', 'mnist'\]. Received"):
        metrics.load_classifier("svhn")
    with pytest.raises(ValueError, match="Received: 'svhn'"):
        metrics.load_feature_network("svhn")


@pytest.mark.slow
def test_inception_takes_images_of_any_size_and_one_or_three_channels():
    network = inception_network(weights=None)
    gray = np.random.default_rng(0).uniform(size=(2, 28, 32, 1))
    features = metrics.extract_features(network, gray)
    assert features.shape == (2, 2048) and features.min() >= 0
    assert np.abs(features[0] - features[1]).max() > 0
    colors = np.repeat(gray, 3, axis=-1)
    np.testing.assert_allclose(metrics.extract_features(network, colors), features)


def test_a_network_from_a_file(tmp_path):
    network = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()])
    path = tmp_path / "own.keras"
    network.save(path)
    images = np.random.default_rng(0).uniform(size=(3, 4, 4, 1)).astype("float32")
    features = metrics.extract_features(metrics.load_feature_network(path), images)
    np.testing.assert_array_equal(features, images.reshape(3, 16))
    with pytest.raises(ValueError, match="Received: '.*none.keras'"):
        metrics.load_feature_network(str(tmp_path / "none.keras"))
