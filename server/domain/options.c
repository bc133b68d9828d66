/* options.c - parses leatd's arguments and claims its data folder. Main thread, at start. */
#include "domain/options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "usage: leatd --data DIR [options]\n"
    "\n"
    "  --data DIR           where everything is kept (made when it is not there)\n"
    "  --listen ADDR:PORT   console and REST (default 127.0.0.1:8080)\n"
    "  --broker-ports A-B   Kafka ports to give out (default 19092-29091)\n"
    "  --advertise HOST     the host Kafka clients are told; without it brokers bind loopback only\n"
    "  --web DIR            the console's files (default: those installed beside it)\n"
    "  --broker-users A-B   when leatd is root, each broker gets a user and group of its own from these\n"
    "                       numbers, which should be nobody else's (default 40000-49999; none: all root)\n"
    "  --cgroups auto|none  a control group for each broker, by its plan, where they can be made (auto)\n"
    "  --min-free BYTES     with less than this free on the disk of --data, the appends of the largest\n"
    "                       growing clusters are held back until half as much again is free; 500M, 2G\n"
    "                       (default 5 % of the disk, at most 1G; 0: never)\n"
    "  --history-max BYTES  of history.db; above it minutes are kept for a day less, and again\n"
    "                       (default 10 % of the disk, at most 16G)\n"
    "  --https              HTTPS, with a certificate of the service's own CA (DIR/tls/ca.pem)\n"
    "  --https-cert FILE    HTTPS with this certificate chain (PEM), read again when it changes,\n"
    "  --https-key FILE     and its key\n"
    "  --oidc FILE          people may sign in by an OpenID provider; a JSON object with issuer, client_id,\n"
    "                       client_secret … (server/domain/oidc.h)\n"
    "  --rate-limit N[:B]   requests a second of a key, a user or an unknown address, and at once\n"
    "                       (default 200:1000; 0: no limit)\n"
    "  --liveness SECONDS   a broker that runs and answers nothing for so long is killed and started again\n"
    "                       (default 30; 0: never)\n"
    "  --alert-near         alerts may be sent to this machine itself and its link, too\n"
    "  --no-demo            no demo at the first start\n"
    "  --quiet              no login is printed at the start: for where output becomes a log\n"
    "  --verify-audit FILE  say whether the audit log in this database (live, a copy or a backup) is whole,\n"
    "                       and end: 0 whole, 1 broken, 2 it cannot be read\n"
    "  --audit-holds HASH   … and that it has the row with this hash, as was noted elsewhere before\n"
    "  --show               print how to reach the service of this folder, and end\n"
    "\n"
    "SIGTERM ends leatd alone, brokers serve on; SIGINT stops the brokers first.\n"
    "LEAT_ADMIN_PASSWORD sets the admin's password at the first start.\n";

static status parse_ports(const char *text, struct domain_options *o, struct why *why)
{
    int64_t first = 0, last = 0;
    const char *dash = strchr(text, '-');
    if (dash && str_to_i64((struct str){ text, (size_t)(dash - text) }, &first) &&
        str_to_i64(str_c(dash + 1), &last) && first > 0 && first <= last && last < 65536) {
        o->broker_port_first = (uint16_t)first;
        o->broker_port_last = (uint16_t)last;
        return OK;
    }
    why_set(why, "--broker-ports wants two ports like 19092-29091, not %s", text);
    return FAIL(INVALID);
}

static status parse_users(const char *text, struct domain_options *o, struct why *why)
{
    int64_t first = 0, last = 0;
    const char *dash = strchr(text, '-');
    bool none = strcmp(text, "none") == 0;
    if (none || (dash && str_to_i64((struct str){ text, (size_t)(dash - text) }, &first) &&
                 str_to_i64(str_c(dash + 1), &last) && first > 0 && first <= last && last < UINT32_MAX)) {
        o->broker_user_first = (uint32_t)first;
        o->broker_user_last = (uint32_t)last;
        return OK;
    }
    why_set(why, "--broker-users wants two numbers like 40000-49999, or none, not %s", text);
    return FAIL(INVALID);
}

static status parse_cgroups(const char *text, struct domain_options *o, struct why *why)
{
    o->no_cgroups = strcmp(text, "none") == 0;
    if (o->no_cgroups || strcmp(text, "auto") == 0) return OK;
    why_set(why, "--cgroups wants auto or none, not %s", text);
    return FAIL(INVALID);
}

static status parse_seconds(const char *text, int64_t *ret_ms, struct why *why)
{
    int64_t n = 0;
    if (!str_to_i64(str_c(text), &n) || n < 0 || n > 86400) {
        why_set(why, "--liveness wants a number of seconds, not %s", text);
        return FAIL(INVALID);
    }
    *ret_ms = n * 1000;
    return OK;
}

