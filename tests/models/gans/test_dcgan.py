import keras
import numpy as np
import pytest
from keras import layers, ops

from gen_keras.models.gans import dcgan
from tests.model_checks import check_model
from tests.models.gans import gan_checks

IMAGES = np.random.default_rng(0).uniform(-1, 1, (16, 16, 16, 1)).astype("float32")


make_model = gan_checks.maker(
    dcgan.DCGAN, image_shape=(16, 16, 1), latent_dim=4, base_filters=2
)


def test_model(tmp_path):
    def make(**kwargs):
        return make_model(**{"ema_momentum": 0.5} | kwargs)

    config = {"kernel_size": 4, "ema_momentum": 0.9, "seed": 3}
    check_model(make, config, IMAGES, (16, 16, 1), tmp_path)


@pytest.mark.parametrize("shape", [(30, 30, 1), (12, 12, 1), (132, 64, 3), (64, 64, 5)])
def test_other_image_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="image_shape"):
        dcgan.DCGAN(image_shape=shape)


def test_constants_are_the_papers():
    # Section 4; momentum, epsilon and the scales' first values are the released code's.
    model = dcgan.DCGAN(image_shape=(16, 16, 1), base_filters=2)
    model.compile()
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        assert isinstance(optimizer, keras.optimizers.Adam)
        assert float(optimizer.learning_rate) == pytest.approx(2e-4)
        assert optimizer.beta_1 == 0.5

    def constants(initializer):
        assert type(initializer) is keras.initializers.RandomNormal
        return initializer.mean, initializer.stddev

    kinds = set()
    for layer in (*model.generator.layers, *model.discriminator.layers):
        kinds.add(type(layer))
        if isinstance(layer, layers.LeakyReLU):
            assert layer.negative_slope == 0.2
        if isinstance(layer, layers.BatchNormalization):
            assert (layer.momentum, layer.epsilon) == (0.9, 1e-5)
            assert constants(layer.gamma_initializer) == (1.0, 0.02)
        if hasattr(layer, "kernel"):
            assert constants(layer.kernel_initializer) == (0.0, 0.02)
    assert {layers.LeakyReLU, layers.BatchNormalization, layers.Conv2D} < kinds


def test_the_two_networks_work_against_each_other():
    # The discriminator moves apart what the generator brings together.
    def fit(generator_rate, discriminator_rate):
        keras.utils.set_random_seed(0)
        model = make_model(seed=0)
        sgd = keras.optimizers.SGD
        model.compile(sgd(generator_rate), sgd(discriminator_rate))
        before = [w.copy() for w in model.get_weights()]
        history = model.fit(IMAGES, epochs=8, batch_size=16, verbose=0).history
        return model, before, history

    _, _, history = fit(0.0, 0.1)
    assert history["discriminator_loss"][-1] < history["discriminator_loss"][0]
    _, _, history = fit(0.1, 0.0)
    assert history["generator_loss"][-1] < history["generator_loss"][0]


def test_real_and_generated_images_are_normalized_apart():
    # With one batch of both, the logit of real images would depend on the fake ones.
    keras.utils.set_random_seed(0)
    model = make_model(learning_rate=0.0, seed=0)
    score = model.fit(IMAGES, batch_size=16, verbose=0).history["real_score"][0]
    logits = model.discriminator(IMAGES, training=True)
    assert score == pytest.approx(float(ops.mean(ops.sigmoid(logits))), rel=1e-4)


@pytest.mark.parametrize(("ema_momentum", "momentum"), [(0.999, 2 / 11), (0.1, 0.1)])
def test_moving_average_of_the_generator(ema_momentum, momentum):
    model = make_model(ema_momentum=ema_momentum)
    start = [w.copy() for w in model.generator.get_weights()]
    model.fit(IMAGES, batch_size=16, verbose=0)
    # After the first step: min(ema_momentum, (1 + 1) / (10 + 1)).
    for a, b, average in zip(
        start,
        model.generator.get_weights(),
        model.average_generator.get_weights(),
        strict=True,
    ):
        expected = momentum * a + (1 - momentum) * b
        np.testing.assert_allclose(average, expected, rtol=1e-4, atol=1e-6)


def test_samples_come_from_the_moving_average():
    model = make_model(ema_momentum=0.5)
    averages = [np.full(w.shape, 0.5) for w in model.average_generator.get_weights()]
    model.average_generator.set_weights(averages)
    latents = model.sample_latents(3, seed=0)
    expected = ops.convert_to_numpy(model.average_generator(latents, training=False))
    np.testing.assert_allclose(
        ops.convert_to_numpy(model.sample(3, seed=0)), expected, atol=1e-6
    )
    assert abs(expected - ops.convert_to_numpy(model(latents))).max() > 0.1


def test_latents_are_uniform_and_truncation_shrinks_them():
    model = make_model(latent_dim=64)
    latents = ops.convert_to_numpy(model.sample_latents(500, seed=0))
    assert abs(latents).max() <= 1 and latents.std() == pytest.approx(3**-0.5, rel=0.01)
    narrow = ops.convert_to_numpy(model.sample_latents(500, seed=0, truncation=0.5))
    np.testing.assert_allclose(narrow, latents / 2)
    with pytest.raises(ValueError, match="truncation"):
        model.sample(1, truncation=0.0)


def test_walks_and_arithmetic_in_latent_space():
    model = make_model()
    latents = ops.convert_to_numpy(model.sample_latents(3, seed=0))
    images = ops.convert_to_numpy(model.interpolate(latents[0], latents[1], 5))
    ends = ops.convert_to_numpy(model.decode(latents[:2]))
    np.testing.assert_allclose(images[[0, -1]], ends, atol=1e-5)
    x, y = np.eye(4, dtype="float32")[:2]
    for spherical, norm in ((False, 0.5**0.5), (True, 1.0)):
        images = model.interpolate(x, y, 3, spherical)
        middle = norm * (x + y) / 2**0.5
        expected = ops.convert_to_numpy(model.decode(middle[None])[0])
        np.testing.assert_allclose(ops.convert_to_numpy(images[1]), expected, atol=1e-5)
    a, b, c = latents[:1], latents[1:2], latents[2:]
    image = ops.convert_to_numpy(model.arithmetic(a, b, c))
    np.testing.assert_allclose(image, model.decode(a - b + c), atol=1e-5)
