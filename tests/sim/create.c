/* POST /containers/create, and what comes of it: heird's own body for it (create.h), made of what it remembers, is all that the new
 * container knows. */
#include "sim.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "daemon/answers.h"
#include "daemon/create.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int create_image(const char *ref) {
	for (int k = 0; k < FAKE_IMAGES; k++)
		if (ref && (strcmp(fake_image_name(k), ref) == 0 || strcmp(fake_image_id(k), ref) == 0))
			return k;
	return -1;
}

static int net_index(const char *name) {
	int k = 0;
	while (k < FAKE_NETS && strcmp(fake_net_name(k), name) != 0)
		k++;
	return k;
}

/* An endpoint as it was asked for. Without a MAC of its own it gets one made of its address. */
static void attach(struct fake_container *c, const char *network, const json_t *endpoint, const char *own_mac) {
	const char *ip = json_str_or(endpoint, "IPAMConfig.IPv4Address", ""), *mac = json_str_or(endpoint, "MacAddress", own_mac);
	const char *alias = json_string_value(json_array_get(json_at(endpoint, "Aliases"), 0));
	int k = net_index(network);
	unsigned b[4];

	if (k == FAKE_NETS)
		return;
	snprintf(c->ip[k], sizeof(c->ip[k]), "%s", ip);
	snprintf(c->alias, sizeof(c->alias), "%s", alias ? alias : "");
	snprintf(c->mac[k], sizeof(c->mac[k]), "%s", mac);
	if (!*mac && sscanf(ip, "%u.%u.%u.%u", &b[0], &b[1], &b[2], &b[3]) == 4)
		snprintf(c->mac[k], sizeof(c->mac[k]), "02:42:%02x:%02x:%02x:%02x", b[0] & 0xff, b[1] & 0xff, b[2] & 0xff,
			 b[3] & 0xff);
	c->connected[k] = true;
}

static bool opts_in(const json_t *body) {
	json_t *entry;
	size_t i;

	json_array_foreach (json_at(body, "Env"), i, entry) {
		if (strcmp(json_string_value(entry), "reschedule:on-node-failure") == 0)
			return true;
	}
	return false;
}

static const char *label(const json_t *body, const char *key) {
	const char *value = json_string_value(json_object_get(json_at(body, "Labels"), key));
	return value ? value : "";
}

static void publish_port(struct fake_container *c, const json_t *body) {
	const json_t *ports = json_object_get(json_at(body, "HostConfig.PortBindings"), "80/tcp");

	c->port = (uint16_t)atoi(json_str_or(json_array_get(ports, 0), "HostPort", "0"));
	c->any_port = ports && !c->port;
}

static void find_service(struct fake_container *c, const json_t *body, int number) {
	struct fake_service *s = &c->services[number - 1];
	char key[40];

	snprintf(s->name, sizeof(s->name), "%s", label(body, fake_service_label(number, "", key)));
	s->port = (uint16_t)atoi(label(body, fake_service_label(number, ".port", key)));
	snprintf(s->tag, sizeof(s->tag), "%s", label(body, fake_service_label(number, ".tags", key)));
	const char *address = label(body, fake_service_label(number, ".address", key));
	s->address = strcmp(address, "host") == 0 ? SERVICE_HOST : *address ? SERVICE_OVERLAY : SERVICE_UNSAID;
	if (*s->name)
		c->n_services = number;
}

/* What POST /containers/create makes of its body. */
static struct fake_container *made(struct sim *s, const struct flight *f, const json_t *body, int image) {
	struct fake_container *c = fake_add(&s->fake, fake_node_index(&s->fake, f->effect->node), f->effect->name);
	enum evidence fence = evidence_parse(label(body, "heir.fence"));
	const char *network;
	json_t *endpoint;

	snprintf(c->policy, sizeof(c->policy), "%s", json_str_or(body, "HostConfig.RestartPolicy.Name", ""));
	snprintf(c->workload, sizeof(c->workload), "%s", label(body, SPEC_LABEL_WORKLOAD));
	snprintf(c->takeover, sizeof(c->takeover), "%s", label(body, SPEC_LABEL_TAKEOVER));
	c->generation = (unsigned)strtoul(label(body, SPEC_LABEL_GENERATION), NULL, 10);
	c->opted = opts_in(body);
	c->fence = fence == EVIDENCE_MAX ? EVIDENCE_NONE : fence;
	c->image = image;
	publish_port(c, body);
	for (int i = 1; i <= FAKE_SERVICES; i++)
		find_service(c, body, i);
	json_object_foreach (json_at(body, "NetworkingConfig.EndpointsConfig"), network, endpoint)
		attach(c, network, endpoint, json_str_or(body, "MacAddress", ""));
	return c;
}

/* Engines before 1.44 are given one network at create, and each further one by a call of its own, which may fail; what was made is
 * then removed again, and that may fail too. */
static bool is_connected(struct sim *s, struct flight *f, struct fake_container *c, const struct spec *spec) {
	for (size_t i = 0; i < spec->connect_count; i++) {
		if (s->healed || !rng_permille(&s->rng, s->trouble)) {
			attach(c, spec->connect[i].network, spec->connect[i].endpoint, "");
			continue;
		}
		bool removed = rng_permille(&s->rng, 700);
		const struct answer_said said = {removed ? ENGINE_OK : ENGINE_UNKNOWN, removed ? 204 : 0, "no answer"};
		const struct effect_result means = answer_create_undone(&said);
		c->exists = !removed;
		act_take(f, &means);
		return false;
	}
	return true;
}

static void create_from(struct sim *s, struct flight *f, const struct spec *spec) {
	const struct effect *e = f->effect;
	int node = fake_node_index(&s->fake, e->node), image = create_image(json_str_or(spec->body, "Image", ""));
	const struct fake_container *other = fake_find(&s->fake, node, e->name);

	if (other) {
		act_says(f, 409,
			 "Conflict. The container name \"/%s\" is already in use by container \"%s\". You have to remove (or "
			 "rename) "
			 "that container to be able to reuse that name.",
			 e->name, other->id);
		return;
	}
	if (image < 0 || !s->fake.nodes[node].image[image]) {
		act_says(f, 404, "No such image: %s", e->image);
		return;
	}
	struct fake_container *c = made(s, f, spec->body, image);
	manager_notice(s, s->fake.n_containers - 1);
	if (!is_connected(s, f, c, spec))
		return;
	snprintf(f->container, sizeof(f->container), "%s", c->id);
	f->result.container = f->container;
}

void create_prepare(struct sim *s, struct flight *f) {
	const struct effect *e = f->effect;
	json_t *inspect CLEANUP_JSON = memory_spec(s->memory, e->spec_node, e->spec_id);
	struct err err;

	if (create_spec(e, inspect, manager_api(s), FAKE_CLUSTER, &f->spec, &err) < 0)
		f->no_spec = xstrdup(err.msg);
}

void create_perform(struct sim *s, struct flight *f) {
	if (f->spec.body)
		create_from(s, f, &f->spec);
	else
		act_take(f, &(struct effect_result){.outcome = EFFECT_REFUSED, .detail = f->no_spec});
}
