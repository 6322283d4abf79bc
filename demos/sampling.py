"""Sampling: draw images from a model, then walk, calculate and compare with them."""

import functools
import random

import conditions
import gradio as gr
import gradio_helpers as helpers
import model_entries
import numpy as np
import reconstruction
import training_images

DEFAULT_SEED = 0
DEFAULT_COUNT = 16
DEFAULT_STEPS = 200  # More look no better: the chains go on from those of training.
MAX_STEPS = 2000
MAX_FRAMES = 32

# API --------------------------------------------------------------------------------


@helpers.guarded
def sample(
    preset,
    num_images=DEFAULT_COUNT,
    seed=DEFAULT_SEED,
    strength=1.0,
    gibbs_steps=DEFAULT_STEPS,
    category="any",
    codes="",
):
    """Draws images from a model. Sample 5 of a seed is the same for any number.

    Args:
        preset: Name of a model, see `entries`.
        num_images: Whole number from 1 to 64.
        seed: Whole number from 0 to 2147483647.
        strength: The truncation of a GAN (0.1 to 1), the temperature of a VAE or an
            RBM (0.1 to 2).
        gibbs_steps: Whole number from 1 to 2000; used by an RBM only.
        category: Whole number from 0, the class of a conditional GAN or the category of
            an InfoGAN; "any" draws one for each image.
        codes: Numbers from -1 to 1 with commas, for an InfoGAN; "" draws them.

    Returns:
        A list of images, PNG, each pixel enlarged to a square. They are numbered from
        1; the captions begin with the numbers.
    """
    entry, settings = check(preset, seed, strength, gibbs_steps, category, codes)
    count = helpers.to_integer(num_images, "Number of images", 1, helpers.MAX_IMAGES)
    images, _ = entry.draw(list(range(count)), **settings)
    # The page shows the number alone; the rest is read to those who cannot see.
    captions = [f"{i + 1} · {entry.title}" for i in range(count)]
    return helpers.to_gallery(images, captions)


@helpers.guarded
def interpolate(
    preset,
    seed=DEFAULT_SEED,
    start=1,
    end=2,
    num_steps=16,
    path="straight",
    strength=1.0,
    category="any",
    codes="",
):
    """Walks through the latent space from one sample to another.

    Args:
        preset: Name of a model with latents.
        seed: Whole number, the seed of the samples.
        start: Whole number from 1 to 64, the sample where the walk starts.
        end: Whole number from 1 to 64, the sample where it ends.
        num_steps: Whole number from 2 to 32, the images on the way with both ends.
        path: "straight" or "great circle".
        strength: As for the samples; so are `category` and `codes`.
        category: See `strength`.
        codes: See `strength`.

    Returns:
        The animation, there and back, as GIF; the images on the way as PNG.
    """
    entry, settings = check_latents(preset, seed, strength, category, codes)
    ends = helpers.to_rows([start], "Start") + helpers.to_rows([end], "End")
    num_steps = helpers.to_integer(num_steps, "Steps", 2, MAX_FRAMES)
    if path not in ("straight", "great circle"):
        raise helpers.complain(
            "The path must be straight or great circle. "
            f"Received: {helpers.shorten(path)}"
        )
    _, latents = entry.draw(ends, **settings)
    with entry.lock:
        frames = entry.to_uint8(
            entry.model.interpolate(*latents, num_steps, path == "great circle")
        )
    return helpers.encode_gif(frames), film_strip(frames)


@helpers.guarded
def arithmetic(
    preset,
    seed=DEFAULT_SEED,
    a=None,
    b=None,
    c=None,
    strength=1.0,
    category="any",
    codes="",
):
    """Calculates A − B + C with the mean latents of three groups of samples.

    Args:
        preset: Name of a model with latents.
        seed: Whole number, the seed of the samples.
        a: List of sample numbers from 1 to 64.
        b: List of sample numbers that is taken away.
        c: List of sample numbers that is added.
        strength: As for the samples; so are `category` and `codes`.
        category: See `strength`.
        codes: See `strength`.

    Returns:
        Four images: the means A, B and C, and A − B + C.
    """
    entry, settings = check_latents(preset, seed, strength, category, codes)
    groups = [
        entry.draw(helpers.to_rows(group, f"Group {name}"), **settings)[1]
        for name, group in (("A", a), ("B", b), ("C", c))
    ]
    means = entry.decode([group.mean(axis=0) for group in groups])
    with entry.lock:
        result = entry.to_uint8(entry.model.arithmetic(*groups))
    captions = ["A, mean", "− B, mean", "+ C, mean", "= A − B + C"]
    return helpers.to_gallery(np.concatenate([means, result]), captions)


