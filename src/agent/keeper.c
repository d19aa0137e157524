/* See keeper.h. Events of a namespace only say that it must be looked at: what is right is always judged by the whole of its rows.
 */
#include "agent/keeper.h"

#include "agent/kept.h"
#include "agent/rows.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/mono.h"
#include "net/netlink/watch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define SCAN_MS 2000
#define FORMER_MAX 1000 /* in one status: the rest comes when these are gone */
#define WATCH_BUFFER ((size_t)4 << 20)

/* A namespace that is watched. */
struct watched {
	struct keeper *keeper;
	char network[11];
	struct watch *watch;
	uv_poll_t poll;
	bool dirty;     /* something happened that matters */
	bool repairing; /* a job is under way */
	bool seen;
	struct watched *next;
};

struct keeper {
	struct service *service;
	struct kept_list owners;
	struct watched *watched;
	uv_timer_t timer;
	uv_fs_event_t folder;
	char *folder_path; /* that is watched; NULL: none */
	bool scanning, scan_again, rewatch, closed;
	int64_t repaired, flips;
	unsigned handles;
};

/* ---- the owners ---- */

void keeper_set(struct keeper *k, const struct owner *owner) {
	kept_set(&k->owners, owner);
	kept_find(&k->owners, owner->network_id, &owner->mac)->reign = k->service->reign;
}

void keeper_forget(struct keeper *k, const char *network_id, const struct mac *mac) { kept_forget(&k->owners, network_id, mac); }

const struct owner *keeper_find(const struct keeper *k, const char *network_id, const struct mac *mac) {
	const struct kept *kept = kept_find(&k->owners, network_id, mac);
	return kept ? &kept->owner : NULL;
}

bool keeper_is_contested(const struct keeper *k, const char *network_id, const struct mac *mac) {
	const struct kept *kept = kept_find(&k->owners, network_id, mac);
	return kept && kept->contested;
}

static void report_contested(const struct kept *kept, struct wire_status *status) {
	char ip[IP_TEXT_MAX], mac[MAC_TEXT_MAX];
	size_t n = status->contested.n++;

	status->contested.v = xreallocarray(status->contested.v, n + 1, sizeof(*status->contested.v));
	status->contested.v[n] = (struct wire_contested){
		.network_id = xstrdup(kept->owner.network_id),
		.mac = xstrdup(mac_format(&kept->owner.mac, mac)),
		.ip = ip_is_set(&kept->owner.ip) ? xstrdup(ip_format(&kept->owner.ip, ip)) : NULL,
		.flips = (int64_t)kept->n_flips,
	};
}

/* A manager that was started again does not know what it told before, and may not know these containers at all any more. */
static void report_former(const struct kept *kept, struct wire_status *status) {
	char mac[MAC_TEXT_MAX];
	size_t n = status->former.n++;

	status->former.v = xreallocarray(status->former.v, n + 1, sizeof(*status->former.v));
	status->former.v[n] = (struct wire_endpoint){
		.network_id = xstrdup(kept->owner.network_id),
		.mac = xstrdup(mac_format(&kept->owner.mac, mac)),
	};
}

void keeper_report(const struct keeper *k, struct wire_status *status) {
	status->owners = HASH_COUNT(k->owners.all);
	status->repaired = k->repaired;
	status->flips = k->flips;
	for (const struct kept *kept = k->owners.all; kept; kept = kept->hh.next)
		if (kept->contested)
			report_contested(kept, status);
	for (const struct kept *kept = k->owners.all; kept && status->former.n < FORMER_MAX; kept = kept->hh.next)
		if (kept->owner.watch && kept->reign != k->service->reign)
			report_former(kept, status);
}

/* ---- repairs ---- */

struct repair {
	struct keeper *keeper;
	char network[11];
	bool joined_now; /* what is missing in a new namespace is nobody's fault */
	struct owner *owners;
	size_t n;
	struct rows_result *results;
};

