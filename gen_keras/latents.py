"""Ways through a latent space: lines, great circles, averages."""

import numpy as np


def interpolate(start, end, num_steps, spherical=False, noise_dim=None):
    """Returns latents on the way from `start` to `end`, both included.

    Args:
        start: Array of shape (latent_dim,).
        end: Array of shape (latent_dim,).
        num_steps: Integer of at least 2.
        spherical: Boolean. A straight line passes through the middle of the space,
            where a high-dimensional normal distribution has hardly any mass; a great
            circle keeps the typical norm. White, Sampling Generative Networks, 2016.
        noise_dim: Integer or `None`. If given, only so many first numbers go along the
            circle; the others, a class or codes, have no typical norm.

    Returns:
        float32 array of shape (num_steps, latent_dim).

    Raises:
        ValueError: If `num_steps` is less than 2, or the shapes are not those of two
            latents.
    """
    start, end = np.asarray(start, "float64"), np.asarray(end, "float64")
    if num_steps < 2:
        raise ValueError(f"`num_steps` must be at least 2. Received: {num_steps}")
    if start.ndim != 1 or start.shape != end.shape:
        raise ValueError(
            "`start` and `end` must have one shape (latent_dim,). Received: "
            f"{start.shape} and {end.shape}"
        )
    if noise_dim is not None and noise_dim < len(start):
        noise = interpolate(start[:noise_dim], end[:noise_dim], num_steps, spherical)
        others = interpolate(start[noise_dim:], end[noise_dim:], num_steps)
        return np.concatenate([noise, others], axis=1)
    t = np.linspace(0, 1, num_steps)[:, None]
    line = (1 - t) * start + t * end
    angle = _angle_between(start, end) if spherical else 0.0
    if np.sin(angle) < 1e-6:  # Parallel latents have a line, but no great circle.
        return line.astype("float32")
    # Directions turn, norms change evenly. Weighted sums of the latents themselves
    # would go far out where two of unequal norms are almost opposite.
    norms = [max(np.linalg.norm(latent), 1e-12) for latent in (start, end)]
    weights = np.sin((1 - t) * angle), np.sin(t * angle)
    path = weights[0] * start / norms[0] + weights[1] * end / norms[1]
    path *= ((1 - t) * norms[0] + t * norms[1]) / np.sin(angle)
    return path.astype("float32")


def arithmetic(minuend, subtrahend, addend):
    """Returns mean(minuend) - mean(subtrahend) + mean(addend), (1, latent_dim).

    Args:
        minuend: Array of shape (num_latents, latent_dim).
        subtrahend: Array of shape (num_latents, latent_dim).
        addend: Array of shape (num_latents, latent_dim).
    """
    means = [
        np.asarray(group, "float32").mean(axis=0, keepdims=True)
        for group in (minuend, subtrahend, addend)
    ]
    return means[0] - means[1] + means[2]


def _angle_between(a, b):
    cosine = a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12)
    return np.arccos(np.clip(cosine, -1, 1))
