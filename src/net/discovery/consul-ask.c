/* One question to Consul. Asking the next server is harmless whatever came of the one before: everything that is written to servers
 * compares first, so what took effect already is refused the second time as stale.
 * For the same reason requests that change something share connections with the others. */
#include "net/discovery/consul-internal.h"

#include "base/alloc.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TOKEN_HEADER "X-Consul-Token: "

struct consul_ask {
	struct consul *consul;
	struct consul_question q;
	char *token;           /* it was asked with; NULL: none */
	struct err impossible; /* code 0: it can be asked */
	size_t first, tried;   /* of the servers */
	struct err open;       /* of a server that may have done it and did not say; code 0: none */
	consul_answer_fn *fn;
	void *ctx;
	struct http_request *http;
	bool finishing;
};

bool consul_is_base(const char *url) {
	bool secure = strncmp(url, "https://", 8) == 0;
	const char *rest = url + (secure ? 8 : 7);

	if (!secure && strncmp(url, "http://", 7) != 0)
		return false;
	const char *colon = strrchr(rest, ':');
	return colon && colon != rest && colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1) &&
	       strcspn(rest, "/?#@ \t\r\n\\%\"") == strlen(rest);
}

void consul_put_query(struct buf *b, char before, const char *name, const char *value) {
	if (!value)
		return;
	buf_printf(b, "%c%s%s", before, name, *name ? "=" : "");
	for (const unsigned char *p = (const unsigned char *)value; *p; p++)
		if (*p < 0x80 && (isalnum(*p) || strchr("-._~", *p)))
			buf_append(b, p, 1);
		else
			buf_printf(b, "%%%02X", *p);
}

static void forget_token(struct consul_ask *ask) {
	if (ask->token)
		explicit_bzero(ask->token, strlen(ask->token));
	free(ask->token);
	ask->token = NULL;
}

static void destroy(struct consul_ask *ask) {
	http_request_free(ask->http);
	forget_token(ask);
	free(ask->q.path);
	free(ask->q.body);
	free(ask);
}

void consul_ask_free(struct consul_ask *ask) {
	if (ask && !ask->finishing)
		destroy(ask);
}

static size_t server_of(const struct consul_ask *ask) { return (ask->first + ask->tried) % ask->consul->urls.n; }

static const char *base_of(const struct consul_ask *ask) {
	return ask->q.host ? ask->q.host->base : ask->consul->urls.v[server_of(ask)];
}

static const char *where(const struct consul_ask *ask) { return strstr(base_of(ask), "://") + 3; }

/* ---- sending ---- */

/* Of those that are left each has its share of the time that is left. */
static struct span share(const struct consul_ask *ask) {
	struct span left = mono_since(mono_now(), ask->q.deadline);
	size_t servers = ask->q.host ? 1 : ask->consul->urls.n - ask->tried;

	left.ns /= (int64_t)servers;
	return span_less(left, span_ms(1)) ? span_ms(1) : left;
}

static char *url_of(const struct consul_ask *ask) {
	struct buf b = {0};
	char before = strchr(ask->q.path, '?') ? '&' : '?';

	buf_printf(&b, "%s%s", base_of(ask), ask->q.path);
	if (!ask->q.host && ask->consul->datacenter) {
		consul_put_query(&b, before, "dc", ask->consul->datacenter);
		before = '&';
	}
	consul_put_query(&b, before, "ns", ask->consul->consul_namespace);
	return buf_take(&b);
}

static void on_done(void *ctx, const struct http_result *http);

static void request(struct consul_ask *ask, const char *url, const char *const *headers) {
	const struct http_options o = {
		.method = ask->q.method,
		.url = url,
		.tls = strncmp(url, "https:", 6) == 0 ? &ask->consul->tls : NULL,
		.headers = headers,
		.body = ask->q.body,
		.body_len = ask->q.body ? strlen(ask->q.body) : 0,
		.deadline = share(ask),
		.body_limit = ask->q.limit ? ask->q.limit : CONSUL_ENTRY_MAX,
		.on_done = on_done,
		.ctx = ask,
	};

	http_request_free(ask->http);
	ask->http = http_request_new(ask->consul->http, &o);
	http_request_start(ask->http);
}

