/* A machine that was set up and has mutual TLS since: set up once more, with the console's certificate and without. POSIX. */
#define _DEFAULT_SOURCE
#include "machine.h"
#include "provisioned.h"
#include "reply.h"

static const char PASSWORD[] = "Administrator.1";
static const char PROFILE[] = "format = 1\nname = \"desk\"\n[tls]\nremote = \"mutual\"\ntrusted_roots = [{ file = \"root.pem\" }]\n";

/* A certificate as a console has it; the root that issued it is root.pem in the folder. */
static amt_certificate *console(const char *folder)
{
    amt_error *err = NULL;
    amt_certificate *pair = NULL;
    char command[1024], path[96];
    uint8_t *chain, *key;
    size_t chain_len, key_len;

    CHECK(snprintf(command, sizeof command,
                   "cd %s && exec 2>/dev/null; set -- openssl req -x509 -newkey rsa:2048 -nodes -days 30; "
                   "\"$@\" -subj /CN=Consoles -keyout root.key -out root.pem && "
                   "\"$@\" -subj /CN=console.example.com -keyout console.key -out console.pem -CA root.pem -CAkey root.key "
                   "-addext basicConstraints=CA:FALSE -addext extendedKeyUsage=clientAuth,2.16.840.1.113741.1.2.1",
                   folder)
          < (int)sizeof command);
    CHECK(system(command) == 0);
    snprintf(path, sizeof path, "%s/console.pem", folder);
    chain = check_read(path, &chain_len);
    snprintf(path, sizeof path, "%s/console.key", folder);
    key = check_read(path, &key_len);
    OK(amt_certificate_parse_pem(chain, chain_len, key, key_len, NULL, 0, &pair, &err));
    free(chain);
    free(key);
    return pair;
}

/* How an attempt ends; records are stored nowhere. */
static amt_status end_of(amt_provision *attempt)
{
    amt_error *err = NULL;
    amt_status status;
    uint32_t kind = 0;
    do {
        amt_event *event = NULL;
        status = amt_provision_next(attempt, 120000, &event, NULL);
        if (status == AMT_OK) {
            CHECK(event != NULL);
            OK(amt_event_kind(event, &kind, &err));
            if (kind == AMT_EVENT_PERSIST) {
                OK(amt_provision_persisted(attempt, &err));
            }
            CHECK(amt_event_free(event) == AMT_OK);
        }
    } while (status == AMT_OK && kind != AMT_EVENT_DONE);
    CHECK(amt_provision_free(attempt) == AMT_OK);
    return status;
}

static void it_gets_mutual_tls(const struct provisioned *here, const amt_certificate *shown)
{
    amt_error *err = NULL;
    amt_provision *attempt = NULL;
    amt_device *device = device_at(here->machine.address, 0, PASSWORD);
    OK(amt_device_trust_any(device, &err));
    OK(amt_device_set_client_certificate(device, shown, &err));
    OK(amt_device_configure(device, PROFILE, strlen(PROFILE), here->folder, strlen(here->folder), NULL, 0, 0, &attempt, &err));
    CHECK(end_of(attempt) == AMT_OK);
    CHECK(amt_device_free(device) == AMT_OK);
}

/* How the setup ends that is gone on with from the machine's journal, or begun anew, where this certificate is shown. */
static amt_status set_up_again(const struct provisioned *here, int is_resumed, const amt_certificate *shown)
{
    amt_error *err = NULL;
    amt_certificate *chain = NULL, *keyless = NULL;
    amt_job *job = NULL;
    amt_provision *attempt = NULL;
    char key[96], database[96], seal[96];
    size_t len;
    uint8_t *file = check_file("chain.pfx", &len);

    OK(amt_certificate_parse_pfx(file, len, "Provision.1", 11, &chain, &err));
    free(file);
    file = check_file("chain.pem", &len);
    OK(amt_certificate_parse_pem(file, len, NULL, 0, NULL, 0, &keyless, &err));
    free(file);
    OK(amt_job_new(here->machine.uuid, strlen(here->machine.uuid), here->machine.address, strlen(here->machine.address), &job, &err));
    OK(amt_job_add_certificate(job, chain, &err));
    OK(amt_job_set_suffix(job, "example.com", 11, &err));
    OK(amt_job_set_host_name(job, "pc1", 3, &err));
    OK(amt_job_set_domain_name(job, "example.com", 11, &err));
    snprintf(key, sizeof key, "%s/ca.key", here->folder);
    OK(amt_job_set_authority_files(job, here->ca, strlen(here->ca), key, strlen(key), &err));
    if (is_resumed) {
        snprintf(database, sizeof database, "%s/journal.db", here->folder);
        snprintf(seal, sizeof seal, "%s/journal.key", here->folder);
        OK(amt_job_set_journal_file(job, database, strlen(database), seal, strlen(seal), &err));
    }
    FAILS(amt_job_set_client_certificate(NULL, chain, &err), AMT_E_NULL_POINTER);
    FAILS(amt_job_set_client_certificate(job, NULL, &err), AMT_E_NULL_POINTER);
    FAILS(amt_job_set_client_certificate(job, keyless, &err), AMT_E_PFX_OPEN);
    if (shown != NULL) {
        OK(amt_job_set_client_certificate(job, shown, &err));
    }
    OK(amt_provision_new(job, &attempt, &err));
    CHECK(amt_job_free(job) == AMT_OK);
    CHECK(amt_certificate_free(chain) == AMT_OK && amt_certificate_free(keyless) == AMT_OK);
    return end_of(attempt);
}

int main(void)
{
    struct provisioned here = provisioned_start("127.71.0.13", PASSWORD);
    amt_certificate *shown = console(here.folder);
    int is_resumed;

    it_gets_mutual_tls(&here, shown);
    /* Found done, it is proven; begun anew, it is told what the machine is. Without the certificate nobody can know. */
    CHECK(set_up_again(&here, 1, shown) == AMT_OK);
    CHECK(set_up_again(&here, 0, shown) == AMT_E_ALREADY_PROVISIONED);
    for (is_resumed = 0; is_resumed < 2; is_resumed++) {
        CHECK(set_up_again(&here, is_resumed, NULL) == AMT_E_TLS_CHAIN_REFUSED);
    }
    CHECK(machine_has_admin_password(&here.machine, PASSWORD, strlen(PASSWORD)));
    CHECK(amt_certificate_free(shown) == AMT_OK);
    provisioned_end(&here);
    return 0;
}
