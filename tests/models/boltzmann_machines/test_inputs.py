"""What all Boltzmann machines refuse, at each of their methods."""

import keras
import numpy as np
import pytest
from keras import ops

from gen_keras.models import (
    DBM,
    DBN,
    RBM,
    BoltzmannMachine,
    ClassRBM,
    SemanticHashing,
)

SHAPE = (2, 2, 1)
IMAGES = np.resize(np.float32([0, 1, 1]), (4, *SHAPE))
MODELS = {
    "rbm": lambda: RBM(SHAPE, 3, seed=0),
    "class_rbm": lambda: ClassRBM(SHAPE, 2, 3, seed=0),
    "dbn": lambda: DBN(SHAPE, (3, 2), untied=True, seed=0),
    "dbm": lambda: DBM(SHAPE, (3, 2), num_chains=4, seed=0),
    "boltzmann_machine": lambda: BoltzmannMachine(SHAPE, 3, num_chains=4, seed=0),
}
each_model = pytest.mark.parametrize("name", MODELS)
# Methods of images alone, of which each model has some.
METHODS = (
    *("free_energy", "log_prob", "log_prob_bound", "initialize_visible_bias"),
    *("gibbs", "reconstruct", "classify", "mean_field", "encode", "prop_up", "draw_up"),
)


def calls_of(model):
    """Returns functions of images, one for each method that takes them."""
    calls = {name: getattr(model, name) for name in METHODS if hasattr(model, name)}
    calls["complete"] = lambda x: model.complete(x, np.ones(SHAPE), gibbs_steps=1)
    if isinstance(model, ClassRBM):
        classes = np.array([0, 1, 1, 0])
        calls["gibbs of a pair"] = lambda x: model.gibbs((x, classes))
        calls["evaluate"] = lambda x: model.evaluate(x, classes, verbose=0)
        calls["fit"] = lambda x: model.fit(x, classes, verbose=0)
        calls["validation"] = lambda x: model.fit(
            IMAGES, classes, validation_data=(x, classes), verbose=0
        )
        return calls
    calls["evaluate"] = lambda x: model.evaluate(x, verbose=0)
    calls["fit"] = lambda x: model.fit(x, verbose=0)
    for form in (lambda x: x, lambda x: (x,)):
        calls[f"validation {form(0)}"] = lambda x, form=form: model.fit(
            IMAGES, validation_data=form(x), verbose=0
        )
    return calls


def test_a_class_rbm_has_no_copies():
    with pytest.raises(ValueError, match=r"copies of its layers. .*copies=\(2, 1\)"):
        ClassRBM(SHAPE, 2, 3, copies=(2, 1))


@each_model
def test_training_refuses_tensors_as_it_does_arrays(name):
    model = MODELS[name]()
    model.compile()
    calls = calls_of(model)
    for key in ("fit", "evaluate", *(key for key in calls if "validation" in key)):
        with pytest.raises(ValueError, match="`x` must be from 0 to 1. Received"):
            calls[key](ops.convert_to_tensor(255 * IMAGES))
        if key != "evaluate":
            calls[key](ops.convert_to_tensor(IMAGES))


@each_model
def test_arrays_of_other_values_are_refused(name):
    model = MODELS[name]()
    model.compile()
    calls = calls_of(model)
    assert len(calls) >= 7
    before = [ops.convert_to_numpy(v).copy() for v in model.variables]
    for call in calls.values():
        for value in (255, np.nan):
            with pytest.raises(ValueError, match="`x` must be from 0 to 1. Received"):
                call(value * IMAGES)
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), old)


def test_each_kind_of_units_is_asked_wherever_data_are_given():
    words = RBM((4,), 3, visible_units="replicated_softmax")
    groups = RBM((2, 2), 3, visible_units="softmax")
    for model in (words, DBN((4,), (3,), rbms=[words])):
        with pytest.raises(ValueError, match="not whole"):
            model.reconstruct(np.full((2, 4), 0.5))
    with pytest.raises(ValueError, match="add up to 1"):
        groups.free_energy(np.ones((2, 2, 2)))
    real = RBM((4,), 3, visible_units="gaussian")
    assert real.free_energy(np.full((2, 4), -7.0)).shape == (2,)
    with pytest.raises(ValueError, match="mean 0. Received: gaussian"):
        real.initialize_visible_bias(np.full((2, 4), -7.0))


@each_model
def test_lists_are_looked_at_as_arrays_are(name):
    model = MODELS[name]()
    with pytest.raises(ValueError, match="from 0 to 1. Received: values .* to 255"):
        model.complete((255 * IMAGES).tolist(), np.ones(SHAPE))


def test_a_list_is_no_pair_of_images_and_classes():
    with pytest.raises(ValueError, match="takes as a tuple. Received: a list"):
        MODELS["class_rbm"]().free_energy([IMAGES, np.zeros(4, int)])


