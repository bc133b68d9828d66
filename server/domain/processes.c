/* processes.c - the processes of a cluster: what they use, and what they wrote to their logs. */
#include "domain/processes.h"

#include "domain/clusters.h"
#include "supervise/log_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 8
#define PATH_BYTES 640

struct asking {
    struct job job;
    char folder[PATH_BYTES];
    struct processes found;
    processes_done done;
    void *arg;
};

/* Takes fd. What vanishes meanwhile does not count. */
static void add_up(int fd, int depth, struct processes *found)
{
    struct stat st;
    DIR *dir = depth > 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
        found->disk_bytes += (int64_t)st.st_blocks * 512;
        found->files += S_ISREG(st.st_mode);
        int below = S_ISDIR(st.st_mode)
                        ? openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        if (below >= 0) add_up(below, depth - 1, found);
    }
    closedir(dir);
}

static void work(struct job *job)
{
    struct asking *a = CONTAINER_OF(job, struct asking, job);
    int fd = open(a->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) add_up(fd, DEPTH_MAX, &a->found);
    for (int i = 0; i < a->found.count; i++)
        process_usage(a->found.rows[i].info.pid, &a->found.rows[i].usage);
}

static void worked(struct job *job)
{
    struct asking *a = CONTAINER_OF(job, struct asking, job);
    a->done(a->arg, OK, &a->found);
    mem_free(a);
}

static void add(struct domain *domain, struct processes *found, const char *role, const char *format,
                const char *cluster_id)
{
    struct process_row *row = &found->rows[found->count];
    snprintf(row->id, sizeof row->id, format, cluster_id);
    row->role = role;
    if (domain->supervisor && supervisor_info(domain->supervisor, row->id, &row->info)) found->count++;
}

void processes_list(struct domain *domain, struct str cluster_id, processes_done done, void *arg)
{
    struct cluster c;
    status result = clusters_get(domain->db, cluster_id, &c);
    struct asking *a = is_ok(result) ? mem_zalloc(sizeof *a) : NULL;
    if (!a) {
        done(arg, failed(result) ? result : FAIL(NO_MEMORY), NULL);
        return;
    }
    a->job = (struct job){ .work = work, .done = worked };
    a->done = done;
    a->arg = arg;
    snprintf(a->folder, sizeof a->folder, "%s/clusters/%s", domain->options.data_dir, c.id);
    add(domain, &a->found, "broker", "%.39s-1", c.id);
    add(domain, &a->found, "demo", "demo-%.39s", c.id);
    result = loop_submit(domain->loop, &a->job, LANE_BACKGROUND);
    if (is_ok(result)) return;
    mem_free(a);
    done(arg, result, NULL);
}

status processes_log(const struct domain *domain, const char *cluster_id, int lines, struct buf *out)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/clusters/%s/log/broker.log", domain->options.data_dir, cluster_id);
    return log_file_tail(path, lines, out);
}
