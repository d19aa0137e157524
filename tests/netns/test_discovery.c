/* Service discovery follows the container: Consul, CoreDNS' keys in etcd, and a zone of BIND, at once and by their real servers. */
#include "agents.h"
#include "disco.h"

#include "base/alloc.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WEB "10.20.200.50"
#define FOREIGN "10.20.200.99"
#define SERVICE "--label heir.service=web --label heir.service.port=80 "
#define HOST_SERVICE "--label heir.service=web --label heir.service.port=80 --label heir.service.address=host -p 8080:80 "

static struct heird_options options(const struct disco_wanted *wanted) {
	return (struct heird_options){.agents = true, .discovery = disco_configuration(wanted)};
}

static void begin_with(struct heird_options o) {
	heird_start(&o);
	free((char *)o.discovery);
}

static void begin(const struct disco_wanted *wanted) { begin_with(options(wanted)); }

/* On h1, to be moved to h3: h2 is the swarm's only manager. */
static struct web web_on_h1(const char *labels) {
	client_run("h2", "--network ov", WEB);
	prefer_target("h3", "h2");
	char *arguments CLEANUP_FREE = xasprintf(OPT_IN "%s --network ov --ip " WEB, labels);
	return web_run("h1", "web", arguments);
}

static struct web published_web(const char *labels, const char *address, const struct disco_wanted *wanted) {
	const struct web web = web_on_h1(labels);

	begin(wanted);
	wait_ready(&web);
	agents_ready();
	expect_published("web", address, 1, "h1");
	return web;
}

static bool was_published(const char *container) {
	json_t *t CLEANUP_JSON = takeover_newest(container);
	return json_bool_or(t, "published", false);
}

/* --- the laboratory itself --- */

static void plant(const char *address) {
	lab_do("discovery consul services register -name=web -address=%s -port=80", address);
	lab_do("discovery etcdctl put /skydns/local/svc/web/theirs '{\"host\":\"%s\",\"port\":80}'", address);
	lab_do("discovery nsupdate <<'END'\nupdate delete web.lab.example. A\nupdate add web.lab.example. 10 A %s\nEND", address);
	DISCO_EACH(s)
	wait_until("it is resolved", disco_resolves(s, "web", address));
}

static void servers_start_and_answer(void) {
	disco_up("");
	DISCO_EACH(s)
	assert_true(disco_resolves(s, "web", ""));
	plant(FOREIGN);
	DISCO_EACH(s)
	assert_true(disco_has_none(s, "web")); /* of heir's */
	resolvers_run("web");
	double since = clock_now();
	DISCO_EACH(s)
	wait_until("ten answers", resolved_as(s, FOREIGN, since).right >= 10);
	expect_always_answered(FOREIGN, since);
	plant(WEB);
	double moved = clock_now();
	DISCO_EACH(s)
	wait_until("ten answers", resolved_as(s, WEB, moved).right >= 10);
	expect_never_named(FOREIGN, WEB, moved);
}

#define MARK "heir=1 cluster=lab workload=lab/0123456789ab generation=2 service=web address=" WEB " port=80 node=h2 container=web"

