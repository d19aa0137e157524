/* The manager walks a takeover through its table: src/resched/walk*.c, takeover.c, ledger.c. Inlines have the names of the functions
 * that they stand for. */

#define is_lost(h) (verdict[h] == DEAD)                        /* node_is_lost */
#define is_open (m.state != CLOSED)                            /* takeover_open */
#define may_run (m.claimed && m.known)                         /* may_run, walk-end.c */
#define serves(h) (verdict[h] == ALIVE && !returning[h])       /* world_node_serves */
#define is_live_copy(x) (m.copy[x] != NO_COPY && m.copy[x] < COPY_WAIT && !m.staged_copy[x])
/* owner_serves, clean.c: as its host says, or said last */
#define owner_serves \
	(m.verified && m.container != 0 && verdict[m.node] == ALIVE && (host[m.node] != UP || runs(m.container)))

/* After a moment. How long it is does not matter here. */
#ifdef BROKEN_RETRY_NEVER
#define RETRY wait = 1
#define gave_up wait
#else
#define RETRY skip
#define gave_up false
#endif

inline copy_add(x, is_staged) { /* workload_copy_add */
	if
	:: m.copy[x] == NO_COPY -> m.copy[x] = COPY_ISOLATE; m.staged_copy[x] = is_staged
	:: else
	fi
}

inline copy_remove(x) {
	m.copy[x] = NO_COPY;
	m.staged_copy[x] = 0
}

inline walk_set_row(r) { /* takeover_is_resumed: from == to */
	m.row = r;
	see = (m.from == m.to) || (r == RELEASE_ && m.orphan)
}

inline ask(kind) {
	t_state = SENT;
	t_kind = kind
}

/* ---- what was seen: facts.c, ledger.c. What a host that answers says is true at that moment. ---- */

inline place() {
	g = 1;
	do
	:: g > LAST -> break
	:: else ->
		if
		:: g <= m.last && verdict[c_at[g]] == ALIVE && host[c_at[g]] == UP && cl_gen != g ->
			if
			:: !c_is[g] && m.copy[g] != NO_COPY -> copy_remove(g) /* ledger_container_gone */
			:: !c_is[g] && m.container == g && !m.verified && !(is_open && m.released) -> /* owner_gone */
				m.orphan = 1;
				m.container = 0
			:: c_is[g] && m.container != g && !(is_open && m.tgen == g) -> /* add_copy_seen */
				copy_add(g, !c_started[g])
			:: else
			fi
		:: else
		fi;
		g = g + 1
	od
}

/* ---- the end of an attempt: walk-end.c ---- */

inline close(how) {
	m.state = CLOSED;
	m.row = PLAN;
	m.abort = CONTINUE;
	m.tgen = 0; m.from = 0; m.to = NOBODY;
	m.released = 0; m.claimed = 0; m.staged = 0; m.known = 0; m.evidence = 0;
	see = 0; taken = 0;
	NOTE_END(how);
	again = 1
}

inline make_orphan() {
	m.node = m.from;
	m.container = 0;
	m.orphan = 1;
	m.verified = 0
}

#ifdef BROKEN_ROLLBACK_AFTER_RELEASE
inline reinstate() { /* as if nothing had been taken from it */
	m.gen = m.tgen - 1;
	m.container = m.gen;
	m.node = m.from;
	m.verified = 1;
	m.orphan = 0;
	copy_remove(m.gen)
}
#endif

inline give_up() {
#ifdef BROKEN_ROLLBACK_AFTER_RELEASE
	if
	:: m.released && m.abort == BACK -> reinstate()
	:: else
	fi;
	if
	:: m.released && !may_run && m.abort != BACK -> make_orphan()
	:: else
	fi;
#else
	if
	:: m.released && !may_run -> make_orphan()
	:: else
	fi;
#endif
	if
	:: m.abort == BACK -> close(ENDED_BACK)
	:: else -> close(ENDED_FAILED)
	fi
}

inline walk_fail() {
	m.abort = FAIL;
	see = 0;
	m.state = OPEN
}

