/* The kernel's quarantine in the words of messages. */
#ifndef AGENT_QUARANTINE_WIRE_H
#define AGENT_QUARANTINE_WIRE_H

#include "base/err.h"
#include "net/wire/message.h"

/* As the kernel has it now. Blocks. ret is to be cleared whatever comes back. */
int quarantine_read_wire(struct wire_quarantine *ret, struct err *err);

#endif
