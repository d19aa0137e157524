/* Requests, dumps, and what happens when the table changes while it is read. */
#include "net/netlink/nlsock.h"

#include "base/mono.h"
#include "netlab.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdatomic.h>
#include <sys/socket.h>

/* ---- messages ---- */

static void a_message_is_whole_or_it_is_refused(void **state) {
	(void)state;
	/* A header of 12 bytes, an attribute of 7 bytes and its padding, an attribute of 8: 16 + 12 + 8 + 8. */
	static const struct {
		const char *what;
		uint32_t len;
		uint16_t first, second;
		int code;
	} cases[] = {
		{"whole", 44, 7, 8, 0},
		{"without attributes", 28, 7, 8, 0},
		{"one attribute", 36, 7, 8, 0},
		{"one attribute without its padding", 35, 7, 8, 0},
		{"empty attributes", 44, 4, 4, -EBADMSG}, /* what follows has no length */
		{"a header cut short", 27, 7, 8, -EBADMSG},
		{"nothing but netlink's own header", 16, 7, 8, -EBADMSG},
		{"an attribute cut short", 34, 7, 8, -EBADMSG},
		{"the last attribute cut short", 43, 7, 8, -EBADMSG},
		{"half of an attribute's header", 38, 7, 8, -EBADMSG},
		{"an attribute longer than the message", 44, 7, 9, -EBADMSG},
		{"an attribute as long as can be", 44, 0xffff, 8, -EBADMSG},
		{"an attribute shorter than its header", 44, 7, 3, -EBADMSG},
		{"an attribute of no length", 44, 0, 8, -EBADMSG},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_Alignas(struct nlmsghdr) char buf[64] = {0};
		struct nlmsghdr *m = (struct nlmsghdr *)buf;
		struct err err = {0};
		m->nlmsg_len = cases[i].len;
		memcpy(buf + 28, &cases[i].first, 2);
		memcpy(buf + 36, &cases[i].second, 2);
		int r = nlsock_check(m, 12, &err);
		if (r != cases[i].code)
			fail_msg("%s: %d (%s), expected %d", cases[i].what, r, err.msg, cases[i].code);
	}
}

/* ---- requests ---- */

struct lab {
	int ns;
	struct nlsock *s;
};

static void lab_close(struct lab *l) {
	nlsock_free(l->s);
	if (l->ns >= 0)
		close(l->ns);
}

static void lab_open(struct lab *l) {
	struct err err;
	l->ns = netlab_new();
	if (nlsock_open(l->ns, &l->s, &err) < 0)
		fail_msg("%s", err.msg);
}

static int set_mtu(struct nlsock *s, int ifindex, uint32_t mtu, struct err *err) {
	_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
	struct nlmsghdr *m = nlsock_put(buf, RTM_NEWLINK, 0, sizeof(struct ifinfomsg));
	struct ifinfomsg *info = mnl_nlmsg_get_payload(m);
	info->ifi_index = ifindex;
	mnl_attr_put_u32(m, IFLA_MTU, mtu);
	return nlsock_request(s, m, err);
}

static void a_request_is_done_when_it_returns(void **state) {
	(void)state;
	struct lab l CLEANUP(lab_close) = {.ns = -1};
	struct err err = {0};
	lab_open(&l);
	for (uint32_t mtu = 1000; mtu < 1020; mtu++) {
		assert_int_equal(set_mtu(l.s, 1, mtu, &err), 0);
		CLEANUP_FREE char *text = netlab_run(l.ns, "ip -o link show lo");
		CLEANUP_FREE char *wanted = xasprintf("mtu %u ", mtu);
		assert_non_null(strstr(text, wanted));
	}
}

static void a_refusal_has_the_kernels_code_and_words(void **state) {
	(void)state;
	struct lab l CLEANUP(lab_close) = {.ns = -1};
	struct err err = {0};
	lab_open(&l);
	assert_int_equal(set_mtu(l.s, 4711, 1500, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "No such device"));
	netlab_do(l.ns, "ip link add name br type bridge");
	assert_int_equal(set_mtu(l.s, (int)netlab_index(l.ns, "br"), 1, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "mtu less than device minimum")); /* net/core/dev.c says it in extended words */
	assert_int_equal(set_mtu(l.s, 1, 1500, &err), 0);                 /* and the socket goes on */
}

static void a_namespace_that_cannot_be_entered_has_no_socket(void **state) {
	(void)state;
	CLEANUP_FD int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct nlsock *s = NULL;
	struct err err = {0};
	assert_true(nlsock_open(null, &s, &err) < 0);
	assert_null(s);
	nlsock_free(NULL);
}

/* ---- dumps ---- */

#define LINKS 200

struct listing {
	unsigned rows, again, keepers, stop_at;
	bool bad;
};

