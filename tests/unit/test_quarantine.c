/* The quarantine as nft(8) shows it, and what it does to packets. */
#include "net/netlink/quarantine.h"

#include "base/mono.h"
#include "net/netlink/netns.h"
#include "netlab.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

static struct quarantine current(int ns) {
	struct quarantine q = {0};
	struct err err;
	if (quarantine_read(ns, &q, &err) < 0)
		fail_msg("%s", err.msg);
	return q;
}

static void apply(int ns, const char *const *dead, size_t n, const uint16_t *ports, size_t n_ports) {
	struct ip ips[8];
	struct err err;
	for (size_t i = 0; i < n; i++)
		ips[i] = netlab_ip(dead[i]);
	if (quarantine_apply(ns, ips, n, ports, n_ports, &err) < 0)
		fail_msg("%s", err.msg);
}

#define APPLY(ns, ...) \
	apply(ns, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), NULL, 0)

/* Addresses and ports as one line. */
static char *text_of(const struct quarantine *q) {
	struct buf b = {0};
	char text[IP_TEXT_MAX];
	for (size_t i = 0; i < q->n; i++)
		buf_printf(&b, "%s ", ip_format(&q->rows[i].ip, text));
	for (size_t i = 0; i < q->n_ports; i++)
		buf_printf(&b, ":%u ", q->ports[i]);
	buf_printf(&b, "%s", q->in_force ? "in force" : "not in force");
	return buf_take(&b);
}

#define expect(ns, expected) \
	do { \
		struct quarantine q_ CLEANUP_QUARANTINE = current(ns); \
		CLEANUP_FREE char *text_ = text_of(&q_); \
		assert_string_equal(text_, expected); \
	} while (0)

/* ---- the table ---- */

static void without_a_table_there_is_no_quarantine(void **state) {
	(void)state;
	CLEANUP_FD int ns = netlab_new();
	expect(ns, "not in force");
	apply(ns, NULL, 0, NULL, 0);
	expect(ns, "not in force");
	CLEANUP_FREE char *tables = netlab_run(ns, "nft list tables");
	assert_string_equal(tables, "");
}

static void addresses_and_ports_come_back_sorted_and_once(void **state) {
	(void)state;
	CLEANUP_FD int ns = netlab_new();
	static const uint16_t ports[] = {4799, 4789, 4799};
	static const char *const dead[] = {"fd00::11", "10.99.0.12", "10.99.0.11", "10.99.0.12"};
	apply(ns, dead, 4, ports, 3);
	expect(ns, "10.99.0.11 10.99.0.12 fd00::11 :4789 :4799 in force");
}

static void the_table_is_changed_to_what_is_wanted_and_removed_with_the_last(void **state) {
	(void)state;
	CLEANUP_FD int ns = netlab_new();
	APPLY(ns, "10.99.0.11", "fd00::11");
	expect(ns, "10.99.0.11 fd00::11 :4789 in force");
	APPLY(ns, "fd00::12");
	expect(ns, "fd00::12 :4789 in force");
	apply(ns, (const char *const[]){"10.99.0.11"}, 1, (const uint16_t[]){4790}, 1);
	expect(ns, "10.99.0.11 :4790 in force");
	apply(ns, NULL, 0, NULL, 0);
	expect(ns, "not in force");
	CLEANUP_FREE char *tables = netlab_run(ns, "nft list tables");
	assert_string_equal(tables, "");
}

static void nft_shows_the_rules_that_were_meant(void **state) {
	(void)state;
	CLEANUP_FD int ns = netlab_new();
	APPLY(ns, "10.99.0.11");
	CLEANUP_FREE char *text = netlab_run(ns, "nft -y list table inet heir");
	static const char *const lines[] = {
		"type filter hook prerouting priority -300; policy accept;\n"
		"\t\tudp dport @ports ip saddr @from4 drop\n"
		"\t\tudp dport @ports ip6 saddr @from6 drop\n",
		"type filter hook output priority -300; policy accept;\n"
		"\t\tudp dport @ports ip daddr @to4 drop\n"
		"\t\tudp dport @ports ip6 daddr @to6 drop\n",
		"elements = { 4789 }",
		"elements = { 10.99.0.11 counter packets 0 bytes 0 }",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!strstr(text, lines[i]))
			fail_msg("\"%s\" is not in:\n%s", lines[i], text);
}

