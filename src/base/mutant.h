/* Planted bugs, which the simulator has to find: `make mutants` proves of each that it does.
 *
 * MUTANT(NAME) stands at the very decision that its bug spoils. In the simulator's build for that (-DHEIR_MUTANTS) it is true while
 * that one is switched on; everywhere else it is the constant false, and nothing of it is left in the program. A hook comes behind
 * whatever makes it matter, so that one that was asked has changed something. What each one is, and which promise it breaks:
 * tests/sim/mutants-table.c. */
#ifndef BASE_MUTANT_H
#define BASE_MUTANT_H

#ifndef HEIR_MUTANTS

#define MUTANT(name) false

#else

#include <stdbool.h>

#define MUTANTS(X) \
	X(RELEASED_WITHOUT_EVIDENCE) \
	X(FENCE_LABEL_IGNORED) \
	X(COPY_TAKEN_FOR_STOPPED) \
	X(REFUSED_STOP_TAKEN_FOR_STOPPED) \
	X(WITNESS_IGNORED) \
	X(ENGINE_ONLY_TAKEN_FOR_DEAD) \
	X(QUARANTINE_NOT_ACKNOWLEDGED) \
	X(SIBLINGS_NOT_AWAITED) \
	X(LIVE_NODE_REMOVED) \
	X(PUBLISHED_BEFORE_FENCE) \
	X(PUBLISHED_BEFORE_VERIFIED) \
	X(NOT_WITHDRAWN) \
	X(KEPT_WITHOUT_OWNER) \
	X(RELEASE_NOT_RECORDED) \
	X(LET_IN_BEFORE_CLEAN) \
	X(QUARANTINE_NOT_ADOPTED) \
	X(RETURNED_BEFORE_CLEAN) \
	X(STALE_COPY_SWEPT) \
	X(WRONG_ROWS_TAKEN_FOR_PROOF) \
	X(OLD_EPOCH_OBEYED) \
	X(OLD_ORDER_OBEYED) \
	X(MOVED_WITHOUT_CONSENT) \
	X(NEIGHBOUR_RELEASED) \
	X(OWN_FRAMES_DROPPED) \
	X(OWNERS_ROWS_TAKEN_BACK) \
	X(MAC_DROPPED) \
	X(SECOND_NETWORK_DROPPED) \
	X(MEMORY_NOT_FROZEN) \
	X(REMOVED_BEFORE_VERIFIED) \
	X(REMOVED_WHILE_OWNER_SILENT) \
	X(NOT_ROLLED_BACK) \
	X(ROLLED_BACK_AFTER_RELEASE) \
	X(ORPHAN_FORGOTTEN) \
	X(NOT_RESUMED) \
	X(COPY_NOT_STOPPED) \
	X(COPY_NOT_PARKED) \
	X(STARTED_COPY_IGNORED) \
	X(POLICY_NOT_GIVEN_BACK) \
	X(PARKED_POLICY_LEARNT) \
	X(CONFIRMED_DEAD_FOR_EVER) \
	X(NEW_OWNER_NOT_TOLD) \
	X(FAILED_COMMIT_IGNORED) \
	X(DONE_BEFORE_WRITTEN) \
	X(NOT_WRITTEN_AGAIN) \
	X(OPERATOR_NOT_TOLD_WHY) \
	X(RELEASE_NOT_LOGGED) \
	X(LOG_LINES_LOST) \
	X(LOG_NAMES_WRONG_NODE) \
	X(RETRIED_WITHOUT_BACKOFF) \
	X(ATTEMPTED_WITHOUT_BACKOFF) \
	X(CLEANED_WITHOUT_BACKOFF) \
	X(ORDERED_WITHOUT_BACKOFF) \
	X(ATTEMPTS_NEVER_USED_UP) \
	X(ONE_TOO_MANY_AT_ONCE) \
	X(ONE_TOO_MANY_ON_TARGET) \
	X(BRAKE_ONE_TOO_LATE) \
	X(CUT_OFF_MANAGER_ACTS) \
	X(BRAKE_DOES_NOT_LINGER) \
	X(BEGUN_AGAINST_BRAKE) \
	X(BRAKE_IGNORED_ONCE_BEGUN) \
	X(HOLD_DOWN_IGNORED) \
	X(SECOND_DEATH_FORGIVEN) \
	X(TARGET_NOT_CLEAN) \
	X(RUNNING_TARGET_DISOWNED) \
	X(UNKNOWN_TAKEN_FOR_ABSENT) \
	X(NUMBER_GIVEN_TWICE) \
	X(NUMBER_NOT_WRITTEN) \
	X(ASKED_WHILE_PENDING) \
	X(NOT_SEEN_AFTER_RESTART) \
	X(UNKNOWN_TAKEN_FOR_NOT_DONE) \
	X(UNKNOWN_TAKEN_FOR_DONE) \
	X(STARTED_TWICE)

#define MUTANT_NUMBER(name) MUTANT_##name,
enum mutant { MUTANT_NONE, MUTANTS(MUTANT_NUMBER) MUTANT_MAX };
#undef MUTANT_NUMBER

/* Which one is switched on, and how often it has been asked. */
extern enum mutant mutant_on;
extern unsigned long mutant_reached;

static inline bool mutant_is_on(enum mutant m) {
	mutant_reached += m == mutant_on;
	return m == mutant_on;
}

#define MUTANT(name) mutant_is_on(MUTANT_##name)

#endif

#endif
