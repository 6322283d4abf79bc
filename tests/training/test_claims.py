import contextlib
import dataclasses
import itertools
import json
import math
import types

import clustering
import combinatorial
import completion
import digit_evaluation
import energy
import features
import generated_data
import indicator
import keras
import memorization
import numpy as np
import optimal_discriminator
import PIL.Image
import pretraining
import pytest
import repeated_runs
import tricks
from keras import ops
from PIL import Image
from scipy import stats

from gen_keras import datasets, masks, metrics
from gen_keras.layers import ReferenceBatch
from gen_keras.models import RBM


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


# Repeated runs ----------------------------------------------------------------------


def test_runs_are_kept_and_repeated_no_more(tmp_path, monkeypatch):
    seconds = itertools.count()  # One passes in each run.
    clock = types.SimpleNamespace(time=lambda: next(seconds))
    monkeypatch.setattr(repeated_runs, "time", clock)
    calls = []

    def run(name, seed, config):
        calls.append((name, seed))
        return {"value": 2.0 * seed, "nothing": None, "curve": [1]}

    config = repeated_runs.Config(
        seeds=(1, 2), log_dir=str(tmp_path / "runs"), out=str(tmp_path / "claim.json")
    )
    arguments = (run, ("a", "b"), "claims/test.py", "As always.")
    result = repeated_runs.run_all(config, *arguments)
    assert calls == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    figures = result["metrics"]["a"]
    assert figures["value"] == 3 and figures["value_standard_error"] == 1
    assert "nothing" not in figures and len(figures["runs"]) == 2
    assert result["wall_seconds"] == 4 and result["seed"] == [1, 2]
    assert result["protocol"].endswith("errors over 2 seeds.")

    one = dataclasses.replace(config, seeds=(1,))
    assert repeated_runs.run_all(one, *arguments)["protocol"].endswith("Seed 1.")

    more = dataclasses.replace(config, seeds=(1, 2, 3), variants="b")
    assert list(repeated_runs.run_all(more, *arguments)["metrics"]) == ["b"]
    assert calls[4:] == [("b", 3)]

    unknown = dataclasses.replace(config, variants="a,c")
    with pytest.raises(SystemExit, match="Received: c"):
        repeated_runs.run_all(unknown, *arguments)


def test_runs_of_other_settings_are_refused(tmp_path):
    folder = str(tmp_path / "runs")

    def run(name, seed, config):
        return {"value": config.steps}

    def run_with(steps):
        config = tricks.Config(
            seeds=(0,), steps=steps, log_dir=folder, out=str(tmp_path / "claim.json")
        )
        return repeated_runs.run_all(config, run, ("a",), "claims/test.py", "So.")

    assert run_with(10)["metrics"]["a"]["value"] == 10
    with pytest.raises(SystemExit, match="another steps, 10.*--log-dir.*20"):
        run_with(20)
    assert run_with(10)["metrics"]["a"]["value"] == 10


# Tricks -----------------------------------------------------------------------------


def describe(model):
    """Returns all that variants differ in."""
    networks = model.generator, model.discriminator
    optimizers = model.generator_optimizer, model.discriminator_optimizer
    return {
        "model": type(model),
        "networks": [[type(layer) for layer in each.layers] for each in networks],
        "tricks": [type(trick) for trick in model.tricks],
        "rates": [round(float(each.learning_rate), 6) for each in optimizers],
        "steps": model.discriminator_steps,
        "average": model.ema_momentum,
        "saturating": model.saturating,
    }


@pytest.mark.parametrize("setting", tricks.SETTINGS)
@pytest.mark.parametrize("name", tricks.VARIANTS)
def test_a_variant_adds_one_thing(name, setting):
    model = tricks.make_model(name, setting, seed=0)
    own, plain = describe(model), describe(tricks.make_model("plain", setting, seed=0))
    changed = [key for key in own if own[key] != plain[key]]
    assert bool(changed) == (name != "plain")
    allowed = {"several_discriminators": ["networks", "tricks"]}
    assert len(changed) <= 1 or changed == allowed[name]
    samples = ops.convert_to_numpy(model.sample(5, seed=0))
    assert samples.shape == (5, 2) and np.isfinite(samples).all()


