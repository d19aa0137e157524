/* The overlay module against stand-in swarm managers and a stand-in node. The control socket's RemoveTask is replaced here: it
 * speaks HTTP/2 over TLS, and what matters is what is made of its answers. */
#include "net/overlay/overlay.h"

#include "base/json.h"
#include "engine/control.h"
#include "net/overlay/record.h"
#include "standin.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define WEB "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define NEW "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define THIEF "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

static struct world {
	uv_loop_t loop;
	struct http_client *http;
	struct standin manager[2], node, socket;
	struct engine *engines[2], *node_engine;
	size_t n_managers;
	bool leaderless[2];
	struct overlay_cluster cluster;
	char socket_path[64];

	/* the swarm */
	json_t *tasks, *nodes,
		*log; /* log: "METHOD path" of what changes something, in order, RemoveTask and remember among them */
	int not_down; /* so many DELETEs are refused */
	int remember_result;
	json_t *record; /* the last */
	bool keep_node; /* the ask does not allow its removal */

	/* the control sockets, by index: what each answers */
	enum engine_outcome control[3];
	const char *control_error;
	struct control_call *calls;

	/* the node's engine */
	const char *state;
	char *node_id;
	json_t *containers; /* {id: {"Running":…, "Networks": {…}}} */
	int connect_refusals, deaf;
	const char *connect_words;

	/* the result */
	int done;
	struct overlay_result result;
	char *detail;
	struct overlay_call *call;
	size_t free_after; /* so many requests; 0: never */
} w;

/* The stand-in control socket. */

struct control_call {
	uv_timer_t timer;
	struct engine_cb cb;
	size_t socket;
	char *task;
	struct control_call *prev, *next;
};

static void control_closed(uv_handle_t *h) { free(h->data); }

void control_call_free(struct control_call *call) {
	if (!call)
		return;
	DL_DELETE(w.calls, call);
	free(call->task);
	uv_close((uv_handle_t *)&call->timer, control_closed);
}

static void drop_task(const char *id) {
	size_t i;
	json_t *t;
	json_array_foreach (w.tasks, i, t) {
		if (strcmp(json_str_or(t, "ID", ""), id) == 0) {
			json_array_remove(w.tasks, i);
			return;
		}
	}
}

static void log_line(char *line) {
	json_array_append_new(w.log, json_string(line));
	free(line);
}

static void control_answers(uv_timer_t *timer) {
	struct control_call *call = timer->data;
	struct engine_result result = {.outcome = w.control[call->socket]};
	struct engine_cb cb = call->cb;

	if (result.outcome == ENGINE_OK)
		drop_task(call->task);
	else
		err_set(&result.err, -EIO, "%s", w.control_error ? w.control_error : "socket trouble");
	log_line(xasprintf("RemoveTask %s %zu", call->task, call->socket));
	control_call_free(call);
	cb.fn(cb.ctx, &result);
}

struct control_call *control_remove_task(struct http_client *client, const char *socket, const char *task_id, struct engine_cb cb) {
	struct control_call *call = xnew(struct control_call);

	(void)client;
	for (call->socket = 0; strcmp(w.cluster.control.v[call->socket], socket) != 0;)
		call->socket++;
	call->cb = cb;
	call->task = xstrdup(task_id);
	call->timer.data = call;
	uv_timer_init(&w.loop, &call->timer);
	uv_timer_start(&call->timer, control_answers, 0, 0);
	DL_APPEND(w.calls, call);
	return call;
}

/* The stand-in managers. */

static void answer_json(struct standin_conn *conn, const json_t *j) {
	char *text = json_text(j);
	standin_answer(conn, 200, text);
	free(text);
}

static void refuse(struct standin_conn *conn, int status, const char *message) {
	char *text = xasprintf("{\"message\":\"%s\"}", message);
	standin_answer(conn, status, text);
	free(text);
}

static json_t *find_node(const char *id, size_t *ret_index) {
	size_t i;
	json_t *n;
	json_array_foreach (w.nodes, i, n) {
		if (strcmp(json_str_or(n, "ID", ""), id) == 0) {
			if (ret_index)
				*ret_index = i;
			return n;
		}
	}
	return NULL;
}

static void drop_tasks_of(const char *node) {
	for (size_t i = json_array_size(w.tasks); i-- > 0;) {
		if (strcmp(json_str_or(json_array_get(w.tasks, i), "NodeID", ""), node) == 0)
			json_array_remove(w.tasks, i);
	}
}

static void delete_node(struct standin_conn *conn, const char *id, size_t index) {
	if (w.not_down > 0) {
		w.not_down--;
		refuse(conn, 400, "rpc error: code = FailedPrecondition desc = node is not down and can't be removed");
	} else if (strcmp(json_str_or(json_array_get(w.nodes, index), "Spec.Role", ""), "manager") == 0) {
		refuse(conn, 400,
		       "node is a cluster manager and is a member of the raft cluster. It must be demoted to worker before "
		       "removal");
	} else {
		drop_tasks_of(id);
		json_array_remove(w.nodes, index);
		standin_answer(conn, 200, "");
	}
}

static void update_node(struct standin_conn *conn, json_t *node, const struct standin_request *r) {
	char *version = xasprintf("version=%lld", (long long)json_int_or(node, "Version.Index", 0));
	json_t *spec = json_loads(r->body, 0, NULL);

	if (strstr(r->path, version)) {
		json_object_set(node, "Spec", spec);
		json_object_set_new(json_object_get(node, "Version"), "Index",
				    json_integer(json_int_or(node, "Version.Index", 0) + 1));
		if (strcmp(json_str_or(spec, "Role", ""), "worker") == 0)
			json_object_del(node, "ManagerStatus");
		standin_answer(conn, 200, "");
	} else {
		refuse(conn, 500, "rpc error: code = Unknown desc = update out of sequence");
	}
	json_decref(spec);
	free(version);
}

