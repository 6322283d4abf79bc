"""Makes Spaces of the demos: complete folders, checked, tried and uploaded.

python demos/spaces.py check
python demos/spaces.py build SLUG --out DIR
python demos/spaces.py smoke SLUG
python demos/spaces.py deploy SLUG [--dry-run]

What there is to make stands in `Spacefile`.
"""

import argparse
import fnmatch
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
PRESETS = pathlib.Path("gen_keras/presets")
REQUIRED = ("slug", "app_file", "title", "presets", "smoke")
NOT_ON_CARD = ("slug", "presets", "smoke")
COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
MAX_FILE = 10_000_000  # Bytes; larger files need git LFS.
MAX_DESCRIPTION = 60

# Spacefile --------------------------------------------------------------------------


class SpaceError(Exception):
    """What is wrong, in one line for the terminal."""


def read_spacefile(root=ROOT):
    """Returns the contents of `Spacefile`, a dict.

    Raises:
        SpaceError: If there is none, or it is no TOML.
    """
    try:
        return tomllib.loads((root / "Spacefile").read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SpaceError(f"Spacefile cannot be read: {error}") from error


def find_space(manifest, slug):
    """Returns the entry of one Space, with the defaults filled in."""
    for space in manifest.get("space", []):
        if space.get("slug") == slug:
            return manifest.get("defaults", {}) | space
    slugs = ", ".join(str(space.get("slug")) for space in manifest.get("space", []))
    raise SpaceError(f"The slug must be one of: {slugs}. Received: {slug}")


def check(manifest, root=ROOT):
    """Returns a list of sentences on what is wrong; empty if nothing is."""
    problems = []
    if manifest.get("v") != 1:
        problems.append(f"`v` must be 1. Received: {manifest.get('v')}")
    for key, kind in (("owner", str), ("defaults", dict), ("bundle", dict)):
        if not isinstance(manifest.get(key), kind):
            problems.append(f"`{key}` is missing.")
    spaces = manifest.get("space") or []
    if not spaces:
        problems.append("There is no [[space]].")
    slugs = [space.get("slug") for space in spaces]
    problems += [
        f"The slug {slug} is there twice."
        for slug in set(slugs)
        if slugs.count(slug) > 1
    ]
    if problems:
        return problems
    for slug in slugs:
        problems += [f"{slug}: {text}" for text in check_space(manifest, slug, root)]
    return problems


def check_space(manifest, slug, root):
    """Yields what is wrong with one Space."""
    space = find_space(manifest, slug)
    for key in REQUIRED:
        if not space.get(key):
            yield f"`{key}` is missing."
            return
    for key in ("include", "requirements"):
        if not isinstance(manifest.get("bundle", {}).get(key), list):
            yield f"`{key}` of [bundle] must be a list."
            return
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}", slug):
        yield "the slug may have letters, digits, dots, hyphens, underscores."
    if not (root / space["app_file"]).is_file():
        yield f"there is no file {space['app_file']}."
    table = tomllib.loads((root / PRESETS / "presets.toml").read_text("utf-8"))
    for name in space["presets"]:
        if name not in table:
            yield f"presets.toml has no [{name}]."
        elif not (root / PRESETS / f"{name}.keras").is_file():
            yield f"there is no file {PRESETS / name}.keras."
    for key in ("colorFrom", "colorTo"):
        if space.get(key, "gray") not in COLORS:
            yield f"`{key}` must be one of {', '.join(COLORS)}."
    if len(space.get("short_description", "")) > MAX_DESCRIPTION:
        yield f"`short_description` has more than {MAX_DESCRIPTION} characters."
    version = re.fullmatch(r"(\d+)\.(\d+)", str(space.get("python_version")))
    if not version or tuple(map(int, version.groups())) < (3, 11):
        yield '`python_version` must be at least 3.11, as in "3.12".'
    if "api_name" not in space["smoke"]:
        yield "`smoke` lacks `api_name`."
    for path in list_files(manifest, slug, root):
        if (root / path).stat().st_size >= MAX_FILE:
            yield f"{path} has 10 MB or more and would need LFS."


# Build ------------------------------------------------------------------------------


