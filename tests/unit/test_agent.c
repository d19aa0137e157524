/* The agent as a whole, asked by the manager's client over HTTP: in a network namespace of its own, with an imitation of an
 * engine's overlay. What it did is read back with bridge(8), ip(8) and nft(8). */
#include "agent/serve.h"
#include "net/wire/agent-client.h"

#include "certs.h"
#include "overlaylab.h"
#include "responder.h"
#include "standin.h"

#include <sys/socket.h>

#define SANDBOX "0123456789ab"
#define NEIGHBOUR "ba9876543210"

struct bed {
	struct overlaylab lab;
	uv_loop_t loop;
	struct service service;
	bool running;
	struct agent_config config;
	char state[64];
	struct http_client *http;
	struct agent *agent;
	/* the answer */
	bool done;
	enum agent_outcome outcome;
	int64_t epoch;
	char *error, *manager;
	struct wire_status status;
	struct wire_quarantine quarantine;
	struct wire_owner_states states;
	struct wire_cuts cuts;
	struct wire_reached reached;
	struct wire_answers resolved;
};

/* ---- the bed ---- */

static void set_identity(struct bed *b, const char *manager, int64_t epoch) {
	struct wire_envelope identity = {.manager = (char *)(uintptr_t)manager, .cluster = (char[]){"prod"}, .epoch = epoch};
	agent_set_identity(b->agent, &identity);
}

static void start(struct bed *b) {
	struct err err;
	char url[64];

	assert_int_equal(http_client_new(&b->loop, &b->http, &err), 0);
	if (service_start(&b->service, &b->loop, &b->config, &err) < 0)
		fail_msg("%s", err.msg);
	b->running = true;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", http_server_port(b->service.server));
	if (agent_new(b->http, "h2", url, NULL, &b->agent, &err) < 0)
		fail_msg("%s", err.msg);
	set_identity(b, "m1", 1);
}

static void stop(struct bed *b) {
	agent_free(TAKE_PTR(b->agent));
	http_client_free(TAKE_PTR(b->http));
	service_stop(&b->service);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	service_clear(&b->service);
	b->running = false;
}

static void forget_answer(struct bed *b) {
	wire_clear(&wire_status_shape, &b->status);
	wire_clear(&wire_quarantine_shape, &b->quarantine);
	wire_clear(&wire_verified_shape, &b->states);
	wire_clear(&wire_cuts_shape, &b->cuts);
	wire_clear(&wire_reached_shape, &b->reached);
	wire_clear(&wire_answers_shape, &b->resolved);
	b->done = false;
}

static int set_up(void **state) {
	struct bed *b = xnew(struct bed);

	alarm(120);
	*state = b;
	overlaylab_open(&b->lab);
	uv_loop_init(&b->loop);
	snprintf(b->state, sizeof(b->state), "%s/.state", b->lab.dir); /* hidden names are no namespaces */
	b->config = (struct agent_config){
		.listen = xstrdup("http://127.0.0.1:0"),
		.engine = xstrdup("unix:///nonexistent/docker.sock"),
		.netns_dir = xstrdup(b->lab.dir),
		.state = xstrdup(b->state),
	};
	start(b);
	return 0;
}

static int tear_down(void **state) {
	struct bed *b = *state;

	if (b->running)
		stop(b);
	assert_int_equal(uv_loop_close(&b->loop), 0);
	forget_answer(b);
	free(b->error);
	free(b->manager);
	agent_config_clear(&b->config);
	overlaylab_close(&b->lab);
	free(b);
	return 0;
}

/* ---- asking ---- */

/* A copy, by way of its text. */
static void keep(const struct wire_shape *shape, const void *from, void *to) {
	struct err err;

	if (!from)
		return;
	json_t *j = wire_encode(shape, from);
	wire_clear(shape, to);
	if (wire_decode(shape, j, true, to, &err) < 0)
		fail_msg("%s", err.msg);
	json_decref(j);
}

