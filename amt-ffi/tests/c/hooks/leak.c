/* A handle that nobody frees: Valgrind must tell. */
#include "../check.h"

int main(void)
{
    static const uint8_t HELLO[32] = {0, 0, 2};
    amt_error *err = NULL;
    amt_hello *hello = NULL;

    OK(amt_hello_parse(HELLO, sizeof HELLO, &hello, &err));
    hello = NULL;
    return hello != NULL;
}
