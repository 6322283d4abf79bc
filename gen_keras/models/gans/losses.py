"""What discriminators and generators minimize: pure functions of logits.

Each takes logits or scores of any shape and returns the losses of the same shape, to be
averaged. D is sigmoid(logits); the two functions of a game come as one `LossPair`.
"""

import typing

from keras import ops


class LossPair(typing.NamedTuple):
    """The losses of the two sides of a game.

    Attributes:
        discriminator: Function (real_logits, fake_logits) -> losses.
        generator: Function (fake_logits) -> losses.
    """

    discriminator: typing.Callable
    generator: typing.Callable


def cross_entropy(real_logits, fake_logits, real_target=1.0):
    """Returns -t log D(x) - (1 - t) log(1 - D(x)) - log(1 - D(G(z))).

    With the target t = 1 it is what Goodfellow et al., 2014, equation 1, maximize. A
    smaller one is one-sided label smoothing, Salimans et al., 2016, section 3.4.
    """
    real = ops.softplus(-real_logits) + (1 - real_target) * real_logits
    return real + ops.softplus(fake_logits)


def saturating(fake_logits):
    """Returns log(1 - D(G(z))), Goodfellow et al., 2014, equation 1.

    Its gradient vanishes where D is sure that the sample is generated.
    """
    return -ops.softplus(fake_logits)


def non_saturating(fake_logits):
    """Returns -log D(G(z)), Goodfellow et al., 2014, the end of section 3."""
    return ops.softplus(-fake_logits)


def squared_errors(real_logits, fake_logits, fake_target=0.0, real_target=1.0):
    """Returns (D(x) - b)² / 2 + (D(G(z)) - a)² / 2; here D is the logit itself.

    Mao et al., 2016, equation 2; a is `fake_target`, b is `real_target`.
    """
    real = ops.square(real_logits - real_target)
    return 0.5 * (real + ops.square(fake_logits - fake_target))


def squared_error(fake_logits, target=1.0):
    """Returns (D(G(z)) - c)² / 2, Mao et al., 2016, equation 2; c is `target`."""
    return 0.5 * ops.square(fake_logits - target)


def score_difference(real_scores, fake_scores):
    """Returns C(G(z)) - C(x), whose mean is minus the estimate of the distance.

    Arjovsky et al., 2017, algorithm 1, line 5.
    """
    return fake_scores - real_scores


def negative_score(fake_scores):
    """Returns -C(G(z)), Arjovsky et al., 2017, algorithm 1, line 10."""
    return -fake_scores


def hinge(real_scores, fake_scores):
    """Returns max(0, 1 - D(x)) + max(0, 1 + D(G(z))).

    Lim and Ye, 2017, equation 8; Miyato et al., 2018, equation 16.
    """
    return ops.relu(1 - real_scores) + ops.relu(1 + fake_scores)


MINIMAX = LossPair(cross_entropy, saturating)
NON_SATURATING = LossPair(cross_entropy, non_saturating)
LEAST_SQUARES = LossPair(squared_errors, squared_error)
WASSERSTEIN = LossPair(score_difference, negative_score)
HINGE = LossPair(hinge, negative_score)
