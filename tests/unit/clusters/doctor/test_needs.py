"""What the doctor makes of what it finds."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from harness.clusters.doctor import examining, looks, needs
from harness.commands import doctor
from harness.core import errors


def raising(error: Exception) -> Callable[[], str]:
    """A look that finds something missing."""

    def look() -> str:
        raise error

    return look


def test_a_look_that_finds_is_a_met_need() -> None:
    """What was found is told, and nothing has to be done."""
    need = needs.asked("lab", "root", lambda: "user 0", remedy="sudo")
    assert (need.met, need.found, need.remedy, need.mark) == (True, "user 0", "", "ok")


APT = "apt-get install -y iproute2"


@pytest.mark.parametrize(
    ("error", "found", "remedy"),
    [
        (errors.CapabilityMissing("ip", "no such program", APT), "no such program", APT),
        (errors.CapabilityMissing("ebpf", "refused"), "refused", "ask somebody"),
        (errors.CommandTimeout(["x"], 3.0, "", ""), "x ended with -9: no end within 3 s", "ask somebody"),
        (PermissionError(13, "Permission denied"), "[Errno 13] Permission denied", "ask somebody"),
    ],
)
def test_a_look_that_fails_is_an_unmet_need(error: Exception, found: str, remedy: str) -> None:
    """Whatever a look raises, the examination goes on, with the best remedy that is known."""
    need = needs.asked("lab", "it", raising(error), remedy="ask somebody")
    assert (need.met, need.found, need.remedy, need.mark) == (False, found, remedy, "MISSING")


FOUND = (
    needs.Need(provider="lab", what="root", met=True, found="user 0"),
    needs.Need(provider="lab", what="eBPF", met=False, found="refused", remedy="a newer kernel", optional=True),
    needs.Need(provider="kind", what="engine", met=False, found="no daemon", remedy="start Docker"),
    needs.Need(provider="kind", what="kernel", met=True, found="6.18"),
)


def test_a_provider_is_usable_if_it_lacks_nothing_that_it_must_have() -> None:
    """One missing need is enough to rule it out, and a want is not."""
    assert needs.usable(FOUND) == ("lab",)


def test_the_text_names_what_is_missing_with_its_remedy() -> None:
    """Remedies are below the table, and no line is wider than a terminal."""
    text = doctor.text(FOUND)
    assert "kind, engine: start Docker" in text
    assert "lab, eBPF: a newer kernel" in text
    assert text.endswith("can run here: lab\n")
    assert max(len(line) for line in text.splitlines()) <= 100


def test_the_json_says_the_same() -> None:
    """Schema, version, every need, and who can run."""
    found = json.loads(json.dumps(needs.document(FOUND)))
    assert (found["schema"], found["version"], found["usable"]) == ("sourceip/doctor", 1, ["lab"])
    assert [need["met"] for need in found["needs"]] == [True, False, False, True]


def test_every_provider_is_examined_on_this_machine() -> None:
    """A real examination ends, whatever this machine is, and says something of each need."""
    found = examining.examine()
    assert {need.provider for need in found} == {"lab", "kind", "existing"}
    assert all(need.found for need in found)
    assert all(need.remedy for need in found if not need.met and not need.optional)


@pytest.mark.parametrize(
    ("release", "version"), [("6.18.44-fc-v657", (6, 18)), ("5.10.0-35-amd64", (5, 10)), ("next", (0, 0)), ("", (0, 0))]
)
def test_a_kernels_version_is_read_from_its_release(release: str, version: tuple[int, int]) -> None:
    """What can't be read is older than everything."""
    assert looks.kernel_version(release) == version


def test_memory_is_read_in_mebibytes() -> None:
    """From the line that says what is available, not what is free."""
    assert looks.available_mib("MemFree: 1 kB\nMemAvailable:    2048 kB\n") == 2
    with pytest.raises(errors.ParseError):
        looks.available_mib("MemFree: 1 kB\n")
