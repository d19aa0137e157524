/* See skydns.h. Whatever is to be done, the keys are read first; what they say and what is to be changed is skydns-judge's.
 *
 * Reverse records stand far from their entries, among everybody's. An entry's mark says where its own are; but where an entry was
 * removed by hand, its reverse record is left, and nothing points to it. So the first list reads them all, and later ones those of
 * the nets in which there ever was something of ours.
 *
 * An entry that is looked for alone is where it is wanted, or where it is known to have been, or was to be (skydns-known). One that
 * stood and is at none of these was moved by somebody else: it is looked for everywhere, once. */
#include "net/discovery/skydns.h"

#include "net/discovery/etcd.h"
#include "net/discovery/skydns-judge.h"
#include "net/discovery/skydns-known.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <utlist.h>

#define DEFAULT_PREFIX "/skydns"
#define DEFAULT_TTL 10U
#define DEFAULT_TIMEOUT span_sec(5)
#define LOOK_KEYS_MAX 96 /* asked for at once; etcd takes 128 */
#define NETS_MAX 64      /* read one by one; where there are more, all is read */

struct skydns {
	struct discovery discovery;
	struct skydns_layout layout;
	struct span timeout;
	struct etcd *etcd;
	bool all_read;    /* no reverse record of ours is outside of `nets` but what was put there since */
	struct strs nets; /* at most NETS_MAX + 1 */
	struct skydns_known *known;
	struct op *ops;
};

struct op {
	struct skydns *s;
	discovery_list_fn *on_list; /* of list and look */
	discovery_done_fn *on_done; /* of set and unset */
	void *user;
	struct etcd_call *call;
	struct mono deadline;

	struct discovery_entry *wanted; /* of list: several */
	size_t n_wanted;
	char *key, *version;      /* of set and unset: the entry's; what was there, or NULL */
	struct skydns_view *view; /* what was read so far */
	size_t before;            /* this range */
	struct strs ranges;       /* of list: still to be read */
	bool reads_all;           /* of list: every reverse record */
	uint64_t turn;            /* of list: its */
	struct strs keys;         /* of look: asked for */
	bool searched;            /* of look: everywhere */
	struct skydns_change change;

	struct op *prev, *next;
};

/* ---- operations ---- */

static struct op *op_new(struct discovery *d, void *user) {
	struct skydns *s = (struct skydns *)d;
	struct op *op = xnew(struct op);

	op->s = s;
	op->user = user;
	op->view = skydns_view_new(&s->layout);
	op->deadline = mono_add(mono_now(), s->timeout);
	DL_APPEND(s->ops, op);
	return op;
}

static void op_destroy(struct op *op) {
	etcd_call_free(op->call);
	for (size_t i = 0; i < op->n_wanted; i++)
		discovery_entry_clear(&op->wanted[i]);
	free(op->wanted);
	free(op->key);
	free(op->version);
	skydns_view_free(op->view);
	strs_clear(&op->ranges);
	strs_clear(&op->keys);
	skydns_change_clear(&op->change);
	free(op);
}

static void op_want(struct op *op, const struct discovery_entry *const *wanted, size_t n) {
	op->wanted = xnew_n(struct discovery_entry, n + 1);
	op->n_wanted = n;
	for (size_t i = 0; i < n; i++)
		discovery_entry_copy(&op->wanted[i], wanted[i]);
}

static struct etcd_cb cb_of(struct op *op, etcd_done_fn *fn) {
	return (struct etcd_cb){.fn = fn, .ctx = op, .deadline = op->deadline};
}

/* In the words of discovery.h, with the system's name: what etcd refuses was not changed. */
static void put_in_words(const struct op *op, struct err *err) {
	if (err->code == -EREMOTEIO)
		err->code = -ENOTCONN;
	err_wrap(err, "%.64s", op->s->discovery.name);
}

/* The callbacks may free the system: only the operation is touched afterwards. */
static void finish_list(struct op *op, struct err *err, struct discovery_found *found, size_t n) {
	if (err)
		put_in_words(op, err);
	DL_DELETE(op->s->ops, op);
	op->on_list(op->user, err ? err->code : 0, found, n, err);
	for (size_t i = 0; i < n; i++)
		discovery_found_clear(&found[i]);
	free(found);
	op_destroy(op);
}

