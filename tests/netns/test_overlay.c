/* The overlay module against real engines: RemoveTask through the control socket, and the removal of a whole node with everything
 * given back. Runs in the lab that $HEIR_LAB names, of three hosts with h2 the manager; engines of two versions are the better
 * test:
 *
 *   HEIR_LAB=ovl tests/netns/lab up --engine 20.10 --engine-of h3=26.1 --net ov=10.20.0.0/24 --net ov2=10.21.0.0/24
 *   HEIR_LAB=ovl build/tests/netns/overlay
 */
#include "net/overlay/overlay.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "http/client.h"
#include "kernel.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define IMAGE "heir-lab/busybox:1"
#define HOSTS 3
#define PATIENCE 120 /* s, for a new leader */

static struct world {
	const char *lab;
	uv_loop_t loop;
	struct http_client *http;
	struct engine *engines[HOSTS];
	struct overlay_cluster cluster;
	char *record;
	struct strs copies; /* of the container that moves */
	char *own, *swarm_node, *network_id;
	const char *victim;
	bool three_managers;

	bool done;
	struct overlay_result result;
	char *detail;
} w;

/* What a shell prints, without its last newline. */
static char *run(bool must, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static char *run(bool must, const char *fmt, ...) {
	char command[1024], line[4096];
	struct buf out = {0};
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	FILE *p = popen(command, "re");
	assert_non_null(p);
	while (fgets(line, sizeof(line), p))
		buf_puts(&out, line);
	if (pclose(p) != 0 && must)
		fail_msg("%s: failed: %s", command, out.data ? out.data : "");
	char *text = buf_take(&out);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

#define LAB(...) free(run(true, "tests/netns/lab " __VA_ARGS__))
#define LAB_SAYS(...) run(true, "tests/netns/lab " __VA_ARGS__)

/* The shell command succeeds within a minute. */
#define WAIT_FOR(...) free(run(true, "for i in $(seq 120); do " __VA_ARGS__))
#define ENOUGH " && exit 0; sleep 0.5; done; exit 1"

static int host_of(const char *node) { return node[1] - '1'; }

/* h2, and where there are three also the one that is not the victim. */
static struct engine *nth_manager(void *ctx, size_t i) {
	(void)ctx;
	if (i == 1 && w.three_managers)
		return w.engines[strcmp(w.victim, "h1") == 0 ? 2 : 0];
	return i == 0 ? w.engines[1] : NULL;
}

static struct engine *engine_of(void *ctx, const char *node) {
	(void)ctx;
	return w.engines[host_of(node)];
}

static void remember(void *ctx, const char *node, const char *text, void (*written)(void *user, int result), void *user) {
	(void)ctx;
	assert_string_equal(node, w.victim);
	xstr_replace(&w.record, text);
	written(user, 0);
}

static int enter_lab(void) {
	CLEANUP_FREE char *path = xasprintf("/run/netns/heir-%s", w.lab);
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : setns(fd, CLONE_NEWNET);
}

static int set_up_all(void **state) {
	(void)state;
	LAB("reset >&2");
	assert_int_equal(uv_loop_init(&w.loop), 0);
	assert_int_equal(http_client_new(&w.loop, &w.http, NULL), 0);
	for (int i = 0; i < HOSTS; i++) {
		char name[] = {'h', (char)('1' + i), '\0'};
		CLEANUP_FREE char *url = LAB_SAYS("url %s", name);
		assert_int_equal(engine_new(w.http, name, url, NULL, &w.engines[i], NULL), 0);
	}
	w.cluster = (struct overlay_cluster){.http = w.http, .manager = nth_manager, .engine = engine_of, .remember = remember};
	w.network_id = LAB_SAYS("docker h2 network inspect -f '{{.ID}}' ov");
	return 0;
}

static int tear_down_all(void **state) {
	(void)state;
	for (int i = 0; i < HOSTS; i++)
		engine_free(w.engines[i]);
	http_client_free(w.http);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	free(w.network_id);
	free(w.own);
	free(w.swarm_node);
	free(w.record);
	free(w.detail);
	strs_clear(&w.copies);
	strs_clear(&w.cluster.control);
	return 0;
}

static int reset(void **state) {
	(void)state;
	LAB("reset >&2");
	return 0;
}

static void on_done(void *ctx, const struct overlay_result *result) {
	(void)ctx;
	w.done = true;
	w.result = *result;
	xstr_replace(&w.detail, result->detail ? result->detail : "");
}

static void wait_done(const char *what) {
	while (!w.done)
		uv_run(&w.loop, UV_RUN_ONCE);
	print_message("  %s %s: %s\n", w.victim, what, w.detail);
}

typedef struct overlay_call *op_fn(struct overlay_cluster *, const struct overlay_ask *, overlay_done_fn *, void *);

static void perform(const char *what, op_fn *op) {
	const struct overlay_address address = {"ov", w.network_id, "10.20.0.50", NULL};
	const struct overlay_ask ask = {.addresses = &address,
					.n = 1,
					.copies = &w.copies,
					.own = w.own,
					.node = w.victim,
					.swarm_node = w.swarm_node,
					.by_node_removal = w.cluster.remove_node,
					.deadline = span_sec(40)};
	struct mono begun = mono_now();
	do { /* a manager that was lost may have been the leader */
		w.done = false;
		(void)op(&w.cluster, &ask, on_done, NULL);
		wait_done(what);
	} while (w.result.outcome == OVERLAY_NOT_DONE && mono_since(begun, mono_now()).ns < span_sec(PATIENCE).ns);
	print_message("  %s %s took %.3f s\n", w.victim, what, span_to_sec(mono_since(begun, mono_now())));
}

static void expect_ok(void) {
	if (w.result.outcome != OVERLAY_OK)
		fail_msg("expected OK, got %d: %s", (int)w.result.outcome, w.detail);
}

static void expect_holder(enum overlay_holder holder) {
	perform("holders", overlay_swarm.holders);
	expect_ok();
	if (w.result.holder != holder)
		fail_msg("expected holder %d, got %d: %s", (int)holder, (int)w.result.holder, w.detail);
}

static void use_control(bool socket) {
	CLEANUP_FREE char *path = LAB_SAYS("control h2");
	strs_clear(&w.cluster.control);
	strs_add(&w.cluster.control, socket ? path : "/nowhere/control.sock");
}

/* web with 10.20.0.50 on the victim; a neighbour with an alias and one with two networks and dynamic addresses; a client on h2. */
static void begin(const char *victim) {
	w.victim = victim;
	xstr_replace(&w.own, NULL);
	xstr_replace(&w.record, NULL);
	strs_clear(&w.copies);
	free(w.swarm_node);
	w.swarm_node = LAB_SAYS("docker %s info -f '{{.Swarm.NodeID}}'", victim);
	CLEANUP_FREE char *web =
		LAB_SAYS("docker %s run -d --name web --network ov --ip 10.20.0.50 " IMAGE " sleep 100000", victim);
	strs_add(&w.copies, web);
	LAB("docker %s run -d --name by --network ov --ip 10.20.0.51 --network-alias friend " IMAGE " sleep 100000", victim);
	LAB("docker %s create --name two --network ov " IMAGE " sleep 100000", victim);
	LAB("docker %s network connect --alias second ov2 two", victim);
	LAB("docker %s start two", victim);
	LAB("docker h2 run -d --name client --network ov " IMAGE " sleep 100000");
}

static void take_over(void) {
	free(w.own);
	w.own = LAB_SAYS("docker h2 run -d --name web-new --network ov --ip 10.20.0.50 " IMAGE " sleep 100000");
}

/* RemoveTask. */

static void remove_task_frees_the_address(const char *victim) {
	begin(victim);
	use_control(true);
	w.cluster.remove_node = false;
	perform("ready", overlay_swarm.ready);
	expect_ok();
	expect_holder(OVERLAY_HOLDER_COPY);
	LAB("cut %s", victim);
	perform("release", overlay_swarm.release);
	expect_ok();
	expect_holder(OVERLAY_HOLDER_NONE);
	perform("release again", overlay_swarm.release);
	expect_ok();
	take_over();
	expect_holder(OVERLAY_HOLDER_OWN);
	char *own = TAKE_PTR(w.own);
	expect_holder(OVERLAY_HOLDER_OTHER);
	w.own = own;
}

static void remove_task_frees_the_address_of_h1(void **state) {
	(void)state;
	remove_task_frees_the_address("h1");
}

static void remove_task_frees_the_address_of_h3(void **state) {
	(void)state;
	remove_task_frees_the_address("h3");
}

static void without_a_socket_nothing_is_changed(void **state) {
	(void)state;
	begin("h1");
	use_control(false);
	w.cluster.remove_node = false;
	perform("ready", overlay_swarm.ready);
	assert_int_equal(w.result.outcome, OVERLAY_MISSING);
	perform("release", overlay_swarm.release);
	assert_int_equal(w.result.outcome, OVERLAY_MISSING);
	expect_holder(OVERLAY_HOLDER_COPY);
}

/* Removal and return. */

/* The kernel says it: the container's own namespace has the address. */
static void expect_address(const char *container, const char *ip) {
	CLEANUP_FREE char *pid = LAB_SAYS("docker %s inspect -f '{{.State.Pid}}' %s", w.victim, container);
	char netns[PATH_MAX];
	struct kernel_error err;
	struct kernel_addresses addresses = {0};

	assert_int_equal(kernel_container_netns(atoi(pid), netns, &err), 0);
	if (kernel_read_addresses(netns, &addresses, &err) < 0)
		fail_msg("%s", err.text);
	if (!kernel_find_address(&addresses, ip))
		fail_msg("%s on %s does not have %s", container, w.victim, ip);
	kernel_addresses_free(&addresses);
}

static char *address_of(const char *container, const char *network) {
	return LAB_SAYS("docker %s inspect -f '{{(index .NetworkSettings.Networks \"%s\").IPAddress}}' %s", w.victim, network,
			container);
}

static void expect_node(const char *role, const char *availability) {
	CLEANUP_FREE char *id = LAB_SAYS("docker %s info -f '{{.Swarm.NodeID}}'", w.victim);
	CLEANUP_FREE char *is =
		LAB_SAYS("docker h2 node inspect -f '{{.Spec.Role}} {{.Spec.Availability}} {{.Spec.Labels}}' %s", id);
	CLEANUP_FREE char *wanted = xasprintf("%s %s map[disk:ssd]", role, availability);
	assert_string_equal(is, wanted);
}

static void expect_aliases(const char *container, const char *network, const char *alias) {
	CLEANUP_FREE char *is = LAB_SAYS("docker %s inspect -f '{{(index .NetworkSettings.Networks \"%s\").Aliases}}' %s", w.victim,
					 network, container);
	if (!strstr(is, alias))
		fail_msg("%s on %s: aliases %s, not %s", container, network, is, alias);
}

static void restore(const char *what) {
	CLEANUP_FREE char *record = xstrdup(w.record);
	w.done = false;
	(void)overlay_swarm.restore(&w.cluster, w.victim, record, on_done, NULL);
	wait_done(what);
	expect_ok();
}

static void come_back(void) {
	LAB("heal %s", w.victim);
	WAIT_FOR("curl -fs -m 1 $(tests/netns/lab url %s | sed s/tcp/http/)/_ping >/dev/null" ENOUGH, w.victim);
	LAB("docker %s rm -f web", w.victim); /* the stale copy is put away first */
}

static void a_removed_node_gets_everything_back(const char *victim, const char *role) {
	begin(victim);
	use_control(false);
	w.cluster.remove_node = true;
	LAB("docker h2 node update --label-add disk=ssd --availability pause %s", w.swarm_node);
	CLEANUP_FREE char *dynamic = address_of("two", "ov");
	CLEANUP_FREE char *dynamic2 = address_of("two", "ov2");

	LAB("cut %s", victim);
	perform("ready", overlay_swarm.ready);
	expect_ok();
	assert_true(w.result.by_node_removal);
	perform("release", overlay_swarm.release);
	expect_ok();
	expect_holder(OVERLAY_HOLDER_NONE);
	take_over();
	expect_holder(OVERLAY_HOLDER_OWN);

	come_back();
	restore("restore");
	expect_node(role, "pause");
	expect_address("by", "10.20.0.51");
	expect_aliases("by", "ov", "friend");
	expect_address("two", dynamic);
	expect_address("two", dynamic2);
	expect_aliases("two", "ov2", "second");
	expect_holder(OVERLAY_HOLDER_OWN);
	WAIT_FOR("tests/netns/lab docker h2 exec client ping -c 1 -W 1 friend >/dev/null" ENOUGH);
	WAIT_FOR("tests/netns/lab docker %s exec by ping -c 1 -W 1 10.20.0.50 >/dev/null" ENOUGH, victim);
	restore("restore again");
	expect_node(role, "pause");
}

static void a_removed_worker_h1_gets_everything_back(void **state) {
	(void)state;
	a_removed_node_gets_everything_back("h1", "worker");
}

static void a_removed_worker_h3_gets_everything_back(void **state) {
	(void)state;
	a_removed_node_gets_everything_back("h3", "worker");
}

static void promote(const char *host) {
	WAIT_FOR("tests/netns/lab docker h2 node promote %s" ENOUGH, host); /* it may have to wait for the one before */
	WAIT_FOR("tests/netns/lab docker h2 node inspect -f '{{with .ManagerStatus}}{{.Reachability}}{{end}}' %s | grep -qx "
		 "reachable" ENOUGH,
		 host);
}

/* A node that was demoted may never become a manager again ("can't find manager in raft memberlist"): it leaves, the reset joins
 * it. */
static void demote(const char *host) {
	WAIT_FOR("tests/netns/lab docker h2 node demote %s" ENOUGH, host);
	WAIT_FOR("tests/netns/lab docker %s info -f '{{.Swarm.ControlAvailable}}' | grep -qx false" ENOUGH, host);
	LAB("docker %s swarm leave", host);
}

static void a_removed_manager_is_a_manager_again(const char *victim) {
	promote("h1");
	promote("h3");
	w.three_managers = true;
	a_removed_node_gets_everything_back(victim, "manager");
	WAIT_FOR("tests/netns/lab docker h2 node inspect -f '{{with .ManagerStatus}}{{.Reachability}}{{end}}' %s | grep -qx "
		 "reachable" ENOUGH,
		 victim);
	w.three_managers = false;
	demote("h3");
	demote("h1");
}

static void a_removed_manager_h1_is_a_manager_again(void **state) {
	(void)state;
	a_removed_manager_is_a_manager_again("h1");
}

static void a_removed_manager_h3_is_a_manager_again(void **state) {
	(void)state;
	a_removed_manager_is_a_manager_again("h3");
}

static int forget_labels(void **state) {
	w.three_managers = false;
	free(run(false, "for h in h1 h3; do tests/netns/lab docker h2 node update --label-rm disk $h; done >/dev/null 2>&1"));
	return reset(state);
}

#define T(f) cmocka_unit_test_teardown(f, reset)
#define T_NODE(f) cmocka_unit_test_teardown(f, forget_labels)

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		T(remove_task_frees_the_address_of_h1),           T(remove_task_frees_the_address_of_h3),
		T(without_a_socket_nothing_is_changed),           T_NODE(a_removed_worker_h1_gets_everything_back),
		T_NODE(a_removed_worker_h3_gets_everything_back), T_NODE(a_removed_manager_h1_is_a_manager_again),
		T_NODE(a_removed_manager_h3_is_a_manager_again),
	};

	w.lab = getenv("HEIR_LAB");
	if (!w.lab || geteuid() != 0 || enter_lab() < 0) {
		fprintf(stderr, "SKIPPED: the overlay module on real engines: needs root and the lab that HEIR_LAB names\n");
		return 77;
	}
	if (argc > 1)
		cmocka_set_test_filter(argv[1]); /* "*manager*" */
	return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
