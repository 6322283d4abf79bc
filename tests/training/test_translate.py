import keras
import numpy as np
import PIL.Image
import pytest
import translate
from keras import layers

from gen_keras.models import DCGAN, CycleGAN, Pix2Pix


def scaled(factor, channels=3):
    image = keras.Input((None, None, channels))
    layer = layers.Conv2D(channels, 1)
    network = keras.Model(image, layer(image))
    kernel = factor * np.eye(channels)[None, None]
    layer.set_weights([kernel, np.zeros(channels)])
    return network


def unchanged():
    """A network of four channels that changes nothing."""
    image = keras.Input((None, None, 4))
    return keras.Model(image, keras.layers.Activation("linear")(image))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Paths: a CycleGAN that inverts one way and halves the other, pix2pix, a GAN."""
    folder = tmp_path_factory.mktemp("models")
    small = {"receptive_field": 16, "base_filters": 2, "seed": 0}
    made = {
        "cyclegan": CycleGAN(
            (16, 16, 3), generator_ab=scaled(-1.0), generator_ba=scaled(0.5), **small
        ),
        "gray": Pix2Pix((16, 16, 1), **small),
        "alpha": Pix2Pix((16, 16, 4), generator=unchanged(), **small),
        "gan": DCGAN((16, 16, 1), 4, base_filters=2),
    }
    for name, model in made.items():
        model.save(folder / f"{name}.keras")
    return {name: str(folder / f"{name}.keras") for name in made}


@pytest.fixture
def photos(tmp_path):
    """A folder: a PNG, a JPEG in a subfolder, a transparent PNG, a broken one."""
    pixels = np.random.default_rng(0).integers(0, 256, (21, 33, 3), "uint8")
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    PIL.Image.fromarray(pixels).save(folder / "colour.png")
    PIL.Image.fromarray(pixels).resize((40, 16)).save(folder / "sub/photo.JPG")
    alpha = PIL.Image.fromarray(pixels)
    alpha.putalpha(0)
    alpha.save(folder / "clear.png")
    (folder / "broken.png").write_bytes(b"\x89PNG no more")
    return folder


def run(*arguments):
    return translate.main(translate.parse_arguments([str(a) for a in arguments]))


def pixels_of(path):
    with PIL.Image.open(path) as image:
        return np.asarray(image)


def test_a_folder(models, photos, tmp_path, capsys):
    paths = run(models["cyclegan"], photos, tmp_path / "out")
    names = {str(path.relative_to(tmp_path / "out")) for path in paths}
    assert names == {"colour.png", "sub/photo.JPG", "clear.png"}
    before = pixels_of(photos / "colour.png")
    np.testing.assert_allclose(pixels_of(tmp_path / "out/colour.png"), 255 - before, 1)
    assert pixels_of(tmp_path / "out/sub/photo.JPG").shape == (16, 40, 3)
    assert (pixels_of(tmp_path / "out/clear.png") == 0).all()  # White, inverted.
    printed = capsys.readouterr().out
    assert "4/4" in printed  # The progress bar.
    assert "Left out broken.png: not an image" in printed
    assert "Wrote 3 of 4 images" in printed


@pytest.mark.parametrize("suffix", ["jpg", "jfif"])
def test_what_is_transparent_becomes_white(models, tmp_path, suffix):
    (tmp_path / "in").mkdir()
    image = PIL.Image.new("RGBA", (32, 16), (200, 0, 0, 0))
    image.save(tmp_path / "in/a.png")
    out = tmp_path / f"a.{suffix}"
    run(models["alpha"], tmp_path / "in/a.png", out)
    assert pixels_of(out).shape == (16, 32, 3)
    assert pixels_of(out).min() > 250


def test_a_format_that_cannot_be_written(models, photos, tmp_path, capsys):
    (photos / "colour.png").rename(photos / "colour.cur")  # Read by content.
    run(models["cyclegan"], photos, tmp_path / "out")
    assert "Wrote 2 of" in capsys.readouterr().out


def test_one_file_and_the_other_direction(models, photos, tmp_path):
    out = tmp_path / "new/half.png"
    flags = ["--direction", "b_to_a"]
    assert run(models["cyclegan"], photos / "colour.png", out, *flags) == [out]
    before = pixels_of(photos / "colour.png") / 127.5 - 1
    np.testing.assert_allclose(pixels_of(out) / 127.5 - 1, before / 2, atol=0.005)


def test_one_file_into_a_folder(models, photos, tmp_path):
    (tmp_path / "out").mkdir()
    paths = run(models["cyclegan"], photos / "colour.png", tmp_path / "out")
    assert paths == [tmp_path / "out/colour.png"] and paths[0].is_file()


@pytest.mark.parametrize(
    ("source", "target"), [("", ""), ("", "new"), ("colour.png", "colour.png")]
)
def test_originals_are_never_written_over(source, target, models, photos):
    before = (photos / "colour.png").read_bytes()
    with pytest.raises(SystemExit, match="OUT must lie elsewhere"):
        run(models["cyclegan"], photos / source, photos / target)
    assert (photos / "colour.png").read_bytes() == before
    assert not (photos / "new").exists()


def test_a_model_of_gray_images(models, photos, tmp_path):
    one, two, three = (tmp_path / f"{i}.png" for i in range(3))
    run(models["gray"], photos / "colour.png", one)
    assert pixels_of(one).shape == (21, 33)
    for path, seed in ((one, 1), (two, 1), (three, 2)):
        flags = ["--stochastic", "--seed", seed]
        run(models["gray"], photos / "colour.png", path, *flags)
    np.testing.assert_array_equal(pixels_of(one), pixels_of(two))
    assert not np.array_equal(pixels_of(one), pixels_of(three))


def test_a_conversion_is_said_once(models, photos, tmp_path, capsys):
    run(models["gray"], photos, tmp_path / "out")
    assert capsys.readouterr().out.count("Converted from colour to gray") == 1
    PIL.Image.new("L", (16, 16)).save(photos / "gray.png")
    run(models["cyclegan"], photos, tmp_path / "colour")
    assert capsys.readouterr().out.count("Converted from gray to colour") == 1
    assert pixels_of(tmp_path / "colour/gray.png").shape == (16, 16, 3)


@pytest.mark.parametrize("size", [(20000, 1), (20000, 20000)])
def test_a_huge_image_is_refused(size, models, photos, tmp_path, capsys):
    PIL.Image.new("1", size).save(photos / "huge.png")
    with pytest.raises(SystemExit, match="huge.png.*Shrink it"):
        run(models["cyclegan"], photos / "huge.png", tmp_path / "out.png")
    run(models["cyclegan"], photos, tmp_path / "out")
    printed = capsys.readouterr().out
    assert "Left out huge.png" in printed and "Wrote 3 of 5" in printed
    with pytest.raises(SystemExit, match="--max-side"):
        flags = ["--max-side", 20]
        run(models["cyclegan"], photos / "colour.png", tmp_path / "out.png", *flags)


@pytest.mark.parametrize(
    ("model", "source", "flags", "words"),
    [
        ("gan", "colour.png", [], "does not translate images. Received: a DCGAN"),
        ("cyclegan", "lost.png", [], "lost.png"),
        ("cyclegan", "broken.png", [], "broken.png"),
        ("cyclegan", "colour.png", ["--stochastic"], "no --stochastic"),
        ("cyclegan", "colour.png", ["--direction", "up"], "a_to_b"),
        ("gray", "colour.png", ["--direction", "a_to_b"], "no --direction"),
        ("gray", "empty", [], "no image in"),
    ],
)
def test_mistakes(model, source, flags, words, models, photos, tmp_path):
    (photos / "empty").mkdir()
    with pytest.raises(SystemExit) as caught:
        run(models[model], photos / source, tmp_path / "out.png", *flags)
    message = str(caught.value).strip()
    assert words in message and "\n" not in message