def list_files(manifest, slug, root=ROOT):
    """Returns the paths of the files of a Space, relative to `root`, sorted."""
    bundle = manifest["bundle"]
    excluded = bundle.get("exclude", [])
    found = {
        path.relative_to(root)
        for pattern in bundle["include"]
        # From Python 3.13 on "**" finds files; before that it finds folders.
        for path in root.glob(re.sub(r"\*\*$", "**/*", pattern))
        if path.is_file()
    }
    kept = {
        path
        for path in found
        if not any(fnmatch.fnmatch(str(path), pattern) for pattern in excluded)
    }
    wanted = find_space(manifest, slug)["presets"]
    kept |= {
        path
        for path in (PRESETS / f"{name}.keras" for name in wanted)
        if (root / path).is_file()
    }
    return sorted(kept)


def build(manifest, slug, out, root=ROOT):
    """Writes a complete Space, which starts from its own folder.

    Args:
        manifest: Dict, see `read_spacefile`.
        slug: String.
        out: Path of a folder that is empty or not there.
        root: Path of the project.

    Raises:
        SpaceError: If the folder is not empty, or something is missing.
    """
    problems = list(check_space(manifest, slug, root))
    if problems:
        raise SpaceError(f"{slug}: {' '.join(problems)}")
    out = pathlib.Path(out)
    if out.exists() and any(out.iterdir()):
        raise SpaceError(f"The folder must be empty. Received: {out}")
    for path in list_files(manifest, slug, root):
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, out / path)
    space = find_space(manifest, slug)
    table = out / PRESETS / "presets.toml"
    table.write_text(
        select_presets(table.read_text("utf-8"), space["presets"]), "utf-8"
    )
    requirements = "\n".join(manifest["bundle"]["requirements"])
    (out / "requirements.txt").write_text(f"{requirements}\n", "utf-8")
    (out / "README.md").write_text(write_card(space), "utf-8")
    return out


def select_presets(text, names):
    """Returns the table of presets, a TOML text, with the named ones only."""
    sections = re.split(r"(?m)^(?=\[)", text)
    return "".join(
        section
        for section in sections
        if not section.startswith("[") or section[1 : section.index("]")] in names
    )


def write_card(space):
    """Returns the README of a Space: its front matter and a few words."""
    from huggingface_hub import SpaceCardData

    card = {key: value for key, value in space.items() if key not in NOT_ON_CARD}
    front = SpaceCardData(**card).to_yaml()
    presets = "\n".join(f"- `{name}`" for name in space["presets"])
    return f"""---
{front}
---

# {space["title"]}

{space.get("short_description", "")}. Classic generative models in Keras 3, with these
trained weights:

{presets}

Emoji: [Twemoji](https://github.com/jdecked/twemoji), © Twitter and other
contributors, CC BY 4.0; [Noto Emoji](https://github.com/googlefonts/noto-emoji),
Apache-2.0. Digits: MNIST, Y. LeCun, C. Cortes, C. Burges, CC BY-SA 3.0.
"""


# Try and upload ---------------------------------------------------------------------


