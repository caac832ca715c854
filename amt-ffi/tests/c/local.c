/*
 * The firmware of this machine, here that of a virtual one: what it says, its setup without a server, and the setup taken back.
 * Needs root and /dev/fuse for the device file.
 */
#define _DEFAULT_SOURCE
#include "machine.h"
#include "signer.h"

#include <pthread.h>
#include <sys/stat.h>

static char folder[] = "/tmp/amt-c-XXXXXX", device[64], certificates[64];

static struct {
    uint8_t data[16384];
    size_t len;
} stored;

/* `amt sim mei`, with its local management service at `lms`. */
static void inside_start(const char *address, const char *lms)
{
    const char *amt = getenv("AMT_BIN");
    struct stat file;
    int tries;

    CHECK(amt != NULL);
    machine_process = fork();
    CHECK(machine_process >= 0);
    if (machine_process == 0) {
        CHECK(freopen("/dev/null", "w", stdout) != NULL);
        execl(amt, amt, "sim", "mei", "--mount", device, "--suffix", "example.com", "--persona", "16.0", "--base-address",
              address, "--lms", lms, "--certificate", certificates, "--time-scale", "20", (char *)NULL);
        perror(amt);
        _exit(127);
    }
    atexit(machine_stop);
    for (tries = 0; tries < 1000 && (stat(device, &file) != 0 || file.st_size == 0); tries++) {
        amt_error *err = NULL;
        amt_local *local = NULL;
        amt_document *document = NULL;
        amt_status status;
        usleep(20000);
        OK(amt_local_new(&local, &err));
        OK(amt_local_set_device(local, device, strlen(device), &err));
        status = amt_local_status(local, &document, NULL);
        CHECK(amt_document_free(document) == AMT_OK);
        CHECK(amt_local_free(local) == AMT_OK);
        if (status == AMT_OK) {
            return;
        }
    }
    CHECK(!"the machine does not come up");
}

static void sign_outside(amt_provision *attempt, const amt_event *event);

static int says(amt_local *local, const char *part)
{
    static char text[1 << 16];
    amt_error *err = NULL;
    amt_document *document = NULL;
    const char *data;
    size_t len;
    OK(amt_local_status(local, &document, &err));
    OK(amt_document_json(document, &data, &len, &err));
    CHECK(len < sizeof text);
    memcpy(text, data, len);
    text[len] = '\0';
    CHECK(amt_document_free(document) == AMT_OK);
    return strstr(text, part) != NULL;
}

/* Takes turns to the end, keeping records; `control_mode` is what the end must tell. Returns how many records came. */
static int to_the_end(amt_provision *attempt, const char *control_mode)
{
    amt_error *err = NULL;
    int records = 0;
    for (;;) {
        amt_event *event = NULL;
        const uint8_t *record;
        const char *text;
        uint32_t kind;
        size_t len;

        OK(amt_provision_next(attempt, 60000, &event, &err));
        CHECK(event != NULL);
        OK(amt_event_kind(event, &kind, &err));
        CHECK(kind != AMT_EVENT_CERTIFY);
        if (kind == AMT_EVENT_SIGN) {
            sign_outside(attempt, event);
        }
        if (kind == AMT_EVENT_PERSIST) {
            OK(amt_event_record(event, &record, &len, &err));
            CHECK(len <= sizeof stored.data);
            memcpy(stored.data, record, len);
            stored.len = len;
            records++;
            OK(amt_provision_persisted(attempt, &err));
        }
        if (kind == AMT_EVENT_DONE) {
            OK(amt_event_control_mode(event, &text, &len, &err));
            CHECK(check_text(text, len, control_mode));
            OK(amt_event_firmware(event, &text, &len, &err));
            CHECK(len > 3 && memcmp(text, "16.", 3) == 0);
        }
        CHECK(amt_event_free(event) == AMT_OK);
        if (kind == AMT_EVENT_DONE) {
            CHECK(amt_provision_free(attempt) == AMT_OK);
            return records;
        }
    }
}

static amt_job *job_of(amt_local *local)
{
    amt_error *err = NULL;
    amt_job *job = NULL;
    OK(amt_local_job(local, &job, &err));
    OK(amt_job_set_host_name(job, "pc1", 3, &err));
    return job;
}

