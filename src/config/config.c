/* The shape of heird's file: one table for each mapping, defaults, and the rules that concern more than one key. */
#include "config/config.h"

#include "config/document.h"
#include "config/reader.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/ip.h"

#include <assert.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#define ENGINES_MAX 16384
#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)

static const char *const strategy_words[] = {"spread", "binpack", "random", NULL};
static const char *const fence_words[] = {"auto", "presumed", "quarantined", "stopped", NULL};
static const char *const engine_only_words[] = {"wait", "move", NULL};
static const char *const keep_words[] = {"newest", "oldest", NULL};
static const char *const stale_words[] = {"remove", "keep", NULL};
static const char *const level_words[] = {"error", "warning", "info", "debug", NULL};
#define WORDS(list) (sizeof(list) / sizeof((list)[0]) - 1)
static_assert(WORDS(strategy_words) == CONFIG_STRATEGY_MAX, "a word for each");
static_assert(WORDS(fence_words) == CONFIG_FENCE_MAX, "a word for each");
static_assert(WORDS(engine_only_words) == CONFIG_ENGINE_ONLY_MAX, "a word for each");
static_assert(WORDS(keep_words) == CONFIG_KEEP_MAX, "a word for each");
static_assert(WORDS(stale_words) == CONFIG_STALE_MAX, "a word for each");
static_assert(WORDS(level_words) == LOG_LEVEL_MAX, "a word for each");
static_assert(sizeof(enum log_level) == sizeof(int) && sizeof(enum config_fence) == sizeof(int), "read_word stores an int");

const char *config_strategy_name(enum config_strategy s) { return strategy_words[s]; }
const char *config_fence_name(enum config_fence f) { return fence_words[f]; }

const char *config_engine_label(const struct config_engine *e, const char *key) {
	for (size_t i = 0; i < e->label_count; i++)
		if (strcmp(e->labels[i].key, key) == 0)
			return e->labels[i].value;
	return NULL;
}

static int read_engines(const struct reader *r, const struct field *f, const struct node *n, void *to);
static int read_labels(const struct reader *r, const struct field *f, const struct node *n, void *to);
static int read_local(const struct reader *r, const struct field *f, const struct node *n, void *to);
static int read_control(const struct reader *r, const struct field *f, const struct node *n, void *to);
static int read_witness(const struct reader *r, const struct field *f, const struct node *n, void *to);
static int read_share(const struct reader *r, const struct field *f, const struct node *n, void *to);
static int read_text(const struct reader *r, const struct field *f, const struct node *n, void *to);

#define AT(member) .offset = offsetof(struct config, member)

static const struct field heartbeat_fields[] = {
	{"interval", read_duration, AT(heartbeat.interval), .low = 100, .high = HOUR},
	{"timeout", read_duration, AT(heartbeat.timeout), .low = 50, .high = MINUTE},
	{"failures", read_int, AT(heartbeat.failures), .low = 1, .high = 100},
	{"recover", read_int, AT(heartbeat.recover), .low = 1, .high = 100},
	{0},
};
static const struct field swarm_fields[] = {
	{"control", read_control, AT(swarm.control)},
	{"remove_node", read_bool, AT(swarm.remove_node)},
	{0},
};
static const struct field placement_fields[] = {
	{"strategy", read_word, AT(placement.strategy), .words = strategy_words},
	{0},
};
static const struct field backoff_fields[] = {
	{"initial", read_duration, AT(takeover.backoff_initial), .low = 100, .high = HOUR},
	{"cap", read_duration, AT(takeover.backoff_cap), .low = 100, .high = 24 * HOUR},
	{0},
};
static const struct field takeover_fields[] = {
	{"fence", read_word, AT(takeover.fence), .words = fence_words},
	{"parallel", read_int, AT(takeover.parallel), .low = 1, .high = 10000},
	{"per_target", read_int, AT(takeover.per_target), .low = 1, .high = 10000},
	{"attempts", read_int, AT(takeover.attempts), .low = 1, .high = 1000},
	{"per_minute", read_int, AT(takeover.per_minute), .low = 1, .high = 100000},
	{"delay", read_duration, AT(takeover.delay), .low = 0, .high = 168 * HOUR},
	{"engine_only", read_word, AT(takeover.engine_only), .words = engine_only_words},
	{"backoff", read_mapping, .sub = backoff_fields},
	{"stop_timeout", read_duration, AT(takeover.stop_timeout), .low = 1000, .high = HOUR},
	{0},
};
static const struct field hold_down_fields[] = {
	{"initial", read_duration, AT(on_return.hold_down.initial), .low = 0, .high = 24 * HOUR},
	{"cap", read_duration, AT(on_return.hold_down.cap), .low = 0, .high = 24 * HOUR},
	{"window", read_duration, AT(on_return.hold_down.window), .low = 1000, .high = 24 * HOUR},
	{0},
};
static const struct field return_fields[] = {
	{"keep", read_word, AT(on_return.keep), .words = keep_words},
	{"stale", read_word, AT(on_return.stale), .words = stale_words},
	{"hold_down", read_mapping, .sub = hold_down_fields},
	{0},
};
static const struct field zone_fields[] = {
	{"label", read_text, AT(brake.zone.label)},
	{"max_lost", read_share, AT(brake.zone.max_lost)},
	{0},
};
static const struct field brake_fields[] = {
	{"max_lost", read_share, AT(brake.max_lost)},
	{"zone", read_mapping, .sub = zone_fields},
	{"witness", read_witness, AT(brake.witness)},
	{0},
};
static const struct field log_fields[] = {
	{"level", read_word, AT(log.level), .words = level_words},
	{0},
};
static const struct field root_fields[] = {
	{"cluster", read_name, AT(cluster)},
	{"state", read_path, AT(state)},
	{"api", read_unix_url, AT(api)},
	{"heartbeat", read_mapping, .sub = heartbeat_fields},
	{"engines", read_engines, .offset = 0},
	{"swarm", read_mapping, .sub = swarm_fields},
	{"placement", read_mapping, .sub = placement_fields},
	{"takeover", read_mapping, .sub = takeover_fields},
	{"return", read_mapping, .sub = return_fields},
	{"brake", read_mapping, .sub = brake_fields},
	{"log", read_mapping, .sub = log_fields},
	{0},
};

