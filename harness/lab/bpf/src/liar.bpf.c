// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
// Any device, before every other program: whoever has one address seems to have another, and is answered all the same.
// No part of the dataplane; the selftest attaches it to see whether a rewritten source is noticed.
#include "packet.h"

struct lie {
	__be32 truth;
	__be32 claim;
};

MAP(sip_the_lie, BPF_MAP_TYPE_ARRAY, __u32, struct lie, 1, 0);

static __always_inline const struct lie *the_lie(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&sip_the_lie, &zero);
}

/* Towards the backend. */
SEC("tc")
int sip_lie(struct __sk_buff *skb)
{
	const struct lie *lie = the_lie();
	struct packet p;
	struct tuple to;

	if (!lie || parse(skb, &p) != A_FLOW || p.t.src != lie->truth)
		return TC_ACT_UNSPEC;
	to = p.t;
	to.src = lie->claim;
	write_tuple(skb, &p, &to);
	return TC_ACT_UNSPEC;
}

/* Away from it. */
SEC("tc")
int sip_take_back(struct __sk_buff *skb)
{
	const struct lie *lie = the_lie();
	struct packet p;
	struct tuple to;

	if (!lie || parse(skb, &p) != A_FLOW || p.t.dst != lie->claim)
		return TC_ACT_UNSPEC;
	to = p.t;
	to.dst = lie->truth;
	write_tuple(skb, &p, &to);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
