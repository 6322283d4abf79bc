"""The page of retrieval by codes: what it computes, and the page in a browser."""

import re

import keras
import numpy as np
import pytest
from PIL import Image

gr = pytest.importorskip("gradio")
helpers = pytest.importorskip("gradio_helpers")

import digits  # noqa: E402
import model_entries  # noqa: E402
import retrieve  # noqa: E402

from gen_keras import datasets, models  # noqa: E402
from tests.demos.conftest import see, source, stroke, wait_for_change  # noqa: E402

RNG = np.random.default_rng(0)


def make_collection(num_images=60, num_bits=12):
    rows = RNG.integers(0, 256, (num_images, 16), "uint8")
    codes = RNG.integers(0, 2, (num_images, num_bits))
    return retrieve.Collection(
        rows, (4, 4, 1), codes, [f"class {i % 3}" for i in range(num_images)]
    )


@pytest.fixture
def hashing(offer, monkeypatch):
    """A small model of the owner's, of a few digits."""
    keras.utils.set_random_seed(0)
    monkeypatch.setattr(retrieve.training_images, "read", lambda *_: FewDigits())
    monkeypatch.setattr(retrieve, "_describe", lambda entry: [f"{i}" for i in LABELS])
    retrieve.read_images.cache_clear()
    yield offer(models.SemanticHashing((28, 28, 1), (16, 8), seed=0))
    retrieve.read_images.cache_clear()


LABELS = np.arange(40) % 10


class FewDigits:
    image_shape = (28, 28, 1)
    rows = RNG.integers(0, 256, (40, 784), "uint8")


def test_images_are_described_by_their_classes(offer):
    entry = offer(models.SemanticHashing((28, 28, 1), (8,)))
    labels = datasets.load("mnist").labels
    assert retrieve._describe(entry) == [str(label) for label in labels]


def test_what_is_found_is_nearest():
    collection = make_collection()
    code = collection.codes[7]
    differ = (collection.codes != code).sum(axis=1)
    found, distances, _ = collection.search(code)
    np.testing.assert_array_equal(distances, np.sort(differ)[:8])
    assert 7 in found
    found, distances, _ = collection.search(code, skip=7)
    assert 7 not in found and len(found) == 8
    np.testing.assert_array_equal(distances, np.sort(np.delete(differ, 7))[:8])


def test_pixels_are_searched_exactly():
    collection = make_collection()
    query = RNG.integers(0, 256, (4, 4, 1), "uint8")
    exact = np.square(collection.rows - query.reshape(-1).astype(float)).sum(axis=1)
    order = np.argsort(exact, kind="stable")
    np.testing.assert_array_equal(retrieve.search_pixels(collection, query), order[:8])
    first = order[0]
    found = retrieve.search_pixels(collection, query, skip=first)
    np.testing.assert_array_equal(found, order[1:9])


def test_a_digit_is_searched(hashing, tmp_path):
    assert hashing.page == "Retrieval"
    assert hashing.name not in model_entries.entries_of("Sampling")
    seen, code, by_code, by_pixels, text = retrieve.search_digit(digits.get_example(3))
    with Image.open(seen) as picture:
        assert np.asarray(picture.resize((28, 28), 0)).shape == (28, 28)
    bits = hashing.model.encode(digits.scale_to(hashing, digits.get_example(3)))[0]
    assert code.count("<i ") == 8 and code.count('"one"') == bits.sum()
    assert len(by_code) == len(by_pixels) == 8
    captions = [caption for _, caption in by_code]
    distances = [int(caption.split("· ")[1].split()[0]) for caption in captions]
    assert distances == sorted(distances)
    assert "40 codes of 8 bits" in text and "784 pixel values" in text

    path = tmp_path / "digit.png"
    Image.fromarray(255 - digits.get_example(3)).resize((280, 280)).save(path)
    again = retrieve.find_similar({"path": str(path)})
    assert len(again[2]) == 8
    with pytest.raises(gr.Error, match="An image is needed"):
        retrieve.find_similar(None)


def test_emoji_are_searched_by_name(monkeypatch):
    collection = make_collection()
    collection.captions = [f"emoji {i}, Noto" for i in range(60)]
    monkeypatch.setattr(retrieve, "has_emoji", lambda: True)
    monkeypatch.setattr(retrieve, "read_emoji", lambda: collection)
    retrieve.pick_emoji.cache_clear()
    _, _, by_code, _, text = retrieve.find_similar_emoji("emoji 7, Noto")
    captions = [caption.split(" · ")[0] for _, caption in by_code]
    assert "emoji 7, Noto" not in captions and len(set(captions)) == 8
    with pytest.raises(gr.Error, match="one of the menu, such as emoji 0, Noto"):
        retrieve.find_similar_emoji("dragon")
    tiles = retrieve.show_tiles()["value"]
    assert len(tiles) == 24
    event = gr.SelectData(None, {"index": 3, "value": None})
    assert retrieve.pick_tile(event) == tiles[3][1]
    retrieve.pick_emoji.cache_clear()


def test_what_is_missing_is_said(monkeypatch):
    monkeypatch.setattr(retrieve, "find_entry", lambda: None)
    with pytest.raises(gr.Error, match="dbn_hash_mnist.keras is missing"):
        retrieve.search_digit(digits.get_example(3))
    monkeypatch.setattr(retrieve, "has_emoji", lambda: False)
    with pytest.raises(gr.Error, match="emoji_codes.npz is missing"):
        retrieve.find_similar_emoji("rocket, Noto")


def test_a_model_of_unknown_data_is_said(hashing):
    hashing.dataset = None
    with pytest.raises(gr.Error, match="--dataset"):
        retrieve.search_digit(digits.get_example(3))


@pytest.mark.parametrize(("distance", "words"), [(0, "0 bits"), (1, "1 bit")])
def test_distances_in_words(distance, words):
    assert retrieve.count_bits(distance) == words


def test_a_visitor_draws_a_digit_and_picks_an_emoji(visit):
    page = visit("/retrieval")
    code, found = page.locator("#code [role=img]"), "#by-code img"
    assert see(page, "#by-code").std() > 20
    first = code.get_attribute("aria-label")
    assert re.fullmatch("Code [01]{32}", first)
    before = source(page, found)
    stroke(page, [(0.3, 0.2), (0.7, 0.2), (0.45, 0.85)])  # A seven.
    wait_for_change(page, found, before)
    second = code.get_attribute("aria-label")
    assert second != first
    captions = page.locator("#by-code").inner_text()
    assert captions.count("7 · ") >= 4

    before = source(page, found)
    page.get_by_role("tab", name="An emoji").click()
    page.locator("#tiles button:has(img)").nth(3).click()
    wait_for_change(page, found, before)
    captions = page.locator("#by-code").inner_text()
    assert captions.count("Twemoji") + captions.count("Noto") == retrieve.NUM_FOUND
    assert code.get_attribute("aria-label") not in (first, second)
