/* See harness.h: the manager under test, and what it says. It runs in the laboratory's cgroup, so that it goes with it. */
#include "harness-internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CRASHED 137

static pid_t heird_pid; /* 0: none */
static bool publishes;

bool heird_runs(void) { return heird_pid != 0; }
bool heird_publishes(void) { return publishes; }

char *api_url(void) { return xasprintf("unix:///run/heir-lab/%s/heir.sock", lab_name()); }

static void write_engine(FILE *f, const struct heird_options *o, int host) {
	bool agent = o->agents && !(o->agentless && atoi(o->agentless + 1) == host);

	fprintf(f, "  - {name: h%d, url: \"tcp://10.99.0.1%d:2375\", labels: {rack: r%d}", host, host, host < 3 ? 1 : 2);
	if (o->ipv6)
		fprintf(f, ", address: \"fd00:99::1%d\"", host);
	if (agent)
		fprintf(f, ", agent: {url: \"http://10.99.0.1%d:4460\"}", host);
	fprintf(f, "}\n");
}

/* Three, but for programs that want more. */
static int count_hosts(void) {
	const char *more = strstr(lab_options(), "--hosts ");
	return more ? atoi(more + strlen("--hosts ")) : 3;
}

static void write_configuration(const struct heird_options *o) {
	char *path CLEANUP_FREE = state_path("heird.yaml");
	char *api CLEANUP_FREE = api_url();
	char *control CLEANUP_FREE = lab("control h2");
	bool own = o->more && strstr(o->more, "swarm:");

	FILE *f = fopen(path, "we");
	if (!f)
		failed("%s: %s", path, strerror(errno));
	fprintf(f, "cluster: lab\nstate: %s\napi: %s\nlog: {level: debug}\n", o->state ? o->state : "heir.db", api);
	if (!o->slow)
		fprintf(f, "heartbeat: {interval: 500ms, timeout: 500ms, failures: 3}\n");
	fprintf(f, "engines:\n");
	for (int i = 1, n = count_hosts(); i <= n; i++)
		write_engine(f, o, i);
	if (!o->no_control && !own && !strstr(lab_options(), "kv"))
		fprintf(f, "swarm: {control: \"unix://%s\"}\n", control);
	if (o->more)
		fputs(o->more, f);
	if (o->discovery)
		fputs(o->discovery, f);
	if (fclose(f) != 0)
		failed("%s: %s", path, strerror(errno));
}

