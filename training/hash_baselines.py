"""Binary codes that are not learned by a network, to compare semantic hashing with.

Each function takes the rows of training data and the number of bits, and returns a
function from rows to codes of 0 and 1.
"""

import numpy as np
from sklearn.decomposition import PCA


def pca_codes(rows, num_bits, seed=0):
    """Returns the signs of the principal components."""
    project = _fit_pca(rows, num_bits, seed)
    return lambda x: (project(x) > 0).astype("uint8")


def itq_codes(rows, num_bits, seed=0, num_iterations=50):
    """Returns iterative quantization: components turned so that signs lose least.

    Reference:
        Gong and Lazebnik, Iterative Quantization, 2011, section 2.2.
    """
    project = _fit_pca(rows, num_bits, seed)
    components = project(rows)
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((num_bits, num_bits)))
    for _ in range(num_iterations):
        signs = np.where(components @ rotation > 0, 1.0, -1.0)
        # The rotation nearest to what maps components to signs (Procrustes).
        u, _, vt = np.linalg.svd(components.T @ signs)
        rotation = u @ vt
    return lambda x: (project(x) @ rotation > 0).astype("uint8")


def spectral_codes(rows, num_bits, seed=0):
    """Returns spectral hashing: signs of waves along the principal components.

    The waves are the smoothest eigenfunctions of a uniform distribution on a box, sides
    and all; long sides have several.

    Reference:
        Weiss et al., Spectral Hashing, 2008, section 3.
    """
    project = _fit_pca(rows, num_bits, seed)
    components = project(rows)
    low, high = components.min(axis=0), components.max(axis=0)
    waves = np.arange(1, num_bits + 1)[:, None]
    frequencies = waves * np.pi / (high - low)  # (wave, component)
    smoothest = np.argsort(frequencies, axis=None)[:num_bits]
    _, component = np.unravel_index(smoothest, frequencies.shape)
    frequency = frequencies.ravel()[smoothest]

    def encode(x):
        phases = (project(x) - low)[:, component] * frequency
        return (np.cos(phases) > 0).astype("uint8")

    return encode


BASELINES = {"pca": pca_codes, "spectral": spectral_codes, "itq": itq_codes}


def _fit_pca(rows, num_components, seed):
    return PCA(num_components, random_state=seed).fit(rows).transform
