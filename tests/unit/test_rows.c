/* The rows that decide, in namespaces like an engine's: made right from what engines leave behind, and read back with bridge(8) and
 * ip(8). */
#include "agent/rows.h"

#include "overlaylab.h"

struct bed {
	struct overlaylab lab;
	struct scene scene;
};

static void bed_open(struct bed *b) {
	struct err err;

	b->scene = (struct scene){0};
	overlaylab_open(&b->lab);
	if (scene_refresh(&b->scene, b->lab.dir, &err) < 0)
		fail_msg("%s", err.msg);
}

static void bed_close(struct bed *b) {
	scene_clear(&b->scene);
	overlaylab_close(&b->lab);
}

static struct owner owner_of(const char *vtep, const char *local) {
	return (struct owner){.network_id = (char *)(uintptr_t)NETWORK,
			      .mac = netlab_mac(MAC),
			      .ip = netlab_ip(IP),
			      .vtep = netlab_ip(vtep),
			      .local = (char *)(uintptr_t)local};
}

static struct rows_result *work(struct bed *b, enum rows_mode mode, const struct owner *owner) {
	struct rows_result *r = xnew(struct rows_result);
	rows_work(&b->scene, b->lab.dir, mode, owner, 1, r);
	return r;
}

/* What an engine leaves when the node of the address died. */
static void leave_behind(struct bed *b) {
	netlab_do(b->lab.ns, "bridge fdb add " MAC " dev vxlan0 dst " DEAD_VTEP " self permanent\n"
			     "bridge fdb add " MAC " dev vxlan0 master dynamic\n"
			     "ip neigh add " IP " dev vxlan0 lladdr " MAC " nud permanent");
}

static char *fdb(struct bed *b) {
	return netlab_run(b->lab.ns, "bridge fdb show | grep '^" MAC "' | grep -v 'vlan' | sed 's/ *$//' | sort");
}
static char *neigh(struct bed *b) { return netlab_run(b->lab.ns, "ip neigh show dev vxlan0 | sed 's/ *$//'"); }

static void expect(const struct rows_result *r, size_t changed, bool right, const char *error) {
	if (error ? !r->error || !strstr(r->error, error) : r->error != NULL)
		fail_msg("expected error %s, got %s", error ? error : "none", r->error ? r->error : "none");
	assert_int_equal(r->changed, changed);
	assert_int_equal(r->right, right);
}

static void an_observer_sends_to_the_new_node_only(void **state) {
	struct owner owner = owner_of(OTHER_VTEP, NULL);
	struct bed b;

	(void)state;
	bed_open(&b);
	leave_behind(&b);
	struct rows_result *r = work(&b, ROWS_LOOK, &owner);
	expect(r, 0, false, NULL);
	rows_results_free(r, 1);
	r = work(&b, ROWS_MEND, &owner);
	expect(r, 1, true, NULL);
	assert_true(r->joined);
	assert_true(strs_has(&r->before, MAC " dev vxlan0 dst " DEAD_VTEP " self permanent"));
	assert_true(strs_has(&r->after, MAC " dev vxlan0 dst " OTHER_VTEP " self permanent"));
	assert_true(strs_has(&r->after, IP " dev vxlan0 lladdr " MAC " PERMANENT"));
	rows_results_free(r, 1);
	assert_lines(fdb(&b), MAC " dev vxlan0 dst " OTHER_VTEP " self permanent\n" MAC " dev vxlan0 master br0\n");
	r = work(&b, ROWS_MEND, &owner); /* and again: nothing is to be done */
	expect(r, 0, true, NULL);
	rows_results_free(r, 1);
	bed_close(&b);
}

static void an_observer_that_knows_nothing_is_told_both_rows(void **state) {
	struct owner owner = owner_of(OTHER_VTEP, NULL);
	struct bed b;

	(void)state;
	bed_open(&b);
	struct rows_result *r = work(&b, ROWS_MEND, &owner);
	expect(r, 2, true, NULL);
	rows_results_free(r, 1);
	assert_lines(neigh(&b), IP " lladdr " MAC " PERMANENT\n");
	bed_close(&b);
}

