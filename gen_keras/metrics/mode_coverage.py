"""How many modes of a known distribution do samples reach, and how evenly?

Two tests of mode collapse: mixtures of Gaussians in the plane, whose modes are known
(`gen_keras.datasets.mixtures`), and digits stacked into 1,000 classes of colour images
(`datasets.load("stacked_mnist")`), whose modes a classifier of digits tells.

Divergences are from the samples' histogram over modes, p, to the uniform distribution
over all K modes, u, in nats. The tables of the literature say "reverse KL", which is
KL(p‖u) = log K - H(p). PacGAN's released code measures the mixtures by the
Jensen-Shannon divergence instead, H((p + u) / 2) - H(p) / 2 - H(u) / 2. Both are here.

References:
    Lin et al., PacGAN: The power of two samples in generative adversarial networks,
    2018, section 4. https://arxiv.org/abs/1712.04086
    Srivastava et al., VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational
    Learning, 2017, section 4. https://arxiv.org/abs/1705.07761
"""

import math
import typing

import numpy as np

from gen_keras.metrics.classifier_scores import class_entropy
from gen_keras.metrics.features import check_finite
from gen_keras.metrics.nearest_neighbors import nearest_neighbors
from gen_keras.metrics.networks import extract_features


class MixtureModes(typing.NamedTuple):
    """What `mixture_modes` returns.

    Attributes:
        modes: Integer, the modes with at least one sample of high quality.
        high_quality_share: Float from 0 to 1, the share of samples of high quality.
        reverse_kl: Float from 0 to log K, KL(p‖u), of the samples of high quality; NaN
            if there is none.
        jensen_shannon: Float from 0 to log 2, likewise.
        histogram: Integer array (num_modes,), the samples of high quality of each mode.
    """

    modes: int
    high_quality_share: float
    reverse_kl: float
    jensen_shannon: float
    histogram: np.ndarray


class StackedModes(typing.NamedTuple):
    """What `stacked_modes` returns.

    Attributes:
        modes: Integer, the classes with at least one sample.
        reverse_kl: Float from 0 to log K, KL(p‖u).
    """

    modes: int
    reverse_kl: float


def mixture_modes(samples, means, standard_deviation, max_deviations=3.0):
    """Returns how samples spread over the modes of a mixture of Gaussians.

    A sample is of high quality if it is less than `max_deviations` standard deviations
    away from the nearest mean. (Of true samples in the plane, 98.9 % are.)

    Args:
        samples: Array (num_samples, num_features). PacGAN draws 2,500.
        means: Array (num_modes, num_features), of components of equal weight.
        standard_deviation: Float, of each component in each direction.
        max_deviations: Float.

    Returns:
        `MixtureModes`.

    Raises:
        ValueError: If shapes disagree, there is no sample, or a value is not finite.

    Example:
    >>> ring = datasets.mixtures.ring()
    >>> mixture_modes(ring.sample(2500), ring.means, ring.standard_deviation).modes
    8
    """
    samples, means = np.asarray(samples, "float64"), np.asarray(means, "float64")
    if samples.ndim != 2 or len(samples) == 0 or samples.shape[1:] != means.shape[1:]:
        raise ValueError(
            "`samples` and `means` must be matrices with the same number of features, "
            "with at least one sample. "
            f"Received: shapes {samples.shape} and {means.shape}"
        )
    if not standard_deviation > 0:
        raise ValueError(
            f"`standard_deviation` must be positive. Received: {standard_deviation}"
        )
    check_finite("samples", samples)
    nearest = nearest_neighbors(samples, means)
    is_good = nearest.distances[:, 0] < max_deviations * standard_deviation
    histogram = np.bincount(nearest.indices[is_good, 0], minlength=len(means))
    some = is_good.any()
    return MixtureModes(
        modes=int(np.count_nonzero(histogram)),
        high_quality_share=float(is_good.mean()),
        reverse_kl=reverse_kl(histogram) if some else math.nan,
        jensen_shannon=jensen_shannon(histogram) if some else math.nan,
        histogram=histogram,
    )


def classify_channels(classifier, images):
    """Returns the class of each channel, integers (num_images, num_channels).

    Args:
        classifier: Keras model, (batch, height, width, 1) in [0, 1] to logits.
        images: Array (num_images, height, width, num_channels) in [0, 1].
    """
    channels = np.moveaxis(images, -1, 0)[..., None]
    guesses = [extract_features(classifier, each).argmax(axis=1) for each in channels]
    return np.stack(guesses, axis=1)


def stacked_modes(class_predictions, num_classes=10):
    """Returns how samples spread over the classes of stacked images.

    A finite number of samples of the uniform distribution itself has a `reverse_kl` of
    about (K - 1) / (2 num_samples): 0.02 for the 26,000 samples of the literature.

    Args:
        class_predictions: Integer array (num_samples, num_channels), the class of each
            channel, from 0 to num_classes - 1.
        num_classes: Integer, the classes of a channel; the modes are K =
            num_classes^num_channels, 1,000 for three digits.

    Returns:
        `StackedModes`.

    Raises:
        ValueError: If the predictions are no such integers, or there is none.
    """
    predictions = np.asarray(class_predictions)
    if (
        predictions.ndim != 2
        or not predictions.size
        or predictions.dtype.kind not in "iu"
    ):
        raise ValueError(
            "`class_predictions` must be integers of shape (num_samples, "
            "num_channels), with at least one sample. "
            f"Received: {predictions.dtype} of shape {predictions.shape}"
        )
    if predictions.min() < 0 or predictions.max() >= num_classes:
        raise ValueError(
            f"`class_predictions` must be from 0 to {num_classes - 1}. "
            f"Received: values from {predictions.min()} to {predictions.max()}"
        )
    shape = (num_classes,) * predictions.shape[1]
    modes = np.ravel_multi_index(tuple(predictions.T), shape)
    histogram = np.bincount(modes, minlength=math.prod(shape))
    return StackedModes(int(np.count_nonzero(histogram)), reverse_kl(histogram))


def reverse_kl(histogram):
    """Returns KL(p‖u) in nats of counts (num_modes,)."""
    return math.log(len(histogram)) - class_entropy(histogram)


def jensen_shannon(histogram):
    """Returns the Jensen-Shannon divergence of p and u in nats of counts."""
    shares = histogram / np.sum(histogram)
    mean = (shares + 1 / len(shares)) / 2
    entropy_of_uniform = math.log(len(shares))
    return class_entropy(mean) - (class_entropy(shares) + entropy_of_uniform) / 2
