/* See docker.h. A set is a job: it asks every observer of every network at once, judges the answers as they come, and says its
 * verdict when the last one is in. What needs no asking ends by a timer, so that no callback runs inside the call. */
#include "net/discovery/docker.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/ip.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#define TIMEOUT span_sec(5)
#define PATIENCE_MS 1000 /* engines answer to what they know in a millisecond, and pass on the rest */
#define SAID_MAX 3       /* complaints in words, and as many warnings */

static_assert(DOCKER_NAMES_MAX + 2 <= WIRE_QUESTIONS_MAX, "one order asks for all names and both addresses");

struct asked {
	struct job *job;
	const struct docker_names *names; /* of the network */
	struct agent *agent;
	struct agent_call *call; /* NULL: it has ended */
	struct wire_resolve_order order;
};

/* What went wrong, in words: the first few, and how many more there are. */
struct remarks {
	struct buf text;
	size_t n;
};

struct job {
	struct docker *docker;
	discovery_list_fn *list; /* one of the two */
	discovery_done_fn *done;
	void *user;
	bool is_set;
	bool ended; /* and said by the timer */
	int result;
	struct docker_names *names;
	size_t n_names;
	struct asked asked[DOCKER_NETWORKS_MAX * DOCKER_OBSERVERS_MAX];
	size_t n_asked, open, answered;
	struct remarks wrong, warnings;
	struct job *prev, *next;
};

struct docker {
	struct discovery base;
	struct docker_world world;
	struct span timeout;
	uv_timer_t timer;
	struct job *jobs;
};

void docker_names_free(struct docker_names *names, size_t n) {
	for (size_t i = 0; i < n; i++) {
		free(names[i].network_id);
		free(names[i].ip);
		free(names[i].ip6);
		strs_clear(&names[i].names);
		strs_clear(&names[i].shared);
	}
	free(names);
}

/* ---- remarks ---- */

