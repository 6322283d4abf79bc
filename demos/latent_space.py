"""Latent space: all that a VAE with two latents can draw, as one picture."""

import functools
import statistics

import digits
import gradio as gr
import gradio_helpers as helpers
import model_entries
import numpy as np
from keras import ops
from PIL import ImageDraw

from gen_keras import image_grids

PRESET = "vae_mnist_2d"
TILES = 20
SCALE = 2  # Pixels of the picture for each pixel of an image.
LIMIT = 3.0  # 99.7 % of each latent's prior lies between -3 and 3.
NORMAL = statistics.NormalDist()

# The plane --------------------------------------------------------------------------
# A place on the picture is the cumulative probability of the latents there: equal
# areas are equally likely under the prior, and no image can land outside.


def to_fractions(latent):
    """Returns where a latent lies: (right, down), fractions of the picture's sides."""
    return NORMAL.cdf(latent[0]), 1 - NORMAL.cdf(latent[1])


def to_latent(right, down):
    """Returns the latent at a place of the picture, the inverse of `to_fractions`."""
    latent = NORMAL.inv_cdf(clip(right)), NORMAL.inv_cdf(1 - clip(down))
    return tuple(float(np.clip(value, -LIMIT, LIMIT)) for value in latent)


def clip(fraction):
    """Returns a fraction that has a finite quantile."""
    return min(max(fraction, 1e-4), 1 - 1e-4)


def find_entry():
    """Returns the model of this page: the owner's, if it has two latents."""
    for name in ("own", PRESET):
        entry = model_entries.entries().get(name)
        if entry and entry.config.get("latent_dim") == 2:
            if entry.model_class == "VAE":
                return entry
    return None


def to_entry():
    """Returns the model of this page, or raises an error for the page."""
    entry = find_entry()
    if entry is None:
        raise helpers.complain(f"The file gen_keras/presets/{PRESET}.keras is missing.")
    return entry


@functools.cache
def draw_plane():
    """Returns the plane as a `PIL.Image`: what the latents at each place decode to."""
    centers = (np.arange(TILES) + 0.5) / TILES
    latents = [to_latent(right, down) for down in centers for right in centers]
    images = to_entry().decode(latents)
    grid = image_grids.make_grid(images, (0, 255), columns=TILES)
    return image_grids.to_pil(grid, SCALE)


def mark_plane(latent):
    """Returns the path of a picture: the plane with a ring at a latent."""
    plane = draw_plane().convert("RGB")
    right, down = to_fractions(latent)
    x, y = right * plane.width, down * plane.height
    draw = ImageDraw.Draw(plane)
    # Three rings: one of them shows on any image.
    for radius, color, width in ((26, "black", 9), (24, "white", 7), (22, ACCENT, 3)):
        corners = x - radius, y - radius, x + radius, y + radius
        draw.ellipse(corners, outline=color, width=width)
    return helpers.store_picture(plane)


ACCENT = "#4f46e5"

# API --------------------------------------------------------------------------------


@helpers.guarded
def decode(first=0.0, second=0.0):
    """Decodes a point of the plane.

    Args:
        first: Number from -3 to 3, the first latent (left to right).
        second: Number from -3 to 3, the second latent (bottom to top).

    Returns:
        The decoded image, enlarged; the plane with the point marked.
    """
    entry = to_entry()
    latent = [
        helpers.to_number(value, what, -LIMIT, LIMIT)
        for value, what in ((first, "First latent"), (second, "Second latent"))
    ]
    return helpers.to_picture(entry.decode([latent])[0], 224), mark_plane(latent)


@helpers.guarded
def encode(image):
    """Finds where the image of a digit lies on the plane.

    Args:
        image: File of an image, at most 5 MB and 2048 × 2048 pixels: one digit, dark
            on light or light on dark.

    Returns:
        What the model sees, 28 × 28 pixels enlarged; its reconstruction; the plane
        with the point marked; the latents, as text.
    """
    to_entry()
    path = helpers.path_of(image, "An image of a digit is needed.")
    return place(digits.normalize(helpers.open_upload(path)))


