/* wiregen.c - build tool: reads the schema texts, writes messages.h (structs) and messages.c
 * (tables for codec.c).
 *
 *   wiregen messages.h messages.c kafka.txt leat.txt
 *
 * The notation is described at the top of schema/kafka.txt. A line that cannot be understood ends
 * the build with its file and number. Runs alone: it is built before anything of ours exists. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME 160
#define MESSAGES_MAX 1000
#define STRUCTS_MAX 4000
#define FIELDS_MAX 20000
#define DEPTH_MAX 12
#define WORDS_MAX 24
#define LINE_MAX_BYTES 1000
#define FIELD_NAME 48 /* sizes in table.h and codec.h */
#define MESSAGE_NAME 56
#define NEVER_FROM 1
#define NEVER_TO 0

struct range {
    int from, to;
};

struct field {
    char name[NAME];
    char c_name[NAME];
    char type[NAME]; /* without [] */
    char def[NAME];
    struct range in, null, tagged;
    struct structure *of;
    int tag;
    bool array, ignorable, classic, has_def;
    struct field *next;
};

struct structure {
    char name[NAME];
    char c_name[NAME];
    struct field *fields, *last;
    int count;
    int tag_count;
    int index; /* in wire_structs, in the order of writing */
    bool written;
    struct structure *next; /* of the same message */
};

struct message {
    char name[NAME];
    char c_name[NAME];
    char kind[NAME];
    int key, min, max, flex;
    bool unstable_last, retired;
    struct structure *body;
    struct structure *structs;
};

static struct message messages[MESSAGES_MAX];
static struct structure structs[STRUCTS_MAX];
static struct field fields[FIELDS_MAX];
static int message_count, struct_count, field_count;
static struct structure *written[STRUCTS_MAX];
static int written_count;

static const char *at_file;
static int at_line;

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: ", at_file ? at_file : "wiregen", at_line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void copy(char *to, const char *from)
{
    if (snprintf(to, NAME, "%s", from) >= NAME) die("name too long: %s", from);
}

/* --- names ------------------------------------------------------------------------------------ */

static const char *const keywords[] = {
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else",
    "enum", "extern", "float", "for", "goto", "if", "inline", "int", "long", "register",
    "restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef",
    "union", "unsigned", "void", "volatile", "while", "bool", "true", "false",
};

