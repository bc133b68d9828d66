/* update_features.c - UpdateFeatures (key 57, KIP-584): the levels of features come with the release of
 * this broker. Asking for the level that is in force succeeds, as in Kafka; any other is refused, and one
 * refusal refuses the whole request. */
#include "broker/handler.h"

#include "broker/authorizer.h"
#include "broker/features.h"

enum { UPGRADE = 1, SAFE_DOWNGRADE = 2, UNSAFE_DOWNGRADE = 3 };

typedef struct update_features_request_feature_update_key asked_update;
typedef struct update_features_response_updatable_feature_result update_row;

static int8_t upgrade_type(const struct request *r, const asked_update *asked)
{
    if (r->version >= 1) return asked->upgrade_type;
    return asked->allow_downgrade ? SAFE_DOWNGRADE : UPGRADE;
}

static status update_check(const struct request *r, const asked_update *asked, struct why *why)
{
    const struct feature *feature = feature_find(asked->feature);
    int8_t type = upgrade_type(r, asked);
    int16_t wanted = asked->max_version_level;
    const char *refusal = NULL;
    if (type < UPGRADE || type > UNSAFE_DOWNGRADE)
        refusal = "The controller does not support the given upgrade type.";
    else if (!feature)
        refusal = "This broker does not support the feature.";
    else if (wanted < 0)
        refusal = "A feature version cannot be less than 0.";
    else if (wanted && (wanted < feature->lowest || wanted > feature->highest))
        refusal = "This broker does not support that version of the feature.";
    else if (wanted < feature->level && type == UPGRADE)
        refusal = "A lower version needs one of the downgrade types.";
    else if (wanted > feature->level && type != UPGRADE)
        refusal = "A higher version cannot be reached by a downgrade.";
    if (refusal) {
        why_set(why, "Invalid update version %d for feature %.*s. %s", wanted,
                STR_ARG(asked->feature), refusal);
        return FAIL(INVALID_UPDATE_VERSION);
    }
    if (wanted == feature->level) return OK;
    why_set(why, "The version of feature %s comes with the release of this broker and is %d.",
            feature->name, feature->level);
    return FAIL(FEATURE_UPDATE_FAILED);
}

static void refuse_all(struct request *r, struct update_features_response *response, status refused,
                       const struct why *why)
{
    response->error_code = status_kafka(refused);
    response->error_message = arena_printf(
        r->arena, "The update failed for all features since one of them had an error: %s", why->text);
}

static void results_fill(struct request *r, struct update_features_response *response)
{
    const struct update_features_request *body = r->body;
    int32_t n = body->feature_updates_count < 0 ? 0 : body->feature_updates_count;
    for (int32_t i = 0; i < n; i++) {
        struct why why = { "" };
        status checked = update_check(r, &body->feature_updates[i], &why);
        if (is_ok(checked)) continue;
        refuse_all(r, response, checked, &why);
        return;
    }
    response->results = ARENA_ARRAY(r->arena, update_row, n);
    response->results_count = n;
    for (int32_t i = 0; response->results && i < n; i++) {
        wire_default_struct(&update_features_response_updatable_feature_result_struct,
                            &response->results[i]);
        response->results[i].feature = body->feature_updates[i].feature;
    }
}

void handle_update_features(struct request *r)
{
    struct update_features_response response;
    wire_default(&update_features_response_message, &response);
    if (authorize(r, OP_ALTER, RES_CLUSTER, AUTHORIZER_CLUSTER)) {
        results_fill(r, &response);
    } else {
        response.error_code = status_kafka(FAIL(CLUSTER_AUTHORIZATION_FAILED));
        response.error_message = str_c(status_text(FAIL(CLUSTER_AUTHORIZATION_FAILED)));
    }
    if (!request_out_of_memory(r)) request_reply(r, &response);
}