static void on_done(void *ctx, const struct agent_result *r) {
	struct bed *b = ctx;

	b->done = true;
	b->outcome = r->outcome;
	b->epoch = r->epoch;
	xstr_replace(&b->error, r->outcome == AGENT_OK ? NULL : r->err.msg);
	xstr_replace(&b->manager, r->manager);
	keep(&wire_status_shape, r->answered_status, &b->status);
	keep(&wire_quarantine_shape, r->quarantine, &b->quarantine);
	keep(&wire_verified_shape, r->states, &b->states);
	keep(&wire_cuts_shape, r->cuts, &b->cuts);
	keep(&wire_reached_shape, r->reached, &b->reached);
	keep(&wire_answers_shape, r->resolved, &b->resolved);
}

static struct agent_cb cb_of(struct bed *b) {
	b->done = false;
	return (struct agent_cb){.fn = on_done, .ctx = b, .deadline = span_sec(100)};
}

static void wait_ok(struct bed *b) {
	RUN_UNTIL(&b->loop, b->done);
	if (b->outcome != AGENT_OK)
		fail_msg("%s", b->error);
}

static void ask_status(struct bed *b) {
	agent_status(b->agent, cb_of(b));
	wait_ok(b);
}

static struct wire_owner owner_of(const char *vtep, const char *local) {
	return (struct wire_owner){.network_id = xstrdup(NETWORK),
				   .mac = xstrdup(MAC),
				   .ip = xstrdup(IP),
				   .vtep = xstrdup(vtep),
				   .local = xstrdup_null(local),
				   .watch = true};
}

static void order_owner(struct bed *b, const char *vtep, const char *local) {
	struct wire_owners_order order = {0};

	wire_list_alloc(&order.owners, 1);
	order.owners.v[0] = owner_of(vtep, local);
	agent_owners(b->agent, &order, cb_of(b));
	wire_clear(&wire_owners_order_shape, &order);
}

static const struct wire_owner_state *the_state(const struct bed *b) {
	assert_int_equal(b->states.owners.n, 1);
	return &b->states.owners.v[0];
}

static void verify_owner(struct bed *b, const char *vtep, const char *local, int64_t tcp_port) {
	struct wire_verify_order order = {.probe = {.timeout_ms = 20000, .tcp_port = tcp_port}};

	wire_list_alloc(&order.owners, 1);
	order.owners.v[0] = owner_of(vtep, local);
	agent_verify(b->agent, &order, cb_of(b));
	wire_clear(&wire_verify_order_shape, &order);
	wait_ok(b);
}

static void isolate(struct bed *b, const char *sandbox) {
	struct wire_isolate_order order = {0};

	wire_list_alloc(&order.containers, 1);
	order.containers.v[0] = (struct wire_stale){
		.network_id = xstrdup(NETWORK), .mac = xstrdup(MAC), .ip = xstrdup(IP), .sandbox = xstrdup_null(sandbox)};
	agent_isolate(b->agent, &order, cb_of(b));
	wire_clear(&wire_isolate_order_shape, &order);
	wait_ok(b);
}

static bool own_row_is(struct bed *b, const char *vtep) {
	CLEANUP_FREE char *rows = netlab_run(b->lab.ns, "bridge fdb show dev vxlan0 | grep '^" MAC ".* dst' || true");
	CLEANUP_FREE char *wanted = xasprintf(MAC " dst %s self permanent", vtep);
	return strncmp(rows, wanted, strlen(wanted)) == 0;
}

static void poison(struct bed *b) {
	netlab_do(b->lab.ns, "bridge fdb replace " MAC " dev vxlan0 dst " DEAD_VTEP " self permanent");
}

/* ---- tests ---- */

static void status_says_what_the_agent_sees_and_whom_it_obeys(void **state) {
	struct bed *b = *state;

	do
		ask_status(b);
	while (b->status.networks.n == 0); /* until the first scan */
	assert_string_equal(b->status.networks.v[0], "9kbo1k4mvx");
	assert_null(b->status.manager);
	assert_int_equal(b->status.errors.n, 0);
	assert_false(b->status.swarm_control);
	order_owner(b, OTHER_VTEP, NULL);
	wait_ok(b);
	ask_status(b);
	assert_string_equal(b->status.manager, "m1");
	assert_string_equal(b->status.cluster, "prod");
	assert_int_equal(b->status.epoch, 1);
	assert_int_equal(b->status.owners, 1);
}

