"""Retrieval of documents, and what it is compared with: weighted words, and LSA."""

import numpy as np
import retrieval_figures


def measure_retrieval(
    features, labels, database_features, database_labels, num_considered=10
):
    """Returns how many of the nearest documents are of a document's class.

    The nearest are those of the largest cosine, of codes of -1 and 1 those that differ
    in the fewest bits. Documents as near as each other come in a random order.

    Args:
        features: Array (num_queries, num_features).
        labels: Integer array (num_queries,).
        database_features: Array (num_documents, num_features), what is searched.
        database_labels: Integer array (num_documents,).
        num_considered: Integer, how many of the nearest count.

    Returns:
        Dict, see `retrieval_figures.summarize`.
    """
    order = np.random.default_rng(0).permutation(len(database_labels))
    cosines = scale_rows(features) @ scale_rows(database_features[order]).T
    # Rounding must not part what is equally near.
    ranking = np.argsort(-cosines.round(6), axis=1, kind="stable")
    relevant = database_labels[order][ranking] == labels[:, None]
    return retrieval_figures.summarize([relevant], num_considered)


def scale_rows(features):
    """Returns vectors of length 1; those of length 0 stay."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1)


def weigh_words(counts, training_counts):
    """Returns tf-idf vectors: log(1 + count), times how rare the word is, of length 1.

    Args:
        counts: Array (num_documents, num_words).
        training_counts: Array (num_training_documents, num_words), by which it is told
            how rare a word is.

    Reference:
        Manning, Raghavan and Schütze, Introduction to Information Retrieval, 2008,
        section 6.4.
    """
    frequencies = (training_counts > 0).sum(axis=0)
    rareness = 1 + np.log((1 + len(training_counts)) / (1 + frequencies))
    return scale_rows(np.log1p(counts) * rareness)


def find_topics(vectors, num_topics):
    """Returns the first right singular vectors (num_words, num_topics): LSA.

    Args:
        vectors: Array (num_documents, num_words), such as `weigh_words` returns.
        num_topics: Integer.

    Reference:
        Deerwester et al., Indexing by Latent Semantic Analysis, 1990.
    """
    _, directions = np.linalg.eigh((vectors.T @ vectors).astype("float64"))
    return directions[:, ::-1][:, :num_topics].astype("float32")


def make_codes(features, threshold):
    """Returns bits as -1 or 1: whether each feature is above a threshold."""
    return np.where(features > threshold, 1.0, -1.0)


def baseline_features(counts, training_counts, num_topics):
    """Returns what features are compared with, of documents and of the training ones.

    Args:
        counts: Array (num_documents, num_words).
        training_counts: Array (num_training_documents, num_words).
        num_topics: Integer, of LSA.

    Returns:
        Dict of pairs of arrays: "words", "tf-idf" and "LSA".
    """
    pair = counts, training_counts
    weighted = tuple(weigh_words(each, training_counts) for each in pair)
    topics = find_topics(weighted[1], num_topics)
    return {
        "words": pair,
        "tf-idf": weighted,
        "LSA": tuple(vectors @ topics for vectors in weighted),
    }
