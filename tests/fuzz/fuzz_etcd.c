/* What etcd answers, into every parser of it; then what stands in its keys, as SkyDNS' values, judged and planned with. */
#include "net/discovery/skydns-judge.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void plan(struct skydns_view *v, const struct discovery_found *f, const struct discovery_entry *wanted) {
	struct skydns_change change;
	struct err err;

	if (skydns_plan(v, f->entry.key, wanted, f->version, &change, &err) == 0 && change.n_writes > 0) {
		const struct etcd_txn txn = {.compares = change.compares,
					     .n_compares = change.n_compares,
					     .writes = change.writes,
					     .n_writes = change.n_writes};
		CLEANUP_FREE char *body = etcd_txn_body(&txn);
		CLEANUP_FREE char *version = skydns_change_version(&change, 7);
		assert(body && version);
	}
	skydns_change_clear(&change);
}

static void judge(const struct skydns_layout *l, struct etcd_kvs *kvs) {
	const struct discovery_entry web = {.key = (char[]){"h1-1"},
					    .workload = (char[]){"prod/a"},
					    .service = (char[]){"web"},
					    .address = (char[]){"10.20.0.50"},
					    .address6 = (char[]){"fd00::50"}};
	const struct discovery_entry *wanted = &web;
	struct skydns_view *v = skydns_view_new(l);
	struct discovery_found *found;
	size_t n;

	skydns_view_add(v, kvs);
	skydns_judge(v, &wanted, 1, NULL, &found, &n);
	for (size_t i = 0; i < n; i++) {
		assert(found[i].version && found[i].entry.key);
		assert(found[i].foreign || skydns_check(&found[i].entry, NULL) == 0);
		plan(v, &found[i], NULL);
		plan(v, &found[i], found[i].foreign ? &web : &found[i].entry);
		discovery_found_clear(&found[i]);
	}
	free(found);
	skydns_view_free(v);
}

/* As the value of each place where one might stand. */
static void judge_value(const struct skydns_layout *l, const char *value, size_t n) {
	static const char *const places[] = {"/skydns/arpa/in-addr/10/20/0/50", "/skydns/local/svc/web",
					     "/skydns/local/svc/web/h1-1", "/skydns/local/svc/web/h1-1-6"};
	const size_t count = sizeof(places) / sizeof(places[0]);
	struct etcd_kvs kvs = {.v = xnew_n(struct etcd_kv, count), .n = count, .cap = count};

	for (size_t i = 0; i < count; i++)
		kvs.v[i] = (struct etcd_kv){.key = xstrdup(places[i]),
					    .key_len = strlen(places[i]),
					    .value = memcpy(xcalloc(1, n + 1), value, n),
					    .value_len = n,
					    .mod_revision = (int64_t)i + 1};
	judge(l, &kvs);
}

static void parse_answers(const struct skydns_layout *l, const char *text, size_t n) {
	const struct etcd_kv from = {.key = (char[]){"/skydns/"}, .key_len = strlen("/skydns/")};
	struct strs keys = {0};
	struct etcd_page page;
	CLEANUP_FREE char *token = NULL;
	bool succeeded;
	int64_t revision;
	struct err err;

	if (etcd_range_parse(text, n, &from, "/skydns0", &page, &err) == 0)
		judge(l, &page.kvs);
	strs_add(&keys, "/skydns/local/svc/web/h1-1");
	if (etcd_get_parse(text, n, &keys, &page, &err) == 0)
		judge(l, &page.kvs);
	strs_clear(&keys);
	(void)etcd_txn_parse(text, n, &succeeded, &revision, &err); /* only that nothing breaks is looked at */
	(void)etcd_token_parse(text, n, &token, &err);
	(void)etcd_error_parse(500, text, n, "token", &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	CLEANUP_FREE char *text = xcalloc(1, size + 1);
	struct skydns_layout layout;
	struct skydns_marks marks;
	struct err err;

	if (size > 0)
		memcpy(text, data, size);
	if (skydns_layout_init(&layout, "/skydns", "svc.local", "prod", &err) < 0)
		return 0;
	layout.reverse = true;
	parse_answers(&layout, text, size);
	judge_value(&layout, text, size);
	if (skydns_version_read(text, &marks))
		skydns_marks_clear(&marks);
	skydns_layout_clear(&layout);
	return 0;
}
