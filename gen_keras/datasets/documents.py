"""Your own documents: a folder of text files, one folder a class, as counts of words.

A word is two or more letters in a row, in lower case. The vocabulary is chosen by the
number of training documents that have a word, whatever the language: it takes the most
frequent words, but for those that are so frequent that they tell of no topic.
"""

import collections
import re
import unicodedata

import numpy as np

from gen_keras.datasets import folders
from gen_keras.datasets.dataset import Dataset
from gen_keras.datasets.loading import SPLITS

DOCUMENTS = folders.Kind("document")


class Documents(Dataset):
    """Documents as counts of the words of a vocabulary.

    `documents[indices]` gives the counts at a 1-D array of positions (or a slice) as
    float32 of shape `(n, num_words)`; `documents[3]` gives those of one document. See
    `Dataset` for `labels`, `label_names`, `example_names`, `skipped`, `take` and
    `batches`.

    Args:
        words: List of lists of strings, the words of each document.
        vocabulary: List of strings, the words that are counted.
        **options: See `Dataset`.

    Attributes:
        vocabulary: As above.
    """

    def __init__(self, words, vocabulary, **options):
        self.vocabulary = list(vocabulary)
        super().__init__(_WordCounts(words, vocabulary), **options)

    @property
    def counts(self):
        """All counts in one float32 array `(n, num_words)`, made when asked for."""
        return self.images


def load_documents(
    name,
    split="train",
    num_words=2000,
    max_share=0.5,
    validation_fraction=0.1,
    test_fraction=0.1,
):
    """Returns the documents of a folder with one subfolder a class.

    Each file is a document, but for those whose names begin with a dot. It is read as
    UTF-8; bytes that are none part words. Files without a word, and what is no text
    (it has zero bytes), are named in a warning and left out. Splits are made as those
    of images, see `folders.load_folder`: by the file's name, or by subfolders `train`,
    `validation` and `test`.

    Args:
        name: String, `folder:PATH`.
        split: `"train"`, `"validation"` or `"test"`. The vocabulary is that of the
            training split in each.
        num_words: Integer, see `choose_vocabulary`.
        max_share: Float, see `choose_vocabulary`.
        validation_fraction: Float in [0, 1), the share of files of the validation
            split.
        test_fraction: Float in [0, 1), the share of files of the test split.

    Returns:
        `Documents`.

    Raises:
        FileNotFoundError: If the folder, or documents in it, are missing.
        ValueError: If an argument is wrong, there are not two classes, or no file or no
            word can be used.

    Example:
    ```python
    documents = datasets.load_documents("folder:letters", "validation")
    documents.counts  # (num_documents, 2000), float32
    ```
    """
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {SPLITS}. Received: split={split!r}")
    path, fractions = _path_of(name), (validation_fraction, test_fraction)
    files, words, skipped, num_files = _read_split(path, split, fractions)
    training_words = words
    if split != "train":
        _, training_words, _, _ = _read_split(path, "train", fractions)
    folders.warn_of_skipped(skipped, num_files, DOCUMENTS, stacklevel=3)
    labels, label_names = folders.subfolder_labels(path, files, DOCUMENTS)
    if labels is None:
        raise ValueError(
            "Documents must lie in two or more subfolders, one a class, and none "
            f"beside them. Received: {path}"
        )
    return Documents(
        words,
        choose_vocabulary(training_words, num_words, max_share),
        name=str(name),
        split=split,
        labels=labels,
        label_names=label_names,
        example_names=files,
        skipped=skipped,
    )


def choose_vocabulary(words, num_words=2000, max_share=0.5):
    """Returns the words that most documents have, the most frequent first.

    Words that too many documents have are left out, such as "the", and words of a
    single document, by which no other can be found. Of equally frequent words the first
    by the alphabet are taken.

    Args:
        words: List of lists of strings, the words of each document.
        num_words: Integer, how many are taken at most.
        max_share: Float in (0, 1], the share of the documents that may have a word.

    Returns:
        List of strings.

    Raises:
        ValueError: If an argument is out of range, or no word is left.
    """
    if num_words < 1 or not 0 < max_share <= 1:
        raise ValueError(
            "`num_words` must be at least 1, and `max_share` above 0 and at most 1. "
            f"Received: num_words={num_words}, max_share={max_share}"
        )
    frequencies = collections.Counter(w for document in words for w in set(document))
    known = [w for w, n in frequencies.items() if 2 <= n <= max_share * len(words)]
    if not known:
        raise ValueError(
            "No word is left: each is in a single document, or in more of them than "
            f"`max_share`. Received: {len(words)} training documents, {max_share=}"
        )
    return sorted(known, key=lambda word: (-frequencies[word], word))[:num_words]


def split_words(text):
    """Returns the words of a text: two or more letters in a row, in lower case."""
    return re.findall(r"[^\W\d_]{2,}", unicodedata.normalize("NFKC", text).lower())


def count_words(texts, vocabulary):
    """Returns how often each word of a vocabulary is in each text.

    Args:
        texts: List of strings.
        vocabulary: List of strings, such as `Documents.vocabulary`.

    Returns:
        float32 array `(num_texts, num_words)`.
    """
    counts = _WordCounts([split_words(text) for text in texts], vocabulary)
    return counts[range(len(counts))]


class _WordCounts:
    """Looks like an array `(n, num_words)`; most of it is 0 and not kept."""

    def __init__(self, words, vocabulary):
        places = {word: place for place, word in enumerate(vocabulary)}
        self._documents = [
            np.array([places[word] for word in document if word in places], "int32")
            for document in words
        ]
        self.shape = len(words), len(vocabulary)

    def __len__(self):
        return len(self._documents)

    def __getitem__(self, positions):
        counts = np.zeros((len(positions), self.shape[1]), "float32")
        for row, position in zip(counts, positions, strict=True):
            row += np.bincount(self._documents[position], minlength=len(row))
        return counts


# Files


def _path_of(name):
    kind, _, path = str(name).partition(":")
    if kind != "folder" or not path:
        raise ValueError(f"Documents are loaded by 'folder:PATH'. Received: {name!r}")
    return path


def _read_split(path, split, fractions):
    """Returns names and words of the files of a split, those skipped, how many all."""
    folder, files = folders.files_of_split(path, split, *fractions, kind=DOCUMENTS)
    words, skipped = {}, []
    for file in files:
        try:
            words[file] = _read_words(folder / file)
        except (OSError, ValueError) as error:
            skipped.append((str(folder / file), folders.reason_of(error)))
    return list(words), list(words.values()), skipped, len(files)


def _read_words(path):
    data = path.read_bytes()
    if b"\0" in data:
        raise ValueError("not a text in UTF-8: it has zero bytes")
    words = split_words(data.decode("utf-8", errors="replace"))
    if not words:
        raise ValueError("no words in it")
    return words
