"""The kubectl of this machine obeys, with its validation left on."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest

from harness.lab import state
from tests import recordings
from tests.lab import kubectls

Object = dict[str, Any]
Kubectl = kubectls.Kubectl

TOOLS = "sourceip/tools:dev"
CUSTOMER = ("-n", "yaobank-customer")


def _pod(name: str, *command: str) -> Object:
    container = {"name": "main", "image": TOOLS, "command": list(command) or ["sleep", "3600"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    }


def _deployment(name: str, replicas: int = 1, **env: str) -> Object:
    container = {
        "name": "main",
        "image": TOOLS,
        "command": ["sleep", "3600"],
        "env": [{"name": key, "value": value} for key, value in env.items()],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
            },
        },
    }


def _map(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": name}}, "data": data}


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
    assert [re.split(r" {2,}", line)[:3] for line in nodes[1:]] == [
        ["", f"node/{name}", "Ready"] if nodes[0].startswith("NAMESPACE") else [f"node/{name}", "Ready", role]
        for name, role in zip(lab.nodes, ["control-plane", "<none>", "<none>"], strict=True)
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


def test_describe_pod(kubectl: Kubectl, namespace: str) -> None:
    """A description has the pod's place, its containers, its conditions and its events."""
    kubectl("-n", namespace, "apply", "-f", "-", stdin=_pod("plain"))
    kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/plain", "--timeout=30s")
    text = kubectl("-n", namespace, "describe", "pod", "plain")
    node = kubectl("-n", namespace, "get", "pod", "plain", "-o", "jsonpath={.spec.nodeName}/{.status.hostIP}")
    assert re.search(rf"^Node: +{re.escape(node)}$", text, re.MULTILINE)
    assert re.search(r"^IP: +10\.244\.", text, re.MULTILINE)
    assert re.search(rf"^    Image: +{re.escape(TOOLS)}$", text, re.MULTILINE)
    assert re.search(r"^  Ready +True", text, re.MULTILINE)
    assert re.search(r"^Events:", text, re.MULTILINE)


@pytest.mark.parametrize("kind", ["node/kind-worker", "service/kubernetes", "namespace/default", "ds/kube-proxy"])
def test_describe_knows_other_kinds(kubectl: Kubectl, kind: str) -> None:
    """Nodes, services, namespaces and DaemonSets can be described too."""
    place = ("-n", "kube-system") if kind.startswith("ds/") else ("-n", "default")
    assert kubectl(*place, "describe", kind).startswith("Name:")


