"""Unpaired image-to-image translation with cycle-consistent networks (CycleGAN).

Two sets of images, and nobody says which belong together. Two generators, A to B and B
to A, are trained against a discriminator of each domain. That alone lets them map an
image to anything in the other domain; so an image that went to the other domain and
back must be what it was. The discriminators see a history of generated images, which
keeps the two sides from oscillating.

Reference:
    Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
    Networks, 2017. https://arxiv.org/abs/1703.10593
"""

import keras
from keras import layers, ops

from gen_keras.layers import ImagePool
from gen_keras.models.base import GenerativeModel, check_at_least
from gen_keras.models.gans.base import TwoWayTranslator
from gen_keras.models.gans.pix2pix import (
    build_patch_discriminator,
    check_receptive_field,
)

# Networks ---------------------------------------------------------------------------


def build_resnet(
    input_channels=3,
    output_channels=3,
    num_blocks=9,
    base_filters=64,
    num_halvings=2,
    name="generator",
):
    """Returns a model of images in [-1, 1] to images in [-1, 1] of the same size.

    Both sides must be multiples of 2**num_halvings, at least twice it. Section 7.2 of
    the paper: c7s1-64, d128, d256, R256 x 9, u128, u64, c7s1-3, padded by reflection.
    The transposed convolutions alone pad zeros: a plain border can differ from the rest
    of a plain image up to 2**num_halvings + 2 pixels from it.
    """
    inputs = keras.Input((None, None, input_channels))
    x = _convolve_reflected(inputs, base_filters, 7)
    x = layers.ReLU()(normalize(x))
    for stage in range(1, num_halvings + 1):
        # Reflected as well: where zeros meet a plain border, normalization would
        # turn the seam into the strongest structure of the image.
        x = _convolve_reflected(x, base_filters * 2**stage, 3, strides=2)
        x = layers.ReLU()(normalize(x))
    for _ in range(num_blocks):
        x = layers.Add()([x, _residual(x, base_filters * 2**num_halvings)])
    for stage in reversed(range(num_halvings)):
        x = layers.Conv2DTranspose(
            base_filters * 2**stage, 3, 2, "same", use_bias=False, **_normal()
        )(x)
        x = layers.ReLU()(normalize(x))
    x = _convolve_reflected(x, output_channels, 7, use_bias=True)
    outputs = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, outputs, name=name)


def _residual(x, filters):
    x = layers.ReLU()(normalize(_convolve_reflected(x, filters, 3)))
    return normalize(_convolve_reflected(x, filters, 3))


def _convolve_reflected(x, filters, kernel_size, strides=1, use_bias=False):
    border = kernel_size // 2
    x = ops.pad(x, ((0, 0), (border, border), (border, border), (0, 0)), "reflect")
    return layers.Conv2D(filters, kernel_size, strides, use_bias=use_bias, **_normal())(
        x
    )


def normalize(x):
    """Normalizes each channel of each image, as in the released code without affine."""
    return layers.GroupNormalization(
        groups=-1, epsilon=1e-5, center=False, scale=False
    )(x)


def _normal():
    return {"kernel_initializer": keras.initializers.RandomNormal(stddev=0.02)}