static void serve_node(struct standin_conn *conn, const struct standin_request *r, const char *rest) {
	char *id = xstrndup(rest, strcspn(rest, "/?"));
	size_t index = 0;
	json_t *node = find_node(id, &index);

	if (!node)
		refuse(conn, 404, "node not found");
	else if (strcmp(r->method, "DELETE") == 0)
		delete_node(conn, id, index);
	else if (strcmp(r->method, "POST") == 0)
		update_node(conn, node, r);
	else
		answer_json(conn, node);
	free(id);
}

static const char *path_of(const struct standin_request *r) {
	const char *rest = strncmp(r->path, "/v1.", 4) == 0 ? strchr(r->path + 1, '/') : r->path;

	if (strcmp(r->method, "GET") != 0)
		log_line(xasprintf("%s %.*s", r->method, (int)strcspn(rest, "?"), rest));
	return rest;
}

/* True when the call was cancelled by the test at this request. */
static bool count_request(void) {
	if (w.free_after > 0 && --w.free_after == 0) {
		overlay_call_free(w.call);
		w.call = NULL;
		return true;
	}
	return false;
}

static bool serve_version(struct standin_conn *conn, const char *path) {
	if (strcmp(path, "/version") == 0)
		standin_answer(conn, 200, "{\"ApiVersion\":\"1.45\",\"MinAPIVersion\":\"1.24\",\"Version\":\"26.1.5\"}");
	return strcmp(path, "/version") == 0;
}

static void serve_manager(void *ctx, struct standin_conn *conn, const struct standin_request *r) {
	size_t index = (size_t)((struct standin *)ctx - w.manager);
	const char *path = path_of(r);

	if (count_request() || serve_version(conn, path))
		return;
	if (w.leaderless[index])
		refuse(conn, 500, "rpc error: code = Unknown desc = The swarm does not have a leader.");
	else if (strncmp(path, "/tasks", 6) == 0)
		answer_json(conn, w.tasks);
	else if (strncmp(path, "/nodes/", 7) == 0)
		serve_node(conn, r, path + 7);
	else if (strcmp(path, "/nodes") == 0)
		answer_json(conn, w.nodes);
	else if (strcmp(path, "/networks") == 0)
		standin_answer(conn, 200,
			       "[{\"Id\":\"n1\",\"Name\":\"ov\",\"Scope\":\"swarm\",\"Driver\":\"overlay\"},"
			       "{\"Id\":\"b\",\"Name\":\"bridge\",\"Scope\":\"local\",\"Driver\":\"bridge\"}]");
	else if (strcmp(path, "/swarm") == 0)
		standin_answer(conn, 200, "{\"ID\":\"s\",\"JoinTokens\":{\"Worker\":\"SWMTKN-1-w\",\"Manager\":\"SWMTKN-1-m\"}}");
	else
		refuse(conn, 404, "page not found");
}

/* The stand-in node. */

static json_t *task(const char *id, const char *container, const char *node, const char *address) {
	return json_pack("{s:s,s:s,s:s,s:{s:{s:s}},s:{s:s},s:[{s:{s:s,s:{s:s}},s:[s]}]}", "ID", id, "NodeID", node, "DesiredState",
			 "running", "Spec", "NetworkAttachmentSpec", "ContainerID", container, "Status", "State", "running",
			 "NetworksAttachments", "Network", "ID", "n1", "Spec", "Name", "ov", "Addresses", address);
}

static json_t *worker(const char *id, const char *hostname) {
	return json_pack("{s:s,s:{s:i},s:{s:s,s:s,s:{s:s}},s:{s:s},s:{s:s,s:s}}", "ID", id, "Version", "Index", 7, "Spec", "Role",
			 "worker", "Availability", "active", "Labels", "disk", "ssd", "Description", "Hostname", hostname, "Status",
			 "State", "ready", "Addr", "10.0.0.9");
}

static json_t *manager(const char *id, const char *hostname, const char *reachability) {
	json_t *n = worker(id, hostname);
	json_set_str(json_object_get(n, "Spec"), "Role", "manager");
	json_object_set_new(n, "ManagerStatus", json_pack("{s:s,s:s}", "Reachability", reachability, "Addr", "10.0.0.1:2377"));
	return n;
}

static void leave_swarm(void) {
	const char *id;
	json_t *c;

	w.state = "inactive";
	free(w.node_id);
	w.node_id = xstrdup("");
	json_object_foreach (w.containers, id, c) {
		if (json_bool_or(c, "Running", false))
			json_object_clear(json_object_get(c, "Networks"));
	}
}

static void join_swarm(struct standin_conn *conn, const struct standin_request *r) {
	json_t *body = json_loads(r->body, 0, NULL);

	assert_string_equal(json_str_or(body, "JoinToken", ""), "SWMTKN-1-w");
	assert_string_equal(json_str_or(body, "AdvertiseAddr", ""), "10.0.0.9");
	assert_string_equal(json_string_value(json_array_get(json_object_get(body, "RemoteAddrs"), 0)), "10.0.0.1:2377");
	json_decref(body);
	w.state = "active";
	free(w.node_id);
	w.node_id = xstrdup("node1again");
	json_t *n = worker("node1again", "h1");
	json_object_clear(json_object_get(json_object_get(n, "Spec"), "Labels"));
	json_array_append_new(w.nodes, n);
	standin_answer(conn, 200, "");
}

