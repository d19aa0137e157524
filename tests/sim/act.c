/* What an effect does where it is performed, and what is answered: an engine in its own words, which heird's own rules (answers.h)
 * then read. */
#include "sim.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "daemon/answers.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The result, but for what only this kind answers with. */
static void take(struct flight *f, const struct effect_result *means) {
	f->outcome = means->outcome;
	f->result.refusal = means->refusal;
	if (means->outcome != EFFECT_OK && !f->detail)
		f->detail = xstrdup_null(means->detail);
}

/* An engine's answer, as engines word it (docs/engine-facts.md): what it means is heird's to say. */
static void says(struct flight *f, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void says(struct flight *f, int status, const char *fmt, ...) {
	char *message CLEANUP_FREE = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&message, fmt, ap) < 0)
		abort();
	va_end(ap);
	char *quoted CLEANUP_FREE = xasprintf("%s: %d: %s", f->effect->node, status, message);
	bool ok = status / 100 == 2 || status == 304;
	const struct answer_said said = {ok ? ENGINE_OK : ENGINE_REFUSED, status, quoted};
	const struct effect_result means = answer_to(f->effect->kind, &said);
	free(f->detail);
	f->detail = NULL;
	take(f, &means);
}

/* What the swarm's managers and its control socket come to. */
static void overlay_says(struct flight *f, const struct overlay_result *result) {
	const struct effect_result means = answer_overlay(result);

	take(f, &means);
	f->result.holder = means.holder;
	f->result.by_node_removal = means.by_node_removal;
}

static int index_of(const struct sim *s, const struct fake_container *c) {
	int i = 0;
	while (s->fake.containers[i] != c)
		i++;
	return i;
}

static struct fake_container *subject(struct sim *s, struct flight *f) {
	struct fake_container *c = fake_find(&s->fake, fake_node_index(&s->fake, f->effect->node), f->effect->container);
	if (!c)
		says(f, 404, "No such container: %s", f->effect->container);
	return c;
}

static void do_inspect(struct sim *s, struct flight *f) {
	const struct fake_container *c = fake_find(&s->fake, fake_node_index(&s->fake, f->effect->node), f->effect->container);
	struct effect_result *r = &f->result;

	if (!c) {
		says(f, 404, "No such container: %s", f->effect->container);
		return;
	}
	snprintf(f->container, sizeof(f->container), "%s", c->id);
	snprintf(f->name, sizeof(f->name), "%s", c->name);
	snprintf(f->workload, sizeof(f->workload), "%s", c->workload);
	snprintf(f->takeover, sizeof(f->takeover), "%s", c->takeover);
	*r = (struct effect_result){.found = true,
				    .running = c->running,
				    .started = c->started,
				    .container = f->container,
				    .name = f->name,
				    .workload = *c->workload ? f->workload : NULL,
				    .takeover = *c->takeover ? f->takeover : NULL,
				    .generation = c->generation,
				    .nets = f->nets};
	for (int k = 0; k < FAKE_NETS; k++)
		if (*c->ip[k] && c->connected[k])
			f->nets[r->n_nets++] = (struct world_net){.name = xstrdup(fake_net_name(k)),
								  .id = xstrdup(fake_net_id(k)),
								  .ip = c->running ? xstrdup(c->ip[k]) : NULL,
								  .mac = c->running ? xstrdup(c->mac[k]) : NULL,
								  .kind = s->fake.kind};
	if (!fake_has_overlay(c))
		f->nets[r->n_nets++] = (struct world_net){.name = xstrdup("bridge")};
}

static int image_index(const char *ref) {
	for (int k = 0; k < FAKE_IMAGES; k++)
		if (ref && (strcmp(fake_image_name(k), ref) == 0 || strcmp(fake_image_id(k), ref) == 0))
			return k;
	return -1;
}

/* One source, or the registry: whether the image is there afterwards. */
static bool image_comes(struct sim *s, const struct flight *f, enum image_move how, size_t i, int image) {
	int node = how == IMAGE_COPY ? fake_node_index(&s->fake, f->effect->sources.v[i]) : -1;

	if (how == IMAGE_COPY)
		return fake_answers(&s->fake, node) && s->fake.nodes[node].image[image];
	return s->healed || rng_permille(&s->rng, 500);
}

static enum image_move image_next(struct sim *s, struct flight *f, size_t *tried, struct effect_result *stop) {
	static const struct answer_said moved = {.outcome = ENGINE_OK, .status = 200};
	static const struct answer_said failed = {ENGINE_REFUSED, 500, "Get \"https://registry/v2/\": connection refused"};
	int image = image_index(f->effect->image_id ? f->effect->image_id : f->effect->image);
	size_t i = (*tried)++;
	enum image_move how = answer_image_source(f->effect, i, stop);