static void work_repair(void *job) {
	struct repair *r = job;
	struct kernel *kernel = &r->keeper->service->change_kernel;
	struct err err;

	(void)kernel_refresh(kernel, &err); /* the scan says what is wrong; what is known is still mended */
	rows_work(&kernel->scene, kernel->host.netns_dir, ROWS_MEND, r->owners, r->n, r->results);
}

/* At most one line a second for each. */
static void log_repair(struct kept *kept, const struct rows_result *result, struct mono now) {
	char ip[IP_TEXT_MAX], mac[MAC_TEXT_MAX];

	kept->unlogged++;
	if (kept->logged.ns != 0 && mono_since(kept->logged, now).ns < span_sec(1).ns)
		return;
	log_warning("repaired", LOG_STR("network", kept->owner.network_id), LOG_STR("ip", ip_format(&kept->owner.ip, ip)),
		    LOG_STR("mac", mac_format(&kept->owner.mac, mac)), LOG_INT("changed", result->changed),
		    LOG_INT("times", kept->unlogged), LOG_STR("error", result->error));
	kept->logged = now;
	kept->unlogged = 0;
}

static void count_flip(struct keeper *k, struct kept *kept, struct mono now) {
	char mac[MAC_TEXT_MAX];

	k->flips++;
	if (!kept_flip(kept, now))
		return;
	log_error("contested", LOG_STR("network", kept->owner.network_id), LOG_STR("mac", mac_format(&kept->owner.mac, mac)),
		  LOG_INT("flips", kept->n_flips), LOG_STR("next", "its rows are left alone until they are ordered again"));
}

static struct watched *find_watched(const struct keeper *k, const char *network) {
	for (struct watched *w = k->watched; w; w = w->next)
		if (strcmp(w->network, network) == 0)
			return w;
	return NULL;
}

static void repair_free(struct repair *r) {
	owners_free(r->owners, r->n);
	rows_results_free(r->results, r->n);
	free(r);
}

static void start_repair(struct keeper *k, struct watched *w, bool joined_now);

static void account(struct keeper *k, const struct repair *r, struct mono now) {
	for (size_t i = 0; i < r->n; i++) {
		struct kept *kept = kept_find(&k->owners, r->owners[i].network_id, &r->owners[i].mac);
		if (!kept || r->results[i].changed == 0)
			continue;
		k->repaired++;
		log_repair(kept, &r->results[i], now);
		if (!r->joined_now)
			count_flip(k, kept, now);
	}
}

static void done_repair(void *job, bool ran) {
	struct repair *r = job;
	struct keeper *k = r->keeper;

	if (ran && !k->closed) {
		account(k, r, mono_now());
		struct watched *w = find_watched(k, r->network);
		if (w) {
			w->repairing = false;
			if (w->dirty)
				start_repair(k, w, false);
		}
	}
	repair_free(r);
}

static bool is_to_be_kept(const struct kept *kept, const char *network) {
	return kept->owner.watch && !kept->contested && owner_is_on(&kept->owner, network);
}

static void start_repair(struct keeper *k, struct watched *w, bool joined_now) {
	w->dirty = false;
	struct repair *r = xnew(struct repair);
	memcpy(r->network, w->network, sizeof(r->network));
	r->keeper = k;
	r->joined_now = joined_now;
	for (const struct kept *kept = k->owners.all; kept; kept = kept->hh.next)
		r->n += is_to_be_kept(kept, w->network);
	r->owners = xnew_n(struct owner, r->n);
	r->results = xnew_n(struct rows_result, r->n);
	size_t n = 0;
	for (const struct kept *kept = k->owners.all; kept; kept = kept->hh.next)
		if (is_to_be_kept(kept, w->network))
			r->owners[n++] = owner_copy(&kept->owner);
	if (n == 0) {
		repair_free(r);
		return;
	}
	w->repairing = true;
	queue_push(k->service->changes, work_repair, done_repair, r);
}

/* ---- watching ---- */

