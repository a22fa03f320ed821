"""felix's loop: level-driven, one pass for every change.

A pass reads what is wanted from the API's copy, compares it with what is there, and changes the difference. The
order within a pass keeps every answer right while the dataplane is switched:

* into eBPF mode: the programs are loaded, which takes longest and touches nothing; the rules stop asking the kernel's
  connection tracking; the tunnel device is made anew (packets for other nodes go nowhere meanwhile); the programs are
  attached; and only then kube-proxy's rules go. From the first program on, a packet is translated before the rules
  could see it.
* back: the tunnel device returns; the programs take no new flow, nor let the stack have one, and what is under way is
  marked, so that no late answer leaves untranslated (see ``flows``); the rules return; then the programs go, eth0's
  last. So whoever gets through a node by kube-proxy's rules finds everything of iptables mode there, and nothing of
  eBPF mode. Felix cannot know when kube-proxy's rules will be there again: until then a NodePort is refused.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from harness.core import errors, waiting
from harness.lab.felix import cluster, flows, kube_proxy, overlay, rules, saved, sysctls, workloads

log = logging.getLogger("felix.int_dataplane")

SWEEP_S = 1.0
RETRY_S = 0.2
# Looks at kube-proxy's rules after each change of Services or endpoints, in seconds: kube-proxy may be writing its
# rules just then. The real felix doubles its waits after a write in the same way.
LOOKS_S = (0.1, 0.4, 1.0, 3.0, 10.0, 30.0)

# What is wired to the node: a pass is due when it changes.
Wiring = tuple[tuple[tuple[int, str], ...], tuple[workloads.Pod, ...]]


class Mirror(Protocol):
    """What the agent needs of ``api.Mirror``, which documents it."""

    @property
    def synced(self) -> bool:
        """Whether everything has been listed."""

    def items(self, path: str) -> list[dict[str, Any]]:
        """The objects of a collection."""

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for a change."""

    def wake(self) -> None:
        """Make ``wait`` return."""


class Node(Protocol):
    """What the agent needs of ``node.Node``, which documents it."""

    def devices(self) -> tuple[tuple[int, str], ...]:
        """All network devices."""

    def pods(self) -> tuple[workloads.Pod, ...]:
        """The pods that are wired to it."""

    def has_tunnel(self, tunnel: overlay.Tunnel) -> bool:
        """Whether the tunnel device is as it must be."""

    def paths(self) -> overlay.Paths:
        """What leads to the other nodes."""

    def make_tunnel(self, want: overlay.Overlay) -> None:
        """Make the tunnel device."""

    def change_overlay(self, addresses: tuple[str, ...], forwarding: tuple[str, ...]) -> None:
        """Run commands of ``ip`` and ``bridge``."""

    def tables(self) -> dict[str, saved.Table]:
        """The iptables rules."""

    def restore(self, text: str) -> None:
        """Apply rules in one go."""

    def mark(self, found: Iterable[flows.Flow]) -> None:
        """Mark flows that must not go on."""

    def set_sysctls(self, wanted: sysctls.Settings) -> None:
        """Write the kernel settings that differ."""


