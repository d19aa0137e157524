/* See real.h. Time is virtual and the hosts are made up as ever, but what is written goes to SQLite, and the process's memory is
 * the real one: what grows with every takeover shows here. Everything of the simulator's own that would grow is cleared after each
 * round.
 *
 * heird keeps the last 1000 closed takeovers in memory, so that memory may only be compared behind those: the second half of 2000
 * and more. */
#include "real.h"

#include "sim.h"
#include "store/sqlite.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <uv.h>

#define NODES 4
#define CONTAINERS 12
#define KILLS 10
#define REPORT_EVERY 200
/* What is allocated was seen to grow by 28 KiB from the 1200th to the 4400th takeover, and no more than by 21 KiB within a
 * thousand: texts and tables that find their size. 64 KiB in a thousand are 65 bytes for each, less than the least of the records.
 */
#define USED_GROWTH_KIB 64
/* The process's share also has pages that malloc cannot give back: seen to move by up to 210 KiB. It tells of what malloc does not
 * know of. */
#define SHARE_GROWTH_KIB 512

struct real {
	uv_loop_t loop;
	char *dir, *path;
	unsigned files; /* each killed manager's file is gone on with as a copy */
	/* of a manager that follows a killed one */
	char resumes[ID_TEXT_MAX]; /* a takeover that was open; "" when it has gone on */
	struct mono began;
	struct span took;
};

/* ---- the store ---- */

static void give_up(const char *what) {
	fprintf(stderr, "sim: %s\n", what);
	exit(1);
}

struct store *real_open(struct sim *s) {
	struct store *store;
	struct err err;

	if (sqlite_store_open(&s->real->loop, s->real->path, FAKE_CLUSTER, &store, &err) < 0)
		give_up(err.msg);
	return store;
}

void real_wait(struct sim *s) {
	while (s->store && store_pending(s->store))
		uv_run(&s->real->loop, UV_RUN_ONCE);
}

void real_performed(struct sim *s, const struct effect *e) {
	struct real *r = s->real;

	if (!*r->resumes || strcmp(e->takeover, r->resumes) != 0)
		return;
	r->took = mono_since(r->began, mono_now());
	*r->resumes = '\0';
}

static void copy_file(const char *from, const char *to, const char *suffix) {
	char *source CLEANUP_FREE = xasprintf("%s%s", from, suffix), *target CLEANUP_FREE = xasprintf("%s%s", to, suffix);
	int in CLEANUP_FD = open(source, O_RDONLY | O_CLOEXEC), out CLEANUP_FD = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ssize_t n;

	if (in < 0 || out < 0)
		give_up("the state file cannot be copied");
	while ((n = sendfile(out, in, NULL, (size_t)1 << 30)) > 0)
		;
	if (n < 0)
		give_up("the state file cannot be copied");
}

static void remove_files(const char *path) {
	static const char *const suffixes[] = {"", "-wal", ".lock"};

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char *file CLEANUP_FREE = xasprintf("%s%s", path, suffixes[i]);
		(void)remove(file); /* not each is always there */
	}
}

static char *next_path(struct real *r) { return xasprintf("%s/heir-%u.db", r->dir, r->files++); }

/* A close would tidy up: what a killed process leaves is the file with its log of writes as they are now. */
static void kill_manager(struct sim *s) {
	struct real *r = s->real;
	char *left CLEANUP_FREE = next_path(r);

	real_wait(s);
	copy_file(r->path, left, "");
	copy_file(r->path, left, "-wal");
	manager_drop(s);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	remove_files(r->path);
	xstr_replace(&r->path, left);
}

/* ---- memory ---- */

struct usage {
	long share; /* of memory that is resident: Pss */
	long used;  /* what is allocated */
};

/* In KiB; share is 0 when the kernel does not say. */
static struct usage usage_now(void) {
	struct usage u = {0};
	char line[256];

	malloc_trim(0);
	u.used = (long)(mallinfo2().uordblks / 1024);
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	while (f && fgets(line, sizeof(line), f))
		(void)sscanf(line, "Pss: %ld kB", &u.share);
	if (f)
		fclose(f);
	return u;
}

/* Containers that are gone for good, which the fake keeps for the checks of a short history. Called when nobody looks or acts. */
static void clear_gone(struct sim *s) {
	int kept = 0;

	for (int i = 0; i < s->fake.n_containers; i++) {
		struct fake_container *c = s->fake.containers[i];
		if (c->exists || c->generation == 0) {
			s->fake.containers[kept++] = c;
			continue;
		}
		free(c);
	}
	s->fake.n_containers = kept;
	inspect_free(s);
}

static bool is_quiet(struct sim *s) {
	for (int i = 0; i < s->fake.n_nodes; i++)
		if (s->observers[i].n_looks)
			return false;
	return !s->flights;
}

/* ---- the history ---- */

static void make_id(void *ctx, char text[ID_TEXT_MAX]) {
	struct sim *s = ctx;
	snprintf(text, ID_TEXT_MAX, "%016x", ++s->next_takeover);
}

