/* What opted-in containers looked like, in the store: a dead engine cannot be asked. */
#include "daemon/daemon.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "daemon/records.h"
#include "daemon/translate.h"
#include "engine/container.h"

#include <errno.h>
#include <string.h>

static struct memory *memory_find(const struct daemon *d, const char *key) {
	struct memory *m = NULL;
	HASH_FIND_STR(d->memory, key, m);
	return m;
}

static struct memory *memory_get(struct daemon *d, const struct world_container *c) {
	struct memory *m = memory_find(d, c->key);

	if (m)
		return m;
	m = xnew(struct memory);
	m->key = xstrdup(c->key);
	m->node = xstrdup(c->node);
	m->id = xstrdup(c->id);
	HASH_ADD_KEYPTR(hh, d->memory, m->key, strlen(m->key), m);
	return m;
}

static void memory_free(struct daemon *d, struct memory *m) {
	HASH_DEL(d->memory, m);
	free(m->inspect);
	free(m->key);
	free(m->node);
	free(m->id);
	free(m);
}

void memory_keep(struct daemon *d, const struct world_container *c, const json_t *inspect) {
	if (!c->policy.move && !c->workload)
		return;
	struct memory *m = memory_get(d, c);
	/* What a workload is made again from stays as it was before heir took its copy off the networks. */
	bool frozen = m->inspect && resched_memory_is_frozen(d->machine, c->node, c->id);
	if (json_is_object(inspect) && !frozen) {
		free(m->inspect);
		m->inspect = json_text(inspect);
	}
	m->dirty = true;
	turn_wake(d);
}

static json_t *memory_inspect(const struct memory *m) {
	json_t *j = NULL;

	if (m->inspect && json_parse(m->inspect, strlen(m->inspect), "memory", &j, NULL) < 0)
		return NULL; /* it was written by us */
	return j;
}

static char *memory_text(const struct daemon *d, const struct memory *m) {
	json_t *doc CLEANUP_JSON = json_object();
	const struct world_container *c = resched_memory(d->machine, m->node, m->id);
	const struct world_node *n = world_node(resched_world(d->machine), m->node);

	json_set_str(doc, "swarm_node", n ? n->facts.swarm_node : NULL);
	json_set_str(doc, "vtep", n ? n->facts.vtep : NULL);
	json_object_set_new(doc, "inspect", memory_inspect(m));
	json_object_set_new(doc, "node", json_string(m->node));
	json_object_set_new(doc, "networks", c ? record_from_nets(c->nets, c->n_nets) : json_array());
	json_object_set_new(doc, "running", json_boolean(c && c->running));
	json_object_set_new(doc, "settled", json_boolean(c && c->settled));
	return json_text(doc);
}

static void forget(struct daemon *d, struct memory *m) {
	turn_delete(d, STORE_MEMORY, m->key);
	memory_free(d, m);
}

void memory_drop(struct daemon *d, const char *node, const char *id) {
	char *key CLEANUP_FREE = xasprintf("%s/%s", node, id);
	struct memory *m = memory_find(d, key);

	if (m)
		forget(d, m);
}

void memory_unneeded(struct daemon *d, const char *key) {
	struct memory *m = memory_find(d, key);

	if (!m || world_container(resched_world(d->machine), m->node, m->id) || resched_needs_memory(d->machine, m->node, m->id))
		return;
	forget(d, m);
}

void memory_write(struct daemon *d, struct store_batch *batch) {
	for (struct memory *m = d->memory; m; m = m->hh.next) {
		if (!m->dirty)
			continue;
		m->dirty = false;
		char *text CLEANUP_FREE = memory_text(d, m);
		uint64_t hash = hash_text(HASH_START, text);
		if (hash == m->hash)
			continue;
		m->hash = hash;
		if (strlen(text) > STORE_DOC_MAX)
			log_error("memory-too-large", LOG_STR("node", m->node), LOG_STR("container", m->id),
				  LOG_STR("next", "it is taken over only while this heird runs"));
		else
			store_batch_put(batch, STORE_MEMORY, m->key, text);
	}
}

void memory_mark(struct daemon *d) {
	for (struct memory *m = d->memory; m; m = m->hh.next) {
		m->dirty = true;
		m->hash = 0;
	}
}

void memory_clear(struct daemon *d) {
	struct memory *m, *next;
	HASH_ITER (hh, d->memory, m, next) {
		memory_free(d, m);
	}
}

void memory_settled(struct daemon *d, const char *key) {
	struct memory *m = memory_find(d, key);
	if (m)
		m->dirty = true;
}

json_t *memory_spec(const struct daemon *d, const char *node, const char *id) {
	for (const struct memory *m = d->memory; m && node && id; m = m->hh.next)
		if (strcmp(m->id, id) == 0 && strcmp(m->node, node) == 0)
			return memory_inspect(m);
	return NULL;
}

static int load_row(void *user, const char *key, const char *text, struct err *err) {
	struct daemon *d = user;
	json_t *doc CLEANUP_JSON = NULL;
	struct engine_container c CLEANUP_ENGINE_CONTAINER = {0};
	struct world_net *nets = NULL;
	size_t n_nets = 0;

	int r = json_parse(text, strlen(text), "memory", &doc, err);
	const char *node = json_str_or(doc, "node", NULL);
	json_t *inspect = json_at(doc, "inspect");
	if (r == 0 && (!node || !inspect))
		r = err_set(err, -EINVAL, "memory: node or inspect is missing");
	if (r == 0)
		r = engine_container_parse(inspect, &c, err);
	if (r == 0)
		r = record_to_nets(json_at(doc, "networks"), &nets, &n_nets, err);
	if (r < 0)
		return err_wrap(err, "memory of %s", key);
	struct daemon_node *n = daemon_node(d, node);
	if (!n) {
		world_nets_free(nets, n_nets);
		log_warning("memory-unused", LOG_STR("node", node), LOG_STR("container", c.name),
			    LOG_STR("reason", "this engine is not in the configuration"));
		return 0;
	}
	struct world_container *w = translate_container(d->config->cluster, node, &c, inspect, observe_net_kind, n);
	world_nets_free(w->nets, w->n_nets);
	w->nets = nets;
	w->n_nets = n_nets;
	w->running = json_bool_or(doc, "running", false);
	w->settled = json_bool_or(doc, "settled", false);
	struct memory *m = memory_get(d, w);
	free(m->inspect);
	m->inspect = json_text(inspect);
	m->hash = hash_text(HASH_START, text);
	resched_node_swarm(d->machine, node, json_str_or(doc, "swarm_node", NULL));
	resched_node_vtep(d->machine, node, n->config->vtep ? n->config->vtep : json_str_or(doc, "vtep", NULL));
	resched_container(d->machine, mono_now(), w);
	return 0;
}

int memory_load(struct daemon *d, struct err *err) { return store_load(d->store, STORE_MEMORY, load_row, d, err); }
