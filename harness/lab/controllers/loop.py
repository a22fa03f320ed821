"""The loop that runs all controllers: observe, reconcile, write, and again until nothing is left to do.

One thread acts, so no controller sees another's half-done work. It wakes at every change of the watched collections;
there is no polling but one look every few seconds for what only time changes, such as a deadline.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Sequence

from harness.core import errors
from harness.lab import api
from harness.lab.controllers import actions, cache, paths

log = logging.getLogger("harness.lab.controllers")

_LOOK_S = 5.0
_RETRY_S = 0.1
_PASSES = 50


class Loop:
    """Runs reconcilers over one cache until it is stopped."""

    def __init__(
        self, client: api.Api, view: cache.Cache, reconcilers: Sequence[tuple[str, actions.Reconciler]]
    ) -> None:
        self._client = client
        self._view = view
        self._reconcilers = tuple(reconcilers)
        self._stopping = False

    def stop(self) -> None:
        """End ``run`` soon; for a signal handler."""
        self._stopping = True
        self._view.stop()

    def run(self) -> None:
        """Reconcile at every change until stopped."""
        self._view.start()
        patience = retry = _RETRY_S
        while not self._stopping:
            self._view.wait(patience)
            # Acting on collections that were never listed would delete what is merely not seen yet.
            if not self._view.synced:
                continue
            if self._settle():
                patience, retry = _LOOK_S, _RETRY_S
            else:
                # A write that is refused again and again is tried ever less often.
                patience, retry = retry, min(2 * retry, _LOOK_S)

    def _settle(self) -> bool:
        """Pass over all controllers until none has anything to write; False if a write was refused."""
        for _ in range(_PASSES):
            outcomes = [done for what, step in self._reconcilers for done in self._pass(what, step)]
            if not outcomes or self._stopping:
                return True
            if not all(outcomes):
                return False
        log.warning("controllers still disagree after %d passes", _PASSES)
        return False

    def _pass(self, what: str, step: actions.Reconciler) -> list[bool]:
        try:
            wanted = step(self._view, now())
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            # An object that a controller can't read must not keep the other controllers from their work.
            log.exception("%s", what)
            return []
        return [self._perform(what, action) for action in wanted]

    def _perform(self, what: str, action: actions.Action) -> bool:
        try:
            if isinstance(action, actions.Delete) and self._owned(action):
                return True
            self._note(action, actions.perform(self._client, action))
        except errors.ApiError as error:
            if error.code == 404 and isinstance(action, actions.Delete):
                self._view.forget(action.path, action.name, action.namespace, action.uid)
                return True
            log.warning("%s: %s: %s", what, _words(action), error)
            return False
        log.info("%s: %s", what, _words(action))
        return True

    def _owned(self, action: actions.Delete) -> bool:
        return any(self._exists(*owner) for owner in action.unless)

    def _exists(self, path: str, name: str, namespace: str, uid: str) -> bool:
        try:
            found = self._client.get(paths.single(path, name, namespace))
        except errors.ApiError as error:
            if error.code == 404:
                return False
            raise
        self._view.believe(path, found)
        return bool(found["metadata"].get("uid") == uid)

    def _note(self, action: actions.Action, answer: actions.Object) -> None:
        if "uid" in answer.get("metadata", {}) and answer.get("kind") != "Status":
            self._view.believe(action.path, answer)
        elif isinstance(action, actions.Delete):
            self._view.forget(action.path, action.name, action.namespace, action.uid)
        elif isinstance(action, actions.Create) and action.subresource == "binding":
            self._refresh(action)

    def _refresh(self, action: actions.Create) -> None:
        # A binding is answered by a Status; without a look the next pass would bind the pod again.
        pod = self._client.get(paths.single(action.path, action.name, action.namespace))
        self._view.believe(action.path, pod)


def now() -> str:
    """The time as the API writes it: UTC, whole seconds."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _words(action: actions.Action) -> str:
    name = action.name
    if isinstance(action, actions.Create) and not name:
        name = action.body["metadata"].get("generateName") or action.body["metadata"].get("name", "")
    return f"{type(action).__name__} {paths.single(action.path, name, action.namespace)}"
