"""Writes the tables of the READMEs from the models, the presets and their results.

    python training/make_tables.py
    python training/make_tables.py --check   # exit status 1 if one is stale

A table stands between `<!-- table:NAME -->` and `<!-- /table -->`. NAME is `models` (a
row for each class), `figures` and `translation` (what `training/evaluate.py` measured,
and how), `modes` (what `training/measure_modes.py` counted), `claim-NAME` (what
`training/claims/NAME.py` found), `speed` or `variants` (what `training/benchmark.py`
measured, of the models in general and of the GANs).
"""

import dataclasses
import functools
import inspect
import json
import pathlib
import re
import sys

import claim_tables
from script_helpers import flag, parse_flags
from table_formats import format_number, format_table

from gen_keras import models, presets

ROOT = pathlib.Path(__file__).parent.parent
MARKED = re.compile(
    r"(?P<start><!-- table:(?P<name>[\w-]+) -->\n).*?(?P<end><!-- /table -->)",
    re.DOTALL,
)
FAMILIES = {
    "gans": "generative adversarial network",
    "vaes": "variational autoencoder",
    "autoencoders": "autoencoder",
    "boltzmann_machines": "Boltzmann machine",
    "autoregressive": "autoregressive model",
    "flows": "flow",
    "diffusion": "diffusion model",
}


@dataclasses.dataclass
class Config:
    """Flags."""

    check: bool = flag(False, "write nothing; exit with status 1 if anything is stale")
    readme: str = flag("", "a file with tables; by default all READMEs")
    results: str = flag(str(ROOT / "training/results"), "the folder of JSON files")


@dataclasses.dataclass(frozen=True)
class Figure:
    """One row of the table of figures.

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


PUBLISHED = [*presets.table(), "mnist_classifier", "emoji_vendors_classifier"]
REAL, TRAINING = "real_images", "training_images"
FIGURES = [
    Figure("accuracy", "accuracy", "accuracy", "{:.2%}", error="standard_error"),
    Figure(
        "classifier",
        "confident_share",
        "samples a classifier is sure of",
        "{:.1%}",
        (REAL, "confident_share"),
    ),
    Figure(
        "classifier",
        "uniform_factor",
        "greatest factor between a class and an equal share",
        real=(REAL, "uniform_factor"),
    ),
    Figure("frechet_distance", "samples", "Fréchet distance", real=(TRAINING,)),
    Figure(
        "kernel_distance",
        "distance",
        "kernel distance",
        "{:.3f}",
        (TRAINING, "distance"),
        "standard_error",
    ),
    Figure(
        "precision_recall", "precision", "precision", "{:.3f}", (TRAINING, "precision")
    ),
    Figure("precision_recall", "recall", "recall", "{:.3f}", (TRAINING, "recall")),
    Figure("density_coverage", "density", "density", "{:.3f}", (TRAINING, "density")),
    Figure(
        "density_coverage", "coverage", "coverage", "{:.3f}", (TRAINING, "coverage")
    ),
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
        "error of the nearest neighbour among latents",
        "{:.1%}",
        error="standard_error",
    ),
    Figure(
        "encoder",
        "neighbor_error_of_pixels",
        "error of the nearest neighbour among pixels",
        "{:.1%}",
    ),
    Figure(
        "encoder", "reconstruction_error", "square error of reconstructions", "{:.4f}"
    ),
    Figure("neighbors", "distinct", "different nearest training images", "{:,}"),
    Figure(
        "neighbors",
        "copy_share",
        "copies of training images",
        "{:.1%}",
        (REAL, "copy_share"),
    ),
    Figure(
        "neighbors",
        "mean_distance",
        "mean distance to the nearest training image",
        real=(REAL, "mean_distance"),
    ),
    Figure(
        "memorization",
        "share",
        "nearer to a training image than to an unseen one",
        "{:.1%}",
        ("validation_images", "share"),
        "standard_error",
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
]

# Tables -------------------------------------------------------------------------------


def make_models_table(config):
    """Returns a row for each public class: its family, paper, script and presets."""
    rows = []
    for name, cls in sorted(inspect.getmembers(models, inspect.isclass)):
        _, _, family, module = cls.__module__.split(".")
        script = f"training/train_{module}.py"
        known = {k: v for k, v in presets.table().items() if v["model"] == name}
        papers = {f"[{row['paper']}]({row['url']})": None for row in known.values()}
        papers = papers or [reference_of(sys.modules[cls.__module__])]
        rows.append(
            [
                f"[`{name}`](gen_keras/models/{family}/{module}.py)",
                FAMILIES.get(family, family),
                ", ".join(papers),
                f"[{script}]({script})",
                ", ".join(f"`{preset}`" for preset in known),
            ]
        )
    return format_table(["Class", "Family", "Paper", "Script", "Presets"], rows)


def reference_of(module):
    """Returns the last reference of a module's docstring as a link."""
    *_, (authors, year, url) = re.findall(
        r"([^\n,]+), [^.]*?(\d{4})\.\s+(https?://\S+)", module.__doc__
    )
    return f"[{authors.strip()}, {year}]({url})"


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
    return table + format_protocols(results) + format_training(results)


