/* An effect between the manager and the engine. It may be lost on the way, be refused, happen and not be heard of, or happen long
 * after the manager was told that nobody knows: whatever a network and a slow engine can do to a call. */
#include "sim.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void flight_free(struct flight *f) {
	effect_free(f->effect);
	for (size_t i = 0; i < f->result.n_nets; i++) {
		free(f->nets[i].name);
		free(f->nets[i].ip);
		free(f->nets[i].mac);
	}
	strs_clear(&f->vteps);
	free(f->detail);
	free(f);
}

void flight_free_all(struct sim *s) {
	while (s->flights) {
		struct flight *f = s->flights;
		s->flights = f->next;
		flight_free(f);
	}
}

bool flight_is_pending(const struct flight *f) { return !f->answered || f->may_happen; }

/* What nobody can notice any more is dropped. */
static void sweep(struct sim *s) {
	for (struct flight **p = &s->flights; *p;) {
		struct flight *f = *p;
		if (f->may_happen || (!f->answered && s->machine && f->manager == s->manager)) {
			p = &f->next;
			continue;
		}
		*p = f->next;
		flight_free(f);
	}
}

/* ---- what each kind does ---- */

static void refuse(struct flight *f, enum refusal why, const char *detail) {
	f->outcome = EFFECT_REFUSED;
	f->refusal = why;
	f->detail = xstrdup(detail);
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
		refuse(f, REFUSAL_NO_SUCH, "no such container");
	return c;
}

static void do_inspect(struct sim *s, struct flight *f) {
	const struct fake_container *c = fake_find(&s->fake, fake_node_index(&s->fake, f->effect->node), f->effect->container);
	struct effect_result *r = &f->result;

	if (!c)
		return;
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
								  .ip = c->running ? xstrdup(c->ip[k]) : NULL,
								  .mac = c->running ? xstrdup(c->mac[k]) : NULL,
								  .kind = NET_SWARM};
	if (!fake_has_overlay(c))
		f->nets[r->n_nets++] = (struct world_net){.name = xstrdup("bridge")};
}

static void do_image(struct sim *s, struct flight *f) {
	struct fake_node *n = &s->fake.nodes[fake_node_index(&s->fake, f->effect->node)];
	bool had = false;

	for (int k = 0; k < FAKE_IMAGES; k++)
		if (strcmp(fake_image_id(k), f->effect->image_id ? f->effect->image_id : "") == 0) {
			had = f->effect->sources.n || rng_permille(&s->rng, s->healed ? 1000 : 500);
			n->image[k] |= had;
		}
	if (!had) {
		refuse(f, REFUSAL_NO_IMAGE, "no engine has it, and it cannot be pulled");
		return;
	}
	snprintf(f->image_ref, sizeof(f->image_ref), "%s", f->effect->image);
	f->result.image_ref = f->image_ref;
}

