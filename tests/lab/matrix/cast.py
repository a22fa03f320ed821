"""The recorded cluster's cast on a lab: echo servers, clients on every node, and how to run a program at each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.core import process
from harness.kube import client, execution, manifests, placing
from harness.lab import plan, state
from tests.lab import switching
from tests.lab.matrix import recorded, roles

BACKENDS = "kind-worker"
_NAMESPACES = {"customer": "yaobank-customer"}
_CUSTOMER = "/apis/apps/v1/namespaces/yaobank-customer/deployments/customer"
_READY_S = 60.0
_RUN_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Cast:
    """A lab with everybody in place.

    Attributes:
        cluster: The lab, its API and its probe.
        owners: Whose each address is.
        pods: The pods that ask or answer, by their names in the recordings.
        addresses: What is dialled, by Service and way: a node's name, ``clusterip`` or ``podip``.
    """

    cluster: switching.Cluster
    owners: roles.Owners
    pods: dict[str, dict[str, Any]]
    addresses: dict[tuple[str, str], str]

    @property
    def api(self) -> client.Client:
        """The lab's API."""
        return self.cluster.api

    def address(self, cell: recorded.Cell) -> str:
        """What a cell's client dials."""
        return self.addresses[cell.service, cell.via]

    def run(self, who: str, argv: Sequence[str]) -> bytes:
        """What a program prints that a client runs: by exec in its pod, or in a namespace outside of the cluster."""
        if who in ("external", "gateway"):
            space = plan.CLIENT if who == "external" else plan.BRIDGE
            return process.run([*entering(self.cluster.lab, space), *argv], timeout_s=_RUN_S).stdout
        pod = self.pods[who.removeprefix("self-")]
        return execution.run(
            self.api,
            namespace=pod["metadata"]["namespace"],
            pod=pod["metadata"]["name"],
            container=pod["spec"]["containers"][0]["name"],
            argv=argv,
            timeout_s=_RUN_S,
        ).stdout


def entering(lab: state.LabState, space: str) -> tuple[str, ...]:
    """The prefix that runs a program in one of the lab's network namespaces, from outside the lab."""
    return ("nsenter", f"--net=/proc/{lab.owner.pid}/root/run/netns/{space}")


@contextmanager
def assembled(lab: state.LabState) -> Iterator[Cast]:
    """A lab with the recorded cast, backends on the node where they were recorded."""
    with switching.cluster(lab) as found:
        deploy(found.api)
        refuse_at_once(found)
    # Which address the dialled node masquerades with depends on where the customer is, so that is looked up afterwards.
    with switching.cluster(lab) as found:
        yield _cast(found)


def deploy(api: client.Client) -> None:
    """Apply the echo Deployments, put the customer where it was recorded, and wait for all of them."""
    objects = placing.placed(manifests.load(manifests.ECHO), BACKENDS)
    manifests.apply(api, objects)
    selector = {"nodeSelector": {placing.HOSTNAME: BACKENDS}}
    customer = api.patch(_CUSTOMER, {"spec": {"template": {"spec": selector}}}, client.STRATEGIC)
    # A Deployment in a list has no kind of its own, and one that was read has.
    manifests.wait_for_workloads(api, [*objects, customer], timeout_s=_READY_S)


def refuse_at_once(found: switching.Cluster) -> None:
    """Let nodes refuse every datagram: the kernel's own limit is six ICMP errors to a client, then one a second.

    The recorded cluster was asked slowly enough; several phases in a few seconds are not.
    """
    for place in found.places:
        process.run([*entering(found.lab, place.name), "sysctl", "-q", "-w", "net.ipv4.icmp_ratelimit=0"])


def _cast(found: switching.Cluster) -> Cast:
    everyone = {
        roles.name_of(item): item
        for namespace in ("echo", *_NAMESPACES.values())
        for item in found.api.items(f"/api/v1/namespaces/{namespace}/pods")
        if item["status"].get("phase") == "Running" and not item["metadata"].get("deletionTimestamp")
    }
    for name in ("echo", "echohost", "customer"):
        assert everyone[name]["spec"]["nodeName"] == BACKENDS, f"{name} is on another node than recorded"
    return Cast(
        cluster=found,
        owners=roles.owners(found.api, outside=found.lab.client, gateway=plan.GATEWAY),
        pods=everyone,
        addresses=_addresses(found, everyone),
    )


def _addresses(found: switching.Cluster, pods: dict[str, dict[str, Any]]) -> dict[tuple[str, str], str]:
    addresses = {}
    for namespace in ("echo", *_NAMESPACES.values()):
        for item in found.api.items(f"/api/v1/namespaces/{namespace}/services"):
            name = item["metadata"]["name"]
            addresses[name, "clusterip"] = item["spec"]["clusterIP"]
            addresses[name, "podip"] = pods[item["spec"]["selector"]["app"]]["status"]["podIP"]
            addresses |= {(name, place.name): place.address for place in found.places}
    return addresses