# Model ------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="gen_keras")
class CycleGAN(TwoWayTranslator, GenerativeModel):
    """Two generators and two discriminators, least squares and a cycle.

    `a` and `b` are the domains; `generator_ab` (G in the paper) maps a to b and
    `generator_ba` (F) maps b to a.

    Args:
        image_shape: Tuple (height, width, channels) of the images in training, 1 to 4
            channels. `translate` takes images of any size.
        num_blocks: Integer, the residual blocks of a generator; `None`: the paper's 6
            up to 128 x 128 and 9 above.
        num_halvings: Integer, how often a generator halves the image before the
            residual blocks; 1 suits small images (paper: 2).
        base_filters: Integer, the filters of the first layer of all networks.
        receptive_field: Integer, side of the discriminators' patches, see `Pix2Pix`.
        cycle_weight: Float, weight of the L1 loss after the full circle.
        identity_weight: Float, weight of the loss that keeps what is in the target
            domain already, relative to `cycle_weight` (paper, 5.2: 0.5 for paintings).
        pool_size: Integer, how many generated images of each domain are kept for its
            discriminator, see `ImagePool`.
        generator_ab: Model of images to images; `None` builds the paper's.
        generator_ba: As `generator_ab`.
        discriminator_a: Model of images to scores; `None` builds the paper's.
        discriminator_b: As `discriminator_a`.
        seed: Integer or `None`, seed of the pools' choices.

    Raises:
        ValueError: If an argument is out of range.

    Example:
    >>> model = CycleGAN(image_shape=(64, 64, 3), receptive_field=34)
    >>> model.compile()
    >>> # Of each as many as there are, (num_images, 64, 64, 3), in [0, 1] or bytes.
    >>> images = datasets.UnpairedDataset(horses, zebras, model.value_range)
    >>> model.fit(images.batches(batch_size=1, seed=0))
    >>> model.translate(images.inputs[:4], "a_to_b").shape
    (4, 64, 64, 3)

    Reference:
        Zhu et al., 2017, equation 3 and sections 4 and 7.
    """

    metric_names = (
        "adversarial_loss",
        "cycle_loss",
        "identity_loss",
        "discriminator_loss",
    )
    value_range = (-1.0, 1.0)

    def __init__(
        self,
        image_shape=(256, 256, 3),
        num_blocks=None,
        num_halvings=2,
        base_filters=64,
        receptive_field=70,
        cycle_weight=10.0,
        identity_weight=0.5,
        pool_size=50,
        generator_ab=None,
        generator_ba=None,
        discriminator_a=None,
        discriminator_b=None,
        seed=None,
    ):
        super().__init__(seed)
        self.image_shape = tuple(image_shape)
        self.num_blocks = num_blocks or (6 if max(self.image_shape[:2]) <= 128 else 9)
        self.num_halvings = num_halvings
        self.base_filters = base_filters
        self.receptive_field = receptive_field
        self.cycle_weight = cycle_weight
        self.identity_weight = identity_weight
        self.pool_size = pool_size
        self._check_arguments()
        channels = self.image_shape[-1]

        def build_generator(name):
            return build_resnet(
                channels, channels, self.num_blocks, base_filters, num_halvings, name
            )

        def build_discriminator(name):
            return build_patch_discriminator(
                channels, receptive_field, base_filters, normalize, name
            )

        self.generator_ab = generator_ab or build_generator("generator_ab")
        self.generator_ba = generator_ba or build_generator("generator_ba")
        self.discriminator_a = discriminator_a or build_discriminator("discriminator_a")
        self.discriminator_b = discriminator_b or build_discriminator("discriminator_b")
        self.pool_a = ImagePool(pool_size, self.image_shape, name="pool_a")
        self.pool_b = ImagePool(pool_size, self.image_shape, name="pool_b")
        self.start_streams(seed)
        self.built = True

    def _check_arguments(self):
        *size, channels = self.image_shape
        multiple = 2**self.num_halvings
        fits = all(side % multiple == 0 and side > multiple for side in size)
        if not fits or not 1 <= channels <= 4:
            raise ValueError(
                "`image_shape` must be (height, width, channels) with sides that are "
                f"multiples of {multiple}, from {2 * multiple}, and 1 to 4 channels. "
                f"Received: {self.image_shape}"
            )
        check_at_least(self, 1, "num_blocks", "num_halvings", "base_filters")
        check_at_least(self, 0, "cycle_weight", "identity_weight", "pool_size")
        check_receptive_field(self.receptive_field, self.image_shape)

    def train_step(self, data):
        """Updates both generators once, then both discriminators once."""
        images_a, images_b, _ = keras.utils.unpack_x_y_sample_weight(data)

        logs = self.minimize(
            lambda: self.compute_generator_loss(images_a, images_b, training=True),
            self.generator_optimizer,
            self.generator_variables,
        )
        fakes_a = self.pool_a(logs.pop("fakes_a"))
        fakes_b = self.pool_b(logs.pop("fakes_b"))
        logs |= self.minimize(
            lambda: self.compute_discriminator_loss(
                images_a, images_b, fakes_a, fakes_b, training=True
            ),
            self.discriminator_optimizer,
            self.discriminator_variables,
        )

        return self.update_metrics(logs)

    def compute_generator_loss(self, images_a, images_b, training):
        """Returns the adversarial, cycle and identity losses (equation 3, section 5.2).

        Both generators get both cycles: each is the second half of one.
        """
        fakes_b = self.generator_ab(images_a, training=training)
        fakes_a = self.generator_ba(images_b, training=training)
        scores_a = self.discriminator_a(fakes_a, training=training)
        scores_b = self.discriminator_b(fakes_b, training=training)
        cycled_a = self.generator_ba(fakes_b, training=training)
        cycled_b = self.generator_ab(fakes_a, training=training)

        loss = _squared_distance(scores_b, 1) + _squared_distance(scores_a, 1)
        logs = {
            "adversarial_loss": loss,
            "cycle_loss": _l1(cycled_a, images_a) + _l1(cycled_b, images_b),
            "identity_loss": ops.zeros_like(loss),
        }
        if self.cycle_weight:  # Without it the cycle is watched alone.
            loss = loss + self.cycle_weight * logs["cycle_loss"]
        identity_weight = self.identity_weight * self.cycle_weight
        if identity_weight:
            same_a = self.generator_ba(images_a, training=training)
            same_b = self.generator_ab(images_b, training=training)
            logs["identity_loss"] = _l1(same_a, images_a) + _l1(same_b, images_b)
            loss = loss + identity_weight * logs["identity_loss"]
        return loss, logs | {"fakes_a": fakes_a, "fakes_b": fakes_b}

    def compute_discriminator_loss(
        self, images_a, images_b, fakes_a, fakes_b, training
    ):
        """Returns half of E[(D(x) - 1)^2] + E[D(fake)^2], summed over both domains."""
        losses = []
        for discriminator, images, fakes in (
            (self.discriminator_a, images_a, fakes_a),
            (self.discriminator_b, images_b, fakes_b),
        ):
            fake_scores = discriminator(ops.stop_gradient(fakes), training=training)
            scores = discriminator(images, training=training)
            losses += [_squared_distance(scores, 1), _squared_distance(fake_scores, 0)]
        loss = 0.5 * sum(losses)
        return loss, {"discriminator_loss": loss}


def _squared_distance(scores, target):
    return ops.mean(ops.square(scores - target))


def _l1(x, y):
    return ops.mean(ops.abs(x - y))
