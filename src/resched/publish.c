/* What service discovery is to say of every container that wants to be found: a state, as what agents are told (seats.c). It is
 * found anew in every turn, and ordered when it is another than was ordered last; what the systems say of it comes back as a
 * report. Retries and the systems' own words are not known here.
 *
 * A moved workload's entries name the owner that was verified last, so those with its own address stay as they are throughout a
 * takeover and change in place when the new owner is verified. Entries with a host's address are withdrawn when that host is given
 * up, and before the release at the latest. */
#include "resched/walk-internal.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/mutant.h"

#include <string.h>
#include <sys/socket.h>

#define RETRY_SEC 1
#define NOTHING_WANTED UINT64_C(0)

struct publication {
	char *subject;   /* the workload's ID; of a container that is of none, the one it would have */
	uint64_t wanted; /* stamps; NOTHING_WANTED */
	uint64_t told;
	bool told_once;
	uint64_t ordering, pending; /* the stamp under way, and its effect; 0: none */

	struct mono not_before;
	uint64_t reported;
	bool published, awaited;
	char *detail;
	unsigned generation;
	bool wanting;                 /* still, in this turn */
	UT_hash_handle hh, by_effect; /* the latter: of those under way */
};

/* What is wanted of one subject; all of it borrowed from the world. */
struct wanted {
	const char *subject;
	unsigned generation; /* the highest of it that nobody else can be about to publish */
	struct service_entry entries[SERVICES_MAX];
	size_t n;
	bool names;
	const char *node, *container; /* whose names */
	bool incomplete;              /* a published port is not known yet */
	bool unknown;                 /* where one is reached is not, just after a start: what is said is left as it is */
};

static void publication_free(struct publication *p) {
	free(p->subject);
	free(p->detail);
	free(p);
}

void publish_clear(struct resched *r) {
	struct publication *p, *next;

	HASH_CLEAR(by_effect, r->publishing);
	HASH_ITER (hh, r->publications, p, next) {
		HASH_DEL(r->publications, p);
		publication_free(p);
	}
}

void publish_serve(struct workload *w, unsigned generation, const char *node, const char *container) {
	w->served.generation = generation;
	xstr_replace(&w->served.node, node);
	xstr_replace(&w->served.container, container);
	w->dirty = true;
}

/* ---- one container's entries ---- */

/* A node that is given up, and not because it may be we who are cut off. */
static bool is_surely_lost(const struct resched *r, const struct world_node *n) {
	return n && node_is_lost(r, n) && (n->confirmed_dead || (!r->brake && !n->zone_brake) || MUTANT(WITHDRAWN_AGAINST_BRAKE));
}

