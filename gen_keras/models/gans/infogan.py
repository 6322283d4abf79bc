"""Information maximizing GAN (InfoGAN).

Part of the latents are codes: a category and a few numbers. Nothing makes a GAN use
them in a way that one understands. InfoGAN adds that the codes can be read off the
image, which is a bound on the mutual information of code and image: on digits, with no
label seen, the category becomes the digit and the numbers slant and width.

Reference:
    Chen et al., InfoGAN: Interpretable Representation Learning by Information
    Maximizing Generative Adversarial Nets, 2016. https://arxiv.org/abs/1606.03657
"""

import math

import keras
import numpy as np
from keras import layers, ops

from gen_keras import backend
from gen_keras.models.base import check_at_least, check_labels
from gen_keras.models.gans.gan import GAN
from gen_keras.models.gans.networks import batch_normalization, normal

# Networks ---------------------------------------------------------------------------


def build_generator(image_shape, num_latents, base_filters=64, kernel_size=4):
    """Returns a model: (batch, num_latents) to (batch, *image_shape) in [-1, 1].

    Table 1: 1,024 units, then 128 maps at a quarter of the size, 64 at half of it; each
    with batch normalization and ReLU.
    """
    height, width, channels = image_shape
    inputs = keras.Input((num_latents,))
    x = layers.Dense(16 * base_filters, use_bias=False, kernel_initializer=normal())(
        inputs
    )
    x = layers.ReLU()(batch_normalization(x))
    shape = (height // 4, width // 4, 2 * base_filters)
    x = layers.Dense(math.prod(shape), use_bias=False, kernel_initializer=normal())(x)
    x = layers.Reshape(shape)(layers.ReLU()(batch_normalization(x)))
    x = layers.Conv2DTranspose(
        base_filters,
        kernel_size,
        2,
        "same",
        use_bias=False,
        kernel_initializer=normal(),
    )(x)
    x = layers.ReLU()(batch_normalization(x))
    x = layers.Conv2DTranspose(
        channels, kernel_size, 2, "same", kernel_initializer=normal()
    )(x)
    images = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, images, name="generator")


def build_discriminator(image_shape, num_codes, base_filters=64, kernel_size=4):
    """Returns a model: (batch, *image_shape) to (batch, 1 + num_codes).

    Table 1: D and Q share 64 and 128 maps and 1,024 units, with leaky ReLU and, but for
    the first, batch normalization; Q has 128 units more.
    """
    inputs = keras.Input(image_shape)
    x = layers.Conv2D(
        base_filters, kernel_size, 2, "same", kernel_initializer=normal()
    )(inputs)
    x = layers.LeakyReLU(0.1)(x)
    x = layers.Conv2D(
        2 * base_filters,
        kernel_size,
        2,
        "same",
        use_bias=False,
        kernel_initializer=normal(),
    )(x)
    x = layers.LeakyReLU(0.1)(batch_normalization(x))
    x = _dense(16 * base_filters, layers.Flatten()(x))
    logits = layers.Dense(1, kernel_initializer=normal(), dtype="float32")(x)
    codes = layers.Dense(num_codes, kernel_initializer=normal(), dtype="float32")(
        _dense(2 * base_filters, x)
    )
    outputs = layers.Concatenate(dtype="float32")([logits, codes])
    return keras.Model(inputs, outputs, name="discriminator")


def _dense(units, x):
    x = layers.Dense(units, use_bias=False, kernel_initializer=normal())(x)
    return layers.LeakyReLU(0.1)(batch_normalization(x))


