import keras
import numpy as np
import pytest
from keras import layers, ops

from gen_keras.layers import Maxout
from gen_keras.models.gans import bigan
from tests.model_checks import check_model
from tests.models.gans import gan_checks
from tests.models.gans.gan_checks import affine, as_arrays, small_network, softplus

IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, 4, 4, 1)).astype("float32")
SGD = keras.optimizers.SGD

make = gan_checks.small_maker(bigan.BiGAN, extra_inputs=((3,),))


def make_model(**arguments):
    outputs = (3 * (1 + arguments.get("stochastic", False)),)
    arguments.setdefault("encoder", small_network([(4, 4, 1)], outputs))
    return make(**arguments)


def test_model(tmp_path):
    config = {
        "latent_distribution": "normal",
        "stochastic": True,
        "saturating": True,
        "seed": 3,
    }
    check_model(make_model, config, IMAGES, (4, 4, 1), tmp_path)


# The game ---------------------------------------------------------------------------

# D(x, z) = u . x + v . z, G(z) = -1 and E(x) = e, x = 1.
U, V = np.linspace(-0.2, 0.3, 16), np.array([0.5, -1.0, 2.0])
ENCODED = np.array([0.25, -0.5, 1.0])


def model_with_known_pairs(**arguments):
    discriminator = small_network([(4, 4, 1), (3,)], (1,))
    discriminator.set_weights([np.concatenate([U, V])[:, None]])
    return make_model(
        generator=affine((3,), (4, 4, 1), bias=-1.0),
        encoder=affine((4, 4, 1), (3,), bias=ENCODED),
        discriminator=discriminator,
        **arguments,
    )


@pytest.mark.parametrize("saturating", [False, True])
def test_losses_by_hand(saturating):
    model = model_with_known_pairs(saturating=saturating)
    data = model.unpack((np.ones((5, 4, 4, 1), "float32"),))
    losses = []
    for compute in (model.compute_discriminator_loss, model.compute_generator_loss):
        with model.seeded(5):
            losses.append(float(compute(data, training=True)[0]))
    with model.seeded(5):
        latents = as_arrays(model.draw_noise(5))
    # -log D = softplus(-logit), -log(1 - D) = softplus(logit).
    real, fake = U.sum() + V @ ENCODED, -U.sum() + latents @ V
    of_discriminator = np.mean(softplus(-real) + softplus(fake))
    assert losses[0] == pytest.approx(of_discriminator, rel=1e-5)
    # Equation 3 with both labels flipped, or the same value for the other side.
    flipped = np.mean(softplus(real) + softplus(-fake))
    of_generator = -of_discriminator if saturating else flipped
    assert losses[1] == pytest.approx(of_generator, rel=1e-5)


def test_one_step_of_generator_and_encoder_by_hand():
    model = model_with_known_pairs()
    model.compile(SGD(0.1), SGD(0.0))
    before = [gan_checks.trainable_of(model, name) for name in model.generator_names]
    data = model.unpack((np.ones((5, 4, 4, 1), "float32"),))
    with model.seeded(5):
        model.update_generator(data)
    with model.seeded(5):
        fake = -U.sum() + as_arrays(model.draw_noise(5)) @ V
    real = U.sum() + V @ ENCODED
    # The encoder makes its pairs look generated, the generator its own real.
    steps = {
        "generator": 0.1 * np.mean(1 / (1 + np.exp(fake))) * U,
        "encoder": -0.1 / (1 + np.exp(-real)) * V,
    }
    for (_, bias), name in zip(before, model.generator_names, strict=True):
        moved = gan_checks.trainable_of(model, name)[1] - bias
        np.testing.assert_allclose(moved, steps[name], rtol=1e-3, atol=1e-6)


def test_each_side_moves_alone():
    # The encoder goes with the generator.
    for rates in ((0.1, 0.0), (0.0, 0.1)):
        model = make_model()
        model.compile(*map(SGD, rates))
        before = {
            n: gan_checks.trainable_of(model, n) for n in gan_checks.sides_of(model)
        }
        model.train_step((IMAGES,))
        for name, weights in before.items():
            is_same = all(
                map(np.array_equal, weights, gan_checks.trainable_of(model, name))
            )
            assert is_same == (rates[name == "discriminator"] == 0), (rates, name)


