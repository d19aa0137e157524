/* The shape of heird's file: one table for each mapping, defaults, and the rules that concern more than one key. */
#include "config/config.h"

#include "config/config-internal.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>

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

static int read_control(const struct reader *r, const struct field *f, const struct node *n, void *to);
static int read_witness(const struct reader *r, const struct field *f, const struct node *n, void *to);
static int read_share(const struct reader *r, const struct field *f, const struct node *n, void *to);

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
	{"engines", config_read_engines, .offset = 0},
	{"swarm", read_mapping, .sub = swarm_fields},
	{"placement", read_mapping, .sub = placement_fields},
	{"takeover", read_mapping, .sub = takeover_fields},
	{"return", read_mapping, .sub = return_fields},
	{"brake", read_mapping, .sub = brake_fields},
	{"discovery", read_mapping, .sub = config_discovery_fields},
	{"log", read_mapping, .sub = log_fields},
	{0},
};

static int read_control(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	return reader_each(r, f, n, read_unix_url, to);
}

static int read_witness(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	return reader_each(r, f, n, read_tcp_url, to);
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
	int status = check_zone(r, section(root, "brake"), c);
	return status < 0 ? status : config_check_discovery(r, root, c);
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
	c->discovery.interval = span_sec(300);
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
	config_free_engines(c);
	config_free_discovery(c);
	strs_clear(&c->swarm.control);
	strs_clear(&c->brake.witness);
	free(c->brake.zone.label);
	free(c->path);
	free(c->cluster);
	free(c->state);
	free(c->api);
	free(c);
}
