import keras
import numpy as np
import pytest
from keras import layers, ops

from gen_keras import backend
from gen_keras.layers import (
    DropReference,
    InstanceNoise,
    ReferenceBatch,
    SpectralNormalization,
    VirtualBatchNormalization,
)
from gen_keras.models.gans import (
    acgan,
    bigan,
    conditional_gan,
    gan,
    infogan,
    lsgan,
    networks,
    pacgan,
    tricks,
    wgan,
)
from tests.model_checks import check_jit_compile, check_training
from tests.models.gans import gan_checks
from tests.models.gans.gan_checks import affine, as_arrays, sigmoid, softplus

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(-1, 1, (8, 4, 4, 1)).astype("float32")
SGD = keras.optimizers.SGD

make_model = gan_checks.small_maker(gan.GAN)


def two_layers(units=4, num_outputs=1):
    """A discriminator with features, through batch normalization."""
    inputs = keras.Input((4, 4, 1))
    x = layers.Dense(units)(layers.Flatten()(inputs))
    x = layers.BatchNormalization(name="normalization", scale=False)(x)
    return keras.Model(inputs, layers.Dense(num_outputs, use_bias=False)(x))


def test_all_at_once_are_trained_saved_and_compiled(tmp_path):
    def make(**arguments):
        return make_model(
            discriminator=two_layers(num_outputs=2),
            tricks=[
                tricks.LabelSmoothing(0.8),
                tricks.HistoricalAveraging(0.5),
                tricks.PullAway(0.2),
                tricks.ReplayMemory(5, seed=1),
                tricks.SoftmaxOfDiscriminators(2.0),
            ],
            **arguments,
        )

    check_training(make, (IMAGES,), tmp_path)
    restored = keras.models.load_model(tmp_path / "model.keras").tricks
    values = (restored[0].real_target, restored[1].weight, restored[2].weight)
    assert values == (0.8, 0.5, 0.2)
    assert (restored[3].size, restored[3].seed, restored[4].strength) == (5, 1, 2.0)
    if backend.NAME == "tensorflow":  # JAX compiles always, Keras runs torch eagerly.
        check_jit_compile(make, (IMAGES,))


@pytest.mark.parametrize(
    "kind",
    [
        tricks.LabelSmoothing,
        tricks.HistoricalAveraging,
        tricks.FeatureMatching,
        tricks.PullAway,
        tricks.ReplayMemory,
        tricks.SoftmaxOfDiscriminators,
    ],
)
def test_a_trick_belongs_to_one_model(kind):
    trick = kind()
    make_model(tricks=[trick], discriminator=two_layers(num_outputs=2))
    with pytest.raises(ValueError, match=f"{kind.__name__} belongs to one model"):
        make_model(tricks=[trick], discriminator=two_layers(num_outputs=2))


# Label smoothing --------------------------------------------------------------------


def test_label_smoothing_by_hand():
    # D gives 2 to data and 0.5 to samples; only the labels of data are smoothed.
    networks_of_hand = {
        "generator": affine((3,), (4, 4, 1), bias=-1.0),
        "discriminator": affine((4, 4, 1), (1,), kernel=0.75 / 16, bias=1.25),
    }
    ones = np.ones((5, 4, 4, 1), "float32")
    for target in (0.9, 0.7):
        trick = tricks.LabelSmoothing(target)
        model = make_model(tricks=[trick], **networks_of_hand)
        d_loss, g_loss, _ = gan_checks.losses_of(model, ones)
        real = -target * np.log(sigmoid(2)) - (1 - target) * np.log(1 - sigmoid(2))
        assert d_loss == pytest.approx(real - np.log(1 - sigmoid(0.5)), rel=1e-5)
        assert g_loss == pytest.approx(-np.log(sigmoid(0.5)), rel=1e-5)
    assert tricks.LabelSmoothing().real_target == 0.9

    make_lsgan = gan_checks.small_maker(lsgan.LSGAN)
    model = make_lsgan(tricks=[tricks.LabelSmoothing(0.9)], **networks_of_hand)
    d_loss, _, _ = gan_checks.losses_of(model, ones)
    assert d_loss == pytest.approx(((2 - 0.9) ** 2 + 0.5**2) / 2, rel=1e-5)