static void change_network(struct standin_conn *conn, const struct standin_request *r, bool connect) {
	json_t *body = json_loads(r->body, 0, NULL);
	const char *id = json_str_or(body, "Container", "");
	json_t *c = json_object_get(w.containers, id), *networks = json_object_get(c, "Networks");

	const json_t *node = find_node(w.node_id, NULL);
	if (connect && (!node || strcmp(json_str_or(node, "Spec.Availability", ""), "active") != 0)) {
		refuse(conn, 500, "attaching to network failed: context deadline exceeded");
	} else if (connect && w.connect_refusals > 0) {
		w.connect_refusals--;
		refuse(conn, 500, w.connect_words ? w.connect_words : "network ov not found");
	} else if (!connect) {
		json_object_del(networks, "ov");
		standin_answer(conn, 200, "");
	} else {
		json_t *e = json_deep_copy(json_object_get(body, "EndpointConfig"));
		bool running = json_bool_or(c, "Running", false);
		json_set_str(e, "EndpointID", running ? "e1" : "");
		json_set_str(e, "IPAddress", running ? json_str_or(e, "IPAMConfig.IPv4Address", "10.20.0.200") : "");
		json_object_set_new(networks, "ov", e);
		standin_answer(conn, 200, "");
	}
	json_decref(body);
}

static void serve_container(struct standin_conn *conn, const char *rest) {
	char *id = xstrndup(rest, strcspn(rest, "/"));
	json_t *c = json_object_get(w.containers, id);

	if (c) {
		json_t *j = json_pack("{s:s,s:s,s:{s:b,s:s},s:{},s:{},s:{s:O}}", "Id", id, "Name", "/by", "State", "Running",
				      json_bool_or(c, "Running", false), "Status", "x", "Config", "HostConfig", "NetworkSettings",
				      "Networks", json_object_get(c, "Networks"));
		answer_json(conn, j);
		json_decref(j);
	} else {
		refuse(conn, 404, "No such container");
	}
	free(id);
}

static void serve_info(struct standin_conn *conn) {
	char *text = xasprintf(
		"{\"ID\":\"e\",\"Name\":\"h1\",\"Swarm\":{\"LocalNodeState\":\"%s\",\"NodeID\":\"%s\",\"NodeAddr\":\"%s\"}}",
		w.state, w.node_id, *w.node_id ? "10.0.0.9" : "");
	standin_answer(conn, 200, text);
	free(text);
}

static void serve_list(struct standin_conn *conn) {
	json_t *list = json_array(), *c;
	const char *id;

	json_object_foreach (w.containers, id, c)
		json_array_append_new(list, json_pack("{s:s}", "Id", id));
	answer_json(conn, list);
	json_decref(list);
}

static void serve_engine(void *ctx, struct standin_conn *conn, const struct standin_request *r) {
	const char *path = path_of(r);

	(void)ctx;
	if (count_request() || serve_version(conn, path))
		return;
	if (strcmp(path, "/info") == 0) {
		serve_info(conn);
	} else if (strncmp(path, "/containers/json", 16) == 0) {
		serve_list(conn);
	} else if (strncmp(path, "/containers/", 12) == 0) {
		serve_container(conn, path + 12);
	} else if (strncmp(path, "/swarm/leave", 12) == 0) {
		leave_swarm();
		standin_answer(conn, 200, "");
	} else if (strcmp(path, "/swarm/join") == 0) {
		join_swarm(conn, r);
	} else if (strcmp(path, "/networks/ov") == 0) {
		standin_answer(conn, 200,
			       w.deaf-- > 0 ? "{\"Id\":\"n1\",\"Name\":\"ov\"}"
					    : "{\"Id\":\"n1\",\"Name\":\"ov\",\"Peers\":[{\"Name\":\"x\",\"IP\":\"10.0.0.9\"}]}");
	} else {
		change_network(conn, r, strcmp(path, "/networks/ov/connect") == 0);
	}
}

static void serve_socket(void *ctx, struct standin_conn *conn, const struct standin_request *r) { (void)ctx, (void)conn, (void)r; }

/* The cluster. */

static struct engine *nth_manager(void *ctx, size_t i) {
	(void)ctx;
	return i < w.n_managers ? w.engines[i] : NULL;
}

static struct engine *engine_of(void *ctx, const char *node) {
	(void)ctx;
	return strcmp(node, "h1") == 0 ? w.node_engine : NULL;
}

struct writing {
	uv_timer_t timer;
	void (*written)(void *user, int result);
	void *user;
};

static void on_written(uv_timer_t *timer) {
	struct writing *wr = timer->data;
	wr->written(wr->user, w.remember_result);
	uv_close((uv_handle_t *)timer, control_closed);
}

static void remember(void *ctx, const char *node, const char *text, void (*written)(void *user, int result), void *user) {
	struct writing *wr = xnew(struct writing);

	(void)ctx;
	log_line(xasprintf("remember %s", node));
	assert_null(strstr(text, "SWMTKN"));
	json_decref(w.record);
	w.record = json_loads(text, 0, NULL);
	assert_non_null(w.record);
	*wr = (struct writing){.written = written, .user = user};
	wr->timer.data = wr;
	uv_timer_init(&w.loop, &wr->timer);
	uv_timer_start(&wr->timer, on_written, 0, 0);
	if (count_request())
		return;
}

static struct engine *new_engine(const char *name, int port) {
	struct engine *e = NULL;
	char url[64];
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", port);
	assert_int_equal(engine_new(w.http, name, url, NULL, &e, NULL), 0);
	return e;
}

static json_t *bystander(bool running) {
	return json_pack("{s:b,s:{s:{s:{s:s},s:[s,s],s:s,s:s,s:s}}}", "Running", running, "Networks", "ov", "IPAMConfig",
			 "IPv4Address", "10.20.0.51", "Aliases", "friend", "bbbbbbbbbbbb", "NetworkID", "n1", "EndpointID",
			 running ? "e0" : "", "IPAddress", running ? "10.20.0.51" : "");
}

