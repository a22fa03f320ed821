"""Evidence is best effort: whatever fails leaves its error, and nothing is raised."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.core import errors, process
from harness.evidence import bundle, collectors
from harness.kube import client, execution
from tests import fake_cluster


class Mute(fake_cluster.Api):
    """An API that refuses everything."""

    def get(self, path: str, params: client.Params = ()) -> client.Object:
        """Refuse."""
        raise errors.ApiError(503, "ServiceUnavailable", "gone")


def test_what_can_be_had_is_written_and_what_can_not_says_why(tmp_path: Path) -> None:
    """Nodes are there; kinds that this API does not have leave its words; customer's log is kept as bytes."""
    api = fake_cluster.Api()
    api.log.append("a line")
    assert collectors.collect(api, tmp_path, title="a test") > 5
    assert "kind-worker2" in (tmp_path / "api" / "nodes.json").read_text()
    assert not (tmp_path / "api" / "tigerastatuses.json").exists()
    assert "not collected: 404 NotFound" in (tmp_path / bundle.INDEX).read_text()
    assert (tmp_path / "logs" / "yaobank-customer" / "customer-1.log").read_bytes() == b"a line\n"


def test_an_api_that_is_gone_raises_nothing(tmp_path: Path) -> None:
    """Even the reason is evidence."""
    assert collectors.collect(Mute(), tmp_path, title="a test") == 1
    assert "gone" in (tmp_path / "no-api.txt").read_text()
    assert "no-api.txt" in (tmp_path / bundle.INDEX).read_text()


def test_a_folder_that_can_not_be_written_raises_nothing(tmp_path: Path) -> None:
    """The run's own verdict must not be hidden by a full disk."""
    (tmp_path / "file").write_text("")
    assert collectors.collect(fake_cluster.Api(), tmp_path / "file", title="a test") > 0


# What the build of calico-node's image keeps (node/clean-up-filesystem.sh), under v3.33's name of Calico's own tool.
KEPT = {"iptables-save", "nft", "conntrack", "ip", "grep", "calico"}


class WithAgent(fake_cluster.Api):
    """A cluster with one calico-node."""

    def get(self, path: str, params: client.Params = ()) -> client.Object:
        """Its pod besides everybody else's."""
        if path != "/api/v1/pods":
            return super().get(path, params)
        pod = {
            "metadata": {"namespace": "calico-system", "name": "calico-node-1"},
            "spec": {"nodeName": "kind-worker", "containers": [{"name": "calico-node"}]},
            "status": {"phase": "Running"},
        }
        return {"items": [pod]}


def test_every_program_is_one_that_the_image_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules, maps, devices and settings come from a real calico-node, whichever name its tool has."""

    def run(_api: client.Client, *, argv: Sequence[str], **_: object) -> process.Completed:
        if argv[0] not in KEPT:
            raise errors.ApiError(500, "InternalError", f'exec: "{argv[0]}": executable file not found in $PATH')
        return process.Completed(argv=tuple(argv), returncode=0, stdout=" ".join(argv).encode(), stderr=b"")

    monkeypatch.setattr(execution, "run", run)
    collectors.collect(WithAgent(), tmp_path, title="a test")
    found = {path.name: path.read_text() for path in (tmp_path / "nodes" / "kind-worker").iterdir()}
    assert found["bpf-nat.txt"] == "calico component node bpf nat dump"
    assert found["sysctl.txt"].startswith("grep ")
    assert "executable file not found" not in (tmp_path / bundle.INDEX).read_text()
