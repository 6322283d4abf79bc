import keras
import numpy as np
import pytest
from keras import layers, ops

from gen_keras import backend
from gen_keras.models.gans import networks, wgan_gp
from tests.model_checks import check_model
from tests.models.gans import gan_checks
from tests.models.gans.gan_checks import affine, as_arrays

IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, 4, 4, 1)).astype("float32")

make_model = gan_checks.small_maker(wgan_gp.WGANGP)


def test_model(tmp_path):
    def make(**arguments):
        return make_model(**{"discriminator_steps": 3} | arguments)

    config = {"discriminator_steps": 4, "penalty_weight": 2.0, "seed": 3}
    check_model(make, config, IMAGES, (4, 4, 1), tmp_path)


def half_squared_norm(shape):
    """The critic C(x) = |x|^2 / 2, whose gradient is x."""
    inputs = keras.Input(shape)
    x = layers.Flatten()(inputs)
    half = layers.Dense(1)
    network = keras.Model(inputs, half(layers.Multiply()([x, x])))
    half.set_weights([np.full((x.shape[-1], 1), 0.5), np.zeros(1)])
    return network


def penalty_of(critic, real, fake, **arguments):
    model = make_model(discriminator=critic, seed=0, **arguments)
    data = ops.convert_to_tensor(real), ops.convert_to_tensor(fake)
    loss, logs = model.compute_penalty(*data, training=True)
    assert float(loss) == pytest.approx(10 * float(logs["gradient_penalty"]))
    return float(logs["gradient_penalty"])


def test_points_are_uniform_between_data_and_samples():
    # From 0 to 1 the gradient is the weight u: E(u - 1)^2 = 1/3, one-sided or normal
    # weights give another number; from 1 to 3 it is 2u + 1: E(2u)^2 = 4/3.
    critic = half_squared_norm((1,))
    for real, fake, expected in (
        (1.0, 0.0, 1 / 3),
        (0.0, 1.0, 1 / 3),
        (3.0, 1.0, 4 / 3),
    ):
        data = np.full((20_000, 1), real, "f"), np.full((20_000, 1), fake, "f")
        penalty = penalty_of(critic, *data, image_shape=(1,))
        assert penalty == pytest.approx(expected, rel=0.03)


def test_each_example_has_one_weight():
    # The norm of the gradient is 4u: E(4u - 1)^2 = 16/3 - 4 + 1. With a weight for each
    # pixel it would be about 4/sqrt(3), and the penalty 1.7.
    ones = np.ones((10_000, 4, 4, 1), "float32")
    penalty = penalty_of(half_squared_norm((4, 4, 1)), ones, 0 * ones)
    assert penalty == pytest.approx(7 / 3, rel=0.05)


@pytest.mark.parametrize(("norm", "expected"), [(1.0, 0), (2.0, 1), (0.0, 1)])
def test_linear_critics(norm, expected):
    # All 16 weights are norm / 4, at any point.
    critic = affine((4, 4, 1), (1,), kernel=norm / 4, bias=3.0)
    penalty = penalty_of(critic, IMAGES, -0.5 * IMAGES)
    assert penalty == pytest.approx(expected, abs=1e-5)


def test_losses_by_hand():
    # C(x) = sum of x/2 + 1, of norm 2: 9 for data of ones, -7 for samples of -1.
    model = make_model(
        generator=affine((3,), (4, 4, 1), bias=-1.0),
        discriminator=affine((4, 4, 1), (1,), kernel=0.5, bias=1.0),
        penalty_weight=3.0,
    )
    d_loss, g_loss, logs = gan_checks.losses_of(model, np.ones((5, 4, 4, 1), "float32"))
    assert (d_loss, g_loss) == pytest.approx((-7 - 9 + 3 * 1, 7), rel=1e-5)
    expected = {"distance": 16, "gradient_penalty": 1, "discriminator_loss": d_loss}
    assert {name: logs[name] for name in expected} == pytest.approx(expected, rel=1e-5)


def test_the_critic_learns_from_the_penalty():
    # Data and samples are alike, so that of the loss 10 (|w| - 1)^2 remains: its
    # gradient is 20 (|w| - 1) w / |w|.
    weights = np.linspace(-1, 2, 16)[:, None]
    model = make_model(
        generator=affine((3,), (4, 4, 1), bias=0.5),
        discriminator=affine((4, 4, 1), (1,), kernel=weights),
    )
    data = model.unpack((np.full((6, 4, 4, 1), 0.5, "float32"),))
    _, _, gradients = backend.value_and_gradients(
        lambda: model.compute_discriminator_loss(data, training=True),
        model.discriminator_variables,
    )
    norm = np.linalg.norm(weights)
    expected = 20 * (norm - 1) * weights / norm
    np.testing.assert_allclose(as_arrays(gradients[0]), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(as_arrays(gradients[1]), 0, atol=1e-5)


def test_the_critic_is_not_normalized_over_the_batch():
    model = wgan_gp.WGANGP((16, 16, 1), base_filters=2)
    kinds = [type(layer) for layer in model.discriminator.layers]
    assert layers.BatchNormalization not in kinds and layers.Conv2D in kinds
    kinds = [type(layer) for layer in model.generator.layers]
    assert layers.BatchNormalization in kinds


def test_constants_are_the_papers():
    model = make_model()
    assert (model.discriminator_steps, model.penalty_weight) == (5, 10)
    model.compile()
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        assert isinstance(optimizer, keras.optimizers.Adam)
        assert float(optimizer.learning_rate) == pytest.approx(1e-4)
        assert (optimizer.beta_1, optimizer.beta_2) == (0, 0.9)


def test_bad_arguments():
    with pytest.raises(ValueError, match="penalty_weight.*at least 0. Received: -1"):
        make_model(penalty_weight=-1)
    critics = networks.several_discriminators(
        [gan_checks.small_network([(4, 4, 1)], (1,)) for _ in range(2)]
    )
    with pytest.raises(ValueError, match=r"one critic.*Received: \(None, 2\)"):
        make_model(discriminator=critics)