static int set_up(void **state) {
	(void)state;
	alarm(60);
	memset(&w, 0, sizeof(w));
	assert_int_equal(uv_loop_init(&w.loop), 0);
	assert_int_equal(http_client_new(&w.loop, &w.http, NULL), 0);
	for (size_t i = 0; i < 2; i++) {
		standin_listen(&w.manager[i], &w.loop, NULL, serve_manager, &w.manager[i]);
		w.engines[i] = new_engine(i == 0 ? "h2" : "h3", w.manager[i].port);
	}
	standin_listen(&w.node, &w.loop, NULL, serve_engine, NULL);
	w.node_engine = new_engine("h1", w.node.port);
	w.n_managers = 1;
	snprintf(w.socket_path, sizeof(w.socket_path), "/tmp/heir-test-overlay-%d.sock", getpid());
	standin_listen(&w.socket, &w.loop, w.socket_path, serve_socket, NULL);
	w.cluster = (struct overlay_cluster){.http = w.http, .manager = nth_manager, .engine = engine_of, .remember = remember};
	char *url = xasprintf("unix://%s", w.socket_path);
	strs_add(&w.cluster.control, url);
	free(url);
	w.tasks = json_array();
	json_array_append_new(w.tasks, task("t-web", WEB, "node1", "10.20.0.50/24"));
	json_array_append_new(w.tasks, task("t-by", BY, "node1", "10.20.0.51/24"));
	w.nodes = json_array();
	json_array_append_new(w.nodes, worker("node1", "h1"));
	json_array_append_new(w.nodes, manager("node2", "h2", "reachable"));
	w.log = json_array();
	w.state = "active";
	w.node_id = xstrdup("node1");
	w.containers = json_object();
	json_object_set_new(w.containers, BY, bystander(true));
	return 0;
}

static int tear_down(void **state) {
	(void)state;
	overlay_call_free(w.call);
	for (size_t i = 0; i < 2; i++) {
		engine_free(w.engines[i]);
		standin_stop(&w.manager[i]);
	}
	engine_free(w.node_engine);
	standin_stop(&w.node);
	standin_stop(&w.socket);
	http_client_free(w.http);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	strs_clear(&w.cluster.control);
	json_decref(w.tasks);
	json_decref(w.nodes);
	json_decref(w.log);
	json_decref(w.record);
	json_decref(w.containers);
	free(w.node_id);
	free(w.detail);
	(void)unlink(w.socket_path); /* libuv has done it already */
	return 0;
}

static void on_done(void *ctx, const struct overlay_result *result) {
	(void)ctx;
	w.done++;
	w.result = *result;
	free(w.detail);
	w.detail = xstrdup(result->detail ? result->detail : "");
	overlay_call_free(w.call); /* does nothing here */
	w.call = NULL;
}

typedef struct overlay_call *op_fn(struct overlay_cluster *, const struct overlay_ask *, overlay_done_fn *, void *);

static void begin_at(op_fn *op, const struct overlay_address *addresses, size_t n) {
	struct strs copies = {0};
	strs_add(&copies, WEB);
	struct overlay_ask ask = {.addresses = addresses,
				  .n = n,
				  .copies = &copies,
				  .own = NEW,
				  .node = "h1",
				  .swarm_node = "node1",
				  .by_node_removal = !w.keep_node,
				  .deadline = span_sec(20)};
	w.done = 0;
	w.call = op(&w.cluster, &ask, on_done, NULL);
	strs_clear(&copies);
	assert_int_equal(w.done, 0); /* never inside the call */
}

static void begin(op_fn *op) {
	const struct overlay_address address = {"ov", "n1", "10.20.0.50", NULL};
	begin_at(op, &address, 1);
}

static void finish(void) {
	RUN_UNTIL(&w.loop, w.done > 0);
	assert_int_equal(w.done, 1);
}

static void perform(op_fn *op) {
	begin(op);
	finish();
}

static void expect_outcome(enum overlay_outcome outcome) {
	if (w.result.outcome != outcome)
		fail_msg("expected outcome %d, got %d: %s", (int)outcome, (int)w.result.outcome, w.detail);
}

static void expect_detail(const char *part) {
	if (!strstr(w.detail, part))
		fail_msg("expected a detail with \"%s\", got \"%s\"", part, w.detail);
}

static void expect_log(const char *expected) {
	struct buf b = {0};
	size_t i;
	json_t *line;
	json_array_foreach (w.log, i, line)
		buf_printf(&b, "%s%s", i > 0 ? ", " : "", json_string_value(line));
	assert_string_equal(b.data ? b.data : "", expected);
	buf_clear(&b);
}

static void set_control(const char *url) {
	strs_clear(&w.cluster.control);
	if (url)
		strs_add(&w.cluster.control, url);
}

static void without_socket(bool remove_node) {
	set_control("unix:///nowhere/control.sock");
	w.control[0] = ENGINE_NOT_SENT;
	w.cluster.remove_node = remove_node;
}

/* ready */

static void a_socket_that_accepts_and_a_manager_that_answers_are_ready(void **state) {
	(void)state;
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_OK);
	assert_false(w.result.by_node_removal);
	expect_log("");
}

static void without_a_socket_ready_says_what_is_missing(void **state) {
	(void)state;
	without_socket(false);
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_MISSING);
	assert_string_equal(w.detail,
			    "no swarm control socket can be reached (unix:///nowhere/control.sock: No such file or directory) and "
			    "swarm.remove_node is off");
	set_control(NULL);
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_MISSING);
	expect_detail("no swarm control socket is configured");
}

static void a_socket_nobody_listens_on_is_no_socket(void **state) {
	(void)state;
	set_control("/tmp");
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_MISSING);
	expect_detail("/tmp: Connection refused");
}

static void a_dead_worker_may_be_removed_where_that_is_allowed(void **state) {
	(void)state;
	without_socket(true);
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_OK);
	assert_true(w.result.by_node_removal);
	expect_log("");
}

