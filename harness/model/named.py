"""Rows of the matrix that others have made known, by name. Pure.

``calico-NN`` is row NN of the table of Calico's own end-to-end tests (workload_ingress.go, release-v3.33),
``k8s-*`` what the Kubernetes tutorial "Using Source IP" shows, ``hairpin-*`` a backend that dials itself.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from types import MappingProxyType

from harness.model import matrix

# Row 13 of Calico's table, a NodePort of localhost, is left out there on purpose, and here too.
CALICO: Mapping[str, str] = MappingProxyType(
    {
        "calico-01": "pod@backend/-/ClusterIP-Cluster/TCP/pod",
        "calico-02": "host@backend/-/ClusterIP-Cluster/TCP/pod",
        "calico-03": "pod@other/-/ClusterIP-Cluster/TCP/pod",
        "calico-04": "host@other/-/ClusterIP-Cluster/TCP/pod",
        "calico-05": "pod@entry/with/NodePort-Cluster/TCP/pod",
        "calico-06": "host@entry/with/NodePort-Cluster/TCP/pod",
        "calico-07": "pod@other/with/NodePort-Cluster/TCP/pod",
        "calico-08": "host@other/with/NodePort-Cluster/TCP/pod",
        "calico-09": "pod@entry/without/NodePort-Cluster/TCP/pod",
        "calico-10": "host@entry/without/NodePort-Cluster/TCP/pod",
        "calico-11": "pod@other/without/NodePort-Cluster/TCP/pod",
        "calico-12": "host@other/without/NodePort-Cluster/TCP/pod",
        "calico-14": "external/without/NodePort-Cluster/TCP/pod",
        "calico-15": "external/with/NodePort-Cluster/TCP/pod",
    }
)

TUTORIAL: Mapping[str, str] = MappingProxyType(
    {
        "k8s-clusterip-same-node": "pod@backend/-/ClusterIP-Cluster/HTTP/pod",
        "k8s-clusterip-other-node": "pod@other/-/ClusterIP-Cluster/HTTP/pod",
        "k8s-nodeport-with": "external/with/NodePort-Cluster/HTTP/pod",
        "k8s-nodeport-without": "external/without/NodePort-Cluster/HTTP/pod",
        "k8s-nodeport-local-with": "external/with/NodePort-Local/HTTP/pod",
        "k8s-nodeport-local-without": "external/without/NodePort-Local/HTTP/pod",
    }
)

_HAIRPIN = {
    "hairpin-with": "with/NodePort-Cluster",
    "hairpin-without": "without/NodePort-Cluster",
    "hairpin-local-with": "with/NodePort-Local",
    "hairpin-local-without": "without/NodePort-Local",
    "hairpin-clusterip": "-/ClusterIP-Cluster",
    "hairpin-pod-address": "-/pod-address",
}

HAIRPIN: Mapping[str, str] = MappingProxyType(
    {
        f"{name}-{protocol.lower()}": f"pod@itself/{path}/{protocol}/pod"
        for name, path in _HAIRPIN.items()
        for protocol in ("TCP", "UDP")
    }
)

NAMES: Mapping[str, str] = MappingProxyType({**CALICO, **TUTORIAL, **HAIRPIN})

_SETS: Mapping[str, tuple[matrix.Row, ...]] = MappingProxyType({"all": matrix.ROWS, "walkthrough": matrix.WALKTHROUGH})


def row(name: str) -> matrix.Row:
    """The row of that name, which is its own or one of these; KeyError if there is none."""
    return matrix.row(NAMES.get(name, name))


def rows(text: str) -> tuple[matrix.Row, ...]:
    """The rows that a list of words names, each once and in the matrix's order; KeyError with a word that names none.

    Args:
        text: ``all``, ``walkthrough``, names of rows, names of these tables, and patterns (``*``, ``?``, ``[...]``) of
            either, with commas between.
    """
    chosen = {row.name for word in text.split(",") for row in _named_by(word.strip())}
    return tuple(row for row in matrix.ROWS if row.name in chosen)


def _named_by(word: str) -> tuple[matrix.Row, ...]:
    if word in _SETS:
        return _SETS[word]
    found = tuple(
        row
        for row in matrix.ROWS
        # What a plan's first column shows is a name too: of all that is spoken there, to either backend.
        if any(fnmatch.fnmatchcase(name, word) for name in (row.name, row.path_name, *names_of(row)))
    )
    if not found:
        raise KeyError(word)
    return found


def names_of(row: matrix.Row) -> tuple[str, ...]:
    """What others call that row."""
    return tuple(name for name, own in NAMES.items() if own == row.name)
