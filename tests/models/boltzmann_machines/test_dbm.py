import itertools

import keras
import numpy as np
import pytest
from keras import ops

from gen_keras import metrics
from gen_keras.models import DBM, RBM
from tests.model_checks import check_model, dropped_by

DATA = (np.random.default_rng(0).uniform(0, 1, (64, 6)) < 0.3).astype("float32")
TOLERANCE = 5 * 0.5 / 90


def states_of(count):
    return np.array(list(itertools.product([0, 1], repeat=count)), "float32")


# All states of the layers of the tiny model: 16 x 8 x 4 of them together.
V, H1, H2 = map(states_of, (4, 3, 2))


def make_model(learning_rate=0.1, compile_options=None, **kwargs):
    model = DBM(
        **{"visible_shape": (6,), "hidden_dims": (5, 4), "num_chains": 20} | kwargs
    )
    model.compile(keras.optimizers.SGD(learning_rate), **compile_options or {})
    return model


def make_tiny_model(hidden_dims=(3, 2), scale=1.0, **kwargs):
    model = make_model(visible_shape=(4,), hidden_dims=hidden_dims, seed=0, **kwargs)
    generator = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0, scale, variable.shape))
    return model


def to_numpy(tensor):
    return ops.convert_to_numpy(tensor)


def weights_of(model):
    kernels, biases = model.kernels, model.biases
    return [to_numpy(k) for k in kernels], [to_numpy(b) for b in biases]


def joint(model):
    """Returns p(v, h1, h2) of all states, (16, 8, 4), and log Z."""
    (w1, w2), (b0, b1, b2) = weights_of(model)
    log_weights = (
        (V @ w1 @ H1.T + (V @ b0)[:, None] + H1 @ b1)[:, :, None]
        + (H1 @ w2 @ H2.T)[None]
        + H2 @ b2
    )
    weights = np.exp(log_weights)
    return weights / weights.sum(), np.log(weights.sum())


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def frequencies(samples):
    index = (to_numpy(samples) @ [8, 4, 2, 1]).astype(int)
    return np.bincount(index, minlength=16) / len(samples)


def test_model(tmp_path):
    def make(**kwargs):
        return make_model(
            **{"kernel_regularizer": keras.regularizers.L2(1e-3)} | kwargs
        )

    config = {"gibbs_steps": 2, "mean_field_steps": 4, "seed": 3}
    check_model(make, config, DATA, (6,), tmp_path)


