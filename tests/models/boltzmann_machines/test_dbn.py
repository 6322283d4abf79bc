import itertools

import keras
import numpy as np
import pytest
from keras import ops

from gen_keras import metrics
from gen_keras.models import DBN, RBM
from gen_keras.models.boltzmann_machines import units
from gen_keras.models.boltzmann_machines.dbn import stack_rbms
from tests.model_checks import check_model, dropped_by

RNG = np.random.default_rng(0)
DATA = (RNG.uniform(0, 1, (64, 6)) < 0.3).astype("float32")
TOLERANCE = 5 * 0.5 / 90


def states_of(count):
    return np.array(list(itertools.product([0, 1], repeat=count)), "float32")


# All states of the layers of the tiny model.
V, H1, H2, H3 = map(states_of, (4, 3, 2, 3))


def make_model(learning_rate=0.1, compile_options=None, **kwargs):
    model = DBN(**{"visible_shape": (6,), "hidden_dims": (5, 4)} | kwargs)
    model.compile(keras.optimizers.SGD(learning_rate), **compile_options or {})
    return model


def make_tiny_model(untied=True, **kwargs):
    keras.utils.set_random_seed(0)
    model = make_model(
        visible_shape=(4,), hidden_dims=(3, 2, 3), untied=untied, seed=0, **kwargs
    )
    generator = np.random.default_rng(1)
    for variable in model.weights:
        if "kernel" in variable.name or "bias" in variable.name:
            variable.assign(generator.normal(0, 1, variable.shape))
    return model


def to_numpy(tensor):
    return ops.convert_to_numpy(tensor)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def bernoulli(states, means):
    """Returns p(states | means), (given, states), for means (given, units)."""
    means = means[:, None]
    return np.prod(np.where(states == 1, means, 1 - means), axis=-1)


def down(model, level, above):
    """Returns p(below | above) of all states, (above, below)."""
    kernel, b, _ = model.rbms[level].weight_arrays()
    return bernoulli((V, H1, H2)[level], sigmoid(above @ kernel.T + b))


def up(model, level, below):
    """Returns q(above | below) of all states, (below, above)."""
    kernel, _, c = model.rbms[level].weight_arrays()
    if model.untied:
        kernel, c = model.recognition[level].get_weights()
    return bernoulli((H1, H2)[level], sigmoid(below @ kernel + c))


def top_probabilities(model):
    """Returns p(h2), by an enumeration of the top RBM."""
    kernel, b, c = model.top.weight_arrays()
    weights = np.exp(H2 @ kernel @ H3.T + (H2 @ b)[:, None] + H3 @ c).sum(axis=1)
    return weights / weights.sum()


def probabilities(model):
    """Returns p(v) of all images, (16,)."""
    return top_probabilities(model) @ down(model, 1, H2) @ down(model, 0, H1)


def frequencies(samples):
    index = (to_numpy(samples) @ [8, 4, 2, 1]).astype(int)
    return np.bincount(index, minlength=16) / len(samples)


def test_model(tmp_path):
    def make(**kwargs):
        return make_model(**{"untied": True} | kwargs)

    check_model(make, {"gibbs_steps": 2, "seed": 3}, DATA, (6,), tmp_path)


def test_samples_are_drawn_down_from_the_top():
    model = make_tiny_model()
    samples = model.sample(8192, seed=0, gibbs_steps=30)
    assert abs(frequencies(samples) - probabilities(model)).max() < TOLERANCE
    means = to_numpy(model.sample(8192, seed=0, gibbs_steps=30, probabilities=True))
    assert 0 < means.min() and means.max() < 1
    expected = probabilities(model) @ V
    np.testing.assert_allclose(means.mean(axis=0), expected, atol=TOLERANCE)


