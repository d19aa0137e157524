/* One Docker Engine API endpoint. Every call is asynchronous: it returns at once, and its callback runs later on the loop, exactly
 * once, never inside the call that made it. The API version is negotiated by the first call and again after the engine was lost.
 *
 * A call's object lives until its callback has returned; engine_call_free before that cancels it and no callback follows (inside
 * its own callback it does nothing). engine_free cancels all that is outstanding: the calls' pointers are gone then, and no
 * callback follows. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mono.h"
#include "engine/container.h"
#include "engine/parse.h"
#include "http/client.h"

#include <jansson.h>
#include <stdbool.h>

#define ENGINE_API_NEWEST 51 /* 1.51: newer engines are spoken to in this one */
#define ENGINE_API_OLDEST 40
#define ENGINE_BODY_MAX ((size_t)32 << 20)
#define ENGINE_LINE_MAX ((size_t)1 << 20) /* one line of an event or progress stream */

enum engine_outcome {
	ENGINE_OK,       /* 2xx, or 304: it was so already */
	ENGINE_REFUSED,  /* the engine said no, with an HTTP error: status and message are in the result */
	ENGINE_NOT_SENT, /* the request did not leave: no effect */
	ENGINE_UNKNOWN,  /* sent, and no complete answer: it may have taken effect; look before doing it again */
	ENGINE_BAD,      /* the answer is unusable (HTML, cut JSON, wrong types, too large); of a change: as ENGINE_UNKNOWN */
	ENGINE_OUTCOME_MAX,
};

/* "ok", "refused", "not-sent", "unknown", "bad" */
const char *engine_outcome_name(enum engine_outcome outcome);
/* UNKNOWN and BAD: a change that ended so may have taken effect. */
bool engine_outcome_is_open(enum engine_outcome outcome);

/* Everything in it is borrowed and valid during the callback only; json_incref(body) keeps the JSON. */
struct engine_result {
	enum engine_outcome outcome;
	int status;     /* HTTP's; 0 when there is none */
	json_t *body;   /* the answer when OK and there is one, else NULL */
	struct err err; /* unless OK: "h2: GET /containers/json: 10.0.0.2:2375: Connection refused" */

	/* Set when OK, by the operation that answers with it; else NULL. */
	const char *id; /* of what was created */
	const struct engine_info *info;
	const struct engine_container *container;
	const struct engine_network *network;
	const struct engine_image *image;
	const struct engine_swarm_node *node;
	const struct engine_swarm *swarm;
	const struct engine_entry *entries; /* lists: n elements */
	const struct engine_network *networks;
	const struct engine_image *images;
	const struct engine_task *tasks;
	const struct engine_swarm_node *nodes;
	size_t n;
};

typedef void engine_done_fn(void *ctx, const struct engine_result *result);

struct engine_cb {
	engine_done_fn *fn; /* NULL: nobody wants to know */
	void *ctx;
	struct span deadline; /* of everything, negotiation included; 0: the operation's own */
};

struct engine;
struct engine_call;

/* name is for errors and logs. url: "tcp://host:port" (https when tls is given), "unix:///path", "http://…", "https://…".
 * tls: NULL for plain; its strings are copied. -EINVAL with the reason for an unusable URL. */
int engine_new(struct http_client *client, const char *name, const char *url, const struct http_tls *tls,
	       struct engine **ret_engine, struct err *err);
void engine_free(struct engine *e);
CLEANUP_DEFINE(engine, struct engine, engine_free)

const char *engine_name(const struct engine *e);
const char *engine_url(const struct engine *e);
/* 41 for 1.41; 0 when not negotiated yet or the engine was lost since. */
int engine_api(const struct engine *e);
/* The next call negotiates again. Pings and event streams that fail do this by themselves. */
void engine_forget_api(struct engine *e);

void engine_call_free(struct engine_call *call);
CLEANUP_DEFINE(engine_call, struct engine_call, engine_call_free)

/* The heartbeat: GET /_ping on a handle of its own, which keeps its connection. cb.deadline 0: 1 s. One at a time: -EBUSY while one
 * is under way. OK means that an engine answered "OK". */
