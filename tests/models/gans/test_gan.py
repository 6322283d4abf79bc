import math

import keras
import numpy as np
import pytest
from keras import ops

from gen_keras import backend, models
from gen_keras.models.gans import gan, tricks
from tests.model_checks import check_model
from tests.models.gans import gan_checks
from tests.models.gans.gan_checks import affine, as_arrays, sigmoid, softplus

IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, 4, 4, 1)).astype("float32")
SGD = keras.optimizers.SGD

make_model = gan_checks.small_maker(gan.GAN)


def test_model(tmp_path):
    def make(**arguments):
        return make_model(**{"discriminator_steps": 2} | arguments)

    config = {
        "latent_distribution": "uniform",
        "saturating": True,
        "discriminator_steps": 3,
        "ema_momentum": 0.9,
        "seed": 3,
    }
    check_model(make, config, IMAGES, (4, 4, 1), tmp_path)


# The two losses ---------------------------------------------------------------------


@pytest.mark.parametrize("saturating", [False, True])
def test_losses_by_hand(saturating):
    # D gives 2 to data, which are all 1, and 0.5 to samples, which are all -1.
    model = make_model(
        saturating=saturating,
        generator=affine((3,), (4, 4, 1), bias=-1.0),
        discriminator=affine((4, 4, 1), (1,), kernel=0.75 / 16, bias=1.25),
    )
    d_loss, g_loss, logs = gan_checks.losses_of(model, np.ones((5, 4, 4, 1), "float32"))
    assert d_loss == pytest.approx(-np.log(sigmoid(2)) - np.log(1 - sigmoid(0.5)))
    of_generator = np.log(1 - sigmoid(0.5)) if saturating else -np.log(sigmoid(0.5))
    assert g_loss == pytest.approx(of_generator)
    assert logs == pytest.approx(
        {
            "discriminator_loss": d_loss,
            "generator_loss": g_loss,
            "real_score": sigmoid(2),
            "fake_score": sigmoid(0.5),
        }
    )


@pytest.mark.parametrize("saturating", [False, True])
def test_one_step_of_each_side_by_hand(saturating):
    # Points: G(z) = b, D(x) = w x; algorithm 1 with steps along the gradient.
    b, w, x = np.array([0.5, -1.0]), np.array([1.0, 2.0]), np.array([3.0, 1.0])
    model = make_model(
        image_shape=(2,),
        saturating=saturating,
        generator=affine((3,), (2,), bias=b),
        discriminator=affine((2,), (1,), kernel=w[:, None]),
    )
    model.compile(SGD(0.1), SGD(0.2))
    model.train_step((np.broadcast_to(x, (4, 2)).astype("float32"),))
    kernel, bias = as_arrays(model.discriminator.trainable_variables)
    # d/dw of -log D(x) - log(1 - D(b)).
    up, down = 1 - sigmoid(w @ x), sigmoid(w @ b)
    w = w + 0.2 * (up * x - down * b)
    np.testing.assert_allclose(kernel[:, 0], w, rtol=1e-5)
    shift = 0.2 * (up - down)
    np.testing.assert_allclose(bias, [shift], rtol=1e-5)
    # The discriminator has moved before: d/db of -log D(b), or of log(1 - D(b)).
    logit = w @ b + shift
    b = b + 0.1 * w * (sigmoid(logit) if saturating else 1 - sigmoid(logit))
    kernel, bias = as_arrays(model.generator.trainable_variables)
    np.testing.assert_allclose(bias, b, rtol=1e-5)


def test_each_side_moves_alone():
    gan_checks.check_each_side_moves_alone(make_model, (IMAGES,))


# k steps of the discriminator -------------------------------------------------------


def test_the_generator_moves_at_every_third_batch():
    # With rates of 0, so that all that is logged is known. Logits of batch i are i.
    model = make_model(
        discriminator_steps=3,
        generator=affine((3,), (4, 4, 1), bias=-1 / 6),
        discriminator=affine((4, 4, 1), (1,), kernel=6 / 16),
    )
    model.compile(SGD(0.0), SGD(0.0), jit_compile=backend.NAME != "torch")
    values = np.arange(7.0)
    batches = np.broadcast_to(values[:, None, None, None] / 6, (7, 4, 4, 1))

    def fit(images):
        history = model.fit(
            images.astype("float32"), batch_size=1, shuffle=False, verbose=0
        ).history
        return {name: value[0] for name, value in history.items()}

    logs = fit(batches)
    iterations = model.discriminator_optimizer.iterations
    assert int(iterations) == 7 and int(model.generator_optimizer.iterations) == 2
    # Every batch was seen by the discriminator, once.
    assert logs["real_score"] == pytest.approx(np.mean(sigmoid(values)), rel=1e-5)
    expected = np.mean(softplus(-values)) + softplus(-1)
    assert logs["discriminator_loss"] == pytest.approx(expected, rel=1e-5)
    # The mean over the two steps that there were, not over seven batches.
    assert logs["generator_loss"] == pytest.approx(softplus(1), rel=1e-5)
    # The count goes on: the ninth batch is due, though it is the second of its epoch.
    logs = fit(batches[:2])
    assert int(iterations) == 9 and int(model.generator_optimizer.iterations) == 3
    assert logs["generator_loss"] == pytest.approx(softplus(1), rel=1e-5)


