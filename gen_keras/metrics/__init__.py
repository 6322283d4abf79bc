"""Metrics of generative models. All take and return NumPy arrays."""

from gen_keras.metrics.annealed_importance_sampling import (
    LogPartition,
    annealed_importance_sampling,
    base_rate_bias,
    exact_log_partition,
    linear_schedule,
    reference_schedule,
)
from gen_keras.metrics.classifier_scores import (
    ClassifierScores,
    class_entropy,
    classifier_scores,
    uniform_factor,
)
from gen_keras.metrics.frechet_distance import (
    frechet_distance,
    gaussian_frechet_distance,
)
from gen_keras.metrics.kernel_distance import kernel_distance
from gen_keras.metrics.nearest_neighbors import (
    Copies,
    Neighbors,
    copy_threshold,
    count_copies,
    nearest_neighbors,
)
from gen_keras.metrics.networks import (
    extract_features,
    load_classifier,
    load_feature_network,
)
from gen_keras.metrics.precision_recall import PrecisionRecall, precision_recall
from gen_keras.metrics.retrieval import bootstrap_interval, retrieval_ranks
