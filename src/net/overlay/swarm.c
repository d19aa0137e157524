/* Swarm-scoped attachable overlays. A swarm keeps every container's address in an attachment task; while that task lives, nobody
 * else can have the address, and the task of a dead node lives for 24 hours. The API cannot remove it; the control socket of a
 * manager can (RemoveTask), at once and without touching anything else. Where there is none, node.c takes the whole node out. */
#include "net/overlay/swarm-internal.h"

#include "base/alloc.h"
#include "engine/control.h"
#include "net/overlay/record.h"
#include "net/overlay/restore-internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CONTROL_SECONDS 10

/* The call. */

static void clear(struct overlay_call *call) {
	struct swarm_call *s = (struct swarm_call *)call;

	for (size_t i = 0; i < s->n_removals; i++) {
		control_call_free(s->removals[i].asked);
		agent_call_free(s->removals[i].asked_agent);
		free(s->removals[i].task);
		free(s->removals[i].node);
	}
	free(s->removals);
	overlay_addresses_free(s->addresses, s->n_addresses);
	strs_clear(&s->copies);
	free(s->own);
	free(s->node);
	free(s->swarm_node);
	free(s->other_container);
	free(s->other_node);
	free(s->other_ip);
	json_decref(s->attachments);
	json_decref(s->spec);
	free(s->last);
}

static struct overlay_call *begin(struct overlay_cluster *c, const struct overlay_ask *ask, overlay_done_fn *done, void *ctx,
				  overlay_step_fn *first) {
	struct swarm_call *s = overlay_call_new(sizeof(*s), c, ask->deadline, done, ctx, clear, first);

	s->addresses = overlay_addresses_copy(ask);
	s->n_addresses = ask->n;
	if (ask->copies)
		strs_copy(&s->copies, ask->copies);
	s->own = xstrdup_null(ask->own);
	s->node = xstrdup_null(ask->node);
	s->swarm_node = xstrdup_null(ask->swarm_node);
	s->by_node_removal = ask->by_node_removal && c->remove_node;
	s->worst = OVERLAY_HOLDER_NONE;
	return &s->call;
}

/* Tasks. */

static bool is_over(const char *state) {
	static const char *const over[] = {"complete", "shutdown", "failed", "rejected", "remove", "orphaned"};

	for (size_t i = 0; i < sizeof(over) / sizeof(over[0]); i++) {
		if (strcmp(state, over[i]) == 0)
			return true;
	}
	return false;
}

bool swarm_task_is_live(const struct engine_task *task) { return !is_over(task->state) || !is_over(task->desired); }

json_t *swarm_attachments_of(const struct engine_task *tasks, size_t n, const char *swarm_node) {
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		if (!swarm_task_is_live(&tasks[i]) || strcmp(tasks[i].node_id, swarm_node) != 0)
			continue;
		for (size_t k = 0; k < tasks[i].n_attachments; k++)
			json_array_append_new(list, record_attachment(tasks[i].container_id, &tasks[i].attachments[k]));
	}
	return list;
}

static bool is_network(const struct overlay_address *a, const struct engine_attachment *at) {
	if (a->network_id && *a->network_id)
		return strcmp(a->network_id, at->network_id) == 0;
	return a->network && strcmp(a->network, at->network_name) == 0;
}

static bool is_on_networks(const struct swarm_call *s, const struct engine_task *task) {
	for (size_t i = 0; i < s->n_addresses; i++) {
		for (size_t k = 0; k < task->n_attachments; k++) {
			if (is_network(&s->addresses[i], &task->attachments[k]))
				return true;
		}
	}
	return false;
}

/* "10.20.0.5" and "10.20.0.5/24"; IPv6 in any spelling. */
static bool is_same_ip(const char *ip, const char *with_prefix) {
	unsigned char a[sizeof(struct in6_addr)], b[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN];
	size_t n = strcspn(with_prefix, "/");
	int family = ip && strchr(ip, ':') ? AF_INET6 : AF_INET;

	if (!ip || n >= sizeof(text))
		return false;
	memcpy(text, with_prefix, n);
	text[n] = '\0';
	if (inet_pton(family, ip, a) != 1 || inet_pton(family, text, b) != 1)
		return false;
	return memcmp(a, b, family == AF_INET6 ? sizeof(struct in6_addr) : sizeof(struct in_addr)) == 0;
}

