/* See fake.h. */
#include "fake.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const net_names[FAKE_NETS] = {"ov", "back"};
static const char *const net_ids[FAKE_NETS] = {"ov0000000000", "back00000000"};
static const char *const image_names[FAKE_IMAGES] = {"web:1", "db:2", "job:3"};
static const char *const image_ids[FAKE_IMAGES] = {"sha256:aaaa", "sha256:bbbb", "sha256:cccc"};

const char *fake_net_name(int net) { return net_names[net]; }
const char *fake_net_id(int net) { return net_ids[net]; }
const char *fake_image_name(int image) { return image_names[image]; }
const char *fake_image_id(int image) { return image_ids[image]; }

int fake_net_index(const struct world_net *net) {
	for (int k = 0; k < FAKE_NETS; k++)
		if (net->id ? strcmp(net->id, net_ids[k]) == 0 : strcmp(net->name, net_names[k]) == 0)
			return k;
	return -1;
}

void fake_clear(struct fake *f) {
	for (int i = 0; i < f->n_containers; i++)
		free(f->containers[i]);
	free(f->containers);
	*f = (struct fake){0};
}

/* ---- looking ---- */

bool fake_host_answers(const struct fake *f, int node) { return !(f->nodes[node].cut & PATH_MANAGER) && !f->nodes[node].off; }

bool fake_answers(const struct fake *f, int node) {
	return fake_host_answers(f, node) && !f->nodes[node].killed && !f->nodes[node].hung;
}

bool fake_in_touch(const struct fake *f, int node) { return !(f->nodes[node].cut & PATH_CONTROL) && !f->nodes[node].off; }

int fake_node_index(const struct fake *f, const char *name) {
	for (int i = 0; i < f->n_nodes; i++)
		if (name && strcmp(f->nodes[i].name, name) == 0)
			return i;
	return -1;
}

struct fake_container *fake_find(const struct fake *f, int node, const char *id_or_name) {
	for (int i = 0; i < f->n_containers && id_or_name; i++) {
		struct fake_container *c = f->containers[i];
		if (c->exists && c->node == node && (strcmp(c->id, id_or_name) == 0 || strcmp(c->name, id_or_name) == 0))
			return c;
	}
	return NULL;
}

struct fake_container *fake_by_id(const struct fake *f, const char *id) {
	for (int i = 0; i < f->n_containers && id; i++)
		if (strcmp(f->containers[i]->id, id) == 0)
			return f->containers[i];
	return NULL;
}

struct fake_container *fake_holder(const struct fake *f, int net, const char *ip) {
	for (int i = 0; i < f->n_containers; i++)
		if (f->containers[i]->task[net] && strcmp(f->containers[i]->ip[net], ip) == 0)
			return f->containers[i];
	return NULL;
}

bool fake_has_overlay(const struct fake_container *c) {
	for (int k = 0; k < FAKE_NETS; k++)
		if (*c->ip[k])
			return true;
	return false;
}

bool fake_is_attached(const struct fake_container *c) {
	for (int k = 0; k < FAKE_NETS; k++)
		if (*c->ip[k] && (!c->task[k] || !c->connected[k]))
			return false;
	return c->running;
}

unsigned fake_generation(const struct fake_container *c) { return c->generation ? c->generation : 1; }

const char *fake_service_label(int number, const char *field, char key[40]) {
	if (number > 1)
		snprintf(key, 40, "heir.service.%d%s", number, field);
	else
		snprintf(key, 40, "heir.service%s", field);
	return key;
}

/* ---- acting ---- */

struct fake_container *fake_add(struct fake *f, int node, const char *name) {
	struct fake_container *c = xnew(struct fake_container);

	/* As engines do, in an order that says nothing of age. */
	snprintf(c->id, sizeof(c->id), "%03xc%08x", f->next_id, f->next_id * 2654435761u);
	f->next_id++;
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->node = node;
	c->exists = true;
	c->generation = 0;
	f->containers = xreallocarray(f->containers, (size_t)f->n_containers + 1, sizeof(struct fake_container *));
	f->containers[f->n_containers++] = c;
	return c;
}

static bool port_is_taken(const struct fake *f, const struct fake_container *c) {
	for (int i = 0; i < f->n_containers && c->port; i++) {
		const struct fake_container *o = f->containers[i];
		if (o != c && o->exists && o->running && o->node == c->node && o->port == c->port)
			return true;
	}
	return false;
}

/* A name exists once on a key/value network, over all hosts. */
static bool name_is_taken(const struct fake *f, const struct fake_container *c, int net) {
	for (int i = 0; i < f->n_containers && f->kind == NET_KV; i++) {
		const struct fake_container *o = f->containers[i];
		if (o != c && o->task[net] && strcmp(o->name, c->name) == 0)
			return true;
	}
	return false;
}

static bool can_attach(const struct fake *f, const struct fake_container *c) {
	for (int k = 0; k < FAKE_NETS; k++) {
		if (!*c->ip[k] || !c->connected[k] || c->task[k])
			continue;
		if (f->nodes[c->node].removed || !fake_in_touch(f, c->node) || fake_holder(f, k, c->ip[k]) ||
		    name_is_taken(f, c, k))
			return false;
	}
	return true;
}

