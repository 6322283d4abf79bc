"""Distances of all models at one budget."""

import inspect

import make_tables
import measure_distances
import pytest

from gen_keras import models
from gen_keras.models.gans.gan import GAN


def test_all_unconditional_gans_take_part():
    made = {
        type(make(measure_distances.Config(base_filters=2)))
        for make in measure_distances.VARIANTS.values()
        if make is not None
    }
    unconditional = {
        cls
        for _, cls in inspect.getmembers(models, inspect.isclass)
        if issubclass(cls, GAN) and not hasattr(cls, "with_classes")
    }
    assert made == unconditional | {models.VAE, models.RBM}


def test_a_model_is_measured_beside_the_floor(tmp_path, monkeypatch):
    monkeypatch.setattr(measure_distances, "NUM_IMAGES", 1100)
    config = measure_distances.Config(
        variants="lsgan,training_images",
        steps=2,
        base_filters=2,
        log_dir=str(tmp_path / "runs"),
        out=str(tmp_path / "distances_mnist.json"),
    )
    measure_distances.features_of.cache_clear()
    result = measure_distances.main(config)
    figures, floor = (
        result["metrics"][name] for name in ("lsgan", measure_distances.FLOOR)
    )
    assert figures["frechet_distance"] > 10 * floor["frechet_distance"] > 0
    assert figures["kernel_distance_standard_error"] > 0 <= figures["coverage"]
    assert figures["kernel_distance"] > 1 > floor["kernel_distance"]
    assert figures["parameters"] > 0 and "parameters" not in floor
    assert floor["precision"] == pytest.approx(floor["recall"], abs=0.2)
    measure_distances.features_of.cache_clear()

    table = make_tables.TABLES["distances"](make_tables.Config(results=str(tmp_path)))
    _, _, lsgan, floor_row = table.splitlines()[:4]
    assert lsgan.startswith(f"| LSGAN | {figures['frechet_distance']:.2f} |")
    assert floor_row.startswith("| training images |")
    assert "2 batches of 64" in table and "training/results/distances_mnist" in table
