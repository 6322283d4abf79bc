"""Sets from the web: the real code against a small server of our own."""

import concurrent.futures
import errno
import functools
import hashlib
import http.server
import io
import os
import pathlib
import re
import stat
import tarfile
import threading
import zipfile

import numpy as np
import PIL.Image
import pytest

from gen_keras import datasets
from gen_keras.datasets import archives, public_sets

SPLITS = ("train", "validation", "test")
RED, BLUE = (240, 15, 15), (15, 15, 240)


# Archives


def jpeg(*colors, seed=0, size=16):
    """Returns a JPEG file: squares of these colours beside each other, with noise."""
    noise = np.random.default_rng(seed).integers(-9, 10, (size, size, 3))
    pixels = np.concatenate([np.array(color) + noise for color in colors], axis=1)
    file = io.BytesIO()
    PIL.Image.fromarray(pixels.astype("uint8")).save(file, "JPEG", quality=95)
    return file.getvalue()


def tar_of(members):
    """Returns a `.tar.gz` of (name, bytes), or (`TarInfo`, bytes)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for member, content in members:
            if isinstance(member, str):
                member = tarfile.TarInfo(member)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def zip_of(members):
    """Returns a `.zip` of (name, bytes), or (`ZipInfo`, bytes)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members:
            archive.writestr(member, content)
    return file.getvalue()


def pairs(name, **counts):
    """Returns the archive of a set of pairs, red on the left and blue on the right."""
    return tar_of(
        (f"{name}/{split}/{i}.jpg", jpeg(RED, BLUE, seed=i))
        for split, count in counts.items()
        for i in range(count)
    )


@functools.cache
def facades():
    return pairs("facades", train=6, val=3, test=4)


@functools.cache
def horses():
    return zip_of(
        (f"horse2zebra/{folder}/{i}.jpg", jpeg(color, seed=i))
        for folder, count, color in [
            *[("trainA", 30, RED), ("trainB", 40, BLUE)],
            *[("testA", 3, RED), ("testB", 4, BLUE)],
        ]
        for i in range(count)
    )


