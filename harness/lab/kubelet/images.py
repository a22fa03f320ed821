"""Which programs an image stands for. There is no registry: an image is a name for what the machine already has."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
_APPLICATIONS = ("customer", "summary", "database")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a pod runs, as far as its image's programs need to know.

    Attributes:
        lab: The lab's state directory.
        node: The node's name.
        bpffs: The node's folder in the lab's bpffs.
        cgroup: The node's cgroup.
    """

    lab: Path
    node: str
    bpffs: Path
    cgroup: Path


@dataclass(frozen=True, kw_only=True)
class Image:
    """What an image stands for.

    Attributes:
        entrypoint: What runs where the container names no command.
        programs: How commands of the real image begin, and what runs in their place. Their arguments are dropped:
            they name files of the real image, and the lab's programs are told everything by their environment.
        aliases: Paths inside the real image, and the names by which these programs are found here.
        environment: Variables that every container of the image has.
        path: Folders that come first in PATH.
    """

    entrypoint: tuple[str, ...]
    programs: Mapping[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    path: tuple[str, ...] = ()

    def argv(self, command: tuple[str, ...], arguments: tuple[str, ...]) -> tuple[str, ...]:
        """What runs for a container's ``command`` and ``args``: Kubernetes' rules, then this image's own programs."""
        wanted = (*command, *arguments) if command else (*self.entrypoint, *arguments)
        for beginning, instead in self.programs.items():
            if wanted[: len(beginning)] == beginning:
                return instead
        return self.named(wanted)

    def named(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """A command as it is found here: what exec, probes and hooks name by its path in the real image too."""
        return (self.aliases.get(command[0], command[0]), *command[1:]) if command else ()

    def variables(self) -> dict[str, str]:
        """The environment that a container of this image starts from."""
        folders = (*self.path, str(Path(sys.executable).parent))
        return {"PATH": ":".join((*folders, SYSTEM_PATH)), "HOME": "/root", **self.environment}


def find(name: str, place: Place) -> Image | None:
    """The image of that name, whatever its tag or digest; None if the lab does not have it."""
    return _table(place).get(repository(name))


def repository(name: str) -> str:
    """An image's name without tag and digest, and without Docker Hub's host, which is the default.

    The rules are those of the distribution project's reference grammar: a colon after the last slash starts a tag.
    """
    name = name.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    name = head + slash + tail.partition(":")[0]
    return name.removeprefix("docker.io/")


def _table(place: Place) -> dict[str, Image]:
    return {
        "registry.k8s.io/kube-proxy": _kube_proxy(place),
        "quay.io/calico/node": _calico_node(place),
        # Their work, copying binaries into a node's file system, has nothing to do here.
        "quay.io/calico/cni": Image(entrypoint=("true",), programs={("/opt/cni/bin/install",): ("true",)}),
        "quay.io/calico/pod2daemon-flexvol": Image(entrypoint=("true",)),
        **{f"sourceip/yaobank-{app}": _yaobank(app) for app in _APPLICATIONS},
        "sourceip/tools": _tools(),
    }


def _tools() -> Image:
    """As in the image for kind: it has the applications, and without a command it stays and leaves on SIGTERM."""
    return Image(
        entrypoint=("sleep", "infinity"),
        programs={("python3", f"/app/{app}.py"): _yaobank(app).entrypoint for app in _APPLICATIONS},
        path=(str(PROJECT / "harness" / "probing" / "bin"),),
    )


def _kube_proxy(place: Place) -> Image:
    run = _module("harness.lab.proxy")
    return Image(
        entrypoint=run,
        programs={("/usr/local/bin/kube-proxy",): run},
        environment=_agent_environment(place, "kube-proxy"),
    )


def _calico_node(place: Place) -> Image:
    return Image(
        entrypoint=_module("harness.lab.felix"),
        # What the init container does on a real node, mounting bpffs and cgroup2, the owner has done for all.
        programs={("calico-node", "-init"): ("true",)},
        aliases={"/bin/calico-node": "calico-node", "/usr/bin/calico-node": "calico-node"},
        environment={
            **_agent_environment(place, "calico-node"),
            "SOURCEIP_BPFFS": str(place.bpffs),
            "CALICO_CGROUP_PATH": str(place.cgroup),
        },
        path=(str(PROJECT / "harness" / "lab" / "felix" / "bin"),),
    )


def _yaobank(app: str) -> Image:
    return Image(
        entrypoint=(sys.executable, "-u", str(PROJECT / "manifests" / "yaobank" / f"{app}.py")),
        environment={"PYTHONDONTWRITEBYTECODE": "1", "MALLOC_ARENA_MAX": "1"},
    )


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", name)


def _agent_environment(place: Place, caller: str) -> dict[str, str]:
    return {
        "NODE_NAME": place.node,
        "KUBECONFIG": str(place.lab / "agents" / f"{caller}.kubeconfig"),
        "PYTHONPATH": str(PROJECT),
        "PYTHONUNBUFFERED": "1",
        "MALLOC_ARENA_MAX": "1",
    }
