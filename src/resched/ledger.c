/* Whose a container is: the workload and generation that the ledger gives it when it is seen, and what a workload is made again
 * from. */
#include "resched/resched-internal.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <string.h>

struct world_container *workload_subject(const struct resched *r, const struct workload *w) {
	struct world_container *spec = w->remembered ? w->remembered : world_container(&r->world, w->spec_node, w->spec_id);
	return spec ? spec : world_container(&r->world, w->node, w->container);
}

static const char *policy_of(const struct world_container *c) {
	return c && c->restart_policy && strcmp(c->restart_policy, "no") != 0 ? c->restart_policy : "";
}

bool container_is_complete(const struct resched *r, const struct workload *w, const struct world_container *c) {
	for (size_t i = 0; i < c->n_nets; i++)
		if (c->nets[i].kind != NET_LOCAL && !c->nets[i].ip && !c->nets[i].ip6)
			return false;
	/* What was seen may be older than the last that heir did to it. */
	const struct world_container *subject = workload_subject(r, w);
	return c->n_nets && c->started && (workload_is_spec(w, c->node, c->id) || strcmp(policy_of(c), policy_of(subject)) == 0);
}

static bool takeover_owns(const struct resched *r, const struct workload *w, const struct world_container *c) {
	const struct takeover *t = takeover_open(r, w);
	return t && t->to && strcmp(t->to, c->node) == 0 &&
	       (t->new_id ? strcmp(t->new_id, c->id) == 0
			  : c->takeover && strcmp(c->takeover, t->id) == 0 && c->generation == t->generation);
}

static void drop_spec(struct resched *r, const struct workload *w) {
	if (!w->spec_id)
		return;
	char *key = xasprintf("%s/%s", w->spec_node, w->spec_id);
	strs_add_new(&r->out.unneeded, key);
	free(key);
}

void workload_set_spec(struct resched *r, struct workload *w, const struct world_container *c) {
	if (workload_is_spec(w, c->node, c->id))
		return;
	drop_spec(r, w);
	world_container_free(w->remembered);
	w->remembered = NULL;
	xstr_replace(&w->spec_node, c->node);
	xstr_replace(&w->spec_id, c->id);
	w->dirty = true;
}

static void set_owner(struct resched *r, struct workload *w, const struct world_container *c, unsigned generation) {
	xstr_replace(&w->node, c->node);
	xstr_replace(&w->container, c->id);
	w->generation = generation;
	if (w->last_generation < generation)
		w->last_generation = generation;
	w->verified = true;
	publish_serve(w, generation, c->node, c->id);
	workload_set_spec(r, w, c);
	w->dirty = true;
}

void ledger_adopt(struct resched *r, struct workload *w, const struct world_container *c, unsigned generation) {
	set_owner(r, w, c, generation);
	w->orphan = w->abandoned = false;
	w->must_run = true;
	r->world_changed = true;
	wake_at(r, r->now);
}

/* What heir made shows "no" until its own policy is given back, so there "no" says nothing. */
static void learn_restart_policy(struct workload *w, const struct world_container *c) {
	bool telling = c->restart_policy &&
		       (!c->takeover || MUTANT(PARKED_POLICY_LEARNT) || (w->verified && strcmp(c->restart_policy, "no") != 0));

	if (telling && (!w->restart_policy || strcmp(w->restart_policy, c->restart_policy) != 0)) {
		xstr_replace(&w->restart_policy, c->restart_policy);
		w->dirty = true;
	}
}

static void owner_seen(struct resched *r, struct workload *w, const struct world_container *c) {
	/* What heir made and verified was started, whatever an answer says that is older than that. */
	bool started = c->started || (c->takeover && w->verified);
	/* One that is not verified is heir's own to get going: that it does not run yet says nothing of what its user wants. */
	bool must_run = c->running || (w->must_run && !c->settled && started) || !w->verified;

	/* On its way it still has its stage name; its own is what the takeover remembers. */
	bool staged_name = c->takeover && strncmp(c->name, "heir-", 5) == 0;
	if (w->must_run != must_run || w->gone || (!staged_name && strcmp(w->name, c->name) != 0))
		w->dirty = true;
	w->must_run = must_run;
	w->gone = false;
	learn_restart_policy(w, c);
	if (!staged_name)
		xstr_replace(&w->name, c->name);
	if (w->verified && container_is_complete(r, w, c))
		workload_set_spec(r, w, c);
}

