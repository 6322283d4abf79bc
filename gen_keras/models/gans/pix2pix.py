"""Image-to-image translation with a conditional adversarial network (pix2pix).

Pairs of images say what to make of an input: a drawing and its photo, a map and its
aerial view. A loss by pixels alone averages over all answers that fit, and blurs. Here
a discriminator that sees the input, too, tells pairs with real outputs from pairs with
generated ones. The L1 loss is for what is low in frequency, the discriminator for the
rest: it judges patches only. The generator is a U-Net, whose skip connections hand over
what input and output share. Its noise is dropout.

Reference:
    Isola et al., Image-to-Image Translation with Conditional Adversarial Networks,
    2017. https://arxiv.org/abs/1611.07004
"""

import keras
from keras import layers, ops

from gen_keras.models.base import GenerativeModel, Translator, check_at_least
from gen_keras.models.gans.base import TwoSides

# Networks ---------------------------------------------------------------------------


def build_unet(
    input_channels=3,
    output_channels=3,
    depth=8,
    base_filters=64,
    max_filters=512,
    dropout=0.5,
):
    """Returns a model of images in [-1, 1] to images in [-1, 1] of the same size.

    Both sides must be multiples of 2**depth. At 256 x 256, depth 8 ends in 1 x 1
    (section 6.1.1 of the paper). Zeros are padded, as in the paper: the borders of a
    plain image can be seen in the output, up to 2**(depth + 1) - 1 pixels from them.
    """
    filters = [min(base_filters * 2**level, max_filters) for level in range(depth)]
    inputs = x = keras.Input((None, None, input_channels))
    skips = []
    for level in range(depth):
        is_outermost, is_innermost = level == 0, level == depth - 1
        if not is_outermost:
            x = layers.LeakyReLU(0.2)(x)
        has_norm = not (is_outermost or is_innermost)
        x = layers.Conv2D(
            filters[level], 4, 2, "same", use_bias=not has_norm, **_normal()
        )(x)
        if has_norm:  # Innermost, a pixel minus its own mean would be 0.
            x = normalize(x)
        skips.append(x)
    for level in reversed(range(depth - 1)):
        x = layers.ReLU()(x)
        x = layers.Conv2DTranspose(
            filters[level], 4, 2, "same", use_bias=False, **_normal()
        )(x)
        x = normalize(x)
        if level >= depth - 4:  # The first three; their noise is the only one.
            # With a seed; without, PyTorch would draw from its global stream.
            x = layers.Dropout(dropout, seed=level)(x)
        x = layers.Concatenate()([x, skips[level]])
    x = layers.ReLU()(x)
    x = layers.Conv2DTranspose(output_channels, 4, 2, "same", **_normal())(x)
    outputs = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, outputs, name="generator")


def normalize(x):
    """Normalizes each channel of each image by itself.

    This is the paper's batch normalization at its batch size of 1, where training and
    test use the statistics of the one image at hand. So it stays at any batch size.
    """
    return layers.GroupNormalization(
        groups=-1,
        epsilon=1e-5,
        gamma_initializer=keras.initializers.RandomNormal(mean=1.0, stddev=0.02),
    )(x)


def build_patch_discriminator(
    input_channels=6,
    receptive_field=70,
    base_filters=64,
    normalize=normalize,
    name="discriminator",
):
    """Returns a model of images in [-1, 1] to logits (batch, rows, columns, 1).

    Each logit judges one patch; section 6.1.2 gives the networks.

    Args:
        input_channels: Integer.
        receptive_field: Integer in `RECEPTIVE_FIELDS`, the side of a patch in pixels.
        base_filters: Integer, the filters of the first convolution.
        normalize: Function of a Keras tensor.
        name: String.
    """
    kernel_size, num_strided = RECEPTIVE_FIELDS[receptive_field]
    inputs = x = keras.Input((None, None, input_channels))
    for stage in range(num_strided + 1):
        is_first = stage == 0
        x = _convolve(
            x,
            base_filters * min(2**stage, 8),
            kernel_size,
            strides=2 if stage < num_strided and kernel_size > 1 else 1,
            use_bias=is_first,
        )
        if not is_first:
            x = normalize(x)
        x = layers.LeakyReLU(0.2)(x)
    x = _convolve(x, 1, kernel_size)
    logits = layers.Activation("linear", dtype="float32")(x)
    return keras.Model(inputs, logits, name=name)


# Side of a patch: side of the kernels, and how many convolutions have stride 2. Two
# more have stride 1.
RECEPTIVE_FIELDS = {
    1: (1, 1),
    16: (4, 1),
    34: (4, 2),
    70: (4, 3),
    142: (4, 4),
    286: (4, 5),
}