def test_energy():
    model = make_tiny_model()
    table, log_z = joint(model)
    for j, k in ((2, 1), (5, 3)):
        hidden = np.tile(H1[j], (16, 1)), np.tile(H2[k], (16, 1))
        expected = -np.log(table[:, j, k]) - log_z
        actual = to_numpy(model.energy(V, *hidden))
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_log_partition_is_that_of_the_rbm_of_even_and_odd_layers():
    model = make_tiny_model()
    exact = joint(model)[1]
    assert model.log_partition() == pytest.approx(exact, rel=1e-5)
    kernel, even, odd = model.as_rbm()
    assert kernel.shape == (6, 3) and even.shape == (6,) and odd.shape == (3,)
    # Four layers, whose enumeration goes over all of their states at once.
    model = make_tiny_model(hidden_dims=(3, 2, 2))
    kernels, biases = weights_of(model)
    total = 0.0
    for states in itertools.product(V, H1, H2, H2):
        energy = sum(s @ b for s, b in zip(states, biases, strict=True))
        energy += sum(
            a @ w @ b for a, w, b in zip(states[:-1], kernels, states[1:], strict=True)
        )
        total += np.exp(energy)
    assert model.log_partition("exact") == pytest.approx(np.log(total), rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_a_chain_goes_on_from_its_hidden_layers(temperature):
    model = make_tiny_model(scale=2.0)
    (w1, w2), (b0, b1, b2) = weights_of(model)
    mask = np.array([1, 0, 0, 0])
    visible = np.tile(V[13], (8192, 1))
    found = []
    for second in H2[[0, 3]]:
        # h1 given v and h2; then v and h2 given h1.
        first = sigmoid((V[13] @ w1 + second @ w2.T + b1) / temperature)
        p1 = np.prod(np.where(H1 == 1, first, 1 - first), axis=1)
        down = sigmoid((H1 @ w1.T + b0) / temperature)
        means = np.append(V[13, 0], (p1 @ down)[1:])
        hidden = [np.zeros((8192, 3)), np.tile(second, (8192, 1))]
        options = {"seed": 0, "temperature": temperature, "mask": mask}
        options["hidden"] = hidden
        states, after = model.gibbs(visible, **options, return_hidden=True)
        np.testing.assert_allclose(to_numpy(states).mean(0), means, atol=TOLERANCE)
        up = p1 @ sigmoid((H1 @ w2 + b2) / temperature)
        np.testing.assert_allclose(to_numpy(after[1]).mean(0), up, atol=TOLERANCE)
        np.testing.assert_allclose(to_numpy(after[0]).mean(0), first, atol=TOLERANCE)
        expected = model.gibbs(visible, **options, probabilities=True)
        np.testing.assert_allclose(to_numpy(expected).mean(0), means, atol=TOLERANCE)
        found.append(means)
    assert abs(found[0] - found[1]).max() > 4 * TOLERANCE
    with pytest.raises(ValueError, match="`hidden` must be 2 arrays.*Received: 1"):
        model.gibbs(visible, hidden=hidden[:1])
    with pytest.raises(ValueError, match="as many states. Received: 8192, 8192, 1"):
        model.gibbs(visible, hidden=[hidden[0], hidden[1][:1]])
    with pytest.raises(ValueError, match="a chain goes on from states"):
        model.gibbs(visible, probabilities=True, return_hidden=True)


@pytest.mark.parametrize(
    ("hidden_dims", "scale"), [((5, 30), 0.7), ((12, 8), 0.7), ((9, 20, 8), 0.5)]
)
def test_annealing_agrees_with_enumeration(hidden_dims, scale):
    model = make_model(visible_shape=(25,), hidden_dims=hidden_dims, seed=0)
    generator = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0, scale, variable.shape))
    exact = model.log_partition("exact")
    images = generator.uniform(0, 1, (50, 25)).astype("float32")
    for base_biases in (None, model.base_biases(images)):
        options = {"schedule": metrics.linear_schedule(1000), "num_chains": 200}
        options["base_biases"] = base_biases
        estimate = metrics.annealed_importance_sampling(*model.as_rbm(), **options)
        assert abs(estimate.log_partition - exact) < 3 * estimate.standard_error
        assert estimate.standard_error < 0.2
        assert estimate.log_partition == model.log_partition("ais", **options)


def test_annealing_begins_at_the_rates_of_all_layers():
    model = make_tiny_model(hidden_dims=(3, 2, 4), scale=0.5)
    h1, h2, h3 = (to_numpy(means).mean(axis=0) for means in model.mean_field(V))
    rates = [1 / (1 + np.exp(-bias)) for bias in model.base_biases(V)]
    np.testing.assert_allclose(rates[0], [0.5] * 4 + [*(16 * h2 + 1) / 18], rtol=1e-4)
    np.testing.assert_allclose(rates[1], (16 * np.append(h1, h3) + 1) / 18, rtol=1e-4)


# At 1/4, the last draw of the odd layers at 1 would be off by 0.047.
@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_gibbs_chains_reach_the_model_distribution(temperature):
    model = make_tiny_model()
    samples = model.sample(8192, 0, gibbs_steps=30, temperature=temperature)
    table = joint(model)[0] ** (1 / temperature)
    expected = table.sum(axis=(1, 2)) / table.sum()
    assert abs(frequencies(samples) - expected).max() < TOLERANCE


def test_completion_follows_the_conditional_distribution():
    model = make_tiny_model()
    image, mask = V[9], np.array([1, 1, 0, 0])
    samples = model.complete(np.tile(image, (8192, 1)), mask, seed=0, gibbs_steps=30)
    fits = (V[:, :2] == image[:2]).all(axis=1)
    expected = np.where(fits, joint(model)[0].sum(axis=(1, 2)), 0)
    expected = expected / expected.sum()
    assert abs(frequencies(samples) - expected).max() < TOLERANCE
    # It goes on from there: nothing but the clamped units is the same.
    samples = model.gibbs(samples, 3, seed=1, mask=mask)
    assert abs(frequencies(samples) - expected).max() < TOLERANCE
    means = to_numpy(model.gibbs(samples, seed=2, mask=mask, probabilities=True))
    np.testing.assert_array_equal(means[:, :2], np.tile(image[:2], (8192, 1)))
    np.testing.assert_allclose(means.mean(axis=0), expected @ V, atol=TOLERANCE)