static void other_tables_are_left_alone(void **state) {
	(void)state;
	CLEANUP_FD int ns = netlab_new();
	netlab_do(ns, "nft 'add table inet heirs { flags dormant; }; add table ip heir; add chain ip heir c { type filter hook "
		      "input priority 0; }; "
		      "add rule ip heir c ip saddr 192.0.2.1 counter drop; add set inet heirs from4 { type ipv4_addr; elements = { "
		      "192.0.2.2 } }'");
	CLEANUP_FREE char *before = netlab_run(ns, "nft list ruleset");
	expect(ns, "not in force");
	APPLY(ns, "10.99.0.11");
	expect(ns, "10.99.0.11 :4789 in force");
	apply(ns, NULL, 0, NULL, 0);
	CLEANUP_FREE char *after = netlab_run(ns, "nft list ruleset");
	assert_string_equal(before, after);
}

/* What somebody did to the table: seen, and put right by applying the same again. */
static void a_table_that_was_tampered_with_is_not_in_force_and_is_put_right(void **state) {
	(void)state;
	static const struct {
		const char *what, *command, *seen;
	} cases[] = {
		{"one address less in one set", "nft delete element inet heir to4 '{ 10.99.0.11 }'",
		 "10.99.0.11 :4789 not in force"},
		{"no address", "nft flush set inet heir from4; nft flush set inet heir to4", ":4789 not in force"},
		{"no port", "nft flush set inet heir ports", "10.99.0.11 not in force"},
		{"a chain without its rules", "nft flush chain inet heir output", "10.99.0.11 :4789 not in force"},
		{"one rule more", "nft insert rule inet heir output accept", "10.99.0.11 :4789 not in force"},
		{"one chain more", "nft add chain inet heir x", "10.99.0.11 :4789 not in force"},
		{"a set of somebody else's", "nft 'add set inet heir x { type ipv4_addr; }'", "10.99.0.11 :4789 not in force"},
		{"a counter object", "nft add counter inet heir x", "10.99.0.11 :4789 not in force"},
		{"asleep", "nft 'add table inet heir { flags dormant; }'", "not in force"},
		{"a rule that only counts",
		 "nft flush chain inet heir output; nft add rule inet heir output udp dport @ports ip daddr @to4 counter; "
		 "nft add rule inet heir output udp dport @ports ip6 daddr @to6 drop",
		 "10.99.0.11 :4789 not in force"},
		{"rules the other way round",
		 "nft flush chain inet heir output; nft add rule inet heir output udp dport @ports ip daddr != @to4 drop; "
		 "nft add rule inet heir output udp dport @ports ip6 daddr @to6 drop",
		 "10.99.0.11 :4789 not in force"},
		{"a policy that drops everything", "nft 'chain inet heir output { policy drop; }'",
		 "10.99.0.11 :4789 not in force"},
		{"gone", "nft delete table inet heir", "not in force"},
		{"everything gone", "nft flush ruleset", "not in force"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP_FD int ns = netlab_new();
		APPLY(ns, "10.99.0.11");
		netlab_do(ns, "%s", cases[i].command);
		struct quarantine seen CLEANUP_QUARANTINE = current(ns);
		CLEANUP_FREE char *text = text_of(&seen);
		if (strcmp(text, cases[i].seen) != 0)
			fail_msg("%s: \"%s\"", cases[i].what, text);
		APPLY(ns, "10.99.0.11");
		struct quarantine mended CLEANUP_QUARANTINE = current(ns);
		CLEANUP_FREE char *right = text_of(&mended);
		if (strcmp(right, "10.99.0.11 :4789 in force") != 0)
			fail_msg("%s, and after: \"%s\"", cases[i].what, right);
	}
}

static void a_table_of_quite_another_form_is_replaced(void **state) {
	(void)state;
	CLEANUP_FD int ns = netlab_new();
	struct quarantine q CLEANUP_QUARANTINE = {0};
	struct err err = {0};
	netlab_do(ns, "nft 'add table inet heir; add set inet heir from4 { type ether_addr; elements = { 02:00:00:00:00:01 } }'");
	assert_int_equal(quarantine_read(ns, &q, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "read the quarantine"));
	APPLY(ns, "10.99.0.11");
	expect(ns, "10.99.0.11 :4789 in force");
}

static void a_namespace_that_cannot_be_entered_is_an_error(void **state) {
	(void)state;
	CLEANUP_FD int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct ip ip = netlab_ip("10.99.0.11");
	struct quarantine q CLEANUP_QUARANTINE = {0};
	struct err err = {0};
	assert_true(quarantine_read(null, &q, &err) < 0);
	assert_true(quarantine_apply(null, &ip, 1, NULL, 0, &err) < 0);
	assert_non_null(strstr(err.msg, "set the quarantine: enter network namespace"));
}

static void *apply_and_read(void *data) {
	const int *ns = data;
	for (int i = 0; i < 10; i++) {
		APPLY(*ns, "10.99.0.11", "10.99.0.12");
		expect(*ns, "10.99.0.11 10.99.0.12 :4789 in force");
		apply(*ns, NULL, 0, NULL, 0);
	}
	return NULL;
}

static void several_hosts_on_one_kernel_are_served_at_once(void **state) {
	(void)state;
	int ns[4];
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		ns[i] = netlab_new();
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, apply_and_read, &ns[i]), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		close(ns[i]);
	}
}

