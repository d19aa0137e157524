/* See agent.h. */
#include "resched/agent.h"

#include "base/alloc.h"
#include "resched/world.h"

#include <assert.h>
#include <string.h>

const char *node_agent_state_name(enum node_agent_state s) {
	static const char *const names[] = {
		[NODE_AGENT_NONE] = "none",
		[NODE_AGENT_OK] = "ok",
		[NODE_AGENT_UNREACHABLE] = "unreachable",
		[NODE_AGENT_STALE_EPOCH] = "stale-epoch",
	};
	static_assert(sizeof(names) / sizeof(names[0]) == NODE_AGENT_STATE_MAX, "every state has a name");

	return names[s];
}

struct agent_seat *agent_seat(const struct node_agent *a, const char *workload) {
	struct agent_seat *s = NULL;

	HASH_FIND_STR(a->seats, workload, s);
	return s;
}

struct agent_seat *agent_seat_add(struct node_agent *a, const char *workload) {
	struct agent_seat *s = xnew(struct agent_seat);

	s->workload = xstrdup(workload);
	HASH_ADD_KEYPTR(hh, a->seats, s->workload, strlen(s->workload), s);
	return s;
}

void agent_seat_remove(struct node_agent *a, struct agent_seat *s) {
	HASH_DEL(a->seats, s);
	world_nets_free(s->nets, s->n_nets);
	free(s->workload);
	free(s->container);
	free(s->sandbox);
	free(s->host);
	free(s->problem);
	free(s);
}

void node_agent_clear(struct node_agent *a) {
	struct agent_seat *s, *next;

	HASH_ITER (hh, a->seats, s, next) {
		agent_seat_remove(a, s);
	}
	strs_clear(&a->quarantine);
	strs_clear(&a->ordered);
	strs_clear(&a->sure);
	world_nets_free(a->former, a->n_former);
	free(a->reason);
	free(a->instance);
	*a = (struct node_agent){0};
}
