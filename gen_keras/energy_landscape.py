"""Energy landscapes: the free energy of an RBM over the plane of its data.

Training lowers the free energy where data lie and raises it where the model's own
samples are. In the plane it can be seen: as a map, with the data and what the RBM makes
of them, their reconstructions.

```python
points = energy_landscape.EXAMPLES["Ring"].sample(200)
landscape = energy_landscape.EnergyLandscape(points)
for step in landscape.train():
    landscape.draw().show()
```

Visible units are Gaussian of learned variance, so that the model is a mixture of as
many Gaussians as the hidden units have states, and log Z is exact.
"""

import math

import keras
import numpy as np
from keras import ops

from gen_keras.datasets import mixtures
from gen_keras.models import RBM
from gen_keras.models.base import InBlocks
from gen_keras.models.boltzmann_machines import units

LIMIT = 2.0  # Maps show points from -2 to 2, in both directions.
NUM_STEPS = 3000
BLOCK = 100  # Steps of one call.
BATCH_SIZE = 128
NOISE = 0.05  # Added to standardized points: no variance can fall to 0.
DEVIATION = 0.3  # Of weights, and of visible units given hidden ones, at the start.


def line(num_modes=40, standard_deviation=0.08):
    """Returns a `GaussianMixture` of modes that lie close on a line."""
    ticks = np.linspace(-1.2, 1.2, num_modes)
    means = np.stack([ticks, 0.5 * ticks], axis=-1)
    return mixtures.GaussianMixture(means, standard_deviation)


EXAMPLES = {
    "Two clusters": mixtures.ring(2, standard_deviation=0.2),
    "Three clusters": mixtures.ring(3, standard_deviation=0.2),
    "Four clusters": mixtures.ring(4, standard_deviation=0.2),
    # So many modes that they are one.
    "Ring": mixtures.ring(60, standard_deviation=0.1),
    "Line": line(),
}


class PlaneRBM(InBlocks, RBM):
    """An RBM of points in the plane that trains in blocks of batches.

    The chains change places with hotter ones: without these they would stay in the
    cluster where they are, and others arise unseen far from the data.
    """

    def __init__(self):
        super().__init__(
            visible_shape=(2,),
            num_hidden=20,
            gibbs_steps=5,
            num_chains=50,
            visible_units=units.Gaussian(stddev=DEVIATION),
            inverse_temperatures=(1.0, 0.7, 0.45, 0.25),
            seed=0,
        )
        rate = keras.optimizers.schedules.PolynomialDecay(0.02, NUM_STEPS, 0.0)
        self.compile(keras.optimizers.Adam(rate))
        self.first_values = [ops.convert_to_numpy(v).copy() for v in self.state]

    @property
    def state(self):
        """All variables that training changes."""
        return [*self.variables, *self.optimizer.variables]

    def restart(self, seed):
        """Puts weights, chains and optimizer where training begins."""
        rng = np.random.default_rng(seed)
        for variable, value in zip(self.state, self.first_values, strict=True):
            variable.assign(value)
        # Hidden units must differ from the start: the plane has little to tell them
        # apart by.
        self.kernel.assign(rng.normal(0, DEVIATION, self.kernel.shape))
        self.chains.assign(rng.normal(0, 1, self.chains.shape))
        self.start_streams(seed)


