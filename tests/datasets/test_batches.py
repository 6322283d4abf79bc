"""Batches are a function of seed, epoch and step, also when `fit` reads them."""

import gc
import threading
import time

import keras
import numpy as np
import PIL.Image
import pytest

from gen_keras.datasets import Batches, binarize, load, random_flip, random_jitter

POINTS = np.arange(32, dtype="float32")[:, None]


class Watched(Batches):
    """Remembers what `fit` read within its epochs."""

    def __init__(self, **options):
        super().__init__((POINTS, POINTS), 4, seed=3, **options)
        self.seen = []
        self.is_training = True

    def on_epoch_end(self):
        """Forgets the looks at batches: they are followed by a reset."""
        super().on_epoch_end()
        if not self.is_training:
            self.seen.clear()
        self.is_training = True

    def __getitem__(self, index):
        batch = super().__getitem__(index)
        if self._in_epoch:
            self.seen.append(batch[0][:, 0])
        return batch

    def fit(self, **options):
        """Fits a model; returns what was read in the epochs."""
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        self.is_training = False
        model.fit(self, verbose=0, **{"shuffle": False, **options})
        return list(self.seen)


def noisy(batch, rng):
    return batch + rng.random(batch.shape).astype("float32") / 2


def epochs(count, **options):
    """Returns the batches of some epochs, as lists of arrays."""
    batches = Batches(POINTS, 4, seed=7, transform=noisy, **options)
    return [list(batches) for _ in range(count)]


def test_order_is_a_function_of_seed_and_epoch():
    first, again = epochs(2), epochs(2)
    np.testing.assert_array_equal(first, again)
    batches = Batches(POINTS, 4, seed=7)
    orders = [list(batches), list(batches), list(Batches(POINTS, 4, seed=8))]
    assert not np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])


def test_order_does_not_depend_on_global_random_state():
    keras.utils.set_random_seed(1)
    first = epochs(1)
    keras.utils.set_random_seed(2)
    np.testing.assert_array_equal(first, epochs(1))


@pytest.mark.parametrize("step", [0, 1, 5, 7])
def test_resume_in_the_middle_of_an_epoch(step):
    uninterrupted = epochs(4)
    resumed = epochs(1, first_epoch=3, first_step=step)
    np.testing.assert_array_equal(uninterrupted[3][step:], resumed[0])


def test_first_step_is_for_one_epoch_only():
    batches = Batches(POINTS, 4, seed=0, first_epoch=1, first_step=6)
    assert (len(batches), batches.steps_per_epoch) == (2, 8)
    assert len(list(batches)) == 2
    with pytest.raises(ValueError, match="epoch 1 alone"):
        list(batches)


def test_each_example_comes_at_most_once_an_epoch():
    batches = Batches(np.arange(30), 4, seed=0)
    for _ in range(3):
        seen = np.concatenate(list(batches))
        assert len(seen) == 28 and len(np.unique(seen)) == 28


def test_transform_gets_the_generator_of_its_step():
    batches = Batches(POINTS, 8, seed=5, first_epoch=2, transform=lambda _, rng: rng)
    for step, rng in enumerate(batches):
        assert rng.random() == np.random.default_rng((5, 2, step)).random()


def test_order_and_transform_draw_from_different_streams():
    order = np.concatenate(list(Batches(np.arange(32), 32, seed=5)))
    first = np.random.default_rng((5, 0, 0)).permutation(32)
    assert not np.array_equal(order, first)


def test_fit_sees_the_order_of_seed_and_epoch():
    seen = Watched().fit(epochs=3)
    batches = Batches(POINTS, 4, seed=3)
    expected = [batch[:, 0] for _ in range(3) for batch in batches]
    np.testing.assert_array_equal(seen, expected)


def test_fit_resumes():
    whole = Watched().fit(epochs=3)
    rest = Watched(first_epoch=1, first_step=5).fit(initial_epoch=1, epochs=2)
    rest += Watched(first_epoch=2).fit(initial_epoch=2, epochs=3)
    np.testing.assert_array_equal(whole[8 + 5 :], rest)


