/* A profile applied, the password changed, the setup taken back: each stores its record before anything depends on it. */
#define _DEFAULT_SOURCE
#include "machine.h"
#include "provisioned.h"
#include "reply.h"

static const char PASSWORD[] = "Administrator.1";
static const char NEXT[] = "Administrator.2";
static const char PROFILE[] = "format = 1\nname = \"desk\"\n[general]\nping = false\n";

/* What a program keeps of the attempts on one machine. */
struct store {
    uint8_t record[65536];
    size_t len;
    unsigned stored;
};

static void keep(struct store *store, const amt_event *event)
{
    amt_error *err = NULL;
    const uint8_t *data;
    size_t len;
    OK(amt_event_record(event, &data, &len, &err));
    CHECK(len > 0 && len < sizeof store->record);
    memcpy(store->record, data, len);
    store->len = len;
    store->stored++;
}

/* Takes turns up to the next question, or the end. */
static amt_event *next(amt_provision *attempt, uint32_t *kind)
{
    amt_error *err = NULL;
    amt_event *event = NULL;
    for (;;) {
        OK(amt_provision_next(attempt, 120000, &event, &err));
        CHECK(event != NULL);
        OK(amt_event_kind(event, kind, &err));
        if (*kind >= AMT_EVENT_PERSIST) {
            return event;
        }
        CHECK(amt_event_free(event) == AMT_OK);
    }
}

/* Drives an attempt to its end and frees it; the result as text. */
static const char *finish(amt_provision *attempt, struct store *store)
{
    static char result[65536];
    amt_error *err = NULL;
    amt_event *event;
    const char *text;
    size_t len;
    uint32_t kind;
    while (event = next(attempt, &kind), kind == AMT_EVENT_PERSIST) {
        FAILS(amt_event_result(event, &text, &len, &err), AMT_E_INVALID_ARGUMENT);
        keep(store, event);
        CHECK(amt_event_free(event) == AMT_OK);
        OK(amt_provision_persisted(attempt, &err));
    }
    CHECK(kind == AMT_EVENT_DONE);
    OK(amt_event_result(event, &text, &len, &err));
    CHECK(len > 0 && len < sizeof result);
    memcpy(result, text, len);
    result[len] = '\0';
    CHECK(amt_event_free(event) == AMT_OK);
    CHECK(amt_provision_free(attempt) == AMT_OK);
    return result;
}

/* Drives an attempt to the failure that ends it and frees it. */
static amt_status fails_at_last(amt_provision *attempt, struct store *store)
{
    amt_error *err = NULL;
    amt_event *event = NULL;
    amt_status status;
    uint32_t kind;
    while (status = amt_provision_next(attempt, 60000, &event, NULL), status == AMT_OK) {
        OK(amt_event_kind(event, &kind, &err));
        CHECK(kind != AMT_EVENT_DONE);
        if (kind == AMT_EVENT_PERSIST) {
            keep(store, event);
            OK(amt_provision_persisted(attempt, &err));
        }
        CHECK(amt_event_free(event) == AMT_OK);
    }
    CHECK(amt_provision_free(attempt) == AMT_OK);
    return status;
}

/* Takes turns up to the first record and keeps it. Nothing that depends on it has been sent. */
static void to_the_first_record(amt_provision *attempt, struct store *store)
{
    amt_error *err = NULL;
    amt_event *none = NULL;
    uint32_t kind;
    amt_event *event = next(attempt, &kind);
    CHECK(kind == AMT_EVENT_PERSIST);
    keep(store, event);
    CHECK(amt_event_free(event) == AMT_OK);
    FAILS(amt_provision_next(attempt, 0, &none, &err), AMT_E_INVALID_ARGUMENT);
}

static amt_provision *configure(amt_device *device, const char *profile, const struct store *store, uint32_t options)
{
    amt_error *err = NULL;
    amt_provision *attempt = NULL;
    OK(amt_device_configure(device, profile, strlen(profile), NULL, 0, store->record, store->len, options, &attempt, &err));
    return attempt;
}

static amt_provision *rotate(amt_device *device, const char *password, const struct store *store)
{
    amt_error *err = NULL;
    amt_provision *attempt = NULL;
    OK(amt_device_rotate(device, password, password == NULL ? 0 : strlen(password), store->record, store->len, &attempt, &err));
    return attempt;
}

