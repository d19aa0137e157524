/* Inside src/net/overlay: the call that every operation embeds as its first member. It asks one question at a time and goes on from
 * the answer, so an operation reads as a chain of small functions; what runs in parallel keeps its own list of questions.
 *
 * Steps and answers run on the loop and end in exactly one of: another question, overlay_later, overlay_finish. */
#ifndef NET_OVERLAY_OVERLAY_INTERNAL_H
#define NET_OVERLAY_OVERLAY_INTERNAL_H

#include "base/buf.h"
#include "net/overlay/overlay.h"

#include <uv.h>

typedef void overlay_step_fn(struct overlay_call *call);
typedef void overlay_answer_fn(struct overlay_call *call, const struct engine_result *result);
typedef struct engine_call *overlay_send_fn(struct overlay_call *call, struct engine *engine, struct engine_cb cb);

struct overlay_note;

struct overlay_call {
	struct overlay_cluster *cluster;
	overlay_done_fn *done;
	void *ctx;
	overlay_step_fn *clear; /* frees what the operation owns, its parallel questions too */
	struct mono started, deadline;
	bool finishing;
	struct buf detail;

	uv_timer_t timer;
	overlay_step_fn *on_timer;

	struct engine_call *asked;
	overlay_answer_fn *on_answer;
	overlay_send_fn *send; /* to the managers, one after the other */
	struct strs tried;
	bool open; /* one of them may have done it */

	struct overlay_note *note;
	void (*on_written)(struct overlay_call *call, int result);
};

/* size: of the structure that embeds it. first runs at the loop's next turn. */
void *overlay_call_new(size_t size, struct overlay_cluster *c, struct span deadline, overlay_done_fn *done, void *ctx,
		       overlay_step_fn *clear, overlay_step_fn *first);

struct span overlay_time_left(const struct overlay_call *call); /* never 0, which would be none */
bool overlay_is_late(const struct overlay_call *call);
struct span overlay_at_most(const struct overlay_call *call, struct span bound);

void overlay_later(struct overlay_call *call, struct span delay, overlay_step_fn *step);
void overlay_ask(struct overlay_call *call, struct engine *engine, struct span bound, overlay_send_fn *send,
		 overlay_answer_fn *on_answer);

/* Asks the managers in turn until one says yes or a no that any other would repeat. A manager that waits for a leader hangs for 25
 * s: it gets a few seconds, the last one the rest. When none answers, on_answer gets NOT_SENT, or UNKNOWN if one may have done it.
 */
void overlay_ask_managers(struct overlay_call *call, overlay_send_fn *send, overlay_answer_fn *on_answer);

void overlay_remember(struct overlay_call *call, const char *node, const json_t *record,
		      void (*on_written)(struct overlay_call *call, int result));

/* Adds "; …" to what the result will say. */
void overlay_say(struct overlay_call *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The call is gone afterwards. Its detail is what was said. */
void overlay_finish(struct overlay_call *call, struct overlay_result result);
void overlay_fail(struct overlay_call *call, enum overlay_outcome outcome, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What an ask says of its addresses, as an operation keeps it: the same, with owned strings. Free by overlay_addresses_free. */
struct overlay_address *overlay_addresses_copy(const struct overlay_ask *ask);
void overlay_addresses_free(struct overlay_address *list, size_t n);
/* Of two holders the one that keeps the new container waiting longer. */
bool overlay_holder_is_worse(enum overlay_holder a, enum overlay_holder b);

bool overlay_is_yes(const struct engine_result *result);
bool overlay_is_gone(const struct engine_result *result); /* 404 */
/* The engine's words of a refusal are `words`, or hold them. */
bool overlay_refused_with(const struct engine_result *result, const char *words);

#endif
