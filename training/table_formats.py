"""How tables and numbers look in Markdown."""


def format_table(header, rows):
    """Returns a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def format_number(value, form):
    """Returns a number in the given form; JSON has null for infinity."""
    return "∞" if value is None else form.format(value)
