"""Create, update and patch: the rules between a request and the store.

Every function takes plain values and answers with the object as it is kept, or raises a ``Refusal``; HTTP is the
business of ``serving``. All of it runs in one thread and does not wait, so a request is one transaction.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from harness.lab.apiserver import (
    admission,
    allocation,
    configurations,
    decoding,
    defaulting,
    deleting,
    events,
    golang,
    listing,
    metadata,
    options,
    patching,
    registry,
    statuses,
    store,
    validation,
)

Object = dict[str, Any]
Change = Callable[[Object], Object]


def utc_now() -> datetime.datetime:
    """The time that objects are stamped with."""
    return datetime.datetime.now(datetime.UTC)


class Operations:
    """The API's verbs on one store."""

    def __init__(self, objects: store.Store, *, clock: Callable[[], datetime.datetime] = utc_now) -> None:
        self.store = objects
        self.clock = clock
        self.deleter = deleting.Deleter(objects, clock=clock)
        self.addresses = allocation.Allocator(objects)

    def get(self, resource: registry.Resource, namespace: str, name: str) -> Object:
        """One object.

        Raises:
            Refusal: There is none (404).
        """
        found = self.store.get(resource.storage, (namespace, name))
        if found is None:
            raise statuses.not_found(resource, name)
        return found

    def list(self, resource: registry.Resource, namespace: str, wanted: options.Listing) -> listing.Page:
        """One page of a collection."""
        return listing.page(self.store, resource, namespace, wanted)

    def create(
        self,
        resource: registry.Resource,
        namespace: str,
        given: Object,
        wanted: options.Write,
        warnings: options.Warnings,
    ) -> Object:
        """A new object, from a decoded body.

        Raises:
            Refusal: It breaks a rule, or is there already.
        """
        item = decoded(given, resource, wanted, warnings)
        _check_namespace(item, namespace)
        metadata.fill_in(item, resource, namespace, self.clock())
        return self.add(resource, namespace, item, wanted, warnings)

    def add(
        self,
        resource: registry.Resource,
        namespace: str,
        item: Object,
        wanted: options.Write,
        warnings: options.Warnings,
        *,
        applied: bool = False,
    ) -> Object:
        """Keep a new object whose metadata is made (``applied``: whose managers are settled already)."""
        name = item["metadata"].get("name", "")
        admission.check_namespace(self.store, resource, namespace, name)
        defaulting.drop_status(item, resource)
        defaulting.fill_in(item, resource)
        admission.fill_in(item, resource, self.store)
        causes = metadata.causes(item, resource) + validation.of_new(item, resource)
        # kube-apiserver allocates before it validates the rest; a refusal gives the allocation back.
        taken = self.addresses.fill_in(item, resource, causes)
        if taken or causes:
            raise statuses.invalid_object(resource, name, causes or taken)
        if self.store.get(resource.storage, (namespace, name)) is not None:
            raise statuses.already_exists(resource, name)
        if not applied:
            item = patching.tracked(None, item, resource, wanted, self.clock(), "")
        if resource.kind == "Event" and not wanted.dry_run:
            events.forget_old(self.store, self.clock())
        return item if wanted.dry_run else self.store.put(resource.storage, (namespace, name), item)

    def update(
        self,
        resource: registry.Resource,
        namespace: str,
        name: str,
        given: Object,
        wanted: options.Write,
        warnings: options.Warnings,
        subresource: str = "",
    ) -> tuple[Object, bool]:
        """Replace an object by a decoded body; returns it and whether it was made.

        Raises:
            Refusal: It breaks a rule, is not there, or was changed in between.
        """
        new = decoded(given, resource, wanted, warnings)
        _check_namespace(new, namespace)
        named = new.setdefault("metadata", {}).get("name")
        if named and named != name:
            raise statuses.bad_request(f"the name of the object ({named}) does not match the name on the URL ({name})")
        new["metadata"]["name"] = name
        if (
            resource.create_on_update
            and not subresource
            and self.store.get(resource.storage, (namespace, name)) is None
        ):
            metadata.fill_in(new, resource, namespace, self.clock())
            return self.add(resource, namespace, new, wanted, warnings), True
        if not resource.unconditional_update and not new["metadata"].get("resourceVersion"):
            self.get(resource, namespace, name)
            cause = statuses.invalid("metadata.resourceVersion", "0", "must be specified for an update")
            raise statuses.invalid_object(resource, name, [cause])
        return self.change(resource, namespace, name, lambda _: new, wanted, warnings, subresource), False

    def patch(
        self,
        resource: registry.Resource,
        namespace: str,
        name: str,
        patch: patching.Patch,
        wanted: options.Write,
        warnings: options.Warnings,
        subresource: str = "",
    ) -> tuple[Object, bool]:
        """Change an object by a patch; returns it and whether it was made (by server-side apply).

        Raises:
            Refusal: The patch does not fit, the result breaks a rule, or there is a conflict.
        """
        existing = self.store.get(resource.storage, (namespace, name))
        if patch.kind == "apply":
            return self._apply(resource, namespace, name, existing, patch, wanted, warnings, subresource)
        if existing is None:
            raise statuses.not_found(resource, name)

        def changed(old: Object) -> Object:
            raw = patch.applied_to(old, resource)
            return patching.decoded(raw, patch, resource, wanted, warnings)

        return self.change(resource, namespace, name, changed, wanted, warnings, subresource), False

    def _apply(
        self,
        resource: registry.Resource,
        namespace: str,
        name: str,
        existing: Object | None,
        patch: patching.Patch,
        wanted: options.Write,
        warnings: options.Warnings,
        subresource: str,
    ) -> tuple[Object, bool]:
        given = configurations.typed(patch.checked_for_apply(resource, namespace, name), resource)
        validation.check_encoding(given, resource)
        if not subresource and resource.subresource("status") is not None:
            # Nobody comes to own a status by applying it where it is not written.
            given.pop("status", None)
        merged = patching.applied(existing, given, resource, wanted, self.clock(), subresource)
        if existing is not None:
            change = self.change(
                resource, namespace, name, lambda _: merged, wanted, warnings, subresource, applied=True
            )
            return change, False
        managers = merged["metadata"].get("managedFields")
        metadata.fill_in(merged, resource, namespace, self.clock())
        if managers:
            merged["metadata"]["managedFields"] = managers
        return self.add(resource, namespace, merged, wanted, warnings, applied=True), True

    def change(
        self,
        resource: registry.Resource,
        namespace: str,
        name: str,
        change: Change,
        wanted: options.Write,
        warnings: options.Warnings,
        subresource: str = "",
        *,
        applied: bool = False,
    ) -> Object:
        """Change an object by a function, under every rule of an update.

        Raises:
            Refusal: It breaks a rule, is not there, or was changed in between.
        """
        old = self.get(resource, namespace, name)
        new = change(golang.plain(old))
        _check_preconditions(new, old, resource, name)
        metadata.keep_system_fields(new, old)
        _keep_other_part(new, old, resource, subresource)
        new["kind"], new["apiVersion"] = resource.kind, resource.group_version
        defaulting.fill_in(new, resource, old)
        causes = metadata.causes(new, resource) + validation.of_changed(new, old, resource, subresource)
        causes = causes or self.addresses.fill_in(new, resource, causes, old)
        if causes:
            raise statuses.invalid_object(resource, name, causes)
        _count_generation(new, old, resource)
        if not applied:
            new = patching.tracked(old, new, resource, wanted, self.clock(), subresource)
        # An update that changes nothing gets no new version, as in a real cluster; who owns what is a change too.
        if new == old:
            return old
        return self._keep(resource, (namespace, name), new, wanted)

    def _keep(self, resource: registry.Resource, key: store.Key, new: Object, wanted: options.Write) -> Object:
        if wanted.dry_run:
            return new
        if deleting.is_finished(new, resource):
            return self.store.remove(resource.storage, key, new)
        return self.store.put(resource.storage, key, new)


