import itertools

import keras
import numpy as np
import pytest
from keras import ops

from gen_keras.models import ClassRBM
from tests.model_checks import check_model

RNG = np.random.default_rng(0)
IMAGES = (RNG.uniform(0, 1, (64, 6)) < 0.3).astype("float32")
CLASSES = RNG.integers(0, 3, 64)
# All states of 4 pixels, of 3 hidden units and of 3 classes.
STATES = np.array(list(itertools.product([0, 1], repeat=4)), "float32")
HIDDEN = np.array(list(itertools.product([0, 1], repeat=3)), "float32")
TOLERANCE = 5 * 0.5 / 90


def make_model(learning_rate=0.1, compile_options=None, **kwargs):
    model = ClassRBM(
        **{"visible_shape": (6,), "num_classes": 3, "num_hidden": 5} | kwargs
    )
    model.compile(keras.optimizers.SGD(learning_rate), **compile_options or {})
    return model


def make_tiny_model(**kwargs):
    model = make_model(visible_shape=(4,), num_hidden=3, seed=0, **kwargs)
    generator = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0, 1, variable.shape))
    return model


def make_telling_model():
    """Returns a tiny model in which the class makes a difference.

    Images of class 2, and completions, are 0.06 and more from those of any class.
    """
    model = make_tiny_model()
    kernel = to_numpy(model.kernel).copy()
    kernel[4:] *= 4
    model.kernel.assign(kernel)
    return model


def joint(model):
    """Returns p(v, y) of all images and classes, (16, 3), from the energy by hand."""
    kernel, bias, c = (ops.convert_to_numpy(v) for v in model.trainable_variables)
    weights = np.empty((16, 3))
    for i, v in enumerate(STATES):
        for y in range(3):
            state = np.concatenate([v, np.eye(3)[y]])
            energies = -(HIDDEN @ (state @ kernel + c)) - state @ bias
            weights[i, y] = np.exp(-energies).sum()
    return weights / weights.sum()


def to_numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize(
    "options",
    [{"num_chains": 20, "generative_weight": 0.5}, {"objective": "discriminative"}],
)
def test_model(options, tmp_path):
    def make(**kwargs):
        return make_model(**options | kwargs)

    config = {"gibbs_steps": 2, "seed": 3, "num_classes": 4}
    check_model(make, config, (IMAGES, CLASSES), (6,), tmp_path)


def test_class_probabilities_are_exact():
    model = make_tiny_model()
    expected = joint(model) / joint(model).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(to_numpy(model(STATES)), expected, rtol=1e-4)
    np.testing.assert_array_equal(model.classify(STATES), expected.argmax(axis=1))


def test_log_probabilities_of_images_and_of_pairs_add_up_to_one():
    model = make_tiny_model()
    log_z = model.log_partition()
    np.testing.assert_allclose(
        np.exp(to_numpy(model.log_prob(STATES, log_z))),
        joint(model).sum(axis=1),
        rtol=1e-4,
    )
    for y in range(3):
        pairs = (STATES, np.full(16, y))
        np.testing.assert_allclose(
            np.exp(to_numpy(model.log_prob(pairs, log_z))), joint(model)[:, y], 1e-4
        )


@pytest.mark.parametrize("objective", ["hybrid", "generative", "discriminative"])
def test_loss_is_that_of_the_objective(objective):
    model = make_tiny_model(objective=objective, generative_weight=0.3)
    classes = np.arange(16) % 3
    logs = model.evaluate(STATES, classes, batch_size=16, verbose=0, return_dict=True)
    posterior = joint(model) / joint(model).sum(axis=1, keepdims=True)
    cross_entropy = -np.log(posterior[np.arange(16), classes]).mean()
    gap = logs["free_energy_gap"]
    expected = {
        "hybrid": cross_entropy + 0.3 * gap,
        "generative": gap,
        "discriminative": cross_entropy,
    }
    assert logs["loss"] == pytest.approx(expected[objective], rel=1e-4)
    accuracy = (posterior.argmax(axis=1) == classes).mean()
    assert logs["accuracy"] == pytest.approx(accuracy)
    free = to_numpy(model.free_energy((STATES, classes))).mean()
    assert logs["free_energy"] == pytest.approx(free, rel=1e-4)


# The biases of pixels have no part in p(y | v): those that a hybrid step moves, it
# moves by the generative part alone.
@pytest.mark.parametrize(
    ("objective", "weight", "moved"), [("generative", 1, 7), ("hybrid", 0.5, 4)]
)
def test_generative_step_is_the_likelihood_gradient_of_pairs(objective, weight, moved):
    model = make_tiny_model(
        objective=objective,
        generative_weight=weight,
        num_chains=8192,
        gibbs_steps=20,
        learning_rate=1 / weight,
    )
    images, classes = STATES[[3, 5, 5, 9]], np.array([0, 1, 2, 2])
    before = to_numpy(model.visible_bias).copy()
    states = np.concatenate([np.repeat(STATES, 3, 0), np.tile(np.eye(3), (16, 1))], 1)
    data = np.concatenate([images, np.eye(3)[classes]], 1)
    expected = data.mean(axis=0) - joint(model).ravel() @ states
    model.fit(images, classes, batch_size=4, verbose=0)
    step = to_numpy(model.visible_bias) - before
    np.testing.assert_allclose(step[:moved], expected[:moved], atol=TOLERANCE)


def frequencies(samples):
    index = (to_numpy(samples) @ [8, 4, 2, 1]).astype(int)
    return np.bincount(index, minlength=16) / len(samples)


