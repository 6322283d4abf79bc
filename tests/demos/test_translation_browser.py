"""The pages of the translators in a real browser, drawn on with the mouse."""

import time

import numpy as np
import pytest
from PIL import Image

from tests.demos.conftest import (
    DESKTOP_FIRST,
    DESKTOP_ONLY,
    choose,
    see,
    source,
    stroke,
    wait_for_change,
)

sync_api = pytest.importorskip("playwright.sync_api")

SQUARE = [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8), (0.2, 0.2)]
MAX_SECONDS = 10  # From a stroke to its picture; the machine may be busy.


def ink(page):
    """Returns the mean ink on the sheet, from 0 to 1."""
    return page.evaluate(
        """() => {
          const canvas = document.querySelector("#pad canvas");
          const context = canvas.getContext("2d");
          const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
          return 1 - data.reduce((sum, value) => sum + value, 0) / data.length / 255;
        }"""
    )


def wait_for_ink(page, is_enough):
    end = time.monotonic() + 60
    while not is_enough(ink(page)):
        assert time.monotonic() < end, ink(page)
        page.wait_for_timeout(50)


def wait_for_picture(page, before=None):
    """Waits until the translation is another; returns its file."""
    page.wait_for_function(
        """before => {
          const image = document.querySelector("#translation img");
          return image && image.src !== before && image.complete;
        }""",
        arg=before,
    )
    return source(page, "#translation img")


def start_blank(visit):
    page = visit("/pix2pix")
    wait_for_picture(page)
    page.get_by_role("button", name="Clear").click()
    sync_api.expect(page.locator("#translation img")).to_have_count(0)
    assert ink(page) == 0
    return page


def test_the_first_example_is_there_at_once(visit):
    page = visit("/pix2pix")
    wait_for_picture(page)
    assert ink(page) > 0.01
    assert see(page, "#translation").std() > 1
    sync_api.expect(page.locator("#variants img")).to_have_count(4)
    alt = page.locator("#examples img").first.get_attribute("alt")
    assert alt == "face holding back tears"
    assert page.locator("#translation img").get_attribute("alt")


def draw_strokes(page):
    """Returns `None` and the pictures of three strokes, and the seconds of each."""
    pictures, times = [None], []
    for points in (SQUARE, [(0.3, 0.3), (0.7, 0.7)], [(0.7, 0.3), (0.3, 0.7)]):
        stroke(page, points)
        start = time.monotonic()
        pictures.append(wait_for_picture(page, pictures[-1]))
        times.append(time.monotonic() - start)
        sync_api.expect(page.locator("#variants img")).to_have_count(4)
    return pictures, times


@pytest.mark.slow  # Not beside other tests: it is timed.
def test_a_stroke_is_answered_within_a_second(visit):
    _, times = draw_strokes(start_blank(visit))
    assert min(times) < 1, times


def test_strokes_are_translated(visit):
    page = start_blank(visit)
    pictures, times = draw_strokes(page)
    assert max(times) < MAX_SECONDS
    assert len(set(pictures)) == 4
    for selector in ("#translation", "#variants", "#pair"):
        assert see(page, selector).std() > 1, selector


def test_rubbing_out(visit):
    page = start_blank(visit)
    stroke(page, SQUARE)
    drawn, first = ink(page), wait_for_picture(page)
    page.get_by_role("button", name="Eraser").click()
    stroke(page, SQUARE[:2])
    second = wait_for_picture(page, first)
    rest = ink(page)
    assert 0 < rest < 0.9 * drawn
    page.get_by_role("button", name="Undo").click()
    assert wait_for_picture(page, second) == first
    assert ink(page) == drawn
    stroke(page, SQUARE)
    sync_api.expect(page.locator("#translation img")).to_have_count(0)
    assert ink(page) < 1e-3
    page.get_by_role("button", name="Translate").click()
    page.get_by_text("The canvas is blank").wait_for()


def test_an_example_can_be_drawn_on(visit):
    page = start_blank(visit)
    page.locator("#examples .thumbnail-item").nth(4).click()
    before = wait_for_picture(page)
    wait_for_ink(page, lambda value: value > 0.01)
    example = ink(page)
    stroke(page, [(0.05, 0.05), (0.95, 0.05)])
    wait_for_picture(page, before)
    assert ink(page) > example


