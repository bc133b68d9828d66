/* fetch.c - libcurl on a thread of its own for each transfer. The transfer's memory belongs to its thread
 * until it has posted its job, then to the domain thread, which joins it. */
#include "domain/fetch.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#define FETCH_MS 10000L
#define FETCH_CONNECT_MS 5000L
#define URL_MAX 1024

struct transfer {
    struct fetcher *fetcher;
    pthread_t thread;
    char url[URL_MAX];
    bool insecure, posts;
    struct buf form;
    char user[256], secret[512];
    struct buf body;
    status result;
    struct why why;
    fetch_done done;
    void *arg;
    struct job job;
};

struct fetcher {
    struct loop *loop;
    struct transfer *running[FETCH_MAX];
    atomic_bool given_up;
};

status fetcher_new(struct loop *loop, struct fetcher **ret_fetcher)
{
    struct fetcher *f = mem_zalloc(sizeof *f);
    if (!f) return FAIL(NO_MEMORY);
    f->loop = loop;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    *ret_fetcher = f;
    return OK;
}

static void transfer_free(struct transfer *t)
{
    buf_done(&t->body);
    buf_done(&t->form);
    explicit_bzero(t->secret, sizeof t->secret);
    mem_free(t);
}

void fetcher_free(struct fetcher *f)
{
    if (!f) return;
    atomic_store(&f->given_up, true);
    for (size_t i = 0; i < FETCH_MAX; i++) {
        if (!f->running[i]) continue;
        pthread_join(f->running[i]->thread, NULL);
        transfer_free(f->running[i]);
    }
    mem_free(f);
    curl_global_cleanup();
}

status fetch_check(struct str url, bool insecure, struct why *why)
{
    bool https = str_starts(url, STR("https://")), http = str_starts(url, STR("http://"));
    bool sound = url.len < URL_MAX && (https || http) && !memchr(url.data, '@', url.len);
    for (size_t i = 0; sound && i < url.len; i++) sound = url.data[i] > ' ' && url.data[i] < 127;
    if (!sound) why_set(why, "This is not a URL that can be fetched: https://, without a user.");
    else if (http && !insecure) why_set(why, "Only https:// is fetched, unless jwks_insecure is true.");
    else return OK;
    return FAIL(INVALID);
}

/* --- on the transfer's thread ------------------------------------------------------------------------ */

static size_t take_bytes(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    buf_put(&t->body, p, size * n);
    return t->body.failed ? 0 : size * n;
}

static int look_up(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&((struct transfer *)arg)->fetcher->given_up);
}

static bool v4_is_near(uint32_t a)
{
    return a >> 24 == 127 || a >> 24 == 0 || a >> 16 == 0xa9fe || a >> 28 >= 0xe;
}

/* Of this machine, of its link, or nobody's. */
static bool address_is_near(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return v4_is_near(ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
    if (address->sa_family != AF_INET6) return true;
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(v6)) return v4_is_near(get_be32(v6->s6_addr + 12));
    return IN6_IS_ADDR_LOOPBACK(v6) || IN6_IS_ADDR_LINKLOCAL(v6) || IN6_IS_ADDR_UNSPECIFIED(v6) ||
           IN6_IS_ADDR_MULTICAST(v6);
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *t = arg;
    (void)purpose;
    if (!t->insecure && address_is_near(&address->addr)) {
        why_set(&t->why, "The URL leads to this machine itself.");
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void configure(struct transfer *t, CURL *curl)
{
    curl_easy_setopt(curl, CURLOPT_URL, t->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, t->insecure ? "http,https" : "https");
    if (t->posts) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)t->form.len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, t->form.data);
    }
    if (t->posts && t->secret[0]) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERNAME, t->user);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, t->secret);
    }
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, FETCH_MS);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, FETCH_CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "leatd/" LEAT_VERSION);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, t);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_up);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
}

static void *transfer_run(void *arg)
{
    struct transfer *t = arg;
    CURL *curl = curl_easy_init();
    CURLcode code = CURLE_OUT_OF_MEMORY;
    long http = 0;
    if (curl) {
        configure(t, curl);
        code = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &http);
    }
    if (code == CURLE_OK && http != 200) why_set(&t->why, "The URL answers with status %ld.", http);
    else if (t->body.failed) why_set(&t->why, "What the URL answers is too large.");
    else if (code != CURLE_OK && !t->why.text[0])
        why_set(&t->why, "The URL cannot be fetched: %s.", curl_easy_strerror(code));
    t->result = code == CURLE_OK && http == 200 ? OK : FAIL(INVALID);
    curl_easy_cleanup(curl);
    if (!atomic_load(&t->fetcher->given_up)) loop_post(t->fetcher->loop, &t->job);
    return NULL;
}

/* --- back on the domain thread ------------------------------------------------------------------------- */

static void transfer_done(struct job *job)
{
    struct transfer *t = CONTAINER_OF(job, struct transfer, job);
    struct fetcher *f = t->fetcher;
    pthread_join(t->thread, NULL);
    for (size_t i = 0; i < FETCH_MAX; i++)
        if (f->running[i] == t) f->running[i] = NULL;
    t->done(t->arg, t->result, &t->why, buf_bytes(&t->body));
    transfer_free(t);
}

status fetch(struct fetcher *f, struct str url, bool insecure, size_t max, fetch_done done, void *arg)
{
    return fetch_with(f, url, insecure, max, NULL, done, arg);
}

static bool take_post(struct transfer *t, const struct fetch_post *post)
{
    buf_init(&t->form, 64u << 10);
    if (!post) return true;
    t->posts = true;
    buf_put(&t->form, post->form.data, post->form.len);
    return !t->form.failed && str_copy(t->user, sizeof t->user, post->user) &&
           str_copy(t->secret, sizeof t->secret, post->secret);
}

status fetch_with(struct fetcher *f, struct str url, bool insecure, size_t max, const struct fetch_post *post,
                  fetch_done done, void *arg)
{
    size_t place = 0;
    while (place < FETCH_MAX && f->running[place]) place++;
    if (place == FETCH_MAX) return FAIL(BUSY);
    struct transfer *t = mem_zalloc(sizeof *t);
    if (!t) return FAIL(NO_MEMORY);
    *t = (struct transfer){ .fetcher = f, .insecure = insecure, .done = done, .arg = arg };
    t->job.done = transfer_done;
    buf_init(&t->body, max);
    if (!str_copy(t->url, sizeof t->url, url) || !take_post(t, post) ||
        pthread_create(&t->thread, NULL, transfer_run, t) != 0) {
        transfer_free(t);
        return FAIL(BUSY);
    }
    f->running[place] = t;
    return OK;
}
