/* GET /v1/status and GET /v1/rows. */
#include "agent/order.h"

#include "agent/keeper.h"
#include "agent/quarantine-wire.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "net/netlink/fdb.h"
#include "net/netlink/neigh.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A kernel that does not answer must not keep the manager from knowing that the agent lives. */
#define PATIENCE_MS 1000

/* Owned by the timer's handle and by the job. */
struct reading {
	struct service *service;
	struct http_call *call; /* NULL: answered */
	uv_timer_t timer;
	struct wire_quarantine quarantine;
	int result;
	struct err err;
	unsigned owners;
};

static void release(struct reading *r) {
	if (--r->owners > 0)
		return;
	wire_clear(&wire_quarantine_shape, &r->quarantine);
	free(r);
}

static void copy_identity(const struct service *service, struct wire_status *s) {
	s->version = xstrdup(HEIR_VERSION);
	s->instance = xstrdup(service->instance);
	s->hostname = xstrdup(service->hostname);
	s->manager = xstrdup_null(service->identity.manager);
	s->cluster = xstrdup_null(service->identity.cluster);
	s->epoch = service->identity.epoch;
	s->engine_pid = service->engine_pid;
}

/* quarantine_error: NULL, or why what is known of it is old. */
static void answer(struct reading *r, const char *quarantine_error) {
	const struct service *service = r->service;
	struct wire_status s = {0};

	copy_identity(service, &s);
	strs_copy(&s.networks, &service->networks);
	strs_copy(&s.quarantine.vteps, &service->quarantine.vteps);
	for (size_t i = 0; i < service->quarantine.ports.n; i++)
		wire_numbers_add(&s.quarantine.ports, service->quarantine.ports.v[i]);
	keeper_report(service->keeper, &s);
	s.swarm_control = service->control && access(service->control, F_OK) == 0;
	if (service->host_error)
		strs_add(&s.errors, service->host_error);
	if (quarantine_error)
		strs_add(&s.errors, quarantine_error);
	CLEANUP_JSON json_t *j = wire_encode(&wire_status_shape, &s);
	http_call_answer_json(TAKE_PTR(r->call), 200, j);
	wire_clear(&wire_status_shape, &s);
}

static void on_closed(uv_handle_t *handle) { release(handle->data); }

static void on_timeout(uv_timer_t *timer) {
	struct reading *r = timer->data;

	answer(r, "the quarantine could not be read in time: it is shown as it was");
	uv_close((uv_handle_t *)timer, on_closed);
}

static void work_read(void *job) {
	struct reading *r = job;
	r->result = quarantine_read_wire(&r->quarantine, &r->err);
}

static void done_read(void *job, bool ran) {
	struct reading *r = job;
	struct wire_quarantine old = r->service->quarantine;

	if (ran && r->result == 0) {
		r->service->quarantine = r->quarantine;
		r->quarantine = old;
	}
	if (r->call) {
		answer(r, !ran ? "the agent is stopping" : r->result < 0 ? r->err.msg : NULL);
		uv_close((uv_handle_t *)&r->timer, on_closed);
	}
	release(r);
}

void status_take(struct service *service, struct http_call *call) {
	struct reading *r = xnew(struct reading);

	r->service = service;
	r->call = call;
	r->owners = 2;
	(void)uv_timer_init(service->loop, &r->timer); /* cannot fail */
	r->timer.data = r;
	(void)uv_timer_start(&r->timer, on_timeout, PATIENCE_MS, 0);
	queue_push(service->reads, work_read, done_read, r);
}

/* ---- rows ---- */

struct listing {
	struct service *service;
	struct http_call *call;
	char *network;
	const struct overlay *overlay;
	struct buf text; /* jsonl */
	bool found;
	struct err err;
	int result;
};

static const char *name_of(const struct listing *l, unsigned ifindex) {
	const struct link_row *link = inventory_link(&l->overlay->inv, ifindex);
	return link ? link->name : NULL;
}

static void put_line(struct listing *l, json_t *line) {
	CLEANUP_FREE char *text = json_text(line);

	buf_puts(&l->text, text);
	buf_puts(&l->text, "\n");
	json_decref(line);
}