#undef AT
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
static int read_address(const struct reader *r, const struct field *f, const struct node *n, void *to);
static int read_engine_url(const struct reader *r, const struct field *f, const struct node *n, void *to);
static const struct field engine_fields[] = {
	{"name", read_name, AT(name)},
	{"url", read_engine_url, AT(url)},
	{"tls", read_mapping, .sub = tls_fields},
	{"labels", read_labels, .offset = 0},
	{"agent", read_mapping, .sub = agent_fields},
	{"vtep", read_address, AT(vtep)},
	{"local", read_local, AT(local)},
	{0},
};

static int read_address(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	struct ip ip;

	if (n->kind != NODE_SCALAR || ip_parse(n->text, &ip, NULL) < 0)
		return reader_refuse(r, n, "%s: expected a numeric address, got %s", f->key, node_describe(n));
	xstr_replace(to, n->text);
	return 0;
}

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

static int read_url_into(const struct reader *r, const struct field *f, const struct node *n, field_read_fn *read,
			 struct strs *to) {
	char *url CLEANUP_FREE = NULL;

	int status = read(r, f, n, &url);
	if (status < 0)
		return status;
	if (strs_has(to, url))
		return reader_refuse(r, n, "%s: %s is given twice", f->key, url);
	strs_add(to, url);
	return 0;
}

/* One URL or a list of them. */
static int read_urls(const struct reader *r, const struct field *f, const struct node *n, field_read_fn *read, struct strs *to) {
	if (n->kind != NODE_LIST)
		return read_url_into(r, f, n, read, to);
	if (n->n > 64)
		return reader_refuse(r, n, "%s: more than 64", f->key);
	for (size_t i = 0; i < n->n; i++) {
		int status = read_url_into(r, f, n->items[i], read, to);
		if (status < 0)
			return status;
	}
	return 0;
}

static int read_control(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	return read_urls(r, f, n, read_unix_url, to);
}

static int read_witness(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	return read_urls(r, f, n, read_tcp_url, to);
}

static int read_share(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	struct config_share *share = to;
	size_t len = n->kind == NODE_SCALAR ? strlen(n->text) : 0;

	if (len == 0)
		return reader_refuse(r, n, "%s: expected a number of nodes or a percentage, got %s", f->key, node_describe(n));
	share->percent = n->text[len - 1] == '%';
	char *digits CLEANUP_FREE = xstrndup(n->text, len - share->percent);
	const struct node number = {.kind = NODE_SCALAR, .plain = n->plain || share->percent, .text = digits, .line = n->line};
	const struct field bounds = {.key = f->key, .low = 1, .high = share->percent ? 100 : ENGINES_MAX};
	return read_int(r, &bounds, &number, &share->value);
}

