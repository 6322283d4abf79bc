"""Training, live: two small GANs learn the same points, side by side."""

import base64
import html
import secrets
import threading
import time

import gradio as gr
import gradio_helpers as helpers
import numpy as np
import toy_gans

from gen_keras import image_grids

PAGE = "Training, live"
MAX_RUNS = 2  # At a time; further ones wait. More would only share the processor.
RATES = (1e-4, 2e-4, 5e-4, 1e-3)
# The discriminator's rate is that of Metz et al., 2016, a tenth of the generator's.
# From these first weights the GAN then hops from mode to mode for all 5,000 steps and
# PacGAN has the ring after 2,000. From two of three others the GAN finds it, too, late.
DEFAULTS = ("Ring of 8", "GAN", "PacGAN", 1e-4)
SIDE = 400  # Units of a picture, which is scaled to what room there is.
SHOWN = 500  # Points of the data and of the samples.
REAL, FAKE = (165, 180, 252), (253, 186, 116)  # Of the discriminator's background.

# Pictures ---------------------------------------------------------------------------


def draw(run):
    """Returns HTML: the sides of a run next to each other."""
    figures = "".join(draw_side(side, run.data) for side in run.sides)
    return f'<div class="live">{figures}</div>'


def draw_side(side, mixture):
    """Returns HTML: the points of a side, what they amount to, and its losses."""
    title, total = html.escape(side.kind), len(mixture.means)
    modes, share, words = "–", "–", "Only the data: training has not begun."
    if side.modes:
        modes, share = f"{side.modes.modes}", f"{side.modes.high_quality_share:.0%}"
        words = f"Samples reach {modes} of {total} modes; {share} of them are good."
    return f"""
<figure><figcaption>{title}</figcaption>
<svg viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{title}. {words}">
{draw_scores(side.scores)}{draw_points(mixture.sample(SHOWN), "data")}
{draw_points(side.samples, "fake")}</svg>
<dl><dt>Modes found</dt><dd><b>{modes}</b> of {total}</dd>
<dt>Good samples</dt><dd><b>{share}</b></dd></dl>
{draw_losses(side.losses)}</figure>"""


def draw_scores(scores):
    """Returns SVG: the background, from what is taken for data to the opposite."""
    if scores is None:
        return ""
    real, fake, white = (np.array(color) for color in (REAL, FAKE, 3 * [255]))
    # From undecided, which is white. The root makes small differences visible.
    far = np.sqrt(np.abs(2 * scores - 1))[..., None]
    colors = np.where(scores[..., None] > 0.5, real, fake) * far + white * (1 - far)
    png = base64.b64encode(image_grids.encode_png(colors.astype("uint8"))).decode()
    return f'<image href="data:image/png;base64,{png}" width="{SIDE}" height="{SIDE}"/>'


def draw_points(points, name):
    """Returns SVG: a dot for each of some points (num_points, 2)."""
    if points is None:
        return ""
    places = (points[:SHOWN] * (1, -1) / toy_gans.LIMIT + 1) * SIDE / 2
    # A line of no length with round ends is a dot; one path is faster than circles.
    path = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in places.clip(-9, SIDE + 9))
    return f'<path class="{name}" d="{path}"/>'


def draw_losses(losses, height=90, left=34):
    """Returns SVG: the losses of both sides over the steps."""
    if len(losses) < 2:
        return f'<svg class="losses" viewBox="0 0 {SIDE} {height}"></svg>'
    steps, *values = np.array(losses).T
    low, high = np.quantile(values, (0.01, 0.99))  # A peak hides nothing else.
    margin = max(0.05 * (high - low), 1e-3)
    low, high = low - margin, high + margin
    x = left + steps / max(1000, steps[-1]) * (SIDE - left)
    curves = ""
    for name, value in zip(("discriminator", "generator"), values, strict=True):
        y = (high - value.clip(low, high)) / (high - low) * height
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        curves += f'<polyline class="{name}" points="{line}"/>'
    words = (
        f"Losses after {steps[-1]:.0f} steps: discriminator {values[0][-1]:.2f}, "
        f"generator {values[1][-1]:.2f}"
    )
    return f"""
<svg class="losses" viewBox="0 0 {SIDE} {height}" role="img" aria-label="{words}">
{curves}<text y="12">{high:.1f}</text><text y="{height - 4}">{low:.1f}</text></svg>"""


LEGEND = """
<div class="keys"><span><i class="data"></i>data</span>
<span><i class="fake"></i>samples</span>
<span><i class="real-field"></i>taken for data</span>
<span><i class="fake-field"></i>taken for a sample</span>
<span><i class="line discriminator"></i>loss of the discriminator</span>
<span><i class="line generator"></i>loss of the generator</span></div>
"""
EXPLANATION = f"""
- **The same for all**: networks of two layers of {toy_gans.UNITS} units and their first
  weights, batches of {toy_gans.BATCH_SIZE} points, and Adam. Only the game
  differs. The generator's learning rate is {toy_gans.GENERATOR_RATE:g}, above is the
  discriminator's.
- **A mode is found** if one of {toy_gans.NUM_SAMPLES:,} samples lies within three
  standard deviations of its centre; such samples are **good**.
- **A step** is one batch for the discriminator. WGAN and WGAN-GP move their generator
  at every fifth only, as in their papers.
- **A critic** (WGAN, WGAN-GP) gives no probabilities: its background goes from its
  lowest value in the picture to its highest. That of PacGAN shows a point beside one of
  the data.
- **Try this**: with a discriminator as fast as its generator, the plain GAN finds the
  ring, too. From other first weights it may do so without that, only later. The grid is
  hard for all of them.
"""

# Events -----------------------------------------------------------------------------
# A run belongs to one page, as its state. While it goes on the settings are locked, so
# no event disturbs another. Of several pages of one browser one trains at a time.

