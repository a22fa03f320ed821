"""The walk A, B, A': switched twice at most, timed apart from the verdict, and red when it should be."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Sequence

import pytest

from harness.checks import convergence, proving, walk
from harness.clusters.kind import provider
from harness.core import errors, timeouts, waiting
from harness.dataplane import evidence, proof
from harness.kube import client
from harness.model import cells, facts, records, words
from harness.oracle import predictions
from harness.probing import client as probing
from tests import builders, fake_cluster


def walking(
    api: fake_cluster.Api,
    probe: fake_cluster.Probe | None = None,
    samples: int = 2,
    phases: Sequence[words.Phase] = tuple(words.Phase),
    tell: walk.Tell = lambda _text: None,
    examine: proving.Examine | None = None,
    clock: waiting.Clock | None = None,
) -> walk.Walk:
    """A walk on a fake cluster, in a time that nobody waits for."""
    return walk.Walk(
        fake_cluster.place(api, probe),
        samples=samples,
        phases=phases,
        tell=tell,
        observe=fake_cluster.observe,
        examine=examine,
        clock=clock or fake_cluster.Clock(),
    )


def sentences(record: records.PhaseRecord) -> str:
    """All that is wrong with a phase."""
    return "\n".join(walk.failures(record, record.verdicts))


def test_the_whole_walk_is_green_on_a_right_cluster() -> None:
    """Three phases, two switches, six cells each, and nothing to complain about."""
    api = fake_cluster.Api()
    steps = walking(api)
    steps.reach(words.Phase.REVERTED)
    assert [record.phase for record in steps.done] == list(words.Phase)
    assert [sentences(record) for record in steps.done] == ["", "", ""]
    assert [len(record.verdicts) for record in steps.done] == [6, 6, 6]
    assert api.patches == ["BPF", "Iptables"]


def test_a_phase_is_run_once() -> None:
    """Asking again, or for an earlier phase, gives the record that is there."""
    api = fake_cluster.Api()
    steps = walking(api)
    last = steps.reach(words.Phase.REVERTED)
    assert steps.reach(words.Phase.REVERTED) is last
    assert steps.reach(words.Phase.IPTABLES) is steps.done[0]
    assert api.patches == ["BPF", "Iptables"]


def test_iptables_alone_switches_nothing() -> None:
    """A session that asks for the first phase only leaves the cluster as it is."""
    api = fake_cluster.Api()
    assert walking(api).reach(words.Phase.IPTABLES).passed
    assert api.patches == []


def test_a_cluster_that_is_found_in_bpf_mode_is_switched_first() -> None:
    """The first phase is iptables whatever was there, and the end is what was there."""
    api = fake_cluster.Api(declared="BPF")
    steps = walking(api)
    assert steps.reach(words.Phase.IPTABLES).switched
    steps.restore()
    assert api.patches == ["Iptables", "BPF"]


def test_a_dataplane_that_does_not_come_back_is_an_error() -> None:
    """Asking for it is not having it: the node that stays behind is named."""
    api = fake_cluster.Api()
    steps = walking(api, phases=(words.Phase.EBPF,))
    steps.reach(words.Phase.EBPF)
    api.stuck = {"kind-worker": "BPF"}
    with pytest.raises(errors.CleanupError, match="kind-worker: BPF"):
        steps.restore()
    assert api.patches == ["BPF", "Iptables"]


def test_a_walk_that_has_come_back_restores_nothing() -> None:
    """The last phase has proven it already."""
    api = fake_cluster.Api()
    steps = walking(api)
    steps.reach(words.Phase.REVERTED)
    looks = len(api.log)
    steps.restore()
    assert (api.patches, len(api.log)) == (["BPF", "Iptables"], looks)


def test_a_walk_may_be_of_one_phase_only() -> None:
    """Who asks for the eBPF phase alone gets no iptables phase before it."""
    api = fake_cluster.Api()
    steps = walking(api, phases=(words.Phase.EBPF,))
    assert steps.reach(words.Phase.EBPF).passed
    assert api.patches == ["BPF"]
    assert [record.phase for record in steps.done] == [words.Phase.EBPF]


def test_every_sample_has_a_token_of_its_own() -> None:
    """No token is ever used again, in any phase or look."""
    api = fake_cluster.Api()
    walking(api, samples=5).reach(words.Phase.REVERTED)
    tokens = fake_cluster.tokens_in(api.log)
    assert len(set(tokens)) == len(tokens) > 3 * 4 * 5


def test_convergence_is_the_first_of_the_looks_that_stayed_right() -> None:
    """The time up to the last wrong look counts, the looks that only confirm do not."""
    record = walking(fake_cluster.Api(lag=10))
    record.reach(words.Phase.IPTABLES)
    ebpf = record.reach(words.Phase.EBPF)
    assert ebpf.proven_s == ebpf.converged_s == pytest.approx(10 * 0.1)


def test_a_switch_that_never_comes_is_red_and_names_the_nodes() -> None:
    """Patience ends, the samples are taken all the same, and each wrong cell is named."""
    record = walking(fake_cluster.Api(lag=10_000)).reach(words.Phase.EBPF)
    assert not record.passed
    assert record.proven_s is None
    assert "kind-worker2: Iptables" in record.trouble
    assert "kind-control-plane:30180" in sentences(record)


def test_one_node_in_the_other_mode_is_red() -> None:
    """Two nodes of three are not a cluster: node, expected and seen are named."""
    api = fake_cluster.Api()
    steps = walking(api)
    steps.reach(words.Phase.IPTABLES)
    api.stuck["kind-worker2"] = "Iptables"
    record = steps.reach(words.Phase.EBPF)
    wrong = [verdict for verdict in record.verdicts if verdict.outcome is not words.Outcome.PASS]
    assert {entry.name for verdict in wrong if (entry := verdict.cell.entry)} == {"kind-worker2"}
    assert "expected 172.18.0.5 client, seen 10.244.110.128 entry-tunnel" in sentences(record)
    assert "kind-worker2: Iptables" in record.trouble


def test_a_kernel_that_has_it_and_does_it_wrong_is_red() -> None:
    """Proof alone is not enough: an address that is rewritten on the way fails."""
    api = fake_cluster.Api()
    api.sees["BPF"]["kind-worker", "Cluster"] = "172.18.0.9"
    record = walking(api).reach(words.Phase.EBPF)
    assert set(record.proof.values()) == {"BPF"}
    assert record.converged_s is None
    assert "172.18.0.9 unknown" in sentences(record)


def test_right_traffic_without_proof_is_red() -> None:
    """A node with both dataplanes may show the right address by luck of their order; it is still not in force."""
    api = fake_cluster.Api()

    def observe(asked: client.Client, known: facts.Facts) -> tuple[proof.InForce, ...]:
        found = fake_cluster.observe(asked, known)
        return (*found[:-1], dataclasses.replace(found[-1], iptables=found[-1].asked, bpf=found[-1].asked))

    clock = fake_cluster.Clock()
    place = fake_cluster.place(api)
    record = walk.Walk(place, samples=1, tell=lambda _text: None, observe=observe, clock=clock).reach(
        words.Phase.IPTABLES
    )
    assert not record.passed
    assert "kind-worker2: iptables has 30180, 30181, BPF has 30180, 30181" in record.trouble


def test_a_broken_chain_is_red() -> None:
    """Right addresses with HTTP 500 are no working service."""
    api = fake_cluster.Api()
    probe = fake_cluster.Probe(api)
    probe.status = 500
    record = walking(api, probe).reach(words.Phase.IPTABLES)
    assert "HTTP 500" in sentences(record)


def test_an_unanswered_path_that_answers_is_red() -> None:
    """Policy Local through a node without a backend must stay silent."""
    api = fake_cluster.Api()
    api.sees["Iptables"]["kind-worker2", "Local"] = "172.18.0.5"
    record = walking(api).reach(words.Phase.IPTABLES)
    assert "the application was reached" in sentences(record)


def test_no_verdict_is_a_failure_of_its_own() -> None:
    """A phase without cells says so instead of passing."""
    record = walking(fake_cluster.Api()).reach(words.Phase.IPTABLES)
    assert walk.failures(record, ()) == ("iptables: no cell was planned",)


def test_every_phase_is_told_before_the_next_switch() -> None:
    """Evidence is there to be taken only as long as nothing has been switched on."""
    api = fake_cluster.Api()
    api.sees["BPF"]["kind-worker", "Cluster"] = "172.18.0.9"
    seen: list[tuple[words.Phase, str, bool]] = []
    steps = walk.Walk(
        fake_cluster.place(api),
        samples=1,
        tell=lambda _text: None,
        observe=fake_cluster.observe,
        after=lambda record: seen.append((record.phase, api.declared, record.passed)),
        clock=fake_cluster.Clock(),
    )
    steps.reach(words.Phase.REVERTED)
    assert seen == [
        (words.Phase.IPTABLES, "Iptables", True),
        (words.Phase.EBPF, "BPF", False),
        (words.Phase.REVERTED, "Iptables", True),
    ]


def test_an_api_that_refuses_for_a_moment_only_delays() -> None:
    """A look at which the API was away is a wrong look, and not the end of the run."""
    api = fake_cluster.Api()
    answers = api.get
    refusals = iter([True, True, False])

    def get(path: str, params: client.Params = ()) -> client.Object:
        if path == "/api/v1/nodes" and next(refusals, False):
            raise errors.ApiError(503, "ServiceUnavailable", "one moment")
        return answers(path, params)

    api.get = get  # type: ignore[method-assign]  # the fake's own answers, after a while
    record = walking(api).reach(words.Phase.IPTABLES)
    assert record.passed
    assert record.converged_s == pytest.approx(2 * 0.1)


class Cut(fake_cluster.Probe):
    """A probe whose first dials are cut off in the middle, and which then answers again or has ended."""

    def __init__(self, api: fake_cluster.Api, *, ended: bool) -> None:
        super().__init__(api)
        self.cuts = 2
        self.ended = ended
        self.limits: list[float] = []

    @property
    def alive(self) -> bool:
        """Whether it can still be asked."""
        return not self.ended

    def dial(self, wanted: probing.Dial) -> dict[str, cells.Reply]:
        """Fail as long as it is cut off."""
        self.limits.append(wanted.timeout_s)
        if self.cuts:
            self.cuts -= 1
            raise probing.ProbeError("the exec has ended")
        return super().dial(wanted)


def test_an_agent_that_is_cut_off_by_a_switch_only_delays() -> None:
    """Its look is a wrong one; the next starts another agent."""
    api = fake_cluster.Api()
    record = walking(api, probe=Cut(api, ended=False)).reach(words.Phase.IPTABLES)
    assert record.passed
    assert record.converged_s is not None
    assert record.converged_s >= 0.1


def test_a_probe_outside_that_has_ended_ends_the_run() -> None:
    """Nobody starts it again, so that to wait would be in vain."""
    api = fake_cluster.Api()
    with pytest.raises(probing.ProbeError, match="has ended"):
        walking(api, probe=Cut(api, ended=True)).reach(words.Phase.IPTABLES)


def test_a_look_waits_as_long_as_this_cluster_needs() -> None:
    """A real bank is slower than the lab's, and a look that is too hasty for it would never be right."""
    api = fake_cluster.Api()
    probe = Cut(api, ended=False)
    probe.cuts = 0
    place = fake_cluster.place(api, probe)
    place = dataclasses.replace(place, patience=dataclasses.replace(place.patience, look_s=2.0))
    settled = convergence.settle(place, words.Phase.IPTABLES, observe=fake_cluster.observe, clock=fake_cluster.Clock())
    assert settled.trouble == ""
    assert set(probe.limits) == {2.0}
    assert provider._PATIENCE.look_s > timeouts.DEFAULT.look_s