static bool is_published(const struct resched *r, const struct world_container *c) {
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

static bool is_host_service(const struct resched *r, const struct service *s) {
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
		.host = is_host_service(r, s),
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
	if (s->n == 0 && is_published(r, of->labels) && !s->warning)
		add_entry(r, of, &unlabelled, ret);
}

/* ---- who is to be found ---- */

static bool is_ill(const struct resched *r, const struct world_container *c) {
	return c && c->unhealthy && r->settings.discovery.withdraw_unhealthy;
}

/* A container that is of no workload. */
static void want_container(const struct resched *r, const struct world_container *c, struct wanted *ret) {
	const struct world_node *n = world_node(&r->world, c->node);

	if (!n || !c->running || is_surely_lost(r, n) || is_ill(r, c))
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
		return !t->released && !is_surely_lost(r, world_node(&r->world, t->from)) && c && c->running;
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
	return n && c && c->running && !(is_surely_lost(r, n) && !MUTANT(NOT_WITHDRAWN)) ? c : NULL;
}

/* What is under way may have been finished, and published, by a manager that has followed this one. */
static unsigned known_generation(const struct resched *r, const struct workload *w) {
	return takeover_open(r, w) || !w->verified ? w->served.generation : w->last_generation;
}

static void want_workload(const struct resched *r, const struct workload *w, struct wanted *ret) {
	const struct world_container *subject = workload_subject(r, w);
	const struct world_node *n = world_node(&r->world, w->served.node);
	const struct world_container *served = world_container(&r->world, w->served.node, w->served.container);

	ret->subject = w->id;
	ret->generation = known_generation(r, w);
	if (!subject || !n || !has_address(r, w) || is_ill(r, served))
		return;
	const struct takeover *t = takeover_open(r, w);
	const struct naming of = {.labels = subject,
				  .running = host_of(r, w),
				  .node = n,
				  .name = w->name,
				  .generation = w->served.generation,
				  .started = t && t->row >= ROW_PUBLISH};
	if (is_published(r, subject))
		add_entries(r, &of, ret);
	ret->names = r->settings.discovery.names && w->served.generation > 1 && world_container_has_overlay(subject) &&
		     !(t && t->row < ROW_PUBLISH);
	ret->node = w->served.node;
	ret->container = w->served.container;
}

/* ---- what is ordered ---- */

static uint64_t hash_strs(uint64_t h, const struct strs *s) {
	for (size_t i = 0; i < s->n; i++)
		h = hash_text(h, s->v[i]);
	return hash_number(h, s->n);
}

static uint64_t stamp_of(const struct wanted *w) {
	uint64_t h = HASH_START;

	if (w->n == 0 && !w->names)
		return NOTHING_WANTED;
	for (size_t i = 0; i < w->n; i++) {
		const struct service_entry *e = &w->entries[i];
		const char *texts[] = {e->service, e->address, e->address6, e->node, e->container};
		for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
			h = hash_text(h, texts[k]);
		h = hash_number(hash_number(hash_number(h, e->number), e->port), e->generation);
		h = hash_strs(hash_strs(hash_number(h, e->host), &e->tags), &e->meta);
	}
	if (w->names)
		h = hash_text(hash_text(h, w->node), w->container);
	return h == NOTHING_WANTED ? 1 : h;
}

static struct service_entry copy_entry(const struct service_entry *from) {
	struct service_entry e = *from;

	e.service = xstrdup(from->service);
	e.address = xstrdup_null(from->address);
	e.address6 = xstrdup_null(from->address6);
	e.node = xstrdup(from->node);
	e.container = xstrdup(from->container);
	e.tags = e.meta = (struct strs){0};
	strs_copy(&e.tags, &from->tags);
	strs_copy(&e.meta, &from->meta);
	return e;
}

static void order(struct resched *r, struct publication *p, const struct wanted *w) {
	struct effect *e = effect_new(r, EFFECT_PUBLISH, span_sec(5));

	e->workload = xstrdup(p->subject);
	e->generation = w->generation;
	e->stamp = p->wanted;
	e->entries = xnew_n(struct service_entry, w->n);
	for (size_t i = 0; i < w->n; i++)
		e->entries[e->n_entries++] = copy_entry(&w->entries[i]);
	e->check_names = w->names;
	e->node = xstrdup_null(w->node);
	e->container = xstrdup_null(w->container);
	p->ordering = p->wanted;
	p->pending = e->id;
	HASH_ADD(by_effect, r->publishing, pending, sizeof(p->pending), p);
	effect_emit(r, e);
}

static struct publication *publication(struct resched *r, const char *subject, bool create) {
	struct publication *p = NULL;

	HASH_FIND_STR(r->publications, subject, p);
	if (p || !create)
		return p;
	p = xnew(struct publication);
	p->subject = xstrdup(subject);
	HASH_ADD_KEYPTR(hh, r->publications, p->subject, strlen(p->subject), p);
	return p;
}

static bool is_told(const struct publication *p) { return p->told_once && p->told == p->wanted; }

static void order_if_due(struct resched *r, struct publication *p, const struct wanted *w) {
	if (p->pending || is_told(p))
		return;
	r->publish_due = true;
	if (mono_reached(p->not_before, r->now))
		order(r, p, w);
	else
		wake_at(r, p->not_before);
}

/* Once something was wanted of it there is a record of it, until all systems say that nothing is. NULL: there is none. */
static struct publication *bring_up_to_date(struct resched *r, const struct wanted *w) {
	uint64_t stamp = stamp_of(w);
	struct publication *p = publication(r, w->subject, stamp != NOTHING_WANTED && !w->unknown);

	if (!p)
		return NULL;
	p->wanting = true;
	p->generation = w->generation;
	if (w->unknown)
		return p;
	p->wanted = stamp;
	order_if_due(r, p, w);
	return p;
}

static void drop_unwanted(struct resched *r) {
	struct publication *p, *next;

	HASH_ITER (hh, r->publications, p, next) {
		if (!p->wanting) {
			const struct wanted nothing = {.generation = p->generation};
			p->wanted = NOTHING_WANTED;
			order_if_due(r, p, &nothing);
		}
		p->wanting = false;
		if (p->wanted == NOTHING_WANTED && is_told(p) && !p->pending && p->reported == p->told && p->published) {
			HASH_DEL(r->publications, p);
			publication_free(p);
		}
	}
}

static void want_loners(struct resched *r) {
	for (const struct world_container *c = r->world.containers; c; c = c->hh.next) {
		if (!is_published(r, c))
			continue;
		char *subject;
		struct wanted w = {0};
		if (!ledger_identify(r, c, &subject)) {
			w.subject = subject;
			w.generation = 1;
			want_container(r, c, &w);
			(void)bring_up_to_date(r, &w); /* nobody waits for it */
		}
		free(subject);
	}
}

/* Nothing of what decides it can have changed. */
static bool is_quiet(const struct resched *r) {
	if (r->world_changed || r->publish_due)
		return false;
	for (const struct workload *w = r->workloads; w; w = w->hh.next)
		if (takeover_open(r, w))
			return false;
	return true;
}

/* Ended, and not published. */
static struct takeover *unpublished(const struct workload *w) {
	struct takeover *t = w->newest;
	bool is = t && t->state == TAKEOVER_DONE && t->published == PUBLISHED_NO && t->generation == w->served.generation;

	return is ? t : NULL;
}

void publish_turn(struct resched *r) {
	if (!r->settings.discovery.any || is_quiet(r))
		return;
	r->publish_due = false;
	want_loners(r);
	for (const struct workload *w = r->workloads; w; w = w->hh.next) {
		struct wanted wanted = {0};
		want_workload(r, w, &wanted);
		if (unpublished(w))
			(void)publication(r, w->id, true); /* also that nothing is wanted has to be said */
		(void)bring_up_to_date(r, &wanted);        /* a takeover that waits asks itself */
	}
	drop_unwanted(r);
}

/* ---- what comes back ---- */

bool publish_result(struct resched *r, uint64_t effect, const struct effect_result *result) {
	struct publication *p = NULL;

	HASH_FIND(by_effect, r->publishing, &effect, sizeof(effect), p);
	if (!p)
		return false;
	HASH_DELETE(by_effect, r->publishing, p);
	p->pending = 0;
	if (result->outcome == EFFECT_OK || MUTANT(ORDER_NOT_GIVEN_AGAIN)) {
		p->told = p->ordering;
		p->told_once = true;
	} else {
		p->not_before = mono_add(r->now, span_sec(RETRY_SEC));
	}
	return true;
}

/* A takeover that ended unpublished is published after all. */
static bool published_late(struct resched *r, struct workload *w) {
	struct takeover *t = unpublished(w);

	if (!t || MUTANT(LATE_NOT_SAID))
		return false;
	t->published = PUBLISHED_YES;
	t->dirty = true;
	log_nets(r, t, "publish", "ok", "service discovery names the new owner now");
	return true;
}

/* Its takeover waits for it, or has given up waiting. */
static bool is_news(struct resched *r, const struct publication *p) {
	struct workload *w = workload_find(r, p->subject);
	const struct takeover *t = w ? takeover_open(r, w) : NULL;

	if (t)
		return t->row == ROW_WITHDRAW || t->row == ROW_PUBLISH;
	return w && p->published && p->reported == p->wanted && published_late(r, w);
}

bool resched_published(struct resched *r, const char *workload, const struct publication_report *report) {
	struct publication *p = publication(r, workload, false);

	if (!p || (p->told_once && report->stamp != p->told && report->stamp != p->ordering))
		return false; /* of what is not wanted any more */
	p->reported = report->stamp;
	p->published = report->published;
	p->awaited = report->awaited;
	xstr_replace(&p->detail, report->detail);
	r->publish_due |= p->published && p->wanted == NOTHING_WANTED; /* it can be forgotten */
	return is_news(r, p);
}

/* ---- rows of a takeover ---- */

static bool asks_for(const struct resched *r, const struct takeover *t, bool host) {
	const struct world_container *c = workload_subject(r, walk_workload(r, t));

	if (!r->settings.discovery.any || !c || !is_published(r, c))
		return false;
	for (size_t i = 0; i < c->services.n; i++)
		if (!host || is_host_service(r, &c->services.v[i]))
			return true;
	return c->services.n == 0 && (!host || r->settings.discovery.address == SERVICE_HOST);
}

bool walk_has_host_entries(const struct resched *r, const struct takeover *t) { return asks_for(r, t, true); }

bool walk_has_entries(const struct resched *r, const struct takeover *t) {
	return asks_for(r, t, false) || (r->settings.discovery.any && r->settings.discovery.names && takeover_has_overlay(t));
}

/* YES: every system says what is wanted now. NO: it is not waited for any longer. UNKNOWN: wait. */
static enum answer await(struct resched *r, struct takeover *t, const char **ret_detail) {
	struct wanted w = {0};

	want_workload(r, walk_workload(r, t), &w);
	if (!w.incomplete)
		(void)publication(r, w.subject, true); /* that nothing is wanted has to be said, too */
	const struct publication *p = bring_up_to_date(r, &w);
	struct mono until = mono_add(t->row_began, r->settings.discovery.patience);
	bool known = p && p->reported == p->told && !w.incomplete && !w.unknown && (is_told(p) || MUTANT(OLD_REPORT_COUNTS));
	*ret_detail = w.unknown        ? "the host's address is not known yet"
		      : w.incomplete   ? "the new owner's published port is not known yet"
		      : p && p->detail ? p->detail
				       : "no answer yet";

	if (known && p->published)
		return ANSWER_YES;
	if ((known && !p->awaited) || mono_reached(until, r->now))
		return ANSWER_NO;
	wake_at(r, until);
	return ANSWER_UNKNOWN;
}

void walk_withdraw(struct resched *r, struct takeover *t) {
	const char *detail;

	switch (await(r, t, &detail)) {
	case ANSWER_YES:
		walk_row_done(r, t, "host's entries withdrawn");
		break;
	case ANSWER_NO:
		takeover_warn(t, "not withdrawn: %s", detail);
		walk_row_done(r, t, NULL);
		break;
	case ANSWER_UNKNOWN:
		break;
	}
}

void walk_publish(struct resched *r, struct takeover *t) {
	struct workload *w = walk_workload(r, t);
	const char *detail;

	bool served = w->served.generation == t->generation && w->served.container && strcmp(w->served.container, t->new_id) == 0;
	if (!served && !MUTANT(OLD_OWNER_SERVED))
		publish_serve(w, t->generation, t->to, t->new_id);
	enum answer answer = await(r, t, &detail);
	if (answer == ANSWER_UNKNOWN)
		return;
	t->published = answer == ANSWER_YES ? PUBLISHED_YES : PUBLISHED_NO;
	if (answer == ANSWER_NO) {
		char *why = xasprintf("unpublished: %s", detail);
		takeover_warn(t, "%s", why);
		walk_record(r, t, STEP_FAILED, why);
		log_nets(r, t, "publish", "unpublished", detail);
		free(why);
	}
	walk_row_done(r, t, NULL);
}

/* ---- what is left of before ---- */

/* What is known of a node's containers is what its engine said, or that it will say nothing any more. */
static bool is_decided(const struct resched *r, const char *node) {
	const struct world_node *n = node ? world_node(&r->world, node) : NULL;

	return !n || is_surely_lost(r, n) || (n->verdict == NODE_ALIVE && (n->listed || MUTANT(WITHDRAWN_BEFORE_LISTED)));
}

static bool wants_anything(const struct resched *r, const struct workload *w) {
	struct wanted wanted = {0};

	want_workload(r, w, &wanted);
	return wanted.n > 0 || wanted.incomplete || wanted.unknown;
}

/* Perhaps it is only known that it is there. */
static bool runs_somewhere(const struct resched *r, const char *id) {
	const struct world_container *c = world_container_by_id(&r->world, id);

	if (c && c->running && is_published(r, c) && !is_ill(r, c))
		return true;
	for (const struct world_node *n = r->world.nodes; n; n = n->hh.next)
		if (n->unseen.n && strs_has(&n->unseen, id) && !world_container(&r->world, n->name, id) && !is_surely_lost(r, n))
			return true;
	return false;
}

bool resched_may_withdraw(const struct resched *r, const char *workload, const char *node, unsigned generation) {
	const struct publication *p = publication((struct resched *)r, workload, false);
	const struct workload *w = workload_find(r, workload);
	const char *slash = strrchr(workload, '/');

	if (!r->store_ok || (p && p->wanted != NOTHING_WANTED))
		return false; /* perhaps another manager has the store by now, and wants it */
	if (!w)
		return slash && is_decided(r, node) && !runs_somewhere(r, slash + 1);
	return generation <= w->last_generation && is_decided(r, w->node) && is_decided(r, w->served.node) && !wants_anything(r, w);
}
