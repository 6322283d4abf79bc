"""The script that trains a code of documents, its baselines, and its corpus."""

import gzip
import itertools
import signal

import documents as claim
import keras
import make_package_corpus
import numpy as np
import pytest
import sample
import train_documents
from document_helpers import (
    baseline_features,
    find_topics,
    measure_retrieval,
    weigh_words,
)
from keras import ops
from script_helpers import parse_flags

from gen_keras import callbacks, datasets
from gen_keras.models import DBN, RBM, SemanticHashing
from tests.model_checks import assert_same_variables

NUM_TOPICS, WORDS_A_TOPIC, LENGTH = 4, 30, 6


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Documents of few of the many words of their topic: hardly two share one."""
    letters = ["".join(pair) for pair in itertools.product("bcdfgklmnp", repeat=3)]
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("corpus")
    for topic in range(NUM_TOPICS):
        words = letters[topic * WORDS_A_TOPIC :][:WORDS_A_TOPIC]
        (folder / f"topic_{topic}").mkdir()
        for i in range(100):
            text = " ".join(["the", *rng.choice(words, LENGTH)])
            (folder / f"topic_{topic}" / f"{i}.txt").write_text(text)
    return folder


def run(corpus, log_dir, **flags):
    options = {"epochs": 10, "batch_size": 20, "learning_rate": 0.03, "num_words": 150}
    options |= {"max_share": 0.5, "hidden_dims": (12,), "measure_every": 100}
    flags = options | {"dataset": f"folder:{corpus}", "log_dir": str(log_dir)} | flags
    return train_documents.main(train_documents.Config(**flags))


def find(model, corpus, level=None):
    documents, held_out = (
        datasets.load_documents(f"folder:{corpus}", split, 150, 0.5)
        for split in ("train", "validation")
    )
    return measure_retrieval(
        train_documents.encode(model, held_out, level),
        held_out.labels,
        train_documents.encode(model, documents, level),
        documents.labels,
    )


# Training ---------------------------------------------------------------------------


def test_documents_of_a_topic_are_found_by_their_code(corpus, tmp_path, capsys):
    model = run(corpus, tmp_path / "run")
    figures = find(model, corpus)
    assert figures["precision_at_10"] > 0.9  # By chance 0.25.
    assert figures["mean_average_precision"] > 0.9

    restored = keras.models.load_model(tmp_path / "run/model.keras", compile=False)
    assert_same_variables(model.variables, restored.variables)
    vocabulary = (tmp_path / "run/vocabulary.txt").read_text().split()
    documents = datasets.load_documents(f"folder:{corpus}", "train", 150, 0.5)
    assert vocabulary == documents.vocabulary and "the" not in vocabulary
    arguments = [str(tmp_path / "run/model.keras"), "--out", str(tmp_path / "samples")]
    with pytest.raises(
        SystemExit, match="must sample images .*a DBN of the shape \\(120,\\)"
    ):
        sample.main(sample.parse_arguments(arguments))
    printed = capsys.readouterr().out
    assert "sample.py" not in printed
    for title in ("code of 12", "its 12 bits", "words", "tf-idf", "LSA of 12"):
        assert f"  {title} " in printed


def test_a_wrong_gradient_finds_less(corpus, tmp_path, monkeypatch):
    original = RBM.compute_loss

    def climb(self, positive, negative):
        loss, logs = original(self, positive, negative)
        return -loss, logs

    monkeypatch.setattr(RBM, "compute_loss", climb)
    figures = find(run(corpus, tmp_path / "run"), corpus)
    assert figures["precision_at_10"] < 0.5


def interrupt(monkeypatch, stage, step):
    """Makes training get a signal at a step of a stage, once."""
    original, steps = callbacks.Checkpoint.on_train_batch_end, []

    def raise_signal(checkpoint, batch, logs=None):
        steps.append(checkpoint.directory.name)
        if steps.count(stage) == step:
            signal.raise_signal(signal.SIGINT)
        original(checkpoint, batch, logs)

    monkeypatch.setattr(callbacks.Checkpoint, "on_train_batch_end", raise_signal)


def test_further_layers_go_on_where_they_stopped(corpus, tmp_path, monkeypatch):
    flags = {"hidden_dims": (12, 6), "epochs": 2, "upper_epochs": 2}
    model = run(corpus, tmp_path / "whole", **flags)
    assert model.prop_up(np.ones((2, *model.visible_shape))).shape == (2, 6)
    interrupt(monkeypatch, "layer_2", 5)
    with pytest.raises(SystemExit, match="--resume"):
        run(corpus, tmp_path / "stopped", **flags)
    resumed = run(corpus, tmp_path / "stopped", **flags, resume=True)
    assert_same_variables(model.variables, resumed.variables)


def test_back_propagation_makes_bits_by_which_documents_are_found(
    corpus, tmp_path, monkeypatch, capsys
):
    flags = {"code_epochs": 15, "code_rate": 0.03, "code_noise": 2.0}
    model = run(corpus, tmp_path / "whole", **flags)
    documents, held_out = (
        datasets.load_documents(f"folder:{corpus}", split, 150, 0.5)
        for split in ("train", "validation")
    )
    assert "  its 12 bits " in capsys.readouterr().out

    def find_by_bits(model):
        bits = [2.0 * model.encode(each.counts) - 1 for each in (held_out, documents)]
        figures = measure_retrieval(bits[0], held_out.labels, bits[1], documents.labels)
        return figures["precision_at_10"]

    def load(path):
        return keras.models.load_model(tmp_path / "whole" / path, compile=False)

    assert isinstance(load("model.keras"), SemanticHashing)
    assert_same_variables(model.variables, load("model.keras").variables)
    layer = load("layer_1/model.keras")
    dbn = DBN(layer.visible_shape, (layer.num_hidden,), rbms=[layer])
    # By chance 0.25. The units of the RBM tell topics apart, but hardly as bits.
    assert find_by_bits(SemanticHashing.from_dbn(dbn)) < 0.5
    assert find_by_bits(model) > 0.7

    interrupt(monkeypatch, "codes", 20)
    with pytest.raises(SystemExit, match="--resume"):
        run(corpus, tmp_path / "stopped", **flags)
    resumed = run(corpus, tmp_path / "stopped", **flags, resume=True)
    assert_same_variables(model.variables, resumed.variables)


def test_the_bias_of_words_is_how_often_they_are():
    counts = np.array([[3, 0, 1], [4, 0, 2]], "float32")
    model = RBM((3,), 2, visible_units="replicated_softmax")
    model.initialize_visible_bias(counts)
    shares = np.exp(ops.convert_to_numpy(model.visible_bias))
    np.testing.assert_allclose(shares, np.array([8, 1, 4]) / 13, rtol=1e-6)


def test_long_documents_are_drawn_anew():
    counts = np.array([[40, 10, 0], [2, 1, 0]], "float32")
    draw, rng = train_documents.shorten(10), np.random.default_rng(0)
    drawn = np.stack([draw(counts, rng) for _ in range(3000)])
    assert (drawn[:, 0].sum(axis=1) == 10).all() and (drawn[:, 1] == counts[1]).all()
    # Without replacement: n p (1 - p) (N - n) / (N - 1).
    assert drawn[:, 0, 0].mean() == pytest.approx(8, abs=0.1)
    assert drawn[:, 0, 0].var() == pytest.approx(1.6 * 40 / 49, rel=0.1)
    assert counts[0, 0] == 40


def test_mistakes_end_with_one_line(corpus, tmp_path):
    with pytest.raises(SystemExit, match="Error: Documents are loaded by 'folder:"):
        run(corpus, tmp_path / "run", dataset="mnist")
    with pytest.raises(SystemExit, match="Error: .* fewer than one batch"):
        run(corpus, tmp_path / "run", batch_size=1000)
    with pytest.raises(SystemExit, match="Error: --image-size is for images.*: 32"):
        run(corpus, tmp_path / "run", image_size=32)
    run(corpus, tmp_path / "run", dry_run=True)
    assert not (tmp_path / "run").exists()


def test_the_claim_is_measured_beside_lsa_and_words(corpus, tmp_path):
    config = claim.Config(
        dataset=f"folder:{corpus}",
        variants="words,tf_idf,lsa_32,itq_32,rbm,hashing_32",
        seeds=(0,),
        num_features=12,
        num_below=20,
        epochs=2,
        upper_epochs=1,
        code_epochs=1,
        log_dir=str(tmp_path / "runs"),
        out=str(tmp_path / "claim_documents.json"),
    )
    result = claim.main(config)
    figures = result["metrics"]
    assert list(figures) == config.variants.split(",")
    assert set(figures) < set(claim.VARIANTS)
    assert figures["tf_idf"]["precision_at_10"] > 0.5
    assert "bits_precision_at_10" not in figures["words"]
    assert "precision_at_10" not in figures["itq_32"]
    assert 0.5 < figures["itq_32"]["bits_precision_at_10"] <= 1
    for name in ("lsa_32", "rbm", "hashing_32"):
        for key in ("precision_at_10", "validation_bits_mean_average_precision"):
            assert 0.2 < figures[name][key] <= 1
    assert " in 4 classes, 120 words" in result["protocol"]
    (one,) = tmp_path.glob("runs/rbm_0_training/layer_1/flags.json")
    assert '"hidden_dims": [\n    12\n  ]' in one.read_text()
    (one,) = tmp_path.glob("runs/hashing_32_0_training/model.keras")
    codes = keras.models.load_model(one, compile=False).encode(np.ones((2, 120)))
    assert codes.shape == (2, 32)


# Retrieval --------------------------------------------------------------------------


def test_retrieval_by_hand():
    database = np.array([[1, 0], [1, 0.1], [1, 0.3], [0, 1]])
    labels = np.array([0, 1, 0, 1])
    figures = measure_retrieval(np.array([[5, 0]]), np.array([0]), database, labels, 2)
    assert figures == {
        "precision_at_2": 0.5,
        "mean_average_precision": pytest.approx((1 + 2 / 3) / 2),
    }


def test_equally_near_documents_come_in_a_random_order():
    """Else codes that are all alike would find the first class in the folder."""
    labels = np.repeat([0, 1], 1000)
    nothing = np.zeros((2000, 3))
    for label in (0, 1):
        figures = measure_retrieval(nothing[:1], np.array([label]), nothing, labels)
        assert figures["mean_average_precision"] == pytest.approx(0.5, abs=0.05)


def test_rare_words_weigh_more():
    counts = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 3]], "float32")
    weights = weigh_words(counts, counts)
    np.testing.assert_allclose(np.linalg.norm(weights, axis=1), 1)
    # 1 + log((1 + 3) / (1 + 1)) to 1 + log((1 + 3) / (1 + 3)).
    assert weights[0, 1] / weights[0, 0] == pytest.approx(1 + np.log(2))
    assert weights[2, 2] / weights[0, 1] > 1
    assert not weigh_words(np.zeros((1, 3)), counts).any()


def test_topics_are_those_of_the_singular_values():
    vectors = np.random.default_rng(0).normal(size=(20, 7)).astype("float32")
    topics = find_topics(vectors, 3)
    expected = np.linalg.svd(vectors)[2][:3].T
    np.testing.assert_allclose(np.abs((topics * expected).sum(axis=0)), 1, rtol=1e-4)
    counts = np.random.default_rng(0).integers(0, 3, (20, 7)).astype("float32")
    found = baseline_features(counts[:2], counts, 3)
    assert found["LSA"][0].shape == (2, 3) and found["LSA"][1].shape == (20, 3)


# The corpus of packages -------------------------------------------------------------

PACKAGES = """\
Package: libtune1
Source: tune (1.2)
Description: a tune
Description-md5: a
Section: libs

