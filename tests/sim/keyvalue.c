/* Key/value overlays: there is no manager that lets go of an address. Any engine can do it for another, by a forced disconnect of
 * the container's name; but it looks for that name among its own containers first, and cuts that one off where it has one. So it
 * has to be an engine that has none, as far as the manager knows (the daemon's choice, and net/overlay/kv.c's walk). */
#include "sim.h"

#include "base/alloc.h"

#include <string.h>

/* The daemon's: one that answers, and of which no container of that name is known. -1. What was made there a moment ago is not
 * known yet, and would be cut off instead: nothing in heird keeps it from that, and it is left out here. */
static int engine_without(const struct sim *s, const char *name) {
	const struct world *w = resched_world(s->machine);

	for (int i = 0; i < s->fake.n_nodes; i++) {
		const struct world_node *n = world_node(w, s->fake.nodes[i].name);
		if (n->verdict == NODE_ALIVE && n->listed && n->facts.kv && !world_container_named(w, n->name, name) &&
		    !fake_find(&s->fake, i, name))
			return i;
	}
	return -1;
}

static void refuse(struct flight *f, const char *why) {
	f->outcome = EFFECT_NOT_DONE;
	xstr_replace(&f->detail, why);
}

void keyvalue_ready(struct sim *s, struct flight *f) {
	for (size_t i = 0; s->machine && i < f->effect->names.n; i++)
		if (engine_without(s, f->effect->names.v[i]) < 0)
			refuse(f, "no engine answers that has no container of that name");
}

/* A forced disconnect of `name` by the engine of `node`, which holds `c`'s endpoint for it. */
static void disconnect(struct sim *s, int node, struct fake_container *c, int net) {
	struct fake_container *own = fake_find(&s->fake, node, c->name);

	if (own) {
		sim_say(s, "  %s disconnects its own %s instead", s->fake.nodes[node].name, own->name);
		check_cut_instead(s, own);
		fake_disconnect(&s->fake, own, net);
		return;
	}
	fake_let_go(c, net);
}

static bool is_ours(const struct sim *s, const struct effect *e, const struct fake_container *c) {
	/* By its name, where its host cannot be asked: nobody else was seen to have that name and address. */
	return strs_has(&e->copies, c->id) || (strs_has(&e->names, c->name) && !fake_answers(&s->fake, c->node));
}

void keyvalue_release(struct sim *s, struct flight *f) {
	const struct effect *e = f->effect;

	for (size_t i = 0; s->machine && i < e->n_nets; i++) {
		int net = fake_net_index(&e->nets[i]);
		struct fake_container *c = net < 0 || !e->nets[i].ip ? NULL : fake_holder(&s->fake, net, e->nets[i].ip);
		if (!c || (e->own && strcmp(c->id, e->own) == 0) || !is_ours(s, e, c))
			continue;
		int node = engine_without(s, c->name);
		if (node < 0 || !fake_answers(&s->fake, node)) {
			refuse(f, "every engine that answers has a container of that name, which it would disconnect instead");
			return;
		}
		disconnect(s, node, c, net);
	}
}