static void settle(struct sim *s) {
	s->settings = (struct resched_settings){.cluster = FAKE_CLUSTER,
						.parallel = 32,
						.per_target = 16,
						.attempts = 3,
						.backoff_initial = span_sec(1),
						.backoff_cap = span_sec(8),
						.seed = 1,
						.make_id = make_id,
						.ctx = s};
	s->detector_settings = (struct detector_settings){.interval = span_sec(1),
							  .timeout = span_sec(1),
							  .failures = 3,
							  .recover = 1,
							  .hold_initial = span_sec(10),
							  .hold_cap = span_sec(300),
							  .flap_window = span_sec(600)};
	s->max_lost = 50;
	s->fake.kind = NET_SWARM;
	s->control_up = s->healed = true;
	s->ends = MONO_NEVER;
	s->now = (struct mono){span_sec(1).ns};
	s->seed = 1;
	check_begin(s);
}

static void add_container(struct sim *s, int number) {
	char name[16];
	enum refusal why;

	snprintf(name, sizeof(name), "web%d", number);
	struct fake_container *c = fake_add(&s->fake, number % NODES, name);
	snprintf(c->policy, sizeof(c->policy), "always");
	snprintf(c->alias, sizeof(c->alias), "alias%d", number);
	c->opted = true;
	snprintf(c->ip[0], sizeof(c->ip[0]), "10.20.0.%d", 10 + number);
	snprintf(c->mac[0], sizeof(c->mac[0]), "02:42:0a:14:00:%02x", 10 + number);
	c->connected[0] = true;
	(void)fake_start(&s->fake, c, &why); /* nobody is in its way */
	struct truth *t = &s->truths[s->n_truths++];
	snprintf(t->workload, sizeof(t->workload), FAKE_CLUSTER "/%s", c->id);
	t->first = s->fake.n_containers - 1;
	t->overlay = true;
	snprintf(t->policy, sizeof(t->policy), "%s", c->policy);
	snprintf(t->names[t->n_names++], sizeof(t->names[0]), "%s", c->name);
}

static void begin(struct sim *s) {
	s->fake.n_nodes = NODES;
	for (int i = 0; i < NODES; i++) {
		snprintf(s->fake.nodes[i].name, sizeof(s->fake.nodes[i].name), "h%d", i + 1);
		for (int k = 0; k < FAKE_IMAGES; k++)
			s->fake.nodes[i].image[k] = true;
		s->agents[i].there = true;
		s->kernels[i].gossips = true;
	}
	for (int i = 0; i < CONTAINERS; i++)
		add_container(s, i);
	manager_start(s);
}

typedef bool holds_fn(struct sim *s);

static void until(struct sim *s, holds_fn *holds, const char *what) {
	for (int sec = 0; !holds(s); sec++) {
		sim_until(s, mono_add(s->now, span_ms(100)));
		if (sec > 6000)
			sim_fail(s, INV_ENDS, "%s: not within 10 minutes", what);
		if (*s->failure)
			give_up(s->failure);
	}
}

static const struct takeover *open_takeover(const struct sim *s) {
	for (const struct takeover *t = resched_takeovers(s->machine); t; t = t->hh.next)
		if (!takeover_is_over(t->state))
			return t;
	return NULL;
}

static bool is_under_way(struct sim *s) {
	const struct takeover *t = open_takeover(s);
	return t && t->row >= ROW_CREATE;
}

static bool all_is_moved(struct sim *s) {
	for (const struct workload *w = resched_workloads(s->machine); w; w = w->hh.next)
		if (!w->verified || s->fake.nodes[fake_node_index(&s->fake, w->node)].off)
			return false;
	return !open_takeover(s);
}

static bool all_is_clean(struct sim *s) {
	for (const struct workload *w = resched_workloads(s->machine); w; w = w->hh.next)
		if (w->n_copies)
			return false;
	for (const struct world_node *n = resched_world(s->machine)->nodes; n; n = n->hh.next)
		if (!world_node_serves(n) || n->quarantined)
			return false;
	return all_is_moved(s);
}

/* Round and round, but not one to which nothing has come yet. */
static int next_node(const struct sim *s, int node) {
	for (;;) {
		node = (node + 1) % NODES;
		for (const struct workload *w = resched_workloads(s->machine); w; w = w->hh.next)
			if (strcmp(w->node, s->fake.nodes[node].name) == 0)
				return node;
	}
}

static void node_fails(struct sim *s, int node) {
	fake_power(&s->fake, node, false);
	agents_power_lost(s, node);
}

/* It stays away until its containers have moved, and the next one fails when ten minutes have passed since it was this one's turn
 * before: a node that flaps would be held. */
static void node_returns(struct sim *s, int node) {
	until(s, all_is_moved, "containers are moved");
	fake_power(&s->fake, node, true);
	manager_refresh(s, node);
	until(s, all_is_clean, "a returned node is clean");
	sim_until(s, mono_add(s->now, span_sec(160)));
	until(s, is_quiet, "nobody looks and nothing is asked");
	clear_gone(s);
}