def test_the_reference_batch_is_distributed_as_the_latents():
    model = tricks.make_model("virtual_normalization_of_g", "slow", seed=0)
    (layer,) = (x for x in model.generator.layers if isinstance(x, ReferenceBatch))
    reference = ops.convert_to_numpy(layer.examples)
    latents = ops.convert_to_numpy(model.draw_noise(4000))
    np.testing.assert_allclose(reference.std(), latents.std(), rtol=0.1)
    assert abs(reference.mean()) < 0.1


def test_normalization_everywhere_leaves_the_logits():
    model = tricks.make_model("normalization_everywhere", "slow", seed=0)
    kinds = [[type(x).__name__ for x in model.generator.layers]]
    kinds += [[type(x).__name__ for x in model.discriminator.layers]]
    assert kinds[0][-2:] == ["Dense", "BatchNormalization"]
    assert kinds[1][1] == "BatchNormalization" and kinds[1][-1] == "Dense"


def test_a_run_counts_modes_over_the_second_half(monkeypatch):
    monkeypatch.setattr(tricks, "BLOCK", 2)
    run = tricks.run("plain", 0, tricks.Config(steps=4))
    assert len(run["modes_over_training"]) == 2
    assert run["modes"] == run["modes_over_training"][-1]


def test_the_gain_of_a_trick_is_over_the_plain_gan_of_the_same_seed():
    def runs(*modes):
        return [{"modes": count, "high_quality_share": 0.5} for count in modes]

    figures = tricks.judge({"plain": runs(1, 2, 3), "unrolled": runs(4, 6, 8)})
    assert "gain" not in figures["plain"]
    assert figures["unrolled"]["gain"] == 4
    error = figures["unrolled"]["gain_standard_error"]
    assert error == pytest.approx(np.std([3, 4, 5], ddof=1) / np.sqrt(3))


# The indicator ----------------------------------------------------------------------


def test_rank_correlation_is_spearmans():
    rng = np.random.default_rng(0)
    first = rng.normal(size=30)
    second = np.exp(first) + rng.normal(size=30)
    expected = stats.spearmanr(first, second).statistic
    assert indicator.rank_correlation(first, second) == pytest.approx(expected)
    assert indicator.rank_correlation(first, np.exp(first)) == pytest.approx(1)


def test_the_first_tenth_of_an_indicator_is_told_apart():
    distances = np.arange(20.0, 0, -1)
    run = {"distances": distances, "estimates": distances**2, "wall_seconds": 1.0}
    run["estimates"][:2] = 0
    figures = indicator.collect({"wgan_k5": [run]})["wgan_k5"]
    assert figures["later_correlation"] == pytest.approx(1)
    expected = stats.spearmanr(run["estimates"] + [0.1, *[0] * 19], distances)
    assert figures["correlation"] == pytest.approx(expected.statistic, abs=0.01)


def test_the_indicator_is_measured_beside_the_distance(tmp_path):
    config = indicator.Config(
        variants="wgan_gp_k2",
        seeds=(0,),
        steps=4,
        checkpoints=2,
        base_filters=2,
        num_samples=50,
        log_dir=str(tmp_path / "runs"),
        out=str(tmp_path / "claim.json"),
    )
    (run,) = indicator.main(config)["metrics"]["wgan_gp_k2"]["runs"]
    assert len(run["estimates"]) == len(run["distances"]) == 2
    assert run["generator_steps"] == 2
    assert run["last_distance"] == run["distances"][-1] > 0
    assert abs(run["correlation"]) == pytest.approx(1)


# Memory and generated data ----------------------------------------------------------


def test_memorization_of_few_images_is_counted(tmp_path, monkeypatch):
    config = memorization.Config(
        variants="100_augmented",
        seeds=(0,),
        steps=1,
        base_filters=2,
        num_samples=50,
        log_dir=str(tmp_path / "runs"),
        out=str(tmp_path / "claim.json"),
    )
    monkeypatch.setattr(memorization, "BATCH_SIZE", 2)
    figures = memorization.main(config)["metrics"]["100_augmented"]
    assert figures["copies"] == 0 and figures["kernel_distance"] > 1

    def remember(model, num_samples, seed):
        order = np.random.default_rng(seed).permutation(len(digits))
        return 2 * digits[order[:num_samples]] - 1

    digits = datasets.load("mnist", "train").images
    monkeypatch.setattr(metrics, "draw_samples", remember)
    monkeypatch.setattr(repeated_runs, "train_in_blocks", lambda *args: ())
    figures = memorization.run("100_augmented", 0, config)
    assert figures["nearer_to_seen"] == figures["copies"] == 1


