"""A lab from the command line: up, what it prints, its parts, down."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator

import pytest

from harness.core import process, waiting
from harness.lab import plan, state
from tests.lab import machines


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[machines.Machine]:
    """A machine that nobody else is on."""
    with machines.running(tmp_path_factory.mktemp("machine")) as made:
        yield made


def sourceip(lab: state.LabState, *words: str, stdin: bytes | None = None) -> process.Completed:
    """Run ``sourceip lab`` for that lab; neither exit code is an error."""
    command, *rest = words
    argv = [*machines.sourceip("lab", command), "--name", lab.name, *rest]
    return process.run(argv, stdin=stdin, check=False, cwd=machines.PROJECT)


def test_up_prints_what_to_paste(machine: machines.Machine) -> None:
    """Progress with times, then two lines for a shell; with them a request is answered and the client known."""
    name = machine.lab_name("paste")
    code, said = machine.sourceip("lab", "up", "--name", name)
    assert code == 0, said
    *progress, kubeconfig, client = said.splitlines()
    assert all(re.fullmatch(r"\[ *\d+\.\d s\] .+", line) for line in progress)
    assert progress[-1].endswith("MiB")
    assert kubeconfig == f"export KUBECONFIG=/run/sourceip/{name}/kubeconfig"
    assert client.startswith('export CLIENT="/')
    script = f'{client}; cd /; $CLIENT {sys.executable} -c "{_ASK}" 172.18.0.2'
    assert machine.run("sh", "-c", script) == (0, "200 172.18.0.5\n")
    assert machine.sourceip("lab", "down", "--name", name) == (0, f"lab {name} is gone\n")


_ASK = (
    "import http.client, sys; "
    "asked = http.client.HTTPConnection(sys.argv[1], 30180, timeout=10); asked.connect(); "
    "me = asked.sock.getsockname()[0]; asked.request('GET', '/'); print(asked.getresponse().status, me)"
)


def test_the_client_runs_commands(lab: state.LabState) -> None:
    """Streams and exit codes pass through, options of the command are the command's, and there is no shell."""
    assert sourceip(lab, "client", "--", "cat", stdin=b"a b\0c").stdout == b"a b\0c"
    assert sourceip(lab, "client", "--", "sh", "-c", "exit 7").returncode == 7
    assert sourceip(lab, "client", "--", "printf", "%s|", "-a", "--name", "$HOME").text == "-a|--name|$HOME|"
    missing = sourceip(lab, "client", "--", "no-such-program")
    assert (missing.returncode, missing.stderr.count(b"\n")) == (127, 1)
    links = json.loads(sourceip(lab, "client", "--", "ip", "-j", "addr", "show", "eth0").stdout)
    assert [each["local"] for each in links[0]["addr_info"]] == [lab.client]


def test_a_node_runs_commands(lab: state.LabState) -> None:
    """A command on a node has its network, its name, its cgroup, the lab's mounts and the lab's processes."""
    assert sourceip(lab, "node", "kind-worker", "--", "hostname").text == "kind-worker\n"
    assert sourceip(lab, "node", "kind-worker", "--", "sh", "-c", "exit 5").returncode == 5
    assert sourceip(lab, "node", "kind-worker", "--", "sh", "-c", "kill -9 $$").returncode == 137
    links = json.loads(sourceip(lab, "node", "kind-worker", "--", "ip", "-j", "addr").stdout)
    addresses = {link["ifname"]: link["addr_info"][0]["local"] for link in links if link["addr_info"]}
    assert addresses["eth0"] == "172.18.0.3"
    assert addresses["vxlan.calico"] == "10.244.162.128"
    assert (
        f"/sourceip-{lab.name}/kind-worker"
        in sourceip(lab, "node", "kind-worker", "--", "cat", "/proc/self/cgroup").text
    )
    assert "kind-worker2" in sourceip(lab, "node", "kind-worker", "--", "ip", "netns").text
    first = sourceip(lab, "node", "kind-worker", "--", "cat", "/proc/1/cmdline").text
    assert "harness.lab.owner" in first
    assert {*lab.nodes} <= {*sourceip(lab, "node", "kind-worker", "--", "ls", "/run/lab/bpf").text.split()}