	if (how == IMAGE_STOP)
		return how;
	bool comes = image_comes(s, f, how, i, image);
	s->fake.nodes[fake_node_index(&s->fake, f->effect->node)].image[image] |= comes;
	return answer_image_moved(f->effect, *tried, comes ? &moved : &failed, stop);
}

static void do_image(struct sim *s, struct flight *f) {
	const struct effect *e = f->effect;
	const struct fake_node *n = &s->fake.nodes[fake_node_index(&s->fake, e->node)];
	int image = image_index(e->image_id ? e->image_id : e->image);
	char *missing CLEANUP_FREE = xasprintf("No such image: %s", e->image_id ? e->image_id : e->image);
	enum image_move move = IMAGE_LOOK;
	struct effect_result stop = {0};
	size_t tried = 0;

	while (move == IMAGE_LOOK || move == IMAGE_NEXT) {
		const struct answer_said there = {.outcome = ENGINE_OK, .status = 200}, no = {ENGINE_REFUSED, 404, missing};
		move = move == IMAGE_NEXT ? image_next(s, f, &tried, &stop)
					  : answer_image_looked(e, tried, n->image[image] ? &there : &no, &stop);
	}
	if (move == IMAGE_STOP) {
		take(f, &stop);
		return;
	}
	struct engine_image seen = {.id = (char *)(uintptr_t)fake_image_id(image)};
	strs_add(&seen.tags, fake_image_name(image));
	snprintf(f->image_ref, sizeof(f->image_ref), "%s", answer_image_ref(e, &seen));
	strs_clear(&seen.tags);
	f->result.image_ref = f->image_ref;
}

static void take_nets(struct fake_container *c, const struct effect *e) {
	for (size_t i = 0; i < e->n_nets; i++)
		for (int k = 0; k < FAKE_NETS; k++)
			if (strcmp(e->nets[i].name, fake_net_name(k)) == 0) {
				snprintf(c->ip[k], sizeof(c->ip[k]), "%s", e->nets[i].ip ? e->nets[i].ip : "");
				snprintf(c->mac[k], sizeof(c->mac[k]), "%s", e->nets[i].mac ? e->nets[i].mac : "");
				c->connected[k] = true;
			}
}

/* Engines before 1.44 are given one network at create, and each further one by a call of its own, which may fail; what was made is
 * then removed again, and that may fail too. */
static bool is_half_made(struct sim *s, struct flight *f, struct fake_container *c) {
	if (!*c->ip[0] || !*c->ip[1] || s->healed || !rng_permille(&s->rng, s->trouble))
		return false;
	bool removed = rng_permille(&s->rng, 700);
	const struct answer_said said = {removed ? ENGINE_OK : ENGINE_UNKNOWN, removed ? 204 : 0, "no answer"};
	const struct effect_result means = answer_create_undone(&said);

	c->exists = !removed;
	c->connected[1] = false;
	*c->ip[1] = *c->mac[1] = '\0';
	take(f, &means);
	return true;
}

static void do_create(struct sim *s, struct flight *f) {
	const struct effect *e = f->effect;
	int node = fake_node_index(&s->fake, e->node), image = image_index(e->image);
	const struct fake_container *spec = fake_by_id(&s->fake, e->spec_id);

	const struct fake_container *other = fake_find(&s->fake, node, e->name);

	if (other) {
		says(f, 409,
		     "Conflict. The container name \"/%s\" is already in use by container \"%s\". You have to remove (or rename) "
		     "that container to be able to reuse that name.",
		     e->name, other->id);
		return;
	}
	if (image < 0 || !s->fake.nodes[node].image[image]) {
		says(f, 404, "No such image: %s", e->image);
		return;
	}
	if (!spec) {
		sim_fail(s, INV_TOUCHED, "%s is made from %s, which never was", e->name, e->spec_id ? e->spec_id : "(nothing)");
		return;
	}
	struct fake_container *c = fake_add(&s->fake, node, e->name);
	snprintf(c->policy, sizeof(c->policy), "no");
	snprintf(c->workload, sizeof(c->workload), "%s", e->workload);
	snprintf(c->takeover, sizeof(c->takeover), "%s", e->takeover);
	c->generation = e->generation;
	c->opted = spec->opted;
	memcpy(c->alias, spec->alias, sizeof(c->alias));
	c->fence = spec->fence;
	c->image = image;
	c->port = spec->port;
	take_nets(c, e);
	manager_notice(s, s->fake.n_containers - 1);
	if (is_half_made(s, f, c))
		return;
	snprintf(f->container, sizeof(f->container), "%s", c->id);
	f->result.container = f->container;
}