def test_a_hundred_labels_are_ten_of_each_digit():
    labels = np.random.default_rng(0).integers(10, size=3000)
    chosen = digit_evaluation.choose_labels(labels, 100, seed=1)
    assert len(set(chosen)) == 100
    assert np.bincount(labels[chosen]).tolist() == 10 * [10]
    assert set(chosen) != set(digit_evaluation.choose_labels(labels, 100, seed=2))


@pytest.mark.parametrize("keep, kept", [("least", 1), ("last", 2)])
def test_weights_of_the_least_or_the_last_epoch_are_kept(keep, kept):
    """Training labels are those of the others turned over: the error only rises."""
    images = np.random.default_rng(0).normal(size=(3, 200, 2)).astype("float32")
    labels = (images[..., 0] > 0).astype("int64")
    labels[0] = 1 - labels[0]
    splits = [
        types.SimpleNamespace(images=each[0], labels=each[1])
        for each in zip(images, labels, strict=True)
    ]
    classifier = keras.Sequential([keras.layers.Dense(2)])
    classifier.build((None, 2))
    classifier.set_weights([np.eye(2)[::-1] * 0.5, np.zeros(2)])
    digit_evaluation.compile_classifier(classifier, steps=1000, learning_rate=0.01)
    figures = digit_evaluation.train_and_choose(
        classifier, splits, epochs=2, batch_size=10, seed=0, keep=keep
    )
    assert figures["curve"][0] < figures["curve"][1]
    assert figures["epoch"] == kept
    assert figures["validation_error"] == figures["curve"][kept - 1]
    for split, key in [(1, "validation_error"), (2, "test_error")]:
        error = digit_evaluation.error_of(classifier, images[split], labels[split])
        assert error == figures[key]


def test_samples_get_the_digit_that_labels_give_their_category(monkeypatch):
    class Codes:
        """A model that reads its category off the brightness."""

        value_range = (-1, 1)
        num_categories = 3

        def infer_codes(self, images):
            assert images.min() == -1
            level = np.round(images.max(axis=(1, 2, 3)) + 1).astype(int)
            return np.eye(3)[level], None

        def sample(self, count, categories=None):
            return np.ones((count, 28, 28, 1)) * (categories - 1)[:, None, None, None]

        def seeded(self, seed):
            return contextlib.nullcontext()

    monkeypatch.setattr(generated_data.presets, "load", lambda name: Codes())
    images = np.zeros((4, 28, 28, 1))
    images[:, 3, 3] = np.array([0.0, 0.0, 0.5, 0.5])[:, None]
    config = generated_data.Config(num_samples=6)
    samples, labels = generated_data.draw_of_categories(images, [7, 7, 4, 4], config, 0)
    # The third category is never seen with a label: nothing is drawn of it.
    assert labels.tolist() == [7, 4, 7, 4, 7, 4]
    assert samples[:, 0, 0, 0].tolist() == [0.0, 0.5, 0.0, 0.5, 0.0, 0.5]


def test_a_classifier_is_trained_on_a_hundred_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(generated_data, "BATCH_SIZE", 2)
    config = generated_data.Config(
        variants="labels_100",
        seeds=(0,),
        steps=1,
        log_dir=str(tmp_path / "runs"),
        out=str(tmp_path / "claim.json"),
    )
    assert generated_data.main(config)["metrics"]["labels_100"]["test_error"] < 0.95


# Pre-training ------------------------------------------------------------------------


