/* A stand-in etcd: what its JSON gateway answers (as 3.4.23 does, docs/engine-facts.md) to ranges, transactions and authentication,
 * over a few keys in memory. A test may let it say anything else instead. Included by the tests that need one. */
#ifndef TESTS_ETCD_STANDIN_H
#define TESTS_ETCD_STANDIN_H

#include "net/discovery/etcd-wire.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "standin.h"

#define ETCD_STANDIN_KEYS 1024

struct etcd_standin {
	struct standin server;
	struct {
		char *key, *value;
		int64_t revision;
	} keys[ETCD_STANDIN_KEYS]; /* ascending */
	size_t n;
	int64_t revision, compacted;
	const char *password;    /* NULL: authentication is not enabled */
	unsigned tokens, logins; /* the last one given is good; 0: none is */
	size_t ranges, txns;
	char *last_path, *last_body;
	/* Instead of the truth, `lies` times, where the path ends with lie_to (NULL: any). status 0: silence */
	size_t lies;
	const char *lie_to, *lie;
	int lie_status;
	void (*before)(void *ctx); /* each transaction that writes */
	void *ctx;
};

static inline void etcd_standin_put(struct etcd_standin *s, const char *key, const char *value) {
	size_t i = 0;

	while (i < s->n && strcmp(s->keys[i].key, key) < 0)
		i++;
	if (i == s->n || strcmp(s->keys[i].key, key) != 0) {
		assert(s->n < ETCD_STANDIN_KEYS);
		memmove(&s->keys[i + 1], &s->keys[i], (s->n++ - i) * sizeof(s->keys[0]));
		s->keys[i].key = xstrdup(key);
		s->keys[i].value = NULL;
	}
	xstr_replace(&s->keys[i].value, value);
	s->keys[i].revision = ++s->revision;
}

static inline size_t etcd_standin_find(const struct etcd_standin *s, const char *key) {
	size_t i = 0;

	while (i < s->n && strcmp(s->keys[i].key, key) != 0)
		i++;
	return i;
}

static inline void etcd_standin_delete(struct etcd_standin *s, const char *key) {
	size_t i = etcd_standin_find(s, key);

	if (i == s->n)
		return;
	free(s->keys[i].key);
	free(s->keys[i].value);
	memmove(&s->keys[i], &s->keys[i + 1], (--s->n - i) * sizeof(s->keys[0]));
	s->revision++;
}

/* NULL: there is none. */
static inline const char *etcd_standin_get(const struct etcd_standin *s, const char *key) {
	size_t i = etcd_standin_find(s, key);
	return i < s->n ? s->keys[i].value : NULL;
}

static inline char *etcd_standin_text(const json_t *j, const char *path) {
	const char *text = json_str_or(j, path, "");
	char *out = NULL;
	size_t n;

	assert(base64_decode(text, strlen(text), &out, &n) == 0);
	return out;
}

static inline int64_t etcd_standin_number(const json_t *j, const char *path) {
	return strtoll(json_str_or(j, path, "0"), NULL, 10);
}

static inline void etcd_standin_header(const struct etcd_standin *s, struct buf *b) {
	buf_printf(b, "{\"header\":{\"cluster_id\":\"1\",\"member_id\":\"2\",\"revision\":\"%lld\",\"raft_term\":\"2\"}",
		   (long long)s->revision);
}

static inline void etcd_standin_kv(const struct etcd_standin *s, size_t i, struct buf *b) {
	buf_puts(b, "{\"key\":\"");
	base64_append(b, s->keys[i].key, strlen(s->keys[i].key));
	buf_printf(b, "\",\"create_revision\":\"1\",\"mod_revision\":\"%lld\",\"version\":\"1\"", (long long)s->keys[i].revision);
	if (*s->keys[i].value) {
		buf_puts(b, ",\"value\":\"");
		base64_append(b, s->keys[i].value, strlen(s->keys[i].value));
		buf_puts(b, "\"");
	}
	buf_puts(b, "}");
}

static inline void etcd_standin_range(struct etcd_standin *s, const json_t *j, struct buf *b) {
	CLEANUP_FREE char *from = etcd_standin_text(j, "key"), *end = etcd_standin_text(j, "range_end");
	const char *raw = json_str_or(j, "key", "");
	CLEANUP_FREE char *bytes = NULL;
	size_t len = 0, limit = (size_t)etcd_standin_number(j, "limit"), count = 0, given = 0;

	assert(base64_decode(raw, strlen(raw), &bytes, &len) == 0);
	bool behind = len > strlen(from); /* "key\0": the one after it */
	for (size_t i = 0; i < s->n; i++) {
		int order = strcmp(s->keys[i].key, from);
		bool in = *end ? (behind ? order > 0 : order >= 0) && strcmp(s->keys[i].key, end) < 0 : order == 0;
		if (!in || (limit && count++ >= limit))
			continue;
		buf_puts(b, given++ > 0 ? "," : ",\"kvs\":[");
		etcd_standin_kv(s, i, b);
	}
	if (given)
		buf_printf(b, "],%s\"count\":\"%zu\"", limit && count > limit ? "\"more\":true," : "", given);
}

static inline bool etcd_standin_holds(const struct etcd_standin *s, const json_t *compares) {
	json_t *c;
	size_t i;

	json_array_foreach (compares, i, c) {
		CLEANUP_FREE char *key = etcd_standin_text(c, "key");
		size_t at = etcd_standin_find(s, key);
		if ((at < s->n ? s->keys[at].revision : 0) != etcd_standin_number(c, "mod_revision"))
			return false;
	}
	return true;
}

