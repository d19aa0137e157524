/* What people see: the manager's JSON in, text out. */
#include "cli/cli.h"
#include "cli/text.h"

#include "base/alloc.h"

#include <locale.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define TAKEOVER \
	"{\"id\": \"3f2a9c0d11e4b7a8\", \"workload\": \"prod/4fa6e0f0c6786287e131c3852c58a2e01cc697a68231826813597e4994f1d6e2\", " \
	"\"generation\": 2," \
	" \"container\": \"web\", \"from\": \"h1\", \"to\": \"h2\", \"state\": \"done\", \"reason\": null, \"warnings\": [\"rows " \
	"follow gossip\"]," \
	" \"evidence\": \"presumed\", \"published\": null, \"started\": \"2026-01-02T03:04:05.678Z\", \"finished\": " \
	"\"2026-01-02T03:04:06.228Z\"," \
	" \"seconds\": 0.55, \"networks\": [{\"name\": \"ov\", \"ip\": \"10.20.0.50\", \"ip6\": null, \"mac\": " \
	"\"02:42:0a:14:00:32\", \"kept\": true}]," \
	" \"steps\": [{\"name\": \"plan\", \"outcome\": \"ok\", \"seconds\": 0, \"detail\": \"h2 has the network and the image; " \
	"h3 was rejected because" \
	" the published port 8080 is taken there by container other\"}," \
	" {\"name\": \"release\", \"outcome\": \"retried\", \"seconds\": 0.02, \"detail\": null}]}"
#define FAILED \
	"{\"id\": \"4f2a9c0d11e4b7a8\", \"workload\": \"prod/5f\", \"generation\": 3, \"container\": \"db\", \"from\": \"h1\", " \
	"\"to\": null," \
	" \"state\": \"needs-operator\", \"reason\": \"no control socket can be reached\", \"warnings\": [], \"evidence\": null, " \
	"\"published\": false," \
	" \"started\": \"2026-01-02T03:04:05Z\", \"finished\": null, \"seconds\": null, \"networks\": [], \"steps\": []}"

#define ENTRY_OK \
	"{\"system\": \"consul\", \"kind\": \"consul\", \"key\": \"h4fa6e0f0c678-1\", \"service\": \"web\", \"workload\": " \
	"\"prod/4fa6\"," \
	" \"container\": \"web\", \"node\": \"h2\", \"state\": \"ok\"," \
	" \"wanted\": {\"address\": \"10.20.0.50\", \"address6\": null, \"port\": 80, \"generation\": 2, \"node\": \"h2\"}," \
	" \"actual\": {\"address\": \"10.20.0.50\", \"address6\": null, \"port\": 80, \"generation\": 2, \"node\": \"h2\"}," \
	" \"detail\": null, \"since\": \"2026-01-02T03:04:05Z\"}"
#define ENTRY_FOREIGN \
	"{\"system\": \"zone\", \"kind\": \"dns\", \"key\": \"h5b-1\", \"service\": \"db\", \"workload\": \"prod/5b\"," \
	" \"container\": \"db\", \"node\": \"h1\", \"state\": \"foreign\"," \
	" \"wanted\": {\"address\": \"10.20.0.51\", \"address6\": \"fd00::51\", \"port\": 5432, \"generation\": 1, \"node\": " \
	"\"h1\"}," \
	" \"actual\": null, \"detail\": \"db.svc.example. A 192.0.2.7\", \"since\": \"2026-01-02T03:04:05Z\"}"
#define SYSTEM_OK \
	"{\"name\": \"consul\", \"kind\": \"consul\", \"state\": \"ok\", \"entries\": 12, \"differences\": 0, \"detail\": null," \
	" \"compared\": \"2026-01-02T03:04:05Z\"}"
#define SYSTEM_DOWN \
	"{\"name\": \"zone\", \"kind\": \"dns\", \"state\": \"unreachable\", \"entries\": null, \"differences\": null," \
	" \"detail\": \"10.99.0.1:53: no answer in time\", \"compared\": null}"

static json_t *parse(const char *json) {
	struct err err = {0};
	json_t *j = NULL;
	if (json_parse(json, strlen(json), "fixture", &j, &err) < 0)
		fail_msg("%s", err.msg);
	return j;
}