@helpers.guarded
def nearest(
    preset,
    seed=DEFAULT_SEED,
    index=1,
    strength=1.0,
    gibbs_steps=DEFAULT_STEPS,
    category="any",
    codes="",
):
    """Finds the training images that are nearest to a sample: is it a copy?

    Args:
        preset: Name of a model whose training data are known.
        seed: Whole number, the seed of the sample.
        index: Whole number from 1 to 64, the number of the sample.
        strength: As for the sample; so are the further ones.
        gibbs_steps: See `strength`.
        category: See `strength`.
        codes: See `strength`.

    Returns:
        The sample and its five nearest training images, with their distances: the
        root mean square difference of the pixels, 0 for a copy, 1 for the opposite;
        and what these say, as text.
    """
    entry, settings = check(preset, seed, strength, gibbs_steps, category, codes)
    image = entry.draw(helpers.to_rows([index], "Sample"), **settings)[0][0]
    training = find_training_images(entry, image)
    neighbours, distances = training.nearest(image)
    captions = [f"distance {distance:.3f}" for distance in distances]
    pictures = helpers.to_gallery(
        [image, *neighbours], [f"Sample {index:.0f}", *captions]
    )
    return pictures, judge_distance(distances[0], training.reference)


# What the API is made of ------------------------------------------------------------


def check(preset, seed, strength, gibbs_steps, category, codes):
    """Returns an entry, and the checked arguments of its `draw` by name."""
    entry = helpers.to_entry(preset)
    settings = {
        "seed": helpers.to_integer(seed, "Seed", 0, model_entries.MAX_SEED),
        "strength": helpers.to_strength(entry, strength),
        "category": helpers.to_category(entry, category),
        "codes": helpers.to_codes(entry, codes),
    }
    if "gibbs_steps" in entry.options:
        steps = helpers.to_integer(gibbs_steps, "Gibbs steps", 1, MAX_STEPS)
        settings["gibbs_steps"] = steps
    return entry, settings


def check_latents(preset, seed, strength, category, codes):
    """Returns what `check` does for a model with latents."""
    entry = helpers.to_entry(preset)
    if not entry.has_latents:
        raise helpers.complain(NO_LATENTS.format(entry.model_class))
    return check(preset, seed, strength, None, category, codes)


NO_LATENTS = "This {} has no latents to walk between: it samples pixels by Gibbs steps."


def film_strip(frames, columns=8):
    """Returns some frames, from the first to the last, as one picture."""
    chosen = np.linspace(0, len(frames) - 1, min(columns, len(frames))).round()
    strip = np.concatenate(frames[chosen.astype(int)], axis=1)
    return helpers.to_picture(strip, 96 * len(chosen))


def find_training_images(entry, image):
    """Returns the `TrainingImages` of a model, or raises an error for the page."""
    if entry.dataset is None:
        raise helpers.complain(
            "The training images of this model are not known. Start the app with "
            "--dataset NAME."
        )
    training = training_images.read(entry.dataset, entry.image_shape)
    if training.image_shape != image.shape:
        raise helpers.complain(
            f"The images of {entry.dataset} have another shape than the samples: "
            f"{training.image_shape} and {image.shape}."
        )
    return training


def judge_distance(distance, reference):
    """Returns sentences on a distance, beside those of unseen real images.

    Args:
        distance: Float, to the nearest training image.
        reference: Sorted array of such distances of real validation images, or
            `None`.
    """
    text = f"Distance to the nearest training image: **{distance:.3f}** (0 is a copy). "
    if reference is None:
        return text
    low, middle, high = np.quantile(reference, [0.05, 0.5, 0.95])
    text += (
        f"Real images that the model never saw lie {low:.3f} to {high:.3f} from "
        f"theirs, half of them below {middle:.3f}. "
    )
    if distance < low:
        return text + "**This sample is closer than that: it may be a copy.**"
    return text + "**This sample is no closer to one than they are: not a copy.**"