def test_label_smoothing_needs_labels():
    with pytest.raises(ValueError, match="target for real examples. Received: WGAN"):
        gan_checks.small_maker(wgan.WGAN)(tricks=[tricks.LabelSmoothing()])


# Historical averaging ---------------------------------------------------------------


def test_historical_averages_are_means_of_all_past_weights():
    trick = tricks.HistoricalAveraging(0.3)
    model = gan_checks.small_maker(bigan.BiGAN, extra_inputs=((3,),))(
        encoder=gan_checks.small_network([(4, 4, 1)], (3,)), tricks=[trick]
    )
    history = {"generator": [], "discriminator": []}

    def remember():
        for side, past in history.items():
            past.append(gan_checks.copies_of(getattr(model, f"{side}_variables")))

    remember()  # The first weights count, too.
    for _ in range(3):
        model.train_step((IMAGES,))
        remember()
    assert len(history["generator"][0]) == 2  # The encoder's are among them.
    data = model.unpack((IMAGES,))
    for side, past in history.items():
        means = [np.mean(weights, axis=0) for weights in zip(*past, strict=True)]
        for mean, expected in zip(trick.means[side], means, strict=True):
            np.testing.assert_allclose(as_arrays(mean.value), expected, atol=1e-6)
        latest = past[-1]
        distance = sum(((w - m) ** 2).sum() for w, m in zip(latest, means, strict=True))
        if side == "generator":
            term = trick.generator_term(model, data, None, training=True)
        else:
            term = trick.discriminator_term(model)
        assert float(term) == pytest.approx(0.3 * distance, rel=1e-4)


def test_historical_averages_are_of_clipped_weights():
    model = gan_checks.small_maker(wgan.WGAN, clip_value=0.01)(
        discriminator=affine((4, 4, 1), (1,), kernel=5.0),
        tricks=[tricks.HistoricalAveraging(1e-9)],
    )
    model.update_discriminator(model.unpack((IMAGES,)))
    kernel = as_arrays(model.discriminator_variables[0].value)
    assert np.abs(kernel).max() == pytest.approx(0.01)
    mean = as_arrays(model.tricks[0].means["discriminator"][0].value)
    np.testing.assert_allclose(mean, (5.0 + kernel) / 2, rtol=1e-6)


def test_historical_averaging_pulls_weights_back():
    # D sees zeros only, so that its loss is the distance: the gradient is 2 w (θ - m).
    trick = tricks.HistoricalAveraging(2.0)
    model = make_model(
        tricks=[trick],
        generator=affine((3,), (4, 4, 1)),
        discriminator=affine((4, 4, 1), (1,), kernel=1.0),
    )
    model.compile(SGD(0.0), SGD(0.1))
    model.discriminator.layers[-1].kernel.assign(np.full((16, 1), 1.5))
    model.update_discriminator(ops.zeros((2, 4, 4, 1)))
    kernel = as_arrays(model.discriminator.layers[-1].kernel.value)
    np.testing.assert_allclose(kernel, 1.5 - 0.1 * 2 * 2.0 * 0.5, rtol=1e-5)


# Features ---------------------------------------------------------------------------


def test_feature_matching_by_hand():
    # Features F x, samples b: |mean F x - F b|^2 has the gradient 2 F'F (b - mean x).
    features = RNG.normal(0, 1, (16, 3))
    inputs = keras.Input((4, 4, 1))
    hidden = layers.Dense(3, use_bias=False)(layers.Flatten()(inputs))
    discriminator = keras.Model(inputs, layers.Dense(1)(hidden))
    b = np.linspace(-1, 1, 16)
    model = make_model(
        tricks=[tricks.FeatureMatching()],
        generator=affine((3,), (4, 4, 1), bias=b),
        discriminator=discriminator,
    )
    model.compile(SGD(0.01), SGD(0.0))
    difference = b @ features - IMAGES.reshape(8, 16).mean(axis=0) @ features
    losses = []
    for logits in (np.ones((3, 1)), np.full((3, 1), -5.0)):  # They do not matter.
        discriminator.set_weights([features, logits, np.zeros(1)])
        losses.append(gan_checks.losses_of(model, IMAGES)[1])
    assert losses == pytest.approx([(difference**2).sum()] * 2, rel=1e-4)
    model.update_generator(model.unpack((IMAGES,)))
    _, bias = gan_checks.trainable_of(model, "generator")
    expected = b - 0.01 * 2 * features @ difference
    np.testing.assert_allclose(bias, expected, rtol=1e-4, atol=1e-5)