/* The address of ours that the task holds; borrowed, NULL: none. */
static const char *held_by(const struct swarm_call *s, const struct engine_task *task) {
	for (size_t i = 0; i < s->n_addresses; i++) {
		for (size_t k = 0; k < task->n_attachments; k++) {
			const struct engine_attachment *at = &task->attachments[k];
			for (size_t j = 0; is_network(&s->addresses[i], at) && j < at->addresses.n; j++) {
				if (is_same_ip(s->addresses[i].ip, at->addresses.v[j]))
					return s->addresses[i].ip;
				if (is_same_ip(s->addresses[i].ip6, at->addresses.v[j]))
					return s->addresses[i].ip6;
			}
		}
	}
	return NULL;
}

static struct engine_call *send_list_tasks(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	(void)call;
	return engine_list_attachments(e, cb);
}

/* Control sockets. */

static const char *path_of(const char *socket_url) { return strncmp(socket_url, "unix://", 7) == 0 ? socket_url + 7 : socket_url; }

/* 0 or a negative errno. A connection to a unix socket is made or refused at once. */
static int try_socket(const char *path) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	CLEANUP_FD int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

static struct agent *agent_at(const struct overlay_cluster *c, size_t i) {
	return c->control_agent ? c->control_agent(c->ctx, i) : NULL;
}

/* True when one accepts, or an agent has one; else *ret_why says what each of them did (new string). */
static bool has_socket(const struct overlay_cluster *c, char **ret_why) {
	CLEANUP_BUF struct buf why = {0};

	for (size_t i = 0; i < c->control.n; i++) {
		int r = try_socket(path_of(c->control.v[i]));
		if (r == 0)
			return true;
		buf_printf(&why, "%s%s: %s", i > 0 ? ", " : "", c->control.v[i], strerror(-r));
	}
	if (agent_at(c, 0))
		return true;
	if (c->control.n > 0)
		*ret_why = xasprintf("no swarm control socket can be reached (%s)", why.data);
	else
		*ret_why = xstrdup("no swarm control socket is configured");
	return false;
}

/* ready: does a manager answer, and is there a way to have the tasks removed? The cheapest question that needs a leader. */

static void on_ready_answer(struct overlay_call *call, const struct engine_result *result) {
	struct swarm_call *s = (struct swarm_call *)call;
	CLEANUP_FREE char *why = NULL;

	if (!overlay_is_yes(result) && !overlay_is_gone(result)) {
		overlay_fail(call, OVERLAY_NOT_DONE, "%s", result->err.msg);
		return;
	}
	if (overlay_is_gone(result) || has_socket(call->cluster, &why)) {
		overlay_finish(call, (struct overlay_result){.outcome = OVERLAY_OK});
		return;
	}
	if (result->node) {
		json_decref(s->spec);
		s->spec = json_incref(result->node->spec);
	}
	node_removal_check(s, why);
}

static struct engine_call *send_ready(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	const struct swarm_call *s = (struct swarm_call *)call;

	return s->swarm_node ? engine_inspect_node(e, s->swarm_node, cb) : engine_list_nodes(e, cb);
}

static void ready_first(struct overlay_call *call) { overlay_ask_managers(call, send_ready, on_ready_answer); }

/* release */

static void remove_task(struct swarm_removal *r);

static void say_removed(struct swarm_call *s) {
	double seconds = span_to_sec(mono_since(s->call.started, mono_now()));

	for (size_t i = 0; i < s->n_removals; i++)
		overlay_say(&s->call, "attachment task %.64s removed in %.2f s", s->removals[i].task, seconds);
}

static const struct swarm_removal *find_removal(const struct swarm_call *s, bool (*is)(const struct swarm_removal *)) {
	for (size_t i = 0; i < s->n_removals; i++) {
		if (is(&s->removals[i]))
			return &s->removals[i];
	}
	return NULL;
}

static bool is_open(const struct swarm_removal *r) { return r->outcome != ENGINE_OK && r->was_sent; }
static bool is_refused(const struct swarm_removal *r) { return r->outcome == ENGINE_REFUSED; }
static bool is_not_sent(const struct swarm_removal *r) { return r->outcome == ENGINE_NOT_SENT && !r->was_sent; }

/* Every socket refused the connection: nothing has left for any task. */
static void without_socket(struct swarm_call *s) {
	CLEANUP_FREE char *why = NULL;

	if (has_socket(s->call.cluster, &why)) {
		overlay_fail(&s->call, OVERLAY_NOT_DONE, "%s", s->removals[0].err.msg);
		return;
	}
	if (!s->by_node_removal) {
		overlay_fail(&s->call, OVERLAY_MISSING, "%s%s", why,
			     s->call.cluster->remove_node ? "" : " and swarm.remove_node is off");
		return;
	}
	for (size_t i = 0; i < s->n_removals; i++) {
		if (!s->swarm_node || strcmp(s->removals[i].node, s->swarm_node) != 0) {
			overlay_fail(&s->call, OVERLAY_MISSING,
				     "%s, and a copy holds its address on swarm node %.64s, which is not %s", why,
				     s->removals[i].node, s->node ? s->node : "the old one");
			return;
		}
	}
	node_removal_begin(s);
}

