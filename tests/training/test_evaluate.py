"""`evaluate.py` on the shipped presets and on models whose figures are known."""

import dataclasses
import json
import pathlib
import shlex
import sys

import evaluate
import keras
import make_tables
import numpy as np
import PIL.Image
import pytest
import result_files
from sample_evaluation import SampleEvaluation
from translation_evaluation import TranslationEvaluation, find_nearest

from gen_keras import callbacks, datasets, models, presets
from gen_keras.metrics import load_classifier
from gen_keras.models.base import GenerativeModel
from gen_keras.models.gans.base import ClassConditional

TRAINING = pathlib.Path(__file__).parents[2] / "training"


SMALL = {
    "max_images": 120,
    "num_samples": 120,
    "importance_samples": 20,
    "num_temperatures": 20,
    "num_chains": 4,
}
OF_FEATURES = [
    "frechet_distance",
    "kernel_distance",
    "precision_recall",
    "density_coverage",
]
OF_GANS = ["classifier", *OF_FEATURES, "neighbors", "memorization"]
SUITED = {
    "DCGAN": OF_GANS,
    "WGANGP": OF_GANS,
    "ACGAN": [*OF_GANS, "class_diversity", "class_consistency"],
    "ConditionalGAN": [*OF_GANS, "class_diversity", "class_consistency"],
    "InfoGAN": [*OF_GANS, "categories"],
    "BiGAN": [*OF_GANS, "encoder"],
    "mnist_classifier": ["accuracy"],
    "emoji_vendors_classifier": ["accuracy"],
    "emoji_features": ["retrieval"],
    "VAE": ["bounds"],
    "RBM": ["likelihood"],
    "DBN": ["likelihood"],
    "DBM": ["likelihood"],
    "ClassRBM": ["classification", "class_diversity", "class_consistency"],
    "SemanticHashing": ["codes"],
    "Pix2Pix": ["translation", "kernel_distance", "vendor"],
    "CycleGAN": ["translation", "cycle", "kernel_distance", "vendor"],
}


SLOW = "cyclegan_noto2twemoji"


@pytest.mark.parametrize(
    "preset",
    [
        *(name for name in presets.table() if name != SLOW),
        *evaluate.NETWORKS,
        pytest.param(SLOW, marks=pytest.mark.slow),
    ],
)
def test_every_preset_can_be_measured(preset, tmp_path):
    out = tmp_path / "results" / f"{preset}.json"
    config = evaluate.Config(preset=preset, out=str(out), **SMALL)
    result = evaluate.main(config)

    keys = ["command", "seed", "protocol", "hardware", "wall_seconds", "metrics"]
    row = presets.table().get(preset)
    assert list(result) == keys + ["training"] * bool(row)
    assert json.loads(out.read_text("utf-8")) == result
    suited = SUITED[row["model"] if row else preset]
    if suited[:1] == ["classifier"] and row["dataset"] != "mnist":
        suited = suited[1:]
    told = ["model"] * ("departure" in (row or {}))
    assert list(result["metrics"]) == suited
    assert list(result["protocol"]) == suited + told


@pytest.mark.parametrize(
    ("preset", "metrics"),
    [("dcgan_mnist", "classifier"), ("vae_mnist_2d", ""), ("rbm_mnist", "")],
)
def test_one_command_gives_one_result(preset, metrics, tmp_path):
    config = evaluate.Config(
        preset=preset, metrics=metrics, out=str(tmp_path / "a.json"), **SMALL
    )
    first, again = evaluate.main(config), evaluate.main(config)
    assert first["metrics"] == again["metrics"]
    other = evaluate.main(dataclasses.replace(config, seed=1))
    assert first["metrics"] != other["metrics"]


def test_command_gives_the_config_back(monkeypatch):
    config = evaluate.Config(model="a b.keras", dataset="mnist", seed=3)
    words = shlex.split(result_files.describe_command(config, "evaluate.py"))
    assert words[:2] == [f"KERAS_BACKEND={keras.backend.backend()}", "python"]
    monkeypatch.setattr(sys, "argv", words[2:])
    assert evaluate.parse_flags(evaluate.Config) == config


