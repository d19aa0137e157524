/* The manager: src/resched, and the turn of src/daemon/turn.c around it. Named after the functions that each part stands for. */

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
	:: m.row == REPAIR -> /* walk_repair: told, or nobody who answers */
		if
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

/* ---- what is begun: resched.c ---- */

inline begin() {
	if
	:: !is_open && (m.orphan || is_lost(m.node)) -> /* begin_lost, takeover_begin */
		m.state = OPEN;
		m.row = PLAN;
		m.from = m.node;
		m.to = NOBODY;
		m.released = m.orphan
	:: !is_open && !m.verified && !m.orphan && m.container != 0 && verdict[m.node] == ALIVE -> /* begin_resume */
		m.state = OPEN;
		m.from = m.node;
		m.to = m.node;
		m.tgen = m.gen;
		m.staged = 1; m.known = 1; m.released = 1; m.claimed = 1;
		m.evidence = PRESUMED; /* inherit: what the attempt before went by */
		walk_set_row(CLAIM)
	:: else
	fi
}

/* ---- clean.c ---- */

#ifdef BROKEN_REMOVE_BEFORE_VERIFY
#define may_clear(x) true
#else
#define may_clear(x) (m.staged_copy[x] || owner_serves)
#endif

inline clear_away(x) {
	MUST(5, !c_started[x] || (m.verified && m.gen > x && (proved & BIT(m.gen))));
	cl_kind = CLEAR
}

inline clean_copy(x) { /* pass, emit */
	if
	:: m.copy[x] > COPY_STOP && host[c_at[x]] == UP && c_run[x] -> m.copy[x] = COPY_ISOLATE
	:: else
	fi;
	if
	:: m.copy[x] == COPY_ISOLATE && m.staged_copy[x] -> m.copy[x] = COPY_WAIT
	:: m.copy[x] == COPY_ISOLATE && !m.staged_copy[x] && host[c_at[x]] == UP && !c_on[x] -> m.copy[x] = COPY_STOP
	:: else
	fi;
	if
	:: m.copy[x] == COPY_STOP && host[c_at[x]] == UP && !c_run[x] -> m.copy[x] = COPY_WAIT
	:: else
	fi;
	if
	:: m.copy[x] >= COPY_WAIT -> m.copy[x] = (may_clear(x) -> COPY_REMOVE : COPY_WAIT)
	:: else
	fi;
	if
	:: m.copy[x] == COPY_ISOLATE -> cl_kind = ISOLATE
	:: m.copy[x] == COPY_STOP -> cl_kind = STOP
	:: m.copy[x] == COPY_REMOVE -> clear_away(x)
	:: else
	fi;
	if
	:: m.copy[x] != COPY_WAIT -> cl_gen = x
	:: else
	fi
}

inline clean() { /* clean_walk; one copy after the other */
#ifdef BROKEN_NEVER_CLEAN
	g = LAST + 1;
#else
	g = 1;
#endif
	do
	:: g > LAST -> break
	:: else ->
		if
		:: m.copy[g] != NO_COPY && cl_gen == 0 && verdict[c_at[g]] == ALIVE ->
			MUST(2, m.container != g);
			clean_copy(g)
		:: else
		fi;
		g = g + 1
	od
}

inline clean_result() {
	if
	:: reply == NO_SUCH || (reply == OK && cl_kind == CLEAR) -> copy_remove(cl_gen)
	:: reply == OK && cl_kind == ISOLATE -> m.copy[cl_gen] = COPY_STOP
	:: reply == OK && cl_kind == STOP -> m.copy[cl_gen] = COPY_WAIT
	:: reply == RUNNING -> m.copy[cl_gen] = COPY_ISOLATE
	:: else /* again */
	fi;
	cl_kind = NOTHING;
	cl_gen = 0
}

#ifdef BROKEN_LIFT_EARLY
#define has_work(h) false
#else
#define has_copy(h, x) (m.copy[x] != NO_COPY && c_at[x] == h && m.copy[x] < COPY_WAIT)
#define has_work(h) \
	(has_copy(h, 1) || has_copy(h, 2) || has_copy(h, 3) || (is_open && m.from == h && !m.released))
#endif

inline clean_nodes() {
	n = 0;
	do
	:: n == NOBODY -> break
	:: else ->
		if
		:: returning[n] && verdict[n] == ALIVE && !has_work(n) -> returning[n] = 0; again = 1
		:: else
		fi;
		n = n + 1
	od
}

/* ---- agents.c, seats.c ---- */

inline mark() {
	if
	:: is_open && is_lost(m.from) -> quarantined[m.from] = 1
	:: else
	fi;
	g = 1;
	do
	:: g > LAST -> break
	:: else ->
		if
		:: is_live_copy(g) && is_lost(c_at[g]) -> quarantined[c_at[g]] = 1
		:: else
		fi;
		g = g + 1
	od
}

inline lift() {
	quarantined[A] = quarantined[A] && !serves(A);
	quarantined[B] = quarantined[B] && !serves(B)
}

#ifdef BROKEN_TRUST_BEFORE_RESTART
#define is_sure (!a_open && !a_unaware)
#else
#define is_sure (!a_open && !a_unaware && (a_obeyed || wanted == 0))
#endif

