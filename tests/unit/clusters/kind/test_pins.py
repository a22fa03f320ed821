"""What is pinned, and what is refused because nobody has seen it."""

from __future__ import annotations

import pytest

from harness.clusters.kind import pins
from harness.core import errors


@pytest.mark.parametrize(
    ("text", "meant"),
    [("v3.32.1", "v3.32.1"), ("3.32.1", "v3.32.1"), ("3.32", "v3.32.1"), ("3.29", "v3.29.7"), ("v3.33.1", "v3.33.1")],
)
def test_a_version_is_understood_in_each_of_its_spellings(text: str, meant: str) -> None:
    """Without a patch release the pinned one is meant."""
    assert pins.version(text).text == meant


@pytest.mark.parametrize("text", ["", "latest", "v3", "3.28.0", "3.34.0", "4.0.0", "3.32.1-rc1", "3.33"])
def test_any_other_version_is_refused(text: str) -> None:
    """What can't be installed is told before anything is made."""
    with pytest.raises(errors.UsageError, match="--calico-version"):
        pins.version(text)


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("3.29", ("tigera-operator.yaml",)),
        ("3.30", ("operator-crds.yaml", "tigera-operator.yaml")),
        ("3.31", ("operator-crds.yaml", "tigera-operator.yaml")),
        ("3.32", ("v1_crd_projectcalico_org.yaml", "tigera-operator.yaml")),
        ("3.33.1", ("v1_crd_projectcalico_org.yaml", "tigera-operator.yaml")),
    ],
)
def test_each_version_has_its_own_manifests(text: str, files: tuple[str, ...]) -> None:
    """Definitions come first, from the file that has them in that version."""
    assert pins.version(text).manifests == files


@pytest.mark.parametrize("text", ["3.29", "3.30", "3.31", "3.32"])
def test_every_file_of_a_pinned_version_has_a_checksum_and_an_address(text: str) -> None:
    """A pinned version is pinned whole."""
    version = pins.version(text)
    for file in pins.manifests(version):
        assert file.sha256 is not None
        assert len(file.sha256) == 64
        assert f"/{version.text}/manifests/{file.name}" in file.url


def test_a_version_that_nobody_has_seen_has_no_checksums() -> None:
    """It is planned all the same, and whether it may be used is for another to say."""
    assert [file.sha256 for file in pins.manifests(pins.version("v3.33.1"))] == [None, None]


@pytest.mark.parametrize(
    ("kind", "calico", "tag"),
    [
        ("v0.32.0", "3.32", "v1.36.1"),
        ("v0.33.0", "3.33.1", "v1.37.0"),
        ("v0.33.0", "3.32", "v1.36.4"),
        ("v0.33.0", "3.31", "v1.35.8"),
        ("v0.29.0", "3.31", "v1.33.1"),
    ],
)
def test_the_node_image_is_the_newest_that_calico_was_tested_with(kind: str, calico: str, tag: str) -> None:
    """It is named by digest, whatever newer images that kind release has."""
    image = pins.node_image(kind, pins.version(calico))
    assert image is not None
    assert image.startswith(f"kindest/node:{tag}@sha256:")


@pytest.mark.parametrize(("kind", "calico"), [("v0.17.0", "3.32"), ("v0.29.0", "3.33.1"), ("v0.33.0", "3.29")])
def test_without_a_fitting_image_there_is_none(kind: str, calico: str) -> None:
    """An old kind, or one whose Kubernetes this Calico was never tested with."""
    assert pins.node_image(kind, pins.version(calico)) is None


@pytest.mark.parametrize(("text", "has"), [("3.29", False), ("3.30", False), ("3.31", True), ("3.33.1", True)])
def test_the_automatic_switch_came_with_3_31(text: str, has: bool) -> None:
    """Older operators do not know its fields."""
    assert pins.version(text).has_automatic_switch is has
