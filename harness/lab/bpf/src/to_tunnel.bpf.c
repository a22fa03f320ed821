// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
// vxlan.calico, egress: the overlay's packets learn which node they go to. The device is `external`: it sends
// nothing that has not been told.
#include "conntrack.h"
#include "tunnel.h"

SEC("tc")
int sip_to_tunnel(struct __sk_buff *skb)
{
	const struct settings *s = settings();
	const struct route *route;
	__be16 ethertype;
	struct ipv4 ip;
	struct packet p;

	if (skb->mark & MARK_ADDRESSED)
		return TC_ACT_OK;
	if (!s || bpf_skb_load_bytes(skb, 12, &ethertype, 2) || ethertype != bpf_htons(ETHERTYPE_IP))
		return TC_ACT_SHOT;
	if (ipv4_at(skb, ETH_LEN, &ip))
		return TC_ACT_SHOT;
	route = route_to(ip.dst);
	if (!route || !(route->flags & ROUTE_TUNNELED))
		return TC_ACT_SHOT;
	/* This host's own connections to pods elsewhere pass no other program. */
	if (parse(skb, &p) == A_FLOW)
		forget_ended(&p);
	return set_tunnel(skb, route->next_hop, s->overlay_vni) ? TC_ACT_SHOT : TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
