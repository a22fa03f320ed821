"""Pods on a real kernel: what the kubelet makes of them, seen through kubectl and through its own door."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from harness.core import errors, waiting
from harness.lab import state
from harness.lab.kubelet import frames, sandbox
from tests.lab import kubectls

Object = dict[str, Any]
Kubectl = kubectls.Kubectl

WAIT_S = 30.0
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ")


def pod(name: str, *command: str, **spec: Any) -> Object:  # noqa: ANN401 - whatever a PodSpec may have
    """A pod of one container, ``main``, whose fields may be given with those of the pod."""
    ours = ("env", "envFrom", "readinessProbe", "workingDir", "ports", "image")
    container = {"name": "main", "image": "sourceip/tools:dev", "command": list(command)}
    container |= {key: spec.pop(key) for key in ours if key in spec}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container], **spec},
    }


def sh(text: str) -> tuple[str, ...]:
    """A command that runs a shell's text."""
    return ("sh", "-c", text)


class Pods:
    """Makes pods in a namespace and waits for them."""

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        self.kubectl = kubectl
        self.namespace = ("-n", namespace)

    def create(self, item: Object) -> None:
        """Create it."""
        self.kubectl(*self.namespace, "create", "-f", "-", stdin=item)

    def until(self, name: str, path: str, wanted: str) -> None:
        """Wait until a field has that value."""
        value = f"jsonpath={{{path}}}={wanted}"
        self.kubectl(*self.namespace, "wait", "pod", name, f"--for={value}", f"--timeout={WAIT_S:g}s")

    def status(self, name: str) -> Object:
        """Its status."""
        found: Object = self.kubectl.json(*self.namespace, "get", "pod", name)["status"]
        return found

    def logs(self, name: str, *options: str) -> str:
        """Its log."""
        return self.kubectl(*self.namespace, "logs", name, *options)

    def execute(self, name: str, *command: str) -> str:
        """What a command in it prints."""
        return self.kubectl(*self.namespace, "exec", name, "--", *command)


@pytest.fixture
def pods(kubectl: Kubectl, namespace: str) -> Pods:
    """Pods of the test's own."""
    return Pods(kubectl, namespace)


def test_network_of_a_pod(pods: Pods) -> None:
    """A pod has one address of its node's block as /32, Calico's MTU and routes, its own name and its own cgroup."""
    pods.create(pod("net", "sleep", "60"))
    pods.until("net", ".status.phase", "Running")
    address = pods.status("net")["podIP"]
    link = json.loads(pods.execute("net", "ip", "-j", "addr", "show", "dev", "eth0"))[0]
    assert (link["mtu"], link["addr_info"][0]["local"], link["addr_info"][0]["prefixlen"]) == (1450, address, 32)
    routes = {each["dst"]: each.get("gateway") for each in json.loads(pods.execute("net", "ip", "-j", "route"))}
    assert routes == {"default": "169.254.1.1", "169.254.1.1": None}
    assert pods.execute("net", "hostname") == "net\n"
    assert "/pod-" in pods.execute("net", "cat", "/proc/self/cgroup")
    assert f"{address}\tnet" in pods.execute("net", "cat", "/etc/hosts")


def test_host_network_of_a_pod(pods: Pods) -> None:
    """A host-network pod has its node's address, its node's name and its node's cgroup."""
    pods.create(pod("host", "sleep", "60", hostNetwork=True, nodeName="kind-worker"))
    pods.until("host", ".status.phase", "Running")
    assert pods.status("host")["podIP"] == pods.status("host")["hostIP"] == "172.18.0.3"
    assert pods.execute("host", "hostname") == "kind-worker\n"
    assert pods.execute("host", "cat", "/proc/self/cgroup").rstrip().endswith("/kind-worker")


def test_services_have_names_in_pods(pods: Pods) -> None:
    """The hosts file knows every Service, and a new one soon after it is made."""
    pods.create(pod("names", "sleep", "60"))
    pods.until("names", ".status.phase", "Running")
    assert "summary.yaobank-summary.svc.cluster.local" in pods.execute("names", "cat", "/etc/hosts")
    pods.kubectl(*pods.namespace, "create", "service", "clusterip", "fresh", "--tcp=80")
    waiting.wait_until(
        lambda: pods.execute("names", "cat", "/etc/hosts"),
        lambda text: re.search(r"\tfresh fresh\.", text) is not None,
        what="the new Service in the hosts file",
        timeout_s=WAIT_S,
    )


