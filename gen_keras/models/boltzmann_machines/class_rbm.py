"""RBM of images and their classes, which draws and classifies.

An RBM whose visible units are an image v and its class y, one group of softmax units,
models p(v, y). The class is one of few, so that p(y | v) is exact and has a gradient:

    log p(y | v) = b_y + Σ_j softplus(c_j + U_jy + (v W)_j) + constant.

Trained to be generative, it maximizes p(v, y) by contrastive divergence; to
discriminate, p(y | v) by gradient descent; hybrid, both, with a weight on the first.

Reference:
    Larochelle and Bengio, Classification using Discriminative Restricted Boltzmann
    Machines, 2008.
    Larochelle et al., Learning Algorithms for the Classification Restricted Boltzmann
    Machine, 2012. https://jmlr.org/papers/v13/larochelle12a.html
"""

import keras
from keras import ops

from gen_keras.models.base import WithClasses, check_at_least, check_labels, check_range
from gen_keras.models.boltzmann_machines import units
from gen_keras.models.boltzmann_machines.rbm import RBM

OBJECTIVES = ("hybrid", "generative", "discriminative")


@keras.saving.register_keras_serializable(package="gen_keras")
class ClassRBM(WithClasses, RBM):
    """RBM whose visible units are an image and its class.

    What takes a visible state takes images alone, or a pair of images and integer
    classes. Of images alone the class is p(y | v), from which `gibbs` draws one;
    `free_energy` and `log_prob` then are those of the images.

    Args:
        visible_shape: Tuple, the shape of one image.
        num_classes: Integer.
        num_hidden: Integer, the number of hidden units.
        objective: "hybrid", "generative" or "discriminative".
        generative_weight: Float, the factor of the generative part of the hybrid
            objective (α of the paper, 0.01 on digits).
        **options: See `RBM`.

    Raises:
        ValueError: If `objective` is unknown or a number out of range.

    Example:
    >>> model = ClassRBM(visible_shape=(28, 28, 1), num_classes=10)
    >>> model.compile()
    >>> model.fit(images, classes)  # (num_images, 28, 28, 1) in [0, 1], integers
    >>> model.classify(images[:4])
    array([5, 0, 4, 1])
    >>> model.sample(16, classes=3).shape
    (16, 28, 28, 1)

    Reference:
        Larochelle and Bengio, 2008, equations 2, 5 and 8.
    """

    metric_names = ("loss", "accuracy", "free_energy", "free_energy_gap")
    usage = "classes = model.classify(images)"

    def __init__(
        self,
        visible_shape=(28, 28, 1),
        num_classes=10,
        num_hidden=500,
        objective="hybrid",
        generative_weight=0.01,
        **options,
    ):
        self.num_classes = num_classes
        self.objective = objective
        self.generative_weight = generative_weight
        super().__init__(visible_shape, num_hidden, **options)

    def _check_arguments(self):
        super()._check_arguments()
        check_at_least(self, 2, "num_classes")
        check_at_least(self, 0, "generative_weight")
        if self.copies != (1, 1):
            raise ValueError(
                "A ClassRBM has no copies of its layers. "
                f"Received: copies={self.copies}"
            )
        if self.objective not in OBJECTIVES:
            raise ValueError(
                f"`objective` must be one of {', '.join(OBJECTIVES)}. "
                f"Received: {self.objective}"
            )

    def _make_visible_layer(self):
        image = super()._make_visible_layer()
        label = units.make("softmax", (self.num_classes,), "num_classes")
        return units.Concatenation(image, label)

    def call(self, images):
        """Returns p(y | v), (batch, num_classes), of images (batch, *visible_shape)."""
        return ops.softmax(self._class_logits(super()._flatten(images)))

    def classify(self, images):
        """Returns the likeliest classes, integers (batch,)."""
        self._check_array(images)
        self.check_weights()
        return ops.convert_to_numpy(ops.argmax(self(images), axis=-1))

    def sample(
        self,
        num_samples,
        seed=None,
        gibbs_steps=1000,
        temperature=1.0,
        probabilities=False,
        classes=None,
    ):
        """Returns images (num_samples, *visible_shape).

        Args:
            num_samples: Integer.
            seed: Integer or `None`, see `GenerativeModel.sample`.
            gibbs_steps: Integer, how long the chains run.
            temperature: Positive float; the energy is divided by it.
            probabilities: Boolean, see `RBM.sample`.
            classes: `None`, and the chains choose; or see `choose_classes`.
        """
        check_range("num_samples", num_samples, 1)
        with self.seeded(seed):
            states, mask = self._draw_start(num_samples), None
            if classes is not None:
                images, _ = self.visible_layer.split(states)
                classes = self.choose_classes(num_samples, classes)
                states = self._join(images, classes)
                mask = self._join(ops.zeros_like(images), known=True)
            return self._run(states, gibbs_steps, temperature, probabilities, mask)

    def _start_from(self, visible):
        states = self._flatten(visible)
        if isinstance(visible, tuple):
            return states
        images, _ = self.visible_layer.split(states)
        logits = self._class_logits(images)
        label = self.visible_layer.second.draw(logits, self.seed_generator)
        return ops.concatenate([images, label], axis=-1)

    # Training -------------------------------------------------------------------------

    def unpack(self, data):
        """Returns images and one-hot classes as one, from what `fit` hands over."""
        images, one_hot = super().unpack(data)
        images = super()._flatten(images)
        return ops.concatenate([images, ops.cast(one_hot, images.dtype)], axis=-1)

    def draw_negative(self, positive):
        """Returns states of the model, see `RBM`; those of data if none are needed."""
        if self.objective == "discriminative":
            return positive
        return super().draw_negative(positive)

    def compute_loss(self, positive, negative):
        """Returns the loss of the objective, and the logs.

        Args:
            positive: Tensor of shape (batch, num_visible), images and classes.
            negative: Tensor of shape (num_chains, num_visible), states of chains.
        """
        generative, logs = super().compute_loss(positive, negative)
        images, one_hot = self.visible_layer.split(positive)
        logits = self._class_logits(images)
        log_probabilities = ops.log_softmax(logits)
        discriminative = -ops.mean(ops.sum(one_hot * log_probabilities, axis=-1))
        loss = {
            "generative": lambda: generative,
            "discriminative": lambda: discriminative,
            "hybrid": lambda: discriminative + self.generative_weight * generative,
        }[self.objective]()
        is_right = ops.argmax(logits, axis=-1) == ops.argmax(one_hot, axis=-1)
        accuracy = ops.mean(ops.cast(is_right, logits.dtype))
        return loss, {"loss": loss, "accuracy": accuracy} | logs

    # Densities ------------------------------------------------------------------------

    def free_energy(self, visible):
        """Returns F(v, y), or of images alone F(v) = -log Σ_y exp(-F(v, y)), (batch,).

        Args:
            visible: Array of images (batch, *visible_shape), or a pair of it and
                integer classes (batch,).
        """
        if isinstance(visible, tuple):
            return super().free_energy(visible)
        images = super()._flatten(visible)
        statistic = self.visible_layer.first.statistic(images)
        bias, _ = self.visible_layer.split(self.visible_bias)
        own = self.visible_layer.first.own_energy(images)
        own = own - (statistic @ bias[:, None])[:, 0]
        return own - ops.logsumexp(self._class_logits(images), axis=-1)

    def _class_logits(self, images):
        """Returns -F(v, y) less what all classes share, (batch, num_classes)."""
        kernel = ops.convert_to_tensor(self.kernel)
        count = self.visible_layer.first.num_units
        total = self.visible_layer.first.total(images)
        inputs = self._multiply(
            self.visible_layer.first.statistic(images), kernel[:count]
        )
        bias = ops.convert_to_tensor(self.hidden_bias)
        inputs = inputs + (bias if total is None else total * bias)
        # (batch, num_classes, num_hidden), of which the hidden units are summed out.
        inputs = inputs[:, None] + kernel[count:]
        sums = self.hidden_layer.log_sum(ops.reshape(inputs, (-1, self.num_hidden)))
        _, class_bias = self.visible_layer.split(self.visible_bias)
        return ops.reshape(sums, (-1, self.num_classes)) + class_bias

    def _flatten(self, visible):
        if isinstance(visible, tuple):
            images, classes = visible
            classes = check_labels("classes", classes, len(images), self.num_classes)
            return self._join(super()._flatten(images), classes)
        images = super()._flatten(visible)
        probabilities = ops.softmax(self._class_logits(images))
        return ops.concatenate([images, probabilities], axis=-1)

    def _unflatten(self, visible):
        images, _ = self.visible_layer.split(visible)
        return super()._unflatten(images)

    def _make_mask(self, mask, visible):
        images = visible[0] if isinstance(visible, tuple) else visible
        mask = super()._make_mask(mask, images)
        return self._join(mask, known=isinstance(visible, tuple))

    def _join(self, images, classes=None, known=False):
        """Returns flat images beside one-hot classes, or beside ones or zeros."""
        if classes is None:
            label = ops.full((len(images), self.num_classes), float(known))
        else:
            label = ops.one_hot(classes, self.num_classes, dtype=images.dtype)
        return ops.concatenate([images, label], axis=-1)
