/* `heir verify`: for every managed address what the ledger says, what its engine says, and what each agent's kernel does. */
#ifndef DAEMON_VERIFY_H
#define DAEMON_VERIFY_H

#include "daemon/daemon.h"

/* Answers the call when every agent has answered or is given up. repair: what differs is made right first, and looked at again. */
void verify_begin(struct daemon *d, struct http_call *call, bool repair);
/* At the end: what is not answered yet gets its answer now. Before the agents are freed. */
void verify_close(struct daemon *d);

#endif
