/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* Reading a packet, and writing another tuple into it with its checksums. IPv4 with TCP, UDP or ICMP errors. */
#ifndef PACKET_H
#define PACKET_H

#include <stddef.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include "maps.h"

#define ETH_LEN 14
#define ETHERTYPE_IP 0x0800
#define IP_DF 0x4000
#define IP_MF 0x2000
#define IP_OFFSET 0x1fff
#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16
#define ICMP_UNREACHABLE 3
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER 12

struct ipv4 {
	__u8 version_ihl;
	__u8 tos;
	__be16 total_len;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 proto;
	__u16 check;
	__be32 src;
	__be32 dst;
};

enum parsed {
	NOT_OURS, /* nothing that could be translated */
	A_FLOW,
	AN_ERROR, /* an ICMP error; the tuple is that of the direction it travels in */
};

struct packet {
	struct tuple t;
	__be32 outer_src; /* an error's own addresses; its source may be any router */
	__be32 outer_dst;
	__u16 l4;	  /* offset of the transport header */
	__u16 inner;	  /* an error's offset of the packet it is about */
	__u16 inner_l4;
	__u16 total_len;
	__u16 headers; /* length of the IP and transport headers */
	__u8 tcp;      /* TCP flags */
	__u8 ttl;
	__u8 df;
	__u8 later; /* a fragment without transport header */
};

static __always_inline struct tuple reversed(const struct tuple *t)
{
	struct tuple r = {
		.src = t->dst, .dst = t->src, .sport = t->dport, .dport = t->sport, .proto = t->proto};

	return r;
}

static __always_inline int ipv4_at(struct __sk_buff *skb, __u32 offset, struct ipv4 *ip)
{
	if (bpf_skb_load_bytes(skb, offset, ip, sizeof(*ip)))
		return -1;
	return (ip->version_ihl >> 4) == 4 && (ip->version_ihl & 15) >= 5 ? 0 : -1;
}

/* The ports of a fragment: the first one tells, the later ones are told. */
static __always_inline int fragment_ports(struct packet *p, const struct ipv4 *ip)
{
	struct fragment_key key = {.src = ip->src, .dst = ip->dst, .id = ip->id, .proto = ip->proto};
	struct fragment *known, ports = {.sport = p->t.sport, .dport = p->t.dport};

	if (!p->later)
		return bpf_map_update_elem(&sip_fragments, &key, &ports, BPF_ANY);
	known = bpf_map_lookup_elem(&sip_fragments, &key);
	if (!known)
		return -1;
	p->t.sport = known->sport;
	p->t.dport = known->dport;
	return 0;
}

static __always_inline int parse_flow(struct __sk_buff *skb, struct packet *p, const struct ipv4 *ip)
{
	__u8 header[14];

	p->t.src = ip->src;
	p->t.dst = ip->dst;
	p->t.proto = ip->proto;
	p->headers = p->l4 - ETH_LEN + 8;
	p->later = (ip->fragment & bpf_htons(IP_OFFSET)) != 0;
	if (!p->later && bpf_skb_load_bytes(skb, p->l4, &p->t.sport, 4))
		return NOT_OURS;
	if (!p->later && ip->proto == IPPROTO_TCP) {
		if (bpf_skb_load_bytes(skb, p->l4, header, sizeof(header)))
			return NOT_OURS;
		p->headers = p->l4 - ETH_LEN + (header[12] >> 4) * 4;
		p->tcp = header[13];
	}
	if (ip->fragment & bpf_htons(IP_OFFSET | IP_MF) && fragment_ports(p, ip))
		return NOT_OURS;
	return A_FLOW;
}

static __always_inline int parse_error(struct __sk_buff *skb, struct packet *p, const struct ipv4 *ip)
{
	struct ipv4 inner;
	__be16 ports[2];
	__u8 type;

	if (ip->fragment & bpf_htons(IP_OFFSET | IP_MF) || bpf_skb_load_bytes(skb, p->l4, &type, 1))
		return NOT_OURS;
	if (type != ICMP_UNREACHABLE && type != ICMP_TIME_EXCEEDED && type != ICMP_PARAMETER)
		return NOT_OURS;
	p->inner = p->l4 + 8;
	if (ipv4_at(skb, p->inner, &inner) || inner.fragment & bpf_htons(IP_OFFSET))
		return NOT_OURS;
	if (inner.proto != IPPROTO_TCP && inner.proto != IPPROTO_UDP)
		return NOT_OURS;
	p->inner_l4 = p->inner + (inner.version_ihl & 15) * 4;
	if (bpf_skb_load_bytes(skb, p->inner_l4, ports, sizeof(ports)))
		return NOT_OURS;
	/* What it is about went the other way. */
	p->t.src = inner.dst;
	p->t.dst = inner.src;
	p->t.sport = ports[1];
	p->t.dport = ports[0];
	p->t.proto = inner.proto;
	p->headers = p->total_len;
	return AN_ERROR;
}

