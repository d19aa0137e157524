/* See discovery.h. */
#include "daemon/discovery.h"

#include "base/alloc.h"
#include "base/log.h"
#include "daemon/orders.h"
#include "net/discovery/consul.h"
#include "net/discovery/dns.h"
#include "net/discovery/skydns.h"

#include <assert.h>
#include <string.h>
#include <utlist.h>

/* One more second than the systems have: their own deadlines are what counts. */
#define PATIENCE_MORE_SEC 1

/* Somebody who waits for a comparison. */
struct waiter {
	discovery_synced_fn *done;
	void *user;
	struct strs open; /* names of systems */
	struct waiter *prev, *next;
};

struct daemon_discovery {
	struct publisher *publishers[CONFIG_DISCOVERY_SYSTEMS_MAX];
	size_t n;
	struct orders *orders;
	struct waiter *waiters;
};

const struct publisher *discovery_system(const struct daemon *d, size_t i) {
	return d->discovery && i < d->discovery->n ? d->discovery->publishers[i] : NULL;
}

/* ---- what comes back ---- */

static void progress(void *ctx, const char *workload) { orders_progress(((struct daemon *)ctx)->discovery->orders, workload); }

static void report(void *ctx, const char *workload, const struct publication_report *r) {
	struct daemon *d = ctx;
	if (resched_published(d->machine, workload, r))
		turn_wake(d);
}

static bool may_withdraw(void *ctx, const char *workload, const char *node, unsigned generation) {
	return resched_may_withdraw(((struct daemon *)ctx)->machine, workload, node, generation);
}

static void trouble(void *ctx, const struct publisher *p, const struct err *err) {
	(void)ctx;
	if (err)
		log_warning("discovery", LOG_STR("system", publisher_name(p)), LOG_STR("error", err->msg),
			    LOG_STR("next", "it is tried again, and made true when it answers"));
	else
		log_info("discovery", LOG_STR("system", publisher_name(p)), LOG_STR("state", "works"));
}

static void notice(void *ctx, const struct publisher *p, const char *key, const char *text) {
	(void)ctx;
	log_warning("discovery", LOG_STR("system", publisher_name(p)), LOG_STR("key", *key ? key : NULL), LOG_STR("notice", text));
}

/* ---- comparisons ---- */

static void waiter_over(struct daemon_discovery *x, struct waiter *w) {
	DL_DELETE(x->waiters, w);
	w->done(w->user);
	strs_clear(&w->open);
	free(w);
}

static void compared(void *ctx, const struct publisher *p) {
	struct daemon *d = ctx;
	struct waiter *w, *next;

	DL_FOREACH_SAFE (d->discovery->waiters, w, next) {
		strs_remove(&w->open, publisher_name(p));
		if (w->open.n == 0)
			waiter_over(d->discovery, w);
	}
}

bool discovery_sync(struct daemon *d, const char *name, discovery_synced_fn *done, void *user) {
	struct daemon_discovery *x = d->discovery;
	struct strs open = {0};

	for (size_t i = 0; x && i < x->n; i++)
		if (!name || strcmp(publisher_name(x->publishers[i]), name) == 0)
			strs_add(&open, publisher_name(x->publishers[i]));
	if (!x || open.n == 0) {
		if (!name)
			done(user);
		return !name;
	}
	struct waiter *w = xnew(struct waiter);
	*w = (struct waiter){.done = done, .user = user, .open = open};
	DL_APPEND(x->waiters, w);
	for (size_t i = 0; i < x->n; i++)
		if (strs_has(&open, publisher_name(x->publishers[i])))
			publisher_sync(x->publishers[i]);
	return true;
}

/* ---- orders ---- */

void discovery_order(struct daemon *d, const struct effect *e) {
	struct discovery_entry names = {0};
	bool asked = discovery_names_entry(d, e, &names);

	orders_give(d->discovery->orders, e, asked ? &names : NULL);
	discovery_entry_clear(&names);
}

/* ---- the systems ---- */

static int make_consul(const struct discovery_env *env, const struct config_discovery *c, struct discovery **ret, struct err *err) {
	struct consul_agent *agents = xnew_n(struct consul_agent, c->n_agents);
	struct consul_options options = {
		.urls = c->urls,
		.token_file = c->token_file,
		.datacenter = c->datacenter,
		.consul_namespace = c->consul_namespace,
		.node = c->node,
		.node_address = c->node_address,
		.tls = {.ca = c->tls_ca, .cert = c->tls_cert, .key = c->tls_key},
		.agents = agents,
		.n_agents = c->n_agents,
		.ttl = c->check_ttl,
	};

	for (size_t i = 0; i < c->n_agents; i++)
		agents[i] = (struct consul_agent){.node = c->agents[i].key, .url = c->agents[i].value};
	int r = consul_new(env, &options, ret, err);
	free(agents);
	return r;
}

/* What the configuration takes is taken at the start too. */
static_assert(CONFIG_DISCOVERY_PREFIX_MAX == SKYDNS_PREFIX_MAX, "one limit");

