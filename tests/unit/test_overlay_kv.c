/* The key/value kind of overlay against stand-in engines that share a store. As real ones do, each lists its own containers by
 * their ID and those of other hosts by their endpoint, and takes the container of a name among its own before any other. */
#include "overlay-rig.h"

#define NODES 3

/* One endpoint in the store. */
struct endpoint {
	const char *host, *id, *name, *network, *ip, *ip6;
};

static const struct endpoint old_web = {"h1", WEB, "web", "n1", "10.20.0.50", ""};

static struct world {
	struct standin servers[NODES];
	struct engine *engines[NODES];
	bool up[NODES];
	struct endpoint store[8];
	size_t n;
	/* What a disconnect meets, engine by engine. */
	enum { DOES, REFUSES, HANGS_UP, DOES_AND_HANGS_UP, PRETENDS, HAS_NONE } disconnects[NODES];
	size_t disconnected; /* so many were asked for */
	int unseen;          /* this engine has a `web` that nobody knows of yet; -1: none has */
	size_t heals_at;     /* from that one on all do as they are told; 0: never */
	struct strs names;
	const char *own, *own_node;
} w;

static const char *const nodes[NODES] = {"h1", "h2", "h3"};

static bool has_container(const char *node, const char *name);

static void store(struct endpoint e) { w.store[w.n++] = e; }

static void serve_network(struct standin_conn *conn, const char *node, const char *network) {
	json_t *users = json_object(), *j;

	for (size_t i = 0; i < w.n; i++) {
		const struct endpoint *e = &w.store[i];
		char *key CLEANUP_FREE = strcmp(e->host, node) == 0 ? xstrdup(e->id) : xasprintf("ep-%s", e->id);
		char *ip CLEANUP_FREE = xasprintf("%s%s", e->ip, *e->ip ? "/24" : "");
		char *ip6 CLEANUP_FREE = xasprintf("%s%s", e->ip6, *e->ip6 ? "/64" : "");
		if (strcmp(e->network, network) == 0)
			json_object_set_new(users, key,
					    json_pack("{s:s,s:s,s:s}", "Name", e->name, "IPv4Address", ip, "IPv6Address", ip6));
	}
	j = json_pack("{s:s,s:s,s:s,s:s,s:o}", "Id", network, "Name", "ov", "Driver", "overlay", "Scope", "global", "Containers",
		      users);
	answer_json(conn, j);
	json_decref(j);
}

/* Its own container of that name first, then anybody's. */
static void let_go(const char *node, const char *network, const char *name) {
	for (int own = 1; own >= 0; own--)
		for (size_t i = 0; i < w.n; i++) {
			const struct endpoint *e = &w.store[i];
			if (strcmp(e->name, name) != 0 || strcmp(e->network, network) != 0 || (own && strcmp(e->host, node) != 0))
				continue;
			w.store[i] = w.store[--w.n];
			return;
		}
}

static void serve_disconnect(struct standin_conn *conn, const struct standin_request *r, size_t i, const char *network) {
	json_t *body CLEANUP_JSON = json_loads(r->body, 0, NULL);
	const char *name = json_str_or(body, "Container", "");

	assert_true(json_bool_or(body, "Force", false));
	log_line(xasprintf("%s by %s", name, nodes[i]));
	w.disconnected++;
	if (w.disconnected == w.heals_at)
		memset(w.disconnects, 0, sizeof(w.disconnects));
	if (w.disconnects[i] == DOES || w.disconnects[i] == DOES_AND_HANGS_UP)
		let_go(nodes[i], network, name);
	if (w.disconnects[i] == DOES || w.disconnects[i] == PRETENDS)
		standin_answer(conn, 200, "");
	else if (w.disconnects[i] == REFUSES)
		refuse(conn, 500, "kv store: permission denied");
	else if (w.disconnects[i] == HAS_NONE)
		refuse(conn, 404, "No such container");
	else
		standin_close(conn);
}

/* What the manager has not seen yet is known to the engine all the same. */
static void serve_container(struct standin_conn *conn, size_t i, const char *name) {
	json_t *j CLEANUP_JSON = json_load_file("tests/unit/data/inspect-26.1.json", 0, NULL);

	assert_non_null(j);
	if (has_container(nodes[i], name) || (w.unseen == (int)i && strcmp(name, "web") == 0))
		answer_json(conn, j);
	else
		refuse(conn, 404, "No such container");
}

