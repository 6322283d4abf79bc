"""Images to look at: arrays of any value range to uint8, in grids, PNG, GIF, MP4."""

import io

import numpy as np


def to_uint8(images, value_range=(0.0, 1.0)):
    """Returns images as uint8, clipped to the value range.

    Args:
        images: Array or NumPy-convertible tensor of any shape. What is not a number
            becomes black.
        value_range: Pair of floats, the values of black and white.
    """
    low, high = value_range
    images = np.nan_to_num(np.asarray(images, "float32"), nan=low)
    return np.round(255 * np.clip((images - low) / (high - low), 0, 1)).astype("uint8")


UNKNOWN = (99, 102, 168)  # A muted indigo, which no gray image has.


def cover(images, mask, value_range=(0.0, 1.0), color=UNKNOWN):
    """Returns gray images in RGB, uint8, with a colour where pixels are unknown.

    Args:
        images: Array of shape (num_images, height, width, 1).
        mask: Array that broadcasts to it: 1 where a pixel is known, else 0.
        value_range: Pair of floats, the values of black and white.
        color: Three integers from 0 to 255.
    """
    known = np.asarray(mask) == 1
    return np.where(known, to_uint8(images, value_range), np.array(color, "uint8"))


def make_grid(images, value_range=(0.0, 1.0), columns=None, padding=0):
    """Returns one uint8 image, with the given images row by row.

    Args:
        images: Array of shape (num_images, height, width, channels).
        value_range: Pair of floats, the values of black and white.
        columns: Integer; by default the grid is almost square.
        padding: Integer, the white pixels between two images.

    Returns:
        uint8 array of shape (height, width, channels).
    """
    images = to_uint8(images, value_range)
    num_images, height, width, channels = images.shape
    columns = columns or int(np.ceil(np.sqrt(num_images)))
    rows = -(-num_images // columns)
    cell = (height + padding, width + padding)
    grid = np.full((rows * columns, *cell, channels), 255 if padding else 0, "uint8")
    grid[:num_images, :height, :width] = images
    grid = grid.reshape(rows, columns, *cell, channels).swapaxes(1, 2)
    grid = grid.reshape(rows * cell[0], columns * cell[1], channels)
    return grid[: grid.shape[0] - padding, : grid.shape[1] - padding]


def weights_to_images(kernel, image_shape, num_units=100):
    """Returns what the first units of a layer look for, as images in [0, 1].

    A weight of 0 is 0.5, one of three deviations 0 or 1.

    Args:
        kernel: Array (num_pixels, num_units) of weights, of the first layer.
        image_shape: Tuple, height, width and channels.
        num_units: Integer.

    Returns:
        Array (num_units, height, width, channels).
    """
    bound = 3 * kernel.std() + 1e-12
    images = kernel.T[:num_units].reshape(-1, *image_shape)
    return np.clip(images / bound / 2 + 0.5, 0, 1)


def to_pil(image, scale=1):
    """Returns a uint8 image (height, width, 1 to 4 channels) as a `PIL.Image`.

    Args:
        image: uint8 array.
        scale: Integer; each pixel becomes a square of `scale` pixels.
    """
    from PIL import Image

    image = image.repeat(scale, axis=0).repeat(scale, axis=1)
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def encode_png(image):
    """Returns the bytes of a PNG file of a uint8 image (height, width, channels)."""
    buffer = io.BytesIO()
    to_pil(image).save(buffer, "PNG")
    return buffer.getvalue()


def save_gif(path, frames, seconds=0.1, scale=1):
    """Writes frames as an animation that repeats for ever.

    Args:
        path: File name.
        frames: uint8 array of shape (num_frames, height, width, channels).
        seconds: Float, how long each frame stays.
        scale: Integer, see `to_pil`.
    """
    first, *rest = [to_pil(frame, scale) for frame in frames]
    first.save(
        path, append_images=rest, save_all=True, duration=round(1000 * seconds), loop=0
    )


def save_mp4(path, frames, seconds=0.1, scale=1):
    """Writes frames as an H.264 video. It needs imageio-ffmpeg.

    Args:
        path: File name.
        frames: uint8 array of shape (num_frames, height, width, channels). H.264 wants
            even sides: a last row or column is repeated where a side is odd.
        seconds: Float, how long each frame stays.
        scale: Integer, see `to_pil`.

    Raises:
        ImportError: If imageio-ffmpeg is not installed.
    """
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise ImportError("MP4 needs a package: pip install imageio-ffmpeg") from error

    frames = [np.asarray(to_pil(frame, scale).convert("RGB")) for frame in frames]
    height, width, _ = frames[0].shape
    missing = ((0, height % 2), (0, width % 2), (0, 0))
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (width + width % 2, height + height % 2),
        fps=1 / seconds,
        macro_block_size=2,
    )
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(np.pad(frame, missing, "edge")))
    writer.close()