def describe(entry):
    """Returns a line about a model."""
    config = entry.config
    shape = entry.image_shape
    parts = [entry.model_class]
    parts += ["×".join(map(str, shape[:2])) + " pixels"] if shape else []
    if "latent_dim" in config:
        parts.append(f"{config['latent_dim']} latents")
    if "num_hidden" in config:
        parts.append(f"{config['num_hidden']} hidden units")
    if entry.condition:
        parts.append(f"{entry.num_categories} {entry.condition.argument}")
    parts.append(f"{entry.path.stat().st_size / 1e6:.1f} MB")
    return " · ".join(parts)


# Page -------------------------------------------------------------------------------


@helpers.guarded
def show_controls(preset):
    """Returns the controls that fit the chosen model, and clears old results."""
    entry = helpers.to_entry(preset)
    strength = entry.strength
    has_latents = entry.has_latents
    absent = NO_LATENTS.format(entry.model_class)
    return (
        gr.update(
            visible=strength is not None,
            label=strength.name.capitalize() if strength else "",
            info=strength.info if strength else "",
            maximum=strength.maximum if strength else 1.0,
            value=1.0,
        ),
        gr.update(visible="gibbs_steps" in entry.options),
        describe(entry),
        *conditions.show(entry),
        *reconstruction.show(entry),
        # Not one object twice: Gradio takes each apart.
        *[gr.update(visible=has_latents) for _ in range(2)],
        *[gr.update(visible=not has_latents, value=absent) for _ in range(2)],
        *clear_results(),
    )


def clear_results():
    """Returns empty values for all that belongs to samples no longer shown."""
    return None, None, None, None, ""


def draw_seed():
    """Returns a seed that a person can read out."""
    return random.randrange(10_000)


def click_sample(tool, role, next_end, a, b, c, event: gr.SelectData):
    """Puts the clicked sample where the open tool wants it.

    Args:
        tool: String, "walk", "arithmetic" or "nearest".
        role: String, "A", "B" or "C": the group that clicks go to.
        next_end: String, "start" or "end": what the next click of a walk sets.
        a: List of integers; so are `b` and `c`.
        b: See `a`.
        c: See `a`.
        event: The click, with the number of the sample.

    Returns:
        Values for start, end, next end, A, B, C, and the sample to compare.
    """
    index, same = event.index + 1, gr.skip()
    if tool == "nearest":
        return same, same, same, same, same, same, index
    if tool == "arithmetic":
        groups = [
            toggle(group, index) if name == role else same
            for name, group in zip("ABC", (a, b, c), strict=True)
        ]
        return same, same, same, *groups, same
    if next_end == "start":
        return index, same, "end", same, same, same, same
    return same, index, "start", same, same, same, same


@helpers.guarded
def answer_click(
    tool,
    next_end,
    preset,
    num_images,
    seed,
    strength,
    gibbs_steps,
    category,
    codes,
    start,
    end,
    num_steps,
    path,
    a,
    b,
    c,
    index,
):
    """Returns the results of the open tool, if the click gave it all it needs."""
    same, condition = gr.skip(), (category, codes)
    if tool == "nearest":
        found = nearest(preset, seed, index, strength, gibbs_steps, *condition)
        return same, same, same, *found
    if not helpers.to_entry(preset).has_latents:
        return same, same, same, same, same
    if tool == "arithmetic" and a and b and c:
        result = arithmetic(preset, seed, a, b, c, strength, *condition)
        return same, same, result, same, same
    if tool == "walk" and next_end == "start":  # The end has just been set.
        ends = start, end, num_steps, path
        walk = interpolate(preset, seed, *ends, strength, *condition)
        return *walk, same, same, same
    return same, same, same, same, same


def toggle(group, index):
    """Returns the list with `index` added, or taken out if it was there."""
    group = group or []
    return [i for i in group if i != index] if index in group else [*group, index]


