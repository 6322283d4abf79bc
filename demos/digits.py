"""Digits of a visitor's, drawn, sent or chosen, as a model of MNIST knows them."""

import functools
import math

import drawing_pad
import gradio as gr
import gradio_helpers as helpers
import numpy as np
from PIL import Image, ImageOps

from gen_keras import datasets

SHAPE = (28, 28, 1)


def read(drawing):
    """Returns uint8 pixels (28, 28) of what was drawn, a data URL."""
    return normalize(drawing_pad.read(drawing))


def get_example(digit):
    """Returns uint8 pixels (28, 28) of a real digit."""
    return find_examples()[helpers.to_integer(digit, "Digit", 0, 9)]


def scale_to(entry, pixels):
    """Returns uint8 pixels of a digit as a model takes them (1, 28, 28, 1).

    Raises:
        gr.Error: If its images are of another shape.
    """
    if entry.image_shape != SHAPE:
        raise helpers.complain(
            "Only a model of 28×28 pixels in gray can encode a digit. "
            f"This one has images of {'×'.join(map(str, entry.image_shape))}."
        )
    low, high = entry.model.value_range
    return low + (high - low) * pixels.reshape(1, *SHAPE).astype("float32") / 255


def normalize(image, size=28, box=20):
    """Returns uint8 pixels (size, size) of a digit, placed as in MNIST.

    MNIST's digits fit a box of 20×20 pixels; their centre of mass lies in
    the pixel right below the centre. A model knows no others.

    Args:
        image: `PIL.Image` in gray.
        size: Integer.
        box: Integer.

    Raises:
        gr.Error: If there is nothing on the paper.
    """
    pixels = np.asarray(image)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    if np.median(border) > 127:  # Dark ink on light paper.
        image = ImageOps.invert(image)
    image = ImageOps.autocontrast(image, cutoff=(1, 0))
    ink = image.point(lambda value: 255 if value > 64 else 0).getbbox()
    if ink is None or np.ptp(pixels) < 16:
        raise helpers.complain("There is no digit to see. Draw one, or take another.")
    digit = ImageOps.contain(image.crop(ink), (box, box), Image.Resampling.LANCZOS)
    x, y = (math.ceil(size / 2 - center) for center in find_center(digit))
    paper = Image.new("L", (size, size))
    paper.paste(
        digit,
        (
            min(max(x, 0), size - digit.width),
            min(max(y, 0), size - digit.height),
        ),
    )
    return np.asarray(paper)


def find_center(image):
    """Returns the centre of mass (x, y) of a gray image."""
    mass = np.asarray(image, "float64")
    total = max(mass.sum(), 1e-12)
    x = (mass.sum(axis=0) * (np.arange(mass.shape[1]) + 0.5)).sum() / total
    y = (mass.sum(axis=1) * (np.arange(mass.shape[0]) + 0.5)).sum() / total
    return x, y


@functools.cache
def find_examples():
    """Returns a list of ten uint8 images (28, 28), a real digit of each kind.

    From the validation split: the model was not trained on them.
    """
    unseen = datasets.load("mnist", split="validation").take(200)
    firsts = [np.flatnonzero(unseen.labels == digit)[0] for digit in range(10)]
    return list(np.rint(255 * unseen[np.array(firsts)][..., 0]).astype("uint8"))


# Page -------------------------------------------------------------------------------


def build_pad():
    """Adds the paper to draw on."""
    return drawing_pad.build(
        "Draw a digit",
        "Paper to draw a digit on, with a mouse, a pen or a finger",
        elem_id="pad",
    )


def build_results():
    """Adds what a model sees, what it draws back, and a text; returns them."""
    text = gr.Markdown(elem_classes="verdict", elem_id="landing")
    with gr.Row(elem_classes="pair"):
        seen = small_picture(
            "What the model sees", "The digit, centred in 28 by 28 pixels", 120
        )
        reconstruction = small_picture(
            "What it draws back", "The image that is decoded for the digit", 120
        )
    return seen, reconstruction, text


def build_others():
    """Adds what can be taken in place of a drawing: an example, and an upload."""
    return build_example("Or take a real digit"), build_upload()


def build_example(label, value=None):
    """Adds the choice of a real digit."""
    return gr.Radio(
        [(str(i), i) for i in range(10)],
        value=value,
        label=label,
        info="From the validation images: no model saw them.",
        elem_classes="digits",
    )


def build_upload():
    """Adds the upload of a digit."""
    with gr.Accordion("Or upload a picture of one", open=False):
        return helpers.upload("At most 5 MB and 2048×2048 pixels")


def connect(function, pad, example, outputs, more=()):
    """Calls a function with each digit that is drawn or chosen.

    Args:
        function: Function of the values of `more` and of uint8 pixels (28, 28), which
            returns the outputs.
        pad: What `build_pad` gives.
        example: What `build_example` gives.
        outputs: List of components.
        more: List of components.
    """
    options = {
        "outputs": outputs,
        "show_progress": "hidden",
        "trigger_mode": "always_last",
    }
    for source, to_pixels in ((pad, read), (example, get_example)):

        def take(*values, to_pixels=to_pixels):
            return function(*values[:-1], to_pixels(values[-1]))

        source.input(
            helpers.guarded(take),
            [*more, source],
            **options,
            **helpers.MODEL_EVENT,
            **helpers.PRIVATE,
        )


def small_picture(label, alt_text, min_width=160):
    """Returns an output for one small picture."""
    options = {"min_width": min_width, "elem_classes": "crisp"}
    return helpers.picture(label, alt_text, buttons=[], **options)