static int image_index(const char *ref) {
	for (int k = 0; k < FAKE_IMAGES; k++)
		if (ref && (strcmp(fake_image_name(k), ref) == 0 || strcmp(fake_image_id(k), ref) == 0))
			return k;
	return -1;
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

static void do_create(struct sim *s, struct flight *f) {
	const struct effect *e = f->effect;
	int node = fake_node_index(&s->fake, e->node), image = image_index(e->image);
	const struct fake_container *spec = fake_by_id(&s->fake, e->spec_id);

	if (fake_find(&s->fake, node, e->name)) {
		refuse(f, REFUSAL_NAME_TAKEN, "the name is in use");
		return;
	}
	if (image < 0 || !s->fake.nodes[node].image[image]) {
		refuse(f, REFUSAL_NO_IMAGE, "no such image");
		return;
	}
	if (!spec) {
		sim_fail(s, "%s is made from %s, which never was", e->name, e->spec_id ? e->spec_id : "(nothing)");
		return;
	}
	struct fake_container *c = fake_add(&s->fake, node, e->name);
	snprintf(c->policy, sizeof(c->policy), "no");
	snprintf(c->workload, sizeof(c->workload), "%s", e->workload);
	snprintf(c->takeover, sizeof(c->takeover), "%s", e->takeover);
	c->generation = e->generation;
	c->opted = spec->opted;
	c->fence = spec->fence;
	c->image = image;
	c->port = spec->port;
	take_nets(c, e);
	snprintf(f->container, sizeof(f->container), "%s", c->id);
	f->result.container = f->container;
	manager_notice(s, s->fake.n_containers - 1);
}

static void do_change(struct sim *s, struct flight *f) {
	const struct effect *e = f->effect;
	struct fake_container *c = subject(s, f);
	enum refusal why = REFUSAL_OTHER;
	bool ok = true;

	if (!c)
		return;
	switch (e->kind) {
	case EFFECT_START:
		ok = fake_start(&s->fake, c, &why);
		break;
	case EFFECT_RENAME:
		ok = fake_rename(&s->fake, c, e->name, &why);
		break;
	case EFFECT_POLICY:
		snprintf(c->policy, sizeof(c->policy), "%s", e->name);
		break;
	case EFFECT_DISCONNECT:
		for (size_t i = 0; i < e->n_nets; i++)
			for (int k = 0; k < FAKE_NETS; k++)
				if (strcmp(e->nets[i].name, fake_net_name(k)) == 0)
					fake_disconnect(&s->fake, c, k);
		break;
	case EFFECT_STOP:
		ok = fake_stop(&s->fake, c);
		break;
	default:
		ok = fake_remove(&s->fake, c, &why);
		break;
	}
	if (!ok)
		refuse(f, why, why == REFUSAL_ADDRESS_TAKEN ? "Address already in use" : "refused");
	manager_notice(s, index_of(s, c));
}

static bool is_copy(const struct effect *e, const struct fake_container *c) { return strs_has(&e->copies, c->id); }

static void do_holders(struct sim *s, struct flight *f) {
	enum holder worst = HOLDER_NONE;

	for (size_t i = 0; i < f->effect->n_nets; i++)
		for (int k = 0; k < FAKE_NETS; k++) {
			const struct world_net *net = &f->effect->nets[i];
			const struct fake_container *c =
				strcmp(net->name, fake_net_name(k)) == 0 ? fake_holder(&s->fake, k, net->ip) : NULL;
			enum holder h = !c ? HOLDER_NONE : is_copy(f->effect, c) ? HOLDER_COPY : HOLDER_OTHER;
			if (c && f->effect->own && strcmp(f->effect->own, c->id) == 0)
				h = HOLDER_OWN;
			worst = h > worst ? h : worst;
		}
	f->result.holder = !s->healed && rng_permille(&s->rng, 30) ? HOLDER_UNKNOWN : worst;
}

static bool by_node_removal(const struct sim *s) { return !s->control_up && s->control_missing && s->remove_node; }

static void do_ready(struct sim *s, struct flight *f) {
	f->result.by_node_removal = by_node_removal(s);
	if (!s->control_up && !by_node_removal(s))
		refuse(f, REFUSAL_MISSING, "no control socket");
}

static void do_release(struct sim *s, struct flight *f) {
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
		refuse(f, REFUSAL_MISSING, "no control socket");
		return;
	}
	for (int i = 0; i < s->fake.n_containers; i++)
		if (is_copy(f->effect, s->fake.containers[i]))
			fake_release(s->fake.containers[i]);
}

static void do_restore(struct sim *s, struct flight *f) {
	int node = fake_node_index(&s->fake, f->effect->node);

	if (!fake_restore_node(&s->fake, node)) {
		refuse(f, REFUSAL_ADDRESS_TAKEN, "somebody has taken the address of one of its containers");
		return;
	}
	s->removed_on_disk[node] = false;
	if (s->machine)
		resched_node_removed(s->machine, s->fake.nodes[node].name, false);
}

