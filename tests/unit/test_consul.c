/* Consul: a stand-in server and two stand-in agents, which answer as 1.8.7 does unless a test has a rule of its own. */
#include "net/discovery/consul-internal.h"

#include "base/log.h"
#include "standin.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY "h0123456789ab-1"
#define TXN(index) "{\"Results\":[{\"Service\":{\"ID\":\"" KEY "\",\"ModifyIndex\":" index "}}],\"Errors\":null}"
#define REFUSED(what) "{\"Results\":null,\"Errors\":[{\"OpIndex\":0,\"What\":\"" what "\"}]}"
#define STALE REFUSED("failed to set service \\\"x\\\" on node \\\"heir-prod\\\", index is stale")
#define OURS "\"heir\":\"1\",\"heir-cluster\":\"prod\",\"heir-workload\":\"prod/0123\",\"heir-container\":\"web\""
#define SERVICE(id, index, node, generation) \
	"{\"ID\":\"" id "\",\"Service\":\"web\",\"Address\":\"10.20.0.50\",\"Port\":80,\"Tags\":[\"a\"],\"ModifyIndex\":" index \
	",\"Meta\":{" OURS ",\"heir-generation\":\"" generation "\",\"heir-node\":\"" node "\"}}"
#define FOREIGN "{\"ID\":\"" KEY "\",\"Service\":\"db\",\"Address\":\"10.9.9.9\",\"Port\":5432,\"Meta\":null,\"ModifyIndex\":5}"
#define ON(node, services) "{\"Node\":{\"Node\":\"" node "\"},\"Services\":[" services "]}"
#define AT(services) "{\"" KEY "\":" services "}"
#define CHECKS(...) "[" __VA_ARGS__ "]"
#define CHECK(node) "{\"Node\":\"" node "\",\"CheckID\":\"service:" KEY "\"}"

enum { SERVER, AGENT1, AGENT2, N_SERVERS };

struct rule {
	const char *match; /* part of "METHOD path" */
	int status;        /* 0: no answer; -1: the connection is closed */
	const char *body;
};

struct bed {
	uv_loop_t loop;
	struct http_client *client;
	struct standin servers[N_SERVERS];
	struct side {
		struct bed *bed;
		int which;
		struct rule rules[8];
		bool dead, mute; /* mute: what is registered there does not get into the catalog */
		json_t *registered;
	} sides[N_SERVERS];
	struct strs said; /* "0 PUT /v1/txn": who was asked what, without queries */
	char *query, *headers;
	json_t *body; /* of the last request that had one */
	struct discovery *d;
	struct discovery_env env;
	struct consul_options options;
	struct consul_agent agents[2];
	char urls[N_SERVERS][64];
	struct discovery_entry entry;
	int done, result;
	char *version, *error;
	struct discovery_found found[4];
	size_t n_found;
	bool free_it;
};

static const struct rule defaults[] = {
	{"PUT /v1/txn", 200, TXN("7")},
	{"GET /v1/catalog/node-services/", 200, "{\"Node\":null,\"Services\":null}"},
	{"GET /v1/health/state/any", 200, "[]"},
	{"GET /v1/agent/services", 200, "{}"},
	{"PUT /v1/agent/", 200, ""},
};

static const struct rule *rule_of(const struct side *side, const char *asked) {
	for (size_t i = 0; i < sizeof(side->rules) / sizeof(side->rules[0]); i++)
		if (side->rules[i].match && strstr(asked, side->rules[i].match))
			return &side->rules[i];
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		if (strstr(asked, defaults[i].match))
			return &defaults[i];
	fail_msg("asked for %s", asked);
	return NULL;
}

static void note(struct bed *t, int which, const char *asked, const struct standin_request *r) {
	CLEANUP_FREE char *said = xasprintf("%d %.*s", which, (int)strcspn(asked, "?"), asked);
	struct err err;

	strs_add(&t->said, said);
	xstr_replace(&t->query, strchr(asked, '?'));
	xstr_replace(&t->headers, r->headers);
	if (r->body_len == 0)
		return;
	json_decref(t->body);
	assert_int_equal(json_parse(r->body, r->body_len, "request", &t->body, &err), 0);
}

/* Anti-entropy: what was registered at an agent is in the catalog, on node a1 or a2. NULL: the rule holds. Owned. */
static char *from_agents(struct bed *t, const char *asked, const struct rule *rule) {
	bool checks = strstr(asked, "/health/state/any") != NULL;
	CLEANUP_JSON json_t *answer = checks ? json_loads(rule->body ? rule->body : "", 0, NULL) : NULL;

	for (int i = AGENT1; i < N_SERVERS; i++) {
		const char *node = i == AGENT1 ? "a1" : "a2";
		CLEANUP_FREE char *path = xasprintf("/node-services/%s?", node);
		if (!t->sides[i].registered || t->sides[i].mute)
			continue;
		if (answer)
			json_array_append_new(answer, json_pack("{s:s}", "Node", node));
		else if (strstr(asked, path))
			answer = json_pack("{s:{},s:[O]}", "Node", "Services", t->sides[i].registered);
	}
	return json_is_object(answer) || json_array_size(answer) > 0 ? json_text(answer) : NULL;
}

static void note_registration(struct side *side, const char *asked) {
	if (!strstr(asked, "PUT /v1/agent/service/register"))
		return;
	json_decref(side->registered);
	side->registered = json_deep_copy(side->bed->body);
	json_object_set(side->registered, "Service", json_object_get(side->registered, "Name"));
	json_object_set_new(side->registered, "ModifyIndex", json_integer(50));
}

static void serve(void *ctx, struct standin_conn *conn, const struct standin_request *r) {
	struct side *side = ctx;
	CLEANUP_FREE char *asked = xasprintf("%s %s", r->method, r->path);
	const struct rule *rule = rule_of(side, asked);

	note(side->bed, side->which, asked, r);
	if (!side->dead && rule->status == 200)
		note_registration(side, asked);
	CLEANUP_FREE char *synced = side->which == SERVER && rule->status == 200 ? from_agents(side->bed, asked, rule) : NULL;
	if (side->dead || rule->status < 0)
		standin_close(conn);
	else if (rule->status > 0)
		standin_answer(conn, rule->status, synced ? synced : rule->body);
}

static void set_rule(struct bed *t, int which, const char *match, int status, const char *body) {
	struct rule *rules = t->sides[which].rules;
	size_t i = 0;

	while (rules[i].match && strcmp(rules[i].match, match) != 0)
		i++;
	assert_true(i < sizeof(t->sides[which].rules) / sizeof(t->sides[which].rules[0]));
	rules[i] = (struct rule){match, status, body};
}

static void open_it(struct bed *t) {
	struct err err;

	discovery_free(t->d);
	if (consul_new(&t->env, &t->options, &t->d, &err) < 0)
		fail_msg("%s", err.msg);
}

