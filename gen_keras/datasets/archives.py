"""Archives from the web: resumable, checked, unpacked nowhere but in their folder.

A folder is there whole or not at all. The archive arrives in `NAME.part`, which a later
call goes on with, and becomes `NAME` when length and checksum are right. It is unpacked
in `FOLDER.unpacking`, which becomes `FOLDER` by one renaming. So a process that is
killed loses nothing but its unpacking. Processes that want the same folder wait for
each other (not on Windows, which has no `flock`).
"""

import contextlib
import errno
import gzip
import hashlib
import http.client
import lzma
import os
import pathlib
import shutil
import ssl
import stat
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib

import keras

TIMEOUT = 30  # Seconds without a byte.
MAX_GROWTH = 100  # Of images that hardly shrink, no honest archive comes near.

_NETWORK_ERRORS = (
    *(urllib.error.URLError, http.client.HTTPException, ssl.SSLError),
    *(ConnectionError, TimeoutError),
)
_BROKEN_ARCHIVE = (
    *(EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(tarfile.TarError, zipfile.BadZipFile),
    *(NotImplementedError, RuntimeError),  # Of zip files: unknown method, encrypted.
)


class RefusedArchive(ValueError):
    """The archive is broken, is not the expected one, or would do harm."""


def fetch(url, folder, checksum=None, finish=None):
    """Downloads and unpacks an archive, unless `folder` is there.

    Args:
        url: String, ends in `NAME.tar.gz` or `NAME.zip`. What counts is what lies in
            the folder `NAME` of the archive, or all of it if there is none.
        folder: Path to make.
        checksum: String, SHA-256 of the archive in hexadecimal digits. `None`:
            only the length and the archive's own CRC are checked.
        finish: Function of the unpacked folder, called before it becomes `folder`.

    Returns:
        `folder`.

    Raises:
        ConnectionError: If the download fails. What has arrived is kept.
        RefusedArchive: If the archive is broken or would do harm. It is deleted.
        OSError: If the disk is full. What has arrived is kept.
    """
    folder = pathlib.Path(folder)
    if folder.is_dir():
        return folder
    archive = folder.with_name(url.rpartition("/")[2])
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder.with_name(folder.name + ".lock")):
            if not folder.is_dir():  # Another process may have made it meanwhile.
                if not archive.exists():
                    download(url, archive, checksum)
                unpack(archive, folder, finish)
            archive.unlink(missing_ok=True)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            errno.ENOSPC,
            f"The disk is full. Free some space and call again: what has arrived of "
            f"{url} is kept. Received: the folder {folder.parent}",
        ) from error
    return folder


@contextlib.contextmanager
def _lock(path):
    """Holds a lock that ends with the process, however that ends."""
    with open(path, "a") as file:
        # Neither Windows nor each network drive can lock.
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"Waiting for another process that holds {path}")
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


# Download


def download(url, path, checksum=None):
    """Downloads a file, going on where an earlier call was stopped.

    A connection that breaks is taken up again as long as that brings more bytes.

    Args:
        url: See `fetch`.
        path: Path of the file to make.
        checksum: See `fetch`.
    """
    part = path.with_name(path.name + ".part")
    print(f"Downloading {url} to {path}")
    arrived = _size(part)
    while True:
        try:
            _receive(url, part)
            break
        except _NETWORK_ERRORS as error:
            if _size(part) <= arrived:
                raise ConnectionError(_reason(url, error, _size(part))) from error
            arrived = _size(part)
    if checksum:
        _check(part, url, checksum)
    part.replace(path)
    _version(part).unlink()


def _receive(url, part):
    """Appends the rest of a file to `part`, or begins anew if that is of another.

    Beside `part` lies its version: the length and the tag that the server gave. Where
    they are the same again, it is still the same file.
    """
    version = _version(part)
    known = version.read_text("utf-8") if _size(part) and version.exists() else ""
    start = _size(part) if known else 0
    if known.split(" ")[0] == str(start):
        return  # A process that was killed had it all.
    request = urllib.request.Request(url)
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if not start or error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        return _begin_anew(url, part)
    with response:
        first, length = _extent(response)
        tag = response.headers.get("ETag") or response.headers.get("Last-Modified", "")
        found = f"{length} {tag}"
        if first and (first != start or found != known):
            return _begin_anew(url, part)
        with open(part, "ab" if first else "wb") as file:
            version.write_text(found, "utf-8")
            bar = keras.utils.Progbar(length, unit_name="byte", interval=0.5)
            while chunk := response.read1(2**20):
                file.write(chunk)
                bar.update(file.tell())
    if length is not None and _size(part) != length:
        raise ConnectionError(f"broke off after {_size(part)} of {length} bytes")


