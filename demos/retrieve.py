"""Retrieval: the images most like one, by codes of a few bits."""

import functools
import pathlib
import time

import digits
import gradio as gr
import gradio_helpers as helpers
import model_entries
import numpy as np
import training_images
import translation

from gen_keras import HammingIndex, datasets
from gen_keras.datasets.loading import SPLITS
from gen_keras.datasets.shipped import VENDORS

PAGE = "Retrieval"
PRESET = "dbn_hash_mnist"
# Codes of all emoji by an autoencoder that is not shipped, see
# `training/make_emoji_codes.py`.
EMOJI_CODES = pathlib.Path(__file__).parent / "emoji_codes.npz"
NUM_FOUND = 8
NUM_PICKED = 24  # Emoji to pick from, beside the menu of all.

# What is searched -------------------------------------------------------------------


class Collection(training_images.PixelRows):
    """Images with their codes.

    Args:
        rows: uint8 array (num_images, num_pixels).
        image_shape: Tuple (height, width, channels).
        codes: Array (num_images, num_bits) of 0 and 1.
        captions: List of strings.
    """

    def __init__(self, rows, image_shape, codes, captions):
        super().__init__(rows)
        self.image_shape, self.codes, self.captions = image_shape, codes, captions
        self.index = HammingIndex(codes)

    def search(self, code, skip=None):
        """Returns the images nearest to a code: indices, distances, milliseconds.

        Args:
            code: Array (num_bits,).
            skip: Integer or `None`, an image that is not to be found.
        """
        start = time.perf_counter()
        found, distances = self.index.search(code[None], NUM_FOUND + 1)
        milliseconds = 1000 * (time.perf_counter() - start)
        kept = np.flatnonzero(found[0] != skip)[:NUM_FOUND]
        return found[0][kept], distances[0][kept], milliseconds

    def picture(self, i):
        """Returns image `i`, uint8 (height, width, channels)."""
        return self.rows[i].reshape(self.image_shape)


def find_entry():
    """Returns the model of this page: the owner's, if there is one."""
    offered = model_entries.entries_of(PAGE)
    return offered.get("own") or offered.get(PRESET)


def to_entry():
    """Returns the model of this page, or raises an error for the page."""
    entry = find_entry()
    if entry is None:
        raise helpers.complain(f"The file gen_keras/presets/{PRESET}.keras is missing.")
    return entry


@functools.cache
def read_images(name):
    """Returns the `Collection` of the training images of a model."""
    entry = model_entries.entries_of(PAGE)[name]
    images = training_images.read(entry.dataset, entry.image_shape)
    codes = encode(entry, images.rows.reshape(-1, *images.image_shape))
    captions = _describe(entry)
    return Collection(images.rows, images.image_shape, codes, captions)


def _describe(entry):
    """Returns a word about each training image: its class, if it has one."""
    options = {}
    if entry.dataset.startswith("folder:"):
        size, channels = entry.image_shape[:2], entry.image_shape[2]
        options = {"image_size": size, "channels": channels}
    data = datasets.load(entry.dataset, "train", **options)
    if data.labels is None:
        return len(data) * ["image"]
    names = data.label_names or list(map(str, range(int(data.labels.max()) + 1)))
    return [names[label] for label in data.labels]


@functools.cache
def read_emoji():
    """Returns the `Collection` of all emoji by both vendors, and their names."""
    splits = [
        datasets.load("emoji", split, vendor=vendor)
        for vendor in VENDORS
        for split in SPLITS
    ]
    rows = np.concatenate([to_bytes(split.images) for split in splits])
    words = [name.replace("_", " ") for split in splits for name in split.example_names]
    half = len(words) // 2
    captions = [
        f"{name}, {vendor.capitalize()}"
        for vendor, names in zip(VENDORS, (words[:half], words[half:]), strict=True)
        for name in names
    ]
    codes = np.load(EMOJI_CODES)["codes"]
    return Collection(rows, splits[0].image_shape, codes, captions)


def to_bytes(images):
    """Returns images in [0, 1] as uint8 rows."""
    return np.rint(255 * images).astype("uint8").reshape(len(images), -1)


def encode(entry, pixels):
    """Returns the codes of uint8 pixels (num_images, height, width, channels)."""
    with entry.lock:
        return entry.model.encode(pixels.astype("float32") / 255)


