"""felix's health port: readiness and liveness over HTTP, on the loopback of its node."""

from __future__ import annotations

import http.server
import logging
import threading
from collections.abc import Callable

from harness.lab.felix import agent

log = logging.getLogger("felix.health")

ADDRESS = "127.0.0.1"


def serve(port: int, current: Callable[[], agent.Health]) -> http.server.ThreadingHTTPServer:
    """Answer ``/readiness`` and ``/liveness``: 200 or 503 as Calico's felix does, with the reason in the body.

    Raises:
        OSError: The port is taken.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            health = current()
            if self.path == "/liveness":
                self._answer(200, "live")
            elif self.path == "/readiness":
                self._answer(200 if health.ready else 503, health.message)
            else:
                self._answer(404, "not found")

        def _answer(self, code: int, text: str) -> None:
            body = f"{text}\n".encode()
            self.send_response(code)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
            log.debug(format, *args)

    server = http.server.ThreadingHTTPServer((ADDRESS, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
