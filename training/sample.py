"""Writes samples of a trained model, and walks from sample to sample, as pictures.

    python training/sample.py dcgan_emoji
    python training/sample.py runs/vae/model.keras --num-samples 100 --seed 7
    python training/sample.py acgan_mnist --class 3

It writes samples.png, and walk.gif and walk.mp4: ways through the latent space along
great circles, which return to where they began. A restricted Boltzmann machine has no
latent space; its walk is its Markov chain, a Gibbs step a frame. A model that is told
the class draws all classes in turn.

MODEL is a preset or a .keras file. Loading a file runs what it contains: use files that
you trust.
"""

import argparse
import pathlib

import keras
import numpy as np
from script_helpers import draws_images, make_folder, one_line_errors

from gen_keras import image_grids, latents
from gen_keras.models import DBM, DBN, RBM
from gen_keras.models.base import GenerativeModel, LatentSpace

NUM_WALKS = 16  # At once, side by side.
NUM_STOPS = 4  # The samples that one walk visits.
SECONDS = 0.05  # A frame.
WIDTH = 512  # Pixels of an enlarged picture, about.


def parse_arguments(arguments=None):
    """Returns the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", help="a preset, or a .keras file")
    for name, kind, default, text in (
        ("--out", pathlib.Path, None, "folder (default: samples, beside the model)"),
        ("--num-samples", int, 64, "images in samples.png (default: 64)"),
        ("--seed", int, 0, "one seed, one result (default: 0)"),
        ("--steps", int, 24, "frames from one sample to the next (default: 24)"),
    ):
        metavar = "N" if kind is int else "FOLDER"
        parser.add_argument(
            name, type=kind, default=default, metavar=metavar, help=text
        )
    parser.add_argument(
        "--class",
        type=int,
        metavar="N",
        dest="only_class",
        help="draw this class alone, counted from 0, of a model that is told the class",
    )
    return parser.parse_args(arguments)


def main(args):
    """Writes the pictures and returns their paths."""
    with one_line_errors():
        if args.num_samples < 1 or args.steps < 1:
            raise ValueError(
                "--num-samples and --steps must be at least 1. Received: "
                f"{args.num_samples} and {args.steps}"
            )
        model = GenerativeModel.from_preset(args.model)
        if not draws_images(model):
            raise ValueError(
                "The model must sample images (height, width, channels). "
                f"Received: {args.model}, a {type(model).__name__} of the shape "
                f"{model.visible_shape}"
            )
        conditions = classes_of(model, args.num_samples, args.only_class)
        folder = args.out or default_folder(args.model)
        make_folder(folder)
        drawn = draw(model, args.num_samples, args.seed, args.steps, **conditions)
        paths = write_pictures(model.value_range, folder, *drawn)
    for path in paths:
        print(f"Wrote {path}")
    return paths


def default_folder(name):
    """Returns the folder `samples` beside a `.keras` file; that of a preset in runs."""
    path = pathlib.Path(name)
    return (path.parent if path.suffix == ".keras" else "runs" / path) / "samples"


def classes_of(model, num_samples, only_class=None):
    """Returns {"classes": integers (num_samples,)}; {} if the model is told none."""
    if not hasattr(model, "num_classes"):
        if only_class is not None:
            raise ValueError(
                "--class is for models that are told the class. "
                f"Received: a {type(model).__name__}"
            )
        return {}
    if only_class is None:
        return {"classes": model.classes_in_turn(num_samples)}
    if not 0 <= only_class < model.num_classes:
        raise ValueError(
            f"--class must be from 0 to {model.num_classes - 1}. Received: {only_class}"
        )
    return {"classes": np.full(num_samples, only_class)}


def write_pictures(value_range, folder, samples, walks):
    """Writes samples.png, walk.gif and walk.mp4; returns the paths of those written."""
    grid = image_grids.make_grid(samples, value_range)
    paths = [folder / "samples.png"]
    image_grids.to_pil(grid, scale_of(grid)).save(paths[0])
    if walks is None:
        return paths
    frames = [image_grids.make_grid(images, value_range) for images in walks]
    options = {"seconds": SECONDS, "scale": scale_of(frames[0])}
    image_grids.save_gif(folder / "walk.gif", frames, **options)
    paths.append(folder / "walk.gif")
    try:
        image_grids.save_mp4(folder / "walk.mp4", frames, **options)
        paths.append(folder / "walk.mp4")
    except ImportError as error:
        print(f"No walk.mp4 was written. {error}")
    return paths


def draw(model, num_samples, seed, steps, **conditions):
    """Returns samples (num_samples, height, width, channels), and walks or `None`.

    Walks are an array (num_frames, num_walks, height, width, channels). Conditions are
    arguments of `model.sample_latents`.
    """
    if isinstance(model, (RBM, DBM)):
        return draw_chains(model, num_samples, seed, steps, **conditions)
    if isinstance(model, DBN):
        return to_numpy(model.sample(num_samples, seed, probabilities=True)), None
    if not isinstance(model, LatentSpace):
        return to_numpy(model.sample(num_samples, seed=seed)), None
    stops = to_numpy(model.sample_latents(num_samples, seed=seed, **conditions))
    samples = to_numpy(model.decode(stops))
    num_stops = min(NUM_STOPS, num_samples)
    if num_stops < 2:
        return samples, None
    num_walks = min(NUM_WALKS, num_samples // num_stops)
    stops = stops[: num_walks * num_stops].reshape(num_walks, num_stops, -1)
    paths = [closed_path(own_stops, steps, model.latent_dim) for own_stops in stops]
    paths = np.stack(paths, axis=1)
    return samples, np.stack([to_numpy(model.decode(step)) for step in paths])


def closed_path(stops, steps, noise_dim=None):
    """Returns latents (num_stops * steps, ...) that return to the first stop."""
    ways = [
        latents.interpolate(start, end, steps + 1, True, noise_dim)[:-1]
        for start, end in zip(stops, np.roll(stops, -1, axis=0), strict=True)
    ]
    return np.concatenate(ways)


def draw_chains(model, num_samples, seed, steps, **conditions):
    """Returns samples of an RBM or DBM, and chains that go on from the first of them.

    Pictured are the probabilities p(v = 1 | h), which are easier on the eye.
    """
    if len(model.visible_shape) != 3:
        raise ValueError(
            "Only images (height, width, channels) can be drawn. Received: a model "
            f"with the visible shape {model.visible_shape}"
        )
    samples = model.sample(num_samples, seed=seed, probabilities=True, **conditions)
    visible = model.sample(num_samples, seed=seed, **conditions)[:NUM_WALKS]
    frames = []
    with model.seeded(seed):
        for _ in range(NUM_STOPS * steps):
            visible = model.gibbs(visible)
            frames.append(to_numpy(model.reconstruct(visible)))
    return to_numpy(samples), np.stack(frames)


def scale_of(grid):
    """Returns how many pixels wide each pixel of a picture is drawn."""
    return max(1, round(WIDTH / grid.shape[1]))


def to_numpy(images):
    """Returns an array of a tensor of any backend."""
    return keras.ops.convert_to_numpy(images)


if __name__ == "__main__":
    main(parse_arguments())
