/* A virtual machine that was provisioned through the library. POSIX. */
#ifndef PROVISIONED_H
#define PROVISIONED_H

#include "machine.h"

struct provisioned {
    struct machine machine;
    char folder[64];
    char ca[96]; /* certificate of the authority that signed the machine's */
};

/* Starts a machine of a persona at `address` and takes it to admin control mode, as pc1.example.com with this password; old TLS is allowed. */
static inline struct provisioned provisioned_start_as(const char *persona, const char *address, const char *password)
{
    struct provisioned here = {.folder = "/tmp/amt-c-XXXXXX"};
    amt_error *err = NULL;
    amt_certificate *chain = NULL;
    amt_job *job = NULL;
    amt_provision *provision = NULL;
    char key[96], database[96], seal[96];
    uint32_t kind = 0;
    size_t len;
    uint8_t *pfx = check_file("chain.pfx", &len);

    CHECK(mkdtemp(here.folder) != NULL);
    here.machine = machine_start_as(persona, address, NULL);
    snprintf(here.ca, sizeof here.ca, "%s/ca.pem", here.folder);
    snprintf(key, sizeof key, "%s/ca.key", here.folder);
    snprintf(database, sizeof database, "%s/journal.db", here.folder);
    snprintf(seal, sizeof seal, "%s/journal.key", here.folder);
    OK(amt_certificate_parse_pfx(pfx, len, "Provision.1", 11, &chain, &err));
    free(pfx);
    OK(amt_job_new(here.machine.uuid, strlen(here.machine.uuid), address, strlen(address), &job, &err));
    OK(amt_job_add_certificate(job, chain, &err));
    OK(amt_job_set_suffix(job, "example.com", 11, &err));
    OK(amt_job_set_host_name(job, "pc1", 3, &err));
    OK(amt_job_set_domain_name(job, "example.com", 11, &err));
    OK(amt_job_set_admin_password(job, password, strlen(password), &err));
    OK(amt_job_set_authority_files(job, here.ca, strlen(here.ca), key, strlen(key), &err));
    OK(amt_job_set_journal_file(job, database, strlen(database), seal, strlen(seal), &err));
    OK(amt_job_set_legacy_tls(job, AMT_LEGACY_TLS_ALLOW, &err));
    OK(amt_provision_new(job, &provision, &err));
    while (kind != AMT_EVENT_DONE) {
        amt_event *event = NULL;
        OK(amt_provision_next(provision, 60000, &event, &err));
        CHECK(event != NULL);
        OK(amt_event_kind(event, &kind, &err));
        CHECK(amt_event_free(event) == AMT_OK);
    }
    CHECK(amt_job_free(job) == AMT_OK);
    CHECK(amt_certificate_free(chain) == AMT_OK);
    CHECK(amt_provision_free(provision) == AMT_OK);
    return here;
}

static inline struct provisioned provisioned_start(const char *address, const char *password)
{
    return provisioned_start_as("16.0", address, password);
}

static inline void provisioned_end(const struct provisioned *here)
{
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", here->folder);
    CHECK(system(command) == 0);
    machine_stop();
}

#endif