static status parse_listen(const char *text, struct domain_options *o, struct why *why)
{
    int64_t port = -1;
    const char *colon = strrchr(text, ':');
    if (!colon || !str_to_i64(str_c(colon + 1), &port) || port > 65535) {
        why_set(why, "--listen wants ADDRESS:PORT like 127.0.0.1:8080, not %s", text);
        return FAIL(INVALID);
    }
    o->listen = text;
    return OK;
}

static status parse_host(const char *text, struct domain_options *o, struct why *why)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";
    size_t n = strlen(text);
    if (n == 0 || n > 253 || strspn(text, letters) != n) {
        why_set(why, "--advertise wants a host name or address, not %s", text);
        return FAIL(INVALID);
    }
    o->advertise = text;
    return OK;
}

static status parse_size(const char *name, const char *text, int64_t *ret_bytes, struct why *why)
{
    static const char units[] = "KMG";
    size_t digits = strspn(text, "0123456789");
    const char *unit = text[digits] ? strchr(units, text[digits]) : NULL;
    int shift = unit ? (int)(unit - units + 1) * 10 : 0;
    int64_t n = 0;
    if (str_to_i64((struct str){ text, digits }, &n) && n <= INT64_MAX >> shift &&
        (!text[digits] || (unit && !text[digits + 1]))) {
        *ret_bytes = n << shift;
        return OK;
    }
    why_set(why, "%s wants a number of bytes like 500M or 2G, not %s", name, text);
    return FAIL(INVALID);
}

static status parse_rate(const char *text, struct options *options, struct why *why)
{
    const char *colon = strchr(text, ':');
    struct str rate = { text, colon ? (size_t)(colon - text) : strlen(text) };
    int64_t per_s = 0, burst = 0;
    if (str_to_i64(rate, &per_s) && per_s >= 0 && per_s <= 1000000 &&
        (!colon || (str_to_i64(str_c(colon + 1), &burst) && burst >= 1 && burst <= 1000000))) {
        options->requests_per_s = per_s;
        options->requests_burst = colon ? burst : per_s * 5;
        return OK;
    }
    why_set(why, "--rate-limit wants requests a second and at once like 200:1000, or 0, not %s", text);
    return FAIL(INVALID);
}

static status parse_value(struct options *options, const char *name, const char *value, struct why *why)
{
    struct domain_options *o = &options->domain;
    if (strcmp(name, "--data") == 0) o->data_dir = value;
    else if (strcmp(name, "--web") == 0) o->web_dir = value;
    else if (strcmp(name, "--broker-ports") == 0) return parse_ports(value, o, why);
    else if (strcmp(name, "--liveness") == 0) return parse_seconds(value, &o->liveness_ms, why);
    else if (strcmp(name, "--broker-users") == 0) return parse_users(value, o, why);
    else if (strcmp(name, "--cgroups") == 0) return parse_cgroups(value, o, why);
    else if (strcmp(name, "--min-free") == 0) return parse_size(name, value, &o->min_free, why);
    else if (strcmp(name, "--history-max") == 0) return parse_size(name, value, &o->history_max, why);
    else if (strcmp(name, "--https-cert") == 0) o->https_chain = value;
    else if (strcmp(name, "--oidc") == 0) o->oidc_file = value;
    else if (strcmp(name, "--https-key") == 0) o->https_key = value;
    else if (strcmp(name, "--verify-audit") == 0) options->verify_audit = value;
    else if (strcmp(name, "--audit-holds") == 0) options->audit_holds = value;
    else if (strcmp(name, "--rate-limit") == 0) return parse_rate(value, options, why);
    else if (strcmp(name, "--listen") == 0) return parse_listen(value, o, why);
    else return parse_host(value, o, why);
    return OK;
}

static bool takes_value(const char *name)
{
    static const char *const names[] = { "--data", "--web", "--broker-ports", "--listen",
                                         "--advertise", "--min-free", "--history-max",
                                         "--broker-users", "--cgroups",
                                         "--rate-limit", "--oidc", "--https-cert", "--https-key",
                                         "--liveness", "--verify-audit", "--audit-holds" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) return true;
    }
    return false;
}

static status find_bin_dir(struct options *options)
{
    ssize_t n = readlink("/proc/self/exe", options->bin_dir, sizeof options->bin_dir - 1);
    if (n <= 0) return status_from_errno(errno);
    options->bin_dir[n] = 0;
    char *slash = strrchr(options->bin_dir, '/');
    if (slash) *slash = 0;
    options->domain.bin_dir = options->bin_dir;
    return OK;
}

