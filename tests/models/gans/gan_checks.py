"""What several GANs promise."""

import functools

import keras
import numpy as np
import pytest
from keras import layers, ops

from gen_keras import backend

# A graph is not worth it for a step or two, but on JAX, whose steps are for graphs.
EAGERLY = {"run_eagerly": backend.NAME != "jax"}


def maker(model_class, **defaults):
    """Returns a function of arguments that makes a compiled model."""
    return functools.partial(_make, model_class, defaults)


def _make(model_class, defaults, compile_options=None, learning_rate=1e-2, **arguments):
    model = model_class(**defaults | arguments)
    optimizers = [keras.optimizers.Adam(learning_rate, 0.5) for _ in range(2)]
    model.compile(*optimizers, **compile_options or {})
    return model


def small_maker(
    model_class,
    num_outputs=1,
    extra_latents=0,
    extra_inputs=(),
    momentum=0.5,
    **defaults,
):
    """Returns a function of arguments that makes a compiled model of small networks.

    Its images are (4, 4, 1), its latents 3 long. Each operation more, of Adam, say,
    would be compiled many times.

    Args:
        model_class: Class of the model.
        num_outputs: Integer, the outputs of the discriminator.
        extra_latents: Integer, what the generator takes beside the noise.
        extra_inputs: Tuple of shapes, what the discriminator takes beside images.
        momentum: Float, that of both optimizers.
        **defaults: Arguments of the model.
    """
    shape = (4, 4, 1)
    defaults = {"image_shape": shape, "latent_dim": 3} | defaults

    def make(**arguments):
        arguments = defaults | arguments
        if arguments.get("generator") is None:
            latents = (arguments["latent_dim"] + extra_latents,)
            arguments["generator"] = small_network([latents], shape, "tanh")
        if arguments.get("discriminator") is None:
            inputs = [shape, *extra_inputs]
            arguments["discriminator"] = small_network(inputs, (num_outputs,))
        compile_options = arguments.pop("compile_options", None) or {}
        model = model_class(**arguments)
        optimizers = [keras.optimizers.SGD(0.1, momentum) for _ in range(2)]
        model.compile(*optimizers, **compile_options)
        return model

    return make


def small_network(input_shapes, output_shape, activation=None):
    """Returns a network of one layer.

    Without a bias, for which the loss of a critic has no gradient.
    """
    inputs = [keras.Input(shape) for shape in input_shapes]
    x = [layers.Flatten()(each) for each in inputs]
    x = layers.Concatenate()(x) if len(x) > 1 else x[0]
    x = layers.Dense(int(np.prod(output_shape)), activation, use_bias=False)(x)
    outputs = layers.Reshape(output_shape)(x) if len(output_shape) > 1 else x
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)


def affine(input_shape, output_shape, kernel=0.0, bias=0.0):
    """Returns a network x -> x W + b, with examples as vectors.

    Args:
        input_shape: Tuple.
        output_shape: Tuple.
        kernel: Float or array (inputs, outputs).
        bias: Float or array (outputs,).
    """
    inputs = keras.Input(input_shape)
    layer = layers.Dense(int(np.prod(output_shape)))
    outputs = layer(layers.Flatten()(inputs))
    if len(output_shape) > 1:
        outputs = layers.Reshape(output_shape)(outputs)
    network = keras.Model(inputs, outputs)
    values = zip((kernel, bias), layer.weights, strict=True)
    layer.set_weights([np.broadcast_to(value, w.shape) for value, w in values])
    return network


def as_arrays(values):
    """Returns a structure of tensors as arrays."""
    return keras.tree.map_structure(ops.convert_to_numpy, values)


def copies_of(variables):
    """Returns the values of variables as arrays that stay."""
    return [ops.convert_to_numpy(v).copy() for v in variables]


def losses_of(model, data, training=True):
    """Returns both losses on a batch and all logs, as numbers; moves no weight."""
    data = model.unpack(data)
    d_loss, logs = model.compute_discriminator_loss(data, training)
    g_loss, g_logs = model.compute_generator_loss(data, training)
    return (
        float(d_loss),
        float(g_loss),
        {k: float(v) for k, v in (logs | g_logs).items()},
    )


def softplus(x):
    return np.logaddexp(0, x)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, "float64")))


def check_each_side_moves_alone(make_model, data):
    """With one rate at 0, only the networks of the other side change."""
    for side in ("generator", "discriminator"):
        model = make_model(compile_options=EAGERLY)
        for other in {"generator", "discriminator"} - {side}:
            getattr(model, f"{other}_optimizer").learning_rate = 0.0
        before = {name: trainable_of(model, name) for name in sides_of(model)}
        model.fit(*data, batch_size=len(data[0]), verbose=0)
        for name in before:
            after = trainable_of(model, name)
            is_same = all(map(np.array_equal, before[name], after))
            assert is_same == (not name.startswith(side)), (side, name)


def sides_of(model):
    """Returns the names of all networks of a model."""
    return model.generator_names + model.discriminator_names


def trainable_of(model, name):
    """Returns the trainable weights of a network as arrays."""
    return copies_of(getattr(model, name).trainable_variables)


def scaled(factor, shift=0.0):
    """Returns a network x -> factor * x + shift."""
    image = keras.Input((None, None, 1))
    layer = layers.Conv2D(1, 1)
    network = keras.Model(image, layer(image))
    layer.set_weights([np.full((1, 1, 1, 1), factor), np.array([shift])])
    return network


def check_directions(make_model, images_a, images_b):
    """G and F at their places, there and in the circle; images have one channel."""
    model = make_model(generator_ab=scaled(0.5), generator_ba=scaled(-0.25))
    for images, direction, expected in (
        (images_a, "a_to_b", 0.5 * images_a),
        (images_b, "b_to_a", -0.25 * images_b),
    ):
        translated = ops.convert_to_numpy(model.translate(images, direction))
        np.testing.assert_allclose(translated, expected, rtol=1e-5)
        there_and_back = ops.convert_to_numpy(model.reconstruct(images, direction))
        np.testing.assert_allclose(there_and_back, -0.125 * images, rtol=1e-5)
    with pytest.raises(ValueError, match="direction"):
        model.translate(images_a, "a")


def check_both_cycles(model, module, distance, images, monkeypatch):
    """Each cycle alone has a gradient for each generator: none is held fixed.

    Args:
        model: `TwoWayTranslator` whose loss has the cycles alone.
        module: The module of the model.
        distance: String, the function in it that compares images that came back with
            those that went.
        images: Dict of the keys a and b and images of each domain.
        monkeypatch: pytest's fixture.
    """
    images = {name: ops.convert_to_tensor(value) for name, value in images.items()}
    measure = getattr(module, distance)
    for name in model.generator_names:
        variables = getattr(model, name).trainable_variables
        for cycle in images:
            monkeypatch.setattr(
                module,
                distance,
                lambda x, y, to=images[cycle]: measure(x, y) * float(y is to),
            )

            def loss_fn():
                return model.compute_generator_loss(*images.values(), training=True)

            _, _, gradients = backend.value_and_gradients(loss_fn, variables)
            for variable, gradient in zip(variables, gradients, strict=True):
                moved = (ops.convert_to_numpy(gradient) != 0).any()
                assert moved, (name, cycle, variable.path)


def check_normalized_before(network, activation):
    """Checks that each batch normalization is followed by the activation."""
    kinds = [type(layer) for layer in network.layers]
    normalized = [
        i for i, kind in enumerate(kinds) if kind is layers.BatchNormalization
    ]
    assert normalized and all(kinds[i + 1] is activation for i in normalized)
