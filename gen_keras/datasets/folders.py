"""Your own images: folders that are streamed from disk, and NumPy files.

Files are decoded by a pool of threads when a batch asks for them. Each file is tried
once when the data set is loaded: one that cannot be used is named in a warning, listed
in `Dataset.skipped`, and left out.
"""

import concurrent.futures
import functools
import hashlib
import os
import pathlib
import typing
import warnings

import numpy as np

from gen_keras.datasets.dataset import Dataset, PairedDataset, UnpairedDataset

EXTENSIONS = (
    *(".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm"),
    *(".tif", ".tiff", ".webp"),
)


class Kind(typing.NamedTuple):
    """Files that are looked for: what they are called, and how their names end."""

    noun: str
    extensions: tuple = ("",)


IMAGES = Kind("image", EXTENSIONS)
SPLIT_FOLDERS = {
    "train": ("train",),
    "validation": ("validation", "val", "valid"),
    "test": ("test",),
}


# Data sets


def load_folder(
    path,
    split,
    value_range,
    image_size=None,
    channels=3,
    resize="crop",
    validation_fraction=0.1,
    test_fraction=0.0,
    check_files=True,
):
    """Returns the images of a folder and its subfolders.

    Subfolders `train`, `validation` (or `val`, `valid`) and `test` are the splits,
    where there is a `train`. Else, and where `validation` lacks, `split_of` the file's
    name decides. If all images lie in two or more subfolders, their names are the
    labels.

    Args:
        path: String, the folder.
        split: See `load`.
        value_range: See `load`.
        image_size: Integer or `(height, width)`, pixels; `None` if all images have
            one size.
        channels: Integer: 1 (grey), 3 (RGB; what is transparent is put on white) or
            4 (RGBA).
        resize: `"crop"` scales the shorter side and cuts out the centre; `"stretch"`
            changes the proportions.
        validation_fraction: Float in [0, 1), the share of files of the validation
            split.
        test_fraction: Float in [0, 1), the share of files of the test split.
        check_files: Boolean. `False` reads only the header of each file at first,
            which is faster; a file that breaks off then stops the training.

    Raises:
        FileNotFoundError: If the folder or its images are missing.
        ValueError: If an argument is wrong, or sizes differ without `image_size`.
    """
    settings = _Settings(path, image_size, (channels,), resize, check_files)
    folder, files = files_of_split(path, split, validation_fraction, test_fraction)
    images, kept, skipped = _open_images([[folder / f] for f in files], settings)
    files = [files[i] for i in kept]
    labels, label_names = subfolder_labels(path, files)
    return Dataset(
        images[0],
        value_range,
        f"folder:{path}",
        split,
        labels=labels,
        label_names=label_names,
        example_names=files,
        skipped=skipped,
    )


def load_paired_folder(
    path,
    split,
    value_range,
    image_size=None,
    channels=3,
    resize="crop",
    direction="AtoB",
    input_channels=None,
    validation_fraction=0.1,
    test_fraction=0.0,
    check_files=True,
):
    """Returns pairs: A | B side by side in each file, or subfolders `A` and `B`.

    In subfolders the names must match but for the extension. Splits as in
    `load_folder`; `train/A` and `A/train` will both do.

    Args:
        path: String, the folder.
        split: See `load`.
        value_range: See `load`.
        image_size: See `load_folder`; the size of one image of a pair.
        channels: See `load_folder`.
        resize: See `load_folder`; both images of a pair are cut alike.
        direction: `"AtoB"` (A is the input, the left or in folder `A`) or `"BtoA"`.
        input_channels: Integer, those of the inputs; `None`: as many as `channels`.
        validation_fraction: See `load_folder`.
        test_fraction: See `load_folder`.
        check_files: See `load_folder`.

    Raises:
        FileNotFoundError: If a folder, its images, or the partner of one is missing.
        ValueError: As `load_folder`.
    """
    if direction not in ("AtoB", "BtoA"):
        raise ValueError(
            f'`direction` must be "AtoB" or "BtoA". Received: direction={direction!r}'
        )
    given = channels if input_channels is None else input_channels
    both = (given, channels) if direction == "AtoB" else (channels, given)
    settings = _Settings(path, image_size, both, resize, check_files)
    fractions = validation_fraction, test_fraction
    sides = _find_sides(path, split, fractions)
    if sides:
        names, rows = _match(*(_by_stem(*side) for side in sides))
    else:
        folder, names = files_of_split(path, split, *fractions)
        rows = [[(folder / name, "left"), (folder / name, "right")] for name in names]
    (a, b), kept, skipped = _open_images(rows, settings)
    return PairedDataset(
        *((a, b) if direction == "AtoB" else (b, a)),
        value_range,
        name=f"paired_folder:{path}",
        split=split,
        example_names=[names[i] for i in kept],
        skipped=skipped,
    )


