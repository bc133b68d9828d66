/* cgroups.c - control groups of brokers, v1 and v2. Domain thread; a few small writes to the kernel. */
#include "supervise/cgroups.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 768

static const char *const controllers[CGROUP_KINDS] = { "memory", "pids", "cpu" };

/* --- files of the kernel ----------------------------------------------------------------------------- */

static bool path_of(char path[PATH_SIZE], const char *folder, const char *id, const char *file)
{
    int n = snprintf(path, PATH_SIZE, "%s%s%s%s%s", folder, id[0] ? "/" : "", id, file[0] ? "/" : "", file);
    return n > 0 && n < PATH_SIZE;
}

static status put(const char *folder, const char *id, const char *file, const char *text)
{
    char path[PATH_SIZE];
    if (!path_of(path, folder, id, file)) return FAIL(INVALID);
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC); /* as a shell writes them */
    if (fd < 0) return status_from_errno(errno);
    bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int e = errno;
    close(fd);
    return written ? OK : status_from_errno(e);
}

static status put_number(const char *folder, const char *id, const char *file, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    return put(folder, id, file, text);
}

static bool get(const char *folder, const char *id, const char *file, char *text, size_t size)
{
    char path[PATH_SIZE];
    if (!path_of(path, folder, id, file)) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    return n > 0;
}

/* -1: "max", more than any machine has, or not there. */
static int64_t get_number(const char *folder, const char *id, const char *file)
{
    char text[64], *end;
    if (!folder[0] || !get(folder, id, file, text, sizeof text)) return -1;
    long long value = strtoll(text, &end, 10);
    return end == text || value < 0 || value >= INT64_MAX - (1 << 20) ? -1 : value;
}

/* "name N" in a file of several lines. */
static int64_t get_named(const char *folder, const char *id, const char *file, const char *name)
{
    char text[4096];
    long long value = -1;
    if (!folder[0] || !get(folder, id, file, text, sizeof text)) return -1;
    for (char *save, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        size_t n = strlen(name);
        if (strncmp(line, name, n) == 0 && line[n] == ' ') value = strtoll(line + n, NULL, 10);
    }
    return value;
}

/* --- what can be done here ---------------------------------------------------------------------------- */

/* Its own group in the hierarchy of a controller, or (NULL) in that of v2. */
static bool own_group(const char *self, const char *controller, char ret[PATH_SIZE])
{
    char line[1024];
    bool found = false;
    FILE *f = fopen(self, "re");
    while (f && !found && fgets(line, sizeof line, f)) {
        char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
        if (!path) continue;
        *path++ = 0;
        path[strcspn(path, "\n")] = 0;
        if (!controller) found = names[1] == 0;
        else
            for (char *save, *n = strtok_r(names + 1, ",", &save); n; n = strtok_r(NULL, ",", &save))
                found |= strcmp(n, controller) == 0;
        if (found) found = str_copy(ret, PATH_SIZE, str_c(strcmp(path, "/") == 0 ? "" : path));
    }
    if (f) fclose(f);
    return found;
}

/* The group of all brokers, and that one can be made in it. */
static bool usable(const char *base, const char *file, struct why *why)
{
    char path[PATH_SIZE];
    if ((mkdir(base, 0755) != 0 && errno != EEXIST) || !path_of(path, base, "try", "")) {
        why_set(why, "%.180s cannot be made: %s", base, strerror(errno));
        return false;
    }
    bool made = mkdir(path, 0755) == 0 || errno == EEXIST;
    int e = errno;
    bool there = made && path_of(path, base, "try", file) && access(path, W_OK) == 0;
    if (path_of(path, base, "try", "")) (void)rmdir(path);
    if (!made) why_set(why, "no group can be made in %.180s: %s", base, strerror(e));
    else if (!there) why_set(why, "%.180s has no %s that may be written", base, file);
    return there;
}

