"""kube-proxy's HTTP ports: is it healthy, in which mode does it run, and has a service endpoints here?"""

from __future__ import annotations

import datetime
import http.server
import json
import logging
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus

log = logging.getLogger("harness.lab.proxy.health")

# Load balancers ask for health from outside; the metrics are for this node alone.
HEALTH_ADDRESS = ("0.0.0.0", 10256)
METRICS_ADDRESS = ("127.0.0.1", 10249)

REQUEST_TIMEOUT_S = 10.0

Answer = tuple[HTTPStatus, str, str]
Route = Callable[[], Answer]
ANY = ""
"""The path that stands for all that have no route of their own."""


class Health:
    """When the rules were last known to be in force, and whether they still should be newer. Safe for threads."""

    def __init__(self, clock: Callable[[], datetime.datetime]) -> None:
        self._clock = clock
        self._updated = clock()
        self._failing = False

    def succeeded(self) -> None:
        """The rules are as the cluster wants them."""
        self._updated, self._failing = self._clock(), False

    def failed(self) -> None:
        """They are not, and could not be made so."""
        self._failing = True

    def answer(self) -> Answer:
        """The answer of ``/healthz``."""
        status = HTTPStatus.SERVICE_UNAVAILABLE if self._failing else HTTPStatus.OK
        times = {"lastUpdated": str(self._updated), "currentTime": str(self._clock())}
        return status, "application/json", json.dumps({**times, "nodeEligible": True})


def serve(address: tuple[str, int], routes: Mapping[str, Route]) -> http.server.ThreadingHTTPServer | None:
    """Answer GET requests in a thread of its own until the server is shut down.

    As with the real kube-proxy, a port that is taken is worth a warning, not the end: None.
    """
    try:
        server = http.server.ThreadingHTTPServer(address, _handler(routes))
    except OSError as error:
        log.warning("cannot listen on %s:%d: %s", *address, error)
        return None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name=f"http {address[1]}", daemon=True).start()
    return server


def mode() -> Answer:
    """The answer of ``/proxyMode``."""
    return HTTPStatus.OK, "text/plain; charset=utf-8", "iptables"


def _handler(routes: Mapping[str, Route]) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        # A caller that says nothing must not hold its thread for ever.
        timeout = REQUEST_TIMEOUT_S

        def do_GET(self) -> None:
            route = routes.get(self.path.partition("?")[0], routes.get(ANY))
            status, kind, text = (
                route() if route else (HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", "404 page not found\n")
            )
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            log.debug(format, *args)

    return Handler
