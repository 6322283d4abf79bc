import keras
import numpy as np
import pytest
from keras import layers, ops

from gen_keras.layers import Maxout
from gen_keras.models.gans import networks
from tests.models.gans import gan_checks
from tests.models.gans.gan_checks import affine, as_arrays


def of_kind(network, kind):
    return [layer for layer in network.layers if type(layer) is kind]


# Convolutional ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(28, 28, 1), (64, 64, 3), (20, 36, 2), (128, 16, 4), (100, 100, 3)]
)
def test_networks_fit_the_image(shape):
    generator = networks.convolutional_generator(shape, latent_dim=3, base_filters=1)
    discriminator = networks.convolutional_discriminator(shape, base_filters=1)
    assert generator.output_shape == (None, *shape)
    assert discriminator.input_shape == (None, *shape)
    assert discriminator.output_shape == (None, 1)


def test_convolutions_are_those_of_dcgan():
    # Figure 1 and section 3: 1024 filters at 4 x 4, halved down to 128 at 32 x 32.
    generator = networks.convolutional_generator()
    discriminator = networks.convolutional_discriminator()

    filters = [c.filters for c in of_kind(generator, layers.Conv2DTranspose)]
    assert filters == [512, 256, 128, 3]
    assert [c.filters for c in of_kind(discriminator, layers.Conv2D)] == [
        *(128, 256, 512, 1024)
    ]
    # Batch normalization everywhere but where images leave and enter.
    assert len(of_kind(generator, layers.BatchNormalization)) == 4
    assert len(of_kind(discriminator, layers.BatchNormalization)) == 3
    gan_checks.check_normalized_before(generator, layers.ReLU)
    gan_checks.check_normalized_before(discriminator, layers.LeakyReLU)
    assert type(generator.layers[-2]) is layers.Conv2DTranspose
    assert type(discriminator.layers[2]) is layers.LeakyReLU
    for network in (generator, discriminator):
        for layer in network.layers:
            if hasattr(layer, "kernel"):
                assert float(ops.std(layer.kernel)) == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((64, 64, 3), [(64, 64), (32, 32), (16, 16), (8, 8), (4, 4)]),
        ((28, 28, 1), [(28, 28), (14, 14), (7, 7), (4, 4)]),
        ((20, 36, 2), [(20, 36), (10, 18), (5, 9)]),
        ((16, 128, 1), [(16, 128), (8, 64), (4, 32)]),
    ],
)
def test_sizes_are_halved_and_rounded_up(shape, sizes):
    assert networks.stage_sizes(shape) == sizes


@pytest.mark.parametrize("channels", [8, 13])
def test_packs_and_planes_of_classes_have_more_channels(channels):
    network = networks.build_discriminator((16, 20, channels), 2, 4, num_outputs=3)
    assert network.input_shape == (None, 16, 20, channels)
    assert network.output_shape == (None, 3)
    assert of_kind(network, layers.Conv2D)[0].kernel_size == (4, 4)


def test_critics_have_no_batch_normalization_but_biases():
    network = networks.build_discriminator((32, 32, 1), 2, normalize=False)
    assert not of_kind(network, layers.BatchNormalization)
    convolutions = of_kind(network, layers.Conv2D)
    assert len(convolutions) == 3 and all(layer.use_bias for layer in convolutions)


# Dense ------------------------------------------------------------------------------


def test_dense_networks_are_the_released_ones():
    # github.com/goodfeli/adversarial, mnist.yaml.
    generator = networks.build_generator((28, 28, 1), 100)
    dense = of_kind(generator, layers.Dense)
    assert [layer.units for layer in dense] == [1200, 1200, 784]
    assert [layer.activation.__name__ for layer in dense] == ["relu", "relu", "linear"]
    assert generator.layers[-1].activation is keras.activations.tanh
    assert generator.output_shape == (None, 28, 28, 1)
    for layer in dense:
        kernel = as_arrays(layer.kernel)
        assert 0.0499 < abs(kernel).max() <= 0.05

    discriminator = networks.build_discriminator((28, 28, 1))
    pieces = [(m.units, m.num_pieces) for m in of_kind(discriminator, Maxout)]
    assert pieces == [(240, 5), (240, 5)]
    dropout = of_kind(discriminator, layers.Dropout)
    assert [layer.rate for layer in dropout] == [0.2, 0.5, 0.5]
    kinds = [type(layer) for layer in discriminator.layers[2:]]
    assert kinds == [layers.Dropout, Maxout, layers.Dropout] + [
        *(Maxout, layers.Dropout, layers.Dense)
    ]
    assert 0.00499 < abs(as_arrays(discriminator.layers[3].kernel)).max() <= 0.005
    assert discriminator.output_shape == (None, 1)


def test_masks_of_different_dropouts_differ():
    discriminator = networks.build_discriminator((4, 4, 1))
    seeds = {layer.seed for layer in of_kind(discriminator, layers.Dropout)}
    assert len(seeds) == 3


def test_networks_for_points_are_those_of_pacgan():
    generator = networks.build_generator((2,), 3, base_filters=64)
    units = [layer.units for layer in of_kind(generator, layers.Dense)]
    assert units == [400, 400, 400, 400, 2]
    kinds = [type(layer) for layer in generator.layers[1:]]
    assert kinds == [
        *(layers.Dense, layers.BatchNormalization, layers.ReLU) * 4,
        layers.Dense,
    ]
    assert (generator.input_shape, generator.output_shape) == ((None, 3), (None, 2))
    discriminator = networks.build_discriminator((4,), base_filters=64, num_outputs=2)
    pieces = [(m.units, m.num_pieces) for m in of_kind(discriminator, Maxout)]
    assert pieces == [(200, 5)] * 3
    assert discriminator.input_shape == (None, 4)
    assert discriminator.output_shape == (None, 2)


# Several ----------------------------------------------------------------------------


def test_several_discriminators_give_their_logits_side_by_side():
    first, second = affine((2,), (1,), 1.0), affine((2,), (1,), 0.0, 5.0)
    both = networks.several_discriminators([first, second])
    logits = as_arrays(both(np.array([[1.0, 2.0]], "float32")))
    np.testing.assert_allclose(logits, [[3.0, 5.0]])
    # They are trained as parts of it, and have one name when they are built alike.
    assert len(both.trainable_variables) == 4
    first.layers[-1].bias.assign([1.0])
    assert as_arrays(both(np.array([[1.0, 2.0]], "float32")))[0, 0] == 4
    alike = [networks.build_discriminator((16, 16, 1), 1) for _ in range(3)]
    assert networks.several_discriminators(alike).output_shape == (None, 3)
