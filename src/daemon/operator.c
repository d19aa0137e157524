/* What an operator says. What must outlive a restart is on disk before it is answered; a word that is not kept is refused. */
#include "base/alloc.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#define HOLD_KEY "@hold/" /* in the store's table of nodes; not a name that a node can have */
#define REASON_MAX 200

static void answer_node(struct http_call *call, const struct daemon_node *n) {
	json_t *j CLEANUP_JSON = view_node(n->daemon, n);
	http_call_answer_json(call, 200, j);
}

static void refuse(struct http_call *call, const struct err *err) {
	http_call_fail(call, err->code == -ENOENT ? 404 : 409, "%s", err->msg);
}

void operator_confirm_dead(struct http_call *call, void *user) {
	struct daemon *d = user;
	const struct daemon_node *n = api_node(call, d);
	struct err err;

	if (!n)
		return;
	if (resched_confirm_dead(d->machine, n->config->name, &err) < 0) {
		refuse(call, &err);
		return;
	}
	log_warning("confirmed-dead", LOG_STR("node", n->config->name), LOG_STR("by", "operator"));
	turn_wake(d);
	answer_node(call, n);
}

void operator_go(struct http_call *call, void *user) {
	struct daemon *d = user;

	(void)brakes_go(d); /* where nothing holds there is nothing to do */
	json_t *j CLEANUP_JSON = view_status(d);
	http_call_answer_json(call, 200, j);
}

/* ---- what waits to be on disk ---- */

struct operator_word {
	struct daemon *daemon;
	struct http_call *call; /* NULL: it was answered, as heird is stopping */
	/* hold and release */
	struct daemon_node *node;
	char *reason; /* NULL: it is released */
	/* retry and abandon */
	char takeover[ID_TEXT_MAX];
	struct operator_word *prev, *next;
};

static struct operator_word *word_new(struct daemon *d, struct http_call *call) {
	struct operator_word *w = xnew(struct operator_word);

	w->daemon = d;
	w->call = call;
	DL_APPEND(d->words, w);
	return w;
}

static void word_free(struct operator_word *w) {
	DL_DELETE(w->daemon->words, w);
	free(w->reason);
	free(w);
}

void operator_close(struct daemon *d) {
	for (struct operator_word *w = d->words; w; w = w->next)
		if (w->call) {
			http_call_fail(w->call, 503, "heird is stopping");
			w->call = NULL;
		}
}

void operator_forget(struct daemon *d) {
	while (d->words)
		word_free(d->words);
}

/* ---- hold and release ---- */

static void apply(struct operator_word *h) {
	struct daemon *d = h->daemon;
	const char *name = h->node->config->name;
	struct err err;

	int r = h->reason ? resched_hold(d->machine, name, h->reason, &err) : resched_release_hold(d->machine, name, &err);
	if (r < 0) {
		refuse(h->call, &err);
		return;
	}
	log_warning(h->reason ? "node-held" : "node-released", LOG_STR("node", name), LOG_STR("reason", h->reason),
		    LOG_STR("by", "operator"),
		    LOG_STR("next", h->reason ? "nothing is moved there, and nothing is taken over from there" : NULL));
	turn_wake(d);
	answer_node(h->call, h->node);
}

static void written(void *user, int result, const struct err *err) {
	struct operator_word *h = user;

	if (!h->call)
		; /* nobody hears it any more; the next start reads it */
	else if (result < 0)
		http_call_fail(h->call, 503, "it could not be written, and does not hold: %s", err->msg);
	else
		apply(h);
	word_free(h);
}

static void write_hold(struct http_call *call, struct daemon_node *n, const char *reason) {
	struct operator_word *h = word_new(n->daemon, call);
	struct store_batch *batch = store_batch_new();
	char *key CLEANUP_FREE = xasprintf(HOLD_KEY "%s", n->config->name);
	json_t *doc CLEANUP_JSON = json_pack("{s:s?}", "reason", reason);
	char *text CLEANUP_FREE = json_text(doc);

	h->node = n;
	h->reason = xstrdup_null(reason);
	if (reason)
		store_batch_put(batch, STORE_NODE, key, text);
	else
		store_batch_delete(batch, STORE_NODE, key);
	store_commit(n->daemon->store, batch, written, h);
}

void operator_hold(struct http_call *call, void *user) {
	struct daemon_node *n = api_node(call, user);

	if (!n)
		return;
	const char *reason = http_call_query(call, "reason");
	if (!reason || !*reason || strlen(reason) > REASON_MAX) {
		http_call_fail(call, 400, "reason: must be 1 to %d bytes", REASON_MAX);
		return;
	}
	write_hold(call, n, reason);
}

void operator_release(struct http_call *call, void *user) {
	struct daemon_node *n = api_node(call, user);

	if (n)
		write_hold(call, n, NULL);
}

bool operator_restore(struct daemon *d, const char *key, const char *text, int *ret_result, struct err *err) {
	json_t *j CLEANUP_JSON = NULL;

	if (strncmp(key, HOLD_KEY, strlen(HOLD_KEY)) != 0)
		return false;
	const char *name = key + strlen(HOLD_KEY);
	*ret_result = json_parse(text, strlen(text), key, &j, err);
	if (*ret_result == 0 && !json_str_or(j, "reason", NULL))
		*ret_result = err_set(err, -EUCLEAN, "%s: its reason is missing", key);
	if (*ret_result == 0 && resched_hold(d->machine, name, json_str_or(j, "reason", NULL), NULL) < 0)
		log_warning("hold-unused", LOG_STR("node", name), LOG_STR("reason", "it is not in the configuration any more"));
	return true;
}

/* ---- takeovers ---- */

static void takeover_said(void *user, const char *why_not) {
	struct operator_word *w = user;
	const struct takeover *t = resched_takeover(w->daemon->machine, w->takeover);

	if (!w->call)
		; /* nobody hears it any more */
	else if (why_not)
		http_call_fail(w->call, 503, "it is so, but could not be written yet, and a restart would forget it: %s", why_not);
	else if (!t)
		http_call_fail(w->call, 404, "takeover %s is not kept any more", w->takeover);
	else {
		json_t *j CLEANUP_JSON = view_takeover(w->daemon, t);
		http_call_answer_json(w->call, 200, j);
	}
	word_free(w);
}

typedef int say_fn(struct resched *r, const char *takeover, struct err *err);

static void say(struct http_call *call, struct daemon *d, say_fn *fn, const char *event) {
	const struct takeover *t = api_takeover(call, d);
	struct err err;

	if (!t)
		return;
	if (fn(d->machine, t->id, &err) < 0) {
		refuse(call, &err);
		return;
	}
	log_warning(event, LOG_STR("takeover", t->id), LOG_STR("container", t->container), LOG_STR("by", "operator"));
	struct operator_word *w = word_new(d, call);
	snprintf(w->takeover, sizeof(w->takeover), "%s", t->id);
	journal_when_written(d->journal, takeover_said, w);
}

void operator_retry(struct http_call *call, void *user) { say(call, user, resched_retry, "takeover-retried"); }
void operator_abandon(struct http_call *call, void *user) { say(call, user, resched_abandon, "takeover-abandoned"); }
