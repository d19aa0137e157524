/* The shape of `engines` in heird's file: one table for each mapping of an engine, and the rules between keys and between engines.
 */
#include "config/config-internal.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static int read_labels(const struct reader *r, const struct field *f, const struct node *n, void *to);
static int read_local(const struct reader *r, const struct field *f, const struct node *n, void *to);

#define AT(member) .offset = offsetof(struct config_engine, member)

static const struct field tls_fields[] = {
	{"ca", read_file, AT(tls_ca)},
	{"cert", read_file, AT(tls_cert)},
	{"key", read_file, AT(tls_key)},
	{0},
};
static const struct field agent_tls_fields[] = {
	{"ca", read_file, AT(agent_ca)},
	{"cert", read_file, AT(agent_cert)},
	{"key", read_file, AT(agent_key)},
	{0},
};
static const struct field agent_fields[] = {
	{"url", read_http_url, AT(agent_url)},
	{"tls", read_mapping, .sub = agent_tls_fields},
	{0},
};
static int read_engine_url(const struct reader *r, const struct field *f, const struct node *n, void *to);
static const struct field engine_fields[] = {
	{"name", read_name, AT(name)},
	{"url", read_engine_url, AT(url)},
	{"tls", read_mapping, .sub = tls_fields},
	{"labels", read_labels, .offset = 0},
	{"agent", read_mapping, .sub = agent_fields},
	{"address", read_ip, AT(address)},
	{"vtep", read_ip, AT(vtep)},
	{"local", read_local, AT(local)},
	{0},
};

static int read_engine_url(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	if (n->kind == NODE_SCALAR && !strncmp(n->text, "unix:", 5))
		return read_unix_url(r, f, n, to);
	if (n->kind == NODE_SCALAR && !url_has_host_and_port(n->text, "tcp"))
		return reader_refuse(r, n, "%s: expected tcp://host:port or unix:///path", f->key);
	return read_tcp_url(r, f, n, to);
}

static int read_local(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	bool local;

	int status = read_bool(r, f, n, &local);
	if (status < 0)
		return status;
	*(enum config_local *)to = local ? CONFIG_LOCAL_YES : CONFIG_LOCAL_NO;
	return 0;
}

/* to is the engine. */
static int read_labels(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	struct config_engine *e = to;

	if (n->kind != NODE_MAPPING)
		return reader_refuse(r, n, "%s: expected a mapping, got %s", f->key, node_describe(n));
	for (size_t i = 0; i < n->n; i++)
		if (n->items[i]->kind != NODE_SCALAR || !*n->keys[i]->text)
			return reader_refuse(r, n->items[i], "%s: a label is a key and a text", f->key);
	e->labels = xnew_n(struct config_label, n->n);
	for (size_t i = 0; i < n->n; i++)
		e->labels[e->label_count++] = (struct config_label){xstrdup(n->keys[i]->text), xstrdup(n->items[i]->text)};
	return 0;
}

const char *config_engine_label(const struct config_engine *e, const char *key) {
	for (size_t i = 0; i < e->label_count; i++)
		if (strcmp(e->labels[i].key, key) == 0)
			return e->labels[i].value;
	return NULL;
}

/* The keys of one engine against each other. */
static int check_engine(const struct reader *r, const struct node *n, const struct config_engine *e) {
	if (!e->name)
		return reader_refuse(r, n, "engine: name is missing");
	if (!e->url)
		return reader_refuse(r, n, "engine %s: url is missing", e->name);
	const struct node *tls = node_at(n, "tls");
	if (tls && !strncmp(e->url, "unix:", 5))
		return reader_refuse(r, tls, "engine %s: tls makes no sense with a unix:// url", e->name);
	if (tls && !e->tls_ca)
		return reader_refuse(r, tls, "engine %s: tls: ca is missing", e->name);
	if (!e->tls_cert != !e->tls_key)
		return reader_refuse(r, tls, "engine %s: tls: cert and key go together", e->name);
	const struct node *agent = node_at(n, "agent");
	if (agent && !e->agent_url)
		return reader_refuse(r, agent, "engine %s: agent: url is missing", e->name);
	bool agent_https = e->agent_url && !strncmp(e->agent_url, "https:", 6);
	if (agent_https && (!e->agent_ca || !e->agent_cert || !e->agent_key))
		return reader_refuse(r, agent, "engine %s: agent: an https url needs tls with ca, cert and key", e->name);
	if (agent && !agent_https && node_at(agent, "tls"))
		return reader_refuse(r, agent, "engine %s: agent: tls makes no sense with an http:// url", e->name);
	return 0;
}

