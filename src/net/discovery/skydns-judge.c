/* See skydns-judge.h. */
#include "net/discovery/skydns-judge.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- what was read ---- */

struct seen {
	char *key;
	int64_t revision;
	struct etcd_kv foreign; /* of a foreign one, to be shown; its key is `key` */
	bool ours, good;
	struct discovery_entry entry; /* of ours */
};

struct skydns_view {
	const struct skydns_layout *layout;
	struct seen *all; /* once it is sorted: by etcd's key */
	size_t n, cap;
	struct seen **ours; /* once it is sorted: by the entry's key, the highest generation first */
	size_t n_ours;
	bool sorted;
};

struct skydns_view *skydns_view_new(const struct skydns_layout *l) {
	struct skydns_view *v = xnew(struct skydns_view);

	v->layout = l;
	return v;
}

static void add_seen(struct skydns_view *v, struct etcd_kv *kv) {
	struct seen s = {.key = kv->key, .revision = kv->mod_revision};

	s.ours = skydns_is_ours(v->layout, kv, &s.entry, &s.good);
	if (s.ours)
		free(kv->value);
	else
		s.foreign = *kv;
	*kv = (struct etcd_kv){0};
	if (v->n == v->cap) {
		v->cap = v->cap ? v->cap * 2 : 16;
		v->all = xreallocarray(v->all, v->cap, sizeof(*v->all));
	}
	v->all[v->n++] = s;
}

void skydns_view_add(struct skydns_view *v, struct etcd_kvs *kvs) {
	assert(!v->sorted);
	for (size_t i = 0; i < kvs->n; i++)
		if (strlen(kvs->v[i].key) == kvs->v[i].key_len) /* with a NUL in it, it is none that clients can ask for */
			add_seen(v, &kvs->v[i]);
	etcd_kvs_clear(kvs);
}

size_t skydns_view_count(const struct skydns_view *v) { return v->n; }

const struct discovery_entry *skydns_view_entry(const struct skydns_view *v, size_t i) {
	return v->all[i].ours ? &v->all[i].entry : NULL;
}

static void drop(struct skydns_view *v, size_t n) {
	while (v->n > n) {
		struct seen *s = &v->all[--v->n];
		free(s->key);
		free(s->foreign.value);
		discovery_entry_clear(&s->entry);
	}
}

void skydns_view_cut(struct skydns_view *v, size_t n) {
	assert(!v->sorted);
	drop(v, n);
}

void skydns_view_free(struct skydns_view *v) {
	if (!v)
		return;
	drop(v, 0);
	free(v->all);
	free(v->ours);
	free(v);
}

static int by_place(const void *a, const void *b) {
	const struct seen *x = a, *y = b;
	return strcmp(x->key, y->key);
}

static int by_entry(const void *a, const void *b) {
	const struct seen *x = *(struct seen *const *)a, *y = *(struct seen *const *)b;
	int order = strcmp(x->entry.key, y->entry.key);

	if (order == 0)
		order = (x->entry.generation < y->entry.generation) - (x->entry.generation > y->entry.generation);
	return order ? order : strcmp(x->key, y->key);
}

static void sort(struct skydns_view *v) {
	if (v->sorted)
		return;
	v->sorted = true;
	if (v->n > 0)
		qsort(v->all, v->n, sizeof(*v->all), by_place);
	v->ours = xnew_n(struct seen *, v->n + 1);
	for (size_t i = 0; i < v->n; i++)
		if (v->all[i].ours)
			v->ours[v->n_ours++] = &v->all[i];
	qsort(v->ours, v->n_ours, sizeof(*v->ours), by_entry);
}

static const struct seen *view_at(const struct skydns_view *v, const char *key) {
	const struct seen wanted = {.key = (char *)(uintptr_t)key};

	return v->n > 0 ? bsearch(&wanted, v->all, v->n, sizeof(*v->all), by_place) : NULL;
}

/* In the words that people read; of an entry of ours its own. */
static char *seen_text(const struct seen *s) {
	if (!s->ours)
		return skydns_say(&s->foreign);
	CLEANUP_FREE char *entry = discovery_entry_text(&s->entry);
	return xasprintf("%s holds \"%s\"", s->key, entry);
}

static bool is_of(const struct seen *s, const char *key) { return s->ours && strcmp(s->entry.key, key) == 0; }

/* How many of ours from the i-th on are of one entry. */
static size_t group_size(const struct skydns_view *v, size_t i) {
	size_t n = 1;

	while (i + n < v->n_ours && is_of(v->ours[i + n], v->ours[i]->entry.key))
		n++;
	return n;
}

/* ---- entries of ours ---- */

static void say(struct buf *b, const char *key, const char *what) { buf_printf(b, "%s%s %s", b->len > 0 ? "; " : "", key, what); }

