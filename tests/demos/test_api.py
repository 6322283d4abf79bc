"""The nine calls of the demos: what they answer, and what they say to nonsense."""

import json

import httpx
import numpy as np
import pytest
from PIL import Image

gradio_client = pytest.importorskip("gradio_client")

NAMES = ["/sample", "/interpolate", "/arithmetic", "/nearest", "/decode", "/encode"]
NAMES += ["/pix2pix", "/edges", "/cyclegan"]
SIZES = {"dcgan_mnist": (84, 3), "dcgan_emoji": (128, 2), "rbm_mnist": (84, 3)}


def read(path):
    return np.asarray(Image.open(path))


def sample(client, *args):
    pictures = client.predict(*args, api_name="/sample")
    return [read(picture["image"]) for picture in pictures]


def complaint(client, api_name, *args):
    with pytest.raises(gradio_client.exceptions.AppError) as error:
        client.predict(*args, api_name=api_name)
    return str(error.value)


def post(server, api_name, body):
    """Sends what no client would, and returns the event that answers."""
    url = f"{server.url}/gradio_api/call{api_name}"
    started = httpx.post(
        url, content=body, headers={"content-type": "application/json"}
    )
    if not started.is_success:
        return started.text
    event = started.json()["event_id"]
    return httpx.get(f"{url}/{event}", timeout=60).text


# Answers ----------------------------------------------------------------------------


def test_api_is_the_nine_documented_calls(client):
    api = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert sorted(api) == sorted(NAMES)
    for name, call in api.items():
        assert len(call["description"]) > 20, name
        assert all(parameter["label"] for parameter in call["parameters"]), name


@pytest.mark.parametrize("preset", SIZES)
def test_samples_are_true_pixels_enlarged(client, preset):
    side, scale = SIZES[preset]
    images = sample(client, preset, 3, 0, 1.0, 5)
    assert len(images) == 3
    for image in images:
        assert image.shape[:2] == (side, side)
        small = image[::scale, ::scale]
        np.testing.assert_array_equal(
            small.repeat(scale, axis=0).repeat(scale, axis=1), image
        )


def test_a_sample_depends_on_seed_and_number_alone(client):
    few, many = (sample(client, "vae_mnist", count, 7) for count in (3, 20))
    np.testing.assert_array_equal(few, many[:3])
    again = gradio_client.Client(client.src, verbose=False)
    np.testing.assert_array_equal(sample(again, "vae_mnist", 20, 7), many)
    assert not np.array_equal(many, sample(client, "vae_mnist", 20, 8))
    assert len({image.tobytes() for image in many}) == 20


def test_samples_are_those_of_the_package(client, project):
    from keras import ops

    from gen_keras import image_grids, models

    path = project / "gen_keras/presets/vae_mnist.keras"
    model = models.VAE.from_preset(str(path))
    samples = ops.convert_to_numpy(model.sample(16, seed=3, temperature=0.5))
    expected = image_grids.to_uint8(samples)
    images = np.stack(sample(client, "vae_mnist", 16, 3, 0.5))[:, ::3, ::3]
    difference = expected[..., 0].astype(int) - images
    assert np.abs(difference).max() <= 1  # Rounded after another order of sums.


def test_the_largest_seed_and_most_images(client):
    assert len(sample(client, "dcgan_mnist", 64, 2**31 - 1, 0.1)) == 64


def test_walk_goes_from_one_sample_to_the_other_and_back(client):
    images = sample(client, "dcgan_mnist", 20, 5)
    for path in ("straight", "great circle"):
        gif, strip = client.predict(
            "dcgan_mnist", 5, 2, 18, 6, path, api_name="/interpolate"
        )
        with Image.open(gif) as animation:
            assert animation.n_frames == 2 * 6 - 2
            frames = []
            for i in (0, 5):
                animation.seek(i)
                frames.append(np.asarray(animation.convert("L"))[::9, ::9])
        for frame, i in zip(frames, (1, 17), strict=True):
            assert np.abs(frame - images[i][::3, ::3].astype(int)).max() <= 2
        strip = read(strip)
        assert strip.shape == (84, 6 * 84)
        np.testing.assert_allclose(strip[:, :84], images[1], atol=1)


