/* What happens, one event at a time: answers, news, what comes late, what goes wrong. */

/* ---- requests to engines ---- */

#define asked (t_state == SENT && in_reach(t_kind, m.tgen))

proctype Engines() {
	do
	:: atomic {
		if
		:: d_step { asked -> how = ANSWER }
		:: d_step { asked && faults > 0 -> spend_on(SILENCE) }
		:: d_step { asked && faults > 0 && l_kind == NOTHING -> spend_on(ANSWER); late(t_kind, m.tgen) }
		fi;
		d_step {
			perform(t_kind, m.tgen, true);
			t_answer = (how == ANSWER -> reply : UNKNOWN);
			t_state = ANSWERED
		}
	}
	:: d_step {
		t_state == SENT && faults > 0 && l_kind == NOTHING ->
		spend_on(SILENCE);
		late(t_kind, m.tgen);
		t_answer = UNKNOWN;
		t_state = ANSWERED
	}
	:: d_step { t_state == SENT && faults > 0 -> spend_on(SILENCE); t_answer = UNKNOWN; t_state = ANSWERED }
	:: d_step { asked && faults > 0 && t_kind == START -> spend_on(ANSWER); t_answer = REFUSED; t_state = ANSWERED }

	:: d_step { l_kind != NOTHING && in_reach(l_kind, l_gen) -> perform(l_kind, l_gen, false); late(NOTHING, 0) }
	:: d_step { l_kind != NOTHING -> late(NOTHING, 0) } /* never */
	od
}

/* Of the clean-up. */
inline cleaned() {
	if
	:: d_step { cl_gen != 0 && in_reach(cl_kind, cl_gen) -> how = ANSWER }
	:: d_step { cl_gen != 0 && in_reach(cl_kind, cl_gen) && faults > 0 -> spend_on(SILENCE) }
	:: d_step { cl_gen != 0 && faults > 0 && l_kind == NOTHING -> spend_on(NOTHING_DONE); late(cl_kind, cl_gen) }
	:: d_step { cl_gen != 0 && host[c_at[cl_gen]] != UP && verdict[c_at[cl_gen]] == DEAD -> how = NOTHING_DONE }
	fi;
	d_step {
		reply = UNKNOWN;
		if
		:: how != NOTHING_DONE -> perform(cl_kind, cl_gen, true)
		:: else
		fi;
		reply = (how == ANSWER -> reply : UNKNOWN);
		clean_result()
	}
}

/* ---- orders to the agent ---- */

inline ordered() {
	if
	:: d_step { q_sent && g_up -> how = ANSWER }
	:: d_step { q_sent && g_up && faults > 0 -> spend_on(SILENCE) }
	:: d_step { q_sent && g_up && faults > 0 && !lq -> spend_on(NOTHING_DONE); lq = 1; lq_set = q_set; lq_epoch = epoch }
	:: d_step { q_sent && faults > 0 -> spend_on(NOTHING_DONE) }
	:: d_step { q_sent && !g_up && a_state == AGENT_SILENT -> how = NOTHING_DONE + 1 }
	fi;
	d_step {
		if
		:: how <= SILENCE -> drop(q_set, epoch)
		:: else
		fi;
		reply = (how == ANSWER -> OK : (how > NOTHING_DONE -> GIVEN_UP : UNKNOWN));
		order_result()
	}
}

inline was_told() {
	if
	:: d_step { s_gen != 0 && g_up -> how = ANSWER }
	:: d_step { s_gen != 0 && g_up && faults > 0 -> spend_on(SILENCE) }
	:: d_step { s_gen != 0 && g_up && faults > 0 && !ls -> spend_on(NOTHING_DONE); ls = 1; ls_gen = s_gen; ls_epoch = epoch }
	:: d_step { s_gen != 0 && !g_up && a_state == AGENT_SILENT -> how = NOTHING_DONE }
	fi;
	d_step {
		if
		:: how <= SILENCE -> keep(s_gen, epoch)
		:: else
		fi;
		reply = (how == ANSWER -> OK : UNKNOWN);
		tell_result()
	}
}

/* Orders that come late. */
proctype Agent() {
	do
	:: d_step {
		lq ->
		if
		:: is_obeyed(lq_epoch, lq_old) -> drop(lq_set, lq_epoch)
		:: else -> say_refused(lq_epoch)
		fi;
		lq = 0; lq_set = 0; lq_epoch = 0; lq_old = 0
	}
	:: d_step {
		ls ->
		if
		:: is_obeyed(ls_epoch, ls_old) -> keep(ls_gen, ls_epoch)
		:: else -> say_refused(ls_epoch)
		fi;
		ls = 0; ls_gen = 0; ls_epoch = 0; ls_old = 0
	}
	od
}

/* ---- the manager ---- */

/* One event, and the turn that it wakes. What the clean-up and the agents answer is heard at once: between the deed and its answer
 * anything may happen, but that matters to the takeover only, whose answers wait in t_answer. */
proctype Manager() {
	do
#ifdef BROKEN_NO_JOURNAL
	:: d_step { dirty -> written(m); COPY_JOURNAL(disk, m); dirty = 0 }
#endif
	:: atomic {
		if
		:: d_step { t_state == ANSWERED -> takeover_result() }
		:: d_step { host[A] == UP && verdict[A] != ALIVE -> alive(A) }
		:: d_step { host[B] == UP && verdict[B] != ALIVE -> alive(B) }
		:: d_step { host[A] != UP && verdict[A] != DEAD -> verdict[A] = DEAD }
		:: d_step { host[B] != UP && verdict[B] != DEAD -> verdict[B] = DEAD }
		:: d_step { g_up && has_news -> hear_agent() }
		:: d_step { !g_up && a_state != AGENT_SILENT -> a_state = AGENT_SILENT }
		:: d_step { news_of_engines -> skip }
		:: cleaned()
		:: ordered()
		:: was_told()
		fi;
		d_step { turn() }
	}
	od
}