NOINLINE int parse(struct __sk_buff *skb, struct packet *p)
{
	struct ipv4 ip;
	__be16 ethertype;

	__builtin_memset(p, 0, sizeof(*p));
	if (bpf_skb_load_bytes(skb, 12, &ethertype, 2) || ethertype != bpf_htons(ETHERTYPE_IP))
		return NOT_OURS;
	if (ipv4_at(skb, ETH_LEN, &ip))
		return NOT_OURS;
	p->outer_src = ip.src;
	p->outer_dst = ip.dst;
	p->l4 = ETH_LEN + (ip.version_ihl & 15) * 4;
	p->total_len = bpf_ntohs(ip.total_len);
	p->ttl = ip.ttl;
	p->df = (ip.fragment & bpf_htons(IP_DF)) != 0;
	if (ip.proto == IPPROTO_ICMP)
		return parse_error(skb, p, &ip);
	if (ip.proto == IPPROTO_TCP || ip.proto == IPPROTO_UDP)
		return parse_flow(skb, p, &ip);
	return NOT_OURS;
}

static __always_inline int starts_a_flow(const struct packet *p)
{
	return p->t.proto != IPPROTO_TCP || (p->tcp & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static __always_inline void write_ip_word(struct __sk_buff *skb, __u32 ip, __u32 field, __be32 old, __be32 new)
{
	bpf_l3_csum_replace(skb, ip + offsetof(struct ipv4, check), old, new, 4);
	bpf_skb_store_bytes(skb, ip + field, &new, 4, 0);
}

static __always_inline void write_port(struct __sk_buff *skb, __u32 check, __u64 flags, __u32 offset, __be16 old,
				       __be16 new)
{
	if (old == new)
		return;
	bpf_l4_csum_replace(skb, check, old, new, flags | 2);
	bpf_skb_store_bytes(skb, offset, &new, 2, 0);
}

static __always_inline void write_flow(struct __sk_buff *skb, const struct packet *p, const struct tuple *to)
{
	/* TCP's checksum must never be skipped for being zero, as UDP's is. */
	__u64 flags = p->t.proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__u32 check = p->t.proto == IPPROTO_UDP ? 6 : 16;

	if (p->t.src != to->src) {
		if (!p->later)
			bpf_l4_csum_replace(skb, p->l4 + check, p->t.src, to->src, flags | BPF_F_PSEUDO_HDR | 4);
		write_ip_word(skb, ETH_LEN, offsetof(struct ipv4, src), p->t.src, to->src);
	}
	if (p->t.dst != to->dst) {
		if (!p->later)
			bpf_l4_csum_replace(skb, p->l4 + check, p->t.dst, to->dst, flags | BPF_F_PSEUDO_HDR | 4);
		write_ip_word(skb, ETH_LEN, offsetof(struct ipv4, dst), p->t.dst, to->dst);
	}
	if (p->later)
		return;
	write_port(skb, p->l4 + check, flags, p->l4, p->t.sport, to->sport);
	write_port(skb, p->l4 + check, flags, p->l4 + 2, p->t.dport, to->dport);
}

/* The error's own addresses follow the flow, and the packet inside is seen from the other side. */
static __always_inline void write_error(struct __sk_buff *skb, const struct packet *p, const struct tuple *to)
{
	__u32 check = p->l4 + 2;

	if (p->outer_src == p->t.src && to->src != p->t.src)
		write_ip_word(skb, ETH_LEN, offsetof(struct ipv4, src), p->t.src, to->src);
	if (p->outer_dst == p->t.dst && to->dst != p->t.dst)
		write_ip_word(skb, ETH_LEN, offsetof(struct ipv4, dst), p->t.dst, to->dst);
	/* An address and its header's checksum cancel out in the error's checksum; ports do not. */
	write_ip_word(skb, p->inner, offsetof(struct ipv4, src), p->t.dst, to->dst);
	write_ip_word(skb, p->inner, offsetof(struct ipv4, dst), p->t.src, to->src);
	write_port(skb, check, 0, p->inner_l4, p->t.dport, to->dport);
	write_port(skb, check, 0, p->inner_l4 + 2, p->t.sport, to->sport);
}

/* Give the packet the tuple it has after translation. */
NOINLINE int write_tuple(struct __sk_buff *skb, struct packet *p, const struct tuple *to)
{
	if (p->inner)
		write_error(skb, p, to);
	else
		write_flow(skb, p, to);
	return 0;
}

static __always_inline void decrement_ttl(struct __sk_buff *skb, const struct packet *p)
{
	__u8 ttl = p->ttl - 1;

	/* The field shares its checksum word with the protocol, as the high byte. */
	bpf_l3_csum_replace(skb, ETH_LEN + offsetof(struct ipv4, check), bpf_htons(p->ttl << 8),
			    bpf_htons(ttl << 8), 2);
	bpf_skb_store_bytes(skb, ETH_LEN + offsetof(struct ipv4, ttl), &ttl, 1, 0);
}

#endif
