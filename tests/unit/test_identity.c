/* Whom the agent obeys: the rules, and the file that keeps them. */
#include "agent/identity.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct wire_envelope of(const char *manager, const char *cluster, int64_t epoch) {
	return (struct wire_envelope){.manager = (char *)(uintptr_t)manager, .cluster = (char *)(uintptr_t)cluster, .epoch = epoch};
}

static const struct {
	const char *what;
	const char *seen_manager, *seen_cluster;
	int64_t seen;
	const char *manager, *cluster;
	int64_t epoch;
	enum identity_verdict verdict;
} cases[] = {
	{"the first manager is adopted", NULL, NULL, 0, "m1", "prod", 0, IDENTITY_ADOPT},
	{"the same epoch is obeyed", "m1", "prod", 3, "m1", "prod", 3, IDENTITY_OBEY},
	{"a newer epoch is kept", "m1", "prod", 3, "m1", "prod", 4, IDENTITY_ADOPT},
	{"an older epoch is stale", "m1", "prod", 3, "m1", "prod", 2, IDENTITY_STALE},
	{"another manager is refused", "m1", "prod", 3, "m2", "prod", 3, IDENTITY_OTHER},
	{"whatever its epoch", "m1", "prod", 3, "m2", "prod", 99, IDENTITY_OTHER},
	{"and an older one is no less another", "m1", "prod", 3, "m2", "prod", 1, IDENTITY_OTHER},
	{"another cluster is another", "m1", "prod", 3, "m1", "test", 4, IDENTITY_OTHER},
};

static void only_one_manager_and_no_older_epoch_is_obeyed(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_envelope seen = of(cases[i].seen_manager, cases[i].seen_cluster, cases[i].seen);
		struct wire_envelope given = of(cases[i].manager, cases[i].cluster, cases[i].epoch);
		if (identity_judge(&seen, &given) != cases[i].verdict)
			fail_msg("%s", cases[i].what);
	}
}

struct bed {
	char dir[32], path[64];
};

static int set_up(void **state) {
	struct bed *b = xnew(struct bed);

	strcpy(b->dir, "/tmp/heir-test-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->path, sizeof(b->path), "%s/agent.json", b->dir);
	*state = b;
	return 0;
}

static int tear_down(void **state) {
	struct bed *b = *state;

	(void)unlink(b->path);
	assert_int_equal(rmdir(b->dir), 0); /* nothing else was left there */
	free(b);
	return 0;
}

static void what_was_saved_is_loaded(void **state) {
	struct bed *b = *state;
	struct wire_envelope identity = of("m1", "prod", INT64_MAX), loaded;
	struct stat st;
	struct err err;

	assert_int_equal(identity_load(b->path, &loaded, &err), 0);
	assert_null(loaded.manager);
	assert_int_equal(identity_save(b->path, &identity, &err), 0);
	identity.epoch = 7;
	assert_int_equal(identity_save(b->path, &identity, &err), 0);
	assert_int_equal(identity_load(b->path, &loaded, &err), 0);
	assert_string_equal(loaded.manager, "m1");
	assert_string_equal(loaded.cluster, "prod");
	assert_int_equal(loaded.epoch, 7);
	assert_int_equal(stat(b->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	wire_clear(&wire_envelope_shape, &loaded);
}

/* Nobody would be obeyed by whoever comes first. */
static void a_damaged_file_is_an_error_and_not_nobody(void **state) {
	static const char *const texts[] = {"", "{", "[]", "{\"manager\":\"m1\"}",
					    "{\"manager\":\"m1\",\"cluster\":\"c\",\"epoch\":-1}"};
	struct bed *b = *state;
	struct wire_envelope loaded;
	struct err err;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int fd = open(b->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_int_equal(write(fd, texts[i], strlen(texts[i])), (ssize_t)strlen(texts[i]));
		close(fd);
		if (identity_load(b->path, &loaded, &err) >= 0)
			fail_msg("\"%s\" was taken", texts[i]);
		assert_non_null(strstr(err.msg, b->path));
	}
}

static void a_folder_that_is_not_there_is_named(void **state) {
	struct wire_envelope identity = of("m1", "prod", 1);
	struct err err;

	(void)state;
	assert_int_equal(identity_save("/nonexistent/agent.json", &identity, &err), -ENOENT);
	assert_string_equal(err.msg, "/nonexistent/agent.json.new: No such file or directory");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_one_manager_and_no_older_epoch_is_obeyed),
		cmocka_unit_test_setup_teardown(what_was_saved_is_loaded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_file_is_an_error_and_not_nobody, set_up, tear_down),
		cmocka_unit_test(a_folder_that_is_not_there_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
