/* Says how a provisioned machine stands and what it reported last, and boots it once from the network. */
#include "example.h"

static void show(amt_document *reply)
{
    amt_error *err = NULL;
    const char *json;
    size_t len;
    MUST(amt_document_json(reply, &json, &len, &err));
    printf("%.*s\n", (int)len, json);
    amt_document_free(reply);
}

int main(int argc, char **argv)
{
    amt_error *err = NULL;
    amt_device *device = NULL;
    amt_document *reply = NULL;
    const char *password = secret("AMT_PASSWORD");
    size_t len;
    uint8_t *roots;

    if (argc != 4) {
        usage("operate ADDRESS CA-PEM NAME");
    }
    MUST(amt_device_new(argv[1], strlen(argv[1]), 0, "admin", 5, password, strlen(password), &device, &err));
    roots = read_file(argv[2], &len);
    MUST(amt_device_trust_roots(device, roots, len, argv[3], strlen(argv[3]), &err));
    free(roots);

    MUST(amt_device_power(device, &reply, &err));
    show(reply);
    MUST(amt_device_event_log(device, &reply, &err));
    show(reply);
    MUST(amt_device_boot(device, AMT_BOOT_PXE, NULL, 0, 0, AMT_THEN_START, &reply, &err));
    show(reply);
    amt_device_free(device);
    return 0;
}
