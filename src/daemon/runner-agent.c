/* Effects that are a node's agent's: from what the machine wants to the orders of net/wire. What the answers mean is
 * answers-agent.c's. */
#include "daemon/runner-internal.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "daemon/answers-agent.h"
#include "daemon/translate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_MS 400

bool runner_is_agents(enum effect_kind kind) { return kind >= EFFECT_QUARANTINE && kind <= EFFECT_ISOLATE; }

static struct agent_cb callback(struct run *r, agent_done_fn *fn) {
	return (struct agent_cb){.fn = fn, .ctx = r, .deadline = r->effect->deadline};
}

/* ---- what is told of the addresses ---- */

/* The strings stay the effect's and the run's: free v alone. */
static struct wire_owners owners_of(const struct run *r) {
	const struct effect *e = r->effect;
	struct wire_owners owners = {.v = xnew_n(struct wire_owner, e->n_nets)};

	for (size_t i = 0; i < e->n_nets; i++) {
		const struct world_net *net = &e->nets[i];
		if (!net->id || !net->mac)
			continue;
		owners.v[owners.n++] = (struct wire_owner){
			.network_id = net->id,
			.mac = net->mac,
			.ip = net->ip,
			.ip6 = net->ip6,
			.vtep = e->vtep,
			.local = r->sandbox,
			.watch = e->watch,
		};
	}
	return owners;
}

/* The namespace of a container is made when it is started: asked of its engine, since what was seen of it may be older. */
static void with_sandbox(struct run *r, engine_done_fn *then) {
	const struct effect *e = r->effect;
	struct daemon_node *host = e->host ? daemon_node(r->daemon, e->host) : NULL;

	if (host != r->node) {
		then(r, NULL);
		return;
	}
	engine_inspect_container(host->engine, e->container, (struct engine_cb){.fn = then, .ctx = r, .deadline = e->deadline});
}

/* False: the run is over. */
static bool take_sandbox(struct run *r, const struct engine_result *inspected) {
	if (!inspected)
		return true;
	if (inspected->outcome == ENGINE_OK)
		r->sandbox = translate_sandbox(inspected->body);
	if (r->sandbox)
		return true;
	runner_finish(r, &(struct effect_result){.outcome = EFFECT_REFUSED,
						 .detail = inspected->outcome == ENGINE_OK
								   ? "it has no network namespace: it does not run"
								   : inspected->err.msg});
	return false;
}

/* ---- repair ---- */

static void repaired(void *ctx, const struct agent_result *result) {
	struct run *r = ctx;
	struct effect_result answer = answer_agent(result);
	struct buf detail CLEANUP_BUF = {0};

	r->agent = NULL;
	if (result->outcome == AGENT_OK)
		answer_repaired(result->states, &answer, &detail);
	runner_finish(r, &answer);
}

static void repair(void *ctx, const struct engine_result *inspected) {
	struct run *r = ctx;

	if (!take_sandbox(r, inspected))
		return;
	struct wire_owners_order order = {.owners = owners_of(r)};
	r->agent = agent_owners(r->node->agent, &order, callback(r, repaired));
	free(order.owners.v);
}

/* ---- prove ---- */

static void proved(void *ctx, const struct agent_result *result) {
	struct run *r = ctx;
	struct effect_result answer = answer_agent(result);
	struct buf detail CLEANUP_BUF = {0};

	r->agent = NULL;
	if (result->outcome == AGENT_OK)
		answer_proved(result->states, &answer, &detail);
	runner_finish(r, &answer);
}

/* The lowest TCP port that the image or its user says the container listens on; 0: none. */
static int64_t tcp_port_of(const struct run *r) {
	const struct effect *e = r->effect;
	json_t *inspect CLEANUP_JSON = memory_spec(r->daemon->memory, e->host, e->container);
	int64_t lowest = 0;
	const char *key;
	json_t *value;

	json_object_foreach (json_at(inspect, "Config.ExposedPorts"), key, value) {
		long port = strtol(key, NULL, 10);
		bool tcp = strstr(key, "/tcp") != NULL && port > 0 && port < 65536;
		if (tcp && (lowest == 0 || port < lowest))
			lowest = port;
	}
	return lowest;
}

static void prove(void *ctx, const struct engine_result *inspected) {
	struct run *r = ctx;

	if (!take_sandbox(r, inspected))
		return;
	struct wire_verify_order order = {.owners = owners_of(r), .probe = {.timeout_ms = PROBE_MS, .tcp_port = tcp_port_of(r)}};
	r->agent = agent_verify(r->node->agent, &order, callback(r, proved));
	free(order.owners.v);
}

/* ---- the others ---- */

