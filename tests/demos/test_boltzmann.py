"""The page of Boltzmann machines: its chains, its weights, its landscapes."""

import itertools
import json

import numpy as np
import pytest
from PIL import Image

from tests.demos.conftest import complaint, read, stroke

gr = pytest.importorskip("gradio")
pytest.importorskip("gradio_helpers")
pytest.importorskip("playwright.sync_api")

import boltzmann  # noqa: E402
import classify  # noqa: E402
import digits  # noqa: E402
import drawing_pad  # noqa: E402
import landscape  # noqa: E402
import model_entries  # noqa: E402
from keras import ops  # noqa: E402

from gen_keras import energy_landscape, models  # noqa: E402

SHAPE = (4, 6, 1)


@pytest.fixture
def entry(offer):
    """A small RBM, whose pixels are all ink unless they are held."""
    model = models.RBM(SHAPE, num_hidden=3, seed=0)
    model.visible_bias.assign(np.full(24, 20.0))
    return offer(model)


def make_sheet(ink=(), paper=()):
    """Returns the data URL of a sheet where some pixels (row, column) are held."""
    sheet = Image.new("RGB", (60, 40), boltzmann.FREE)
    for pixels, tool in ((ink, boltzmann.INK), (paper, boltzmann.PAPER)):
        for row, column in pixels:
            corner = 10 * column, 10 * row
            sheet.paste(tool.color, (*corner, corner[0] + 10, corner[1] + 10))
    return drawing_pad.write(sheet)


# Models -----------------------------------------------------------------------------


def test_machines_of_binary_images_are_offered(offer):
    for make in (
        lambda: models.RBM((8, 8, 1), 4),
        lambda: models.ClassRBM((8, 8, 1), num_hidden=4),
        lambda: models.DBM((8, 8, 1), (4, 3), num_chains=2),
    ):
        offer(make())
        assert next(iter(boltzmann.find_entries())) == "own"
        assert boltzmann.gibbs("own", gibbs_steps=2)
        assert boltzmann.draw_weights("own")
        assert boltzmann.build_menu(boltzmann.find_entries()).visible
        # They draw samples, too.
        assert "own" in model_entries.entries_of("Sampling")
    for make in (
        lambda: models.RBM((8, 8, 1), 4, visible_units="gaussian"),
        lambda: models.RBM((8, 8, 3), 4),
        lambda: models.DCGAN((28, 28, 1), base_filters=4),
    ):
        offer(make())
        assert "own" not in boltzmann.find_entries()


def test_without_a_preset_the_landscape_is_left(monkeypatch):
    monkeypatch.setattr(model_entries, "entries", dict)
    with pytest.raises(gr.Error, match="presets/rbm_mnist.keras is missing"):
        boltzmann.gibbs("rbm_mnist")
    blocks = boltzmann.build().blocks.values()
    tabs = {block.label: block.visible for block in blocks if isinstance(block, gr.Tab)}
    assert tabs == {
        "Gibbs chain": False,
        "Weights": False,
        "Which digit?": False,
        "Energy landscape": True,
    }
    notes = [block.value for block in blocks if isinstance(block, gr.HTML)]
    assert any("rbm_mnist.keras</code> is missing" in str(note) for note in notes)


# Chains -----------------------------------------------------------------------------


def test_a_chain_goes_on_and_holds_what_is_clamped(entry):
    chain, *_ = boltzmann.restart(None, "own", None, 3, 1.0)
    held = [(0, 0), (3, 5)]
    picture, status = boltzmann.clamp(chain, make_sheet(ink=[(1, 2)], paper=held))
    assert status == "Gibbs step 0 · 3 pixels clamped"
    expected = np.ones(SHAPE)
    for row, column in held:
        expected[row, column] = 0
    for _ in range(2):
        chain.advance(chain.gibbs_steps)
        np.testing.assert_allclose(chain.means[0], expected, atol=1e-3)
    assert chain.step == 6
    boltzmann.restart(chain, "own", None, 3, 1.0)  # What is clamped stays.
    assert chain.step == 0
    assert (chain.means[0][0, 0], chain.means[0][1, 2]) == (0, 1)
    boltzmann.clamp(chain, "")
    chain.advance(1)
    np.testing.assert_allclose(chain.means[0], np.ones(SHAPE), atol=1e-3)