def test_the_encoder_is_right_where_the_generator_is_inverted():
    # Data are linear in the latents. To a discriminator that can measure them, pairs of
    # another encoder differ.
    matrix = np.random.default_rng(0).normal(0, 1, (3, 16))
    inverse = np.linalg.pinv(matrix)
    latents = np.random.default_rng(1).uniform(-1, 1, (4000, 3))
    data = (latents @ matrix).reshape(-1, 4, 4, 1).astype("float32")
    inputs = keras.Input((4, 4, 1)), keras.Input((3,))
    x = layers.Dense(3, use_bias=False)(layers.Flatten()(inputs[0]))
    x = layers.Subtract()([x, inputs[1]])  # z - pinv(G) x
    logits = layers.Dense(1)(layers.Multiply()([x, x]))
    measure = keras.Model(inputs, logits)
    measure.set_weights([inverse, np.full((3, 1), 20.0), np.array([0.0])])
    losses = []
    for scale in (1.0, -1.0):
        model = make_model(
            generator=affine((3,), (4, 4, 1), matrix),
            encoder=affine((4, 4, 1), (3,), scale * inverse),
            discriminator=measure,
        )
        np.testing.assert_allclose(
            as_arrays(model.reconstruct(data[:9])), scale * data[:9], atol=1e-4
        )
        losses.append(gan_checks.losses_of(model, data)[0])
    assert losses[0] == pytest.approx(2 * np.log(2), rel=1e-3) and losses[1] < 1


# The encoder ------------------------------------------------------------------------


def test_a_stochastic_encoder_draws():
    # ALI: means 1, 2, 3 and deviations 0.5, 1, 2.
    outputs = np.concatenate([[1, 2, 3], np.log([0.5, 1, 2])])
    model = make_model(stochastic=True, encoder=affine((4, 4, 1), (6,), bias=outputs))
    data = ops.zeros((4000, 4, 4, 1))
    images, latents = model.real_examples(data, training=True)
    assert images is data
    latents = as_arrays(latents)
    np.testing.assert_allclose(latents.mean(axis=0), [1, 2, 3], atol=0.1)
    np.testing.assert_allclose(latents.std(axis=0), [0.5, 1, 2], rtol=0.05)
    again = as_arrays(model.real_examples(data, training=True)[1])
    assert not np.array_equal(latents, again)
    # To encode is to take the means.
    np.testing.assert_allclose(as_arrays(model.encode(data[:2])), [[1, 2, 3]] * 2)


def test_the_deviations_of_a_stochastic_encoder_are_trained():
    # D(x, z) = v . z: to raise or lower it is all that the encoder can do.
    discriminator = small_network([(4, 4, 1), (3,)], (1,))
    discriminator.set_weights([np.concatenate([0 * U, V])[:, None]])
    model = make_model(
        stochastic=True, discriminator=discriminator, encoder=affine((4, 4, 1), (6,))
    )
    model.compile(SGD(0.1), SGD(0.0))
    model.train_step((IMAGES,))
    _, bias = gan_checks.trainable_of(model, "encoder")
    assert (bias[:3] * V < 0).all() and (bias[3:] != 0).all()


@pytest.mark.parametrize("base_filters", [None, 2])
def test_the_discriminator_of_ali_sees_how_large_latents_are(base_filters):
    # Hidden by normalization, the deviations of the encoder would grow without end.
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (32, 16, 16, 1)).astype("float32")
    latents = rng.normal(size=(32, 3)).astype("float32")
    grows = {}
    for stochastic in (True, False):
        model = bigan.BiGAN(
            (16, 16, 1), 3, base_filters=base_filters, units=8, stochastic=stochastic
        )
        small, large = (
            as_arrays(model.discriminator([images, scale * latents], training=True))
            for scale in (1e3, 1e6)
        )
        grows[stochastic] = abs(large).mean() / abs(small).mean()
    assert grows[True] > 100 and grows[False] < 10


