"""Training steps as one writes them by hand for one backend, without `train_step`.

Each does what the model of the same name does, on the same Keras networks and with the
same Keras optimizers, and returns the same losses and scores; only the running means
of the metrics are left out. `make_loop(model)` takes a compiled model as the holder of
networks and optimizers and returns `step(images)`. `make_ours(model)` returns the step
that `fit` runs, between two batches as `fit` does it. `make_native` (torch) trains
`torch.nn` networks of the same shapes with `torch.optim`; `make_example` (torch) trains
DCGAN's in the order of PyTorch's public example. `make_products` does the six matrix
products of a PCD-1 step and nothing else.
"""

import keras

NAME = keras.backend.backend()


def make_loop(model):
    """Returns `step(images) -> dict of scalars`, written for the running backend.

    Args:
        model: Compiled DCGAN without moving average, VAE with the Bernoulli
            likelihood, or RBM with persistent chains and one Gibbs step. The step
            trains its weights, on JAX copies of them.
    """
    makers = {"DCGAN": _make_dcgan, "VAE": _make_vae, "RBM": _make_rbm}
    return makers[type(model).__name__](model)


if NAME == "tensorflow":
    import tensorflow as tf

    uniform = tf.random.uniform
    normal = tf.random.normal

    def wait(logs):
        """Waits for the step that returned `logs`, so for all before it."""
        for value in logs.values():
            value.numpy()

    def make_ours(model):
        """Returns `step(*batch)`, a call of the function that `fit` calls."""
        model.make_train_function()
        return lambda *batch: model.train_function(iter([batch]))

    def make_products(shapes, jit_compile):
        """Returns `step(visible)`; `shapes` are (num_chains, visible, hidden)."""
        num_chains, num_visible, num_hidden = shapes
        kernel = tf.Variable(normal((num_visible, num_hidden)))
        chains = tf.Variable(normal((num_chains, num_visible)))

        @tf.function(jit_compile=jit_compile)
        def step(visible):
            hidden = chains @ kernel
            negative = tf.matmul(hidden, kernel, transpose_b=True)
            hidden_data, hidden_model = visible @ kernel, negative @ kernel
            return {
                "data": tf.matmul(visible, hidden_data, transpose_a=True),
                "model": tf.matmul(negative, hidden_model, transpose_a=True),
            }

        return step

    def _make_dcgan(model):
        generator, discriminator = model.generator, model.discriminator

        @tf.function(jit_compile=model.jit_compile)
        def step(real):
            shape = (real.shape[0], model.latent_dim)
            fake = generator(uniform(shape, -1.0, 1.0), training=True)
            with tf.GradientTape() as tape:
                real_logits = discriminator(real, training=True)
                fake_logits = discriminator(fake, training=True)
                discriminator_loss = tf.reduce_mean(
                    tf.nn.softplus(-real_logits)
                ) + tf.reduce_mean(tf.nn.softplus(fake_logits))
            variables = discriminator.trainable_variables
            gradients = tape.gradient(discriminator_loss, variables)
            model.discriminator_optimizer.apply(gradients, variables)

            with tf.GradientTape() as tape:
                fake = generator(uniform(shape, -1.0, 1.0), training=True)
                logits = discriminator(fake, training=True)
                generator_loss = tf.reduce_mean(tf.nn.softplus(-logits))
            variables = generator.trainable_variables
            gradients = tape.gradient(generator_loss, variables)
            model.generator_optimizer.apply(gradients, variables)
            return {
                "discriminator_loss": discriminator_loss,
                "generator_loss": generator_loss,
                "real_score": tf.reduce_mean(tf.sigmoid(real_logits)),
                "fake_score": tf.reduce_mean(tf.sigmoid(fake_logits)),
            }

        return step

    def _make_vae(model):
        @tf.function(jit_compile=model.jit_compile)
        def step(images):
            with tf.GradientTape() as tape:
                outputs = model.encoder(images, training=True)
                mean, log_variance = tf.split(outputs, 2, axis=-1)
                noise = normal(mean.shape)
                logits = model.decoder(
                    mean + tf.exp(0.5 * log_variance) * noise, training=True
                )
                log_prob = images * logits - tf.nn.softplus(logits)
                reconstruction = -tf.reduce_mean(tf.reduce_sum(log_prob, (1, 2, 3)))
                kl = 0.5 * (mean**2 + tf.exp(log_variance) - 1 - log_variance)
                kl = tf.reduce_mean(tf.reduce_sum(kl, -1))
                loss = reconstruction + kl
            gradients = tape.gradient(loss, model.trainable_variables)
            model.optimizer.apply(gradients, model.trainable_variables)
            return {
                "loss": loss,
                "reconstruction_loss": reconstruction,
                "kl_divergence": kl,
            }

        return step

    def _make_rbm(model):
        kernel, b, c = model.kernel, model.visible_bias, model.hidden_bias

        def draw(logits):
            return tf.cast(uniform(logits.shape) < tf.sigmoid(logits), tf.float32)

        def free_energy(visible, logits):
            energy = -tf.linalg.matvec(visible, b) - tf.reduce_sum(
                tf.nn.softplus(logits), -1
            )
            return tf.reduce_mean(energy)

        @tf.function(jit_compile=model.jit_compile)
        def step(images):
            data = tf.reshape(images, (-1, model.num_visible))
            hidden = draw(model.chains @ kernel + c)
            chains = draw(tf.matmul(hidden, kernel, transpose_b=True) + b)
            model.chains.assign(chains)

            data_logits, chain_logits = data @ kernel + c, chains @ kernel + c
            data_hidden, chain_hidden = map(tf.sigmoid, (data_logits, chain_logits))
            gradients = [
                tf.matmul(chains, chain_hidden, transpose_a=True) / len(chains)
                - tf.matmul(data, data_hidden, transpose_a=True) / len(data),
                tf.reduce_mean(chains, 0) - tf.reduce_mean(data, 0),
                tf.reduce_mean(chain_hidden, 0) - tf.reduce_mean(data_hidden, 0),
            ]
            energy = free_energy(data, data_logits)
            gap = energy - free_energy(chains, chain_logits)
            model.optimizer.apply(gradients, [kernel, b, c])
            return {"free_energy": energy, "free_energy_gap": gap}

        return step

