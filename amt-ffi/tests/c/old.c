/* Machines before AMT 14 by WS-Man: only with consent to the TLS that they speak. POSIX; a library with the legacy engine. */
#define _DEFAULT_SOURCE
#include "provisioned.h"

#define PASSWORD "Administrator.1"

static amt_device *device_of(const struct provisioned *here)
{
    amt_error *err = NULL;
    amt_device *device = NULL;
    size_t len;
    uint8_t *ca = check_read(here->ca, &len);
    OK(amt_device_new(here->machine.address, strlen(here->machine.address), 0, "admin", 5, PASSWORD, strlen(PASSWORD), &device, &err));
    OK(amt_device_trust_roots(device, ca, len, "pc1.example.com", 15, &err));
    free(ca);
    return device;
}

static void gets(amt_device *device, const char *engine)
{
    amt_error *err = NULL;
    amt_document *reply = NULL;
    const char *text;
    size_t len;
    OK(amt_device_get(device, "AMT_GeneralSettings", 19, NULL, 0, &reply, &err));
    CHECK(amt_document_free(reply) == AMT_OK);
    reply = NULL;
    OK(amt_device_connection(device, &reply, &err));
    OK(amt_document_json(reply, &text, &len, &err));
    CHECK(strstr(text, engine) != NULL);
    CHECK(amt_document_free(reply) == AMT_OK);
}

static void a_machine_is_reached_with_consent_alone(const char *persona, const char *address)
{
    amt_error *err = NULL;
    amt_document *reply = NULL;
    struct provisioned here = provisioned_start_as(persona, address, PASSWORD);
    amt_device *device = device_of(&here);

    FAILS(amt_device_get(device, "AMT_GeneralSettings", 19, NULL, 0, &reply, &err), AMT_E_TLS_LEGACY_NOT_ALLOWED);
    FAILS(amt_device_set_legacy_tls(device, 3, &err), AMT_E_INVALID_ARGUMENT);
    OK(amt_device_set_legacy_tls(device, AMT_LEGACY_TLS_ALLOW, &err));
    gets(device, "\"openssl\"");
    gets(device, "\"openssl\"");
    /* Taken back. */
    OK(amt_device_set_legacy_tls(device, AMT_LEGACY_TLS_REFUSE, &err));
    FAILS(amt_device_get(device, "AMT_GeneralSettings", 19, NULL, 0, &reply, &err), AMT_E_TLS_LEGACY_NOT_ALLOWED);
    CHECK(amt_device_free(device) == AMT_OK);
    provisioned_end(&here);
}

static void a_newer_one_needs_none_and_is_not_asked_for_less(void)
{
    amt_error *err = NULL;
    struct provisioned here = provisioned_start("127.71.0.38", PASSWORD);
    amt_device *device = device_of(&here);
    OK(amt_device_set_legacy_tls(device, AMT_LEGACY_TLS_ALLOW, &err));
    gets(device, "\"rustls\"");
    CHECK(amt_device_free(device) == AMT_OK);
    provisioned_end(&here);
}

int main(void)
{
    amt_error *err = NULL;
    FAILS(amt_device_set_legacy_tls(NULL, AMT_LEGACY_TLS_ALLOW, &err), AMT_E_NULL_POINTER);
    a_machine_is_reached_with_consent_alone("9.5", "127.71.0.40");
    a_machine_is_reached_with_consent_alone("11.8", "127.71.0.37");
    a_newer_one_needs_none_and_is_not_asked_for_less();
    return 0;
}
