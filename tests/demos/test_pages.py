"""What the pages compute, without a server."""

import shlex
import subprocess

import keras
import numpy as np
import pytest
from PIL import Image

gr = pytest.importorskip("gradio")
helpers = pytest.importorskip("gradio_helpers")
model_entries = pytest.importorskip("model_entries")
training_images = pytest.importorskip("training_images")

import about  # noqa: E402
import digits  # noqa: E402
import environment  # noqa: E402
import latent_space  # noqa: E402
import sampling  # noqa: E402


def test_places_on_the_plane_are_quantiles():
    assert latent_space.to_fractions((0.0, 0.0)) == (0.5, 0.5)
    right, down = latent_space.to_fractions((1.2816, 1.2816))
    assert right == pytest.approx(0.9, abs=1e-4)
    assert down == pytest.approx(0.1, abs=1e-4)  # Upwards is up.
    for latent in ((-2.5, 0.3), (1.0, -1.0)):
        place = latent_space.to_fractions(latent)
        assert latent_space.to_latent(*place) == pytest.approx(latent, abs=1e-6)
    assert latent_space.to_latent(0, 1) == (-3, -3)


def test_a_plane_of_other_images(offer):
    from gen_keras import models

    offer(models.VAE((16, 16, 1), latent_dim=2, hidden_dims=(8,)))
    plane = latent_space.draw_plane()
    for right, down in ((0.25, 0.5), (1.0, 1.0)):
        place = [right * plane.width, down * plane.height]
        event = gr.SelectData(None, {"index": place, "value": None})
        expected = latent_space.to_latent(right, down)
        assert latent_space.click_plane(event) == pytest.approx(expected, abs=0.01)
    with pytest.raises(gr.Error, match="28×28 pixels in gray .* images of 16×16×1"):
        latent_space.place(digits.get_example(7))


def test_a_digit_is_placed_as_in_mnist():
    paper = np.full((300, 200), 255, "uint8")
    paper[20:140, 10:50] = 0  # Off the centre, three times as high as wide.
    digit = digits.normalize(Image.fromarray(paper))
    assert digit.shape == (28, 28)
    rows, columns = np.nonzero(digit > 128)
    assert np.ptp(rows) + 1 == 20
    assert rows.mean() == pytest.approx(14, abs=1)
    assert columns.mean() == pytest.approx(14, abs=1)


def test_a_real_digit_stays_as_it_is():
    for pixels in digits.find_examples():
        placed = digits.normalize(Image.fromarray(pixels))
        assert np.abs(placed.astype(int) - pixels).mean() < 1


def test_a_training_image_is_its_own_neighbour():
    training = training_images.read("emoji")
    image = training.rows[7].reshape(training.image_shape)
    images, distances = training.nearest(image)
    np.testing.assert_array_equal(images[0], image)
    assert distances[0] == 0
    exact = np.sqrt(
        np.square((training.rows - training.rows[7].astype(float)) / 255).mean(1)
    )
    np.testing.assert_allclose(distances, np.sort(exact)[:5], atol=1e-6)
    assert "may be a copy" in sampling.judge_distance(0.0, training.reference)
    assert "not a copy" in sampling.judge_distance(0.9, training.reference)


def test_unseen_images_are_no_copies():
    reference = training_images.read("emoji").reference
    assert len(reference) == 100
    assert 0 < reference[0] < reference[-1] < 1


def test_a_click_goes_where_the_open_tool_wants_it():
    class Click:
        index = 4

    def changes(*args):
        answer = sampling.click_sample(*args, Click)
        return {i: v for i, v in enumerate(answer) if v != gr.skip()}

    assert changes("walk", "A", "start", [], [], []) == {0: 5, 2: "end"}
    assert changes("walk", "A", "end", [], [], []) == {1: 5, 2: "start"}
    assert changes("arithmetic", "B", "start", [], [1], []) == {4: [1, 5]}
    assert changes("arithmetic", "B", "start", [], [1, 5], []) == {4: [1]}
    assert changes("nearest", "A", "start", [], [], []) == {6: 5}


def test_pixels_become_squares():
    image = np.arange(28 * 28, dtype="uint8").reshape(28, 28, 1)
    enlarged = np.asarray(helpers.enlarge(image, 96))
    assert enlarged.shape == (84, 84)
    np.testing.assert_array_equal(enlarged[1::3, 2::3], image[..., 0])


