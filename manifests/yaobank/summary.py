"""summary: reads one account from database and gives it as JSON.

Its access log shows the customer pod's own address in every mode, since nothing translates the source of a
connection from a pod to a ClusterIP: a control for the check of the customer.

Environment: DB_URL is the host of database (default ``database``), DB_PORT its port (default 2379), PORT the port
to listen on (default 80).
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys

from flask import Flask

TIMEOUT_S = 4.0


def read_account(host: str, port: int, account: str) -> dict[str, str] | None:
    """The account's fields by name, or None if there is no such account.

    Raises OSError, HTTPException or ValueError when database does not answer as etcd's v2 keys API does.
    """
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"/v2/keys/accounts/{account}?recursive=true")
        reply = connection.getresponse()
        body = reply.read()
    finally:
        connection.close()
    if reply.status == http.client.NOT_FOUND:
        return None
    if reply.status != http.client.OK:
        raise ValueError(f"database answered {reply.status}")
    nodes = json.loads(body)["node"]["nodes"]
    return {node["key"].rpartition("/")[2]: node["value"] for node in nodes}


def create_app(host: str, port: int) -> Flask:
    """The application; one route, an account's number."""
    app = Flask(__name__)

    @app.get("/<int:account>")
    def account(account: int) -> tuple[dict[str, str], int]:
        try:
            found = read_account(host, port, str(account))
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            app.logger.error("database: %s: %s", type(error).__name__, error)
            return {"error": "database does not answer"}, 500
        return (found, 200) if found is not None else ({"error": "no such account"}, 404)

    return app


def main() -> None:
    """Serve until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    app = create_app(os.environ.get("DB_URL", "database"), int(os.environ.get("DB_PORT", "2379")))
    app.run(host="0.0.0.0", port=int(os.environ.get("PORT", "80")), threaded=True)


if __name__ == "__main__":
    main()
