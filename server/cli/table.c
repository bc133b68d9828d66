/* table.c - answers as tables for people, or as JSON. views.h says how a view reads. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#define CELL_MAX 256
#define COLUMNS_MAX 24
#define NARROWEST 12 /* a text column is not made narrower than this */

struct column {
    char title[40], path[64];
    char kind;
    size_t width;
};

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

void json_print(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
}

void json_line(const json_t *value)
{
    json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
    putchar('\n');
    fflush(stdout);
}

/* --- cells ------------------------------------------------------------------------------------ */

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

static void duration(char *ret, size_t size, int64_t ms)
{
    int64_t s = ms / 1000, m = s / 60, h = m / 60;
    if (ms < 60000) snprintf(ret, size, "%.1f s", (double)ms / 1000);
    else if (m < 60) snprintf(ret, size, "%d m %d s", (int)m, (int)(s % 60));
    else if (h < 48) snprintf(ret, size, "%d h %d m", (int)h, (int)(m % 60));
    else snprintf(ret, size, "%lld d %d h", (long long)(h / 24), (int)(h % 24));
}

static void number_cell(char *ret, size_t size, double n, char kind)
{
    if (kind == 'b' || kind == 'r') {
        if (n < 0) snprintf(ret, size, "no limit");
        else humanise(ret, size, n, kind == 'r' ? "/s" : "");
    } else if (kind == 'd') {
        duration(ret, size, (int64_t)n);
    } else if (kind == 't') {
        time_t at = (time_t)(n / 1000);
        struct tm tm;
        strftime(ret, size, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
    } else if (n == (double)(int64_t)n) {
        thousands(ret, size, (int64_t)n);
    } else {
        snprintf(ret, size, "%.6g", n);
    }
}

/* What a list reads as: its texts, or ids, or the objects' values. */
static void list_cell(const json_t *list, char ret[CELL_MAX])
{
    size_t i, at = 0;
    json_t *item, *value;
    const char *name;
    json_array_foreach(list, i, item) {
        const char *text = json_string_value(json_is_object(item) ? json_object_get(item, "id") : item);
        char made[120] = "";
        if (json_is_integer(item))
            snprintf(made, sizeof made, "%" JSON_INTEGER_FORMAT, json_integer_value(item));
        if (json_is_object(item) && !text)
            json_object_foreach(item, name, value) {
                if (!*made && json_is_string(value))
                    snprintf(made, sizeof made, "%s", json_string_value(value));
            }
        int n = snprintf(ret + at, CELL_MAX - at, "%s%s", at ? ", " : "", text ? text : made);
        if (n < 0 || (size_t)n >= CELL_MAX - at) return;
        at += (size_t)n;
    }
}

static void cell_of(const json_t *row, const struct column *c, char ret[CELL_MAX])
{
    const json_t *v = field_at(row, c->path);
    ret[0] = 0;
    if (!v) v = json_object_get(row, c->path); /* a name that has dots itself */
    if (!v || json_is_null(v)) {
        snprintf(ret, CELL_MAX, "-");
    } else if (json_is_number(v)) {
        if (c->kind || json_is_real(v)) number_cell(ret, CELL_MAX, json_number_value(v), c->kind);
        else snprintf(ret, CELL_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    } else if (json_is_string(v)) {
        const char *s = json_string_value(v);
        if (c->kind == 'r' && *s) humanise(ret, CELL_MAX, strtod(s, NULL), "/s");
        else snprintf(ret, CELL_MAX, "%s", s);
    } else if (json_is_boolean(v)) {
        snprintf(ret, CELL_MAX, "%s", json_is_true(v) ? "yes" : "no");
    } else if (json_is_array(v)) {
        list_cell(v, ret);
    } else {
        char *s = json_dumps(v, JSON_COMPACT);
        snprintf(ret, CELL_MAX, "%s", s ? s : "");
        free(s); /* tidy: allowed, jansson's own memory */
    }
    for (char *p = ret; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) *p = '?'; /* keeps the terminal whole */
}

/* --- columns ---------------------------------------------------------------------------------- */

/* Columns of a terminal that the text takes; *ret_fit: how many bytes of it fit into `max` columns. */
static size_t width_of(const char *s, size_t max, size_t *ret_fit)
{
    mbstate_t state = { 0 };
    size_t width = 0, at = 0, len = strlen(s);
    *ret_fit = 0;
    while (at < len) {
        wchar_t wide;
        size_t n = mbrtowc(&wide, s + at, len - at, &state);
        int w = 1;
        if (n == 0 || n == (size_t)-1 || n == (size_t)-2) {
            /* No locale, or no text of it: count what begins a UTF-8 character. */
            memset(&state, 0, sizeof state);
            for (n = 1; at + n < len && ((unsigned char)s[at + n] & 0xc0) == 0x80; n++) continue;
        } else if ((w = wcwidth(wide)) < 0) {
            w = 1;
        }
        width += (size_t)w;
        at += n;
        if (width <= max) *ret_fit = at;
    }
    return width;
}

static void print_cell(const char *text, size_t width, bool right, bool last)
{
    size_t fit, need = width_of(text, width, &fit);
    bool cut = need > width;
    if (cut) need = width_of(text, width - 1, &fit), need = width;
    char shown[CELL_MAX + 8];
    snprintf(shown, sizeof shown, "%.*s%s", (int)fit, text, cut ? "…" : "");
    if (cut) {
        size_t all;
        need = width_of(shown, CELL_MAX, &all);
    }
    int pad = width > need ? (int)(width - need) : 0;
    if (right) printf("%*s", pad, "");
    fputs(shown, stdout);
    if (!right && !last) printf("%*s", pad, "");
    fputs(last ? "\n" : "  ", stdout);
}

/* Reads "TITLE=path:kind …" up to '/' or the end. */
static size_t read_columns(const char *view, struct column ret[COLUMNS_MAX])
{
    size_t count = 0;
    while (count < COLUMNS_MAX) {
        view += strspn(view, " ");
        size_t n = strcspn(view, " "), title = strcspn(view, "=");
        if (n == 0 || *view == '/') break;
        struct column *c = &ret[count++];
        const char *path = view + title + 1;
        size_t path_len = n - title - 1;
        bool kind = path_len > 2 && path[path_len - 2] == ':';
        *c = (struct column){ .kind = kind ? path[path_len - 1] : 0 };
        snprintf(c->path, sizeof c->path, "%.*s", (int)(path_len - (kind ? 2 : 0)), path);
        snprintf(c->title, sizeof c->title, "%.*s", (int)title, view);
        for (char *p = c->title; *p; p++)
            if (*p == '_') *p = ' ';
        view += n;
    }
    return count;
}

/* Makes the widest texts narrower until a row fits on the terminal. The first column is what rows are called:
 * it is not cut; a name that is too long for it has a line to itself. */
static void fit(struct column *columns, size_t count)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 40) return;
    for (;;) {
        size_t all = 2 * (count - 1), widest = count;
        for (size_t i = 0; i < count; i++) {
            all += columns[i].width;
            bool text = columns[i].kind == 0 && i > 0 && columns[i].width > NARROWEST;
            if (text && (widest == count || columns[i].width > columns[widest].width)) widest = i;
        }
        if (all <= size.ws_col) return;
        if (widest == count) {
            size_t rest = all - columns[0].width;
            if (count > 1 && columns[0].kind == 0 && rest + NARROWEST <= size.ws_col)
                columns[0].width = size.ws_col - rest;
            return;
        }
        columns[widest].width--;
    }
}

