import contextlib
import functools
import gc
import subprocess
import sys
import weakref

import keras
import numpy as np
import pytest
from keras import layers, ops

from gen_keras import backend
from gen_keras.models import DBN, GAN, RBM
from gen_keras.models.base import GenerativeModel
from tests.model_checks import assert_same_state, assert_same_variables
from tests.models.gans.gan_checks import affine
from tests.toy_models import ToyGAN

POINTS = np.random.default_rng(0).normal(0, 1, (32, 2)).astype("float32")
SGD, Adam = keras.optimizers.SGD, keras.optimizers.Adam


class Probe(GenerativeModel):
    """Reports `fn(model)`, a dict of scalars, from inside of a compiled step."""

    def __init__(self, fn):
        super().__init__(seed=0)
        self.fn = fn
        self.dense = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
        self.counter = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.unused = self.add_weight(shape=(), initializer="ones", name="unused")
        self.built = True

    def train_step(self, data):
        return self.fn(self)

    def run(self, **options):
        self.compile(SGD(0.0), **options)
        history = self.fit(np.zeros((1, 1), "float32"), verbose=0).history
        return {name: values[0] for name, values in history.items()}


def squares_of(x):
    return backend.input_gradients(lambda x: x**3 / 3, x)


def test_input_gradients_outside_of_a_step():
    gradients = squares_of(np.array([1.0, 3.0], "float32"))
    np.testing.assert_allclose(ops.convert_to_numpy(gradients), [1, 9])


@pytest.mark.parametrize("used", [False, True])
def test_input_gradients_of_what_ignores_the_input_are_zero(used):
    weight = keras.Variable(2.0)

    def fn(x):
        return ops.sum(weight * ops.ones((2,))) if used else ops.ones((2,))

    gradients = backend.input_gradients(fn, np.ones((3,), "float32"))
    np.testing.assert_array_equal(ops.convert_to_numpy(gradients), np.zeros(3))


def test_input_gradients_can_be_differentiated_through_the_input():
    # x = 2 w and w = 1: the mean of x^2 has the derivative 8 w with respect to w.
    def fn(model):
        def loss_fn():
            x = 2 * model.unused * ops.ones((3,))
            return ops.mean(squares_of(x)), {}

        _, _, gradients = backend.value_and_gradients(loss_fn, [model.unused])
        return {"gradient": gradients[0]}

    assert Probe(fn).run()["gradient"] == pytest.approx(8)


def test_variables_that_the_loss_ignores_have_gradient_zero():
    def fn(model):
        variables = [model.unused, model.dense.layers[0].bias]
        _, _, gradients = backend.value_and_gradients(
            lambda: (ops.mean(model.dense(ops.ones((1, 1)))), {}), variables
        )
        return {"unused": gradients[0], "bias": gradients[1][0]}

    assert Probe(fn).run() == {"unused": 0, "bias": 1}


@pytest.mark.parametrize("eager", [False, True])
def test_loop_may_assign_variables_and_draw_at_random(eager):
    def fn(model):
        def body(i, x):
            model.counter.assign_add(1)
            return x + keras.random.uniform((), seed=model.seed_generator)

        total = backend.fori_loop(0, 5, body, ops.zeros(()))
        return {"total": total, "count": model.counter.value}

    model = Probe(fn)
    logs = fn(model) if eager else model.run()
    seeds = backend.SeedGenerator(0)
    expected = sum(float(keras.random.uniform((), seed=seeds)) for _ in range(5))
    assert float(logs["total"]) == pytest.approx(expected, rel=1e-5)
    assert float(logs["count"]) == 5
    assert_same_variables([seeds.state], [model.seed_generator.state])


# Steps under a condition -------------------------------------------------------------


def every_third(model):
    """Counts, draws and takes a step of an optimizer where a count is due."""
    model.counter.assign_add(1)

    def step():
        model.unused.assign_add(keras.random.uniform((), seed=model.seed_generator))
        model.minimize(
            lambda: (ops.sum(model.dense.layers[0].bias * 2.0), {}),
            model.optimizer,
            model.trainable_variables,
        )

    backend.when(ops.equal(model.counter % 3, 0), step)
    return model.update_metrics({"loss": model.unused.value})


