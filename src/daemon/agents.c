/* The nodes' agents: how they are, what their kernels drop, and whether they see a node that we do not, asked once an interval.
 * What they are to do comes from the machine, through runner-agent.c.
 *
 * An agent obeys one manager and no older epoch than it has seen. A manager whose store was restored from a copy has fallen behind
 * its own agents: right after its start, before it has ordered anything, it takes an epoch above theirs. Later that is no longer a
 * memory of itself but another one with its name, and it stands back. */
#include "daemon/daemon.h"

#include "base/alloc.h"
#include "base/log.h"
#include "daemon/url.h"
#include "daemon/verify.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

#define CATCH_UP_SEC 10  /* after the start an agent's epoch may be our own, forgotten */
#define SILENCES_TAKEN 2 /* a status that is late once is no news */
#define WITNESS_TIMEOUT_MS 500
#define GOSSIP_PORT 7946

/* ---- identity ---- */

static void set_identities(struct daemon *d) {
	const struct wire_envelope identity = {
		.manager = d->manager_id, .cluster = d->config->cluster, .epoch = store_epoch(d->store)};

	for (size_t i = 0; i < d->n_nodes; i++)
		if (d->nodes[i].agent)
			agent_set_identity(d->nodes[i].agent, &identity);
}

/* No manager was ever started so often: it is nonsense, and there may be no epoch above it. */
#define EPOCH_MAX ((int64_t)1 << 53)

static bool may_catch_up(const struct daemon *d, int64_t epoch) {
	return epoch < EPOCH_MAX && !mono_reached(mono_add(d->started, span_sec(CATCH_UP_SEC)), mono_now());
}

static void catch_up(struct daemon *d, const struct daemon_node *n, int64_t epoch) {
	log_warning("epoch-raised", LOG_STR("node", n->config->name), LOG_INT("seen", epoch),
		    LOG_INT("from", store_epoch(d->store)),
		    LOG_STR("reason", "its agent has seen a newer epoch of ours: the store was restored from a copy"));
	store_raise_epoch(d->store, epoch + 1);
	set_identities(d);
}

/* The epoch is a new one at every start, so an agent that knows it before it was ordered anything had it from another run. */
static bool has_seen_newer(const struct daemon_node *n, const struct wire_status *s) {
	int64_t ours = store_epoch(n->daemon->store);
	return s->epoch > ours || (s->epoch == ours && !n->agent_obeys);
}

/* Why we are not to be obeyed; NULL when we are. Owned. */
static char *stands_back(struct daemon *d, const struct daemon_node *n, const struct wire_status *s) {
	if (!s->manager)
		return NULL;
	if (strcmp(s->manager, d->manager_id) != 0)
		return xasprintf("it obeys another manager (%s): `heir node confirm-manager %s` makes it obey this one", s->manager,
				 n->config->name);
	if (!has_seen_newer(n, s))
		return NULL;
	if (may_catch_up(d, s->epoch)) {
		catch_up(d, n, s->epoch);
		return NULL;
	}
	return xasprintf("it has seen epoch %lld of this manager, which is at %lld: another one runs on a copy of its store",
			 (long long)s->epoch, (long long)store_epoch(d->store));
}

/* ---- reports ---- */

static void say_change(struct daemon_node *n, enum node_agent_state state, const char *reason) {
	const struct world_node *known = world_node(resched_world(n->daemon->machine), n->config->name);

	if (state == NODE_AGENT_OK && (n->agent_warned || known->agent.state != NODE_AGENT_OK))
		log_info("agent", LOG_STR("node", n->config->name), LOG_STR("state", node_agent_state_name(state)));
	if (state != NODE_AGENT_OK && !n->agent_warned)
		log_warning("agent", LOG_STR("node", n->config->name), LOG_STR("state", node_agent_state_name(state)),
			    LOG_STR("reason", reason));
	n->agent_warned = state != NODE_AGENT_OK;
}

static void give(struct daemon_node *n, const struct agent_report *report) {
	say_change(n, report->state, report->reason);
	if (resched_agent(n->daemon->machine, n->config->name, report))
		turn_wake(n->daemon);
}

/* What it mended by itself, and what it does not mend any more. */
static void say_repairs(struct daemon_node *n, const struct wire_status *s) {
	struct strs contested = {0};

	if (s->repaired > n->agent_repaired)
		log_info("rows-repaired", LOG_STR("node", n->config->name), LOG_INT("times", s->repaired - n->agent_repaired),
			 LOG_STR("reason", "somebody else had changed what the ledger decides"));
	n->agent_repaired = s->repaired;
	for (size_t i = 0; i < s->contested.n; i++)
		strs_add_new(&contested, s->contested.v[i].ip ? s->contested.v[i].ip : s->contested.v[i].mac);
	for (size_t i = 0; i < contested.n; i++)
		if (!strs_has(&n->agent_contested, contested.v[i]))
			log_warning(
				"rows-contested", LOG_STR("node", n->config->name), LOG_STR("address", contested.v[i]),
				LOG_STR("next", "its agent leaves them alone until it is ordered again: `heir verify --repair`"));
	strs_clear(&n->agent_contested);
	n->agent_contested = contested;
}

