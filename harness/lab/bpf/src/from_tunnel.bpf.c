// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
// vxlan.calico, ingress: service traffic from the node that was dialled is translated to a backend of this node;
// the backends' replies to that node go on to the client; the overlay's own packets pass.
#include "conntrack.h"
#include "services.h"
#include "tunnel.h"

static __always_inline int to_backend(struct __sk_buff *skb, struct packet *p, int what, __be32 node)
{
	const struct settings *s = settings();
	struct flow *flow = flow_of(p);
	struct backend backend;
	struct tuple to = p->t;
	__u8 flags = FLOW_TUNNEL;

	if (!s)
		return TC_ACT_SHOT;
	if (flow) {
		if (flow->kind != FLOW_FORWARD || flow->flags & FLOW_ENCAP)
			return TC_ACT_SHOT;
		translate(skb, p, flow);
		return TC_ACT_OK;
	}
	if (what != A_FLOW || !starts_a_flow(p) || choose_for(&p->t, FROM_TUNNEL, &backend) != CHOSEN)
		return TC_ACT_SHOT;
	if (s->flags & SETTING_DSR)
		flags |= FLOW_DSR;
	to.dst = backend.addr;
	to.dport = backend.port;
	if (remember(p, &to, flags, node))
		return TC_ACT_SHOT;
	write_tuple(skb, p, &to);
	return TC_ACT_OK;
}

static __always_inline int to_client(struct __sk_buff *skb, struct packet *p, __be32 node)
{
	const struct settings *s = settings();
	struct tuple forward = reversed(&p->t);
	struct flow *flow = bpf_map_lookup_elem(&sip_conntrack, &forward);

	if (!s || !flow || !(flow->flags & FLOW_ENCAP) || flow->tunnel != node || p->ttl <= 1)
		return TC_ACT_SHOT;
	if (!p->inner) {
		flow->seen_ns = bpf_ktime_get_ns();
		flow->tcp_other |= p->tcp;
	}
	decrement_ttl(skb, p);
	return bpf_redirect_neigh(s->host_ifindex, NULL, 0, 0);
}

static __always_inline int overlay(struct __sk_buff *skb, struct packet *p, int what)
{
	struct flow *flow = what == NOT_OURS ? NULL : bpf_map_lookup_elem(&sip_conntrack, &p->t);

	if (flow && flow->kind == FLOW_REPLY && flow->flags & FLOW_AT_INGRESS)
		translate(skb, p, flow);
	return TC_ACT_OK;
}

SEC("tc")
int sip_from_tunnel(struct __sk_buff *skb)
{
	struct bpf_tunnel_key key = {};
	struct packet p;
	__be32 node;
	int what;

	if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0))
		return TC_ACT_SHOT;
	node = bpf_htonl(key.remote_ipv4);
	if (!route_is(node, ROUTE_HOST) || route_is(node, ROUTE_LOCAL))
		return TC_ACT_SHOT;
	/* The inner Ethernet addresses say nothing; that the packet came through the tunnel says it is for this node. */
	bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
	what = parse(skb, &p);
	if (key.tunnel_id != VNI_SERVICE)
		return overlay(skb, &p, what);
	if (what == NOT_OURS)
		return TC_ACT_SHOT;
	/* What was dialled is never an address of this node; what is answered always comes from one. */
	if (route_is(p.t.src, ROUTE_LOCAL | ROUTE_HOST))
		return to_client(skb, &p, node);
	return to_backend(skb, &p, what, node);
}

char _license[] SEC("license") = "GPL";
