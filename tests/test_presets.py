import pathlib
import subprocess
import sys

import numpy as np
import pytest
from keras import ops

from gen_keras import datasets, models, presets
from gen_keras.models import DCGAN, VAE
from gen_keras.models.base import GenerativeModel, Translator

# Written on TensorFlow, by `python -m tests.test_presets`: images, and generators.
HERE = pathlib.Path(__file__).parent
REFERENCES = ("dcgan_mnist", "vae_mnist_2d")
REFERENCE = str(HERE / "reference_{}.npz")
GENERATORS = ("dcgan_generator", "vae_generator")


def model_of(name):
    """Returns the class of a preset."""
    return getattr(models, presets.table()[name]["model"])


SAMPLERS = [x for x in presets.table() if not issubclass(model_of(x), Translator)]
TRANSLATORS = [x for x in presets.table() if issubclass(model_of(x), Translator)]


@pytest.mark.parametrize("name", SAMPLERS)
def test_preset_loads_and_samples(name):
    model = model_of(name).from_preset(name)
    assert not model.compiled
    options = {"gibbs_steps": 20} if isinstance(model, models.RBM) else {}
    samples = ops.convert_to_numpy(model.sample(8, seed=0, **options))
    low, high = model.value_range
    assert low <= samples.min() < samples.max() <= high
    # Eight samples are not one: the mean distance of pixels is far from zero.
    assert abs(samples[1:] - samples[:-1]).mean() > 0.02 * (high - low)


@pytest.mark.parametrize("name", TRANSLATORS)
def test_preset_loads_and_translates(name):
    model = model_of(name).from_preset(name)
    assert not model.compiled
    data = datasets.load(presets.table()[name]["dataset"], "validation", (-1, 1))
    inputs, _ = data[:4]
    assert inputs.shape[1:] == (*model.image_shape[:2], model.input_channels)
    outputs = ops.convert_to_numpy(model.translate(inputs))
    assert outputs.shape == (4, *model.image_shape)
    assert -1 <= outputs.min() < outputs.max() <= 1
    assert abs(outputs[1:] - outputs[:-1]).mean() > 1e-3


def test_presets_are_small():
    sizes = [presets.path(name).stat().st_size for name in presets.table()]
    assert sum(sizes) <= 24e6


@pytest.mark.parametrize("name", REFERENCES)
def test_presets_give_the_same_images_on_each_backend(name):
    reference = np.load(REFERENCE.format(name))
    images = GenerativeModel.from_preset(name).decode(reference["latents"])
    np.testing.assert_allclose(
        ops.convert_to_numpy(images), reference["images"], atol=1e-5
    )


def test_presets_of_a_class():
    assert set(DCGAN.presets()) < set(GenerativeModel.presets())
    assert set(GenerativeModel.presets()) == set(presets.table())


def test_wrong_names_are_explained(tmp_path):
    with pytest.raises(ValueError, match="vae_mnist_2d.*Received: nonsense"):
        VAE.from_preset("nonsense")
    with pytest.raises(ValueError, match="preset of DCGAN: dcgan_mnist.*a VAE"):
        DCGAN.from_preset("vae_mnist_2d")
    with pytest.raises(ValueError, match="no file"):
        VAE.from_preset(str(tmp_path / "lost.keras"))


def test_a_preset_can_be_trained_further():
    model = VAE.from_preset("vae_mnist_2d")
    model.compile()
    images = np.zeros((32, 28, 28, 1), "float32")
    assert np.isfinite(model.fit(images, verbose=0).history["loss"]).all()


LOADER = """
import sys
sys.modules["gen_keras"] = None  # As if it were not installed.
import keras, numpy as np
for path in sys.argv[1:]:
    data = np.load(path.replace(".keras", ".npz"))
    images = keras.models.load_model(path)(data["latents"], training=False)
    images = keras.ops.convert_to_numpy(images)
    np.testing.assert_allclose(images, data["images"], atol=1e-5, err_msg=path)
    assert images.std() > 0.1  # Else anything would be close.
"""


def load_with_keras_alone(paths):
    subprocess.run([sys.executable, "-c", LOADER, *paths], check=True)


def save_generator(name, folder):
    """Writes a generator of random weights, latents and the images of these."""
    model = {
        "dcgan_generator": lambda: DCGAN((16, 16, 1), 4, 2, ema_momentum=0.9),
        "vae_generator": lambda: VAE((8, 8, 1), 3, hidden_dims=(8,)),
        "gaussian_vae_generator": lambda: VAE(
            (8, 8, 1), 3, "gaussian", "convolutional", (2, 4, 8)
        ),
    }[name]()
    rng = np.random.default_rng(0)
    for weight in model.sampler.weights:
        least = 0 if "variance" in weight.name else -1
        weight.assign(rng.uniform(least, 1, weight.shape))
    path = folder / f"reference_{name}.keras"
    model.save_generator(path)
    save_images(model, path.with_suffix(".npz"))
    return path


def save_images(model, path):
    latents = ops.convert_to_numpy(model.sample_latents(4, seed=0))
    images = ops.convert_to_numpy(model.decode(latents))
    np.savez_compressed(path, latents=latents, images=images)


def test_saved_generators_need_keras_alone(tmp_path):
    names = (*GENERATORS, "gaussian_vae_generator")
    load_with_keras_alone([save_generator(name, tmp_path) for name in names])


def test_generators_saved_on_tensorflow_load_on_each_backend():
    load_with_keras_alone([HERE / f"reference_{name}.keras" for name in GENERATORS])


if __name__ == "__main__":
    for name in GENERATORS:
        save_generator(name, HERE)
    for name in REFERENCES:
        save_images(GenerativeModel.from_preset(name), REFERENCE.format(name))
