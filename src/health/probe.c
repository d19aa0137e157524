/* See probe.h. */
#include "health/probe.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "engine/engine.h"
#include "health/reach.h"
#include "health/witness.h"

#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESOLVE_AGAIN span_sec(300)
#define LATE_LEAST span_ms(50)

struct resolving {
	uv_getaddrinfo_t req;
	struct probe *probe; /* NULL when it is gone */
};

/* One heartbeat, from its slot to its sample. */
struct heartbeat {
	bool under_way;
	struct mono started;
	bool missed;           /* the engine's side is known */
	enum engine_sign sign; /* when missed */
	char error[160];       /* of a bad answer */
	bool host_known;
	struct reach_answer answer; /* when asked */
	enum host_sign host;
};

struct probe {
	struct probe *prev, *next;
	struct prober *prober;
	struct engine *engine;
	void *user;
	char *host; /* NULL: the manager's own */
	unsigned port;
	bool has_address;
	struct reach_address address;
	struct mono resolved;
	struct resolving *resolving;
	struct detector detector;
	struct heartbeat beat;
	struct reach_ask *ask;
	struct mono slot, next_slot; /* of this heartbeat, or the one that is due; of the one after */
	bool due;                    /* its slot came while the one before was under way */
	uv_timer_t slot_timer, overdue_timer;
	unsigned handles;
	char reason[256];
};

struct prober {
	uv_loop_t *loop;
	struct detector_settings settings;
	probe_change_fn *changed;
	void *user;
	struct mono start;
	uint32_t n_added;
	struct prober_stats stats;
	struct reach *reach;
	struct witness *witness;
	uv_timer_t witness_timer;
	struct probe *probes;
};

static uint64_t timer_ms(struct span s) { return s.ns <= 0 ? 0 : (uint64_t)((s.ns + 999999) / 1000000); }

/* uv_timer_start fails without a function only. */
static void timer_start(uv_timer_t *t, uv_timer_cb cb, struct span after) {
	uv_update_time(t->loop); /* a turn with a thousand answers may be long */
	(void)uv_timer_start(t, cb, timer_ms(after), 0);
}

/* ---- the host's address ---- */

static void resolve(struct probe *p);

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found) {
	struct resolving *r = (struct resolving *)req;
	struct probe *p = r->probe;

	if (p) {
		p->resolving = NULL;
		p->resolved = mono_now();
	}
	if (p && status == 0 && found) {
		memcpy(&p->address.addr, found->ai_addr, found->ai_addrlen);
		p->address.len = found->ai_addrlen;
		p->has_address = true;
	}
	uv_freeaddrinfo(found);
	free(r);
}

static void resolve(struct probe *p) {
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	char port[16];

	if (p->resolving || !p->host)
		return;
	snprintf(port, sizeof(port), "%u", p->port);
	p->resolving = xnew(struct resolving);
	p->resolving->probe = p;
	if (uv_getaddrinfo(p->prober->loop, &p->resolving->req, on_resolved, p->host, port, &hints) < 0)
		free(TAKE_PTR(p->resolving));
}

/* Once for an address, now and then for a name; the last known one is kept while the name does not resolve. */
static void resolve_if_old(struct probe *p, struct mono now) {
	if (!p->has_address || !span_less(mono_since(p->resolved, now), RESOLVE_AGAIN))
		resolve(p);
}

/* ---- reasons, for people ---- */

static void reason_host(const struct probe *p, char *text, size_t size) {
	const struct reach_answer *a = &p->beat.answer;

	if (!p->host)
		snprintf(text, size, "its host is this one");
	else if (reach_sign_answers(a->tcp))
		snprintf(text, size, "port %u %s", p->port,
			 a->tcp == REACH_ACCEPTED ? "accepts connections" : "refuses connections");
	else if (reach_sign_answers(a->ping))
		snprintf(text, size, "port %u does not answer, the host answers ping", p->port);
	else if (p->beat.host == HOST_SIGN_SILENT)
		snprintf(text, size, "port %u does not answer%s", p->port, a->ping == REACH_SILENT ? ", no ping" : "");
	else
		snprintf(text, size, "its host could not be asked");
}

