"""Variational autoencoder (VAE).

An encoder approximates the posterior p(z | x) of a latent vector by a Gaussian with
diagonal covariance; a decoder gives p(x | z). Both maximize a lower bound of
log p(x), the ELBO: E[log p(x | z)] - KL(q(z | x) || p(z)). Its gradient passes through
the sample z because z is written as mean + stddev * noise.

References:
    Kingma and Welling, Auto-Encoding Variational Bayes, 2013.
    https://arxiv.org/abs/1312.6114
    Burda et al., Importance Weighted Autoencoders, 2015 (the bound of `iwae_bound`).
    https://arxiv.org/abs/1509.00519
"""

import math

import keras
from keras import layers, ops

from gen_keras import backend
from gen_keras.models.base import (
    CheckedData,
    GenerativeModel,
    LatentSpace,
    check_examples,
    check_range,
)

LIKELIHOODS = ("bernoulli", "gaussian")

# Networks ---------------------------------------------------------------------------


def build_dense_encoder(image_shape=(28, 28, 1), latent_dim=20, hidden_dims=(500,)):
    """Returns a model: (batch, *image_shape) to (batch, 2 * latent_dim)."""
    inputs = keras.Input(image_shape)
    x = layers.Flatten()(inputs)
    for units in hidden_dims:
        x = layers.Dense(units, activation="tanh")(x)
    return keras.Model(inputs, _posterior(x, latent_dim), name="encoder")


def build_dense_decoder(image_shape=(28, 28, 1), latent_dim=20, hidden_dims=(500,)):
    """Returns a model: (batch, latent_dim) to (batch, *image_shape), unbounded."""
    inputs = x = keras.Input((latent_dim,))
    for units in reversed(hidden_dims):
        x = layers.Dense(units, activation="tanh")(x)
    x = layers.Dense(math.prod(image_shape), dtype="float32")(x)
    outputs = layers.Reshape(image_shape, dtype="float32")(x)
    return keras.Model(inputs, outputs, name="decoder")


def build_convolutional_encoder(
    image_shape=(28, 28, 1), latent_dim=20, hidden_dims=(32, 64, 256)
):
    """Returns a model: (batch, *image_shape) to (batch, 2 * latent_dim).

    All but the last of `hidden_dims` are filters, each at half the size of the one
    before; the last are the units of a dense layer.
    """
    *filters, units = hidden_dims
    inputs = x = keras.Input(image_shape)
    for count in filters:
        x = layers.Conv2D(count, 4, 2, "same", activation="relu")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(units, activation="relu")(x)
    return keras.Model(inputs, _posterior(x, latent_dim), name="encoder")


