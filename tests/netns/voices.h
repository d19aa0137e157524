/* Scenarios with an old owner that goes on sending and is in nobody's reach: both kinds of overlay keep it unheard. Hosts have
 * agents. */
#ifndef TESTS_NETNS_VOICES_H
#define TESTS_NETNS_VOICES_H

void one_that_hears_nobody_is_heard_by_nobody(void);
void frozen_host_that_thaws_after_the_takeover_is_not_heard(void);

#endif
