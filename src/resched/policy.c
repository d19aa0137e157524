/* See policy.h. */
#include "resched/policy.h"

#include "base/duration.h"
#include "base/utf8.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VALUE_SHOWN 40 /* bytes of a label's value in a warning */
#define ENV_PREFIX "reschedule:"
#define LABEL_LIST "com.docker.swarm.reschedule-policies"
#define LABEL_ONE "com.docker.swarm.reschedule-policy"

static const char *const evidence_names[] = {
	[EVIDENCE_NONE] = NULL,
	[EVIDENCE_PRESUMED] = "presumed",
	[EVIDENCE_QUARANTINED] = "quarantined",
	[EVIDENCE_STOPPED] = "stopped",
};
static_assert(sizeof(evidence_names) / sizeof(evidence_names[0]) == EVIDENCE_MAX, "a name for every kind of evidence");

const char *evidence_name(enum evidence e) { return evidence_names[e]; }

enum evidence evidence_parse(const char *text) {
	for (int e = EVIDENCE_PRESUMED; e < EVIDENCE_MAX; e++)
		if (strcmp(text, evidence_names[e]) == 0)
			return (enum evidence)e;
	return EVIDENCE_MAX;
}

/* What has been found so far. A `no`, and what is not understood, is never overruled. */
struct reading {
	struct policy policy;
	bool refused;
};

static void warn(struct policy *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void warn(struct policy *p, const char *fmt, ...) {
	va_list ap;

	if (*p->warning)
		return;
	va_start(ap, fmt);
	vsnprintf(p->warning, sizeof(p->warning), fmt, ap);
	va_end(ap);
	utf8_trim(p->warning);
}

static void read_value(struct reading *r, const char *where, const char *value, size_t len) {
	bool no = len == 2 && strncmp(value, "no", 2) == 0;
	bool yes = len == strlen("on-node-failure") && strncmp(value, "on-node-failure", len) == 0;

	int shown = (int)utf8_fit(value, len, 60);
	if (!yes && !no)
		warn(&r->policy, "%s: unknown policy \"%.*s\", taken as \"no\"", where, shown, value);
	if (r->refused)
		return;
	r->refused = !yes;
	r->policy.move = yes;
	snprintf(r->policy.source, sizeof(r->policy.source), "%s %.*s", where, shown, value);
}

/* A JSON list of strings, of the simple kind that people write in labels: no escapes are needed for the known values, so anything
 * else than plain quoted words is an unknown policy. */
static void read_list(struct reading *r, const char *text) {
	const char *p = text + strspn(text, " \t\n");
	size_t n = strlen(p);

	while (n > 0 && strchr(" \t\n", p[n - 1]))
		n--;
	if (n < 2 || p[0] != '[' || p[n - 1] != ']') {
		read_value(r, "label " LABEL_LIST, text, strlen(text));
		return;
	}
	const char *end = p + n - 1;
	for (p++; p < end;) {
		p += strspn(p, " \t\n");
		if (p >= end)
			return;
		const char *close = *p == '"' ? memchr(p + 1, '"', (size_t)(end - p - 1)) : NULL;
		if (!close) {
			read_value(r, "label " LABEL_LIST, text, strlen(text));
			return;
		}
		read_value(r, "label " LABEL_LIST, p + 1, (size_t)(close - p - 1));
		p = close + 1 + strspn(close + 1, " \t\n");
		if (p < end && *p++ != ',') {
			read_value(r, "label " LABEL_LIST, text, strlen(text));
			return;
		}
	}
}

/* ---- what it demands ---- */

/* The strictest reading: an owner who asked for some proof gets the strongest. */
static void read_fence(struct policy *p, const char *value) {
	p->fence = evidence_parse(value);
	if (p->fence < EVIDENCE_MAX)
		return;
	warn(p, "label heir.fence: unknown evidence \"%.*s\", taken as \"stopped\"", utf8_shown(value, VALUE_SHOWN), value);
	p->fence = EVIDENCE_STOPPED;
}

static void read_delay(struct policy *p, const char *value) {
	struct span d;

	p->has_delay = duration_parse(value, &d) && !span_less(span_sec(POLICY_DELAY_MAX_SEC), d);
	if (p->has_delay)
		p->delay = d;
	else
		warn(p, "label heir.delay: \"%.*s\" is no duration up to 168h, the configured one is taken",
		     utf8_shown(value, VALUE_SHOWN), value);
}

static void read_attempts(struct policy *p, const char *value) {
	const char *rest;
	int64_t n;

	if (duration_digits(value, &n, &rest) && !*rest && n >= 1 && n <= POLICY_ATTEMPTS_MAX)
		p->attempts = (unsigned)n;
	else
		warn(p, "label heir.attempts: \"%.*s\" is no number from 1 to %d, the configured one is taken",
		     utf8_shown(value, VALUE_SHOWN), value, POLICY_ATTEMPTS_MAX);
}

static void read_keep(struct policy *p, const char *value) {
	if (strcmp(value, "newest") == 0)
		p->keep = KEEP_NEWEST;
	else if (strcmp(value, "oldest") == 0)
		p->keep = KEEP_OLDEST;
	else
		warn(p, "label heir.keep: \"%.*s\" is neither newest nor oldest, the configured one is taken",
		     utf8_shown(value, VALUE_SHOWN), value);
}

static void read_volumes(struct policy *p, const char *value) {
	p->volumes_empty = strcmp(value, "empty") == 0;
	if (!p->volumes_empty)
		warn(p, "label heir.volumes: unknown value \"%.*s\", its volumes are not given up", utf8_shown(value, VALUE_SHOWN),
		     value);
}

static const struct {
	const char *key;
	void (*read)(struct policy *p, const char *value);
} demands[] = {
	{"heir.fence", read_fence}, {"heir.delay", read_delay},     {"heir.attempts", read_attempts},
	{"heir.keep", read_keep},   {"heir.volumes", read_volumes},
};

static void read_demand(struct policy *p, const struct policy_label *label) {
	for (size_t i = 0; i < sizeof(demands) / sizeof(demands[0]); i++)
		if (strcmp(label->key, demands[i].key) == 0)
			demands[i].read(p, label->value);
}

struct policy policy_read(char *const *env, size_t n_env, const struct policy_label *labels, size_t n_labels) {
	struct reading r = {.policy = {.source = "none"}};

	for (size_t i = 0; i < n_env; i++)
		if (strncmp(env[i], ENV_PREFIX, strlen(ENV_PREFIX)) == 0)
			read_value(&r, "env", env[i] + strlen(ENV_PREFIX), strlen(env[i]) - strlen(ENV_PREFIX));
	for (size_t i = 0; i < n_labels; i++) {
		if (strcmp(labels[i].key, LABEL_LIST) == 0)
			read_list(&r, labels[i].value);
		else if (strcmp(labels[i].key, LABEL_ONE) == 0)
			read_value(&r, "label " LABEL_ONE, labels[i].value, strlen(labels[i].value));
		else
			read_demand(&r.policy, &labels[i]);
	}
	return r.policy;
}
