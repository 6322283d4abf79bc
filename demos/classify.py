"""Which digit is it? A tool of the Boltzmann page: classes by exact free energies."""

import digits
import gradio as gr
import gradio_helpers as helpers
import model_entries
import numpy as np
from keras import ops

PRESET = "class_rbm_mnist"


def find_entry():
    """Returns the first model of digits and their classes, or `None`."""
    for entry in model_entries.entries().values():
        if entry.model_class == "ClassRBM" and entry.image_shape == digits.SHAPE:
            return entry
    return None


@helpers.guarded
def classify(image):
    """Tells which digit a picture shows, by an RBM of images and their classes.

    Args:
        image: File of an image, at most 5 MB and 2048 × 2048 pixels: one digit, dark
            on light or light on dark.

    Returns:
        What the model sees, enlarged; the probability of each class; and how far the
        free energies of the two likeliest are apart, as text.
    """
    path = helpers.path_of(image, "An image is needed.")
    return tell(digits.normalize(helpers.open_upload(path)))


def tell(digit):
    """Returns the outputs of `classify` for uint8 pixels (28, 28), light ink."""
    entry = find_entry()
    if entry is None:
        raise helpers.complain(f"The file gen_keras/presets/{PRESET}.keras is missing.")
    with entry.lock:
        probabilities = ops.convert_to_numpy(entry.model(digits.scale_to(entry, digit)))
    return (
        helpers.to_picture(digit.reshape(digits.SHAPE), 120),
        {str(i): float(share) for i, share in enumerate(probabilities[0])},
        describe(probabilities[0]),
    )


def describe(probabilities):
    """Returns how far the free energies of the two likeliest classes are apart."""
    second, first = np.argsort(probabilities)[-2:]
    # Of log p(y | v) only free energies differ from class to class.
    gap = np.log(probabilities[first] / max(probabilities[second], 1e-30))
    return (
        f"With a **{first}** its free energy is **{gap:.1f} nats** lower than with "
        f"a {second}, which comes next."
    )


def build(page):
    """Adds the tool to a page, with a first digit to look at."""
    with gr.Row(equal_height=False, elem_classes="apart"):
        with gr.Column(scale=5, min_width=280, elem_classes="controls"):
            gr.Markdown(
                "This RBM has learned images and their classes together. Given an "
                "image each class has a free energy, which is known exactly; the "
                "lowest is the likeliest.",
                elem_classes="hint",
            )
            pad = digits.build_pad()
            example, image = digits.build_others()
        with gr.Column(scale=7, min_width=320):
            text = gr.Markdown(elem_classes="verdict", elem_id="class")
            with gr.Row(elem_classes="pair"):
                seen = digits.small_picture(
                    "What the model sees", "The digit, centred in 28 by 28 pixels", 120
                )
                classes = gr.Label(
                    label="Probability of each digit",
                    num_top_classes=5,
                    show_heading=False,
                    elem_id="classes",
                )
    outputs = [seen, classes, text]
    options = {"outputs": outputs, "show_progress": "hidden"} | helpers.MODEL_EVENT
    image.upload(classify, image, api_name="classify", **options)
    digits.connect(tell, pad, example, outputs)
    if find_entry() is not None:
        first = helpers.guarded(lambda: tell(digits.get_example(4)))
        page.load(first, None, **options, **helpers.PRIVATE)
