/* POST /v1/verify: what the kernel says of owners, and whether they answer. Nothing is changed. */
#include "agent/order.h"

#include "agent/keeper.h"
#include "agent/owners-internal.h"
#include "agent/parallel.h"
#include "base/alloc.h"
#include "net/netlink/knock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One order while it is worked on. */
struct verify {
	struct order *order;
	struct kernel *kernel;
	struct rows_result *results;
	const struct overlay **overlays; /* of each owner; NULL: not joined */
	int *from;                       /* of each owner: a namespace to ask from; borrowed from fds, -1: none */
	int *fds;
	size_t n_fds;
};

/* ---- who has the address ---- */

static bool has_it(const struct sandbox *s, const struct owner *owner, const struct link_row *link) {
	return link && link->up && (!ip_is_set(&owner->ip) || inventory_has_addr(&s->inv, link->ifindex, &owner->ip)) &&
	       (!ip_is_set(&owner->ip6) || inventory_has_addr(&s->inv, link->ifindex, &owner->ip6));
}

static void look_for_address(struct verify *v, size_t i, const struct sandbox *s) {
	struct wire_owner_state *state = &v->order->answer.states.owners.v[i];
	const struct owner *owner = &v->order->values[i];
	const struct link_row *link = sandbox_link(s, &owner->mac);
	bool has = has_it(s, owner, link);

	if (owner->local && strcmp(owner->local, s->name) == 0)
		state->address = has ? WIRE_ADDRESS_HERE : WIRE_ADDRESS_MISSING;
	else if (has && v->overlays[i] && overlay_port_of(v->overlays[i], link))
		strs_add(&state->strays, s->name);
}

/* ---- who can ask ---- */

/* A link into the overlay with an address beside the owner's. */
static bool is_neighbour(const struct sandbox *s, const struct overlay *o, const struct ip *ip) {
	for (size_t i = 0; i < s->inv.n_links; i++) {
		const struct link_row *link = &s->inv.links[i];
		if (link->up && overlay_port_of(o, link) && inventory_subnet(&s->inv, link->ifindex, ip) &&
		    !inventory_has_addr(&s->inv, link->ifindex, ip))
			return true;
	}
	return false;
}

static int keep_descriptor(struct verify *v, const struct sandbox *s) {
	int fd = fcntl(s->ns.fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	v->fds = xreallocarray(v->fds, v->n_fds + 1, sizeof(*v->fds));
	return v->fds[v->n_fds++] = fd;
}

static int on_sandbox(void *arg, struct sandbox *s, struct err *err) {
	struct verify *v = arg;
	int fd = -1;

	(void)err;
	for (size_t i = 0; i < v->order->n_values; i++) {
		const struct owner *owner = &v->order->values[i];
		look_for_address(v, i, s);
		if (v->from[i] >= 0 || !v->overlays[i] || !ip_is_set(&owner->ip) ||
		    (owner->local && strcmp(owner->local, s->name) == 0) || !is_neighbour(s, v->overlays[i], &owner->ip))
			continue;
		if (fd < 0)
			fd = keep_descriptor(v, s);
		v->from[i] = fd;
	}
	return 0;
}

/* ---- asking ---- */

static const int echo_of[] = {
	[KNOCK_SILENT] = WIRE_ECHO_SILENT,
	[KNOCK_ANSWERED] = WIRE_ECHO_ANSWERED,
	[KNOCK_REFUSED] = WIRE_ECHO_REFUSED,
	[KNOCK_UNREACHABLE] = WIRE_ECHO_SILENT,
};

static const char *way(const struct rows_result *result, char text[IP_TEXT_MAX]) {
	if (result->on_port)
		return "local";
	return ip_is_set(&result->via) ? ip_format(&result->via, text) : NULL;
}

static void ask(void *arg, size_t i) {
	struct verify *v = arg;
	const struct wire_probe *probe = &v->order->verify->probe;
	struct wire_owner_state *state = &v->order->answer.states.owners.v[i];
	const struct ip *to = &v->order->values[i].ip;
	struct span timeout = span_ms(probe->timeout_ms);
	char text[IP_TEXT_MAX];
	struct knock knock;

	if (v->from[i] < 0)
		return;
	if (knock_icmp(v->from[i], to, timeout, &knock, NULL) == 0)
		state->icmp = echo_of[knock.sign];
	if (probe->tcp_port && knock_tcp(v->from[i], to, (uint16_t)probe->tcp_port, timeout, &knock, NULL) == 0)
		state->tcp = echo_of[knock.sign];
	if (state->icmp == WIRE_ECHO_ANSWERED || state->tcp == WIRE_ECHO_ANSWERED || state->tcp == WIRE_ECHO_REFUSED)
		state->answered_from = xstrdup_null(way(&v->results[i], text));
}

/* ---- the order ---- */

static void look(struct verify *v) {
	struct order *o = v->order;
	struct err err;

	for (size_t i = 0; i < o->n_values; i++) {
		struct wire_owner_state *state = &o->answer.states.owners.v[i];
		*state = owner_state_of(&o->verify->owners.v[i], &v->results[i]);
		state->address = o->values[i].local ? WIRE_ADDRESS_MISSING : WIRE_ADDRESS_NONE;
		v->overlays[i] = scene_overlay(&v->kernel->scene, o->values[i].network_id);
		v->from[i] = -1;
	}
	if (sandbox_each(v->kernel->host.netns_dir, on_sandbox, v, &err) < 0) {
		o->err = err;
		order_fail(o, 503);
	}
	for (size_t i = 0; i < o->n_values; i++) {
		struct wire_owner_state *state = &o->answer.states.owners.v[i];
		if (state->address == WIRE_ADDRESS_MISSING && state->strays.n > 0)
			state->address = WIRE_ADDRESS_ELSEWHERE;
	}
}

static void verify_clear(struct verify *v) {
	for (size_t i = 0; i < v->n_fds; i++)
		close(v->fds[i]);
	free(v->fds);
	free(v->from);
	free(v->overlays);
	rows_results_free(v->results, v->order->n_values);
}

static void work_verify(struct order *o, struct kernel *kernel) {
	size_t n = o->n_values;

	if (!order_refresh(o, kernel))
		return;
	struct verify v = {
		.order = o,
		.kernel = kernel,
		.results = xnew_n(struct rows_result, n),
		.overlays = xnew_n(const struct overlay *, n),
		.from = xnew_n(int, n),
	};
	wire_list_alloc(&o->answer.states.owners, n);
	rows_work(&kernel->scene, kernel->host.netns_dir, ROWS_LOOK, o->values, n, v.results);
	look(&v);
	if (o->verify->probe.timeout_ms > 0)
		parallel_for(n, ask, &v);
	verify_clear(&v);
}

static void before_verify(struct order *o) {
	o->values = owners_from_wire(&o->verify->owners);
	o->n_values = o->verify->owners.n;
}

static void after_verify(struct order *o) {
	for (size_t i = 0; i < o->answer.states.owners.n; i++)
		o->answer.states.owners.v[i].contested =
			keeper_is_contested(o->service->keeper, o->values[i].network_id, &o->values[i].mac);
}

const struct order_kind order_verify = {.message = &wire_verify_order_shape,
					.answer = &wire_verified_shape,
					.queue = ORDER_LOOKS,
					.before = before_verify,
					.work = work_verify,
					.after = after_verify};
