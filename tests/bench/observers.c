/*
 * observers: how long it takes until every host's kernel sends to an address's new place.
 *
 *	observers COUNT ROUNDS AGENT DIR
 *
 * COUNT stand-in overlays, each a host's view of the same network, and AGENT (heir-agent) started for each of them as a process of
 * its own, with its files below DIR. They are ordered over HTTP as heird does it: by the manager's client, all at once. The address
 * moves from one VTEP to another in every round. A line for each round: milliseconds from the first order to the last answer. An
 * answer counts only when the agent changed something and found the rows right; the rows of all are read with bridge(8) at the end.
 *
 * All is on the loopback of a namespace of its own. The agents die with this process, however it ends.
 */
#include "base/buf.h"
#include "net/wire/agent-client.h"
#include "standin.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <uv.h>

#define NETWORK "9kbo1k4mvxabcdefghijklmno"
#define OVERLAY_FILE "1-9kbo1k4mvx"
#define MAC "02:42:0a:14:00:32"
#define IP "10.20.0.50"

enum { FIRST_PORT = 4500, PEERS = 50, READY_SEC = 120 };

static const char *const vteps[] = {"10.99.0.11", "10.99.0.12", "10.99.0.13"};

struct observer {
	int ns;
	struct agent *agent;
	bool ready;
};

static uv_loop_t *loop;
static struct observer *observers;
static size_t n_observers, under_way;
static bool must_change;

/* ---- what is observed ---- */

/* The moved address and those of other hosts, as an engine writes them. */
static char *forwarding_rows(void) {
	struct buf text = {0};

	buf_printf(&text, "fdb add " MAC " dev vxlan0 dst %s self permanent\n", vteps[0]);
	for (int i = 0; i < PEERS; i++)
		buf_printf(&text, "fdb add 02:42:0a:14:01:%02x dev vxlan0 dst 10.99.1.%d self permanent\n", i, 1 + i);
	return buf_take(&text);
}

static char *neighbour_rows(void) {
	struct buf text = {0};

	buf_printf(&text, "neigh add " IP " lladdr " MAC " dev vxlan0 nud permanent\n");
	for (int i = 0; i < PEERS; i++)
		buf_printf(&text, "neigh add 10.20.1.%d lladdr 02:42:0a:14:01:%02x dev vxlan0 nud permanent\n", i, i);
	return buf_take(&text);
}

/* The folder is what an agent takes for its engine's. */
static void make_overlay(struct observer *o, const char *dir, const char *fdb, const char *neighbours) {
	char *file = xasprintf("%s/" OVERLAY_FILE, dir);

	o->ns = standin_overlay(fdb);
	standin_do(o->ns, "ip -batch -", neighbours);
	char *target = xasprintf("/proc/%d/fd/%d", (int)getpid(), o->ns);
	standin_must(mkdir(dir, 0700) == 0 && symlink(target, file) == 0, dir);
	free(target);
	free(file);
}

/* The child's side: never returns. */
static void become_agent(const char *program, const char *dir, const char *url) {
	char *state = xasprintf("%s/.state", dir), *log = xasprintf("%s/.log", dir); /* hidden names are no namespaces */

	int to = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (to >= 0 && dup2(to, STDERR_FILENO) >= 0)
		execl(program, program, "--listen", url, "--engine", "unix:///nonexistent/docker.sock", "--netns-dir", dir,
		      "--state", state, (char *)NULL);
	_exit(127);
}

static void start_agent(struct observer *o, struct http_client *client, const char *program, const char *dir, int port) {
	char *url = xasprintf("http://127.0.0.1:%d", port);
	struct wire_envelope identity = {.manager = (char[]){"bench"}, .cluster = (char[]){"bench"}, .epoch = 1};
	struct err err = {0};

	pid_t pid = fork();
	if (pid == 0)
		become_agent(program, dir, url);
	standin_must(pid > 0, program);
	standin_check(agent_new(client, dir, url, NULL, &o->agent, &err), &err);
	agent_set_identity(o->agent, &identity);
	free(url);
}

