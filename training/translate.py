"""Translates an image, or all images of a folder, by a trained model.

    python training/translate.py runs/pix2pix/best.keras drawing.png emoji.png
    python training/translate.py runs/cyclegan/model.keras photos out --direction b_to_a

Sizes, names and formats stay. Transparent pixels are put on white; gray images become
colour, or colour gray, for a model that wants it. In a folder, files that cannot be
read are named and left out.

MODEL is a preset or a .keras file. Loading a file runs what it contains: use files that
you trust.
"""

import argparse
import inspect
import pathlib

import keras
import numpy as np
import PIL.Image
from script_helpers import make_folder, one_line_errors

from gen_keras import image_grids
from gen_keras.datasets import folders
from gen_keras.models.base import GenerativeModel, Translator

LOSSY = (".jpg", ".jpeg", ".jfif", ".webp")


def parse_arguments(arguments=None):
    """Returns the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", help="a preset, or a .keras file")
    parser.add_argument("source", metavar="IN", help="an image, or a folder of images")
    parser.add_argument("target", metavar="OUT", help="a file, or a folder to write to")
    parser.add_argument(
        "--direction", metavar="TEXT", help="CycleGAN, DiscoGAN: a_to_b or b_to_a"
    )
    parser.add_argument(
        "--stochastic", action="store_true", default=None, help="pix2pix: keep dropout"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of --stochastic")
    parser.add_argument(
        "--max-side",
        type=int,
        default=4096,
        metavar="N",
        help="refuse images with more pixels a side, which may not fit into the memory "
        "(default: %(default)s)",
    )
    return parser.parse_args(arguments)


def main(args):
    """Writes the outputs and returns their paths."""
    with one_line_errors():
        model = GenerativeModel.from_preset(args.model)
        if not isinstance(model, Translator):
            raise ValueError(
                f"{args.model} does not translate images. Received: a "
                f"{type(model).__name__}"
            )
        names = ("direction", "stochastic", "seed")
        given = {name: getattr(args, name) for name in names}
        options = {name: value for name, value in given.items() if value is not None}
        unknown = set(options) - set(inspect.signature(model.translate).parameters)
        if unknown:
            raise ValueError(
                f"{type(model).__name__} has no --{min(unknown)}. "
                f"Received: {options[min(unknown)]}"
            )
        reader = Reader(model, args.max_side)
        paths = translate_all(reader, args.source, args.target, options)
    return paths


def translate_all(reader, source, target, options):
    """Translates a file or a folder; returns the paths of what was written."""
    model = reader.model
    source, target = pathlib.Path(source), pathlib.Path(target)
    if not source.is_dir() and target.is_dir():
        target = target / source.name
    if source.resolve() in (target.resolve(), *target.resolve().parents):
        raise ValueError(
            "OUT must lie elsewhere than IN, which would be written over. "
            f"Received: {target}"
        )
    if not source.is_dir():
        make_folder(target.parent)
        write(translate(model, reader.read(source), options), target)
        print(f"Wrote {target}.")
        return [target]
    files = folders.find_images(source)
    progress = keras.utils.Progbar(len(files), unit_name="image")
    written, left_out = [], []
    for name in files:
        try:
            image = reader.read(source / name)
        except Exception as error:  # Pillow's decoders raise anything.
            left_out.append(f"{name}: {folders.reason_of(error)}")
            progress.add(1)
            continue
        path = target / name
        make_folder(path.parent)
        outputs = translate(model, image, options)
        try:
            write(outputs, path)
            written.append(path)
        except (OSError, ValueError) as error:
            if getattr(error, "errno", None):  # Such as a full disk.
                raise
            # Pillow reads formats that it cannot write.
            left_out.append(f"{name}: {folders.reason_of(error)}")
        progress.add(1)
    for line in left_out:
        print(f"Left out {line}")
    print(f"Wrote {len(written)} of {len(files)} images to {target}.")
    return written


class Reader:
    """Reads images as a model wants them.

    Args:
        model: Translator.
        max_side: Integer, the most pixels a side.
    """

    def __init__(self, model, max_side):
        self.model = model
        self.max_side = max_side
        self.has_told = False

    def read(self, path):
        """Returns an image (1, height, width, channels) in the model's value range."""
        channels = self.model.input_channels
        try:
            with PIL.Image.open(path) as image:
                size, bands = image.size, image.getbands()
        except PIL.Image.DecompressionBombError as error:
            raise ValueError(f"{path} is too large. Shrink it. {error}") from error
        if max(size) > self.max_side:
            raise ValueError(
                f"{path} has {size[0]} x {size[1]} pixels. Shrink it, or raise "
                f"--max-side if the memory suffices. Received: {self.max_side}"
            )
        is_gray = bands in (("L",), ("1",), ("I",), ("F",), ("L", "A"))
        if is_gray != (channels == 1) and not self.has_told:
            kinds = ("gray", "colour") if is_gray else ("colour", "gray")
            print(
                "Converted from {} to {}: {} and others like it.".format(*kinds, path)
            )
            self.has_told = True
        low, high = self.model.value_range
        pixels = folders.decode(path, None, channels, "crop")
        return pixels[None] / np.float32(255) * (high - low) + low


def translate(model, images, options):
    """Returns the outputs as uint8."""
    outputs = keras.ops.convert_to_numpy(model.translate(images, **options))
    return image_grids.to_uint8(outputs, model.value_range)


def write(images, path):
    """Writes the first image in the format that the file's name says.

    Where that has no transparency, it is put on white.
    """
    picture = image_grids.to_pil(images[0])
    if path.suffix.lower() in LOSSY:
        if picture.mode == "RGBA":
            paper = PIL.Image.new("RGBA", picture.size, "white")
            picture = PIL.Image.alpha_composite(paper, picture)
        picture.convert("RGB").save(path, quality=95)
    else:
        picture.save(path)


if __name__ == "__main__":
    main(parse_arguments())