static bool matters(const struct keeper *k, const struct watch_event *e) {
	switch (e->kind) {
	case WATCH_FDB:
		return kept_interests_mac(&k->owners, &e->fdb.mac);
	case WATCH_NEIGH:
		return kept_interests_ip(&k->owners, &e->neigh.ip);
	case WATCH_LINK: /* a container came or went */
	case WATCH_OVERRUN:
	case WATCH_KIND_MAX:
		break;
	}
	return k->owners.interests != NULL;
}

static void on_event(void *arg, const struct watch_event *e) {
	struct watched *w = arg;
	w->dirty = w->dirty || matters(w->keeper, e);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
	struct watched *w = poll->data;
	struct err err;

	(void)events;
	if (status < 0 || watch_read(w->watch, on_event, w, &err) < 0) {
		log_warning("watch-lost", LOG_STR("network", w->network),
			    LOG_STR("error", status < 0 ? uv_strerror(status) : err.msg), LOG_STR("next", "watched anew"));
		(void)uv_poll_stop(poll); /* cannot fail */
		w->keeper->rewatch = true;
		keeper_scan(w->keeper);
		return;
	}
	if (w->dirty && !w->repairing)
		start_repair(w->keeper, w, false);
}

static void on_watched_closed(uv_handle_t *handle) {
	struct watched *w = handle->data;
	watch_free(w->watch);
	free(w);
}

static void watched_close(struct keeper *k, struct watched *w) {
	LL_DELETE(k->watched, w);
	uv_close((uv_handle_t *)&w->poll, on_watched_closed);
}

/* Takes the watch. What happened before it was opened is seen by the repair. */
static void watched_add(struct keeper *k, const char *network, struct watch *watch) {
	struct watched *old = find_watched(k, network), *w = xnew(struct watched);

	if (old)
		watched_close(k, old);
	w->keeper = k;
	snprintf(w->network, sizeof(w->network), "%s", network);
	w->watch = watch;
	w->seen = true;
	int r = uv_poll_init(k->service->loop, &w->poll, watch_fd(watch));
	assert(r == 0); /* a socket can be polled */
	w->poll.data = w;
	LL_PREPEND(k->watched, w);
	r = uv_poll_start(&w->poll, UV_READABLE, on_readable);
	assert(r == 0);
	start_repair(k, w, true);
}

/* ---- scans ---- */

struct found {
	char network[11];
	struct watch *watch; /* new; else NULL */
};

struct scan {
	struct keeper *keeper;
	bool rewatch;
	struct found *found;
	size_t n;
	pid_t pid;
	char *dir, *control, *error;
};

static void scan_overlay(struct scan *s, struct overlay *o) {
	struct found *found = &s->found[s->n++];
	struct err err;

	memcpy(found->network, o->network, sizeof(found->network));
	if (o->watched && !s->rewatch)
		return;
	o->watched = watch_open(o->ns.fd, WATCH_BUFFER, &found->watch, &err) == 0;
	if (!o->watched && !s->error)
		s->error = xasprintf("watch overlay %s: %s", o->network, err.msg);
}

static void work_scan(void *job) {
	struct scan *s = job;
	struct kernel *kernel = &s->keeper->service->change_kernel;
	struct err err;

	if (kernel_refresh(kernel, &err) < 0)
		s->error = xstrdup(err.msg);
	s->found = xnew_n(struct found, kernel->scene.n);
	for (size_t i = 0; i < kernel->scene.n; i++)
		scan_overlay(s, kernel->scene.overlays[i]);
	s->pid = kernel->host.pid;
	s->dir = xstrdup_null(kernel->host.netns_dir);
	s->control = xstrdup_null(kernel->host.control);
}

static void on_folder(uv_fs_event_t *event, const char *name, int events, int status) {
	struct keeper *k = event->data;

	(void)name;
	(void)events;
	(void)status; /* a folder that is gone is found by the next scan */
	keeper_scan(k);
}

