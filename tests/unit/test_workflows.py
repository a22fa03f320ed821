"""The workflows of GitHub: everything pinned and bounded, few rights, and only what this program knows how to do."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.clusters import arguments, selection
from harness.clusters.kind import pins

FOLDER = Path(__file__).parents[2] / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
# A commit's whole hash, and the version that it is of for those who read.
_PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
# Of pytest's own.
_PYTESTS = {"--junitxml"}
Json = dict[str, Any]


def _read(path: Path) -> Json:
    found: Json = yaml.safe_load(path.read_text())
    return found


def _nightly() -> Json:
    return _read(FOLDER / "nightly.yml")


def _combinations() -> list[Json]:
    found: list[Json] = _nightly()["jobs"]["kind"]["strategy"]["matrix"]["include"]
    return found


def _commands(path: Path) -> Iterator[str]:
    """The commands of ours that a workflow runs, each in one line."""
    for job in _read(path)["jobs"].values():
        for step in job["steps"]:
            lines = step.get("run", "").replace("\\\n", " ").splitlines()
            yield from (line for line in lines if re.search(r"sourceip (test|verify)|bin/pytest", line))


def test_there_is_a_quick_and_a_nightly_one() -> None:
    """The tests of this file have something to look at."""
    assert [path.name for path in FILES] == ["nightly.yml", "quick.yml"]
    assert all(list(_commands(path)) for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_commit(path: Path) -> None:
    """A tag can be moved, a commit can't."""
    used = [line.strip().removeprefix("- ") for line in path.read_text().splitlines() if "uses:" in line]
    assert used
    assert [line for line in used if not _PINNED.fullmatch(line)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_rights_and_time_are_bounded(path: Path) -> None:
    """Only reading, an end to every job, one run at a time, and no token left for the steps."""
    found = _read(path)
    assert found["permissions"] == {"contents": "read"}
    assert found["concurrency"]["group"]
    for job in found["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 120
        assert job["runs-on"] == "ubuntu-24.04"
        assert "permissions" not in job
        assert [step["with"]["persist-credentials"] for step in job["steps"] if "checkout" in step.get("uses", "")] == [
            False
        ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_reports_are_kept_whatever_happened(path: Path) -> None:
    """What the run writes is what is uploaded, also of a red one."""
    for job in _read(path)["jobs"].values():
        [upload] = [step for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
        assert upload["if"] == "always()"
        assert upload["with"]["path"] == "reports"
    assert all(re.search(r"--report-dir[ =]reports\b", command) for command in _commands(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_cluster_is_named(path: Path) -> None:
    """A runner has Docker and kind today and may not have them tomorrow; what is measured must not depend on that."""
    wanted = {"quick": "--cluster=lab", "nightly": "--cluster=kind"}[path.stem]
    assert all(wanted in command.split() for command in _commands(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_only_options_that_exist_are_used(path: Path) -> None:
    """An option that was renamed would be found out at night."""
    known = {*arguments.OURS, *arguments.PYTEST_KINDS, "--cells", *_PYTESTS}
    used = {word.partition("=")[0] for command in _commands(path) for word in command.split() if word.startswith("--")}
    assert used <= known


def test_every_combination_is_one_that_calico_is_tested_with() -> None:
    """Kubernetes is in Calico's range, the node image is pinned for this kind, and the way to eBPF is there."""
    kind = _nightly()["env"]["KIND_VERSION"]
    pinned = json.loads(pins.FILE.read_text())["kind_node_images"][kind]
    for each in _combinations():
        calico = pins.version(each["calico"])
        low, high = pins.tested_kubernetes(calico)
        major, minor, _ = map(int, each["kubernetes"].split("."))
        assert low <= (major, minor) <= high, each
        assert each["image"] in pinned
        assert each["image"].startswith(f"kindest/node:v{each['kubernetes']}@sha256:")
        assert each["switch"] in selection.SWITCHES
        assert each["switch"] == "manual" or calico.has_automatic_switch, each


def test_every_version_and_way_has_its_night() -> None:
    """Three versions of Calico, two of Kubernetes each, every way that the version has; and no twin."""
    every = [(each["calico"], each["kubernetes"], each["switch"]) for each in _combinations()]
    assert len(every) == len(set(every))
    assert {calico for calico, _, _ in every} == {"3.30", "3.31", "3.32"}
    for calico in ("3.30", "3.31", "3.32"):
        mine = {(kubernetes, way) for each, kubernetes, way in every if each == calico}
        ways = {"manual", "automatic"} if pins.version(calico).has_automatic_switch else {"manual"}
        versions = {kubernetes for kubernetes, _ in mine}
        assert len(versions) == 2
        assert mine == {(kubernetes, way) for kubernetes in versions for way in ways}
    assert _nightly()["jobs"]["kind"]["strategy"]["fail-fast"] is False


def test_kind_is_held_to_a_checksum() -> None:
    """The download is of the version that the images are pinned for, and is checked before it is made executable."""
    found = _nightly()
    assert len(found["env"]["KIND_SHA256"]) == 2 * hashlib.sha256().digest_size
    [step] = [item["run"] for item in found["jobs"]["kind"]["steps"] if "sha256sum" in item.get("run", "")]
    order = [
        step.index(text) for text in ("$KIND_VERSION/kind-linux-amd64", '"$KIND_SHA256  ', "sha256sum --check", "chmod")
    ]
    assert order == sorted(order)
