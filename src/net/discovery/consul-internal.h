/* What the files of the Consul system share. */
#ifndef DISCOVERY_CONSUL_INTERNAL_H
#define DISCOVERY_CONSUL_INTERNAL_H

#include "base/buf.h"
#include "base/json.h"
#include "net/discovery/consul.h"
#include "net/discovery/secret.h"

#include <uthash.h>

#define CONSUL_ENTRY_MAX ((size_t)1 << 20) /* an answer about one entry */
#define CONSUL_LIST_MAX ((size_t)64 << 20) /* an answer about all of a node's */
#define CONSUL_SERVICES_MAX 200000         /* instances in one answer */
#define CONSUL_NODES_MAX 4096              /* nodes whose agents have entries of ours */

struct consul;

/* ---- consul-build.c, consul-read.c: bodies. Pure ---- */

/* One service instance of an answer. */
struct consul_service {
	struct discovery_entry entry; /* of a foreign one the key only, of a damaged one whose it is; workload never NULL then */
	bool foreign, damaged;
	char *content; /* of those two, for people; NULL */
	char *service; /* what Consul calls it; never NULL */
	int64_t index; /* ModifyIndex; 0: an agent's answer has none */
};

struct consul_services {
	struct consul_service *v;
	size_t n;
	bool has_node; /* Consul has the node that was asked about */
};

void consul_service_clear(struct consul_service *s);
void consul_services_clear(struct consul_services *s);

/* /v1/catalog/node-services/<node> and /v1/agent/services. Those without a label as their ID are left out: nothing of ours is
 * there, and nothing of ours can be wanted there. */
int consul_parse_catalog(const char *body, size_t n, const char *cluster, struct consul_services *ret, struct err *err);
/* The same a piece at a time. A node's ten thousand services at once would hold up the loop. */
struct consul_reader;
struct consul_reader *consul_reader_new(const char *body, size_t n, const char *cluster); /* the body is copied, the cluster not */
void consul_reader_free(struct consul_reader *r);                                         /* NULL is fine */
/* Reads up to that many services. 1: there are more; 0: *ret is all of it; -EPROTO. Not after anything but 1. */
int consul_reader_go_on(struct consul_reader *r, size_t services, struct consul_services *ret, struct err *err);
int consul_parse_agent(const char *body, size_t n, const char *cluster, struct consul_services *ret, struct err *err);
/* /v1/health/state/any: the nodes, each once. */
int consul_parse_checks(const char *body, size_t n, struct strs *ret, struct err *err);
/* /v1/txn, 200 or 409. token: it was asked with, and is not quoted; NULL. 0 and the ModifyIndex of the last operation (0: it has
 * none), -ESTALE, -ENOENT (there is no such node), -EACCES, -EPROTO. */
int consul_parse_txn(const char *body, size_t n, const char *token, int64_t *ret_index, struct err *err);

/* -EINVAL: Consul would refuse it, or it could not be read back. */
int consul_check_entry(const struct discovery_entry *e, const char *cluster, struct err *err);
json_t *consul_catalog_service(const struct discovery_entry *e, const char *cluster, int64_t index);
char *consul_agent_service(const struct discovery_entry *e, const char *cluster, struct span ttl);
bool consul_is_mark(const char *key, size_t n); /* of meta that heir keeps for itself */
char *consul_check_notes(const char *cluster);  /* by which the checks of our entries are found */
/* A server's words as they may stand in an error: one line, not too long. Owned. */
char *consul_quote(const char *text, size_t n);

/* ---- consul-ask.c: one request, to the servers in turn or to one agent ---- */

struct consul_host; /* a container's host that has an agent */

struct consul_question {
	const char *method;       /* NULL: GET */
	char *path;               /* with its query; owned, taken */
	char *body;               /* owned, taken; NULL */
	struct consul_host *host; /* NULL: the servers */
	struct mono deadline;
	size_t limit;          /* of the answer; 0: CONSUL_ENTRY_MAX */
	const struct err *why; /* it cannot be asked: it fails with this, later like any other */
};

struct consul_answer {
	int result;        /* 0: 200, or 409, which says itself what it means */
	const char *where; /* "10.0.0.1:8500" */
	const char *token; /* it was asked with; NULL: none. Valid during the callback, as the body */
	const char *body;
	size_t body_len;
	struct err err; /* "10.0.0.1:8500: Connection refused" */
};

struct consul_ask;
typedef void consul_answer_fn(void *ctx, const struct consul_answer *answer);
/* The servers are tried in turn until one answers; each has its share of the time. The ask ends with its callback. */
struct consul_ask *consul_ask(struct consul *c, const struct consul_question *question, consul_answer_fn *fn, void *ctx);
void consul_ask_free(struct consul_ask *ask); /* NULL is fine */
bool consul_is_base(const char *url);         /* "http://host:port" or https */
/* "&name=<value>", escaped; nothing where value is NULL. */
void consul_put_query(struct buf *b, char before, const char *name, const char *value);

/* ---- consul-find.c: what stands where ---- */

/* One instance on one node of Consul's. */
struct consul_place {
	struct consul_service s;
	char *node;               /* Consul's name of it; NULL: its agent alone has it yet */
	struct consul_host *host; /* its agent; NULL: our own node, or no agent that is configured */
	bool own;                 /* our own node */
	bool local;               /* its agent was asked and has it */
	bool lost;                /* its agent was asked and does not have it (any more) */
	bool silent;              /* its agent does not answer */
};

