/* See asker.h. */
#include "asker.h"

#include "base/alloc.h"
#include "harness-internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int n_hosts;

int askers_hosts(void) { return n_hosts; }

double uptime_now(void) {
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static char *asker_folder(int host) { return xasprintf("build/lab/%s/heir/asker-h%d", lab_name(), host); }

/* Every question has a process of its own that the shell waits for: busybox's own wget -T is known to crash. */
static void run_asker(int host, const char *addresses) {
	char *folder CLEANUP_FREE = asker_folder(host), *whole CLEANUP_FREE = NULL;

	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		failed("%s: %s", folder, strerror(errno));
	whole = realpath(folder, NULL);
	lab_do("docker h%d create --name asker-h%d --restart always --stop-signal KILL --network ov -v %s:/heard "
	       "heir-lab/busybox:1 "
	       "sh -c 'ask() { while :; do read a _ </proc/uptime; p=$(timeout 1 wget -q -O- http://$1/ 2>/dev/null || echo -); "
	       "read b _ </proc/uptime; echo \"$a $b $1 $p\" >>/heard/log; sleep 0.3; done; }; "
	       "for ip; do ask $ip & done; wait' asker %s",
	       host, host, whole, addresses);
	char *name CLEANUP_FREE = xasprintf("asker-h%d", host), *node CLEANUP_FREE = xasprintf("h%d", host);
	start(node, name); /* which waits where an engine refuses it at first */
}

void askers_run(int hosts, const char *addresses) {
	n_hosts = hosts;
	for (int i = 1; i <= hosts; i++)
		run_asker(i, addresses);
}

struct web asker_on(int host) {
	char at[16], name[24];
	struct web asker;

	(void)snprintf(at, sizeof at, "h%d", host);
	(void)snprintf(name, sizeof name, "asker-h%d", host);
	if (!web_find(at, name, &asker))
		failed("%s does not run", name);
	return asker;
}

void askers_revive(void) {
	for (int i = 1; i <= n_hosts; i++) {
		char *what CLEANUP_FREE = xasprintf("the asker of h%d starts", i);
		wait_until(what, lab_try("docker h%d start asker-h%d >/dev/null", i, i) == 0);
	}
}

/* --- what they heard --- */

/* A line that is only begun, or was torn by a loss of power, is none. */
static bool parse_answer(const char *line, struct answer *ret) {
	return strchr(line, '\n') && sscanf(line, "%lf %lf %45s %15s", &ret->asked, &ret->answered, ret->ip, ret->page) == 4;
}

void asker_each(int host, answer_fn *see, void *user) {
	char *folder CLEANUP_FREE = asker_folder(host), *path CLEANUP_FREE = xasprintf("%s/log", folder), line[256];
	struct answer a;

	FILE *f = fopen(path, "re");
	if (!f)
		return; /* it has not answered yet */
	while (fgets(line, sizeof line, f))
		if (parse_answer(line, &a))
			see(user, &a);
	(void)fclose(f); /* was only read */
}

struct newest {
	const char *ip;
	double since;
	struct answer found;
};

static void keep_newest(void *user, const struct answer *a) {
	struct newest *n = user;

	if (strcmp(a->ip, n->ip) == 0 && a->asked >= n->since)
		n->found = *a;
}

static bool hears_since(int host, const char *ip, const struct web *w, double since) {
	struct newest n = {.ip = ip, .since = since};

	asker_each(host, keep_newest, &n);
	return strcmp(n.found.page, w->page) == 0;
}

bool asker_hears(int host, const char *ip, const struct web *w) { return hears_since(host, ip, w, 0); }

void expect_heard_everywhere(const struct web *w) {
	double since = uptime_now();

	for (int i = 1; i <= n_hosts; i++)
		for (size_t k = 0; k < w->n_nets; k++) {
			char *what CLEANUP_FREE =
				xasprintf("the asker of h%d hears %s of %s from %s", i, w->name, w->host, w->nets[k].ip);
			wait_until(what, hears_since(i, w->nets[k].ip, w, since));
		}
	note("%s on %s is heard from everywhere", w->name, w->host);
}

struct count {
	const char *ip, *page;
	double since;
	size_t n;
};

static void count_page(void *user, const struct answer *a) {
	struct count *c = user;

	c->n += a->asked >= c->since && strcmp(a->ip, c->ip) == 0 && strcmp(a->page, c->page) == 0;
}

size_t asker_count(int host, const char *ip, const char *page, double since) {
	struct count c = {.ip = ip, .page = page, .since = since};

	asker_each(host, count_page, &c);
	return c.n;
}

/* --- never both --- */

struct pair {
	const struct web *old, *new;
	size_t net;
	double first_new; /* answered; 0: not yet */
	double last_old;  /* asked */
	size_t n;
};

static void keep_pair(void *user, const struct answer *a) {
	struct pair *p = user;

	if (strcmp(a->ip, p->new->nets[p->net].ip) != 0)
		return;
	p->n++;
	if (strcmp(a->page, p->new->page) == 0 && (p->first_new <= 0 || a->answered < p->first_new))
		p->first_new = a->answered;
	if (strcmp(a->page, p->old->page) == 0 && a->asked > p->last_old)
		p->last_old = a->asked;
}

static size_t check_pair(const struct web *old, const struct web *new, size_t net) {
	double anybody = 0;
	struct pair seen[16] = {0};
	size_t n = 0;

	for (int i = 1; i <= n_hosts; i++) {
		struct pair *p = &seen[i];
		*p = (struct pair){.old = old, .new = new, .net = net};
		asker_each(i, keep_pair, p);
		n += p->n;
		if (p->first_new > 0 && (anybody <= 0 || p->first_new < anybody))
			anybody = p->first_new;
	}
	for (int i = 1; i <= n_hosts; i++) {
		bool own = atoi(old->host + 1) == i;
		double until = own ? seen[i].first_new : anybody;
		if (until > 0 && seen[i].last_old > until)
			failed("%s: h%d heard the old %s (%s of %s) %.2f s after %s had heard the new one", new->nets[net].ip, i,
			       new->name, old->page, old->host, seen[i].last_old - until, own ? "it" : "somebody");
	}
	return n;
}

void expect_never_both(const struct web *old, const struct web *new) {
	size_t n = 0;

	for (size_t net = 0; net < new->n_nets; net++)
		n += check_pair(old, new, net);
	note("%s: never both of %s and %s were heard, in %zu questions", new->name, old->page, new->page, n);
}