static char *render(cli_render_fn *how, const char *json, enum cli_format format, bool quiet) {
	json_t *answer CLEANUP_JSON = parse(json);
	char *text = NULL;
	size_t len = 0;
	struct cli cli = {.format = format, .quiet = quiet, .out = open_memstream(&text, &len)};

	cli_print(&cli, answer, how);
	fclose(cli.out);
	return text;
}

static void assert_rendered(cli_render_fn *how, const char *json, const char *expected) {
	char *text CLEANUP_FREE = render(how, json, CLI_TABLE, false);
	assert_string_equal(text, expected);
}

static void status_names_what_needs_attention(void **state) {
	(void)state;
	assert_rendered(cli_render_status,
			"{\"version\": \"0.1.0\", \"cluster\": \"prod\", \"epoch\": 3, \"store\": \"failing: disk full\","
			" \"brake\": {\"held\": true, \"reason\": \"3 of 4 nodes are lost\"}, \"nodes\": {\"alive\": 1, "
			"\"suspect\": 0, \"dead\": 3},"
			" \"takeovers\": {\"running\": 0, \"waiting\": 2}, \"warnings\": [\"h2: agents are not supported\"]}",
			"  cluster        prod\n"
			"  version        0.1.0\n"
			"  epoch          3\n"
			"  store          failing: disk full\n"
			"  brake          HELD: 3 of 4 nodes are lost (`heir go` releases it)\n"
			"  nodes          1 alive, 3 dead\n"
			"  takeovers      2 waiting\n"
			"warnings:\n"
			"  h2: agents are not supported\n");
}

static void nodes_are_a_table_and_absent_values_a_dash(void **state) {
	(void)state;
	assert_rendered(cli_render_nodes,
			"[{\"name\": \"h1\", \"url\": \"tcp://10.99.0.11:2375\", \"state\": \"alive\", \"version\": \"20.10.24\", "
			"\"overlay\": \"swarm\","
			" \"containers\": 12, \"agent\": \"none\", \"hold\": \"by an operator: new disks\"}, {\"name\": \"h2\", "
			"\"url\": \"tcp://10.99.0.12:2376\", "
			"\"state\": \"engine-only\","
			" \"version\": null, \"overlay\": null, \"containers\": 0, \"agent\": \"none\"}]",
			"NAME STATE       VERSION  OVERLAY CONTAINERS AGENT URL                   HELD\n"
			"h1   alive       20.10.24 swarm   12         none  tcp://10.99.0.11:2375 by an operator: new disks\n"
			"h2   engine-only -        -       0          none  tcp://10.99.0.12:2376 -\n");
}

static void a_node_shows_its_networks_and_stale_copies(void **state) {
	(void)state;
	assert_rendered(cli_render_node,
			"{\"name\": \"h1\", \"state\": \"returning\", \"labels\": {\"zone\": \"a\"}, \"networks\": [\"ov\"],"
			" \"stale\": [{\"container\": \"web\", \"generation\": 1}], \"reason\": null}",
			"h1\n"
			"  state          returning\n"
			"  labels         zone=a\n"
			"networks:\n"
			"  ov\n"
			"stale copies:\n"
			"  container=web, generation=1\n");
}

static void a_node_shows_what_its_agent_does(void **state) {
	(void)state;
	assert_rendered(cli_render_node,
			"{\"name\": \"h1\", \"state\": \"alive\", \"agent\": \"unreachable\", \"vtep\": \"10.99.0.11\","
			" \"agent_detail\": {\"reason\": \"connection refused\", \"quarantine\": [\"10.99.0.12\"],"
			" \"wrong\": [\"web: 10.20.0.50 points to 10.99.0.12\"]}}",
			"h1\n"
			"  state          alive\n"
			"  agent          unreachable\n"
			"  agent trouble  connection refused\n"
			"drops frames of:\n"
			"  10.99.0.12\n"
			"rows not right:\n"
			"  web: 10.20.0.50 points to 10.99.0.12\n"
			"  vtep           10.99.0.11\n");
	assert_rendered(cli_render_node, "{\"name\": \"h1\", \"agent\": \"none\", \"agent_detail\": null}",
			"h1\n"
			"  agent          none\n");
}

