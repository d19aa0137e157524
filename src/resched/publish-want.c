/* What service discovery is to say of a container, out of its labels, the ledger and what is seen: no more than that. */
#include "resched/publish-internal.h"

#include "base/mutant.h"

#include <string.h>

/* ---- one container's entries ---- */

/* A node that is given up, and not because it may be we who are cut off. */
bool publish_is_surely_lost(const struct resched *r, const struct world_node *n) {
	return n && node_is_lost(r, n) && (n->confirmed_dead || (!r->brake && !n->zone_brake) || MUTANT(WITHDRAWN_AGAINST_BRAKE));
}

bool publish_is_asked(const struct resched *r, const struct world_container *c) {
	switch (r->settings.discovery.scope) {
	case PUBLISH_ALL:
		return true;
	case PUBLISH_OPTED_IN:
		return c->policy.move || c->services.n > 0;
	case PUBLISH_LABELLED:
		break;
	}
	return c->services.n > 0;
}

bool publish_is_host(const struct resched *r, const struct service *s) {
	enum service_address a = s->address == SERVICE_UNSAID ? r->settings.discovery.address : s->address;
	return a == SERVICE_HOST;
}

/* The one that is named, else the first overlay that it has an address on. */
static const struct world_net *net_of(const struct world_container *c, const struct service *s) {
	for (size_t i = 0; i < c->n_nets; i++) {
		const struct world_net *n = &c->nets[i];
		if ((n->ip || n->ip6) && (s->network ? strcmp(n->name, s->network) == 0 : n->kind != NET_LOCAL))
			return n;
	}
	return NULL;
}

static bool is_specific(const char *ip) { return ip && *ip && strcmp(ip, "0.0.0.0") != 0 && strcmp(ip, "::") != 0; }

static const struct world_bound *bound_of(const struct world_container *c, const struct service *s) {
	const struct world_bound *found = NULL;

	for (size_t i = 0; i < c->n_bound; i++) {
		const struct world_bound *b = &c->bound[i];
		bool fits = (s->port == 0 || b->port == s->port) && strcmp(b->proto, "tcp") == 0;
		if (fits && (!found || b->port < found->port))
			found = b;
	}
	for (size_t i = 0; i < c->n_bound && !found; i++)
		if (s->port == 0 || c->bound[i].port == s->port)
			found = &c->bound[i];
	return found;
}

static void set_address(struct service_entry *e, const char *ip) {
	if (strchr(ip, ':'))
		e->address6 = (char *)ip;
	else
		e->address = (char *)ip;
}

static bool fill_host(const struct world_node *n, const struct world_container *running, const struct service *s,
		      struct service_entry *e, bool *ret_unknown) {
	const struct world_bound *b = bound_of(running, s);
	const char *ip = b && is_specific(b->host_ip) ? b->host_ip : n->address ? n->address : n->facts.vtep;

	*ret_unknown |= b && !ip && !n->facts.version;
	if (!b || !ip)
		return false;
	set_address(e, ip);
	e->port = b->host_port;
	return true;
}

static bool fill_overlay(const struct world_container *c, const struct service *s, struct service_entry *e) {
	const struct world_net *net = net_of(c, s);

	if (!net)
		return false;
	e->address = net->ip;
	e->address6 = net->ip6;
	e->port = s->port;
	return true;
}

/* Whom an entry names. labels: the container whose labels and own addresses hold; running: the one whose published ports do, NULL:
 * nobody's. */
struct naming {
	const struct world_container *labels, *running;
	const struct world_node *node;
	const char *name;
	unsigned generation;
	bool started; /* a moment ago, and perhaps it does not show its ports yet */
};

/* The port will be published: it was not seen to run yet, or had the port where it ran before; one that was only seen stopped says
 * what it asks for. */
static bool is_expected(const struct naming *of, const struct service *s) {
	const struct world_container *c = of->labels;
	return of->started && (!of->running || bound_of(c, s) || (c->n_bound == 0 && c->n_ports > 0));
}

static void add_entry(const struct resched *r, const struct naming *of, const struct service *s, struct wanted *ret) {
	const char *name = s->name ? s->name : of->name;
	struct service_entry e = {
		.number = s->number,
		.service = (char *)name,
		.tags = s->tags,
		.meta = s->meta,
		.node = of->node->name,
		.container = (char *)of->name,
		.generation = of->generation,
		.host = publish_is_host(r, s),
	};

	if (ret->n == SERVICES_MAX || !service_is_name(name))
		return;
	bool filled;
	if (e.host) {
		filled = of->running && fill_host(of->node, of->running, s, &e, &ret->unknown);
		ret->incomplete |= !filled && is_expected(of, s) && !MUTANT(PORT_NOT_AWAITED);
	} else {
		filled = fill_overlay(of->labels, s, &e);
	}
	if (filled)
		ret->entries[ret->n++] = e;
}