Package: tune
Description-md5: b
Section: sound

Package: tune-extra
Source: tune
Description-md5: c
Section: games

Package: copy
Description-md5: b2
Section: contrib/sound

Package: sail
Description-md5: d
Section: games

Package: other
Description-md5: unknown
Section: games

Package: anchor-b
Source: anchor
Description-md5: f
Section: games

Package: anchor-a
Source: anchor
Description-md5: e
Section: games
"""
DESCRIPTIONS = "".join(
    f"Package: x\nDescription-md5: {name}\nDescription-en: {text}\n .\n More.\n\n"
    for name, text in {
        **{"a": "A", "b": "Tune", "b2": "Tune", "c": "Extra"},
        **{"d": "Sail", "e": "First", "f": "Second"},
    }.items()
)


def make_corpus(folder, **flags):
    with gzip.open(folder / "Packages.gz", "wt") as file:
        file.write(PACKAGES)
    (folder / "Translation-en").write_text(DESCRIPTIONS)
    config = make_package_corpus.Config(
        packages=str(folder / "Packages.gz"),
        descriptions=str(folder / "Translation-en"),
        out=str(folder / "corpus"),
        **flags,
    )
    return make_package_corpus.main(config)


def test_one_package_of_a_source_is_a_document(tmp_path):
    folder = make_corpus(tmp_path)
    files = sorted(str(path.relative_to(folder)) for path in folder.glob("*/*"))
    # "copy" comes first by the alphabet of those whose descriptions are the same.
    assert files == ["games/anchor.txt", "games/sail.txt", "sound/copy.txt"]
    text = (folder / "games/anchor.txt").read_text()
    assert text == "First\n .\n More."
    with pytest.raises(SystemExit, match="There is a folder .*Name another"):
        make_corpus(tmp_path)


def test_the_largest_sections_are_chosen(tmp_path):
    folder = make_corpus(tmp_path, num_sections=1, max_documents=1)
    (path,) = folder.glob("*/*")
    assert path.parent.name == "games"
    (tmp_path / "more").mkdir()
    again = make_corpus(tmp_path / "more", num_sections=1, max_documents=1)
    assert [p.name for p in again.glob("*/*")] == [path.name]


def test_an_index_without_descriptions_is_named(tmp_path):
    (tmp_path / "empty").write_text("")
    config = make_package_corpus.Config(
        packages=str(tmp_path / "empty"),
        descriptions=str(tmp_path / "empty"),
        out=str(tmp_path / "corpus"),
    )
    with pytest.raises(SystemExit, match="No package has a section.*--packages"):
        make_package_corpus.main(config)
    assert not (tmp_path / "corpus").exists()


def test_flags():
    config = parse_flags(train_documents.Config, ["--hidden-dims", "500,32"])
    assert config.hidden_dims == (500, 32)
    with pytest.raises(SystemExit):  # Adam has momentum of its own.
        parse_flags(train_documents.Config, ["--momentum", "0.5"])
