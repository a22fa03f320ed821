"""felix's loop on a node in memory: what it does, in which order, and what it says of itself."""

from __future__ import annotations

import ipaddress
import logging
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.core import errors
from harness.lab.felix import agent, cluster, flows, kube_proxy, overlay, workloads
from tests.unit.lab.felix.conftest import MemoryNode

Objects = dict[str, list[dict[str, Any]]]
NODE = "kind-worker"
UNDER_WAY = flows.Flow(ipaddress.IPv4Address("172.18.0.5"), 40000, ipaddress.IPv4Address("10.244.162.129"), 8080)
KUBE_RULES = (
    "*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-NODEPORTS - [0:0]\n-A PREROUTING -j KUBE-SERVICES\n"
    "-A KUBE-SERVICES -j KUBE-NODEPORTS\nCOMMIT\n"
)


@dataclass
class FakeClock:
    """Time that passes when the test says so."""

    time: float = 1000.0

    def now(self) -> float:
        """The time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Pass."""
        self.time += seconds


@dataclass
class FakeMirror:
    """The API's copy, as the test wrote it."""

    objects: Objects
    synced: bool = True
    waits: list[float | None] = field(default_factory=list)

    def items(self, path: str) -> list[dict[str, Any]]:
        """The objects of a collection."""
        return self.objects[path]

    def wake(self) -> None:
        """Nobody waits."""

    def wait(self, timeout_s: float | None = None) -> bool:
        """Note how long the agent would have waited."""
        self.waits.append(timeout_s)
        return True


@dataclass
class FakeDataplane:
    """An eBPF dataplane that notes its deeds among the node's."""

    deeds: list[str]
    reason: str = ""
    failing: bool = False
    tries: int = 0

    def unsupported(self) -> str:
        """The reason that the test gave."""
        self.tries += 1
        return self.reason

    def prepare(self) -> None:
        """Note it."""
        self.deeds.append("load")

    def apply(self, state: cluster.Cluster, pods: tuple[workloads.Pod, ...]) -> None:
        """Note it."""
        if self.failing:
            raise errors.CommandError(["bpf"], 1, "", "no memory")
        self.deeds.append("attach")

    def retire(self) -> tuple[flows.Flow, ...]:
        """Note it, and tell of one flow."""
        self.deeds.append("retire")
        return (UNDER_WAY,)

    def sweep(self) -> None:
        """Note it."""
        self.deeds.append("sweep")

    def stop(self) -> None:
        """Note it."""
        self.deeds.append("detach")


@dataclass
class Scene:
    """An agent with everything that it touches."""

    felix: agent.Agent
    mirror: FakeMirror
    node: MemoryNode
    bpf: FakeDataplane
    clock: FakeClock

    def ask_for(self, *, bpf: bool, **more: object) -> None:
        """Change FelixConfiguration."""
        spec = {**self.mirror.objects[cluster.FELIX_CONFIGURATIONS][0]["spec"], "bpfEnabled": bpf, **more}
        self.mirror.objects[cluster.FELIX_CONFIGURATIONS] = [{"metadata": {"name": "default"}, "spec": spec}]

    def deeds(self) -> list[str]:
        """What one pass does."""
        self.node.deeds.clear()
        self.felix.once()
        return list(self.node.deeds)


@pytest.fixture
def scene(objects: Objects, node: MemoryNode) -> Scene:
    """An agent on a node without anything, in a cluster that asks for iptables mode."""
    mirror, clock = FakeMirror(objects), FakeClock()
    bpf = FakeDataplane(node.deeds)

    def want() -> overlay.Overlay | None:
        return overlay.wanted(NODE, cluster.cluster(objects), external=bool(node.tunnel and node.tunnel.vni is None))

    node.want = want
    # The mirror and the clock are the agent's seams; it needs of them what the fakes have.
    felix = agent.Agent(NODE, mirror, node, bpf, clock=clock)
    return Scene(felix=felix, mirror=mirror, node=node, bpf=bpf, clock=clock)


def test_first_pass_makes_everything(scene: Scene) -> None:
    """A node gets its overlay, loses what a felix before may have left, and is ready."""
    assert scene.deeds() == ["tunnel", "paths", "retire", "mark", "rules", "detach", "sysctls"]
    assert scene.felix.health == agent.Health(ready=True, message="dataplane Iptables in force")


