import keras
import numpy as np
import pytest
from keras import layers

from gen_keras.models.gans import infogan
from tests.model_checks import check_model
from tests.models.gans import gan_checks
from tests.models.gans.gan_checks import affine, as_arrays, sigmoid

IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, 4, 4, 1)).astype("float32")
SGD = keras.optimizers.SGD

# Three categories and two codes.
make_model = gan_checks.small_maker(
    infogan.InfoGAN, num_outputs=6, extra_latents=5, num_categories=3, num_codes=2
)


def test_model(tmp_path):
    config = {
        "num_categories": 4,
        "num_codes": 1,
        "latent_distribution": "normal",
        "information_weight": 0.5,
        "seed": 3,
    }
    check_model(make_model, config, IMAGES, (4, 4, 1), tmp_path)


# The bound on the mutual information -------------------------------------------------


def copier():
    """A generator whose first eight pixels are its latents."""
    return affine((8,), (4, 4, 1), kernel=np.eye(8, 16))


def reader(scale=1.0, logit=0.0):
    """A discriminator of one logit that reads categories and codes off such pixels.

    The categories get logits 0 or `scale`.
    """
    kernel = np.zeros((16, 6))
    kernel[3:8, 1:] = np.diag([scale, scale, scale, 1, 1])
    return affine((4, 4, 1), (6,), kernel, np.array([logit, 0, 0, 0, 0, 0]))


def losses_and_codes(model):
    """Returns both losses of the codes, and the codes that each is of."""
    data = model.unpack((IMAGES,))
    results = []
    for compute in (model.compute_discriminator_loss, model.compute_generator_loss):
        with model.seeded(5):
            loss, logs = compute(data, training=True)
        with model.seeded(5):
            _, codes = model.fake_examples(data, training=True)
        results += [
            (float(loss), float(logs.get("code_loss", np.nan)), as_arrays(codes))
        ]
    return results


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_losses_by_hand(weight):
    # Q gives the category logits 1, 0, -1 and the means 0.5 and -2, whatever it sees.
    bias = np.array([0.7, 1.0, 0.0, -1.0, 0.5, -2.0])
    model = make_model(
        discriminator=affine((4, 4, 1), (6,), bias=bias), information_weight=weight
    )
    logits, means = bias[1:4], bias[4:]
    of_discriminator, of_generator = losses_and_codes(model)

    def minus_log_q(codes):
        category = codes[:, :3] @ logits - np.log(np.exp(logits).sum())
        gaussian = -0.5 * (codes[:, 3:] - means) ** 2 - 0.5 * np.log(2 * np.pi)
        return -np.mean(category + gaussian.sum(axis=1))

    # In both losses, of generated images only: real ones have no codes.
    loss, _, codes = of_discriminator
    d = sigmoid(0.7)
    expected = -np.log(d) - np.log(1 - d) + weight * minus_log_q(codes)
    assert loss == pytest.approx(expected, rel=1e-5)
    loss, code_loss, codes = of_generator
    expected = weight * minus_log_q(codes)
    assert code_loss == pytest.approx(expected, rel=1e-5)
    assert loss == pytest.approx(-np.log(d) + expected, rel=1e-5)


def test_codes_that_are_read_exactly_cost_least():
    model = make_model(generator=copier(), discriminator=reader(scale=50.0))
    for loss, _, _ in losses_and_codes(model):
        # log Q of two numbers is at most that of a normal density at its mean.
        games = {2 * np.log(2), np.log(2)}
        assert min(abs(loss - game - np.log(2 * np.pi)) for game in games) < 1e-5
    model = make_model(generator=copier(), discriminator=reader(scale=-50.0))
    assert all(loss > 50 for loss, _, _ in losses_and_codes(model))