inline leave_copy() {
	if
	:: m.to != NOBODY && m.known && !may_run -> copy_add(m.tgen, 1)
	:: else
	fi
}

inline walk_target_lost() { /* walk_target_lost; the effect under way is nobody's any again, and may still come */
	leave_copy();
	if
	:: m.abort == CONTINUE -> m.abort = FAIL
	:: else
	fi;
	if
	:: t_state == SENT && l_kind == NOTHING -> l_kind = t_kind; l_gen = m.tgen
	:: else
	fi;
	t_state = IDLE; t_kind = NOTHING; t_answer = NOTHING;
	give_up()
}

inline walk_undo() { /* walk_undo; looking first for what has no ID yet is left out: it is removed by its name */
	if
	:: m.to == NOBODY || (!m.known && !m.staged) -> give_up()
	:: else -> ask(REMOVE)
	fi
}

inline nothing_staged() {
	m.known = 0;
	m.staged = 0;
	give_up()
}

inline walk_undo_result() {
	if
	:: t_answer == RUNNING && m.claimed && m.abort == FAIL -> /* go_on_from_start */
		m.abort = CONTINUE;
		walk_set_row(START_);
		see = 1
	:: t_answer == RUNNING && !m.claimed -> copy_add(m.tgen, 0); nothing_staged()
	:: t_answer == OK || t_answer == NO_SUCH -> nothing_staged()
#ifdef BROKEN_UNKNOWN_IS_NO
	:: t_answer == UNKNOWN -> nothing_staged()
#else
	:: t_answer == UNKNOWN && !m.claimed -> leave_copy(); give_up()
#endif
	:: else -> RETRY /* walk_look_again */
	fi
}

/* ---- evidence: walk-fence.c, agents.c ---- */

/* keeps_quarantine: it drops it, and no order that is still out says otherwise, be it this manager's or one's before it. */
#define drops(h) (a_state == AGENT_OK && a_known && (a_drops & BIT(h)))
#define says_drop(h) (!q_sent || (q_set & BIT(h)))
#ifdef BROKEN_TRUST_WHAT_IS_ORDERED
#define keeps(h) (a_state == AGENT_OK && q_sent && (q_set & BIT(h)) || drops(h))
#elif defined(BROKEN_NEWEST_ORDER_COUNTS) /* one before it may have been obeyed, and may still be */
#define keeps(h) (drops(h) && a_obeyed && (q_sent -> (q_set & BIT(h)) : (!a_open || (a_sure & BIT(h)))))
#elif defined(BROKEN_TRUST_BEFORE_RESTART) /* one of the manager before may still come, and be obeyed */
#define keeps(h) (drops(h) && says_drop(h) && (!a_open || (a_sure & BIT(h))))
#else
#define keeps(h) (drops(h) && says_drop(h) && a_obeyed && (!a_open || (a_sure & BIT(h))))
#endif

inline evidence_of_node(h) { /* in at_hand: the weaker of it and this */
	if
	:: !is_lost(h) -> at_hand = 0
	:: is_lost(h) && !(quarantined[h] && keeps(h)) && at_hand > PRESUMED -> at_hand = PRESUMED
	:: is_lost(h) && quarantined[h] && keeps(h) && at_hand > QUARANTINED -> at_hand = QUARANTINED
	:: else
	fi
}

inline evidence_at_hand() {
	at_hand = STOPPED;
	if
	:: m.released ->
		g = 1;
		do
		:: g > LAST -> break
		:: else ->
			if
			:: is_live_copy(g) -> evidence_of_node(c_at[g])
			:: else
			fi;
			g = g + 1
		od
	:: else -> evidence_of_node(m.from)
	fi
}

inline disown() {
	if
	:: m.container != 0 -> copy_add(m.container, 0)
	:: else
	fi;
	m.container = 0
}

inline walk_claim() {
	if
	:: !m.claimed ->
		disown();
		m.node = m.to;
		m.container = m.tgen;
		m.gen = m.tgen;
		m.verified = 0;
		m.orphan = 0;
		m.claimed = 1
	:: else
	fi
}

/* ---- the table: takeover.c, walk.c. In each row what it asks for, or decides; again: the next one can be looked at. ---- */