static void verify_sets_ledger_engine_and_every_kernel_side_by_side(void **state) {
	(void)state;
	assert_rendered(cli_render_verify,
			"{\"differ\": true, \"addresses\": [{\"ip\": \"10.20.0.50\", \"mac\": \"02:42:0a:14:00:32\", "
			"\"container\": \"web\","
			" \"node\": \"h2\", \"engine\": \"h2\", \"state\": \"differs\", \"kernels\": ["
			"{\"node\": \"h1\", \"joined\": true, \"problem\": \"fdb to 10.99.0.11\", \"rows\": [\"fdb dst "
			"10.99.0.11\", \"neigh\"]},"
			"{\"node\": \"h2\", \"joined\": true, \"address\": \"eth0\", \"problem\": null},"
			"{\"node\": \"h3\", \"joined\": false},"
			"{\"node\": \"h4\", \"joined\": true, \"answered_from\": \"client\", \"rows\": [\"fdb dst 10.99.0.12\"]}]},"
			"{\"ip\": \"10.20.0.51\", \"mac\": null, \"container\": \"db\", \"node\": \"h5\", \"engine\": null, "
			"\"state\": \"unproven\","
			" \"kernels\": []}], \"unproven\": {\"h5\": \"unreachable\"}}",
			"IP         MAC               CONTAINER LEDGER ENGINE STATE    KERNELS\n"
			"10.20.0.50 02:42:0a:14:00:32 web       h2     h2     differs  h1: fdb to 10.99.0.11; h2: has it; h3:\n"
			"                                                              not joined; h4: right (answered from\n"
			"                                                              client)\n"
			"10.20.0.51 -                 db        h5     -      unproven no agent\n"
			"10.20.0.50 on h1:\n"
			"    fdb dst 10.99.0.11\n"
			"    neigh\n"
			"h5 proves nothing: its agent is unreachable\n");
}

static void discovery_sets_what_is_wanted_beside_what_stands_there(void **state) {
	(void)state;
	assert_rendered(
		cli_render_discovery,
		"[" ENTRY_OK "," ENTRY_FOREIGN ", {\"system\": \"zone\", \"service\": \"old\", \"state\": \"orphaned\", "
		"\"wanted\": null, \"actual\": {\"address6\": "
		"\"fd00::9\", \"generation\": 3}, \"since\": \"yesterday\"}]",
		"SYSTEM SERVICE CONTAINER STATE    WANTED                                ACTUAL              DETAIL\n"
		"consul web     web       ok       10.20.0.50:80 g2 h2                   10.20.0.50:80 g2 h2 -\n"
		"zone   db      db        foreign  10.20.0.51:5432 [fd00::51]:5432 g1 h1 -                   db.svc.example. A "
		"192.0.2.7,\n"
		"                                                                                            since "
		"2026-01-02T03:04:05Z\n"
		"zone   old     -         orphaned -                                     fd00::9 g3          since yesterday\n");
}

static void systems_of_discovery_say_how_they_are(void **state) {
	(void)state;
	assert_rendered(cli_render_systems, "[" SYSTEM_OK "," SYSTEM_DOWN "]",
			"NAME   KIND   STATE       ENTRIES DIFFERENCES COMPARED             DETAIL\n"
			"consul consul ok          12      0           2026-01-02T03:04:05Z -\n"
			"zone   dns    unreachable -       -           -                    10.99.0.1:53: no answer in time\n");
}

static void quiet_discovery_leaves_keys_and_names(void **state) {
	(void)state;
	char *keys CLEANUP_FREE = render(cli_render_discovery, "[" ENTRY_OK "," ENTRY_FOREIGN "]", CLI_TABLE, true);
	char *names CLEANUP_FREE = render(cli_render_systems, "[" SYSTEM_OK "," SYSTEM_DOWN "]", CLI_TABLE, true);

	assert_string_equal(keys, "consul h4fa6e0f0c678-1\nzone h5b-1\n");
	assert_string_equal(names, "consul\nzone\n");
}