static void do_start(struct sim *s, struct flight *f, struct fake_container *c) {
	enum refusal why = REFUSAL_OTHER;

	if (c->running)
		says(f, 304, "%s", "");
	else if (fake_start(&s->fake, c, &why))
		says(f, 204, "%s", "");
	else if (why == REFUSAL_PORT_TAKEN)
		says(f, 500,
		     "container %s: endpoint join on GW Network failed: driver failed programming external connectivity on "
		     "endpoint "
		     "gateway_1: Bind for 0.0.0.0:%u failed: port is already allocated",
		     c->id, c->port);
	else
		says(f, 500,
		     "attaching to network failed, make sure your network options are correct and check manager logs: context "
		     "deadline exceeded");
}

static void do_rename(struct sim *s, struct flight *f, struct fake_container *c) {
	const char *name = f->effect->name;
	enum refusal why;

	if (strcmp(c->name, name) == 0)
		says(f, 400, "Renaming a container with the same name as its current name");
	else if (fake_rename(&s->fake, c, name, &why))
		says(f, 204, "%s", "");
	else
		says(f, 409,
		     "Error when allocating new name: Conflict. The container name \"/%s\" is already in use by container \"%s\". "
		     "You have to remove (or rename) that container to be able to reuse that name.",
		     name, fake_find(&s->fake, c->node, name)->id);
}

/* One network after the other, until one is refused. */
static void do_disconnect(struct sim *s, struct flight *f, struct fake_container *c) {
	for (size_t i = 0; i < f->effect->n_nets && f->outcome == EFFECT_OK; i++)
		for (int k = 0; k < FAKE_NETS; k++) {
			if (strcmp(f->effect->nets[i].name, fake_net_name(k)) != 0)
				continue;
			if (*c->ip[k] && c->connected[k])
				says(f, 200, "%s", "");
			else
				says(f, 500, "container %s is not connected to network %s", c->id, fake_net_name(k));
			fake_disconnect(&s->fake, c, k);
		}
}

static void do_stop(struct sim *s, struct flight *f, struct fake_container *c) {
	says(f, c->running ? 204 : 304, "%s", "");
	(void)fake_stop(&s->fake, c);
}

static void do_policy(struct sim *s, struct flight *f, struct fake_container *c) {
	(void)s;
	snprintf(c->policy, sizeof(c->policy), "%s", f->effect->name);
	says(f, 200, "%s", "");
}

static void do_remove(struct sim *s, struct flight *f, struct fake_container *c) {
	enum refusal why;

	if (fake_remove(&s->fake, c, &why))
		says(f, 204, "%s", "");
	else
		says(f, 409,
		     "You cannot remove a running container %s. Stop the container before attempting removal or force remove",
		     c->id);
}

static void do_change(struct sim *s, struct flight *f) {
	static void (*const changes[])(struct sim *, struct flight *, struct fake_container *) = {
		[EFFECT_START] = do_start,           [EFFECT_RENAME] = do_rename, [EFFECT_POLICY] = do_policy,
		[EFFECT_DISCONNECT] = do_disconnect, [EFFECT_STOP] = do_stop,     [EFFECT_REMOVE] = do_remove,
	};
	struct fake_container *c = subject(s, f);

	if (!c)
		return;
	changes[f->effect->kind](s, f, c);
	manager_notice(s, index_of(s, c));
}

static bool is_copy(const struct effect *e, const struct fake_container *c) { return strs_has(&e->copies, c->id); }

static enum overlay_holder holder_of(const struct effect *e, const struct fake_container *c) {
	if (!c)
		return OVERLAY_HOLDER_NONE;
	if (e->own && strcmp(e->own, c->id) == 0)
		return OVERLAY_HOLDER_OWN;
	return is_copy(e, c) ? OVERLAY_HOLDER_COPY : OVERLAY_HOLDER_OTHER;
}

/* OTHER worst, then COPY, OWN, NONE: as the swarm's own answer does. */
static enum overlay_holder worse(enum overlay_holder a, enum overlay_holder b) {
	static const int rank[] = {
		[OVERLAY_HOLDER_NONE] = 0,
		[OVERLAY_HOLDER_OWN] = 1,
		[OVERLAY_HOLDER_COPY] = 2,
		[OVERLAY_HOLDER_OTHER] = 3,
	};
	return rank[a] > rank[b] ? a : b;
}