__attribute__((format(printf, 2, 3))) static void remark(struct remarks *r, const char *fmt, ...) {
	char text[256];
	va_list ap;

	if (r->n++ >= SAID_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_printf(&r->text, "%s%s", r->text.len ? "; " : "", text);
}

static void remarks_give(const struct remarks *r, const char *name, int code, struct err *err) {
	if (r->n > SAID_MAX)
		err_set(err, code, "%.64s: %s; and %zu more", name, r->text.data, r->n - SAID_MAX);
	else
		err_set(err, code, "%.64s: %s", name, r->text.data);
}

/* ---- the end of a job ---- */

static void job_free(struct job *job) {
	for (size_t i = 0; i < job->n_asked; i++) {
		agent_call_free(job->asked[i].call);
		wire_clear(&wire_resolve_order_shape, &job->asked[i].order);
	}
	docker_names_free(job->names, job->n_names);
	buf_clear(&job->wrong.text);
	buf_clear(&job->warnings.text);
	free(job);
}

/* The callback may free the system: only the job, which is not among its jobs any more, is touched afterwards. */
static void job_say(struct job *job) {
	struct err err = {0};

	DL_DELETE(job->docker->jobs, job);
	if (job->wrong.n > 0)
		remarks_give(&job->wrong, job->docker->base.name, job->result, &err);
	else if (job->warnings.n > 0)
		remarks_give(&job->warnings, job->docker->base.name, -ENODATA, &err);
	const struct err *said = job->wrong.n > 0 || job->warnings.n > 0 ? &err : NULL;
	if (job->list)
		job->list(job->user, 0, NULL, 0, NULL);
	else
		job->done(job->user, job->result, job->is_set && job->result == 0 ? "" : NULL, said);
	job_free(job);
}

/* One for each turn: its callback may free the system with the others in it. */
static void on_timer(uv_timer_t *timer) {
	struct docker *d = timer->data;
	struct job *first = NULL, *job;

	DL_FOREACH (d->jobs, job) {
		if (job->ended && first) {
			uv_timer_start(timer, on_timer, 0, 0);
			break;
		}
		if (job->ended)
			first = job;
	}
	if (first)
		job_say(first);
}

static void end_later(struct job *job) {
	job->ended = true;
	uv_timer_start(&job->docker->timer, on_timer, 0, 0);
}

/* ---- judging ---- */

static bool same_address(const char *a, const char *b) {
	struct ip x, y;

	return a && b && ip_parse(a, &x, NULL) == 0 && ip_parse(b, &y, NULL) == 0 && ip_equal(&x, &y);
}

static bool has_address(const struct strs *addresses, const char *wanted) {
	for (size_t i = 0; i < addresses->n; i++)
		if (same_address(addresses->v[i], wanted))
			return true;
	return false;
}

/* Exactly the addresses of that network, or at least these where the name is not its own only. */
static bool is_right_on(const struct docker_names *names, const char *name, const struct strs *addresses) {
	size_t wanted = (names->ip ? 1u : 0u) + (names->ip6 ? 1u : 0u);

	if (!strs_has(&names->names, name) || (names->ip && !has_address(addresses, names->ip)) ||
	    (names->ip6 && !has_address(addresses, names->ip6)))
		return false;
	return addresses->n == wanted || strs_has(&names->shared, name);
}

/* An observer that has joined several of the networks is told the address on one of them, whichever comes first. */
static bool name_is_right(const struct job *job, const char *name, const struct strs *addresses) {
	for (size_t i = 0; i < job->n_names; i++)
		if (is_right_on(&job->names[i], name, addresses))
			return true;
	return false;
}

/* Engines answer "web.ov", the name and the network's. */
static bool is_name_of(const char *answer, const struct strs *names) {
	for (size_t i = 0; i < names->n; i++) {
		size_t n = strlen(names->v[i]);
		if (strncasecmp(answer, names->v[i], n) == 0 && (answer[n] == '\0' || answer[n] == '.'))
			return true;
	}
	return false;
}

static bool address_is_right(const struct docker_names *names, const struct strs *answer) {
	for (size_t i = 0; i < answer->n; i++)
		if (!is_name_of(answer->v[i], &names->names))
			return false;
	return answer->n > 0;
}

/* "10.20.0.50", "a and b", "a, b and 7 others", "nothing". Returns text. */
static const char *list_text(const struct strs *list, char text[192]) {
	if (list->n == 0)
		return "nothing";
	if (list->n == 1)
		snprintf(text, 192, "%.80s", list->v[0]);
	else if (list->n == 2)
		snprintf(text, 192, "%.80s and %.80s", list->v[0], list->v[1]);
	else
		snprintf(text, 192, "%.64s, %.64s and %zu others", list->v[0], list->v[1], list->n - 2);
	return text;
}

static void complain(struct asked *a, const struct wire_question *q, const struct wire_answer *answer) {
	const struct strs *got = q->name ? &answer->addresses : &answer->names;
	const char *wanted = a->names->names.n > 0 ? a->names->names.v[0] : "";
	const char *ip6 = q->name && a->names->ip && a->names->ip6 ? a->names->ip6 : NULL;
	char text[192], why[80] = "";

	if (q->name)
		wanted = a->names->ip ? a->names->ip : a->names->ip6;
	if (answer->error)
		snprintf(why, sizeof(why), " (%.64s)", answer->error);
	remark(&a->job->wrong, "%.32s resolves %.64s to %s%s instead of %.64s%s%.48s", agent_name(a->agent),
	       q->name ? q->name : q->address, list_text(got, text), why, wanted, ip6 ? " and " : "", ip6 ? ip6 : "");
}

static void judge(struct asked *a, const struct wire_answers *said) {
	for (size_t i = 0; i < said->answers.n; i++) {
		const struct wire_question *q = &a->order.questions.v[i];
		const struct wire_answer *answer = &said->answers.v[i];
		bool right =
			q->name ? name_is_right(a->job, q->name, &answer->addresses) : address_is_right(a->names, &answer->names);
		if (!right)
			complain(a, q, answer);
	}
}

/* ---- asking ---- */

static void job_conclude(struct job *job) {
	job->result = job->wrong.n > 0 ? -ESTALE : 0;
	if (job->answered == 0)
		remark(&job->warnings, "nobody to ask");
}

static void on_answers(void *ctx, const struct agent_result *result) {
	struct asked *a = ctx;
	struct job *job = a->job;

	a->call = NULL;
	if (result->outcome != AGENT_OK) {
		remark(&job->warnings, "%s", result->err.msg);
	} else if (!result->resolved->heard) {
		remark(&job->warnings, "%.32s: its DNS is silent", agent_name(a->agent));
	} else {
		job->answered++;
		judge(a, result->resolved);
	}
	if (--job->open > 0)
		return;
	job_conclude(job);
	job_say(job);
}

static void add_address(struct wire_resolve_order *order, const char *address) {
	if (address)
		order->questions.v[order->questions.n++].address = xstrdup(address);
}

static void make_order(struct wire_resolve_order *order, const struct docker_names *names, const char *sandbox,
		       struct span timeout) {
	int64_t half = span_to_ms(timeout) / 2;

	order->sandbox = xstrdup(sandbox);
	order->timeout_ms = half < 1 ? 1 : half < PATIENCE_MS ? half : PATIENCE_MS;
	wire_list_alloc(&order->questions, DOCKER_NAMES_MAX + 2);
	order->questions.n = 0;
	for (size_t i = 0; i < names->names.n && order->questions.n < DOCKER_NAMES_MAX; i++)
		if (wire_is_name(names->names.v[i]))
			order->questions.v[order->questions.n++].name = xstrdup(names->names.v[i]);
	add_address(order, names->ip);
	add_address(order, names->ip6);
}

static void ask(struct job *job, const struct docker_names *names, struct agent *agent, const char *sandbox) {
	struct asked *a = &job->asked[job->n_asked++];
	struct agent_cb cb = {.fn = on_answers, .ctx = a, .deadline = job->docker->timeout};

	*a = (struct asked){.job = job, .names = names, .agent = agent};
	make_order(&a->order, names, sandbox, job->docker->timeout);
	a->call = agent_resolve(agent, &a->order, cb);
	job->open++;
}

static void ask_observers(struct job *job, const struct docker_names *names) {
	const struct docker_world *world = &job->docker->world;

	for (size_t i = 0; i < DOCKER_OBSERVERS_MAX; i++) {
		const char *sandbox = NULL;
		struct agent *agent = world->observer(world->ctx, names->network_id, i, &sandbox);
		if (!agent)
			return;
		ask(job, names, agent, sandbox);
	}
}

/* ---- the vtable ---- */

static struct job *job_new(struct discovery *base, void *user) {
	struct docker *d = (struct docker *)base;
	struct job *job = xnew(struct job);

	job->docker = d;
	job->user = user;
	DL_APPEND(d->jobs, job);
	return job;
}

static void list_nothing(struct discovery *d, discovery_list_fn *done, void *user) {
	struct job *job = job_new(d, user);

	job->list = done;
	end_later(job);
}

static void docker_list(struct discovery *d, const struct discovery_entry *const *wanted, size_t n, discovery_list_fn *done,
			void *user) {
	(void)wanted;
	(void)n;
	list_nothing(d, done, user);
}

static void docker_look(struct discovery *d, const struct discovery_entry *wanted, discovery_list_fn *done, void *user) {
	(void)wanted;
	list_nothing(d, done, user);
}

static void docker_set(struct discovery *base, const struct discovery_entry *wanted, const struct discovery_found *was,
		       discovery_done_fn *done, void *user) {
	struct job *job = job_new(base, user);
	const struct docker_world *world = &job->docker->world;

	(void)was;
	job->done = done;
	job->is_set = true;
	if (!world->names(world->ctx, wanted, &job->names, &job->n_names)) {
		remark(&job->wrong, "the networks of %.64s are not known", wanted->container ? wanted->container : wanted->key);
		job->result = -ENOTCONN;
		end_later(job);
		return;
	}
	for (size_t i = 0; i < job->n_names && i < DOCKER_NETWORKS_MAX; i++)
		ask_observers(job, &job->names[i]);
	if (job->open > 0)
		return;
	if (job->n_names > 0)
		job_conclude(job);
	end_later(job);
}

static void docker_unset(struct discovery *d, const struct discovery_found *was, discovery_done_fn *done, void *user) {
	struct job *job = job_new(d, user);

	(void)was;
	job->done = done;
	end_later(job);
}

static void on_closed(uv_handle_t *timer) { free(timer->data); }

static void docker_free(struct discovery *base) {
	struct docker *d = (struct docker *)base;
	struct job *job, *next;

	DL_FOREACH_SAFE (d->jobs, job, next)
		job_free(job);
	free(d->base.name);
	uv_close((uv_handle_t *)&d->timer, on_closed);
}

static const struct discovery_ops docker_ops = {.kind = "docker",
						.only_checks = true,
						.list = docker_list,
						.look = docker_look,
						.set = docker_set,
						.unset = docker_unset,
						.free = docker_free};

int docker_new(const struct discovery_env *env, const struct docker_world *world, struct discovery **ret, struct err *err) {
	struct docker *d = xnew(struct docker);

	int r = uv_timer_init(env->loop, &d->timer);
	if (r < 0) {
		free(d);
		return err_set(err, r, "%.64s: a timer: %s", env->name, uv_strerror(r));
	}
	d->base = (struct discovery){.ops = &docker_ops, .name = xstrdup(env->name)};
	d->timer.data = d;
	d->world = *world;
	d->timeout = env->timeout.ns > 0 ? env->timeout : TIMEOUT;
	*ret = &d->base;
	return 0;
}