def test_likelihood_of_a_small_rbm_is_the_exact_one(tmp_path):
    """Every number that leads to the NLL, against enumeration on the same pixels."""
    model = models.RBM(visible_shape=(28, 28, 1), num_hidden=6, seed=0)
    rng = np.random.default_rng(0)
    model.kernel.assign(rng.normal(0, 0.3, model.kernel.shape))
    model.initialize_visible_bias(datasets.load("mnist").take(1000).images)
    model.hidden_bias.assign(rng.normal(0, 1, 6))
    path = tmp_path / "rbm.keras"
    model.save(path)

    config = evaluate.Config(
        model=str(path), dataset="mnist", max_images=200, num_temperatures=300
    )
    figures = evaluate.main(config)["metrics"]["likelihood"]
    images = datasets.load("mnist", "test").take(200).images
    binary = datasets.binarize(images, np.random.default_rng(0))
    log_prob = model.log_prob(binary, model.log_partition("exact"))
    exact = -np.mean(keras.ops.convert_to_numpy(log_prob))
    assert abs(figures["nll"] - exact) < 3 * figures["log_partition_standard_error"]
    low, high = figures["nll_range"]
    assert low <= exact <= high
    assert figures["log_weight_range"][0] < figures["log_partition"]
    assert -0.1 < figures["backwards_gap"] < 2


def test_the_figures_of_a_narrower_preset_say_so(tmp_path):
    config = evaluate.Config(
        preset="dbm_mnist",
        max_images=20,
        num_temperatures=5,
        num_chains=2,
        out=str(tmp_path / "dbm.json"),
    )
    result = evaluate.main(config)
    assert "500-500" in result["protocol"]["model"]
    likelihood = result["metrics"]["likelihood"]
    assert likelihood["nll_bound_summed_out"] < likelihood["nll_bound"]


def test_samples_of_emoji_are_held_against_emoji(tmp_path):
    keras.utils.set_random_seed(0)
    model = models.DCGAN(image_shape=(64, 64, 3), base_filters=4, seed=0)
    path = tmp_path / "emoji.keras"
    model.save(path)
    config = evaluate.Config(
        model=str(path), dataset="emoji", max_images=100, num_samples=60
    )
    with pytest.warns(UserWarning, match="60 images in 64 features"):
        result = evaluate.main(config)
    metrics = result["metrics"]
    assert list(metrics) == SUITED["DCGAN"][1:]
    for name in OF_FEATURES:
        assert "60 samples (seed 0) against 100 test images" in result["protocol"][name]
        assert "emoji network" in result["protocol"][name]
    distance = metrics["kernel_distance"]
    assert distance["distance"] > 5 * distance["training_images"]["distance"]
    assert metrics["density_coverage"]["training_images"]["coverage"] > 0.5
    assert metrics["density_coverage"]["coverage"] < 0.1
    neighbors = metrics["neighbors"]
    # Gray from an untrained generator: no copies, and far from every emoji.
    assert neighbors["copies"] == 0 < neighbors["distinct"] <= 60
    assert neighbors["mean_distance"] > neighbors["real_images"]["mean_distance"] > 1


class Memory(GenerativeModel):
    """Draws training images, of the class asked for, and remembers the first 500."""

    def __init__(self, dataset, value_range, num_classes=None):
        super().__init__(seed=0)
        self.value_range = value_range
        self.data = datasets.load(dataset, "train", value_range).take(500)
        if num_classes:
            self.num_classes = num_classes

    classes_in_turn = ClassConditional.classes_in_turn

    def sample(self, num_samples, seed=None, classes=None):
        state = keras.ops.convert_to_numpy(self.seed_generator.next())
        rng = np.random.default_rng(state.astype("uint32"))
        if classes is None:
            return self.data[rng.integers(500, size=num_samples)]
        return self.data[
            [rng.choice(np.flatnonzero(self.data.labels == c)) for c in classes]
        ]


def evaluate_memory(dataset, metrics="", num_classes=None, **options):
    config = evaluate.Config(
        metrics=metrics, **{"num_samples": 400, "max_images": 500} | options
    )
    model = Memory(dataset, (-1.0, 1.0), num_classes)
    return SampleEvaluation(model, dataset, config).run()


def test_models_that_take_classes_are_measured_by_class():
    _, figures = evaluate_memory("mnist", num_classes=10)
    assert list(figures) == [*SUITED["DCGAN"], "class_diversity", "class_consistency"]
    # The samples are training digits.
    assert figures["memorization"]["share"] > 0.97
    consistency = figures["class_consistency"]
    assert consistency["share"] > 0.97 < consistency["real_images"]["share"]
    assert (consistency["class_shares"] > 0.9).all()
    diversity = figures["class_diversity"]
    assert diversity["classes"].tolist() == list(range(10))
    similar, real = diversity["similarities"], diversity["real_images"]["similarities"]
    np.testing.assert_allclose(similar, real, atol=0.15)  # With twins.
    assert real.argmax() == 1  # Ones are most alike.
    distance = figures["kernel_distance"]
    assert abs(distance["distance"]) < 4 * distance["standard_error"]
    assert figures["density_coverage"]["density"] > 0.8


