"""Programs in calico-node's pods: by which name they answer, and what counts as no answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from harness.core import errors, process
from harness.dataplane import agents
from harness.kube import client, execution
from tests.unit.dataplane import fakes

Image = Mapping[tuple[str, ...], str | errors.HarnessError]
Arrange = Callable[[Image], list[tuple[str, ...]]]


@pytest.fixture
def image(monkeypatch: pytest.MonkeyPatch) -> Arrange:
    """Put an image's programs in the place of exec; everything else is not found in it."""

    def arranged(programs: Image) -> list[tuple[str, ...]]:
        asked: list[tuple[str, ...]] = []

        def run(
            _api: client.Client,
            *,
            namespace: str,
            pod: str,
            container: str,
            argv: Sequence[str],
            timeout_s: float,
            check: bool,
        ) -> process.Completed:
            assert (namespace, pod, container, check) == ("calico-system", "pod", "calico-node", False)
            assert timeout_s > 0
            asked.append(tuple(argv))
            answer = programs.get(tuple(argv), errors.ApiError(500, "InternalError", f'exec: "{argv[0]}": {MISSING}'))
            if isinstance(answer, errors.HarnessError):
                raise answer
            return process.Completed(argv=tuple(argv), returncode=0, stdout=answer.encode(), stderr=b"")

        monkeypatch.setattr(execution, "run", run)
        return asked

    return arranged


MISSING = "executable file not found in $PATH: unknown"
OLD = ("calico-node", "-bpf", "nat", "dump")
NEW = ("calico", "component", "node", "bpf", "nat", "dump")
NAT = ("iptables-save", "-c", "-t", "nat")
NFT = ("iptables-nft-save", "-c", "-t", "nat")
LEGACY = ("iptables-legacy-save", "-c", "-t", "nat")


def test_the_tool_is_asked_by_its_old_name_first(image: Arrange) -> None:
    """Until v3.32 that is its only name."""
    asked = image({OLD: "maps"})
    assert agents.dump(fakes.Api(), "pod", "nat", "dump") == "maps"
    assert asked == [OLD]


def test_the_tool_is_found_under_its_new_name(image: Arrange) -> None:
    """From v3.33 on the image has no calico-node; the runtime says so, or a shell would with 127."""
    asked = image({NEW: "maps"})
    assert agents.dump(fakes.Api(), "pod", "nat", "dump") == "maps"
    assert asked == [OLD, NEW]
    image({NEW: "maps", OLD: errors.CommandError(OLD, 127, "", "not found")})
    assert agents.dump(fakes.Api(), "pod", "nat", "dump") == "maps"


def test_a_pod_that_is_gone_is_not_a_missing_tool(image: Arrange) -> None:
    """Its own error is what is told, and nothing else is tried."""
    asked = image({OLD: errors.ApiError(404, "NotFound", 'pods "pod" not found')})
    with pytest.raises(errors.ApiError, match="pods"):
        agents.dump(fakes.Api(), "pod", "nat", "dump")
    assert asked == [OLD]


def test_an_image_without_the_tool_is_an_error(image: Arrange) -> None:
    """That is not a node without maps."""
    image({})
    with pytest.raises(errors.ApiError, match="not found"):
        agents.dump(fakes.Api(), "pod", "nat", "dump")


@pytest.mark.parametrize(
    ("programs", "asked"),
    [
        ({NAT: ":KUBE-SERVICES"}, [NAT]),
        ({NAT: "empty", NFT: ":KUBE-SERVICES"}, [NAT, NFT]),
        ({NAT: "empty", LEGACY: ":KUBE-SERVICES"}, [NAT, NFT, LEGACY]),
        ({NAT: "empty", NFT: "other", LEGACY: "more"}, [NAT, NFT, LEGACY]),
        ({NFT: ":KUBE-SERVICES"}, [NAT, NFT]),
        ({LEGACY: "empty"}, [NAT, NFT, LEGACY]),
    ],
)
def test_rules_are_read_from_the_kind_that_has_kubes_chains(
    programs: dict[tuple[str, ...], str], asked: list[tuple[str, ...]], image: Arrange
) -> None:
    """The image's own preference need not be the node's; where no kind has any, the preferred one's text counts."""
    found = image(programs)
    text = agents.nat_rules(fakes.Api(), "pod")
    assert text == next((said for said in programs.values() if "KUBE-" in said), "empty")
    assert found == asked


def test_an_image_without_any_iptables_is_an_error(image: Arrange) -> None:
    """That is not a node without rules."""
    image({})
    with pytest.raises(errors.ApiError, match="not found"):
        agents.nat_rules(fakes.Api(), "pod")
