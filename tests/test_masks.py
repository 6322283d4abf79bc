import numpy as np
import pytest

from gen_keras import masks


def test_a_half_is_known():
    image = np.array([[1, 2, 3], [4, 5, 6]])[..., None]
    expected = {
        "left": [[1, 0, 0], [4, 0, 0]],
        "right": [[0, 0, 3], [0, 0, 6]],
        "top": [[1, 2, 3], [0, 0, 0]],
        "bottom": [[0, 0, 0], [4, 5, 6]],
    }
    assert set(masks.SIDES) == set(expected)
    for side, pixels in expected.items():
        shown = image * masks.half(image.shape, side)
        np.testing.assert_array_equal(shown[..., 0], pixels)


def test_opposite_halves_make_a_whole():
    for first, second in (("left", "right"), ("top", "bottom")):
        whole = masks.half((28, 28, 1), first) + masks.half((28, 28, 1), second)
        np.testing.assert_array_equal(whole, np.ones((28, 28, 1)))


def test_an_unknown_half_is_named():
    with pytest.raises(ValueError, match="left, right, top, bottom. Received: middle"):
        masks.half((28, 28, 1), "middle")
