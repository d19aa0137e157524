/* See verify.h. One order to each agent holds all the addresses that concern it; its answer is in the same order.
 *
 * An address that heir never moved is held by the engine's own rows, which are not all that an agent would set on the owner's host:
 * there only the address itself is judged. */
#include "daemon/verify.h"

#include "base/alloc.h"
#include "daemon/discovery.h"

#include <string.h>
#include <utlist.h>

#define VERIFY_SEC 10
#define PROBE_MS 400

/* One address of an owner. */
struct subject {
	const struct workload
		*w; /* borrowed; so is what follows. Valid until the loop turns: copied into orders and JSON at once */
	const struct world_container *c;
	const struct world_net *net;
	const struct world_node *host;
	json_t *json; /* of the answer; owned by the list there */
};

/* One agent that is asked. */
struct question {
	struct verification *of;
	char *node;
	struct agent_call *call;
	struct wire_owners owners; /* its strings are owned */
	json_t **subjects;         /* by index of owners; borrowed from the answer */
	bool *host_unmoved;
	struct question *next;
};

struct verification {
	struct daemon *daemon;
	struct http_call *call;
	json_t *addresses, *unproven;
	struct question *questions;
	size_t open;
	bool repair; /* still to be done */
	bool differ;
	struct verification *prev, *next;
};

/* ---- what is asked ---- */

static bool is_subject(const struct world *world, const struct workload *w) {
	const struct world_container *c = world_container(world, w->node, w->container);
	return c && c->running && w->verified && !w->gone && !w->orphan && world_container_has_overlay(c);
}

static json_t *subject_json(const struct subject *s) {
	json_t *j = json_object();

	json_set_str(j, "container", s->c->name);
	json_set_str(j, "workload", s->w->id);
	json_object_set_new(j, "generation", json_integer(s->w->generation));
	json_set_str(j, "node", s->w->node);
	json_set_str(j, "network", s->net->name);
	json_set_str(j, "ip", s->net->ip ? s->net->ip : s->net->ip6);
	json_set_str(j, "mac", s->net->mac);
	json_set_str(j, "engine",
		     s->host->verdict == NODE_ALIVE ? "runs there with this address" : node_verdict_name(s->host->verdict));
	json_set_str(j, "vtep", s->host->facts.vtep);
	json_object_set_new(j, "kernels", json_array());
	json_set_str(j, "state", "unproven");
	return j;
}

static struct question *question_for(struct verification *v, const char *node) {
	struct question *q = v->questions;

	while (q && strcmp(q->node, node) != 0)
		q = q->next;
	if (q)
		return q;
	q = xnew(struct question);
	q->of = v;
	q->node = xstrdup(node);
	LL_APPEND(v->questions, q);
	return q;
}

static void add_owner(struct question *q, const struct subject *s) {
	size_t n = q->owners.n + 1;
	bool here = strcmp(q->node, s->w->node) == 0;

	q->owners.v = xreallocarray(q->owners.v, n, sizeof(*q->owners.v));
	q->subjects = xreallocarray(q->subjects, n, sizeof(*q->subjects));
	q->host_unmoved = xreallocarray(q->host_unmoved, n, sizeof(*q->host_unmoved));
	q->owners.v[n - 1] = (struct wire_owner){
		.network_id = xstrdup(s->net->id),
		.mac = xstrdup(s->net->mac),
		.ip = xstrdup_null(s->net->ip),
		.ip6 = xstrdup_null(s->net->ip6),
		.vtep = xstrdup(s->host->facts.vtep),
		.local = here ? xstrdup(s->c->sandbox) : NULL,
		.watch = s->w->generation > 1,
	};
	q->subjects[n - 1] = s->json;
	q->host_unmoved[n - 1] = here && s->w->generation < 2;
	q->owners.n = n;
}

static void add_subject(struct verification *v, const struct subject *s) {
	const struct world *world = resched_world(v->daemon->machine);

	for (const struct world_node *n = world->nodes; n; n = n->hh.next) {
		if (strcmp(n->name, s->w->node) != 0 && !world_node_has_net(world, n->name, s->net->name))
			continue;
		if (n->agent.state == NODE_AGENT_OK)
			add_owner(question_for(v, n->name), s);
		else if (n->verdict != NODE_DEAD)
			json_object_set_new(v->unproven, n->name, json_string(node_agent_state_name(n->agent.state)));
	}
}