def test_stacks_are_counted():
    protocol, figures = evaluate_memory("stacked_mnist")
    assert list(figures) == ["stacked_modes"]
    assert "400 samples (seed 0)" in protocol["stacked_modes"]
    modes = figures["stacked_modes"]
    # 400 draws of 500 stacks, most of which differ; a digit in a hundred is misread.
    labels = datasets.load("stacked_mnist").take(500).labels
    expected = 1000 * (1 - (1 - 1 / 1000) ** 400)
    assert 0.6 * expected < modes["modes"] < min(expected, len(np.unique(labels)))
    assert modes["reverse_kl"] > np.log(1000 / modes["modes"]) > 0
    assert modes["real_images"]["modes"] > modes["modes"]


def test_features_come_from_the_network_given(tmp_path):
    inputs = keras.Input((28, 28, 3))
    network = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    path = tmp_path / "mean_colors.keras"
    network.save(path)
    protocol, figures = evaluate_memory(
        "stacked_mnist", "frechet_distance", network=str(path)
    )
    assert "in the 3 features of the mean_colors.keras" in protocol["frechet_distance"]
    assert figures["frechet_distance"]["samples"] < 0.01


def test_features_are_refused_of_unknown_images():
    with pytest.raises(
        ValueError, match="emoji of 64 x 64.*Received: dataset='stacked"
    ):
        evaluate_memory("stacked_mnist", "precision_recall")


def test_translation_of_generators_that_change_nothing(tmp_path):
    """Their outputs get the figures of the inputs, and the circle has no error."""

    def unchanged():
        image = keras.Input((None, None, 3))
        return keras.Model(image, keras.layers.Identity()(image))

    model = models.CycleGAN(
        (64, 64, 3),
        base_filters=2,
        receptive_field=34,
        pool_size=0,
        generator_ab=unchanged(),
        generator_ba=unchanged(),
    )
    path = tmp_path / "model.keras"
    model.save(path)
    config = evaluate.Config(
        model=str(path),
        dataset="emoji_vendors",
        split="validation",
        picture=str(tmp_path / "picture.png"),
    )
    figures = evaluate.main(config)["metrics"]
    assert list(figures) == SUITED["CycleGAN"]
    with PIL.Image.open(config.picture) as picture:
        pixels = np.asarray(picture)
    # Rows of inputs, outputs, lookups, targets, 2 pixels apart.
    assert pixels.shape == (4 * 66 - 2, 12 * 66 - 2, 3)
    np.testing.assert_array_equal(pixels[:64], pixels[66:130])
    assert not np.array_equal(pixels[:64], pixels[132:196])
    translation = figures["translation"]
    assert translation["outputs"] == translation["input"]
    error = translation["outputs"]["mean_absolute_error"]
    low, high = translation["outputs"]["mean_absolute_error_interval"]
    assert 0.1 < low < error < high < 0.3
    assert translation["b_to_a"]["mean_absolute_error"] == error
    assert translation["outputs"]["top_1"] < translation["outputs"]["top_5"] < 1
    # A mean of two images errs at most by their mean error.
    others = translation["nearest_training_pair"]["mean_absolute_error"]
    both = translation["mean_of_both"]["mean_absolute_error"]
    assert both < (error + others) / 2
    for direction in ("a_to_b", "b_to_a"):
        assert abs(figures["cycle"][direction]) < 1e-6
        for metric in ("kernel_distance", "vendor"):
            row = figures[metric][direction]
            assert row["outputs"] == row["input"] != row.get("real_images")
        distances = figures["kernel_distance"][direction]
        assert distances["training_images"] < distances["outputs"]


