/* What can be asked of an engine: one row of the table and one function for each. Declared in engine.h; made by call.c. */
#include "base/alloc.h"
#include "base/buf.h"
#include "engine/call.h"

#include <errno.h>
#include <string.h>

/* Answers: JSON → struct, and the pointers of the result to it. */

#define DEFINE_ANSWER(name, parse_fn, clear_fn, member) \
	static int read_##name(struct engine_answer *a, struct err *err) { \
		a->result.member = &a->as.member; \
		return parse_fn(a->result.body, &a->as.member, err); \
	} \
	static void clear_##name(struct engine_answer *a) { clear_fn(&a->as.member); }

#define DEFINE_ANSWER_LIST(name, parse_fn, free_fn, member) \
	static int read_##name(struct engine_answer *a, struct err *err) { \
		int r = parse_fn(a->result.body, &a->as.member, &a->result.n, err); \
		a->result.member = r == 0 ? a->as.member : NULL; \
		return r; \
	} \
	static void clear_##name(struct engine_answer *a) { free_fn(a->as.member, a->result.n); }

DEFINE_ANSWER(info, engine_info_parse, engine_info_clear, info)
DEFINE_ANSWER(container, engine_container_parse, engine_container_clear, container)
DEFINE_ANSWER(network, engine_network_parse, engine_network_clear, network)
DEFINE_ANSWER(image, engine_image_parse, engine_image_clear, image)
DEFINE_ANSWER(node, engine_swarm_node_parse, engine_swarm_node_clear, node)
DEFINE_ANSWER(swarm, engine_swarm_parse, engine_swarm_clear, swarm)
DEFINE_ANSWER_LIST(entries, engine_entries_parse, engine_entries_free, entries)
DEFINE_ANSWER_LIST(networks, engine_networks_parse, engine_networks_free, networks)
DEFINE_ANSWER_LIST(images, engine_images_parse, engine_images_free, images)
DEFINE_ANSWER_LIST(tasks, engine_tasks_parse, engine_tasks_free, tasks)
DEFINE_ANSWER_LIST(nodes, engine_swarm_nodes_parse, engine_swarm_nodes_free, nodes)

static int read_id(struct engine_answer *a, struct err *err) {
	if (json_get_str(a->result.body, "Id", &a->result.id, err) < 0)
		return -EINVAL;
	return a->result.id && *a->result.id ? 0 : err_set(err, -EINVAL, "Id: missing");
}

#define READS(name) .read = read_##name, .clear = clear_##name
static const struct engine_op op_info = {.method = "GET", .seconds = 10, .want_version = true, READS(info)},
			      op_list_containers = {.method = "GET", .seconds = 20, READS(entries)},
			      op_inspect_container = {.method = "GET", .seconds = 10, READS(container)},
			      op_create = {.method = "POST", .seconds = 60, .changes = true, .read = read_id},
			      op_start = {.method = "POST",
					  .seconds = 120,
					  .changes = true}, /* a swarm network may take 20 s to join */
	op_change = {.method = "POST", .seconds = 30, .changes = true},
			      op_remove = {.method = "DELETE", .seconds = 60, .changes = true},
			      op_list_networks = {.method = "GET", .seconds = 20, READS(networks)},
			      op_inspect_network = {.method = "GET", .seconds = 20, READS(network)},
			      op_connect = {.method = "POST", .seconds = 60, .changes = true},
			      op_list_images = {.method = "GET", .seconds = 20, READS(images)},
			      op_inspect_image = {.method = "GET", .seconds = 10, READS(image)},
			      op_pull = {.method = "POST", .seconds = 900, .changes = true, .progress = true},
			      /* Swarm calls hang while a leader is elected, about 25 s. */
	op_tasks = {.method = "GET", .seconds = 40, READS(tasks)}, op_nodes = {.method = "GET", .seconds = 40, READS(nodes)},
			      op_node = {.method = "GET", .seconds = 40, READS(node)},
			      op_change_swarm = {.method = "POST", .seconds = 60, .changes = true},
			      op_swarm = {.method = "GET", .seconds = 40, .secret = true, READS(swarm)};

const struct engine_op engine_op_events = {.method = "GET"};
const struct engine_op engine_op_save = {.method = "GET", .seconds = 900};
const struct engine_op engine_op_load = {.method = "POST", .seconds = 900, .changes = true, .progress = true};

