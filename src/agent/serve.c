/* See serve.h. */
#include "agent/serve.h"

#include "agent/identity.h"
#include "agent/keeper.h"
#include "agent/order.h"
#include "base/alloc.h"
#include "base/log.h"

#include <string.h>
#include <unistd.h>

#define ROWS_MAX ((size_t)64 << 20) /* of the answer to /v1/rows */
#define IDLE_TIMEOUT span_sec(60)

#define TAKE(name) \
	static void on_##name(struct http_call *call, void *user) { order_take(user, call, &order_##name); }
TAKE(confirm)
TAKE(quarantine)
TAKE(owners)
TAKE(verify)
TAKE(isolate)
TAKE(announce)
TAKE(witness)

static void on_remove_task(struct http_call *call, void *user) { remove_task_take(user, call); }
static void on_status(struct http_call *call, void *user) { status_take(user, call); }
static void on_rows(struct http_call *call, void *user) { rows_take(user, call); }

static const struct http_route routes[] = {
	{HTTP_METHOD_GET, "/v1/status", on_status},
	{HTTP_METHOD_GET, "/v1/rows", on_rows},
	{HTTP_METHOD_POST, "/v1/confirm", on_confirm},
	{HTTP_METHOD_POST, "/v1/quarantine", on_quarantine},
	{HTTP_METHOD_POST, "/v1/owners", on_owners},
	{HTTP_METHOD_POST, "/v1/verify", on_verify},
	{HTTP_METHOD_POST, "/v1/isolate", on_isolate},
	{HTTP_METHOD_POST, "/v1/announce", on_announce},
	{HTTP_METHOD_POST, "/v1/remove-task", on_remove_task},
	{HTTP_METHOD_POST, "/v1/witness", on_witness},
};

/* "http://address:port" as http_server_new wants it. */
static int listen_on(struct service *a, struct err *err) {
	const struct agent_config *c = a->config;
	CLEANUP_FREE char *listen = xasprintf("tcp://%s", strstr(c->listen, "://") + 3);
	struct http_server_settings s = {
		.listen = listen,
		.routes = routes,
		.n_routes = sizeof(routes) / sizeof(routes[0]),
		.user = a,
		.idle_timeout = IDLE_TIMEOUT,
		.stream_buffer = ROWS_MAX,
		.body_limit = WIRE_BODY_MAX,
		.tls = {.ca = c->tls_ca, .cert = c->tls_cert, .key = c->tls_key},
	};

	return http_server_new(a->loop, &s, &a->server, err);
}

static void set_up(struct service *a, uv_loop_t *loop, const struct agent_config *c) {
	*a = (struct service){.loop = loop, .config = c};
	a->host_settings = (struct host_settings){
		.engine = c->engine, .engine_pid = c->engine_pid, .netns_dir = c->netns_dir, .swarm_control = c->swarm_control};
	a->change_kernel.settings = a->look_kernel.settings = &a->host_settings;
	a->changes = queue_new(loop);
	a->looks = queue_new(loop);
	a->asks = queue_new(loop);
	a->reads = queue_new(loop);
	a->keeper = keeper_new(a);
	id_random(a->instance);
	if (gethostname(a->hostname, sizeof(a->hostname) - 1) < 0)
		strcpy(a->hostname, "?");
}

int service_start(struct service *a, uv_loop_t *loop, const struct agent_config *config, struct err *err) {
	int r;

	set_up(a, loop, config);
	if ((r = identity_load(config->state, &a->identity, err)) < 0)
		return r;
	if ((r = http_client_new(loop, &a->http, err)) < 0 || (r = listen_on(a, err)) < 0)
		return r;
	keeper_scan(a->keeper);
	return 0;
}

void service_stop(struct service *a) {
	a->stopping = true;
	http_server_free(TAKE_PTR(a->server));
	remove_task_cancel_all(a);
	http_client_free(TAKE_PTR(a->http));
	keeper_close(a->keeper);
	queue_close(TAKE_PTR(a->changes));
	queue_close(TAKE_PTR(a->looks));
	queue_close(TAKE_PTR(a->asks));
	queue_close(TAKE_PTR(a->reads));
}

void service_clear(struct service *a) {
	keeper_free(TAKE_PTR(a->keeper));
	kernel_clear(&a->change_kernel);
	kernel_clear(&a->look_kernel);
	wire_clear(&wire_envelope_shape, &a->identity);
	wire_clear(&wire_quarantine_shape, &a->quarantine);
	strs_clear(&a->networks);
	free(a->control);
	free(a->host_error);
}
