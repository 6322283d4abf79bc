import keras
import numpy as np
import pytest
from keras import ops

from gen_keras import backend
from gen_keras.layers import DifferentiableAugmentation
from gen_keras.layers.differentiable_augmentation import (
    adjust_color,
    cut_out,
    translate,
)

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(-1, 1, (3, 16, 9, 3)).astype("float32")


def run(augment, draws, images=IMAGES):
    images = ops.convert_to_tensor(images)
    return ops.convert_to_numpy(augment(images, ops.convert_to_tensor(draws)))


def spread(*draws):
    """One row of draws for each image."""
    return np.array(draws, "float32")


MIDDLE = np.full((3, 3), 0.5, "float32")


def test_color_against_numpy():
    draws = spread([0.1, 0.5, 0.5], [0.5, 0.9, 0.2], [0.7, 0.2, 0.8])
    expected = []
    for image, (brightness, saturation, contrast) in zip(IMAGES, draws, strict=True):
        x = image + brightness - 0.5
        gray = x.mean(-1, keepdims=True)
        x = gray + (x - gray) * saturation * 2
        expected.append(x.mean() + (x - x.mean()) * (contrast + 0.5))
    np.testing.assert_allclose(run(adjust_color, draws), expected, atol=1e-5)
    np.testing.assert_allclose(run(adjust_color, MIDDLE), IMAGES, atol=1e-6)


def test_saturation_leaves_gray_images_alone():
    gray = IMAGES[..., :1]
    for draw in (0.0, 0.99):
        draws = spread(*[[0.5, draw, 0.5]] * 3)
        np.testing.assert_allclose(run(adjust_color, draws, gray), gray, atol=1e-6)


def test_translation_moves_by_up_to_an_eighth_and_brings_zeros_in():
    outputs = run(translate, spread([0.0, 0.5], [0.999, 0.0], [0.7, 0.999]))
    # 16 rows move by 2 at most, 9 columns by 1: int(side / 8 + 0.5), as released.
    expected = np.zeros_like(IMAGES)
    expected[0, :-2] = IMAGES[0, 2:]
    expected[1, 2:, :-1] = IMAGES[1, :-2, 1:]
    expected[2, 1:, 1:] = IMAGES[2, :-1, :-1]
    np.testing.assert_array_equal(outputs, expected)
    np.testing.assert_array_equal(run(translate, MIDDLE), IMAGES)


def test_cutout_sets_half_of_the_sides_to_zero():
    outputs = run(cut_out, spread([0.5, 0.5], [0.0, 0.0], [0.999, 0.999]))
    # 8 rows and 5 columns, of which a corner keeps a half: int(side / 2 + 0.5).
    expected = IMAGES.copy()
    expected[0, 4:12, 2:7] = 0
    expected[1, :4, :3] = 0
    expected[2, 12:, 6:] = 0
    np.testing.assert_array_equal(outputs, expected)


def test_draws_are_uniform():
    # All positions of 20 rows and columns: 7 shifts and 21 centers, equally often.
    count = 21 * 400
    draws = np.tile(((np.arange(count) + 0.5) / count)[:, None], (1, 2))
    draws = draws.astype("float32")
    images = np.zeros((count, 20, 20, 1), "float32")
    images[:, 9, 9] = 1
    rows = run(translate, draws, images)[..., 0].sum(2).argmax(1)
    np.testing.assert_array_equal(np.unique(rows), [6, 7, 8, 9, 10, 11, 12])
    np.testing.assert_allclose(np.bincount(rows)[6:], count / 7, atol=1)
    cut = run(cut_out, draws, np.ones_like(images))[..., 0] == 0
    first_rows, sizes = cut.any(2).argmax(1), cut.any(2).sum(1)
    np.testing.assert_array_equal(np.unique(first_rows), np.arange(16))
    assert sizes.max() == 10 and sizes.min() == 5


@pytest.mark.parametrize("policy", [("color",), ("translation",), ("cutout",)])
def test_each_image_is_augmented_by_itself_anew_at_each_call(policy):
    images = np.tile(IMAGES[:1], (8, 1, 1, 1))
    layer = DifferentiableAugmentation(policy, seed=1)
    first, second = (ops.convert_to_numpy(layer(images, training=True)) for _ in "12")
    assert len(np.unique(first.round(4), axis=0)) > 4
    assert np.abs(first - second).max() > 0.1
    again = DifferentiableAugmentation(policy, seed=1)(images, training=True)
    np.testing.assert_array_equal(first, ops.convert_to_numpy(again))
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(images)), images)


