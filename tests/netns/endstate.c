/* See endstate.h. */
#include "endstate.h"

#include "agents.h"
#include "harness-internal.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const hosts[] = {"h1", "h2", "h3"};
#define HOSTS (sizeof hosts / sizeof hosts[0])

/* ---- stable names ---- */

struct stable {
	const struct web *first;
	char *from[64], *to[64];
	size_t n;
};

static void add_name(struct stable *s, const char *from, char *to) {
	if (!*from || s->n == sizeof s->from / sizeof s->from[0]) {
		free(to);
		return;
	}
	s->from[s->n] = xstrdup(from);
	s->to[s->n++] = to;
}

static void names_clear(struct stable *s) {
	for (size_t i = 0; i < s->n; i++) {
		free(s->from[i]);
		free(s->to[i]);
	}
}

/* An ID, and the 12 and 8 characters of it that are used as names. */
static void add_id(struct stable *s, const char *id, const char *name) {
	const int lengths[] = {64, 12, 8};

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0] && strlen(id) >= 12; i++) {
		char part[65];
		(void)snprintf(part, sizeof part, "%.*s", lengths[i], id);
		add_name(s, part, xasprintf("<%s>", name));
	}
}

static char *replaced(char *text, const char *from, const char *to) {
	struct buf b = {0};
	const char *rest = text;

	for (const char *at = strstr(rest, from); at; at = strstr(rest, from)) {
		buf_append(&b, rest, (size_t)(at - rest));
		buf_puts(&b, to);
		rest = at + strlen(from);
	}
	buf_puts(&b, rest);
	free(text);
	return buf_take(&b);
}

/* The kernel counts its interfaces up. */
static char *without_numbers(char *text, const char *prefix) {
	struct buf b = {0};
	const char *rest = text;

	for (const char *at = strstr(rest, prefix); at; at = strstr(rest, prefix)) {
		at += strlen(prefix);
		buf_append(&b, rest, (size_t)(at - rest));
		rest = at + strspn(at, "0123456789abcdef");
	}
	buf_puts(&b, rest);
	free(text);
	return buf_take(&b);
}

static json_t *renamed(const json_t *j, const struct stable *s) {
	char *text = json_dumps(j, JSON_ENCODE_ANY);
	json_t *result = NULL;

	assert_non_null(text);
	for (size_t i = 0; i < s->n; i++)
		text = replaced(text, s->from[i], s->to[i]);
	text = without_numbers(text, "veth");
	struct err err = {0};
	if (json_parse(text, strlen(text), "end state", &result, &err) < 0)
		failed("%s", err.msg);
	free(text);
	return result;
}

/* ---- parts of documents ---- */

static void drop(json_t *object, const char *keys) {
	char *list CLEANUP_FREE = xstrdup(keys), *rest = list;

	for (char *key = strsep(&rest, " "); key; key = strsep(&rest, " "))
		(void)json_object_del(object, key); /* it may not have it */
}

static json_t *only(const json_t *object, const char *paths) {
	char *list CLEANUP_FREE = xstrdup(paths), *rest = list;
	json_t *j = json_object();

	for (char *path = strsep(&rest, " "); path; path = strsep(&rest, " ")) {
		json_t *value = json_at(object, path);
		json_object_set_new(j, path, value ? json_deep_copy(value) : json_null());
	}
	return j;
}

static json_t *lines_of(const char *text) {
	char *copy CLEANUP_FREE = xstrdup(text), *rest = copy;
	json_t *list = json_array();

	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
		if (*line)
			json_array_append_new(list, json_string(line));
	return list;
}

/* What a command prints, parsed; NULL when it fails. */
static json_t *json_of(const char *command) {
	json_t *j = NULL;
	int status;

	char *text CLEANUP_FREE = capture(command, &status);
	if (status == 0)
		(void)json_parse(text, strlen(text), "answer", &j, NULL); /* NULL says it */
	return j;
}

/* ---- engines ---- */

static json_t *network_of(const json_t *net) {
	json_t *j = json_deep_copy(net);

	drop(j, "EndpointID");
	return j;
}

static json_t *container_of(const json_t *inspect) {
	json_t *j = only(inspect, "Name Image Path Args RestartCount Driver Mounts Config HostConfig State.Status State.Running "
				  "State.Paused State.Restarting State.OOMKilled State.Error"),
	       *nets = json_object(), *net;
	const char *key;

	json_object_foreach (json_at(inspect, "NetworkSettings.Networks"), key, net)
		json_object_set_new(nets, key, network_of(net));
	json_object_set_new(j, "networks", nets);
	return j;
}

static void name_container(struct stable *s, const char *host, const json_t *inspect) {
	const char *id = json_str_or(inspect, "Id", ""), *name = json_str_or(inspect, "Name", "/?") + 1;
	const char *generation = json_string_value(json_object_get(json_at(inspect, "Config.Labels"), "heir.generation"));

	if (strcmp(id, s->first->id) == 0)
		return;
	char *stable CLEANUP_FREE =
		generation ? xasprintf("%s generation %s", s->first->name, generation) : xasprintf("%s on %s", name, host);
	add_id(s, id, stable);
}

