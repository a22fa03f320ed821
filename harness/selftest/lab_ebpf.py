"""Mutations of a lab in eBPF mode."""

from __future__ import annotations

import contextlib
from pathlib import Path

from harness.core import cleanup
from harness.model import words
from harness.selftest.lab_bench import Bench, Inflict, OfCluster
from harness.selftest.mutations import failing

_TUNNEL = "vxlan.calico"
_AGENTS = "/api/v1/namespaces/calico-system/pods"


def _snat(to: str) -> Inflict:
    """What comes to the backend's node through the tunnel has another source; answers find back all the same."""

    def inflict(bench: Bench, undo: cleanup.CleanupStack) -> None:
        claim = to.format_map(bench.words)
        where = ("--device", _TUNNEL, "--truth", str(bench.client), "--claim", claim)
        bench.program(undo, bench.here.name, "lab_liar", *where)

    return inflict


def _snat_to_nobody(bench: Bench, undo: cleanup.CleanupStack) -> None:
    """The same with an address that no machine has: an answer must get as far as the tunnel's program all the same."""
    entry = (f"{bench.client}0", "lladdr", "02:00:00:00:00:50", "dev", "eth0")
    bench.inside(bench.here.name, "ip", "neigh", "replace", *entry)
    undo.push("neighbour", lambda: bench.inside(bench.here.name, "ip", "neigh", "del", *entry))
    _snat("{client}0")(bench, undo)


def _blocked(bench: Bench, undo: cleanup.CleanupStack) -> None:
    """Put something in the place where a node's programs are pinned, as a foreign mount there would be."""
    folder = Path(f"/proc/{bench.lab.owner.pid}/root/run/lab/bpf/{bench.third.name}")
    with contextlib.suppress(FileNotFoundError):
        folder.rmdir()
    folder.symlink_to("/nowhere")

    def unblock() -> None:
        folder.unlink()
        # A felix that has given up on BPF says so once; its successor tries again.
        for item in bench.run.place.api.items(_AGENTS, {"labelSelector": "k8s-app=calico-node"}):
            if item["spec"].get("nodeName") == bench.third.name:
                bench.run.place.api.delete(f"{_AGENTS}/{item['metadata']['name']}")

    undo.push("programs", unblock)


MUTATIONS = (
    OfCluster(
        name="node-stays-behind",
        does="The API says BPF, and one node of three cannot load its programs.",
        origin="felix falls back silently",
        phase=words.Phase.EBPF,
        inflict=_blocked,
        before=True,
        catch=failing("{third}:30180 (customer, Cluster, HTTP): expected {client} client, seen"),
    ),
    OfCluster(
        name="snat-entry",
        does="A program of BPF turns the client's address into the entry node's.",
        origin="SNAT inside eBPF",
        phase=words.Phase.EBPF,
        inflict=_snat("{far_address}"),
        catch=failing(
            "{far}:30180 (customer, Cluster, HTTP): expected {client} client, seen {far_address} entry-node, 0 of 3"
        ),
    ),
    OfCluster(
        name="snat-other",
        does="A program of BPF turns the client's address into another node's.",
        origin="SNAT inside eBPF",
        phase=words.Phase.EBPF,
        inflict=_snat("{third_address}"),
        catch=failing(
            "{far}:30180 (customer, Cluster, HTTP): expected {client} client, seen {third_address} other-node, 0 of 3"
        ),
    ),
    OfCluster(
        name="snat-prefix",
        does="A program of BPF turns the client's address into one that begins like it.",
        origin="hole 1: a prefix is compared",
        phase=words.Phase.EBPF,
        inflict=_snat_to_nobody,
        catch=failing("saw {client}0 instead of {client} client"),
    ),
)
