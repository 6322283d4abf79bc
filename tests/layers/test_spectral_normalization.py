import keras
import numpy as np
import pytest
from keras import layers, ops

from gen_keras import backend
from gen_keras.layers import SpectralNormalization, keep_estimates
from gen_keras.models.base import GenerativeModel

RNG = np.random.default_rng(0)
CASES = {
    "dense": (lambda: layers.Dense(4, activation="tanh"), (3, 6)),
    "conv1d": (lambda: layers.Conv1D(4, 2, activation="relu"), (3, 5, 3)),
    "conv2d": (lambda: layers.Conv2D(4, 2, 2), (3, 4, 4, 3)),
    "conv2d_transpose": (lambda: layers.Conv2DTranspose(4, 3, 2, "same"), (3, 2, 2, 5)),
    "embedding": (lambda: layers.Embedding(7, 4), (3, 2)),
}
each_case = pytest.mark.parametrize("case", CASES)


def make(case):
    """A layer with fixed weights, a bias that is not zero, and inputs."""
    make_layer, shape = CASES[case]
    rng = np.random.default_rng(1)
    layer = SpectralNormalization(make_layer())
    layer.build(shape)
    layer.set_weights([rng.normal(0, 1, w.shape) for w in layer.weights])
    x = rng.normal(0, 1, shape).astype("float32")
    return layer, np.abs(x * 3).astype("int32") % 7 if case == "embedding" else x


def matrix_of(layer, kernel=None):
    """The matrix (outputs, all else), entry by entry."""
    kernel = kernel_of(layer) if kernel is None else kernel
    if isinstance(layer.layer, layers.Conv2DTranspose):
        return np.stack([kernel[:, :, i].ravel() for i in range(kernel.shape[2])])
    return np.stack([kernel[..., i].ravel() for i in range(kernel.shape[-1])])


def kernel_of(layer):
    wrapped = layer.layer
    is_embedding = isinstance(wrapped, layers.Embedding)
    kernel = wrapped.embeddings if is_embedding else wrapped.kernel
    return ops.convert_to_numpy(kernel).copy()


def u_of(layer):
    return ops.convert_to_numpy(layer.u).copy()


def sigma_of(layer):
    return float(ops.convert_to_numpy(layer.compute_sigma()))


def iterate(matrix, u, times=1):
    """Algorithm 1."""
    for _ in range(times):
        v = matrix.T @ u
        v /= np.linalg.norm(v)
        u = matrix @ v
        u /= np.linalg.norm(u)
    return u


@each_case
def test_sigma_becomes_the_largest_singular_value(case):
    layer, _ = make(case)
    assert layer.u.shape == (4,)
    # Two to one, so that thirty iterations are enough.
    matrix = matrix_of(layer)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    kernel = kernel_of(layer)
    boost = (2 * values[1] - values[0]) * np.outer(left[:, 0], right[0])
    if case == "conv2d_transpose":
        shape = (kernel.shape[2], *kernel.shape[:2], kernel.shape[3])
        kernel += np.moveaxis(boost.reshape(shape), 0, 2)
    else:
        kernel += boost.T.reshape(kernel.shape)
    layer.layer.set_weights([kernel, *layer.layer.get_weights()[1:]])
    np.testing.assert_allclose(matrix_of(layer), matrix + boost, atol=1e-5)
    for _ in range(30):
        layer.compute_sigma(update=True)
    expected = np.linalg.svd(matrix_of(layer))[1][0]
    assert sigma_of(layer) == pytest.approx(expected, rel=1e-4)
    assert sigma_of(layer) == pytest.approx(2 * values[1], rel=1e-4)


@each_case
def test_one_iteration_a_training_call_and_the_kernel_stays(case):
    layer, x = make(case)
    before, u = kernel_of(layer), u_of(layer)
    layer(x, training=False)
    np.testing.assert_array_equal(u_of(layer), u)
    layer(x, training=True)
    expected = iterate(matrix_of(layer), u)
    np.testing.assert_allclose(u_of(layer), expected, atol=1e-5)
    np.testing.assert_array_equal(kernel_of(layer), before)
    assert layer.u in layer.non_trainable_weights


