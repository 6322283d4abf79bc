"""CycleGAN: a picture in the style of another set, and back again."""

import contextlib
import html

import gradio as gr
import gradio_helpers as helpers
import model_entries
import numpy as np
import translation

PAGE = "CycleGAN"
SIDE = 320  # About the pixels of a small picture, enlarged.
DIRECTIONS = ("a_to_b", "b_to_a")
# What the two sides of a data set are called.
DOMAINS = {"emoji_vendors": ("Noto", "Twemoji")}
# What is larger runs when it is asked for, in a queue of its own, one at a time: at
# 2048 pixels a circle takes 8 GB of memory and half a minute on two cores, see
# `training/results/benchmark.json`.
QUICK_SIDE = 512
PHOTO_EVENT = helpers.MODEL_EVENT | {
    "concurrency_id": "photos",
    "concurrency_limit": 1,
}
# The colours of an error, evenly from none to `LARGE_ERROR` and more.
HEAT = ("#000004", "#420a68", "#932667", "#dd513a", "#fca50a", "#fcffa4")
LARGE_ERROR = 0.5
PROGRESS = gr.Progress()  # As a default, Gradio puts that of the event in its place.

# API --------------------------------------------------------------------------------


@helpers.guarded
def cyclegan(preset, image, direction="a_to_b", max_side=64, progress=PROGRESS):
    """Translates a picture to the other side of a model's data, and back again.

    Args:
        preset: Name of a model, see `preset`.
        image: File of an image, at most 5 MB and 2048 × 2048 pixels.
        direction: "a_to_b" or "b_to_a"; the preset's "a" is Noto, its "b" Twemoji.
        max_side: Whole number from 8 to 2048: the longer side of the picture is scaled
            down to so many pixels. Small pictures are enlarged to the size that the
            model was trained at, at most.
        progress: Not of the API.

    Returns:
        The picture as the model gets it; its translation; the translation of that, back
        again; the error as a picture, dark where there is none; and its mean, as text.
    """
    entry = helpers.to_entry(preset, PAGE)
    pixels = read_picture(entry, image, direction, max_side)
    return run(entry, pixels, direction, progress)


# What the API is made of ------------------------------------------------------------


def read_picture(entry, image, direction, max_side):
    """Returns the uint8 pixels that a model gets, all arguments checked."""
    if direction not in DIRECTIONS:
        raise helpers.complain(
            "The direction must be a_to_b or b_to_a. "
            f"Received: {helpers.shorten(direction)}"
        )
    least = translation.MIN_SIDE
    # The page's buttons, and so the API's description, knows numbers as texts.
    max_side = int(max_side) if str(max_side).isdecimal() else max_side
    max_side = helpers.to_integer(max_side, "Largest side", least, helpers.MAX_SIDE)
    path = helpers.path_of(image, "There is no image yet. Upload or choose one.")
    picture = translation.open_picture(path, entry.input_shape[-1])
    size = scale_size(picture.size, max_side, max(entry.image_shape[:2]))
    if min(size) < least:
        raise helpers.complain(
            f"The image is too narrow. Its sides would be {size[0]} and {size[1]} "
            f"pixels, and {least} are the least. Received: {picture.width}×"
            f"{picture.height}"
        )
    return translation.crop(picture, (*size[::-1], entry.input_shape[-1]))


def scale_size(size, max_side, native):
    """Returns the (width, height) at which a picture of a size is translated.

    Args:
        size: Pair of integers.
        max_side: Integer, the most pixels of a side.
        native: Integer, the pixels that a smaller picture is enlarged to.
    """
    longer = max(size)
    scale = min(max_side, max(longer, native)) / longer
    return tuple(max(1, round(side * scale)) for side in size)


