import pathlib

import numpy as np
import pytest
from keras import ops

from gen_keras import HammingIndex, datasets, metrics, models, presets
from gen_keras.models import DCGAN, VAE
from gen_keras.models.base import GenerativeModel, Translator

# Images, written on TensorFlow by `python -m tests.test_presets`.
HERE = pathlib.Path(__file__).parent
REFERENCES = ("dcgan_mnist", "vae_mnist_2d")
REFERENCE = str(HERE / "reference_{}.npz")


def model_of(name):
    """Returns the class of a preset."""
    return getattr(models, presets.table()[name]["model"])


TRANSLATORS = [x for x in presets.table() if issubclass(model_of(x), Translator)]
SAMPLERS = [x for x in presets.table() if x not in (*TRANSLATORS, "dbn_hash_mnist")]
BOLTZMANN = ("rbm_mnist", "class_rbm_mnist", "dbn_mnist", "dbm_mnist", "dbn_hash_mnist")


@pytest.mark.parametrize("name", SAMPLERS)
def test_preset_loads_and_samples(name):
    model = model_of(name).from_preset(name)
    assert not model.compiled
    options = {"gibbs_steps": 20} if name in BOLTZMANN else {}
    if hasattr(model, "num_classes"):
        options["classes"] = "random"
    samples = ops.convert_to_numpy(model.sample(8, seed=0, **options))
    low, high = model.value_range
    assert low <= samples.min() < samples.max() <= high
    # Eight samples are not one: the mean distance of pixels is far from zero.
    assert abs(samples[1:] - samples[:-1]).mean() > 0.02 * (high - low)


def digits_of(images):
    """Returns what the classifier sees in images in [-1, 1]."""
    logits = metrics.extract_features(
        metrics.load_classifier("mnist"), images / 2 + 0.5
    )
    return logits.argmax(axis=1)


@pytest.mark.parametrize("name", ["acgan_mnist", "conditional_gan_mnist"])
def test_the_digit_is_the_one_asked_for(name):
    model = GenerativeModel.from_preset(name)
    classes = np.arange(100) % 10
    images = ops.convert_to_numpy(model.sample(100, seed=0, classes=classes))
    assert np.mean(digits_of(images) == classes) > 0.95


@pytest.mark.parametrize("name", BOLTZMANN[:4])
def test_a_machine_knows_digits_from_their_pixels_mixed(name):
    model = GenerativeModel.from_preset(name)
    rng = np.random.default_rng(0)
    digits = datasets.load("mnist", "validation").take(200).images
    digits = datasets.binarize(digits, rng)
    mixed = rng.permuted(digits, axis=0)  # Each pixel is as often ink as before.
    log_prob = getattr(model, "log_prob_bound", None) or model.log_prob
    means = [np.mean(ops.convert_to_numpy(log_prob(x, 0.0))) for x in (digits, mixed)]
    assert means[0] > means[1] + 50  # Nats.


def test_class_rbm_classifies_and_draws_the_digit_asked_for():
    model = GenerativeModel.from_preset("class_rbm_mnist")
    data = datasets.load("mnist", "validation").take(1000)
    assert np.mean(model.classify(data.images) == data.labels) > 0.97
    classes = np.arange(50) % 10
    options = {"gibbs_steps": 300, "probabilities": True}
    images = model.sample(50, seed=0, classes=classes, **options)
    images = 2 * ops.convert_to_numpy(images) - 1
    assert np.mean(digits_of(images) == classes) > 0.8


def test_codes_of_digits_find_their_like():
    model = GenerativeModel.from_preset("dbn_hash_mnist")
    data = datasets.load("mnist", "validation").take(1000)
    codes = model.encode(data.images)
    assert codes.shape == (1000, 32) and len(np.unique(codes, axis=0)) > 800
    found, _ = HammingIndex(codes).search(codes, 2)  # The first is itself, or a twin.
    same = data.labels[found] == data.labels[:, None]
    assert same[:, 1].mean() > 0.75  # A tenth would be chance.


def test_categories_without_names_are_digits():
    model = GenerativeModel.from_preset("infogan_mnist")
    categories = np.arange(100) % 10
    images = ops.convert_to_numpy(model.sample(100, seed=0, categories=categories))
    digits = digits_of(images)
    named = metrics.match_categories(categories, digits)
    assert sorted(named) == list(range(10))
    assert np.mean(named[categories] == digits) > 0.95


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
    sizes = {name: presets.path(name).stat().st_size for name in presets.table()}
    assert sum(sizes.values()) <= 28e6
    assert sum(sizes[name] for name in BOLTZMANN) <= 6e6
    assert sum(sizes[name] for name in TRANSLATORS) <= 8e6
    digits = ("wgan_gp_mnist", "infogan_mnist", "acgan_mnist", "bigan_mnist")
    assert sum(sizes[name] for name in digits) <= 5e6


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
