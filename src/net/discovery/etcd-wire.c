/* See etcd-wire.h. */
#include "net/discovery/etcd-wire.h"

#include "net/discovery/secret.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* google.rpc.Code */
#define CODE_INVALID_ARGUMENT 3
#define CODE_PERMISSION_DENIED 7
#define CODE_RESOURCE_EXHAUSTED 8
#define CODE_FAILED_PRECONDITION 9
#define CODE_UNAUTHENTICATED 16

/* ---- lists ---- */

void etcd_kvs_clear(struct etcd_kvs *kvs) {
	for (size_t i = 0; i < kvs->n; i++) {
		free(kvs->v[i].key);
		free(kvs->v[i].value);
	}
	free(kvs->v);
	*kvs = (struct etcd_kvs){0};
}

static void kvs_add(struct etcd_kvs *kvs, struct etcd_kv kv) {
	if (kvs->n == kvs->cap) {
		kvs->cap = kvs->cap ? kvs->cap * 2 : 16;
		kvs->v = xreallocarray(kvs->v, kvs->cap, sizeof(*kvs->v));
	}
	kvs->v[kvs->n++] = kv;
}

void etcd_kvs_move(struct etcd_kvs *to, struct etcd_kvs *from) {
	for (size_t i = 0; i < from->n; i++)
		kvs_add(to, from->v[i]);
	from->n = 0;
	etcd_kvs_clear(from);
}

/* ---- bodies ---- */

static void put_bytes(struct buf *b, const char *name, const char *data, size_t n) {
	buf_printf(b, "\"%s\":\"", name);
	base64_append(b, data, n);
	buf_puts(b, "\"");
}

static void put_text(struct buf *b, const char *name, const char *text) { put_bytes(b, name, text, strlen(text)); }

char *etcd_range_body(const char *from, size_t from_len, const char *end, size_t limit, int64_t revision) {
	struct buf b = {0};

	buf_puts(&b, "{");
	put_bytes(&b, "key", from, from_len);
	buf_puts(&b, ",");
	put_text(&b, "range_end", end);
	buf_printf(&b, ",\"limit\":\"%zu\",\"revision\":\"%lld\"}", limit, (long long)revision);
	return buf_take(&b);
}

/* Ranges in a transaction without condition: one answer, and all of it of one revision. */
char *etcd_get_body(const struct strs *keys) {
	struct buf b = {0};

	buf_puts(&b, "{\"success\":[");
	for (size_t i = 0; i < keys->n; i++) {
		buf_puts(&b, i > 0 ? ",{\"request_range\":{" : "{\"request_range\":{");
		put_text(&b, "key", keys->v[i]);
		buf_puts(&b, "}}");
	}
	buf_puts(&b, "]}");
	return buf_take(&b);
}

static void put_write(struct buf *b, const struct etcd_write *w) {
	buf_puts(b, w->value ? "{\"request_put\":{" : "{\"request_delete_range\":{");
	put_text(b, "key", w->key);
	if (w->value) {
		buf_puts(b, ",");
		put_text(b, "value", w->value);
	}
	buf_puts(b, "}}");
}

char *etcd_txn_body(const struct etcd_txn *txn) {
	struct buf b = {0};

	buf_puts(&b, "{\"compare\":[");
	for (size_t i = 0; i < txn->n_compares; i++) {
		buf_puts(&b, i > 0 ? ",{" : "{");
		put_text(&b, "key", txn->compares[i].key);
		buf_printf(&b, ",\"target\":\"MOD\",\"result\":\"EQUAL\",\"mod_revision\":\"%lld\"}",
			   (long long)txn->compares[i].mod_revision);
	}
	buf_puts(&b, "],\"success\":[");
	for (size_t i = 0; i < txn->n_writes; i++) {
		if (i > 0)
			buf_puts(&b, ",");
		put_write(&b, &txn->writes[i]);
	}
	buf_puts(&b, "]}");
	return buf_take(&b);
}

char *etcd_authenticate_body(const char *user, const char *password) {
	CLEANUP_JSON json_t *j = json_object();
	json_t *name = json_string(user), *secret = json_string(password);

	json_object_set_new(j, "name", name); /* NULL is refused and leaves it out */
	json_object_set_new(j, "password", secret);
	return name && secret ? json_text(j) : NULL;
}

/* ---- answers ---- */

