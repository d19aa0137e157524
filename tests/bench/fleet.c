/* See fleet.h. Containers that were there from the beginning are not kept, only made up when somebody asks for one: there are
 * thousands. What was created is kept as the JSON of its inspection, and calls change that. Names are not checked, networks and
 * images are everywhere the same, and nothing takes time. */
#include "fleet.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { ID_CHARS = 64, NAME_MAX_CHARS = 128 };

struct made {
	char id[ID_CHARS + 1];
	char name[NAME_MAX_CHARS];
	json_t *inspect;
	struct made *prev, *next; /* of the same engine */
};

struct engine {
	struct made *made;
	int created; /* ever */
};

static struct fleet_shape shape;
static struct engine *engines;
static json_t *inspect;

void fleet_init(int count, const struct fleet_shape *of) {
	json_error_t error;

	shape = *of;
	engines = xnew_n(struct engine, (size_t)count);
	inspect = json_load_file(of->inspect, 0, &error);
	if (inspect)
		return;
	fprintf(stderr, "engines: %s: %s\n", of->inspect, error.text);
	exit(EXIT_FAILURE);
}

static int count_of(int engine) { return engine < shape.lost ? shape.lost_containers : shape.containers; }

static bool has_opted_in(int engine, int number) { return number == 0 || engine < shape.lost; }

/* Begins differently for each: heir names what it stages by the first eight. */
static void container_id(char id[ID_CHARS + 1], int engine, int number) {
	snprintf(id, ID_CHARS + 1, "%08x%08x%048d", (unsigned)engine, (unsigned)number, 0);
}

/* Number 0 is the default bridge. */
static void network_id(char id[ID_CHARS + 1], int engine, int number) { snprintf(id, ID_CHARS + 1, "%032d%032d", engine, number); }

/* ---- what an engine says ---- */

static void say_info(struct buf *b, int engine) {
	buf_printf(b,
		   "{\"ID\":\"ENGINE-%d\",\"Name\":\"host%d\",\"ServerVersion\":\"26.1.5\",\"NCPU\":8,\"MemTotal\":33554432000,"
		   "\"OperatingSystem\":\"Debian GNU/Linux 12\",\"OSType\":\"linux\",\"Architecture\":\"x86_64\","
		   "\"Runtimes\":{\"runc\":{\"path\":\"runc\"}},\"DefaultRuntime\":\"runc\",\"Driver\":\"overlay2\","
		   "\"Plugins\":{\"Volume\":[\"local\"],\"Network\":[\"bridge\",\"host\",\"macvlan\",\"null\",\"overlay\"],"
		   "\"Log\":[\"json-file\",\"local\",\"syslog\"]},\"Labels\":[],\"LiveRestoreEnabled\":false,"
		   "\"Swarm\":{\"NodeID\":\"\",\"NodeAddr\":\"\",\"LocalNodeState\":\"inactive\",\"ControlAvailable\":false,"
		   "\"RemoteManagers\":null}}",
		   engine, engine);
}

static void say_version(struct buf *b, int engine) {
	(void)engine;
	buf_puts(b,
		 "{\"Version\":\"26.1.5\",\"ApiVersion\":\"1.45\",\"MinAPIVersion\":\"1.24\",\"Os\":\"linux\",\"Arch\":\"amd64\","
		 "\"KernelVersion\":\"6.1.0\"}");
}

static void say_ping(struct buf *b, int engine) {
	(void)engine;
	buf_puts(b, "OK");
}

static void say_entry(struct buf *b, bool first, const char *id, const char *name, const char *state) {
	buf_printf(b,
		   "%s{\"Id\":\"%s\",\"Names\":[\"/%s\"],\"Image\":\"app:1\",\"ImageID\":\"sha256:%064d\",\"State\":\"%s\","
		   "\"Status\":\"Up 2 hours\",\"Labels\":{},\"Ports\":[],\"Mounts\":[]}",
		   first ? "" : ",", id, name, 1, state);
}

static void say_containers(struct buf *b, int engine) {
	char id[ID_CHARS + 1], name[NAME_MAX_CHARS];
	const struct made *m;
	bool first = true;

	buf_puts(b, "[");
	for (int i = 0; i < count_of(engine); i++) {
		container_id(id, engine, i);
		snprintf(name, sizeof name, "c%d-%d", engine, i);
		say_entry(b, first, id, name, "running");
		first = false;
	}
	DL_FOREACH (engines[engine].made, m) {
		say_entry(b, first, m->id, m->name, json_str_or(m->inspect, "State.Status", ""));
		first = false;
	}
	buf_puts(b, "]");
}