static void start(struct http_client *client, const char *program, const char *below) {
	char *fdb = forwarding_rows(), *neighbours = neighbour_rows();

	for (size_t i = 0; i < n_observers; i++) {
		char *dir = xasprintf("%s/%zu", below, i);
		make_overlay(&observers[i], dir, fdb, neighbours);
		start_agent(&observers[i], client, program, dir, FIRST_PORT + (int)i);
		free(dir);
	}
	free(fdb);
	free(neighbours);
}

/* ---- asking ---- */

static void run_until_answered(void) {
	while (under_way > 0)
		uv_run(loop, UV_RUN_ONCE);
}

static void on_status(void *ctx, const struct agent_result *r) {
	struct observer *o = ctx;

	under_way--;
	o->ready = r->outcome == AGENT_OK && r->answered_status->networks.n == 1;
}

static size_t ask_status(void) {
	size_t ready = 0;

	for (size_t i = 0; i < n_observers; i++) {
		under_way++;
		agent_status(observers[i].agent, (struct agent_cb){.fn = on_status, .ctx = &observers[i]});
	}
	run_until_answered();
	for (size_t i = 0; i < n_observers; i++)
		ready += observers[i].ready;
	return ready;
}

static void wait_until_ready(void) {
	struct mono deadline = mono_add(mono_now(), span_sec(READY_SEC));

	while (ask_status() < n_observers) {
		if (mono_reached(deadline, mono_now())) {
			fprintf(stderr, "observers: not all agents see their overlay\n");
			exit(EXIT_FAILURE);
		}
		uv_sleep(100);
	}
}

static void on_owners(void *ctx, const struct agent_result *r) {
	const struct observer *o = ctx;
	const struct wire_owner_state *state = r->outcome == AGENT_OK ? &r->states->owners.v[0] : NULL;

	under_way--;
	if (state && state->joined && state->right && !state->error && (!must_change || state->changed > 0))
		return;
	fprintf(stderr, "observers: %s: %s\n", agent_name(o->agent),
		!state         ? r->err.msg
		: state->error ? state->error
			       : "the rows are not right, or nothing was changed");
	exit(EXIT_FAILURE);
}

/* Returns milliseconds. */
static double order(const char *vtep) {
	struct wire_owner owner = {
		.network_id = (char[]){NETWORK}, .mac = (char[]){MAC}, .ip = (char[]){IP}, .vtep = xstrdup(vtep), .watch = true};
	const struct wire_owners_order owners = {.owners = {.v = &owner, .n = 1}};
	struct mono begun = mono_now();

	for (size_t i = 0; i < n_observers; i++) {
		under_way++;
		agent_owners(observers[i].agent, &owners, (struct agent_cb){.fn = on_owners, .ctx = &observers[i]});
	}
	run_until_answered();
	double ms = span_to_sec(mono_since(begun, mono_now())) * 1000;
	free(owner.vtep);
	return ms;
}

static void check_rows(const char *vtep) {
	char *command = xasprintf("bridge fdb show dev vxlan0 | grep -qx '" MAC " dst %s self permanent *'", vtep);

	for (size_t i = 0; i < n_observers; i++)
		standin_do(observers[i].ns, command, "");
	free(command);
}

int main(int argc, char **argv) {
	const char *vtep = vteps[0];
	struct http_client *client;
	struct err err = {0};

	if (argc != 5) {
		fprintf(stderr, "usage: observers COUNT ROUNDS AGENT DIR\n");
		return 64;
	}
	standin_must(unshare(CLONE_NEWNET) == 0 && system("ip link set lo up") == 0, "loopback");
	standin_must(mkdir(argv[4], 0700) == 0, argv[4]);
	n_observers = strtoul(argv[1], NULL, 10);
	observers = xnew_n(struct observer, n_observers);
	loop = uv_default_loop();
	standin_check(http_client_new(loop, &client, &err), &err);
	start(client, argv[3], argv[4]);
	wait_until_ready();
	(void)order(vtep); /* an agent that knows its manager has it on disk, long before a host dies */
	must_change = true;
	for (int i = 1; i <= atoi(argv[2]); i++) {
		vtep = vteps[1 + i % 2];
		printf("%.3f\n", order(vtep));
	}
	check_rows(vtep);
	return EXIT_SUCCESS;
}
