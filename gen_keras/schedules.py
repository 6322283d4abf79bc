"""Learning rates."""

import keras
from keras import ops


class LateDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A constant rate, then one that falls; base class.

    Args:
        learning_rate: Float, the rate at first.
        constant_steps: Integer, for how many steps.
        decay_steps: Integer, how many steps later the rate is the last one.
    """

    def __init__(self, learning_rate, constant_steps, decay_steps):
        if constant_steps < 0 or decay_steps < 1:
            raise ValueError(
                "`constant_steps` must be at least 0 and `decay_steps` at least 1. "
                f"Received: {constant_steps} and {decay_steps}"
            )
        self.learning_rate = learning_rate
        self.constant_steps = constant_steps
        self.decay_steps = decay_steps

    def __call__(self, step):
        """Returns the rate at `step`, counted from 0."""
        past = ops.cast(step, "float32") - self.constant_steps
        return self.learning_rate * self.share(ops.clip(past / self.decay_steps, 0, 1))

    def share(self, progress):
        """Returns the share of the rate that is left, of the progress in [0, 1]."""
        raise NotImplementedError

    def get_config(self):
        """Returns the arguments."""
        names = ("learning_rate", "constant_steps", "decay_steps")
        return {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable(package="gen_keras")
class LinearDecay(LateDecay):
    """A constant rate, then one that falls to 0 along a line; see `LateDecay`.

    Reference:
        Zhu et al., 2017, appendix 7.1: 100 epochs and 100 epochs.
    """

    def share(self, progress):
        """Returns 1 - progress."""
        return 1 - progress


@keras.saving.register_keras_serializable(package="gen_keras")
class ExponentialDecay(LateDecay):
    """A constant rate, then one that falls to 1 % by equal factors; see `LateDecay`.

    Reference:
        Donahue et al., 2016, appendix C, from 2e-4 to 2e-6; 200 epochs and 200 epochs
        for digits (github.com/jeffdonahue/bigan, train_mnist.sh).
    """

    def share(self, progress):
        """Returns 0.01 to the power of progress."""
        return ops.power(0.01, progress)
