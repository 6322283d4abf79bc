"""The page of live training: what its runs compute and draw, and who shares them."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

gr = pytest.importorskip("gradio")
pytest.importorskip("gradio_helpers")
sync_api = pytest.importorskip("playwright.sync_api")

import toy_gans  # noqa: E402
import training_live  # noqa: E402
from keras import ops  # noqa: E402


def make_run(*kinds):
    return toy_gans.Run("Ring of 8", kinds or ("GAN",), 1e-4)


def train(run, views):
    """Trains a run for some views of one block each, then stops it."""
    for _ in run.train(seconds=0):
        views -= 1
        run.is_stopped = not views
    run.is_stopped = False


# Runs -------------------------------------------------------------------------------


def test_a_block_is_as_many_steps():
    points = toy_gans.DATA["Ring of 8"].sample(3 * 64).reshape(3, 64, 2)
    player = toy_gans.Player("GAN")
    player.start(None, 1e-4)
    model = toy_gans.make_model("GAN")
    model.discriminator_optimizer.learning_rate = 1e-4
    logs = player.train(points)
    for batch in points:
        super(toy_gans.InBlocks, model).train_step(batch)
    for trained, expected in zip(player.values, model.variables, strict=False):
        np.testing.assert_allclose(
            trained, ops.convert_to_numpy(expected), rtol=1e-4, atol=1e-5
        )
    expected = model.means.result()
    assert logs["generator_loss"] == pytest.approx(
        float(expected["generator_loss"]), rel=1e-4
    )


def test_a_stopped_run_goes_on_and_a_new_one_begins_anew():
    runs = [make_run() for _ in range(3)]
    train(runs[0], 3)
    train(runs[1], 1)
    train(runs[2], 1)  # Another visitor, with the same player.
    train(runs[1], 2)
    assert len(toy_gans.PLAYERS._idle["GAN"]) == 1
    assert [run.step for run in runs] == [75, 75, 25]
    assert runs[0].sides[0].losses == runs[1].sides[0].losses
    assert runs[0].sides[0].losses[:1] == runs[2].sides[0].losses
    np.testing.assert_array_equal(runs[0].sides[0].samples, runs[1].sides[0].samples)


def test_a_run_ends_by_itself(monkeypatch):
    monkeypatch.setattr(toy_gans, "MAX_STEPS", 2 * toy_gans.BLOCK)
    run = make_run()
    assert len(list(run.train(seconds=60))) == 1  # One look, however slow the steps.
    assert run.is_over and run.step == 50
    status, start, *_ = training_live.rest(run)
    assert status == "Step 50 of 50 · finished"
    assert not start["interactive"]


def test_two_runs_at_once_share_nothing():
    first, second = make_run(), make_run()
    trains = [run.train(seconds=0) for run in (first, second)]
    for _ in range(2):
        for training in trains:
            next(training)
    for training in trains:
        training.close()  # The visitor leaves.
    assert first.sides[0].losses == second.sides[0].losses
    assert len(toy_gans.PLAYERS._idle["GAN"]) == 2


@pytest.mark.parametrize("kind", toy_gans.KINDS)
def test_each_kind_trains(kind):
    model = toy_gans.make_model(kind)
    model.run_eagerly = True
    weights = [*model.generator_variables, *model.discriminator_variables]
    before = [ops.convert_to_numpy(w).copy() for w in weights]
    points = toy_gans.DATA["Grid of 25"].sample(5 * 4).reshape(5, 4, 2)
    model.train_on_batch(points)  # The fifth step is one of WGAN's generator.
    for weight, value in zip(weights, before, strict=True):
        if len(value.shape) == 2:
            assert not np.array_equal(ops.convert_to_numpy(weight), value)


def test_a_point_is_judged_beside_the_data():
    player = object.__new__(toy_gans.Player)
    player.model = toy_gans.make_model("PacGAN")
    point, data = np.array([[0.3, -0.2]], "float32"), np.eye(2, dtype="float32")
    packs = np.concatenate([point.repeat(2, axis=0), data], axis=1)
    logits = ops.convert_to_numpy(player.model.discriminator(packs))
    expected = (1 / (1 + np.exp(-logits))).mean()
    others = np.zeros((3, 2), "float32")
    scores = player.judge(np.concatenate([others, point]), data)
    assert scores.shape == (4,)
    assert scores[3] == pytest.approx(expected, rel=1e-4)


def test_a_critic_is_judged_by_its_range():
    player = object.__new__(toy_gans.Player)
    player.model = toy_gans.make_model("WGAN-GP")
    scores = player.judge(toy_gans.GRID.reshape(-1, 2), None)
    assert scores.min() == 0 and scores.max() == 1


# Pictures ---------------------------------------------------------------------------


def test_places_and_colors():
    top_left = np.array([[-1.4, 1.4], [0, 0]])
    assert 'd="M0 0h0M200 200h0"' in training_live.draw_points(top_left, "data")
    assert toy_gans.GRID[0, 0, 0] < 0 < toy_gans.GRID[0, 0, 1]
    svg = training_live.draw_scores(np.array([[1.0, 0.5, 0.0]]))
    png = base64.b64decode(re.search('base64,([^"]+)', svg)[1])
    colors = np.asarray(Image.open(io.BytesIO(png)))[0]
    expected = [training_live.REAL, (255, 255, 255), training_live.FAKE]
    np.testing.assert_array_equal(colors, expected)


def test_words_say_what_the_picture_shows():
    run = make_run()
    assert "training has not begun" in training_live.draw(run)
    run.sides[0].samples = run.data.means[:5].repeat(2, axis=0)
    run.sides[0].modes = toy_gans.metrics.mixture_modes(
        run.sides[0].samples, run.data.means, 0.02
    )
    run.sides[0].losses = [(25, 1.0, 0.5), (50, 2.0, 0.25)]
    picture = training_live.draw(run)
    assert 'aria-label="GAN. Samples reach 5 of 8 modes; 100% of them are good."' in (
        picture
    )
    assert "discriminator 2.00, generator 0.25" in picture


# Events -----------------------------------------------------------------------------


def test_settings_are_checked():
    good = training_live.DEFAULTS
    for i, words in enumerate(("Data", "Left", "Right", "Discriminator's rate")):
        bad = [*good[:i], "x", *good[i + 1 :]]
        with pytest.raises(gr.Error, match=f"{words} must be one of: "):
            training_live.make_run(*bad)


def test_compiling_is_said(monkeypatch):
    monkeypatch.setattr(toy_gans, "PLAYERS", toy_gans.Players())
    training = training_live.train(make_run("GAN", "GAN"))
    assert next(training)[0] == "Compiling GAN…"
    training.close()
    assert training_live._training == []


@pytest.mark.parametrize(
    ("visitors", "waits"),
    [
        ("ab", "waiting: 2 others are training"),
        ("c", "waiting: another page of yours is training"),
        ("a", None),
    ],
)
def test_whoever_finds_no_place_waits(visitors, waits, monkeypatch):
    others = [make_run() for _ in visitors]
    for other, visitor in zip(others, visitors, strict=True):
        other.visitor = visitor
    monkeypatch.setattr(training_live, "_training", others)
    run, visitor, *_ = training_live.begin(make_run(), "c")
    assert run.visitor == visitor == "c"
    training = training_live.train(run)
    status = next(training)[0]
    if waits:
        assert waits in status and run not in others
        run.is_stopped = True
        assert list(training) == []
    else:
        assert "waiting" not in status and run in others
        training.close()
        assert run not in others


def test_a_visitor_is_known_by_the_first_run():
    _, first, *_ = training_live.begin(make_run(), "")
    _, second, *_ = training_live.begin(make_run(), "")
    assert len(first) == 16 and first != second


def test_a_failure_frees_the_place_and_is_one_sentence(monkeypatch):
    def fail(run):
        raise RuntimeError("no")
        yield

    monkeypatch.setattr(toy_gans.Run, "train", fail)
    run = make_run()
    for _ in range(training_live.MAX_RUNS + 1):
        with pytest.raises(gr.Error, match="Something went wrong"):
            list(training_live.train(run))


# Browser ----------------------------------------------------------------------------


def step_of(page):
    found = re.match(r"Step ([\d,]+) of", page.locator("#status").inner_text())
    return int(found[1].replace(",", "")) if found else 0


def wait_for_step(page, step):
    page.wait_for_function(
        """step => {
          const text = document.querySelector("#status").innerText;
          const found = text.match(/^Step ([0-9,]+) of/);
          return found && Number(found[1].replace(",", "")) > step;
        }""",
        arg=step,
    )


def start(page):
    page.get_by_role("button", name="Start", exact=True).click()
    wait_for_step(page, 0)


def test_of_two_pages_of_a_visitor_one_trains(visit):
    first = visit("/training-live")
    start(first)
    second = first.context.new_page()
    second.goto(first.url)
    second.get_by_role("button", name="Start", exact=True).click()
    second.get_by_text("waiting: another page of yours is training").wait_for()
    first.get_by_role("button", name="Stop").click()
    wait_for_step(second, 0)
    second.get_by_role("button", name="Stop").click()
    second.get_by_text("· stopped").wait_for()


def test_a_visitor_starts_stops_and_goes_on(visit):
    page = visit("/training-live")
    for _ in range(training_live.MAX_RUNS):  # A run ends when its page is left.
        other = page.context.new_page()
        other.goto(page.url)
        start(other)
        other.close()
    start(page)
    assert page.get_by_role("combobox", name="Left").is_disabled()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("· stopped").wait_for()
    step, picture = step_of(page), page.locator("#live").inner_html()
    page.wait_for_timeout(1000)
    assert (step_of(page), page.locator("#live").inner_html()) == (step, picture)
    assert page.locator("#live svg[role=img]").count() == 4
    page.get_by_role("button", name="Go on").click()
    wait_for_step(page, step)
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("· stopped").wait_for()
    page.get_by_role("button", name="Reset").click()
    page.get_by_text("Ready").wait_for()
    assert page.locator("#live .fake").count() == 0
