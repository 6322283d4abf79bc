import numpy as np
import pytest

from gen_keras import HammingIndex
from gen_keras.hamming_index import pack_bits

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("num_bits", [1, 8, 30, 64, 65, 130])
def test_search_finds_what_differs_least(num_bits):
    codes = RNG.integers(0, 2, (200, num_bits))
    queries = RNG.integers(0, 2, (7, num_bits))
    differ = (queries[:, None] != codes).sum(axis=2)
    index = HammingIndex(np.asfortranarray(codes))  # Any order of the array.
    for query, expected in zip(queries, differ, strict=True):
        np.testing.assert_array_equal(index.distances(query), expected)
    order = np.argsort(differ, axis=1, kind="stable")  # Ties: the lower index first.
    for count in (1, 10, 200, None):
        neighbors, distances = index.search(queries, count)
        np.testing.assert_array_equal(neighbors, order[:, :count])
        expected = np.take_along_axis(differ, order, axis=1)[:, :count]
        np.testing.assert_array_equal(distances, expected)


def test_opposite_codes_differ_in_all_bits_however_many():
    codes = np.array([[0] * 300, [1] * 300, [0] * 299 + [1]])
    index = HammingIndex(codes)
    np.testing.assert_array_equal(index.distances(codes[0]), [0, 300, 1])
    neighbors, distances = index.search(codes[:1], None)
    np.testing.assert_array_equal(neighbors, [[0, 2, 1]])
    np.testing.assert_array_equal(distances, [[0, 1, 300]])


def test_codes_are_packed_64_to_a_word():
    assert pack_bits(np.ones((3, 64))).shape == (3, 1)
    assert pack_bits(np.ones((3, 65), bool)).shape == (3, 2)
    assert HammingIndex(np.eye(32)).words.nbytes == 32 * 8


def test_wrong_codes_are_refused():
    for codes in (np.full((2, 8), 0.5), np.full((2, 8), 2), np.full((2, 8), np.nan)):
        with pytest.raises(ValueError, match="0 and 1. Received: .*other values"):
            HammingIndex(codes)
    for codes in (np.ones(8), np.ones((0, 8))):
        with pytest.raises(ValueError, match="0 and 1. Received: the shape"):
            HammingIndex(codes)
    index = HammingIndex(np.ones((4, 8)))
    with pytest.raises(ValueError, match="`queries` must have 8 bits.*Received: 9"):
        index.search(np.ones((1, 9)), 1)
    for count in (0, 5):
        with pytest.raises(ValueError, match=f"from 1 to 4, .*Received: {count}"):
            index.search(np.ones((1, 8)), count)
