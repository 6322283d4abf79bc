import keras
import numpy as np
import pytest
from keras import layers, ops

from gen_keras.layers import Maxout
from gen_keras.models.gans import conditional_gan
from tests.model_checks import check_model
from tests.models.gans import gan_checks
from tests.models.gans.gan_checks import affine, as_arrays, sigmoid, small_network

IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, 4, 4, 1)).astype("float32")
CLASSES = np.arange(8) % 3

make_model = gan_checks.small_maker(
    conditional_gan.ConditionalGAN,
    extra_latents=3,
    extra_inputs=((3,),),
    num_classes=3,
)


def draw(model, num_samples, seed=None):
    return model.sample(num_samples, seed=seed, classes="random")


def test_model(tmp_path):
    config = {
        "num_classes": 4,
        "latent_distribution": "normal",
        "saturating": True,
        "seed": 3,
    }
    data = IMAGES, CLASSES
    check_model(make_model, config, data, (4, 4, 1), tmp_path, draw)


# The game ---------------------------------------------------------------------------


def test_both_sides_are_told_the_class():
    # D(x, y) reads the class alone: 1, 2 or -3, of real and of generated images.
    discriminator = small_network([(4, 4, 1), (3,)], (1,))
    logits = np.array([1.0, 2.0, -3.0])
    discriminator.set_weights([np.concatenate([np.zeros(16), logits])[:, None]])
    model = make_model(discriminator=discriminator)
    d_loss, g_loss, logs = gan_checks.losses_of(model, (IMAGES, CLASSES))
    d = sigmoid(logits[CLASSES])
    assert d_loss == pytest.approx(np.mean(-np.log(d) - np.log(1 - d)), rel=1e-5)
    assert g_loss == pytest.approx(np.mean(-np.log(d)), rel=1e-5)
    assert logs["real_score"] == pytest.approx(logs["fake_score"])


def test_samples_are_of_the_classes_of_the_batch():
    # G copies noise and class to pixels; the images come with the same class.
    kernel = np.eye(6, 16)
    model = make_model(generator=affine((6,), (4, 4, 1), kernel=kernel))
    data = model.unpack((IMAGES, CLASSES[:, None]))  # Labels may be columns.
    images, one_hot = as_arrays(model.fake_examples(data, training=True))
    np.testing.assert_array_equal(one_hot, np.eye(3)[CLASSES])
    np.testing.assert_array_equal(images.reshape(8, 16)[:, 3:6], one_hot)
    noise = images.reshape(8, 16)[:, :3]
    assert len(np.unique(noise)) == 24 and abs(noise).max() <= 1


# Networks ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "base_filters"), [((8, 8, 1), None), ((16, 16, 3), 2), ((2,), None)]
)
def test_the_class_changes_logits_and_images(shape, base_filters):
    keras.utils.set_random_seed(0)
    arguments = {"num_classes": 3, "base_filters": base_filters}
    model = conditional_gan.ConditionalGAN(shape, latent_dim=2, **arguments)
    images = np.random.default_rng(0).uniform(-1, 1, (3, *shape)).astype("float32")
    images[:] = images[:1]
    logits = as_arrays(model.discriminator([images, np.eye(3, dtype="float32")]))
    assert logits.shape == (3, 1) and len(np.unique(logits)) == 3
    samples = as_arrays(model.decode(np.eye(5, dtype="float32")[2:]))
    assert samples.shape == (3, *shape)
    assert len(np.unique(samples.reshape(3, -1), axis=0)) == 3


def test_dense_networks_are_the_papers():
    # Section 4.1: 200 and 1,000 units, 1,200 for both; maxout 240 x 5 and 50 x 5, then
    # 240 x 4; dropout of one half.
    model = conditional_gan.ConditionalGAN()
    assert (model.latent_dim, model.latent_distribution) == (100, "uniform")
    units = {
        layer.units: layer.activation.__name__
        for layer in model.generator.layers
        if type(layer) is layers.Dense
    }
    assert units == {200: "relu", 1000: "relu", 1200: "relu", 784: "linear"}
    kernels = {tuple(w.shape) for w in model.generator.trainable_variables}
    assert {(100, 200), (10, 1000), (1200, 1200), (1200, 784)} < kernels
    pieces = [
        (layer.units, layer.num_pieces, layer.kernel.shape[0])
        for layer in model.discriminator.layers
        if type(layer) is Maxout
    ]
    assert sorted(pieces) == [(50, 5, 10), (240, 4, 290), (240, 5, 784)]
    for network in (model.generator, model.discriminator):
        dropout = [x for x in network.layers if type(x) is layers.Dropout]
        assert [layer.rate for layer in dropout] == [0.5, 0.5]