static void say_networks(struct buf *b, int engine) {
	static const char *const names[] = {"bridge", "host", "null"};
	char id[ID_CHARS + 1];

	buf_puts(b, "[");
	for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++) {
		network_id(id, engine, i);
		buf_printf(b, "%s{\"Name\":\"%s\",\"Id\":\"%s\",\"Scope\":\"local\",\"Driver\":\"%s\",\"IPAM\":{\"Config\":[]}}",
			   i ? "," : "", names[i], id, names[i]);
	}
	buf_puts(b, "]");
}

static void say_images(struct buf *b, int engine) {
	(void)engine;
	buf_puts(b, "[");
	for (int i = 0; i < 10; i++)
		buf_printf(b, "%s{\"Id\":\"sha256:%064d\",\"RepoTags\":[\"app:%d\"],\"RepoDigests\":[],\"Labels\":null}",
			   i ? "," : "", i, i);
	buf_puts(b, "]");
}

/* ---- containers ---- */

static void set_name(json_t *of, const char *name) {
	char text[NAME_MAX_CHARS + 1];

	snprintf(text, sizeof text, "/%s", name);
	json_object_set_new(of, "Name", json_string(text));
}

static void set_state(json_t *of, const char *status) {
	json_t *state = json_object_get(of, "State");

	json_object_set_new(state, "Status", json_string(status));
	json_object_set_new(state, "Running", json_boolean(strcmp(status, "running") == 0));
}

/* On this engine's own bridge, when it is on one. */
static void set_bridge(json_t *of, int engine) {
	json_t *bridge = json_at(of, "NetworkSettings.Networks.bridge");
	char id[ID_CHARS + 1];

	network_id(id, engine, 0);
	if (bridge)
		json_object_set_new(bridge, "NetworkID", json_string(id));
}

/* Other IDs and names, and the word that opts it in. */
static json_t *make_up(int engine, const char *id) {
	unsigned number = 0;
	char name[32];

	sscanf(id, "%*8x%8x", &number);
	snprintf(name, sizeof name, "c%d-%u", engine, number);
	json_t *copy = json_deep_copy(inspect), *config = json_object_get(copy, "Config");
	json_object_set_new(copy, "Id", json_stringn(id, ID_CHARS));
	set_name(copy, name);
	set_state(copy, "running");
	set_bridge(copy, engine);
	const char *word = has_opted_in(engine, (int)number) ? "reschedule:on-node-failure" : "LANG=C";
	json_object_set_new(config, "Labels", json_object());
	json_object_set_new(config, "Env", json_pack("[s, s]", "PATH=/bin", word));
	return copy;
}

static bool is_from_the_beginning(int engine, const char *id) {
	unsigned of = 0, number = 0;

	return strlen(id) == ID_CHARS && sscanf(id, "%8x%8x", &of, &number) == 2 && (int)of == engine &&
	       (int)number < count_of(engine);
}

static struct made *find(int engine, const char *id) {
	struct made *m;

	DL_FOREACH (engines[engine].made, m)
		if (strcmp(m->id, id) == 0 || strcmp(m->name, id) == 0)
			return m;
	return NULL;
}

static void say_json(struct fleet_answer *a, json_t *j) {
	char *text CLEANUP_FREE = json_dumps(j, JSON_COMPACT);
	buf_puts(&a->body, text);
}

static void inspect_one(int engine, const char *id, struct fleet_answer *ret) {
	const struct made *m = find(engine, id);
	bool there = m || is_from_the_beginning(engine, id);
	json_t *made_up CLEANUP_JSON = there && !m ? make_up(engine, id) : NULL;

	ret->status = there ? 200 : 404;
	if (there)
		say_json(ret, m ? m->inspect : made_up);
}

/* ---- calls that change something ---- */

struct call {
	int engine;
	struct made *made;
	const char *name; /* of the query; "" */
	json_t *body;
};

static int do_start(const struct call *c) {
	set_state(c->made->inspect, "running");
	return 204;
}

static int do_stop(const struct call *c) {
	set_state(c->made->inspect, "exited");
	return 204;
}

static int do_rename(const struct call *c) {
	snprintf(c->made->name, sizeof c->made->name, "%s", c->name);
	set_name(c->made->inspect, c->name);
	return 204;
}

static int do_update(const struct call *c) {
	json_t *policy = json_object_get(c->body, "RestartPolicy");

	if (policy)
		json_object_set(json_object_get(c->made->inspect, "HostConfig"), "RestartPolicy", policy);
	return policy ? 200 : 400;
}

static int do_remove(const struct call *c) {
	if (json_is_true(json_at(c->made->inspect, "State.Running")))
		return 409;
	DL_DELETE(engines[c->engine].made, c->made);
	json_decref(c->made->inspect);
	free(c->made);
	return 204;
}

