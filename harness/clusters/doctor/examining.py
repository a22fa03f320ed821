"""The examination: what each provider needs, looked for side by side."""

from __future__ import annotations

import concurrent.futures
import os
import sys
from collections.abc import Callable
from pathlib import Path

from harness.clusters import lab
from harness.clusters.doctor import looks, needs
from harness.clusters.existing import contexts as existing
from harness.clusters.kind import engine, pins, provider
from harness.clusters.kind.options import DEFAULT_CALICO
from harness.core import errors, process, timeouts
from harness.lab import lifecycle
from harness.lab.owner import programs

_LAB_MIB, _KIND_MIB = 700, 6000
_INOTIFY = 512
_PROBE_S = timeouts.DEFAULT.tool_s
_APT = "apt-get install -y"
_GET_KIND = "install kind v0.32 or newer from kind.sigs.k8s.io, or name one by --kind-bin"

Look = Callable[[], needs.Need]


def examine() -> tuple[needs.Need, ...]:
    """Every need of every provider, in their order; nothing is changed, and what is made is gone again."""
    wanted = (*_lab(), *_kind(), *_existing())
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return tuple(pool.map(lambda look: look(), wanted))


def _need(provider_: str, what: str, look: Callable[[], str], *, remedy: str = "", optional: bool = False) -> Look:
    return lambda: needs.asked(provider_, what, look, remedy=remedy, optional=optional)


def _lab() -> tuple[Look, ...]:
    path = programs.environment()["PATH"]
    found = [
        _need("lab", name, lambda name=name, package=package: looks.program(name, f"{_APT} {package}", path))  # type: ignore[misc]
        for name, package in sorted(lifecycle.PROGRAMS.items())
    ]
    return (
        _need("lab", "Linux", looks.system),
        _need("lab", "root", looks.root),
        *found,
        _need("lab", "network namespaces", looks.network_namespaces),
        _need("lab", "cgroup v2", looks.cgroup2),
        _need("lab", "memory", lambda: looks.memory(_LAB_MIB)),
        _need("lab", "eBPF (tests marked ebpf)", bpf, remedy=f"{_APT} libbpf1", optional=True),
    )


def bpf() -> str:
    """That this kernel can run the lab's eBPF programs, found out in a network namespace of its own.

    Raises:
        CapabilityMissing: It can't, and why.
    """
    argv = ["unshare", "--net", sys.executable, "-P", "-c", lab.PROBE]
    done = process.run(argv, env=programs.environment(), timeout_s=_PROBE_S, check=False)
    said = (done.text if done.returncode == 0 else done.stderr.decode(errors="backslashreplace")).strip()
    if said or done.returncode != 0:
        raise errors.CapabilityMissing("ebpf", said.splitlines()[-1][:200] if said else f"ended with {done.returncode}")
    return "programs load and attach"


def _kind() -> tuple[Look, ...]:
    return (
        _need("kind", "Linux", looks.system),
        _need("kind", "container engine", lambda: engine.find().program),
        _need("kind", "kind", kind_program),
        _need("kind", "pinned node image", kind_image, remedy="--kind-image NAME@sha256:…", optional=True),
        _need("kind", "kernel", looks.kernel),
        _need("kind", "memory", lambda: looks.memory(_KIND_MIB)),
        _need("kind", "inotify instances", lambda: looks.inotify(_INOTIFY), optional=True),
    )


def kind_program() -> str:
    """The kind on PATH, with its version; raises CapabilityMissing without one."""
    path = looks.program("kind", _GET_KIND)
    return f"{_kind_version(path)}, {path}"


def kind_image() -> str:
    """The node image that is pinned for that kind and the default Calico; raises CapabilityMissing without one."""
    version = _kind_version(looks.program("kind", _GET_KIND))
    image = pins.node_image(version, pins.version(DEFAULT_CALICO))
    if image is None:
        raise errors.CapabilityMissing("node image", f"none is pinned for kind {version} and Calico {DEFAULT_CALICO}")
    return image.partition("@")[0]


def _kind_version(path: str) -> str:
    return provider.kind_version(process.run([path, "version"], timeout_s=30.0).text)


def _existing() -> tuple[Look, ...]:
    return (_need("existing", "kubeconfig", contexts, remedy="--kubeconfig FILE --context NAME"),)


def contexts() -> str:
    """The contexts of the user's kubeconfig, by name; raises CapabilityMissing without any."""
    path = Path(os.environ.get("KUBECONFIG", "").split(":")[0] or Path.home() / ".kube" / "config")
    try:
        names = existing.names(path)
    except errors.UsageError as error:
        raise errors.CapabilityMissing("kubeconfig", str(error)) from error
    if not names:
        raise errors.CapabilityMissing("kubeconfig", f"{path} has no context")
    return f"{path} has {', '.join(names[:5])}{', …' if len(names) > 5 else ''}; name one by --context"
