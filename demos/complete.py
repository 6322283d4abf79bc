"""Completion: half a digit is given, and models draw what else it may be."""

import digits
import drawing_pad
import gradio as gr
import gradio_helpers as helpers
import model_entries
import numpy as np
import sampling
from PIL import Image

from gen_keras import image_grids, masks, models, presets

PAGE = "Completion"
COUNT = 6
GIBBS_STEPS = 300  # The RBM's validation error is 15 %; with 1,000 steps 12 %.
DRAWN = (165, 180, 252)  # The ink of models; that of the visitor is white.
UNKNOWN = "rgb({}, {}, {})".format(*image_grids.UNKNOWN)
CELL = 10  # Pixels of the sheet for each pixel of a digit.
COVERS = {
    "left half": masks.half(digits.SHAPE, "right"),
    "right half": masks.half(digits.SHAPE, "left"),
    "top half": masks.half(digits.SHAPE, "bottom"),
    "bottom half": masks.half(digits.SHAPE, "top"),
    "everything": np.zeros(digits.SHAPE, "float32"),
}
FIRST = 8, "left half"  # What the page begins with: an 8, a 5 or a 3.

# API --------------------------------------------------------------------------------


@helpers.guarded
def complete(preset, image, cover="bottom half", seed=0):
    """Draws what a digit may be of which a part is covered, six times.

    Args:
        preset: Name of a model that completes, such as an RBM.
        image: File of an image, at most 5 MB and 2048 × 2048 pixels: one digit, dark
            on light or light on dark.
        cover: What is unknown: "left half", "right half", "top half", "bottom half" or
            "everything".
        seed: Whole number from 0 to 2147483647.

    Returns:
        What the model is given, 28 × 28 pixels enlarged, the unknown ones in indigo;
        six completions, what the model drew in a lighter indigo.
    """
    entry = to_entry(preset)
    known = to_mask(cover)
    seed = helpers.to_integer(seed, "Seed", 0, model_entries.MAX_SEED)
    digit = read_file(image)
    given = image_grids.cover(digit, known, (0, 255))
    return helpers.to_picture(given, 224), draw(entry, digit, known, seed)


# What the API is made of ------------------------------------------------------------


def find_entries():
    """Returns a dict of the models that complete digits: name to `Entry`."""
    return {
        name: entry
        for name, entry in model_entries.entries_of("Sampling").items()
        if can_complete(entry.model_class) and entry.image_shape == digits.SHAPE
    }


def can_complete(model_class):
    """Returns whether models of a class, a string, complete images."""
    return hasattr(getattr(models, model_class), "complete")


def to_entry(name):
    """Returns the `Entry` of a model that completes, or an error for the page."""
    entry = helpers.to_entry(name)
    if name not in find_entries():
        raise helpers.complain(f"This {entry.model_class} completes no digits.")
    return entry


def to_mask(cover):
    """Returns the mask of a part that is covered: 1 where a pixel is known."""
    if not isinstance(cover, str) or cover not in COVERS:
        raise helpers.complain(
            f"Cover must be one of: {', '.join(COVERS)}. "
            f"Received: {helpers.shorten(cover)}"
        )
    return COVERS[cover]


def binarize(pixels):
    """Returns a digit of 0 and 255 (28, 28, 1): the models know no gray."""
    return np.where(pixels > 127, 255, 0).astype("uint8").reshape(digits.SHAPE)


def read_file(image):
    """Returns the digit of a file that was sent."""
    path = helpers.path_of(image, "An image of a digit is needed.")
    return binarize(digits.normalize(helpers.open_upload(path)))


def draw(entry, digit, known, seed):
    """Returns completions as a gallery takes them.

    Args:
        entry: `Entry` of a model that completes.
        digit: uint8 pixels (28, 28, 1), 0 or 255.
        known: Array of the same shape, 1 where a pixel is known, else 0.
        seed: Integer.
    """
    pixels = np.repeat(digits.scale_to(entry, digit), COUNT, axis=0)
    with entry.lock:
        completed = entry.model.complete(
            pixels, known, seed, GIBBS_STEPS, probabilities=True
        )
    images = entry.to_uint8(completed)
    ink = np.where(known == 1, 255, DRAWN) / 255
    captions = [f"Completion {i + 1} by {entry.title}" for i in range(COUNT)]
    return helpers.to_gallery((images * ink).astype("uint8"), captions, 112)


