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
}

int main(void)
{
    null_pointers_are_named();
    a_failed_parse_gives_no_handle_and_success_clears_the_error();
    handles_of_another_type_are_refused();
    freeing_null_does_nothing();
    return 0;
}
