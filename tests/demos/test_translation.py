"""What the pages of translators compute, without a server."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.demos.conftest import read

gr = pytest.importorskip("gradio")
helpers = pytest.importorskip("gradio_helpers")
model_entries = pytest.importorskip("model_entries")

import app  # noqa: E402
import boltzmann  # noqa: E402
import complete  # noqa: E402
import cyclegan  # noqa: E402
import drawing_pad  # noqa: E402
import pix2pix  # noqa: E402
import retrieve  # noqa: E402
import sampling  # noqa: E402
import training_live  # noqa: E402
import translation  # noqa: E402


def make_pix2pix(input_channels=None):
    from gen_keras import models

    return models.Pix2Pix(
        (16, 24, 3), input_channels, receptive_field=16, base_filters=2, seed=0
    )


def make_cyclegan():
    from gen_keras import models

    return models.CycleGAN(
        (16, 16, 3), 1, receptive_field=16, base_filters=2, pool_size=0, seed=0
    )


def save_picture(path, size=(40, 40), color=(200, 30, 90), mode="RGB"):
    picture = Image.new(mode, size, "white")
    picture.paste(color, (size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2))
    picture.save(path)
    return {"path": str(path)}


def test_each_model_is_offered_on_its_own_page(offer):
    offer(make_pix2pix())
    pages = ("Sampling", "Retrieval", "pix2pix", "CycleGAN")
    offered = [set(model_entries.entries_of(page)) for page in pages]
    assert set.union(*offered) == set(model_entries.entries())
    assert sum(map(len, offered)) == len(model_entries.entries())
    assert next(iter(model_entries.entries_of("pix2pix"))) == "own"
    offer(make_cyclegan())
    assert next(iter(model_entries.entries_of("CycleGAN"))) == "own"
    for call in (sampling.sample, pix2pix.pix2pix):
        with pytest.raises(gr.Error, match="The model must be one of"):
            call("own", None)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_pix2pix_of_ones_own(offer, tmp_path, channels):
    entry = offer(make_pix2pix(channels))
    assert entry.dataset == {1: "emoji_edges", 3: "emoji_vendors"}[channels]
    assert translation.find_examples(entry) == []  # Those are of another size.
    image = save_picture(tmp_path / "p.png")
    assert pix2pix.takes_drawings(entry) == (channels == 1)
    output, pair, variants = pix2pix.pix2pix("own", image, 3)
    assert read(output).shape == (16 * 13, 24 * 13, 3)
    assert len(pair) == 2 and len(variants) == pix2pix.NUM_VARIANTS
    assert pix2pix.show_model("own")[1]["visible"] == (channels == 3)
    pix2pix.warm_up("own")


def test_the_sheet_has_the_shape_of_the_model(offer):
    offer(make_pix2pix(1))
    sheet = drawing_pad.read(pix2pix.show_model("own")[0]["value"])
    assert sheet.size == (24 * 13, 16 * 13)
    assert np.asarray(sheet).min() == 255
    sheet.paste(0, (0, 0, 13, 16 * 13))  # Nothing is cut off.
    source, *results = pix2pix.take_drawing("own", drawing_pad.write(sheet))
    assert (read(source)[:, :13] == 0).all() and all(results)


def test_examples_of_a_folder_of_ones_own(offer, tmp_path):
    for i in range(20):
        image = np.full((30, 60, 3), 8 * i, "uint8")
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    entry = offer(make_cyclegan(), f"paired_folder:{tmp_path}")
    examples = translation.find_examples(entry)
    assert 0 < len(examples) < 12
    assert examples[0][1].shape == (16, 16, 3)
    cyclegan.warm_up("own")


def test_a_lost_folder_gives_no_examples(offer):
    entry = offer(make_cyclegan(), "unpaired_folder:/nowhere")
    assert cyclegan.show_examples("own", "a_to_b", 0)[1] is None
    assert translation.find_examples(entry) == []


def test_the_examples_are_validation_images():
    from gen_keras import datasets

    entry = model_entries.entries()["pix2pix_edges2twemoji"]
    unseen = datasets.load("emoji_edges", split="validation")
    known = {np.rint(255 * x).astype("uint8").tobytes() for x in unseen.inputs}
    examples = translation.find_examples(entry)
    assert len(examples) == translation.NUM_EXAMPLES
    assert all(image.tobytes() in known for _, image in examples)
    assert not any("_" in name for name, _ in examples)


def test_a_picture_enlarged_by_whole_pixels_comes_back():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), "uint8")
    enlarged = helpers.enlarge(pixels, 320)
    np.testing.assert_array_equal(translation.crop(enlarged, pixels.shape), pixels)


def test_a_drawing_goes_to_the_sheet_and_back():
    name, pixels = translation.find_examples(
        model_entries.entries()["pix2pix_edges2twemoji"]
    )[0]
    sheet = drawing_pad.write(helpers.enlarge(pixels, pix2pix.SIDE))
    read_back = translation.crop(drawing_pad.read(sheet), pixels.shape)
    np.testing.assert_array_equal(read_back, pixels)


def test_a_pen_stroke_looks_like_a_line_of_the_training_images():
    sheet = Image.new("L", (pix2pix.SIDE, pix2pix.SIDE), "white")
    middle, half = pix2pix.SIDE // 2, pix2pix.PEN.width / 2
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((middle - half, 0, middle + half - 1, pix2pix.SIDE), fill=0)
    ink = 255 - translation.crop(sheet, (64, 64, 1))[32, :, 0].astype(int)
    step = np.zeros((1, 64, 64, 1), "uint8")
    step[:, :, 32:] = 255
    line = 255 * (1 - pix2pix.datasets.extract_edges(step)[0, 32, :, 0])
    assert ink.sum() == pytest.approx(line.sum(), rel=0.15)


def test_edges_on_white_paper_touch_the_border(tmp_path):
    picture = Image.new("RGB", (64, 64), "white")
    picture.paste((0, 120, 0), (20, 0, 44, 30))  # Reaches the upper border.
    picture.save(tmp_path / "p.png")
    drawing = pix2pix.find_edges(
        "pix2pix_edges2twemoji", {"path": tmp_path / "p.png"}, 0.9, 0.1
    )
    assert drawing[0, 32, 0] < 128
    Image.new("RGB", (64, 64), (0, 120, 0)).save(tmp_path / "p.png")
    drawing = pix2pix.find_edges(
        "pix2pix_edges2twemoji", {"path": tmp_path / "p.png"}, 0.9, 0.1
    )
    assert drawing.min() == 255  # No frame around a photo.


@pytest.mark.parametrize(
    ("size", "max_side", "expected"),
    [
        ((640, 320), 64, (64, 32)),
        ((640, 320), 512, (512, 256)),
        ((640, 320), 2048, (640, 320)),
        ((20, 10), 64, (64, 32)),  # Enlarged, but only to what the model knows.
        ((20, 10), 2048, (64, 32)),
        ((20, 10), 16, (16, 8)),
        ((2048, 3), 64, (64, 1)),
    ],
)
def test_the_size_of_a_photo(size, max_side, expected):
    assert cyclegan.scale_size(size, max_side, native=64) == expected


def test_the_error_as_a_picture():
    heat = cyclegan.draw_heat(np.array([[0.0, 0.25, 0.5, 1.0]]))
    assert heat.shape == (1, 4, 3)
    brightness = heat.sum(axis=-1)[0].astype(int)
    assert brightness[0] < brightness[1] < brightness[2] == brightness[3]
    assert tuple(heat[0, 0]) == (0, 0, 4)


def test_photos_are_smoothed_and_small_pictures_are_not():
    photo, small = np.zeros((400, 300, 3), "uint8"), np.zeros((64, 64, 3), "uint8")
    assert helpers.to_picture(photo, 320).endswith("/photo.png")
    assert helpers.to_picture(small, 320).endswith("/image.png")


def test_translators_are_warmed_up(offer, monkeypatch):
    called = []
    monkeypatch.setattr(sampling, "sample", called.append)
    monkeypatch.setattr(pix2pix, "warm_up", called.append)
    monkeypatch.setattr(cyclegan, "warm_up", called.append)
    monkeypatch.setattr(app.training_images, "read", lambda *args: None)
    monkeypatch.setattr(retrieve, "warm_up", called.append)
    monkeypatch.setattr(boltzmann, "warm_up", lambda: called.append("Boltzmann"))
    monkeypatch.setattr(complete, "warm_up", lambda: called.append("Completion"))
    monkeypatch.setattr(training_live, "warm_up", lambda: called.append("live"))
    app.warm_up()
    pages = ["Boltzmann", "Completion", "live"]
    assert called == [*model_entries.entries(), *pages]
