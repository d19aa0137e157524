/* `heir drill`: what would happen if a node died now, planned by the very code that plans it then, and what would stand in the way.
 */
#ifndef DAEMON_DRILL_H
#define DAEMON_DRILL_H

#include "daemon/daemon.h"

/* Answers the call when the overlays have said whether they could let go of the addresses. Nothing is changed. */
void drill_begin(struct daemon *d, struct http_call *call, const struct daemon_node *n);
/* At the end: what is not answered yet gets its answer now. Before the engines are freed. */
void drill_close(struct daemon *d);

#endif
