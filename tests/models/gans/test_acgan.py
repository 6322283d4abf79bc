import numpy as np
import pytest

from gen_keras.models.gans import acgan
from tests.model_checks import check_model
from tests.models.gans import gan_checks
from tests.models.gans.gan_checks import affine, as_arrays, sigmoid

IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, 4, 4, 1)).astype("float32")
CLASSES = np.arange(8) % 3

make_model = gan_checks.small_maker(
    acgan.ACGAN, num_outputs=4, extra_latents=3, num_classes=3
)


def draw(model, num_samples, seed=None):
    return model.sample(num_samples, seed=seed, classes="random")


def test_model(tmp_path):
    config = {"num_classes": 4, "class_weight": 0.5, "saturating": True, "seed": 3}
    data = IMAGES, CLASSES
    check_model(make_model, config, data, (4, 4, 1), tmp_path, draw)


REAL, FAKE = np.array([2.0, 1.0, 0.0, -1.0]), np.array([0.5, -1.0, 3.0, 0.0])


def model_with_known_outputs(**arguments):
    # D gives REAL, a logit and those of three classes, to ones, and FAKE to samples.
    kernel = np.broadcast_to((REAL - FAKE) / 32, (16, 4))
    return make_model(
        generator=affine((6,), (4, 4, 1), bias=-1.0),
        discriminator=affine((4, 4, 1), (4,), kernel, (REAL + FAKE) / 2),
        **arguments,
    )


def class_loss(outputs, classes):
    logits = outputs[1:]
    return np.mean(np.log(np.exp(logits).sum()) - logits[classes])


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_losses_by_hand(weight):
    # Equations 2 and 3: the classes of real and of generated images in D, in G those of
    # the generated ones, which are those of the batch.
    model = model_with_known_outputs(class_weight=weight)
    classes = np.array([0, 1, 1, 2, 1])
    data = np.ones((5, 4, 4, 1), "float32"), classes
    d_loss, g_loss, logs = gan_checks.losses_of(model, data)
    real, fake = class_loss(REAL, classes), class_loss(FAKE, classes)
    expected = -np.log(sigmoid(2)) - np.log(1 - sigmoid(0.5)) + weight * (real + fake)
    assert d_loss == pytest.approx(expected, rel=1e-5)
    expected = -np.log(sigmoid(0.5)) + weight * fake
    assert g_loss == pytest.approx(expected, rel=1e-5)
    assert logs["class_loss"] == pytest.approx(weight * fake, rel=1e-5)
    scores = logs["real_score"], logs["fake_score"]
    assert scores == pytest.approx((sigmoid(2), sigmoid(0.5)))


def test_the_paper_weighs_both_losses_alike():
    assert make_model().class_weight == 1


def test_the_discriminator_is_not_told_the_class_but_the_generator_is():
    model = make_model()
    assert model.discriminator.input_shape == (None, 4, 4, 1)
    samples = [as_arrays(model.sample(2, seed=0, classes=c)) for c in range(3)]
    assert abs(samples[0] - samples[1]).max() > 1e-3
    assert abs(samples[1] - samples[2]).max() > 1e-3


def test_classify():
    probabilities = as_arrays(
        model_with_known_outputs().classify(np.ones((2, 4, 4, 1), "float32"))
    )
    expected = np.exp(REAL[1:]) / np.exp(REAL[1:]).sum()
    np.testing.assert_allclose(probabilities, [expected, expected], rtol=1e-5)


def test_classes_are_told_image_by_image():
    model = acgan.ACGAN((16, 16, 1), num_classes=3, base_filters=2)
    images = np.random.default_rng(0).uniform(-0.5, 1, (5, 16, 16, 1))
    before = model.discriminator.get_weights()
    among = as_arrays(model.classify(images))
    np.testing.assert_allclose(as_arrays(model.classify(images[:1])), among[:1], 1e-4)
    for old, new in zip(before, model.discriminator.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_built_networks():
    model = acgan.ACGAN((16, 16, 3), num_classes=7, latent_dim=5, base_filters=2)
    assert model.generator.input_shape == (None, 12)
    assert model.discriminator.output_shape == (None, 8)


def test_bad_arguments():
    for num_classes in (1, -1):
        with pytest.raises(ValueError, match=f"at least 2. Received: {num_classes}"):
            acgan.ACGAN(num_classes=num_classes)
    with pytest.raises(ValueError, match="latent_dim.*at least 1. Received: -20"):
        acgan.ACGAN(latent_dim=-20)
    with pytest.raises(ValueError, match=r"fit\(images, classes\)"):
        make_model().train_step((IMAGES,))


@pytest.mark.parametrize("classes", [[0, 1, 2, 7], [0, 1, 2, -1]])
def test_classes_out_of_range_are_told(classes):
    images, classes = IMAGES[:4], np.array(classes)
    with pytest.raises(ValueError, match="`y` must be an integer from 0 to 2"):
        make_model(num_classes=3).fit(images, classes)
    with pytest.raises(ValueError, match="`y` must be .* array of 4"):
        make_model(num_classes=3).fit(images, np.arange(3))
    model = make_model(num_classes=3)
    with pytest.raises(ValueError, match="`y` must be an integer from 0 to 2"):
        model.evaluate(images, classes)
    with pytest.raises(ValueError, match="validation_data.1.` must be an integer"):
        known = np.arange(4) % 3
        model.fit(images, known, validation_data=(images, classes), verbose=0)
    # Where classes come in batches that nobody has seen, the losses tell.
    logs = make_model(num_classes=3).train_step((images, classes))
    assert np.isnan(as_arrays(logs["class_loss"]))
    make_model(num_classes=3).fit(images, np.arange(4)[:, None] % 3, verbose=0)