def test_ali_has_half_the_rate_of_bigan():
    rates = [
        float(
            ops.convert_to_numpy(
                make_model(stochastic=s).default_optimizer(side).learning_rate
            )
        )
        for s in (False, True)
        for side in ("generator", "discriminator")
    ]
    assert rates == pytest.approx([2e-4, 2e-4, 1e-4, 1e-4])


@pytest.mark.parametrize("stochastic", [False, True])
@pytest.mark.parametrize(
    ("shape", "base_filters"), [((8, 8, 1), None), ((16, 16, 3), 2), ((2,), None)]
)
def test_shapes_of_built_networks(shape, base_filters, stochastic):
    options = {"base_filters": base_filters, "stochastic": stochastic}
    model = bigan.BiGAN(shape, latent_dim=3, **options)
    assert model.encoder.output_shape == (None, 3 * (1 + stochastic))
    examples = ops.zeros((2, *shape))
    assert model.encode(examples).shape == (2, 3)
    assert model.reconstruct(examples).shape == (2, *shape)
    logits, _ = model.judge(model.real_examples(examples, training=False), False)
    assert logits.shape == (2, 1)
    kinds = {type(layer) for layer in model.discriminator.layers}
    assert (Maxout in kinds) == (len(shape) == 1)


def test_dense_networks_are_the_papers():
    model = bigan.BiGAN()
    assert (model.latent_dim, model.latent_distribution) == (50, "uniform")
    kernels = {
        name: [tuple(w.shape) for w in network.trainable_variables if len(w.shape) == 2]
        for name, network in (
            ("generator", model.generator),
            ("encoder", model.encoder),
            ("discriminator", model.discriminator),
        )
    }
    assert kernels == {
        "generator": [(50, 1024), (1074, 1024), (1024, 784)],
        "encoder": [(784, 1024), (1024, 1024), (1024, 50)],
        "discriminator": [(784, 1024), (1074, 1024), (1024, 1)],
    }


def test_codes_are_where_the_latents_are():
    # Released code, dist.py: uniform latents and their codes have the same range.
    for base_filters in (None, 2):
        shape = (8, 8, 1) if base_filters is None else (16, 16, 1)
        model = bigan.BiGAN(shape, latent_dim=3, base_filters=base_filters, units=8)
        images = 1e5 * np.random.default_rng(0).normal(size=(32, *shape))
        assert 0.5 < np.abs(as_arrays(model.encode(images))).max() <= 1
    # Normal latents have no bounds, nor have means and deviations.
    for options in ({"latent_distribution": "normal"}, {"stochastic": True}):
        model = bigan.BiGAN(shape, latent_dim=3, units=8, **options)
        assert np.abs(as_arrays(model.encode(images))).max() > 1


def test_the_encoder_has_a_moving_average_as_its_generator_has():
    model = make_model(ema_momentum=0.9)
    before = gan_checks.copies_of(model.average_encoder.weights)
    model.train_step((IMAGES,))
    for average, old, new in zip(
        model.average_encoder.weights, before, model.encoder.weights, strict=True
    ):
        # After the first step: min(0.9, (1 + 1) / (10 + 1)).
        expected = old + 9 / 11 * (as_arrays(new.value) - old)
        np.testing.assert_allclose(as_arrays(average.value), expected, rtol=1e-5)
    codes = as_arrays(model.average_encoder(IMAGES, training=False))
    np.testing.assert_allclose(as_arrays(model.encode(IMAGES)), codes)
    expected = as_arrays(model.average_generator(codes, training=False))
    np.testing.assert_allclose(as_arrays(model.reconstruct(IMAGES)), expected)


def test_features_are_what_the_last_layer_sees():
    for base_filters, size in ((None, 8), (2, 4 * 4 * 4)):
        model = bigan.BiGAN((16, 16, 1), 3, base_filters=base_filters, units=8)
        images = np.random.default_rng(0).uniform(-1, 1, (5, 16, 16, 1))
        features = as_arrays(model.extract_features(images))
        assert features.shape == (5, size)
        kernel, bias = model.encoder.get_weights()[-2:]
        np.testing.assert_allclose(
            np.tanh(features @ kernel + bias),
            as_arrays(model.encode(images)),
            atol=1e-5,
        )
