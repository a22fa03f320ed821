"""Rules of the small kinds, and of the custom kinds as far as the lab acts on them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any

from harness.lab.apiserver import golang
from harness.lab.apiserver.statuses import Cause, forbidden_field, invalid, required, unsupported

Object = dict[str, Any]

_KEY = re.compile(r"^[-._a-zA-Z0-9]+$")
_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


def data(item: Object) -> list[Cause]:
    """The keys of a ConfigMap or Secret are file names, and its binary values are base64."""
    causes = []
    for field in ("data", "binaryData"):
        for key in sorted(item.get(field) or {}):
            if not _KEY.match(key) or key in (".", ".."):
                causes.append(invalid(f"{field}[{key}]", golang.quoted(key), _KEY_RULE))
    return causes


def undecodable(item: Object, kind: str) -> str:
    """What Go's decoder says of the first value that is not base64; empty when all are."""
    field = "data" if kind == "Secret" else "binaryData"
    for value in (item.get(field) or {}).values():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            good = re.match(r"[A-Za-z0-9+/]*", value)
            return f"illegal base64 data at input byte {good.end() if good else 0}"
    return ""


def changed_data(new: Object, old: Object) -> list[Cause]:
    """What was declared immutable stays."""
    causes = []
    if old.get("immutable"):
        if not new.get("immutable"):
            causes.append(forbidden_field("immutable", "field is immutable when `immutable` is set"))
        for field in ("data", "binaryData"):
            if new.get(field) != old.get(field):
                causes.append(forbidden_field(field, "field is immutable when `immutable` is set"))
    if new.get("type") != old.get("type"):
        causes.append(invalid("type", golang.quoted(new.get("type", "")), "field is immutable"))
    return causes


_ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")


def endpoint_slice(item: Object) -> list[Cause]:
    """An EndpointSlice has a type of address, and addresses in each endpoint."""
    kind = item.get("addressType", "")
    causes = [] if kind in _ADDRESS_TYPES else (
        [unsupported("addressType", kind, _ADDRESS_TYPES)] if kind else [required("addressType")]
    )  # fmt: skip
    for number, endpoint in enumerate(item.get("endpoints") or []):
        if not endpoint.get("addresses"):
            causes.append(required(f"endpoints[{number}].addresses", "must contain at least 1 address"))
    return causes


def changed_endpoint_slice(new: Object, old: Object) -> list[Cause]:
    """Its type of address stays."""
    if new.get("addressType") == old.get("addressType"):
        return []
    return [invalid("addressType", golang.quoted(new.get("addressType", "")), "field is immutable")]


_ON_OFF = ("Enabled", "Disabled")
_NETWORK: dict[str, Sequence[str]] = {
    "linuxDataplane": ("Iptables", "BPF", "VPP", "Nftables"),
    "windowsDataplane": ("HNS", "Disabled"),
    "bgp": _ON_OFF,
    "hostPorts": _ON_OFF,
    "bpfNetworkBootstrap": ("Disabled", "Enabled"),
    "kubeProxyManagement": ("Disabled", "Enabled"),
    "multiInterfaceMode": ("None", "Multus"),
    "containerIPForwarding": _ON_OFF,
}
_POOL: dict[str, Sequence[str]] = {
    "encapsulation": ("IPIPCrossSubnet", "IPIP", "VXLAN", "VXLANCrossSubnet", "None"),
    "natOutgoing": _ON_OFF,
}
_SPEC: dict[str, Sequence[str]] = {"variant": ("Calico", "TigeraSecureEnterprise", "CalicoEnterprise")}


def installation(item: Object) -> list[Cause]:
    """The choices of an Installation (the enumerations of the operator's CustomResourceDefinition)."""
    spec = item.get("spec") or {}
    network = spec.get("calicoNetwork") or {}
    causes = _choices(spec, _SPEC, "spec") + _choices(network, _NETWORK, "spec.calicoNetwork")
    for number, pool in enumerate(network.get("ipPools") or []):
        field = f"spec.calicoNetwork.ipPools[{number}]"
        causes += _choices(pool, _POOL, field)
        causes += [] if pool.get("cidr") else [required(f"{field}.cidr")]
    return causes


_FELIX: dict[str, Sequence[str]] = {
    "bpfConnectTimeLoadBalancing": ("TCP", "Enabled", "Disabled"),
    "bpfHostNetworkedNATWithoutCTLB": _ON_OFF,
    "nftablesMode": ("Disabled", "Enabled", "Auto"),
    "floatingIPs": _ON_OFF,
}
_SERVICE_MODE = "^(?i)(Tunnel|DSR)?$"


def felix_configuration(item: Object) -> list[Cause]:
    """The choices of a FelixConfiguration that the lab's felix follows."""
    spec = item.get("spec") or {}
    causes = _choices(spec, _FELIX, "spec")
    mode = spec.get("bpfExternalServiceMode")
    if mode is not None and mode.lower() not in ("", "tunnel", "dsr"):
        field = "spec.bpfExternalServiceMode"
        causes.append(invalid(field, golang.quoted(mode), f"{field} in body should match '{_SERVICE_MODE}'"))
    return causes


def _choices(spec: Object, table: dict[str, Sequence[str]], field: str) -> list[Cause]:
    return [
        unsupported(f"{field}.{key}", str(spec[key]), allowed)
        for key, allowed in table.items()
        if key in spec and spec[key] not in allowed
    ]