@pytest.mark.parametrize("options", [{}, {"jit_compile": True}, {"run_eagerly": True}])
def test_steps_under_a_condition(options):
    if backend.NAME == "torch" and "jit_compile" in options:
        options = {}  # Inductor needs a minute.
    model = Probe(every_third)
    model.compile(SGD(0.5), **options)
    model.fit(np.zeros((8, 1), "float32"), batch_size=1, verbose=0)
    # Of eight batches the third and the sixth.
    assert float(model.counter.value) == 8 and int(model.optimizer.iterations) == 2
    bias = ops.convert_to_numpy(model.dense.layers[0].bias)
    np.testing.assert_allclose(bias, [-2 * 0.5 * 2])
    seeds = backend.SeedGenerator(0)
    drawn = [float(keras.random.uniform((), seed=seeds)) for _ in range(2)]
    if options.get("jit_compile") and backend.NAME == "tensorflow":
        drawn = [float(model.unused.value) - 1]  # XLA draws other numbers.
        assert 0 < drawn[0] < 2
    assert float(model.unused.value) == pytest.approx(1 + sum(drawn), rel=1e-5)
    assert_same_variables([seeds.state], [model.seed_generator.state])


def test_python_booleans_are_no_branches():
    calls = []
    backend.when(False, lambda: calls.append("no"))
    backend.when(True, lambda: calls.append("yes"))
    assert calls == ["yes"]


def take_linear_step(model):
    """Moves the factors of a product, each by a gradient that reads the other alone."""

    kernel, bias = model.dense.trainable_variables

    def loss_fn():
        loss = ops.sum(kernel * bias)
        return loss, {"loss": loss}

    return model.minimize(loss_fn, model.optimizer, model.trainable_variables)


def test_gradients_are_of_the_variables_before_any_update():
    model = Probe(take_linear_step)
    model.dense.set_weights([np.full((1, 1), 3.0), np.ones(1)])
    model.compile(SGD(1.0))
    model.fit(np.zeros((1, 1), "float32"), verbose=0)
    kernel, bias = model.dense.get_weights()
    assert (kernel, bias) == (2, -2)


@pytest.mark.backends("tensorflow")  # Whose operations run side by side.
def test_no_variable_changes_before_all_gradients_are_there():
    import tensorflow as tf
    from tensorflow.python.eager import context

    model = DBN((6,), (5, 4), gibbs_steps=1, untied=True)  # Dreams read, only.
    model.compile(SGD(1.0))
    step = tf.function(model.train_step)
    examples = tf.ones((4, 6))
    step.get_concrete_function(examples)
    context.enable_graph_collection()
    step(examples)
    (functions,) = context.export_run_metadata().function_graphs
    context.disable_graph_collection()
    nodes = {node.name: node for node in functions.post_optimization_graph.node}
    sources = {
        name: {each.split(":")[0].lstrip("^") for each in node.input}
        for name, node in nodes.items()
    }

    @functools.cache
    def all_before(name):
        return sources[name].union(*map(all_before, sources[name]))

    pairs = [
        (first.name, second.name)
        for first in nodes.values()
        for second in nodes.values()
        if first.op == "ReadVariableOp" and second.op == "AssignSubVariableOp"
        if sources[first.name] & sources[second.name]  # The same variable.
    ]
    assert {second for _, second in pairs} == {
        name for name, node in nodes.items() if node.op == "AssignSubVariableOp"
    }
    assert len(pairs) > len(model.trainable_variables)
    unordered = [pair for pair in pairs if pair[0] not in all_before(pair[1])]
    assert not unordered


# Other values -----------------------------------------------------------------------


@pytest.mark.parametrize("eager", [False, True])
def test_replaced_variables_are_seen_and_assignments_forgotten(eager):
    def fn(model):
        layer = model.dense.layers[0]
        x = ops.ones((1, 1))
        model.counter.assign(1.0)
        with backend.replaced([layer.kernel, layer.bias], [2 * x, x[0]]):
            inside = model.dense(x)[0, 0]
            model.counter.assign(7.0)
            layer.bias.assign([100.0])
            seen = model.counter + model.dense(x)[0, 0]
        return {
            "inside": inside,
            "seen": seen,
            "counter": model.counter.value,
            "bias": layer.bias.value[0],
        }

    model = Probe(fn)
    logs = {k: float(v) for k, v in fn(model).items()} if eager else model.run()
    assert logs == {"inside": 3, "seen": 7 + 102, "counter": 1, "bias": 0}


