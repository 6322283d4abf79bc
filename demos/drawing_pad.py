"""A sheet of paper to draw on, and how its drawings are read and put there."""

import base64
import html
import io
import pathlib

import gradio as gr
import gradio_helpers as helpers

MAX_DRAWING = 500_000  # Characters; a drawing has about 10,000.
SCRIPT = (pathlib.Path(__file__).parent / "drawing_pad.js").read_text("utf-8")


def build(
    heading,
    words,
    side=280,
    pen=22,
    eraser=None,
    wait=400,
    cell=None,
    color="black",
    **options,
):
    """Adds the sheet; its events are `input`, after a stroke, and `clear`.

    Args:
        heading: String, above the sheet.
        words: String that says what it is for to those who cannot see it.
        side: Integer, pixels of the drawing, a square until `write` changes it.
        pen: Number, the width of a stroke in pixels.
        eraser: Number, likewise; `None`: there is only a pen, and no "Undo".
        wait: Integer, the milliseconds after a stroke in which another may follow.
        cell: Integer, the side of squares that are painted whole, on a picture that
            `write` lays: "Undo" stops at it, "Clear" leaves it to the event.
        color: String, the pen's.
        **options: See `gr.HTML`.
    """
    tools = _button("Clear", action="clear")
    if eraser or cell:
        tools = _button("Undo", action="undo") + tools
    if eraser:
        tools = (
            _button("Pen", tool="pen", pressed=True)
            + _button("Eraser", tool="eraser", pressed=False)
            + tools
        )
    return gr.HTML(
        html_template=f"""
<div class="pad" style="max-width: {side}px" data-pen="{pen}" data-eraser="{eraser}"
 data-wait="{wait}" data-cell="{cell or 0}" data-color="{color}">
<div class="pad-head"><span>{html.escape(heading)}</span>
<span class="pad-tools">{tools}</span></div>
<canvas width="{side}" height="{side}" role="img"
 aria-label="{html.escape(words)}"></canvas></div>""",
        js_on_load=SCRIPT,
        elem_classes="bare",
        **options,
    )


def _button(text, action=None, tool=None, pressed=None):
    role = f'data-action="{action}"' if action else f'data-tool="{tool}"'
    state = "" if pressed is None else f' aria-pressed="{str(pressed).lower()}"'
    return f'<button type="button" {role}{state}>{text}</button>'


def read(drawing, channels=1):
    """Returns a `PIL.Image` of what a sheet sent, gray or RGB, or an error."""
    try:
        data = base64.b64decode(drawing[:MAX_DRAWING].split(",")[1])
    except (TypeError, ValueError, IndexError) as error:
        raise helpers.complain("The drawing could not be read.") from error
    return helpers.open_upload(io.BytesIO(data), channels)


def write(picture):
    """Returns the value that lays a `PIL.Image` on a sheet, which takes its shape."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
