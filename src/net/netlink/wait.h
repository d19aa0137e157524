/* Waiting for one descriptor, whatever signals come. Blocks. */
#ifndef NETLINK_WAIT_H
#define NETLINK_WAIT_H

#include "base/mono.h"

/* events: poll(2)'s. 1: ready, 0: the time is over, else a negative errno. A deadline that has passed still looks once. */
int wait_for(int fd, short events, struct mono deadline);

#endif
