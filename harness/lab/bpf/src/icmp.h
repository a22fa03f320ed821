/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* Answering a packet with an ICMP error (RFC 792, RFC 1191). */
#ifndef ICMP_H
#define ICMP_H

#include "packet.h"

#define ICMP_PORT_UNREACHABLE 3
#define ICMP_FRAGMENTATION_NEEDED 4

struct icmp_error {
	struct ipv4 ip;
	__u8 type;
	__u8 code;
	__u16 check;
	__be16 unused;
	__be16 mtu;
};

static __always_inline __u16 folded(__s64 sum)
{
	__u32 s = sum;

	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return ~s;
}

static __always_inline struct icmp_error error_header(__be32 src, __be32 dst, __u32 cited, __u8 code, __u16 mtu)
{
	struct icmp_error e = {
		.ip.version_ihl = 0x45,
		.ip.total_len = bpf_htons(sizeof(e) + cited),
		.ip.ttl = 64,
		.ip.proto = IPPROTO_ICMP,
		.ip.src = src,
		.ip.dst = dst,
		.type = ICMP_UNREACHABLE,
		.code = code,
		.mtu = bpf_htons(mtu),
	};

	e.ip.check = folded(bpf_csum_diff(NULL, 0, (__be32 *)&e.ip, sizeof(e.ip), 0));
	return e;
}

/* Turn the packet into the error about it: cut it after what is cited, and put the new headers before. */
static __always_inline int become_error(struct __sk_buff *skb, const struct packet *p, __be32 src, __u8 code, __u16 mtu)
{
	__u32 cited = p->t.proto == IPPROTO_TCP ? 40 : 28;
	struct icmp_error e;
	__u8 cite[40] = {};

	/* Options would make the length vary; such a packet is dropped without a word. */
	if (p->l4 != ETH_LEN + 20 || p->later || p->inner)
		return -1;
	if (bpf_skb_change_tail(skb, ETH_LEN + cited, 0))
		return -1;
	if (cited == 40 ? bpf_skb_load_bytes(skb, ETH_LEN, cite, 40) : bpf_skb_load_bytes(skb, ETH_LEN, cite, 28))
		return -1;
	e = error_header(src, p->t.src, cited, code, mtu);
	e.check = folded(bpf_csum_diff(NULL, 0, (__be32 *)&e.type, 8,
				       bpf_csum_diff(NULL, 0, (__be32 *)cite, sizeof(cite), 0)));
	if (bpf_skb_adjust_room(skb, sizeof(e), BPF_ADJ_ROOM_MAC, 0))
		return -1;
	return bpf_skb_store_bytes(skb, ETH_LEN, &e, sizeof(e), 0);
}

static __always_inline void swap_macs(struct __sk_buff *skb)
{
	__u8 macs[12], swapped[12];

	if (bpf_skb_load_bytes(skb, 0, macs, sizeof(macs)))
		return;
	__builtin_memcpy(swapped, macs + 6, 6);
	__builtin_memcpy(swapped + 6, macs, 6);
	bpf_skb_store_bytes(skb, 0, swapped, sizeof(swapped), 0);
}

/* At ingress: the error goes back out of the door that the packet came in by, as if the destination had said it. */
NOINLINE int refuse(struct __sk_buff *skb, struct packet *p, __u8 code, __u16 mtu)
{
	if (become_error(skb, p, p->t.dst, code, mtu))
		return TC_ACT_SHOT;
	swap_macs(skb);
	return bpf_redirect(skb->ifindex, 0);
}

/* At egress: the sender is behind the routing that has just happened, so the error comes in where the packet left. */
NOINLINE int refuse_at_egress(struct __sk_buff *skb, struct packet *p, __u8 code, __u16 mtu,
				       const struct settings *s)
{
	if (become_error(skb, p, s->host_ip, code, mtu))
		return TC_ACT_SHOT;
	if (skb->ifindex == s->host_ifindex)
		bpf_skb_store_bytes(skb, 0, s->host_mac, 6, 0);
	return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

#endif
