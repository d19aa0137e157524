/* The system: its options, its calls, its end. What it does with a call is in consul-list.c and consul-set.c. */
#include "net/discovery/consul-internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#define TIMEOUT span_sec(5)
#define TTL span_sec(30)
#define PAUSE_MS 10
#define NODE_ADDRESS "127.0.0.1"

/* ---- a call ---- */

struct consul_op *consul_op_new(struct discovery *d, discovery_list_fn *on_list, discovery_done_fn *on_done, void *user) {
	struct consul *c = (struct consul *)d;
	struct consul_op *op = xnew(struct consul_op);

	op->consul = c;
	op->begun = mono_now();
	op->deadline = mono_add(op->begun, c->timeout);
	op->on_list = on_list;
	op->on_done = on_done;
	op->user = user;
	DL_APPEND(c->ops, op);
	return op;
}

void consul_op_find(struct consul_op *op, const char *key, const bool *hosts, consul_find_fn *fn) {
	op->find = consul_find(op->consul, key, hosts, op->deadline, fn, op);
}

static void on_closed(uv_handle_t *handle) { free(handle); }

void consul_op_pause(struct consul_op *op, uv_timer_cb fn) {
	if (!op->pause) {
		op->pause = xnew(uv_timer_t);
		uv_timer_init(op->consul->loop, op->pause);
		op->pause->data = op;
	}
	uv_timer_start(op->pause, fn, PAUSE_MS, 0);
}

static void on_impossible(void *ctx, const struct consul_answer *answer) {
	struct err err = answer->err;

	((struct consul_op *)ctx)->ask = NULL;
	consul_op_fail(ctx, answer->result, &err);
}

void consul_op_impossible(struct consul_op *op, const struct err *why) {
	const struct consul_question q = {.deadline = op->deadline, .why = why};

	op->ask = consul_ask(op->consul, &q, on_impossible, op);
}

/* No request of it is left when its callback runs, which may free the system. */
static void detach(struct consul_op *op) {
	DL_DELETE(op->consul->ops, op);
	consul_ask_free(op->ask);
	consul_find_free(op->find);
	consul_find_free(op->awaited);
	if (op->pause)
		uv_close((uv_handle_t *)op->pause, on_closed);
	op->ask = NULL;
	op->find = op->awaited = NULL;
	op->pause = NULL;
}

static void destroy(struct consul_op *op) {
	for (size_t i = 0; i < op->n_wants; i++) {
		free(op->wants[i].key);
		free(op->wants[i].node);
	}
	free(op->wants);
	free(op->steps);
	discovery_entry_clear(&op->entry);
	discovery_found_clear(&op->was);
	free(op->direct.node);
	consul_service_clear(&op->direct.s);
	free(op);
}

void consul_op_free(struct consul_op *op) {
	detach(op);
	destroy(op);
}

void consul_op_fail(struct consul_op *op, int result, struct err *err) {
	err_wrap(err, "%s", op->consul->head.name);
	detach(op);
	if (op->on_list)
		op->on_list(op->user, result, NULL, 0, err);
	else
		op->on_done(op->user, result, NULL, err);
	destroy(op);
}

void consul_op_listed(struct consul_op *op, struct discovery_found *found, size_t n) {
	detach(op);
	op->on_list(op->user, 0, found, n, NULL);
	destroy(op);
}

void consul_op_done(struct consul_op *op, const char *version) {
	bool warned = op->warning.code != 0;

	if (warned)
		err_wrap(&op->warning, "%s", op->consul->head.name);
	detach(op);
	op->on_done(op->user, 0, version, warned ? &op->warning : NULL);
	destroy(op);
}

/* ---- the system ---- */

static void free_const(const char *s) { free((void *)(uintptr_t)s); }