static struct workload *workload_add(struct resched *r, const char *id, const struct world_container *c) {
	struct workload *w = workload_new(id, c->name);

	HASH_ADD_KEYPTR(hh, r->workloads, w->id, strlen(w->id), w);
	set_owner(r, w, c, c->generation && c->workload && strcmp(c->workload, id) == 0 ? c->generation : 1);
	/* Found stopped: on purpose, if its engine answers long enough from now; a memory from before says it itself. */
	w->must_run = c->running || (c->started && !c->settled);
	learn_restart_policy(w, c);
	return w;
}

/* One that is known already was perhaps started since this was seen. */
static void add_copy_seen(struct workload *w, const struct world_container *c, unsigned generation) {
	bool known = workload_copy_find(w, c->node, c->id) != NULL;
	struct workload_copy *copy = workload_copy_add(w, c->node, c->id, c->name, generation);

	copy->staged = c->takeover && !c->started && (!known || copy->staged);
}

static bool is_first_of(const struct workload *w, const char *id) {
	const char *slash = strrchr(w->id, '/');
	return slash && strcmp(slash + 1, id) == 0;
}

/* Labels can be copied (docker commit, a compose file): a container is of a workload only when the ledger knows it, or a takeover
 * that could have made it does. */
static bool belongs_to(const struct resched *r, const struct workload *w, const struct world_container *c) {
	struct workload *known = workload_find(r, w->id);
	const struct takeover *t = NULL;

	if (workload_is_owner(w, c->node, c->id) || is_first_of(w, c->id) || workload_copy_find(known, c->node, c->id) ||
	    takeover_owns(r, w, c))
		return true;
	if (c->takeover)
		HASH_FIND_STR(r->takeovers, c->takeover, t);
	if (!t || strcmp(t->workload, w->id) != 0)
		return false;
	if (c->generation == t->generation && t->to && strcmp(t->to, c->node) == 0 && t->new_id && strcmp(t->new_id, c->id) == 0)
		return true;
	/* Made by a create whose answer never came, or came too late: it still has the stage's name, which no copy of it can have.
	 */
	char *name = workload_staged_name(w, c->generation);
	bool staged = c->generation <= t->generation && strcmp(c->name, name) == 0;
	free(name);
	return staged;
}

/* Numbers are given out by the ledger alone, so what ran with a higher one than it knows is of a later ledger: this one was
 * restored from an old copy. While something of it is under way it is left to that: a claim finds the address taken, and takes
 * nothing. */
static bool is_newer(const struct resched *r, const struct workload *w, const struct world_container *c) {
	return c->takeover && c->started && c->generation > w->last_generation && !takeover_open(r, w);
}

struct workload *ledger_identify(const struct resched *r, const struct world_container *c, char **ret_id) {
	struct workload *w = c->workload ? workload_find(r, c->workload) : NULL;

	/* A ledger that knows nothing of it was lost: the label is all there is. */
	bool labelled = c->workload && (!w || belongs_to(r, w, c) || is_newer(r, w, c));
	*ret_id = labelled ? xstrdup(c->workload) : xasprintf("%s/%s", r->cluster, c->id);
	return labelled ? w : workload_find(r, *ret_id);
}

const struct workload *resched_workload_for(const struct resched *r, const struct world_container *c) {
	char *id;
	const struct workload *w = ledger_identify(r, c, &id);
	free(id);
	return w;
}

const struct workload *resched_workload_of(const struct resched *r, const char *node, const char *id) {
	for (const struct workload *w = r->workloads; w; w = w->hh.next)
		if (workload_is_owner(w, node, id))
			return w;
	return NULL;
}

