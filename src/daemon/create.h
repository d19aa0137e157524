/* What an engine is asked for when a container is to be made again on it. Pure. */
#ifndef DAEMON_CREATE_H
#define DAEMON_CREATE_H

#include "engine/spec.h"
#include "resched/effect.h"

/* e: EFFECT_CREATE; inspect: as it was remembered, NULL when nothing is; api: the target's. -EINVAL, -EPERM as spec_make. */
int create_spec(const struct effect *e, const json_t *inspect, int api, const char *cluster, struct spec *ret, struct err *err);

#endif
