"""The seventeen calls of the demos: what they answer, and what they say to nonsense."""

import json

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.demos.conftest import complaint, read

gradio_client = pytest.importorskip("gradio_client")

NAMES = ["/sample", "/interpolate", "/arithmetic", "/nearest", "/decode", "/encode"]
NAMES += ["/pix2pix", "/edges", "/cyclegan", "/vary_code", "/reconstruct", "/complete"]
NAMES += ["/gibbs", "/weights", "/classify", "/landscape"]
NAMES += ["/find_similar", "/find_similar_emoji"]
SIZES = {"dcgan_mnist": (84, 3), "dcgan_emoji": (128, 2), "rbm_mnist": (84, 3)}


def sample(client, *args):
    pictures = client.predict(*args, api_name="/sample")
    return [read(picture["image"]) for picture in pictures]


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


def test_api_is_the_seventeen_documented_calls(client):
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


def test_a_digit_is_reconstructed(client, tmp_path):
    file = make_digit(tmp_path / "digit.png")
    seen, back, text = client.predict("vae_mnist", file, api_name="/reconstruct")
    seen, back = read(seen), read(back)
    assert seen.shape == back.shape == (224, 224)
    assert "The pixels differ by" in text
    message = complaint(client, "/reconstruct", "dcgan_mnist", file)
    assert "This DCGAN has no encoder" in message


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
    "no codes": ("/vary_code", ("dcgan_mnist",), "has no codes"),
    "no latent": ("/decode", (0, "x"), "Second latent must be"),
    "no chain": ("/gibbs", ("vae_mnist",), "The model must be one of: rbm_mnist"),
    "too hot": ("/gibbs", ("rbm_mnist", None, 5, 9), "Temperature must be"),
    "no step": ("/gibbs", ("rbm_mnist", None, 0), "Gibbs steps must be"),
    "no unit": ("/weights", ("rbm_mnist", 0), "Units must be"),
    "two points": ("/landscape", ("[[0, 1], [1, 0]]",), "At least 3 points"),
    "equal points": ("/landscape", ("[[1, 1], [1, 1], [1, 1]]",), "in one place"),
    "many points": ("/landscape", (f"{[[0, 1]] * 401}",), "at most 400 points"),
    "no points": ("/landscape", ("click",), "must be JSON"),
    "half a point": ("/landscape", ("[[0, 1], [1], [2, 2]]",), "pair of numbers"),
    "point far away": ("/landscape", ("[[0, 1], [1, 9], [2, 2]]",), "A coordinate"),
    "no number": ("/landscape", ('[[0, 1], [1, "x"], [2, 2]]',), "A coordinate"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_gets_one_sentence(client, case):
    api_name, args, fragment = NONSENSE[case]
    message = complaint(client, api_name, *args)
    assert fragment in message
    assert "Traceback" not in message and len(message) < 300


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1e999", '"1; drop"', "[1]"])
def test_numbers_that_no_client_sends(server, number):
    body = f'{{"data": ["vae_mnist", {number}, 0, 1.0, 5, "any", ""]}}'
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
