/* Seats: which addresses each agent keeps right.
 *
 * Every agent on a node that has the network is told where a moved workload's addresses are now, and told again when the owner, its
 * namespace or the agent is another one than before. What the ledger says is what holds; an agent that was not reached is told
 * later, whatever has become of the takeover meanwhile. */
#include "resched/resched-internal.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/mutant.h"
#include "resched/walk-internal.h"

#include <string.h>

#define TELL_SEC 2
#define TELLS_AT_ONCE 16   /* to one agent, which sees to one after the other */
#define UNWANTED 1         /* a hash that no workload has otherwise */
#define TELLS_UNTIL_LEFT 2 /* so often an agent may fail before a takeover goes on without it */

/* ---- what is to be told ---- */

/* Moved at least once, and alive: before it was moved the engines' own rows hold. */
static bool is_told(const struct resched *r, const struct workload *w) {
	const struct takeover *t = takeover_open(r, w);

	if (w->generation < 2 || !w->node || !w->container || w->gone || w->orphan || !w->must_run)
		return false;
	return t ? t->claimed && t->row >= ROW_REPAIR && t->abort == ABORT_NO : w->verified;
}

static bool is_unwanted(const struct resched *r, const struct workload *w) {
	return !w || ((w->gone || !w->must_run) && !takeover_open(r, w));
}

static bool has_net(const struct resched *r, const struct world_node *n, const struct world_container *owner) {
	for (size_t i = 0; i < owner->n_nets; i++)
		if (owner->nets[i].kind != NET_LOCAL && world_node_has_net(&r->world, n->name, owner->nets[i].name))
			return true;
	return false;
}

/* Its own copy is cut off and stopped first. */
static bool has_live_copy(const struct workload *w, const char *node) {
	for (size_t i = 0; i < w->n_copies; i++)
		if (strcmp(w->copies[i].node, node) == 0 && !w->copies[i].staged && w->copies[i].row < CLEAN_WAIT)
			return true;
	return false;
}

static bool concerns(const struct resched *r, const struct workload *w, const struct world_node *n,
		     const struct world_container *owner) {
	if (!owner || !world_container_has_overlay(owner) || has_live_copy(w, n->name))
		return false;
	return strcmp(n->name, w->node) == 0 || has_net(r, n, owner);
}

/* What the takeover carries over is what the owner has, or will show in a moment. */
static const struct world_net *net_at(const struct takeover *t, const struct world_container *owner, size_t i) {
	size_t n = t ? t->n_nets : owner->n_nets;

	return i >= n ? NULL : t ? &t->nets[i].net : &owner->nets[i];
}

/* One that was not seen with its addresses yet has nothing that could be told. */
static bool is_complete(const struct takeover *t, const struct world_container *owner) {
	const struct world_net *net;

	for (size_t i = 0; (net = net_at(t, owner, i)) != NULL; i++)
		if (net->kind != NET_LOCAL && (!net->mac || (!net->ip && !net->ip6)))
			return false;
	return true;
}

static bool is_same_net(const struct agent_seat *s, const struct world_net *net) {
	for (size_t i = 0; i < s->n_nets; i++)
		if (strcmp(s->nets[i].name, net->name) == 0)
			return strcmp(s->nets[i].mac, net->mac) == 0 &&
			       (!net->ip || (s->nets[i].ip && strcmp(s->nets[i].ip, net->ip) == 0));
	return false;
}

static bool is_up_to_date(const struct agent_seat *s, const struct workload *w, const struct takeover *t,
			  const struct world_container *owner) {
	const struct world_net *net;

	if (!s->told || s->generation != w->generation || !s->container || strcmp(s->container, w->container) != 0)
		return false;
	for (size_t i = 0; (net = net_at(t, owner, i)) != NULL; i++)
		if (net->kind != NET_LOCAL && net->mac && !is_same_net(s, net))
			return false;
	return !owner->sandbox || (s->sandbox && strcmp(s->sandbox, owner->sandbox) == 0);
}

/* ---- telling ---- */

static void copy_nets(const struct takeover *t, const struct world_container *owner, struct agent_seat *s) {
	const struct world_net *net;

	world_nets_free(s->nets, s->n_nets);
	s->n_nets = 0;
	s->nets = xnew_n(struct world_net, t ? t->n_nets : owner->n_nets);
	for (size_t i = 0; (net = net_at(t, owner, i)) != NULL; i++)
		if (net->kind != NET_LOCAL)
			world_net_copy(&s->nets[s->n_nets++], net);
}

static struct effect *seat_effect(struct resched *r, struct world_node *n, struct agent_seat *s, enum effect_kind kind) {
	struct effect *e = effect_new(r, kind, span_sec(TELL_SEC));

