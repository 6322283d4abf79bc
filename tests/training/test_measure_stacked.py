"""Modes of stacked digits."""

import make_tables
import measure_stacked
import repeated_runs

from gen_keras import datasets, models


def test_a_model_is_counted_beside_the_paper(tmp_path, monkeypatch):
    monkeypatch.setattr(measure_stacked, "NUM_SAMPLES", 300)
    monkeypatch.setattr(measure_stacked, "CURVE_EVERY", 1)
    monkeypatch.setattr(repeated_runs, "BLOCK", 1)
    few = datasets.load("stacked_mnist", "train", (-1, 1)).take(200)
    monkeypatch.setattr(datasets, "load", lambda *args: few)
    config = measure_stacked.Config(
        variants="pacgan",
        steps=2,
        base_filters=2,
        log_dir=str(tmp_path / "runs"),
        out=str(tmp_path / "stacked_mnist.json"),
    )
    result = measure_stacked.main(config)
    figures = result["metrics"]["pacgan"]
    assert 1 <= figures["modes"] < 100 and figures["reverse_kl"] > 2
    assert "2 batches of 64" in result["protocol"]
    table = make_tables.TABLES["stacked"](make_tables.Config(results=str(tmp_path)))
    row = f"| PacGAN | {figures['modes']:.0f} | {figures['reverse_kl']:.2f} | "
    assert row + "1,000 / 0.06 |" in table

    (of_seed,) = figures["runs"]
    first, last = of_seed["curve"]
    assert [first["batches"], last["batches"]] == [1, 2]
    assert last["reverse_kl"] == of_seed["reverse_kl"]
    (tmp_path / "stacked_mnist.json").rename(tmp_path / "stacked_mnist_longer.json")
    table = make_tables.TABLES["stacked"](make_tables.Config(results=str(tmp_path)))
    assert "| PacGAN after batches | 1 | 2 |" in table
    assert f"| modes of 1,000 | {first['modes']} | {last['modes']} |" in table


def test_models_are_those_of_the_paper():
    assert list(measure_stacked.VARIANTS) == [
        *("dcgan", "ali", "unrolled_gan", "wgan_gp", "pacgan")
    ]
    ali = measure_stacked.VARIANTS["ali"]((16, 16, 3), base_filters=2, seed=0)
    assert isinstance(ali, models.BiGAN) and ali.stochastic