static amt_provision *unprovision(amt_device *device, uint32_t extent, const struct store *store, uint32_t options)
{
    amt_error *err = NULL;
    amt_provision *attempt = NULL;
    OK(amt_device_unprovision(device, extent, store->record, store->len, options, &attempt, &err));
    return attempt;
}

static void a_profile_is_checked_as_a_document(void)
{
    static const char wrong[] = "{\"format\": 1, \"name\": \"x\", \"general\": {\"ping\": \"yes\"}, \"colour\": 3}";
    amt_error *err = NULL;
    amt_findings *findings = NULL;
    const char *text;
    size_t len, count;

    OK(amt_profile_check(PROFILE, strlen(PROFILE), NULL, 0, &findings, &err));
    OK(amt_findings_count(findings, &count, &err));
    CHECK(count == 0);
    CHECK(amt_findings_free(findings) == AMT_OK);
    OK(amt_profile_check(wrong, strlen(wrong), "16.1", 4, &findings, &err));
    OK(amt_findings_count(findings, &count, &err));
    CHECK(count == 2);
    OK(amt_findings_field(findings, 0, &text, &len, &err));
    CHECK(check_text(text, len, "general.ping"));
    CHECK(amt_findings_free(findings) == AMT_OK);
    FAILS(amt_profile_check("name =", 6, NULL, 0, &findings, &err), AMT_E_PARSE_TEXT);
    FAILS(amt_profile_check(PROFILE, strlen(PROFILE), "old", 3, &findings, &err), AMT_E_PARSE_TEXT);
    FAILS(amt_profile_check("\xff", 1, NULL, 0, &findings, &err), AMT_E_NOT_UTF8);
    FAILS(amt_profile_check(NULL, 1, NULL, 0, &findings, &err), AMT_E_NULL_POINTER);
    CHECK(findings == NULL);
}

static int pings(amt_device *device)
{
    static const char general[] = "AMT_GeneralSettings";
    amt_error *err = NULL;
    amt_document *reply = NULL;
    return strstr(REPLY(amt_device_get(device, general, strlen(general), NULL, 0, &reply, &err)),
                  "\"PingResponseEnabled\":\"true\"") != NULL;
}