/* As heird writes them, so that what other scenarios read is known to be read right. */
static void marks_are_read_in_every_system(void) {
	struct disco_entry e[DISCO_ENTRIES_MAX];

	disco_up("");
	lab_do("discovery consul services register -name=web -address=" WEB " -port=80 -meta=heir-generation=2 "
	       "-meta=heir-node=h2 -meta=heir-workload=lab/0123456789ab");
	lab_do("discovery etcdctl put /skydns/local/svc/web/ours '{\"host\":\"" WEB "\",\"heir\":\"" MARK "\"}'");
	lab_do("discovery etcdctl put /skydns/local/svc/web/ours-6 '{\"host\":\"fd00::1\",\"heir\":\"" MARK "\"}'");
	lab_do("discovery etcdctl put /skydns/arpa/in-addr/10/20/200/50 '{\"host\":\"web.svc.local\"}'");
	lab_do("discovery nsupdate <<'END'\nupdate add ours._heir.lab.example. 10 TXT \"%.60s\" \"%s\"\n"
	       "update add web.lab.example. 10 A " WEB "\nEND",
	       MARK, &MARK[60]);
	lab_do("discovery nsupdate <<'END'\nupdate add 50.200.20.10.in-addr.arpa. 10 PTR web.lab.example.\nEND");
	DISCO_EACH(s) {
		assert_int_equal(disco_read(s, "web", e), 1);
		assert_string_equal(e[0].address, WEB);
		assert_string_equal(e[0].workload, "lab/0123456789ab");
		assert_int_equal(e[0].port, 80);
		assert_true(disco_names_owner(s, "web", 2, "h2"));
		assert_false(disco_names_owner(s, "web", 1, "h2"));
		assert_true(disco_has_none(s, "other"));
	}
	assert_true(disco_resolves(DISCO_ETCD, "web", WEB " fd00::1"));
	assert_true(disco_reverse_is(DISCO_ETCD, WEB, "web.svc.local"));
	assert_true(disco_reverse_is(DISCO_BIND, WEB, "web.lab.example."));
	assert_false(disco_reverse_is(DISCO_BIND, WEB, ""));
	assert_false(disco_reverse_is(DISCO_ETCD, WEB, ""));
}

static void servers_with_access_control_refuse_wrong_secrets(void) {
	disco_up("--acl --auth");
	char *folder CLEANUP_FREE = disco_file("");

	for (int wrong = 0; wrong <= 1; wrong++) {
		const char *which = wrong ? "-wrong" : "";
		int expected = wrong ? 22 : 0; /* curl's, of an HTTP error */
		assert_int_equal(lab_try("manager sh -c 'curl -fs -H \"X-Consul-Token: $(cat %s/token%s)\" "
					 "http://10.99.0.1:8500/v1/catalog/nodes'",
					 folder, which),
				 expected);
		assert_int_equal(lab_try("manager sh -c 'curl -fs http://10.99.0.1:2389/v3/auth/authenticate "
					 "-d \"{\\\"name\\\":\\\"heir\\\",\\\"password\\\":\\\"$(cat %s/password%s)\\\"}\"'",
					 folder, which),
				 expected);
		assert_int_equal(
			lab_try("discovery dig lab.example AXFR +noall +answer -y hmac-sha256:heir:$(cat '%s/key%s') | grep -q SOA",
				folder, which),
			wrong);
	}
}

static void servers_fail_as_they_are_told(void) {
	disco_up("");
	plant(FOREIGN);
	resolvers_run("web");
	DISCO_EACH(s) {
		disco_do("stop", s);
		assert_true(disco_resolves(s, "web", "-"));
		disco_do("start", s);
		wait_until("it has kept what it held", disco_resolves(s, "web", FOREIGN));
		disco_do("hang", s);
		assert_true(disco_resolves(s, "web", "-"));
		disco_do("wake", s);
		wait_until("it answers again", disco_resolves(s, "web", FOREIGN));
		disco_do("garbage", s);
		assert_false(disco_resolves(s, "web", FOREIGN));
		disco_do("start", s);
		wait_until("it answers again", disco_resolves(s, "web", FOREIGN));
	}
	DISCO_EACH(s)
	if (resolved_as(s, FOREIGN, 0).silent == 0)
		failed("%s: a client heard nothing of it", disco_names[s]);
}

/* Of Consul it is HTTP that is slow, and not its DNS. */
static void slow_servers_answer_late(void) {
	disco_up("");
	plant(FOREIGN);
	disco_slow(DISCO_BIND, 200);
	disco_slow(DISCO_ETCD, 200);
	for (enum disco_system s = DISCO_ETCD; s <= DISCO_BIND; s++) {
		double began = clock_now();
		assert_true(disco_resolves(s, "web", FOREIGN));
		assert_true(clock_now() - began >= 0.2);
	}
	disco_slow(DISCO_BIND, 0);
	disco_slow(DISCO_ETCD, 0);
}

/* --- normal life --- */

