"""What the pages share: the look, checks of input, pictures."""

import environment  # noqa: F401, I001 (first)

import argparse
import contextlib
import functools
import hashlib
import html
import inspect
import io
import math
import os
import pathlib
import re
import threading
import traceback

import gradio as gr
import model_entries
from gradio.utils import get_upload_folder
from PIL import Image

from gen_keras import image_grids
from gen_keras.datasets import folders

MAX_IMAGES = 64
MAX_UPLOAD = "5mb"
MAX_SIDE = 2048
# All events that run a model share one queue. Two at a time: a slow model does not
# hold up a fast one; each model runs one call at a time. The functions check what
# comes themselves, all of it and in our words.
MODEL_EVENT = {
    "concurrency_id": "models",
    "concurrency_limit": 2,
    "preprocess": False,
}
PRIVATE = {"api_visibility": "private"}
# Events that only move values on the page.
QUIET = {"show_progress": "hidden", "queue": False} | PRIVATE
PAGES = {
    "Sampling": "/",
    "Latent space": "/latent-space",
    "Boltzmann": "/boltzmann",
    "Completion": "/completion",
    "Retrieval": "/retrieval",
    "pix2pix": "/pix2pix",
    "CycleGAN": "/cyclegan",
    "Training, live": "/training-live",
    "About": "/about",
}
# Checks -----------------------------------------------------------------------------


def complain(message):
    """Returns an error that shows as one sentence in the page."""
    return gr.Error(message, print_exception=False)


def to_number(value, what, minimum, maximum):
    """Returns `value` as a float, or raises an error for the page."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not minimum <= value <= maximum:
        raise complain(
            f"{what} must be a number from {minimum:g} to {maximum:g}. "
            f"Received: {shorten(value)}"
        )
    return float(value)


def to_integer(value, what, minimum, maximum):
    """Returns `value` as an integer, or raises an error for the page."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_whole = is_number and math.isfinite(value) and value == int(value)
    if not is_whole or not minimum <= value <= maximum:
        raise complain(
            f"{what} must be a whole number from {minimum} to {maximum}. "
            f"Received: {shorten(value)}"
        )
    return int(value)


def to_rows(numbers, what):
    """Returns the rows (from 0) of samples by their numbers on the page (from 1)."""
    if not isinstance(numbers, list) or not numbers:
        raise complain(f"{what} needs at least one sample: choose its numbers.")
    if len(numbers) > MAX_IMAGES:
        raise complain(f"{what} takes at most {MAX_IMAGES} samples.")
    # The page's checkboxes, and so the API's description, know numbers as texts.
    numbers = [int(i) if str(i).isdecimal() else i for i in numbers]
    return [to_integer(i, f"{what}: the sample", 1, MAX_IMAGES) - 1 for i in numbers]


def to_entry(name, page="Sampling"):
    """Returns the `Entry` of a page called `name`, or raises an error for the page."""
    offered = model_entries.entries_of(page)
    if isinstance(name, str) and name in offered:
        return offered[name]
    if isinstance(name, str) and name in model_entries.missing_presets(page):
        raise complain(f"The file gen_keras/presets/{name}.keras is not there.")
    names = ", ".join(offered) or "none is at hand"
    raise complain(f"The model must be one of: {names}. Received: {shorten(name)}")


def to_strength(entry, value):
    """Returns the truncation or temperature for a model."""
    strength = entry.strength
    if strength is None:
        return 1.0
    what = strength.name.capitalize()
    return to_number(value, what, strength.minimum, strength.maximum)


def to_category(entry, value):
    """Returns the class or category for a model; `None`: it is drawn."""
    if entry.condition is None or value in (None, "any"):
        return None
    value = int(value) if str(value).isdecimal() else value
    return to_integer(value, entry.condition.label, 0, entry.num_categories - 1)


def to_codes(entry, value):
    """Returns the codes for a model, from numbers with commas; `None`: drawn."""
    if not entry.num_codes or value in (None, ""):
        return None
    try:
        codes = [float(number) for number in str(value)[:200].split(",")]
    except ValueError:
        codes = []
    if len(codes) != entry.num_codes:
        raise complain(
            f"Codes must be {entry.num_codes} numbers with commas between them. "
            f"Received: {shorten(value)}"
        )
    return tuple(to_number(code, "A code", -1, 1) for code in codes)


def shorten(value, length=40):
    """Returns `repr(value)`, cut where it gets long."""
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}…"