def test_a_step_of_the_chain_is_one_of_the_model(entry):
    chains = [boltzmann.Chain(entry, seed=3) for _ in range(2)]
    for chain in chains:
        start = chain.states.copy()
        chain.advance(2)
    np.testing.assert_array_equal(chains[0].states, chains[1].states)
    rng = np.random.default_rng(3)
    np.testing.assert_array_equal(rng.integers(2, size=(1, *SHAPE)), start)
    seeds = [int(rng.integers(model_entries.MAX_SEED)) for _ in range(2)]
    states = entry.model.gibbs(start, 2, seeds[0])
    means = entry.model.gibbs(states, 1, seeds[1], probabilities=True)
    np.testing.assert_array_equal(ops.convert_to_numpy(states), chains[0].states)
    np.testing.assert_allclose(ops.convert_to_numpy(means), chains[0].means, rtol=1e-5)


def test_a_chain_of_a_dbm_goes_on_from_its_hidden_layers(offer):
    model = models.DBM(SHAPE, (16, 16), num_chains=2, seed=0)
    # Pixels tell nothing, and the hidden layers hold each other as they are.
    model.kernels[0].assign(np.zeros((24, 16)))
    model.kernels[1].assign(80 * np.eye(16))
    for bias in model.biases[1:]:
        bias.assign(np.full(16, -40.0))
    chain = boltzmann.Chain(offer(model), seed=0)
    chain.advance(4)
    states = np.resize(np.float32([0, 1, 1]), (1, 16))
    chain._hidden = [states, states]
    for _ in range(2):
        chain.advance(4)
        for layer in chain._hidden:
            np.testing.assert_array_equal(ops.convert_to_numpy(layer), states)


def test_a_chain_is_hotter_where_it_is_asked_to_be(entry):
    entry.model.visible_bias.assign(np.full(24, 2.0))
    entry.model.kernel.assign(np.zeros((24, 3)))
    for temperature, expected in ((0.5, 4.0), (2.0, 1.0)):
        chain = boltzmann.Chain(entry)
        boltzmann.set_pace(chain, 5, temperature)
        chain.advance(chain.gibbs_steps)
        np.testing.assert_allclose(chain.means, 1 / (1 + np.exp(-expected)), rtol=1e-5)


def test_a_chain_stops_when_it_is_told_to(entry, monkeypatch):
    monkeypatch.setattr(boltzmann, "MAX_FRAMES", 5)
    monkeypatch.setattr(boltzmann, "SECONDS", 0)
    chain = boltzmann.Chain(entry)
    watching = boltzmann.watch(chain)
    next(watching)
    assert boltzmann.begin(chain)[0]["interactive"] is False
    boltzmann.stop(chain)
    assert list(watching) == [] and chain.step == 1
    boltzmann.begin(chain)
    assert len(list(boltzmann.watch(chain))) == 5  # Then it rests by itself.


def test_pixels_are_clamped_where_most_of_them_is_drawn(entry):
    ink, free = (Image.new("L", (10, 10), value) for value in (190, 128))
    sheet = Image.new("L", (60, 40), 128)
    sheet.paste(ink, (0, 0))
    sheet.paste(ink.resize((10, 4)), (10, 0))  # Less than half of it.
    sheet.paste(55, (50, 30, 60, 38))
    mask, values = boltzmann.read_clamps(sheet, SHAPE)
    assert np.argwhere(mask[..., 0]).tolist() == [[0, 0], [3, 5]]
    assert np.argwhere(values[..., 0]).tolist() == [[0, 0]]
    assert not boltzmann.read_clamps(free, SHAPE)[0].any()


