"""Which phase a cluster is in that must not be switched: the one whose dataplane forwards, by its nodes' own word."""

from __future__ import annotations

from harness.checks import convergence, scene
from harness.core import errors, timeouts, waiting
from harness.dataplane import proof
from harness.model import words

# A new Service's rules and map entries follow within seconds where nothing else is under way.
_RULES_S = timeouts.DEFAULT.rules_s


def phase(
    place: scene.Scene, *, observe: convergence.Observe = proof.observe, clock: waiting.Clock = waiting.REAL
) -> words.Phase:
    """The phase whose dataplane is in force on every node that can be asked.

    Raises:
        CapabilityMissing: There is no such one, with what each node said.
        ApiError: The API refused.
    """
    known = place.facts()
    if not known.asked:
        raise errors.CapabilityMissing("proof", "no node has a dataplane that its own agent could show")
    try:
        found = waiting.wait_until(
            lambda: observe(place.api, known),
            lambda states: one(states) is not None,
            what="one dataplane in force on every node",
            timeout_s=min(_RULES_S, place.patience.rollout_s),
            delay_s=0.5,
            clock=clock,
        )
    except errors.WaitTimeout:
        said = proof.text(observe(place.api, known))
        raise errors.CapabilityMissing("proof", f"no one dataplane is in force on every node: {said}") from None
    return words.Phase.EBPF if one(found) is words.Dataplane.BPF else words.Phase.IPTABLES


def one(found: tuple[proof.InForce, ...]) -> words.Dataplane | None:
    """The dataplane that all of these nodes have; None if they differ or one has none. Pure."""
    kinds = {state.dataplane for state in found}
    return kinds.pop() if len(kinds) == 1 else None