def load_unpaired_folder(
    path,
    split,
    value_range,
    image_size=None,
    channels=3,
    resize="crop",
    validation_fraction=0.1,
    test_fraction=0.0,
    check_files=True,
):
    """Returns two sets of images: subfolders `trainA` and `trainB`.

    `testA` and `testB` are the test split, `validationA` (or `valA`, `validA`) and
    `validationB` the validation split; where they lack, `split_of` decides.

    Args:
        path: String, the folder.
        split: See `load`.
        value_range: See `load`.
        image_size: See `load_folder`.
        channels: See `load_folder`.
        resize: See `load_folder`.
        validation_fraction: See `load_folder`.
        test_fraction: See `load_folder`.
        check_files: See `load_folder`.

    Raises:
        FileNotFoundError: If a folder or its images are missing.
        ValueError: As `load_folder`.
    """
    settings = _Settings(path, image_size, (channels,), resize, check_files)
    domains, skipped = [], []
    for suffix in "AB":
        folder, files = files_of_split(
            path, split, validation_fraction, test_fraction, suffix
        )
        images, _, broken = _open_images([[folder / f] for f in files], settings)
        domains.append(images[0])
        skipped += broken
    return UnpairedDataset(
        *domains,
        value_range,
        name=f"unpaired_folder:{path}",
        split=split,
        skipped=skipped,
    )


# Files and splits


def split_of(name, validation_fraction=0.1, test_fraction=0.0):
    """Returns the split of a file: a function of its name alone.

    So a file stays in its split when others come or go. The first 8 bytes of the
    SHA-256 of the name make a number in [0, 1): below `test_fraction` it is test,
    in the next `validation_fraction` validation, and else train.

    Args:
        name: String, the path relative to the folder, with `/` between its parts.
        validation_fraction: Float in [0, 1).
        test_fraction: Float in [0, 1).
    """
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    number = int.from_bytes(digest[:8], "big") / 2**64
    if number < test_fraction:
        return "test"
    return "validation" if number < test_fraction + validation_fraction else "train"


def check_fractions(validation_fraction, test_fraction):
    """Raises a `ValueError` unless both, and what is left for training, are shares."""
    smallest = min(validation_fraction, test_fraction)
    if not (smallest >= 0 and validation_fraction + test_fraction < 1):
        raise ValueError(
            "`validation_fraction` and `test_fraction` must be 0 or larger, their sum "
            f"below 1. Received: validation_fraction={validation_fraction}, "
            f"test_fraction={test_fraction}"
        )


def files_of_split(
    path, split, validation_fraction, test_fraction, suffix="", kind=IMAGES
):
    """Returns a folder and its files that belong to `split`, as relative names."""
    fractions = validation_fraction, test_fraction
    folder, fractions = _folder_of_split(path, split, fractions, suffix)
    files = find_files(folder, kind)
    if fractions:
        files = [name for name in files if split_of(name, *fractions) == split]
    if not files:
        raise FileNotFoundError(
            f"No {kind.noun} of {folder} falls to the {split!r} split. Use another "
            "split, a larger `validation_fraction` or `test_fraction`, or subfolders "
            f"{SPLIT_FOLDERS}. "
            f"Received: (validation_fraction, test_fraction)={fractions}"
        )
    return folder, files


def _folder_of_split(path, split, fractions, suffix=""):
    """Returns the folder of `split` and, if files must be told apart, the fractions."""
    check_fractions(*fractions)
    root = pathlib.Path(path).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"There is no folder {root}.")
    folders = {
        name: next(
            (root / (x + suffix) for x in names if _is_dir(root, x + suffix)), ""
        )
        for name, names in SPLIT_FOLDERS.items()
    }
    if not folders["train"]:
        if suffix:
            raise FileNotFoundError(f"Looked for a folder train{suffix} in {root}.")
        return root, fractions
    if split == "test" and not folders["test"]:
        raise FileNotFoundError(f"Looked for a folder test{suffix} in {root}.")
    if split == "test" or folders["validation"]:
        return folders[split], None
    return folders["train"], (fractions[0], 0.0)