def test_arithmetic_that_can_be_foreseen(client):
    images = sample(client, "dcgan_mnist", 8, 5)
    pictures = client.predict(
        "dcgan_mnist", 5, [1, 2, 3], ["3", "2", "1"], [7], api_name="/arithmetic"
    )
    a, b, c, result = (read(picture["image"]) for picture in pictures)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(c, images[6], atol=1)
    np.testing.assert_allclose(result.astype(int), c, atol=1)


@pytest.mark.parametrize("preset", ["dcgan_emoji", "rbm_mnist"])
def test_nearest_training_images(client, preset):
    image = sample(client, preset, 2, 1, 1.0, 3)[1]
    pictures, text = client.predict(preset, 1, 2, 1.0, 3, api_name="/nearest")
    assert len(pictures) == 6
    np.testing.assert_array_equal(read(pictures[0]["image"]), image)
    distances = [
        float(picture["caption"].removeprefix("distance ")) for picture in pictures[1:]
    ]
    assert pictures[1]["caption"].startswith("distance ")
    assert distances == sorted(distances)
    assert 0 < distances[0] < 1
    assert f"{distances[0]:.3f}" in text


def test_decode(client):
    image, plane = client.predict(-0.5, 1.0, api_name="/decode")
    assert read(image).shape == (224, 224)
    assert read(plane).shape == (1120, 1120, 3)