bool fake_start(struct fake *f, struct fake_container *c, enum refusal *ret_why) {
	if (c->running)
		return true;
	if (port_is_taken(f, c)) {
		*ret_why = REFUSAL_PORT_TAKEN;
		return false;
	}
	if (!can_attach(f, c)) {
		*ret_why = REFUSAL_ADDRESS_TAKEN;
		return false;
	}
	for (int k = 0; k < FAKE_NETS; k++)
		c->task[k] = *c->ip[k] && c->connected[k];
	c->running = c->started = true;
	c->unhealthy = false;
	c->bound = c->any_port ? (uint16_t)(32768 + f->next_port++ % 20000) : c->port;
	c->isolated = c->forced = false;
	c->proved |= fake_is_attached(c);
	return true;
}

/* The host tells its swarm which attachments are over. */
static void report_tasks(const struct fake *f, struct fake_container *c) {
	if (!fake_in_touch(f, c->node))
		return;
	for (int k = 0; k < FAKE_NETS; k++)
		c->task[k] &= c->exists && c->running && c->connected[k];
}

bool fake_stop(struct fake *f, struct fake_container *c) {
	c->running = false;
	report_tasks(f, c);
	return true;
}

void fake_disconnect(struct fake *f, struct fake_container *c, int net) {
	/* Its endpoint was let go by another engine: "is not connected", says its own, and the interface stays. */
	if (f->kind == NET_KV && c->running && c->forced)
		return;
	c->connected[net] = false;
	report_tasks(f, c);
}

bool fake_remove(struct fake *f, struct fake_container *c, enum refusal *ret_why) {
	if (c->running) {
		*ret_why = REFUSAL_RUNNING;
		return false;
	}
	c->exists = false;
	report_tasks(f, c);
	return true;
}

bool fake_rename(struct fake *f, struct fake_container *c, const char *name, enum refusal *ret_why) {
	const struct fake_container *other = fake_find(f, c->node, name);
	if (other && other != c) {
		*ret_why = REFUSAL_NAME_TAKEN;
		return false;
	}
	snprintf(c->name, sizeof(c->name), "%s", name);
	return true;
}

void fake_let_go(struct fake_container *c, int net) {
	c->task[net] = false;
	c->let_go = true;
	c->forced = c->running;
}

void fake_release(struct fake_container *c) {
	for (int k = 0; k < FAKE_NETS; k++)
		fake_let_go(c, k);
}

void fake_remove_node(struct fake *f, int node) {
	f->nodes[node].removed = true;
	for (int i = 0; i < f->n_containers; i++)
		if (f->containers[i]->node == node)
			fake_release(f->containers[i]);
}

bool fake_restore_node(struct fake *f, int node) {
	bool all = true;

	f->nodes[node].removed = false;
	for (int i = 0; i < f->n_containers; i++) {
		struct fake_container *c = f->containers[i];
		if (!c->exists || c->node != node || !c->running)
			continue;
		for (int k = 0; k < FAKE_NETS; k++) {
			if (!*c->ip[k] || !c->connected[k] || c->task[k])
				continue;
			c->task[k] = !fake_holder(f, k, c->ip[k]);
			all &= c->task[k];
		}
	}
	return all;
}

static void report_all(struct fake *f, int node) {
	for (int i = 0; i < f->n_containers; i++)
		if (f->containers[i]->node == node)
			report_tasks(f, f->containers[i]);
}

void fake_cut(struct fake *f, int node, unsigned paths) {
	f->nodes[node].cut = paths;
	report_all(f, node);
}

/* "always" also brings up what was stopped, unlike "unless-stopped". */
static bool comes_up_again(const struct fake_container *c) {
	if (strcmp(c->policy, "always") == 0)
		return c->started;
	return c->was_up && *c->policy && strcmp(c->policy, "no") != 0;
}

static void all_down(struct fake *f, int node) {
	for (int i = 0; i < f->n_containers; i++) {
		struct fake_container *c = f->containers[i];
		if (!c->exists || c->node != node)
			continue;
		c->was_up = c->running;
		c->running = false;
	}
}

static void all_up(struct fake *f, int node) {
	enum refusal why;

	for (int i = 0; i < f->n_containers; i++) {
		struct fake_container *c = f->containers[i];
		if (c->exists && c->node == node && comes_up_again(c))
			(void)fake_start(f, c, &why); /* an address that another has: it stays down, as with engines */
		c->was_up = c->was_up && c->node != node;
	}
	report_all(f, node);
}

void fake_power(struct fake *f, int node, bool on) {
	f->nodes[node].off = !on;
	if (!on) {
		all_down(f, node);
		return;
	}
	f->nodes[node].hung = f->nodes[node].killed = false;
	all_up(f, node);
}

void fake_restart_engine(struct fake *f, int node) {
	all_down(f, node);
	report_all(f, node);
	all_up(f, node);
}