def test_latents_are_noise_category_and_codes():
    model = make_model()
    latents = as_arrays(model.sample_latents(600, seed=0))
    assert latents.shape == (600, 8)
    noise, category, codes = latents[:, :3], latents[:, 3:6], latents[:, 6:]
    assert set(np.unique(category)) == {0, 1} and (category.sum(axis=1) == 1).all()
    np.testing.assert_allclose(category.mean(axis=0), 1 / 3, atol=0.06)
    for uniform in (noise, codes):
        assert abs(uniform).max() <= 1
        assert uniform.std() == pytest.approx(3**-0.5, rel=0.05)
    # Noise, codes and category are drawn one after the other.
    correlations = np.corrcoef(np.concatenate([noise, codes], axis=1).T)
    assert abs(correlations - np.eye(5)).max() < 0.15
    first = np.concatenate([as_arrays(model.sample_latents(1, s)) for s in range(40)])
    derived = ((first[:, 0] + 1) / 2 * 3).astype(int)
    assert (derived == first[:, 3:6].argmax(axis=1)).mean() < 0.8


def test_each_optimizer_trains_its_side():
    # Q is trained by the discriminator's, and the generator to make codes readable.
    model = make_model(generator=copier(), discriminator=affine((4, 4, 1), (6,)))
    model.compile(SGD(0.0), SGD(0.1))
    before = gan_checks.trainable_of(model, "discriminator")
    generator = gan_checks.trainable_of(model, "generator")
    model.train_step((IMAGES,))
    kernel, _ = gan_checks.trainable_of(model, "discriminator")
    assert (abs(kernel - before[0]).max(axis=0) > 0).all()
    assert all(
        map(np.array_equal, generator, gan_checks.trainable_of(model, "generator"))
    )

    # D's logit is 0 for all images: what moves G are the codes.
    model = make_model(generator=copier(), discriminator=reader())
    model.compile(SGD(0.1), SGD(0.0))
    model.train_step((np.repeat(IMAGES, 8, axis=0),))  # Each category is drawn.
    kernel, _ = gan_checks.trainable_of(model, "generator")
    moved = kernel - np.eye(8, 16)
    assert (moved[3:6, 3:6].diagonal() > 0).all()  # Clearer categories.
    assert abs(moved[:, 8:]).max() == 0


# Networks and constants -------------------------------------------------------------


def test_networks_and_constants_are_the_papers():
    # Table 1 and appendix C.1.
    model = infogan.InfoGAN()
    sizes = model.latent_dim, model.num_categories, model.num_codes
    assert sizes == (62, 10, 2) and model.information_weight == 1
    shapes = [tuple(v.shape) for v in model.generator.trainable_variables]
    kernels = [shape for shape in shapes if len(shape) > 1]
    assert kernels == [(74, 1024), (1024, 6272), (4, 4, 64, 128), (4, 4, 1, 64)]
    shapes = [tuple(v.shape) for v in model.discriminator.trainable_variables]
    kernels = [shape for shape in shapes if len(shape) > 1]
    assert sorted(kernels) == sorted(
        [(4, 4, 1, 64), (4, 4, 64, 128), (6272, 1024), (1024, 1), (1024, 128)]
        + [(128, 12)]
    )
    slopes = [
        layer.negative_slope
        for layer in model.discriminator.layers
        if type(layer) is layers.LeakyReLU
    ]
    assert slopes == [pytest.approx(0.1)] * 4
    for network in (model.generator, model.discriminator):
        kind = layers.ReLU if network is model.generator else layers.LeakyReLU
        for layer in network.layers:
            if type(layer) is layers.BatchNormalization:
                (following,) = [node.operation for node in layer._outbound_nodes]
                assert type(following) is kind
    optimizers = [model.default_optimizer(s) for s in ("generator", "discriminator")]
    rates = [float(optimizer.learning_rate) for optimizer in optimizers]
    assert rates == pytest.approx([1e-3, 2e-4])
    assert {optimizer.beta_1 for optimizer in optimizers} == {0.5}
    model = make_model()
    model.compile()
    assert float(model.generator_optimizer.learning_rate) == pytest.approx(1e-3)
    assert float(model.discriminator_optimizer.learning_rate) == pytest.approx(2e-4)


# Sampling and reading ---------------------------------------------------------------


