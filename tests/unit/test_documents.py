"""What the pages tell a person to type exists: commands, options, files, images, and the pages that they lead to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness import cli
from harness.clusters import arguments
from harness.clusters.kind import images, pins
from harness.model import words
from tests import recordings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "docs/ci.md", "docs/real-clusters.md", "docs/troubleshooting.md")]
_COMMAND = re.compile(r"(?:\./sourceip|\.venv/bin/pytest)[^\n`]*(?:\\\n[^\n`]*)*")
# Of pytest, and of the commands that have options of their own.
_OTHERS = {
    "--junitxml", "--no-install", "--matrix", "--cells", "--json", "--html", "--junit", "--name", "--node",
    "--services", "--endpointslices", "--nodes", "--dataplane", "--cell", "--level", "--only", "--facts",
}  # fmt: skip


def _commands(page: Path) -> list[str]:
    return [found.replace("\\\n", " ") for found in _COMMAND.findall(page.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_exists(page: Path) -> None:
    """A command that was renamed, or an option that was, is found here."""
    known = {*arguments.OURS, *arguments.PYTEST_KINDS, *_OTHERS}
    for command in _commands(page):
        words = command.split(" -- ")[0].split()
        assert {word.partition("=")[0].rstrip(",.;)") for word in words if word.startswith("--")} <= known, command
        if words[0] == "./sourceip":
            rest = [word for word in words[1:] if not word.startswith("--")]
            assert any(tuple(rest[: len(key)]) == key for key in cli.COMMANDS) or not rest or rest[0] == "lab", command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Files, and headings by the names that GitHub gives them."""
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        place = page.parent / file if file else page
        assert place.exists(), target
        headings = re.findall(r"^#+ (.+)$", place.read_text(), re.MULTILINE)
        names = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in names, target


def _offline() -> str:
    page = (ROOT / "docs" / "real-clusters.md").read_text()
    return page.partition("## kind, without a registry")[2].partition("\n## ")[0]


def test_the_tools_image_is_built_from_the_files_that_it_needs() -> None:
    """Copying by hand gives the folder that the harness builds from."""
    [copied] = re.findall(r"cp (.+) tools/", _offline())
    files = [ROOT / name for name in copied.split()]
    assert {path.name: path.read_bytes() for path in files} == dict(images.context())


def test_the_manifests_are_those_of_the_default_version() -> None:
    """All that the provider asks a folder for."""
    [named] = re.findall(r"for file in (.+); do", _offline())
    assert tuple(named.split()) == pins.version("v3.32.1").manifests


def test_the_images_are_those_that_the_recorded_cluster_ran() -> None:
    """Everything of Calico's and Tigera's that its pods named, and nothing else."""
    recorded = {
        image
        for path in (recordings.path() / "api").glob("*/*.json")
        for image in re.findall(r'"image": "(quay\.io/[^"]+:v[^"]+)"', path.read_text())
    }
    assert len(recorded) == 6
    assert set(re.findall(r"quay\.io/[\w./-]+:v[\d.]+", _offline())) == recorded


def test_the_design_names_every_part_where_it_is() -> None:
    """Each folder with code in it has its line in the layout, and each marker and class is one that there is."""
    design = (ROOT / "docs" / "design.md").read_text()
    layout = design.partition("## 5. ")[2].partition("## 6. ")[0]
    parents = [ROOT / name for name in (".", "harness", "harness/lab", "tests", "manifests")]
    folders = {path.parent.name for parent in parents for path in parent.glob("*/*") if path.suffix in (".py", ".yaml")}
    assert {name for name in folders if not re.search(rf"\b{name}\b", layout)} == set()
    [markers] = re.findall(r"^Markers: (.*?)\. ", design, re.MULTILINE)
    registered = (ROOT / "tox.ini").read_text().partition("markers =")[2]
    assert re.findall(r"`(\w+)`", markers) == re.findall(r"^    (\w+):", registered, re.MULTILINE)
    options = set(re.findall(r"--[\w-]+", design.partition("## 9. ")[2].partition("## 10. ")[0]))
    assert {*arguments.OURS, *arguments.PYTEST_KINDS} - options == set()
    [classes] = re.findall(r"^\| class \| (.*?): ", design, re.MULTILINE)
    assert set(re.findall(r"`([\w-]+)`", classes)) == {item.value for item in words.AddressClass}