# Images of the tiny model hardly depend on the top.
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_samples_are_those_of_the_top_where_the_layer_below_copies(temperature):
    model = DBN((4,), (4, 3), seed=0)
    bottom, top = model.rbms
    bottom.kernel.assign(40 * np.eye(4))
    bottom.visible_bias.assign(np.full(4, -20.0))
    generator = np.random.default_rng(1)
    for variable in top.trainable_variables:
        variable.assign(generator.normal(0, 1, variable.shape))
    kernel, b, c = top.weight_arrays()
    energies = -(V @ kernel @ H1.T + (V @ b)[:, None] + H1 @ c)
    expected = np.exp(-energies / temperature).sum(axis=1)
    samples = model.sample(8192, 0, gibbs_steps=30, temperature=temperature)
    difference = frequencies(samples) - expected / expected.sum()
    assert abs(difference).max() < TOLERANCE


@pytest.mark.parametrize("untied", [False, True])
def test_draws_upwards_follow_the_way_up(untied):
    model = make_tiny_model(untied)
    visible = np.tile(V[6], (8192, 1))
    drawn = model.draw_up(visible, 2, seed=0)
    expected = (up(model, 0, V[[6]]) @ up(model, 1, H1)) @ H2
    np.testing.assert_allclose(drawn.mean(axis=0), expected[0], atol=TOLERANCE)
    assert set(np.unique(drawn)) == {0, 1}
    np.testing.assert_array_equal(model.draw_up(V, 0), V)
    means = to_numpy(model.prop_up(V, 1))
    np.testing.assert_allclose(means, up(model, 0, V) @ H1, rtol=1e-4)
    assert model.prop_up(V).shape == (16, 3)


def test_bound_is_the_expectation_under_q_and_below_log_p():
    model = make_tiny_model()
    q1, q2 = up(model, 0, V), up(model, 1, H1)  # (16, 8), (8, 4)
    log_joint = (
        np.log(down(model, 0, H1)).T[:, :, None]  # v, h1
        + np.log(down(model, 1, H2)).T[None]  # h1, h2
        + np.log(top_probabilities(model))
    )
    q = q1[:, :, None] * q2[None]
    expected = (q * (log_joint - np.log(q))).sum(axis=(1, 2))
    bound = to_numpy(model.log_prob_bound(V, num_samples=20_000, seed=0))
    np.testing.assert_allclose(bound, expected, atol=0.05)
    assert (expected < np.log(probabilities(model))).all()
    # With log Z by annealing: a DBN's is that of its top RBM.
    estimate = model.log_partition("ais", num_chains=200)
    assert estimate == pytest.approx(model.log_partition("exact"), abs=0.05)


@pytest.mark.parametrize(
    ("hidden_dims", "scale"), [((20, 10), 0.7), ((8, 30), 0.7), ((5, 40, 12), 0.5)]
)
def test_annealing_agrees_with_enumeration(hidden_dims, scale):
    model = make_model(hidden_dims=hidden_dims, seed=0)
    generator = np.random.default_rng(1)
    for rbm in model.rbms:
        for variable in rbm.trainable_variables:
            variable.assign(generator.normal(0, scale, variable.shape))
    exact = model.log_partition("exact")
    options = {"schedule": metrics.linear_schedule(1000), "num_chains": 200}
    options["base_biases"] = model.base_biases(DATA)
    estimate = metrics.annealed_importance_sampling(
        *model.top.weight_arrays(), **options
    )
    assert abs(estimate.log_partition - exact) < 3 * estimate.standard_error
    assert estimate.standard_error < 0.2
    assert model.log_partition("ais", **options) == estimate.log_partition


