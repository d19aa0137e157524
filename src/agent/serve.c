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
TAKE(witness)
TAKE(resolve)

static void on_remove_task(struct http_call *call, void *user) { remove_task_take(user, call); }
static void on_status(struct http_call *call, void *user) { status_take(user, call); }
static void on_rows(struct http_call *call, void *user) { rows_take(user, call); }

static const struct http_route routes[] = {
	{HTTP_METHOD_GET, "/v1/status", on_status},    {HTTP_METHOD_GET, "/v1/rows", on_rows},
	{HTTP_METHOD_POST, "/v1/confirm", on_confirm}, {HTTP_METHOD_POST, "/v1/quarantine", on_quarantine},
	{HTTP_METHOD_POST, "/v1/owners", on_owners},   {HTTP_METHOD_POST, "/v1/verify", on_verify},
	{HTTP_METHOD_POST, "/v1/isolate", on_isolate}, {HTTP_METHOD_POST, "/v1/remove-task", on_remove_task},
	{HTTP_METHOD_POST, "/v1/witness", on_witness}, {HTTP_METHOD_POST, "/v1/resolve", on_resolve},
};

/* "http://address:port" as http_server_new wants it. */
static int listen_on(struct service *service, struct err *err) {
	const struct agent_config *c = service->config;
	CLEANUP_FREE char *listen = xasprintf("tcp://%s", strstr(c->listen, "://") + 3);
	struct http_server_settings s = {
		.listen = listen,
		.routes = routes,
		.n_routes = sizeof(routes) / sizeof(routes[0]),
		.user = service,
		.idle_timeout = IDLE_TIMEOUT,
		.stream_buffer = ROWS_MAX,
		.body_limit = WIRE_BODY_MAX,
		.tls = {.ca = c->tls_ca, .cert = c->tls_cert, .key = c->tls_key},
	};

	return http_server_new(service->loop, &s, &service->server, err);
}

static void set_up(struct service *service, uv_loop_t *loop, const struct agent_config *c) {
	*service = (struct service){.loop = loop, .config = c};
	service->host_settings = (struct host_settings){
		.engine = c->engine, .engine_pid = c->engine_pid, .netns_dir = c->netns_dir, .swarm_control = c->swarm_control};
	service->change_kernel.settings = service->look_kernel.settings = &service->host_settings;
	service->changes = queue_new(loop);
	service->looks = queue_new(loop);
	service->asks = queue_new(loop);
	service->reads = queue_new(loop);
	service->keeper = keeper_new(service);
	id_random(service->instance);
	if (gethostname(service->hostname, sizeof(service->hostname) - 1) < 0)
		strcpy(service->hostname, "?");
}

int service_start(struct service *service, uv_loop_t *loop, const struct agent_config *config, struct err *err) {
	int r;

	set_up(service, loop, config);
	if ((r = identity_load(config->state, &service->identity, err)) < 0)
		return r;
	if ((r = http_client_new(loop, &service->http, err)) < 0 || (r = listen_on(service, err)) < 0)
		return r;
	keeper_scan(service->keeper);
	return 0;
}

void service_stop(struct service *service) {
	service->stopping = true;
	http_server_free(TAKE_PTR(service->server));
	remove_task_cancel_all(service);
	http_client_free(TAKE_PTR(service->http));
	keeper_close(service->keeper);
	queue_close(TAKE_PTR(service->changes));
	queue_close(TAKE_PTR(service->looks));
	queue_close(TAKE_PTR(service->asks));
	queue_close(TAKE_PTR(service->reads));
}

void service_clear(struct service *service) {
	keeper_free(TAKE_PTR(service->keeper));
	sequence_clear(&service->sequence);
	kernel_clear(&service->change_kernel);
	kernel_clear(&service->look_kernel);
	wire_clear(&wire_envelope_shape, &service->identity);
	wire_clear(&wire_quarantine_shape, &service->quarantine);
	strs_clear(&service->networks);
	free(service->control);
	free(service->host_error);
}
