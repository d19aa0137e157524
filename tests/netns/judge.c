/* See judge.h. */
#include "judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KNOWN_MAX = 256, GENERATIONS_MAX = 64, HOSTS_MAX = 16 };

static struct known {
	char page[13], name[64], workload[160];
	unsigned generation;
	int host;
} known[KNOWN_MAX];
static size_t n_known;

void judge_forget(void) { n_known = 0; }

/* --- who is who --- */

static const struct known *find(const char *page) {
	for (size_t i = 0; i < n_known; i++)
		if (strcmp(known[i].page, page) == 0)
			return &known[i];
	return NULL;
}

static void learn(const json_t *j) {
	char page[13];

	(void)snprintf(page, sizeof page, "%.12s", json_str_or(j, "id", ""));
	if (find(page))
		return;
	if (n_known == KNOWN_MAX)
		failed("more than %d containers", KNOWN_MAX);
	struct known *k = &known[n_known++];
	memcpy(k->page, page, sizeof page);
	(void)snprintf(k->name, sizeof k->name, "%s", json_str_or(j, "name", ""));
	(void)snprintf(k->workload, sizeof k->workload, "%s", json_str_or(j, "workload", page));
	k->generation = (unsigned)json_int_or(j, "generation", 1);
	k->host = atoi(json_str_or(j, "node", "h0") + 1);
}

void judge_learn(void) {
	json_t *list CLEANUP_JSON = heir("container ls"), *j;
	size_t i;

	json_array_foreach (list, i, j)
		learn(j);
}

static bool is_presumed(const char *workload, unsigned generation) {
	json_t *list CLEANUP_JSON = heir("takeover ls"), *j;
	size_t i;

	json_array_foreach (list, i, j)
		if (strcmp(json_str_or(j, "workload", ""), workload) == 0 && json_int_or(j, "generation", 0) == (int64_t)generation)
			return strcmp(json_str_or(j, "evidence", ""), "presumed") == 0;
	return false;
}

/* --- what was heard --- */

/* Everything about one address. Times of 0: never. */
struct hearing {
	const char *ip, *workload, *name;
	const struct chaos *chaos;
	int observer;
	double first[GENERATIONS_MAX];               /* answered to anybody */
	double first_of[HOSTS_MAX][GENERATIONS_MAX]; /* to this observer */
	bool presumed[GENERATIONS_MAX];
	size_t n, answered, presumed_only, was_lost;
};

static const struct known *who_answered(struct hearing *h, const struct answer *a) {
	if (strcmp(a->ip, h->ip) != 0)
		return NULL;
	h->n++;
	if (strcmp(a->page, "-") == 0)
		return NULL;
	const struct known *k = find(a->page);
	if (!k || strcmp(k->workload, h->workload) != 0 || k->generation >= GENERATIONS_MAX)
		failed("h%d heard %s from %s, which is %s and not %s", h->observer, h->ip, a->page,
		       k ? k->name : "unknown to heird", h->name);
	h->answered++;
	return k;
}

static void keep_earliest(double *at, double t) {
	if (*at <= 0 || t < *at)
		*at = t;
}

static void note_first(void *user, const struct answer *a) {
	struct hearing *h = user;
	const struct known *k = who_answered(h, a);

	if (!k)
		return;
	keep_earliest(&h->first[k->generation], a->answered);
	keep_earliest(&h->first_of[h->observer][k->generation], a->answered);
}

/* It was not there to be told, and has not heard the newer one yet. */
static bool was_lost(const struct hearing *h, unsigned g, double asked) {
	double heard = h->first_of[h->observer][g];

	return chaos_was_ill(h->chaos, h->observer, h->first[g]) && (heard <= 0 || asked <= heard);
}

static void check_answer(void *user, const struct answer *a) {
	struct hearing *h = user;
	const struct known *k = who_answered(h, a);

	for (unsigned g = k ? k->generation + 1 : GENERATIONS_MAX; g < GENERATIONS_MAX; g++) {
		double since = h->observer == k->host ? h->first_of[h->observer][g] : h->first[g];
		if (since <= 0 || a->asked <= since)
			continue;
		if (h->presumed[g])
			h->presumed_only++;
		else if (was_lost(h, g, a->asked))
			h->was_lost++;
		else
			failed("h%d asked %s at %.2f and heard generation %u of %s (%s on h%d), but generation %u had answered "
			       "at %.2f",
			       h->observer, h->ip, a->asked, k->generation, h->name, k->page, k->host, g, since);
		return;
	}
}

static void each_observer(struct hearing *h, answer_fn *see) {
	for (h->observer = 1; h->observer <= askers_hosts(); h->observer++)
		asker_each(h->observer, see, h);
}

void judge_answers(const struct web *first, const struct chaos *c) {
	static struct hearing h;
	const struct known *k = find(first->page);
	unsigned generations = 0;

	if (!k)
		failed("heird never told of %s", first->name);
	h = (struct hearing){.ip = first->nets[0].ip, .workload = k->workload, .name = first->name, .chaos = c};
	each_observer(&h, note_first);
	for (unsigned g = 2; g < GENERATIONS_MAX; g++) {
		h.presumed[g] = h.first[g] > 0 && is_presumed(h.workload, g);
		generations += h.first[g] > 0;
	}
	h.n = h.answered = 0;
	each_observer(&h, check_answer);
	note("%s: %zu questions, %zu answered, by %u generations after the first; by an older one %zu where this was presumed "
	     "only, %zu "
	     "to a host that was itself lost",
	     first->name, h.n, h.answered, generations, h.presumed_only, h.was_lost);
}