static void all_removals_ended(struct swarm_call *s) {
	const struct swarm_removal *r;

	if ((r = find_removal(s, is_open)) != NULL) {
		overlay_fail(&s->call, OVERLAY_UNKNOWN, "%s", r->err.msg);
		return;
	}
	if ((r = find_removal(s, is_refused)) != NULL) {
		bool leaderless = strcasestr(r->err.msg, "leader") != NULL;
		overlay_fail(&s->call, leaderless ? OVERLAY_NOT_DONE : OVERLAY_REFUSED, "%s", r->err.msg);
		return;
	}
	if (find_removal(s, is_not_sent)) {
		without_socket(s);
		return;
	}
	say_removed(s);
	overlay_finish(&s->call, (struct overlay_result){.outcome = OVERLAY_OK});
}

static bool has_another(const struct swarm_removal *r) {
	const struct overlay_cluster *c = r->of->call.cluster;
	return r->socket < c->control.n || agent_at(c, r->socket - c->control.n);
}

/* A no counts more than silence; a yes ends it. */
static void removal_answered(struct swarm_removal *r, enum engine_outcome outcome, const struct err *err) {
	struct swarm_call *s = r->of;

	r->was_sent = r->was_sent || engine_outcome_is_open(outcome);
	if (outcome != ENGINE_NOT_SENT || r->outcome == ENGINE_NOT_SENT) {
		r->outcome = outcome;
		r->err = *err;
	}
	r->socket++;
	if (outcome != ENGINE_OK && has_another(r) && !overlay_is_late(&s->call)) {
		remove_task(r);
		return;
	}
	if (--s->running == 0)
		all_removals_ended(s);
}

static void on_removed(void *ctx, const struct engine_result *result) {
	struct swarm_removal *r = ctx;

	r->asked = NULL;
	removal_answered(r, result->outcome, &result->err);
}

/* An agent without the socket has done nothing: as a socket that nobody listens on. */
static enum engine_outcome outcome_of(const struct agent_result *result) {
	static const enum engine_outcome outcomes[] = {
		[AGENT_OK] = ENGINE_OK,
		[AGENT_REFUSED] = ENGINE_REFUSED,
		[AGENT_STALE_EPOCH] = ENGINE_NOT_SENT,
		[AGENT_NOT_SENT] = ENGINE_NOT_SENT,
		[AGENT_OTHER_MANAGER] = ENGINE_NOT_SENT,
		[AGENT_UNKNOWN] = ENGINE_UNKNOWN,
		[AGENT_BAD] = ENGINE_UNKNOWN,
	};

	if (result->outcome == AGENT_REFUSED && result->status == 503)
		return ENGINE_NOT_SENT;
	return result->outcome == AGENT_REFUSED && result->status == 502 ? ENGINE_UNKNOWN : outcomes[result->outcome];
}

static void on_agent_removed(void *ctx, const struct agent_result *result) {
	struct swarm_removal *r = ctx;

	r->asked_agent = NULL;
	removal_answered(r, outcome_of(result), &result->err);
}

static void remove_task(struct swarm_removal *r) {
	struct overlay_call *call = &r->of->call;
	const struct overlay_cluster *c = call->cluster;
	struct engine_cb cb = {on_removed, r, overlay_at_most(call, span_sec(CONTROL_SECONDS))};

	if (r->socket >= c->control.n) {
		r->asked_agent = agent_remove_task(agent_at(c, r->socket - c->control.n), r->task,
						   (struct agent_cb){on_agent_removed, r, cb.deadline});
		return;
	}
	r->asked = control_remove_task(call->cluster->http, call->cluster->control.v[r->socket], r->task, cb);
}

static void add_removal(struct swarm_call *s, const struct engine_task *task) {
	s->removals[s->n_removals++] = (struct swarm_removal){
		.of = s, .task = xstrdup(task->id), .node = xstrdup(task->node_id), .outcome = ENGINE_NOT_SENT};
}