static void fill_entry(struct discovery_entry *e) {
	*e = (struct discovery_entry){
		.key = xstrdup(KEY),
		.workload = xstrdup("prod/0123"),
		.generation = 1,
		.service = xstrdup("web"),
		.address = xstrdup("10.20.0.50"),
		.port = 80,
		.node = xstrdup("h9"),
		.container = xstrdup("web"),
	};
	strs_add(&e->tags, "a");
}

static int set_up(void **state) {
	struct bed *t = xnew(struct bed);
	struct err err;

	alarm(60);
	uv_loop_init(&t->loop);
	assert_int_equal(http_client_new(&t->loop, &t->client, &err), 0);
	for (int i = 0; i < N_SERVERS; i++) {
		t->sides[i] = (struct side){.bed = t, .which = i};
		standin_listen(&t->servers[i], &t->loop, NULL, serve, &t->sides[i]);
		snprintf(t->urls[i], sizeof(t->urls[i]), "http://127.0.0.1:%d", t->servers[i].port);
	}
	t->env = (struct discovery_env){.loop = &t->loop, .http = t->client, .cluster = "prod", .name = "consul"};
	strs_add(&t->options.urls, t->urls[SERVER]);
	fill_entry(&t->entry);
	open_it(t);
	*state = t;
	return 0;
}

static int set_up_with_agents(void **state) {
	assert_int_equal(set_up(state), 0);
	struct bed *t = *state;

	t->agents[0] = (struct consul_agent){"h1", t->urls[AGENT1]};
	t->agents[1] = (struct consul_agent){"h2", t->urls[AGENT2]};
	t->options.agents = t->agents;
	t->options.n_agents = 2;
	t->options.ttl = span_ms(60);
	xstr_replace(&t->entry.node, "h1");
	open_it(t);
	return 0;
}

static void clear_found(struct bed *t) {
	for (size_t i = 0; i < t->n_found; i++)
		discovery_found_clear(&t->found[i]);
	t->n_found = 0;
}

static int tear_down(void **state) {
	struct bed *t = *state;

	discovery_free(t->d);
	uv_run(&t->loop, UV_RUN_NOWAIT);
	http_client_free(t->client);
	for (int i = 0; i < N_SERVERS; i++)
		standin_stop(&t->servers[i]);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&t->loop), 0);
	for (int i = 0; i < N_SERVERS; i++)
		json_decref(t->sides[i].registered);
	discovery_entry_clear(&t->entry);
	strs_clear(&t->options.urls);
	strs_clear(&t->said);
	clear_found(t);
	json_decref(t->body);
	free(t->query);
	free(t->headers);
	free(t->version);
	free(t->error);
	free(t);
	return 0;
}

/* ---- calls ---- */

static void end(struct bed *t, int result, const struct err *err) {
	t->done++;
	t->result = result;
	assert_true(result == 0 || (err && err->code < 0));
	xstr_replace(&t->error, err ? err->msg : NULL);
	if (t->free_it)
		discovery_free(TAKE_PTR(t->d));
}

static void on_list(void *user, int result, struct discovery_found *found, size_t n, const struct err *err) {
	struct bed *t = user;

	clear_found(t);
	assert_true(n <= sizeof(t->found) / sizeof(t->found[0]));
	for (size_t i = 0; i < n; i++) {
		assert_non_null(found[i].version);
		t->found[t->n_found++] = found[i];
		found[i] = (struct discovery_found){0};
	}
	end(t, result, err);
}

static void on_done(void *user, int result, const char *version, const struct err *err) {
	struct bed *t = user;

	xstr_replace(&t->version, version);
	end(t, result, err);
}

static int wait_for(struct bed *t) {
	assert_int_equal(t->done, 0); /* never inside the call */
	RUN_UNTIL(&t->loop, t->done > 0);
	assert_int_equal(t->done, 1);
	t->done = 0;
	return t->result;
}

static int set(struct bed *t, const struct discovery_found *was) {
	t->d->ops->set(t->d, &t->entry, was, on_done, t);
	return wait_for(t);
}

static int unset(struct bed *t, const struct discovery_found *was) {
	t->d->ops->unset(t->d, was, on_done, t);
	return wait_for(t);
}

static int list(struct bed *t) {
	const struct discovery_entry *wanted[] = {&t->entry};

	t->d->ops->list(t->d, wanted, 1, on_list, t);
	return wait_for(t);
}

static int look(struct bed *t) {
	t->d->ops->look(t->d, &t->entry, on_list, t);
	return wait_for(t);
}

static struct discovery_found was_at(struct bed *t, const char *version) {
	return (struct discovery_found){.entry = t->entry, .version = (char *)(uintptr_t)version};
}

static void expect_said(struct bed *t, const char *const *expected, size_t n) {
	for (size_t i = 0; i < n; i++)
		if (i >= t->said.n || strcmp(t->said.v[i], expected[i]) != 0)
			fail_msg("request %zu: expected %s, got %s", i, expected[i], i < t->said.n ? t->said.v[i] : "none");
	assert_int_equal(t->said.n, n);
}

static size_t count_said(const struct bed *t, const char *what) {
	size_t n = 0;

	for (size_t i = 0; i < t->said.n; i++)
		n += strcmp(t->said.v[i], what) == 0;
	return n;
}

static json_t *operation(struct bed *t, size_t i) { return json_array_get(t->body, i); }

/* ---- our own node ---- */

static void what_is_not_there_is_written_where_nothing_is(void **state) {
	struct bed *t = *state;

	assert_int_equal(set(t, NULL), 0);
	assert_string_equal(t->version, "7");
	assert_int_equal(json_array_size(t->body), 2);
	assert_string_equal(json_str_or(operation(t, 0), "Node.Verb", ""), "set");
	assert_string_equal(json_str_or(operation(t, 0), "Node.Node.Node", ""), "heir-prod");
	assert_string_equal(json_str_or(operation(t, 0), "Node.Node.Address", ""), "127.0.0.1");
	const json_t *cas = json_at(operation(t, 1), "Service");
	assert_string_equal(json_str_or(cas, "Verb", ""), "cas");
	assert_int_equal(json_int_or(cas, "Service.ModifyIndex", -1), 0);
	assert_string_equal(json_str_or(cas, "Service.Address", ""), "10.20.0.50");
	assert_string_equal(json_str_or(cas, "Service.Meta.heir-generation", ""), "1");
	assert_int_equal(t->said.n, 1);
}

static void a_node_that_is_there_is_not_set_again_until_it_is_gone(void **state) {
	struct bed *t = *state;
	struct discovery_found was = was_at(t, "7");

	assert_int_equal(set(t, NULL), 0);
	assert_int_equal(set(t, &was), 0);
	assert_int_equal(json_array_size(t->body), 1);
	assert_int_equal(json_int_or(operation(t, 0), "Service.Service.ModifyIndex", -1), 7);
	set_rule(t, SERVER, "PUT /v1/txn", 409, REFUSED("Missing node registration"));
	assert_int_equal(set(t, &was), -EPROTO);
	assert_int_equal(json_array_size(t->body), 2);
	assert_int_equal(t->said.n, 4);
}