def test_a_step_from_an_image_begins_with_draws_of_q():
    model = make_tiny_model(scale=3.0)  # From coins it would be off by 0.054.
    (w1, w2), (b0, b1, _) = weights_of(model)
    _, second = (to_numpy(means)[13] for means in model.mean_field(V))
    # h2 from q, then h1 given v and h2, then v given h1.
    q2 = np.prod(np.where(H2 == 1, second, 1 - second), axis=1)
    first = sigmoid(V[13] @ w1 + H2 @ w2.T + b1)[:, None]
    p1 = q2 @ np.prod(np.where(H1 == 1, first, 1 - first), axis=-1)
    down = sigmoid(H1 @ w1.T + b0)[:, None]
    expected = p1 @ np.prod(np.where(V == 1, down, 1 - down), axis=-1)
    samples = model.gibbs(np.tile(V[13], (8192, 1)), 1, seed=0)
    assert abs(frequencies(samples) - expected).max() < TOLERANCE


def test_reconstructions_are_means_given_those_of_q():
    model = make_tiny_model()
    (w1, _), (b0, _, _) = weights_of(model)
    first = to_numpy(model.mean_field(V)[0])
    expected = sigmoid(first @ w1.T + b0)
    np.testing.assert_allclose(to_numpy(model.reconstruct(V)), expected, rtol=1e-4)


def test_mean_field_is_a_fixed_point_that_raises_the_bound():
    bounds = []
    for steps in (1, 3, 100):
        model = make_tiny_model(mean_field_steps=steps)
        bounds.append(to_numpy(model.log_prob_bound(V)))
    assert (np.diff(bounds, axis=0) > -1e-4).all()
    assert bounds[2].mean() > bounds[0].mean()
    (w1, w2), (_, b1, b2) = weights_of(model)
    first, second = map(to_numpy, model.mean_field(V))
    np.testing.assert_allclose(first, sigmoid(V @ w1 + second @ w2.T + b1), atol=1e-4)
    np.testing.assert_allclose(second, sigmoid(first @ w2 + b2), atol=1e-4)
    np.testing.assert_array_equal(to_numpy(model.encode(V)), second)


def test_mean_field_starts_as_the_rbms_of_pre_training_go_up():
    model = make_tiny_model(hidden_dims=(3, 2, 3))
    rbms = model.make_rbms()
    states = V
    for rbm, kernel, bias in zip(
        rbms, *weights_of(model)[:1], model.biases[1:], strict=True
    ):
        rbm.kernel.assign(kernel)
        rbm.hidden_bias.assign(bias)
        states = rbm.prop_up(states)
    model.mean_field_steps = 0
    np.testing.assert_allclose(to_numpy(model.encode(V)), to_numpy(states), rtol=1e-4)


def test_bound_is_the_expectation_under_q_and_below_log_p():
    model = make_tiny_model()
    table, _ = joint(model)
    first, second = map(to_numpy, model.mean_field(V))

    def bernoulli(states, means):
        means = means[:, None]
        return np.prod(np.where(states == 1, means, 1 - means), axis=-1)

    q = bernoulli(H1, first)[:, :, None] * bernoulli(H2, second)[:, None]
    expected = (q * (np.log(table) - np.log(q))).sum(axis=(1, 2))
    bound = to_numpy(model.log_prob_bound(V))
    np.testing.assert_allclose(bound, expected, rtol=1e-4, atol=1e-4)
    assert (bound < np.log(table.sum(axis=(1, 2)))).all()
    # With h1 summed out only that of h2 is lost.
    q = bernoulli(H2, second)
    tighter = (q * (np.log(table.sum(axis=1)) - np.log(q))).sum(axis=1)
    draws = [model.log_prob_bound(V, num_samples=2000, seed=i) for i in range(10)]
    np.testing.assert_allclose(
        np.mean([to_numpy(draw) for draw in draws], axis=0), tighter, atol=0.02
    )
    assert (tighter > bound + 1e-3).all()
    assert (tighter < np.log(table.sum(axis=(1, 2)))).all()


def test_step_is_the_difference_of_statistics():
    model = make_tiny_model(num_chains=8192, gibbs_steps=30, learning_rate=1.0)
    before = [v.copy() for group in weights_of(model) for v in group]
    data = V[[3, 5, 5, 9]]
    first, second = map(to_numpy, model.mean_field(data))
    table, _ = joint(model)
    p1, p2 = table.sum(axis=2), table.sum(axis=0)
    expected = [
        data.T @ first / 4 - V.T @ p1 @ H1,
        first.T @ second / 4 - H1.T @ p2 @ H2,
        data.mean(axis=0) - p1.sum(axis=1) @ V,
        first.mean(axis=0) - p1.sum(axis=0) @ H1,
        second.mean(axis=0) - p2.sum(axis=0) @ H2,
    ]
    model.fit(data, batch_size=4, verbose=0)
    after = [v for group in weights_of(model) for v in group]
    for new, old, step in zip(after, before, expected, strict=True):
        np.testing.assert_allclose(new - old, step, atol=TOLERANCE)


