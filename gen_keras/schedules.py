"""Learning rates."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="gen_keras")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A constant rate, then one that falls to 0 along a line.

    Args:
        learning_rate: Float, the rate at first.
        constant_steps: Integer, for how many steps.
        decay_steps: Integer, how many steps later the rate would be 0.

    Reference:
        Zhu et al., 2017, appendix 7.1: 100 epochs and 100 epochs.
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
        return self.learning_rate * ops.clip(1 - past / self.decay_steps, 0.0, 1.0)

    def get_config(self):
        """Returns the arguments."""
        names = ("learning_rate", "constant_steps", "decay_steps")
        return {name: getattr(self, name) for name in names}
