/* See etcd.h. What a call asks and how its answer is read are rows of a table; authentication is a call like the others, for which
 * those wait that have no token. */
#include "net/discovery/etcd.h"

#include "net/discovery/secret.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <utlist.h>

#define PAGE 512
#define PAGE_BODY_MAX ((size_t)32 << 20)
#define BODY_MAX ((size_t)8 << 20)
#define RESTARTS_MAX 3 /* of a range whose revision was compacted under it */

struct etcd {
	struct http_client *http;
	struct strs urls; /* without the slash at their end */
	char *user;
	struct secret *password;
	struct http_tls tls; /* owned strings */
	size_t current;      /* the member that answered last */
	char *token;
	unsigned tokens;         /* how many there were */
	bool no_auth;            /* there is a user, and etcd wants none */
	struct etcd_call *login; /* under way */
	struct etcd_call *calls;
};

/* What comes after an answer. */
enum next { NEXT_FINISH, NEXT_MORE, NEXT_LOGIN, NEXT_MEMBER };

struct op {
	const char *path;
	size_t body_max;
	bool changes;
	bool anonymous; /* no token */
	/* 0; 1: there is more to ask, with a new body; -EINVAL: not understood; -ESTALE */
	int (*take)(struct etcd_call *c, const struct http_result *http, struct err *err);
};

struct etcd_call {
	struct etcd *e;
	const struct op *op;
	struct etcd_cb cb;
	char *body;
	char *secret; /* that it was asked with: a token, or a login's password; NULL */
	struct http_request *http;
	struct etcd_answer answer;
	size_t member, tried; /* of this question */
	unsigned tokens;      /* e's when it was asked */
	bool renewed;         /* for this question */
	bool waiting;         /* for a token */
	bool finishing;

	struct strs keys;             /* of a get */
	struct etcd_kv from;          /* of a range: where the next page begins */
	char *range_from, *range_end; /* all of it */
	size_t page, n_keys, restarts;
	int64_t revision;

	struct etcd_call *prev, *next;
};

static void ask(struct etcd_call *c);

/* ---- the end of a call ---- */