static void consul_free(struct discovery *d) {
	struct consul *c = (struct consul *)d;
	char *owned[] = {c->cluster, c->datacenter, c->consul_namespace, c->node, c->node_address, c->head.name};

	while (c->ops)
		consul_op_free(c->ops);
	consul_agents_stop(c);
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		free(owned[i]);
	free_const(c->tls.ca);
	free_const(c->tls.cert);
	free_const(c->tls.key);
	strs_clear(&c->urls);
	secret_free(c->token);
	free(c);
}

static const struct discovery_ops ops = {
	.kind = "consul",
	.list = consul_list,
	.look = consul_look,
	.set = consul_set,
	.unset = consul_unset,
	.free = consul_free,
};

/* Into filters it goes between quotes. */
static bool is_quotable(const char *text) {
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p < 0x20 || *p == 0x7f || *p == '"' || *p == '\\')
			return false;
	return *text != '\0';
}

/* Without a slash at the end. NULL: it is none. Owned. */
static char *base_from(const char *url) {
	size_t n = strlen(url);
	char *base = xstrndup(url, n > 0 && url[n - 1] == '/' ? n - 1 : n);

	if (consul_is_base(base))
		return base;
	free(base);
	return NULL;
}

static int set_urls(struct consul *c, const struct consul_options *o, struct err *err) {
	if (o->urls.n == 0)
		return err_set(err, -EINVAL, "no URL");
	for (size_t i = 0; i < o->urls.n; i++) {
		char *base CLEANUP_FREE = base_from(o->urls.v[i]);
		if (!base)
			return err_set(err, -EINVAL, "\"%.128s\": expected http://host:port or https://host:port", o->urls.v[i]);
		strs_add(&c->urls, base);
	}
	return 0;
}

static int set_hosts(struct consul *c, const struct consul_options *o, struct err *err) {
	c->hosts = xnew_n(struct consul_host, o->n_agents + 1);
	for (size_t i = 0; i < o->n_agents; i++) {
		char *base = base_from(o->agents[i].url);
		if (!base)
			return err_set(err, -EINVAL, "agent of %.64s: \"%.128s\": expected http://host:port or https://host:port",
				       o->agents[i].node, o->agents[i].url);
		c->hosts[c->n_hosts++] = (struct consul_host){.consul = c, .node = xstrdup(o->agents[i].node), .base = base};
	}
	return 0;
}

static void set_rest(struct consul *c, const struct discovery_env *env, const struct consul_options *o) {
	c->loop = env->loop;
	c->http = env->http;
	c->cluster = xstrdup(env->cluster);
	c->timeout = env->timeout.ns ? env->timeout : TIMEOUT;
	c->ttl = o->ttl.ns ? o->ttl : TTL;
	c->datacenter = xstrdup_null(o->datacenter);
	c->consul_namespace = xstrdup_null(o->consul_namespace);
	c->node = o->node ? xstrdup(o->node) : xasprintf("heir-%s", env->cluster);
	c->node_address = xstrdup(o->node_address ? o->node_address : NODE_ADDRESS);
	c->token = secret_new(o->token_file);
	c->tls.ca = xstrdup_null(o->tls.ca);
	c->tls.cert = xstrdup_null(o->tls.cert);
	c->tls.key = xstrdup_null(o->tls.key);
	c->tls.insecure = o->tls.insecure;
}

int consul_new(const struct discovery_env *env, const struct consul_options *options, struct discovery **ret, struct err *err) {
	struct consul *c = xnew(struct consul);
	int r = 0;

	c->head.ops = &ops;
	c->head.name = xstrdup(env->name);
	set_rest(c, env, options);
	if (!is_quotable(c->cluster) || !is_quotable(c->node))
		r = err_set(err, -EINVAL, "a cluster or node with quotes, backslashes or control characters in its name");
	if (r == 0)
		r = set_urls(c, options, err);
	if (r == 0)
		r = set_hosts(c, options, err);
	if (r < 0) {
		err_wrap(err, "%s", c->head.name);
		consul_free(&c->head);
		return r;
	}
	consul_agents_start(c);
	*ret = &c->head;
	return 0;
}
