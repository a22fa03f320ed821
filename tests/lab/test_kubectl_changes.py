"""kubectl creates, applies, patches, scales and deletes."""

from __future__ import annotations

from harness.lab import state
from tests.lab import kubectls, manifests

Kubectl = kubectls.Kubectl


def test_create_by_subcommands(kubectl: Kubectl, namespace: str) -> None:
    """What kubectl makes up itself, and sends in Kubernetes' binary form, arrives whole."""
    create = ("-n", namespace, "create")
    kubectl(*create, "configmap", "c", "--from-literal=K=1")
    kubectl(*create, "secret", "generic", "s", "--from-literal=K=1")
    kubectl(*create, "serviceaccount", "a")
    kubectl(*create, "service", "nodeport", "n", "--tcp=80:8080")
    kubectl(
        *create, "deployment", "d", f"--image={manifests.TOOLS}", "--replicas=0", "--port=80", "--", "sleep", "3600"
    )
    get = ("-n", namespace, "get")
    assert kubectl.json(*get, "configmap", "c")["data"] == {"K": "1"}
    assert kubectl.json(*get, "secret", "s")["data"] == {"K": "MQ=="}
    [port] = kubectl.json(*get, "service", "n")["spec"]["ports"]
    assert (port["port"], port["targetPort"], port["protocol"]) == (80, 8080, "TCP")
    spec = kubectl.json(*get, "deployment", "d")["spec"]
    [container] = spec["template"]["spec"]["containers"]
    assert (spec["replicas"], container["command"]) == (0, ["sleep", "3600"])
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


def test_drain_and_uncordon(kubectl: Kubectl, namespace: str, lab: state.LabState) -> None:
    """Draining a node of one test's pods deletes these and keeps new ones away until it is uncordoned."""
    node = lab.nodes[-1]
    pod = manifests.pod(namespace)
    pod["spec"]["nodeName"] = node
    kubectl("-n", namespace, "apply", "-f", "-", stdin=pod)
    try:
        drain = ("drain", node, "--force", "--ignore-daemonsets", f"--pod-selector=app={namespace}", "--timeout=30s")
        assert kubectl(*drain).splitlines()[-1] == f"node/{node} drained"
        assert "SchedulingDisabled" in kubectl("get", "node", node)
        assert kubectl("-n", namespace, "get", "pods", "-o", "name") == ""
    finally:
        kubectl("uncordon", node)