def test_pretraining_is_measured_beside_random_weights_and_a_svm(tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining, "HIDDEN_DIMS", (20, 15, 10))
    monkeypatch.setattr(pretraining, "DBM_HIDDEN_DIMS", (20, 15))
    config = pretraining.Config(
        seeds=(0,),
        layer_epochs=4,
        dbm_epochs=1,
        epochs=2,
        dbm_tuning_epochs=2,
        max_images=300,
        log_dir=str(tmp_path / "runs"),
        out=str(tmp_path / "claim_pretraining.json"),
    )
    figures = pretraining.main(config)["metrics"]
    assert set(figures) == set(pretraining.VARIANTS)
    assert figures["svm"]["test_error"] < 0.3
    for name in ("pretrained", "random", "dbm"):
        (run,) = figures[name]["runs"]
        assert len(run["curve"]) == 2 and min(run["curve"]) == run["validation_error"]
        assert run["curve"][run["epoch"] - 1] == run["validation_error"]
        assert 0 < run["test_error"] < 1
    images = datasets.load("mnist", "train").take(300).images
    bottom, *_ = keras.saving.load_model(tmp_path / "runs" / "pretrained_0.keras").rbms
    means = ops.convert_to_numpy(bottom.reconstruct(images))
    assert np.square(means - images).mean() < 0.12  # 0.25 of new weights.


# Features ----------------------------------------------------------------------------


def test_features_are_measured_and_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(features, "HIDDEN_DIMS", (20, 15, 18))
    monkeypatch.setattr(features, "NUM_LABELS", (100,))
    config = features.Config(
        seeds=(0,),
        layer_epochs=1,
        steps=150,
        max_images=600,
        log_dir=str(tmp_path / "runs"),
        out=str(tmp_path / "claim_features.json"),
    )
    figures = features.main(config)["metrics"]
    assert tuple(figures) == features.LAYERS + features.NETWORKS
    for name in features.LAYERS:
        assert 0.02 < figures[name]["class_share"] < 0.5
        assert ("pixels_of_half" in figures[name]) == (name != "pixels")
    assert figures["pixels"]["error_100"] < 0.4
    assert figures["random"]["error_100"] < 0.8
    with PIL.Image.open(tmp_path / "claim_features.webp") as picture:
        assert picture.size == (2 * (15 * 30 - 2), 3 * 2 * (2 * 30 - 2) + 2 * 16)


def test_share_of_the_variance_between_classes():
    labels = np.arange(3).repeat(40)
    noise = np.random.default_rng(0).normal(size=(120, 50))
    assert features.class_share(np.eye(3)[labels], labels) == pytest.approx(1)
    assert features.class_share(noise, labels) == pytest.approx(2 / 119, abs=0.01)
    half = noise + np.where(labels == 0, 1, -1)[:, None]  # Variance 1 + 8 / 9.
    assert features.class_share(half, labels) == pytest.approx(8 / 17, abs=0.05)


def test_spread_is_that_of_half_the_squared_weight():
    few = np.zeros((784, 2))
    few[:3, 0], few[5:16, 1] = 1, 0.1
    assert features.spread_of(few) == (2 + 6) / 2
    assert features.spread_of(np.ones((784, 1))) == 392


# Clustering --------------------------------------------------------------------------


def test_maps_are_measured_and_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(clustering, "HIDDEN_DIMS", (12, 2))
    config = clustering.Config(
        seeds=(0,),
        layer_epochs=1,
        epochs=1,
        max_images=300,
        log_dir=str(tmp_path / "runs"),
        out=str(tmp_path / "claim_clustering.json"),
    )
    figures = clustering.main(config)["metrics"]
    assert set(figures) == set(clustering.VARIANTS)
    for name in clustering.VARIANTS:
        assert 0.1 < figures[name]["purity"] < 1
        assert "map" not in figures[name]["runs"][0]
    assert figures["pca"]["neighbor_error"] < 0.7  # 0.9 is chance.
    with PIL.Image.open(tmp_path / "claim_clustering.webp") as picture:
        assert picture.width > 3 * 400
        assert len(picture.getcolors(2**20)) > 100


def test_purity_is_that_of_the_clusters():
    rng = np.random.default_rng(0)
    angles = 2 * np.pi * np.arange(10) / 10
    centers = np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def draw(spread, count=100):
        labels = np.arange(10).repeat(count)
        return centers[labels] + rng.normal(0, spread, (10 * count, 2)), labels

    for spread, low, high in ((0.02, 1.0, 1.0), (1.0, 0.1, 0.5)):
        figures = clustering.measure(*draw(spread), *draw(spread), seed=0)
        assert low <= figures["purity"] <= high
        assert 1 - high <= figures["neighbor_error"] <= 1 - low


