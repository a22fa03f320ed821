"""The whole look: read everything side by side, then decide."""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from harness.checks import scene, walk
from harness.checks.environment import addresses, nodes, path, reading, way
from harness.checks.environment.seen import Proxies, Seen
from harness.core import errors
from harness.kube import client, inventory
from harness.model import records

_VARIABLES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})
_BANK = ("yaobank-customer", "yaobank-summary")
UNREAD = "the environment could not be looked at"


def look(place: scene.Scene, *, tell: Callable[[str], None]) -> tuple[records.Environment, ...]:
    """Everything that was found, each of it told; what can't be looked at is a finding and not an error."""
    try:
        found = findings(read(place))
    except errors.HarnessError as error:
        found = (records.Environment(cause=UNREAD, where="the cluster", text=" ".join(str(error).split())),)
    for finding in found:
        tell(finding.sentence)
    return found


def findings(seen: Seen) -> tuple[records.Environment, ...]:
    """What blocks first. Pure."""
    found = [*path.findings(seen), *addresses.findings(seen), *nodes.findings(seen)]
    return tuple(sorted(found, key=lambda finding: not finding.blocking))


def read(place: scene.Scene, environment: Mapping[str, str] = os.environ) -> Seen:
    """Ask the API, the nodes and the client's way.

    Raises:
        ApiError: The API refused.
        ParseError: What it said has no meaning.
        ProbeError: The probe failed.
    """
    api = place.api
    with concurrent.futures.ThreadPoolExecutor() as pool:
        objects = pool.submit(api.items, "/api/v1/nodes")
        addressing = pool.submit(reading.addressing, api)
        installation = pool.submit(api.get, inventory.INSTALLATION)
        own = [api.shape.namespace(name) for name in _BANK]
        bank = [pool.submit(api.items, f"/api/v1/namespaces/{namespace}/pods") for namespace in own]
        known = place.facts()
        pods = reading.agents(api, known)
        said = reading.ask(api, pods)
        ways = way.look(place, known, pods, said)
    reached = (urlsplit(api.url("")).hostname or "", *(str(node.address) for node in known.places))
    return Seen(
        client=place.who,
        gateway=place.gateway,
        declared=walk.declared(installation.result()),
        nodes=reading.nodes(known, objects.result(), pods, said),
        ways=ways,
        addressing=addressing.result(),
        proxies=(
            proxies("this machine", environment, reached),
            *(of_pod(pod) for pods_ in bank for pod in pods_.result()),
        ),
    )


def proxies(where: str, environment: Mapping[str, str], targets: tuple[str, ...]) -> Proxies:
    """The variables of an environment that choose a proxy. Pure."""
    chosen = {name.lower(): value for name, value in environment.items() if name.lower() in _VARIABLES}
    return Proxies(where=where, variables=chosen, targets=targets)


def of_pod(pod: client.Object) -> Proxies:
    """The same of a pod's containers; a bank's pod reaches the next one by its Service's name. Pure."""
    variables = {
        item["name"]: str(item.get("value", ""))
        for container in pod["spec"].get("containers") or ()
        for item in container.get("env") or ()
    }
    targets = tuple(variables[name] for name in ("SUMMARY_URL", "DB_URL") if variables.get(name))
    return proxies(f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']}", variables, targets)
