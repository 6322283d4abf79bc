"""What comes with the package, and what Keras downloads."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from gen_keras import datasets
from gen_keras.datasets import shipped

SIZES = {
    "mnist": (55000, 5000, 10000),
    "stacked_mnist": (128000, 26000, 26000),
    "emoji": (1286, 150, 200),
    "emoji_edges": (1286, 150, 200),
    "emoji_vendors": (1286, 150, 200),
}


SPLITS = ("train", "validation", "test")


@pytest.mark.parametrize("name", SIZES)
def test_splits(name):
    assert tuple(len(datasets.load(name, split)) for split in SPLITS) == SIZES[name]


def test_mnist():
    train, validation = (datasets.load("mnist", s) for s in ("train", "validation"))
    assert train.image_shape == (28, 28, 1)
    assert train.images.shape == (55000, 28, 28, 1)
    assert train.images.dtype == np.float32
    assert (train.images.min(), train.images.max()) == (0, 1)
    # Known beginnings and ends of the published files.
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert validation.labels[-3:].tolist() == [5, 6, 8]
    assert datasets.load("mnist", "test").labels[:3].tolist() == [7, 2, 1]
    assert train.label_names[7] == "7"
    assert abs(float(train.images.mean()) - 0.1307) < 0.001


def test_stacked_mnist_is_made_of_the_digits_of_its_split():
    for split in SPLITS:
        digits = datasets.load("mnist", split)
        known = {
            image.tobytes(): label
            for image, label in zip(
                (digits.images * 255).round().astype("uint8"),
                digits.labels,
                strict=True,
            )
        }
        stacks = datasets.load("stacked_mnist", split)
        assert stacks.image_shape == (28, 28, 3)
        images = (stacks[:50] * 255).round().astype("uint8")
        for image, label in zip(images, stacks.labels[:50], strict=True):
            channels = [
                known[np.ascontiguousarray(image[..., c]).tobytes()] for c in range(3)
            ]
            assert "".join(map(str, channels)) == stacks.label_names[label]


def test_stacked_mnist_has_all_modes_and_is_decided_by_its_seed():
    stacks, again = (datasets.load("stacked_mnist", "test") for _ in range(2))
    assert len(np.unique(stacks.labels)) == 1000
    np.testing.assert_array_equal(stacks[[7, 9]], again[[7, 9]])
    np.testing.assert_array_equal(stacks[7], again.take(8)[7])
    other = datasets.load("stacked_mnist", "test", seed=1)
    assert (stacks.labels != other.labels).mean() > 0.9
    signed = datasets.load("stacked_mnist", "test", value_range=(-1, 1))[:3]
    np.testing.assert_allclose(signed, 2 * stacks[:3] - 1, atol=1e-6)


def test_value_range():
    unit = datasets.load("mnist", "test").take(50)[:]
    signed = datasets.load("mnist", "test", value_range=(-1, 1)).take(50)[:]
    np.testing.assert_allclose(signed, unit * 2 - 1, atol=1e-6)
    assert (signed.min(), signed.max()) == (-1, 1)


def test_emoji_splits_have_nothing_in_common_and_leave_out_flags():
    names = [datasets.load("emoji", s).example_names for s in SPLITS]
    assert len(set().union(*names)) == sum(map(len, names)) == 1636
    dataset = datasets.load("emoji")
    assert set(dataset.label_names).isdisjoint({"Flags", "Component"})
    assert dataset.label_names[dataset.labels[0]] == "Smileys & Emotion"
    assert dataset.example_names[0] == "grinning"


def test_emoji_vendors_and_sizes():
    twemoji, noto = (datasets.load("emoji", vendor=v) for v in shipped.VENDORS)
    both = datasets.load("emoji", vendor="both", image_size=(16, 32))
    assert both[[0]].shape == (1, 16, 32, 3)
    assert len(both) == 2 * len(noto)
    np.testing.assert_array_equal(both.labels[1286:], noto.labels)
    assert twemoji[0][0, 0].tolist() == [1, 1, 1]  # White where it is transparent.
    pairs = datasets.load("emoji_vendors")
    inputs, targets = pairs[[5, 9]]
    np.testing.assert_array_equal(inputs, noto[[5, 9]])
    np.testing.assert_array_equal(targets, twemoji[[5, 9]])
    with pytest.raises(ValueError, match="`vendor`.*'apple'"):
        datasets.load("emoji", vendor="apple")


def test_unpaired_vendors_are_the_same_images_but_no_pairs():
    pairs = datasets.load("emoji_vendors", "test", image_size=16)
    unpaired = datasets.load("emoji_vendors", "test", image_size=16, paired=False)
    assert len(unpaired) == 200
    assert (pairs.targets != unpaired.targets).any(axis=(1, 2, 3)).mean() > 0.9
    sums = [np.sort(d.targets.sum(axis=(1, 2, 3))) for d in (pairs, unpaired)]
    np.testing.assert_array_equal(*sums)


def test_emoji_edges_are_dark_strokes_on_white():
    dataset = datasets.load("emoji_edges", "validation", value_range=(-1, 1))
    edges, images = dataset[np.arange(20)]
    assert edges.shape == (20, 64, 64, 1) and images.shape == (20, 64, 64, 3)
    assert (edges.min(), edges.max()) == (-1, 1)
    ink = (1 - edges) / 2
    assert 0.02 < ink.mean() < 0.25
    assert dataset.input_shape == (64, 64, 1) and dataset.image_shape == (64, 64, 3)
    np.testing.assert_array_equal(dataset[[3, 3]][0], edges[[3, 3]])


def test_indices():
    dataset = datasets.load("mnist", "test")
    images = dataset.take(10).images
    assert images.shape == (10, 28, 28, 1)
    np.testing.assert_array_equal(dataset[3], images[3])
    np.testing.assert_array_equal(dataset[2:5], images[2:5])
    np.testing.assert_array_equal(dataset[np.array([4, 4, 1])], images[[4, 4, 1]])
    np.testing.assert_array_equal(dataset[-1], dataset[len(dataset) - 1])
    with pytest.raises(IndexError):
        dataset.take(10)[[10]]


def test_take_after_the_arrays_were_made():
    dataset = datasets.load("emoji_vendors", "test", image_size=8)
    assert len(dataset.inputs) == len(dataset.targets) == 200
    few = dataset.take(3)
    assert len(few) == len(few.inputs) == len(few.targets) == len(few.labels) == 3
    assert len(few.example_names) == 3
    assert len(dataset.take(10**6)) == 200
    with pytest.raises(ValueError, match="`num_examples`"):
        dataset.take(0)
    with pytest.raises(AttributeError, match="`inputs` and `targets`"):
        few.images  # noqa: B018


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("mnits",), {}, "mnist, emoji, .*folder:PATH.*Received: 'mnits'"),
        (("folder",), {}, "Unknown data set"),
        (("folder:",), {}, "Unknown data set"),
        (("mnist", "val"), {}, "`split` must be one of.*'val'"),
        (("mnist",), {"value_range": (1, 1)}, "low < high.*Received"),
        (("mnist",), {"value_range": (1, 0)}, "low < high"),
        (("mnist",), {"value_range": (0, 1, 2)}, "low < high"),
        (("mnist",), {"value_range": None}, "low < high"),
        (("emoji",), {"size": 64}, r"options \['vendor', 'image_size'\].*'size'"),
        (("emoji",), {"image_size": 0}, "`image_size`"),
        (("emoji",), {"image_size": 12.5}, "`image_size`"),
    ],
)
def test_wrong_arguments(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        datasets.load(*arguments, **options)


def test_shipped_files_are_below_10_megabytes():
    files = [f for f in shipped.DATA_DIR.iterdir() if f.is_file()]
    assert len(files) >= 5
    assert all(f.stat().st_size < 10_000_000 for f in files)


def test_every_shipped_file_has_a_licence():
    text = pathlib.Path(__file__).parents[2].joinpath("DATA_LICENSES.md").read_text()
    for file in shipped.DATA_DIR.iterdir():
        assert f"`{file.name}`" in text


def test_import_is_cheap():
    """The package alone, over a stand-in for Keras: nothing but NumPy."""
    root = pathlib.Path(datasets.__file__).parents[1]
    code = f"""if True:
        import sys, types
        keras = sys.modules["keras"] = types.ModuleType("keras")
        keras.utils = types.SimpleNamespace(PyDataset=object)
        package = sys.modules["gen_keras"] = types.ModuleType("gen_keras")
        package.__path__ = [{str(root)!r}]
        before = set(sys.modules)
        import gen_keras.datasets
        print(*{{name.split(".")[0] for name in set(sys.modules) - before}})
    """
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(result.stdout.splitlines()[-1].split())
    assert "gen_keras" in loaded
    assert loaded.isdisjoint({"PIL", "scipy", "tensorflow", "jax", "torch", "pandas"})


# Downloads


def fake(shape, labels_shape):
    def load_data():
        rng = np.random.default_rng(0)
        images = [rng.integers(0, 256, (n, *shape), "uint8") for n in (5010, 7)]
        labels = [rng.integers(0, 10, (n, *labels_shape)) for n in (5010, 7)]
        return tuple(zip(images, labels, strict=True))

    return load_data


@pytest.mark.parametrize(
    ("name", "shape", "labels_shape", "image_shape"),
    [
        ("fashion_mnist", (28, 28), (), (28, 28, 1)),
        ("cifar10", (32, 32, 3), (1,), (32, 32, 3)),
    ],
)
def test_downloads(monkeypatch, name, shape, labels_shape, image_shape):
    module = getattr(keras.datasets, name)
    monkeypatch.setattr(module, "load_data", fake(shape, labels_shape))
    splits = [datasets.load(name, split) for split in SPLITS]
    assert [len(split) for split in splits] == [10, 5000, 7]
    (images, _), _ = module.load_data()
    np.testing.assert_allclose(
        splits[0].images.squeeze(), images[:10].squeeze() / 255, atol=1e-6
    )
    assert splits[0].image_shape == image_shape
    assert splits[0].labels.shape == (10,)
    assert len(splits[0].label_names) == 10


def test_failing_download(monkeypatch):
    def load_data():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.cifar10, "load_data", load_data)
    with pytest.raises(ConnectionError, match="'cifar10'.*URL fetch failure.*network"):
        datasets.load("cifar10")