def test_create_by_subcommands(kubectl: Kubectl, namespace: str) -> None:
    """What kubectl makes up itself, and sends in Kubernetes' binary form, arrives whole."""
    create = ("-n", namespace, "create")
    kubectl(*create, "configmap", "c", "--from-literal=K=1")
    kubectl(*create, "secret", "generic", "s", "--from-literal=K=1")
    kubectl(*create, "serviceaccount", "a")
    kubectl(*create, "service", "nodeport", "n", "--tcp=80:8080")
    kubectl(*create, "deployment", "d", f"--image={TOOLS}", "--replicas=0", "--port=80", "--", "sleep", "3600")
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
    pod = _pod(namespace)
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
    assert kubectl(*apply, stdin=_map("c", A="1", B="2")) == "configmap/c created\n"
    assert kubectl(*apply, stdin=_map("c", A="1", B="2")) == "configmap/c unchanged\n"
    assert kubectl(*apply, stdin=_map("c", A="3")) == "configmap/c configured\n"
    assert kubectl.json("-n", namespace, "get", "configmap", "c")["data"] == {"A": "3"}
    assert kubectl(*apply, stdin=_deployment("web", X="1", Y="2")) == "deployment.apps/web created\n"
    assert kubectl(*apply, stdin=_deployment("web", X="1", Y="2")) == "deployment.apps/web unchanged\n"
    assert kubectl(*apply, stdin=_deployment("web", Y="3")) == "deployment.apps/web configured\n"
    container = kubectl.json("-n", namespace, "get", "deployment", "web")["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [{"name": "Y", "value": "3"}]


def test_apply_on_the_server(kubectl: Kubectl, namespace: str) -> None:
    """Server-side apply creates, refuses what another manager owns, and takes it by force."""
    apply = ("-n", namespace, "apply", "--server-side", "-f", "-")
    assert kubectl(*apply, "--field-manager=one", stdin=_map("s", K="1")) == "configmap/s serverside-applied\n"
    refused = kubectl.refused(*apply, "--field-manager=two", stdin=_map("s", K="2"))
    assert 'Apply failed with 1 conflict: conflict with "one": .data.K' in refused.stderr
    kubectl(*apply, "--field-manager=two", "--force-conflicts", stdin=_map("s", K="2"))
    kubectl(*apply, "--field-manager=one", stdin={**_map("s"), "data": {"L": "1"}})
    assert kubectl.json("-n", namespace, "get", "configmap", "s")["data"] == {"K": "2", "L": "1"}


def test_apply_moves_from_client_to_server(kubectl: Kubectl, namespace: str) -> None:
    """What client-side apply made, server-side apply takes over without force, and takes away again."""
    apply = ("-n", namespace, "apply", "-f", "-")
    kubectl(*apply, stdin=_map("m", A="1", B="2"))
    kubectl(*apply, "--server-side", stdin=_map("m", A="2"))
    moved = kubectl.json("-n", namespace, "get", "configmap", "m", "--show-managed-fields")
    assert moved["data"] == {"A": "2"}
    owners = {entry["manager"]: entry["operation"] for entry in moved["metadata"]["managedFields"]}
    assert owners["kubectl"] == "Apply"
    assert "kubectl-client-side-apply" not in owners


def test_dry_run_and_diff_change_nothing(kubectl: Kubectl, namespace: str) -> None:
    """A dry run on the server says what it would do, a diff shows it, and the object stays as it was."""
    kubectl("-n", namespace, "apply", "-f", "-", stdin=_map("d", A="1"))
    changed = _map("d", A="2")
    said = kubectl("-n", namespace, "apply", "--dry-run=server", "-f", "-", stdin=changed)
    assert said == "configmap/d configured (server dry run)\n"
    shown = kubectl.refused("-n", namespace, "diff", "-f", "-", stdin=changed)
    assert shown.returncode == 1
    assert '-  A: "1"\n+  A: "2"\n' in shown.stdout
    assert kubectl.json("-n", namespace, "get", "configmap", "d")["data"] == {"A": "1"}


def test_patch_of_three_types(kubectl: Kubectl, namespace: str) -> None:
    """A strategic patch merges lists by name, a merge patch replaces, a JSON patch operates."""
    kubectl("-n", namespace, "apply", "-f", "-", stdin=_deployment("web", 0, X="1"))
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


def test_logs_follow(kubectl: Kubectl) -> None:
    """A followed log shows a request's line while the application goes on running, and a tail shows the last."""
    request = "import urllib.request as u; u.urlopen('http://127.0.0.1/?probe=followed').read()"
    with kubectl.following(*CUSTOMER, "logs", "-f", "deployment/customer") as log:
        kubectl(*CUSTOMER, "exec", "deployment/customer", "--", "python3", "-c", request)
        log.until(lambda line: line.startswith("127.0.0.1 ") and "probe=followed" in line)
    tail = kubectl(*CUSTOMER, "logs", "deployment/customer", "--tail=1", "--timestamps")
    assert re.match(r"\d{4}-\d\d-\d\dT\S+Z \S", tail)


def test_logs_of_a_pod_that_ended(kubectl: Kubectl, namespace: str) -> None:
    """A pod's output is whole after its end, and following it ends by itself."""
    pod = _pod("short", "sh", "-c", "echo one; echo two >&2")
    pod["spec"]["restartPolicy"] = "Never"
    kubectl("-n", namespace, "apply", "-f", "-", stdin=pod)
    kubectl("-n", namespace, "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/short", "--timeout=30s")
    assert sorted(kubectl("-n", namespace, "logs", "-f", "short").split()) == ["one", "two"]
    assert kubectl("-n", namespace, "get", "pod", "short", "--no-headers").split()[2] == "Completed"


def test_exec_returns_output_and_exit_code(kubectl: Kubectl) -> None:
    """A command's two outputs stay apart and its exit code is kubectl's."""
    place = (*CUSTOMER, "exec", "deployment/customer", "--")
    pod = kubectl(*CUSTOMER, "get", "pods", "-o", "jsonpath={.items[0].metadata.name}")
    assert kubectl(*place, "hostname") == f"{pod}\n"
    failed = kubectl.refused(*place, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (failed.returncode, failed.stdout) == (3, "out\n")
    assert failed.stderr.splitlines() == ["err", "command terminated with exit code 3"]


def test_exec_passes_standard_input(kubectl: Kubectl) -> None:
    """A megabyte of any bytes arrives whole, and its end is seen."""
    data = bytes(range(256)) * 4096
    said = kubectl.binary(*CUSTOMER, "exec", "-i", "deployment/customer", "--", "sha256sum", stdin=data)
    assert said.split()[0].decode() == hashlib.sha256(data).hexdigest()
    assert kubectl.binary(*CUSTOMER, "exec", "-i", "deployment/customer", "--", "cat", stdin=data) == data


def test_exec_of_what_is_not_there(kubectl: Kubectl) -> None:
    """A missing pod, container or program is an error in Kubernetes' words."""
    assert 'pods "none" not found' in kubectl.refused(*CUSTOMER, "exec", "none", "--", "true").stderr
    place = (*CUSTOMER, "exec", "deployment/customer")
    assert "container none is not valid" in kubectl.refused(*place, "-c", "none", "--", "true").stderr
    assert kubectl.refused(*place, "--", "no-such-program").returncode != 0


def test_rollout_status_and_restart(kubectl: Kubectl, namespace: str) -> None:
    """A rollout is awaited, restarted and awaited again; the DaemonSets of the cluster are rolled out."""
    kubectl("-n", namespace, "apply", "-f", "-", stdin=_deployment("web", 2))
    status = ("-n", namespace, "rollout", "status", "deployment/web", "--timeout=60s")
    done = 'deployment "web" successfully rolled out'
    assert kubectl(*status).splitlines()[-1] == done
    before = kubectl("-n", namespace, "get", "pods", "-l", "app=web", "-o", "name").split()
    kubectl("-n", namespace, "rollout", "restart", "deployment/web")
    assert kubectl(*status).splitlines()[-1] == done
    after = kubectl("-n", namespace, "get", "rs", "-l", "app=web", "-o", "jsonpath={.items[*].spec.replicas}").split()
    assert (len(before), sorted(after)) == (2, ["0", "2"])
    said = kubectl("-n", "kube-system", "rollout", "status", "daemonset/kube-proxy", "--timeout=60s")
    assert said.splitlines()[-1] == 'daemon set "kube-proxy" successfully rolled out'


def test_scale_and_wait(kubectl: Kubectl, namespace: str) -> None:
    """Scaling changes the number of pods, and waiting sees conditions, values and deletions."""
    kubectl("-n", namespace, "apply", "-f", "-", stdin=_deployment("web", 1))
    assert kubectl("-n", namespace, "scale", "deployment/web", "--replicas=2") == "deployment.apps/web scaled\n"
    wait = ("-n", namespace, "wait", "--timeout=60s")
    said = kubectl(*wait, "--for=jsonpath={.status.readyReplicas}=2", "deployment/web")
    assert said == "deployment.apps/web condition met\n"
    assert kubectl(*wait, "--for=condition=Available", "deployment/web") == "deployment.apps/web condition met\n"
    kubectl("-n", namespace, "delete", "pod", "-l", "app=web", "--wait=false")
    kubectl("-n", namespace, "delete", "deployment", "web", "--wait=false")
    kubectl(*wait, "--for=delete", "pod", "-l", "app=web")
    assert kubectl("-n", namespace, "get", "pods", "-o", "name") == ""


def test_delete_takes_dependents_along(kubectl: Kubectl, namespace: str) -> None:
    """Deleting a Deployment in the foreground deletes its ReplicaSet and pods first; what is gone is not found."""
    kubectl("-n", namespace, "apply", "-f", "-", stdin=_deployment("web", 1))
    kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=60s")
    said = kubectl("-n", namespace, "delete", "deployment", "web", "--cascade=foreground", "--timeout=60s")
    assert said == 'deployment.apps "web" deleted\n'
    assert kubectl("-n", namespace, "get", "rs,pods", "-l", "app=web", "-o", "name") == ""
    gone = kubectl.refused("-n", namespace, "delete", "deployment", "web")
    assert gone.stderr == 'Error from server (NotFound): deployments.apps "web" not found\n'


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


def test_an_unknown_image_shows(kubectl: Kubectl, namespace: str) -> None:
    """A pod whose image the lab does not have says so where a person looks."""
    pod = _pod("odd")
    pod["spec"]["containers"][0]["image"] = "example.org/none:1"
    kubectl("-n", namespace, "apply", "-f", "-", stdin=pod)
    with kubectl.following("-n", namespace, "get", "pod", "odd", "-w", "--no-headers") as watch:
        watch.until(lambda line: line.split()[2] in ("ErrImagePull", "ImagePullBackOff"))


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
    manifest = {**_map("f", K="1"), "datta": {"x": "y"}}
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
