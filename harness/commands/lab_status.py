"""``sourceip lab status``: the labs of this machine, their nodes and pods, and what dead ones left."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from harness.commands import lab_options
from harness.core import errors
from harness.lab import api, memory, state


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--name", help="only that lab")
    lab_options.add_root(parser)


def run(args: argparse.Namespace) -> int:
    """Print the labs; 1 if there is none.

    Raises:
        UsageError: There is no lab of that name.
    """
    root = lab_options.root_of(args)
    labs = state.labs(root)
    if args.name is not None:
        labs = [lab for lab in labs if lab.name == state.checked_name(args.name)]
        if not labs:
            raise errors.UsageError(f"no lab named {args.name!r} in {root}")
    for lab in labs:
        print("\n".join(describe(lab)))
    if not labs:
        print(f"no lab in {root}")
    return 0 if labs else 1


def describe(lab: state.LabState) -> list[str]:
    """A lab in a few lines."""
    if not lab.alive:
        return [f"lab {lab.name}: dead; remove what is left of it with: sourceip lab down --name {lab.name}"]
    size = memory.pss_kib(lab.owner.pid) / 1024
    lines = [
        f"lab {lab.name}: {lab.phase}, owner {lab.owner.pid}, {size:.0f} MiB, API https://127.0.0.1:{lab.api_port}",
        f"  client {lab.client}",
    ]
    try:
        client = api.Api.from_kubeconfig(lab.directory / "agents" / "admin.kubeconfig", agent="sourceip")
        nodes, pods = client.list("/api/v1/nodes")[0], client.list("/api/v1/pods")[0]
    except errors.HarnessError as error:
        return [*lines, f"  the API server does not answer: {error}"]
    return [*lines, *_nodes(lab, nodes), *_pods(pods)]


def _nodes(lab: state.LabState, items: Sequence[dict[str, Any]]) -> list[str]:
    ready = {item["metadata"]["name"] for item in items if _holds(item, "Ready")}
    return [
        f"  node {name} {address} {'Ready' if name in ready else 'NotReady'}"
        for name, address in zip(lab.nodes, lab.addresses, strict=True)
    ]


def _pods(items: Sequence[dict[str, Any]]) -> list[str]:
    return [
        f"  pod {item['metadata']['namespace']}/{item['metadata']['name']} "
        f"{item.get('status', {}).get('phase', 'Pending')}{'' if _holds(item, 'Ready') else ' (not ready)'} "
        f"{item.get('status', {}).get('podIP', '-')} {item['spec'].get('nodeName', '-')}"
        for item in items
    ]


def _holds(item: dict[str, Any], kind: str) -> bool:
    conditions = item.get("status", {}).get("conditions") or []
    return any(each["type"] == kind and each["status"] == "True" for each in conditions)
