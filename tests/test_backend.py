import gc
import os
import subprocess
import sys
import weakref

import keras
import numpy as np
import pytest
from keras import layers, ops

from gen_keras import backend
from gen_keras.models import RBM
from gen_keras.models.base import GenerativeModel
from tests.model_checks import assert_same_state, assert_same_variables
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
import os, sys
devices = int(sys.argv[1])
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
import keras
from tests.test_backend import SGD, backend, fit, make_gan
with backend.data_parallel():
    model = make_gan(SGD(0.1), SGD(0.1))
assert len(model.critic.weights[0].value.sharding.device_set) == devices
history = fit(model, epochs=2)
print([values for _, values in sorted(history.items())])
"""

TENSORFLOW_SCRIPT = """
import sys
import tensorflow as tf
devices = int(sys.argv[1])
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * devices,
)
from tests.test_backend import backend, fit, make_regression
with backend.data_parallel():
    assert tf.distribute.get_strategy().num_replicas_in_sync == devices
    model = make_regression()
print([fit(model, epochs=3)["loss"]])
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


@pytest.mark.backends("tensorflow", "jax")  # Keras has it on these only.
def test_data_parallel_training_equals_one_device():
    script = JAX_SCRIPT if backend.NAME == "jax" else TENSORFLOW_SCRIPT

    def losses(devices):
        command = [sys.executable, "-c", script, str(devices)]
        output = subprocess.check_output(command, env=os.environ, text=True)
        return eval(output.splitlines()[-1])

    np.testing.assert_allclose(losses(2), losses(1), rtol=1e-5)


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