static void every_system_names_the_container_while_it_runs(void) {
	disco_up("");
	begin(&(struct disco_wanted){0});
	const struct web web = web_run("h1", "web", SERVICE "--network ov --ip " WEB);
	expect_published("web", WEB, 1, "h1");
	json_t *synced CLEANUP_JSON = heir("discovery sync"); /* exit 0: nothing differs */
	assert_int_equal(json_array_size(json_at(synced, "systems")), DISCO_MAX);
	lab_do("docker h1 stop -t 1 web");
	expect_gone("web");
	start("h1", "web");
	expect_published("web", WEB, 1, "h1");
	lab_do("docker h1 rm -f %s", web.id);
	expect_gone("web");
}

static void unhealthy_container_is_withdrawn_where_that_is_wanted(void) {
	disco_up("");
	begin(&(struct disco_wanted){.section = "unhealthy: withdraw"});
	(void)web_run("h1", "web",
		      SERVICE "--network ov --ip " WEB " --health-cmd \"test -e /www/index.html\" --health-interval 1s "
			      "--health-retries 1");
	expect_published("web", WEB, 1, "h1");
	lab_do("docker h1 exec web mv /www/index.html /www/away");
	expect_gone("web");
	lab_do("docker h1 exec web mv /www/away /www/index.html");
	expect_published("web", WEB, 1, "h1");
}

static void several_services_of_one_container_have_entries_of_their_own(void) {
	struct disco_entry e[DISCO_ENTRIES_MAX];

	disco_up("");
	begin(&(struct disco_wanted){0});
	const struct web web = web_run("h1", "web",
				       SERVICE "--label heir.service.2=admin --label heir.service.2.port=8081 "
					       "--network ov --ip " WEB);
	expect_published("web", WEB, 1, "h1");
	expect_published("admin", WEB, 1, "h1");
	DISCO_EACH(s) {
		assert_int_equal(disco_read(s, "admin", e), 1);
		assert_int_equal(e[0].port, 8081);
	}
	lab_do("docker h1 rm -f %s", web.id);
	expect_gone("web");
	expect_gone("admin");
}

static bool reverse_is(const char *in_etcd, const char *in_bind) {
	return disco_reverse_is(DISCO_ETCD, WEB, in_etcd) && disco_reverse_is(DISCO_BIND, WEB, in_bind);
}

static void reverse_records_follow(void) {
	disco_up("");
	const struct web web = published_web(SERVICE, WEB, &(struct disco_wanted){0});
	wait_until("both reverse records", reverse_is("web.svc.local", "web.lab.example."));
	cut("h1");
	const struct web moved = expect_moved(&web);
	expect_published("web", WEB, 2, moved.host);
	assert_true(reverse_is("web.svc.local", "web.lab.example."));
	lab_do("docker %s rm -f %s", moved.host, moved.id);
	expect_gone("web");
	wait_until("no reverse record", reverse_is("", ""));
}

/* What was there when heird started again is mended. */
static void what_changed_behind_heirds_back_is_mended(void) {
	disco_up("");
	const struct web web = published_web(SERVICE, WEB, &(struct disco_wanted){.section = "interval: 5s"});
	lab_do("discovery etcdctl del --prefix /skydns/local/svc/web/");
	lab_do("discovery nsupdate <<'END'\nupdate delete web.lab.example. A\nEND");
	expect_published("web", WEB, 1, "h1");
	heird_kill();
	lab_do("docker h1 rm -f %s", web.id);
	lab_do("discovery etcdctl del --prefix /skydns/");
	begin(&(struct disco_wanted){0});
	expect_gone("web");
}

/* --- takeovers --- */

static void takeover_keeps_overlay_entries_answering(void) {
	disco_up("");
	const struct web web = published_web(SERVICE, WEB, &(struct disco_wanted){0});
	resolvers_run("web");
	double since = clock_now();
	cut("h1");
	const struct web moved = expect_moved(&web);
	expect_published("web", WEB, 2, moved.host);
	assert_true(was_published("web"));
	assert_true(step_is("web", "publish", "ok"));
	heal("h1");
	expect_returned(&web, &moved);
	expect_published("web", WEB, 2, moved.host);
	expect_always_answered(WEB, since);
}

