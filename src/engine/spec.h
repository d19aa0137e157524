/* How a container is made again on another engine: the inspected JSON of the old one becomes the body of `POST /containers/create`
 * on the target. Config and HostConfig are kept as JSON and patched, so that fields this project has never heard of survive. Pure:
 * no engine is asked. What is in Config.Env goes into the body and nowhere else, neither into errors nor into reasons. */
#ifndef ENGINE_SPEC_H
#define ENGINE_SPEC_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/strs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPEC_LABEL_WORKLOAD "heir.workload"
#define SPEC_LABEL_GENERATION "heir.generation"
#define SPEC_LABEL_TAKEOVER "heir.takeover"
#define SPEC_LABEL_CLUSTER "heir.cluster"
#define SPEC_LABEL_IMAGE "heir.image"     /* the image as the user named it: Config.Image is pinned to an ID by every move */
#define SPEC_LABEL_VOLUMES "heir.volumes" /* "empty": may start with empty volumes */

/* What a container was assigned on one network. Texts are borrowed; NULL or "" means none. */
struct spec_address {
	const char *network;  /* its name */
	const char *ip, *ip6; /* without prefix length */
	const char *mac;      /* "02:42:0a:14:00:32" */
};

struct spec_options {
	int api; /* the target's: 41 for 1.41 */
	const char *workload, *takeover, *cluster;
	int64_t generation;
	const char *image; /* ID or digest that the target has */
	bool allow_empty_volumes;
	bool no_restart;                      /* RestartPolicy "no" instead of the configured one, until the takeover is verified */
	const struct spec_address *addresses; /* networks that are not listed keep what was configured for them */
	size_t address_count;
};

/* A network to connect between create and start: POST /networks/<network>/connect. */
struct spec_connect {
	char *network;
	json_t *endpoint; /* EndpointConfig */
};

struct spec {
	json_t *body;                 /* for POST /containers/create?name=... */
	struct spec_connect *connect; /* empty from API 1.44, where create takes every network */
	size_t connect_count;
	struct strs warnings; /* what the target's API cannot carry over; for people */
};

/* -EINVAL when the inspect JSON or an option is malformed, -EPERM with the first reason of spec_check when it may not be moved.
 * ret is filled only on success; clear it. The inspect JSON is not changed. */
int spec_make(const json_t *inspect, const struct spec_options *options, struct spec *ret, struct err *err);
void spec_clear(struct spec *s);
#define CLEANUP_SPEC CLEANUP(spec_clear)

/* What makes it impossible to make this container again on another host (appended to ret_reasons; none: it can be moved), and what
 * a target must have or a reader should know (appended to ret_notes): bind mounts, devices. Either list may be NULL.
 * Malformed JSON is a reason too. */
void spec_check(const json_t *inspect, bool allow_empty_volumes, struct strs *ret_reasons, struct strs *ret_notes);

#endif