static int on_fdb(void *arg, const struct fdb_row *row, struct err *err) {
	static const char *const states[] = {[FDB_LEARNED] = "learned", [FDB_STATIC] = "static", [FDB_PERMANENT] = "permanent"};
	char mac[MAC_TEXT_MAX], ip[IP_TEXT_MAX];
	struct listing *l = arg;

	(void)err;
	if (!row) {
		buf_clear(&l->text);
		return 0;
	}
	json_t *line = json_pack("{s:s, s:s, s:b, s:b, s:s}", "table", "fdb", "mac", mac_format(&row->mac, mac), "self", row->self,
				 "sticky", row->sticky, "state", states[row->state]);
	json_set_str(line, "dev", name_of(l, row->ifindex));
	json_set_str(line, "master", name_of(l, row->master));
	json_set_str(line, "dst", ip_is_set(&row->dst) ? ip_format(&row->dst, ip) : NULL);
	put_line(l, line);
	return 0;
}

/* The FDB's rows come before: a dump that begins again takes what was put since. */
struct neighs {
	struct listing *listing;
	size_t start;
};

static int on_neigh(void *arg, const struct neigh_row *row, struct err *err) {
	char mac[MAC_TEXT_MAX], ip[IP_TEXT_MAX];
	struct neighs *n = arg;
	struct listing *l = n->listing;

	(void)err;
	if (!row) {
		l->text.len = n->start;
		return 0;
	}
	json_t *line =
		json_pack("{s:s, s:s, s:b}", "table", "neigh", "ip", ip_format(&row->ip, ip), "permanent", neigh_is_permanent(row));
	json_set_str(line, "dev", name_of(l, row->ifindex));
	json_set_str(line, "mac", row->has_mac ? mac_format(&row->mac, mac) : NULL);
	put_line(l, line);
	return 0;
}

static int list_overlay(struct listing *l, struct overlay *o) {
	int r;

	l->overlay = o;
	l->found = true;
	if ((r = overlay_read(o, &l->err)) < 0 || (r = fdb_dump(o->sock, 0, on_fdb, l, &l->err)) < 0)
		return r;
	struct neighs neighs = {.listing = l, .start = l->text.len};
	return neigh_dump(o->sock, 0, on_neigh, &neighs, &l->err);
}

static void work_list(void *job) {
	struct listing *l = job;
	struct kernel *kernel = &l->service->look_kernel;

	l->result = kernel_refresh(kernel, &l->err);
	for (size_t i = 0; l->result == 0 && i < kernel->scene.n && !l->found; i++)
		if (strncmp(kernel->scene.overlays[i]->network, l->network, strlen(kernel->scene.overlays[i]->network)) == 0)
			l->result = list_overlay(l, kernel->scene.overlays[i]);
}

static void send_list(struct listing *l) {
	struct http_stream *s = http_call_stream(TAKE_PTR(l->call), NULL, NULL);

	if (!s)
		return;
	if (l->text.len > 0)
		(void)http_stream_write(s, l->text.data, l->text.len); /* a reader that is gone needs none */
	http_stream_end(s);
}

static void done_list(void *job, bool ran) {
	struct listing *l = job;

	if (!ran)
		http_call_fail(l->call, 503, "the agent is stopping");
	else if (l->result < 0)
		http_call_fail(l->call, 500, "%s", l->err.msg);
	else if (!l->found)
		http_call_fail(l->call, 404, "no overlay whose ID begins so is joined on this node");
	else
		send_list(l);
	free(l->network);
	buf_clear(&l->text);
	free(l);
}

/* The engine's names hold ten characters of an ID; less of it will not do. */
void rows_take(struct service *service, struct http_call *call) {
	const char *network = http_call_query(call, "network");

	if (!network || strlen(network) < 6) {
		http_call_fail(call, 400, "network: expected how its ID begins, ten characters of it");
		return;
	}
	struct listing *l = xnew(struct listing);
	l->service = service;
	l->call = call;
	l->network = xstrdup(network);
	queue_push(service->looks, work_list, done_list, l);
}
