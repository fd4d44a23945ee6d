/* SPDX-License-Identifier: Apache-2.0 */
/* What the authority tells of itself. */
#include "control/keys/authority_internal.h"

#include <stdio.h>

#include <openssl/x509v3.h>

static uint64_t made_s(const X509 *certificate)
{
	struct certificate_facts facts;

	if (certificate == NULL || certificate_facts_read(certificate, &facts) != 0)
		return 0;
	return facts.not_before_s + CERTIFICATE_BACKDATE_S;
}

void authority_changes(
    const struct authority *authority, uint64_t *next_made_s, uint64_t *activated_s)
{
	struct authority_state *state = authority->state;

	pthread_mutex_lock(&state->lock);
	*next_made_s = made_s(state->next.certificate);
	*activated_s = state->activated_s;
	pthread_mutex_unlock(&state->lock);
}

int authority_renewal_wanted(const struct authority *authority, struct x509_st *certificate)
{
	struct authority_state *state = authority->state;
	int wanted = 0;

	pthread_mutex_lock(&state->lock);
	/* From an older authority, or from before the next one was made: in the same second, ask.
	 */
	if (state->active.certificate != NULL)
		wanted = X509_check_issued(state->active.certificate, certificate) != X509_V_OK ||
		         (state->next.certificate != NULL &&
		             made_s(certificate) <= made_s(state->next.certificate));
	pthread_mutex_unlock(&state->lock);
	return wanted;
}

static json_t *time_json(uint64_t time_s)
{
	return json_integer((json_int_t)(time_s * 1000000000ull));
}

static int facts_put(json_t *object, const X509 *certificate)
{
	struct certificate_facts facts;
	char sha256[65];

	if (certificate_facts_read(certificate, &facts) != 0)
		return -1;
	for (size_t i = 0; i < sizeof(facts.sha256); i++)
		snprintf(sha256 + 2 * i, 3, "%02x", facts.sha256[i]);
	return json_object_set_new(object, "subject", json_string(facts.subject)) |
	       json_object_set_new(object, "not_before_ns", time_json(facts.not_before_s)) |
	       json_object_set_new(object, "not_after_ns", time_json(facts.not_after_s)) |
	       json_object_set_new(object, "sha256", json_string(sha256));
}

static json_t *facts_json(const X509 *certificate)
{
	json_t *object;

	if (certificate == NULL)
		return json_null();
	object = json_object();
	if (object != NULL && facts_put(object, certificate) != 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

json_t *authority_show(const struct authority *authority)
{
	struct authority_state *state = authority->state;
	json_t *result = json_object();
	const char *name = "none";
	int failed = result == NULL;

	pthread_mutex_lock(&state->lock);
	if (state->next.certificate != NULL)
		name = "next made";
	else if (state->previous != NULL)
		name = "next active";
	else if (state->active.certificate != NULL)
		name = "ready";
	failed |= json_object_set_new(result, "state", json_string(name));
	failed |= json_object_set_new(result, "deployment", json_string(state->config.deployment));
	failed |= json_object_set_new(result, "directory", json_string(state->directory));
	if (state->active.certificate != NULL) {
		failed |= facts_put(result, state->active.certificate);
		failed |=
		    json_object_set_new(result, "server", facts_json(state->server.certificate));
		failed |= json_object_set_new(result, "next", facts_json(state->next.certificate));
		failed |= json_object_set_new(result, "previous", facts_json(state->previous));
	}
	pthread_mutex_unlock(&state->lock);
	if (failed) {
		json_decref(result);
		return NULL;
	}
	return result;
}
