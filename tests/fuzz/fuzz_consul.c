/* What Consul answers, into every parser of it; what is read of our own is built and read again, and must be the same. */
#include "net/discovery/consul-internal.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not the same only where it could not have been set: see consul_check_entry. */
static void rebuild(const struct consul_service *s) {
	struct consul_services again = {0};
	struct err err;

	if (s->foreign || s->damaged || consul_check_entry(&s->entry, "prod", &err) < 0)
		return;
	CLEANUP_JSON json_t *service = consul_catalog_service(&s->entry, "prod", s->index);
	CLEANUP_JSON json_t *answer = json_pack("{s:{},s:[O]}", "Node", "Services", service);
	CLEANUP_FREE char *text = json_text(answer);
	assert(consul_parse_catalog(text, strlen(text), "prod", &again, &err) == 0);
	assert(again.n == 1 && !again.v[0].damaged && discovery_entry_equal(&again.v[0].entry, &s->entry));
	consul_services_clear(&again);
	char *registration = consul_agent_service(&s->entry, "prod", span_sec(30));
	free(registration);
}

static void check(struct consul_services *list) {
	for (size_t i = 0; i < list->n; i++) {
		const struct consul_service *s = &list->v[i];
		assert(s->service && discovery_is_label(s->entry.key));
		assert(s->foreign || s->damaged || discovery_entry_check(&s->entry, NULL) == 0);
		assert((s->content != NULL) == (s->foreign || s->damaged));
		rebuild(s);
	}
	consul_services_clear(list);
}

/* Piece by piece it is the same. */
static void read_again(const char *text, size_t size, const struct consul_services *whole) {
	struct consul_reader *r = consul_reader_new(text, size, "prod");
	struct consul_services list = {0};
	struct err err;
	int result;

	do
		result = consul_reader_go_on(r, 1, &list, &err);
	while (result > 0);
	if (whole)
		assert(result == 0 && list.n == whole->n && list.has_node == whole->has_node);
	consul_services_clear(&list);
	consul_reader_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	const char *text = (const char *)data;
	struct consul_services list = {0};
	struct strs nodes = {0};
	int64_t index = 0;
	struct err err;

	bool good = consul_parse_catalog(text, size, "prod", &list, &err) == 0;
	read_again(text, size, good ? &list : NULL);
	if (good)
		check(&list);
	if (consul_parse_agent(text, size, "prod", &list, &err) == 0)
		check(&list);
	(void)consul_parse_checks(text, size, &nodes, &err); /* only that nothing breaks is looked at */
	strs_clear(&nodes);
	if (consul_parse_txn(text, size, "token", &index, &err) == 0)
		assert(index >= 0);
	CLEANUP_FREE char *quoted = consul_quote(text, size);
	assert(strlen(quoted) <= 256);
	return 0;
}