static void host_entries_are_withdrawn_before_the_release(void) {
	disco_up("");
	const struct web web = published_web(HOST_SERVICE, host_ip("h1"), &(struct disco_wanted){0});
	resolvers_run("web");
	cut("h1");
	const struct web moved = expect_moved(&web);
	expect_published("web", host_ip(moved.host), 2, moved.host);
	double released = step_began("web", "release");
	heal("h1");
	expect_returned(&web, &moved);
	expect_published("web", host_ip(moved.host), 2, moved.host);
	expect_never_named(host_ip("h1"), host_ip(moved.host), released);
}

/* In a swarm such a network is an engine's own affair: 20.10 waits in vain for its swarm to attach to it, and newer engines choose
 * the address themselves, whatever --ip6 says. So it is published, and not moved. */
static void both_addresses_of_an_overlay_with_ipv6_are_published(void) {
	disco_up("");
	lab_do("docker h2 network create -d overlay --attachable --ipv6 --subnet 10.22.0.0/24 --subnet fd00:20::/64 ov6");
	const struct web web = web_run("h1", "web", SERVICE "--network ov6 --ip 10.22.0.50");
	char *ip6 CLEANUP_FREE = lab("docker h1 inspect web --format '{{.NetworkSettings.Networks.ov6.GlobalIPv6Address}}'");
	char *both CLEANUP_FREE = xasprintf("10.22.0.50 %s", ip6);
	begin(&(struct disco_wanted){0});
	wait_ready(&web);
	DISCO_EACH(s) {
		/* Consul's transactions keep one address of a service: the other is in its meta only. */
		const char *heard = s == DISCO_CONSUL ? "10.22.0.50" : both;
		char *what CLEANUP_FREE = xasprintf("%s: web is %s", disco_names[s], heard);
		wait_until(what, disco_names_owner(s, "web", 1, "h1") && disco_resolves(s, "web", heard));
		struct disco_entry e[DISCO_ENTRIES_MAX];
		assert_int_equal(disco_read(s, "web", e), 1);
		assert_string_equal(e[0].address6, ip6);
	}
	wait_until("its reverse record", disco_reverse_is(DISCO_BIND, ip6, "web.lab.example."));
	lab_do("docker h1 rm -f %s", web.id);
	expect_gone("web");
	wait_until("no reverse record", disco_reverse_is(DISCO_BIND, ip6, ""));
}

static void host_entries_have_ipv6_addresses_where_hosts_have(void) {
	disco_up("");
	struct heird_options o = options(&(struct disco_wanted){0});
	const struct web web = web_on_h1(HOST_SERVICE);
	o.ipv6 = true;
	begin_with(o);
	wait_ready(&web);
	agents_ready();
	expect_published("web", "fd00:99::11", 1, "h1");
	cut("h1");
	const struct web moved = expect_moved(&web);
	assert_string_equal(moved.host, "h3");
	expect_published("web", "fd00:99::13", 2, "h3");
}

/* The address is released, and somebody else takes it. */
static void entries_are_withdrawn_while_nobody_has_the_address(void) {
	disco_up("");
	const struct web web = published_web(SERVICE, WEB, &(struct disco_wanted){0});
	struct heird_options o = options(&(struct disco_wanted){0});
	heird_kill();
	o.crash_at = "release:after";
	heird_start(&o);
	wait_ready(&web);
	agents_ready();
	cut("h1");
	heird_wait_crash();
	(void)web_run("h2", "thief", "--network ov --ip " WEB);
	o.crash_at = NULL;
	begin_with(o);
	wait_until("an operator is told", takeover_is("web", "needs-operator"));
	expect_gone("web");
	lab_do("docker h2 rm -f thief");
	const struct web moved = expect_moved(&web);
	expect_published("web", WEB, 2, moved.host);
}

