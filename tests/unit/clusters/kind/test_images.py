"""The tools image: named by its contents, and put in the place of every image of ours."""

from __future__ import annotations

import ast

from harness.clusters.kind import images
from harness.kube import manifests


def test_the_tag_changes_with_every_byte() -> None:
    """An image that was built from older files is never taken for this one."""
    files = dict(images.context())
    assert images.tag(files) == images.tag(dict(reversed(files.items())))
    assert images.tag(files) != images.tag({**files, "agent.py": files["agent.py"] + b"#"})


def test_the_context_has_every_file_that_the_dockerfile_copies() -> None:
    """And the Python files are Python."""
    files = images.context()
    copied = [line.split()[1:-1] for line in files["Dockerfile"].decode().splitlines() if line.startswith("COPY")]
    assert {name for names in copied for name in names} == set(files) - {"Dockerfile"}
    for name in set(files) - {"Dockerfile"}:
        ast.parse(files[name])


def test_every_image_of_ours_is_replaced_and_yaobank_says_its_program() -> None:
    """One image serves all containers, and everything else of the objects stays as it is."""
    before = manifests.load(manifests.YAOBANK)
    after = list(images.with_tools(before, "elsewhere/tools:2"))
    found = {
        container["name"]: container
        for item in after
        if item["kind"] == "Deployment"
        for container in item["spec"]["template"]["spec"]["containers"]
    }
    assert {container["image"] for container in found.values()} == {"elsewhere/tools:2"}
    assert {name: container["command"] for name, container in found.items()} == {
        name: ["python3", f"/app/{name}.py"] for name in ("customer", "summary", "database")
    }
    assert [item["metadata"] for item in after] == [item["metadata"] for item in before]


def test_images_of_others_stay() -> None:
    """A container that somebody else's image runs is none of ours."""
    template = {"spec": {"containers": [{"name": "a", "image": "registry.example/a:1"}]}}
    item = {"kind": "Deployment", "spec": {"template": template}}
    assert list(images.with_tools([item], "tools:1")) == [item]