def patch_grid(side, receptive_field):
    """Returns how many patches a discriminator sees along a side of so many pixels."""
    kernel_size, num_strided = RECEPTIVE_FIELDS[receptive_field]
    if kernel_size == 1:
        return side
    return side // 2**num_strided - 2


def check_receptive_field(receptive_field, image_shape):
    """Raises a `ValueError` if there is no such discriminator for the images."""
    if receptive_field not in RECEPTIVE_FIELDS:
        raise ValueError(
            f"`receptive_field` must be one of {tuple(RECEPTIVE_FIELDS)}. "
            f"Received: {receptive_field}"
        )
    if patch_grid(min(image_shape[:2]), receptive_field) < 1:
        raise ValueError(
            f"A `receptive_field` of {receptive_field} needs larger images. "
            f"Received: image_shape={tuple(image_shape)}"
        )


def _convolve(x, filters, kernel_size, strides=1, use_bias=True):
    if kernel_size > 1:
        x = layers.ZeroPadding2D(1)(x)
    return layers.Conv2D(filters, kernel_size, strides, use_bias=use_bias, **_normal())(
        x
    )


def _normal():
    return {"kernel_initializer": keras.initializers.RandomNormal(stddev=0.02)}


# Model ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="gen_keras")
class Pix2Pix(TwoSides, Translator, GenerativeModel):
    """Conditional GAN from image to image, with an L1 loss.

    Args:
        image_shape: Tuple (height, width, channels) of outputs in training: each side a
            multiple of 2**depth, and of 8. `translate` takes images of any size.
        input_channels: Integer from 1 to 4; `None`: as many as outputs have.
        depth: Integer, how often the U-Net halves the image; `None`: as often as both
            sides can be halved, at most 8 times.
        receptive_field: Integer, the side of the patches in pixels that the
            discriminator judges: 1, 16, 34, 70, 142 or 286.
        base_filters: Integer, the filters of the first layer of the U-Net.
        max_filters: Integer, the most filters of a layer of the U-Net (paper: 512).
        discriminator_filters: Integer, the filters of the first layer of the
            discriminator; `None`: as many as the U-Net's.
        dropout: Float in [0, 1), rate of the generator's noise.
        l1_weight: Float, weight of the L1 loss.
        generator: Model from inputs to outputs; `None` builds the paper's U-Net.
        discriminator: Model from inputs and outputs, concatenated in this order along
            the channels, to logits; `None` builds the paper's.
        seed: Integer or `None`, seed of all noise.

    Raises:
        ValueError: If an argument is out of range.

    Example:
    >>> model = Pix2Pix(image_shape=(64, 64, 3), receptive_field=34)
    >>> model.compile()
    >>> model.fit(inputs, targets)  # (num_pairs, 64, 64, 3) in [-1, 1]
    >>> model.translate(inputs[:4]).shape
    (4, 64, 64, 3)

    Reference:
        Isola et al., 2017, equation 4 and section 3.
    """

    metric_names = ("discriminator_loss", "adversarial_loss", "l1_loss")
    value_range = (-1.0, 1.0)

    def __init__(
        self,
        image_shape=(256, 256, 3),
        input_channels=None,
        depth=None,
        receptive_field=70,
        base_filters=64,
        max_filters=512,
        discriminator_filters=None,
        dropout=0.5,
        l1_weight=100.0,
        generator=None,
        discriminator=None,
        seed=None,
    ):
        super().__init__(seed)
        self.image_shape = tuple(image_shape)
        self.input_channels = (
            self.image_shape[-1] if input_channels is None else input_channels
        )
        self.depth = max_depth(self.image_shape) if depth is None else depth
        self.receptive_field = receptive_field
        self.base_filters = base_filters
        self.max_filters = max_filters
        self.discriminator_filters = discriminator_filters or base_filters
        self.dropout = dropout
        self.l1_weight = l1_weight
        self._check_arguments(MIN_DEPTH if depth is None else 2)
        output_channels = self.image_shape[-1]
        self.generator = generator or build_unet(
            self.input_channels,
            output_channels,
            self.depth,
            base_filters,
            max_filters,
            dropout,
        )
        self.discriminator = discriminator or build_patch_discriminator(
            self.input_channels + output_channels,
            receptive_field,
            self.discriminator_filters,
        )
        self.start_streams(seed)  # Those of dropout.
        self.built = True

    def _check_arguments(self, min_depth):
        *size, channels = self.image_shape
        multiple = 2 ** max(self.depth, min_depth)
        if self.depth < min_depth or any(side % multiple for side in size):
            raise ValueError(
                f"`depth` must be at least {min_depth}, and the sides of `image_shape` "
                f"multiples of 2**depth, here of {multiple}. Received: "
                f"image_shape={self.image_shape}, depth={self.depth}"
            )
        if not (1 <= channels <= 4 and 1 <= self.input_channels <= 4):
            raise ValueError(
                "Images must have 1 to 4 channels. Received: image_shape="
                f"{self.image_shape}, input_channels={self.input_channels}"
            )
        check_at_least(self, 1, "base_filters", "max_filters")
        check_at_least(self, 0, "dropout", "l1_weight")
        if self.dropout >= 1:
            raise ValueError(f"`dropout` must be less than 1. Received: {self.dropout}")
        check_receptive_field(self.receptive_field, self.image_shape)

    def call(self, inputs, training=False):
        """Maps inputs (batch, height, width, channels) to outputs, both in [-1, 1].

        Both sides must be multiples of 2**depth; `training` draws the noise.
        """
        return self.generator(inputs, training=training)

    def translate(self, images, stochastic=False, seed=None):
        """Returns the outputs (batch, height, width, channels) in [-1, 1] of images.

        Args:
            images: Array of shape (batch, height, width, channels) in [-1, 1], of any
                height and width: padded by reflection, the output cropped back.
            stochastic: Boolean, whether to keep dropout, as the paper does at test
                time. `False` gives one output for one input.
            seed: Integer or `None`, see `GenerativeModel.sample`.
        """
        with self.seeded(seed):
            return self.translate_by(
                self.generator, images, 2**self.depth, training=stochastic
            )

    def train_step(self, data):
        """Updates the generator once, then the discriminator once.

        Paper: the discriminator first. Over the steps the two alternate all the same;
        in this order one pass serves both updates.
        """
        inputs, targets, _ = keras.utils.unpack_x_y_sample_weight(data)

        generator_logs = self.minimize(
            lambda: self.compute_generator_loss(inputs, targets, training=True),
            self.generator_optimizer,
            self.generator_variables,
        )
        outputs = generator_logs.pop("outputs")
        discriminator_logs = self.minimize(
            lambda: self.compute_discriminator_loss(
                inputs, targets, outputs, training=True
            ),
            self.discriminator_optimizer,
            self.discriminator_variables,
        )

        return self.update_metrics(generator_logs | discriminator_logs)

    def test_step(self, data):
        """Returns the losses on held-out pairs."""
        inputs, targets, _ = keras.utils.unpack_x_y_sample_weight(data)
        _, logs = self.compute_generator_loss(inputs, targets, training=False)
        outputs = logs.pop("outputs")
        _, discriminator_logs = self.compute_discriminator_loss(
            inputs, targets, outputs, training=False
        )
        return self.update_metrics(logs | discriminator_logs, ops.shape(inputs)[0])

    def compute_generator_loss(self, inputs, targets, training):
        """Returns -E[log D(x, G(x))] + l1_weight E|y - G(x)|; non-saturating."""
        outputs = self(inputs, training=training)
        logits = self.judge(inputs, outputs, training)
        adversarial_loss = ops.mean(ops.softplus(-logits))
        l1_loss = ops.mean(ops.abs(targets - outputs))
        loss = adversarial_loss + self.l1_weight * l1_loss
        return loss, {
            "adversarial_loss": adversarial_loss,
            "l1_loss": l1_loss,
            "outputs": outputs,
        }

    def compute_discriminator_loss(self, inputs, targets, outputs, training):
        """Returns half of -E[log D(x, y)] - E[log(1 - D(x, G(x)))] (section 3.3)."""
        real_logits = self.judge(inputs, targets, training)
        fake_logits = self.judge(inputs, ops.stop_gradient(outputs), training)
        loss = 0.5 * (
            ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))
        )
        return loss, {"discriminator_loss": loss}

    def judge(self, inputs, outputs, training=False):
        """Returns the discriminator's logits for pairs, one for each patch."""
        pairs = ops.concatenate([inputs, outputs], axis=-1)
        return self.discriminator(pairs, training=training)


MIN_DEPTH = 3  # Of the U-Net, unless one asks for less: it shall see the whole.


def max_depth(image_shape, limit=8):
    """Returns how often both sides can be halved, at most `limit` times."""
    height, width, _ = image_shape
    return next(d for d in range(limit, -1, -1) if not (height | width) % 2**d)
