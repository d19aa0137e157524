/* Scenarios that every kind of overlay passes with agents, each in its own program. */
#ifndef TESTS_NETNS_BOTH_H
#define TESTS_NETNS_BOTH_H

void stale_container_that_keeps_sending_is_heard_by_nobody(void);
void address_moves_to_and_fro_and_all_rows_follow(void);

#endif
