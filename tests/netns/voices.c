/* See voices.h. */
#include "voices.h"

#include "agents.h"
#include "asker.h"

#include <string.h>
#include <unistd.h>

#define WEB "10.20.200.50"

static const struct heird_options with_agents = {.agents = true};

/* A voice on h1, and who listens to it on h2 and h3. */
struct stage {
	struct web voice, moved;
	struct capture on_h1, on_h2, on_h3;
	size_t sent, h2, h3; /* frames of the old voice, when no more were to come */
};

static void set_stage(struct stage *s) {
	askers_run(3, WEB);
	const struct web on_h2 = asker_on(2), on_h3 = asker_on(3);

	prefer_target("h2", "h3");
	s->voice = voice_run("h1", OPT_IN "--network ov --ip " WEB, on_h3.nets[0].ip, on_h2.nets[0].ip);
	capture_begin(&s->on_h1, &s->voice);
	capture_begin(&s->on_h2, &on_h2);
	capture_begin(&s->on_h3, &on_h3);
	wait_until("the voice is heard on h2 and h3", capture_count(&s->on_h2, &s->voice) && capture_count(&s->on_h3, &s->voice));
	heird_start(&with_agents);
	wait_ready(&s->voice);
	agents_ready();
}

static void count_frames(struct stage *s) {
	s->sent = capture_count(&s->on_h1, &s->voice);
	s->h2 = capture_count(&s->on_h2, &s->voice);
	s->h3 = capture_count(&s->on_h3, &s->voice);
}

static void expect_no_more_frames(struct stage *s) {
	assert_int_equal(capture_count(&s->on_h2, &s->voice), s->h2);
	assert_int_equal(capture_count(&s->on_h3, &s->voice), s->h3);
}

static void expect_the_new_one_alone(struct stage *s) {
	wait_until("the replacement is heard", capture_count(&s->on_h2, &s->moved) && capture_count(&s->on_h3, &s->moved));
	expect_returned(&s->voice, &s->moved);
	expect_no_quarantine();
	expect_heard_everywhere(&s->moved);
	expect_no_more_frames(s);
	expect_never_both(&s->voice, &s->moved);
	note("the old one sent %zu frames meanwhile and none was received", capture_count(&s->on_h1, &s->voice) - s->sent);
	capture_end(&s->on_h1);
	capture_end(&s->on_h2);
	capture_end(&s->on_h3);
}

/* Its frames go on arriving: only what the others' kernels drop keeps it from being heard. */
void one_that_hears_nobody_is_heard_by_nobody(void) {
	static struct stage s;

	set_stage(&s);
	lab_do("oneway h1 in");
	note("h1 hears nobody");
	wait_until("its frames are dropped", drops("h2", "h1") && drops("h3", "h1"));
	count_frames(&s);
	s.moved = expect_moved(&s.voice);
	expect_proven("voice");
	wait_until("the old one goes on sending", capture_count(&s.on_h1, &s.voice) > s.sent + 50);
	expect_no_more_frames(&s);
	lab_do("heal h1");
	expect_the_new_one_alone(&s);
}

/* The classical one: it was only asleep, and goes on in the middle of a sentence, believing that no time has passed. */
void frozen_host_that_thaws_after_the_takeover_is_not_heard(void) {
	static struct stage s;

	set_stage(&s);
	lab_do("freeze h1");
	note("h1 is frozen");
	wait_until("the takeover is done", takeover_is("voice", "done"));
	expect_proven("voice");
	count_frames(&s);
	lab_do("thaw h1");
	note("h1 goes on");
	s.moved = expect_moved(&s.voice);
	expect_the_new_one_alone(&s);
}