_training = []  # Runs.
_lock = threading.Lock()


def find_obstacle(run):
    """Gives a run a place, or returns why it has to wait."""
    with _lock:
        if run.visitor and run.visitor in [other.visitor for other in _training]:
            return "another page of yours is training"
        if len(_training) == MAX_RUNS:
            return f"{MAX_RUNS} others are training"
        _training.append(run)
        return None


@helpers.guarded
def make_run(data, left, right, rate):
    """Returns a `Run` of checked settings."""
    for value, offered, what in (
        (data, toy_gans.DATA, "Data"),
        (left, toy_gans.KINDS, "Left"),
        (right, toy_gans.KINDS, "Right"),
        (rate, RATES, "Discriminator's rate"),
    ):
        if value not in offered:
            raise helpers.complain(
                f"{what} must be one of: {', '.join(map(str, offered))}. "
                f"Received: {helpers.shorten(value)}"
            )
    return toy_gans.Run(data, (left, right), rate)


def renew(*settings):
    """Returns a new run, its picture and the controls, after a change of settings."""
    run = make_run(*settings)
    return run, draw(run), *rest(run)


def begin(run, visitor, *settings):
    """Returns the run that is to go on, whose it is, and the controls of such a one."""
    run = run or make_run(*settings)
    run.is_stopped = False
    run.visitor = visitor or secrets.token_hex(8)
    return run, run.visitor, *show_controls(run, "Starting…", is_running=True)


@helpers.guarded
def train(run):
    """Yields status and picture while a run goes on."""
    while obstacle := find_obstacle(run):
        if run.is_stopped:
            return
        yield f"{describe(run)} · waiting: {obstacle}", gr.skip()
        time.sleep(0.5)
    try:
        kinds = [side.kind for side in run.sides]
        if not toy_gans.PLAYERS.has(kinds):
            yield f"Compiling {' and '.join(dict.fromkeys(kinds))}…", gr.skip()
        for _ in run.train():
            yield describe(run), draw(run)
    finally:
        with _lock:
            _training.remove(run)


def stop(run):
    """Ends a run after the block it is at; returns the status."""
    run.is_stopped = True
    return f"{describe(run)} · stopping…"


def rest(run):
    """Returns the controls of a run that does not go on."""
    ended = "finished" if run.is_over else "stopped"
    return show_controls(run, f"{describe(run)} · {ended}" if run.step else "Ready")


def show_controls(run, status, is_running=False):
    """Returns the status, and what may be pressed and set."""
    return (
        status,
        gr.update(
            interactive=not is_running and not run.is_over,
            value="Go on" if run.step and not is_running else "Start",
        ),
        gr.update(interactive=is_running),
        gr.update(interactive=bool(run.step) and not is_running),
        *[gr.update(interactive=not is_running) for _ in DEFAULTS],
    )


def describe(run):
    """Returns how far a run is."""
    return f"Step {run.step:,} of {toy_gans.MAX_STEPS:,}"


def warm_up():
    """Compiles what the default settings need."""
    players = [toy_gans.PLAYERS.take(kind) for kind in DEFAULTS[1:3]]
    for player in players:
        toy_gans.PLAYERS.give(player)


# Page -------------------------------------------------------------------------------


def build():
    """Returns the page."""
    with gr.Blocks(title=PAGE) as page:
        helpers.title(
            PAGE,
            "Two GANs learn the same points of the plane before your eyes. One may put "
            "all its samples on a single mode, while the other finds them all.",
        )
        data, left, right, rate = settings = build_settings()
        with gr.Row(elem_classes="actions"):
            start = gr.Button("Start", variant="primary", min_width=90)
            halt = gr.Button("Stop", interactive=False, min_width=90)
            reset = gr.Button("Reset", interactive=False, min_width=90)
        status = gr.Markdown("Ready", elem_id="status", elem_classes="facts")
        picture = gr.HTML(
            draw(make_run(*DEFAULTS)), elem_id="live", elem_classes="bare"
        )
        gr.HTML(LEGEND, elem_classes="bare")
        with gr.Accordion("How to read this", open=False, elem_classes="below"):
            gr.Markdown(EXPLANATION, elem_classes="facts")

        run = gr.State(None, time_to_live=3600)  # Seconds.
        visitor = gr.BrowserState("", storage_key="visitor")
        controls = [status, start, halt, reset, *settings]
        renewing = {
            "fn": renew,
            "inputs": settings,
            "outputs": [run, picture, *controls],
        } | helpers.QUIET
        gr.on([part.change for part in settings], **renewing)
        reset.click(**renewing)
        start.click(
            begin, [run, visitor, *settings], [run, visitor, *controls], **helpers.QUIET
        ).success(
            train,
            run,
            [status, picture],
            show_progress="hidden",
            concurrency_limit=16,  # Those that wait for a place, too.
            **helpers.PRIVATE,
        ).then(rest, run, controls, **helpers.QUIET)
        halt.click(stop, run, status, **helpers.QUIET)
    return page


def build_settings():
    """Adds the controls of a run; returns them in the order of `make_run`."""
    data, left, right, rate = DEFAULTS
    with gr.Row(elem_classes=["controls", "settings"]):
        return [
            gr.Dropdown(
                list(choices), value=value, label=label, filterable=False, min_width=150
            )
            for choices, value, label in (
                (toy_gans.DATA, data, "Data"),
                (toy_gans.KINDS, left, "Left"),
                (toy_gans.KINDS, right, "Right"),
                ([(f"{r:g}", r) for r in RATES], rate, "Discriminator's rate"),
            )
        ]


demo = build()

if __name__ == "__main__":
    helpers.serve_page(PAGE, demo)