def test_apply_from_the_client(kubectl: Kubectl, namespace: str) -> None:
    """Client-side apply creates, sees no change, changes, and takes away what the manifest no longer has."""
    apply = ("-n", namespace, "apply", "-f", "-")
    assert kubectl(*apply, stdin=manifests.config_map("c", A="1", B="2")) == "configmap/c created\n"
    assert kubectl(*apply, stdin=manifests.config_map("c", A="1", B="2")) == "configmap/c unchanged\n"
    assert kubectl(*apply, stdin=manifests.config_map("c", A="3")) == "configmap/c configured\n"
    assert kubectl.json("-n", namespace, "get", "configmap", "c")["data"] == {"A": "3"}
    assert kubectl(*apply, stdin=manifests.deployment("web", X="1", Y="2")) == "deployment.apps/web created\n"
    assert kubectl(*apply, stdin=manifests.deployment("web", X="1", Y="2")) == "deployment.apps/web unchanged\n"
    assert kubectl(*apply, stdin=manifests.deployment("web", Y="3")) == "deployment.apps/web configured\n"
    container = kubectl.json("-n", namespace, "get", "deployment", "web")["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [{"name": "Y", "value": "3"}]


def test_apply_on_the_server(kubectl: Kubectl, namespace: str) -> None:
    """Server-side apply creates, refuses what another manager owns, and takes it by force."""
    apply = ("-n", namespace, "apply", "--server-side", "-f", "-")
    assert (
        kubectl(*apply, "--field-manager=one", stdin=manifests.config_map("s", K="1"))
        == "configmap/s serverside-applied\n"
    )
    refused = kubectl.refused(*apply, "--field-manager=two", stdin=manifests.config_map("s", K="2"))
    assert 'Apply failed with 1 conflict: conflict with "one": .data.K' in refused.stderr
    kubectl(*apply, "--field-manager=two", "--force-conflicts", stdin=manifests.config_map("s", K="2"))
    kubectl(*apply, "--field-manager=one", stdin={**manifests.config_map("s"), "data": {"L": "1"}})
    assert kubectl.json("-n", namespace, "get", "configmap", "s")["data"] == {"K": "2", "L": "1"}


def test_apply_moves_from_client_to_server(kubectl: Kubectl, namespace: str) -> None:
    """What client-side apply made, server-side apply takes over without force, and takes away again."""
    apply = ("-n", namespace, "apply", "-f", "-")
    kubectl(*apply, stdin=manifests.config_map("m", A="1", B="2"))
    kubectl(*apply, "--server-side", stdin=manifests.config_map("m", A="2"))
    moved = kubectl.json("-n", namespace, "get", "configmap", "m", "--show-managed-fields")
    assert moved["data"] == {"A": "2"}
    owners = {entry["manager"]: entry["operation"] for entry in moved["metadata"]["managedFields"]}
    assert owners["kubectl"] == "Apply"
    assert "kubectl-client-side-apply" not in owners


def test_dry_run_and_diff_change_nothing(kubectl: Kubectl, namespace: str) -> None:
    """A dry run on the server says what it would do, a diff shows it, and the object stays as it was."""
    kubectl("-n", namespace, "apply", "-f", "-", stdin=manifests.config_map("d", A="1"))
    changed = manifests.config_map("d", A="2")
    said = kubectl("-n", namespace, "apply", "--dry-run=server", "-f", "-", stdin=changed)
    assert said == "configmap/d configured (server dry run)\n"
    shown = kubectl.refused("-n", namespace, "diff", "-f", "-", stdin=changed)
    assert shown.returncode == 1
    assert '-  A: "1"\n+  A: "2"\n' in shown.stdout
    assert kubectl.json("-n", namespace, "get", "configmap", "d")["data"] == {"A": "1"}


def test_patch_of_three_types(kubectl: Kubectl, namespace: str) -> None:
    """A strategic patch merges lists by name, a merge patch replaces, a JSON patch operates."""
    kubectl("-n", namespace, "apply", "-f", "-", stdin=manifests.deployment("web", 0, X="1"))
    patch = ("-n", namespace, "patch", "deployment", "web")
    env = '{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"Y","value":"2"}]}]}}}}'
    assert kubectl(*patch, "-p", env) == "deployment.apps/web patched\n"
    kubectl(*patch, "--type=json", "-p", '[{"op":"add","path":"/spec/minReadySeconds","value":1}]')
    kubectl(*patch, "--type=merge", "-p", '{"metadata":{"labels":{"a":"b"}}}')
    found = kubectl.json("-n", namespace, "get", "deployment", "web")
    names = [item["name"] for item in found["spec"]["template"]["spec"]["containers"][0]["env"]]
    assert (names, found["spec"]["minReadySeconds"], found["metadata"]["labels"]) == (["Y", "X"], 1, {"a": "b"})
    refused = kubectl.refused(*patch, "--type=json", "-p", '[{"op":"remove","path":"/none"}]')
    assert "the server rejected our request due to an error in our request" in refused.stderr


def test_patch_of_a_custom_resource(kubectl: Kubectl) -> None:
    """A merge patch reaches a custom resource; a strategic one is refused, since it has no list types."""
    patch = ("patch", "installation.operator.tigera.io", "default", "--dry-run=server")
    merge = '{"metadata":{"labels":{"a":"b"}}}'
    assert kubectl(*patch, "--type=merge", "-p", merge).startswith("installation.operator.tigera.io/default patched")
    assert "strategic-merge-patch+json is not supported" in kubectl.refused(*patch, "-p", merge).stderr


def test_labels_and_selectors(kubectl: Kubectl, namespace: str) -> None:
    """Labels and annotations are set and removed, and selectors of labels and fields find by them."""
    kubectl("-n", namespace, "create", "configmap", "a")
    kubectl("-n", namespace, "create", "configmap", "b")
    kubectl("-n", namespace, "label", "configmap", "a", "tier=x")
    kubectl("-n", namespace, "annotate", "configmap", "a", "note=y")
    get = ("-n", namespace, "get", "configmaps", "-o", "name")
    assert kubectl(*get, "-l", "tier in (x)") == "configmap/a\n"
    assert kubectl(*get, "--field-selector", "metadata.name=b") == "configmap/b\n"
    kubectl("-n", namespace, "label", "configmap", "a", "tier-")
    assert kubectl(*get, "-l", "tier") == ""


def test_delete_takes_dependents_along(kubectl: Kubectl, namespace: str) -> None:
    """Deleting a Deployment in the foreground deletes its ReplicaSet and pods first; what is gone is not found."""
    kubectl("-n", namespace, "apply", "-f", "-", stdin=manifests.deployment("web", 1))
    kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=60s")
    said = kubectl("-n", namespace, "delete", "deployment", "web", "--cascade=foreground", "--timeout=60s")
    assert said == 'deployment.apps "web" deleted\n'
    assert kubectl("-n", namespace, "get", "rs,pods", "-l", "app=web", "-o", "name") == ""
    gone = kubectl.refused("-n", namespace, "delete", "deployment", "web")
    assert gone.stderr == 'Error from server (NotFound): deployments.apps "web" not found\n'


def test_scale_and_wait(kubectl: Kubectl, namespace: str) -> None:
    """Scaling changes the number of pods, and waiting sees conditions, values and deletions."""
    kubectl("-n", namespace, "apply", "-f", "-", stdin=manifests.deployment("web", 1))
    assert kubectl("-n", namespace, "scale", "deployment/web", "--replicas=2") == "deployment.apps/web scaled\n"
    wait = ("-n", namespace, "wait", "--timeout=60s")
    said = kubectl(*wait, "--for=jsonpath={.status.readyReplicas}=2", "deployment/web")
    assert said == "deployment.apps/web condition met\n"
    assert kubectl(*wait, "--for=condition=Available", "deployment/web") == "deployment.apps/web condition met\n"
    kubectl("-n", namespace, "delete", "pod", "-l", "app=web", "--wait=false")
    kubectl("-n", namespace, "delete", "deployment", "web", "--wait=false")
    kubectl(*wait, "--for=delete", "pod", "-l", "app=web")
    assert kubectl("-n", namespace, "get", "pods", "-o", "name") == ""
