/* Decodes a hello, reads every part of it, and sees every kind of refusal. */
#include "check.h"

/* A PKI hello, retry 2, with a SHA-1 root, a SHA-256 root and one of an algorithm that nobody knows. */
static const uint8_t HEAD[] = {0x01, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00, 0x00, 0x33, 0x22, 0x11, 0x00, 0x55,
                               0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x03};

static size_t pki_hello(uint8_t *out)
{
    size_t at = sizeof HEAD;
    memcpy(out, HEAD, sizeof HEAD);
    out[at++] = 1, out[at++] = 20;
    memset(out + at, 0xa1, 20), at += 20;
    out[at++] = 2, out[at++] = 32;
    memset(out + at, 0xa2, 32), at += 32;
    out[at++] = 99, out[at++] = 3;
    memset(out + at, 0xa3, 3), at += 3;
    return at;
}

static void every_part_of_a_pki_hello_is_read(void)
{
    amt_error *err = NULL;
    amt_hello *hello = NULL;
    uint8_t wire[128];
    size_t wire_len = pki_hello(wire), len, count;
    uint32_t kind, retry, set, algorithm;
    const uint8_t *data;
    const char *text;

    wire[wire_len] = 0xff; /* one byte too many */
    OK(amt_hello_parse(wire, wire_len + 1, &hello, &err));
    memset(wire, 0, 8); /* the input is not kept */
    OK(amt_hello_kind(hello, &kind, &err));
    CHECK(kind == AMT_HELLO_PKI);
    OK(amt_hello_retry(hello, &retry, &err));
    CHECK(retry == 2);
    OK(amt_hello_admin_credentials_set(hello, &set, &err));
    CHECK(set == 1);
    OK(amt_hello_trailing(hello, &count, &err));
    CHECK(count == 1);
    OK(amt_hello_uuid(hello, &text, &len, &err));
    CHECK(check_text(text, len, "00112233-4455-6677-8899-aabbccddeeff"));
    OK(amt_hello_pid(hello, &data, &len, &err));
    CHECK(data == NULL && len == 0);
    OK(amt_hello_root_count(hello, &count, &err));
    CHECK(count == 3);
    OK(amt_hello_root(hello, 1, &algorithm, &data, &len, &err));
    CHECK(algorithm == 2 && len == 32 && data[0] == 0xa2 && data[31] == 0xa2);
    OK(amt_hello_root(hello, 2, &algorithm, &data, &len, &err));
    CHECK(algorithm == 99 && len == 3 && data[2] == 0xa3);
    FAILS(amt_hello_root(hello, 3, &algorithm, &data, &len, &err), AMT_E_INVALID_ARGUMENT);
    CHECK(data == NULL && len == 0);
    OK(amt_hello_encode(hello, &data, &len, &err));
    pki_hello(wire);
    CHECK(len == wire_len && memcmp(data, wire, len) == 0);
    CHECK(amt_hello_free(hello) == AMT_OK);
}

static void a_psk_hello_has_a_pid_and_no_roots(void)
{
    amt_error *err = NULL;
    amt_hello *hello = NULL;
    uint8_t wire[32] = {0};
    const uint8_t *data;
    size_t len, count;
    uint32_t kind;

    wire[2] = 2;
    memcpy(wire + 24, "ABCD1234", 8);
    OK(amt_hello_parse(wire, sizeof wire, &hello, &err));
    OK(amt_hello_kind(hello, &kind, &err));
    CHECK(kind == AMT_HELLO_PSK);
    OK(amt_hello_pid(hello, &data, &len, &err));
    CHECK(len == 8 && memcmp(data, "ABCD1234", 8) == 0);
    OK(amt_hello_root_count(hello, &count, &err));
    CHECK(count == 0);
    CHECK(amt_hello_free(hello) == AMT_OK);
}

static void every_truncation_is_refused_with_the_field(void)
{
    amt_error *err = NULL;
    amt_hello *hello = NULL;
    uint8_t wire[128];
    size_t wire_len = pki_hello(wire), cut, len;
    const char *text;

    for (cut = 0; cut < wire_len; cut++) {
        CHECK(amt_hello_parse(wire, cut, &hello, &err) == AMT_E_DECODE_TRUNCATED);
        CHECK(hello == NULL && err != NULL);
        OK(amt_error_message(err, &text, &len));
        CHECK(len > 6 && memcmp(text, "hello.", 6) == 0);
        OK(amt_error_name(err, &text, &len));
        CHECK(check_text(text, len, "DECODE_TRUNCATED"));
        amt_error_free(err);
        err = NULL;
    }
    wire[2] = 1;
    FAILS(amt_hello_parse(wire, wire_len, &hello, &err), AMT_E_DECODE_UNSUPPORTED);
    wire[2] = 9;
    FAILS(amt_hello_parse(wire, wire_len, &hello, &err), AMT_E_DECODE_INVALID);
    CHECK(amt_hello_parse(wire, wire_len, &hello, NULL) == AMT_E_DECODE_INVALID);
}

int main(void)
{
    CHECK(amt_abi_version() == AMT_ABI_VERSION);
    CHECK(amt_version_number() == AMT_VERSION_NUMBER);
    every_part_of_a_pki_hello_is_read();
    a_psk_hello_has_a_pid_and_no_roots();
    every_truncation_is_refused_with_the_field();
    return 0;
}