@pytest.mark.parametrize("name", [*MODELS, "semantic_hashing"])
def test_training_that_diverges_is_named(name):
    # Binary units are 0 or 1, whatever the weights: no metric is NaN.
    model = (MODELS | {"semantic_hashing": make_semantic_hashing})[name]()
    model.compile(keras.optimizers.SGD(1e30))
    classes = [np.zeros(4, "int32")] if name == "class_rbm" else []
    with pytest.raises(ValueError, match="diverged in epoch 1: .*lower learning rate"):
        model.fit(IMAGES, *classes, verbose=0)


@each_model
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_named(name, value):
    model = MODELS[name]()
    variable = model.trainable_variables[0]
    variable.assign(np.full(variable.shape, value))
    calls = {
        "sample": lambda: model.sample(2, gibbs_steps=2),
        "complete": lambda: model.complete(IMAGES, np.ones(SHAPE), gibbs_steps=2),
        "gibbs": lambda: model.gibbs(IMAGES, 2),
    }
    if name != "dbn":  # Its Z is of the top alone.
        calls["log_partition"] = model.log_partition
    if name == "class_rbm":
        calls["classify"] = lambda: model.classify(IMAGES)
    for method, call in calls.items():
        if hasattr(model, method):
            with pytest.raises(ValueError, match="be finite; train at a lower"):
                call()


def test_annealing_of_weights_that_are_not_finite_is_refused():
    model = RBM(SHAPE, 3, visible_units="gaussian")
    model.kernel.assign(np.full((4, 3), np.nan))
    for method in ("exact", "ais"):
        with pytest.raises(ValueError, match="be finite; train at a lower"):
            model.log_partition(method)


def make_semantic_hashing():
    return SemanticHashing(SHAPE, (3, 2), seed=0)


CHAINS = {
    "class_rbm": lambda count: ClassRBM(SHAPE, 2, 3, num_chains=count),
    "dbm": lambda count: DBM(SHAPE, (3, 2), num_chains=count),
    "boltzmann_machine": lambda count: BoltzmannMachine(SHAPE, 3, num_chains=count),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chains_of_another_number_are_named(name, tmp_path):
    path = str(tmp_path / "model.weights.h5")
    CHAINS[name](7).save_weights(path)
    CHAINS[name](7).load_weights(path)
    with pytest.raises(ValueError, match=r"other settings: .*`chains\w*` has .*\(7,"):
        CHAINS[name](10).load_weights(path)


@each_model
def test_a_mask_is_zeros_and_ones(name):
    model = MODELS[name]()
    for value in (7, 0.5, -1, np.nan):
        mask = np.ones(SHAPE)
        mask[0, 0] = value
        with pytest.raises(ValueError, match="`mask` must be 1 where.*Received: value"):
            model.complete(IMAGES, mask, gibbs_steps=1)
        if hasattr(model, "gibbs"):
            with pytest.raises(ValueError, match="`mask` must be 1 where"):
                model.gibbs(IMAGES, mask=mask)
    known = model.complete(IMAGES, np.ones(SHAPE, bool), gibbs_steps=1)
    np.testing.assert_array_equal(ops.convert_to_numpy(known), IMAGES)


@pytest.mark.parametrize(
    ("name", "sizes", "message"),
    [
        ("rbm", [4], r"`hidden` must have the shape \(batch, 3\). Received: \(4, 4\)"),
        ("class_rbm", [2], r"`hidden` must have the shape \(batch, 3\)"),
        ("dbm", [3, 3], r"`hidden\[1\]` must have the shape \(batch, 2\)"),
        ("dbm", [3], "`hidden` must be 2 arrays.*Received: 1"),
    ],
)
def test_an_energy_wants_all_hidden_units(name, sizes, message):
    with pytest.raises(ValueError, match=message):
        MODELS[name]().energy(IMAGES, *(np.zeros((4, size)) for size in sizes))


def test_other_states_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r"`states` must have the shape \(batch, 7\)"):
        MODELS["boltzmann_machine"]().energy(np.zeros((4, 4)))
    with pytest.raises(ValueError, match=r"`hidden`.*\(batch, 3\). Received: \(3,\)"):
        MODELS["rbm"]().prop_down(np.zeros(3))


@pytest.mark.parametrize("hidden_dims", [(), (3, 0)])
def test_a_stack_has_layers(hidden_dims):
    with pytest.raises(ValueError, match="`hidden_dims` must be one or more layers"):
        DBN(SHAPE, hidden_dims)


def test_arrays_that_fit_are_taken():
    model = MODELS["rbm"]()
    model.compile(keras.optimizers.SGD(0.1))
    model.fit(IMAGES, validation_data=(IMAGES,), verbose=0)
    for call in calls_of(model).values():
        call(IMAGES.astype("uint8"))
