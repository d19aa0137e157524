/* See disk.h. */
#include "disk.h"

#include "base/alloc.h"
#include "daemon/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- copies ---- */

/* Through the very documents that heird writes: what they do not hold does not survive. */
struct takeover *disk_copy_takeover(const struct takeover *t) {
	json_t *j CLEANUP_JSON = record_from_takeover(t);
	struct takeover *copy;
	struct err err;

	if (record_to_takeover(j, &copy, &err) < 0) {
		fprintf(stderr, "a takeover cannot be read back: %s\n", err.msg);
		abort();
	}
	return copy;
}

struct workload *disk_copy_workload(const struct workload *w) {
	json_t *j CLEANUP_JSON = record_from_workload(w);
	struct workload *copy;
	struct err err;

	if (record_to_workload(j, &copy, &err) < 0) {
		fprintf(stderr, "a workload cannot be read back: %s\n", err.msg);
		abort();
	}
	return copy;
}

struct world_container *disk_copy_container(const struct world_container *o) {
	struct world_container *c = world_container_new(o->node, o->id);

	c->name = xstrdup_null(o->name);
	c->image = xstrdup_null(o->image);
	c->image_id = xstrdup_null(o->image_id);
	c->restart_policy = xstrdup_null(o->restart_policy);
	c->workload = xstrdup_null(o->workload);
	c->takeover = xstrdup_null(o->takeover);
	c->generation = o->generation;
	c->policy = o->policy;
	c->nets = xnew_n(struct world_net, o->n_nets);
	c->n_nets = o->n_nets;
	for (size_t i = 0; i < o->n_nets; i++)
		world_net_copy(&c->nets[i], &o->nets[i]);
	c->ports = xnew_n(struct world_port, o->n_ports);
	c->n_ports = o->n_ports;
	for (size_t i = 0; i < o->n_ports; i++) {
		c->ports[i] = o->ports[i];
		c->ports[i].host_ip = xstrdup(o->ports[i].host_ip);
	}
	c->running = o->running;
	c->started = o->started;
	c->settled = o->settled;
	return c;
}

/* ---- the files ---- */

void disk_put_takeover(struct disk *d, struct takeover *t) {
	for (size_t i = 0; i < d->n_takeovers; i++)
		if (strcmp(d->takeovers[i]->id, t->id) == 0) {
			takeover_free(d->takeovers[i]);
			d->takeovers[i] = t;
			return;
		}
	d->takeovers = xreallocarray(d->takeovers, d->n_takeovers + 1, sizeof(struct takeover *));
	d->takeovers[d->n_takeovers++] = t;
}

void disk_put_workload(struct disk *d, struct workload *w) {
	for (size_t i = 0; i < d->n_workloads; i++)
		if (strcmp(d->workloads[i]->id, w->id) == 0) {
			workload_free(d->workloads[i]);
			d->workloads[i] = w;
			return;
		}
	d->workloads = xreallocarray(d->workloads, d->n_workloads + 1, sizeof(struct workload *));
	d->workloads[d->n_workloads++] = w;
}

void disk_put_memory(struct disk *d, struct world_container *c) {
	for (size_t i = 0; i < d->n_memory; i++)
		if (strcmp(d->memory[i]->key, c->key) == 0) {
			world_container_free(d->memory[i]);
			d->memory[i] = c;
			return;
		}
	d->memory = xreallocarray(d->memory, d->n_memory + 1, sizeof(struct world_container *));
	d->memory[d->n_memory++] = c;
}

void disk_forget_workload(struct disk *d, const char *id) {
	for (size_t i = 0; i < d->n_workloads; i++)
		if (strcmp(d->workloads[i]->id, id) == 0) {
			workload_free(d->workloads[i]);
			memmove(&d->workloads[i], &d->workloads[i + 1], (--d->n_workloads - i) * sizeof(struct workload *));
			return;
		}
}

void disk_forget_memory(struct disk *d, const char *key) {
	for (size_t i = 0; i < d->n_memory; i++)
		if (strcmp(d->memory[i]->key, key) == 0) {
			world_container_free(d->memory[i]);
			memmove(&d->memory[i], &d->memory[i + 1], (--d->n_memory - i) * sizeof(struct world_container *));
			return;
		}
}

static void free_lists(struct disk *d) {
	free(d->takeovers);
	free(d->workloads);
	free(d->memory);
	*d = (struct disk){0};
}

void disk_apply(struct disk *d, struct disk *from) {
	for (size_t i = 0; i < from->n_takeovers; i++)
		disk_put_takeover(d, from->takeovers[i]);
	for (size_t i = 0; i < from->n_workloads; i++)
		disk_put_workload(d, from->workloads[i]);
	for (size_t i = 0; i < from->n_memory; i++)
		disk_put_memory(d, from->memory[i]);
	free_lists(from);
}

void disk_clear(struct disk *d) {
	for (size_t i = 0; i < d->n_takeovers; i++)
		takeover_free(d->takeovers[i]);
	for (size_t i = 0; i < d->n_workloads; i++)
		workload_free(d->workloads[i]);
	for (size_t i = 0; i < d->n_memory; i++)
		world_container_free(d->memory[i]);
	free_lists(d);
}
