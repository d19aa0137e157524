/* The rows of a takeover that wait for service discovery: what names the old host goes before the release, and the new owner is
 * named when it is verified. */
#include "resched/publish-internal.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <string.h>

static bool asks_for(const struct resched *r, const struct takeover *t, bool host) {
	const struct world_container *c = workload_subject(r, walk_workload(r, t));

	if (!r->settings.discovery.any || !c || !publish_is_asked(r, c))
		return false;
	for (size_t i = 0; i < c->services.n; i++)
		if (!host || publish_is_host(r, &c->services.v[i]))
			return true;
	return c->services.n == 0 && (!host || r->settings.discovery.address == SERVICE_HOST);
}

bool walk_has_host_entries(const struct resched *r, const struct takeover *t) { return asks_for(r, t, true); }

bool walk_has_entries(const struct resched *r, const struct takeover *t) {
	return asks_for(r, t, false) || (r->settings.discovery.any && r->settings.discovery.names && takeover_has_overlay(t));
}

static enum answer await(struct resched *r, struct takeover *t, const char **ret_detail) {
	struct mono until = mono_add(t->row_began, r->settings.discovery.patience);
	enum answer said = publish_said(r, walk_workload(r, t), ret_detail);

	if (said != ANSWER_UNKNOWN)
		return said;
	if (mono_reached(until, r->now))
		return ANSWER_NO;
	wake_at(r, until);
	return ANSWER_UNKNOWN;
}

void walk_withdraw(struct resched *r, struct takeover *t) {
	const char *detail;

	switch (await(r, t, &detail)) {
	case ANSWER_YES:
		walk_row_done(r, t, "host's entries withdrawn");
		break;
	case ANSWER_NO:
		takeover_warn(t, "not withdrawn: %s", detail);
		walk_row_done(r, t, NULL);
		break;
	case ANSWER_UNKNOWN:
		break;
	}
}

void walk_publish(struct resched *r, struct takeover *t) {
	struct workload *w = walk_workload(r, t);
	const char *detail;

	bool served = w->served.generation == t->generation && w->served.container && strcmp(w->served.container, t->new_id) == 0;
	if (!served && !MUTANT(OLD_OWNER_SERVED))
		publish_serve(w, t->generation, t->to, t->new_id);
	enum answer answer = await(r, t, &detail);
	if (answer == ANSWER_UNKNOWN)
		return;
	t->published = answer == ANSWER_YES ? PUBLISHED_YES : PUBLISHED_NO;
	if (answer == ANSWER_NO) {
		char *why = xasprintf("unpublished: %s", detail);
		takeover_warn(t, "%s", why);
		walk_record(r, t, STEP_FAILED, why);
		log_nets(r, t, "publish", "unpublished", detail);
		free(why);
	}
	walk_row_done(r, t, NULL);
}
