"""The image-translation sets of the pix2pix and CycleGAN papers, from their authors.

They are downloaded once, into `~/.keras/datasets/gen_keras` (`KERAS_HOME` in place of
`~/.keras`, if it is set); see `archives`. They are for research: the pictures belong to
others, see the pages in `DATA_LICENSES.md`.

Checksums: the SHA-256 of the CycleGAN sets are those of TensorFlow Datasets
(`url_checksums/cycle_gan.txt`). For those of pix2pix nobody whom we could check has
published any: the length that the server states and the archive's own CRC are checked.

References: [Isola et al., 2017](https://arxiv.org/abs/1611.07004);
[Zhu et al., 2017](https://arxiv.org/abs/1703.10593).
"""

from gen_keras.datasets import archives, folders

BASE_URL = "http://efrosgans.eecs.berkeley.edu"


# The usual direction of each. A (left) and B (right) are: photo and labels; aerial
# photo and map; edges and photo; the same; night and day.
PAIRED_SETS = {
    "facades": "BtoA",
    "maps": "AtoB",
    "edges2shoes": "AtoB",
    "edges2handbags": "AtoB",
    "night2day": "AtoB",
}
# The SHA-256 of each.
UNPAIRED_SETS = {
    "apple2orange": "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8",
    "cezanne2photo": "3a6c10ca21f9485862f1cbd707744b9dc258954a04631271d23a3605eeb63cff",
    "horse2zebra": "a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1",
    "iphone2dslr_flower": (
        "8fcb5e374d631b107e1d961b8c4cd0a186aa2a4ff3e279923f4c426128de7113"
    ),
    "monet2photo": "88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04",
    "summer2winter_yosemite": (
        "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9"
    ),
    "ukiyoe2photo": "02a2a2fb5ecf425ca1bf86aca7304377da64a2a1d3b86df54eb65e4068bf3b08",
    "vangogh2photo": "362c3473e70be0944bda08d49d660eafdc2854df55d697835b8186d1d79caaff",
}


def load_paired_set(
    name,
    split,
    value_range,
    image_size=256,
    channels=3,
    resize="crop",
    direction=None,
    validation_fraction=0.1,
    check_files=False,
):
    """Returns pairs of a set of pix2pix, decoded when they are asked for.

    | name | pairs | direction | train, val, test |
    |---|---|---|---|
    | `facades` | labels to photos of façades | `"BtoA"` | 400, 100, 106 |
    | `maps` | aerial photos to maps | `"AtoB"` | 1,096, 1,098, none |
    | `edges2shoes` | edges to photos | `"AtoB"` | 49,825, 200, none |
    | `edges2handbags` | edges to photos | `"AtoB"` | 138,567, 200, none |
    | `night2day` | night to day, webcams | `"AtoB"` | 17,823, 10, 2,287 |

    The splits are the authors'. Where they have no `test`, their `val` is what the
    paper's figures are of: it is the test split here, and `folders.split_of` a file's
    name holds out a tenth of `train` as the validation split.

    Args:
        name: String, see the table.
        split: See `load`.
        value_range: See `load`.
        image_size: See `folders.load_folder`. The files have 256 pixels a side,
            those of `maps` 600.
        channels: See `folders.load_folder`.
        resize: See `folders.load_folder`.
        direction: `"AtoB"` (the left half is the input), `"BtoA"`, or `None`: see the
            table.
        validation_fraction: Float in [0, 1), the share of `train` that is held out
            where the authors have no validation split.
        check_files: See `folders.load_folder`.

    Raises:
        ConnectionError: If the download fails.
        RefusedArchive: A `ValueError`, see `archives.fetch`.
        ValueError: If an argument is wrong.
    """
    url = f"{BASE_URL}/pix2pix/datasets/{name}.tar.gz"
    dataset = folders.load_paired_folder(
        _fetch(name, url, None, ["train"], instead="emoji_edges"),
        split,
        value_range,
        image_size=image_size,
        channels=channels,
        resize=resize,
        direction=direction or PAIRED_SETS[name],
        validation_fraction=validation_fraction,
        check_files=check_files,
    )
    dataset.name = name
    return dataset


def load_unpaired_set(
    name,
    split,
    value_range,
    image_size=256,
    channels=3,
    resize="crop",
    validation_fraction=0.1,
    check_files=False,
):
    """Returns the two sets of images of a set of CycleGAN.

    They are `apple2orange`, `summer2winter_yosemite`, `horse2zebra`, `monet2photo`,
    `cezanne2photo`, `ukiyoe2photo`, `vangogh2photo` and `iphone2dslr_flower`: inputs
    are the first of the two that the name names. The test split is the authors', and
    `folders.split_of` a file's name holds out a tenth of their training images as the
    validation split.

    Args:
        name: String, see above.
        split: See `load`.
        value_range: See `load`.
        image_size: See `folders.load_folder`.
        channels: See `folders.load_folder`.
        resize: See `folders.load_folder`.
        validation_fraction: See `load_paired_set`.
        check_files: See `folders.load_folder`.

    Raises:
        ConnectionError: If the download fails.
        RefusedArchive: A `ValueError`, see `archives.fetch`.
        ValueError: If an argument is wrong.
    """
    url = f"{BASE_URL}/cyclegan/datasets/{name}.zip"
    needed = ["trainA", "trainB", "testA", "testB"]
    dataset = folders.load_unpaired_folder(
        _fetch(name, url, UNPAIRED_SETS[name], needed, instead="emoji_vendors"),
        split,
        value_range,
        image_size=image_size,
        channels=channels,
        resize=resize,
        validation_fraction=validation_fraction,
        check_files=check_files,
    )
    dataset.name = name
    return dataset


def _fetch(name, url, checksum, needed, instead):
    """Returns the folder of a set; `needed` are the subfolders it must have."""

    def finish(folder):
        for subfolder in needed:
            if not (folder / subfolder).is_dir():
                raise archives.RefusedArchive(
                    f"{url} has no folder {subfolder} and was deleted. Received: "
                    f"{sorted(path.name for path in folder.iterdir())}"
                )
        if (folder / "val").is_dir() and not (folder / "test").is_dir():
            (folder / "val").rename(folder / "test")

    try:
        return archives.fetch(
            url, archives.cache_folder() / "gen_keras" / name, checksum, finish
        )
    except ConnectionError as error:
        raise ConnectionError(
            f"{name!r} could not be downloaded ({error}). It needs the network once; "
            f"{instead!r} comes with the package."
        ) from error
