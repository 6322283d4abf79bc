"""The page of completion: what it computes, its call, and the page in a browser."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

gr = pytest.importorskip("gradio")
pytest.importorskip("gradio_helpers")

import complete  # noqa: E402
import digits  # noqa: E402
import drawing_pad  # noqa: E402
import model_entries  # noqa: E402

from gen_keras import image_grids, models  # noqa: E402
from tests.demos.conftest import (  # noqa: E402
    complaint,
    read,
    see,
    source,
    stroke,
    wait_for_change,
)

EIGHT = complete.binarize(digits.get_example(8))


@pytest.fixture
def file(tmp_path):
    """What an event gets for a file that shows a digit."""
    path = tmp_path / "digit.png"
    Image.fromarray(digits.get_example(8)).save(path)
    return {"path": str(path)}


def open_gallery(gallery):
    """Returns pictures (num_pictures, 28, 28, 3), not enlarged."""
    return np.stack([read(path)[2::4, 2::4] for path, _ in gallery])


def test_models_that_complete_are_found():
    found = set(complete.find_entries())
    assert {"rbm_mnist", "class_rbm_mnist", "dbn_mnist", "dbm_mnist"} <= found
    assert "dcgan_mnist" not in found
    for model in (models.RBM, models.ClassRBM, models.DBN, models.DBM):
        assert complete.can_complete(model.__name__)
    assert not complete.can_complete("VAE")


def test_a_covered_half_is_drawn_anew(file):
    given, gallery = complete.complete("rbm_mnist", file, "left half", 3)
    known = read(given)[::8, ::8]
    assert (known[:, :14] == image_grids.UNKNOWN).all()
    wholes = open_gallery(gallery)
    assert wholes.shape == (complete.COUNT, 28, 28, 3)
    # What is known is as it was, in white; ink of the model has a colour.
    for whole in wholes:
        np.testing.assert_array_equal(whole[:, 14:], known[:, 14:])
        drawn = whole[:, :14]
        assert np.ptp(drawn[..., 2]) > 100 and (drawn[..., 0] <= drawn[..., 2]).all()
        assert drawn[..., 0].max() < 200
    assert len({whole.tobytes() for whole in wholes}) == complete.COUNT
    again = complete.complete("rbm_mnist", file, "left half", 3)[1]
    np.testing.assert_array_equal(open_gallery(again), wholes)
    other = complete.complete("rbm_mnist", file, "left half", 4)[1]
    assert not np.array_equal(open_gallery(other), wholes)


def test_everything_covered_is_sampling(file):
    given, gallery = complete.complete("rbm_mnist", file, "everything")
    assert (read(given) == image_grids.UNKNOWN).all()
    assert len(gallery) == complete.COUNT


def test_the_sheet_holds_the_digit_and_what_is_covered():
    for cover, known in complete.COVERS.items():
        digit, mask = complete.read(complete.lay(EIGHT, known))
        np.testing.assert_array_equal(mask, known)
        np.testing.assert_array_equal(digit * mask, EIGHT * mask)
        other = complete.take_example(7, None, complete.lay(EIGHT, known))[1]
        # A painted part stays where it is when another digit comes.
        np.testing.assert_array_equal(complete.read(other)[1], known)
        chosen = complete.take_example(7, cover, None)[1]
        np.testing.assert_array_equal(complete.read(chosen)[1], known)


def test_every_model_has_its_row(offer):
    offer(models.ClassRBM((28, 28, 1), num_classes=10, num_hidden=5, seed=0))
    entries = complete.find_entries()
    assert list(entries)[0] == "own" and len(entries) > 1
    sheet = complete.lay(EIGHT, complete.COVERS["top half"])
    for i, rows in enumerate(complete.draw_all(sheet, 0)):
        assert [row != gr.skip() for row in rows] == np.eye(len(entries))[i].tolist()
        assert len(rows[i]) == complete.COUNT
    assert i == len(entries) - 1


def test_a_page_without_models(monkeypatch):
    monkeypatch.setattr(model_entries, "entries_of", lambda page: {})
    missing = ["dcgan_mnist", "rbm_mnist"]
    monkeypatch.setattr(model_entries, "missing_presets", lambda: missing)
    note = "Missing in `gen_keras/presets`, and so here: `rbm_mnist`."
    assert complete.missing_note() == note
    assert isinstance(complete.build(), gr.Blocks)


def png(color):
    buffer = io.BytesIO()
    Image.new("RGB", (280, 280), color).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def test_what_cannot_be_completed_is_one_sentence(file):
    bare = complete.lay(EIGHT, np.ones(digits.SHAPE))
    for call, words in (
        (lambda: next(complete.draw_all(bare, 0)), "Nothing is covered"),
        (lambda: next(complete.draw_all("", 0)), "There is no digit yet"),
        (lambda: next(complete.draw_all("x,y", 0)), "could not be read"),
        (lambda: complete.take_drawing(png("white"), "top half", None), "no digit"),
        (lambda: complete.complete("dcgan_mnist", file), "DCGAN completes no digits"),
        (lambda: complete.complete("x", file), "The model must be one of"),
        (lambda: complete.complete("rbm_mnist", None), "An image of a digit"),
        (lambda: complete.complete("rbm_mnist", file, "half"), "Cover must be one"),
        (lambda: complete.complete("rbm_mnist", file, "top half", -1), "Seed must"),
    ):
        with pytest.raises(gr.Error, match=words):
            call()


def test_a_laid_picture_is_the_drawing():
    picture = image_grids.to_pil(
        image_grids.cover(EIGHT, np.ones(digits.SHAPE), (0, 255))
    )
    value = drawing_pad.read(drawing_pad.write(picture), channels=3)
    np.testing.assert_array_equal(np.asarray(value), np.repeat(EIGHT, 3, axis=-1))


# The call and the browser -----------------------------------------------------------


def test_the_call(client, file):
    import gradio_client

    image = gradio_client.handle_file(file["path"])
    given, gallery = client.predict(
        "rbm_mnist", image, "bottom half", 0, api_name="/complete"
    )
    assert read(given).shape == (224, 224, 3)
    wholes = np.stack([read(each["image"])[::4, ::4] for each in gallery])
    assert wholes.shape == (complete.COUNT, 28, 28, 3)
    np.testing.assert_array_equal(wholes[0, :14], read(given)[::8, ::8][:14])
    message = complaint(client, "/complete", "rbm_mnist", image, "nothing", 0)
    assert "Cover must be one of" in message and len(message) < 200


def test_a_visitor_covers_paints_and_draws_again(visit):
    page = visit("/completion")
    first = ".completions img"
    assert see(page, ".completions").std() > 20
    assert page.locator(first).count() % complete.COUNT == 0
    before = source(page, first)
    page.get_by_role("radio", name="top half").check()
    wait_for_change(page, first, before)

    before = source(page, first)
    page.get_by_role("button", name="Draw again").click()
    wait_for_change(page, first, before)

    before = source(page, first)
    stroke(page, [(0.35, 0.5), (0.55, 0.65)], "#sheet")
    wait_for_change(page, first, before)
    assert page.get_by_role("radio", name="top half").is_checked() is False

    page.locator("#sheet").get_by_role("button", name="Clear").click()
    page.wait_for_function("!document.querySelector('.completions img')")
    page.get_by_role("radio", name="3", exact=True).check()
    page.get_by_text("Nothing is covered").first.wait_for()