def test_status_shows_the_lab(lab: state.LabState) -> None:
    """Owner, memory, nodes and pods, each in a line."""
    said = sourceip(lab, "status").text
    assert re.search(rf"^lab {lab.name}: ready, owner {lab.owner.pid}, \d+ MiB, API https://127.0.0.1:\d+$", said, re.M)
    for name, address in zip(lab.nodes, lab.addresses, strict=True):
        assert f"node {name} {address} Ready" in said
    assert re.search(r"^  pod yaobank-customer/customer-\S+ Running 10\.244\.\d+\.\d+ kind-worker2?$", said, re.M)


def test_kubeconfig_is_whole(lab: state.LabState) -> None:
    """The path by default; the content is one file that may be copied anywhere."""
    assert sourceip(lab, "kubeconfig").text == f"{lab.kubeconfig}\n"
    content = json.loads(sourceip(lab, "kubeconfig", "--content").text)
    cluster = content["clusters"][0]["cluster"]
    assert cluster["server"] == f"https://127.0.0.1:{lab.api_port}"
    assert set(cluster) == {"server", "certificate-authority-data"}


def test_the_lab_has_the_recorded_addresses(lab: state.LabState) -> None:
    """Nodes and client are where they were on the recorded cluster."""
    assert lab.addresses == ("172.18.0.2", "172.18.0.3", "172.18.0.4")
    assert lab.client == "172.18.0.5"
    assert lab.nodes == tuple(node.name for node in plan.plan().nodes)


def test_the_client_reaches_nothing_but_nodes(lab: state.LabState) -> None:
    """The cluster's network is closed: pods and Services have no address for the client."""
    for address in ("10.244.82.1", "10.96.0.1", "192.0.2.1"):
        script = f"import socket; socket.create_connection(('{address}', 443), 1)"
        assert sourceip(lab, "client", "--", sys.executable, "-c", script).returncode == 1


def test_a_dead_lab_is_shown(machine: machines.Machine) -> None:
    """What a killed owner left is named, with the command that removes it, and nothing enters it."""
    name = machine.lab_name("dead")
    up = ("lab", "up", "--name", name, "--workers", "0", "--without-yaobank")
    assert machine.sourceip(*up)[0] == 0
    machine.kill_owner("dead")
    remedy = f"sourceip lab down --name {name}"
    assert remedy in machine.sourceip("lab", "status")[1]
    code, said = machine.sourceip("lab", "client", "--name", name, "--", "true")
    assert (code, said.count("\n")) == (2, 1)
    assert machine.sourceip("lab", "down", "--name", name)[0] == 0
    assert machine.sourceip("lab", "status")[0] == 1


_END_CONTROLLERS = """
import os, pathlib, signal, sys
for entry in pathlib.Path("/proc").glob("[0-9]*"):
    words = (entry / "cmdline").read_bytes().split(bytes(1))
    if b"harness.lab.controllers" in words and os.fsencode(sys.argv[1]) in words:
        os.kill(int(entry.name), signal.SIGKILL)
"""


def test_a_broken_lab_is_shown(machine: machines.Machine) -> None:
    """A lab that lost one of its own programs says so, is still there to be looked at, and goes like any other."""
    name = machine.lab_name("broken")
    before = machine.snapshot()
    assert machine.sourceip("lab", "up", "--name", name, "--workers", "0", "--without-yaobank")[0] == 0
    assert machine.run(sys.executable, "-c", _END_CONTROLLERS, f"/run/sourceip/{name}") == (0, "")
    waiting.wait_until(
        lambda: machine.state("broken")["phase"],
        lambda phase: phase == "broken",
        what="a lab that calls itself broken",
        timeout_s=10.0,
    )
    code, said = machine.sourceip("lab", "status", "--name", name)
    assert (code, f"lab {name}: broken" in said) == (0, True)
    assert machine.sourceip("lab", "down", "--name", name)[0] == 0
    machine.assert_as_before(before)