/* True: this place is as it should be, or nothing can be done about it. */
static bool place_is_good(const struct skydns_view *v, const struct skydns_place *p, const struct discovery_entry *e,
			  struct buf *content) {
	const struct seen *s = view_at(v, p->key);

	if (!s) {
		say(content, p->key, "is missing");
		return false;
	}
	if (!is_of(s, e->key)) {
		CLEANUP_FREE char *what = seen_text(s);
		if (!p->reverse || !s->ours)
			buf_printf(content, "%s%s", content->len > 0 ? "; " : "", what);
		return p->reverse;
	}
	bool same = s->good && discovery_entry_equal(&s->entry, e);
	if (!same)
		say(content, p->key, "is not as it should be");
	return same;
}

static void judge_group(const struct skydns_view *v, struct seen *const *group, size_t n, struct discovery_found *f) {
	const struct discovery_entry *e = &group[0]->entry;
	struct skydns_places places;
	struct skydns_marks marks = {0};
	struct buf content CLEANUP_BUF = {0};

	skydns_places_of(v->layout, e, &places);
	for (size_t i = 0; i < places.n; i++)
		f->incomplete |= !place_is_good(v, &places.v[i], e, &content);
	for (size_t i = 0; i < n; i++) {
		skydns_marks_add(&marks, group[i]->key, group[i]->revision);
		if (!skydns_place_at(&places, group[i]->key)) {
			f->incomplete = true;
			say(&content, group[i]->key, "is left over");
		}
	}
	discovery_entry_copy(&f->entry, e);
	f->version = skydns_version(&marks);
	f->content = content.len > 0 ? buf_take(&content) : NULL;
	skydns_marks_clear(&marks);
	skydns_places_clear(&places);
}

/* ---- foreign ones ---- */

static void add_ours(const struct skydns_view *v, const char *key, struct skydns_marks *to) {
	struct discovery_entry entry = {.key = (char *)(uintptr_t)key, .generation = UINT32_MAX};
	struct seen *first = &(struct seen){.key = (char[]){""}, .entry = entry};
	size_t low = 0, high = v->n_ours;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (by_entry(&v->ours[middle], &first) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < v->n_ours && is_of(v->ours[low], key); low++)
		skydns_marks_add(to, v->ours[low]->key, v->ours[low]->revision);
}

static void add_foreign(const struct skydns_view *v, const char *place, const char *key, struct skydns_marks *marks,
			struct buf *content) {
	const struct seen *s = view_at(v, place);

	if (!s || is_of(s, key))
		return;
	CLEANUP_FREE char *what = seen_text(s);
	buf_printf(content, "%s%s", content->len > 0 ? "; " : "", what);
	skydns_marks_add(marks, s->key, s->revision);
}

/* False: nothing is in its way. */
static bool judge_wanted(const struct skydns_view *v, const struct discovery_entry *wanted, struct discovery_found *f) {
	CLEANUP_FREE char *service = skydns_service_key(v->layout, wanted->service);
	struct skydns_places places;
	struct skydns_marks marks = {0};
	struct buf content CLEANUP_BUF = {0};

	skydns_places_of(v->layout, wanted, &places);
	add_foreign(v, service, wanted->key, &marks, &content);
	for (size_t i = 0; i < places.n; i++)
		if (!places.v[i].reverse)
			add_foreign(v, places.v[i].key, wanted->key, &marks, &content);
	bool found = marks.n > 0;
	if (found) {
		add_ours(v, wanted->key, &marks);
		*f = (struct discovery_found){.entry.key = xstrdup(wanted->key),
					      .foreign = true,
					      .version = skydns_version(&marks),
					      .content = buf_take(&content)};
	}
	skydns_marks_clear(&marks);
	skydns_places_clear(&places);
	return found;
}

void skydns_judge(struct skydns_view *v, const struct discovery_entry *const *wanted, size_t n_wanted, const char *only,
		  struct discovery_found **ret, size_t *ret_n) {
	size_t n = 0;

	sort(v);
	struct discovery_found *found = xnew_n(struct discovery_found, v->n_ours + n_wanted + 1);
	for (size_t i = 0, size = 0; i < v->n_ours; i += size) {
		size = group_size(v, i);
		if (!only || is_of(v->ours[i], only))
			judge_group(v, v->ours + i, size, &found[n++]);
	}
	for (size_t i = 0; i < n_wanted; i++)
		if (skydns_check(wanted[i], NULL) == 0)
			n += judge_wanted(v, wanted[i], &found[n]);
	*ret = found;
	*ret_n = n;
}

/* ---- a change ---- */

void skydns_touched(const struct skydns_layout *l, const struct discovery_entry *wanted, const struct skydns_marks *was,
		    struct strs *ret) {
	struct skydns_places places = {0};

	if (wanted) {
		CLEANUP_FREE char *service = skydns_service_key(l, wanted->service);
		skydns_places_of(l, wanted, &places);
		strs_add_new(ret, service);
	}
	for (size_t i = 0; i < places.n; i++)
		strs_add_new(ret, places.v[i].key);
	for (size_t i = 0; was && i < was->n; i++)
		strs_add_new(ret, was->v[i].key);
	skydns_places_clear(&places);
}

static void compare(struct skydns_change *c, const char *key, int64_t revision) {
	c->compares[c->n_compares++] = (struct etcd_compare){.key = key, .mod_revision = revision};
}

static void write_key(struct skydns_change *c, const char *key, const char *value) {
	c->writes[c->n_writes++] = (struct etcd_write){.key = key, .value = value};
}

