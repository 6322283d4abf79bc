"""The Spacefile, what is made of it, and what is said if something is missing."""

import copy
import subprocess
import sys

import httpx
import pytest
import yaml

spaces = pytest.importorskip("spaces")

from tests.demos.conftest import ROOT  # noqa: E402


@pytest.fixture
def manifest(project):
    return copy.deepcopy(spaces.read_spacefile(project))


def test_spacefile_is_in_order(manifest, project):
    assert spaces.check(manifest, project) == []


WRONG = {
    "`v`": {"v": 2},
    "`owner`": {"owner": None},
    "no [[space]]": {"space": []},
    "no file demos/none.py": {"app_file": "demos/none.py"},
    "presets.toml has no [none]": {"presets": ["none"]},
    "`colorTo`": {"colorTo": "mauve"},
    "`short_description`": {"short_description": 61 * "x"},
    "at least 3.11": {"python_version": "3.10"},
    "`python_version` must": {"python_version": None},
    'as in "3.12"': {"python_version": "3.x"},
    "`include` of [bundle]": {"bundle": {"requirements": []}},
    "`requirements` of [bundle]": {"bundle": {"include": []}},
    "`smoke` is missing": {"smoke": {}},
    "the slug may have": {"slug": "a/b"},
}


@pytest.mark.parametrize("words", WRONG)
def test_check_names_what_is_wrong(manifest, project, words):
    manifest["space"] = manifest["space"][:1]
    for key, value in WRONG[words].items():
        target = manifest if key in manifest else manifest["space"][0]
        target[key] = value
    problems = spaces.check(manifest, project)
    assert len(problems) == 1
    assert words in problems[0]


def test_a_preset_without_its_file(manifest, tmp_path):
    for name, text in (
        ("demos/app.py", ""),
        ("gen_keras/presets/presets.toml", "[absent]"),
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    manifest["space"] = manifest["space"][:1]
    manifest["space"][0]["presets"] = ["absent"]
    problems = spaces.check(manifest, tmp_path)
    assert problems == ["gen-keras: there is no file gen_keras/presets/absent.keras."]


def test_two_spaces_of_one_slug(manifest, project):
    manifest["space"] *= 2
    assert "twice" in spaces.check(manifest, project)[0]


def test_a_space_is_complete_and_holds_the_named_presets_only(
    manifest, project, tmp_path
):
    manifest["space"][0]["presets"] = ["vae_mnist_2d"]
    out = spaces.build(manifest, "gen-keras", tmp_path / "space", project)
    found = [path.name for path in (out / "gen_keras/presets").glob("*.keras")]
    assert found == ["vae_mnist_2d.keras"]
    table = (out / "gen_keras/presets/presets.toml").read_text()
    assert "[vae_mnist_2d]" in table and "[rbm_mnist]" not in table
    assert (out / "demos/app.py").is_file()
    assert not list(out.rglob("__pycache__"))
    assert "tensorflow-cpu==2.21.*" in (out / "requirements.txt").read_text()
    _, front, text = (out / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(front)
    assert card["sdk"] == "gradio" and card["app_file"] == "demos/app.py"
    assert card["title"] == "gen_keras" and card["sdk_version"] == "6.31.0"
    assert "presets" not in card and "smoke" not in card
    assert "CC BY 4.0" in text
    assert max(p.stat().st_size for p in out.rglob("*") if p.is_file()) < 10e6


def test_a_folder_with_files_is_left_alone(manifest, project, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(spaces.SpaceError, match="must be empty"):
        spaces.build(manifest, "gen-keras", tmp_path, project)


def test_dry_run_lists_what_would_go(manifest, project, capsys):
    told = spaces.deploy(manifest, "gen-keras", dry_run=True, root=project)
    assert told.startswith("Would upload ") and told.endswith("gen-keras/gen-keras.")
    listed = capsys.readouterr().out
    for name in ("README.md", "requirements.txt", "demos/app.py", "vae_mnist.keras"):
        assert name in listed


def test_a_missing_token_is_one_line(manifest, project, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(spaces.SpaceError, match="^No token: set HF_TOKEN"):
        spaces.deploy(manifest, "gen-keras", root=project)


def test_the_command_says_one_line():
    command = [sys.executable, str(ROOT / "demos/spaces.py"), "smoke", "none"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    slugs = "gen-keras, gen-keras-pix2pix, gen-keras-cyclegan"
    assert done.stderr == f"The slug must be one of: {slugs}. Received: none\n"


def test_a_built_space_starts_and_samples(server, manifest):
    # `server` is the Space, built and started in a folder of its own.
    smoke = manifest["space"][0]["smoke"]
    assert spaces.call(server.url, smoke) == "/sample answered with 4 items."


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        pytest.param("sampling", "Sampling", marks=pytest.mark.slow),
        pytest.param("latent_space", "Latent space", marks=pytest.mark.slow),
        pytest.param("boltzmann", "Boltzmann", marks=pytest.mark.slow),
        pytest.param("complete", "Completion", marks=pytest.mark.slow),
        pytest.param("retrieve", "Retrieval", marks=pytest.mark.slow),
        ("about", "About"),
    ],
)
def test_each_page_runs_alone(name, heading):
    with spaces.running(ROOT, f"demos/{name}.py") as url:
        config = httpx.get(f"{url}/config").text
    assert f"<h1>{heading}</h1>" in config
    assert "./latent-space" not in config  # There is no such page.


@pytest.mark.parametrize(
    ("slug", "answer"),
    [
        ("gen-keras-pix2pix", "/pix2pix answered with 3 items."),
        ("gen-keras-cyclegan", "/cyclegan answered with 5 items."),
    ],
)
def test_a_space_of_one_page_translates(manifest, project, slug, answer):
    assert spaces.smoke(manifest, slug, project) == answer


def test_an_app_that_fails_is_reported(tmp_path):
    (tmp_path / "app.py").write_text("raise SystemExit('no weights')")
    with pytest.raises(spaces.SpaceError, match="no weights"):
        with spaces.running(tmp_path, "app.py"):
            pass
