import keras
import numpy as np
import pytest
from keras import ops

from gen_keras.models.vaes import vae
from tests.model_checks import check_model

IMAGES = np.random.default_rng(0).uniform(0, 1, (64, 8, 8, 1)).astype("float32")


def make_model(compile_options=None, learning_rate=1e-2, **kwargs):
    defaults = {"image_shape": (8, 8, 1), "latent_dim": 3, "hidden_dims": (8,)}
    model = vae.VAE(**defaults | kwargs)
    optimizer = keras.optimizers.Adam(learning_rate)
    model.compile(optimizer, **compile_options or {})
    return model


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {
            "network": "convolutional",
            "hidden_dims": (2, 4, 8),
            "likelihood": "gaussian",
        },
    ],
    ids=["dense, bernoulli", "convolutional, gaussian"],
)
def test_model(kind, tmp_path):
    def make(**kwargs):
        return make_model(**kind | kwargs)

    config = {"latent_dim": 4, "seed": 3}
    if kind:
        # Gaussian means have no bounds; the samples of `check_sample` stay within.
        vae_range = vae.VAE.value_range
        try:
            vae.VAE.value_range = (-np.inf, np.inf)
            check_model(make, config, IMAGES, (8, 8, 1), tmp_path)
        finally:
            vae.VAE.value_range = vae_range
    else:
        check_model(make, config, IMAGES, (8, 8, 1), tmp_path)


def test_elbo_when_encoder_and_decoder_ignore_their_input():
    # q = N(m, s^2) in two dimensions and logits 0: the KL divergence is that of
    # two Gaussians, and each of 64 pixels costs log 2 whatever it is.
    model = make_model(latent_dim=2)
    for variable in model.weights:
        variable.assign(ops.zeros(variable.shape))
    mean, log_variance = np.array([0.5, -1.0]), np.array([0.3, -0.7])
    model.encoder.layers[-1].bias.assign(np.concatenate([mean, log_variance]))
    logs = model.evaluate(IMAGES, verbose=0, return_dict=True)
    kl = 0.5 * np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance)
    assert logs["kl_divergence"] == pytest.approx(kl, rel=1e-5)
    assert logs["reconstruction_loss"] == pytest.approx(64 * np.log(2), rel=1e-5)
    assert logs["loss"] == pytest.approx(kl + 64 * np.log(2), rel=1e-5)


def test_step_where_the_pixels_are_the_latents():
    # x = 0, z = m + s e and p(x | z) = N(z, 1): E[z^2] = m^2 + s^2, and all gradients
    # with respect to m and log s^2, through the samples of z, have closed forms.
    mean, log_variance = np.array([0.5, -1.0]), np.array([1.0, -1.0])
    variance = np.exp(log_variance)
    inputs, latents = keras.Input((2, 1, 1)), keras.Input((2,))
    dense = keras.layers.Dense(4)
    encoder = keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))
    dense.set_weights([np.zeros((2, 4)), np.concatenate([mean, log_variance])])
    decoder = keras.Model(latents, keras.layers.Reshape((2, 1, 1))(latents))
    model = vae.VAE((2, 1, 1), 2, "gaussian", encoder=encoder, decoder=decoder, seed=0)
    model.compile(keras.optimizers.SGD(1.0))
    images = np.zeros((20_000, 2, 1, 1), "float32")
    logs = model.fit(images, batch_size=20_000, verbose=0).history
    expected = 0.5 * np.sum(mean**2 + variance + np.log(2 * np.pi))
    assert logs["reconstruction_loss"][0] == pytest.approx(expected, abs=0.08)
    step = np.concatenate([-2 * mean, 0.5 - variance])
    new = mean.tolist() + log_variance.tolist() + step
    np.testing.assert_allclose(ops.convert_to_numpy(dense.bias), new, atol=0.08)


