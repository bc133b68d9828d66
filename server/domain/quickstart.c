/* quickstart.c - writes, reads and prints the quickstart. Domain thread, before the loop runs. */
#include "domain/quickstart.h"

#include "base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define FIELD(name) { #name, offsetof(struct quickstart, name), sizeof(((struct quickstart *)0)->name) }
static const struct { const char *name; size_t at, size; } fields[] = {
    FIELD(console_url), FIELD(rest_url), FIELD(ca_file), FIELD(admin_user), FIELD(admin_password),
    FIELD(cloud_api_key), FIELD(cloud_api_secret), FIELD(environment_id), FIELD(cluster_id),
    FIELD(bootstrap_servers), FIELD(sasl_mechanism), FIELD(kafka_api_key), FIELD(kafka_api_secret),
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])

static json_t *to_json(const struct quickstart *quickstart)
{
    json_t *json = json_object();
    for (size_t i = 0; json && i < FIELD_COUNT; i++) {
        const char *value = (const char *)quickstart + fields[i].at;
        if (value[0]) json_object_set_new(json, fields[i].name, json_string(value));
    }
    return json;
}

/* To a temporary name, synced, then renamed: there is the whole file or none. */
status quickstart_write(const char *data_dir, const struct quickstart *quickstart)
{
    int dir = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return status_from_errno(errno);
    status result = OK;
    unlinkat(dir, "quickstart.json.new", 0);
    int fd = openat(dir, "quickstart.json.new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    json_t *json = to_json(quickstart);
    if (fd < 0) result = status_from_errno(errno);
    else if (!json || json_dumpfd(json, fd, JSON_INDENT(2)) != 0) result = FAIL(IO);
    else if (write(fd, "\n", 1) != 1) result = FAIL(IO);
    else if (fsync(fd) != 0) result = status_from_errno(errno);
    json_decref(json);
    if (fd >= 0) close(fd);
    if (is_ok(result) && renameat(dir, "quickstart.json.new", dir, "quickstart.json") != 0)
        result = status_from_errno(errno);
    if (is_ok(result) && fsync(dir) != 0) result = status_from_errno(errno);
    close(dir);
    return result;
}

status quickstart_read(const char *data_dir, struct quickstart *ret)
{
    char path[512];
    json_error_t error;
    struct quickstart quickstart = { 0 };
    snprintf(path, sizeof path, "%s/quickstart.json", data_dir);
    if (access(path, R_OK) != 0) return status_from_errno(errno);
    json_t *json = json_load_file(path, 0, &error);
    if (!json) return FAIL(MALFORMED);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const char *value = json_string_value(json_object_get(json, fields[i].name));
        if (value) str_copy((char *)&quickstart + fields[i].at, fields[i].size, str_c(value));
    }
    json_decref(json);
    *ret = quickstart;
    return OK;
}

static void print_kcat(FILE *out, const struct quickstart *q, const char *before, const char *rest)
{
    fprintf(out, "  %skcat -b %s -X security.protocol=SASL_PLAINTEXT -X sasl.mechanism=%s "
                 "-X sasl.username=%s -X sasl.password=%s -t payments %s\n", before, q->bootstrap_servers,
            q->sasl_mechanism, q->kafka_api_key, q->kafka_api_secret, rest);
}

void quickstart_print(FILE *out, const char *data_dir, const struct quickstart *q)
{
    fprintf(out, "\nLeat serves.\n\n  console   %s\n  login     %s\n  password  %s\n", q->console_url,
            q->admin_user, q->admin_password);
    if (q->cluster_id[0]) {
        fprintf(out, "\nProduce to the demo cluster, and read:\n\n");
        print_kcat(out, q, "echo hello | ", "-P");
        print_kcat(out, q, "", "-C -o beginning -e");
    }
    fprintf(out, "\nThe same by REST:\n\n  curl %s%s%s-u %s:%s %s/leat/v1/clusters\n",
            q->ca_file[0] ? "--cacert " : "", q->ca_file, q->ca_file[0] ? " " : "", q->cloud_api_key,
            q->cloud_api_secret, q->rest_url);
    fprintf(out, "\nAll of this is kept in %s/quickstart.json.\n\n", data_dir);
    fflush(out);
}
