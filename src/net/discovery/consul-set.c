/* One entry changes. Between our own node and our own node that is one transaction, which compares. Where an agent is part of it,
 * what stands is looked at first, then the new one is written, then whatever else stands of the key is taken away: for a moment
 * both are there and never none. Agents have no check-and-set: of two who look and write at the same moment both may win, on two
 * nodes. The next listing shows it as incomplete, the higher generation first, and setting that again takes the other away. */
#include "net/discovery/consul-internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void go_on(struct consul_op *op);
static void on_found(void *ctx, int result, struct consul_place *places, size_t n, const struct err *why);

/* Of our own node; false: it was at an agent. */
static bool read_version(const char *version, int64_t *ret) {
	int64_t index = 0;

	for (const char *p = version; *p; p++) {
		if (*p < '0' || *p > '9' || index > (INT64_MAX - 9) / 10)
			return false;
		index = index * 10 + (*p - '0');
	}
	*ret = index;
	return *version != '\0';
}

static void add_step(struct consul_op *op, enum consul_step_kind kind, struct consul_place *place) {
	op->steps = xreallocarray(op->steps, op->n_steps + 1, sizeof(*op->steps));
	op->steps[op->n_steps++] = (struct consul_step){.kind = kind, .place = place};
}

/* ---- what is sent ---- */

static json_t *service_operation(struct consul_op *op, const char *verb, const char *node, json_t *service) {
	if (op->consul->consul_namespace)
		json_set_str(service, "Namespace", op->consul->consul_namespace);
	return json_pack("{s:{s:s,s:s,s:o}}", "Service", "Verb", verb, "Node", node, "Service", service);
}

static char *write_body(struct consul_op *op) {
	struct consul *c = op->consul;
	json_t *all CLEANUP_JSON = json_array();

	if (!c->has_node)
		json_array_append_new(all, json_pack("{s:{s:s,s:{s:s,s:s}}}", "Node", "Verb", "set", "Node", "Node", c->node,
						     "Address", c->node_address));
	json_array_append_new(all,
			      service_operation(op, "cas", c->node, consul_catalog_service(&op->entry, c->cluster, op->index)));
	return json_text(all);
}

static char *delete_body(struct consul_op *op, const struct consul_place *p) {
	json_t *all CLEANUP_JSON = json_array(), *s = json_object();

	json_set_str(s, "ID", op->entry.key);
	json_set_str(s, "Service", p->s.service); /* 1.8 demands it */
	json_object_set_new(s, "ModifyIndex", json_integer(p->s.index));
	json_array_append_new(all, service_operation(op, "delete-cas", p->node, s));
	return json_text(all);
}

static void on_write(void *ctx, const struct consul_answer *a);
static void on_register(void *ctx, const struct consul_answer *a);
static void on_deregister(void *ctx, const struct consul_answer *a);
static void on_delete(void *ctx, const struct consul_answer *a);
static void await(struct consul_op *op);
static void leave(struct consul_op *op, const struct consul_place *p);

static void send_transaction(struct consul_op *op, char *body, consul_answer_fn *fn) {
	const struct consul_question q = {.method = "PUT", .path = xstrdup("/v1/txn"), .body = body, .deadline = op->deadline};

	op->ask = consul_ask(op->consul, &q, fn, op);
}

static void send_registration(struct consul_op *op) {
	const struct consul_question q = {
		.method = "PUT",
		.path = xstrdup("/v1/agent/service/register"),
		.body = consul_agent_service(&op->entry, op->consul->cluster, op->consul->ttl),
		.host = op->target,
		.deadline = op->deadline,
	};

	op->ask = consul_ask(op->consul, &q, on_register, op);
}

/* Half of what is left, so that the catalog can still be told when an agent falls silent. */
static struct mono half(const struct consul_op *op) {
	struct mono now = mono_now();

	return mono_add(now, (struct span){mono_since(now, op->deadline).ns / 2});
}