def guarded(function):
    """Decorates an event: whatever goes wrong is one sentence in the page."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        with _told():
            return function(*args, **kwargs)

    @functools.wraps(function)
    def run_and_yield(*args, **kwargs):
        with _told():
            yield from function(*args, **kwargs)

    return run_and_yield if inspect.isgeneratorfunction(function) else run


@contextlib.contextmanager
def _told():
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        traceback.print_exc()
        raise gr.Error(
            "Something went wrong on the server. Please try other settings.",
            print_exception=False,
        ) from error


# Images -----------------------------------------------------------------------------


def enlarge(image, size=96):
    """Returns a `PIL.Image` of a uint8 image, enlarged to about `size` pixels.

    Each pixel becomes a square of whole pixels: nothing is blurred.
    """
    scale = max(1, round(size / max(image.shape[:2])))
    return image_grids.to_pil(image, scale)


def to_picture(image, size=96):
    """Returns the path of a PNG file of a uint8 image, enlarged by `enlarge`.

    The style sheet smooths "photo.png", which is larger than `size`, where it is shown
    smaller; of any other picture it shows the pixels as squares.
    """
    is_photo = max(image.shape[:2]) > size
    name = "photo.png" if is_photo else "image.png"
    return store_picture(enlarge(image, size), name)


def picture(label, alt_text, buttons=("download",), **options):
    """Returns an output for one picture, PNG unless it is a file."""
    return gr.Image(
        label=label,
        alt_text=alt_text,
        format="png",
        type="pil",
        interactive=False,
        buttons=list(buttons),
        **options,
    )


def gallery(label, elem_classes=(), buttons=(), **options):
    """Returns an output for small pictures."""
    return gr.Gallery(
        label=label,
        format="png",
        allow_preview=False,
        interactive=False,
        height="auto",
        buttons=list(buttons),
        elem_classes=["samples", *elem_classes],
        **options,
    )


def upload(label):
    """Returns an input for a picture of the visitor's."""
    return gr.Image(
        label=label,
        type="filepath",
        format="png",
        sources=["upload"],
        height=200,
        buttons=[],
        elem_classes="drop",
    )


def to_gallery(images, captions, size=96):
    """Returns `(picture, caption)` pairs for a gallery."""
    pictures = [to_picture(image, size) for image in images]
    return list(zip(pictures, captions, strict=True))


