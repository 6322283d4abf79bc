"""Writes the tables of the READMEs from the models, the presets and their results.

    python training/make_tables.py
    python training/make_tables.py --check   # exit status 1 if one is stale

A table stands between `<!-- table:NAME -->` and `<!-- /table -->`. NAME is `models` (a
row for each class), `samples`, `figures` or `translation` (what `training/evaluate.py`
measured, and how), `modes`, `stacked`, `distances`, `likelihoods` or `class-rbms`
(what `measure_modes.py` and the others of that kind found), `claim-NAME` (what
`training/claims/NAME.py` found), `speed` or `variants` (what `training/benchmark.py`
measured, of the models in general and of the GANs).
"""

import dataclasses
import functools
import inspect
import pathlib
import re
import sys

import claim_tables
import figure_tables
import numpy as np
from evaluation import standard_error
from script_helpers import flag, parse_flags
from table_formats import (
    format_protocols,
    format_table,
    format_training,
    load_results,
)

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
    metrics = load_benchmark(config)
    if not metrics:
        return ""
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
    annealing = describe_annealing(metrics["g"]) if "g" in metrics else ""
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
{annealing}"""
    )


def describe_annealing(figures):
    """Returns what annealing takes, and the likelihoods that it finds."""
    seconds = min(figures["seconds"].values())
    ours, sklearn = (
        f"{np.mean(values):.1f} ± {standard_error(np.array(values)):.1f}"
        for values in (figures["nll"]["ours"], figures["nll"]["sklearn"])
    )
    return f"""- log Z of an RBM by 100 chains of 14,500 temperatures: {seconds:.0f} s.
- Held-out digits after five epochs of PCD-1: {ours} nats, by scikit-learn's RBM
  {sklearn}.
"""


def load_benchmark(config):
    """Returns the figures of the benchmark, none if it was not run."""
    result = load_results(config.results, ["benchmark"])
    return result["benchmark"]["metrics"] if result else {}


def make_variants_table(config):
    """Returns the time of a step of each GAN over that of `GAN`, and its memory."""
    metrics = load_benchmark(config)
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
    "samples": figure_tables.make_samples_table,
    "figures": figure_tables.make_figures_table,
    "translation": make_translation_table,
    "speed": make_speed_table,
    "variants": make_variants_table,
    "modes": claim_tables.make_modes_table,
    "distances": claim_tables.make_distances_table,
    "stacked": claim_tables.make_stacked_table,
    "likelihoods": claim_tables.make_likelihoods_table,
    "class-rbms": claim_tables.make_class_rbms_table,
} | {
    f"claim-{name}": functools.partial(claim_tables.make_claim_table, name=name)
    for name in claim_tables.CLAIMS
}
READMES = [ROOT / "README.md", ROOT / "training/claims/README.md"]


def format_ratio(ratio):
    """Returns a median with its interval; nothing for `None`."""
    if ratio is None:
        return ""
    low, high = ratio["interval"]
    return f"{ratio['median']:.2f} ({low:.2f}–{high:.2f})"


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
