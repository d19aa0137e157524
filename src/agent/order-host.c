/* What concerns the host and not an overlay: POST /v1/quarantine and /v1/witness. The agent runs in its host's network namespace.
 */
#include "agent/order.h"

#include "agent/parallel.h"
#include "agent/quarantine-wire.h"
#include "base/alloc.h"
#include "base/log.h"
#include "net/netlink/knock.h"
#include "net/netlink/netns.h"
#include "net/netlink/quarantine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- quarantine ---- */

static int host_netns(struct netns *ret, struct err *err) { return netns_open("/proc/self/ns/net", ret, err); }

int quarantine_read_wire(struct wire_quarantine *ret, struct err *err) {
	CLEANUP_QUARANTINE struct quarantine q = {0};
	CLEANUP_NETNS struct netns host = NETNS_NONE;
	char text[IP_TEXT_MAX];
	int r;

	*ret = (struct wire_quarantine){0};
	if ((r = host_netns(&host, err)) < 0 || (r = quarantine_read(host.fd, &q, err)) < 0)
		return r;
	if (q.n > 0 && !q.in_force)
		return err_set(err, -EIO, "the table of the quarantine was changed by somebody else");
	for (size_t i = 0; i < q.n; i++)
		strs_add(&ret->vteps, ip_format(&q.rows[i].ip, text));
	for (size_t i = 0; i < q.n_ports; i++)
		wire_numbers_add(&ret->ports, q.ports[i]);
	return 0;
}

static void add_port(uint16_t *ports, size_t *n, size_t max, int64_t port) {
	for (size_t i = 0; i < *n; i++)
		if (ports[i] == port)
			return;
	if (*n < max)
		ports[(*n)++] = (uint16_t)port;
}

/* Those given, the usual one, and those of the overlays that are here: a swarm may have another. */
static size_t collect_ports(const struct order *o, struct kernel *kernel, uint16_t *ports, size_t max) {
	const struct wire_numbers *given = &o->quarantine->wanted.ports;
	struct err err;
	size_t n = 0;

	add_port(ports, &n, max, QUARANTINE_PORT);
	for (size_t i = 0; i < given->n; i++)
		add_port(ports, &n, max, given->v[i]);
	(void)kernel_refresh(kernel, &err); /* what is known will do */
	for (size_t i = 0; i < kernel->scene.n; i++) {
		struct overlay *overlay = kernel->scene.overlays[i];
		if (overlay_read(overlay, &err) < 0)
			continue;
		for (size_t k = 0; k < overlay->inv.n_links; k++)
			if (overlay->inv.links[k].is_vxlan)
				add_port(ports, &n, max, overlay->inv.links[k].vxlan.port);
	}
	return n;
}

static int apply(const struct order *o, struct kernel *kernel, struct err *err) {
	const struct strs *vteps = &o->quarantine->wanted.vteps;
	CLEANUP_NETNS struct netns host = NETNS_NONE;
	CLEANUP_FREE struct ip *dead = xnew_n(struct ip, vteps->n);
	uint16_t ports[256];

	for (size_t i = 0; i < vteps->n; i++)
		(void)ip_parse(vteps->v[i], &dead[i], NULL); /* checked by the message */
	size_t n = collect_ports(o, kernel, ports, sizeof(ports) / sizeof(ports[0]));
	int r = host_netns(&host, err);
	return r < 0 ? r : quarantine_apply(host.fd, dead, vteps->n, ports, n, err);
}

static void work_quarantine(struct order *o, struct kernel *kernel) {
	if (apply(o, kernel, &o->err) < 0 || quarantine_read_wire(&o->answer.quarantine, &o->err) < 0)
		order_fail(o, 500);
}

static void copy_quarantine(struct wire_quarantine *to, const struct wire_quarantine *from) {
	wire_clear(&wire_quarantine_shape, to);
	strs_copy(&to->vteps, &from->vteps);
	for (size_t i = 0; i < from->ports.n; i++)
		wire_numbers_add(&to->ports, from->ports.v[i]);
}

static void after_quarantine(struct order *o) {
	struct wire_quarantine *known = &o->service->quarantine;

	if (o->status) {
		log_error("quarantine", LOG_STR("error", o->err.msg));
		return;
	}
	if (!strs_equal(&known->vteps, &o->answer.quarantine.vteps))
		log_info("quarantine", LOG_INT("vteps", o->answer.quarantine.vteps.n),
			 LOG_STR("last", o->answer.quarantine.vteps.n
						 ? o->answer.quarantine.vteps.v[o->answer.quarantine.vteps.n - 1]
						 : NULL));
	copy_quarantine(known, &o->answer.quarantine);
}