static void serve(void *ctx, struct standin_conn *conn, const struct standin_request *r) {
	size_t i = (size_t)((struct standin *)ctx - w.servers);
	const char *path = strncmp(r->path, "/v1.", 4) == 0 ? strchr(r->path + 1, '/') : r->path;

	if (count_request() || serve_version(conn, path))
		return;
	if (strncmp(path, "/containers/", 12) == 0) {
		char *name CLEANUP_FREE = xstrndup(path + 12, strcspn(path + 12, "/?"));
		serve_container(conn, i, name);
		return;
	}
	assert_int_equal(strncmp(path, "/networks/", 10), 0);
	char *network CLEANUP_FREE = xstrndup(path + 10, strcspn(path + 10, "/?"));
	if (strcmp(r->method, "POST") == 0)
		serve_disconnect(conn, r, i, network);
	else
		serve_network(conn, nodes[i], network);
}

static bool has_container(const char *node, const char *name) {
	for (size_t i = 0; i < w.n; i++)
		if (strcmp(w.store[i].host, node) == 0 && strcmp(w.store[i].name, name) == 0)
			return true;
	return false;
}

static struct engine *nth_kv(void *ctx, size_t i, const char *without) {
	(void)ctx;
	for (size_t k = 0; k < NODES; k++)
		if (w.up[k] && !(without && has_container(nodes[k], without)) && i-- == 0)
			return w.engines[k];
	return NULL;
}

/* What live engines show of their own. */
static bool is_foreign(void *ctx, const char *name, const char *ip, const struct strs *ours) {
	(void)ctx;
	for (size_t i = 0; i < w.n; i++)
		if (w.up[w.store[i].host[1] - '1'] && strcmp(w.store[i].name, name) == 0 && strcmp(w.store[i].ip, ip) == 0 &&
		    !strs_has(ours, w.store[i].id))
			return true;
	return false;
}

static struct engine *engine_of(void *ctx, const char *node) {
	(void)ctx;
	return w.engines[node[1] - '1'];
}

/* h1, where `web` ran, is dead. */
static int set_up(void **state) {
	(void)state;
	rig_open();
	memset(&w, 0, sizeof(w));
	for (size_t i = 0; i < NODES; i++) {
		standin_listen(&w.servers[i], &rig.loop, NULL, serve, &w.servers[i]);
		w.engines[i] = new_engine(nodes[i], w.servers[i].port);
		w.up[i] = i > 0;
	}
	rig.cluster =
		(struct overlay_cluster){.http = rig.http, .engine = engine_of, .kv_engine = nth_kv, .kv_foreign = is_foreign};
	strs_add(&w.names, "web");
	w.own = NEW;
	w.own_node = "h2";
	w.unseen = -1;
	return 0;
}

static int tear_down(void **state) {
	(void)state;
	overlay_call_free(rig.call);
	for (size_t i = 0; i < NODES; i++) {
		engine_free(w.engines[i]);
		standin_stop(&w.servers[i]);
	}
	rig_close();
	strs_clear(&w.names);
	return 0;
}

static void begin_at(op_fn *op, const struct overlay_address *addresses, size_t n, struct span deadline) {
	struct strs copies = {0};

	strs_add(&copies, WEB);
	const struct overlay_ask ask = {.addresses = addresses,
					.n = n,
					.copies = &copies,
					.names = &w.names,
					.own = w.own,
					.own_node = w.own_node,
					.node = "h1",
					.deadline = deadline};
	rig.done = 0;
	rig.call = op(&rig.cluster, &ask, on_done, NULL);
	strs_clear(&copies);
	assert_int_equal(rig.done, 0); /* never inside the call */
}

static void begin(op_fn *op) {
	const struct overlay_address address = {"ov", "n1", "10.20.0.50", NULL};
	begin_at(op, &address, 1, span_sec(20));
}

static void perform(op_fn *op) {
	begin(op);
	finish();
}

/* ready */

