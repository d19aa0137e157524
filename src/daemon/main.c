/* heird: the manager. This file starts and stops everything; what happens in between is daemon.h's map. */
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/ip.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/discovery.h"
#include "daemon/url.h"
#include "store/sqlite.h"

#include <argp.h>
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

#define HELD_UP_SEC 60

/* ---- small things that every file uses ---- */

struct daemon_node *daemon_node(const struct daemon *d, const char *name) {
	for (size_t i = 0; name && i < d->n_nodes; i++)
		if (strcmp(d->nodes[i].config->name, name) == 0)
			return &d->nodes[i];
	return NULL;
}

bool daemon_node_answers(const struct daemon *d, const struct daemon_node *n) {
	(void)d;
	if (!n->probe)
		return false;
	enum health_verdict v = probe_verdict(n->probe);
	return v == HEALTH_ALIVE || v == HEALTH_SUSPECT || v == HEALTH_RECOVERING;
}

/* ---- our own host ---- */

bool daemon_is_held_up(const struct daemon *d) {
	const struct mono last = prober_stats(d->prober)->dropped_at;

	return last.ns != 0 && !mono_reached(mono_add(last, span_sec(HELD_UP_SEC)), mono_now());
}

static void watch_loop(struct daemon *d) {
	bool held_up = daemon_is_held_up(d);

	if (held_up && !d->held_up)
		log_warning("held-up", LOG_INT("heartbeats_dropped", prober_stats(d->prober)->dropped),
			    LOG_STR("reason", "this host kept heird from reading answers in time"),
			    LOG_STR("next", "such heartbeats count neither as answered nor as missed: dead nodes are found late"));
	d->held_up = held_up;
}

static void on_timer(uv_timer_t *timer) {
	struct daemon *d = timer->data;

	watch_loop(d);
	brakes_update(d);
}

/* ---- health ---- */

static_assert((int)HEALTH_ALIVE == (int)NODE_ALIVE && (int)HEALTH_DEAD == (int)NODE_DEAD &&
		      (int)HEALTH_VERDICT_MAX == (int)NODE_VERDICT_MAX,
	      "verdicts are the same list");

static void log_verdict(const struct daemon_node *n, const struct probe_change *change) {
	static const enum log_level levels[] = {
		[HEALTH_UNKNOWN] = LOG_LEVEL_INFO,        [HEALTH_ALIVE] = LOG_LEVEL_INFO,   [HEALTH_SUSPECT] = LOG_LEVEL_INFO,
		[HEALTH_ENGINE_ONLY] = LOG_LEVEL_WARNING, [HEALTH_DEAD] = LOG_LEVEL_WARNING, [HEALTH_RECOVERING] = LOG_LEVEL_INFO,
	};
	const char *next = change->to != HEALTH_ENGINE_ONLY ? NULL
			   : n->daemon->config->takeover.engine_only == CONFIG_ENGINE_ONLY_MOVE
				   ? "its containers are taken over, as configured"
				   : "its host answers, so its containers run on, though other hosts lose sight of them on "
				     "overlays: nothing is taken over";

	log_at(levels[change->to], "node", LOG_STR("node", n->config->name), LOG_STR("from", health_verdict_name(change->from)),
	       LOG_STR("to", health_verdict_name(change->to)), LOG_STR("reason", change->reason), LOG_STR("next", next));
}

static void verdict_changed(void *user, struct probe *p, const struct probe_change *change) {
	struct daemon *d = user;
	struct daemon_node *n = probe_user(p);

	log_verdict(n, change);
	if (change->to == HEALTH_SUSPECT)
		agents_suspect(d);
	brakes_update(d); /* first: what it forbids must not begin by this verdict */
	resched_verdict(d->machine, change->at, n->config->name, (enum node_verdict)change->to, change->reason,
			(struct flapping){detector_deaths(probe_detector(p), change->at),
					  detector_hold_down(probe_detector(p), change->at)});
	bool was_down = change->from == HEALTH_UNKNOWN || change->from == HEALTH_DEAD || change->from == HEALTH_ENGINE_ONLY;
	if (was_down && (change->to == HEALTH_ALIVE || change->to == HEALTH_RECOVERING)) {
		observe_alive(n);
		agents_ask(n);
	}
	turn_wake(d);
}

