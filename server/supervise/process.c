/* process.c - the system calls behind supervision. Domain thread.
 *
 * A broker is recognised by the lock on its data folder and by the socket that answers in its run
 * folder; a plain process by a pid file that also names its start time, since pids are used again. */
#include "supervise/process.h"

#include "base/bytes.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_TAIL 4096
#define PATH_SIZE 1024

extern char **environ;

static void path_in(const struct proc_spec *spec, const char *name, char ret[PATH_SIZE])
{
    snprintf(ret, PATH_SIZE, "%s/%s", spec->folder, name);
}

static void log_path(const struct proc_spec *spec, char ret[PATH_SIZE])
{
    if (spec->is_broker) path_in(spec, "log/broker.log", ret);
    else snprintf(ret, PATH_SIZE, "%s/log/%s.log", spec->folder, spec->id);
}

void process_log_path(const struct proc_spec *spec, char *ret, size_t size)
{
    char path[PATH_SIZE];
    log_path(spec, path);
    snprintf(ret, size, "%s", path);
}

static void pid_path(const struct proc_spec *spec, char ret[PATH_SIZE])
{
    snprintf(ret, PATH_SIZE, "%s/run/%s.pid", spec->folder, spec->id);
}

status process_folders(const struct proc_spec *spec, struct why *why)
{
    static const char *const names[] = { "", "/data", "/run", "/log" };
    for (size_t i = 0; i < 4; i++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "%s%s", spec->folder, names[i]);
        if (mkdir(path, 0700) == 0 || errno == EEXIST) continue;
        why_set(why, "the folder %.150s cannot be made: %s", path, strerror(errno));
        return status_from_errno(errno);
    }
    return OK;
}

/* Of /proc/PID/stat. */
struct proc_stat {
    int64_t started;   /* clock ticks since boot */
    int64_t cpu_ticks;
};

static bool stat_read(int pid, struct proc_stat *ret)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return false;
    text[n] = 0;
    const char *rest = strrchr(text, ')'); /* the name may contain anything */
    unsigned long long user = 0, system_ticks = 0, started = 0;
    if (!rest || sscanf(rest + 1,
                        " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d"
                        " %*d %*d %llu",
                        &user, &system_ticks, &started) != 3)
        return false;
    *ret = (struct proc_stat){ (int64_t)started, (int64_t)(user + system_ticks) };
    return true;
}

/* When it started; 0 when it is gone. */
static int64_t start_time(int pid)
{
    struct proc_stat stat;
    return stat_read(pid, &stat) ? stat.started : 0;
}

static void write_pid_file(const struct proc_spec *spec, int pid)
{
    char path[PATH_SIZE];
    pid_path(spec, path);
    FILE *f = fopen(path, "we");
    if (!f) return; /* it will be started again instead of found again: harmless for a helper */
    fprintf(f, "%d %" PRId64 "\n", pid, start_time(pid));
    fclose(f);
}

bool process_find(const struct proc_spec *spec, int *ret_pid)
{
    char path[PATH_SIZE];
    int pid = 0;
    int64_t started = 0;
    pid_path(spec, path);
    FILE *f = fopen(path, "re");
    if (!f) return false;
    int n = fscanf(f, "%d %" SCNd64, &pid, &started);
    fclose(f);
    if (n != 2 || pid <= 1 || started <= 0 || start_time(pid) != started) return false;
    *ret_pid = pid;
    return true;
}

static int spawn_with(const struct proc_spec *spec, const char *log, posix_spawnattr_t *attr,
                      posix_spawn_file_actions_t *files, pid_t *ret_pid)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int e = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                               POSIX_SPAWN_SETSIGDEF);
    if (!e) e = posix_spawnattr_setsigmask(attr, &none);
    if (!e) e = posix_spawnattr_setsigdefault(attr, &all);
    if (!e) e = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
    if (!e) e = posix_spawn_file_actions_addopen(files, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (!e) e = posix_spawn_file_actions_adddup2(files, 1, 2);
    if (!e) e = posix_spawn_file_actions_addclosefrom_np(files, 3);
    if (!e) e = posix_spawn(ret_pid, spec->argv[0], files, attr, spec->argv, environ);
    return e;
}

