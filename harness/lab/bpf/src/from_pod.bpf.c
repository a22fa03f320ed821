// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
// A pod's veth, ingress: what the pod sends to a service is translated before anything is routed or masqueraded.
#include "conntrack.h"
#include "icmp.h"
#include "services.h"

static __always_inline int known(struct __sk_buff *skb, struct packet *p, struct flow *flow)
{
	if (flow->kind == FLOW_REPLY && !(flow->flags & FLOW_AT_INGRESS)) {
		/* The answer to a client outside gets its address at eth0; masquerading would spoil it. */
		skb->mark |= MARK_BYPASS;
		return TC_ACT_OK;
	}
	if (flow->flags & FLOW_ENCAP)
		return TC_ACT_OK;
	/* Of a pod that gets itself, question and answer are both translated here. */
	if (flow->dst == p->t.src)
		skb->mark |= MARK_UNTRACKED;
	translate(skb, p, flow);
	return TC_ACT_OK;
}

static __always_inline int new(struct __sk_buff *skb, struct packet *p, struct backend *backend)
{
	const struct settings *s = settings();
	struct tuple to = p->t;
	__u8 flags = 0;

	to.dst = backend->addr;
	to.dport = backend->port;
	if (to.dst == to.src) {
		/* A pod that gets itself would answer itself directly: the node stands in as the client. */
		if (!s)
			return TC_ACT_SHOT;
		to.src = s->host_ip;
		flags = FLOW_AT_INGRESS;
		skb->mark |= MARK_UNTRACKED;
	}
	if (remember(p, &to, flags, 0))
		return TC_ACT_SHOT;
	write_tuple(skb, p, &to);
	return TC_ACT_OK;
}

SEC("tc")
int sip_from_pod(struct __sk_buff *skb)
{
	struct packet p;
	int what = parse(skb, &p), choice;
	struct backend backend;
	struct flow *flow;

	if (what == NOT_OURS)
		return TC_ACT_OK;
	flow = flow_of(&p);
	if (flow)
		return known(skb, &p, flow);
	if (what != A_FLOW || !starts_a_flow(&p))
		return TC_ACT_OK;
	choice = choose_for(&p.t, FROM_INSIDE, &backend);
	if (choice == CHOSEN)
		return new(skb, &p, &backend);
	if (choice == NOT_ANY_MORE)
		return TC_ACT_SHOT;
	/* A node's own port that has no backend is refused by that node's stack. */
	if (choice == NO_BACKEND && !route_is(p.t.dst, ROUTE_HOST))
		return refuse(skb, &p, ICMP_PORT_UNREACHABLE, 0);
	forget_ended(&p);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