/* ---- overlay's view of the cluster ---- */

static struct engine *nth_manager(void *ctx, size_t i) {
	struct daemon *d = ctx;

	for (size_t k = 0; k < d->n_nodes; k++) {
		const struct world_node *n = world_node(resched_world(d->machine), d->nodes[k].config->name);
		if (n && n->facts.swarm_manager && probe_verdict(d->nodes[k].probe) == HEALTH_ALIVE && i-- == 0)
			return d->nodes[k].engine;
	}
	return NULL;
}

static struct engine *nth_kv(void *ctx, size_t i, const char *without) {
	struct daemon *d = ctx;

	for (size_t k = 0; k < d->n_nodes; k++) {
		const struct world *world = resched_world(d->machine);
		const struct world_node *n = world_node(world, d->nodes[k].config->name);
		bool fits = n->facts.kv && probe_verdict(d->nodes[k].probe) == HEALTH_ALIVE && n->listed &&
			    !(without && world_container_named(world, n->name, without));
		if (fits && i-- == 0)
			return d->nodes[k].engine;
	}
	return NULL;
}

static bool has_address(const struct world_container *c, const char *ip) {
	for (size_t i = 0; i < c->n_nets; i++)
		if ((c->nets[i].ip && strcmp(c->nets[i].ip, ip) == 0) || (c->nets[i].ip6 && strcmp(c->nets[i].ip6, ip) == 0))
			return true;
	return false;
}

static bool kv_foreign(void *ctx, const char *name, const char *ip, const struct strs *ours) {
	const struct world *world = resched_world(((struct daemon *)ctx)->machine);

	for (const struct world_node *n = world->nodes; n; n = n->hh.next) {
		const struct world_container *c = n->verdict == NODE_ALIVE ? world_container_named(world, n->name, name) : NULL;
		if (c && c->running && has_address(c, ip) && !strs_has(ours, c->id))
			return true;
	}
	return false;
}

static struct engine *engine_of(void *ctx, const char *node) {
	struct daemon_node *n = daemon_node(ctx, node);
	return n ? n->engine : NULL;
}

struct remembering {
	void (*written)(void *user, int result);
	void *user;
};

static void remembered(void *user, int result, const struct err *err) {
	struct remembering *r = user;
	(void)err;
	r->written(r->user, result);
	free(r);
}

static void remember_node(void *ctx, const char *node, const char *json_text, void (*written)(void *user, int result), void *user) {
	struct daemon *d = ctx;
	struct daemon_node *n = daemon_node(d, node);
	struct store_batch *batch = store_batch_new();
	struct remembering *r = xnew(struct remembering);

	*r = (struct remembering){written, user};
	if (n)
		xstr_replace(&n->swarm_record, json_text);
	resched_node_removed(d->machine, node, true);
	store_batch_put(batch, STORE_NODE, node, json_text);
	store_commit(d->store, batch, remembered, r);
}

/* ---- start ---- */

/* Where ports that its containers publish are reached; NULL: at its underlay address. */
static const char *published_at(const struct config_engine *config, const char *host) {
	struct ip ip;

	if (config->address)
		return config->address;
	return host && ip_parse(host, &ip, NULL) == 0 && !url_host_is_ours(host) ? host : NULL;
}