def test_the_generators_step_follows_the_k_th_of_the_discriminator():
    # The clocks of the two sides differ: a moving average and a mean of weights go by
    # the generator's. Both start from 0 and have seen one step, to 1.
    trick = tricks.HistoricalAveraging()
    model = make_model(discriminator_steps=3, ema_momentum=0.999, tricks=[trick])
    starts = gan_checks.copies_of(model.generator.weights)
    for batch in range(1, 7):
        before = gan_checks.copies_of(model.generator.weights)
        model.train_step((IMAGES,))
        after = gan_checks.copies_of(model.generator.weights)
        assert any(map(np.any, map(np.subtract, after, before))) == (batch % 3 == 0)
        if batch == 3:
            firsts = after
            for start, first, average in zip(
                starts, firsts, model.average_generator.weights, strict=True
            ):
                expected = start + 9 / 11 * (first - start)
                np.testing.assert_allclose(as_arrays(average.value), expected, 1e-4)
    means = [np.mean(past, axis=0) for past in zip(starts, firsts, after, strict=True)]
    for mean, expected in zip(trick.means["generator"], means, strict=True):
        np.testing.assert_allclose(as_arrays(mean.value), expected, atol=1e-6)


# Examples ---------------------------------------------------------------------------


def test_points_have_no_bounds_and_images_have():
    points = gan.GAN(image_shape=(2,), latent_dim=3)
    assert points.value_range == (-math.inf, math.inf)
    assert points.sample(5, seed=0).shape == (5, 2)
    images = gan.GAN(image_shape=(8, 8, 1), latent_dim=3)
    assert images.value_range == (-1, 1)
    assert images.sample(5, seed=0).shape == (5, 8, 8, 1)
    loss, _ = points.compute_generator_loss(ops.zeros((4, 2)), training=True)
    assert float(loss) == pytest.approx(np.log(2), rel=0.1)  # D knows nothing yet.


def test_noise_is_normal():
    latents = as_arrays(make_model(latent_dim=64).sample_latents(500, seed=0))
    assert latents.std() == pytest.approx(1, rel=0.02)
    assert 3 < abs(latents).max() < 6  # No uniform one is so far out.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"discriminator_steps": 0}, "discriminator_steps.*at least 1. Received: 0"),
        ({"latent_dim": 0}, "latent_dim.*at least 1. Received: 0"),
        ({"latent_distribution": "gaussian"}, "latent_distribution.*gaussian"),
        ({"ema_momentum": 1.0}, "ema_momentum.*Received: 1.0"),
        (
            {"image_shape": (30, 28, 1), "base_filters": 2},
            "image_shape.*Received: height and width 30 x 28",
        ),
        ({"base_filters": 0}, "base_filters.*at least 1. Received: 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        gan.GAN(**arguments)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((8, 5, 4, 1)), r"shape \(None, 4, 4, 1\). Received: \(8, 5, 4, 1\)"),
        (np.full((8, 4, 4, 1), 255, "uint8"), "from -1 to 1.*from 255 to 255"),
        (np.where(IMAGES > 0.9, np.nan, IMAGES), "from -1 to 1.*nan"),
    ],
)
def test_images_of_another_shape_or_range_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        make_model().fit(images, verbose=0)


def test_images_that_overshoot_a_little_and_points_are_taken():
    make_model().fit(1.005 * np.sign(IMAGES), verbose=0)
    points = 100 * np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
    model = gan.GAN((2,), latent_dim=2)
    model.compile()
    model.fit(points, verbose=0)


@pytest.mark.parametrize(
    "kind",
    [
        models.ACGAN,
        models.BiGAN,
        models.ConditionalGAN,
        models.DCGAN,
        models.InfoGAN,
        models.LSGAN,
        models.PacGAN,
        models.UnrolledGAN,
        models.WGAN,
        models.WGANGP,
    ],
)
def test_arguments_of_the_base_are_taken_and_kept(kind):
    given = {"image_shape": (16, 16, 1), "latent_dim": 7, "base_filters": 2}
    given |= {"kernel_size": 3, "discriminator_steps": 2, "ema_momentum": 0.9}
    model = kind(**given)
    again = kind.from_config(model.get_config())
    for each in (model, again):
        assert {name: getattr(each, name) for name in given} == given
        kernels = [w.shape for w in each.generator.weights if len(w.shape) == 4]
        assert kernels and all(shape[:2] == (3, 3) for shape in kernels)
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]


def test_a_range_from_0_is_doubted():
    with pytest.warns(UserWarning, match="no value below 0.*value_range=.-1.0, 1.0."):
        make_model().fit(abs(IMAGES), verbose=0)


def test_evaluation_weighs_examples_alike():
    # D is sure of four images, and not of the fifth, a batch of its own.
    model = make_model(
        generator=affine((3,), (4, 4, 1)),
        discriminator=affine((4, 4, 1), (1,), kernel=1 / 16),
    )
    values = np.array([9.0, 9.0, 9.0, 9.0, 0.0])
    images = np.broadcast_to(values[:, None, None, None], (5, 4, 4, 1))
    model.value_range = (0, 9)
    logs = model.evaluate(images, batch_size=4, verbose=0, return_dict=True)
    assert logs["real_score"] == pytest.approx(np.mean(sigmoid(values)), rel=1e-4)