def test_gradients_go_through_replaced_values():
    # The output is k x with k = u^2 for x = 3: its gradient by u = 1 is 6.
    def fn(model):
        kernel = model.dense.layers[0].kernel

        def loss_fn():
            with backend.replaced([kernel], [ops.reshape(model.unused**2, (1, 1))]):
                return ops.sum(model.dense(3 * ops.ones((1, 1)))), {}

        variables = [model.unused, kernel]
        _, _, gradients = backend.value_and_gradients(loss_fn, variables)
        return {"unused": gradients[0], "kernel": gradients[1][0, 0]}

    assert Probe(fn).run() == {"unused": 6, "kernel": 0}


def test_input_gradients_of_nested_inputs():
    def fn(inputs):
        (a, b), c = inputs["pair"], inputs["single"]
        return ops.sum(a**2) * b + 0 * ops.sum(c)

    inputs = {"pair": (np.array([1.0, 2.0], "f"), np.array(3.0, "f"))}
    inputs["single"] = np.ones((2, 2), "f")
    gradients = backend.input_gradients(fn, inputs)
    assert set(gradients) == {"pair", "single"} and type(gradients["pair"]) is tuple
    np.testing.assert_allclose(ops.convert_to_numpy(gradients["pair"][0]), [6, 12])
    np.testing.assert_allclose(ops.convert_to_numpy(gradients["pair"][1]), 5)
    np.testing.assert_array_equal(ops.convert_to_numpy(gradients["single"]), 0)


def test_input_gradients_of_second_and_third_order():
    # Of x^2 y^3 and (x, y) = (2, 3): d/dx d/dy = 6 x y^2, d/dy of that 12 x y.
    def by_y(x, y):
        return backend.input_gradients(lambda xy: xy[0] ** 2 * xy[1] ** 3, [x, y])[1]

    def by_xy(x, y):
        return backend.input_gradients(lambda x: by_y(x[0], y), [x])[0]

    def fn(model):
        x, y = 2.0 * ops.ones(()), 3.0 * model.unused
        third = backend.input_gradients(lambda y: by_xy(x, y), y)
        # And with respect to a variable: y = 3 u, at u = 1.
        _, _, gradients = backend.value_and_gradients(
            lambda: (by_xy(x, 3.0 * model.unused), {}), [model.unused]
        )
        return {"xy": by_xy(x, y), "xyy": third, "by_u": gradients[0]}

    assert Probe(fn).run() == {"xy": 108, "xyy": 72, "by_u": 216}


# Several optimizers -----------------------------------------------------------------


def make_gan(generator_optimizer=None, critic_optimizer=None, **options):
    keras.utils.set_random_seed(0)
    model = ToyGAN(seed=0)
    model.compile(generator_optimizer or Adam(), critic_optimizer or Adam(), **options)
    return model


def fit(model, **kwargs):
    kwargs = {"batch_size": 8, "shuffle": False, "verbose": 0} | kwargs
    return model.fit(POINTS, **kwargs).history


def test_each_optimizer_updates_its_network():
    model = make_gan(SGD(0.0), Adam(1e-2, beta_1=0.5))
    twin = make_gan()
    fit(model)
    assert_same_variables(
        model.generator.trainable_variables, twin.generator.trainable_variables
    )
    for a, b in zip(model.critic.weights, twin.critic.weights, strict=True):
        assert not np.array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b))
    assert int(model.critic_optimizer.iterations) == 4


def test_learning_rate_callbacks():
    model = make_gan(SGD(1.0), SGD(2.0))
    plateau = keras.callbacks.ReduceLROnPlateau(
        "critic_loss", factor=0.1, patience=1, mode="max", min_delta=1e9
    )
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    history = fit(model, epochs=2, callbacks=[schedule, plateau])
    # Twice halved; the plateau acts at the end of the second epoch.
    assert float(model.generator_optimizer.learning_rate) == pytest.approx(0.025)
    assert float(model.critic_optimizer.learning_rate) == pytest.approx(0.05)
    assert any(name.startswith("learning_rate") for name in history)