static void set_managers(size_t reachable, size_t unreachable) {
	json_array_clear(w.nodes);
	json_array_append_new(w.nodes, manager("node1", "h1", "unreachable"));
	for (size_t i = 0; i < reachable + unreachable; i++) {
		char *id = xasprintf("m%zu", i);
		json_array_append_new(w.nodes, manager(id, id, i < reachable ? "reachable" : "unreachable"));
		free(id);
	}
}

static void a_dead_manager_may_be_removed_only_where_a_quorum_survives(void **state) {
	static const struct {
		const char *what;
		size_t reachable, unreachable;
		enum overlay_outcome outcome;
	} cases[] = {
		{"it was the only one", 0, 0, OVERLAY_MISSING},
		{"one of two", 1, 0, OVERLAY_MISSING},
		{"one of three", 2, 0, OVERLAY_OK},
		{"two of three are lost", 1, 1, OVERLAY_MISSING},
		{"two of five are lost", 3, 1, OVERLAY_OK},
		{"three of five are lost", 2, 2, OVERLAY_MISSING},
	};
	(void)state;
	without_socket(true);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_managers(cases[i].reachable, cases[i].unreachable);
		perform(overlay_swarm.ready);
		if (w.result.outcome != cases[i].outcome)
			fail_msg("%s: expected %d, got %d: %s", cases[i].what, cases[i].outcome, w.result.outcome, w.detail);
	}
}

static void a_node_that_is_gone_already_holds_nothing(void **state) {
	(void)state;
	without_socket(false);
	json_array_remove(w.nodes, 0);
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_OK);
	assert_false(w.result.by_node_removal);
}

static void nobody_to_ask_is_not_done(void **state) {
	(void)state;
	w.n_managers = 0;
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_NOT_DONE);
	assert_string_equal(w.detail, "no swarm manager answers");
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_NOT_DONE);
	perform(overlay_swarm.holders);
	expect_outcome(OVERLAY_NOT_DONE);
	assert_int_equal(w.result.holder, OVERLAY_HOLDER_UNKNOWN);
	expect_log("");
}

static void a_manager_without_a_leader_is_passed_over(void **state) {
	(void)state;
	w.n_managers = 2;
	w.leaderless[0] = true;
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_OK);
	w.leaderless[1] = true;
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_NOT_DONE);
	expect_detail("does not have a leader");
}

static void a_manager_that_says_nothing_gets_a_few_seconds_then_the_next_is_asked(void **state) {
	(void)state;
	w.n_managers = 2;
	w.manager[0].deaf = true;
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_OK);
	expect_log("RemoveTask t-web 0");
}

/* release */

static void release_removes_the_copies_tasks_and_no_other(void **state) {
	(void)state;
	json_t *elsewhere = task("t-web2", WEB, "node1", "10.21.0.50/24");
	json_set_str(json_object_get(json_array_get(json_object_get(elsewhere, "NetworksAttachments"), 0), "Network"), "ID", "n2");
	json_array_append_new(w.tasks, elsewhere);
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_OK);
	expect_detail("attachment task t-web removed in 0.");
	expect_log("RemoveTask t-web 0");
}

static void set_states(const char *state, const char *desired) {
	json_t *t = json_array_get(w.tasks, 0);
	json_set_str(json_object_get(t, "Status"), "State", state);
	json_set_str(t, "DesiredState", desired);
}

static void what_nobody_holds_counts_as_released(void **state) {
	(void)state;
	set_states("orphaned", "shutdown");
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_OK);
	expect_log("");
	perform(overlay_swarm.holders);
	assert_int_equal(w.result.holder, OVERLAY_HOLDER_NONE);
	set_states("failed", "running"); /* the swarm has not let go */
	perform(overlay_swarm.holders);
	assert_int_equal(w.result.holder, OVERLAY_HOLDER_COPY);
}

static void all_networks_of_a_container_are_released_at_once(void **state) {
	(void)state;
	const struct overlay_address addresses[] = {{"ov", "n1", "10.20.0.50", NULL}, {"ov2", "n2", "10.21.0.50", NULL}};
	json_t *second = task("t-web2", WEB, "node1", "10.21.0.50/24");
	json_set_str(json_object_get(json_array_get(json_object_get(second, "NetworksAttachments"), 0), "Network"), "ID", "n2");
	json_array_append_new(w.tasks, second);
	begin_at(overlay_swarm.release, addresses, 2);
	finish();
	expect_outcome(OVERLAY_OK);
	expect_log("RemoveTask t-web 0, RemoveTask t-web2 0");
}

static void the_next_socket_is_asked_when_one_does_not_do_it(void **state) {
	static const struct {
		const char *what;
		enum engine_outcome first, second;
		const char *error;
		enum overlay_outcome outcome;
	} cases[] = {
		{"nobody listens on the first", ENGINE_NOT_SENT, ENGINE_OK, NULL, OVERLAY_OK},
		{"the first falls silent", ENGINE_UNKNOWN, ENGINE_OK, NULL, OVERLAY_OK},
		{"the first may have done it", ENGINE_UNKNOWN, ENGINE_NOT_SENT, NULL, OVERLAY_UNKNOWN},
		{"the first may have done it, the second says no", ENGINE_UNKNOWN, ENGINE_REFUSED, NULL, OVERLAY_UNKNOWN},
		{"an answer that is none", ENGINE_BAD, ENGINE_NOT_SENT, NULL, OVERLAY_UNKNOWN},
		{"both say no", ENGINE_REFUSED, ENGINE_REFUSED, "permission denied", OVERLAY_REFUSED},
		{"neither has a leader", ENGINE_REFUSED, ENGINE_REFUSED, "The swarm does not have a leader", OVERLAY_NOT_DONE},
		{"they accept and then fail", ENGINE_NOT_SENT, ENGINE_NOT_SENT, NULL, OVERLAY_NOT_DONE},
	};
	(void)state;
	strs_add(&w.cluster.control, "unix:///second.sock");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_array_clear(w.tasks);
		json_array_append_new(w.tasks, task("t-web", WEB, "node1", "10.20.0.50/24"));
		w.control[0] = cases[i].first;
		w.control[1] = cases[i].second;
		w.control_error = cases[i].error;
		perform(overlay_swarm.release);
		if (w.result.outcome != cases[i].outcome)
			fail_msg("%s: expected %d, got %d: %s", cases[i].what, cases[i].outcome, w.result.outcome, w.detail);
	}
}

