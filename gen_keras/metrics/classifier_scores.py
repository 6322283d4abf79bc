"""What a classifier says about samples: are they clear, and are all classes there?

A confident classifier does not prove good images, since it may be confident of noise;
report the share of confident real images beside it, and a distance between the sets.
"""

import typing

import numpy as np

from gen_keras.metrics.features import check_finite


class ClassifierScores(typing.NamedTuple):
    """What `classifier_scores` returns.

    Attributes:
        confident_share: Float from 0 to 1, the share of images whose greatest
            probability is at least the threshold.
        class_histogram: Integer array (num_classes,), the images of each predicted
            class.
        uniform_factor: Float of at least 1, the factor by which the rarest or the
            commonest class is off an equal share; infinite if a class is missing.
        class_entropy: Float, the entropy of the histogram in nats; the logarithm of
            the number of classes if all are equally common.
    """

    confident_share: float
    class_histogram: np.ndarray
    uniform_factor: float
    class_entropy: float


def classifier_scores(logits, threshold=0.95):
    """Returns the `ClassifierScores` of a set of images.

    Args:
        logits: Array (num_images, num_classes), the classifier's, before the softmax.
        threshold: Float, the probability from which an image counts as confident.
    """
    logits = as_logits(logits)
    histogram = np.bincount(logits.argmax(axis=1), minlength=logits.shape[1])
    return ClassifierScores(
        confident_share=float(np.mean(softmax(logits).max(axis=1) >= threshold)),
        class_histogram=histogram,
        uniform_factor=uniform_factor(histogram),
        class_entropy=class_entropy(histogram),
    )


class ClassConsistency(typing.NamedTuple):
    """What `class_consistency` returns.

    Attributes:
        share: Float from 0 to 1, the share of images in which the classifier sees the
            class that was asked for.
        standard_error: Float, binomial.
        class_shares: Float array (num_classes,), the same of the images of each class;
            NaN of a class that was never asked for.
    """

    share: float
    standard_error: float
    class_shares: np.ndarray


def class_consistency(logits, asked):
    """Returns how often a conditional model makes what it was asked for.

    The classifier errs, too: report the same of real images and their labels.

    Args:
        logits: Array (num_images, num_classes), the classifier's.
        asked: Integer array (num_images,), the class that each image was made for.

    Returns:
        `ClassConsistency`.

    Raises:
        ValueError: If shapes disagree, a class is unknown, or a logit is not finite.
    """
    logits, asked = as_logits(logits), np.asarray(asked)
    num_classes = logits.shape[1]
    known = asked.dtype.kind in "iu" and np.isin(asked, np.arange(num_classes)).all()
    if asked.shape != (len(logits),) or not known:
        raise ValueError(
            f"`asked` must be {len(logits)} integers from 0 to {num_classes - 1}. "
            f"Received: shape {asked.shape}, classes {np.unique(asked)}"
        )
    agrees = logits.argmax(axis=1) == asked
    share = agrees.mean()
    counts = np.bincount(asked, minlength=num_classes)
    hits = np.bincount(asked[agrees], minlength=num_classes)
    return ClassConsistency(
        share=float(share),
        standard_error=float(np.sqrt(share * (1 - share) / len(logits))),
        class_shares=np.where(counts > 0, hits / np.maximum(counts, 1), np.nan),
    )


def uniform_factor(histogram):
    """Returns max(greatest / uniform, uniform / least) of counts (num_classes,)."""
    uniform = np.mean(histogram)
    least, greatest = np.min(histogram), np.max(histogram)
    return float(max(greatest / uniform, uniform / least)) if least else float("inf")


def class_entropy(histogram):
    """Returns the entropy in nats of counts (num_classes,)."""
    shares = np.asarray(histogram) / np.sum(histogram)
    present = shares[shares > 0]
    return float(-np.sum(present * np.log(present)))


def as_logits(logits):
    """Returns float64 (num_images, num_classes), or raises a `ValueError`."""
    logits = np.asarray(logits, "float64")
    if logits.ndim != 2 or len(logits) == 0:
        raise ValueError(
            "`logits` must have the shape (num_images, num_classes), with at least one "
            f"image. Received: {logits.shape}"
        )
    check_finite("logits", logits)
    return logits


def softmax(logits):
    """Returns probabilities over the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)
