/* See harness.h. A program is two processes: the parent only waits for the child that runs the scenarios, and takes the
 * laboratory down whatever became of it. heird runs in the laboratory's cgroup, so that it goes with it. */
#include "harness-internal.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CRASHED 137

static struct {
	char root[PATH_MAX - 256]; /* of the checkout */
	char program[32], lab[32], engine[16];
	const char *lab_options;
	const struct scenario *scenarios;
	size_t n;
	const char *pattern;
	bool dirty;           /* the laboratory was used */
	const char *scenario; /* under way */
	bool passed;
	double began, cut_at;
	pid_t heird; /* 0: none */
} self;

const char *lab_name(void) { return self.lab; }
const char *engine_version(void) { return self.engine; }
double time_of_cut(void) { return self.cut_at; }

double clock_now(void) {
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void note(const char *format, ...) {
	va_list ap;

	printf("#   %6.1f s  ", clock_now() - self.began);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

void failed(const char *format, ...) {
	char text[4096];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof text, format, ap); /* a long text is cut */
	va_end(ap);
	fail_msg("%s", text);
	abort(); /* not reached: cmocka jumps out of the scenario */
}

/* --- waiting --- */

struct wait wait_begin(const char *what, double seconds) {
	return (struct wait){.what = what, .until = clock_now() + seconds};
}

void wait_pause(const struct wait *w) {
	if (clock_now() > w->until)
		failed("waited in vain: %s", w->what);
	(void)usleep(50000);
}

/* --- commands --- */

/* Through a shell, so that arguments can be quoted. Standard output is returned, errors go to the test's. */
static char *capture(const char *command, int *ret_status) {
	struct buf out = {0};
	char chunk[4096];
	size_t n;

	FILE *pipe = popen(command, "re");
	if (!pipe)
		failed("%s: %s", command, strerror(errno));
	while ((n = fread(chunk, 1, sizeof chunk, pipe)) > 0)
		buf_append(&out, chunk, n);
	int status = pclose(pipe);
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
	while (out.len > 0 && out.data[out.len - 1] == '\n')
		out.data[--out.len] = '\0';
	return buf_take(&out);
}

static char *lab_command(const char *format, va_list ap) {
	struct buf text = {0};
	char *arguments CLEANUP_FREE = NULL;

	if (vasprintf(&arguments, format, ap) < 0)
		abort();
	buf_printf(&text, "tests/netns/lab %s", arguments);
	return buf_take(&text);
}

char *lab(const char *format, ...) {
	va_list ap;
	int status;

	va_start(ap, format);
	char *command CLEANUP_FREE = lab_command(format, ap);
	va_end(ap);
	char *out = capture(command, &status);
	if (status != 0) {
		char *text CLEANUP_FREE = out;
		failed("exit status %d: %s\n%s", status, command, text);
	}
	return out;
}

void lab_do(const char *format, ...) {
	va_list ap;
	int status;

	va_start(ap, format);
	char *command CLEANUP_FREE = lab_command(format, ap);
	va_end(ap);
	char *out CLEANUP_FREE = capture(command, &status);
	if (status != 0)
		failed("exit status %d: %s\n%s", status, command, out);
}

int lab_try(const char *format, ...) {
	va_list ap;
	int status;

	va_start(ap, format);
	char *command CLEANUP_FREE = lab_command(format, ap);
	va_end(ap);
	char *quiet CLEANUP_FREE = xasprintf("%s 2>/dev/null", command);
	char *out CLEANUP_FREE = capture(quiet, &status);
	return status;
}

const char *host_ip(const char *host) {
	static char texts[4][32];
	static unsigned next;
	char *text = texts[next++ % 4];

	(void)snprintf(text, sizeof texts[0], "10.99.0.%d", 10 + atoi(host + 1));
	return text;
}

void cut(const char *host) {
	self.cut_at = clock_now();
	lab_do("cut %s", host);
	note("%s: cable pulled", host);
}

void power_off(const char *host) {
	self.cut_at = clock_now();
	lab_do("poweroff %s", host);
	note("%s: power off", host);
}

void heal(const char *host) {
	lab_do("heal %s", host);
	note("%s: cable plugged in", host);
}

/* --- heird --- */

static char *state_path(const char *name) { return xasprintf("%s/build/lab/%s/heir/%s", self.root, self.lab, name); }
static char *api_url(void) { return xasprintf("unix:///run/heir-lab/%s/heir.sock", self.lab); }

static void write_engine(FILE *f, const struct heird_options *o, int host) {
	bool agent = o->agents && !(o->agentless && atoi(o->agentless + 1) == host);

	fprintf(f, "  - {name: h%d, url: \"tcp://10.99.0.1%d:2375\"", host, host);
	if (agent)
		fprintf(f, ", agent: {url: \"http://10.99.0.1%d:4460\"}", host);
	fprintf(f, "}\n");
}

static void write_configuration(const struct heird_options *o) {
	char *path CLEANUP_FREE = state_path("heird.yaml");
	char *api CLEANUP_FREE = api_url();
	char *control CLEANUP_FREE = lab("control h2");
	bool own = o->more && strstr(o->more, "swarm:");

	FILE *f = fopen(path, "we");
	if (!f)
		failed("%s: %s", path, strerror(errno));
	fprintf(f, "cluster: lab\nstate: heir.db\napi: %s\nlog: {level: debug}\n", api);
	if (!o->slow)
		fprintf(f, "heartbeat: {interval: 500ms, timeout: 500ms, failures: 3}\n");
	fprintf(f, "engines:\n");
	for (int i = 1; i <= 3; i++)
		write_engine(f, o, i);
	if (!o->no_control && !own && !strstr(self.lab_options, "kv"))
		fprintf(f, "swarm: {control: \"unix://%s\"}\n", control);
	if (o->more)
		fputs(o->more, f);
	if (fclose(f) != 0)
		failed("%s: %s", path, strerror(errno));
}

/* In the manager's network namespace. The process keeps its PID through the lab's wrappers. */
static _Noreturn void become_heird(const char *crash_at) {
	char *log CLEANUP_FREE = state_path("heird.log");
	char *configuration CLEANUP_FREE = state_path("heird.yaml");
	char *program CLEANUP_FREE = state_path("heird");
	char *tool CLEANUP_FREE = xasprintf("%s/tests/netns/lab", self.root);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || null < 0 || dup2(null, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(126);
	setenv("HEIR_LAB", self.lab, 1);
	unsetenv("HEIR_CRASH_AT");
	if (crash_at)
		setenv("HEIR_CRASH_AT", crash_at, 1);
	execl(tool, "lab", "manager", program, "--config", configuration, (char *)NULL);
	_exit(127);
}

static bool heird_ended(int *ret_status) {
	int status;

	if (self.heird == 0 || waitpid(self.heird, &status, WNOHANG) != self.heird)
		return false;
	self.heird = 0;
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

void heird_start(const struct heird_options *options) {
	static const struct heird_options none;
	const struct heird_options *o = options ? options : &none;

	assert_int_equal(self.heird, 0);
	write_configuration(o);
	fflush(NULL);
	self.heird = fork();
	if (self.heird < 0)
		failed("fork: %s", strerror(errno));
	if (self.heird == 0)
		become_heird(o->crash_at);
	wait_until("heird answers", heird_answers());
	note("heird started%s%s", o->crash_at ? ", is to crash at " : "", o->crash_at ? o->crash_at : "");
}

void heird_kill(void) {
	if (self.heird == 0)
		return;
	(void)kill(self.heird, SIGKILL); /* it may have ended already */
	(void)waitpid(self.heird, NULL, 0);
	self.heird = 0;
}

void heird_wait_crash(void) {
	int status = -1;

	wait_until("heird ends itself at its crash point", heird_ended(&status));
	note("heird is gone");
	assert_int_equal(status, CRASHED);
}

json_t *heir(const char *format, ...) {
	char *arguments CLEANUP_FREE = NULL, *api CLEANUP_FREE = api_url();
	json_t *j = NULL;
	va_list ap;
	int status;

	va_start(ap, format);
	int r = vasprintf(&arguments, format, ap);
	va_end(ap);
	if (r < 0)
		abort();
	char *command CLEANUP_FREE =
		xasprintf("build/lab/%s/heir/heir --host '%s' --format json %s 2>/dev/null", self.lab, api, arguments);
	char *out CLEANUP_FREE = capture(command, &status);
	if (status == 0)
		(void)json_parse(out, strlen(out), "heir", &j, NULL); /* NULL says it */
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

/* --- one scenario --- */

static void shell(const char *command) {
	fflush(stdout);
	if (system(command) != 0)
		note("failed: %s", command);
}

/* What happened, for whoever reads the failure; the whole log is kept. */
static void show_evidence(void) {
	char *log CLEANUP_FREE = state_path("heird.log"), *api CLEANUP_FREE = api_url();
	char *heir_ls CLEANUP_FREE = xasprintf("'%s/build/heir' --host %s node ls; '%s/build/heir' --host %s takeover ls",
					       self.root, api, self.root, api);
	char *last CLEANUP_FREE = xasprintf("grep -v level=debug '%s' | tail -n 40", log);
	char *keep CLEANUP_FREE = xasprintf("mkdir -p '%s/build/failed' && cp '%s' '%s/build/failed/%s-%s-%s.log'", self.root, log,
					    self.root, self.program, self.engine, self.scenario);
	char *containers CLEANUP_FREE =
		xasprintf("for h in h1 h2 h3; do timeout 5 tests/netns/lab docker $h ps -a --format \"$h {{.ID}} {{.Names}} "
			  "{{.Status}}\"; done");
	char *rows CLEANUP_FREE =
		xasprintf("for h in h1 h2 h3; do timeout 5 tests/netns/lab fdb $h ov | grep -v '33:33:\\|01:00:5e'; done");
	char *agents CLEANUP_FREE = xasprintf("tail -n 8 $(ls build/lab/%s/h?/agent.log 2>/dev/null) </dev/null", self.lab);

	printf("--- %s failed; heird's last lines:\n", self.scenario);
	shell(last);
	printf("--- nodes and takeovers:\n");
	if (self.heird)
		shell(heir_ls);
	printf("--- containers:\n");
	shell(containers);
	printf("--- agents:\n");
	shell(agents);
	printf("--- rows:\n");
	shell(rows);
	shell(keep);
}

static int scenario_begin(void **state) {
	const struct scenario *s = *state;
	char *folder CLEANUP_FREE = state_path("");
	/* Copies: whoever builds meanwhile does not change what is tested. */
	char *fresh CLEANUP_FREE =
		xasprintf("rm -rf '%s' && mkdir -p '%s' && cp build/heird build/heir '%s'", folder, folder, folder);

	self.scenario = s->name;
	self.passed = false;
	self.cut_at = 0;
	self.began = clock_now();
	if (self.dirty && lab_try("reset") != 0) {
		note("could not be reset, is made anew");
		lab_do("down");
		lab_do("up --engine %s --net ov=10.20.0.0/16 --net ov2=10.21.0.0/16 %s", self.engine, self.lab_options);
	}
	shell(fresh);
	self.dirty = true;
	note("laboratory %s is ready", self.lab);
	return 0;
}

static void scenario_run(void **state) {
	const struct scenario *s = *state;

	s->run();
	self.passed = true;
}

static int scenario_end(void **state) {
	(void)state;
	if (!self.passed)
		show_evidence();
	heird_kill();
	client_forget();
	note("%s, engine %s", self.passed ? "passed" : "FAILED", self.engine);
	return 0;
}

/* --- the program --- */

static int laboratory_begin(void **state) {
	(void)state;
	char *labs CLEANUP_FREE = lab("list");
	char *line CLEANUP_FREE = xasprintf("\n%s\n", self.lab), *all CLEANUP_FREE = xasprintf("\n%s\n", labs);

	self.dirty = strstr(all, line) != NULL;
	self.began = clock_now();
	char *told CLEANUP_FREE =
		lab("up --engine %s --net ov=10.20.0.0/16 --net ov2=10.21.0.0/16 %s", self.engine, self.lab_options);
	return 0;
}

static int run_all(void) {
	struct CMUnitTest *tests = xnew_n(struct CMUnitTest, self.n);
	size_t n = 0;

	for (size_t i = 0; i < self.n; i++)
		if (!self.pattern || strstr(self.scenarios[i].name, self.pattern))
			tests[n++] = (struct CMUnitTest){.name = self.scenarios[i].name,
							 .test_func = scenario_run,
							 .setup_func = scenario_begin,
							 .teardown_func = scenario_end,
							 .initial_state = (void *)&self.scenarios[i]};
	if (n == 0) {
		fprintf(stderr, "%s: no scenario is called like '%s'\n", self.program, self.pattern);
		return EXIT_FAILURE;
	}
	int r = _cmocka_run_group_tests(self.program, tests, n, laboratory_begin, NULL);
	free(tests);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static pid_t child;

static void pass_on(int number) {
	if (child > 0)
		(void)kill(-child, number); /* nothing else can be done here */
}

static void name_things(const char *default_engine) {
	const char *given = getenv("HEIR_LAB"), *engine = getenv("HEIR_ENGINE");
	char path[PATH_MAX];

	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	path[n > 0 ? n : 0] = '\0';
	(void)snprintf(self.program, sizeof self.program, "%s", basename(path));
	char *build = strstr(path, "/build/");
	assert_non_null(build);
	(void)snprintf(self.root, sizeof self.root, "%.*s", (int)(build - path), path);
	if (chdir(self.root) < 0)
		abort();
	(void)snprintf(self.engine, sizeof self.engine, "%s", engine && *engine ? engine : default_engine);
	if (given && *given) {
		(void)snprintf(self.lab, sizeof self.lab, "%s", given);
		return;
	}
	size_t k = 0;
	char both[64];
	(void)snprintf(both, sizeof both, "%.12s%.6s", self.program, self.engine);
	for (const char *p = both; *p && k < 20; p++)
		if ((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9'))
			self.lab[k++] = *p;
}

int scenarios_run(int argc, char **argv, const struct scenario *scenarios, size_t n, const char *default_engine,
		  const char *lab_options) {
	int status = 0;

	self.scenarios = scenarios;
	self.n = n;
	self.lab_options = lab_options ? lab_options : "";
	self.pattern = argc > 1 ? argv[1] : NULL;
	self.began = clock_now();
	name_things(default_engine);
	(void)setenv("HEIR_LAB", self.lab, 1);
	if (geteuid() != 0) {
		fprintf(stderr, "%s: must be root\n", self.program);
		return EXIT_FAILURE;
	}
	(void)signal(SIGINT, pass_on);
	(void)signal(SIGTERM, pass_on);
	(void)signal(SIGHUP, pass_on);
	child = fork();
	if (child == 0) {
		(void)signal(SIGINT, SIG_DFL);
		(void)signal(SIGTERM, SIG_DFL);
		(void)signal(SIGHUP, SIG_DFL);
		(void)setpgid(0, 0);
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		exit(run_all());
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		fprintf(stderr, "%s: ended by signal %d\n", self.program, WTERMSIG(status));
	if (!getenv("HEIR_KEEP"))
		(void)lab_try("down");
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}
