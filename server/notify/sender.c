/* sender.c - one thread with a libcurl multi handle, and one more for each mail under way: libcurl waits
 * within its calls for what a mail server says to the text and to QUIT. The lock guards the queue of
 * what waits; a message under way belongs to the thread until it is posted back to the loop. */
#include "notify/sender.h"

#include "base/mem.h"
#include "notify/target.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#define TIMEOUT_MS 10000L
#define CONNECT_MS 5000L
#define ANSWER_MAX (64u << 10) /* of the receiver, which nobody reads */

struct send_work {
    struct sender *sender;
    CURL *curl;
    struct curl_slist *headers, *to;
    size_t sent, received;
    bool was_near, was_far; /* addresses that it led to */
    bool has_thread;       /* of a mail */
    pthread_t thread;
    CURLcode code;         /* the mail's thread's, until performed */
    atomic_bool performed;
    int64_t deadline;      /* of loop_nanos */
    struct send_result result;
    struct job job;
};
struct sender {
    struct loop *loop;
    bool near_allowed, started;
    pthread_t thread;
    pthread_mutex_t lock;
    struct send *waiting;  /* under the lock */
    CURLM *multi;
    struct send *running;  /* the thread's */
    size_t running_count;
    atomic_bool given_up;
    struct send *posted;   /* the loop's to take: under the lock */
};

/* --- messages ----------------------------------------------------------------------------- */

struct send *send_new(void)
{
    struct send *s = mem_zalloc(sizeof *s);
    if (s) buf_init(&s->body, 1u << 20);
    return s;
}

void send_free(struct send *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->header_count; i++) mem_free(s->headers[i]);
    for (size_t i = 0; i < s->to_count; i++) mem_free(s->to[i]);
    if (s->work) {
        curl_easy_cleanup(s->work->curl);
        curl_slist_free_all(s->work->headers);
        curl_slist_free_all(s->work->to);
    }
    mem_free(s->work);
    buf_done(&s->body);
    mem_free(s->ca_pem);
    explicit_bzero(s->password, sizeof s->password);
    explicit_bzero(s->url, sizeof s->url);
    mem_free(s);
}

status send_header(struct send *s, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text || strpbrk(text, "\r\n") ||
        s->header_count == ARRAY_LEN(s->headers))
        return FAIL(INVALID);
    s->headers[s->header_count] = mem_strdup(text);
    return s->headers[s->header_count++] ? OK : FAIL(NO_MEMORY);
}

status send_to(struct send *s, struct str address)
{
    char text[256];
    if (s->to_count == ARRAY_LEN(s->to) || !str_copy(text, sizeof text, address)) return FAIL(INVALID);
    s->to[s->to_count] = mem_strdup(text);
    return s->to[s->to_count++] ? OK : FAIL(NO_MEMORY);
}

/* --- a transfer: on the thread ------------------------------------------------------------ */

static size_t give_mail(char *p, size_t size, size_t n, void *arg)
{
    struct send *s = arg;
    size_t left = s->body.len - s->work->sent, part = size * n < left ? size * n : left;
    if (part) memcpy(p, s->body.data + s->work->sent, part);
    s->work->sent += part;
    return part;
}

static size_t drop_answer(char *p, size_t size, size_t n, void *arg)
{
    struct send *s = arg;
    (void)p;
    s->work->received += size * n;
    return s->work->received > ANSWER_MAX ? 0 : size * n;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct send *s = arg;
    (void)purpose;
    if (!s->work->sender->near_allowed && target_is_near(&address->addr)) {
        s->work->was_near = true;
        return CURL_SOCKET_BAD;
    }
    s->work->was_far = true;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* libcurl asks at least once a second, also while it waits for a mail server: its own timeout does not
 * hold for the answer to QUIT. */
static int must_stop(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct send *s = arg;
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&s->work->sender->given_up) || loop_nanos() > s->work->deadline;
}

static bool make_lists(struct send *s)
{
    for (size_t i = 0; i < s->header_count; i++) {
        struct curl_slist *more = curl_slist_append(s->work->headers, s->headers[i]);
        if (!more) return false;
        s->work->headers = more;
    }
    for (size_t i = 0; i < s->to_count; i++) {
        struct curl_slist *more = curl_slist_append(s->work->to, s->to[i]);
        if (!more) return false;
        s->work->to = more;
    }
    return true;
}

