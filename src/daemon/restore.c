/* See restore.h. */
#include "daemon/restore.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "daemon/records.h"
#include "daemon/translate.h"
#include "engine/container.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static int workload_row(void *user, const char *key, const char *text, struct err *err) {
	const struct restore *r = user;
	json_t *j CLEANUP_JSON = NULL;
	struct workload *w = NULL;

	int failed = json_parse(text, strlen(text), "ledger", &j, err);
	if (failed == 0)
		failed = record_to_workload(j, &w, err);
	if (failed < 0)
		return err_wrap(err, "ledger of %s", key);
	assert(w);
	resched_restore_workload(r->machine, w);
	return 0;
}

static bool has_workload(const struct restore *r, const char *id) {
	for (const struct workload *w = resched_workloads(r->machine); w; w = w->hh.next)
		if (strcmp(w->id, id) == 0)
			return true;
	return false;
}

static int takeover_row(void *user, const char *key, const char *text, struct err *err) {
	const struct restore *r = user;
	json_t *j CLEANUP_JSON = NULL;
	struct takeover *t = NULL;

	int failed = json_parse(text, strlen(text), "takeover", &j, err);
	if (failed == 0)
		failed = record_to_takeover(j, &t, err);
	if (failed < 0)
		return err_wrap(err, "takeover %s", key);
	assert(t);
	if (!takeover_is_over(t->state)) {
		if (!has_workload(r, t->workload)) {
			failed = err_set(err, -EUCLEAN, "takeover %s is open, but the ledger does not know its workload %s", key,
					 t->workload);
			takeover_free(t);
			return failed;
		}
		r->resumed(r->ctx, t);
	}
	resched_restore_takeover(r->machine, t);
	return 0;
}

static int node_row(void *user, const char *key, const char *text, struct err *err) {
	const struct restore *r = user;
	return r->node_record(r->ctx, key, text, err);
}

/* ---- what containers looked like ---- */

struct remembered {
	json_t *document;
	const char *node; /* borrowed from the document, as inspect */
	json_t *inspect;
	struct engine_container container;
	struct world_net *nets;
	size_t n_nets;
};

static void remembered_clear(struct remembered *m) {
	engine_container_clear(&m->container);
	world_nets_free(m->nets, m->n_nets);
	json_decref(m->document);
}

static int read_memory(const char *text, struct remembered *m, struct err *err) {
	int failed = json_parse(text, strlen(text), "memory", &m->document, err);

	m->node = json_str_or(m->document, "node", NULL);
	m->inspect = json_at(m->document, "inspect");
	if (failed == 0 && (!m->node || !m->inspect))
		failed = err_set(err, -EINVAL, "memory: node or inspect is missing");
	if (failed == 0)
		failed = engine_container_parse(m->inspect, &m->container, err);
	if (failed == 0)
		failed = record_to_nets(json_at(m->document, "networks"), &m->nets, &m->n_nets, err);
	return failed;
}

/* The document has them. */
static enum net_kind no_kind(void *ctx, const char *id, const char *name) {
	(void)ctx;
	(void)id;
	(void)name;
	return NET_LOCAL;
}

static struct world_container *as_remembered(const struct restore *r, struct remembered *m) {
	struct world_container *c = translate_container(r->cluster, m->node, &m->container, m->inspect, no_kind, NULL);

	world_nets_free(c->nets, c->n_nets);
	c->nets = TAKE_PTR(m->nets);
	c->n_nets = m->n_nets;
	m->n_nets = 0;
	c->running = json_bool_or(m->document, "running", false);
	c->settled = json_bool_or(m->document, "settled", false);
	c->remembered = true;
	return c;
}

static int memory_row(void *user, const char *key, const char *text, struct err *err) {
	const struct restore *r = user;
	struct remembered m CLEANUP(remembered_clear) = {0};

	if (read_memory(text, &m, err) < 0)
		return err_wrap(err, "memory of %s", key);
	const char *vtep = json_str_or(m.document, "vtep", NULL);
	if (!r->node(r->ctx, m.node, &vtep)) {
		r->unused(r->ctx, m.node, m.container.name);
		return 0;
	}
	struct world_container *c = as_remembered(r, &m);
	memory_put_back(r->memory, c, m.inspect, text);
	resched_node_swarm(r->machine, m.node, json_str_or(m.document, "swarm_node", NULL));
	resched_node_vtep(r->machine, m.node, vtep);
	resched_container(r->machine, r->now, c);
	return 0;
}

int restore_machine(const struct restore *r, struct err *err) {
	static const struct {
		enum store_table table;
		store_row_fn *row;
	} order[] = {
		{STORE_LEDGER, workload_row},
		{STORE_TAKEOVER, takeover_row},
		{STORE_NODE, node_row},
		{STORE_MEMORY, memory_row},
	};
	int failed = 0;

	for (size_t i = 0; failed == 0 && i < sizeof(order) / sizeof(order[0]); i++)
		failed = store_load(r->store, order[i].table, order[i].row, (void *)(uintptr_t)r, err);
	return failed < 0 ? failed : store_begin(r->store, err); /* what could not be understood was not touched */
}
