"""Mixtures of Gaussians in the plane, whose modes are known.

They are points, not images: `load` does not know them.

```python
ring = datasets.mixtures.ring()
model.fit(ring.sample(100_000, seed=0), batch_size=100, epochs=400)
metrics.mixture_modes(samples, ring.means, ring.standard_deviation)
```

Reference:
    Lin et al., PacGAN: The power of two samples in generative adversarial networks,
    2018, section 4.1, whose released code has these numbers.
    https://arxiv.org/abs/1712.04086
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class GaussianMixture:
    """Round Gaussians of one size and equal weight.

    Attributes:
        means: Array (num_modes, num_features).
        standard_deviation: Float, of each component in each direction.
    """

    means: np.ndarray
    standard_deviation: float

    def sample(self, num_samples, seed=0):
        """Returns float32 points (num_samples, num_features).

        Args:
            num_samples: Integer.
            seed: Integer. One seed gives one result.
        """
        rng = np.random.default_rng(seed)
        means = self.means[rng.integers(len(self.means), size=num_samples)]
        noise = rng.normal(0, self.standard_deviation, means.shape)
        return (means + noise).astype("float32")


def ring(num_modes=8, radius=1.0, standard_deviation=0.01):
    """Returns a `GaussianMixture` of modes evenly spaced on a circle around 0."""
    angles = 2 * np.pi * np.arange(num_modes) / num_modes
    means = radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return GaussianMixture(means, standard_deviation)


def grid(side=5, spacing=2.0, standard_deviation=0.05):
    """Returns a `GaussianMixture` of side x side modes around 0.

    By default the means are {-4, -2, 0, 2, 4}².
    """
    ticks = spacing * (np.arange(side) - (side - 1) / 2)
    means = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1)
    return GaussianMixture(means.reshape(-1, 2), standard_deviation)