def test_features_of_images_with_classes():
    make = gan_checks.small_maker(acgan.ACGAN, num_classes=3, extra_latents=3)
    model = make(
        tricks=[tricks.FeatureMatching()], discriminator=two_layers(num_outputs=4)
    )
    assert np.isfinite(
        gan_checks.losses_of(model, (IMAGES, np.arange(8) % 3))[:2]
    ).all()


@pytest.mark.parametrize("kind", [tricks.FeatureMatching, tricks.PullAway])
def test_features_in_evaluation_leave_the_statistics(kind):
    discriminator = two_layers()
    model = make_model(tricks=[kind()], discriminator=discriminator)
    layer = discriminator.get_layer("normalization")
    before = gan_checks.copies_of(layer.variables)
    model.test_step((IMAGES,))
    assert all(map(np.array_equal, before, gan_checks.copies_of(layer.variables)))
    model.train_step((IMAGES,))
    after = gan_checks.copies_of(layer.variables)
    assert not all(map(np.array_equal, before, after))


@pytest.mark.parametrize("num_images", [3, 8])
def test_features_leave_a_reference_batch_out(num_images):
    inputs = keras.Input((4, 4, 1))
    x = layers.Dense(5)(layers.Flatten()(ReferenceBatch(8)(inputs)))
    x = features = layers.ReLU()(VirtualBatchNormalization(8)(x))
    logits = DropReference(8)(layers.Dense(1)(x))
    discriminator = keras.Model(inputs, logits)
    model = make_model(tricks=[tricks.PullAway()], discriminator=discriminator)
    images = IMAGES[:num_images]
    np.testing.assert_allclose(
        as_arrays(model.tricks[0].features(images, training=True)),
        as_arrays(keras.Model(inputs, features)(images))[8:],
        rtol=1e-6,
    )


def test_pull_away_by_hand():
    features = RNG.normal(0, 1, (16, 3))
    inputs = keras.Input((4, 4, 1))
    hidden = layers.Dense(3, use_bias=False)(layers.Flatten()(inputs))
    discriminator = keras.Model(inputs, layers.Dense(1)(hidden))
    discriminator.layers[2].set_weights([features])
    trick = tricks.PullAway()
    model = make_model(tricks=[trick], discriminator=discriminator)
    vectors = IMAGES.reshape(8, 16) @ features
    total = 0.0
    for i in range(8):
        for j in range(8):
            if i != j:
                norms = np.linalg.norm(vectors[i]) * np.linalg.norm(vectors[j])
                total += (vectors[i] @ vectors[j] / norms) ** 2
    images = ops.convert_to_tensor(IMAGES)
    term = trick.generator_term(model, None, images, training=True)
    assert float(term) == pytest.approx(0.1 * total / (8 * 7), rel=1e-5)
    alike = trick.generator_term(model, None, 0 * images + 1, training=True)
    assert float(alike) == pytest.approx(0.1, rel=1e-5)
    # It is added to the generator's own loss.
    with model.seeded(1):
        fake = model.fake_examples(images, training=True)
    own = np.mean(softplus(-as_arrays(model.judge(fake, True)[0])))
    term = float(trick.generator_term(model, None, fake, training=True))
    with model.seeded(1):
        loss, _ = model.compute_generator_loss(images, training=True)
    assert float(loss) == pytest.approx(own + term, rel=1e-5)