def has_emoji():
    """Returns whether there are codes of emoji."""
    return EMOJI_CODES.is_file()


# API --------------------------------------------------------------------------------


@helpers.guarded
def find_similar(image):
    """Finds the training images whose codes differ least from that of a picture.

    Args:
        image: File of an image, at most 5 MB and 2048 × 2048 pixels: one digit, dark
            on light or light on dark.

    Returns:
        What the model sees, enlarged; its code, as HTML; the eight images that are
        nearest by code, with their classes and distances in bits; the eight nearest by
        pixels; and how long both searches took, as text.
    """
    path = helpers.path_of(image, "An image is needed.")
    entry = to_entry()
    if entry.image_shape == digits.SHAPE:
        return search_digit(digits.normalize(helpers.open_upload(path)))
    channels = entry.image_shape[-1]
    picture = translation.open_picture(path, channels)
    return search(translation.crop(picture, entry.image_shape))


@helpers.guarded
def find_similar_emoji(emoji):
    """Finds the emoji whose codes differ least from that of one of them.

    Args:
        emoji: Name of an emoji and its vendor, such as "rocket, Noto".

    Returns:
        As of `find_similar`, with the names of emoji in place of classes.
    """
    if not has_emoji():
        raise helpers.complain("The file demos/emoji_codes.npz is missing.")
    collection = read_emoji()
    if emoji not in collection.captions:
        raise helpers.complain(
            "The emoji must be one of the menu, such as "
            f"{collection.captions[0]}. Received: {helpers.shorten(emoji)}"
        )
    chosen = collection.captions.index(emoji)
    return show(
        collection, collection.picture(chosen), collection.codes[chosen], skip=chosen
    )


# What the API is made of ------------------------------------------------------------


def search_digit(digit):
    """Returns the outputs of `find_similar` for uint8 pixels (28, 28), light ink."""
    digits.scale_to(to_entry(), digit)  # An error if the model knows no digits.
    return search(digit.reshape(digits.SHAPE))


def search(pixels):
    """Returns the outputs of `find_similar` for uint8 pixels of the model's shape."""
    entry = to_entry()
    if entry.dataset is None:
        raise helpers.complain(
            "Nothing is known of the training images of this model: start the demo "
            "with --dataset."
        )
    return show(read_images(entry.name), pixels, encode(entry, pixels[None])[0])


def show(collection, pixels, code, skip=None):
    """Returns the outputs of both events, of an image and its code."""
    found, distances, milliseconds = collection.search(code, skip)
    by_code = [
        f"{collection.captions[i]} · {count_bits(distance)}"
        for i, distance in zip(found, distances, strict=True)
    ]
    start = time.perf_counter()
    nearest = search_pixels(collection, pixels, skip)
    pixel_milliseconds = 1000 * (time.perf_counter() - start)
    text = (
        f"{len(collection.codes):,} codes of {len(code)} bits were compared in "
        f"**{milliseconds:.1f} ms**, as many images of {pixels.size:,} pixel values in "
        f"{pixel_milliseconds:.0f} ms."
    )
    size = 72
    return (
        helpers.to_picture(pixels, 120),
        draw_code(code),
        helpers.to_gallery(map(collection.picture, found), by_code, size),
        helpers.to_gallery(
            map(collection.picture, nearest),
            [collection.captions[i] for i in nearest],
            size,
        ),
        text,
    )


def count_bits(distance):
    """Returns a distance in words."""
    return "1 bit" if distance == 1 else f"{distance} bits"


def search_pixels(collection, pixels, skip=None):
    """Returns the images nearest by all pixels: indices."""
    query = pixels.reshape(1, -1).astype("float32")
    distances = collection.squared_distances(query)[0]
    nearest = np.argpartition(distances, NUM_FOUND + 1)[: NUM_FOUND + 1]
    nearest = nearest[np.argsort(distances[nearest], kind="stable")]
    return nearest[nearest != skip][:NUM_FOUND]


def draw_code(code):
    """Returns a code as HTML: a square for each bit, full for 1."""
    squares = "".join(f'<i class="{"one" if bit else "zero"}"></i>' for bit in code)
    text = "".join(map(str, code))
    return (
        f'<p class="code-label">Its code</p>'
        f'<div class="code" role="img" aria-label="Code {text}">{squares}</div>'
    )


