/* alert_message.c - what receivers get: JSON for webhooks, with a signature; Slack's form; a mail.
 * Alerts are told as they are when the message leaves, also by a late attempt. Domain thread. */
#include "domain/alerts_int.h"

#include "domain/bootstrap.h"
#include "notify/mail.h"
#include "notify/signature.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TOLD_MAX = 50, LISTED_MAX = 20 }; /* alerts in a webhook's body; lines in a text for people */

struct message {
    json_t *alerts;
    int64_t firing, resolved, more;
    char rule_id[ID_TEXT], rule_name[NAME_MAX_BYTES + 1], kind[32], severity[16];
    char description[TEXT_MAX_BYTES + 1];
    double threshold;
    struct buf lines;  /* one an alert, for people */
    char title[200], console[400];
};

static json_t *time_json(int64_t ms)
{
    char text[40];
    struct tm tm;
    time_t seconds = (time_t)(ms / 1000);
    if (ms <= 0 || !gmtime_r(&seconds, &tm)) return json_null();
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof text - n, ".%03dZ", (int)(ms % 1000));
    return json_string(text);
}

json_t *alert_text_json(struct str s)
{
    char text[1024];
    size_t n = 0;
    json_t *json = json_stringn(s.data ? s.data : "", s.len);
    for (size_t at = 0; !json && at < s.len && n + 8 < sizeof text;) {
        size_t len = str_utf8_length((struct str){ s.data + at, s.len - at });
        if (len) memcpy(text + n, s.data + at, len);
        else text[n] = '?';
        n += len ? len : 1;
        at += len ? len : 1;
    }
    return json ? json : json_stringn(text, n);
}

static const char *unit_of(struct str kind)
{
    enum alert_kind k;
    return alert_kind_of(kind, &k) ? alert_kinds[k].unit : "";
}

static json_t *alert_json(const struct alert *a)
{
    json_t *json =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:f, s:s, s:o}", "id", alert_text_json(a->id),
                  "status", alert_text_json(a->state), "cluster_id", alert_text_json(a->cluster_id),
                  "cluster_name", alert_text_json(a->cluster_name), "environment_id",
                  alert_text_json(a->environment_id), "resource", alert_text_json(a->resource), "value",
                  a->value, "worst", a->worst, "unit", unit_of(a->kind), "text",
                  alert_text_json(a->detail));
    json_object_set_new(json, "began_at", time_json(a->pending_at));
    json_object_set_new(json, "fired_at", time_json(a->fired_at));
    json_object_set_new(json, "resolved_at", time_json(a->resolved_at));
    json_object_set_new(json, "reason", alert_text_json(a->reason));
    return json;
}

/* Names of groups are what clients say: one with a line break would otherwise write lines of its own. */
static void put_words(struct buf *out, struct str s)
{
    for (size_t at = 0, n; at < s.len; at += n) {
        const unsigned char c = (unsigned char)s.data[at];
        n = str_utf8_length((struct str){ s.data + at, s.len - at });
        if (n && c >= ' ' && c != 127) buf_put(out, s.data + at, n);
        else buf_put(out, "?", 1);
        if (!n) n = 1;
    }
}

static void add_line(struct message *m, const struct alert *a, bool resolved)
{
    buf_put_str(&m->lines, resolved ? STR("resolved ") : STR("firing "));
    put_words(&m->lines, a->cluster_name);
    if (a->resource.len && a->cluster_name.len) buf_put_str(&m->lines, STR(" / "));
    put_words(&m->lines, a->resource);
    buf_put_str(&m->lines, STR(": "));
    put_words(&m->lines, resolved ? a->reason : a->detail);
    buf_put_str(&m->lines, STR("\n"));
}

static void add_alert(void *arg, const struct alert *a)
{
    struct message *m = arg;
    bool resolved = str_eq_c(a->state, "resolved");
    if (resolved) m->resolved++;
    else m->firing++;
    if (!m->rule_name[0]) {
        str_copy(m->rule_id, sizeof m->rule_id, a->rule_id);
        str_copy(m->rule_name, sizeof m->rule_name, a->rule_name);
        str_copy(m->kind, sizeof m->kind, a->kind);
        str_copy(m->severity, sizeof m->severity, a->severity);
        str_copy(m->description, sizeof m->description, a->description);
        m->threshold = a->threshold;
    }
    if (json_array_size(m->alerts) < TOLD_MAX) json_array_append_new(m->alerts, alert_json(a));
    else m->more++;
    if (m->firing + m->resolved <= LISTED_MAX) add_line(m, a, resolved);
}

