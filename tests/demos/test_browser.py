"""The demos in a real browser, as a visitor on a desktop and on a phone sees them."""

import io

import numpy as np
import pytest
from PIL import Image

from gen_keras import presets
from tests.demos.conftest import (
    DESKTOP_ONLY,
    MARK,
    choose,
    see,
    source,
    stroke,
    wait_for_change,
)

sync_api = pytest.importorskip("playwright.sync_api")


def test_samples_are_there_at_once_and_change(visit):
    page = visit("/")
    assert see(page, "#samples").std() > 1
    assert page.locator("#samples img").count() == 16
    before = source(page, "#samples img")
    page.get_by_role("button", name="New seed").click()
    wait_for_change(page, "#samples img", before)
    assert page.get_by_label("Seed").input_value() != "0"
    images = page.locator("#samples img")
    assert images.first.get_attribute("alt").startswith("1 · DCGAN")


def test_controls_follow_the_model(visit):
    page = visit("/")
    page.get_by_text("Truncation").first.wait_for()
    before = source(page, "#samples img")
    choose(page, "VAE, digits")
    page.get_by_text("Temperature").first.wait_for()
    wait_for_change(page, "#samples img", before)
    choose(page, "RBM, digits")
    page.get_by_text("Gibbs steps").first.wait_for()
    page.get_by_text("This RBM has no latents").first.wait_for()
    page.get_by_role("tab", name="Arithmetic").click()
    page.get_by_text("This RBM has no latents").last.wait_for()


def test_two_clicks_walk(visit):
    page = visit("/")
    see(page, "#samples")
    tiles = page.locator("#samples .thumbnail-item")
    tiles.nth(2).click()
    sync_api.expect(page.get_by_label("Start")).to_have_value("3")
    tiles.nth(7).click()
    sync_api.expect(page.get_by_label("End")).to_have_value("8")
    walk = page.locator("img[alt^='Animation']")
    walk.wait_for()
    assert walk.get_attribute("src").endswith(".gif")
    assert see(page, ".crisp:has(img[alt^='Images on the way'])").std() > 1


def test_clicks_calculate(visit):
    page = visit("/")
    see(page, "#samples")
    page.get_by_role("tab", name="Arithmetic").click()
    tiles = page.locator("#samples .thumbnail-item")
    for group, numbers in (("A", (1, 2)), ("B", (3,)), ("C", (4,))):
        page.get_by_role("radio", name=group, exact=True).check()
        page.wait_for_timeout(300)
        for number in numbers:
            tiles.nth(number - 1).click()
            chip = page.locator(".token", has_text=str(number)).first
            chip.wait_for()
    page.get_by_text("= A − B + C").wait_for()


def test_one_click_compares(visit):
    page = visit("/")
    see(page, "#samples")
    page.get_by_role("tab", name="Is it a copy?").click()
    page.wait_for_timeout(500)
    page.locator("#samples .thumbnail-item").nth(4).click()
    page.get_by_text("Distance to the nearest training image").wait_for()
    sync_api.expect(page.get_by_label("Sample", exact=True)).to_have_value("5")


def test_a_mistake_is_explained_on_the_page(visit):
    page = visit("/")
    see(page, "#samples")
    page.get_by_label("Seed").fill("-5")
    page.get_by_role("button", name="Sample", exact=True).click()
    page.get_by_text("Seed must be a whole number from 0 to 2147483647").wait_for()
    assert page.locator("#samples img").count() == 16


@DESKTOP_ONLY
def test_the_keyboard_is_enough(visit):
    page = visit("/")
    see(page, "#samples")
    before = source(page, "#samples img")
    page.get_by_label("Seed").focus()
    page.keyboard.type("12")
    page.keyboard.press("Tab")  # To "New seed", on the way down the page.
    focused = page.evaluate("document.activeElement.textContent.trim()")
    assert focused == "New seed"
    page.keyboard.press("Enter")
    wait_for_change(page, "#samples img", before)


def test_a_click_on_the_plane_decodes(visit):
    page = visit("/latent-space")
    see(page, "#plane")
    before = source(page, "#plane img")
    box = page.locator("#plane img").bounding_box()
    page.locator("#plane img").click(
        position={"x": box["width"] * 0.9, "y": box["height"] * 0.2}
    )
    wait_for_change(page, "#plane img", before)
    values = [
        float(page.get_by_label(f"number input for {name} latent").input_value())
        for name in ("First", "Second")
    ]
    assert values[0] == pytest.approx(1.28, abs=0.05)
    assert values[1] == pytest.approx(0.84, abs=0.05)
    assert see(page, "#plane").std() > 0.1


def test_a_drawing_lands_on_the_plane(visit):
    page = visit("/latent-space")
    see(page, "#plane")
    page.get_by_role("tab", name="Encode a digit").click()
    stroke(page, [(0.3, 0.25), (0.7, 0.25), (0.45, 0.8)])
    page.get_by_text("It lands at").wait_for()
    assert see(page, ".crisp:has(img[alt^='The digit'])").std() > 20


def test_a_real_digit_lands_on_the_plane(visit):
    page = visit("/latent-space")
    see(page, "#plane")
    page.get_by_role("tab", name="Encode a digit").click()
    page.get_by_role("radio", name="7", exact=True).check()
    page.get_by_text("It lands at").wait_for()


def test_a_digit_comes_back(visit):
    page = visit("/")
    see(page, "#samples")
    choose(page, "VAE, digits")
    page.get_by_role("tab", name="Reconstruct").click()
    page.get_by_role("radio", name="7", exact=True).check()
    page.get_by_text("The pixels differ by").wait_for()
    assert see(page, ".crisp:has(img[alt^='The image that is decoded'])").std() > 1
    choose(page, "DCGAN, digits")  # It has no encoder: the first tool is open.
    page.get_by_text("Click two samples above").wait_for()


def test_about_shows_the_package_and_its_data(visit):
    page = visit("/about")
    tree = page.get_by_role("img", name="Tree of generative models")
    png = tree.screenshot()
    assert np.asarray(Image.open(io.BytesIO(png)).convert("L")).std() > 5
    for name in ("DCGAN", "VAE", "RBM"):
        page.get_by_role("heading", name=name, exact=True).wait_for()
    for words in ("Twemoji", "CC BY 4.0", "Noto Emoji", "CC BY-SA 3.0", MARK):
        assert page.get_by_text(words).count() > 0, words
    assert page.locator(".card").count() == len(presets.table())
    page.get_by_role("link", name="Latent space").first.click()
    page.get_by_role("heading", name="Latent space").wait_for()