static void discovery_has_problems_when_something_differs_or_is_not_known(void **state) {
	(void)state;
	static const struct {
		const char *what, *json;
		bool problems;
	} cases[] = {
		{"nothing at all", "[]", false},
		{"an entry that is as wanted", "[" ENTRY_OK "]", false},
		{"one of two that is foreign", "[" ENTRY_OK "," ENTRY_FOREIGN "]", true},
		{"one that is not known", "[{\"state\": \"unknown\"}]", true},
		{"one without a state", "[{}]", true},
		{"a system that is well", "[" SYSTEM_OK "]", false},
		{"a system that is down", "[" SYSTEM_DOWN "]", true},
		{"a system with a difference", "[{\"state\": \"ok\", \"differences\": 1}]", true},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *list CLEANUP_JSON = parse(cases[i].json);
		if (cli_discovery_has_problems(list) != cases[i].problems)
			fail_msg("%s: expected %d", cases[i].what, cases[i].problems);
	}
}

/* A manager that is asked once. */
struct manager {
	int fd;
	const char *answer;
	char asked[4096];
};

static void *serve(void *user) {
	struct manager *m = user;
	size_t len = 0;
	int fd CLEANUP_FD = accept4(m->fd, NULL, NULL, SOCK_CLOEXEC);
	char *answer CLEANUP_FREE = xasprintf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(m->answer), m->answer);
	bool post = false;

	while (len + 1 < sizeof(m->asked) && !strstr(m->asked, post ? "}" : "\r\n\r\n")) {
		ssize_t n = read(fd, m->asked + len, sizeof(m->asked) - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
		post = !strncmp(m->asked, "POST", 4);
	}
	(void)send(fd, answer, strlen(answer), MSG_NOSIGNAL); /* the client may have left */
	return NULL;
}

#define OK "{\"state\":\"ok\"}"
#define FOREIGN "{\"state\":\"foreign\"}"
#define DOWN "{\"state\":\"unreachable\"}"

static const struct {
	const char *what, *verb, *more, *answer, *asked, *body;
	int status;
	const char *shown; /* JSON by the line */
} asks[] = {
	{"all is well", "ls", NULL, "[" OK "]", "GET /v1/discovery ", "", CLI_OK, OK "\n"},
	{"something is foreign", "ls", NULL, "[" OK "," FOREIGN "]", "GET /v1/discovery ", "", CLI_CHANGES, OK "\n" FOREIGN "\n"},
	{"only the problems", "ls", "--problems", "[" OK "," FOREIGN "]", "GET /v1/discovery ", "", CLI_CHANGES, FOREIGN "\n"},
	{"no problems", "ls", "--problems", "[" OK "]", "GET /v1/discovery ", "", CLI_OK, ""},
	{"the systems", "systems", NULL, "[" OK "," DOWN "]", "GET /v1/discovery/systems ", "", CLI_CHANGES, OK "\n" DOWN "\n"},
	{"all systems now", "sync", NULL, "{\"systems\":[" OK "]}", "POST /v1/discovery/sync ", "{\"system\":null}", CLI_OK,
	 "{\"systems\":[" OK "]}\n"},
	{"one of them now", "sync", "zone", "{\"systems\":[" DOWN "]}", "POST /v1/discovery/sync ", "{\"system\":\"zone\"}",
	 CLI_CHANGES, "{\"systems\":[" DOWN "]}\n"},
};

/* Runs `heir discovery VERB [MORE]` against it. */
static int ask_discovery(struct manager *m, const char *host, const char *verb, const char *more, char **ret_shown) {
	size_t len = 0;
	struct cli cli = {.host = host, .format = CLI_JSONL, .out = open_memstream(ret_shown, &len), .errors = stderr};
	char *argv[] = {"heir discovery", (char *)(uintptr_t)verb, (char *)(uintptr_t)more, NULL};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, serve, m), 0);
	int status = cli_discovery(&cli, more ? 3 : 2, argv);
	pthread_join(thread, NULL);
	fclose(cli.out);
	return status;
}

static void discovery_asks_the_manager_and_ends_with_what_it_found(void **state) {
	(void)state;
	char dir[] = "/tmp/heir-cli-XXXXXX";
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	assert_non_null(mkdtemp(dir));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", dir);
	char *host CLEANUP_FREE = xasprintf("unix://%s", address.sun_path);
	int fd CLEANUP_FD = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	for (size_t i = 0; i < COUNT(asks); i++) {
		struct manager m = {.fd = fd, .answer = asks[i].answer};
		char *shown CLEANUP_FREE = NULL;
		int status = ask_discovery(&m, host, asks[i].verb, asks[i].more, &shown);
		bool asked = !strncmp(m.asked, asks[i].asked, strlen(asks[i].asked)) && strstr(m.asked, asks[i].body);
		if (status != asks[i].status || !asked || strcmp(shown, asks[i].shown) != 0)
			fail_msg("%s: expected %d, %s%s, %s; got %d, %s, %s", asks[i].what, asks[i].status, asks[i].asked,
				 asks[i].body, asks[i].shown, status, m.asked, shown);
	}
	assert_int_equal(unlink(address.sun_path) + rmdir(dir), 0);
}