static void nothing_is_changed_before_the_record_is_stored(amt_local *local)
{
    amt_error *err = NULL;
    amt_provision *attempt = NULL;
    amt_job *job = job_of(local);
    uint32_t kind = 0;

    OK(amt_local_activate(local, job, AMT_MODE_CLIENT, 0, &attempt, &err));
    while (kind != AMT_EVENT_PERSIST) {
        amt_event *event = NULL;
        OK(amt_provision_next(attempt, 60000, &event, &err));
        OK(amt_event_kind(event, &kind, &err));
        CHECK(kind != AMT_EVENT_DONE);
        CHECK(amt_event_free(event) == AMT_OK);
    }
    CHECK(says(local, "\"standing\":\"unprovisioned\""));
    OK(amt_provision_persist_failed(attempt, "the disk is full", 16, &err));
    do {
        amt_event *event = NULL;
        kind = amt_provision_next(attempt, 60000, &event, NULL);
        CHECK(amt_event_free(event) == AMT_OK);
    } while (kind == AMT_OK);
    CHECK(kind == AMT_E_JOURNAL);
    CHECK(amt_provision_free(attempt) == AMT_OK);
    CHECK(amt_job_free(job) == AMT_OK);
    CHECK(says(local, "\"standing\":\"unprovisioned\""));
}

static void client_control_mode_and_back(amt_local *local)
{
    amt_error *err = NULL;
    amt_provision *attempt = NULL;
    amt_record *record = NULL;
    amt_job *job = job_of(local);
    const char *text;
    size_t len;

    OK(amt_job_set_admin_password(job, "Administrator.1", 15, &err));
    OK(amt_local_activate(local, job, AMT_MODE_CLIENT, AMT_ACTIVATE_ENABLE, &attempt, &err));
    CHECK(to_the_end(attempt, "client") > 0);
    CHECK(says(local, "\"standing\":\"client\""));
    OK(amt_record_parse(stored.data, stored.len, &record, &err));
    OK(amt_record_admin_password(record, 0, &text, &len, &err));
    CHECK(check_text(text, len, "Administrator.1"));
    CHECK(amt_record_free(record) == AMT_OK);

    OK(amt_local_unprovision(local, job, AMT_UNPROVISION_FULL, &attempt, &err));
    to_the_end(attempt, "none");
    CHECK(says(local, "\"standing\":\"unprovisioned\""));
    CHECK(amt_job_free(job) == AMT_OK);
}

static void admin_control_mode_and_back(amt_local *local)
{
    amt_error *err = NULL;
    amt_provision *attempt = NULL;
    amt_certificate *certificate = NULL;
    amt_job *job = job_of(local);
    char path[128];
    size_t len;
    uint8_t *pem;

    FAILS(amt_local_activate(local, job, AMT_MODE_ADMIN, 0, &attempt, &err), AMT_E_INVALID_ARGUMENT);
    snprintf(path, sizeof path, "%s/provisioning.pem", certificates);
    pem = check_read(path, &len);
    OK(amt_certificate_parse_pem(pem, len, NULL, 0, NULL, 0, &certificate, &err));
    free(pem);
    OK(amt_job_add_certificate(job, certificate, &err));
    CHECK(amt_certificate_free(certificate) == AMT_OK);
    OK(amt_local_activate(local, job, AMT_MODE_ADMIN, 0, &attempt, &err));
    CHECK(amt_job_free(job) == AMT_OK); /* the attempt does not need it */
    CHECK(to_the_end(attempt, "admin") > 0);
    CHECK(says(local, "\"standing\":\"admin\""));

    job = job_of(local); /* knows no password: the record has it */
    OK(amt_job_set_record(job, stored.data, stored.len, &err));
    OK(amt_local_unprovision(local, job, AMT_UNPROVISION_FULL, &attempt, &err));
    to_the_end(attempt, "none");
    CHECK(says(local, "\"standing\":\"unprovisioned\""));
    CHECK(amt_job_free(job) == AMT_OK);
}

/* The provisioning certificate of the virtual machine without its key, which stays in a file for OpenSSL's program. */
static amt_certificate *keyless(void)
{
    static const char BEGIN[] = "-----BEGIN PRIVATE KEY-----", END[] = "-----END PRIVATE KEY-----\n";
    amt_error *err = NULL;
    amt_certificate *certificate = NULL;
    char path[128], *key, *after;
    size_t len;
    uint8_t *pem;

    snprintf(path, sizeof path, "%s/provisioning.pem", certificates);
    pem = check_read(path, &len);
    pem[len] = '\0';
    key = strstr((char *)pem, BEGIN);
    CHECK(key != NULL);
    after = strstr(key, END);
    CHECK(after != NULL);
    after += strlen(END);
    memmove(key, after, strlen(after) + 1);
    CHECK(strstr((char *)pem, BEGIN) == NULL);
    OK(amt_certificate_parse_pem(pem, strlen((char *)pem), NULL, 0, NULL, 0, &certificate, &err));
    free(pem);
    return certificate;
}

