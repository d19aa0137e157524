/* See agent-client.h. What a call sends and what it is answered with are rows of a table. */
#include "net/wire/agent-client.h"

#include "base/alloc.h"
#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <utlist.h>

#define CONNECT_TIMEOUT span_sec(3)
#define SAID_MAX 320 /* bytes of an agent's words that go into an error */

struct agent {
	struct http_client *client;
	char *name, *url, *base;
	bool tls;
	struct http_tls files; /* owned strings */
	struct wire_envelope identity;
	int64_t orders; /* given so far */
	struct agent_call *calls;
};

/* Room for any answer. */
union answer {
	struct wire_status status;
	struct wire_quarantine quarantine;
	struct wire_owner_states states;
	struct wire_cuts cuts;
	struct wire_reached reached;
	struct wire_answers resolved;
};

struct op {
	const char *path;
	int seconds;                                                   /* default deadline */
	const struct wire_shape *answer;                               /* NULL: {} */
	void (*give)(struct agent_result *result, union answer *what); /* NULL with answer NULL */
	size_t (*count)(const union answer *what);                     /* NULL: the answer is no list */
	bool anonymous;                                                /* no envelope */
	bool numbered;                                                 /* the agent may refuse an older one */
	bool gone_is_ok;
};

struct agent_call {
	struct agent *agent;
	const struct op *op;
	struct agent_cb cb;
	struct http_request *http;
	size_t asked; /* elements that the answer must have */
	bool finishing;
	struct agent_call *prev, *next;
};

static const char *const outcome_names[] = {
	[AGENT_OK] = "ok",
	[AGENT_REFUSED] = "refused",
	[AGENT_STALE_EPOCH] = "stale-epoch",
	[AGENT_OTHER_MANAGER] = "other-manager",
	[AGENT_NOT_SENT] = "not-sent",
	[AGENT_UNKNOWN] = "unknown",
	[AGENT_BAD] = "bad",
};
static_assert(sizeof(outcome_names) / sizeof(outcome_names[0]) == AGENT_OUTCOME_MAX, "a name for each outcome");

const char *agent_outcome_name(enum agent_outcome outcome) { return outcome_names[outcome]; }

bool agent_outcome_is_open(enum agent_outcome outcome) { return outcome == AGENT_UNKNOWN || outcome == AGENT_BAD; }

/* ---- the calls ---- */

static void give_status(struct agent_result *r, union answer *a) { r->answered_status = &a->status; }
static void give_quarantine(struct agent_result *r, union answer *a) { r->quarantine = &a->quarantine; }
static void give_states(struct agent_result *r, union answer *a) { r->states = &a->states; }
static void give_cuts(struct agent_result *r, union answer *a) { r->cuts = &a->cuts; }
static void give_reached(struct agent_result *r, union answer *a) { r->reached = &a->reached; }
static void give_resolved(struct agent_result *r, union answer *a) { r->resolved = &a->resolved; }

static size_t count_states(const union answer *a) { return a->states.owners.n; }
static size_t count_cuts(const union answer *a) { return a->cuts.containers.n; }
static size_t count_reached(const union answer *a) { return a->reached.targets.n; }
static size_t count_resolved(const union answer *a) { return a->resolved.answers.n; }

static const struct op op_status = {
	.path = "/v1/status", .seconds = 5, .answer = &wire_status_shape, .give = give_status, .anonymous = true};
static const struct op op_confirm = {.path = "/v1/confirm", .seconds = 5};
static const struct op op_quarantine = {
	.numbered = true, .path = "/v1/quarantine", .seconds = 10, .answer = &wire_quarantine_shape, .give = give_quarantine};
static const struct op op_owners = {.numbered = true,
				    .path = "/v1/owners",
				    .seconds = 15,
				    .answer = &wire_owner_states_shape,
				    .give = give_states,
				    .count = count_states};
static const struct op op_verify = {
	.path = "/v1/verify", .seconds = 15, .answer = &wire_verified_shape, .give = give_states, .count = count_states};
