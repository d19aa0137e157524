/* See harness.h: the program and its scenarios. It is two processes: the parent only waits for the child that runs them, and takes
 * the laboratory down whatever became of it. */
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

static struct {
	char root[PATH_MAX - 256]; /* of the checkout */
	char program[32], lab[32], engine[16];
	char lab_options[128];
	const struct scenario *scenarios;
	size_t n;
	const char *pattern;
	bool dirty;           /* the laboratory was used */
	const char *scenario; /* under way */
	bool passed;
	double began;
	void (*undo)(void); /* at its end; NULL */
} self;

const char *lab_name(void) { return self.lab; }
const char *lab_options(void) { return self.lab_options; }
bool overlay_is_kv(void) { return strstr(self.lab_options, "kv") != NULL; }
const char *checkout(void) { return self.root; }
double scenario_began(void) { return self.began; }
void scenario_at_end(void (*undo)(void)) { self.undo = undo; }

char *state_path(const char *name) { return xasprintf("%s/build/lab/%s/heir/%s", self.root, self.lab, name); }

/* --- one scenario --- */

/* What happened, for whoever reads the failure; the whole log is kept. */
static void show_evidence(void) {
	char *log CLEANUP_FREE = state_path("heird.log"), *api CLEANUP_FREE = api_url();
	char *heir_ls CLEANUP_FREE =
		xasprintf("timeout 5 '%s/build/heir' --host %s node ls; timeout 5 '%s/build/heir' --host %s takeover ls", self.root,
			  api, self.root, api);
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
	if (heird_runs())
		shell(heir_ls);
	printf("--- containers:\n");
	shell(containers);
	printf("--- agents:\n");
	shell(agents);
	printf("--- rows:\n");
	shell(rows);
	shell(keep);
}

static void make_anew(void) {
	char *folder CLEANUP_FREE = state_path("");
	/* Copies: whoever builds meanwhile does not change what is tested. */
	char *fresh CLEANUP_FREE = xasprintf("rm -rf '%s' && mkdir -p '%s' && cp build/heird build/heir '%s' && "
					     "cp build/test/heird '%s/heird-test'",
					     folder, folder, folder, folder);

	cut_forget();
	client_forget();
	if (self.dirty && lab_try("reset") != 0) {
		note("could not be reset, is made anew");
		lab_do("down");
		lab_do("up --engine %s --net ov=10.20.0.0/16 --net ov2=10.21.0.0/16 %s", self.engine, self.lab_options);
	}
	shell(fresh);
	self.dirty = true;
	note("laboratory %s is ready", self.lab);
}

static int scenario_begin(void **state) {
	const struct scenario *s = *state;

	self.scenario = s->name;
	self.passed = false;
	self.began = clock_now();
	make_anew();
	return 0;
}

void scenario_anew(void) {
	heird_kill();
	make_anew();
}

static void scenario_run(void **state) {
	const struct scenario *s = *state;

	if (s->run)
		s->run();
	else
		s->run_with(s->argument);
	self.passed = true;
}

static int scenario_end(void **state) {
	(void)state;
	if (!self.passed)
		show_evidence();
	heird_kill();
	if (self.undo)
		self.undo();
	self.undo = NULL;
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

static bool is_chosen(const struct scenario *s) {
	return (!self.pattern || strstr(s->name, self.pattern)) && (!s->not_on || strcmp(s->not_on, self.engine) != 0);
}

static int run_all(void) {
	struct CMUnitTest *tests = xnew_n(struct CMUnitTest, self.n);
	size_t n = 0;

	for (size_t i = 0; i < self.n; i++)
		if (is_chosen(&self.scenarios[i]))
			tests[n++] = (struct CMUnitTest){.name = self.scenarios[i].name,
							 .test_func = scenario_run,
							 .setup_func = scenario_begin,
							 .teardown_func = scenario_end,
							 .initial_state = (void *)&self.scenarios[i]};
	if (n == 0) {
		fprintf(stderr, "%s: no scenario on engine %s is called like '%s'\n", self.program, self.engine, self.pattern);
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

static void choose_overlay(const char *options) {
	const char *kind = getenv("HEIR_OVERLAY");
	bool other = kind && *kind && !strstr(options, "--overlay");

	(void)snprintf(self.lab_options, sizeof self.lab_options, "%s%s%s", options, other ? " --overlay " : "", other ? kind : "");
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
	(void)snprintf(both, sizeof both, "%.12s%.6s%s", self.program, self.engine, overlay_is_kv() ? "kv" : "");
	for (const char *p = both; *p && k < 20; p++)
		if ((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9'))
			self.lab[k++] = *p;
}

int scenarios_run(int argc, char **argv, const struct scenario *scenarios, size_t n, const char *default_engine,
		  const char *lab_options) {
	int status = 0;

	self.scenarios = scenarios;
	self.n = n;
	self.pattern = argc > 1 ? argv[1] : NULL;
	self.began = clock_now();
	choose_overlay(lab_options ? lab_options : "");
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
