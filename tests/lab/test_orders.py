"""Whatever is done to a lab in whichever order, once it has come to rest every cell passes with fresh facts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from harness.checks import scene, source_ip
from harness.clusters import run, selection
from harness.core import errors, waiting
from harness.dataplane import calico
from harness.kube import client, conditions
from harness.model import matrix, words

DEPLOYMENT = "/apis/apps/v1/namespaces/yaobank-customer/deployments/customer"
SERVICE = "/api/v1/namespaces/yaobank-customer/services/customer"
PODS = "/api/v1/namespaces/yaobank-customer/pods"
REST_S = 40.0
SAMPLES = 2
BOUNDED = settings(
    max_examples=3,
    stateful_step_count=6,
    derandomize=True,
    database=None,
    deadline=None,
    # A lab is too slow to be tried again in smaller orders; the one that failed is printed.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def wrong(checked: source_ip.Checked) -> tuple[str, ...]:
    """One sentence for each cell that does not pass."""
    return tuple(item.sentence for item in checked.verdicts if item.outcome is not words.Outcome.PASS)


class Orders(RuleBasedStateMachine):
    """Deploying, moving, switching and probing in any order."""

    current: run.Run

    def __init__(self) -> None:
        super().__init__()
        self.bpf = False
        self.policy = words.Policy.CLUSTER
        self.at_rest = False

    @property
    def api(self) -> client.Client:
        """The lab's API."""
        return self.current.place.api

    @property
    def phase(self) -> words.Phase:
        """What must be in force."""
        return words.Phase.EBPF if self.bpf else words.Phase.IPTABLES

    @initialize()
    def begin(self) -> None:
        """As a fresh lab is."""
        self.switch(words.Dataplane.IPTABLES)
        self.say_policy(words.Policy.CLUSTER)
        self.shape(replicas=1, node=None)

    @rule()
    def redeploy(self) -> None:
        """Delete yaobank's front and deploy it anew."""
        self.api.delete(DEPLOYMENT)
        scene.deploy(self.api, matrix.WALKTHROUGH, timeout_s=REST_S)
        self.say_policy(self.policy)
        self.at_rest = False

    @rule(replicas=st.integers(1, 2))
    def scale(self, replicas: int) -> None:
        """One customer or two."""
        self.shape(replicas=replicas, node=None)

    @rule(number=st.integers(0, 2))
    def move(self, number: int) -> None:
        """Customer on a node of one's choice."""
        self.shape(replicas=1, node=self.current.place.facts().nodes[number].name)

    @precondition(lambda self: not self.bpf and words.Phase.EBPF in self.current.phases)
    @rule()
    def to_bpf(self) -> None:
        """There."""
        self.switch(words.Dataplane.BPF)

    @precondition(lambda self: self.bpf)
    @rule()
    def to_iptables(self) -> None:
        """And back."""
        self.switch(words.Dataplane.IPTABLES)

    @rule(policy=st.sampled_from(words.Policy))
    def say_policy(self, policy: words.Policy) -> None:
        """Another externalTrafficPolicy for customer."""
        self.api.patch(SERVICE, {"spec": {"externalTrafficPolicy": policy.value}})
        self.policy = policy
        self.at_rest = False

    @precondition(lambda self: self.at_rest)
    @rule(row=st.sampled_from(matrix.WALKTHROUGH))
    def probe(self, row: matrix.Row) -> None:
        """One cell of the walk-through by itself, if it has a place."""
        placed = {item.cell.row for item in self.checked(matrix.WALKTHROUGH).verdicts}
        if row in placed:
            assert wrong(self.checked((row,))) == ()

    @invariant()
    def every_cell_passes(self) -> None:
        """Once it has come to rest, all cells that have a place pass, by facts that are read anew."""
        if self.at_rest:
            return
        waiting.wait_until(self.unrest, lambda found: not found, what="a lab at rest", timeout_s=REST_S, successes=2)
        assert wrong(self.checked(matrix.WALKTHROUGH)) == ()
        self.at_rest = True

    def unrest(self) -> tuple[str, ...]:
        """What is still on its way."""
        try:
            pods = self.api.items(PODS)
            rising = tuple(item["metadata"]["name"] for item in pods if not conditions.pod_is_ready(item))
            return rising or wrong(self.checked(matrix.WALKTHROUGH, hasty=True))
        except errors.HarnessError as error:
            return (str(error),)

    def checked(self, rows: tuple[matrix.Row, ...], *, hasty: bool = False) -> source_ip.Checked:
        """These rows as they are now; in haste by the application's word alone."""
        patience = dataclasses.replace(self.current.place.patience, probe_s=2.0, unanswered_s=0.5)
        everybody = self.current.place.witnesses
        seen_by = everybody[:1] if hasty else everybody
        place = dataclasses.replace(self.current.place, patience=patience, witnesses=seen_by)
        return source_ip.check(place, self.phase, place.facts(), samples=SAMPLES, rows=rows)

    def switch(self, dataplane: words.Dataplane) -> None:
        """Ask for a dataplane."""
        calico.switch(self.api, dataplane)
        self.bpf = dataplane is words.Dataplane.BPF
        self.at_rest = False

    def shape(self, *, replicas: int, node: str | None) -> None:
        """Customer's number and place, awaited as far as the API knows."""
        template = {"spec": {"nodeSelector": {"kubernetes.io/hostname": node}}}
        self.api.patch(DEPLOYMENT, {"spec": {"replicas": replicas, "template": template}}, kind=client.STRATEGIC)
        waiting.wait_until(
            lambda: self.api.get(DEPLOYMENT),
            conditions.deployment_is_available,
            what="customer available",
            timeout_s=REST_S,
        )
        self.at_rest = False


@pytest.fixture(scope="module")
def current() -> Iterator[run.Run]:
    """A lab of its own, with the walk-through's cast."""
    try:
        with run.started(selection.Options(cluster="lab", samples=SAMPLES), say=lambda _text: None) as started:
            yield started
    except errors.CapabilityMissing as error:
        pytest.skip(str(error))


def test_any_order_ends_in_rest(current: run.Run) -> None:
    """Deploy, delete, scale, move, switch, revert, change the policy, and probe in between."""

    class OnThisLab(Orders):
        """The orders on the fixture's lab."""

    OnThisLab.current = current
    run_state_machine_as_test(OnThisLab, settings=BOUNDED)


def test_a_switch_that_never_came_is_red(current: run.Run) -> None:
    """The machine's own checks see a dataplane that is not what it believes to be in force."""

    class OnThisLab(Orders):
        """The orders on the fixture's lab."""

    OnThisLab.current = current
    machine = OnThisLab()
    machine.begin()
    machine.every_cell_passes()
    machine.bpf = True
    found, who = wrong(machine.checked(matrix.ANSWERING)), current.cluster.who
    assert who is not None
    assert len(found) == len(current.place.facts().nodes)
    assert all(f"expected {who.address} client, seen" in sentence for sentence in found)
