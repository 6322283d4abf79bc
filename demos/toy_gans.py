"""Small GANs on points of the plane, which train a block of steps at a time."""

import environment  # noqa: F401, I001 (first)

import dataclasses
import threading
import time

import keras
import numpy as np
from keras import layers, ops

from gen_keras import backend, metrics, models
from gen_keras.datasets import mixtures
from gen_keras.models.base import InBlocks
from gen_keras.models.gans.base import Critic

BATCH_SIZE = 128
BLOCK = 25  # Steps of one call; fewer would cost more for the calls than for training.
MAX_STEPS = 5000
NUM_SAMPLES = 1000  # Of which the modes are counted.
LATENT_DIM = 2
UNITS = 64
GENERATOR_RATE = 1e-3
LIMIT = 1.4  # The views are of points from -1.4 to 1.4, in both directions.
NUM_COMPANIONS = 8
# Points (40, 40, 2) that the discriminators judge for a view, from the top left.
_TICKS = np.linspace(-LIMIT, LIMIT, 81, dtype="float32")[1::2]  # Centres of squares.
GRID = np.stack(np.meshgrid(_TICKS, _TICKS[::-1]), axis=-1)

# Kinds and data ---------------------------------------------------------------------
# All kinds have networks of the same layers, the same first weights and optimizers:
# what differs is the game.

KINDS = {
    "GAN": (models.GAN, {}),
    "GAN, minimax loss": (models.GAN, {"saturating": True}),
    "LSGAN": (models.LSGAN, {}),
    # Papers: 0.01, and 10 for images. Here: weights and slopes suit points.
    "WGAN": (models.WGAN, {"clip_value": 0.1, "warm_up_steps": 0}),
    "WGAN-GP": (models.WGANGP, {"penalty_weight": 0.1}),
    "PacGAN": (models.PacGAN, {"latent_distribution": "normal", "pack_size": 2}),
    "Unrolled GAN": (models.UnrolledGAN, {}),
}


def spiral(num_modes=20, standard_deviation=0.02):
    """Returns a `GaussianMixture` of modes that follow each other on a spiral."""
    distance = np.linspace(0.35, 1, num_modes)
    angle = 3 * np.pi * distance**1.4  # About evenly spaced.
    means = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * distance[:, None]
    return mixtures.GaussianMixture(means, standard_deviation)


# The ring and the grid are the usual ones, brought to one scale.
DATA = {
    "Ring of 8": mixtures.ring(8, standard_deviation=0.02),
    "Grid of 25": mixtures.grid(5, spacing=0.5, standard_deviation=0.02),
    "Spiral of 20": spiral(),
}

# Models -----------------------------------------------------------------------------


def make_model(kind):
    """Returns a model that trains in blocks, built and compiled."""
    model_class, options = KINDS[kind]
    size = 2 * options.get("pack_size", 1)
    model = type(model_class.__name__, (InBlocks, model_class), {})(
        image_shape=(2,),
        latent_dim=LATENT_DIM,
        generator=make_network(LATENT_DIM, 2, seed=0),
        discriminator=make_network(size, 1, seed=10),
        seed=0,
        **options,
    )
    model.compile(
        keras.optimizers.Adam(GENERATOR_RATE, beta_1=0.5),
        keras.optimizers.Adam(GENERATOR_RATE, beta_1=0.5),
    )
    return model


def make_network(num_inputs, num_outputs, seed):
    """Returns two layers of ReLU units and a linear one."""
    inputs = x = keras.Input((num_inputs,))
    glorot = keras.initializers.GlorotUniform
    for i in (1, 2):
        x = layers.Dense(UNITS, "relu", kernel_initializer=glorot(seed + i))(x)
    outputs = layers.Dense(num_outputs, kernel_initializer=glorot(seed))(x)
    return keras.Model(inputs, outputs)


