/* What manager and agent say to each other: HTTP with JSON bodies, one shape for each.
 *
 *   order                    answer                what it does
 *   GET  /v1/status          wire_status           nothing
 *   POST /v1/confirm         {}                    an operator's word: this is the manager from now on
 *   POST /v1/quarantine      wire_quarantine       VXLAN to and from exactly these VTEPs is dropped
 *   POST /v1/owners          wire_owner_states     the kernel's rows of these are made right, and kept so where watched
 *   POST /v1/verify          wire_owner_states     looks, changes nothing
 *   POST /v1/isolate         wire_cuts             stale endpoints are cut off in the kernel
 *   POST /v1/witness         wire_reached          which of these addresses does the agent reach?
 *   POST /v1/resolve         wire_answers          looks: what does the DNS answer in that container?
 *   POST /v1/remove-task     {}                    passed on to the swarm manager's control socket on that host
 *
 * Every order but witness carries the envelope. Errors are a wire_refusal with 400, 404, 409, 500, 502, 503. Strings are owned;
 * a message is freed by wire_clear with its shape. Answers stand in the order of what was asked. */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include "net/wire/codec.h"

#define WIRE_BODY_MAX ((size_t)4 << 20)    /* of an order */
#define WIRE_ANSWER_MAX ((size_t)64 << 20) /* of an answer: it holds the rows before and after */

/* Codes of refusals. */
#define WIRE_STALE_EPOCH "stale-epoch"     /* 409: epoch is the newest that the agent has seen */
#define WIRE_OTHER_MANAGER "other-manager" /* 409: manager is whom the agent obeys */
#define WIRE_LATE "late"                   /* 409: a newer order about the same was obeyed */
#define WIRE_GONE "gone"                   /* 404: there is no such task (any more) */
#define WIRE_NO_SOCKET "no-socket"         /* 503: nothing was done */
#define WIRE_OPEN "open"                   /* 502: it may have been done */

struct wire_envelope {
	char *manager, *cluster;
	int64_t epoch;
};

struct wire_refusal {
	char *error, *code, *manager; /* code and manager may be NULL */
	int64_t epoch;
};

struct wire_quarantine {
	struct strs vteps;
	struct wire_numbers ports;
};

struct wire_endpoint {
	char *network_id, *mac;
};

struct wire_contested {
	char *network_id, *mac, *ip;
	int64_t flips;
};

struct wire_status {
	char *version, *instance, *hostname; /* instance: random, of each start */
	char *manager, *cluster;             /* NULL: no order yet */
	int64_t epoch, engine_pid;           /* 0: none, not known */
	struct strs networks;                /* how their IDs begin: the overlays joined */
	struct wire_quarantine quarantine;   /* as the kernel has it */
	int64_t owners, repaired, flips;     /* owners kept; repairs and others' changes since the start */
	struct {
		struct wire_contested *v;
		size_t n;
	} contested;
	struct {
		struct wire_endpoint *v;
		size_t n;
	} former; /* of the owners watched: those that were not ordered since the manager's last start, as far as there is room */
	bool swarm_control; /* a swarm manager's control socket is there */
	struct strs errors; /* what does not work now */
};

struct wire_confirm_order {
	struct wire_envelope envelope;
};

struct wire_quarantine_order {
	struct wire_envelope envelope;
	struct wire_quarantine wanted;
	int64_t order; /* counted up by the manager; an older one that arrives late is refused (WIRE_LATE). 0: not numbered */
};

/* An address and where it lives. */
struct wire_owner {
	char *network_id, *mac;
	char *ip, *ip6; /* may be NULL */
	char *vtep;     /* of the node that has it */
	char *local;    /* the sandbox that has it on the agent's node; NULL: it lives elsewhere */
	bool watch;
};

struct wire_owners {
	struct wire_owner *v;
	size_t n;
};

struct wire_owners_order {
	struct wire_envelope envelope;
	struct wire_owners owners;
	struct {
		struct wire_endpoint *v;
		size_t n;
	} forget;
	int64_t order; /* as above, for each of the owners */
};

struct wire_probe {
	int64_t timeout_ms; /* 0: no probe */
	int64_t tcp_port;   /* 0: ICMP only */
};

struct wire_verify_order {
	struct wire_envelope envelope;
	struct wire_owners owners;
	struct wire_probe probe;
};