/* What it is inspected with is what it was created with. */
static json_t *inspect_of(int engine, const char *id, const char *name, const json_t *body) {
	json_t *copy = json_deep_copy(inspect), *config = json_deep_copy(body);

	json_object_set_new(copy, "Id", json_string(id));
	set_name(copy, name);
	set_state(copy, "created");
	set_bridge(copy, engine);
	json_object_set(copy, "HostConfig", json_object_get(config, "HostConfig"));
	json_object_del(config, "HostConfig");
	json_object_del(config, "NetworkingConfig");
	json_object_set_new(copy, "Config", config);
	return copy;
}

static void create(int engine, const char *name, const json_t *body, struct fleet_answer *ret) {
	if (!*name || !json_is_object(json_object_get(body, "HostConfig"))) {
		ret->status = 400;
		return;
	}
	struct engine *e = &engines[engine];
	struct made *m = xnew(struct made);
	container_id(m->id, engine, count_of(engine) + e->created++);
	snprintf(m->name, sizeof m->name, "%s", name);
	m->inspect = inspect_of(engine, m->id, name, body);
	DL_APPEND(e->made, m);
	buf_printf(&ret->body, "{\"Id\":\"%s\",\"Warnings\":[]}", m->id);
	ret->status = 201;
	ret->created = true;
}

/* ---- whose it is ---- */

/* Nothing that heir asks for has to be unescaped. */
static void query_name(const char *path, char ret[NAME_MAX_CHARS]) {
	const char *at = strstr(path, "name=");

	ret[0] = '\0';
	if (at)
		snprintf(ret, NAME_MAX_CHARS, "%.*s", (int)strcspn(at + 5, "&"), at + 5);
}

/* "/containers/<id>/start?t=10": the container and the word. */
static void change(int engine, const char *method, const char *path, const char *body, struct fleet_answer *ret) {
	static const struct {
		const char *method, *word;
		int (*perform)(const struct call *c);
	} calls[] = {
		{"POST", "/start", do_start},   {"POST", "/stop", do_stop}, {"POST", "/rename", do_rename},
		{"POST", "/update", do_update}, {"DELETE", "", do_remove},
	};
	char id[NAME_MAX_CHARS], name[NAME_MAX_CHARS];
	size_t id_len = strcspn(path, "/?"), word_len = strcspn(path + id_len, "?");
	json_t *json CLEANUP_JSON = json_loads(body, 0, NULL);

	query_name(path, name);
	if (strcmp(method, "POST") == 0 && id_len == 6 && strncmp(path, "create", 6) == 0) {
		create(engine, name, json, ret);
		return;
	}
	snprintf(id, sizeof id, "%.*s", (int)id_len, path);
	const struct call call = {engine, find(engine, id), name, json};
	for (size_t i = 0; call.made && i < sizeof calls / sizeof calls[0]; i++)
		if (strcmp(method, calls[i].method) == 0 && strlen(calls[i].word) == word_len &&
		    strncmp(path + id_len, calls[i].word, word_len) == 0)
			ret->status = calls[i].perform(&call);
}

static bool look(int engine, const char *path, struct fleet_answer *ret) {
	static const struct {
		const char *path;
		void (*say)(struct buf *b, int engine);
	} sayings[] = {
		{"/_ping", say_ping},
		{"/version", say_version},
		{"/info", say_info},
		{"/networks", say_networks},
		{"/containers/json", say_containers},
		{"/images/json", say_images},
	};

	for (size_t i = 0; i < sizeof sayings / sizeof sayings[0]; i++) {
		size_t len = strlen(sayings[i].path);
		if (strncmp(path, sayings[i].path, len) == 0 && strchr("?", path[len])) {
			sayings[i].say(&ret->body, engine);
			ret->status = 200;
			return true;
		}
	}
	return false;
}

void fleet_answer(int engine, const char *method, const char *path, const char *body, struct fleet_answer *ret) {
	static const char containers[] = "/containers/";
	bool of_containers = strncmp(path, containers, sizeof containers - 1) == 0;
	char id[NAME_MAX_CHARS];

	*ret = (struct fleet_answer){.status = 404};
	if (strcmp(method, "GET") == 0 && !look(engine, path, ret) && of_containers) {
		const char *rest = path + sizeof containers - 1;
		snprintf(id, sizeof id, "%.*s", (int)strcspn(rest, "/?"), rest);
		inspect_one(engine, id, ret);
	} else if (strcmp(method, "GET") != 0 && of_containers) {
		change(engine, method, path + sizeof containers - 1, body, ret);
	}
	if (ret->status >= 400)
		buf_printf(&ret->body, "{\"message\":\"stand-in: %s: %d\"}", method, ret->status);
}