def test_second_pass_does_nothing(scene: Scene) -> None:
    """Without a change there is nothing to do."""
    scene.deeds()
    assert scene.deeds() == []


def test_switch_attaches_before_kube_proxys_rules_go(scene: Scene) -> None:
    """From the first program on a packet is translated before the rules could see it, so there is no gap."""
    scene.deeds()
    scene.node.restore(KUBE_RULES)
    scene.ask_for(bpf=True)
    assert scene.deeds() == [
        "load",
        "rules",
        "external tunnel",
        "paths",
        "sysctls",
        "attach",
        "clean up kube-proxy",
        "sweep",
    ]
    assert not kube_proxy.in_force(scene.node.tables())
    assert scene.felix.health == agent.Health(ready=True, message="dataplane BPF in force")


def test_way_back_detaches_before_the_rules_return(scene: Scene) -> None:
    """When the programs go, what is under way can no longer be answered wrongly, and everything is as it was.

    The programs hold kube-proxy's rules off until then: a connection that these let through must find the overlay as
    it will stay.
    """
    scene.ask_for(bpf=True)
    scene.deeds()
    in_bpf = scene.node.tables()
    scene.ask_for(bpf=False)
    assert scene.deeds() == ["tunnel", "paths", "retire", "mark", "rules", "detach", "sysctls"]
    assert scene.node.marked == (UNDER_WAY,)
    assert scene.node.tables() != in_bpf
    assert scene.felix.health.message == "dataplane Iptables in force"


def test_rules_that_kube_proxy_writes_again_are_removed(scene: Scene) -> None:
    """kube-proxy may be in the middle of a write when felix switches; felix looks again, ever more rarely."""
    scene.ask_for(bpf=True)
    scene.deeds()
    scene.node.restore(KUBE_RULES)
    assert scene.deeds() == []
    scene.clock.sleep(agent.LOOKS_S[0])
    assert scene.deeds() == ["clean up kube-proxy"]


def test_kube_proxys_rules_stay_where_the_cleanup_is_off(scene: Scene) -> None:
    """bpfKubeProxyIptablesCleanupEnabled=false is for clusters that keep kube-proxy."""
    scene.node.restore(KUBE_RULES)
    scene.ask_for(bpf=True, bpfKubeProxyIptablesCleanupEnabled=False)
    assert "clean up kube-proxy" not in scene.deeds()
    assert kube_proxy.in_force(scene.node.tables())


