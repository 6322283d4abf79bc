"""Models that are told what to draw, or that encode, as one's own in the app."""

import functools
import socket

import numpy as np
import pytest

gr = pytest.importorskip("gradio")
helpers = pytest.importorskip("gradio_helpers")

import conditions  # noqa: E402
import digits  # noqa: E402
import latent_space  # noqa: E402
import reconstruction  # noqa: E402
import sampling  # noqa: E402
from keras import ops  # noqa: E402

from gen_keras import models  # noqa: E402
from tests.demos.conftest import (  # noqa: E402
    read,
    see,
    source,
    visit_at,
    wait_for_change,
)


def loud(model):
    """Returns a model that is not trained, with images that differ visibly."""
    for weight in model.generator.trainable_variables:
        if weight.name == "kernel":
            weight.assign(8 * weight)
    return model


@functools.cache
def conditional():
    return loud(models.ConditionalGAN((16, 16, 1), 3, base_filters=2, seed=1))


@functools.cache
def info(num_codes=2):
    return loud(models.InfoGAN((16, 16, 1), 5, 3, num_codes, base_filters=2, seed=1))


def test_samples_of_a_class_are_those_of_the_package(offer):
    entry = offer(conditional())
    images, latents = entry.draw([0, 1, 2], seed=7, category=1)
    expected = ops.convert_to_numpy(entry.model.sample(16, seed=7, classes=1))
    np.testing.assert_array_equal(images, entry.to_uint8(expected[:3]))
    assert latents.shape == (3, 103)
    others, _ = entry.draw([0, 1, 2], seed=7, category=2)
    assert not np.array_equal(images, others)


def test_any_class_is_drawn(offer):
    entry = offer(conditional())
    _, latents = entry.draw(list(range(40)), seed=0)
    classes = latents[:, 100:].argmax(axis=1)
    assert set(classes) == {0, 1, 2}
    assert len(sampling.sample("own", 3)) == 3
    assert "3 classes" in sampling.describe(entry)


@pytest.mark.parametrize("make", [conditional, info])
def test_all_tools_take_a_category(offer, make):
    offer(make(), "mnist")
    condition = {"category": "2"}
    assert len(sampling.sample("own", 2, **condition)) == 2
    assert len(sampling.interpolate("own", num_steps=2, **condition)) == 2
    sums = sampling.arithmetic("own", a=[1], b=[1], c=[2], **condition)
    drawn = sampling.sample("own", 2, **condition)
    np.testing.assert_array_equal(read(sums[3][0]), read(drawn[1][0]))
    with pytest.raises(gr.Error, match="another shape"):
        sampling.nearest("own", **condition)
    assert latent_space.find_entry() is None or latent_space.find_entry().name != "own"


def test_conditions_that_are_none(offer):
    offer(info())
    for condition, words in (
        ({"category": 3}, "Category must be a whole number from 0 to 2"),
        ({"category": "x"}, "Category must be"),
        ({"codes": "1"}, "Codes must be 2 numbers"),
        ({"codes": "1,x"}, "Codes must be 2 numbers"),
        ({"codes": "1,2"}, "A code must be a number from -1 to 1"),
        ({"codes": "nan,0"}, "A code must be"),
    ):
        with pytest.raises(gr.Error, match=words):
            sampling.sample("own", 1, **condition)


def test_codes_are_what_was_asked_for(offer):
    entry = offer(info())
    _, latents = entry.draw([0, 20], seed=0, category=1, codes=(0.5, -1.0))
    np.testing.assert_array_equal(latents[:, 5:], 2 * [[0, 1, 0, 0.5, -1]])
    assert not np.array_equal(*latents)  # The noise differs.


def test_the_grid_varies_one_code(offer):
    entry = offer(info())
    grid = read(conditions.vary_code("own", 3, code=2))
    noise = ops.convert_to_numpy(entry.model.sample_latents(30, seed=3))[0, :5]
    scale = grid.shape[1] // 160
    for row, column, code in ((0, 0, -1), (1, 9, 1), (2, 0, -1)):
        latent = [*noise, *np.eye(3)[row], 0, code]
        tile = grid[16 * scale * row :, 16 * scale * column :][::scale, ::scale]
        expected = entry.decode([latent])[0, ..., 0].astype(int)
        assert np.abs(tile[:16, :16] - expected).max() <= 1
    with pytest.raises(gr.Error, match="Code must be a whole number from 1 to 2"):
        conditions.vary_code("own", code=3)


def test_sliders_are_as_many_as_codes(offer):
    offer(info(num_codes=3))
    text, *sliders = conditions.set_codes("own", False, 0.5, -1, 0, 0.9)
    assert text == "0.5,-1,0"
    assert [slider["visible"] for slider in sliders] == [True, True, True, False]
    text, *sliders = conditions.set_codes("own", True, 0.5, -1, 0, 0.9)
    assert text == "" and not any(slider["visible"] for slider in sliders)


def test_a_model_without_codes(offer):
    offer(info(num_codes=0))
    assert len(sampling.sample("own", 1, category=1)) == 1
    with pytest.raises(gr.Error, match="This InfoGAN has no codes"):
        conditions.vary_code("own")


def test_a_bigan_reconstructs(offer):
    entry = offer(loud(models.BiGAN((28, 28, 1), 5, base_filters=2, seed=1)))
    seen, back, text = reconstruction.pass_through("own", digits.get_example(7))
    digit = digits.get_example(7)
    np.testing.assert_array_equal(read(seen)[::8, ::8], digit)
    images = digit[None, ..., None] / 127.5 - 1
    expected = entry.to_uint8(entry.model.reconstruct(images.astype("float32")))
    np.testing.assert_allclose(read(back)[::8, ::8], expected[0, ..., 0], atol=1)
    difference = (expected[0, ..., 0].astype(float) - digit) / 255
    assert f"**{np.sqrt(np.mean(difference**2)):.3f}**" in text
    offer(conditional())
    with pytest.raises(gr.Error, match="no encoder"):
        reconstruction.pass_through("own", digits.get_example(7))


def test_a_visitor_sets_category_and_codes(offer, contexts):
    offer(info())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = helpers.assemble({"Sampling": sampling.build()})
    helpers.launch(app, port=port, prevent_thread_lock=True, quiet=True)
    try:
        with visit_at(contexts["phone"], f"http://127.0.0.1:{port}") as visit:
            page = visit("/")
            see(page, "#samples")
            page.get_by_role("combobox", name="Category").click()
            before = source(page, "#samples img")
            page.get_by_role("option", name="1", exact=True).click()
            wait_for_change(page, "#samples img", before)
            before = source(page, "#samples img")
            page.get_by_label("Draw the codes at random").uncheck()
            wait_for_change(page, "#samples img", before)
            page.get_by_role("tab", name="Codes").click()
            page.get_by_role("button", name="Draw the grid").click()
            assert see(page, "#codes-grid").std() > 1
    finally:
        app.close()