/* In the manager's network namespace. The process keeps its PID through the lab's wrappers. */
static _Noreturn void become_heird(const struct heird_options *o) {
	char *log CLEANUP_FREE = state_path("heird.log");
	char *configuration CLEANUP_FREE = state_path("heird.yaml");
	/* The test build only where it is needed: everything else is shown of the product. */
	char *program CLEANUP_FREE = state_path(o->crash_at || o->stop_at ? "heird-test" : "heird");
	char *tool CLEANUP_FREE = xasprintf("%s/tests/netns/lab", checkout());

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || null < 0 || dup2(null, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(126);
	setenv("HEIR_LAB", lab_name(), 1);
	setenv("HEIR_CRASH_AT", o->crash_at ? o->crash_at : "", 1);
	setenv("HEIR_STOP_AT", o->stop_at ? o->stop_at : "", 1);
	execl(tool, "lab", "manager", program, "--config", configuration, (char *)NULL);
	_exit(127);
}

static bool heird_ended(int *ret_status) {
	int status;

	if (heird_pid == 0 || waitpid(heird_pid, &status, WNOHANG) != heird_pid)
		return false;
	heird_pid = 0;
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
	return true;
}

static bool heird_answers(void) {
	int status;

	if (heird_ended(&status))
		failed("heird ended with status %d", status);
	json_t *j CLEANUP_JSON = heir("status");
	return j != NULL;
}

static void begin(const struct heird_options *o) {
	assert_int_equal(heird_pid, 0);
	publishes = o->discovery != NULL;
	write_configuration(o);
	fflush(NULL);
	heird_pid = fork();
	if (heird_pid < 0)
		failed("fork: %s", strerror(errno));
	if (heird_pid == 0)
		become_heird(o);
}

void heird_start(const struct heird_options *options) {
	static const struct heird_options none;
	const struct heird_options *o = options ? options : &none;
	const char *at = o->crash_at ? o->crash_at : o->stop_at ? o->stop_at : "";

	begin(o);
	wait_until("heird answers", heird_answers());
	note("heird started%s%s", *at ? o->crash_at ? ", is to crash at " : ", is to stop at " : "", at);
}

/* What it logs from here on: the file is of all that ran in this scenario. */
static long log_end(void) {
	char *path CLEANUP_FREE = state_path("heird.log");
	struct stat st;

	return stat(path, &st) == 0 ? (long)st.st_size : 0;
}

int heird_refuses(const struct heird_options *options, char **ret_said) {
	char *path CLEANUP_FREE = state_path("heird.log");
	long from = log_end();
	int status = -1;

	begin(options);
	wait_until("heird ends", heird_ended(&status));
	char *command CLEANUP_FREE = xasprintf("tail -c +%ld '%s'", from + 1, path);
	int read;
	*ret_said = capture(command, &read);
	return status;
}

void heird_kill(void) {
	if (heird_pid == 0)
		return;
	(void)kill(heird_pid, SIGKILL); /* it may have ended already */
	(void)waitpid(heird_pid, NULL, 0);
	heird_pid = 0;
}

void heird_wait_crash(void) {
	int status = -1;

	wait_until("heird ends itself at its crash point", heird_ended(&status));
	note("heird is gone");
	assert_int_equal(status, CRASHED);
}

static bool heird_stopped(void) {
	int status;

	return heird_pid && waitpid(heird_pid, &status, WNOHANG | WUNTRACED) == heird_pid && WIFSTOPPED(status);
}

void heird_wait_stop(void) {
	wait_until("heird stops itself at its point", heird_stopped());
	note("heird stands still");
}

void heird_go_on(void) {
	assert_int_equal(kill(heird_pid, SIGCONT), 0);
	note("heird goes on");
}

/* wanted: the exit status that is no failure. */
static json_t *ask_heir(int wanted, const char *format, va_list ap) {
	char *arguments CLEANUP_FREE = NULL, *api CLEANUP_FREE = api_url();
	json_t *j = NULL;
	int status;

	if (vasprintf(&arguments, format, ap) < 0)
		abort();
	char *command CLEANUP_FREE =
		xasprintf("build/lab/%s/heir/heir --host '%s' --format json %s 2>/dev/null", lab_name(), api, arguments);
	char *out CLEANUP_FREE = capture(command, &status);
	if (status == wanted)
		(void)json_parse(out, strlen(out), "heir", &j, NULL); /* NULL says it */
	return j;
}

json_t *heir(const char *format, ...) {
	va_list ap;

	va_start(ap, format);
	json_t *j = ask_heir(0, format, ap);
	va_end(ap);
	return j;
}

json_t *heir_differs(const char *format, ...) {
	va_list ap;

	va_start(ap, format);
	json_t *j = ask_heir(2, format, ap);
	va_end(ap);
	return j;
}

bool node_is(const char *node, const char *state) {
	json_t *list CLEANUP_JSON = heir("node ls"), *j;
	size_t i;

	json_array_foreach (list, i, j)
		if (strcmp(json_str_or(j, "name", ""), node) == 0)
			return strcmp(json_str_or(j, "state", ""), state) == 0;
	return false;
}

static bool has_addresses(const json_t *container) {
	const json_t *list = json_object_get(container, "networks"), *j;
	size_t i;

	json_array_foreach (list, i, j)
		if (!json_at(j, "ip"))
			return false;
	return json_array_size(list) > 0;
}

bool heir_knows(const char *node, const char *name) {
	json_t *list CLEANUP_JSON = heir("container ls"), *j;
	size_t i;

	json_array_foreach (list, i, j)
		if (strcmp(json_str_or(j, "name", ""), name) == 0 && strcmp(json_str_or(j, "node", ""), node) == 0)
			return strcmp(json_str_or(j, "state", ""), "running") == 0 && has_addresses(j) && node_is(node, "alive");
	return false;
}

json_t *takeover_newest(const char *container) {
	json_t *list CLEANUP_JSON = heir("takeover ls"), *j, *newest = NULL;
	size_t i;

	json_array_foreach (list, i, j)
		if (strcmp(json_str_or(j, "container", ""), container) == 0)
			newest = j;
	return json_incref(newest);
}

bool takeover_is(const char *container, const char *state) {
	json_t *t CLEANUP_JSON = takeover_newest(container);
	return strcmp(json_str_or(t, "state", ""), state) == 0;
}

bool takeover_says(const char *container, const char *part) {
	json_t *t CLEANUP_JSON = takeover_newest(container);
	return strstr(json_str_or(t, "reason", ""), part) != NULL;
}

bool step_is(const char *container, const char *step, const char *outcome) {
	json_t *t CLEANUP_JSON = takeover_newest(container), *list = json_object_get(t, "steps"), *j;
	size_t i;

	json_array_foreach (list, i, j)
		if (strcmp(json_str_or(j, "name", ""), step) == 0 && strcmp(json_str_or(j, "outcome", ""), outcome) == 0)
			return true;
	return false;
}

size_t takeover_count(void) {
	json_t *list CLEANUP_JSON = NULL;

	wait_until("heird tells its takeovers", (list = heir("takeover ls")));
	return json_array_size(list);
}
