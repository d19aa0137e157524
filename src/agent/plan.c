/* See rows.h: what is to be changed. Pure. */
#include "agent/rows.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void add_fdb(struct plan *p, enum change_kind kind, const struct fdb_row *row) {
	if (p->n < CHANGES_MAX) /* the rest is found by the look that follows */
		p->changes[p->n++] = (struct change){.kind = kind, .fdb = *row};
}

static void add_neigh(struct plan *p, enum change_kind kind, const struct neigh_row *row) {
	if (p->n < CHANGES_MAX)
		p->changes[p->n++] = (struct change){.kind = kind, .neigh = *row};
}

static bool is_veth(const struct site *site, unsigned ifindex) {
	const struct link_row *link = inventory_link(&site->overlay->inv, ifindex);
	return link && strcmp(link->kind, "veth") == 0;
}

static bool is_own_row(const struct fdb_row *row, const struct site *site) {
	return row->self && row->ifindex == site->vxlan->ifindex;
}

/* A bridge without VLAN filtering, as overlays have, looks at VLAN 0 only. */
static bool is_bridge_row(const struct fdb_row *row, const struct site *site) {
	return !row->self && row->vlan == 0 && row->master == site->vxlan->master;
}

/* ---- the VXLAN device's row ---- */

static bool points_to(const struct fdb_row *row, const struct link_vxlan *vxlan, const struct ip *vtep) {
	return ip_equal(&row->dst, vtep) && row->state == FDB_PERMANENT && row->nexthop == 0 &&
	       (row->vni == 0 || row->vni == vxlan->vni) && (row->port == 0 || row->port == vxlan->port);
}

static void plan_own_row(const struct owner *owner, const struct site *site, const struct actual *actual, struct plan *p) {
	struct fdb_row wanted = {
		.mac = owner->mac, .ifindex = site->vxlan->ifindex, .self = true, .state = FDB_PERMANENT, .dst = owner->vtep};

	for (size_t i = 0; i < actual->n_fdb; i++)
		if (is_own_row(&actual->fdb[i], site) && points_to(&actual->fdb[i], &site->vxlan->vxlan, &owner->vtep))
			return;
	add_fdb(p, CHANGE_FDB_SET, &wanted);
}

/* ---- the bridge's row ---- */

/* A container of this node that still sends with the MAC teaches the bridge; only cutting it off helps. What is sticky was put
 * there by us, when the owner lived here. */
static void plan_bridge_row_elsewhere(const struct site *site, const struct actual *actual, struct plan *p) {
	for (size_t i = 0; i < actual->n_fdb; i++) {
		const struct fdb_row *row = &actual->fdb[i];
		if (!is_bridge_row(row, site) || !is_veth(site, row->ifindex))
			continue;
		if (row->sticky)
			add_fdb(p, CHANGE_FDB_DELETE, row);
		else
			snprintf(p->error, sizeof(p->error), "a container on this node sends from this MAC, through %s",
				 inventory_link(&site->overlay->inv, row->ifindex)->name);
	}
}

static void plan_bridge_row_here(const struct owner *owner, const struct site *site, const struct actual *actual, struct plan *p) {
	struct fdb_row wanted = {.mac = owner->mac, .ifindex = site->port->ifindex, .state = FDB_STATIC, .sticky = true};

	for (size_t i = 0; i < actual->n_fdb; i++) {
		const struct fdb_row *row = &actual->fdb[i];
		if (is_bridge_row(row, site) && row->ifindex == wanted.ifindex && row->state == FDB_STATIC && row->sticky)
			return;
	}
	add_fdb(p, CHANGE_FDB_SET, &wanted);
}

/* ---- the proxy's rows ---- */

static void plan_proxy_elsewhere(const struct owner *owner, const struct ip *ip, const struct site *site,
				 const struct actual *actual, struct plan *p) {
	struct neigh_row wanted = {.ip = *ip, .ifindex = site->vxlan->ifindex, .has_mac = true, .mac = owner->mac};

	if (!ip_is_set(ip))
		return;
	for (size_t i = 0; i < actual->n_neigh; i++) {
		const struct neigh_row *row = &actual->neigh[i];
		if (ip_equal(&row->ip, ip) && row->has_mac && mac_equal(&row->mac, &owner->mac) && neigh_is_permanent(row))
			return;
	}
	add_neigh(p, CHANGE_NEIGH_SET, &wanted);
}

static void plan_proxy_here(const struct actual *actual, struct plan *p) {
	for (size_t i = 0; i < actual->n_neigh; i++)
		if (actual->neigh[i].has_mac)
			add_neigh(p, CHANGE_NEIGH_DELETE, &actual->neigh[i]);
}

/* ---- all of them ---- */

void rows_plan(const struct owner *owner, const struct site *site, const struct actual *actual, struct plan *ret) {
	*ret = (struct plan){0};
	if (owner->local && !site->port) {
		snprintf(ret->error, sizeof(ret->error), "sandbox %.64s has no link with this MAC in the overlay", owner->local);
		return;
	}
	plan_own_row(owner, site, actual, ret);
	if (owner->local) { /* the proxy goes first: its next answer would undo the bridge's row where that is not sticky */
		plan_proxy_here(actual, ret);
		plan_bridge_row_here(owner, site, actual, ret);
		return;
	}
	plan_proxy_elsewhere(owner, &owner->ip, site, actual, ret);
	if (inventory_subnet(&site->overlay->inv, site->vxlan->master, &owner->ip6)) /* else IPv6 may be off there */
		plan_proxy_elsewhere(owner, &owner->ip6, site, actual, ret);
	plan_bridge_row_elsewhere(site, actual, ret);
}

/* A sticky row is ours. The VXLAN device's row is when it is as we wrote it; where the VTEP is not known any more (an earlier run)
 * only beside a sticky one, where it is the row to the own VTEP, which no engine writes. */
void rows_plan_forget(const struct owner *owner, const struct site *site, const struct actual *actual, struct plan *ret) {
	bool sticky = false;

	*ret = (struct plan){0};
	for (size_t i = 0; i < actual->n_fdb; i++) {
		const struct fdb_row *row = &actual->fdb[i];
		if (!is_bridge_row(row, site) || !row->sticky)
			continue;
		add_fdb(ret, CHANGE_FDB_DELETE, row);
		sticky = true;
	}
	for (size_t i = 0; i < actual->n_fdb; i++) {
		const struct fdb_row *row = &actual->fdb[i];
		bool written = ip_is_set(&owner->vtep) ? points_to(row, &site->vxlan->vxlan, &owner->vtep) : sticky;
		if (is_own_row(row, site) && written)
			add_fdb(ret, CHANGE_FDB_DELETE, row);
	}
}
