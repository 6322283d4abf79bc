"""What the pages share: the look, the models, checks of input, images."""

import argparse
import contextlib
import ctypes
import dataclasses
import functools
import hashlib
import html
import inspect
import io
import json
import math
import os
import pathlib
import re
import sys
import threading
import traceback
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A Space starts a page from a checkout, where the package is not installed.
sys.path.insert(0, str(ROOT))
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# By default glibc gives each thread a heap of its own, and what is freed in one cannot
# be used by another: with many visitors memory grew by 300 MB. Two heaps stay flat.
M_ARENA_MAX = -8  # Of malloc.h.
with contextlib.suppress(OSError, AttributeError):  # Another C library.
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)

import gradio as gr  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
from gradio.utils import get_upload_folder  # noqa: E402
from keras import ops  # noqa: E402
from PIL import Image  # noqa: E402

from gen_keras import datasets, image_grids, models, presets  # noqa: E402
from gen_keras.datasets import folders  # noqa: E402
from gen_keras.models.base import GenerativeModel, Translator  # noqa: E402

MAX_IMAGES = 64
MAX_SEED = 2**31 - 1
MAX_UPLOAD = "5mb"
MAX_SIDE = 2048
# Images are drawn in blocks of this size, so that image 5 of a seed is the same
# whether 6 or 60 are asked for, and so that a compiled sampler sees one shape.
BLOCK = 16
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
    "pix2pix": "/pix2pix",
    "CycleGAN": "/cyclegan",
    "About": "/about",
}

# Models -----------------------------------------------------------------------------


