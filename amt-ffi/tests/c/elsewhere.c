/*
 * Sets a virtual machine up over the network with a provisioning certificate whose key this program does not have: the process of OpenSSL's
 * program signs each handshake.
 */
#define _DEFAULT_SOURCE
#include "machine.h"
#include "signer.h"

static char folder[] = "/tmp/amt-c-XXXXXX";

static amt_job *job_for(const struct machine *machine)
{
    amt_error *err = NULL;
    amt_job *job = NULL;
    amt_certificate *chain = NULL;
    char ca[64], key[64];
    size_t len;
    uint8_t *pem = check_file("chain.pem", &len);

    OK(amt_certificate_parse_pem(pem, len, NULL, 0, NULL, 0, &chain, &err));
    free(pem);
    snprintf(ca, sizeof ca, "%s/ca.pem", folder);
    snprintf(key, sizeof key, "%s/ca.key", folder);
    OK(amt_job_new(machine->uuid, strlen(machine->uuid), machine->address, strlen(machine->address), &job, &err));
    FAILS(amt_job_add_certificate(job, chain, &err), AMT_E_PFX_OPEN); /* it has no key */
    OK(amt_job_add_chain(job, chain, &err));
    CHECK(amt_certificate_free(chain) == AMT_OK);
    OK(amt_job_set_suffix(job, "example.com", 11, &err));
    OK(amt_job_set_host_name(job, "pc1", 3, &err));
    OK(amt_job_set_domain_name(job, "example.com", 11, &err));
    OK(amt_job_set_authority_files(job, ca, strlen(ca), key, strlen(key), &err));
    return job;
}

/* Takes turns until an event of this kind, letting records be stored; the caller frees the event. */
static amt_event *until(amt_provision *attempt, uint32_t wanted, const char *key, int *signatures)
{
    amt_error *err = NULL;
    for (;;) {
        amt_event *event = NULL;
        uint32_t kind;
        OK(amt_provision_next(attempt, 60000, &event, &err));
        CHECK(event != NULL);
        OK(amt_event_kind(event, &kind, &err));
        if (kind == wanted) {
            return event;
        }
        if (kind == AMT_EVENT_SIGN) {
            signer_sign(attempt, event, key, folder);
            *signatures += 1;
        }
        CHECK(kind != AMT_EVENT_DONE);
        CHECK(amt_event_free(event) == AMT_OK);
        if (kind == AMT_EVENT_PERSIST) {
            OK(amt_provision_persisted(attempt, &err));
        }
    }
}

/* Freed, cancelled and refused while a signature is waited for: the machine waits for its setup as before. */
static void nothing_is_changed_without_a_signature(const struct machine *machine, const amt_job *job, const char *key)
{
    amt_error *err = NULL;
    amt_provision *attempt = NULL;
    amt_event *event, *none = NULL;
    int signatures = 0;

    OK(amt_provision_new(job, &attempt, &err));
    event = until(attempt, AMT_EVENT_SIGN, key, &signatures);
    FAILS(amt_provision_next(attempt, 0, &none, &err), AMT_E_INVALID_ARGUMENT);
    CHECK(amt_event_free(event) == AMT_OK);
    CHECK(amt_provision_free(attempt) == AMT_OK);

    OK(amt_provision_new(job, &attempt, &err));
    event = until(attempt, AMT_EVENT_SIGN, key, &signatures);
    CHECK(amt_event_free(event) == AMT_OK);
    OK(amt_provision_cancel(attempt, &err));
    FAILS(amt_provision_next(attempt, 60000, &none, &err), AMT_E_CANCELLED);
    CHECK(amt_provision_free(attempt) == AMT_OK);

    OK(amt_provision_new(job, &attempt, &err));
    event = until(attempt, AMT_EVENT_SIGN, key, &signatures);
    CHECK(amt_event_free(event) == AMT_OK);
    signer_refuses(attempt);
    CHECK(signatures == 0);
    CHECK(machine_says(machine, "\"control_mode\":\"none\""));
}

int main(void)
{
    amt_error *err = NULL;
    amt_provision *attempt = NULL;
    amt_event *event;
    amt_job *job;
    struct machine machine;
    const char *text, *end = strstr(__FILE__, "amt-ffi/tests/c/");
    char key[1024], command[64];
    size_t len;
    int signatures = 0;

    CHECK(end != NULL && mkdtemp(folder) != NULL);
    snprintf(key, sizeof key, "%.*stestdata/provisioning/key.pem", (int)(end - __FILE__), __FILE__);
    machine = machine_start("127.71.0.61");
    job = job_for(&machine);
    nothing_is_changed_without_a_signature(&machine, job, key);
    OK(amt_provision_new(job, &attempt, &err));
    event = until(attempt, AMT_EVENT_DONE, key, &signatures);
    OK(amt_event_control_mode(event, &text, &len, &err));
    CHECK(check_text(text, len, "admin"));
    CHECK(signatures > 0);
    CHECK(machine_says(&machine, "\"control_mode\":\"admin\""));
    CHECK(amt_event_free(event) == AMT_OK);
    CHECK(amt_provision_free(attempt) == AMT_OK);
    CHECK(amt_job_free(job) == AMT_OK);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    return 0;
}
