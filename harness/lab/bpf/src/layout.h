/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* What the programs and user space share: every map's key and value. harness/lab/bpf/layouts.py holds the same
 * layouts for Python, and a test pins one to the other. Addresses and ports are in network order. */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <linux/types.h>

/* The VNI of untranslated service traffic between nodes, as recorded; the overlay has its own. */
#define VNI_SERVICE 0xca11c0

/* Set on the answers of local backends to clients outside: a masquerade must leave them alone. */
#define MARK_BYPASS 0x3000000

/* Set on packets that the stack sees only as they are after translation, and whose answers it never sees so: its own
 * connection table, which may give a new connection another source port, must leave them alone. The value is
 * Calico's, and holds MARK_BYPASS. */
#define MARK_UNTRACKED 0x3500000

/* Set on packets that have been told which node they go to. */
#define MARK_ADDRESSED 0x4000000

struct frontend_key {
	__be32 addr;
	__be16 port;
	__u8 proto;
	__u8 pad;
};

enum frontend_flags {
	FRONTEND_EXTERNAL_LOCAL = 1, /* clients from outside get backends of this node only */
	FRONTEND_INTERNAL_LOCAL = 2, /* clients from inside get backends of this node only */
	FRONTEND_EXTERNAL = 4,	     /* clients from outside may use it at all */
};

struct frontend {
	__u32 id;
	__u32 count; /* all backends */
	__u32 local; /* the first so many are on this node */
	__u32 affinity_s;
	__u32 flags;
};

struct backend_key {
	__u32 id;
	__u32 ordinal;
};

struct backend {
	__be32 addr;
	__be16 port;
	__u16 pad;
};

/* The backends of a set once more, by what they are: the value is the ordinal. */
struct member_key {
	__u32 id;
	struct backend backend;
};

struct route_key {
	__u32 prefixlen;
	__be32 addr;
};

enum route_flags {
	ROUTE_LOCAL = 1,
	ROUTE_WORKLOAD = 2,
	ROUTE_HOST = 4,
	ROUTE_IN_POOL = 8,
	ROUTE_NAT_OUT = 16,
	ROUTE_TUNNELED = 32,
};

struct route {
	__u32 flags;
	__be32 next_hop; /* the node to send it to, if it is not local */
	__u32 ifindex;
};

/* One direction of one flow, as it is on the wire before translation. */
struct tuple {
	__be32 src;
	__be32 dst;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 pad[3];
};

enum flow_kind {
	FLOW_FORWARD = 1, /* towards the backend */
	FLOW_REPLY = 2,	  /* back to the client */
};

enum flow_flags {
	FLOW_ENCAP = 1,	     /* forward: goes to the backend's node untranslated */
	FLOW_TUNNEL = 2,     /* reply: goes back through the node that was dialled */
	FLOW_DSR = 4,	     /* reply: ... or rather straight to the client */
	FLOW_AT_INGRESS = 8, /* reply: the client is this host, so it is translated where it comes in */
};

struct flow {
	__u64 created_ns;
	__u64 seen_ns;
	__be32 src; /* the tuple after translation */
	__be32 dst;
	__be16 sport;
	__be16 dport;
	__be32 tunnel; /* the other node, with FLOW_ENCAP or FLOW_TUNNEL */
	__u8 kind;
	__u8 flags;
	__u8 tcp;	/* TCP flags seen in this direction */
	__u8 tcp_other; /* and in the other one, where that has no entry */
	__u32 pad;
};

struct affinity_key {
	__u64 client; /* an address, or the cookie of a network namespace */
	struct frontend_key frontend;
};

struct affinity {
	__u64 seen_ns;
	struct backend backend;
};

/* Later fragments carry no ports; the first one leaves them here. */
struct fragment_key {
	__be32 src;
	__be32 dst;
	__be16 id;
	__u8 proto;
	__u8 pad;
};

struct fragment {
	__be16 sport;
	__be16 dport;
};

/* A socket's datagrams whose destination was changed: by what the socket sees, and by what the wire sees. */
struct socket_key {
	__u64 cookie;
	__be32 addr;
	__be16 port;
	__u16 reply;
};

enum settings_flags {
	SETTING_DSR = 1,
	SETTING_CONNECT_TCP = 2,
	SETTING_CONNECT_UDP = 4,
	SETTING_RETIRED = 8, /* no new flow: the programs are about to go */
};

struct settings {
	__be32 host_ip;
	__be32 tunnel_ip;
	__u32 host_ifindex;
	__u32 tunnel_ifindex;
	__u32 flags;
	__u32 overlay_vni;
	__u32 tunnel_mtu; /* the longest IP packet that fits into the tunnel */
	__u8 host_mac[6];
	__u8 pad[2];
};

#endif
