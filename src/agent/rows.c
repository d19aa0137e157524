/* See rows.h: reading and changing the kernel's rows. One dump of an overlay serves all its owners. */
#include "agent/rows.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An owner while its overlay is worked on. */
struct task {
	const struct owner *owner;
	struct rows_result *result;
	struct site site;
	struct actual actual;
	struct plan plan;
};

/* The owners of one overlay, sorted by MAC and by address, so that a row of a large dump finds its owner. */
struct key {
	struct mac mac;
	struct ip ip;
	struct task *task;
};

struct group {
	struct overlay *overlay;
	struct task *tasks;
	size_t n;
	struct key *macs, *ips;
	size_t n_macs, n_ips;
};

static int compare_macs(const void *a, const void *b) {
	return memcmp(&((const struct key *)a)->mac, &((const struct key *)b)->mac, sizeof(struct mac));
}

static int compare_ips(const void *a, const void *b) {
	return ip_compare(&((const struct key *)a)->ip, &((const struct key *)b)->ip);
}

/* The first of those equal to it, or NULL. */
static const struct key *find_first(const struct key *keys, size_t n, const struct key *wanted,
				    int (*compare)(const void *, const void *)) {
	const struct key *found = n ? bsearch(wanted, keys, n, sizeof(*keys), compare) : NULL;

	while (found && found > keys && compare(found - 1, wanted) == 0)
		found--;
	return found;
}

static void index_group(struct group *g) {
	g->macs = xnew_n(struct key, g->n);
	g->ips = xnew_n(struct key, 2 * g->n);
	for (size_t i = 0; i < g->n; i++) {
		const struct owner *owner = g->tasks[i].owner;
		g->macs[g->n_macs++] = (struct key){.mac = owner->mac, .task = &g->tasks[i]};
		if (ip_is_set(&owner->ip))
			g->ips[g->n_ips++] = (struct key){.ip = owner->ip, .task = &g->tasks[i]};
		if (ip_is_set(&owner->ip6))
			g->ips[g->n_ips++] = (struct key){.ip = owner->ip6, .task = &g->tasks[i]};
	}
	qsort(g->macs, g->n_macs, sizeof(*g->macs), compare_macs);
	qsort(g->ips, g->n_ips, sizeof(*g->ips), compare_ips);
}

/* ---- reading ---- */

static void actual_clear(struct actual *a) {
	free(a->fdb);
	free(a->neigh);
	*a = (struct actual){0};
}

static void forget_fdb(struct group *g) {
	for (size_t i = 0; i < g->n; i++)
		g->tasks[i].actual.n_fdb = 0;
}

static void forget_neigh(struct group *g) {
	for (size_t i = 0; i < g->n; i++)
		g->tasks[i].actual.n_neigh = 0;
}

static bool concerns(const struct site *site, const struct fdb_row *row) {
	return site->vxlan && (row->self ? row->ifindex == site->vxlan->ifindex : row->master == site->vxlan->master);
}

static int on_fdb(void *arg, const struct fdb_row *row, struct err *err) {
	struct group *g = arg;

	(void)err;
	if (!row) {
		forget_fdb(g);
		return 0;
	}
	struct key wanted = {.mac = row->mac};
	const struct key *k = find_first(g->macs, g->n_macs, &wanted, compare_macs);
	for (; k && k < g->macs + g->n_macs && mac_equal(&k->mac, &row->mac); k++) {
		struct actual *a = &k->task->actual;
		if (!concerns(&k->task->site, row))
			continue;
		a->fdb = xreallocarray(a->fdb, a->n_fdb + 1, sizeof(*a->fdb));
		a->fdb[a->n_fdb++] = *row;
	}
	return 0;
}

static int on_neigh(void *arg, const struct neigh_row *row, struct err *err) {
	struct group *g = arg;

	(void)err;
	if (!row) {
		forget_neigh(g);
		return 0;
	}
	struct key wanted = {.ip = row->ip};
	const struct key *k = find_first(g->ips, g->n_ips, &wanted, compare_ips);
	for (; k && k < g->ips + g->n_ips && ip_equal(&k->ip, &row->ip); k++) {
		struct actual *a = &k->task->actual;
		if (!k->task->site.vxlan || row->ifindex != k->task->site.vxlan->ifindex)
			continue;
		a->neigh = xreallocarray(a->neigh, a->n_neigh + 1, sizeof(*a->neigh));
		a->neigh[a->n_neigh++] = *row;
	}
	return 0;
}

