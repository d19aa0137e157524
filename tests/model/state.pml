/* What there is: two hosts and their engines, the network's book of addresses, the observer's kernel, the messages under way, the
 * store, and what the manager keeps in memory.
 *
 * A generation's container is named by its number: heir calls it heir-<workload>-g<generation>, so an engine has it once at most.
 * Scratch variables are hidden: each is written before it is read within one step. */

#ifndef FAULTS
#define FAULTS 3 /* beyond the first, which takes host A away */
#endif
#define LAST 3 /* generations: the first and two attempts */

#define A 0
#define B 1
#define NOBODY 2
#define BIT(n) (1 << (n))

/* ---- the truth: hosts ---- */

#define UP 0
#define CUT 1 /* runs, and the observer hears it: only the manager does not */
#define OFF 2
byte host[2];
#ifdef LIVE
bit forever[2]; /* does not come back */
#define is_gone(h) forever[h]
#else
#define is_gone(h) false /* that it never comes back is one of the things that may happen anyway */
#endif
byte faults;    /* how many may yet happen */

/* ---- the truth: containers of the workload, by generation; and the network's book ---- */

bit c_is[LAST + 1], c_run[LAST + 1] /* on a host that is off: ran, and may come up with it */, c_started[LAST + 1],
	c_on[LAST + 1] /* on the overlay; a stale one that was cut off is not, also after a start */;
bit c_at[LAST + 1]; /* its host, from the plan on */
byte holder;        /* the generation that has the address in the network's book; 0: nobody */

#define runs(g) (c_run[g] && host[c_at[g]] != OFF)
/* It and the observer can exchange packets. */
#define talks(g) (runs(g) && c_on[g] && !(k_drop & BIT(c_at[g])))

/* ---- the truth: the observer's agent, and its kernel ---- */

bit g_up, g_owners /* it keeps addresses right: gone with its process */, g_new /* another process than the manager knows */;
byte k_drop;  /* the hosts whose frames it drops */
byte k_row;   /* where it sends the workload's packets: host + 1; 0: where the engines' own rows say, to A */
byte k_epoch; /* the newest that was seen; on disk */

/* ---- messages: one of each kind under way, one of each late ---- */

#define IDLE 0
#define SENT 1 /* from the commit on: that it is not sent yet, and lost with the manager, is the same as lost under way */
#define ANSWERED 2

mtype = { NOTHING, CREATE, SEE, RELEASE, HOLDERS, START, REMOVE /* undo */, ISOLATE, STOP, CLEAR /* a stale copy is removed */ };
mtype = { OK, UNKNOWN, GIVEN_UP, REFUSED, NO_SUCH, TAKEN, RUNNING, ABSENT, PRESENT, STARTED, RUNS, NONE, OWN, COPY };

byte t_state;           /* of the takeover's effect */
mtype t_kind = NOTHING, t_answer = NOTHING;
byte cl_gen;            /* of the clean-up's: of which copy; 0: none is under way */
mtype cl_kind = NOTHING;
bit q_sent;             /* of the order what to drop */
byte q_set;
byte s_gen;             /* of the order where the address is: of which generation; 0: none is under way */

mtype l_kind = NOTHING; /* late: to an engine */
byte l_gen;
bit lq, lq_old, ls, ls_old; /* late: to the agent. old: a newer one about the same was obeyed (its number says so) */
byte lq_set, lq_epoch, ls_gen, ls_epoch;

/* ---- the manager: what is written ---- */

#define CLOSED 0
#define OPEN 1
#define OPERATOR 2

mtype = { PLAN, STAGE, EVIDENCE, RELEASE_, CLAIM, START_, REPAIR, VERIFY, PUBLISH, DONE };
mtype = { CONTINUE, BACK, FAIL };
#define PRESUMED 1
#define QUARANTINED 2
#define STOPPED 3

#define NO_COPY 0
#define COPY_ISOLATE 1 /* with disconnect: both take it off the network */
#define COPY_STOP 2
#define COPY_WAIT 3 /* harmless from here on */
#define COPY_REMOVE 4

typedef Journal {
	/* the ledger: struct workload */
	byte gen, last, container; /* container 0: NULL */
	byte node;
	bit verified, orphan;
	byte copy[LAST + 1];
	bit staged_copy[LAST + 1];
	/* the open takeover: struct takeover */
	byte state;
	mtype row;
	mtype abort;
	byte tgen, from, to;
	bit released, claimed, staged, known; /* known: new_id */
	byte evidence;
};
Journal m; /* the store's, and the memory's copy of it: a turn commits before anything of it is performed (turn.c) */
#ifdef BROKEN_NO_JOURNAL
Journal disk;
bit dirty;
#endif

/* ---- the manager: what a restart forgets ---- */

#define UNHEARD 0
#define ALIVE 1
#define DEAD 2
byte epoch;
byte verdict[2];
bit returning[2], quarantined[2];
bit see, taken /* a start was refused for the address */;
#ifdef BROKEN_RETRY_NEVER
bit wait;
#endif
#define AGENT_OK 1
#define AGENT_SILENT 2
byte a_state;   /* 0: not heard of */
bit a_known, a_open, a_unaware, a_obeyed; /* as in struct node_agent: quarantine_known, order_open, ... */
byte a_drops, a_sure;                     /* what it said last; what every order says that may yet take effect */
byte told, tell_tries;   /* the generation whose place the agent was told */

#ifdef PAUSES
bit old_on; /* a manager of an epoch before was paused, not killed */
#endif

/* ---- ghosts: what the properties need to remember ---- */

byte evidenced; /* generations whose eviction has its evidence on disk */
byte claims;    /* generations that the ledger on disk has named the owner */
byte proved;    /* generations that were seen to run with the address */
byte highest;   /* generation in the ledger */
bit sure;       /* the newest evidence was a quarantine, or better */
bit late_start; /* a start came late: whoever asked again could not know */
#ifdef REACH
bit crashed;
byte last_end; /* of a takeover: */
#define COUNT_CRASH crashed = 1
#define NOTE_END(how) last_end = how
#else
#define COUNT_CRASH skip
#define NOTE_END(how) skip
#endif
#define ENDED_DONE 1
#define ENDED_BACK 2
#define ENDED_FAILED 3

hidden byte g, n, wanted, at_hand, demanded, target;
hidden byte again, going;
hidden mtype reply;
hidden byte how;
