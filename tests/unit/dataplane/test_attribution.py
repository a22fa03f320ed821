"""Changes on a way as rewrites, and sources that nothing explains."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address

from harness.dataplane import attribution, attribution_bpf
from harness.dataplane.attribution import Flow, Hop, Made
from harness.model import cells, words
from tests import builders

CAME = Flow(protocol="TCP", source=builders.CLIENT, source_port=40000, destination=ip_address("172.18.0.2"), port=30180)
WENT = dataclasses.replace(
    CAME, source=ip_address("10.244.82.0"), source_port=5, destination=ip_address("10.244.162.134"), port=80
)
HOP = Hop(node="kind-control-plane", before=CAME, after=WENT)
IFSTATE = (
    "   39 : {flags: v4Ready,host, XDPPolicyV4: 1, name: eth0}\n    4 : {flags: workload,v4Ready, X: 1, name: %s}\n"
)
NAT = "172.18.0.2 port 30180 proto 6 id 4 count 1 local 0\n\t4:0\t 10.244.162.134:80\n"


def test_a_hop_is_one_rewrite_a_change() -> None:
    """The destination with its port, the source without, which differs from sample to sample."""
    found = attribution.rewrites([HOP], lambda _, changed: Made(by=changed, evidence="counter +1"))
    assert [(item.field, item.before, item.after, item.by) for item in found] == [
        ("destination", "172.18.0.2:30180", "10.244.162.134:80", "destination"),
        ("source", "172.18.0.5", "10.244.82.0", "source"),
    ]
    assert found[0].evidence == (
        "kind-control-plane's table: 172.18.0.5:40000 -> 172.18.0.2:30180 became 10.244.82.0:5 -> 10.244.162.134:80; "
        "counter +1"
    )


def test_a_change_that_nobody_explains_says_so() -> None:
    """It is told all the same."""
    assert {item.by for item in attribution.rewrites([HOP], lambda *_: None)} == {"nobody known"}


def test_a_hop_that_changes_nothing_is_no_rewrite() -> None:
    """Another source port alone is none either."""
    hop = Hop(node="kind-worker", before=CAME, after=dataclasses.replace(CAME, source_port=1))
    assert attribution.rewrites([hop], lambda *_: None) == ()


def remembered(saw: str, *, kernel: bool = True) -> list[cells.Sample]:
    """Three samples of which the application saw that source, and of which the kernel has an account or has not."""
    told = (builders.account(ip_address("172.18.0.5"), witness=words.Witness.KERNEL),) if kernel else ()
    samples = [builders.answered(f"t{number}", builders.cell(), saw=saw) for number in range(3)]
    return [dataclasses.replace(sample, accounts=sample.accounts + told) for sample in samples]


def test_a_source_that_no_rewrite_leads_to_was_made_by_nobody_known() -> None:
    """What the application saw, counted; a source that a rewrite of the cell leads to is explained."""
    cell = builders.cell()
    (found,) = attribution.unexplained(cell, remembered("10.9.9.9"), ())
    assert (found.before, found.after, found.by, found.samples) == ("172.18.0.5", "10.9.9.9", "nobody known", 3)
    explained = cells.Rewrite(node="n", field="source", before="172.18.0.5", after="10.9.9.9", by="a rule")
    assert attribution.unexplained(cell, remembered("10.9.9.9"), (explained,)) == ()
    assert attribution.unexplained(cell, remembered("172.18.0.5"), ()) == ()
    assert attribution.unexplained(cell, [builders.silent("u", words.Silence.TIMEOUT)], ()) == ()


def test_what_the_kernel_has_forgotten_is_not_nobodys() -> None:
    """Without the kernel's account nothing is said of who made a source."""
    assert attribution.unexplained(builders.cell(), remembered("10.9.9.9", kernel=False), ()) == ()


def test_a_map_explains_its_own_destinations_only() -> None:
    """The frontend that was dialled and the backend that it went to must be one entry; a source never is."""
    there = attribution_bpf.maps(NAT, IFSTATE % "cali123")
    hop = dataclasses.replace(HOP, after=dataclasses.replace(WENT, source=CAME.source))
    made = attribution_bpf.explain(hop, "destination", there, attribution_bpf.Origin())
    assert made == Made(by="BPF program at eth0 (entry), NAT map 172.18.0.2:30180 TCP id 4 -> 4:0 10.244.162.134:80")
    assert attribution_bpf.explain(hop, "source", there, attribution_bpf.Origin()) is None
    elsewhere = dataclasses.replace(hop, after=dataclasses.replace(hop.after, port=81))
    assert attribution_bpf.explain(elsewhere, "destination", there, attribution_bpf.Origin()) is None
    udp = dataclasses.replace(hop, before=dataclasses.replace(CAME, protocol="UDP"))
    assert attribution_bpf.explain(udp, "destination", there, attribution_bpf.Origin()) is None


def test_the_program_is_the_one_that_such_a_flow_meets_first() -> None:
    """A pod's at its device, a socket's at the cgroup, a stranger's at the node's device."""
    device = attribution_bpf.pod_device("echo/pod-w1")
    there = attribution_bpf.maps("", IFSTATE % device)
    origins = {
        attribution_bpf.Origin(pod="echo/pod-w1"): f"BPF program at {device} (entry)",
        attribution_bpf.Origin(pod="echo/other"): "BPF program at the pod's device (entry)",
        attribution_bpf.Origin(host=True): "BPF program at bpfout.cali (entry)",
        attribution_bpf.Origin(): "BPF program at eth0 (entry)",
        attribution_bpf.Origin(handed=True): "BPF program at eth0 (entry)",
        attribution_bpf.Origin(
            pod="echo/pod-w1", connected=True
        ): "BPF program at the node's cgroup (connect-time load balancing)",
    }
    for origin, text in origins.items():
        assert attribution_bpf.program(there, origin) == text


def test_any_text_names_no_program() -> None:
    """A tool that is not there, and one that says something else, name nothing."""
    for shown in ("", "no such program", "[]", "{}", '[{"tc": 1}]', "[1]"):
        assert attribution_bpf.program_names(shown) == {}