def test_features_of_other_discriminators_are_refused():
    message = "discriminators of one example, with one last layer. Received: "
    both = [two_layers(), two_layers()]
    for make, arguments in (
        (gan_checks.small_maker(pacgan.PacGAN), {"pack_size": 2}),
        (gan_checks.small_maker(bigan.BiGAN, extra_inputs=((3,),)), {}),
        (make_model, {"discriminator": networks.several_discriminators(both)}),
    ):
        if "pack_size" in arguments:
            arguments["discriminator"] = affine((4, 4, 2), (1,))
        with pytest.raises(ValueError, match=message):
            make(tricks=[tricks.PullAway()], **arguments)
    with pytest.raises(ValueError, match=message + "InfoGAN"):
        infogan.InfoGAN((8, 8, 1), base_filters=1, tricks=[tricks.FeatureMatching()])


# Replay -----------------------------------------------------------------------------


def test_the_discriminator_remembers_samples():
    # The generator first gives -1, then 1; D(x) tells them apart.
    model = make_model(
        tricks=[tricks.ReplayMemory(60, seed=1)],
        generator=affine((3,), (4, 4, 1), bias=-1.0),
        discriminator=affine((4, 4, 1), (1,), kernel=1.0),
    )
    images = np.zeros((60, 4, 4, 1), "float32")

    def share_of_new():
        # The score of a sample is 0 or, of a new one, 1.
        return gan_checks.losses_of(model, images)[2]["fake_score"]

    assert share_of_new() == pytest.approx(0, abs=1e-5)  # All 60 are stored.
    model.generator.trainable_variables[1].assign(np.ones(16))
    new = share_of_new()
    assert 0.3 < new < 0.7
    # The others took the places of old ones, which will come back; but in evaluation
    # there are no others.
    stored = as_arrays(model.tricks[0].pool.images.value)[:, 0, 0, 0]
    assert 0.15 < np.mean(stored == 1) < 0.6 and (abs(stored) == 1).all()
    scores = gan_checks.losses_of(model, images, training=False)[2]
    assert scores["fake_score"] == pytest.approx(1, abs=1e-5)
    # The generator is judged by its own samples.
    assert scores["generator_loss"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: acgan.ACGAN(base_filters=2, tricks=[tricks.ReplayMemory()]),
        lambda: bigan.BiGAN((4, 4, 1), units=2, tricks=[tricks.ReplayMemory()]),
    ],
)
def test_replay_is_for_images_alone(make):
    with pytest.raises(ValueError, match="ReplayMemory is for images alone"):
        make()


def test_a_trick_that_was_refused_may_go_to_another_model():
    trick = tricks.LabelSmoothing()
    with pytest.raises(ValueError, match="for losses with a target"):
        wgan.WGAN((16, 16, 1), base_filters=2, tricks=[trick])
    assert make_model(tricks=[trick]).tricks == [trick]


# Several discriminators -------------------------------------------------------------


def test_softmax_of_discriminators_goes_from_mean_to_maximum():
    logits = np.array([2.0, 0.0, -1.0])
    of_each = softplus(-logits)
    losses = {}
    for strength in (0.0, 1.0, 100.0):
        model = make_model(
            tricks=[tricks.SoftmaxOfDiscriminators(strength)],
            discriminator=affine((4, 4, 1), (3,), bias=logits),
        )
        d_loss, losses[strength], _ = gan_checks.losses_of(model, IMAGES)
        # Each discriminator has its own loss.
        expected = np.sum(softplus(-logits) + softplus(logits))
        assert d_loss == pytest.approx(expected, rel=1e-5)
    assert losses[0.0] == pytest.approx(of_each.mean(), rel=1e-5)
    assert losses[100.0] == pytest.approx(of_each.max(), rel=1e-5)
    weights = np.exp(of_each) / np.exp(of_each).sum()
    assert losses[1.0] == pytest.approx(weights @ of_each, rel=1e-5)


def test_discriminators_are_weighed_by_their_losses_over_the_batch():
    values = np.array([[1.0, 5.0], [5.0, 0.0]], "float32")
    weights = np.exp(values.mean(axis=0)) / np.exp(values.mean(axis=0)).sum()
    losses = tricks.SoftmaxOfDiscriminators(1.0).generator_losses(
        ops.convert_to_tensor(values)
    )
    np.testing.assert_allclose(as_arrays(losses), values * weights * 2, rtol=1e-5)


