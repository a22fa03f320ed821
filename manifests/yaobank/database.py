"""database: the accounts, read-only, over as much of etcd's v2 keys API as summary needs.

Answers have the form of etcd v2: a ``node`` with ``nodes`` for a directory, a ``value`` for a leaf, error 100 for a
missing key, and the header X-Etcd-Index. Nothing can be written.

Environment: PORT is the port to listen on (default 2379, etcd's own).
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from flask import Flask, request

INDEX = 1
ACCOUNTS = {
    "519940": {"name": "Ada Quill", "balance": "2389.45"},
    "407221": {"name": "Tomas Berg", "balance": "118.00"},
    "387747": {"name": "Mina Okoye", "balance": "7020.10"},
}
Node = dict[str, Any]


def account_node(number: str) -> Node:
    """One account as an etcd directory with a leaf for each field."""
    key = f"/accounts/{number}"
    leaves = [leaf(f"{key}/{field}", value) for field, value in sorted(ACCOUNTS[number].items())]
    return {"key": key, "dir": True, "nodes": leaves, "modifiedIndex": INDEX, "createdIndex": INDEX}


def leaf(key: str, value: str) -> Node:
    """One value as an etcd node."""
    return {"key": key, "value": value, "modifiedIndex": INDEX, "createdIndex": INDEX}


def find(path: str, *, recursive: bool) -> Node | None:
    """The node at that path, or None; without ``recursive`` a directory's directories come without their content."""
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["accounts"]:
            accounts = [account_node(number) for number in ACCOUNTS]
            if not recursive:
                for account in accounts:
                    del account["nodes"]
            return {"key": "/accounts", "dir": True, "nodes": accounts, "modifiedIndex": INDEX, "createdIndex": INDEX}
        case ["accounts", number] if number in ACCOUNTS:
            return account_node(number)
        case ["accounts", number, field] if field in ACCOUNTS.get(number, {}):
            return leaf(f"/accounts/{number}/{field}", ACCOUNTS[number][field])
        case _:
            return None


def create_app() -> Flask:
    """The application: the keys, and etcd's version and health."""
    app = Flask(__name__)

    @app.get("/v2/keys/")
    @app.get("/v2/keys/<path:path>")
    def keys(path: str = "") -> tuple[Node, int, dict[str, str]]:
        header = {"X-Etcd-Index": str(INDEX)}
        node = find(path, recursive=request.args.get("recursive") == "true")
        if node is None:
            return {"errorCode": 100, "message": "Key not found", "cause": f"/{path}", "index": INDEX}, 404, header
        return {"action": "get", "node": node}, 200, header

    @app.get("/version")
    def version() -> Node:
        return {"etcdserver": "2.0.0+yaobank", "etcdcluster": "2.0.0"}

    @app.get("/health")
    def health() -> Node:
        return {"health": "true"}

    return app


def main() -> None:
    """Serve until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    create_app().run(host="0.0.0.0", port=int(os.environ.get("PORT", "2379")), threaded=True)


if __name__ == "__main__":
    main()