static void send_deregistration(struct consul_op *op, const struct consul_place *p) {
	const struct consul_question q = {
		.method = "PUT",
		.path = xasprintf("/v1/agent/service/deregister/%s", op->entry.key),
		.host = p->host,
		.deadline = half(op),
	};

	if (p->silent && p->s.index > 0) {
		free(q.path);
		leave(op, p);
	} else {
		op->ask = consul_ask(op->consul, &q, on_deregister, op);
	}
}

static void send_step(struct consul_op *op) {
	const struct consul_step *s = &op->steps[op->at];

	switch (s->kind) {
	case CONSUL_WRITE:
		send_transaction(op, write_body(op), on_write);
		break;
	case CONSUL_REGISTER:
		send_registration(op);
		break;
	case CONSUL_AWAIT:
		await(op);
		break;
	case CONSUL_DEREGISTER:
		send_deregistration(op, s->place);
		break;
	case CONSUL_DELETE:
		send_transaction(op, delete_body(op, s->place), on_delete);
		break;
	}
}

/* ---- the end ---- */

/* Nothing else is kept alive under this key. */
static void forget_others(struct consul_op *op) {
	for (size_t i = 0; i < op->consul->n_hosts; i++) {
		struct consul_host *h = &op->consul->hosts[i];
		struct consul_kept *k;
		HASH_FIND_STR(h->kept, op->entry.key, k);
		if (k && !k->left)
			consul_forget(h, op->entry.key);
	}
}

static void end(struct consul_op *op) {
	char *version CLEANUP_FREE = NULL;

	forget_others(op);
	if (!op->unset && op->target)
		consul_keep(op->target, &op->entry);
	if (!op->unset)
		version = op->target ? xstrdup(CONSUL_AT_AGENT) : xasprintf("%" PRId64, op->index);
	consul_op_done(op, version);
}

static void go_on(struct consul_op *op) {
	if (op->at < op->n_steps)
		send_step(op);
	else
		end(op);
}

static void next(struct consul_op *op) {
	op->at++;
	go_on(op);
}

/* What is new is written: that something old could not be taken away is a warning, and the next listing shows it. */
static void warn_or_fail(struct consul_op *op, int result, struct err *err) {
	if (op->unset) {
		consul_op_fail(op, result, err);
		return;
	}
	op->warning = *err;
	next(op);
}

/* Of all of its time. */
static struct mono half_time(const struct consul_op *op) {
	return mono_add(op->begun, (struct span){mono_since(op->begun, op->deadline).ns / 2});
}

/* ---- what is answered ---- */

static int read_txn(const struct consul_answer *a, int64_t *ret_index, struct err *err) {
	*err = a->err;
	if (a->result < 0)
		return a->result;
	int r = consul_parse_txn(a->body, a->body_len, a->token, ret_index, err);
	if (r < 0)
		err_wrap(err, "%s", a->where);
	return r;
}

static void on_write(void *ctx, const struct consul_answer *a) {
	struct consul_op *op = ctx;
	int64_t index = 0;
	struct err err;
	int r = read_txn(a, &index, &err);

	op->ask = NULL;
	if (r == -ENOENT && op->consul->has_node) {
		op->consul->has_node = false; /* somebody took it away */
		go_on(op);
		return;
	}
	if (r == 0 && index == 0)
		r = err_set(&err, -EPROTO, "%s: a transaction without a result", a->where);
	if (r < 0) {
		consul_op_fail(op, r == -ENOENT ? -EPROTO : r, &err);
		return;
	}
	op->consul->has_node = true;
	op->index = index;
	next(op);
}

static void on_register(void *ctx, const struct consul_answer *a) {
	struct consul_op *op = ctx;
	struct err err = a->err;

	op->ask = NULL;
	if (a->result < 0)
		consul_op_fail(op, a->result, &err);
	else
		next(op);
}

/* An agent writes into the catalog a moment after it answered. What was there before stays until then, or clients would find
 * nothing. */
static void on_pause(uv_timer_t *timer) { await(timer->data); }

static bool is_in_catalog(const struct consul_op *op, const struct consul_place *places, size_t n) {
	for (size_t i = 0; i < n; i++)
		if (places[i].host == op->target && places[i].s.index > 0 && discovery_entry_equal(&places[i].s.entry, &op->entry))
			return true;
	return false;
}

