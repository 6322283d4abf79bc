import io
import sys

import numpy as np
import PIL.Image
import pytest

from gen_keras import image_grids

# Four images of 2 x 3 pixels; each holds its own number.
IMAGES = np.broadcast_to(
    np.arange(4, dtype="float32")[:, None, None, None], (4, 2, 3, 1)
)


@pytest.mark.parametrize("value_range", [(0, 1), (-1, 1), (0, 255)])
def test_value_range_becomes_black_and_white(value_range):
    low, high = value_range
    values = np.array([low - 1, low, (low + high) / 2, high, high + 1])
    pixels = image_grids.to_uint8(values, value_range)
    assert pixels.dtype == np.uint8
    assert pixels.tolist() == [0, 0, 128, 255, 255]


def test_every_byte_survives():
    pixels = np.arange(256, dtype="uint8")
    scaled = pixels.astype("float32") / 255 * 2 - 1
    np.testing.assert_array_equal(image_grids.to_uint8(scaled, (-1, 1)), pixels)


def test_what_is_no_number_is_black():
    values = np.array([np.nan, -np.inf, np.inf])
    assert image_grids.to_uint8(values, (-1, 1)).tolist() == [0, 0, 255]


def test_unknown_pixels_have_a_colour():
    images = np.array([[[0.0, 1.0], [0.5, -1.0]]])[..., None]
    covered = image_grids.cover(images, np.array([[1, 0], [1, 1]])[..., None], (-1, 1))
    assert covered.dtype == np.uint8 and covered.shape == (1, 2, 2, 3)
    assert covered[0, 0, 1].tolist() == list(image_grids.UNKNOWN)
    assert covered[0, 0, 0].tolist() == [128] * 3
    assert covered[0, 1].tolist() == [[191] * 3, [0] * 3]


def test_weights_are_images_of_their_units():
    kernel = np.zeros((6, 3))
    kernel[1, 0], kernel[4, 2] = 1.0, -0.1
    images = image_grids.weights_to_images(kernel, (2, 3, 1), num_units=3)
    assert images.shape == (3, 2, 3, 1)
    assert images[0, 0, 1, 0] == 1 and (images[1] == 0.5).all()
    expected = 0.5 - 0.1 / (6 * kernel.std())
    assert images[2, 1, 1, 0] == pytest.approx(expected)
    assert len(image_grids.weights_to_images(kernel, (2, 3, 1), 2)) == 2


def test_grid_is_filled_row_by_row():
    grid = image_grids.make_grid(IMAGES, (0, 255))
    assert grid.shape == (4, 6, 1)
    assert grid[::2, ::3, 0].tolist() == [[0, 1], [2, 3]]
    assert image_grids.make_grid(IMAGES, (0, 255), columns=4).shape == (2, 12, 1)


def test_grid_with_empty_cells_and_padding():
    grid = image_grids.make_grid(IMAGES[1:], (0, 255), columns=2, padding=1)
    assert grid[..., 0].tolist() == [
        [1, 1, 1, 255, 2, 2, 2],
        [1, 1, 1, 255, 2, 2, 2],
        [255] * 7,
        [3, 3, 3, 255, 255, 255, 255],
        [3, 3, 3, 255, 255, 255, 255],
    ]
    # Without padding an empty cell is black, as there is no white around it.
    assert image_grids.make_grid(IMAGES[:3], (0, 255))[2:, 3:].max() == 0


@pytest.mark.parametrize(
    "channels, mode", [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")]
)
def test_png_holds_the_very_pixels(channels, mode):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), "uint8")
    with PIL.Image.open(io.BytesIO(image_grids.encode_png(image))) as png:
        assert png.mode == mode
        np.testing.assert_array_equal(np.array(png).reshape(image.shape), image)


def test_enlarged_pixels_are_squares():
    image = np.arange(6, dtype="uint8").reshape(2, 3, 1)
    enlarged = np.array(image_grids.to_pil(image, 3))
    np.testing.assert_array_equal(enlarged, np.kron(image[..., 0], np.ones((3, 3))))


def make_frames(height, width, channels):
    """Returns four frames: black, dark, light and white."""
    levels = np.array([0, 85, 170, 255], "uint8")[:, None, None, None]
    return np.broadcast_to(levels, (4, height, width, channels))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_gif_repeats_its_frames_for_ever(channels, tmp_path):
    frames = make_frames(5, 7, channels)
    image_grids.save_gif(tmp_path / "walk.gif", frames[..., :channels], 0.2, scale=2)
    with PIL.Image.open(tmp_path / "walk.gif") as gif:
        assert (gif.n_frames, gif.size) == (4, (14, 10))
        assert (gif.info["duration"], gif.info["loop"]) == (200, 0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(16, 24), (17, 25)])
def test_mp4_has_even_sides_and_all_frames(shape, channels, tmp_path):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    path = tmp_path / "walk.mp4"
    image_grids.save_mp4(path, make_frames(*shape, channels), seconds=0.1)
    video = imageio_ffmpeg.read_frames(str(path))
    description = next(video)
    assert description["source_size"] == tuple(-(-x // 2) * 2 for x in shape[::-1])
    assert description["fps"] == 10 and description["codec"] == "h264"
    levels = [np.frombuffer(frame, "uint8").astype(float) for frame in video]
    np.testing.assert_allclose([x.mean() for x in levels], [0, 85, 170, 255], atol=3)
    assert max(x.std() for x in levels) < 3  # No dark seam at a repeated column.


def test_mp4_says_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ImportError, match="pip install imageio-ffmpeg"):
        image_grids.save_mp4(tmp_path / "walk.mp4", make_frames(4, 4, 1))