static void sign_outside(amt_provision *attempt, const amt_event *event)
{
    char key[128];
    snprintf(key, sizeof key, "%s/provisioning.pem", certificates);
    signer_sign(attempt, event, key, folder);
}

/* Takes turns until something is to be signed, keeping records; the caller frees the event. */
static amt_event *to_the_signature(amt_provision *attempt)
{
    amt_error *err = NULL;
    for (;;) {
        amt_event *event = NULL;
        const uint8_t *data;
        size_t certificate, len;
        uint32_t kind;

        OK(amt_provision_next(attempt, 60000, &event, &err));
        CHECK(event != NULL);
        OK(amt_event_kind(event, &kind, &err));
        if (kind == AMT_EVENT_SIGN) {
            return event;
        }
        CHECK(kind != AMT_EVENT_DONE);
        FAILS(amt_event_sign_data(event, &certificate, &data, &len, &err), AMT_E_INVALID_ARGUMENT);
        CHECK(amt_event_free(event) == AMT_OK);
        if (kind == AMT_EVENT_PERSIST) {
            OK(amt_provision_persisted(attempt, &err));
        }
    }
}

/* The key is held outside the library: without TLS it signs the firmware's nonce, with TLS the handshake too. */
static void admin_control_mode_by_a_key_elsewhere(amt_local *local, uint32_t options)
{
    amt_error *err = NULL;
    amt_provision *attempt = NULL;
    amt_event *event = NULL, *none = NULL;
    amt_certificate *chain = keyless();
    amt_job *job = job_of(local);

    FAILS(amt_job_add_certificate(job, chain, &err), AMT_E_PFX_OPEN);
    OK(amt_job_add_chain(job, chain, &err));
    CHECK(amt_certificate_free(chain) == AMT_OK);

    /* Freed while a signature is waited for, and refused one: nothing is changed. */
    OK(amt_local_activate(local, job, AMT_MODE_ADMIN, options, &attempt, &err));
    event = to_the_signature(attempt);
    FAILS(amt_provision_next(attempt, 0, &none, &err), AMT_E_INVALID_ARGUMENT);
    CHECK(amt_event_free(event) == AMT_OK);
    CHECK(amt_provision_free(attempt) == AMT_OK);
    OK(amt_local_activate(local, job, AMT_MODE_ADMIN, options, &attempt, &err));
    FAILS(amt_provision_signed(attempt, (const uint8_t *)"x", 1, &err), AMT_E_INVALID_ARGUMENT);
    event = to_the_signature(attempt);
    CHECK(amt_event_free(event) == AMT_OK);
    signer_refuses(attempt);
    CHECK(says(local, "\"standing\":\"unprovisioned\""));

    OK(amt_local_activate(local, job, AMT_MODE_ADMIN, options, &attempt, &err));
    event = to_the_signature(attempt);
    sign_outside(attempt, event);
    CHECK(amt_event_free(event) == AMT_OK);
    CHECK(to_the_end(attempt, "admin") > 0);
    CHECK(says(local, "\"standing\":\"admin\""));
    OK(amt_job_set_record(job, stored.data, stored.len, &err));
    OK(amt_local_unprovision(local, job, AMT_UNPROVISION_FULL, &attempt, &err));
    to_the_end(attempt, "none");
    CHECK(amt_job_free(job) == AMT_OK);
}

/* Asks again and again, until cancelled. */
static void *ask_for_ever(void *local)
{
    static amt_status status;
    amt_document *document;
    do {
        amt_error *err = NULL;
        document = NULL;
        status = amt_local_status(local, &document, &err);
        if (status != AMT_OK && status != AMT_E_CANCELLED) {
            fprintf(stderr, "the status failed with %u\n", (unsigned)status);
            check_show(err);
        }
        CHECK(amt_error_free(err) == AMT_OK);
        CHECK(amt_document_free(document) == AMT_OK);
    } while (status == AMT_OK || status == AMT_E_BUSY);
    return &status;
}

static void another_thread_is_told_busy_and_may_cancel(amt_local *local)
{
    amt_error *err = NULL;
    amt_status busy = AMT_OK;
    pthread_t thread;
    void *status;
    int tries;

    CHECK(pthread_create(&thread, NULL, ask_for_ever, local) == 0);
    for (tries = 0; tries < 10000 && busy != AMT_E_BUSY; tries++) {
        usleep(1000);
        busy = amt_local_set_route(local, AMT_ROUTE_LME, NULL, 0, NULL);
    }
    CHECK(busy == AMT_E_BUSY);
    OK(amt_local_cancel(local, &err));
    CHECK(pthread_join(thread, &status) == 0);
    CHECK(*(amt_status *)status == AMT_E_CANCELLED);
}

