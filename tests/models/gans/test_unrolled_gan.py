import keras
import numpy as np
import pytest
from keras import layers, ops

from gen_keras import backend
from gen_keras.models.gans import gan, tricks, unrolled_gan
from tests.model_checks import check_model
from tests.models.gans import gan_checks
from tests.models.gans.gan_checks import as_arrays

IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, 4, 4, 1)).astype("float32")
POINTS = np.random.default_rng(1).normal(0, 1, (6, 2))
SGD, Adam = keras.optimizers.SGD, keras.optimizers.Adam

make_model = gan_checks.small_maker(unrolled_gan.UnrolledGAN, momentum=0.0)


def test_model(tmp_path):
    def make(**arguments):
        options = arguments.pop("compile_options", {})
        model = make_model(**{"unrolled_steps": 2} | arguments)
        model.compile(SGD(0.1), Adam(0.1), **options)
        return model

    config = {"unrolled_steps": 3, "saturating": False, "seed": 3}
    check_model(make, config, IMAGES, (4, 4, 1), tmp_path)


# Of finite differences. Only on TensorFlow does Keras compute all in float64.
STEP, TOLERANCE = (1e-5, 1e-4) if backend.NAME == "tensorflow" else (5e-3, 1e-2)


@pytest.fixture
def float64():
    """Numbers that small differences can be taken of."""
    dtype = "float64" if backend.NAME == "tensorflow" else "float32"
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def make_points_model(optimizer, **arguments):
    """A model of points whose discriminator has a hidden layer, without kinks."""
    keras.utils.set_random_seed(0)
    latents, points = keras.Input((3,)), keras.Input((2,))
    logits = layers.Dense(1)(layers.Dense(4, "tanh")(points))
    model = unrolled_gan.UnrolledGAN(
        (2,),
        3,
        generator=keras.Model(latents, layers.Dense(2)(latents)),
        discriminator=keras.Model(points, logits),
        seed=0,
        **arguments,
    )
    model.compile(SGD(0.01), optimizer)
    return model


def loss_after_real_steps(model, data, fake, num_steps):
    """Trains the discriminator by its optimizer; returns the generator's loss."""
    variables = model.discriminator_variables

    def judge():
        return model.judge(data, True)[0], model.judge(fake, True)[0]

    for _ in range(num_steps):
        model.minimize(
            lambda: (model.discriminator_loss(*judge()), {}),
            model.discriminator_optimizer,
            variables,
        )
    real_logits, fake_logits = judge()
    if model.saturating:
        return -float(model.discriminator_loss(real_logits, fake_logits))
    return float(model.generator_loss(fake_logits))


@pytest.mark.parametrize(
    ("optimizer", "steps", "saturating"),
    [
        (lambda: SGD(0.5), 3, True),
        (lambda: Adam(0.1, 0.5), 1, True),
        (lambda: Adam(0.1, 0.5), 4, False),
    ],
)
def test_the_gradient_goes_through_the_steps_of_the_real_optimizer(
    optimizer, steps, saturating, float64
):
    # Against differences of what the optimizer itself leads to.
    model = make_points_model(optimizer(), unrolled_steps=steps, saturating=saturating)
    data = model.unpack((POINTS.astype(keras.config.floatx()),))
    for _ in range(2):  # So that the moments of Adam are not zero.
        model.update_discriminator(data)
    variables = model.generator_variables
    with model.seeded(3):
        loss, _, gradients = backend.value_and_gradients(
            lambda: model.compute_generator_loss(data, training=True), variables
        )
    gradients = as_arrays(gradients)

    touched = model.discriminator_variables + model.discriminator_optimizer.variables
    before = gan_checks.copies_of(touched)

    def real_loss():
        with model.seeded(3):
            fake = ops.stop_gradient(model.fake_examples(data, training=True))
        value = loss_after_real_steps(model, data, fake, steps)
        for variable, start in zip(touched, before, strict=True):
            variable.assign(start)
        return value

    assert float(loss) == pytest.approx(real_loss(), rel=TOLERANCE / 100)
    for variable, gradient in zip(variables, gradients, strict=True):
        start = as_arrays(variable.value).copy()
        for index in ((2, 1),) if start.ndim == 2 else ((0,), (1,)):
            values = []
            for step in (STEP, -STEP):
                moved = start.copy()
                moved[index] += step
                variable.assign(moved)
                values.append(real_loss())
            variable.assign(start)
            difference = (values[0] - values[1]) / (2 * STEP)
            assert gradient[index] == pytest.approx(difference, rel=TOLERANCE, abs=1e-4)
    # The unrolled steps matter, and are many.
    model.unrolled_steps = 0
    with model.seeded(3):
        _, _, short = backend.value_and_gradients(
            lambda: model.compute_generator_loss(data, training=True), variables
        )
    assert (
        abs(as_arrays(short[1]) - gradients[1]).max() > 1e-2 * abs(gradients[1]).max()
    )


