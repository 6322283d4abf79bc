import keras
import numpy as np
import pytest
from keras import ops

from gen_keras.models import DBM, DBN, RBM, ClassRBM

# Given that no hidden unit is 1, these visible units are almost surely 1, or 0.
SIGNS = np.array([1, 1, 1, 1, -1, -1, -1, -1], "float32")


def remember(rbm):
    """Gives an RBM weights with which each unit stays what it was."""
    rbm.kernel.assign(np.zeros(rbm.kernel.shape))
    kernel = ops.convert_to_numpy(rbm.kernel).copy()
    kernel[:8] = -40 * np.diag(SIGNS)
    rbm.kernel.assign(kernel)
    bias = np.zeros(rbm.visible_bias.shape)
    bias[:8] = 20 * SIGNS
    rbm.visible_bias.assign(bias)
    rbm.hidden_bias.assign(20 * SIGNS)
    return rbm


def make_dbn():
    model = DBN((8,), (8, 8), seed=0)
    for rbm in model.rbms:
        remember(rbm)
    return model


def make_dbm():
    model = DBM((8,), (8, 8), seed=0)
    rbm = remember(RBM((8,), 8))
    model.kernels[0].assign(rbm.kernel)
    model.kernels[1].assign(np.zeros((8, 8)))
    model.biases[0].assign(rbm.visible_bias)
    model.biases[1].assign(rbm.hidden_bias)
    return model


@pytest.mark.parametrize(
    "make",
    [
        lambda: remember(RBM((8,), 8, seed=0)),
        lambda: remember(RBM((8,), 8, num_chains=5, seed=0)),
        lambda: remember(ClassRBM((8,), 3, 8, seed=0)),
        make_dbn,
        make_dbm,
    ],
)
def test_unknown_pixels_start_as_if_no_hidden_unit_were_on(make):
    keras.utils.set_random_seed(0)
    model = make()
    images = (np.random.default_rng(0).random((50, 8)) < 0.5).astype("float32")
    mask = np.array([1, 1, 0, 0, 0, 0, 1, 1])
    # What the chain starts from is what it ends with.
    completed = ops.convert_to_numpy(model.complete(images, mask, 0, gibbs_steps=3))
    expected = np.where(mask == 1, images, SIGNS > 0)
    np.testing.assert_array_equal(completed, expected)


def test_a_known_class_stays():
    # All that the hidden units hear of is the class, which decides all pixels.
    model = ClassRBM((8,), 2, 8, seed=0)
    kernel = np.zeros((10, 8), "float32")
    kernel[:8] = 40 * np.eye(8)
    kernel[8:] = 40 * np.array([[1] * 8, [-1] * 8])
    model.kernel.assign(kernel)
    model.visible_bias.assign([-20] * 8 + [0, 0])
    model.hidden_bias.assign([-20] * 8)
    images, mask = np.zeros((6, 8), "float32"), np.array([1] + [0] * 7)
    classes = np.array([0, 1, 0, 0, 1, 1])
    completed = model.complete((images, classes), mask, 0, gibbs_steps=3)
    expected = np.tile((classes == 0)[:, None], (1, 8)) * (mask == 0)
    np.testing.assert_array_equal(ops.convert_to_numpy(completed), expected)