def test_learning_rate_schedules():
    decay = keras.optimizers.schedules.PiecewiseConstantDecay([2], [1e-2, 0.0])
    model = make_gan(SGD(decay), SGD(0.0))
    fit(model, steps_per_epoch=3)
    before = [ops.convert_to_numpy(v) for v in model.generator.trainable_variables]
    fit(model)
    assert_same_variables(model.generator.trainable_variables, before)


def test_exponential_moving_average_and_swap():
    average = {"use_ema": True, "ema_momentum": 0.5}
    model = make_gan(SGD(0.1, **average), SGD(0.1))
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    fit(model, epochs=2, callbacks=[swap], validation_data=(POINTS,))
    averages = model.generator_optimizer._model_variables_moving_average
    assert_same_variables(model.generator.trainable_variables, averages)


@pytest.mark.parametrize("clip", ["clipnorm", "global_clipnorm", "clipvalue"])
def test_gradient_clipping(clip):
    model, twin = make_gan(SGD(1.0, **{clip: 1e-4}), SGD(0.0)), make_gan()
    fit(model, batch_size=32)
    step = [
        ops.convert_to_numpy(a) - ops.convert_to_numpy(b)
        for a, b in zip(
            model.generator.trainable_variables,
            twin.generator.trainable_variables,
            strict=True,
        )
    ]
    assert 0 < max(abs(s).max() for s in step) < 1.01e-4


def test_backup_and_restore(tmp_path):
    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)

    model, restored = make_gan(), make_gan()
    fit(model, epochs=4)
    fit(make_gan(), epochs=2, callbacks=[backup()])
    fit(restored, epochs=4, callbacks=[backup()])
    assert_same_state(model, restored)


def test_load_model_restores_optimizers_and_seeds(tmp_path):
    cosine = keras.optimizers.schedules.CosineDecay(1e-2, 20)
    model = make_gan(Adam(cosine), SGD(0.1, momentum=0.9))
    fit(model, epochs=2)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    assert_same_state(model, restored)
    fit(model)
    fit(restored)
    assert_same_state(model, restored)


# Ways to run a step -----------------------------------------------------------------


def weights_after(**options):
    model = make_gan(SGD(0.1), SGD(0.1), **options)
    fit(model)
    return [ops.convert_to_numpy(v) for v in model.weights]


