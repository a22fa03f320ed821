"""Facts are read from the objects of a real cluster, each collection once."""

from __future__ import annotations

import json
from collections import Counter
from ipaddress import ip_address

import pytest

from harness.core import errors
from harness.kube import client, inventory
from harness.model import facts, words
from tests import recordings

WHO = facts.Client(kind=words.ClientKind.EXTERNAL, address=ip_address("172.18.0.5"))
RECORDED = tuple(
    inventory.Wanted(namespace=namespace, service=service, protocol=protocol)
    for namespace, service, protocol in (
        ("yaobank-customer", "customer", words.Protocol.HTTP),
        ("echo", "echo", words.Protocol.UDP),
        ("echo", "echo-local", words.Protocol.TCP),
        ("echo", "echohost", words.Protocol.UDP_UNCONNECTED),
    )
)
PATHS = {
    "/api/v1/nodes": "nodes",
    "/api/v1/pods": "pods",
    "/api/v1/services": "services",
    "/apis/discovery.k8s.io/v1/endpointslices": "endpointslices",
}


class RecordedApi(client.Client):
    """The recorded objects of one phase; it refuses every path that it does not know, and counts."""

    def __init__(self, phase: str, settings: str = "") -> None:
        self.phase = phase
        self.settings = settings or phase
        self.asked: Counter[str] = Counter()

    def get(self, path: str, params: client.Params = ()) -> client.Object:
        """A recorded collection, or one object of one."""
        self.asked[path] += 1
        if path == inventory.FELIX:
            return self._first(self.settings, "felixconfigurations")
        if path == inventory.INSTALLATION:
            return self._first(self.phase, "installations")
        if path not in PATHS:
            raise errors.ApiError(404, "NotFound", f"{path} {params}")
        return self._list(self.phase, PATHS[path])

    def _list(self, phase: str, name: str) -> client.Object:
        found: client.Object = json.loads((recordings.path() / "api" / phase / f"{name}.json").read_text())
        return found

    def _first(self, phase: str, name: str) -> client.Object:
        found: client.Object = self._list(phase, name)["items"][0]
        return found


def read(phase: str, wanted: tuple[inventory.Wanted, ...] = RECORDED, *, settings: str = "") -> facts.Facts:
    """The facts of a recorded phase, with Felix' settings of that phase or another."""
    return inventory.read(RecordedApi(phase, settings), who=WHO, wanted=wanted)


def test_each_collection_is_read_once() -> None:
    """However many Services are dialled."""
    api = RecordedApi("iptables")
    inventory.read(api, who=WHO, wanted=RECORDED)
    assert set(api.asked) == {*PATHS, inventory.FELIX, inventory.INSTALLATION}
    assert set(api.asked.values()) == {1}


def test_destinations_have_the_ports_policies_and_backends_of_their_services() -> None:
    """Ports by transport, the backend's own port from its slice, and the pod that is behind it."""
    customer, echo, local, host = read("iptables").destinations
    assert (customer.node_port, customer.port, customer.target_port) == (30180, 80, 80)
    assert (echo.node_port, echo.port, echo.target_port) == (30200, 8080, 8080)
    assert (local.policy, local.internal_policy) == (words.Policy.LOCAL, words.Policy.CLUSTER)
    assert str(echo.cluster_ip) == "10.96.65.100"
    assert [(pod.node, str(pod.address), pod.host_network) for pod in (*echo.backends, *host.backends)] == [
        ("kind-worker", "10.244.162.135", False),
        ("kind-worker", "172.18.0.3", True),
    ]


@pytest.mark.parametrize(
    ("phase", "connect_time"),
    [("iptables", words.ConnectTime.TCP), ("ebpf", words.ConnectTime.TCP), ("ebpf-noctlb", words.ConnectTime.DISABLED)],
)
def test_the_settings_of_the_dataplane_are_felix_own(phase: str, connect_time: words.ConnectTime) -> None:
    """As ``FelixConfiguration/default`` had them in that phase."""
    found = read("ebpf", settings=phase)
    assert (found.connect_time, found.dsr, found.host_nat) == (connect_time, False, True)


def test_a_setting_that_nobody_knows_is_a_parse_error() -> None:
    """It is named, and nothing is guessed in its place."""
    assert inventory.connect_time_from(None) is words.ConnectTime.TCP
    with pytest.raises(errors.ParseError, match="'Sometimes'"):
        inventory.connect_time_from("Sometimes")


def test_a_service_that_is_not_there_is_not_left_out() -> None:
    """Its cells would never run, and nobody would miss them."""
    with pytest.raises(errors.ApiError, match="no Service echo/nobody"):
        read("iptables", (inventory.Wanted(namespace="echo", service="nobody"),))


def test_nobody_is_a_client_by_chance() -> None:
    """Pods to dial from carry labels that say so; the recorded cluster's do not."""
    assert read("iptables").clients == ()
    [pod, *_] = [
        item for item in RecordedApi("iptables").items("/api/v1/pods") if item["metadata"]["namespace"] == "echo"
    ]
    pod["metadata"]["labels"] = {"app.kubernetes.io/part-of": "sourceip", "role": "client"}
    api = RecordedApi("iptables")
    assert inventory.is_client(api, pod)
    assert not inventory.is_client(api, {**pod, "status": {"podIP": pod["status"]["podIP"]}})
    assert not inventory.is_client(api, {**pod, "metadata": {**pod["metadata"], "namespace": "another-run-echo"}})
