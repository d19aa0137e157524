/* The planted bugs (base/mutant.h): what each one is, and the promises that it breaks, by which it may therefore be found. */
#include "mutants.h"

#ifdef HEIR_MUTANTS

#define BREAKS(i) (1U << INV_##i)
#define MUTANT_ROW(name, breaks, what) [MUTANT_##name] = {#name, breaks, what}

const struct mutant_story mutant_stories[MUTANT_MAX] = {
	/* what the address is released and an owner made on */
	MUTANT_ROW(RELEASED_WITHOUT_EVIDENCE, BREAKS(EVIDENCE),
		   "an address is released though there is less evidence than is demanded"),
	MUTANT_ROW(FENCE_LABEL_IGNORED, BREAKS(EVIDENCE), "a container's own heir.fence is not asked for"),
	MUTANT_ROW(COPY_TAKEN_FOR_STOPPED, BREAKS(EVIDENCE), "of several copies the best evidence counts, not the weakest"),
	MUTANT_ROW(REFUSED_STOP_TAKEN_FOR_STOPPED, BREAKS(EVIDENCE),
		   "an engine that refuses to stop the owner is taken to have stopped it"),
	MUTANT_ROW(WITNESS_IGNORED, BREAKS(EVIDENCE), "a node that other agents still reach is given up"),
	MUTANT_ROW(ENGINE_ONLY_TAKEN_FOR_DEAD, BREAKS(EVIDENCE) | BREAKS(TOUCHED),
		   "a node whose engine alone is silent is given up"),
	MUTANT_ROW(QUARANTINE_NOT_ACKNOWLEDGED, BREAKS(EVIDENCE) | BREAKS(PACKETS),
		   "a quarantine counts before the kernels have it"),
	MUTANT_ROW(SIBLINGS_NOT_AWAITED, BREAKS(EVIDENCE) | BREAKS(ENDS),
		   "a node is taken out of its swarm before the evidence for all that moves from there is in"),
	MUTANT_ROW(LIVE_NODE_REMOVED, BREAKS(EVIDENCE) | BREAKS(TOUCHED), "a node that works is taken out of its swarm"),
	MUTANT_ROW(PUBLISHED_BEFORE_FENCE, BREAKS(EVIDENCE), "a replacement is published before its owner is fenced"),
	MUTANT_ROW(PUBLISHED_BEFORE_VERIFIED, BREAKS(EVIDENCE), "and before it is verified"),
	/* service discovery */
	MUTANT_ROW(NOT_WITHDRAWN, BREAKS(FOUND), "entries with the old host's address are left through the release"),
	MUTANT_ROW(KEPT_WITHOUT_OWNER, BREAKS(ENDS), "entries are left where a takeover stopped without an owner"),
	MUTANT_ROW(OLD_OWNER_SERVED, BREAKS(FOUND) | BREAKS(ENDS), "the old owner is named after its takeover"),
	MUTANT_ROW(OLD_REPORT_COUNTS, BREAKS(FOUND), "what came of an older order counts for the new owner's"),
	MUTANT_ROW(PORT_NOT_AWAITED, BREAKS(FOUND), "the new owner is published before its port is known"),
	MUTANT_ROW(WITHDRAWN_AGAINST_BRAKE, BREAKS(FOUND), "entries of lost nodes are withdrawn while the brake holds"),
	MUTANT_ROW(WITHDRAWN_BEFORE_LISTED, BREAKS(FOUND), "and those of a node whose containers are not known yet"),
	MUTANT_ROW(ORDER_NOT_GIVEN_AGAIN, BREAKS(ENDS) | BREAKS(FOUND), "an order that was not given counts as given"),
	MUTANT_ROW(LATE_NOT_SAID, BREAKS(ENDS), "a takeover that was published late is never said to be"),
	MUTANT_ROW(LATER_MANAGER_OVERWRITTEN, BREAKS(FOUND), "an older manager overwrites what a later one published"),
	MUTANT_ROW(FOREIGN_OVERWRITTEN, BREAKS(FOUND), "a foreign value is overwritten"),
	MUTANT_ROW(CALL_UNDER_WAY_IGNORED, BREAKS(FOUND), "an entry counts as withdrawn while it is on its way there"),
	MUTANT_ROW(RELEASE_NOT_RECORDED, BREAKS(EVIDENCE) | BREAKS(ENDS),
		   "the journal forgets that the point of no return was passed"),
	/* packets and agents */
	MUTANT_ROW(LET_IN_BEFORE_CLEAN, BREAKS(PACKETS), "a quarantine is lifted as soon as the node answers"),
	MUTANT_ROW(QUARANTINE_NOT_ADOPTED, BREAKS(PACKETS), "a manager that starts does not take up the quarantines that it finds"),
	MUTANT_ROW(RETURNED_BEFORE_CLEAN, BREAKS(PACKETS) | BREAKS(HELD),
		   "a node takes part again before its stale copies are put away"),
	MUTANT_ROW(STALE_COPY_SWEPT, BREAKS(PACKETS), "agents are told where the stale copies of a returned node are"),
	MUTANT_ROW(WRONG_ROWS_TAKEN_FOR_PROOF, BREAKS(PACKETS), "an agent whose rows are wrong counts as one that has proven them"),
	MUTANT_ROW(OLD_EPOCH_OBEYED, BREAKS(EPOCH), "an agent obeys a manager that another one has followed"),
	MUTANT_ROW(OLD_ORDER_OBEYED, BREAKS(PACKETS) | BREAKS(EVIDENCE) | BREAKS(ENDS),
		   "an agent obeys an order that is older than the last one"),
	/* what is nobody's business */
	MUTANT_ROW(MOVED_WITHOUT_CONSENT, BREAKS(TOUCHED) | BREAKS(OWNER), "containers that never opted in are moved as well"),
	MUTANT_ROW(NEIGHBOUR_RELEASED, BREAKS(TOUCHED), "with a copy's address another container's of that node is released"),
	MUTANT_ROW(OWN_FRAMES_DROPPED, BREAKS(TOUCHED), "a node is told to drop its own frames"),
	MUTANT_ROW(OWNERS_ROWS_TAKEN_BACK, BREAKS(TOUCHED), "agents are told to forget where a moved workload is that runs"),
	/* addresses and names */
	MUTANT_ROW(MAC_DROPPED, BREAKS(ADDRESS), "the replacement gets another MAC"),
	MUTANT_ROW(SECOND_NETWORK_DROPPED, BREAKS(ADDRESS), "the replacement gets the first of its networks only"),
	MUTANT_ROW(MEMORY_NOT_FROZEN, BREAKS(ADDRESS) | BREAKS(ENDS) | BREAKS(FOUND),
		   "what a workload is made again from is overwritten by what is left of a stale copy"),
	/* what is removed */
	MUTANT_ROW(REMOVED_BEFORE_VERIFIED, BREAKS(REMOVED), "stale copies are removed before the owner is verified"),
	MUTANT_ROW(REMOVED_WHILE_OWNER_SILENT, BREAKS(REMOVED), "and while the owner's node does not answer"),
	/* what is never ended */
	MUTANT_ROW(NOT_ROLLED_BACK, BREAKS(ENDS), "a takeover waits for ever when its node is back before the release"),
	MUTANT_ROW(ROLLED_BACK_AFTER_RELEASE, BREAKS(LIMITS) | BREAKS(ENDS),
		   "a takeover is rolled back behind the point of no return"),
	MUTANT_ROW(ORPHAN_FORGOTTEN, BREAKS(ENDS), "nobody tries again when an attempt failed behind the release"),
	MUTANT_ROW(NOT_RESUMED, BREAKS(ENDS), "an attempt whose target died and came back is not finished there"),
	MUTANT_ROW(COPY_NOT_STOPPED, BREAKS(ENDS) | BREAKS(PACKETS), "stale copies are not stopped"),
	MUTANT_ROW(COPY_NOT_PARKED, BREAKS(ENDS) | BREAKS(PACKETS), "stale copies keep their restart policy"),
	MUTANT_ROW(STARTED_COPY_IGNORED, BREAKS(ENDS) | BREAKS(PACKETS), "a stale copy that somebody starts again is left alone"),
	MUTANT_ROW(POLICY_NOT_GIVEN_BACK, BREAKS(ENDS), "the replacement does not get its restart policy back"),
	MUTANT_ROW(PARKED_POLICY_LEARNT, BREAKS(ENDS),
		   "what heir made for the time being (restart policy no) is taken for its user's"),
	MUTANT_ROW(CONFIRMED_DEAD_FOR_EVER, BREAKS(LIMITS) | BREAKS(ENDS),
		   "an operator's confirm-dead counts when the node is back, too"),
	MUTANT_ROW(NEW_OWNER_NOT_TOLD, BREAKS(ENDS) | BREAKS(PACKETS), "agents are not told anew when a workload moves again"),
	MUTANT_ROW(FAILED_COMMIT_IGNORED, BREAKS(EPOCH) | BREAKS(OWNER), "a commit that failed is taken for done"),
	MUTANT_ROW(DONE_BEFORE_WRITTEN, BREAKS(EPOCH) | BREAKS(OWNER), "effects are performed before their intent is on disk"),
	MUTANT_ROW(NOT_WRITTEN_AGAIN, BREAKS(ENDS) | BREAKS(EVIDENCE) | BREAKS(OWNER) | BREAKS(LOG),
		   "records of a commit that failed are not written again"),
	MUTANT_ROW(OPERATOR_NOT_TOLD_WHY, BREAKS(ENDS), "an operator is needed, and nobody says why"),
	/* the log */
	MUTANT_ROW(RELEASE_NOT_LOGGED, BREAKS(LOG), "the log does not say that an address was released"),
	MUTANT_ROW(LOG_LINES_LOST, BREAKS(LOG), "lines of a commit that failed are not written again"),
	MUTANT_ROW(LOG_NAMES_WRONG_NODE, BREAKS(LOG), "the log names the old node as the new one"),
	/* limits and pauses */
	MUTANT_ROW(RETRIED_WITHOUT_BACKOFF, BREAKS(LIMITS), "a step is tried again without waiting longer each time"),
	MUTANT_ROW(ATTEMPTED_WITHOUT_BACKOFF, BREAKS(LIMITS), "so is a takeover"),
	MUTANT_ROW(CLEANED_WITHOUT_BACKOFF, BREAKS(LIMITS), "so is the clean-up of a stale copy"),
	MUTANT_ROW(ORDERED_WITHOUT_BACKOFF, BREAKS(LIMITS), "so is an agent that does not do as it is told"),
	MUTANT_ROW(ATTEMPTS_NEVER_USED_UP, BREAKS(LIMITS), "a takeover is tried for ever"),
	MUTANT_ROW(ONE_TOO_MANY_AT_ONCE, BREAKS(LIMITS), "parallel, off by one"),
	MUTANT_ROW(ONE_TOO_MANY_ON_TARGET, BREAKS(LIMITS), "per_target, off by one"),
	/* the brake */
	MUTANT_ROW(BRAKE_ONE_TOO_LATE, BREAKS(BRAKE), "max_lost, off by one"),
	MUTANT_ROW(CUT_OFF_MANAGER_ACTS, BREAKS(BRAKE), "a manager that reaches nobody believes that everybody else is dead"),
	MUTANT_ROW(BRAKE_DOES_NOT_LINGER, BREAKS(BRAKE), "the brake lets go before the nodes of a storm had time to come back"),
	MUTANT_ROW(BEGUN_AGAINST_BRAKE, BREAKS(BRAKE), "takeovers begin while the brake holds"),
	MUTANT_ROW(BRAKE_IGNORED_ONCE_BEGUN, BREAKS(BRAKE), "those that have begun go on while it holds"),
	/* targets */
	MUTANT_ROW(HOLD_DOWN_IGNORED, BREAKS(HELD), "a node that flaps is a target at once"),
	MUTANT_ROW(SECOND_DEATH_FORGIVEN, BREAKS(HELD), "hold-down, off by one"),
	MUTANT_ROW(TARGET_NOT_CLEAN, BREAKS(HELD), "a node that has just returned is a target before it is clean"),
	/* one owner */
	MUTANT_ROW(RUNNING_TARGET_DISOWNED, BREAKS(OWNER) | BREAKS(EVIDENCE),
		   "a target that died is taken to have nothing running"),
	MUTANT_ROW(UNKNOWN_TAKEN_FOR_ABSENT, BREAKS(OWNER) | BREAKS(ENDS),
		   "unknown taken for no: a replacement is gone because nobody says that it is there"),
	MUTANT_ROW(NUMBER_GIVEN_TWICE, BREAKS(OWNER), "two attempts have the same generation"),
	MUTANT_ROW(NUMBER_NOT_WRITTEN, BREAKS(OWNER), "a new generation is not written to the ledger"),
	MUTANT_ROW(ASKED_WHILE_PENDING, BREAKS(OWNER) | BREAKS(SEE),
		   "a takeover asks for something while its last effect is not answered"),
	/* see before do */
	MUTANT_ROW(NOT_SEEN_AFTER_RESTART, BREAKS(SEE), "a manager that starts does again what was under way, and does not look"),
	MUTANT_ROW(UNKNOWN_TAKEN_FOR_NOT_DONE, BREAKS(SEE), "unknown taken for no: it is done again, and nobody looks"),
	MUTANT_ROW(UNKNOWN_TAKEN_FOR_DONE, BREAKS(EVIDENCE) | BREAKS(TOUCHED) | BREAKS(ENDS) | BREAKS(ADDRESS) | BREAKS(OWNER),
		   "unknown taken for yes: nobody looks whether it was done"),
	MUTANT_ROW(STARTED_TWICE, BREAKS(SEE), "what had been started and ended is started a second time"),
};

const struct mutant_again mutants_again[] = {
	{MUTANT_PUBLISHED_BEFORE_FENCE, BREAKS(FOUND)},
	{MUTANT_PUBLISHED_BEFORE_VERIFIED, BREAKS(FOUND)},
};
const size_t n_mutants_again = sizeof(mutants_again) / sizeof(mutants_again[0]);

#endif
