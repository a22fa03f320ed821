"""The ``bpftool`` command of a calico-node pod."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.dataplane import node_state
from harness.lab.bpf import cgroups, kernel
from harness.lab.felix import bpftool
from tests import recordings

FOUND = [(9985, "cgroup_inet4_connect", "sip_connect4"), (12, "cgroup_udp4_sendmsg", "sip_sendmsg4")]


def test_a_listing_is_laid_out_as_the_recorded_one() -> None:
    """The same head, and columns that the harness's own reader takes apart."""
    recorded = (recordings.path() / "nodes" / "ebpf" / "kind-worker" / "bpftool-cgroup.txt").read_text()
    head, *lines = bpftool.render(FOUND).splitlines()
    assert head.split() == recorded.splitlines()[0].split()
    assert [line.split() for line in lines] == [[str(identity), kind, "multi", name] for identity, kind, name in FOUND]
    assert node_state.connect_programs(bpftool.render(FOUND)) == {"sip_connect4", "sip_sendmsg4"}


def test_a_cgroup_without_programs_prints_nothing() -> None:
    """As bpftool does."""
    assert bpftool.render([]) == ""


def test_calicos_own_path_is_the_labs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a real calico-node has the node's hierarchy mounted, the lab means the node's own group; else as asked."""
    asked: list[str | Path] = []

    def attached(path: str | Path) -> list[tuple[int, str, str]]:
        asked.append(path)
        return FOUND

    monkeypatch.setattr(cgroups, "attached", attached)
    environment = {"CALICO_CGROUP_PATH": "/run/lab/cgroup/x/node"}
    assert bpftool.main(["cgroup", "show", "/run/calico/cgroup"], environment) == 0
    assert bpftool.main(["cgroup", "show", "/elsewhere"], environment) == 0
    assert asked == ["/run/lab/cgroup/x/node", "/elsewhere"]
    assert "sip_connect4" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["net", "show"], ["cgroup", "show"], ["cgroup", "tree", "/x"]])
def test_anything_else_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With what there is, and never an empty listing."""
    assert bpftool.main(words, {}) == 255
    assert capsys.readouterr() == ("", bpftool.USAGE)


@pytest.mark.parametrize("error", [kernel.KernelError("query", 22), FileNotFoundError("/x")])
def test_a_kernel_that_refuses_is_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no empty listing either."""

    def attached(_path: str | Path) -> list[tuple[int, str, str]]:
        raise error

    monkeypatch.setattr(cgroups, "attached", attached)
    assert bpftool.main(["cgroup", "show", "/x"], {}) == 255
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("Error: can't open cgroup /x: ")