static int read_rows(struct group *g, struct err *err) {
	int r;

	forget_fdb(g);
	forget_neigh(g);
	if ((r = fdb_dump(g->overlay->sock, 0, on_fdb, g, err)) < 0)
		return r;
	return g->n_ips > 0 ? neigh_dump(g->overlay->sock, 0, on_neigh, g, err) : 0;
}

/* ---- where an owner is at home ---- */

static const struct link_row *find_port(const struct overlay *o, const char *netns_dir, const struct owner *owner) {
	struct sandbox s;

	if (!owner->local || sandbox_open(netns_dir, owner->local, &s, NULL) < 0)
		return NULL;
	const struct link_row *inside = sandbox_link(&s, &owner->mac);
	const struct link_row *port = inside ? overlay_port_of(o, inside) : NULL;
	sandbox_clear(&s);
	return port;
}

static void find_site(struct task *t, struct overlay *o, const char *netns_dir) {
	t->site.overlay = o;
	t->site.vxlan = overlay_vxlan(o, &t->owner->ip);
	const struct link_row *port = t->site.vxlan ? find_port(o, netns_dir, t->owner) : NULL;
	t->site.port = port && port->master == t->site.vxlan->master ? port : NULL;
}

/* ---- texts ---- */

static const char *name_of(const struct overlay *o, unsigned ifindex) {
	const struct link_row *link = inventory_link(&o->inv, ifindex);
	return link ? link->name : "?";
}

static void add_fdb_text(struct strs *texts, const struct overlay *o, const struct fdb_row *row) {
	static const char *const states[] = {[FDB_LEARNED] = "", [FDB_STATIC] = " static", [FDB_PERMANENT] = " permanent"};
	char mac[MAC_TEXT_MAX], ip[IP_TEXT_MAX];
	bool has_dst = ip_is_set(&row->dst);
	CLEANUP_FREE char *text =
		xasprintf("%s dev %s%s%s%s%s%s%s%s", mac_format(&row->mac, mac), name_of(o, row->ifindex), has_dst ? " dst " : "",
			  has_dst ? ip_format(&row->dst, ip) : "", row->sticky ? " sticky" : "", row->self ? " self" : " master ",
			  row->self ? "" : name_of(o, row->master), row->external ? " extern_learn" : "", states[row->state]);

	strs_add(texts, text);
}

static void add_neigh_text(struct strs *texts, const struct overlay *o, const struct neigh_row *row) {
	char mac[MAC_TEXT_MAX], ip[IP_TEXT_MAX];
	CLEANUP_FREE char *text =
		xasprintf("%s dev %s%s%s%s", ip_format(&row->ip, ip), name_of(o, row->ifindex), row->has_mac ? " lladdr " : "",
			  row->has_mac ? mac_format(&row->mac, mac) : "", neigh_is_permanent(row) ? " PERMANENT" : "");

	strs_add(texts, text);
}

static void describe(const struct task *t, struct strs *texts) {
	strs_clear(texts);
	for (size_t i = 0; i < t->actual.n_fdb; i++)
		if (t->actual.fdb[i].vlan == 0)
			add_fdb_text(texts, t->site.overlay, &t->actual.fdb[i]);
	for (size_t i = 0; i < t->actual.n_neigh; i++)
		add_neigh_text(texts, t->site.overlay, &t->actual.neigh[i]);
}

/* ---- changing ---- */

static int apply(struct nlsock *sock, const struct change *c, struct err *err) {
	switch (c->kind) {
	case CHANGE_FDB_SET:
		return fdb_replace(sock, &c->fdb, err);
	case CHANGE_FDB_DELETE:
		return fdb_delete(sock, &c->fdb, err);
	case CHANGE_NEIGH_SET:
		return neigh_replace_permanent(sock, c->neigh.ifindex, &c->neigh.ip, &c->neigh.mac, err);
	case CHANGE_NEIGH_DELETE:
		return neigh_delete(sock, c->neigh.ifindex, &c->neigh.ip, err);
	case CHANGE_KIND_MAX:
		break;
	}
	return 0;
}

static void set_error(struct rows_result *result, const char *text) {
	if (*text && !result->error)
		result->error = xstrdup(text);
}

