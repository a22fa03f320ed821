"""Who may call the lab's API server: a new certificate authority, tokens and a kubeconfig for each caller.

A program of its own (``python -m harness.lab.owner.credentials LABDIR API_PORT``), so that the owner, which lives as
long as the lab, does not carry a cryptography library.
"""

from __future__ import annotations

import base64
import json
import secrets
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
import yaml

from harness.lab import plan, state

SERVER_NAMES = (
    "localhost",
    "127.0.0.1",
    str(plan.GATEWAY + 1),
    str(plan.SERVICE_NETWORK[1]),
    plan.CONTROL_PLANE,
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
"""What the API server's certificate is valid for: kubeadm's list, with the lab's addresses."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """One who may call the API.

    Attributes:
        name: The name of its kubeconfig's file.
        user: Its user name, as Kubernetes has it for that component.
        groups: Its groups.
    """

    name: str
    user: str
    groups: tuple[str, ...]


MANIFESTS = Path(__file__).resolve().parents[3] / "manifests" / "incluster"
RESTRICTED = "sourceip"
"""The namespace of the service accounts that may do only what these manifests grant them."""
READER, SWITCHER = "sourceip-reader", "sourceip-switcher"

ADMIN = Caller(name="admin", user="kubernetes-admin", groups=("system:masters", "system:authenticated"))


def callers(nodes: Iterable[str]) -> list[Caller]:
    """Everyone who may call the API of a lab with those nodes."""
    return [
        ADMIN,
        *(Caller(name=f"kubelet-{node}", user=f"system:node:{node}", groups=("system:nodes",)) for node in nodes),
        _service_account("kube-proxy", "kube-system"),
        _service_account("calico-node", "calico-system"),
        _service_account("tigera-operator", "tigera-operator"),
        Caller(name="controller-manager", user="system:kube-controller-manager", groups=("system:authenticated",)),
        *OUTSIDERS,
    ]


def _service_account(name: str, namespace: str) -> Caller:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return Caller(name=name, user=f"system:serviceaccount:{namespace}:{name}", groups=groups)


OUTSIDERS = (_service_account(READER, RESTRICTED), _service_account(SWITCHER, RESTRICTED))
"""Callers from outside the lab who are not its admin."""


def write_all(lab: state.LabState, api_port: int) -> None:
    """Write ``pki``, ``tokens.csv``, ``rbac.json``, ``kubeconfig`` and ``agents``; OSError when the disk is full."""
    authority = _write_pki(lab.directory / "pki")
    tokens = {caller: secrets.token_hex(16) for caller in callers(lab.nodes)}
    lines = [f'{token},{caller.user},{caller.name},"{",".join(caller.groups)}"' for caller, token in tokens.items()]
    state.write_whole(lab.directory / "tokens.csv", "\n".join(lines) + "\n", mode=0o600)
    state.write_whole(lab.directory / "rbac.json", json.dumps(_granted()) + "\n")
    inside, outside = f"https://{lab.addresses[0]}:{plan.API_PORT}", f"https://127.0.0.1:{api_port}"
    agents = lab.directory / "agents"
    agents.mkdir()
    trusted = {"certificate-authority": str(lab.directory / "pki" / "ca.pem")}
    for caller, token in tokens.items():
        server = outside if caller in (ADMIN, *OUTSIDERS) else inside
        _write_kubeconfig(
            agents / f"{caller.name}.kubeconfig", lab.name, caller.user, token, {"server": server, **trusted}
        )
    # A kubeconfig for people carries the certificate itself, so that it may be copied.
    embedded = {"certificate-authority-data": base64.b64encode(authority).decode()}
    _write_kubeconfig(lab.kubeconfig, lab.name, ADMIN.user, tokens[ADMIN], {"server": outside, **embedded})


def _granted() -> list[Any]:
    return [item for path in sorted(MANIFESTS.glob("rbac*.yaml")) for item in yaml.safe_load_all(path.read_bytes())]


def _write_pki(folder: Path) -> bytes:
    folder.mkdir()
    authority = trustme.CA(organization_name="sourceip lab")
    server = authority.issue_cert(*SERVER_NAMES, common_name="kube-apiserver")
    state.write_whole(folder / "ca.pem", authority.cert_pem.bytes().decode())
    state.write_whole(folder / "server.pem", b"".join(blob.bytes() for blob in server.cert_chain_pems).decode())
    state.write_whole(folder / "server.key", server.private_key_pem.bytes().decode(), mode=0o600)
    return authority.cert_pem.bytes()


def _write_kubeconfig(file: Path, lab: str, user: str, token: str, cluster: dict[str, Any]) -> None:
    name = f"sourceip-{lab}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
    }
    # JSON is YAML, and needs no library.
    state.write_whole(file, json.dumps(config, indent=1) + "\n", mode=0o600)


if __name__ == "__main__":
    write_all(state.read(Path(sys.argv[1])), int(sys.argv[2]))