def test_unsupported_kernel_is_said_once_and_stays_in_iptables_mode(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """The real felix's own words, as an error, and then iptables mode."""
    scene.bpf.reason = "no eBPF here"
    scene.ask_for(bpf=True)
    with caplog.at_level(logging.ERROR):
        assert "attach" not in scene.deeds()
        scene.deeds()
    assert [record.message for record in caplog.records] == [
        "BPF dataplane mode enabled but not supported by the kernel.  Disabling BPF mode.",
        "no eBPF here",
    ]
    assert scene.felix.health == agent.Health(ready=True, message="dataplane Iptables in force")


def test_felix_that_starts_for_ebpf_mode_loads_ahead(scene: Scene) -> None:
    """The operator announces eBPF mode before it replaces calico-node; loading then is out of the switch's way."""
    scene.ask_for(bpf=False, nftablesMode="Enabled")
    scene.deeds()
    assert scene.bpf.tries == 1
    scene.ask_for(bpf=True, nftablesMode="Enabled")
    assert "attach" in scene.deeds()
    assert scene.bpf.tries == 1


def test_felix_that_is_about_to_be_replaced_does_not_load_ahead(scene: Scene) -> None:
    """It would only take time from its successor."""
    scene.deeds()
    scene.ask_for(bpf=False, nftablesMode="Enabled")
    scene.deeds()
    assert scene.bpf.tries == 0


def test_refusal_found_ahead_is_said_when_it_matters(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody has asked for eBPF mode yet when the programs are loaded ahead."""
    scene.bpf.reason = "no eBPF here"
    scene.ask_for(bpf=False, nftablesMode="Enabled")
    with caplog.at_level(logging.ERROR):
        scene.deeds()
        assert caplog.records == []
        scene.ask_for(bpf=True, nftablesMode="Enabled")
        scene.deeds()
    assert len(caplog.records) == 2


def test_new_device_is_taken_up(scene: Scene) -> None:
    """A pod's device gets its settings as soon as it is announced."""
    scene.deeds()
    scene.node.names.append("cali0123456789a")
    assert scene.deeds() == ["sysctls"]
    assert scene.node.settings["net/ipv4/conf/cali0123456789a/proxy_arp"] == "1"


def test_pod_that_gets_its_route_is_taken_up(scene: Scene) -> None:
    """A pod's device comes before its route; in eBPF mode the programs must know its address too."""
    scene.ask_for(bpf=True)
    scene.deeds()
    scene.node.wired = (workloads.Pod("cali0123456789a", ipaddress.IPv4Address("10.244.162.129")),)
    assert scene.deeds() == ["load", "attach"]


def test_device_made_anew_under_its_name_is_taken_up(scene: Scene) -> None:
    """The same names again are not the same devices."""
    scene.deeds()
    scene.node.tunnel = None
    scene.node.tunnels += 1
    assert scene.deeds() == ["tunnel", "paths"]


def test_missing_rule_is_restored_at_the_refresh_and_not_before(scene: Scene) -> None:
    """What nobody announced is found by looking, every three minutes as in the real felix."""
    scene.deeds()
    scene.node.rules.tables["nat"]["cali-nat-outgoing"].clear()
    assert scene.deeds() == []
    scene.clock.sleep(cluster.Settings().refresh_s)
    assert scene.deeds() == ["rules"]


def test_failure_is_not_ready_and_is_tried_again(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """A pass that failed leaves no belief behind: the next one does everything that is still missing."""
    scene.ask_for(bpf=True)
    scene.bpf.failing = True
    with caplog.at_level(logging.WARNING):
        run_once(scene)
    assert not scene.felix.health.ready
    assert "no memory" in caplog.text
    scene.bpf.failing = False
    assert "attach" in scene.deeds()
    assert scene.felix.health == agent.Health(ready=True, message="dataplane BPF in force")


def test_node_without_tunnel_address_is_not_ready(scene: Scene) -> None:
    """Nothing is done before the node has its own addresses."""
    del scene.mirror.objects[cluster.NODES][1]["metadata"]["annotations"][cluster.TUNNEL_ANNOTATION]
    scene.deeds()
    assert scene.felix.health == agent.Health(ready=False, message="waiting for the addresses of this node")
    assert scene.node.deeds == []


def test_other_node_without_tunnel_address_is_no_obstacle(scene: Scene) -> None:
    """A node that has no address yet cannot be routed to, and nobody waits for it."""
    del scene.mirror.objects[cluster.NODES][2]["metadata"]["annotations"][cluster.TUNNEL_ANNOTATION]
    scene.deeds()
    assert scene.felix.health.ready


def test_expired_connections_are_swept_each_second(scene: Scene) -> None:
    """However often something changes, the table is walked once a second."""
    scene.ask_for(bpf=True)
    scene.deeds()
    assert scene.deeds() == []
    scene.clock.sleep(agent.SWEEP_S)
    assert scene.deeds()[-1] == "sweep"


def test_routes_that_are_still_missing_are_tried_again(scene: Scene) -> None:
    """A pass that could not complete the overlay says so, and the next one goes on with it."""
    want, scene.node.want = scene.node.want, lambda: None
    scene.deeds()
    assert scene.felix.health == agent.Health(
        ready=False, message="dataplane Iptables in force, waiting for routes to all nodes"
    )
    scene.node.want = want
    assert scene.deeds() == ["paths"]
    assert scene.felix.health.ready


def test_unsynced_mirror_is_waited_for(scene: Scene) -> None:
    """An empty copy is not an empty cluster."""
    scene.mirror.synced = False
    run_once(scene)
    assert scene.node.deeds == []


def run_once(scene: Scene) -> None:
    """Run the loop for one round."""

    def wait(timeout_s: float | None = None) -> bool:
        if scene.mirror.waits:
            scene.felix.stop()
        scene.mirror.waits.append(timeout_s)
        return True

    scene.mirror.wait = wait  # type: ignore[method-assign]
    scene.felix.run()
