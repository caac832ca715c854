/* Operates a provisioned machine: power, next boot, logs, inventory, sessions, authorities, clock, and how it stands. */
#define _DEFAULT_SOURCE
#include "machine.h"
#include "provisioned.h"
#include "reply.h"

#include <time.h>

static const char PASSWORD[] = "Administrator.1";

static void the_next_boot_is_set_seen_and_taken_back(amt_device *device)
{
    static const char url[] = "https://boot.example.com/i.efi";
    amt_error *err = NULL;
    amt_document *reply = NULL;

    CHECK(strstr(REPLY(amt_device_boot_state(device, &reply, &err)), "\"armed\":false"));
    CHECK(strstr(REPLY(amt_device_boot(device, AMT_BOOT_PXE, NULL, 0, 0, AMT_THEN_NOTHING, &reply, &err)),
                 "\"next\":\"pxe\""));
    CHECK(strstr(REPLY(amt_device_boot_state(device, &reply, &err)), "\"armed\":true"));
    OK(amt_device_clear_boot(device, &err));
    CHECK(strstr(REPLY(amt_device_boot_state(device, &reply, &err)), "\"armed\":false"));
    CHECK(strstr(REPLY(amt_device_boot(device, AMT_BOOT_HTTPS, url, strlen(url), 1, AMT_THEN_NOTHING, &reply, &err)),
                 "\"url\":\"https://boot.example.com/i.efi\""));
    OK(amt_device_clear_boot(device, &err));

    FAILS(amt_device_boot(device, AMT_BOOT_HTTPS, NULL, 0, 0, AMT_THEN_START, &reply, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_device_boot(device, AMT_BOOT_CD, url, strlen(url), 0, AMT_THEN_START, &reply, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_device_boot(device, 6, NULL, 0, 0, AMT_THEN_START, &reply, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_device_boot(device, AMT_BOOT_CD, NULL, 0, 2, AMT_THEN_START, &reply, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_device_boot(device, AMT_BOOT_CD, NULL, 0, 0, 3, &reply, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_device_boot(device, AMT_BOOT_CD, NULL, 0, 0, AMT_POWER_OFF, &reply, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_device_boot(device, AMT_BOOT_CD, "\xff", 1, 0, AMT_THEN_START, &reply, &err), AMT_E_NOT_UTF8);
    CHECK(strstr(REPLY(amt_device_boot_state(device, &reply, &err)), "\"armed\":false"));
}

static void the_logs_are_read_and_cleared(const struct machine *machine, amt_device *device)
{
    amt_error *err = NULL;
    amt_document *reply = NULL;
    amt_device *stranger = device_at(machine->address, 0, "Something.Else1");

    OK(amt_device_trust_any(stranger, &err));
    FAILS(amt_device_power(stranger, &reply, &err), AMT_E_WRONG_OR_LOCKED);
    CHECK(amt_device_free(stranger) == AMT_OK);
    CHECK(strstr(REPLY(amt_device_event_log(device, &reply, &err)), "\"text\":\"1 failed login\""));
    OK(amt_device_freeze_event_log(device, 1, &err));
    CHECK(strstr(REPLY(amt_device_event_log(device, &reply, &err)), "\"frozen\":true"));
    FAILS(amt_device_clear_event_log(device, &err), AMT_E_RETURN_VALUE);
    FAILS(amt_device_freeze_event_log(device, 2, &err), AMT_E_INVALID_ARGUMENT);
    OK(amt_device_freeze_event_log(device, 0, &err));
    OK(amt_device_clear_event_log(device, &err));
    CHECK(strstr(REPLY(amt_device_event_log(device, &reply, &err)), "\"records\":[]"));
    CHECK(strstr(REPLY(amt_device_audit_log(device, &reply, &err)), "\"initiator\":\""));
}

static void how_it_stands_and_what_it_is_made_of(const struct machine *machine, amt_device *device)
{
    amt_error *err = NULL;
    amt_document *reply = NULL;
    amt_device *other = device_at(machine->address, 0, PASSWORD);
    const char *text = REPLY(amt_device_inventory(device, &reply, &err));

    CHECK(strstr(text, machine->uuid) && strstr(text, "\"processors\":[{") && strstr(text, "\"missing_classes\":["));
    text = REPLY(amt_device_status(device, &reply, &err));
    CHECK(strstr(text, machine->uuid) && strstr(text, "\"control_mode\":\"admin\"") && strstr(text, "\"host_name\":\"pc1\""));

    FAILS(amt_device_status(other, &reply, &err), AMT_E_INVALID_ARGUMENT);
    OK(amt_device_trust_plain(other, &err));
    FAILS(amt_device_status(other, &reply, &err), AMT_E_INVALID_ARGUMENT);
    CHECK(amt_device_free(other) == AMT_OK);
    OK(amt_device_new(machine->address, strlen(machine->address), 0, "ADMIN2", 6, PASSWORD, strlen(PASSWORD), &other, &err));
    OK(amt_device_trust_any(other, &err));
    FAILS(amt_device_status(other, &reply, &err), AMT_E_INVALID_ARGUMENT);
    CHECK(amt_device_free(other) == AMT_OK);
}

static void sessions_authorities_and_clock(amt_device *device, const uint8_t *root, size_t root_len)
{
    static const uint8_t nothing[] = "no certificate";
    static const char service[] = "AMT_TimeSynchronizationService", set[] = "SetHighAccuracyTimeSynch";
    const long long now = (long long)time(NULL);
    char wrong[128];
    amt_error *err = NULL;
    amt_document *reply = NULL;
    amt_findings *findings = NULL;
    const char *text = REPLY(amt_device_sessions(device, 0, &reply, &err));
    size_t count = 9, len;

    CHECK(strstr(text, "\"serial\":{") && strstr(text, "\"drives\":{") && strstr(text, "\"screen\":{"));
    text = REPLY(amt_device_sessions(device, 1, &reply, &err));
    CHECK(strstr(text, "\"listener\":false") && strstr(text, "\"serial\":{\"state\":\"off\""));

    OK(amt_authorities_check(root, root_len, &findings, &err));
    OK(amt_findings_count(findings, &count, &err));
    CHECK(count == 0);
    CHECK(amt_findings_free(findings) == AMT_OK);
    OK(amt_authorities_check(nothing, sizeof nothing, &findings, &err));
    OK(amt_findings_code(findings, 0, &text, &len, &err));
    CHECK(check_text(text, len, "TRUST-EMPTY"));
    CHECK(amt_findings_free(findings) == AMT_OK);
    FAILS(amt_authorities_check(NULL, 1, &findings, &err), AMT_E_NULL_POINTER);

    FAILS(amt_device_add_authorities(device, nothing, sizeof nothing, 0, &reply, &err), AMT_E_CERTIFICATE_PARSE);
    FAILS(amt_device_add_authorities(device, root, root_len, 2, &reply, &err), AMT_E_INVALID_ARGUMENT);
    text = REPLY(amt_device_add_authorities(device, root, root_len, 1, &reply, &err));
    CHECK(strstr(text, "\"dry_run\":true") && strstr(text, "\"present\":[]"));
    text = REPLY(amt_device_add_authorities(device, root, root_len, 0, &reply, &err));
    CHECK(strstr(text, "\"dry_run\":false") && strstr(text, "\"present\":[]"));
    CHECK(strstr(REPLY(amt_device_add_authorities(device, root, root_len, 0, &reply, &err)), "\"added\":[]"));
    CHECK(strstr(REPLY(amt_device_authorities(device, &reply, &err)), "-----BEGIN CERTIFICATE-----"));

    /* A day behind. */
    snprintf(wrong, sizeof wrong, "{\"Ta0\":%lld,\"Tm1\":%lld,\"Tm2\":%lld}", now, now - 86400, now - 86400);
    CHECK(REPLY(amt_device_invoke(device, service, strlen(service), set, strlen(set), wrong, strlen(wrong), NULL, 0, &reply, &err)));
    text = REPLY(amt_device_clock(device, 0, &reply, &err));
    CHECK(strstr(text, "\"drift_seconds\":-86") && strstr(text, "\"set\":false"));
    CHECK(strstr(REPLY(amt_device_clock(device, 1, &reply, &err)), "\"set\":true"));
    text = REPLY(amt_device_clock(device, 0, &reply, &err));
    CHECK(strstr(text, "\"set\":false") && strstr(text, "\"drift_seconds\":-86") == NULL);
    FAILS(amt_device_clock(device, 2, &reply, &err), AMT_E_INVALID_ARGUMENT);
}

static void power_is_read_and_changed(const struct machine *machine, amt_device *device)
{
    amt_error *err = NULL;
    amt_document *reply = NULL;
    const char *text = REPLY(amt_device_power(device, &reply, &err));

    CHECK(strstr(text, "\"state\":\"on\"") && strstr(text, "\"reset\""));
    FAILS(amt_device_power_action(device, 3, &reply, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_device_power_action(device, AMT_POWER_ON, &reply, &err), AMT_E_WRONG_STATE);
    CHECK(machine_says(machine, "\"power\":\"on\""));
    text = REPLY(amt_device_power_action(device, AMT_POWER_OFF, &reply, &err));
    CHECK(strstr(text, "\"action\":\"off\"") && strstr(text, "\"before\":\"on\"") && strstr(text, "\"answer\":\"accepted\""));
    CHECK(machine_says(machine, "\"power\":\"off\""));
    /* Off, it is started for the boot. */
    text = REPLY(amt_device_boot(device, AMT_BOOT_BIOS, NULL, 0, 0, AMT_THEN_START, &reply, &err));
    CHECK(strstr(text, "\"next\":\"bios\"") && strstr(text, "\"action\":\"on\""));
}

static void other_handles_are_refused(void)
{
    amt_error *err = NULL;
    amt_document *reply = NULL, *document = NULL;
    amt_device *wrong;

    OK(amt_capabilities("16.1", 4, &document, &err));
    wrong = (amt_device *)document;
    FAILS(amt_device_power(wrong, &reply, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_device_power_action(NULL, AMT_POWER_ON, &reply, &err), AMT_E_NULL_POINTER);
    FAILS(amt_device_boot(wrong, AMT_BOOT_PXE, NULL, 0, 0, AMT_THEN_START, &reply, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_device_boot_state(NULL, &reply, &err), AMT_E_NULL_POINTER);
    FAILS(amt_device_clear_boot(wrong, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_device_event_log(NULL, &reply, &err), AMT_E_NULL_POINTER);
    FAILS(amt_device_clear_event_log(wrong, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_device_freeze_event_log(wrong, 1, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_device_audit_log(wrong, &reply, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_device_inventory(NULL, &reply, &err), AMT_E_NULL_POINTER);
    FAILS(amt_device_inventory(wrong, NULL, &err), AMT_E_NULL_POINTER);
    FAILS(amt_device_status(wrong, &reply, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_device_sessions(wrong, 0, &reply, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_device_authorities(NULL, &reply, &err), AMT_E_NULL_POINTER);
    FAILS(amt_device_add_authorities(NULL, NULL, 0, 0, &reply, &err), AMT_E_NULL_POINTER);
    FAILS(amt_device_clock(wrong, 0, &reply, &err), AMT_E_BAD_HANDLE);
    CHECK(reply == NULL);
    CHECK(amt_document_free(document) == AMT_OK);
}

int main(void)
{
    amt_error *err = NULL;
    struct provisioned here;
    amt_device *device;
    size_t len;
    uint8_t *roots;

    other_handles_are_refused();

    here = provisioned_start("127.71.0.11", PASSWORD);
    device = device_at(here.machine.address, 0, PASSWORD);
    roots = check_read(here.ca, &len);
    OK(amt_device_trust_roots(device, roots, len, "pc1.example.com", 15, &err));
    sessions_authorities_and_clock(device, roots, len);
    free(roots);
    the_next_boot_is_set_seen_and_taken_back(device);
    the_logs_are_read_and_cleared(&here.machine, device);
    how_it_stands_and_what_it_is_made_of(&here.machine, device);
    power_is_read_and_changed(&here.machine, device);
    CHECK(amt_device_free(device) == AMT_OK);
    provisioned_end(&here);
    return 0;
}