def run(entry, pixels, direction, progress):
    """Returns the outputs of `cyclegan` for uint8 pixels (height, width, channels)."""
    there, back = DIRECTIONS if direction == "a_to_b" else DIRECTIONS[::-1]
    inputs = translation.scale_to(entry, pixels[None])
    is_quick = max(pixels.shape) <= QUICK_SIDE
    # A photo that takes minutes must not hold up small pictures.
    with entry.lock if is_quick else contextlib.nullcontext():
        progress((0, 2), desc="Translating", unit="passes")
        outputs = entry.model.translate(inputs, there)
        progress((1, 2), desc="Back again", unit="passes")
        circled = entry.model.translate(outputs, back)
        progress((2, 2), desc="Comparing", unit="passes")
        translated, returned = (
            entry.to_uint8(images)[0] for images in (outputs, circled)
        )
    error = np.abs(pixels.astype("float32") - returned).mean(axis=-1) / 255
    pictures = [
        helpers.to_picture(image, SIDE)
        for image in (pixels, translated, returned, draw_heat(error))
    ]
    height, width = pixels.shape[:2]
    text = (
        f"Mean error after the full circle: **{error.mean():.3f}** (0 is none, 1 is "
        f"black for white), at {width}×{height} pixels."
    )
    return *pictures, text


def draw_heat(error):
    """Returns errors in [0, 1] as a uint8 picture (height, width, 3) in `HEAT`."""
    colors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in HEAT])
    level = np.clip(error / LARGE_ERROR, 0, 1) * (len(colors) - 1)
    steps = np.arange(len(colors))
    channels = [np.interp(level, steps, channel) for channel in colors.T]
    return np.rint(np.stack(channels, axis=-1)).astype("uint8")


def domains_of(entry):
    """Returns the names of both sides of a model's data."""
    return DOMAINS.get(entry.dataset, ("A", "B"))


def list_sides(entry):
    """Returns the choices of the largest side, with a name for the first."""
    native = max(entry.image_shape[:2])
    larger = [side for side in (128, 256, 512, 1024, 2048) if side > native]
    return [(f"{native}, as trained", native)] + [(str(side), side) for side in larger]


def list_directions(entry):
    """Returns the choices of the direction."""
    a, b = domains_of(entry)
    return [(f"{a} → {b}", "a_to_b"), (f"{b} → {a}", "b_to_a")]


def find_examples(entry, direction):
    """Returns examples of the side where a direction starts."""
    return translation.find_examples(entry, from_targets=direction == "b_to_a")


def warm_up(preset):
    """Does once what would make the first visitor of a model wait."""
    entry = helpers.to_entry(preset, PAGE)
    pixels = np.full(entry.image_shape, 255, "uint8")
    run(entry, pixels, "a_to_b", lambda *args, **options: None)
    translation.find_examples(entry)


# Page -------------------------------------------------------------------------------


@helpers.guarded
def translate_again(preset, image, direction, max_side, progress=PROGRESS):
    """Returns the outputs of `cyclegan`, if there is an image and it is quick."""
    if image is None:
        return clear()
    entry = helpers.to_entry(preset, PAGE)
    pixels = read_picture(entry, image, direction, max_side)
    if max(pixels.shape) > QUICK_SIDE:
        return *clear()[:-1], "Press **Translate**: this size takes a while."
    return run(entry, pixels, direction, progress)


@helpers.guarded
def take_example(preset, direction, event: gr.SelectData):
    """Returns the file of the example that was clicked, and its number."""
    examples = find_examples(helpers.to_entry(preset, PAGE), direction)
    pixels = translation.get_example(examples, event.index)
    return store_example(pixels), event.index


@helpers.guarded
def show_model(preset):
    """Returns the parts of the page that fit a model, and its first example."""
    entry = helpers.to_entry(preset, PAGE)
    directions, sides = list_directions(entry), list_sides(entry)
    tiles, first = show_examples(preset, "a_to_b", 0)
    return (
        gr.update(choices=directions, value="a_to_b"),
        gr.update(choices=sides, value=sides[0][1]),
        tiles,
        first,
        0,
    )


@helpers.guarded
def show_examples(preset, direction, number):
    """Returns the examples of a direction, and the file of one.

    Args:
        preset: String, the name of a model.
        direction: String, one of `DIRECTIONS`.
        number: Integer, the example that was chosen before; `None`: an upload was,
            and stays.
    """
    examples = find_examples(helpers.to_entry(preset, PAGE), direction)
    tiles = translation.show_tiles(examples)
    if number is None:
        return tiles, gr.skip()
    return tiles, store_example(examples[number][1]) if examples else None


