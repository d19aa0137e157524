/*
 * publish: what it costs to keep systems of service discovery true.
 *
 *	publish WHAT ENTRIES SERVICES SYSTEM...
 *
 * A publisher for each SYSTEM, made as heird makes them, and ENTRIES workloads of one entry each, ordered from all of them at once.
 * SYSTEM is consul=URL, skydns=URL or dns=HOST:PORT=KEYFILE, with the laboratory's zones and names. WHAT is
 *
 *	fill	a line for each system when all of it is published: its kind, seconds, calls, the program's peak memory (MiB), and
 *the longest turn of the loop by the clock and by the processor's time (ms)
 *	spoil	nothing is ordered: of the entries that stand there one in a hundred is changed or removed
 *	ROUNDS	once all of it is published, one entry moves to another host, and in every second round to another address too, so
 *		many times in each system alone and then in all of them at once. A line for each: "consul" or "all", "owner" or
 *		"address", milliseconds
 *
 * What heird itself does when it is told of progress is not in these turns.
 */
#include "base/alloc.h"
#include "base/mono.h"
#include "net/discovery/consul.h"
#include "net/discovery/dns.h"
#include "net/discovery/publisher.h"
#include "net/discovery/skydns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define SYSTEMS_MAX 8
#define PATIENCE_SEC 900
#define CLUSTER "bench"
#define WORKLOAD CLUSTER "/%012zx%052d"

/* As heird's configuration has them where it says nothing. */
#define TIMEOUT span_sec(5)
#define INTERVAL span_sec(300)

struct target {
	const char *kind;
	struct discovery *system; /* of a spoil; else its publisher's */
	struct publisher *publisher;
	bool *right; /* of each workload */
	size_t n_right;
	struct mono finished;          /* when the last of them was */
	struct discovery_found *found; /* of a spoil: what stood there */
	size_t n_found, at;
};

static uv_loop_t *loop;
static struct http_client *http;
static struct target targets[SYSTEMS_MAX];
static size_t n_targets, n_entries, n_services;
static uint64_t stamps;
static double longest_turn, longest_work; /* ms */

static void check(int r, const struct err *err) {
	if (r >= 0)
		return;
	fprintf(stderr, "publish: %s\n", err->msg);
	exit(EXIT_FAILURE);
}

static double ms_between(struct mono from, struct mono to) { return span_to_sec(mono_since(from, to)) * 1000; }

/* ---- the loop ---- */

