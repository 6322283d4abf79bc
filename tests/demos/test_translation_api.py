"""The calls that translate pictures: what they answer, and say to nonsense."""

import numpy as np
import pytest
from keras import ops
from PIL import Image

from gen_keras import datasets, image_grids, models
from tests.demos.conftest import complaint, read

gradio_client = pytest.importorskip("gradio_client")

DRAWINGS, PICTURES = "pix2pix_edges2twemoji", "pix2pix_noto2twemoji"
CIRCLE = "cyclegan_noto2twemoji"


@pytest.fixture
def photo(tmp_path):
    """A picture of two colours and a slope, twice as wide as high, to send."""
    return send(tmp_path / "photo.png", make_photo((200, 100)))


def make_photo(size):
    width, height = size
    pixels = np.full((height, width, 3), 230, "uint8")
    pixels[..., 0] = np.linspace(20, 120, width)
    pixels[height // 4 : height // 2, width // 4 : width // 2] = (250, 20, 20)
    return Image.fromarray(pixels)


def send(path, picture):
    picture.save(path)
    return gradio_client.handle_file(path)


def small(path, scale=5):
    """Returns the pixels that were enlarged to squares."""
    pixels = read(path)
    shrunk = pixels[::scale, ::scale]
    enlarged = shrunk.repeat(scale, axis=0).repeat(scale, axis=1)
    np.testing.assert_array_equal(enlarged, pixels)
    return shrunk


def test_pix2pix_is_the_package(client, project, photo):
    output, pair, variants = client.predict(PICTURES, photo, 3, api_name="/pix2pix")
    assert read(pair[1]).tobytes() == read(output).tobytes()
    inputs = small(pair[0])
    assert inputs.shape == (64, 64, 3)
    model = models.Pix2Pix.from_preset(
        str(project / f"gen_keras/presets/{PICTURES}.keras")
    )
    inputs = inputs[None] / np.float32(127.5) - 1
    expected = ops.convert_to_numpy(model.translate(inputs))
    expected = image_grids.to_uint8(expected, model.value_range)[0]
    assert np.abs(small(output).astype(int) - expected).max() <= 1
    assert len({read(v["image"]).tobytes() for v in variants}) == 4
    again = client.predict(PICTURES, photo, 3, api_name="/pix2pix")
    other = client.predict(PICTURES, photo, 4, api_name="/pix2pix")
    assert (
        read(output).tobytes() == read(again[0]).tobytes() == read(other[0]).tobytes()
    )
    first, same, another = (
        read(answer[2][0]["image"]) for answer in ((0, 0, variants), again, other)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, another)


def test_edges_are_those_of_the_training_images(client, tmp_path):
    drawings, emoji = datasets.load("emoji_edges", split="validation")[np.arange(7, 8)]
    picture = Image.fromarray(np.rint(255 * emoji[0]).astype("uint8"))
    path = client.predict(
        DRAWINGS, send(tmp_path / "e.png", picture), api_name="/edges"
    )
    expected = np.rint(255 * drawings[0, ..., 0])
    np.testing.assert_allclose(small(path), expected, atol=1)
    output, pair, _ = client.predict(
        DRAWINGS, gradio_client.handle_file(path), api_name="/pix2pix"
    )
    np.testing.assert_array_equal(small(pair[0]), small(path))
    assert small(output).std() > 1


def test_edges_can_be_adjusted(client, photo):
    ink = [
        (255.0 - read(client.predict(DRAWINGS, photo, *args, api_name="/edges"))).sum()
        for args in ((0.9, 0.02), (0.9, 0.1), (0.9, 0.6), (3, 0.6))
    ]
    assert ink[0] >= ink[1] >= ink[2] >= ink[3]
    assert ink[1] > 0


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_a_full_circle(client, project, photo, direction):
    seen, there, back, error, text = client.predict(
        CIRCLE, photo, direction, api_name="/cyclegan"
    )
    pictures = [small(path) for path in (seen, there, back, error)]
    assert {picture.shape for picture in pictures} == {(32, 64, 3)}
    seen, there, back, error = (picture.astype("float32") for picture in pictures)
    mean = np.abs(seen - back).mean() / 255
    assert float(text.split("**")[1]) == pytest.approx(mean, abs=1e-3)
    darkest = np.abs(seen - back).sum(axis=-1).argmin()
    assert error.sum(axis=-1).flat[darkest] == error.sum(axis=-1).min()
    model = models.CycleGAN.from_preset(
        str(project / f"gen_keras/presets/{CIRCLE}.keras")
    )
    expected = ops.convert_to_numpy(model.translate(seen[None] / 127.5 - 1, direction))
    assert np.abs((expected[0] + 1) * 127.5 - there).max() <= 1.5


@pytest.mark.parametrize(("side", "scale"), [(64, 5), ("128", 2), (2048, 2)])
def test_the_largest_side(client, photo, side, scale):
    answer = client.predict(CIRCLE, photo, "a_to_b", side, api_name="/cyclegan")
    width = min(int(side), 200)
    for path in answer[:4]:
        assert small(path, scale).shape == (width // 2, width, 3)
    assert f"at {width}×{width // 2} pixels" in answer[4]


def test_transparent_and_gray_pictures(client, tmp_path):
    picture = make_photo((64, 64))
    holed = picture.convert("RGBA")
    holed.putalpha(Image.fromarray(np.tile(np.uint8([0] * 32 + [255] * 32), (64, 1))))
    seen = client.predict(CIRCLE, send(tmp_path / "a.png", holed), api_name="/cyclegan")
    assert (small(seen[0])[:, :32] == 255).all()
    np.testing.assert_array_equal(small(seen[0])[:, 32:], np.asarray(picture)[:, 32:])
    gray = send(tmp_path / "g.png", picture.convert("L"))
    seen = small(client.predict(CIRCLE, gray, api_name="/cyclegan")[0])
    np.testing.assert_array_equal(seen[..., 0], np.asarray(picture.convert("L")))
    assert seen.shape == (64, 64, 3)


# Nonsense ---------------------------------------------------------------------------

PHOTO, BLANK, TINY, NARROW, HUGE, WIDE, TEXT, NONE = (
    *("photo", "blank", "tiny", "narrow", "huge", "wide", "text", None),
)
PICTURE_NONSENSE = {
    "no picture": ("/pix2pix", (PICTURES, NONE, 0), "The canvas is blank"),
    "nothing drawn": ("/pix2pix", (DRAWINGS, BLANK, 0), "The canvas is blank"),
    "no drawing": ("/pix2pix", (DRAWINGS, TEXT, 0), "could not be read as an image"),
    "too small": ("/pix2pix", (PICTURES, TINY, 0), "at least 8×8 pixels"),
    "20,000 × 20,000": ("/pix2pix", (PICTURES, HUGE, 0), "at most 2048×2048"),
    "20,000 wide": ("/pix2pix", (PICTURES, WIDE, 0), "Received: 20000×20"),
    "a sampler": ("/pix2pix", ("vae_mnist", PHOTO, 0), "The model must be one of: pix"),
    "no such seed": ("/pix2pix", (PICTURES, PHOTO, -1), "Seed must be"),
    "no edges": ("/edges", (PICTURES, PHOTO), "takes pictures as they are"),
    "edges of nothing": ("/edges", (DRAWINGS, NONE), "An image is needed"),
    "edges of text": ("/edges", (DRAWINGS, TEXT), "could not be read as an image"),
    "blur": ("/edges", (DRAWINGS, PHOTO, 9), "Blur must be a number from 0.5 to 3"),
    "contrast": ("/edges", (DRAWINGS, PHOTO, 1, "x"), "Contrast must be"),
    "no photo": ("/cyclegan", (CIRCLE, NONE), "There is no image yet"),
    "no image": ("/cyclegan", (CIRCLE, TEXT), "could not be read as an image"),
    "too narrow": ("/cyclegan", (CIRCLE, NARROW), "The image is too narrow"),
    "too large": ("/cyclegan", (CIRCLE, HUGE), "at most 2048×2048"),
    "direction": ("/cyclegan", (CIRCLE, PHOTO, "up"), "The direction must be a_to_b"),
    "side": ("/cyclegan", (CIRCLE, PHOTO, "a_to_b", 4096), "Largest side must be"),
    "small side": ("/cyclegan", (CIRCLE, PHOTO, "a_to_b", 4), "from 8 to 2048"),
    "another model": ("/cyclegan", (PICTURES, PHOTO), "must be one of: cyclegan_"),
    "a translator": ("/sample", (CIRCLE, 4, 0), "The model must be one of: dcgan"),
}


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Pictures that no model can do much with."""
    folder = tmp_path_factory.mktemp("pictures")
    files = {
        PHOTO: make_photo((60, 60)),
        BLANK: Image.new("L", (320, 320), "white"),
        TINY: Image.new("RGB", (5, 5)),
        NARROW: Image.new("RGB", (2000, 10)),
        HUGE: Image.new("1", (20_000, 20_000)),
        WIDE: Image.new("1", (20_000, 20)),
    }
    for name, picture in files.items():
        picture.save(folder / f"{name}.png")
    (folder / "text.png").write_text("<script>alert(1)</script>")
    return {
        name: gradio_client.handle_file(folder / f"{name}.png")
        for name in (*files, TEXT)
    }


@pytest.mark.parametrize("case", PICTURE_NONSENSE)
def test_nonsense_about_pictures_gets_one_sentence(client, pictures, case):
    api_name, args, fragment = PICTURE_NONSENSE[case]
    args = [pictures.get(x, x) if isinstance(x, str) else x for x in args]
    message = complaint(client, api_name, *args)
    assert fragment in message
    assert (
        "Traceback" not in message and len(message) < 400
    )  # A list of models is long.
