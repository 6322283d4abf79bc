"""pix2pix: draw, and a network paints what it may be."""

import random

import drawing_pad
import gradio as gr
import gradio_helpers as helpers
import model_entries
import numpy as np
import translation

from gen_keras import datasets

PAGE = "pix2pix"
SIDE = 320  # Pixels of the sheet, and about those of a picture.
# As wide as the lines that `extract_edges` draws, on the sheet of a 64 × 64 model.
PEN = drawing_pad.Tool("Pen", "#000000", 1.4 * SIDE / 64)
ERASER = drawing_pad.Tool("Eraser", "#ffffff", 5 * PEN.width)
NUM_VARIANTS = 4
DEFAULT_BLUR, DEFAULT_CONTRAST = 0.9, 0.1  # Those of the training images.
WHITE = 250
BLANK = "The canvas is blank. Draw something, upload a picture, or take an example."

# API --------------------------------------------------------------------------------


@helpers.guarded
def pix2pix(preset, image, seed=0):
    """Translates a drawing or a picture, as the chosen model was trained to.

    Args:
        preset: Name of a model, see `preset`.
        image: File of an image, at most 5 MB and 2048 × 2048 pixels. Its middle is
            scaled to the pixels of the model. For a model of drawings: dark strokes on
            white, as `/edges` draws them.
        seed: Whole number from 0 to 2147483647, of the variants' noise.

    Returns:
        The translation, each pixel enlarged to a square; a pair to compare, the input
        and the translation; and four variants, drawn with dropout.
    """
    entry = helpers.to_entry(preset, PAGE)
    seed = helpers.to_integer(seed, "Seed", 0, model_entries.MAX_SEED)
    pixels = read_source(entry, image)
    return *translate(entry, pixels), draw_variants(entry, pixels, seed)


@helpers.guarded
def edges(preset, image, blur=DEFAULT_BLUR, contrast=DEFAULT_CONTRAST):
    """Draws the edges of a picture as a pen would, for a model of drawings.

    Args:
        preset: Name of a model that takes drawings; they get its size.
        image: File of an image, at most 5 MB and 2048 × 2048 pixels.
        blur: Number from 0.5 to 3, pixels: details smaller than that vanish.
        contrast: Number from 0.02 to 0.6, the step of colour that a line must have.

    Returns:
        The drawing, dark on white, each pixel enlarged to a square.
    """
    return helpers.to_picture(find_edges(preset, image, blur, contrast), SIDE)


# What the API is made of ------------------------------------------------------------


def takes_drawings(entry):
    """Returns whether a model was trained to translate drawings."""
    return entry.dataset == "emoji_edges" or entry.input_shape[-1] == 1


def read_source(entry, image):
    """Returns the uint8 pixels that a model gets of a file that was sent."""
    path = helpers.path_of(image, BLANK)
    shape = entry.input_shape
    pixels = translation.crop(translation.open_picture(path, shape[-1]), shape)
    if takes_drawings(entry) and is_blank(pixels):
        raise helpers.complain(BLANK)
    return pixels


def is_blank(pixels):
    """Returns whether a drawing has no ink."""
    return pixels.min() > WHITE


def find_edges(preset, image, blur, contrast):
    """Returns the drawing that `edges` describes, as uint8 pixels for the model."""
    entry = helpers.to_entry(preset, PAGE)
    if not takes_drawings(entry):
        raise helpers.complain(f"{entry.title}: this model takes pictures as they are.")
    blur = helpers.to_number(blur, "Blur", 0.5, 3)
    contrast = helpers.to_number(contrast, "Contrast", 0.02, 0.6)
    path = helpers.path_of(image, "An image is needed, to draw its edges.")
    height, width, channels = entry.input_shape
    picture = translation.open_picture(path, 3, announce=False)
    pixels = translation.crop(picture, (height, width, 3))
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    drawing = datasets.extract_edges(
        pixels[None],
        sigma=blur,
        low_contrast=0.6 * contrast,
        high_contrast=contrast,
        # On white paper, what touches the border has an outline there, too.
        background=1.0 if np.median(border) > WHITE else None,
    )[0]
    return np.rint(255 * drawing).astype("uint8").repeat(channels, axis=-1)