/* PREFIX/bin/leatd has its console in PREFIX/share/leat/web. */
static void find_web_dir(struct options *options)
{
    char index[sizeof options->web_dir + 16];
    if (options->domain.web_dir) return;
    snprintf(options->web_dir, sizeof options->web_dir, "%.*s/share/leat/web",
             (int)(strrchr(options->bin_dir, '/') ? strrchr(options->bin_dir, '/') - options->bin_dir : 0),
             options->bin_dir);
    snprintf(index, sizeof index, "%s/index.html", options->web_dir);
    if (access(index, R_OK) == 0) options->domain.web_dir = options->web_dir;
}

status options_parse(struct options *options, int argc, char **argv, bool *ret_help, struct why *why)
{
    *options = (struct options){ .domain = { .listen = "127.0.0.1:8080", .broker_port_first = 19092,
                                             .broker_port_last = 29091, .min_free = -1,
                                             .broker_user_first = 40000, .broker_user_last = 49999,
                                             .liveness_ms = 30000, .demo = true },
                                 .requests_per_s = 200, .requests_burst = 1000 };
    *ret_help = false;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--no-demo") == 0) {
            options->domain.demo = false;
        } else if (strcmp(name, "--alert-near") == 0) {
            options->domain.alert_near = true;
        } else if (strcmp(name, "--https") == 0) {
            options->domain.https = true;
        } else if (strcmp(name, "--show") == 0) {
            options->show = true;
        } else if (strcmp(name, "--quiet") == 0) {
            options->quiet = true;
        } else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
            fputs(usage, stdout);
            *ret_help = true;
            return OK;
        } else if (!takes_value(name)) {
            why_set(why, "unknown option %.100s; see leatd --help", name);
            return FAIL(INVALID);
        } else if (i + 1 == argc) {
            why_set(why, "%s needs a value; see leatd --help", name);
            return FAIL(INVALID);
        } else {
            TRY(parse_value(options, name, argv[++i], why));
        }
    }
    if (options->verify_audit) return OK;
    if (options->audit_holds) {
        why_set(why, "--audit-holds goes with --verify-audit");
        return FAIL(INVALID);
    }
    if (!options->domain.data_dir) {
        why_set(why, "--data DIR is needed; see leatd --help");
        return FAIL(INVALID);
    }
    if (!options->domain.https_chain != !options->domain.https_key) {
        why_set(why, "--https-cert and --https-key go together");
        return FAIL(INVALID);
    }
    options->domain.https |= options->domain.https_chain != NULL;
    TRY(find_bin_dir(options));
    find_web_dir(options);
    return OK;
}

static status lock_folder(const char *path, struct why *why)
{
    char text[32];
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        why_set(why, "%s cannot be written: %s", path, strerror(errno));
        return status_from_errno(errno);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = read(fd, text, sizeof text - 1);
        text[n > 0 ? n : 0] = 0;
        text[strcspn(text, "\n")] = 0;
        why_set(why, "leatd is running already on this folder (process %s)", text);
        close(fd);
        return FAIL(LOCKED);
    }
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    /* The lock is what counts: a full disk must not keep leatd from starting. */
    if ((ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) && errno != ENOSPC) {
        why_set(why, "%s cannot be written: %s", path, strerror(errno));
        close(fd);
        return FAIL(IO);
    }
    return OK; /* fd stays open: it is the lock */
}

status options_claim_folder(struct options *options, struct why *why)
{
    char path[512], resolved[4096];
    const char *dir = options->domain.data_dir;
    umask(077); /* everything this process and its children make is the owner's alone */
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        why_set(why, "the data folder %s cannot be made: %s", dir, strerror(errno));
        return status_from_errno(errno);
    }
    if (!realpath(dir, resolved) || !str_copy(options->data_dir, sizeof options->data_dir, str_c(resolved))) {
        why_set(why, "the data folder %s cannot be used: its path is too long or not a folder", dir);
        return FAIL(INVALID);
    }
    options->domain.data_dir = options->data_dir;
    if (access(resolved, W_OK | X_OK) != 0) {
        why_set(why, "the data folder %s is not writable", options->data_dir);
        return FAIL(NOT_PERMITTED);
    }
    snprintf(path, sizeof path, "%s/leatd.pid", options->data_dir);
    return lock_folder(path, why);
}

void options_release_folder(const struct options *options)
{
    char path[512];
    snprintf(path, sizeof path, "%s/leatd.pid", options->data_dir);
    unlink(path);
}
