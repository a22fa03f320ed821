"""The names of kube-proxy's chains."""

from __future__ import annotations

from harness.lab import services
from harness.lab.proxy import names
from tests.unit.lab.proxy import objects


def port(namespace: str = "ns1", name: str = "svc1", port_name: str = "p80") -> services.ServicePort:
    """A service port of that name."""
    item = objects.service(name, ports=[{"name": port_name, "port": 80, "protocol": "TCP"}])
    item["metadata"]["namespace"] = namespace
    return services.service_ports([item], [])[0]


def test_chains_have_the_names_that_kubernetes_tests_expect() -> None:
    """The hash of a known service port and endpoint is the one in kube-proxy's own tests."""
    endpoint = services.Endpoint(ip="10.180.0.1", port=80, node="", ready=True, serving=True, terminating=False)
    assert names.cluster_chain(port()) == "KUBE-SVC-XPGD46QRK7WJZT7O"
    assert names.local_chain(port()) == "KUBE-SVL-XPGD46QRK7WJZT7O"
    assert names.external_chain(port()) == "KUBE-EXT-XPGD46QRK7WJZT7O"
    assert names.source_range_chain(port()) == "KUBE-FW-XPGD46QRK7WJZT7O"
    assert names.endpoint_chain(port(), endpoint) == "KUBE-SEP-SXIVWICOYRO3J4NJ"


def test_an_unnamed_port_has_no_colon_in_its_identity() -> None:
    """A recorded service with a single unnamed port has the recorded chain."""
    assert names.cluster_chain(port("rules", "unnamed", "")) == "KUBE-SVC-JMBE2CHTLXDEQKPY"


def test_every_name_fits_into_iptables() -> None:
    """However long the Service's name, a chain's has at most 28 characters."""
    long = port("n" * 63, "s" * 63, "p" * 15)
    for name in (names.cluster_chain, names.local_chain, names.external_chain, names.source_range_chain):
        assert len(name(long)) <= 28
