/* See chaos.h. */
#include "chaos.h"

#include "asker.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { UNHEARD = 5 /* s: a frozen engine's first answer, a dead node's second heartbeat */ };

/* What can befall a host. Durations are such that heird sometimes gives it up and sometimes not. */
static const struct fault {
	const char *begin, *end;            /* %s is the host */
	unsigned weight, shortest, longest; /* s */
	bool restarts;
} faults[] = {
	{"cut %s", "heal %s", 4, 2, 30, false},
	{"oneway %s in", "heal %s", 2, 3, 25, false},
	{"oneway %s out", "heal %s", 2, 3, 25, false},
	{"freeze %s", "thaw %s", 4, 1, 25, false},
	{"hang %s", "cont %s", 2, 2, 20, false},
	{"kill %s", "start %s", 2, 1, 15, true},
	{"poweroff %s", "poweron %s", 3, 1, 20, true},
	{"lossy %s --loss 20% --delay 50ms --jitter 30ms", "heal %s", 2, 5, 30, false},
	{"agent %s down", "agent %s up", 2, 2, 20, false},
	{"agent %s hang", "agent %s wake", 1, 2, 20, false},
	{"cut-data %s", "heal %s", 2, 3, 20, false},
	{"cut-control %s --swarm", "heal %s", 1, 3, 20, false},
	{"cut-manager %s", "heal %s", 1, 3, 20, false},
};

/* What is not one fault of one host. */
enum special { FLAP, PAIR, MANAGER, SPECIAL_MAX };
static const unsigned special_weights[SPECIAL_MAX] = {[FLAP] = 3, [PAIR] = 3, [MANAGER] = 4};

static uint64_t state;

/* splitmix64, 0 to n - 1. */
static unsigned draw(unsigned n) {
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (unsigned)((z ^ (z >> 31)) % n);
}

static double draw_seconds(double least, double most) { return least + (most - least) * draw(1000) / 1000.0; }

/* --- drawing --- */

struct drawing {
	struct chaos *c;
	double now;
	double ill_until[16]; /* of each host; 0 is heird */
};

static struct chaos_deed *add_deed(struct chaos *c, double at, int host, bool begins) {
	if (c->n == CHAOS_DEEDS_MAX)
		failed("a history of more than %d deeds", CHAOS_DEEDS_MAX);
	struct chaos_deed *d = &c->deeds[c->n++];
	*d = (struct chaos_deed){.at = at, .host = host, .begins = begins};
	return d;
}

static void add_lab_deed(struct chaos *c, double at, int host, bool begins, const char *format) {
	struct chaos_deed *d = add_deed(c, at, host, begins);
	char name[16];

	(void)snprintf(name, sizeof name, "h%d", host);
	const char *hole = strstr(format, "%s");
	(void)snprintf(d->what, sizeof d->what, "%.*s%s%s", (int)(hole - format), format, name, hole + 2);
}

static int count_ill(const struct drawing *d) {
	int n = 0;

	for (int i = 1; i <= d->c->hosts; i++)
		n += d->ill_until[i] > d->now;
	return n;
}

/* A host that is well; 0: enough are ill. h2, the swarm's only manager, is drawn more rarely: without it nothing can be released,
 * so little happens. */
static int draw_host(const struct drawing *d) {
	int host = 1 + (int)draw((unsigned)d->c->hosts), again = 1 + (int)draw((unsigned)d->c->hosts);

	host = host == 2 ? again : host;
	if (count_ill(d) >= 2)
		return 0;
	while (d->ill_until[host] > d->now)
		host = 1 + host % d->c->hosts;
	return host;
}

/* A host has a moment of health between two illnesses. */
static void befall(struct drawing *d, const struct fault *f, int host, double seconds) {
	add_lab_deed(d->c, d->now, host, true, f->begin);
	add_lab_deed(d->c, d->now + seconds, host, false, f->end);
	d->ill_until[host] = d->now + seconds + 2;
	d->c->restarts[host] |= f->restarts;
}

