/* The manager's turn around the walk: what is begun, cleaned up and told to agents (src/resched/resched.c, clean.c, agents.c, seats.c),
 * what is written (src/daemon/turn.c), and what it hears. Inlines have the names of the functions that they stand for. */

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
