/* features.c - the features of this broker as a table. */
#include "broker/features.h"

#include "base/mem.h"

static const struct feature features[] = {
#define FEATURE(name, lowest, highest, level) { name, lowest, highest, level },
#include "broker/features.def"
#undef FEATURE
};

const struct feature *feature_table(size_t *ret_count)
{
    *ret_count = ARRAY_LEN(features);
    return features;
}

const struct feature *feature_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(features); i++)
        if (str_eq_c(name, features[i].name)) return &features[i];
    return NULL;
}
