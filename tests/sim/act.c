/* What an effect does where it is performed, and what is answered: an engine in its own words, which heird's own rules (answers.h)
 * then read. */
#include "sim.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "daemon/answers.h"
#include "daemon/translate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The result, but for what only this kind answers with. */
void act_take(struct flight *f, const struct effect_result *means) {
	f->outcome = means->outcome;
	f->result.refusal = means->refusal;
	if (means->outcome != EFFECT_OK && !f->detail)
		f->detail = xstrdup_null(means->detail);
}

/* An engine's answer, as engines word it (docs/engine-facts.md): what it means is heird's to say. */
void act_says(struct flight *f, int status, const char *fmt, ...) {
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
	act_take(f, &means);
}

/* What the swarm's managers and its control socket come to. */
static void overlay_says(struct flight *f, const struct overlay_result *result) {
	const struct effect_result means = answer_overlay(result);

	act_take(f, &means);
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
		act_says(f, 404, "No such container: %s", f->effect->container);
	return c;
}

/* The machine compares by name. */
static enum net_kind any_kind(void *ctx, const char *id, const char *name) {
	(void)ctx;
	(void)id;
	(void)name;
	return NET_LOCAL;
}

static void do_inspect(struct sim *s, struct flight *f) {
	const struct fake_container *c = fake_find(&s->fake, fake_node_index(&s->fake, f->effect->node), f->effect->container);
	struct err err;

	if (!c) {
		act_says(f, 404, "No such container: %s", f->effect->container);
		return;
	}
	json_t *inspect CLEANUP_JSON = inspect_container(s, c);
	if (engine_container_parse(inspect, &f->seen, &err) < 0)
		sim_fail(s, INV_SIMULATOR, "a container cannot be read: %s", err.msg);
	f->nets = translate_endpoints(&f->seen, any_kind, NULL);
	f->result = answer_inspected(&f->seen, f->nets);
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
	int image = create_image(f->effect->image_id ? f->effect->image_id : f->effect->image);
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
	int image = create_image(e->image_id ? e->image_id : e->image);
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
		act_take(f, &stop);
		return;
	}
	struct engine_image seen = {.id = (char *)(uintptr_t)fake_image_id(image)};
	strs_add(&seen.tags, fake_image_name(image));
	snprintf(f->image_ref, sizeof(f->image_ref), "%s", answer_image_ref(e, &seen));
	strs_clear(&seen.tags);
	f->result.image_ref = f->image_ref;
}

static bool by_node_removal(const struct sim *s) { return !s->control_up && s->control_missing && s->remove_node; }

void act_prepare(struct sim *s, struct flight *f) {
	const struct effect *e = f->effect;

	/* What the node needs to come back is on disk before it is taken out of its swarm. */
	f->recorded = e->kind == EFFECT_RELEASE && e->by_node_removal && by_node_removal(s);
	if (f->recorded)
		manager_remove_node(s, fake_node_index(&s->fake, e->node));
	if (e->kind == EFFECT_CREATE)
		create_prepare(s, f);
}

static void do_start(struct sim *s, struct flight *f, struct fake_container *c) {
	enum refusal why = REFUSAL_OTHER;

	if (c->running)
		act_says(f, 304, "%s", "");
	else if (fake_start(&s->fake, c, &why))
		act_says(f, 204, "%s", "");
	else if (why == REFUSAL_PORT_TAKEN)
		act_says(f, 500,
			 "container %s: endpoint join on GW Network failed: driver failed programming external connectivity on "
			 "endpoint "
			 "gateway_1: Bind for 0.0.0.0:%u failed: port is already allocated",
			 c->id, c->port);
	else
		act_says(f, 500,
			 "attaching to network failed, make sure your network options are correct and check manager logs: context "
			 "deadline exceeded");
}

static void do_rename(struct sim *s, struct flight *f, struct fake_container *c) {
	const char *name = f->effect->name;
	enum refusal why;

	if (strcmp(c->name, name) == 0)
		act_says(f, 400, "Renaming a container with the same name as its current name");
	else if (fake_rename(&s->fake, c, name, &why))
		act_says(f, 204, "%s", "");
	else
		act_says(f, 409,
			 "Error when allocating new name: Conflict. The container name \"/%s\" is already in use by container "
			 "\"%s\". "
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
				act_says(f, 200, "%s", "");
			else
				act_says(f, 500, "container %s is not connected to network %s", c->id, fake_net_name(k));
			fake_disconnect(&s->fake, c, k);
		}
}

static void do_stop(struct sim *s, struct flight *f, struct fake_container *c) {
	act_says(f, c->running ? 204 : 304, "%s", "");
	(void)fake_stop(&s->fake, c);
}

static void do_policy(struct sim *s, struct flight *f, struct fake_container *c) {
	(void)s;
	snprintf(c->policy, sizeof(c->policy), "%s", f->effect->name);
	act_says(f, 200, "%s", "");
}

static void do_remove(struct sim *s, struct flight *f, struct fake_container *c) {
	enum refusal why;

	if (fake_remove(&s->fake, c, &why))
		act_says(f, 204, "%s", "");
	else
		act_says(f, 409,
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

	if (by_node_removal(s) && f->recorded) {
		check_node_removal(s, node);
		fake_remove_node(&s->fake, node);
		sim_say(s, "%s is removed from the swarm", s->fake.nodes[node].name);
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

	if (!s->healed && rng_permille(&s->rng, 50)) {
		overlay_says(f, &(struct overlay_result){.outcome = OVERLAY_NOT_DONE, .detail = "no manager of the swarm answers"});
		return;
	}
	if (!fake_restore_node(&s->fake, node)) {
		overlay_says(f, &(struct overlay_result){.outcome = OVERLAY_NOT_DONE,
							 .detail = "somebody has taken the address of one of its containers"});
		return;
	}
}

/* The swarm's managers are asked about addresses; else it is the engine or the agent. */
bool act_asks_swarm(enum effect_kind k) { return k == EFFECT_READY || k == EFFECT_RELEASE || k == EFFECT_HOLDERS; }

void act_refuse(struct flight *f) {
	if (act_asks_swarm(f->effect->kind) || agents_handle(f->effect->kind) || f->effect->kind == EFFECT_RESTORE)
		overlay_says(f, &(struct overlay_result){.outcome = OVERLAY_REFUSED, .detail = "server error"});
	else
		act_says(f, 500, "server error");
}

void act_perform(struct sim *s, struct flight *f) {
	static void (*const kinds[])(struct sim *, struct flight *) = {
		[EFFECT_INSPECT] = do_inspect,    [EFFECT_IMAGE] = do_image,
		[EFFECT_CREATE] = create_perform, [EFFECT_START] = do_change,
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
