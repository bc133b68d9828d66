/* tls_name.c - X.500 names to text. Any thread.
 *
 * Java knows nine keywords in this format; every other attribute is written as its number, and then
 * its value as the DER in hex. Characters beyond ASCII stay as they are, in UTF-8. */
#include "io/tls_name.h"

#include <openssl/asn1.h>
#include <openssl/objects.h>

#define VALUE_MAX 1024

static const struct {
    int nid;
    const char *keyword;
} keywords[] = {
    { NID_commonName, "CN" },       { NID_countryName, "C" },
    { NID_localityName, "L" },      { NID_stateOrProvinceName, "ST" },
    { NID_organizationName, "O" },  { NID_organizationalUnitName, "OU" },
    { NID_streetAddress, "STREET" }, { NID_domainComponent, "DC" },
    { NID_userId, "UID" },
};

static const char *keyword_of(const ASN1_OBJECT *type)
{
    int nid = OBJ_obj2nid(type);
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        if (keywords[i].nid == nid) return keywords[i].keyword;
    return NULL;
}

static bool is_text(const ASN1_STRING *value)
{
    switch (ASN1_STRING_type(value)) {
    case V_ASN1_PRINTABLESTRING:
    case V_ASN1_UTF8STRING:
    case V_ASN1_T61STRING:
    case V_ASN1_IA5STRING:
    case V_ASN1_GENERALSTRING:
    case V_ASN1_BMPSTRING:
    case V_ASN1_UNIVERSALSTRING: return true;
    default: return false;
    }
}

static void put_escaped(struct buf *out, const char *text, size_t n)
{
    size_t first = 0, last = n;
    while (first < n && text[first] == ' ') first++;
    while (last > first && text[last - 1] == ' ') last--;
    for (size_t i = 0; i < n; i++) {
        if (!text[i]) {
            buf_put(out, "\\00", 3);
            continue;
        }
        bool escape = strchr(",=+<>#;\"\\", text[i]) || i < first || i >= last;
        if (escape) buf_put(out, "\\", 1);
        buf_put(out, &text[i], 1);
    }
}

static status put_hex(struct buf *out, const ASN1_STRING *value)
{
    unsigned char der[VALUE_MAX + 16], *end = der;
    ASN1_TYPE any = { .type = ASN1_STRING_type(value), .value.asn1_string = (ASN1_STRING *)value };
    if (ASN1_STRING_length(value) > VALUE_MAX) return FAIL(MALFORMED);
    int n = i2d_ASN1_TYPE(&any, &end);
    if (n <= 0) return FAIL(MALFORMED);
    buf_put(out, "#", 1);
    for (int i = 0; i < n; i++) buf_printf(out, "%02x", der[i]);
    return OK;
}

static status put_part(struct buf *out, const X509_NAME_ENTRY *entry)
{
    const ASN1_OBJECT *type = X509_NAME_ENTRY_get_object(entry);
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
    const char *keyword = keyword_of(type);
    char number[128];
    if (keyword) {
        buf_put_str(out, str_c(keyword));
    } else {
        int n = OBJ_obj2txt(number, sizeof number, type, 1);
        if (n <= 0 || (size_t)n >= sizeof number) return FAIL(MALFORMED);
        buf_put(out, number, (size_t)n);
    }
    buf_put(out, "=", 1);
    if (!keyword || !is_text(value)) return put_hex(out, value);
    unsigned char *text = NULL;
    int n = ASN1_STRING_to_UTF8(&text, value);
    if (n < 0 || n > VALUE_MAX) {
        OPENSSL_free(text);
        return FAIL(MALFORMED);
    }
    put_escaped(out, (const char *)text, (size_t)n);
    OPENSSL_free(text);
    return OK;
}

/* Parts of one set (RDN) stand together, in their order, joined by '+'; the sets are reversed. */
status tls_name_text(const X509_NAME *name, struct buf *out)
{
    int end = X509_NAME_entry_count(name);
    bool first = true;
    while (end > 0) {
        int begin = end - 1, set = X509_NAME_ENTRY_set(X509_NAME_get_entry(name, begin));
        while (begin > 0 && X509_NAME_ENTRY_set(X509_NAME_get_entry(name, begin - 1)) == set) begin--;
        for (int i = begin; i < end; i++) {
            if (!first) buf_put(out, i == begin ? "," : "+", 1);
            first = false;
            TRY(put_part(out, X509_NAME_get_entry(name, i)));
        }
        end = begin;
    }
    return buf_check(out);
}