static const struct {
	const char *what;
	int status;
	const char *body;
	int result;
	const char *error; /* part of it */
} refusals[] = {
	{"somebody was faster", 409, STALE, -ESTALE, "index is stale"},
	{"a token that may not write", 409, REFUSED("Permission denied"), -EACCES, "Permission denied"},
	{"a token that Consul does not know", 403, "ACL not found\n", -EACCES, ": answered 403: ACL not found"},
	{"a gate before it", 401, "<html>\n<b>no</b>", -EACCES, "401: <html> <b>no</b>"},
	{"something new", 409, REFUSED("Invalid \\u0001\\nname"), -EPROTO, "refused: Invalid name"},
	{"a namespace it does not have", 400, "Bad request", -EPROTO, "answered 400"},
	{"too large a request", 413, "too large", -EINVAL, "answered 413"},
	{"no leader", 500, "No cluster leader", -EIO, "No cluster leader"},
	{"too many of us", 429, "slow down", -EIO, "answered 429"},
	{"garbage", 200, "\x01garbage", -EPROTO, "bad JSON"},
	{"half an answer", 200, "{\"Results\":[{\"Serv", -EPROTO, "bad JSON"},
	{"something else", 200, "[]", -EPROTO, "none to a transaction"},
	{"nothing", 200, "", -EPROTO, "bad JSON"},
	{"no result", 200, "{\"Results\":[],\"Errors\":null}", -EPROTO, "without a result"},
	{"a failure without a reason", 409, "{\"Results\":null,\"Errors\":[7]}", -EPROTO, "not said why"},
	{"an index that is none", 200, TXN("-4"), -EPROTO, "ModifyIndex"},
	{"a redirect", 301, "", -EPROTO, "answered 301"},
	{"a closed connection", -1, "", -EIO, "127.0.0.1"},
};

static void every_refusal_has_its_code(void **state) {
	struct bed *t = *state;
	CLEANUP_FREE char *sender = xasprintf("consul: 127.0.0.1:%d: ", t->servers[SERVER].port);

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		set_rule(t, SERVER, "PUT /v1/txn", refusals[i].status, refusals[i].body);
		int r = set(t, NULL);
		if (r != refusals[i].result || !strstr(t->error, refusals[i].error))
			fail_msg("%s: expected %d %s, got %d %s", refusals[i].what, refusals[i].result, refusals[i].error, r,
				 t->error);
		assert_memory_equal(t->error, sender, strlen(sender));
		assert_null(t->version);
	}
}

static void taking_away_what_is_gone_is_done(void **state) {
	struct bed *t = *state;
	struct discovery_found was = was_at(t, "7");

	set_rule(t, SERVER, "PUT /v1/txn", 409, STALE);
	assert_int_equal(unset(t, &was), 0);
	assert_int_equal(json_int_or(operation(t, 0), "Service.Service.ModifyIndex", -1), 7);
	assert_string_equal(json_str_or(operation(t, 0), "Service.Verb", ""), "delete-cas");
	set_rule(t, SERVER, "/node-services/heir-prod", 200, ON("heir-prod", FOREIGN));
	assert_int_equal(unset(t, &was), 0);
}

static void taking_away_what_changed_is_stale(void **state) {
	struct bed *t = *state;
	struct discovery_found was = was_at(t, "7");

	set_rule(t, SERVER, "PUT /v1/txn", 409, STALE);
	set_rule(t, SERVER, "/node-services/heir-prod", 200, ON("heir-prod", SERVICE(KEY, "9", "h9", "2")));
	assert_int_equal(unset(t, &was), -ESTALE);
	assert_string_equal(t->error, "consul: " KEY ": web at 10.20.0.50, port 80, generation 2 on h9 stands there now");
}

/* ---- what is read ---- */

static void what_is_ours_is_listed_and_what_is_foreign_only_in_the_way(void **state) {
	struct bed *t = *state;

	set_rule(t, SERVER, "/node-services/heir-prod", 200,
		 ON("heir-prod", FOREIGN ",{\"ID\":\"other\",\"Service\":\"x\"}," SERVICE("h1-1", "12", "h3", "4")));
	assert_int_equal(list(t), 0);
	assert_int_equal(t->n_found, 2);
	assert_true(t->found[0].foreign);
	assert_string_equal(t->found[0].content, "db at 10.9.9.9, port 5432");
	assert_string_equal(t->found[0].version, "5");
	assert_string_equal(t->found[1].entry.key, "h1-1");
	assert_int_equal(t->found[1].entry.generation, 4);
	assert_false(t->found[1].incomplete);
}

static void an_adopted_foreign_value_is_overwritten_by_its_index(void **state) {
	struct bed *t = *state;
	struct discovery_found was = {.entry = {.key = (char[]){KEY}}, .foreign = true, .version = (char[]){"5"}};

	assert_int_equal(set(t, &was), 0);
	assert_int_equal(json_int_or(operation(t, 1), "Service.Service.ModifyIndex", -1), 5);
}

static void what_another_cluster_wrote_is_foreign(void **state) {
	struct bed *t = *state;

	set_rule(t, SERVER, "/node-services/heir-prod", 200,
		 "{\"Node\":{},\"Services\":[{\"ID\":\"" KEY
		 "\",\"Service\":\"web\",\"Meta\":{\"heir\":\"1\",\"heir-cluster\":\"test\"}}]}");
	assert_int_equal(look(t), 0);
	assert_int_equal(t->n_found, 1);
	assert_true(t->found[0].foreign);
	assert_string_equal(t->found[0].content, "web, of heir's cluster test");
}

static const struct {
	const char *what, *from, *to, *error;
} damages[] = {
	{"no generation", "\"heir-generation\":\"1\"", "\"x\":\"1\"", "its heir-generation is no number"},
	{"a generation of letters", "\"heir-generation\":\"1\"", "\"heir-generation\":\"one\"", "its heir-generation is no number"},
	{"too large a generation", "\"heir-generation\":\"1\"", "\"heir-generation\":\"4294967296\"",
	 "its heir-generation is too large"},
	{"no address", "\"10.20.0.50\"", "\"\"", "its address is none"},
	{"a port that is none", "\"Port\":80", "\"Port\":80000", "its port is none"},
	{"no workload", "\"heir-workload\"", "\"y\"", "service web: of no workload"},
	{"a tag that is none", "[\"a\"]", "[7]", "Tags: expected array of strings"},
	{"a second address that is none", "\"heir-container\"", "\"heir-address6\"", "service web: its address6 is none of IPv6"},
};