/* ---- what goes wrong ---- */

/* An order is bound to a connection to the agent's process, and is gone with either. */
inline agent_dies() {
	g_up = 0;
	g_owners = 0;
	g_new = 1;
	lq = 0; lq_set = 0; lq_epoch = 0; lq_old = 0;
	ls = 0; ls_gen = 0; ls_epoch = 0; ls_old = 0
}

/* It dies and is started again at once: until it has heard of anybody it does nothing, so whatever happens meanwhile might as well
 * happen after. What was under way may yet arrive: from the wire of one that was killed, from the hand of one that was paused. */
inline manager_dies() {
	COUNT_CRASH;
	if
	:: t_state == SENT && l_kind == NOTHING -> l_kind = t_kind; l_gen = m.tgen
	:: t_state != SENT && cl_gen != 0 && l_kind == NOTHING -> l_kind = cl_kind; l_gen = cl_gen
	:: else
	fi;
	if
	:: q_sent && !lq && g_up -> lq = 1; lq_set = q_set; lq_epoch = epoch
	:: else
	fi;
	if
	:: s_gen != 0 && !ls && g_up -> ls = 1; ls_gen = s_gen; ls_epoch = epoch
	:: else
	fi;
	t_state = IDLE; t_kind = NOTHING; t_answer = NOTHING;
	cl_kind = NOTHING; cl_gen = 0;
	q_sent = 0; q_set = 0;
	s_gen = 0;
	verdict[A] = UNHEARD; verdict[B] = UNHEARD;
	returning[A] = 0; returning[B] = 0;
	quarantined[A] = 0; quarantined[B] = 0;
	taken = 0;
	a_state = 0; a_known = 0; a_open = 0; a_unaware = 0; a_obeyed = 0; a_drops = 0; a_sure = 0;
	told = 0; tell_tries = 0;
#ifdef BROKEN_NO_JOURNAL
	restore();
#endif
#ifdef BROKEN_DO_BEFORE_SEE
	see = 0;
#else
	see = 1; /* resched_restore_takeover */
#endif
	epoch = epoch + 1
}

inline write_late() {
#ifdef BROKEN_SHARED_STORE
	MUST(6, false) /* its records go over those of the newer one */
#else
	REFUSAL(15)
#endif
}

inline lose(h, how, for_good) {
	host[h] = how;
#ifdef LIVE
	forever[h] = for_good
#endif
}

proctype Faults() {
	/* The first. */
	if
	:: d_step { lose(A, CUT, 0) }
	:: d_step { lose(A, OFF, 0) }
#ifdef LIVE
	:: d_step { lose(A, CUT, 1) }
	:: d_step { lose(A, OFF, 1) }
#endif
	fi;
	do
	:: d_step { faults > 0 && host[A] == UP -> faults = faults - 1; lose(A, CUT, 0) }
	:: d_step { faults > 0 && host[A] == UP -> faults = faults - 1; lose(A, OFF, 0) }
	:: d_step { faults > 0 && host[B] == UP -> faults = faults - 1; lose(B, CUT, 0) }
	:: d_step { faults > 0 && host[B] == UP -> faults = faults - 1; lose(B, OFF, 0) }
	:: d_step { faults > 0 -> faults = faults - 1; manager_dies() }
	:: d_step { faults > 0 && g_up -> faults = faults - 1; agent_dies() }
#ifdef PAUSES
	:: d_step { faults > 0 && !old_on -> faults = faults - 1; manager_dies(); old_on = 1 }
	/* The paused one wakes: what was in its hand is among what is late, and before it can do anything else it must write. */
	:: d_step { old_on -> old_on = 0; write_late() }
#endif
#ifdef LIVE
	:: d_step { faults > 0 && host[B] == UP && !forever[A] -> faults = faults - 1; lose(B, OFF, 1) }
	:: d_step { faults > 0 -> faults = 0 } /* they stop */
#else
	:: d_step { /* a process that ends by itself */
		faults > 0 && m.gen > 1 && m.container != 0 && c_run[m.container] && host[c_at[m.container]] == UP ->
		faults = faults - 1;
		c_run[m.container] = 0;
		leave_network(m.container)
	}
#endif
	od
}

/* One that is powered on brings up what it ran, where its address can be had. */
inline power_on(h, up) {
	host[h] = UP;
	g = 1;
	do
	:: g > LAST -> break
	:: else ->
		if
		:: c_at[g] == h && c_run[g] && (!up || (c_on[g] && holder != 0 && holder != g)) -> c_run[g] = 0; leave_network(g)
		:: c_at[g] == h && c_run[g] && up && c_on[g] && (holder == 0 || holder == g) -> holder = g
		:: else
		fi;
		g = g + 1
	od;
	g = 0
}

proctype Recoveries() {
	do
	:: d_step { host[A] == CUT && !is_gone(A) -> host[A] = UP }
	:: d_step { host[B] == CUT && !is_gone(B) -> host[B] = UP }
	:: d_step { host[A] == OFF && !is_gone(A) -> power_on(A, 1) }
	:: d_step { host[B] == OFF && !is_gone(B) -> power_on(B, 1) }
#ifndef LIVE
	:: d_step { host[A] == OFF && !is_gone(A) -> power_on(A, 0) }
	:: d_step { host[B] == OFF && !is_gone(B) -> power_on(B, 0) }
#endif
	:: d_step { !g_up -> g_up = 1 }
	od
}