static void add_workload(struct verification *v, const struct workload *w) {
	const struct world *world = resched_world(v->daemon->machine);
	struct subject s = {.w = w, .c = world_container(world, w->node, w->container), .host = world_node(world, w->node)};

	for (size_t i = 0; i < s.c->n_nets; i++) {
		s.net = &s.c->nets[i];
		if (s.net->kind == NET_LOCAL || !s.net->id || !s.net->mac || !s.c->sandbox || !s.host->facts.vtep)
			continue;
		s.json = subject_json(&s);
		json_array_append_new(v->addresses, s.json);
		add_subject(v, &s);
	}
}

/* ---- what is answered ---- */

static const char *problem_of(const struct wire_owner_state *s, bool host_unmoved) {
	if (s->error)
		return s->error;
	if (s->address == WIRE_ADDRESS_MISSING)
		return "the address is not in its container";
	if (s->address == WIRE_ADDRESS_ELSEWHERE || s->strays.n)
		return "another container there has the address too";
	if (s->contested)
		return "others keep changing its rows";
	return s->right || host_unmoved ? NULL : "its rows point elsewhere";
}

/* Engines and agents may be in reach while the overlays' own packets are lost on the way: only who asks across them notices. */
static const char *silence_of(const struct wire_owner_state *s) {
	bool answered = s->icmp == WIRE_ECHO_ANSWERED || s->tcp == WIRE_ECHO_ANSWERED || s->tcp == WIRE_ECHO_REFUSED;

	return s->icmp == WIRE_ECHO_SILENT && !answered ? "it does not answer, though its rows are right" : NULL;
}

/* The worst that any kernel says decides. */
static void set_state(json_t *subject, const char *state) {
	static const char *const worst_first[] = {"differs", "silent", "right"};
	const char *had = json_str_or(subject, "state", "");

	for (size_t i = 0; i < sizeof(worst_first) / sizeof(worst_first[0]); i++) {
		if (strcmp(had, worst_first[i]) == 0)
			return;
		if (strcmp(state, worst_first[i]) == 0) {
			json_set_str(subject, "state", state);
			return;
		}
	}
}

static void add_kernel(struct verification *v, const struct question *q, size_t i, const struct wire_owner_state *s) {
	const char *wrong = problem_of(s, q->host_unmoved[i]), *problem = wrong ? wrong : silence_of(s);
	json_t *j = json_object();

	json_set_str(j, "node", q->node);
	json_object_set_new(j, "joined", json_boolean(s->joined));
	json_object_set_new(j, "right", json_boolean(!wrong));
	json_set_str(j, "problem", problem);
	json_set_str(j, "address", wire_address_name((enum wire_address)s->address));
	json_set_str(j, "ping", wire_echo_name((enum wire_echo)s->icmp));
	json_set_str(j, "answered_from", s->answered_from);
	json_object_set_new(j, "rows", json_from_strs(&s->after));
	json_array_append_new(json_at(q->subjects[i], "kernels"), j);
	set_state(q->subjects[i], wrong ? "differs" : problem ? "silent" : "right");
	v->differ |= problem != NULL;
}

static void question_clear_call(struct question *q) { q->call = NULL; }

static void all_answered(struct verification *v);

static void verified(void *ctx, const struct agent_result *result) {
	struct question *q = ctx;
	struct verification *v = q->of;

	question_clear_call(q);
	if (result->outcome != AGENT_OK)
		json_object_set_new(v->unproven, q->node, json_from_str(result->err.msg));
	for (size_t i = 0; result->outcome == AGENT_OK && i < result->states->owners.n; i++)
		add_kernel(v, q, i, &result->states->owners.v[i]);
	if (--v->open == 0)
		all_answered(v);
}

static void ask(struct verification *v) {
	struct question *q;
	bool any = false;

	LL_FOREACH (v->questions, q) {
		const struct daemon_node *n = daemon_node(v->daemon, q->node);
		const struct wire_verify_order order = {.owners = q->owners, .probe = {.timeout_ms = PROBE_MS}};
		v->open++;
		any = true;
		q->call = agent_verify(n->agent, &order,
				       (struct agent_cb){.fn = verified, .ctx = q, .deadline = span_sec(VERIFY_SEC)});
	}
	if (!any)
		all_answered(v);
}