static void the_target_delivers_to_its_container_and_drops_the_stale_ones_frames(void **state) {
	struct owner owner = owner_of(OWN_VTEP, "0123456789ab");
	struct bed b;

	(void)state;
	bed_open(&b);
	overlaylab_add(&b.lab, "0123456789ab", MAC, IP);
	leave_behind(&b);
	struct rows_result *r = work(&b, ROWS_MEND, &owner);
	expect(r, 3, true, NULL);
	rows_results_free(r, 1);
	assert_lines(fdb(&b), MAC " dev veth0 sticky master br0 static\n" MAC " dev vxlan0 dst " OWN_VTEP " self permanent\n");
	assert_lines(neigh(&b), "");
	bed_close(&b);
}

static void a_target_without_its_container_says_so_and_changes_nothing(void **state) {
	struct owner owner = owner_of(OWN_VTEP, "0123456789ab");
	struct bed b;

	(void)state;
	bed_open(&b);
	leave_behind(&b);
	struct rows_result *r = work(&b, ROWS_MEND, &owner);
	expect(r, 0, false, "sandbox 0123456789ab has no link with this MAC");
	rows_results_free(r, 1);
	bed_close(&b);
}

static void a_target_that_becomes_an_observer_lets_go_of_its_port(void **state) {
	struct owner here = owner_of(OWN_VTEP, "0123456789ab"), there = owner_of(OTHER_VTEP, NULL);
	struct bed b;

	(void)state;
	bed_open(&b);
	overlaylab_add(&b.lab, "0123456789ab", MAC, IP);
	rows_results_free(work(&b, ROWS_MEND, &here), 1);
	struct rows_result *r = work(&b, ROWS_MEND, &there);
	expect(r, 3, true, NULL);
	rows_results_free(r, 1);
	assert_lines(fdb(&b), MAC " dev vxlan0 dst " OTHER_VTEP " self permanent\n");
	bed_close(&b);
}

static void an_observer_with_a_stale_container_says_where_it_sends_from(void **state) {
	struct owner there = owner_of(OTHER_VTEP, NULL);
	struct bed b;

	(void)state;
	bed_open(&b);
	overlaylab_add(&b.lab, "0123456789ab", MAC, IP);
	netlab_do(b.lab.ns, "bridge fdb replace " MAC " dev veth0 master dynamic");
	struct rows_result *r = work(&b, ROWS_MEND, &there);
	expect(r, 2, false, "sends from this MAC, through veth0");
	rows_results_free(r, 1);
	bed_close(&b);
}

static void what_is_forgotten_takes_our_rows_along_and_leaves_the_engines(void **state) {
	struct owner here = owner_of(OWN_VTEP, "0123456789ab"), there = owner_of(OTHER_VTEP, NULL),
		     other = owner_of(DEAD_VTEP, NULL);
	struct bed b;

	(void)state;
	bed_open(&b);
	overlaylab_add(&b.lab, "0123456789ab", MAC, IP);
	rows_results_free(work(&b, ROWS_MEND, &here), 1);
	struct rows_result *r = work(&b, ROWS_FORGET, &here);
	expect(r, 2, true, NULL);
	rows_results_free(r, 1);
	assert_lines(fdb(&b), "");
	rows_results_free(work(&b, ROWS_MEND, &there), 1);
	r = work(&b, ROWS_FORGET, &other); /* the row is not as that one was written */
	expect(r, 0, true, NULL);
	rows_results_free(r, 1);
	r = work(&b, ROWS_FORGET, &there);
	expect(r, 1, true, NULL);
	rows_results_free(r, 1);
	assert_lines(fdb(&b), "");
	bed_close(&b);
}

static void of_an_earlier_run_only_a_targets_rows_are_known_as_ours(void **state) {
	struct owner here = owner_of(OWN_VTEP, "0123456789ab"), there = owner_of(OTHER_VTEP, NULL),
		     unknown = owner_of(OTHER_VTEP, NULL);
	struct bed b;

	(void)state;
	bed_open(&b);
	unknown.vtep = (struct ip){0};
	rows_results_free(work(&b, ROWS_MEND, &there), 1);
	struct rows_result *r = work(&b, ROWS_FORGET, &unknown);
	expect(r, 0, true, NULL);
	rows_results_free(r, 1);
	overlaylab_add(&b.lab, "0123456789ab", MAC, IP);
	rows_results_free(work(&b, ROWS_MEND, &here), 1);
	r = work(&b, ROWS_FORGET, &unknown);
	expect(r, 2, true, NULL);
	rows_results_free(r, 1);
	bed_close(&b);
}