static void add_entries(const struct resched *r, const struct naming *of, struct wanted *ret) {
	static const struct service unlabelled = {.number = 1};
	const struct services *s = &of->labels->services;

	for (size_t i = 0; i < s->n; i++)
		add_entry(r, of, &s->v[i], ret);
	if (s->n == 0 && publish_is_asked(r, of->labels) && !s->warning)
		add_entry(r, of, &unlabelled, ret);
}

/* ---- who is to be found ---- */

bool publish_is_ill(const struct resched *r, const struct world_container *c) {
	return c && c->unhealthy && r->settings.discovery.withdraw_unhealthy;
}

/* A container that is of no workload. */
void publish_want_container(const struct resched *r, const struct world_container *c, struct wanted *ret) {
	const struct world_node *n = world_node(&r->world, c->node);

	if (!n || !c->running || publish_is_surely_lost(r, n) || publish_is_ill(r, c))
		return;
	const struct naming of = {.labels = c, .running = c, .node = n, .name = c->name, .generation = 1};
	add_entries(r, &of, ret);
}

/* Its address answers, or will when what is under way is over: not where a takeover stopped without an owner. */
static bool has_address(const struct resched *r, const struct workload *w) {
	const struct takeover *t = takeover_open(r, w);
	const struct world_node *n = world_node(&r->world, w->node);
	const struct world_container *c = world_container(&r->world, w->node, w->container);

	if (w->gone || w->abandoned || (!t && w->exhausted))
		return false;
	if (t && t->state == TAKEOVER_NEEDS_OPERATOR && !MUTANT(KEPT_WITHOUT_OWNER))
		return !t->released && !publish_is_surely_lost(r, world_node(&r->world, t->from)) && c && c->running;
	if (t || w->orphan)
		return true;
	/* What its engine says now goes before what is remembered. */
	return c && n && n->listed && !node_is_lost(r, n) ? c->running : w->must_run;
}

/* Whose published ports answer; NULL. */
static const struct world_container *host_of(const struct resched *r, const struct workload *w) {
	const struct takeover *t = takeover_open(r, w);
	const struct world_node *n = world_node(&r->world, w->served.node);
	const struct world_container *c = world_container(&r->world, w->served.node, w->served.container);
	bool leaving = t && t->row < ROW_PUBLISH && (t->released || (t->planned && t->row >= ROW_FENCE_DISCONNECT));

	if (leaving && !MUTANT(NOT_WITHDRAWN))
		return NULL;
	return n && c && c->running && !(publish_is_surely_lost(r, n) && !MUTANT(NOT_WITHDRAWN)) ? c : NULL;
}

/* What is under way may have been finished, and published, by a manager that has followed this one. */
static unsigned known_generation(const struct resched *r, const struct workload *w) {
	return takeover_open(r, w) || !w->verified ? w->served.generation : w->last_generation;
}

void publish_want_workload(const struct resched *r, const struct workload *w, struct wanted *ret) {
	const struct world_container *subject = workload_subject(r, w);
	const struct world_node *n = world_node(&r->world, w->served.node);
	const struct world_container *served = world_container(&r->world, w->served.node, w->served.container);

	ret->subject = w->id;
	ret->generation = known_generation(r, w);
	if (!subject || !n || !has_address(r, w) || publish_is_ill(r, served))
		return;
	const struct takeover *t = takeover_open(r, w);
	const struct naming of = {.labels = subject,
				  .running = host_of(r, w),
				  .node = n,
				  .name = w->name,
				  .generation = w->served.generation,
				  .started = t && t->row >= ROW_PUBLISH};
	if (publish_is_asked(r, subject))
		add_entries(r, &of, ret);
	ret->names = r->settings.discovery.names && w->served.generation > 1 && world_container_has_overlay(subject) &&
		     !(t && t->row < ROW_PUBLISH);
	ret->node = w->served.node;
	ret->container = w->served.container;
}

/* ---- what keeps one out ---- */

static bool lacks_name(const struct resched *r, const struct world_container *c) {
	bool unnamed = c->services.n == 0 && publish_is_asked(r, c);

	for (size_t i = 0; i < c->services.n; i++)
		unnamed |= !c->services.v[i].name;
	return unnamed && !service_is_name(c->name);
}

/* Its host's address is no use without a port there. */
static bool lacks_port(const struct resched *r, const struct world_container *c) {
	for (size_t i = 0; i < c->services.n && c->running; i++)
		if (publish_is_host(r, &c->services.v[i]) && !bound_of(c, &c->services.v[i]))
			return true;
	return false;
}

const char *resched_publish_complaint(const struct resched *r, const struct world_container *c) {
	if (c->services.warning)
		return c->services.warning;
	if (lacks_name(r, c))
		return "its name is no DNS label, so it is not published: give it a label heir.service";
	if (lacks_port(r, c))
		return "a service is to be published with its host's address, and the container publishes no such port (-p)";
	return NULL;
}