static void make_title(struct message *m, bool test)
{
    if (test) {
        snprintf(m->title, sizeof m->title, "Leat: a test message");
        buf_put_str(&m->lines, STR("This channel works. Nothing has happened.\n"));
    } else if (m->firing && m->resolved) {
        snprintf(m->title, sizeof m->title, "Leat: %s: %lld firing, %lld resolved", m->rule_name,
                 (long long)m->firing, (long long)m->resolved);
    } else {
        snprintf(m->title, sizeof m->title, "Leat: %s: %lld %s", m->rule_name,
                 (long long)(m->firing + m->resolved), m->firing ? "firing" : "resolved");
    }
}

static status read_message(struct domain *domain, const struct alert_delivery *d, struct message *m)
{
    struct quickstart urls = { 0 };
    buf_init(&m->lines, 64u << 10);
    m->alerts = json_array();
    TRY(alerts_of_delivery(domain->db, d->seq, ALERTS_OF_RULE_MAX, add_alert, m));
    if (m->firing + m->resolved > LISTED_MAX)
        buf_printf(&m->lines, "and %lld more\n", (long long)(m->firing + m->resolved - LISTED_MAX));
    make_title(m, strcmp(d->cause, "test") == 0);
    bootstrap_urls(&domain->options, &urls);
    snprintf(m->console, sizeof m->console, "%.300salerts", urls.console_url);
    return buf_check(&m->lines);
}

static status put_json(struct buf *out, json_t *take)
{
    char *text = take ? json_dumps(take, JSON_COMPACT) : NULL;
    json_decref(take);
    if (!text) return FAIL(NO_MEMORY);
    buf_put_str(out, str_c(text));
    free(text); /* tidy: allowed, jansson's */
    return buf_check(out);
}

/* --- webhook ------------------------------------------------------------------------------ */

static json_t *webhook_json(const struct alert_delivery *d, const struct message *m)
{
    bool test = strcmp(d->cause, "test") == 0;
    json_t *rule =
        test ? json_null()
             : json_pack("{s:s, s:s, s:s, s:s, s:f, s:s, s:s}", "id", m->rule_id, "name", m->rule_name,
                         "kind", m->kind, "severity", m->severity, "threshold", m->threshold, "unit",
                         unit_of(str_c(m->kind)), "description", m->description);
    return json_pack("{s:i, s:s, s:o, s:s, s:s, s:o, s:I, s:I, s:O, s:I, s:s}", "version", 1, "id",
                     d->id, "at", time_json(domain_wall()), "status",
                     test        ? "test"
                     : m->firing ? "firing"
                                 : "resolved",
                     "title", m->title, "rule", rule, "firing", (json_int_t)m->firing, "resolved",
                     (json_int_t)m->resolved, "alerts", m->alerts, "more", (json_int_t)m->more,
                     "console_url", m->console);
}

static status make_webhook(const struct alert_delivery *d, const struct alert_channel *c,
                           const struct message *m, struct str secret, struct send *send)
{
    char signature[SIGNATURE_TEXT];
    int64_t seconds = domain_wall() / 1000;
    if (!str_copy(send->url, sizeof send->url, str_c(c->url))) return FAIL(INVALID);
    TRY(put_json(&send->body, webhook_json(d, m)));
    TRY(send_header(send, "Content-Type: application/json"));
    TRY(send_header(send, "Leat-Delivery: %s", d->id));
    TRY(send_header(send, "Leat-Timestamp: %lld", (long long)seconds));
    if (!secret.len) return OK;
    signature_make(secret, seconds, buf_bytes(&send->body), signature);
    return send_header(send, "Leat-Signature: %s", signature);
}

/* --- Slack, and who reads its form: Mattermost, Rocket.Chat, Discord ---------------------- */

static void escape(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '&') buf_put_str(out, STR("&amp;"));
        else if (s.data[i] == '<') buf_put_str(out, STR("&lt;"));
        else if (s.data[i] == '>') buf_put_str(out, STR("&gt;"));
        else buf_put(out, &s.data[i], 1);
    }
}

