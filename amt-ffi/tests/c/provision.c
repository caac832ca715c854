/*
 * Takes a virtual machine from setup mode to proven admin control mode, the journal kept by this program.
 * A first attempt is broken off after a record was stored; the second goes on from it.
 */
#define _DEFAULT_SOURCE
#include "machine.h"

#include <pthread.h>

#define TURN_MS 60000

static struct {
    uint8_t data[16384];
    size_t len;
    int count;
} stored;

static amt_certificate *certificate(void)
{
    amt_error *err = NULL;
    amt_certificate *certificate = NULL;
    size_t len;
    uint8_t *pfx = check_file("chain.pfx", &len);
    OK(amt_certificate_parse_pfx(pfx, len, "Provision.1", 11, &certificate, &err));
    free(pfx);
    return certificate;
}

static amt_job *job_for(const struct machine *machine, const char *folder)
{
    amt_error *err = NULL;
    amt_job *job = NULL;
    amt_certificate *chain = certificate();
    char ca[512], key[512];

    snprintf(ca, sizeof ca, "%s/ca.pem", folder);
    snprintf(key, sizeof key, "%s/ca.key", folder);
    OK(amt_job_new(machine->uuid, strlen(machine->uuid), machine->address, strlen(machine->address), &job, &err));
    OK(amt_job_add_certificate(job, chain, &err));
    OK(amt_job_set_suffix(job, "example.com", 11, &err));
    OK(amt_job_set_host_name(job, "pc1", 3, &err));
    OK(amt_job_set_domain_name(job, "example.com", 11, &err));
    OK(amt_job_set_authority_files(job, ca, strlen(ca), key, strlen(key), &err));
    CHECK(amt_certificate_free(chain) == AMT_OK); /* the job does not keep it */
    return job;
}

static void store(const amt_event *event)
{
    amt_error *err = NULL;
    const uint8_t *data;
    size_t len;
    OK(amt_event_record(event, &data, &len, &err));
    CHECK(len <= sizeof stored.data);
    memcpy(stored.data, data, len);
    stored.len = len;
    stored.count++;
}

/* Takes turns until `wanted` comes, storing records on the way; the caller frees the event. */
static amt_event *until(amt_provision *provision, uint32_t wanted)
{
    amt_error *err = NULL;
    for (;;) {
        amt_event *event = NULL, *none = NULL;
        uint32_t kind;
        OK(amt_provision_next(provision, TURN_MS, &event, &err));
        CHECK(event != NULL);
        OK(amt_event_kind(event, &kind, &err));
        if (kind == AMT_EVENT_PERSIST) {
            store(event);
            FAILS(amt_provision_next(provision, 0, &none, &err), AMT_E_INVALID_ARGUMENT);
        }
        if (kind == wanted) {
            return event;
        }
        CHECK(kind != AMT_EVENT_DONE);
        if (kind == AMT_EVENT_PERSIST) {
            OK(amt_provision_persisted(provision, &err));
            FAILS(amt_provision_persisted(provision, &err), AMT_E_INVALID_ARGUMENT);
        }
        CHECK(amt_event_free(event) == AMT_OK);
    }
}

static void nothing_is_sent_before_the_record_is_stored(const struct machine *machine, const amt_job *job)
{
    amt_error *err = NULL;
    amt_provision *provision = NULL;
    amt_event *event;
    amt_record *record = NULL;
    const char *password;
    size_t len, count;

    OK(amt_provision_new(job, &provision, &err));
    for (;;) {
        event = until(provision, AMT_EVENT_PERSIST);
        OK(amt_record_parse(stored.data, stored.len, &record, &err));
        OK(amt_record_admin_password_count(record, &count, &err));
        if (count > 0) {
            break;
        }
        CHECK(amt_record_free(record) == AMT_OK);
        CHECK(amt_event_free(event) == AMT_OK);
        OK(amt_provision_persisted(provision, &err));
    }
    OK(amt_record_admin_password(record, 0, &password, &len, &err));
    CHECK(len >= 8 && !machine_has_admin_password(machine, password, len));
    CHECK(amt_record_free(record) == AMT_OK);
    CHECK(amt_event_free(event) == AMT_OK);
    CHECK(amt_provision_free(provision) == AMT_OK); /* as if this program had been killed here */
}

