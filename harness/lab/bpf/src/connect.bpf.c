// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
// The node's cgroup: connect-time load balancing. connect() to a service becomes connect() to a backend, so no
// packet of the connection ever carries the service's address. For datagrams (setting "Enabled") sendmsg() and
// recvmsg() do the same and its inverse.
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include "services.h"

static __always_inline int wanted(const struct bpf_sock_addr *ctx, const struct settings *s)
{
	if (ctx->protocol == IPPROTO_TCP)
		return s->flags & SETTING_CONNECT_TCP;
	return ctx->protocol == IPPROTO_UDP && s->flags & SETTING_CONNECT_UDP;
}

static __always_inline int chosen_for(struct bpf_sock_addr *ctx, struct backend *backend)
{
	const struct settings *s = settings();
	struct frontend_key key = {.addr = ctx->user_ip4, .port = ctx->user_port, .proto = ctx->protocol};

	if (!s || !wanted(ctx, s))
		return 0;
	/* The source address is not known yet; affinity keeps the network namespace instead. */
	return choose(&key, FROM_INSIDE, bpf_get_netns_cookie(ctx), backend) == CHOSEN;
}

/* Let recvmsg() find the service again by the backend's address. */
static __always_inline void keep_reply(struct bpf_sock_addr *ctx, const struct backend *backend)
{
	struct socket_key key = {
		.cookie = bpf_get_socket_cookie(ctx), .addr = backend->addr, .port = backend->port, .reply = 1};
	struct backend service = {.addr = ctx->user_ip4, .port = ctx->user_port};

	bpf_map_update_elem(&sip_sockets, &key, &service, BPF_ANY);
}

SEC("cgroup/connect4")
int sip_connect4(struct bpf_sock_addr *ctx)
{
	struct backend backend;

	if (!chosen_for(ctx, &backend))
		return 1;
	if (ctx->protocol == IPPROTO_UDP)
		keep_reply(ctx, &backend);
	ctx->user_ip4 = backend.addr;
	ctx->user_port = backend.port;
	return 1;
}

SEC("cgroup/sendmsg4")
int sip_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct socket_key key = {
		.cookie = bpf_get_socket_cookie(ctx), .addr = ctx->user_ip4, .port = ctx->user_port};
	struct backend backend, *last = bpf_map_lookup_elem(&sip_sockets, &key);

	if (last) {
		backend = *last;
	} else {
		if (!chosen_for(ctx, &backend))
			return 1;
		bpf_map_update_elem(&sip_sockets, &key, &backend, BPF_ANY);
	}
	keep_reply(ctx, &backend);
	ctx->user_ip4 = backend.addr;
	ctx->user_port = backend.port;
	return 1;
}

SEC("cgroup/recvmsg4")
int sip_recvmsg4(struct bpf_sock_addr *ctx)
{
	struct socket_key key = {
		.cookie = bpf_get_socket_cookie(ctx), .addr = ctx->user_ip4, .port = ctx->user_port, .reply = 1};
	struct backend *service = bpf_map_lookup_elem(&sip_sockets, &key);

	if (!service)
		return 1;
	ctx->user_ip4 = service->addr;
	ctx->user_port = service->port;
	return 1;
}

char _license[] SEC("license") = "GPL";