static char *replaced(const char *text, const char *from, const char *to) {
	const char *at = strstr(text, from);

	assert_non_null(at);
	return xasprintf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void what_is_ours_and_damaged_is_incomplete_and_says_why(void **state) {
	struct bed *t = *state;

	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		CLEANUP_FREE char *body = replaced(ON("heir-prod", SERVICE(KEY, "9", "h9", "1")), damages[i].from, damages[i].to);
		set_rule(t, SERVER, "/node-services/heir-prod", 200, body);
		assert_int_equal(look(t), 0);
		assert_int_equal(t->n_found, 1);
		assert_true(t->found[0].incomplete && !t->found[0].foreign);
		assert_non_null(t->found[0].entry.workload);
		if (!strstr(t->found[0].content, damages[i].error))
			fail_msg("%s: expected %s, got %s", damages[i].what, damages[i].error, t->found[0].content);
		struct discovery_found was = t->found[0];
		t->n_found = 0;
		assert_int_equal(set(t, &was), 0); /* mended by its index */
		assert_int_equal(json_int_or(operation(t, 0), "Service.Service.ModifyIndex", -1), 9);
		discovery_found_clear(&was);
	}
}

static const struct {
	const char *what, *match, *body;
} bad_lists[] = {
	{"garbage", "/node-services/",
	 "\x7f"
	 "ELF"},
	{"half a list", "/node-services/", "{\"Node\":{\"Node\":\"heir-prod\"},\"Services\":[{\"ID\":"},
	{"a list", "/node-services/", "[]"},
	{"a node that is none", "/node-services/", "{\"Node\":7,\"Services\":[]}"},
	{"services that are none", "/node-services/", "{\"Node\":{},\"Services\":\"all\"}"},
	{"a service that is none", "/node-services/", "{\"Node\":{},\"Services\":[7]}"},
	{"a service without ID", "/node-services/", "{\"Node\":{},\"Services\":[{\"Service\":\"web\"}]}"},
	{"an index of text", "/node-services/",
	 "{\"Node\":{},\"Services\":[{\"ID\":\"a\",\"Service\":\"a\",\"ModifyIndex\":\"1\"}]}"},
	{"a key twice", "/node-services/", "{\"Node\":{},\"Node\":{}}"},
	{"checks that are none", "/health/state/", "{}"},
	{"a check without a node", "/health/state/", "[{\"CheckID\":\"x\"}]"},
};

static void every_bad_list_is_refused_by_its_sender(void **state) {
	struct bed *t = *state;

	for (size_t i = 0; i < sizeof(bad_lists) / sizeof(bad_lists[0]); i++) {
		memset(t->sides[SERVER].rules, 0, sizeof(t->sides[SERVER].rules));
		set_rule(t, SERVER, bad_lists[i].match, 200, bad_lists[i].body);
		int r = list(t);
		if (r != -EPROTO || strncmp(t->error, "consul: 127.0.0.1:", 18) != 0)
			fail_msg("%s: expected %d, got %d %s", bad_lists[i].what, -EPROTO, r, t->error);
		assert_int_equal(t->n_found, 0);
	}
}

static int read_piece_by_piece(const char *body, struct consul_services *ret, int *steps) {
	struct consul_reader *r = consul_reader_new(body, strlen(body), "prod");
	struct err err;
	int result;

	for (*steps = 1; (result = consul_reader_go_on(r, 1, ret, &err)) > 0; ++*steps)
		;
	consul_reader_free(r);
	return result;
}

#define A "{\"ID\":\"a\",\"Service\":\"x\"}"
#define B "{\"ID\":\"b\",\"Service\":\"x\"}"

static const struct {
	const char *what, *body;
	size_t n;
	int steps;
	bool has_node;
} pieces[] = {
	{"nothing", "null", 0, 1, false},
	{"no services", "{\"Node\":{},\"Services\":[]}", 0, 2, true},
	{"white space", " {\n\"Node\" : {} ,\"Services\": [ ] } ", 0, 2, true},
	{"two", "{\"Node\":{},\"Services\":[" A "," B "]}", 2, 4, true},
	{"the node last", "{\"Services\":[" A "],\"Node\":{}}", 1, 3, true},
	{"an object of them", "{\"Node\":{},\"Services\":{\"a\":" A "}}", 1, 1, true},
	{"something else too", "{\"More\":[1,2],\"Services\":null,\"Node\":null}", 0, 3, true},
};

static void a_list_that_is_read_piece_by_piece_is_the_same(void **state) {
	int steps;
	(void)state;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct consul_services whole = {0}, got = {0};
		struct err err;
		assert_int_equal(consul_parse_catalog(pieces[i].body, strlen(pieces[i].body), "prod", &whole, &err), 0);
		int r = read_piece_by_piece(pieces[i].body, &got, &steps);
		if (r != 0 || got.n != pieces[i].n || whole.n != got.n || got.has_node != whole.has_node)
			fail_msg("%s: %d, %zu services in %d steps", pieces[i].what, r, got.n, steps);
		if (steps < pieces[i].steps)
			fail_msg("%s: expected %d steps or more, got %d", pieces[i].what, pieces[i].steps, steps);
		consul_services_clear(&whole);
		consul_services_clear(&got);
	}
}

static void a_bad_list_is_refused_piece_by_piece_too(void **state) {
	static const char *const more[] = {
		"{",
		"{\"Services\":[],\"Services\":[]}",
		"{\"Node\":{},}",
		"{\"Services\":[]}x",
		"{\"Services\":[" A ",]}",
		"{\"Services\":[" A B "]}",
	};
	struct consul_services got = {0};
	int steps;
	(void)state;

	for (size_t i = 0; i < sizeof(bad_lists) / sizeof(bad_lists[0]); i++)
		if (strcmp(bad_lists[i].match, "/node-services/") == 0 &&
		    read_piece_by_piece(bad_lists[i].body, &got, &steps) != -EPROTO)
			fail_msg("%s is taken", bad_lists[i].what);
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		if (read_piece_by_piece(more[i], &got, &steps) != -EPROTO)
			fail_msg("%s is taken", more[i]);
}

static void a_long_list_is_listed(void **state) {
	struct bed *t = *state;
	struct buf body = {0};

	buf_puts(&body, "{\"Node\":{},\"Services\":[");
	for (int i = 0; i < 1200; i++)
		buf_printf(&body, "{\"ID\":\"x%d\",\"Service\":\"x\",\"Address\":\"%0120d\"},", i, 0);
	buf_puts(&body, A "]}");
	CLEANUP_FREE char *text = buf_take(&body);
	set_rule(t, SERVER, "/node-services/", 200, text);
	assert_int_equal(list(t), 0);
	assert_int_equal(t->n_found, 0); /* nothing of it is ours */
	text[strlen(text) - 1] = ']';
	set_rule(t, SERVER, "/node-services/", 200, text);
	assert_int_equal(list(t), -EPROTO);
	assert_non_null(strstr(t->error, "consul: 127.0.0.1:"));
}

static void an_answer_without_end_is_refused(void **state) {
	struct bed *t = *state;
	CLEANUP_FREE char *huge = xcalloc(1, CONSUL_ENTRY_MAX + 2);

	memset(huge, ' ', CONSUL_ENTRY_MAX + 1);
	set_rule(t, SERVER, "/node-services/", 200, huge);
	assert_int_equal(look(t), -EPROTO);
}

static void hide_from_transactions(json_t *service) { json_object_del(service, "TaggedAddresses"); }

