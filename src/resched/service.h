/* What a container wants to be found as: its labels heir.service*. Pure.
 *
 *   heir.service            the service's name, a DNS label: web
 *   heir.service.port       where it listens in the container: 80
 *   heir.service.tags       a,b
 *   heir.service.meta.KEY   a value
 *   heir.service.address    overlay: the container's own address; host: its host's, with the published port
 *   heir.service.network    which overlay, where it is on several
 *
 * Further services of one container have a number from 2 to 16: heir.service.2=admin, heir.service.2.port=8080. What is not
 * understood is warned about, and the service is left out: an entry that sends clients to the wrong place is worse than none. */
#ifndef RESCHED_SERVICE_H
#define RESCHED_SERVICE_H

#include "base/strs.h"
#include "resched/policy.h"

#include <stdbool.h>
#include <stdint.h>

#define SERVICES_MAX 16
#define SERVICE_TEXT_MAX 4096 /* of tags and meta together */

enum service_address { SERVICE_UNSAID, SERVICE_OVERLAY, SERVICE_HOST };

struct service {
	unsigned number; /* from 1 */
	char *name;
	uint16_t port;    /* in the container; 0: not said */
	struct strs tags; /* sorted, unique */
	struct strs meta; /* "key=value", sorted */
	enum service_address address;
	char *network; /* NULL: not said */
};

struct services {
	struct service *v; /* by number */
	size_t n;
	char *warning; /* the first thing that was not understood; NULL */
};

void services_read(const struct policy_label *labels, size_t n_labels, struct services *ret);
void services_clear(struct services *s);
bool service_is_name(const char *text); /* a DNS label, lower case */

#endif