static void on_awaited(void *ctx, int result, struct consul_place *places, size_t n, const struct err *why) {
	struct consul_op *op = ctx;
	bool there = result == 0 && is_in_catalog(op, places, n);
	struct err err;

	if (result == 0 && !there && !mono_reached(half_time(op), mono_now())) {
		consul_op_pause(op, on_pause);
		return;
	}
	if (there) {
		next(op);
		return;
	}
	if (result < 0)
		err = *why;
	else
		err_set(&err, -EIO, "%s: the agent of %s has it, the catalog does not have it from there", op->entry.key,
			op->target->node);
	consul_op_fail(op, -EIO, &err);
}

static void await(struct consul_op *op) {
	consul_find_free(op->awaited);
	op->awaited = consul_find(op->consul, op->entry.key, NULL, op->deadline, on_awaited, op);
}

/* An agent that does not answer is told later; the catalog, which clients ask, is told now. */
static void leave(struct consul_op *op, const struct consul_place *p) {
	op->deregistered = false;
	consul_leave(p->host, &p->s.entry);
	next(op);
}

/* Where the catalog does not have it either, nothing is known of it. */
static void on_deregister(void *ctx, const struct consul_answer *a) {
	struct consul_op *op = ctx;
	const struct consul_place *p = op->steps[op->at].place;
	struct err err = a->err;

	op->ask = NULL;
	if (a->result == 0) {
		op->deregistered = true;
		consul_forget(p->host, op->entry.key);
		next(op);
	} else if (a->result == -EACCES || p->s.index == 0) {
		warn_or_fail(op, a->result, &err);
	} else {
		leave(op, p);
	}
}

/* Stale: the agent that was told before was faster (anti-entropy), or it is gone or another, which a look tells. */
static void on_delete(void *ctx, const struct consul_answer *a) {
	struct consul_op *op = ctx;
	int64_t none = 0;
	struct err err;
	int r = read_txn(a, &none, &err);
	bool expected = r == -ESTALE && op->steps[op->at].place->host && op->deregistered;

	op->ask = NULL;
	if (r == 0 || expected) {
		next(op);
	} else if (r == -ESTALE && op->unset && !op->again) {
		op->again = true;
		consul_find_free(op->find);
		op->find = NULL;
		op->n_steps = op->at = 0;
		consul_op_find(op, op->entry.key, NULL, on_found);
	} else {
		warn_or_fail(op, r, &err);
	}
}

/* ---- what stands there, and what follows ---- */

static bool is_target(const struct consul_op *op, const struct consul_place *p) {
	return op->target ? p->host == op->target : p->own;
}

static bool is_as_wanted(const struct consul_op *op, const struct consul_place *p) {
	return !op->unset && is_target(op, p) && !p->s.damaged && discovery_entry_equal(&p->s.entry, &op->entry);
}

/* best: of ours; NULL: there is none. */
static bool is_as_it_was(const struct consul_op *op, const struct consul_place *best) {
	bool was_ours = op->was.version && !op->was.foreign;
	int64_t index;

	if (!best || !was_ours)
		return !best && !was_ours;
	if (best->own)
		return read_version(op->was.version, &index) && index == best->s.index;
	return best->s.damaged ? op->was.incomplete : discovery_entry_equal(&best->s.entry, &op->was.entry);
}

static void plan_write(struct consul_op *op, struct consul_place *places, size_t n) {
	op->index = 0;
	for (size_t i = 0; i < n && !op->target; i++)
		if (places[i].own)
			op->index = places[i].s.index;
	add_step(op, op->target ? CONSUL_REGISTER : CONSUL_WRITE, NULL);
	if (op->target)
		add_step(op, CONSUL_AWAIT, NULL);
}

/* The first at the target is overwritten; what else is ours goes. */
static void plan_removals(struct consul_op *op, struct consul_place *places, size_t n) {
	bool kept = op->unset;

	for (size_t i = 0; i < n; i++) {
		struct consul_place *p = &places[i];
		bool at_target = !op->unset && is_target(op, p);
		if (p->s.foreign)
			continue;
		if (at_target && !kept) {
			kept = true;
			continue;
		}
		if (p->host && !p->lost && !at_target)
			add_step(op, CONSUL_DEREGISTER, p);
		if (p->s.index > 0)
			add_step(op, CONSUL_DELETE, p);
	}
}

