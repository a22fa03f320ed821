"""kind's configuration: ours, and what a user may and may not add to it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.clusters.kind import config
from harness.core import errors


def rendered(tmp_path: Path, user: str | None) -> dict[str, object]:
    """The whole configuration, with a user's file."""
    file = None
    if user is not None:
        file = tmp_path / "user.yaml"
        file.write_text(user)
    found = yaml.safe_load(config.render(file))
    assert isinstance(found, dict)
    return found


def test_ours_is_what_the_job_rests_on(tmp_path: Path) -> None:
    """One control plane and two workers, no network of kind's own, iptables mode, the pool's network."""
    found = rendered(tmp_path, None)
    assert [node["role"] for node in found["nodes"]] == ["control-plane", "worker", "worker"]  # type: ignore[attr-defined]
    networking = found["networking"]
    assert isinstance(networking, dict)
    assert networking["disableDefaultCNI"] is True
    assert networking["kubeProxyMode"] == "iptables"
    assert networking["podSubnet"] == "10.244.0.0/16"


def test_our_patches_name_no_version_of_kubeadm(tmp_path: Path) -> None:
    """v1beta3 and v1beta4 clusters take the same patches, since they are of components' own configurations."""
    patches = rendered(tmp_path, None)["kubeadmConfigPatches"]
    assert isinstance(patches, list)
    kinds = {yaml.safe_load(patch)["kind"] for patch in patches}
    assert kinds == {"KubeProxyConfiguration", "KubeletConfiguration"}
    assert all("apiVersion" not in yaml.safe_load(patch) for patch in patches)


def test_a_users_patches_come_after_ours(tmp_path: Path) -> None:
    """Later patches win, so a user has the last word on the kubelet."""
    user = "kubeadmConfigPatches:\n- |\n  kind: KubeletConfiguration\n  failCgroupV1: false\n"
    patches = rendered(tmp_path, user)["kubeadmConfigPatches"]
    assert isinstance(patches, list)
    assert "failCgroupV1" in patches[-1]
    assert len(patches) == 3


def test_a_user_may_add_settings_and_nodes(tmp_path: Path) -> None:
    """Mappings are merged, and a user's nodes replace ours."""
    user = "featureGates: {A: true}\nnetworking: {apiServerPort: 6444}\nnodes: [{role: control-plane}]\n"
    found = rendered(tmp_path, user)
    assert found["featureGates"] == {"A": True}
    assert found["networking"]["apiServerPort"] == 6444  # type: ignore[index]
    assert found["networking"]["disableDefaultCNI"] is True  # type: ignore[index]
    assert found["nodes"] == [{"role": "control-plane"}]


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("networking: {disableDefaultCNI: false}", "must stay True"),
        ("networking: {podSubnet: 192.168.0.0/16}", "podSubnet"),
        ("networking: [1]", "must be a mapping"),
        ("nodes: 3", "must be a list"),
        ("kind: Pod", "not 'Cluster'"),
        ("apiVersion: kind.x-k8s.io/v1", "apiVersion"),
        ("- 1", "not a mapping"),
        ("{", "user.yaml"),
    ],
)
def test_what_contradicts_the_job_is_refused(tmp_path: Path, user: str, said: str) -> None:
    """One line names the setting."""
    with pytest.raises(errors.UsageError, match="--kind-config") as caught:
        rendered(tmp_path, user)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