static int read_text(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	if (n->kind != NODE_SCALAR || !*n->text)
		return reader_refuse(r, n, "%s: expected a text, got %s", f->key, node_describe(n));
	xstr_replace(to, n->text);
	return 0;
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
static int read_engines(const struct reader *r, const struct field *f, const struct node *n, void *to) {
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

/* The line to blame is that of the mapping where it was given, else the whole document's. */
static const struct node *section(const struct node *root, const char *key) {
	const struct node *n = node_at(root, key);
	return n ? n : root;
}

/* A limit for zones that no engine is in would never hold anything. */
static int check_zone(const struct reader *r, const struct node *brake, const struct config *c) {
	const char *label = c->brake.zone.label;

	if (!label && !c->brake.zone.max_lost.value)
		return 0;
	if (!label || !c->brake.zone.max_lost.value)
		return reader_refuse(r, brake, "brake: zone: label and max_lost go together");
	for (size_t i = 0; i < c->engine_count; i++)
		if (config_engine_label(&c->engines[i], label))
			return 0;
	return reader_refuse(r, brake, "brake: zone: no engine has a label \"%s\"", label);
}

static int check_whole(const struct reader *r, const struct node *root, const struct config *c) {
	if (!c->cluster)
		return reader_refuse(r, root, "cluster is missing");
	if (!c->engine_count)
		return reader_refuse(r, root, "engines is missing");
	if (c->heartbeat.timeout.ns > 10 * c->heartbeat.interval.ns)
		return reader_refuse(r, section(root, "heartbeat"), "heartbeat: timeout is more than ten times the interval");
	if (span_less(c->takeover.backoff_cap, c->takeover.backoff_initial))
		return reader_refuse(r, section(root, "takeover"), "takeover: backoff: cap is below initial");
	if (span_less(c->on_return.hold_down.cap, c->on_return.hold_down.initial))
		return reader_refuse(r, section(root, "return"), "return: hold_down: cap is below initial");
	return check_zone(r, section(root, "brake"), c);
}

static struct config *config_defaults(const char *name) {
	struct config *c = xnew(struct config);

	c->path = xstrdup(name);
	c->state = xstrdup(CONFIG_DEFAULT_STATE);
	c->api = xstrdup(CONFIG_DEFAULT_API);
	c->heartbeat.interval = c->heartbeat.timeout = span_sec(1);
	c->heartbeat.failures = 3;
	c->heartbeat.recover = 2;
	c->takeover.parallel = 32;
	c->takeover.per_target = 16;
	c->takeover.attempts = 3;
	c->takeover.backoff_initial = span_sec(2);
	c->takeover.backoff_cap = span_sec(300);
	c->takeover.stop_timeout = span_sec(10);
	c->on_return.hold_down.initial = span_sec(10);
	c->on_return.hold_down.cap = span_sec(300);
	c->on_return.hold_down.window = span_sec(600);
	c->brake.max_lost = (struct config_share){50, true};
	c->log.level = LOG_LEVEL_INFO;
	return c;
}

int config_parse(const char *text, size_t len, const char *name, const char *base_dir, struct config **ret, struct err *err) {
	struct config *c CLEANUP(cleanup_config) = config_defaults(name);
	struct node *root CLEANUP(cleanup_node) = NULL;
	const struct reader r = {.name = name, .base_dir = base_dir, .err = err};

	int status = document_parse(text, len, name, &root, err);
	if (status < 0)
		return status;
	if (root->kind != NODE_MAPPING)
		return reader_refuse(&r, root, "expected a mapping, got %s", node_describe(root));
	status = read_fields(&r, root_fields, root, c);
	if (status < 0)
		return status;
	status = check_whole(&r, root, c);
	if (status < 0)
		return status;
	*ret = TAKE_PTR(c);
	return 0;
}

int config_load(const char *path, struct config **ret, struct err *err) {
	struct buf text CLEANUP_BUF = {0};
	char dir[PATH_MAX];

	int status = document_read(path, &text, err);
	if (status < 0)
		return status;
	char *copy CLEANUP_FREE = xstrdup(path);
	if (!realpath(dirname(copy), dir))
		return err_errno(err, -errno, "%s: cannot resolve its directory", path);
	return config_parse(text.data ? text.data : "", text.len, path, dir, ret, err);
}

void config_free(struct config *c) {
	if (!c)
		return;
	for (size_t i = 0; i < c->engine_count; i++) {
		struct config_engine *e = &c->engines[i];
		for (size_t k = 0; k < e->label_count; k++) {
			free(e->labels[k].key);
			free(e->labels[k].value);
		}
		char *texts[] = {e->name,      e->url,      e->tls_ca,     e->tls_cert,  e->tls_key,
				 e->agent_url, e->agent_ca, e->agent_cert, e->agent_key, e->vtep};
		for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
			free(texts[k]);
		free(e->labels);
	}
	free(c->engines);
	strs_clear(&c->swarm.control);
	strs_clear(&c->brake.witness);
	free(c->brake.zone.label);
	free(c->path);
	free(c->cluster);
	free(c->state);
	free(c->api);
	free(c);
}
