/* table.c - answers as tables for people, or as JSON. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CELL_MAX 256

const json_t *field_at(const json_t *object, const char *path)
{
    while (object && *path) {
        size_t n = strcspn(path, ".");
        char name[128];
        if (n >= sizeof name) return NULL;
        memcpy(name, path, n);
        name[n] = 0;
        object = json_object_get(object, name);
        path += n + (path[n] == '.');
    }
    return object;
}

const char *text_at(const json_t *object, const char *path)
{
    const char *s = json_string_value(field_at(object, path));
    return s ? s : "";
}

static void thousands(char *ret, size_t size, int64_t v)
{
    char digits[32];
    int n = snprintf(digits, sizeof digits, "%" PRId64, v < 0 ? -v : v);
    size_t at = 0;
    if (v < 0 && at + 1 < size) ret[at++] = '-';
    for (int i = 0; i < n && at + 2 < size; i++) {
        if (i && (n - i) % 3 == 0) ret[at++] = ',';
        ret[at++] = digits[i];
    }
    ret[at] = 0;
}

static void humanise(char *ret, size_t size, double v, const char *suffix)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    size_t u = 0;
    while (v >= 1024 && u + 1 < ARRAY_LEN(units)) v /= 1024, u++;
    snprintf(ret, size, u == 0 ? "%.0f %s%s" : "%.1f %s%s", v, units[u], suffix);
}

/* A list of references reads as their ids. */
static void ids_of(const json_t *list, char ret[CELL_MAX])
{
    size_t i, at = 0;
    json_t *item;
    json_array_foreach(list, i, item) {
        const char *id = json_is_string(item) ? json_string_value(item) : text_at(item, "id");
        int n = snprintf(ret + at, CELL_MAX - at, "%s%s", at ? ", " : "", id);
        if (n < 0 || (size_t)n >= CELL_MAX - at) return;
        at += (size_t)n;
    }
}

static void cell_of(const json_t *row, const struct column *c, char ret[CELL_MAX])
{
    const json_t *v = field_at(row, c->path);
    ret[0] = 0;
    if (!v || json_is_null(v)) {
        snprintf(ret, CELL_MAX, "-");
    } else if (json_is_number(v)) {
        double n = json_number_value(v);
        if (c->kind == COL_BYTES || c->kind == COL_RATE) {
            if (n < 0) snprintf(ret, CELL_MAX, "no limit");
            else humanise(ret, CELL_MAX, n, c->kind == COL_RATE ? "/s" : "");
        } else {
            thousands(ret, CELL_MAX, (int64_t)n);
        }
    } else if (json_is_string(v)) {
        const char *s = json_string_value(v);
        if (c->kind == COL_RATE && *s) humanise(ret, CELL_MAX, strtod(s, NULL), "/s");
        else snprintf(ret, CELL_MAX, "%s", s);
    } else if (json_is_boolean(v)) {
        snprintf(ret, CELL_MAX, "%s", json_is_true(v) ? "yes" : "no");
    } else if (json_is_array(v)) {
        ids_of(v, ret);
    } else {
        char *s = json_dumps(v, JSON_COMPACT);
        snprintf(ret, CELL_MAX, "%s", s ? s : "");
        free(s); /* tidy: allowed, jansson's own memory */
    }
    for (char *p = ret; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) *p = '?'; /* keeps the terminal whole */
}

/* Columns of UTF-8 text on a terminal. */
static size_t width_of(const char *s)
{
    size_t n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void print_cell(const char *text, size_t width, bool right, bool last)
{
    size_t pad = width - width_of(text);
    if (right) printf("%*s", (int)pad, "");
    fputs(text, stdout);
    if (!right && !last) printf("%*s", (int)pad, "");
    fputs(last ? "\n" : "  ", stdout);
}

static void print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
}

void table_print(const struct cli *cli, const json_t *rows, const struct column *columns,
                 size_t count)
{
    size_t width[16], i;
    json_t *row;
    char cell[CELL_MAX];
    if (cli->json) {
        print_json(rows);
        return;
    }
    if (json_array_size(rows) == 0) {
        puts("(none)");
        return;
    }
    for (size_t c = 0; c < count; c++) {
        width[c] = strlen(columns[c].title);
        json_array_foreach(rows, i, row) {
            cell_of(row, &columns[c], cell);
            if (width_of(cell) > width[c]) width[c] = width_of(cell);
        }
    }
    for (size_t c = 0; c < count; c++)
        print_cell(columns[c].title, width[c], columns[c].kind != COL_TEXT, c + 1 == count);
    json_array_foreach(rows, i, row) {
        for (size_t c = 0; c < count; c++) {
            cell_of(row, &columns[c], cell);
            print_cell(cell, width[c], columns[c].kind != COL_TEXT, c + 1 == count);
        }
    }
}

void table_object(const struct cli *cli, const json_t *object, const struct column *columns,
                  size_t count)
{
    char cell[CELL_MAX];
    if (cli->json) {
        print_json(object);
        return;
    }
    for (size_t c = 0; c < count; c++) {
        cell_of(object, &columns[c], cell);
        printf("%-22s %s\n", columns[c].title, cell);
    }
}
