"""Makes a preset of a trained model: without optimizer, in half precision, small.

    python training/make_preset.py runs/dcgan_mnist/model.keras dcgan_mnist
    python training/evaluate.py --preset dcgan_mnist

Compare with `python training/evaluate.py --model runs/….keras` to see what the
storage in float16 costs.
"""

import argparse
import io
import pathlib
import tempfile
import zipfile

import h5py
import keras
from script_helpers import one_line_errors

from gen_keras import presets
from gen_keras.models import GAN
from gen_keras.models.gans.base import TwoSides

WEIGHTS = "model.weights.h5"


def make_preset(model, path):
    """Writes `model` to `path` in float16, without its optimizer.

    Args:
        model: `GenerativeModel`. Of a GAN with a moving average of its generator,
            the average becomes the generator (and encoder).
        path: File name ending in ".keras".
    """
    config = model.get_config()
    if isinstance(model, GAN) and model.ema_momentum is not None:
        for name in model.generator_names:
            getattr(model, name).set_weights(model.averaged(name).get_weights())
        config["ema_momentum"] = None
    bare = type(model).from_config(config)
    copy_weights(model, bare)
    with tempfile.TemporaryDirectory() as folder:
        whole = pathlib.Path(folder) / "model.keras"
        bare.save(whole)
        to_float16(whole, path)


def copy_weights(source, target):
    """Copies the weights of each network; of a GAN nothing that only training needs."""
    if not isinstance(source, TwoSides):
        target.set_weights(source.get_weights())
        return
    for name in (*source.generator_names, *source.discriminator_names):
        getattr(target, name).set_weights(getattr(source, name).get_weights())


def to_float16(source, target):
    """Copies a `.keras` file with its weights in float16, compressed."""
    with zipfile.ZipFile(source) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files[WEIGHTS] = _halve(files[WEIGHTS])
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def _halve(content):
    buffer = io.BytesIO()
    with (
        h5py.File(io.BytesIO(content), "r") as old,
        h5py.File(buffer, "w") as new,
    ):

        def copy(name, item):
            if isinstance(item, h5py.Group):
                copied = new.require_group(name)
            else:
                dtype = "float16" if item.dtype == "float32" else item.dtype
                copied = new.create_dataset(name, data=item[()], dtype=dtype)
            for key, value in item.attrs.items():
                copied.attrs[key] = value

        old.visititems(copy)
    return buffer.getvalue()


def main():
    """Reads the command line and writes the preset."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a .keras file that a training script wrote")
    parser.add_argument("preset", help=f"one of {', '.join(presets.table())}")
    flags = parser.parse_args()
    with one_line_errors():
        path = presets.path(flags.preset)
        make_preset(presets.load(flags.model), path)
        keras.models.load_model(path, compile=False)
    print(f"Wrote {path}, {path.stat().st_size / 2**20:.2f} MB.")


if __name__ == "__main__":
    main()