def test_annealing_begins_at_the_rates_of_the_two_top_layers():
    model = make_tiny_model()
    many = np.repeat(V, 500, axis=0)
    rates = [1 / (1 + np.exp(-bias)) for bias in model.base_biases(many)]
    below = to_numpy(model.draw_up(many, 2, seed=1))
    top = to_numpy(model.top.prop_up(below))
    np.testing.assert_allclose(rates[0], below.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(rates[1], top.mean(axis=0), atol=0.03)


def test_bound_is_tight_where_q_is_the_posterior():
    # A second RBM that mirrors the first makes a DBN that is the first RBM.
    model = DBN((4,), (3, 4), seed=0)
    generator = np.random.default_rng(1)
    first, second = model.rbms
    weights = [generator.normal(0, 1, v.shape) for v in first.weights[:3]]
    first.set_weights([*weights, *first.get_weights()[3:]])
    kernel, b, c = weights
    second.set_weights([kernel.T, c, b, *second.get_weights()[3:]])
    bound = to_numpy(model.log_prob_bound(V, num_samples=1, seed=0))
    np.testing.assert_allclose(bound, to_numpy(first.log_prob(V)), atol=1e-4)


def test_up_down_step_has_the_delta_rules_of_the_paper():
    model = make_tiny_model()
    awake = [V[[5]], H1[[3]], H2[[2]]]
    dream = [V[[9]], H1[[6]], H2[[1]]]

    class Probe(DBN):
        def train_step(self, data):
            pairs = [[ops.convert_to_tensor(s) for s in p] for p in (awake, dream)]
            logs = self.minimize(
                lambda: self.compute_loss(*pairs),
                self.optimizer,
                self.trainable_variables,
            )
            return self.update_metrics(logs)

    probe = Probe(
        **{k: getattr(model, k) for k in ("visible_shape", "hidden_dims")}, untied=True
    )
    probe.set_weights(model.get_weights())
    probe.compile(keras.optimizers.SGD(1.0))
    probe.fit(DATA[:1, :4], verbose=0)

    for level in range(2):
        kernel, b, _ = model.rbms[level].weight_arrays()
        error = awake[level] - sigmoid(awake[level + 1] @ kernel.T + b)
        new_kernel, new_b, _ = probe.rbms[level].weight_arrays()
        np.testing.assert_allclose(
            new_kernel - kernel, error.T @ awake[level + 1], atol=1e-5
        )
        np.testing.assert_allclose(new_b - b, error[0], atol=1e-5)
        kernel, c = model.recognition[level].get_weights()
        error = dream[level + 1] - sigmoid(dream[level] @ kernel + c)
        new_kernel, new_c = probe.recognition[level].get_weights()
        np.testing.assert_allclose(
            new_kernel - kernel, dream[level].T @ error, atol=1e-5
        )
        np.testing.assert_allclose(new_c - c, error[0], atol=1e-5)
    kernel, b, c = model.top.weight_arrays()
    new_kernel, new_b, _ = probe.top.weight_arrays()
    parts = [(s[-1], sigmoid(s[-1] @ kernel + c)) for s in (awake, dream)]
    step = parts[0][0].T @ parts[0][1] - parts[1][0].T @ parts[1][1]
    np.testing.assert_allclose(new_kernel - kernel, step, atol=1e-5)
    np.testing.assert_allclose(new_b - b, (awake[-1] - dream[-1])[0], atol=1e-5)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_top_takes_so_many_gibbs_steps_as_were_asked_for(steps):
    # Below, units are copied. In the top RBM a hidden unit listens to the one of its
    # number and to the one before, so that what is 1 spreads by one unit a step.
    eye, bias = np.eye(6, dtype="float32"), np.full(6, -20.0)
    rbms = [RBM((6,), 6), RBM((6,), 6, num_chains=4)]
    rbms[0].set_weights([40 * eye, bias, bias, *rbms[0].get_weights()[3:]])
    start = np.tile(eye[0], (4, 1))
    weights = [40 * (eye + np.eye(6, k=1)), bias, bias, start]
    rbms[1].set_weights([*weights, *rbms[1].get_weights()[4:]])
    model = make_model(hidden_dims=(6, 6), rbms=rbms, gibbs_steps=steps, seed=0)
    expected = np.tile(np.arange(6) <= steps, (4, 1))
    samples = to_numpy(model.sample(4, seed=0, gibbs_steps=steps))
    np.testing.assert_array_equal(samples, expected)
    completed = to_numpy(model.complete(start, eye[0], seed=0, gibbs_steps=steps))
    np.testing.assert_array_equal(completed, expected)
    awake, dream = model.draw_phases(start, training=True)
    for states in awake:
        np.testing.assert_array_equal(to_numpy(states), start)
    for states in dream:
        np.testing.assert_array_equal(to_numpy(states), expected)


def test_untied_copy_starts_as_the_original():
    model = make_tiny_model(untied=False)
    copy = model.untie()
    assert copy.untied and not model.untied
    np.testing.assert_allclose(
        to_numpy(model.prop_up(V)), to_numpy(copy.prop_up(V)), rtol=1e-5
    )
    np.testing.assert_array_equal(
        to_numpy(model.log_prob_bound(V, seed=0)),
        to_numpy(copy.log_prob_bound(V, seed=0)),
    )
    with pytest.raises(ValueError, match="model.untie"):
        model.fit(V)
    # A copy of what was untied before has the way up that was learned.
    weights = [weight + 1 for weight in copy.recognition[0].get_weights()]
    copy.recognition[0].set_weights(weights)
    for old, new in zip(
        weights, copy.untie().recognition[0].get_weights(), strict=True
    ):
        np.testing.assert_array_equal(old, new)


def test_each_layer_is_regularized_by_the_up_down_algorithm():
    def loss(regularizer):
        keras.utils.set_random_seed(0)
        rbms = stack_rbms((4,), (3, 2, 3), 0, kernel_regularizer=regularizer)
        model = DBN((4,), (3, 2, 3), rbms=rbms, untied=True, seed=0)
        for rbm in model.rbms:
            rbm.kernel.assign(np.ones(rbm.kernel.shape))
        states = [ops.ones((1, 4)), ops.ones((1, 3)), ops.ones((1, 2))]
        return float(model.compute_loss(states, states)[0])

    added = loss(keras.regularizers.L1(0.01)) - loss(None)
    assert added == pytest.approx(0.01 * (4 * 3 + 3 * 2 + 2 * 3), rel=1e-3)


def test_greedy_layers_and_fine_tuning_raise_the_likelihood():
    data = np.tile(V[[0, 3, 12, 15]], (10_000, 1))
    keras.utils.set_random_seed(0)
    model = DBN((4,), (6, 6), seed=0)
    likelihoods = [np.log(1 / 16)]
    for level, rbm in enumerate(model.rbms):
        rbm.compile(keras.optimizers.SGD(0.2))
        inputs = model.draw_up(data, level, seed=0)
        rbm.fit(inputs, batch_size=64, verbose=0)
    bound = to_numpy(model.log_prob_bound(data[:4], num_samples=200, seed=0)).mean()
    assert bound > likelihoods[0] + 0.3
    tuned = model.untie()
    tuned.compile(keras.optimizers.SGD(0.05))
    tuned.fit(data[:20_000], batch_size=64, verbose=0)
    after = to_numpy(tuned.log_prob_bound(data[:4], num_samples=200, seed=0)).mean()
    assert after > bound


def test_completion_keeps_what_is_known():
    model = make_tiny_model()
    mask = np.array([1, 0, 0, 1], "float32")
    completed = to_numpy(model.complete(V, mask, seed=0, gibbs_steps=5))
    np.testing.assert_array_equal(completed[:, [0, 3]], V[:, [0, 3]])
    assert set(np.unique(completed)) == {0, 1}
    means = to_numpy(model.complete(V, mask, seed=0, gibbs_steps=5, probabilities=True))
    assert 0 < means[:, 1:3].min() and means[:, 1:3].max() < 1
    one = DBN((4,), (3,), seed=0)
    one.top.set_weights(model.rbms[0].get_weights())
    # Of one layer, it is the completion of an RBM: exact.
    samples = one.complete(np.tile(V[9], (8192, 1)), mask, seed=0, gibbs_steps=30)
    log_prob = to_numpy(one.top.log_prob(V))
    fits = (V[:, [0, 3]] == V[9, [0, 3]]).all(axis=1)
    expected = np.where(fits, np.exp(log_prob), 0)
    difference = frequencies(samples) - expected / expected.sum()
    assert abs(difference).max() < TOLERANCE


def test_what_is_known_is_put_back_at_each_step():
    # The second pixel becomes what the first is, which the way down always forgets.
    model = DBN((2,), (2, 1), seed=0)
    bottom, top = model.rbms
    bottom.kernel.assign(40 * np.eye(2))
    bottom.visible_bias.assign([-60, -20])
    bottom.hidden_bias.assign([-20, -20])
    top.kernel.assign([[100], [40]])
    top.visible_bias.assign([-50, -20])
    top.hidden_bias.assign([-70])
    images = np.tile(np.array([1, 0], "float32"), (5, 1))
    completed = model.complete(images, [1, 0], seed=0, gibbs_steps=3)
    np.testing.assert_array_equal(to_numpy(completed), np.ones((5, 2)))


# Visible units, examples of them, and their means by what an autoencoder gives.
COUNTS = np.array([[1, 0, 2, 0], [9, 3, 0, 5], [0, 0, 0, 0], [0, 1, 0, 0]], "float32")
BOTTOMS = {
    "bernoulli": ("bernoulli", V, ops.sigmoid),
    "gaussian": (
        "gaussian",
        RNG.normal(0, 2, (9, 4)).astype("float32"),
        lambda outputs: outputs,
    ),
    "softmax": (
        "softmax",
        np.eye(3, dtype="float32")[[[0, 2], [1, 1], [2, 0]]],
        ops.softmax,
    ),
    "replicated_softmax": (
        "replicated_softmax",
        COUNTS,
        lambda outputs: ops.softmax(outputs) * ops.sum(COUNTS, axis=1, keepdims=True),
    ),
}


def make_model_of(visible_units, shape, untied):
    """Returns a model of two layers, real units at the top, of random weights."""
    bottom = {"visible_units": visible_units}
    top = {"hidden_units": units.Gaussian(stddev=0.5)}
    rbms = stack_rbms(shape, (3, 2), bottom=bottom, top=top)
    model = DBN(shape, (3, 2), rbms=rbms, untied=untied)
    generator = np.random.default_rng(1)
    for variable in model.weights:
        if any(part in variable.name for part in ("kernel", "bias", "log_variance")):
            variable.assign(generator.normal(0, 0.7, variable.shape))
    return model


@pytest.mark.parametrize("untied", [False, True])
@pytest.mark.parametrize("kind", BOTTOMS)
def test_networks_for_back_propagation_start_as_the_layers(kind, untied):
    visible_units, visible, means_of = BOTTOMS[kind]
    model = make_model_of(visible_units, visible.shape[1:], untied)
    code = to_numpy(model.prop_up(visible))
    classifier = model.to_classifier(7)
    assert classifier(visible).shape == (len(visible), 7)
    features = keras.Model(classifier.input, classifier.get_layer("logits").input)
    np.testing.assert_allclose(to_numpy(features(visible)), code, rtol=1e-4, atol=1e-5)
    autoencoder = model.to_autoencoder()
    encoder = autoencoder.get_layer("encoder")
    np.testing.assert_allclose(to_numpy(encoder(visible)), code, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        to_numpy(means_of(autoencoder(visible))),
        to_numpy(model.reconstruct(visible)),
        rtol=1e-4,
        atol=1e-5,
    )


def test_networks_of_layers_that_had_copies_start_as_these():
    rbms = [RBM((4,), 3, copies=(2, 1)), RBM((3,), 2, copies=(1, 2))]
    model = DBN((4,), (3, 2), rbms=rbms)
    for rbm in rbms:
        rbm.kernel.assign(RNG.normal(0, 1, rbm.kernel.shape))
    autoencoder = model.to_autoencoder()
    np.testing.assert_allclose(
        to_numpy(ops.sigmoid(autoencoder(V))), to_numpy(model.reconstruct(V)), rtol=1e-4
    )
    code = to_numpy(model.prop_up(V))
    np.testing.assert_allclose(
        to_numpy(autoencoder.get_layer("encoder")(V)), code, rtol=1e-4
    )
    np.testing.assert_allclose(to_numpy(model.untie().prop_up(V)), code, rtol=1e-4)


def test_dropout_follows_each_layer():
    model = make_model(hidden_dims=(40, 40, 40), seed=0)
    dropped = dropped_by(model.to_classifier(7, dropout=0.5, input_dropout=0.25))
    assert [rate for rate, _ in dropped] == [0.25, 0.5, 0.5, 0.5]
    units = [mask.ravel() for _, mask in dropped[1:]]
    assert abs(np.corrcoef(units) - np.eye(3)).max() < 0.1
    assert dropped_by(model.to_classifier(7)) == []


def test_noise_is_on_the_code_while_training_alone():
    model = make_tiny_model()
    encoder = model.to_autoencoder(code_noise=4.0).get_layer("encoder")
    quiet = to_numpy(encoder(V, training=False))
    np.testing.assert_allclose(quiet, to_numpy(model.prop_up(V)), rtol=1e-4)
    assert abs(to_numpy(encoder(V, training=True)) - quiet).max() > 0.2


def test_noise_has_its_deviation_at_the_inputs_of_the_code():
    model = make_tiny_model()
    encoder = model.to_autoencoder(code_noise=1.5).get_layer("encoder")
    visible = np.tile(V[6], (8192, 1))
    below = keras.Model(encoder.input, encoder.get_layer("up_3").output)
    inputs = to_numpy(below(visible, training=True))
    np.testing.assert_array_equal(inputs, np.tile(inputs[0], (8192, 1)))
    code = to_numpy(encoder(visible, training=True)).astype("float64")
    noise = np.log(code / (1 - code)) - inputs
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=5 * 1.5 / 90)
    np.testing.assert_allclose(noise.std(axis=0), 1.5, rtol=0.05)


