/* See kernel.h. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

int kernel_row_of(const char *ip) {
	const char *dot = ip ? strrchr(ip, '.') : NULL;
	int number = dot ? atoi(dot + 1) : 0;

	return number >= 0 && number < KERNEL_ROWS ? number : 0;
}

/* ---- who answers ---- */

static bool is_plugged(const struct fake_container *c, int net) {
	return c->exists && c->running && c->connected[net] && *c->ip[net];
}

bool kernel_speaks(const struct fake_container *c, int net) { return is_plugged(c, net) && !c->isolated; }

bool kernel_joined(const struct sim *s, int host, int net) {
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *c = s->fake.containers[i];
		if (c->node == host && is_plugged(c, net))
			return true;
	}
	return false;
}

static const struct fake_container *speaker(const struct sim *s, int host, int net, const char *ip) {
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *c = s->fake.containers[i];
		if (c->node == host && kernel_speaks(c, net) && strcmp(c->ip[net], ip) == 0)
			return c;
	}
	return NULL;
}

/* Both ways: a quarantine drops what comes from a host and what goes to it. */
static bool data_passes(const struct sim *s, int a, int b) {
	const struct fake_node *n = s->fake.nodes;
	bool up = !n[a].off && !n[b].off && !((n[a].cut | n[b].cut) & PATH_DATA);

	return up && !(s->kernels[a].drops & (1U << b)) && !(s->kernels[b].drops & (1U << a));
}

/* While the bridge has the address on the tunnel, its own container is not asked, and nobody else's frames are let in. */
static bool is_local(const struct kernel_row *r, int host) { return r->sticky || r->to == 0 || r->to == host + 1; }

const struct fake_container *kernel_reaches(const struct sim *s, int host, int net, const char *ip) {
	int row = kernel_row_of(ip);
	const struct kernel_row *here = &s->kernels[host].rows[net][row];
	const struct fake_container *c = speaker(s, host, net, ip);

	if (s->fake.nodes[host].off)
		return NULL;
	if (c && is_local(here, host))
		return c;
	int there = here->to - 1;
	if (there < 0 || there == host || !data_passes(s, host, there))
		return NULL;
	c = speaker(s, there, net, ip);
	return c && is_local(&s->kernels[there].rows[net][row], there) ? c : NULL;
}

/* VXLAN drops a frame whose sender has a row that names another host. */
bool kernel_hears(const struct sim *s, int host, int net, const struct fake_container *c) {
	const struct kernel_row *here = &s->kernels[host].rows[net][kernel_row_of(c->ip[net])];

	if (!kernel_speaks(c, net) || s->fake.nodes[host].off || s->fake.nodes[c->node].off)
		return false;
	if (c->node == host)
		return true;
	return data_passes(s, host, c->node) && (here->to == 0 || here->to == c->node + 1);
}

/* ---- what engines write ---- */

static void write_row(struct sim *s, int host, int net, int row, int to) {
	s->kernels[host].rows[net][row].to = (signed char)to;
	agents_row_changed(s, host, net, row); /* its agent watches */
}

static void claim(struct sim *s, int host, int net, int container) {
	int row = kernel_row_of(s->fake.containers[container]->ip[net]);
	struct kernel_row *r = &s->kernels[host].rows[net][row];

	for (int i = 0; i < r->n_claims; i++)
		if (r->claims[i] == container)
			return;
	if (r->n_claims == KERNEL_CLAIMS)
		return; /* so many never matter: the first ones decide */
	r->claims[r->n_claims++] = (short)container;
	if (r->n_claims == 1)
		write_row(s, host, net, row, s->fake.containers[container]->node + 1);
}

static void unclaim(struct sim *s, int host, int net, int container) {
	int row = kernel_row_of(s->fake.containers[container]->ip[net]), at = 0;
	struct kernel_row *r = &s->kernels[host].rows[net][row];

	while (at < r->n_claims && r->claims[at] != container)
		at++;
	if (at == r->n_claims)
		return;
	r->n_claims--;
	for (int i = at; i < r->n_claims; i++)
		r->claims[i] = r->claims[i + 1];
	if (at == 0)
		write_row(s, host, net, row, r->n_claims ? s->fake.containers[r->claims[0]]->node + 1 : 0);
}

/* ---- how they hear of it ---- */

static bool gossips(const struct sim *s, int host) {
	const struct fake_node *n = &s->fake.nodes[host];
	return !n->off && !n->hung && !n->killed && !(n->cut & PATH_GOSSIP);
}

/* Its engine has the endpoint; whether it can still be heard is another matter. */
static bool has_endpoint(const struct sim *s, const struct fake_container *c, int net) {
	return is_plugged(c, net) && (s->fake.kind != NET_KV || c->task[net]);
}

static void told(struct sim *s, const struct event *e) {
	const struct fake_container *c = s->fake.containers[e->a];
	int host = e->b / FAKE_NETS, net = e->b % FAKE_NETS;

	if (!gossips(s, host) || !gossips(s, c->node))
		return; /* made good when they hear of each other again */
	if (has_endpoint(s, c, net))
		claim(s, host, net, e->a);
	else if (s->fake.kind == NET_SWARM || !c->forced)
		unclaim(s, host, net, e->a);
}