static void what_is_written_is_read_back_equal(void **state) {
	static const struct {
		const char *what, *address, *address6;
		uint16_t port;
		bool host;
		const char *tags[3], *meta[3];
	} cases[] = {
		{"plain", "10.0.0.1", NULL, 80, false, {NULL}, {NULL}},
		{"IPv6", NULL, "fd00::1", 80, false, {NULL}, {NULL}},
		{"both", "10.0.0.1", "fd00::1", 0, false, {"a"}, {NULL}},
		{"a host's", "10.0.0.1", NULL, 65535, true, {"a", "b<\"\xc3\xa4"}, {"a=", "a-b=c=d", "heirloom=1"}},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct discovery_entry e = {0};
		struct consul_services got = {0};
		struct err err;
		fill_entry(&e);
		xstr_replace(&e.address, cases[i].address);
		xstr_replace(&e.address6, cases[i].address6);
		e.port = cases[i].port;
		e.host = cases[i].host;
		strs_clear(&e.tags);
		for (size_t k = 0; k < 3 && cases[i].tags[k]; k++)
			strs_add(&e.tags, cases[i].tags[k]);
		for (size_t k = 0; k < 3 && cases[i].meta[k]; k++)
			strs_add(&e.meta, cases[i].meta[k]);
		assert_int_equal(consul_check_entry(&e, "prod", &err), 0);
		CLEANUP_JSON json_t *service = consul_catalog_service(&e, "prod", 3);
		hide_from_transactions(service);
		CLEANUP_JSON json_t *answer = json_pack("{s:{},s:[O]}", "Node", "Services", service);
		CLEANUP_FREE char *text = json_text(answer);
		assert_int_equal(consul_parse_catalog(text, strlen(text), "prod", &got, &err), 0);
		assert_int_equal(got.n, 1);
		if (got.v[0].damaged || !discovery_entry_equal(&got.v[0].entry, &e))
			fail_msg("%s: %s came back as %s", cases[i].what, text, got.v[0].content ? got.v[0].content : "another");
		consul_services_clear(&got);
		discovery_entry_clear(&e);
	}
}

static void an_entry_that_consul_would_refuse_is_not_sent(void **state) {
	static const struct {
		const char *what, *tag, *meta, *error;
	} cases[] = {
		{"heir's own meta", "a", "heir-node=x", "meta heir-node is heir's own"},
		{"heir's mark", "a", "heir=2", "meta heir is heir's own"},
		{"a tag that is not UTF-8", "\xff", "a=b", "a tag is not UTF-8"},
		{"meta that is not UTF-8", "a", "a=\xff", "not UTF-8"},
		{"a long value", "a", NULL, "longer than Consul's 512 bytes"},
	};
	struct bed *t = *state;
	CLEANUP_FREE char *longer = xasprintf("a=%0513d", 0);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		strs_clear(&t->entry.tags);
		strs_clear(&t->entry.meta);
		strs_add(&t->entry.tags, cases[i].tag);
		strs_add(&t->entry.meta, cases[i].meta ? cases[i].meta : longer);
		if (set(t, NULL) != -EINVAL || !strstr(t->error, cases[i].error))
			fail_msg("%s: %d %s", cases[i].what, t->result, t->error);
	}
	strs_clear(&t->entry.meta);
	for (int i = 0; i < 60; i++) {
		CLEANUP_FREE char *meta = xasprintf("k%02d=v", i);
		strs_add(&t->entry.meta, meta);
	}
	strs_clear(&t->entry.tags);
	assert_int_equal(set(t, NULL), -EINVAL);
	assert_string_equal(t->error, "consul: service web: 60 of meta and heir's own 6, of which Consul takes 64");
	assert_int_equal(t->said.n, 0);
}

/* ---- servers and secrets ---- */

static void use_urls(struct bed *t, const char *first) {
	strs_clear(&t->options.urls);
	strs_add(&t->options.urls, first);
	strs_add(&t->options.urls, t->urls[SERVER]);
	open_it(t);
}

static void the_next_server_is_asked_when_one_is_dead(void **state) {
	struct bed *t = *state;

	use_urls(t, "http://127.0.0.1:1");
	assert_int_equal(set(t, NULL), 0);
	use_urls(t, t->urls[AGENT1]);
	t->sides[AGENT1].dead = true;
	assert_int_equal(set(t, NULL), 0);
	assert_int_equal(count_said(t, "1 PUT /v1/txn"), 1);
	assert_int_equal(set(t, NULL), 0); /* and stayed with */
	assert_int_equal(count_said(t, "1 PUT /v1/txn"), 1);
}

static void the_next_server_is_asked_when_one_is_silent_or_without_leader(void **state) {
	struct bed *t = *state;

	t->env.timeout = span_ms(400);
	use_urls(t, t->urls[AGENT1]);
	set_rule(t, AGENT1, "PUT /v1/txn", 0, NULL);
	assert_int_equal(set(t, NULL), 0);
	set_rule(t, AGENT1, "PUT /v1/txn", 500, "No cluster leader");
	use_urls(t, t->urls[AGENT1]);
	assert_int_equal(set(t, NULL), 0);
	set_rule(t, AGENT1, "PUT /v1/txn", 403, "Permission denied");
	use_urls(t, t->urls[AGENT1]);
	assert_int_equal(set(t, NULL), -EACCES); /* that would be no other elsewhere */
}

static void no_server_at_all_is_not_connected(void **state) {
	struct bed *t = *state;

	strs_clear(&t->options.urls);
	strs_add(&t->options.urls, "http://127.0.0.1:1");
	open_it(t);
	assert_int_equal(set(t, NULL), -ENOTCONN);
	assert_int_equal(list(t), -ENOTCONN);
}

static void what_one_may_have_done_stays_open_when_the_other_is_dead(void **state) {
	struct bed *t = *state;

	strs_add(&t->options.urls, "http://127.0.0.1:1");
	open_it(t);
	t->sides[SERVER].dead = true;
	assert_int_equal(set(t, NULL), -EIO);
}

static void a_silent_server_ends_in_time(void **state) {
	struct bed *t = *state;

	t->env.timeout = span_ms(40);
	open_it(t);
	set_rule(t, SERVER, "/v1/", 0, NULL);
	assert_int_equal(set(t, NULL), -ETIMEDOUT);
	assert_int_equal(look(t), -ETIMEDOUT);
}