def test_eager_and_compiled_steps_agree():
    for a, b in zip(weights_after(), weights_after(run_eagerly=True), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.backends("tensorflow", "jax")  # Inductor needs a minute.
def test_jit_compile():
    # Only roughly: XLA draws other random numbers than TensorFlow from one seed.
    expected = fit(make_gan(SGD(0.1), SGD(0.1)), epochs=3)
    history = fit(make_gan(SGD(0.1), SGD(0.1), jit_compile=True), epochs=3)
    for name, values in expected.items():
        assert np.mean(history[name]) == pytest.approx(np.mean(values), rel=0.2)


@pytest.mark.backends("tensorflow", "jax")  # Keras has it on these only.
def test_steps_per_execution():
    one, four = weights_after(), weights_after(steps_per_execution=4)
    for a, b in zip(one, four, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_mixed_precision():
    # Only roughly: dropout draws its masks in bfloat16, so other ones.
    expected = fit(make_gan(SGD(0.1), SGD(0.1)), epochs=3)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = make_gan(SGD(0.1), SGD(0.1))
        history = fit(model, epochs=3)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert model.critic.layers[0].compute_dtype == "bfloat16"
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    for name, values in expected.items():
        assert np.mean(history[name]) == pytest.approx(np.mean(values), rel=0.2)


# Randomness -------------------------------------------------------------------------


def test_near_seeds_give_independent_streams():
    # Torch would add seed and counter: the second draw of 1 be the first of 2.
    streams = []
    for seed in (1, 2, 3):
        generator = backend.SeedGenerator(seed)
        draws = [keras.random.uniform((), seed=generator) for _ in range(3)]
        streams += [float(draw) for draw in draws]
    assert len(set(streams)) == 9


def test_a_trainable_weight_outside_of_all_networks_is_named():
    model = ToyGAN(seed=0)
    model.add_weight(shape=(), name="stray")
    with pytest.raises(ValueError, match="stray"):
        model.compile(SGD(), SGD())


class Drawer(GenerativeModel):
    """Draws noise in a compiled method."""

    def __init__(self):
        super().__init__(seed=0)
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.built = True

    @backend.compiled
    def draw(self, shift, count):
        self.calls.assign_add(1.0)
        return shift + keras.random.uniform((count,), seed=self.seed_generator)


def test_compiled_methods_draw_and_assign():
    model, seeds = Drawer(), backend.SeedGenerator(0)
    for count in (2, 3, 2):
        drawn = model.draw(ops.convert_to_tensor(10.0), count)
        expected = 10 + keras.random.uniform((count,), seed=seeds)
        np.testing.assert_allclose(
            ops.convert_to_numpy(drawn), ops.convert_to_numpy(expected), rtol=1e-6
        )
    assert float(model.calls) == 3
    assert_same_variables([seeds.state], [model.seed_generator.state])


# Several devices --------------------------------------------------------------------

JAX_SCRIPT = """
import os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
from tests.test_backend import backend, make_gan, train_models
with backend.data_parallel():
    model = make_gan()
assert len(model.critic.weights[0].value.sharding.device_set) == 2
print(train_models(backend.data_parallel))
"""

TENSORFLOW_SCRIPT = """
import os
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
from tests.test_backend import backend, fit, make_unequal_gan, train_models
with backend.data_parallel():
    assert tf.distribute.get_strategy().num_replicas_in_sync == 2
    model = make_unequal_gan()
try:
    fit(model)
    raise AssertionError("steps under a condition are refused")
except NotImplementedError as error:
    assert "discriminator_steps" in str(error)
# Threads of TensorFlow may outlive the interpreter: end without taking it down.
print(train_models(backend.data_parallel), flush=True)
os._exit(0)
"""


class Regression(GenerativeModel):
    """Without noise or batch normalization, which are another on each replica."""

    def __init__(self):
        super().__init__(seed=0)
        self.dense = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
        self.built = True

    def train_step(self, data):
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)

        def loss_fn():
            loss = ops.mean(ops.square(self.dense(x) - ops.sum(x, 1, keepdims=True)))
            return loss, {"loss": loss}

        variables = self.trainable_variables
        return self.update_metrics(self.minimize(loss_fn, self.optimizer, variables))


def make_regression():
    keras.utils.set_random_seed(0)
    model = Regression()
    model.compile(SGD(0.1))
    return model


def make_unequal_gan():
    """A GAN whose generator moves at every second batch."""
    keras.utils.set_random_seed(0)
    networks = {"generator": affine((3,), (2,)), "discriminator": affine((2,), (1,))}
    model = GAN((2,), 3, discriminator_steps=2, seed=0, **networks)
    model.compile(SGD(0.1), SGD(0.1))
    return model


def train_models(make_context):
    """Trains models made in contexts; returns their losses."""
    if backend.NAME == "tensorflow":
        with make_context():
            model = make_regression()
        return [fit(model, epochs=3)["loss"]]
    with make_context():
        model = make_gan(SGD(0.1), SGD(0.1))
    history = fit(model, epochs=2)
    with make_context():
        model = make_unequal_gan()
    history |= fit(model, epochs=2)
    assert int(model.generator_optimizer.iterations) == 4
    return [values for _, values in sorted(history.items())]


@pytest.mark.backends("tensorflow", "jax")  # Keras has it on these only.
def test_data_parallel_training_equals_one_device():
    script = JAX_SCRIPT if backend.NAME == "jax" else TENSORFLOW_SCRIPT
    command = [sys.executable, "-X", "faulthandler", "-c", script]
    output = subprocess.check_output(command, text=True)
    expected = train_models(contextlib.nullcontext)
    np.testing.assert_allclose(eval(output.splitlines()[-1]), expected, rtol=1e-5)


@pytest.mark.backends("torch")
def test_data_parallel_training_is_refused_where_keras_has_none():
    with pytest.raises(NotImplementedError, match="tensorflow or jax"):
        backend.data_parallel()


@pytest.mark.backends("jax")  # Its programs live as long as what they belong to.
def test_a_model_that_was_sampled_can_be_freed():
    rbm = RBM((4,), 3, seed=0)
    rbm.sample(2, gibbs_steps=2)
    reference = weakref.ref(rbm)
    del rbm
    gc.collect()
    assert reference() is None
