/* Says what is in a hello: the message that a machine waiting for its setup sends to port 9971. */
#include "example.h"

int main(int argc, char **argv)
{
    amt_error *err = NULL;
    amt_hello *hello = NULL;
    const uint8_t *hash;
    const char *uuid;
    uint32_t kind, algorithm;
    size_t len, roots, at, byte;
    uint8_t *wire;

    if (argc != 2) {
        usage("hello FILE");
    }
    wire = read_file(argv[1], &len);
    MUST(amt_hello_parse(wire, len, &hello, &err));
    free(wire);

    MUST(amt_hello_uuid(hello, &uuid, &len, &err));
    MUST(amt_hello_kind(hello, &kind, &err));
    printf("machine %.*s waits for a %s\n", (int)len, uuid,
           kind == AMT_HELLO_PSK ? "pre-shared key" : "provisioning certificate");
    MUST(amt_hello_root_count(hello, &roots, &err));
    for (at = 0; at < roots; at++) {
        MUST(amt_hello_root(hello, at, &algorithm, &hash, &len, &err));
        printf("  trusts the root ");
        for (byte = 0; byte < len; byte++) {
            printf("%02x", hash[byte]);
        }
        printf("\n");
    }
    amt_hello_free(hello);
    return 0;
}
