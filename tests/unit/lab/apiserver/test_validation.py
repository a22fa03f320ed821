"""What the server refuses."""

from __future__ import annotations

from typing import Any

import pytest

from harness.lab.apiserver import naming, statuses
from tests.unit.lab.apiserver import cluster

Object = dict[str, Any]


def _causes(error: pytest.ExceptionInfo[statuses.Refusal]) -> list[str]:
    assert error.value.code == 422
    details = error.value.details or {}
    return [f"{cause['field']}: {cause['message']}" for cause in details["causes"]]


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ({"ports": []}, "spec.ports: Required value"),
        ({"ports": [{"port": 0, "targetPort": 1}]},
         "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"),
        ({"ports": [{"port": 1, "protocol": "tcp"}]},
         'spec.ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"'),
        ({"ports": [{"port": 1, "targetPort": "A-b"}]},
         'spec.ports[0].targetPort: Invalid value: "A-b": must contain only alpha-numeric characters (a-z, 0-9), and '
         "hyphens (-)"),
        ({"ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "a"}]}, 'spec.ports[1].name: Duplicate value: "a"'),
        ({"ports": [{"port": 1, "nodePort": 30001}]},
         "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"),
        ({"type": "Odd"}, 'spec.type: Unsupported value: "Odd": supported values: "ClusterIP", "ExternalName", '
         '"LoadBalancer", "NodePort"'),
        ({"sessionAffinity": "Yes"},
         'spec.sessionAffinity: Unsupported value: "Yes": supported values: "ClientIP", "None"'),
        ({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86401}}},
         "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less "
         "than 86400"),
        ({"internalTrafficPolicy": "Near"},
         'spec.internalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local"'),
        ({"clusterIP": "ten"},
         'spec.clusterIPs[0]: Invalid value: "ten": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'),
        ({"ipFamilies": ["IPv6"]}, 'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'),
        ({"type": "NodePort", "clusterIP": "None"},
         "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"),
    ],
)  # fmt: skip
def test_a_service_that_breaks_a_rule_is_refused(spec: Object, cause: str) -> None:
    """One rule, one cause, in the words of Kubernetes."""
    with pytest.raises(statuses.Refusal) as error:
        cluster.Cluster().service(**spec)
    assert _causes(error) == [cause]


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ({"containers": []}, "spec.containers: Required value"),
        ({"containers": [{"image": "x"}]}, "spec.containers[0].name: Required value"),
        ({"containers": [{"name": "c"}]}, "spec.containers[0].image: Required value"),
        ({"containers": [{"name": "c", "image": "x"}] * 2}, 'spec.containers[1].name: Duplicate value: "c"'),
        ({"containers": [{"name": "c", "image": "x", "ports": [{"containerPort": 70000}]}]},
         "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"),
        ({"containers": [{"name": "c", "image": "x", "imagePullPolicy": "Never mind"}]},
         'spec.containers[0].imagePullPolicy: Unsupported value: "Never mind": supported values: "Always", '
         '"IfNotPresent", "Never"'),
        ({"containers": [{"name": "c", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]},
         'spec.containers[0].volumeMounts[0].name: Not found: "v"'),
        ({"restartPolicy": "Sometimes"},
         'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'),
        ({"terminationGracePeriodSeconds": -1},
         "spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0"),
        ({"tolerations": [{"key": "k", "effect": "Odd"}]},
         'spec.tolerations[0].effect: Unsupported value: "Odd": supported values: "NoExecute", "NoSchedule", '
         '"PreferNoSchedule"'),
    ],
)  # fmt: skip
def test_a_pod_that_breaks_a_rule_is_refused(spec: Object, cause: str) -> None:
    """One rule, one cause, in the words of Kubernetes."""
    with pytest.raises(statuses.Refusal) as error:
        cluster.Cluster().pod(**spec)
    assert _causes(error) == [cause]


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        ({"replicas": -1}, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
        ({"selector": None},
         ["spec.selector: Required value",
          'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`']),
        ({"selector": {}}, ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"]),
        ({"strategy": {"type": "Odd"}},
         ['spec.strategy.type: Unsupported value: "Odd": supported values: "Recreate", "RollingUpdate"']),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 0}}},
         ["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"]),
        ({"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}},
         ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"]),
    ],
)  # fmt: skip
def test_a_deployment_that_breaks_a_rule_is_refused(spec: Object, causes: list[str]) -> None:
    """Several causes come together."""
    with pytest.raises(statuses.Refusal) as error:
        cluster.Cluster().deployment(**spec)
    assert _causes(error) == causes