def test_environment_of_a_container(pods: Pods) -> None:
    """Values, references to earlier ones, fields of the pod, keys of ConfigMaps and whole ConfigMaps."""
    pods.kubectl(*pods.namespace, "create", "configmap", "given", "--from-literal=KEY=from-map")
    names = {"fieldRef": {"fieldPath": "metadata.name"}}, {"fieldRef": {"fieldPath": "spec.nodeName"}}
    variables = [
        {"name": "POD", "valueFrom": names[0]},
        {"name": "NODE", "valueFrom": names[1]},
        {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "MAPPED", "valueFrom": {"configMapKeyRef": {"name": "given", "key": "KEY"}}},
        {"name": "JOINED", "value": "$(POD) on $(NODE), $$(POD)"},
    ]
    sources = [{"configMapRef": {"name": "given"}}]
    pods.create(pod("env", *sh("env"), env=variables, envFrom=sources, restartPolicy="Never", nodeName="kind-worker"))
    pods.until("env", ".status.phase", "Succeeded")
    said = dict(line.partition("=")[::2] for line in pods.logs("env").splitlines())
    wanted = {"POD": "env", "NODE": "kind-worker", "MAPPED": "from-map", "KEY": "from-map"}
    assert {name: said[name] for name in wanted} == wanted
    assert said["JOINED"] == "env on kind-worker, $(POD)"
    assert said["ADDRESS"] == pods.status("env")["podIP"]


def test_a_missing_config_map_is_waited_for(pods: Pods) -> None:
    """The container waits with Kubernetes' reason."""
    reference = {"configMapKeyRef": {"name": "absent", "key": "KEY"}}
    pods.create(pod("config", "sleep", "60", env=[{"name": "X", "valueFrom": reference}]))
    pods.until("config", ".status.containerStatuses[0].state.waiting.reason", "CreateContainerConfigError")
    assert (
        'configmap "absent" not found' in pods.status("config")["containerStatuses"][0]["state"]["waiting"]["message"]
    )


def test_init_containers_run_in_order(pods: Pods) -> None:
    """Each runs to its end before the next, and all before the containers."""
    tools = "sourceip/tools:dev"
    init = [{"name": name, "image": tools, "command": ["echo", name]} for name in ("first", "second")]
    pods.create(pod("init", "echo", "main", initContainers=init, restartPolicy="Never"))
    pods.until("init", ".status.phase", "Succeeded")
    assert [pods.logs("init", "-c", name) for name in ("first", "second", "main")] == ["first\n", "second\n", "main\n"]
    ended = [each["state"]["terminated"] for each in pods.status("init")["initContainerStatuses"]]
    assert [each["exitCode"] for each in ended] == [0, 0]


def test_a_failing_container_is_restarted_with_back_off(pods: Pods) -> None:
    """The second run comes at once, the third after a wait that is shown; the log of the run before is kept."""
    pods.create(pod("crash", *sh("echo run >&2; echo out; exit 7")))
    pods.until("crash", ".status.containerStatuses[0].state.waiting.reason", "CrashLoopBackOff")
    status = pods.status("crash")["containerStatuses"][0]
    assert status["lastState"]["terminated"]["exitCode"] == 7
    assert status["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=main")
    assert pods.logs("crash") == "run\nout\n"
    assert "Back-off restarting failed container" in pods.kubectl(*pods.namespace, "describe", "pod", "crash")


@pytest.mark.parametrize(("policy", "code", "phase"), [("Never", 3, "Failed"), ("OnFailure", 0, "Succeeded")])
def test_how_a_pod_ends(pods: Pods, policy: str, code: int, phase: str) -> None:
    """Exit codes and the restart policy decide the phase, and a pod that ended is not ready."""
    pods.create(pod("ends", *sh(f"exit {code}"), restartPolicy=policy))
    pods.until("ends", ".status.phase", phase)
    status = pods.status("ends")
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == code
    assert {each["type"]: each["status"] for each in status["conditions"]}["Ready"] == "False"


@pytest.mark.parametrize(
    "probe",
    [
        {"exec": {"command": ["test", "-e", "/tmp/sourceip-ready"]}},
        {"httpGet": {"port": "web", "path": "/"}},
        {"tcpSocket": {"port": 8080}},
    ],
    ids=["exec", "httpGet", "tcpSocket"],
)
def test_readiness_follows_the_probe(pods: Pods, probe: Object, tmp_path: Path) -> None:
    """A pod is ready when its probe says so, not before, and not any more when the probe fails."""
    flag = tmp_path / "ready"
    if "exec" in probe:
        probe = {"exec": {"command": ["test", "-e", str(flag)]}}
    text = f"until test -e {flag}; do sleep 0.05; done; exec python3 -m http.server 8080"
    ports = [{"name": "web", "containerPort": 8080}]
    timing = {"periodSeconds": 1, "failureThreshold": 1}
    pods.create(pod("probed", *sh(text), ports=ports, readinessProbe={**probe, **timing}))
    pods.until("probed", ".status.phase", "Running")
    assert pods.status("probed")["containerStatuses"][0]["ready"] is False
    flag.touch()
    pods.until("probed", ".status.containerStatuses[0].ready", "true")
    if "exec" in probe:
        flag.unlink()
        pods.until("probed", ".status.containerStatuses[0].ready", "false")
        assert "Readiness probe failed" in pods.kubectl(*pods.namespace, "describe", "pod", "probed")


