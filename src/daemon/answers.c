/* See answers.h. */
#include "daemon/answers.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "engine/spec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum refusal answer_refusal(int status, const char *message) {
	static const struct {
		const char *part;
		enum refusal means;
	} signs[] = {
		{"port is already allocated", REFUSAL_PORT_TAKEN},
		{"address already in use", REFUSAL_PORT_TAKEN}, /* the proxy's bind */
		{"attaching to network failed", REFUSAL_ADDRESS_TAKEN},
		{"Address already in use", REFUSAL_ADDRESS_TAKEN}, /* the address manager's */
		{"is already in use by container", REFUSAL_NAME_TAKEN},
		{"Conflict. The container name", REFUSAL_NAME_TAKEN},
		{"No such image", REFUSAL_NO_IMAGE},
		{"No such container", REFUSAL_NO_SUCH},
		{"could not find a network matching", REFUSAL_PASSING},
		{"network not found", REFUSAL_PASSING},
	};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (strstr(message, signs[i].part))
			return signs[i].means;
	/* "network <ID> not found", as a worker says that has just dropped it */
	if (status == 404 && strstr(message, "network ") && strstr(message, " not found"))
		return REFUSAL_PASSING;
	return REFUSAL_OTHER;
}

/* ---- one call ---- */

static struct effect_result plain(const struct answer_said *said) {
	static const enum effect_outcome outcomes[] = {
		[ENGINE_OK] = EFFECT_OK,           [ENGINE_REFUSED] = EFFECT_REFUSED, [ENGINE_NOT_SENT] = EFFECT_NOT_DONE,
		[ENGINE_UNKNOWN] = EFFECT_UNKNOWN, [ENGINE_BAD] = EFFECT_UNKNOWN,
	};
	static_assert(sizeof(outcomes) / sizeof(outcomes[0]) == ENGINE_OUTCOME_MAX, "every outcome is translated");
	struct effect_result r = {.outcome = outcomes[said->outcome]};

	if (said->outcome == ENGINE_OK)
		return r;
	r.detail = said->message;
	if (said->outcome == ENGINE_REFUSED)
		r.refusal = answer_refusal(said->status, said->message);
	return r;
}

struct effect_result answer_inspected(const struct engine_container *c, const struct world_net *nets) {
	const char *generation = engine_container_label(c, SPEC_LABEL_GENERATION);
	bool runs = c->running || c->paused || c->restarting;

	return (struct effect_result){
		.outcome = EFFECT_OK,
		.found = true,
		.running = runs,
		.started = runs || strcmp(c->status, "created") != 0,
		.container = c->id,
		.name = c->name,
		.workload = engine_container_label(c, SPEC_LABEL_WORKLOAD),
		.takeover = engine_container_label(c, SPEC_LABEL_TAKEOVER),
		.generation = generation ? (unsigned)strtoul(generation, NULL, 10) : 0,
		.nets = nets,
		.n_nets = c->n_networks,
	};
}

/* A missing one was looked for and not found: that is an answer. */
static struct effect_result not_inspected(const struct answer_said *said) {
	return said->status == 404 ? (struct effect_result){.outcome = EFFECT_OK} : plain(said);
}

static struct effect_result renamed(const struct answer_said *said) {
	struct effect_result r = plain(said);

	if (said->status == 400 && strstr(said->message, "same name"))
		return (struct effect_result){.outcome = EFFECT_OK};
	if (said->status == 409)
		r.refusal = REFUSAL_NAME_TAKEN;
	return r;
}

static struct effect_result removed(const struct answer_said *said) {
	struct effect_result r = plain(said);

	if (said->status == 409)
		r.refusal = REFUSAL_RUNNING; /* or it is being removed already: looked at again either way */
	return r;
}

/* 500 "is not connected", or the network is not even known here: it was so already. */
static struct effect_result disconnected(const struct answer_said *said) {
	bool gone = strstr(said->message, "is not connected to") ||
		    (strstr(said->message, "network ") && strstr(said->message, " not found"));