static bool engine_resolves(const char *name) {
	return lab_try("docker h2 exec client nslookup -type=a %s 127.0.0.11 | grep -qw 'Address: " WEB "'", name) == 0;
}

static void engines_own_dns_is_asked_after_the_takeover(void) {
	static const char section[] = "discovery: {systems: [{kind: docker, required: true}]}\n";
	const struct web web = web_on_h1("--network-alias front");

	heird_start(&(struct heird_options){.agents = true, .discovery = section});
	wait_ready(&web);
	agents_ready();
	cut("h1");
	(void)expect_moved(&web);
	assert_true(was_published("web"));
	assert_true(engine_resolves("web"));
	assert_true(engine_resolves("front"));
}

static void node_that_returns_before_the_release_has_its_entry_again(void) {
	disco_up("");
	const struct web web = published_web("--label heir.fence=stopped " HOST_SERVICE, host_ip("h1"), &(struct disco_wanted){0});
	cut("h1");
	wait_until("an operator is asked for evidence", takeover_is("web", "needs-operator"));
	expect_gone("web"); /* the host is given up, and nobody else has its port */
	heal("h1");
	wait_until("it is rolled back", takeover_is("web", "rolled-back"));
	expect_published("web", host_ip("h1"), 1, "h1");
	assert_true(web_exists("h1", web.id));
}

/* --- servers that fail --- */

static void expect_others_published(enum disco_system down, const char *node) {
	DISCO_EACH(s)
	if (s != down) {
		char *what CLEANUP_FREE = xasprintf("%s names %s", disco_names[s], node);
		wait_until(what, disco_names_owner(s, "web", 2, node));
	}
}

/* `fail` before the cut, `mend` after a restart of heird: the address moves all the same, and in the end everything is true. */
static void takeover_while(enum disco_system s, const char *fail, const char *mend) {
	disco_up("");
	const struct web web = published_web(SERVICE, WEB, &(struct disco_wanted){0});
	disco_do(fail, s);
	cut("h1");
	const struct web moved = expect_moved(&web);
	assert_false(was_published("web"));
	expect_others_published(s, moved.host);
	heird_kill();
	begin(&(struct disco_wanted){0});
	disco_do(mend, s);
	expect_published("web", WEB, 2, moved.host);
}

static void consul_is_down_during_the_takeover(void) { takeover_while(DISCO_CONSUL, "stop", "start"); }
static void etcd_is_down_during_the_takeover(void) { takeover_while(DISCO_ETCD, "stop", "start"); }
static void bind_is_down_during_the_takeover(void) { takeover_while(DISCO_BIND, "stop", "start"); }
static void consul_hangs_during_the_takeover(void) { takeover_while(DISCO_CONSUL, "hang", "wake"); }
static void etcd_hangs_during_the_takeover(void) { takeover_while(DISCO_ETCD, "hang", "wake"); }
static void bind_hangs_during_the_takeover(void) { takeover_while(DISCO_BIND, "hang", "wake"); }
static void consul_talks_rubbish_during_the_takeover(void) { takeover_while(DISCO_CONSUL, "garbage", "start"); }
static void etcd_talks_rubbish_during_the_takeover(void) { takeover_while(DISCO_ETCD, "garbage", "start"); }
static void bind_talks_rubbish_during_the_takeover(void) { takeover_while(DISCO_BIND, "garbage", "start"); }

static void slow_servers_are_waited_for(void) {
	disco_up("");
	const struct web web = published_web(SERVICE, WEB, &(struct disco_wanted){0});
	DISCO_EACH(s)
	disco_slow(s, 100);
	cut("h1");
	const struct web moved = expect_moved(&web);
	assert_true(was_published("web"));
	DISCO_EACH(s)
	disco_slow(s, 0); /* etcdctl itself gives up on so slow a server */
	DISCO_EACH(s)
	assert_true(disco_names_owner(s, "web", 2, moved.host));
}

/* --- secrets --- */