class EnergyLandscape:
    """The free energy of an RBM over the plane, while it learns some points.

    Args:
        points: Array (num_points, 2), in any unit. The model sees them moved and
            scaled; all else here is in the unit of these.
        seed: Integer, of weights, noise and the order of the points.
        model: `PlaneRBM` to use, compiled already and not used by others meanwhile; or
            `None`: a new one.

    Attributes:
        step: Integer, the steps that were taken, of `NUM_STEPS`.

    Raises:
        ValueError: If there are not two different points, or they are not finite.
    """

    def __init__(self, points, seed=0, model=None):
        points = np.asarray(points, "float32")
        is_plane = points.ndim == 2 and points.shape[1] == 2
        if not is_plane or len(points) < 2 or not np.isfinite(points).all():
            raise ValueError(
                "`points` must be at least two finite points, (num_points, 2). "
                f"Received: the shape {points.shape}"
            )
        self.points = points
        self.center = points.mean(axis=0)
        self.scale = math.sqrt(np.square(points - self.center).mean())
        if self.scale < 1e-6:
            raise ValueError(
                f"`points` must not all be the same. Received: {len(points)} times "
                f"{points[0].tolist()}"
            )
        self.model = model or PlaneRBM()
        self.model.restart(seed)
        self.step = 0
        self._rng = np.random.default_rng(seed)

    def train(self, num_steps=NUM_STEPS):
        """Trains on batches of the points, and yields `step` after each block."""
        points = self._to_model(self.points)
        while self.step < num_steps:
            shape = (BLOCK, BATCH_SIZE)
            batches = points[self._rng.integers(len(points), size=shape)]
            batches = batches + self._rng.normal(0, NOISE, batches.shape)
            self.model.train_on_batch(batches.astype("float32"))
            self.step += BLOCK
            yield self.step

    def free_energy(self, points):
        """Returns F at points (num_points, 2) in nats, an array (num_points,)."""
        return ops.convert_to_numpy(self.model.free_energy(self._to_model(points)))

    def log_prob(self, points):
        """Returns the exact log density at points in nats, an array (num_points,)."""
        log_partition = self.model.log_partition() + 2 * math.log(self.scale)
        return -self.free_energy(points) - log_partition

    def reconstruct(self, points):
        """Returns the reconstructions of points, (num_points, 2)."""
        means = ops.convert_to_numpy(self.model.reconstruct(self._to_model(points)))
        return means * self.scale + self.center

    def map_energies(self, num_ticks=80):
        """Returns F on a grid from the top left, (num_ticks, num_ticks)."""
        ticks = LIMIT * (2 * np.arange(num_ticks) + 1 - num_ticks) / num_ticks
        grid = np.stack(np.meshgrid(ticks, -ticks), axis=-1).reshape(-1, 2)
        return self.free_energy(grid).reshape(num_ticks, num_ticks)

    def draw(self, side=480):
        """Returns a `PIL.Image`: the map, points in blue, reconstructions in red."""
        picture = draw_energies(self.map_energies(), 2 * side)
        draw_pairs(picture, self.points, self.reconstruct(self.points))
        return picture.resize((side, side))

    def _to_model(self, points):
        return ((np.asarray(points) - self.center) / self.scale).astype("float32")


# Pictures ---------------------------------------------------------------------------

RANGE = 15.0  # Nats above the least free energy at which the colours end.
NUM_LEVELS = 10  # Between contour lines.
COLORS = ("#fffbeb", "#fde9a9", "#c9d8a4", "#8fb8a6", "#638a9b", "#4b5f83", "#3b3a5e")
DATA, RECONSTRUCTION, LINE = "#1d4ed8", "#dc2626", "#3f3f46"


def draw_energies(energies, side):
    """Returns a `PIL.Image` of free energies: the lower, the lighter; with contours.

    Args:
        energies: Array (height, width), from the top left.
        side: Integer, pixels of a side of the picture.
    """
    from PIL import Image, ImageColor

    image = Image.fromarray((energies - energies.min()).astype("float32"))
    image = image.resize((side, side), Image.Resampling.BICUBIC)
    # The root tells valleys apart, which are what matters.
    heights = np.sqrt(np.clip(np.asarray(image) / RANGE, 0, 1))
    stops = np.linspace(0, 1, len(COLORS))
    channels = np.array([ImageColor.getrgb(color) for color in COLORS]).T
    colors = np.stack([np.interp(heights, stops, c) for c in channels], axis=-1)
    levels = np.floor(heights * NUM_LEVELS)
    edges = np.zeros(levels.shape, bool)
    edges[1:] |= levels[1:] != levels[:-1]
    edges[:, 1:] |= levels[:, 1:] != levels[:, :-1]
    colors[edges] *= 0.88
    return Image.fromarray(colors.astype("uint8"))


def draw_pairs(picture, points, reconstructions):
    """Draws points, their reconstructions and lines between them on a map."""
    from PIL import ImageDraw

    brush = ImageDraw.Draw(picture)
    radius = picture.width / 160
    starts, ends = (
        (places * (1, -1) / LIMIT + 1) * picture.width / 2
        for places in (points, reconstructions)
    )
    for start, end in zip(starts, ends, strict=True):
        brush.line((*start, *end), fill=LINE, width=max(1, round(0.3 * radius)))
    for places, color in ((starts, DATA), (ends, RECONSTRUCTION)):
        for x, y in places:
            corners = x - radius, y - radius, x + radius, y + radius
            brush.ellipse(corners, fill=color)