def test_the_picture_shows_what_is_clamped(entry):
    chain = boltzmann.Chain(entry)
    chain.means = np.full((1, *SHAPE), 0.2)
    chain.clamp(*boltzmann.read_clamps(_gray(make_sheet([(0, 1)], [(2, 0)])), SHAPE))
    html = boltzmann.draw(chain)
    pixels = np.asarray(_open(html.split('src="')[1].split('"')[0]))
    assert pixels[0, 1].tolist() == boltzmann.hex_to_rgb(boltzmann.INK.color)
    assert pixels[2, 0].tolist() == boltzmann.hex_to_rgb(boltzmann.PAPER.color)
    assert pixels[3, 3].tolist() == [51, 51, 51]


def _gray(drawing):
    return drawing_pad.read(drawing)


def _open(url):
    import base64
    import io

    return Image.open(io.BytesIO(base64.b64decode(url.split(",")[1])))


# Weights ----------------------------------------------------------------------------


def test_the_strongest_unit_comes_first(entry):
    kernel = np.zeros((24, 3))
    kernel[0, 0], kernel[7, 2], kernel[8, 2] = 0.1, 5.0, -5.0
    entry.model.kernel.assign(kernel)
    pixels = read(boltzmann.draw_weights("own", 2))
    scale = pixels.shape[0] // 4
    tile = pixels[::scale, ::scale]
    assert tile.shape == (4, 6 + 2 + 6, 3)
    assert tile[1, 1].tolist() == list(boltzmann.POSITIVE)
    assert tile[1, 2].tolist() == list(boltzmann.NEGATIVE)
    assert (tile[2:] == 255).all()


# Classes ----------------------------------------------------------------------------


def test_the_class_of_the_lowest_free_energy_is_the_likeliest(monkeypatch):
    entry = classify.find_entry()
    assert entry.model_class == "ClassRBM"
    seven = digits.get_example(7)
    picture, shares, text = classify.tell(seven)
    images = np.tile(seven.reshape(1, 28, 28, 1) / np.float32(255), (10, 1, 1, 1))
    energies = entry.model.free_energy((images, np.arange(10)))
    energies = ops.convert_to_numpy(energies).astype("float64")
    expected = np.exp(energies.min() - energies)
    expected /= expected.sum()
    assert list(shares) == [str(i) for i in range(10)]
    np.testing.assert_allclose(list(shares.values()), expected, atol=1e-4)
    first, second, *_ = np.argsort(energies)
    gap = energies[second] - energies[first]
    assert first == 7 and f"**{first}**" in text and f"a {second}," in text
    assert f"**{gap:.1f} nats** lower" in text
    assert read(picture).shape[:2] == (112, 112)
    monkeypatch.setattr(classify, "find_entry", lambda: None)
    with pytest.raises(gr.Error, match="class_rbm_mnist.keras is missing"):
        classify.tell(seven)


# Landscapes -------------------------------------------------------------------------


@pytest.fixture
def short(monkeypatch):
    """Trainings of a few steps."""
    monkeypatch.setattr(landscape, "NUM_STEPS", 200)
    train = energy_landscape.EnergyLandscape.train
    monkeypatch.setattr(
        landscape.EnergyLandscape, "train", lambda self: train(self, 200)
    )


def test_a_landscape_is_shown_while_it_is_learned(short, monkeypatch):
    monkeypatch.setattr(landscape, "SECONDS", 0)
    points, ground, status = landscape.take_example("Line")
    assert "plain" in ground and status == f"{len(json.loads(points))} points"
    pictures, texts = zip(*landscape.watch(points), strict=True)
    assert texts[0] == "Step 100 of 200"
    assert "nats** lower" in texts[1]
    sizes = [_open(p.split('src="')[1].split('"')[0]).size for p in pictures]
    assert sizes == 2 * [(landscape.SIDE, landscape.SIDE)]


def test_the_lowest_energy_is_where_the_points_are(short):
    points = np.array(list(itertools.product([1.0, 1.3, 1.6], [0.8, 1.0])))
    path, text = landscape.draw_landscape(points.tolist())
    light = np.asarray(Image.open(path).convert("L"), "float32")
    side = landscape.SIDE
    row, column = int((2 - 0.9) / 4 * side), int((2 + 1.15) / 4 * side)
    assert light[row, column] > light[side - row, side - column] + 60
    assert text.startswith("Step 200")


