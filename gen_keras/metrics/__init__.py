"""Metrics of generative models. All take and return NumPy arrays."""

from gen_keras.metrics.annealed_importance_sampling import (
    LogPartition,
    annealed_importance_sampling,
    base_rate_bias,
    exact_log_partition,
    linear_schedule,
    log_sum_over_states,
    reference_schedule,
    reverse_annealing,
)
from gen_keras.metrics.classifier_scores import (
    ClassConsistency,
    ClassifierScores,
    class_consistency,
    class_entropy,
    classifier_scores,
    uniform_factor,
)
from gen_keras.metrics.completions import CompletionDiversity, completion_diversity
from gen_keras.metrics.density_coverage import DensityCoverage, density_coverage
from gen_keras.metrics.frechet_distance import (
    frechet_distance,
    gaussian_frechet_distance,
)
from gen_keras.metrics.kernel_distance import (
    KernelDistance,
    kernel_distance,
    kernel_distance_with_error,
)
from gen_keras.metrics.mode_coverage import (
    MixtureModes,
    StackedModes,
    classify_channels,
    mixture_modes,
    stacked_modes,
)
from gen_keras.metrics.ms_ssim import (
    ClassDiversity,
    class_diversity,
    max_scales,
    ms_ssim,
)
from gen_keras.metrics.nearest_neighbors import (
    Copies,
    Memorization,
    Neighbors,
    copy_threshold,
    count_copies,
    memorization,
    nearest_neighbors,
)
from gen_keras.metrics.networks import (
    extract_features,
    load_classifier,
    load_feature_network,
)
from gen_keras.metrics.precision_recall import PrecisionRecall, precision_recall
from gen_keras.metrics.representations import match_categories, neighbor_error
from gen_keras.metrics.retrieval import (
    average_precision,
    bootstrap_interval,
    precision_at,
    retrieval_ranks,
)
from gen_keras.metrics.sample_metrics import SampleMetrics, draw_samples, to_unit_range
