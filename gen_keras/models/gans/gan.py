"""Generative adversarial network (GAN), and what all GANs that sample share.

A generator turns noise into samples; a discriminator tells them from data. Each is
trained against the other: the discriminator to be right, the generator to have it
wrong. If both could be any function, the samples would end as the data are distributed.

The parts of a step are methods, so that a variant overrides only what its paper
changes: the networks, what an example is, what the discriminator says of it, the two
losses. It sets the numbers among its arguments before it calls the constructor here,
which checks them and then makes the networks.

Reference:
    Goodfellow et al., Generative Adversarial Nets, 2014.
    https://arxiv.org/abs/1406.2661
"""

import math

import keras
from keras import ops

from gen_keras import backend
from gen_keras.layers import InstanceNoise, keep_estimates
from gen_keras.models.base import (
    CheckedData,
    GenerativeModel,
    LatentSpace,
    check_at_least,
    check_range,
)
from gen_keras.models.gans import losses, networks
from gen_keras.models.gans.base import TwoSides
from gen_keras.models.gans.tricks import Trick

# Model ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="gen_keras")
class GAN(CheckedData, LatentSpace, TwoSides, GenerativeModel):
    """Generative adversarial network.

    Args:
        image_shape: Tuple (height, width, channels), or (2,) for points of the plane.
        latent_dim: Integer, the length of the noise (released code: 100).
        latent_distribution: String, that of the noise: "normal", or "uniform" in
            [-1, 1].
        base_filters: Integer or `None`. If given, the networks are DCGAN's, with so
            many filters at half the image size; `None` builds dense ones.
        kernel_size: Integer, side of the convolution kernels, if there are any.
        saturating: Boolean, whether the generator minimizes log(1 - D(G(z))), the
            minimax game, in place of -log D(G(z)). Games of other losses have no such
            choice.
        discriminator_steps: Integer, the updates of the discriminator, each on a batch
            of its own, for one of the generator (k of algorithm 1, experiments: 1).
        tricks: Sequence of `gen_keras.models.gans.tricks.Trick`.
        ema_momentum: Float in (0, 1) or `None`. If given, `sample` and `decode` use a
            moving average of the generator's weights (and `encode` of the encoder's, if
            there is one), updated after each of its steps. The paper has none.
        generator: Model from latents to examples; `None` builds one.
        discriminator: Model from examples to logits (batch, 1); `None` builds one.
        seed: Integer or `None`, seed of all sampling.

    Raises:
        ValueError: If an argument is out of range.

    Example:
    >>> model = GAN(image_shape=(28, 28, 1))
    >>> model.compile()
    >>> model.fit(images)  # (num_images, 28, 28, 1) in [-1, 1]
    >>> model.sample(16).shape
    (16, 28, 28, 1)

    Reference:
        Goodfellow et al., 2014, algorithm 1.
    """

    metric_names = ("discriminator_loss", "generator_loss", "real_score", "fake_score")
    value_range = (-1.0, 1.0)
    judged = None
    discriminator_options = {}
    generator_options = {}

    def __init__(
        self,
        image_shape=(28, 28, 1),
        latent_dim=100,
        latent_distribution="normal",
        base_filters=None,
        kernel_size=5,
        saturating=False,
        discriminator_steps=1,
        tricks=(),
        ema_momentum=None,
        generator=None,
        discriminator=None,
        seed=None,
    ):
        super().__init__(seed)
        self.image_shape = tuple(image_shape)
        if len(self.image_shape) == 1:  # Points have no bounds.
            self.value_range = (-math.inf, math.inf)
        self.latent_dim = latent_dim
        self.latent_distribution = latent_distribution
        self.base_filters = base_filters
        self.kernel_size = kernel_size
        self.saturating = saturating
        self.discriminator_steps = discriminator_steps
        self.ema_momentum = ema_momentum
        self.check_arguments()
        self.generator = generator or self.make_generator()
        self.discriminator = discriminator or self.make_discriminator()
        self.keep_average("generator")
        self.attach_tricks(tricks)
        self.built = True

    def keep_average(self, name):
        """Makes the network `average_NAME`, if the model has moving averages."""
        if self.ema_momentum is not None:
            network = getattr(self, name)
            average = keras.models.clone_model(network)
            average.trainable = False
            average.set_weights(network.get_weights())
            setattr(self, f"average_{name}", average)

    def averaged(self, name):
        """Returns the moving average of a network, or the network if there is none."""
        return getattr(self, name if self.ema_momentum is None else f"average_{name}")

    def attach_tricks(self, tricks):
        """Sets `tricks` and shows them the model, whose networks must be there."""
        self.tricks = list(tricks)
        for trick in self.tricks:
            if not isinstance(trick, Trick):
                raise ValueError(
                    "`tricks` must be objects of `gen_keras.models.gans.tricks`, such "
                    f"as LabelSmoothing(). Received: {trick!r}"
                )
            trick.attach(self)
            trick.attached = True

    def check_arguments(self):
        """Raises a `ValueError` if an argument is out of range."""
        check_at_least(self, 1, "latent_dim", "discriminator_steps")
        if self.latent_distribution not in ("normal", "uniform"):
            raise ValueError(
                "`latent_distribution` must be 'normal' or 'uniform'. "
                f"Received: {self.latent_distribution!r}"
            )
        if self.saturating and type(self).loss_pair is not GAN.loss_pair:
            raise ValueError(
                f"`saturating` is for cross-entropy; {type(self).__name__} has another "
                "loss. Received: saturating=True"
            )
        if self.ema_momentum is not None and not 0 < self.ema_momentum < 1:
            raise ValueError(
                f"`ema_momentum` must be between 0 and 1. Received: {self.ema_momentum}"
            )

    @property
    def sampler(self):
        """The network that samples: the moving average, if there is one."""
        return self.averaged("generator")

    def call(self, latents, training=False):
        """Maps latents (batch, latent_dim) to examples (batch, *image_shape)."""
        return self.generator(latents, training=training)

    # Sampling -------------------------------------------------------------------------

    def sample(self, num_samples, seed=None, truncation=1.0):
        """Returns generated examples (num_samples, *image_shape) in `value_range`.

        Args:
            num_samples: Integer.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            truncation: Float in (0, 1], a factor of the noise; less is less varied.
        """
        return self.decode(self.sample_latents(num_samples, seed, truncation))

    def sample_latents(self, num_samples, seed=None, truncation=1.0):
        """Returns random latents (num_samples, latent_dim), times `truncation`."""
        check_range("num_samples", num_samples, 1)
        if not 0 < truncation <= 1:
            raise ValueError(f"`truncation` must be in (0, 1]. Received: {truncation}")
        with self.seeded(seed):
            return self.draw_noise(num_samples) * truncation

    def decode(self, latents):
        """Returns the examples (batch, *image_shape) of latents (batch, latent_dim)."""
        with backend.no_gradients():
            return self.sampler(latents, training=False)

    def draw_noise(self, num_samples):
        """Returns noise (num_samples, latent_dim)."""
        shape = (num_samples, self.latent_dim)
        if self.latent_distribution == "normal":
            return backend.normal(shape, seed=self.seed_generator)
        return backend.uniform(shape, -1.0, 1.0, seed=self.seed_generator)

    # Training -------------------------------------------------------------------------

    def train_step(self, data):
        """Updates the discriminator; at every k-th batch the generator, too."""
        data = self.unpack(data)

        self.update_discriminator(data)
        backend.when(self.generator_is_due(), lambda: self.update_generator(data))

        return self.means.result()

    def unpack(self, data):
        """Returns what the loss functions take, from what `fit` hands over."""
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return ops.convert_to_tensor(images)

    def generator_is_due(self):
        """Returns whether the discriminator had its k updates, a boolean."""
        if self.discriminator_steps == 1:
            return True
        return self.discriminator_optimizer.iterations % self.discriminator_steps == 0

    def update_discriminator(self, data):
        """Takes a step of the discriminator."""
        logs = self.minimize(
            lambda: self.compute_discriminator_loss(data, training=True),
            self.discriminator_optimizer,
            self.discriminator_variables,
        )
        self.update_metrics(logs)
        self.constrain_discriminator()
        for trick in self.tricks:
            trick.after_discriminator_step(self)
        for layer in self.discriminator._flatten_layers():
            if isinstance(layer, InstanceNoise):
                layer.advance()

    def update_generator(self, data):
        """Takes a step of the generator."""
        with keep_estimates():
            logs = self.minimize(
                lambda: self.compute_generator_loss(data, training=True),
                self.generator_optimizer,
                self.generator_variables,
            )
        self.update_metrics(logs)
        for trick in self.tricks:
            trick.after_generator_step(self)
        if self.ema_momentum is not None:
            self.update_average()

    def test_step(self, data):
        """Returns the losses on held-out examples."""
        data = self.unpack(data)
        _, logs = self.compute_discriminator_loss(data, training=False)
        _, generator_logs = self.compute_generator_loss(data, training=False)
        return self.update_metrics(logs | generator_logs, self.batch_size(data))

    def compute_discriminator_loss(self, data, training):
        """Returns -E[log D(x)] - E[log(1 - D(G(z)))], with D = sigmoid(logits)."""
        real = self.real_examples(data, training)
        fake = self.fake_examples(data, training)
        real, fake = keras.tree.map_structure(ops.stop_gradient, (real, fake))
        for trick in self.tricks:
            fake = trick.remembered(fake) if training else fake
        # Two batches: statistics over real and fake images together would leak which
        # image is which.
        real_logits, real_loss = self.judge(real, training)
        with keep_estimates():  # Spectral norms move once a step.
            fake_logits, fake_loss = self.judge(fake, training)
            penalty, logs = self.compute_penalty(real, fake, training)
        loss = self.discriminator_loss(real_logits, fake_logits) + penalty
        loss = loss + real_loss + fake_loss
        for trick in self.tricks:
            loss = loss + trick.discriminator_term(self)
        return loss, logs | {
            "discriminator_loss": loss,
            "real_score": ops.mean(self.score(real_logits)),
            "fake_score": ops.mean(self.score(fake_logits)),
        }

    def compute_generator_loss(self, data, training):
        """Returns -E[log D(G(z))], whose gradient does not vanish where D is sure.

        With `saturating` it is E[log(1 - D(G(z)))].
        """
        fake = self.fake_examples(data, training)
        fake_logits, fake_loss = self.judge(fake, training)
        loss = self.generator_loss(fake_logits) + fake_loss
        for trick in self.tricks:
            loss = loss + trick.generator_term(self, data, fake, training)
        logs = {self.judged: fake_loss} if self.judged else {}
        return loss, logs | {"generator_loss": loss}

    # What variants change -------------------------------------------------------------

    @property
    def num_latents(self):
        """Integer, the inputs of the generator: noise, and what else it is told."""
        return self.latent_dim

    def make_generator(self):
        """Returns a model: (batch, num_latents) to (batch, *image_shape)."""
        return networks.build_generator(
            self.image_shape, self.num_latents, self.base_filters, self.kernel_size
        )

    def make_discriminator(self):
        """Returns a model from examples to logits (batch, 1)."""
        return networks.build_discriminator(
            self.image_shape, self.base_filters, self.kernel_size
        )

    def batch_size(self, data):
        """Returns the examples of a batch, an integer or a scalar tensor."""
        return ops.shape(keras.tree.flatten(data)[0])[0]

    def real_examples(self, data, training):
        """Returns what the discriminator is to take for real."""
        return data

    def fake_examples(self, data, training):
        """Returns as many generated ones."""
        return self(self.draw_noise(self.batch_size(data)), training=training)

    def judge(self, examples, training):
        """Returns the logits of examples, and a loss that both sides have of them.

        The latter is 0 here: only a discriminator that is to recognize more has one,
        and names it in `judged`.
        """
        return self.discriminator(examples, training=training), 0.0

    def compute_penalty(self, real, fake, training):
        """Returns what a discriminator has to pay for its shape, and logs of it."""
        return 0.0, {}

    def constrain_discriminator(self):
        """Puts the discriminator back among those that the paper allows."""

    @property
    def loss_pair(self):
        """The `losses.LossPair` of the game."""
        return losses.MINIMAX if self.saturating else losses.NON_SATURATING

    def discriminator_loss(self, real_logits, fake_logits):
        """Returns the scalar that the discriminator minimizes."""
        options = dict(self.discriminator_options)
        for trick in self.tricks:
            options |= trick.discriminator_options
        values = self.loss_pair.discriminator(real_logits, fake_logits, **options)
        # Of several discriminators, each has the whole of its loss.
        return ops.mean(ops.sum(values, axis=-1))

    def generator_loss(self, fake_logits):
        """Returns the scalar that the generator minimizes."""
        values = self.loss_pair.generator(fake_logits, **self.generator_options)
        for trick in self.tricks:
            values = trick.generator_losses(values)
        return ops.mean(values)

    def score(self, logits):
        """Returns the scores to be logged: D, the probability of being real."""
        return ops.sigmoid(logits)

    # The moving average ---------------------------------------------------------------

    def update_average(self):
        """Moves the averaged weights, batch statistics included, to the latest."""
        # Early averages are short, to forget the initial weights.
        step = ops.cast(self.generator_optimizer.iterations, "float32")
        momentum = ops.minimum(self.ema_momentum, (1 + step) / (10 + step))
        for name in self.generator_names:
            for average, weight in zip(
                self.averaged(name).weights, getattr(self, name).weights, strict=True
            ):
                average.assign(momentum * average + (1 - momentum) * weight)
