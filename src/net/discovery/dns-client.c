/* See dns-client.h. */
#include "net/discovery/dns-client.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>

#define AT_ONCE 32 /* questions under way */

struct slot {
	struct dns_job *job;
	struct dns_exchange *exchange;
};

struct dns_job {
	const struct dns_client *client;
	struct dns_job_cb cb;
	struct mono deadline;
	struct dns_table *to;
	struct dns_transfer transfer;
	char *zone;
	struct dns_records questions;
	size_t next, running;
	struct slot slots[AT_ONCE];
};

void dns_job_free(struct dns_job *job) {
	if (!job)
		return;
	for (size_t i = 0; i < AT_ONCE; i++)
		dns_exchange_free(job->slots[i].exchange);
	dns_records_clear(&job->questions);
	free(job->zone);
	free(job);
}

static struct dns_job *new_job(const struct dns_client *client, struct dns_job_cb cb) {
	struct dns_job *job = xnew(struct dns_job);

	job->client = client;
	job->cb = cb;
	job->deadline = client->deadline;
	for (size_t i = 0; i < AT_ONCE; i++)
		job->slots[i].job = job;
	return job;
}

/* The last thing that its caller does. */
static void end(struct dns_job *job, int result, const struct err *err) {
	for (size_t i = 0; i < AT_ONCE; i++)
		dns_exchange_free(TAKE_PTR(job->slots[i].exchange));
	job->cb.fn(job->cb.ctx, result, err);
}

static void send_request(struct slot *slot, struct dns_request *request, dns_message_fn *on_message, dns_exchanged_fn *on_done) {
	const struct dns_client *client = slot->job->client;
	const struct dns_exchange_options options = {
		.loop = client->loop,
		.peers = &client->peers,
		.deadline = slot->job->deadline,
		.on_message = on_message,
		.on_done = on_done,
		.ctx = slot,
	};

	slot->job->running++;
	slot->exchange = dns_exchange_start(&options, request);
}

/* ---- questions ---- */

static int on_answer(void *ctx, const struct dns_request *request, const struct dns_answer *answer, struct err *err) {
	struct slot *slot = ctx;
	int r = dns_answer_result(request, answer, err);

	return r < 0 ? r : dns_answer_collect(answer, request->name, slot->job->to, err);
}

static void on_asked(void *ctx, int result, const struct err *err);

static int ask_next(struct slot *slot, struct err *err) {
	struct dns_job *job = slot->job;
	const struct dns_record *q = &job->questions.v[job->next++];
	struct dns_request request;
	int r = dns_request_query(&job->client->key, q->name, q->type, &request, err);

	if (r == 0)
		send_request(slot, &request, on_answer, on_asked);
	return r;
}

static void on_asked(void *ctx, int result, const struct err *err) {
	struct slot *slot = ctx;
	struct dns_job *job = slot->job;
	struct err next_err;

	job->running--;
	dns_exchange_free(TAKE_PTR(slot->exchange));
	if (result < 0) {
		end(job, result, err);
		return;
	}
	int r = job->next < job->questions.n ? ask_next(slot, &next_err) : 0;
	if (r < 0 || job->running == 0)
		end(job, r, r < 0 ? &next_err : NULL);
}

int dns_ask(const struct dns_client *client, const struct dns_records *questions, struct dns_table *to, struct dns_job_cb cb,
	    struct dns_job **ret, struct err *err) {
	struct dns_job *job = new_job(client, cb);
	int r = questions->n > 0 ? 0 : err_set(err, -EINVAL, "nothing to ask");

	dns_records_copy(&job->questions, questions);
	job->to = to;
	for (size_t i = 0; r == 0 && i < AT_ONCE && job->next < questions->n; i++)
		r = ask_next(&job->slots[i], err);
	if (r < 0)
		dns_job_free(job);
	else
		*ret = job;
	return r;
}

/* ---- one message or transfer ---- */

static void on_single(void *ctx, int result, const struct err *err) { end(((struct slot *)ctx)->job, result, err); }

static int on_updated(void *ctx, const struct dns_request *request, const struct dns_answer *answer, struct err *err) {
	(void)ctx;
	return dns_answer_result(request, answer, err);
}

int dns_ask_update(const struct dns_client *client, const char *zone, const struct dns_update *u, struct dns_job_cb cb,
		   struct dns_job **ret, struct err *err) {
	struct dns_request request;
	int r = dns_request_update(&client->key, zone, u, &request, err);

	if (r < 0)
		return r;
	*ret = new_job(client, cb);
	send_request(&(*ret)->slots[0], &request, on_updated, on_single);
	return 0;
}

static int on_part(void *ctx, const struct dns_request *request, const struct dns_answer *answer, struct err *err) {
	struct slot *slot = ctx;
	int r = dns_answer_result(request, answer, err);

	return r < 0 ? r : dns_transfer_push(&slot->job->transfer, answer, err);
}

static struct mono half_way_to(struct mono deadline) {
	struct mono now = mono_now();
	return mono_add(now, (struct span){mono_since(now, deadline).ns / 2});
}

int dns_ask_transfer(const struct dns_client *client, const char *zone, struct dns_table *to, struct dns_job_cb cb,
		     struct dns_job **ret, struct err *err) {
	struct dns_request request;
	int r = dns_request_query(&client->key, zone, DNS_AXFR, &request, err);

	if (r < 0)
		return r;
	struct dns_job *job = new_job(client, cb);
	job->deadline = half_way_to(client->deadline);
	job->zone = xstrdup(zone);
	job->transfer = (struct dns_transfer){.zone = job->zone, .to = to, .limit = DNS_RECORDS_MAX};
	*ret = job;
	send_request(&job->slots[0], &request, on_part, on_single);
	return 0;
}
