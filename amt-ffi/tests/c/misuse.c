/* What a caller can do wrong is told, not suffered. */
#include "check.h"

static const uint8_t PSK_HELLO[32] = {0, 0, 2};

static void null_pointers_are_named(void)
{
    amt_error *err = NULL;
    amt_hello *hello = NULL;
    uint32_t number;
    size_t len;
    const char *text;

    FAILS(amt_hello_parse(NULL, 1, &hello, &err), AMT_E_NULL_POINTER);
    FAILS(amt_hello_parse(PSK_HELLO, sizeof PSK_HELLO, NULL, &err), AMT_E_NULL_POINTER);
    FAILS(amt_hello_retry(NULL, &number, &err), AMT_E_NULL_POINTER);
    OK(amt_hello_parse(PSK_HELLO, sizeof PSK_HELLO, &hello, &err));
    FAILS(amt_hello_retry(hello, NULL, &err), AMT_E_NULL_POINTER);
    FAILS(amt_hello_uuid(hello, NULL, &len, &err), AMT_E_NULL_POINTER);
    FAILS(amt_hello_uuid(hello, &text, NULL, &err), AMT_E_NULL_POINTER);
    CHECK(amt_hello_retry(hello, NULL, NULL) == AMT_E_NULL_POINTER);
    CHECK(amt_error_code(NULL, &number) == AMT_E_NULL_POINTER);
    CHECK(amt_hello_free(hello) == AMT_OK);
}

static void a_failed_parse_gives_no_handle_and_success_clears_the_error(void)
{
    amt_error *err = NULL;
    amt_hello *hello = (amt_hello *)PSK_HELLO;

    FAILS(amt_hello_parse(PSK_HELLO, 0, &hello, &err), AMT_E_DECODE_TRUNCATED);
    CHECK(hello == NULL);
    FAILS(amt_hello_parse(NULL, 0, &hello, &err), AMT_E_DECODE_TRUNCATED);
    err = (amt_error *)PSK_HELLO;
    CHECK(amt_hello_parse(PSK_HELLO, sizeof PSK_HELLO, &hello, &err) == AMT_OK);
    CHECK(err == NULL);
    CHECK(amt_hello_free(hello) == AMT_OK);
}

static void handles_of_another_type_are_refused(void)
{
    amt_error *err = NULL, *error = NULL;
    amt_hello *hello = NULL;
    uint32_t number;

    CHECK(amt_hello_parse(PSK_HELLO, 1, &hello, &error) == AMT_E_DECODE_TRUNCATED);
    FAILS(amt_hello_retry((const amt_hello *)error, &number, &err), AMT_E_BAD_HANDLE);
    CHECK(amt_hello_free((amt_hello *)error) == AMT_E_BAD_HANDLE);
    CHECK(amt_error_code(error, &number) == AMT_OK && number == AMT_E_DECODE_TRUNCATED);
    CHECK(amt_error_free(error) == AMT_OK);
}

static void freeing_null_does_nothing(void)
{
    CHECK(amt_error_free(NULL) == AMT_OK);
    CHECK(amt_hello_free(NULL) == AMT_OK);
    CHECK(amt_device_free(NULL) == AMT_OK);
    CHECK(amt_document_free(NULL) == AMT_OK);
    CHECK(amt_local_free(NULL) == AMT_OK);
    CHECK(amt_psk_free(NULL) == AMT_OK);
    CHECK(amt_setupbin_free(NULL) == AMT_OK);
}