/* FooBar -> foo_bar, KRaftID -> k_raft_id; a keyword gets a '_' behind it. */
static void snake(char *to, const char *from)
{
    size_t n = 0;
    for (size_t i = 0; from[i]; i++) {
        bool upper = isupper((unsigned char)from[i]);
        bool after_lower = i > 0 && !isupper((unsigned char)from[i - 1]);
        bool before_lower = i > 0 && islower((unsigned char)from[i + 1]);
        if (n + 3 >= NAME) die("name too long: %s", from);
        if (upper && (after_lower || before_lower)) to[n++] = '_';
        to[n++] = (char)tolower((unsigned char)from[i]);
    }
    to[n] = 0;
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (strcmp(keywords[i], to) != 0) continue;
        to[n++] = '_';
        to[n] = 0;
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

static int parse_int(const char *text, char **end)
{
    long v = strtol(text, end, 10);
    if (*end == text || v < 0 || v > 32767) die("not a number from 0 to 32767: %s", text);
    return (int)v;
}

static struct range parse_range(const char *text)
{
    struct range r = { NEVER_FROM, NEVER_TO };
    if (strcmp(text, "none") == 0) return r;
    char *end;
    r.from = parse_int(text, &end);
    r.to = r.from;
    if (*end == '+') {
        r.to = INT16_MAX;
        end++;
    } else if (*end == '-') {
        r.to = parse_int(end + 1, &end);
    }
    if (*end) die("not a range of versions: %s", text);
    return r;
}

static const char *option(const char *word, const char *name)
{
    size_t n = strlen(name);
    return strncmp(word, name, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static struct structure *structure_new(struct message *m, const char *name)
{
    if (struct_count == STRUCTS_MAX) die("too many structs");
    for (struct structure *s = m->structs; s; s = s->next) {
        if (strcmp(s->name, name) == 0) die("struct %s twice", name);
    }
    struct structure *s = &structs[struct_count++];
    char own[NAME];
    copy(s->name, name);
    snake(own, name);
    if (snprintf(s->c_name, NAME, "%s_%s", m->c_name, own) >= NAME) die("name too long");
    s->next = m->structs;
    m->structs = s;
    return s;
}

static struct message *parse_message(char **words, int n)
{
    static const char *const kinds[] = { "request", "response", "header", "data", "coordinator-key",
                                         "coordinator-value", "control", "image" };
    if (n < 6) die("msg KIND KEY NAME valid=… flex=… expected");
    if (message_count == MESSAGES_MAX) die("too many messages");
    struct message *m = &messages[message_count++];
    bool known = false;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        known |= !strcmp(kinds[i], words[1]);
    }
    if (!known) die("unknown kind %s", words[1]);
    char *end;
    copy(m->kind, words[1]);
    m->key = strcmp(words[2], "-") ? parse_int(words[2], &end) : -1;
    copy(m->name, words[3]);
    snake(m->c_name, words[3]);
    if (!strcmp(m->kind, "header")) { /* header.h has the structs that people use */
        char own[NAME];
        copy(own, m->c_name);
        if (snprintf(m->c_name, NAME, "wire_%s", own) >= NAME) die("name too long");
    }
    const char *valid = option(words[4], "valid"), *flex = option(words[5], "flex");
    if (!valid || !flex) die("valid=… flex=… expected");
    struct range v = parse_range(valid), f = parse_range(flex);
    m->retired = v.from > v.to;
    m->min = v.from;
    m->max = v.to;
    m->flex = f.from > f.to ? INT16_MAX : f.from;
    if (!m->retired && m->max == INT16_MAX) die("valid needs an upper end");
    for (int i = 6; i < n; i++) m->unstable_last |= !strcmp(words[i], "unstable_last");
    if (struct_count == STRUCTS_MAX) die("too many structs");
    m->body = &structs[struct_count++];
    copy(m->body->name, m->name);
    copy(m->body->c_name, m->c_name);
    return m;
}

static void parse_option(struct field *f, const char *word)
{
    const char *v;
    if ((v = option(word, "null"))) f->null = parse_range(v);
    else if ((v = option(word, "def"))) {
        copy(f->def, v);
        f->has_def = true;
    } else if ((v = option(word, "tag"))) {
        char *end;
        f->tag = parse_int(v, &end);
        if (*end != ':') die("tag=N:VERSIONS expected");
        f->tagged = parse_range(end + 1);
    } else if ((v = option(word, "flex"))) {
        if (strcmp(v, "none")) die("a field's flex can only be none");
        f->classic = true;
    } else if (!strcmp(word, "ign")) f->ignorable = true;
    else if (strcmp(word, "key") && strcmp(word, "zc") && !option(word, "ent")) {
        die("unknown option %s", word);
    }
}

static struct field *parse_field(struct structure *in, char **words, int n)
{
    if (n < 3) die(".FIELD TYPE VERSIONS expected");
    if (field_count == FIELDS_MAX) die("too many fields");
    struct field *f = &fields[field_count++];
    copy(f->name, words[0]);
    snake(f->c_name, words[0]);
    for (struct field *other = in->fields; other; other = other->next) {
        if (!strcmp(other->c_name, f->c_name)) die("field %s twice", f->name);
    }
    f->array = strncmp(words[1], "[]", 2) == 0;
    copy(f->type, words[1] + (f->array ? 2 : 0));
    f->in = parse_range(words[2]);
    f->null = f->tagged = (struct range){ NEVER_FROM, NEVER_TO };
    for (int i = 3; i < n; i++) parse_option(f, words[i]);
    if (f->tagged.from <= f->tagged.to && f->tag >= in->tag_count) in->tag_count = f->tag + 1;
    if (in->last) in->last->next = f;
    else in->fields = f;
    in->last = f;
    in->count++;
    return f;
}

struct place { /* where the next field belongs: one struct for each depth */
    struct message *message;
    struct structure *at[DEPTH_MAX + 1];
    struct field *last[DEPTH_MAX + 1];
    int depth;
};

static void parse_field_line(struct place *p, char **words, int n)
{
    int depth = 0;
    while (words[0][depth] == '.') depth++;
    words[0] += depth;
    if (!p->message) die("a field outside a message");
    if (depth > DEPTH_MAX || depth > p->depth + 1) die("too many dots");
    if (depth == p->depth + 1) {
        struct field *parent = p->last[p->depth];
        if (!parent || !isupper((unsigned char)parent->type[0])) die("fields below a plain field");
        p->at[depth] = structure_new(p->message, parent->type);
    }
    p->depth = depth;
    p->last[depth] = parse_field(p->at[depth], words, n);
}

static void parse_line(struct place *p, char *line)
{
    char *words[WORDS_MAX], *save = NULL;
    int n = 0;
    for (char *w = strtok_r(line, " \t\r\n", &save); w; w = strtok_r(NULL, " \t\r\n", &save)) {
        if (n == WORDS_MAX) die("too many words");
        words[n++] = w;
    }
    if (n == 0 || words[0][0] == '#') return;
    if (words[0][0] == '.') {
        parse_field_line(p, words, n);
    } else if (!strcmp(words[0], "msg")) {
        p->message = parse_message(words, n);
        p->at[1] = p->message->body;
        p->depth = 1;
        p->last[1] = NULL;
    } else if (!strcmp(words[0], "struct") && n >= 2 && p->message) {
        p->at[1] = structure_new(p->message, words[1]);
        p->depth = 1;
        p->last[1] = NULL;
    } else {
        die("msg, struct or .FIELD expected: %s", words[0]);
    }
}

static void parse_file(const char *path)
{
    FILE *in = fopen(path, "r");
    at_file = path;
    at_line = 0;
    if (!in) die("%s", strerror(errno));
    struct place p = { 0 };
    char line[LINE_MAX_BYTES];
    while (fgets(line, sizeof line, in)) {
        at_line++;
        if (!strchr(line, '\n') && !feof(in)) die("line too long");
        parse_line(&p, line);
    }
    fclose(in);
}

/* --- checking --------------------------------------------------------------------------------- */

static bool is_scalar(const char *type)
{
    static const char *const types[] = { "bool",   "int8",  "int16",   "uint16",
                                         "int32",  "uint32", "int64",  "float64",
                                         "string", "bytes", "records", "uuid" };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (!strcmp(types[i], type)) return true;
    }
    return false;
}

static void resolve(struct message *m, struct structure *s)
{
    for (struct field *f = s->fields; f; f = f->next) {
        if (is_scalar(f->type)) continue;
        for (struct structure *o = m->structs; o; o = o->next) {
            if (!strcmp(o->name, f->type)) f->of = o;
        }
        if (!f->of) die("%s: unknown type %s of %s", m->name, f->type, f->name);
    }
}

static void resolve_all(void)
{
    for (int i = 0; i < message_count; i++) {
        resolve(&messages[i], messages[i].body);
        for (struct structure *s = messages[i].structs; s; s = s->next) resolve(&messages[i], s);
    }
    for (int i = 0; i < struct_count; i++) {
        for (int j = 0; j < i; j++) {
            bool same = !strcmp(structs[i].c_name, structs[j].c_name);
            if (same) die("two structs %s", structs[i].c_name);
        }
    }
}

/* --- writing ---------------------------------------------------------------------------------- */

static bool is_pointer(const struct field *f)
{
    return f->of && !f->array && f->null.from <= f->null.to;
}

static void write_type(FILE *out, const struct field *f)
{
    if (f->of) fprintf(out, "struct %s ", f->of->c_name);
    else if (!strcmp(f->type, "bool")) fputs("bool ", out);
    else if (!strcmp(f->type, "float64")) fputs("double ", out);
    else if (!strcmp(f->type, "string")) fputs("struct str ", out);
    else if (!strcmp(f->type, "bytes") || !strcmp(f->type, "records")) fputs("struct bytes ", out);
    else if (!strcmp(f->type, "uuid")) fputs("struct uuid ", out);
    else fprintf(out, "%s_t ", f->type);
}

static void write_struct(FILE *out, struct structure *s, int depth)
{
    if (s->written) return;
    if (depth > DEPTH_MAX) die("%s contains itself", s->name);
    for (struct field *f = s->fields; f; f = f->next) {
        if (f->of && f->of != s) write_struct(out, f->of, depth + 1);
    }
    s->written = true;
    s->index = written_count;
    written[written_count++] = s;
    fprintf(out, "struct %s {\n", s->c_name);
    if (!s->fields) fputs("    char nothing; /* no fields */\n", out);
    for (struct field *f = s->fields; f; f = f->next) {
        fputs("    ", out);
        write_type(out, f);
        fprintf(out, "%s%s;\n", f->array || is_pointer(f) ? "*" : "", f->c_name);
        if (f->array) fprintf(out, "    int32_t %s_count;\n", f->c_name);
    }
    fprintf(out, "};\n#define %s_struct (wire_structs[%d])\n\n", s->c_name, s->index);
}

static void write_header(FILE *out)
{
    fputs("/* messages.h - made by wiregen from wire/schema; do not edit. */\n#pragma once\n"
          "#include \"wire/table.h\"\n\n", out);
    for (int i = 0; i < message_count; i++) {
        struct message *m = &messages[i];
        if (m->retired) continue;
        write_struct(out, m->body, 0);
        fprintf(out, "extern const struct wire_message %s_message;\n\n", m->c_name);
    }
}

static void write_upper(FILE *out, const char *text)
{
    for (; *text; text++) fputc(*text == '-' ? '_' : toupper((unsigned char)*text), out);
}

static void write_range(FILE *out, const char *name, struct range r)
{
    fprintf(out, " .%s = { %d, %d },", name, r.from, r.to);
}

static void write_default(FILE *out, const struct field *f)
{
    if (!f->has_def || !strcmp(f->def, "null") || !strcmp(f->def, "\"\"")) return;
    if (f->array || f->of) die("%s: only null can be a default here", f->name);
    if (!strcmp(f->type, "string")) die("%s: a string's default is \"\" or null", f->name);
    char *end = NULL;
    errno = 0;
    long long v = !strcmp(f->def, "true")    ? 1
                  : !strcmp(f->def, "false") ? 0
                                             : strtoll(f->def, &end, 0);
    if (errno || (end && *end)) die("%s: bad default %s", f->name, f->def);
    if (v == INT64_MIN) fputs(" .default_number = INT64_MIN,", out);
    else fprintf(out, " .default_number = %lldLL,", v);
}

static void write_flags(FILE *out, const struct field *f)
{
    fputs(" .flags = 0", out);
    if (f->array) fputs(" | WIRE_ARRAY", out);
    if (f->ignorable) fputs(" | WIRE_IGNORABLE", out);
    if (f->classic) fputs(" | WIRE_CLASSIC", out);
    if (is_pointer(f)) fputs(" | WIRE_POINTER", out);
    if (f->has_def && !strcmp(f->def, "null")) fputs(" | WIRE_DEFAULT_NULL", out);
    if (!strcmp(f->name, "ErrorCode") && !strcmp(f->type, "int16")) fputs(" | WIRE_ERROR_CODE", out);
    fputs(" },\n", out);
}

static void write_field(FILE *out, const struct structure *s, const struct field *f)
{
    if (strlen(f->name) >= FIELD_NAME) die("field name too long: %s", f->name);
    fprintf(out, "    { .name = \"%s\", .type = WIRE_", f->name);
    write_upper(out, f->of ? "struct" : !strcmp(f->type, "records") ? "bytes" : f->type);
    fprintf(out, ", .at = offsetof(struct %s, %s),", s->c_name, f->c_name);
    if (f->array) fprintf(out, " .count_at = offsetof(struct %s, %s_count),", s->c_name, f->c_name);
    if (f->of) fprintf(out, " .of = %d,", f->of->index);
    write_range(out, "in", f->in);
    write_range(out, "null", f->null);
    write_range(out, "tagged", f->tagged);
    if (f->tag) fprintf(out, " .tag = %d,", f->tag);
    write_default(out, f);
    write_flags(out, f);
}

static void write_message(FILE *out, const struct message *m)
{
    if (strlen(m->name) >= MESSAGE_NAME) die("message name too long: %s", m->name);
    fprintf(out, "const struct wire_message %s_message = { \"%s\", WIRE_", m->c_name, m->name);
    write_upper(out, m->kind);
    fprintf(out, ", %d, %d, %d, %d, %d, %s };\n", m->body->index, m->key, m->min, m->max, m->flex,
            m->unstable_last ? "true" : "false");
}

/* No pointers in the tables: then they stay in pages that all processes share. */
static void write_structs(FILE *out)
{
    fputs("const struct wire_field wire_fields[] = {\n", out);
    for (int i = 0; i < written_count; i++) {
        fprintf(out, "    /* %s */\n", written[i]->c_name);
        for (struct field *f = written[i]->fields; f; f = f->next) write_field(out, written[i], f);
    }
    fputs("};\n\nconst struct wire_struct wire_structs[] = {\n", out);
    int first = 0;
    for (int i = 0; i < written_count; i++) {
        const struct structure *s = written[i];
        fprintf(out, "    { %d, %d, %d, sizeof(struct %s) },\n", first, s->count, s->tag_count,
                s->c_name);
        first += s->count;
    }
    fputs("};\n\n", out);
}

static void write_index(FILE *out, const char *kind)
{
    int high = -1;
    for (int i = 0; i < message_count; i++) {
        const struct message *m = &messages[i];
        if (!m->retired && !strcmp(m->kind, kind) && m->key > high) high = m->key;
    }
    fprintf(out, "const struct wire_message *const wire_%ss[] = {\n", kind);
    for (int i = 0; i < message_count; i++) {
        const struct message *m = &messages[i];
        if (m->retired || strcmp(m->kind, kind)) continue;
        fprintf(out, "    [%d] = &%s_message,\n", m->key, m->c_name);
    }
    fprintf(out, "};\nconst int wire_%s_count = %d;\n\n", kind, high + 1);
}

static void write_tables(FILE *out)
{
    fputs("/* messages.c - made by wiregen from wire/schema; do not edit. */\n"
          "#include \"wire/messages.h\"\n\n", out);
    write_structs(out);
    for (int i = 0; i < message_count; i++) {
        if (!messages[i].retired) write_message(out, &messages[i]);
    }
    fputc('\n', out);
    write_index(out, "request");
    write_index(out, "response");
    fputs("const struct wire_message *const wire_messages[] = {\n", out);
    for (int i = 0; i < message_count; i++) {
        if (!messages[i].retired) fprintf(out, "    &%s_message,\n", messages[i].c_name);
    }
    fputs("    NULL,\n};\n", out);
}

static void write_file(const char *path, void (*writer)(FILE *out))
{
    at_file = path;
    at_line = 0;
    FILE *out = fopen(path, "w");
    if (!out) die("%s", strerror(errno));
    writer(out);
    if (fclose(out) != 0) die("%s", strerror(errno));
}

int main(int argc, char **argv)
{
    if (argc < 4) die("usage: wiregen messages.h messages.c schema…");
    for (int i = 3; i < argc; i++) parse_file(argv[i]);
    resolve_all();
    write_file(argv[1], write_header);
    write_file(argv[2], write_tables);
    return 0;
}
