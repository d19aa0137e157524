/* What goes out: effects, lines of the IP log, and the records that are to be written. */
#include "resched/resched-internal.h"

#include "base/alloc.h"
#include "base/mutant.h"

struct effect *effect_new(struct resched *r, enum effect_kind kind, struct span deadline) {
	struct effect *e = xnew(struct effect);
	e->id = ++r->next_effect;
	e->kind = kind;
	e->deadline = deadline;
	return e;
}

void effect_emit(struct resched *r, struct effect *e) {
	r->out.effects = xreallocarray(r->out.effects, r->out.n_effects + 1, sizeof(*r->out.effects));
	r->out.effects[r->out.n_effects++] = e;
}

static void log_one(struct resched *r, const struct takeover *t, const struct world_net *net, const char *step, const char *outcome,
		    const char *detail) {
	r->out.logs = xreallocarray(r->out.logs, r->out.n_logs + 1, sizeof(*r->out.logs));
	r->out.logs[r->out.n_logs++] = (struct resched_log){
		.takeover = xstrdup(t->id),
		.container = xstrdup_null(t->container),
		.network = xstrdup_null(net ? net->name : NULL),
		.ip = xstrdup_null(net ? (net->ip ? net->ip : net->ip6) : NULL),
		.mac = xstrdup_null(net ? net->mac : NULL),
		.from = xstrdup_null(t->from),
		.to = xstrdup_null(MUTANT(LOG_NAMES_WRONG_NODE) ? t->from : t->to),
		.detail = xstrdup_null(detail),
		.step = step,
		.outcome = outcome,
		.evidence = evidence_name(t->evidence),
		.seconds = t->began.ns ? span_to_sec(mono_since(t->began, r->now)) : -1,
	};
}

void log_nets(struct resched *r, const struct takeover *t, const char *step, const char *outcome, const char *detail) {
	bool any = false;

	for (size_t i = 0; i < t->n_nets; i++)
		if (t->nets[i].net.kind != NET_LOCAL) {
			log_one(r, t, &t->nets[i].net, step, outcome, detail);
			any = true;
		}
	if (!any)
		log_one(r, t, NULL, step, outcome, detail);
}

void resched_take_output(struct resched *r, struct resched_output *ret) {
	*ret = r->out;
	r->out = (struct resched_output){0};
}

void resched_output_clear(struct resched_output *o) {
	for (size_t i = 0; i < o->n_effects; i++)
		effect_free(o->effects[i]);
	free(o->effects);
	for (size_t i = 0; i < o->n_logs; i++) {
		char *owned[] = {o->logs[i].takeover, o->logs[i].container, o->logs[i].network, o->logs[i].ip,
				 o->logs[i].mac,      o->logs[i].from,      o->logs[i].to,      o->logs[i].detail};
		for (size_t k = 0; k < sizeof(owned) / sizeof(owned[0]); k++)
			free(owned[k]);
	}
	free(o->logs);
	strs_clear(&o->forgotten);
	strs_clear(&o->settled);
	strs_clear(&o->unneeded);
	*o = (struct resched_output){0};
}

void resched_each_dirty(struct resched *r, void (*takeover)(void *ctx, const struct takeover *t),
			void (*workload)(void *ctx, const struct workload *w), void *ctx) {
	for (struct takeover *t = r->takeovers; t; t = t->hh.next)
		if (t->dirty) {
			t->dirty = false;
			takeover(ctx, t);
		}
	for (struct workload *w = r->workloads; w; w = w->hh.next)
		if (w->dirty) {
			w->dirty = false;
			workload(ctx, w);
		}
}

void resched_mark_dirty(struct resched *r) {
	for (struct takeover *t = r->takeovers; t; t = t->hh.next)
		t->dirty |= !MUTANT(NOT_WRITTEN_AGAIN);
	for (struct workload *w = r->workloads; w; w = w->hh.next)
		w->dirty |= !MUTANT(NOT_WRITTEN_AGAIN);
}