def decoded(given: Object, resource: registry.Resource, wanted: options.Write, warnings: options.Warnings) -> Object:
    """A body with exactly its kind's fields.

    Raises:
        Refusal: A field has the wrong type, or (Strict) is not known or there twice (400).
    """
    prefix = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
    try:
        item, findings = decoding.typed(given, resource)
    except decoding.WrongType as error:
        if resource.custom:
            raise _wrong_in_custom(given, resource, error) from error
        raise statuses.bad_request(prefix + str(error)) from error
    sentences = findings.sentences
    if sentences and wanted.validation == "Strict":
        raise statuses.bad_request(prefix + "strict decoding error: " + ", ".join(sentences))
    if wanted.validation == "Warn":
        warnings.texts += sentences
    validation.check_encoding(item, resource)
    return item


def _wrong_in_custom(given: Object, resource: registry.Resource, error: decoding.WrongType) -> statuses.Refusal:
    """Custom objects are decoded whatever they hold; their definition's schema refuses them."""
    meta = given.get("metadata")
    name = meta.get("name", "") if isinstance(meta, dict) else ""
    return statuses.invalid_object(resource, str(name), [error.cause])


def _check_namespace(item: Object, namespace: str) -> None:
    given = (item.get("metadata") or {}).get("namespace", "")
    if given and given != namespace:
        raise statuses.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def _check_preconditions(new: Object, old: Object, resource: registry.Resource, name: str) -> None:
    meta = new.setdefault("metadata", {})
    before = old["metadata"]
    uid = meta.get("uid")
    if uid and uid != before["uid"]:
        raise statuses.conflict(
            resource, name, f"Precondition failed: UID in precondition: {uid}, UID in object meta: {before['uid']}"
        )
    version = meta.get("resourceVersion")
    if version and version not in ("0", before["resourceVersion"]):
        raise statuses.conflict(resource, name)
    meta["resourceVersion"] = before["resourceVersion"]


# Writing the status of these takes labels and annotations along; for all others the metadata stays.
_STATUS_WITH_METADATA = frozenset({"Node", "Pod", "Service", "Namespace", "Installation", "TigeraStatus"})


def _keep_other_part(new: Object, old: Object, resource: registry.Resource, subresource: str) -> None:
    """A status is written only through its subresource, and nothing else is written through it."""
    has_status = resource.subresource("status") is not None
    if subresource == "status":
        for key in [key for key in {*new, *old} if key not in ("status", "metadata")]:
            _restore(new, old, key)
        if resource.kind not in _STATUS_WITH_METADATA:
            managers = new["metadata"].get("managedFields")
            new["metadata"] = golang.plain(old["metadata"]) | ({"managedFields": managers} if managers else {})
    elif has_status and subresource != "binding":
        _restore(new, old, "status")
    if resource.kind == "Namespace" and subresource != "finalize":
        _restore(new, old, "spec")


def _restore(new: Object, old: Object, key: str) -> None:
    new.pop(key, None)
    if key in old:
        new[key] = golang.plain(old[key])


def _count_generation(new: Object, old: Object, resource: registry.Resource) -> None:
    if not resource.generation:
        return
    ignored = ("metadata", "status", "kind", "apiVersion")
    changed = any(new.get(key) != old.get(key) for key in {*new, *old} if key not in ignored)
    generation = int(old["metadata"].get("generation", 1)) + (1 if changed else 0)
    new["metadata"]["generation"] = generation
    if resource.kind == "DaemonSet" and changed:
        defaulting.count_template_generation(new, old)
