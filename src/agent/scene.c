/* See scene.h. */
#include "agent/scene.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- inventories ---- */

static int on_link(void *arg, const struct link_row *row, struct err *err) {
	struct inventory *inv = arg;

	(void)err;
	if (!row) {
		inv->n_links = 0;
		return 0;
	}
	inv->links = xreallocarray(inv->links, inv->n_links + 1, sizeof(*inv->links));
	inv->links[inv->n_links++] = *row;
	return 0;
}

static int on_addr(void *arg, const struct addr_row *row, struct err *err) {
	struct inventory *inv = arg;

	(void)err;
	if (!row) {
		inv->n_addrs = 0;
		return 0;
	}
	inv->addrs = xreallocarray(inv->addrs, inv->n_addrs + 1, sizeof(*inv->addrs));
	inv->addrs[inv->n_addrs++] = *row;
	return 0;
}

int inventory_read(struct nlsock *sock, struct inventory *ret, struct err *err) {
	int r;

	inventory_clear(ret);
	if ((r = link_dump(sock, on_link, ret, err)) < 0)
		return r;
	return addr_dump(sock, on_addr, ret, err);
}

void inventory_clear(struct inventory *inv) {
	free(inv->links);
	free(inv->addrs);
	*inv = (struct inventory){0};
}

const struct link_row *inventory_link(const struct inventory *inv, unsigned ifindex) {
	for (size_t i = 0; i < inv->n_links; i++)
		if (inv->links[i].ifindex == ifindex)
			return &inv->links[i];
	return NULL;
}

bool inventory_has_addr(const struct inventory *inv, unsigned ifindex, const struct ip *ip) {
	for (size_t i = 0; i < inv->n_addrs; i++)
		if (inv->addrs[i].ifindex == ifindex && ip_equal(&inv->addrs[i].ip, ip))
			return true;
	return false;
}

static bool same_prefix(const struct ip *a, const struct ip *b, unsigned bits) {
	size_t whole = bits / 8;

	if (a->family != b->family || bits == 0 || bits > 8 * ip_size(a))
		return false;
	if (memcmp(a->bytes, b->bytes, whole) != 0)
		return false;
	unsigned mask = (0xff00u >> (bits % 8)) & 0xff;
	return bits % 8 == 0 || ((a->bytes[whole] ^ b->bytes[whole]) & mask) == 0;
}

const struct addr_row *inventory_subnet(const struct inventory *inv, unsigned ifindex, const struct ip *ip) {
	for (size_t i = 0; i < inv->n_addrs; i++) {
		const struct addr_row *a = &inv->addrs[i];
		if (a->ifindex == ifindex && same_prefix(&a->ip, ip, a->prefix))
			return a;
	}
	return NULL;
}

/* ---- overlays ---- */

static void overlay_free(struct overlay *o) {
	if (!o)
		return;
	nlsock_free(o->sock);
	netns_close(&o->ns);
	inventory_clear(&o->inv);
	free(o);
}

void scene_clear(struct scene *scene) {
	for (size_t i = 0; i < scene->n; i++)
		overlay_free(scene->overlays[i]);
	free(scene->overlays);
	*scene = (struct scene){0};
}

struct overlay *scene_overlay(const struct scene *scene, const char *network_id) {
	for (size_t i = 0; i < scene->n; i++)
		if (strncmp(network_id, scene->overlays[i]->network, strlen(scene->overlays[i]->network)) == 0)
			return scene->overlays[i];
	return NULL;
}

static struct overlay *find_same(const struct scene *scene, const struct netns *ns) {
	for (size_t i = 0; i < scene->n; i++)
		if (netns_same(&scene->overlays[i]->ns, ns))
			return scene->overlays[i];
	return NULL;
}

static int add_overlay(struct scene *scene, const struct netns_entry *entry, struct netns *ns, struct err *err) {
	struct nlsock *sock;

	int r = nlsock_open(ns->fd, &sock, err);
	if (r < 0)
		return r;
	struct overlay *o = xnew(struct overlay);
	*o = (struct overlay){.ns = *ns, .sock = sock, .seen = true};
	*ns = NETNS_NONE;
	snprintf(o->network, sizeof(o->network), "%s", entry->network);
	scene->overlays = xreallocarray(scene->overlays, scene->n + 1, sizeof(struct overlay *));
	scene->overlays[scene->n++] = o;
	return 0;
}

