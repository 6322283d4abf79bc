r"""Makes documents in classes of an index of Debian's packages, to measure on.

    python training/make_package_corpus.py --packages Packages.xz \
        --descriptions Translation-en.bz2

The two files lie on each mirror of Debian, such as https://deb.debian.org/debian, below
`dists/bookworm/main`: `binary-amd64/Packages.xz` and `i18n/Translation-en.bz2`. On a
Debian machine apt may have them already: `apt-helper cat-file FILE` unpacks what is in
`/var/lib/apt/lists`.

A document is the description of a package, short and long, its class the package's
section: games, sound, science and so on. Sections that say what form a package has and
not what it is about are left out, such as libs and doc. Packages that are made of one
source describe it in the same words, so that only one of them is taken. The
descriptions are under the licences of their packages.
"""

import bz2
import collections
import dataclasses
import gzip
import hashlib
import lzma
import pathlib
import re

import script_helpers
from script_helpers import flag, parse_flags

OPENERS = {".xz": lzma.open, ".bz2": bz2.open, ".gz": gzip.open}
# Sections of what is not a topic.
FORMS = (
    *("debug", "devel", "doc", "introspection", "libdevel", "libs", "localization"),
    *("metapackages", "misc", "oldlibs", "tasks", "utils"),
)


@dataclasses.dataclass
class Config:
    """Flags."""

    packages: str = flag("runs/Packages.xz", "an index; .xz, .bz2, .gz or plain text")
    descriptions: str = flag("runs/Translation-en.bz2", "its English descriptions")
    out: str = flag("runs/packages", "folder for the documents, one folder a class")
    num_sections: int = flag(20, "classes: the sections of most sources")
    max_documents: int = flag(500, "of a class")


def read_records(path):
    """Yields the records of an index, each a dict of its fields."""
    path = pathlib.Path(path)
    with OPENERS.get(path.suffix, open)(path, "rt", encoding="utf-8") as file:
        for record in re.split(r"\n\n+", file.read()):
            fields = re.findall(r"^([\w-]+): ?(.*(?:\n[ \t].*)*)", record, re.M)
            if fields:
                yield dict(fields)


def read_documents(packages, descriptions):
    """Returns the sections: each a dict of sources' names and their descriptions."""
    texts = {
        record["Description-md5"]: record["Description-en"]
        for record in read_records(descriptions)
        if "Description-en" in record
    }
    chosen = {}
    for record in read_records(packages):
        source = record.get("Source", record["Package"]).split()[0]
        text = texts.get(record.get("Description-md5"))
        section = record.get("Section", "").split("/")[-1]
        if text is None or section in ("", *FORMS):
            continue
        # The one that is called as its source, or else the first of them.
        candidate = record["Package"] != source, record["Package"], section, text
        chosen[source] = min(chosen.get(source, candidate), candidate)
    sections = collections.defaultdict(dict)
    seen = set()
    for source, (*_, section, text) in sorted(chosen.items()):
        if text not in seen:
            seen.add(text)
            sections[section][source] = text
    return sections


def choose(sections, config):
    """Returns the largest sections, each with so many of its documents at most.

    Which ones the hash of their names decides, so that none of the alphabet lacks.
    """
    largest = sorted(sections, key=lambda name: (-len(sections[name]), name))
    return {
        section: {
            source: sections[section][source]
            for source in sorted(sections[section], key=hash_of)[: config.max_documents]
        }
        for section in sorted(largest[: config.num_sections])
    }


def hash_of(name):
    """Returns a number that is the same on every machine."""
    return hashlib.sha256(name.encode("utf-8")).digest()


def main(config):
    """Writes the documents; returns their folder."""
    with script_helpers.one_line_errors():
        folder = pathlib.Path(config.out)
        if folder.exists():
            raise FileExistsError(f"There is a folder {folder} already. Name another.")
        sections = choose(read_documents(config.packages, config.descriptions), config)
        if not sections:
            raise ValueError(
                "No package has a section and an English description. "
                f"Received: --packages {config.packages} "
                f"--descriptions {config.descriptions}"
            )
        for section, documents in sections.items():
            (folder / section).mkdir(parents=True)
            for source, text in documents.items():
                (folder / section / f"{source}.txt").write_text(text, "utf-8")
        count = sum(map(len, sections.values()))
        print(f"Wrote {count:,} documents in {len(sections)} classes to {folder}.")
    return folder


if __name__ == "__main__":
    main(parse_flags(Config))
