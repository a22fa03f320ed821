"""What holds for the rules of every cluster."""

from __future__ import annotations

from hypothesis import given, settings

from harness.lab import services
from harness.lab.proxy import names, options, render, restoring, rules, saved
from tests.unit.lab.proxy import clusters, objects

EVERY_RUN_ALIKE = settings(derandomize=True, deadline=None, max_examples=60)


def tables(found: tuple[services.ServicePort, ...], config: options.Options) -> dict[str, dict[str, list[str]]]:
    """The rendered tables."""
    wanted = render.ruleset(found, objects.HERE, config)
    return {name: wanted.table(name) for name in ("filter", "nat")}


@EVERY_RUN_ALIKE
@given(clusters.service_ports(), clusters.CONFIGS)
def test_every_jump_leads_to_a_chain_that_is_there(
    found: tuple[services.ServicePort, ...], config: options.Options
) -> None:
    """No rule could fail to load for want of its target."""
    wanted = render.ruleset(found, objects.HERE, config)
    for name, chains in tables(found, config).items():
        targets = {rule.target for rule in wanted.rules if rule.table == name}
        assert {target for target in targets if target.startswith("KUBE-")} <= set(chains)


@EVERY_RUN_ALIKE
@given(clusters.service_ports(), clusters.CONFIGS)
def test_every_chain_of_a_service_is_led_to(found: tuple[services.ServicePort, ...], config: options.Options) -> None:
    """No chain is written in vain."""
    chains = tables(found, config)["nat"]
    targets = {rule.split()[-1] for rules_ in chains.values() for rule in rules_}
    assert {chain for chain in chains if chain.startswith(names.OF_ONE_SERVICE)} <= targets


@EVERY_RUN_ALIKE
@given(clusters.service_ports(), clusters.CONFIGS)
def test_each_entry_translates_refuses_or_both(
    found: tuple[services.ServicePort, ...], config: options.Options
) -> None:
    """No ClusterIP and no node port is without a rule, so that no packet for one goes astray unnoticed."""
    both = tables(found, config)
    for port in found:
        entry = f"-d {port.cluster_ip}/32 "
        assert any(entry in rule for name in both for rule in both[name][names.SERVICES])
        if port.node_port:
            entry = f"--dport {port.node_port} "
            shared = (both["nat"][names.NODE_PORTS], both["filter"][names.EXTERNAL_SERVICES])
            assert any(entry in rule for chain in shared for rule in chain)


@EVERY_RUN_ALIKE
@given(clusters.service_ports(), clusters.CONFIGS)
def test_the_text_reads_back_as_it_was_written(
    found: tuple[services.ServicePort, ...], config: options.Options
) -> None:
    """Reading the rendered text gives the rendered chains."""
    wanted = render.ruleset(found, objects.HERE, config)
    read = saved.tables_from_text(render.save_text(wanted))
    assert {name: read[name].kube_chains() for name in ("filter", "nat")} == tables(found, config)


@EVERY_RUN_ALIKE
@given(clusters.service_ports(), clusters.service_ports(), clusters.CONFIGS)
def test_a_restore_leads_from_any_cluster_to_any_other(
    before: tuple[services.ServicePort, ...], after: tuple[services.ServicePort, ...], config: options.Options
) -> None:
    """Played on the tables of one cluster, the restore's text gives the tables of the other."""
    old, new = (render.ruleset(found, objects.HERE, config) for found in (before, after))
    now = saved.tables_from_text(render.save_text(old))
    text = restoring.restore_text(now, new)
    assert {name: played(now[name], name, text) for name in ("filter", "nat")} == tables(after, config)


def played(now: saved.SavedTable, name: rules.TableName, text: str) -> dict[str, list[str]]:
    """What ``iptables-restore --noflush`` makes of a table's KUBE chains: a chain that is named is emptied first."""
    chains = now.kube_chains()
    section = text.partition(f"*{name}\n")[2].partition("COMMIT")[0]
    for line in section.splitlines():
        word, chain, *_ = line[:1] if line.startswith(":") else line.split()[0], line.lstrip(":").split()[0]
        if word == ":":
            chains[chain] = []
        elif word == "-A":
            chains[line.split()[1]].append(line)
        elif word == "-X":
            assert chains.pop(line.split()[1]) == []
    return dict(sorted(chains.items()))