def _is_dir(root, name):
    return (root / name).is_dir()


def find_images(folder):
    """Returns the sorted relative names of the image files under `folder`.

    Raises:
        FileNotFoundError: If there is no such folder, or no image in it.
    """
    return find_files(folder, IMAGES)


def find_files(folder, kind):
    """Returns the sorted relative names of the files of a `Kind` under `folder`.

    Raises:
        FileNotFoundError: If there is no such folder, or no such file in it.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    found = []
    for parent, _, files in os.walk(folder):
        relative = pathlib.PurePath(os.path.relpath(parent, folder))
        found += [
            (relative / name).as_posix()
            for name in files
            if name.lower().endswith(kind.extensions) and not name.startswith(".")
        ]
    if not found:
        endings = ", ".join(filter(None, kind.extensions))
        raise FileNotFoundError(
            f"There is no {kind.noun} in {folder} and its subfolders. Looked for files"
            + (
                f" ending in {endings}."
                if endings
                else " whose names begin with no dot."
            )
        )
    return sorted(found)


def subfolder_labels(path, files, kind=IMAGES):
    """Returns labels and their names if all files lie in two or more subfolders.

    The names are those of the training files, so that a label means the same in each
    split.
    """
    folder, _ = _folder_of_split(path, "train", (0.0, 0.0))
    known = sorted({_top(name) for name in find_files(folder, kind)})
    names = known + sorted({_top(name) for name in files} - set(known))
    if len(names) < 2 or "" in names:
        return None, None
    return [names.index(_top(name)) for name in files], names


def _top(name):
    return name.split("/")[0] if "/" in name else ""


def _find_sides(path, split, fractions):
    """Returns (folder, split, fractions) of A and B, or `None`: side by side."""
    root = pathlib.Path(path).expanduser()
    if not (_is_dir(root, "A") or _is_dir(root, "B")):
        root, fractions = _folder_of_split(path, split, fractions)
        if not (_is_dir(root, "A") or _is_dir(root, "B")):
            return None
        fractions = fractions or "all"
    for side in "AB":
        if not _is_dir(root, side):
            raise FileNotFoundError(
                f"Looked for folders A and B in {root}: there is no {side}."
            )
    return [(root / side, split, fractions) for side in "AB"]


def _by_stem(folder, split, fractions):
    """Returns the files of one side as a dictionary from the name less extension."""
    if fractions != "all":
        folder, fractions = _folder_of_split(folder, split, fractions)
    files = {}
    for name in find_images(folder):
        stem = str(pathlib.PurePosixPath(name).with_suffix(""))
        if stem in files:
            raise ValueError(
                f"{folder} has two files of one name: {files[stem].name} and {name}."
            )
        if fractions in ("all", None) or split_of(stem, *fractions) == split:
            files[stem] = folder / name
    return folder, files


def _match(side_a, side_b):
    """Returns names and rows [A, B]; each file must have its partner."""
    (folder_a, files_a), (folder_b, files_b) = side_a, side_b
    for files, others, folder in (
        (files_a, files_b, folder_b),
        (files_b, files_a, folder_a),
    ):
        lonely = sorted(files.keys() - others.keys())
        if lonely:
            raise FileNotFoundError(
                f"{files[lonely[0]]} has no partner: looked for {lonely[0]}.* in "
                f"{folder} ({len(files_a)} files in A, {len(files_b)} in B)."
            )
    names = sorted(files_a)
    if not names:
        raise FileNotFoundError(
            f"No pair of {folder_a.parent} falls to this split: the names of the files "
            "decide. Add pairs, or folders of the splits' own: train, validation."
        )
    return names, [[files_a[name], files_b[name]] for name in names]


# Decoding


class _Settings:
    """How each file becomes an array, checked."""

    def __init__(self, folder, image_size, channels, resize, check_files):
        self.folder = str(folder)
        self.size = parse_size(image_size)
        self.channels = channels
        self.resize = resize
        self.check_files = check_files
        self.gray_file = None  # One that becomes colour.
        for number in channels:  # One for each file of a row.
            if number not in (1, 3, 4):
                raise ValueError(
                    f"`channels` must be 1, 3 or 4. Received: channels={number}"
                )
        if resize not in ("crop", "stretch"):
            raise ValueError(
                f'`resize` must be "crop" or "stretch". Received: resize={resize!r}'
            )


def parse_size(image_size):
    """Returns `(height, width)` of an integer, a pair or `None`, checked."""
    if image_size is None:
        return None
    size = (image_size,) * 2 if np.ndim(image_size) == 0 else tuple(image_size)
    if len(size) != 2 or not all(isinstance(x, (int, np.integer)) for x in size):
        size = (0, 0)
    if min(size) < 1:
        raise ValueError(
            "`image_size` must be a positive integer or two, (height, width). "
            f"Received: image_size={image_size!r}"
        )
    return size


class ImageFiles:
    """Image files that look like a uint8 array and are decoded when asked for."""

    def __init__(self, files, size, channels, resize):
        self._files = files
        self._resize = resize
        self.shape = (len(files), *size, channels)

    def __len__(self):
        return len(self._files)

    def __getitem__(self, positions):
        files = [self._files[i] for i in positions]
        return np.stack(list(_threads().map(self._decode, files)))

    def _decode(self, file):
        try:
            return decode(file, self.shape[1:3], self.shape[3], self._resize)
        except Exception as error:
            path = file[0] if isinstance(file, tuple) else file
            raise OSError(
                f"{path} could be read when the data set was loaded, and now cannot: "
                f"{reason_of(error)}"
            ) from error


def _open_images(rows, settings):
    """Opens rows of files that belong together.

    Args:
        rows: List of lists of files, of one length; a file is a path, or a path and
            the half of the image that is meant, `"left"` or `"right"`.
        settings: `_Settings`.

    Returns:
        A list of `ImageFiles`, one for each column, the positions of the rows that
        could be used, and a list of (path, reason) of those that could not.
    """
    inspect = functools.partial(_inspect, settings=settings)
    results = list(_threads().map(inspect, rows))
    kept = [i for i, result in enumerate(results) if isinstance(result[0], tuple)]
    skipped = [result for result in results if not isinstance(result[0], tuple)]
    warn_of_skipped(skipped, len(rows))
    if settings.gray_file and settings.folder not in _gray_folders:
        _gray_folders.add(settings.folder)
        warnings.warn(
            f"Gray images become colour, such as {settings.gray_file}. If all are "
            "gray, channels=1 is quicker.",
            stacklevel=4,
        )
    size = settings.size or _common_size([(rows[i], results[i]) for i in kept])
    columns = zip(*(rows[i] for i in kept), strict=True)
    images = [
        ImageFiles(list(column), size, channels, settings.resize)
        for column, channels in zip(columns, settings.channels, strict=True)
    ]
    return images, kept, skipped


_gray_folders = set()  # Of which it was said: once, not for each split and domain.


def _inspect(row, settings):
    """Returns the sizes (height, width) of the files, or (path, reason) of one."""
    sizes = []
    for file, channels in zip(row, settings.channels, strict=True):
        path, side = file if isinstance(file, tuple) else (file, None)
        try:
            sizes.append(_inspect_file(path, side, channels, settings))
        except Exception as error:
            return str(path), reason_of(error)
    first, last = sizes[0], sizes[-1]
    if abs(first[0] * last[1] - first[1] * last[0]) > 0.02 * first[0] * last[1]:
        return str(path), f"(height, width) {last}, but its partner has {first}"
    return sizes


def _inspect_file(path, side, channels, settings):
    """Returns (height, width) as shown; raises whatever decoding would raise."""
    import PIL.Image
    import PIL.ImageOps

    with PIL.Image.open(path) as image:
        _check_pixels(image)
        width, height = image.size
        if channels > 1 and image.mode in ("1", "L", "LA", "I;16"):
            settings.gray_file = path
        if settings.check_files and side != "right":
            image.draft(None, (1, 1))  # Reads all of a JPEG, but computes little.
            _to_mode(PIL.ImageOps.exif_transpose(image), channels)
        # In a PNG the orientation may stand at the end: only a check goes so far.
        if settings.check_files or image.format != "PNG":
            if image.getexif().get(_EXIF_ORIENTATION, 1) >= 5:  # Lies on its side.
                width, height = height, width
    return (height, width // 2) if side else (height, width)


_EXIF_ORIENTATION = 0x0112


def _common_size(rows):
    """Returns the size that all files share, or names two that differ."""
    known = {}
    for files, sizes in rows:
        for file, size in zip(files, sizes, strict=True):
            known.setdefault(size, file[0] if isinstance(file, tuple) else file)
    if len(known) > 1:
        (size, file), (other_size, other) = list(known.items())[:2]
        raise ValueError(
            "The images differ in (height, width): pass `image_size`. "
            f"Received: {size} in {file}, {other_size} in {other}"
        )
    return next(iter(known))


def warn_of_skipped(skipped, num_files, kind=IMAGES, stacklevel=5):
    """Names the files that cannot be used; a `ValueError` if no other is left."""
    if not skipped:
        return
    shown = "".join(f"\n  {path}: {reason}" for path, reason in skipped[:10])
    more = f"\n  and {len(skipped) - 10} more" if len(skipped) > 10 else ""
    message = f"{len(skipped)} of {num_files} {kind.noun}s cannot be used:{shown}{more}"
    if len(skipped) == num_files:
        raise ValueError(message)
    warnings.warn(message + "\nThey are left out.", stacklevel=stacklevel)


def decode(file, size, channels, resize):
    """Returns one image as a uint8 array of shape (height, width, channels).

    It is turned upright (EXIF), put on white where it is transparent, and reduced to
    8 bits.

    Args:
        file: Path, or a path and `"left"`, `"right"` or `None`, the half that is meant.
        size: `(height, width)`, or `None` for that of the file.
        channels: 1, 3 or 4.
        resize: See `load_folder`.
    """
    import PIL.Image
    import PIL.ImageOps

    if channels not in (1, 3, 4):
        raise ValueError(f"Files have 1, 3 or 4 channels. Received: {channels}")
    path, side = file if isinstance(file, tuple) else (file, None)
    with PIL.Image.open(path) as image:
        _check_pixels(image)
        if size and size != image.size[::-1]:  # A JPEG is decoded at a reduced size.
            image.draft(None, (4 * max(size), 4 * max(size)))
        image = _to_mode(PIL.ImageOps.exif_transpose(image), channels)
    if side:
        half = image.width // 2
        left = 0 if side == "left" else image.width - half
        image = image.crop((left, 0, left + half, image.height))
    height, width = size or image.size[::-1]
    if image.size != (width, height):
        lanczos = PIL.Image.Resampling.LANCZOS
        if resize == "crop":
            image = PIL.ImageOps.fit(image, (width, height), lanczos)
        else:
            image = image.resize((width, height), lanczos)
    return np.asarray(image).reshape(height, width, channels)


def _check_pixels(image):
    """Refuses what would fill the memory; Pillow refuses twice that by itself."""
    import PIL.Image

    limit = PIL.Image.MAX_IMAGE_PIXELS
    if limit and image.width * image.height > limit:
        raise ValueError(
            f"{image.width} x {image.height} pixels are more than {limit}, "
            "`PIL.Image.MAX_IMAGE_PIXELS`"
        )


def _to_mode(image, channels):
    """Returns an image of 8 bits and 1 (L), 3 (RGB) or 4 (RGBA) channels."""
    import PIL.Image

    if image.mode.startswith("I"):  # 16 bits, some of them stored in 32.
        values = np.clip(np.asarray(image).astype("float64"), 0, 65535)
        image = PIL.Image.fromarray(np.rint(values / 257).astype("uint8"))
    elif image.mode == "F":
        values = np.asarray(image)
        if not (values.min() >= 0 and values.max() <= 1):
            raise ValueError("floating point pixels must lie in [0, 1]")
        image = PIL.Image.fromarray(np.rint(values * 255).astype("uint8"))
    transparent = image.mode in ("LA", "La", "PA", "RGBA", "RGBa")
    if transparent or "transparency" in image.info:
        image = image.convert("RGBA")
        if channels != 4:
            white = PIL.Image.new("RGBA", image.size, "white")
            image = PIL.Image.alpha_composite(white, image)
    elif image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return image.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels])


def reason_of(error):
    """Returns what is wrong with a file, on one line."""
    name = type(error).__name__
    if name == "UnidentifiedImageError":
        return "not an image that Pillow can read"
    return " ".join(f"{error}".split()) or name


@functools.lru_cache
def _threads():
    count = min(32, os.cpu_count() or 1)
    return concurrent.futures.ThreadPoolExecutor(count, thread_name_prefix="decode")
