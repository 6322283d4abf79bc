import keras
import numpy as np
import pytest
from keras import ops

from gen_keras.layers import ImagePool


def numbered(first, count):
    """Images that say which they are."""
    numbers = np.arange(first, first + count, dtype="float32")
    return np.broadcast_to(numbers[:, None, None, None], (count, 2, 2, 1)).copy()


def show(pool, images):
    outputs = ops.convert_to_numpy(pool(ops.convert_to_tensor(images)))
    assert outputs.shape == images.shape
    assert (outputs == outputs[:, :1, :1]).all()  # Whole images, never a mixture.
    return outputs[:, 0, 0, 0]


def stored(pool):
    return ops.convert_to_numpy(pool.images)[:, 0, 0, 0]


def test_it_fills_first():
    pool = ImagePool(5, (2, 2, 1), seed=0)
    np.testing.assert_array_equal(show(pool, numbered(1, 3)), [1, 2, 3])
    assert int(ops.convert_to_numpy(pool.count)) == 3
    # Full in the middle of a batch: what comes after is treated one by one.
    outputs = show(pool, numbered(4, 40))
    np.testing.assert_array_equal(outputs[:2], [4, 5])
    assert int(ops.convert_to_numpy(pool.count)) == 5
    assert (outputs[2:] != np.arange(6, 44)).any()


def test_half_is_swapped_image_by_image():
    size, num_images = 20, 2000
    pool = ImagePool(size, (2, 2, 1), seed=0)
    show(pool, numbered(0, size))
    outputs = show(pool, numbered(size, num_images))
    is_old = outputs != np.arange(size, size + num_images)
    assert is_old.mean() == pytest.approx(0.5, abs=0.045)  # Four standard errors.
    # Each choice is of its own: of 8 images in turn sometimes 2 go, sometimes 6.
    swaps = is_old.reshape(-1, 8).sum(1)
    assert swaps.var() == pytest.approx(8 / 4, rel=0.3)
    # Each image leaves at most once: it is handed on, or stored and handed on later.
    assert len(np.unique(outputs)) == num_images
    everything = np.concatenate([outputs, stored(pool)])
    np.testing.assert_array_equal(np.sort(everything), np.arange(size + num_images))
    # All slots take part: an image stays for 2 * size images on average.
    age = (np.arange(size, size + num_images) - outputs)[is_old]
    assert age.mean() == pytest.approx(2 * size, rel=0.1)


def test_a_pool_of_none_hands_on():
    pool = ImagePool(0, (2, 2, 1), seed=0)
    np.testing.assert_array_equal(show(pool, numbered(1, 3)), [1, 2, 3])
    assert pool.weights == []


def test_it_goes_on_after_saving(tmp_path):
    def make():
        inputs = keras.Input((2, 2, 1))
        return keras.Model(inputs, ImagePool(4, (2, 2, 1), seed=0)(inputs))

    model, restored = make(), make()
    show(model, numbered(0, 10))
    model.save_weights(tmp_path / "pool.weights.h5")
    restored.load_weights(tmp_path / "pool.weights.h5")
    np.testing.assert_array_equal(stored(model.layers[1]), stored(restored.layers[1]))
    assert int(ops.convert_to_numpy(restored.layers[1].count)) == 4
