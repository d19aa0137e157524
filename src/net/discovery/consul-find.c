/* What stands in the catalog and at agents: of one key, or everything.
 *
 * Our own node is asked for its services. Entries at agents are found again, whoever registered them and whether or not their agent
 * answers, by the notes of their checks, which name the nodes; then these are asked about. Where the agent of a host is to be
 * looked at itself, it knows better than the catalog, into which it writes a moment later (anti-entropy). */
#include "net/discovery/consul-internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

#define PARALLEL 16
#define LONG ((size_t)128 << 10) /* an answer that is not read in one turn of the loop */
#define SLICE ((size_t)500)      /* services that are */
#define AGENT_TIME span_ms(500)  /* for an agent that is looked at; a host that is gone takes all of it */

struct job {
	struct consul_find *find;
	char *node;               /* Consul's, of a look at the catalog; NULL: */
	struct consul_host *host; /* of a look at an agent; NULL: the checks */
	struct consul_ask *ask;
	struct consul_reader *reader; /* of a long list, while it is read */
	char *where;                  /* it came from */
};

struct consul_find {
	struct consul *consul;
	char *key; /* NULL: all */
	struct mono begun, deadline;
	struct job **jobs;
	size_t n_jobs, next, running;
	struct consul_place *places;
	size_t n, room;
	bool *asked, *answered; /* of each host: its agent */
	uv_timer_t *turns;      /* of what is read piece by piece; NULL: nothing ever was */
	consul_find_fn *fn;
	void *ctx;
};

static void place_clear(struct consul_place *p) {
	consul_service_clear(&p->s);
	free(p->node);
}

static void on_closed(uv_handle_t *handle) { free(handle); }

void consul_find_free(struct consul_find *f) {
	if (!f)
		return;
	if (f->turns)
		uv_close((uv_handle_t *)f->turns, on_closed);
	for (size_t i = 0; i < f->n_jobs; i++) {
		consul_ask_free(f->jobs[i]->ask);
		consul_reader_free(f->jobs[i]->reader);
		free(f->jobs[i]->where);
		free(f->jobs[i]->node);
		free(f->jobs[i]);
	}
	for (size_t i = 0; i < f->n; i++)
		place_clear(&f->places[i]);
	free(f->places);
	free(f->jobs);
	free(f->asked);
	free(f->answered);
	free(f->key);
	free(f);
}

static void add_job(struct consul_find *f, const char *node, struct consul_host *host) {
	struct job *j = xnew(struct job);

	j->find = f;
	j->node = xstrdup_null(node);
	j->host = host;
	f->jobs = xreallocarray(f->jobs, f->n_jobs + 1, sizeof(struct job *));
	f->jobs[f->n_jobs++] = j;
}

/* ---- what is asked ---- */

static bool is_own(const struct consul *c, const char *node) { return node && strcmp(node, c->node) == 0; }

/* On our own node foreign services matter too; on others there are many that do not. */
static char *filter_of(const struct job *j) {
	const struct consul_find *f = j->find;

	if (!j->node && !j->host) {
		char *notes CLEANUP_FREE = consul_check_notes(f->consul->cluster);
		return f->key ? xasprintf("Notes == \"%s\" and ServiceID == \"%s\"", notes, f->key)
			      : xasprintf("Notes == \"%s\"", notes);
	}
	if (f->key)
		return xasprintf("ID == \"%s\"", f->key);
	return j->host || is_own(f->consul, j->node) ? NULL : xasprintf("Meta[\"heir-cluster\"] == \"%s\"", f->consul->cluster);
}

static char *path_of(const struct job *j) {
	char *filter CLEANUP_FREE = filter_of(j);
	struct buf b = {0};

	buf_puts(&b, j->host ? "/v1/agent/services" : j->node ? "/v1/catalog/node-services" : "/v1/health/state/any");
	consul_put_query(&b, '/', "", j->node);
	consul_put_query(&b, '?', "filter", filter);
	return buf_take(&b);
}

/* An agent that does not answer must not take the time of those that do. */
static struct mono deadline_of(const struct job *j) {
	const struct consul_find *f = j->find;
	struct span time = {mono_since(f->begun, f->deadline).ns / 4};

