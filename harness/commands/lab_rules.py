"""``sourceip lab rules``: what would kube-proxy do with this?"""

from __future__ import annotations

import argparse
import ipaddress
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core import errors
from harness.lab import plan

DESCRIPTION = """\
Print the iptables rules that kube-proxy v1.36 (iptables mode) writes on one node for the given objects, in
iptables-save's own words: its chains in the tables filter and nat, with their rules. Nothing is loaded; neither
root nor a cluster is needed.
"""

EPILOG = """\
Take the objects from any cluster:

  kubectl get services -A -o json       >services.json
  kubectl get endpointslices -A -o json >endpointslices.json
  kubectl get nodes -o json             >nodes.json
  sourceip lab rules --services services.json --endpointslices endpointslices.json \\
      --nodes nodes.json --node kind-worker

and hold the answer against the node's own: iptables-save | grep KUBE-

How a packet to a node port passes: KUBE-SERVICES (last rule) -> KUBE-NODEPORTS -> KUBE-EXT-* (marks for masquerading
unless the policy is Local) -> KUBE-SVC-* or KUBE-SVL-* (picks an endpoint) -> KUBE-SEP-* (DNAT); on the way out
KUBE-POSTROUTING masquerades what is marked. Refusals are in the filter table: KUBE-EXTERNAL-SERVICES, KUBE-SERVICES.
The real kube-proxy orders the services inside a shared chain at random; here they are ordered by name.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Teach a parser this command's options."""
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    lists = (("services", "Service"), ("endpointslices", "EndpointSlice"), ("nodes", "Node"))
    for name, kind in lists:
        parser.add_argument(
            f"--{name}", type=Path, required=True, metavar="FILE", help=f"a JSON list of {kind} objects"
        )
    parser.add_argument("--node", required=True, metavar="NAME", help="the node whose rules are asked for")
    parser.add_argument(
        "--cluster-cidr",
        default=str(plan.POD_NETWORK),
        metavar="CIDR",
        help="kube-proxy's clusterCIDR, the network of all pods; '' for none (default: %(default)s)",
    )
    parser.add_argument(
        "--masquerade-all", action="store_true", help="as iptables.masqueradeAll: masquerade all ClusterIP traffic"
    )
    parser.add_argument(
        "--no-localhost-nodeports",
        action="store_true",
        help="as iptables.localhostNodePorts=false: node ports do not answer on 127.0.0.1",
    )
    parser.add_argument("--no-nfacct", action="store_true", help="the node's kernel has no nfacct counters")


def run(args: argparse.Namespace) -> int:
    """Print the rules; 0.

    Raises:
        UsageError: A file cannot be read or has not the right form, the node is unknown, or the CIDR is none.
    """
    print(_text(args), end="")
    return 0


def _text(args: argparse.Namespace) -> str:
    from harness.lab import services
    from harness.lab.proxy import options, render

    config = options.Options(
        cluster_cidr=_cidr(args.cluster_cidr),
        masquerade_all=args.masquerade_all,
        localhost_node_ports=not args.no_localhost_nodeports,
        counters=frozenset() if args.no_nfacct else options.COUNTERS,
    )
    found = _items(args.services, "Service"), _items(args.endpointslices, "EndpointSlice")
    nodes = _items(args.nodes, "Node")
    try:
        by_name = {node.name: node for node in map(options.node_from_object, nodes)}
        if args.node not in by_name:
            known = ", ".join(sorted(by_name)) or "none"
            raise errors.UsageError(f"{args.nodes}: no node {args.node}; there are: {known}")
        ports = services.service_ports(*found)
    except errors.ParseError as error:
        raise errors.UsageError(str(error)) from error
    return render.save_text(render.ruleset(ports, by_name[args.node], config))


def _cidr(text: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text)) if text else ""
    except ValueError as error:
        raise errors.UsageError(f"--cluster-cidr: {error}") from error


def _items(path: Path, kind: str) -> list[Mapping[str, Any]]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise errors.UsageError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise errors.UsageError(f"{path}: not JSON: {error}") from error
    items = document.get("items") if isinstance(document, dict) else None
    if not isinstance(items, list):
        raise errors.UsageError(f"{path}: not a list of {kind} objects, as 'kubectl get -o json' writes one")
    for item in items:
        found = item.get("kind", kind) if isinstance(item, dict) else type(item).__name__
        if found != kind:
            raise errors.UsageError(f"{path}: holds a {found} where a {kind} belongs")
    return items
