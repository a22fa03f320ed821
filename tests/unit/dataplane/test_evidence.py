"""Collecting evidence from every node, side by side, whatever some of them do not answer."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

import pytest

from harness.core import errors, process
from harness.dataplane import deciding, evidence
from harness.kube import client, execution
from harness.model import words
from tests import builders

NAT = """\
*nat
[9:9] -A PREROUTING -j KUBE-SERVICES
[9:9] -A KUBE-SERVICES -j KUBE-NODEPORTS
[4:9] -A KUBE-NODEPORTS -p tcp -m tcp --dport 30180 -j KUBE-EXT-A
[3:9] -A KUBE-NODEPORTS -p tcp -m tcp --dport 30181 -j KUBE-EXT-B
[0:0] -A KUBE-EXT-A -j KUBE-MARK-MASQ
[0:0] -A KUBE-EXT-B -j KUBE-MARK-MASQ
COMMIT
"""
ABSENT = "no such file or directory"
SAID = {
    "iptables-save -c -t nat": NAT,
    "calico-node -bpf nat dump": ABSENT,
    "calico-node -bpf ifstate dump": ABSENT,
    "calico-node -bpf conntrack dump": "TCP 172.18.0.5:4000 -> 172.18.0.2:30180 -> 10.0.0.1:80  Active ago 1s",
    "ip -d -j addr show": '[{"ifname": "eth0", "addr_info": [{"local": "172.18.0.2"}]}]',
    "bpftool cgroup show /run/calico/cgroup": "",
    " ".join(evidence.MODE): "HTTP/1.0 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\r\niptables",
}
LOG = "2026-11-23 05:36:04.7 [INFO][265] felix/summary.go 100: Summarising"


class Api(client.Client):
    """Two nodes with a calico-node pod, one of them with kube-proxy; the third has none."""

    def __init__(self) -> None:
        pass

    def get(self, path: str, params: client.Params = ()) -> client.Object:
        """The pods of the two DaemonSets."""
        proxies = path.endswith("/kube-system/pods")
        assert dict(params) == {"labelSelector": f"k8s-app={'kube-proxy' if proxies else 'calico-node'}"}
        nodes = ["kind-control-plane"] if proxies else ["kind-control-plane", "kind-worker"]
        return {"items": [self._pod(node) for node in nodes]}

    def raw(self, path: str, params: client.Params = ()) -> bytes:
        """calico-node's log."""
        assert path.startswith("/api/v1/namespaces/calico-system/pods/")
        assert dict(params)["container"] == "calico-node"
        return LOG.encode()

    @staticmethod
    def _pod(node: str) -> client.Object:
        return {"metadata": {"name": f"on-{node}"}, "spec": {"nodeName": node}, "status": {"phase": "Running"}}


@pytest.fixture(autouse=True)
def pods(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first node's pod answers everything that is in SAID, the second's nothing at all."""

    def run(_api: client.Client, *, pod: str, argv: Sequence[str], **_: object) -> process.Completed:
        if pod == "on-kind-worker":
            raise errors.ApiError(500, "InternalError", "container not running")
        said = SAID.get(" ".join(argv))
        if said is None:
            raise errors.ApiError(500, "InternalError", f"{argv[0]}: executable file not found in $PATH")
        return process.Completed(argv=tuple(argv), returncode=0, stdout=said.encode(), stderr=b"")

    monkeypatch.setattr(execution, "run", run)


def test_every_node_has_its_entry() -> None:
    """One that answered, one that did not, and one that nobody could ask."""
    found = evidence.collect(Api(), builders.known())
    assert [item.node for item in found] == ["kind-control-plane", "kind-worker", "kind-worker2"]
    answered, refused, none = found
    assert answered.packets == {30180: 4, 30181: 3}
    assert (answered.kube_proxy, answered.proxy_mode, answered.trouble) == (True, "iptables", "")
    assert answered.felix is not None
    assert answered.felix.pid == 265
    assert (refused.packets, refused.kube_proxy) == (None, False)
    assert "container not running" in refused.silent["rules"]
    assert none.trouble == "no calico-node pod is running"
    decisions = deciding.decide_all(found)
    assert [item.dataplane for item in decisions] == [words.Dataplane.IPTABLES, None, None]
    assert {item.reason for item in decisions[1:]} == {deciding.Reason.NOT_ASKED}


def test_what_an_image_lacks_is_said_and_decides_nothing() -> None:
    """It is told by its own name, with the reason."""
    [answered, *_] = evidence.collect(Api(), builders.known())
    assert set(answered.silent) == {"settings"}
    [finding] = deciding.decide(answered).findings
    assert finding.startswith("settings not known: ")
    assert "executable file not found" in finding


def test_a_probes_entry_is_looked_for_where_one_is_given() -> None:
    """Only on the node that it dialled."""
    probe = evidence.Probe(source=(ip_address("172.18.0.5"), 4000), dialled=(ip_address("172.18.0.2"), 30180))
    first, *others = evidence.collect(Api(), builders.known(), probes={"kind-control-plane": probe})
    assert first.connection is True
    assert [item.connection for item in others] == [None, None]


@contextlib.contextmanager
def _kube_proxy() -> Iterator[int]:
    """A server that says a mode as kube-proxy does; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/proxyMode"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"nftables")

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        yield server.server_port


def test_the_mode_is_asked_with_what_the_image_has() -> None:
    """calico-node's image keeps bash and cat and neither curl nor wget, and by these kube-proxy's mode is read."""
    assert evidence.MODE[0] == "bash"
    with _kube_proxy() as port:
        argv = [word.replace("10249", str(port)) for word in evidence.MODE]
        said = process.run(argv, timeout_s=10.0, env={"PATH": "/usr/bin:/bin"}).text
    node = builders.known().nodes[0]
    assert evidence.read(node, frozenset(), {"mode": said}).proxy_mode == "nftables"
    refused = "bash: connect: Connection refused\nbash: /dev/tcp/127.0.0.1/10249: Connection refused"
    assert evidence.read(node, frozenset(), {"mode": refused}).proxy_mode == ""
