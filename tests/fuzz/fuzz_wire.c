/* What agents and managers send, into every shape: what is taken must be written and read again the same. */
#include "base/json.h"
#include "net/wire/message.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct wire_shape *const shapes[] = {
	&wire_confirm_order_shape, &wire_quarantine_order_shape, &wire_owners_order_shape,      &wire_verify_order_shape,
	&wire_isolate_order_shape, &wire_witness_order_shape,    &wire_remove_task_order_shape, &wire_refusal_shape,
	&wire_status_shape,        &wire_quarantine_shape,       &wire_owner_states_shape,      &wire_verified_shape,
	&wire_cuts_shape,          &wire_reached_shape,          &wire_resolve_order_shape,     &wire_answers_shape,
};

static void try_again(const struct wire_shape *shape, const void *message) {
	CLEANUP_JSON json_t *once = wire_encode(shape, message), *twice = NULL;
	void *again = malloc(shape->size);
	struct err err;

	if (wire_decode(shape, once, true, again, &err) < 0)
		abort();
	twice = wire_encode(shape, again);
	if (!json_equal(once, twice))
		abort();
	wire_clear(shape, again);
	free(again);
}

static void try_shape(const struct wire_shape *shape, const json_t *j, bool strict) {
	void *message = malloc(shape->size);
	struct err err = {0};

	if (wire_decode(shape, j, strict, message, &err) == 0) {
		try_again(shape, message);
		wire_clear(shape, message);
	} else if (err.code == 0 || !*err.msg) {
		abort();
	}
	free(message);
}

/* The first byte chooses the shape. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	CLEANUP_JSON json_t *j = NULL;
	struct err err;

	if (size < 1 || json_parse((const char *)data + 1, size - 1, "fuzz", &j, &err) < 0)
		return 0;
	const struct wire_shape *shape = shapes[data[0] % (sizeof(shapes) / sizeof(shapes[0]))];
	try_shape(shape, j, true);
	try_shape(shape, j, false);
	return 0;
}