/* Of a change that is over. What failed may be done all the same, or become so. */
static void note_change(struct op *op, bool done) {
	struct skydns_known *known = op->s->known;

	if (done)
		skydns_known_drop(known, op->key);
	if (op->n_wanted > 0)
		skydns_known_add(known, &op->wanted[0], done);
	skydns_known_renew(known, op->key);
}

static void finish_done(struct op *op, int result, const char *version, struct err *err) {
	if (op->key)
		note_change(op, result == 0);
	if (err)
		put_in_words(op, err);
	DL_DELETE(op->s->ops, op);
	op->on_done(op->user, result < 0 && err ? err->code : result, version, err);
	op_destroy(op);
}

/* ---- nets ---- */

static void note_address(struct skydns *s, const char *address) {
	struct ip ip;

	if (!address || s->nets.n > NETS_MAX || ip_parse(address, &ip, NULL) < 0)
		return;
	CLEANUP_FREE char *net = skydns_reverse_net(&s->layout, &ip);
	strs_add_new(&s->nets, net);
}

static void note_nets(struct skydns *s, const struct discovery_entry *e) {
	if (!s->layout.reverse)
		return;
	note_address(s, e->address);
	note_address(s, e->address6);
}

static void note_found(struct skydns *s, const struct skydns_view *v) {
	for (size_t i = 0; i < skydns_view_count(v); i++)
		if (skydns_view_entry(v, i))
			note_nets(s, skydns_view_entry(v, i));
}

/* ---- list, look ---- */

static void judge_op(struct op *op, const char *only) {
	const struct discovery_entry **wanted = xnew_n(const struct discovery_entry *, op->n_wanted + 1);
	struct discovery_found *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < op->n_wanted; i++)
		wanted[i] = &op->wanted[i];
	skydns_judge(op->view, wanted, op->n_wanted, only, &found, &n);
	free(wanted);
	finish_list(op, NULL, found, n);
}

static void on_page(void *ctx, struct etcd_kvs *kvs) {
	struct op *op = ctx;

	size_t n = skydns_view_count(op->view);

	if (kvs)
		skydns_view_add(op->view, kvs);
	else
		skydns_view_cut(op->view, op->before);
	for (; n < skydns_view_count(op->view); n++)
		if (skydns_view_entry(op->view, n))
			skydns_known_add(op->s->known, skydns_view_entry(op->view, n), true);
}

static void on_range(void *ctx, struct etcd_answer *answer);

static void read_range(struct op *op, const char *range, etcd_done_fn *done) {
	CLEANUP_FREE char *from = skydns_below(range), *end = skydns_behind(range);
	struct etcd_cb cb = cb_of(op, done);

	cb.page = on_page;
	op->before = skydns_view_count(op->view);
	op->call = etcd_range(op->s->etcd, from, end, 0, cb);
}

static void read_next(struct op *op) {
	CLEANUP_FREE char *range = xstrdup(op->ranges.v[0]);

	strs_remove(&op->ranges, range);
	read_range(op, range, on_range);
}

/* Behind the entries themselves, whose addresses say where to look. */
static void add_reverse_ranges(struct op *op) {
	struct skydns *s = op->s;

	op->reads_all = !s->all_read || s->nets.n > NETS_MAX;
	if (op->reads_all) {
		CLEANUP_FREE char *root = skydns_reverse_root(&s->layout);
		strs_add(&op->ranges, root);
	} else {
		strs_copy(&op->ranges, &s->nets);
	}
}

/* What is being changed may stand there in a moment. */
static void forget_gone(struct op *op) {
	struct op *other;

	DL_FOREACH (op->s->ops, other)
		if (other->key)
			skydns_known_renew(op->s->known, other->key);
	skydns_known_forget(op->s->known, op->turn);
}

static void end_list(struct op *op) {
	if (op->reads_all)
		note_found(op->s, op->view);
	op->s->all_read |= op->reads_all;
	forget_gone(op);
	judge_op(op, NULL);
}

static void on_range(void *ctx, struct etcd_answer *answer) {
	struct op *op = ctx;

	op->call = NULL;
	if (answer->result < 0) {
		finish_list(op, &answer->err, NULL, 0);
		return;
	}
	if (op->ranges.n > 0)
		read_next(op);
	else
		end_list(op);
}

static void on_entries(void *ctx, struct etcd_answer *answer) {
	struct op *op = ctx;

	if (answer->result == 0 && op->s->layout.reverse) {
		note_found(op->s, op->view);
		add_reverse_ranges(op);
	}
	on_range(op, answer);
}