@pytest.mark.backends("tensorflow")
def test_parts_of_the_elbo_agree_with_tensorflow_probability():
    import tensorflow_probability as tfp

    tfd = tfp.distributions
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(2, 5, 3)).astype("float32")
    posterior = tfd.MultivariateNormalDiag(mean, np.exp(log_variance / 2))
    prior = tfd.MultivariateNormalDiag(np.zeros(3, "float32"))
    np.testing.assert_allclose(
        vae.kl_from_standard_normal(mean, log_variance),
        tfd.kl_divergence(posterior, prior),
        rtol=1e-5,
    )
    outputs = rng.normal(size=(64, 8, 8, 1)).astype("float32")
    for likelihood, images, distribution in (
        ("bernoulli", (IMAGES > 0.5).astype("float32"), tfd.Bernoulli(outputs)),
        ("gaussian", IMAGES, tfd.Normal(outputs, np.float32(np.exp(0.3)))),
    ):
        model = make_model(likelihood=likelihood)
        if likelihood == "gaussian":
            model.log_stddev.assign(0.3)
        np.testing.assert_allclose(
            model._log_likelihood(images, ops.convert_to_tensor(outputs)),
            np.sum(distribution.log_prob(images), axis=(1, 2, 3)),
            rtol=1e-5,
        )


def make_linear_model(posterior_shift=0.0):
    """p(x | z) = N(Wz + b, s^2), whose p(x) is known, and the exact posterior of z."""
    rng = np.random.default_rng(0)
    model = make_model(likelihood="gaussian", latent_dim=2, image_shape=(2, 2, 1))
    w, b, stddev = rng.normal(size=(2, 4)), rng.normal(size=4), 0.7
    precision = np.eye(2) + w @ w.T / stddev**2
    # A diagonal posterior wants orthogonal rows.
    w[1] -= w[0] * (w[0] @ w[1]) / (w[0] @ w[0])
    precision = np.eye(2) + w @ w.T / stddev**2
    to_mean = np.linalg.solve(precision, w).T / stddev**2
    log_variance = -np.log(np.diag(precision))

    inputs = keras.Input((2, 2, 1))
    dense = keras.layers.Dense(4)
    encoder = keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))
    kernel = np.concatenate([to_mean, np.zeros((4, 2))], axis=1)
    shift = np.array([posterior_shift, 0])
    dense.set_weights([kernel, np.concatenate([shift - b @ to_mean, log_variance])])

    latents = keras.Input((2,))
    dense = keras.layers.Dense(4)
    decoder = keras.Model(latents, keras.layers.Reshape((2, 2, 1))(dense(latents)))
    dense.set_weights([w, b])

    model = vae.VAE((2, 2, 1), 2, "gaussian", encoder=encoder, decoder=decoder, seed=0)
    model.log_stddev.assign(np.log(stddev))
    images = rng.normal(size=(6, 2)) @ w + b + stddev * rng.normal(size=(6, 4))
    covariance = w.T @ w + stddev**2 * np.eye(4)
    residual = images - b
    log_prob = -0.5 * (
        np.sum(residual * np.linalg.solve(covariance, residual.T).T, axis=1)
        + np.linalg.slogdet(2 * np.pi * covariance)[1]
    )
    return model, images.reshape(6, 2, 2, 1).astype("float32"), log_prob


def test_bounds_of_a_linear_gaussian_model_are_tight_at_the_true_posterior():
    model, images, log_prob = make_linear_model()
    bound = ops.convert_to_numpy(model.iwae_bound(images, 10, seed=0))
    np.testing.assert_allclose(bound, log_prob, atol=1e-4)
    # Its ELBO has no gap but noise, which many samples average out.
    elbo = ops.convert_to_numpy(model.elbo(images, 10, seed=0))
    np.testing.assert_allclose(elbo, log_prob, atol=1e-4)