	if (span_less(AGENT_TIME, time))
		time = AGENT_TIME;
	return j->host ? mono_min(mono_add(mono_now(), time), f->deadline) : f->deadline;
}

static void on_answer(void *ctx, const struct consul_answer *answer);

static void go_on(struct consul_find *f) {
	for (; f->next < f->n_jobs && f->running < PARALLEL; f->next++) {
		struct job *j = f->jobs[f->next];
		const struct consul_question q = {
			.path = path_of(j), .host = j->host, .deadline = deadline_of(j), .limit = f->key ? 0 : CONSUL_LIST_MAX};
		f->running++;
		j->ask = consul_ask(f->consul, &q, on_answer, j);
	}
}

/* ---- what is answered ---- */

static struct consul_place *add_place(struct consul_find *f) {
	if (f->n == f->room) {
		f->room = f->room ? 2 * f->room : 8;
		f->places = xreallocarray(f->places, f->room, sizeof(*f->places));
	}
	f->places[f->n] = (struct consul_place){0};
	return &f->places[f->n++];
}

/* An entry of ours on another node is at the agent of its host. Whatever else stands there is nobody's business. */
static void take_services(struct job *j, struct consul_services *list) {
	struct consul *c = j->find->consul;
	bool own = is_own(c, j->node);

	for (size_t i = 0; i < list->n; i++) {
		struct consul_service *s = &list->v[i];
		if (s->foreign && !own && !j->host)
			continue;
		struct consul_place *p = add_place(j->find);
		p->s = *s;
		p->own = own;
		p->local = j->host != NULL;
		p->node = xstrdup_null(j->node);
		p->host = j->host || own ? j->host : consul_host_of(c, s->entry.node);
		*s = (struct consul_service){0};
	}
}

static void take_list(struct job *j, struct consul_services *list) {
	struct consul *c = j->find->consul;

	if (j->host)
		j->find->answered[j->host - c->hosts] = true;
	else if (is_own(c, j->node))
		c->has_node = list->has_node;
	take_services(j, list);
	consul_services_clear(list);
}

static int read_services(struct job *j, const struct consul_answer *a, struct err *err) {
	struct consul *c = j->find->consul;
	struct consul_services list = {0};
	int r = j->host ? consul_parse_agent(a->body, a->body_len, c->cluster, &list, err)
			: consul_parse_catalog(a->body, a->body_len, c->cluster, &list, err);

	if (r == 0)
		take_list(j, &list);
	return r;
}

static int read_checks(struct consul_find *f, const struct consul_answer *a, struct err *err) {
	struct strs nodes = {0};
	int r = consul_parse_checks(a->body, a->body_len, &nodes, err);

	for (size_t i = 0; i < nodes.n && r == 0; i++)
		if (!is_own(f->consul, nodes.v[i]))
			add_job(f, nodes.v[i], NULL);
	strs_clear(&nodes);
	return r;
}

/* ---- the end ---- */

/* What an agent says of a key that the catalog has of it too: one place, with the agent's content and the catalog's index. */
static bool merge(struct consul_place *catalog, struct consul_place *local) {
	if (catalog->local || !local->local || catalog->host != local->host || catalog->own ||
	    strcmp(catalog->s.entry.key, local->s.entry.key) != 0)
		return false;
	local->s.index = catalog->s.index;
	consul_service_clear(&catalog->s);
	catalog->s = local->s;
	catalog->local = true;
	local->s = (struct consul_service){0};
	place_clear(local);
	return true;
}

/* By key, then host; of these the catalog's before the agent's, so that both stand side by side. */
static int compare_for_merge(const void *a, const void *b) {
	const struct consul_place *x = a, *y = b;
	int order = strcmp(x->s.entry.key, y->s.entry.key);

	if (order == 0)
		order = (x->host > y->host) - (x->host < y->host);
	return order ? order : x->local - y->local;
}

static int compare_for_use(const void *a, const void *b) {
	const struct consul_place *x = a, *y = b;
	const struct discovery_entry *e = &x->s.entry, *g = &y->s.entry;
	int order = strcmp(e->key, g->key);

	if (order == 0)
		order = x->s.foreign - y->s.foreign;
	if (order == 0)
		order = (e->generation < g->generation) - (e->generation > g->generation);
	if (order == 0)
		order = x->lost - y->lost;
	return order ? order : y->own - x->own;
}