static void reason_missed(const struct probe *p, char *text, size_t size) {
	unsigned n = detector_misses(&p->detector);
	char host[96];

	reason_host(p, host, sizeof(host));
	if (p->beat.sign == ENGINE_SIGN_BAD)
		snprintf(text, size, "%u heartbeat%s in a row without a proper answer (%s)", n, n == 1 ? "" : "s", p->beat.error);
	else
		snprintf(text, size, "%u heartbeat%s missed in a row, %s", n, n == 1 ? "" : "s", host);
}

static void reason_make(struct probe *p, bool answered) {
	if (answered)
		snprintf(p->reason, sizeof(p->reason), "%u heartbeat%s answered in a row", p->detector.answers,
			 p->detector.answers == 1 ? "" : "s");
	else
		reason_missed(p, p->reason, sizeof(p->reason));
}

/* ---- one heartbeat ---- */

static void beat_begin(struct probe *p);

/* The last thing done with p: the callback may remove it. */
static void beat_end(struct probe *p, bool answered) {
	struct prober *prober = p->prober;
	struct health_sample s = {.at = mono_now(), .engine = answered ? ENGINE_SIGN_ANSWERED : p->beat.sign, .host = p->beat.host};
	struct probe_change change = {.from = detector_verdict(&p->detector), .at = s.at};

	prober->stats.answered += answered;
	prober->stats.missed += !answered;
	bool changed = detector_feed(&p->detector, &s);
	change.to = detector_verdict(&p->detector);
	change.reason = p->reason;
	if (changed)
		reason_make(p, answered);
	p->beat.under_way = false;
	if (p->due)
		beat_begin(p);
	if (changed)
		prober->changed(prober->user, p, &change);
}

static void beat_miss_settle(struct probe *p) {
	if (p->beat.missed && p->beat.host_known)
		beat_end(p, false);
}

static void on_host(void *user, const struct reach_answer *answer) {
	struct probe *p = user;

	p->ask = NULL;
	p->beat.answer = *answer;
	p->beat.host_known = true;
	p->beat.host = reach_answers(answer) ? HOST_SIGN_ANSWERS : reach_is_silent(answer) ? HOST_SIGN_SILENT : HOST_SIGN_UNKNOWN;
	beat_miss_settle(p);
}

static void host_ask(struct probe *p, struct span timeout) {
	if (p->ask || p->beat.host_known)
		return;
	if (p->host && p->has_address) {
		p->ask = reach_ask(p->prober->reach, &p->address, REACH_TCP | REACH_PING, timeout, on_host, p);
		return;
	}
	p->beat.host_known = true;
	p->beat.host = p->host ? HOST_SIGN_UNKNOWN : HOST_SIGN_ANSWERS;
}

static struct span beat_remaining(const struct probe *p) {
	int64_t left = p->prober->settings.timeout.ns - mono_since(p->beat.started, mono_now()).ns;
	int64_t least = p->prober->settings.timeout.ns / 4;
	return (struct span){left > least ? left : least};
}

static void on_overdue(uv_timer_t *t) {
	struct probe *p = t->data;
	host_ask(p, beat_remaining(p));
}

static void beat_missed(struct probe *p, enum engine_sign sign, const char *error) {
	p->beat.missed = true;
	p->beat.sign = sign;
	snprintf(p->beat.error, sizeof(p->beat.error), "%.*s", (int)sizeof(p->beat.error) - 1, error);
	host_ask(p, beat_remaining(p)); /* unless it is being asked already */
	beat_miss_settle(p);
}

/* The timeout itself was noticed late: the loop was held up (a busy or stopped machine), and the answer may lie unread. That says
 * nothing about the engine. */
