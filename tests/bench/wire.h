/* wire.h - frames of the benchmark, coded by hand: what is measured shares no code with what measures. */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API_PRODUCE 0
#define API_FETCH 1
#define API_CREATE_TOPICS 19
#define PRODUCE_VERSION 8 /* the last ones before flexible coding: positions are easy to find */
#define FETCH_VERSION 11
#define CREATE_TOPICS_VERSION 4
#define HEAD 57 /* of a record batch, up to and without the count of records */

struct out {
    uint8_t *data;
    size_t len, cap;
};

static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

static inline uint8_t *put(struct out *o, size_t n)
{
    if (o->len + n > o->cap) {
        o->cap = (o->len + n) * 2;
        o->data = realloc(o->data, o->cap);
        if (!o->data) die("memory");
    }
    o->len += n;
    return o->data + o->len - n;
}

static inline void be(uint8_t *at, uint64_t v, int n)
{
    for (int i = 0; i < n; i++) at[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

static inline uint64_t get(const uint8_t *at, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++) v = v << 8 | at[i];
    return v;
}

static inline void put_int(struct out *o, uint64_t v, int n) { be(put(o, (size_t)n), v, n); }

static inline void put_str(struct out *o, const char *s)
{
    size_t n = strlen(s);
    put_int(o, n, 2);
    memcpy(put(o, n), s, n);
}

/* Begins a request; the size is filled in by seal. The correlation id lies at 8. */
static inline void begin(struct out *o, int api, int version)
{
    o->len = 0;
    put_int(o, 0, 4);
    put_int(o, (uint64_t)api, 2);
    put_int(o, (uint64_t)version, 2);
    put_int(o, 0, 4);
    put_str(o, "bench");
}

static inline void seal(struct out *o) { be(o->data, o->len - 4, 4); }
