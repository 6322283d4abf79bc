"""What may help a GAN to train; each is an object handed over in `tricks`.

Others are layers of `gen_keras.layers`, put into the discriminator: instance noise,
minibatch discrimination, spectral and virtual batch normalization, differentiable
augmentation. Two time scales are two learning rates given to `compile`; the moving
average of the generator is `GAN(ema_momentum=…)`.
"""

import inspect

import keras
from keras import ops

from gen_keras.layers import ImagePool
from gen_keras.models.base import check_range
from gen_keras.models.gans import networks


class Trick(keras.layers.Layer):
    """Base class: hooks into the steps of a `GAN`, none of which does anything here.

    Attributes:
        discriminator_options: Dict, arguments for the discriminator's loss function.
    """

    discriminator_options = {}

    def __init__(self, **kwargs):
        super().__init__(**{"trainable": False} | kwargs)
        self.built = True
        self.attached = False

    def attach(self, model):
        """Makes what depends on the model, which then sets `attached`.

        Raises:
            ValueError: If the trick does not suit the model, or has one already.
        """
        if self.attached:
            raise ValueError(
                f"A {type(self).__name__} belongs to one model; make another for this."
            )

    def remembered(self, fake):
        """Returns the samples that the discriminator learns from."""
        return fake

    def discriminator_term(self, model):
        """Returns a scalar that is added to the discriminator's loss."""
        return 0.0

    def generator_losses(self, values):
        """Returns the generator's losses (batch, logits), which are then averaged."""
        return values

    def generator_term(self, model, data, fake, training):
        """Returns a scalar that is added to the generator's loss."""
        return 0.0

    def after_discriminator_step(self, model):
        """Is called after each step of the discriminator."""

    def after_generator_step(self, model):
        """Is called after each step of the generator."""


@keras.saving.register_keras_serializable(package="gen_keras")
class LabelSmoothing(Trick):
    """One-sided label smoothing: data get the target 0.9, samples exactly 0.

    Args:
        real_target: Float.

    Reference:
        Salimans et al., Improved Techniques for Training GANs, 2016, section 3.4.
        https://arxiv.org/abs/1606.03498
    """

    def __init__(self, real_target=0.9, **kwargs):
        super().__init__(**kwargs)
        check_range("real_target", real_target, 0, 1)
        self.real_target = real_target
        self.discriminator_options = {"real_target": real_target}

    def attach(self, model):
        """Refuses models without labels."""
        super().attach(model)
        function = model.loss_pair.discriminator
        if "real_target" not in inspect.signature(function).parameters:
            raise ValueError(
                "LabelSmoothing is for losses with a target for real examples. "
                f"Received: {type(model).__name__}"
            )

    def get_config(self):
        """Returns the arguments of the constructor."""
        return super().get_config() | {"real_target": self.real_target}


@keras.saving.register_keras_serializable(package="gen_keras")
class HistoricalAveraging(Trick):
    """Both sides pay for the distance of their weights to the mean of the past ones.

    Args:
        weight: Float, the factor of ||θ - 1/t Σ θ[i]||². The paper gives none.

    Reference:
        Salimans et al., 2016, section 3.3. https://arxiv.org/abs/1606.03498
    """

    def __init__(self, weight=1.0, **kwargs):
        super().__init__(**kwargs)
        check_range("weight", weight, 0)
        self.weight = weight

    def attach(self, model):
        """Makes the means, which start at the first weights."""
        super().attach(model)
        self.means = {}
        for side in ("generator", "discriminator"):
            self.means[side] = [
                self.add_weight(
                    shape=variable.shape,
                    initializer=lambda *_, value=variable, **__: ops.copy(value),
                    trainable=False,
                    name=f"{side}_mean_{i}",
                )
                for i, variable in enumerate(getattr(model, f"{side}_variables"))
            ]

    def discriminator_term(self, model):
        """Returns the discriminator's distance."""
        return self._distance("discriminator", model.discriminator_variables)

    def generator_term(self, model, data, fake, training):
        """Returns the generator's distance."""
        return self._distance("generator", model.generator_variables)

    def after_discriminator_step(self, model):
        """Takes the discriminator's weights into their mean."""
        steps = model.discriminator_optimizer.iterations
        self._update("discriminator", model.discriminator_variables, steps)

    def after_generator_step(self, model):
        """Takes the generator's weights into their mean."""
        steps = model.generator_optimizer.iterations
        self._update("generator", model.generator_variables, steps)

    def _distance(self, side, variables):
        return self.weight * sum(
            ops.sum(ops.square(variable - mean))
            for variable, mean in zip(variables, self.means[side], strict=True)
        )

    def _update(self, side, variables, steps):
        share = 1 / (1 + ops.cast(steps, "float32"))  # The first weights count, too.
        for variable, mean in zip(variables, self.means[side], strict=True):
            mean.assign(mean + share * (variable - mean))

    def get_config(self):
        """Returns the arguments of the constructor."""
        return super().get_config() | {"weight": self.weight}


