"""kubectl sees into pods: logs, exec, rollouts, descriptions."""

from __future__ import annotations

import hashlib
import re

from tests.lab import kubectls, manifests

Kubectl = kubectls.Kubectl

CUSTOMER = ("-n", "yaobank-customer")


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
    pod = manifests.pod("short", "sh", "-c", "echo one; echo two >&2")
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
    kubectl("-n", namespace, "apply", "-f", "-", stdin=manifests.deployment("web", 2))
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


def test_an_unknown_image_shows(kubectl: Kubectl, namespace: str) -> None:
    """A pod whose image the lab does not have says so where a person looks."""
    pod = manifests.pod("odd")
    pod["spec"]["containers"][0]["image"] = "example.org/none:1"
    kubectl("-n", namespace, "apply", "-f", "-", stdin=pod)
    with kubectl.following("-n", namespace, "get", "pod", "odd", "-w", "--no-headers") as watch:
        watch.until(lambda line: line.split()[2] in ("ErrImagePull", "ImagePullBackOff"))


def test_describe_pod(kubectl: Kubectl, namespace: str) -> None:
    """A description has the pod's place, its containers, its conditions and its events."""
    kubectl("-n", namespace, "apply", "-f", "-", stdin=manifests.pod("plain"))
    kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/plain", "--timeout=30s")
    text = kubectl("-n", namespace, "describe", "pod", "plain")
    node = kubectl("-n", namespace, "get", "pod", "plain", "-o", "jsonpath={.spec.nodeName}/{.status.hostIP}")
    assert re.search(rf"^Node: +{re.escape(node)}$", text, re.MULTILINE)
    assert re.search(r"^IP: +10\.244\.", text, re.MULTILINE)
    assert re.search(rf"^    Image: +{re.escape(manifests.TOOLS)}$", text, re.MULTILINE)
    assert re.search(r"^  Ready +True", text, re.MULTILINE)
    assert re.search(r"^Events:", text, re.MULTILINE)
