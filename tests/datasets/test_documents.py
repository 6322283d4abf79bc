"""Your own documents: words, vocabulary, splits, clear errors."""

import keras
import numpy as np
import pytest

from gen_keras import datasets
from gen_keras.datasets import documents as documents_lib
from gen_keras.datasets import folders

# Each word of a topic is in half of its documents.
TOPICS = {"music": ["drum", "flute", "song"], "ships": ["anchor", "harbour", "sail"]}


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))


@pytest.fixture
def corpus(tmp_path):
    """Sixty documents in two classes."""
    for topic, words in TOPICS.items():
        for i in range(30):
            text = f"The {words[i % 3]}, the {words[(i + 1) % 3]}: {words[i % 3]}!"
            write(tmp_path / topic / f"{i}.txt", text)
    return tmp_path


def load(path, split="train", **options):
    options = {"validation_fraction": 0.0, "test_fraction": 0.0, **options}
    return datasets.load_documents(f"folder:{path}", split, **options)


# Words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The cat's 2 CATS, x-ray", ["the", "cat", "cats", "ray"]),
        ("snake_case v1.2b", ["snake", "case"]),
        ("Größe ΣΟΦΙΑ мир", ["größe", "σοφια", "мир"]),
        ("cafe\u0301 ﬁsh", ["café", "fish"]),  # One letter each, after NFKC.
        ("", []),
    ],
)
def test_words_are_letters_in_lower_case(text, words):
    assert documents_lib.split_words(text) == words


def test_the_vocabulary_is_what_most_documents_have():
    words = [["the", "cat", "cat", "cat"], ["the", "dog"], ["the", "dog", "rare"]]
    words += [["the", "bee", "cat"], ["the", "bee", "dog", "dog"]]
    # "the" is in all, "rare" in one; of those in two the alphabet decides.
    choose = datasets.choose_vocabulary
    assert choose(words, max_share=0.6) == ["dog", "bee", "cat"]
    assert choose(words, num_words=2, max_share=0.6) == ["dog", "bee"]
    assert choose(words, max_share=0.5) == ["bee", "cat"]
    assert choose(words, max_share=1.0)[0] == "the"


@pytest.mark.parametrize(
    "options", [{"num_words": 0}, {"max_share": 0.0}, {"max_share": 1.5}]
)
def test_wrong_vocabularies_are_refused(options):
    with pytest.raises(ValueError, match="`num_words` must .*`max_share`.*Received"):
        datasets.choose_vocabulary([["cat"], ["cat"]], **options)


def test_words_of_new_texts_are_counted():
    counts = datasets.count_words(["Cat cat bird", "", "dogs dog"], ["dog", "cat"])
    assert counts.tolist() == [[0, 2], [0, 0], [1, 0]]
    assert counts.dtype == np.float32
    assert datasets.count_words([], ["dog"]).shape == (0, 1)


# Folders


def test_documents_of_a_folder(corpus):
    documents = load(corpus, max_share=0.5)
    assert documents.vocabulary == sorted(TOPICS["music"] + TOPICS["ships"])
    assert documents.label_names == ["music", "ships"]
    assert documents.labels.tolist() == [0] * 30 + [1] * 30
    place = documents.example_names.index("music/1.txt")
    row = dict(zip(documents.vocabulary, documents[place].tolist(), strict=True))
    assert row == dict.fromkeys(row, 0) | {"flute": 2, "song": 1}
    np.testing.assert_array_equal(documents.counts, documents[:])
    assert documents.counts.dtype == np.float32
    assert (documents.counts.sum(axis=1) == 3).all()