@each_case
def test_outputs_are_those_of_the_divided_kernel(case):
    layer, x = make(case)
    plain = CASES[case][0]()
    plain.build(x.shape)
    kernel, *bias = layer.layer.get_weights()
    # Before training too, when u has any length.
    for training in (False, True):
        outputs = ops.convert_to_numpy(layer(x, training=training))
        # sigma = u'Wv with v = W'u / |W'u|.
        u = u_of(layer) / np.linalg.norm(u_of(layer))
        sigma = np.linalg.norm(matrix_of(layer).T @ u)
        assert abs(sigma - 1) > 0.1
        plain.set_weights([kernel / sigma, *bias])
        expected = ops.convert_to_numpy(plain(x))
        np.testing.assert_allclose(outputs, expected, atol=1e-5)


@each_case
def test_the_gradient_goes_through_sigma_but_not_through_u_and_v(case):
    layer, x = make(case)
    variable = layer.layer.trainable_weights[0]
    u = u_of(layer)

    def gradient_of(layer, variable):
        weights = np.random.default_rng(2).normal(0, 1, layer(x).shape)

        def loss_fn():
            y = layer(x, training=True)
            return ops.sum(y * ops.convert_to_tensor(weights.astype("float32"))), {}

        loss, _, gradients = backend.value_and_gradients(loss_fn, [variable])
        return ops.convert_to_numpy(gradients[0])

    gradient = gradient_of(layer, variable)
    # Section 2.3, from the gradient g at W / sigma of the layer without a wrapper:
    # (g - <g, W / sigma> u v') / sigma.
    matrix = matrix_of(layer).astype("float64")
    u = iterate(matrix, u)
    v = matrix.T @ u
    sigma = np.linalg.norm(v)
    v /= sigma
    plain = CASES[case][0]()
    plain.build(x.shape)
    kernel, *bias = layer.layer.get_weights()
    plain.set_weights([kernel / sigma, *bias])
    g = matrix_of(layer, gradient_of(plain, plain.trainable_weights[0]))
    expected = (g - (g * matrix / sigma).sum() * np.outer(u, v)) / sigma
    np.testing.assert_allclose(matrix_of(layer, gradient), expected, atol=1e-4)


def test_the_gradient_against_finite_differences():
    layer, x = make("dense")
    layer(x, training=True)
    kernel, bias = (w.astype("float64") for w in layer.layer.get_weights())
    u = u_of(layer).astype("float64")
    u /= np.linalg.norm(u)
    v = kernel @ u / np.linalg.norm(kernel @ u)

    def f(kernel):
        return np.tanh(x @ (kernel / (v @ kernel @ u)) + bias).sum()

    expected = np.empty_like(kernel)
    for index in np.ndindex(kernel.shape):
        step = np.zeros_like(kernel)
        step[index] = 1e-5
        expected[index] = (f(kernel + step) - f(kernel - step)) / 2e-5
    _, _, (gradient,) = backend.value_and_gradients(
        lambda: (ops.sum(layer(x)), {}), [layer.layer.kernel]
    )
    np.testing.assert_allclose(ops.convert_to_numpy(gradient), expected, atol=1e-4)


def test_passes_share_the_estimate_of_the_first():
    layer, x = make("dense")
    first = ops.convert_to_numpy(layer(x, training=True))
    u = u_of(layer)
    with keep_estimates():
        kept = ops.convert_to_numpy(layer(x, training=True))
        with keep_estimates():
            pass
        layer(x, training=True)
    np.testing.assert_array_equal(u_of(layer), u)
    np.testing.assert_allclose(kept, first, atol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), first, atol=1e-6)
    layer(x, training=True)
    assert np.abs(u_of(layer) - u).max() > 1e-3

    u = u_of(layer)
    with pytest.raises(RuntimeError), keep_estimates():
        raise RuntimeError
    layer(x, training=True)
    assert np.abs(u_of(layer) - u).max() > 1e-4