elif NAME == "jax":
    import functools

    import jax
    import jax.numpy as jnp

    def uniform(shape, low=0.0, high=1.0, *, key):
        """Returns numbers uniform in [low, high), drawn with `key`."""
        return jax.random.uniform(key, shape, minval=low, maxval=high)

    def normal(shape, *, key):
        """Returns standard normal numbers, drawn with `key`."""
        return jax.random.normal(key, shape)

    _softplus = jax.nn.softplus

    def wait(logs):
        """Waits for the step that returned `logs`, so for all before it."""
        jax.block_until_ready(logs)

    def make_ours(model):
        """Returns `step(*batch)`, a call of the function that `fit` calls."""
        model.make_train_function()
        state = model._get_jax_state(
            trainable_variables=True,
            non_trainable_variables=True,
            optimizer_variables=True,
            metrics_variables=True,
        )

        def step(*batch):
            nonlocal state
            logs, state = model.train_function(state, iter([batch]))
            return logs

        return step

    def make_products(shapes, jit_compile):
        """Returns `step(visible)`; `shapes` are (num_chains, visible, hidden)."""
        num_chains, num_visible, num_hidden = shapes
        key = jax.random.key(0)
        kernel = normal((num_visible, num_hidden), key=key)
        chains = normal((num_chains, num_visible), key=key)

        @jax.jit
        def products(kernel, chains, visible):
            negative = (chains @ kernel) @ kernel.T
            hidden_data, hidden_model = visible @ kernel, negative @ kernel
            return {
                "data": visible.T @ hidden_data,
                "model": negative.T @ hidden_model,
            }

        return functools.partial(products, kernel, chains)

    def _carry_state(step, state):
        """Returns `step(state, images) -> (state, logs)` as a function of images."""
        jitted = jax.jit(step, donate_argnums=0)
        # Buffers are given away, so none may be in the state twice or in a model.
        state = jax.tree.map(jnp.copy, state)

        def run(images):
            nonlocal state
            state, logs = jitted(state, images)
            return logs

        return run

    def _values(variables):
        return [variable.value for variable in variables]

    def _make_dcgan(model):
        generator, discriminator = model.generator, model.discriminator

        def compute_discriminator_loss(weights, buffers, real, fake):
            call = discriminator.stateless_call
            real_logits, buffers = call(weights, buffers, real, training=True)
            fake_logits, buffers = call(weights, buffers, fake, training=True)
            loss = _softplus(-real_logits).mean() + _softplus(fake_logits).mean()
            logs = {
                "discriminator_loss": loss,
                "real_score": jax.nn.sigmoid(real_logits).mean(),
                "fake_score": jax.nn.sigmoid(fake_logits).mean(),
            }
            return loss, (logs, buffers)

        def compute_generator_loss(weights, buffers, critic, critic_buffers, latents):
            fake, buffers = generator.stateless_call(
                weights, buffers, latents, training=True
            )
            logits, critic_buffers = discriminator.stateless_call(
                critic, critic_buffers, fake, training=True
            )
            return _softplus(-logits).mean(), (buffers, critic_buffers)

        def step(state, real):
            key, (g, g_buffers, g_slots), (d, d_buffers, d_slots) = state
            key, *keys = jax.random.split(key, 3)
            first, second = (
                uniform((len(real), model.latent_dim), -1.0, 1.0, key=k) for k in keys
            )
            fake, g_buffers = generator.stateless_call(
                g, g_buffers, first, training=True
            )
            (_, (logs, d_buffers)), gradients = jax.value_and_grad(
                compute_discriminator_loss, has_aux=True
            )(d, d_buffers, real, fake)
            d, d_slots = model.discriminator_optimizer.stateless_apply(
                d_slots, gradients, d
            )
            (loss, (g_buffers, d_buffers)), gradients = jax.value_and_grad(
                compute_generator_loss, has_aux=True
            )(g, g_buffers, d, d_buffers, second)
            g, g_slots = model.generator_optimizer.stateless_apply(
                g_slots, gradients, g
            )
            state = key, (g, g_buffers, g_slots), (d, d_buffers, d_slots)
            return state, logs | {"generator_loss": loss}

        def get_state(network, optimizer):
            return (
                _values(network.trainable_variables),
                _values(network.non_trainable_variables),
                _values(optimizer.variables),
            )

        state = (
            jax.random.key(0),
            get_state(generator, model.generator_optimizer),
            get_state(discriminator, model.discriminator_optimizer),
        )
        return _carry_state(step, state)

    def _make_vae(model):
        num_encoder = len(model.encoder.trainable_variables)

        def compute_loss(weights, images, key):
            outputs, _ = model.encoder.stateless_call(
                weights[:num_encoder], [], images, training=True
            )
            mean, log_variance = jnp.split(outputs, 2, axis=-1)
            latents = mean + jnp.exp(0.5 * log_variance) * normal(mean.shape, key=key)
            logits, _ = model.decoder.stateless_call(
                weights[num_encoder:], [], latents, training=True
            )
            log_prob = images * logits - _softplus(logits)
            reconstruction = -log_prob.sum((1, 2, 3)).mean()
            kl = 0.5 * (mean**2 + jnp.exp(log_variance) - 1 - log_variance)
            kl = kl.sum(-1).mean()
            loss = reconstruction + kl
            return loss, {
                "loss": loss,
                "reconstruction_loss": reconstruction,
                "kl_divergence": kl,
            }

        def step(state, images):
            key, weights, slots = state
            key, noise_key = jax.random.split(key)
            (_, logs), gradients = jax.value_and_grad(compute_loss, has_aux=True)(
                weights, images, noise_key
            )
            weights, slots = model.optimizer.stateless_apply(slots, gradients, weights)
            return (key, weights, slots), logs

        networks = model.encoder, model.decoder
        weights = [v for net in networks for v in _values(net.trainable_variables)]
        slots = _values(model.optimizer.variables)
        return _carry_state(step, (jax.random.key(0), weights, slots))

    def _make_rbm(model):
        def draw(logits, key):
            is_on = uniform(logits.shape, key=key) < jax.nn.sigmoid(logits)
            return is_on.astype("float32")

        def step(state, images):
            key, (kernel, b, c), slots, chains = state
            key, hidden_key, visible_key = jax.random.split(key, 3)
            data = images.reshape(-1, model.num_visible)
            hidden = draw(chains @ kernel + c, hidden_key)
            chains = draw(hidden @ kernel.T + b, visible_key)

            data_logits, chain_logits = data @ kernel + c, chains @ kernel + c
            data_hidden, chain_hidden = map(jax.nn.sigmoid, (data_logits, chain_logits))
            gradients = [
                chains.T @ chain_hidden / len(chains)
                - data.T @ data_hidden / len(data),
                chains.mean(0) - data.mean(0),
                chain_hidden.mean(0) - data_hidden.mean(0),
            ]
            energy, chain_energy = (
                (-visible @ b - _softplus(logits).sum(-1)).mean()
                for visible, logits in ((data, data_logits), (chains, chain_logits))
            )
            weights, slots = model.optimizer.stateless_apply(
                slots, gradients, [kernel, b, c]
            )
            logs = {"free_energy": energy, "free_energy_gap": energy - chain_energy}
            return (key, weights, slots, chains), logs

        weights = _values([model.kernel, model.visible_bias, model.hidden_bias])
        slots = _values(model.optimizer.variables)
        state = jax.random.key(0), weights, slots, model.chains.value
        return _carry_state(step, state)

