/* yaml.h - a YAML file as a tree whose nodes know their lines. By libyaml.
 *
 * Bounded: 1 MiB, 100,000 nodes, 12 levels. Anchors, aliases, tags, merge keys, more than one document and
 * keys that stand twice are refused: what a file says stands in it once, where one looks. */
#pragma once
#include "cli/cli.h"

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };
struct yaml_node {
    enum yaml_kind kind;
    int line;
    const char *text;         /* YAML_TEXT; NULL: nothing stands there (null, ~ or empty) */
    size_t len;
    bool quoted;
    struct yaml_node **items; /* of a list; of a map the values */
    struct yaml_node **names; /* of a map */
    size_t count, room;
};

/* The tree of a file ("-": standard input). Exits when it is not YAML, saying where. */
const struct yaml_node *yaml_load(const char *path);
/* The value of that name; NULL: there is none. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *name);
