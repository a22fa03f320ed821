// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
// lo, ingress: the answer of a backend on this host to a client on this host.
#include "conntrack.h"

SEC("tc")
int sip_from_host(struct __sk_buff *skb)
{
	struct packet p;
	struct flow *flow;

	if (parse(skb, &p) == NOT_OURS)
		return TC_ACT_OK;
	flow = bpf_map_lookup_elem(&sip_conntrack, &p.t);
	if (!flow || flow->kind != FLOW_REPLY || !(flow->flags & FLOW_AT_INGRESS) || skb->mark & MARK_BYPASS)
		return TC_ACT_OK;
	translate(skb, &p, flow);
	/* A packet on lo keeps the connection that the stack took it for when it was sent, which is that after
	 * translation. It comes in once more, so that the stack finds the client's own. */
	skb->mark |= MARK_BYPASS;
	return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

char _license[] SEC("license") = "GPL";
