import json

import make_tables
import measure_modes
import PIL.Image
import pytest
import result_files


def config_of(folder, **flags):
    shared = {"models": "gan", "mixtures": "ring", "seeds": (0, 1), "steps": 3}
    shared |= {"width": 0.02, "log_dir": str(folder / "runs")}
    return measure_modes.Config(**shared | flags)


@pytest.fixture
def without_xla(monkeypatch):
    """Models that train without it: it would take longer than these few steps."""

    def make(*args):
        model = make_model(*args)
        model.jit_compile = False
        return model

    make_model = measure_modes.make_model
    monkeypatch.setattr(measure_modes, "make_model", make)


def test_runs_are_kept_and_collected(tmp_path, monkeypatch, without_xla):
    monkeypatch.setattr(result_files, "FOLDER", tmp_path)
    monkeypatch.setattr(measure_modes, "CURVE_EVERY", 2)
    measure_modes.main(config_of(tmp_path))
    result = json.loads((tmp_path / "modes_ring.json").read_text())
    assert set(result) == {
        *("command", "seed", "protocol", "hardware", "wall_seconds", "metrics")
    }
    assert "--models gan" in result["command"]
    assert "--seeds 0,1" in result["command"]
    figures = result["metrics"]["gan"]
    shares = [run["high_quality_share"] for run in figures["runs"]]
    assert figures["high_quality_share"] == pytest.approx(sum(shares) / 2)
    for run in figures["runs"]:
        assert [point["batches"] for point in run["curve"]] == [2, 3]
        last = {key: run[key] for key in measure_modes.KEYS}
        assert run["curve"][-1] == {"batches": 3} | last
    table = make_tables.TABLES["modes"](make_tables.Config(results=str(tmp_path)))
    assert "| ring: GAN after batches | 2 | 3 |" in table
    assert PIL.Image.open(tmp_path / "modes_ring_gan.webp").size == (240, 240)

    def run(*args):
        raise AssertionError("It was there already.")

    monkeypatch.setattr(measure_modes, "run", run)
    measure_modes.main(config_of(tmp_path))


def test_figures_of_other_models_stay_if_made_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(result_files, "FOLDER", tmp_path)

    def run(name, mixture, seed, config):
        modes = {"modes": seed, "high_quality_share": 1.0, "reverse_kl": None}
        points = {"jensen_shannon": 0.0, "samples": [[0, 0]], "wall_seconds": 1}
        return modes | points

    monkeypatch.setattr(measure_modes, "run", run)

    def models_after(**flags):
        measure_modes.main(config_of(tmp_path, **flags))
        result = json.loads((tmp_path / "modes_ring.json").read_text())
        assert ",".join(result["metrics"]) in result["command"]
        return list(result["metrics"])

    assert models_after() == ["gan"]
    assert models_after(models="pacgan") == ["gan", "pacgan"]
    with pytest.raises(SystemExit, match="another steps, 3"):
        models_after(steps=4)
    other = {"steps": 4, "log_dir": str(tmp_path / "longer")}
    assert models_after(models="pacgan", **other) == ["pacgan"]


def test_both_rates_fall_over_the_second_half(tmp_path):
    for name, steps in (("gan", (500, 500)), ("wgan_gp", (100, 500))):
        model = measure_modes.make_model(name, config_of(tmp_path, steps=1000), 0)
        for optimizer, half in zip(
            (model.generator_optimizer, model.discriminator_optimizer),
            steps,
            strict=True,
        ):
            schedule = optimizer.get_config()["learning_rate"]["config"]
            assert schedule["constant_steps"] == schedule["decay_steps"] == half


@pytest.mark.parametrize(
    "name, kind, inputs",
    [
        ("gan", "GAN", [(None, 2)]),
        ("pacgan", "PacGAN", [(None, 4)]),
        ("wgan_gp", "WGANGP", [(None, 2)]),
        ("unrolled_gan", "UnrolledGAN", [(None, 2)]),
        ("bigan", "BiGAN", [(None, 2), (None, 2)]),
    ],
)
def test_models_have_the_networks_of_the_paper(name, kind, inputs, tmp_path):
    config = config_of(tmp_path, width=1.0)
    model = measure_modes.make_model(name, config, seed=0)
    assert type(model).__name__ == kind
    assert [x.shape for x in model.discriminator.inputs] == inputs
    units = [layer.units for layer in model.generator.layers if hasattr(layer, "units")]
    assert units == [400] * 4 + [2]
    kinds = [type(layer).__name__ for layer in model.discriminator.layers]
    assert kinds.count("Maxout") == 3


def test_unknown_names_end_with_one_line(tmp_path):
    for flags in ({"models": "magic"}, {"mixtures": "cube"}):
        with pytest.raises(SystemExit, match="Received"):
            measure_modes.main(config_of(tmp_path, **flags))
