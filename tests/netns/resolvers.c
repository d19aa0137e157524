/* See disco.h: the clients that resolve a name all the time. Each is a child of the test's process, in the manager's namespace. */
#include "disco-internal.h"

#include "base/alloc.h"
#include "harness-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAUSE_US = 100000 };

static pid_t children[DISCO_MAX]; /* 0: none */

static char *heard_path(enum disco_system s) {
	char *name CLEANUP_FREE = xasprintf("resolved-%s", disco_names[s]);
	return state_path(name);
}

/* --- the child --- */

/* Ten times a second, or as soon as the last question is over. A line is one write: asked, answered, what. */
static _Noreturn void go_on_asking(enum disco_system s, const char *service, int fd) {
	char answer[DISCO_ANSWER_MAX];

	for (;;) {
		double asked = clock_now();
		disco_ask(s, service, answer);
		double answered = clock_now();
		if (dprintf(fd, "%.3f %.3f %s\n", asked, answered, *answer ? answer : "none") < 0)
			_exit(EXIT_FAILURE);
		if (answered - asked < PAUSE_US / 1e6)
			(void)usleep((useconds_t)(PAUSE_US - (answered - asked) * 1e6));
	}
}

static _Noreturn void become_resolver(enum disco_system s, const char *service) {
	char *path CLEANUP_FREE = heard_path(s), *netns CLEANUP_FREE = disco_netns();

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* cannot fail */
	srand((unsigned)getpid());
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), ns = open(netns, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		_exit(EXIT_FAILURE);
	go_on_asking(s, service, fd);
}

/* --- them all --- */

static void resolvers_end(void) {
	DISCO_EACH(s) {
		if (children[s] <= 0)
			continue;
		(void)kill(children[s], SIGKILL); /* it may have ended already */
		(void)waitpid(children[s], NULL, 0);
		children[s] = 0;
	}
}

/* A question was answered with an address. */
static bool hears(enum disco_system s) {
	struct resolved r = resolved_as(s, NULL, 0);
	return r.other > 0;
}

void resolvers_run(const char *service) {
	resolvers_end();
	scenario_at_end(resolvers_end);
	fflush(NULL);
	DISCO_EACH(s) {
		children[s] = fork();
		if (children[s] < 0)
			failed("fork: %s", strerror(errno));
		if (children[s] == 0)
			become_resolver(s, service);
	}
	DISCO_EACH(s) {
		char *what CLEANUP_FREE = xasprintf("a client resolves %s through %s", service, disco_names[s]);
		wait_until(what, hears(s));
	}
}

/* --- what they heard --- */

static void count(struct resolved *r, const char *address, double answered, const char *answer) {
	r->n++;
	if (strcmp(answer, "-") == 0) {
		r->silent++;
	} else if (strcmp(answer, "none") == 0) {
		r->empty++;
	} else if (!address || strcmp(answer, address) != 0) {
		r->other++;
	} else {
		if (r->last > 0 && answered - r->last > r->gap)
			r->gap = answered - r->last;
		r->first = r->first > 0 ? r->first : answered;
		r->last = answered;
		r->right++;
	}
}

/* What goes over every question that was asked since then. */
typedef void heard_fn(void *user, double asked, double answered, const char *answer);

static void each_heard(enum disco_system s, double since, heard_fn *see, void *user) {
	char *path CLEANUP_FREE = heard_path(s), line[DISCO_ANSWER_MAX + 64];
	double asked, answered;
	int at;

	FILE *f = fopen(path, "re");
	if (!f)
		return; /* it has not answered yet */
	while (fgets(line, sizeof line, f)) {
		size_t end = strcspn(line, "\n");
		if (line[end] == '\0' || sscanf(line, "%lf %lf %n", &asked, &answered, &at) < 2 || asked < since)
			continue; /* a line that is only begun is none */
		line[end] = '\0';
		see(user, asked, answered, line + at);
	}
	(void)fclose(f); /* was only read */
}

struct counting {
	struct resolved r;
	const char *address;
};

static void count_one(void *user, double asked, double answered, const char *answer) {
	struct counting *c = user;

	(void)asked;
	count(&c->r, c->address, answered, answer);
}

struct resolved resolved_as(enum disco_system s, const char *address, double since) {
	struct counting c = {.address = address};

	each_heard(s, since, count_one, &c);
	return c.r;
}

/* --- expectations --- */

void expect_always_answered(const char *address, double since) {
	DISCO_EACH(s) {
		struct resolved r = resolved_as(s, address, since);
		if (r.n == 0 || r.right < r.n)
			failed("%s: of %zu questions %zu were answered with %s; %zu with nothing, %zu not, %zu with another",
			       disco_names[s], r.n, r.right, address, r.empty, r.silent, r.other);
		note("%s: %zu questions, all answered with %s, %.3f s apart at most", disco_names[s], r.n, address, r.gap);
	}
}

/* Is that address one of the answer's? */
static bool names(const char *answer, const char *address) {
	size_t n = strlen(address);

	for (const char *at = strstr(answer, address); at; at = strstr(at + n, address))
		if ((at == answer || at[-1] == ' ') && (at[n] == '\0' || at[n] == ' '))
			return true;
	return false;
}

struct naming {
	const char *old, *new;
	double last_old; /* asked, of all; 0: never */
	double late;     /* the same since then */
	double first_new, since;
	size_t n;
};

static void see_naming(void *user, double asked, double answered, const char *answer) {
	struct naming *n = user;

	if (names(answer, n->old)) {
		n->last_old = answered;
		n->late = asked >= n->since ? asked : n->late;
	}
	if (names(answer, n->new) && n->first_new <= 0)
		n->first_new = answered;
	n->n += asked >= n->since;
}

void expect_never_named(const char *old, const char *new, double since) {
	DISCO_EACH(s) {
		struct naming n = {.old = old, .new = new, .since = since};
		each_heard(s, 0, see_naming, &n);
		if (n.late > 0)
			failed("%s: %s was named %.3f s after that", disco_names[s], old, n.late - since);
		if (n.first_new <= 0)
			failed("%s: %s was never named", disco_names[s], new);
		note("%s: %zu questions, none answered with %s; %.3f s between its last answer and the first with %s",
		     disco_names[s], n.n, old, n.first_new - n.last_old, new);
	}
}
