/* Reading Consul's bodies: see consul-build.c for what is ours. Everything of them is held against what it may be. */
#include "net/discovery/consul-internal.h"

#include "base/alloc.h"
#include "base/ip.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#define QUOTE_MAX 240

char *consul_quote(const char *text, size_t n) {
	struct buf b = {0};

	for (size_t i = 0; i < n && b.len < QUOTE_MAX; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c >= 0x20 && c < 0x7f)
			buf_append(&b, &c, 1);
		else if (b.len > 0 && b.data[b.len - 1] != ' ')
			buf_puts(&b, " ");
	}
	while (b.len > 0 && b.data[b.len - 1] == ' ')
		b.data[--b.len] = '\0';
	return buf_take(&b);
}

static char *quote_text(const char *text) { return consul_quote(text, strlen(text)); }

void consul_service_clear(struct consul_service *s) {
	discovery_entry_clear(&s->entry);
	free(s->content);
	free(s->service);
	*s = (struct consul_service){0};
}

void consul_services_clear(struct consul_services *s) {
	for (size_t i = 0; i < s->n; i++)
		consul_service_clear(&s->v[i]);
	free(s->v);
	*s = (struct consul_services){0};
}

/* ---- reading: one instance ---- */

static int compare_texts(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int compare_meta(const void *a, const void *b) {
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	size_t n = strcspn(x, "="), m = strcspn(y, "=");
	int order = memcmp(x, y, n < m ? n : m);

	return order ? order : (n > m) - (n < m);
}

static void sort(struct strs *s, int (*compare)(const void *, const void *)) {
	if (s->n > 1)
		qsort(s->v, s->n, sizeof(*s->v), compare);
}

static void take_text(const json_t *meta, const char *key, char **to) {
	const json_t *value = json_object_get(meta, key);

	if (json_is_string(value))
		*to = xstrdup(json_string_value(value));
}

static int take_number(const json_t *meta, const char *key, unsigned *to, struct err *err) {
	const char *text = json_string_value(json_object_get(meta, key));
	size_t n = text ? strlen(text) : 0;
	uint64_t number = 0;

	if (n == 0 || n > 10 || strspn(text, "0123456789") != n)
		return err_set(err, -EINVAL, "its %s is no number", key);
	for (; *text; text++)
		number = number * 10 + (uint64_t)(*text - '0');
	if (number > UINT32_MAX)
		return err_set(err, -EINVAL, "its %s is too large", key);
	*to = (unsigned)number;
	return 0;
}

static int take_address(const json_t *s, const json_t *meta, struct discovery_entry *e, struct err *err) {
	const char *text = json_str_or(s, "Address", "");
	struct ip ip;

	if (ip_parse(text, &ip, NULL) < 0)
		return err_set(err, -EINVAL, "its address is none");
	if (ip.family == AF_INET6) {
		e->address6 = xstrdup(text);
		return 0;
	}
	e->address = xstrdup(text);
	take_text(meta, "heir-address6", &e->address6);
	return 0;
}

static int take_port(const json_t *s, struct discovery_entry *e, struct err *err) {
	int64_t port = 0;
	int r = json_get_int(s, "Port", &port, err);

	if (r == 0 && (port < 0 || port > UINT16_MAX))
		r = err_set(err, -EINVAL, "its port is none");
	if (r == 0)
		e->port = (uint16_t)port;
	return r;
}

static int take_meta(json_t *meta, struct discovery_entry *e, struct err *err) {
	const char *key;
	json_t *value;

	json_object_foreach (meta, key, value) {
		if (consul_is_mark(key, strlen(key)))
			continue;
		if (!json_is_string(value))
			return err_set(err, -EINVAL, "a value of its meta is no text");
		char *pair CLEANUP_FREE = xasprintf("%s=%s", key, json_string_value(value));
		strs_add(&e->meta, pair);
	}
	sort(&e->meta, compare_meta);
	return 0;
}

static int take_tags(const json_t *s, struct discovery_entry *e, struct err *err) {
	int r = json_get_strs(s, "Tags", &e->tags, err);

	sort(&e->tags, compare_texts);
	return r;
}

/* The key is there already. */
static int read_ours(const json_t *s, json_t *meta, struct discovery_entry *e, struct err *err) {
	int r = take_number(meta, "heir-generation", &e->generation, err);

	take_text(s, "Service", &e->service);
	take_text(meta, "heir-workload", &e->workload);
	take_text(meta, "heir-node", &e->node);
	take_text(meta, "heir-container", &e->container);
	e->host = json_object_get(meta, "heir-host") != NULL;
	if (r == 0)
		r = take_address(s, meta, e, err);
	if (r == 0)
		r = take_port(s, e, err);
	if (r == 0)
		r = take_meta(meta, e, err);
	if (r == 0)
		r = take_tags(s, e, err);
	return r < 0 ? r : discovery_entry_check(e, err);
}

static char *describe(const json_t *s, const char *cluster) {
	struct buf b CLEANUP_BUF = {0};
	const char *address = json_str_or(s, "Address", "");
	int64_t port = json_int_or(s, "Port", 0);

	buf_puts(&b, json_str_or(s, "Service", "?"));
	if (*address)
		buf_printf(&b, " at %s", address);
	if (port)
		buf_printf(&b, ", port %" PRId64, port);
	if (cluster)
		buf_printf(&b, ", of heir's cluster %s", cluster);
	return consul_quote(b.data, b.len);
}

/* Whose it is stays, what clients would see goes. */
static void salvage(struct discovery_entry *e) {
	struct discovery_entry rest = {
		.key = TAKE_PTR(e->key),
		.workload = e->workload ? TAKE_PTR(e->workload) : xstrdup(""),
		.generation = e->generation,
		.service = TAKE_PTR(e->service),
		.node = TAKE_PTR(e->node),
		.container = TAKE_PTR(e->container),
	};

	discovery_entry_clear(e);
	*e = rest;
}

static int read_service(const json_t *s, const char *cluster, struct consul_service *ret, struct err *err) {
	const char *id = json_str_or(s, "ID", NULL), *name = json_str_or(s, "Service", NULL);
	json_t *meta = json_at(s, "Meta");
	struct err why;

	if (!json_is_object(s) || !id || !name)
		return err_set(err, -EPROTO, "a service without ID or name");
	int r = json_get_int(s, "ModifyIndex", &ret->index, err);
	if (r < 0 || ret->index < 0)
		return err_set(err, -EPROTO, "a service whose ModifyIndex is none");
	const char *marked = json_string_value(json_object_get(meta, "heir"));
	const char *owner = json_string_value(json_object_get(meta, "heir-cluster"));
	ret->foreign = !marked || strcmp(marked, "1") != 0 || !owner || strcmp(owner, cluster) != 0;
	ret->service = xstrdup(name);
	ret->entry.key = xstrdup(id);
	if (ret->foreign)
		ret->content = describe(s, marked ? owner : NULL);
	else if (read_ours(s, meta, &ret->entry, &why) < 0) {
		salvage(&ret->entry);
		ret->damaged = true;
		ret->content = quote_text(why.msg);
	}
	return 0;
}

/* ---- reading: lists ---- */

static int add_service(const json_t *s, const char *cluster, struct consul_services *list, size_t *room, struct err *err) {
	if (list->n == CONSUL_SERVICES_MAX)
		return err_set(err, -EPROTO, "more than %d services", CONSUL_SERVICES_MAX);
	if (list->n == *room) {
		*room = *room ? 2 * *room : 8;
		list->v = xreallocarray(list->v, *room, sizeof(*list->v));
	}
	struct consul_service *to = &list->v[list->n];
	*to = (struct consul_service){0};
	int r = read_service(s, cluster, to, err);
	if (r == 0 && discovery_is_label(to->entry.key))
		list->n++;
	else
		consul_service_clear(to);
	return r;
}

/* An array of services, or an object whose values they are. */
static int read_services(json_t *all, const char *cluster, struct consul_services *ret, struct err *err) {
	struct consul_services list = {0};
	size_t room = 0, i;
	const char *key;
	json_t *s;
	int r = 0;

	json_array_foreach (all, i, s) {
		if (r == 0)
			r = add_service(s, cluster, &list, &room, err);
	}
	json_object_foreach (all, key, s) {
		if (r == 0)
			r = add_service(s, cluster, &list, &room, err);
	}
	if (r < 0)
		consul_services_clear(&list);
	else
		*ret = list;
	return r;
}

static int parse(const char *body, size_t n, json_t **ret, struct err *err) {
	struct err why;

	if (memchr(body, '\0', n))
		return err_set(err, -EPROTO, "its answer: a NUL in it");
	return json_parse(body, n, "its answer", ret, &why) < 0 ? err_set(err, -EPROTO, "%s", why.msg) : 0;
}

int consul_parse_catalog(const char *body, size_t n, const char *cluster, struct consul_services *ret, struct err *err) {
	json_t *root CLEANUP_JSON = NULL;
	int r = parse(body, n, &root, err);

	if (r < 0)
		return r;
	json_t *services = json_at(root, "Services"), *node = json_at(root, "Node");
	if (!json_is_null(root) && (!json_is_object(root) || (node && !json_is_object(node)) ||
				    (services && !json_is_array(services) && !json_is_object(services))))
		return err_set(err, -EPROTO, "its answer is no node with services");
	r = read_services(services, cluster, ret, err);
	if (r == 0)
		ret->has_node = node != NULL;
	return r;
}

/* ---- reading: a long list, piece by piece ---- */

struct consul_reader {
	char *body;
	size_t n, at;
	const char *cluster;
	bool begun, in_list, has_list; /* inside of the root; of its services; these were read */
	bool other;                    /* the services are no list */
	struct consul_services list;
	size_t room;
};

struct consul_reader *consul_reader_new(const char *body, size_t n, const char *cluster) {
	struct consul_reader *r = xnew(struct consul_reader);

	r->body = xmalloc(n + 1);
	memcpy(r->body, body, n);
	r->body[n] = '\0';
	r->n = n;
	r->cluster = cluster;
	return r;
}

void consul_reader_free(struct consul_reader *r) {
	if (!r)
		return;
	consul_services_clear(&r->list);
	free(r->body);
	free(r);
}

/* What comes behind white space; '\0': nothing. */
static char peek(struct consul_reader *r) {
	r->at += strspn(r->body + r->at, " \t\r\n");
	return r->body[r->at];
}

static bool skip(struct consul_reader *r, char c) {
	bool there = peek(r) == c;

	r->at += there;
	return there;
}

static int bad_list(struct err *err) { return err_set(err, -EPROTO, "its answer is no node with services"); }

static int read_value(struct consul_reader *r, json_t **ret, struct err *err) {
	json_error_t e;

	*ret = json_loadb(r->body + r->at, r->n - r->at, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &e);
	if (!*ret)
		return err_set(err, -EPROTO, "its answer: bad JSON at byte %zu", r->at);
	r->at += (size_t)e.position;
	return 0;
}

/* The list's next one, and whatever ends it. */
static int read_item(struct consul_reader *r, struct err *err) {
	json_t *item CLEANUP_JSON = NULL;
	int result = read_value(r, &item, err);

	if (result == 0)
		result = add_service(item, r->cluster, &r->list, &r->room, err);
	if (result < 0 || skip(r, ','))
		return result;
	r->in_list = false;
	return skip(r, ']') ? 0 : bad_list(err);
}

static int read_other(struct consul_reader *r, const char *key, struct err *err) {
	json_t *value CLEANUP_JSON = NULL;
	int result = read_value(r, &value, err);

	if (result < 0)
		return result;
	if (strcmp(key, "Node") == 0 && !json_is_null(value)) {
		result = json_is_object(value) && !r->list.has_node ? 0 : bad_list(err);
		r->list.has_node = true;
	}
	r->other |= strcmp(key, "Services") == 0 && !json_is_null(value);
	return result;
}

/* One of the root's members; of the services only where they begin. */
static int read_member(struct consul_reader *r, struct err *err) {
	json_t *key CLEANUP_JSON = NULL;
	int result = peek(r) == '"' ? read_value(r, &key, err) : bad_list(err);

	if (result < 0 || !skip(r, ':'))
		return bad_list(err);
	if (strcmp(json_string_value(key), "Services") != 0 || !(skip(r, '[')))
		return read_other(r, json_string_value(key), err);
	if (r->has_list)
		return bad_list(err);
	r->has_list = true;
	r->in_list = !skip(r, ']');
	return 0;
}

/* 1: there is more behind it. */
static int read_next(struct consul_reader *r, struct err *err) {
	int result = r->in_list ? read_item(r, err) : read_member(r, err);

	if (result < 0 || r->in_list)
		return result < 0 ? result : 1;
	if (skip(r, ','))
		return 1;
	return skip(r, '}') && r->at + strspn(r->body + r->at, " \t\r\n") == r->n ? 0 : bad_list(err);
}

/* What is no object with a list in it is read as a whole; an empty one as well. */
int consul_reader_go_on(struct consul_reader *r, size_t services, struct consul_services *ret, struct err *err) {
	int result = 1;

	if (!r->begun)
		r->other = memchr(r->body, '\0', r->n) || !skip(r, '{') || peek(r) == '}';
	r->begun = true;
	for (size_t i = 0; i < services && result > 0 && !r->other; i++)
		result = read_next(r, err);
	if (r->other)
		return consul_parse_catalog(r->body, r->n, r->cluster, ret, err);
	if (result != 0)
		return result;
	*ret = r->list;
	r->list = (struct consul_services){0};
	return 0;
}

/* ---- reading: an agent's, checks ---- */

int consul_parse_agent(const char *body, size_t n, const char *cluster, struct consul_services *ret, struct err *err) {
	json_t *root CLEANUP_JSON = NULL;
	int r = parse(body, n, &root, err);

	if (r < 0)
		return r;
	return json_is_object(root) ? read_services(root, cluster, ret, err)
				    : err_set(err, -EPROTO, "its answer is no object of services");
}

/* Sorted first, since a thousand checks are of a few nodes. */
static void take_unique(struct strs *all, struct strs *ret) {
	sort(all, compare_texts);
	for (size_t i = 0; i < all->n; i++)
		if (i == 0 || strcmp(all->v[i], all->v[i - 1]) != 0)
			strs_add(ret, all->v[i]);
	strs_clear(all);
}

int consul_parse_checks(const char *body, size_t n, struct strs *ret, struct err *err) {
	json_t *root CLEANUP_JSON = NULL, *check;
	struct strs nodes = {0};
	int r = parse(body, n, &root, err);
	size_t i;

	if (r < 0)
		return r;
	if (!json_is_array(root) || json_array_size(root) > CONSUL_SERVICES_MAX)
		return err_set(err, -EPROTO, "its answer is no list of checks");
	json_array_foreach (root, i, check) {
		const char *node = json_str_or(check, "Node", "");
		if (!*node) {
			strs_clear(&nodes);
			return err_set(err, -EPROTO, "a check without a node");
		}
		strs_add(&nodes, node);
	}
	take_unique(&nodes, ret);
	return ret->n > CONSUL_NODES_MAX ? err_set(err, -EPROTO, "entries on more than %d nodes", CONSUL_NODES_MAX) : 0;
}

/* ---- reading: transactions ---- */

static const struct {
	const char *words; /* of Consul's state store, 1.8 */
	int code;
} refusals[] = {
	{"index is stale", -ESTALE},
	{"node registration", -ENOENT},
	{"Permission denied", -EACCES},
};

static int read_refusal(const json_t *error, const char *token, struct err *err) {
	const char *what = json_str_or(error, "What", NULL);

	if (!what)
		return err_set(err, -EPROTO, "a transaction failed and it is not said why");
	char *quoted CLEANUP_FREE = quote_text(secret_is_told(token, what, strlen(what)) ? SECRET_NOT_SHOWN : what);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (strstr(what, refusals[i].words))
			return err_set(err, refusals[i].code, "%s", quoted);
	return err_set(err, -EPROTO, "refused: %s", quoted);
}

int consul_parse_txn(const char *body, size_t n, const char *token, int64_t *ret_index, struct err *err) {
	json_t *root CLEANUP_JSON = NULL, *results = NULL, *errors = NULL;
	int r = parse(body, n, &root, err);
	struct err why;

	if (r < 0)
		return r;
	if (!json_is_object(root) || json_get_array(root, "Results", &results, &why) < 0 ||
	    json_get_array(root, "Errors", &errors, &why) < 0 || (!results && !errors))
		return err_set(err, -EPROTO, "its answer is none to a transaction");
	if (json_array_size(errors) > 0)
		return read_refusal(json_array_get(errors, 0), token, err);
	const json_t *last = json_array_get(results, json_array_size(results) - 1);
	*ret_index = json_int_or(last, "Service.ModifyIndex", 0);
	return *ret_index < 0 ? err_set(err, -EPROTO, "a ModifyIndex that is none") : 0;
}
