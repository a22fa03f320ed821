// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
// A pod's veth, egress: the answer to what this pod sent to a service gets the service's address back.
#include "conntrack.h"

SEC("tc")
int sip_to_pod(struct __sk_buff *skb)
{
	struct packet p;
	struct flow *flow;

	if (parse(skb, &p) == NOT_OURS)
		return TC_ACT_OK;
	flow = bpf_map_lookup_elem(&sip_conntrack, &p.t);
	if (flow && flow->kind == FLOW_REPLY && !(flow->flags & (FLOW_AT_INGRESS | FLOW_TUNNEL)))
		translate(skb, &p, flow);
	else if (!flow)
		/* This host's own connections to its pods pass no other program. */
		forget_ended(&p);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
