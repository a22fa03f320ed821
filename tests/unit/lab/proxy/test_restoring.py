"""From the rules in force to one input for iptables-restore."""

from __future__ import annotations

from harness.lab import services
from harness.lab.proxy import options, render, restoring, rules, saved
from tests.unit.lab.proxy import objects


def ruleset(*found: objects.Object) -> rules.Ruleset:
    """The rules of one ClusterIP Service with these endpoints."""
    ports = services.service_ports([objects.service()], [objects.endpoint_slice(*found)])
    return render.ruleset(ports, objects.HERE, options.Options())


def in_force(wanted: rules.Ruleset) -> dict[str, saved.SavedTable]:
    """The tables once these rules and all jumps are loaded."""
    text = render.save_text(wanted) + "*mangle\n:KUBE-PROXY-CANARY - [0:0]\nCOMMIT\n"
    jumps: dict[str, str] = {"filter": "", "nat": ""}
    for jump in (*restoring.JUMPS, *restoring.KUBELET_JUMPS):
        jumps[jump.table] += jump.text + "\n"
    for name, lines in jumps.items():
        text = text.replace(f"*{name}\n", f"*{name}\n{lines}")
    return saved.tables_from_text(text)


NONE = ruleset()
ONE = ruleset(objects.endpoint("10.244.0.1"))
TWO = ruleset(objects.endpoint("10.244.0.1"), objects.endpoint("10.244.0.2"))


def test_rules_in_force_need_nothing() -> None:
    """What is as wanted is not written again."""
    assert restoring.restore_text(in_force(ONE), ONE) == ""


def test_an_empty_kernel_gets_everything() -> None:
    """All three tables, every chain and every jump, the kubelet's behind the others."""
    text = restoring.restore_text({}, ONE)
    assert [line for line in text.splitlines() if line.startswith("*")] == ["*mangle", "*filter", "*nat"]
    assert all(rule.text in text for rule in ONE.rules)
    # Each is put in front of those before it, so the first written is the last in the chain.
    to_input = [line for line in text.splitlines() if line.startswith("-I INPUT")]
    assert to_input[0] == "-I INPUT -j KUBE-FIREWALL"
    assert [line.split()[-1] for line in to_input[1:]] == [
        "KUBE-EXTERNAL-SERVICES",
        "KUBE-NODEPORTS",
        "KUBE-PROXY-FIREWALL",
    ]


def test_a_new_endpoint_touches_its_services_chains_only() -> None:
    """Chains that are as wanted keep their rules and counters."""
    text = restoring.restore_text(in_force(ONE), TWO)
    chains = [line.split()[0] for line in text.splitlines() if line.startswith(":")]
    assert [chain[:10] for chain in chains] == [":KUBE-SEP-", ":KUBE-SVC-"]
    assert "*filter" not in text
    assert "-I " not in text


def test_chains_of_what_is_gone_are_emptied_and_deleted() -> None:
    """A stale chain is named, which empties it, and deleted after everything that might have led to it."""
    lines = restoring.restore_text(in_force(TWO), ONE).splitlines()
    (deleted,) = [line.split()[1] for line in lines if line.startswith("-X")]
    assert f":{deleted} - [0:0]" in lines
    assert not any(line.startswith(f"-A {deleted}") for line in lines)
    assert lines[-2:] == [f"-X {deleted}", "COMMIT"]


def test_chains_of_others_are_left_alone() -> None:
    """Neither the kubelet's chains nor anybody else's are touched."""
    now = saved.tables_from_text(
        "*nat\n:KUBE-KUBELET-CANARY - [0:0]\n:cali-PREROUTING - [0:0]\n:DOCKER - [0:0]\nCOMMIT\n"
    )
    text = restoring.restore_text(now, ONE)
    assert not any(name in text for name in ("KUBELET", "cali", "DOCKER"))


def test_a_missing_jump_comes_back() -> None:
    """A jump that somebody removed is put in front again, and nothing else changes."""
    now = in_force(ONE)
    chains = dict(now["nat"].chains) | {"PREROUTING": ()}
    text = restoring.restore_text(now | {"nat": saved.SavedTable(chains=chains)}, ONE)
    assert text.splitlines() == [
        "*nat",
        '-I PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
        "COMMIT",
    ]


def test_a_missing_canary_comes_back() -> None:
    """Somebody flushed the mangle table."""
    now = in_force(ONE)
    del now["mangle"]
    assert restoring.restore_text(now, ONE) == "*mangle\n:KUBE-PROXY-CANARY - [0:0]\nCOMMIT\n"


def test_going_from_endpoints_to_none_moves_the_service_to_the_filter_table() -> None:
    """The translation goes and the refusal comes in the same input."""
    text = restoring.restore_text(in_force(ONE), NONE)
    assert "-X KUBE-SVC-" in text
    assert "REJECT" in text
