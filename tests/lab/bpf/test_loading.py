"""Loading programs and reading maps in the real kernel."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.lab.bpf import attaching, dumping, kernel, layouts, loading, probing
from tests.lab.bpf import namespaces


@pytest.fixture
def pins(bpf: probing.Support, tmp_path: Path) -> Iterator[Path]:
    """A folder in a bpffs of the test's own."""
    with namespaces.private_mounts():
        namespaces.mount("bpf", str(tmp_path))
        folder = tmp_path / "pins"
        folder.mkdir()
        yield folder


@pytest.mark.parametrize("name", loading.BUILT)
def test_every_object_passes_the_verifier(pins: Path, name: str) -> None:
    """Alone, with maps of its own making."""
    programs = loading.load(name, pins)
    for program in programs:
        program.close()
    assert programs
    assert all(program.name.startswith("sip_") for program in programs)


def test_objects_share_their_maps(pins: Path) -> None:
    """What one made the next one finds, so a frontend is the same for all."""
    made: dict[str, int] = {}
    for name in loading.NAMES:
        for program in loading.load(name, pins):
            program.close()
        for path in pins.iterdir():
            assert made.setdefault(path.name, identity(path)) == identity(path)
    assert "sip_conntrack" in made


def identity(path: Path) -> int:
    """The kernel's number of a pinned map."""
    with contextlib.closing(kernel.Map.at(path)) as opened:
        return int.from_bytes(kernel.info(opened.fd)[4:8], "little")


def test_map_of_another_layout_is_made_anew(pins: Path) -> None:
    """A pin that an older version left does not keep a newer one from loading."""
    for program in loading.load("to_pod", pins):
        program.close()
    (pins / "sip_routes").unlink(missing_ok=True)
    with contextlib.closing(kernel.Map.at(pins / "sip_conntrack")) as wrong:
        kernel.pin(wrong.fd, pins / "sip_routes")
    for program in loading.load("from_pod", pins):
        program.close()
    with contextlib.closing(kernel.Map.at(pins / "sip_routes")) as routes:
        assert (routes.key_size, routes.value_size) == (8, 12)


def test_object_that_is_missing_is_an_error_with_its_name(bpf: probing.Support, tmp_path: Path) -> None:
    """And with the kernel's word for it."""
    with pytest.raises(kernel.KernelError, match=r"open from_pod\.o: No such file") as caught:
        loading.load("from_pod", None, objects=tmp_path)
    assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize("count", [0, 1, 6000])
def test_a_map_is_read_whole(pins: Path, count: int) -> None:
    """In one batch or in several."""
    for program in loading.load("from_pod", pins):
        program.close()
    wanted = {layouts.backend_key(number, 0): bytes(8) for number in range(count)}
    with contextlib.closing(kernel.Map.at(pins / "sip_backends")) as opened:
        for key, value in wanted.items():
            opened.put(key, value)
        assert opened.items() == wanted
        assert set(opened.keys()) == wanted.keys()


def test_a_key_that_is_gone_is_no_error(pins: Path) -> None:
    """Programs and user space remove from the same table."""
    for program in loading.load("from_pod", pins):
        program.close()
    with contextlib.closing(kernel.Map.at(pins / "sip_backends")) as opened:
        opened.drop(layouts.backend_key(1, 1))
        assert opened.get(layouts.backend_key(1, 1)) is None


def test_probing_attaches_nothing_that_stays(bpf: probing.Support) -> None:
    """A machine that can do it has the same programs on lo after as before: none of ours."""
    space = namespaces.Namespace()
    try:
        with space.inside():
            assert probing.probe() == bpf
            (program,) = loading.load(probing.HARMLESS_OBJECT, None)
            with contextlib.closing(program):
                assert attaching.has_tcx(program) is bpf.tcx
                assert socket.if_nametoindex("lo") == 1
    finally:
        space.close()


def test_there_is_nothing_to_dump_where_nothing_runs(pins: Path) -> None:
    """An error, not an empty table that could be taken for an answer."""
    for dump in (dumping.nat_dump, dumping.conntrack_dump, dumping.routes_dump):
        with pytest.raises(kernel.KernelError):
            dump(pins)
    assert dumping.ifstate_dump(pins) == ""
