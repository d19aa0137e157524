/* What must hold. MUST(n, e): property n. With -DONLY=n the others are not looked at, so that whatever is found broke n. */

#ifndef ONLY
#define ONLY 0
#endif
#define LOOKED_AT(n) (ONLY == 0 || ONLY == n)
#ifdef REACH
#define MUST(n, e) skip
#else
#define MUST(n, e) assert(!LOOKED_AT(n) || (e))
#endif

#define TWO_TALK \
	((talks(1) && talks(2)) || (talks(1) && talks(3)) || (talks(2) && talks(3)))

/* Before the takeover's evidence was a quarantine nobody promised it. */
#define P1 (!(sure && TWO_TALK))

/* "Once faults stop": one generation runs, on the network and in the book, the observer reaches it, nobody else is heard, and what
 * answers is clean. */
#define OTHER_IS_QUIET(g) (g == m.container || (!talks(g) && !(runs(g) && host[c_at[g]] == UP)))
#define SERVED \
	(m.state == CLOSED && m.container != 0 && m.verified && talks(m.container) && holder == m.container && \
	 OTHER_IS_QUIET(1) && OTHER_IS_QUIET(2) && OTHER_IS_QUIET(3) && \
	 (k_row == m.node + 1 || (k_row == 0 && m.node == A)))
#define SETTLED (m.state == OPERATOR || SERVED)

#ifdef REACH
#if REACH == 1
#define REACHED (last_end == ENDED_DONE)
#elif REACH == 2
#define REACHED (last_end == ENDED_BACK && SERVED)
#elif REACH == 3
#define REACHED (m.state == OPERATOR)
#elif REACH == 4
#define REACHED (crashed && last_end == ENDED_DONE)
#elif REACH == 5 /* the old host is back behind the point of no return, and the takeover is done all the same */
#define REACHED (last_end == ENDED_DONE && host[A] == UP && c_is[1] && runs(1) && !c_on[1])
#elif REACH == 6
#define REACHED (last_end == ENDED_DONE && m.gen == 3 && m.node == B)
#elif REACH == 7
#define REACHED (last_end == ENDED_DONE && m.gen == 3 && m.node == A)
#elif REACH == 8
#define REACHED (last_end == ENDED_DONE && sure && k_drop == BIT(A) && runs(1) && runs(2))
#elif REACH == 9
#define REACHED (last_end == ENDED_DONE && !sure)
#elif REACH == 10 /* all is cleared away, and the quarantine is over */
#define REACHED (last_end == ENDED_DONE && SERVED && m.gen == 2 && !c_is[1] && k_drop == 0)
#elif REACH == 11
#define REACHED (last_end == ENDED_FAILED)
#elif REACH == 12
#define REACHED (m.orphan && m.state == OPEN && m.row == EVIDENCE)
#else
#define REACHED saw_refusal
#endif
#endif

#ifdef REACH
bit saw_refusal; /* an order was refused: REACH 13 for its epoch, 14 for its number, 15: the store refused an older epoch */
#define REFUSAL(k) saw_refusal = (REACH == k || saw_refusal)
#else
#define REFUSAL(k) skip
#endif

#ifdef LIVE
ltl completes { <>[] SETTLED }
#else
proctype Monitor() {
#ifdef REACH
	do
	:: REACHED -> assert(false)
	od
#else
	do
	:: !P1 -> MUST(1, false)
	od
#endif
}
#endif