static void free_secret(char *text) {
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void call_destroy(struct etcd_call *c) {
	http_request_free(c->http);
	free_secret(c->body); /* a login's has the password */
	free_secret(c->secret);
	etcd_kvs_clear(&c->answer.kvs);
	strs_clear(&c->keys);
	free(c->from.key);
	free(c->range_from);
	free(c->range_end);
	free(c);
}

void etcd_call_free(struct etcd_call *c) {
	if (!c || c->finishing)
		return;
	DL_DELETE(c->e->calls, c);
	call_destroy(c);
}

/* The callback may free the client: only the call is touched afterwards. */
static void finish(struct etcd_call *c) {
	if (c->answer.result < 0)
		etcd_kvs_clear(&c->answer.kvs);
	c->finishing = true;
	DL_DELETE(c->e->calls, c);
	c->cb.fn(c->cb.ctx, &c->answer);
	call_destroy(c);
}

static void on_failed(void *ctx, const struct http_result *http) {
	(void)http; /* it was not meant to be sent */
	finish(ctx);
}

/* A request without URL ends at a later turn, unsent: what cannot be asked fails like what was not answered. */
static void fail_later(struct etcd_call *c, const struct err *err) {
	const struct http_options o = {.on_done = on_failed, .ctx = c};

	c->answer.err = *err;
	c->answer.result = err->code;
	http_request_free(c->http);
	c->http = http_request_new(c->e->http, &o);
	http_request_start(c->http);
}

/* ---- what an answer means ---- */

static int from_http(const struct http_result *http) {
	switch (http->outcome) {
	case HTTP_NOT_SENT:
		return -ENOTCONN;
	case HTTP_BAD:
		return -EPROTO;
	case HTTP_ANSWERED:
	case HTTP_UNKNOWN:
	case HTTP_OUTCOME_MAX:
		break;
	}
	return http->err.code == -ETIMEDOUT ? -ETIMEDOUT : -EIO;
}

static const struct {
	int result; /* 0: it depends */
	enum next next;
} after[] = {
	[ETCD_ERROR_OTHER] = {0, NEXT_MEMBER},
	[ETCD_ERROR_REFUSED] = {-EREMOTEIO, NEXT_FINISH},
	[ETCD_ERROR_TOKEN] = {-EACCES, NEXT_LOGIN},
	[ETCD_ERROR_DENIED] = {-EACCES, NEXT_FINISH},
	[ETCD_ERROR_NO_AUTH] = {-EREMOTEIO, NEXT_FINISH},
	[ETCD_ERROR_NO_LEADER] = {-ENOTCONN, NEXT_MEMBER},
	[ETCD_ERROR_COMPACTED] = {-EREMOTEIO, NEXT_FINISH},
	[ETCD_ERROR_GARBAGE] = {-EPROTO, NEXT_MEMBER},
};
static_assert(sizeof(after) / sizeof(after[0]) == ETCD_ERROR_MAX, "what comes after each error");

/* Goes on elsewhere only where this member can have done nothing. */
static enum next elsewhere(const struct etcd_call *c) {
	return c->op->changes && c->answer.result != -ENOTCONN ? NEXT_FINISH : NEXT_MEMBER;
}

static void begin_range(struct etcd_call *c) {
	etcd_kvs_clear(&c->answer.kvs);
	c->revision = 0;
	c->n_keys = 0;
	xstr_replace(&c->from.key, c->range_from);
	c->from.key_len = strlen(c->range_from);
	free(c->body);
	c->body = etcd_range_body(c->from.key, c->from.key_len, c->range_end, c->page, 0);
}

static enum next judge_error(struct etcd_call *c, const struct http_result *http) {
	struct etcd_answer *a = &c->answer;
	enum etcd_error kind = etcd_error_parse(http->status, http->body, http->body_len, c->secret, &a->err);

	if (kind == ETCD_ERROR_NO_AUTH && c->op->anonymous) {
		c->e->no_auth = true;
		a->result = 0;
		return NEXT_FINISH;
	}
	if (kind == ETCD_ERROR_COMPACTED && c->range_from && c->restarts++ < RESTARTS_MAX) {
		begin_range(c);
		if (c->cb.page)
			c->cb.page(c->cb.ctx, NULL);
		return NEXT_MORE;
	}
	a->result = after[kind].result ? after[kind].result : strstr(a->err.msg, "timed out") ? -ETIMEDOUT : -EIO;
	return after[kind].next == NEXT_MEMBER ? elsewhere(c) : after[kind].next;
}

static enum next judge(struct etcd_call *c, const struct http_result *http) {
	struct etcd_answer *a = &c->answer;

	if (http->outcome != HTTP_ANSWERED) {
		a->err = http->err;
		a->result = from_http(http);
		return elsewhere(c);
	}
	if (http->status != 200)
		return judge_error(c, http);
	int r = c->op->take(c, http, &a->err);
	a->result = r == -EINVAL ? -EPROTO : r < 0 ? r : 0;
	if (a->result == -EPROTO)
		return elsewhere(c);
	c->e->current = c->member;
	return r > 0 ? NEXT_MORE : NEXT_FINISH;
}

/* "http://h2:2379" -> "h2:2379"; libcurl's errors say it already. */
static void name_sender(struct etcd_call *c, const struct http_result *http) {
	if (c->answer.result < 0 && http->outcome == HTTP_ANSWERED)
		err_wrap(&c->answer.err, "%.128s", strstr(c->e->urls.v[c->member], "://") + 3);
	c->answer.err.code = c->answer.result;
}

/* ---- tokens ---- */

static void let_go(struct etcd *e, const struct err *err) {
	struct etcd_call *c, *next;

	DL_FOREACH_SAFE (e->calls, c, next) {
		if (!c->waiting)
			continue;
		c->waiting = false;
		if (err)
			fail_later(c, err);
		else
			ask(c);
	}
}

static void on_login(void *ctx, struct etcd_answer *answer) {
	struct etcd *e = ctx;

	e->login = NULL;
	if (answer->result < 0)
		err_wrap(&answer->err, "user %.64s", e->user);
	let_go(e, answer->result < 0 ? &answer->err : NULL);
}

static int take_token(struct etcd_call *c, const struct http_result *http, struct err *err) {
	char *token = NULL;

	int r = etcd_token_parse(http->body, http->body_len, &token, err);
	if (r < 0)
		return r;
	free_secret(c->e->token);
	c->e->token = token;
	c->e->tokens++;
	return 0;
}

static const struct op op_login = {.path = "/v3/auth/authenticate", .body_max = BODY_MAX, .anonymous = true, .take = take_token};

static struct etcd_call *call_new(struct etcd *e, const struct op *op, struct etcd_cb cb) {
	struct etcd_call *c = xnew(struct etcd_call);

	c->e = e;
	c->op = op;
	c->cb = cb;
	c->member = e->current;
	DL_APPEND(e->calls, c);
	return c;
}

static int login_body(struct etcd *e, char **ret, char **ret_secret, struct err *err) {
	const char *password = NULL;

	int r = secret_get(e->password, &password, err);
	if (r < 0) {
		if (err)
			err->code = -EACCES;
		return err_wrap(err, "user %.64s", e->user);
	}
	*ret = etcd_authenticate_body(e->user, password);
	if (!*ret)
		return err_set(err, -EACCES, "user %.64s: the name or the password is no UTF-8", e->user);
	*ret_secret = xstrdup(password);
	return 0;
}

/* It ends within the time of the call that needs it first. */
static void login(struct etcd *e, struct mono deadline) {
	char *body = NULL, *secret = NULL;
	struct err err;

	if (e->login)
		return;
	if (login_body(e, &body, &secret, &err) < 0) {
		let_go(e, &err);
		return;
	}
	e->login = call_new(e, &op_login, (struct etcd_cb){.fn = on_login, .ctx = e, .deadline = deadline});
	e->login->body = body;
	e->login->secret = secret;
	ask(e->login);
}

static bool wants_token(const struct etcd_call *c) { return c->e->user && !c->op->anonymous && !c->e->token && !c->e->no_auth; }

/* The token that it was asked with is of no use, unless there is a newer one already. */
static void renew(struct etcd_call *c) {
	struct etcd *e = c->e;

	c->renewed = true;
	c->tried = 0;
	if (c->tokens == e->tokens) {
		free_secret(TAKE_PTR(e->token));
		e->no_auth = false;
	}
	ask(c);
}

/* ---- asking ---- */

static void follow(struct etcd_call *c, enum next next) {
	const struct etcd *e = c->e;

	if (next == NEXT_MEMBER && ++c->tried < e->urls.n) {
		c->member = (c->member + 1) % e->urls.n;
		ask(c);
	} else if (next == NEXT_MORE) {
		c->tried = 0;
		c->renewed = false;
		ask(c);
	} else if (next == NEXT_LOGIN && e->user && !c->op->anonymous && !c->renewed) {
		renew(c);
	} else {
		finish(c);
	}
}

static void on_answer(void *ctx, const struct http_result *http) {
	struct etcd_call *c = ctx;
	enum next next = judge(c, http);

	name_sender(c, http);
	follow(c, next);
}

/* Each of the members that are left gets its share of the time, so that a dead one does not use up all of it; a transaction that
 * was sent waits as long as there is. */
static void send_question(struct etcd_call *c, struct span left) {
	struct etcd *e = c->e;
	assert(c->body);
	struct span share = {left.ns / (int64_t)(e->urls.n - c->tried)};
	CLEANUP_FREE char *url = xasprintf("%s%s", e->urls.v[c->member], c->op->path);
	char *token CLEANUP(cleanup_free) = e->token && !c->op->anonymous ? xasprintf("Authorization: %s", e->token) : NULL;
	/* A member without leader says so at once, before it does anything; without this it takes its 7 s (etcd 3.4.23). */
	const char *const headers[] = {"Content-Type: application/json", "Grpc-Metadata-hasleader: true", token, NULL};
	const struct http_options o = {
		.method = "POST",
		.url = url,
		.tls = strncmp(url, "https:", 6) == 0 ? &e->tls : NULL,
		.changes = c->op->changes,
		.headers = headers,
		.body = c->body,
		.body_len = strlen(c->body),
		.connect_timeout = share,
		.deadline = c->op->changes ? left : share,
		.body_limit = c->op->body_max,
		.on_done = on_answer,
		.ctx = c,
	};

	c->tokens = e->tokens;
	if (!c->op->anonymous) {
		free_secret(c->secret);
		c->secret = xstrdup_null(e->token);
	}
	http_request_free(c->http);
	c->http = http_request_new(e->http, &o);
	http_request_start(c->http);
	if (token)
		explicit_bzero(token, strlen(token));
}

static void ask(struct etcd_call *c) {
	struct span left = mono_since(mono_now(), c->cb.deadline);
	struct err late;

	if (left.ns <= 0) {
		/* What was said last, if anything was, says more. */
		(void)err_set(&late, -ENOTCONN, "%s", c->answer.result < 0 ? c->answer.err.msg : "no time is left to ask");
		fail_later(c, &late);
	} else if (wants_token(c)) {
		c->waiting = true;
		login(c->e, c->cb.deadline);
	} else {
		send_question(c, left);
	}
}

/* ---- the questions ---- */

/* The next page begins behind the last key, and is of the same revision. */
static void turn_page(struct etcd_call *c, const struct etcd_kv *last) {
	c->from.key = xreallocarray(c->from.key, last->key_len + 1, 1);
	memcpy(c->from.key, last->key, last->key_len + 1); /* its NUL is what makes it the next one */
	c->from.key_len = last->key_len + 1;
	free(c->body);
	c->body = etcd_range_body(c->from.key, c->from.key_len, c->range_end, c->page, c->revision);
}

static void give_page(struct etcd_call *c, struct etcd_kvs *kvs) {
	if (c->cb.page)
		c->cb.page(c->cb.ctx, kvs);
	else
		etcd_kvs_move(&c->answer.kvs, kvs);
	etcd_kvs_clear(kvs);
}

static int take_page(struct etcd_call *c, const struct http_result *http, struct err *err) {
	struct etcd_page page;

	int r = etcd_range_parse(http->body, http->body_len, &c->from, c->range_end, &page, err);
	if (r < 0)
		return r;
	if (c->revision == 0)
		c->revision = page.revision;
	c->answer.revision = c->revision;
	c->n_keys += page.kvs.n;
	if (page.more)
		turn_page(c, &page.kvs.v[page.kvs.n - 1]);
	give_page(c, &page.kvs);
	if (c->n_keys > ETCD_KEYS_MAX)
		return err_set(err, -EREMOTEIO, "more than %zu keys from %.128s on", ETCD_KEYS_MAX, c->range_from);
	return page.more;
}

static int take_got(struct etcd_call *c, const struct http_result *http, struct err *err) {
	struct etcd_page page;

	int r = etcd_get_parse(http->body, http->body_len, &c->keys, &page, err);
	if (r < 0)
		return r;
	etcd_kvs_move(&c->answer.kvs, &page.kvs);
	c->answer.revision = page.revision;
	return 0;
}

static int take_txn(struct etcd_call *c, const struct http_result *http, struct err *err) {
	bool succeeded = false;

	int r = etcd_txn_parse(http->body, http->body_len, &succeeded, &c->answer.revision, err);
	if (r < 0)
		return r;
	return succeeded ? 0 : err_set(err, -ESTALE, "it is not as it was any more");
}

static const struct op op_range = {.path = "/v3/kv/range", .body_max = PAGE_BODY_MAX, .take = take_page};
static const struct op op_get = {.path = "/v3/kv/txn", .body_max = PAGE_BODY_MAX, .take = take_got};
static const struct op op_txn = {.path = "/v3/kv/txn", .body_max = BODY_MAX, .changes = true, .take = take_txn};

struct etcd_call *etcd_range(struct etcd *e, const char *from, const char *end, size_t page, struct etcd_cb cb) {
	struct etcd_call *c = call_new(e, &op_range, cb);

	c->range_from = xstrdup(from);
	c->range_end = xstrdup(end);
	c->page = page ? page : PAGE;
	begin_range(c);
	ask(c);
	return c;
}

struct etcd_call *etcd_get(struct etcd *e, const struct strs *keys, struct etcd_cb cb) {
	struct etcd_call *c = call_new(e, &op_get, cb);

	strs_copy(&c->keys, keys);
	c->body = etcd_get_body(keys);
	ask(c);
	return c;
}

struct etcd_call *etcd_txn(struct etcd *e, const struct etcd_txn *txn, struct etcd_cb cb) {
	struct etcd_call *c = call_new(e, &op_txn, cb);

	c->body = etcd_txn_body(txn);
	ask(c);
	return c;
}

struct etcd_call *etcd_fail(struct etcd *e, const struct err *err, struct etcd_cb cb) {
	struct etcd_call *c = call_new(e, &op_get, cb);

	fail_later(c, err);
	return c;
}

/* ---- the client ---- */

static int add_url(struct etcd *e, const char *url, struct err *err) {
	bool secure = strncmp(url, "https://", 8) == 0, plain = strncmp(url, "http://", 7) == 0;
	const char *rest = url + (secure ? 8 : plain ? 7 : 0);
	size_t n = strlen(rest);

	if (n > 0 && rest[n - 1] == '/')
		n--;
	if ((!secure && !plain) || n == 0 || strcspn(rest, "/?#@ \t\r\n\\%") < n || !memchr(rest, ':', n))
		return err_set(err, -EINVAL, "\"%.128s\": expected http://host:port or https://host:port", url);
	CLEANUP_FREE char *base = xstrndup(url, (size_t)(rest - url) + n);
	strs_add(&e->urls, base);
	return 0;
}

static int add_urls(struct etcd *e, const struct strs *urls, struct err *err) {
	for (size_t i = 0; i < urls->n; i++) {
		int r = add_url(e, urls->v[i], err);
		if (r < 0)
			return r;
	}
	return e->urls.n > 0 ? 0 : err_set(err, -EINVAL, "no member's URL");
}

int etcd_new(struct http_client *http, const struct etcd_options *o, struct etcd **ret, struct err *err) {
	if (!o->user != !o->password_file)
		return err_set(err, -EINVAL, "a user and the file with the password go together");
	struct etcd *e = xnew(struct etcd);
	e->http = http;
	e->user = xstrdup_null(o->user);
	e->password = secret_new(o->password_file);
	e->tls = (struct http_tls){.ca = xstrdup_null(o->tls.ca),
				   .cert = xstrdup_null(o->tls.cert),
				   .key = xstrdup_null(o->tls.key),
				   .insecure = o->tls.insecure};
	int r = add_urls(e, &o->urls, err);
	if (r < 0) {
		etcd_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

static void free_const(const char *s) { free((void *)(uintptr_t)s); }

void etcd_free(struct etcd *e) {
	if (!e)
		return;
	while (e->calls)
		etcd_call_free(e->calls);
	secret_free(e->password);
	free_secret(e->token);
	free_const(e->tls.ca);
	free_const(e->tls.cert);
	free_const(e->tls.key);
	strs_clear(&e->urls);
	free(e->user);
	free(e);
}