def test_an_encoder_that_keeps_the_pixels_classifies_as_they_do(tmp_path):
    encoder = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(784, kernel_initializer="identity"),
        ]
    )
    # The right half is not drawn, so that many digits come back as others.
    generator = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Reshape((28, 28, 1)),
            keras.layers.Cropping2D(((0, 0), (0, 14))),
            keras.layers.ZeroPadding2D(((0, 0), (0, 14))),
        ]
    )
    model = models.BiGAN(latent_dim=784, units=4, encoder=encoder, generator=generator)
    path = tmp_path / "bigan.keras"
    model.save(path)
    config = evaluate.Config(model=str(path), dataset="mnist", metrics="encoder")
    config = dataclasses.replace(config, **SMALL)
    figures = evaluate.main(config)["metrics"]["encoder"]

    error = figures["neighbor_error"]
    assert 0 < error == figures["neighbor_error_of_latents"]
    assert error == figures["neighbor_error_of_pixels"]
    images = datasets.load("mnist", "test").take(SMALL["max_images"])
    halves = images.images.copy()
    halves[:, :, 14:] = 0.5  # Of [-1, 1], the middle is 0.
    error = np.square(halves - images.images).mean()
    assert figures["reconstruction_error"] == pytest.approx(error, rel=1e-4)
    logits = load_classifier("mnist").predict(halves, verbose=0)
    others = np.mean(logits.argmax(axis=1) != images.labels)
    assert 0.3 < figures["other_digits"] == others


def test_baselines_are_the_published_ones():
    """The table of the data's README, on the test emoji."""
    evaluation = TranslationEvaluation(None, "emoji_vendors", evaluate.Config())
    inputs, targets = evaluation.real.inputs, evaluation.real.targets
    score = evaluation.score(inputs, targets)
    assert round(score["mean_absolute_error"], 3) == 0.174
    assert (score["top_1"], score["top_5"]) == (0.315, 0.485)
    nearest = find_nearest(inputs, evaluation.train.inputs)
    looked_up = evaluation.train.targets[nearest]
    for images, error, top_1, top_5 in (
        (looked_up, 0.159, 0.23, 0.385),
        ((inputs + looked_up) / 2, 0.153, 0.27, 0.46),
    ):
        score = evaluation.score(images, targets)
        assert abs(score["mean_absolute_error"] - error) < 0.001
        assert (score["top_1"], score["top_5"]) == (top_1, top_5)


def test_bounds_are_in_order_and_rounding_is_compared(tmp_path):
    model = models.VAE(image_shape=(28, 28, 1), latent_dim=3, seed=0)
    path = tmp_path / "vae.keras"
    model.save(path)
    config = evaluate.Config(
        model=str(path),
        compare=str(path),
        dataset="mnist",
        max_images=50,
        importance_samples=200,
    )
    metrics = evaluate.main(config)["metrics"]
    bounds = metrics["bounds"]
    assert bounds["negative_iwae_bound"] < bounds["negative_elbo"]
    elbo = {key: value for key, value in bounds.items() if "elbo" in key}
    assert metrics["compared"]["bounds"] == elbo
    # An untrained decoder gives each of 784 pixels about one half.
    assert abs(bounds["negative_iwae_bound"] - 784 * np.log(2)) < 40


def test_validation_images_and_smoke_runs_do_not_touch_the_published_file(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(result_files, "FOLDER", tmp_path)
    config = evaluate.Config(preset="mnist_classifier", split="validation")
    result = evaluate.main(config)
    assert "5,000 validation images" in result["protocol"]["accuracy"]
    smoke = evaluate.Config(preset="mnist_classifier", max_images=50)
    result = evaluate.main(smoke)
    assert "50 test images" in result["protocol"]["accuracy"]
    assert not list(tmp_path.iterdir())
    evaluate.main(evaluate.Config(preset="mnist_classifier"))
    assert [path.name for path in tmp_path.iterdir()] == ["mnist_classifier.json"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"preset": "dcgan_mars"}, "no such preset.*Received: dcgan_mars"),
        ({}, "Name one model"),
        ({"preset": "rbm_mnist", "model": "a.keras"}, "Name one model"),
        ({"model": "nowhere.keras"}, "--model wants --dataset"),
        ({"model": "nowhere.keras", "dataset": "mnist"}, "There is no file"),
        ({"preset": "mnist_classifier", "metrics": "charm"}, "knows accuracy.*charm"),
        ({"preset": "mnist_classifier", "split": "exam"}, "Received: split='exam'"),
        (
            {"preset": "mnist_classifier", "metrics": "frechet_distance"},
            "frechet_distance is of a model that samples. Received: Functional",
        ),
        (
            {"preset": "mnist_classifier", "metrics": "retrieval"},
            "retrieval is of a feature network, of pairs. Received: Functional",
        ),
        (
            {"preset": "dcgan_mnist", "metrics": "class_consistency"},
            "class_consistency is of a model that takes the digit. Received: DCGAN",
        ),
        (
            {"preset": "dcgan_mnist", "metrics": "stacked_modes"},
            "stacked_modes is of a model of stacked_mnist.*dataset='mnist'",
        ),
        (
            {"preset": "dcgan_mnist", "metrics": "kernel_distance", "num_samples": 3},
            "10 samples and images at least: --num-samples.*Received: 3 and 10000",
        ),
    ],
)
def test_mistakes_end_with_one_line(flags, message):
    with pytest.raises(SystemExit, match=message):
        evaluate.main(evaluate.Config(**flags))


