/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* Sending a packet to another node by the external VXLAN device, which encapsulates, segments and routes. */
#ifndef TUNNEL_H
#define TUNNEL_H

#include "packet.h"

static __always_inline int fits_tunnel(struct __sk_buff *skb, const struct packet *p, const struct settings *s)
{
	__u32 len = skb->gso_size ? p->headers + skb->gso_size : p->total_len;

	/* Where fragments are allowed, the device makes them of the outer packet. */
	return !p->df || len <= s->tunnel_mtu;
}

static __always_inline int set_tunnel(struct __sk_buff *skb, __be32 node, __u32 vni)
{
	struct bpf_tunnel_key key = {.tunnel_id = vni, .remote_ipv4 = bpf_ntohl(node), .tunnel_ttl = 64};

	return bpf_skb_set_tunnel_key(skb, &key, sizeof(key), 0);
}

static __always_inline int into_tunnel(struct __sk_buff *skb, __be32 node, __u32 vni, const struct settings *s)
{
	__u8 macs[12] = {};

	/* Nobody looks at the inner Ethernet addresses; as on the recorded wire they are zero. */
	bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0);
	if (set_tunnel(skb, node, vni))
		return TC_ACT_SHOT;
	skb->mark |= MARK_ADDRESSED;
	return bpf_redirect(s->tunnel_ifindex, 0);
}

#endif
