/* target.c - see target.h. Addresses are looked at where a socket is made (sender.c), so what a name
 * leads to at that very moment counts; target_check only says early what can be said early. */
#include "notify/target.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

/* 100.100.100.200, 168.63.129.16 and 192.0.0.192 are where some clouds keep what link-local has
 * elsewhere. */
static bool v4_is_near(uint32_t a)
{
    return a >> 24 == 127 || a >> 24 == 0 || a >> 16 == 0xa9fe || a >> 28 >= 0xe || a == 0x646464c8 ||
           a == 0xa83f8110 || a == 0xc00000c0;
}

static bool is_own(const struct sockaddr *address)
{
    struct ifaddrs *all = NULL;
    bool found = false;
    if (getifaddrs(&all) != 0) return false;
    for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != address->sa_family) continue;
        if (address->sa_family == AF_INET)
            found = ((const struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr ==
                    ((const struct sockaddr_in *)address)->sin_addr.s_addr;
        else
            found = memcmp(&((const struct sockaddr_in6 *)i->ifa_addr)->sin6_addr,
                           &((const struct sockaddr_in6 *)address)->sin6_addr, 16) == 0;
    }
    freeifaddrs(all);
    return found;
}

static bool v4_near_or_own(uint32_t a)
{
    const struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(a) };
    return v4_is_near(a) || is_own((const struct sockaddr *)&v4);
}

bool target_is_near(const struct sockaddr *address)
{
    static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b }, translated[12] = { [8] = 0xff, 0xff };
    static const uint8_t ec2[16] = { 0xfd, 0, 0x0e, 0xc2, [14] = 2, [15] = 0x54 };
    if (address->sa_family == AF_INET)
        return v4_near_or_own(ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
    if (address->sa_family != AF_INET6) return true;
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
    const uint8_t *b = v6->s6_addr;
    if (IN6_IS_ADDR_LOOPBACK(v6) || IN6_IS_ADDR_LINKLOCAL(v6) || IN6_IS_ADDR_UNSPECIFIED(v6) ||
        IN6_IS_ADDR_SITELOCAL(v6) || IN6_IS_ADDR_MULTICAST(v6) || memcmp(b, ec2, 16) == 0)
        return true;
    if (IN6_IS_ADDR_V4MAPPED(v6) || IN6_IS_ADDR_V4COMPAT(v6) || memcmp(b, nat64, 12) == 0 ||
        memcmp(b, translated, 12) == 0)
        return v4_near_or_own(get_be32(b + 12));
    /* 64:ff9b:1::/48, of one's own NAT64: where RFC 6052 has the address in a /48, or at the end */
    if (memcmp(b, nat64, 4) == 0 && b[4] == 0 && b[5] == 1)
        return v4_near_or_own(get_be32(b + 12)) ||
               v4_near_or_own((uint32_t)b[6] << 24 | (uint32_t)b[7] << 16 | (uint32_t)b[9] << 8 | b[10]);
    if (b[0] == 0x20 && b[1] == 0x02) return v4_near_or_own(get_be32(b + 2));
    return is_own(address);
}

static bool host_is_near(struct str host)
{
    char text[256];
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    if (!str_copy(text, sizeof text, host)) return true;
    if (strcasecmp(text, "localhost") == 0) return true;
    if (inet_aton(text, &v4.sin_addr)) return target_is_near((const struct sockaddr *)&v4);
    return inet_pton(AF_INET6, text, &v6.sin6_addr) == 1 &&
           target_is_near((const struct sockaddr *)&v6);
}

/* The host of what stands behind "://"; null: none that is sound. */
static struct str host_of(struct str rest, struct str *ret_behind)
{
    size_t n = 0;
    if (rest.len && rest.data[0] == '[') {
        const char *end = memchr(rest.data, ']', rest.len);
        if (!end) return STR_NULL;
        n = (size_t)(end - rest.data);
        *ret_behind = (struct str){ end + 1, rest.len - n - 1 };
        return (struct str){ rest.data + 1, n - 1 };
    }
    while (n < rest.len && rest.data[n] != ':' && rest.data[n] != '/' && rest.data[n] != '?') n++;
    *ret_behind = (struct str){ rest.data + n, rest.len - n };
    return n ? (struct str){ rest.data, n } : STR_NULL;
}

static bool port_is_sound(struct str *behind)
{
    size_t n = 1;
    int64_t port = 0;
    if (!behind->len || behind->data[0] != ':') return true;
    while (n < behind->len && behind->data[n] >= '0' && behind->data[n] <= '9') n++;
    bool sound = str_to_i64((struct str){ behind->data + 1, n - 1 }, &port) && port > 0 && port < 65536;
    *behind = (struct str){ behind->data + n, behind->len - n };
    return sound;
}

status target_check(struct str url, const char *scheme, bool near_allowed, struct why *why)
{
    bool smtp = strcmp(scheme, "smtp") == 0, sound = url.len > 0 && url.len < TARGET_URL_MAX;
    struct str behind = STR_NULL, rest = STR_NULL;
    for (size_t i = 0; sound && i < url.len; i++)
        sound = url.data[i] > ' ' && url.data[i] < 127 && url.data[i] != '@' && url.data[i] != '\\';
    const struct str plain = smtp ? STR("smtp://") : STR("http://"),
                     tls = smtp ? STR("smtps://") : STR("https://");
    if (sound && str_starts(url, plain))
        rest = (struct str){ url.data + plain.len, url.len - plain.len };
    else if (sound && str_starts(url, tls))
        rest = (struct str){ url.data + tls.len, url.len - tls.len };
    struct str host = rest.data ? host_of(rest, &behind) : STR_NULL;
    sound = host.data && port_is_sound(&behind) &&
            (!behind.len || (!smtp && (behind.data[0] == '/' || behind.data[0] == '?')));
    if (!sound)
        why_set(
            why,
            smtp ? "The mail server is smtp://HOST:PORT, or smtps://HOST:PORT."
                 : "This is not a URL that can be told anything: https:// or http://, without a user.");
    else if (!near_allowed && host_is_near(host))
        why_set(why,
                "Nothing is sent to this machine itself or its link; leatd --alert-near allows it.");
    else return OK;
    return FAIL(INVALID);
}
