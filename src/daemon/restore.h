/* What the store remembers, back into the machine: before the first turn. */
#ifndef DAEMON_RESTORE_H
#define DAEMON_RESTORE_H

#include "daemon/daemon.h"

int restore_all(struct daemon *d, struct err *err);

#endif