def build():
    """Returns the page."""
    choices = model_entries.choices_of("Sampling")
    with gr.Blocks(title="Sampling") as page:
        helpers.title(
            "Sampling",
            "Draw images that nobody drew. Then walk between two of them, "
            "calculate with them, and see whether they are copies.",
        )
        helpers.note(model_entries.missing_note())
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=280, elem_classes="controls"):
                preset = gr.Dropdown(
                    choices,
                    value=choices[0][1] if choices else None,
                    label="Model",
                    filterable=False,
                )
                facts = gr.Markdown(elem_classes="facts")
                num_images = gr.Slider(
                    1,
                    helpers.MAX_IMAGES,
                    DEFAULT_COUNT,
                    step=1,
                    label="Number of images",
                )
                with gr.Row(elem_classes="seed"):
                    seed = gr.Number(
                        DEFAULT_SEED, precision=0, label="Seed", min_width=120
                    )
                    new_seed = gr.Button("New seed", min_width=96, scale=0)
                strength = gr.Slider(
                    0.1,
                    model_entries.STRENGTHS[0].maximum,
                    1.0,
                    step=0.05,
                    label="Truncation",
                    info=model_entries.STRENGTHS[0].info,
                )
                gibbs_steps = gr.Slider(
                    1,
                    MAX_STEPS,
                    DEFAULT_STEPS,
                    step=1,
                    label="Gibbs steps",
                    info="How long the Markov chain runs before its image is taken.",
                    visible=False,
                )
                given = conditions.build(preset)
                button = gr.Button("Sample", variant="primary", size="lg")
            with gr.Column(scale=9, min_width=320):
                gallery = helpers.gallery(
                    "Samples", buttons=["download_all"], elem_id="samples"
                )
        tool = gr.State("walk")
        next_end = gr.State("start")
        with gr.Tabs(elem_classes="tools", elem_id="tools", overflow_behavior="wrap"):
            with gr.Tab("Latent walk", id="walk", render_children=True) as walk_tab:
                walk = build_walk()
            with gr.Tab(
                "Arithmetic", id="arithmetic", render_children=True
            ) as arithmetic_tab:
                sums = build_arithmetic()
            with gr.Tab(
                "Is it a copy?", id="nearest", render_children=True
            ) as nearest_tab:
                near = build_nearest()
            grid = conditions.build_grid(preset, seed, strength)
            back = reconstruction.build(preset)
        for tab, name in (
            (walk_tab, "walk"),
            (arithmetic_tab, "arithmetic"),
            (nearest_tab, "nearest"),
            # These take no clicks; the first tab is open when they disappear.
            (grid["tab"], "walk"),
            (back["tab"], "walk"),
        ):
            tab.select(functools.partial(str, name), None, tool, **helpers.QUIET)

        condition = [given["category"], given["codes"]]
        settings = [preset, num_images, seed, strength, gibbs_steps, *condition]
        results = [*walk["results"], sums["result"], *near["results"]]
        drawing = {
            "fn": sample,
            "inputs": settings,
            "outputs": gallery,
            "show_progress": "minimal",
        } | helpers.MODEL_EVENT
        again = drawing | helpers.PRIVATE | {"trigger_mode": "always_last"}
        clearing = {"fn": clear_results, "outputs": results} | helpers.PRIVATE

        button.click(**drawing, api_name="sample").success(**clearing)
        new_seed.click(draw_seed, None, seed, **helpers.PRIVATE).then(**again).success(
            **clearing
        )
        gr.on(
            [num_images.release, strength.release, gibbs_steps.release, seed.submit],
            **again,
        ).success(**clearing)
        gr.on(given["triggers"], **given["change"]).then(**again).success(**clearing)
        controls = [
            strength,
            gibbs_steps,
            facts,
            *given["shown"],
            *grid["shown"],
            *back["shown"],
            walk["panel"],
            sums["panel"],
            walk["absent"],
            sums["absent"],
            *results,
        ]
        showing = {
            "fn": show_controls,
            "inputs": preset,
            "outputs": controls,
            "show_progress": "hidden",
        } | helpers.PRIVATE
        # `input` comes twice of a mouse, and never of the keyboard.
        preset.change(**showing).success(**again)
        given["category"].change(**again).success(**clearing)
        if choices:
            page.load(**showing).then(**again)

        gallery.select(
            click_sample,
            [tool, sums["role"], next_end, *sums["groups"]],
            [walk["start"], walk["end"], next_end, *sums["groups"], near["index"]],
            **helpers.QUIET,
        ).then(
            answer_click,
            [
                tool,
                next_end,
                *settings,
                *walk["inputs"],
                *sums["groups"],
                near["index"],
            ],
            results,
            **helpers.MODEL_EVENT,
            **helpers.PRIVATE,
        )
        walk["button"].click(
            interpolate,
            [preset, seed, *walk["inputs"], strength, *condition],
            walk["results"],
            api_name="interpolate",
            **helpers.MODEL_EVENT,
        )
        sums["button"].click(
            arithmetic,
            [preset, seed, *sums["groups"], strength, *condition],
            sums["result"],
            api_name="arithmetic",
            **helpers.MODEL_EVENT,
        )
        near["button"].click(
            nearest,
            [preset, seed, near["index"], strength, gibbs_steps, *condition],
            near["results"],
            api_name="nearest",
            **helpers.MODEL_EVENT,
        )
    return page


