"""The kubectl of this machine reads the cluster and is refused where it must be, with its validation left on."""

from __future__ import annotations

import re

import pytest

from harness.lab import state
from tests import recordings
from tests.lab import kubectls, manifests

Kubectl = kubectls.Kubectl

CUSTOMER = ("-n", "yaobank-customer")


def _sections(text: str) -> list[list[str]]:
    return [section.splitlines() for section in text.strip().split("\n\n")]


def _titles(line: str) -> list[str]:
    return re.split(r" {2,}", line.strip())


def _recorded_titles(name: str) -> list[str]:
    return _titles((recordings.path() / "api" / "iptables" / f"{name}.txt").read_text().splitlines()[0])


def test_get_lists_the_cluster(kubectl: Kubectl, lab: state.LabState) -> None:
    """The five kinds come with the columns that a real cluster shows, and every node is ready."""
    nodes, pods, services, daemon_sets, deployments = _sections(
        kubectl("get", "nodes,pods,svc,ds,deploy", "-A", "-o", "wide")
    )
    roles = ["control-plane", "<none>", "<none>"]
    assert [line.split()[:3] for line in nodes[1:]] == [
        [f"node/{name}", "Ready", role] for name, role in zip(lab.nodes, roles, strict=True)
    ]
    assert [_titles(pods[0]), _titles(services[0]), _titles(daemon_sets[0])] == [
        _recorded_titles(name) for name in ("pods", "svc", "ds")
    ]
    assert any("daemonset.apps/kube-proxy" in line for line in daemon_sets)
    assert any("deployment.apps/customer" in line for line in deployments)


@pytest.mark.parametrize(("resource", "name"), [("nodes", "nodes"), ("tigerastatus", "tigerastatus")])
def test_get_shows_the_recorded_columns(kubectl: Kubectl, resource: str, name: str) -> None:
    """Cluster-wide kinds have the recorded columns too, custom ones included."""
    assert _titles(kubectl("get", resource, "-o", "wide").splitlines()[0]) == _recorded_titles(name)


def test_get_prints_every_form(kubectl: Kubectl) -> None:
    """Names, YAML, JSON paths and custom columns come out of one object."""
    service = (*CUSTOMER, "get", "service", "customer", "-o")
    assert kubectl(*service, "name") == "service/customer\n"
    assert kubectl(*service, "jsonpath={.spec.ports[0].nodePort}") == "30180"
    assert "nodePort: 30180\n" in kubectl(*service, "yaml")
    assert kubectl(*service, "custom-columns=PORT:.spec.ports[0].nodePort").split() == ["PORT", "30180"]


def test_get_watches(kubectl: Kubectl, namespace: str) -> None:
    """A watch prints what is there, then each change as it happens, the deletion included."""
    with kubectl.following("-n", namespace, "get", "configmaps", "-w", "--output-watch-events") as watch:
        kubectl("-n", namespace, "create", "configmap", "watched")
        watch.until(lambda line: line.split()[:3] == ["ADDED", "watched", "0"])
        kubectl("-n", namespace, "patch", "configmap", "watched", "--type=merge", "-p", '{"data":{"K":"1"}}')
        watch.until(lambda line: line.split()[:3] == ["MODIFIED", "watched", "1"])
        kubectl("-n", namespace, "delete", "configmap", "watched")
        watch.until(lambda line: line.split()[:2] == ["DELETED", "watched"])


@pytest.mark.parametrize("kind", ["node/kind-worker", "service/kubernetes", "namespace/default", "ds/kube-proxy"])
def test_describe_knows_other_kinds(kubectl: Kubectl, kind: str) -> None:
    """Nodes, services, namespaces and DaemonSets can be described too."""
    place = ("-n", "kube-system") if kind.startswith("ds/") else ("-n", "default")
    assert kubectl(*place, "describe", kind).startswith("Name:")


def test_an_unknown_kind_is_refused(kubectl: Kubectl, namespace: str) -> None:
    """A manifest of a kind that the server does not have gets kubectl's own words for it."""
    manifest = {"apiVersion": "v1", "kind": "Nope", "metadata": {"name": "n"}}
    refused = kubectl.refused("-n", namespace, "apply", "-f", "-", stdin=manifest)
    assert 'no matches for kind "Nope" in version "v1"' in refused.stderr
    missing = kubectl.refused("-n", namespace, "get", "nopes")
    assert missing.stderr == 'error: the server doesn\'t have a resource type "nopes"\n'


@pytest.mark.parametrize("flags", [("--validate=true",), ("--validate=strict",), ("--server-side",)])
def test_an_unknown_field_is_refused_by_the_server(kubectl: Kubectl, namespace: str, flags: tuple[str, ...]) -> None:
    """A manifest with a field that the kind does not have gets the API server's own error."""
    manifest = {**manifests.config_map("f", K="1"), "datta": {"x": "y"}}
    refused = kubectl.refused("-n", namespace, "apply", *flags, "-f", "-", stdin=manifest)
    assert "datta" in refused.stderr
    assert refused.stderr.startswith("Error from server")


def test_an_invalid_object_is_refused(kubectl: Kubectl, namespace: str) -> None:
    """A Service with a port out of range gets the API server's sentence."""
    port = {"port": 80, "nodePort": 99}
    spec = {"type": "NodePort", "ports": [port]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": spec}
    refused = kubectl.refused("-n", namespace, "apply", "-f", "-", stdin=service)
    assert 'The Service "s" is invalid: spec.ports[0].nodePort: Invalid value: 99' in refused.stderr


def test_a_wrong_token_is_unauthorized(kubectl: Kubectl) -> None:
    """kubectl with a token that nobody gave out is not let in."""
    refused = kubectl.refused("--token=wrong", "get", "nodes")
    assert "You must be logged in to the server" in refused.stderr


def test_discovery_and_version(kubectl: Kubectl) -> None:
    """kubectl finds the resources, the server's version and what it may do."""
    resources = kubectl("api-resources", "--no-headers").splitlines()
    assert {"pods", "deployments", "installations"} <= {line.split()[0] for line in resources}
    # Before v1.28 the version is printed as a structure.
    assert re.search(r"^Server Version: .*v1\.", kubectl("version"), re.MULTILINE)
    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
    assert kubectl("get", "--raw", "/readyz") == "ok"
