/* yaml.c - libyaml's events as a tree. */
#include "cli/yaml.h"

#include <stdlib.h>
#include <yaml.h>

#define BYTES_MAX (1u << 20)
#define NODES_MAX 100000
#define DEPTH_MAX 12

struct loading {
    const char *path;
    yaml_parser_t parser;
    int nodes;
};

static _Noreturn void bad(const struct loading *l, int line, const char *what)
{
    exit(cli_wrong("%s:%d: %s", l->path, line, what));
}

static void *grown(void *old, size_t count, size_t size)
{
    void *memory = mem_realloc(old, count * size);
    if (!memory) exit(cli_wrong("out of memory"));
    return memory;
}

static void next(struct loading *l, yaml_event_t *ret)
{
    if (yaml_parser_parse(&l->parser, ret)) return;
    const char *why = l->parser.problem ? l->parser.problem : "this is not YAML";
    bad(l, (int)l->parser.problem_mark.line + 1, why);
}

static bool is_null(const yaml_event_t *e)
{
    const char *text = (const char *)e->data.scalar.value;
    bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return plain && (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static struct yaml_node *scalar(struct loading *l, const yaml_event_t *e, struct yaml_node *node)
{
    if (e->data.scalar.anchor) bad(l, node->line, "anchors are not taken; write it out");
    if (e->data.scalar.tag) bad(l, node->line, "tags are not taken");
    node->kind = YAML_TEXT;
    node->len = e->data.scalar.length;
    if (strlen((const char *)e->data.scalar.value) != node->len)
        bad(l, node->line, "a text has a NUL in it");
    node->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (!is_null(e)) node->text = strdup((const char *)e->data.scalar.value);
    return node;
}

static struct yaml_node *read_node(struct loading *l, yaml_event_t *take_event, int depth);

static void add(struct yaml_node *to, struct yaml_node *name, struct yaml_node *item)
{
    if (to->count == to->room) {
        to->room = to->room ? 2 * to->room : 8;
        to->items = grown(to->items, to->room, sizeof(struct yaml_node *));
        to->names = grown(to->names, to->room, sizeof(struct yaml_node *));
    }
    to->names[to->count] = name;
    to->items[to->count++] = item;
}

static void read_items(struct loading *l, struct yaml_node *node, int depth)
{
    yaml_event_t e;
    yaml_event_type_t end = node->kind == YAML_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    for (;;) {
        struct yaml_node *name = NULL;
        next(l, &e);
        if (e.type == end) break;
        if (node->kind == YAML_MAP) {
            name = read_node(l, &e, depth);
            if (name->kind != YAML_TEXT || !name->text) bad(l, name->line, "a name must be a text");
            if (strcmp(name->text, "<<") == 0) bad(l, name->line, "merge keys are not taken; write it out");
            if (yaml_get(node, name->text)) bad(l, name->line, "this name stands twice");
            next(l, &e);
        }
        add(node, name, read_node(l, &e, depth));
    }
    yaml_event_delete(&e);
}

static struct yaml_node *read_node(struct loading *l, yaml_event_t *take_event, int depth)
{
    yaml_event_t *e = take_event;
    struct yaml_node *node = mem_zalloc(sizeof *node);
    if (!node) exit(cli_wrong("out of memory"));
    node->line = (int)e->start_mark.line + 1;
    if (++l->nodes > NODES_MAX) bad(l, node->line, "the file has more than 100,000 parts");
    if (depth > DEPTH_MAX) bad(l, node->line, "this is nested too deep");
    if (e->type == YAML_ALIAS_EVENT) bad(l, node->line, "aliases are not taken; write it out");
    if (e->type == YAML_SCALAR_EVENT) {
        scalar(l, e, node);
        yaml_event_delete(e);
        return node;
    }
    bool map = e->type == YAML_MAPPING_START_EVENT;
    if (!map && e->type != YAML_SEQUENCE_START_EVENT) bad(l, node->line, "this cannot be understood");
    if (map ? e->data.mapping_start.anchor : e->data.sequence_start.anchor)
        bad(l, node->line, "anchors are not taken; write it out");
    if (map ? e->data.mapping_start.tag : e->data.sequence_start.tag)
        bad(l, node->line, "tags are not taken");
    node->kind = map ? YAML_MAP : YAML_LIST;
    yaml_event_delete(e);
    read_items(l, node, depth + 1);
    return node;
}

const struct yaml_node *yaml_load(const char *path)
{
    struct loading l = { .path = strcmp(path, "-") == 0 ? "standard input" : path };
    char *text = cli_file(path, BYTES_MAX);
    yaml_event_t e;
    if (!yaml_parser_initialize(&l.parser)) exit(cli_wrong("out of memory"));
    yaml_parser_set_input_string(&l.parser, (const unsigned char *)text, strlen(text));
    yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
    do next(&l, &e);
    while (e.type == YAML_STREAM_START_EVENT || e.type == YAML_DOCUMENT_START_EVENT);
    if (e.type == YAML_STREAM_END_EVENT) bad(&l, 1, "the file is empty");
    struct yaml_node *root = read_node(&l, &e, 0);
    next(&l, &e); /* the document's end */
    yaml_event_delete(&e);
    next(&l, &e);
    if (e.type != YAML_STREAM_END_EVENT)
        bad(&l, (int)e.start_mark.line + 1, "a file is one document; take out ---");
    yaml_parser_delete(&l.parser);
    return root;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *name)
{
    for (size_t i = 0; map && map->kind == YAML_MAP && i < map->count; i++)
        if (strcmp(map->names[i]->text, name) == 0) return map->items[i];
    return NULL;
}