static int add_node(struct daemon *d, struct daemon_node *n, const struct config_engine *config, struct err *err) {
	const struct http_tls tls = {.ca = config->tls_ca, .cert = config->tls_cert, .key = config->tls_key};
	char host[256];
	unsigned port;

	n->daemon = d;
	n->config = config;
	int r = engine_new(d->http, config->name, config->url, config->tls_ca ? &tls : NULL, &n->engine, err);
	if (r < 0)
		return r;
	bool tcp = url_host_port(config->url, host, sizeof(host), &port);
	n->remote = config->local == CONFIG_LOCAL_UNKNOWN ? tcp && !url_host_is_ours(host) : config->local == CONFIG_LOCAL_NO;
	resched_add_node(d->machine, config->name, n->remote);
	resched_node_address(d->machine, config->name, published_at(config, tcp ? host : NULL));
	n->probe = prober_add(d->prober, n->engine, tcp ? host : NULL, tcp ? port : 0, n);
	brakes_add_node(n);
	observe_begin(n);
	return agents_add(n, err);
}

static int start_prober(struct daemon *d, struct err *err) {
	const struct config *c = d->config;
	const struct detector_settings settings = brakes_beat(c);
	struct strs witnesses = {0};

	d->prober = prober_new(d->loop, &settings, verdict_changed, d);
	for (size_t i = 0; i < c->brake.witness.n; i++)
		strs_add(&witnesses,
			 strncmp(c->brake.witness.v[i], "tcp://", 6) == 0 ? c->brake.witness.v[i] + 6 : c->brake.witness.v[i]);
	int r = witnesses.n ? prober_set_witnesses(d->prober, &witnesses, err) : 0;
	strs_clear(&witnesses);
	return r;
}

static int start(struct daemon *d, struct err *err) {
	const struct config *c = d->config;

	int r = sqlite_store_open(d->loop, c->state, c->cluster, &d->store, err);
	if (r < 0)
		d->state_refused = true;
	if (r == 0)
		r = http_client_new(d->loop, &d->http, err);
	if (r < 0)
		return r;
	d->machine = machine_new(c);
	turn_init(d);
	uv_timer_init(d->loop, &d->brake_timer);
	d->brake_timer.data = d;
	d->overlay = (struct overlay_cluster){
		.http = d->http,
		.remove_node = c->swarm.remove_node,
		.control_agent = agents_control,
		.manager = nth_manager,
		.engine = engine_of,
		.kv_engine = nth_kv,
		.kv_foreign = kv_foreign,
		.remember = remember_node,
		.ctx = d,
	};
	strs_copy(&d->overlay.control, &c->swarm.control);
	r = start_prober(d, err);
	d->nodes = xnew_n(struct daemon_node, c->engine_count);
	for (size_t i = 0; r == 0 && i < c->engine_count; i++) {
		d->n_nodes = i + 1;
		r = add_node(d, &d->nodes[i], &c->engines[i], err);
	}
	if (r == 0) {
		r = daemon_restore(d, err);
		d->state_refused = r < 0;
	}
	if (r == 0)
		r = discovery_start(d, err);
	if (r == 0)
		r = api_start(d, err);
	if (r < 0)
		return r;
	d->started = mono_now();
	agents_begin(d);
	discovery_begin(d);
	brakes_update(d);
	/* A witness comes and goes without any verdict changing. */
	uint64_t interval = (uint64_t)span_to_ms(c->heartbeat.interval);
	uv_timer_start(&d->brake_timer, on_timer, interval, interval);
	return 0;
}

/* ---- stop ---- */

static void stop(struct daemon *d) {
	d->stopping = true;
	api_close(d);
	prober_free(d->prober);
	runner_close(d); /* before the engines whose calls it holds */
	discovery_close(d);
	agents_close(d);
	for (size_t i = 0; i < d->n_nodes; i++) {
		struct daemon_node *n = &d->nodes[i];
		engine_events_free(n->events);
		engine_free(n->engine);
	}
	for (size_t i = 0; i < d->n_nodes; i++)
		observe_end(&d->nodes[i]);
	if (d->machine) {
		turn_close(d);
		uv_close((uv_handle_t *)&d->brake_timer, NULL);
	}
	store_close(d->store);
	http_client_free(d->http);
}