def build_walk():
    """Adds the tool of latent walks; returns its parts by name."""
    absent = gr.Markdown(visible=False, elem_classes="hint")
    with gr.Row(equal_height=False) as panel:
        with gr.Column(scale=4, min_width=280):
            hint("Click two samples above: the start, then the end.")
            with gr.Row():
                start = gr.Number(1, precision=0, label="Start", min_width=80)
                end = gr.Number(2, precision=0, label="End", min_width=80)
            steps = gr.Slider(
                2, MAX_FRAMES, 16, step=1, label="Steps", info="Images on the way."
            )
            path = gr.Radio(
                ["straight", "great circle"],
                value="straight",
                label="Path",
                info="A great circle keeps the length that latents usually have.",
            )
            button = gr.Button("Walk", variant="primary")
        with gr.Column(scale=9, min_width=320):
            animation = helpers.picture(
                "Walk",
                "Animation: one sample turns into another and back",
                elem_classes="crisp",
            )
            strip = helpers.picture(
                "On the way",
                "Images on the way from the first sample to the second, side by side",
                elem_classes="crisp",
            )
    return {
        "absent": absent,
        "panel": panel,
        "start": start,
        "end": end,
        "inputs": [start, end, steps, path],
        "button": button,
        "results": [animation, strip],
    }


def build_arithmetic():
    """Adds the tool of latent arithmetic; returns its parts by name."""
    absent = gr.Markdown(visible=False, elem_classes="hint")
    with gr.Row(equal_height=False) as panel:
        with gr.Column(scale=4, min_width=280):
            hint(
                "Choose a group, then click samples for it. About three a group work "
                "best: their mean is steadier than one."
            )
            role = gr.Radio(["A", "B", "C"], value="A", label="Clicks go to")
            numbers = [(str(i + 1), i + 1) for i in range(helpers.MAX_IMAGES)]
            groups = [
                gr.Dropdown(numbers, value=[], multiselect=True, label=label, info=info)
                for label, info in (
                    ("A", "Start from these …"),
                    ("− B", "… take these away …"),
                    ("+ C", "… and add these."),
                )
            ]
            button = gr.Button("Calculate", variant="primary")
        with gr.Column(scale=9, min_width=320):
            result = helpers.gallery("A − B + C", ["captions"])
    return {
        "absent": absent,
        "panel": panel,
        "role": role,
        "groups": groups,
        "button": button,
        "result": result,
    }


def build_nearest():
    """Adds the search for copies; returns its parts by name."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=280):
            hint("Click a sample above. Is it new, or was it learnt by heart?")
            index = gr.Number(1, precision=0, label="Sample")
            button = gr.Button("Compare", variant="primary")
        with gr.Column(scale=9, min_width=320):
            pictures = helpers.gallery(
                "The sample, and the nearest training images", ["captions"]
            )
            verdict = gr.Markdown(elem_classes="verdict")
    return {"index": index, "button": button, "results": [pictures, verdict]}


def hint(text):
    """Adds a short instruction."""
    return gr.Markdown(text, elem_classes="hint")


demo = build()

if __name__ == "__main__":
    helpers.serve_page("Sampling", demo)