# Combinatorial problems --------------------------------------------------------------


def test_cuts_are_measured_against_the_maximum(tmp_path, monkeypatch):
    monkeypatch.setattr(combinatorial, "NUM_GRAPHS", 2)
    monkeypatch.setattr(combinatorial, "SMALL", 8)
    monkeypatch.setattr(combinatorial, "LARGE", 12)
    combinatorial.find_maximum.cache_clear()
    config = combinatorial.Config(
        variants="random,local_search,sweeps_100",
        seeds=(0,),
        log_dir=str(tmp_path / "runs"),
        out=str(tmp_path / "claim_combinatorial.json"),
    )
    figures = combinatorial.main(config)["metrics"]
    combinatorial.find_maximum.cache_clear()
    shares = [figures[name]["share_of_maximum"] for name in config.variants.split(",")]
    assert 0 < shares[0] < shares[2] <= 1 + 1e-6
    assert shares[1] <= 1 + 1e-6
    for each in figures.values():
        assert 0.3 < each["share_of_edges"] < 1


def test_local_search_ends_where_no_change_gains():
    graph = combinatorial.make_graph(12, 0)
    states = np.array(list(itertools.product([0, 1], repeat=12)))
    cuts = (states @ graph * (1 - states)).sum(axis=1)
    combinatorial.find_maximum.cache_clear()
    for seed in range(5):
        found = combinatorial.search_locally(graph, seed)
        assert combinatorial.cut_at_random(graph, seed) <= found <= cuts.max()
        ends = states[cuts == found]
        changed = abs(ends[:, None] - np.eye(12))
        after = (changed @ graph * (1 - changed)).sum(axis=-1)
        assert (after <= found).all(axis=1).any()


# Completion --------------------------------------------------------------------------


def test_completions_are_measured_beside_simple_ones(tmp_path, monkeypatch):
    few = datasets.load("mnist", "train").take(3000).images
    monkeypatch.setattr(completion, "load_training", lambda: few)
    monkeypatch.setattr(completion, "STEPS", (1, 2))
    model = RBM((28, 28, 1), num_hidden=3, seed=0)
    model.save(tmp_path / "model.keras")
    config = completion.Config(
        models=str(tmp_path / "model.keras"),
        num_images=20,
        num_validation=10,
        num_completions=2,
        log_dir=str(tmp_path / "runs"),
        out=str(tmp_path / "claim_completion.json"),
    )
    figures = completion.main(config)["metrics"]
    name = completion.name_of(config.models)
    assert list(figures) == [*completion.BASELINES, name]
    errors = {key: values["error"] for key, values in figures.items()}
    assert errors["originals"] <= 0.05
    assert errors["nearest_neighbor"] < 0.4 < errors["training_mean"]
    assert errors[name] > 0.4  # It has learned nothing.
    assert "distance" not in figures["nearest_neighbor"]
    # Its probabilities are 1 / 2, nearly.
    assert 0 < figures[name]["distance"] < 0.01
    assert figures["nearest_neighbors"]["distance"] > 0.1
    for values in figures.values():
        sides = [values[side] for side in masks.SIDES]
        assert values["error"] == pytest.approx(np.mean(sides), abs=1e-5)
        assert values["error_standard_error"] < 0.2
    assert figures[name]["gibbs_steps"] in (1, 2)
    picture = Image.open(tmp_path / f"claim_completion_{name}.webp")
    assert picture.width == 2 * (8 * 30 - 2)
    with pytest.raises(SystemExit, match="There is no such preset"):
        completion.main(dataclasses.replace(config, models="nothing"))


def test_presets_that_complete_digits_are_found():
    assert "rbm_mnist" in completion.find_models()
    assert not {"vae_mnist", "dcgan_emoji"} & set(completion.find_models())
    assert completion.name_of("rbm_mnist") == "rbm_mnist"
    assert completion.name_of("./runs/dbn-2/model.keras") == "runs_dbn_2_model"