def smoke(manifest, slug, root=ROOT, timeout=180):
    """Builds a Space in a new folder, starts it there and calls its API once.

    Returns:
        A sentence on what came back.

    Raises:
        SpaceError: If it does not start, or its answer is empty.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = build(manifest, slug, pathlib.Path(folder) / "space", root)
        space = find_space(manifest, slug)
        with running(out, space["app_file"], timeout) as url:
            return call(url, space["smoke"], out)


class running:
    """A context: the app of a built Space, as its host would start it.

    Args:
        folder: Path of the Space.
        app_file: String, relative to it.
        timeout: Seconds to wait for the first page.

    Returns:
        The address of the app.
    """

    def __init__(self, folder, app_file, timeout=180):
        self.folder, self.app_file, self.timeout = folder, app_file, timeout

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.log = tempfile.TemporaryFile("w+")
        environment = os.environ | {
            "GRADIO_SERVER_PORT": str(port),
            "GRADIO_SERVER_NAME": "127.0.0.1",
        }
        environment.pop("PYTHONPATH", None)
        self.process = subprocess.Popen(
            [sys.executable, self.app_file],
            cwd=self.folder,
            env=environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            self._wait(url)
        except BaseException:
            self.__exit__()
            raise
        return url

    def __exit__(self, *error):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def _wait(self, url):
        import httpx

        end = time.monotonic() + self.timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise SpaceError(f"The app stopped:\n{self.output()}")
            try:
                if httpx.get(url, timeout=10).is_success:
                    return
            except httpx.HTTPError:
                time.sleep(0.2)
        raise SpaceError(f"No page after {self.timeout} s:\n{self.output()}")

    def output(self):
        """Returns the last lines that the app printed."""
        self.log.seek(0)
        return "".join(self.log.readlines()[-20:])


def call(url, request, folder=ROOT):
    """Returns a sentence on the answer to one call of the API.

    Args:
        url: String, the address of the app.
        request: Dict, the `smoke` of a Space. Among its `args`, a table `file` stands
            for a file to send.
        folder: Path, where these files are.
    """
    import gradio_client

    client = gradio_client.Client(url, verbose=False)
    args = [
        gradio_client.handle_file(folder / arg["file"])
        if isinstance(arg, dict)
        else arg
        for arg in request.get("args", ())
    ]
    answer = client.predict(*args, api_name=request["api_name"])
    if not answer:
        raise SpaceError(f"{request['api_name']} gave an empty answer: {answer!r}")
    return f"{request['api_name']} answered with {len(answer)} items."


def deploy(manifest, slug, dry_run=False, root=ROOT):
    """Builds a Space and uploads it; or lists what would be uploaded.

    Raises:
        SpaceError: If there is no token.
    """
    import huggingface_hub

    repo_id = f"{manifest['owner']}/{slug}"
    token = huggingface_hub.get_token()
    if not dry_run and not token:
        raise SpaceError("No token: set HF_TOKEN, or log in by `hf auth login`.")
    with tempfile.TemporaryDirectory() as folder:
        out = build(manifest, slug, pathlib.Path(folder) / "space", root)
        files = sorted(path for path in out.rglob("*") if path.is_file())
        sizes = [path.stat().st_size for path in files]
        for path, size in zip(files, sizes, strict=True):
            print(f"{size:>12,}  {path.relative_to(out)}")
        total = f"{len(files)} files, {sum(sizes) / 1e6:.1f} MB"
        if dry_run:
            return f"Would upload {total} to {repo_id}."
        api = huggingface_hub.HfApi(token=token)
        sdk = find_space(manifest, slug)["sdk"]
        api.create_repo(repo_id, repo_type="space", space_sdk=sdk, exist_ok=True)
        api.upload_folder(
            repo_id=repo_id,
            repo_type="space",
            folder_path=out,
            delete_patterns="*",  # What is no longer part of the Space.
            commit_message=f"Deploy {slug}",
        )
        return f"Uploaded {total} to https://huggingface.co/spaces/{repo_id}."


def main(arguments=None):
    """Runs one command; returns the exit status."""
    parser = argparse.ArgumentParser(description="Makes Spaces of the demos.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="check Spacefile and the files it names")
    for name, text in (
        ("build", "write a complete Space"),
        ("smoke", "build a Space, start it and call its API"),
        ("deploy", "upload a Space"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("slug")
        if name == "build":
            command.add_argument("--out", required=True, help="an empty folder")
        if name == "deploy":
            command.add_argument(
                "--dry-run", action="store_true", help="list the files only"
            )
    args = parser.parse_args(arguments)
    try:
        print(run(args))
    except SpaceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def run(args):
    """Runs the command of parsed arguments; returns a sentence on it."""
    manifest = read_spacefile()
    if args.command == "check":
        problems = check(manifest)
        if problems:
            raise SpaceError("\n".join(problems))
        return "Spacefile is in order."
    if args.command == "build":
        return f"Wrote {build(manifest, args.slug, args.out)}."
    if args.command == "smoke":
        return smoke(manifest, args.slug)
    return deploy(manifest, args.slug, args.dry_run)


if __name__ == "__main__":
    sys.exit(main())
