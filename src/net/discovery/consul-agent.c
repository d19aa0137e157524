/* The agents of the containers' hosts. Every third of a check's time to live each one is gone through in a round, one request after
 * the other: the checks of what is wanted there are passed, and what was left there when it did not answer is taken away. An agent
 * that does not answer ends its round; the next one begins anew. */
#include "net/discovery/consul-internal.h"

#include "base/alloc.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

static void go_on(struct consul_host *h);

struct consul_host *consul_host_of(struct consul *c, const char *node) {
	for (size_t i = 0; node && i < c->n_hosts; i++)
		if (strcmp(c->hosts[i].node, node) == 0)
			return &c->hosts[i];
	return NULL;
}

static void kept_free(struct consul_host *h, struct consul_kept *k) {
	HASH_DEL(h->kept, k);
	discovery_entry_clear(&k->entry);
	free(k);
}

static void put(struct consul_host *h, const struct discovery_entry *e, bool left) {
	struct consul_kept *k;

	HASH_FIND_STR(h->kept, e->key, k);
	if (k)
		kept_free(h, k);
	k = xnew(struct consul_kept);
	discovery_entry_copy(&k->entry, e);
	k->left = left;
	k->since = mono_now();
	HASH_ADD_KEYPTR(hh, h->kept, k->entry.key, strlen(k->entry.key), k);
}

void consul_keep(struct consul_host *h, const struct discovery_entry *e) { put(h, e, false); }
void consul_leave(struct consul_host *h, const struct discovery_entry *e) { put(h, e, true); }

bool consul_is_kept(const struct consul_host *h, const char *key) {
	struct consul_kept *k;

	HASH_FIND_STR(h->kept, key, k);
	return k != NULL;
}

void consul_forget(struct consul_host *h, const char *key) {
	struct consul_kept *k;

	HASH_FIND_STR(h->kept, key, k);
	if (k)
		kept_free(h, k);
}

/* ---- a round ---- */

static void end_round(struct consul_host *h, const struct err *err) {
	strs_clear(&h->round);
	h->at = 0;
	if (err && !h->failed)
		log_warning("consul-agent", LOG_STR("system", h->consul->head.name), LOG_STR("node", h->node),
			    LOG_STR("error", err->msg), LOG_STR("next", "its checks are passed when it answers again"));
	if (!err && h->failed)
		log_info("consul-agent", LOG_STR("system", h->consul->head.name), LOG_STR("node", h->node),
			 LOG_STR("state", "answers again"));
	h->failed = err != NULL;
}

static void ask(struct consul_host *h, const char *method, char *path, consul_answer_fn *fn) {
	struct consul *c = h->consul;
	const struct consul_question q = {.method = method, .path = path, .host = h, .deadline = mono_add(mono_now(), c->timeout)};

	h->ask = consul_ask(c, &q, fn, h);
}

static struct consul_kept *current(struct consul_host *h) {
	struct consul_kept *k;

	HASH_FIND_STR(h->kept, h->round.v[h->at], k);
	return k;
}

static bool is_unreachable(int result) { return result == -ENOTCONN || result == -ETIMEDOUT; }

/* A check that is not known (500 in 1.8, 404 later): the agent lost its services when it started again, which the next listing
 * shows. The others may be there. */
static void on_step(void *ctx, const struct consul_answer *a) {
	struct consul_host *h = ctx;

	h->ask = NULL;
	if (is_unreachable(a->result)) {
		end_round(h, &a->err);
		return;
	}
	h->at++;
	go_on(h);
}

static void on_removed(void *ctx, const struct consul_answer *a) {
	struct consul_host *h = ctx;
	struct consul_kept *k = current(h);

	if (a->result == 0 && k && k->left)
		kept_free(h, k);
	on_step(ctx, a);
}

/* It may have been written anew by somebody since. */
static bool is_as_left(const struct consul_services *found, const struct consul_kept *k) {
	return found->n == 1 && !found->v[0].foreign && discovery_entry_equal(&found->v[0].entry, &k->entry);
}

static void on_left(void *ctx, const struct consul_answer *a) {
	struct consul_host *h = ctx;
	struct consul_kept *k = current(h);
	struct consul_services found = {0};

	if (a->result < 0 || !k || !k->left || consul_parse_agent(a->body, a->body_len, h->consul->cluster, &found, NULL) < 0) {
		on_step(ctx, a);
		return;
	}
	h->ask = NULL;
	if (is_as_left(&found, k)) {
		ask(h, "PUT", xasprintf("/v1/agent/service/deregister/%s", k->entry.key), on_removed);
	} else {
		kept_free(h, k);
		on_step(ctx, a);
	}
	consul_services_clear(&found);
}

static void look_at_left(struct consul_host *h, const struct consul_kept *k) {
	char *filter CLEANUP_FREE = xasprintf("ID == \"%s\"", k->entry.key);
	struct buf b = {0};

	buf_puts(&b, "/v1/agent/services");
	consul_put_query(&b, '?', "filter", filter);
	ask(h, NULL, buf_take(&b), on_left);
}

static void go_on(struct consul_host *h) {
	const struct consul_kept *k = NULL;

	for (; h->at < h->round.n && !(k = current(h)); h->at++) {}
	if (!k)
		end_round(h, NULL);
	else if (k->left)
		look_at_left(h, k);
	else
		ask(h, "PUT", xasprintf("/v1/agent/check/pass/service:%s", k->entry.key), on_step);
}

static void on_timer(uv_timer_t *timer) {
	struct consul *c = timer->data;

	for (size_t i = 0; i < c->n_hosts; i++) {
		struct consul_host *h = &c->hosts[i];
		struct consul_kept *k, *next;
		if (h->ask || !h->kept)
			continue;
		HASH_ITER (hh, h->kept, k, next)
			strs_add(&h->round, k->entry.key);
		go_on(h);
	}
}

void consul_agents_start(struct consul *c) {
	uint64_t third = (uint64_t)span_to_ms(c->ttl) / 3 + 1;

	if (c->n_hosts == 0)
		return;
	c->timer = xnew(uv_timer_t);
	uv_timer_init(c->loop, c->timer);
	c->timer->data = c;
	uv_timer_start(c->timer, on_timer, third, third);
}

static void on_closed(uv_handle_t *handle) { free(handle); }

void consul_agents_stop(struct consul *c) {
	for (size_t i = 0; i < c->n_hosts; i++) {
		struct consul_host *h = &c->hosts[i];
		consul_ask_free(h->ask);
		while (h->kept)
			kept_free(h, h->kept);
		strs_clear(&h->round);
		free(h->node);
		free(h->base);
	}
	free(c->hosts);
	if (c->timer)
		uv_close((uv_handle_t *)c->timer, on_closed);
}
