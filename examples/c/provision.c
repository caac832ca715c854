/*
 * Provisions one machine end to end: from setup mode to admin control mode, proven by a login over TLS.
 * The folder takes what must not be lost: the journal with the machine's passwords, and the authority that signs its certificate.
 */
#include "example.h"

static void print(const amt_event *event, uint32_t kind)
{
    amt_error *err = NULL;
    const char *text;
    size_t len;
    MUST(amt_event_text(event, &text, &len, &err));
    printf("%s%.*s\n", kind == AMT_EVENT_DONE ? "" : "  ", (int)len, text);
}

int main(int argc, char **argv)
{
    amt_error *err = NULL;
    amt_certificate *certificate = NULL;
    amt_job *job = NULL;
    amt_provision *attempt = NULL;
    const char *password = secret("AMT_CERTIFICATE_PASSWORD"), *admin = secret("AMT_PASSWORD");
    char ca[512], ca_key[512], journal[512], journal_key[512];
    uint32_t kind = 0;
    size_t len;
    uint8_t *pfx;

    if (argc != 7) {
        usage("provision ADDRESS UUID PFX HOST DOMAIN FOLDER");
    }
    snprintf(ca, sizeof ca, "%s/ca.pem", argv[6]);
    snprintf(ca_key, sizeof ca_key, "%s/ca.key", argv[6]);
    snprintf(journal, sizeof journal, "%s/journal.db", argv[6]);
    snprintf(journal_key, sizeof journal_key, "%s/journal.key", argv[6]);

    pfx = read_file(argv[3], &len);
    MUST(amt_certificate_parse_pfx(pfx, len, password, strlen(password), &certificate, &err));
    free(pfx);
    MUST(amt_job_new(argv[2], strlen(argv[2]), argv[1], strlen(argv[1]), &job, &err));
    MUST(amt_job_add_certificate(job, certificate, &err));
    MUST(amt_job_set_suffix(job, argv[5], strlen(argv[5]), &err));
    MUST(amt_job_set_host_name(job, argv[4], strlen(argv[4]), &err));
    MUST(amt_job_set_domain_name(job, argv[5], strlen(argv[5]), &err));
    MUST(amt_job_set_admin_password(job, admin, strlen(admin), &err));
    MUST(amt_job_set_authority_files(job, ca, strlen(ca), ca_key, strlen(ca_key), &err));
    MUST(amt_job_set_journal_file(job, journal, strlen(journal), journal_key, strlen(journal_key), &err));

    MUST(amt_provision_new(job, &attempt, &err));
    while (kind != AMT_EVENT_DONE) {
        amt_event *event = NULL;
        MUST(amt_provision_next(attempt, 1000, &event, &err));
        if (event != NULL) {
            MUST(amt_event_kind(event, &kind, &err));
            print(event, kind);
            amt_event_free(event);
        }
    }
    amt_provision_free(attempt);
    amt_job_free(job);
    amt_certificate_free(certificate);
    return 0;
}