def test_other_units_at_the_bottom_and_at_the_top():
    bottom = RBM((6,), 5, visible_units=units.ReplicatedSoftmax(num_words=9), seed=0)
    top = RBM((5,), 2, hidden_units="gaussian", seed=0)
    model = make_model(rbms=[bottom, top], hidden_dims=(5, 2), untied=True)
    counts = RNG.multinomial(4, np.full(6, 1 / 6), 16).astype("float32")
    model.fit(counts, verbose=0)
    samples = to_numpy(model.sample(3, gibbs_steps=2, seed=0))
    np.testing.assert_array_equal(samples.sum(axis=1), 9)
    code = model.to_autoencoder().get_layer("encoder")
    assert code.layers[-1].activation is keras.activations.linear


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="rbms.*visible shapes and hidden units"):
        DBN((4,), (3, 2), rbms=[RBM((4,), 3), RBM((4,), 2)])
    real = RBM((4,), 3, hidden_units="gaussian")
    with pytest.raises(ValueError, match="below the top"):
        DBN((4,), (3, 2), rbms=[real, RBM((3,), 2)])
    with pytest.raises(ValueError, match="above the bottom"):
        DBN((4,), (3, 2), rbms=stack_rbms((4,), (3, 2), visible_units="gaussian"))
    with pytest.raises(ValueError, match="level.*from 0 to 2. Received: 3"):
        make_model().prop_up(DATA, 3)
    with pytest.raises(ValueError, match="gibbs_steps"):
        make_model(gibbs_steps=0)
    with pytest.raises(ValueError, match="mask"):
        make_model().complete(DATA, np.ones(5))