def make_translation_table(config):
    """Returns error, retrieval and realism of translators beside their baselines."""
    rows, results = [], {}
    for source, names in TRANSLATIONS.items():
        found = load_results(config.results, names)
        results |= found
        for baseline, title in BASELINES.items() if found else ():
            metrics = next(iter(found.values()))["metrics"]
            rows.append([f"{source}: {title}", *format_translation(metrics, baseline)])
        for name, result in found.items():
            link = f"{source}: [{names[name]}](training/results/{name}.json)"
            rows.append([link, *format_translation(result["metrics"], "outputs")])
            learns_pairs = "stochastic" in result["metrics"]["translation"]
            for variant, title in VARIANTS.items() if learns_pairs else ():
                cells = format_translation(result["metrics"], variant)
                rows.append([f"{source}: {names[name]}, {title}", *cells])
    header = ["To Twemoji", "Error", "Top 1", "Top 5", "Kernel distance"]
    header += ["Taken for Twemoji", "Error after the circle"]
    shown = ("translation", "cycle", "kernel_distance", "vendor")
    table = format_table(header, rows)
    return table + format_protocols(results, shown) + format_training(results)


def format_translation(metrics, subject):
    """Returns the cells of the outputs, or of a baseline where it has figures."""
    score = metrics["translation"].get(subject)
    cells = [
        format_interval(score, key, form) if score else ""
        for key, form in (
            ("mean_absolute_error", "{:.3f}"),
            ("top_1", "{:.1%}"),
            ("top_5", "{:.1%}"),
        )
    ]
    for metric, form in (("kernel_distance", "{:.2f}"), ("vendor", "{:.1%}")):
        values = metrics.get(metric, {}).get("a_to_b", {})
        if subject == "real":  # Other real images, and the real ones themselves.
            value = values.get("training_images", values.get("real_images"))
        else:
            value = values.get(subject)
        cells.append("" if value is None else form.format(value))
    circle = metrics.get("cycle") if subject == "outputs" else None
    return [*cells, f"{circle['a_to_b']:.3f}" if circle else ""]


def format_interval(values, key, form):
    """Returns a value with its interval."""
    low, high = (form.format(value) for value in values[f"{key}_interval"])
    return f"{form.format(values[key])} ({low}–{high})"


# File names of results, and their models.
TRANSLATIONS = {
    "Noto": {
        "pix2pix_noto2twemoji": "pix2pix",
        "cyclegan_noto2twemoji": "CycleGAN",
        "discogan_noto2twemoji": "DiscoGAN",
        "cyclegan_without_cycle": "CycleGAN's adversarial loss alone",
    },
    "Drawing": {"pix2pix_edges2twemoji": "pix2pix"},
}
BASELINES = {
    "input": "unchanged",
    "nearest_training_pair": "target of the nearest training input",
    "mean_of_both": "mean of these two",
    "real": "real Twemoji",
}
VARIANTS = {
    "stochastic": "with noise",
    "training_pairs": "of what it was trained on",
}


def make_speed_table(config):
    """Returns the ratios of training steps, and what else the benchmark measured."""
    path = pathlib.Path(config.results) / "benchmark.json"
    if not path.is_file():
        return ""
    metrics = json.loads(path.read_text("utf-8"))["metrics"]
    steps, epoch, app, start, translation = (metrics[part] for part in "abcde")
    names = list(epoch["settings"])
    steps = {name: value for name, value in steps.items() if isinstance(value, dict)}
    rows = [
        [f"{model.upper()}, a step: ours / {other}"]
        + [format_ratio(ratios[name].get(key)) for name in names]
        for model, ratios in steps.items()
        for key, other in (("ratio", "by hand"), ("native_ratio", "native networks"))
    ]
    if "f" in metrics:
        example = metrics["f"]["example"]
        rows += [
            ["DCGAN, a step: ours / PyTorch's example"]
            + [
                format_ratio(example.get(name, {}).get("example_ratio"))
                for name in names
            ]
        ]
    rows += [
        [f"RBM, an epoch: {title}"]
        + [format_ratio(epoch["settings"][name][key]) for name in names]
        for title, key in (
            ("scikit-learn / ours", "sklearn_ratio"),
            ("ours / its matrix products", "products_ratio"),
        )
    ]
    seconds = start["median_seconds"]
    worst, slowest = (
        part["worst_p95_milliseconds"] / 1000 for part in (app, translation)
    )
    photo = translation["photo"]
    return (
        format_table(["Ratio of times", *map(SETTINGS.get, names)], rows)
        + f"""
- 16 samples through the app, 95 of 100 requests, slowest preset: {worst:.2f} s.
- A translation through the app, with four variants (pix2pix) or back again (CycleGAN),
  95 of 100 requests, slowest preset: {slowest:.2f} s. There and back with a photo of
  {photo["side"]} × {photo["side"]} pixels: {photo["seconds"]:.0f} s and
  {photo["peak_gigabytes"]:.1f} GB of memory.
- Start of the app to its first page: {seconds["page"]:.1f} s.
- `import gen_keras` over `import keras`: {seconds["import gen_keras"]:.2f} s.
"""
    )


