"""Tables of what `evaluate.py` measured, for `make_tables.py`."""

import dataclasses

from table_formats import (
    format_number,
    format_protocols,
    format_table,
    format_training,
    load_results,
)

from gen_keras import presets


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure of a result.

    Attributes:
        metric: String, the key of `evaluate.py`'s metrics.
        key: String, the key in it.
        title: String, with the unit.
        form: Format of the number, such as "{:.1%}".
        real: Keys of the same figure of real images; empty if there is none.
        error: String, the key of the standard error; empty if there is none.
    """

    metric: str
    key: str
    title: str
    form: str = "{:.2f}"
    real: tuple = ()
    error: str = ""


PUBLISHED = [
    *presets.table(),
    *("mnist_classifier", "emoji_vendors_classifier", "emoji_features"),
]
REAL, TRAINING = "real_images", "training_images"
# Of samples: a column each.
SAMPLES = [
    Figure(
        "classifier", "confident_share", "sure", "{:.1%}", (REAL, "confident_share")
    ),
    Figure(
        "classifier", "uniform_factor", "class factor", real=(REAL, "uniform_factor")
    ),
    Figure("frechet_distance", "samples", "Fréchet", real=(TRAINING,)),
    Figure(
        "kernel_distance",
        "distance",
        "kernel",
        "{:.3f}",
        (TRAINING, "distance"),
        "standard_error",
    ),
    Figure(
        "precision_recall", "precision", "precision", "{:.2f}", (TRAINING, "precision")
    ),
    Figure("precision_recall", "recall", "recall", "{:.2f}", (TRAINING, "recall")),
    Figure("density_coverage", "density", "density", "{:.2f}", (TRAINING, "density")),
    Figure(
        "density_coverage", "coverage", "coverage", "{:.2f}", (TRAINING, "coverage")
    ),
    Figure("neighbors", "copy_share", "copies", "{:.1%}", (REAL, "copy_share")),
    Figure(
        "memorization",
        "share",
        "nearer to training",
        "{:.1%}",
        ("validation_images", "share"),
    ),
]
# All others: a row each.
FIGURES = [
    Figure("accuracy", "accuracy", "accuracy", "{:.2%}", error="standard_error"),
    Figure("stacked_modes", "modes", "modes of 1,000 stacks", "{:,}", (REAL, "modes")),
    Figure(
        "stacked_modes",
        "reverse_kl",
        "divergence from all stacks equally often, nats",
        real=(REAL, "reverse_kl"),
    ),
    Figure(
        "class_consistency",
        "share",
        "samples of the class asked for",
        "{:.1%}",
        (REAL, "share"),
        "standard_error",
    ),
    Figure(
        "class_diversity",
        "mean_similarity",
        "MS-SSIM within classes",
        "{:.3f}",
        (REAL, "mean_similarity"),
    ),
    Figure("retrieval", "top_1", "drawings that find their like", "{:.1%}"),
    Figure(
        "categories",
        "error",
        "test images whose category is not of their digit",
        "{:.1%}",
        error="standard_error",
    ),
    Figure(
        "encoder",
        "neighbor_error",
        "error of the nearest neighbour by the encoder's features",
        "{:.1%}",
        error="standard_error",
    ),
    Figure(
        "encoder",
        "neighbor_error_of_latents",
        "error of the nearest neighbour by latents",
        "{:.1%}",
    ),
    Figure(
        "encoder",
        "neighbor_error_of_pixels",
        "error of the nearest neighbour by pixels",
        "{:.1%}",
    ),
    Figure(
        "encoder", "reconstruction_error", "square error of reconstructions", "{:.4f}"
    ),
    Figure(
        "encoder",
        "other_digits",
        "reconstructions taken for another digit",
        "{:.1%}",
    ),
    Figure("neighbors", "distinct", "different nearest training images", "{:,}"),
    Figure(
        "neighbors",
        "mean_distance",
        "mean distance to the nearest training image",
        real=(REAL, "mean_distance"),
    ),
    Figure(
        "bounds",
        "negative_iwae_bound",
        "IWAE bound of the NLL, nats",
        error="negative_iwae_bound_standard_error",
    ),
    Figure(
        "bounds",
        "negative_elbo",
        "negative ELBO, nats",
        error="negative_elbo_standard_error",
    ),
    Figure("likelihood", "nll", "NLL, nats", error="log_partition_standard_error"),
    Figure("likelihood", "train_nll", "NLL of training images, nats"),
    Figure(
        "likelihood",
        "nll_bound",
        "upper bound of the NLL, nats",
        error="log_partition_standard_error",
    ),
    Figure(
        "likelihood",
        "nll_bound_summed_out",
        "the same, odd layers summed out, nats",
    ),
    Figure("likelihood", "train_nll_bound", "upper bound for training images, nats"),
    Figure(
        "likelihood",
        "backwards_gap",
        "by how much more backwards, nats",
        "{:+.2f}",
    ),
    Figure("classification", "error", "test error", "{:.2%}", error="standard_error"),
    Figure("codes", "precision_at_10", "precision at 10 by codes", "{:.1%}"),
    Figure("codes", "mean_average_precision", "mean average precision", "{:.1%}"),
    Figure("codes", "reconstruction", "reconstruction from codes, nats"),
]

# Tables -------------------------------------------------------------------------------


def make_figures_table(config):
    """Returns the figures of each preset that has results, and how they were made."""
    results = {
        name: result
        for name, result in load_results(config.results, PUBLISHED).items()
        if "translation" not in result["metrics"]
    }
    rows = [
        [
            f"[`{name}`](training/results/{name}.json)",
            figure.title,
            format_figure(result["metrics"], figure),
            format_compared(result["metrics"], figure),
            format_real(result["metrics"], figure),
        ]
        for name, result in results.items()
        for figure in FIGURES
        if figure.key in result["metrics"].get(figure.metric, {})
    ]
    header = ["Preset", "Figure", "Value", "Before float16", "Real images"]
    # A column without any value is left out.
    kept = [i for i in range(len(header)) if i < 3 or any(row[i] for row in rows)]
    table = format_table(
        [header[i] for i in kept], [[r[i] for i in kept] for r in rows]
    )
    shown = {figure.metric for figure in FIGURES} - {"neighbors"} | {"compared"}
    return table + format_protocols(results, shown) + format_training(results)


def make_samples_table(config):
    """Returns figures of samples, a row for each preset and one for real images."""
    results = {
        name: result
        for name, result in load_results(config.results, presets.table()).items()
        if {"neighbors", "kernel_distance"} & set(result["metrics"])
        and "translation" not in result["metrics"]
    }
    rows = []
    for dataset in dict.fromkeys(presets.table()[name]["dataset"] for name in results):
        own = {
            k: r for k, r in results.items() if presets.table()[k]["dataset"] == dataset
        }
        rows += [
            [f"[`{name}`](training/results/{name}.json)"]
            + [
                format_if_there(result["metrics"], each, format_figure)
                for each in SAMPLES
            ]
            for name, result in own.items()
        ]
        metrics = next(iter(own.values()))["metrics"]
        rows.append(
            [f"{dataset}: real images"]
            + [format_if_there(metrics, each, format_real) for each in SAMPLES]
        )
    header = ["Preset", *(figure.title for figure in SAMPLES)]
    shown = {figure.metric for figure in SAMPLES}
    return format_table(header, rows) + format_protocols(results, shown)


def format_if_there(metrics, figure, form):
    """Returns what `form` makes of a figure, or nothing if it was not measured."""
    is_there = figure.key in metrics.get(figure.metric, {})
    return form(metrics, figure) if is_there else ""


def format_figure(metrics, figure):
    """Returns the value of a figure, with its standard error if there is one."""
    values = metrics[figure.metric]
    text = format_number(values[figure.key], figure.form)
    if figure.error in values:
        text += f" ± {format_number(values[figure.error], figure.form)}"
    return text


def format_compared(metrics, figure):
    """Returns the value before the weights were stored in float16, or nothing."""
    compared = metrics.get("compared", {})
    found = figure.key in compared.get(figure.metric, {})
    return format_figure(compared, figure) if found else ""


def format_real(metrics, figure):
    """Returns the same figure of real images, or nothing."""
    if not figure.real:
        return ""
    value = metrics[figure.metric]
    for key in figure.real:
        value = value[key]
    return format_number(value, figure.form)