static void perform(struct sim *s, struct flight *f) {
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

/* ---- the way there and back ---- */

/* The swarm's managers are asked about addresses; else it is the engine. */
static bool asks_swarm(enum effect_kind k) { return k == EFFECT_READY || k == EFFECT_RELEASE || k == EFFECT_HOLDERS; }

static bool is_reachable(const struct sim *s, const struct flight *f) {
	if (asks_swarm(f->effect->kind))
		return s->control_up || s->control_missing;
	int node = fake_node_index(&s->fake, f->effect->node);
	return agents_handle(f->effect->kind) ? agents_answer(s, node) : fake_answers(&s->fake, node);
}

static void happens(struct sim *s, const struct event *e) {
	struct flight *f = e->data;
	bool no_engine = asks_swarm(f->effect->kind) || agents_handle(f->effect->kind);
	const struct fake_node *n = no_engine ? NULL : &s->fake.nodes[fake_node_index(&s->fake, f->effect->node)];

	if (n && n->hung && !n->off && !n->killed) {
		/* It lies in the engine's socket until somebody lets the engine go on. */
		f->late = true;
		f->outcome = EFFECT_UNKNOWN;
		sim_at(s, sim_ms(s, 100, 1500), 0, happens, 0, 0, f);
		return;
	}
	f->may_happen = false;
	if (!is_reachable(s, f) && !(f->late && n && !n->off && !n->killed)) {
		f->outcome = EFFECT_UNKNOWN;
		sweep(s);
		return;
	}
	perform(s, f);
	sweep(s);
}

static void answered(struct sim *s, const struct event *e) {
	struct flight *f = e->data;

	f->answered = true;
	if (f->effect->kind == EFFECT_POLICY && f->outcome == EFFECT_REFUSED && *f->effect->takeover)
		sim_truth(s, fake_by_id(&s->fake, f->effect->container))->policy_refused = true; /* a warning, and "no" */
	if (f->late || f->may_happen || (f->outcome != EFFECT_NOT_DONE && !is_reachable(s, f)))
		f->outcome = EFFECT_UNKNOWN;
	f->result.outcome = f->outcome;
	f->result.refusal = f->outcome == EFFECT_REFUSED ? f->refusal : REFUSAL_OTHER;
	f->result.detail = f->detail;
	if (f->outcome != EFFECT_OK && f->outcome != EFFECT_REFUSED)
		f->result.found = false;
	static const char *const names[] = {"ok", "refused", "not done", "unknown"};
	sim_say(s, "  answer #%llu.%u %s: %s", (unsigned long long)f->effect->id, f->manager, effect_kind_name(f->effect->kind),
		names[f->outcome]);
	coverage_effect(f->effect->kind, f->outcome);
	resched_result(s->machine, s->now, f->effect->id, &f->result);
	manager_wake(s);
	sweep(s);
}

/* An answer to a dead manager is heard by nobody. */
static void answer_in(struct sim *s, struct flight *f, int from_ms, int to_ms) {
	sim_at(s, sim_ms(s, from_ms, to_ms), f->manager, answered, 0, 0, f);
}

static void happen_in(struct sim *s, struct flight *f, int from_ms, int to_ms) {
	f->may_happen = true;
	sim_at(s, sim_ms(s, from_ms, to_ms), 0, happens, 0, 0, f);
}

static void go_wrong(struct sim *s, struct flight *f) {
	switch (rng_below(&s->rng, 5)) {
	case 0: /* lost on the way, and known to be */
		f->outcome = EFFECT_NOT_DONE;
		answer_in(s, f, 1, 2000);
		return;
	case 1: /* lost on the way */
		f->outcome = EFFECT_UNKNOWN;
		answer_in(s, f, 1000, 5000);
		return;
	case 2: /* done, and the answer is lost */
		happen_in(s, f, 1, 300);
		f->late = true;
		answer_in(s, f, 1000, 5000);
		f->outcome = EFFECT_UNKNOWN;
		return;
	case 3: /* done long after it was given up */
		f->late = true;
		f->outcome = EFFECT_UNKNOWN;
		happen_in(s, f, 2000, rng_permille(&s->rng, 300) ? 40000 : 6000);
		answer_in(s, f, 500, 2000);
		return;
	default:
		refuse(f, REFUSAL_OTHER, "server error");
		answer_in(s, f, 1, 300);
		return;
	}
}

void flight_send(struct sim *s, struct effect *e) {
	struct flight *f = xnew(struct flight);

	f->effect = e;
	f->manager = s->manager;
	f->next = s->flights;
	s->flights = f;
	sim_say(s, "  send   #%llu.%u %s %s/%s %s", (unsigned long long)e->id, f->manager, effect_kind_name(e->kind),
		e->node ? e->node : "-", e->container ? e->container : "-", e->name ? e->name : "");
	if (!is_reachable(s, f) &&
	    !(asks_swarm(e->kind) || agents_handle(e->kind) ? false : s->fake.nodes[fake_node_index(&s->fake, e->node)].hung)) {
		f->outcome = rng_permille(&s->rng, 700) ? EFFECT_NOT_DONE : EFFECT_UNKNOWN;
		answer_in(s, f, 100, 4000);
		return;
	}
	if (!s->healed && rng_permille(&s->rng, s->trouble)) {
		go_wrong(s, f);
		return;
	}
	bool slow = rng_permille(&s->rng, 30);
	int there = rng_range(&s->rng, 1, slow ? 4000 : 150);
	happen_in(s, f, there, there);
	answer_in(s, f, there + 1, there + (slow ? 2000 : 60));
}