	e->node = xstrdup(n->name);
	e->workload = xstrdup(s->workload);
	e->generation = s->generation;
	e->container = xstrdup_null(s->container);
	e->host = xstrdup_null(s->host);
	e->watch = true;
	e->nets = xnew_n(struct world_net, s->n_nets);
	for (size_t i = 0; i < s->n_nets; i++)
		world_net_copy(&e->nets[e->n_nets++], &s->nets[i]);
	s->pending = e->id;
	n->agent.telling++;
	agents_asked(r, e->id, n, s);
	return e;
}

/* True while it cannot be told; it is looked at again when it can. */
static bool has_to_wait(struct resched *r, struct world_node *n, const struct agent_seat *s) {
	struct node_agent *a = &n->agent;

	if (s->pending || a->telling >= TELLS_AT_ONCE) {
		a->awaited = true;
		return true;
	}
	if (mono_reached(s->not_before, r->now))
		return false;
	a->due_at = a->due_at.ns ? mono_min(a->due_at, s->not_before) : s->not_before;
	return true;
}

static void tell(struct resched *r, struct world_node *n, const struct workload *w, const struct world_container *owner) {
	const struct world_node *host = world_node(&r->world, w->node);
	const struct takeover *t = takeover_open(r, w);
	struct agent_seat *s = agent_seat(&n->agent, w->id);

	if (s && !s->pending && (is_up_to_date(s, w, t, owner) || (s->told && MUTANT(NEW_OWNER_NOT_TOLD))))
		return;
	if (!host || !host->facts.vtep || !is_complete(t, owner))
		return;
	if (!s)
		s = agent_seat_add(&n->agent, w->id);
	if (!s->pending && s->generation != w->generation) {
		s->tries = 0;
		s->not_before = (struct mono){0};
	}
	if (has_to_wait(r, n, s))
		return;
	s->told = s->unwanted = false;
	s->generation = w->generation;
	xstr_replace(&s->container, w->container);
	xstr_replace(&s->sandbox, owner->sandbox);
	xstr_replace(&s->host, w->node);
	copy_nets(t, owner, s);
	struct effect *e = seat_effect(r, n, s, EFFECT_REPAIR);
	e->vtep = xstrdup(host->facts.vtep);
	effect_emit(r, e);
}

static void forget(struct resched *r, struct world_node *n, struct agent_seat *s) {
	if (has_to_wait(r, n, s))
		return;
	s->unwanted = true;
	effect_emit(r, seat_effect(r, n, s, EFFECT_FORGET));
}

static void forget_unwanted(struct resched *r, struct world_node *n) {
	struct agent_seat *s, *next;

	HASH_ITER (hh, n->agent.seats, s, next) {
		if (is_unwanted(r, workload_find(r, s->workload)))
			forget(r, n, s);
	}
}

/* The owner as far as it is known: a takeover's replacement may not have been seen yet, and has what the one before had. */
static const struct world_container *owner_of(const struct resched *r, const struct workload *w) {
	const struct world_container *c = world_container(&r->world, w->node, w->container);

	return c && (world_container_has_overlay(c) || !takeover_open(r, w)) ? c : workload_subject(r, w);
}

/* ---- who is gone through ---- */

/* One whose addresses the agents are to know. */
struct told {
	struct workload *w;
	const struct world_container *owner;
	bool anew; /* something of it is not as it was when they were last gone through */
};

/* Everything of a workload that decides what an agent is told of it, apart from the agent's own node. Never 0. */
static uint64_t hash_of(const struct resched *r, const struct workload *w, const struct world_container *owner) {
	const struct world_node *host = world_node(&r->world, w->node);
	const struct takeover *t = takeover_open(r, w);
	const struct world_net *net;
	uint64_t hash = HASH_START;

	if (!owner)
		return is_unwanted(r, w) ? UNWANTED : 2;
	hash = hash_text(hash_text(hash_text(hash, w->node), w->container), owner->sandbox);
	hash = hash_text(hash_number(hash, w->generation), host ? host->facts.vtep : NULL);
	for (size_t i = 0; (net = net_at(t, owner, i)) != NULL; i++)
		hash = hash_text(hash_text(hash_text(hash_text(hash, net->name), net->mac), net->ip), net->ip6);
	for (size_t i = 0; i < w->n_copies; i++)
		hash = hash_text(hash_number(hash, w->copies[i].row), w->copies[i].node);
	return hash | 4;
}

/* Owned by the caller. A workload that is no longer to be known is taken back at once, from whoever knows it. */
static struct told *find_told(struct resched *r, size_t *ret_n) {
	struct told *told = xnew_n(struct told, HASH_COUNT(r->workloads));

	*ret_n = 0;
	for (struct workload *w = r->workloads; w; w = w->hh.next) {
		const struct world_container *owner = is_told(r, w) ? owner_of(r, w) : NULL;
		uint64_t hash = hash_of(r, w, owner);
		bool anew = hash != w->told;
		w->told = hash;
		r->workload_lost |= anew && hash == UNWANTED;
		if (owner)
			told[(*ret_n)++] = (struct told){w, owner, anew};
	}
	return told;
}