# Sampling ---------------------------------------------------------------------------


def test_classes_of_samples():
    model = make_model()
    for classes, expected in (
        (2, [2, 2, 2]),
        (np.int64(1), [1, 1, 1]),
        ([0, 2, 1], [0, 2, 1]),
        (ops.convert_to_tensor([0, 2, 1]), [0, 2, 1]),
    ):
        latents = as_arrays(model.sample_latents(3, seed=0, classes=classes))
        np.testing.assert_array_equal(latents[:, 3:], np.eye(3)[expected])
        # The class changes the class, not the noise.
        np.testing.assert_array_equal(
            latents[:, :3], as_arrays(model.sample_latents(3, seed=0, classes=0))[:, :3]
        )
    np.testing.assert_allclose(
        as_arrays(model.sample(3, seed=0, classes=2)),
        as_arrays(model.decode(model.sample_latents(3, seed=0, classes=2))),
    )


def test_random_classes_come_from_the_models_stream():
    model = make_model(seed=1)
    latents = as_arrays(model.sample_latents(600, seed=7, classes="random"))
    np.testing.assert_allclose(latents[:, 3:].mean(axis=0), 1 / 3, atol=0.06)
    # They are independent of the noise, even of the first number.
    seeds = range(40)
    first = np.concatenate(
        [as_arrays(model.sample_latents(1, seed=s, classes="random")) for s in seeds]
    )
    derived = ((first[:, 0] + 1) / 2 * 3).astype(int)
    assert (derived == first[:, 3:].argmax(axis=1)).mean() < 0.8
    # Without a seed the stream goes on.
    calls = [as_arrays(model.sample_latents(20, classes="random")) for _ in range(2)]
    assert not np.array_equal(calls[0][:, 3:], calls[1][:, 3:])


@pytest.mark.parametrize(
    "classes", [None, 3, -1, [0, 1], 1.0, [0.0, 1.0, 2.0], "all", [[0, 1, 2]]]
)
def test_bad_classes(classes):
    with pytest.raises(ValueError, match="`classes` must be.*0 to 2.*'random'.*Rec"):
        make_model().sample(3, classes=classes)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((IMAGES,), r"fit\(images, classes\)"),
        ((IMAGES, np.eye(3)[CLASSES]), r"integers.*\(8, 3\)"),
    ],
)
def test_bad_data(data, message):
    with pytest.raises(ValueError, match=message):
        make_model().train_step(data)


def test_bad_arguments():
    for num_classes in (1, -1):
        with pytest.raises(ValueError, match=f"at least 2. Received: {num_classes}"):
            conditional_gan.ConditionalGAN(num_classes=num_classes)
    with pytest.raises(ValueError, match="latent_dim.*at least 1. Received: -20"):
        conditional_gan.ConditionalGAN(latent_dim=-20)


def test_planes_are_of_one_class_each():
    # The first convolution sees the image, then one plane a class, all ones or zeros.
    model = conditional_gan.ConditionalGAN((16, 20, 1), 3, base_filters=2)
    (joined,) = [
        layer
        for layer in model.discriminator.layers
        if isinstance(layer, layers.Concatenate)
    ]
    network = keras.Model(model.discriminator.inputs, joined.output)
    images = np.random.default_rng(0).uniform(-1, 1, (3, 16, 20, 1))
    planes = as_arrays(network([images, np.eye(3)]))
    np.testing.assert_allclose(planes[..., :1], images, rtol=1e-6)
    expected = np.broadcast_to(np.eye(3)[:, None, None, :], (3, 16, 20, 3))
    np.testing.assert_array_equal(planes[..., 1:], expected)
