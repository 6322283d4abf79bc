"""MS-SSIM against TensorFlow's, and against values by hand."""

import numpy as np
import pytest

from gen_keras import metrics

RNG = np.random.default_rng(0)
WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])


def make_pairs(*shape):
    """Smooth images, and the same under noise that grows from pair to pair."""
    first = RNG.random(shape, "float32")
    for axis in (1, 2):
        first = (first + np.roll(first, 1, axis) + np.roll(first, 2, axis)) / 3
    amount = np.linspace(0.05, 1, shape[0]).reshape(-1, 1, 1, 1)
    second = (1 - amount) * first + amount * RNG.random(shape)
    return first, second.astype("float32")


@pytest.mark.backends("tensorflow")
@pytest.mark.parametrize(
    ("shape", "num_scales"),
    [
        ((2, 176, 180, 3), 5),
        ((6, 28, 28, 1), 2),
        ((6, 45, 61, 3), 3),
        ((3, 11, 12, 1), 1),
    ],
)
def test_agrees_with_tensorflow(shape, num_scales):
    import tensorflow as tf

    pairs = make_pairs(*shape)
    weights = WEIGHTS[:num_scales] / WEIGHTS[:num_scales].sum()
    expected = tf.image.ssim_multiscale(
        *map(tf.constant, pairs), max_val=1.0, power_factors=weights.tolist()
    )
    ours = metrics.ms_ssim(*pairs, num_scales)
    assert ours[0] > 0.9 > 0.5 > ours[-1]
    np.testing.assert_allclose(ours, expected.numpy(), atol=5e-5)


def test_constant_images_by_hand():
    # Without structure l alone is left, at the coarsest scale, with its weight.
    first, second = np.full((1, 28, 28, 1), 0.2), np.full((1, 28, 28, 1), 0.6)
    luminance = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    weight = 0.2856 / (0.0448 + 0.2856)
    np.testing.assert_allclose(
        metrics.ms_ssim(first, second, 2), luminance**weight, rtol=1e-9
    )


def test_scales_are_means_of_four_pixels():
    # A checkerboard is seen at the finest scale alone: its mean is the plain image.
    plain = np.full((1, 28, 28, 1), 0.5)
    rows, columns = np.indices((28, 28))
    board = plain + 0.2 * (-1.0) ** (rows + columns)[None, :, :, None]
    structure = 9e-4 / (0.2**2 + 9e-4)
    weight = 0.0448 / (0.0448 + 0.2856)
    np.testing.assert_allclose(
        metrics.ms_ssim(plain, board, 2), structure**weight, rtol=1e-3
    )


def test_one_window_by_hand():
    """One scale of 11 x 11 pixels is one window."""
    first, second = RNG.random((2, 1, 11, 11, 1))
    window = np.exp(-0.5 * ((np.arange(11) - 5) / 1.5) ** 2)
    window = np.outer(window, window).ravel() / window.sum() ** 2
    x, y = first.ravel(), second.ravel()
    mean_x, mean_y = window @ x, window @ y
    (a, b), (_, c) = np.cov(x, y, aweights=window, ddof=0)
    expected = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
    expected *= (2 * b + 9e-4) / (a + c + 9e-4)
    np.testing.assert_allclose(
        metrics.ms_ssim(first, second, 1), max(expected, 0), rtol=1e-9
    )


def test_equal_images_opposite_images_and_batches():
    first, second = make_pairs(7, 28, 30, 2)
    np.testing.assert_allclose(metrics.ms_ssim(first, first, 2), 1)
    np.testing.assert_allclose(metrics.ms_ssim(first, 1 - first, 2), 0, atol=0.05)
    np.testing.assert_allclose(
        metrics.ms_ssim(first, second, 2), metrics.ms_ssim(first, second, 2, 3)
    )
    np.testing.assert_allclose(
        metrics.ms_ssim(first, second, 2), metrics.ms_ssim(second, first, 2)
    )


def test_diversity_tells_a_collapsed_class():
    labels = np.tile([7, 3], 10)
    images = RNG.random((20, 28, 28, 1), "float32")
    images[::2] = images[0]  # Label 7.
    mean, classes, similarities = metrics.class_diversity(
        images, labels, num_pairs=30, num_scales=2
    )
    assert classes.tolist() == [3, 7]
    assert similarities[0] < 0.3 and similarities[1] == pytest.approx(1)
    assert mean == pytest.approx(similarities.mean())


def test_pairs_are_of_two_different_images_of_one_class():
    # In each class one black and one white image: all pairs are unlike.
    images = np.zeros((6, 11, 11, 1))
    images[::2] = 1
    labels = np.array([0, 0, 1, 1, 2, 2])
    result = metrics.class_diversity(images, labels, num_pairs=20, num_scales=1)
    assert result.similarities == pytest.approx(1e-4 / (1 + 1e-4))
    other = metrics.class_diversity(
        RNG.random((9, 11, 11, 1)), np.zeros(9, int), 5, 0, 1
    )
    assert other.mean_similarity != pytest.approx(1)


def test_seed_decides():
    images, labels = RNG.random((20, 11, 11, 1)), np.zeros(20, int)
    first, again, other = (
        metrics.class_diversity(images, labels, 5, seed, 1).mean_similarity
        for seed in (0, 0, 1)
    )
    assert first == again != other


def test_room_for_scales():
    sizes = [(10, 99), (11, 11), (20, 21), (21, 21), (28, 28), (64, 64), (161, 161)]
    scales = [metrics.max_scales(*size) for size in sizes]
    assert scales == [0, 1, 1, 2, 2, 3, 5]
    assert metrics.max_scales(1000, 1000) == 5 > metrics.max_scales(160, 161)


def test_bad_input_is_named():
    images = RNG.random((4, 28, 28, 1))
    with pytest.raises(ValueError, match="28 x 28 pixels have room for 2. Received: n"):
        metrics.ms_ssim(images, images)
    with pytest.raises(ValueError, match="`num_scales` must be from 1 to 5"):
        metrics.ms_ssim(images, images, 0)
    with pytest.raises(ValueError, match=r"Received: \(4, 28, 28, 1\) and \(3, 28"):
        metrics.ms_ssim(images, images[:3], 2)
    with pytest.raises(ValueError, match=r"at least one image. Received: \(0, 28"):
        metrics.ms_ssim(images[:0], images[:0], 2)
    with pytest.raises(ValueError, match=r"`second` must lie in \[0, 1\]. Received"):
        metrics.ms_ssim(images, 2 * images - 1, 2)
    with pytest.raises(ValueError, match="`first` must be finite"):
        metrics.ms_ssim(images * np.nan, images, 2)
    with pytest.raises(ValueError, match="labels of shape .3,. for 4 images"):
        metrics.class_diversity(images, np.zeros(3, int), num_scales=2)
    with pytest.raises(ValueError, match="two images. Received: one with the label 5"):
        metrics.class_diversity(images, [0, 0, 0, 5], num_scales=2)
    with pytest.raises(ValueError, match="at least 1. Received: 0"):
        metrics.class_diversity(images, [0] * 4, num_pairs=0, num_scales=2)