static void find_v1(struct cgroups *c, const char *mounts, const char *self)
{
    static const char *const files[CGROUP_KINDS] = { "memory.limit_in_bytes", "pids.max", "cpu.shares" };
    char group[PATH_SIZE];
    for (int k = 0; k < CGROUP_KINDS; k++) {
        if (!own_group(self, controllers[k], group)) {
            why_set(&c->why[k], "the kernel has no controller %s", controllers[k]);
            continue;
        }
        int n = snprintf(c->base[k], sizeof c->base[k], "%s/%s%s/%s", mounts, controllers[k], group, c->name);
        bool fits = n > 0 && (size_t)n < sizeof c->base[k];
        if (!fits) why_set(&c->why[k], "its path is too long");
        if (!fits || !usable(c->base[k], files[k], &c->why[k])) {
            if (fits) (void)rmdir(c->base[k]);
            c->base[k][0] = 0;
        }
    }
}

static void find_v2(struct cgroups *c, const char *mounts, const char *self)
{
    static const char *const files[CGROUP_KINDS] = { "memory.max", "pids.max", "cpu.weight" };
    char group[PATH_SIZE], parent[PATH_SIZE], base[512], text[32];
    bool fits = own_group(self, NULL, group);
    char *slash = fits ? strrchr(group, '/') : NULL;
    if (slash) *slash = 0;
    fits = fits && path_of(parent, mounts, "", "") && strlen(parent) + strlen(group) < sizeof parent;
    if (fits) strcat(parent, group); /* tidy: allowed, it fits */
    int n = fits ? snprintf(base, sizeof base, "%s/%s", parent, c->name) : -1;
    if (n <= 0 || (size_t)n >= sizeof base) {
        for (int k = 0; k < CGROUP_KINDS; k++) why_set(&c->why[k], "leatd has no group that it can see");
        return;
    }
    for (int k = 0; k < CGROUP_KINDS; k++) {
        snprintf(text, sizeof text, "+%s", controllers[k]);
        (void)put(parent, "", "cgroup.subtree_control", text); /* it may be on already; else said below */
        if (mkdir(base, 0755) == 0 || errno == EEXIST) (void)put(base, "", "cgroup.subtree_control", text);
        if (usable(base, files[k], &c->why[k])) memcpy(c->base[k], base, sizeof base);
    }
    if (!c->base[0][0] && !c->base[1][0] && !c->base[2][0]) (void)rmdir(base);
}

void cgroups_find(struct cgroups *ret, const char *mounts, const char *self, const char *tag)
{
    char path[PATH_SIZE];
    *ret = (struct cgroups){ 0 };
    snprintf(ret->name, sizeof ret->name, "leat-%08x", crc32c(0, tag, strlen(tag)));
    if (!mounts) {
        for (int k = 0; k < CGROUP_KINDS; k++) why_set(&ret->why[k], "switched off by --cgroups none");
        return;
    }
    if (path_of(path, mounts, "", "cgroup.controllers") && access(path, F_OK) == 0) {
        ret->version = 2;
        find_v2(ret, mounts, self);
    } else {
        ret->version = 1;
        find_v1(ret, mounts, self);
    }
}

/* --- a broker's ------------------------------------------------------------------------------------- */

static void limit(const struct cgroups *c, enum cgroup_kind kind, const char *id,
                  const struct cgroup_limits *l)
{
    const char *base = c->base[kind];
    status s = OK;
    if (kind == CGROUP_MEMORY && c->version == 1) {
        s = put_number(base, id, "memory.limit_in_bytes", l->memory_bytes);
    } else if (kind == CGROUP_MEMORY) {
        s = l->memory_bytes < 0 ? put(base, id, "memory.max", "max")
                                : put_number(base, id, "memory.max", l->memory_bytes);
    } else if (kind == CGROUP_PIDS) {
        s = l->processes < 0 ? put(base, id, "pids.max", "max")
                             : put_number(base, id, "pids.max", l->processes);
    } else {
        int64_t weight = l->weight < 0 ? 100 : l->weight;
        s = c->version == 1 ? put_number(base, id, "cpu.shares", weight * 1024 / 100)
                            : put_number(base, id, "cpu.weight", weight);
    }
    if (failed(s)) log_warn("%s: its %s cannot be limited: %s", id, controllers[kind], status_text(s));
}