def test_deletion_asks_first_and_insists_then(pods: Pods, tmp_path: Path) -> None:
    """SIGTERM comes first; a container that ignores it is killed when the grace period is over."""
    said = tmp_path / "said"
    text = f"trap 'echo asked >{said}' TERM; echo up; while :; do sleep 0.1; done"
    pods.create(pod("stubborn", *sh(text)))
    pods.until("stubborn", ".status.phase", "Running")
    with pods.kubectl.following(*pods.namespace, "logs", "-f", "stubborn") as log:
        log.until(lambda line: line == "up")
        pods.kubectl(*pods.namespace, "delete", "pod", "stubborn", "--timeout=30s")
        assert log.ended() == 0
    assert said.read_text() == "asked\n"


def test_logs_are_what_was_written(pods: Pods) -> None:
    """Bytes as written, both outputs in order, with times, tails and limits as asked for."""
    text = "printf 'one\\r\\n'; printf 'two\\n' >&2; printf '\\033[31mthree\\033[0m\\n'; printf 'no end'"
    pods.create(pod("says", *sh(text), restartPolicy="Never"))
    pods.until("says", ".status.phase", "Succeeded")
    assert pods.logs("says") == "one\r\ntwo\n\033[31mthree\033[0m\nno end"
    assert pods.logs("says", "--tail=2") == "\033[31mthree\033[0m\nno end"
    assert pods.logs("says", "--limit-bytes=5") == "one\r\n"
    assert all(STAMP.match(line) for line in pods.logs("says", "--timestamps").split("\n"))
    assert pods.logs("says", "--since=1h") == pods.logs("says", "-f")


def _door(lab: state.LabState, node: str) -> socket.socket:
    door = socket.socket(socket.AF_UNIX)
    door.settimeout(WAIT_S)
    door.connect(str(lab.directory / "nodes" / node / "kubelet.sock"))
    return door


def _ask(door: socket.socket, **request: object) -> tuple[Object, bytes]:
    door.sendall(json.dumps(request).encode() + b"\n")
    data = b""
    while b"\n" not in data:
        data += door.recv(65536)
    line, _, rest = data.partition(b"\n")
    answer: Object = json.loads(line)
    return answer, rest


def test_a_terminal_in_a_container(lab: state.LabState, pods: Pods) -> None:
    """exec with a terminal has one, of the size that was asked for, and ends with a Status on the error channel."""
    pods.create(pod("tty", "sleep", "60", nodeName="kind-worker"))
    pods.until("tty", ".status.phase", "Running")
    with _door(lab, "kind-worker") as door:
        request = {"op": "exec", "namespace": pods.namespace[1], "pod": "tty", "tty": True, "stdin": True}
        answer, data = _ask(door, **request, command=["sh", "-c", "tty; read line; stty size; exit 4"])
        assert answer == {"ok": True}
        door.sendall(frames.frame(frames.RESIZE, b'{"Width": 101, "Height": 42}'))
        door.sendall(frames.frame(frames.STDIN, b"go\n"))
        while more := door.recv(65536):
            data += more
    seen = list(frames.Parser().take(data))
    screen = b"".join(content for channel, content in seen if channel == frames.STDOUT)
    assert b"/dev/pts/" in screen
    assert b"42 101\r\n" in screen
    status = json.loads(seen[-1][1])
    assert (seen[-1][0], status["details"]["causes"][0]["message"]) == (frames.ERROR, "4")


@pytest.mark.parametrize(
    ("request_", "code"),
    [({"op": "logs", "pod": "none"}, 404), ({"op": "dance"}, 404), ({}, 404)],
    ids=["no pod", "no operation", "nothing"],
)
def test_the_door_refuses_in_words(lab: state.LabState, request_: Object, code: int) -> None:
    """What can't be answered is an error with a code, not an end without a word."""
    with _door(lab, "kind-worker") as door:
        answer, _ = _ask(door, **request_)
    assert answer["error"]["code"] == code


def test_nothing_of_a_deleted_pod_is_left(lab: state.LabState, pods: Pods) -> None:
    """Its wire, its namespace, its cgroup and its files go, and its address is given out again."""
    pods.create(pod("gone", "sleep", "60", nodeName="kind-worker"))
    pods.until("gone", ".status.phase", "Running")
    address = pods.status("gone")["podIP"]
    link = sandbox.link_name(pods.namespace[1], "gone")
    folders = lab.directory / "nodes" / "kind-worker" / "pods"
    look = pod("look", "sleep", "60", hostNetwork=True, nodeName="kind-worker")
    pods.create(look)
    pods.until("look", ".status.phase", "Running")
    assert link in pods.execute("look", "ip", "-br", "link")
    pods.kubectl(*pods.namespace, "delete", "pod", "gone", "--timeout=30s")
    assert link not in pods.execute("look", "ip", "-br", "link")
    assert not list(folders.glob(f"{pods.namespace[1]}_gone_*"))
    with pytest.raises(errors.CommandError):
        pods.execute("gone", "true")
    pods.create(pod("next", "sleep", "60", nodeName="kind-worker"))
    pods.until("next", ".status.phase", "Running")
    assert pods.status("next")["podIP"] == address
