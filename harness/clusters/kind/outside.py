"""What is outside the cluster: the client's container on kind's network, and the way out of that network."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.clusters.kind import engine
from harness.core import errors

_LABEL = "sourceip.role=client"
# The label that kind puts on its node containers, with the cluster's name.
_CLUSTER_LABEL = "io.x-k8s.kind.cluster"
POD_NETWORK = "10.244.0.0/16"

Push = Callable[[str, Callable[[], object]], None]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the client is.

    Attributes:
        container: Its container.
        address: Its address on kind's network: the one that a preserved source must show.
        gateway: The network's gateway, which is the machine itself.
    """

    container: str
    address: str
    gateway: str


def client_container(found: engine.Engine, name: str, image: str, push: Push) -> Place:
    """Start the client: a container on kind's network that is no node, so all it sends comes from outside the cluster.

    Raises:
        CommandError: The engine refused.
        ParseError: The container has no address on that network.
    """
    push(f"client container {name}", lambda: found.run("rm", "--force", "--volumes", name))
    found.run(
        "run", "--detach", "--name", name, "--label", _LABEL, "--network", found.network,
        # Whatever the image would start by itself, the client only has to be there.
        "--entrypoint", "sleep", image, "infinity",
    )  # fmt: skip
    described = found.inspect("container", name) or {}
    try:
        mine = described["NetworkSettings"]["Networks"][found.network]
        return Place(container=name, address=str(mine["IPAddress"]), gateway=str(mine["Gateway"]))
    except (KeyError, TypeError) as error:
        raise errors.ParseError(f"container {name} has no address on network {found.network}") from error


def is_ours(address: str) -> bool:
    """Whether this machine has that address itself, in the network namespace that we are in.

    An internal network has no gateway; the empty address would be any of this machine's.
    """
    if not address:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def node_names(found: engine.Engine, cluster: str) -> tuple[str, ...]:
    """The node containers of a kind cluster; raises CommandError."""
    done = found.run("ps", "--all", "--filter", f"label={_CLUSTER_LABEL}={cluster}", "--format", "{{.Names}}")
    return tuple(sorted(done.text.split()))


def close_network(found: engine.Engine, nodes: Sequence[str]) -> None:
    """Keep packets to pods inside the cluster while no dataplane leads them anywhere.

    While the overlay is rebuilt during a switch, translated packets would leave a node by its default route, and
    something outside the cluster may answer them (the recordings' finding 8). Calico's routes to its blocks are more
    specific than this one, so it is used only when they are gone.

    Raises:
        CommandError: A node refused.
    """
    for node in nodes:
        found.run("exec", node, "ip", "route", "replace", "unreachable", POD_NETWORK)