static void an_overlay_that_is_not_joined_needs_nothing(void **state) {
	struct owner owner = owner_of(OTHER_VTEP, NULL);
	struct bed b;
	struct err err;

	(void)state;
	bed_open(&b);
	overlaylab_leave(&b.lab);
	assert_int_equal(scene_refresh(&b.scene, b.lab.dir, &err), 0);
	struct rows_result *r = work(&b, ROWS_MEND, &owner);
	expect(r, 0, true, NULL);
	assert_false(r->joined);
	rows_results_free(r, 1);
	bed_close(&b);
}

/* Of two subnets each has a bridge and a VXLAN device of its own. */
static void the_device_is_the_one_of_the_addresss_subnet(void **state) {
	struct owner owner = owner_of(OTHER_VTEP, NULL);
	struct bed b;

	(void)state;
	bed_open(&b);
	netlab_do(b.lab.ns, "ip link add br1 type bridge; ip addr add 10.20.1.1/24 dev br1; ip link set br1 up\n"
			    "ip link add vxlan1 type vxlan id 4098 dstport 4789 proxy; ip link set vxlan1 master br1 up");
	owner.ip = netlab_ip("10.20.1.50");
	struct rows_result *r = work(&b, ROWS_MEND, &owner);
	expect(r, 2, true, NULL);
	rows_results_free(r, 1);
	assert_lines(fdb(&b), MAC " dev vxlan1 dst " OTHER_VTEP " self permanent\n");
	bed_close(&b);
}

static void an_ipv6_address_is_told_where_the_overlay_has_ipv6(void **state) {
	struct owner owner = owner_of(OTHER_VTEP, NULL);
	struct bed b;

	(void)state;
	bed_open(&b);
	owner.ip6 = netlab_ip("fd00:30::50");
	struct rows_result *r = work(&b, ROWS_MEND, &owner);
	expect(r, 2, true, NULL);
	rows_results_free(r, 1);
	netlab_do(b.lab.ns, "ip addr add fd00:30::1/64 dev br0 nodad");
	r = work(&b, ROWS_MEND, &owner);
	expect(r, 1, true, NULL);
	rows_results_free(r, 1);
	assert_lines(netlab_run(b.lab.ns, "ip -6 neigh show fd00:30::50 dev vxlan0 | sed 's/ *$//'"),
		     "fd00:30::50 lladdr " MAC " PERMANENT\n");
	bed_close(&b);
}

static void many_owners_share_one_look_at_their_overlay(void **state) {
	enum { N = 2000 };
	struct owner *owners = xnew_n(struct owner, N);
	struct rows_result *results = xnew_n(struct rows_result, N);
	struct bed b;

	(void)state;
	bed_open(&b);
	for (size_t i = 0; i < N; i++) {
		owners[i] = owner_of(OTHER_VTEP, NULL);
		owners[i].mac.bytes[4] = owners[i].ip.bytes[2] = (uint8_t)(i >> 8);
		owners[i].mac.bytes[5] = owners[i].ip.bytes[3] = (uint8_t)i;
	}
	rows_work(&b.scene, b.lab.dir, ROWS_MEND, owners, N, results);
	for (size_t i = 0; i < N; i++)
		expect(&results[i], 2, true, NULL);
	assert_lines(netlab_run(b.lab.ns, "bridge fdb show dev vxlan0 | grep -c 'dst " OTHER_VTEP " self permanent'"), "2000\n");
	rows_results_free(results, N);
	free(owners);
	bed_close(&b);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_observer_sends_to_the_new_node_only),
		cmocka_unit_test(an_observer_that_knows_nothing_is_told_both_rows),
		cmocka_unit_test(the_target_delivers_to_its_container_and_drops_the_stale_ones_frames),
		cmocka_unit_test(a_target_without_its_container_says_so_and_changes_nothing),
		cmocka_unit_test(a_target_that_becomes_an_observer_lets_go_of_its_port),
		cmocka_unit_test(an_observer_with_a_stale_container_says_where_it_sends_from),
		cmocka_unit_test(what_is_forgotten_takes_our_rows_along_and_leaves_the_engines),
		cmocka_unit_test(of_an_earlier_run_only_a_targets_rows_are_known_as_ours),
		cmocka_unit_test(an_overlay_that_is_not_joined_needs_nothing),
		cmocka_unit_test(the_device_is_the_one_of_the_addresss_subnet),
		cmocka_unit_test(an_ipv6_address_is_told_where_the_overlay_has_ipv6),
		cmocka_unit_test(many_owners_share_one_look_at_their_overlay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