def translate(entry, pixels):
    """Returns the translation of uint8 pixels, and the pair to compare, as files."""
    with entry.lock:
        outputs = entry.model.translate(translation.scale_to(entry, pixels[None]))
        output = helpers.to_picture(entry.to_uint8(outputs)[0], SIDE)
    return output, (helpers.to_picture(pixels, SIDE), output)


def draw_variants(entry, pixels, seed):
    """Returns what dropout makes of uint8 pixels, for a gallery."""
    inputs = translation.scale_to(entry, np.repeat(pixels[None], NUM_VARIANTS, axis=0))
    with entry.lock:
        outputs = entry.model.translate(inputs, stochastic=True, seed=seed)
        images = entry.to_uint8(outputs)
    captions = [f"Variant {i + 1} of seed {seed}" for i in range(NUM_VARIANTS)]
    return helpers.to_gallery(images, captions, 128)


# Page -------------------------------------------------------------------------------
# Whatever a visitor does sets the source, a picture as the model gets it. The results
# follow from that: first the translation, and then, in an event of its own, variants.


@helpers.guarded
def take_drawing(preset, drawing):
    """Returns source, translation and pair for what was drawn, a data URL."""
    entry = helpers.to_entry(preset, PAGE)
    pixels = translation.crop(
        drawing_pad.read(drawing), (*entry.input_shape[:2], 1)
    ).repeat(entry.input_shape[-1], axis=-1)
    if is_blank(pixels):  # All was rubbed out.
        return None, None, None
    return show(entry, pixels)[1:]


@helpers.guarded
def take_upload(preset, image, blur, contrast):
    """Returns sheet, source, translation and pair for a file that was sent."""
    if image is None:  # A slider was moved before there is a picture.
        return [gr.skip()] * 4
    entry = helpers.to_entry(preset, PAGE)
    if takes_drawings(entry):
        return show(entry, find_edges(preset, image, blur, contrast))
    return show(entry, read_source(entry, image))


@helpers.guarded
def take_example(preset, index):
    """Returns sheet, source, translation and pair for an example."""
    entry = helpers.to_entry(preset, PAGE)
    examples = translation.find_examples(entry)
    return show(entry, translation.get_example(examples, index))


def click_example(preset, event: gr.SelectData):
    """Returns what `take_example` does, for the example that was clicked."""
    return take_example(preset, event.index)


@helpers.guarded
def vary(preset, image, seed):
    """Returns variants for the source."""
    if image is None:
        return None
    entry = helpers.to_entry(preset, PAGE)
    seed = helpers.to_integer(seed, "Seed", 0, model_entries.MAX_SEED)
    return draw_variants(entry, read_source(entry, image), seed)


@helpers.guarded
def show_model(preset):
    """Returns the parts of the page that fit a model, and its first example."""
    entry = helpers.to_entry(preset, PAGE)
    draws = takes_drawings(entry)
    examples = translation.find_examples(entry)
    first = show(entry, examples[0][1]) if examples else blank(entry)
    sheet, source, *results = first
    return (
        gr.update(visible=draws, value=sheet),
        gr.update(visible=not draws, value=source),
        *results,
        gr.update(visible=draws),
        translation.show_tiles(examples),
        None,
    )


def show(entry, pixels):
    """Returns sheet, source, translation and pair for uint8 pixels of a source."""
    source = helpers.enlarge(pixels, SIDE)
    sheet = drawing_pad.write(source) if takes_drawings(entry) else ""
    return sheet, helpers.store_picture(source), *translate(entry, pixels)


def blank(entry):
    """Returns an empty sheet of a model's shape, and no source, translation, pair."""
    paper = helpers.enlarge(np.full(entry.input_shape, 255, "uint8"), SIDE)
    return drawing_pad.write(paper), None, None, None


def warm_up(preset):
    """Does once what would make the first visitor of a model wait."""
    entry = helpers.to_entry(preset, PAGE)
    pixels = np.full(entry.input_shape, 255, "uint8")
    translate(entry, pixels)
    draw_variants(entry, pixels, 0)
    translation.find_examples(entry)


def draw_seed():
    """Returns a seed that a person can read out."""
    return random.randrange(10_000)