# Model ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="gen_keras")
class InfoGAN(GAN):
    """GAN whose codes can be read off the images.

    Its latents (batch, latent_dim + num_categories + num_codes) are noise, one category
    as ones and zeros, and codes in [-1, 1].

    Args:
        image_shape: Tuple (height, width, channels), sides are multiples of 4.
        latent_dim: Integer, the length of the noise (paper: 62).
        num_categories: Integer, the values of the categorical code (paper: 10).
        num_codes: Integer, the continuous codes (paper: 2), uniform in [-1, 1].
        latent_distribution: See `GAN`; uniform in the released code.
        base_filters: Integer, the filters at half the image size (paper: 64).
        kernel_size: See `GAN` (paper: 4).
        information_weight: Float, the factor of the bound on the mutual information
            (lambda, paper: 1).
        **options: See `GAN`. A `discriminator` of one's own gives (batch, 1 +
            num_categories + num_codes): a logit, those of the categories, the means of
            the codes.

    Raises:
        ValueError: If an argument is out of range.

    Example:
    >>> model = InfoGAN(image_shape=(28, 28, 1))
    >>> model.compile()
    >>> model.fit(images)  # (num_images, 28, 28, 1) in [-1, 1]; no labels
    >>> model.sample(16, categories=3).shape
    (16, 28, 28, 1)

    Reference:
        Chen et al., 2016, equations 5 and 6, appendix C.1; github.com/openai/InfoGAN.
    """

    metric_names = (*GAN.metric_names, "code_loss")
    judged = "code_loss"

    def __init__(
        self,
        image_shape=(28, 28, 1),
        latent_dim=62,
        num_categories=10,
        num_codes=2,
        latent_distribution="uniform",
        base_filters=64,
        kernel_size=4,
        information_weight=1.0,
        **options,
    ):
        self.num_categories = num_categories
        self.num_codes = num_codes
        self.information_weight = information_weight
        super().__init__(
            image_shape,
            latent_dim,
            latent_distribution,
            base_filters,
            kernel_size,
            **options,
        )

    def check_arguments(self):
        """Raises a `ValueError` if an argument is out of range."""
        super().check_arguments()
        if len(self.image_shape) != 3 or any(
            side % 4 or side < 4 for side in self.image_shape[:2]
        ):
            raise ValueError(
                "`image_shape` must be (height, width, channels) with multiples of 4. "
                f"Received: {self.image_shape}"
            )
        if not self.base_filters or self.base_filters < 1:
            raise ValueError(
                "`base_filters` must be positive: InfoGAN has no dense networks. "
                f"Received: {self.base_filters}"
            )
        check_at_least(self, 2, "num_categories")
        check_at_least(self, 0, "num_codes")

    @property
    def num_latents(self):
        """Integer, the inputs of the generator."""
        return self.latent_dim + self.num_categories + self.num_codes

    def make_generator(self):
        """Returns the paper's generator."""
        return build_generator(
            self.image_shape, self.num_latents, self.base_filters, self.kernel_size
        )

    def make_discriminator(self):
        """Returns the paper's discriminator, with its outputs for the codes."""
        return build_discriminator(
            self.image_shape,
            self.num_categories + self.num_codes,
            self.base_filters,
            self.kernel_size,
        )

    def default_optimizer(self, side):
        """Returns Adam(1e-3, 0.5) for the generator, 2e-4 for D and Q (appendix C)."""
        rate = 1e-3 if side == "generator" else 2e-4
        return keras.optimizers.Adam(rate, beta_1=0.5)

    def sample(
        self, num_samples, seed=None, truncation=1.0, categories=None, codes=None
    ):
        """Returns generated images (num_samples, *image_shape) in `value_range`.

        Args:
            num_samples: Integer.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            truncation: Float in (0, 1], a factor of the noise, not of the codes.
            categories: Integer or array of integers (num_samples,) from 0 to
                `num_categories` - 1; `None` draws them.
            codes: Array (num_codes,) or (num_samples, num_codes) in [-1, 1]; `None`
                draws them.

        Raises:
            ValueError: If categories or codes are out of range or of another shape.
        """
        return self.decode(
            self.sample_latents(num_samples, seed, truncation, categories, codes)
        )

    def sample_latents(
        self, num_samples, seed=None, truncation=1.0, categories=None, codes=None
    ):
        """Returns latents (num_samples, all latents), see `sample`."""
        with self.seeded(seed):
            noise = super().sample_latents(num_samples, None, truncation)
            drawn = self.draw_codes(num_samples)
        one_hot, drawn_codes = self._split(drawn)
        if categories is not None:
            categories = check_labels(
                "categories", categories, num_samples, self.num_categories
            )
            one_hot = ops.one_hot(categories, self.num_categories, dtype=noise.dtype)
        if codes is not None:
            drawn_codes = self._check_codes(codes, num_samples)
        return ops.concatenate([noise, one_hot, drawn_codes], axis=-1)

    def infer_codes(self, images):
        """Reads the codes off images (Q).

        Args:
            images: Array (batch, *image_shape) in `value_range`.

        Returns:
            Pair of arrays: the probabilities of the categories (batch, num_categories)
            and the means of the codes (batch, num_codes).
        """
        with backend.no_gradients():
            outputs = self.discriminator(images, training=False)
        category_logits, means = self._split(outputs[:, 1:])
        return ops.softmax(category_logits), means

    def draw_codes(self, num_samples):
        """Returns a random category, as ones and zeros, and codes in [-1, 1]."""
        draws = backend.uniform((num_samples, 1), seed=self.seed_generator)
        category = ops.cast(draws[:, 0] * self.num_categories, "int32")
        one_hot = ops.one_hot(category, self.num_categories, dtype=draws.dtype)
        shape = (num_samples, self.num_codes)
        codes = backend.uniform(shape, -1.0, 1.0, seed=self.seed_generator)
        return ops.concatenate([one_hot, codes], axis=-1)

    def fake_examples(self, data, training):
        """Returns generated images and the codes they were made of."""
        codes = self.draw_codes(self.batch_size(data))
        noise = self.draw_noise(self.batch_size(data))
        latents = ops.concatenate([noise, codes], axis=-1)
        return self(latents, training=training), codes

    def judge(self, examples, training):
        """Returns logits and, of generated images, -lambda E[log Q(c|x)].

        This is lambda (H(c) - L_I), with L_I of equation 5; H(c) is a constant.
        """
        images, codes = examples if isinstance(examples, tuple) else (examples, None)
        outputs, _ = super().judge(images, training)
        if codes is None:
            return outputs[:, :1], 0.0
        one_hot, values = self._split(codes)
        category_logits, means = self._split(outputs[:, 1:])
        category_loss = ops.categorical_crossentropy(
            one_hot, category_logits, from_logits=True
        )
        # Q is a Gaussian around its means; the release fixes its deviation at 1.
        squares = ops.square(values - means) + math.log(2 * math.pi)
        code_loss = ops.mean(category_loss + 0.5 * ops.sum(squares, axis=-1))
        return outputs[:, :1], self.information_weight * code_loss

    def _split(self, values):
        return values[:, : self.num_categories], values[:, self.num_categories :]

    def _check_codes(self, codes, num_samples):
        codes = np.asarray(codes, "float32")
        shape = (num_samples, self.num_codes)
        if codes.shape not in (shape, shape[1:]) or not np.all(np.abs(codes) <= 1):
            raise ValueError(
                f"`codes` must be in [-1, 1] and of shape {shape[1:]} or {shape}. "
                f"Received: {codes.tolist()}"
            )
        return ops.convert_to_tensor(np.broadcast_to(codes, shape))