status process_spawn(const struct proc_spec *spec, int *ret_pid, struct why *why)
{
    char log[PATH_SIZE];
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t files;
    pid_t pid = 0;
    log_path(spec, log);
    if (posix_spawnattr_init(&attr) != 0) return FAIL(NO_MEMORY);
    if (posix_spawn_file_actions_init(&files) != 0) {
        posix_spawnattr_destroy(&attr);
        return FAIL(NO_MEMORY);
    }
    int e = spawn_with(spec, log, &attr, &files, &pid);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    if (e) {
        why_set(why, "%.120s cannot be started: %s", spec->argv[0], strerror(e));
        return status_from_errno(e);
    }
    if (!spec->is_broker) write_pid_file(spec, pid);
    *ret_pid = pid;
    return OK;
}

bool process_lock_held(const struct proc_spec *spec)
{
    char path[PATH_SIZE];
    path_in(spec, "data/lock", path);
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); /* whatever a broker put there */
    if (fd < 0) return false;
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    bool held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return held;
}

/* Socket paths end at 108 bytes, so the folder's descriptor stands for its path. */
status process_probe(int run_fd, int *ret_pid, uint32_t *ret_uid)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct ucred peer;
    socklen_t len = sizeof peer;
    snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/control.sock", run_fd);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return status_from_errno(errno);
    status s = OK;
    if (connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        s = status_from_errno(errno);
    close(fd);
    if (failed(s)) return s;
    *ret_pid = peer.pid;
    *ret_uid = peer.uid;
    return peer.pid > 1 ? OK : FAIL(NOT_FOUND);
}

int process_pidfd(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

/* "KIND://HOST:PORT" or "HOST:PORT"; false: no such address. */
static bool listen_parse(const char *text, struct sockaddr_in *ret)
{
    char host[64];
    const char *kind = strstr(text, "://"), *begin = kind ? kind + 3 : text, *colon = strrchr(begin, ':');
    int64_t port;
    if (!colon || !str_to_i64(str_c(colon + 1), &port) || port < 1 || port > 65535 ||
        !str_copy(host, sizeof host, (struct str){ begin, (size_t)(colon - begin) }))
        return false;
    *ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    return inet_pton(AF_INET, host, &ret->sin_addr) == 1;
}

static bool address_taken(const struct sockaddr_in *address)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool taken = bind(fd, (const struct sockaddr *)address, sizeof *address) != 0 && errno == EADDRINUSE;
    close(fd);
    return taken;
}

bool process_port_free(const struct proc_spec *spec, struct why *why)
{
    struct sockaddr_in address;
    for (int i = 0; spec->is_broker && spec->argv[i] && spec->argv[i + 1]; i++) {
        /* What cannot be read is said by the broker. */
        if (strcmp(spec->argv[i], "--listen") != 0 || !listen_parse(spec->argv[i + 1], &address)) continue;
        if (!address_taken(&address)) continue;
        why_set(why, "port %u is taken by another process; waiting until it is free",
                (unsigned)ntohs(address.sin_port));
        return false;
    }
    return true;
}

static void last_log_line(const struct proc_spec *spec, char *ret, size_t size)
{
    char path[PATH_SIZE], tail[LOG_TAIL + 1];
    ret[0] = 0;
    log_path(spec, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    off_t end = lseek(fd, 0, SEEK_END);
    ssize_t n = pread(fd, tail, LOG_TAIL, end > LOG_TAIL ? end - LOG_TAIL : 0);
    close(fd);
    while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == ' ')) n--;
    if (n <= 0) return;
    tail[n] = 0;
    const char *line = strrchr(tail, '\n');
    line = line ? line + 1 : tail;
    /* Our own log lines begin with time and level, which say nothing in a sentence. */
    const char *level = line[0] == '2' ? strchr(line, ' ') : NULL;
    const char *text = level ? strchr(level + 1, ' ') : NULL;
    if (text) line = text + 1;
    snprintf(ret, size, "%.*s", (int)size - 1, line);
}

