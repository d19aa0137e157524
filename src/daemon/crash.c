/* See crash.h. */
#include "daemon/crash.h"

#ifndef HEIR_CRASH_POINTS

void crash_commit_begins(const struct daemon *d) { (void)d; }

void crash_commit_ended(const struct daemon *d, struct effect *const *effects, size_t n) {
	(void)d;
	(void)effects;
	(void)n;
}

void crash_answered(const struct daemon *d, const struct effect *e) {
	(void)d;
	(void)e;
}

#else

#include "base/alloc.h"
#include "base/log.h"
#include "daemon/daemon.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How far a takeover was at the last commit, and which of its rows had an effect: the others are decided. */
struct past {
	char id[ID_TEXT_MAX];
	enum takeover_row row;
	bool over;
	bool acted[ROW_MAX];
	struct past *next;
};

static struct {
	struct past *takeovers;
	bool began; /* what is there before the first commit was restored, and not begun */
	bool stopped;
	unsigned long long commits_begun, commits_ended;
	unsigned long long due; /* the end of this commit is the point; 0: of none */
} self;

/* ---- is it here? ---- */

static bool names(const char *wanted, const char *point, const char *when) {
	size_t n = strlen(point);

	return wanted && strncmp(wanted, point, n) == 0 && wanted[n] == ':' && strcmp(wanted + n + 1, when) == 0;
}

static bool is_wanted(const char *point, const char *when) {
	return names(getenv("HEIR_CRASH_AT"), point, when) || (!self.stopped && names(getenv("HEIR_STOP_AT"), point, when));
}

static void reach(const char *point, const char *when) {
	if (names(getenv("HEIR_CRASH_AT"), point, when)) {
		log_warning("crash-point", LOG_STR("at", point), LOG_STR("when", when));
		_exit(137);
	}
	if (!self.stopped && names(getenv("HEIR_STOP_AT"), point, when)) {
		log_warning("stop-point", LOG_STR("at", point), LOG_STR("when", when));
		self.stopped = true;
		(void)raise(SIGSTOP); /* cannot fail for a signal that exists */
	}
}

/* ---- effects ---- */

static const struct takeover *takeover_of(const struct daemon *d, const struct effect *e) {
	for (const struct takeover *t = resched_takeovers(d->machine); t; t = t->hh.next)
		if (strcmp(t->id, e->takeover) == 0)
			return t;
	return NULL;
}

static const char *point_of(const struct daemon *d, const struct effect *e) {
	static const char *const points[EFFECT_KIND_MAX] = {
		[EFFECT_ISOLATE] = "clean-isolate", [EFFECT_DISCONNECT] = "clean-disconnect",
		[EFFECT_STOP] = "clean-stop",       [EFFECT_POLICY] = "clean-park",
		[EFFECT_RENAME] = "clean-rename",   [EFFECT_REMOVE] = "clean-remove",
		[EFFECT_RESTORE] = "restore-node",  [EFFECT_PUBLISH] = "publish",
		[EFFECT_QUARANTINE] = "quarantine", [EFFECT_REPAIR] = "tell",
		[EFFECT_FORGET] = "forget",
	};
	const struct takeover *t = *e->takeover ? takeover_of(d, e) : NULL;

	if (t)
		return t->abort == ABORT_NO ? takeover_row_name(t->row) : "undo";
	return *e->takeover || !points[e->kind] ? "" : points[e->kind];
}

/* ---- rows that are decided ---- */

static struct past *past_of(const struct takeover *t) {
	struct past *p = self.takeovers;

	while (p && strcmp(p->id, t->id) != 0)
		p = p->next;
	if (p)
		return p;
	p = xnew(struct past);
	memcpy(p->id, t->id, sizeof(p->id));
	p->row = self.began ? ROW_PLAN : t->row;
	p->over = !self.began && takeover_is_over(t->state);
	p->next = self.takeovers;
	self.takeovers = p;
	return p;
}

static void pass(enum takeover_row row) {
	reach(takeover_row_name(row), "before");
	if (is_wanted(takeover_row_name(row), "after"))
		self.due = self.commits_begun;
}

static void pass_rows(const struct takeover *t) {
	struct past *p = past_of(t);

	for (enum takeover_row row = p->row; row < t->row; row++)
		if (!p->acted[row])
			pass(row);
	if (!p->over && t->state == TAKEOVER_DONE)
		pass(ROW_DONE);
	p->row = t->row;
	p->over = takeover_is_over(t->state);
}

/* The row whose end is due: one of those that were passed last. */
static void reach_due(void) {
	for (int row = 0; row < ROW_MAX; row++)
		reach(takeover_row_name((enum takeover_row)row), "after");
}

/* ---- the points ---- */

void crash_commit_begins(const struct daemon *d) {
	self.commits_begun++;
	for (const struct takeover *t = resched_takeovers(d->machine); t; t = t->hh.next)
		pass_rows(t);
	self.began = true;
}

void crash_commit_ended(const struct daemon *d, struct effect *const *effects, size_t n) {
	if (++self.commits_ended == self.due)
		reach_due();
	for (size_t i = 0; i < n; i++)
		reach(point_of(d, effects[i]), "before");
}

void crash_answered(const struct daemon *d, const struct effect *e) {
	const struct takeover *t = *e->takeover ? takeover_of(d, e) : NULL;

	if (t)
		past_of(t)->acted[t->row] = true;
	reach(point_of(d, e), "after");
}

#endif