static void release_without_a_socket_changes_nothing_unless_allowed(void **state) {
	(void)state;
	without_socket(false);
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_MISSING);
	expect_detail("swarm.remove_node is off");
	expect_log("RemoveTask t-web 0"); /* not sent */
	assert_int_equal(json_array_size(w.nodes), 2);
}

static void release_removes_no_node_that_it_was_not_told_to(void **state) {
	(void)state;
	without_socket(true);
	w.keep_node = true;
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_MISSING);
	expect_detail("no swarm control socket can be reached");
	expect_log("RemoveTask t-web 0"); /* not sent */
	assert_int_equal(json_array_size(w.nodes), 2);
}

/* holders */

static void the_worst_holder_is_told(void **state) {
	static const struct {
		const char *what, *container, *address;
		enum overlay_holder holder;
	} cases[] = {
		{"nobody", WEB, "10.20.0.99/24", OVERLAY_HOLDER_NONE},
		{"ourselves", NEW, "10.20.0.50/24", OVERLAY_HOLDER_OWN},
		{"the old copy", WEB, "10.20.0.50/24", OVERLAY_HOLDER_COPY},
		{"somebody else", THIEF, "10.20.0.50/24", OVERLAY_HOLDER_OTHER},
		{"an address that only begins so", THIEF, "10.20.0.5/24", OVERLAY_HOLDER_NONE},
		{"IPv6, spelt otherwise", THIEF, "fd00:0:0::5/64", OVERLAY_HOLDER_OTHER},
	};
	const struct overlay_address address = {"ov", NULL, "10.20.0.50", "fd00::5"};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_array_clear(w.tasks);
		json_array_append_new(w.tasks, task("t1", cases[i].container, "node2", cases[i].address));
		begin_at(overlay_swarm.holders, &address, 1);
		finish();
		expect_outcome(OVERLAY_OK);
		if (w.result.holder != cases[i].holder)
			fail_msg("%s: expected %d, got %d: %s", cases[i].what, cases[i].holder, w.result.holder, w.detail);
	}
	json_array_append_new(w.tasks, task("t2", NEW, "node1", "10.20.0.50/24"));
	begin_at(overlay_swarm.holders, &address, 1);
	finish();
	assert_int_equal(w.result.holder, OVERLAY_HOLDER_OTHER);
	assert_string_equal(w.detail, "fd00::5 is held by another container " THIEF " on h2");
}

static void the_same_address_on_another_network_is_another_address(void **state) {
	(void)state;
	const struct overlay_address address = {"ov", "n9", "10.20.0.50", NULL};
	begin_at(overlay_swarm.holders, &address, 1);
	finish();
	assert_int_equal(w.result.holder, OVERLAY_HOLDER_NONE);
}

/* Node removal. */

static void a_node_is_recorded_before_it_is_removed(void **state) {
	(void)state;
	without_socket(true);
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_OK);
	expect_log("RemoveTask t-web 0, remember h1, DELETE /nodes/node1");
	assert_string_equal(json_str_or(w.record, "swarm_node", ""), "node1");
	assert_string_equal(json_str_or(w.record, "spec.Labels.disk", ""), "ssd");
	assert_int_equal(json_array_size(json_object_get(w.record, "attachments")), 2);
	perform(overlay_swarm.release); /* the second workload of the node */
	expect_outcome(OVERLAY_OK);
}

static void a_record_that_cannot_be_written_stops_the_removal(void **state) {
	(void)state;
	without_socket(true);
	w.remember_result = -ENOSPC;
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_NOT_DONE);
	expect_detail("No space left on device");
	expect_log("RemoveTask t-web 0, remember h1");
}

static void a_node_that_is_not_down_yet_is_tried_again(void **state) {
	(void)state;
	without_socket(true);
	w.not_down = 2;
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_OK);
	expect_log("RemoveTask t-web 0, remember h1, DELETE /nodes/node1, DELETE /nodes/node1, DELETE /nodes/node1");
}

static void a_manager_is_demoted_first_and_its_role_kept(void **state) {
	(void)state;
	without_socket(true);
	set_managers(2, 0);
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_OK);
	expect_log("RemoveTask t-web 0, remember h1, POST /nodes/node1/update, DELETE /nodes/node1");
	assert_string_equal(json_str_or(w.record, "spec.Role", ""), "manager");
}

static void a_removal_interrupted_after_the_demotion_still_records_a_manager(void **state) {
	(void)state;
	without_socket(true);
	set_managers(2, 0);
	w.not_down = 1000;
	begin(overlay_swarm.release);
	RUN_UNTIL(&w.loop, w.not_down < 1000);
	overlay_call_free(w.call);
	json_decref(w.record);
	w.record = NULL;
	w.not_down = 0;
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_OK);
	assert_string_equal(json_str_or(w.record, "spec.Role", ""), "manager");
	assert_null(json_object_get(json_at(w.record, "spec.Labels"), RECORD_ROLE_LABEL));
	assert_string_equal(json_str_or(w.record, "spec.Labels.disk", ""), "ssd");
}

static void a_manager_whose_loss_costs_the_quorum_stays(void **state) {
	(void)state;
	without_socket(true);
	set_managers(1, 0);
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_REFUSED);
	expect_detail("no quorum");
	assert_int_equal(json_array_size(w.nodes), 2);
}

