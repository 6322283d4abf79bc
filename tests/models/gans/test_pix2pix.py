import itertools

import keras
import numpy as np
import pytest
from keras import layers, ops

from gen_keras import backend
from gen_keras.models.gans import pix2pix
from tests.model_checks import check_model
from tests.models.gans import gan_checks

RNG = np.random.default_rng(0)
INPUTS = RNG.uniform(-1, 1, (8, 16, 16, 1)).astype("float32")
TARGETS = RNG.uniform(-1, 1, (8, 16, 16, 3)).astype("float32")
SMALL = {
    "image_shape": (16, 16, 3),
    "input_channels": 1,
    "receptive_field": 16,
    "base_filters": 2,
}
make_model = gan_checks.maker(pix2pix.Pix2Pix, **SMALL)


def test_model(tmp_path):
    config = {"depth": 3, "dropout": 0.25, "l1_weight": 50.0, "seed": 3}
    check_model(
        lambda **kwargs: make_model(**{"depth": 2} | kwargs),
        config,
        (INPUTS, TARGETS),
        (16, 16, 3),
        tmp_path,
        draw=lambda model, n, **options: model.translate(
            INPUTS[:n], stochastic=True, **options
        ),
    )


# Networks


def test_unet_is_the_papers():
    # Section 6.1.1: C64-C128-C256-C512-C512-C512-C512-C512, then
    # CD512-CD512-CD512-C512-C256-C128-C64.
    unet = pix2pix.build_unet()
    kinds = {
        kind: [layer for layer in unet.layers if type(layer) is kind]
        for kind in (layers.Conv2D, layers.Conv2DTranspose, layers.Dropout)
    }
    down = [layer.filters for layer in kinds[layers.Conv2D]]
    up = [layer.filters for layer in kinds[layers.Conv2DTranspose]]
    assert down == [64, 128, 256, 512, 512, 512, 512, 512]
    assert up == [512, 512, 512, 512, 256, 128, 64, 3]
    assert [layer.rate for layer in kinds[layers.Dropout]] == [0.5, 0.5, 0.5]
    for layer in (*kinds[layers.Conv2D], *kinds[layers.Conv2DTranspose]):
        assert (layer.kernel_size, layer.strides) == ((4, 4), (2, 2))
        assert layer.kernel_initializer.stddev == 0.02
    normalized = [
        layer for layer in unet.layers if type(layer) is layers.GroupNormalization
    ]
    # All but C64, the innermost (1 x 1, section 6.1.1's erratum) and the output.
    assert len(normalized) == 6 + 7
    weights = sum(16 * a * b for a, b in itertools.pairwise([3, *down]))  # Encoder,
    up_in = [512, 1024, 1024, 1024, 1024, 512, 256, 128]  # decoder beside its skips,
    weights += sum(16 * a * b for a, b in zip(up_in, up, strict=True))
    norms = 2 * (sum(down[1:-1]) + sum(up[:-1]))  # a scale and a shift a channel,
    biases = down[0] + down[-1] + up[-1]
    assert unet.count_params() == weights + norms + biases == 54_414_531


@pytest.mark.parametrize(
    ("receptive_field", "filters"),
    [
        (1, [64, 128, 1]),
        (16, [64, 128, 1]),
        (34, [64, 128, 256, 1]),
        (70, [64, 128, 256, 512, 1]),
        (142, [64, 128, 256, 512, 512, 1]),
        (286, [64, 128, 256, 512, 512, 512, 1]),
    ],
)
def test_patch_discriminator_is_the_papers(receptive_field, filters):
    # Section 6.1.2.
    network = pix2pix.build_patch_discriminator(6, receptive_field)
    convolutions = [x for x in network.layers if type(x) is layers.Conv2D]
    assert [layer.filters for layer in convolutions] == filters