@keras.saving.register_keras_serializable(package="gen_keras_tests")
class Critic(GenerativeModel):
    """Trains as a critic does: two passes a step, of which the first moves u."""

    def __init__(self, seed=None):
        super().__init__(seed)
        self.network = keras.Sequential(
            [
                keras.Input((4, 4, 2)),
                SpectralNormalization(layers.Conv2D(3, 2, activation="relu")),
                layers.Flatten(),
                SpectralNormalization(layers.Dense(2)),
            ]
        )
        self.built = True

    def call(self, x, training=False):
        return self.network(x, training=training)

    def train_step(self, data):
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)

        def loss_fn():
            loss = ops.mean(ops.square(self(x, training=True)))
            with keep_estimates():
                loss += ops.mean(ops.square(self(-x, training=True)))
            return loss, {"loss": loss}

        variables = self.trainable_variables
        return self.update_metrics(self.minimize(loss_fn, self.optimizer, variables))


def fit(model, learning_rate, **options):
    if backend.NAME != "torch":
        options["jit_compile"] = True
    model.compile(keras.optimizers.SGD(learning_rate), **options)
    x = RNG.normal(0, 1, (6, 4, 4, 2)).astype("float32")
    model.fit(x, batch_size=2, verbose=0)


def test_fit_stores_one_iteration_a_step():
    model = Critic()
    wrappers = [model.network.layers[0], model.network.layers[2]]
    before = [(u_of(layer), kernel_of(layer)) for layer in wrappers]
    fit(model, learning_rate=0.0)
    for layer, (u, kernel) in zip(wrappers, before, strict=True):
        np.testing.assert_array_equal(kernel_of(layer), kernel)
        expected = iterate(matrix_of(layer), u, times=3)
        np.testing.assert_allclose(u_of(layer), expected, atol=1e-5)


def test_a_trained_model_is_saved_with_its_estimates(tmp_path):
    model = Critic()
    wrapper = model.network.layers[0]
    before = kernel_of(wrapper)
    fit(model, learning_rate=0.1)
    assert np.abs(kernel_of(wrapper) - before).max() > 1e-3
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(u_of(restored.network.layers[0]), u_of(wrapper))
    x = RNG.normal(0, 1, (3, 4, 4, 2)).astype("float32")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(model(x)), ops.convert_to_numpy(restored(x))
    )


def test_several_iterations_in_one_loss():
    # Torch changes variables in place: what the gradient needs must not change too.
    layer, x = make("dense")
    twin, _ = make("dense")

    def loss_fn():
        with keep_estimates():
            y = ops.sum(layer(x, training=True))
        return y + ops.sum(layer(x, training=True)) + ops.sum(layer(x)), {}

    _, _, (gradient,) = backend.value_and_gradients(loss_fn, [layer.layer.kernel])
    expected = 0
    for training in (False, True, False):
        _, _, (part,) = backend.value_and_gradients(
            lambda training=training: (ops.sum(twin(x, training=training)), {}),
            [twin.layer.kernel],
        )
        expected = expected + ops.convert_to_numpy(part)
    np.testing.assert_allclose(ops.convert_to_numpy(gradient), expected, atol=1e-5)


@pytest.mark.parametrize("case", ["dense", "embedding"])
def test_half_precision_estimates_in_32_bits(case):
    full, x = make(case)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half, _ = make(case)
        half_in_model = keras.Sequential([half])
        y = half_in_model(x)
    finally:
        keras.config.set_dtype_policy("float32")
    assert half.u.dtype == "float32"
    assert half.layer.compute_dtype == "bfloat16"
    assert sigma_of(half) == pytest.approx(sigma_of(full), rel=1e-6)
    y = ops.convert_to_numpy(ops.cast(y, "float32"))
    np.testing.assert_allclose(y, ops.convert_to_numpy(full(x)), atol=0.03)


@each_case
def test_config_and_shapes(case):
    make_layer, shape = CASES[case]
    layer = SpectralNormalization(make_layer(), name="normalized")
    config = layer.get_config()
    copy = SpectralNormalization.from_config(layer.get_config())
    assert copy.get_config() == config and copy.name == "normalized"
    dtype = "int32" if case == "embedding" else "float32"
    outputs = layer(keras.Input(shape[1:], dtype=dtype))
    expected = make_layer().compute_output_shape((None, *shape[1:]))
    assert outputs.shape == tuple(expected)


def test_errors():
    with pytest.raises(ValueError, match="`layer` must .* Received: <Flatten"):
        SpectralNormalization(layers.Flatten())
