/* records_search.h - a search through a topic that tells what it finds while it looks: all partitions
 * merged by time, bounded in records found, records and bytes looked at, the filter's steps, and time.
 * Domain thread; one round of at most SEARCH_FETCH_BYTES a turn of the loop.
 *
 * The partition that is furthest behind in time (newest first: furthest ahead) is read next, and what was
 * found is told once no other partition can hold anything before it. Within a partition whose timestamps
 * do not rise this order is as good as its timestamps are. */
#pragma once
#include "domain/records.h"

#define SEARCHES_MAX 16                    /* at once, of everybody */
#define SEARCH_LIMIT_MAX 10000
#define SEARCH_RECORDS_MAX 100000000
#define SEARCH_BYTES_MAX (16LL << 30)
#define SEARCH_TIME_MAX_MS 300000
#define SEARCH_FETCH_BYTES (1 << 20)
#define SEARCH_PLAIN_MAX (16 << 20)        /* of one batch, inflated */
#define SEARCH_PLAIN_RATIO 1000            /* … and so much larger than it was, from 1 MiB on */
#define SEARCH_INFLATE_MS 1000             /* … and in so much time, else the search ends */
#define SEARCH_HELD_RECORDS 20000          /* found and not yet told */
#define SEARCH_HELD_BYTES (32 << 20)

struct search_query {
    const char *cluster_id;
    struct str principal;
    struct str topic;
    int32_t partitions, partition;         /* -1: all */
    enum scan_from from;
    int64_t offset, time;                  /* where to begin, with SCAN_OFFSET, SCAN_TIME */
    int64_t to_offset, to_time;            /* the last to look at; -1: the end as it is now */
    int64_t limit;                         /* records found */
    int64_t max_records, max_bytes, max_ms;/* looked at */
    int32_t value_max;                     /* longer keys and values are cut */
    struct record_filter *filter;          /* the caller's, alive until done or stopped; NULL: everything */
};
struct search_state {
    const struct scan_cursor *cursors;     /* of each: start, end, next, and result */
    int32_t cursor_count;
    int64_t found, told, records, bytes;
    int64_t unreadable;                    /* batches that could not be inflated or read */
    int64_t left;                          /* offsets not looked at yet; an upper bound */
};
struct search_events {
    void *(*keep)(void *arg, const struct scan_record *record); /* a copy; NULL: no memory */
    status (*tell)(void *arg, void *item);  /* OK: took it. BUSY: asked again later. else: the end */
    void (*drop)(void *arg, void *item);
    status (*progress)(void *arg, const struct search_state *state); /* four times a second; the same */
    /* Once, last. why: "end", "limit", "max_records", "max_bytes", "max_ms", "filter" (its steps are spent),
     * "slow" (nobody took what was found), or "" when the result is a failure. */
    void (*done)(void *arg, status result, const char *why, const struct search_state *state);
    void *arg;
};
struct search;
/* Texts are copied; no event comes before it returns. BUSY: SEARCHES_MAX. */
status search_start(struct domain *domain, const struct search_query *query,
                    const struct search_events *events, struct search **ret_search);
/* No event comes any more, but drop() for what is held; freed when the broker has answered what is asked.
 * `done` follows with why "" and CONFLICT then: only after it may the filter and arg go. */
void search_stop(struct search *search);