static void heard(struct daemon_node *n, const struct wire_status *s) {
	char *why CLEANUP_FREE = stands_back(n->daemon, n, s);
	struct agent_endpoint *former CLEANUP_FREE = xnew_n(struct agent_endpoint, s->former.n);
	const struct agent_report report = {
		.state = why ? NODE_AGENT_STALE_EPOCH : NODE_AGENT_OK,
		.reason = why           ? why
			  : s->errors.n ? s->errors.v[0]
					: NULL,
		.instance = s->instance,
		.quarantine = &s->quarantine.vteps,
		.former = former,
		.n_former = s->former.n,
		.unaware = s->owners > 0 && s->epoch < store_epoch(n->daemon->store),
	};

	for (size_t i = 0; i < s->former.n; i++)
		former[i] = (struct agent_endpoint){s->former.v[i].network_id, s->former.v[i].mac};
	n->agent_silent = 0;
	n->agent_obeys = !why;
	say_repairs(n, s);
	n->agent_control = s->swarm_control && !why;
	give(n, &report);
}

static void polled(void *ctx, const struct agent_result *result) {
	struct daemon_node *n = ctx;

	n->agent_poll = NULL;
	if (result->outcome == AGENT_OK) {
		heard(n, result->answered_status);
		return;
	}
	if (++n->agent_silent < SILENCES_TAKEN)
		return;
	n->agent_control = false;
	give(n, &(struct agent_report){.state = NODE_AGENT_UNREACHABLE, .reason = result->err.msg});
}

static void poll_agent(struct daemon_node *n) {
	const struct span timeout = n->daemon->config->heartbeat.timeout;

	if (!n->agent_poll)
		n->agent_poll = agent_status(n->agent, (struct agent_cb){.fn = polled, .ctx = n, .deadline = timeout});
}

/* ---- witnesses ---- */

struct sighting {
	struct daemon *daemon;
	char *by;
	struct agent_call *call;
	struct sighting *prev, *next;
};

static void sighting_free(struct sighting *s) {
	DL_DELETE(s->daemon->sightings, s);
	agent_call_free(s->call);
	free(s->by);
	free(s);
}

/* Once: of the first that reaches it. */
static void say_sighting(const struct daemon *d, const char *by, const struct wire_sighting *seen) {
	const struct world_node *n = world_node(resched_world(d->machine), seen->name);

	if (n && seen->reached && n->seen_by.n == 0 && (n->verdict == NODE_SUSPECT || n->verdict == NODE_DEAD))
		log_info("witness", LOG_STR("node", n->name), LOG_STR("reached-by", by), LOG_STR("how", seen->how),
			 LOG_STR("next", "nothing is taken over from it while others reach it"));
}

static void sighted(void *ctx, const struct agent_result *result) {
	struct sighting *s = ctx;
	struct daemon *d = s->daemon;

	for (size_t i = 0; result->outcome == AGENT_OK && i < result->reached->targets.n; i++) {
		const struct wire_sighting *seen = &result->reached->targets.v[i];
		say_sighting(d, s->by, seen);
		resched_witness(d->machine, seen->name, s->by, seen->reached, seen->how);
	}
	s->call = NULL;
	sighting_free(s);
	turn_wake(d);
}

static bool is_in_doubt(const struct daemon_node *n) {
	enum health_verdict v = probe_verdict(n->probe);
	return v == HEALTH_SUSPECT || v == HEALTH_DEAD;
}

/* What may answer where a node's engine is. */
struct place {
	char host[256];
	int64_t ports[2];
};

/* Its strings are borrowed or in place. */
static bool target_of(const struct daemon_node *n, struct place *place, struct wire_target *ret) {
	unsigned port;

	if (!is_in_doubt(n) || !url_host_port(n->config->url, place->host, sizeof(place->host), &port))
		return false;
	place->ports[0] = port;
	place->ports[1] = GOSSIP_PORT;
	*ret = (struct wire_target){.name = n->config->name, .addr = place->host, .ports = {.v = place->ports, .n = 2}};
	return true;
}

