/* POST /v1/owners. */
#include "agent/order.h"

#include "agent/keeper.h"
#include "agent/owners-internal.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct owner *owners_from_wire(const struct wire_owners *owners) {
	struct owner *values = xnew_n(struct owner, owners->n);

	for (size_t i = 0; i < owners->n; i++)
		values[i] = owner_from_wire(&owners->v[i]);
	return values;
}

static struct strs take_strs(struct strs *s) {
	struct strs taken = *s;
	*s = (struct strs){0};
	return taken;
}

struct wire_owner_state owner_state_of(const struct wire_owner *asked, struct rows_result *result) {
	return (struct wire_owner_state){
		.network_id = xstrdup(asked->network_id),
		.mac = xstrdup(asked->mac),
		.joined = result->joined,
		.before = take_strs(&result->before),
		.after = take_strs(&result->after),
		.changed = (int64_t)result->changed,
		.right = result->right,
		.error = TAKE_PTR(result->error),
	};
}

/* ---- owners ---- */

/* Of an owner that is not known any more only that it is to be forgotten is. */
static struct owner forgotten_of(const struct keeper *keeper, const struct wire_endpoint *e) {
	struct mac mac = {{0}};

	(void)mac_parse(e->mac, &mac, NULL); /* checked by the message */
	const struct owner *known = keeper_find(keeper, e->network_id, &mac);
	return known ? owner_copy(known) : (struct owner){.network_id = xstrdup(e->network_id), .mac = mac};
}

/* The keeper has them before the kernel does: what changes meanwhile is mended after this order, and not lost. */
static void before_owners(struct order *o) {
	struct keeper *keeper = o->service->keeper;

	o->n_forgotten = o->owners->forget.n;
	o->forgotten = xnew_n(struct owner, o->n_forgotten);
	for (size_t i = 0; i < o->n_forgotten; i++) {
		o->forgotten[i] = forgotten_of(keeper, &o->owners->forget.v[i]);
		keeper_forget(keeper, o->forgotten[i].network_id, &o->forgotten[i].mac);
	}
	o->values = owners_from_wire(&o->owners->owners);
	o->n_values = o->owners->owners.n;
	for (size_t i = 0; i < o->n_values; i++)
		keeper_set(keeper, &o->values[i]);
}

bool order_refresh(struct order *o, struct kernel *kernel) {
	if (kernel_refresh(kernel, &o->err) == 0 || kernel->scene.n > 0)
		return true;
	order_fail(o, 503);
	return false;
}

static void forget(struct order *o, struct kernel *kernel) {
	struct rows_result *results = xnew_n(struct rows_result, o->n_forgotten);

	rows_work(&kernel->scene, kernel->host.netns_dir, ROWS_FORGET, o->forgotten, o->n_forgotten, results);
	rows_results_free(results, o->n_forgotten); /* what stays is seen by verify */
}

static void work_owners(struct order *o, struct kernel *kernel) {
	const struct wire_owners *asked = &o->owners->owners;

	if (!order_refresh(o, kernel))
		return;
	if (o->n_forgotten > 0)
		forget(o, kernel);
	struct rows_result *results = xnew_n(struct rows_result, o->n_values);
	rows_work(&kernel->scene, kernel->host.netns_dir, ROWS_MEND, o->values, o->n_values, results);
	wire_list_alloc(&o->answer.states.owners, asked->n);
	for (size_t i = 0; i < asked->n; i++)
		o->answer.states.owners.v[i] = owner_state_of(&asked->v[i], &results[i]);
	rows_results_free(results, o->n_values);
}

static char *subject_of(const char *network_id, const char *mac) { return xasprintf("%s/%s", network_id, mac); }

static bool is_about_late(const struct order *o, const char *network_id, const char *mac) {
	char *subject CLEANUP_FREE = subject_of(network_id, mac);
	return sequence_is_late(&o->service->sequence, o->envelope->epoch, subject, o->owners->order);
}

static void note(struct order *o, const char *network_id, const char *mac) {
	char *subject CLEANUP_FREE = subject_of(network_id, mac);
	sequence_note(&o->service->sequence, o->envelope->epoch, subject, o->owners->order);
}

/* One of them is enough: what the others are is told again. */
static bool is_late(struct order *o) {
	const struct wire_owners_order *order = o->owners;

	for (size_t i = 0; i < order->owners.n; i++)
		if (is_about_late(o, order->owners.v[i].network_id, order->owners.v[i].mac))
			return true;
	for (size_t i = 0; i < order->forget.n; i++)
		if (is_about_late(o, order->forget.v[i].network_id, order->forget.v[i].mac))
			return true;
	for (size_t i = 0; i < order->owners.n; i++)
		note(o, order->owners.v[i].network_id, order->owners.v[i].mac);
	for (size_t i = 0; i < order->forget.n; i++)
		note(o, order->forget.v[i].network_id, order->forget.v[i].mac);
	return false;
}

const struct order_kind order_owners = {.message = &wire_owners_order_shape,
					.answer = &wire_owner_states_shape,
					.is_late = is_late,
					.before = before_owners,
					.work = work_owners};
