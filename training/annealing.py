"""Likelihoods by annealed importance sampling, of whatever has an RBM in it."""

import numpy as np
from keras import ops

from gen_keras import metrics
from gen_keras.models import DBM, DBN, RBM, ClassRBM
from gen_keras.models.boltzmann_machines import units


def suits(model):
    """Returns whether log Z of a model is that of an RBM of binary units."""
    if isinstance(model, DBM):
        return True
    rbm = model.top if isinstance(model, DBN) else model
    if not isinstance(rbm, RBM) or isinstance(rbm, ClassRBM):
        return False
    layers = rbm.visible_layer, rbm.hidden_layer
    return all(isinstance(layer, units.Bernoulli) for layer in layers)


def make_schedule(num_temperatures):
    """Returns equally spaced inverse temperatures; 0: the 14,500 of the literature."""
    if num_temperatures:
        return metrics.linear_schedule(num_temperatures)
    return metrics.reference_schedule()


def weights_of(model, images):
    """Returns the weights of the RBM whose log Z a model has, and its base biases."""
    if isinstance(model, DBM):
        base = np.zeros(model.as_rbm()[0].shape[0])
        base[: model.layer_dims[0]] = metrics.base_rate_bias(images)
        return model.as_rbm(), base
    if isinstance(model, DBN):
        below = ops.convert_to_numpy(
            model.prop_up(images[:10_000], len(model.rbms) - 1)
        )
        return model.top._weight_arrays(), metrics.base_rate_bias(below)
    return model._weight_arrays(), metrics.base_rate_bias(images)


def log_prob(model, images, log_partition):
    """Returns log p(v), of a DBN or DBM a lower bound, (batch,)."""
    if isinstance(model, RBM):
        return model.log_prob(images, log_partition)
    if isinstance(model, DBN):
        return model.log_prob_bound(images, log_partition, num_samples=20, seed=0)
    return model.log_prob_bound(images, log_partition)
