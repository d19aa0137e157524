/* A stand-in swarm: managers, the engine of a node (h1), and control sockets. The control socket's RemoveTask is replaced here: it
 * speaks HTTP/2 over TLS, and what matters is what is made of its answers. RemoveTask and remember are in the log too. */
#ifndef TESTS_SWARMLAB_H
#define TESTS_SWARMLAB_H

#include "engine/control.h"
#include "overlay-rig.h"

static struct world {
	struct standin manager[2], node, socket;
	struct engine *engines[2], *node_engine;
	size_t n_managers;
	bool leaderless[2];
	char socket_path[64];

	/* the swarm */
	json_t *tasks, *nodes;
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
} w;

/* The stand-in control socket. */

struct control_call {
	uv_timer_t timer;
	struct engine_cb cb;
	size_t socket;
	char *task;
	struct control_call *prev, *next;
};

static inline void control_closed(uv_handle_t *h) { free(h->data); }

void control_call_free(struct control_call *call) {
	if (!call)
		return;
	DL_DELETE(w.calls, call);
	free(call->task);
	uv_close((uv_handle_t *)&call->timer, control_closed);
}

static inline void drop_task(const char *id) {
	size_t i;
	json_t *t;
	json_array_foreach (w.tasks, i, t) {
		if (strcmp(json_str_or(t, "ID", ""), id) == 0) {
			json_array_remove(w.tasks, i);
			return;
		}
	}
}

static inline void control_answers(uv_timer_t *timer) {
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
	for (call->socket = 0; strcmp(rig.cluster.control.v[call->socket], socket) != 0;)
		call->socket++;
	call->cb = cb;
	call->task = xstrdup(task_id);
	call->timer.data = call;
	uv_timer_init(&rig.loop, &call->timer);
	uv_timer_start(&call->timer, control_answers, 0, 0);
	DL_APPEND(w.calls, call);
	return call;
}

/* The stand-in managers. */

