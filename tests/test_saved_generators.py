"""Generators saved for use without this package."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from gen_keras.models import DCGAN, VAE, CycleGAN, DiscoGAN, Pix2Pix

HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(0)
MAKERS = {
    "dcgan": lambda: DCGAN((16, 16, 1), 4, 2, ema_momentum=0.9),
    "vae": lambda: VAE((8, 8, 1), 3, hidden_dims=(8,)),
    "gaussian_vae": lambda: VAE((8, 8, 1), 3, "gaussian", "convolutional", (2, 4, 8)),
    "pix2pix": lambda: Pix2Pix(
        (16, 16, 3), input_channels=1, receptive_field=16, base_filters=2
    ),
    "cyclegan": lambda: CycleGAN(
        (16, 16, 3), num_blocks=2, receptive_field=16, base_filters=2, pool_size=0
    ),
    "discogan": lambda: DiscoGAN((16, 16, 3), num_halvings=3, base_filters=2),
}
# Written once on TensorFlow by `python -m tests.test_saved_generators`.
REFERENCES = ("dcgan", "vae", "pix2pix", "cyclegan")

LOADER = """
import sys
sys.modules["gen_keras"] = None  # As if it were not installed.
import keras, numpy as np
for path in sys.argv[1:]:
    data = np.load(path.replace(".keras", ".npz"))
    outputs = keras.models.load_model(path).predict(data["inputs"], verbose=0)
    np.testing.assert_allclose(outputs, data["outputs"], atol=1e-5, err_msg=path)
    assert outputs.std() > 0.02, path  # Else anything would be close.
"""


def save_generator(name, folder):
    """Writes a generator of random weights, inputs and what it makes of them."""
    model = MAKERS[name]()
    path = folder / f"reference_{name}_generator.keras"
    for weight in model.weights:
        if weight.dtype == "float32":
            least = 0 if "variance" in weight.name else -1
            # Larger sums would leave too few digits for a difference of 1e-5.
            is_kernel = hasattr(model, "translate") and len(weight.shape) == 4
            scale = 0.2 if is_kernel else 1
            weight.assign(scale * RNG.uniform(least, 1, weight.shape))
    model.save_generator(path)
    network = keras.models.load_model(path)
    shape = [side or 16 for side in network.input_shape[1:]]
    inputs = RNG.uniform(0, 1, (4, *shape)).astype("float32")
    outputs = ops.convert_to_numpy(
        model.decode(inputs) if hasattr(model, "decode") else model.translate(inputs)
    )
    np.savez_compressed(path.with_suffix(".npz"), inputs=inputs, outputs=outputs)
    return path


def test_saved_generators_need_keras_alone(tmp_path):
    paths = [save_generator(name, tmp_path) for name in MAKERS]
    # They load on each backend, whichever one they were saved on.
    paths += [HERE / f"reference_{name}_generator.keras" for name in REFERENCES]
    subprocess.run([sys.executable, "-c", LOADER, *paths], check=True)


@pytest.fixture(scope="module", params=MAKERS)
def saved(request, tmp_path_factory):
    """A saved generator as a Keras model, pairs of inputs and outputs, a folder."""
    path = save_generator(request.param, tmp_path_factory.mktemp(request.param))
    data = np.load(path.with_suffix(".npz"))
    network = keras.models.load_model(path)
    # Images of another size, where the network takes any.
    sides = [side or 32 for side in network.input_shape[1:]]
    other = RNG.uniform(0, 1, (1, *sides)).astype("float32")
    pairs = [(data["inputs"], data["outputs"]), (other, network(other))]
    return network, pairs, path.parent


@pytest.mark.backends("tensorflow")  # Keras exports by it.
def test_export_to_saved_model(saved):
    import tensorflow as tf

    network, pairs, folder = saved
    network.export(folder / "saved_model", verbose=False)
    exported = tf.saved_model.load(folder / "saved_model")  # It holds the variables.
    for inputs, expected in pairs:
        np.testing.assert_allclose(exported.serve(inputs), expected, atol=1e-5)


@pytest.mark.backends("tensorflow")  # Keras exports by it.
def test_export_to_onnx(saved):
    import onnxruntime

    network, pairs, folder = saved
    network.export(folder / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    (name,) = [each.name for each in session.get_inputs()]
    for inputs, expected in pairs:
        (outputs,) = session.run(None, {name: inputs})
        np.testing.assert_allclose(outputs, expected, atol=1e-5)


if __name__ == "__main__":
    for name in REFERENCES:
        save_generator(name, HERE)