def missing_note():
    """Returns a sentence about models that would complete, or ""."""
    table = presets.table()
    names = [
        name
        for name in model_entries.missing_presets()
        if table[name]["dataset"] == "mnist" and can_complete(table[name]["model"])
    ]
    if not names:
        return ""
    which = ", ".join(f"`{name}`" for name in names)
    return f"Missing in `gen_keras/presets`, and so here: {which}."


def warm_up():
    """Compiles the chains of all models."""
    digit = binarize(digits.get_example(FIRST[0]))
    for entry in find_entries().values():
        draw(entry, digit, COVERS[FIRST[1]], 0)


# The sheet --------------------------------------------------------------------------
# It shows a digit as the models are given it: what is indigo is unknown to them.


def lay(digit, known):
    """Returns a digit as the sheet takes it."""
    given = image_grids.cover(digit, known, (0, 255))
    return drawing_pad.write(image_grids.to_pil(given))


def read(sheet):
    """Returns the digit on a sheet, and its mask: 1 where a pixel is known."""
    if not sheet:
        raise helpers.complain("There is no digit yet. Draw one, or take a real one.")
    picture = drawing_pad.read(sheet, channels=3)
    pixels = picture.resize(digits.SHAPE[:2], Image.Resampling.NEAREST)
    pixels = np.asarray(pixels).astype(int)
    far = np.abs(pixels - image_grids.UNKNOWN).max(axis=-1, keepdims=True)
    return binarize(pixels[..., 0]), (far > 8).astype("float32")


def to_mask_of(sheet, cover):
    """Returns the mask of a part, or, where none is chosen, that of the sheet."""
    if cover:
        return to_mask(cover)
    return read(sheet)[1] if sheet else np.ones(digits.SHAPE, "float32")


# Page -------------------------------------------------------------------------------


@helpers.guarded
def take_drawing(drawing, cover, sheet):
    """Returns a drawn digit, a data URL, and it on the sheet, covered as before."""
    digit = binarize(digits.read(drawing))
    return digit, lay(digit, to_mask_of(sheet, cover))


@helpers.guarded
def take_example(number, cover, sheet):
    """Returns a real digit, and it on the sheet, covered as before."""
    digit = binarize(digits.get_example(number))
    return digit, lay(digit, to_mask_of(sheet, cover))


@helpers.guarded
def take_upload(image, cover, sheet):
    """Returns the digit of a file, and it on the sheet, covered as before."""
    digit = read_file(image)
    return digit, lay(digit, to_mask_of(sheet, cover))


@helpers.guarded
def take_first():
    """Returns what the page begins with."""
    return take_example(FIRST[0], FIRST[1], None)


@helpers.guarded
def cover_part(digit, cover):
    """Returns the digit on the sheet with a part covered."""
    return lay(digit, to_mask(cover))


@helpers.guarded
def uncover(digit):
    """Returns the digit on the sheet; no part is chosen, nothing is drawn."""
    bare = lay(digit, np.ones(digits.SHAPE))
    return bare, None, *([] for _ in find_entries())


@helpers.guarded
def draw_all(sheet, seed):
    """Yields the completions of one model after the other, for its row of the page."""
    digit, known = read(sheet)
    if known.all():
        raise helpers.complain(
            "Nothing is covered. Paint over a part of the digit, or choose one."
        )
    entries = list(find_entries().values())
    for i, entry in enumerate(entries):
        rows = [gr.skip()] * len(entries)
        rows[i] = draw(entry, digit, known, seed)
        yield rows if len(rows) > 1 else rows[0]


