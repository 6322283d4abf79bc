import numpy as np
import pytest

from gen_keras import metrics

RNG = np.random.default_rng(0)


def kernel(x, y):
    return (np.dot(x, y) / len(x) + 1) ** 3


def test_value_by_hand():
    real, fake = RNG.normal(size=(4, 3)), RNG.normal(size=(5, 3))
    among_real = [kernel(real[i], real[j]) for i in range(4) for j in range(4) if i - j]
    among_fake = [kernel(fake[i], fake[j]) for i in range(5) for j in range(5) if i - j]
    across = [kernel(x, y) for x in real for y in fake]
    expected = np.mean(among_real) + np.mean(among_fake) - 2 * np.mean(across)
    assert metrics.kernel_distance(real, fake) == pytest.approx(expected)


def test_partners_are_left_out():
    real = RNG.normal(size=(4, 3))
    fake = real + 0.1 * RNG.normal(size=(4, 3))
    others = [(i, j) for i in range(4) for j in range(4) if i != j]
    among_real = [kernel(real[i], real[j]) for i, j in others]
    among_fake = [kernel(fake[i], fake[j]) for i, j in others]
    across = [kernel(real[i], fake[j]) for i, j in others]
    expected = np.mean(among_real) + np.mean(among_fake) - 2 * np.mean(across)
    paired = metrics.kernel_distance(real, fake, paired=True)
    assert paired == pytest.approx(expected)
    assert paired > metrics.kernel_distance(real, fake)
    with pytest.raises(ValueError, match="4 and 3"):
        metrics.kernel_distance(real, fake[:3], paired=True)


def test_it_has_no_bias():
    """Equal distributions give 0 in the mean, with a few examples, too."""
    values = [
        metrics.kernel_distance(RNG.normal(size=(8, 4)), RNG.normal(size=(8, 4)))
        for _ in range(2000)
    ]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0


def test_it_grows_with_the_difference():
    real = RNG.normal(size=(200, 6))
    distances = [metrics.kernel_distance(real, real + d) for d in (0.2, 0.5, 1.0)]
    assert 0 < distances[0] < distances[1] < distances[2]


def test_blocks_by_hand():
    real, fake = RNG.normal(size=(9, 3)), RNG.normal(size=(7, 3))
    rng = np.random.default_rng(5)
    distances = []
    for _ in range(3):
        chosen = [rng.choice(size, 4, replace=False) for size in (9, 7)]
        distances.append(metrics.kernel_distance(real[chosen[0]], fake[chosen[1]]))
    result = metrics.kernel_distance_with_error(real, fake, 3, 4, seed=5)
    deviation = np.sqrt(np.var(distances) * 3 / 2)
    # 4 of the 7 images of the smaller set are kept, 3 deleted.
    error = deviation * np.sqrt(4 / 3 + 1 / 3)
    assert result == pytest.approx((np.mean(distances), error, deviation))
    assert result != metrics.kernel_distance_with_error(real, fake, 3, 4, seed=6)


@pytest.mark.parametrize("block_size", [20, 80])
def test_standard_error_is_the_spread_over_other_images_of_the_same_sources(block_size):
    results = np.array(
        [
            metrics.kernel_distance_with_error(
                RNG.normal(size=(200, 4)),
                RNG.normal(1, 1, size=(200, 4)),
                num_blocks=20,
                block_size=block_size,
            )
            for _ in range(150)
        ]
    )
    spread = results[:, 0].std(ddof=1)
    assert results[:, 1].mean() == pytest.approx(spread, rel=0.2)


def test_bad_blocks_are_named():
    sets = RNG.normal(size=(2, 10, 3))
    with pytest.raises(ValueError, match="at least 11 images each. Received: 10 and"):
        metrics.kernel_distance_with_error(*sets, block_size=10)
    for numbers in ((1, 5), (5, 1)):
        with pytest.raises(ValueError, match="at least 2. Received: . and ."):
            metrics.kernel_distance_with_error(*sets, *numbers)
    with pytest.raises(ValueError, match="`real` must be finite.*1 of 10 examples"):
        metrics.kernel_distance(np.where(np.eye(10, 3, 2), np.nan, 0), sets[1])


@pytest.mark.parametrize("shapes", [((4, 3), (4, 2)), ((1, 3), (4, 3)), ((3,), (3,))])
def test_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match="Received"):
        metrics.kernel_distance(*map(np.zeros, shapes))
