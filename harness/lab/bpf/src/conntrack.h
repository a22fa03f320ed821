/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* The table of translated flows: one entry a direction, found by the tuple on the wire. */
#ifndef CONNTRACK_H
#define CONNTRACK_H

#include "packet.h"

/* Where another flow already uses the tuple at the backend, this one gets a source port from here (Calico's range). */
#define PORT_FIRST 20000
#define PORT_COUNT 10000
#define PORT_TRIES 8

static __always_inline struct tuple translated(const struct flow *flow, __u8 proto)
{
	struct tuple t = {
		.src = flow->src, .dst = flow->dst, .sport = flow->sport, .dport = flow->dport, .proto = proto};

	return t;
}

static __always_inline int is_over(const struct flow *flow)
{
	return ((flow->tcp | flow->tcp_other) & (TCP_RST | TCP_FIN)) != 0;
}

static __always_inline void saw(struct flow *flow, const struct packet *p)
{
	/* An error about a flow is no sign of its life. */
	if (p->inner)
		return;
	flow->seen_ns = bpf_ktime_get_ns();
	flow->tcp |= p->tcp;
}

/* The packet's flow. A new connection on the tuple of one that has ended is none. */
static __always_inline struct flow *flow_of(const struct packet *p)
{
	struct flow *flow = bpf_map_lookup_elem(&sip_conntrack, &p->t), *reply;
	struct tuple back;

	if (!flow || p->inner || flow->kind != FLOW_FORWARD || p->t.proto != IPPROTO_TCP || !starts_a_flow(p))
		return flow;
	back = translated(flow, p->t.proto);
	back = reversed(&back);
	reply = bpf_map_lookup_elem(&sip_conntrack, &back);
	if (!is_over(flow) && !(reply && is_over(reply)))
		return flow;
	bpf_map_delete_elem(&sip_conntrack, &p->t);
	if (reply)
		bpf_map_delete_elem(&sip_conntrack, &back);
	return NULL;
}

static __always_inline int translate(struct __sk_buff *skb, struct packet *p, struct flow *flow)
{
	struct tuple to = translated(flow, p->t.proto);

	saw(flow, p);
	return write_tuple(skb, p, &to);
}

static __always_inline struct flow new_flow(const struct tuple *to, __u8 kind, __u8 flags, __be32 tunnel)
{
	__u64 now = bpf_ktime_get_ns();
	struct flow flow = {
		.created_ns = now,
		.seen_ns = now,
		.src = to->src,
		.dst = to->dst,
		.sport = to->sport,
		.dport = to->dport,
		.tunnel = tunnel,
		.kind = kind,
		.flags = flags,
	};

	return flow;
}

/* Reserve the way back; the source port gives way where another flow has it. */
static __always_inline int reserve_reply(const struct tuple *from, struct tuple *to, __u8 flags, __be32 tunnel)
{
	struct tuple origin = reversed(from), back;
	struct flow reply = new_flow(&origin, FLOW_REPLY, flags, tunnel), *taken;
	int i;

	for (i = 0; i < PORT_TRIES; i++) {
		back = reversed(to);
		taken = bpf_map_lookup_elem(&sip_conntrack, &back);
		if (!taken || is_over(taken) || (taken->src == origin.src && taken->sport == origin.sport &&
						 taken->dst == origin.dst && taken->dport == origin.dport))
			return bpf_map_update_elem(&sip_conntrack, &back, &reply, BPF_ANY);
		to->sport = bpf_htons(PORT_FIRST + bpf_get_prandom_u32() % PORT_COUNT);
	}
	return -1;
}

/* A connection that no service translates may have the very tuple that an ended one was translated to: the client's
 * port is free again. What is left of that one must not rewrite the answers to this one. */
static __always_inline void forget_ended(const struct packet *p)
{
	struct tuple back = reversed(&p->t), origin;
	struct flow *reply, *flow;

	if (p->inner || p->t.proto != IPPROTO_TCP || !starts_a_flow(p))
		return;
	reply = bpf_map_lookup_elem(&sip_conntrack, &back);
	if (!reply || reply->kind != FLOW_REPLY)
		return;
	origin = translated(reply, p->t.proto);
	origin = reversed(&origin);
	flow = bpf_map_lookup_elem(&sip_conntrack, &origin);
	if (!is_over(reply) && !(flow && is_over(flow)))
		return;
	bpf_map_delete_elem(&sip_conntrack, &back);
	if (flow)
		bpf_map_delete_elem(&sip_conntrack, &origin);
}

/* Whether the answers to this tuple would be taken for those to another one. */
static __always_inline int is_taken(const struct tuple *t)
{
	struct tuple back = reversed(t);
	struct flow *reply = bpf_map_lookup_elem(&sip_conntrack, &back);

	return reply && reply->kind == FLOW_REPLY && reply->flags & FLOW_AT_INGRESS;
}

/* Remember a new flow in both directions; the tuple after translation may get another source port. */
NOINLINE int remember(struct packet *p, struct tuple *to, __u8 reply_flags, __be32 tunnel)
{
	struct flow flow;

	if (reserve_reply(&p->t, to, reply_flags, tunnel))
		return -1;
	flow = new_flow(to, FLOW_FORWARD, 0, 0);
	flow.tcp = p->tcp;
	return bpf_map_update_elem(&sip_conntrack, &p->t, &flow, BPF_ANY);
}

/* Remember a flow that is translated on the backend's node; only this direction passes here as it is. */
static __always_inline int remember_encapsulated(struct packet *p, const struct tuple *to, __be32 tunnel)
{
	struct flow flow = new_flow(to, FLOW_FORWARD, FLOW_ENCAP, tunnel);

	flow.tcp = p->tcp;
	return bpf_map_update_elem(&sip_conntrack, &p->t, &flow, BPF_ANY);
}

#endif
