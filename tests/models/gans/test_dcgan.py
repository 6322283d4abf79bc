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


@pytest.mark.parametrize("ema_momentum", [None, 0.5])
def test_model(ema_momentum, tmp_path):
    def make(**kwargs):
        return make_model(**{"ema_momentum": ema_momentum} | kwargs)

    config = {"kernel_size": 4, "ema_momentum": 0.9, "seed": 3}
    check_model(make, config, IMAGES, (16, 16, 1), tmp_path)


@pytest.mark.parametrize(
    "shape", [(28, 28, 1), (64, 64, 3), (20, 36, 2), (128, 16, 4), (100, 100, 3)]
)
def test_networks_fit_the_image(shape):
    generator = dcgan.build_generator(shape, latent_dim=3, base_filters=1)
    discriminator = dcgan.build_discriminator(shape, base_filters=1)
    assert generator.output_shape == (None, *shape)
    assert discriminator.input_shape == (None, *shape)
    assert discriminator.output_shape == (None, 1)


@pytest.mark.parametrize("shape", [(30, 30, 1), (12, 12, 1), (132, 64, 3), (64, 64, 5)])
def test_other_image_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="image_shape"):
        dcgan.DCGAN(image_shape=shape)


def test_architecture_is_the_papers():
    # Figure 1 and section 3: 1024 filters at 4 x 4, halved down to 128 at 32 x 32.
    generator, discriminator = dcgan.build_generator(), dcgan.build_discriminator()

    def kernels(network, kind):
        return [layer for layer in network.layers if type(layer) is kind]

    filters = [c.filters for c in kernels(generator, layers.Conv2DTranspose)]
    assert filters == [512, 256, 128, 3]
    assert [c.filters for c in kernels(discriminator, layers.Conv2D)] == [
        *(128, 256, 512, 1024)
    ]
    # Batch normalization everywhere but where images leave and enter.
    assert len(kernels(generator, layers.BatchNormalization)) == 4
    assert len(kernels(discriminator, layers.BatchNormalization)) == 3
    assert type(generator.layers[-2]) is layers.Conv2DTranspose
    assert type(discriminator.layers[2]) is layers.LeakyReLU
    for network in (generator, discriminator):
        for layer in network.layers:
            if hasattr(layer, "kernel"):
                assert float(ops.std(layer.kernel)) == pytest.approx(0.02, rel=0.05)


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


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((64, 64, 3), [(64, 64), (32, 32), (16, 16), (8, 8), (4, 4)]),
        ((28, 28, 1), [(28, 28), (14, 14), (7, 7), (4, 4)]),
        ((20, 36, 2), [(20, 36), (10, 18), (5, 9)]),
        ((16, 128, 1), [(16, 128), (8, 64), (4, 32)]),
    ],
)
def test_sizes_are_halved_and_rounded_up(shape, sizes):
    assert dcgan.stage_sizes(shape) == sizes


def constant_model(logits):
    """A DCGAN whose discriminator gives one logit to images below 0, one to others."""
    image = keras.Input((16, 16, 1))
    positive = layers.GlobalMaxPooling2D()(layers.ReLU()(image))  # 0 or 1.
    low, high = logits
    dense = layers.Dense(1)
    discriminator = keras.Model(image, dense(positive))
    dense.set_weights([np.array([[high - low]]), np.array([low])])

    latents = keras.Input((4,))
    x = layers.Dense(256)(latents)
    generator = keras.Model(latents, layers.Reshape((16, 16, 1))(x))
    generator.set_weights([np.zeros((4, 256)), -np.ones(256)])
    return make_model(
        generator=generator, discriminator=discriminator, learning_rate=0.0
    )


def test_losses_by_hand():
    # Real images get the logit 2, generated ones 1: D(x) = 1 / (1 + e^-2).
    model = constant_model(logits=(1.0, 2.0))
    logs = model.evaluate(
        np.ones((8, 16, 16, 1), "float32"), verbose=0, return_dict=True
    )
    real, fake = 1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-1))
    expected = {
        "discriminator_loss": -np.log(real) - np.log(1 - fake),
        "generator_loss": -np.log(fake),
        "real_score": real,
        "fake_score": fake,
    }
    assert logs == pytest.approx(expected, rel=1e-5)


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


def test_each_side_moves_alone():
    gan_checks.check_each_side_moves_alone(make_model, (IMAGES,))


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