def build():
    """Returns the page."""
    entries = find_entries()
    with gr.Blocks(title=PAGE) as page:
        helpers.title(
            PAGE,
            "Cover a part of a digit. Each model sees the rest and draws by Gibbs "
            "sampling what the whole may be: several wholes, where several fit.",
        )
        helpers.note(missing_note())
        digit = gr.State()
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=280, elem_classes="controls"):
                example = digits.build_example("A real digit", FIRST[0])
                sheet, cover = build_sheet()
            with gr.Column(scale=9, min_width=320):
                again = build_head()
                rows = [build_row(entry) for entry in entries.values()]
        with gr.Row(equal_height=False, elem_classes="below"):
            pad, upload = build_sources()
        seed = build_api(upload, cover)
        if not entries:
            return page

        quiet = {"show_progress": "hidden", "preprocess": False} | helpers.PRIVATE
        drawing = {"fn": draw_all, "inputs": [sheet, seed], "outputs": rows}
        drawing |= {"show_progress": "hidden", "trigger_mode": "always_last"}
        drawing |= helpers.MODEL_EVENT | helpers.PRIVATE
        taken = {"outputs": [digit, sheet]} | quiet
        for event, take, source in (
            (pad.input, take_drawing, pad),
            (example.input, take_example, example),
            (upload.upload, take_upload, upload),
        ):
            event(take, [source, cover, sheet], **taken).success(**drawing)
        page.load(take_first, None, **taken).success(**drawing)
        covering = cover.input(cover_part, [digit, cover], sheet, **quiet)
        covering.success(**drawing)
        # What is painted is none of the parts, what is drawn none of the examples.
        sheet.input(lambda: None, None, cover, **helpers.QUIET)
        for event in (pad.input, upload.upload):
            event(lambda: None, None, example, **helpers.QUIET)
        sheet.input(**drawing)
        sheet.clear(uncover, digit, [sheet, cover, *rows], **quiet)
        again.click(sampling.draw_seed, None, seed, **helpers.QUIET).then(**drawing)
    return page


def build_sheet():
    """Adds the sheet, and the choice of a part to cover; returns both."""
    sheet = drawing_pad.build(
        "Paint over a part",
        "A digit of 28 by 28 pixels, to be painted over where it is unknown, with a "
        "mouse, a pen or a finger",
        tools=(drawing_pad.Tool("Cover", UNKNOWN, 4 * CELL),),
        cell=CELL,
        elem_id="sheet",
    )
    cover = gr.Radio(list(COVERS), value=FIRST[1], label="Or cover")
    return sheet, cover


def build_sources():
    """Adds where else digits come from, and returns it: a drawing, an upload."""
    with gr.Column(scale=4, min_width=280, elem_classes="controls"):
        with gr.Accordion("Or draw a digit", open=False):
            pad = digits.build_pad()
    with gr.Column(scale=9, min_width=280, elem_classes="controls"):
        upload = digits.build_upload()
    return pad, upload


def build_head():
    """Adds what the colours mean, and the button that draws anew; returns it."""
    with gr.Row(elem_classes="seed"):
        gr.HTML(LEGEND, elem_classes="bare")
        return gr.Button("Draw again", min_width=120, scale=0)


def build_row(entry):
    """Returns the place for the completions of a model."""
    return helpers.gallery(entry.title, ["nameless", "completions"])


def build_api(image, cover):
    """Adds the call of one model, which has no button; returns the seed."""
    names = list(find_entries())
    preset = gr.Dropdown(names, label="Model", visible=False)
    seed = gr.Number(0, precision=0, label="Seed", visible=False)
    given = helpers.picture("Given", "What the model is given", visible=False)
    wholes = helpers.gallery("Completions", visible=False)
    button = gr.Button("Complete", visible=False)
    inputs, outputs = [preset, image, cover, seed], [given, wholes]
    button.click(complete, inputs, outputs, api_name="complete", **helpers.MODEL_EVENT)
    return seed


LEGEND = """
<div class="keys"><span><i class="unknown"></i>unknown to the models</span>
<span><i class="drawn"></i>drawn by them</span></div>
"""

demo = build()

if __name__ == "__main__":
    helpers.serve_page(PAGE, demo)
