/* control.c - shared by the control plane's nouns. Any thread that runs a handler; keeps nothing. */
#include "api/control.h"

#include <stdarg.h>
#include <stdio.h>

const char *control_door(const struct api_request *rq)
{
    static const char *const names[] = { [DOOR_NONE] = "none", [DOOR_SESSION] = "session",
                                         [DOOR_CLOUD_KEY] = "cloud_key", [DOOR_CLUSTER_KEY] = "cluster_key" };
    return names[rq->caller.door];
}

struct actor control_actor(const struct api_request *rq)
{
    const struct api_caller *c = &rq->caller;
    return (struct actor){
        .id = c->key_id[0] ? c->key_id : c->owner, .door = control_door(rq),
        .address = rq->address, .request_id = rq->request_id,
    };
}

/* --- names and references ------------------------------------------------------------------------- */

struct str control_crn(struct api_request *rq, const char *rest, ...)
{
    struct buf out;
    va_list args;
    char text[512];
    struct str host = rq->base_url;
    for (size_t i = 0; i + 2 < host.len; i++) {
        if (memcmp(host.data + i, "://", 3) != 0) continue;
        host = (struct str){ host.data + i + 3, host.len - i - 3 };
        break;
    }
    va_start(args, rest);
    vsnprintf(text, sizeof text, rest, args);
    va_end(args);
    buf_init(&out, 4096);
    buf_printf(&out, "crn://%.*s/organization=%s%s", STR_ARG(host), rq->domain->organisation_id, text);
    struct str crn = out.failed ? STR_NULL : arena_str(rq->arena, bytes_str(buf_bytes(&out)));
    buf_done(&out);
    return crn;
}

json_t *control_metadata(struct api_request *rq, struct str self, struct str crn, int64_t created_at,
                         int64_t updated_at)
{
    (void)rq;
    return json_pack("{s:o, s:o, s:o, s:o}", "self", api_str(self), "resource_name", api_str(crn),
                     "created_at", api_time(created_at), "updated_at", api_time(updated_at));
}

json_t *control_ref(struct str id, struct str related, struct str crn)
{
    return json_pack("{s:o, s:o, s:o}", "id", api_str(id), "related", api_str(related), "resource_name",
                     api_str(crn));
}

json_t *control_ref_environment(struct api_request *rq, const char *id)
{
    return control_ref(str_c(id), api_url(rq, "/org/v2/environments/%s", str_c(id)),
                       control_crn(rq, "/environment=%s", id));
}

json_t *control_ref_cluster(struct api_request *rq, const char *environment_id, const char *id)
{
    json_t *ref = control_ref(str_c(id), api_url(rq, "/cmk/v2/clusters/%s", str_c(id)),
                              control_crn(rq, "/environment=%s/cloud-cluster=%s/kafka=%s", environment_id,
                                          id, id));
    json_object_set_new(ref, "environment", json_string(environment_id));
    json_object_set_new(ref, "api_version", json_string("cmk/v2"));
    json_object_set_new(ref, "kind", json_string("Cluster"));
    return ref;
}

json_t *control_ref_owner(struct api_request *rq, const char *id)
{
    bool user = strncmp(id, "u-", 2) == 0;
    json_t *ref = user ? control_ref(str_c(id), api_url(rq, "/iam/v2/users/%s", str_c(id)),
                                     control_crn(rq, "/user=%s", id))
                       : control_ref(str_c(id), api_url(rq, "/iam/v2/service-accounts/%s", str_c(id)),
                                     control_crn(rq, "/service-account=%s", id));
    json_object_set_new(ref, "api_version", json_string("iam/v2"));
    json_object_set_new(ref, "kind", json_string(user ? "User" : "ServiceAccount"));
    return ref;
}

/* --- fields of a body ------------------------------------------------------------------------------ */

static bool fail_field(struct api_request *rq, const char *pointer, const char *what)
{
    struct str detail = arena_printf(rq->arena, "%s %s.", pointer, what);
    api_fail_at(rq, 400, "invalid_request", detail.data ? detail.data : what, pointer, NULL);
    return false;
}

bool control_str(struct api_request *rq, const json_t *object, const char *name, const char *pointer,
                 bool required, struct str *ret)
{
    const json_t *value = json_object_get(object, name);
    *ret = STR_NULL;
    if (!value || json_is_null(value)) return required ? fail_field(rq, pointer, "is required") : true;
    if (!json_is_string(value)) return fail_field(rq, pointer, "must be a string");
    *ret = (struct str){ json_string_value(value), json_string_length(value) };
    return true;
}

bool control_ref_id(struct api_request *rq, const json_t *object, const char *name, const char *pointer,
                    bool required, struct str *ret)
{
    const json_t *value = json_object_get(object, name);
    *ret = STR_NULL;
    if (!value || json_is_null(value)) return required ? fail_field(rq, pointer, "is required") : true;
    if (!json_is_object(value)) return fail_field(rq, pointer, "must be an object with an id");
    return control_str(rq, value, "id", pointer, required, ret);
}

json_t *control_spec(struct api_request *rq)
{
    json_t *body = api_body(rq);
    if (!body) return NULL;
    json_t *spec = json_object_get(body, "spec");
    if (json_is_object(spec)) return spec;
    (void)fail_field(rq, "/spec", "is required and must be an object");
    return NULL;
}

void control_fail(struct api_request *rq, status error, const struct why *why, struct str location)
{
    const char *detail = why && why->text[0] ? why->text : NULL;
    if (error.code == E_LIMIT) {
        api_fail_at(rq, 402, "quota_exceeded", detail ? detail : status_text(error), NULL, NULL);
        return;
    }
    if (error.code == E_EXISTS && location.data) rq->http->set_header(rq, "Location", location.data);
    api_fail(rq, error, detail);
}

/* --- pages ----------------------------------------------------------------------------------------- */

bool control_page_begin(struct control_page *p, struct api_request *rq)
{
    *p = (struct control_page){ .rq = rq };
    if (!api_page(rq, &p->page)) return false;
    p->data = json_array();
    return true;
}

bool control_page_room(struct control_page *p)
{
    if (p->count < p->page.size) return true;
    p->more = true;
    return false;
}

void control_page_add(struct control_page *p, json_t *take_row, const char *id)
{
    json_array_append_new(p->data, take_row);
    str_copy(p->last, sizeof p->last, str_c(id));
    p->count++;
}

void control_page_end(struct control_page *p, status result, const char *api_version, const char *kind,
                      int64_t total)
{
    if (failed(result)) {
        json_decref(p->data);
        api_fail(p->rq, result, NULL);
        return;
    }
    api_reply_list(p->rq, api_version, kind, p->data, p->more ? p->last : NULL, total);
}