@pytest.mark.parametrize("classes", [None, 2])
def test_samples_follow_the_distribution_given_the_class(classes):
    model = make_telling_model()
    samples = model.sample(8192, seed=0, gibbs_steps=30, classes=classes)
    expected = joint(model).sum(axis=1) if classes is None else joint(model)[:, 2]
    difference = frequencies(samples) - expected / expected.sum()
    assert abs(difference).max() < TOLERANCE


def bernoulli(states, inputs):
    """Returns p(states | inputs), (given, states), for inputs (given, units)."""
    means = 1 / (1 + np.exp(-inputs[:, None]))
    return np.prod(np.where(states == 1, means, 1 - means), axis=-1)


def test_a_step_from_an_image_begins_with_a_draw_of_its_class():
    # Classes are equally likely and want all hidden units, or none, or some. All of
    # them at once, by their probabilities, would be off by 0.26.
    model = make_tiny_model()
    model.kernel.assign(
        np.concatenate(
            [np.full((4, 3), 4.0), 8 * np.float32([[1] * 3, [-1] * 3, [1, -1, 1]])]
        )
    )
    model.visible_bias.assign([-6, -5, -6, -7, -24, 0, -16])
    model.hidden_bias.assign(np.zeros(3))
    kernel, bias, c = map(to_numpy, model.trainable_variables)
    posterior = joint(model)[0] / joint(model)[0].sum()
    assert posterior.min() > 0.2
    up = posterior @ bernoulli(HIDDEN, kernel[4:] + c)
    expected = up @ bernoulli(STATES, (HIDDEN @ kernel.T + bias)[:, :4])
    samples = model.gibbs(np.zeros((8192, 4)), seed=0)
    assert abs(frequencies(samples) - expected).max() < TOLERANCE
    # One seed, one result.
    np.testing.assert_array_equal(
        to_numpy(model.gibbs(np.zeros((50, 4)), seed=1)),
        to_numpy(model.gibbs(np.zeros((50, 4)), seed=1)),
    )


def test_probabilities_of_documents_and_classes_add_up_to_one():
    model = make_tiny_model(visible_units="replicated_softmax")
    sequences = np.eye(4)[list(itertools.product(range(4), repeat=3))].sum(axis=1)
    total = np.exp(to_numpy(model.log_prob(sequences))).sum()
    assert total == pytest.approx(1, rel=1e-4)
    pairs = [np.exp(to_numpy(model.log_prob((sequences, [y] * 64)))) for y in range(3)]
    assert np.sum(pairs) == pytest.approx(1, rel=1e-4)
    with pytest.raises(ValueError, match="not for counts"):
        model.complete(sequences, np.ones(4))


@pytest.mark.parametrize("known", [False, True])
def test_completion_knows_the_class_if_it_is_given(known):
    model = make_telling_model()
    images = np.tile(np.array([1, 0, 0, 0], "float32"), (8192, 1))
    given = (images, np.full(8192, 2)) if known else images
    mask = np.array([1, 1, 0, 0])
    samples = model.complete(given, mask, seed=0, gibbs_steps=30)
    fits = (STATES[:, :2] == [1, 0]).all(axis=1)
    expected = joint(model)[:, 2] if known else joint(model).sum(axis=1)
    expected = np.where(fits, expected, 0)
    difference = frequencies(samples) - expected / expected.sum()
    assert abs(difference).max() < TOLERANCE


@pytest.mark.parametrize("objective", ["hybrid", "generative", "discriminative"])
def test_learns_to_classify(objective):
    keras.utils.set_random_seed(0)
    images = (RNG.uniform(0, 1, (12_000, 6)) < 0.1).astype("float32")
    classes = RNG.integers(0, 3, 12_000)
    images[np.arange(12_000), 2 * classes] = 1
    model = make_model(learning_rate=0.2, objective=objective, seed=0)
    model.fit(images, classes, batch_size=20, verbose=0)
    assert (model.classify(images) == classes).mean() > 0.85  # The best is 0.9.


def test_images_keep_their_shape():
    model = make_model(visible_shape=(2, 3, 1))
    images = IMAGES.reshape(64, 2, 3, 1)
    for result in (
        model.sample(64, gibbs_steps=1, classes="random"),
        model.reconstruct(images),
        model.gibbs((images, CLASSES)),
        model.complete(images, np.ones((2, 3, 1)), gibbs_steps=2),
    ):
        assert tuple(result.shape) == (64, 2, 3, 1)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="objective.*hybrid, generative.*both"):
        make_model(objective="both")
    with pytest.raises(ValueError, match="num_classes.*at least 2"):
        make_model(num_classes=1)
    model = make_model()
    with pytest.raises(ValueError, match="`y` must be an integer from 0 to 2"):
        model.fit(IMAGES, CLASSES + 1, verbose=0)
    held_out = (IMAGES, CLASSES + 1)
    with pytest.raises(ValueError, match="validation_data.1.` must be an integer"):
        model.fit(IMAGES, CLASSES, validation_data=held_out, verbose=0)
    with pytest.raises(ValueError, match="images with classes"):
        model.fit(IMAGES, verbose=0)
    model = make_model()
    with pytest.raises(ValueError, match="`classes`.*from 0 to 2.*Received: 7"):
        model.sample(2, classes=7)
    with pytest.raises(ValueError, match="from 0 to 1"):
        model.fit(2 * IMAGES, CLASSES, verbose=0)