static status make_slack(const struct message *m, struct str url, struct send *send)
{
    struct buf title, lines;
    const char *color = !m->firing                             ? "#2e9e5b"
                        : strcmp(m->severity, "critical") == 0 ? "#d64545"
                                                               : "#d9962b";
    if (!str_copy(send->url, sizeof send->url, url)) return FAIL(INVALID);
    buf_init(&title, 4096);
    buf_init(&lines, 256u << 10);
    escape(&title, str_c(m->title));
    escape(&lines, bytes_str(buf_bytes(&m->lines)));
    if (m->description[0]) escape(&lines, str_c(m->description));
    json_t *body = json_pack("{s:o, s:[{s:s, s:o, s:s, s:s, s:s}]}", "text",
                             alert_text_json(bytes_str(buf_bytes(&title))), "attachments", "color", color,
                             "text", alert_text_json(bytes_str(buf_bytes(&lines))), "title",
                             "Alerts in the console", "title_link", m->console, "fallback", m->title);
    status result = put_json(&send->body, body);
    buf_done(&title);
    buf_done(&lines);
    TRY(result);
    return send_header(send, "Content-Type: application/json");
}

/* --- mail --------------------------------------------------------------------------------- */

static status make_mail(const struct alert_delivery *d, const struct alert_channel *c,
                        const struct message *m, struct str password, struct send *send)
{
    char id[128], thread[128] = "";
    struct str to[ALERT_RECIPIENTS_MAX];
    struct buf text;
    const char *host = strchr(c->sender, '@') + 1; /* it is an address */
    struct mail mail = {
        .from = str_c(c->sender), .to = to, .subject = str_c(m->title), .at = domain_wall()
    };
    send->is_mail = true;
    send->lenient = d->http_status >= 500 && strcmp(d->cause, "test") != 0;
    send->tls = strcmp(c->tls, "none") == 0 ? SEND_TLS_NONE
              : strcmp(c->tls, "implicit") == 0 ? SEND_TLS_IMPLICIT : SEND_TLS_STARTTLS;
    const char *at = c->recipients;
    for (const char *end; mail.to_count < ALERT_RECIPIENTS_MAX && (end = strchr(at, '\n'));
         at = end + 1) {
        to[mail.to_count] = (struct str){ at, (size_t)(end - at) };
        TRY(send_to(send, to[mail.to_count++]));
    }
    if (!str_copy(send->url, sizeof send->url, str_c(c->url)) ||
        !str_copy(send->from, sizeof send->from, str_c(c->sender)) ||
        !str_copy(send->user, sizeof send->user, str_c(c->username)) ||
        !str_copy(send->password, sizeof send->password, password.data ? password : STR("")))
        return FAIL(INVALID);
    snprintf(id, sizeof id, "%s@%.80s", d->id, host);
    if (d->rule_id[0]) snprintf(thread, sizeof thread, "%s@%.80s", d->rule_id, host);
    mail.id = str_c(id);
    mail.thread = str_c(thread);
    buf_init(&text, 128u << 10);
    buf_put(&text, m->lines.data, m->lines.len);
    if (m->description[0]) buf_printf(&text, "\n%s\n", m->description);
    buf_printf(&text, "\nSeverity: %s\n%s\n", m->severity[0] ? m->severity : "none", m->console);
    mail.text = bytes_str(buf_bytes(&text));
    mail_write(&mail, &send->body);
    status result = buf_check(&text);
    buf_done(&text);
    TRY(result);
    return buf_check(&send->body);
}

status alert_message_make(struct domain *domain, const struct alert_delivery *d,
                          const struct alert_channel *c, struct send *send)
{
    struct message m = { .alerts = NULL };
    struct buf secret;
    buf_init(&secret, 16384);
    status result = read_message(domain, d, &m);
    if (is_ok(result)) result = alert_channels_secret(domain, c->id, &secret);
    struct str s = bytes_str(buf_bytes(&secret));
    if (is_ok(result) && c->ca_pem[0]) {
        send->ca_pem = mem_strdup(c->ca_pem);
        if (!send->ca_pem) result = FAIL(NO_MEMORY);
    }
    if (is_ok(result))
        result = strcmp(c->type, "webhook") == 0 ? make_webhook(d, c, &m, s, send)
               : strcmp(c->type, "slack") == 0 ? make_slack(&m, s, send) : make_mail(d, c, &m, s, send);
    if (secret.data) explicit_bzero(secret.data, secret.len);
    buf_done(&secret);
    buf_done(&m.lines);
    json_decref(m.alerts);
    return result;
}
