import keras
import numpy as np
import pytest
from keras import layers, ops

from gen_keras.models.gans import cyclegan
from tests.model_checks import check_jit_compile, check_model
from tests.models.gans import gan_checks
from tests.models.gans.gan_checks import scaled

RNG = np.random.default_rng(0)
A = RNG.uniform(-1, 1, (8, 16, 16, 1)).astype("float32")
B = RNG.uniform(-1, 1, (8, 16, 16, 1)).astype("float32")
SMALL = {
    "image_shape": (16, 16, 1),
    "num_blocks": 1,
    "num_halvings": 1,
    "base_filters": 2,
    "receptive_field": 16,
    "pool_size": 3,
}
make_model = gan_checks.maker(cyclegan.CycleGAN, **SMALL)


def test_model(tmp_path):
    config = {"cycle_weight": 5.0, "identity_weight": 0.1, "pool_size": 2, "seed": 3}
    check_model(make_model, config, (A, B), None, tmp_path, jit_compile=False)


@pytest.mark.slow
def test_jit_compile():
    check_jit_compile(make_model, (A, B))


def test_same_seed_same_training():
    """The pools choose by the model's own seed."""
    weights = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(0)
        model = make_model(seed=seed)
        keras.utils.set_random_seed(len(weights))
        model.fit(A, B, batch_size=1, shuffle=False, verbose=0)
        weights.append(model.discriminator_a.get_weights())
    assert all(map(np.array_equal, weights[0], weights[1]))
    assert not all(map(np.array_equal, weights[0], weights[2]))


# Networks


def filters_of(network, kind):
    return [x.filters for x in network.layers if type(x) is kind]


def test_resnet_is_the_papers():
    # Section 7.2: c7s1-64, d128, d256, R256 x 9, u128, u64, c7s1-3.
    network = cyclegan.build_resnet()
    assert filters_of(network, layers.Conv2D) == [64, 128, 256, *18 * [256], 3]
    assert filters_of(network, layers.Conv2DTranspose) == [128, 64]
    kernels = [x.kernel_size for x in network.layers if type(x) is layers.Conv2D]
    assert kernels == [(7, 7), *20 * [(3, 3)], (7, 7)]
    assert len([x for x in network.layers if type(x) is layers.Add]) == 9
    # Instance normalization without affine after all but the last convolution.
    norms = [x for x in network.layers if type(x) is layers.GroupNormalization]
    assert len(norms) == 3 + 18 + 2
    assert all(x.epsilon == 1e-5 and not x.weights for x in norms)
    assert network.count_params() == (
        49 * 3 * 64 + 9 * (64 * 128 + 128 * 256) + 18 * 9 * 256 * 256
    ) + (9 * (256 * 128 + 128 * 64) + 49 * 64 * 3 + 3)


def test_constants_are_the_papers():
    # Sections 4 and 5.2 and appendix 7.1.
    model = cyclegan.CycleGAN()
    assert (model.cycle_weight, model.identity_weight, model.pool_size) == (10, 0.5, 50)
    assert (model.num_blocks, model.receptive_field) == (9, 70)
    assert cyclegan.CycleGAN((128, 128, 3), base_filters=2).num_blocks == 6
    model.compile()
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        assert float(optimizer.learning_rate) == pytest.approx(2e-4)
        assert optimizer.beta_1 == 0.5
    for network in (getattr(model, name) for name in gan_checks.sides_of(model)):
        for layer in network.layers:
            if hasattr(layer, "kernel"):
                assert layer.kernel_initializer.stddev == 0.02


@pytest.mark.parametrize("num_halvings", [1, 2])
@pytest.mark.parametrize("size", [(16, 16), (24, 40)])
def test_resnet_keeps_the_size(num_halvings, size):
    network = cyclegan.build_resnet(3, 3, 1, 2, num_halvings)
    assert network(np.zeros((1, *size, 3))).shape == (1, *size, 3)