static const struct op op_isolate = {
	.path = "/v1/isolate", .seconds = 15, .answer = &wire_cuts_shape, .give = give_cuts, .count = count_cuts};
static const struct op op_witness = {.path = "/v1/witness",
				     .seconds = 10,
				     .answer = &wire_reached_shape,
				     .give = give_reached,
				     .count = count_reached,
				     .anonymous = true};
static const struct op op_resolve = {
	.path = "/v1/resolve", .seconds = 10, .answer = &wire_answers_shape, .give = give_resolved, .count = count_resolved};
static const struct op op_remove_task = {.path = "/v1/remove-task", .seconds = 30, .gone_is_ok = true};

/* ---- the agent ---- */

static int set_url(struct agent *a, const char *url, struct err *err) {
	bool secure = strncmp(url, "https://", 8) == 0;
	const char *rest = url + (secure ? 8 : 7);

	if (!secure && strncmp(url, "http://", 7) != 0)
		return err_set(err, -EINVAL, "expected http://host:port or https://host:port");
	size_t n = strlen(rest);
	if (n > 0 && rest[n - 1] == '/')
		n--;
	if (n == 0 || strcspn(rest, "/?#@ \t\r\n\\%") < n || !memchr(rest, ':', n))
		return err_set(err, -EINVAL, "expected host:port after the scheme");
	if (!secure && a->tls)
		return err_set(err, -EINVAL, "there is a certificate and the scheme is http: expected https");
	a->base = xasprintf("%s://%.*s", secure ? "https" : "http", (int)n, rest);
	return 0;
}

static void copy_tls(struct agent *a, const struct http_tls *tls) {
	if (!tls)
		return;
	a->tls = true;
	a->files.ca = xstrdup_null(tls->ca);
	a->files.cert = xstrdup_null(tls->cert);
	a->files.key = xstrdup_null(tls->key);
	a->files.insecure = tls->insecure;
}

