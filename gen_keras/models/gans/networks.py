"""Networks that several GANs share: dense ones, DCGAN's, and for points of the plane.

Each generator maps (batch, latent_dim) to (batch, *image_shape), each discriminator
(batch, *image_shape) to logits (batch, 1). Images are in [-1, 1].
"""

import math

import keras
from keras import layers

from gen_keras.layers import DropReference, Maxout
from gen_keras.models.base import check_range


def build_generator(image_shape, latent_dim, base_filters=None, kernel_size=5):
    """Returns the generator that suits the data.

    Args:
        image_shape: Tuple (height, width, channels), or (2,) for points.
        latent_dim: Integer, the length of its input.
        base_filters: Integer for convolutions as of `convolutional_generator`, `None`
            for dense layers.
        kernel_size: Integer, side of the kernels.
    """
    if len(image_shape) == 1:
        return point_generator(image_shape, latent_dim)
    if base_filters is None:
        return dense_generator(image_shape, latent_dim)
    return convolutional_generator(image_shape, latent_dim, base_filters, kernel_size)


def build_discriminator(
    image_shape, base_filters=None, kernel_size=5, normalize=True, num_outputs=1
):
    """Returns the discriminator that suits the data, see `build_generator`.

    Args:
        image_shape: Tuple (height, width, channels), or (2,) for points.
        base_filters: Integer or `None`, see `build_generator`.
        kernel_size: Integer, side of the kernels.
        normalize: Boolean, whether convolutions are followed by batch normalization.
        num_outputs: Integer, the outputs; logits in a discriminator.
    """
    if len(image_shape) == 1:
        return point_discriminator(image_shape, num_outputs)
    if base_filters is None:
        return dense_discriminator(image_shape, num_outputs)
    return convolutional_discriminator(
        image_shape, base_filters, kernel_size, normalize, num_outputs
    )


def several_discriminators(discriminators):
    """Returns one model whose logits (batch, K) are those of K models, side by side."""
    inputs = keras.Input(discriminators[0].input_shape[1:])
    logits = []
    for i, each in enumerate(discriminators):  # Names within a model differ.
        each = keras.Model(each.inputs, each.outputs[0], name=f"discriminator_{i}")
        logits.append(each(inputs))
    logits = layers.Concatenate(dtype="float32")(logits)
    return keras.Model(inputs, logits, name="discriminator")


def with_input_layers(discriminator, input_layers):
    """Returns a discriminator whose examples go through some layers first.

    It shares the layers of the one given. Classes or latents, its other inputs, stay.
    """
    inputs = [keras.Input(each.shape[1:]) for each in discriminator.inputs]
    x, *others = inputs
    for layer in input_layers:
        x = layer(x)
    # `call` puts the layers themselves into the new model, not the model around them:
    # its last layer is that of the discriminator.
    logits = discriminator.call([x, *others] if others else x)
    return keras.Model(inputs if others else inputs[0], logits, name="discriminator")


# Dense ------------------------------------------------------------------------------


def dense_generator(image_shape=(28, 28, 1), latent_dim=100):
    """Returns two layers of 1,200 ReLU, as in the code released for the first GAN.

    github.com/goodfeli/adversarial, mnist.yaml. Its sigmoid to [0, 1] is a tanh here.
    """
    inputs = x = keras.Input((latent_dim,))
    initializer = keras.initializers.RandomUniform(-0.05, 0.05)
    for _ in range(2):
        x = layers.Dense(1200, "relu", kernel_initializer=initializer)(x)
    x = layers.Dense(math.prod(image_shape), kernel_initializer=initializer)(x)
    images = layers.Activation("tanh", dtype="float32")(layers.Reshape(image_shape)(x))
    return keras.Model(inputs, images, name="generator")


def dense_discriminator(image_shape=(28, 28, 1), num_outputs=1):
    """Returns two layers of 240 maxout units of 5 pieces, with dropout, as released.

    github.com/goodfeli/adversarial, mnist.yaml: a fifth of the pixels and half of the
    hidden units are dropped.
    """
    inputs = keras.Input(image_shape)
    x = layers.Dropout(0.2, seed=0)(layers.Flatten()(inputs))
    initializer = keras.initializers.RandomUniform(-0.005, 0.005)
    for i in (1, 2):
        x = Maxout(240, 5, kernel_initializer=initializer)(x)
        x = layers.Dropout(0.5, seed=i)(x)
    logits = layers.Dense(num_outputs, kernel_initializer=initializer, dtype="float32")(
        x
    )
    return keras.Model(inputs, logits, name="discriminator")


# Points -----------------------------------------------------------------------------


def point_generator(image_shape=(2,), latent_dim=2, units=400):
    """Returns four normalized layers of 400 ReLU (PacGAN, section 4.1)."""
    inputs = x = keras.Input((latent_dim,))
    for _ in range(4):
        x = layers.Dense(units, use_bias=False, kernel_initializer=normal())(x)
        x = layers.ReLU()(batch_normalization(x, gamma_initializer="ones"))
    points = layers.Dense(
        math.prod(image_shape), kernel_initializer=normal(), dtype="float32"
    )(x)
    return keras.Model(inputs, points, name="generator")