static void containers_show_all_their_addresses(void **state) {
	(void)state;
	assert_rendered(cli_render_containers,
			"[{\"name\": \"web\", \"id\": \"4fa6e0f0c6786287e131\", \"workload\": \"prod/4fa6\", \"node\": \"h1\", "
			"\"policy\": \"on-node-failure\","
			" \"generation\": 1, \"state\": \"running\", \"networks\": [{\"name\": \"ov\", \"ip\": \"10.20.0.50\", "
			"\"ip6\": null},"
			" {\"name\": \"back\", \"ip\": \"10.30.0.7\", \"ip6\": \"fd00::7\"}]}]",
			"NAME ID           NODE STATE   POLICY          GEN ADDRESSES\n"
			"web  4fa6e0f0c678 h1   running on-node-failure 1   ov 10.20.0.50, back 10.30.0.7 fd00::7\n");
}

static void takeovers_are_a_table_with_the_reasons_below(void **state) {
	(void)state;
	assert_rendered(cli_render_takeovers, "[" TAKEOVER "," FAILED "]",
			"ID               CONTAINER WAY      STATE          STARTED              TOOK   ADDRESSES\n"
			"3f2a9c0d11e4b7a8 web       h1 -> h2 done           2026-01-02T03:04:05Z 0.55 s ov 10.20.0.50\n"
			"4f2a9c0d11e4b7a8 db        h1 -> -  needs-operator 2026-01-02T03:04:05Z -      -\n"
			"4f2a9c0d11e4b7a8 needs-operator: no control socket can be reached\n");
}

static void a_takeover_tells_its_story_within_100_columns(void **state) {
	(void)state;
	assert_rendered(cli_render_takeover, TAKEOVER,
			"takeover 3f2a9c0d11e4b7a8: done\n"
			"  container      web\n"
			"  workload       prod/4fa6e0f0c6786287e131c3852c58a2e01cc697a68231826813597e4994f1d6e2\n"
			"  generation     2\n"
			"  from           h1\n"
			"  to             h2\n"
			"  evidence       presumed\n"
			"  started        2026-01-02T03:04:05.678Z\n"
			"  finished       2026-01-02T03:04:06.228Z\n"
			"  took           0.55 s\n"
			"  NETWORK IP         IP6 MAC               ADDRESS\n"
			"  ov      10.20.0.50 -   02:42:0a:14:00:32 kept\n"
			"  STEP    OUTCOME TOOK   DETAIL\n"
			"  plan    ok      0.00 s h2 has the network and the image; h3 was rejected because the published\n"
			"                         port 8080 is taken there by container other\n"
			"  release retried 0.02 s -\n"
			"warnings:\n"
			"  rows follow gossip\n");
}

static void an_address_that_was_not_kept_cannot_be_overlooked(void **state) {
	(void)state;
	char *text CLEANUP_FREE =
		render(cli_render_takeover, "{\"networks\": [{\"name\": \"ov\", \"ip\": \"10.20.0.50\", \"kept\": false}]}",
		       CLI_TABLE, false);
	assert_non_null(strstr(text, "NOT KEPT"));
}

static void an_event_is_one_line(void **state) {
	(void)state;
	assert_rendered(cli_render_event,
			"{\"time\": \"2026-01-02T03:04:05.678Z\", \"takeover\": \"3f\", \"container\": \"web\", \"network\": "
			"\"ov\", \"ip\": \"10.20.0.50\","
			" \"mac\": null, \"from\": \"h1\", \"to\": \"h2\", \"step\": \"release\", \"outcome\": \"ok\", "
			"\"evidence\": \"presumed\","
			" \"seconds\": 0.021, \"detail\": \"two\\nlines\"}",
			"2026-01-02T03:04:05.678Z web release: ok, h1 -> h2, ov, 10.20.0.50, presumed, two\\u{a}lines, 0.02 s\n");
}