def test_kernels_are_as_large_as_asked():
    for options, size in (({}, 4), ({"kernel_size": 3}, 3)):
        model = infogan.InfoGAN((16, 16, 1), base_filters=1, **options)
        for network in (model.generator, model.discriminator):
            shapes = [tuple(w.shape) for w in network.weights if len(w.shape) == 4]
            assert shapes and all(shape[:2] == (size, size) for shape in shapes)


def test_samples_of_categories_and_codes():
    model = make_model(generator=copier(), discriminator=reader(scale=50.0))
    drawn = as_arrays(model.sample_latents(2, seed=1))
    for categories, codes in ((1, None), ([2, 0], [0.5, -1.0]), (None, np.eye(2))):
        options = {"categories": categories, "codes": codes}
        images = model.sample(2, seed=1, **options)
        latents = as_arrays(images).reshape(2, 16)[:, :8]
        np.testing.assert_allclose(latents[:, :3], drawn[:, :3], atol=1e-6)
        expected = drawn[:, 3:6] if categories is None else np.eye(3)[categories]
        np.testing.assert_allclose(
            latents[:, 3:6], np.broadcast_to(expected, (2, 3)), atol=1e-6
        )
        expected = drawn[:, 6:] if codes is None else codes
        np.testing.assert_allclose(
            latents[:, 6:], np.broadcast_to(expected, (2, 2)), atol=1e-6
        )
        # And they are read off the images.
        probabilities, means = as_arrays(model.infer_codes(images))
        np.testing.assert_allclose(probabilities, latents[:, 3:6], atol=1e-5)
        np.testing.assert_allclose(means, latents[:, 6:], atol=1e-5)


def test_truncation_is_of_the_noise_alone():
    model = make_model()
    codes = as_arrays(model.sample_latents(200, seed=0, truncation=0.1))
    whole = as_arrays(model.sample_latents(200, seed=0))
    np.testing.assert_allclose(codes[:, :3], 0.1 * whole[:, :3], rtol=1e-5)
    np.testing.assert_array_equal(codes[:, 3:], whole[:, 3:])


def test_codes_are_read_image_by_image():
    inputs = keras.Input((4, 4, 1))
    x = layers.BatchNormalization()(layers.Flatten()(inputs))
    model = make_model(discriminator=keras.Model(inputs, layers.Dense(6)(x)))
    alone = [as_arrays(x)[0] for x in model.infer_codes(IMAGES[:1])]
    among = [as_arrays(x)[0] for x in model.infer_codes(IMAGES)]
    for one, other in zip(alone, among, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)


def test_categories_alone():
    make = gan_checks.small_maker(
        infogan.InfoGAN, num_outputs=4, extra_latents=3, num_categories=3, num_codes=0
    )
    model = make()
    assert model.sample(2, categories=1).shape == (2, 4, 4, 1)
    assert np.isfinite(gan_checks.losses_of(model, IMAGES)[:2]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"categories": 3}, "`categories`.*0 to 2.*Received: 3"),
        ({"categories": 1.5}, "`categories`.*Received: 1.5"),
        ({"categories": [0, 1, 2]}, "`categories`.*array of 2"),
        ({"codes": [0.5]}, r"`codes`.*\(2,\) or \(2, 2\)"),
        ({"codes": [0.5, 1.1]}, "`codes`.*Received: .0.5, 1.1"),
        ({"codes": [0.5, np.nan]}, "`codes`.*nan"),
    ],
)
def test_bad_conditions(options, message):
    with pytest.raises(ValueError, match=message):
        make_model().sample(2, **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_shape": (30, 28, 1)}, "image_shape.*multiples of 4"),
        ({"image_shape": (28, 28)}, r"image_shape.*\(height, width, channels\)"),
        ({"base_filters": None}, "base_filters.*no dense networks"),
        ({"image_shape": (0, 28, 1)}, "image_shape.*multiples of 4"),
        ({"base_filters": -1}, "base_filters.*must be positive"),
        ({"latent_dim": -5}, "latent_dim.*at least 1"),
        ({"num_categories": 1}, "num_categories.*at least 2"),
        ({"num_codes": -20}, "num_codes.*at least 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        infogan.InfoGAN(**arguments)