def test_a_file_of_other_settings_is_named(tmp_path):
    def make(num_chains, hidden_dims=(5, 4)):
        rbms = stack_rbms((6,), hidden_dims, top={"num_chains": num_chains})
        return DBN((6,), hidden_dims, rbms=rbms)

    path = str(tmp_path / "dbn.weights.h5")
    make(7).save_weights(path)
    make(7).load_weights(path)
    for other, message in (
        (make(10), r"`chains` has the shape \(7, 5\), that of this model is \(10, 5\)"),
        (make(0), "it has 5 variables, this model 4"),
        (make(7, (5, 3)), r"`kernel` has the shape \(5, 4\)"),
    ):
        with pytest.raises(ValueError, match=f"other settings: .*{message}"):
            other.load_weights(path)


def test_stacked_rbms_have_settings_and_seeds_of_their_own():
    rbms = stack_rbms(
        *((2, 3), (5, 4, 2), 7),
        bottom={"visible_units": "softmax"},
        top={"hidden_units": "gaussian"},
        gibbs_steps=2,
    )
    shapes = [(rbm.visible_shape, rbm.num_hidden) for rbm in rbms]
    assert shapes == [((2, 3), 5), ((5,), 4), ((4,), 2)]
    assert [rbm.seed for rbm in rbms] == [7, 8, 9]
    assert [rbm.gibbs_steps for rbm in rbms] == [2, 2, 2]
    assert rbms[0].visible_units == "softmax" and rbms[1].visible_units == "bernoulli"
    assert rbms[-1].hidden_units == "gaussian" and rbms[1].hidden_units == "bernoulli"
    both = {"bottom": {"visible_units": "gaussian"}, "top": {"num_chains": 3}}
    (only,) = stack_rbms((3,), (2,), **both)
    assert only.visible_units == "gaussian" and only.num_chains == 3


