"""Programs inside calico-node's pods, which are on every node and see the node's own kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.core import errors, timeouts
from harness.kube import client, conditions, execution

NAMESPACE = "calico-system"
CONTAINER = "calico-node"
_SELECTOR = {"labelSelector": "k8s-app=calico-node"}
_EXEC_S = timeouts.DEFAULT.exec_s
_LOG_LINES = 20_000

# Until v3.32 the image's one binary was ``calico-node``; from v3.33 on it is ``calico`` (facts/calico.md 0.7).
TOOLS = (("calico-node", "-bpf"), ("calico", "component", "node", "bpf"))
# Of these the plain one is what the image prefers, which need not be the kind that kube-proxy writes.
SAVES = ("iptables-save", "iptables-nft-save", "iptables-legacy-save")
_NOT_FOUND = (126, 127)


def by_node(api: client.Client) -> Mapping[str, str]:
    """The calico-node pod of each node, even one that says it is not ready: its kernel is what counts."""
    pods = [item for item in listed(api) if conditions.pod_is_running(item)]
    return {item["spec"]["nodeName"]: item["metadata"]["name"] for item in pods}


def listed(api: client.Client) -> list[client.Object]:
    """All calico-node pods, in whatever state; raises ApiError."""
    return api.items(f"/api/v1/namespaces/{NAMESPACE}/pods", _SELECTOR)


def run(api: client.Client, pod: str, argv: Sequence[str]) -> str:
    """What a program prints on either output, however it ends.

    Raises:
        ApiError: The API refused, or the pod is gone.
        CommandError: There is no such program.
    """
    done = execution.run(
        api, namespace=NAMESPACE, pod=pod, container=CONTAINER, argv=tuple(argv), timeout_s=_EXEC_S, check=False
    )
    said = done.text + done.stderr.decode(errors="backslashreplace")
    if done.returncode in _NOT_FOUND:
        raise errors.CommandError(tuple(argv), done.returncode, "", said)
    return said


def dump(api: client.Client, pod: str, *words: str) -> str:
    """What Calico's own tool prints of the BPF maps, by its old name or its new one.

    Raises:
        ApiError: The API refused, or the pod is gone.
        CommandError: The tool is not there under either name.
    """
    old, new = TOOLS
    try:
        return run(api, pod, (*old, *words))
    except errors.HarnessError as error:
        if not is_missing(error):
            raise
    return run(api, pod, (*new, *words))


def is_missing(error: errors.HarnessError) -> bool:
    """Whether an exec failed because there is no such program: the runtime says so, or a shell would."""
    if isinstance(error, errors.CommandError):
        return error.returncode in _NOT_FOUND
    return isinstance(error, errors.ApiError) and (
        "executable file not found" in error.message or "no such file or directory" in error.message
    )


def nat_rules(api: client.Client, pod: str) -> str:
    """The nat table with counters, from the kind of iptables in which kube-proxy or kubelet has its chains.

    Raises:
        ApiError: The API refused, or the pod is gone.
        CommandError: The image has no iptables, in the words of the last program.
    """
    first: str | None = None
    missing: errors.HarnessError | None = None
    for program in SAVES:
        try:
            text = run(api, pod, (program, "-c", "-t", "nat"))
        except errors.HarnessError as error:
            # An image may have Felix's own choice of names only, which is not the plain one.
            if not is_missing(error):
                raise
            missing = error
            continue
        if "KUBE-" in text:
            return text
        first = text if first is None else first
    if first is None and missing is not None:
        raise missing
    return first or ""


def log(api: client.Client, pod: str) -> str:
    """The end of calico-node's log; raises ApiError."""
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/log"
    return api.raw(path, {"container": CONTAINER, "tailLines": _LOG_LINES}).decode(errors="backslashreplace")
