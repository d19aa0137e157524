/* What the answers of engines and overlays mean for the effect that asked. Pure: heird's runner and the simulator go by these. What
 * engines say is collected in docs/engine-facts.md. */
#ifndef DAEMON_ANSWERS_H
#define DAEMON_ANSWERS_H

#include "engine/engine.h"
#include "net/overlay/overlay.h"
#include "resched/effect.h"

/* What came of one call. */
struct answer_said {
	enum engine_outcome outcome;
	int status;          /* HTTP's; 0 when there is none */
	const char *message; /* unless OK; becomes the result's detail */
};

/* Why an engine refused. */
enum refusal answer_refusal(int status, const char *message);

/* The result of an effect that is one call, or ends with this one. Of INSPECT: only what an engine says that has no such container;
 * of DISCONNECT: of one network, OK also when the container was not connected to it. */
struct effect_result answer_to(enum effect_kind kind, const struct answer_said *said);

/* INSPECT found it. Borrows from both; nets: its endpoints (translate_endpoints). */
struct effect_result answer_inspected(const struct engine_container *c, const struct world_net *nets);

/* A further network could not be connected to what was created, and this came of its removal. */
struct effect_result answer_create_undone(const struct answer_said *removal);

/* ---- IMAGE: from what is there, from each live engine that has it, then from its registry ---- */

enum image_move {
	IMAGE_LOOK, /* is it there (now)? */
	IMAGE_NEXT, /* the next source: answer_image_source */
	IMAGE_COPY, /* from that source; where it does not have it after all, the next */
	IMAGE_PULL,
	IMAGE_DONE, /* answer_image_ref is what to call it */
	IMAGE_STOP, /* the result is filled */
};

/* tried: how many sources were begun with; the registry is the one after the last. */
enum image_move answer_image_looked(const struct effect *e, size_t tried, const struct answer_said *said,
				    struct effect_result *ret);
enum image_move answer_image_moved(const struct effect *e, size_t tried, const struct answer_said *said, struct effect_result *ret);
enum image_move answer_image_source(const struct effect *e, size_t i, struct effect_result *ret);
/* By its name where it has it, else by its ID. */
const char *answer_image_ref(const struct effect *e, const struct engine_image *image);

/* ---- READY, RELEASE, HOLDERS, RESTORE ---- */

struct effect_result answer_overlay(const struct overlay_result *result);

#endif
