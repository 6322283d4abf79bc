import keras
import numpy as np
import pytest

from gen_keras.models.gans import wgan
from tests.model_checks import check_model
from tests.models.gans import gan_checks
from tests.models.gans.gan_checks import affine, as_arrays

IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, 4, 4, 1)).astype("float32")
SGD = keras.optimizers.SGD

make_model = gan_checks.small_maker(wgan.WGAN)


def test_model(tmp_path):
    # Of the four batches the third moves the generator, so that `critic_steps` is 1
    # when the model is saved: the loaded one must go on from there.
    def make(**arguments):
        return make_model(**{"discriminator_steps": 3, "warm_up_steps": 0} | arguments)

    config = {
        "discriminator_steps": 4,
        "warm_up_steps": 7,
        "clip_value": 0.5,
        "seed": 3,
    }
    check_model(make, config, IMAGES, (4, 4, 1), tmp_path)


def test_losses_by_hand():
    # The critic gives 2 to data and 0.5 to samples.
    model = make_model(
        generator=affine((3,), (4, 4, 1), bias=-1.0),
        discriminator=affine((4, 4, 1), (1,), kernel=0.75 / 16, bias=1.25),
    )
    d_loss, g_loss, logs = gan_checks.losses_of(model, np.ones((5, 4, 4, 1), "float32"))
    assert (d_loss, g_loss) == pytest.approx((-1.5, -0.5))
    expected = {"real_score": 2, "fake_score": 0.5, "distance": 1.5}
    assert {name: logs[name] for name in expected} == pytest.approx(expected)


def test_all_weights_of_the_critic_are_clipped_after_each_step():
    # The gradient of C(G(z)) - C(x) is -2 for each weight of the kernel.
    model = make_model(
        clip_value=0.1,
        generator=affine((3,), (4, 4, 1), bias=-1.0),
        discriminator=affine((4, 4, 1), (1,), kernel=0.03, bias=-7.0),
    )
    model.compile(SGD(0.0), SGD(0.02))
    for expected in (0.07, 0.1, 0.1):
        model.update_discriminator(model.unpack((np.ones((2, 4, 4, 1), "float32"),)))
        kernel, bias = as_arrays(model.discriminator.trainable_variables)
        np.testing.assert_allclose(kernel, expected, rtol=1e-5)
        np.testing.assert_allclose(bias, -0.1)
    assert (as_arrays(model.generator.trainable_variables[1]) == -1).all()


@pytest.mark.parametrize(
    ("generator_steps", "critic_steps"),
    [(0, 7), (24, 7), (25, 3), (499, 3), (500, 7), (501, 3), (1000, 7), (1024, 3)],
)
def test_the_first_25_and_every_500th_phase_are_long(generator_steps, critic_steps):
    model = make_model(discriminator_steps=3, warm_up_steps=7)
    model.generator_optimizer.iterations.assign(generator_steps)
    for steps in range(10):
        model.critic_steps.assign(steps)
        assert bool(model.generator_is_due()) == (steps >= critic_steps)


def test_the_schedule_in_training():
    model = make_model(discriminator_steps=2, warm_up_steps=4)

    def fit(num_batches):
        images = np.zeros((num_batches, 4, 4, 1), "float32")
        model.fit(images, batch_size=1, verbose=0)
        return int(model.generator_optimizer.iterations), int(model.critic_steps)

    assert fit(9) == (2, 1)
    model.generator_optimizer.iterations.assign(25)
    assert fit(4) == (27, 1)  # 1 + 1, then 2, then 1.


def test_long_phases_are_never_shorter():
    model = make_model(discriminator_steps=3, warm_up_steps=0)
    model.critic_steps.assign(2)
    assert not model.generator_is_due()
    model.critic_steps.assign(3)
    assert model.generator_is_due()


def test_constants_are_the_papers():
    model = wgan.WGAN((16, 16, 1))
    assert (model.discriminator_steps, model.warm_up_steps) == (5, 100)
    assert model.clip_value == 0.01
    model.compile()
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        assert isinstance(optimizer, keras.optimizers.RMSprop)
        assert float(optimizer.learning_rate) == pytest.approx(5e-5)
        assert (optimizer.rho, optimizer.momentum) == (0.99, 0)


@pytest.mark.parametrize("gradient", [1e-6, 1e-3, 1.0])
def test_small_gradients_take_steps_as_great_as_in_torch(gradient):
    optimizer = make_model().default_optimizer("discriminator")
    variable = keras.Variable([0.0])
    optimizer.build([variable])
    optimizer.apply([keras.ops.convert_to_tensor([gradient])], [variable])
    # torch.optim.RMSprop: the mean of squares is 0.01 g^2; 1e-8 is added to its root.
    expected = -5e-5 * gradient / (0.1 * gradient + 1e-8)
    assert float(variable[0]) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clip_value": 0.0}, "clip_value.*positive. Received: 0.0"),
        ({"warm_up_steps": -1}, "warm_up_steps.*at least 0. Received: -1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_model(**arguments)