/* Every handle that has functions of its own refuses null and every other type, whichever function is asked. */
static void newer_handles_are_told_apart(void)
{
    amt_error *err = NULL;
    amt_hello *hello = NULL;
    amt_device *device = NULL;
    amt_document *document = NULL, *other = NULL;
    amt_local *local = NULL;
    amt_psk *psk = NULL;
    amt_setupbin *setup = NULL;
    const uint8_t *bytes;
    const char *text;
    size_t len;

    OK(amt_hello_parse(PSK_HELLO, sizeof PSK_HELLO, &hello, &err));
    FAILS(amt_device_get((amt_device *)hello, "AMT_X", 5, NULL, 0, &document, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_device_put(NULL, "AMT_X", 5, "{}", 2, NULL, 0, &document, &err), AMT_E_NULL_POINTER);
    FAILS(amt_device_invoke((amt_device *)hello, "AMT_X", 5, "Do", 2, NULL, 0, NULL, 0, &document, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_device_enumerate(NULL, "AMT_X", 5, &document, &err), AMT_E_NULL_POINTER);
    FAILS(amt_device_connection((amt_device *)hello, &document, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_device_trust_any((amt_device *)hello, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_device_cancel((const amt_device *)hello, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_document_json((const amt_document *)hello, &text, &len, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_local_status((amt_local *)hello, &document, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_local_cancel(NULL, &err), AMT_E_NULL_POINTER);
    FAILS(amt_psk_pid((const amt_psk *)hello, 0, &text, &len, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_setupbin_bytes((const amt_setupbin *)hello, &bytes, &len, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_setupbin_json(NULL, 0, &document, &err), AMT_E_NULL_POINTER);
    CHECK(document == NULL && text == NULL && bytes == NULL && len == 0);
    CHECK(amt_device_free((amt_device *)hello) == AMT_E_BAD_HANDLE);
    CHECK(amt_document_free((amt_document *)hello) == AMT_E_BAD_HANDLE);
    CHECK(amt_local_free((amt_local *)hello) == AMT_E_BAD_HANDLE);
    CHECK(amt_psk_free((amt_psk *)hello) == AMT_E_BAD_HANDLE);
    CHECK(amt_setupbin_free((amt_setupbin *)hello) == AMT_E_BAD_HANDLE);
    CHECK(amt_hello_free(hello) == AMT_OK);

    FAILS(amt_device_new("127.0.0.1", 9, 0, "admin", 5, "x", 1, NULL, &err), AMT_E_NULL_POINTER);
    FAILS(amt_device_new("here", 4, 0, "admin", 5, "x", 1, &device, &err), AMT_E_PARSE_TEXT);
    FAILS(amt_device_new("127.0.0.1", 9, 0, "admin", 5, NULL, 1, &device, &err), AMT_E_NULL_POINTER);
    FAILS(amt_local_new(NULL, &err), AMT_E_NULL_POINTER);
    FAILS(amt_psk_generate(NULL, 0, NULL, &err), AMT_E_NULL_POINTER);
    FAILS(amt_setupbin_parse(NULL, 1, &setup, &err), AMT_E_NULL_POINTER);
    FAILS(amt_setupbin_from_json(NULL, 2, &setup, &err), AMT_E_NULL_POINTER);
    CHECK(device == NULL && setup == NULL);

    /* Freed in an order of our own: none needs another. */
    OK(amt_device_new("127.0.0.1", 9, 0, "admin", 5, "x", 1, &device, &err));
    OK(amt_device_connection(device, &document, &err));
    OK(amt_psk_generate(NULL, 0, &psk, &err));
    OK(amt_local_new(&local, &err));
    OK(amt_capabilities("16.1", 4, &other, &err));
    CHECK(amt_device_free(device) == AMT_OK);
    CHECK(amt_local_free(local) == AMT_OK);
    OK(amt_document_json(document, &text, &len, &err));
    CHECK(len > 0 && text[0] == '{');
    CHECK(amt_document_free(other) == AMT_OK);
    CHECK(amt_psk_free(psk) == AMT_OK);
    CHECK(amt_document_free(document) == AMT_OK);
}

int main(void)
{
    null_pointers_are_named();
    a_failed_parse_gives_no_handle_and_success_clears_the_error();
    handles_of_another_type_are_refused();
    newer_handles_are_told_apart();
    freeing_null_does_nothing();
    return 0;
}
