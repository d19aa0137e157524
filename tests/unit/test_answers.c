/* What engines say, and what that means for the effect that asked. Their words are those of docs/engine-facts.md. */
#include "daemon/answers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void refusals_are_told_apart_by_what_engines_say(void **state) {
	(void)state;
	static const struct {
		int status;
		const char *message;
		enum refusal expect;
	} cases[] = {
		{500, "driver failed programming external connectivity: Bind for 0.0.0.0:8080 failed: port is already allocated",
		 REFUSAL_PORT_TAKEN},
		{500, "attaching to network failed, make sure your network options are correct: context deadline exceeded",
		 REFUSAL_ADDRESS_TAKEN},
		{409, "Conflict. The container name \"/f1\" is already in use by container \"x\".", REFUSAL_NAME_TAKEN},
		{404, "No such image: nosuch:1", REFUSAL_NO_IMAGE},
		{404, "No such container: x", REFUSAL_NO_SUCH},
		{404, "could not find a network matching network mode ov: network ov not found", REFUSAL_PASSING},
		{404, "network vdei6u3eyazd3m33rdww5r6s5 not found", REFUSAL_PASSING},
		{500, "out of luck", REFUSAL_OTHER},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (answer_refusal(cases[i].status, cases[i].message) != cases[i].expect)
			fail_msg("%s: got %d, expected %d", cases[i].message,
				 (int)answer_refusal(cases[i].status, cases[i].message), (int)cases[i].expect);
}

static const struct {
	const char *what;
	enum effect_kind kind;
	struct answer_said said;
	enum effect_outcome outcome;
	enum refusal refusal;
} cases[] = {
	{"done", EFFECT_START, {ENGINE_OK, 204, ""}, EFFECT_OK, REFUSAL_OTHER},
	{"it was so already", EFFECT_START, {ENGINE_OK, 304, ""}, EFFECT_OK, REFUSAL_OTHER},
	{"never left", EFFECT_START, {ENGINE_NOT_SENT, 0, "h2: Connection refused"}, EFFECT_NOT_DONE, REFUSAL_OTHER},
	{"no answer", EFFECT_START, {ENGINE_UNKNOWN, 0, "h2: timed out"}, EFFECT_UNKNOWN, REFUSAL_OTHER},
	{"HTML for an answer", EFFECT_START, {ENGINE_BAD, 200, "h2: not JSON"}, EFFECT_UNKNOWN, REFUSAL_OTHER},
	{"the port is taken",
	 EFFECT_START,
	 {ENGINE_REFUSED, 500, "h2: 500: Bind for 0.0.0.0:8080 failed: port is already allocated"},
	 EFFECT_REFUSED,
	 REFUSAL_PORT_TAKEN},
	{"looked for and not found", EFFECT_INSPECT, {ENGINE_REFUSED, 404, "No such container: x"}, EFFECT_OK, REFUSAL_OTHER},
	{"could not be looked for", EFFECT_INSPECT, {ENGINE_REFUSED, 500, "broken"}, EFFECT_REFUSED, REFUSAL_OTHER},
	{"nothing to stop", EFFECT_STOP, {ENGINE_REFUSED, 404, "No such container: x"}, EFFECT_REFUSED, REFUSAL_NO_SUCH},
	{"renamed to what it is called",
	 EFFECT_RENAME,
	 {ENGINE_REFUSED, 400, "h2: 400: Renaming a container with the same name as its current name"},
	 EFFECT_OK,
	 REFUSAL_OTHER},
	{"another has the name", EFFECT_RENAME, {ENGINE_REFUSED, 409, "a conflict"}, EFFECT_REFUSED, REFUSAL_NAME_TAKEN},
	{"a bad name", EFFECT_RENAME, {ENGINE_REFUSED, 400, "Invalid container name"}, EFFECT_REFUSED, REFUSAL_OTHER},
	{"it runs", EFFECT_REMOVE, {ENGINE_REFUSED, 409, "whatever this version says"}, EFFECT_REFUSED, REFUSAL_RUNNING},
	{"a conflict of another call",
	 EFFECT_START,
	 {ENGINE_REFUSED, 409, "cannot start a paused container"},
	 EFFECT_REFUSED,
	 REFUSAL_OTHER},
	{"was not connected",
	 EFFECT_DISCONNECT,
	 {ENGINE_REFUSED, 500, "container x is not connected to network ov"},
	 EFFECT_OK,
	 REFUSAL_OTHER},
	{"was not connected, stopped",
	 EFFECT_DISCONNECT,
	 {ENGINE_REFUSED, 500, "container x is not connected to the network ov"},
	 EFFECT_OK,
	 REFUSAL_OTHER},
	{"no such network here", EFFECT_DISCONNECT, {ENGINE_REFUSED, 404, "network ov not found"}, EFFECT_OK, REFUSAL_OTHER},
	{"cannot be disconnected", EFFECT_DISCONNECT, {ENGINE_REFUSED, 500, "out of luck"}, EFFECT_REFUSED, REFUSAL_OTHER},
	{"the same words for another call are no success",
	 EFFECT_STOP,
	 {ENGINE_REFUSED, 500, "container x is not connected to network ov"},
	 EFFECT_REFUSED,
	 REFUSAL_OTHER},
};

static void every_answer_means_what_is_written_here(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct effect_result r = answer_to(cases[i].kind, &cases[i].said);
		bool told = r.outcome == EFFECT_OK || r.detail == cases[i].said.message;
		if (r.outcome != cases[i].outcome || r.refusal != cases[i].refusal || !told)
			fail_msg("%s: outcome %d, refusal %d, detail %s", cases[i].what, (int)r.outcome, (int)r.refusal,
				 r.detail ? r.detail : "none");
	}
}

