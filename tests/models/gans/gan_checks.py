"""What several GANs promise."""

import functools

import keras
import numpy as np
import pytest
from keras import layers, ops

from gen_keras import backend


def maker(model_class, **defaults):
    """Returns a function of arguments that makes a compiled model."""
    return functools.partial(_make, model_class, defaults)


def _make(model_class, defaults, compile_options=None, learning_rate=1e-2, **arguments):
    model = model_class(**defaults | arguments)
    optimizers = [keras.optimizers.Adam(learning_rate, 0.5) for _ in range(2)]
    model.compile(*optimizers, **compile_options or {})
    return model


def check_each_side_moves_alone(make_model, data):
    """With one rate at 0, only the networks of the other side change."""
    for side in ("generator", "discriminator"):
        model = make_model()
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
    variables = getattr(model, name).trainable_variables
    return [ops.convert_to_numpy(v).copy() for v in variables]


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