inline walk_plan() { /* walk_plan, plan.c: the target is whoever serves and is not the node that it leaves */
	target = NOBODY;
	if
	:: serves(B) && (m.from != B || m.orphan) -> target = B
	:: else ->
		if
		:: serves(A) && (m.from != A || m.orphan) -> target = A
		:: else
		fi
	fi;
	if
	:: m.last == LAST -> m.state = OPERATOR; going = 0 /* await_operator: the attempts are used up */
	:: m.last < LAST && target == NOBODY -> going = 0
	:: else ->
		m.state = OPEN;
		m.to = target;
		m.last = m.last + 1;
		m.tgen = m.last;
		c_at[m.tgen] = target;
		walk_set_row(STAGE)
	fi
}

inline walk_evidence() { /* walk_evidence, `fence: auto` */
	evidence_at_hand();
	demanded = (a_state == AGENT_OK -> QUARANTINED : PRESUMED);
	if
	:: at_hand == 0 || at_hand < demanded -> going = 0
	:: else ->
		m.evidence = at_hand;
		sure = at_hand >= QUARANTINED;
		if
		:: !m.released -> disown()
		:: else
		fi;
		m.released = 1;
#ifdef BROKEN_RELEASE_BEFORE_EVIDENCE
		walk_set_row(CLAIM)
#else
		walk_set_row(RELEASE_)
#endif
	fi
}

inline start() {
#ifndef BROKEN_START_BEFORE_CLAIM
	MUST(3, m.claimed && m.container == m.tgen);
#endif
	MUST(3, !c_started[m.tgen] || late_start);
	ask(START)
}

inline walk_publish() {
	MUST(4, m.evidence >= PRESUMED && (evidenced & BIT(m.tgen - 1)) && (proved & BIT(m.tgen)))
}

inline walk_finish() {
	m.verified = 1;
	close(ENDED_DONE)
}

inline step_row() {
	if
	:: m.row == PLAN -> walk_plan()
	:: m.row == STAGE -> m.staged = 1; if :: see -> ask(SEE) :: else -> ask(CREATE) fi
	:: m.row == EVIDENCE -> walk_evidence()
	:: m.row == RELEASE_ -> if :: see -> ask(HOLDERS) :: else -> ask(RELEASE) fi
	:: m.row == CLAIM -> ask(HOLDERS)
	:: m.row == START_ -> if :: see -> ask(SEE) :: else -> start() fi
	:: m.row == REPAIR -> /* walk_repair: told, or nobody who answers; walk_awaits_agents: not heard of since the start */
		if
		:: a_state == 0 -> going = 0
		:: a_state == AGENT_OK && told != m.tgen && tell_tries < 2 -> going = 0
		:: else ->
#ifdef BROKEN_PUBLISH_EARLY
			walk_set_row(PUBLISH)
#else
			walk_set_row(VERIFY)
#endif
		fi
	:: m.row == VERIFY ->
		if
		:: m.state == OPERATOR && !runs(m.tgen) -> going = 0 /* looked at again every 30 s: until something is new */
		:: else -> ask(SEE)
		fi
	:: m.row == PUBLISH -> walk_publish();
#ifdef BROKEN_PUBLISH_EARLY
		walk_set_row(VERIFY)
#else
		walk_set_row(DONE)
#endif
	:: else -> walk_finish()
	fi
}

inline roll_back_if_alive() { /* must_roll_back */
	if
#ifdef BROKEN_ROLLBACK_AFTER_RELEASE
	:: m.row != REPAIR && m.row != VERIFY && m.row != DONE && m.abort == CONTINUE && m.from != m.to && verdict[m.from] == ALIVE ->
#else
	:: !m.released && m.abort == CONTINUE && verdict[m.from] == ALIVE ->
#endif
		walk_fail();
		m.abort = BACK
	:: else
	fi
}

