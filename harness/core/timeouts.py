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
    exec_s: float = 30.0
    """One program in a pod, from the handshake to its end."""
    evidence_s: float = 10.0
    """One program in a pod that is asked for evidence, of which a red run asks many."""
    agent_s: float = 30.0
    """A probe from its start to its first word."""
    log_s: float = 5.0
    """A line from its answer's coming to the log's showing it."""
    tool_s: float = 60.0
    """One question to kind, to the container engine or to another program of this machine."""
    image_s: float = 600.0
    """An image that is built, saved or loaded."""
    download_s: float = 60.0
    """One download, while nothing comes."""
    defined_s: float = 60.0
    """A kind from its definition to the API's knowing it."""
    gone_s: float = 180.0
    """A namespace from its deletion until nothing of it is left."""
    rules_s: float = 60.0
    """kube-proxy's or Felix' rules from a Service's coming to their being written on every node."""


DEFAULT = Timeouts()
