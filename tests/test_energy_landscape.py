import math

import numpy as np
import pytest
from keras import ops
from PIL import ImageColor

from gen_keras import energy_landscape
from gen_keras.energy_landscape import EXAMPLES, LIMIT, EnergyLandscape
from gen_keras.models import RBM

POINTS = np.array([[-1.5, 1.0], [0.5, 1.0], [0.5, 1.5]], "float32")


@pytest.fixture(scope="module")
def model():
    return energy_landscape.PlaneRBM()


def train(landscape, num_steps):
    for _ in landscape.train(num_steps):
        pass
    return landscape


def test_a_short_training_lowers_the_energy_of_data(model):
    points = EXAMPLES["Two clusters"].sample(200)
    landscape = EnergyLandscape(points, model=model)
    rng = np.random.default_rng(0)
    elsewhere = rng.uniform(-LIMIT, LIMIT, (500, 2))
    elsewhere = elsewhere[np.abs(np.abs(elsewhere[:, 0]) - 1) > 0.6]

    def gap():
        energies = [landscape.free_energy(p).mean() for p in (points, elsewhere)]
        return energies[1] - energies[0]

    before = landscape.log_prob(points).mean()
    train(landscape, 200)
    assert landscape.step == 200
    assert gap() > 5
    assert landscape.log_prob(points).mean() > before + 1
    # From half way between data and nothing, towards the data.
    moved = landscape.reconstruct([[-1, 0.6], [1, -0.6]])
    assert np.abs(moved[:, 1]).max() < 0.4


def test_the_density_is_one_of_the_points_as_they_came(model):
    # Far from 0 and of another scale: the density must add up to 1 there.
    landscape = EnergyLandscape(0.5 * POINTS + 1, model=model)
    assert landscape.scale == pytest.approx(math.sqrt(17) / 12, rel=1e-4)
    ticks = np.linspace(-5, 7, 241)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    density = np.exp(landscape.log_prob(grid).astype("float64"))
    assert density.sum() * 0.05**2 == pytest.approx(1, abs=0.01)
    reconstructed = landscape.reconstruct(landscape.points)
    standardized = (landscape.points - landscape.center) / landscape.scale
    expected = RBM.reconstruct(model, standardized.astype("float32"))
    np.testing.assert_allclose(
        (reconstructed - landscape.center) / landscape.scale,
        ops.convert_to_numpy(expected),
        atol=1e-5,
    )


def test_a_landscape_is_a_function_of_points_and_seed(model):
    first = train(EnergyLandscape(POINTS, seed=1, model=model), 100)
    energies = first.free_energy(POINTS)
    other = train(EnergyLandscape(POINTS, seed=2, model=model), 100)
    assert abs(other.free_energy(POINTS) - energies).max() > 1e-3
    again = train(EnergyLandscape(POINTS, seed=1, model=model), 100)
    np.testing.assert_allclose(again.free_energy(POINTS), energies, atol=1e-4)


def test_gibbs_steps_have_the_noise_of_the_seed(model):
    states = []
    for seed in (1, 2, 1):
        model.restart(seed)
        states.append([ops.convert_to_numpy(s).tolist() for s in model.seed_states])
    assert states[0] == states[2] != states[1]


def test_the_map_is_drawn_from_the_top_left(model):
    landscape = EnergyLandscape(POINTS, model=model)
    energies = landscape.map_energies(8)
    corner = LIMIT * 7 / 8
    expected = landscape.free_energy([[-corner, corner], [corner, -corner]])
    np.testing.assert_allclose(energies[[0, -1], [0, -1]], expected, rtol=1e-5)
    assert landscape.draw(120).size == (120, 120)


def test_low_is_light_and_points_are_where_they_belong():
    energies = np.linspace(0, 2 * energy_landscape.RANGE, 40).reshape(1, -1)
    picture = energy_landscape.draw_energies(energies.repeat(40, axis=0), 160)
    row = np.asarray(picture.convert("L"), "float32")[80]
    assert row[0] > 240 and row[-1] < 70 and row[40] > row[120]
    assert len(np.unique(row[100:])) == 1  # The colours end.
    energy_landscape.draw_pairs(
        picture, np.array([[-1.0, 1.0]]), np.array([[1.0, 1.0]])
    )
    for place, color in (
        ((40, 40), energy_landscape.DATA),
        ((120, 40), energy_landscape.RECONSTRUCTION),
        ((80, 40), energy_landscape.LINE),
    ):
        assert picture.getpixel(place) == ImageColor.getrgb(color)


@pytest.mark.parametrize(
    "points",
    [np.zeros((0, 2)), [[1.0, 2.0]], np.zeros((4, 3)), [[0, 0], [math.nan, 1]]],
)
def test_points_that_are_none(points):
    with pytest.raises(ValueError, match="`points` must be at least two finite points"):
        EnergyLandscape(points)


def test_equal_points():
    with pytest.raises(ValueError, match="must not all be the same.*3 times"):
        EnergyLandscape(np.ones((3, 2)))
