"""What models can be told to draw: a class, a category, codes; and a grid of codes."""

import gradio as gr
import gradio_helpers as helpers
import model_entries
import numpy as np

from gen_keras import image_grids

MAX_CODES = 4  # Sliders; the API takes any number of codes.
MAX_ROWS, COLUMNS = 20, 10

# API --------------------------------------------------------------------------------


@helpers.guarded
def vary_code(preset, seed=0, strength=1.0, code=1):
    """Draws a grid of an InfoGAN as in its paper: what one code does to each category.

    Args:
        preset: Name of a model with codes.
        seed: Whole number from 0 to 2147483647, of the noise, the same everywhere.
        strength: The truncation, 0.1 to 1.
        code: Whole number from 1: the code that goes from -1 to 1; others are 0.

    Returns:
        One image: a row for each category, the code rises from left to right.
    """
    entry = helpers.to_entry(preset)
    if not entry.num_codes:
        raise helpers.complain(f"This {entry.model_class} has no codes.")
    seed = helpers.to_integer(seed, "Seed", 0, model_entries.MAX_SEED)
    strength = helpers.to_strength(entry, strength)
    code = helpers.to_integer(code, "Code", 1, entry.num_codes)
    rows = min(entry.num_categories, MAX_ROWS)
    categories = np.repeat(np.arange(rows), COLUMNS)
    codes = np.zeros((len(categories), entry.num_codes), "float32")
    codes[:, code - 1] = np.tile(np.linspace(-1, 1, COLUMNS), rows)
    latents = entry.sample_latents(len(codes), seed, strength, categories, codes)
    noise = slice(entry.config["latent_dim"])  # It comes first.
    latents[:, noise] = latents[0, noise]
    grid = image_grids.make_grid(entry.decode(latents), (0, 255), COLUMNS)
    return helpers.to_picture(grid, 600)


# Page -------------------------------------------------------------------------------


def build(preset):
    """Adds the controls of conditions; returns their parts by name."""
    category = gr.Dropdown(
        ["any"], value="any", label="Class", filterable=False, visible=False
    )
    with gr.Column(visible=False, elem_classes="controls") as panel:
        is_drawn = gr.Checkbox(True, label="Draw the codes at random")
        sliders = [
            gr.Slider(-1, 1, 0, step=0.05, label=f"Code {i + 1}", visible=False)
            for i in range(MAX_CODES)
        ]
    codes = gr.Textbox("", label="Codes", visible=False)
    return {
        "category": category,
        "codes": codes,
        "triggers": [is_drawn.input, *[slider.release for slider in sliders]],
        "change": {
            "fn": set_codes,
            "inputs": [preset, is_drawn, *sliders],
            "outputs": [codes, *sliders],
        }
        | helpers.QUIET,
        "shown": [category, panel, codes, is_drawn, *sliders],
    }


def build_grid(preset, seed, strength):
    """Adds the tool that varies a code; returns its parts by name."""
    with gr.Tab("Codes", visible=False, id="codes") as tab:
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=280):
                gr.Markdown(
                    "One code goes from −1 to 1, from left to right. A row for each "
                    "category; all have the same noise.",
                    elem_classes="hint",
                )
                code = gr.Radio([("1", 1)], value=1, label="Code")
                button = gr.Button("Draw the grid", variant="primary")
            with gr.Column(scale=9, min_width=320):
                grid = helpers.picture(
                    "Categories and one code",
                    "Grid of images: a row for each category, one code rises from left "
                    "to right",
                    elem_id="codes-grid",
                    elem_classes="crisp",
                )
    drawing = {"fn": vary_code, "inputs": [preset, seed, strength, code]}
    drawing |= {"outputs": grid} | helpers.MODEL_EVENT
    button.click(**drawing, api_name="vary_code")
    code.input(**drawing, **helpers.PRIVATE)
    return {"tab": tab, "shown": [tab, code, grid]}


def show(entry):
    """Returns the parts of `build` and `build_grid` as they fit a model."""
    count, num_codes = entry.num_categories, entry.num_codes
    return (
        gr.update(
            visible=bool(count),
            label=entry.condition.label if count else "Class",
            choices=[("any", "any"), *[(str(i), i) for i in range(count)]],
            value="any",
        ),
        gr.update(visible=bool(num_codes)),
        "",
        True,
        *[gr.update(visible=False, value=0) for _ in range(MAX_CODES)],
        gr.update(visible=bool(num_codes)),
        gr.update(choices=[(str(i + 1), i + 1) for i in range(num_codes)], value=1),
        None,
    )


def set_codes(preset, is_drawn, *values):
    """Returns the codes as a text, and the sliders: one for each of the first codes.

    Codes that have no slider are 0.
    """
    count = 0 if is_drawn else helpers.to_entry(preset).num_codes
    padded = [*values, *[0] * count][:count]
    text = ",".join(f"{value:g}" for value in padded)
    return text, *[gr.update(visible=i < count) for i in range(MAX_CODES)]