static void on_release_tasks(struct overlay_call *call, const struct engine_result *result) {
	struct swarm_call *s = (struct swarm_call *)call;

	if (!overlay_is_yes(result)) {
		overlay_fail(call, OVERLAY_NOT_DONE, "%s", result->err.msg);
		return;
	}
	s->removals = xnew_n(struct swarm_removal, result->n > 0 ? result->n : 1);
	for (size_t i = 0; i < result->n; i++) {
		const struct engine_task *task = &result->tasks[i];
		if (swarm_task_is_live(task) && strs_has(&s->copies, task->container_id) && is_on_networks(s, task))
			add_removal(s, task);
	}
	if (s->n_removals == 0) {
		overlay_fail(call, OVERLAY_OK, "no copy holds an attachment any more");
		return;
	}
	if (s->swarm_node && s->by_node_removal)
		s->attachments = swarm_attachments_of(result->tasks, result->n, s->swarm_node);
	if (call->cluster->control.n == 0 && !agent_at(call->cluster, 0)) {
		without_socket(s);
		return;
	}
	s->running = s->n_removals;
	for (size_t i = 0; i < s->n_removals; i++)
		remove_task(&s->removals[i]);
}

static void release_first(struct overlay_call *call) { overlay_ask_managers(call, send_list_tasks, on_release_tasks); }

/* holders */

static enum overlay_holder holder_of(const struct swarm_call *s, const struct engine_task *task) {
	if (s->own && strcmp(s->own, task->container_id) == 0)
		return OVERLAY_HOLDER_OWN;
	return strs_has(&s->copies, task->container_id) ? OVERLAY_HOLDER_COPY : OVERLAY_HOLDER_OTHER;
}

static void finish_holders(struct swarm_call *s) {
	overlay_finish(&s->call, (struct overlay_result){.outcome = OVERLAY_OK, .holder = s->worst});
}

static void say_holder(struct swarm_call *s, const char *node) {
	if (s->worst != OVERLAY_HOLDER_OTHER && s->worst != OVERLAY_HOLDER_COPY)
		return;
	overlay_say(&s->call, "%s is held by %s %.64s on %.128s", s->other_ip,
		    s->worst == OVERLAY_HOLDER_COPY ? "the old container" : "another container", s->other_container, node);
}

/* A name is kinder than an ID, but not worth failing for. */
static void on_holder_node(struct overlay_call *call, const struct engine_result *result) {
	struct swarm_call *s = (struct swarm_call *)call;
	CLEANUP_FREE char *id = xasprintf("swarm node %.64s", s->other_node);

	say_holder(s, overlay_is_yes(result) && *result->node->hostname ? result->node->hostname : id);
	finish_holders(s);
}

static struct engine_call *send_holder_node(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	return engine_inspect_node(e, ((struct swarm_call *)call)->other_node, cb);
}

static void on_holder_tasks(struct overlay_call *call, const struct engine_result *result) {
	struct swarm_call *s = (struct swarm_call *)call;

	if (!overlay_is_yes(result)) {
		overlay_fail(call, OVERLAY_NOT_DONE, "%s", result->err.msg);
		return;
	}
	for (size_t i = 0; i < result->n; i++) {
		const struct engine_task *task = &result->tasks[i];
		const char *ip = swarm_task_is_live(task) ? held_by(s, task) : NULL;
		if (!ip || !overlay_holder_is_worse(holder_of(s, task), s->worst))
			continue;
		s->worst = holder_of(s, task);
		xstr_replace(&s->other_container, task->container_id);
		xstr_replace(&s->other_node, task->node_id);
		xstr_replace(&s->other_ip, ip);
	}
	if (s->worst == OVERLAY_HOLDER_OTHER)
		overlay_ask_managers(call, send_holder_node, on_holder_node);
	else {
		if (s->worst == OVERLAY_HOLDER_COPY)
			say_holder(s,
				   s->node && s->swarm_node && strcmp(s->swarm_node, s->other_node) == 0 ? s->node : s->other_node);
		finish_holders(s);
	}
}

static void holders_first(struct overlay_call *call) { overlay_ask_managers(call, send_list_tasks, on_holder_tasks); }

/* The table. */

static struct overlay_call *ready(struct overlay_cluster *c, const struct overlay_ask *ask, overlay_done_fn *done, void *ctx) {
	return begin(c, ask, done, ctx, ready_first);
}

static struct overlay_call *release(struct overlay_cluster *c, const struct overlay_ask *ask, overlay_done_fn *done, void *ctx) {
	return begin(c, ask, done, ctx, release_first);
}

static struct overlay_call *holders(struct overlay_cluster *c, const struct overlay_ask *ask, overlay_done_fn *done, void *ctx) {
	return begin(c, ask, done, ctx, holders_first);
}

const struct overlay_ops overlay_swarm = {
	.name = "swarm",
	.ready = ready,
	.release = release,
	.holders = holders,
	.restore = restore_begin,
};
