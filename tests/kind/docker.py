"""A stand-in for ``docker``: its node containers are a lab's nodes, and its client container is the lab's client."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from harness.lab import plan, state
from tests.kind import standing

NETWORK = "kind"


def main(argv: list[str]) -> int:
    """Do what ``docker`` would do for these arguments."""
    world = standing.here()
    world.log(["docker", *argv])
    if standing.broken("engine"):
        standing.fail(
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
        )
    match argv:
        case ["version", "--format", "json"]:
            sys.stdout.write(json.dumps({"Server": {"Version": "28.3.2"}}) + "\n")
        case ["image", "inspect", name]:
            inspect(
                name in world.world["images"], {"Id": name, "RepoTags": [name], "Os": "linux", "Architecture": "amd64"}
            )
        case ["build", "--tag", tag, folder]:
            build(world, tag, Path(folder))
        case ["save", "--platform", "linux/amd64", "--output", archive, image] | ["save", "--output", archive, image]:
            save(world, archive, image)
        case ["load", "--input", archive]:
            world.world["images"].append(Path(archive).read_text())
            world.save()
        case ["ps", "--all", "--filter", label, "--format", "{{.Names}}"]:
            sys.stdout.write("".join(f"{name}\n" for name in nodes(world, label)))
        case [
            "run",
            "--detach",
            "--name",
            name,
            "--label",
            _,
            "--network",
            network,
            "--entrypoint",
            "sleep",
            image,
            "infinity",
        ]:
            run(world, name, network, image)
        case ["container", "inspect", name]:
            inspect(name in world.world["containers"], described(world, name))
        case ["network", "inspect", name]:
            inspect(name == NETWORK, {"Name": name})
        case ["rm", "--force", "--volumes", name]:
            world.world["containers"].pop(name, None)
            world.save()
        case ["exec", "-i", name, *command] if command:
            enter(lab_of(world), plan.CLIENT if name in world.world["containers"] else name, command)
        case ["exec", name, *command] if command:
            enter(lab_of(world), name, command)
        case _:
            standing.refuse("docker", argv)
    return 0


def inspect(found: bool, value: dict[str, Any]) -> None:
    """Print what an ``inspect`` prints."""
    if not found:
        standing.fail("[]\nError: No such object")
    sys.stdout.write(json.dumps([value]) + "\n")


def build(world: standing.State, tag: str, folder: Path) -> None:
    """Take an image from a folder that has a Dockerfile and everything that it copies."""
    if standing.broken("build"):
        standing.fail("ERROR: failed to solve: python:3.13.5-slim-bookworm: no route to registry")
    copied = [
        line.split()[1:-1] for line in (folder / "Dockerfile").read_text().splitlines() if line.startswith("COPY")
    ]
    missing = [name for names in copied for name in names if not (folder / name).is_file()]
    if missing:
        standing.fail(f"ERROR: COPY: not found: {missing}")
    world.world["images"].append(tag)
    world.save()


def save(world: standing.State, archive: str, image: str) -> None:
    """Write an archive, which here is just the image's name."""
    if standing.broken("save") or image not in world.world["images"]:
        standing.fail(f"Error response from daemon: no such image: {image}")
    Path(archive).write_text(image)


def nodes(world: standing.State, label: str) -> list[str]:
    """The node containers of the cluster that a label names."""
    name = label.removeprefix("label=io.x-k8s.kind.cluster=")
    return list(lab_of(world).nodes) if name in world.world["clusters"] else []


def lab_of(world: standing.State) -> state.LabState:
    """The lab behind the one cluster that there is."""
    [found] = world.world["clusters"].values()
    return state.find(found["lab"], state.root_from_environment())


def run(world: standing.State, name: str, network: str, image: str) -> None:
    """Start a container; the only one that is ever started is the client's."""
    if standing.broken("run") or image not in world.world["images"] or network != NETWORK:
        standing.fail(f"docker: Error response from daemon: {image} can't be started on {network}")
    world.world["containers"][name] = {"image": image}
    world.save()


def described(world: standing.State, name: str) -> dict[str, Any]:
    """What the engine says of a container."""
    if name not in world.world["containers"]:
        return {}
    mine = (
        {}
        if standing.broken("address")
        else {NETWORK: {"IPAddress": lab_of(world).client, "Gateway": str(plan.GATEWAY)}}
    )
    return {"Name": f"/{name}", "NetworkSettings": {"Networks": mine}}


def enter(lab: state.LabState, space: str, command: list[str]) -> None:
    """Become that program in a node's or the client's network namespace."""
    if standing.broken("exec"):
        standing.fail("Error response from daemon: container is not running")
    argv = ["nsenter", f"--net=/proc/{lab.owner.pid}/root/run/netns/{space}", *command]
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
