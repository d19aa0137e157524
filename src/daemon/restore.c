/* See restore.h. The ledger comes first, so that a remembered container finds the workload it belongs to. */
#include "daemon/restore.h"

#include "base/alloc.h"
#include "base/id.h"
#include "base/log.h"
#include "daemon/records.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static int workload_row(void *user, const char *key, const char *text, struct err *err) {
	struct daemon *d = user;
	json_t *j CLEANUP_JSON = NULL;
	struct workload *w = NULL;

	int r = json_parse(text, strlen(text), "ledger", &j, err);
	if (r == 0)
		r = record_to_workload(j, &w, err);
	if (r < 0)
		return err_wrap(err, "ledger of %s", key);
	assert(w);
	resched_restore_workload(d->machine, w);
	return 0;
}

static bool has_workload(const struct daemon *d, const char *id) {
	for (const struct workload *w = resched_workloads(d->machine); w; w = w->hh.next)
		if (strcmp(w->id, id) == 0)
			return true;
	return false;
}

static int takeover_row(void *user, const char *key, const char *text, struct err *err) {
	struct daemon *d = user;
	json_t *j CLEANUP_JSON = NULL;
	struct takeover *t = NULL;

	int r = json_parse(text, strlen(text), "takeover", &j, err);
	if (r == 0)
		r = record_to_takeover(j, &t, err);
	if (r < 0)
		return err_wrap(err, "takeover %s", key);
	assert(t);
	if (!takeover_is_over(t->state)) {
		if (!has_workload(d, t->workload)) {
			r = err_set(err, -EUCLEAN, "takeover %s is open, but the ledger does not know its workload %s", key,
				    t->workload);
			takeover_free(t);
			return r;
		}
		log_info("takeover-resumed", LOG_STR("takeover", t->id), LOG_STR("container", t->container),
			 LOG_STR("at", takeover_row_name(t->row)), LOG_INT("epoch", store_epoch(d->store)));
	}
	resched_restore_takeover(d->machine, t);
	return 0;
}

/* Who we are, to the agents. Not a name that a node can have. */
static const char manager_key[] = "@manager";

static int manager_row(struct daemon *d, const char *text, struct err *err) {
	json_t *j CLEANUP_JSON = NULL;

	int r = json_parse(text, strlen(text), "manager", &j, err);
	if (r == 0 && !json_str_or(j, "id", NULL))
		r = err_set(err, -EUCLEAN, "manager: its id is missing");
	if (r == 0)
		xstr_replace(&d->manager_id, json_str_or(j, "id", NULL));
	return r;
}

static void make_manager(struct daemon *d) {
	struct store_batch *batch = store_batch_new();
	char id[ID_TEXT_MAX];

	id_random(id);
	d->manager_id = xstrdup(id);
	char *text CLEANUP_FREE = xasprintf("{\"id\": \"%s\"}", id);
	store_batch_put(batch, STORE_NODE, manager_key, text);
	store_commit(d->store, batch, NULL, NULL);
}

static int node_row(void *user, const char *key, const char *text, struct err *err) {
	struct daemon *d = user;
	struct daemon_node *n = daemon_node(d, key);

	int r = 0;

	if (strcmp(key, manager_key) == 0)
		return manager_row(d, text, err);
	if (operator_restore(d, key, text, &r, err))
		return r;
	if (!n) {
		log_warning("node-record-unused", LOG_STR("node", key),
			    LOG_STR("reason", "heir took it out of its swarm, and it is not in the configuration any more"));
		return 0;
	}
	xstr_replace(&n->swarm_record, text);
	resched_node_removed(d->machine, key, true);
	return 0;
}

int restore_all(struct daemon *d, struct err *err) {
	int r = store_load(d->store, STORE_LEDGER, workload_row, d, err);
	if (r == 0)
		r = store_load(d->store, STORE_TAKEOVER, takeover_row, d, err);
	if (r == 0)
		r = store_load(d->store, STORE_NODE, node_row, d, err);
	if (r == 0)
		r = memory_load(d, err);
	if (r == 0)
		r = store_begin(d->store, err); /* what could not be understood was not touched */
	if (r == 0 && !d->manager_id)
		make_manager(d); /* last: nothing is loaded any more once something is written */
	return r < 0 ? err_wrap(err, "%s", d->config->state) : 0;
}