static bool is_reverse(const struct skydns_layout *l, const char *key) {
	CLEANUP_FREE char *root = skydns_reverse_root(l);
	size_t n = strlen(root);

	return strncmp(key, root, n) == 0 && key[n] == '/';
}

/* One key that was there. A reverse record that another one holds by now is no longer this entry's affair, nor is anything that
 * another one holds where the entry is to go. */
static int plan_mark(struct skydns_change *c, const struct skydns_view *v, const char *key, bool away, const struct skydns_mark *m,
		     struct err *err) {
	const struct seen *s = view_at(v, m->key);

	if (s && s->revision == m->revision) {
		compare(c, m->key, m->revision);
		if (!skydns_place_at(&c->places, m->key))
			write_key(c, m->key, NULL);
		return 0;
	}
	if (away && !s)
		return 0;
	if (s && !is_of(s, key) && (away || is_reverse(v->layout, m->key)))
		return 0;
	return err_set(err, -ESTALE, "%s is not as it was any more", m->key);
}

static int in_the_way(const struct seen *s, struct err *err) {
	CLEANUP_FREE char *what = seen_text(s);
	return err_set(err, -EEXIST, "%s", what);
}

static int plan_reverse(struct skydns_change *c, const struct skydns_place *p, const struct seen *s, const char *key) {
	if (s && !is_of(s, key)) {
		if (!s->ours && !c->left)
			c->left = seen_text(s);
		return 0;
	}
	compare(c, p->key, s ? s->revision : 0);
	write_key(c, p->key, p->value);
	return 0;
}

static int plan_place(struct skydns_change *c, const struct skydns_view *v, const char *key, const struct skydns_place *p,
		      struct err *err) {
	const struct seen *s = view_at(v, p->key);
	const struct skydns_mark *m = skydns_mark_of(&c->was, p->key);

	if (s && m && s->revision == m->revision) { /* compared already */
		write_key(c, p->key, p->value);
		return 0;
	}
	if (p->reverse)
		return plan_reverse(c, p, s, key);
	if (s && is_of(s, key))
		return err_set(err, -ESTALE, "%s is there already", p->key);
	if (s)
		return in_the_way(s, err);
	compare(c, p->key, 0);
	write_key(c, p->key, p->value);
	return 0;
}

/* A leaf there would no longer be answered once there is one below it. */
static int plan_service(struct skydns_change *c, const struct skydns_view *v, const char *service, struct err *err) {
	c->service_key = skydns_service_key(v->layout, service);
	const struct seen *s = view_at(v, c->service_key);
	if (s)
		return skydns_mark_of(&c->was, c->service_key) ? 0 : in_the_way(s, err);
	compare(c, c->service_key, 0);
	return 0;
}

/* Of its own there is more than it is compared with: whoever compared did not know, and would leave it. A version that is full
 * leaves some in any case. */
static int plan_others(const struct skydns_change *c, const struct skydns_view *v, const char *key, struct err *err) {
	for (size_t i = 0; i < v->n && c->was.n < SKYDNS_VERSION_MAX; i++) {
		const struct seen *s = &v->all[i];
		if (is_of(s, key) && !skydns_mark_of(&c->was, s->key) && !skydns_place_at(&c->places, s->key))
			return err_set(err, -ESTALE, "%s is there too", s->key);
	}
	return 0;
}

static int plan_with(struct skydns_change *c, const struct skydns_view *v, const char *key, const struct discovery_entry *wanted,
		     struct err *err) {
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->was.n; i++)
		r = plan_mark(c, v, key, !wanted, &c->was.v[i], err);
	if (r == 0 && wanted)
		r = plan_service(c, v, wanted->service, err);
	for (size_t i = 0; r == 0 && i < c->places.n; i++)
		r = plan_place(c, v, key, &c->places.v[i], err);
	return r == 0 ? plan_others(c, v, key, err) : r;
}

int skydns_plan(struct skydns_view *v, const char *key, const struct discovery_entry *wanted, const char *was_version,
		struct skydns_change *ret, struct err *err) {
	*ret = (struct skydns_change){0};
	int r = wanted ? skydns_check(wanted, err) : 0;
	if (r < 0)
		return r;
	if (was_version && !skydns_version_read(was_version, &ret->was))
		return err_set(err, -ESTALE, "what it is compared with is no version of its");
	if (wanted)
		skydns_places_fill(v->layout, wanted, &ret->places);
	sort(v);
	return plan_with(ret, v, key, wanted, err);
}

void skydns_change_clear(struct skydns_change *c) {
	skydns_marks_clear(&c->was);
	skydns_places_clear(&c->places);
	free(c->service_key);
	free(c->left);
	*c = (struct skydns_change){0};
}

char *skydns_change_version(const struct skydns_change *c, int64_t revision) {
	struct skydns_marks marks = {0};

	for (size_t i = 0; i < c->n_writes; i++)
		if (c->writes[i].value)
			skydns_marks_add(&marks, c->writes[i].key, revision);
	char *version = skydns_version(&marks);
	skydns_marks_clear(&marks);
	return version;
}
