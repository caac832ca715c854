/* 8 threads with 1,000 mixed calls each: on handles of their own, and on one that all read. POSIX. */
#define _DEFAULT_SOURCE
#include "check.h"

#include <pthread.h>

enum { THREADS = 8, CALLS = 1000 };

static const uint8_t PSK_HELLO[32] = {0, 0, 2};
static const char SETUP[] = "{\"records\": [{\"entries\": {\"current_password\": \"admin\", \"new_password\": \"Password.1\"}}]}";

static amt_hello *shared;
static uint8_t *root;
static size_t root_len;

static void hello(unsigned call)
{
    amt_error *err = NULL;
    amt_hello *own = NULL;
    const char *text;
    size_t len;
    uint32_t kind = 0;

    FAILS(amt_hello_parse(PSK_HELLO, call % 24, &own, &err), AMT_E_DECODE_TRUNCATED);
    OK(amt_hello_parse(PSK_HELLO, sizeof PSK_HELLO, &own, &err));
    OK(amt_hello_kind(own, &kind, &err));
    CHECK(kind == AMT_HELLO_PSK);
    OK(amt_hello_uuid(shared, &text, &len, &err));
    CHECK(len == 36);
    CHECK(amt_hello_free(own) == AMT_OK);
}

static void pair(unsigned call)
{
    amt_error *err = NULL;
    amt_psk *made = NULL, *read = NULL;
    const char *pid, *pps, *again;
    size_t pid_len, pps_len, len;

    OK(amt_psk_generate(NULL, 0, &made, &err));
    OK(amt_psk_pid(made, call & 1, &pid, &pid_len, &err));
    OK(amt_psk_pps(made, 1, &pps, &pps_len, &err));
    OK(amt_psk_parse(pid, pid_len, pps, pps_len, AMT_PSK_TYPED, &read, &err));
    OK(amt_psk_pps(read, 1, &again, &len, &err));
    CHECK(len == pps_len && memcmp(again, pps, len) == 0);
    CHECK(amt_psk_free(made) == AMT_OK);
    CHECK(amt_psk_free(read) == AMT_OK);
}

static void setup(unsigned call)
{
    amt_error *err = NULL;
    amt_setupbin *made = NULL, *read = NULL;
    amt_document *document = NULL;
    const uint8_t *bytes;
    const char *json;
    size_t len, json_len;

    OK(amt_setupbin_from_json(SETUP, strlen(SETUP), &made, &err));
    OK(amt_setupbin_bytes(made, &bytes, &len, &err));
    OK(amt_setupbin_parse(bytes, len, &read, &err));
    CHECK(amt_setupbin_free(made) == AMT_OK);
    OK(amt_setupbin_json(read, call & 1, &document, &err));
    CHECK(amt_setupbin_free(read) == AMT_OK);
    OK(amt_document_json(document, &json, &json_len, &err));
    CHECK(json_len > 0 && json[0] == '{');
    CHECK(amt_document_free(document) == AMT_OK);
}

static void firmware(unsigned call)
{
    amt_error *err = NULL;
    amt_document *document = NULL;
    char version[8];
    int len = snprintf(version, sizeof version, "%u.%u", 3 + call % 17, call % 2);

    OK(amt_capabilities(version, (size_t)len, &document, &err));
    CHECK(amt_document_free(document) == AMT_OK);
    FAILS(amt_capabilities("x", 1, &document, &err), AMT_E_PARSE_TEXT);
}

static void job(unsigned call)
{
    amt_error *err = NULL;
    amt_job *own = NULL;
    amt_provision *attempt = NULL;
    static const char UUID[] = "00112233-4455-6677-8899-aabbccddeeff";

    OK(amt_job_new(UUID, strlen(UUID), "127.0.0.1", 9, &own, &err));
    OK(amt_job_set_hello(own, shared, &err));
    OK(amt_job_set_port(own, (uint16_t)(call + 1), &err));
    FAILS(amt_job_set_host_name(own, "\xff", 1, &err), AMT_E_NOT_UTF8);
    if (amt_provision_new(own, &attempt, NULL) == AMT_OK) {
        CHECK(amt_provision_cancel(attempt, NULL) == AMT_OK);
        CHECK(amt_provision_free(attempt) == AMT_OK);
    }
    CHECK(amt_job_free(own) == AMT_OK);
}

static void device(unsigned call)
{
    amt_error *err = NULL;
    amt_device *own = NULL;
    amt_document *document = NULL, *reply = NULL;

    OK(amt_device_new("127.0.0.1", 9, (uint16_t)call, "admin", 5, "x", 1, &own, &err));
    FAILS(amt_device_trust_roots(own, root, root_len / 2, "pc1", 3, &err), AMT_E_CERTIFICATE_PARSE);
    OK(amt_device_trust_roots(own, root, root_len, "pc1", 3, &err));
    OK(amt_device_connection(own, &document, &err));
    CHECK(amt_device_cancel(own, NULL) == AMT_OK);
    FAILS(amt_device_get(own, "AMT_X", 5, NULL, 0, &reply, &err), AMT_E_CANCELLED);
    CHECK(reply == NULL);
    CHECK(amt_document_free(document) == AMT_OK);
    CHECK(amt_device_free(own) == AMT_OK);
}

static void *calls(void *argument)
{
    static void (*const KINDS[])(unsigned) = {hello, pair, setup, firmware, job, device};
    unsigned thread = *(const unsigned *)argument;
    for (unsigned call = 0; call < CALLS; call++) {
        KINDS[(call + thread) % (sizeof KINDS / sizeof KINDS[0])](call);
    }
    return NULL;
}

int main(void)
{
    amt_error *err = NULL;
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];

    OK(amt_hello_parse(PSK_HELLO, sizeof PSK_HELLO, &shared, &err));
    root = check_file("root.pem", &root_len);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        CHECK(pthread_create(&threads[i], NULL, calls, &numbers[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    free(root);
    CHECK(amt_hello_free(shared) == AMT_OK);
    return 0;
}