static void list(struct discovery *d, const struct discovery_entry *const *wanted, size_t n, discovery_list_fn *done, void *user) {
	struct op *op = op_new(d, user);

	op->on_list = done;
	op_want(op, wanted, n);
	for (size_t i = 0; i < n; i++)
		note_nets(op->s, wanted[i]);
	op->turn = skydns_known_turn(op->s->known);
	read_range(op, op->s->layout.base, on_entries);
}

static void on_looked(void *ctx, struct etcd_answer *answer);

static void renew_view(struct op *op) {
	skydns_view_free(op->view);
	op->view = skydns_view_new(&op->s->layout);
}

static void ask_keys(struct op *op) {
	skydns_known_places(op->s->known, op->wanted[0].key, &op->keys);
	renew_view(op);
	op->call = etcd_get(op->s->etcd, &op->keys, cb_of(op, on_looked));
}

static void on_searched(void *ctx, struct etcd_answer *answer) {
	struct op *op = ctx;

	op->call = NULL;
	if (answer->result < 0)
		finish_list(op, &answer->err, NULL, 0);
	else
		ask_keys(op);
}

static void search(struct op *op) {
	op->searched = true;
	renew_view(op);
	read_range(op, op->s->layout.base, on_searched);
}

/* Whether there is any of it; what there is may have places that were not asked for. */
static bool note_looked(struct op *op) {
	const char *key = op->wanted[0].key;
	bool found = false;

	for (size_t i = 0; i < skydns_view_count(op->view); i++) {
		const struct discovery_entry *e = skydns_view_entry(op->view, i);
		if (!e || strcmp(e->key, key) != 0)
			continue;
		found = true;
		skydns_known_add(op->s->known, e, true);
	}
	skydns_known_places(op->s->known, key, &op->keys);
	return found;
}

static void on_looked(void *ctx, struct etcd_answer *answer) {
	struct op *op = ctx;
	size_t asked = op->keys.n;

	op->call = NULL;
	if (answer->result < 0) {
		finish_list(op, &answer->err, NULL, 0);
		return;
	}
	skydns_view_add(op->view, &answer->kvs);
	bool found = note_looked(op);
	if (op->keys.n > asked && op->keys.n <= LOOK_KEYS_MAX) {
		ask_keys(op);
	} else if (!found && !op->searched && skydns_known_stands(op->s->known, op->wanted[0].key)) {
		search(op);
	} else {
		if (!found)
			skydns_known_drop(op->s->known, op->wanted[0].key);
		judge_op(op, op->wanted[0].key);
	}
}

static void look(struct discovery *d, const struct discovery_entry *wanted, discovery_list_fn *done, void *user) {
	struct op *op = op_new(d, user);
	struct err err;

	op->on_list = done;
	if (skydns_check(wanted, &err) < 0) {
		op->call = etcd_fail(op->s->etcd, &err, cb_of(op, on_looked));
		return;
	}
	op_want(op, &wanted, 1);
	skydns_touched(&op->s->layout, wanted, NULL, &op->keys);
	ask_keys(op);
}

/* ---- set, unset ---- */

static void finish_change(struct op *op, int64_t revision) {
	CLEANUP_FREE char *version = op->n_wanted > 0 ? skydns_change_version(&op->change, revision) : NULL;
	struct err warning;

	if (op->change.left)
		(void)err_set(&warning, -EEXIST, "%s: it stays", op->change.left);
	finish_done(op, 0, version, op->change.left ? &warning : NULL);
}

static void on_changed(void *ctx, struct etcd_answer *answer) {
	struct op *op = ctx;

	op->call = NULL;
	if (answer->result < 0)
		finish_done(op, answer->result, NULL, &answer->err);
	else
		finish_change(op, answer->revision);
}

/* Nothing was written yet, whatever became of the question. */
static void nothing_was_changed(struct err *err) {
	if (err->code == -ETIMEDOUT || err->code == -EIO)
		err->code = -ENOTCONN;
}

static void write_plan(struct op *op, int64_t revision) {
	const struct skydns_change *c = &op->change;
	const struct etcd_txn txn = {
		.compares = c->compares, .n_compares = c->n_compares, .writes = c->writes, .n_writes = c->n_writes};

	if (c->n_writes > 0)
		op->call = etcd_txn(op->s->etcd, &txn, cb_of(op, on_changed));
	else
		finish_change(op, revision);
}

