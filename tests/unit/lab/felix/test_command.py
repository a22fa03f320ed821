"""The calico-node command."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.lab.bpf import dumping
from harness.lab.felix import agent, command, health


def test_version_is_calicos(capsys: pytest.CaptureFixture[str]) -> None:
    """The version that the recorded cluster ran."""
    assert command.main(["-v"], {}) == 0
    assert capsys.readouterr().out == "v3.32.1\n"


@pytest.mark.parametrize("words", [["-init"], ["-init", "-best-effort"], ["-shutdown"]])
def test_what_has_nothing_to_do_succeeds(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Init containers and hooks of the real image run, and say nothing."""
    assert command.main(words, {}) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("words", [[], ["-nonsense"], ["-init", "-nonsense"]])
def test_unknown_words_get_the_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and every command that there is."""
    assert command.main(words, {}) == 2
    assert capsys.readouterr().err == command.USAGE


def test_dump_reads_the_nodes_own_maps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The node's folder of the bpffs comes from the pod's environment; one dash or two make no difference."""
    monkeypatch.setattr(dumping, "nat_dump", lambda folder: f"dump of {folder}\n")
    (tmp_path / "maps").mkdir()
    assert command.main(["--bpf", "nat", "dump"], {"SOURCEIP_BPFFS": str(tmp_path)}) == 0
    assert capsys.readouterr().out == f"dump of {tmp_path}\n"


def test_dump_without_maps_fails_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In iptables mode there is nothing to dump, as on a real node."""
    assert command.main(["-bpf", "nat", "dump"], {"SOURCEIP_BPFFS": str(tmp_path)}) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1


@pytest.mark.parametrize("name", command.DUMPS.values())
def test_every_dump_is_there(name: str) -> None:
    """The dumps that the command names are functions of the dataplane's own."""
    assert callable(getattr(dumping, name))


@pytest.mark.parametrize(
    ("words", "complaint"), [(["nat"], "unknown command 'nat'"), (["nat", "dump"], "SOURCEIP_BPFFS")]
)
def test_dump_elsewhere_says_what_is_wrong(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown dump, or one outside a calico-node pod."""
    assert command.main(["-bpf", *words], {}) == 1
    assert complaint in capsys.readouterr().err


def test_readiness_is_felixs_own(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """-felix-ready succeeds and fails with the health port, and says its reason."""
    states = [agent.Health(ready=True, message="dataplane Iptables in force")]
    server = health.serve(0, lambda: states[-1])
    try:
        monkeypatch.setattr(command, "_HEALTH_PORT", server.server_port)
        assert command.main(["-felix-ready"], {}) == 0
        states.append(agent.Health(ready=False, message="waiting for routes to all nodes"))
        assert command.main(["-felix-ready"], {}) == 1
        assert "felix is not ready: waiting for routes to all nodes" in capsys.readouterr().err
        assert command.main(["-felix-live"], {}) == 0
    finally:
        server.shutdown()
        server.server_close()