static void it_is_ready_when_an_engine_has_no_container_of_that_name(void **state) {
	(void)state;
	store(old_web);
	perform(overlay_kv.ready);
	expect_outcome(OVERLAY_OK);
	store((struct endpoint){"h2", NEW, "web", "n1", "10.20.0.7", ""});
	perform(overlay_kv.ready);
	expect_outcome(OVERLAY_OK);
	store((struct endpoint){"h3", THIEF, "web", "n1", "10.20.0.8", ""});
	perform(overlay_kv.ready);
	expect_outcome(OVERLAY_NOT_DONE);
	assert_string_equal(rig.detail, "no engine answers that has no container named \"web\"");
	expect_log("");
}

/* release */

static void the_endpoint_is_let_go_by_an_engine_that_has_no_container_of_that_name(void **state) {
	(void)state;
	store(old_web);
	store((struct endpoint){"h2", NEW, "web", "n1", "10.20.0.7", ""});
	perform(overlay_kv.release);
	expect_outcome(OVERLAY_OK);
	expect_log("web by h3");
	expect_detail("endpoint of \"web\" let go");
	assert_int_equal(w.n, 1);
	assert_string_equal(w.store[0].id, NEW);
}

static void an_engine_that_was_just_given_a_container_of_that_name_is_not_the_one(void **state) {
	(void)state;
	store(old_web);
	w.unseen = 1;
	perform(overlay_kv.release);
	expect_outcome(OVERLAY_OK);
	expect_log("web by h3");
}

static void the_endpoint_that_has_the_address_is_let_go_whatever_the_copy_is_called_now(void **state) {
	(void)state;
	store((struct endpoint){"h1", WEB, "web-stale-g1", "n1", "10.20.0.50", ""});
	strs_add(&w.names, "web-stale-g1");
	perform(overlay_kv.release);
	expect_outcome(OVERLAY_OK);
	expect_log("web-stale-g1 by h2");
}

static void what_nobody_holds_counts_as_released(void **state) {
	(void)state;
	store((struct endpoint){"h1", WEB, "web", "n1", "10.20.0.51", ""});
	perform(overlay_kv.release);
	expect_outcome(OVERLAY_OK);
	expect_log("");
}

static void what_a_stranger_or_the_new_one_holds_is_left_alone(void **state) {
	(void)state;
	store((struct endpoint){"h3", THIEF, "thief", "n1", "10.20.0.50", ""});
	perform(overlay_kv.release);
	expect_outcome(OVERLAY_OK);
	w.store[0] = (struct endpoint){"h2", NEW, "web", "n1", "10.20.0.50", ""};
	perform(overlay_kv.release);
	expect_outcome(OVERLAY_OK);
	expect_log("");
	assert_int_equal(w.n, 1);
}

static void a_container_that_was_put_in_the_old_ones_place_by_hand_is_left_alone(void **state) {
	(void)state;
	store((struct endpoint){"h3", THIEF, "web", "n1", "10.20.0.50", ""});
	perform(overlay_kv.release);
	expect_outcome(OVERLAY_OK);
	expect_log("");
	perform(overlay_kv.holders);
	assert_int_equal(rig.result.holder, OVERLAY_HOLDER_OTHER);
}

static void every_address_is_released_on_its_own_network(void **state) {
	static const struct overlay_address addresses[] = {
		{"ov", "n1", "10.20.0.50", NULL}, {"other", "n2", "10.30.0.50", NULL}, {"six", "n3", NULL, "fd00::50"}};

	(void)state;
	store(old_web);
	store((struct endpoint){"h1", WEB, "web", "n2", "10.30.0.50", ""});
	store((struct endpoint){"h1", WEB, "web", "n3", "10.40.0.50", "fd00::50"});
	store((struct endpoint){"h1", WEB, "web", "n4", "10.20.0.50", ""});
	begin_at(overlay_kv.release, addresses, 3, span_sec(20));
	finish();
	expect_outcome(OVERLAY_OK);
	expect_log("web by h2, web by h2, web by h2");
	assert_int_equal(w.n, 1);
	assert_string_equal(w.store[0].network, "n4");
}

