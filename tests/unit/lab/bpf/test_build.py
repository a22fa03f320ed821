"""The committed objects are what the sources give."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.core import errors
from harness.lab.bpf import build, loading


def test_objects_match_their_sources() -> None:
    """Compiled again where the same compiler is there; by the recorded hash elsewhere."""
    assert build.differences() == []


def test_a_changed_source_changes_the_hash(tmp_path: Path) -> None:
    """Headers too: they are in every object."""
    copy = tmp_path / "src"
    shutil.copytree(build.SOURCES, copy)
    assert build.sources_hash(copy) == build.sources_hash()
    (copy / "layout.h").write_text((copy / "layout.h").read_text() + "\n")
    assert build.sources_hash(copy) != build.sources_hash()


def test_every_source_has_its_object_and_its_licence() -> None:
    """One program a file, the licence in its first line."""
    programs = {path.name.removesuffix(".bpf.c") for path in build.SOURCES.glob("*.bpf.c")}
    assert programs == set(loading.BUILT)
    for path in build.SOURCES.glob("*.[ch]"):
        assert "SPDX-License-Identifier: Apache-2.0 OR GPL-2.0" in path.read_text().splitlines()[0]


def test_without_the_compiler_the_recorded_hashes_decide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without clang still sees a source or an object that was changed alone."""
    monkeypatch.setattr(build, "compiler", lambda: "")
    assert build.differences() == []
    objects = tmp_path / "objects"
    shutil.copytree(loading.OBJECTS, objects)
    (objects / "to_pod.o").write_bytes(b"something else")
    monkeypatch.setattr(loading, "OBJECTS", objects)
    assert build.differences() == ["to_pod.o is not the one that was built"]
    monkeypatch.setattr(build, "sources_hash", lambda: "another")
    assert build.differences() == ["the sources have changed since the objects were built"]


def test_missing_headers_are_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was compiled from these very sources is not wrong because this machine cannot compile it."""

    def refuse(target: Path) -> None:
        raise errors.CommandError(["clang", str(target)], 1, "", "bpf/bpf_helpers.h: no such file")

    monkeypatch.setattr(build, "compile_all", refuse)
    assert build.differences() == []
