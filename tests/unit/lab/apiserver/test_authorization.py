"""Who may do what on a lab's API server: its own programs everything, a restricted caller what RBAC objects grant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.core import errors
from harness.lab.apiserver.serving import authentication, authorization
from harness.lab.apiserver.serving.authorization import Attributes
from tests.unit.lab.apiserver import http
from tests.unit.lab.apiserver.test_serving import run

READER = authentication.User(name="system:serviceaccount:demo:reader", uid="1", groups=())
SUBJECTS = [{"kind": "ServiceAccount", "namespace": "demo", "name": "reader"}]
OBJECTS = [
    {
        "kind": "ClusterRole",
        "metadata": {"name": "all"},
        "rules": [{"apiGroups": [""], "resources": ["pods", "pods/exec"], "verbs": ["list", "get"]}],
    },
    {"kind": "ClusterRoleBinding", "metadata": {"name": "all"}, "subjects": SUBJECTS,
     "roleRef": {"kind": "ClusterRole", "name": "all"}},
    {
        "kind": "Role",
        "metadata": {"name": "one", "namespace": "demo"},
        "rules": [
            {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["mine"], "verbs": ["*"]},
            {"apiGroups": [""], "resources": ["services"], "verbs": ["patch"]},
        ],
    },
    {"kind": "RoleBinding", "metadata": {"name": "one", "namespace": "demo"}, "subjects": SUBJECTS,
     "roleRef": {"kind": "Role", "name": "one"}},
]  # fmt: skip
RULES = authorization.Rules(list(authorization.granted(OBJECTS)))


@pytest.mark.parametrize(
    ("allowed", "verb", "resource", "namespace", "name"),
    [
        (True, "list", "pods", "", ""),
        (True, "get", "pods/exec", "elsewhere", "a"),
        (False, "create", "pods/exec", "elsewhere", "a"),
        (False, "get", "pods/log", "demo", "a"),
        (True, "delete", "configmaps", "demo", "mine"),
        (False, "delete", "configmaps", "demo", "other"),
        (False, "list", "configmaps", "demo", ""),
        (False, "get", "configmaps", "elsewhere", "mine"),
    ],
)
def test_a_grant_is_for_its_verbs_names_and_namespace(
    allowed: bool, verb: str, resource: str, namespace: str, name: str
) -> None:
    """A ClusterRole holds everywhere, a Role in its namespace, and names narrow it."""
    asked = Attributes(verb=verb, group="", resource=resource, namespace=namespace, name=name)
    assert RULES.allow(READER, asked) is allowed


def test_who_is_bound_nowhere_is_not_restricted() -> None:
    """The lab's own programs."""
    admin = authentication.User(name="kubernetes-admin", uid="1", groups=("system:masters",))
    assert RULES.allow(admin, Attributes(verb="delete", group="", resource="nodes"))


def test_a_binding_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    """A restriction that can't be read must not become none."""
    path = tmp_path / "rbac.json"
    path.write_text(json.dumps([OBJECTS[1]]))
    with pytest.raises(errors.ParseError, match="not a list of RBAC objects"):
        authorization.Rules.read(path)
    assert authorization.Rules.read(tmp_path / "none").allow(READER, Attributes(verb="x", group="", resource="y"))


def test_a_refusal_is_in_kubernetes_words(tmp_path: Path) -> None:
    """Lists, names, subresources and what apply would make are refused as kube-apiserver refuses them."""
    (tmp_path / "rbac.json").write_text(json.dumps(OBJECTS))

    async def steps(client: http.Client) -> None:
        client.session.headers["Authorization"] = "Bearer restricted"
        who = 'User "system:serviceaccount:demo:reader"'
        for method, path, wanted in (
            ("GET", "/api/v1/nodes",
             f'nodes is forbidden: {who} cannot list resource "nodes" in API group "" at the cluster scope'),
            ("DELETE", "/apis/apps/v1/namespaces/demo/deployments/a",
             f'deployments.apps "a" is forbidden: {who} cannot delete resource "deployments" in API group "apps" '
             'in the namespace "demo"'),
            ("GET", "/api/v1/namespaces/demo/pods/a/log",
             f'pods "a" is forbidden: {who} cannot get resource "pods/log" in API group "" in the namespace "demo"'),
        ):  # fmt: skip
            answer = await client.call(method, path)
            assert (answer.status, answer.body["reason"], answer.body["message"]) == (403, "Forbidden", wanted)
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}}
        path = "/api/v1/namespaces/demo/services/a?fieldManager=t"
        applied = await client.call("PATCH", path, service, Content_Type="application/apply-patch+yaml")
        assert (applied.status, 'cannot create resource "services"' in applied.body["message"]) == (403, True)

    run(tmp_path, steps)


def test_a_review_says_what_the_asker_may_do(tmp_path: Path) -> None:
    """Both answers, from the same rules by which requests are refused."""
    (tmp_path / "rbac.json").write_text(json.dumps(OBJECTS))

    async def steps(client: http.Client) -> None:
        client.session.headers["Authorization"] = "Bearer restricted"
        for verb, allowed in (("list", True), ("delete", False)):
            spec = {"resourceAttributes": {"verb": verb, "resource": "pods"}}
            review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
            answer = await client.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
            assert (answer.status, answer.body["status"]) == (201, {"allowed": allowed})

    run(tmp_path, steps)