def test_json_holds_plain_numbers():
    figures = {
        "a": np.float32(1 / 3),
        "b": np.array([1, 2]),
        "c": (np.inf, np.int64(3)),
    }
    tidy = result_files.tidy(figures)
    assert tidy == {"a": 0.333333, "b": [1, 2], "c": [None, 3]}
    assert json.loads(json.dumps(tidy, allow_nan=False)) == tidy


def test_no_training_script_reads_the_test_split():
    for path in TRAINING.glob("*.py"):
        if not path.name.startswith("measure_") and "evaluat" not in path.name:
            assert '"test"' not in path.read_text("utf-8"), path.name


# Tables -------------------------------------------------------------------------------

RESULT = {
    "protocol": {"likelihood": "Measured | by hand."},
    "metrics": {
        "likelihood": {
            "nll": 89.123,
            "log_partition_standard_error": 0.25,
            "train_nll": 88.0,
        },
        "compared": {"likelihood": {"nll": 89.1, "train_nll": 87.9}},
    },
}
RATIO = {"median": 1.234, "interval": [1.1, 1.3], "blocks": 20}
BENCHMARK = {
    "metrics": {
        "a": {"rbm": {"torch": {"ratio": RATIO}}, "wall_seconds": 1},
        "b": {"settings": {"torch": {"sklearn_ratio": RATIO, "products_ratio": RATIO}}},
        "c": {"worst_p95_milliseconds": 123},
        "d": {"median_seconds": {"page": 5.67, "import gen_keras": 0.04}},
        "e": {
            "worst_p95_milliseconds": 456,
            "photo": {"side": 2048, "seconds": 65.4, "peak_gigabytes": 7.6},
        },
    }
}
README = """# Title
<!-- table:models -->
<!-- /table -->
Between.
<!-- table:figures -->
old
<!-- /table -->
End.
"""


@pytest.fixture
def paths(tmp_path):
    (tmp_path / "README.md").write_text(README, "utf-8")
    (tmp_path / "rbm_mnist.json").write_text(json.dumps(RESULT), "utf-8")
    (tmp_path / "benchmark.json").write_text(json.dumps(BENCHMARK), "utf-8")
    return {"readme": str(tmp_path / "README.md"), "results": str(tmp_path)}


def test_tables_are_written_between_their_marks(paths):
    make_tables.main(make_tables.Config(**paths))
    text = pathlib.Path(paths["readme"]).read_text("utf-8")
    assert text.startswith("# Title\n<!-- table:models -->\n| Class |")
    assert "\nBetween.\n" in text and text.endswith("<!-- /table -->\nEnd.\n")
    assert "old" not in text
    for name in ("DCGAN", "VAE", "RBM"):
        (row,) = (
            line for line in text.splitlines() if line.startswith(f"| [`{name}`]")
        )
        assert f"training/train_{name.lower()}.py" in row
    assert "| NLL, nats | 89.12 ± 0.25 | 89.10 |\n" in text
    assert "- likelihood (`rbm_mnist`): Measured | by hand.\n" in text


def test_speed_table(paths):
    table = make_tables.make_speed_table(make_tables.Config(**paths))
    assert "| RBM, a step: ours / by hand | 1.23 (1.10–1.30) |\n" in table
    assert "| RBM, a step: ours / native networks |  |\n" in table
    assert "| RBM, an epoch: scikit-learn / ours | 1.23 (1.10–1.30) |\n" in table
    assert "slowest preset: 0.12 s.\n- A translation" in table
    assert "slowest preset: 0.46 s. There and back" in table
    assert "2048 × 2048 pixels: 65 s and\n  7.6 GB of memory.\n- Start of" in table
    assert table.endswith("- `import gen_keras` over `import keras`: 0.04 s.\n")
    assert "| Ratio of times | PyTorch |\n" in table