static void removing_the_node_is_no_help_for_a_copy_elsewhere(void **state) {
	(void)state;
	without_socket(true);
	json_set_str(json_array_get(w.tasks, 0), "NodeID", "node2");
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_MISSING);
	expect_detail("node2, which is not h1");
	expect_log("RemoveTask t-web 0");
}

/* Restoring. */

static const char *const bare_record =
	"{\"version\":1,\"node\":\"h1\",\"swarm_node\":\"node1\",\"spec\":{\"Labels\":{\"disk\":\"ssd\"},\"Role\":\"manager\","
	"\"Availability\":\"pause\"},\"attachments\":[{\"container\":\"" BY
	"\",\"network\":\"ov\",\"network_id\":\"n1\",\"addresses\":[\"10.20.0.51/24\"]},{\"container\":\"" WEB
	"\",\"network\":\"ov\",\"network_id\":\"n1\",\"addresses\":[\"10.20.0.50/24\"]}]}";

static void removed_node(void) {
	json_array_remove(w.nodes, 0);
	json_array_clear(w.tasks);
}

static void begin_restore(void) {
	char *text = w.record ? json_text(w.record) : xstrdup(bare_record);
	w.done = 0;
	w.call = overlay_swarm.restore(&w.cluster, "h1", text, on_done, NULL);
	free(text);
}

static void restore(void) {
	begin_restore();
	finish();
}

static void expect_restored(void) {
	const json_t *node = find_node("node1again", NULL), *e = json_at(json_object_get(w.containers, BY), "Networks.ov");
	expect_outcome(OVERLAY_OK);
	assert_non_null(node);
	assert_string_equal(json_str_or(node, "Spec.Labels.disk", ""), "ssd");
	assert_string_equal(json_str_or(node, "Spec.Role", ""), "manager");
	assert_string_equal(json_str_or(node, "Spec.Availability", ""), "pause");
	assert_string_equal(json_str_or(e, "IPAMConfig.IPv4Address", ""), "10.20.0.51");
	assert_int_equal(json_array_size(json_object_get(e, "Aliases")), 1);
	assert_string_equal(json_string_value(json_array_get(json_object_get(e, "Aliases"), 0)), "friend");
}

static void a_removed_node_gets_its_place_back(void **state) {
	(void)state;
	removed_node();
	restore();
	expect_restored();
	expect_log("remember h1, POST /swarm/leave, POST /swarm/join, POST /nodes/node1again/update, POST /networks/ov/connect, "
		   "POST /nodes/node1again/update");
	expect_detail("h1 is a member again (manager, pause), 1 attachments given back");
	json_array_clear(w.log);
	restore(); /* again: all is there */
	expect_restored();
	expect_log("");
}

static void a_stopped_container_keeps_what_the_leave_does_not_touch(void **state) {
	(void)state;
	removed_node();
	json_object_set_new(w.containers, BY, bystander(false));
	restore();
	expect_outcome(OVERLAY_OK);
	expect_log(
		"remember h1, POST /swarm/leave, POST /swarm/join, POST /nodes/node1again/update, POST /nodes/node1again/update");
}

static void restoring_survives_an_interruption_at_every_request(void **state) {
	(void)state;
	for (size_t at = 1; at < 100; at++) {
		tear_down(NULL);
		set_up(NULL);
		removed_node();
		w.free_after = at;
		begin_restore();
		RUN_UNTIL(&w.loop, w.done > 0 || !w.call);
		if (w.done > 0) {
			assert_true(at > 10);
			return;
		}
		w.free_after = 0;
		restore();
		expect_restored();
	}
	fail_msg("it never ended");
}

static void removing_survives_an_interruption_at_every_request(void **state) {
	(void)state;
	for (size_t at = 1; at < 100; at++) {
		tear_down(NULL);
		set_up(NULL);
		without_socket(true);
		set_managers(2, 0);
		w.free_after = at;
		begin(overlay_swarm.release);
		RUN_UNTIL(&w.loop, w.done > 0 || !w.call);
		if (w.done > 0) {
			assert_true(at > 4);
			return;
		}
		w.free_after = 0;
		perform(overlay_swarm.release);
		expect_outcome(OVERLAY_OK);
		assert_null(find_node("node1", NULL));
		assert_string_equal(json_str_or(w.record, "spec.Role", ""), "manager");
	}
	fail_msg("it never ended");
}

static void a_network_that_the_worker_does_not_know_yet_is_tried_again(void **state) {
	(void)state;
	removed_node();
	w.connect_refusals = 1;
	restore();
	expect_restored();
}

static void a_paused_node_is_made_active_while_something_is_attached(void **state) {
	(void)state;
	removed_node();
	restore();
	json_object_clear(json_at(json_object_get(w.containers, BY), "Networks"));
	json_array_clear(w.log);
	restore();
	expect_restored();
	expect_log("POST /nodes/node1again/update, POST /networks/ov/connect, POST /nodes/node1again/update");
}

static void an_engine_that_does_not_gossip_is_not_done(void **state) {
	(void)state;
	removed_node();
	w.deaf = 2;
	restore();
	expect_restored();
	w.deaf = 1000;
	restore();
	expect_outcome(OVERLAY_NOT_DONE);
	expect_detail("has to be restarted");
}

static void an_attachment_that_keeps_failing_is_not_done(void **state) {
	(void)state;
	removed_node();
	w.connect_refusals = 1000;
	w.connect_words = "something is broken";
	restore();
	expect_outcome(OVERLAY_NOT_DONE);
	expect_detail("something is broken");
}

