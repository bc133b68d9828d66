/* series.c - the kinds of series there are, as series.def lists them. */
#include "collect/history.h"

const struct series_type series_types[] = {
#define SERIES(symbol, number, name, kind, label, unit, text)                                      \
    { number, name, SERIES_##kind, SERIES_##label, unit, text },
#include "collect/series.def"
#undef SERIES
};
const size_t series_type_count = ARRAY_LEN(series_types);

const struct series_type *series_by_name(struct str name)
{
    if (str_starts(name, STR(SERIES_PREFIX)))
        name = (struct str){ name.data + sizeof SERIES_PREFIX - 1, name.len - (sizeof SERIES_PREFIX - 1) };
    for (size_t i = 0; i < series_type_count; i++)
        if (str_eq_c(name, series_types[i].name)) return &series_types[i];
    return NULL;
}

const struct series_type *series_by_number(int number)
{
    for (size_t i = 0; i < series_type_count; i++)
        if (series_types[i].number == number) return &series_types[i];
    return NULL;
}

const char *series_label_name(enum series_label label, size_t i)
{
    static const char *const names[][SERIES_LABELS_MAX] = {
        [SERIES_NONE] = { NULL }, [SERIES_TOPIC] = { "topic" }, [SERIES_PRINCIPAL] = { "principal_id" },
        [SERIES_GROUP] = { "consumer_group_id", "topic" },
    };
    return i < SERIES_LABELS_MAX ? names[label][i] : NULL;
}
