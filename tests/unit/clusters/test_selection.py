"""Options are refused before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.clusters import selection
from harness.core import errors
from harness.dataplane import calico


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


@pytest.mark.parametrize("provider", ["kind", "existing"])
def test_a_provider_without_code_says_so(provider: str) -> None:
    """Nothing half-built is started."""
    with pytest.raises(errors.UsageError, match="not built yet"):
        selection.require_built(provider)


def test_the_way_to_ebpf_mode_is_the_users_or_left_open() -> None:
    """Both ways have their word, and without one the cluster decides."""
    assert selection.Options().way is None
    assert selection.Options(switch="manual").way is calico.Way.MANUAL
    assert selection.Options(switch="automatic").way is calico.Way.AUTOMATIC