def _begin_anew(url, part):
    part.unlink()
    _receive(url, part)


def _extent(response):
    """Returns the position of the first byte, and the length of the whole file."""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        extent, _, length = response.headers.get("Content-Range", "").partition("/")
        first = extent.removeprefix("bytes ").partition("-")[0]
        if not (first.isdigit() and length.isdigit()):
            raise http.client.HTTPException("a part of the file, nobody knows which")
        return int(first), int(length)
    length = response.headers.get("Content-Length")
    return 0, None if length is None else int(length)


def _version(part):
    return part.with_suffix(".version")


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _reason(url, error, arrived):
    """Returns what is wrong with the network, on one line."""
    if isinstance(error, urllib.error.HTTPError):
        reason = f"{error.code} {error.reason}"
    else:
        reason = " ".join(f"{getattr(error, 'reason', error)}".split())
    kept = f"; {arrived} bytes are kept, the same call goes on" if arrived else ""
    return f"{url}: {reason or type(error).__name__}{kept}"


def _check(part, url, checksum):
    with open(part, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != checksum:
        part.unlink()
        _version(part).unlink()
        raise RefusedArchive(
            f"{url} is not the file that its SHA-256 {checksum} names, and was "
            "deleted. Call again; if this comes again, the authors may have changed "
            "it: unpack it yourself and load it as a folder. "
            f"Received: {found}"
        )


# Unpack


def unpack(archive, folder, finish=None):
    """Unpacks a `.tar.gz` or `.zip` file; see `fetch`.

    Only files and folders are accepted, with names that stay inside, that become at
    most `MAX_GROWTH` times as large as the archive.
    """
    unpacking = folder.with_name(folder.name + ".unpacking")
    shutil.rmtree(unpacking, ignore_errors=True)  # Of a process that was killed.
    unpack_kind = _unpack_zip if archive.suffix == ".zip" else _unpack_tar
    try:
        unpack_kind(archive, unpacking)
        inner = unpacking / archive.name.partition(".")[0]
        unpacked = inner if inner.is_dir() else unpacking
        if finish:
            finish(unpacked)
        unpacked.rename(folder)
    except _BROKEN_ARCHIVE as error:
        archive.unlink()
        raise RefusedArchive(
            f"{archive} is broken and was deleted. Call again. "
            f"Received: {' '.join(str(error).split()) or type(error).__name__}"
        ) from error
    except RefusedArchive:
        archive.unlink()
        raise
    except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
        archive.unlink()
        raise RefusedArchive(
            f"{archive} has a file where it has a folder, too, and was deleted. "
            f"Received: {error}"
        ) from error
    finally:
        shutil.rmtree(unpacking, ignore_errors=True)


def _unpack_tar(archive, folder):
    allowed = _Allowance(archive)

    def check(member, path):
        allowed.check(member.name, member.isreg() or member.isdir(), member.size)
        return tarfile.data_filter(member, path)

    with gzip.open(archive) as stream:
        with tarfile.open(fileobj=stream) as file:
            file.extractall(folder, filter=check)
        while stream.read(2**20):  # At its end stands the CRC.
            pass


def _unpack_zip(archive, folder):
    allowed = _Allowance(archive)
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            mode = member.external_attr >> 16  # 0 if made on Windows.
            is_plain = stat.S_IFMT(mode) in (0, stat.S_IFREG, stat.S_IFDIR)
            allowed.check(member.filename, is_plain, member.file_size)
        file.extractall(folder)


class _Allowance:
    """What the members of an archive may be."""

    def __init__(self, archive):
        self._archive = archive
        self._bytes_left = MAX_GROWTH * archive.stat().st_size

    def check(self, name, is_plain, size):
        """Raises `RefusedArchive` if unpacking this member would do harm."""
        path = pathlib.PureWindowsPath(name)  # Knows both kinds of separators.
        self._bytes_left -= size
        if path.anchor or ".." in path.parts:
            problem = "writes outside its folder"
        elif not is_plain:
            problem = "holds what is neither a file nor a folder"
        elif self._bytes_left < 0:
            problem = f"becomes more than {MAX_GROWTH} times as large when unpacked"
        else:
            return
        raise RefusedArchive(
            f"{self._archive} {problem}: it was refused and deleted. Get it from its "
            f"authors. Received: {name!r}"
        )


def cache_folder():
    """Returns where Keras keeps downloads, as a path."""
    home = os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
    return pathlib.Path(home).expanduser() / "datasets"