static void copy_secret(const char *name, const char *folder, const char *as) {
	char *from CLEANUP_FREE = disco_file(name), *text CLEANUP_FREE = NULL;

	text = xasprintf("cp '%s' '%s/%s.new' && mv '%s/%s.new' '%s/%s'", from, folder, as, folder, as, folder, as);
	if (system(text) != 0)
		failed("%s", text);
}

static void expect_unsaid(const char *name) {
	char *file CLEANUP_FREE = disco_file(name);
	char *grep CLEANUP_FREE = xasprintf("grep -qF -f '%s' build/lab/$HEIR_LAB/heir/heird.log", file);

	if (system(grep) == 0)
		failed("the log tells %s", name);
}

/* Each system refuses; then the files change, and nobody starts heird again. */
static void wrong_secrets_are_said_and_right_ones_are_read_when_they_come(void) {
	static const char *const names[] = {"token", "password", "key"};
	char folder[] = "/run/heir-secrets-XXXXXX";

	disco_up("--acl --auth");
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < 3; i++) {
		char *wrong CLEANUP_FREE = xasprintf("%s-wrong", names[i]);
		copy_secret(wrong, folder, names[i]);
	}
	begin(&(struct disco_wanted){.section = "interval: 5s", .secrets = folder, .secret = true});
	const struct web web = web_run("h1", "web", SERVICE "--network ov --ip " WEB);
	wait_ready(&web);
	keeps_holding(6, "nothing is published",
		      disco_has_none(DISCO_CONSUL, "web") && disco_has_none(DISCO_ETCD, "web") &&
			      disco_has_none(DISCO_BIND, "web"));
	for (size_t i = 0; i < 3; i++)
		copy_secret(names[i], folder, names[i]);
	DISCO_EACH(s)
	wait_until(disco_names[s], disco_names_owner(s, "web", 1, "h1"));
	for (size_t i = 0; i < 3; i++) {
		char *wrong CLEANUP_FREE = xasprintf("%s-wrong", names[i]);
		expect_unsaid(wrong);
		expect_unsaid(names[i]);
	}
	char *remove CLEANUP_FREE = xasprintf("rm -r '%s'", folder);
	assert_int_equal(system(remove), 0);
}

/* A new password ends etcd's tokens; that it starts again does not. */
static void etcd_is_logged_in_to_again_with_a_new_password(void) {
	disco_up("--acl --auth");
	begin(&(struct disco_wanted){.secret = true});
	const struct web web = web_run("h1", "web", SERVICE "--network ov --ip " WEB);
	wait_ready(&web);
	wait_until("etcd names it", disco_names_owner(DISCO_ETCD, "web", 1, "h1"));
	char *folder CLEANUP_FREE = disco_file("");
	lab_do("discovery etcdctl user passwd heir --interactive=false <'%spassword-wrong'", folder);
	copy_secret("password-wrong", folder, "password");
	lab_do("docker h1 rm -f %s", web.id);
	wait_until("it is gone", disco_has_none(DISCO_ETCD, "web"));
}

static void dns_is_updated_with_hmac_sha512_too(void) {
	disco_up("");
	char *key CLEANUP_FREE = disco_file("key512");
	char *section CLEANUP_FREE = xasprintf("discovery: {systems: [{kind: dns, server: \"10.99.0.1:53\", zone: lab.example, "
					       "key_name: heir512, key_file: \"%s\", algorithm: hmac-sha512}]}\n",
					       key);
	heird_start(&(struct heird_options){.discovery = section});
	(void)web_run("h1", "web", SERVICE "--network ov --ip " WEB);
	wait_until("bind names it", disco_names_owner(DISCO_BIND, "web", 1, "h1"));
	assert_true(disco_resolves(DISCO_BIND, "web", WEB));
}

/* --- what is not ours --- */

/* At the very key of the entry that heird will want. */
static void plant_in_the_way(const struct web *w) {
	lab_do("discovery etcdctl put /skydns/local/svc/web/h%.12s-1 '{\"host\":\"" FOREIGN "\"}'", w->id);
	lab_do("discovery nsupdate <<'END'\nupdate add web.lab.example. 10 A " FOREIGN "\nEND");
	lab_do("manager curl -fsS -X PUT http://10.99.0.1:8500/v1/catalog/register -d "
	       "'{\"Node\":\"heir-lab\",\"Address\":\"127.0.0.1\",\"Service\":{\"ID\":\"h%.12s-1\",\"Service\":\"web\","
	       "\"Address\":\"" FOREIGN "\",\"Port\":1}}'",
	       w->id);
}

