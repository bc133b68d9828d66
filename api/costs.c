/* costs.c - /billing/v1/costs: what clusters used, a line a day and kind; and the prices of its units. Costs
 * are read on the domain thread, which counts first. A page's token is "DAY CLUSTER INDEX" of its last
 * line. */
#include "api/access.h"
#include "api/control.h"
#include "api/handlers.h"
#include "domain/usage.h"

#include <stdio.h>

#define API_VERSION "billing/v1"
#define PAGE_DEFAULT 5000
#define PAGE_MAX 10000

struct listing {
    struct api_request *rq;
    json_t *data;
    int64_t size, count;
    char last[100];
};

static json_t *to_json(struct api_request *rq, const struct usage_line *l)
{
    double amount = l->quantity * l->price;
    struct str id = arena_printf(rq->arena, "%s.%s.%s", l->day, l->cluster_id, l->type);
    json_t *resource = json_pack("{s:s, s:s, s:{s:s}}", "id", l->cluster_id, "display_name",
                                 l->display_name, "environment", "id", l->environment_id);
    return json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:f, s:s, s:f, s:f, s:f, s:f, s:o}",
                     "api_version", API_VERSION, "kind", "Cost", "id", api_str(id), "start_date", l->day,
                     "end_date", l->next_day, "granularity", "DAILY", "product", "KAFKA", "line_type",
                     l->type, "price", l->price, "unit", l->unit, "quantity", l->quantity,
                     "original_amount", amount, "discount_amount", 0.0, "amount", amount, "resource",
                     resource);
}

static bool add_line(void *arg, const struct usage_line *l)
{
    struct listing *p = arg;
    const struct role_scope scope = { .environment_id = str_c(l->environment_id),
                                      .cluster_id = str_c(l->cluster_id) };
    if (!access_allows(p->rq, &scope)) return true;
    if (p->count++ == p->size) return false;
    json_array_append_new(p->data, to_json(p->rq, l));
    snprintf(p->last, sizeof p->last, "%s %s %d", l->day, l->cluster_id, l->index);
    return true;
}

static bool read_day(struct api_request *rq, const char *name, struct str *ret)
{
    *ret = rq->http->query(rq, name, 0);
    if (usage_is_day(*ret)) return true;
    struct str detail = arena_printf(rq->arena, "The query parameter %s is required: a date such as "
                                     "2026-01-31.", name);
    api_fail_at(rq, 400, "invalid_request", detail.data, NULL, name);
    return false;
}

/* false: answered 400. */
static bool read_token(struct api_request *rq, struct usage_line *ret)
{
    char own[100] = "";
    struct str token = rq->http->query(rq, "page_token", 0);
    *ret = (struct usage_line){ .index = -1 };
    if (str_is_null(token)) return true;
    static_assert(sizeof ret->day == 11 && sizeof ret->cluster_id >= 24, "as the format below says");
    bool fine = str_copy(own, sizeof own, token) &&
                sscanf(own, "%10s %23s %d", ret->day, ret->cluster_id, &ret->index) == 3;
    if (!fine)
        api_fail_at(rq, 400, "invalid_request", "This page_token is not one of ours.", NULL, "page_token");
    return fine;
}

void costs_list_get(struct api_request *rq)
{
    struct str start, end;
    struct usage_line after;
    struct listing p = { .rq = rq };
    if (!read_day(rq, "start_date", &start) || !read_day(rq, "end_date", &end) || !read_token(rq, &after) ||
        !api_query_i64(rq, "page_size", PAGE_DEFAULT, 1, PAGE_MAX, &p.size))
        return;
    if (str_cmp(start, end) >= 0) {
        api_fail_at(rq, 400, "invalid_request", "end_date comes after start_date; it is not included itself.",
                    NULL, "end_date");
        return;
    }
    access_mark_asked(rq); /* of each line, in add_line */
    if (after.index < 0) usage_now(rq->domain); /* later pages are of the same moment as the first */
    p.data = json_array();
    status result = usage_lines(rq->db, arena_str(rq->arena, start).data, arena_str(rq->arena, end).data,
                                &after, add_line, &p);
    if (failed(result)) {
        json_decref(p.data);
        api_fail(rq, result, NULL);
        return;
    }
    api_reply_list(rq, API_VERSION, "CostList", p.data, p.count > p.size ? p.last : NULL, -1);
}

/* --- prices ---------------------------------------------------------------------------------------- */

static void reply_prices(struct api_request *rq)
{
    double prices[USAGE_TYPES];
    status result = usage_prices(rq->db, prices);
    if (failed(result)) {
        api_fail(rq, result, NULL);
        return;
    }
    json_t *data = json_array();
    for (int i = 0; i < USAGE_TYPES; i++)
        json_array_append_new(data, json_pack("{s:s, s:s, s:f}", "line_type", usage_types[i], "unit",
                                              usage_units[i], "price", prices[i]));
    api_reply_list(rq, NULL, "PriceList", data, NULL, USAGE_TYPES);
}

void prices_list_get(struct api_request *rq) { reply_prices(rq); }

void prices_put(struct api_request *rq)
{
    const char *name;
    json_t *value;
    double prices[USAGE_TYPES];
    struct actor actor = control_actor(rq);
    json_t *body = api_body(rq), *wanted = json_object_get(body, "prices");
    if (!body) return;
    status result = usage_prices(rq->db, prices);
    json_object_foreach(wanted, name, value) {
        int type = 0;
        while (type < USAGE_TYPES && strcmp(name, usage_types[type]) != 0) type++;
        bool fine = type < USAGE_TYPES && json_is_number(value) && json_number_value(value) >= 0 &&
                    json_number_value(value) < 1e9;
        if (!fine) {
            api_fail_at(rq, 422, "invalid_configuration", "prices has numbers from 0 by line_type: "
                        "KAFKA_STORAGE, KAFKA_PARTITION, KAFKA_NETWORK_READ, KAFKA_NETWORK_WRITE, "
                        "KAFKA_BASE.", "/prices", NULL);
            return;
        }
        prices[type] = json_number_value(value);
    }
    if (is_ok(result)) result = usage_prices_set(rq->domain, &actor, prices);
    if (failed(result)) api_fail(rq, result, NULL);
    else reply_prices(rq);
}