static void write_file(const char *path, const char *text) {
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void a_token_is_read_when_it_changes_and_never_told(void **state) {
	struct bed *t = *state;
	char path[] = "/tmp/heir-consul-XXXXXX";
	int fd = mkstemp(path);

	close(fd);
	t->options.token_file = path;
	open_it(t);
	assert_int_equal(set(t, NULL), -EINVAL); /* empty */
	assert_int_equal(t->said.n, 0);
	write_file(path, "first-token\n");
	assert_int_equal(set(t, NULL), 0);
	assert_non_null(strstr(t->headers, "X-Consul-Token: first-token\r\n"));
	write_file(path, "the-second-token");
	set_rule(t, SERVER, "PUT /v1/txn", 403, "you said the-second-token");
	assert_int_equal(set(t, NULL), -EACCES);
	assert_non_null(strstr(t->headers, "X-Consul-Token: the-second-token\r\n"));
	assert_null(strstr(t->error, "token"));
	set_rule(t, SERVER, "PUT /v1/txn", 409, REFUSED("index is stale, says the-second-token"));
	assert_int_equal(set(t, NULL), -ESTALE);
	assert_null(strstr(t->error, "token"));
	unlink(path);
	assert_int_equal(list(t), -ENOENT);
	assert_non_null(strstr(t->error, path));
}

static void datacenter_and_namespace_go_into_every_request(void **state) {
	struct bed *t = *state;

	t->options.datacenter = "dc &2";
	t->options.consul_namespace = "team";
	open_it(t);
	assert_int_equal(set(t, NULL), 0);
	assert_string_equal(t->query, "?dc=dc%20%262&ns=team");
	assert_string_equal(json_str_or(operation(t, 1), "Service.Service.Namespace", ""), "team");
	assert_int_equal(look(t), 0);
	assert_non_null(strstr(t->query, "&dc=dc%20%262&ns=team"));
}

/* ---- agents ---- */

static void an_entry_goes_to_the_agent_of_its_host_and_is_passed(void **state) {
	struct bed *t = *state;

	assert_int_equal(set(t, NULL), 0);
	assert_string_equal(t->version, "agent");
	assert_int_equal(count_said(t, "1 PUT /v1/agent/service/register"), 1);
	assert_int_equal(count_said(t, "0 PUT /v1/txn"), 0);
	assert_string_equal(json_str_or(t->body, "Name", ""), "web");
	assert_string_equal(json_str_or(t->body, "Check.TTL", ""), "60ms");
	assert_string_equal(json_str_or(t->body, "Check.Status", ""), "passing");
	assert_string_equal(json_str_or(t->body, "Check.Notes", ""), "heir prod");
	RUN_UNTIL(&t->loop, count_said(t, "1 PUT /v1/agent/check/pass/service:" KEY) >= 3);
}

static void a_check_that_is_not_known_and_a_dead_agent_do_not_end_the_passes(void **state) {
	struct bed *t = *state;

	assert_int_equal(set(t, NULL), 0);
	set_rule(t, AGENT1, "/check/pass/", 500, "CheckID \"service:" KEY "\" does not have associated TTL");
	RUN_UNTIL(&t->loop, count_said(t, "1 PUT /v1/agent/check/pass/service:" KEY) >= 2);
	t->sides[AGENT1].dead = true;
	RUN_UNTIL(&t->loop, count_said(t, "1 PUT /v1/agent/check/pass/service:" KEY) >= 4);
}

static void what_is_taken_away_is_not_passed_any_more(void **state) {
	struct bed *t = *state;
	struct discovery_found was = was_at(t, "agent");

	assert_int_equal(set(t, NULL), 0);
	set_rule(t, AGENT1, "GET /v1/agent/services", 200, AT(SERVICE(KEY, "0", "h1", "1")));
	assert_int_equal(unset(t, &was), 0);
	assert_int_equal(count_said(t, "1 PUT /v1/agent/service/deregister/" KEY), 1);
	assert_null(((struct consul *)t->d)->hosts[0].kept);
}

static void an_entry_that_is_listed_and_wanted_is_passed_after_a_restart(void **state) {
	struct bed *t = *state;

	set_rule(t, SERVER, "/health/state/any", 200, CHECKS(CHECK("c1") "," CHECK("c1")));
	set_rule(t, SERVER, "/node-services/c1", 200, ON("c1", SERVICE(KEY, "21", "h1", "1")));
	set_rule(t, AGENT1, "GET /v1/agent/services", 200, AT(SERVICE(KEY, "0", "h1", "1")));
	assert_int_equal(list(t), 0);
	assert_int_equal(t->n_found, 1);
	assert_false(t->found[0].incomplete);
	assert_true(discovery_entry_equal(&t->found[0].entry, &t->entry));
	assert_int_equal(count_said(t, "0 GET /v1/catalog/node-services/c1"), 1);
	RUN_UNTIL(&t->loop, count_said(t, "1 PUT /v1/agent/check/pass/service:" KEY) >= 1);
}

static void what_its_agent_lost_is_incomplete(void **state) {
	struct bed *t = *state;

	set_rule(t, SERVER, "/health/state/any", 200, CHECKS(CHECK("c1")));
	set_rule(t, SERVER, "/node-services/c1", 200, ON("c1", SERVICE(KEY, "21", "h1", "1")));
	assert_int_equal(look(t), 0);
	assert_int_equal(t->n_found, 1);
	assert_true(t->found[0].incomplete);
	assert_string_equal(t->found[0].content, "the agent of its host does not have it");
	t->sides[AGENT1].dead = true; /* one that does not answer has lost nothing */
	assert_int_equal(look(t), 0);
	assert_int_equal(t->n_found, 1);
	assert_false(t->found[0].incomplete);
}

static void a_foreign_service_at_the_agent_is_not_overwritten(void **state) {
	struct bed *t = *state;
	struct discovery_found was = {.entry = {.key = (char[]){KEY}}, .foreign = true, .version = (char[]){"agent"}};

	set_rule(t, AGENT1, "GET /v1/agent/services", 200, AT(FOREIGN));
	assert_int_equal(list(t), 0);
	assert_int_equal(t->n_found, 1);
	assert_true(t->found[0].foreign);
	assert_int_equal(set(t, NULL), -EEXIST);
	assert_string_equal(t->error, "consul: " KEY ": \"db at 10.9.9.9, port 5432\" stands there");
	assert_int_equal(count_said(t, "1 PUT /v1/agent/service/register"), 0);
	assert_int_equal(set(t, &was), 0);
	assert_int_equal(count_said(t, "1 PUT /v1/agent/service/register"), 1);
}

static void stand_at_h1(struct bed *t) {
	set_rule(t, SERVER, "/health/state/any", 200, CHECKS(CHECK("c1")));
	set_rule(t, SERVER, "/node-services/c1", 200, ON("c1", SERVICE(KEY, "21", "h1", "1")));
	set_rule(t, AGENT1, "GET /v1/agent/services", 200, AT(SERVICE(KEY, "0", "h1", "1")));
}

/* Owned by the caller. */
static struct discovery_found move_to_h2(struct bed *t) {
	struct discovery_found was = {.version = xstrdup("agent")};

	discovery_entry_copy(&was.entry, &t->entry);
	xstr_replace(&t->entry.node, "h2");
	t->entry.generation = 2;
	return was;
}

static void a_move_writes_the_new_before_it_takes_the_old_away(void **state) {
	static const char *const order[] = {
		"2 PUT /v1/agent/service/register",
		"1 PUT /v1/agent/service/deregister/" KEY,
		"0 PUT /v1/txn",
	};
	struct bed *t = *state;

	stand_at_h1(t);
	struct discovery_found was = move_to_h2(t);
	set_rule(t, SERVER, "PUT /v1/txn", 409, STALE); /* anti-entropy was faster */
	assert_int_equal(set(t, &was), 0);
	assert_null(t->error);
	for (size_t i = t->said.n; i-- > 0;)
		if (strstr(t->said.v[i], " GET "))
			strs_remove(&t->said, t->said.v[i]);
	expect_said(t, order, 3);
	assert_string_equal(json_str_or(operation(t, 0), "Service.Node", ""), "c1");
	assert_int_equal(json_int_or(operation(t, 0), "Service.Service.ModifyIndex", 0), 21);
	discovery_found_clear(&was);
}

static void what_was_there_stays_until_the_catalog_has_the_new(void **state) {
	struct bed *t = *state;

	t->env.timeout = span_ms(200);
	open_it(t);
	stand_at_h1(t);
	struct discovery_found was = move_to_h2(t);
	t->sides[AGENT2].mute = true;
	assert_int_equal(set(t, &was), -EIO);
	assert_string_equal(t->error, "consul: " KEY ": the agent of h2 has it, the catalog does not have it from there");
	assert_int_equal(count_said(t, "1 PUT /v1/agent/service/deregister/" KEY), 0);
	assert_int_equal(count_said(t, "0 PUT /v1/txn"), 0);
	t->d->ops->set(t->d, &t->entry, &was, on_done, t);
	strs_clear(&t->said);
	RUN_UNTIL(&t->loop, count_said(t, "0 GET /v1/health/state/any") >= 3); /* it goes on asking */
	t->sides[AGENT2].mute = false;
	assert_int_equal(wait_for(t), 0);
	assert_int_equal(count_said(t, "1 PUT /v1/agent/service/deregister/" KEY), 1);
	discovery_found_clear(&was);
}

static void an_agent_that_is_silent_is_not_waited_for_twice(void **state) {
	struct bed *t = *state;

	t->env.timeout = span_ms(200);
	t->options.ttl = span_sec(30);
	open_it(t);
	stand_at_h1(t);
	struct discovery_found was = move_to_h2(t);
	set_rule(t, AGENT1, "GET /v1/agent/services", 0, NULL);
	assert_int_equal(set(t, &was), 0);
	assert_int_equal(count_said(t, "0 PUT /v1/txn"), 1);
	assert_int_equal(count_said(t, "1 GET /v1/agent/services"), 1);
	assert_int_equal(count_said(t, "1 PUT /v1/agent/service/deregister/" KEY), 0);
	discovery_found_clear(&was);
}

static void what_a_dead_agent_has_is_taken_from_the_catalog_and_from_it_when_it_is_back(void **state) {
	struct bed *t = *state;

	stand_at_h1(t);
	struct discovery_found was = move_to_h2(t);
	t->sides[AGENT1].dead = true;
	assert_int_equal(set(t, &was), 0);
	assert_int_equal(count_said(t, "0 PUT /v1/txn"), 1);
	strs_clear(&t->said);
	t->sides[AGENT1].dead = false;
	RUN_UNTIL(&t->loop, count_said(t, "1 PUT /v1/agent/service/deregister/" KEY) == 1);
	RUN_UNTIL(&t->loop, ((struct consul *)t->d)->hosts[0].kept == NULL);
	assert_int_equal(count_said(t, "1 PUT /v1/agent/check/pass/service:" KEY), 0);
	discovery_found_clear(&was);
}

/* Right after a start nobody has said yet what is wanted. */
static void what_stands_at_an_agent_is_kept_alive_until_it_is_known_to_be_unwanted(void **state) {
	struct bed *t = *state;

	stand_at_h1(t);
	t->d->ops->list(t->d, NULL, 0, on_list, t);
	assert_int_equal(wait_for(t), 0);
	assert_int_equal(t->n_found, 1);
	RUN_UNTIL(&t->loop, count_said(t, "1 PUT /v1/agent/check/pass/service:" KEY) >= 2);
	set_rule(t, SERVER, "/health/state/any", 200, "[]");
	set_rule(t, AGENT1, "GET /v1/agent/services", 200, "{}");
	t->d->ops->list(t->d, NULL, 0, on_list, t);
	assert_int_equal(wait_for(t), 0);
	assert_null(((struct consul *)t->d)->hosts[0].kept);
}

static void what_was_written_anew_at_an_agent_that_is_back_is_left(void **state) {
	struct bed *t = *state;

	stand_at_h1(t);
	struct discovery_found was = move_to_h2(t);
	t->sides[AGENT1].dead = true;
	assert_int_equal(set(t, &was), 0);
	strs_clear(&t->said);
	set_rule(t, AGENT1, "GET /v1/agent/services", 200, AT(SERVICE(KEY, "0", "h1", "3")));
	t->sides[AGENT1].dead = false;
	RUN_UNTIL(&t->loop, ((struct consul *)t->d)->hosts[0].kept == NULL);
	assert_int_equal(count_said(t, "1 PUT /v1/agent/service/deregister/" KEY), 0);
	discovery_found_clear(&was);
}

static void of_two_managers_the_older_loses(void **state) {
	struct bed *t = *state;

	stand_at_h1(t);
	set_rule(t, AGENT1, "GET /v1/agent/services", 200, AT(SERVICE(KEY, "0", "h1", "3"))); /* the catalog lags behind */
	struct discovery_found was = move_to_h2(t);
	assert_int_equal(set(t, &was), -ESTALE);
	assert_string_equal(t->error, "consul: " KEY ": web at 10.20.0.50, port 80, generation 3 on h1 stands there now");
	assert_int_equal(unset(t, &was), -ESTALE);
	assert_int_equal(count_said(t, "2 PUT /v1/agent/service/register"), 0);
	assert_int_equal(count_said(t, "1 PUT /v1/agent/service/deregister/" KEY), 0);
	discovery_found_clear(&was);
}

static void of_two_places_the_higher_generation_holds_and_the_other_is_cleared(void **state) {
	struct bed *t = *state;

	stand_at_h1(t);
	set_rule(t, SERVER, "/health/state/any", 200, CHECKS(CHECK("c1") "," CHECK("c2")));
	set_rule(t, SERVER, "/node-services/c2", 200, ON("c2", SERVICE(KEY, "33", "h2", "2")));
	set_rule(t, AGENT2, "GET /v1/agent/services", 200, AT(SERVICE(KEY, "0", "h2", "2")));
	xstr_replace(&t->entry.node, "h2");
	t->entry.generation = 2;
	assert_int_equal(list(t), 0);
	assert_int_equal(t->n_found, 1);
	assert_int_equal(t->found[0].entry.generation, 2);
	assert_true(t->found[0].incomplete);
	assert_string_equal(t->found[0].content, "it stands on 2 nodes");
	struct discovery_found was = t->found[0];
	t->n_found = 0;
	assert_int_equal(set(t, &was), 0);
	assert_int_equal(count_said(t, "1 PUT /v1/agent/service/deregister/" KEY), 1);
	assert_int_equal(count_said(t, "2 PUT /v1/agent/service/deregister/" KEY), 0);
	assert_string_equal(json_str_or(operation(t, 0), "Service.Node", ""), "c1");
	discovery_found_clear(&was);
}

static void a_move_whose_old_place_cannot_be_cleared_is_done_with_a_warning(void **state) {
	struct bed *t = *state;

	stand_at_h1(t);
	struct discovery_found was = move_to_h2(t);
	set_rule(t, AGENT1, "/deregister/", 403, "Permission denied");
	assert_int_equal(set(t, &was), 0);
	assert_string_equal(t->version, "agent");
	assert_non_null(strstr(t->error, "answered 403: Permission denied"));
	discovery_found_clear(&was);
}

static void an_agent_that_is_not_there_is_not_connected(void **state) {
	struct bed *t = *state;

	t->agents[0].url = "http://127.0.0.1:1";
	open_it(t);
	assert_int_equal(set(t, NULL), -ENOTCONN);
	assert_null(((struct consul *)t->d)->hosts[0].kept);
}

/* ---- lifetime ---- */

static void the_system_may_be_freed_in_a_callback(void **state) {
	struct bed *t = *state;

	t->free_it = true;
	assert_int_equal(list(t), 0);
	open_it(t);
	assert_int_equal(set(t, NULL), 0);
	open_it(t);
	xstr_replace(&t->entry.service, "No Label");
	assert_int_equal(set(t, NULL), -EINVAL);
	assert_null(t->d);
}

static void a_freed_system_is_never_heard_of(void **state) {
	struct bed *t = *state;
	struct discovery_found was = was_at(t, "agent");

	for (int i = 0; i < N_SERVERS; i++)
		set_rule(t, i, "/v1/", 0, NULL);
	t->d->ops->look(t->d, &t->entry, on_list, t);
	t->d->ops->set(t->d, &t->entry, NULL, on_done, t);
	t->d->ops->unset(t->d, &was, on_done, t);
	RUN_UNTIL(&t->loop, t->said.n >= 9);
	discovery_free(TAKE_PTR(t->d));
	for (int i = 0; i < N_SERVERS; i++)
		standin_drop_all(&t->servers[i]);
	for (int i = 0; i < 20; i++)
		standin_turn(&t->loop);
	assert_int_equal(t->done, 0);
}

static void options_that_cannot_be_are_refused(void **state) {
	static const char *const urls[] = {"tcp://10.0.0.1:8500", "http://", "http://10.0.0.1",    "http://a:1/x",
					   "http://[::1]",        "",        "http://a:1:x",       "http://a b:1",
					   "http://me:it@a:1",    "ftp:",    "http://a:1?dc=east", "https://:"};
	struct bed *t = *state;
	struct discovery *d = NULL;
	struct err err;

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct consul_options o = {0};
		strs_add(&o.urls, urls[i]);
		if (consul_new(&t->env, &o, &d, &err) != -EINVAL)
			fail_msg("%s was taken", urls[i]);
		strs_clear(&o.urls);
		const struct consul_agent agent = {"h1", urls[i]};
		o = (struct consul_options){.urls = t->options.urls, .agents = &agent, .n_agents = 1};
		assert_int_equal(consul_new(&t->env, &o, &d, &err), -EINVAL);
	}
	t->env.cluster = "a\"b";
	assert_int_equal(consul_new(&t->env, &t->options, &d, &err), -EINVAL);
	struct consul_options none = {0};
	t->env.cluster = "prod";
	assert_int_equal(consul_new(&t->env, &none, &d, &err), -EINVAL);
	assert_string_equal(err.msg, "consul: no URL");
}