/* ---- repair ---- */

static void start_over(struct verification *v) {
	json_t *subject;
	size_t i;

	v->differ = false;
	json_array_foreach (v->addresses, i, subject) {
		json_array_clear(json_at(subject, "kernels"));
		json_set_str(subject, "state", "unproven");
	}
	ask(v);
}

static void repaired(void *ctx, const struct agent_result *result) {
	struct question *q = ctx;
	struct verification *v = q->of;

	question_clear_call(q);
	(void)result; /* it is looked at again */
	if (--v->open == 0)
		start_over(v);
}

/* What an engine's own rows hold on the owner's host is left to it. */
static void repair(struct verification *v) {
	struct question *q;

	v->repair = false;
	v->open = 1; /* until all are sent */
	LL_FOREACH (v->questions, q) {
		struct wire_owners_order order = {.owners = {.v = xnew_n(struct wire_owner, q->owners.n)}};
		for (size_t i = 0; i < q->owners.n; i++)
			if (strcmp(json_str_or(q->subjects[i], "state", ""), "differs") == 0 && !q->host_unmoved[i])
				order.owners.v[order.owners.n++] = q->owners.v[i];
		if (order.owners.n) {
			v->open++;
			q->call = agent_owners(daemon_node(v->daemon, q->node)->agent, &order,
					       (struct agent_cb){.fn = repaired, .ctx = q, .deadline = span_sec(VERIFY_SEC)});
		}
		free(order.owners.v);
	}
	if (--v->open == 0)
		start_over(v);
}

/* ---- begin and end ---- */

static void owners_clear(struct wire_owners *owners) {
	for (size_t i = 0; i < owners->n; i++) {
		char *owned[] = {owners->v[i].network_id, owners->v[i].mac,  owners->v[i].ip,
				 owners->v[i].ip6,        owners->v[i].vtep, owners->v[i].local};
		for (size_t k = 0; k < sizeof(owned) / sizeof(owned[0]); k++)
			free(owned[k]);
	}
	free(owners->v);
}

static void verification_free(struct verification *v) {
	struct question *q, *next;

	LL_FOREACH_SAFE(v->questions, q, next) {
		agent_call_free(q->call);
		owners_clear(&q->owners);
		free(q->subjects);
		free(q->host_unmoved);
		free(q->node);
		free(q);
	}
	DL_DELETE(v->daemon->verifications, v);
	json_decref(v->addresses);
	json_decref(v->unproven);
	free(v);
}

static void finish(struct verification *v) {
	json_t *j CLEANUP_JSON = json_object();
	bool undiscovered = false;

	json_object_set(j, "addresses", v->addresses);
	json_object_set(j, "unproven", v->unproven);
	json_object_set_new(j, "discovery", discovery_view_entries(v->daemon, true, &undiscovered));
	json_object_set_new(j, "differ", json_boolean(v->differ || undiscovered));
	http_call_answer_json(v->call, 200, j);
	verification_free(v);
}

static void all_answered(struct verification *v) {
	if (v->repair && v->differ)
		repair(v);
	else
		finish(v);
}

/* What stands in service discovery is known now. */
static void compared(void *user) {
	struct verification *v = user;

	for (const struct workload *w = resched_workloads(v->daemon->machine); w; w = w->hh.next)
		if (is_subject(resched_world(v->daemon->machine), w))
			add_workload(v, w);
	ask(v);
}

void verify_begin(struct daemon *d, struct http_call *call, bool do_repair) {
	struct verification *v = xnew(struct verification);

	v->daemon = d;
	v->call = call;
	v->repair = do_repair;
	v->addresses = json_array();
	v->unproven = json_object();
	DL_APPEND(d->verifications, v);
	(void)discovery_sync(d, NULL, compared, v); /* of all there are: it cannot be that there is no such system */
}

void verify_close(struct daemon *d) {
	while (d->verifications) {
		http_call_fail(d->verifications->call, 503, "heird is stopping");
		verification_free(d->verifications);
	}
}
