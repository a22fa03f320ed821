"""The program's own refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.lab import api
from harness.lab.felix import __main__ as program

COMPLETE = {
    "NODE_NAME": "kind-worker",
    "KUBECONFIG": "/nowhere",
    "SOURCEIP_BPFFS": "/nowhere",
    "CALICO_CGROUP_PATH": "/nowhere",
}


@pytest.mark.parametrize("missing", COMPLETE)
def test_incomplete_environment_is_named(
    missing: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One line that names the variable, and exit code 2."""
    monkeypatch.setattr(api.Api, "from_kubeconfig", lambda _path, *, agent: agent)
    environment = {name: value for name, value in COMPLETE.items() if name != missing}
    assert program.main(environment) == 2
    assert missing in caplog.text


def test_unreadable_kubeconfig_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Exit code 2 and the file's name."""
    (tmp_path / "config").write_text("not JSON")
    assert program.main({**COMPLETE, "KUBECONFIG": str(tmp_path / "config")}) == 2
    assert "not a kubeconfig" in caplog.text