def build_convolutional_decoder(
    image_shape=(28, 28, 1), latent_dim=20, hidden_dims=(32, 64, 256)
):
    """Returns a model: (batch, latent_dim) to (batch, *image_shape), unbounded."""
    height, width, channels = image_shape
    *filters, units = hidden_dims
    scale = 2 ** len(filters)
    if not filters or height % scale or width % scale:
        raise ValueError(
            "`hidden_dims` must name one layer of filters for each halving of the "
            f"image, then the units. Received: {tuple(hidden_dims)} for {image_shape}"
        )
    start = (height // scale, width // scale, filters[-1])
    inputs = keras.Input((latent_dim,))
    x = layers.Dense(units, activation="relu")(inputs)
    x = layers.Dense(math.prod(start), activation="relu")(x)
    x = layers.Reshape(start)(x)
    for count in reversed(filters[:-1]):
        x = layers.Conv2DTranspose(count, 4, 2, "same", activation="relu")(x)
    outputs = layers.Conv2DTranspose(channels, 4, 2, "same", dtype="float32")(x)
    return keras.Model(inputs, outputs, name="decoder")


def _posterior(x, latent_dim):
    # The ELBO is sensitive to rounding, so it is float32 in any dtype policy.
    return layers.Dense(2 * latent_dim, dtype="float32", name="posterior")(x)


NETWORKS = {
    "dense": (build_dense_encoder, build_dense_decoder, (500,)),
    "convolutional": (
        build_convolutional_encoder,
        build_convolutional_decoder,
        (32, 64, 256),
    ),
}

# Model ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="gen_keras")
class VAE(CheckedData, LatentSpace, GenerativeModel):
    """Variational autoencoder with a standard normal prior of the latents.

    Args:
        image_shape: Tuple (height, width, channels).
        latent_dim: Integer, the length of a latent vector.
        likelihood: "bernoulli" (pixels 0 or 1; gray values between count as
            probabilities, and the bounds are then no bounds of a density) or
            "gaussian" (any real pixels; one standard deviation for all of them, learnt
            with the networks).
        network: "dense" (the paper's) or "convolutional".
        hidden_dims: Tuple of integers, the hidden layers of the encoder; the decoder
            has them in reverse. "convolutional" reads all but the last as filters.
            `None` means (500,), the paper's, or (32, 64, 256).
        encoder: Model from images to (batch, 2 * latent_dim), the mean and the
            logarithm of the variance of q(z | x); `None` builds one.
        decoder: Model from (batch, latent_dim) to images: logits of the pixels
            ("bernoulli") or their means ("gaussian"); `None` builds one.
        seed: Integer or `None`, seed of all sampling.

    Raises:
        ValueError: If `likelihood` or `network` is unknown, or `hidden_dims` does not
            fit the images.

    Example:
    >>> model = VAE(image_shape=(28, 28, 1))
    >>> model.compile()
    >>> model.fit(images)  # (num_images, 28, 28, 1) in [0, 1]
    >>> model.sample(16).shape
    (16, 28, 28, 1)

    Reference:
        Kingma and Welling, 2013: equation 10 and appendices B and C. There a Gaussian
        decoder has a variance for each pixel, and the initial weights are N(0, 0.01);
        here it has one, and the initial weights are those of Keras.
    """

    metric_names = ("loss", "reconstruction_loss", "kl_divergence")

    def __init__(
        self,
        image_shape=(28, 28, 1),
        latent_dim=20,
        likelihood="bernoulli",
        network="dense",
        hidden_dims=None,
        encoder=None,
        decoder=None,
        seed=None,
    ):
        super().__init__(seed)
        if likelihood not in LIKELIHOODS:
            raise ValueError(
                f"`likelihood` must be one of {LIKELIHOODS}. Received: {likelihood}"
            )
        if network not in NETWORKS:
            raise ValueError(
                f"`network` must be one of {tuple(NETWORKS)}. Received: {network}"
            )
        build_encoder, build_decoder, default_dims = NETWORKS[network]
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        self.likelihood = likelihood
        self.network = network
        self.hidden_dims = tuple(hidden_dims or default_dims)
        shape = (self.image_shape, latent_dim, self.hidden_dims)
        self.encoder = encoder or build_encoder(*shape)
        self.decoder = decoder or build_decoder(*shape)
        if likelihood == "gaussian":
            self.log_stddev = self.add_weight(
                shape=(), initializer="zeros", name="log_stddev"
            )
        self.built = True

    @property
    def sampler(self):
        """The decoder as a plain model from latents to images."""
        if self.likelihood == "gaussian":
            return self.decoder
        latents = keras.Input((self.latent_dim,))
        images = layers.Activation("sigmoid", dtype="float32")(self.decoder(latents))
        return keras.Model(latents, images, name="generator")

    def compile(self, optimizer=None, **options):
        """Sets the optimizer; by default Adam(1e-3).

        Args:
            optimizer: `keras.optimizers.Optimizer`. The paper's Adagrad predates Adam.
            **options: See `keras.Model.compile`.
        """
        super().compile(optimizer or keras.optimizers.Adam(1e-3), **options)

    def call(self, images, training=False):
        """Reconstructs images: returns E[x | z] at the mean of q(z | x)."""
        mean, _ = self.encode(images, training)
        return self._pixel_means(self.decoder(mean, training=training))

    def reconstruct(self, images):
        """Returns images (batch, *image_shape) decoded from the mean of q(z | x)."""
        with backend.no_gradients():
            return self(images)

    def sample(self, num_samples, seed=None, temperature=1.0):
        """Returns E[x | z], (num_samples, *image_shape), for z from the prior.

        Args:
            num_samples: Integer.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            temperature: Float, not negative: the standard deviation of the prior.
        """
        return self.decode(self.sample_latents(num_samples, seed, temperature))

    def sample_latents(self, num_samples, seed=None, temperature=1.0):
        """Draws latents N(0, temperature^2), shape (num_samples, latent_dim)."""
        check_range("num_samples", num_samples, 1)
        check_range("temperature", temperature, 0)
        with self.seeded(seed):
            return temperature * self._draw_noise((num_samples, self.latent_dim))

    def encode(self, images, training=False):
        """Returns the mean and the log variance of q(z | x), (batch, latent_dim)."""
        return ops.split(self.encoder(images, training=training), 2, axis=-1)

    def decode(self, latents):
        """Returns E[x | z], (batch, *image_shape), for latents (batch, latent_dim)."""
        with backend.no_gradients():
            return self._pixel_means(self.decoder(latents, training=False))

    def check_data(self, images):
        """Raises a `ValueError` on other shapes, and on pixels that do not suit."""
        is_gaussian = self.likelihood == "gaussian"
        value_range = (-math.inf, math.inf) if is_gaussian else self.value_range
        check_examples(images, self.image_shape, value_range)

    def train_step(self, data):
        """Takes one step up the ELBO."""
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        logs = self.minimize(
            lambda: self.compute_elbo_loss(images, training=True),
            self.optimizer,
            self.trainable_variables,
        )
        return self.update_metrics(logs)

    def test_step(self, data):
        """Returns the negative ELBO of held-out images."""
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        _, logs = self.compute_elbo_loss(images, training=False)
        return self.update_metrics(logs, num_examples=ops.shape(images)[0])

    def compute_elbo_loss(self, images, training):
        """Returns the mean of the negative ELBO in nats an image, and its parts."""
        mean, log_variance = self.encode(images, training)
        latents = mean + ops.exp(0.5 * log_variance) * self._draw_noise(ops.shape(mean))
        outputs = self.decoder(latents, training=training)
        reconstruction = -ops.mean(self._log_likelihood(images, outputs))
        kl = ops.mean(kl_from_standard_normal(mean, log_variance))
        loss = reconstruction + kl
        return loss, {
            "loss": loss,
            "reconstruction_loss": reconstruction,
            "kl_divergence": kl,
        }

    # Bounds of log p(x) ---------------------------------------------------------------

    def elbo(self, images, num_samples=1, seed=None):
        """Returns the evidence lower bound, one value an image, in nats.

        Args:
            images: Array of shape (batch, *image_shape).
            num_samples: Integer, the samples of z over which it is averaged.
            seed: Integer or `None`, see `GenerativeModel.sample`.

        Returns:
            Tensor of shape (batch,).
        """
        with self.seeded(seed):
            _, elbo = self._compute_bounds(ops.convert_to_tensor(images), num_samples)
        return elbo

    def iwae_bound(self, images, num_samples=5000, seed=None):
        """Returns the importance-weighted bound, one value an image, in nats.

        It is E[log 1/K sum_k p(x, z_k) / q(z_k | x)] with all z_k from q(z | x): the
        ELBO for K = 1, rising towards log p(x) with K. Burda et al., 2015, equation 8.

        Args:
            images: Array of shape (batch, *image_shape).
            num_samples: Integer, K. Literature reports 5000.
            seed: Integer or `None`, see `GenerativeModel.sample`.

        Returns:
            Tensor of shape (batch,).
        """
        with self.seeded(seed):
            bound, _ = self._compute_bounds(ops.convert_to_tensor(images), num_samples)
        return bound

    @backend.compiled
    def _compute_bounds(self, images, num_samples):
        """Returns log mean w and mean log w of the weights w = p(x, z) / q(z | x)."""
        if num_samples < 1:
            raise ValueError(
                f"`num_samples` must be at least 1. Received: {num_samples}"
            )
        mean, log_variance = self.encode(images)
        # As many samples at once as keep the decoder's output small.
        chunk = max(n for n in range(1, 51) if num_samples % n == 0)
        batch_size = ops.shape(images)[0]
        shape = (chunk, batch_size, self.latent_dim)

        def add_chunk(_, carry):
            log_sum, total = carry
            noise = self._draw_noise(shape)
            latents = mean + ops.exp(0.5 * log_variance) * noise
            outputs = self.decoder(ops.reshape(latents, (-1, self.latent_dim)))
            outputs = ops.reshape(outputs, (chunk, batch_size, *self.image_shape))
            log_prior = -0.5 * ops.sum(ops.square(latents), -1)
            log_posterior = -0.5 * ops.sum(ops.square(noise) + log_variance, -1)
            # The two normalizing constants cancel.
            log_weights = (
                self._log_likelihood(images, outputs) + log_prior - log_posterior
            )
            log_sum = ops.logaddexp(log_sum, ops.logsumexp(log_weights, axis=0))
            return log_sum, total + ops.sum(log_weights, axis=0)

        zero = ops.zeros_like(mean[:, 0])
        log_sum, total = backend.fori_loop(
            0, num_samples // chunk, add_chunk, (zero - 1e30, zero)
        )
        return log_sum - math.log(num_samples), total / num_samples

    def _log_likelihood(self, images, outputs):
        """Returns log p(x | z), summed over height, width and channels."""
        images = ops.cast(images, outputs.dtype)
        if self.likelihood == "bernoulli":
            log_prob = images * outputs - ops.softplus(outputs)
        else:
            scaled = (images - outputs) * ops.exp(-self.log_stddev)
            constant = 0.5 * math.log(2 * math.pi) + self.log_stddev
            log_prob = -0.5 * ops.square(scaled) - constant
        return ops.sum(log_prob, axis=(-3, -2, -1))

    def _pixel_means(self, outputs):
        return ops.sigmoid(outputs) if self.likelihood == "bernoulli" else outputs

    def _draw_noise(self, shape):
        return backend.normal(shape, seed=self.seed_generator)


def kl_from_standard_normal(mean, log_variance):
    """Returns KL(N(mean, exp(log_variance)) || N(0, 1)) in nats, shape (batch,).

    Kingma and Welling, 2013, appendix B.
    """
    kl = 0.5 * (ops.square(mean) + ops.exp(log_variance) - 1 - log_variance)
    return ops.sum(kl, axis=-1)