class _OfFeatures(Trick):
    """A trick that looks at the last hidden layer of the discriminator."""

    def attach(self, model):
        """Finds the layer."""
        super().attach(model)
        network = model.discriminator
        hidden = networks.inputs_of_last_weights(network)
        shapes = [tuple(each.shape[1:]) for each in network.inputs]
        if shapes != [model.image_shape] or len(hidden) != 1:
            raise ValueError(
                f"{type(self).__name__} is for discriminators of one example, with one "
                f"last layer. Received: {type(model).__name__}, inputs of {shapes}"
            )
        features = keras.Model(network.inputs[0], hidden[0])
        # Not an attribute that Keras tracks: the layers are the discriminator's.
        self.compute_features = lambda x, training: ops.reshape(
            features(x, training=training), (ops.shape(x)[0], -1)
        )

    def features(self, examples, training):
        """Returns (batch, features) of examples, of which images come first."""
        return self.compute_features(keras.tree.flatten(examples)[0], training)


@keras.saving.register_keras_serializable(package="gen_keras")
class FeatureMatching(_OfFeatures):
    """The generator matches the mean features of data, instead of its own loss.

    The features are those of the last hidden layer of the discriminator.

    Reference:
        Salimans et al., 2016, section 3.1. https://arxiv.org/abs/1606.03498
    """

    def generator_losses(self, values):
        """Returns zeros: the generator does not play against the logits."""
        return 0.0 * values

    def generator_term(self, model, data, fake, training):
        """Returns ||E[f(x)] - E[f(G(z))]||²."""
        means = [ops.mean(self.features(x, training), axis=0) for x in (data, fake)]
        return ops.sum(ops.square(means[0] - means[1]))


@keras.saving.register_keras_serializable(package="gen_keras")
class PullAway(_OfFeatures):
    """The generator pays for samples whose features point the same way.

    The features are those of the last hidden layer of the discriminator.

    Args:
        weight: Float, the factor of the term (paper: 0.1).

    Reference:
        Zhao et al., Energy-based Generative Adversarial Network, 2016, equation 4.
        https://arxiv.org/abs/1609.03126
    """

    def __init__(self, weight=0.1, **kwargs):
        super().__init__(**kwargs)
        check_range("weight", weight, 0)
        self.weight = weight

    def generator_term(self, model, data, fake, training):
        """Returns the mean squared cosine of pairs of different samples."""
        features = self.features(fake, training)
        squares = ops.sum(ops.square(features), axis=1, keepdims=True)
        units = features / ops.sqrt(squares + 1e-12)
        cosines = ops.square(units @ ops.transpose(units))
        count = ops.cast(ops.shape(features)[0], cosines.dtype)
        others = ops.sum(cosines) - ops.sum(ops.square(ops.sum(units * units, axis=1)))
        pairs = ops.maximum(count * (count - 1), 1)  # A last batch may be of one.
        return self.weight * others / pairs

    def get_config(self):
        """Returns the arguments of the constructor."""
        return super().get_config() | {"weight": self.weight}


@keras.saving.register_keras_serializable(package="gen_keras")
class ReplayMemory(Trick):
    """The discriminator learns from earlier samples, too; see `ImagePool`.

    Args:
        size: Integer, the samples that are kept.
        seed: Integer or `None`, seed of the choices.

    Reference:
        Shrivastava et al., Learning from Simulated and Unsupervised Images through
        Adversarial Training, 2017, section 2.3. https://arxiv.org/abs/1612.07828
    """

    def __init__(self, size=500, seed=None, **kwargs):
        super().__init__(**kwargs)
        check_range("size", size, 1)
        self.size = size
        self.seed = seed

    def attach(self, model):
        """Makes the memory; refuses samples that belong to something else."""
        super().attach(model)
        inputs = getattr(model.discriminator, "inputs", None) or [None]
        if model.num_latents > model.latent_dim or len(inputs) > 1:
            raise ValueError(
                "ReplayMemory is for images alone, without classes, codes or latents. "
                f"Received: {type(model).__name__}"
            )
        self.pool = ImagePool(self.size, model.image_shape, seed=self.seed)

    def remembered(self, fake):
        """Returns new and, half of the time, earlier samples."""
        return self.pool(fake)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return super().get_config() | {"size": self.size, "seed": self.seed}


@keras.saving.register_keras_serializable(package="gen_keras")
class SoftmaxOfDiscriminators(Trick):
    """The generator listens most to the discriminator that it fools least (GMAN).

    For discriminators of several logits, each from a network of its own; see
    `networks.several_discriminators`.

    Args:
        strength: Float, λ: 0 takes their mean, a great one the greatest loss.

    Reference:
        Durugkar et al., Generative Multi-Adversarial Networks, 2016, section 4.1.
        https://arxiv.org/abs/1611.01673
    """

    def __init__(self, strength=1.0, **kwargs):
        super().__init__(**kwargs)
        check_range("strength", strength, 0)
        self.strength = strength

    def attach(self, model):
        """Refuses a discriminator of one logit, in which there is nothing to weigh."""
        super().attach(model)
        shape = model.discriminator.output_shape
        if shape[-1] < 2:
            raise ValueError(
                "SoftmaxOfDiscriminators is for two or more logits, see "
                f"`networks.several_discriminators`. Received: outputs of {shape}"
            )

    def generator_losses(self, values):
        """Returns losses (batch, K) weighted by the softmax of λ times their means."""
        weights = ops.softmax(self.strength * ops.mean(values, axis=0))
        return values * weights * values.shape[-1]

    def get_config(self):
        """Returns the arguments of the constructor."""
        return super().get_config() | {"strength": self.strength}