static void configure_mail(struct send *s, CURL *curl)
{
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(curl, CURLOPT_USE_SSL, s->tls == SEND_TLS_STARTTLS ? (long)CURLUSESSL_ALL
                                                                        : (long)CURLUSESSL_NONE);
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, s->from);
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, s->work->to);
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT_ALLLOWFAILS, (long)s->lenient);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_mail);
    curl_easy_setopt(curl, CURLOPT_READDATA, s);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)s->body.len);
    if (!s->user[0]) return;
    curl_easy_setopt(curl, CURLOPT_USERNAME, s->user);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, s->password);
}

static void configure(struct send *s, CURL *curl)
{
    curl_easy_setopt(curl, CURLOPT_URL, s->url);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, s);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L); /* waits for no resolver that hangs */
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, must_stop);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, s);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, s);
    if (s->ca_pem) {
        struct curl_blob blob = { s->ca_pem, strlen(s->ca_pem), CURL_BLOB_NOCOPY };
        curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
    }
    if (s->is_mail) {
        configure_mail(s, curl);
        return;
    }
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "leatd/" LEAT_VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, s->work->headers);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)s->body.len);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, s->body.data);
}

/* Worth another attempt: what is said of the moment, not of the message or of us. What is refused for
 * good may be one recipient: then the others are worth one. */
static bool passes(const struct send *s, long code)
{
    if (s->is_mail) return code < 500 || (s->to_count > 1 && !s->lenient);
    return code == 0 || code == 408 || code == 425 || code == 429 || code >= 500;
}

static void judge(struct send *s, CURLcode code)
{
    long answer = 0;
    curl_off_t after = 0;
    struct send_result *r = &s->work->result;
    curl_easy_getinfo(s->work->curl, CURLINFO_RESPONSE_CODE, &answer);
    curl_easy_getinfo(s->work->curl, CURLINFO_RETRY_AFTER, &after);
    if (!s->is_mail && code == CURLE_WRITE_ERROR && answer)
        code = CURLE_OK; /* it said more than anybody reads */
    r->code = (int)answer;
    r->after_ms = (int64_t)after * 1000;
    r->arrived = code == CURLE_OK && (s->is_mail || (answer >= 200 && answer < 300));
    r->partly = r->arrived && s->is_mail && s->lenient;
    bool near = s->work->was_near && !s->work->was_far;
    /* Who said yes and broke off may not have it; the message's id tells who has it twice. */
    bool cut = !s->is_mail && code != CURLE_OK && answer >= 200 && answer < 300;
    r->again = !r->arrived && !near && (cut || passes(s, answer));
    if (r->arrived) return;
    if (near)
        snprintf(r->text, sizeof r->text,
                 "It leads to this machine itself or its link, where nothing is sent; "
                 "leatd --alert-near allows it.");
    else if (code == CURLE_OK && answer >= 300 && answer < 400)
        snprintf(r->text, sizeof r->text, "It answers with status %ld; redirects are not followed.",
                 answer);
    else if (code == CURLE_OK)
        snprintf(r->text, sizeof r->text, "It answers with status %ld.", answer);
    else if (cut)
        snprintf(r->text, sizeof r->text, "It answers with status %ld and breaks off: %s.", answer,
                 curl_easy_strerror(code));
    else if (s->is_mail && answer >= 400)
        snprintf(r->text, sizeof r->text, "The mail server answers %ld: %s.", answer,
                 curl_easy_strerror(code));
    else
        snprintf(r->text, sizeof r->text, "It cannot be reached: %s.", curl_easy_strerror(code));
}

/* --- back on the loop's thread ------------------------------------------------------------ */

static void sent(struct job *job)
{
    struct send_work *work = CONTAINER_OF(job, struct send_work, job);
    struct sender *sender = work->sender;
    struct send *s;
    pthread_mutex_lock(&sender->lock);
    DL_FOREACH(sender->posted, s) if (s->work == work) break;
    DL_DELETE(sender->posted, s);
    pthread_mutex_unlock(&sender->lock);
    s->done(s->arg, &work->result);
    send_free(s);
}

static void finish(struct sender *sender, struct send *s, CURLcode code)
{
    judge(s, code);
    if (!s->is_mail) curl_multi_remove_handle(sender->multi, s->work->curl);
    DL_DELETE(sender->running, s);
    sender->running_count--;
    pthread_mutex_lock(&sender->lock);
    DL_APPEND(sender->posted, s);
    pthread_mutex_unlock(&sender->lock);
    loop_post(sender->loop, &s->work->job);
}

/* --- the thread --------------------------------------------------------------------------- */

static void *perform_mail(void *arg)
{
    struct send *s = arg;
    s->work->code = curl_easy_perform(s->work->curl);
    CURLM *multi = s->work->sender->multi;
    atomic_store(&s->work->performed, true);
    curl_multi_wakeup(multi); /* lives until this thread is joined */
    return NULL;
}