class Dataplane(Protocol):
    """The eBPF dataplane of this node."""

    def unsupported(self) -> str:
        """Why the kernel cannot run it; empty where it can."""

    def prepare(self) -> None:
        """Load what can be loaded before any packet is touched; harmless where that is done already."""

    def apply(self, state: cluster.Cluster, pods: tuple[workloads.Pod, ...]) -> None:
        """Make programs and maps agree with the cluster; attaches on the first call."""

    def retire(self) -> tuple[flows.Flow, ...]:
        """Let no new flow begin before ``stop``; the flows of datagrams that are under way.

        Harmless where nothing is there.
        """

    def sweep(self) -> None:
        """Forget connections that have expired."""

    def stop(self) -> None:
        """Detach and remove everything; harmless where nothing is there."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """What readiness tells.

    Attributes:
        ready: The dataplane in force is the one asked for, and every known node is routed to.
        message: Which dataplane is in force, or what is missing.
    """

    ready: bool
    message: str


class Agent:
    """felix on one node. ``run`` is its main loop and the only method that changes the node."""

    def __init__(
        self, name: str, mirror: Mirror, node: Node, bpf: Dataplane, *, clock: waiting.Clock = waiting.REAL
    ) -> None:
        self._name = name
        self._mirror = mirror
        self._node = node
        self._bpf = bpf
        self._clock = clock
        self._stopping = threading.Event()
        self.health = Health(ready=False, message="not started")
        self._in_force: bool | None = None
        self._unsupported: str | None = None
        self._complained = False
        self._young = True
        self._applied: tuple[cluster.Cluster, Wiring] | None = None
        self._tables: tuple[rules.Table, ...] = ()
        self._own_rules: tuple[str, ...] = ()
        self._refresh_at = 0.0
        self._sweep_at = 0.0
        self._looks: list[float] = []

    def stop(self) -> None:
        """End the loop; the node stays as it is, as it does under the real felix. Safe in a signal handler."""
        self._stopping.set()
        self._mirror.wake()

    def run(self) -> None:
        """Work until ``stop``."""
        timeout_s = RETRY_S
        while not self._stopping.is_set():
            self._mirror.wait(timeout_s)
            if self._mirror.synced and not self._stopping.is_set():
                timeout_s = SWEEP_S if self._attempt() else RETRY_S

    def _attempt(self) -> bool:
        """One pass; False if it must be tried again soon."""
        try:
            self.once()
        except (errors.HarnessError, OSError) as error:
            log.warning("failed to program the dataplane, will retry: %s", error)
            self.health = Health(ready=False, message=str(error))
            self._applied = None
            return False
        return self.health.ready

    def once(self) -> None:
        """One pass over everything that may have changed.

        Raises:
            HarnessError: A program or the kernel refused, or an object has not the form it must have; the next pass
                begins anew.
            OSError: As above, from the kernel's own files.
        """
        state = cluster.cluster({path: self._mirror.items(path) for path in cluster.COLLECTIONS})
        now = self._clock.now()
        bpf = self._bpf_wanted(state.settings)
        if now >= self._refresh_at or self._applied != (state, self._wiring()) or self._in_force != bpf:
            self._program(state, bpf=bpf)
            self._refresh_at = now + state.settings.refresh_s
            # What is not complete is not applied: the next pass tries again.
            self._applied = (state, self._wiring()) if self.health.ready else None
            self._looks = [now + look for look in LOOKS_S]
            self._look_ahead(state.settings)
        elif bpf:
            self._keep(state.settings, now)
        if bpf and now >= self._sweep_at:
            self._bpf.sweep()
            self._sweep_at = now + SWEEP_S

    def _wiring(self) -> Wiring:
        return self._node.devices(), self._node.pods()

    def _bpf_wanted(self, settings: cluster.Settings) -> bool:
        if not settings.bpf_enabled:
            return False
        if self._unsupported is None:
            self._unsupported = self._bpf.unsupported()
        if self._unsupported and not self._complained:
            self._complained = True
            log.error("BPF dataplane mode enabled but not supported by the kernel.  Disabling BPF mode.")
            log.error("%s", self._unsupported)
        return not self._unsupported

    def _look_ahead(self, settings: cluster.Settings) -> None:
        """Load the programs of a felix that was started for eBPF mode while the others are still being replaced.

        Loading takes longest in a switch. A felix that is about to be replaced itself leaves it to its successor.
        """
        if self._young and settings.bpf_ahead and self._unsupported is None:
            self._unsupported = self._bpf.unsupported()
        self._young = False

    def _program(self, state: cluster.Cluster, *, bpf: bool) -> None:
        own = state.node(self._name)
        if own is None or own.tunnel is None:
            self._say(Health(ready=False, message="waiting for the addresses of this node"))
            return
        complete = self._program_bpf(state) if bpf else self._program_iptables(state)
        self._report(state, complete=complete)

    def _program_bpf(self, state: cluster.Cluster) -> bool:
        entering = self._in_force is not True
        if entering:
            log.info("BPF enabled, configuring iptables/nftables layer to clean up kube-proxy's rules.")
            log.info("BPF enabled, starting BPF endpoint manager and map manager.")
        self._bpf.prepare()
        self._program_rules(state, bpf=True)
        complete = self._program_overlay(state, external=True)
        self._set_kernel(bpf=True)
        self._bpf.apply(state, self._node.pods())
        self._in_force = True
        if entering:
            log.info("BPF dataplane in force.")
        self._clean_up_kube_proxy(state.settings)
        return complete

    def _program_iptables(self, state: cluster.Cluster) -> bool:
        leaving = self._in_force is not False
        complete = self._program_overlay(state, external=False)
        if leaving:
            # A felix that was ended in eBPF mode has left its programs behind.
            self._node.mark(self._bpf.retire())
        self._program_rules(state, bpf=False)
        if leaving:
            self._bpf.stop()
            log.info("BPF disabled, iptables dataplane in force.")
            self._in_force = False
        self._set_kernel(bpf=False)
        return complete

    def _program_overlay(self, state: cluster.Cluster, *, external: bool) -> bool:
        want = overlay.wanted(self._name, state, external=external)
        if want is None:
            return False
        if not self._node.has_tunnel(want.tunnel):
            log.info("Assigning %s to %s", want.tunnel.address, overlay.DEVICE)
            self._node.make_tunnel(want)
        present = self._node.paths()
        addresses = overlay.render_changes(want.paths, present)
        forwarding = overlay.render_forwarding(want.paths, present)
        if not addresses and not forwarding:
            return True
        self._node.change_overlay(addresses, forwarding)
        return self._node.paths().includes(want.paths)

    def _set_kernel(self, *, bpf: bool) -> None:
        names = (name for _, name in self._node.devices())
        self._node.set_sysctls(sysctls.wanted(names, bpf=bpf))

    def _program_rules(self, state: cluster.Cluster, *, bpf: bool) -> None:
        tables = rules.wanted(state, bpf=bpf)
        present = self._node.tables()
        # What was applied last is known in the kernel's own words, which differ between versions of iptables.
        if not self._own_rules or rules.own_part(present) != self._own_rules or tables != self._tables:
            self._node.restore(rules.render(tables, present))
            self._own_rules = rules.own_part(self._node.tables())
            self._tables = tables

    def _keep(self, settings: cluster.Settings, now: float) -> None:
        if self._looks and now >= self._looks[0]:
            self._looks.pop(0)
            self._clean_up_kube_proxy(settings)

    def _clean_up_kube_proxy(self, settings: cluster.Settings) -> None:
        if not settings.cleanup_kube_proxy:
            return
        text = kube_proxy.render_removal(self._node.tables())
        if text:
            log.info("Found kube-proxy's chains, marking for cleanup.")
            self._node.restore(text)

    def _report(self, state: cluster.Cluster, *, complete: bool) -> None:
        asked = state.settings.bpf_enabled and not self._unsupported
        name = "BPF" if self._in_force else "Iptables"
        message = f"dataplane {name} in force" + ("" if complete else ", waiting for routes to all nodes")
        self._say(Health(ready=complete and self._in_force == asked, message=message))

    def _say(self, health: Health) -> None:
        if health != self.health:
            log.info("Health: ready=%s, %s", health.ready, health.message)
        self.health = health