def test_persistent_chains_go_on_from_where_they_were():
    # Units without couplings but strong biases: one step moves all chains there, and
    # with learning rate 0 they stay.
    model = make_model(num_chains=50, gibbs_steps=1, learning_rate=0.0)
    for kernel in model.kernels:
        kernel.assign(np.zeros(kernel.shape))
    signs = [np.resize([1, -1], bias.shape) for bias in model.biases]
    for bias, sign in zip(model.biases, signs, strict=True):
        bias.assign(30 * sign)
    model.fit(DATA, batch_size=32, verbose=0)
    for chain, sign in zip(model.chains, signs, strict=True):
        np.testing.assert_array_equal(to_numpy(chain), np.tile(sign > 0, (50, 1)))


def test_samples_start_from_the_persistent_chains():
    # Couplings so strong that all units are 0 or all are 1, and stay so.
    model = make_model(num_chains=50)
    for kernel in model.kernels:
        kernel.assign(np.full(kernel.shape, 10.0))
    # Half of what a unit receives if all are 1, so that either is as likely.
    below, above = (0, *model.layer_dims[:-1]), (*model.layer_dims[1:], 0)
    for bias, i, j in zip(model.biases, below, above, strict=True):
        bias.assign(np.full(bias.shape, -5.0 * (i + j)))
    for value in (0.0, 1.0):
        for chain in model.chains:
            chain.assign(np.full(chain.shape, value))
        samples = to_numpy(model.sample(40, seed=0, gibbs_steps=2))
        np.testing.assert_array_equal(samples, value)


def test_metrics_are_those_of_data_and_chains():
    model = make_tiny_model()
    logs = model.evaluate(V, batch_size=16, verbose=0, return_dict=True)
    # The bound is minus this free energy, less log Z.
    free_energy = -to_numpy(model.log_prob_bound(V, log_partition=0.0)).mean()
    assert logs["free_energy"] == pytest.approx(free_energy, rel=1e-4)
    energies = [
        to_numpy(model.energy(*states)).mean()
        for states in ([V, *model.mean_field(V)], model.chains)
    ]
    assert logs["energy_gap"] == pytest.approx(energies[0] - energies[1], rel=1e-3)


def test_regularizer_adds_its_gradient_to_each_kernel():
    steps = []
    for regularizer in (None, keras.regularizers.L2(0.25)):
        model = make_tiny_model(kernel_regularizer=regularizer)
        before, _ = weights_of(model)
        model.fit(V, batch_size=16, shuffle=False, verbose=0)
        steps.append([w - b for w, b in zip(weights_of(model)[0], before, strict=True)])
    for free, held, kernel in zip(*steps, before, strict=True):
        np.testing.assert_allclose(free - held, 0.1 * 0.5 * kernel, atol=1e-5)


def test_an_rbm_with_copies_hears_of_them():
    rbm = RBM((4,), 3, copies=(2, 3), seed=0)
    rbm.set_weights(
        [
            np.random.default_rng(1).normal(0, 1, (4, 3)),
            np.arange(4) / 4,
            np.arange(3) / 3,
            *rbm.get_weights()[3:],
        ]
    )
    kernel, b, c = rbm.weight_arrays()
    np.testing.assert_allclose(
        to_numpy(rbm.prop_up(V)), sigmoid(2 * V @ kernel + c), rtol=1e-4
    )
    np.testing.assert_allclose(
        to_numpy(rbm.prop_down(H1)), sigmoid(3 * H1 @ kernel.T + b), rtol=1e-4
    )
    # Two copies of v and three of h, all of them connected.
    energy = -6 * V[5] @ kernel @ H1[3] - 2 * V[5] @ b - 3 * H1[3] @ c
    actual = to_numpy(rbm.energy(V[[5]], H1[[3]]))
    np.testing.assert_allclose(actual, energy, rtol=1e-5)
    free = -2 * V[5] @ b - 3 * np.log1p(np.exp(2 * V[5] @ kernel + c)).sum()
    np.testing.assert_allclose(to_numpy(rbm.free_energy(V[[5]])), free, rtol=1e-5)
    with pytest.raises(ValueError, match="without copies"):
        rbm.log_partition()