inline order() {
	wanted = quarantined[A] * BIT(A) + quarantined[B] * BIT(B);
	if
	:: a_state == AGENT_OK && !q_sent && a_known && (wanted != a_drops || !is_sure) ->
		q_sent = 1;
		q_set = wanted
	:: else
	fi
}

#define is_told \
	(m.gen >= 2 && m.container != 0 && !m.orphan && \
	 ((is_open && m.claimed && m.abort == CONTINUE && (m.row == REPAIR || m.row == VERIFY || m.row == PUBLISH || m.row == DONE)) || \
	  (!is_open && m.verified)))

inline tell() { /* seats_turn */
	if
	:: a_state == AGENT_OK && is_told && told != m.gen && s_gen == 0 -> s_gen = m.gen
	:: else
	fi
}

inline order_result() { /* note_open, ordered */
	if
	:: reply == OK ->
		a_open = 0;
		a_unaware = 0;
		a_sure = 0;
		a_obeyed = 1;
		a_drops = q_set
	:: reply == UNKNOWN ->
		a_sure = (a_open -> (a_sure & q_set) : q_set);
		a_open = 1
	:: else
	fi;
	q_sent = 0;
	q_set = 0
}

inline tell_result() { /* seats_result */
	if
	:: reply == OK -> told = s_gen; tell_tries = 0
	:: else -> tell_tries = (tell_tries < 2 -> tell_tries + 1 : 2)
	fi;
	s_gen = 0
}

/* ---- the turn: resched_turn, turn.c ---- */

#ifdef BROKEN_NO_JOURNAL
#define COPY_JOURNAL(dst, src) \
	dst.gen = src.gen; dst.last = src.last; dst.container = src.container; dst.node = src.node; \
	dst.verified = src.verified; dst.orphan = src.orphan; dst.copy[1] = src.copy[1]; dst.copy[2] = src.copy[2]; \
	dst.copy[3] = src.copy[3]; dst.staged_copy[1] = src.staged_copy[1]; dst.staged_copy[2] = src.staged_copy[2]; \
	dst.staged_copy[3] = src.staged_copy[3]; dst.state = src.state; dst.row = src.row; dst.abort = src.abort; \
	dst.tgen = src.tgen; dst.from = src.from; dst.to = src.to; dst.released = src.released; dst.claimed = src.claimed; \
	dst.staged = src.staged; dst.known = src.known; dst.evidence = src.evidence
inline restore() { COPY_JOURNAL(m, disk); dirty = 0 }
#endif

/* On disk from here on. */
inline written(j) {
	MUST(2, j.gen >= highest && (j.container == 0 || j.copy[j.container] == NO_COPY));
	highest = j.gen;
	if
	:: j.state != CLOSED && j.released && j.evidence -> evidenced = evidenced | (BIT(j.tgen) - 1)
	:: else
	fi;
	if
	:: j.container != 0 -> claims = claims | BIT(j.container)
	:: else
	fi
}

inline commit() {
#ifdef BROKEN_NO_JOURNAL
	dirty = 1
#else
	written(m)
#endif
}

inline turn() {
	do
	:: again = 0;
		place();
		begin();
		walk();
		clean();
		clean_nodes();
		mark();
		lift();
		order();
		tell();
		if
		:: again
		:: else -> break
		fi
	od;
	commit()
}

/* ---- what comes in: probes (resched_verdict, resched_listed) and polls (resched_agent) ---- */

inline alive(h) {
	verdict[h] = ALIVE;
	returning[h] = 1
}

/* agents.c of the daemon: it knows addresses, and not that the manager was started since. */
#define is_unaware (g_owners && k_epoch < epoch)
#define has_news (a_state != AGENT_OK || !a_known || a_drops != k_drop || g_new || is_unaware != a_unaware)

inline hear_agent() {
	a_state = AGENT_OK;
	if
	:: g_new -> told = 0; tell_tries = 0; g_new = 0
	:: else
	fi;
	a_known = 1;
	a_drops = k_drop;
	quarantined[A] = quarantined[A] || ((k_drop & BIT(A)) && !serves(A)); /* adopt_quarantine */
	quarantined[B] = quarantined[B] || ((k_drop & BIT(B)) && !serves(B));
	a_unaware = is_unaware
}

/* What a host that answers would tell, and the manager does not know yet. */
#define is_told_by(h) (verdict[h] == ALIVE && host[h] == UP)
#define news_of(x) \
	(x <= m.last && is_told_by(c_at[x]) && cl_gen != x && \
	 ((c_is[x] && m.container != x && m.copy[x] == NO_COPY && !(is_open && m.tgen == x)) || \
	  (!c_is[x] && m.copy[x] != NO_COPY) || (m.copy[x] > COPY_STOP && c_run[x] && cl_gen == 0) || \
	  (m.copy[x] == COPY_WAIT && cl_gen == 0 && may_clear(x))))
#define news_of_engines \
	(news_of(1) || news_of(2) || news_of(3) || \
	 (m.state == OPERATOR && m.row == VERIFY && runs(m.tgen) && t_state == IDLE))