inline walk() { /* takeover_walk */
	if
	:: is_open -> roll_back_if_alive()
	:: else
	fi;
	if
	:: is_open && m.to != NOBODY && is_lost(m.to) -> walk_target_lost()
	:: else
	fi;
	going = 1;
	do
	:: !is_open || !going || t_state != IDLE || gave_up -> break
	:: else ->
		if
		:: m.abort != CONTINUE -> walk_undo()
		:: m.abort == CONTINUE && !m.released && !is_lost(m.from) -> going = 0 /* must_pause */
		:: else -> step_row()
		fi
	od
}

/* ---- what the rows answer: walk-answer.c ---- */

#ifdef BROKEN_UNKNOWN_IS_NO
#define is_no(a, no) (a == no || a == UNKNOWN)
#else
#define is_no(a, no) (a == no)
#endif

inline walk_row_done() { /* walk_row_done: to the next */
	m.state = OPEN;
	if
	:: m.row == STAGE -> m.known = 1;
#ifdef BROKEN_RELEASE_BEFORE_EVIDENCE
		walk_set_row(RELEASE_)
	:: m.row == RELEASE_ -> walk_set_row(EVIDENCE)
#else
		walk_set_row(EVIDENCE)
	:: m.row == RELEASE_ -> walk_set_row(CLAIM)
#endif
	:: m.row == CLAIM ->
#ifndef BROKEN_START_BEFORE_CLAIM
		walk_claim();
#endif
		walk_set_row(START_)
	:: m.row == START_ ->
#ifdef BROKEN_START_BEFORE_CLAIM
		walk_claim();
#endif
		walk_set_row(REPAIR)
	:: else -> walk_set_row(PUBLISH) /* VERIFY */
	fi
}

inline missed() { /* act_missed; what did not get there is sent again, which is the same as that it takes longer */
#ifndef BROKEN_DO_BEFORE_SEE
	see = 1;
#endif
	RETRY
}

inline walk_seen() { /* walk_seen, seen_no */
	if
	:: m.row == STAGE && is_no(t_answer, ABSENT) -> see = 0
	:: m.row == STAGE && (t_answer == PRESENT || t_answer == STARTED || t_answer == RUNS) -> walk_row_done()
	:: m.row == RELEASE_ && is_no(t_answer, COPY) -> see = 0
	:: (m.row == RELEASE_ || m.row == CLAIM) && (t_answer == NONE || t_answer == OWN) -> walk_row_done()
	:: m.row == CLAIM && t_answer == COPY -> walk_set_row(RELEASE_)
	:: m.row == START_ && is_no(t_answer, PRESENT) -> see = 0
	:: m.row == START_ && (t_answer == STARTED || t_answer == RUNS) -> walk_row_done()
	:: m.row == START_ && t_answer == ABSENT -> walk_fail()
	:: m.row == VERIFY && t_answer == RUNS -> walk_row_done()
	:: m.row == VERIFY && (t_answer == STARTED || t_answer == PRESENT || t_answer == ABSENT) -> m.state = OPERATOR /* not_verified */
	:: else -> RETRY /* walk_look_again */
	fi
}

inline walk_refused() {
	if
	:: m.row == STAGE && t_answer == TAKEN -> see = 1
	:: m.row == START_ && t_answer == TAKEN && !taken -> taken = 1; walk_set_row(CLAIM)
	:: else -> walk_fail()
	fi
}

inline takeover_result() {
	if
	:: m.abort != CONTINUE && t_kind == REMOVE -> walk_undo_result()
	:: m.abort != CONTINUE && t_kind != REMOVE -> m.known = m.known || (t_kind == CREATE && t_answer == OK)
	:: m.abort == CONTINUE && (t_kind == SEE || t_kind == HOLDERS) -> walk_seen()
	:: m.abort == CONTINUE && (t_kind == CREATE || t_kind == RELEASE || t_kind == START) && t_answer == OK -> walk_row_done()
	:: m.abort == CONTINUE && (t_kind == CREATE || t_kind == RELEASE || t_kind == START) && t_answer == UNKNOWN ->
		missed()
	:: else -> walk_refused()
	fi;
	if
	:: t_state == ANSWERED -> t_state = IDLE; t_kind = NOTHING; t_answer = NOTHING
	:: else
	fi
}
