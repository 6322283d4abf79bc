"""Drawings from pictures: lines of a pen where colours meet.

As in Canny's detector, a line runs where the colour gradient is largest along its own
direction, and is drawn as a whole if some of it has a high contrast. Two things make
it look like a pen's: the maximum is located between the pixels (one Newton step), so
the line is smooth and equally wide; and a thin dark feature, such as a closed eye,
is drawn as one stroke along its middle (a ridge) and not as two along its sides.

Reference: Canny, "A computational approach to edge detection", 1986; Di Zenzo, "A note
on the gradient of a multi-image", 1986; Steger, "An unbiased detector of curvilinear
structures", 1998.
"""

import functools
import math

import numpy as np


def extract_edges(
    images,
    value_range=(0.0, 1.0),
    sigma=0.9,
    low_contrast=0.06,
    high_contrast=0.1,
    line_width=1.4,
    background=None,
):
    """Returns pen drawings of pictures: dark strokes (0) on white (1).

    The defaults suit flat 64 x 64 drawings. For photos draw less: at 256 x 256 pixels
    `sigma=2.0, low_contrast=0.12, high_contrast=0.3, line_width=2.0`.

    Args:
        images: Array of shape `(n, height, width, 1 or 3)`: uint8, or floats in
            `value_range`.
        value_range: Two floats, the values of black and white in `images`.
        sigma: Float, pixels: the Gaussian blur before the search. Details smaller
            than that vanish.
        low_contrast: Float: a line ends where the step of colour across it (the
            Euclidean distance in [0, 1] RGB) is smaller.
        high_contrast: Float, the step of colour that some of a line must have.
        line_width: Float, pixels.
        background: Float in `value_range`, the grey that is thought to surround each
            image, so that what touches the border is outlined too. `None` repeats
            the border, which draws no line there.

    Returns:
        float32 array of shape `(n, height, width, 1)`, values in [0, 1].

    Raises:
        ValueError: If `images` has another shape, or a parameter is out of range.
    """
    images = np.asarray(images)
    _check(images, sigma, low_contrast, high_contrast, line_width)
    low, high = (0.0, 255.0) if images.dtype == np.uint8 else value_range
    surround = (
        None
        if background is None
        else (background - value_range[0]) / (value_range[1] - value_range[0])
    )
    drawings = np.empty(images.shape[:3] + (1,), "float32")
    chunk = max(1, 2**18 // math.prod(images.shape[1:3]))  # Bounds the memory.
    for start in range(0, len(images), chunk):
        part = (images[start : start + chunk].astype("float32") - low) / (high - low)
        ink = _draw(part, sigma, low_contrast, high_contrast, line_width, surround)
        drawings[start : start + chunk, ..., 0] = 1 - ink
    return drawings


def _check(images, sigma, low_contrast, high_contrast, line_width):
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(
            "`images` must have shape (n, height, width, 1 or 3). "
            f"Received: shape {images.shape}"
        )
    if min(sigma, line_width) <= 0 or not 0 < low_contrast <= high_contrast:
        raise ValueError(
            "`sigma` and `line_width` must be positive, and 0 < `low_contrast` <= "
            f"`high_contrast`. Received: sigma={sigma}, line_width={line_width}, "
            f"low_contrast={low_contrast}, high_contrast={high_contrast}"
        )


def _draw(images, sigma, low_contrast, high_contrast, line_width, surround):
    """Returns the ink, (n, height, width) in [0, 1], of images in [0, 1]."""
    margin = math.ceil(3 * sigma) + 2
    images = _pad(images, margin, surround)
    smooth = _blur(images, sigma)
    strength, edges = _find_edges(smooth, line_width)
    ridges, flanks = _find_ridges(smooth, sigma, low_contrast, line_width)

    # The peak of a Gaussian times sigma: the contrast of a step of this strength.
    contrast = strength * sigma * math.sqrt(2 * math.pi)
    edges = np.where(flanks, 0, edges)
    seeds = (contrast > high_contrast) & (edges > 0.3)
    kept = _grow(seeds, (contrast > low_contrast) & (edges > 0))
    inside = slice(margin, -margin)
    return np.maximum(edges * kept, ridges)[:, inside, inside]


def _find_edges(smooth, line_width):
    """Returns the strength of the colour gradient, and the ink of its maxima."""
    dx, dy = _slope(smooth, 2), _slope(smooth, 1)
    xx, xy, yy = _channel_sum(dx, dx), _channel_sum(dx, dy), _channel_sum(dy, dy)
    largest, (x, y) = _largest_eigenvalue(xx, xy, yy)
    strength = np.sqrt(largest + 1e-12)
    slope_x, slope_y = _slope(strength, 2), _slope(strength, 1)
    slope = x * slope_x + y * slope_y
    curvature = (
        x * x * _curvature(strength, 2)
        + 2 * x * y * _slope(slope_x, 1)
        + y * y * _curvature(strength, 1)
    )
    # The profile of an edge is a Gaussian, whose logarithm is a parabola: Newton's
    # step on that is exact.
    exact = np.where(curvature < 0, slope * slope / strength - curvature, 0)
    return strength, _ink(slope, exact, line_width)


def _find_ridges(smooth, sigma, low_contrast, line_width):
    """Returns the ink of thin dark features, and where their two sides lie."""
    # Yellow on white is bright to the eye, and yet drawn: the darkest channel counts.
    channels = np.moveaxis(smooth, -1, 0)
    darkest = functools.reduce(np.minimum, channels)
    grey = (sum(channels) / len(channels) + darkest) / 2
    dx, dy = _slope(grey, 2), _slope(grey, 1)
    bend, (x, y) = _largest_eigenvalue(
        _curvature(grey, 2), _slope(dx, 1), _curvature(grey, 1)
    )
    ink = _ink(x * dx + y * dy, bend, line_width)
    slope = np.sqrt(dx * dx + dy * dy)
    # A feature up to about 2.5 sigma wide bends more than its sides slope.
    scaled = bend * sigma
    steepest = _neighbours(slope, math.ceil(sigma), np.maximum)
    visible = (bend * sigma**2 > 0.35 * low_contrast) & (ink > 0)
    kept = _grow(
        visible & (scaled > 0.95 * steepest), visible & (scaled > 0.6 * steepest)
    )
    middle = np.where(kept & (ink > 0.3), scaled, 0)
    flanks = slope < _neighbours(middle, math.ceil(2 * sigma), np.maximum)
    return ink * kept, flanks


def _ink(slope, curvature, line_width):
    """Returns the ink of a line along the zeros of `slope`, smooth at its borders."""
    distance = np.abs(slope) / np.maximum(curvature, 1e-6)  # One Newton step.
    ink = np.clip((line_width + 1) / 2 - distance, 0, 1)
    return np.where(curvature > 0, ink, 0)


def _grow(seeds, mask):
    """Returns what of `mask` hangs together with `seeds`."""
    seeds, growing = seeds.copy(), np.arange(len(seeds))
    for _ in range(200):  # Pixels: enough for any stroke, and bounds the time.
        grown = _neighbours(seeds[growing], 1, np.logical_or) & mask[growing]
        changed = (grown != seeds[growing]).any(axis=(1, 2))
        seeds[growing] = grown
        growing = growing[changed]
        if not len(growing):
            break
    return seeds


def _largest_eigenvalue(xx, xy, yy):
    """Returns the larger eigenvalue of [[xx, xy], [xy, yy]] and its unit vector."""
    half = (xx - yy) / 2
    radius = np.sqrt(half * half + xy * xy) + 1e-20
    cosine = half / radius  # Of twice the angle.
    x = np.sqrt(np.maximum((1 + cosine) / 2, 0))
    y = np.copysign(np.sqrt(np.maximum((1 - cosine) / 2, 0)), xy)
    return (xx + yy) / 2 + radius, (x, y)


def _channel_sum(first, second):
    return np.einsum("nhwc,nhwc->nhw", first, second)  # Fast for few channels.


def _blur(images, sigma):
    radius = math.ceil(3 * sigma)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype("float32")
    for axis in (1, 2):
        shifted = _shifts(images, axis, radius)
        images = sum(w * x for w, x in zip(weights, shifted, strict=True))
    return images


def _slope(images, axis):
    before, _, after = _shifts(images, axis, 1)
    return (after - before) / 2


def _curvature(images, axis):
    before, here, after = _shifts(images, axis, 1)
    return before + after - 2 * here


def _neighbours(images, radius, function):
    """Applies `function` over the square of pixels around each."""
    for axis in (1, 2):
        first, *others = _shifts(images, axis, radius)
        images = first
        for other in others:
            images = function(images, other)
    return images


def _shifts(images, axis, radius):
    """Returns views of the images moved by -radius … radius along `axis`."""
    padding = [(0, 0)] * images.ndim
    padding[axis] = (radius, radius)
    padded = np.moveaxis(np.pad(images, padding, mode="edge"), axis, 0)
    size = images.shape[axis]
    return [np.moveaxis(padded[i : i + size], 0, axis) for i in range(2 * radius + 1)]


def _pad(images, margin, surround):
    padding = [(0, 0), (margin, margin), (margin, margin), (0, 0)]
    if surround is None:
        return np.pad(images, padding, mode="edge")
    return np.pad(images, padding, constant_values=surround)


class Edges:
    """The drawings of an array of images, each made when first asked for.

    Args:
        images: uint8 array of shape `(n, height, width, 3)`.
        **options: See `extract_edges`.
    """

    def __init__(self, images, **options):
        self._images = images
        self._options = options
        self._drawings = np.zeros(self.shape, "uint8")
        self._drawn = np.zeros(len(images), bool)

    def __len__(self):
        return len(self._images)

    @property
    def shape(self):
        """As of an array: (n, height, width, 1)."""
        return self._images.shape[:3] + (1,)

    def __getitem__(self, positions):
        missing = np.unique(positions[~self._drawn[positions]])
        if len(missing):
            drawings = extract_edges(self._images[missing], **self._options)
            self._drawings[missing] = np.rint(drawings * 255)
            self._drawn[missing] = True
        return self._drawings[positions]