static int count_link(void *arg, const struct nlmsghdr *m, struct err *err) {
	struct listing *l = arg;
	const struct nlattr *a;

	if (!m) {
		*l = (struct listing){.again = l->again + 1, .bad = l->bad, .stop_at = l->stop_at};
		return 0;
	}
	l->bad = l->bad || m->nlmsg_type != RTM_NEWLINK || nlsock_check(m, sizeof(struct ifinfomsg), err) < 0;
	nlsock_for_each_attr (a, m, sizeof(struct ifinfomsg))
		l->keepers += mnl_attr_get_type(a) == IFLA_IFNAME && strncmp(mnl_attr_get_str(a), "keep", 4) == 0;
	return ++l->rows == l->stop_at ? err_set(err, -ECANCELED, "enough") : 0;
}

static int dump_links(struct nlsock *s, struct listing *l, struct err *err) {
	_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
	struct nlmsghdr *m = nlsock_put(buf, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	return nlsock_dump(s, m, count_link, l, err);
}

static void make_links(int ns) {
	netlab_do(ns, "for i in $(seq %d); do echo link add keep$i type bridge; done | ip -batch -", LINKS);
}

static void a_dump_gives_every_row_once(void **state) {
	(void)state;
	struct lab l CLEANUP(lab_close) = {.ns = -1};
	struct listing rows = {0};
	struct err err = {0};
	lab_open(&l);
	make_links(l.ns);
	assert_int_equal(dump_links(l.s, &rows, &err), 0);
	assert_int_equal(rows.keepers, LINKS);
	assert_int_equal(rows.rows, LINKS + 1); /* lo */
	assert_false(rows.bad);
}

static void a_dump_that_was_given_up_does_not_disturb_the_next(void **state) {
	(void)state;
	struct lab l CLEANUP(lab_close) = {.ns = -1};
	struct listing part = {.stop_at = 3}, whole = {0};
	struct err err = {0};
	lab_open(&l);
	make_links(l.ns);
	assert_int_equal(dump_links(l.s, &part, &err), -ECANCELED);
	assert_string_equal(err.msg, "enough");
	assert_int_equal(part.rows, 3);
	assert_int_equal(dump_links(l.s, &whole, &err), 0);
	assert_int_equal(whole.rows, LINKS + 1);
}

static void a_dump_the_kernel_refuses_is_an_error(void **state) {
	(void)state;
	struct lab l CLEANUP(lab_close) = {.ns = -1};
	_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
	struct listing rows = {0};
	struct err err = {0};
	lab_open(&l);
	struct nlmsghdr *m = nlsock_put(buf, RTM_GETNEIGH, 0, sizeof(struct ndmsg));
	((struct ndmsg *)mnl_nlmsg_get_payload(m))->ndm_state = 1; /* no value for this is taken in dumps */
	assert_int_equal(nlsock_dump(l.s, m, count_link, &rows, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "kernel: "));
	assert_int_equal(rows.rows, 0);
}

struct churn {
	int ns;
	atomic_bool stop;
	pthread_t thread;
};

/* Links come and go as fast as can be. */
static void *churn_links(void *data) {
	struct churn *c = data;
	while (!atomic_load(&c->stop))
		netlab_do(c->ns, "for i in 1 2 3 4 5 6 7 8; do echo link add x type bridge; echo link del x; done | ip -batch -");
	return NULL;
}

static void a_dump_disturbed_by_changes_is_made_again_until_it_is_whole(void **state) {
	(void)state;
	struct lab l CLEANUP(lab_close) = {.ns = -1};
	struct err err = {0};
	lab_open(&l);
	make_links(l.ns);
	struct churn c = {.ns = l.ns};
	assert_int_equal(pthread_create(&c.thread, NULL, churn_links, &c), 0);
	struct mono deadline = mono_add(mono_now(), span_sec(60));
	unsigned again = 0, wrong = 0, finished = 0;
	while ((again == 0 || finished == 0) && !mono_reached(deadline, mono_now())) {
		struct listing rows = {0};
		int r = dump_links(l.s, &rows, &err);
		again += rows.again;
		finished += r == 0;
		/* "x" may be there or not. */
		wrong += r == 0 ? rows.keepers != LINKS || rows.rows > LINKS + 2 : r != -EINTR;
	}
	atomic_store(&c.stop, true);
	pthread_join(c.thread, NULL);
	assert_int_equal(wrong, 0);
	assert_true(again > 0);
	assert_true(finished > 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_whole_or_it_is_refused),
		cmocka_unit_test(a_request_is_done_when_it_returns),
		cmocka_unit_test(a_refusal_has_the_kernels_code_and_words),
		cmocka_unit_test(a_namespace_that_cannot_be_entered_has_no_socket),
		cmocka_unit_test(a_dump_gives_every_row_once),
		cmocka_unit_test(a_dump_that_was_given_up_does_not_disturb_the_next),
		cmocka_unit_test(a_dump_the_kernel_refuses_is_an_error),
		cmocka_unit_test(a_dump_disturbed_by_changes_is_made_again_until_it_is_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
