/* A panic inside a call: the host lives, the handle can only be freed, nothing is printed. Needs the library of examples/panicking.rs. */
#include "../check.h"

amt_status amt_test_panic(const amt_hello *hello, amt_error **err);

int main(void)
{
    static const uint8_t wire[32] = {0, 0, 2};
    amt_error *err = NULL;
    amt_hello *hello = NULL;
    uint32_t retry;
    const char *text;
    size_t len;

    OK(amt_hello_parse(wire, sizeof wire, &hello, &err));
    CHECK(amt_test_panic(hello, &err) == AMT_E_PANIC);
    OK(amt_error_message(err, &text, &len));
    CHECK(len > 0);
    CHECK(amt_error_free(err) == AMT_OK);
    FAILS(amt_hello_retry(hello, &retry, &err), AMT_E_POISONED);
    FAILS(amt_test_panic(hello, &err), AMT_E_POISONED);
    CHECK(amt_hello_free(hello) == AMT_OK);
    return 0;
}