def test_bounds_rise_with_the_samples_and_stay_below_the_likelihood():
    model, images, log_prob = make_linear_model(posterior_shift=1.0)

    def mean_bound(num_samples, repeats):
        bounds = [
            ops.convert_to_numpy(model.iwae_bound(images, num_samples, seed=seed))
            for seed in range(repeats)
        ]
        return np.mean(bounds)

    bounds = [mean_bound(1, 200), mean_bound(10, 50), mean_bound(5000, 2)]
    assert bounds[0] < bounds[1] < bounds[2] <= log_prob.mean() + 0.01
    assert bounds[2] == pytest.approx(log_prob.mean(), abs=0.05)
    elbo = ops.convert_to_numpy(model.elbo(images, 5000, seed=0)).mean()
    assert elbo == pytest.approx(bounds[0], abs=0.1)
    # The gap of the ELBO is KL(q || p(z | x)) of two Gaussians a shift apart.
    _, log_variance = model.encode(images)
    gap = 0.5 / np.exp(float(log_variance[0, 0]))
    assert log_prob.mean() - elbo == pytest.approx(gap, rel=0.05)


def test_the_chunks_of_the_samples_do_not_matter():
    # 60 samples are two chunks of 30; 59, a prime number, are 59 chunks of one.
    model, images, log_prob = make_linear_model()
    for num_samples in (59, 60):
        bound = ops.convert_to_numpy(model.iwae_bound(images, num_samples, seed=0))
        np.testing.assert_allclose(bound, log_prob, atol=1e-4)


def test_evaluate_weighs_examples_equally():
    model = make_model(seed=0)
    kernel = model.decoder.layers[-2].kernel  # At zero the noise does not matter.
    kernel.assign(ops.zeros(kernel.shape))
    whole = model.evaluate(IMAGES, batch_size=64, verbose=0, return_dict=True)
    parts = model.evaluate(IMAGES, batch_size=48, verbose=0, return_dict=True)
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-5)


def test_training_finds_the_stddev_of_the_pixels():
    rng = np.random.default_rng(0)
    images = rng.normal(0.4, 0.2, (256, 2, 2, 1)).astype("float32")
    model = make_model(
        likelihood="gaussian", image_shape=(2, 2, 1), learning_rate=3e-2, seed=0
    )
    model.fit(images, epochs=40, batch_size=64, verbose=0)
    assert np.exp(float(model.log_stddev)) == pytest.approx(0.2, rel=0.15)


def test_loss_decreases():
    model = make_model(seed=0)
    losses = model.fit(IMAGES, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_temperature_scales_the_prior():
    model = make_model(latent_dim=50)
    warm = ops.convert_to_numpy(model.sample_latents(200, seed=0))
    assert warm.std() == pytest.approx(1, rel=0.03)
    cold = ops.convert_to_numpy(model.sample_latents(200, seed=0, temperature=0.5))
    np.testing.assert_allclose(cold, warm / 2, rtol=1e-6)


@pytest.mark.parametrize(
    "argument",
    [
        {"likelihood": "poisson"},
        {"network": "recurrent"},
        {"network": "convolutional", "hidden_dims": (2, 2, 2, 2, 8)},
    ],
    ids=str,
)
def test_bad_arguments(argument):
    with pytest.raises(ValueError, match="Received"):
        make_model(**argument)


@pytest.mark.parametrize(
    ("likelihood", "images", "message"),
    [
        ("bernoulli", 255 * IMAGES, "`x` must be from 0 to 1. Received: values"),
        ("gaussian", np.nan * IMAGES, "values from nan to nan"),
        ("gaussian", IMAGES[:, 1:], r"shape \(None, 8, 8, 1\).*\(64, 7, 8, 1\)"),
    ],
)
def test_bad_images(likelihood, images, message):
    model = make_model(likelihood=likelihood)
    with pytest.raises(ValueError, match=message):
        model.fit(images, verbose=0)
    with pytest.raises(ValueError, match=message):
        model.fit(IMAGES, validation_data=(images,), verbose=0)
    with pytest.raises(ValueError, match=message):
        model.evaluate(images, verbose=0)


def test_real_pixels_are_taken():
    make_model(likelihood="gaussian").fit(100 * IMAGES - 50, verbose=0)


def test_arrays_are_looked_at_once(monkeypatch):
    model, seen = make_model(), []
    monkeypatch.setattr(model, "check_data", lambda images: seen.append(len(images)))
    held_out = IMAGES[:20]
    model.fit(IMAGES, epochs=3, validation_data=(held_out, held_out), verbose=0)
    assert seen == [64, 20]