@pytest.mark.parametrize("receptive_field", pix2pix.RECEPTIVE_FIELDS)
def test_receptive_field_is_what_the_gradient_reaches(receptive_field):
    # Without the normalization, whose statistics are of the whole image.
    network = pix2pix.build_patch_discriminator(
        1, receptive_field, base_filters=1, normalize=lambda x: x
    )
    for weight in network.trainable_weights:  # Positive: nothing can cancel.
        weight.assign(RNG.uniform(0.1, 1, weight.shape))
    side = 192 if receptive_field < 192 else 384
    logits = network(np.ones((1, side, side, 1), "float32"))
    middle = logits.shape[1] // 2
    gradient = backend.input_gradients(
        lambda x: network(x)[:, middle, middle], np.ones((1, side, side, 1), "float32")
    )
    reached = ops.convert_to_numpy(gradient)[0, ..., 0] != 0
    rows, columns = np.flatnonzero(reached.any(1)), np.flatnonzero(reached.any(0))
    assert len(rows) == len(columns) == receptive_field
    assert rows[-1] - rows[0] + 1 == receptive_field


@pytest.mark.parametrize("receptive_field", pix2pix.RECEPTIVE_FIELDS)
@pytest.mark.parametrize("side", [64, 80, 256])
def test_patch_grid_counts_the_patches(receptive_field, side):
    expected = pix2pix.patch_grid(side, receptive_field)
    if expected < 1:
        return
    network = pix2pix.build_patch_discriminator(1, receptive_field, base_filters=1)
    assert network(np.zeros((1, side, side, 1))).shape == (1, expected, expected, 1)


def test_skip_connections_join_levels_of_one_resolution():
    """A decoder level gets the encoder's activation of its resolution as it is."""
    unet = pix2pix.build_unet(1, 1, depth=4, base_filters=2)
    joins = [x for x in unet.layers if type(x) is layers.Concatenate]
    encoder = [x for x in unet.layers if type(x) is layers.Conv2D]
    assert len(joins) == 3
    image = RNG.normal(size=(1, 16, 16, 1)).astype("float32")
    for level, join in enumerate(reversed(joins)):
        normalized = [x for x in unet.layers if type(x) is layers.GroupNormalization]
        # The outermost level has no normalization.
        expected = encoder[0].output if level == 0 else normalized[level - 1].output
        upward, skip = join.input
        pair = keras.Model(unet.inputs, [skip, expected])(image)
        np.testing.assert_array_equal(*map(ops.convert_to_numpy, pair))
        assert ops.convert_to_numpy(pair[0]).std() > 0.01
        assert upward.shape[-1] == skip.shape[-1] == encoder[level].filters
        # The decoder's half is another path: it depends on what the skip passes by.
        assert upward is not skip


def test_gradients_pass_by_the_skip_connections():
    """Each reaches the output though all below it, the decoder's half, is held."""
    unet = pix2pix.build_unet(1, 1, depth=4, base_filters=2)
    joins = [x for x in unet.layers if type(x) is layers.Concatenate]
    image = RNG.normal(size=(1, 16, 16, 1)).astype("float32")
    for i, join in enumerate(joins):
        upward, skip = join.input
        outer = [other.input[1] for other in joins[i + 1 :]]
        values = keras.Model(unet.inputs, [upward, skip, *outer])(image)
        rest = keras.Model([upward, skip, *outer], unet.outputs[0])

        def decode(x, rest=rest, values=values):
            return rest([values[0], x, *values[2:]])

        gradient = backend.input_gradients(decode, values[1])
        assert (ops.convert_to_numpy(gradient) != 0).mean() > 0.3