static bool begin_transfer(struct sender *sender, struct send *s)
{
    if (!s->is_mail) return curl_multi_add_handle(sender->multi, s->work->curl) == CURLM_OK;
    s->work->has_thread = pthread_create(&s->work->thread, NULL, perform_mail, s) == 0;
    return s->work->has_thread;
}

static void finish_mails(struct sender *sender)
{
    struct send *s, *next;
    DL_FOREACH_SAFE(sender->running, s, next) {
        if (!s->work->has_thread || !atomic_load(&s->work->performed)) continue;
        pthread_join(s->work->thread, NULL);
        s->work->has_thread = false;
        finish(sender, s, s->work->code);
    }
}

static void begin(struct sender *sender, struct send *s)
{
    s->work->deadline = loop_nanos() + (TIMEOUT_MS + 1000) * 1000000LL;
    DL_APPEND(sender->running, s);
    sender->running_count++;
    s->work->curl = curl_easy_init();
    if (s->work->curl && make_lists(s)) {
        configure(s, s->work->curl);
        if (begin_transfer(sender, s)) return;
    }
    finish(sender, s, CURLE_OUT_OF_MEMORY);
}

static void begin_waiting(struct sender *sender)
{
    while (sender->running_count < SENDER_AT_ONCE) {
        pthread_mutex_lock(&sender->lock);
        struct send *s = sender->waiting;
        if (s) DL_DELETE(sender->waiting, s);
        pthread_mutex_unlock(&sender->lock);
        if (!s) return;
        begin(sender, s);
    }
}

static void *run(void *arg)
{
    struct sender *sender = arg;
    while (!atomic_load(&sender->given_up)) {
        int active = 0, left = 0;
        begin_waiting(sender);
        curl_multi_perform(sender->multi, &active);
        for (const CURLMsg *m; (m = curl_multi_info_read(sender->multi, &left));) {
            struct send *s = NULL;
            CURLcode code = m->data.result;
            if (m->msg != CURLMSG_DONE) continue;
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &s);
            finish(sender, s, code);
        }
        finish_mails(sender);
        if (sender->running_count < SENDER_AT_ONCE) begin_waiting(sender);
        /* Woken by curl_multi_wakeup for what is new; a bound, should nothing come of a transfer. */
        curl_multi_poll(sender->multi, NULL, 0, 60000, NULL);
    }
    return NULL;
}

/* --- life --------------------------------------------------------------------------------- */

status sender_new(struct loop *loop, bool near_allowed, struct sender **ret_sender)
{
    struct sender *sender = mem_zalloc(sizeof *sender);
    if (!sender) return FAIL(NO_MEMORY);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    sender->loop = loop;
    sender->near_allowed = near_allowed;
    pthread_mutex_init(&sender->lock, NULL);
    sender->multi = curl_multi_init();
    if (!sender->multi) {
        sender_free(sender);
        return FAIL(NO_MEMORY);
    }
    *ret_sender = sender;
    return OK;
}

static void free_all(struct send *list)
{
    struct send *s, *next;
    DL_FOREACH_SAFE(list, s, next) send_free(s);
}

void sender_free(struct sender *sender)
{
    struct send *s;
    if (!sender) return;
    atomic_store(&sender->given_up, true);
    if (sender->started) {
        curl_multi_wakeup(sender->multi);
        pthread_join(sender->thread, NULL);
    }
    DL_FOREACH(sender->running, s) {
        if (s->work->has_thread) pthread_join(s->work->thread, NULL); /* within a second: must_stop */
        else curl_multi_remove_handle(sender->multi, s->work->curl);
    }
    free_all(sender->running);
    free_all(sender->waiting);
    free_all(sender->posted);
    if (sender->multi) curl_multi_cleanup(sender->multi);
    pthread_mutex_destroy(&sender->lock);
    mem_free(sender);
    curl_global_cleanup();
}

status sender_send(struct sender *sender, struct send *s)
{
    s->work = mem_zalloc(sizeof *s->work);
    if (s->work) *s->work = (struct send_work){ .sender = sender, .job.done = sent };
    if (s->work && !sender->started)
        sender->started = pthread_create(&sender->thread, NULL, run, sender) == 0;
    if (!s->work || !sender->started) {
        send_free(s);
        return FAIL(NO_MEMORY);
    }
    pthread_mutex_lock(&sender->lock);
    DL_APPEND(sender->waiting, s);
    pthread_mutex_unlock(&sender->lock);
    curl_multi_wakeup(sender->multi);
    return OK;
}