static inline json_t *find_node(const char *id, size_t *ret_index) {
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

static inline void drop_tasks_of(const char *node) {
	for (size_t i = json_array_size(w.tasks); i-- > 0;) {
		if (strcmp(json_str_or(json_array_get(w.tasks, i), "NodeID", ""), node) == 0)
			json_array_remove(w.tasks, i);
	}
}

static inline void delete_node(struct standin_conn *conn, const char *id, size_t index) {
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

static inline void update_node(struct standin_conn *conn, json_t *node, const struct standin_request *r) {
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

static inline void serve_node(struct standin_conn *conn, const struct standin_request *r, const char *rest) {
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

static inline void serve_manager(void *ctx, struct standin_conn *conn, const struct standin_request *r) {
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

static inline json_t *task(const char *id, const char *container, const char *node, const char *address) {
	return json_pack("{s:s,s:s,s:s,s:{s:{s:s}},s:{s:s},s:[{s:{s:s,s:{s:s}},s:[s]}]}", "ID", id, "NodeID", node, "DesiredState",
			 "running", "Spec", "NetworkAttachmentSpec", "ContainerID", container, "Status", "State", "running",
			 "NetworksAttachments", "Network", "ID", "n1", "Spec", "Name", "ov", "Addresses", address);
}

static inline json_t *worker(const char *id, const char *hostname) {
	return json_pack("{s:s,s:{s:i},s:{s:s,s:s,s:{s:s}},s:{s:s},s:{s:s,s:s}}", "ID", id, "Version", "Index", 7, "Spec", "Role",
			 "worker", "Availability", "active", "Labels", "disk", "ssd", "Description", "Hostname", hostname, "Status",
			 "State", "ready", "Addr", "10.0.0.9");
}

static inline json_t *manager(const char *id, const char *hostname, const char *reachability) {
	json_t *n = worker(id, hostname);
	json_set_str(json_object_get(n, "Spec"), "Role", "manager");
	json_object_set_new(n, "ManagerStatus", json_pack("{s:s,s:s}", "Reachability", reachability, "Addr", "10.0.0.1:2377"));
	return n;
}

static inline void leave_swarm(void) {
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

static inline void join_swarm(struct standin_conn *conn, const struct standin_request *r) {
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

static inline void change_network(struct standin_conn *conn, const struct standin_request *r, bool connect) {
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

static inline void serve_container(struct standin_conn *conn, const char *rest) {
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

static inline void serve_info(struct standin_conn *conn) {
	char *text = xasprintf(
		"{\"ID\":\"e\",\"Name\":\"h1\",\"Swarm\":{\"LocalNodeState\":\"%s\",\"NodeID\":\"%s\",\"NodeAddr\":\"%s\"}}",
		w.state, w.node_id, *w.node_id ? "10.0.0.9" : "");
	standin_answer(conn, 200, text);
	free(text);
}

static inline void serve_list(struct standin_conn *conn) {
	json_t *list = json_array(), *c;
	const char *id;

	json_object_foreach (w.containers, id, c)
		json_array_append_new(list, json_pack("{s:s}", "Id", id));
	answer_json(conn, list);
	json_decref(list);
}

static inline void serve_engine(void *ctx, struct standin_conn *conn, const struct standin_request *r) {
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

static inline void serve_socket(void *ctx, struct standin_conn *conn, const struct standin_request *r) {
	(void)ctx, (void)conn, (void)r;
}

/* The cluster. */

static inline struct engine *nth_manager(void *ctx, size_t i) {
	(void)ctx;
	return i < w.n_managers ? w.engines[i] : NULL;
}

static inline struct engine *engine_of(void *ctx, const char *node) {
	(void)ctx;
	return strcmp(node, "h1") == 0 ? w.node_engine : NULL;
}

struct writing {
	uv_timer_t timer;
	void (*written)(void *user, int result);
	void *user;
};

static inline void on_written(uv_timer_t *timer) {
	struct writing *wr = timer->data;
	wr->written(wr->user, w.remember_result);
	uv_close((uv_handle_t *)timer, control_closed);
}

static inline void remember(void *ctx, const char *node, const char *text, void (*written)(void *user, int result), void *user) {
	struct writing *wr = xnew(struct writing);

	(void)ctx;
	log_line(xasprintf("remember %s", node));
	assert_null(strstr(text, "SWMTKN"));
	json_decref(w.record);
	w.record = json_loads(text, 0, NULL);
	assert_non_null(w.record);
	*wr = (struct writing){.written = written, .user = user};
	wr->timer.data = wr;
	uv_timer_init(&rig.loop, &wr->timer);
	uv_timer_start(&wr->timer, on_written, 0, 0);
	if (count_request())
		return;
}

static inline json_t *bystander(bool running) {
	return json_pack("{s:b,s:{s:{s:{s:s},s:[s,s],s:s,s:s,s:s}}}", "Running", running, "Networks", "ov", "IPAMConfig",
			 "IPv4Address", "10.20.0.51", "Aliases", "friend", "bbbbbbbbbbbb", "NetworkID", "n1", "EndpointID",
			 running ? "e0" : "", "IPAddress", running ? "10.20.0.51" : "");
}

static inline int set_up(void **state) {
	(void)state;
	rig_open();
	memset(&w, 0, sizeof(w));
	for (size_t i = 0; i < 2; i++) {
		standin_listen(&w.manager[i], &rig.loop, NULL, serve_manager, &w.manager[i]);
		w.engines[i] = new_engine(i == 0 ? "h2" : "h3", w.manager[i].port);
	}
	standin_listen(&w.node, &rig.loop, NULL, serve_engine, NULL);
	w.node_engine = new_engine("h1", w.node.port);
	w.n_managers = 1;
	snprintf(w.socket_path, sizeof(w.socket_path), "/tmp/heir-test-overlay-%d.sock", getpid());
	standin_listen(&w.socket, &rig.loop, w.socket_path, serve_socket, NULL);
	rig.cluster = (struct overlay_cluster){.http = rig.http, .manager = nth_manager, .engine = engine_of, .remember = remember};
	char *url = xasprintf("unix://%s", w.socket_path);
	strs_add(&rig.cluster.control, url);
	free(url);
	w.tasks = json_array();
	json_array_append_new(w.tasks, task("t-web", WEB, "node1", "10.20.0.50/24"));
	json_array_append_new(w.tasks, task("t-by", BY, "node1", "10.20.0.51/24"));
	w.nodes = json_array();
	json_array_append_new(w.nodes, worker("node1", "h1"));
	json_array_append_new(w.nodes, manager("node2", "h2", "reachable"));
	w.state = "active";
	w.node_id = xstrdup("node1");
	w.containers = json_object();
	json_object_set_new(w.containers, BY, bystander(true));
	return 0;
}

static inline int tear_down(void **state) {
	(void)state;
	overlay_call_free(rig.call);
	for (size_t i = 0; i < 2; i++) {
		engine_free(w.engines[i]);
		standin_stop(&w.manager[i]);
	}
	engine_free(w.node_engine);
	standin_stop(&w.node);
	standin_stop(&w.socket);
	rig_close();
	json_decref(w.tasks);
	json_decref(w.nodes);
	json_decref(w.record);
	json_decref(w.containers);
	free(w.node_id);
	(void)unlink(w.socket_path); /* libuv has done it already */
	return 0;
}

static inline void begin_at(op_fn *op, const struct overlay_address *addresses, size_t n) {
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
	rig.done = 0;
	rig.call = op(&rig.cluster, &ask, on_done, NULL);
	strs_clear(&copies);
	assert_int_equal(rig.done, 0); /* never inside the call */
}

static inline void begin(op_fn *op) {
	const struct overlay_address address = {"ov", "n1", "10.20.0.50", NULL};
	begin_at(op, &address, 1);
}

static inline void perform(op_fn *op) {
	begin(op);
	finish();
}

static inline void set_control(const char *url) {
	strs_clear(&rig.cluster.control);
	if (url)
		strs_add(&rig.cluster.control, url);
}

static inline void without_socket(bool remove_node) {
	set_control("unix:///nowhere/control.sock");
	w.control[0] = ENGINE_NOT_SENT;
	rig.cluster.remove_node = remove_node;
}

static inline void set_managers(size_t reachable, size_t unreachable) {
	json_array_clear(w.nodes);
	json_array_append_new(w.nodes, manager("node1", "h1", "unreachable"));
	for (size_t i = 0; i < reachable + unreachable; i++) {
		char *id = xasprintf("m%zu", i);
		json_array_append_new(w.nodes, manager(id, id, i < reachable ? "reachable" : "unreachable"));
		free(id);
	}
}

#endif
