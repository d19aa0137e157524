/* See memory.h. */
#include "daemon/memory.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/log.h"
#include "daemon/records.h"

#include <string.h>

/* One container. */
struct entry {
	char *key; /* "<node>/<id>" */
	char *node, *id;
	char *inspect; /* as text: a tree of it takes ten times the room */
	uint64_t hash; /* of the document written last */
	bool dirty;
	UT_hash_handle hh;
};

struct memory {
	const struct resched *machine;
	struct entry *entries;
	struct strs forgotten; /* keys */
};

struct memory *memory_new(const struct resched *machine) {
	struct memory *m = xnew(struct memory);
	m->machine = machine;
	return m;
}

static struct entry *find(const struct memory *m, const char *key) {
	struct entry *e = NULL;
	HASH_FIND_STR(m->entries, key, e);
	return e;
}

static struct entry *find_of(const struct memory *m, const char *node, const char *id) {
	char *key CLEANUP_FREE = xasprintf("%s/%s", node, id);
	return find(m, key);
}

static struct entry *get(struct memory *m, const struct world_container *c) {
	struct entry *e = find(m, c->key);

	if (e)
		return e;
	e = xnew(struct entry);
	e->key = xstrdup(c->key);
	e->node = xstrdup(c->node);
	e->id = xstrdup(c->id);
	HASH_ADD_KEYPTR(hh, m->entries, e->key, strlen(e->key), e);
	strs_remove(&m->forgotten, e->key);
	return e;
}

static void drop(struct memory *m, struct entry *e) {
	HASH_DEL(m->entries, e);
	free(e->inspect);
	free(e->key);
	free(e->node);
	free(e->id);
	free(e);
}

void memory_free(struct memory *m) {
	struct entry *e, *next;

	if (!m)
		return;
	HASH_ITER (hh, m->entries, e, next) {
		drop(m, e);
	}
	strs_clear(&m->forgotten);
	free(m);
}

/* ---- what is seen ---- */

void memory_keep(struct memory *m, const struct world_container *c, const json_t *inspect) {
	if ((!c->policy.move && !c->workload) || !json_is_object(inspect))
		return;
	struct entry *e = get(m, c);
	/* What a workload is made again from stays as it was before heir took its copy off the networks. */
	bool frozen = e->inspect && resched_memory_is_frozen(m->machine, c->node, c->id);
	if (!frozen) {
		free(e->inspect);
		e->inspect = record_text(inspect);
	}
	e->dirty = true;
}

void memory_put_back(struct memory *m, const struct world_container *c, const json_t *inspect, const char *document) {
	struct entry *e = get(m, c);

	free(e->inspect);
	e->inspect = record_text(inspect);
	e->hash = hash_text(HASH_START, document);
}

void memory_settled(struct memory *m, const char *key) {
	struct entry *e = find(m, key);
	if (e)
		e->dirty = true;
}

/* ---- what is forgotten ---- */

static void forget(struct memory *m, struct entry *e) {
	strs_add_new(&m->forgotten, e->key);
	drop(m, e);
}

void memory_gone(struct memory *m, const char *node, const char *id) {
	struct entry *e = find_of(m, node, id);

	if (e && !resched_needs_memory(m->machine, node, id))
		forget(m, e);
}

void memory_unneeded(struct memory *m, const char *key) {
	struct entry *e = find(m, key);

	if (!e || world_container(resched_world(m->machine), e->node, e->id) || resched_needs_memory(m->machine, e->node, e->id))
		return;
	forget(m, e);
}

void memory_take_forgotten(struct memory *m, struct strs *ret) {
	*ret = m->forgotten;
	m->forgotten = (struct strs){0};
}

/* ---- what is written ---- */

/* The inspected text goes in as it is: to read it for that would be most of the work. */
static char *document(const struct memory *m, const struct entry *e) {
	json_t *doc CLEANUP_JSON = json_object();
	const struct world_container *c = resched_memory(m->machine, e->node, e->id);
	const struct world_node *n = world_node(resched_world(m->machine), e->node);
	struct buf text = {0};

	json_set_str(doc, "swarm_node", n ? n->facts.swarm_node : NULL);
	json_set_str(doc, "vtep", n ? n->facts.vtep : NULL);
	json_object_set_new(doc, "node", json_string(e->node));
	json_object_set_new(doc, "networks", c ? record_from_nets(c->nets, c->n_nets) : json_array());
	json_object_set_new(doc, "running", json_boolean(c && c->running));
	json_object_set_new(doc, "settled", json_boolean(c && c->settled));
	char *rest CLEANUP_FREE = record_text(doc);
	buf_printf(&text, "{\"inspect\":%s,%s", e->inspect, rest + 1);
	return buf_take(&text);
}

static void write_one(const struct memory *m, struct entry *e, struct store_batch *batch) {
	char *text CLEANUP_FREE = document(m, e);
	uint64_t hash = hash_text(HASH_START, text);

	if (hash == e->hash)
		return;
	e->hash = hash;
	if (strlen(text) > STORE_DOC_MAX)
		log_error("memory-too-large", LOG_STR("node", e->node), LOG_STR("container", e->id),
			  LOG_STR("next", "it is taken over only while this heird runs"));
	else
		store_batch_put(batch, STORE_MEMORY, e->key, text);
}

void memory_write(struct memory *m, struct store_batch *batch) {
	for (struct entry *e = m->entries; e; e = e->hh.next)
		if (e->dirty) {
			e->dirty = false;
			write_one(m, e, batch);
		}
}

void memory_mark(struct memory *m) {
	for (struct entry *e = m->entries; e; e = e->hh.next) {
		e->dirty = true;
		e->hash = 0;
	}
}

/* ---- what is asked ---- */

json_t *memory_spec(const struct memory *m, const char *node, const char *id) {
	const struct entry *e = node && id ? find_of(m, node, id) : NULL;
	json_t *j = NULL;

	if (!e || json_parse(e->inspect, strlen(e->inspect), "memory", &j, NULL) < 0)
		return NULL; /* the text was written by us */
	return j;
}

size_t memory_count(const struct memory *m) { return HASH_COUNT(m->entries); }