static void a_cancelled_attempt_changes_nothing(amt_local *local)
{
    amt_error *err = NULL;
    amt_provision *attempt = NULL;
    amt_event *event = NULL;
    amt_job *job = job_of(local);

    OK(amt_local_activate(local, job, AMT_MODE_CLIENT, 0, &attempt, &err));
    OK(amt_provision_cancel(attempt, &err));
    FAILS(amt_provision_next(attempt, 60000, &event, &err), AMT_E_CANCELLED);
    CHECK(event == NULL);
    CHECK(amt_job_free(job) == AMT_OK);
    CHECK(amt_provision_free(attempt) == AMT_OK);
    CHECK(says(local, "\"standing\":\"unprovisioned\""));
}

static void mistakes_are_told(void)
{
    amt_error *err = NULL;
    amt_local *local = NULL;
    amt_document *document = NULL;
    amt_job *job = NULL;
    amt_provision *attempt = NULL;
    uint8_t pin[32] = {0};

    OK(amt_local_new(&local, &err));
    FAILS(amt_local_set_route(local, 3, NULL, 0, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_local_set_route(local, AMT_ROUTE_LMS, "localhost", 9, &err), AMT_E_PARSE_TEXT);
    FAILS(amt_local_trust_pin(local, pin, 31, &err), AMT_E_INVALID_ARGUMENT);
    OK(amt_local_trust_pin(local, pin, 32, &err));
    OK(amt_local_set_device(local, "/nonexistent/mei0", 17, &err));
    FAILS(amt_local_status(local, &document, &err), AMT_E_MEI_ABSENT);
    FAILS(amt_local_job(local, &job, &err), AMT_E_MEI_ABSENT);
    CHECK(document == NULL && job == NULL);
    OK(amt_job_new("00112233-4455-6677-8899-aabbccddeeff", 36, "127.0.0.1", 9, &job, &err));
    FAILS(amt_local_activate(local, job, 0, 0, &attempt, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_local_activate(local, job, AMT_MODE_CLIENT, 4, &attempt, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_local_activate(local, NULL, AMT_MODE_CLIENT, 0, &attempt, &err), AMT_E_NULL_POINTER);
    FAILS(amt_local_activate((amt_local *)job, job, AMT_MODE_CLIENT, 0, &attempt, &err), AMT_E_BAD_HANDLE);
    FAILS(amt_local_unprovision(local, job, 2, &attempt, &err), AMT_E_INVALID_ARGUMENT);
    CHECK(attempt == NULL);
    OK(amt_local_cancel(local, &err));
    FAILS(amt_local_status(local, &document, &err), AMT_E_CANCELLED);
    CHECK(amt_local_free(local) == AMT_OK);
    CHECK(amt_job_free(job) == AMT_OK);
}

int main(void)
{
    amt_error *err = NULL;
    amt_local *local = NULL;
    char command[64];

    mistakes_are_told();
    if (geteuid() != 0 || access("/dev/fuse", F_OK) != 0) {
        printf("not tested here: device files need root and /dev/fuse\n");
        return 0;
    }
    CHECK(mkdtemp(folder) != NULL);
    snprintf(device, sizeof device, "%s/mei0", folder);
    snprintf(certificates, sizeof certificates, "%s/certificates", folder);
    inside_start("127.71.0.3", "127.71.0.4");
    OK(amt_local_new(&local, &err));
    OK(amt_local_set_device(local, device, strlen(device), &err));
    OK(amt_local_set_route(local, AMT_ROUTE_AUTO, "127.71.0.4", 10, &err));
    CHECK(says(local, "\"16992\":\"listening\""));
    a_cancelled_attempt_changes_nothing(local);
    nothing_is_changed_before_the_record_is_stored(local);
    client_control_mode_and_back(local);
    OK(amt_local_set_route(local, AMT_ROUTE_LME, NULL, 0, &err));
    admin_control_mode_and_back(local);
    admin_control_mode_by_a_key_elsewhere(local, 0);
    admin_control_mode_by_a_key_elsewhere(local, AMT_ACTIVATE_SECURE);
    another_thread_is_told_busy_and_may_cancel(local);
    CHECK(amt_local_free(local) == AMT_OK);
    machine_stop();
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    return 0;
}
