"""Energy landscape: an RBM learns points of the plane, and its free energy is drawn."""

import base64
import functools
import io
import json
import pathlib
import threading
import time

import gradio as gr
import gradio_helpers as helpers
import numpy as np

from gen_keras import energy_landscape
from gen_keras.energy_landscape import LIMIT, NUM_STEPS, EnergyLandscape

MIN_POINTS, MAX_POINTS = 3, 400
NUM_SHOWN = 150  # Points of a ready-made set.
SIDE = 480
SECONDS = 0.4  # Between two pictures, at least.
SCRIPT = (pathlib.Path(__file__).parent / "point_pad.js").read_text("utf-8")
# One model for all, which is compiled once: who comes later waits for some seconds.
QUEUE = {"concurrency_id": "landscape", "concurrency_limit": 1, "preprocess": False}

# API --------------------------------------------------------------------------------


@helpers.guarded
def draw_landscape(points):
    """Trains an RBM on points of the plane and draws its energy landscape.

    Args:
        points: JSON, a list of 3 to 400 pairs of numbers from -2 to 2, not all the
            same.

    Returns:
        The free energy from -2 to 2 in both directions, light where it is low, with the
        points in blue and their reconstructions in red; and what it came to, as text.
    """
    *_, landscape = train(to_points(points))
    return helpers.store_picture(landscape.draw(SIDE)), describe(landscape)


# What the API is made of ------------------------------------------------------------


def to_points(points):
    """Returns points (num_points, 2), or raises an error for the page."""
    try:
        points = json.loads(points) if isinstance(points, str) else points
    except ValueError as error:
        raise helpers.complain("The points must be JSON, as in [[0, 1], …].") from error
    if not isinstance(points, list) or len(points) < MIN_POINTS:
        raise helpers.complain(
            f"At least {MIN_POINTS} points are needed: click on the plane, or draw."
        )
    if len(points) > MAX_POINTS:
        raise helpers.complain(f"There may be at most {MAX_POINTS} points.")
    if not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise helpers.complain("Each point must be a pair of numbers.")
    points = [
        [helpers.to_number(x, "A coordinate", -LIMIT, LIMIT) for x in point]
        for point in points
    ]
    if np.ptp(points, axis=0).max() < 0.01:
        raise helpers.complain(
            "The points are all in one place: put some of them elsewhere."
        )
    return np.array(points, "float32")


@functools.cache
def get_model():
    """Returns the model of all landscapes, compiled."""
    model = energy_landscape.PlaneRBM()
    next(EnergyLandscape(np.eye(2), model=model).train())
    return model


_lock = threading.Lock()


def train(points):
    """Yields an `EnergyLandscape` after each block of steps."""
    with _lock:
        landscape = EnergyLandscape(points, model=get_model())
        for _ in landscape.train():
            yield landscape


def describe(landscape):
    """Returns how far the training is and, when it is over, what it came to."""
    text = f"Step {landscape.step:,} of {NUM_STEPS:,}"
    if landscape.step < NUM_STEPS:
        return text
    ticks = np.random.default_rng(0).uniform(-LIMIT, LIMIT, (2000, 2))
    gap = landscape.free_energy(ticks).mean()
    gap -= landscape.free_energy(landscape.points).mean()
    return (
        f"Step {NUM_STEPS:,}: the free energy of the points is on average **{gap:.1f} "
        "nats** lower than that of the plane around them."
    )


def warm_up():
    """Compiles the model."""
    with _lock:
        get_model()


# Page -------------------------------------------------------------------------------


def show(picture=None):
    """Returns HTML: a picture below the points, or an empty plane."""
    if picture is None:
        return '<div class="ground plain"></div>'
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=85)
    data = base64.b64encode(buffer.getvalue()).decode()
    words = (
        "Map of the free energy, light where it is low, with the points in blue and "
        "their reconstructions in red"
    )
    return f'<img class="ground" alt="{words}" src="data:image/webp;base64,{data}">'


@helpers.guarded
def watch(points):
    """Yields the picture and the status while a model learns the points."""
    points = to_points(points)
    shown = 0.0
    for landscape in train(points):
        is_over = landscape.step >= NUM_STEPS
        if is_over or time.monotonic() - shown > SECONDS:
            yield show(landscape.draw(SIDE)), describe(landscape)
            shown = time.monotonic()


