"""Each loss by hand, and the divergence that its game minimizes."""

import numpy as np
import pytest
from keras import ops

from gen_keras import backend
from gen_keras.models.gans import losses
from tests.models.gans.gan_checks import sigmoid

REAL, FAKE = np.array([2.0, -1.0, 0.0]), np.array([1.0, 0.5, -3.0])
# Data and samples on three points.
P, Q = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.3, 0.6])


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (
            lambda: losses.cross_entropy(REAL, FAKE),
            -np.log(sigmoid(REAL)) - np.log(1 - sigmoid(FAKE)),
        ),
        (
            lambda: losses.cross_entropy(REAL, FAKE, real_target=0.9),
            -0.9 * np.log(sigmoid(REAL))
            - 0.1 * np.log(1 - sigmoid(REAL))
            - np.log(1 - sigmoid(FAKE)),
        ),
        (lambda: losses.saturating(FAKE), np.log(1 - sigmoid(FAKE))),
        (lambda: losses.non_saturating(FAKE), -np.log(sigmoid(FAKE))),
        (
            lambda: losses.squared_errors(REAL, FAKE),
            [(1 + 1) / 2, (4 + 0.25) / 2, (1 + 9) / 2],
        ),
        (
            lambda: losses.squared_errors(REAL, FAKE, fake_target=-1, real_target=2),
            [(0 + 4) / 2, (9 + 2.25) / 2, (4 + 4) / 2],
        ),
        (lambda: losses.squared_error(FAKE), [0, 0.125, 8]),
        (lambda: losses.squared_error(FAKE, target=-1.0), [2, 1.125, 2]),
        (lambda: losses.score_difference(REAL, FAKE), [-1, 1.5, -3]),
        (lambda: losses.negative_score(FAKE), [-1, -0.5, 3]),
        (lambda: losses.hinge(REAL, FAKE), [0 + 2, 2 + 1.5, 1 + 0]),
    ],
)
def test_by_hand(loss, expected):
    np.testing.assert_allclose(ops.convert_to_numpy(loss()), expected, rtol=1e-5)


def test_pairs_are_those_of_their_names():
    expected = {
        losses.MINIMAX: (losses.cross_entropy, losses.saturating),
        losses.NON_SATURATING: (losses.cross_entropy, losses.non_saturating),
        losses.LEAST_SQUARES: (losses.squared_errors, losses.squared_error),
        losses.WASSERSTEIN: (losses.score_difference, losses.negative_score),
        losses.HINGE: (losses.hinge, losses.negative_score),
    }
    for pair, functions in expected.items():
        assert (pair.discriminator, pair.generator) == functions


def gradient(fn, x):
    x = np.asarray(x, "float32")
    return ops.convert_to_numpy(backend.input_gradients(fn, x))


def test_the_minimax_gradient_vanishes_where_the_discriminator_is_sure():
    logits = [-20.0, 0.0, 20.0]  # D(G(z)) = 0, 1/2, 1.
    minimax = gradient(losses.saturating, logits)
    np.testing.assert_allclose(minimax, [0, -0.5, -1], atol=1e-8)
    np.testing.assert_allclose(
        gradient(losses.non_saturating, logits), [-1, -0.5, 0], atol=1e-8
    )


def test_losses_are_finite_where_the_discriminator_is_sure():
    sure = np.array([1e4], "float32")
    for value, expected in (
        (losses.cross_entropy(sure, -sure), 0),
        (losses.cross_entropy(-sure, sure), 2e4),
        (losses.cross_entropy(sure, -sure, real_target=0.9), 1e3),
        (losses.saturating(sure), -1e4),
        (losses.non_saturating(-sure), 1e4),
    ):
        assert float(value[0]) == pytest.approx(expected, rel=1e-5)


# Optimal discriminators, a logit for each of the three points -----------------------


def expected_loss(loss):
    """Returns the mean of a loss over data and samples, a function of the logits."""

    weights = ops.convert_to_tensor(np.outer(P, Q), "float32")

    def fn(logits):
        return ops.sum(weights * loss(logits[:, None], logits))

    return fn


def assert_optimal(loss, logits):
    value = expected_loss(loss)
    np.testing.assert_allclose(gradient(value, logits), np.zeros(3), atol=1e-6)
    best = float(value(ops.convert_to_tensor(logits, "float32")))
    for step in 0.1 * np.eye(3):
        for other in (logits + step, logits - step):
            assert float(value(ops.convert_to_tensor(other, "float32"))) > best
    return best


def test_cross_entropy_is_optimal_where_it_is_p_of_p_plus_q():
    # Goodfellow et al., proposition 1 and theorem 1: C(G) = -log 4 + 2 JSD.
    best = assert_optimal(losses.cross_entropy, np.log(P / Q))
    mean = (P + Q) / 2
    divergence = (P @ np.log(P / mean) + Q @ np.log(Q / mean)) / 2
    assert -best == pytest.approx(-np.log(4) + 2 * divergence, rel=1e-5)


def test_smoothed_labels_scale_the_optimum():
    # Salimans et al., section 3.4: D = 0.9 p / (p + q).
    best = 0.9 * P / (P + Q)
    assert_optimal(
        lambda *logits: losses.cross_entropy(*logits, real_target=0.9),
        np.log(best / (1 - best)),
    )


@pytest.mark.parametrize(("a", "b"), [(0.0, 1.0), (-1.0, 1.0), (0.3, -2.0)])
def test_squared_errors_are_optimal_where_they_interpolate(a, b):
    # Mao et al., equation 5.
    assert_optimal(
        lambda *logits: losses.squared_errors(*logits, a, b), (b * P + a * Q) / (P + Q)
    )


def test_squared_errors_minimize_a_pearson_divergence():
    # Mao et al., equations 6 and 7: b - c = 1 and b - a = 2 give chi2(p + q || 2 q).
    a, b, c = -1.0, 1.0, 0.0
    best = (b * P + a * Q) / (P + Q)
    # The generator's loss on data is a constant for it.
    cost = (P + Q) @ ops.convert_to_numpy(losses.squared_error(best, c))
    divergence = np.sum((2 * Q - (P + Q)) ** 2 / (P + Q))
    assert cost == pytest.approx(divergence / 2, rel=1e-5)


def test_the_hinge_has_no_gradient_beyond_the_margin():
    real = gradient(lambda x: losses.hinge(x, np.zeros(3, "float32")), [-2, 0.5, 1.5])
    np.testing.assert_array_equal(real, [-1, -1, 0])
    fake = gradient(lambda x: losses.hinge(np.zeros(3, "float32"), x), [-1.5, -0.5, 2])
    np.testing.assert_array_equal(fake, [0, 1, 1])
    np.testing.assert_array_equal(gradient(losses.negative_score, [-9, 0, 9]), -1)