static void tell_others(struct sim *s, int container, int net) {
	for (int i = 0; i < s->fake.n_nodes; i++)
		if (i != s->fake.containers[container]->node)
			sim_at(s, sim_ms(s, 30, rng_permille(&s->rng, 100) ? 4000 : 600), 0, told, container, i * FAKE_NETS + net,
			       NULL);
}

static void drop_claims(struct sim *s, int host, int of) {
	for (int i = 0; i < s->fake.n_containers; i++)
		for (int k = 0; s->fake.containers[i]->node == of && k < FAKE_NETS; k++)
			if (*s->fake.containers[i]->ip[k])
				unclaim(s, host, k, i);
}

static void given_up(struct sim *s, const struct event *e) {
	if (gossips(s, e->a) || s->kernels[e->a].gossip_era != (unsigned)e->b || s->fake.kind == NET_KV)
		return;
	for (int i = 0; i < s->fake.n_nodes; i++) {
		if (i == e->a)
			continue;
		drop_claims(s, i, e->a);
		drop_claims(s, e->a, i);
	}
}

/* One host hears everything that another has, and of what it has no more. */
static void catch_up(struct sim *s, int host, int of) {
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *c = s->fake.containers[i];
		for (int k = 0; c->node == of && k < FAKE_NETS; k++) {
			if (has_endpoint(s, c, k))
				claim(s, host, k, i);
			else if (*c->ip[k] && (s->fake.kind == NET_SWARM || !c->forced))
				unclaim(s, host, k, i);
		}
	}
}

static void met_again(struct sim *s, const struct event *e) {
	if (!gossips(s, e->a) || !gossips(s, e->b))
		return;
	catch_up(s, e->a, e->b);
	catch_up(s, e->b, e->a);
}

static void note_gossip(struct sim *s, int host) {
	struct kernel *k = &s->kernels[host];
	bool now = gossips(s, host);

	if (k->gossips == now)
		return;
	k->gossips = now;
	k->gossip_era++;
	if (!now) {
		int patience = 4500 + 400 * s->fake.n_nodes; /* it grows with the cluster */
		sim_at(s, sim_ms(s, patience, patience + 3000), 0, given_up, host, (int)k->gossip_era, NULL);
		return;
	}
	for (int i = 0; i < s->fake.n_nodes; i++)
		if (i != host)
			sim_at(s, sim_ms(s, 400, rng_permille(&s->rng, 150) ? 32000 : 1500), 0, met_again, host, i, NULL);
}

/* A host that takes part in a network anew is given all that its engine knows. */
static void note_joined(struct sim *s, int host, int net) {
	struct kernel *k = &s->kernels[host];
	bool now = kernel_joined(s, host, net);

	if (k->joined[net] == now)
		return;
	k->joined[net] = now;
	for (int row = 0; row < KERNEL_ROWS; row++) {
		struct kernel_row *r = &k->rows[net][row];
		r->sticky = false;
		if (now)
			write_row(s, host, net, row, r->n_claims ? s->fake.containers[r->claims[0]]->node + 1 : 0);
		else
			r->to = 0;
	}
}

static void note_plugged(struct sim *s, const struct fake_container *c, int net, bool plugged) {
	int row = kernel_row_of(c->ip[net]);

	note_joined(s, c->node, net);
	if (!plugged)
		s->kernels[c->node].rows[net][row].sticky = false; /* gone with its veth */
	agents_row_changed(s, c->node, net, row);
}

void kernel_sync(struct sim *s) {
	for (int i = 0; i < s->fake.n_nodes; i++)
		note_gossip(s, i);
	for (int i = 0; i < s->fake.n_containers; i++) {
		struct fake_container *c = s->fake.containers[i];
		for (int k = 0; k < FAKE_NETS; k++) {
			bool plugged = is_plugged(c, k), endpoint = has_endpoint(s, c, k);
			if (c->was_plugged[k] != plugged)
				note_plugged(s, c, k, plugged);
			if (c->was_endpoint[k] != endpoint)
				tell_others(s, i, k);
			c->was_plugged[k] = plugged;
			c->was_endpoint[k] = endpoint;
		}
	}
}

void kernel_power_lost(struct sim *s, int host) {
	struct kernel *k = &s->kernels[host];

	k->drops = 0;
	memset(k->rows, 0, sizeof(k->rows));
	memset(k->joined, 0, sizeof(k->joined));
}

void kernel_set_row(struct sim *s, int host, int net, int row, int to) {
	struct kernel_row *r = &s->kernels[host].rows[net][row];

	r->to = (signed char)to;
	r->sticky = false;
	for (int i = 0; i < s->fake.n_containers && to == host + 1; i++) {
		const struct fake_container *c = s->fake.containers[i];
		r->sticky |= c->node == host && is_plugged(c, net) && kernel_row_of(c->ip[net]) == row;
	}
}