static void an_owner_that_nobody_spoke_of_since_the_manager_was_started_is_said(void **state) {
	struct bed *b = *state;
	const struct wire_quarantine nobody = {0};

	order_owner(b, OTHER_VTEP, NULL);
	wait_ok(b);
	ask_status(b);
	assert_int_equal(b->status.former.n, 0);
	set_identity(b, "m1", 2);
	agent_quarantine(b->agent, &nobody, cb_of(b));
	wait_ok(b);
	ask_status(b);
	assert_int_equal(b->status.former.n, 1);
	assert_string_equal(b->status.former.v[0].mac, MAC);
	order_owner(b, OTHER_VTEP, NULL);
	wait_ok(b);
	ask_status(b);
	assert_int_equal(b->status.former.n, 0);
}

static void an_older_epoch_is_refused_also_after_a_restart(void **state) {
	struct bed *b = *state;

	set_identity(b, "m1", 7);
	order_owner(b, OTHER_VTEP, NULL);
	wait_ok(b);
	stop(b);
	start(b);
	set_identity(b, "m1", 6);
	order_owner(b, DEAD_VTEP, NULL);
	RUN_UNTIL(&b->loop, b->done);
	assert_int_equal(b->outcome, AGENT_STALE_EPOCH);
	assert_int_equal(b->epoch, 7);
	assert_true(own_row_is(b, OTHER_VTEP));
}

static void another_manager_is_refused_until_an_operator_confirms_it(void **state) {
	struct bed *b = *state;

	order_owner(b, OTHER_VTEP, NULL);
	wait_ok(b);
	set_identity(b, "m2", 9);
	order_owner(b, DEAD_VTEP, NULL);
	RUN_UNTIL(&b->loop, b->done);
	assert_int_equal(b->outcome, AGENT_OTHER_MANAGER);
	assert_string_equal(b->manager, "m1");
	agent_confirm(b->agent, cb_of(b));
	wait_ok(b);
	order_owner(b, DEAD_VTEP, NULL);
	wait_ok(b);
	set_identity(b, "m1", 9);
	order_owner(b, OTHER_VTEP, NULL);
	RUN_UNTIL(&b->loop, b->done);
	assert_int_equal(b->outcome, AGENT_OTHER_MANAGER);
}

static void an_epoch_that_cannot_be_kept_is_not_obeyed(void **state) {
	struct bed *b = *state;

	xstr_replace(&b->config.state, "/nonexistent/agent.json");
	order_owner(b, OTHER_VTEP, NULL);
	RUN_UNTIL(&b->loop, b->done);
	assert_int_equal(b->outcome, AGENT_REFUSED);
	assert_false(own_row_is(b, OTHER_VTEP));
}

static void a_row_that_is_poisoned_is_mended_and_counted(void **state) {
	struct bed *b = *state;

	do
		ask_status(b);
	while (b->status.networks.n == 0);
	order_owner(b, OTHER_VTEP, NULL);
	wait_ok(b);
	poison(b);
	RUN_UNTIL(&b->loop, own_row_is(b, OTHER_VTEP));
	netlab_do(b->lab.ns, "ip neigh del " IP " dev vxlan0");
	do
		ask_status(b);
	while (b->status.flips < 2);
	assert_lines(netlab_run(b->lab.ns, "ip neigh show " IP " dev vxlan0"), IP " lladdr " MAC " PERMANENT \n");
	assert_int_equal(b->status.contested.n, 0);
}

