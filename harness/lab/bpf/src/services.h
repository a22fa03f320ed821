/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* Which backend a new flow gets. */
#ifndef SERVICES_H
#define SERVICES_H

#include "maps.h"

#define ANY_NODE 0xffffffff /* the frontend that stands for every node's address */
#define NS_PER_S 1000000000ULL

enum scope {
	FROM_OUTSIDE,
	FROM_INSIDE,
	FROM_TUNNEL, /* another node has chosen this one */
};

enum choice {
	NO_FRONTEND,
	NO_BACKEND,
	NOT_ANY_MORE, /* neither these programs nor the stack may take it */
	CHOSEN,
};

static __always_inline struct frontend *frontend_of(struct frontend_key *key, int scope)
{
	struct frontend *found = bpf_map_lookup_elem(&sip_frontends, key);

	if (found || scope == FROM_OUTSIDE || !route_is(key->addr, ROUTE_HOST))
		return found;
	key->addr = ANY_NODE;
	return bpf_map_lookup_elem(&sip_frontends, key);
}

static __always_inline __u32 usable(const struct frontend *frontend, int scope)
{
	if (scope == FROM_TUNNEL || (scope == FROM_OUTSIDE && frontend->flags & FRONTEND_EXTERNAL_LOCAL) ||
	    (scope == FROM_INSIDE && frontend->flags & FRONTEND_INTERNAL_LOCAL))
		return frontend->local;
	return frontend->count;
}

static __always_inline int is_among(const struct frontend *frontend, __u32 count, const struct backend *wanted)
{
	struct member_key key = {.id = frontend->id, .backend = *wanted};
	__u32 *ordinal = bpf_map_lookup_elem(&sip_members, &key);

	return ordinal && *ordinal < count;
}

static __always_inline int by_affinity(const struct frontend *frontend, __u32 count, struct affinity_key *key,
				       struct backend *chosen)
{
	struct affinity *last = bpf_map_lookup_elem(&sip_affinity, key);
	__u64 now = bpf_ktime_get_ns();

	if (!last || now - last->seen_ns > frontend->affinity_s * NS_PER_S)
		return 0;
	*chosen = last->backend;
	if (!is_among(frontend, count, chosen))
		return 0;
	last->seen_ns = now;
	return 1;
}

static __always_inline int at_random(const struct frontend *frontend, __u32 count, struct backend *chosen)
{
	struct backend_key key = {.id = frontend->id, .ordinal = bpf_get_prandom_u32() % count};
	struct backend *found = bpf_map_lookup_elem(&sip_backends, &key);

	if (!found)
		return 0;
	*chosen = *found;
	return 1;
}

NOINLINE int choose(struct frontend_key *key, int scope, __u64 client, struct backend *chosen)
{
	const struct settings *s = settings();
	struct frontend *frontend;
	struct affinity_key kept = {.client = client, .frontend = *key};
	struct affinity now;
	__u32 count;

	frontend = frontend_of(key, scope);
	if (!frontend || (scope == FROM_OUTSIDE && !(frontend->flags & FRONTEND_EXTERNAL)))
		return NO_FRONTEND;
	if (s && s->flags & SETTING_RETIRED)
		return NOT_ANY_MORE;
	count = usable(frontend, scope);
	if (!count)
		return NO_BACKEND;
	if (!frontend->affinity_s)
		return at_random(frontend, count, chosen) ? CHOSEN : NO_BACKEND;
	if (by_affinity(frontend, count, &kept, chosen))
		return CHOSEN;
	if (!at_random(frontend, count, chosen))
		return NO_BACKEND;
	now.seen_ns = bpf_ktime_get_ns();
	now.backend = *chosen;
	bpf_map_update_elem(&sip_affinity, &kept, &now, BPF_ANY);
	return CHOSEN;
}

static __always_inline int choose_for(const struct tuple *t, int scope, struct backend *chosen)
{
	struct frontend_key key = {.addr = t->dst, .port = t->dport, .proto = t->proto};

	return choose(&key, scope, t->src, chosen);
}

#endif
