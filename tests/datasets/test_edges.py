"""Drawings: one smooth stroke where a person would draw one."""

import numpy as np
import pytest

from gen_keras.datasets import extract_edges


def disc(size=64, radius=20.0, inside=(0.9, 0.2, 0.2), width=None):
    """Returns a disc, or a ring of `width` pixels, on white, smooth at its border."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    distance = np.hypot(x, y) - radius
    if width:
        distance = np.abs(distance) - width / 2
    cover = np.clip(0.5 - distance, 0, 1)[..., None]
    return (1 - cover + cover * np.array(inside)).astype("float32")[None]


def ink(images, **options):
    return 1 - extract_edges(images, **options)[0, ..., 0]


def around(drawing, size=64):
    """Returns the ink and the distance from the centre of each pixel."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return drawing, np.hypot(x, y)


def test_a_disc_becomes_one_circle():
    drawing, radius = around(ink(disc()))
    assert drawing[np.abs(radius - 20) > 2].max() == 0
    assert drawing[np.abs(radius - 20) < 0.4].min() > 0.5  # No gap.
    # As much ink as a line of 1.4 pixels along the circle.
    assert abs(drawing.sum() / (2 * np.pi * 20 * 1.4) - 1) < 0.1


def test_the_line_is_as_wide_as_asked():
    thin, wide = (ink(disc(), line_width=w).sum() for w in (1.0, 2.0))
    assert 1.6 < wide / thin < 2.4


def test_a_thin_dark_ring_becomes_one_stroke():
    drawing, radius = around(ink(disc(inside=(0.1, 0.1, 0.1), width=2)))
    assert drawing[np.abs(radius - 20) > 2].max() == 0
    assert drawing[np.abs(radius - 20) < 0.4].min() > 0.5
    assert abs(drawing.sum() / (2 * np.pi * 20 * 1.4) - 1) < 0.25


def test_a_wide_ring_becomes_two():
    drawing, radius = around(ink(disc(inside=(0.1, 0.1, 0.1), width=9)))
    assert drawing[np.abs(radius - 20) < 2].max() == 0
    for line in (15.5, 24.5):
        assert drawing[np.abs(radius - line) < 0.4].min() > 0.4


def test_colours_of_one_brightness_have_an_edge():
    red, green = (1.0, 0.0, 0.0), np.array((0.0, 1.0, 0.0))
    image = np.where(disc(inside=(0, 0, 0)) > 0.5, green, red).astype("float32")
    assert ink(image).sum() > 100


def test_weak_edges_are_left_out():
    faint = disc(inside=(0.95, 0.95, 0.95))
    assert ink(faint, high_contrast=0.2).max() == 0
    assert ink(faint, low_contrast=0.02, high_contrast=0.05).max() > 0.9
    assert ink(np.full((1, 9, 9, 3), 0.3)).max() == 0


def test_a_weak_part_of_a_strong_line_is_drawn():
    image = disc(inside=(0.2, 0.2, 0.2))
    shade = np.linspace(0, 0.7, 64)[:, None, None]
    image = np.minimum(image + shade * (image < 0.5), 1).astype("float32")
    options = {"low_contrast": 0.05, "high_contrast": 0.5}
    drawing, radius = around(ink(image, **options))
    assert drawing[np.abs(radius - 20) < 0.4].min() > 0.3


def test_background():
    full = np.full((1, 20, 20, 3), 0.2, "float32")
    assert ink(full).max() == 0
    framed = ink(full, background=1.0)
    assert framed[0].min() > 0.3 and framed[5:15, 5:15].max() == 0


@pytest.mark.parametrize("shape", [(2, 64, 48, 3), (1, 30, 31, 1), (1, 3, 5, 3)])
def test_any_size(shape):
    images = np.random.default_rng(0).random(shape).astype("float32")
    drawing = extract_edges(images, sigma=1.5)
    assert drawing.shape == shape[:3] + (1,) and drawing.dtype == np.float32
    assert drawing.min() >= 0 and drawing.max() <= 1


def test_value_ranges_and_bytes_agree():
    bytes_ = np.rint(disc() * 255).astype("uint8")
    drawing = extract_edges(bytes_)
    signed = (bytes_ / 127.5 - 1).astype("float32")
    np.testing.assert_allclose(
        drawing, extract_edges(signed, value_range=(-1, 1)), atol=1e-3
    )


def test_images_do_not_touch_each_other():
    images = np.concatenate([disc(), disc(radius=9.0), disc(inside=(0, 0, 1))])
    together = extract_edges(images)
    for i in range(3):
        np.testing.assert_array_equal(together[i], extract_edges(images[[i]])[0])
    assert extract_edges(images[:0]).shape == (0, 64, 64, 1)


@pytest.mark.parametrize(
    "options",
    [
        {"sigma": 0},
        {"line_width": -1},
        {"low_contrast": 0},
        {"low_contrast": 0.5, "high_contrast": 0.2},
    ],
)
def test_wrong_arguments(options):
    with pytest.raises(ValueError, match="Received: sigma="):
        extract_edges(disc(), **options)
    with pytest.raises(ValueError, match=r"Received: shape \(64, 64, 3\)"):
        extract_edges(disc()[0])
