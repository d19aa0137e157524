/* The world that the manager acts on: engines, the network's book, the observer's agent, and everything that goes wrong. Nothing
 * here knows what the manager wants. */

/* ---- engines, and the network's book of addresses ---- */

inline leave_network(x) {
	if
	:: holder == x -> holder = 0
	:: else
	fi
}

/* What an engine (or, of RELEASE and HOLDERS, a swarm manager) makes of a request about generation x; its answer is in reply. */
inline perform(kind, x, fresh) {
	reply = OK;
	if
	:: kind == CREATE ->
		if
		:: c_is[x] -> reply = TAKEN
		:: else -> c_is[x] = 1; c_run[x] = 0; c_started[x] = 0; c_on[x] = 1
		fi
	:: kind == SEE ->
		if
		:: !c_is[x] -> reply = ABSENT
		:: c_is[x] && c_run[x] && c_on[x] && holder == x -> reply = RUNS; proved = proved | BIT(x)
		:: c_is[x] && !(c_run[x] && c_on[x] && holder == x) && c_started[x] -> reply = STARTED
		:: else -> reply = PRESENT
		fi
	:: kind == RELEASE -> /* of the copies that it names, which are those before x */
		if
		:: holder != 0 && holder < x ->
			MUST(2, evidenced & BIT(holder));
			holder = 0
		:: else
		fi
	:: kind == HOLDERS ->
		if
		:: holder == 0 -> reply = NONE
		:: holder == x -> reply = OWN
		:: else -> reply = COPY
		fi
	:: kind == START ->
		if
		:: !c_is[x] -> reply = NO_SUCH
		:: c_is[x] && c_run[x] /* 304 */
		:: c_is[x] && !c_run[x] && c_on[x] && holder != 0 && holder != x -> reply = TAKEN
		:: else ->
			MUST(3, claims & BIT(x));
			c_run[x] = 1;
			c_started[x] = 1;
			late_start = late_start || !fresh;
			if
			:: c_on[x] -> holder = x
			:: else
			fi
		fi
	:: kind == ISOLATE ->
		if
		:: !c_is[x] -> reply = NO_SUCH
		:: else -> c_on[x] = 0; leave_network(x)
		fi
	:: kind == STOP ->
		if
		:: !c_is[x] -> reply = NO_SUCH
		:: else -> c_run[x] = 0; leave_network(x)
		fi
	:: else -> /* REMOVE, CLEAR: never forced */
		if
		:: !c_is[x] -> reply = NO_SUCH
		:: c_is[x] && c_run[x] -> reply = RUNNING
		:: else -> c_is[x] = 0; c_started[x] = 0; c_on[x] = 0; leave_network(x)
		fi
	fi
}

#define in_reach(kind, x) (kind == RELEASE || kind == HOLDERS || host[c_at[x]] == UP)

/* What becomes of what is under way. It may be lost, refused, or late; done and not answered; done twice, the second time late. What
 * cannot reach its host waits until it can, or until the host is given up. */
#define ANSWER 0
#define SILENCE 1
#define NOTHING_DONE 2

inline spend_on(how_it_goes) {
	faults = faults - 1;
	how = how_it_goes
}

inline late(what, whose) {
	l_kind = what;
	l_gen = whose
}

/* ---- the observer's agent: admission.c, identity.c, sequence.c, order-host.c, order-owners.c ---- */

#ifdef BROKEN_IGNORE_EPOCH
#define is_obeyed(e, is_old) true
#elif defined(BROKEN_IGNORE_NUMBER)
#define is_obeyed(e, is_old) (e >= k_epoch)
#else
#define is_obeyed(e, is_old) (e >= k_epoch && !(e == k_epoch && is_old))
#endif

inline adopt(e) {
	MUST(6, e >= k_epoch);
	k_epoch = e
}

inline drop(set, e) {
	adopt(e);
	k_drop = set;
	lq_old = lq_old || (lq && lq_epoch == e)
}

inline keep(x, e) {
	adopt(e);
	k_row = c_at[x] + 1;
	g_owners = 1;
	ls_old = ls_old || (ls && ls_epoch == e)
}

inline say_refused(e) {
	if
	:: e < k_epoch -> REFUSAL(13)
	:: else -> REFUSAL(14)
	fi
}