static bool is_due(struct resched *r, struct world_node *n) {
	struct node_agent *a = &n->agent;

	if (a->state != NODE_AGENT_OK)
		return false;
	if (!a->due && !r->workload_lost && !(a->due_at.ns && mono_reached(a->due_at, r->now)))
		return false;
	a->due = a->awaited = false;
	a->due_at = (struct mono){0};
	forget_unwanted(r, n);
	return true;
}

/* A thousand agents and hundreds of moved workloads are too many to be gone through in every turn: only what changed is. */
void seats_turn(struct resched *r) {
	size_t n_told;
	struct told *told = find_told(r, &n_told);

	for (struct world_node *n = r->world.nodes; n; n = n->hh.next) {
		bool due = is_due(r, n);
		for (size_t i = 0; i < n_told && n->agent.state == NODE_AGENT_OK; i++)
			if ((due || told[i].anew) && concerns(r, told[i].w, n, told[i].owner))
				tell(r, n, told[i].w, told[i].owner);
		if (due)
			former_turn(r, n);
		if (n->agent.due_at.ns && n->agent.state == NODE_AGENT_OK)
			wake_at(r, n->agent.due_at);
	}
	r->workload_lost = false;
	free(told);
}

void seats_result(struct resched *r, struct world_node *n, struct agent_seat *s, const struct effect_result *result) {
	bool ok = result->outcome == EFFECT_OK && (s->unwanted || result->right);

	s->pending = 0;
	n->agent.telling--;
	former_drop(&n->agent);
	n->agent.due |= n->agent.awaited || !ok;
	if (ok && s->unwanted) {
		agent_seat_remove(&n->agent, s);
		return;
	}
	s->told = ok;
	s->tries = ok ? 0 : s->tries + 1;
	s->not_before = ok ? (struct mono){0} : mono_add(r->now, backoff(r, s->tries));
	xstr_replace(&s->problem, ok ? NULL : result->detail ? result->detail : "no answer");
}

/* ---- who asks ---- */

static void add_problem(struct strs *list, const struct world_node *n, const char *problem) {
	const char *why = problem                                    ? problem
			  : n->agent.state == NODE_AGENT_NONE        ? "no agent"
			  : n->agent.state == NODE_AGENT_OK          ? "its agent was not told"
			  : n->agent.state == NODE_AGENT_UNREACHABLE ? "its agent does not answer"
								     : "its agent obeys another epoch";
	char *line = xasprintf("%s: %s", n->name, why);

	strs_add(list, line);
	free(line);
}

/* Why nobody can be told of it, now or later; NULL: it can. */
static const char *untellable(const struct resched *r, const struct workload *w, const struct takeover *t,
			      const struct world_container *owner) {
	const struct world_node *host = world_node(&r->world, w->node);

	if (!host || !host->facts.vtep)
		return "the underlay address of the new host is not known";
	return is_complete(t, owner) ? NULL : "not all of its addresses are known";
}

size_t seats_open(const struct resched *r, const struct takeover *t, struct strs *ret_right, struct strs *ret_wrong) {
	const struct workload *w = walk_workload(r, t);
	const struct world_container *owner = owner_of(r, w);
	const char *never = owner ? untellable(r, w, t, owner) : NULL;
	size_t open = 0;

	for (const struct world_node *n = r->world.nodes; n; n = n->hh.next) {
		if (!owner || !agents_is_observer(r, n, t) || !concerns(r, w, n, owner))
			continue;
		const struct agent_seat *s = agent_seat(&n->agent, w->id);
		bool mine = s && s->generation == w->generation;
		if (mine && s->told && !s->pending)
			strs_add(ret_right, n->name);
		else if (never)
			add_problem(ret_wrong, n, never);
		else if (n->agent.state == NODE_AGENT_OK && (!mine || s->tries < TELLS_UNTIL_LEFT))
			open++;
		else
			add_problem(ret_wrong, n, mine ? s->problem : NULL);
	}
	return open;
}

void seats_again(struct resched *r, const char *node, const char *workload) {
	struct world_node *n = world_node(&r->world, node);
	struct agent_seat *s = n ? agent_seat(&n->agent, workload) : NULL;

	if (s) {
		s->told = false;
		n->agent.due = true;
	}
}

bool seats_settled_on(const struct resched *r, const struct world_node *n) {
	if (n->agent.state != NODE_AGENT_OK)
		return true; /* nobody to tell */
	for (const struct workload *w = r->workloads; w; w = w->hh.next) {
		const struct world_container *owner = is_told(r, w) ? owner_of(r, w) : NULL;
		if (!owner || !concerns(r, w, n, owner))
			continue;
		const struct agent_seat *s = agent_seat(&n->agent, w->id);
		if (!s || (!is_up_to_date(s, w, takeover_open(r, w), owner) && s->tries < TELLS_UNTIL_LEFT))
			return false;
	}
	return true;
}
