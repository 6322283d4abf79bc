"""Nearest neighbours against the full table of distances; copies against a plan."""

import numpy as np
import pytest

from gen_keras import metrics


def make_images(num_images, seed):
    return np.random.default_rng(seed).random((num_images, 6, 5, 3), "float32")


def all_distances(queries, references):
    gaps = queries[:, None].astype("float64") - references[None]
    return np.sqrt(np.square(gaps).sum(axis=(2, 3, 4)))


@pytest.mark.parametrize("block_size", [7, 1000])
def test_neighbors_are_those_of_the_full_table(block_size):
    queries, references = make_images(23, 0), make_images(40, 1)
    table = all_distances(queries, references)
    neighbors = metrics.nearest_neighbors(queries, references, 4, block_size=block_size)
    expected = np.argsort(table, axis=1)[:, :4]
    np.testing.assert_array_equal(neighbors.indices, expected)
    np.testing.assert_allclose(
        neighbors.distances, np.take_along_axis(table, expected, axis=1), rtol=1e-6
    )


def test_an_image_is_not_its_own_neighbor():
    images = make_images(30, 0)
    table = all_distances(images, images)
    np.fill_diagonal(table, np.inf)
    neighbors = metrics.nearest_neighbors(images, images, 2, True, block_size=7)
    np.testing.assert_array_equal(neighbors.indices, np.argsort(table, axis=1)[:, :2])


def test_distances_of_copies_are_exact():
    # |a|² + |b|² - 2ab in float32 would give a distance of about 0.1 for both.
    references = 1000 + make_images(30, 0)
    queries = references.copy()
    queries[:, 0, 0, 0] += 0.25
    same = metrics.nearest_neighbors(references, references)
    np.testing.assert_array_equal(same.distances, 0)
    np.testing.assert_array_equal(same.indices[:, 0], np.arange(30))
    near = metrics.nearest_neighbors(queries, references)
    np.testing.assert_allclose(near.distances, 0.25)


def test_threshold_is_a_percentile_of_distances_within_the_training_set():
    images = make_images(50, 0)
    table = all_distances(images, images)
    np.fill_diagonal(table, np.inf)
    for percentile in (1, 50):
        np.testing.assert_allclose(
            metrics.copy_threshold(images, percentile),
            np.percentile(table.min(axis=1), percentile),
            rtol=1e-6,
        )
    assert metrics.copy_threshold(images, 50, max_images=20) == pytest.approx(
        metrics.copy_threshold(images, 50), rel=0.1
    )


def test_twins_do_not_lower_the_copy_threshold():
    images = make_images(100, 0)
    twins = np.concatenate([images, images[:20], images[:20] + 1e-4])
    lone = metrics.copy_threshold(images[20:], 1)
    assert metrics.copy_threshold(twins, 1) == pytest.approx(lone, rel=0.2)
    assert metrics.copy_threshold(np.zeros((5, 4)), 1) == 0


def test_the_threshold_may_be_that_of_a_few_images():
    images = make_images(300, 0)
    few = [metrics.copy_threshold(images, max_images=20, seed=s) for s in (0, 1)]
    assert few[0] != few[1]
    assert metrics.copy_threshold(images, max_images=300) == metrics.copy_threshold(
        images, max_images=10_000
    )


def test_planted_copies_are_counted():
    training, fresh = make_images(200, 0), make_images(60, 1)
    samples = np.concatenate([training[:25] + 1e-3, fresh])
    copies = metrics.count_copies(samples, training)
    assert 25 <= copies.count <= 25 + 3
    assert copies.share == copies.count / 85
    np.testing.assert_array_equal(copies.neighbors.indices[:25, 0], np.arange(25))
    assert metrics.count_copies(samples, training, threshold=0.0).count == 0
    assert metrics.count_copies(samples, training, threshold=1e9).share == 1


def test_exact_copies_count_in_a_training_set_of_twins():
    twins = np.repeat(make_images(20, 0), 2, axis=0)
    copies = metrics.count_copies(np.concatenate([twins[:3], make_images(5, 1)]), twins)
    assert (copies.threshold, copies.count) == (0, 3)


@pytest.mark.parametrize("num_training", [100, 300])
def test_fresh_samples_remember_nothing(num_training):
    """The null hypothesis: one half, within the error of 40 sets of references."""
    rng = np.random.default_rng(0)
    shares = [
        metrics.memorization(
            rng.normal(size=(100, 5)),
            rng.normal(size=(num_training, 5)),
            rng.normal(size=(100, 5)),
        ).share
        for _ in range(40)
    ]
    error = np.std(shares, ddof=1) / np.sqrt(len(shares))
    assert abs(np.mean(shares) - 0.5) < 3 * error < 0.05


def test_memorization_by_hand():
    training = np.array([[0.0], [10.0]])
    held_out = np.array([[1.0], [20.0]])
    # Nearer to 0, as near to 0 as to 1, nearer to 20, nearer to 10.
    samples = np.array([[0.2], [0.5], [17.0], [11.0]])
    share, error, count = metrics.memorization(samples, training, held_out)
    assert (share, count) == (2.5 / 4, 2)
    assert error == pytest.approx(np.sqrt(0.625 * 0.375 / 4))
    assert metrics.memorization(samples, held_out, training).share == 1.5 / 4


def test_copies_are_remembered():
    training, held_out = make_images(30, 0), make_images(30, 1)
    copies = metrics.memorization(training + 1e-3, training, held_out)
    assert copies == (1, 0, 30)
    # Of twice as many training images one half is looked at.
    both = np.concatenate([training, make_images(30, 2)])
    assert 0.5 < metrics.memorization(training, both, held_out).share < 1


def test_bad_arguments_are_named():
    images = make_images(5, 0)
    with pytest.raises(ValueError, match="k=5 with 5 references"):
        metrics.nearest_neighbors(images, images, 5, exclude_self=True)
    with pytest.raises(ValueError, match="4 and 5 rows"):
        metrics.nearest_neighbors(images[:4], images, exclude_self=True)
    with pytest.raises(ValueError, match="same size"):
        metrics.nearest_neighbors(images[:, :3], images)
    broken = np.where(np.arange(5) == 2, np.nan, np.moveaxis(images, 0, -1))
    with pytest.raises(ValueError, match="`references` must be finite.*1 of 5"):
        metrics.nearest_neighbors(images, np.moveaxis(broken, -1, 0))
    for name, sets in (
        ("samples", (images[:0], images, images)),
        ("training_images", (images, images[:0], images)),
        ("held_out_images", (images, images, images[:0])),
    ):
        with pytest.raises(ValueError, match=f"`{name}` must not be empty. Received"):
            metrics.memorization(*sets)
    for function in (metrics.nearest_neighbors, metrics.count_copies):
        with pytest.raises(ValueError, match="must be an example. Received: .0, 6"):
            function(images[:0], images)
    with pytest.raises(ValueError, match="`training_images` must be two at least"):
        metrics.copy_threshold(images[:1])
    with pytest.raises(ValueError, match="`samples` must be finite"):
        metrics.memorization(images * np.inf, images, images)
    with pytest.raises(ValueError, match="same size"):
        metrics.memorization(images[:, :3], images, images)