static void who_is_fought_for_too_long_is_contested_until_ordered_again(void **state) {
	struct bed *b = *state;

	do
		ask_status(b);
	while (b->status.networks.n == 0);
	order_owner(b, OTHER_VTEP, NULL);
	wait_ok(b);
	for (int i = 0; b->status.contested.n == 0; i++) {
		assert_true(i < 10000);
		if (own_row_is(b, OTHER_VTEP))
			poison(b);
		ask_status(b);
	}
	assert_string_equal(b->status.contested.v[0].mac, MAC);
	assert_int_equal(b->status.contested.v[0].flips, 10);
	poison(b);
	verify_owner(b, OTHER_VTEP, NULL, 0);
	assert_true(the_state(b)->contested);
	assert_false(the_state(b)->right);
	order_owner(b, OTHER_VTEP, NULL);
	wait_ok(b);
	assert_true(the_state(b)->right);
	poison(b);
	RUN_UNTIL(&b->loop, own_row_is(b, OTHER_VTEP));
}

static void an_overlay_that_is_joined_later_gets_its_owners_rows(void **state) {
	struct bed *b = *state;

	overlaylab_leave(&b->lab);
	order_owner(b, OTHER_VTEP, NULL);
	wait_ok(b);
	assert_false(the_state(b)->joined);
	assert_true(the_state(b)->right);
	overlaylab_link(&b->lab, OVERLAY_FILE, b->lab.ns);
	RUN_UNTIL(&b->loop, own_row_is(b, OTHER_VTEP));
	do
		ask_status(b);
	while (b->status.repaired == 0);
	assert_int_equal(b->status.flips, 0); /* nobody is to blame */
}

static void an_owner_here_answers_its_neighbour_over_the_local_port(void **state) {
	struct bed *b = *state;

	overlaylab_add(&b->lab, SANDBOX, MAC, IP);
	overlaylab_add(&b->lab, NEIGHBOUR, "02:42:0a:14:00:33", "10.20.0.51");
	order_owner(b, OWN_VTEP, SANDBOX);
	wait_ok(b);
	assert_null(the_state(b)->error);
	verify_owner(b, OWN_VTEP, SANDBOX, 81);
	assert_true(the_state(b)->right);
	assert_int_equal(the_state(b)->address, WIRE_ADDRESS_HERE);
	assert_int_equal(the_state(b)->strays.n, 0);
	assert_int_equal(the_state(b)->icmp, WIRE_ECHO_ANSWERED);
	assert_int_equal(the_state(b)->tcp, WIRE_ECHO_REFUSED);
	assert_string_equal(the_state(b)->answered_from, "local");
}

static void a_stray_with_the_same_address_is_found_and_cut_off(void **state) {
	struct bed *b = *state;

	overlaylab_add(&b->lab, SANDBOX, MAC, IP);
	verify_owner(b, OTHER_VTEP, NULL, 0);
	assert_int_equal(the_state(b)->address, WIRE_ADDRESS_NONE);
	assert_true(strs_has(&the_state(b)->strays, SANDBOX));
	assert_int_equal(the_state(b)->icmp, WIRE_ECHO_NONE); /* there is nobody to ask */
	verify_owner(b, OWN_VTEP, NEIGHBOUR, 0);
	assert_int_equal(the_state(b)->address, WIRE_ADDRESS_ELSEWHERE);
	isolate(b, NULL);
	assert_int_equal(b->cuts.containers.v[0].cut, 1);
	assert_null(b->cuts.containers.v[0].error);
	assert_lines(netlab_run(b->lab.ns, "ip -br link show dev veth0 | grep -c DOWN"), "1\n");
	assert_lines(netlab_run(b->lab.sandboxes[0], "ip -br link show dev eth0 | grep -c DOWN"), "1\n");
	verify_owner(b, OTHER_VTEP, NULL, 0);
	assert_int_equal(the_state(b)->strays.n, 0);
}

static void isolating_whom_there_is_not_cuts_nothing(void **state) {
	struct bed *b = *state;

	overlaylab_add(&b->lab, NEIGHBOUR, "02:42:0a:14:00:33", "10.20.0.51");
	isolate(b, NULL);
	assert_int_equal(b->cuts.containers.v[0].cut, 0);
	isolate(b, SANDBOX);
	assert_int_equal(b->cuts.containers.v[0].cut, 0);
	assert_null(b->cuts.containers.v[0].error);
}