/* An entry that is gone, or a plain file that an engine left behind, is none. */
static int on_entry(void *arg, const struct netns_entry *entry, struct err *err) {
	CLEANUP_NETNS struct netns ns = NETNS_NONE;
	struct scene *scene = arg;

	if (entry->kind != NETNS_OVERLAY || netns_open(entry->path, &ns, NULL) < 0)
		return 0;
	struct overlay *known = find_same(scene, &ns);
	if (!known)
		return add_overlay(scene, entry, &ns, err);
	known->seen = true;
	return 0;
}

static void drop_unseen(struct scene *scene) {
	size_t kept = 0;

	for (size_t i = 0; i < scene->n; i++) {
		if (scene->overlays[i]->seen)
			scene->overlays[kept++] = scene->overlays[i];
		else
			overlay_free(scene->overlays[i]);
	}
	scene->n = kept;
}

int scene_refresh(struct scene *scene, const char *netns_dir, struct err *err) {
	for (size_t i = 0; i < scene->n; i++)
		scene->overlays[i]->seen = false;
	int r = netns_scan_dir(netns_dir, on_entry, scene, err);
	if (r == 0)
		drop_unseen(scene);
	return r;
}

int overlay_read(struct overlay *o, struct err *err) {
	if (inventory_read(o->sock, &o->inv, err) < 0)
		return err_wrap(err, "overlay %s", o->network);
	return 0;
}

const struct link_row *overlay_vxlan(const struct overlay *o, const struct ip *ip) {
	const struct link_row *only = NULL;
	size_t n = 0;

	for (size_t i = 0; i < o->inv.n_links; i++) {
		const struct link_row *link = &o->inv.links[i];
		if (!link->is_vxlan || link->master == 0)
			continue;
		if (ip_is_set(ip) && inventory_subnet(&o->inv, link->master, ip))
			return link;
		only = link;
		n++;
	}
	return n == 1 ? only : NULL;
}

const struct link_row *overlay_port_of(const struct overlay *o, const struct link_row *inside) {
	const struct link_row *port = inside->peer ? inventory_link(&o->inv, inside->peer) : NULL;

	return port && strcmp(port->kind, "veth") == 0 && port->peer == inside->ifindex ? port : NULL;
}

/* ---- sandboxes ---- */

int sandbox_open(const char *netns_dir, const char *name, struct sandbox *ret, struct err *err) {
	CLEANUP_FREE char *path = xasprintf("%s/%s", netns_dir, name);
	struct sandbox s = {.ns = NETNS_NONE};

	snprintf(s.name, sizeof(s.name), "%s", name);
	int r = netns_open(path, &s.ns, err);
	if (r == 0)
		r = nlsock_open(s.ns.fd, &s.sock, err);
	if (r == 0)
		r = inventory_read(s.sock, &s.inv, err);
	if (r < 0) {
		sandbox_clear(&s);
		(void)err_wrap(err, "sandbox %.64s", name); /* r says it */
		return r;
	}
	*ret = s;
	return 0;
}

void sandbox_clear(struct sandbox *s) {
	nlsock_free(s->sock);
	netns_close(&s->ns);
	inventory_clear(&s->inv);
	s->sock = NULL;
}

const struct link_row *sandbox_link(const struct sandbox *s, const struct mac *mac) {
	for (size_t i = 0; i < s->inv.n_links; i++)
		if (mac_equal(&s->inv.links[i].mac, mac) && strcmp(s->inv.links[i].kind, "veth") == 0)
			return &s->inv.links[i];
	return NULL;
}

struct each {
	const char *dir;
	sandbox_fn *fn;
	void *arg;
};

static int on_sandbox(void *arg, const struct netns_entry *entry, struct err *err) {
	const struct each *each = arg;
	struct sandbox s;

	if (entry->kind != NETNS_SANDBOX || strlen(entry->name) >= SANDBOX_NAME_MAX ||
	    sandbox_open(each->dir, entry->name, &s, NULL) < 0)
		return 0;
	int r = each->fn(each->arg, &s, err);
	sandbox_clear(&s);
	return r;
}

int sandbox_each(const char *netns_dir, sandbox_fn *fn, void *arg, struct err *err) {
	struct each each = {.dir = netns_dir, .fn = fn, .arg = arg};

	return netns_scan_dir(netns_dir, on_sandbox, &each, err);
}
