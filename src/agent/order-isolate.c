/* POST /v1/isolate: a stale copy's link is put down at both ends, in the kernel, whatever its engine believes. */
#include "agent/order.h"

#include "agent/keeper.h"
#include "agent/owners-internal.h"
#include "base/alloc.h"
#include "net/netlink/fdb.h"

#include <errno.h>
#include <string.h>

struct cutting {
	const struct wire_stale *stale;
	const struct owner *owner; /* the stale one's MAC and address; its local is a sandbox that must not be cut, or NULL */
	struct overlay *overlay;   /* NULL: not joined */
	struct wire_cut *cut;
};

/* The port goes down at the bridge's side, too: whoever can put the link up again inside, the container, cannot do it here. */
static int cut_port(const struct cutting *c, const struct link_row *port, struct err *err) {
	struct fdb_row row = {.mac = c->owner->mac, .ifindex = port->ifindex, .state = FDB_STATIC};

	int r = link_set_up(c->overlay->sock, port->ifindex, false, err);
	if (r < 0)
		return r;
	(void)fdb_delete(c->overlay->sock, &row, NULL); /* a sticky row of ours; there may be none */
	return 0;
}

static int cut_in(void *arg, struct sandbox *s, struct err *err) {
	struct cutting *c = arg;
	const struct link_row *link = sandbox_link(s, &c->owner->mac);
	const struct link_row *port = link && c->overlay ? overlay_port_of(c->overlay, link) : NULL;

	if (!link || (ip_is_set(&c->owner->ip) && !inventory_has_addr(&s->inv, link->ifindex, &c->owner->ip)))
		return 0;
	if (!c->stale->sandbox && c->overlay && !port) /* the same address in another overlay */
		return 0;
	if (c->owner->local && strcmp(c->owner->local, s->name) == 0)
		return err_set(err, -EPERM, "sandbox %.64s is its owner's", s->name);
	int r = link_set_up(s->sock, link->ifindex, false, err);
	if (r == 0 && port)
		r = cut_port(c, port, err);
	c->cut->cut += r == 0;
	return r;
}

static int cut_everywhere(struct cutting *c, const char *netns_dir, struct err *err) {
	struct sandbox s;

	int r = c->overlay ? overlay_read(c->overlay, err) : 0;
	if (r < 0)
		return r;
	if (!c->stale->sandbox)
		return sandbox_each(netns_dir, cut_in, c, err);
	r = sandbox_open(netns_dir, c->stale->sandbox, &s, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r; /* it is gone, which is even better */
	r = cut_in(c, &s, err);
	sandbox_clear(&s);
	return r;
}

static void work_isolate(struct order *o, struct kernel *kernel) {
	if (!order_refresh(o, kernel))
		return;
	wire_list_alloc(&o->answer.cuts.containers, o->n_values);
	for (size_t i = 0; i < o->n_values; i++) {
		struct err err;
		struct cutting c = {
			.stale = &o->isolate->containers.v[i],
			.owner = &o->values[i],
			.overlay = scene_overlay(&kernel->scene, o->values[i].network_id),
			.cut = &o->answer.cuts.containers.v[i],
		};
		if (cut_everywhere(&c, kernel->host.netns_dir, &err) < 0)
			c.cut->error = xstrdup(err.msg);
	}
}

/* The manager names a sandbox that it made the owner's itself, before: the owner has moved on since, while this node was away. */
static bool has_moved_on(const struct wire_stale *stale, const struct owner *owner) {
	return stale->sandbox && owner->local && strcmp(stale->sandbox, owner->local) == 0;
}

static struct owner stale_value(struct keeper *keeper, const struct wire_stale *stale) {
	struct owner value = {.network_id = xstrdup(stale->network_id)};

	(void)mac_parse(stale->mac, &value.mac, NULL); /* both checked by the message */
	if (stale->ip)
		(void)ip_parse(stale->ip, &value.ip, NULL);
	const struct owner *owner = keeper_find(keeper, value.network_id, &value.mac);
	if (owner && has_moved_on(stale, owner))
		keeper_forget(keeper, value.network_id, &value.mac);
	else if (owner)
		value.local = xstrdup_null(owner->local);
	return value;
}

static void before_isolate(struct order *o) {
	o->n_values = o->isolate->containers.n;
	o->values = xnew_n(struct owner, o->n_values);
	for (size_t i = 0; i < o->n_values; i++)
		o->values[i] = stale_value(o->service->keeper, &o->isolate->containers.v[i]);
}

const struct order_kind order_isolate = {
	.message = &wire_isolate_order_shape, .answer = &wire_cuts_shape, .before = before_isolate, .work = work_isolate};
