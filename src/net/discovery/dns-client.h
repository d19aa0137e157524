/* What one call has to do with its server: many questions at once, an update, a transfer. */
#ifndef DISCOVERY_DNS_CLIENT_H
#define DISCOVERY_DNS_CLIENT_H

#include "net/discovery/dns-exchange.h"

#define DNS_RECORDS_MAX ((size_t)1 << 20) /* of a zone that is transferred */

struct dns_client {
	uv_loop_t *loop;
	struct dns_peers peers;
	struct dns_key key;
	struct mono deadline;
};

struct dns_job;

/* Once, never within the call that started the job; may free it. Results as of dns_exchange and dns_answer_result. */
typedef void dns_job_fn(void *ctx, int result, const struct err *err);

struct dns_job_cb {
	dns_job_fn *fn;
	void *ctx;
};

void dns_job_free(struct dns_job *job); /* cancels; no callback follows. NULL is fine */

/* The client, and tables where they are given, are borrowed until the job is freed. -EINVAL, -EPROTO: no message can be made; no
 * job. */

/* Each question is a record's name and type; what the server has under just that name is added. The first that fails ends it. */
int dns_ask(const struct dns_client *client, const struct dns_records *questions, struct dns_table *to, struct dns_job_cb cb,
	    struct dns_job **ret, struct err *err);
int dns_ask_update(const struct dns_client *client, const char *zone, const struct dns_update *u, struct dns_job_cb cb,
		   struct dns_job **ret, struct err *err);
/* Takes no more than half of the time that is left: what it did not tell may be asked for in the other half. */
int dns_ask_transfer(const struct dns_client *client, const char *zone, struct dns_table *to, struct dns_job_cb cb,
		     struct dns_job **ret, struct err *err);

#endif
