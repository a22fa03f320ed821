"""Options are refused before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.clusters import selection
from harness.clusters.existing.options import ExistingOptions
from harness.core import errors
from harness.dataplane import calico
from harness.model import matrix


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"cluster": "minikube"}, "--cluster minikube"),
        ({"samples": 0}, "--samples 0"),
        ({"samples": -3}, "--samples -3"),
        ({"samples": 10**9}, "--samples"),
        ({"switch": "by hand"}, "--switch by hand: manual or automatic"),
    ],
)
def test_values_that_can_not_be_are_usage_errors(options: dict[str, object], word: str) -> None:
    """The option and its value are named."""
    with pytest.raises(errors.UsageError, match=word):
        selection.Options(**options)  # type: ignore[arg-type]  # the point is to hand in what can't be


def test_a_report_directory_that_is_a_file_is_a_usage_error(tmp_path: Path) -> None:
    """It is found out before a cluster is started, not after the run."""
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.UsageError, match="--report-dir"):
        selection.Options(report_dir=tmp_path / "file")


def test_a_cluster_that_is_there_is_never_guessed() -> None:
    """Without a kubeconfig it is refused before anything else is looked at."""
    with pytest.raises(errors.UsageError, match="--kubeconfig FILE names the cluster"):
        selection.require_possible(selection.Options(cluster="existing"))


def test_without_a_client_outside_the_walk_through_is_the_whole_matrix() -> None:
    """The walk-through is an outsider's, so that nothing of it could be sampled."""
    assert selection.Options(cluster="existing").rows == matrix.ROWS
    outside = ExistingOptions(client_cmd=("ssh", "host"))
    assert selection.Options(cluster="existing", existing=outside).rows == matrix.WALKTHROUGH


def test_the_way_to_ebpf_mode_is_the_users_or_left_open() -> None:
    """Both ways have their word, and without one the cluster decides."""
    assert selection.Options().way is None
    assert selection.Options(switch="manual").way is calico.Way.MANUAL
    assert selection.Options(switch="automatic").way is calico.Way.AUTOMATIC


def test_automatic_is_the_lab_where_no_engine_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Which one it is, and why, is said loudly."""
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    assert selection.automatic(said.append) == "lab"
    assert said == [
        "cluster: lab, a reference dataplane and not Calico "
        "(container engine: docker: no such program; podman: no such program)"
    ]


def test_automatic_is_kind_where_engine_and_kind_are_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both are needed; an engine alone is not enough."""
    for name in ("docker", "kind"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("KIND_EXPERIMENTAL_PROVIDER", raising=False)
    assert selection.automatic(lambda _text: None) == "kind"
    (tmp_path / "kind").unlink()
    assert selection.automatic(lambda _text: None) == "lab"