static bool is_noticed_late(const struct probe *p) {
	int64_t timeout = p->prober->settings.timeout.ns, usual = timeout / 4 > LATE_LEAST.ns ? timeout / 4 : LATE_LEAST.ns;
	return mono_since(p->beat.started, mono_now()).ns > timeout + usual;
}

static void beat_drop(struct probe *p) {
	p->prober->stats.dropped++;
	p->prober->stats.dropped_at = mono_now();
	reach_cancel(TAKE_PTR(p->ask));
	p->beat.under_way = false;
	if (p->due)
		beat_begin(p);
}

static void on_ping(void *ctx, const struct engine_result *result) {
	struct probe *p = ctx;

	(void)uv_timer_stop(&p->overdue_timer); /* cannot fail */
	if (result->outcome == ENGINE_OK) {
		reach_cancel(TAKE_PTR(p->ask));
		beat_end(p, true);
		return;
	}
	bool bad = result->outcome == ENGINE_REFUSED || result->outcome == ENGINE_BAD;
	if (!bad && is_noticed_late(p))
		beat_drop(p);
	else
		beat_missed(p, bad ? ENGINE_SIGN_BAD : ENGINE_SIGN_MISSED, result->err.msg);
}

static void note_start(struct prober *prober, struct span late) {
	prober->stats.sent++;
	if (late.ns <= prober->settings.interval.ns / 4)
		return;
	prober->stats.late++;
	if (span_less(prober->stats.latest, late))
		prober->stats.latest = late;
}

/* For the slot that has just come, or came while the heartbeat before was under way. */
static void beat_begin(struct probe *p) {
	const struct detector_settings *s = &p->prober->settings;
	struct mono now = mono_now();
	struct engine_cb cb = {.fn = on_ping, .ctx = p, .deadline = s->timeout};

	p->due = false;
	p->beat = (struct heartbeat){.under_way = true, .started = now};
	note_start(p->prober, mono_since(p->slot, now));
	resolve_if_old(p, now);
	if (engine_ping(p->engine, cb, NULL) < 0) { /* somebody else's ping: no sample, rather than a wrong one */
		p->beat.under_way = false;
		return;
	}
	if (detector_misses(&p->detector) > 0)
		host_ask(p, s->timeout);
	else
		timer_start(&p->overdue_timer, on_overdue, (struct span){s->timeout.ns / 2});
}

/* ---- slots ---- */

static void on_slot(uv_timer_t *t);

/* Slots that passed while we slept are not made up for. */
static void slot_plan(struct probe *p, struct mono first) {
	int64_t interval = p->prober->settings.interval.ns;
	struct mono now = mono_now();

	p->next_slot = first;
	if (first.ns < now.ns)
		p->next_slot.ns += (now.ns - first.ns + interval - 1) / interval * interval;
	timer_start(&p->slot_timer, on_slot, mono_since(now, p->next_slot));
}

static void on_slot(uv_timer_t *t) {
	struct probe *p = t->data;

	p->slot = p->next_slot;
	slot_plan(p, mono_add(p->slot, p->prober->settings.interval));
	if (p->beat.under_way)
		p->due = true;
	else
		beat_begin(p);
}

/* The n-th of any number of engines is far from its neighbours: van der Corput's sequence, n's bits reversed behind the point. */
static struct span slot_offset(uint32_t n, struct span interval) {
	uint32_t reversed = 0;
	for (int bit = 0; bit < 32; bit++)
		reversed |= (n >> bit & 1) << (31 - bit);
	return (struct span){(int64_t)((double)reversed / 4294967296.0 * (double)interval.ns)};
}

/* ---- probes ---- */

struct probe *prober_add(struct prober *prober, struct engine *engine, const char *host, unsigned port, void *engine_user) {
	struct probe *p = xnew(struct probe);

