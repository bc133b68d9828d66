/* profile.c - which service to talk to, and as whom: a JSON file that its owner alone can read. */
#include "cli/cli.h"
#include "cli/functions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the file --------------------------------------------------------------------------------- */

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
    struct stat st;
    path_of(path, sizeof path, false);
    if (stat(path, &st) != 0) return json_object();
    if (st.st_mode & 077)
        fprintf(stderr, "leat: others may read %s, which has secrets in it; use: chmod 600 %s\n", path,
                path);
    json_error_t error;
    json_t *all = json_load_file(path, 0, &error);
    if (!json_is_object(all)) exit(cli_wrong("%s cannot be read: %s", path, error.text));
    return all;
}

/* Written beside the old one and renamed, so that a full disk cannot lose it. */
static void store_all(const json_t *all)
{
    char path[4096], fresh[4200];
    path_of(path, sizeof path, true);
    snprintf(fresh, sizeof fresh, "%s.%d.new", path, (int)getpid());
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || json_dumpfd(all, fd, JSON_INDENT(2)) != 0 || fsync(fd) != 0 || rename(fresh, path) != 0) {
        int why = errno;
        unlink(fresh);
        exit(cli_wrong("the profile could not be saved in %s: %s", path, strerror(why)));
    }
    close(fd);
}

/* --- the profile in use ----------------------------------------------------------------------- */

static char *pick(const char *variable, const json_t *profile, const char *name)
{
    const char *env = variable ? getenv(variable) : NULL;
    if (env && *env) return strdup(env);
    const char *saved = json_string_value(json_object_get(profile, name));
    return saved ? strdup(saved) : NULL;
}

static const char *current_name(const json_t *all)
{
    const char *env = getenv("LEAT_PROFILE");
    const char *saved = json_string_value(json_object_get(all, "current"));
    return env && *env ? env : saved ? saved : "default";
}

/* A name that was mistyped must not send a request to the service that is asked by default. */
static void refuse_unknown(const struct cli *cli)
{
    static const char *const without[] = { "login", "profiles", "help", "manual", "completion" };
    const char *named = getenv("LEAT_PROFILE"), *url = getenv("LEAT_URL");
    if (!cli_option(cli, "profile") && !(named && *named)) return;
    if (!cli->verb || cli_option(cli, "url") || (url && *url)) return;
    for (size_t i = 0; i < ARRAY_LEN(without); i++)
        if (strcmp(cli->verb->noun, without[i]) == 0) return;
    exit(cli_wrong("there is no profile '%s'; `leat profiles` lists those that there are, and "
                   "`leat login --profile %s` makes it", cli->profile, cli->profile));
}

void profile_load(struct cli *cli)
{
    json_t *all = load_all();
    cli->profile = cli_option(cli, "profile");
    if (!cli->profile) cli->profile = strdup(current_name(all));
    json_t *profile = json_object_get(json_object_get(all, "profiles"), cli->profile);
    if (!profile) refuse_unknown(cli);
    cli->url = pick("LEAT_URL", profile, "url");
    cli->key = pick("LEAT_API_KEY", profile, "key");
    cli->secret = pick("LEAT_API_SECRET", profile, "secret");
    cli->cluster = pick("LEAT_CLUSTER", profile, "cluster");
    cli->environment = pick("LEAT_ENVIRONMENT", profile, "environment");
    cli->ca = pick("LEAT_CA", profile, "ca");
    /* A key that the environment gives wins over a login by password. */
    const char *key = getenv("LEAT_API_KEY");
    cli->session = key && *key ? NULL : pick(NULL, profile, "session");
    cli->csrf = pick(NULL, profile, "csrf");
    if (cli_option(cli, "url")) cli->url = strdup(cli_option(cli, "url"));
    if (cli_option(cli, "ca")) cli->ca = realpath(cli_option(cli, "ca"), NULL);
    if (cli_option(cli, "ca") && !cli->ca) exit(cli_wrong("there is no file %s", cli_option(cli, "ca")));
    if (!cli->url) cli->url = strdup("http://127.0.0.1:8080");
    size_t n = strlen(cli->url);
    if (n && cli->url[n - 1] == '/') cli->url[n - 1] = 0;
}