static void put_together(struct consul_find *f) {
	size_t n = 0;

	if (f->n > 1)
		qsort(f->places, f->n, sizeof(*f->places), compare_for_merge);
	for (size_t i = 0; i < f->n; i++) {
		if (n > 0 && merge(&f->places[n - 1], &f->places[i]))
			continue;
		f->places[n++] = f->places[i];
	}
	f->n = n;
	for (size_t i = 0; i < n; i++) {
		struct consul_place *p = &f->places[i];
		size_t host = p->host ? (size_t)(p->host - f->consul->hosts) : 0;
		p->lost = p->host && !p->local && f->answered[host];
		p->silent = p->host && !f->answered[host] && (f->asked[host] || consul_is_silent(p->host));
	}
	if (n > 1)
		qsort(f->places, n, sizeof(*f->places), compare_for_use);
}

/* The last thing that its caller does. where: what was wrong with an answer of its; NULL: there was none. */
static void job_over(struct job *j, int result, const char *where, struct err *err) {
	struct consul_find *f = j->find;

	f->running--;
	if (result < 0 && !j->host) {
		if (where)
			err_wrap(err, "%s", where);
		f->fn(f->ctx, result, NULL, 0, err);
		return;
	}
	go_on(f);
	if (f->running > 0)
		return;
	put_together(f);
	f->fn(f->ctx, 0, f->places, f->n, NULL);
}

static void next_turn(struct consul_find *f);

static struct job *reading_job(const struct consul_find *f) {
	for (size_t i = 0; i < f->n_jobs; i++)
		if (f->jobs[i]->reader)
			return f->jobs[i];
	return NULL;
}

static void on_turn(uv_timer_t *timer) {
	struct consul_find *f = timer->data;
	struct job *j = reading_job(f);
	struct consul_services list = {0};
	struct err err;

	if (!j)
		return;
	next_turn(f);
	int r = consul_reader_go_on(j->reader, SLICE, &list, &err);
	if (r > 0)
		return;
	consul_reader_free(TAKE_PTR(j->reader));
	if (r == 0)
		take_list(j, &list);
	job_over(j, r, j->where, &err);
}

static void next_turn(struct consul_find *f) {
	if (!f->turns) {
		f->turns = xnew(uv_timer_t);
		uv_timer_init(f->consul->loop, f->turns);
		f->turns->data = f;
	}
	uv_timer_start(f->turns, on_turn, 1, 0); /* of 0 it may run in this turn */
}

static void read_by_turns(struct job *j, const struct consul_answer *a) {
	j->reader = consul_reader_new(a->body, a->body_len, j->find->consul->cluster);
	j->where = xstrdup(a->where);
	next_turn(j->find);
}

static void on_answer(void *ctx, const struct consul_answer *answer) {
	struct job *j = ctx;
	struct err err = answer->err;
	int r = answer->result;

	j->ask = NULL;
	if (r == 0 && j->node && answer->body_len > LONG) {
		read_by_turns(j, answer);
		return;
	}
	const char *where = r == 0 ? answer->where : NULL;
	if (r == 0)
		r = j->node || j->host ? read_services(j, answer, &err) : read_checks(j->find, answer, &err);
	job_over(j, r, where, &err);
}

struct consul_find *consul_find(struct consul *c, const char *key, const bool *hosts, struct mono deadline, consul_find_fn *fn,
				void *ctx) {
	struct consul_find *f = xnew(struct consul_find);

	f->consul = c;
	f->key = xstrdup_null(key);
	f->begun = mono_now();
	f->deadline = deadline;
	f->asked = xnew_n(bool, c->n_hosts + 1);
	f->answered = xnew_n(bool, c->n_hosts + 1);
	f->fn = fn;
	f->ctx = ctx;
	add_job(f, c->node, NULL);
	add_job(f, NULL, NULL);
	for (size_t i = 0; i < c->n_hosts; i++)
		if (hosts && hosts[i]) {
			f->asked[i] = true;
			add_job(f, NULL, &c->hosts[i]);
		}
	go_on(f);
	return f;
}