@pytest.mark.parametrize("num_halvings", [1, 2])
def test_plain_borders_have_artefacts_of_a_stated_width(num_halvings):
    """Around a figure in the middle, far from it, only the border is not plain."""
    network = cyclegan.build_resnet(1, 1, 1, 4, num_halvings)
    for weight in network.trainable_weights:
        weight.assign(RNG.normal(0, 0.2, weight.shape))
    images = np.full((1, 128, 128, 1), 0.3, "float32")
    images[:, 56:72, 56:72] = RNG.uniform(-1, 1, (16, 16, 1))
    outputs = ops.convert_to_numpy(network(images))[0, :, :, 0]
    width, period = 2**num_halvings + 2, 2**num_halvings
    # Transposed convolutions leave a pattern of their period, everywhere the same.
    plain = outputs[8 : 8 + period, 8 : 8 + period]
    deviation = np.abs(outputs - np.tile(plain, (128 // period, 128 // period)))
    deviation[24:-24, 24:-24] = 0  # What the figure reaches.
    assert deviation[width:-width, width:-width].max() < 1e-4
    assert deviation.max() > 1e-3  # Zeros are padded there; no more is claimed.


# Losses


def test_losses_by_hand():
    """F(x) = 3x, G(y) = 2y + 1; D_a(x) = x and D_b(x) = 4x."""
    model = make_model(
        generator_ab=scaled(2.0, 1.0),
        generator_ba=scaled(3.0),
        discriminator_a=scaled(1.0),
        discriminator_b=scaled(4.0),
        cycle_weight=7.0,
        identity_weight=0.25,
    )
    a, b = ops.full((2, 16, 16, 1), 0.5), ops.full((2, 16, 16, 1), -0.25)
    loss, logs = model.compute_generator_loss(a, b, training=True)
    # G(a) = 2, F(b) = -0.75; F(G(a)) = 6, G(F(b)) = -0.5; F(a) = 1.5, G(b) = 0.5.
    expected = {
        "adversarial_loss": (4 * 2 - 1) ** 2 + (-0.75 - 1) ** 2,
        "cycle_loss": abs(6 - 0.5) + abs(-0.5 + 0.25),
        "identity_loss": abs(1.5 - 0.5) + abs(0.5 + 0.25),
    }
    for name, value in expected.items():
        assert float(logs[name]) == pytest.approx(value, rel=1e-5), name
    adversarial, cycle, identity = expected.values()
    assert float(loss) == pytest.approx(adversarial + 7 * (cycle + 0.25 * identity))

    fakes = logs["fakes_a"], logs["fakes_b"]
    loss, _ = model.compute_discriminator_loss(a, b, *fakes, training=True)
    of_a = (0.5 - 1) ** 2 + 0.75**2
    of_b = (4 * -0.25 - 1) ** 2 + (4 * 2) ** 2
    assert float(loss) == pytest.approx(0.5 * (of_a + of_b), rel=1e-5)


def test_both_generators_get_both_cycles(monkeypatch):
    silent = {"discriminator_a": scaled(0.0), "discriminator_b": scaled(0.0)}
    model = make_model(identity_weight=0.0, **silent)
    gan_checks.check_both_cycles(model, cyclegan, "_l1", {"a": A, "b": B}, monkeypatch)


def test_without_a_cycle_weight_the_loss_is_adversarial_alone():
    model = make_model(cycle_weight=0.0)
    images = ops.convert_to_tensor(A), ops.convert_to_tensor(B)
    loss, logs = model.compute_generator_loss(*images, training=True)
    assert float(loss) == float(logs["adversarial_loss"])
    assert float(logs["cycle_loss"]) > 0


def test_each_side_moves_alone():
    gan_checks.check_each_side_moves_alone(make_model, (A, B))


def test_pools_never_mix_the_domains():
    model = make_model(generator_ab=scaled(0.0, 0.5), generator_ba=scaled(0.0, -0.5))
    model.fit(A, B, batch_size=2, verbose=0, epochs=2)
    pool_a = ops.convert_to_numpy(model.pool_a.images)
    pool_b = ops.convert_to_numpy(model.pool_b.images)
    assert (pool_a < 0).all() and (pool_b > 0).all()


# Translation


def test_directions():
    gan_checks.check_directions(make_model, A, B)


@pytest.mark.parametrize("size", [(16, 16), (17, 30), (3, 5)])
def test_translate_keeps_the_size(size):
    images = RNG.uniform(-1, 1, (2, *size, 1)).astype("float32")
    assert make_model().translate(images).shape == images.shape


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_shape": (17, 16, 3)}, "multiples of 2"),
        ({"image_shape": (16, 16, 5)}, "channels"),
        ({"num_halvings": 0}, "num_halvings"),
        ({"cycle_weight": -1.0}, "cycle_weight"),
        ({"receptive_field": 69}, "receptive_field"),
        ({"receptive_field": 70}, "larger images"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        cyclegan.CycleGAN(**SMALL | arguments)
