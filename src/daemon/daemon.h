/* What the daemon's files share: heird's one big object. The shell around the pure machine:
 *
 *   observe.c  engines → facts → machine          turn.c    machine → journal.c → store, then effects          memory.c  what was
 * seen → store runner.c   effects → engines, overlay → results          api.c     machine → JSON → clients
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "config/config.h"
#include "daemon/journal.h"
#include "daemon/memory.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "health/probe.h"
#include "health/storm.h"
#include "http/server.h"
#include "net/overlay/overlay.h"
#include "net/wire/agent-client.h"
#include "resched/resched.h"
#include "store/store.h"

#include <uv.h>

struct daemon;
struct observer;
struct daemon_discovery;

/* Nodes of one value of the label that `brake.zone` names. */
struct zone {
	char *name;
	struct storm storm;
	bool held;
	struct zone *next;
};

/* One configured engine and what watches it. */
struct daemon_node {
	struct daemon *daemon;
	const struct config_engine *config;
	struct engine *engine;
	struct engine_events *events;
	struct probe *probe;
	struct observer *observer;
	bool remote;
	struct zone *zone;             /* NULL: in none */
	bool serves;                   /* takes part: was logged as such */
	bool warned;                   /* the first trouble since it last was well has been logged */
	char *overlay;                 /* "swarm", "kv" or "none"; of node ls */
	struct agent *agent;           /* NULL: none is configured */
	struct agent_call *agent_poll; /* its status, being asked */
	unsigned agent_silent;         /* so often in a row */
	bool agent_obeys;              /* us, as far as it said last */
	bool agent_warned;             /* its trouble was logged */
	int64_t agent_repaired;        /* rows that others had changed, since its start, as it said last */
	struct strs agent_contested;   /* addresses that it gave up */
	bool agent_control;            /* it can reach a swarm manager's control socket */
	char *swarm_record;            /* what is needed to give it its place in the swarm back, after heir took it out; NULL */
};

struct daemon {
	uv_loop_t *loop;
	struct config *config;
	struct http_client *http;
	struct http_server *server;
	struct store *store;
	struct resched *machine;
	struct prober *prober;
	struct overlay_cluster overlay;
	struct daemon_node *nodes;
	size_t n_nodes;
	struct memory *memory;
	struct journal *journal;
	struct { /* engines that are asked for everything; observe-list.c */
		struct observer *waiting;
		unsigned under_way;
	} refreshes;
	struct { /* turn.c */
		uv_idle_t idle;
		uv_timer_t timer, retry, trim;
	} turn;
	uv_timer_t brake_timer, agent_timer;
	char *manager_id;                   /* ours, for good: agents obey one manager */
	struct verification *verifications; /* verify.c */
	struct operator_word *words;        /* operator.c */
	struct drill *drills;               /* drill.c */
	struct confirmation *confirmations; /* agents.c */
	struct sighting *sightings;         /* agents being asked whom they reach; agents.c */
	struct storm storm;
	struct zone *zones;
	struct daemon_discovery *discovery; /* discovery.h; NULL: none is configured */
	struct run *runs;                   /* effects under way; runner.c */
	struct tail *tails;                 /* followers of the log; api.c */
	struct mono started;
	bool held_up;       /* was logged as such */
	bool state_refused; /* why it does not start */
	bool stopping;
};

struct daemon_node *daemon_node(const struct daemon *d, const char *name);
bool daemon_node_answers(const struct daemon *d, const struct daemon_node *n);

/* main.c */
bool daemon_is_held_up(const struct daemon *d); /* this host kept the loop from its heartbeats within the last minute */

/* machine.c */
struct resched *machine_new(const struct config *c);

/* brakes.c: the storm brake, and one for each zone. */
struct detector_settings brakes_beat(const struct config *c);
void brakes_add_node(struct daemon_node *n); /* to its zone */
void brakes_update(struct daemon *d);
bool brakes_go(struct daemon *d); /* an operator lets all go that hold; false: none does */
struct brake_verdict brakes_if_lost(const struct daemon *d, const struct daemon_node *n); /* what they would say */
void brakes_clear(struct daemon *d);

/* turn.c: a turn of the machine at the end of this turn of the loop. */
void turn_init(struct daemon *d);
void turn_wake(struct daemon *d);
void turn_close(struct daemon *d);
/* With the next commit. */
void turn_delete(struct daemon *d, enum store_table table, const char *key);

/* observe.c */
void observe_begin(struct daemon_node *n);
void observe_end(struct daemon_node *n);
void observe_alive(struct daemon_node *n);                     /* it answers (again): ask for everything */
void observe_container(struct daemon_node *n, const char *id); /* look at it again */
void observe_images(struct daemon_node *n);
/* Of the network that a container on the node names; id may be "". ctx: struct daemon_node. */
enum net_kind observe_net_kind(void *ctx, const char *id, const char *name);

/* begin.c: what the store remembers, before the first turn. */
int daemon_restore(struct daemon *d, struct err *err);

/* agents.c: the nodes' agents are asked how they are, and what they reach, once an interval. */
int agents_add(struct daemon_node *n, struct err *err);             /* after its engine; nothing where none is configured */
void agents_begin(struct daemon *d);                                /* when it is known who we are */
void agents_confirm(struct daemon_node *n, struct http_call *call); /* by an operator: it is to obey us; answers the call */
void agents_ask(struct daemon_node *n);                             /* its agent, now */
void agents_suspect(struct daemon *d);                              /* a node is in doubt: those who may see it are asked now */
void agents_close(struct daemon *d);
struct agent *agents_control(void *ctx, size_t i); /* the i-th that can reach a swarm's control socket; NULL */

/* runner.c: takes the effect; its result comes to the machine later. */
void runner_perform(struct daemon *d, struct effect *e);
void runner_close(struct daemon *d);
void runner_not_done(struct daemon *d, const struct effect *e, const char *why);

/* operator.c: what an operator says, as calls of the API. Each answers its call. */
void operator_confirm_dead(struct http_call *call, void *user);
void operator_hold(struct http_call *call, void *user);
void operator_release(struct http_call *call, void *user);
void operator_retry(struct http_call *call, void *user);
void operator_abandon(struct http_call *call, void *user);
void operator_go(struct http_call *call, void *user);
void operator_close(struct daemon *d);  /* what is not written yet is answered */
void operator_forget(struct daemon *d); /* after the store is closed */
/* A hold as the store remembers it; false: the key is none. */
bool operator_restore(struct daemon *d, const char *key, const char *text, int *ret_result, struct err *err);

/* api.c */
struct daemon_node *api_node(struct http_call *call, const struct daemon *d);        /* NULL: the call was answered */
const struct takeover *api_takeover(struct http_call *call, const struct daemon *d); /* the same */
int api_start(struct daemon *d, struct err *err);
void api_log_written(struct daemon *d); /* new lines are in the store: followers read on */
void api_close(struct daemon *d);
void api_forget(struct daemon *d); /* after the store is closed: reads that never came back */

#endif