static void an_explanation_names_every_rejected_node(void **state) {
	(void)state;
	assert_rendered(cli_render_explain,
			"{\"container\": \"web\", \"workload\": \"prod/4fa6\", \"policy\": \"on-node-failure\", \"policy_source\": "
			"\"env\", \"movable\": true,"
			" \"reasons\": [], \"node\": \"h1\", \"generation\": 1, \"would\": {\"target\": \"h2\", \"rejected\": "
			"[{\"node\": \"h3\","
			" \"reason\": \"port 8080 is taken\"}]}, \"takeovers\": []}",
			"web\n"
			"  workload       prod/4fa6\n"
			"  node           h1\n"
			"  generation     1\n"
			"  policy         on-node-failure\n"
			"  policy_source  env\n"
			"  movable        yes\n"
			"if h1 died now, h2 would take it over\n"
			"nodes that cannot take it:\n"
			"  h3             port 8080 is taken\n");
	assert_rendered(cli_render_explain, "{\"container\": \"db\", \"movable\": false, \"reasons\": [\"it has a local volume\"]}",
			"db\n"
			"  movable        no\n"
			"it is not moved, because:\n"
			"  it has a local volume\n");
}

static void a_drill_says_what_would_happen(void **state) {
	(void)state;
	assert_rendered(cli_render_drill,
			"{\"node\": \"h1\", \"containers\": [{\"container\": \"web\", \"policy\": \"on-node-failure\", \"target\": "
			"\"h2\", \"reason\": null,"
			" \"networks\": [{\"name\": \"ov\", \"ip\": \"10.20.0.50\"}], \"evidence\": \"presumed\", \"state\": "
			"\"would-move\"},"
			" {\"container\": \"db\", \"policy\": \"no\", \"target\": null, \"reason\": \"did not opt in\", "
			"\"networks\": [], \"evidence\": null,"
			" \"state\": \"not-opted-in\"}], \"brake\": {\"held\": true, \"reason\": \"2 of 3 nodes would be lost\"}, "
			"\"changes\": true}",
			"if h1 died now:\n"
			"CONTAINER WHAT         TARGET EVIDENCE ADDRESSES, REASON\n"
			"web       would-move   h2     presumed ov 10.20.0.50\n"
			"db        not-opted-in -      -        did not opt in\n"
			"the storm brake would hold it: 2 of 3 nodes would be lost\n");
}

static void a_drill_names_those_who_would_not_be_moved(void **state) {
	(void)state;
	assert_rendered(cli_render_drill,
			"{\"node\": \"h1\", \"containers\": [{\"container\": \"web\", \"state\": \"blocked\", \"networks\": [], "
			"\"reason\": \"its address cannot be released: no swarm control socket is configured\"}], \"brake\": "
			"{\"held\": false}, \"warnings\": [\"h1 would be taken out of its swarm\"], \"bystanders\": [\"db\"]}",
			"if h1 died now:\n"
			"CONTAINER WHAT    TARGET EVIDENCE ADDRESSES, REASON\n"
			"web       blocked -      -        its address cannot be released: no swarm control socket is\n"
			"                                  configured\n"
			"warnings:\n"
			"  h1 would be taken out of its swarm\n"
			"would not be moved, and is on overlays:\n"
			"  db\n");
}

static void an_explanation_shows_the_rules_and_whose_they_are(void **state) {
	(void)state;
	assert_rendered(
		cli_render_explain,
		"{\"container\": \"web\", \"movable\": true, \"now\": \"h1 is lost; it is moved in 7 s\", \"rules\": "
		"[{\"what\": \"delay\", \"value\": \"30s\", \"from\": \"label heir.delay\", \"meaning\": \"how long its node "
		"is lost before it is moved\"}, {\"what\": \"attempts\", \"value\": 3, \"from\": \"configuration\", "
		"\"meaning\": \"how often\"}]}",
		"web\n"
		"  movable        yes\n"
		"  now            h1 is lost; it is moved in 7 s\n"
		"  RULE     VALUE FROM             MEANING\n"
		"  delay    30s   label heir.delay how long its node is lost before it is moved\n"
		"  attempts 3     configuration    how often\n");
}