def test_without_steps_it_is_a_gan():
    networks = {
        "generator": gan_checks.small_network([(3,)], (4, 4, 1), "tanh"),
        "discriminator": gan_checks.small_network([(4, 4, 1)], (1,)),
    }
    for saturating in (True, False):
        gradients = []
        data = ops.convert_to_tensor(IMAGES)
        for model in (
            make_model(unrolled_steps=0, saturating=saturating, **networks),
            gan_checks.small_maker(gan.GAN)(saturating=saturating, **networks),
        ):
            with model.seeded(3):
                _, _, gradient = backend.value_and_gradients(
                    lambda of=model, data=data: of.compute_generator_loss(data, True),
                    model.generator_variables,
                )
            gradients.append(as_arrays(gradient[0]))
        np.testing.assert_allclose(*gradients, rtol=1e-5, atol=1e-8)


def test_the_discriminator_is_taken_back():
    # Its weights, its moving statistics and what its optimizer remembers.
    inputs = keras.Input((4, 4, 1))
    x = layers.BatchNormalization()(layers.Flatten()(inputs))
    discriminator = keras.Model(inputs, layers.Dense(1)(x))
    model = make_model(unrolled_steps=2, discriminator=discriminator)
    model.compile(SGD(0.1), Adam(0.1))
    data = model.unpack((IMAGES,))
    model.update_discriminator(data)
    variables = discriminator.variables + model.discriminator_optimizer.variables
    before = gan_checks.copies_of(variables)
    generator = gan_checks.trainable_of(model, "generator")
    model.update_generator(data)
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(as_arrays(variable.value), value, variable.path)
    after = gan_checks.trainable_of(model, "generator")
    assert not any(map(np.array_equal, generator, after))


def test_defaults_are_those_of_the_release():
    model = make_model()
    assert model.unrolled_steps == 5 and model.saturating
    of_points = unrolled_gan.UnrolledGAN((2,))
    assert of_points.latent_dim == 256
    of_points.compile()
    for optimizer, rate in (
        (of_points.generator_optimizer, 1e-3),
        (of_points.discriminator_optimizer, 1e-4),
    ):
        assert isinstance(optimizer, Adam) and optimizer.beta_1 == 0.5
        assert float(ops.convert_to_numpy(optimizer.learning_rate)) == pytest.approx(
            rate
        )


def test_other_optimizers_are_refused():
    model = make_model()
    for optimizer in (
        keras.optimizers.RMSprop(),
        keras.optimizers.Nadam(),
        keras.optimizers.AdamW(),
        Adam(amsgrad=True),
        Adam(clipnorm=1.0),
        SGD(0.1, momentum=0.9),
    ):
        with pytest.raises(ValueError, match="discriminator_optimizer.*Adam or SGD"):
            model.compile(SGD(), optimizer)


def test_evaluation_is_against_the_discriminator_as_it_is():
    model = make_model(unrolled_steps=2)
    model.compile(SGD(0.1), Adam(0.1))

    def loss():
        with model.seeded(0):
            logs = model.evaluate(IMAGES, verbose=0, return_dict=True)
        return logs["generator_loss"]

    first = loss()
    model.fit(IMAGES, verbose=0)
    # What was compiled before knows the weights of now.
    second = loss()
    assert abs(second - first) > 1e-3
    with model.seeded(0):
        foreseen, _ = model.compute_generator_loss(IMAGES, training=True)
    assert abs(float(foreseen) - second) > 1e-3
    model.unrolled_steps = 0
    model.make_test_function(force=True)
    assert loss() == pytest.approx(second, rel=1e-5)


def test_what_tricks_cost_is_foreseen():
    # The distance to the mean weights holds the foreseen discriminator back.
    options = {
        "generator": gan_checks.small_network([(3,)], (4, 4, 1), "tanh"),
        "discriminator": gan_checks.small_network([(4, 4, 1)], (1,)),
        "unrolled_steps": 3,
    }
    losses = []
    for weight in (0.0, 4.9, 1e-9):
        model = make_model(tricks=[tricks.HistoricalAveraging(weight)], **options)
        model.compile(SGD(0.1), SGD(0.1))
        data = ops.convert_to_tensor(IMAGES)
        with model.seeded(3):
            losses.append(float(model.compute_generator_loss(data, training=True)[0]))
    assert losses[0] == pytest.approx(losses[2], abs=1e-6)
    # -E[log D] - E[log(1 - D)] has not fallen as far.
    assert losses[1] < losses[0] - 1e-4


def test_tricks_of_the_generators_losses_need_such_losses():
    def make(saturating):
        inputs = keras.Input((4, 4, 1))
        x = layers.Dense(4)(layers.Flatten()(inputs))
        return make_model(
            discriminator=keras.Model(inputs, layers.Dense(1)(x)),
            tricks=[tricks.FeatureMatching()],
            saturating=saturating,
        )

    with pytest.raises(ValueError, match="FeatureMatching.*saturating=False"):
        make(saturating=True)
    model = make(saturating=False)
    data = ops.convert_to_tensor(IMAGES)
    with model.seeded(3):
        loss = float(model.compute_generator_loss(data, training=True)[0])
    with model.seeded(3):
        fake = model.fake_examples(data, training=True)
    term = float(model.tricks[0].generator_term(model, data, fake, True))
    assert loss == pytest.approx(term)


def test_bad_arguments():
    with pytest.raises(ValueError, match="unrolled_steps.*at least 0. Received: -1"):
        make_model(unrolled_steps=-1)