class Player:
    """A model for one run after the other: it is compiled but once.

    Attributes:
        kind: String, a key of `KINDS`.
        first_values: List of arrays, those of `values` before the first step.
    """

    def __init__(self, kind):
        self.kind = kind
        self.model = make_model(kind)
        self.first_values = self.values
        self.train(np.zeros((BLOCK, BATCH_SIZE, 2), "float32"))  # Compiles.

    @property
    def variables(self):
        """All that a step may change."""
        return [*self.model.variables, *self.model.optimizer.variables]

    @property
    def values(self):
        """List of arrays, from which training can go on."""
        return [ops.convert_to_numpy(v).copy() for v in self.variables]

    @values.setter
    def values(self, values):
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)

    def start(self, values, rate):
        """Goes on from `values`, or begins anew if they are `None`.

        Args:
            values: List of arrays.
            rate: Float, the learning rate of the discriminator.
        """
        self.values = self.first_values if values is None else values
        self.model.discriminator_optimizer.learning_rate = rate

    def train(self, points):
        """Takes a step for each batch of points (steps, batch, 2); returns the logs."""
        self.model.reset_metrics()
        logs = self.model.train_on_batch(points, return_dict=True)
        return {name: float(value) for name, value in logs.items()}

    def sample(self):
        """Returns points (NUM_SAMPLES, 2), always of the same latents."""
        return ops.convert_to_numpy(self.model.sample(NUM_SAMPLES, seed=0))

    def judge(self, points, companions):
        """Returns scores (num_points,) in [0, 1]: 1 is taken for data, 0 for a sample.

        A critic has no bounds: its scores are put between the least and the greatest.

        Args:
            points: Array (num_points, 2).
            companions: Array (num_companions, 2) of data. A discriminator of packs sees
                each point beside each of them, and the mean of its scores is taken.
        """
        others = getattr(self.model, "pack_size", 1) - 1
        if others:
            count = len(companions)
            packs = np.repeat(companions, 1 + others, axis=0)
            packs = np.tile(packs.reshape(count, 1 + others, 2), (len(points), 1, 1))
            packs[:, 0] = np.repeat(points, count, axis=0)
            points = packs.reshape(-1, 2)
        with backend.no_gradients():
            logits, _ = self.model.judge(points, training=False)
        scores = ops.convert_to_numpy(self.model.score(logits))
        scores = scores.reshape(-1, len(companions) if others else 1).mean(axis=1)
        if isinstance(self.model, Critic):
            scores = (scores - scores.min()) / max(np.ptp(scores), 1e-6)
        return scores.clip(0, 1)


class Players:
    """Players that wait for a run; as many are made as play at the same time."""

    def __init__(self):
        self._idle = {kind: [] for kind in KINDS}
        self._lock = threading.Lock()

    def has(self, kinds):
        """Returns whether nothing is to be compiled for a run of these kinds."""
        return all(len(self._idle[kind]) >= kinds.count(kind) for kind in kinds)

    def take(self, kind):
        """Returns a `Player`; whoever takes it gives it back."""
        with self._lock:
            if self._idle[kind]:
                return self._idle[kind].pop()
        return Player(kind)

    def give(self, player):
        """Takes a `Player` back."""
        with self._lock:
            self._idle[player.kind].append(player)


PLAYERS = Players()

# Runs -------------------------------------------------------------------------------


@dataclasses.dataclass
class Side:
    """One GAN of a run, and what it came to.

    Attributes:
        kind: String, a key of `KINDS`.
        values: List of arrays, those of a `Player`; `None` before the first step.
        losses: List of (step, loss of the discriminator, loss of the generator).
        samples: Array (NUM_SAMPLES, 2), or `None`.
        scores: Array (height, width), the scores of `GRID`, or `None`.
        modes: `metrics.MixtureModes` of the samples, or `None`.
    """

    kind: str
    values: list | None = None
    losses: list = dataclasses.field(default_factory=list)
    samples: np.ndarray | None = None
    scores: np.ndarray | None = None
    modes: metrics.MixtureModes | None = None


class Run:
    """GANs that train on the same data, step by step.

    Args:
        data: String, a key of `DATA`.
        kinds: Sequence of keys of `KINDS`, one for each side.
        rate: Float, the learning rate of the discriminators.

    Attributes:
        sides: List of `Side`.
        step: Integer, the steps that were taken.
        is_stopped: Boolean; if it is set, `train` ends after the current block.
        visitor: String, whose it is; `None` is nobody's.
    """

    def __init__(self, data, kinds, rate):
        self.data = DATA[data]
        self.sides = [Side(kind) for kind in kinds]
        self.rate = rate
        self.step = 0
        self.is_stopped = False
        self.visitor = None

    @property
    def is_over(self):
        """Whether no step is left."""
        return self.step >= MAX_STEPS

    def train(self, seconds=0.25):
        """Trains until it is stopped or all steps are done; yields what it came to.

        It may be left at any time, and called again to go on.

        Args:
            seconds: Float, the least time between two views.
        """
        players = []
        try:
            for side in self.sides:
                players.append(PLAYERS.take(side.kind))
                players[-1].start(side.values, self.rate)
            while not self.is_stopped and not self.is_over:
                end = time.monotonic() + seconds
                self._train_block(players)
                while time.monotonic() < end and not self.is_over:
                    self._train_block(players)
                self._look(players)
                yield
        finally:
            for side, player in zip(self.sides, players, strict=False):
                side.values = player.values
                PLAYERS.give(player)

    def _train_block(self, players):
        points = self.data.sample(BLOCK * BATCH_SIZE, seed=self.step)
        self.step += BLOCK
        for side, player in zip(self.sides, players, strict=True):
            logs = player.train(points.reshape(BLOCK, BATCH_SIZE, 2))
            losses = logs["discriminator_loss"], logs["generator_loss"]
            side.losses.append((self.step, *losses))

    def _look(self, players):
        companions = self.data.sample(NUM_COMPANIONS, seed=0)
        for side, player in zip(self.sides, players, strict=True):
            side.samples = player.sample()
            side.scores = player.judge(GRID.reshape(-1, 2), companions)
            side.scores = side.scores.reshape(GRID.shape[:2])
            side.modes = metrics.mixture_modes(
                side.samples, self.data.means, self.data.standard_deviation
            )
