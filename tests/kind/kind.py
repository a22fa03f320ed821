"""A stand-in for ``kind``: its cluster is a lab."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import yaml

from harness.lab import lifecycle, state
from tests.kind import standing

LAB = "kind-stand-in-{pid}"


def main(argv: list[str]) -> int:
    """Do what ``kind`` would do for these arguments."""
    world = standing.here()
    world.log(["kind", *argv])
    match argv:
        case ["version"]:
            sys.stdout.write(
                "kind says nothing\n" if standing.broken("version") else "kind v0.32.0 go1.26.0 linux/amd64\n"
            )
        case ["get", "clusters"]:
            sys.stdout.write("".join(f"{name}\n" for name in world.world["clusters"]))
        case ["create", "cluster", name, kubeconfig, image, "--config", config]:
            create(world, _value(name, "--name"), _value(kubeconfig, "--kubeconfig"), _value(image, "--image"), config)
        case ["load", "image-archive", archive, "--name", name]:
            load(world, archive, name)
        case ["delete", "cluster", name, _kubeconfig]:
            delete(world, _value(name, "--name"))
        case _:
            standing.refuse("kind", argv)
    return 0


def _value(word: str, option: str) -> str:
    if not word.startswith(f"{option}="):
        standing.refuse("kind", [word])
    return word.removeprefix(f"{option}=")


def create(world: standing.State, name: str, kubeconfig: str, image: str, config: str) -> None:
    """Start a lab in the cluster's place and write its kubeconfig under kind's name for the context."""
    wanted = yaml.safe_load(Path(config).read_text())
    if wanted["networking"].get("disableDefaultCNI") is not True or len(wanted["nodes"]) != 3:
        standing.fail("ERROR: this is not the configuration that the job needs")
    if "@sha256:" not in image:
        standing.fail(f"ERROR: the node image {image} is not pinned by digest")
    # What kind has begun is there even if it fails or is interrupted now.
    world.world["clusters"][name] = {"image": image, "lab": ""}
    world.save()
    if standing.broken("create"):
        standing.fail("ERROR: failed to create cluster: could not find a log line that matches systemd")
    if standing.broken("create-interrupted"):
        os.kill(os.getppid(), 2)
        standing.fail("ERROR: interrupted", 130)
    lab = lifecycle.start(name=f"k{os.getppid()}", say=lambda _text: None, detached=True, yaobank=False).state
    world.world["clusters"][name]["lab"] = lab.name
    world.save()
    write_kubeconfig(lab, name, Path(kubeconfig))


def write_kubeconfig(lab: state.LabState, name: str, path: Path) -> None:
    """The lab's kubeconfig under the names that kind gives."""
    found = json.loads(lab.kubeconfig.read_text())
    for entry in (*found["clusters"], *found["users"], *found["contexts"]):
        entry["name"] = f"kind-{name}"
    found["contexts"][0]["context"] = {"cluster": f"kind-{name}", "user": f"kind-{name}"}
    found["current-context"] = f"kind-{name}"
    path.write_text(json.dumps(found))


def load(world: standing.State, archive: str, name: str) -> None:
    """Take an archive into the nodes."""
    if name not in world.world["clusters"] or not Path(archive).is_file():
        standing.fail(f"ERROR: no cluster {name} or no archive {archive}")
    if standing.broken("load"):
        standing.fail("ERROR: failed to load image: ctr: content digest not found")
    world.world["loaded"].append(Path(archive).name)
    world.save()


def delete(world: standing.State, name: str) -> None:
    """End the lab; a cluster that is not there is no failure, as with the real kind."""
    found = world.world["clusters"].pop(name, None)
    world.save()
    if found and found["lab"]:
        lifecycle.stop(found["lab"])
    if standing.broken("delete"):
        standing.fail("ERROR: failed to delete cluster: the engine is gone")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