int engine_ping(struct engine *e, struct engine_cb cb, struct err *err);
void engine_ping_cancel(struct engine *e);

/* GET /version and /info. body: {"Info": …, "Version": …}; info. */
struct engine_call *engine_get_info(struct engine *e, struct engine_cb cb);

/* Containers. `id` is an ID or a name wherever it stands. */
struct engine_call *engine_list_containers(struct engine *e, struct engine_cb cb); /* all, stopped too: entries */
struct engine_call *engine_inspect_container(struct engine *e, const char *id,
					     struct engine_cb cb); /* body, container; 404: REFUSED */
struct engine_call *engine_create_container(struct engine *e, const char *name, const json_t *body,
					    struct engine_cb cb); /* id; body may hold warnings */
struct engine_call *engine_start_container(struct engine *e, const char *id, struct engine_cb cb);
/* seconds until SIGKILL; negative: the container's own. */
struct engine_call *engine_stop_container(struct engine *e, const char *id, int seconds, struct engine_cb cb);
struct engine_call *engine_kill_container(struct engine *e, const char *id, struct engine_cb cb);
/* Its volumes stay, always. */
struct engine_call *engine_remove_container(struct engine *e, const char *id, bool force, struct engine_cb cb);
struct engine_call *engine_rename_container(struct engine *e, const char *id, const char *name, struct engine_cb cb);
/* "no", "always", "unless-stopped", "on-failure", "on-failure:5" */
struct engine_call *engine_update_restart_policy(struct engine *e, const char *id, const char *policy, struct engine_cb cb);

/* Networks. */
struct engine_call *engine_list_networks(struct engine *e, struct engine_cb cb);                   /* networks */
struct engine_call *engine_inspect_network(struct engine *e, const char *id, struct engine_cb cb); /* body, network */
/* endpoint: an EndpointSettings object or NULL. */
struct engine_call *engine_connect_network(struct engine *e, const char *network, const char *container, const json_t *endpoint,
					   struct engine_cb cb);
/* Beware: the engine resolves the name among its own containers first. */
struct engine_call *engine_disconnect_network(struct engine *e, const char *network, const char *container, bool force,
					      struct engine_cb cb);

/* Images. A reference is "name:tag", "name@digest" or an ID. */
struct engine_call *engine_list_images(struct engine *e, struct engine_cb cb);                    /* images */
struct engine_call *engine_inspect_image(struct engine *e, const char *ref, struct engine_cb cb); /* body, image */
struct engine_call *engine_tag_image(struct engine *e, const char *ref, const char *repo, const char *tag, struct engine_cb cb);
/* Reads the progress to its end: an error in it is REFUSED. auth: X-Registry-Auth as base64url, or NULL. */
struct engine_call *engine_pull_image(struct engine *e, const char *ref, const char *auth, struct engine_cb cb);

/* Swarm; most need a manager (503 otherwise: REFUSED). */
struct engine_call *engine_list_attachments(struct engine *e, struct engine_cb cb);             /* tasks of runtime "attachment" */
struct engine_call *engine_list_nodes(struct engine *e, struct engine_cb cb);                   /* nodes */
struct engine_call *engine_inspect_node(struct engine *e, const char *id, struct engine_cb cb); /* body, node */
/* spec: engine_swarm_node.spec, changed; version: the one it was read with. */
struct engine_call *engine_update_node(struct engine *e, const char *id, int64_t version, const json_t *spec, struct engine_cb cb);
struct engine_call *engine_remove_node(struct engine *e, const char *id, bool force, struct engine_cb cb);
struct engine_call *engine_inspect_swarm(struct engine *e, struct engine_cb cb); /* swarm; body is NULL: the tokens go no further */
struct engine_call *engine_leave_swarm(struct engine *e, bool force, struct engine_cb cb);
/* body: {"ListenAddr", "AdvertiseAddr", "RemoteAddrs", "JoinToken"} */
struct engine_call *engine_join_swarm(struct engine *e, const json_t *body, struct engine_cb cb);

#endif
