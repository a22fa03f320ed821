"""A kind cluster for one run: made, filled with Calico, handed out, and deleted whatever happened.

pytest-kind's ``KindCluster`` starts and deletes it, but never with its defaults: it would make one node without
Calico, reuse any cluster of that name, and download an old kind without a checksum.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.clusters import cluster
from harness.clusters.kind import calico, config, engine, fetching, images, outside, pins
from harness.clusters.kind.options import KindOptions
from harness.core import cleanup, errors, process, timeouts
from harness.kube import client, shaping
from harness.model import facts, words
from harness.probing import runners

log = logging.getLogger("harness.kind")

Say = Callable[[str], None]
_LIST_S = timeouts.DEFAULT.tool_s
_LOAD_S = timeouts.DEFAULT.image_s
# The bank asks a DNS of its cluster that is slow at first, and shares the machine with all of Kubernetes.
_PATIENCE = replace(timeouts.DEFAULT, rollout_s=600.0, switch_s=600.0, cluster_s=900.0, unanswered_s=2.0, look_s=2.0)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """All that is decided before anything is made."""

    options: KindOptions
    name: str
    kind: Path
    kind_version: str
    engine: engine.Engine
    calico: pins.Version
    image: str
    files: tuple[tuple[str, bytes], ...]
    config: str


@contextlib.contextmanager
def running(options: KindOptions, *, say: Say, patience: timeouts.Timeouts = _PATIENCE) -> Iterator[cluster.Cluster]:
    """A kind cluster with Calico, up until the block ends; with ``keep`` it stays.

    Raises:
        CapabilityMissing: This machine lacks an engine, kind, or something that can't be downloaded.
        UsageError: An option asks for what can't be.
        HarnessError: A step failed; everything that was made by then is removed.
    """
    started = time.monotonic()
    with cleanup.CleanupStack() as undo:
        plan = _planned(options)
        say(f"kind {plan.kind_version} by {plan.engine.program}, node image {plan.image}, Calico {plan.calico.text}")
        found = _made(plan, undo, say, patience)
        yield replace(found, up_s=round(time.monotonic() - started, 3))


def _planned(options: KindOptions) -> _Plan:
    found = engine.find()
    kind = kind_program(options)
    version = kind_version(process.run([str(kind), "version"], timeout_s=_LIST_S).text)
    wanted = pins.version(options.calico_version)
    image = options.image or pins.node_image(version, wanted)
    if image is None:
        raise errors.UsageError(
            f"kind {version}: no node image is pinned that Calico {wanted.text} was tested with; --kind-image names one"
        )
    return _Plan(
        options=options,
        name=options.name or f"sourceip-{os.getpid()}-{secrets.token_hex(2)}",
        kind=kind,
        kind_version=version,
        engine=found,
        calico=wanted,
        image=image,
        files=tuple(_manifests(options, wanted)),
        config=config.render(options.config),
    )


def kind_program(options: KindOptions) -> Path:
    """The kind that is used; raises CapabilityMissing if there is none."""
    chosen = options.kind_bin or shutil.which("kind")
    if chosen is None:
        raise errors.CapabilityMissing(
            "kind", "no such program on PATH", "install kind v0.32 or newer, or name it by --kind-bin"
        )
    return Path(chosen)


def kind_version(said: str) -> str:
    """The version in what ``kind version`` prints, such as ``v0.32.0``. Pure; raises ParseError."""
    for word in said.split():
        if word.startswith("v") and word[1:2].isdigit():
            return word
    raise errors.ParseError(f"kind version: {said.strip()!r} names no version")


def _manifests(options: KindOptions, wanted: pins.Version) -> Iterator[tuple[str, bytes]]:
    for pinned in pins.manifests(wanted):
        data, checksum = fetching.manifest(
            pinned,
            version=wanted.text,
            local=options.calico_manifests,
            allow_unpinned=options.allow_unpinned,
        )
        log.info("%s of %s: sha256 %s%s", pinned.name, wanted.text, checksum, "" if pinned.sha256 else " (unpinned)")
        yield pinned.name, data


def _made(plan: _Plan, undo: cleanup.CleanupStack, say: Say, patience: timeouts.Timeouts) -> cluster.Cluster:
    folder = Path(tempfile.mkdtemp(prefix=f"{plan.name}-"))
    undo.push("the run's own files", lambda: shutil.rmtree(folder))
    if plan.options.keep:
        undo.push("what stays", lambda: say(kept(plan.name, plan.engine.program)))
    undo.push("kind's variables", _with_variables(engine.environment(plan.engine)))
    kubeconfig = _created(plan, folder, undo, say)
    api = client.connect(kubeconfig, f"kind-{plan.name}")
    undo.push("the API client", api.close)
    tools = _loaded(plan, folder, say)
    outside.close_network(plan.engine, outside.node_names(plan.engine, plan.name))
    calico.install(api, plan.files, timeout_s=patience.cluster_s, say=say)
    place = outside.client_container(plan.engine, f"{plan.name}-client", tools, _keeping(plan, undo))
    return replace(_cluster(plan, kubeconfig, tools, place), patience=patience)


def kept(name: str, program: str) -> str:
    """How to reach and to remove a cluster that stays. Pure."""
    return (
        f"kept: kind export kubeconfig --name {name}; "
        f"remove: kind delete cluster --name {name}, {program} rm --force {name}-client"
    )


def _with_variables(wanted: dict[str, str]) -> Callable[[], None]:
    # pytest-kind starts kind with this process's own environment, so what kind must be told goes there for the run.
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)

    def restore() -> None:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    return restore


def _created(plan: _Plan, folder: Path, undo: cleanup.CleanupStack, say: Say) -> Path:
    from pytest_kind import KindCluster

    existing = process.run([str(plan.kind), "get", "clusters"], timeout_s=_LIST_S).text.split()
    if plan.name in existing:
        raise errors.UsageError(f"a kind cluster {plan.name} is there already, and this run did not make it")
    file = folder / "kind.yaml"
    file.write_text(plan.config)
    kubeconfig = plan.options.kubeconfig or folder / "kubeconfig"
    made = KindCluster(
        plan.name, kubeconfig, image=plan.image, kind_path=plan.kind, kubectl_path=plan.options.kubectl_bin
    )
    undo.push("pytest-kind's folder", lambda: _forget_folder(made.path))
    keep = _keeping(plan, undo)
    keep(f"kind cluster {plan.name}", lambda: _translated(made.delete))
    say(f"creating kind cluster {plan.name}")
    _translated(lambda: made.create(config_file=file))
    return kubeconfig


def _keeping(plan: _Plan, undo: cleanup.CleanupStack) -> Callable[[str, Callable[[], object]], None]:
    """How to register what is removed at the end unless the user keeps the cluster."""

    def push(label: str, step: Callable[[], object]) -> None:
        if not plan.options.keep:
            undo.push(label, step)

    return push


def _translated(step: Callable[[], Any]) -> None:
    """Run a step of pytest-kind, whose failures are those of ``subprocess``."""
    try:
        step()
    except subprocess.CalledProcessError as error:
        raise errors.CommandError(list(map(str, error.cmd)), error.returncode, "", str(error.stderr or "")) from error


def _forget_folder(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):
        # It is removed only if no other cluster has a folder in it.
        path.parent.rmdir()


def _loaded(plan: _Plan, folder: Path, say: Say) -> str:
    tools = images.ensure(plan.engine, plan.options.tools_image, plan.options.archives)
    archive = folder / "tools.tar"
    plan.engine.save(tools, archive)
    for path in (*plan.options.archives, archive):
        say(f"loading {path.name}")
        process.run([str(plan.kind), "load", "image-archive", str(path), "--name", plan.name], timeout_s=_LOAD_S)
    archive.unlink()
    return tools


def _gateway(place: outside.Place) -> dict[str, Any]:
    """The machine itself as a client, where it has the address that its packets to the nodes would show."""
    if not outside.is_ours(place.gateway):
        # Docker Desktop and rootless engines keep the nodes' network in a machine or a namespace of their own.
        return {}
    return {
        "gateway": ipaddress.ip_address(place.gateway),
        "gateway_runner": runners.Runner(prefix=(), python=sys.executable),
    }


def _cluster(plan: _Plan, kubeconfig: Path, tools: str, place: outside.Place) -> cluster.Cluster:
    return cluster.Cluster(
        provider="kind",
        description=f"Calico {plan.calico.text} on kind {plan.kind_version}, node image {plan.image}",
        kubeconfig=kubeconfig,
        context=f"kind-{plan.name}",
        shape=shaping.Shape(image=tools),
        runner=runners.Runner(prefix=(plan.engine.program, "exec", "-i", place.container)),
        who=facts.Client(kind=words.ClientKind.EXTERNAL, address=ipaddress.ip_address(place.address)),
        **_gateway(place),
        disposable=not plan.options.keep,
    )