def make_digit(path, background=255, ink=0, size=(300, 200)):
    pixels = np.full(size[::-1], background, "uint8")
    pixels[40:60, 60:140] = ink  # A seven.
    for i in range(100):
        pixels[60 + i, 125 - i // 2 : 145 - i // 2] = ink
    Image.fromarray(pixels).save(path)
    return gradio_client.handle_file(path)


def test_encode_whatever_the_paper(client, tmp_path):
    answers = [
        client.predict(make_digit(tmp_path / name, *colors), api_name="/encode")
        for name, colors in (("dark.png", (255, 0)), ("light.png", (20, 230)))
    ]
    seen = [read(answer[0]).astype(int) for answer in answers]
    np.testing.assert_allclose(*seen, atol=30)
    assert seen[0].shape == (224, 224)
    assert "It lands at" in answers[0][3]


DRAWINGS, PICTURES = "pix2pix_edges2twemoji", "pix2pix_noto2twemoji"
CIRCLE = "cyclegan_noto2twemoji"


@pytest.fixture
def photo(tmp_path):
    """A picture of two colours and a slope, twice as wide as high, to send."""
    return send(tmp_path / "photo.png", make_photo((200, 100)))


def make_photo(size):
    width, height = size
    pixels = np.full((height, width, 3), 230, "uint8")
    pixels[..., 0] = np.linspace(20, 120, width)
    pixels[height // 4 : height // 2, width // 4 : width // 2] = (250, 20, 20)
    return Image.fromarray(pixels)


def send(path, picture):
    picture.save(path)
    return gradio_client.handle_file(path)


def small(path, scale=5):
    """Returns the pixels that were enlarged to squares."""
    pixels = read(path)
    shrunk = pixels[::scale, ::scale]
    enlarged = shrunk.repeat(scale, axis=0).repeat(scale, axis=1)
    np.testing.assert_array_equal(enlarged, pixels)
    return shrunk


def test_pix2pix_is_the_package(client, project, photo):
    from keras import ops

    from gen_keras import image_grids, models

    output, pair, variants = client.predict(PICTURES, photo, 3, api_name="/pix2pix")
    assert read(pair[1]).tobytes() == read(output).tobytes()
    inputs = small(pair[0])
    assert inputs.shape == (64, 64, 3)
    model = models.Pix2Pix.from_preset(
        str(project / f"gen_keras/presets/{PICTURES}.keras")
    )
    inputs = inputs[None] / np.float32(127.5) - 1
    expected = ops.convert_to_numpy(model.translate(inputs))
    expected = image_grids.to_uint8(expected, model.value_range)[0]
    assert np.abs(small(output).astype(int) - expected).max() <= 1
    assert len({read(v["image"]).tobytes() for v in variants}) == 4
    again = client.predict(PICTURES, photo, 3, api_name="/pix2pix")
    other = client.predict(PICTURES, photo, 4, api_name="/pix2pix")
    assert (
        read(output).tobytes() == read(again[0]).tobytes() == read(other[0]).tobytes()
    )
    first, same, another = (
        read(answer[2][0]["image"]) for answer in ((0, 0, variants), again, other)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, another)


def test_edges_are_those_of_the_training_images(client, tmp_path):
    from gen_keras import datasets

    drawings, emoji = datasets.load("emoji_edges", split="validation")[np.arange(7, 8)]
    picture = Image.fromarray(np.rint(255 * emoji[0]).astype("uint8"))
    path = client.predict(
        DRAWINGS, send(tmp_path / "e.png", picture), api_name="/edges"
    )
    expected = np.rint(255 * drawings[0, ..., 0])
    np.testing.assert_allclose(small(path), expected, atol=1)
    output, pair, _ = client.predict(
        DRAWINGS, gradio_client.handle_file(path), api_name="/pix2pix"
    )
    np.testing.assert_array_equal(small(pair[0]), small(path))
    assert small(output).std() > 1


def test_edges_can_be_adjusted(client, photo):
    ink = [
        (255.0 - read(client.predict(DRAWINGS, photo, *args, api_name="/edges"))).sum()
        for args in ((0.9, 0.02), (0.9, 0.1), (0.9, 0.6), (3, 0.6))
    ]
    assert ink[0] >= ink[1] >= ink[2] >= ink[3]
    assert ink[1] > 0


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_a_full_circle(client, project, photo, direction):
    from keras import ops

    from gen_keras import models

    seen, there, back, error, text = client.predict(
        CIRCLE, photo, direction, api_name="/cyclegan"
    )
    pictures = [small(path) for path in (seen, there, back, error)]
    assert {picture.shape for picture in pictures} == {(32, 64, 3)}
    seen, there, back, error = (picture.astype("float32") for picture in pictures)
    mean = np.abs(seen - back).mean() / 255
    assert float(text.split("**")[1]) == pytest.approx(mean, abs=1e-3)
    darkest = np.abs(seen - back).sum(axis=-1).argmin()
    assert error.sum(axis=-1).flat[darkest] == error.sum(axis=-1).min()
    model = models.CycleGAN.from_preset(
        str(project / f"gen_keras/presets/{CIRCLE}.keras")
    )
    expected = ops.convert_to_numpy(model.translate(seen[None] / 127.5 - 1, direction))
    assert np.abs((expected[0] + 1) * 127.5 - there).max() <= 1.5


@pytest.mark.parametrize(("side", "scale"), [(64, 5), ("128", 2), (2048, 2)])
def test_the_largest_side(client, photo, side, scale):
    answer = client.predict(CIRCLE, photo, "a_to_b", side, api_name="/cyclegan")
    width = min(int(side), 200)
    for path in answer[:4]:
        assert small(path, scale).shape == (width // 2, width, 3)
    assert f"at {width}×{width // 2} pixels" in answer[4]


def test_transparent_and_gray_pictures(client, tmp_path):
    picture = make_photo((64, 64))
    holed = picture.convert("RGBA")
    holed.putalpha(Image.fromarray(np.tile(np.uint8([0] * 32 + [255] * 32), (64, 1))))
    seen = client.predict(CIRCLE, send(tmp_path / "a.png", holed), api_name="/cyclegan")
    assert (small(seen[0])[:, :32] == 255).all()
    np.testing.assert_array_equal(small(seen[0])[:, 32:], np.asarray(picture)[:, 32:])
    gray = send(tmp_path / "g.png", picture.convert("L"))
    seen = small(client.predict(CIRCLE, gray, api_name="/cyclegan")[0])
    np.testing.assert_array_equal(seen[..., 0], np.asarray(picture.convert("L")))
    assert seen.shape == (64, 64, 3)


# Nonsense ---------------------------------------------------------------------------

NONSENSE = {
    "no such model": ("/sample", ("../x", 4, 0), "The model must be one of"),
    "too many": ("/sample", ("vae_mnist", 65, 0), "from 1 to 64"),
    "none": ("/sample", ("vae_mnist", 0, 0), "from 1 to 64"),
    "half an image": ("/sample", ("vae_mnist", 2.5, 0), "whole number"),
    "negative seed": ("/sample", ("vae_mnist", 4, -1), "Seed must be"),
    "huge seed": ("/sample", ("vae_mnist", 4, 10**30), "Seed must be"),
    "words": ("/sample", ("vae_mnist", "many", 0), "Number of images must be"),
    "nothing": ("/sample", ("vae_mnist", None, 0), "Number of images must be"),
    "yes": ("/sample", ("vae_mnist", True, 0), "Number of images must be"),
    "truncation": ("/sample", ("dcgan_mnist", 4, 0, 5), "Truncation must be"),
    "temperature": ("/sample", ("vae_mnist", 4, 0, -1), "Temperature must be"),
    "steps": ("/sample", ("rbm_mnist", 4, 0, 1, 10**6), "Gibbs steps must be"),
    "no latents": ("/interpolate", ("rbm_mnist", 0, 1, 2), "has no latents"),
    "no sample": ("/interpolate", ("vae_mnist", 0, 0, 2), "from 1 to 64"),
    "one step": ("/interpolate", ("vae_mnist", 0, 1, 2, 1), "Steps must be"),
    "path": ("/interpolate", ("vae_mnist", 0, 1, 2, 4, "left"), "The path must be"),
    "empty group": ("/arithmetic", ("vae_mnist", 0, [1], [], [2]), "Group B needs"),
    "long group": ("/arithmetic", ("vae_mnist", 0, [1] * 65, [1], [2]), "at most 64"),
    "word group": ("/arithmetic", ("vae_mnist", 0, ["x"], [1], [2]), "Group A"),
    "which sample": ("/nearest", ("vae_mnist", 0, 99), "from 1 to 64"),
    "far away": ("/decode", (50, 0), "First latent must be"),
    "no latent": ("/decode", (0, "x"), "Second latent must be"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_gets_one_sentence(client, case):
    api_name, args, fragment = NONSENSE[case]
    message = complaint(client, api_name, *args)
    assert fragment in message
    assert "Traceback" not in message and len(message) < 200


PHOTO, BLANK, TINY, NARROW, HUGE, WIDE, TEXT, NONE = (
    *("photo", "blank", "tiny", "narrow", "huge", "wide", "text", None),
)
PICTURE_NONSENSE = {
    "no picture": ("/pix2pix", (PICTURES, NONE, 0), "The canvas is blank"),
    "nothing drawn": ("/pix2pix", (DRAWINGS, BLANK, 0), "The canvas is blank"),
    "no drawing": ("/pix2pix", (DRAWINGS, TEXT, 0), "could not be read as an image"),
    "too small": ("/pix2pix", (PICTURES, TINY, 0), "at least 8×8 pixels"),
    "20,000 × 20,000": ("/pix2pix", (PICTURES, HUGE, 0), "at most 2048×2048"),
    "20,000 wide": ("/pix2pix", (PICTURES, WIDE, 0), "Received: 20000×20"),
    "a sampler": ("/pix2pix", ("vae_mnist", PHOTO, 0), "The model must be one of: pix"),
    "no such seed": ("/pix2pix", (PICTURES, PHOTO, -1), "Seed must be"),
    "no edges": ("/edges", (PICTURES, PHOTO), "takes pictures as they are"),
    "edges of nothing": ("/edges", (DRAWINGS, NONE), "An image is needed"),
    "edges of text": ("/edges", (DRAWINGS, TEXT), "could not be read as an image"),
    "blur": ("/edges", (DRAWINGS, PHOTO, 9), "Blur must be a number from 0.5 to 3"),
    "contrast": ("/edges", (DRAWINGS, PHOTO, 1, "x"), "Contrast must be"),
    "no photo": ("/cyclegan", (CIRCLE, NONE), "There is no image yet"),
    "no image": ("/cyclegan", (CIRCLE, TEXT), "could not be read as an image"),
    "too narrow": ("/cyclegan", (CIRCLE, NARROW), "The image is too narrow"),
    "too large": ("/cyclegan", (CIRCLE, HUGE), "at most 2048×2048"),
    "direction": ("/cyclegan", (CIRCLE, PHOTO, "up"), "The direction must be a_to_b"),
    "side": ("/cyclegan", (CIRCLE, PHOTO, "a_to_b", 4096), "Largest side must be"),
    "small side": ("/cyclegan", (CIRCLE, PHOTO, "a_to_b", 4), "from 8 to 2048"),
    "another model": ("/cyclegan", (PICTURES, PHOTO), "must be one of: cyclegan_"),
    "a translator": ("/sample", (CIRCLE, 4, 0), "The model must be one of: dcgan"),
}


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Pictures that no model can do much with."""
    folder = tmp_path_factory.mktemp("pictures")
    files = {
        PHOTO: make_photo((60, 60)),
        BLANK: Image.new("L", (320, 320), "white"),
        TINY: Image.new("RGB", (5, 5)),
        NARROW: Image.new("RGB", (2000, 10)),
        HUGE: Image.new("1", (20_000, 20_000)),
        WIDE: Image.new("1", (20_000, 20)),
    }
    for name, picture in files.items():
        picture.save(folder / f"{name}.png")
    (folder / "text.png").write_text("<script>alert(1)</script>")
    return {
        name: gradio_client.handle_file(folder / f"{name}.png")
        for name in (*files, TEXT)
    }


@pytest.mark.parametrize("case", PICTURE_NONSENSE)
def test_nonsense_about_pictures_gets_one_sentence(client, pictures, case):
    api_name, args, fragment = PICTURE_NONSENSE[case]
    args = [pictures.get(x, x) if isinstance(x, str) else x for x in args]
    message = complaint(client, api_name, *args)
    assert fragment in message
    assert "Traceback" not in message and len(message) < 200


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1e999", '"1; drop"', "[1]"])
def test_numbers_that_no_client_sends(server, number):
    body = f'{{"data": ["vae_mnist", {number}, 0, 1.0, 5]}}'
    answer = post(server, "/sample", body)
    assert "Number of images must be" in answer
    assert "Traceback" not in answer


def test_objects_in_place_of_files(server):
    for image in ("null", '"text"', "5", '{"path": "/etc/passwd"}'):
        answer = post(server, "/encode", f'{{"data": [{image}]}}')
        assert "event: complete" not in answer
        assert "Traceback" not in answer and "root:" not in answer


def test_upload_that_is_no_image(client, tmp_path):
    path = tmp_path / "page.png"
    path.write_text("<script>alert(1)</script>")
    message = complaint(client, "/encode", gradio_client.handle_file(path))
    assert "could not be read as an image" in message


def test_upload_that_is_blank(client, tmp_path):
    path = tmp_path / "blank.png"
    Image.new("L", (50, 50), "white").save(path)
    message = complaint(client, "/encode", gradio_client.handle_file(path))
    assert "There is no digit" in message


def test_upload_with_too_many_pixels(client, tmp_path):
    path = tmp_path / "wide.png"
    Image.new("L", (2049, 10)).save(path)
    message = complaint(client, "/encode", gradio_client.handle_file(path))
    assert "at most 2048×2048 pixels" in message


def test_upload_with_too_many_bytes(server):
    data = bytes(5_500_000)
    answer = httpx.post(
        f"{server.url}/gradio_api/upload", files={"files": ("big.png", data)}
    )
    assert answer.status_code == 413


def test_files_of_the_server_stay_there(server, space):
    for path in ("/etc/passwd", space / "demos/app.py", "../../etc/passwd"):
        answer = httpx.get(f"{server.url}/gradio_api/file={path}")
        assert answer.status_code in (403, 404), path


def test_nothing_watches_the_users(server):
    assert httpx.get(f"{server.url}/monitoring").status_code in (403, 404)
    config = json.loads(httpx.get(f"{server.url}/config").text)
    assert not config["analytics_enabled"]
