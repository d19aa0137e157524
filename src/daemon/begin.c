/* heird's own part of a start: what restore.h brings back, and who we are. */
#include "daemon/daemon.h"
#include "daemon/restore.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/id.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

static bool is_configured(void *ctx, const char *node, const char **ret_vtep) {
	const struct daemon_node *n = daemon_node(ctx, node);

	if (n && n->config->vtep)
		*ret_vtep = n->config->vtep;
	return n != NULL;
}

static void resumed(void *ctx, const struct takeover *t) {
	const struct daemon *d = ctx;

	log_info("takeover-resumed", LOG_STR("takeover", t->id), LOG_STR("container", t->container),
		 LOG_STR("at", takeover_row_name(t->row)), LOG_INT("epoch", store_epoch(d->store)));
}

static void unused(void *ctx, const char *node, const char *container) {
	(void)ctx;
	log_warning("memory-unused", LOG_STR("node", node), LOG_STR("container", container),
		    LOG_STR("reason", "this engine is not in the configuration"));
}

/* Who we are, to the agents. Not a name that a node can have. */
static const char manager_key[] = "@manager";

static int manager_record(struct daemon *d, const char *text, struct err *err) {
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

static int node_record(void *ctx, const char *key, const char *text, struct err *err) {
	struct daemon *d = ctx;
	struct daemon_node *n = daemon_node(d, key);
	int r = 0;

	if (strcmp(key, manager_key) == 0)
		return manager_record(d, text, err);
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

int daemon_restore(struct daemon *d, struct err *err) {
	const struct restore restore = {
		.store = d->store,
		.machine = d->machine,
		.memory = d->memory,
		.cluster = d->config->cluster,
		.now = mono_now(),
		.node = is_configured,
		.node_record = node_record,
		.resumed = resumed,
		.unused = unused,
		.ctx = d,
	};

	if (restore_machine(&restore, err) < 0)
		return err_wrap(err, "%s", d->config->state);
	if (!d->manager_id)
		make_manager(d); /* last: nothing is loaded any more once something is written */
	return 0;
}