def test_an_expectation_without_a_source_ends_the_run_before_a_sample_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A book that forgets its sources is found out while the plan is made, and never passes whatever is seen."""

    def forgetful(_cell: cells.Cell, _known: facts.Facts) -> cells.Expectation:
        return cells.Answer(sources=())

    monkeypatch.setattr(predictions, "expect", forgetful)
    api = fake_cluster.Api()
    with pytest.raises(errors.CapabilityMissing, match="an expectation without a source"):
        walking(api).reach(words.Phase.IPTABLES)
    assert api.log == []


def test_a_phase_that_was_begun_and_not_finished_stays_an_error() -> None:
    """What ends it is raised once; then the phase is in the record as an error, and is not tried again."""
    api = fake_cluster.Api()

    def lose() -> None:
        api.lost = True

    api.on_samples["Iptables"] = lose
    steps = walking(api)
    with pytest.raises(errors.ApiError):
        steps.reach(words.Phase.IPTABLES)
    api.lost = False
    assert steps.reach(words.Phase.IPTABLES) is steps.done[0]
    assert steps.done[0].outcome is words.Outcome.ERROR
    assert "begun and not finished" in sentences(steps.done[0])


def degraded(message: str, *, generation: int, reason: str) -> client.Object:
    """TigeraStatus calico, not content with an Installation of that generation."""
    condition = {"type": "Degraded", "status": "True", "observedGeneration": generation}
    return {"status": {"conditions": [{**condition, "reason": reason, "message": message}]}}


def test_what_the_operator_says_is_shown_and_decides_nothing() -> None:
    """Degraded comes and goes in every healthy switch: it is told once for each change, and the switch goes on."""
    api, heard = fake_cluster.Api(lag=4), list[str]()
    api.status = degraded("Pod x is running but not ready", generation=2, reason="PodFailure")
    steps = walking(api, tell=heard.append)
    assert steps.reach(words.Phase.EBPF).passed
    assert [line for line in heard if "TigeraStatus" in line] == [
        "TigeraStatus calico: Degraded (Pod x is running but not ready)"
    ]


def test_a_refused_switch_ends_the_wait_in_the_operators_words() -> None:
    """It cannot heal by itself, so nobody waits for the deadline; the cells are sampled and red all the same."""
    api, clock = fake_cluster.Api(lag=10**6), fake_cluster.Clock()
    steps = walking(api, clock=clock)
    steps.reach(words.Phase.IPTABLES)
    api.status = degraded("requirements are not met: x", generation=2, reason="ResourceValidationError")
    before = clock.now()
    record = steps.reach(words.Phase.EBPF)
    assert clock.now() - before < 1.0
    assert "can no longer happen" in record.trouble
    assert "TigeraStatus calico: Degraded (requirements are not met: x)" in record.trouble
    assert not record.passed


def test_a_refusal_of_an_earlier_installation_ends_nothing() -> None:
    """The operator has not looked at the new one yet."""
    api = fake_cluster.Api(lag=4)
    api.status = degraded("requirements are not met: x", generation=1, reason="ResourceValidationError")
    assert walking(api).reach(words.Phase.EBPF).passed


def test_agents_that_are_still_being_replaced_are_awaited_before_anything_is_sampled() -> None:
    """Connections are right long before the rolling update ends; evidence that is asked in between finds no agent."""
    api, clock, heard = fake_cluster.Api(), fake_cluster.Clock(), list[str]()
    first, second, _ = builders.NODES
    new = [fake_cluster.agent(node, revision="2") for node in builders.NODES]
    api.agents = [
        [fake_cluster.agent(first), fake_cluster.agent(second)],
        [fake_cluster.agent(first, revision="2", ready=False), *new[1:]],
        [fake_cluster.agent(first), *new[1:]],
        new,
    ]
    before = clock.now()
    record = walking(api, tell=heard.append, clock=clock, examine=Examined(api)).reach(words.Phase.EBPF)
    assert record.passed
    assert api.agents == [new]
    assert clock.now() - before >= 3 * 0.2
    [told] = [text for text in heard if "rolling update" in text]
    assert "not ready on kind-worker2" in told


def test_a_rolling_update_that_never_ends_is_told_and_the_evidence_decides() -> None:
    """The wait has a deadline, and its end is no verdict."""
    api, heard = fake_cluster.Api(), list[str]()
    api.agents = [[fake_cluster.agent(node, ready=False) for node in builders.NODES]]
    assert walking(api, tell=heard.append, examine=Examined(api)).reach(words.Phase.EBPF).passed
    assert any("every calico-node of one revision and ready: not within 5 s" in text for text in heard)


def test_the_evidence_of_a_phase_is_its_proof() -> None:
    """Collected before and after the samples, told as a table, and kept node by node in the record."""
    api, heard = fake_cluster.Api(), list[str]()
    record = walking(api, tell=heard.append, examine=Examined(api)).reach(words.Phase.EBPF)
    assert record.passed
    assert {node: text.partition(":")[0] for node, text in record.proof.items()} == dict.fromkeys(record.proof, "BPF")
    assert all("NAT map 30180, 30181" in text for text in record.proof.values())
    [table] = [text for text in heard if text.startswith("ebpf: by evidence\n")]
    assert table.count("BPF") == 3


def test_evidence_that_contradicts_makes_a_phase_red() -> None:
    """Every address is right and the fast look content, but no packet has met the rules of one node."""
    api = fake_cluster.Api()
    examined = Examined(api, still="kind-worker2")
    record = walking(api, examine=examined).reach(words.Phase.IPTABLES)
    assert not record.passed
    assert "kind-worker2: undecided (rules that no packet met" in record.trouble
    assert "kind-worker:" not in record.trouble


def test_only_what_a_client_outside_dialled_must_have_moved() -> None:
    """Each node's NodePorts of the walk-through, and none of a verdict without samples."""
    verdicts = walking(fake_cluster.Api()).reach(words.Phase.IPTABLES).verdicts
    ports = frozenset({30180, 30181})
    assert proving.dialled(verdicts) == {node.name: ports for node in builders.NODES}
    assert proving.dialled([dataclasses.replace(item, samples=()) for item in verdicts]) == {}


class Examined:
    """Evidence that fits what the fake cluster has in force; the counters of one node may stand still."""

    def __init__(self, api: fake_cluster.Api, *, still: str = "") -> None:
        self._api = api
        self._still = still
        self._looks = 0

    def __call__(
        self, api: client.Client, known: facts.Facts, *, only: Container[str] = evidence.QUESTIONS
    ) -> tuple[evidence.Evidence, ...]:
        """A node each."""
        assert api is self._api
        assert "rules" in only
        self._looks += 1
        return tuple(self._of(node.name, proof.asked_ports(known)) for node in known.nodes)

    def _of(self, node: str, ports: frozenset[int]) -> evidence.Evidence:
        bpf = self._api.mode(node) == "BPF"
        count = 0 if node == self._still else self._looks
        return evidence.Evidence(
            node=node,
            asked=ports,
            packets={} if bpf else dict.fromkeys(ports, count),
            service_chains=frozenset(),
            bpf=ports if bpf else frozenset(),
            programs={"eth0": frozenset({"v4Ready"})} if bpf else {},
        )