/* Where the process is now, when that is a group of the same name and service elsewhere. */
static bool former_group(const struct cgroups *c, enum cgroup_kind kind, const char *id, int pid,
                         char ret[PATH_SIZE])
{
    char file[64], group[PATH_SIZE], mount[PATH_SIZE], end[128];
    const char *base = c->base[kind];
    snprintf(file, sizeof file, "/proc/%d/cgroup", pid);
    if (pid <= 0 || !own_group(file, c->version == 2 ? NULL : controllers[kind], group)) return false;
    int n = snprintf(end, sizeof end, "/%s/%s", c->name, id);
    size_t len = strlen(group);
    if (n <= 0 || len < (size_t)n || strcmp(group + len - (size_t)n, end) != 0) return false;
    const char *root = c->version == 2 ? NULL : strstr(base, controllers[kind]);
    size_t root_len = root ? (size_t)(root - base) + strlen(controllers[kind]) : strlen("/sys/fs/cgroup");
    if (!str_copy(mount, sizeof mount, (struct str){ base, root_len })) return false;
    return snprintf(ret, PATH_SIZE, "%s%s", mount, group) < PATH_SIZE;
}

void cgroups_join(const struct cgroups *c, const char *id, int pid, const struct cgroup_limits *limits)
{
    char path[PATH_SIZE], former[PATH_SIZE];
    for (int k = 0; k < CGROUP_KINDS; k++) {
        if (!c->base[k][0] || !path_of(path, c->base[k], id, "")) continue;
        (void)mkdir(c->base[k], 0755); /* went with its last group */
        if (mkdir(path, 0755) != 0 && errno != EEXIST) {
            log_warn("%s cannot be made: %s", path, strerror(errno));
            continue;
        }
        limit(c, (enum cgroup_kind)k, id, limits);
        if (pid <= 0) continue;
        bool moves = former_group(c, (enum cgroup_kind)k, id, pid, former) && strcmp(former, path) != 0;
        status s = put_number(c->base[k], id, "cgroup.procs", pid);
        if (failed(s)) log_warn("%s cannot join %s: %s", id, path, status_text(s));
        if (!moves || failed(s)) continue;
        (void)rmdir(former);
        *strrchr(former, '/') = 0;
        (void)rmdir(former); /* when it was the last one */
    }
}

void cgroups_leave(const struct cgroups *c, const char *id)
{
    char path[PATH_SIZE];
    for (int k = 0; k < CGROUP_KINDS; k++) {
        if (!c->base[k][0] || !path_of(path, c->base[k], id, "")) continue;
        if (rmdir(path) != 0 && errno != ENOENT) log_warn("%s stays: %s", path, strerror(errno));
        (void)rmdir(c->base[k]); /* when it was the last one */
    }
}

void cgroups_read(const struct cgroups *c, const char *id, struct cgroup_figures *ret)
{
    const char *memory = c->base[CGROUP_MEMORY], *pids = c->base[CGROUP_PIDS], *cpu = c->base[CGROUP_CPU];
    bool old = c->version == 1;
    ret->memory_bytes = get_number(memory, id, old ? "memory.usage_in_bytes" : "memory.current");
    ret->memory_limit_bytes = get_number(memory, id, old ? "memory.limit_in_bytes" : "memory.max");
    ret->out_of_memory = get_named(memory, id, old ? "memory.oom_control" : "memory.events", "oom_kill");
    ret->processes = get_number(pids, id, "pids.current");
    ret->processes_limit = get_number(pids, id, "pids.max");
    ret->weight = get_number(cpu, id, old ? "cpu.shares" : "cpu.weight");
    if (old && ret->weight >= 0) ret->weight = (ret->weight * 100 + 512) / 1024;
}

void cgroups_tidy(const struct cgroups *c, bool (*keep)(void *arg, const char *id), void *arg)
{
    char path[PATH_SIZE];
    for (int k = 0; k < CGROUP_KINDS; k++) {
        DIR *dir = c->base[k][0] ? opendir(c->base[k]) : NULL;
        if (!dir) continue;
        for (struct dirent *e; (e = readdir(dir)) != NULL;)
            if (e->d_type == DT_DIR && e->d_name[0] != '.' && !keep(arg, e->d_name) &&
                path_of(path, c->base[k], e->d_name, ""))
                (void)rmdir(path); /* only one without processes goes */
        closedir(dir);
        (void)rmdir(c->base[k]);
    }
}