static int get_number(const json_t *obj, const char *name, int64_t *ret, struct err *err) {
	const char *text = NULL;
	char *end = NULL;

	*ret = 0;
	int r = json_get_str(obj, name, &text, err);
	if (r < 0 || !text)
		return r;
	errno = 0;
	long long number = strtoll(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno)
		return err_set(err, -EINVAL, "%s: expected a number of 64 bits in a string", name);
	*ret = number;
	return 0;
}

static int get_bytes(const json_t *obj, const char *name, char **ret, size_t *ret_n, struct err *err) {
	const char *text = NULL;

	int r = json_get_str(obj, name, &text, err);
	if (r < 0)
		return r;
	return base64_decode(text ? text : "", text ? strlen(text) : 0, ret, ret_n) < 0
		       ? err_set(err, -EINVAL, "%s: expected base64", name)
		       : 0;
}

static int read_kv(const json_t *j, struct etcd_kvs *to, struct err *err) {
	struct etcd_kv kv = {0};

	if (!json_is_object(j))
		return err_set(err, -EINVAL, "kvs: expected objects");
	int r = get_bytes(j, "key", &kv.key, &kv.key_len, err);
	if (r == 0)
		r = get_bytes(j, "value", &kv.value, &kv.value_len, err);
	if (r == 0)
		r = get_number(j, "mod_revision", &kv.mod_revision, err);
	if (r == 0 && (kv.key_len == 0 || kv.mod_revision == 0))
		r = err_set(err, -EINVAL, "kvs: one without key or mod_revision");
	kvs_add(to, kv);
	return r;
}