static void do_holders(struct sim *s, struct flight *f) {
	struct overlay_result r = {.holder = OVERLAY_HOLDER_NONE};

	for (size_t i = 0; i < f->effect->n_nets; i++)
		for (int k = 0; k < FAKE_NETS; k++)
			if (strcmp(f->effect->nets[i].name, fake_net_name(k)) == 0)
				r.holder = worse(r.holder, holder_of(f->effect, fake_holder(&s->fake, k, f->effect->nets[i].ip)));
	if (!s->healed && rng_permille(&s->rng, 30))
		r.holder = OVERLAY_HOLDER_UNKNOWN;
	overlay_says(f, &r);
}

static bool by_node_removal(const struct sim *s) { return !s->control_up && s->control_missing && s->remove_node; }

static void do_ready(struct sim *s, struct flight *f) {
	if (s->fake.kind == NET_KV) {
		keyvalue_ready(s, f);
		return;
	}
	bool removal = by_node_removal(s), missing = !s->control_up && !removal;

	overlay_says(f, &(struct overlay_result){.outcome = missing ? OVERLAY_MISSING : OVERLAY_OK,
						 .by_node_removal = removal,
						 .detail = missing ? "no control socket" : NULL});
}

static void do_release(struct sim *s, struct flight *f) {
	if (s->fake.kind == NET_KV) {
		keyvalue_release(s, f);
		return;
	}
	int node = fake_node_index(&s->fake, f->effect->node);

	if (by_node_removal(s) && f->effect->by_node_removal) {
		check_node_removal(s, node);
		fake_remove_node(&s->fake, node);
		s->removed_on_disk[node] = true;
		sim_say(s, "%s is removed from the swarm", s->fake.nodes[node].name);
		if (s->machine)
			resched_node_removed(s->machine, s->fake.nodes[node].name, true);
		return;
	}
	if (!s->control_up) {
		overlay_says(f, &(struct overlay_result){.outcome = OVERLAY_MISSING, .detail = "no control socket"});
		return;
	}
	for (int i = 0; i < s->fake.n_containers; i++)
		if (is_copy(f->effect, s->fake.containers[i]))
			fake_release(s->fake.containers[i]);
}

static void do_restore(struct sim *s, struct flight *f) {
	int node = fake_node_index(&s->fake, f->effect->node);

	if (!fake_restore_node(&s->fake, node)) {
		overlay_says(f, &(struct overlay_result){.outcome = OVERLAY_NOT_DONE,
							 .detail = "somebody has taken the address of one of its containers"});
		return;
	}
	s->removed_on_disk[node] = false;
	if (s->machine)
		resched_node_removed(s->machine, s->fake.nodes[node].name, false);
}

/* The swarm's managers are asked about addresses; else it is the engine or the agent. */
bool act_asks_swarm(enum effect_kind k) { return k == EFFECT_READY || k == EFFECT_RELEASE || k == EFFECT_HOLDERS; }

void act_refuse(struct flight *f) {
	if (act_asks_swarm(f->effect->kind) || agents_handle(f->effect->kind) || f->effect->kind == EFFECT_RESTORE)
		overlay_says(f, &(struct overlay_result){.outcome = OVERLAY_REFUSED, .detail = "server error"});
	else
		says(f, 500, "server error");
}

void act_perform(struct sim *s, struct flight *f) {
	static void (*const kinds[])(struct sim *, struct flight *) = {
		[EFFECT_INSPECT] = do_inspect,    [EFFECT_IMAGE] = do_image,
		[EFFECT_CREATE] = do_create,      [EFFECT_START] = do_change,
		[EFFECT_RENAME] = do_change,      [EFFECT_POLICY] = do_change,
		[EFFECT_DISCONNECT] = do_change,  [EFFECT_STOP] = do_change,
		[EFFECT_REMOVE] = do_change,      [EFFECT_READY] = do_ready,
		[EFFECT_RELEASE] = do_release,    [EFFECT_HOLDERS] = do_holders,
		[EFFECT_RESTORE] = do_restore,    [EFFECT_QUARANTINE] = agents_perform,
		[EFFECT_REPAIR] = agents_perform, [EFFECT_PROVE] = agents_perform,
		[EFFECT_FORGET] = agents_perform, [EFFECT_ISOLATE] = agents_perform,
	};
	kinds[f->effect->kind](s, f);
	sim_say(s, "  happens #%llu.%u %s %s/%s%s%s", (unsigned long long)f->effect->id, f->manager,
		effect_kind_name(f->effect->kind), f->effect->node ? f->effect->node : "-",
		f->effect->container ? f->effect->container : "-", f->detail ? ": " : "", f->detail ? f->detail : "");
}