@pytest.mark.parametrize("depth", [2, 3])
def test_constant_colour_has_a_border_of_stated_width(depth):
    unet = pix2pix.build_unet(1, 1, depth, base_filters=4)
    for weight in unet.trainable_weights:
        weight.assign(RNG.normal(0, 0.3, weight.shape))
    width = 2 ** (depth + 1) - 1
    outputs = ops.convert_to_numpy(unet(np.full((1, 64, 64, 1), 0.3, "float32")))
    inner = outputs[:, width:-width, width:-width]
    assert inner.size
    # A convolution of stride 2 and its inverse leave a pattern of period 2**depth.
    shifted = inner[:, 2**depth :, 2**depth :]
    inner = inner[:, : -(2**depth), : -(2**depth)]
    np.testing.assert_allclose(inner, shifted, atol=1e-4)
    # And no less: zeros are padded, as in the paper.
    wider = outputs[:, width - 1 : -width, width - 1 : -width]
    assert np.abs(wider[:, 0, 0] - wider[:, 2**depth, 2**depth]).max() > 1e-4


# Losses


def constant_model(shift, real_logit, fake_logit, **kwargs):
    """A Pix2Pix whose G gives `shift` and whose D tells `shift` from all other images.

    The generator's outputs get `fake_logit`, others `real_logit`.
    """
    image = keras.Input((None, None, 1))
    convolve = layers.Conv2D(3, 1)
    generator = keras.Model(image, convolve(image))
    convolve.set_weights([np.zeros((1, 1, 1, 3)), np.full(3, shift)])

    pair = keras.Input((None, None, 4))
    distance = ops.abs(pair[..., 1:2] - shift)
    is_real = ops.cast(distance > 1e-6, "float32")
    judge = layers.Conv2D(1, 1)
    discriminator = keras.Model(pair, judge(is_real))
    judge.set_weights(
        [np.full((1, 1, 1, 1), real_logit - fake_logit), np.array([fake_logit])]
    )
    return make_model(generator=generator, discriminator=discriminator, **kwargs)


def test_losses_by_hand():
    model = constant_model(shift=0.5, real_logit=2.0, fake_logit=-1.0, l1_weight=7.0)
    inputs = ops.zeros((2, 16, 16, 1))
    targets = ops.full((2, 16, 16, 3), -0.25)
    loss, logs = model.compute_generator_loss(inputs, targets, training=False)
    adversarial = np.log(1 + np.exp(1.0))  # -log sigmoid(-1)
    assert float(logs["adversarial_loss"]) == pytest.approx(adversarial, rel=1e-5)
    assert float(logs["l1_loss"]) == pytest.approx(0.75)
    assert float(loss) == pytest.approx(adversarial + 7 * 0.75, rel=1e-5)

    loss, _ = model.compute_discriminator_loss(
        inputs, targets, logs["outputs"], training=True
    )
    # Half of -log sigmoid(2) - log(1 - sigmoid(-1)).
    expected = 0.5 * (np.log(1 + np.exp(-2.0)) + np.log(1 + np.exp(-1.0)))
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_each_side_moves_alone():
    gan_checks.check_each_side_moves_alone(make_model, (INPUTS, TARGETS))


def test_discriminator_sees_the_input():
    # Its answer for one output depends on the input beside it.
    model = make_model()
    first, second = (model.judge(INPUTS[i : i + 1], TARGETS[:1]) for i in (0, 1))
    assert not np.allclose(ops.convert_to_numpy(first), ops.convert_to_numpy(second))


# Translation


def test_translate_equals_the_network_where_nothing_is_padded():
    model = make_model()
    images = RNG.uniform(-1, 1, (2, 32, 48, 1)).astype("float32")
    expected = ops.convert_to_numpy(model.generator(images, training=False))
    translated = ops.convert_to_numpy(model.translate(images))
    np.testing.assert_array_equal(translated, expected)


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (5, 40), (1, 1), (50, 16)])
def test_translate_keeps_the_size(size):
    model = make_model()
    images = RNG.uniform(-1, 1, (2, *size, 1)).astype("float32")
    translated = ops.convert_to_numpy(model.translate(images))
    assert translated.shape == (2, *size, 3)
    assert np.abs(translated).max() <= 1


