"""One running app for all tests of the demos: a Space, built and started."""

import os
import pathlib
import shutil
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "demos"))  # Pages import each other by plain names.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

MARK = "Shown by the copy under test."
UNTRAINED = """
[{}]
model = "DCGAN"
dataset = "emoji"
title = "DCGAN, emoji"
description = "Not trained."
paper = ""
url = ""
training = ""
license = "CC BY 4.0"
"""


def make_untrained(name):
    """Returns a model of the shape of a preset."""
    from gen_keras import models

    if name == "dcgan_mnist":
        return models.DCGAN((28, 28, 1), base_filters=16, seed=1)
    if name == "dcgan_emoji":
        return models.DCGAN((64, 64, 3), base_filters=16, seed=1)
    if name.startswith("pix2pix"):
        channels = 1 if "edges" in name else 3
        return models.Pix2Pix(
            (64, 64, 3), channels, receptive_field=34, base_filters=8, seed=1
        )
    if name.startswith("cyclegan"):
        return models.CycleGAN(
            (64, 64, 3), receptive_field=34, base_filters=8, pool_size=0, seed=1
        )
    if name == "rbm_mnist":
        return models.RBM((28, 28, 1), seed=1)
    return models.VAE(latent_dim=2 if name == "vae_mnist_2d" else 50, seed=1)


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A copy of the project; presets that are not trained yet are untrained models."""
    import spaces

    from gen_keras import presets

    root = tmp_path_factory.mktemp("project")
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("gen_keras", "demos"):
        shutil.copytree(ROOT / folder, root / folder, ignore=ignore)
    shutil.copy(ROOT / "Spacefile", root)
    table = root / "gen_keras/presets/presets.toml"
    first = 'description = "'
    table.write_text(table.read_text().replace(first, f"{first}{MARK} ", 1))
    for name in spaces.read_spacefile(root)["space"][0]["presets"]:
        path = root / f"gen_keras/presets/{name}.keras"
        if not path.is_file():
            make_untrained(name).save(path)
        if name not in presets.table():
            with table.open("a") as file:
                file.write(UNTRAINED.format(name))
    return root


@pytest.fixture(scope="session")
def space(project, tmp_path_factory):
    """The folder of a built Space."""
    import spaces

    manifest = spaces.read_spacefile(project)
    out = tmp_path_factory.mktemp("built") / "space"
    return spaces.build(manifest, "gen-keras", out, project)


@pytest.fixture(scope="session")
def server(space, tmp_path_factory):
    """The started app; `server.url` is its address."""
    import spaces

    # Its pictures are deleted with the other files of the tests.
    os.environ["GRADIO_TEMP_DIR"] = str(tmp_path_factory.mktemp("gradio"))
    server = spaces.running(space, "demos/app.py", timeout=240)
    with server as url:
        server.url = url
        yield server


@pytest.fixture(scope="session")
def client(server):
    """A client of the app."""
    import gradio_client

    folder = os.environ["GRADIO_TEMP_DIR"]
    return gradio_client.Client(server.url, verbose=False, download_files=folder)