static void on_read(void *ctx, struct etcd_answer *answer) {
	struct op *op = ctx;
	const struct discovery_entry *wanted = op->n_wanted > 0 ? &op->wanted[0] : NULL;

	op->call = NULL;
	int r = answer->result;
	if (r < 0)
		nothing_was_changed(&answer->err);
	skydns_view_add(op->view, &answer->kvs);
	if (r == 0)
		r = skydns_plan(op->view, op->key, wanted, op->version, &op->change, &answer->err);
	if (r < 0)
		finish_done(op, r, NULL, &answer->err);
	else
		write_plan(op, answer->revision);
}

/* From here on it may be where it was, or where it is to be. */
static void note_asked(struct op *op, const struct discovery_found *was) {
	if (was && !was->foreign && skydns_check(&was->entry, NULL) == 0)
		skydns_known_add(op->s->known, &was->entry, true);
	if (op->n_wanted > 0)
		skydns_known_add(op->s->known, &op->wanted[0], false);
}

/* Reads what it is about; wanted NULL: it is to go. */
static void change(struct op *op, const struct discovery_entry *wanted, const struct discovery_found *was) {
	struct etcd *etcd = op->s->etcd;
	struct etcd_cb cb = cb_of(op, on_read);
	struct skydns_marks marks = {0};
	struct strs keys = {0};
	struct err err;

	assert(wanted || was);
	if (wanted && skydns_check(wanted, &err) < 0) {
		op->call = etcd_fail(etcd, &err, cb);
		return;
	}
	if (was && !skydns_version_read(was->version, &marks)) {
		(void)err_set(&err, -ESTALE, "what it is compared with is no version of its");
		op->call = etcd_fail(etcd, &err, cb);
		return;
	}
	op->key = xstrdup(wanted ? wanted->key : was->entry.key);
	op->version = xstrdup_null(was ? was->version : NULL);
	op_want(op, &wanted, wanted ? 1 : 0);
	note_asked(op, was);
	skydns_touched(&op->s->layout, wanted, &marks, &keys);
	skydns_known_places(op->s->known, op->key, &keys);
	op->call = etcd_get(etcd, &keys, cb);
	strs_clear(&keys);
	skydns_marks_clear(&marks);
}

static void set(struct discovery *d, const struct discovery_entry *wanted, const struct discovery_found *was,
		discovery_done_fn *done, void *user) {
	struct op *op = op_new(d, user);

	op->on_done = done;
	note_nets(op->s, wanted);
	change(op, wanted, was);
}

static void unset(struct discovery *d, const struct discovery_found *was, discovery_done_fn *done, void *user) {
	struct op *op = op_new(d, user);

	op->on_done = done;
	change(op, NULL, was);
}

/* ---- the system ---- */

static void skydns_free(struct discovery *d) {
	struct skydns *s = (struct skydns *)d;

	while (s->ops) {
		struct op *op = s->ops;
		DL_DELETE(s->ops, op);
		op_destroy(op);
	}
	etcd_free(s->etcd);
	skydns_known_free(s->known);
	skydns_layout_clear(&s->layout);
	strs_clear(&s->nets);
	free(s->discovery.name);
	free(s);
}

static const struct discovery_ops ops = {
	.kind = "skydns", .list = list, .look = look, .set = set, .unset = unset, .free = skydns_free};

static int set_up(struct skydns *s, const struct discovery_env *env, const struct skydns_options *o, struct err *err) {
	const struct etcd_options etcd = {.urls = o->urls, .user = o->user, .password_file = o->password_file, .tls = o->tls};

	int r = skydns_layout_init(&s->layout, o->prefix ? o->prefix : DEFAULT_PREFIX, o->domain, env->cluster, err);
	if (r < 0)
		return r;
	s->layout.ttl = o->ttl ? o->ttl : DEFAULT_TTL;
	s->layout.reverse = o->reverse;
	s->known = skydns_known_new(&s->layout);
	return etcd_new(env->http, &etcd, &s->etcd, err);
}

int skydns_new(const struct discovery_env *env, const struct skydns_options *options, struct discovery **ret, struct err *err) {
	struct skydns *s = xnew(struct skydns);

	s->discovery = (struct discovery){.ops = &ops, .name = xstrdup(env->name)};
	s->timeout = env->timeout.ns > 0 ? env->timeout : DEFAULT_TIMEOUT;
	int r = set_up(s, env, options, err);
	if (r < 0) {
		err_wrap(err, "%.64s", env->name);
		skydns_free(&s->discovery);
		return r;
	}
	*ret = &s->discovery;
	return 0;
}
