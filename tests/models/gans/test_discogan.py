import keras
import numpy as np
import pytest
from keras import layers, ops

from gen_keras.models.gans import discogan
from tests.model_checks import check_jit_compile, check_model
from tests.models.gans import gan_checks
from tests.models.gans.gan_checks import scaled

RNG = np.random.default_rng(0)
A = RNG.uniform(0, 1, (12, 16, 16, 1)).astype("float32")
B = RNG.uniform(0, 1, (12, 16, 16, 1)).astype("float32")
make_model = gan_checks.maker(
    discogan.DiscoGAN, image_shape=(16, 16, 1), num_halvings=1, base_filters=2
)


def test_model(tmp_path):
    config = {
        "first_rate": 0.1,
        "rate": 0.4,
        "curriculum_iterations": 5,
        "feature_weight": 0.5,
        "weight_decay": 0.1,
        "seed": 3,
    }
    check_model(make_model, config, (A, B), None, tmp_path, jit_compile=False)


@pytest.mark.slow
def test_jit_compile():
    check_jit_compile(make_model, (A, B))


# Networks


def test_networks_are_the_papers():
    # Section 3.1 and the release: 64, 128, 256, 512 and back, then 3.
    generator = discogan.build_autoencoder()
    down = [x for x in generator.layers if type(x) is layers.Conv2D]
    up = [x for x in generator.layers if type(x) is layers.Conv2DTranspose]
    norms = [x for x in generator.layers if type(x) is layers.BatchNormalization]
    assert [x.filters for x in down] == [64, 128, 256, 512]
    assert [x.filters for x in up] == [256, 128, 64, 3]
    assert len(norms) == 3 + 3
    kernels = [3 * 64, 64 * 128, 128 * 256, 256 * 512]
    scales = 4 * 2 * (128 + 256) + 4 * (512 + 64)
    assert generator.count_params() == 2 * 16 * sum(kernels) + scales
    images = np.zeros((2, 32, 48, 3))
    assert generator(images).shape == images.shape

    discriminator = discogan.build_discriminator()
    shapes = [(None, 1), (None, 16, 16, 128), (None, 8, 8, 256), (None, 4, 4, 512)]
    assert discriminator.output_shape == shapes
    kernels.append(512)
    assert discriminator.count_params() == 16 * sum(kernels) + 4 * (128 + 256 + 512)
    for layer in (*down, *up, *discriminator.layers):
        assert getattr(layer, "bias", None) is None or layer.bias is layer.beta


def test_constants_are_those_of_the_release():
    model = discogan.DiscoGAN()
    assert (model.first_rate, model.rate) == (0.01, 0.5)
    assert (model.curriculum_iterations, model.feature_weight) == (10000, 0.9)
    assert model.weight_decay == 1e-5
    model.compile()
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        assert float(optimizer.learning_rate) == pytest.approx(2e-4)
        assert (optimizer.beta_1, optimizer.beta_2) == (0.5, 0.999)


# Losses


def judge(factor):
    """A discriminator whose logit is the mean times `factor`, features 1x and 3x."""
    image = keras.Input((None, None, 1))
    features = [layers.Rescaling(scale)(image) for scale in (1.0, 3.0)]
    mean = layers.GlobalAveragePooling2D()(image)
    return keras.Model(image, [layers.Rescaling(factor)(mean), *features])