def test_translate_pads_by_reflection():
    model = make_model()
    image = RNG.uniform(-1, 1, (1, 20, 16, 1)).astype("float32")
    rows = [6, 5, 4, 3, 2, 1, *range(20), 18, 17, 16, 15, 14, 13]
    whole = ops.convert_to_numpy(model.generator(image[:, rows], training=False))
    translated = ops.convert_to_numpy(model.translate(image))
    np.testing.assert_allclose(translated, whole[:, 6:26], atol=1e-6)


@pytest.mark.parametrize(("given", "asked"), [(1, 4), (2, 2), (3, 1), (4, 3)])
def test_numbers_of_channels(given, asked):
    model = make_model(image_shape=(16, 16, asked), input_channels=given)
    images = RNG.uniform(-1, 1, (2, 16, 16, given)).astype("float32")
    outputs = model.translate(images)
    assert outputs.shape == (2, 16, 16, asked)
    assert model.judge(images, outputs).shape == (2, 6, 6, 1)


@pytest.mark.parametrize("shape", [(2, 16, 16, 3), (16, 16, 1), (2, 16, 16)])
def test_translate_refuses_other_images(shape):
    with pytest.raises(ValueError, match=r"\(batch, height, width, 1\)"):
        make_model().translate(np.zeros(shape))


def test_translation_is_one_without_noise_and_many_with():
    model = make_model()
    model.fit(INPUTS, TARGETS, batch_size=8, verbose=0)
    twice = [ops.convert_to_numpy(model.translate(INPUTS)) for _ in range(2)]
    np.testing.assert_array_equal(*twice)
    noisy = [
        ops.convert_to_numpy(model.translate(INPUTS, stochastic=True)) for _ in range(2)
    ]
    assert not np.array_equal(*noisy)
    assert not np.array_equal(twice[0], noisy[0])


def test_an_image_is_translated_alone():
    # With statistics of the batch its neighbours would change it.
    model = make_model()
    alone = ops.convert_to_numpy(model.translate(INPUTS[:1]))
    among = ops.convert_to_numpy(model.translate(INPUTS))[:1]
    np.testing.assert_allclose(alone, among, atol=1e-5)


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_shape": (20, 16, 3), "depth": 4}, "multiples of 2\\*\\*depth"),
        ({"image_shape": (17, 16, 3)}, "here of 8"),
        ({"image_shape": (20, 20, 3)}, "here of 8"),
        ({"depth": 0}, "`depth` must be at least 2"),
        ({"dropout": 1.0}, "less than 1"),
        ({"image_shape": (16, 16, 5)}, "channels"),
        ({"input_channels": 7}, "channels"),
        ({"input_channels": 0}, "channels"),
        ({"receptive_field": 69}, "receptive_field"),
        ({"receptive_field": 70}, "larger images"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        pix2pix.Pix2Pix(**SMALL | arguments)


@pytest.mark.parametrize(
    ("shape", "depth"),
    [((256, 256, 3), 8), ((64, 64, 3), 6), ((96, 64, 1), 5), ((512, 512, 3), 8)],
)
def test_depth_follows_from_the_size(shape, depth):
    assert pix2pix.max_depth(shape) == depth


def test_it_learns_to_invert():
    """Pairs (x, -x): after a few steps the output is nearer -x than x.

    And the outputs with noise and without are as good as in training.
    """
    images = np.repeat(INPUTS, 4, axis=0)
    smooth = keras.ops.average_pool(images, 4, 4, padding="valid")
    images = np.repeat(np.repeat(ops.convert_to_numpy(smooth), 4, 1), 4, 2)
    model = make_model(image_shape=(16, 16, 1), base_filters=8, dropout=0.2)
    model.fit(images, -images, batch_size=4, epochs=30, verbose=0)
    outputs, noisy, trained = (
        ops.convert_to_numpy(x)
        for x in (
            model.translate(images),
            model.translate(images, stochastic=True),
            model(images, training=True),
        )
    )
    assert np.abs(outputs + images).mean() < 0.3 * np.abs(outputs - images).mean()
    errors = [np.abs(x + images).mean() for x in (outputs, noisy, trained)]
    assert max(errors[:2]) < 1.1 * errors[2], errors
