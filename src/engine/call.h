/* Inside src/engine: how a call is made. A call has up to two stages: GET /version while the engine's API is not known (or when its
 * answer is wanted), then the request itself under /v1.NN. */
#ifndef ENGINE_CALL_H
#define ENGINE_CALL_H

#include "engine/engine.h"

struct engine {
	struct http_client *client;
	char *name, *url;
	char *base;        /* "http://10.0.0.1:2375" */
	char *unix_socket; /* NULL: TCP */
	bool tls;
	struct http_tls files; /* owned strings */
	int api;               /* spoken: 41; 0 unknown */
	int engine_api;        /* the newest that the engine speaks */
	struct engine_call *calls;

	struct http_request *ping;
	struct engine_cb ping_cb;
};

struct engine_answer {
	struct engine_result result;
	union {
		struct engine_info info;
		struct engine_container container;
		struct engine_network network;
		struct engine_image image;
		struct engine_swarm_node node;
		struct engine_swarm swarm;
		struct engine_entry *entries;
		struct engine_network *networks;
		struct engine_image *images;
		struct engine_task *tasks;
		struct engine_swarm_node *nodes;
	} as;
};

struct engine_op {
	const char *method;
	bool changes;      /* not to be repeated */
	bool want_version; /* result.body becomes {"Info": answer, "Version": …} */
	bool secret;       /* the JSON is not handed on */
	bool progress;     /* the answer is a progress stream */
	int seconds;       /* default deadline; 0: none */
	/* result.body → as, and the pointers of result. NULL: no answer is expected. */
	int (*read)(struct engine_answer *a, struct err *err);
	void (*clear)(struct engine_answer *a); /* what read made */
};

struct engine_stream {
	http_response_fn *on_response; /* 2xx only */
	http_data_fn *on_data;
	http_source_fn *source;
	void *ctx;
	size_t buffer_size;
	bool keepalive;
};

struct engine_request {
	const struct engine_op *op;
	char *path;       /* owned: "/containers/json?all=1"; NULL: nothing can be asked, e.g. for an empty name */
	char *body;       /* owned; NULL: none */
	char *header;     /* owned; NULL: none */
	const char *type; /* Content-Type of a body; NULL: application/json */
	struct engine_stream stream;
};

struct engine_call *engine_call_start(struct engine *e, struct engine_request request, struct engine_cb cb);
void engine_call_pause(struct engine_call *call);
void engine_call_resume(struct engine_call *call);

/* Fills what goes to the engine's URL; the caller adds its own. */
void engine_set_up_http(const struct engine *e, struct http_options *o);

/* Text from outside made fit for an error: cut, control characters escaped. New string. */
char *engine_quote(const char *text);

/* json_parse whose error never quotes the text: a secret may stand there. */
int engine_parse_json(const char *text, size_t n, json_t **ret, struct err *err);

/* The verdict on an answered status: 0 for 2xx and 304; else sets REFUSED (with the engine's message) or BAD. */
int engine_judge_status(const struct http_result *http, struct engine_result *result);

/* ops that other files of this folder start themselves */
extern const struct engine_op engine_op_events, engine_op_save, engine_op_load;

struct buf;
/* Percent-encodes all but unreserved characters and those in keep. */
void engine_put_escaped(struct buf *b, const char *text, const char *keep);

#endif
