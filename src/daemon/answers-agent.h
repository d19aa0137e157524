/* What a node's agent says of its kernel, as yes, no and not known. Pure, as answers.h; the simulator's agents are judged by these
 * too. */
#ifndef DAEMON_ANSWERS_AGENT_H
#define DAEMON_ANSWERS_AGENT_H

#include "base/buf.h"
#include "net/wire/agent-client.h"
#include "resched/effect.h"

/* Outcome and detail of one order; what it says besides is judged by one of the next two. */
struct effect_result answer_agent(const struct agent_result *result);

/* REPAIR: right when every row is, and nobody else keeps changing one. In words into detail, which `ret` borrows. */
void answer_repaired(const struct wire_owner_states *states, struct effect_result *ret, struct buf *detail);
/* PROVE: as above; `here` and `answered` are NO as soon as one address says so, and UNKNOWN while none says anything. */
void answer_proved(const struct wire_owner_states *states, struct effect_result *ret, struct buf *detail);

#endif
