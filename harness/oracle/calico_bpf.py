"""What Calico's eBPF dataplane shows behind a NodePort: always the client, in Tunnel mode and in DSR mode.

The entry node translates the destination only, or hands the untranslated packet to the backend's node. Under policy
Local a node without a backend answers a TCP connection with a reset.

Sources: Calico's design notes on BPF services, and the recorded matrix of a real cluster (Calico v3.32.1),
finding 4 and the column eBPF, address by address; ``ebpf-dsr`` is equal.
"""

from __future__ import annotations

from harness.model import cells, words
from harness.oracle import rules

_BECAUSE = "only the destination is translated"


def _rule(*, local: bool, host_network: bool, policies: frozenset[words.Policy]) -> rules.Rule:
    return rules.Rule(
        policies=policies,
        local=local,
        host_network=host_network,
        sees=words.AddressClass.CLIENT,
        because=_BECAUSE,
    )


_ANY = frozenset(words.Policy)
_CLUSTER = frozenset({words.Policy.CLUSTER})

BOOK = rules.Book(
    clients=frozenset({words.ClientKind.EXTERNAL}),
    protocols=frozenset({words.Protocol.HTTP, words.Protocol.TCP}),
    overlays=frozenset({"VXLAN"}),
    rules=(
        _rule(local=True, host_network=False, policies=_ANY),
        _rule(local=True, host_network=True, policies=_ANY),
        _rule(local=False, host_network=False, policies=_CLUSTER),
        _rule(local=False, host_network=True, policies=_CLUSTER),
    ),
    no_local_backend=cells.NoAnswer(
        how=frozenset({words.Silence.REFUSED}), because="refused: policy Local and no backend on this node"
    ),
)