def store_example(pixels):
    """Returns the file of uint8 pixels as they are."""
    return helpers.to_picture(pixels, 1)


def clear():
    """Returns empty outputs."""
    return None, None, None, None, ""


def build():
    """Returns the page."""
    entries = model_entries.entries_of(PAGE)
    choices = model_entries.choices_of(PAGE)
    first = entries[choices[0][1]] if choices else None
    with gr.Blocks(title="CycleGAN") as page:
        helpers.title(
            "CycleGAN",
            "From one set of images to another and back again, learned without a "
            "single pair. What is lost on the way shows in the error.",
        )
        helpers.note(model_entries.missing_note(PAGE))
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=300, elem_classes="controls"):
                preset = gr.Dropdown(
                    choices,
                    value=first.name if first else None,
                    label="Model",
                    filterable=False,
                )
                direction = gr.Radio(
                    list_directions(first) if first else [],
                    value="a_to_b",
                    label="Direction",
                )
                examples = translation.gallery(
                    "Examples that the model has never seen", elem_id="examples"
                )
                image = helpers.upload("Or upload a picture (up to 5 MB, 2048×2048)")
                max_side = gr.Radio(
                    list_sides(first) if first else [],
                    value=list_sides(first)[0][1] if first else None,
                    label="Largest side, pixels",
                    info="More takes longer, 2048 pixels half a minute and more.",
                )
                button = gr.Button("Translate", variant="primary", size="lg")
            with gr.Column(scale=9, min_width=320):
                with gr.Row():
                    seen = result("Input", "The picture as the model gets it")
                    translated = result(
                        "Translation", "The picture in the style of the other side"
                    )
                with gr.Row():
                    returned = result(
                        "Back again", "The translation, translated back again"
                    )
                    error = result(
                        "Error",
                        "How far the picture that came back is from the input: dark "
                        "where they are equal",
                    )
                text = gr.Markdown(elem_classes="verdict", elem_id="mean-error")
                gr.HTML(draw_legend(), elem_classes="bare")

        number = gr.State(None)  # Of the example that was chosen.
        inputs = [preset, image, direction, max_side]
        outputs = [seen, translated, returned, error, text]
        running = {
            "inputs": inputs,
            "outputs": outputs,
            "show_progress": "full",
            "show_progress_on": [translated],
        }
        again = {"fn": translate_again, "trigger_mode": "always_last"}
        again |= running | helpers.MODEL_EVENT | helpers.PRIVATE
        private = helpers.MODEL_EVENT | helpers.PRIVATE | {"show_progress": "hidden"}
        button.click(cyclegan, api_name="cyclegan", **running | PHOTO_EVENT)
        gr.on([image.upload, max_side.input], **again)
        gr.on([image.upload, image.clear], lambda: None, None, number, **helpers.QUIET)
        image.clear(clear, None, outputs, **helpers.QUIET)
        examples.select(
            take_example, [preset, direction], [image, number], **private
        ).success(**again)
        showing = {
            "fn": show_model,
            "inputs": preset,
            "outputs": [direction, max_side, examples, image, number],
        } | private
        preset.change(**showing).success(**again)
        direction.input(
            show_examples, [preset, direction, number], [examples, image], **private
        ).success(**again)
        if choices:
            page.load(**showing).success(**again)
    return page


def result(label, alt_text):
    """Returns an output for one picture of the circle."""
    name = label.lower().replace(" ", "-")
    options = {"min_width": SIDE, "elem_id": name, "elem_classes": "crisp"}
    return helpers.picture(label, alt_text, **options)


def draw_legend():
    """Returns HTML: what the colours of the error mean."""
    colors = html.escape(", ".join(HEAT))
    return (
        f'<div class="legend"><span>0</span><i style="background: linear-gradient('
        f'to right, {colors})"></i><span>{LARGE_ERROR} and more</span></div>'
    )


demo = build()

if __name__ == "__main__":
    helpers.serve_page(PAGE, demo)
