"""A sheet of paper to draw on, and how its drawings are read and put there."""

import base64
import html
import io
import pathlib
import typing

import gradio as gr
import gradio_helpers as helpers

MAX_DRAWING = 500_000  # Characters; a drawing has about 10,000.
SCRIPT = (pathlib.Path(__file__).parent / "drawing_pad.js").read_text("utf-8")


class Tool(typing.NamedTuple):
    """What lines are drawn with: its name, their colour and width in pixels."""

    name: str
    color: str
    width: float


PEN = Tool("Pen", "#000000", 22)


def build(
    heading,
    words,
    side=280,
    tools=(PEN,),
    paper="#ffffff",
    wait=400,
    cell=None,
    **options,
):
    """Adds the sheet; its events are `input`, after a stroke, and `clear`.

    Args:
        heading: String, above the sheet.
        words: String that says what it is for to those who cannot see it.
        side: Integer, pixels of the drawing, a square until `write` changes it.
        tools: Sequence of `Tool`; of several one is chosen, and there is "Undo".
        paper: String, the colour of the sheet.
        wait: Integer, the milliseconds after a stroke in which another may follow.
        cell: Integer, the side of squares that are painted whole, on a picture that
            `write` lays: "Undo" stops at it, "Clear" leaves it to the event.
        **options: See `gr.HTML`.
    """
    buttons = "".join(
        _button(tool.name, f'data-tool aria-pressed="{str(i == 0).lower()}"', tool)
        for i, tool in enumerate(tools)
    )
    if len(tools) == 1:
        buttons = buttons.replace("<button", "<button hidden")
    if len(tools) > 1 or cell:
        buttons += _button("Undo", 'data-action="undo"')
    buttons += _button("Clear", 'data-action="clear"')
    return gr.HTML(
        html_template=f"""
<div class="pad" style="max-width: {side}px" data-paper="{paper}" data-wait="{wait}"
 data-cell="{cell or 0}">
<div class="pad-head"><span>{html.escape(heading)}</span>
<span class="pad-tools">{buttons}</span></div>
<canvas width="{side}" height="{side}" role="img"
 aria-label="{html.escape(words)}"></canvas></div>""",
        js_on_load=SCRIPT,
        elem_classes="bare",
        **options,
    )


def _button(text, role, tool=None):
    line = f' data-color="{tool.color}" data-width="{tool.width}"' if tool else ""
    return f'<button type="button" {role}{line}>{text}</button>'


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