def test_the_vocabulary_is_that_of_the_training_split(corpus):
    fractions = {"validation_fraction": 0.2, "test_fraction": 0.2}
    train, validation, test = (
        load(corpus, split, **fractions) for split in ("train", "validation", "test")
    )
    assert len(train) + len(validation) + len(test) == 60
    assert min(len(validation), len(test)) > 3
    for name in test.example_names:
        assert folders.split_of(name, 0.2, 0.2) == "test"
        write(corpus / name, "unseen unseen words")
    assert load(corpus, "train", **fractions).vocabulary == train.vocabulary
    changed = load(corpus, "test", **fractions)
    assert changed.vocabulary == train.vocabulary
    assert changed.label_names == train.label_names
    # A document without a known word stays: to leave it out would flatter.
    assert changed.counts.shape == test.counts.shape and not changed.counts.any()


def test_subfolders_are_splits(corpus):
    for name in ("test/music/x.txt", "test/ships/y.txt"):
        write(corpus / "split" / name, "a song, a sail")
    (corpus / "split/train").mkdir()
    for topic in TOPICS:
        (corpus / topic).rename(corpus / "split/train" / topic)
    test = load(corpus / "split", "test")
    assert test.example_names == ["music/x.txt", "ships/y.txt"]
    assert test.counts.sum(axis=1).tolist() == [2, 2]


def test_batches_are_counts(corpus):
    documents = load(corpus).take(10)
    assert len(documents) == 10 and documents.counts.shape == (10, 6)
    (first, *_) = documents.batches(batch_size=5, seed=0)
    assert first.shape == (5, 6) and (first.sum(axis=1) == 3).all()
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    batches = documents.batches(5, 0, transform=lambda x, _: (x, x[:, :1]))
    model.fit(batches, shuffle=False, verbose=0)


# Files that cannot be used


def test_bytes_that_are_no_utf8_part_words(corpus):
    write(corpus / "music" / "latin", "drum caf\xe9 song".encode("latin-1"))
    documents = load(corpus)
    place = documents.example_names.index("music/latin")
    assert documents[place].sum() == 2 and documents.skipped == []


def test_files_without_words_are_named_skipped_and_counted(corpus):
    write(corpus / "music" / "empty.txt", "")
    write(corpus / "music" / "numbers.txt", "1 2 3")
    write(corpus / "ships" / "picture.png", b"\x89PNG\r\n\0\0\0")
    write(corpus / "ships" / ".hidden", "sail")
    with pytest.warns(UserWarning, match="3 of 63 documents cannot be used") as record:
        documents = load(corpus)
    assert len(record) == 1 and record[0].filename == __file__
    assert len(documents) == 60
    reasons = dict(documents.skipped)
    assert reasons[str(corpus / "music/empty.txt")] == "no words in it"
    assert "zero bytes" in reasons[str(corpus / "ships/picture.png")]


def test_nothing_but_files_without_words(tmp_path):
    for name in ("a/1", "b/1"):
        write(tmp_path / name, "")
    with pytest.raises(ValueError, match="2 of 2 documents cannot be used"):
        load(tmp_path)


def test_no_word_is_left(tmp_path):
    for name in ("a/1", "a/2", "b/1", "b/2"):
        write(tmp_path / name, "the same words")
    with pytest.raises(ValueError, match="No word is left.*Received: 4 training"):
        load(tmp_path)


def test_one_class_is_none(corpus):
    for path in (corpus / "music").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="two or more subfolders.*Received: "):
        load(corpus)


def test_documents_beside_the_classes(corpus):
    write(corpus / "notes.txt", "a song")
    with pytest.raises(ValueError, match="none beside them"):
        load(corpus)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("folder:nowhere", FileNotFoundError, "There is no folder nowhere"),
        ("nowhere", ValueError, "by 'folder:PATH'. Received: 'nowhere'"),
        ("mnist", ValueError, "by 'folder:PATH'. Received: 'mnist'"),
    ],
)
def test_missing_folders(name, error, message):
    with pytest.raises(error, match=message):
        datasets.load_documents(name)


def test_an_empty_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no document in"):
        load(tmp_path)


def test_empty_and_unknown_splits(corpus):
    with pytest.raises(FileNotFoundError, match="No document .*'test' split"):
        load(corpus, "test")
    with pytest.raises(ValueError, match="`split` must be.*'all'"):
        load(corpus, "all")
