"""``sourceip lab rules``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from harness.commands import lab_rules
from harness.core import errors
from tests.unit.lab.proxy import objects

NODES = [
    {"kind": "Node", "metadata": {"name": name}, "status": {"addresses": []}}
    for name in ("kind-worker", "kind-worker2")
]


def run(folder: Path, *more: str, **files: str) -> int:
    """Run the command on good files, some of them replaced."""
    good = {
        "services": _list([objects.node_port()]),
        "endpointslices": _list([objects.endpoint_slice(objects.endpoint("10.244.0.1", "kind-worker"))]),
        "nodes": _list(NODES),
    }
    argv = ["--node", "kind-worker"]
    for name, text in (good | files).items():
        (folder / name).write_text(text)
        argv += [f"--{name}", str(folder / name)]
    parser = argparse.ArgumentParser()
    lab_rules.add_arguments(parser)
    return lab_rules.run(parser.parse_args([*argv, *more]))


def _list(items: list[objects.Object]) -> str:
    return json.dumps({"kind": "List", "items": items})


def test_the_rules_are_printed_as_iptables_save_prints_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both tables, filter first, with their chains and rules and nothing else."""
    assert run(tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line[0] not in ":-"] == ["*filter", "COMMIT", "*nat", "COMMIT"]
    assert any(line.startswith("-A KUBE-NODEPORTS -p tcp ") for line in lines)


def test_options_change_the_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The cluster CIDR, counters and the loopback are the caller's."""
    more = ("--cluster-cidr", "10.0.0.0/8", "--no-nfacct", "--no-localhost-nodeports")
    run(tmp_path, *more)
    text = capsys.readouterr().out
    assert "! -s 10.0.0.0/8 " in text
    assert "nfacct" not in text
    assert "! -d 127.0.0.0/8 " in text
    run(tmp_path, "--masquerade-all", "--cluster-cidr", "")
    assert "! -s" not in capsys.readouterr().out.replace("! -s 127.0.0.0/8", "")


@pytest.mark.parametrize(
    ("more", "files", "said"),
    [
        (("--node", "kind-worker9"), {}, "no node kind-worker9; there are: kind-worker, kind-worker2"),
        (("--cluster-cidr", "10.244.0.0/99"), {}, "--cluster-cidr"),
        ((), {"services": "{"}, "not JSON"),
        ((), {"services": "[]"}, "not a list of Service objects"),
        ((), {"services": '{"items": 3}'}, "not a list of Service objects"),
        ((), {"services": _list(NODES)}, "holds a Node where a Service belongs"),
        ((), {"nodes": '{"items": ["x"]}'}, "holds a str where a Node belongs"),
        ((), {"nodes": '{"items": [{}]}'}, "not a Node"),
        ((), {"services": '{"items": [{"metadata": {"name": "x"}, "spec": 7}]}'}, "Service /x"),
        ((), {"endpointslices": '{"items": [{}]}'}, "EndpointSlice without metadata.name"),
        (("--nodes", "/nowhere/nodes.json"), {}, "/nowhere/nodes.json: No such file or directory"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path: Path, more: tuple[str, ...], files: dict[str, str], said: str) -> None:
    """Every mistake is named in one line, and never as a traceback."""
    with pytest.raises(errors.UsageError) as caught:
        run(tmp_path, *more, **files)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    """It says where the files come from and how a packet passes."""
    parser = argparse.ArgumentParser()
    lab_rules.add_arguments(parser)
    parser.print_help()
    text = capsys.readouterr().out
    assert "kubectl get endpointslices -A -o json" in text
    assert "KUBE-NODEPORTS" in text