def test_every_model_of_the_package_is_on_the_about_page():
    from gen_keras import models

    named = {model.name for model in about.MODELS}
    assert named == {name for name in dir(models) if name[0].isupper()}
    for model in about.MODELS:
        assert hasattr(models, model.name)
        assert (environment.ROOT / model.file).is_file()
        assert model.branch in [text for _, text, _ in about.TAXONOMY]
        assert model.name in about.ALT


def test_how_a_preset_was_trained(monkeypatch):
    row = about.presets.table()["vae_mnist"]
    table = {"trained": row | {"training": "train.py"}, "not": row | {"training": ""}}
    monkeypatch.setattr(about.presets, "table", lambda: table)
    assert "<code>train.py</code>" in about.describe_preset("trained")
    assert "Trained by" not in about.describe_preset("not")


def test_a_model_of_ones_own(offer):
    from gen_keras import models

    offer(models.DCGAN((28, 28, 1), base_filters=8, latent_dim=5))
    entry = next(iter(model_entries.entries().values()))
    assert entry.title == "Your model: mine.keras"
    assert entry.dataset == "mnist"
    assert len(sampling.sample("own", 2, 0)) == 2


@pytest.mark.parametrize("shape", [(16, 16, 1), (8, 12, 3)])
def test_a_folder_of_ones_own(offer, tmp_path, shape):
    from gen_keras import models

    for i in range(12):  # Sizes and colours as they come.
        mode, color = (("L", 9 * i), ("RGB", (9 * i, 0, 99)))[i % 2]
        Image.new(mode, (20 + i, 40), color).save(tmp_path / f"{i}.png")
    model = models.VAE(shape, latent_dim=2, hidden_dims=(8,))
    offer(model, f"folder:{tmp_path}")
    pictures, text = sampling.nearest("own")
    assert len(pictures) == 6
    assert pictures[1][1].startswith("distance ")
    assert "Distance to the nearest training image" in text


def test_a_folder_too_small_for_unseen_images(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "1.png")
    assert training_images.read(f"folder:{tmp_path}", (8, 8, 1)).reference is None


def test_make_demo_passes_model_and_data():
    names = ["MODEL=my.keras", "DATASET=folder:my images"]
    command = ["make", "--no-print-directory", "-n", "demo", *names]
    done = subprocess.run(command, cwd=environment.ROOT, capture_output=True, text=True)
    words = shlex.split(done.stdout.replace("\\\n", " "))
    assert words[-4:] == ["--model", "my.keras", "--dataset", "folder:my images"]


def save_network(path):
    keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)]).save(path)


def save_flat_model(path):
    from gen_keras import models

    models.RBM((784,), num_hidden=5).save(path)


@pytest.mark.parametrize(
    "save, words",
    [(save_network, "it holds a Sequential"), (save_flat_model, r"draws \(784,\)")],
)
def test_a_model_that_is_not_for_the_pages(tmp_path, save, words):
    save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match=words):
        model_entries.add_model(tmp_path / "other.keras")


@pytest.mark.parametrize("content", [None, b"", b"PK no zip", b"{}"])
def test_a_file_that_is_no_model(tmp_path, content):
    path = tmp_path / "broken.keras"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="must be a .keras file"):
        model_entries.add_model(path)


def test_a_missing_preset_is_said(monkeypatch):
    monkeypatch.setattr(model_entries, "missing_presets", lambda *page: ["a", "b"])
    assert "`a`, `b`" in model_entries.missing_note()
    for page in ("Sampling", "pix2pix", "CycleGAN"):
        with pytest.raises(gr.Error, match="gen_keras/presets/a.keras is not there"):
            helpers.to_entry("a", page)
    monkeypatch.setattr(model_entries, "missing_presets", lambda *page: [])
    assert model_entries.missing_note() == ""


def test_a_preset_is_missed_on_its_own_page(monkeypatch):
    missing = {"vae_mnist", "pix2pix_edges2twemoji", "cyclegan_noto2twemoji"}
    path = model_entries.presets.path

    def lose(name):
        return path(name).with_suffix(".lost" if name in missing else ".keras")

    monkeypatch.setattr(model_entries.presets, "path", lose)
    assert model_entries.missing_presets() == ["vae_mnist"]
    assert model_entries.missing_presets("pix2pix") == ["pix2pix_edges2twemoji"]
    assert model_entries.missing_presets("CycleGAN") == ["cyclegan_noto2twemoji"]
