/* Labels heir.service*: what is understood, and that what is not keeps its service out of discovery and says so. */
#include "resched/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static char *text_of(const struct services *s) {
	struct buf b = {0};

	for (size_t i = 0; i < s->n; i++) {
		const struct service *v = &s->v[i];
		buf_printf(&b, "%s%u %s:%u", i ? "; " : "", v->number, v->name ? v->name : "-", v->port);
		for (size_t k = 0; k < v->tags.n; k++)
			buf_printf(&b, " #%s", v->tags.v[k]);
		for (size_t k = 0; k < v->meta.n; k++)
			buf_printf(&b, " %s", v->meta.v[k]);
		if (v->address != SERVICE_UNSAID)
			buf_printf(&b, " %s", v->address == SERVICE_HOST ? "host" : "overlay");
		if (v->network)
			buf_printf(&b, " on %s", v->network);
	}
	return buf_take(&b);
}

static void labels_become_services(void **state) {
	static const struct {
		const char *what;
		struct policy_label labels[6];
		const char *expected, *warning; /* NULL: none */
	} cases[] = {
		{"nothing", {{"com.example", "x"}}, "", NULL},
		{"a name alone", {{"heir.service", "web"}}, "1 web:0", NULL},
		{"all of one",
		 {{"heir.service.port", "80"},
		  {"heir.service", "web"},
		  {"heir.service.tags", "b,,a,b"},
		  {"heir.service.meta.Team", "core = x"},
		  {"heir.service.address", "host"},
		  {"heir.service.network", "ov"}},
		 "1 web:80 #a #b Team=core = x host on ov",
		 NULL},
		{"no name of the first", {{"heir.service.port", "80"}}, "1 -:80", NULL},
		{"several",
		 {{"heir.service.10", "z"}, {"heir.service", "web"}, {"heir.service.2", "admin"}, {"heir.service.2.port", "8080"}},
		 "1 web:0; 2 admin:8080; 10 z:0",
		 NULL},
		{"a label of somebody else", {{"heir.services", "x"}, {"heir.service", "web"}}, "1 web:0", NULL},
		{"a name that is none", {{"heir.service", "Web_1"}}, "", "label heir.service: \"Web_1\" is not understood"},
		{"a name that is empty", {{"heir.service", ""}}, "", "is not understood"},
		{"a port that is none", {{"heir.service", "web"}, {"heir.service.port", "080"}}, "", "heir.service.port"},
		{"a port too large", {{"heir.service", "web"}, {"heir.service.port", "65536"}}, "", "heir.service.port"},
		{"an address that is none", {{"heir.service", "web"}, {"heir.service.address", "vip"}}, "", "heir.service.address"},
		{"a key of meta that is none", {{"heir.service", "web"}, {"heir.service.meta.a b", "x"}}, "", "meta.a b"},
		{"a control character", {{"heir.service", "web"}, {"heir.service.tags", "a\nb"}}, "", "heir.service.tags"},
		{"a field that is none", {{"heir.service", "web"}, {"heir.service.weight", "1"}}, "", "heir.service.weight"},
		{"a number that is none", {{"heir.service", "web"}, {"heir.service.17", "x"}}, "1 web:0", "heir.service.17"},
		{"number one", {{"heir.service", "web"}, {"heir.service.1", "x"}}, "1 web:0", "heir.service.1"},
		{"a second without a name", {{"heir.service.2.port", "80"}}, "", "label heir.service.2 is missing"},
		{"a long one cut between characters",
		 {{"heir.service", "123456789-123456789-123456789-123456789\xc3\xbc"}},
		 "",
		 "\"123456789-123456789-123456789-123456789\" is"},
		{"the bad one only", {{"heir.service", "web"}, {"heir.service.2", "-"}}, "1 web:0", "heir.service.2"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = 0;
		while (n < 6 && cases[i].labels[n].key)
			n++;
		struct services s;
		services_read(cases[i].labels, n, &s);
		char *text = text_of(&s);
		if (strcmp(text, cases[i].expected) != 0 || !s.warning != !cases[i].warning ||
		    (s.warning && !strstr(s.warning, cases[i].warning)))
			fail_msg("%s: \"%s\" (%s); expected \"%s\" (%s)", cases[i].what, text, s.warning ? s.warning : "-",
				 cases[i].expected, cases[i].warning ? cases[i].warning : "-");
		free(text);
		services_clear(&s);
	}
}

static void too_much_text_is_not_published(void **state) {
	static char tags[SERVICE_TEXT_MAX + 8];
	const struct policy_label labels[] = {{"heir.service", "web"}, {"heir.service.tags", tags}};
	struct services s;

	(void)state;
	memset(tags, 'a', sizeof(tags) - 1);
	services_read(labels, 2, &s);
	assert_int_equal(s.n, 0);
	assert_non_null(strstr(s.warning, "tags and meta"));
	services_clear(&s);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_become_services),
		cmocka_unit_test(too_much_text_is_not_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