/* ---- packets ---- */

#define PORT 4799

struct wire {
	int dead, host; /* namespaces, 10.99.0.11 and 10.99.0.12, fd00::11 and fd00::12 */
};

static void wire_close(struct wire *w) {
	if (w->dead >= 0)
		close(w->dead);
	if (w->host >= 0)
		close(w->host);
}

static void wire_open(struct wire *w) {
	w->dead = netlab_new();
	w->host = netlab_new();
	netlab_do(w->host,
		  "ip link add eth0 type veth peer name eth0 netns /proc/%d/fd/%d; ip link set eth0 up\n"
		  "ip addr add 10.99.0.12/24 dev eth0; ip addr add fd00::12/64 dev eth0 nodad",
		  getpid(), w->dead);
	netlab_do(w->dead, "ip link set eth0 up; ip addr add 10.99.0.11/24 dev eth0; ip addr add fd00::11/64 dev eth0 nodad");
}

static int udp(int ns, const char *address, uint16_t port) {
	struct ip ip = netlab_ip(address);
	struct sockaddr_storage addr;
	struct err err;
	socklen_t len = ip_to_sockaddr(&ip, port, &addr);
	int fd = netns_socket(ns, ip.family, SOCK_DGRAM, 0, &err);
	assert_true(fd >= 0);
	if (bind(fd, (struct sockaddr *)&addr, len) < 0)
		fail_msg("bind %s: %m", address);
	return fd;
}

static bool speak(int fd, const char *address, uint16_t port) {
	struct ip ip = netlab_ip(address);
	struct sockaddr_storage addr;
	socklen_t len = ip_to_sockaddr(&ip, port, &addr);
	return sendto(fd, "x", 1, 0, (struct sockaddr *)&addr, len) == 1;
}

static bool hears(int fd, int patience_ms) {
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char c;
	return poll(&p, 1, patience_ms) == 1 && recv(fd, &c, 1, MSG_DONTWAIT) == 1;
}

#define PATIENCE_MS 60000

static uint64_t dropped_from(int ns) {
	struct quarantine q CLEANUP_QUARANTINE = current(ns);
	uint64_t sum = 0;
	for (size_t i = 0; i < q.n; i++)
		sum += q.rows[i].from.packets;
	return sum;
}