static void a_second_attempt_goes_on_from_the_record(const struct machine *machine, amt_job *job)
{
    amt_error *err = NULL;
    amt_provision *provision = NULL;
    amt_event *event, *again = NULL;
    amt_record *record = NULL;
    const uint8_t *der;
    const char *text;
    size_t len;
    uint32_t verified;

    OK(amt_job_set_record(job, stored.data, stored.len, &err));
    OK(amt_provision_new(job, &provision, &err));
    event = until(provision, AMT_EVENT_DONE);
    OK(amt_event_control_mode(event, &text, &len, &err));
    CHECK(check_text(text, len, "admin"));
    OK(amt_event_tls_version(event, &text, &len, &err));
    CHECK(len > 4 && memcmp(text, "TLS ", 4) == 0);
    OK(amt_event_tls_suite(event, &text, &len, &err));
    CHECK(len > 4 && memcmp(text, "TLS", 3) == 0);
    OK(amt_event_firmware(event, &text, &len, &err));
    CHECK(len > 3 && memcmp(text, "16.", 3) == 0);
    FAILS(amt_event_csr(event, &der, &len, &err), AMT_E_INVALID_ARGUMENT);
    OK(amt_provision_next(provision, 0, &again, &err)); /* the end is told again */
    CHECK(again != NULL);
    CHECK(amt_event_free(again) == AMT_OK);
    CHECK(amt_event_free(event) == AMT_OK);
    CHECK(amt_provision_free(provision) == AMT_OK);

    OK(amt_record_parse(stored.data, stored.len, &record, &err));
    OK(amt_record_uuid(record, &text, &len, &err));
    CHECK(check_text(text, len, machine->uuid));
    OK(amt_record_verified(record, &verified, &err));
    CHECK(verified == 1);
    OK(amt_record_certificate(record, &der, &len, &err));
    CHECK(len > 100 && der[0] == 0x30);
    OK(amt_record_admin_password(record, 0, &text, &len, &err));
    CHECK(machine_has_admin_password(machine, text, len));
    CHECK(machine_says(machine, "\"control_mode\":\"admin\""));
    CHECK(amt_record_free(record) == AMT_OK);
}

static void *wait_for_ever(void *provision)
{
    static amt_status status;
    amt_event *event;
    do {
        event = NULL;
        status = amt_provision_next(provision, TURN_MS, &event, NULL);
        amt_event_free(event);
    } while (status == AMT_OK);
    return &status;
}

/* A listener that never answers keeps the attempt waiting in its TLS handshake. */
static void another_thread_is_told_busy_and_may_cancel(void)
{
    amt_error *err = NULL;
    amt_job *job = NULL;
    amt_provision *provision = NULL;
    amt_event *event = NULL;
    amt_certificate *chain = certificate();
    struct sockaddr_in name = {0};
    socklen_t size = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM, 0), tries;
    pthread_t thread;
    void *status;
    amt_status busy = AMT_OK;

    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener, (struct sockaddr *)&name, sizeof name) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&name, &size) == 0);
    OK(amt_job_new("00112233-4455-6677-8899-aabbccddeeff", 36, "127.0.0.1", 9, &job, &err));
    OK(amt_job_set_port(job, ntohs(name.sin_port), &err));
    OK(amt_job_add_certificate(job, chain, &err));
    OK(amt_provision_new(job, &provision, &err));
    CHECK(pthread_create(&thread, NULL, wait_for_ever, provision) == 0);
    for (tries = 0; tries < 1000 && busy != AMT_E_BUSY; tries++) {
        usleep(10000);
        busy = amt_provision_persisted(provision, NULL);
    }
    CHECK(busy == AMT_E_BUSY);
    CHECK(amt_provision_next(provision, 0, &event, NULL) == AMT_E_BUSY && event == NULL);
    CHECK(amt_provision_free(provision) == AMT_E_BUSY);
    OK(amt_provision_cancel(provision, &err));
    CHECK(pthread_join(thread, &status) == 0);
    CHECK(*(amt_status *)status == AMT_E_CANCELLED);
    FAILS(amt_provision_next(provision, 0, &event, &err), AMT_E_CANCELLED);
    CHECK(amt_provision_free(provision) == AMT_OK);
    CHECK(amt_job_free(job) == AMT_OK);
    CHECK(amt_certificate_free(chain) == AMT_OK);
    close(listener);
}

/* A pre-shared pair and consent to old TLS are checked when they are given; what the build lacks is said when it is needed. */
static void pairs_and_consent(const struct machine *machine)
{
    static const char pid[] = "AMT1-SET7", pps[] = "CAT0-AGDO-YBLF-6HCD-QR61-IQXQ-VORV-W8VD";
    amt_error *err = NULL;
    amt_job *job = NULL;

    OK(amt_job_new(machine->uuid, strlen(machine->uuid), machine->address, strlen(machine->address), &job, &err));
    FAILS(amt_job_add_psk(job, pid, 8, pps, strlen(pps), &err), AMT_E_PSK_INVALID);
    FAILS(amt_job_add_psk(job, pid, strlen(pid), pps, strlen(pps) - 1, &err), AMT_E_PSK_INVALID);
    FAILS(amt_job_add_psk(job, NULL, 9, pps, strlen(pps), &err), AMT_E_NULL_POINTER);
    FAILS(amt_job_set_legacy_tls(job, 7, &err), AMT_E_INVALID_ARGUMENT);
    OK(amt_job_set_legacy_tls(job, AMT_LEGACY_TLS_ALLOW, &err));
    OK(amt_job_add_psk(job, pid, strlen(pid), pps, strlen(pps), &err));
    CHECK(amt_job_free(job) == AMT_OK);
}

int main(void)
{
    char folder[] = "/tmp/amt-c-XXXXXX", command[64];
    struct machine machine;
    amt_job *job;

    another_thread_is_told_busy_and_may_cancel();

    CHECK(mkdtemp(folder) != NULL);
    machine = machine_start("127.71.0.1");
    pairs_and_consent(&machine);
    job = job_for(&machine, folder);
    nothing_is_sent_before_the_record_is_stored(&machine, job);
    a_second_attempt_goes_on_from_the_record(&machine, job);
    CHECK(amt_job_free(job) == AMT_OK);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    return 0;
}
