/* SPDX-License-Identifier: Apache-2.0 */
/* The learned models of a range: read when rules first name them, and what they say of requests. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/ledger/ledger_model.h"
#include "tools/sluice-db/shadow.h"

static struct risk_model *model_read(const char *folder, uint32_t version)
{
	size_t room = risk_model_size(RISK_MODEL_TREES_MAX, RISK_MODEL_DEPTH_MAX), size;
	uint8_t *bytes = table_allocate(NULL, RISK_MODEL_FILE_MAX);
	struct risk_model *model = aligned_alloc(64, (room + 63) / 64 * 64); /* vectors */
	char path[PATH_MAX + 16];
	FILE *stream;

	snprintf(path, sizeof(path), "%s/%" PRIu32, folder, version);
	stream = fopen(path, "rb");
	size = stream != NULL ? fread(bytes, 1, RISK_MODEL_FILE_MAX, stream) : 0;
	if (stream != NULL)
		fclose(stream);
	if (model == NULL || risk_model_file_read(bytes, size, version, model, room) != 0) {
		free(model);
		model = NULL;
	}
	free(bytes);
	return model;
}

static const struct risk_model *model_of(struct shadow *shadow, uint32_t version)
{
	struct shadow_model *held;

	for (uint32_t i = 0; i < shadow->model_count; i++)
		if (shadow->models[i].version == version)
			return shadow->models[i].model;
	if (shadow->model_count == SHADOW_MODELS_MAX)
		return NULL;
	held = &shadow->models[shadow->model_count++];
	held->version = version;
	held->model = model_read(shadow->models_path, version);
	return held->model;
}

/* By the rules of then: the switch had not the model they name when it decided the event that
 * comes next, as its file could not be read. */
static int model_absent(const struct shadow *shadow, const struct shadow_shard *shard)
{
	struct event_view view;
	struct event_risk risk;

	if (shadow->rules_text != NULL || shadow->model_wanted != 0 ||
	    event_view_read(shard->event.bytes, shard->event_size, &view) != 0 ||
	    (view.record.flags & EVENT_FLAG_SCORED) == 0)
		return 0;
	if (view.risk == NULL)
		return 1;
	memcpy(&risk, view.risk, sizeof(risk));
	return le32_get(risk.model_version) == 0;
}

int shadow_model_prepare(
    struct shadow *shadow, struct shadow_shard *shard, struct risk_rules_extra *extra)
{
	const struct risk_model *model;

	if (!extra->present)
		return 0;
	if (shadow->model_wanted != 0) {
		extra->model_version = shadow->model_wanted;
		if (extra->model_state == RISK_MODEL_OFF)
			extra->model_state = RISK_MODEL_SHADOW;
		if (extra->points_model_max == 0)
			extra->points_model_max = 100;
	}
	if (extra->model_state == RISK_MODEL_OFF)
		return 0;
	model = model_absent(shadow, shard) ? NULL : model_of(shadow, extra->model_version);
	if (model != shard->model || extra->model_version != shard->model_version) {
		ledger_model_set(shard->replay.ledger, model, extra->model_version);
		shard->model = model;
		shard->model_version = extra->model_version;
	}
	return model != NULL;
}

/* Scored beside its limit, whose code stands whatever the score is. */
static int is_limits(uint16_t code)
{
	return code == WIRE_CODE_PAYOUT_LIMIT || code == WIRE_CODE_LIMIT_SINGLE_STAKE ||
	       code == WIRE_CODE_LIMIT_DAILY_STAKE || code == WIRE_CODE_LIMIT_TERMINAL_DAILY ||
	       code == WIRE_CODE_LIMIT_DEPOSIT || code == WIRE_CODE_LIMIT_STAKE ||
	       code == WIRE_CODE_LIMIT_LOSS || code == WIRE_CODE_SELF_EXCLUDED ||
	       code == WIRE_CODE_COOLING_OFF;
}

void shadow_model_take(struct shadow *shadow, const struct risk_rules *rules,
    const struct event_buffer *event, size_t length, struct shadow_outcome *outcome)
{
	struct event_view view;
	struct event_risk risk;
	unsigned score = outcome->score;

	if (event_view_read(event->bytes, length, &view) != 0 || view.risk == NULL)
		return; /* refused before it was scored */
	memcpy(&risk, view.risk, sizeof(risk));
	if (le32_get(risk.model_version) == 0)
		return;
	if (risk.model_state != RISK_MODEL_ACTIVE)
		score += risk.points_model;
	outcome->model_asked = 1;
	outcome->model_points = risk.points_model;
	outcome->model_score = (uint8_t)(score < 100 ? score : 100);
	shadow->model.asked++;
	shadow->model.with_points += risk.points_model > 0;
	shadow->model.alerts += outcome->model_score >= rules->alert_score;
	shadow->model.refused +=
	    outcome->model_score >= rules->refuse_score && !is_limits(outcome->code);
}

void shadow_models_free(struct shadow *shadow)
{
	for (uint32_t i = 0; i < shadow->model_count; i++)
		free(shadow->models[i].model);
	shadow->model_count = 0;
}