@pytest.mark.parametrize("iteration", [0, 10, 11])
def test_losses_by_hand(iteration):
    """F(x) = 3x, G(y) = 2y + 1; D_a(x) = x and D_b(x) = 4x."""
    model = make_model(
        generator_ab=scaled(2.0, 1.0),
        generator_ba=scaled(3.0),
        discriminator_a=judge(1.0),
        discriminator_b=judge(4.0),
        first_rate=0.2,
        rate=0.6,
        curriculum_iterations=11,
        feature_weight=0.75,
        weight_decay=0.5,
    )
    model.generator_optimizer.iterations.assign(iteration // 2)
    model.discriminator_optimizer.iterations.assign(iteration - iteration // 2)
    # Images differ: features are averaged over the batch before they are compared.
    a = ops.stack([ops.full((16, 16, 1), value) for value in (0.25, 0.75)])
    b = ops.full((2, 16, 16, 1), -0.25)
    loss, logs = model.compute_generator_loss(a, b, training=True)
    # G(a) = 1.5, 2.5; F(b) = -0.75; F(G(a)) = 4.5, 7.5; G(F(b)) = -0.5.

    def cross_entropy(logit):
        return np.log(1 + np.exp(-logit))

    expected = {
        "adversarial_loss": cross_entropy(-0.75)
        + (cross_entropy(4 * 1.5) + cross_entropy(4 * 2.5)) / 2,
        "feature_loss": (0.5 + 0.75) ** 2 * (1 + 9) + (-0.25 - 2) ** 2 * (1 + 9),
        "reconstruction_loss": ((4.5 - 0.25) ** 2 + (7.5 - 0.75) ** 2) / 2 + 0.25**2,
    }
    for name, value in expected.items():
        assert float(logs[name]) == pytest.approx(value, rel=1e-5), name
    adversarial, feature, reconstruction = expected.values()
    r = 0.2 if iteration < 11 else 0.6
    decay = 0.5 * 0.5 * (2**2 + 1**2 + 3**2)
    assert float(loss) == pytest.approx(
        (0.25 * adversarial + 0.75 * feature) * (1 - r) + reconstruction * r + decay,
        rel=1e-5,
    )

    fakes = logs["fakes_a"], logs["fakes_b"]
    _, logs = model.compute_discriminator_loss(a, b, *fakes, training=True)
    of_a = (cross_entropy(0.25) + cross_entropy(0.75)) / 2 + cross_entropy(0.75)
    of_b = cross_entropy(-1) + (cross_entropy(-6) + cross_entropy(-10)) / 2
    expected = 0.5 * (of_a + of_b)
    assert float(logs["discriminator_loss"]) == pytest.approx(expected, rel=1e-5)


def test_discriminators_move_in_one_of_three_iterations():
    model = make_model(compile_options=gan_checks.EAGERLY)
    model.fit(A, B, batch_size=6, verbose=0)
    assert int(model.discriminator_optimizer.iterations) == 2
    assert int(model.generator_optimizer.iterations) == 4


def test_each_iteration_has_images_of_its_own(monkeypatch):
    seen = []
    model = make_model(compile_options={"run_eagerly": True})

    def spy(compute):
        def run(*args, **kwargs):
            seen.append(args[:2])
            return compute(*args, **kwargs)

        return run

    for name in ("compute_discriminator_loss", "compute_generator_loss"):
        monkeypatch.setattr(model, name, spy(getattr(model, name)))
    model.train_step((ops.convert_to_tensor(A), ops.convert_to_tensor(B)))
    for images, parts in zip((A, B), zip(*seen, strict=True), strict=True):
        parts = [ops.convert_to_numpy(part) for part in parts]
        np.testing.assert_array_equal(np.concatenate(parts), images)


def test_both_generators_get_both_cycles(monkeypatch):
    model = make_model(feature_weight=1.0, weight_decay=0.0)
    images = {"a": A, "b": B}
    gan_checks.check_both_cycles(
        model, discogan, "_squared_distance", images, monkeypatch
    )


def test_each_side_moves_alone():
    gan_checks.check_each_side_moves_alone(make_model, (A, B))


# Translation


def test_directions():
    gan_checks.check_directions(make_model, A, B)


@pytest.mark.parametrize("size", [(16, 16), (17, 30), (3, 5)])
def test_translate_keeps_the_size(size):
    images = RNG.uniform(0, 1, (2, *size, 1)).astype("float32")
    assert make_model().translate(images).shape == images.shape


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_shape": (24, 16, 3)}, "multiples of 16"),
        ({"image_shape": (32, 48, 3), "num_halvings": 5}, "multiples of 32"),
        ({"image_shape": (16, 16, 5)}, "channels"),
        ({"rate": 1.5}, "rate"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        discogan.DiscoGAN(**arguments)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_small_last_batch_is_no_harm(count):
    model = make_model(compile_options=gan_checks.EAGERLY)
    history = model.fit(A[: 6 + count], B[: 6 + count], batch_size=6, verbose=0).history
    assert np.isfinite(list(history.values())).all()
    for variable in model.variables:
        assert np.isfinite(ops.convert_to_numpy(variable)).all(), variable.path


def test_moving_statistics_are_those_of_real_images():
    """Else `translate` would normalize by what generated images look like, too."""
    model = make_model(num_halvings=2)  # One halving has no normalization.
    network = model.generator_ab
    before = [ops.convert_to_numpy(v).copy() for v in network.non_trainable_weights]
    model.compute_generator_loss(
        ops.convert_to_tensor(A), ops.convert_to_tensor(B), training=True
    )
    after = [ops.convert_to_numpy(v).copy() for v in network.non_trainable_weights]
    for variable, value in zip(network.non_trainable_weights, before, strict=True):
        variable.assign(value)
    network(A, training=True)
    real = [ops.convert_to_numpy(v) for v in network.non_trainable_weights]
    assert len(after) == 4  # Of two normalizations.
    for one, other, start in zip(after, real, before, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
        assert not np.array_equal(one, start)
