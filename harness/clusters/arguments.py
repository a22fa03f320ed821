"""The options of a run, said once for pytest and for the command line, and what they amount to.

pytest-kind brings some of them to pytest; those keep their meaning, are on the command line too, and are never
registered twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.clusters import selection
from harness.clusters.existing.options import ExistingOptions, client_cmd
from harness.clusters.kind.options import DEFAULT_CALICO, KindOptions
from harness.core import errors

PYTEST_KIND = "pytest-kind"
"""The name that pytest-kind gives a cluster where nobody gives another: one for all runs, so it counts as none."""

Add = Callable[..., object]
"""``add_argument`` of argparse, or pytest's ``addoption``, which takes the same."""

OURS: Mapping[str, Mapping[str, Any]] = {
    "--cluster": {
        "default": "auto",
        "metavar": "|".join(selection.PROVIDERS),
        "help": "which cluster to run on; auto is kind where a container engine answers, else lab",
    },
    "--samples": {"default": str(selection.DEFAULT_SAMPLES), "metavar": "N", "help": "samples a cell (default: 20)"},
    "--switch": {
        "default": "",
        "metavar": "|".join(selection.SWITCHES),
        "help": "the way to eBPF mode (default: automatic where Calico has it, from 3.31 on, and nothing forbids it)",
    },
    "--report-dir": {
        "type": Path,
        "metavar": "DIR",
        "help": "write run.json, junit.xml and report.html there, and evidence of what is red",
    },
    "--evidence": {"action": "store_true", "help": "keep evidence of every phase, red or not (needs --report-dir)"},
    "--calico-version": {
        "default": DEFAULT_CALICO,
        "metavar": "V",
        "help": f"kind: which Calico, 3.29 to 3.33 (default: {DEFAULT_CALICO})",
    },
    "--calico-manifests": {
        "type": Path,
        "metavar": "DIR",
        "help": "kind: Calico's manifests of that version, instead of a download",
    },
    "--allow-unpinned": {
        "action": "store_true",
        "help": "kind: take files of which no checksum is known; the checksum is recorded",
    },
    "--kind-config": {"type": Path, "metavar": "FILE", "help": "kind: settings to add to the cluster's own"},
    "--tools-image": {"default": "", "metavar": "NAME", "help": "an image of ours that is there, instead of building"},
    "--context": {"default": "", "metavar": "NAME", "help": "existing: the kubeconfig's context, which must be named"},
    "--client-cmd": {
        "default": "",
        "metavar": '"PROGRAM ..."',
        "help": 'existing: what runs a program on a host outside the cluster, such as "docker exec -i client"',
    },
    "--read-only": {
        "action": "store_true",
        "help": "existing: verify the dataplane in force; change nothing but namespaces of the run's own",
    },
    "--allow-switch": {
        "action": "store_true",
        "help": "existing: switch the cluster's dataplane there and back, and put back what was changed",
    },
    "--namespace-prefix": {
        "default": "",
        "metavar": "TEXT",
        "help": "existing: what the run's namespaces begin with (default: one of its own, sourceip-XXXX-)",
    },
    "--image-archive": {
        "type": Path,
        "action": "append",
        "default": [],
        "metavar": "FILE",
        "help": "kind: an image archive to load into the nodes (repeatedly)",
    },
}
CELLS: Mapping[str, Any] = {
    "metavar": "all|walkthrough|NAME[,NAME...]",
    "help": "cells by name or pattern, as sourceip plan prints them",
}
PYTEST_KINDS: Mapping[str, Mapping[str, Any]] = {
    "--cluster-name": {"default": PYTEST_KIND, "metavar": "NAME", "help": "kind: the cluster's name"},
    "--keep-cluster": {"action": "store_true", "help": "leave the cluster up afterwards"},
    "--kubeconfig": {"metavar": "FILE", "help": "kind: where its kubeconfig is written; existing: which to use"},
    "--kind-image": {"metavar": "IMAGE@DIGEST", "help": "kind: the node image, instead of the pinned one"},
    "--kind-bin": {"metavar": "FILE", "help": "kind: the program, instead of the one on PATH"},
    "--kind-kubectl-bin": {"metavar": "FILE", "help": "kind: a kubectl for pytest-kind; this project needs none"},
}


def add(add_option: Add, options: Mapping[str, Mapping[str, Any]]) -> None:
    """Register options."""
    for name, described in options.items():
        add_option(name, **described)


def chosen(value: Callable[[str], Any]) -> selection.Options:
    """What the user asked for.

    Args:
        value: The value of an option, by its name with underscores.

    Raises:
        UsageError: A value can't be, in one line that names the option.
    """
    return selection.Options(
        cluster=value("cluster"),
        samples=_number("--samples", value("samples")),
        switch=value("switch"),
        cells=value("cells"),
        report_dir=value("report_dir"),
        evidence=value("evidence"),
        keep=bool(value("keep_cluster")),
        kind=_kind(value),
        existing=_existing(value),
    )


def _existing(value: Callable[[str], Any]) -> ExistingOptions:
    prefix = value("namespace_prefix")
    return ExistingOptions(
        kubeconfig=_path(value("kubeconfig")),
        context=value("context"),
        client_cmd=client_cmd(value("client_cmd")),
        read_only=value("read_only"),
        allow_switch=value("allow_switch"),
        image=value("tools_image"),
        **({"prefix": prefix} if prefix else {}),
    )


def _kind(value: Callable[[str], Any]) -> KindOptions:
    name = value("cluster_name")
    return KindOptions(
        name="" if name == PYTEST_KIND else name,
        image=value("kind_image") or "",
        kind_bin=_path(value("kind_bin")),
        kubectl_bin=_path(value("kind_kubectl_bin")),
        config=value("kind_config"),
        calico_version=value("calico_version"),
        calico_manifests=value("calico_manifests"),
        allow_unpinned=value("allow_unpinned"),
        tools_image=value("tools_image"),
        archives=tuple(value("image_archive")),
        kubeconfig=_path(value("kubeconfig")),
    )


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise errors.UsageError(f"{name} {text}: not a number") from error


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
