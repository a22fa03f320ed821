// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
// eth0 and lo, egress: replies to outside get the dialled address back, through the tunnel where they came that
// way; and what this host itself sends to a service is translated here.
#include "conntrack.h"
#include "icmp.h"
#include "services.h"
#include "tunnel.h"

static __always_inline int reply(struct __sk_buff *skb, struct packet *p, struct flow *flow)
{
	const struct settings *s = settings();
	int tunnel = flow->flags & FLOW_TUNNEL && !(flow->flags & FLOW_DSR);
	__be32 node = flow->tunnel;

	if (flow->flags & FLOW_AT_INGRESS)
		return TC_ACT_OK;
	if (!s)
		return TC_ACT_SHOT;
	if (tunnel && !fits_tunnel(skb, p, s))
		return refuse_at_egress(skb, p, ICMP_FRAGMENTATION_NEEDED, s->tunnel_mtu, s);
	translate(skb, p, flow);
	return tunnel ? into_tunnel(skb, node, VNI_SERVICE, s) : TC_ACT_OK;
}

/* The stack routed the packet for the service's address; it must be routed again for the backend's. */
static __always_inline int reroute(struct __sk_buff *skb, struct packet *p, struct tuple *to,
				   const struct route *route, const struct settings *s)
{
	if (route->flags & ROUTE_LOCAL) {
		write_tuple(skb, p, to);
		/* A pod's answer is translated where it comes in; that of a process here passes the stack as it is. */
		if (!(route->flags & ROUTE_HOST))
			skb->mark |= MARK_UNTRACKED;
		if (skb->ifindex == s->host_ifindex)
			bpf_skb_store_bytes(skb, 0, s->host_mac, 6, 0);
		return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
	}
	if (route->flags & ROUTE_HOST) {
		write_tuple(skb, p, to);
		skb->mark |= MARK_ADDRESSED;
		return bpf_redirect_neigh(s->host_ifindex, NULL, 0, 0);
	}
	if (!fits_tunnel(skb, p, s))
		return refuse_at_egress(skb, p, ICMP_FRAGMENTATION_NEEDED, s->tunnel_mtu, s);
	write_tuple(skb, p, to);
	return into_tunnel(skb, route->next_hop, s->overlay_vni, s);
}

static __always_inline int known_forward(struct __sk_buff *skb, struct packet *p, struct flow *flow)
{
	const struct settings *s = settings();
	struct tuple to = translated(flow, p->t.proto);
	const struct route *route = route_to(to.dst);

	if (!s || !route || flow->flags & FLOW_ENCAP)
		return TC_ACT_OK;
	saw(flow, p);
	return reroute(skb, p, &to, route, s);
}

static __always_inline int new_forward(struct __sk_buff *skb, struct packet *p, int choice, struct backend *backend)
{
	const struct settings *s = settings();
	const struct route *route;
	struct tuple to = p->t;

	if (!s)
		return TC_ACT_SHOT;
	if (choice == NO_BACKEND)
		return refuse_at_egress(skb, p, ICMP_PORT_UNREACHABLE, 0, s);
	route = route_to(backend->addr);
	/* Neither here nor on a node that is known: a pod that is not routed yet. */
	if (!route || !(route->flags & ROUTE_LOCAL || route->next_hop))
		return TC_ACT_SHOT;
	to.dst = backend->addr;
	to.dport = backend->port;
	/* A pod on another node is reached as any routed packet from this host would reach it. */
	if (!(route->flags & (ROUTE_LOCAL | ROUTE_HOST)))
		to.src = s->tunnel_ip;
	if (remember(p, &to, FLOW_AT_INGRESS, 0))
		return TC_ACT_SHOT;
	return reroute(skb, p, &to, route, s);
}

/* What no service translates has a source port that the stack chose, as for a pod's masquerade, and the stack doesn't
 * know the ports that flows have here. Where one has this very tuple, the newcomer gets another port and its answer
 * the stack's back. */
static __always_inline int beside(struct __sk_buff *skb, struct packet *p)
{
	const struct settings *s = settings();
	const struct route *route = route_to(p->t.dst);
	struct tuple to = p->t;

	if (!s || !route || remember(p, &to, FLOW_AT_INGRESS, 0))
		return TC_ACT_SHOT;
	return reroute(skb, p, &to, route, s);
}

SEC("tc")
int sip_to_outside(struct __sk_buff *skb)
{
	struct packet p;
	int what = parse(skb, &p), choice;
	struct backend backend;
	struct flow *flow;

	/* What was sent on from here passes once more, as it is after translation. */
	if (what == NOT_OURS || skb->mark & MARK_ADDRESSED)
		return TC_ACT_OK;
	flow = flow_of(&p);
	if (flow)
		return flow->kind == FLOW_REPLY ? reply(skb, &p, flow) : known_forward(skb, &p, flow);
	if (what != A_FLOW || !starts_a_flow(&p) || !route_is(p.t.src, ROUTE_LOCAL | ROUTE_HOST))
		return TC_ACT_OK;
	choice = choose_for(&p.t, FROM_INSIDE, &backend);
	if (choice == NOT_ANY_MORE)
		return TC_ACT_SHOT;
	/* A node's own port that has no backend is refused by that node's stack. */
	if (choice == NO_FRONTEND || (choice == NO_BACKEND && route_is(p.t.dst, ROUTE_HOST))) {
		forget_ended(&p);
		return is_taken(&p.t) ? beside(skb, &p) : TC_ACT_OK;
	}
	return new_forward(skb, &p, choice, &backend);
}

char _license[] SEC("license") = "GPL";
