/* See workload.h. */
#include "resched/workload.h"

#include "base/alloc.h"

#include <assert.h>
#include <string.h>

static const char *const clean_names[] = {
	[CLEAN_ISOLATE] = "isolate", [CLEAN_DISCONNECT] = "disconnect",
	[CLEAN_STOP] = "stop",       [CLEAN_PARK] = "park",
	[CLEAN_RENAME] = "rename",   [CLEAN_WAIT] = "wait",
	[CLEAN_REMOVE] = "remove",   [CLEAN_KEPT] = "kept",
};
static_assert(sizeof(clean_names) / sizeof(clean_names[0]) == CLEAN_MAX, "a name for every row");

const char *clean_row_name(enum clean_row row) { return clean_names[row]; }

enum clean_row clean_row_parse(const char *text) {
	int r = 0;
	while (r < CLEAN_MAX && strcmp(clean_names[r], text) != 0)
		r++;
	return (enum clean_row)r;
}

struct workload *workload_new(const char *id, const char *name) {
	struct workload *w = xnew(struct workload);

	w->id = xstrdup(id);
	w->name = xstrdup(name);
	w->dirty = true;
	return w;
}

static void copy_clear(struct workload_copy *c) {
	free(c->node);
	free(c->id);
	free(c->name);
}

void workload_free(struct workload *w) {
	if (!w)
		return;
	char *owned[] = {w->id,        w->name,    w->node,           w->container,   w->origin,
			 w->spec_node, w->spec_id, w->restart_policy, w->served.node, w->served.container};
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		free(owned[i]);
	for (size_t i = 0; i < w->n_copies; i++)
		copy_clear(&w->copies[i]);
	free(w->copies);
	strs_clear(&w->avoid);
	world_container_free(w->remembered);
	strs_clear(&w->ghosts);
	free(w);
}

struct workload_copy *workload_copy_find(struct workload *w, const char *node, const char *id) {
	for (size_t i = 0; i < w->n_copies; i++)
		if (strcmp(w->copies[i].node, node) == 0 && strcmp(w->copies[i].id, id) == 0)
			return &w->copies[i];
	return NULL;
}

struct workload_copy *workload_copy_add(struct workload *w, const char *node, const char *id, const char *name,
					unsigned generation) {
	struct workload_copy *known = workload_copy_find(w, node, id);

	if (known)
		return known;
	w->copies = xreallocarray(w->copies, w->n_copies + 1, sizeof(*w->copies));
	struct workload_copy *c = &w->copies[w->n_copies++];
	*c = (struct workload_copy){.generation = generation, .node = xstrdup(node), .id = xstrdup(id), .name = xstrdup(name)};
	w->dirty = true;
	return c;
}

void workload_copy_remove(struct workload *w, struct workload_copy *c) {
	size_t i = (size_t)(c - w->copies);

	assert(i < w->n_copies);
	copy_clear(c);
	memmove(c, c + 1, (w->n_copies - i - 1) * sizeof(*c));
	w->n_copies--;
	w->dirty = true;
}

bool workload_is_owner(const struct workload *w, const char *node, const char *id) {
	return w->container && w->node && strcmp(w->container, id) == 0 && strcmp(w->node, node) == 0;
}

bool workload_is_spec(const struct workload *w, const char *node, const char *id) {
	return w->spec_id && strcmp(w->spec_id, id) == 0 && strcmp(w->spec_node, node) == 0;
}

static void add_key(struct strs *ret, const char *node, const char *id) {
	char *key = xasprintf("%s/%s", node, id);
	strs_add(ret, key);
	free(key);
}

void workload_keys(const struct workload *w, struct strs *ret) {
	if (w->node && w->container)
		add_key(ret, w->node, w->container);
	for (size_t i = 0; i < w->n_copies; i++)
		add_key(ret, w->copies[i].node, w->copies[i].id);
}