# Server


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`, a dict from path to bytes, and keeps the requests it got.

    `break_after`: list of numbers of bytes after which the next answers break off.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.requests, self.break_after = {}, [], []
        self.knows_ranges, self.tells_length, self.tag = True, True, '"1"'

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def ranges(self):
        return [request.headers.get("Range") for request in self.requests]


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        server = self.server
        server.requests.append(self)
        if self.path not in server.files:
            return self.send_error(404)
        content = server.files[self.path]
        start, length = 0, len(content)
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted and server.knows_ranges:
            start = int(wanted[1])
            if start >= length:
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{length - 1}/{length}")
        else:
            self.send_response(200)
        if server.tells_length:
            self.send_header("Content-Length", length - start)
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        content = content[start:]
        if server.break_after:
            content = content[: server.break_after.pop(0)]
        self.wfile.write(content)


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server in place of the authors', a cache of our own, and no checksums."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    server.files["/pix2pix/datasets/facades.tar.gz"] = facades()
    server.files["/cyclegan/datasets/horse2zebra.zip"] = horses()
    monkeypatch.setattr(public_sets, "BASE_URL", server.url)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    unchecked = dict.fromkeys(public_sets.UNPAIRED_SETS)
    monkeypatch.setattr(public_sets, "UNPAIRED_SETS", unchecked)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "datasets" / "gen_keras"


def files_in(folder):
    """Returns all files below a folder but the locks, which are empty."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert all(path.stat().st_size == 0 for path in files if path.suffix == ".lock")
    return sorted(
        str(path.relative_to(folder)) for path in files if path.suffix != ".lock"
    )


def fetch(server, folder, content, **options):
    """Fetches `content` as an archive by name `set.tar.gz`."""
    server.files["/set.tar.gz"] = content
    return archives.fetch(f"{server.url}/set.tar.gz", folder / "set", **options)


def mean_color(images):
    return images.mean(axis=(0, 1, 2)) * 255


# Sets


def test_a_set_of_pairs_with_the_splits_of_its_authors(server, cache):
    sets = [datasets.load("facades", split, image_size=16) for split in SPLITS]
    assert [len(each) for each in sets] == [6, 3, 4]
    assert [each.name for each in sets] == ["facades"] * 3
    for each in sets:
        assert each.image_shape == each.input_shape == (16, 16, 3)
        # The labels, on the right, become photos.
        np.testing.assert_allclose(mean_color(each.inputs), BLUE, atol=8)
        np.testing.assert_allclose(mean_color(each.targets), RED, atol=8)
    assert len(server.requests) == 1
    # Nothing but the set is left: no archive, no unfinished folder.
    assert {name.split("/")[0] for name in files_in(cache)} == {"facades"}


def test_directions(server):
    turned = datasets.load("facades", direction="AtoB", image_size=16)
    np.testing.assert_allclose(mean_color(turned.inputs), RED, atol=8)
    server.files["/pix2pix/datasets/maps.tar.gz"] = pairs("maps", train=2, val=1)
    np.testing.assert_allclose(
        mean_color(datasets.load("maps", validation_fraction=0.0).inputs), RED, atol=8
    )
    with pytest.raises(ValueError, match="`direction`.*Received"):
        datasets.load("facades", direction="backwards")


def test_what_the_authors_tested_on_is_never_for_choosing(server, cache):
    content = pairs("maps", train=40, val=5)
    server.files["/pix2pix/datasets/maps.tar.gz"] = content
    sets = [datasets.load("maps", split) for split in SPLITS]
    train, validation, test = (set(each.example_names) for each in sets)
    assert len(train) + len(validation) == 40 and 0 < len(validation) < 10
    assert not train & validation
    assert all(datasets.split_of(name) == "validation" for name in validation)
    assert len(test) == 5 and not (cache / "maps" / "val").exists()
    assert sets[0].image_shape == (256, 256, 3)


def test_two_sets_with_validation_held_out(server):
    sets = [datasets.load("horse2zebra", split, image_size=16) for split in SPLITS]
    counts = np.array([(len(each.inputs), len(each.targets)) for each in sets])
    assert counts[:2].sum(axis=0).tolist() == [30, 40] and counts[1].min() > 0
    assert counts[2].tolist() == [3, 4]
    for each in sets:
        assert isinstance(each, datasets.UnpairedDataset)
        np.testing.assert_allclose(mean_color(each.inputs), RED, atol=8)
        np.testing.assert_allclose(mean_color(each.targets), BLUE, atol=8)
    seen = [image.tobytes() for each in sets[:2] for image in each.inputs]
    assert len(set(seen)) == 30
    assert len(server.requests) == 1


def test_options_arrive(server):
    pairs = datasets.load(
        "facades", value_range=(-1, 1), image_size=(8, 12), channels=1, resize="stretch"
    )
    assert pairs.image_shape == (8, 12, 1) and pairs.inputs.min() < 0
    with pytest.raises(ValueError, match="'facades' takes the options .*'direction'"):
        datasets.load("facades", colour=1)
    with pytest.raises(ValueError, match="'horse2zebra' takes .*Received: 'direction'"):
        datasets.load("horse2zebra", direction="AtoB")


def test_all_sets_are_known():
    assert set(public_sets.PAIRED_SETS) | set(public_sets.UNPAIRED_SETS) <= set(
        datasets.names()
    )
    sums = list(public_sets.UNPAIRED_SETS.values())
    assert len(set(sums)) == len(sums) == 8
    assert all(re.fullmatch("[0-9a-f]{64}", each) for each in sums)


# Broken downloads


def test_a_broken_download_goes_on_by_itself(server, cache):
    server.break_after = [1000, 500]
    assert len(datasets.load("facades")) == 6
    assert server.ranges == [None, "bytes=1000-", "bytes=1500-"]


def test_a_later_call_goes_on_where_the_first_was_stopped(server, tmp_path):
    content = facades()
    path = tmp_path / "file"
    server.files["/file"] = content
    server.break_after = [1000, 0]
    with pytest.raises(ConnectionError, match="1000 bytes are kept, the same call"):
        archives.download(f"{server.url}/file", path)
    assert not path.exists() and (tmp_path / "file.part").stat().st_size == 1000
    archives.download(f"{server.url}/file", path)
    assert server.ranges == [None, "bytes=1000-", "bytes=1000-"]
    assert path.read_bytes() == content
    assert files_in(tmp_path) == ["file"]


def interrupted(server, tmp_path, kept):
    """Leaves the first bytes of `/file`; returns its URL and where it goes."""
    server.break_after = [kept, 0]
    with pytest.raises(ConnectionError):
        archives.download(f"{server.url}/file", tmp_path / "file")
    server.requests.clear()
    return f"{server.url}/file", tmp_path / "file"


def test_a_server_without_ranges_begins_anew(server, tmp_path):
    server.files["/file"] = content = facades()
    url, path = interrupted(server, tmp_path, 1000)
    server.knows_ranges = False
    archives.download(url, path)
    assert server.ranges == ["bytes=1000-"]
    assert path.read_bytes() == content


@pytest.mark.parametrize("change", ["tag", "length", "shorter than what is there"])
def test_a_file_that_was_changed_begins_anew(server, tmp_path, change):
    old, new = b"old" * 1000, b"new" * 1000
    server.files["/file"] = old
    url, path = interrupted(server, tmp_path, 1001)
    if change == "tag":
        server.tag = '"2"'
    else:
        new = new * 2 if change == "length" else new[:500]
    server.files["/file"] = new
    archives.download(url, path)
    assert server.ranges == ["bytes=1001-", None]
    assert path.read_bytes() == new


def test_a_whole_part_is_not_downloaded_again(server, tmp_path):
    server.files["/file"] = b"content"
    (tmp_path / "file.part").write_bytes(b"content")
    (tmp_path / "file.version").write_text('7 "1"')
    archives.download(f"{server.url}/file", tmp_path / "file")
    assert server.requests == [] and files_in(tmp_path) == ["file"]


def test_a_part_of_nobody_knows_what_begins_anew(server, tmp_path):
    server.files["/file"] = b"content"
    (tmp_path / "file.part").write_bytes(b"other")
    archives.download(f"{server.url}/file", tmp_path / "file")
    assert server.ranges == [None]
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_server_that_tells_neither_length_nor_tag(server, tmp_path):
    server.files["/file"] = content = b"content" * 1000
    server.tells_length, server.tag = False, None
    archives.download(f"{server.url}/file", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == content


def test_a_server_that_always_breaks_is_given_up(server, tmp_path):
    server.files["/file"] = facades()
    server.knows_ranges = False
    server.break_after = [500] * 9
    with pytest.raises(ConnectionError, match="broke off after 500 of"):
        archives.download(f"{server.url}/file", tmp_path / "file")
    assert len(server.requests) == 2


def test_not_found(server, cache):
    server.files.clear()
    for name, shipped in [("facades", "emoji_edges"), ("horse2zebra", "emoji_vendors")]:
        words = f"'{name}' could not be .*404.*needs the network once; '{shipped}'"
        with pytest.raises(ConnectionError, match=words):
            datasets.load(name)
    assert files_in(cache) == []


def test_offline(server, monkeypatch):
    monkeypatch.setattr(public_sets, "BASE_URL", "http://127.0.0.1:1")
    with pytest.raises(ConnectionError, match="refused.*needs the network") as caught:
        datasets.load("facades")
    assert "\n" not in str(caught.value)


def test_progress_is_shown(server, capsys):
    server.break_after = [1000]
    datasets.load("facades")
    printed = capsys.readouterr().out
    assert "Downloading http://127.0.0.1" in printed and "facades.tar.gz" in printed
    assert f"{len(facades())}/{len(facades())}" in printed


# Broken archives


def test_checksums(server, cache):
    right = hashlib.sha256(facades()).hexdigest()
    wrong = "0" * len(right)
    words = f"SHA-256 {wrong} names.*deleted.*Received: {right}"
    with pytest.raises(archives.RefusedArchive, match=words):
        fetch(server, cache, facades(), checksum=wrong)
    assert files_in(cache) == []
    assert fetch(server, cache, facades(), checksum=right).is_dir()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("facades", "pix2pix/datasets/facades.tar.gz"),
        ("horse2zebra", "cyclegan/datasets/horse2zebra.zip"),
    ],
)
def test_published_checksums_are_asked_for(monkeypatch, tmp_path, name, path):
    seen = []
    monkeypatch.setattr(archives, "fetch", lambda *a: seen.append(a) or tmp_path)
    with pytest.raises(FileNotFoundError):
        datasets.load(name)
    ((url, _, checksum, _),) = seen
    assert url == f"{public_sets.BASE_URL}/{path}"
    assert checksum == public_sets.UNPAIRED_SETS.get(name)


def flipped(content, position):
    changed = bytearray(content)
    changed[position] ^= 255
    return bytes(changed)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"<html>Please log in</html>",
        lambda content: content[: len(content) // 2],
        lambda content: flipped(content, len(content) // 2),
        lambda content: flipped(content, -6),  # The CRC of gzip; of zip, its index.
    ],
    ids=["empty", "text", "half", "changed", "changed at its end"],
)
@pytest.mark.parametrize("name", ["facades", "horse2zebra"])
def test_a_broken_archive_is_named_and_deleted(server, cache, name, damage):
    (path,) = [path for path in server.files if name in path]
    whole = server.files[path]
    server.files[path] = damage(whole)
    with pytest.raises(archives.RefusedArchive, match=f"{name}.*deleted.*Received: "):
        datasets.load(name)
    assert files_in(cache) == []
    server.files[path] = whole
    assert len(datasets.load(name)) > 5


def test_an_archive_of_something_else(server, cache):
    content = tar_of([("facades/readme.txt", b"moved")])
    server.files["/pix2pix/datasets/facades.tar.gz"] = content
    with pytest.raises(
        ValueError, match=r"no folder train.*Received: \['readme.txt'\]"
    ):
        datasets.load("facades")
    assert files_in(cache) == []


# Harmful archives


def special(kind, target=""):
    member = tarfile.TarInfo("set/evil")
    member.type, member.linkname = kind, target
    return member


def zip_link(target):
    member = zipfile.ZipInfo("set/evil")
    member.create_system, member.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return [(member, target), ("set/evil/file", b"evil")]


OUTSIDE = [
    *("../evil", "../../evil", "set/../../evil", "/{tmp_path}/evil", "{tmp_path}/evil"),
    *("C:\\evil", "C:evil", "..\\evil", "\\evil"),
]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_an_archive_that_writes_outside_is_refused(tmp_path, name, kind):
    name = name.format(tmp_path=tmp_path)
    members = [("set/good", b"good"), (name, b"evil"), ("set/last", b"good")]
    refuse(tmp_path, kind, members, "writes outside its folder")


@pytest.mark.parametrize(
    "member",
    [
        *(special(tarfile.SYMTYPE, ".."), special(tarfile.SYMTYPE, "/etc")),
        *(special(tarfile.LNKTYPE, "set/good"), special(tarfile.LNKTYPE, "../out")),
        *(special(tarfile.FIFOTYPE), special(tarfile.CHRTYPE)),
    ],
    ids="up absolute hard hard-up fifo device".split(),
)
def test_links_and_devices_in_tar_files_are_refused(tmp_path, member):
    members = [("set/good", b"good"), (member, b""), ("set/evil/file", b"evil")]
    refuse(tmp_path, "tar.gz", members, "neither a file nor a folder")


@pytest.mark.parametrize("target", ["..", "/etc", "good"])
def test_links_in_zip_files_are_refused(tmp_path, target):
    refuse(tmp_path, "zip", zip_link(target), "neither a file nor a folder")


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_archives_that_would_fill_the_disk_are_refused(tmp_path, kind):
    members = [(f"set/{i}", bytes(10**6)) for i in range(3)]
    refuse(tmp_path, kind, members, "more than 100 times as large")


def refuse(tmp_path, kind, members, words):
    """Unpacks in `tmp_path/in/set` and expects to find no file anywhere after that."""
    folder = tmp_path / "in" / "set"
    folder.parent.mkdir()
    archive = folder.with_name(f"set.{kind}")
    archive.write_bytes({"zip": zip_of, "tar.gz": tar_of}[kind](members))
    with pytest.raises(archives.RefusedArchive, match=f"{words}.*refused.*Received"):
        archives.unpack(archive, folder)
    assert list(tmp_path.rglob("*")) == [folder.parent]


# Interruptions


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("name", ["facades", "horse2zebra"])
def test_a_kill_while_unpacking_leaves_no_half_set(server, cache, name, monkeypatch):
    count, written = 0, pathlib.Path(cache / f"{name}.unpacking")

    def check(self, *arguments):
        nonlocal count
        count += 1
        if count == 4 and name == "facades":
            assert len(files_in(written)) == 3
            raise Killed

    def extract(self, folder):
        self.extract(self.namelist()[0], folder)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(archives._Allowance, "check", check)
        patch.setattr(zipfile.ZipFile, "extractall", extract)
        # A process that is killed does not tidy up.
        patch.setattr(archives.shutil, "rmtree", lambda *a, **k: None)
        with pytest.raises(Killed):
            datasets.load(name)
    assert files_in(written) and not (cache / name).exists()
    (written / name / "train").mkdir(exist_ok=True)
    (written / name / "train" / "old.jpg").write_bytes(jpeg(RED, BLUE))
    assert len(datasets.load(name)) == (6 if name == "facades" else 36)
    assert len(server.requests) == 1  # The archive was there already.
    assert {path.split("/")[0] for path in files_in(cache)} == {name}
    assert "old.jpg" not in "".join(files_in(cache))


def test_a_full_disk_gives_one_line_and_loses_nothing(server, cache, monkeypatch):
    def extract(self, *arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extractall", extract)
        with pytest.raises(OSError, match="disk is full.*kept.*Received") as caught:
            datasets.load("facades")
    assert caught.value.errno == errno.ENOSPC and "\n" not in str(caught.value)
    assert files_in(cache) == ["facades.tar.gz"]
    assert len(datasets.load("facades")) == 6
    assert len(server.requests) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no flock")
def test_who_wants_the_same_set_waits(server, cache):
    url = f"{server.url}/pix2pix/datasets/facades.tar.gz"
    together = threading.Barrier(3)

    def load(_):
        together.wait()
        return len(files_in(archives.fetch(url, cache / "facades")))

    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        assert list(threads.map(load, range(3))) == [13] * 3
    assert len(server.requests) == 1
