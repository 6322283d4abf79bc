"""Categories matched with classes, and classes of nearest neighbours."""

import numpy as np
import pytest

from gen_keras import metrics


def test_a_category_stands_for_its_commonest_class():
    categories = np.array([0, 0, 0, 1, 1, 3])
    labels = np.array([2, 2, 1, 0, 0, 2])
    matched = metrics.match_categories(categories, labels, 5)
    assert matched.tolist() == [2, 0, -1, 2, -1]


def test_names_of_categories_do_not_matter():
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=500)
    names = rng.permutation(10)
    matched = metrics.match_categories(names[labels], labels)
    assert (matched[names[labels]] == labels).all()


def test_neighbor_error_counts_the_wrong_neighbors():
    train = np.array([[0.0], [1.0], [2.0]])
    error = metrics.neighbor_error(
        np.array([[0.1], [0.9], [2.2], [5.0]]), [0, 0, 1, 2], train, [0, 1, 2]
    )
    assert error == 0.5


def test_neighbor_error_is_that_of_all_distances():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=400)
    features = rng.normal(size=(400, 5)) + labels[:, None]
    distances = np.linalg.norm(features[300:, None] - features[None, :300], axis=-1)
    expected = np.mean(labels[:300][distances.argmin(axis=1)] != labels[300:])
    found = metrics.neighbor_error(
        features[300:], labels[300:], features[:300], labels[:300]
    )
    assert found == pytest.approx(expected) and 0.1 < expected < 0.9


@pytest.mark.parametrize(
    ("categories", "labels"),
    [([], []), ([0, 1], [0]), ([0.5], [0]), ([-1], [0])],
    ids=["empty", "lengths", "floats", "negative"],
)
def test_bad_categories_are_refused(categories, labels):
    with pytest.raises(ValueError, match="integers of at least 0"):
        metrics.match_categories(categories, labels)


def test_a_category_out_of_range_is_refused():
    with pytest.raises(ValueError, match="below 3"):
        metrics.match_categories([3], [0], 3)


def test_neighbors_want_as_many_labels_as_features():
    with pytest.raises(ValueError, match="equally many"):
        metrics.neighbor_error(np.zeros((2, 1)), [0], np.zeros((1, 1)), [0])
