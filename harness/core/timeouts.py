"""Every time limit in one place, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long things may take before the harness calls them failed."""

    lab_up_s: float = 60.0
    """From the first namespace to a ready yaobank."""
    lab_down_s: float = 20.0
    """From the request to the last process gone."""
    rollout_s: float = 300.0
    """A workload from applied to available."""
    switch_s: float = 300.0
    """A dataplane switch from the patch to forwarding by the new dataplane on every node."""
    probe_s: float = 5.0
    """One sample that is expected to be answered."""
    unanswered_s: float = 1.0
    """One sample that is expected to stay unanswered."""
    look_s: float = 0.5
    """One fresh connection of a look that a switch is awaited by."""
    cluster_s: float = 900.0
    """A cluster from its first container to a network on every node."""
    api_s: float = 30.0
    """One request to the Kubernetes API."""


DEFAULT = Timeouts()