struct consul_find;
/* The places sorted by key, the best of one key first: ours before foreign, then the highest generation. Borrowed. */
typedef void consul_find_fn(void *ctx, int result, struct consul_place *places, size_t n, const struct err *err);
/* key NULL: everything. hosts: the agents to look at themselves, one flag for each of the system's; they
 * need not answer. NULL: none. */
struct consul_find *consul_find(struct consul *c, const char *key, const bool *hosts, struct mono deadline, consul_find_fn *fn,
				void *ctx);
void consul_find_free(struct consul_find *f);

/* ---- consul-agent.c: what is kept alive at agents ---- */

/* An entry at an agent: alive by its check, or left behind there, to be taken away when the agent answers. */
struct consul_kept {
	struct discovery_entry entry;
	bool left;
	struct mono since;
	UT_hash_handle hh; /* by entry.key */
};

struct consul_host {
	struct consul *consul;
	char *node, *base;
	struct consul_kept *kept;
	struct consul_ask *ask; /* of the round that is under way */
	struct strs round;      /* keys it goes through */
	size_t at;
	bool failed;              /* the last round did; it is said once */
	struct mono silent_until; /* until then it is asked only where nothing else will do */
};

void consul_keep(struct consul_host *host, const struct discovery_entry *e);
bool consul_is_kept(const struct consul_host *host, const char *key); /* or left */
void consul_leave(struct consul_host *host, const struct discovery_entry *e);
void consul_forget(struct consul_host *host, const char *key);          /* whatever it is */
struct consul_host *consul_host_of(struct consul *c, const char *node); /* NULL: none is configured */
bool consul_is_silent(const struct consul_host *host);
void consul_agents_start(struct consul *c);
void consul_agents_stop(struct consul *c);

/* ---- consul-op.c, consul-list.c, consul-set.c: the calls ---- */

enum consul_step_kind {
	CONSUL_WRITE,      /* the transaction that sets it on our own node */
	CONSUL_REGISTER,   /* at the target's agent */
	CONSUL_AWAIT,      /* that the catalog has it from there */
	CONSUL_DEREGISTER, /* a place, at its agent */
	CONSUL_DELETE,     /* a place, in the catalog */
};

struct consul_step {
	enum consul_step_kind kind;
	struct consul_place *place; /* of a place; borrowed from what was found */
};

struct consul_want {
	char *key;
	struct consul_host *host;
	char *node;
};

struct consul_op {
	struct consul *consul;
	struct mono begun, deadline;
	struct consul_find *find, *awaited;
	struct consul_ask *ask;
	uv_timer_t *pause;
	discovery_list_fn *on_list; /* one of both */
	discovery_done_fn *on_done;
	void *user;
	struct consul_want *wants; /* of a list, sorted by key */
	size_t n_wants;
	bool all;
	struct discovery_entry entry; /* wanted by a set; of an unset the key */
	bool unset;
	struct discovery_found was; /* a copy; version NULL: there was none */
	struct consul_host *target; /* NULL: our own node */
	struct consul_place direct; /* what was there, where nothing needs to be looked for */
	struct consul_step *steps;
	size_t n_steps, at;
	int64_t index; /* ModifyIndex to compare with, then that of what was written */
	bool deregistered, again;
	struct err warning;
	struct consul_op *prev, *next;
};

struct consul_op *consul_op_new(struct discovery *d, discovery_list_fn *on_list, discovery_done_fn *on_done, void *user);
void consul_op_find(struct consul_op *op, const char *key, const bool *hosts, consul_find_fn *fn);
void consul_op_pause(struct consul_op *op, uv_timer_cb fn); /* a moment; timer->data is the op */
/* Fails it, not inside this call. */
void consul_op_impossible(struct consul_op *op, const struct err *why);
/* These end the op; err is wrapped. */
void consul_op_fail(struct consul_op *op, int result, struct err *err);
void consul_op_listed(struct consul_op *op, struct discovery_found *found, size_t n);
void consul_op_done(struct consul_op *op, const char *version);
void consul_op_free(struct consul_op *op); /* no callback */

void consul_list(struct discovery *d, const struct discovery_entry *const *wanted, size_t n, discovery_list_fn *done, void *user);
void consul_look(struct discovery *d, const struct discovery_entry *wanted, discovery_list_fn *done, void *user);
void consul_set(struct discovery *d, const struct discovery_entry *wanted, const struct discovery_found *was,
		discovery_done_fn *done, void *user);
void consul_unset(struct discovery *d, const struct discovery_found *was, discovery_done_fn *done, void *user);

/* The version of an entry at an agent. Those of our own node are ModifyIndexes. */
#define CONSUL_AT_AGENT "agent"

struct consul {
	struct discovery head;
	uv_loop_t *loop;
	struct http_client *http;
	char *cluster, *datacenter, *consul_namespace, *node, *node_address;
	struct span timeout, ttl;
	struct strs urls;
	size_t url;          /* that answered last */
	struct http_tls tls; /* owned strings */
	struct secret *token;
	struct consul_host *hosts;
	size_t n_hosts;
	uv_timer_t *timer; /* rounds of the agents; NULL: there are none */
	bool has_node;     /* our own node is in the catalog, as far as is known */
	struct consul_op *ops;
};

#endif