static bool discovery_ls_shows(const char *text) {
	json_t *j CLEANUP_JSON = heir_differs("discovery ls");
	char *all CLEANUP_FREE = j ? json_text(j) : NULL;
	return all && strstr(all, text);
}

static bool foreign_stand(void) {
	bool all = true;

	DISCO_EACH(s)
	all = all && disco_resolves(s, "web", FOREIGN);
	return all;
}

static void foreign_entry_is_left_alone(void) {
	disco_up("");
	const struct web web = web_run("h1", "web", SERVICE "--network ov --ip " WEB);
	plant_in_the_way(&web);
	assert_true(foreign_stand());
	begin(&(struct disco_wanted){.section = "interval: 5s"});
	wait_ready(&web);
	wait_until("it is reported with its content", discovery_ls_shows(FOREIGN));
	keeps_holding(6, "what is foreign stands", foreign_stand());
	lab_do("discovery etcdctl del /skydns/local/svc/web/h%.12s-1", web.id);
	lab_do("discovery nsupdate <<'END'\nupdate delete web.lab.example. A\nEND");
	lab_do("manager curl -fsS -X PUT http://10.99.0.1:8500/v1/catalog/deregister -d "
	       "'{\"Node\":\"heir-lab\",\"ServiceID\":\"h%.12s-1\"}'",
	       web.id);
	expect_published("web", WEB, 1, "h1");
}

static void adopted_entry_is_overwritten(void) {
	static const char adopt[] = ", adopt: [web]";

	disco_up("");
	const struct web web = web_run("h1", "web", SERVICE "--network ov --ip " WEB);
	plant_in_the_way(&web);
	begin(&(struct disco_wanted){.of = {adopt, adopt, adopt}});
	expect_published("web", WEB, 1, "h1");
}

/* --- two managers --- */

static void copy_state(void) {
	if (system("cd build/lab/$HEIR_LAB/heir && for f in heir.db*; do cp \"$f\" \"old$f\" || exit 1; done") != 0)
		failed("the state cannot be copied");
}

/* The older one knows generation 1 only, and has not heard of the takeover that its successor did. */
static void two_managers_the_older_generation_loses(void) {
	disco_up("");
	const struct web web = published_web(SERVICE, WEB, &(struct disco_wanted){0});
	struct heird_options o = options(&(struct disco_wanted){.section = "interval: 5s"});
	heird_kill();
	copy_state();
	heird_start(&o);
	wait_ready(&web);
	cut("h1");
	const struct web moved = expect_moved(&web);
	expect_published("web", WEB, 2, moved.host);
	heird_kill();
	heal("h1");
	assert_true(web_exists("h1", web.id));
	o.state = "oldheir.db";
	o.agents = false; /* who would tell it that it is the older one */
	heird_start(&o);
	keeps_holding(12, "generation 2 stands",
		      disco_names_owner(DISCO_CONSUL, "web", 2, moved.host) &&
			      disco_names_owner(DISCO_ETCD, "web", 2, moved.host) &&
			      disco_names_owner(DISCO_BIND, "web", 2, moved.host));
	free((char *)o.discovery);
}

/* --- Consul agents --- */

#define AGENTS \
	", agents: {h1: \"http://10.99.0.11:8500\", h2: \"http://10.99.0.12:8500\", h3: \"http://10.99.0.13:8500\"}, check_ttl: " \
	"5s"

static void begin_with_consul_agents(void) {
	for (int i = 1; i <= 3; i++)
		lab_do("discovery agent h%d up", i);
}

