"""Evidence is best effort: whatever fails leaves its error, and nothing is raised."""

from __future__ import annotations

from pathlib import Path

from harness.core import errors
from harness.evidence import bundle, collectors
from harness.kube import client
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