static void an_address_that_another_has_now_stays_with_it(void **state) {
	(void)state;
	removed_node();
	json_array_append_new(w.tasks, task("t-thief", THIEF, "node2", "10.20.0.51/24"));
	restore();
	expect_outcome(OVERLAY_OK);
	expect_detail("by stays off ov: 10.20.0.51 is held by dddddddddddd");
	assert_null(json_at(json_object_get(w.containers, BY), "Networks.ov"));
}

static void a_node_that_never_was_removed_only_gets_its_role_back(void **state) {
	(void)state;
	restore();
	expect_outcome(OVERLAY_OK);
	expect_log("POST /nodes/node1/update, POST /nodes/node1/update");
	assert_string_equal(json_str_or(find_node("node1", NULL), "Spec.Role", ""), "manager");
}

static void a_node_of_a_foreign_swarm_is_left_alone(void **state) {
	(void)state;
	removed_node();
	free(w.node_id);
	w.node_id = xstrdup("foreign");
	restore();
	expect_outcome(OVERLAY_REFUSED);
	expect_detail("node foreign, which the managers here do not know");
	expect_log("");
}

static void nothing_leaves_the_swarm_unrecorded(void **state) {
	(void)state;
	removed_node();
	w.remember_result = -EIO;
	restore();
	expect_outcome(OVERLAY_NOT_DONE);
	expect_log("remember h1");
}

static void a_locked_swarm_and_an_unknown_node_are_refused(void **state) {
	(void)state;
	w.state = "locked";
	restore();
	expect_outcome(OVERLAY_REFUSED);
	w.call = overlay_swarm.restore(&w.cluster, "h9", bare_record, on_done, NULL);
	w.done = 0;
	finish();
	expect_outcome(OVERLAY_REFUSED);
	expect_log("");
}

static void a_node_that_does_not_answer_is_not_done(void **state) {
	(void)state;
	engine_free(w.node_engine);
	w.node_engine = new_engine("h1", 1);
	restore();
	expect_outcome(OVERLAY_NOT_DONE);
	expect_detail("Connection refused");
}

static void a_bad_record_is_refused(void **state) {
	static const char *const bad[] = {
		"",
		"[]",
		"{\"version\":2,\"swarm_node\":\"x\",\"spec\":{}}",
		"{\"version\":1,\"spec\":{}}",
		"{\"version\":1,\"swarm_node\":\"x\"}",
		"{\"version\":1,\"swarm_node\":\"x\",\"spec\":{},\"attachments\":{}}",
		"{\"version\":1,\"swarm_node\":\"x\",\"spec\":[]}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		w.done = 0;
		w.call = overlay_swarm.restore(&w.cluster, "h1", bad[i], on_done, NULL);
		finish();
		expect_outcome(OVERLAY_REFUSED);
		expect_detail("record of a removed node");
	}
	expect_log("");
}

/* The call. */

static void a_cancelled_call_says_nothing(void **state) {
	(void)state;
	op_fn *const ops[] = {overlay_swarm.ready, overlay_swarm.release, overlay_swarm.holders};
	for (size_t i = 0; i < 3; i++) {
		begin(ops[i]);
		overlay_call_free(w.call);
		begin(ops[i]);
		uv_run(&w.loop, UV_RUN_ONCE);
		overlay_call_free(w.call);
		begin(ops[i]);
		RUN_UNTIL(&w.loop, w.calls || w.done > 0);
		overlay_call_free(w.call);
		w.call = NULL;
	}
	overlay_call_free(NULL);
	assert_true(w.done <= 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		T(a_socket_that_accepts_and_a_manager_that_answers_are_ready),
		T(without_a_socket_ready_says_what_is_missing),
		T(a_socket_nobody_listens_on_is_no_socket),
		T(a_dead_worker_may_be_removed_where_that_is_allowed),
		T(a_dead_manager_may_be_removed_only_where_a_quorum_survives),
		T(a_node_that_is_gone_already_holds_nothing),
		T(nobody_to_ask_is_not_done),
		T(a_manager_without_a_leader_is_passed_over),
		T(a_manager_that_says_nothing_gets_a_few_seconds_then_the_next_is_asked),
		T(release_removes_the_copies_tasks_and_no_other),
		T(what_nobody_holds_counts_as_released),
		T(all_networks_of_a_container_are_released_at_once),
		T(the_next_socket_is_asked_when_one_does_not_do_it),
		T(release_without_a_socket_changes_nothing_unless_allowed),
		T(release_removes_no_node_that_it_was_not_told_to),
		T(the_worst_holder_is_told),
		T(the_same_address_on_another_network_is_another_address),
		T(a_node_is_recorded_before_it_is_removed),
		T(a_record_that_cannot_be_written_stops_the_removal),
		T(a_node_that_is_not_down_yet_is_tried_again),
		T(a_manager_is_demoted_first_and_its_role_kept),
		T(a_removal_interrupted_after_the_demotion_still_records_a_manager),
		T(a_manager_whose_loss_costs_the_quorum_stays),
		T(removing_the_node_is_no_help_for_a_copy_elsewhere),
		T(a_removed_node_gets_its_place_back),
		T(a_stopped_container_keeps_what_the_leave_does_not_touch),
		T(restoring_survives_an_interruption_at_every_request),
		T(removing_survives_an_interruption_at_every_request),
		T(a_network_that_the_worker_does_not_know_yet_is_tried_again),
		T(a_paused_node_is_made_active_while_something_is_attached),
		T(an_engine_that_does_not_gossip_is_not_done),
		T(an_attachment_that_keeps_failing_is_not_done),
		T(an_address_that_another_has_now_stays_with_it),
		T(a_node_that_never_was_removed_only_gets_its_role_back),
		T(a_node_of_a_foreign_swarm_is_left_alone),
		T(nothing_leaves_the_swarm_unrecorded),
		T(a_locked_swarm_and_an_unknown_node_are_refused),
		T(a_node_that_does_not_answer_is_not_done),
		T(a_bad_record_is_refused),
		T(a_cancelled_call_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