static void consul_agents_of_the_hosts_carry_the_entries(void) {
	disco_up("");
	begin_with_consul_agents();
	const struct web web = published_web(SERVICE, WEB, &(struct disco_wanted){.of = {[DISCO_CONSUL] = AGENTS}});
	cut("h1");
	const struct web moved = expect_moved(&web);
	expect_published("web", WEB, 2, moved.host);
	heal("h1");
	expect_returned(&web, &moved);
	wait_until("h1's agent has forgotten it",
		   lab_try("manager curl -fsS http://10.99.0.11:8500/v1/agent/services | grep -q '\"web\"'") == 1);
	wait_until("and so has the catalog", disco_names_owner(DISCO_CONSUL, "web", 2, moved.host));
	keeps_holding(5, "nobody brings it back", disco_names_owner(DISCO_CONSUL, "web", 2, moved.host));
}

static void entry_expires_where_no_heird_says_that_it_is_wanted(void) {
	disco_up("");
	begin_with_consul_agents();
	(void)published_web(SERVICE, WEB, &(struct disco_wanted){.of = {[DISCO_CONSUL] = AGENTS}});
	keeps_holding(8, "it is wanted", disco_resolves(DISCO_CONSUL, "web", WEB));
	heird_kill();
	wait_until("Consul hands it out no more", disco_resolves(DISCO_CONSUL, "web", ""));
	begin(&(struct disco_wanted){.of = {[DISCO_CONSUL] = AGENTS}});
	wait_until("and again", disco_resolves(DISCO_CONSUL, "web", WEB));
}

int main(int argc, char **argv) {
	static const struct scenario scenarios[] = {
		SCENARIO(servers_start_and_answer),
		SCENARIO(marks_are_read_in_every_system),
		SCENARIO(servers_with_access_control_refuse_wrong_secrets),
		SCENARIO(servers_fail_as_they_are_told),
		SCENARIO(slow_servers_answer_late),
		SCENARIO(every_system_names_the_container_while_it_runs),
		SCENARIO(unhealthy_container_is_withdrawn_where_that_is_wanted),
		SCENARIO(several_services_of_one_container_have_entries_of_their_own),
		SCENARIO(reverse_records_follow),
		SCENARIO(what_changed_behind_heirds_back_is_mended),
		SCENARIO(takeover_keeps_overlay_entries_answering),
		SCENARIO(host_entries_are_withdrawn_before_the_release),
		SCENARIO_NOT_ON("20.10", both_addresses_of_an_overlay_with_ipv6_are_published),
		SCENARIO(host_entries_have_ipv6_addresses_where_hosts_have),
		SCENARIO(node_that_returns_before_the_release_has_its_entry_again),
		SCENARIO(entries_are_withdrawn_while_nobody_has_the_address),
		SCENARIO(engines_own_dns_is_asked_after_the_takeover),
		SCENARIO(consul_is_down_during_the_takeover),
		SCENARIO(etcd_is_down_during_the_takeover),
		SCENARIO(bind_is_down_during_the_takeover),
		SCENARIO(consul_hangs_during_the_takeover),
		SCENARIO(etcd_hangs_during_the_takeover),
		SCENARIO(bind_hangs_during_the_takeover),
		SCENARIO(consul_talks_rubbish_during_the_takeover),
		SCENARIO(etcd_talks_rubbish_during_the_takeover),
		SCENARIO(bind_talks_rubbish_during_the_takeover),
		SCENARIO(slow_servers_are_waited_for),
		SCENARIO(wrong_secrets_are_said_and_right_ones_are_read_when_they_come),
		SCENARIO(etcd_is_logged_in_to_again_with_a_new_password),
		SCENARIO(dns_is_updated_with_hmac_sha512_too),
		SCENARIO(foreign_entry_is_left_alone),
		SCENARIO(adopted_entry_is_overwritten),
		SCENARIO(two_managers_the_older_generation_loses),
		SCENARIO(consul_agents_of_the_hosts_carry_the_entries),
		SCENARIO(entry_expires_where_no_heird_says_that_it_is_wanted),
	};
	return SCENARIOS_RUN(argc, argv, scenarios, "26.1", "--agents");
}