	return gone ? (struct effect_result){.outcome = EFFECT_OK} : plain(said);
}

struct effect_result answer_to(enum effect_kind kind, const struct answer_said *said) {
	static struct effect_result (*const refused[EFFECT_KIND_MAX])(const struct answer_said *) = {
		[EFFECT_INSPECT] = not_inspected,
		[EFFECT_RENAME] = renamed,
		[EFFECT_DISCONNECT] = disconnected,
		[EFFECT_REMOVE] = removed,
	};

	return said->outcome == ENGINE_REFUSED && refused[kind] ? refused[kind](said) : plain(said);
}

/* Half made is not made: where it may still be there the machine looks, and sees by the missing network that it is not what it
 * asked for. */
struct effect_result answer_create_undone(const struct answer_said *removal) {
	return (struct effect_result){.outcome = removal->outcome == ENGINE_OK ? EFFECT_REFUSED : EFFECT_UNKNOWN,
				      .detail = "a network could not be connected to the staged container"};
}

/* ---- images ---- */

static enum image_move stop(struct effect_result *ret, struct effect_result why) {
	*ret = why;
	return IMAGE_STOP;
}

enum image_move answer_image_looked(const struct effect *e, size_t tried, const struct answer_said *said,
				    struct effect_result *ret) {
	if (said->outcome == ENGINE_OK)
		return IMAGE_DONE;
	if (said->outcome != ENGINE_REFUSED || tried > e->sources.n)
		return stop(ret, plain(said));
	return IMAGE_NEXT;
}

enum image_move answer_image_moved(const struct effect *e, size_t tried, const struct answer_said *said,
				   struct effect_result *ret) {
	if (said->outcome == ENGINE_OK)
		return IMAGE_LOOK;
	return tried > e->sources.n ? stop(ret, plain(said)) : IMAGE_NEXT;
}

enum image_move answer_image_source(const struct effect *e, size_t i, struct effect_result *ret) {
	if (i < e->sources.n)
		return IMAGE_COPY;
	if (e->image && strncmp(e->image, "sha256:", 7) != 0)
		return IMAGE_PULL;
	return stop(ret, (struct effect_result){.outcome = EFFECT_REFUSED,
						.refusal = REFUSAL_NO_IMAGE,
						.detail = "no live engine gave the image, and it has no name to pull"});
}

const char *answer_image_ref(const struct effect *e, const struct engine_image *image) {
	char *latest CLEANUP_FREE = e->image ? xasprintf("%s:latest", e->image) : NULL;
	bool named = e->image &&
		     (strs_has(&image->tags, e->image) || strs_has(&image->digests, e->image) || strs_has(&image->tags, latest));

	return named ? e->image : image->id;
}

/* ---- overlays ---- */

struct effect_result answer_overlay(const struct overlay_result *result) {
	static const enum effect_outcome outcomes[] = {
		[OVERLAY_OK] = EFFECT_OK,           [OVERLAY_REFUSED] = EFFECT_REFUSED,
		[OVERLAY_MISSING] = EFFECT_REFUSED, [OVERLAY_NOT_DONE] = EFFECT_NOT_DONE,
		[OVERLAY_UNKNOWN] = EFFECT_UNKNOWN,
	};
	static const enum holder holders[] = {
		[OVERLAY_HOLDER_UNKNOWN] = HOLDER_UNKNOWN, [OVERLAY_HOLDER_NONE] = HOLDER_NONE,
		[OVERLAY_HOLDER_COPY] = HOLDER_COPY,       [OVERLAY_HOLDER_OWN] = HOLDER_OWN,
		[OVERLAY_HOLDER_OTHER] = HOLDER_OTHER,
	};

	return (struct effect_result){
		.outcome = outcomes[result->outcome],
		.refusal = result->outcome == OVERLAY_MISSING ? REFUSAL_MISSING : REFUSAL_OTHER,
		.detail = result->detail,
		.holder = holders[result->holder],
		.by_node_removal = result->by_node_removal,
	};
}