#define PLAIN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define AGENTS(test) cmocka_unit_test_setup_teardown(test, set_up_with_agents, tear_down)

int main(void) {
	log_set_level(LOG_LEVEL_ERROR);
	const struct CMUnitTest tests[] = {
		PLAIN(what_is_not_there_is_written_where_nothing_is),
		PLAIN(a_node_that_is_there_is_not_set_again_until_it_is_gone),
		PLAIN(every_refusal_has_its_code),
		PLAIN(taking_away_what_is_gone_is_done),
		PLAIN(taking_away_what_changed_is_stale),
		PLAIN(what_is_ours_is_listed_and_what_is_foreign_only_in_the_way),
		PLAIN(an_adopted_foreign_value_is_overwritten_by_its_index),
		PLAIN(what_another_cluster_wrote_is_foreign),
		PLAIN(what_is_ours_and_damaged_is_incomplete_and_says_why),
		PLAIN(every_bad_list_is_refused_by_its_sender),
		PLAIN(a_list_that_is_read_piece_by_piece_is_the_same),
		PLAIN(a_bad_list_is_refused_piece_by_piece_too),
		PLAIN(a_long_list_is_listed),
		PLAIN(an_answer_without_end_is_refused),
		PLAIN(what_is_written_is_read_back_equal),
		PLAIN(an_entry_that_consul_would_refuse_is_not_sent),
		PLAIN(the_next_server_is_asked_when_one_is_dead),
		PLAIN(the_next_server_is_asked_when_one_is_silent_or_without_leader),
		PLAIN(no_server_at_all_is_not_connected),
		PLAIN(what_one_may_have_done_stays_open_when_the_other_is_dead),
		PLAIN(a_silent_server_ends_in_time),
		PLAIN(a_token_is_read_when_it_changes_and_never_told),
		PLAIN(datacenter_and_namespace_go_into_every_request),
		AGENTS(an_entry_goes_to_the_agent_of_its_host_and_is_passed),
		AGENTS(a_check_that_is_not_known_and_a_dead_agent_do_not_end_the_passes),
		AGENTS(what_is_taken_away_is_not_passed_any_more),
		AGENTS(an_entry_that_is_listed_and_wanted_is_passed_after_a_restart),
		AGENTS(what_its_agent_lost_is_incomplete),
		AGENTS(a_foreign_service_at_the_agent_is_not_overwritten),
		AGENTS(a_move_writes_the_new_before_it_takes_the_old_away),
		AGENTS(what_was_there_stays_until_the_catalog_has_the_new),
		AGENTS(an_agent_that_is_silent_is_not_waited_for_twice),
		AGENTS(what_a_dead_agent_has_is_taken_from_the_catalog_and_from_it_when_it_is_back),
		AGENTS(what_stands_at_an_agent_is_kept_alive_until_it_is_known_to_be_unwanted),
		AGENTS(what_was_written_anew_at_an_agent_that_is_back_is_left),
		AGENTS(of_two_managers_the_older_loses),
		AGENTS(of_two_places_the_higher_generation_holds_and_the_other_is_cleared),
		AGENTS(a_move_whose_old_place_cannot_be_cleared_is_done_with_a_warning),
		AGENTS(an_agent_that_is_not_there_is_not_connected),
		AGENTS(a_freed_system_is_never_heard_of),
		PLAIN(the_system_may_be_freed_in_a_callback),
		PLAIN(options_that_cannot_be_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