static void ask_sightings(struct daemon *d, const struct wire_witness_order *order) {
	for (size_t i = 0; i < d->n_nodes; i++) {
		struct daemon_node *n = &d->nodes[i];
		const struct world_node *known = world_node(resched_world(d->machine), n->config->name);
		if (!n->agent || known->agent.state != NODE_AGENT_OK || is_in_doubt(n))
			continue;
		struct sighting *s = xnew(struct sighting);
		s->daemon = d;
		s->by = xstrdup(n->config->name);
		DL_APPEND(d->sightings, s);
		s->call = agent_witness(n->agent, order,
					(struct agent_cb){.fn = sighted, .ctx = s, .deadline = span_ms(2 * WITNESS_TIMEOUT_MS)});
	}
}

void agents_suspect(struct daemon *d) {
	struct wire_witness_order order = {.timeout_ms = WITNESS_TIMEOUT_MS};
	struct place *places CLEANUP_FREE = xnew_n(struct place, d->n_nodes);

	order.targets.v = xnew_n(struct wire_target, d->n_nodes);
	for (size_t i = 0; i < d->n_nodes; i++)
		order.targets.n += target_of(&d->nodes[i], &places[i], &order.targets.v[order.targets.n]);
	if (order.targets.n && !d->sightings)
		ask_sightings(d, &order);
	free(order.targets.v);
}

/* ---- an operator's word ---- */

struct confirmation {
	struct daemon_node *node;
	struct http_call *call;
	struct agent_call *asked;
	struct confirmation *prev, *next;
};

static void confirmation_free(struct confirmation *c) {
	DL_DELETE(c->node->daemon->confirmations, c);
	agent_call_free(c->asked);
	free(c);
}

static void confirmed(void *ctx, const struct agent_result *result) {
	struct confirmation *c = ctx;
	json_t *nothing CLEANUP_JSON = json_object();

	c->asked = NULL;
	if (result->outcome == AGENT_OK) {
		c->node->agent_obeys = true;
		log_warning("agent-confirmed", LOG_STR("node", c->node->config->name), LOG_STR("by", "operator"));
		http_call_answer_json(c->call, 200, nothing);
	} else {
		http_call_fail(c->call, 502, "%s", result->err.msg);
	}
	poll_agent(c->node);
	confirmation_free(c);
}

void agents_confirm(struct daemon_node *n, struct http_call *call) {
	struct confirmation *c = xnew(struct confirmation);

	c->node = n;
	c->call = call;
	DL_APPEND(n->daemon->confirmations, c);
	c->asked = agent_confirm(n->agent, (struct agent_cb){.fn = confirmed, .ctx = c, .deadline = span_sec(5)});
}

/* ---- begin and end ---- */

static void on_timer(uv_timer_t *timer) {
	struct daemon *d = timer->data;

	for (size_t i = 0; i < d->n_nodes; i++)
		if (d->nodes[i].agent)
			poll_agent(&d->nodes[i]);
	agents_suspect(d);
}

void agents_ask(struct daemon_node *n) {
	if (n->agent)
		poll_agent(n);
}

int agents_add(struct daemon_node *n, struct err *err) {
	const struct config_engine *c = n->config;
	const struct http_tls tls = {.ca = c->agent_ca, .cert = c->agent_cert, .key = c->agent_key};

	if (!c->agent_url)
		return 0;
	resched_expect_agent(n->daemon->machine, c->name);
	return agent_new(n->daemon->http, c->name, c->agent_url, c->agent_ca ? &tls : NULL, &n->agent, err);
}

void agents_begin(struct daemon *d) {
	uint64_t interval = (uint64_t)span_to_ms(d->config->heartbeat.interval);

	set_identities(d);
	uv_timer_init(d->loop, &d->agent_timer);
	d->agent_timer.data = d;
	uv_timer_start(&d->agent_timer, on_timer, 0, interval);
}

void agents_close(struct daemon *d) {
	while (d->confirmations) {
		http_call_fail(d->confirmations->call, 503, "heird is stopping");
		confirmation_free(d->confirmations);
	}
	verify_close(d);
	while (d->sightings)
		sighting_free(d->sightings);
	for (size_t i = 0; i < d->n_nodes; i++) {
		agent_call_free(d->nodes[i].agent_poll);
		agent_free(d->nodes[i].agent);
		strs_clear(&d->nodes[i].agent_contested);
	}
	if (d->agent_timer.data)
		uv_close((uv_handle_t *)&d->agent_timer, NULL);
	free(d->manager_id);
}

struct agent *agents_control(void *ctx, size_t i) {
	struct daemon *d = ctx;

	for (size_t k = 0; k < d->n_nodes; k++)
		if (d->nodes[k].agent && d->nodes[k].agent_control && i-- == 0)
			return d->nodes[k].agent;
	return NULL;
}
