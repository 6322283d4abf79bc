import json
import math

import numpy as np
import optimal_discriminator
import pytest
from keras import ops


def test_theory_of_the_optimal_discriminator(monkeypatch):
    # Half way between two Gaussians neither is likelier.
    assert optimal_discriminator.optimal(np.array([[1.0, 5.0]]), 2.0) == 0.5
    # log p / q = -|x|² / 2 + |x - d|² / 2 = 2 at x = 0 and d = 2.
    expected = 1 / (1 + math.exp(-2))
    assert optimal_discriminator.optimal(np.zeros((1, 2)), 2.0)[0] == pytest.approx(
        expected
    )
    monkeypatch.setattr(optimal_discriminator, "NUM_POINTS", 20_000)
    assert optimal_discriminator.divergence(0.0, seed=0) == pytest.approx(0, abs=1e-9)
    assert optimal_discriminator.divergence(50.0, seed=0) == pytest.approx(math.log(2))
    # Lin, 1991: 0 < JSD < ln 2; here by quadrature on a line through both means.
    x = np.linspace(-10, 12, 20_001)
    p, q = (np.exp(-((x - m) ** 2) / 2) / math.sqrt(2 * math.pi) for m in (0, 2))
    middle = (p + q) / 2
    exact = np.trapezoid(0.5 * (p * np.log(p / middle) + q * np.log(q / middle)), x)
    assert optimal_discriminator.divergence(2.0, seed=0) == pytest.approx(
        exact, abs=0.01
    )


def test_the_fixed_generator():
    network = optimal_discriminator.make_generator(3.0)
    moved = ops.convert_to_numpy(network(np.array([[1.0, 2.0]], "float32")))
    np.testing.assert_allclose(moved, [[4, 2]])


def test_the_claim_of_the_optimal_discriminator_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(optimal_discriminator, "NUM_POINTS", 4000)
    monkeypatch.setattr(optimal_discriminator, "DISTANCES", (2.0,))
    config = optimal_discriminator.Config(steps=120, out=str(tmp_path / "claim.json"))
    optimal_discriminator.main(config)
    result = json.loads((tmp_path / "claim.json").read_text())
    figures = result["metrics"]["2.0"]
    assert figures["discriminator_error"] < 0.1
    assert figures["objective"] == pytest.approx(figures["theory"], abs=0.1)
    gradient = figures["gradient"]
    assert gradient["minimax"] < gradient["non_saturating"]
    command = "training/claims/optimal_discriminator.py --steps 120"
    assert command in result["command"]