/* By name. The laboratory's own, which stay on a key/value overlay, have other addresses every time. */
static json_t *containers_of(const char *host, struct stable *s) {
	char *command CLEANUP_FREE =
		xasprintf("tests/netns/lab docker %s ps -aq | xargs -r tests/netns/lab docker %s inspect", host, host);
	json_t *list CLEANUP_JSON = json_of(command), *inspect, *all = json_object();
	size_t i;

	json_array_foreach (list, i, inspect) {
		if (strncmp(json_str_or(inspect, "Name", ""), "/heir-lab-", 10) == 0)
			continue;
		name_container(s, host, inspect);
		json_object_set_new(all, json_str_or(inspect, "Name", "?"), container_of(inspect));
	}
	return all;
}

static void name_networks(struct stable *s) {
	static const char *const networks[] = {"ov", "ov2"};

	for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++) {
		char *id CLEANUP_FREE = network_id(networks[i]);
		add_name(s, id, xasprintf("<%s>", networks[i]));
	}
}

/* Made anew in every run. */
static void name_image(struct stable *s) {
	if (lab_try("docker h2 image inspect heir-lab/other:7") != 0)
		return;
	char *id CLEANUP_FREE = lab("docker h2 image inspect --format '{{.Id}}' heir-lab/other:7");
	add_name(s, id, xstrdup("<heir-lab/other:7>"));
}

/* What heir made and started there, and what became of it. */
static json_t *events_of(const char *host, double since) {
	char *text CLEANUP_FREE =
		lab("docker %s events --since %.3f --until %.3f --filter type=container --filter label=heir.takeover "
		    "--filter event=create --filter event=start --filter event=rename --filter event=destroy "
		    "--format '{{.Action}} {{.Actor.Attributes.name}}'",
		    host, since, clock_now());
	return lines_of(text);
}

/* A manager's word; what it says of their health is late. */
static json_t *members(void) {
	if (overlay_is_kv())
		return json_null();
	char *text CLEANUP_FREE = lab("docker h2 node ls --format '{{.Hostname}} {{.Availability}} {{.ManagerStatus}}' | sort");
	return lines_of(text);
}

/* ---- kernels ---- */

/* For the address that moved, what was set, not what was learned from frames: those rows come and go. Only where an agent keeps
 * them: a host that is cut off goes by its own gossip, and engines alone were seen to lose rows after a return. */
static json_t *rows_of(const char *host, const struct web *w) {
	if (!agent_is(host, "ok"))
		return json_null();
	char *text CLEANUP_FREE = lab("fdb %s | grep -F -e '%s ' -e '%s ' | grep -Ei 'permanent|static' | sort -u || true", host,
				      w->nets[0].mac, w->nets[0].ip);
	return lines_of(text);
}

static json_t *dropped_by(const char *host) {
	char *text CLEANUP_FREE = lab("quarantine %s | grep -E 'saddr|daddr|10\\.99\\.' | "
				      "sed -E 's/counter packets [0-9]+ bytes [0-9]+//' || true",
				      host);
	return lines_of(text);
}

/* How many owners it was told of is not in it: of the target's other containers it is told when a probe once had no answer. */
static json_t *agent_of(const char *host) {
	json_t *status CLEANUP_JSON = status_of_agent(host);
	json_t *j = only(status, "quarantine.vteps contested cluster");

	json_object_set_new(j, "former", json_integer((json_int_t)json_array_size(json_object_get(status, "former"))));
	return j;
}

/* ---- heird ---- */

static const char *outcome_of(const json_t *step) {
	const char *outcome = json_str_or(step, "outcome", "none");
	return strcmp(outcome, "retried") == 0 ? "ok" : outcome;
}

static json_t *takeover_of(const json_t *t) {
	json_t *j = json_deep_copy(t), *steps = json_object(), *step;
	size_t i;

	json_array_foreach (json_object_get(t, "steps"), i, step)
		json_object_set_new(steps, json_str_or(step, "name", "?"), json_string(outcome_of(step)));
	json_object_set_new(j, "steps", steps);
	drop(j, "started finished seconds");
	return j;
}

static json_t *takeovers(struct stable *s) {
	json_t *list CLEANUP_JSON = heir("takeover ls"), *all = json_array(), *t;
	size_t i;

	json_array_foreach (list, i, t) {
		add_name(s, json_str_or(t, "id", ""), xasprintf("<takeover %zu>", i + 1));
		json_array_append_new(all, takeover_of(t));
	}
	return all;
}

/* The ledger's: of the others a heird that was started meanwhile knows nothing where their host is cut off. */
static json_t *ledger(void) {
	json_t *list CLEANUP_JSON = heir("container ls"), *all = json_object(), *c;
	size_t i;

	json_array_foreach (list, i, c)
		if (json_str_or(c, "workload", NULL)) {
			char *key CLEANUP_FREE = xasprintf("%s on %s", json_str_or(c, "name", "?"), json_str_or(c, "node", "?"));
			json_object_set_new(all, key, json_deep_copy(c));
		}
	return all;
}