static void free_all(struct daemon *d) {
	for (size_t i = 0; i < d->n_nodes; i++) {
		free(d->nodes[i].overlay);
		free(d->nodes[i].swarm_record);
	}
	free(d->nodes);
	api_forget(d);
	brakes_clear(d);
	memory_free(d->memory);
	resched_free(d->machine);
	strs_clear(&d->overlay.control);
	config_free(d->config);
}

static void on_signal(uv_signal_t *signal, int number) {
	log_info("stopping", LOG_INT("signal", number), LOG_STR("next", "what is under way is finished after the next start"));
	uv_stop(signal->loop);
}

static void say_failed(const struct daemon *d, const struct err *err) {
	log_error("start", LOG_STR("error", err->msg),
		  LOG_STR("next", d->state_refused
					  ? "neither the state file nor any engine was touched; what to do: \"The state file\" "
					    "in heird(8)"
					  : NULL));
}

static int serve(struct config *config) {
	struct daemon d = {.config = config, .loop = uv_default_loop()};
	struct err err = {0};
	uv_signal_t term, interrupt;

	uv_signal_init(d.loop, &term);
	uv_signal_init(d.loop, &interrupt);
	int r = start(&d, &err);
	if (r < 0) {
		say_failed(&d, &err);
	} else {
		uv_signal_start(&term, on_signal, SIGTERM);
		uv_signal_start(&interrupt, on_signal, SIGINT);
		log_info("started", LOG_STR("version", HEIR_VERSION), LOG_STR("cluster", config->cluster),
			 LOG_INT("engines", d.n_nodes), LOG_INT("epoch", store_epoch(d.store)), LOG_STR("api", config->api));
		(void)sd_notify(0, "READY=1"); /* without systemd there is nobody to tell */
		uv_run(d.loop, UV_RUN_DEFAULT);
	}
	uv_close((uv_handle_t *)&term, NULL);
	uv_close((uv_handle_t *)&interrupt, NULL);
	stop(&d);
	uv_run(d.loop, UV_RUN_DEFAULT); /* until every handle is closed and a commit under way is on disk */
	free_all(&d);
	uv_loop_close(d.loop);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- command line ---- */

struct arguments {
	const char *config, *backup;
	bool check;
};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
	struct arguments *a = state->input;

	switch (key) {
	case 'c':
		a->config = arg;
		return 0;
	case 'k':
		a->check = true;
		return 0;
	case 'b':
		a->backup = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_usage(state);
		return 0;
	case ARGP_KEY_END:
		if (!a->config)
			argp_error(state, "--config FILE is required");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* A thousand engines are two thousand sockets: as many as we are allowed. */
static void raise_file_limit(void) {
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* it is seen when sockets run out, and said then */
	}
}

static int check(const char *path, const struct config *config) {
	printf("%s: ok, %zu engines\n", path, config->engine_count);
	return EXIT_SUCCESS;
}

static int backup(const char *to, const struct config *config) {
	struct err err;

	if (sqlite_store_backup(config->state, config->cluster, to, &err) < 0) {
		fprintf(stderr, "heird: %s\n", err.msg);
		return EXIT_FAILURE;
	}
	printf("%s: a copy of %s\n", to, config->state);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
	static const struct argp_option options[] = {
		{"config", 'c', "FILE", 0, "Configuration (YAML)", 0},
		{"check", 'k', NULL, 0, "Only check the configuration", 0},
		{"backup", 'b', "TO", 0, "Only copy the state file to TO; no heird may be using it", 0},
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.doc = "Watches Docker engines and moves containers of a failed host, with their addresses."};
	struct arguments a = {0};
	struct config *config;
	struct err err;

	argp_program_version = "heird " HEIR_VERSION;
	argp_err_exit_status = EX_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (config_load(a.config, &config, &err) < 0) {
		fprintf(stderr, "heird: %s\n", err.msg);
		return EX_USAGE;
	}
	if (a.check || a.backup) {
		int status = a.check ? check(a.config, config) : backup(a.backup, config);
		config_free(config);
		return status;
	}
	log_set_level(config->log.level);
	raise_file_limit();
	signal(SIGPIPE, SIG_IGN);
	return serve(config);
}
