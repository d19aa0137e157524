/* See admission.h. */
#include "agent/admission.h"

#include "agent/identity.h"
#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

/* A write under way. */
struct admission {
	struct service *service;
	uv_work_t request;
	struct wire_envelope identity;
	int result;
	struct err err;
	struct waiting {
		struct order *order;
		bool operator_says;
		admission_fn *run;
		struct waiting *next;
	} * waiting;
};

static void copy_envelope(struct wire_envelope *to, const struct wire_envelope *from) {
	wire_clear(&wire_envelope_shape, to);
	*to = (struct wire_envelope){
		.manager = xstrdup_null(from->manager), .cluster = xstrdup_null(from->cluster), .epoch = from->epoch};
}

static void refuse(struct order *o, enum identity_verdict verdict) {
	const struct wire_envelope *seen = &o->service->identity;
	struct wire_refusal refusal = {.manager = seen->manager, .epoch = seen->epoch};
	char text[512];

	if (verdict == IDENTITY_STALE)
		snprintf(text, sizeof(text), "epoch %lld is older than %lld, which was seen", (long long)o->envelope->epoch,
			 (long long)seen->epoch);
	else
		snprintf(text, sizeof(text), "this agent obeys manager %.128s of cluster %.64s",
			 seen->manager ? seen->manager : "?", seen->cluster ? seen->cluster : o->service->config->cluster);
	log_warning("order-refused", LOG_STR("manager", o->envelope->manager), LOG_STR("cluster", o->envelope->cluster),
		    LOG_INT("epoch", o->envelope->epoch), LOG_STR("reason", text));
	refusal.error = text;
	refusal.code = verdict == IDENTITY_STALE ? (char[]){WIRE_STALE_EPOCH} : (char[]){WIRE_OTHER_MANAGER};
	CLEANUP_JSON json_t *j = wire_encode(&wire_refusal_shape, &refusal);
	http_call_answer_json(TAKE_PTR(o->call), 409, j);
	order_free(o);
}

static void work_save(uv_work_t *request) {
	struct admission *a = request->data;
	a->result = identity_save(a->service->config->state, &a->identity, &a->err);
}

static void run_one(struct admission *a, struct waiting *w) {
	struct order *o = w->order;

	if (a->result == 0) {
		admission_ask(o, w->operator_says, w->run);
		return;
	}
	o->err = a->err;
	(void)err_wrap(&o->err, "the epoch cannot be kept");
	order_refuse(o, 500, NULL);
}

static void done_save(uv_work_t *request, int status) {
	struct admission *a = request->data;
	struct service *service = a->service;
	struct waiting *w, *next;

	(void)status; /* nobody cancels it */
	service->admission = NULL;
	if (a->result == 0) {
		copy_envelope(&service->identity, &a->identity);
		service->reign++;
		log_info("obeys", LOG_STR("manager", service->identity.manager), LOG_STR("cluster", service->identity.cluster),
			 LOG_INT("epoch", service->identity.epoch));
	} else {
		log_error("state", LOG_STR("error", a->err.msg), LOG_STR("next", "the order is refused"));
	}
	for (w = a->waiting; w; w = next) {
		next = w->next;
		run_one(a, w);
		free(w);
	}
	wire_clear(&wire_envelope_shape, &a->identity);
	free(a);
}

static void wait_for(struct admission *a, struct order *o, bool operator_says, admission_fn *run) {
	struct waiting *w = xnew(struct waiting);
	*w = (struct waiting){.order = o, .operator_says = operator_says, .run = run};
	LL_APPEND(a->waiting, w);
}

static void adopt(struct order *o, bool operator_says, admission_fn *run) {
	struct service *service = o->service;
	struct admission *a = xnew(struct admission);

	a->service = service;
	a->request.data = a;
	copy_envelope(&a->identity, o->envelope);
	wait_for(a, o, operator_says, run);
	service->admission = a;
	int r = uv_queue_work(service->loop, &a->request, work_save, done_save);
	(void)r; /* fails without a function only */
}

static bool is_same(const struct wire_envelope *a, const struct wire_envelope *b) {
	return a->manager && strcmp(a->manager, b->manager) == 0 && strcmp(a->cluster, b->cluster) == 0 && a->epoch == b->epoch;
}

static enum identity_verdict judge(const struct order *o, bool operator_says) {
	const struct service *service = o->service;

	if (service->config->cluster && strcmp(service->config->cluster, o->envelope->cluster) != 0)
		return IDENTITY_OTHER;
	if (operator_says)
		return is_same(&service->identity, o->envelope) ? IDENTITY_OBEY : IDENTITY_ADOPT;
	return identity_judge(&service->identity, o->envelope);
}

void admission_ask(struct order *o, bool operator_says, admission_fn *run) {
	if (o->service->admission) {
		wait_for(o->service->admission, o, operator_says, run);
		return;
	}
	enum identity_verdict verdict = judge(o, operator_says);
	if (verdict == IDENTITY_OBEY)
		run(o);
	else if (verdict == IDENTITY_ADOPT)
		adopt(o, operator_says, run);
	else
		refuse(o, verdict);
}