def test_points_are_counted():
    assert landscape.count_points("[[0, 1]]")[0] == "1 point"
    words, ground = landscape.count_points("[]")
    assert words == "0 points" and "plain" in ground


# The running app --------------------------------------------------------------------


def test_clamped_ink_through_the_api(client, tmp_path):
    import gradio_client

    sheet = np.full((28, 28), 128, "uint8")
    sheet[4:6, 8:20], sheet[14:] = 255, 0
    path = tmp_path / "known.png"
    Image.fromarray(sheet).save(path)
    known = gradio_client.handle_file(path)
    answer = client.predict("rbm_mnist", known, 5, 1.0, 0, api_name="/gibbs")
    pixels = read(answer)
    scale = len(pixels) // 28
    small = pixels[::scale, ::scale]
    assert (small[4:6, 8:20] == 255).all() and not small[14:].any()
    assert len(np.unique(small[:14])) > 20  # The rest is drawn.
    assert "image" in complaint(client, "/gibbs", "rbm_mnist", {"path": ""}, 5)


def test_a_class_through_the_api(client, tmp_path):
    import gradio_client

    path = tmp_path / "digit.png"
    Image.fromarray(255 - digits.get_example(5)).save(path)  # Dark on light.
    _, answer, text = client.predict(
        gradio_client.handle_file(path), api_name="/classify"
    )
    assert answer["label"] == "5" and text.startswith("With a **5** its")
    path.write_bytes(b"no image")
    assert "image" in complaint(client, "/classify", gradio_client.handle_file(path))


def test_weights_and_landscape_through_the_api(client):
    assert read(client.predict("rbm_mnist", 9, api_name="/weights")).shape[2] == 3
    points = [[-1, 0], [1, 0], [1, 0.2], [-1, 0.2]]
    path, text = client.predict(json.dumps(points), api_name="/landscape")
    assert read(path).shape == (landscape.SIDE, landscape.SIDE, 3)
    assert "nats** lower" in text


def test_a_visitor_steers_a_chain(visit):
    page = visit("/boltzmann")
    page.get_by_role("button", name="Start", exact=True).click()
    page.locator("#chain-status").get_by_text("Gibbs step").wait_for()
    page.locator("#chain-status").get_by_text("step 0").wait_for(state="detached")
    stroke(page, [(0.3, 0.25), (0.7, 0.25)], "#clamps")
    page.get_by_text("pixels clamped").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Start", exact=True).wait_for()
    page.locator("#clamps").get_by_role("button", name="Clear").click()
    page.get_by_text("pixels clamped").wait_for(state="detached")
    page.get_by_role("tab", name="Weights").click()
    page.wait_for_function("document.querySelector('#weights img')?.naturalWidth > 300")


def test_a_visitor_asks_which_digit_it_is(visit):
    page = visit("/boltzmann")
    page.get_by_role("tab", name="Which digit?").click()
    page.get_by_role("radio", name="3", exact=True).last.check()
    page.locator("#class").get_by_text("With a 3 its free energy").wait_for()
    stroke(page, [(0.5, 0.15), (0.5, 0.85)])
    page.locator("#class").get_by_text("With a 1 its free energy").wait_for()
    assert page.locator("#classes").get_by_text("1", exact=True).count() >= 1


def test_a_visitor_makes_a_landscape(visit):
    page = visit("/boltzmann")
    page.get_by_role("tab", name="Energy landscape").click()
    page.get_by_role("button", name="Train").click()
    page.get_by_text("At least 3 points are needed").wait_for()
    stroke(page, [(0.2, 0.5), (0.8, 0.5)], "#points")
    page.locator("#trained").get_by_text("points").wait_for()
    assert page.locator("#trained").inner_text() != "0 points"
    page.get_by_role("button", name="Train").click()
    page.get_by_text("nats lower").wait_for()
    assert page.locator("#landscape img").count() == 1
    page.locator("#points").get_by_role("button", name="Clear").click()
    page.locator("#landscape .plain").wait_for()