static void put(json_t *profile, const char *name, const char *value)
{
    if (value && *value) json_object_set_new(profile, name, json_string(value));
    else json_object_del(profile, name);
}

int profile_save(struct cli *cli)
{
    json_t *all = load_all(), *profiles = json_object_get(all, "profiles"), *profile = json_object();
    if (!profiles) json_object_set_new(all, "profiles", profiles = json_object());
    put(profile, "url", cli->url);
    put(profile, "key", cli->key);
    put(profile, "secret", cli->secret);
    put(profile, "session", cli->session);
    put(profile, "csrf", cli->session ? cli->csrf : NULL);
    put(profile, "cluster", cli->cluster);
    put(profile, "environment", cli->environment);
    put(profile, "ca", cli->ca);
    json_object_set_new(profiles, cli->profile, profile);
    store_all(all);
    return CLI_DONE;
}

json_t *profile_names(void)
{
    json_t *names = json_array(), *profile, *profiles = json_object_get(load_all(), "profiles");
    const char *name;
    json_object_foreach(profiles, name, profile)
        json_array_append_new(names, json_string(name));
    return names;
}

/* --- verbs ------------------------------------------------------------------------------------ */

int verb_profiles_list(struct cli *cli)
{
    json_t *all = load_all(), *rows = json_array(), *profile;
    const char *name;
    json_object_foreach(json_object_get(all, "profiles"), name, profile) {
        const char *key = text_at(profile, "key");
        bool session = *text_at(profile, "session");
        json_array_append_new(
            rows, json_pack("{s:s, s:b, s:s, s:s, s:s, s:s}", "profile", name, "current",
                            strcmp(name, current_name(all)) == 0, "url", text_at(profile, "url"), "who",
                            session ? "(a login by password)" : key, "environment",
                            text_at(profile, "environment"), "cluster", text_at(profile, "cluster")));
    }
    view_print(
        cli, rows,
        "PROFILE=profile CURRENT=current URL=url WHO=who ENVIRONMENT=environment CLUSTER=cluster");
    return CLI_DONE;
}

int verb_profiles_use(struct cli *cli)
{
    json_t *all = load_all();
    if (!json_object_get(json_object_get(all, "profiles"), cli->words[0]))
        return cli_wrong("there is no profile '%s'; see leat profiles", cli->words[0]);
    json_object_set_new(all, "current", json_string(cli->words[0]));
    store_all(all);
    fprintf(stderr, "Profile '%s' is used from now on.\n", cli->words[0]);
    return CLI_DONE;
}

int verb_profiles_delete(struct cli *cli)
{
    json_t *all = load_all();
    if (!json_object_get(json_object_get(all, "profiles"), cli->words[0]))
        return cli_wrong("there is no profile '%s'; see leat profiles", cli->words[0]);
    request_confirm(cli);
    json_object_del(json_object_get(all, "profiles"), cli->words[0]);
    if (strcmp(text_at(all, "current"), cli->words[0]) == 0) json_object_del(all, "current");
    store_all(all);
    return CLI_DONE;
}