static int make_skydns(const struct discovery_env *env, const struct config_discovery *c, struct discovery **ret, struct err *err) {
	const struct skydns_options options = {
		.urls = c->urls,
		.prefix = c->prefix,
		.domain = c->domain,
		.user = c->user,
		.password_file = c->password_file,
		.tls = {.ca = c->tls_ca, .cert = c->tls_cert, .key = c->tls_key},
		.ttl = (unsigned)c->ttl,
		.reverse = c->reverse,
	};
	return skydns_new(env, &options, ret, err);
}

static int make_dns(const struct discovery_env *env, const struct config_discovery *c, struct discovery **ret, struct err *err) {
	const struct dns_options options = {
		.server = c->server,
		.zone = c->zone,
		.reverse = c->reverse_zones,
		.key_name = c->key_name,
		.key_file = c->key_file,
		.algorithm = c->algorithm == CONFIG_TSIG_SHA512 ? DNS_HMAC_SHA512 : DNS_HMAC_SHA256,
		.ttl = (unsigned)c->ttl,
	};
	return dns_new(env, &options, ret, err);
}

static int make(struct daemon *d, const struct config_discovery *c, struct discovery **ret, struct err *err) {
	const struct discovery_env env = {
		.loop = d->loop, .http = d->http, .cluster = d->config->cluster, .name = c->name, .timeout = c->timeout};
	struct docker_world world = discovery_docker_world;

	switch (c->kind) {
	case CONFIG_DISCOVERY_CONSUL:
		return make_consul(&env, c, ret, err);
	case CONFIG_DISCOVERY_SKYDNS:
		return make_skydns(&env, c, ret, err);
	case CONFIG_DISCOVERY_DNS:
		return make_dns(&env, c, ret, err);
	default:
		break;
	}
	world.ctx = d;
	return docker_new(&env, &world, ret, err);
}

static int add(struct daemon *d, const struct config_discovery *c, struct err *err) {
	struct daemon_discovery *x = d->discovery;
	struct publisher_settings settings = {
		.required = c->required, .deadline = c->deadline, .interval = d->config->discovery.interval, .adopt = c->adopt};
	const struct publisher_handler handler = {.progress = progress,
						  .may_withdraw = may_withdraw,
						  .trouble = trouble,
						  .notice = notice,
						  .compared = compared,
						  .ctx = d};
	struct discovery *system = NULL;

	int r = make(d, c, &system, err);
	if (r < 0)
		return err_wrap(err, "discovery: %s", c->name);
	x->publishers[x->n] = publisher_new(d->loop, system, &settings, &handler);
	orders_add(x->orders, x->publishers[x->n++]);
	return 0;
}

int discovery_start(struct daemon *d, struct err *err) {
	const struct config *c = d->config;
	int r = 0;

	if (c->discovery.n_systems == 0)
		return 0;
	d->discovery = xnew(struct daemon_discovery);
	d->discovery->orders = orders_new(report, d);
	for (size_t i = 0; r == 0 && i < c->discovery.n_systems; i++)
		r = add(d, &c->discovery.systems[i], err);
	return r;
}

void discovery_begin(struct daemon *d) {
	for (size_t i = 0; d->discovery && i < d->discovery->n; i++)
		publisher_start(d->discovery->publishers[i]);
}

void discovery_close(struct daemon *d) {
	struct daemon_discovery *x = d->discovery;
	struct waiter *w, *next;

	if (!x)
		return;
	DL_FOREACH_SAFE (x->waiters, w, next)
		waiter_over(x, w);
	for (size_t i = 0; i < x->n; i++)
		publisher_free(x->publishers[i]);
	orders_free(x->orders);
	free(x);
	d->discovery = NULL;
}

const char *discovery_complaint(const struct daemon *d, const struct world_container *c) {
	return d->discovery ? resched_publish_complaint(d->machine, c) : NULL;
}

/* ---- the machine's settings ---- */

static const enum publish_scope scopes[] = {
	[CONFIG_PUBLISH_LABELLED] = PUBLISH_LABELLED,
	[CONFIG_PUBLISH_OPTED_IN] = PUBLISH_OPTED_IN,
	[CONFIG_PUBLISH_ALL] = PUBLISH_ALL,
};

void discovery_settings(const struct config *c, struct resched_settings *ret) {
	struct span longest = {0};

	ret->discovery.any = c->discovery.n_systems > 0;
	ret->discovery.scope = scopes[c->discovery.publish];
	ret->discovery.address = c->discovery.address == CONFIG_SERVICE_HOST ? SERVICE_HOST : SERVICE_OVERLAY;
	ret->discovery.withdraw_unhealthy = c->discovery.unhealthy == CONFIG_UNHEALTHY_WITHDRAW;
	for (size_t i = 0; i < c->discovery.n_systems; i++) {
		const struct config_discovery *s = &c->discovery.systems[i];
		ret->discovery.names |= s->kind == CONFIG_DISCOVERY_DOCKER;
		if (s->required && span_less(longest, s->deadline))
			longest = s->deadline;
	}
	ret->discovery.patience.ns = longest.ns + span_sec(PATIENCE_MORE_SEC).ns;
}
