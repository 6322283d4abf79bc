"""What a user gets: a wheel with data and presets inside, and a cheap import."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from keras import ops

ROOT = pathlib.Path(__file__).parent.parent

USE = """
import gen_keras
from gen_keras.models import VAE
assert "site" in gen_keras.__file__, gen_keras.__file__
assert VAE.from_preset("vae_mnist_2d").sample(4, seed=0).shape == (4, 28, 28, 1)
for name in ("mnist", "emoji", "emoji_edges", "emoji_vendors"):
    assert len(gen_keras.datasets.load(name, split="validation")) > 100
gen_keras.metrics.load_classifier("mnist")
"""


@pytest.mark.slow
def test_wheel_works_from_an_empty_folder(tmp_path):
    pip = [sys.executable, "-m", "pip", "--quiet"]
    wheels, site, empty = (tmp_path / name for name in ("wheels", "site", "empty"))
    empty.mkdir()
    build = [*pip, "wheel", "--no-deps", "--wheel-dir", wheels, str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = wheels.glob("gen_keras-*.whl")
    install = [*pip, "install", "--no-deps", "--target", site, wheel]
    subprocess.run(install, check=True)
    environment = os.environ | {"PYTHONPATH": str(site)}
    subprocess.run([sys.executable, "-c", USE], check=True, cwd=empty, env=environment)


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch):
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    code, training, tricks, stack, words = blocks
    printed = []
    names = {"print": printed.append}
    exec(re.sub(r"num_samples=\d+", "num_samples=2", code), names)
    digits, bounds = map(ops.convert_to_numpy, (names["digits"], printed[0]))
    exec(tricks, names)
    assert names["alike"].shape == names["threes"].shape == (8, 28, 28, 1)
    assert names["latents"].shape == (8, 50) and names["again"].shape[0] == 8
    stack = stack.replace("epochs=5", "epochs=1").replace(".images", ".images[:200]")
    exec(stack.replace("500, 500, 2000", "20, 10, 30"), names)
    np.testing.assert_allclose(names["wholes"][:, :14], names["digits"][:8, :14])
    assert names["samples"].shape == names["autoencoder"](names["samples"]).shape
    assert names["classifier"](names["samples"]).shape == (16, 10)
    for i in range(400):  # Each word is in a twentieth of them.
        document = tmp_path / f"PATH/{'ab'[i % 2]}/{i}"
        document.parent.mkdir(parents=True, exist_ok=True)
        document.write_text("word" + chr(97 + i % 20))
    monkeypatch.chdir(tmp_path)
    exec(words.replace("epochs=10", "epochs=1"), names)
    assert names["num_words"] == 20 and names["bits"].shape == (1, 128)
    quick = training.replace("data.images", "data.images[:64]").replace("=20", "=1")
    quick = quick.replace("base_filters=16", "base_filters=2")
    exec(quick, {})
    assert (tmp_path / "wgan_gp.keras").is_file()
    assert digits.shape == (16, 28, 28, 1)
    assert -1 <= digits.min() < -0.9 and 0.9 < digits.max() <= 1
    assert bounds.shape == (100,)
    assert -300 < bounds.min() and bounds.max() < 0


def test_shipped_files_are_below_10_megabytes():
    large = [
        path.relative_to(ROOT)
        for path in (ROOT / "gen_keras").rglob("*")
        if path.is_file() and path.stat().st_size >= 10e6
    ]
    assert not large


# Keras' own garbage is collected before, or Python may do so amid our import.
IMPORT = """
import gc, sys, time
import keras
gc.collect()
start = time.process_time()
import gen_keras
print(time.process_time() - start)
for name in sys.argv[1:]:
    assert keras.saving.get_registered_object("gen_keras>" + name), name
"""


def test_import_registers_what_a_model_may_hold_in_three_tenths_of_a_second():
    """Beside what Keras takes."""
    pattern = r"register_keras_serializable\(.*?\)\s+class (\w+)"
    names = [
        name
        for path in (ROOT / "gen_keras").rglob("*.py")
        for name in re.findall(pattern, path.read_text("utf-8"))
    ]
    assert {"DCGAN", "ImagePool", "LinearDecay"} <= set(names)

    def seconds():
        # Seconds of the processor: a busy machine does not change them.
        run = [sys.executable, "-c", IMPORT, *names]
        return float(subprocess.run(run, check=True, capture_output=True).stdout)

    assert any(seconds() <= 0.3 for _ in range(3))
