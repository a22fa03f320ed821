"""The loop: passes until nothing is left to write, and what it makes of answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.core import errors
from harness.lab import api
from harness.lab.controllers import actions, cache, loop, paths

Object = dict[str, Any]
POD: Object = {"kind": "Pod", "metadata": {"namespace": "test", "name": "app", "uid": "a", "resourceVersion": "5"}}
STATUS: Object = {"kind": "Status", "metadata": {}}
DELETE = actions.Delete(path=paths.PODS, name="app", namespace="test", uid="a")


class ScriptedApi(api.Api):
    """An API that answers as the test says, and notes what it was asked."""

    def __init__(self, answers: Mapping[str, Object | errors.ApiError]) -> None:
        super().__init__("https://127.0.0.1:1", token="", ca_file="", agent="test")
        self.answers = dict(answers)
        self.asked: list[str] = []

    def _call(
        self, method: str, path: str, params: Mapping[str, str], body: object = None, content: str = ""
    ) -> Object:
        self.asked.append(f"{method} {path}")
        answer = self.answers[f"{method} {path}"]
        if isinstance(answer, errors.ApiError):
            raise answer
        return answer


class Bench:
    """A loop over a cache without watches, settled by hand."""

    def __init__(self, answers: Mapping[str, Object | errors.ApiError]) -> None:
        self.api = ScriptedApi(answers)
        self.cache = cache.Cache(self.api, paths.WATCHED)
        self.done: bool | None = None

    def settle(self, *steps: actions.Reconciler) -> None:
        """Pass over these until they have nothing to write."""
        self.done = loop.Loop(self.api, self.cache, [("test", step) for step in steps])._settle()


def once(*wanted: actions.Action) -> actions.Reconciler:
    """A reconciler that wants these writes in its first pass only."""
    left = [list(wanted), []]

    def reconcile(view: actions.View, now: str) -> list[actions.Action]:
        return left.pop(0) if left else []

    return reconcile


def test_a_created_object_is_known_in_the_next_pass() -> None:
    """The API's answer goes into the copy."""
    bench = Bench({"POST /api/v1/namespaces/test/pods": POD})

    def reconcile(view: actions.View, now: str) -> list[actions.Action]:
        body = {"metadata": {"name": "app"}}
        return [] if view.items(paths.PODS) else [actions.Create(path=paths.PODS, namespace="test", body=body)]

    bench.settle(reconcile)
    assert bench.api.asked == ["POST /api/v1/namespaces/test/pods"]
    assert bench.done is True


def test_a_binding_is_followed_by_a_look_at_the_pod() -> None:
    """Its answer is a Status, which does not tell that the pod is bound."""
    bound = {**POD, "spec": {"nodeName": "kind-worker"}}
    path = "/api/v1/namespaces/test/pods/app"
    bench = Bench({f"POST {path}/binding": STATUS, f"GET {path}": bound})
    body = {"metadata": {"name": "app"}, "target": {"name": "kind-worker"}}
    bind = actions.Create(path=paths.PODS, name="app", namespace="test", subresource="binding", body=body)
    bench.settle(once(bind))
    assert bench.cache.get(paths.PODS, "app", "test") == bound


def test_a_deleted_object_is_forgotten() -> None:
    """A Status for an answer means that it has gone; so does 404."""
    gone = errors.ApiError(404, "NotFound", "pods app not found")
    for answer in (STATUS, gone):
        bench = Bench({"DELETE /api/v1/namespaces/test/pods/app": answer})
        bench.cache.believe(paths.PODS, POD)
        bench.settle(once(DELETE))
        assert bench.cache.get(paths.PODS, "app", "test") is None
        assert bench.done is True


def test_a_pod_that_takes_its_time_stays_known() -> None:
    """The answer to its deletion is the pod itself, on its way out."""
    going = {**POD, "metadata": {**POD["metadata"], "deletionTimestamp": "now", "resourceVersion": "6"}}
    bench = Bench({"DELETE /api/v1/namespaces/test/pods/app": going})
    bench.cache.believe(paths.PODS, POD)
    bench.settle(once(DELETE))
    assert bench.cache.get(paths.PODS, "app", "test") == going


def test_a_dependent_of_a_living_owner_is_spared() -> None:
    """The owner is read anew, and the copy learns of it."""
    owner = {"kind": "ReplicaSet", "metadata": {"namespace": "test", "name": "web", "uid": "o", "resourceVersion": "1"}}
    bench = Bench({"GET /apis/apps/v1/namespaces/test/replicasets/web": owner})
    unless = ((paths.REPLICASETS, "web", "test", "o"),)
    bench.settle(once(actions.Delete(path=paths.PODS, name="app", namespace="test", uid="a", unless=unless)))
    assert bench.api.asked == ["GET /apis/apps/v1/namespaces/test/replicasets/web"]
    assert bench.cache.get(paths.REPLICASETS, "web", "test") == owner


def test_a_dependent_of_a_lost_owner_goes() -> None:
    """An owner that is not there, or is another of the same name, saves nobody."""
    path = "GET /apis/apps/v1/namespaces/test/replicasets/web"
    namesake = {"metadata": {"namespace": "test", "name": "web", "uid": "other", "resourceVersion": "1"}}
    for answer in (errors.ApiError(404, "NotFound", ""), namesake):
        bench = Bench({path: answer, "DELETE /api/v1/namespaces/test/pods/app": STATUS})
        unless = ((paths.REPLICASETS, "web", "test", "o"),)
        bench.settle(once(actions.Delete(path=paths.PODS, name="app", namespace="test", uid="a", unless=unless)))
        assert bench.api.asked[-1] == "DELETE /api/v1/namespaces/test/pods/app"


def test_a_refused_write_is_reported_and_keeps_nobody_else() -> None:
    """The other writes of the pass are still made; the loop will come round again."""
    refused = errors.ApiError(422, "Invalid", "no")
    patch = actions.Patch(path=paths.NODES, name="kind-worker", body={})
    bench = Bench({"PATCH /api/v1/nodes/kind-worker": refused, "DELETE /api/v1/namespaces/test/pods/app": STATUS})
    bench.settle(once(patch, DELETE))
    assert len(bench.api.asked) == 2
    assert bench.done is False


def test_an_object_that_a_controller_cannot_read_keeps_nobody_else() -> None:
    """Its error is logged, and the next controller has its turn."""

    def broken(view: actions.View, now: str) -> list[actions.Action]:
        raise KeyError("spec")

    bench = Bench({"DELETE /api/v1/namespaces/test/pods/app": STATUS})
    bench.settle(broken, once(DELETE))
    assert bench.api.asked == ["DELETE /api/v1/namespaces/test/pods/app"]


def test_controllers_that_never_agree_are_stopped() -> None:
    """A bound on passes, so that a mistake does not burn a processor."""
    bench = Bench({"DELETE /api/v1/namespaces/test/pods/app": STATUS})
    bench.settle(lambda view, now: [DELETE])
    assert bench.done is False


def test_a_namespace_is_finalized_by_a_put() -> None:
    """Replace goes to the subresource."""
    answer = {"kind": "Namespace", "metadata": {"name": "test", "uid": "n", "resourceVersion": "9"}}
    bench = Bench({"PUT /api/v1/namespaces/test/finalize": answer})
    bench.settle(once(actions.Replace(path=paths.NAMESPACES, name="test", subresource="finalize", body={})))
    assert bench.cache.get(paths.NAMESPACES, "test") == answer