def test_pre_trained_rbms_agree_in_the_dbm():
    model = make_model(visible_shape=(4,), hidden_dims=(3, 2, 3), seed=0)
    rbms = model.make_rbms(num_chains=5)
    assert [rbm.copies for rbm in rbms] == [(2, 1), (2, 2), (1, 2)]
    generator = np.random.default_rng(1)
    for rbm in rbms:
        for variable in rbm.trainable_variables:
            variable.assign(generator.normal(0, 1, variable.shape))
    model.compose(rbms)
    # The input of a layer inside is the mean of what the two RBMs give it.
    visible, above = V[[5, 9]], H2[[1, 2]]
    from_below = to_numpy(rbms[0]._hidden_inputs(ops.convert_to_tensor(visible)))
    from_above = to_numpy(rbms[1]._visible_inputs(ops.convert_to_tensor(above)))
    states = [ops.convert_to_tensor(s) for s in (visible, H1[:2], above, H1[:2])]
    np.testing.assert_allclose(
        to_numpy(model._inputs(1, states)), (from_below + from_above) / 2, rtol=1e-4
    )
    np.testing.assert_allclose(
        to_numpy(model.biases[0]), to_numpy(rbms[0].visible_bias)
    )
    np.testing.assert_allclose(
        to_numpy(model.biases[-1]), to_numpy(rbms[2].hidden_bias)
    )
    with pytest.raises(ValueError, match="make_rbms"):
        model.compose(rbms[:2])


def test_learns_a_distribution():
    keras.utils.set_random_seed(0)
    data = np.tile(V[[0, 15]], (5000, 1))
    model = make_model(
        visible_shape=(4,), hidden_dims=(4, 3), num_chains=64, learning_rate=0.2, seed=0
    )
    rbms, inputs = model.make_rbms(), data
    for rbm in rbms:
        rbm.compile(keras.optimizers.SGD(0.2))
        rbm.fit(inputs[:5000], batch_size=64, verbose=0)
        inputs = to_numpy(rbm.prop_up(inputs))
    model.compose(rbms)
    model.fit(data, batch_size=64, verbose=0)
    # Chains hardly cross from one mode to the other, so their shares are left open.
    assert np.exp(to_numpy(model.log_prob_bound(V[[0, 15]]))).sum() > 0.7


@pytest.mark.parametrize("hidden_dims", [(3, 2), (3, 2, 4)])
def test_classifier_begins_as_mean_field(hidden_dims):
    model = make_tiny_model(hidden_dims=hidden_dims, scale=0.5, mean_field_steps=100)
    means = list(map(to_numpy, model.mean_field(V)))
    classifier = model.to_classifier(7)
    assert classifier([V, *means[1:]]).shape == (16, 7)
    features = keras.Model(classifier.inputs, classifier.get_layer("logits").input)
    actual = to_numpy(features([V, *means[1:]]))
    np.testing.assert_allclose(actual, means[-1], atol=1e-4)


def test_dropout_is_before_and_behind_each_layer():
    model = make_model(hidden_dims=(40, 40, 40), seed=0)
    dropped = dropped_by(model.to_classifier(7, dropout=0.5, input_dropout=0.25))
    rates = [rate for rate, _ in dropped]
    assert sorted(rates) == [0.25] + [0.5] * 5  # Two of the means from above.
    units = [mask for _, mask in dropped if mask.size == 64 * 40]
    assert abs(np.corrcoef([mask.ravel() for mask in units]) - np.eye(5)).max() < 0.1
    assert dropped_by(model.to_classifier(7)) == []


def test_images_keep_their_shape():
    model = make_model(visible_shape=(2, 3, 1))
    images = DATA.reshape(64, 2, 3, 1)
    for result in (
        model.sample(64, gibbs_steps=1),
        model.gibbs(images),
        model.reconstruct(images),
        model.complete(images, np.ones((2, 3, 1)), gibbs_steps=2),
    ):
        assert tuple(result.shape) == (64, 2, 3, 1)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="two or more layers"):
        make_model(hidden_dims=(5,))
    with pytest.raises(ValueError, match="num_chains.*at least 1"):
        make_model(num_chains=0)
    with pytest.raises(ValueError, match="from 0 to 1"):
        make_model().fit(3 * DATA, verbose=0)
    with pytest.raises(ValueError, match="mask"):
        make_model().complete(DATA, np.ones(5))
    with pytest.raises(ValueError, match="gibbs_steps"):
        make_model().sample(1, gibbs_steps=0)
    with pytest.raises(ValueError, match="method"):
        make_model().log_partition("guess")
