"""What kube-proxy says about itself and about health checks of Services."""

from __future__ import annotations

import datetime
import json

from harness.lab import services
from harness.lab.proxy import health, health_checks
from tests.unit.lab.proxy import objects

START = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)


def test_a_proxy_that_cannot_sync_is_unhealthy_until_it_can() -> None:
    """A failure turns the answer to 503, the next success back to 200."""
    state = health.Health(lambda: START)
    assert state.answer()[0] == 200
    state.failed()
    assert state.answer()[0] == 503
    state.succeeded()
    status, kind, body = state.answer()
    assert (status, kind) == (200, "application/json")
    assert json.loads(body)["lastUpdated"] == "2026-11-23 00:00:00+00:00"


def test_the_mode_is_one_word() -> None:
    """As the recorded proxyMode: no line end."""
    assert health.mode()[2] == "iptables"


def test_a_health_check_counts_the_ready_pods_on_this_node() -> None:
    """Each pod counts once, whatever the number of ports; pods elsewhere and pods not ready do not."""
    ports = [{"name": "a", "port": 80, "protocol": "TCP"}, {"name": "b", "port": 81, "protocol": "TCP"}]
    item = objects.balanced("192.0.2.1", externalTrafficPolicy="Local", healthCheckNodePort=32000, ports=ports)
    found = objects.endpoint_slice(
        objects.endpoint("10.244.0.1", "here"),
        objects.endpoint("10.244.0.2", "here", ready=False),
        objects.endpoint("10.244.1.1", "there"),
        ports=[{"name": name, "port": 8080, "protocol": "TCP"} for name in "ab"],
    )
    service_ports = services.service_ports([item], [found])
    check = health_checks.checks_of(service_ports, "here")[32000]
    assert check == health_checks.Check(namespace="shop", name="web", local_endpoints=1)
    status, _, body = check.answer()
    assert status == 200
    assert json.loads(body)["localEndpoints"] == 1
    assert health_checks.checks_of(service_ports, "nowhere")[32000].answer()[0] == 503


def test_other_services_have_no_health_check() -> None:
    """Policy Cluster needs none, even with a port left over."""
    ports = services.service_ports([objects.balanced("192.0.2.1", healthCheckNodePort=32000)], [])
    assert health_checks.checks_of(ports, "here") == {}