int verb_use(struct cli *cli)
{
    const char *environment = cli_option(cli, "environment");
    const char *given = cli->word_count ? cli->words[0] : cli_option(cli, "cluster");
    if (given) {
        json_t *c = rest_call(cli, "GET", NULL, "/leat/v1/clusters/%s", rest_escape(given));
        cli->cluster = strdup(given);
        cli->environment = strdup(text_at(c, "environment.id"));
    }
    if (environment) {
        rest_call(cli, "GET", NULL, "/org/v2/environments/%s", rest_escape(environment));
        cli->environment = strdup(environment);
    }
    if (given || environment) {
        json_t *all = load_all(),
               *profile = json_object_get(json_object_get(all, "profiles"), cli->profile);
        if (!profile) return cli_wrong("there is no profile '%s' yet; use `leat login`", cli->profile);
        put(profile, "cluster", cli->cluster);
        put(profile, "environment", cli->environment);
        store_all(all);
    }
    json_t *row = json_pack("{s:s, s:s, s:s, s:s}", "profile", cli->profile, "url", cli->url,
                            "environment", cli->environment ? cli->environment : "", "cluster",
                            cli->cluster ? cli->cluster : "");
    view_print(cli, row, "PROFILE=profile URL=url ENVIRONMENT=environment CLUSTER=cluster");
    return CLI_DONE;
}

/* What the first start of the service wrote for whoever begins. */
static void from_quickstart(struct cli *cli, const char *path)
{
    json_error_t error;
    json_t *q = json_loads(cli_file(path, 1 << 20), 0, &error);
    if (!q) exit(cli_wrong("%s cannot be read: %s", path, error.text));
    cli->url = strdup(text_at(q, "rest_url"));
    cli->key = strdup(text_at(q, "cloud_api_key"));
    cli->secret = strdup(text_at(q, "cloud_api_secret"));
    cli->cluster = strdup(text_at(q, "cluster_id"));
    cli->ca = strdup(text_at(q, "ca_file"));
}

int verb_login(struct cli *cli)
{
    const char *quickstart = cli_option(cli, "quickstart"), *email = cli_option(cli, "email");
    const char *key = cli_option(cli, "key");
    if ((quickstart != NULL) + (email != NULL) + (key != NULL) != 1)
        return cli_wrong(
            "as whom? Give one of --key ID, --email ADDRESS and --quickstart FILE; the secret is "
            "asked for");
    cli->session = cli->csrf = cli->key = cli->secret = NULL;
    if (cli->word_count) cli->url = strdup(cli->words[0]);
    if (cli_option(cli, "cluster")) cli->cluster = strdup(cli_option(cli, "cluster"));
    if (cli_option(cli, "environment")) cli->environment = strdup(cli_option(cli, "environment"));
    if (quickstart) {
        from_quickstart(cli, quickstart);
    } else if (email) {
        const char *why =
            rest_login(cli, email, cli_secret(cli, "password-file", "LEAT_PASSWORD", "Password"));
        if (why) {
            fprintf(stderr, "leat: %s\n", why);
            return CLI_REFUSED;
        }
    } else {
        cli->key = strdup(key);
        cli->secret = cli_secret(cli, "secret-file", "LEAT_API_SECRET", "Secret");
    }
    rest_call(cli, "GET", NULL, "/leat/v1/clusters?page_size=1"); /* exits when refused */
    profile_save(cli);
    fprintf(stderr, "Saved as profile '%s'.\n", cli->profile);
    return CLI_DONE;
}

int verb_logout(struct cli *cli)
{
    long code;
    const char *why;
    if (cli->session && *cli->session) rest_try(cli, "DELETE", NULL, "/leat/v1/session", &code, &why);
    cli->session = cli->csrf = cli->secret = NULL;
    return profile_save(cli);
}

int verb_whoami(struct cli *cli)
{
    json_t *info = rest_call(cli, "GET", NULL, "/leat/v1/info");
    bool session = cli->session && *cli->session;
    json_t *who = session ? rest_call(cli, "GET", NULL, "/leat/v1/session") : NULL;
    json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s}", "profile", cli->profile, "url", cli->url, "who",
                            session ? text_at(who, "user.login") : cli->key, "organization",
                            text_at(info, "organization_id"), "version", text_at(info, "version"));
    view_print(cli, row, "PROFILE=profile URL=url WHO=who ORGANIZATION=organization VERSION=version");
    return CLI_DONE;
}