def point_discriminator(image_shape=(2,), num_outputs=1, units=200):
    """Returns three layers of 200 maxout units of 5 pieces (PacGAN, section 4.1)."""
    inputs = x = keras.Input(image_shape)
    for _ in range(3):
        x = Maxout(units, 5, kernel_initializer=normal())(x)
    logits = layers.Dense(num_outputs, kernel_initializer=normal(), dtype="float32")(x)
    return keras.Model(inputs, logits, name="discriminator")


# Convolutional ----------------------------------------------------------------------


def convolutional_generator(
    image_shape=(64, 64, 3), latent_dim=100, base_filters=128, kernel_size=5
):
    """Returns a model: (batch, latent_dim) to (batch, *image_shape) in [-1, 1].

    Each stage doubles height and width, cropped by one where the size to reach is odd,
    and halves the filters; the last hidden one has `base_filters`. At 64 x 64 these are
    1024, 512, 256, 128, as in figure 1.
    """
    check_range("base_filters", base_filters, 1)
    if not 1 <= image_shape[-1] <= 4:
        raise ValueError(
            f"`image_shape` must have 1 to 4 channels. Received: {tuple(image_shape)}"
        )
    sizes = stage_sizes(image_shape)[:0:-1]
    filters = base_filters * 2 ** (len(sizes) - 1)

    inputs = keras.Input((latent_dim,))
    x = layers.Dense(
        math.prod(sizes[0]) * filters, use_bias=False, kernel_initializer=normal()
    )(inputs)
    x = layers.Reshape((*sizes[0], filters))(x)
    x = layers.ReLU()(batch_normalization(x))
    for height, width in sizes[1:]:
        filters //= 2
        x = layers.Conv2DTranspose(
            filters,
            kernel_size,
            2,
            "same",
            use_bias=False,
            kernel_initializer=normal(),
        )(x)
        if height % 2 or width % 2:
            x = layers.Cropping2D(((0, height % 2), (0, width % 2)))(x)
        x = layers.ReLU()(batch_normalization(x))
    # Not normalized: the images need their own mean and scale.
    x = layers.Conv2DTranspose(
        image_shape[-1], kernel_size, 2, "same", kernel_initializer=normal()
    )(x)
    images = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, images, name="generator")


def convolutional_discriminator(
    image_shape=(64, 64, 3),
    base_filters=128,
    kernel_size=5,
    normalize=True,
    num_outputs=1,
):
    """Returns a model: (batch, *image_shape) in [-1, 1] to (batch, num_outputs).

    Each stage halves height and width and doubles the filters; see DCGAN. Without
    `normalize` it has no batch normalization.
    """
    check_range("base_filters", base_filters, 1)
    inputs = x = keras.Input(image_shape)
    for stage in range(len(stage_sizes(image_shape)) - 1):
        normalized = normalize and stage > 0
        x = layers.Conv2D(
            base_filters * 2**stage,
            kernel_size,
            2,
            "same",
            use_bias=not normalized,
            kernel_initializer=normal(),
        )(x)
        x = batch_normalization(x) if normalized else x
        x = layers.LeakyReLU(0.2)(x)
    logits = layers.Dense(num_outputs, kernel_initializer=normal(), dtype="float32")(
        layers.Flatten()(x)
    )
    return keras.Model(inputs, logits, name="discriminator")


def stage_sizes(image_shape):
    """Returns (height, width) of the images and after each halving, rounded up.

    The last has a side of at most 5: from 64 it is 4, as in figure 1; from 28 the sizes
    are 28, 14, 7, 4.

    Raises:
        ValueError: If a side is no multiple of 4 or not from 16 to 128.
    """
    sizes = [tuple(image_shape[:2])]
    if not all(side % 4 == 0 and 16 <= side <= 128 for side in sizes[0]):
        raise ValueError(
            "`image_shape` must be (height, width, channels), height and width "
            "multiples of 4 from 16 to 128. "
            f"Received: height and width {' x '.join(map(str, sizes[0]))}"
        )
    while min(sizes[-1]) > 5:
        sizes.append(tuple((side + 1) // 2 for side in sizes[-1]))
    return sizes


def normal():
    """Returns the initializer of DCGAN's weights, N(0, 0.02)."""
    return keras.initializers.RandomNormal(stddev=0.02)


def inputs_of_last_weights(network):
    """Returns what the last layer with weights sees: a list of its input tensors.

    Those of this network: the layer may stand in others, too. Of a layer after it that
    joins several tensors, these. Without a reference batch that is dropped behind it.
    """
    tensor, drops = network.outputs[0], []
    while True:
        layer, node, _ = tensor._keras_history
        inputs = layer._inbound_nodes[node].input_tensors
        if isinstance(layer, DropReference):
            drops.append(layer)
        if layer.weights or len(inputs) != 1:
            for drop in drops:
                inputs = [drop(each) for each in inputs]
            return inputs
        tensor = inputs[0]


def batch_normalization(x, gamma_initializer=None, **options):
    """Returns x normalized with momentum and epsilon of Torch, scales about 1."""
    # The paper gives neither momentum nor epsilon: these are those of Torch, in which
    # an author's release, dcgan.torch, is written.
    return layers.BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        gamma_initializer=gamma_initializer
        or keras.initializers.RandomNormal(mean=1.0, stddev=0.02),
        **options,
    )(x)