static void wait_until_dropped(int ns, uint64_t packets) {
	struct mono deadline = mono_add(mono_now(), span_ms(PATIENCE_MS));
	while (dropped_from(ns) < packets)
		if (mono_reached(deadline, mono_now()))
			fail_msg("%llu of %llu were dropped", (unsigned long long)dropped_from(ns), (unsigned long long)packets);
}

static void the_dead_are_not_heard_and_not_spoken_to(void **state) {
	(void)state;
	static const char *const pairs[][2] = {{"10.99.0.11", "10.99.0.12"}, {"fd00::11", "fd00::12"}};
	struct wire w CLEANUP(wire_close) = {-1, -1};
	wire_open(&w);
	for (size_t i = 0; i < 2; i++) {
		const char *dead = pairs[i][0], *host = pairs[i][1];
		CLEANUP_FD int there = udp(w.dead, dead, PORT), here = udp(w.host, host, PORT), gossip = udp(w.host, host, 7946);
		assert_true(speak(there, host, PORT) && hears(here, PATIENCE_MS));
		assert_true(speak(here, dead, PORT) && hears(there, PATIENCE_MS));
		apply(w.host, &dead, 1, (const uint16_t[]){PORT, 4789}, 2);
		assert_true(speak(there, host, PORT));
		wait_until_dropped(w.host, 1);
		assert_false(hears(here, 0));
		assert_true(speak(there, host, 7946) && hears(gossip, PATIENCE_MS));
		assert_false(speak(here, dead, PORT));
		assert_int_equal(errno, EPERM);
		struct quarantine q CLEANUP_QUARANTINE = current(w.host);
		assert_int_equal(q.n, 1);
		assert_int_equal(q.rows[0].from.packets, 1);
		assert_true(q.rows[0].from.bytes > 20);
		assert_int_equal(q.rows[0].to.packets, 1);
		apply(w.host, NULL, 0, NULL, 0);
		assert_true(speak(there, host, PORT) && hears(here, PATIENCE_MS));
		assert_true(speak(here, dead, PORT) && hears(there, PATIENCE_MS));
	}
}

static void counts_are_kept_while_others_come_and_go(void **state) {
	(void)state;
	struct wire w CLEANUP(wire_close) = {-1, -1};
	wire_open(&w);
	CLEANUP_FD int there = udp(w.dead, "10.99.0.11", 4789);
	APPLY(w.host, "10.99.0.11");
	for (int i = 0; i < 5; i++)
		assert_true(speak(there, "10.99.0.12", 4789));
	wait_until_dropped(w.host, 5);
	APPLY(w.host, "10.99.0.11");
	APPLY(w.host, "10.99.0.11", "10.99.0.13", "fd00::13");
	APPLY(w.host, "10.99.0.11", "fd00::13");
	assert_int_equal(dropped_from(w.host), 5);
	assert_true(speak(there, "10.99.0.12", 4789));
	wait_until_dropped(w.host, 6);
	APPLY(w.host, "10.99.0.13");
	APPLY(w.host, "10.99.0.11", "10.99.0.13");
	assert_int_equal(dropped_from(w.host), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_table_there_is_no_quarantine),
		cmocka_unit_test(addresses_and_ports_come_back_sorted_and_once),
		cmocka_unit_test(the_table_is_changed_to_what_is_wanted_and_removed_with_the_last),
		cmocka_unit_test(nft_shows_the_rules_that_were_meant),
		cmocka_unit_test(other_tables_are_left_alone),
		cmocka_unit_test(a_table_that_was_tampered_with_is_not_in_force_and_is_put_right),
		cmocka_unit_test(a_table_of_quite_another_form_is_replaced),
		cmocka_unit_test(a_namespace_that_cannot_be_entered_is_an_error),
		cmocka_unit_test(several_hosts_on_one_kernel_are_served_at_once),
		cmocka_unit_test(the_dead_are_not_heard_and_not_spoken_to),
		cmocka_unit_test(counts_are_kept_while_others_come_and_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
