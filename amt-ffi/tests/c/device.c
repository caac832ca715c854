/* Reads and changes a provisioned machine by WS-Man. */
#define _DEFAULT_SOURCE
#include "machine.h"
#include "provisioned.h"
#include "reply.h"

#include <pthread.h>

static const char PASSWORD[] = "Administrator.1";
static const char GENERAL[] = "AMT_GeneralSettings";

static void whom_to_trust_has_to_be_said(const struct machine *machine)
{
    amt_error *err = NULL;
    amt_document *reply = NULL;
    amt_device *device = device_at(machine->address, 0, PASSWORD);
    uint8_t pin[32] = {0};

    FAILS(amt_device_get(device, GENERAL, strlen(GENERAL), NULL, 0, &reply, &err), AMT_E_INVALID_ARGUMENT);
    CHECK(reply == NULL);
    FAILS(amt_device_trust_pin(device, pin, 20, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_device_trust_roots(device, pin, 32, "x", 1, &err), AMT_E_CERTIFICATE_PARSE);
    OK(amt_device_trust_pin(device, pin, 32, &err));
    FAILS(amt_device_get(device, GENERAL, strlen(GENERAL), NULL, 0, &reply, &err), AMT_E_TLS_PIN_MISMATCH);
    CHECK(amt_device_free(device) == AMT_OK);
}

/* What a machine with mutual TLS is shown; this one asks for nothing. */
static void a_certificate_is_shown_to_who_asks(const struct machine *machine)
{
    amt_error *err = NULL;
    amt_document *reply = NULL;
    amt_certificate *pair = NULL, *keyless = NULL;
    amt_device *device = device_at(machine->address, 0, PASSWORD);
    size_t len;
    uint8_t *file = check_file("chain.pfx", &len);

    OK(amt_certificate_parse_pfx(file, len, "Provision.1", 11, &pair, &err));
    free(file);
    file = check_file("chain.pem", &len);
    OK(amt_certificate_parse_pem(file, len, NULL, 0, NULL, 0, &keyless, &err));
    free(file);
    FAILS(amt_device_set_client_certificate(device, NULL, &err), AMT_E_NULL_POINTER);
    FAILS(amt_device_set_client_certificate(NULL, pair, &err), AMT_E_NULL_POINTER);
    FAILS(amt_device_set_client_certificate(device, keyless, &err), AMT_E_PFX_OPEN);
    OK(amt_device_set_client_certificate(device, pair, &err));
    CHECK(amt_certificate_free(pair) == AMT_OK && amt_certificate_free(keyless) == AMT_OK);
    OK(amt_device_trust_any(device, &err));
    CHECK(strstr(REPLY(amt_device_get(device, GENERAL, strlen(GENERAL), NULL, 0, &reply, &err)), "\"HostName\":\"pc1\""));
    CHECK(amt_device_free(device) == AMT_OK);
}

static void settings_are_read_changed_and_read_again(amt_device *device)
{
    amt_error *err = NULL;
    amt_document *reply = NULL;
    char *changed, *at;
    size_t size = sizeof GENERAL - 1;

    changed = strdup(REPLY(amt_device_get(device, GENERAL, size, NULL, 0, &reply, &err)));
    CHECK(strstr(changed, "\"class\":\"AMT_GeneralSettings\"") && strstr(changed, "\"HostName\":\"pc1\""));
    at = strstr(changed, "\"PingResponseEnabled\":\"true\"");
    CHECK(at != NULL);
    memcpy(at, "\"PingResponseEnabled\":false ", 28);
    CHECK(strstr(REPLY(amt_device_put(device, GENERAL, size, changed, strlen(changed), NULL, 0, &reply, &err)),
                 "\"PingResponseEnabled\":\"false\""));
    CHECK(strstr(REPLY(amt_device_get(device, GENERAL, size, NULL, 0, &reply, &err)),
                 "\"PingResponseEnabled\":\"false\""));
    free(changed);
}

static void methods_and_lists(amt_device *device)
{
    static const char service[] = "AMT_TimeSynchronizationService", set[] = "SetHighAccuracyTimeSynch";
    static const char setup[] = "AMT_SetupAndConfigurationService";
    static const char wrong[] = "{\"Ta0\":1,\"Tm1\":0,\"Tm2\":4294967295}";
    amt_error *err = NULL;
    amt_document *reply = NULL;
    const char *text;
    uint32_t kind, value;

    text = REPLY(amt_device_invoke(device, setup, strlen(setup), "GetUuid", 7, NULL, 0, NULL, 0, &reply, &err));
    CHECK(strstr(text, "\"return_value\":0") && strstr(text, "\"UUID\":\""));
    text = REPLY(amt_device_enumerate(device, "CIM_SoftwareIdentity", 20, &reply, &err));
    CHECK(strstr(text, "\"InstanceID\":\"AMT\""));
    text = REPLY(amt_device_get(device, "CIM_SoftwareIdentity", 20, "{\"InstanceID\":\"AMT\"}", 20, &reply, &err));
    CHECK(strstr(text, "\"VersionString\":\"16."));

    /* The firmware refuses; the error has its value. */
    CHECK(amt_device_invoke(device, service, strlen(service), set, strlen(set), wrong, strlen(wrong), NULL, 0, &reply,
                            &err) == AMT_E_RETURN_VALUE);
    CHECK(reply == NULL);
    CHECK(amt_error_device_status(err, &kind, &value) == AMT_OK);
    CHECK(kind == AMT_DEVICE_RETURN_VALUE && value != 0);
    CHECK(amt_error_free(err) == AMT_OK);

    FAILS(amt_device_get(device, "AMT_NoSuchClass", 15, NULL, 0, &reply, &err), AMT_E_SOAP_FAULT);
    FAILS(amt_device_get(device, "AMT X", 5, NULL, 0, &reply, &err), AMT_E_PARSE_TEXT);
    FAILS(amt_device_get(device, GENERAL, strlen(GENERAL), "[]", 2, &reply, &err), AMT_E_PARSE_TEXT);
    FAILS(amt_device_invoke(device, setup, strlen(setup), "A b", 3, NULL, 0, NULL, 0, &reply, &err), AMT_E_PARSE_TEXT);
}

/* 64 hexadecimal digits to 32 bytes. */
static void pin_of(const char *facts, uint8_t pin[32])
{
    const char *at = strstr(facts, "\"certificate_sha256\":\"");
    unsigned byte;
    int index;
    CHECK(at != NULL);
    for (at += strlen("\"certificate_sha256\":\""), index = 0; index < 32; index++, at += 2) {
        CHECK(sscanf(at, "%2x", &byte) == 1);
        pin[index] = (uint8_t)byte;
    }
}

static void the_connection_tells_what_to_pin(const struct machine *machine, amt_device *device)
{
    amt_error *err = NULL;
    amt_document *reply = NULL;
    amt_device *pinned = device_at(machine->address, 16993, PASSWORD), *wrong;
    const char *facts = REPLY(amt_device_connection(device, &reply, &err));
    uint8_t pin[32];

    CHECK(strstr(facts, "\"firmware\":\"16.") && strstr(facts, "\"version\":\"TLS 1."));
    pin_of(facts, pin);
    OK(amt_device_trust_pin(pinned, pin, sizeof pin, &err));
    CHECK(strstr(REPLY(amt_device_get(pinned, GENERAL, strlen(GENERAL), NULL, 0, &reply, &err)), "\"pc1\""));
    CHECK(amt_device_free(pinned) == AMT_OK);
    wrong = device_at(machine->address, 0, "Something.Else1");
    CHECK(strstr(REPLY(amt_device_connection(wrong, &reply, &err)), "\"tls\":null"));
    OK(amt_device_trust_any(wrong, &err));
    FAILS(amt_device_get(wrong, GENERAL, strlen(GENERAL), NULL, 0, &reply, &err), AMT_E_WRONG_OR_LOCKED);
    CHECK(amt_device_free(wrong) == AMT_OK);
}

static void *get_status(void *device)
{
    static amt_status status;
    amt_document *reply = NULL;
    status = amt_device_get(device, GENERAL, strlen(GENERAL), NULL, 0, &reply, NULL);
    CHECK(reply == NULL);
    return &status;
}

/* A listener that never answers keeps the call waiting. */
static void another_thread_is_told_busy_and_may_cancel(void)
{
    amt_error *err = NULL;
    amt_document *reply = NULL;
    struct sockaddr_in name = {0};
    socklen_t size = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM, 0), tries;
    amt_status busy = AMT_OK;
    amt_device *device;
    pthread_t thread;
    void *status;

    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener, (struct sockaddr *)&name, sizeof name) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&name, &size) == 0);
    device = device_at("127.0.0.1", ntohs(name.sin_port), PASSWORD);
    OK(amt_device_trust_plain(device, &err));
    CHECK(pthread_create(&thread, NULL, get_status, device) == 0);
    for (tries = 0; tries < 1000 && busy != AMT_E_BUSY; tries++) {
        usleep(10000);
        busy = amt_device_connection(device, &reply, NULL);
        CHECK(amt_document_free(reply) == AMT_OK);
    }
    CHECK(busy == AMT_E_BUSY);
    CHECK(amt_device_enumerate(device, GENERAL, strlen(GENERAL), &reply, NULL) == AMT_E_BUSY && reply == NULL);
    CHECK(amt_device_trust_any(device, NULL) == AMT_E_BUSY);
    CHECK(amt_device_free(device) == AMT_E_BUSY);
    OK(amt_device_cancel(device, &err));
    CHECK(pthread_join(thread, &status) == 0);
    CHECK(*(amt_status *)status == AMT_E_CANCELLED);
    FAILS(amt_device_get(device, GENERAL, strlen(GENERAL), NULL, 0, &reply, &err), AMT_E_CANCELLED);
    CHECK(amt_device_free(device) == AMT_OK);
    close(listener);
}

int main(void)
{
    amt_error *err = NULL;
    struct provisioned here;
    amt_device *device;
    size_t len;
    uint8_t *roots;

    another_thread_is_told_busy_and_may_cancel();

    here = provisioned_start("127.71.0.2", PASSWORD);
    whom_to_trust_has_to_be_said(&here.machine);
    a_certificate_is_shown_to_who_asks(&here.machine);
    device = device_at(here.machine.address, 0, PASSWORD);
    roots = check_read(here.ca, &len);
    OK(amt_device_trust_roots(device, roots, len, "pc1.example.com", 15, &err));
    free(roots);
    settings_are_read_changed_and_read_again(device);
    methods_and_lists(device);
    the_connection_tells_what_to_pin(&here.machine, device);
    CHECK(amt_device_free(device) == AMT_OK);
    provisioned_end(&here);
    return 0;
}