static int by_name(const void *a, const void *b) {
	const struct config_engine *const *x = a, *const *y = b;
	int order = strcmp((*x)->name, (*y)->name);
	return order ? order : (*x > *y) - (*x < *y);
}

static int by_url(const void *a, const void *b) {
	const struct config_engine *const *x = a, *const *y = b;
	int order = strcasecmp((*x)->url, (*y)->url);
	return order ? order : (*x > *y) - (*x < *y);
}

/* Of several, the first in the file that repeats an earlier one. */
static int check_unique(const struct reader *r, const struct config *c) {
	const struct config_engine **sorted CLEANUP_FREE = xnew_n(const struct config_engine *, c->engine_count);
	size_t n = c->engine_count;

	for (size_t i = 0; i < n; i++)
		sorted[i] = &c->engines[i];
	qsort(sorted, n, sizeof(*sorted), by_name);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(sorted[i - 1]->name, sorted[i]->name))
			return err_set(r->err, -EINVAL, "%s:%u: engine %s is given twice (first in line %u)", r->name,
				       sorted[i]->line, sorted[i]->name, sorted[i - 1]->line);
	qsort(sorted, n, sizeof(*sorted), by_url);
	for (size_t i = 1; i < n; i++)
		if (!strcasecmp(sorted[i - 1]->url, sorted[i]->url))
			return err_set(r->err, -EINVAL, "%s:%u: engine %s has the same url as engine %s (line %u)", r->name,
				       sorted[i]->line, sorted[i]->name, sorted[i - 1]->name, sorted[i - 1]->line);
	return 0;
}

/* to is the whole configuration. */
int config_read_engines(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	struct config *c = to;

	if (n->kind != NODE_LIST)
		return reader_refuse(r, n, "%s: expected a list, got %s", f->key, node_describe(n));
	if (n->n == 0 || n->n > ENGINES_MAX)
		return reader_refuse(r, n, "%s: %s", f->key, n->n ? "too many" : "the list is empty");
	c->engines = xnew_n(struct config_engine, n->n);
	for (size_t i = 0; i < n->n; i++) {
		const struct node *item = n->items[i];
		struct config_engine *e = &c->engines[c->engine_count++];
		e->line = item->line;
		if (item->kind != NODE_MAPPING)
			return reader_refuse(r, item, "%s: expected a mapping with name and url, got %s", f->key,
					     node_describe(item));
		int status = read_fields(r, engine_fields, item, e);
		if (status == 0)
			status = check_engine(r, item, e);
		if (status < 0)
			return status;
	}
	return check_unique(r, c);
}

void config_free_labels(struct config_label *labels, size_t n) {
	for (size_t i = 0; i < n; i++) {
		free(labels[i].key);
		free(labels[i].value);
	}
	free(labels);
}

void config_free_engines(struct config *c) {
	for (size_t i = 0; i < c->engine_count; i++) {
		struct config_engine *e = &c->engines[i];
		char *texts[] = {e->name,     e->url,        e->tls_ca,    e->tls_cert, e->tls_key, e->agent_url,
				 e->agent_ca, e->agent_cert, e->agent_key, e->address,  e->vtep};
		for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
			free(texts[k]);
		config_free_labels(e->labels, e->label_count);
	}
	free(c->engines);
}
