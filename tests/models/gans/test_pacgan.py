import keras
import numpy as np
import pytest
from keras import layers, ops

from gen_keras.models.gans import gan, pacgan
from tests.model_checks import check_model
from tests.models.gans import gan_checks
from tests.models.gans.gan_checks import affine, as_arrays, small_network

IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, 4, 4, 1)).astype("float32")


def make_model(pack_size=2, **arguments):
    arguments.setdefault("discriminator", small_network([(4, 4, pack_size)], (1,)))
    make = gan_checks.small_maker(pacgan.PacGAN, pack_size=pack_size)
    return make(**arguments)


def test_model(tmp_path):
    # Two batches of four images; the pack of three is filled up.
    def make(**arguments):
        return make_model(**{"pack_size": 3} | arguments)

    config = {"pack_size": 4, "latent_distribution": "normal", "seed": 3}
    check_model(make, config, IMAGES, (4, 4, 1), tmp_path)


def pack(examples, **arguments):
    model = pacgan.PacGAN(
        image_shape=examples.shape[1:],
        generator=affine((100,), examples.shape[1:]),
        discriminator=affine((2,), (1,)),  # Is not asked.
        **arguments,
    )
    return as_arrays(model.pack(ops.convert_to_tensor(examples)))


def test_images_of_a_pack_lie_side_by_side_as_channels():
    images = np.random.default_rng(0).normal(0, 1, (6, 4, 5, 3)).astype("float32")
    packs = pack(images, pack_size=2)
    assert packs.shape == (3, 4, 5, 6)
    for i in range(3):
        np.testing.assert_array_equal(packs[i, ..., :3], images[2 * i])
        np.testing.assert_array_equal(packs[i, ..., 3:], images[2 * i + 1])


def test_points_of_a_pack_lie_side_by_side():
    points = np.arange(12, dtype="float32").reshape(6, 2)
    np.testing.assert_array_equal(
        pack(points, pack_size=3), [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
    )


@pytest.mark.parametrize(
    ("pack_size", "expected"),
    [
        (2, [[0, 1], [2, 3], [4, 0]]),
        (3, [[0, 1, 2], [3, 4, 0]]),
        (4, [[0, 1, 2, 3], [4, 0, 1, 2]]),
        (5, [[0, 1, 2, 3, 4]]),
        (12, [[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]]),
        (1, [[0], [1], [2], [3], [4]]),
    ],
)
def test_the_last_pack_is_filled_with_the_first_examples(pack_size, expected):
    points = np.arange(5, dtype="float32")[:, None]
    np.testing.assert_array_equal(pack(points, pack_size=pack_size), expected)


def test_a_batch_of_one_does_no_harm():
    # Batch normalization of no pack at all would be NaN for ever.
    inputs = keras.Input((4, 4, 2))
    x = layers.BatchNormalization()(layers.Flatten()(inputs))
    model = make_model(discriminator=keras.Model(inputs, layers.Dense(1)(x)))
    model.train_step((IMAGES[:1],))
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_packs_of_one_are_a_gan():
    networks = {
        "generator": small_network([(3,)], (4, 4, 1), "tanh"),
        "discriminator": small_network([(4, 4, 1)], (1,)),
    }
    options = {"latent_distribution": "uniform", "seed": 1, **networks}
    losses = [
        gan_checks.losses_of(model, IMAGES)
        for model in (
            make_model(pack_size=1, **options),
            gan_checks.small_maker(gan.GAN)(**options),
        )
    ]
    assert losses[0] == losses[1]


def test_packs_tell_what_single_examples_cannot():
    # Data are 1 or -1, alike often; the generator gives 1 only. Of single examples the
    # best D(1) is (1/2) / (1/2 + 1) = 1/3, and D(-1) = 1; of packs (1, 1) it is
    # (1/4) / (1/4 + 1) = 1/5, and all others are data.
    single = -np.log(1 / 3) / 2 - np.log(2 / 3)
    packed = -np.log(1 / 5) / 4 - np.log(4 / 5)
    assert packed < 0.7 * single
    inputs = keras.Input((2,))
    distances = layers.ReLU()(layers.Dense(2, name="distances")(inputs))  # 1 - x
    best = keras.Model(inputs, layers.Dense(1)(distances))
    best.set_weights(
        [-np.eye(2), np.ones(2), np.full((2, 1), 20), np.array([-np.log(4)])]
    )
    model = make_model(
        image_shape=(1,), generator=affine((3,), (1,), bias=1.0), discriminator=best
    )
    data = np.array([1, 1, 1, -1, -1, 1, -1, -1], "float32")[:, None]
    d_loss, _, _ = gan_checks.losses_of(model, data)
    assert d_loss == pytest.approx(packed, rel=1e-5)


def test_the_built_discriminator_takes_packs():
    for shape in ((16, 16, 3), (2,)):
        model = pacgan.PacGAN(shape, latent_dim=3, base_filters=2, pack_size=3)
        packed = (*shape[:-1], 3 * shape[-1])
        assert model.discriminator.input_shape == (None, *packed)
        assert model.generator.output_shape == (None, *shape)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pack_size": 0}, "pack_size.*at least 1. Received: 0"),
        ({"pack_size": -1}, "pack_size.*at least 1. Received: -1"),
        ({"image_shape": (30, 30, 1)}, "image_shape.*Received: .* 30 x 30$"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        pacgan.PacGAN(**arguments)
