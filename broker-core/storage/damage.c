/* damage.c - what is known to be wrong with the files of a log. Loop thread, or recovery.
 *
 * Damage met while reading leaves the log in service: what stands before it and behind it is served,
 * a read of what it hit is refused. A log that recovery cannot bring back is offline: nobody touches
 * its files until somebody has looked at them. */
#include "base/log.h"
#include "storage/storage_int.h"

#include <stdarg.h>
#include <stdio.h>

const char *plog_damage(const struct plog *log) { return log->damage.text; }
bool plog_offline(const struct plog *log) { return log->offline; }

void damage_done(struct plog *log)
{
    mem_free(log->damage.text);
    log->damage = (struct damage){ 0 };
}

void damage_settle(struct plog *log)
{
    if (log->damage.text && !log->offline && log->start >= log->damage.until) damage_done(log);
}

static void __attribute__((format(printf, 3, 4)))
note(struct plog *log, int64_t until, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_error("%s", text);
    if (until > log->damage.until) log->damage.until = until;
    if (!log->damage.text) log->damage.text = mem_strdup(text); /* without memory: told, at least */
}

static bool is_new(struct plog *log, int64_t segment, int64_t position)
{
    struct damage *d = &log->damage;
    for (uint32_t i = 0; i < d->count; i++)
        if (d->places[i].segment == segment && d->places[i].position == position) return false;
    if (d->count == DAMAGE_PLACES_MAX) return false;
    d->places[d->count++] = (struct damage_place){ segment, position };
    return true;
}

static void told(struct plog *log, const struct segment *s, int64_t position, int64_t until)
{
    note(log, until,
         "%s/%020lld.log is damaged at position %lld: its records up to offset %lld cannot be read. "
         "Go on at that offset; deleting the records below it ends this message",
         log->folder, (long long)s->base, (long long)position, (long long)until);
}

void damage_met(struct plog *log, struct segment *s, int64_t position, int64_t next)
{
    int64_t at;
    struct batch_header h;
    segment_doubt(s, position); /* all that is served from there on has its batches looked at first */
    if (!is_new(log, s->base, position)) return;
    status behind = segment_skip(s, position, next < 0 ? s->base : next, &at, &h);
    told(log, s, position, is_ok(behind) ? h.base_offset : s->end);
}

void damage_found(struct plog *log, const struct segment *s, int64_t position, int64_t until)
{
    if (is_new(log, s->base, position)) told(log, s, position, until);
}

void damage_missing(struct plog *log, int64_t from, int64_t until)
{
    if (!is_new(log, from, -1)) return;
    note(log, until,
         "%s: the records from offset %lld up to %lld are missing, their segments are not there. Go "
         "on at that offset; deleting the records below it ends this message",
         log->folder, (long long)from, (long long)until);
}

void damage_offline(struct plog *log, const char *what)
{
    for (uint32_t i = 0; i < log->count; i++) segment_free(log->segments[i]);
    log->count = 0;
    log->bytes = log->since_snapshot = 0;
    producer_state_done(&log->producers);
    damage_done(log);
    log->offline = log->store->offline = true;
    note(log, INT64_MAX,
         "%s is offline: %s. Its files stay as they are: bring them back from a backup, or delete "
         "the topic; `leat-broker check` lists what is wrong",
         log->folder, what);
}
