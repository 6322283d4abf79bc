"""Writes the codes of all emoji for the demo, by a trained autoencoder.

    python training/claims/retrieval.py --variants emoji_dbn_32
    python training/make_emoji_codes.py runs/retrieval/emoji_32_0/model.keras

The autoencoder itself is too large to ship for one page.
"""

import argparse
import pathlib

import keras
import numpy as np
from script_helpers import one_line_errors

from gen_keras import datasets
from gen_keras.datasets.loading import SPLITS
from gen_keras.datasets.shipped import VENDORS
from gen_keras.models import SemanticHashing

OUT = pathlib.Path(__file__).parents[1] / "demos/emoji_codes.npz"


def encode(model):
    """Returns codes (num_emoji, num_bits), vendor by vendor and split by split."""
    size = model.visible_shape[0]
    return np.concatenate(
        [
            model.encode(
                datasets.load("emoji", split, vendor=vendor, image_size=size).images
            )
            for vendor in VENDORS
            for split in SPLITS
        ]
    )


def main(path, out=OUT):
    """Writes the file."""
    with one_line_errors():
        model = keras.models.load_model(path, compile=False)
        if not isinstance(model, SemanticHashing):
            raise ValueError(
                "The model must be one of train_semantic_hashing.py. "
                f"Received: {path}, a {type(model).__name__}"
            )
        np.savez_compressed(out, codes=encode(model))
        print(f"Wrote {out}, {pathlib.Path(out).stat().st_size:,} bytes.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a .keras file")
    main(parser.parse_args().model)