def warm_up(name):
    """Does once what would make the first visitor wait."""
    read_images(name)
    if has_emoji():
        read_emoji()


# Page -------------------------------------------------------------------------------

FIRST = {"show_progress": "hidden"} | helpers.MODEL_EVENT | helpers.PRIVATE


@helpers.guarded
def show_first():
    """Returns what is found at first."""
    return search_digit(digits.get_example(4))


@helpers.guarded
def show_tiles():
    """Returns some emoji to pick from."""
    collection = read_emoji()
    names = pick_emoji()
    images = [collection.picture(collection.captions.index(name)) for name in names]
    return translation.show_tiles(list(zip(names, images, strict=True)))


def pick_tile(event: gr.SelectData):
    """Returns the name of the emoji that was picked."""
    return pick_emoji()[event.index]


@functools.cache
def pick_emoji():
    """Returns the names of some emoji of all kinds."""
    captions = read_emoji().captions
    step = len(captions) // (2 * NUM_PICKED)
    return captions[step // 2 :: step][:NUM_PICKED]


def build():
    """Returns the page."""
    entry = find_entry()
    with gr.Blocks(title=PAGE) as page:
        helpers.title(
            PAGE,
            "An autoencoder gives each image a code of a few bits. Images that are "
            "alike have codes that are alike, and codes are compared at once.",
        )
        if entry is None:
            helpers.note(model_entries.missing_note(PAGE))
        elif entry.name == "own":
            helpers.note(entry.title)
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=290):
                inputs = build_inputs(entry)
            with gr.Column(scale=9, min_width=320):
                outputs = build_outputs()
        connect(inputs, outputs)
        if has_emoji():
            page.load(show_tiles, None, inputs["tiles"], **helpers.QUIET)
        if entry is not None and entry.image_shape == digits.SHAPE:
            page.load(show_first, None, outputs, **FIRST)
    return page


def build_inputs(entry):
    """Adds what to search with; returns its parts by name."""
    parts = {}
    is_digit = entry is None or entry.image_shape == digits.SHAPE
    with gr.Tabs(elem_classes="tools"):
        with gr.Tab("A digit" if is_digit else "An image"):
            if is_digit:
                parts["pad"] = digits.build_pad()
                parts["example"], parts["image"] = digits.build_others()
            else:
                parts["image"] = helpers.upload("At most 5 MB and 2048×2048 pixels")
        with gr.Tab("An emoji", visible=has_emoji()):
            parts["emoji"] = gr.Dropdown(
                sorted(read_emoji().captions) if has_emoji() else [],
                value=None,
                label="Emoji",
                info="Type a part of its name.",
            )
            parts["tiles"] = translation.gallery("Or pick one", elem_id="tiles")
    return parts


def build_outputs():
    """Adds what is found; returns it."""
    with gr.Row(elem_classes="pair"):
        with gr.Column(scale=1, min_width=120):
            seen = digits.small_picture(
                "What the model sees", "The image as the model gets it", 120
            )
        with gr.Column(scale=3, min_width=180):
            code = gr.HTML(elem_classes="bare", elem_id="code")
            text = gr.Markdown(elem_classes="verdict", elem_id="times")
    by_code = helpers.gallery("The nearest by code", ["captions"], elem_id="by-code")
    by_pixels = helpers.gallery("The nearest by pixels", ["captions"])
    return [seen, code, by_code, by_pixels, text]


def connect(inputs, outputs):
    """Adds the events."""
    options = {"outputs": outputs, "show_progress": "hidden"} | helpers.MODEL_EVENT
    inputs["image"].upload(
        find_similar, inputs["image"], api_name="find_similar", **options
    )
    if "pad" in inputs:
        digits.connect(search_digit, inputs["pad"], inputs["example"], outputs)
    inputs["emoji"].change(
        find_similar_emoji, inputs["emoji"], api_name="find_similar_emoji", **options
    )
    inputs["tiles"].select(pick_tile, None, inputs["emoji"], **helpers.QUIET)


demo = build()

if __name__ == "__main__":
    helpers.serve_page(PAGE, demo)
