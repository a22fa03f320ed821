"""The last screen alone is enough: what failed, where, expected, seen, who rewrote it, and what to look at next."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from harness.model import cells, records, words
from harness.report import findings, folding, screen, style
from tests import builders, sample_runs


def shown(record: records.RunRecord, folder: str = "DIR") -> str:
    """The screen as text."""
    return "\n".join(screen.lines(record, folder, colour=False))


def wrong_source(phase: words.Phase = words.Phase.EBPF) -> records.RunRecord:
    """A run in which one cell shows its entry node, masqueraded by a rule that left a trace."""
    answered = builders.answered("the-token", builders.cell(phase=phase), saw="172.18.0.2")
    wire = dataclasses.replace(answered.accounts[0], witness=words.Witness.WIRE)
    verdict = dataclasses.replace(
        builders.verdict(builders.cell(phase=phase), outcome=words.Outcome.FAIL, samples=()),
        samples=(dataclasses.replace(answered, accounts=(*answered.accounts, wire)),),
        seen={"172.18.0.2 entry-node": 20},
        right=0,
        total=20,
        watching=frozenset(words.Witness),
        witnessed={words.Witness.APPLICATION: 20, words.Witness.WIRE: 20},
        rewrites=(REWRITE,),
    )
    return builders.run_record(builders.phase_record(phase, verdicts=(verdict,)))


REWRITE = cells.Rewrite(
    node="kind-control-plane",
    field="source",
    before="172.18.0.5",
    after="172.18.0.2",
    by="nat KUBE-POSTROUTING rule 3 MASQUERADE",
    samples=20,
)


@pytest.mark.parametrize(
    "part",
    [
        "1. FAIL ebpf: external/without/NodePort-Cluster, HTTP: 0 of 20, seen 172.18.0.2 entry-node",
        "where      external 172.18.0.5 -> kind-control-plane:30180 -> yaobank-customer/customer-1 on",
        "expected   172.18.0.5 client   (recorded: only the destination is translated)",
        "seen       172.18.0.2 entry-node",
        "rewritten  kind-control-plane: source 172.18.0.5 -> 172.18.0.2 by nat KUBE-POSTROUTING rule 3",
        "witnesses  application and wire agree",
        "look next  out/evidence/ebpf/nodes/kind-control-plane/iptables-save.txt",
        "grep the-token out/run.json",
        "sourceip plan --dataplane BPF --cell external/without/NodePort-Cluster/HTTP/pod",
        "FAIL: 0 of 1 cells, 0 of 20 samples, 1 phase(s)",
    ],
)
def test_a_wrong_source_is_told_in_full(part: str) -> None:
    """Each of the questions of somebody who has never seen the tool has its line."""
    assert part in shown(wrong_source(), "out")


def test_the_rules_or_the_map_are_named_by_what_made_the_rewrite() -> None:
    """A program leads to the map's dump; a rule in eBPF mode, which is the surprise, to the rules'."""
    record = wrong_source()
    [verdict] = record.phases[0].verdicts
    program = dataclasses.replace(REWRITE, by="program from_wire on eth0")
    by_program = dataclasses.replace(verdict, rewrites=(program,))
    group = folding.Group(phase=words.Phase.EBPF, verdicts=(by_program,))
    assert findings.look_next(group, "out")[0] == "out/evidence/ebpf/nodes/kind-control-plane/bpf-nat.txt"


def test_a_rewrite_by_nobody_says_so() -> None:
    """A changed source without a known cause is a finding, not a blank."""
    [verdict] = wrong_source().phases[0].verdicts
    bare = dataclasses.replace(verdict, rewrites=())
    assert findings.rewrites(bare) == ("no rule or program is known to have changed the source",)
    unwatched = dataclasses.replace(bare, watching=frozenset({words.Witness.APPLICATION}))
    assert findings.rewrites(unwatched) == ("nobody watched the kernel's table",)


def test_an_address_that_the_socket_had_itself_is_no_rewrite() -> None:
    """A node's kernel may choose another of the node's addresses; nobody has changed that one."""
    [verdict] = wrong_source().phases[0].verdicts
    [sample] = verdict.samples
    reply = dataclasses.replace(sample.reply, local=(sample.accounts[0].address, 40000))
    chosen = dataclasses.replace(verdict, samples=(dataclasses.replace(sample, reply=reply),), rewrites=())
    assert findings.unexplained(chosen) == ()


def test_witnesses_that_disagree_are_shown_with_what_each_says() -> None:
    """Both accounts stand beside each other."""
    [verdict] = wrong_source().phases[0].verdicts
    wire = builders.account(builders.CLIENT, witness=words.Witness.WIRE)
    [sample] = verdict.samples
    torn = dataclasses.replace(sample, accounts=(sample.accounts[0], wire))
    text = findings.witnesses(dataclasses.replace(verdict, samples=(torn,)))
    assert text.startswith("DISAGREE in 1 of 20: application says 172.18.0.2 at yaobank-customer/customer-1, wire says")


def test_one_witness_only_is_said() -> None:
    """And who else watched and saw nothing."""
    [verdict] = wrong_source().phases[0].verdicts
    lonely = dataclasses.replace(verdict, witnessed={words.Witness.APPLICATION: 20})
    assert findings.witnesses(lonely) == "one witness only: application (kernel, wire watched and saw nothing)"


def test_a_second_witness_of_another_sample_is_none() -> None:
    """A table that remembers one sample of two stands for that one only, and the cell says so."""
    [verdict] = wrong_source().phases[0].verdicts
    [sample] = verdict.samples
    forgotten = dataclasses.replace(sample, token="other", accounts=sample.accounts[:1])
    both = dataclasses.replace(verdict, samples=(sample, forgotten), total=2)
    assert (verdict.single, both.single) == (None, words.Witness.APPLICATION)
    assert findings.witnesses(both) == "application and wire agree; 1 of 2 samples have one witness only"


@pytest.mark.parametrize("made", [sample_runs.red, sample_runs.invalid, sample_runs.interrupted])
def test_it_is_one_screen_of_a_hundred_columns(made: Callable[[], records.RunRecord]) -> None:
    """Whatever happened."""
    lines = screen.lines(made(), "DIR", colour=False)
    assert len(lines) <= screen.HEIGHT
    assert max(map(len, lines)) <= style.WIDTH


def test_everything_wrong_at_once_is_still_one_screen() -> None:
    """Thirty failing groups, findings and controls by the dozen, and names that never end."""
    red = sample_runs.run(samples=2, spoil=sample_runs.seeing("203.0.113.77"))
    controls = tuple(records.Control(name="positive", held=False, text="what was seen " * 40) for _ in range(12))
    finding = records.Environment(cause="clock", where="n" * 300, text="late " * 100, remedy="ntp " * 50)
    record = dataclasses.replace(
        red,
        description="d" * 500,
        environment=(finding,) * 12,
        phases=tuple(dataclasses.replace(phase, controls=controls, trouble="t " * 300) for phase in red.phases),
        interrupted="SIGTERM",
    )
    lines = screen.lines(record, "D" * 200, colour=False)
    assert len(lines) <= screen.HEIGHT
    assert max(map(len, lines)) <= style.WIDTH
    more = len(folding.groups(record)) - 12
    assert f"+{more} more in run.json and in the list above" in lines


def test_an_interrupted_run_says_what_ended_it_and_what_never_ran() -> None:
    """It is an error, however green its cells are."""
    text = shown(sample_runs.interrupted())
    assert "INTERRUPTED SIGINT during ebpf" in text
    assert "NEVER RAN ebpf, reverted" in text
    assert text.splitlines()[-1].startswith("ERROR: 380 of 380 cells")


def test_an_invalid_run_is_neither_green_nor_red() -> None:
    """The control, the finding with its remedy, and what INVALID means."""
    text = " ".join(shown(sample_runs.invalid()).split())
    assert "CONTROL positive did not hold in iptables: policy Local through kind-worker shows 172.18.0.1" in text
    assert "ENVIRONMENT docker masquerade, the client's path: a POSTROUTING rule of Docker masquerades" in text
    assert (
        "(run the client on the kind network: --client-cmd 'docker exec -i client'); nothing measured with it" in text
    )
    assert "INVALID means: a control or the environment shows that nothing measured here can be trusted" in text
    assert "controls: 8 of 9 held" in text


def test_what_nothing_has_confirmed_is_counted_on_a_green_screen() -> None:
    """A green run says on how many cells its green rests on an inference."""
    assert "22 whose prediction nothing has confirmed yet" in shown(sample_runs.run(samples=1))