def make_variants_table(config):
    """Returns the time of a step of each GAN over that of `GAN`, and its memory."""
    path = pathlib.Path(config.results) / "benchmark.json"
    metrics = json.loads(path.read_text("utf-8"))["metrics"] if path.is_file() else {}
    if "f" not in metrics:
        return ""
    ((setting, result),) = metrics["f"]["variants"].items()
    header = ["A step", f"Time / `GAN`'s, {SETTINGS[setting]}"]
    header += ["Variables, MB", "Memory of training, MB"]
    rows = [
        [
            f"`{name}`",
            format_ratio(row["ratio"]),
            f"{row['variable_bytes'] / 1e6:.1f}",
            f"{row['peak_bytes'] / 1e6:.0f}",
        ]
        for name, row in result["models"].items()
    ]
    return format_table(header, rows)


SETTINGS = {
    "tensorflow": "TensorFlow",
    "tensorflow_xla": "with XLA",
    "jax": "JAX",
    "torch": "PyTorch",
}
TABLES = {
    "models": make_models_table,
    "figures": make_figures_table,
    "translation": make_translation_table,
    "speed": make_speed_table,
    "variants": make_variants_table,
    "modes": claim_tables.make_modes_table,
} | {
    f"claim-{name}": functools.partial(claim_tables.make_claim_table, name=name)
    for name in claim_tables.CLAIMS
}
READMES = [ROOT / "README.md", ROOT / "training/claims/README.md"]


def load_results(folder, names):
    """Returns those results that there are, in the order of the names."""
    paths = {name: pathlib.Path(folder) / f"{name}.json" for name in names}
    return {
        name: json.loads(path.read_text("utf-8"))
        for name, path in paths.items()
        if path.is_file()
    }


def format_protocols(results, shown=None):
    """Returns a list of how the figures were made, each protocol once.

    Args:
        results: Dict of names to results.
        shown: Names of metrics; by default all.
    """
    users = {}
    for name, result in results.items():
        for metric, protocol in result["protocol"].items():
            if shown and metric not in shown:
                continue
            users.setdefault((metric, protocol), []).append(f"`{name}`")
    lines = [
        f"- {metric} ({', '.join(names)}): {protocol}\n"
        for (metric, protocol), names in users.items()
    ]
    return "".join(["\n", *lines] if lines else [])


def format_ratio(ratio):
    """Returns a median with its interval; nothing for `None`."""
    if ratio is None:
        return ""
    low, high = ratio["interval"]
    return f"{ratio['median']:.2f} ({low:.2f}–{high:.2f})"


def format_training(results):
    """Returns a list of the commands that trained the presets."""
    lines = [
        f"- `{name}`: `{result['training']}`\n"
        for name, result in results.items()
        if "training" in result
    ]
    return "".join(["\nTrained by:\n\n", *lines] if lines else [])


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


# README -------------------------------------------------------------------------------


def fill_tables(text, config):
    """Returns `text` with its tables written anew.

    Raises:
        ValueError: If a table is unknown, or there is none.
    """

    def fill(match):
        if match["name"] not in TABLES:
            raise ValueError(
                f"A table must be one of {', '.join(TABLES)}. "
                f"Received: table:{match['name']}"
            )
        return match["start"] + TABLES[match["name"]](config) + match["end"]

    filled, count = MARKED.subn(fill, text)
    if not count:
        raise ValueError("There is no `<!-- table:NAME -->` with `<!-- /table -->`.")
    return filled


def main(config):
    """Writes the tables, or checks them; returns whether they were up to date."""
    paths = [pathlib.Path(config.readme)] if config.readme else READMES
    return all([update(path, config) for path in paths])


def update(readme, config):
    """Does the same for one file."""
    name = readme.relative_to(ROOT) if readme.is_relative_to(ROOT) else readme.name
    try:
        text = readme.read_text("utf-8")
        filled = fill_tables(text, config)
    except (OSError, ValueError) as error:
        sys.exit(f"Error: {readme}: {error}")
    if filled == text:
        print(f"{name} is up to date.")
    elif config.check:
        sys.exit(f"{name} is stale. Run: python training/make_tables.py")
    else:
        readme.write_text(filled, "utf-8")
        print(f"Wrote the tables of {name}.")
    return filled == text


if __name__ == "__main__":
    main(parse_flags(Config))