# Layers that move with the steps ----------------------------------------------------


def test_layers_move_once_a_step_of_the_discriminator():
    inputs = keras.Input((4, 4, 1))
    x = InstanceNoise(0.1, 100, seed=1, name="noise")(inputs)
    wrapper = SpectralNormalization(layers.Dense(3))
    discriminator = keras.Model(inputs, layers.Dense(1)(wrapper(layers.Flatten()(x))))
    model = make_model(
        discriminator=networks.several_discriminators([discriminator, two_layers()])
    )
    noise = discriminator.get_layer("noise")
    for step in (1, 2):
        matrix = as_arrays(wrapper.layer.kernel.value).T
        v = as_arrays(wrapper.u.value) @ matrix
        expected = matrix @ v
        model.train_step((IMAGES,))
        # One power iteration, though D saw three batches; and one step of the noise,
        # though it is in a network within the network.
        u = as_arrays(wrapper.u.value)
        np.testing.assert_allclose(
            u, expected / np.linalg.norm(expected), rtol=1e-4, atol=1e-5
        )
        assert int(noise.step.value) == step
    before = as_arrays(wrapper.u.value).copy()
    model.update_generator(model.unpack((IMAGES,)))
    np.testing.assert_array_equal(as_arrays(wrapper.u.value), before)
    assert int(noise.step.value) == 2


# Together --------------------------------------------------------------------------


def test_features_behind_input_layers():
    plain = two_layers()
    noisy = networks.with_input_layers(plain, [InstanceNoise(0.0, 10)])
    terms = []
    for discriminator in (plain, noisy):
        model = make_model(discriminator=discriminator, tricks=[tricks.PullAway()])
        fake = ops.convert_to_tensor(IMAGES)
        terms.append(
            as_arrays(model.tricks[0].generator_term(model, None, fake, False))
        )
    assert terms[0] == pytest.approx(terms[1]) and terms[0] > 0


@pytest.mark.parametrize(
    "make",
    [
        lambda **options: bigan.BiGAN((16, 16, 1), 3, base_filters=2, **options),
        lambda **options: conditional_gan.ConditionalGAN((16, 16, 1), 3, **options),
    ],
)
def test_input_layers_are_for_images_not_for_what_comes_with_them(make):
    plain = make().discriminator
    halved = networks.with_input_layers(
        plain, [layers.Rescaling(0.5), layers.Rescaling(1.0, 0.3)]
    )
    images, others = RNG.normal(size=(5, 16, 16, 1)), RNG.normal(size=(5, 3))
    np.testing.assert_allclose(
        as_arrays(halved([images, others])),
        as_arrays(plain([0.5 * images + 0.3, others])),
        rtol=1e-4,
    )
    model = make(discriminator=halved)
    model.compile()
    assert model.discriminator.trainable_variables == plain.trainable_variables


def test_pull_away_of_one_sample_is_nothing():
    model = make_model(discriminator=two_layers(), tricks=[tricks.PullAway()])
    fake = ops.convert_to_tensor(IMAGES[:1])
    term = as_arrays(model.tricks[0].generator_term(model, None, fake, False))
    assert term == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tricks.LabelSmoothing(1.7), "real_target.*0 to 1. Received: 1.7"),
        (lambda: tricks.ReplayMemory(0), "size.*at least 1. Received: 0"),
        (lambda: tricks.PullAway(-1), "weight.*at least 0. Received: -1"),
        (lambda: tricks.HistoricalAveraging(-1), "weight.*at least 0"),
        (lambda: tricks.SoftmaxOfDiscriminators(-1), "strength.*at least 0"),
        (
            lambda: make_model(tricks=[tricks.SoftmaxOfDiscriminators()]),
            "two or more logits.*Received: outputs of",
        ),
        (
            lambda: make_model(tricks=["label_smoothing"]),
            "such as LabelSmoothing.*Received: 'label_smoothing'",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