static void half_made_is_not_made_only_when_it_was_seen_removed(void **state) {
	(void)state;
	assert_int_equal(answer_create_undone(&(struct answer_said){ENGINE_OK, 204, ""}).outcome, EFFECT_REFUSED);
	assert_int_equal(answer_create_undone(&(struct answer_said){ENGINE_UNKNOWN, 0, "x"}).outcome, EFFECT_UNKNOWN);
	assert_int_equal(answer_create_undone(&(struct answer_said){ENGINE_REFUSED, 500, "x"}).outcome, EFFECT_UNKNOWN);
}

/* Two sources, then the registry. */
static char *const nodes[] = {(char *)"h2", (char *)"h3"};
static struct effect image_effect(const char *name) {
	return (struct effect){.kind = EFFECT_IMAGE,
			       .image = (char *)(uintptr_t)name,
			       .image_id = (char *)"sha256:1",
			       .sources = {.v = (char **)(uintptr_t)nodes, .n = 2}};
}

static void an_image_is_copied_before_it_is_pulled(void **state) {
	static const struct answer_said ok = {ENGINE_OK, 200, ""}, no = {ENGINE_REFUSED, 404, "No such image: x"},
					silent = {ENGINE_UNKNOWN, 0, "h1: timed out"};
	struct effect e = image_effect("web:1");
	struct effect_result stop = {0};

	(void)state;
	assert_int_equal(answer_image_looked(&e, 0, &ok, &stop), IMAGE_DONE);
	assert_int_equal(answer_image_looked(&e, 0, &no, &stop), IMAGE_NEXT);
	assert_int_equal(answer_image_source(&e, 0, &stop), IMAGE_COPY);
	assert_int_equal(answer_image_moved(&e, 1, &silent, &stop), IMAGE_NEXT);
	assert_int_equal(answer_image_source(&e, 1, &stop), IMAGE_COPY);
	assert_int_equal(answer_image_moved(&e, 2, &ok, &stop), IMAGE_LOOK);
	assert_int_equal(answer_image_looked(&e, 2, &no, &stop), IMAGE_NEXT); /* what came was another */
	assert_int_equal(answer_image_source(&e, 2, &stop), IMAGE_PULL);
	assert_int_equal(answer_image_moved(&e, 3, &no, &stop), IMAGE_STOP);
	assert_int_equal(stop.outcome, EFFECT_REFUSED);
	assert_int_equal(stop.refusal, REFUSAL_NO_IMAGE);
	assert_int_equal(answer_image_looked(&e, 3, &no, &stop), IMAGE_STOP);
}

static void a_silent_target_ends_the_search(void **state) {
	static const struct answer_said silent = {ENGINE_UNKNOWN, 0, "h1: timed out"};
	struct effect e = image_effect("web:1");
	struct effect_result stop = {0};

	(void)state;
	assert_int_equal(answer_image_looked(&e, 0, &silent, &stop), IMAGE_STOP);
	assert_int_equal(stop.outcome, EFFECT_UNKNOWN);
}

static void what_has_no_name_cannot_be_pulled(void **state) {
	static const char *const names[] = {NULL, "sha256:1"};
	struct effect_result stop;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct effect e = image_effect(names[i]);
		assert_int_equal(answer_image_source(&e, 2, &stop), IMAGE_STOP);
		assert_int_equal(stop.refusal, REFUSAL_NO_IMAGE);
	}
}

static void an_image_is_called_by_its_name_where_it_has_it(void **state) {
	char *tags[] = {(char *)"web:latest"}, *digests[] = {(char *)"web@sha256:9"};
	const struct engine_image image = {
		.id = (char *)"sha256:1", .tags = {.v = tags, .n = 1}, .digests = {.v = digests, .n = 1}};
	static const struct {
		const char *name, *ref;
	} names[] = {
		{"web:latest", "web:latest"}, {"web", "web"},     {"web@sha256:9", "web@sha256:9"},
		{"web:2", "sha256:1"},        {NULL, "sha256:1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct effect e = image_effect(names[i].name);
		assert_string_equal(answer_image_ref(&e, &image), names[i].ref);
	}
}

static void an_overlay_that_nobody_can_be_asked_about_needs_an_operator(void **state) {
	struct effect_result r = answer_overlay(&(struct overlay_result){.outcome = OVERLAY_MISSING, .detail = "no socket"});

	(void)state;
	assert_int_equal(r.outcome, EFFECT_REFUSED);
	assert_int_equal(r.refusal, REFUSAL_MISSING);
	assert_string_equal(r.detail, "no socket");
	r = answer_overlay(&(struct overlay_result){.outcome = OVERLAY_REFUSED});
	assert_int_equal(r.refusal, REFUSAL_OTHER);
	r = answer_overlay(&(struct overlay_result){.holder = OVERLAY_HOLDER_COPY, .by_node_removal = true});
	assert_int_equal(r.outcome, EFFECT_OK);
	assert_int_equal(r.holder, HOLDER_COPY);
	assert_true(r.by_node_removal);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_are_told_apart_by_what_engines_say),
		cmocka_unit_test(every_answer_means_what_is_written_here),
		cmocka_unit_test(half_made_is_not_made_only_when_it_was_seen_removed),
		cmocka_unit_test(an_image_is_copied_before_it_is_pulled),
		cmocka_unit_test(a_silent_target_ends_the_search),
		cmocka_unit_test(what_has_no_name_cannot_be_pulled),
		cmocka_unit_test(an_image_is_called_by_its_name_where_it_has_it),
		cmocka_unit_test(an_overlay_that_nobody_can_be_asked_about_needs_an_operator),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
