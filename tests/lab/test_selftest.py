"""The selftest on a real lab: every fault in its kernel is caught, and what is left of it afterwards is nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
from typing import Any

import pytest

from harness import cli
from harness.core import cleanup, errors
from harness.lab import lifecycle
from harness.selftest import lab_bench, lab_trial, trial


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    """What ``sourceip selftest --json`` says of all mutations of a lab."""
    try:
        lifecycle.require_machine()
    except errors.CapabilityMissing as error:
        pytest.skip(str(error))
    names = [word for item in lab_trial.MUTATIONS for word in ("--only", item.name)]
    with contextlib.redirect_stdout(io.StringIO()) as captured:
        code = cli.main(["selftest", "--json", *names])
    found: dict[str, Any] = json.loads(captured.getvalue())
    assert code == (0 if found["passed"] else 1)
    return found


@pytest.mark.parametrize("name", [item.name for item in lab_trial.MUTATIONS])
def test_the_harness_is_not_fooled(said: dict[str, Any], name: str) -> None:
    """Caught by what must catch it, or let be; or the kernel has no BPF, and that is said."""
    if name in said["untried"]:
        pytest.skip(said["untried"][name])
    [found] = [item for item in said["mutations"] if item["name"] == name]
    assert found["good"], found


def test_a_fault_that_stays_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutation that is not undone makes the lab red at the end of its phase, and the selftest ends with that."""

    def inflict(bench: lab_bench.Bench, _undo: cleanup.CleanupStack) -> None:
        original.inflict(bench, cleanup.CleanupStack())

    original = next(item for item in lab_trial.MUTATIONS if item.name == "unmasqueraded")
    # It does not go away, so a lab's usual patience would only be waited for.
    monkeypatch.setattr(lab_trial, "_BACK_S", 8.0)
    sticky = dataclasses.replace(original, inflict=inflict)
    try:
        with pytest.raises(trial.RedBaseline, match=r"seen 172\.18\.0\.5 client"):
            list(lab_trial.try_all([sticky], {}, say=lambda _text: None))
    except errors.CapabilityMissing as error:
        pytest.skip(str(error))
