/*
 * direct: the least that moving containers can cost: create and start, and nothing else.
 *
 *	direct INSPECT.json URL...
 *
 * INSPECT.json is a list of inspected containers. Each is created, with the body that heird would send, and started, all at once,
 * spread evenly over the engines at the URLs. Their addresses must be free, and no container of their names be there. Printed is
 *the time in seconds from the first call to the last container that runs. heird's time from its decision to the same state is
 * compared with it: what is more is heird's own.
 */
#include "base/alloc.h"
#include "base/json.h"
#include "engine/engine.h"
#include "engine/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct move {
	struct engine *engine;
	const json_t *inspect;
	struct engine_container container;
	struct spec spec;
	size_t next; /* network to connect */
	char *id;
};

static size_t under_way;
static bool failed;

static void check(int r, const struct err *err) {
	if (r >= 0)
		return;
	fprintf(stderr, "direct: %s\n", err->msg);
	exit(EXIT_FAILURE);
}

/* True when the call did what it should. */
static bool went_well(const struct engine_result *result) {
	if (result->outcome == ENGINE_OK)
		return true;
	fprintf(stderr, "direct: %s\n", result->err.msg);
	failed = true;
	under_way--;
	return false;
}

static void on_started(void *ctx, const struct engine_result *result) {
	(void)ctx;
	if (went_well(result))
		under_way--;
}

static void connect_next(struct move *m);

static void on_connected(void *ctx, const struct engine_result *result) {
	if (went_well(result))
		connect_next(ctx);
}

static void connect_next(struct move *m) {
	if (m->next == m->spec.connect_count) {
		engine_start_container(m->engine, m->id, (struct engine_cb){.fn = on_started, .ctx = m, .deadline = span_sec(120)});
		return;
	}
	const struct spec_connect *c = &m->spec.connect[m->next++];
	engine_connect_network(m->engine, c->network, m->id, c->endpoint, (struct engine_cb){.fn = on_connected, .ctx = m});
}

static void on_created(void *ctx, const struct engine_result *result) {
	struct move *m = ctx;

	if (!went_well(result))
		return;
	m->id = xstrdup(result->id);
	connect_next(m);
}

/* The body is made inside the measured time, as heird makes it. */
static void begin(struct move *m) {
	struct spec_address *addresses CLEANUP_FREE = xnew_n(struct spec_address, m->container.n_networks);
	struct err err = {0};

	for (size_t i = 0; i < m->container.n_networks; i++) {
		const struct engine_endpoint *e = &m->container.networks[i];
		addresses[i] = (struct spec_address){e->name, e->ip, e->ip6, e->mac};
	}
	const struct spec_options options = {
		.api = engine_api(m->engine),
		.workload = "bench/direct",
		.takeover = "direct",
		.cluster = "bench",
		.generation = 2,
		.image = m->container.image,
		.no_restart = true,
		.addresses = addresses,
		.address_count = m->container.n_networks,
	};
	check(spec_make(m->inspect, &options, &m->spec, &err), &err);
	under_way++;
	engine_create_container(m->engine, m->container.name, m->spec.body,
				(struct engine_cb){.fn = on_created, .ctx = m, .deadline = span_sec(120)});
}

static void on_info(void *ctx, const struct engine_result *result) {
	(void)ctx;
	if (went_well(result))
		under_way--;
}

static void run_until_done(uv_loop_t *loop) {
	while (under_way > 0)
		uv_run(loop, UV_RUN_ONCE);
	if (failed)
		exit(EXIT_FAILURE);
}

int main(int argc, char **argv) {
	uv_loop_t *loop = uv_default_loop();
	struct http_client *client;
	struct err err = {0};
	json_error_t error;

	if (argc < 3) {
		fprintf(stderr, "usage: direct INSPECT.json URL...\n");
		return 64;
	}
	json_t *list = json_load_file(argv[1], 0, &error);
	if (!json_is_array(list)) {
		fprintf(stderr, "direct: %s: no list: %s\n", argv[1], error.text);
		return EXIT_FAILURE;
	}
	size_t n = json_array_size(list), n_engines = (size_t)argc - 2;
	struct engine **engines = xnew_n(struct engine *, n_engines);
	struct move *moves = xnew_n(struct move, n);
	check(http_client_new(loop, &client, &err), &err);
	for (size_t i = 0; i < n_engines; i++) {
		check(engine_new(client, argv[i + 2], argv[i + 2], NULL, &engines[i], &err), &err);
		under_way++;
		engine_get_info(engines[i], (struct engine_cb){.fn = on_info}); /* heird knows its engines too */
	}
	run_until_done(loop);
	for (size_t i = 0; i < n; i++) {
		moves[i] = (struct move){.engine = engines[i % n_engines], .inspect = json_array_get(list, i)};
		check(engine_container_parse(moves[i].inspect, &moves[i].container, &err), &err);
	}
	struct mono start = mono_now();
	for (size_t i = 0; i < n; i++)
		begin(&moves[i]);
	run_until_done(loop);
	printf("%.3f\n", span_to_sec(mono_since(start, mono_now())));
	return EXIT_SUCCESS;
}
