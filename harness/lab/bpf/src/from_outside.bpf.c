// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
// eth0, ingress: a client from outside dials a NodePort. A backend on this node gets the packet with its
// destination translated; for a backend elsewhere the packet goes to that node as it is, so the client stays visible.
#include "conntrack.h"
#include "icmp.h"
#include "services.h"
#include "tunnel.h"

static __always_inline int send_on(struct __sk_buff *skb, struct packet *p, __be32 node)
{
	const struct settings *s = settings();

	if (!s || p->ttl <= 1)
		return TC_ACT_SHOT;
	if (!fits_tunnel(skb, p, s))
		return refuse(skb, p, ICMP_FRAGMENTATION_NEEDED, s->tunnel_mtu);
	decrement_ttl(skb, p);
	return into_tunnel(skb, node, VNI_SERVICE, s);
}

static __always_inline int known(struct __sk_buff *skb, struct packet *p, struct flow *flow)
{
	if (flow->kind == FLOW_REPLY && !(flow->flags & FLOW_AT_INGRESS))
		return TC_ACT_OK;
	if (flow->flags & FLOW_ENCAP) {
		saw(flow, p);
		return send_on(skb, p, flow->tunnel);
	}
	translate(skb, p, flow);
	return TC_ACT_OK;
}

static __always_inline int new(struct __sk_buff *skb, struct packet *p)
{
	const struct route *route;
	struct backend backend;
	struct tuple to = p->t;
	int choice = choose_for(&p->t, FROM_OUTSIDE, &backend);

	if (choice == NOT_ANY_MORE)
		return TC_ACT_SHOT;
	/* Without a usable backend the node's own stack refuses, as it does for any closed port. */
	if (choice != CHOSEN)
		return TC_ACT_OK;
	route = route_to(backend.addr);
	/* Neither here nor on a node that is known: a pod that is not routed yet. */
	if (!route || !(route->flags & ROUTE_LOCAL || route->next_hop))
		return TC_ACT_SHOT;
	to.dst = backend.addr;
	to.dport = backend.port;
	if (!(route->flags & ROUTE_LOCAL)) {
		remember_encapsulated(p, &to, route->next_hop);
		return send_on(skb, p, route->next_hop);
	}
	if (remember(p, &to, 0, 0))
		return TC_ACT_SHOT;
	write_tuple(skb, p, &to);
	return TC_ACT_OK;
}

SEC("tc")
int sip_from_outside(struct __sk_buff *skb)
{
	struct packet p;
	int what = parse(skb, &p);
	struct flow *flow;

	if (what == NOT_OURS)
		return TC_ACT_OK;
	flow = flow_of(&p);
	if (flow)
		return known(skb, &p, flow);
	/* The middle of a connection that began before these programs is the stack's own. */
	return what == A_FLOW && starts_a_flow(&p) ? new(skb, &p) : TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