# What the API is made of ------------------------------------------------------------


def place(image):
    """Returns the outputs of `encode` for uint8 pixels (height, width), light ink."""
    entry = to_entry()
    pixels = digits.scale_to(entry, image)
    with entry.lock:
        mean, log_variance = (
            ops.convert_to_numpy(x)[0] for x in entry.model.encode(pixels)
        )
    reconstruction = entry.decode([mean])[0]
    spread = np.exp(0.5 * log_variance)
    text = (
        f"It lands at **({mean[0]:.2f}, {mean[1]:.2f})**, give or take "
        f"({spread[0]:.2f}, {spread[1]:.2f})."
    )
    seen = helpers.to_picture(image[..., None], 224)
    return seen, helpers.to_picture(reconstruction, 224), mark_plane(mean), text


# Page -------------------------------------------------------------------------------


def click_plane(event: gr.SelectData):
    """Returns the latents at the pixel that was clicked."""
    x, y = event.index
    plane = draw_plane()
    return [round(z, 2) for z in to_latent(x / plane.width, y / plane.height)]


@helpers.guarded
def show_plane():
    """Returns the first outputs of the page."""
    return decode(0.0, 0.0)


def build():
    """Returns the page."""
    entry = find_entry()
    with gr.Blocks(title="Latent space") as page:
        helpers.title(
            "Latent space",
            "A variational autoencoder with only two latents: all it can draw lies on "
            "one plane. Equal areas are equally likely.",
        )
        if entry is None:
            helpers.note(
                f"The file `gen_keras/presets/{PRESET}.keras` is missing, so there is "
                "nothing to show here yet."
            )
        elif entry.name == "own":
            helpers.note(f"{entry.title}, which has two latents.")
        with gr.Row(equal_height=False):
            with gr.Column(scale=7, min_width=320):
                plane = helpers.picture(
                    "The plane: click to decode a point",
                    "Decoded digits in a grid over the two latents; similar digits are "
                    "neighbours. A ring marks the chosen point.",
                    buttons=["download", "fullscreen"],
                    elem_classes="plane",
                    elem_id="plane",
                )
            with gr.Column(scale=5, min_width=300):
                with gr.Tabs(elem_classes="tools"):
                    with gr.Tab("Decode a point"):
                        point = build_point()
                    with gr.Tab("Encode a digit"):
                        pad = digits.build_pad()
                        seen, reconstruction, text = digits.build_results()
                        example, image = digits.build_others()

        point_outputs = [point["image"], plane]
        again = {
            "fn": decode,
            "inputs": point["latents"],
            "outputs": point_outputs,
            "show_progress": "hidden",
        } | helpers.MODEL_EVENT
        point["button"].click(**again, api_name="decode")
        again |= helpers.PRIVATE | {"trigger_mode": "always_last"}
        gr.on([latent.input for latent in point["latents"]], **again)
        plane.select(
            click_plane,
            None,
            point["latents"],
            show_progress="hidden",
            **helpers.PRIVATE,
        ).then(**again)

        options = {
            "outputs": [seen, reconstruction, plane, text],
            "show_progress": "hidden",
        } | helpers.MODEL_EVENT
        image.upload(encode, image, api_name="encode", **options)
        digits.connect(place, pad, example, options["outputs"])
        if entry is not None:
            page.load(
                show_plane,
                None,
                point_outputs,
                show_progress="hidden",
                **helpers.MODEL_EVENT,
                **helpers.PRIVATE,
            )
    return page


def build_point():
    """Adds the tool that decodes a point; returns its parts by name."""
    latents = [
        gr.Slider(-LIMIT, LIMIT, 0.0, step=0.01, label=label, info=info)
        for label, info in (
            ("First latent", "From left to right."),
            ("Second latent", "From bottom to top."),
        )
    ]
    button = gr.Button("Decode", variant="primary")
    image = digits.small_picture(
        "Decoded", "The image that the decoder draws at this point"
    )
    return {"latents": latents, "button": button, "image": image}


demo = build()

if __name__ == "__main__":
    helpers.serve_page("Latent space", demo)