def test_a_top_that_begins_upside_down_leaves_the_likelihood_of_the_machine_below():
    bottom, top = RBM((4,), 3, seed=0), RBM((3,), 4, seed=1)
    generator = np.random.default_rng(1)
    for variable in (bottom.kernel, bottom.visible_bias, bottom.hidden_bias):
        variable.assign(generator.normal(0, 1, variable.shape))
    top.initialize_upside_down(bottom)
    model = DBN((4,), (3, 4), rbms=[bottom, top], seed=0)
    wanted = to_numpy(bottom.log_prob(V))
    np.testing.assert_allclose(to_numpy(model.log_prob_bound(V)), wanted, atol=1e-4)


def test_a_top_of_more_units_begins_near_the_machine_below():
    bottom, top = RBM((4,), 3, seed=0), RBM((3,), 1000, seed=1)
    bottom.kernel.assign(RNG.normal(0, 1, (4, 3)))
    extra = top.weight_arrays()[0][:, 4:]
    top.initialize_upside_down(bottom)
    np.testing.assert_array_equal(top.weight_arrays()[0][:, 4:], extra)
    model = DBN((4,), (3, 1000), rbms=[bottom, top], seed=0)
    wanted = to_numpy(bottom.log_prob(V))
    np.testing.assert_allclose(to_numpy(model.log_prob_bound(V)), wanted, atol=0.1)


@pytest.mark.parametrize(
    ("top", "message"),
    [
        (lambda: RBM((3,), 3), "at least 4 hidden ones. Received: 3 and 3"),
        (lambda: RBM((2,), 4), "must have 3 visible.*Received: 2 and 4"),
        (lambda: RBM((3,), 4, hidden_units="gaussian"), "binary units. Received"),
    ],
)
def test_a_machine_that_does_not_fit_upside_down_is_refused(top, message):
    with pytest.raises(ValueError, match=message):
        top().initialize_upside_down(RBM((4,), 3))
