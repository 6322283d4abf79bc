"""Your own images: every kind of file, clear errors, nothing mixed up."""

import struct
import warnings
import zlib

import keras
import numpy as np
import PIL.Image
import pytest

from gen_keras import datasets
from gen_keras.datasets import folders

RED, BLUE, GREY = (255, 0, 0), (0, 0, 255), (128, 128, 128)


def save(path, color=RED, size=(12, 8), mode="RGB", **options):
    """Writes an image of one colour; `size` is (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new(mode, size, color).save(path, **options)


def noise(path, size=(16, 16), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), "uint8")
    PIL.Image.fromarray(pixels).save(path)
    return pixels


def load(path, kind="folder", split="train", **options):
    options = {"validation_fraction": 0.0, **options}
    return datasets.load(f"{kind}:{path}", split, **options)


def assert_color(image, color):
    np.testing.assert_allclose(
        image.mean(axis=(0, 1)), np.array(color) / 255, atol=0.02
    )


# Kinds of files


def test_mixed_kinds_become_rgb_on_white(tmp_path):
    expected = {}

    def add(name, color, wanted=None, **options):
        save(tmp_path / name, color, **options)
        expected[name] = wanted or color

    add("a.png", RED)
    add("b.jpg", RED, size=(300, 200), quality=95)
    add("c.PNG", 128, GREY, mode="L")
    add("d.gif", BLUE)
    add("e.webp", BLUE, lossless=True)
    add("f.png", (255, 0, 0, 0), (255, 255, 255), mode="RGBA")
    add("g.png", (255, 0, 0, 128), (255, 127, 127), mode="RGBA")
    add("h.png", (100, 0), (255, 255, 255), mode="LA")
    add("i.jpg", (0, 255, 255, 0), RED, mode="CMYK", quality=95)
    add("j.png", 32896, GREY, mode="I;16")
    add("k.tif", 32896, GREY, mode="I;16")
    add("l.tiff", 0.5, GREY, mode="F")
    add("m.png", 1, (255, 255, 255), mode="1")
    add("sub/n.bmp", RED)
    palette = PIL.Image.new("P", (9, 9), 1)
    palette.putpalette([*BLUE, *RED])
    palette.save(tmp_path / "o.png", transparency=0)
    expected["o.png"] = RED
    palette.save(tmp_path / "p.png", transparency=1)
    expected["p.png"] = (255, 255, 255)

    dataset = load(tmp_path, image_size=(6, 7))
    assert dataset.example_names == sorted(expected)
    assert dataset.skipped == []
    images = dataset.images
    assert images.shape == (len(expected), 6, 7, 3) and images.dtype == np.float32
    for name, image in zip(dataset.example_names, images, strict=True):
        assert_color(image, expected[name])


def test_gray_images_among_colour_are_said_once(tmp_path):
    for name in "abc":
        save(tmp_path / f"{name}.png", 128, mode="L")
    save(tmp_path / "d.png", RED)
    with pytest.warns(
        UserWarning, match=r"Gray .* become colour.*[abc]\.png"
    ) as record:
        load(tmp_path, image_size=8)
    assert len(record) == 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load(tmp_path, image_size=8, channels=1)
    assert not caught


def test_gray_domains_and_splits_are_said_once(tmp_path):
    for name in ("trainA", "trainB", "validationA", "validationB"):
        save(tmp_path / name / "a.png", 128, mode="L")
    with pytest.warns(UserWarning, match="Gray images become colour") as record:
        for split in ("train", "validation"):
            dataset = load(tmp_path, "unpaired_folder", split)
            assert dataset.image_shape == (8, 12, 3)
    assert len(record) == 1


def test_channels(tmp_path):
    save(tmp_path / "a.png", (255, 0, 0, 128), mode="RGBA")
    assert load(tmp_path, channels=4)[0][0, 0].tolist() == pytest.approx(
        [1, 0, 0, 128 / 255]
    )
    assert load(tmp_path, channels=1).image_shape == (8, 12, 1)
    assert load(tmp_path, channels=1)[0].mean() == pytest.approx(0.65, abs=0.01)


def test_pixels_of_the_right_size_are_untouched(tmp_path):
    pixels = noise(tmp_path / "a.png", (9, 5))
    for options in ({}, {"image_size": (5, 9)}):
        image = load(tmp_path, value_range=(-1, 1), **options)[0]
        np.testing.assert_allclose(image, pixels / 127.5 - 1, atol=1e-6)


def test_16_bits_keep_their_top_8(tmp_path):
    values = np.array([[0, 257, 65535, 40000]], "uint16")
    PIL.Image.fromarray(values).save(tmp_path / "a.png")
    image = load(tmp_path, channels=1)[0] * 255
    np.testing.assert_allclose(image.ravel(), [0, 1, 255, 156], atol=1e-4)


def test_exif_rotation(tmp_path):
    pixels = noise(tmp_path / "upright.png", (10, 6))
    turned = PIL.Image.fromarray(np.rot90(pixels))  # Counter-clockwise.
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # To be shown turned clockwise.
    turned.save(tmp_path / "turned.png", exif=exif)
    dataset = load(tmp_path)  # No `image_size`: the sizes as shown are one.
    assert dataset.image_shape == (6, 10, 3)
    np.testing.assert_array_equal(dataset[0], dataset[1])


def test_crop_and_stretch(tmp_path):
    image = PIL.Image.new("RGB", (40, 20), BLUE)
    image.paste(RED, (10, 0, 30, 20))  # The central square.
    image.save(tmp_path / "a.png")
    assert_color(load(tmp_path, image_size=10)[0], RED)
    stretched = load(tmp_path, image_size=10, resize="stretch")[0]
    assert_color(stretched[:, 4:6], RED)
    assert_color(stretched[:, :2], BLUE)


def test_large_jpeg_is_reduced_rightly(tmp_path):
    y, x = np.mgrid[:600, :900]
    pixels = np.stack([x * 255 // 900, y * 255 // 600, 0 * x], -1).astype("uint8")
    for name in ("a.jpg", "b.png"):
        PIL.Image.fromarray(pixels).save(tmp_path / name)
    jpeg, png = load(tmp_path, image_size=(20, 30)).images
    assert np.abs(jpeg - png).max() < 0.02


# Files that cannot be used


def test_broken_files_are_named_skipped_and_counted(tmp_path):
    for name in ("a.png", "c.png"):
        noise(tmp_path / name)
    (tmp_path / "b.png").write_bytes(b"no image")
    (tmp_path / "d.png").write_bytes((tmp_path / "c.png").read_bytes()[:300])
    (tmp_path / "e.png").write_bytes(b"")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.warns(UserWarning, match="3 of 5 images") as record:
        dataset = load(tmp_path)
    assert len(record) == 1
    assert "b.png: not an image" in str(record[0].message)
    assert len(dataset) == 2 and dataset.example_names == ["a.png", "c.png"]
    names = [path.rsplit("/")[-1] for path, _ in dataset.skipped]
    assert names == ["b.png", "d.png", "e.png"]
    assert "truncated" in dataset.skipped[1][1]


def test_nothing_but_broken_files(tmp_path):
    (tmp_path / "b.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="1 of 1 images cannot be used.*\n.*b.png"):
        load(tmp_path)


@pytest.mark.parametrize("pixels", [120, 300])  # Pillow warns, and refuses itself.
def test_huge_images_are_skipped(tmp_path, monkeypatch, pixels):
    save(tmp_path / "a.png", size=(9, 9))
    save(tmp_path / "bomb.png", size=(10, pixels // 10))
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dataset = load(tmp_path)
    assert len(dataset) == 1
    assert any("bomb.png" in str(w.message) for w in caught)
    assert "pixels" in dataset.skipped[0][1]


def test_20000_pixels_squared(tmp_path):
    """A file of 57 bytes that says it holds 400 million pixels."""
    save(tmp_path / "a.png", size=(8, 8))

    def part(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", b"")
    (tmp_path / "bomb.png").write_bytes(bomb + part(b"IEND", b""))
    with pytest.warns(UserWarning, match="bomb.png: Image size .400000000 pixels"):
        assert len(load(tmp_path, image_size=8)) == 1


def test_a_file_deleted_while_training_is_named(tmp_path):
    for i in range(8):
        noise(tmp_path / f"{i}.png", seed=i)
    dataset = load(tmp_path)
    (tmp_path / "5.png").unlink()
    with pytest.raises(OSError, match="5.png could be read when .* and now cannot"):
        list(dataset.batches(4, seed=0))


def test_unchecked_files_break_when_they_are_read(tmp_path):
    noise(tmp_path / "c.png")
    (tmp_path / "c.png").write_bytes((tmp_path / "c.png").read_bytes()[:300])
    dataset = load(tmp_path, check_files=False)
    with pytest.raises(OSError, match="c.png.*truncated"):
        dataset[0]


def test_sizes_that_differ(tmp_path):
    save(tmp_path / "a.png", size=(8, 8))
    save(tmp_path / "b.png", size=(8, 9))
    with pytest.raises(ValueError, match=r"`image_size`.*\(8, 8\).*a.png.*\(9, 8\).*b"):
        load(tmp_path)
    assert load(tmp_path, image_size=8).image_shape == (8, 8, 3)


# Folders


@pytest.mark.parametrize("kind", ["folder", "paired_folder", "unpaired_folder"])
def test_missing_and_empty_folders(tmp_path, kind):
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere"):
        load(tmp_path / "nowhere", kind)
    for name in ("trainA", "trainB"):
        (tmp_path / name).mkdir()
    (tmp_path / "readme.txt").write_text("")
    with pytest.raises(FileNotFoundError, match="Looked for files.*.png"):
        load(tmp_path, kind)


def test_splits_are_a_function_of_the_name(tmp_path):
    for i in range(60):
        save(tmp_path / f"{i}.png", size=(2, 2))
    options = {"validation_fraction": 0.2, "test_fraction": 0.3}

    def names(split):
        return set(load(tmp_path, split=split, **options).example_names)

    splits = {split: names(split) for split in ("train", "validation", "test")}
    assert sum(map(len, splits.values())) == 60
    assert set().union(*splits.values()) == {f"{i}.png" for i in range(60)}
    assert 4 <= len(splits["validation"]) <= 22 and 8 <= len(splits["test"]) <= 30
    for split in splits:
        assert all(folders.split_of(x, 0.2, 0.3) == split for x in splits[split])
    (tmp_path / "0.png").unlink()
    save(tmp_path / "more.png", size=(2, 2))
    for split, before in splits.items():
        assert names(split) - {"more.png"} == before - {"0.png"}


def test_split_of_a_name_never_changes():
    """Else an old test image might be trained on after an update."""
    validation = [i for i in range(60) if folders.split_of(f"{i}.png") != "train"]
    assert validation == [0, 6, 8, 33, 40, 42]


def test_empty_split(tmp_path):
    save(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError, match="'test' split.*`test_fraction`"):
        load(tmp_path, split="test")


def test_subfolders_are_splits(tmp_path):
    for i, name in enumerate(["train", "val", "test"]):
        save(tmp_path / name / f"{i}.png")
    for i, split in enumerate(["train", "validation", "test"]):
        names = load(tmp_path, split=split, validation_fraction=0.9).example_names
        assert names == [f"{i}.png"]


def test_missing_subfolders(tmp_path):
    for i in range(30):
        save(tmp_path / "train" / f"{i}.png", size=(2, 2))
    sizes = [
        len(load(tmp_path, split=split, validation_fraction=0.5, test_fraction=0.4))
        for split in ("train", "validation")
    ]
    assert sum(sizes) == 30 and min(sizes) > 5
    with pytest.raises(FileNotFoundError, match="folder test in"):
        load(tmp_path, split="test")


def test_subfolders_are_labels(tmp_path):
    for name in ("train/cats/1", "train/cats/2", "train/dogs/1", "test/dogs/x"):
        save(tmp_path / f"{name}.png")
    train, test = (load(tmp_path, split=split) for split in ("train", "test"))
    assert train.labels.tolist() == [0, 0, 1] and test.labels.tolist() == [1]
    assert train.label_names == test.label_names == ["cats", "dogs"]
    save(tmp_path / "train" / "odd.png")
    assert load(tmp_path).labels is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 2}, "`channels` must be 1, 3 or 4"),
        ({"resize": "fill"}, "`resize`"),
        ({"image_size": (1, 2, 3)}, "`image_size`"),
        ({"validation_fraction": 1.0}, "`validation_fraction`"),
        ({"test_fraction": -0.1}, "`test_fraction`"),
        ({"colour": 1}, "takes the options.*'colour'"),
    ],
)
def test_wrong_arguments(tmp_path, options, message):
    save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=message):
        load(tmp_path, **options)


# Pairs


def side_by_side(path, left, right, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = PIL.Image.new("RGB", (2 * size[0], size[1]), left)
    image.paste(right, (size[0], 0, 2 * size[0], size[1]))
    image.save(path)


@pytest.mark.parametrize("subfolder", ["", "train"])
def test_side_by_side(tmp_path, subfolder):
    side_by_side(tmp_path / subfolder / "a.png", RED, BLUE)
    dataset = load(tmp_path, "paired_folder")
    assert dataset.image_shape == dataset.input_shape == (8, 8, 3)
    inputs, targets = dataset[[0]]
    assert_color(inputs[0], RED)
    assert_color(targets[0], BLUE)
    turned = load(tmp_path, "paired_folder", direction="BtoA")
    np.testing.assert_array_equal(turned.inputs, targets)
    with pytest.raises(ValueError, match="`direction`"):
        load(tmp_path, "paired_folder", direction="AtoC")


@pytest.mark.parametrize("layout", ["{side}", "train/{side}", "{side}/train"])
def test_subfolders_a_and_b(tmp_path, layout):
    for i in range(5):
        save(tmp_path / layout.format(side="A") / f"{i}.png", (10 * i, 0, 0))
        save(tmp_path / layout.format(side="B") / f"{i}.jpg", (0, 10 * i, 0))
    dataset = load(tmp_path, "paired_folder", image_size=4)
    assert dataset.example_names == list("01234")
    inputs, targets = dataset[np.array([3, 1])]
    assert_color(inputs[0], (30, 0, 0))
    assert_color(targets[1], (0, 10, 0))


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_inputs_of_other_channels(tmp_path, direction):
    a, b = direction[0], direction[-1]
    save(tmp_path / a / "1.png", 51, mode="L")
    save(tmp_path / b / "1.png", (*RED, 102), mode="RGBA")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # The gray ones stay gray.
        dataset = load(
            tmp_path, "paired_folder", direction=direction, input_channels=1, channels=4
        )
    inputs, targets = dataset[[0]]
    assert dataset.input_shape == (8, 12, 1) and dataset.image_shape == (8, 12, 4)
    assert_color(inputs[0], [51])
    assert_color(targets[0], (*RED, 102))
    with pytest.raises(ValueError, match="Received: channels=2"):
        load(tmp_path, "paired_folder", input_channels=2)


def test_unequal_pairs_are_refused():
    three, five = (np.zeros((n, 4, 4, 3), "uint8") for n in (3, 5))
    with pytest.raises(ValueError, match="3 inputs, 5 targets"):
        datasets.PairedDataset(three, five)
    assert len(datasets.UnpairedDataset(three, five)) == 5


def test_pairs_stay_together_in_splits(tmp_path):
    for i in range(30):
        for side in "AB":
            save(tmp_path / side / f"{i}.png", (i, 0, 0), (2, 2))
    for split in ("train", "validation"):
        dataset = load(tmp_path, "paired_folder", split, validation_fraction=0.4)
        np.testing.assert_array_equal(dataset.inputs, dataset.targets)
        assert 5 < len(dataset) < 25


def test_missing_partner_is_named(tmp_path):
    for name in ("A/1", "A/2", "A/3", "B/1", "B/3", "B/4"):
        save(tmp_path / f"{name}.png")
    with pytest.raises(FileNotFoundError, match=r"A/2.png has no partner.*B \(3 files"):
        load(tmp_path, "paired_folder")
    save(tmp_path / "B/2.png")
    with pytest.raises(FileNotFoundError, match="B/4.png has no partner"):
        load(tmp_path, "paired_folder")


def test_only_one_side(tmp_path):
    save(tmp_path / "A" / "1.png")
    with pytest.raises(FileNotFoundError, match="there is no B"):
        load(tmp_path, "paired_folder")


def test_two_files_of_one_name(tmp_path):
    for name in ("A/1.png", "A/1.jpg", "B/1.png"):
        save(tmp_path / name)
    with pytest.raises(ValueError, match="two files of one name"):
        load(tmp_path, "paired_folder")


def test_a_broken_half_skips_the_pair(tmp_path):
    for name in ("A/1", "A/2", "A/3", "B/1", "B/3"):
        save(tmp_path / f"{name}.png")
    (tmp_path / "B/2.png").write_bytes(b"")
    save(tmp_path / "B/3.png", size=(8, 12))  # Another shape cannot be cut alike.
    with pytest.warns(UserWarning, match="2 of 3"):
        dataset = load(tmp_path, "paired_folder")
    assert dataset.example_names == ["1"]
    assert "partner" in dataset.skipped[1][1]


def test_both_images_are_cut_alike(tmp_path):
    pixels = noise(tmp_path / "A" / "1.png", (40, 20))
    PIL.Image.fromarray(pixels).resize((80, 40), 0).save(
        (tmp_path / "B").mkdir() or tmp_path / "B" / "1.png"
    )
    inputs, targets = load(tmp_path, "paired_folder", image_size=20)[0]
    assert np.abs(inputs - targets).mean() < 0.1  # By chance: 0.33.


# Two sets


def test_unpaired(tmp_path):
    for i in range(5):
        save(tmp_path / "trainA" / f"a{i}.png", (10 * i, 0, 0))
    for i in range(3):
        save(tmp_path / "trainB" / f"b{i}.png", (0, 10 * i, 0))
    save(tmp_path / "testA" / "x.png", RED)
    save(tmp_path / "testB" / "y.png", BLUE)
    dataset = load(tmp_path, "unpaired_folder")
    assert (len(dataset), len(dataset.inputs), len(dataset.targets)) == (5, 5, 3)
    a, b = dataset[np.array([4, 0])]
    assert_color(a[0], (40, 0, 0))
    assert_color(b[0], (0, 10, 0))  # 4 modulo 3.
    order = dataset.epoch_order(np.random.default_rng(0))
    assert sorted(order[:, 0]) == list(range(5))
    assert sorted(order[:3, 1]) == list(range(3))
    assert len(list(dataset.batches(2, seed=0))) == 2
    assert_color(load(tmp_path, "unpaired_folder", "test").targets[0], BLUE)
    few = dataset.take(2)
    assert (len(few), len(few.inputs), len(few.targets)) == (2, 2, 2)


@pytest.mark.parametrize(("there", "missing"), ["BA", "AB"])
def test_unpaired_with_one_domain(tmp_path, there, missing):
    save(tmp_path / f"train{there}" / "1.png")
    with pytest.raises(FileNotFoundError, match=f"folder train{missing} in"):
        load(tmp_path, "unpaired_folder")


# Streaming


def test_fit_streams_a_folder(tmp_path, monkeypatch):
    for i in range(10):
        noise(tmp_path / f"{i}.png", (8, 8), seed=i)
    dataset = load(tmp_path)
    largest, decode = [], folders.ImageFiles.__getitem__
    monkeypatch.setattr(
        folders.ImageFiles,
        "__getitem__",
        lambda self, positions: (
            largest.append(len(positions)) or decode(self, positions)
        ),
    )
    batches = dataset.batches(2, 0, transform=lambda x, _: (x, x[:, 0, 0, :1]))
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(batches, epochs=2, shuffle=False, verbose=0)
    assert set(largest) == {2}


# Arrays


def save_array(path, **arrays):
    if path.suffix == ".npy":
        np.save(path, arrays["x"])
    else:
        np.savez(path, **arrays)
    return path


IMAGES = np.random.default_rng(0).integers(0, 256, (20, 4, 5, 3), "uint8")


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "int64"])
def test_arrays(tmp_path, name, dtype):
    images = IMAGES / 255 if "float" in dtype else IMAGES
    path = save_array(tmp_path / name, x=images.astype(dtype))
    dataset = datasets.load(str(path), value_range=(-1, 1), validation_fraction=0.0)
    assert dataset.image_shape == (4, 5, 3)
    np.testing.assert_allclose(dataset.images, IMAGES / 127.5 - 1, atol=1e-6)
    assert dataset.images.dtype == np.float32
    parts = [datasets.load(f"array:{path}", s) for s in ("train", "validation")]
    assert sum(map(len, parts)) == 20 and len(parts[1]) >= 1


def test_array_splits_and_labels(tmp_path):
    path = save_array(
        tmp_path / "a.npz",
        x_train=IMAGES[:12, ..., 0],
        y_train=np.arange(12)[:, None],
        x_test=IMAGES[12:, ..., 0],
        y_test=np.arange(8),
    )
    test = datasets.load(str(path), "test")
    assert len(test) == 8 and test.image_shape == (4, 5, 1)
    train = datasets.load(str(path), validation_fraction=0.3)
    validation = datasets.load(str(path), "validation", validation_fraction=0.3)
    assert sorted([*train.labels, *validation.labels]) == list(range(12))
    np.testing.assert_allclose(
        train.images[..., 0], IMAGES[train.labels, ..., 0] / 255, atol=1e-6
    )


def test_source_range(tmp_path):
    path = save_array(tmp_path / "a.npy", x=np.full((4, 2, 2, 1), -1.0))
    with pytest.raises(ValueError, match="`source_range`.*-1.0"):
        datasets.load(str(path))
    options = {"source_range": (-1, 1), "validation_fraction": 0.0}
    assert (datasets.load(str(path), **options).images == 0).all()
    with pytest.raises(ValueError, match="`source_range` must"):
        datasets.load(str(path), source_range=(1, -1))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 4)), r"must have shape.*\(3, 4\)"),
        (np.zeros((3, 4, 4, 5)), "must have shape"),
        (np.zeros((0, 4, 4, 1)), "must have shape"),
        (np.full((3, 4, 4, 1), np.nan), "Image 0 of .* NaN"),
        (np.full((3, 4, 4, 1), 300), "must lie in"),
        (np.full((3, 4, 4, 1), "a"), "integers or floats"),
        (np.full((3, 4, 4, 1), None), "not a NumPy file of numbers"),
    ],
)
def test_wrong_arrays(tmp_path, array, message):
    path = save_array(tmp_path / "a.npy", x=array)
    with pytest.raises(ValueError, match=message):
        datasets.load(str(path))


def test_wrong_array_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file .*b.npz"):
        datasets.load(str(tmp_path / "b.npz"))
    path = save_array(tmp_path / "a.npz", pictures=IMAGES)
    with pytest.raises(ValueError, match="x_train, x, images.*It has: pictures"):
        datasets.load(str(path))
    save_array(path, x=IMAGES, y=np.zeros(3))
    with pytest.raises(ValueError, match="20 images and 3 labels"):
        datasets.load(str(path))
    path.write_text("text")
    with pytest.raises(ValueError, match="not a NumPy file"):
        datasets.load(str(path))
    save_array(path, x=IMAGES)
    with pytest.raises(ValueError, match="'test' split"):
        datasets.load(str(path), "test")
