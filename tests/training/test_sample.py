import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import PIL.Image
import pytest
import sample
from keras import ops

from gen_keras import image_grids
from gen_keras.models import ACGAN, DCGAN, RBM, VAE

ROOT = pathlib.Path(__file__).parents[2]
MAKERS = {
    "dcgan": lambda: DCGAN((16, 16, 3), latent_dim=4, base_filters=2, seed=0),
    "vae": lambda: VAE((12, 10, 1), latent_dim=2, hidden_dims=(4,), seed=0),
    "rbm": lambda: RBM((6, 5, 1), num_hidden=4, seed=0),
}


@pytest.fixture(params=MAKERS)
def saved(request, tmp_path):
    """A model and the path of its file."""
    keras.utils.set_random_seed(0)
    model = MAKERS[request.param]()
    model.save(tmp_path / "model.keras")
    return model, tmp_path / "model.keras"


def run(*arguments):
    return sample.main(sample.parse_arguments([str(x) for x in arguments]))


def test_samples_are_those_of_the_model(saved):
    model, path = saved
    written = run(path, "--num-samples", 6, "--seed", 3, "--steps", 2)
    assert [file.name for file in written] == ["samples.png", "walk.gif", "walk.mp4"]
    assert {file.parent for file in written} == {path.parent / "samples"}

    options = {"probabilities": True} if isinstance(model, RBM) else {}
    samples = ops.convert_to_numpy(model.sample(6, seed=3, **options))
    grid = image_grids.make_grid(samples, model.value_range)
    scale = round(512 / grid.shape[1])
    with PIL.Image.open(written[0]) as png:
        pixels = np.array(png).reshape(grid.shape[0] * scale, -1, grid.shape[2])
    enlarged = grid.repeat(scale, axis=0).repeat(scale, axis=1)
    # A step of one gray level: the file's weights are loaded, not computed anew.
    np.testing.assert_allclose(pixels, enlarged.astype(int), atol=1)


def test_walks_visit_the_samples_and_return(saved):
    model, _ = saved
    samples, walks = sample.draw(model, num_samples=10, seed=0, steps=3)
    if isinstance(model, RBM):
        assert walks.shape == (12, 10, *model.visible_shape)
        return
    assert walks.shape == (12, 2, *model.image_shape)  # Two walks of four samples.
    for walk in range(2):
        for stop in range(4):
            np.testing.assert_allclose(
                walks[3 * stop, walk], samples[4 * walk + stop], atol=1e-5
            )
    steps = np.abs(np.diff(walks[:, 0], axis=0, append=walks[:1, 0]))
    assert steps.max(axis=(1, 2, 3)).min() > 0  # No frame twice, not at the end either.


def test_one_seed_gives_one_result(saved):
    model, _ = saved
    first, again, other = (sample.draw(model, 4, seed, 2) for seed in (0, 0, 1))
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


def test_one_sample_goes_nowhere(tmp_path):
    keras.utils.set_random_seed(0)
    MAKERS["vae"]().save(tmp_path / "model.keras")
    written = run(tmp_path / "model.keras", "--num-samples", 1, "--out", tmp_path / "x")
    assert written == [tmp_path / "x" / "samples.png"]


def test_a_missing_encoder_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    MAKERS["vae"]().save(tmp_path / "model.keras")
    written = run(tmp_path / "model.keras", "--num-samples", 4, "--steps", 1)
    assert [file.suffix for file in written] == [".png", ".gif"]
    assert "pip install imageio-ffmpeg" in capsys.readouterr().out


def test_models_that_are_told_the_class_draw_all_in_turn(tmp_path):
    model = ACGAN((16, 16, 1), num_classes=3, latent_dim=4, base_filters=2, seed=0)
    model.save(tmp_path / "model.keras")
    assert len(run(tmp_path / "model.keras", "--num-samples", 8, "--steps", 2)) == 3
    for only, expected in ((None, [0, 1, 2, 0, 1]), (2, [2] * 5)):
        conditions = sample.classes_of(model, 5, only)
        np.testing.assert_array_equal(conditions["classes"], expected)
        images, _ = sample.draw(model, 5, seed=1, steps=1, **conditions)
        np.testing.assert_allclose(images, model.sample(5, 1, classes=expected))


def test_presets_have_a_folder():
    assert sample.default_folder("vae_mnist") == pathlib.Path("runs/vae_mnist/samples")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["nonsense"], "no such preset. Known are dcgan_mnist"),
        (["lost.keras"], "no file lost.keras"),
        (["{folder}/text.keras"], "text.keras"),
        (["{folder}/plain.keras"], "Received: {folder}/plain.keras, a Sequential"),
        (["{folder}/vector.keras"], "(784,)"),
        (["{folder}/model.keras", "--out", "{folder}/text.keras/x"], "text.keras/x"),
        (["{folder}/model.keras", "--num-samples", "0"], "at least 1"),
        (["{folder}/model.keras", "--seed", "-1"], "seed"),
        (["{folder}/model.keras", "--class", "1"], "are told the class. Received"),
        (["acgan_mnist", "--class", "10", "--out", "{folder}/x"], "from 0 to 9"),
    ],
)
def test_mistakes_end_with_one_line(arguments, words, tmp_path):
    (tmp_path / "text.keras").write_text("no model")
    keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]).save(
        tmp_path / "plain.keras"
    )
    RBM((784,), num_hidden=1).save(tmp_path / "vector.keras")
    MAKERS["vae"]().save(tmp_path / "model.keras")
    with pytest.raises(SystemExit) as caught:
        run(*[argument.format(folder=tmp_path) for argument in arguments])
    message = caught.value.code.strip()
    assert words.format(folder=tmp_path) in message
    assert message.startswith("Error: ") and "\n" not in message


def test_command_line(tmp_path):
    command = [sys.executable, ROOT / "training" / "sample.py", "lost.keras"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in result.stderr