static bool has_gone_on(struct sim *s) { return !*s->real->resumes; }

/* A manager is killed in the middle of a takeover; how long until the next one has the first effect of it sent. */
static double kill_and_resume(struct sim *s, int node) {
	struct real *r = s->real;

	node_fails(s, node);
	until(s, is_under_way, "a takeover is under way");
	memcpy(r->resumes, open_takeover(s)->id, sizeof(r->resumes));
	kill_manager(s);
	r->began = mono_now();
	manager_start(s);
	until(s, has_gone_on, "the takeover goes on");
	double took = span_to_sec(r->took);
	node_returns(s, node);
	return took;
}

/* ---- the whole ---- */

static unsigned done_count(const struct sim *s, unsigned *ret_other) {
	unsigned done = 0;

	*ret_other = 0;
	for (const struct takeover *t = resched_takeovers(s->machine); t; t = t->hh.next) {
		done += t->state == TAKEOVER_DONE;
		*ret_other += t->state != TAKEOVER_DONE;
	}
	return done;
}

static void say_usage(const struct sim *s) {
	struct usage u = usage_now();
	printf("  %5u takeovers: %ld KiB resident, %ld KiB of them allocated, after %.0f h\n", s->next_takeover, u.share, u.used,
	       (double)s->now.ns / 3.6e12);
}

/* What was used when half of them were done. */
static struct usage run_rounds(struct sim *s, unsigned takeovers) {
	struct usage half = {0};
	unsigned told = 0;

	for (int node = 0; s->next_takeover < takeovers; node = next_node(s, node)) {
		node_fails(s, node);
		node_returns(s, node);
		if (half.used == 0 && s->next_takeover >= takeovers / 2)
			half = usage_now();
		if (s->next_takeover / REPORT_EVERY == told)
			continue;
		told = s->next_takeover / REPORT_EVERY;
		say_usage(s);
	}
	return half;
}

static int by_value(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static bool is_growth(const char *when, const struct usage *from) {
	struct usage now = usage_now();
	bool grows = now.used - from->used > USED_GROWTH_KIB || now.share - from->share > SHARE_GROWTH_KIB;

	printf("  memory %s: %ld KiB allocated, then %ld; %ld KiB resident, then %ld: %s\n", when, from->used, now.used,
	       from->share, now.share, grows ? "IT GROWS" : "no growth");
	return grows;
}

/* True: memory grew with the managers, each of which reads everything. */
static bool run_kills(struct sim *s) {
	double took[KILLS];
	struct usage first = {0};

	for (int i = 0, node = 0; i < KILLS; i++) {
		node = next_node(s, node);
		took[i] = kill_and_resume(s, node);
		if (i == 0)
			first = usage_now();
	}
	bool grows = is_growth("after one restart and after ten", &first);
	qsort(took, KILLS, sizeof(took[0]), by_value);
	printf("  resume after kill, %u takeovers in the store: from opening it to the first effect of the takeover that was open: "
	       "median %.1f ms, worst %.1f ms of %d\n",
	       s->next_takeover, took[KILLS / 2] * 1e3, took[KILLS - 1] * 1e3, KILLS);
	return grows;
}

static bool run(struct sim *s, unsigned takeovers) {
	unsigned other;

	begin(s);
	struct usage half = run_rounds(s, takeovers);
	bool grows = is_growth("in the second half", &half);
	grows |= run_kills(s);
	unsigned done = done_count(s, &other);
	printf("  %u of the %u takeovers that are still in memory are done\n", done, done + other);
	return !grows && other == 0;
}

static void end(struct sim *s) {
	struct real *r = s->real;

	real_wait(s);
	manager_free(s);
	inspect_free(s);
	flight_free_all(s);
	fake_clear(&s->fake);
	check_clear(s);
	agents_end(s);
	free(s->heap);
	free(s);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	uv_loop_close(&r->loop);
	remove_files(r->path);
	(void)remove(r->dir); /* empty now, or somebody wants what is in it */
	free(r->path);
	free(r->dir);
}

bool real_run(const char *dir, unsigned takeovers) {
	struct sim *s = xnew(struct sim);
	struct real r = {.dir = xasprintf("%s/sim-XXXXXX", dir)};

	setvbuf(stdout, NULL, _IOLBF, 0); /* it takes minutes */
	mallopt(M_ARENA_MAX, 1);          /* one for each thread of the pool: they come and go, and hide what is looked for */
	if (takeovers < 2000)
		give_up("--takeovers: memory can only be compared from 2000 on");
	if (!mkdtemp(r.dir))
		give_up("no file can be made in that folder");
	uv_loop_init(&r.loop);
	r.path = next_path(&r);
	s->real = &r;
	settle(s);
	bool well = run(s, takeovers);
	end(s);
	return well;
}
