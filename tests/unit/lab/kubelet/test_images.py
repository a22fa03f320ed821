"""What images stand for."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.lab.kubelet import images

PLACE = images.Place(
    lab=Path("/run/sourceip/x"),
    node="kind-worker",
    bpffs=Path("/run/lab/bpf/kind-worker"),
    cgroup=Path("/cg/kind-worker"),
)


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("sourceip/tools", "sourceip/tools"),
        ("sourceip/tools:dev", "sourceip/tools"),
        ("sourceip/tools@sha256:0123", "sourceip/tools"),
        ("docker.io/sourceip/tools:dev", "sourceip/tools"),
        ("registry.k8s.io/kube-proxy:v1.36.2@sha256:0123", "registry.k8s.io/kube-proxy"),
        ("localhost:5000/app", "localhost:5000/app"),
        ("localhost:5000/app:1", "localhost:5000/app"),
    ],
)
def test_repository(name: str, repository: str) -> None:
    """Tag, digest and Docker Hub's host don't matter; a registry's port does."""
    assert images.repository(name) == repository


def test_an_unknown_image_is_none() -> None:
    """There is no registry to ask."""
    assert images.find("nginx:latest", PLACE) is None


def test_agents_are_told_everything_by_their_environment() -> None:
    """kube-proxy's own path runs the lab's module without the arguments, which name files of the real image."""
    image = images.find("registry.k8s.io/kube-proxy:v1.36.2", PLACE)
    assert image is not None
    argv = image.argv(("/usr/local/bin/kube-proxy", "--config=/var/lib/kube-proxy/config.conf"), ())
    assert argv[-2:] == ("-m", "harness.lab.proxy")
    assert image.variables()["KUBECONFIG"] == "/run/sourceip/x/agents/kube-proxy.kubeconfig"
    assert image.variables()["NODE_NAME"] == "kind-worker"


def test_felix_knows_its_bpffs_and_cgroup() -> None:
    """The contract's variables, and the node's own commands first on the path."""
    image = images.find("quay.io/calico/node:v3.32.1", PLACE)
    assert image is not None
    values = image.variables()
    assert (values["SOURCEIP_BPFFS"], values["CALICO_CGROUP_PATH"]) == ("/run/lab/bpf/kind-worker", "/cg/kind-worker")
    assert values["PATH"].startswith(str(images.PROJECT / "harness" / "lab" / "felix" / "bin"))


def test_calico_node_is_found_by_its_path_too() -> None:
    """The init container has nothing to do, and exec may name the program as it is in the image."""
    image = images.find("quay.io/calico/node:v3.32.1", PLACE)
    assert image is not None
    assert image.argv(("calico-node", "-init", "-best-effort"), ()) == ("true",)
    assert image.named(("/bin/calico-node", "-felix-ready")) == ("calico-node", "-felix-ready")
    assert image.named(()) == ()


def test_a_command_replaces_the_entry_point_and_args_follow_it() -> None:
    """Kubernetes' table of command and args."""
    image = images.Image(entrypoint=("entry",))
    assert image.argv((), ()) == ("entry",)
    assert image.argv((), ("a",)) == ("entry", "a")
    assert image.argv(("c",), ()) == ("c",)
    assert image.argv(("c",), ("a",)) == ("c", "a")


@pytest.mark.parametrize("app", ["customer", "summary", "database"])
def test_yaobank_runs_the_programs_of_its_image(app: str) -> None:
    """The three names of the manifest run the three programs beside it."""
    image = images.find(f"sourceip/yaobank-{app}:1", PLACE)
    assert image is not None
    assert Path(image.entrypoint[-1]).is_file()
    assert Path(image.entrypoint[-1]).name == f"{app}.py"


@pytest.mark.parametrize("app", ["customer", "summary", "database"])
def test_the_tools_image_has_the_applications(app: str) -> None:
    """Where the one image of a kind cluster stands in for all, an application is a command of it."""
    tools, own = images.find("sourceip/tools:0123", PLACE), images.find(f"sourceip/yaobank-{app}", PLACE)
    assert tools is not None
    assert own is not None
    assert tools.argv(("python3", f"/app/{app}.py"), ()) == own.entrypoint
