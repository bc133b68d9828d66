/* model.h - what tests of a module against a naive model share: seeds, choices, and failing with
 * the seed in the message. LEAT_MODEL_SEEDS=N runs N seeds instead of the few of every day,
 * LEAT_MODEL_FIRST=S begins with seed S. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct model_random {
    uint64_t state;
    int seed, step; /* for messages */
};

static inline struct model_random model_seed(int seed)
{
    return (struct model_random){ .state = (uint64_t)seed * 0x9e3779b97f4a7c15u + 1, .seed = seed };
}

static inline uint64_t model_next(struct model_random *r) /* splitmix64 */
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline int64_t model_below(struct model_random *r, int64_t n) /* 0 … n-1 */
{
    return (int64_t)(model_next(r) % (uint64_t)n);
}

static inline bool model_chance(struct model_random *r, int percent)
{
    return model_below(r, 100) < percent;
}

static inline int model_env(const char *name, int usual)
{
    const char *text = getenv(name);
    return text && atoi(text) > 0 ? atoi(text) : usual;
}

/* Calls run(seed) for each seed of this run. */
static inline void model_runs(void (*run)(int seed), int usual)
{
    int first = model_env("LEAT_MODEL_FIRST", 1), count = model_env("LEAT_MODEL_SEEDS", usual);
    for (int seed = first; seed < first + count; seed++) run(seed);
}

#define MODEL_CHECK(r, condition, format, ...)                                                     \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("seed %d, step %d: " format, (r)->seed, (r)->step __VA_OPT__(, ) __VA_ARGS__); \
    } while (0)