static void flap(struct drawing *d, int host) {
	double at = d->now;

	for (unsigned i = 0, n = 2 + draw(3); i < n; i++) {
		add_lab_deed(d->c, at, host, true, "cut %s");
		at += draw_seconds(1, 6);
		add_lab_deed(d->c, at, host, false, "heal %s");
		at += draw_seconds(0.5, 5);
	}
	d->ill_until[host] = at + 2;
}

static void manager_dies(struct drawing *d) {
	double seconds = draw_seconds(0, 6);

	if (d->ill_until[0] > d->now)
		return;
	add_deed(d->c, d->now, 0, true)->heird = -1;
	add_deed(d->c, d->now + seconds, 0, false)->heird = 1;
	d->ill_until[0] = d->now + seconds + 2;
}

static void befall_special(struct drawing *d, enum special s) {
	int first = s == MANAGER ? 0 : draw_host(d);

	if (s == MANAGER)
		manager_dies(d);
	else if (first && s == FLAP)
		flap(d, first);
	else if (first && s == PAIR) {
		double seconds = draw_seconds(3, 25);
		befall(d, &faults[0], first, seconds);
		int second = draw_host(d);
		if (second)
			befall(d, &faults[0], second, seconds + draw_seconds(-2, 2));
	}
}

static void draw_one(struct drawing *d) {
	unsigned all = 0;

	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
		all += faults[i].weight;
	for (int i = 0; i < SPECIAL_MAX; i++)
		all += special_weights[i];
	unsigned drawn = draw(all);
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		if (drawn < faults[i].weight) {
			int host = draw_host(d);
			double seconds = draw_seconds(faults[i].shortest, faults[i].longest);
			if (host)
				befall(d, &faults[i], host, seconds);
			return;
		}
		drawn -= faults[i].weight;
	}
	int s = 0;
	for (; drawn >= special_weights[s]; s++)
		drawn -= special_weights[s];
	befall_special(d, (enum special)s);
}

static int by_time(const void *a, const void *b) {
	double x = ((const struct chaos_deed *)a)->at, y = ((const struct chaos_deed *)b)->at;
	return (x > y) - (x < y);
}

void chaos_draw(struct chaos *c, uint64_t seed, int hosts, double seconds) {
	struct drawing d = {.c = c};

	*c = (struct chaos){.seed = seed, .hosts = hosts, .seconds = seconds};
	state = seed;
	for (d.now = draw_seconds(0, 3); d.now < seconds; d.now += draw_seconds(0, 14))
		draw_one(&d);
	qsort(c->deeds, c->n, sizeof c->deeds[0], by_time);
}

static void describe(const struct chaos_deed *d, char text[static 128]) {
	(void)snprintf(text, 128, "%s", d->heird < 0 ? "kill heird" : d->heird > 0 ? "start heird" : d->what);
}

void chaos_print(const struct chaos *c) {
	char text[128];

	note("HEIR_SEED=%llu, %g s, %d hosts:", (unsigned long long)c->seed, c->seconds, c->hosts);
	for (size_t i = 0; i < c->n; i++) {
		describe(&c->deeds[i], text);
		printf("#       %6.1f %s\n", c->deeds[i].at, text);
	}
}

/* --- living --- */

static void do_deed(const struct chaos_deed *d, const struct heird_options *options) {
	char text[128];

	describe(d, text);
	note("%s", text);
	if (d->heird < 0)
		heird_kill();
	else if (d->heird > 0)
		heird_start(options);
	else
		lab_do("%s", d->what);
}

void chaos_live(struct chaos *c, const struct heird_options *options, void (*meanwhile)(void)) {
	double begun = clock_now();

	for (size_t i = 0; i < c->n; i++) {
		while (clock_now() - begun < c->deeds[i].at) {
			meanwhile();
			(void)usleep(200000);
		}
		c->deeds[i].done = uptime_now();
		do_deed(&c->deeds[i], options);
	}
}

/* One host is ill of one thing at a time, so the last deed before then tells. */
bool chaos_was_ill(const struct chaos *c, int host, double uptime) {
	const struct chaos_deed *last = NULL;

	for (size_t i = 0; i < c->n; i++)
		if (c->deeds[i].host == host && c->deeds[i].done > 0 && c->deeds[i].done <= uptime)
			last = &c->deeds[i];
	return last && (last->begins || uptime - last->done < UNHEARD);
}