def build():
    """Returns the page."""
    choices = model_entries.choices_of(PAGE)
    with gr.Blocks(title="pix2pix") as page:
        helpers.title(
            "pix2pix",
            "Draw something, and a network paints it: it learned from pairs of images "
            "what to make of one.",
        )
        helpers.note(model_entries.missing_note(PAGE))
        with gr.Row(elem_classes="controls"):
            preset = gr.Dropdown(
                choices,
                value=choices[0][1] if choices else None,
                label="Model",
                filterable=False,
                elem_classes="narrow",
            )
        with gr.Row(equal_height=False):
            with gr.Column(min_width=320):
                pad = drawing_pad.build(
                    "Draw",
                    "Paper to draw on with a mouse, a pen or a finger. Without these, "
                    "take an example or upload a picture below.",
                    SIDE,
                    (PEN, ERASER),
                    wait=60,
                    elem_id="pad",
                )
                source = helpers.picture(
                    "Input",
                    "The picture as the model gets it",
                    visible=False,
                    elem_id="source",
                    elem_classes="crisp",
                )
                button = gr.Button("Translate", variant="primary", elem_id="translate")
            with gr.Column(min_width=320):
                output = helpers.picture(
                    "Translation",
                    "What the network makes of the input",
                    elem_id="translation",
                    elem_classes="crisp",
                )
            with gr.Column(min_width=280, elem_classes="controls"):
                variants = translation.gallery(
                    "Variants, by dropout",
                    elem_id="variants",
                    elem_classes=["two-columns"],
                )
                with gr.Row(elem_classes="seed"):
                    seed = gr.Number(0, precision=0, label="Seed", min_width=120)
                    new_seed = gr.Button("New seed", min_width=96, scale=0)
        with gr.Row(equal_height=False, elem_classes="below"):
            with gr.Column(min_width=320):
                examples = translation.gallery(
                    "Examples that the model has never seen", elem_id="examples"
                )
            with gr.Column(min_width=320, elem_classes="controls"):
                upload = helpers.upload("Or upload a picture (up to 5 MB, 2048×2048)")
                with gr.Column(elem_classes="controls") as edge_controls:
                    blur, contrast, edge_button = build_edges()
            with gr.Column(min_width=320):
                pair = gr.ImageSlider(
                    label="Compare: input and translation",
                    format="png",
                    interactive=False,
                    buttons=[],
                    elem_id="pair",
                )

        results = [output, pair]
        private = {"show_progress": "hidden"} | helpers.MODEL_EVENT | helpers.PRIVATE
        latest = private | {"trigger_mode": "always_last"}
        varying = {
            "fn": vary,
            "inputs": [preset, source, seed],
            "outputs": variants,
        } | latest
        button.click(
            pix2pix,
            [preset, source, seed],
            [*results, variants],
            api_name="pix2pix",
            **{"show_progress": "minimal"} | helpers.MODEL_EVENT,
        )
        edge_button.click(
            edges,
            [preset, upload, blur, contrast],
            source,
            api_name="edges",
            **helpers.MODEL_EVENT,
        ).success(
            take_upload,
            [preset, upload, blur, contrast],
            [pad, source, *results],
            **private,
        ).success(**varying)
        pad.input(take_drawing, [preset, pad], [source, *results], **latest).success(
            **varying
        )
        pad.clear(
            lambda: [None] * 4,
            None,
            [source, *results, variants],
            **helpers.QUIET,
        )
        gr.on(
            [upload.upload, blur.release, contrast.release],
            take_upload,
            [preset, upload, blur, contrast],
            [pad, source, *results],
            **latest,
        ).success(**varying)
        examples.select(
            click_example, preset, [pad, source, *results], **private
        ).success(**varying)
        new_seed.click(draw_seed, None, seed, **helpers.QUIET).then(**varying)
        seed.submit(**varying)
        showing = {
            "fn": show_model,
            "inputs": preset,
            "outputs": [pad, source, *results, edge_controls, examples, upload],
        } | private
        preset.change(**showing).success(**varying)
        if choices:
            page.load(**showing).success(**varying)
    return page


def build_edges():
    """Adds the settings of `edges`; returns two sliders and a button."""
    blur = gr.Slider(
        0.5,
        3,
        DEFAULT_BLUR,
        step=0.1,
        label="Blur",
        info="Pixels. More: only the larger forms are drawn.",
    )
    contrast = gr.Slider(
        0.02,
        0.6,
        DEFAULT_CONTRAST,
        step=0.01,
        label="Contrast",
        info="The step of colour that makes a line. More: fewer lines.",
    )
    return blur, contrast, gr.Button("Draw its edges")


demo = build()

if __name__ == "__main__":
    helpers.serve_page(PAGE, demo)