static void watch_folder(struct keeper *k, const char *path) {
	if (k->folder_path && path && strcmp(k->folder_path, path) == 0)
		return;
	(void)uv_fs_event_stop(&k->folder); /* cannot fail */
	xstr_replace(&k->folder_path, path);
	if (path && uv_fs_event_start(&k->folder, on_folder, path, 0) < 0)
		xstr_replace(&k->folder_path, NULL); /* without it the timer finds everything, later */
}

static void take_networks(struct keeper *k, const struct scan *s) {
	struct service *service = k->service;

	strs_clear(&service->networks);
	for (struct watched *w = k->watched; w; w = w->next)
		w->seen = false;
	for (size_t i = 0; i < s->n; i++) {
		struct watched *w = find_watched(k, s->found[i].network);
		if (w)
			w->seen = true;
		strs_add_new(&service->networks, s->found[i].network);
		if (s->found[i].watch)
			watched_add(k, s->found[i].network, TAKE_PTR(s->found[i].watch));
	}
	for (struct watched *w = k->watched, *next; w; w = next) {
		next = w->next;
		if (!w->seen)
			watched_close(k, w);
	}
}

static bool is_news(const struct service *service, const struct scan *s) {
	if (!s->error || !service->host_error)
		return s->error || service->host_error || service->engine_pid != s->pid;
	return strcmp(s->error, service->host_error) != 0;
}

static void take_host(struct keeper *k, const struct scan *s) {
	struct service *service = k->service;
	bool news = is_news(service, s);

	if (news && s->error)
		log_warning("scan", LOG_STR("error", s->error), LOG_STR("next", "tried again every two seconds"));
	else if (news)
		log_info("scan", LOG_INT("engine_pid", s->pid), LOG_INT("networks", s->n), LOG_STR("namespaces", s->dir));
	xstr_replace(&service->host_error, s->error);
	xstr_replace(&service->control, s->control);
	service->engine_pid = s->pid;
}

static void scan_free(struct scan *s) {
	for (size_t i = 0; i < s->n; i++)
		watch_free(s->found[i].watch);
	free(s->found);
	free(s->dir);
	free(s->control);
	free(s->error);
	free(s);
}

static void done_scan(void *job, bool ran) {
	struct scan *s = job;
	struct keeper *k = s->keeper;

	if (ran && !k->closed) {
		k->scanning = false;
		take_host(k, s);
		take_networks(k, s);
		watch_folder(k, s->dir);
		if (k->scan_again)
			keeper_scan(k);
	}
	scan_free(s);
}

void keeper_scan(struct keeper *k) {
	k->scan_again = k->scanning;
	if (k->scanning)
		return;
	struct scan *s = xnew(struct scan);
	s->keeper = k;
	s->rewatch = k->rewatch;
	k->rewatch = false;
	k->scanning = true;
	queue_push(k->service->changes, work_scan, done_scan, s);
}

static void on_timer(uv_timer_t *timer) {
	struct keeper *k = timer->data;
	if (!k->scanning)
		keeper_scan(k);
}

/* ---- the keeper ---- */

struct keeper *keeper_new(struct service *service) {
	struct keeper *k = xnew(struct keeper);

	k->service = service;
	(void)uv_timer_init(service->loop, &k->timer); /* cannot fail */
	(void)uv_fs_event_init(service->loop, &k->folder);
	k->timer.data = k->folder.data = k;
	k->handles = 2;
	(void)uv_timer_start(&k->timer, on_timer, SCAN_MS, SCAN_MS); /* fails without a function only */
	return k;
}

static void on_closed(uv_handle_t *handle) {
	struct keeper *k = handle->data;
	k->handles--;
}

void keeper_close(struct keeper *k) {
	if (!k || k->closed)
		return;
	k->closed = true;
	while (k->watched)
		watched_close(k, k->watched);
	uv_close((uv_handle_t *)&k->timer, on_closed);
	uv_close((uv_handle_t *)&k->folder, on_closed);
}

void keeper_free(struct keeper *k) {
	if (!k)
		return;
	assert(k->closed && k->handles == 0);
	kept_clear(&k->owners);
	free(k->folder_path);
	free(k);
}
