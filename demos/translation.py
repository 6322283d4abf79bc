"""What the pages of translators share: their examples, and pictures for a network."""

import functools

import gradio as gr
import gradio_helpers as helpers
import numpy as np
from PIL import Image, ImageOps

from gen_keras import datasets, image_grids

MIN_SIDE = 8
NUM_EXAMPLES = 12


def open_picture(file, channels, announce=True):
    """Returns an uploaded picture as `helpers.open_upload`, or says it is too small."""
    picture = helpers.open_upload(file, channels, announce)
    if min(picture.size) < MIN_SIDE:
        raise helpers.complain(
            f"The image must be at least {MIN_SIDE}×{MIN_SIDE} pixels. "
            f"Received: {picture.width}×{picture.height}"
        )
    return picture


def crop(picture, shape):
    """Returns uint8 pixels of a shape: the middle of a `PIL.Image`, scaled.

    What was enlarged by whole pixels comes back as it was.
    """
    height, width, channels = shape
    fitted = ImageOps.fit(picture, (width, height), choose_filter(picture, width))
    return np.asarray(fitted).reshape(height, width, channels)


def choose_filter(picture, width):
    """Returns Pillow's filter to scale a picture: means of pixels, or a smooth one."""
    is_smaller = width <= picture.width
    return Image.Resampling.BOX if is_smaller else Image.Resampling.LANCZOS


def scale_to(entry, images):
    """Returns uint8 images as floats in the value range of a model."""
    low, high = entry.model.value_range
    return low + (high - low) * np.asarray(images, "float32") / 255


def find_examples(entry, from_targets=False):
    """Returns examples for a translator that it was not trained on.

    Args:
        entry: `model_entries.Entry`.
        from_targets: Boolean, whether they are of the other side of its data.

    Returns:
        A list of pairs: the name, and uint8 pixels. It is empty if the data are not
        known, or of another shape.
    """
    if entry.dataset is None:
        return []
    return _find_examples(entry.dataset, entry.input_shape, from_targets)


@functools.cache
def _find_examples(name, shape, from_targets):
    options = {}
    if ":" in name:  # A folder: images of any size.
        options = {"image_size": shape[:2], "channels": shape[-1]}
    try:
        unseen = datasets.load(name, split="validation", **options)
        step = max(1, len(unseen) // NUM_EXAMPLES)
        chosen = np.arange(step // 2, len(unseen), step)[:NUM_EXAMPLES]
        images = image_grids.to_uint8(unseen[chosen][int(from_targets)])
    except (OSError, ValueError, TypeError):
        return []
    if images.shape[1:] != shape:
        return []
    names = unseen.example_names or [f"example {i + 1}" for i in range(len(unseen))]
    readable = [names[i].replace("_", " ") for i in chosen]
    return list(zip(readable, images, strict=True))


def get_example(examples, index):
    """Returns the pixels of an example, or raises an error for the page."""
    last = len(examples) - 1
    return examples[helpers.to_integer(index, "Example", 0, last)][1]


def show_tiles(examples):
    """Returns what shows examples in a gallery, none of them chosen."""
    images, names = [image for _, image in examples], [name for name, _ in examples]
    return gr.update(
        value=helpers.to_gallery(images, names, 64),
        visible=bool(examples),
        selected_index=None,
    )


def gallery(label, elem_classes=(), **options):
    """Returns an output for small pictures whose captions are only read aloud."""
    return helpers.gallery(label, ["nameless", *elem_classes], **options)