enum wire_address { WIRE_ADDRESS_NONE, WIRE_ADDRESS_HERE, WIRE_ADDRESS_MISSING, WIRE_ADDRESS_ELSEWHERE, WIRE_ADDRESS_MAX };
enum wire_echo { WIRE_ECHO_NONE, WIRE_ECHO_ANSWERED, WIRE_ECHO_REFUSED, WIRE_ECHO_SILENT, WIRE_ECHO_MAX };

struct wire_owner_state {
	char *network_id, *mac;
	bool joined;               /* false: the overlay has no namespace on that node, and nothing is to be done */
	struct strs before, after; /* the rows, as people know them from bridge(8) and ip-neighbour(8) */
	int64_t changed;
	bool right;     /* the rows (after) are as they should be */
	bool contested; /* others keep changing them, and the agent gave up */
	char *error;    /* NULL: none */
	/* of verify */
	int address;         /* enum wire_address, of a local one: are ip and mac in the sandbox? */
	struct strs strays;  /* other sandboxes of the node that have them, up */
	int icmp, tcp;       /* enum wire_echo */
	char *answered_from; /* the VTEP that the probe went to, "local", or NULL: no probe was answered */
};

struct wire_owner_states {
	struct {
		struct wire_owner_state *v;
		size_t n;
	} owners;
};

struct wire_stale {
	char *network_id, *mac;
	char *ip;      /* NULL: any */
	char *sandbox; /* NULL: whichever has it */
};

struct wire_isolate_order {
	struct wire_envelope envelope;
	struct {
		struct wire_stale *v;
		size_t n;
	} containers;
};

struct wire_cut {
	int64_t cut; /* interfaces; 0: there was none */
	char *error;
};

struct wire_cuts {
	struct {
		struct wire_cut *v;
		size_t n;
	} containers;
};

struct wire_target {
	char *name, *addr;
	struct wire_numbers ports;
};

struct wire_witness_order {
	struct {
		struct wire_target *v;
		size_t n;
	} targets;
	int64_t timeout_ms;
};

struct wire_sighting {
	char *name;
	bool reached;
	char *how; /* "port 2375 accepts", "port 2375 refuses", "ping", "silent" */
};

struct wire_reached {
	struct {
		struct wire_sighting *v;
		size_t n;
	} targets;
};

#define WIRE_QUESTIONS_MAX 64 /* of one order */

/* One of the two: A and AAAA of a name, or PTR of an address. */
struct wire_question {
	char *name, *address;
};

struct wire_resolve_order {
	struct wire_envelope envelope;
	char *sandbox;
	char *server; /* NULL: 127.0.0.11, where the engine answers in the container's namespace */
	int64_t timeout_ms;
	struct {
		struct wire_question *v;
		size_t n;
	} questions;
};

struct wire_answer {
	struct strs addresses; /* of a name, as ip_format writes them, each once */
	struct strs names;     /* of an address, each once, without the last dot */
	char *error;           /* "silent", "SERVFAIL", …; NULL: it was answered, if with nothing. Of a name one half may be so */
};

/* An engine passes on what it does not know to the host's servers and is silent until they answer, so silence alone says nothing of
 * the engine. heard: it answered something, be it only that it does not do what it was asked for besides. */
struct wire_answers {
	bool heard;
	struct {
		struct wire_answer *v;
		size_t n;
	} answers;
};

struct wire_remove_task_order {
	struct wire_envelope envelope;
	char *task;
};

extern const struct wire_shape wire_envelope_shape, wire_refusal_shape, wire_status_shape, wire_quarantine_shape;
extern const struct wire_shape wire_confirm_order_shape, wire_quarantine_order_shape, wire_owners_order_shape;
extern const struct wire_shape wire_verify_order_shape, wire_isolate_order_shape;
extern const struct wire_shape wire_witness_order_shape, wire_remove_task_order_shape, wire_resolve_order_shape;
extern const struct wire_shape wire_owner_states_shape, wire_verified_shape; /* the latter with what verify adds */
extern const struct wire_shape wire_cuts_shape, wire_reached_shape, wire_answers_shape;
extern const struct wire_shape wire_nothing_shape; /* {}: of no struct */

const char *wire_address_name(enum wire_address address); /* NULL for NONE */
const char *wire_echo_name(enum wire_echo echo);

#endif