else:
    import torch
    from torch import nn
    from torch.nn import functional

    _softplus = functional.softplus

    def uniform(shape, low=0.0, high=1.0):
        """Returns numbers uniform in [low, high)."""
        return torch.empty(shape).uniform_(low, high)

    def normal(shape):
        """Returns standard normal numbers."""
        return torch.randn(shape)

    def wait(logs):
        """Waits for the step that returned `logs`, so for all before it."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    def make_ours(model):
        """Returns `step(*batch)`, a call of the function that `fit` calls."""
        model.make_train_function()
        return lambda *batch: model.train_function([batch])

    def make_products(shapes, jit_compile):
        """Returns `step(visible)`; `shapes` are (num_chains, visible, hidden)."""
        num_chains, num_visible, num_hidden = shapes
        kernel = normal((num_visible, num_hidden))
        chains = normal((num_chains, num_visible))

        @torch.no_grad()
        def step(visible):
            negative = (chains @ kernel) @ kernel.T
            hidden_data, hidden_model = visible @ kernel, negative @ kernel
            return {
                "data": visible.T @ hidden_data,
                "model": negative.T @ hidden_model,
            }

        return step

    def make_native(model):
        """Returns a step on `torch.nn` networks of the shapes of `model`."""
        makers = {
            "DCGAN": _make_native_dcgan,
            "VAE": _make_native_vae,
            "RBM": _make_native_rbm,
        }
        return makers[type(model).__name__](model)

    def make_example(model):
        """Returns a step in the order of github.com/pytorch/examples, dcgan/main.py.

        On `torch.nn` networks of the shapes of `model`, without what that loop prints.
        Each loss goes back by itself, and the generator answers for the very images
        that the discriminator has just seen. So it generates once a step; the paper's
        algorithm, `make_ours`, `make_loop` and `make_native` draw anew for each side.

        Args:
            model: DCGAN.
        """
        generator = _to_torch(model.generator)
        discriminator = nn.Sequential(_to_torch(model.discriminator), nn.Sigmoid())
        generator_optimizer, discriminator_optimizer = (
            torch.optim.Adam(network.parameters(), 2e-4, betas=(0.5, 0.999))
            for network in (generator, discriminator)
        )
        cross_entropy = nn.BCELoss()

        def step(real):
            real = real.movedim(-1, 1)
            ones, zeros = real.new_ones(len(real), 1), real.new_zeros(len(real), 1)
            discriminator.zero_grad()
            real_scores = discriminator(real)
            real_loss = cross_entropy(real_scores, ones)
            real_loss.backward()

            fake = generator(normal((len(real), model.latent_dim)))
            fake_scores = discriminator(fake.detach())
            fake_loss = cross_entropy(fake_scores, zeros)
            fake_loss.backward()
            discriminator_optimizer.step()

            generator.zero_grad()
            generator_loss = cross_entropy(discriminator(fake), ones)
            generator_loss.backward()
            generator_optimizer.step()
            return {
                "discriminator_loss": (real_loss + fake_loss).detach(),
                "generator_loss": generator_loss.detach(),
                "real_score": real_scores.detach().mean(),
                "fake_score": fake_scores.detach().mean(),
            }

        return step

    def _minimize(loss, optimizer, variables):
        values = [variable.value for variable in variables]
        gradients = torch.autograd.grad(loss, values)
        with torch.no_grad():
            optimizer.apply(gradients, variables)

    def _minimize_natively(loss, optimizer):
        optimizer.zero_grad()
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        loss.backward(inputs=parameters)
        optimizer.step()

    def _make_dcgan(model):
        generator, discriminator = model.generator, model.discriminator

        def update_discriminator(loss):
            variables = discriminator.trainable_variables
            _minimize(loss, model.discriminator_optimizer, variables)

        def update_generator(loss):
            _minimize(loss, model.generator_optimizer, generator.trainable_variables)

        return _make_dcgan_step(
            lambda latents: generator(latents, training=True),
            lambda images: discriminator(images, training=True),
            update_generator,
            update_discriminator,
            model.latent_dim,
        )

    def _make_native_dcgan(model):
        generator = _to_torch(model.generator)
        discriminator = _to_torch(model.discriminator)
        generator_optimizer, discriminator_optimizer = (
            torch.optim.Adam(network.parameters(), 2e-4, betas=(0.5, 0.999), eps=1e-7)
            for network in (generator, discriminator)
        )
        step = _make_dcgan_step(
            generator,
            discriminator,
            lambda loss: _minimize_natively(loss, generator_optimizer),
            lambda loss: _minimize_natively(loss, discriminator_optimizer),
            model.latent_dim,
        )
        return lambda real: step(real.movedim(-1, 1))

    def _make_dcgan_step(
        generator, discriminator, update_generator, update_discriminator, latent_dim
    ):
        def step(real):
            with torch.no_grad():
                fake = generator(uniform((len(real), latent_dim), -1.0, 1.0))
            real_logits, fake_logits = discriminator(real), discriminator(fake)
            loss = _softplus(-real_logits).mean() + _softplus(fake_logits).mean()
            update_discriminator(loss)

            fake = generator(uniform((len(real), latent_dim), -1.0, 1.0))
            generator_loss = _softplus(-discriminator(fake)).mean()
            update_generator(generator_loss)
            return {
                "discriminator_loss": loss.detach(),
                "generator_loss": generator_loss.detach(),
                "real_score": torch.sigmoid(real_logits.detach()).mean(),
                "fake_score": torch.sigmoid(fake_logits.detach()).mean(),
            }

        return step

    def _make_vae(model):
        return _make_vae_step(
            lambda images: model.encoder(images, training=True),
            lambda latents: model.decoder(latents, training=True),
            lambda loss: _minimize(loss, model.optimizer, model.trainable_variables),
        )

    def _make_native_vae(model):
        encoder, decoder = _to_torch(model.encoder), _to_torch(model.decoder)
        parameters = [*encoder.parameters(), *decoder.parameters()]
        optimizer = torch.optim.Adam(parameters, 1e-3, eps=1e-7)
        return _make_vae_step(
            encoder, decoder, lambda loss: _minimize_natively(loss, optimizer)
        )

    def _make_vae_step(encoder, decoder, update):
        def step(images):
            mean, log_variance = encoder(images).chunk(2, -1)
            latents = mean + torch.exp(0.5 * log_variance) * normal(mean.shape)
            logits = decoder(latents)
            log_prob = images * logits - _softplus(logits)
            reconstruction = -log_prob.sum((1, 2, 3)).mean()
            kl = 0.5 * (mean**2 + torch.exp(log_variance) - 1 - log_variance)
            kl = kl.sum(-1).mean()
            loss = reconstruction + kl
            update(loss)
            return {
                "loss": loss.detach(),
                "reconstruction_loss": reconstruction.detach(),
                "kl_divergence": kl.detach(),
            }

        return step

    def _make_rbm(model):
        variables = [model.kernel, model.visible_bias, model.hidden_bias]
        weights = [variable.value for variable in variables]
        return _make_rbm_step(
            weights,
            model.chains.value,
            lambda gradients: model.optimizer.apply(gradients, variables),
        )

    def _make_native_rbm(model):
        variables = model.kernel, model.visible_bias, model.hidden_bias, model.chains
        *weights, chains = (v.value.detach().clone() for v in variables)
        rate = float(model.optimizer.learning_rate)

        def update(gradients):
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.sub_(gradient, alpha=rate)

        return _make_rbm_step(weights, chains, update)

    def _make_rbm_step(weights, chains, update):
        kernel, b, c = weights

        def draw(logits):
            return (uniform(logits.shape) < torch.sigmoid(logits)).float()

        @torch.no_grad()
        def step(images):
            data = images.reshape(-1, kernel.shape[0])
            hidden = draw(chains @ kernel + c)
            chains.copy_(draw(hidden @ kernel.T + b))

            data_logits, chain_logits = data @ kernel + c, chains @ kernel + c
            data_hidden, chain_hidden = data_logits.sigmoid(), chain_logits.sigmoid()
            energy, chain_energy = (
                (-visible @ b - _softplus(logits).sum(-1)).mean()
                for visible, logits in ((data, data_logits), (chains, chain_logits))
            )
            update(
                [
                    chains.T @ chain_hidden / len(chains)
                    - data.T @ data_hidden / len(data),
                    chains.mean(0) - data.mean(0),
                    chain_hidden.mean(0) - data_hidden.mean(0),
                ]
            )
            return {"free_energy": energy, "free_energy_gap": energy - chain_energy}

        return step

    def _to_torch(network):
        """Returns a `torch.nn.Sequential` with the shapes of a Keras network."""
        layers = [m for layer in network.layers for m in _to_torch_layers(layer)]
        return nn.Sequential(*layers)

    def _to_torch_layers(layer):
        config = layer.get_config()
        kind = type(layer).__name__
        if kind == "InputLayer":
            return []
        if kind == "Dense":
            sizes, bias = layer.kernel.shape, layer.use_bias
            activation = [nn.Tanh()] if config["activation"] == "tanh" else []
            return [nn.Linear(*sizes, bias=bias), *activation]
        if kind in ("Conv2D", "Conv2DTranspose"):
            *_, size, first, second = layer.kernel.shape
            options = {"stride": 2, "padding": size // 2, "bias": layer.use_bias}
            if kind == "Conv2D":
                return [nn.Conv2d(first, second, size, **options)]
            return [
                nn.ConvTranspose2d(second, first, size, output_padding=1, **options)
            ]
        if kind == "Reshape":
            *size, channels = layer.target_shape
            return (
                [nn.Unflatten(1, (channels, *size))]
                if channels > 1
                else [nn.Unflatten(1, (*size, channels))]
            )
        if kind == "Cropping2D":
            (_, bottom), (_, right) = layer.cropping
            return [nn.ZeroPad2d((0, -right, 0, -bottom))]
        simple = {
            "BatchNormalization": lambda: nn.BatchNorm2d(
                layer.gamma.shape[0], eps=1e-5
            ),
            "ReLU": nn.ReLU,
            "LeakyReLU": lambda: nn.LeakyReLU(0.2),
            "Activation": nn.Tanh,
            "Flatten": nn.Flatten,
        }
        return [simple[kind]()]
