"""Reconstruction: a digit goes through an encoder, and what comes back is shown."""

import digits
import gradio as gr
import gradio_helpers as helpers
import numpy as np

# API --------------------------------------------------------------------------------


@helpers.guarded
def reconstruct(preset, image):
    """Encodes the image of a digit and decodes it again.

    Args:
        preset: Name of a model that encodes, such as a VAE or a BiGAN.
        image: File of an image, at most 5 MB and 2048 × 2048 pixels: one digit, dark
            on light or light on dark.

    Returns:
        What the model sees, 28 × 28 pixels enlarged; its reconstruction; and how far
        one is from the other, as text.
    """
    path = helpers.path_of(image, "An image of a digit is needed.")
    return pass_through(preset, digits.normalize(helpers.open_upload(path)))


# What the API is made of ------------------------------------------------------------


def pass_through(preset, digit):
    """Returns the outputs of `reconstruct` for uint8 pixels (28, 28), light ink."""
    entry = helpers.to_entry(preset)
    if not can_reconstruct(entry):
        raise helpers.complain(f"This {entry.model_class} has no encoder.")
    with entry.lock:
        outputs = entry.model.reconstruct(digits.scale_to(entry, digit))
        output = entry.to_uint8(outputs)[0]
    difference = (output[..., 0].astype("float32") - digit) / 255
    distance = np.sqrt(np.square(difference).mean())
    return (
        helpers.to_picture(digit[..., None], 224),
        helpers.to_picture(output, 224),
        f"The pixels differ by **{distance:.3f}** (root mean square; 0 is the same).",
    )


def can_reconstruct(entry):
    """Returns whether a model has an encoder, too, and knows digits."""
    return entry.image_shape == digits.SHAPE and hasattr(entry.model, "reconstruct")


# Page -------------------------------------------------------------------------------


def build(preset):
    """Adds the tool of reconstructions; returns its parts by name."""
    with gr.Tab("Reconstruct", visible=False, id="reconstruct") as tab:
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=280):
                pad = digits.build_pad()
                example, image = digits.build_others()
            with gr.Column(scale=9, min_width=320):
                with gr.Column(elem_classes="narrow"):
                    outputs = digits.build_results()
    options = {"outputs": list(outputs), "show_progress": "hidden"}
    options |= helpers.MODEL_EVENT
    image.upload(reconstruct, [preset, image], api_name="reconstruct", **options)
    digits.connect(pass_through, pad, example, list(outputs), [preset])
    return {"tab": tab, "shown": [tab, example, *outputs]}


def show(entry):
    """Returns the parts of `build` as they fit a model."""
    return gr.update(visible=can_reconstruct(entry)), None, None, None, ""
