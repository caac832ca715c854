/* Reads the general settings of a provisioned machine by WS-Man, and has it answer pings no more. */
#include "example.h"

static const char CLASS[] = "AMT_GeneralSettings";
static const char BEFORE[] = "\"PingResponseEnabled\":\"true\"", AFTER[] = "\"PingResponseEnabled\":false ";

int main(int argc, char **argv)
{
    amt_error *err = NULL;
    amt_device *device = NULL;
    amt_document *reply = NULL;
    const char *password = secret("AMT_PASSWORD"), *json;
    char *settings, *setting;
    size_t len;
    uint8_t *roots;

    if (argc != 4) {
        usage("wsman ADDRESS CA-PEM NAME");
    }
    MUST(amt_device_new(argv[1], strlen(argv[1]), 0, "admin", 5, password, strlen(password), &device, &err));
    roots = read_file(argv[2], &len);
    MUST(amt_device_trust_roots(device, roots, len, argv[3], strlen(argv[3]), &err));
    free(roots);

    MUST(amt_device_get(device, CLASS, strlen(CLASS), NULL, 0, &reply, &err));
    MUST(amt_document_json(reply, &json, &len, &err));
    printf("%.*s\n", (int)len, json);

    /* What was read is put back whole, with the change. */
    settings = malloc(len + 1);
    if (settings == NULL) {
        return 1;
    }
    memcpy(settings, json, len);
    settings[len] = '\0';
    amt_document_free(reply);
    setting = strstr(settings, BEFORE);
    if (setting != NULL) {
        memcpy(setting, AFTER, strlen(AFTER));
        MUST(amt_device_put(device, CLASS, strlen(CLASS), settings, len, NULL, 0, &reply, &err));
        MUST(amt_document_json(reply, &json, &len, &err));
        printf("%.*s\n", (int)len, json);
        amt_document_free(reply);
    }
    free(settings);

    MUST(amt_device_connection(device, &reply, &err));
    MUST(amt_document_json(reply, &json, &len, &err));
    printf("%.*s\n", (int)len, json);
    amt_document_free(reply);
    amt_device_free(device);
    return 0;
}