def test_a_template_that_does_not_restart_is_refused() -> None:
    """Workloads keep their pods running."""
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {**cluster.SPEC, "restartPolicy": "Never"}}
    with pytest.raises(statuses.Refusal) as error:
        cluster.Cluster().deployment(template=template)
    message = 'Unsupported value: "Never": supported values: "Always"'
    assert _causes(error) == [f"spec.template.spec.restartPolicy: {message}"]


def test_a_daemon_set_cannot_stand_still() -> None:
    """Nothing down and nothing more would be no update."""
    strategy = {"rollingUpdate": {"maxUnavailable": 0}}
    with pytest.raises(statuses.Refusal, match="maxUnavailable: Required value: cannot be 0 when maxSurge is 0"):
        cluster.Cluster().create(
            "daemonsets", {"metadata": {"name": "d"}, "spec": {**cluster.workload(), "updateStrategy": strategy}}
        )


def test_what_is_immutable_stays() -> None:
    """A selector, a pod's spec, a slice's address type."""
    api = cluster.Cluster()
    api.deployment()
    labels = {"spec": {"selector": {"matchLabels": {"app": "b"}}, "template": {"metadata": {"labels": {"app": "b"}}}}}
    with pytest.raises(statuses.Refusal, match=r'spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is'):
        api.patch("deployments", "d", labels)
    api.pod()
    with pytest.raises(statuses.Refusal, match="spec: Forbidden: pod updates may not change fields other than"):
        api.patch("pods", "p", {"spec": {"hostNetwork": True}})
    api.create("endpointslices", {"metadata": {"name": "s"}, "addressType": "IPv4"})
    with pytest.raises(statuses.Refusal, match='addressType: Invalid value: "IPv6": field is immutable'):
        api.patch("endpointslices", "s", {"addressType": "IPv6"})


def test_a_config_map_that_is_immutable_stays() -> None:
    """Its data cannot change, and neither can that decision."""
    api = cluster.Cluster()
    api.create("configmaps", {"metadata": {"name": "c"}, "data": {"a": "b"}, "immutable": True})
    with pytest.raises(statuses.Refusal) as error:
        api.patch("configmaps", "c", {"data": {"a": "c"}, "immutable": None})
    detail = "Forbidden: field is immutable when `immutable` is set"
    assert _causes(error) == [f"immutable: {detail}", f"data: {detail}"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"calicoNetwork": {"linuxDataplane": "Magic"}},
         'spec.calicoNetwork.linuxDataplane: Unsupported value: "Magic": supported values: "Iptables", "BPF", "VPP", '
         '"Nftables"'),
        ({"calicoNetwork": {"ipPools": [{"encapsulation": "VXLAN"}]}},
         "spec.calicoNetwork.ipPools[0].cidr: Required value"),
    ],
)  # fmt: skip
def test_an_installation_with_an_unknown_choice_is_refused(spec: Object, message: str) -> None:
    """The enumerations of the operator's definition."""
    with pytest.raises(statuses.Refusal) as error:
        cluster.Cluster().create("installations", {"metadata": {"name": "default"}, "spec": spec}, namespace="")
    prefix = 'Installation.operator.tigera.io "default" is invalid: '
    assert cluster.refused(error) == (422, prefix + message)


@pytest.mark.parametrize(
    ("meta", "cause"),
    [
        ({"name": "A"}, f'metadata.name: Invalid value: "A": {naming.SUBDOMAIN_RULE}'),
        ({}, "metadata.name: Required value: name or generateName is required"),
        ({"name": "a", "labels": {"x/y/z": "1"}},
         'metadata.labels: Invalid value: "x/y/z": prefix part ' + naming.SUBDOMAIN_RULE),
        ({"name": "a", "finalizers": ["-"]}, None),
        ({"name": "a", "labels": {"x": "a b"}}, None),
    ],
)  # fmt: skip
def test_metadata_that_breaks_a_rule_is_refused(meta: Object, cause: str | None) -> None:
    """Names, labels and finalizers have their forms."""
    with pytest.raises(statuses.Refusal) as error:
        cluster.Cluster().create("configmaps", {"metadata": meta})
    assert cause is None or _causes(error) == [cause]