static int read_kvs(const json_t *range, struct etcd_kvs *to, struct err *err) {
	json_t *list = NULL, *item;
	size_t i;

	int r = json_get_array(range, "kvs", &list, err);
	if (r < 0)
		return r;
	json_array_foreach (list, i, item) {
		r = read_kv(item, to, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The object that every answer is, and the store's revision in its header. */
static int read_answer(const char *text, size_t n, json_t **ret, int64_t *ret_revision, struct err *err) {
	json_t *header = NULL;

	int r = json_parse(text, n, "answer", ret, err);
	if (r < 0)
		return r;
	if (!json_is_object(*ret))
		return err_set(err, -EINVAL, "answer: expected an object");
	r = json_get_object(*ret, "header", &header, err);
	if (r < 0)
		return r;
	r = get_number(header, "revision", ret_revision, err);
	if (r < 0)
		return err_wrap(err, "header");
	return *ret_revision == 0 ? err_set(err, -EINVAL, "header: no revision") : 0;
}

static int compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len) {
	int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
	return order ? order : (a_len > b_len) - (a_len < b_len);
}

/* A member that gave a key twice, or others than were asked for, would be asked for the next page for ever. */
static int check_order(const struct etcd_page *page, const struct etcd_kv *from, const char *end, struct err *err) {
	const struct etcd_kv *last = from;

	for (size_t i = 0; i < page->kvs.n; i++) {
		const struct etcd_kv *kv = &page->kvs.v[i];
		int order = compare_bytes(last->key, last->key_len, kv->key, kv->key_len);
		if (order > 0 || (order == 0 && i > 0) || compare_bytes(kv->key, kv->key_len, end, strlen(end)) >= 0)
			return err_set(err, -EINVAL, "kvs: not in order, or not what was asked for");
		last = kv;
	}
	return page->more && page->kvs.n == 0 ? err_set(err, -EINVAL, "more: and this page is empty") : 0;
}

static int page_done(int r, struct etcd_page *page, struct etcd_page *ret) {
	if (r < 0)
		etcd_kvs_clear(&page->kvs);
	*ret = *page;
	return r;
}

int etcd_range_parse(const char *text, size_t n, const struct etcd_kv *from, const char *end, struct etcd_page *ret,
		     struct err *err) {
	CLEANUP_JSON json_t *j = NULL;
	struct etcd_page page = {0};

	int r = read_answer(text, n, &j, &page.revision, err);
	if (r == 0)
		r = json_get_bool(j, "more", &page.more, err);
	if (r == 0)
		r = read_kvs(j, &page.kvs, err);
	if (r == 0)
		r = check_order(&page, from, end, err);
	return page_done(r, &page, ret);
}

static int read_got(const json_t *response, const char *key, struct etcd_kvs *to, struct err *err) {
	size_t before = to->n;
	json_t *range = NULL;

	int r = json_is_object(response) ? json_get_object(response, "response_range", &range, err) : 0;
	if (r < 0)
		return r;
	if (!range)
		return err_set(err, -EINVAL, "responses: one is no range");
	r = read_kvs(range, to, err);
	if (r < 0 || to->n == before)
		return r;
	const struct etcd_kv *kv = &to->v[before];
	return to->n == before + 1 && compare_bytes(kv->key, kv->key_len, key, strlen(key)) == 0
		       ? 0
		       : err_set(err, -EINVAL, "responses: another key than was asked for");
}

int etcd_get_parse(const char *text, size_t n, const struct strs *keys, struct etcd_page *ret, struct err *err) {
	CLEANUP_JSON json_t *j = NULL;
	struct etcd_page page = {0};
	json_t *list = NULL;

	int r = read_answer(text, n, &j, &page.revision, err);
	if (r == 0)
		r = json_get_array(j, "responses", &list, err);
	if (r == 0 && json_array_size(list) != keys->n)
		r = err_set(err, -EINVAL, "responses: not as many as questions");
	for (size_t i = 0; r == 0 && i < keys->n; i++)
		r = read_got(json_array_get(list, i), keys->v[i], &page.kvs, err);
	return page_done(r, &page, ret);
}

int etcd_txn_parse(const char *text, size_t n, bool *ret_succeeded, int64_t *ret_revision, struct err *err) {
	CLEANUP_JSON json_t *j = NULL;

	int r = read_answer(text, n, &j, ret_revision, err);
	return r < 0 ? r : json_get_bool(j, "succeeded", ret_succeeded, err);
}

/* It becomes a header's value. */
static bool is_token(const char *text) {
	size_t n = text ? strlen(text) : 0;

	for (size_t i = 0; i < n; i++)
		if (!isgraph((unsigned char)text[i]))
			return false;
	return n > 0 && n <= ETCD_TOKEN_MAX;
}

int etcd_token_parse(const char *text, size_t n, char **ret, struct err *err) {
	CLEANUP_JSON json_t *j = NULL;
	const char *token = NULL;

	int r = json_parse(text, n, "answer", &j, err);
	if (r == 0)
		r = json_get_str(j, "token", &token, err);
	if (r < 0)
		return r;
	if (!is_token(token))
		return err_set(err, -EINVAL, "token: there is none, or it is none");
	*ret = xstrdup(token);
	return 0;
}

/* ---- errors ---- */

static const struct {
	const char *words;
	enum etcd_error is;
} known[] = {
	{"invalid auth token", ETCD_ERROR_TOKEN},
	{"revision of auth store is old", ETCD_ERROR_TOKEN}, /* permissions were changed since the token was given */
	{"user name is empty", ETCD_ERROR_TOKEN},
	{"authentication failed", ETCD_ERROR_DENIED},
	{"authentication is not enabled", ETCD_ERROR_NO_AUTH},
	{"no leader", ETCD_ERROR_NO_LEADER},
	{"revision has been compacted", ETCD_ERROR_COMPACTED},
};

static enum etcd_error kind_of(const char *words, int64_t code) {
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strstr(words, known[i].words))
			return known[i].is;
	switch (code) {
	case CODE_UNAUTHENTICATED:
		return ETCD_ERROR_TOKEN;
	case CODE_PERMISSION_DENIED:
		return ETCD_ERROR_DENIED;
	case CODE_INVALID_ARGUMENT:
	case CODE_RESOURCE_EXHAUSTED:
	case CODE_FAILED_PRECONDITION:
		return ETCD_ERROR_REFUSED;
	default:
		return ETCD_ERROR_OTHER;
	}
}

enum etcd_error etcd_error_parse(int status, const char *text, size_t n, const char *secret, struct err *err) {
	CLEANUP_JSON json_t *j = NULL;
	const char *words = NULL;
	int64_t code = 0;

	if (json_parse(text, n, "error", &j, err) < 0 || json_get_str(j, "error", &words, err) < 0 || !words ||
	    json_get_int(j, "code", &code, err) < 0) {
		(void)err_set(err, -EPROTO, "answered %d: and not as etcd does", status); /* the kind is what is returned */
		return ETCD_ERROR_GARBAGE;
	}
	const char *quoted = secret_is_told(secret, words, strlen(words)) ? SECRET_NOT_SHOWN : words;
	(void)err_set(err, -EREMOTEIO, "%d: %.*s", status, utf8_shown(quoted, ETCD_SAID_MAX), quoted);
	return kind_of(words, code);
}
