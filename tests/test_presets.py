import pathlib

import numpy as np
import pytest
from keras import ops

from gen_keras import presets
from gen_keras.models import DCGAN, RBM, VAE
from gen_keras.models.base import GenerativeModel

# Images, written on TensorFlow by `python -m tests.test_presets`.
HERE = pathlib.Path(__file__).parent
REFERENCES = ("dcgan_mnist", "vae_mnist_2d")
REFERENCE = str(HERE / "reference_{}.npz")

MODELS = {model.__name__: model for model in (DCGAN, RBM, VAE)}


@pytest.mark.parametrize("name", presets.table())
def test_preset_loads_and_samples(name):
    row = presets.table()[name]
    model = MODELS[row["model"]].from_preset(name)
    assert not model.compiled
    options = {"gibbs_steps": 20} if row["model"] == "RBM" else {}
    samples = ops.convert_to_numpy(model.sample(8, seed=0, **options))
    low, high = model.value_range
    assert low <= samples.min() < samples.max() <= high
    # Eight samples are not one: the mean distance of pixels is far from zero.
    assert abs(samples[1:] - samples[:-1]).mean() > 0.02 * (high - low)


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


if __name__ == "__main__":
    for name in REFERENCES:
        model = GenerativeModel.from_preset(name)
        latents = ops.convert_to_numpy(model.sample_latents(4, seed=0))
        images = ops.convert_to_numpy(model.decode(latents))
        np.savez_compressed(REFERENCE.format(name), latents=latents, images=images)
