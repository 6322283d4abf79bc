"""How tables, numbers and protocols look in Markdown."""

import json
import pathlib


def format_table(header, rows):
    """Returns a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def format_number(value, form):
    """Returns a number in the given form; JSON has null for infinity."""
    return "∞" if value is None else form.format(value)


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


def format_training(results):
    """Returns a list of the commands that trained the presets."""
    lines = [
        f"- `{name}`: `{result['training']}`\n"
        for name, result in results.items()
        if "training" in result
    ]
    return "".join(["\nTrained by:\n\n", *lines] if lines else [])