int agent_new(struct http_client *client, const char *name, const char *url, const struct http_tls *tls, struct agent **ret,
	      struct err *err) {
	struct agent *a = xnew(struct agent);

	a->client = client;
	a->name = xstrdup(name);
	a->url = xstrdup(url);
	copy_tls(a, tls);
	int r = set_url(a, url, err);
	if (r < 0) {
		err_wrap(err, "%.64s's agent: \"%.128s\"", name, url);
		agent_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

static void free_const(const char *s) { free((void *)(uintptr_t)s); }

void agent_free(struct agent *a) {
	if (!a)
		return;
	while (a->calls)
		agent_call_free(a->calls);
	wire_clear(&wire_envelope_shape, &a->identity);
	free_const(a->files.ca);
	free_const(a->files.cert);
	free_const(a->files.key);
	free(a->base);
	free(a->url);
	free(a->name);
	free(a);
}

const char *agent_name(const struct agent *a) { return a->name; }
const char *agent_url(const struct agent *a) { return a->url; }

void agent_set_identity(struct agent *a, const struct wire_envelope *identity) {
	xstr_replace(&a->identity.manager, identity->manager);
	xstr_replace(&a->identity.cluster, identity->cluster);
	a->identity.epoch = identity->epoch;
}

/* ---- the end of a call ---- */

static void call_destroy(struct agent_call *call) {
	http_request_free(call->http);
	free(call);
}

void agent_call_free(struct agent_call *call) {
	if (!call || call->finishing)
		return;
	DL_DELETE(call->agent->calls, call);
	call_destroy(call);
}

/* The callback may free the agent: only the call is touched afterwards. */
static void call_finish(struct agent_call *call, struct agent_result *result) {
	if (result->outcome != AGENT_OK)
		err_wrap(&result->err, "%.64s's agent: %s", call->agent->name, call->op->path);
	call->finishing = true;
	DL_DELETE(call->agent->calls, call);
	if (call->cb.fn)
		call->cb.fn(call->cb.ctx, result);
	call_destroy(call);
}

/* ---- what an answer means ---- */

static enum agent_outcome from_http(enum http_outcome outcome) {
	switch (outcome) {
	case HTTP_ANSWERED:
		return AGENT_OK;
	case HTTP_NOT_SENT:
		return AGENT_NOT_SENT;
	case HTTP_BAD:
		return AGENT_BAD;
	case HTTP_UNKNOWN:
	case HTTP_OUTCOME_MAX:
		break;
	}
	return AGENT_UNKNOWN;
}

static int bad(struct agent_result *result, const char *why) {
	result->outcome = AGENT_BAD;
	return err_set(&result->err, -EBADMSG, "answered %d: %s", result->status, why);
}

static const struct {
	const char *code;
	enum agent_outcome outcome;
} codes[] = {
	{WIRE_STALE_EPOCH, AGENT_STALE_EPOCH},
	{WIRE_OTHER_MANAGER, AGENT_OTHER_MANAGER},
	{WIRE_NO_SOCKET, AGENT_NOT_SENT},
	{WIRE_OPEN, AGENT_UNKNOWN},
};

static enum agent_outcome outcome_of(const struct agent_call *call, const struct wire_refusal *refusal) {
	const char *code = refusal->code ? refusal->code : "";

	if (call->op->gone_is_ok && strcmp(code, WIRE_GONE) == 0)
		return AGENT_OK;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(code, codes[i].code) == 0)
			return codes[i].outcome;
	return AGENT_REFUSED;
}

/* refusal is to be cleared by the caller: the result borrows from it. */
static void judge_refusal(const struct agent_call *call, const struct http_result *http, struct wire_refusal *refusal,
			  struct agent_result *result) {
	CLEANUP_JSON json_t *j = NULL;
	struct err ignored;

	if (json_parse(http->body, http->body_len, "error", &j, &ignored) < 0 ||
	    wire_decode(&wire_refusal_shape, j, false, refusal, &ignored) < 0) {
		(void)bad(result, "and not as an agent does"); /* the result says it */
		return;
	}
	result->outcome = outcome_of(call, refusal);
	result->epoch = refusal->epoch;
	result->manager = refusal->manager;
	if (result->outcome != AGENT_OK)
		err_set(&result->err, -EREMOTEIO, "%d: %.*s", http->status, SAID_MAX, refusal->error);
}

static int read_answer(const struct agent_call *call, const struct http_result *http, union answer *answer,
		       struct agent_result *result) {
	const struct op *op = call->op;
	CLEANUP_JSON json_t *j = NULL;
	struct err why;

	if (json_parse(http->body, http->body_len, "answer", &j, &why) < 0 ||
	    wire_decode(op->answer ? op->answer : &wire_nothing_shape, j, false, answer, &why) < 0)
		return bad(result, why.msg);
	if (!op->answer)
		return 0;
	op->give(result, answer);
	return op->count && op->count(answer) != call->asked ? bad(result, "not as many answers as questions") : 0;
}

/* The callback may free the agent, and the call ends with it: the shape is noted before. */
static void finish_answered(struct agent_call *call, const struct http_result *http, struct agent_result *result) {
	const struct wire_shape *shape = call->op->answer;
	union answer answer = {0};

	if (read_answer(call, http, &answer, result) < 0)
		*result = (struct agent_result){.outcome = result->outcome, .status = result->status, .err = result->err};
	call_finish(call, result);
	if (shape)
		wire_clear(shape, &answer);
}

static void on_done(void *ctx, const struct http_result *http) {
	struct agent_call *call = ctx;
	struct agent_result result = {.outcome = from_http(http->outcome), .status = http->status, .err = http->err};
	struct wire_refusal refusal = {0};

	if (result.outcome == AGENT_OK && http->status == 200) {
		finish_answered(call, http, &result);
		return;
	}
	if (result.outcome == AGENT_OK)
		judge_refusal(call, http, &refusal, &result);
	call_finish(call, &result);
	wire_clear(&wire_refusal_shape, &refusal);
}

/* ---- the beginning ---- */

/* An order that cannot be made fails like one that cannot be sent: later, by the callback. */
static void on_impossible(void *ctx, const struct http_result *http) {
	struct agent_result result = {.outcome = AGENT_NOT_SENT};

	(void)http;
	err_set(&result.err, -EINVAL, "no identity was set, or the order is too large");
	call_finish(ctx, &result);
}

static void send_order(struct agent_call *call, const char *body) {
	static const char *const headers[] = {"Content-Type: application/json", NULL};
	struct agent *a = call->agent;
	CLEANUP_FREE char *url = xasprintf("%s%s", a->base, call->op->path);
	struct http_options o = {
		.method = body ? "POST" : "GET",
		.url = url,
		.tls = a->tls ? &a->files : NULL,
		.headers = body ? headers : NULL,
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.connect_timeout = CONNECT_TIMEOUT,
		.deadline = call->cb.deadline.ns ? call->cb.deadline : span_sec(call->op->seconds),
		.body_limit = WIRE_ANSWER_MAX,
		.on_done = on_done,
		.ctx = call,
	};

	call->http = http_request_new(a->client, &o);
}

static bool is_possible(const struct agent_call *call, const char *body) {
	return (call->op->anonymous || call->agent->identity.manager) && (!body || strlen(body) <= WIRE_BODY_MAX);
}

/* Takes the order, which is NULL for a GET. */
static struct agent_call *start(struct agent *a, const struct op *op, json_t *order, size_t asked, struct agent_cb cb) {
	struct http_options nothing = {.url = "none:", .on_done = on_impossible};
	struct agent_call *call = xnew(struct agent_call);
	CLEANUP_JSON json_t *body = order;
	CLEANUP_FREE char *text = NULL;

	call->agent = a;
	call->op = op;
	call->cb = cb;
	call->asked = asked;
	DL_APPEND(a->calls, call);
	if (body && !op->anonymous) {
		CLEANUP_JSON json_t *envelope = wire_encode(&wire_envelope_shape, &a->identity);
		json_object_update(body, envelope);
	}
	if (body && op->numbered)
		json_object_set_new(body, "order", json_integer(++a->orders));
	text = body ? json_text(body) : NULL;
	nothing.ctx = call;
	if (is_possible(call, text))
		send_order(call, text);
	else
		call->http = http_request_new(a->client, &nothing);
	http_request_start(call->http);
	return call;
}

struct agent_call *agent_status(struct agent *a, struct agent_cb cb) {
	return start(a, &op_status, NULL, 0, cb);
}

struct agent_call *agent_confirm(struct agent *a, struct agent_cb cb) {
	return start(a, &op_confirm, json_object(), 0, cb);
}

struct agent_call *agent_quarantine(struct agent *a, const struct wire_quarantine *wanted, struct agent_cb cb) {
	return start(a, &op_quarantine, wire_encode(&wire_quarantine_shape, wanted), 0, cb);
}

struct agent_call *agent_owners(struct agent *a, const struct wire_owners_order *order, struct agent_cb cb) {
	return start(a, &op_owners, wire_encode(&wire_owners_order_shape, order), order->owners.n, cb);
}

struct agent_call *agent_verify(struct agent *a, const struct wire_verify_order *order, struct agent_cb cb) {
	return start(a, &op_verify, wire_encode(&wire_verify_order_shape, order), order->owners.n, cb);
}

struct agent_call *agent_isolate(struct agent *a, const struct wire_isolate_order *order, struct agent_cb cb) {
	return start(a, &op_isolate, wire_encode(&wire_isolate_order_shape, order), order->containers.n, cb);
}

struct agent_call *agent_witness(struct agent *a, const struct wire_witness_order *order, struct agent_cb cb) {
	return start(a, &op_witness, wire_encode(&wire_witness_order_shape, order), order->targets.n, cb);
}

struct agent_call *agent_resolve(struct agent *a, const struct wire_resolve_order *order, struct agent_cb cb) {
	return start(a, &op_resolve, wire_encode(&wire_resolve_order_shape, order), order->questions.n, cb);
}

struct agent_call *agent_remove_task(struct agent *a, const char *task, struct agent_cb cb) {
	json_t *order = json_object();

	json_set_str(order, "task", task);
	return start(a, &op_remove_task, order, 0, cb);
}