static void send_it(struct consul_ask *ask) {
	char header[sizeof(TOKEN_HEADER) + SECRET_MAX + 1];
	const char *headers[2] = {NULL, NULL}, *token = NULL;

	if (ask->impossible.code == 0)
		(void)secret_get(ask->consul->token, &token, &ask->impossible); /* its code says it */
	if (ask->impossible.code != 0) {
		request(ask, "none:", headers);
		return;
	}
	char *url CLEANUP_FREE = url_of(ask);
	forget_token(ask);
	if (token) {
		ask->token = xstrdup(token);
		(void)snprintf(header, sizeof(header), TOKEN_HEADER "%s", token);
		headers[0] = header;
	}
	request(ask, url, headers);
	explicit_bzero(header, sizeof(header));
}

/* ---- what came back ---- */

/* Another token may stand in the file by now. */
static char *said(const struct consul_ask *ask, const struct http_result *http) {
	if (secret_is_told(ask->token, http->body, http->body_len))
		return xstrdup(SECRET_NOT_SHOWN);
	return consul_quote(http->body, http->body_len);
}

static int code_of(int status) {
	if (status == 401 || status == 403)
		return -EACCES;
	if (status == 413)
		return -EINVAL;
	return status >= 500 || status == 429 ? -EIO : -EPROTO;
}

static int judge(const struct consul_ask *ask, const struct http_result *http, struct err *err) {
	*err = http->err;
	if (http->outcome == HTTP_NOT_SENT)
		return err->code = -ENOTCONN;
	if (http->outcome == HTTP_BAD)
		return err->code = -EPROTO;
	if (http->outcome != HTTP_ANSWERED)
		return err->code = err->code == -ETIMEDOUT ? -ETIMEDOUT : -EIO;
	if (http->status == 200 || http->status == 409)
		return 0;
	char *text CLEANUP_FREE = said(ask, http);
	return err_set(err, code_of(http->status), "%s: answered %d: %s", where(ask), http->status, text);
}

static bool is_unreachable(int result) { return result == -ENOTCONN || result == -ETIMEDOUT; }

bool consul_is_silent(const struct consul_host *h) { return !mono_reached(h->silent_until, mono_now()); }

/* One that was silent is not waited for again while it is likely to be. */
static void note_host(struct consul_host *h, int result) {
	h->silent_until = is_unreachable(result) ? mono_add(mono_now(), h->consul->ttl) : (struct mono){0};
}

static bool may_another_do_it(int result) { return is_unreachable(result) || result == -EIO; }

static bool try_next(struct consul_ask *ask, int result, const struct err *err) {
	if (ask->q.host || !may_another_do_it(result))
		return false;
	if (result != -ENOTCONN)
		ask->open = *err;
	if (ask->tried + 1 == ask->consul->urls.n || mono_reached(ask->q.deadline, mono_now()))
		return false;
	ask->tried++;
	send_it(ask);
	return true;
}

/* The callback may free the system: only the ask is touched afterwards. */
static void finish(struct consul_ask *ask, struct consul_answer *a) {
	if (a->result == -ENOTCONN && ask->open.code != 0) {
		a->err = ask->open;
		a->result = a->err.code;
	}
	if (ask->q.host)
		note_host(ask->q.host, a->result);
	else if (a->result == 0)
		ask->consul->url = server_of(ask);
	ask->finishing = true;
	ask->fn(ask->ctx, a);
	destroy(ask);
}

static void on_done(void *ctx, const struct http_result *http) {
	struct consul_ask *ask = ctx;
	struct consul_answer a = {
		.where = where(ask), .token = ask->token, .body = http->body, .body_len = http->body_len, .err = ask->impossible};

	a.result = ask->impossible.code;
	if (a.result == 0)
		a.result = judge(ask, http, &a.err);
	if (a.result == 0 || ask->impossible.code != 0 || !try_next(ask, a.result, &a.err))
		finish(ask, &a);
}

struct consul_ask *consul_ask(struct consul *c, const struct consul_question *question, consul_answer_fn *fn, void *ctx) {
	struct consul_ask *ask = xnew(struct consul_ask);

	ask->consul = c;
	ask->q = *question;
	ask->first = c->url;
	ask->fn = fn;
	ask->ctx = ctx;
	if (question->why)
		ask->impossible = *question->why;
	else if (mono_reached(question->deadline, mono_now()))
		err_set(&ask->impossible, -ETIMEDOUT, "the time is up");
	ask->q.why = NULL;
	send_it(ask);
	return ask;
}