static bool is_late(struct order *o) {
	static const char subject[] = "quarantine";
	struct sequence *s = &o->service->sequence;
	int64_t epoch = o->envelope->epoch, order = o->quarantine->order;

	if (sequence_is_late(s, epoch, subject, order))
		return true;
	sequence_note(s, epoch, subject, order);
	return false;
}

const struct order_kind order_quarantine = {.message = &wire_quarantine_order_shape,
					    .answer = &wire_quarantine_shape,
					    .is_late = is_late,
					    .work = work_quarantine,
					    .after = after_quarantine};

/* ---- witness ---- */

#define PINGS 1 /* beside the ports of a target */

struct asking {
	int ns;
	struct span timeout;
	struct question {
		const struct wire_target *target;
		size_t index; /* of the target */
		int64_t port; /* 0: an echo */
		enum knock_sign sign;
	} * questions;
	size_t n;
};

static void ask(void *arg, size_t i) {
	struct asking *a = arg;
	struct question *q = &a->questions[i];
	struct knock knock = {.sign = KNOCK_SILENT};
	struct ip ip = {0};

	(void)ip_parse(q->target->addr, &ip, NULL); /* checked by the message */
	if (q->port)
		(void)knock_tcp(a->ns, &ip, (uint16_t)q->port, a->timeout, &knock, NULL); /* what cannot be asked is silent */
	else
		(void)knock_icmp(a->ns, &ip, a->timeout, &knock, NULL);
	q->sign = knock.sign;
}

static void put_questions(struct asking *a, const struct wire_witness_order *order) {
	size_t n = 0;

	for (size_t i = 0; i < order->targets.n; i++)
		n += PINGS + order->targets.v[i].ports.n;
	a->questions = xnew_n(struct question, n);
	for (size_t i = 0; i < order->targets.n; i++) {
		const struct wire_target *t = &order->targets.v[i];
		a->questions[a->n++] = (struct question){.target = t, .index = i};
		for (size_t k = 0; k < t->ports.n; k++)
			a->questions[a->n++] = (struct question){.target = t, .index = i, .port = t->ports.v[k]};
	}
}

/* An open port says most, an echo least. */
static void take_sighting(struct wire_sighting *s, const struct question *q) {
	bool accepts = q->port && q->sign == KNOCK_ANSWERED, refuses = q->port && q->sign == KNOCK_REFUSED;
	bool knows_better = s->how && strstr(s->how, "accepts");

	if (q->sign != KNOCK_ANSWERED && q->sign != KNOCK_REFUSED)
		return;
	s->reached = true;
	if (knows_better || (s->how && !accepts && !refuses))
		return;
	free(s->how);
	s->how = q->port ? xasprintf("port %d %s", (int)q->port, accepts ? "accepts" : "refuses") : xstrdup("ping");
}

static void work_witness(struct order *o, struct kernel *kernel) {
	CLEANUP_NETNS struct netns host = NETNS_NONE;

	(void)kernel;
	if (host_netns(&host, &o->err) < 0) {
		order_fail(o, 500);
		return;
	}
	struct asking a = {.ns = host.fd, .timeout = span_ms(o->witness->timeout_ms)};
	put_questions(&a, o->witness);
	parallel_for(a.n, ask, &a);
	wire_list_alloc(&o->answer.reached.targets, o->witness->targets.n);
	for (size_t i = 0; i < o->witness->targets.n; i++)
		o->answer.reached.targets.v[i].name = xstrdup(o->witness->targets.v[i].name);
	for (size_t i = 0; i < a.n; i++)
		take_sighting(&o->answer.reached.targets.v[a.questions[i].index], &a.questions[i]);
	for (size_t i = 0; i < o->witness->targets.n; i++)
		if (!o->answer.reached.targets.v[i].how)
			o->answer.reached.targets.v[i].how = xstrdup("silent");
	free(a.questions);
}

const struct order_kind order_witness = {.message = &wire_witness_order_shape,
					 .answer = &wire_reached_shape,
					 .anonymous = true,
					 .queue = ORDER_ASKS,
					 .work = work_witness};