def test_two_fits_of_one_object_go_on():
    batches = Watched()
    seen = batches.fit(epochs=1) + batches.fit(initial_epoch=1, epochs=3)
    np.testing.assert_array_equal(Watched().fit(epochs=3), seen)


@pytest.mark.backends("tensorflow", "jax")  # Keras refuses it on torch.
@pytest.mark.parametrize("steps", [4, 8])
def test_steps_per_execution(steps):
    batches = Watched()
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=steps)
    model.fit(batches, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_array_equal(batches.seen[-8:], Watched().fit(epochs=2)[-8:])


def test_one_batch_an_epoch():
    epochs = []
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    batches = Batches((POINTS, POINTS), 32, seed=3)
    log = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: epochs.append(batches._epoch)
    )
    model.fit(batches, epochs=3, shuffle=False, verbose=0, callbacks=[log])
    assert epochs == [1, 2, 3]


@pytest.mark.parametrize("is_built", [False, True])
def test_a_built_model_gets_the_same_batches(is_built):
    """Keras looks at batches of an unbuilt model between begin and end of an epoch."""
    batches = Watched()
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    if is_built:
        model.train_on_batch(POINTS, POINTS)
    model.fit(batches, epochs=2, shuffle=False, verbose=0)
    expected = [x[:, 0] for x, _ in Watched(first_epoch=1)]
    np.testing.assert_array_equal(batches.seen[-8:], expected)


def test_validation_and_evaluate():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    train, validation = (Batches((POINTS, POINTS), 4, seed=s) for s in (0, 1))
    model.fit(train, validation_data=validation, epochs=2, shuffle=False, verbose=0)
    assert model.evaluate(validation, verbose=0) >= 0


def test_stopped_epoch_begins_anew():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    batches = Watched()
    batches.fit(epochs=1, callbacks=[Stop()])
    seen = batches.fit(epochs=1)
    np.testing.assert_array_equal(seen[-8:], Watched().fit(epochs=1)[-8:])


@pytest.mark.parametrize("options", [{"shuffle": True}, {"steps_per_epoch": 3}])
def test_fit_in_another_order_is_refused(options):
    keras.utils.set_random_seed(0)
    with pytest.raises(Exception, match="shuffle=False"):
        Watched().fit(epochs=3, **options)


def test_looking_at_a_batch_changes_nothing():
    batches = Batches(POINTS, 4, seed=7, transform=noisy)
    looked = batches[0]
    next(iter(batches))
    gc.collect()
    read = list(batches)
    np.testing.assert_array_equal(looked, read[0])
    np.testing.assert_array_equal(read, epochs(1)[0])


def test_a_look_after_an_interrupted_epoch():
    """The last batch may be read ahead and the step not be made: the epoch is not done.

    Keras does not end that epoch; the next `fit` looks at a batch, then resets.
    """
    batches = Batches(POINTS, 4, seed=0)
    batches.on_epoch_end()
    batches.on_epoch_begin()
    first = [batches[i] for i in range(8)][0]
    np.testing.assert_array_equal(batches[0], first)
    batches.on_epoch_end()
    np.testing.assert_array_equal(next(iter(batches)), first)


def test_reads_ahead_in_one_other_thread():
    threads, read = set(), []

    def slow(batch, rng):
        threads.add(threading.get_ident())
        read.append(len(read))
        return batch

    batches = Batches(POINTS, 4, seed=0, transform=slow)
    batches.on_epoch_begin()
    batches[0]
    deadline = time.monotonic() + 5
    while len(read) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(read) == 2  # The next one, and no more.
    for index in range(1, 8):
        batches[index]
    assert len(read) == 8
    assert len(threads) == 1 and threading.get_ident() not in threads