static double work_ms(void) {
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

/* Before the loop waits: a turn is what it did since it waited last. */
static void on_prepare(uv_prepare_t *prepare) {
	static struct mono begun;
	static uint64_t idle;
	static double work;
	struct mono now = mono_now();
	(void)prepare;

	if (begun.ns > 0) {
		double ms = ms_between(begun, now) - (double)(uv_metrics_idle_time(loop) - idle) / 1e6;
		longest_turn = ms > longest_turn ? ms : longest_turn;
		longest_work = work_ms() - work > longest_work ? work_ms() - work : longest_work;
	}
	begun = now;
	idle = uv_metrics_idle_time(loop);
	work = work_ms();
}

static void on_late(uv_timer_t *timer) {
	(void)timer;
	fprintf(stderr, "publish: it takes longer than %d s\n", PATIENCE_SEC);
	exit(EXIT_FAILURE);
}

static void watch_loop(void) {
	static uv_prepare_t prepare;
	static uv_timer_t late;

	uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
	uv_prepare_init(loop, &prepare);
	uv_prepare_start(&prepare, on_prepare);
	uv_timer_init(loop, &late);
	uv_timer_start(&late, on_late, PATIENCE_SEC * 1000, 0);
}

/* Whatever may make it so stops the loop. */
static void run_until(bool (*is_over)(void)) {
	while (!is_over())
		uv_run(loop, UV_RUN_DEFAULT);
}

static bool all_right(void) {
	for (size_t t = 0; t < n_targets; t++)
		if (targets[t].n_right < n_entries)
			return false;
	return true;
}

static struct mono last_finished(const struct target *of, size_t n) {
	struct mono last = of[0].finished;

	for (size_t t = 1; t < n; t++)
		last = of[t].finished.ns > last.ns ? of[t].finished : last;
	return last;
}

/* ---- what heird does with what it is told ---- */

static void progress(void *ctx, const char *workload) {
	struct target *t = ctx;
	size_t i = strtoull(strndupa(workload + strlen(CLUSTER "/"), 12), NULL, 16);
	struct publisher_progress p;

	publisher_progress(t->publisher, workload, &p);
	if (p.published == t->right[i])
		return;
	t->right[i] = p.published;
	t->n_right += p.published ? 1 : (size_t)-1;
	if (t->n_right < n_entries)
		return;
	t->finished = mono_now();
	uv_stop(loop);
}

static bool may_withdraw(void *ctx, const char *workload, const char *node, unsigned generation) {
	(void)ctx;
	(void)workload;
	(void)node;
	(void)generation;
	return false;
}

/* Nothing of the kind belongs into a measurement, but that it works. */
static void trouble(void *ctx, const struct publisher *p, const struct err *err) {
	(void)ctx;
	if (err)
		fprintf(stderr, "publish: %s: %s\n", publisher_name(p), err->msg);
}

static void notice(void *ctx, const struct publisher *p, const char *key, const char *text) {
	(void)ctx;
	fprintf(stderr, "publish: %s: %s: %s\n", publisher_name(p), key, text);
}

static void compared(void *ctx, const struct publisher *p) {
	(void)ctx;
	(void)p;
}

/* ---- systems ---- */

static int make_consul(const struct discovery_env *env, char *url, struct discovery **ret, struct err *err) {
	const struct consul_options options = {.urls = {.v = &url, .n = 1}};
	return consul_new(env, &options, ret, err);
}

static int make_skydns(const struct discovery_env *env, char *url, struct discovery **ret, struct err *err) {
	const struct skydns_options options = {.urls = {.v = &url, .n = 1}, .domain = "svc.local", .reverse = true};
	return skydns_new(env, &options, ret, err);
}

static int make_dns(const struct discovery_env *env, char *server, struct discovery **ret, struct err *err) {
	char *reverse = (char[]){"20.10.in-addr.arpa"}, *key = strchr(server, '=');
	const struct dns_options options = {
		.server = server,
		.zone = "lab.example",
		.reverse = {.v = &reverse, .n = 1},
		.key_name = "heir",
		.key_file = key ? key + 1 : NULL,
	};

	if (key)
		*key = '\0';
	return dns_new(env, &options, ret, err);
}

static const struct {
	const char *kind;
	int (*make)(const struct discovery_env *env, char *where, struct discovery **ret, struct err *err);
} kinds[] = {{"consul", make_consul}, {"skydns", make_skydns}, {"dns", make_dns}};

/* "consul=http://10.99.0.1:8500" */
static struct discovery *make_system(char *text) {
	const struct discovery_env env = {.loop = loop, .http = http, .cluster = CLUSTER, .name = text, .timeout = TIMEOUT};
	char *where = strchr(text, '=');
	struct discovery *system = NULL;
	struct err err = {0};

	if (where)
		*where++ = '\0';
	for (size_t i = 0; where && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(text, kinds[i].kind) == 0)
			check(kinds[i].make(&env, where, &system, &err), &err);
	if (!system)
		check(err_set(&err, -EINVAL, "%s: there is no such system", text), &err);
	return system;
}

static void add_target(char *text) {
	struct target *t = &targets[n_targets++];

	t->system = make_system(text);
	t->kind = t->system->ops->kind;
	t->right = xnew_n(bool, n_entries);
}

static void make_publisher(struct target *t) {
	const struct publisher_settings settings = {.required = true, .deadline = span_sec(2), .interval = INTERVAL};
	const struct publisher_handler handler = {.progress = progress,
						  .may_withdraw = may_withdraw,
						  .trouble = trouble,
						  .notice = notice,
						  .compared = compared,
						  .ctx = t};

	t->publisher = publisher_new(loop, t->system, &settings, &handler);
	publisher_start(t->publisher);
}

/* ---- entries ---- */

/* Instances of one service stand one behind the other, as on a host that has several of it. */
static void make_entry(size_t i, unsigned generation, bool moved, struct discovery_entry *ret) {
	char *workload = xasprintf(WORKLOAD, i, 0), key[DISCOVERY_KEY_MAX];

	*ret = (struct discovery_entry){
		.key = xstrdup(discovery_key(workload, 1, key)),
		.workload = workload,
		.generation = generation,
		.service = xasprintf("service-%zu", i / (n_entries / n_services)),
		.address = xasprintf("10.20.%zu.%zu", (moved ? 128 : 0) + i / 250, 1 + i % 250),
		.port = 80,
		.node = xasprintf("h%u", 1 + generation % 2),
		.container = xasprintf("container-%zu", i),
	};
	strs_add(&ret->tags, "http");
	strs_add(&ret->meta, "team=bench");
}

static void order(struct target *in, size_t n, size_t i, unsigned generation, bool moved) {
	struct discovery_entry e;

	make_entry(i, generation, moved, &e);
	const struct publisher_order o = {
		.workload = e.workload, .generation = generation, .stamp = ++stamps, .entries = &e, .n = 1};
	for (size_t t = 0; t < n; t++)
		publisher_order(in[t].publisher, &o);
	discovery_entry_clear(&e);
}

/* ---- fill ---- */

static void print_filled(struct mono begun) {
	struct rusage usage;
	struct publisher_summary s;

	getrusage(RUSAGE_SELF, &usage);
	for (size_t t = 0; t < n_targets; t++) {
		publisher_summary(targets[t].publisher, &s);
		printf("%s %.3f %lld %.1f %.1f %.1f\n", targets[t].kind, ms_between(begun, targets[t].finished) / 1000,
		       (long long)s.requests, (double)usage.ru_maxrss / 1024, longest_turn, longest_work);
	}
}

static void fill(void) {
	for (size_t t = 0; t < n_targets; t++)
		make_publisher(&targets[t]);
	for (size_t i = 0; i < n_entries; i++)
		order(targets, n_targets, i, 1, false);
	run_until(all_right);
}

/* ---- moves ---- */

/* In those of them; two rounds behind each other are the two moves of one entry. */
static void move(unsigned round, struct target *in, size_t n, const char *where) {
	size_t i = (size_t)(round / 2) * 7919 % n_entries;
	bool address = round % 2 == 1;

	struct mono begun = mono_now();
	order(in, n, i, 2 + round, address);
	run_until(all_right);
	printf("%s %s %.3f\n", where, address ? "address" : "owner", ms_between(begun, last_finished(in, n)));
}

static void move_all(unsigned rounds) {
	unsigned round = 0;

	for (size_t t = 0; t < n_targets; t++)
		for (unsigned i = 0; i < rounds; i++)
			move(round++, &targets[t], 1, targets[t].kind);
	for (unsigned i = 0; i < rounds && n_targets > 1; i++)
		move(round++, targets, n_targets, "all");
}

/* ---- spoil ---- */

static bool all_spoilt(void) {
	for (size_t t = 0; t < n_targets; t++)
		if (!targets[t].found || targets[t].at < targets[t].n_found)
			return false;
	return true;
}

static void spoil_next(struct target *t);

static void on_spoilt(void *user, int result, const char *version, const struct err *err) {
	struct target *t = user;

	(void)version;
	check(result, err);
	t->at += 100;
	spoil_next(t);
}

static void spoil_next(struct target *t) {
	const struct discovery_ops *ops = t->system->ops;
	const struct discovery_found *f = &t->found[t->at];
	struct discovery_entry other = {0};

	if (t->at >= t->n_found) {
		uv_stop(loop);
		return;
	}
	discovery_entry_copy(&other, &f->entry);
	other.port = 81;
	if (t->at / 100 % 2 == 0)
		ops->unset(t->system, f, on_spoilt, t);
	else
		ops->set(t->system, &other, f, on_spoilt, t);
	discovery_entry_clear(&other);
}

static void on_listed(void *user, int result, struct discovery_found *found, size_t n, const struct err *err) {
	struct target *t = user;

	check(result, err);
	t->found = xnew_n(struct discovery_found, n + 1);
	t->n_found = n;
	for (size_t i = 0; i < n; i++) {
		t->found[i] = found[i];
		found[i] = (struct discovery_found){0};
	}
	spoil_next(t);
}

static void spoil(void) {
	for (size_t t = 0; t < n_targets; t++)
		targets[t].system->ops->list(targets[t].system, NULL, 0, on_listed, &targets[t]);
	run_until(all_spoilt);
}

int main(int argc, char **argv) {
	struct err err = {0};

	if (argc < 5 || argc > 4 + SYSTEMS_MAX) {
		fprintf(stderr, "usage: publish fill|spoil|ROUNDS ENTRIES SERVICES SYSTEM...\n");
		return 64;
	}
	n_entries = strtoul(argv[2], NULL, 10);
	n_services = strtoul(argv[3], NULL, 10);
	loop = uv_default_loop();
	watch_loop();
	check(http_client_new(loop, &http, &err), &err);
	for (int i = 4; i < argc; i++)
		add_target(argv[i]);
	if (strcmp(argv[1], "spoil") == 0) {
		spoil();
		return EXIT_SUCCESS;
	}
	struct mono begun = mono_now();
	fill();
	if (strcmp(argv[1], "fill") == 0)
		print_filled(begun);
	else
		move_all((unsigned)strtoul(argv[1], NULL, 10));
	return EXIT_SUCCESS;
}