static void the_owner_is_not_cut_off_where_any_stale_copy_is_meant(void **state) {
	struct bed *b = *state;

	overlaylab_add(&b->lab, SANDBOX, MAC, IP);
	order_owner(b, OWN_VTEP, SANDBOX);
	wait_ok(b);
	isolate(b, NULL);
	assert_int_equal(b->cuts.containers.v[0].cut, 0);
	assert_string_equal(b->cuts.containers.v[0].error, "sandbox " SANDBOX " is its owner's");
	assert_lines(netlab_run(b->lab.sandboxes[0], "ip -br link show dev eth0 | grep -c UP"), "1\n");
}

/* Its node was away when the owner moved on, and nobody has told it yet. */
static void a_former_owner_that_is_named_is_cut_off_and_not_kept_any_more(void **state) {
	struct bed *b = *state;

	overlaylab_add(&b->lab, SANDBOX, MAC, IP);
	order_owner(b, OWN_VTEP, SANDBOX);
	wait_ok(b);
	isolate(b, SANDBOX);
	assert_null(b->cuts.containers.v[0].error);
	assert_int_equal(b->cuts.containers.v[0].cut, 1);
	assert_lines(netlab_run(b->lab.sandboxes[0], "ip -br link show dev eth0 | grep -c DOWN"), "1\n");
	ask_status(b);
	assert_int_equal(b->status.owners, 0);
}

static void the_quarantine_is_what_was_ordered_and_outlives_the_agent(void **state) {
	struct bed *b = *state;
	struct wire_quarantine wanted = {0};

	netlab_do(b->lab.ns, "ip link add vxlan9 type vxlan id 9 dstport 5789");
	strs_add(&wanted.vteps, DEAD_VTEP);
	wire_numbers_add(&wanted.ports, 4790);
	agent_quarantine(b->agent, &wanted, cb_of(b));
	wait_ok(b);
	assert_int_equal(b->quarantine.vteps.n, 1);
	assert_int_equal(b->quarantine.ports.n, 3);
	assert_int_equal(b->quarantine.ports.v[2], 5789);
	assert_int_equal(system("nft list table inet heir | grep -q '" DEAD_VTEP "'"), 0);
	stop(b);
	start(b);
	ask_status(b);
	assert_true(strs_has(&b->status.quarantine.vteps, DEAD_VTEP));
	strs_clear(&wanted.vteps);
	agent_quarantine(b->agent, &wanted, cb_of(b));
	wait_ok(b);
	assert_int_equal(b->quarantine.vteps.n, 0);
	assert_int_not_equal(system("nft list table inet heir >/dev/null 2>&1"), 0);
	wire_clear(&wire_quarantine_shape, &wanted);
}

static void a_witness_tells_what_it_reaches_and_how(void **state) {
	static const char *const names[] = {"accepts", "refuses", "nobody"};
	static const char *const addrs[] = {"127.0.0.1", "127.0.0.2", "203.0.113.1"};
	struct bed *b = *state;
	struct wire_witness_order order = {.timeout_ms = 20000};
	char accepts[32];

	snprintf(accepts, sizeof(accepts), "port %u accepts", http_server_port(b->service.server));
	wire_list_alloc(&order.targets, 3);
	for (size_t i = 0; i < 3; i++) {
		order.targets.v[i] = (struct wire_target){.name = xstrdup(names[i]), .addr = xstrdup(addrs[i])};
		wire_numbers_add(&order.targets.v[i].ports, i == 0 ? http_server_port(b->service.server) : 9);
	}
	agent_witness(b->agent, &order, cb_of(b));
	wire_clear(&wire_witness_order_shape, &order);
	wait_ok(b);
	assert_string_equal(b->reached.targets.v[0].how, accepts);
	assert_string_equal(b->reached.targets.v[1].how, "port 9 refuses");
	assert_true(b->reached.targets.v[1].reached);
	assert_string_equal(b->reached.targets.v[2].how, "silent");
	assert_false(b->reached.targets.v[2].reached);
}

