"""Retrieval by codes: its figures, what it is compared with, the claim's script."""

import hash_baselines
import make_emoji_codes
import numpy as np
import pytest
import retrieval
import retrieval_figures

from gen_keras import HammingIndex, datasets, metrics
from gen_keras.models import RBM, SemanticHashing

RNG = np.random.default_rng(0)
# A long, a middle and a short side, in a direction of no pixel.
TURN, _ = np.linalg.qr(RNG.normal(size=(6, 6)))
SIDES = np.array([8.0, 4.0, 1.5, 0.5, 0.1, 0.1])
ROWS = (RNG.uniform(-1, 1, (4000, 6)) * SIDES) @ TURN


def components_of(rows):
    return (rows @ TURN.T) / SIDES


def test_pca_codes_are_the_signs_of_components():
    codes = hash_baselines.pca_codes(ROWS, 3)(ROWS)
    signs = components_of(ROWS)[:, :3] > 0
    agreement = np.mean(codes == signs, axis=0)
    assert np.all(np.maximum(agreement, 1 - agreement) > 0.97)


def test_spectral_codes_are_waves_the_longest_side_first():
    codes = hash_baselines.spectral_codes(ROWS, 3)(ROWS)
    long, middle, _ = components_of(ROWS)[:, :3].T
    # Of sides 8 : 4 the smoothest waves: half a wave of the long one, then a whole one
    # of it or a half of the other, which are equally smooth.
    expected = [np.cos(np.pi * (long + 1) / 2), middle, np.cos(np.pi * (long + 1))]
    agreement = np.array([[np.mean(c == (e > 0)) for e in expected] for c in codes.T])
    agreement = np.maximum(agreement, 1 - agreement).max(axis=0)
    assert np.all(agreement > 0.95), agreement


def quantization_loss(codes, components):
    """Returns the least mean square distance of components from turned signs."""
    signs = 2.0 * codes - 1
    u, _, vt = np.linalg.svd(components.T @ signs)
    return np.square(components @ (u @ vt) - signs).sum(axis=1).mean()


def test_itq_loses_less_by_rounding_than_pca():
    # Corners on the axes, one a little longer: signs of components cut through them.
    corners = np.array([[1.2, 0], [0, 1], [-1.2, 0], [0, -1]])
    rows = np.repeat(corners, 500, axis=0) + RNG.normal(0, 0.1, (2000, 2))
    loss = {
        name: quantization_loss(hash_baselines.BASELINES[name](rows, 2)(rows), rows)
        for name in ("pca", "itq")
    }
    assert loss["itq"] < 0.9 * loss["pca"], loss
    codes = hash_baselines.itq_codes(rows, 2)(rows).reshape(4, 500, 2)
    assert len(np.unique(codes[:, 0], axis=0)) == 4
    assert np.all(codes.mean(axis=1).round(1) % 1 == 0)


def test_figures_are_those_of_a_full_ranking():
    codes = RNG.integers(0, 2, (150, 12))
    labels, wanted = RNG.integers(0, 3, 150), RNG.integers(0, 3, 120)
    queries = RNG.integers(0, 2, (120, 12))
    distances = (queries[:, None] != codes).sum(axis=2)
    # Between bits the Euclidean distance is in the order of that of Hamming.
    shuffled = np.random.default_rng(0).permutation(150)
    for found, ties in (
        (
            retrieval_figures.rank_by_codes(
                HammingIndex(codes), labels, queries, wanted
            ),
            shuffled,
        ),
        (
            retrieval_figures.rank_by_distance(
                codes * 1.0, labels, queries * 1.0, wanted
            ),
            np.arange(150),
        ),
    ):
        order = ties[np.argsort(distances[:, ties], axis=1, kind="stable")]
        relevant = labels[order] == wanted[:, None]
        assert retrieval_figures.summarize(found) == pytest.approx(
            {
                "precision_at_10": metrics.precision_at(relevant, 10),
                "mean_average_precision": metrics.average_precision(relevant).mean(),
            }
        )


def test_codes_of_emoji_are_those_of_all_of_them_in_order(tmp_path):
    model = SemanticHashing((8, 8, 3), (6,), seed=0)
    model.save(tmp_path / "model.keras")
    make_emoji_codes.main(tmp_path / "model.keras", tmp_path / "codes.npz")
    codes = np.load(tmp_path / "codes.npz")["codes"]
    first, last = (
        datasets.load("emoji", split, vendor=vendor, image_size=8).images
        for vendor, split in (("twemoji", "train"), ("noto", "test"))
    )
    np.testing.assert_array_equal(codes[: len(first)], model.encode(first))
    np.testing.assert_array_equal(codes[-len(last) :], model.encode(last))
    assert len(codes) == len(np.load(make_emoji_codes.OUT)["codes"])
    RBM((4,), 2).save(tmp_path / "rbm.keras")
    with pytest.raises(SystemExit, match="train_semantic_hashing.py. Received: .*RBM"):
        make_emoji_codes.main(tmp_path / "rbm.keras", tmp_path / "codes.npz")


def test_the_claims_script(tmp_path):
    config = retrieval.Config(
        variants="mnist_itq_32,mnist_pixels",
        split="validation",
        smoke=True,
        log_dir=str(tmp_path / "runs"),
        out=str(tmp_path / "out.json"),
    )
    figures = retrieval.main(config)["metrics"]
    for name in ("mnist_itq_32", "mnist_pixels"):
        # A tenth would be chance.
        assert 0.4 < figures[name]["precision_at_10"] < 1
        assert 0.3 < figures[name]["mean_average_precision"] < 1
    assert figures["mnist_itq_32"]["search_milliseconds"] > 0


def test_codes_that_are_alike_come_in_no_order_of_classes():
    labels = np.arange(2).repeat(500)
    for bits in (8, 300):
        codes = np.zeros((1000, bits), "uint8")
        codes[:, 0] = np.arange(1000) == 3
        queries = np.zeros((2, bits), "uint8")
        queries[:, -1] = 1
        relevant = retrieval_figures.rank_by_codes(
            HammingIndex(codes), labels, queries, np.array([0, 1])
        )
        (found,) = relevant
        assert np.all(abs(found[:, :200].mean(axis=1) - 0.5) < 0.15)
        assert found[0, -1] and not found[1, -1]  # The farthest is of class 0.


def test_distances_of_more_than_255_bits_are_in_order():
    codes = np.zeros((300, 300), "uint8")
    for i in range(300):
        codes[i, : 299 - i] = 1
    relevant = retrieval_figures.rank_by_codes(
        HammingIndex(codes), np.arange(300), codes[-1:], np.array([0])
    )
    (found,) = relevant
    assert found[0].tolist() == 299 * [False] + [True]