static const struct consul_place *foreign_at_target(const struct consul_op *op, const struct consul_place *places, size_t n) {
	for (size_t i = 0; i < n && !op->unset; i++)
		if (places[i].s.foreign && is_target(op, &places[i]))
			return &places[i];
	return NULL;
}

static int compare(const struct consul_op *op, const struct consul_place *places, size_t n, struct err *err) {
	const struct consul_place *foreign = foreign_at_target(op, places, n);
	const struct consul_place *best = n > 0 && !places[0].s.foreign ? &places[0] : NULL;

	if (foreign && !op->was.foreign)
		return err_set(err, -EEXIST, "%s: \"%s\" stands there", op->entry.key, foreign->s.content);
	if ((best && is_as_wanted(op, best)) || is_as_it_was(op, best))
		return 0;
	char *text CLEANUP_FREE = best && !best->s.damaged ? discovery_entry_text(&best->s.entry) : NULL;
	return err_set(err, -ESTALE, "%s: %s stands there now", op->entry.key, text ? text : best ? "something else" : "nothing");
}

static void on_found(void *ctx, int result, struct consul_place *places, size_t n, const struct err *why) {
	struct consul_op *op = ctx;
	bool gone = op->unset && (n == 0 || places[0].s.foreign);
	struct err err;

	if (result < 0)
		err = *why;
	else if (!gone)
		result = compare(op, places, n, &err);
	if (result < 0) {
		consul_op_fail(op, result, &err);
		return;
	}
	if (!op->unset)
		plan_write(op, places, n);
	plan_removals(op, places, n);
	go_on(op);
}

/* ---- the beginning ---- */

static void copy_was(struct consul_op *op, const struct discovery_found *was) {
	discovery_entry_copy(&op->was.entry, &was->entry);
	op->was.foreign = was->foreign;
	op->was.incomplete = was->incomplete;
	op->was.version = xstrdup(was->version);
}

static void look_first(struct consul_op *op) {
	struct consul *c = op->consul;
	bool *hosts CLEANUP_FREE = xnew_n(bool, c->n_hosts + 1);
	const struct consul_host *before = consul_host_of(c, op->was.entry.node);

	if (op->target)
		hosts[op->target - c->hosts] = true;
	if (before && !consul_is_silent(before))
		hosts[before - c->hosts] = true;
	consul_op_find(op, op->entry.key, hosts, on_found);
}

void consul_set(struct discovery *d, const struct discovery_entry *wanted, const struct discovery_found *was,
		discovery_done_fn *done, void *user) {
	struct consul_op *op = consul_op_new(d, NULL, done, user);
	bool own = true;
	struct err err;

	discovery_entry_copy(&op->entry, wanted);
	op->target = consul_host_of(op->consul, wanted->node);
	if (was) {
		copy_was(op, was);
		own = read_version(was->version, &op->index) && !was->incomplete;
	}
	if (consul_check_entry(wanted, op->consul->cluster, &err) < 0) {
		consul_op_impossible(op, &err);
	} else if (own && !op->target) {
		add_step(op, CONSUL_WRITE, NULL);
		go_on(op);
	} else {
		look_first(op);
	}
}

void consul_unset(struct discovery *d, const struct discovery_found *was, discovery_done_fn *done, void *user) {
	struct consul_op *op = consul_op_new(d, NULL, done, user);
	struct consul_place *p = &op->direct;

	op->unset = true;
	copy_was(op, was);
	op->entry.key = xstrdup(was->entry.key);
	if (was->incomplete || was->foreign || !was->entry.service || !read_version(was->version, &p->s.index)) {
		look_first(op);
		return;
	}
	p->own = true;
	p->node = xstrdup(op->consul->node);
	p->s.service = xstrdup(was->entry.service);
	add_step(op, CONSUL_DELETE, p);
	go_on(op);
}