def test_annealing_is_described():
    nll = {"ours": [90.0, 91.0, 92.0], "sklearn": [94.0, 94.0, 94.0]}
    text = make_tables.describe_annealing(
        {"seconds": {"1": 61.3, "2": 51.7}, "nll": nll}
    )
    assert "100 chains of 14,500 temperatures: 52 s.\n" in text
    assert "91.0 ± 0.6 nats, by scikit-learn's RBM\n  94.0 ± 0.0.\n" in text


def test_variants_table(paths):
    config = make_tables.Config(**paths)
    assert make_tables.make_variants_table(config) == ""
    row = {"ratio": RATIO, "variable_bytes": 1_234_567, "peak_bytes": 98_765_432}
    part = {
        "variants": {"tensorflow": {"models": {"GAN": row, "BiGAN": row}}},
        "example": {"torch": {"example_ratio": RATIO}},
    }
    result = {"metrics": BENCHMARK["metrics"] | {"f": part}}
    path = pathlib.Path(paths["results"]) / "benchmark.json"
    path.write_text(json.dumps(result), "utf-8")
    table = make_tables.make_variants_table(config)
    assert table.startswith("| A step | Time / `GAN`'s, TensorFlow | Variables, MB |")
    assert "| `BiGAN` | 1.23 (1.10–1.30) | 1.2 | 99 |\n" in table
    speed = make_tables.make_speed_table(config)
    assert "| DCGAN, a step: ours / PyTorch's example | 1.23 (1.10–1.30) |\n" in speed


def test_curves_are_thinned_to_their_end(tmp_path):
    with pytest.raises(ValueError, match="no curves"):
        evaluate.read_curves(str(tmp_path))
    model = models.RBM((4,), 2)
    model.compile(keras.optimizers.SGD(0.5))
    log = callbacks.TensorBoard(str(tmp_path))
    log.set_model(model)
    for epoch in range(10):
        log.on_epoch_begin(epoch)
        log.on_epoch_end(epoch, {"loss": 2.0 * epoch})
    log.on_train_end()
    curves = evaluate.read_curves(str(tmp_path), num_points=5)
    epochs = (1, 3, 5, 7, 9)
    assert curves["loss"] == [(epoch + 1, 2.0 * epoch) for epoch in epochs]
    assert curves["learning_rate"] == [(epoch + 1, 0.5) for epoch in epochs]


def test_curves_of_the_same_training_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "load_subject", lambda config: (None, "mnist"))
    monkeypatch.setattr(evaluate, "evaluate", lambda *args: ({}, {}))
    out = tmp_path / "dcgan_mnist.json"
    config = evaluate.Config(preset="dcgan_mnist", out=str(out))
    assert "curves" not in evaluate.main(config)
    old = {"training": presets.table()["dcgan_mnist"]["training"], "curves": {"a": [1]}}
    out.write_text(json.dumps(old), "utf-8")
    assert evaluate.main(config)["curves"] == {"a": [1]}
    out.write_text(json.dumps(old | {"training": "another"}), "utf-8")
    assert "curves" not in evaluate.main(config)


def test_check_finds_a_stale_readme_and_writes_nothing(paths):
    readme = pathlib.Path(paths["readme"])
    with pytest.raises(SystemExit, match="is stale"):
        make_tables.main(make_tables.Config(check=True, **paths))
    assert readme.read_text("utf-8") == README
    make_tables.main(make_tables.Config(**paths))
    assert make_tables.main(make_tables.Config(check=True, **paths))
    changed = readme.read_text("utf-8").replace("89.12", "79.12")
    readme.write_text(changed, "utf-8")
    with pytest.raises(SystemExit, match="is stale"):
        make_tables.main(make_tables.Config(check=True, **paths))


def test_unknown_table_and_missing_marks_are_errors(paths):
    readme = pathlib.Path(paths["readme"])
    for text, message in (
        ("no marks", "There is no"),
        ("<!-- table:figurs -->\n<!-- /table -->", "Received: table:figurs"),
    ):
        readme.write_text(text, "utf-8")
        with pytest.raises(SystemExit, match=message):
            make_tables.main(make_tables.Config(**paths))


def test_links_of_the_models_table_lead_somewhere(paths):
    table = make_tables.make_models_table(make_tables.Config(**paths))
    targets = make_tables.re.findall(r"\]\(([\w/.]+)\)", table)
    assert len(targets) >= 6
    for target in targets:
        assert (TRAINING.parent / target).is_file(), target
