"""Unrolled GAN: the generator foresees what the discriminator will answer.

A generator that plays against the discriminator as it is now puts all samples where it
is weakest, and hops on when it has learned: modes come and go. Here each update of the
generator first plays k updates of the discriminator, differentiates through all of
them, and takes the discriminator back: a collapse that would be punished is avoided.

Reference:
    Metz et al., Unrolled Generative Adversarial Networks, 2016.
    https://arxiv.org/abs/1611.02163
"""

import keras
from keras import ops

from gen_keras import backend
from gen_keras.models.base import check_at_least
from gen_keras.models.gans.gan import GAN
from gen_keras.models.gans.tricks import Trick

# Model ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="gen_keras")
class UnrolledGAN(GAN):
    """GAN whose generator differentiates through updates of the discriminator.

    The unrolled updates are those of the discriminator's optimizer, which must be
    `Adam`, with its moments as they are, or `SGD`, without clipping and the like. What
    tricks add to the discriminator's loss is foreseen, a memory of samples is not.
    `evaluate` gives the losses against the discriminator as it is.

    Args:
        image_shape: See `GAN`.
        latent_dim: Integer, the length of the noise (paper, points: 256).
        unrolled_steps: Integer, the updates that are foreseen (k; 0 is a `GAN`).
        saturating: Boolean. If true, the generator minimizes the whole objective, minus
            the loss of the unrolled discriminator, as in the authors' release; else
            -log D(G(z)) of that discriminator.
        **options: See `GAN`.

    Raises:
        ValueError: If `unrolled_steps` is negative, or if a trick changes the losses of
            the generator, which with `saturating` are not those of its samples alone.

    Example:
    >>> model = UnrolledGAN(image_shape=(2,), latent_dim=256, unrolled_steps=5)
    >>> model.compile()
    >>> model.fit(points)  # (num_points, 2)

    Reference:
        Metz et al., 2016, equations 6 to 10; github.com/poolio/unrolled_gan.
    """

    def __init__(
        self,
        image_shape=(28, 28, 1),
        latent_dim=256,
        unrolled_steps=5,
        saturating=True,
        **options,
    ):
        self.unrolled_steps = unrolled_steps
        super().__init__(image_shape, latent_dim, saturating=saturating, **options)

    def check_arguments(self):
        """Raises a `ValueError` if an argument is out of range."""
        super().check_arguments()
        check_at_least(self, 0, "unrolled_steps")

    def attach_tricks(self, tricks):
        """Refuses what the whole objective leaves no place for."""
        super().attach_tricks(tricks)
        for trick in self.tricks:
            changes = type(trick).generator_losses is not Trick.generator_losses
            if changes and self.saturating:
                raise ValueError(
                    f"{type(trick).__name__} changes the generator's losses. Use "
                    "UnrolledGAN(saturating=False). Received: saturating=True"
                )

    def default_optimizer(self, side):
        """Returns the Adam of the authors' release, see `TwoSides`.

        At equal rates the discriminator wins at once, on digits too, and the objective
        is flat.
        """
        return keras.optimizers.Adam(1e-3 if side == "generator" else 1e-4, beta_1=0.5)

    def compile(
        self, generator_optimizer=None, discriminator_optimizer=None, **options
    ):
        """Sets the optimizers, see `TwoSides.compile`.

        Raises:
            ValueError: If the discriminator's optimizer cannot be unrolled.
        """
        super().compile(generator_optimizer, discriminator_optimizer, **options)
        _updates_of(self.discriminator_optimizer)

    def compute_generator_loss(self, data, training):
        """Returns the loss against the discriminator that k updates lead to."""
        fake = self.fake_examples(data, training)
        weights = [v.value for v in self.discriminator_variables]

        def play(weights):
            with backend.replaced(self.discriminator_variables, weights):
                return self.judge(data, training)[0], self.judge(fake, training)[0]

        def play_and_pay(weights):
            loss = self.discriminator_loss(*play(weights))
            with backend.replaced(self.discriminator_variables, weights):
                return loss + sum(t.discriminator_term(self) for t in self.tricks)

        if training:
            update = _updates_of(self.discriminator_optimizer)
            for _ in range(self.unrolled_steps):
                gradients = backend.input_gradients(play_and_pay, weights)
                weights = update(weights, gradients)

        real_logits, fake_logits = play(weights)
        if self.saturating:
            loss = -self.discriminator_loss(real_logits, fake_logits)
        else:
            loss = self.generator_loss(fake_logits)
        for trick in self.tricks:
            loss = loss + trick.generator_term(self, data, fake, training)
        return loss, {"generator_loss": loss}


class _AdamUpdates:
    """Differentiable updates that go on from where an optimizer is.

    Args:
        optimizer: `keras.optimizers.Adam`.
    """

    def __init__(self, optimizer):
        self.optimizer = optimizer
        self.first = [v.value for v in optimizer._momentums]
        self.second = [v.value for v in optimizer._velocities]
        self.step = ops.cast(optimizer.iterations, keras.config.floatx())

    def __call__(self, weights, gradients):
        """Returns the weights after one update along the gradients."""
        adam = self.optimizer
        self.step = self.step + 1
        corrections = [
            1 - ops.power(beta, self.step) for beta in (adam.beta_1, adam.beta_2)
        ]
        rate = adam.learning_rate * ops.sqrt(corrections[1]) / corrections[0]
        self.first = _averages(self.first, gradients, adam.beta_1)
        self.second = _averages(
            self.second, [ops.square(g) for g in gradients], adam.beta_2
        )
        # The square root has no finite gradient at zero.
        return [
            weight - rate * m / (ops.sqrt(v + 1e-14) + adam.epsilon)
            for weight, m, v in zip(weights, self.first, self.second, strict=True)
        ]


class _SGDUpdates:
    """The same for `keras.optimizers.SGD` (equation 7)."""

    def __init__(self, optimizer):
        self.optimizer = optimizer

    def __call__(self, weights, gradients):
        """Returns the weights after one update along the gradients."""
        rate = self.optimizer.learning_rate
        return [w - rate * g for w, g in zip(weights, gradients, strict=True)]


def _averages(averages, values, beta):
    return [
        beta * average + (1 - beta) * value
        for average, value in zip(averages, values, strict=True)
    ]


# What would change the updates of an optimizer.
_OPTIONS = ("momentum", "amsgrad", "weight_decay", "gradient_accumulation_steps")
_OPTIONS += ("clipnorm", "global_clipnorm", "clipvalue")


def _updates_of(optimizer):
    """Returns a function (weights, gradients) -> weights that does what it would do."""
    # On PyTorch each optimizer is of a class of its own, derived from these.
    for kind, updates in (
        (keras.optimizers.Adam, _AdamUpdates),
        (keras.optimizers.SGD, _SGDUpdates),
    ):
        options = [name for name in _OPTIONS if getattr(optimizer, name, None)]
        if isinstance(optimizer, kind) and not options:
            return updates(optimizer)
    raise ValueError(
        "`discriminator_optimizer` must be Adam or SGD to be unrolled, without "
        f"{', '.join(_OPTIONS)}. Received: {optimizer} with {optimizer.get_config()}"
    )