static void a_drill_ends_with_2_only_when_something_would_change(void **state) {
	(void)state;
	static const struct {
		const char *json;
		bool changes;
	} cases[] = {
		{"{\"changes\": true, \"containers\": []}", true},
		{"{\"changes\": false, \"containers\": [{\"state\": \"not-opted-in\"}]}", false},
		{"{\"changes\": false, \"containers\": [{\"state\": \"blocked\"}]}", true},
		{"{\"changes\": false, \"containers\": [{\"state\": \"would-wait\"}]}", true},
		{"{}", false},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *answer CLEANUP_JSON = parse(cases[i].json);
		assert_int_equal(cli_drill_has_changes(answer), cases[i].changes);
	}
}

static void json_is_given_as_it_came_and_jsonl_by_the_line(void **state) {
	(void)state;
	char *lines CLEANUP_FREE = render(cli_render_nodes, "[{\"name\": \"h1\"}, {\"name\": \"h\\u009b2\"}]", CLI_JSONL, false);
	char *json CLEANUP_FREE = render(cli_render_nodes, "[{\"b\": 1, \"a\": null}]", CLI_JSON, false);
	assert_string_equal(lines, "{\"name\":\"h1\"}\n{\"name\":\"h\\u009B2\"}\n");
	assert_string_equal(json, "[\n  {\n    \"b\": 1,\n    \"a\": null\n  }\n]\n");
}

static void quiet_leaves_only_names(void **state) {
	(void)state;
	char *nodes CLEANUP_FREE = render(cli_render_nodes, "[{\"name\": \"h1\"}, {\"name\": \"h2\"}]", CLI_TABLE, true);
	char *takeovers CLEANUP_FREE = render(cli_render_takeovers, "[" TAKEOVER "]", CLI_TABLE, true);
	assert_string_equal(nodes, "h1\nh2\n");
	assert_string_equal(takeovers, "3f2a9c0d11e4b7a8\n");
}

static void text_from_outside_cannot_command_the_terminal(void **state) {
	(void)state;
	static const struct {
		const char *text, *safe;
	} cases[] = {
		{"web-1 \xc3\xa4\xe2\x82\xac", "web-1 \xc3\xa4\xe2\x82\xac"},
		{"\x1b[31mred\x07", "\\u{1b}[31mred\\u{7}"},
		{"a\nb\tc\x7f", "a\\u{a}b\\u{9}c\\u{7f}"},
		{"\xc2\x9b"
		 "31m",
		 "\\u{9b}31m"}, /* CSI as a single character */
		{"\xe2\x80\xae"
		 "evil",
		 "\\u{202e}evil"}, /* right to left */
		{"\xff\xc3(", "?"
			      "?("}, /* no UTF-8 */
		{"\xe2\x82", "??"},  /* cut */
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *once CLEANUP_FREE = text_safe(cases[i].text);
		char *twice CLEANUP_FREE = text_safe(once);
		assert_string_equal(once, cases[i].safe);
		assert_string_equal(twice, once);
	}
	char *text CLEANUP_FREE = render(cli_render_nodes, "[{\"name\": \"\\u001b[31m\", \"state\": [{\"\\u009b\": \"\\u0007\"}]}]",
					 CLI_TABLE, false);
	assert_null(strchr(text, '\x1b'));
	assert_null(strchr(text, '\x07'));
	assert_null(strchr(text, '\x9b'));
}

static void answers_of_the_wrong_shape_do_no_harm(void **state) {
	(void)state;
	static cli_render_fn *const all[] = {cli_render_status,    cli_render_nodes,     cli_render_node,     cli_render_containers,
					     cli_render_container, cli_render_takeovers, cli_render_takeover, cli_render_event,
					     cli_render_explain,   cli_render_drill,     cli_render_verify,   cli_render_discovery,
					     cli_render_systems};
	static const char *const answers[] = {
		"null",
		"5",
		"\"x\"",
		"[]",
		"{}",
		"[null]",
		"[[1]]",
		"[\"x\"]",
		"{\"addresses\": 5, \"unproven\": [1], \"agent_detail\": \"x\"}",
		"{\"addresses\": [1, {\"kernels\": \"x\"}, {\"kernels\": [{\"problem\": [], \"rows\": 5}]}], \"unproven\": {\"a\": "
		"null}}",
		"[{\"state\": 5, \"wanted\": [1], \"actual\": \"x\", \"differences\": \"x\", \"since\": {}}, {\"wanted\": "
		"{\"address\": 5, "
		"\"port\": \"x\", \"generation\": [], \"node\": 7}}]",
		"{\"nodes\": 5, \"brake\": [], \"networks\": {\"a\": 1}, \"steps\": [1], \"warnings\": \"x\", \"would\": 3, "
		"\"containers\": [\"x\"]}",
	};
	for (size_t i = 0; i < COUNT(all); i++)
		for (size_t k = 0; k < COUNT(answers); k++) {
			char *text CLEANUP_FREE = render(all[i], answers[k], CLI_TABLE, false);
			assert_non_null(text);
		}
}

