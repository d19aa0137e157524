/* What resched-rig.h has, and an agent on every node. */
#ifndef TESTS_AGENTS_RIG_H
#define TESTS_AGENTS_RIG_H

#include "resched-rig.h"

#define OLD_VTEP "10.99.0.11" /* h1's */

/* What a node's agent says of itself; drops: what its kernel drops, NULL for nothing. */
static inline void agent(struct rig *rig, const char *node, const char *instance, const char *drops) {
	struct strs set = {0};

	if (drops)
		strs_add(&set, drops);
	resched_agent(rig->r, node, &(struct agent_report){.state = NODE_AGENT_OK, .instance = instance, .quarantine = &set});
	strs_clear(&set);
	turn(rig);
}

static inline void agent_is(struct rig *rig, const char *node, enum node_agent_state state) {
	resched_agent(rig->r, node, &(struct agent_report){.state = state, .reason = "for the test"});
	turn(rig);
}

/* A container of nobody's concern that runs on the overlay: its node is an observer. */
static inline void see_bystander(struct rig *rig, const char *node, enum net_kind kind) {
	char id[16], *ip CLEANUP_FREE = xasprintf("10.20.0.6%s", node + 1),
			 *mac CLEANUP_FREE = xasprintf("02:42:0a:14:00:6%s", node + 1);

	snprintf(id, sizeof(id), "eeeeeeeeeee%s", node + 1);
	struct world_container *c = container(node, id, id);
	c->policy.move = false;
	c->nets = xnew(struct world_net);
	c->nets[c->n_nets++] = (struct world_net){
		.name = xstrdup("ov"), .id = xstrdup("n1"), .ip = xstrdup(ip), .mac = xstrdup(mac), .kind = kind};
	see(rig, c);
}

/* All three answer, `web` runs on h1, and the others have its network too. No agents yet. */
static inline struct rig *begin_observed(void **state) {
	struct rig *rig = *state;

	see_bystander(rig, "h2", rig->kv ? NET_KV : NET_SWARM);
	see_bystander(rig, "h3", rig->kv ? NET_KV : NET_SWARM);
	return begin(state);
}

static inline struct rig *begin_with_agents(void **state) {
	struct rig *rig = begin_observed(state);

	agent(rig, "h1", "one", NULL);
	agent(rig, "h2", "one", NULL);
	agent(rig, "h3", "one", NULL);
	expect_nothing(rig);
	return rig;
}

/* The node with its agent. */
static inline void die_whole(struct rig *rig, const char *node) {
	agent_is(rig, node, NODE_AGENT_UNREACHABLE);
	die(rig, node);
}

/* What it was asked; it stays to be answered. */
static inline const struct effect *asked(struct rig *rig, enum effect_kind kind, const char *node) {
	struct effect *e = take(rig, kind, node, NULL);

	if (!e)
		fail_asked(rig, effect_kind_name(kind));
	rig->asked[rig->n_asked++] = e;
	return e;
}

static inline bool is_asked(struct rig *rig, enum effect_kind kind, const char *node) {
	struct effect *e = take(rig, kind, node, NULL);

	if (e)
		rig->asked[rig->n_asked++] = e;
	return e != NULL;
}

/* Its kernel drops now what it was ordered to. */
static inline void obey(struct rig *rig, const char *node) {
	struct effect *e = take(rig, EFFECT_QUARANTINE, node, NULL);

	if (!e)
		fail_asked(rig, "quarantine");
	resched_result(rig->r, rig->now, e->id, &(struct effect_result){.outcome = EFFECT_OK, .vteps = &e->vteps});
	effect_free(e);
	turn(rig);
}

static inline void expect_warning(const struct rig *rig, const char *says) {
	const struct takeover *t = last(rig);

	for (size_t i = 0; i < t->warnings.n; i++)
		if (strcmp(t->warnings.v[i], says) == 0)
			return;
	fail_msg("no warning \"%s\" among %zu, the first \"%s\"", says, t->warnings.n, t->warnings.n ? t->warnings.v[0] : "");
}

static inline void repaired(struct rig *rig, const char *node) {
	answer(rig, EFFECT_REPAIR, node, &(struct effect_result){.outcome = EFFECT_OK, .right = true});
}

static inline void proven(struct rig *rig, const char *node) {
	answer(rig, EFFECT_PROVE, node,
	       &(struct effect_result){.outcome = EFFECT_OK, .right = true, .here = ANSWER_YES, .answered = ANSWER_YES});
}

static inline void until_quarantined(struct rig *rig) {
	obey(rig, "h2");
	obey(rig, "h3");
	until_released(rig);
}

/* To where the rows are repaired. */
static inline void until_up(struct rig *rig) {
	until_started(rig);
	ok(rig, EFFECT_START, last(rig)->to);
	ok(rig, EFFECT_POLICY, last(rig)->to);
}

static inline void until_repaired(struct rig *rig) {
	repaired(rig, "h2");
	repaired(rig, "h3");
	seen(rig, last(rig)->to, true, IP);
}

static inline void until_proven(struct rig *rig) {
	proven(rig, "h2");
	proven(rig, "h3");
	expect_state(rig, TAKEOVER_DONE, NULL);
}

/* h1 is dead and `web` runs on h2, with every row right. */
static inline struct rig *begin_moved(void **state) {
	struct rig *rig = begin_with_agents(state);

	die_whole(rig, "h1");
	until_quarantined(rig);
	until_started(rig);
	ok(rig, EFFECT_START, "h2");
	see_replacement(rig, "h2", "s1");
	ok(rig, EFFECT_POLICY, "h2");
	until_repaired(rig);
	until_proven(rig);
	expect_nothing(rig);
	return rig;
}

#endif