void process_reason(const struct proc_spec *spec, int pidfd, struct why *why)
{
    char line[180];
    siginfo_t info = { 0 };
    last_log_line(spec, line, sizeof line);
    if (pidfd >= 0 && waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) == 0 &&
        info.si_pid) {
        if (info.si_code == CLD_EXITED)
            why_set(why, "ended with status %d%s%s", info.si_status, *line ? ": " : "", line);
        else
            why_set(why, "ended by signal %d (%s)", info.si_status, strsignal(info.si_status));
        return;
    }
    why_set(why, "ended%s%s", *line ? "; its last words: " : "", line);
}

/* Memory is statm's: the same figure of stat lags behind by what each CPU has not told yet. */
void process_figures(int pid, int64_t *ret_memory_bytes, int64_t *ret_cpu_ms)
{
    char path[64];
    long long resident = 0;
    struct proc_stat stat;
    *ret_memory_bytes = *ret_cpu_ms = 0;
    if (pid <= 0 || !stat_read(pid, &stat)) return;
    *ret_cpu_ms = stat.cpu_ticks * 1000 / sysconf(_SC_CLK_TCK);
    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    FILE *f = fopen(path, "re");
    if (!f) return;
    if (fscanf(f, "%*s %lld", &resident) == 1)
        *ret_memory_bytes = (int64_t)resident * sysconf(_SC_PAGESIZE);
    fclose(f);
}

/* "Name:  123 kB" of a file of /proc/PID; -1: it may not be read, or has no such line. */
static int64_t proc_number(int pid, const char *file, const char *name)
{
    char path[64], line[256];
    long long n = -1;
    size_t len = strlen(name);
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    FILE *f = fopen(path, "re");
    if (!f) return -1;
    while (n < 0 && fgets(line, sizeof line, f)) {
        bool here = strncmp(line, name, len) == 0 && line[len] == ':';
        if (here && sscanf(line + len + 1, "%lld", &n) != 1) n = -1;
    }
    fclose(f);
    return n;
}

static int64_t count_entries(const char *path)
{
    int64_t n = -1;
    DIR *dir = opendir(path);
    if (!dir) return -1;
    for (n = 0; readdir(dir);) n++;
    closedir(dir);
    return n - 2;
}

void process_usage(int pid, struct proc_usage *ret)
{
    char path[64];
    *ret = (struct proc_usage){ .pss_bytes = -1, .threads = -1, .open_files = -1 };
    if (pid <= 0) return;
    process_figures(pid, &ret->rss_bytes, &ret->cpu_ms);
    int64_t pss = proc_number(pid, "smaps_rollup", "Pss");
    if (pss >= 0) ret->pss_bytes = pss * 1024;
    ret->threads = proc_number(pid, "status", "Threads");
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    ret->open_files = count_entries(path);
}

/* --- strays --------------------------------------------------------------------------------------------- */

/* Its data folder when it is a broker below `folder`: "--data" and a path. */
static bool broker_folder(int pid, const char *folder, char *ret, size_t size)
{
    char path[64], argv[4096];
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, argv, sizeof argv - 1);
    close(fd);
    if (n <= 0) return false;
    argv[n] = 0;
    size_t len = strlen(folder);
    for (const char *a = argv, *data = NULL; a < argv + n; a += strlen(a) + 1) {
        if (data && strncmp(a, folder, len) == 0 && a[len] == '/')
            return str_copy(ret, size, str_c(a));
        data = strcmp(a, "--data") == 0 ? a : NULL;
    }
    return false;
}

static void end_stray(int pid, const char *folder)
{
    struct proc_spec spec = { .is_broker = true };
    char data[sizeof spec.folder];
    int pidfd = process_pidfd(pid);
    if (pidfd < 0) return;
    bool broker = broker_folder(pid, folder, data, sizeof data);
    char *end = broker ? strrchr(data, '/') : NULL;
    if (end && strcmp(end, "/data") == 0) {
        *end = 0;
        memcpy(spec.folder, data, sizeof spec.folder);
        if (!process_lock_held(&spec)) {
            log_info("process %d was on its way up in %s when leatd was killed; it is ended", pid, data);
            (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        }
    }
    close(pidfd);
}

void supervisor_end_strays(const char *folder)
{
    DIR *dir = opendir("/proc");
    if (!dir) return;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        int64_t pid;
        if (str_to_i64(str_c(e->d_name), &pid) && pid > 1 && pid != getpid()) end_stray((int)pid, folder);
    }
    closedir(dir);
}
