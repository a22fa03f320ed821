"""What runs inside a cluster: the Job, the Sonobuoy plugin and their kubeconfig fit the command and the rights."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from harness import cli
from harness.clusters.existing import contexts
from harness.core import process
from harness.kube import manifests

FOLDER = manifests.MANIFESTS / "incluster"


def document(name: str) -> dict[str, Any]:
    """A file with one document."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / name).read_bytes())
    return found


def test_the_job_runs_by_the_account_that_the_rights_are_for() -> None:
    """It is in that account's namespace, and is never tried twice."""
    job = document("job.yaml")
    pod = job["spec"]["template"]["spec"]
    accounts = [item["metadata"] for item in manifests.load(FOLDER / "rbac.yaml") if item["kind"] == "ServiceAccount"]
    assert accounts == [{"name": pod["serviceAccountName"], "namespace": job["metadata"]["namespace"]}]
    assert (job["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")


def test_the_jobs_command_is_one_that_the_tool_takes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It gets as far as the API, which is not there; no option of it is refused."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text((FOLDER / "kubeconfig.yaml").read_text().replace("kubernetes.default.svc", "127.0.0.1:1"))
    for name, text in (("token", "t"), ("ca.crt", "")):
        place = f"/var/run/secrets/kubernetes.io/serviceaccount/{name}"
        (tmp_path / name).write_text(text)
        kubeconfig.write_text(kubeconfig.read_text().replace(place, str(tmp_path / name)))
    args = document("job.yaml")["spec"]["template"]["spec"]["containers"][0]["args"]
    code = cli.main([f"--kubeconfig={kubeconfig}" if arg.startswith("--kubeconfig") else arg for arg in args])
    assert code == 1
    assert "Unreachable: POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews" in capsys.readouterr().err


def test_the_kubeconfig_is_the_one_that_is_named() -> None:
    """The image has it at that place, and its one context by that name."""
    assert contexts.names(FOLDER / "kubeconfig.yaml") == ("in-cluster",)
    assert "COPY manifests/incluster/kubeconfig.yaml /etc/sourceip/kubeconfig" in (FOLDER / "Dockerfile").read_text()
    for words in (document("job.yaml")["spec"]["template"]["spec"]["containers"][0]["args"], plugin_words()):
        assert "--kubeconfig=/etc/sourceip/kubeconfig" in words
        assert "--context=in-cluster" in words


def plugin_words() -> list[str]:
    """The words of the plugin's script."""
    return shlex.split(document("sonobuoy-plugin.yaml")["spec"]["args"][0], comments=True)


@pytest.mark.parametrize("reported", [True, False], ids=["a report", "no report"])
def test_the_plugin_writes_results_and_then_the_done_file(tmp_path: Path, reported: bool) -> None:
    """The file that Sonobuoy waits for names JUnit results, and a run without a report is an error in them."""
    folder = tmp_path / "results"
    folder.mkdir()
    program = tmp_path / "sourceip"
    report = 'mkdir -p "$4"; echo "<testsuites/>" > "$4/junit.xml"' if reported else "exit 2"
    program.write_text(f'#!/bin/sh\nwhile [ "$1" != --report-dir ]; do shift; done\nset -- a b c "$2"\n{report}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    script = document("sonobuoy-plugin.yaml")["spec"]["args"][0].replace("/tmp/report", str(tmp_path / "report"))
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SONOBUOY_RESULTS_DIR": str(folder)}
    process.run(["/bin/sh", "-c", script], env=environment)
    assert (folder / "done").read_text() == str(folder / "junit.xml")
    found = ElementTree.parse(folder / "junit.xml")
    assert len(found.findall(".//error")) == (0 if reported else 1)