/* The owner that the ledger forgot; the one that it believes in is stale. */
static void adopt_newer(struct resched *r, struct workload *w, const struct world_container *c) {
	if (w->node && w->container)
		workload_copy_add(w, w->node, w->container, w->name, w->generation);
	if (!w->origin)
		w->origin = xstrdup_null(w->node);
	set_owner(r, w, c, c->generation);
	w->orphan = w->exhausted = w->abandoned = false;
	w->attempts = 0;
	strs_clear(&w->avoid);
	owner_seen(r, w, c);
}

/* What heir made, of a workload that the ledger knows, and neither its owner nor a copy: it was removed, and a crash came before
 * its memory was. */
static bool is_removed_copy(const struct resched *r, const struct world_container *c) {
	return c->remembered && c->takeover && c->workload && workload_find(r, c->workload);
}

/* Which generation a container is, and whose. */
void ledger_place(struct resched *r, const struct world_container *c) {
	char *id;
	struct workload *w = ledger_identify(r, c, &id);

	if (!w) {
		if (!is_removed_copy(r, c) && (c->policy.move || MUTANT(MOVED_WITHOUT_CONSENT)) && (c->started || !c->takeover))
			workload_add(r, id, c);
	} else if (workload_is_owner(w, c->node, c->id)) {
		owner_seen(r, w, c);
	} else if (is_newer(r, w, c)) {
		adopt_newer(r, w, c);
	} else if (!takeover_owns(r, w, c)) {
		add_copy_seen(w, c, c->generation ? c->generation : 1);
	}
	free(id);
}

void ledger_settled(struct resched *r, const struct world_container *c) {
	char *id;
	struct workload *w = ledger_identify(r, c, &id);

	if (w && workload_is_owner(w, c->node, c->id))
		owner_seen(r, w, c);
	free(id);
}

/* The workload that is made again from it and whose verified owner, left in peace, it is not; NULL. */
static struct workload *frozen_for(const struct resched *r, const char *node, const char *id) {
	struct workload *w = r->workloads;

	while (w && !workload_is_spec(w, node, id))
		w = w->hh.next;
	if (!w)
		return NULL;
	const struct takeover *t = takeover_open(r, w);
	bool in_peace = w->verified && workload_is_owner(w, node, id) && !(t && takeover_is_past_return(t));
	return in_peace ? NULL : w;
}

void ledger_freeze(struct resched *r, struct world_container *c) {
	struct workload *w = frozen_for(r, c->node, c->id);

	if (!w || w->remembered || MUTANT(MEMORY_NOT_FROZEN))
		return;
	world_container_take(&r->world, c);
	w->remembered = c;
}

static void forget(struct resched *r, struct workload *w) {
	strs_add(&r->out.forgotten, w->id);
	r->workload_lost = true;
	drop_spec(r, w);
	HASH_DEL(r->workloads, w);
	workload_free(w);
}

/* Removed by its user; one that was never verified, by an attempt that was being undone when its node was lost. */
static void owner_gone(struct workload *w) {
	w->gone = w->verified;
	w->must_run = !w->verified;
	w->orphan = !w->verified;
	if (w->orphan)
		xstr_replace(&w->container, NULL);
	w->dirty = true;
}

void ledger_container_gone(struct resched *r, const char *node, const char *id) {
	struct workload *w, *next;

	HASH_ITER (hh, r->workloads, w, next) {
		struct workload_copy *copy = workload_copy_find(w, node, id);
		if (copy)
			workload_copy_remove(w, copy);
		const struct takeover *open = takeover_open(r, w);
		if (workload_is_owner(w, node, id) && !(open && takeover_is_past_return(open)))
			owner_gone(w);
		if (w->gone && w->n_copies == 0 && !open)
			forget(r, w);
	}
}

bool resched_needs_memory(const struct resched *r, const char *node, const char *id) {
	for (const struct workload *w = r->workloads; w; w = w->hh.next)
		if (workload_is_spec(w, node, id))
			return true;
	return false;
}

const struct world_container *resched_memory(const struct resched *r, const char *node, const char *id) {
	for (const struct workload *w = r->workloads; w; w = w->hh.next)
		if (w->remembered && workload_is_spec(w, node, id))
			return w->remembered;
	return world_container(&r->world, node, id);
}

bool resched_memory_is_frozen(const struct resched *r, const char *node, const char *id) { return frozen_for(r, node, id) != NULL; }