	p->prober = prober;
	p->engine = engine;
	p->user = engine_user;
	p->host = xstrdup_null(host);
	p->port = port;
	detector_init(&p->detector, &prober->settings);
	p->next = prober->probes;
	if (p->next)
		p->next->prev = p;
	prober->probes = p;
	(void)uv_timer_init(prober->loop, &p->slot_timer); /* neither can fail */
	(void)uv_timer_init(prober->loop, &p->overdue_timer);
	p->slot_timer.data = p->overdue_timer.data = p;
	p->handles = 2;
	resolve(p);
	slot_plan(p, mono_add(prober->start, slot_offset(prober->n_added++, prober->settings.interval)));
	return p;
}

static void on_probe_closed(uv_handle_t *h) {
	struct probe *p = h->data;
	if (--p->handles > 0)
		return;
	free(p->host);
	free(p);
}

void probe_remove(struct probe *p) {
	if (!p)
		return;
	if (p->prev)
		p->prev->next = p->next;
	else
		p->prober->probes = p->next;
	if (p->next)
		p->next->prev = p->prev;
	engine_ping_cancel(p->engine);
	reach_cancel(TAKE_PTR(p->ask));
	if (p->resolving) {
		p->resolving->probe = NULL;
		(void)uv_cancel((uv_req_t *)&p->resolving->req); /* too late when it runs: it ends without us */
	}
	uv_close((uv_handle_t *)&p->slot_timer, on_probe_closed);
	uv_close((uv_handle_t *)&p->overdue_timer, on_probe_closed);
}

void *probe_user(const struct probe *p) { return p->user; }
enum health_verdict probe_verdict(const struct probe *p) { return detector_verdict(&p->detector); }
const struct detector *probe_detector(const struct probe *p) { return &p->detector; }
const char *probe_reason(const struct probe *p) { return p->reason; }

/* ---- the prober ---- */

static void on_witness_timer(uv_timer_t *t) {
	struct prober *p = t->data;
	witness_ask(p->witness, p->settings.timeout);
}

struct prober *prober_new(uv_loop_t *loop, const struct detector_settings *settings, probe_change_fn *changed, void *user) {
	struct prober *p = xnew(struct prober);

	assert(changed && settings->interval.ns > 0 && settings->timeout.ns > 0);
	p->loop = loop;
	p->settings = *settings;
	p->changed = changed;
	p->user = user;
	p->start = mono_now();
	p->reach = reach_new(loop);
	(void)uv_timer_init(loop, &p->witness_timer); /* cannot fail */
	p->witness_timer.data = p;
	return p;
}

int prober_set_witnesses(struct prober *p, const struct strs *addresses, struct err *err) {
	struct witness *w = NULL;
	int r = witness_new(p->reach, addresses, &w, err);
	if (r < 0)
		return r;
	witness_free(p->witness);
	p->witness = w;
	if (addresses->n > 0)
		(void)uv_timer_start(&p->witness_timer, on_witness_timer, 0, timer_ms(p->settings.interval)); /* cannot fail */
	else
		(void)uv_timer_stop(&p->witness_timer);
	return 0;
}

enum brake_witness prober_witness(const struct prober *p) {
	const struct detector_settings *s = &p->settings;
	if (!p->witness)
		return BRAKE_WITNESS_NONE;
	/* Younger than any row of misses that makes a node dead: what the witness said before the cable was pulled is no proof
	 * that it was not ours. */
	int64_t window = (int64_t)(s->failures - 1) * s->interval.ns + s->timeout.ns / 2;
	return witness_state(p->witness, (struct mono){mono_now().ns - window});
}

const struct prober_stats *prober_stats(const struct prober *p) { return &p->stats; }

static void on_prober_closed(uv_handle_t *h) { free(h->data); }

void prober_free(struct prober *p) {
	if (!p)
		return;
	while (p->probes)
		probe_remove(p->probes);
	witness_free(p->witness);
	reach_free(p->reach);
	uv_close((uv_handle_t *)&p->witness_timer, on_prober_closed);
}