def test_an_error_while_reading_ahead_arrives():
    def fail(batch, rng):
        if batch[0, 0] >= 0:
            raise OSError("a.png could not be read")

    with pytest.raises(OSError, match="a.png"):
        list(Batches(POINTS, 4, seed=0, transform=fail))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "`batch_size`.*Received: batch_size=0"),
        ({"batch_size": 33}, "`batch_size`.*32"),
        ({"seed": -1}, "`seed`"),
        ({"first_epoch": -1}, "`first_epoch`"),
        ({"first_step": 8}, "`first_step`.*next epoch"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        Batches(POINTS, **{"batch_size": 4, "seed": 0, **options})
    with pytest.raises(ValueError, match="one length"):
        Batches((POINTS, POINTS[:3]), 1, seed=0)


def test_unpaired_partners_change_and_none_is_left_out():
    dataset = load("emoji_vendors", "validation", paired=False, image_size=8)
    rng = np.random.default_rng(0)
    orders = [dataset.epoch_order(rng) for _ in range(2)]
    for order in orders:
        for side in order.T:
            np.testing.assert_array_equal(np.sort(side), np.arange(150))
    pairs = [dict(order) for order in orders]
    assert pairs[0] != pairs[1]
    a, b = next(iter(dataset.batches(4, seed=0)))
    assert a.shape == b.shape == (4, 8, 8, 3)


def test_binarize():
    rng = np.random.default_rng(0)
    grey = np.full((4, 50, 50, 1), 0.25, "float32")
    binary = binarize(grey, rng)
    assert binary.dtype == np.float32 and set(np.unique(binary)) == {0, 1}
    assert abs(binary.mean() - 0.25) < 0.02
    assert binarize(np.ones((9, 99)), rng).all()
    assert not binarize(np.zeros((9, 99)), rng).any()
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        binarize(grey - 1, rng)


def test_random_flip_mirrors_pairs_together():
    a = np.random.default_rng(1).random((40, 3, 5, 1)).astype("float32")
    flipped, twice = random_flip((a, 2 * a), np.random.default_rng(0))
    np.testing.assert_array_equal(2 * flipped, twice)
    mirrored = [np.array_equal(x, y[:, ::-1]) for x, y in zip(flipped, a, strict=True)]
    same = [np.array_equal(x, y) for x, y in zip(flipped, a, strict=True)]
    assert all(m != s for m, s in zip(mirrored, same, strict=True))
    assert 10 < sum(mirrored) < 30
    assert random_flip(a, np.random.default_rng(0)).shape == a.shape


def test_random_jitter_treats_pairs_alike():
    a = np.random.default_rng(1).random((6, 16, 16, 3)).astype("float32")
    jittered, negative = random_jitter((a, 1 - a[..., :1]), np.random.default_rng(0))
    assert jittered.shape == a.shape and jittered.dtype == np.float32
    # Interpolation is linear; only the clipping of its overshoots is not.
    inside = (jittered[..., :1] > 0.02) & (jittered[..., :1] < 0.98)
    difference = np.abs(jittered[..., :1] + negative - 1)
    assert inside.mean() > 0.8 and difference[inside].max() < 1e-2


def test_random_jitter_is_a_crop_of_the_enlarged_image():
    images = np.random.default_rng(1).random((64, 12, 16, 1)).astype("float32")
    jittered = random_jitter(images, np.random.default_rng(0), scale=1.25)
    size = (20, 15)  # Width and height.
    starts = set()
    for before, after in zip(images, jittered, strict=True):
        image = PIL.Image.fromarray(before[..., 0])
        larger = np.asarray(image.resize(size, PIL.Image.Resampling.BICUBIC))
        larger = larger.clip(images.min(), images.max())
        found = [
            (top, left, mirrored)
            for top in range(15 - 12 + 1)
            for left in range(20 - 16 + 1)
            for mirrored in (False, True)
            if np.allclose(
                larger[top : top + 12, left : left + 16][:, :: -1 if mirrored else 1],
                after[..., 0],
                atol=1e-5,
            )
        ]
        assert len(found) == 1
        starts.update(found)
    assert {top for top, _, _ in starts} == set(range(4))
    assert {left for _, left, _ in starts} == set(range(5))
    assert {mirrored for _, _, mirrored in starts} == {False, True}


def test_random_jitter_of_scale_1_only_mirrors():
    images = np.random.default_rng(1).random((8, 4, 4, 1)).astype("float32")
    jittered = random_jitter(images, np.random.default_rng(0), scale=1.0)
    for before, after in zip(images, jittered, strict=True):
        assert any(np.allclose(x, after, atol=1e-6) for x in (before, before[:, ::-1]))
