/* profile.c - which service to talk to, and as whom: a JSON file that its owner alone can read. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void path_of(char *ret, size_t size, bool make)
{
    const char *base = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    char folder[3000];
    if (base && *base) snprintf(folder, sizeof folder, "%s", base);
    else snprintf(folder, sizeof folder, "%s/.config", home ? home : ".");
    if (make) mkdir(folder, 0700);
    size_t at = strlen(folder);
    snprintf(folder + at, sizeof folder - at, "/leat");
    if (make) mkdir(folder, 0700);
    snprintf(ret, size, "%s/config.json", folder);
}

static json_t *load_all(void)
{
    char path[4096];
    path_of(path, sizeof path, false);
    json_error_t error;
    json_t *all = json_load_file(path, 0, &error);
    return json_is_object(all) ? all : json_object();
}

static char *pick(const char *variable, const json_t *profile, const char *name)
{
    const char *env = getenv(variable);
    if (env && *env) return strdup(env);
    const char *saved = json_string_value(json_object_get(profile, name));
    return saved ? strdup(saved) : NULL;
}

void profile_load(struct cli *cli)
{
    json_t *profile = json_object_get(json_object_get(load_all(), "profiles"), cli->profile);
    cli->url = pick("LEAT_URL", profile, "url");
    cli->key = pick("LEAT_API_KEY", profile, "key");
    cli->secret = pick("LEAT_API_SECRET", profile, "secret");
    cli->cluster = pick("LEAT_CLUSTER", profile, "cluster");
    cli->ca = pick("LEAT_CA", profile, "ca");
    if (!cli->url) cli->url = strdup("http://127.0.0.1:8080");
    size_t n = strlen(cli->url);
    if (n && cli->url[n - 1] == '/') cli->url[n - 1] = 0;
}

/* Written beside the old one and renamed, so that a full disk cannot lose it. */
int profile_save(struct cli *cli)
{
    char path[4096], fresh[4200];
    path_of(path, sizeof path, true);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    json_t *all = load_all();
    json_t *profiles = json_object_get(all, "profiles");
    if (!profiles) json_object_set_new(all, "profiles", profiles = json_object());
    json_object_set_new(profiles, cli->profile,
                        json_pack("{s:s, s:s, s:s, s:s, s:s*}", "url", cli->url, "key", cli->key,
                                  "secret", cli->secret, "cluster",
                                  cli->cluster ? cli->cluster : "", "ca",
                                  cli->ca && *cli->ca ? cli->ca : NULL));
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || json_dumpfd(all, fd, JSON_INDENT(2)) != 0 || fsync(fd) != 0 ||
        rename(fresh, path) != 0) {
        cli_wrong("the profile could not be saved in %s: %s", path, strerror(errno));
        return 1;
    }
    close(fd);
    printf("Saved as profile '%s' in %s\n", cli->profile, path);
    return 0;
}

int profile_list(struct cli *cli)
{
    json_t *rows = json_array(), *profile;
    const char *name;
    json_object_foreach(json_object_get(load_all(), "profiles"), name, profile) {
        json_array_append_new(rows, json_pack("{s:s, s:O, s:O, s:O}", "profile", name, "url",
                                              json_object_get(profile, "url"), "key",
                                              json_object_get(profile, "key"), "cluster",
                                              json_object_get(profile, "cluster")));
    }
    static const struct column columns[] = { { "PROFILE", "profile", COL_TEXT },
                                             { "URL", "url", COL_TEXT },
                                             { "KEY", "key", COL_TEXT },
                                             { "CLUSTER", "cluster", COL_TEXT } };
    table_print(cli, rows, columns, 4);
    return 0;
}