static void a_configuration_is_checked_without_the_manager(void **state) {
	(void)state;
	char path[] = "/tmp/heir-cli-XXXXXX";
	int fd = mkstemp(path);
	const char *bad = "cluster: c\nengines: []\n";
	char *text = NULL;
	size_t len = 0;
	struct cli cli = {.out = stdout, .errors = open_memstream(&text, &len)};
	char *argv[] = {"heir config", "check", path, NULL};

	assert_int_equal(write(fd, bad, strlen(bad)), strlen(bad));
	close(fd);
	int status = cli_config(&cli, 3, argv);
	fclose(cli.errors);
	unlink(path);
	char *expected CLEANUP_FREE = xasprintf("%s:2: engines: the list is empty\n", path);
	assert_int_equal(status, CLI_USAGE);
	assert_string_equal(text, expected);
	free(text);
}

static void an_unreachable_manager_is_69(void **state) {
	(void)state;
	char *text = NULL;
	size_t len = 0;
	struct cli cli = {.host = "unix:///nonexistent/heir.sock", .out = stdout, .errors = open_memstream(&text, &len)};
	char *argv[] = {"heir status", NULL};
	int status = cli_status(&cli, 1, argv);
	fclose(cli.errors);
	assert_int_equal(status, CLI_UNREACHABLE);
	assert_string_equal(text, "heir: cannot reach unix:///nonexistent/heir.sock: No such file or directory\n");
	free(text);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_names_what_needs_attention),
		cmocka_unit_test(nodes_are_a_table_and_absent_values_a_dash),
		cmocka_unit_test(a_node_shows_its_networks_and_stale_copies),
		cmocka_unit_test(a_node_shows_what_its_agent_does),
		cmocka_unit_test(verify_sets_ledger_engine_and_every_kernel_side_by_side),
		cmocka_unit_test(discovery_sets_what_is_wanted_beside_what_stands_there),
		cmocka_unit_test(systems_of_discovery_say_how_they_are),
		cmocka_unit_test(quiet_discovery_leaves_keys_and_names),
		cmocka_unit_test(discovery_has_problems_when_something_differs_or_is_not_known),
		cmocka_unit_test(discovery_asks_the_manager_and_ends_with_what_it_found),
		cmocka_unit_test(containers_show_all_their_addresses),
		cmocka_unit_test(takeovers_are_a_table_with_the_reasons_below),
		cmocka_unit_test(a_takeover_tells_its_story_within_100_columns),
		cmocka_unit_test(an_address_that_was_not_kept_cannot_be_overlooked),
		cmocka_unit_test(an_event_is_one_line),
		cmocka_unit_test(an_explanation_names_every_rejected_node),
		cmocka_unit_test(a_drill_says_what_would_happen),
		cmocka_unit_test(a_drill_names_those_who_would_not_be_moved),
		cmocka_unit_test(an_explanation_shows_the_rules_and_whose_they_are),
		cmocka_unit_test(a_drill_ends_with_2_only_when_something_would_change),
		cmocka_unit_test(json_is_given_as_it_came_and_jsonl_by_the_line),
		cmocka_unit_test(quiet_leaves_only_names),
		cmocka_unit_test(text_from_outside_cannot_command_the_terminal),
		cmocka_unit_test(answers_of_the_wrong_shape_do_no_harm),
		cmocka_unit_test(a_configuration_is_checked_without_the_manager),
		cmocka_unit_test(an_unreachable_manager_is_69),
	};
	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