/* "/containers/" + escaped id + "/json"; NULL for a name that is none. */
static char *path_of(const char *before, const char *id, const char *after) {
	struct buf b = {0};

	if (!id || !*id || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return NULL;
	buf_puts(&b, before);
	engine_put_escaped(&b, id, strcmp(before, "/images/") == 0 ? "/:@" : "");
	buf_puts(&b, after);
	return buf_take(&b);
}

/* "key=value" with the value escaped; the path may be NULL and stays it. */
static char *add_query(char *path, const char *key, const char *value) {
	struct buf b = {0};

	if (!path)
		return NULL;
	buf_printf(&b, "%s%c%s=", path, strchr(path, '?') ? '&' : '?', key);
	engine_put_escaped(&b, value, "");
	free(path);
	return buf_take(&b);
}

static struct engine_call *ask(struct engine *e, const struct engine_op *op, char *path, struct engine_cb cb) {
	return engine_call_start(e, (struct engine_request){.op = op, .path = path}, cb);
}

static struct engine_call *ask_with(struct engine *e, const struct engine_op *op, char *path, const json_t *body,
				    struct engine_cb cb) {
	return engine_call_start(e, (struct engine_request){.op = op, .path = path, .body = json_text(body)}, cb);
}

struct engine_call *engine_get_info(struct engine *e, struct engine_cb cb) {
	return ask(e, &op_info, xstrdup("/info"), cb);
}

/* Containers. */

struct engine_call *engine_list_containers(struct engine *e, struct engine_cb cb) {
	return ask(e, &op_list_containers, xstrdup("/containers/json?all=1"), cb);
}

struct engine_call *engine_inspect_container(struct engine *e, const char *id, struct engine_cb cb) {
	return ask(e, &op_inspect_container, path_of("/containers/", id, "/json"), cb);
}

struct engine_call *engine_create_container(struct engine *e, const char *name, const json_t *body, struct engine_cb cb) {
	return ask_with(e, &op_create, add_query(xstrdup("/containers/create"), "name", name), body, cb);
}

struct engine_call *engine_start_container(struct engine *e, const char *id, struct engine_cb cb) {
	return ask(e, &op_start, path_of("/containers/", id, "/start"), cb);
}

struct engine_call *engine_stop_container(struct engine *e, const char *id, int seconds, struct engine_cb cb) {
	char text[16];
	char *path = path_of("/containers/", id, "/stop");

	if (seconds >= 0) {
		snprintf(text, sizeof(text), "%d", seconds);
		path = add_query(path, "t", text);
	}
	if (cb.deadline.ns == 0)
		cb.deadline = span_sec(seconds >= 0 ? seconds + 30 : 120);
	return ask(e, &op_change, path, cb);
}

struct engine_call *engine_kill_container(struct engine *e, const char *id, struct engine_cb cb) {
	return ask(e, &op_change, path_of("/containers/", id, "/kill"), cb);
}

struct engine_call *engine_remove_container(struct engine *e, const char *id, bool force, struct engine_cb cb) {
	return ask(e, &op_remove, path_of("/containers/", id, force ? "?force=1" : ""), cb);
}

struct engine_call *engine_rename_container(struct engine *e, const char *id, const char *name, struct engine_cb cb) {
	return ask(e, &op_change, add_query(path_of("/containers/", id, "/rename"), "name", name), cb);
}

struct engine_call *engine_update_restart_policy(struct engine *e, const char *id, const char *policy, struct engine_cb cb) {
	size_t name = strcspn(policy, ":"); /* "on-failure:5" */
	json_int_t retries = policy[name] ? strtoll(policy + name + 1, NULL, 10) : 0;
	CLEANUP_JSON json_t *body =
		json_pack("{s:{s:s%, s:I}}", "RestartPolicy", "Name", policy, name, "MaximumRetryCount", retries);

	return ask_with(e, &op_change, path_of("/containers/", id, "/update"), body, cb);
}

/* Networks. */

struct engine_call *engine_list_networks(struct engine *e, struct engine_cb cb) {
	return ask(e, &op_list_networks, xstrdup("/networks"), cb);
}

struct engine_call *engine_inspect_network(struct engine *e, const char *id, struct engine_cb cb) {
	return ask(e, &op_inspect_network, path_of("/networks/", id, ""), cb);
}

struct engine_call *engine_connect_network(struct engine *e, const char *network, const char *container, const json_t *endpoint,
					   struct engine_cb cb) {
	CLEANUP_JSON json_t *body = json_pack("{s:s}", "Container", container);
	CLEANUP_JSON json_t *settings = endpoint ? json_deep_copy(endpoint) : json_object();

	json_object_set(body, "EndpointConfig", settings);
	return ask_with(e, &op_connect, path_of("/networks/", network, "/connect"), body, cb);
}

struct engine_call *engine_disconnect_network(struct engine *e, const char *network, const char *container, bool force,
					      struct engine_cb cb) {
	CLEANUP_JSON json_t *body = json_pack("{s:s, s:b}", "Container", container, "Force", force);

	return ask_with(e, &op_connect, path_of("/networks/", network, "/disconnect"), body, cb);
}

/* Images. */

struct engine_call *engine_list_images(struct engine *e, struct engine_cb cb) {
	return ask(e, &op_list_images, xstrdup("/images/json"), cb);
}

struct engine_call *engine_inspect_image(struct engine *e, const char *ref, struct engine_cb cb) {
	return ask(e, &op_inspect_image, path_of("/images/", ref, "/json"), cb);
}

struct engine_call *engine_tag_image(struct engine *e, const char *ref, const char *repo, const char *tag, struct engine_cb cb) {
	char *path = add_query(path_of("/images/", ref, "/tag"), "repo", repo);

	return ask(e, &op_change, add_query(path, "tag", tag), cb);
}

/* Without a tag the engine would pull every one of them. */
static char *with_tag(const char *ref) {
	const char *slash = strrchr(ref, '/');

	return strpbrk(slash ? slash : ref, ":@") ? xstrdup(ref) : xasprintf("%s:latest", ref);
}

struct engine_call *engine_pull_image(struct engine *e, const char *ref, const char *auth, struct engine_cb cb) {
	CLEANUP_FREE char *full = with_tag(ref);
	struct engine_request request = {
		.op = &op_pull,
		.path = *ref ? add_query(xstrdup("/images/create"), "fromImage", full) : NULL,
		.header = auth ? xasprintf("X-Registry-Auth: %s", auth) : NULL,
	};

	return engine_call_start(e, request, cb);
}

/* Swarm. */

struct engine_call *engine_list_attachments(struct engine *e, struct engine_cb cb) {
	return ask(e, &op_tasks, add_query(xstrdup("/tasks"), "filters", "{\"runtime\":[\"attachment\"]}"), cb);
}

struct engine_call *engine_list_nodes(struct engine *e, struct engine_cb cb) {
	return ask(e, &op_nodes, xstrdup("/nodes"), cb);
}

struct engine_call *engine_inspect_node(struct engine *e, const char *id, struct engine_cb cb) {
	return ask(e, &op_node, path_of("/nodes/", id, ""), cb);
}

struct engine_call *engine_update_node(struct engine *e, const char *id, int64_t version, const json_t *spec, struct engine_cb cb) {
	CLEANUP_FREE char *text = xasprintf("%lld", (long long)version);

	return ask_with(e, &op_change_swarm, add_query(path_of("/nodes/", id, "/update"), "version", text), spec, cb);
}

struct engine_call *engine_remove_node(struct engine *e, const char *id, bool force, struct engine_cb cb) {
	return ask(e, &op_remove, path_of("/nodes/", id, force ? "?force=1" : ""), cb);
}

struct engine_call *engine_inspect_swarm(struct engine *e, struct engine_cb cb) {
	return ask(e, &op_swarm, xstrdup("/swarm"), cb);
}

struct engine_call *engine_leave_swarm(struct engine *e, bool force, struct engine_cb cb) {
	return ask(e, &op_change_swarm, xstrdup(force ? "/swarm/leave?force=1" : "/swarm/leave"), cb);
}

struct engine_call *engine_join_swarm(struct engine *e, const json_t *body, struct engine_cb cb) {
	return ask_with(e, &op_change_swarm, xstrdup("/swarm/join"), body, cb);
}