def test_each_image_of_a_pack_is_augmented_by_itself():
    # Packs of two images alike, of which each becomes one of those it could be alone.
    packs = np.tile(IMAGES, (4, 1, 1, 2))
    layer = DifferentiableAugmentation(("cutout",), pack_size=2, seed=1)
    outputs = ops.convert_to_numpy(layer(packs, training=True))
    first, second = outputs[..., :3], outputs[..., 3:]
    assert (np.abs(first - second).max(axis=(1, 2, 3)) > 0).sum() > 8
    for image in (first, second):
        is_kept = image == packs[..., :3]
        assert (is_kept | (image == 0)).all() and not is_kept.all()
    # Saturation mixes the colours of an image, not two gray images.
    gray = np.stack([-np.ones((5, 8, 8)), np.ones((5, 8, 8))], axis=-1)
    layer = DifferentiableAugmentation(("color",), pack_size=2, seed=1)
    outputs = ops.convert_to_numpy(layer(gray.astype("float32"), training=True))
    assert (outputs[..., 0] <= -0.5).all() and (outputs[..., 1] >= 0.5).all()


def test_the_order_is_that_of_the_policy():
    # Zeros that come in before the color are colored, those after are not.
    layer = DifferentiableAugmentation(("cutout", "color"), seed=0)
    outputs = ops.convert_to_numpy(layer(IMAGES, training=True))
    assert not (outputs == 0).any()
    layer = DifferentiableAugmentation(("color", "cutout"), seed=0)
    outputs = ops.convert_to_numpy(layer(IMAGES, training=True))
    assert (outputs == 0).any()


def test_gradients_go_through():
    weights = RNG.normal(0, 1, IMAGES.shape).astype("float32")

    def gradient(augment, draws):
        w, draws = ops.convert_to_tensor(weights), ops.convert_to_tensor(draws)
        g = backend.input_gradients(lambda x: ops.sum(augment(x, draws) * w), IMAGES)
        return ops.convert_to_numpy(g)

    # All are affine maps of the images: f(x) = f(0) + A x, so g'x = w'(f(x) - f(0)).
    draws = RNG.uniform(0, 1, (3, 3)).astype("float32")
    for augment in (adjust_color, translate, cut_out):
        change = run(augment, draws) - run(augment, draws, np.zeros_like(IMAGES))
        g = gradient(augment, draws)
        assert np.abs(g).max() > 0.1
        assert (g * IMAGES).sum() == pytest.approx((weights * change).sum(), rel=1e-4)
    for augment in (adjust_color, translate):
        np.testing.assert_allclose(gradient(augment, MIDDLE), weights, atol=1e-5)

    layer = DifferentiableAugmentation(seed=0)
    g = backend.input_gradients(lambda x: ops.sum(layer(x, training=True)), IMAGES)
    assert (np.abs(ops.convert_to_numpy(g)).max(axis=(1, 2, 3)) > 0.1).all()


def test_shapes_and_config():
    layer = DifferentiableAugmentation(["cutout", "color"], seed=3)
    assert layer(keras.Input((8, 8, 3))).shape == (None, 8, 8, 3)
    config = layer.get_config()
    assert list(config["policy"]) == ["cutout", "color"] and config["seed"] == 3
    copy = DifferentiableAugmentation.from_config(config)
    assert copy.policy == layer.policy and copy.get_config() == config
    with pytest.raises(ValueError, match="`policy` must .* Received: .*flip"):
        DifferentiableAugmentation(("flip",))


def test_half_precision():
    layer = DifferentiableAugmentation(seed=0, dtype="mixed_bfloat16")
    outputs = layer(IMAGES, training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    outputs = ops.convert_to_numpy(ops.cast(outputs, "float32"))
    full = DifferentiableAugmentation(seed=0)(IMAGES, training=True)
    np.testing.assert_allclose(outputs, ops.convert_to_numpy(full), atol=0.05)
