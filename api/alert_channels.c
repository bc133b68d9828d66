/* alert_channels.c - /leat/v1/alert-channels and what was sent to them. A channel's secret is taken,
 * never told; one that the service made itself is told once, in the answer that made it. Reads on HTTP
 * threads, changes on the domain thread. */
#include "api/alerts.h"
#include "api/control.h"
#include "api/handlers.h"

#include <stdio.h>
#include <stdlib.h>

static json_t *recipients_json(const char *text)
{
    json_t *list = json_array();
    for (const char *end; (end = strchr(text, '\n')); text = end + 1)
        json_array_append_new(list, json_stringn(text, (size_t)(end - text)));
    return list;
}

static json_t *to_json(struct api_request *rq, const struct alert_channel *c)
{
    bool email = strcmp(c->type, "email") == 0;
    json_t *json = json_pack(
        "{s:s, s:s, s:o, s:s, s:s, s:b, s:s, s:b, s:s}", "kind", "AlertChannel", "id", c->id,
        "metadata",
        control_metadata(rq, api_url(rq, "/leat/v1/alert-channels/%s", str_c(c->id)),
                         control_crn(rq, "/alert-channel=%s", c->id), c->created_at, c->updated_at),
        "name", c->name, "type", c->type, "enabled", (int)c->enabled, "url", c->url, "has_secret",
        (int)c->has_secret, "ca_pem", c->ca_pem);
    json_object_set_new(json, "tls", email ? json_string(c->tls) : json_null());
    json_object_set_new(json, "from", email ? json_string(c->sender) : json_null());
    json_object_set_new(json, "to", email ? recipients_json(c->recipients) : json_null());
    json_object_set_new(json, "username", email ? json_string(c->username) : json_null());
    json_object_set_new(json, "sent_at", api_time(c->sent_at));
    json_object_set_new(json, "failed_at", api_time(c->failed_at));
    json_object_set_new(json, "error", json_string(c->error));
    return json;
}

static void add_row(void *arg, const struct alert_channel *c)
{
    struct control_page *p = arg;
    if (control_page_room(p)) control_page_add(p, to_json(p->rq, c), c->id);
}

void alert_channels_list_get(struct api_request *rq)
{
    struct control_page p;
    if (!control_page_begin(&p, rq)) return;
    status result = alert_channels_list(rq->db, p.page.after, p.page.size + 1, add_row, &p);
    control_page_end(&p, result, NULL, "AlertChannelList", -1);
}

static bool find(struct api_request *rq, struct alert_channel *ret)
{
    status result = alert_channels_get(rq->db, rq->params[0], ret);
    if (failed(result)) api_fail(rq, result, "There is no such channel.");
    return is_ok(result);
}

void alert_channels_one_get(struct api_request *rq)
{
    struct alert_channel c;
    if (find(rq, &c)) api_reply(rq, 200, to_json(rq, &c));
}

/* --- bodies ------------------------------------------------------------------------------- */

static bool read_recipients(struct api_request *rq, const json_t *body, struct alert_channel *c)
{
    const json_t *list = json_object_get(body, "to"), *item;
    size_t i, at = 0;
    if (!list) return true;
    if (!json_is_array(list) || json_array_size(list) > ALERT_RECIPIENTS_MAX)
        return alert_refuse(rq, "/to", "to is a list of at most 20 addresses.");
    c->recipients[0] = 0;
    json_array_foreach(list, i, item) {
        const char *text = json_string_value(item);
        size_t n = text ? json_string_length(item) : 0;
        if (!text || n > 254 || strpbrk(text, "\r\n") || strlen(text) != n)
            return alert_refuse(rq, "/to", "to has an entry that is no address like team@example.com.");
        at += (size_t)snprintf(c->recipients + at, sizeof c->recipients - at, "%s\n", text);
    }
    return true;
}

static bool read_channel(struct api_request *rq, const json_t *body, struct alert_channel *c,
                         struct str *secret)
{
    if (!alert_read_text(rq, body, "name", c->name, sizeof c->name) ||
        !alert_read_bool(rq, body, "enabled", &c->enabled) ||
        !alert_read_text(rq, body, "tls", c->tls, sizeof c->tls) ||
        !alert_read_text(rq, body, "from", c->sender, sizeof c->sender) ||
        !alert_read_text(rq, body, "username", c->username, sizeof c->username) ||
        !alert_read_text(rq, body, "ca_pem", c->ca_pem, sizeof c->ca_pem) ||
        !read_recipients(rq, body, c) || !control_str(rq, body, "secret", "/secret", false, secret))
        return false;
    if (strcmp(c->type, "slack") != 0) return alert_read_text(rq, body, "url", c->url, sizeof c->url);
    struct str url;
    if (!control_str(rq, body, "url", "/url", false, &url)) return false;
    if (!str_is_null(url) && !str_eq_c(url, c->url))
        *secret = url; /* what is shown of it means: as it was */
    return true;
}