static void say_quarantine(const struct run *r, const struct strs *vteps) {
	struct buf b CLEANUP_BUF = {0};

	for (size_t i = 0; i < vteps->n; i++)
		buf_printf(&b, "%s%s", i ? "," : "", vteps->v[i]);
	log_info("quarantine", LOG_STR("node", r->effect->node), LOG_STR("drops", b.len ? b.data : "nobody"));
}

static void quarantined(void *ctx, const struct agent_result *result) {
	struct run *r = ctx;
	struct effect_result answer = answer_agent(result);

	r->agent = NULL;
	if (result->outcome == AGENT_OK) {
		answer.vteps = &result->quarantine->vteps;
		say_quarantine(r, &result->quarantine->vteps);
	}
	runner_finish(r, &answer);
}

static bool has_number(const struct wire_numbers *list, int64_t number) {
	for (size_t i = 0; i < list->n; i++)
		if (list->v[i] == number)
			return true;
	return false;
}

/* Those that the managers of swarms tell; an agent adds what it finds itself, but has not joined every overlay yet. */
static void add_ports(const struct run *r, struct wire_numbers *ports) {
	for (const struct world_node *n = resched_world(r->daemon->machine)->nodes; n; n = n->hh.next)
		if (n->facts.data_path_port && !has_number(ports, n->facts.data_path_port))
			wire_numbers_add(ports, n->facts.data_path_port);
}

static void quarantine(struct run *r) {
	struct wire_quarantine wanted = {.vteps = r->effect->vteps}; /* borrowed */

	add_ports(r, &wanted.ports);
	r->agent = agent_quarantine(r->node->agent, &wanted, callback(r, quarantined));
	free(wanted.ports.v);
}

static void forgotten(void *ctx, const struct agent_result *result) {
	struct run *r = ctx;
	struct effect_result answer = answer_agent(result);

	r->agent = NULL;
	runner_finish(r, &answer);
}

static void forget(struct run *r) {
	const struct effect *e = r->effect;
	struct wire_owners_order order = {0};

	order.forget.v = xnew_n(struct wire_endpoint, e->n_nets);
	for (size_t i = 0; i < e->n_nets; i++)
		if (e->nets[i].id && e->nets[i].mac)
			order.forget.v[order.forget.n++] = (struct wire_endpoint){e->nets[i].id, e->nets[i].mac};
	r->agent = agent_owners(r->node->agent, &order, callback(r, forgotten));
	free(order.forget.v);
}

static void isolated(void *ctx, const struct agent_result *result) {
	struct run *r = ctx;
	struct effect_result answer = answer_agent(result);

	r->agent = NULL;
	for (size_t i = 0; result->outcome == AGENT_OK && i < result->cuts->containers.n; i++)
		if (result->cuts->containers.v[i].error) {
			answer.outcome = EFFECT_REFUSED;
			answer.detail = result->cuts->containers.v[i].error;
		}
	runner_finish(r, &answer);
}

static void isolate(struct run *r) {
	const struct effect *e = r->effect;
	const struct world_container *c = world_container(resched_world(r->daemon->machine), e->node, e->container);
	struct wire_isolate_order order = {0};

	order.containers.v = xnew_n(struct wire_stale, e->n_nets);
	for (size_t i = 0; i < e->n_nets && c && c->sandbox; i++)
		if (e->nets[i].id && e->nets[i].mac)
			order.containers.v[order.containers.n++] =
				(struct wire_stale){e->nets[i].id, e->nets[i].mac, e->nets[i].ip, c->sandbox};
	if (order.containers.n > 0)
		r->agent = agent_isolate(r->node->agent, &order, callback(r, isolated));
	free(order.containers.v);
	if (!r->agent) /* else what was not cut would count as cut */
		runner_finish(r,
			      &(struct effect_result){.outcome = EFFECT_NOT_DONE, .detail = "its network namespace is not known"});
}

/* ---- the table's ---- */

static bool has_agent(struct run *r) {
	if (r->node->agent)
		return true;
	runner_finish(r, &(struct effect_result){.outcome = EFFECT_NOT_DONE, .detail = "no agent is configured for this node"});
	return false;
}

void runner_quarantine(struct run *r) {
	if (has_agent(r))
		quarantine(r);
}

void runner_repair(struct run *r) {
	if (has_agent(r))
		with_sandbox(r, repair);
}

void runner_prove(struct run *r) {
	if (has_agent(r))
		with_sandbox(r, prove);
}

void runner_forget(struct run *r) {
	if (has_agent(r))
		forget(r);
}

void runner_isolate(struct run *r) {
	if (has_agent(r))
		isolate(r);
}
