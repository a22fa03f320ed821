/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* The maps, pinned by name, so that all programs of a node share them and they outlive a reload. */
#ifndef MAPS_H
#define MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "layout.h"

/* A function of its own for the verifier, in whichever program needs it. */
#define NOINLINE static __noinline __attribute__((unused))

#define MAP(NAME, TYPE, KEY, VALUE, SIZE, FLAGS)            \
	struct {                                            \
		__uint(type, TYPE);                         \
		__uint(max_entries, SIZE);                  \
		__uint(map_flags, FLAGS);                   \
		__uint(pinning, LIBBPF_PIN_BY_NAME);        \
		__type(key, KEY);                           \
		__type(value, VALUE);                       \
	} NAME SEC(".maps")

MAP(sip_settings, BPF_MAP_TYPE_ARRAY, __u32, struct settings, 1, 0);
MAP(sip_frontends, BPF_MAP_TYPE_HASH, struct frontend_key, struct frontend, 8192, BPF_F_NO_PREALLOC);
MAP(sip_backends, BPF_MAP_TYPE_HASH, struct backend_key, struct backend, 16384, BPF_F_NO_PREALLOC);
MAP(sip_members, BPF_MAP_TYPE_HASH, struct member_key, __u32, 16384, BPF_F_NO_PREALLOC);
MAP(sip_routes, BPF_MAP_TYPE_LPM_TRIE, struct route_key, struct route, 4096, BPF_F_NO_PREALLOC);
MAP(sip_conntrack, BPF_MAP_TYPE_LRU_HASH, struct tuple, struct flow, 16384, 0);
MAP(sip_affinity, BPF_MAP_TYPE_LRU_HASH, struct affinity_key, struct affinity, 1024, 0);
MAP(sip_fragments, BPF_MAP_TYPE_LRU_HASH, struct fragment_key, struct fragment, 256, 0);
MAP(sip_sockets, BPF_MAP_TYPE_LRU_HASH, struct socket_key, struct backend, 1024, 0);

static __always_inline const struct settings *settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&sip_settings, &zero);
}

static __always_inline const struct route *route_to(__be32 addr)
{
	struct route_key key = {.prefixlen = 32, .addr = addr};

	return bpf_map_lookup_elem(&sip_routes, &key);
}

static __always_inline int route_is(__be32 addr, __u32 flags)
{
	const struct route *route = route_to(addr);

	return route && (route->flags & flags) == flags;
}

#endif
