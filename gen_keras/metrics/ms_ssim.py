"""Multi-scale structural similarity, and the diversity of classes by it.

The structural similarity of two images x and y compares, in a Gaussian window around
each pixel, means μ, variances σ² and the covariance σ_xy:

    luminance            l  = (2 μ_x μ_y + C1) / (μ_x² + μ_y² + C1)
    contrast, structure  cs = (2 σ_xy + C2) / (σ_x² + σ_y² + C2)

MS-SSIM multiplies the mean of cs at each scale, raised to the scale's weight; the last,
coarsest scale has the mean of l · cs. From scale to scale an image shrinks by half.

References:
    Wang et al., Multi-scale structural similarity for image quality assessment, 2003,
    equation 7.
    Odena et al., Conditional Image Synthesis with Auxiliary Classifier GANs, 2016,
    section 4.2. https://arxiv.org/abs/1610.09585
"""

import typing

import numpy as np

from gen_keras.metrics.features import check_finite

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Finest scale first.
WINDOW_SIZE, WINDOW_DEVIATION = 11, 1.5
C1, C2 = 0.01**2, 0.03**2  # Of values in [0, 1].


class ClassDiversity(typing.NamedTuple):
    """What `class_diversity` returns.

    Attributes:
        mean_similarity: Float, the mean of `similarities`; the less, the more diverse.
        classes: Integer array (num_classes,), the labels that occur, in order.
        similarities: Float array (num_classes,), the mean MS-SSIM of pairs of each.
    """

    mean_similarity: float
    classes: np.ndarray
    similarities: np.ndarray


def ms_ssim(first, second, num_scales=5, batch_size=100):
    """Returns the multi-scale structural similarity of pairs of images.

    Args:
        first: Array (num_images, height, width, channels) in [0, 1].
        second: Array of the same shape; `first[i]` is compared with `second[i]`.
        num_scales: Integer from 1 to 5 (paper: 5, which take 161 pixels a side). With
            fewer, their weights are scaled to the sum of 1. Figures of different
            numbers of scales cannot be compared. See `max_scales`.
        batch_size: Integer, the pairs compared at once.

    Returns:
        Float64 array (num_images,) from 0 to 1, the mean over channels; 1 for equal
        images. Negative structure counts as 0.

    Raises:
        ValueError: If shapes differ, there is no image, images are too small for the
            scales, or values are not in [0, 1].
    """
    first, second = np.asarray(first), np.asarray(second)
    if first.ndim != 4 or first.shape != second.shape or not first.size:
        raise ValueError(
            "`first` and `second` must have one shape (num_images, height, width, "
            f"channels), at least one image. Received: {first.shape} and {second.shape}"
        )
    check_scales(num_scales, *first.shape[1:3])
    check_values("first", first)
    check_values("second", second)
    return np.concatenate(
        [
            _ms_ssim(
                first[start : start + batch_size].astype("float64"),
                second[start : start + batch_size].astype("float64"),
                num_scales,
            )
            for start in range(0, len(first), batch_size)
        ]
    )


def class_diversity(images, labels, num_pairs=100, seed=0, num_scales=5):
    """Returns the mean MS-SSIM of random pairs within each class.

    A generator that makes one image a class has 1. Report that of real images beside
    it: classes differ in how alike their images are.

    Args:
        images: Array (num_images, height, width, channels) in [0, 1].
        labels: Integer array (num_images,).
        num_pairs: Integer, the pairs of each class, of two different images (paper:
            100).
        seed: Integer, chooses the pairs.
        num_scales: Integer, see `ms_ssim`.

    Returns:
        `ClassDiversity`.

    Raises:
        ValueError: As `ms_ssim`, and if there are not as many labels as images, or a
            class has one image only.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if len(images) == 0 or labels.shape != (len(images),):
        raise ValueError(
            "`labels` must be one for each of at least one image. "
            f"Received: labels of shape {labels.shape} for {len(images)} images"
        )
    if num_pairs < 1:
        raise ValueError(f"`num_pairs` must be at least 1. Received: {num_pairs}")
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < 2:
        raise ValueError(
            "Each class must have at least two images. "
            f"Received: one with the label {classes[counts.argmin()]}"
        )
    rng = np.random.default_rng(seed)
    similarities = []
    for label, count in zip(classes, counts, strict=True):
        members = np.flatnonzero(labels == label)
        one = rng.integers(count, size=num_pairs)
        other = (one + rng.integers(1, count, size=num_pairs)) % count
        pairs = images[members[one]], images[members[other]]
        similarities.append(ms_ssim(*pairs, num_scales).mean())
    return ClassDiversity(float(np.mean(similarities)), classes, np.array(similarities))


def max_scales(height, width):
    """Returns the most scales, at most 5, that images of this size have room for."""
    num_scales, side = 0, min(height, width)
    while side >= WINDOW_SIZE and num_scales < len(WEIGHTS):
        num_scales, side = num_scales + 1, -(-side // 2)
    return num_scales


def check_scales(num_scales, height, width):
    """Raises a `ValueError` if images have no room for the scales."""
    most = max_scales(height, width)
    if not 1 <= num_scales <= most:
        raise ValueError(
            f"`num_scales` must be from 1 to {len(WEIGHTS)}, and the images at least "
            f"{WINDOW_SIZE} pixels a side at the coarsest scale: {height} x {width} "
            f"pixels have room for {most}. Received: num_scales={num_scales}"
        )


def check_values(name, images):
    """Raises a `ValueError` if the images are not in [0, 1]."""
    check_finite(name, images)
    low, high = images.min(initial=0), images.max(initial=0)
    if low < -1e-3 or high > 1 + 1e-3:
        raise ValueError(
            f"`{name}` must lie in [0, 1]. Received: values from {low:g} to {high:g}"
        )


def _ms_ssim(x, y, num_scales):
    weights = np.array(WEIGHTS[:num_scales]) / sum(WEIGHTS[:num_scales])
    similarity = 1.0
    for scale, weight in enumerate(weights):
        luminance, structure = _compare(x, y)
        if scale == num_scales - 1:
            structure = luminance * structure
        else:
            x, y = _halve(x), _halve(y)
        similarity *= np.maximum(structure.mean(axis=(1, 2)), 0) ** weight
    return similarity.mean(axis=-1)


def _compare(x, y):
    """Returns l and cs in each window that lies in the images."""
    mean_x, mean_y = _blur(x), _blur(y)
    product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    covariance = _blur(x * y) - product
    variances = _blur(x**2 + y**2) - squares
    return (
        (2 * product + C1) / (squares + C1),
        (2 * covariance + C2) / (variances + C2),
    )


def _blur(images):
    """Returns the weighted means in Gaussian windows, 10 pixels fewer a side."""
    offsets = np.arange(WINDOW_SIZE) - WINDOW_SIZE // 2
    window = np.exp(-0.5 * (offsets / WINDOW_DEVIATION) ** 2)
    window /= window.sum()
    for axis in (1, 2):
        windows = np.lib.stride_tricks.sliding_window_view(images, WINDOW_SIZE, axis)
        images = windows @ window
    return images


def _halve(images):
    """Returns the means of 2 x 2 pixels; an odd last row or column counts twice."""
    height, width = images.shape[1:3]
    images = np.pad(images, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), "edge")
    rows = images[:, ::2] + images[:, 1::2]
    return (rows[:, :, ::2] + rows[:, :, 1::2]) / 4
