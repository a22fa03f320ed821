"""The environment of a real, healthy kind + Calico cluster, phase by phase: nothing in it blocks a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.checks import walk
from harness.checks.environment import look, nodes, reading
from harness.checks.environment.seen import NodeSeen, Seen, Way
from harness.kube import inventory
from tests import builders, recordings

PORTS = frozenset({30180, 30181})


def items(phase: str, name: str) -> list[dict[str, Any]]:
    """One recorded list of objects."""
    return list(json.loads((recordings.path() / "api" / phase / f"{name}.json").read_text())["items"])


def kernel_text(folder: Path) -> str:
    """The recorded sysctls, as the harness's own program would have printed them."""
    settings = (line.split(" = ") for line in (folder / "sysctl.txt").read_text().splitlines())
    # sysctl writes a device's dots as slashes and all other slashes as dots.
    swapped = str.maketrans("./", "/.")
    return "".join(f"/proc/sys/{name.translate(swapped)}:{value}\n" for name, value in settings)


def node_seen(phase: str, item: dict[str, Any]) -> NodeSeen:
    """One recorded node."""
    node = inventory.node_from(item)
    folder = recordings.path() / "nodes" / phase / node.name
    said: dict[reading.Program, reading.Said] = {
        reading.RULES: reading.Said(text=(folder / "iptables-save.txt").read_text()),
        reading.KERNEL: reading.Said(text=kernel_text(folder)),
        reading.NAT_MAP: reading.Said(text=(folder / "bpf-nat.txt").read_text()),
    }
    return reading.node_seen(node, {}, said, PORTS)


def seen(phase: str) -> Seen:
    """A recorded phase with a client of which nothing stands in the way."""
    found = tuple(node_seen(phase, item) for item in items(phase, "nodes"))
    installation = items(phase, "installations")[0]
    return Seen(
        client=builders.WHO,
        gateway=builders.known().gateway,
        declared=walk.declared(installation),
        nodes=found,
        ways=tuple(
            Way(node=item.node.name, port=10250, local=builders.CLIENT, saw=frozenset({builders.CLIENT}))
            for item in found
        ),
        addressing=reading.addressing_from(
            installation=installation,
            service_cidrs=(),
            services=items(phase, "services"),
            blocks=items(phase, "blockaffinities"),
            proxy=json.loads((recordings.path() / "kube-proxy" / "kube-proxy-configmap.json").read_text()),
        ),
    )


@pytest.mark.parametrize("phase", ["iptables", "ebpf", "reverted"])
def test_a_healthy_cluster_raises_no_alarm(phase: str) -> None:
    """Nothing blocks, and all that there was to read was read."""
    found = seen(phase)
    assert [finding for finding in look.findings(found) if finding.blocking] == []
    assert all(item.forward == "ACCEPT" and item.rp_filter["all"] in (0, 1) for item in found.nodes)
    assert all(len(item.dataplanes) == 1 for item in found.nodes)
    assert len(found.addressing.blocks) == 3
    assert found.addressing.pods
    assert found.addressing.services


@pytest.mark.parametrize(("phase", "count"), [("iptables", 0), ("ebpf", 0), ("reverted", 3)])
def test_what_ebpf_leaves_behind_is_named_and_nothing_else(phase: str, count: int) -> None:
    """The recordings' finding 12: after the way back rp_filter is not what it was."""
    found = look.findings(seen(phase))
    assert [(finding.cause, finding.blocking) for finding in found] == [(nodes.RP_FILTER, False)] * count


def test_what_kube_proxy_takes_for_pods_is_read_from_its_configuration() -> None:
    """The recorded ConfigMap's clusterCIDR is the pool, and a mode that goes by something else has none."""
    config = json.loads((recordings.path() / "kube-proxy" / "kube-proxy-configmap.json").read_text())
    assert [str(found) for found in reading.cluster_cidrs(config)] == ["10.244.0.0/16"]
    text = config["data"]["config.conf"].replace('detectLocalMode: ""', "detectLocalMode: BridgeInterface")
    assert reading.cluster_cidrs({"data": {"config.conf": text}}) == ()