def store_picture(picture, name="image.png"):
    """Returns the path of a PNG file of a `PIL.Image`."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return store(buffer.getvalue(), name)


def store(data, name):
    """Returns the path of a file with `data` in Gradio's cache, which is cleaned.

    Gradio's own function writes into a file that someone may just be reading, because
    equal pictures have one path. Ours is renamed when it is complete.
    """
    folder = pathlib.Path(get_upload_folder()) / hashlib.sha256(data).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{threading.get_ident()}.part"
    draft.write_bytes(data)
    return str(draft.replace(folder / name))


def encode_gif(frames, size=256, seconds=0.08):
    """Returns the path of an animation of uint8 frames, there and back."""
    there_and_back = [*frames, *frames[-2:0:-1]]
    first, *rest = [enlarge(frame, size) for frame in there_and_back]
    buffer = io.BytesIO()
    durations = [round(1000 * seconds)] * len(there_and_back)
    durations[0] = durations[len(frames) - 1] = 600  # A rest at both ends.
    first.save(
        buffer, "GIF", save_all=True, append_images=rest, duration=durations, loop=0
    )
    return store(buffer.getvalue(), "walk.gif")


def path_of(payload, what):
    """Returns the path of a file that was sent, or raises an error for the page.

    Args:
        payload: What an event gets for a file, a dict.
        what: String, a sentence: what is needed.
    """
    path = payload.get("path") if isinstance(payload, dict) else None
    if not path:
        raise complain(what)
    return path


def open_upload(file, channels=1, announce=False):
    """Returns an upright, opaque `PIL.Image` from an uploaded file.

    Args:
        file: Path, or a binary file object.
        channels: Integer, 1 (gray) or 3.
        announce: Boolean, whether to say that a gray image became one of colours.

    Raises:
        gr.Error: If it is no image, or larger than allowed.
    """
    try:
        with Image.open(file) as image:
            size, is_gray = image.size, image.mode in ("1", "L", "LA", "I;16", "I", "F")
        if max(size) > MAX_SIDE:
            raise _too_large("{}×{}".format(*size))
        pixels = folders.decode(file, None, channels, "crop")
    except gr.Error:
        raise
    except Image.DecompressionBombError as error:  # Before its size can be asked.
        raise _too_large("far more") from error
    except Exception as error:
        raise complain("The file could not be read as an image.") from error
    if announce and is_gray and channels == 3:
        gr.Info("The image is gray. It was turned to three channels.")
    return image_grids.to_pil(pixels)


def _too_large(received):
    return complain(
        f"The image must be at most {MAX_SIDE}×{MAX_SIDE} pixels. Received: {received}"
    )


# Look -------------------------------------------------------------------------------

_INK, _ACCENT = gr.themes.colors.zinc, gr.themes.colors.indigo
_SANS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
THEME = gr.themes.Base(
    primary_hue=_ACCENT,
    neutral_hue=_INK,
    radius_size=gr.themes.sizes.radius_md,
    # Fonts of the system: nothing is fetched.
    font=[gr.themes.Font(name) for name in _SANS],
    font_mono=[gr.themes.Font(name) for name in _MONO],
).set(
    body_background_fill="#ffffff",
    body_background_fill_dark="#111114",
    body_text_color="*neutral_800",
    block_background_fill="transparent",
    block_background_fill_dark="transparent",
    block_border_width="0px",
    block_shadow="none",
    block_label_background_fill="transparent",
    block_label_background_fill_dark="transparent",
    block_title_text_weight="500",
    block_info_text_color="*neutral_500",
    block_info_text_color_dark="*neutral_400",
    input_border_width="1px",
    input_background_fill="#ffffff",
    input_background_fill_dark="#1a1a1f",
    input_border_color="*neutral_300",
    input_border_color_dark="*neutral_700",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_dark="*primary_500",
    button_primary_background_fill_hover_dark="*primary_600",
    button_primary_text_color="#ffffff",
    button_secondary_background_fill="transparent",
    button_secondary_background_fill_dark="transparent",
    button_secondary_border_color="*neutral_300",
    button_secondary_border_color_dark="*neutral_700",
    button_border_width="1px",
    button_large_text_weight="500",
    slider_color="*primary_700",
    slider_color_dark="*primary_400",
)
CSS = (pathlib.Path(__file__).parent / "style.css").read_text("utf-8")
_MARK = "110 011 101"  # A small grid of pixels.


def _mark():
    squares = "".join(
        f'<rect x="{6 * x}" y="{6 * y}" width="5" height="5" rx="1" '
        f'opacity="{1 if pixel == "1" else 0.25}"/>'
        for y, row in enumerate(_MARK.split())
        for x, pixel in enumerate(row)
    )
    return (
        f'<svg viewBox="0 0 17 17" width="22" height="22" aria-hidden="true" '
        f'fill="currentColor">{squares}</svg>'
    )


def header(current, pages=PAGES):
    """Adds the head of a page: the name of the product and the way to its pages.

    Args:
        current: String, the name of this page.
        pages: Dict of names and paths.
    """
    links = "".join(
        # Relative: an app may live below the root of its host.
        f'<a href=".{path}"{" aria-current=page" if name == current else ""}>'
        f"{html.escape(name)}</a>"
        for name, path in pages.items()
    )
    gr.HTML(
        f'<div class="site-header"><a class="brand" href="./">{_mark()}'
        f"<span>gen_keras</span></a>"
        f'<nav aria-label="Pages">{links if len(pages) > 1 else ""}</nav></div>',
        elem_classes="bare",
    )


def footer():
    """Adds the foot of a page: where the data come from."""
    gr.HTML(f'<div class="site-footer">{CREDITS}</div>', elem_classes="bare")


def title(text, lead):
    """Adds the heading of a page and the sentence below it."""
    gr.HTML(
        f'<div class="title"><h1>{html.escape(text)}</h1>'
        f"<p>{html.escape(lead)}</p></div>",
        elem_classes="bare",
    )


def note(text):
    """Adds a paragraph that stands out; nothing if `text` is empty."""
    if text:
        text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
        gr.HTML(f'<p class="note" role="note">{text}</p>', elem_classes="bare")


CREDITS = """
<p>Emoji by <a href="https://github.com/jdecked/twemoji">Twemoji</a>, © Twitter and
other contributors, <a href="https://creativecommons.org/licenses/by/4.0/">CC BY
4.0</a>, and by <a href="https://github.com/googlefonts/noto-emoji">Noto Emoji</a>,
© Google, <a href="https://www.apache.org/licenses/LICENSE-2.0">Apache-2.0</a>.
Digits from <a href="https://yann.lecun.org/exdb/mnist/">MNIST</a>, Y. LeCun,
C. Cortes, C. Burges, <a href="https://creativecommons.org/licenses/by-sa/3.0/">CC
BY-SA 3.0</a>.</p>
"""

# Server -----------------------------------------------------------------------------


def assemble(pages):
    """Returns one app of several pages.

    Args:
        pages: Dict of names, as in `PAGES`, and `gr.Blocks`. The first is the home.
    """
    paths = {name: PAGES[name] for name in pages} if len(pages) > 1 else {}
    (home, first), *others = pages.items()
    # Pictures that were sent are kept for an hour at most two.
    with gr.Blocks(title="gen_keras", delete_cache=(3600, 3600)) as app:
        _fill(home, first, paths)
    for name, page in others:
        # Gradio's own list of pages stays empty: ours stands in the header.
        with app.route(name, PAGES[name], show_in_navbar=False):
            _fill(name, page, paths)
    return app


def _fill(name, page, paths):
    header(name, paths)
    page.render()
    footer()


def launch(app, host="127.0.0.1", port=7860, **options):
    """Starts the server, with its limits."""
    app.queue(max_size=64, default_concurrency_limit=4)
    return app.launch(
        server_name=host,
        server_port=port,
        theme=THEME,
        css=CSS,
        footer_links=["api"],
        max_file_size=MAX_UPLOAD,
        enable_monitoring=False,
        state_session_capacity=1000,
        ssr_mode=False,
        share=False,
        favicon_path=pathlib.Path(__file__).parent / "favicon.svg",
        **options,
    )


def argument_parser(description):
    """Returns a parser with the options of every page."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--host",
        default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        help="address to listen on (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=int(os.environ.get("GRADIO_SERVER_PORT", 7860)),
        help="port to listen on (default: %(default)s)",
    )
    return parser


def serve_page(name, page):
    """Runs one page alone."""
    args = argument_parser(f"gen_keras: {name}").parse_args()
    launch(assemble({name: page}), args.host, args.port)
