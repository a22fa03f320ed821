"""Health check node ports: a load balancer asks each node whether it has endpoints of a Service.

A Service of type LoadBalancer with external policy Local has such a port on every node; what is said there is that
of the real one (kubernetes, pkg/proxy/healthcheck/service_health.go).
"""

from __future__ import annotations

import http.server
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from harness.lab import services
from harness.lab.proxy import health


@dataclass(frozen=True, kw_only=True)
class Check:
    """What one health check node port answers.

    Attributes:
        namespace: The Service's namespace.
        name: The Service's name.
        local_endpoints: How many ready endpoints of it are on this node.
    """

    namespace: str
    name: str
    local_endpoints: int

    def answer(self) -> health.Answer:
        """200 where there are endpoints, else 503."""
        status = HTTPStatus.OK if self.local_endpoints else HTTPStatus.SERVICE_UNAVAILABLE
        said = {
            "service": {"namespace": self.namespace, "name": self.name},
            "localEndpoints": self.local_endpoints,
            "serviceProxyHealthy": True,
        }
        return status, "application/json", json.dumps(said)


def checks_of(ports: Sequence[services.ServicePort], node_name: str) -> dict[int, Check]:
    """The checks to answer on that node, by health check node port."""
    local: dict[int, set[str]] = {}
    owners: dict[int, services.ServicePort] = {}
    for port in ports:
        if number := port.health_check_node_port:
            owners[number] = port
            # A Service with two ports has each pod twice.
            local.setdefault(number, set()).update(
                endpoint.ip for endpoint in port.endpoints if endpoint.ready and endpoint.node == node_name
            )
    return {
        number: Check(namespace=port.namespace, name=port.name, local_endpoints=len(local[number]))
        for number, port in owners.items()
    }


class HealthChecks:
    """The open ports. Not safe for threads; the answers are given in threads of their own."""

    def __init__(self) -> None:
        self._servers: dict[int, http.server.ThreadingHTTPServer] = {}
        self._checks: dict[int, Check] = {}

    def sync(self, checks: Mapping[int, Check]) -> None:
        """Answer these checks, and close the ports that have none any more."""
        self._checks = dict(checks)
        for number in sorted(set(self._servers) - set(checks)):
            server = self._servers.pop(number)
            server.shutdown()
            server.server_close()
        for number in sorted(set(checks) - set(self._servers)):
            server_or_none = health.serve(("0.0.0.0", number), self._routes(number))
            if server_or_none is not None:
                self._servers[number] = server_or_none

    def _routes(self, number: int) -> dict[str, health.Route]:
        def answer() -> health.Answer:
            check = self._checks.get(number, Check(namespace="", name="", local_endpoints=0))
            return check.answer()

        return {health.ANY: answer}
