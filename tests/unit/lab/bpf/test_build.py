"""The committed objects are what the sources give."""

from __future__ import annotations

import shutil
from pathlib import Path

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
    assert programs == set(loading.NAMES)
    for path in build.SOURCES.glob("*.[ch]"):
        assert "SPDX-License-Identifier: Apache-2.0 OR GPL-2.0" in path.read_text().splitlines()[0]
