"""The metrics of features against well-known implementations, in .venv-torch.

torchmetrics has the Fréchet and the kernel distance; prdc, by the authors of density
and coverage, has these, precision and recall.
"""

import numpy as np
import pytest

from gen_keras import metrics

pytestmark = pytest.mark.backends("torch")


@pytest.fixture(params=[(300, 300, 8), (400, 250, 20)], ids=str)
def sets(request):
    """Features as of a network: at least 0, correlated, the two sets overlapping.

    None are equal: prdc counts no image on the border of a ball, the papers all.
    """
    num_real, num_generated, size = request.param
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(size, size))
    real = rng.normal(size=(num_real, size)) @ mixing
    generated = rng.normal(0.3, 1.1, (num_generated, size)) @ mixing
    return np.logaddexp(0, real), np.logaddexp(0, generated)


def measure(metric_class, sets, **options):
    import torch

    class Features(torch.nn.Identity):
        num_features = sets[0].shape[1]

    metric = metric_class(feature=Features(), **options).set_dtype(torch.float64)
    for features, is_real in zip(sets, (True, False), strict=True):
        metric.update(torch.from_numpy(features), real=is_real)
    return metric.compute()


def test_frechet_distance(sets):
    from torchmetrics.image.fid import FrechetInceptionDistance

    expected = float(measure(FrechetInceptionDistance, sets))
    assert metrics.frechet_distance(*sets) == pytest.approx(expected, rel=1e-4)


def test_kernel_distance(sets):
    from torchmetrics.image.kid import KernelInceptionDistance

    # The whole sets are the only blocks of their size.
    sets = [features[:250] for features in sets]
    options = {"subsets": 1, "subset_size": 250}
    expected = float(measure(KernelInceptionDistance, sets, **options)[0])
    assert metrics.kernel_distance(*sets) == pytest.approx(expected, rel=1e-4)


def test_kernel_distance_of_blocks(sets):
    from torchmetrics.image.kid import KernelInceptionDistance

    options = {"subsets": 400, "subset_size": 100}
    mean, deviation = map(float, measure(KernelInceptionDistance, sets, **options))
    ours = metrics.kernel_distance_with_error(*sets, num_blocks=400, block_size=100)
    # The blocks are drawn by other generators.
    assert abs(ours.distance - mean) < 4 * deviation * np.sqrt(2 / 400)
    assert ours.block_deviation == pytest.approx(deviation, rel=0.2)


@pytest.mark.parametrize("k", [3, 5])
def test_precision_recall_density_coverage(sets, k):
    from prdc import compute_prdc

    expected = compute_prdc(*sets, nearest_k=k)
    ours = metrics.precision_recall(*sets, k)._asdict()
    ours |= metrics.density_coverage(*sets, k)._asdict()
    assert ours == pytest.approx(expected, rel=1e-4)
    assert all(0.1 < value != 1 for value in ours.values())