static void ask_dns(struct bed *b, const char *sandbox, const char *name, const char *address) {
	struct wire_resolve_order order = {.sandbox = xstrdup(sandbox), .timeout_ms = 20000};

	wire_list_alloc(&order.questions, 1);
	order.questions.v[0] = (struct wire_question){.name = xstrdup_null(name), .address = xstrdup_null(address)};
	agent_resolve(b->agent, &order, cb_of(b));
	wire_clear(&wire_resolve_order_shape, &order);
	RUN_UNTIL(&b->loop, b->done);
}

static void the_dns_is_asked_in_the_containers_namespace(void **state) {
	struct bed *b = *state;
	struct responder r = {RESPONDER_SAYS(A("\x32"))};
	int ns = overlaylab_add(&b->lab, SANDBOX, MAC, IP);

	overlaylab_add(&b->lab, NEIGHBOUR, "02:42:0a:14:00:33", "10.20.0.51");
	responder_start(&r, ns);
	ask_dns(b, SANDBOX, "web", NULL);
	responder_stop(&r, ns);
	assert_int_equal(b->outcome, AGENT_OK);
	assert_true(b->resolved.heard);
	assert_string_equal(b->resolved.answers.v[0].addresses.v[0], IP);
	assert_null(b->resolved.answers.v[0].error);
	ask_dns(b, NEIGHBOUR, "web", NULL);
	assert_int_equal(b->outcome, AGENT_OK);
	assert_false(b->resolved.heard);
	assert_int_equal(b->resolved.answers.v[0].addresses.n, 0);
	assert_string_equal(b->resolved.answers.v[0].error, "refused");
}

static void a_container_that_is_gone_and_a_question_that_is_none_are_refused(void **state) {
	struct bed *b = *state;

	overlaylab_add(&b->lab, SANDBOX, MAC, IP);
	ask_dns(b, NEIGHBOUR, "web", NULL);
	assert_int_equal(b->outcome, AGENT_REFUSED);
	assert_non_null(strstr(b->error, "404: open namespace"));
	ask_dns(b, SANDBOX, NULL, NULL);
	assert_int_equal(b->outcome, AGENT_REFUSED);
	assert_non_null(strstr(b->error, "400: questions[0]: expected a name or an address"));
	ask_dns(b, SANDBOX, "web", IP);
	assert_int_equal(b->outcome, AGENT_REFUSED);
}

static void without_a_control_socket_nothing_is_sent(void **state) {
	struct bed *b = *state;

	agent_remove_task(b->agent, "t1", cb_of(b));
	RUN_UNTIL(&b->loop, b->done);
	assert_int_equal(b->outcome, AGENT_NOT_SENT);
}

static void over_https_only_a_manager_with_a_certificate_is_obeyed(void **state) {
	struct bed *b = *state;
	char dir[] = CERTS_DIR;
	struct err err;

	certs_make(dir);
	stop(b);
	xstr_replace(&b->config.listen, "https://127.0.0.1:0");
	b->config.tls_ca = xasprintf("%s/ca.pem", dir);
	b->config.tls_cert = xasprintf("%s/server.pem", dir);
	b->config.tls_key = xasprintf("%s/server.key", dir);
	start(b); /* its client speaks plain HTTP */
	order_owner(b, OTHER_VTEP, NULL);
	RUN_UNTIL(&b->loop, b->done);
	assert_int_not_equal(b->outcome, AGENT_OK);
	CLEANUP_FREE char *url = xasprintf("https://127.0.0.1:%u", http_server_port(b->service.server));
	CLEANUP_FREE char *cert = xasprintf("%s/client.pem", dir), *key = xasprintf("%s/client.key", dir);
	struct http_tls tls = {.ca = b->config.tls_ca, .cert = cert, .key = key};
	agent_free(b->agent);
	assert_int_equal(agent_new(b->http, "h2", url, &tls, &b->agent, &err), 0);
	set_identity(b, "m1", 1);
	order_owner(b, OTHER_VTEP, NULL);
	wait_ok(b);
	assert_true(own_row_is(b, OTHER_VTEP));
	certs_remove(dir);
}

/* A job that hangs in the kernel. */
struct hung {
	uv_sem_t let_go;
	bool done;
};

