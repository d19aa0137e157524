/* POST /v1/resolve: what the DNS answers in a container's namespace. Nothing is changed. */
#include "agent/order.h"

#include "agent/owners-internal.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "net/netlink/resolve.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define ENGINES_SERVER "127.0.0.11"

static_assert(WIRE_QUESTIONS_MAX <= RESOLVE_MAX, "one order's questions can be asked at once");

/* What the order asks, borrowed from it. A question that is none is the order's fault. */
static int take_questions(const struct wire_resolve_order *order, struct resolve_question *to, struct err *err) {
	for (size_t i = 0; i < order->questions.n; i++) {
		const struct wire_question *q = &order->questions.v[i];
		if (!q->name == !q->address)
			return err_set(err, -EINVAL, "questions[%zu]: expected a name or an address", i);
		to[i].name = q->name;
		if (q->address)
			(void)ip_parse(q->address, &to[i].address, NULL); /* checked by the message */
	}
	return 0;
}

static void give_answers(struct wire_answers *to, struct resolve_answer *answers, size_t n) {
	wire_list_alloc(&to->answers, n);
	for (size_t i = 0; i < n; i++)
		to->answers.v[i] =
			(struct wire_answer){.addresses = answers[i].addresses, .names = answers[i].names, .error = answers[i].why};
	free(answers);
}

static int ask(const struct order *o, const struct kernel *kernel, const struct resolve_question *questions,
	       struct wire_answers *ret, struct err *err) {
	const struct wire_resolve_order *order = o->resolve;
	CLEANUP_FREE char *path = xasprintf("%s/%s", kernel->host.netns_dir, order->sandbox);
	CLEANUP_NETNS struct netns ns = NETNS_NONE;
	struct resolve_answer *answers = NULL;
	struct ip server = {0};

	(void)ip_parse(order->server ? order->server : ENGINES_SERVER, &server, NULL); /* checked by the message */
	int r = netns_open(path, &ns, err);
	if (r == 0)
		r = resolve(ns.fd, &server, questions, order->questions.n, span_ms(order->timeout_ms), &answers, &ret->heard, err);
	if (r == 0)
		give_answers(ret, answers, order->questions.n);
	return r;
}

static void work_resolve(struct order *o, struct kernel *kernel) {
	CLEANUP_FREE struct resolve_question *questions = xnew_n(struct resolve_question, o->resolve->questions.n);

	if (take_questions(o->resolve, questions, &o->err) < 0) {
		order_fail(o, 400);
		return;
	}
	if (!order_refresh(o, kernel))
		return;
	int r = ask(o, kernel, questions, &o->answer.resolved, &o->err);
	if (r < 0)
		order_fail(o, r == -ENOENT ? 404 : 500);
}

const struct order_kind order_resolve = {
	.message = &wire_resolve_order_shape, .answer = &wire_answers_shape, .queue = ORDER_LOOKS, .work = work_resolve};
