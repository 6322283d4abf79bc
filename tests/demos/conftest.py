"""One running app for all tests of the demos, and a browser to look at it."""

import contextlib
import io
import os
import pathlib
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "demos"))  # Pages import each other by plain names.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
# Marks for a test: a phone has no keyboard, or what takes long is alike there.
DESKTOP_ONLY = pytest.mark.parametrize("visit", ["desktop"], indirect=True)
DESKTOP_FIRST = pytest.mark.parametrize(
    "visit", ["desktop", pytest.param("phone", marks=pytest.mark.slow)], indirect=True
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT = 60_000  # Milliseconds; the machine may be busy.
MARK = "Shown by the copy under test."
UNTRAINED = """
[{}]
model = "DCGAN"
dataset = "emoji"
title = "DCGAN, emoji"
description = "Not trained."
paper = ""
url = ""
training = ""
license = "CC BY 4.0"
"""


def make_untrained(name):
    """Returns a model of the shape of a preset."""
    from gen_keras import models

    if name == "dcgan_mnist":
        return models.DCGAN((28, 28, 1), base_filters=16, seed=1)
    if name == "dcgan_emoji":
        return models.DCGAN((64, 64, 3), base_filters=16, seed=1)
    if name.startswith("pix2pix"):
        channels = 1 if "edges" in name else 3
        return models.Pix2Pix(
            (64, 64, 3), channels, receptive_field=34, base_filters=8, seed=1
        )
    if name.startswith("cyclegan"):
        return models.CycleGAN(
            (64, 64, 3), receptive_field=34, base_filters=8, pool_size=0, seed=1
        )
    if name == "rbm_mnist":
        return models.RBM((28, 28, 1), seed=1)
    return models.VAE(latent_dim=2 if name == "vae_mnist_2d" else 50, seed=1)


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A copy of the project; presets that are not trained yet are untrained models."""
    import spaces

    from gen_keras import presets

    root = tmp_path_factory.mktemp("project")
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("gen_keras", "demos"):
        shutil.copytree(ROOT / folder, root / folder, ignore=ignore)
    shutil.copy(ROOT / "Spacefile", root)
    table = root / "gen_keras/presets/presets.toml"
    first = 'description = "'
    table.write_text(table.read_text().replace(first, f"{first}{MARK} ", 1))
    for name in spaces.read_spacefile(root)["space"][0]["presets"]:
        path = root / f"gen_keras/presets/{name}.keras"
        if not path.is_file():
            make_untrained(name).save(path)
        if name not in presets.table():
            with table.open("a") as file:
                file.write(UNTRAINED.format(name))
    return root


@pytest.fixture(scope="session")
def space(project, tmp_path_factory):
    """The folder of a built Space."""
    import spaces

    manifest = spaces.read_spacefile(project)
    out = tmp_path_factory.mktemp("built") / "space"
    return spaces.build(manifest, "gen-keras", out, project)


@pytest.fixture(scope="session")
def server(space, tmp_path_factory):
    """The started app; `server.url` is its address."""
    import spaces

    # Its pictures are deleted with the other files of the tests.
    os.environ["GRADIO_TEMP_DIR"] = str(tmp_path_factory.mktemp("gradio"))
    server = spaces.running(space, "demos/app.py", timeout=240)
    with server as url:
        server.url = url
        yield server


@pytest.fixture(scope="session")
def client(server):
    """A client of the app."""
    import gradio_client

    folder = os.environ["GRADIO_TEMP_DIR"]
    return gradio_client.Client(server.url, verbose=False, download_files=folder)


@pytest.fixture
def offer(tmp_path):
    """Returns a function that offers a model, as `--model` does."""
    import latent_space
    import model_entries

    before = dict(model_entries.entries())

    def offer(model, dataset=None):
        path = tmp_path / "mine.keras"
        model.save(path)
        model_entries.add_model(path, dataset)
        latent_space.draw_plane.cache_clear()
        return model_entries.entries()["own"]

    yield offer
    model_entries.entries().clear()
    model_entries.entries().update(before)
    latent_space.draw_plane.cache_clear()


def read(path):
    """Returns the pixels of an image file."""
    return np.asarray(Image.open(path))


def complaint(client, api_name, *args):
    """Returns the message of a call that is refused."""
    import gradio_client

    with pytest.raises(gradio_client.exceptions.AppError) as error:
        client.predict(*args, api_name=api_name)
    return str(error.value)


# Browser -----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser():
    """A browser; its tests are skipped if there is none."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        path = path or playwright.chromium.executable_path
        if not pathlib.Path(path).is_file():
            pytest.skip("no Chromium: install Debian's `chromium`, or set CHROMIUM")
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def contexts(browser):
    """A window of each size; the pages in it share the files that they load."""
    contexts = {size: open_context(browser, size) for size in SIZES}
    yield contexts
    for context in contexts.values():
        context.close()


def open_context(browser, size):
    width, height = SIZES[size]
    return browser.new_context(
        viewport={"width": width, "height": height}, has_touch=width < 500
    )


@pytest.fixture(params=SIZES)
def visit(request, contexts, server):
    """Returns a function that opens a page; checks what all pages promise."""
    with visit_at(contexts[request.param], server.url) as visit:
        yield visit


@contextlib.contextmanager
def visit_at(context, url):
    """Gives the function of `visit` for an app at an address."""
    page = context.new_page()
    page.set_default_timeout(WAIT)
    errors, foreign = [], []
    page.on("console", lambda m: m.type == "error" and errors.append(m.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    ours = (url, url.replace("http", "ws"), "data:", "blob:")
    page.on("request", lambda r: r.url.startswith(ours) or foreign.append(r.url))

    def visit(path):
        page.goto(f"{url}{path}")
        page.wait_for_selector("h1")
        return page

    try:
        yield visit
        overflow = page.evaluate("document.documentElement.scrollWidth")
        width = page.viewport_size["width"]
        page.evaluate("localStorage.clear()")  # The next visitor is another.
    finally:
        for each in context.pages:
            each.close()
    assert errors == []
    assert foreign == []
    assert overflow <= width


def stroke(page, points, selector="#pad"):
    """Draws a line with the mouse on a sheet.

    Args:
        page: Page of the browser.
        points: Pairs of numbers, places as shares of the sheet's sides.
        selector: String, what the sheet is in.
    """
    canvas = page.locator(f"{selector} canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    places = [
        (box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in points
    ]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def see(page, selector):
    """Returns the pixels of an element once its pictures are loaded."""
    page.wait_for_function(
        """selector => {
          const images = [...document.querySelectorAll(selector + ' img')];
          images.forEach(image => image.scrollIntoView({block: 'nearest'}));
          return images.length && images.every(i => i.complete && i.naturalWidth);
        }""",
        arg=selector,
    )
    png = page.locator(selector).first.screenshot()
    return np.asarray(Image.open(io.BytesIO(png)).convert("L"), "float32")


def choose(page, title):
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name=title, exact=True).click()


def source(page, selector):
    return page.locator(selector).first.get_attribute("src")


def wait_for_change(page, selector, before):
    page.wait_for_function(
        "([selector, before]) => document.querySelector(selector)?.src !== before",
        arg=[selector, before],
    )