void alert_channels_post(struct api_request *rq)
{
    struct why why = { "" };
    struct str secret = STR_NULL;
    char made[SECRET_TEXT] = "";
    struct alert_channel c = { .enabled = true, .tls = "starttls" };
    struct actor actor = control_actor(rq);
    json_t *body = api_body(rq);
    if (!body || !alert_read_text(rq, body, "type", c.type, sizeof c.type) ||
        !read_channel(rq, body, &c, &secret))
        return;
    if (strncmp(c.url, "smtps://", 8) == 0 && !json_object_get(body, "tls"))
        str_copy(c.tls, sizeof c.tls, STR("implicit"));
    status result = alert_channels_create(rq->domain, &actor, &c, secret, made, &why);
    if (failed(result)) {
        alert_fail(rq, result, &why, "There is no such channel.");
        return;
    }
    json_t *json = to_json(rq, &c);
    if (made[0]) json_object_set_new(json, "secret", json_string(made));
    explicit_bzero(made, sizeof made);
    rq->http->set_header(rq, "Location", api_url(rq, "/leat/v1/alert-channels/%s", str_c(c.id)).data);
    api_reply(rq, 201, json);
}

void alert_channels_patch(struct api_request *rq)
{
    struct why why = { "" };
    struct str secret = STR_NULL;
    struct alert_channel c;
    struct actor actor = control_actor(rq);
    json_t *body = api_body(rq);
    if (!body || !find(rq, &c) || !read_channel(rq, body, &c, &secret)) return;
    status result = alert_channels_update(rq->domain, &actor, &c, secret, &why);
    if (is_ok(result)) result = alert_channels_get(rq->db, str_c(c.id), &c);
    if (failed(result)) alert_fail(rq, result, &why, "There is no such channel.");
    else api_reply(rq, 200, to_json(rq, &c));
}

void alert_channels_one_delete(struct api_request *rq)
{
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    status result = alert_channels_delete(rq->domain, &actor, rq->params[0], &why);
    if (failed(result)) alert_fail(rq, result, &why, "There is no such channel.");
    else api_reply(rq, 204, NULL);
}

static void tested(void *arg, status result, const struct why *why)
{
    struct api_request *rq = arg;
    if (failed(result) && result.code != E_PRECONDITION) {
        alert_fail(rq, result, why, "There is no such channel.");
        return;
    }
    api_reply(rq, 200,
              json_pack("{s:s, s:b, s:s}", "kind", "AlertChannelTest", "arrived", is_ok(result),
                        "error", is_ok(result) ? "" : why->text));
}

void alert_channels_test_post(struct api_request *rq)
{
    struct actor actor = control_actor(rq);
    alert_channels_test(rq->domain, &actor, rq->params[0], tested, rq);
}

/* --- deliveries --------------------------------------------------------------------------- */

static void add_delivery(void *arg, const struct alert_delivery *d)
{
    char seq[24];
    struct control_page *p = arg;
    bool queued = strcmp(d->state, "queued") == 0;
    if (!control_page_room(p)) return;
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:o, s:s, s:s, s:I, s:I, s:o, s:s}", "kind", "AlertDelivery", "id", d->id,
        "channel_id", d->channel_id, "rule_id", alert_text_or_null(d->rule_id), "cause", d->cause,
        "state", d->state, "alerts", (json_int_t)d->alert_count, "attempts", (json_int_t)d->attempts,
        "status", d->http_status ? json_integer(d->http_status) : json_null(), "error", d->error);
    json_object_set_new(json, "created_at", api_time(d->created_at));
    json_object_set_new(json, "next_attempt_at", queued ? api_time(d->next_at) : json_null());
    json_object_set_new(json, "done_at", api_time(d->done_at));
    snprintf(seq, sizeof seq, "%lld", (long long)d->seq);
    control_page_add(p, json, seq);
}

void alert_deliveries_list_get(struct api_request *rq)
{
    struct control_page p;
    int64_t before = 0;
    if (!control_page_begin(&p, rq)) return;
    if (p.page.after.len && !str_to_i64(p.page.after, &before)) {
        json_decref(p.data);
        api_fail_at(rq, 400, "invalid_request", "This page_token is not one of ours.", NULL,
                    "page_token");
        return;
    }
    status result = alert_deliveries_list(rq->db, rq->http->query(rq, "channel_id", 0), before,
                                          p.page.size + 1, add_delivery, &p);
    control_page_end(&p, result, NULL, "AlertDeliveryList", -1);
}
