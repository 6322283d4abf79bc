"""Boltzmann: a Gibbs chain to watch and to steer, weights, classes, a landscape."""

import base64
import threading
import time

import classify
import digits
import drawing_pad
import gradio as gr
import gradio_helpers as helpers
import landscape
import model_entries
import numpy as np
from keras import ops
from PIL import Image

from gen_keras import image_grids, models

PAGE = "Boltzmann"
PRESET = "rbm_mnist"
MAX_STEPS = 2000
MAX_UNITS = 400
MAX_FRAMES = 1500  # Some minutes; then the chain rests until it is started again.
SECONDS = 0.08  # Between two pictures, at least.
SIDE = 420  # Pixels of the sheet that lies on the picture of the chain.
# Where the sheet is gray, a pixel is free.
FREE = "#808080"
INK = drawing_pad.Tool("Ink", "#fbbf24", 1.6 * SIDE / 28)
PAPER = drawing_pad.Tool("Paper", "#312e81", 1.6 * SIDE / 28)
ERASER = drawing_pad.Tool("Free", FREE, 2.5 * SIDE / 28)
POSITIVE, NEGATIVE = (67, 56, 202), (234, 88, 12)  # Of weights.

# Models -----------------------------------------------------------------------------


def find_entries():
    """Returns a dict of the models of this page: those that take binary images."""
    return {
        name: entry
        for name, entry in model_entries.entries().items()
        if issubclass(getattr(models, entry.model_class), models.RBM | models.DBM)
        and entry.config.get("visible_units", "bernoulli") == "bernoulli"
        and len(entry.image_shape) == 3
        and entry.image_shape[-1] == 1
    }


def to_entry(name):
    """Returns the `Entry` called `name`, or raises an error for the page."""
    entries = find_entries()
    if isinstance(name, str) and name in entries:
        return entries[name]
    if not entries:
        raise helpers.complain(f"The file gen_keras/presets/{PRESET}.keras is missing.")
    raise helpers.complain(
        f"The model must be one of: {', '.join(entries)}. "
        f"Received: {helpers.shorten(name)}"
    )


# Chains -----------------------------------------------------------------------------


class Chain:
    """A Gibbs chain of one image, some of whose pixels may be clamped.

    All may change while it runs: events of the page call what is not `run`.

    Args:
        entry: `Entry` of the model.
        seed: Integer or `None`, of all that is drawn.

    Attributes:
        means: Array (1, *image_shape), p(v = 1 | h) and what is clamped.
        step: Integer, the Gibbs steps that were taken.
        gibbs_steps: Integer, those from one picture to the next.
        temperature: Float.
        is_stopped: Boolean; if it is set, `run` ends.
    """

    def __init__(self, entry, seed=None):
        self._rng = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self.mask = np.zeros(0)
        self.gibbs_steps, self.temperature, self.is_stopped = 1, 1.0, False
        self.restart(entry)

    def restart(self, entry, image=None):
        """Starts anew from an image of 0 and 1, or from coins; clamped pixels stay."""
        shape = (1, *entry.image_shape)
        with self._lock:
            self.entry, self.step, self._hidden = entry, 0, None
            if image is None:
                image = self._rng.integers(2, size=shape)
            self.states = np.asarray(image, "float32").reshape(shape)
            if self.mask.shape != shape:
                self.mask = self.values = np.zeros(shape, "float32")
            self.means = np.where(self.mask, self.values, self.states)

    def clamp(self, mask, values):
        """Holds the pixels where `mask` is 1 at `values`, both of the image shape."""
        with self._lock:
            self.mask, self.values = mask[None].astype("float32"), values[None]
            self.means = np.where(self.mask, self.values, self.means)

    def advance(self, gibbs_steps):
        """Takes Gibbs steps, and one more for `means`."""
        with self._lock:
            self.states = np.where(self.mask, self.values, self.states)
            if isinstance(self.entry.model, models.DBM):
                states, self._hidden = self._draw(gibbs_steps, return_hidden=True)
            else:
                states = self._draw(gibbs_steps)
            self.states = ops.convert_to_numpy(states)
            self.means = ops.convert_to_numpy(self._draw(1, probabilities=True))
            self.step += gibbs_steps

    def _draw(self, gibbs_steps, **options):
        options |= {"temperature": self.temperature, "mask": self.mask}
        if self._hidden is not None:  # Of a DBM.
            options["hidden"] = self._hidden
        seed = int(self._rng.integers(model_entries.MAX_SEED))
        with self.entry.lock:
            return self.entry.model.gibbs(self.states, gibbs_steps, seed, **options)

    def run(self):
        """Advances until it is stopped, and yields after each picture's steps."""
        for _ in range(MAX_FRAMES):
            if self.is_stopped:
                return
            end = time.monotonic() + SECONDS
            self.advance(self.gibbs_steps)
            yield
            time.sleep(max(0, end - time.monotonic()))