static void the_store_is_believed_and_not_the_answer_to_the_disconnect(void **state) {
	static const struct {
		const char *what;
		int first, second; /* h2's, h3's */
		enum overlay_outcome outcome;
		const char *log;
	} cases[] = {
		{"done, and not heard of", DOES_AND_HANGS_UP, DOES, OVERLAY_OK, "web by h2"},
		{"not done, and the next one does", HANGS_UP, DOES, OVERLAY_OK, "web by h2, web by h3"},
		{"a definite no", REFUSES, DOES, OVERLAY_REFUSED, "web by h2"},
		{"said to be done, and the next one does", PRETENDS, DOES, OVERLAY_OK, "web by h2, web by h3"},
		{"not found, and the next one does", HAS_NONE, DOES, OVERLAY_OK, "web by h2, web by h3"},
		{"it may be done, and the next says no", HANGS_UP, REFUSES, OVERLAY_UNKNOWN, "web by h2, web by h3"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w.n = 0;
		store(old_web);
		json_array_clear(rig.log);
		w.disconnects[1] = cases[i].first;
		w.disconnects[2] = cases[i].second;
		perform(overlay_kv.release);
		if (rig.result.outcome != cases[i].outcome)
			fail_msg("%s: expected %d, got %d: %s", cases[i].what, cases[i].outcome, rig.result.outcome, rig.detail);
		expect_log(cases[i].log);
	}
}

static void after_the_last_engine_the_first_is_told_again(void **state) {
	(void)state;
	store(old_web);
	w.disconnects[1] = w.disconnects[2] = HANGS_UP;
	w.heals_at = 3;
	perform(overlay_kv.release);
	expect_outcome(OVERLAY_OK);
	expect_log("web by h2, web by h3, web by h2");
}

static void an_endpoint_that_stays_is_not_done_and_not_hammered(void **state) {
	const struct overlay_address address = {"ov", "n1", "10.20.0.50", NULL};

	(void)state;
	for (int i = 0; i < 2; i++) {
		w.n = w.disconnected = 0;
		store(old_web);
		w.disconnects[1] = w.disconnects[2] = i == 0 ? PRETENDS : HAS_NONE;
		begin_at(overlay_kv.release, &address, 1, span_ms(900));
		finish();
		assert_true(rig.result.outcome == OVERLAY_NOT_DONE || rig.result.outcome == OVERLAY_UNKNOWN);
		assert_null(strstr(rig.detail, "let go"));
		assert_true(w.disconnected > 0 && w.disconnected <= 6);
	}
}

static void a_name_that_every_engine_has_is_not_disconnected(void **state) {
	(void)state;
	store(old_web);
	store((struct endpoint){"h2", NEW, "web", "n1", "10.20.0.7", ""});
	store((struct endpoint){"h3", THIEF, "web", "n1", "10.20.0.8", ""});
	perform(overlay_kv.release);
	expect_outcome(OVERLAY_NOT_DONE);
	expect_detail("every engine that answers has a container named \"web\" of its own");
	expect_log("");
	assert_int_equal(w.n, 3);
}

/* holders */

static void the_worst_holder_is_told(void **state) {
	static const struct {
		const char *what;
		struct endpoint endpoint;
		enum overlay_holder holder;
		const char *detail;
	} cases[] = {
		{"nobody", {"h1", WEB, "web", "n1", "10.20.0.51", ""}, OVERLAY_HOLDER_NONE, ""},
		{"the old one",
		 {"h1", WEB, "web", "n1", "10.20.0.50", ""},
		 OVERLAY_HOLDER_COPY,
		 "10.20.0.50 is held by the old container \"web\""},
		{"a copy by its ID, on the engine that has it",
		 {"h2", WEB, "renamed", "n1", "10.20.0.50", ""},
		 OVERLAY_HOLDER_COPY,
		 "10.20.0.50 is held by the old container \"renamed\""},
		{"the new one, which has the old one's name", {"h2", NEW, "web", "n1", "10.20.0.50", ""}, OVERLAY_HOLDER_OWN, ""},
		{"a stranger",
		 {"h3", THIEF, "thief", "n1", "10.20.0.50", ""},
		 OVERLAY_HOLDER_OTHER,
		 "10.20.0.50 is held by another container \"thief\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w.n = 0;
		store(cases[i].endpoint);
		perform(overlay_kv.holders);
		expect_outcome(OVERLAY_OK);
		if (rig.result.holder != cases[i].holder || strcmp(rig.detail, cases[i].detail) != 0)
			fail_msg("%s: expected %d, got %d: %s", cases[i].what, cases[i].holder, rig.result.holder, rig.detail);
	}
	expect_log("");
}

static void of_several_addresses_the_worst_holder_counts(void **state) {
	static const struct overlay_address addresses[] = {
		{"ov", "n1", "10.20.0.50", NULL}, {"other", "n2", "10.30.0.50", NULL}, {"last", "n3", "10.40.0.50", NULL}};

	(void)state;
	store(old_web);
	store((struct endpoint){"h3", THIEF, "thief", "n2", "10.30.0.50", ""});
	store((struct endpoint){"h2", NEW, "web", "n3", "10.40.0.50", ""});
	begin_at(overlay_kv.holders, addresses, 3, span_sec(20));
	finish();
	expect_outcome(OVERLAY_OK);
	assert_int_equal(rig.result.holder, OVERLAY_HOLDER_OTHER);
	expect_detail("10.30.0.50 is held by another container \"thief\"");
}

static void the_engine_that_has_the_new_one_is_asked_for_only_it_knows_it_from_the_old_one(void **state) {
	(void)state;
	store((struct endpoint){"h3", NEW, "web", "n1", "10.20.0.50", ""});
	w.own_node = "h3";
	perform(overlay_kv.holders);
	assert_int_equal(rig.result.holder, OVERLAY_HOLDER_OWN);
	w.own_node = NULL; /* not made yet: any will do */
	perform(overlay_kv.holders);
	assert_int_equal(rig.result.holder, OVERLAY_HOLDER_COPY);
}

/* When nobody answers. */

static void without_an_engine_nothing_is_done(void **state) {
	(void)state;
	store(old_web);
	w.up[1] = w.up[2] = false;
	perform(overlay_kv.ready);
	expect_outcome(OVERLAY_NOT_DONE);
	perform(overlay_kv.release);
	expect_outcome(OVERLAY_NOT_DONE);
	standin_stop(&w.servers[1]);
	perform(overlay_kv.holders);
	expect_outcome(OVERLAY_NOT_DONE);
	assert_int_equal(rig.result.holder, OVERLAY_HOLDER_UNKNOWN);
	standin_listen(&w.servers[1], &rig.loop, NULL, serve, &w.servers[1]); /* for the end */
}

static void a_release_survives_an_interruption_at_every_request(void **state) {
	(void)state;
	for (size_t at = 1; at < 20; at++) {
		tear_down(NULL);
		set_up(NULL);
		store(old_web);
		rig.free_after = at;
		begin(overlay_kv.release);
		RUN_UNTIL(&rig.loop, rig.done > 0 || !rig.call);
		if (rig.done > 0) {
			assert_true(at > 3);
			return;
		}
		rig.free_after = 0;
		perform(overlay_kv.release);
		expect_outcome(OVERLAY_OK);
		assert_int_equal(w.n, 0);
	}
	fail_msg("it never ended");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		T(it_is_ready_when_an_engine_has_no_container_of_that_name),
		T(the_endpoint_is_let_go_by_an_engine_that_has_no_container_of_that_name),
		T(an_engine_that_was_just_given_a_container_of_that_name_is_not_the_one),
		T(the_endpoint_that_has_the_address_is_let_go_whatever_the_copy_is_called_now),
		T(what_nobody_holds_counts_as_released),
		T(what_a_stranger_or_the_new_one_holds_is_left_alone),
		T(a_container_that_was_put_in_the_old_ones_place_by_hand_is_left_alone),
		T(every_address_is_released_on_its_own_network),
		T(the_store_is_believed_and_not_the_answer_to_the_disconnect),
		T(after_the_last_engine_the_first_is_told_again),
		T(an_endpoint_that_stays_is_not_done_and_not_hammered),
		T(a_name_that_every_engine_has_is_not_disconnected),
		T(the_worst_holder_is_told),
		T(of_several_addresses_the_worst_holder_counts),
		T(the_engine_that_has_the_new_one_is_asked_for_only_it_knows_it_from_the_old_one),
		T(without_an_engine_nothing_is_done),
		T(a_release_survives_an_interruption_at_every_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