static void hang(void *job) { uv_sem_wait(&((struct hung *)job)->let_go); }

static void hung_done(void *job, bool ran) {
	(void)ran;
	((struct hung *)job)->done = true;
}

static void let_go(struct bed *b, struct hung *h) {
	uv_sem_post(&h->let_go);
	RUN_UNTIL(&b->loop, h->done);
	uv_sem_destroy(&h->let_go);
}

static void status_answers_while_the_kernel_hangs(void **state) {
	struct bed *b = *state;
	struct hung changes = {.done = false}, looks = {.done = false}, reads = {.done = false};

	uv_sem_init(&changes.let_go, 0);
	uv_sem_init(&looks.let_go, 0);
	uv_sem_init(&reads.let_go, 0);
	queue_push(b->service.changes, hang, hung_done, &changes);
	queue_push(b->service.looks, hang, hung_done, &looks);
	ask_status(b);
	assert_int_equal(b->status.errors.n, 0);
	queue_push(b->service.reads, hang, hung_done, &reads);
	ask_status(b);
	assert_int_equal(b->status.errors.n, 1);
	assert_string_equal(b->status.errors.v[0], "the quarantine could not be read in time: it is shown as it was");
	let_go(b, &changes);
	let_go(b, &looks);
	let_go(b, &reads);
}

/* What waits at the end is answered, and nothing of it is done. */
static void an_order_that_waits_is_refused_when_the_agent_stops(void **state) {
	struct bed *b = *state;
	struct hung changes = {.done = false};

	uv_sem_init(&changes.let_go, 0);
	queue_push(b->service.changes, hang, hung_done, &changes);
	order_owner(b, OTHER_VTEP, NULL);
	RUN_UNTIL(&b->loop, b->service.identity.manager != NULL);
	uv_sem_post(&changes.let_go);
	stop(b);
	uv_sem_destroy(&changes.let_go);
	assert_true(changes.done);
	assert_false(own_row_is(b, OTHER_VTEP));
}

/* The quarantine and what is asked as a witness concern the host: here, a namespace that the tests have for themselves. */
static bool enter_own_namespace(void) { return unshare(CLONE_NEWNET) == 0 && system("ip link set lo up") == 0; }

/* Skips, or fails where CI is set. */
static void this_needs_root(void **state) {
	(void)state;
	close(netlab_new());
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		T(status_says_what_the_agent_sees_and_whom_it_obeys),
		T(an_owner_that_nobody_spoke_of_since_the_manager_was_started_is_said),
		T(an_older_epoch_is_refused_also_after_a_restart),
		T(another_manager_is_refused_until_an_operator_confirms_it),
		T(an_epoch_that_cannot_be_kept_is_not_obeyed),
		T(a_row_that_is_poisoned_is_mended_and_counted),
		T(who_is_fought_for_too_long_is_contested_until_ordered_again),
		T(an_overlay_that_is_joined_later_gets_its_owners_rows),
		T(an_owner_here_answers_its_neighbour_over_the_local_port),
		T(a_stray_with_the_same_address_is_found_and_cut_off),
		T(isolating_whom_there_is_not_cuts_nothing),
		T(the_owner_is_not_cut_off_where_any_stale_copy_is_meant),
		T(a_former_owner_that_is_named_is_cut_off_and_not_kept_any_more),
		T(the_quarantine_is_what_was_ordered_and_outlives_the_agent),
		T(a_witness_tells_what_it_reaches_and_how),
		T(the_dns_is_asked_in_the_containers_namespace),
		T(a_container_that_is_gone_and_a_question_that_is_none_are_refused),
		T(without_a_control_socket_nothing_is_sent),
		T(over_https_only_a_manager_with_a_certificate_is_obeyed),
		T(status_answers_while_the_kernel_hangs),
		T(an_order_that_waits_is_refused_when_the_agent_stops),
	};

	const struct CMUnitTest skipped[] = {cmocka_unit_test(this_needs_root)};

	if (!enter_own_namespace())
		return cmocka_run_group_tests(skipped, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
