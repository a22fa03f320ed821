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
	if (flow && flow->kind == FLOW_REPLY && flow->flags & FLOW_AT_INGRESS)
		translate(skb, &p, flow);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