static void a_profile_is_compared_and_applied(const struct machine *machine, amt_device *device)
{
    static struct store store;
    amt_error *err = NULL;
    amt_event *event = NULL;
    amt_provision *attempt;
    const char *text;
    uint32_t kind;

    text = finish(configure(device, PROFILE, &store, AMT_UPKEEP_DRY_RUN), &store);
    CHECK(strstr(text, "\"dry_run\":true") && strstr(text, "\"field\":\"general.ping\"") && strstr(text, "\"writes\":0"));
    CHECK(store.stored == 0 && pings(device));

    /* A record that cannot be stored ends it, and nothing was written. */
    attempt = configure(device, PROFILE, &store, 0);
    event = next(attempt, &kind);
    CHECK(kind == AMT_EVENT_PERSIST);
    CHECK(amt_event_free(event) == AMT_OK);
    OK(amt_provision_persist_failed(attempt, "disk full", 9, &err));
    CHECK(fails_at_last(attempt, &store) == AMT_E_JOURNAL && store.stored == 0);
    CHECK(pings(device));

    text = finish(configure(device, PROFILE, &store, 0), &store);
    CHECK(strstr(text, "\"dry_run\":false") && strstr(text, "\"from\":") && strstr(text, machine->uuid));
    CHECK(store.stored >= 1 && !pings(device));
    text = finish(configure(device, PROFILE, &store, 0), &store);
    CHECK(strstr(text, "\"changes\":[]") && strstr(text, "\"writes\":0"));

    attempt = NULL;
    FAILS(amt_device_configure(device, "format = 1\nname = 7\n", 20, NULL, 0, NULL, 0, 0, &attempt, &err), AMT_E_PLAN_INVALID);
    FAILS(amt_device_configure(device, PROFILE, strlen(PROFILE), NULL, 0, (const uint8_t *)"{", 1, 0, &attempt, &err), AMT_E_JOURNAL);
    FAILS(amt_device_configure(device, PROFILE, strlen(PROFILE), NULL, 0, NULL, 0, 2, &attempt, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_device_configure(NULL, PROFILE, strlen(PROFILE), NULL, 0, NULL, 0, 0, &attempt, &err), AMT_E_NULL_POINTER);
    CHECK(attempt == NULL);
}

static amt_provision *renew(amt_device *device, uint32_t at_percent, const char *folder, const struct store *store)
{
    amt_error *err = NULL;
    amt_provision *attempt = NULL;
    char certificate[96] = "", key[96] = "";
    if (folder != NULL) {
        snprintf(certificate, sizeof certificate, "%s/ca.pem", folder);
        snprintf(key, sizeof key, "%s/ca.key", folder);
    }
    OK(amt_device_renew(device, at_percent, certificate, strlen(certificate), key, strlen(key), store->record, store->len, &attempt,
                        &err));
    return attempt;
}

static void the_certificate_is_renewed(const struct provisioned *here, amt_device *device)
{
    static struct store store;
    amt_error *err = NULL;
    amt_event *event = NULL;
    amt_provision *attempt = NULL;
    const uint8_t *csr;
    const char *text, *sha256;
    char served[96];
    uint32_t kind;
    size_t len;

    CHECK(strstr(finish(renew(device, 50, here->folder, &store), &store), "\"changed\":false") && store.stored == 0);

    /* The caller is the authority, and says no. */
    attempt = renew(device, 0, NULL, &store);
    while (event = next(attempt, &kind), kind == AMT_EVENT_PERSIST) {
        keep(&store, event);
        CHECK(amt_event_free(event) == AMT_OK);
        OK(amt_provision_persisted(attempt, &err));
    }
    CHECK(kind == AMT_EVENT_CERTIFY && store.stored > 0);
    OK(amt_event_csr(event, &csr, &len, &err));
    CHECK(len > 100 && csr[0] == 0x30);
    CHECK(amt_event_free(event) == AMT_OK);
    OK(amt_provision_denied(attempt, "no", 2, &err));
    CHECK(fails_at_last(attempt, &store) == AMT_E_CA_DENIED);

    /* Gone on with, by the authority's files. */
    text = finish(renew(device, 0, here->folder, &store), &store);
    CHECK(strstr(text, "\"changed\":true"));
    sha256 = strstr(text, "\"certificate_sha256\":");
    CHECK(sha256 != NULL);
    /* The key with its colon, and 64 digits in quotes. */
    snprintf(served, sizeof served, "%.87s", sha256);
    CHECK(machine_says(&here->machine, served));

    attempt = NULL;
    FAILS(amt_device_renew(device, 101, NULL, 0, NULL, 0, NULL, 0, &attempt, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_device_renew(device, 0, "x", 1, NULL, 0, NULL, 0, &attempt, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_device_renew(device, 0, NULL, 0, NULL, 0, (const uint8_t *)"{", 1, &attempt, &err), AMT_E_JOURNAL);
    CHECK(attempt == NULL);
}

/* The recorded passwords of admin, likeliest first, as "a b". */
static const char *passwords(const struct store *store)
{
    static char all[512];
    amt_error *err = NULL;
    amt_record *record = NULL;
    size_t count, index, at = 0;
    OK(amt_record_parse(store->record, store->len, &record, &err));
    OK(amt_record_admin_password_count(record, &count, &err));
    for (index = 0; index < count; index++) {
        const char *text;
        size_t len;
        OK(amt_record_admin_password(record, index, &text, &len, &err));
        at += (size_t)snprintf(all + at, sizeof all - at, "%s%.*s", index == 0 ? "" : " ", (int)len, text);
        CHECK(at < sizeof all);
    }
    CHECK(amt_record_free(record) == AMT_OK);
    return all;
}

static void a_new_password_is_stored_before_it_is_sent(const struct machine *machine, amt_device *device)
{
    static struct store store, other;
    amt_error *err = NULL;
    amt_provision *attempt = NULL;
    char fresh[64], both[128];

    FAILS(amt_device_rotate(device, "short", 5, (const uint8_t *)"x", 1, &attempt, &err), AMT_E_JOURNAL);
    FAILS(amt_device_rotate((amt_device *)attempt, NULL, 0, NULL, 0, &attempt, &err), AMT_E_NULL_POINTER);
    CHECK(attempt == NULL);

    /* Broken off at its record: both passwords are stored, the machine has the old one. */
    attempt = rotate(device, NULL, &store);
    to_the_first_record(attempt, &store);
    CHECK(amt_provision_free(attempt) == AMT_OK);
    CHECK(sscanf(passwords(&store), "%63s", fresh) == 1 && strcmp(fresh, PASSWORD) != 0);
    snprintf(both, sizeof both, "%s %s", fresh, PASSWORD);
    CHECK(strcmp(passwords(&store), both) == 0);
    CHECK(machine_has_admin_password(machine, PASSWORD, strlen(PASSWORD)));

    /* Gone on with, it is the same new password, and the old one is forgotten. */
    CHECK(strstr(finish(rotate(device, NULL, &store), &store), "\"changed\":true"));
    CHECK(strcmp(passwords(&store), fresh) == 0);
    CHECK(machine_has_admin_password(machine, fresh, strlen(fresh)));
    CHECK(!machine_has_admin_password(machine, PASSWORD, strlen(PASSWORD)));

    /* A given one, from the record of the machine; the device's own password is out of date, and no longer needed. */
    CHECK(strstr(finish(rotate(device, NEXT, &store), &store), "\"changed\":true"));
    CHECK(strcmp(passwords(&store), NEXT) == 0 && machine_has_admin_password(machine, NEXT, strlen(NEXT)));

    /* A machine that has it already is left alone. */
    other = store;
    CHECK(strstr(finish(rotate(device, NEXT, &other), &other), "\"changed\":false"));
}

static void the_setup_is_taken_back(const struct machine *machine, amt_device *device)
{
    static struct store store;
    amt_error *err = NULL;
    amt_provision *attempt = NULL;
    const char *text;

    FAILS(amt_device_unprovision(device, 7, NULL, 0, 0, &attempt, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_device_unprovision(device, AMT_UNPROVISION_FULL, NULL, 0, 4, &attempt, &err), AMT_E_INVALID_ARGUMENT);
    text = finish(unprovision(device, AMT_UNPROVISION_FULL, &store, AMT_UPKEEP_DRY_RUN), &store);
    CHECK(strstr(text, "\"before\":\"admin\"") && strstr(text, "\"changed\":false") && strstr(text, "\"consequences\":[\""));
    CHECK(store.stored == 0 && machine_says(machine, "\"state\":\"post\""));

    /* Broken off at its record: it is set up still. */
    attempt = unprovision(device, AMT_UNPROVISION_FULL, &store, 0);
    to_the_first_record(attempt, &store);
    CHECK(amt_provision_free(attempt) == AMT_OK);
    CHECK(machine_says(machine, "\"state\":\"post\""));

    text = finish(unprovision(device, AMT_UNPROVISION_FULL, &store, 0), &store);
    CHECK(strstr(text, "\"changed\":true") && strstr(text, "\"extent\":\"full\"") && strstr(text, "\"remains\":[\""));
    CHECK(machine_says(machine, "\"state\":\"pre\""));
    text = finish(unprovision(device, AMT_UNPROVISION_FULL, &store, 0), &store);
    CHECK(strstr(text, "\"changed\":false") && strstr(text, "\"before\":\"unprovisioned\""));
}

int main(void)
{
    amt_error *err = NULL;
    struct provisioned here;
    amt_device *device;

    a_profile_is_checked_as_a_document();

    here = provisioned_start("127.71.0.12", PASSWORD);
    device = device_at(here.machine.address, 0, PASSWORD);
    OK(amt_device_trust_any(device, &err));
    a_profile_is_compared_and_applied(&here.machine, device);
    the_certificate_is_renewed(&here, device);
    a_new_password_is_stored_before_it_is_sent(&here.machine, device);
    CHECK(amt_device_free(device) == AMT_OK);
    device = device_at(here.machine.address, 0, NEXT);
    OK(amt_device_trust_any(device, &err));
    the_setup_is_taken_back(&here.machine, device);
    CHECK(amt_device_free(device) == AMT_OK);
    provisioned_end(&here);
    return 0;
}