def test_neighbors_are_found_by_what_is_known(monkeypatch):
    training = np.zeros((2, 28, 28, 1), "float32")
    training[0, :14], training[1, 14:] = 1, 1
    monkeypatch.setattr(completion, "load_training", lambda: training)
    images = np.zeros((1, 28, 28, 1), "float32")
    top = masks.half((28, 28, 1), "top")
    # The known half is black: so is that of the second, whose other half is white.
    completed = completion.take_neighbors(images, top, 2)
    assert completed.shape == (1, 2, 28, 28, 1)
    np.testing.assert_array_equal(completed[0, 0], training[1])
    np.testing.assert_array_equal(completed[0, 1], 0 * images[0])
    mean = completion.take_mean(images, top, 1)
    np.testing.assert_array_equal(mean[0, 0], 0.5 * (1 - top))


@pytest.mark.parametrize(
    "errors, chosen", [((0.5, 0.25, 0.24), 100), ((0.5, 0.35, 0.24), 1000)]
)
def test_the_fewest_steps_that_are_as_good_are_chosen(monkeypatch, errors, chosen):
    monkeypatch.setattr(completion, "STEPS", (10, 100, 1000))
    monkeypatch.setattr(completion, "load_digits", lambda *args: (None, None))
    rest = iter(errors)

    def measure(*args):
        return {"error": next(rest), "over_images": {"error": 0.02}}

    monkeypatch.setattr(completion, "measure", measure)
    steps, curve = completion.choose_steps(None, 0, completion.Config())
    assert steps == chosen and list(curve.values()) == list(errors)


def test_a_model_that_changes_what_is_known_is_refused():
    class Careless(RBM):
        def complete(self, images, mask, **options):
            return 1 - images

    images = np.zeros((2, 28, 28, 1), "float32")
    mask = masks.half((28, 28, 1), "top")
    model = Careless((28, 28, 1), num_hidden=2, seed=0)
    with pytest.raises(ValueError, match="known pixels.*Received: Careless"):
        completion.complete(model, images, mask, 3, 1, 0)


# Energy -----------------------------------------------------------------------------


def test_theory_of_energies():
    assert energy.compare(np.array([1.0, 3.0]), np.array([2.0, 3.0])) == 0.625
    mixture = energy.EXAMPLES["Three clusters"]
    ticks = np.linspace(-3, 3, 121)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    density = np.exp(energy.log_density(mixture, grid))
    assert density.sum() * 0.05**2 == pytest.approx(1, abs=1e-6)
    places = np.array([[0.0, 1.0], [3.0, 4.0]])
    distances = energy.distance_to(np.array([[0.0, 0.0], [3.0, 3.0]]), places)
    np.testing.assert_allclose(distances, [1, 1])


def test_energies_are_compared_with_those_of_the_plane():
    # A free energy that is known, and a reconstruction that moves half way to 0.
    landscape = types.SimpleNamespace(
        points=np.zeros((1, 2)),
        free_energy=lambda points: np.square(points).sum(axis=1),
        reconstruct=lambda points: points / 2,
    )
    figures = energy.measure(landscape, np.full((energy.NUM_HELD_OUT, 2), 0.01), 0)
    assert figures["gap"] == pytest.approx(-2 * energy.LIMIT**2 / 3, rel=0.05)
    assert figures["auc"] > 0.99 and figures["nearer"] == 1


def test_the_claim_of_energies_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(energy, "VARIANTS", {"two_clusters": "Two clusters"})
    monkeypatch.setattr(energy, "NUM_HELD_OUT", 200)
    out = tmp_path / "claim.json"
    energy.main(
        energy.Config(
            steps=200, seeds=(0,), log_dir=str(tmp_path / "runs"), out=str(out)
        )
    )
    result = json.loads(out.read_text())
    figures = result["metrics"]["two_clusters"]
    assert figures["gap"] < min(-3, figures["gap_before"])
    assert figures["auc_before"] < figures["auc"] < figures["auc_of_data"] + 0.02
    assert figures["log_likelihood"] < figures["log_likelihood_of_data"]
    with Image.open(out.with_suffix(".webp")) as picture:
        assert picture.size == (energy.SIDE, energy.SIDE)