static void apply_plan(struct task *t) {
	struct err err;

	for (size_t i = 0; i < t->plan.n; i++) {
		int r = apply(t->site.overlay->sock, &t->plan.changes[i], &err);
		if (r == -ENOENT) /* somebody else was faster */
			continue;
		if (r < 0)
			set_error(t->result, err.msg);
		else
			t->result->changed++;
	}
}

static void plan_task(struct task *t, enum rows_mode mode) {
	t->plan = (struct plan){0};
	if (!t->site.vxlan) {
		snprintf(t->plan.error, sizeof(t->plan.error), "the overlay's namespace has no VXLAN device for this address");
		return;
	}
	if (mode == ROWS_FORGET)
		rows_plan_forget(t->owner, &t->site, &t->actual, &t->plan);
	else
		rows_plan(t->owner, &t->site, &t->actual, &t->plan);
}

static size_t plan_and_apply(struct group *g, enum rows_mode mode) {
	size_t changed = 0;

	for (size_t i = 0; i < g->n; i++) {
		struct task *t = &g->tasks[i];
		describe(t, &t->result->before);
		plan_task(t, mode);
		if (mode != ROWS_LOOK)
			apply_plan(t);
		changed += t->result->changed;
	}
	return changed;
}

static void note_way(struct task *t) {
	for (size_t i = 0; i < t->actual.n_fdb; i++) {
		const struct fdb_row *row = &t->actual.fdb[i];
		const struct link_row *port = inventory_link(&t->site.overlay->inv, row->ifindex);
		if (row->self)
			t->result->via = row->dst;
		else if (row->vlan == 0 && port && strcmp(port->kind, "veth") == 0)
			t->result->on_port = true;
	}
}

/* What holds is judged by what the kernel has, not by what it acknowledged. */
static void judge(struct group *g, enum rows_mode mode) {
	for (size_t i = 0; i < g->n; i++) {
		struct task *t = &g->tasks[i];
		describe(t, &t->result->after);
		note_way(t);
		plan_task(t, mode);
		set_error(t->result, t->plan.error);
		t->result->right = t->plan.n == 0 && !t->result->error;
	}
}

static int work_group(struct group *g, const char *netns_dir, enum rows_mode mode, struct err *err) {
	int r = overlay_read(g->overlay, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < g->n; i++)
		find_site(&g->tasks[i], g->overlay, netns_dir);
	if ((r = read_rows(g, err)) < 0)
		return r;
	if (plan_and_apply(g, mode) > 0 && (r = read_rows(g, err)) < 0)
		return r;
	judge(g, mode);
	return 0;
}

static void group_clear(struct group *g) {
	for (size_t i = 0; i < g->n; i++)
		actual_clear(&g->tasks[i].actual);
	free(g->tasks);
	free(g->macs);
	free(g->ips);
}

static void work_overlay(struct overlay *o, const char *netns_dir, enum rows_mode mode, const struct owner *owners, size_t n,
			 struct rows_result *results) {
	struct group g = {.overlay = o, .tasks = xnew_n(struct task, n)};
	struct err err;

	for (size_t i = 0; i < n; i++) {
		if (!owner_is_on(&owners[i], o->network))
			continue;
		results[i].joined = true;
		g.tasks[g.n++] = (struct task){.owner = &owners[i], .result = &results[i]};
	}
	index_group(&g);
	if (g.n > 0 && work_group(&g, netns_dir, mode, &err) < 0)
		for (size_t i = 0; i < g.n; i++)
			set_error(g.tasks[i].result, err.msg);
	group_clear(&g);
}

void rows_work(struct scene *scene, const char *netns_dir, enum rows_mode mode, const struct owner *owners, size_t n,
	       struct rows_result *results) {
	memset(results, 0, n * sizeof(*results));
	for (size_t i = 0; i < scene->n; i++)
		work_overlay(scene->overlays[i], netns_dir, mode, owners, n, results);
	for (size_t i = 0; i < n; i++)
		if (!results[i].joined)
			results[i].right = true; /* nothing here can send anything anywhere */
}

void rows_results_free(struct rows_result *results, size_t n) {
	for (size_t i = 0; i < n; i++) {
		strs_clear(&results[i].before);
		strs_clear(&results[i].after);
		free(results[i].error);
	}
	free(results);
}
