/* Histories of heartbeats and what is to be thought of them, in virtual time. */
#include "health/detector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct detector_settings defaults = {.interval = {1000000000},
						  .timeout = {1000000000},
						  .failures = 3,
						  .recover = 2,
						  .hold_initial = {10000000000},
						  .hold_cap = {300000000000},
						  .flap_window = {600000000000}};

/* Samples: A answered; missed with the host s silent, h answering, u unknown; b bad answer; J the manager sleeps before the next
 * one. Verdicts: ? unknown, a alive, s suspect, e engine-only, d dead, r recovering. */
static struct health_sample sample_of(char c, struct mono at) {
	struct health_sample s = {.at = at, .engine = ENGINE_SIGN_MISSED};
	if (c == 'A')
		s.engine = ENGINE_SIGN_ANSWERED;
	else if (c == 'b')
		s.engine = ENGINE_SIGN_BAD;
	else
		s.host = c == 's' ? HOST_SIGN_SILENT : c == 'h' ? HOST_SIGN_ANSWERS : HOST_SIGN_UNKNOWN;
	return s;
}

static char letter_of(enum health_verdict v) { return "?asedr"[v]; }

/* Verdicts after each sample, and checks that a change is reported exactly when there is one. */
static void run(struct detector *d, const char *samples, struct mono *now, char *ret_verdicts) {
	for (; *samples; samples++) {
		*now = mono_add(*now, *samples == 'J' ? span_sec(60) : span_sec(1));
		if (*samples == 'J')
			continue;
		enum health_verdict before = detector_verdict(d);
		struct health_sample s = sample_of(*samples, *now);
		bool changed = detector_feed(d, &s);
		assert_int_equal(changed, before != detector_verdict(d));
		*ret_verdicts++ = letter_of(detector_verdict(d));
	}
	*ret_verdicts = '\0';
}

static const struct {
	const char *what, *samples, *verdicts;
} histories[] = {
	{"one answer makes a new node alive", "A", "a"},
	{"one miss is only suspect", "AsA", "asa"},
	{"misses that are not in a row never kill", "AssAssAssA", "assassassa"},
	{"three misses with a silent host are death", "Asss", "assd"},
	{"three misses with an answering host are engine-only", "Ahhh", "asse"},
	{"a refused or bad heartbeat means that the host answers", "Abbb", "asse"},
	{"one silent fact at the last miss is enough", "Auus", "assd"},
	{"an unknown host is waited for", "Auuuus", "assssd"},
	{"a host heard during the misses must be silent as often", "Ahsssss",
	 "assed"
	 "dd"},
	{"engine-only falls dead after three silences in a row", "Ahhhsshsss", "asseeeeeed"},
	{"dead becomes engine-only at the host's first sign", "Assshh", "assdee"},
	{"a dead node stays dead while its host is unknown", "Asssuuu", "assdddd"},
	{"engine-only stays while its host is unknown", "Ahhhuuu", "asseeee"},
	{"two answers in a row bring it back", "AsssAA", "assdra"},
	{"one answer between misses does not", "AsssAsAsAA", "assdrdrdra"},
	{"a miss on the way back is engine-only where the host answers", "AsssAhAbAs", "assdrerere"},
	{"engine-only recovers the same way", "AhhhAhAA", "asserera"},
	{"a node down at the start is noticed", "sss", "??d"},
	{"a node hung at the start is engine-only", "hhh", "??e"},
	{"a node that was down at the start comes up with hysteresis", "sssAA", "??dra"},
	{"after a jump the counting starts anew", "AssJssss", "asssssd"},
	{"after a jump an answer counts", "AssJA", "assa"},
	{"a jump does not raise the dead", "AsssJss", "assddd"},
	{"a jump between two answers restarts the way back", "AsssAJAA", "assdrra"},
};

static void histories_get_their_verdicts(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof(histories) / sizeof(histories[0]); i++) {
		struct detector d;
		struct mono now = {0};
		char got[32];
		detector_init(&d, &defaults);
		run(&d, histories[i].samples, &now, got);
		if (strcmp(got, histories[i].verdicts) != 0)
			fail_msg("%s: %s gave %s, expected %s", histories[i].what, histories[i].samples, got,
				 histories[i].verdicts);
	}
}

static void one_failure_and_one_recovery_may_be_configured(void **state) {
	(void)state;
	struct detector_settings once = defaults;
	struct detector d;
	struct mono now = {0};
	char got[32];
	once.failures = once.recover = 1;
	detector_init(&d, &once);
	run(&d, "AsAhA", &now, got);
	assert_string_equal(got, "adaea");
}

static void each_death_of_a_flapping_node_doubles_its_hold_down(void **state) {
	(void)state;
	static const int64_t seconds[] = {0, 0, 10, 20, 40, 80, 160, 300, 300};
	struct detector d;
	struct mono now = {0};
	char got[32];
	detector_init(&d, &defaults);
	for (size_t deaths = 0; deaths < sizeof(seconds) / sizeof(seconds[0]); deaths++) {
		assert_int_equal(detector_deaths(&d, now), deaths);
		assert_int_equal(span_to_ms(detector_hold_down(&d, now)), seconds[deaths] * 1000);
		run(&d, "AAsss", &now, got);
	}
	assert_int_equal(detector_hold_down(&d, mono_add(now, span_sec(601))).ns, 0);
}

static void hold_downs_are_as_long_as_the_settings_say(void **state) {
	static const struct {
		const char *what;
		int64_t initial, cap, window; /* s */
		unsigned deaths;
		int64_t hold;
	} cases[] = {
		{"never", 0, 0, 600, 5, 0},       {"always the same", 30, 30, 600, 5, 30},     {"up to its cap", 5, 17, 600, 4, 17},
		{"doubled", 5, 1000, 600, 4, 20}, {"older deaths are none", 5, 1000, 1, 4, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct detector_settings s = defaults;
		struct detector d;
		struct mono now = {0};
		char got[32];
		s.hold_initial = span_sec(cases[i].initial);
		s.hold_cap = span_sec(cases[i].cap);
		s.flap_window = span_sec(cases[i].window);
		detector_init(&d, &s);
		for (unsigned k = 0; k < cases[i].deaths; k++)
			run(&d, "AAsss", &now, got);
		if (detector_hold_down(&d, now).ns != span_sec(cases[i].hold).ns)
			fail_msg("%s: held %.0f s", cases[i].what, span_to_sec(detector_hold_down(&d, now)));
	}
}

static void deaths_beyond_the_ring_are_counted_as_full(void **state) {
	(void)state;
	struct detector d;
	struct mono now = {0};
	char got[32];
	detector_init(&d, &defaults);
	for (int i = 0; i < DETECTOR_DEATHS_MAX + 5; i++)
		run(&d, "AAsss", &now, got);
	assert_int_equal(detector_deaths(&d, now), DETECTOR_DEATHS_MAX);
}

static void going_back_from_recovering_is_no_new_death(void **state) {
	(void)state;
	struct detector d;
	struct mono now = {0};
	char got[32];
	detector_init(&d, &defaults);
	run(&d, "AsssAsAsAs", &now, got);
	assert_int_equal(detector_deaths(&d, now), 1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histories_get_their_verdicts),
		cmocka_unit_test(one_failure_and_one_recovery_may_be_configured),
		cmocka_unit_test(each_death_of_a_flapping_node_doubles_its_hold_down),
		cmocka_unit_test(hold_downs_are_as_long_as_the_settings_say),
		cmocka_unit_test(deaths_beyond_the_ring_are_counted_as_full),
		cmocka_unit_test(going_back_from_recovering_is_no_new_death),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
