"""The models that the pages offer: the presets and one of the server's owner."""

import environment  # noqa: F401, I001 (first)

import dataclasses
import functools
import inspect
import json
import pathlib
import threading
import zipfile

import keras
import numpy as np
from keras import ops

from gen_keras import image_grids, models, presets
from gen_keras.models.base import GenerativeModel, Translator

MAX_SEED = 2**31 - 1
# Images are drawn in blocks of this size, so that image 5 of a seed is the same
# whether 6 or 60 are asked for, and so that a compiled sampler sees one shape.
BLOCK = 16


@dataclasses.dataclass
class Entry:
    """A model that can be chosen: a preset, or one that the server's owner names.

    Attributes:
        name: String, as in the API.
        path: Path of the `.keras` file.
        title: String, as on the pages.
        model_class: String, "DCGAN".
        config: Dict, the arguments of the model, read without loading it.
        dataset: String or `None`, the name of its training data.
        page: String, the name of the page that offers it.
    """

    name: str
    path: pathlib.Path
    title: str
    model_class: str
    config: dict
    dataset: str | None
    page: str = "Sampling"
    lock: threading.RLock = dataclasses.field(default_factory=threading.RLock)

    @functools.cached_property
    def model(self):
        """The loaded model; one for all users."""
        return presets.load(str(self.path))

    @property
    def image_shape(self):
        """Height, width and channels, or `None`."""
        shape = self.config.get("image_shape") or self.config.get("visible_shape")
        return tuple(shape) if shape else None

    @property
    def input_shape(self):
        """Height, width and channels of what a translator takes."""
        height, width, channels = self.image_shape
        return height, width, self.config.get("input_channels") or channels

    @property
    def options(self):
        """Names of the arguments of `sample`, such as "truncation"."""
        return set(inspect.signature(type(self.model).sample).parameters)

    @property
    def has_latents(self):
        """Whether there are latents to walk between."""
        return hasattr(self.model, "sample_latents")

    @property
    def condition(self):
        """The `Condition` that samples can be given, or `None`."""
        for condition in CONDITIONS:
            if condition.count in self.config:
                return condition
        return None

    @property
    def num_categories(self):
        """The classes or categories that can be asked for; 0 if there are none."""
        return self.config[self.condition.count] if self.condition else 0

    @property
    def num_codes(self):
        """The numbers in [-1, 1] that samples can be given."""
        return self.config.get("num_codes", 0)

    def draw(
        self,
        indices,
        seed,
        strength=1.0,
        gibbs_steps=200,
        category=None,
        codes=None,
    ):
        """Returns `(images, latents)` of the samples at `indices`.

        Args:
            indices: List of integers. Sample i depends on the seed, not on how many
                are drawn; the first 16 are those of `model.sample(16, seed)`.
            seed: Integer.
            strength: Float, the truncation or temperature.
            gibbs_steps: Integer, for models that sample by a Markov chain.
            category: Integer, for models with a condition; `None` draws one each.
            codes: Tuple of numbers, for models with codes; `None` draws them.

        Returns:
            uint8 images (len(indices), height, width, channels); latents
            (len(indices), latent_dim), or `None`.
        """
        arguments = seed, strength, gibbs_steps, category, codes
        blocks = {i // BLOCK for i in indices}
        drawn = {block: self._draw_block(block, *arguments) for block in blocks}
        parts = zip(*(drawn[block] for block in sorted(blocks)), strict=True)
        images, latents = parts
        rows = [sorted(blocks).index(i // BLOCK) * BLOCK + i % BLOCK for i in indices]
        images = np.concatenate(images)[rows]
        return images, np.concatenate(latents)[rows] if self.has_latents else None

    def decode(self, latents):
        """Returns the uint8 images of latents (n, latent_dim)."""
        with self.lock:
            return self.to_uint8(self.model.decode(np.asarray(latents, "float32")))

    def to_uint8(self, images):
        """Returns uint8 images of a tensor in the value range of the model."""
        images = ops.convert_to_numpy(images)
        return image_grids.to_uint8(images, self.model.value_range)

    def sample_latents(self, count, seed, strength=1.0, category=None, codes=None):
        """Returns latents (count, latent_dim), see `draw`; arrays give one each."""
        options = {}
        if self.condition:
            drawn = self.condition.drawn if category is None else category
            options[self.condition.argument] = drawn
        if self.num_codes:
            options["codes"] = codes
        with self.lock:
            latents = self.model.sample_latents(count, seed, strength, **options)
            return ops.convert_to_numpy(latents)

    def _draw_block(self, *key):
        with self.lock:
            if key not in self._blocks:
                while len(self._blocks) >= 32:
                    self._blocks.pop(next(iter(self._blocks)))
                self._blocks[key] = self._sample_block(*key)
            return self._blocks[key]

    @functools.cached_property
    def _blocks(self):
        return {}

    def _sample_block(self, block, seed, strength, gibbs_steps, category, codes):
        seed += block * (MAX_SEED + 1)  # No other seed of a user is as large.
        if self.has_latents:
            latents = self.sample_latents(BLOCK, seed, strength, category, codes)
            return self.decode(latents), latents
        options = {"gibbs_steps": gibbs_steps, "probabilities": True}
        options = {k: v for k, v in options.items() if k in self.options}
        options |= {self.strength.name: strength} if self.strength else {}
        return self.to_uint8(self.model.sample(BLOCK, seed, **options)), None

    @property
    def strength(self):
        """The `Strength` of this model, or `None`."""
        for strength in STRENGTHS:
            if strength.name in self.options:
                return strength
        return None


@dataclasses.dataclass(frozen=True)
class Strength:
    """An argument of `sample` that trades variety for typical samples."""

    name: str
    minimum: float
    maximum: float
    info: str


STRENGTHS = (
    Strength(
        "truncation", 0.1, 1.0, "The noise is multiplied by this. Less: less varied."
    ),
    Strength("temperature", 0.1, 2.0, "Less than 1: more typical. More: wilder."),
)


@dataclasses.dataclass(frozen=True)
class Condition:
    """An argument of `sample` that says what to draw.

    Attributes:
        argument: String, its name.
        count: String, the argument of the model that says how many there are.
        drawn: What the argument must be for random ones.
        label: String, as on the page.
    """

    argument: str
    count: str
    drawn: str | None
    label: str


CONDITIONS = (
    Condition("classes", "num_classes", "random", "Class"),
    Condition("categories", "num_categories", None, "Category"),
)


def read_entry(path, name=None, dataset=None):
    """Returns the `Entry` of a `.keras` file, read without loading its weights.

    Raises:
        ValueError: If there is no such file, or it holds no model of this package.
    """
    path = pathlib.Path(path)
    try:
        with zipfile.ZipFile(path) as file:
            saved = json.loads(file.read("config.json"))
        model_class = keras.saving.get_registered_object(saved["registered_name"])
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"The model must be a .keras file that can be read. Received: {path} "
            f"({error})"
        ) from error
    if not (inspect.isclass(model_class) and issubclass(model_class, GenerativeModel)):
        raise ValueError(
            "The model must be one of gen_keras, saved whole by `model.save`. "
            f"Received: {path} (it holds a {saved['class_name']})"
        )
    row = presets.table().get(name, {})
    return Entry(
        name=name or "own",
        path=path,
        title=row.get("title", f"Your model: {path.name}"),
        model_class=saved["class_name"],
        config=saved["config"],
        dataset=row.get("dataset", dataset),
        page=page_of(model_class),
    )


def page_of(model_class):
    """Returns the name of the page that offers models of a class."""
    if issubclass(model_class, models.SemanticHashing):
        return "Retrieval"
    if not issubclass(model_class, Translator):
        return "Sampling"
    return "CycleGAN" if hasattr(model_class, "reconstruct") else "pix2pix"


def add_model(path, dataset=None):
    """Offers a model of the server's owner, before the presets.

    Args:
        path: Path of a `.keras` file. It is loaded, so it must be one you trust.
        dataset: String or `None`, its training data as for `datasets.load`. By
            default the shipped data of its image shape; a translator needs them only
            for examples.

    Raises:
        ValueError: If there is no such file, or its model draws no images.
    """
    entry = read_entry(path, dataset=dataset)
    if len(entry.image_shape or ()) != 3:
        raise ValueError(
            "The model must draw images (height, width, channels). "
            f"Received: {path} (it draws {entry.image_shape})"
        )
    entry.dataset = dataset or _shipped_dataset(entry)
    others = {name: e for name, e in entries().items() if name != "own"}
    entries().clear()
    entries().update({"own": entry} | others)


def _shipped_dataset(entry):
    if entry.page in ("Sampling", "Retrieval"):
        by_shape = {(28, 28, 1): "mnist", (64, 64, 3): "emoji"}
        return by_shape.get(entry.image_shape)
    by_channels = {1: "emoji_edges", 3: "emoji_vendors"}
    return by_channels.get(entry.input_shape[-1])


def entries_of(page):
    """Returns a dict of the models that a page offers: name to `Entry`."""
    return {name: entry for name, entry in entries().items() if entry.page == page}


def choices_of(page):
    """Returns the models of a page as a menu takes them: (title, name) of each."""
    return [(entry.title, name) for name, entry in entries_of(page).items()]


@functools.cache
def entries():
    """Returns a dict of the models at hand: name to `Entry`."""
    return {
        name: read_entry(presets.path(name), name)
        for name in presets.table()
        if presets.path(name).is_file()
    }


def missing_presets(page="Sampling"):
    """Returns the names of the presets of a page whose file is not there."""
    return [
        name
        for name, row in presets.table().items()
        if page_of(getattr(models, row["model"])) == page
        and not presets.path(name).is_file()
    ]


def missing_note(page="Sampling"):
    """Returns a sentence about presets whose file is not there, or ""."""
    names = missing_presets(page)
    if not names:
        return ""
    which = ", ".join(f"`{name}`" for name in names)
    files = "files are" if len(names) > 1 else "file is"
    return (
        f"Not to choose from, because the {files} not in `gen_keras/presets`: {which}."
    )
