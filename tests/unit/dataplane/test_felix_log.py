"""What the last Felix in a log says of itself."""

from __future__ import annotations

import pytest

from harness.dataplane import felix_log

STARTED = (
    "2026-11-23 05:35:04.1 [INFO][265] felix/int_dataplane.go 600: "
    "BPF enabled, starting BPF endpoint manager and map manager."
)
READY = (
    '2026-11-23 05:35:04.7 [INFO][265] felix/health.go 203: Health changed name="BPFEndpointManager" newReport="ready"'
)
DATA = "2026-11-23 05:36:04.7 [INFO][265] felix/summary.go 100: Summarising 10 dataplane reconciliation loops"
NEXT = "2026-11-23 05:40:00.0 [INFO][400] felix/daemon.go 362: Successfully loaded configuration."
FALLBACK = (
    "2026-11-23 05:35:04.1 [ERROR][265] felix/daemon.go 375: "
    "BPF {} mode enabled but not supported by the kernel.  Disabling BPF mode."
)
LOOKUP = (
    "2026-11-23 05:53:44.2 [ERROR][537] felix/daemon.go 235: Failed to get config "
    'from datastore error=Get "https://x": dial tcp: {}'
)
OTHER = "2026-11-23 05:54:00.0 [INFO][59] node-services/nodeservices.go 52: Starting complete-startup service"


def log(*lines: str) -> felix_log.Felix:
    """What a log of these lines is read as."""
    return felix_log.read("\n".join(lines))


@pytest.mark.parametrize("line", [STARTED, READY])
def test_the_ebpf_dataplane_is_told(line: str) -> None:
    """By the line of its start, or by its manager's health where that line was rotated away."""
    assert log(line, DATA, OTHER) == felix_log.Felix(pid=265, bpf=True)


def test_only_the_last_felix_counts() -> None:
    """Felix starts again inside the same container, so its log holds what earlier ones said."""
    assert log(STARTED, READY, NEXT, OTHER) == felix_log.Felix(pid=400)
    assert not log(FALLBACK.format("dataplane"), NEXT).fallback
    assert not log(LOOKUP.format("lookup x: i/o timeout"), NEXT).locked_out


@pytest.mark.parametrize("word", ["dataplane", "data plane"])
def test_a_silent_fallback_is_heard(word: str) -> None:
    """The code says "dataplane" and the documentation prints "data plane"."""
    found = log(FALLBACK.format(word), DATA)
    assert "not supported by the kernel" in found.fallback
    assert not found.bpf


@pytest.mark.parametrize(
    "cause",
    [
        "lookup kind-control-plane: i/o timeout",
        "172.18.0.2:6443: connect: connection refused",
        "172.18.0.2:6443: connect: no route to host",
    ],
)
def test_a_felix_that_is_locked_out_ends_with_an_error(cause: str) -> None:
    """Its last words are that it can't reach the API, whatever other programs of the container say later."""
    found = log(STARTED, LOOKUP.format(cause), OTHER)
    assert found.pid == 537
    assert cause in found.locked_out


def test_a_felix_that_came_through_is_not_locked_out() -> None:
    """One error in the middle of its life is what every start has; and not every error is one of reaching the API."""
    again = DATA.replace("[265]", "[537]")
    assert not log(LOOKUP.format("lookup x: i/o timeout"), again).locked_out
    assert not log(DATA, DATA.replace("[INFO]", "[ERROR]")).locked_out
    assert not log(LOOKUP.format("connection refused").replace("[ERROR]", "[WARNING]")).locked_out


@pytest.mark.parametrize("text", ["", "nothing of the kind\n", OTHER])
def test_a_log_without_felix_says_nothing(text: str) -> None:
    """No line of Felix, no claim."""
    assert felix_log.read(text) == felix_log.Felix(pid=0)