static json_t *node_of(const char *host) {
	json_t *j CLEANUP_JSON = heir("node inspect %s", host);
	return only(j, "state agent stale swarm.removed swarm.manager agent_detail.quarantine agent_detail.wrong");
}

/* The reassignment log, without its times. What was done to a stale copy is not in it: an engine's event can be quicker than its
 * answer, and then nobody says that it was heir who did it. */
static json_t *log_of(void) {
	json_t *list CLEANUP_JSON = heir("log"), *all = json_array(), *line;
	size_t i;

	json_array_foreach (list, i, line) {
		if (strcmp(json_str_or(line, "step", ""), "stale") == 0)
			continue;
		json_t *j = json_deep_copy(line);
		drop(j, "time seconds detail");
		json_array_append_new(all, j);
	}
	return all;
}

static json_t *status(void) {
	json_t *j CLEANUP_JSON = heir("status");
	return only(j, "store brake.hold takeovers cluster");
}

static void read_hosts(json_t *all, struct stable *s, double since) {
	for (size_t i = 0; i < HOSTS; i++) {
		json_t *j = json_object();
		json_object_set_new(j, "node", node_of(hosts[i]));
		json_object_set_new(j, "containers", containers_of(hosts[i], s));
		json_object_set_new(j, "events", events_of(hosts[i], since));
		json_object_set_new(j, "rows", rows_of(hosts[i], s->first));
		json_object_set_new(j, "drops", dropped_by(hosts[i]));
		json_object_set_new(j, "agent", agent_of(hosts[i]));
		json_object_set_new(all, hosts[i], j);
	}
}

json_t *endstate_read(const struct web *first, double since) {
	json_t *all CLEANUP_JSON = json_object();
	struct stable s = {.first = first};
	char *name CLEANUP_FREE = xasprintf("%s generation 1", first->name);

	add_id(&s, first->id, name);
	name_networks(&s);
	name_image(&s);
	json_object_set_new(all, "status", status());
	json_object_set_new(all, "takeovers", takeovers(&s));
	json_object_set_new(all, "ledger", ledger());
	json_object_set_new(all, "log", log_of());
	json_object_set_new(all, "members", members());
	read_hosts(all, &s, since);
	json_t *result = renamed(all, &s);
	names_clear(&s);
	return result;
}

/* ---- two of them ---- */

static void differ(struct buf *b, const char *path, const json_t *expected, const json_t *got) {
	char *e CLEANUP_FREE = expected ? json_dumps(expected, JSON_ENCODE_ANY | JSON_SORT_KEYS) : xstrdup("nothing");
	char *g CLEANUP_FREE = got ? json_dumps(got, JSON_ENCODE_ANY | JSON_SORT_KEYS) : xstrdup("nothing");

	buf_printf(b, "  %s: expected %s, got %s\n", path, e, g);
}

static void compare(struct buf *b, const char *path, const json_t *expected, const json_t *got);

static void compare_objects(struct buf *b, const char *path, const json_t *expected, const json_t *got) {
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)expected, key, value) {
		char *below CLEANUP_FREE = xasprintf("%s.%s", path, key);
		compare(b, below, value, json_object_get(got, key));
	}
	json_object_foreach ((json_t *)(uintptr_t)got, key, value) {
		char *below CLEANUP_FREE = xasprintf("%s.%s", path, key);
		if (!json_object_get(expected, key))
			differ(b, below, NULL, value);
	}
}

static bool has(const json_t *list, const json_t *wanted) {
	json_t *j;
	size_t i;

	json_array_foreach (list, i, j)
		if (json_equal(j, wanted))
			return true;
	return false;
}

/* Of lists that are not equally long: what only one of them has. */
static void compare_lists(struct buf *b, const char *path, const json_t *expected, const json_t *got) {
	size_t before = b->len, i;
	json_t *j;

	json_array_foreach (expected, i, j)
		if (!has(got, j))
			differ(b, path, j, NULL);
	json_array_foreach (got, i, j)
		if (!has(expected, j))
			differ(b, path, NULL, j);
	if (b->len == before)
		differ(b, path, expected, got); /* the same ones, more often */
}

static void compare(struct buf *b, const char *path, const json_t *expected, const json_t *got) {
	if (json_is_object(expected) && json_is_object(got)) {
		compare_objects(b, path, expected, got);
		return;
	}
	if (!json_is_array(expected) || !json_is_array(got)) {
		if (!json_equal(expected, got))
			differ(b, path, expected, got);
		return;
	}
	if (json_array_size(expected) != json_array_size(got)) {
		compare_lists(b, path, expected, got);
		return;
	}
	for (size_t i = 0; i < json_array_size(expected); i++) {
		char *below CLEANUP_FREE = xasprintf("%s[%zu]", path, i);
		compare(b, below, json_array_get(expected, i), json_array_get(got, i));
	}
}

char *endstate_difference(const json_t *expected, const json_t *got) {
	struct buf b = {0};

	compare(&b, "", expected, got);
	return b.len ? buf_take(&b) : NULL;
}
