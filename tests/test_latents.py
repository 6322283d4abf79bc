import numpy as np
import pytest

from gen_keras import latents

A, B = np.array([2.0, 0.0, 0.0]), np.array([0.0, 3.0, 0.0])


def test_line_has_equal_steps_and_both_ends():
    path = latents.interpolate(A, B, 5)
    np.testing.assert_allclose(path[[0, -1]], [A, B])
    np.testing.assert_allclose(np.diff(path, axis=0), np.tile((B - A) / 4, (4, 1)))


def test_great_circle_keeps_the_norm_and_turns_evenly():
    path = latents.interpolate(A, B / 1.5, 7, spherical=True)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 2, rtol=1e-6)
    angles = np.arccos(np.sum(path[1:] * path[:-1], axis=1) / 4)
    np.testing.assert_allclose(angles, np.pi / 12, rtol=1e-5)


def test_great_circle_between_almost_opposite_latents_stays_near():
    path = latents.interpolate(
        np.array([1.0, 0.02]), np.array([-0.5, 0.0]), 9, spherical=True
    )
    norms = np.linalg.norm(path, axis=1)
    np.testing.assert_allclose(norms, np.linspace(norms[0], 0.5, 9), rtol=1e-5)


def test_parallel_latents_have_a_line():
    path = latents.interpolate(A, 2 * A, 3, spherical=True)
    np.testing.assert_allclose(path, [A, 1.5 * A, 2 * A])


def test_only_noise_goes_along_the_circle():
    start, end = np.array([2.0, 0, 1, 0]), np.array([0, 2.0, 0, 1])
    path = latents.interpolate(start, end, 3, spherical=True, noise_dim=2)
    np.testing.assert_allclose(path[1], [2**0.5, 2**0.5, 0.5, 0.5], rtol=1e-6)
    line = latents.interpolate(start, end, 3, noise_dim=2)
    np.testing.assert_allclose(line[1], [1, 1, 0.5, 0.5])


def test_arithmetic_averages_each_group():
    result = latents.arithmetic([A, B], [A], [B, B])
    np.testing.assert_allclose(result, [(A + B) / 2 - A + B])


@pytest.mark.parametrize(
    "arguments", [(A, B, 1), (A, B[:2], 3), (A[None], B[None], 3)], ids=str
)
def test_bad_input(arguments):
    with pytest.raises(ValueError, match="Received"):
        latents.interpolate(*arguments)