def save_photo(path, mode="RGB"):
    pixels = np.full((90, 120, 3), 200, "uint8")
    pixels[20:70, 30:90] = (180, 30, 30)
    pixels[30:50, 40:60] = (190, 60, 60)  # Little contrast.
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def test_the_edges_of_a_photo(visit, tmp_path):
    page = start_blank(visit)
    page.locator("input[type=file]").set_input_files(save_photo(tmp_path / "p.png"))
    wait_for_picture(page)
    wait_for_ink(page, lambda value: value > 0)
    lines = ink(page)
    contrast = page.get_by_role("slider", name="Contrast")
    contrast.focus()
    page.keyboard.press("End")
    page.wait_for_timeout(200)
    page.get_by_role("button", name="Draw its edges").click()
    wait_for_ink(page, lambda value: value < lines)


def test_a_model_of_pictures(visit, tmp_path):
    page = visit("/pix2pix")
    first = wait_for_picture(page)
    choose(page, "Pix2Pix, Noto to Twemoji")
    first = wait_for_picture(page, first)
    assert see(page, "#source").std() > 1
    sync_api.expect(page.locator("#pad canvas")).to_be_hidden()
    page.locator("input[type=file]").set_input_files(
        save_photo(tmp_path / "gray.png", "L")
    )
    wait_for_picture(page, first)
    sync_api.expect(page.get_by_text("The image is gray")).to_have_count(1)
    choose(page, "Pix2Pix, drawings to emoji")
    sync_api.expect(page.locator("#pad canvas")).to_be_visible()
    wait_for_ink(page, lambda value: value > 0.01)


def test_new_variants(visit):
    page = visit("/pix2pix")
    wait_for_picture(page)
    see(page, "#variants")
    before = source(page, "#variants img")
    page.get_by_role("button", name="New seed").click()
    wait_for_change(page, "#variants img", before)


def test_the_translation_can_be_downloaded(visit):
    page = visit("/pix2pix")
    wait_for_picture(page)
    with page.expect_download() as download:
        page.locator("#translation").get_by_label("Download").click()
    with Image.open(download.value.path()) as picture:
        assert picture.format == "PNG" and picture.size == (320, 320)


def test_a_circle_there_and_back(visit, tmp_path):
    page = visit("/cyclegan")
    for name in ("#input", "#translation", "#back-again", "#error"):
        assert see(page, name).std() > 1, name
    page.get_by_text("Mean error after the full circle").wait_for()
    before = wait_for_picture(page)
    page.locator("#examples .thumbnail-item").nth(5).click()
    before = wait_for_picture(page, before)
    page.get_by_text("Twemoji → Noto").click()
    before = wait_for_picture(page, before)
    page.locator("input[type=file]").set_input_files(save_photo(tmp_path / "p.png"))
    wait_for_picture(page, before)
    page.get_by_text("at 64×48 pixels").wait_for()
    page.get_by_role("radio", name="128").check()
    page.get_by_text("at 120×90 pixels").wait_for()


@DESKTOP_FIRST
def test_a_photo_has_a_progress_bar(visit, tmp_path):
    page = visit("/cyclegan")
    wait_for_picture(page)
    Image.new("RGB", (600, 600), (90, 160, 70)).save(tmp_path / "p.png")
    page.locator("input[type=file]").set_input_files(tmp_path / "p.png")
    page.get_by_text("at 64×64 pixels").wait_for()
    page.get_by_role("radio", name="512").check()
    page.locator(".progress-bar, .progress-level").first.wait_for()
    page.get_by_text("at 512×512 pixels").wait_for()
    # What takes long waits for the button.
    page.get_by_role("radio", name="1024").check()
    page.get_by_text("Press Translate").wait_for()
    page.get_by_role("button", name="Translate").click()
    page.get_by_text("at 600×600 pixels").wait_for()


def test_a_broken_file_is_explained(visit, tmp_path):
    page = visit("/cyclegan")
    first = wait_for_picture(page)
    (tmp_path / "broken.png").write_bytes(b"no image")
    page.locator("input[type=file]").set_input_files(tmp_path / "broken.png")
    page.get_by_text("could not be read as an image").wait_for()
    assert source(page, "#translation img") == first


@DESKTOP_ONLY
def test_the_keyboard_chooses_a_model(visit):
    page = visit("/pix2pix")
    first = wait_for_picture(page)
    page.get_by_role("combobox", name="Model").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    wait_for_picture(page, first)
    sync_api.expect(page.locator("#pad canvas")).to_be_hidden()
