/* The IP log has to explain each end by itself: from its lines alone the story of every takeover is told again here, and in the end
 * compared with what the machine knows. Lines that were never written do not count. */
#include "checks.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

/* A takeover as its lines tell it. */
struct story {
	char *takeover, *container, *from, *to, *detail;
	char *step, *evidence;
	bool begun, resumed, fenced; /* its fence line was there */
	bool released, again;        /* what an attempt before it let go of is not let go of a second time */
	char *published;             /* what it said of that last; NULL: nothing */
};

static void story_clear(struct story *o) {
	free(o->takeover);
	free(o->container);
	free(o->from);
	free(o->to);
	free(o->detail);
	free(o->step);
	free(o->evidence);
	free(o->published);
}

void check_log_clear(struct checks *c) {
	for (int i = 0; i < c->n_stories; i++)
		story_clear(&c->stories[i]);
	free(c->stories);
}

static void add(struct story **list, int *n, struct story o) {
	if ((*n & (*n - 1)) == 0)
		*list = xreallocarray(*list, *n ? (size_t)*n * 2 : 1, sizeof(struct story));
	(*list)[(*n)++] = o;
}

void check_log(struct sim *s, const struct resched_log *l) {
	sim_say(s, "log: %s %s %s (%s) %s -> %s ip=%s %s", l->container, l->step, l->outcome, l->evidence ? l->evidence : "-",
		l->from, l->to ? l->to : "?", l->ip ? l->ip : "-", l->detail ? l->detail : "");
}

static struct story *find(struct checks *c, const char *takeover) {
	for (int i = c->n_stories - 1; i >= 0; i--)
		if (strcmp(c->stories[i].takeover, takeover) == 0)
			return &c->stories[i];
	add(&c->stories, &c->n_stories, (struct story){.takeover = xstrdup(takeover)});
	return &c->stories[c->n_stories - 1];
}

static bool is_end(const char *step) {
	return strcmp(step, "done") == 0 || strcmp(step, "failed") == 0 || strcmp(step, "rolled-back") == 0;
}

/* All attempts are used up and an operator is needed, or is not any more before that could be said; else nothing comes after it. */
static bool may_follow(const char *end, const char *step) {
	bool asked = strcmp(step, "needs-operator") == 0 || strcmp(step, "rolled-back") == 0;
	return strcmp(end, step) == 0 || (strcmp(end, "failed") == 0 && asked);
}

void check_log_written(struct sim *s, const struct store_log_row *line) {
	if (!line->takeover || strcmp(line->step, "stale") == 0)
		return; /* what becomes of copies later is not the takeover's end */
	struct story *o = find(s->checks, line->takeover);

	if (strcmp(line->step, "publish") == 0) { /* it may come true long after its end */
		xstr_replace(&o->published, line->outcome);
		return;
	}
	if (o->step && is_end(o->step) && !may_follow(o->step, line->step))
		sim_fail(s, INV_LOG, "the log of takeover %s goes on with %s after %s", o->takeover, line->step, o->step);
	if (strcmp(line->step, "done") == 0 && !o->fenced && !o->resumed)
		sim_fail(s, INV_EVIDENCE, "the log of takeover %s says done, and never on what evidence", o->takeover);
	if (strcmp(line->step, "done") == 0 && line->ip && !o->released && !o->resumed && !o->again)
		sim_fail(s, INV_LOG, "the log of takeover %s says done, and not that its address was released", o->takeover);
	o->begun |= strcmp(line->step, "plan") == 0;
	o->again |= strcmp(line->step, "failed") == 0 ||
		    (strcmp(line->step, "plan") == 0 && line->detail && strcmp(line->detail, "again") == 0);
	o->released |= strcmp(line->step, "release") == 0;
	o->resumed |=
		strcmp(line->step, "plan") == 0 && line->from_node && line->to_node && strcmp(line->from_node, line->to_node) == 0;
	o->fenced |= strcmp(line->step, "fence") == 0 && line->evidence;
	xstr_replace(&o->step, line->step);
	xstr_replace(&o->evidence, line->evidence);
	xstr_replace(&o->container, line->container);
	xstr_replace(&o->from, line->from_node);
	xstr_replace(&o->to, line->to_node);
	xstr_replace(&o->detail, line->detail);
}

static bool is_same(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static const char *last_step(enum takeover_state state) {
	static const char *const steps[] = {
		[TAKEOVER_DONE] = "done",
		[TAKEOVER_ROLLED_BACK] = "rolled-back",
		[TAKEOVER_FAILED] = "failed",
		[TAKEOVER_NEEDS_OPERATOR] = "needs-operator",
	};
	return steps[state];
}

static void check_story(struct sim *s, const struct takeover *t) {
	const struct story *o = find(s->checks, t->id);
	const char *step = last_step(t->state);

	if (!o->begun)
		sim_fail(s, INV_LOG, "the log does not say that takeover %s began", t->id);
	if (!o->step || strcmp(o->step, step) != 0)
		sim_fail(s, INV_LOG, "takeover %s is %s, and its log ends with %s", t->id, takeover_state_name(t->state),
			 o->step ? o->step : "nothing");
	if (!is_same(o->container, t->container) || !is_same(o->from, t->from) || !is_same(o->to, t->to))
		sim_fail(s, INV_LOG, "the log says that takeover %s was of %s, from %s to %s: it was of %s, from %s to %s", t->id,
			 o->container, o->from, o->to ? o->to : "?", t->container, t->from, t->to ? t->to : "?");
	if (!is_same(o->evidence, evidence_name(t->evidence)))
		sim_fail(s, INV_LOG, "the log says \"%s\" of the evidence of takeover %s, it is \"%s\"", o->evidence, t->id,
			 evidence_name(t->evidence));
	if (t->state == TAKEOVER_DONE && (t->published == PUBLISHED_NO) != (o->published && strcmp(o->published, "ok") != 0))
		sim_fail(s, INV_LOG, "takeover %s is %spublished; the log says: %s", t->id,
			 t->published == PUBLISHED_NO ? "not " : "", o->published ? o->published : "nothing");
	if (t->state != TAKEOVER_DONE && (!o->detail || !is_same(o->detail, t->reason)))
		sim_fail(s, INV_LOG, "takeover %s is %s: %s; the log says: %s", t->id, takeover_state_name(t->state),
			 t->reason ? t->reason : "?", o->detail ? o->detail : "nothing");
}

void check_log_all(struct sim *s) {
	for (const struct takeover *t = resched_takeovers(s->machine); t; t = t->hh.next)
		if (t->state != TAKEOVER_WAITING && t->state != TAKEOVER_RUNNING)
			check_story(s, t);
}
