"""customer: the bank's front door, the application whose access log shows who called.

Every request goes on to summary, which asks database, so an answer of 200 proves the whole chain.
The page has no secrets and no session; what matters is the line that Flask's own server writes to the log.

Environment: SUMMARY_URL is the host of summary (default ``summary``), PORT the port to listen on (default 80).
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
from typing import Any

from flask import Flask, render_template_string

ACCOUNT = "519940"
TIMEOUT_S = 5.0
PAGE = """<!doctype html>
<title>Yet Another Online Bank</title>
<h1>Yet Another Online Bank</h1>
<p>Good day, {{ name }}.</p>
<p>Account {{ account }} holds {{ balance }}.</p>
"""


def fetch_summary(host: str) -> dict[str, Any]:
    """Ask summary for the account; raises OSError, HTTPException or ValueError when the chain is broken."""
    connection = http.client.HTTPConnection(host, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"/{ACCOUNT}")
        reply = connection.getresponse()
        body = reply.read()
    finally:
        connection.close()
    if reply.status != http.client.OK:
        raise ValueError(f"summary answered {reply.status}")
    found = json.loads(body)
    return {"account": ACCOUNT, "name": found["name"], "balance": found["balance"]}


def create_app(summary_host: str) -> Flask:
    """The application; one route, as in the original."""
    app = Flask(__name__)

    @app.get("/")
    def home() -> tuple[str, int]:
        try:
            account = fetch_summary(summary_host)
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            app.logger.error("summary: %s: %s", type(error).__name__, error)
            return "the bank is closed: summary does not answer\n", 500
        return render_template_string(PAGE, **account), 200

    return app


def main() -> None:
    """Serve until SIGTERM."""
    # A container's process 1 ignores SIGTERM unless it has a handler of its own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    app = create_app(os.environ.get("SUMMARY_URL", "summary"))
    app.run(host="0.0.0.0", port=int(os.environ.get("PORT", "80")), threaded=True)


if __name__ == "__main__":
    main()