/* All writes of a transaction have one revision. */
static inline void etcd_standin_do(struct etcd_standin *s, const json_t *op, int64_t revision, struct buf *b) {
	const json_t *range = json_at(op, "request_range"), *put = json_at(op, "request_put");
	const json_t *away = json_at(op, "request_delete_range");
	CLEANUP_FREE char *key = etcd_standin_text(put ? put : away, "key");

	if (range) {
		buf_printf(b, "{\"response_range\":{\"header\":{\"revision\":\"%lld\"}", (long long)s->revision);
		etcd_standin_range(s, range, b);
	} else if (put) {
		CLEANUP_FREE char *value = etcd_standin_text(put, "value");
		s->revision = revision - 1;
		etcd_standin_put(s, key, value);
		buf_puts(b, "{\"response_put\":{");
	} else {
		etcd_standin_delete(s, key);
		s->revision = revision;
		buf_puts(b, "{\"response_delete_range\":{");
	}
	buf_puts(b, "}}");
}

static inline char *etcd_standin_txn(struct etcd_standin *s, const json_t *j) {
	struct buf b = {0}, responses CLEANUP_BUF = {0};
	bool holds = etcd_standin_holds(s, json_at(j, "compare"));
	json_t *op;
	size_t i;
	int64_t revision = s->revision + 1;

	json_array_foreach (holds ? json_at(j, "success") : NULL, i, op) {
		buf_puts(&responses, i > 0 ? "," : "");
		etcd_standin_do(s, op, revision, &responses);
	}
	etcd_standin_header(s, &b);
	if (holds)
		buf_printf(&b, ",\"succeeded\":true,\"responses\":[%s]", responses.data ? responses.data : "");
	buf_puts(&b, "}");
	return buf_take(&b);
}

#define ETCD_STANDIN_ERROR(words, code) "{\"error\":\"" words "\",\"message\":\"" words "\",\"code\":" code "}"

static inline void etcd_standin_login(struct etcd_standin *s, struct standin_conn *conn, const json_t *j) {
	s->logins++;
	if (!s->password) {
		standin_answer(conn, 412, ETCD_STANDIN_ERROR("etcdserver: authentication is not enabled", "9"));
	} else if (strcmp(json_str_or(j, "password", ""), s->password) != 0) {
		standin_answer(conn, 400,
			       ETCD_STANDIN_ERROR("etcdserver: authentication failed, invalid user ID or password", "3"));
	} else {
		CLEANUP_FREE char *text =
			xasprintf("{\"header\":{\"revision\":\"%lld\"},\"token\":\"tok.%u\"}", (long long)s->revision, ++s->tokens);
		standin_answer(conn, 200, text);
	}
}

/* False: it was refused. */
static inline bool etcd_standin_lets_in(struct etcd_standin *s, struct standin_conn *conn, const struct standin_request *r) {
	CLEANUP_FREE char *token = xasprintf("Authorization: tok.%u", s->tokens);

	if (!s->password)
		return true;
	if (!strstr(r->headers, "Authorization:"))
		standin_answer(conn, 400, ETCD_STANDIN_ERROR("etcdserver: user name is empty", "3"));
	else if (s->tokens == 0 || !strstr(r->headers, token))
		standin_answer(conn, 401, ETCD_STANDIN_ERROR("etcdserver: invalid auth token", "16"));
	else
		return true;
	return false;
}

static inline void etcd_standin_tell_truth(struct etcd_standin *s, struct standin_conn *conn, const struct standin_request *r) {
	CLEANUP_JSON json_t *j = NULL;
	CLEANUP_FREE char *answer = NULL;
	struct buf b = {0};

	assert(json_parse(r->body, r->body_len, "body", &j, NULL) == 0);
	assert(strstr(r->headers, "Grpc-Metadata-hasleader: true"));
	if (strcmp(r->path, "/v3/auth/authenticate") == 0) {
		etcd_standin_login(s, conn, j);
		return;
	}
	if (!etcd_standin_lets_in(s, conn, r))
		return;
	if (strcmp(r->path, "/v3/kv/txn") == 0) {
		bool writes = json_at(j, "compare") != NULL;
		s->txns += writes;
		if (writes && s->before)
			s->before(s->ctx);
		answer = etcd_standin_txn(s, j);
	} else {
		int64_t revision = etcd_standin_number(j, "revision");
		s->ranges++;
		if (revision && revision < s->compacted) {
			standin_answer(conn, 400,
				       ETCD_STANDIN_ERROR("etcdserver: mvcc: required revision has been compacted", "11"));
			return;
		}
		etcd_standin_header(s, &b);
		etcd_standin_range(s, j, &b);
		buf_puts(&b, "}");
		answer = buf_take(&b);
	}
	standin_answer(conn, 200, answer);
}

static inline void etcd_standin_serve(void *ctx, struct standin_conn *conn, const struct standin_request *r) {
	struct etcd_standin *s = ctx;

	xstr_replace(&s->last_path, r->path);
	xstr_replace(&s->last_body, r->body);
	if (s->lies == 0 || (s->lie_to && !strstr(r->path, s->lie_to))) {
		etcd_standin_tell_truth(s, conn, r);
		return;
	}
	s->lies--;
	if (s->lie_status)
		standin_answer(conn, s->lie_status, s->lie);
}

static inline void etcd_standin_lie(struct etcd_standin *s, size_t times, const char *to, int status, const char *what) {
	s->lies = times;
	s->lie_to = to;
	s->lie_status = status;
	s->lie = what;
}

static inline void etcd_standin_start(struct etcd_standin *s, uv_loop_t *loop) {
	standin_listen(&s->server, loop, NULL, etcd_standin_serve, s);
	s->revision = 1;
}

static inline void etcd_standin_end(struct etcd_standin *s) {
	standin_stop(&s->server);
	while (s->n > 0)
		etcd_standin_delete(s, s->keys[0].key);
	free(s->last_path);
	free(s->last_body);
}

#endif
