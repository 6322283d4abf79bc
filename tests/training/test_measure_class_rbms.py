"""Errors of RBMs of images and classes."""

import claim_tables
import make_tables
import measure_class_rbms


def test_each_objective_is_trained_and_measured(tmp_path, monkeypatch):
    variants = {
        name: (3, 10, 0.2, options | {"num_hidden": 30})
        for name, (*_, options) in measure_class_rbms.VARIANTS.items()
    }
    # With more of the generative part the beginning takes longer.
    variants["hybrid"][-1]["generative_weight"] = 0.01
    monkeypatch.setattr(measure_class_rbms, "VARIANTS", variants)
    config = measure_class_rbms.Config(
        seeds=(0,),
        max_images=2000,
        log_dir=str(tmp_path / "runs"),
        out=str(tmp_path / "class_rbms_mnist.json"),
    )
    result = measure_class_rbms.main(config)
    assert set(result["metrics"]) == set(variants)
    for figures in result["metrics"].values():
        (run,) = figures["runs"]
        assert len(run["curve"]) == 3 and min(run["curve"]) == run["validation_error"]
        assert 0.05 < figures["test_error"] < 0.6  # 0.9 is chance.
    assert "hybrid: 30 hidden units, 3 epochs, batches of 10" in result["protocol"]
    table = claim_tables.make_class_rbms_table(
        make_tables.Config(results=str(tmp_path))
    )
    assert "| Objective | test error | validation error | paper |" in table
    assert "| generative |" in table and "| 3.39% |" in table