@dataclasses.dataclass
class Entry:
    """A model that can be chosen: a preset, or one that the server's owner names.

    Attributes:
        name: String, as in the API.
        path: Path of the `.keras` file.
        title: String, as on the pages.
        model_class: String, "DCGAN".
        config: Dict, the arguments of the model, read without loading it.
        dataset: String or `None`, the name of its training data.
        page: String in `PAGES`, where it is offered.
    """

    name: str
    path: pathlib.Path
    title: str
    model_class: str
    config: dict
    dataset: str | None
    page: str = "Sampling"
    lock: threading.RLock = dataclasses.field(default_factory=threading.RLock)

    @functools.cached_property
    def model(self):
        """The loaded model; one for all users."""
        return presets.load(str(self.path))

    @property
    def image_shape(self):
        """Height, width and channels, or `None`."""
        shape = self.config.get("image_shape") or self.config.get("visible_shape")
        return tuple(shape) if shape else None

    @property
    def input_shape(self):
        """Height, width and channels of what a translator takes."""
        height, width, channels = self.image_shape
        return height, width, self.config.get("input_channels") or channels

    @property
    def options(self):
        """Names of the arguments of `sample`, such as "truncation"."""
        return set(inspect.signature(type(self.model).sample).parameters)

    @property
    def has_latents(self):
        """Whether there are latents to walk between."""
        return hasattr(self.model, "sample_latents")

    def draw(self, indices, seed, strength=1.0, gibbs_steps=200):
        """Returns `(images, latents)` of the samples at `indices`.

        Args:
            indices: List of integers. Sample i depends on the seed, not on how many
                are drawn; the first 16 are those of `model.sample(16, seed)`.
            seed: Integer.
            strength: Float, the truncation or temperature.
            gibbs_steps: Integer, for models that sample by a Markov chain.

        Returns:
            uint8 images (len(indices), height, width, channels); latents
            (len(indices), latent_dim), or `None`.
        """
        arguments = seed, strength, gibbs_steps
        blocks = {i // BLOCK for i in indices}
        drawn = {block: self._draw_block(block, *arguments) for block in blocks}
        parts = zip(*(drawn[block] for block in sorted(blocks)), strict=True)
        images, latents = parts
        rows = [sorted(blocks).index(i // BLOCK) * BLOCK + i % BLOCK for i in indices]
        images = np.concatenate(images)[rows]
        return images, np.concatenate(latents)[rows] if self.has_latents else None

    def decode(self, latents):
        """Returns the uint8 images of latents (n, latent_dim)."""
        with self.lock:
            return self.to_uint8(self.model.decode(np.asarray(latents, "float32")))

    def to_uint8(self, images):
        """Returns uint8 images of a tensor in the value range of the model."""
        images = ops.convert_to_numpy(images)
        return image_grids.to_uint8(images, self.model.value_range)

    def _draw_block(self, block, seed, strength, gibbs_steps):
        key = (block, seed, strength, gibbs_steps)
        with self.lock:
            if key not in self._blocks:
                while len(self._blocks) >= 32:
                    self._blocks.pop(next(iter(self._blocks)))
                self._blocks[key] = self._sample_block(*key)
            return self._blocks[key]

    @functools.cached_property
    def _blocks(self):
        return {}

    def _sample_block(self, block, seed, strength, gibbs_steps):
        seed += block * (MAX_SEED + 1)  # No other seed of a user is as large.
        if self.has_latents:
            latents = ops.convert_to_numpy(
                self.model.sample_latents(BLOCK, seed, strength)
            )
            return self.decode(latents), latents
        options = {"gibbs_steps": gibbs_steps, "probabilities": True}
        options = {k: v for k, v in options.items() if k in self.options}
        options |= {self.strength.name: strength} if self.strength else {}
        return self.to_uint8(self.model.sample(BLOCK, seed, **options)), None

    @property
    def strength(self):
        """The `Strength` of this model, or `None`."""
        for strength in STRENGTHS:
            if strength.name in self.options:
                return strength
        return None


@dataclasses.dataclass(frozen=True)
class Strength:
    """An argument of `sample` that trades variety for typical samples."""

    name: str
    minimum: float
    maximum: float
    info: str


STRENGTHS = (
    Strength("truncation", 0.1, 1.0, "Latents stay within ± this. Less: less varied."),
    Strength("temperature", 0.1, 2.0, "Less than 1: more typical. More: wilder."),
)


def read_entry(path, name=None, dataset=None):
    """Returns the `Entry` of a `.keras` file, read without loading its weights.

    Raises:
        ValueError: If there is no such file, or it holds no model of this package.
    """
    path = pathlib.Path(path)
    try:
        with zipfile.ZipFile(path) as file:
            saved = json.loads(file.read("config.json"))
        model_class = keras.saving.get_registered_object(saved["registered_name"])
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"The model must be a .keras file that can be read. Received: {path} "
            f"({error})"
        ) from error
    if not (inspect.isclass(model_class) and issubclass(model_class, GenerativeModel)):
        raise ValueError(
            "The model must be one of gen_keras, saved whole by `model.save`. "
            f"Received: {path} (it holds a {saved['class_name']})"
        )
    row = presets.table().get(name, {})
    return Entry(
        name=name or "own",
        path=path,
        title=row.get("title", f"Your model: {path.name}"),
        model_class=saved["class_name"],
        config=saved["config"],
        dataset=row.get("dataset", dataset),
        page=page_of(model_class),
    )


def page_of(model_class):
    """Returns the name of the page that offers models of a class."""
    if not issubclass(model_class, Translator):
        return "Sampling"
    return "CycleGAN" if hasattr(model_class, "reconstruct") else "pix2pix"


def add_model(path, dataset=None):
    """Offers a model of the server's owner, before the presets.

    Args:
        path: Path of a `.keras` file. It is loaded, so it must be one you trust.
        dataset: String or `None`, its training data as for `datasets.load`. By
            default the shipped data of its image shape; a translator needs them only
            for examples.

    Raises:
        ValueError: If there is no such file, or its model draws no images.
    """
    entry = read_entry(path, dataset=dataset)
    if len(entry.image_shape or ()) != 3:
        raise ValueError(
            "The model must draw images (height, width, channels). "
            f"Received: {path} (it draws {entry.image_shape})"
        )
    entry.dataset = dataset or _shipped_dataset(entry)
    others = {name: e for name, e in entries().items() if name != "own"}
    entries().clear()
    entries().update({"own": entry} | others)


def _shipped_dataset(entry):
    if entry.page == "Sampling":
        by_shape = {(28, 28, 1): "mnist", (64, 64, 3): "emoji"}
        return by_shape.get(entry.image_shape)
    by_channels = {1: "emoji_edges", 3: "emoji_vendors"}
    return by_channels.get(entry.input_shape[-1])


def entries_of(page):
    """Returns a dict of the models that a page offers: name to `Entry`."""
    return {name: entry for name, entry in entries().items() if entry.page == page}


def choices_of(page):
    """Returns the models of a page as a menu takes them: (title, name) of each."""
    return [(entry.title, name) for name, entry in entries_of(page).items()]


@functools.cache
def entries():
    """Returns a dict of the models at hand: name to `Entry`."""
    return {
        name: read_entry(presets.path(name), name)
        for name in presets.table()
        if presets.path(name).is_file()
    }


def missing_presets(page="Sampling"):
    """Returns the names of the presets of a page whose file is not there."""
    return [
        name
        for name, row in presets.table().items()
        if page_of(getattr(models, row["model"])) == page
        and not presets.path(name).is_file()
    ]


def missing_note(page="Sampling"):
    """Returns a sentence about presets whose file is not there, or ""."""
    names = missing_presets(page)
    if not names:
        return ""
    which = ", ".join(f"`{name}`" for name in names)
    files = "files are" if len(names) > 1 else "file is"
    return (
        f"Not to choose from, because the {files} not in `gen_keras/presets`: {which}."
    )


# Training images --------------------------------------------------------------------


class TrainingImages:
    """All training images as bytes, to search the nearest of an image.

    Args:
        name: String, a data set as for `datasets.load`.
        image_shape: Tuple, height, width and channels to which the images of a folder
            are brought; `None` takes them as they are.
    """

    def __init__(self, name, image_shape=None):
        options = {}
        if image_shape:
            options = {"image_size": image_shape[:2], "channels": image_shape[2]}
        train = datasets.load(name, split="train", **options)
        self.image_shape = tuple(train.image_shape)
        self.rows = _to_bytes(train)
        self.squares = np.concatenate(
            [np.square(part, dtype="float32").sum(axis=1) for part in self._parts()]
        )
        self.reference = self._measure_unseen(name, options)

    def nearest(self, image, count=5):
        """Returns `(images, distances)` of the training images nearest to `image`.

        Args:
            image: uint8 array (height, width, channels).
            count: Integer.

        Returns:
            uint8 images, and root mean square differences of pixels in [0, 1].
        """
        query = image.reshape(1, -1).astype("float32")
        order = np.argsort(self._squared_distances(query)[0])[:count]
        difference = (self.rows[order] - query) / 255
        distances = np.sqrt(np.square(difference).mean(axis=1))
        return self.rows[order].reshape(-1, *self.image_shape), distances

    def _measure_unseen(self, name, options):
        # How far real images that no model was trained on lie from the nearest one.
        try:
            unseen = datasets.load(name, split="validation", **options)
        except FileNotFoundError:  # A small folder may have no such images.
            return None
        if not len(unseen):
            return None
        queries = _to_bytes(unseen.take(min(100, len(unseen)))).astype("float32")
        squared = self._squared_distances(queries).min(axis=1)
        return np.sort(np.sqrt(squared.clip(0) / queries.shape[1]) / 255)

    def _squared_distances(self, queries):
        products = np.concatenate(
            [queries @ part.astype("float32").T for part in self._parts()], axis=1
        )
        return self.squares - 2 * products + np.square(queries).sum(axis=1)[:, None]

    def _parts(self, size=5000):
        return (self.rows[i : i + size] for i in range(0, len(self.rows), size))


def _to_bytes(dataset, size=5000):
    low, high = dataset.value_range
    parts = [
        np.rint((dataset[np.arange(i, min(i + size, len(dataset)))] - low) * 255)
        for i in range(0, len(dataset), size)
    ]
    rows = np.concatenate([(part / (high - low)).astype("uint8") for part in parts])
    return rows.reshape(len(rows), -1)


_training_lock = threading.Lock()


@functools.cache
def _training_images(*args):
    return TrainingImages(*args)


def training_images(name, image_shape=None):
    """Returns the `TrainingImages` of a data set, read once.

    Args:
        name: String, see `TrainingImages`.
        image_shape: Tuple or `None`, used for a folder only: other data have a shape.
    """
    is_folder = name.startswith("folder:")
    with _training_lock:
        return _training_images(name, image_shape if is_folder else None)


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
    offered = entries_of(page)
    if isinstance(name, str) and name in offered:
        return offered[name]
    if isinstance(name, str) and name in missing_presets(page):
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


def shorten(value, length=40):
    """Returns `repr(value)`, cut where it gets long."""
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}…"


def guarded(function):
    """Decorates an event: whatever goes wrong is one sentence in the page."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except gr.Error:
            raise
        except Exception as error:
            traceback.print_exc()
            raise gr.Error(
                "Something went wrong on the server. Please try other settings.",
                print_exception=False,
            ) from error

    return run


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
