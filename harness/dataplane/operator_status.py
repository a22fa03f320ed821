"""What the operator says while a switch is under way: shown to people, and never taken for the state of a node.

``TigeraStatus`` turns Degraded and back several times in every healthy switch, and Available before anything forwards
by eBPF (the recordings' finding 7). The one thing that it decides is that a wait is in vain: an Installation that the
operator refuses stays refused until somebody changes it (``timeline/degraded-*.json``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.kube import client, inventory

STATUS = "/apis/operator.tigera.io/v1/tigerastatuses/calico"
# Reasons of a Degraded condition that speak of what was asked for, and not of what is under way.
_REFUSED = frozenset({"ResourceValidationError", "InvalidConfigurationError"})
_OVERRIDDEN = "refusing to override"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What ``TigeraStatus`` calico says.

    Attributes:
        text: Its conditions in one line; empty if there is no such object.
        refusal: The operator's own message, if it refuses the Installation as it is; empty if it does not.
    """

    text: str = ""
    refusal: str = ""


SILENT = Standing()


def observe(api: client.Client) -> Standing:
    """Ask the API; raises ApiError."""
    status, installation = api.find(STATUS), api.find(inventory.INSTALLATION)
    return read(status, installation) if status is not None and installation is not None else SILENT


def read(status: client.Object, installation: client.Object) -> Standing:
    """What a status says of an Installation. Pure."""
    found = {item["type"]: item for item in (status.get("status") or {}).get("conditions") or ()}
    held = [_said(item) for name, item in found.items() if item.get("status") == "True"]
    degraded = found.get("Degraded") or {}
    return Standing(
        text=", ".join(held) or "nothing is said",
        refusal=_message(degraded) if _refuses(degraded, installation) else "",
    )


def _said(condition: Mapping[str, Any]) -> str:
    message = _message(condition)
    return f"{condition['type']} ({message})" if message and condition["type"] != "Available" else condition["type"]


def _message(condition: Mapping[str, Any]) -> str:
    return " ".join(str(condition.get("message") or "").split())


def _refuses(degraded: Mapping[str, Any], installation: client.Object) -> bool:
    """A condition counts only if it speaks of the Installation as it is now."""
    current = degraded.get("observedGeneration", 0) >= installation["metadata"].get("generation", 0)
    refused = degraded.get("reason") in _REFUSED or _OVERRIDDEN in _message(degraded)
    return degraded.get("status") == "True" and current and refused