def read_clamps(image, shape):
    """Returns which pixels an image clamps, and their values, of an image shape.

    Args:
        image: `PIL.Image` in gray: light is ink, dark is paper, between them is free.
        shape: Tuple, height, width and channels of the model's images.
    """
    small = image.resize((shape[1], shape[0]), Image.Resampling.BOX)
    pixels = np.asarray(small, "float32").reshape(shape)
    ink, paper = pixels > 160, pixels < 95
    return ink | paper, ink.astype("float32")


# API --------------------------------------------------------------------------------


@helpers.guarded
def gibbs(preset, known=None, gibbs_steps=200, temperature=1.0, seed=0):
    """Runs a Gibbs chain from noise, with the pixels held that are known.

    Args:
        preset: Name of an RBM or a DBM, such as "rbm_mnist".
        known: File of an image, or nothing: where it is light, pixels stay ink, where
            it is dark, they stay paper; gray ones are drawn.
        gibbs_steps: Whole number from 1 to 2000.
        temperature: Number from 0.5 to 2; the energy is divided by it.
        seed: Whole number from 0 to 2147483647.

    Returns:
        The image, the probability of ink in each pixel, enlarged.
    """
    entry = to_entry(preset)
    seed = helpers.to_integer(seed, "Seed", 0, model_entries.MAX_SEED)
    chain = Chain(entry, seed)
    chain.temperature = to_temperature(temperature)
    gibbs_steps = helpers.to_integer(gibbs_steps, "Gibbs steps", 1, MAX_STEPS)
    if known:
        path = helpers.path_of(known, "The known pixels must be an image.")
        image = helpers.open_upload(path)
        chain.clamp(*read_clamps(image, entry.image_shape))
    chain.advance(gibbs_steps)
    return helpers.to_picture(entry.to_uint8(chain.means[0]), 224)