void view_rows(const json_t *rows, const char *view)
{
    struct column columns[COLUMNS_MAX];
    size_t count = read_columns(view, columns), i, all;
    char cell[CELL_MAX];
    json_t *row;
    if (json_array_size(rows) == 0) {
        puts("(none)");
        return;
    }
    for (size_t c = 0; c < count; c++) {
        columns[c].width = width_of(columns[c].title, CELL_MAX, &all);
        json_array_foreach(rows, i, row) {
            cell_of(row, &columns[c], cell);
            size_t width = width_of(cell, CELL_MAX, &all);
            if (width > columns[c].width) columns[c].width = width;
        }
    }
    fit(columns, count);
    for (size_t c = 0; c < count; c++)
        print_cell(columns[c].title, columns[c].width, columns[c].kind, c + 1 == count);
    json_array_foreach(rows, i, row) {
        for (size_t c = 0; c < count; c++) {
            cell_of(row, &columns[c], cell);
            if (c == 0 && count > 1 && width_of(cell, CELL_MAX, &all) > columns[c].width) {
                puts(cell);
                cell[0] = 0;
            }
            print_cell(cell, columns[c].width, columns[c].kind, c + 1 == count);
        }
    }
}

/* One object, a line a field. */
static void view_object(const json_t *object, const char *view)
{
    struct column columns[COLUMNS_MAX];
    size_t count = read_columns(view, columns);
    char cell[CELL_MAX];
    for (size_t c = 0; c < count; c++) {
        cell_of(object, &columns[c], cell);
        printf("%-22s %s\n", columns[c].title, cell);
    }
}

void view_print(const struct cli *cli, const json_t *answer, const char *view)
{
    const json_t *data = json_is_array(answer) ? answer : json_object_get(answer, "data");
    if (cli->json) {
        json_print(answer);
        return;
    }
    if (!view) return;
    if (json_is_array(data)) {
        view_rows(data, view);
        return;
    }
    view_object(answer, view);
    const char *inner = strchr(view, '/');
    while (inner && inner[1] != ' ') inner = strchr(inner + 1, '/'); /* a title may have one: "MS/S" */
    if (!inner) return;
    char field[64];
    inner += 2;
    size_t n = strcspn(inner, ":");
    snprintf(field, sizeof field, "%.*s", (int)n, inner);
    if (inner - 2 != view) putchar('\n');
    view_rows(json_object_get(answer, field), inner + n + 1);
}