def take_example(name):
    """Returns the points of a ready-made set, an empty plane and the status."""
    points = energy_landscape.EXAMPLES[name].sample(NUM_SHOWN)
    inside = points[np.abs(points).max(axis=1) < LIMIT].astype(float)
    return json.dumps(inside.round(3).tolist()), show(), count(len(inside))


def count_points(points):
    """Returns how many points were placed, and an empty plane if there are none."""
    number = len(json.loads(points or "[]"))
    return count(number), gr.skip() if number else show()


def count(number):
    """Returns a number of points in words."""
    return f"{number} point{'' if number == 1 else 's'}"


def build():
    """Adds the tool."""
    with gr.Row(equal_height=False, elem_classes="apart"):
        with gr.Column(scale=5, min_width=280, elem_classes="controls"):
            gr.Markdown(
                "Click on the plane to place points, or draw. Then an RBM learns them: "
                "its energy becomes low where they lie, and high elsewhere.",
                elem_classes="hint",
            )
            example = gr.Radio(
                list(energy_landscape.EXAMPLES),
                label="Or take a ready-made set",
                elem_id="sets",
            )
            button = gr.Button("Train", variant="primary", size="lg")
            status = gr.Markdown("0 points", elem_id="trained", elem_classes="facts")
            with gr.Accordion("How to read this", open=False):
                gr.Markdown(EXPLANATION, elem_classes="facts")
        with gr.Column(scale=7, min_width=320):
            with gr.Group(elem_classes="layers"):
                ground = gr.HTML(show(), elem_id="landscape", elem_classes="bare")
                pad = build_pad()
            gr.HTML(LEGEND, elem_classes="bare")
    pad.input(count_points, pad, [status, ground], **helpers.QUIET)
    example.input(take_example, example, [pad, ground, status], **helpers.QUIET)
    running = {"show_progress": "hidden"} | helpers.PRIVATE
    button.click(watch, pad, [ground, status], **running, **QUEUE)
    # For the API alone.
    points = gr.Textbox(label="Points", visible=False)
    picture = gr.Image(label="Landscape", type="filepath", visible=False)
    words = gr.Textbox(label="Text", visible=False)
    gr.Button(visible=False).click(
        draw_landscape, points, [picture, words], api_name="landscape", **QUEUE
    )


def build_pad():
    """Adds the plane on which points are placed."""
    return gr.HTML(
        html_template=f"""
<div class="pad" style="max-width: {SIDE}px" data-limit="{LIMIT:g}"
 data-most="{MAX_POINTS}" data-color="{energy_landscape.DATA}">
<div class="pad-head"><span>The plane</span><span class="pad-tools">
<button type="button" data-action="undo">Undo</button>
<button type="button" data-action="clear">Clear</button></span></div>
<canvas width="{2 * SIDE}" height="{2 * SIDE}" role="img" aria-label="A plane on which
 to place points with a mouse, a pen or a finger. Without these, take a ready-made
 set."></canvas></div>""",
        js_on_load=SCRIPT,
        elem_classes="bare",
        elem_id="points",
        label="Points",
    )


LEGEND = f"""
<div class="keys"><span><i style="background: {energy_landscape.DATA}"></i>points</span>
<span><i style="background: {energy_landscape.RECONSTRUCTION}"></i>their
reconstructions</span>
<span class="ramp"><i style="background: linear-gradient(to right,
{", ".join(energy_landscape.COLORS)})"></i>free energy, low to high</span></div>
"""
EXPLANATION = """
- **The model**: two Gaussian visible units, which are a point's coordinates, and 20
  binary hidden ones. It sees the points scaled to deviation 1.
- **Free energy** F(v) is −log p(v) but for a constant: low where points are likely.
  Contours are close where it is steep. The darkest is 15 nats above the lowest, or
  more.
- **A reconstruction** is what the model makes of a point: up to the hidden units and
  back again. It lies nearer to where points are likely.
- **Training** is persistent contrastive divergence: 5 Gibbs steps of 50 chains, each
  beside three hotter ones with which it changes places. Without these, valleys remain
  where there are no points.
"""