@helpers.guarded
def draw_weights(preset, num_units=100):
    """Draws the weights of hidden units of the first layer, the strongest first.

    Args:
        preset: Name of an RBM or a DBM, such as "rbm_mnist".
        num_units: Whole number from 1 to 400; at most so many as there are are drawn.

    Returns:
        One image: a tile for each unit. Indigo: ink there turns the unit on; orange:
        off.
    """
    entry = to_entry(preset)
    num_units = helpers.to_integer(num_units, "Units", 1, MAX_UNITS)
    model = entry.model
    kernel = model.kernels[0] if isinstance(model, models.DBM) else model.kernel
    kernel = ops.convert_to_numpy(kernel)[: np.prod(entry.image_shape)]
    strongest = np.argsort(-np.square(kernel).sum(axis=0))
    images = image_grids.weights_to_images(
        kernel[:, strongest], entry.image_shape, num_units
    )
    grid = image_grids.make_grid(color_weights(images), (0, 255), padding=2)
    return helpers.store_picture(image_grids.to_pil(grid, max(1, 640 // len(grid[0]))))


# What the API is made of ------------------------------------------------------------


def to_temperature(value):
    """Returns a temperature, or raises an error for the page."""
    return helpers.to_number(value, "Temperature", 0.5, 2.0)


def color_weights(images):
    """Returns images (n, height, width, 3) of gray ones: 0.5 is white."""
    signed = 2 * images - 1
    colors = np.where(signed > 0, POSITIVE, NEGATIVE)
    strength = np.abs(signed)
    return strength * colors + (1 - strength) * 255


def draw(chain):
    """Returns HTML: the picture of a chain, with what is clamped in colours."""
    gray = np.repeat(255 * chain.means[0], 3, axis=-1)
    held = np.repeat(chain.mask[0], 3, axis=-1) > 0
    tools = [hex_to_rgb(tool.color) for tool in (PAPER, INK)]
    colors = np.where(chain.values[0] > 0.5, tools[1], tools[0])
    pixels = np.where(held, colors, gray).round().astype("uint8")
    data = base64.b64encode(image_grids.encode_png(pixels)).decode()
    words = "The present image of the Gibbs chain"
    return f'<img class="ground" alt="{words}" src="data:image/png;base64,{data}">'


def hex_to_rgb(color):
    """Returns the parts of a colour such as "#ff0000", from 0 to 255."""
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def describe(chain):
    """Returns how far a chain is, and how many pixels are clamped."""
    clamped = int(chain.mask.sum())
    held = f" · {clamped} pixels clamped" if clamped else ""
    return f"Gibbs step {chain.step:,}{held}"


# Events -----------------------------------------------------------------------------
# A chain belongs to one page, as its state. Sliders and the sheet change it while it
# runs.


@helpers.guarded
def restart(chain, preset, digit, gibbs_steps, temperature):
    """Starts a chain anew; returns it, its picture and its status.

    Args:
        chain: `Chain`, or `None`: a new one.
        preset: String.
        digit: Integer, a real digit where it starts, or `None`: noise.
        gibbs_steps: See `set_pace`.
        temperature: See `set_pace`.
    """
    entry = to_entry(preset)
    chain = chain or Chain(entry)
    image = None
    if digit is not None and entry.image_shape == digits.SHAPE:
        image = digits.get_example(digit) > 127
    chain.restart(entry, image)
    set_pace(chain, gibbs_steps, temperature)
    return chain, draw(chain), describe(chain)


@helpers.guarded
def set_pace(chain, gibbs_steps, temperature):
    """Sets how many steps lie between two pictures, and the temperature."""
    if chain is not None:
        chain.gibbs_steps = helpers.to_integer(gibbs_steps, "Steps", 1, 100)
        chain.temperature = to_temperature(temperature)


@helpers.guarded
def clamp(chain, drawing):
    """Clamps what is drawn on the sheet, a data URL; "" frees all pixels."""
    if chain is None:
        return gr.skip(), gr.skip()
    mask = values = np.zeros(chain.mask.shape[1:], "float32")
    if drawing:
        mask, values = read_clamps(drawing_pad.read(drawing), mask.shape)
    chain.clamp(mask, values)
    return draw(chain), describe(chain)


def begin(chain):
    """Returns the buttons of a chain that runs."""
    if chain is not None:
        chain.is_stopped = False
    return gr.update(interactive=False), gr.update(interactive=True)


@helpers.guarded
def watch(chain):
    """Yields picture and status while a chain runs."""
    for _ in chain.run() if chain else ():
        yield draw(chain), describe(chain)


def stop(chain):
    """Ends a chain after the steps it is at."""
    if chain is not None:
        chain.is_stopped = True


def rest():
    """Returns the buttons of a chain that does not run."""
    return gr.update(interactive=True), gr.update(interactive=False)


def warm_up():
    """Does once what would make the first visitors wait."""
    for name in find_entries():
        gibbs(name, gibbs_steps=1)
    landscape.warm_up()


# Page -------------------------------------------------------------------------------


def build():
    """Returns the page."""
    entries = find_entries()
    with gr.Blocks(title=PAGE) as page:
        helpers.title(
            PAGE,
            "A Boltzmann machine gives each image an energy and wanders towards low "
            "ones. Watch it, hold some pixels, and see what its units look for.",
        )
        if not entries:
            helpers.note(
                f"The file `gen_keras/presets/{PRESET}.keras` is missing, so there is "
                "no chain to watch and there are no weights to see yet."
            )
        with gr.Tabs(elem_classes="tools", elem_id="tools", overflow_behavior="wrap"):
            with gr.Tab("Gibbs chain", render_children=True, visible=bool(entries)):
                build_chain(page, entries)
            with gr.Tab("Weights", render_children=True, visible=bool(entries)):
                build_weights(page, entries)
            with gr.Tab(
                "Which digit?",
                render_children=True,
                visible=classify.find_entry() is not None,
            ):
                classify.build(page)
            with gr.Tab("Energy landscape", render_children=True):
                landscape.build()
    return page


def build_menu(entries):
    """Adds the choice of a model, if there is one."""
    return gr.Dropdown(
        [(entry.title, name) for name, entry in entries.items()],
        value=next(iter(entries), None),
        label="Model",
        filterable=False,
        visible=len(entries) > 1,
    )


def build_chain(page, entries):
    """Adds the tool that shows a Gibbs chain."""
    with gr.Row(equal_height=False, elem_classes="apart"):
        with gr.Column(scale=5, min_width=280, elem_classes="controls"):
            preset = build_menu(entries)
            gr.Markdown(
                "The chain starts from noise. Draw on its picture, even while it runs: "
                "**ink** stays ink, **paper** stays paper, and the rest finds what "
                "fits.",
                elem_classes="hint",
            )
            with gr.Row(elem_classes="actions"):
                # Pressed before the page has its chain it would start nothing.
                start = gr.Button(
                    "Start", variant="primary", interactive=False, min_width=90
                )
                halt = gr.Button("Stop", interactive=False, min_width=90)
                again = gr.Button("Restart", min_width=90)
            steps = gr.Slider(1, 100, 2, step=1, label="Gibbs steps per picture")
            temperature = gr.Slider(
                0.5,
                2.0,
                1.0,
                step=0.05,
                label="Temperature",
                info="The energy is divided by it. More: wilder.",
            )
            digit = gr.Radio(
                [(str(i), i) for i in range(10)],
                label="Restart from a real digit",
                elem_classes="digits",
            )
        with gr.Column(scale=7, min_width=320):
            with gr.Group(elem_classes=["layers", "chain"]):
                picture = gr.HTML(
                    '<div class="ground"></div>', elem_id="chain", elem_classes="bare"
                )
                pad = drawing_pad.build(
                    "The chain",
                    "A sheet on the picture, to hold pixels with a mouse, a pen or a "
                    "finger",
                    SIDE,
                    (INK, PAPER, ERASER),
                    FREE,
                    wait=60,
                    elem_id="clamps",
                )
            status = gr.Markdown(elem_id="chain-status", elem_classes="facts")
            gr.HTML(CHAIN_LEGEND, elem_classes="bare")

    chain = gr.State(None, time_to_live=3600)  # Seconds.
    shown, pace = [picture, status], [steps, temperature]
    nothing = gr.State(None)
    renewing = {"fn": restart, "outputs": [chain, *shown]} | helpers.QUIET
    running = {
        "fn": watch,
        "inputs": chain,
        "outputs": shown,
        "show_progress": "hidden",
        "concurrency_limit": 8,
    } | helpers.PRIVATE
    anew = [chain, preset, nothing, *pace]
    buttons = [start, halt]
    start.click(begin, chain, buttons, **helpers.QUIET).then(**running).then(
        rest, None, buttons, **helpers.QUIET
    )
    halt.click(stop, chain, None, **helpers.QUIET)
    again.click(lambda: None, None, digit, **helpers.QUIET)
    gr.on([again.click, preset.change], inputs=anew, **renewing)
    digit.input(inputs=[chain, preset, digit, *pace], **renewing)
    gr.on(
        [part.change for part in pace], set_pace, [chain, *pace], None, **helpers.QUIET
    )
    pad.input(clamp, [chain, pad], shown, **helpers.QUIET)
    pad.clear(clamp, [chain, pad], shown, **helpers.QUIET)
    if entries:
        page.load(inputs=anew, **renewing).success(rest, None, buttons, **helpers.QUIET)
    # For the API alone.
    known = gr.Image(label="Known pixels", type="filepath", visible=False)
    seed = gr.Number(0, label="Seed", visible=False)
    result = gr.Image(label="Image", type="filepath", visible=False)
    gr.Button(visible=False).click(
        gibbs,
        [preset, known, gr.Number(200, label="Gibbs steps", visible=False)]
        + [temperature, seed],
        result,
        api_name="gibbs",
        **helpers.MODEL_EVENT,
    )


CHAIN_LEGEND = f"""
<div class="keys"><span><i style="background: {INK.color}"></i>held as ink</span>
<span><i style="background: {PAPER.color}"></i>held as paper</span>
<span><i class="ramp" style="background: linear-gradient(to right, #000, #fff)"></i>
probability of ink</span></div>
"""


def build_weights(page, entries):
    """Adds the picture of the weights."""
    with gr.Row(equal_height=False, elem_classes="apart"):
        with gr.Column(scale=5, min_width=280, elem_classes="controls"):
            preset = build_menu(entries)
            gr.Markdown(
                "Each tile is a hidden unit, the strongest first: what it looks for in "
                "an image. **Indigo**: ink there turns it on. **Orange**: ink there "
                "turns it off.",
                elem_classes="hint",
            )
            count = gr.Slider(25, MAX_UNITS, 100, step=25, label="Units")
        with gr.Column(scale=7, min_width=320):
            picture = helpers.picture(
                "Weights of the first layer",
                "Tiles of weights, one for each hidden unit, in indigo and orange",
                elem_id="weights",
                elem_classes="crisp",
            )
    drawing = {
        "fn": draw_weights,
        "inputs": [preset, count],
        "outputs": picture,
        "show_progress": "hidden",
    } | helpers.MODEL_EVENT
    count.release(**drawing, api_name="weights")
    preset.change(**drawing, **helpers.PRIVATE)
    if entries:
        page.load(**drawing, **helpers.PRIVATE)


demo = build()

if __name__ == "__main__":
    helpers.serve_page(PAGE, demo)
