/* The log sink: lines come, at the level asked for and no longer than wanted, and no secret is in them. POSIX. */
#define _DEFAULT_SOURCE
#include "machine.h"

#include <pthread.h>

#define ADMIN "Log&Admin-9a"
#define MEBX "Log&Mebx-7b"
#define KNOWN "Log&Known-5c"
#define OTP "Log&Once-3d"

static struct {
    pthread_mutex_t lock;
    char text[1 << 20];
    size_t len;
    unsigned count, finest;
} lines = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note(void *user_data, uint32_t level, const char *target, size_t target_len, const char *message, size_t message_len)
{
    CHECK(user_data == &lines);
    CHECK(level >= AMT_LOG_ERROR && level <= AMT_LOG_TRACE);
    CHECK(target_len >= 3 && memcmp(target, "amt", 3) == 0);
    CHECK(message_len > 0 && memchr(message, '\n', message_len) == NULL);
    CHECK(amt_log_set_sink(0, NULL, NULL, NULL) == AMT_E_BUSY);
    pthread_mutex_lock(&lines.lock);
    CHECK(lines.len + target_len + message_len + 3 < sizeof lines.text);
    lines.len += (size_t)sprintf(lines.text + lines.len, "%.*s %.*s\n", (int)target_len, target, (int)message_len, message);
    lines.count++;
    lines.finest = level > lines.finest ? level : lines.finest;
    pthread_mutex_unlock(&lines.lock);
}

static void forget(void)
{
    lines.len = lines.count = lines.finest = 0;
    lines.text[0] = '\0';
}

static void listen_at(uint32_t level)
{
    amt_error *err = NULL;
    forget();
    OK(amt_log_set_sink(level, note, &lines, &err));
}

/* One attempt, to its end; what it said of passwords in events is not looked at. */
static amt_status provision(const struct machine *machine, const char *folder, int wrong_otp)
{
    amt_error *err = NULL;
    amt_certificate *chain = NULL;
    amt_job *job = NULL;
    amt_provision *attempt = NULL;
    amt_status status = AMT_OK;
    char path[4][128];
    uint32_t kind = 0;
    size_t len;
    uint8_t *pfx = check_file("chain.pfx", &len);
    static const char *const names[] = {"ca.pem", "ca.key", "journal.db", "journal.key"};

    for (int i = 0; i < 4; i++) {
        snprintf(path[i], sizeof path[i], "%s/%s", folder, names[i]);
    }
    OK(amt_certificate_parse_pfx(pfx, len, "Provision.1", 11, &chain, &err));
    free(pfx);
    OK(amt_job_new(machine->uuid, strlen(machine->uuid), machine->address, strlen(machine->address), &job, &err));
    OK(amt_job_add_certificate(job, chain, &err));
    OK(amt_job_set_suffix(job, "example.com", 11, &err));
    OK(amt_job_set_host_name(job, "pc1", 3, &err));
    OK(amt_job_set_domain_name(job, "example.com", 11, &err));
    OK(amt_job_set_admin_password(job, ADMIN, strlen(ADMIN), &err));
    OK(amt_job_set_mebx_password(job, MEBX, strlen(MEBX), &err));
    OK(amt_job_add_known_password(job, KNOWN, strlen(KNOWN), &err));
    if (wrong_otp) {
        OK(amt_job_set_otp(job, OTP, strlen(OTP), &err));
    }
    OK(amt_job_set_authority_files(job, path[0], strlen(path[0]), path[1], strlen(path[1]), &err));
    OK(amt_job_set_journal_file(job, path[2], strlen(path[2]), path[3], strlen(path[3]), &err));
    OK(amt_provision_new(job, &attempt, &err));
    while (status == AMT_OK && kind != AMT_EVENT_DONE) {
        amt_event *event = NULL;
        status = amt_provision_next(attempt, 60000, &event, &err);
        if (status != AMT_OK) {
            CHECK(amt_error_free(err) == AMT_OK);
            err = NULL;
        } else {
            CHECK(event != NULL);
            OK(amt_event_kind(event, &kind, &err));
            CHECK(amt_event_free(event) == AMT_OK);
        }
    }
    CHECK(amt_job_free(job) == AMT_OK);
    CHECK(amt_certificate_free(chain) == AMT_OK);
    CHECK(amt_provision_free(attempt) == AMT_OK);
    return status;
}

static void no_secret_is_in_any_line(const char *address, int wrong_otp)
{
    static const char *const secrets[] = {ADMIN, MEBX, KNOWN, OTP, "Provision.1"};
    char folder[] = "/tmp/amt-c-XXXXXX", command[64];
    struct machine machine = machine_start(address);
    amt_error *err = NULL;

    CHECK(mkdtemp(folder) != NULL);
    listen_at(AMT_LOG_TRACE);
    CHECK(provision(&machine, folder, wrong_otp) == (wrong_otp ? AMT_E_OTP_MISMATCH : AMT_OK));
    OK(amt_log_set_sink(0, NULL, NULL, &err));
    CHECK(lines.count > (wrong_otp ? 5 : 50) && lines.finest == AMT_LOG_TRACE);
    CHECK(strstr(lines.text, "amt::driver connected") != NULL && strstr(lines.text, machine.uuid) != NULL);
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        CHECK(strstr(lines.text, secrets[i]) == NULL);
    }
    CHECK(machine_has_admin_password(&machine, ADMIN, strlen(ADMIN)) == !wrong_otp);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    machine_stop();
}

/* A machine that is not there: a line at the level debug. */
static void nobody_there(void)
{
    amt_job *job = NULL;
    amt_provision *attempt = NULL;
    amt_event *event = NULL;
    amt_error *err = NULL;
    amt_certificate *chain = NULL;
    amt_status status;
    size_t len;
    uint8_t *pfx = check_file("chain.pfx", &len);

    OK(amt_certificate_parse_pfx(pfx, len, "Provision.1", 11, &chain, &err));
    free(pfx);
    OK(amt_job_new("00112233-4455-6677-8899-aabbccddeeff", 36, "127.71.0.99", 11, &job, &err));
    OK(amt_job_add_certificate(job, chain, &err));
    OK(amt_provision_new(job, &attempt, &err));
    do {
        event = NULL;
        status = amt_provision_next(attempt, 1000, &event, NULL);
        amt_event_free(event);
    } while (status == AMT_OK && strstr(lines.text, "not connected") == NULL && event != NULL);
    CHECK(amt_provision_free(attempt) == AMT_OK);
    CHECK(amt_job_free(job) == AMT_OK);
    CHECK(amt_certificate_free(chain) == AMT_OK);
}

static void only_what_was_asked_for_comes(void)
{
    amt_error *err = NULL;

    listen_at(AMT_LOG_DEBUG);
    nobody_there();
    CHECK(lines.count > 0 && lines.finest == AMT_LOG_DEBUG && strstr(lines.text, "not connected") != NULL);
    listen_at(AMT_LOG_ERROR);
    nobody_there();
    CHECK(lines.count == 0);
    OK(amt_log_set_sink(AMT_LOG_TRACE, NULL, NULL, &err));
    forget();
    nobody_there();
    CHECK(lines.count == 0);
    FAILS(amt_log_set_sink(0, note, &lines, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_log_set_sink(AMT_LOG_TRACE + 1, note, &lines, &err), AMT_E_INVALID_ARGUMENT);
}

int main(void)
{
    only_what_was_asked_for_comes();
    no_secret_is_in_any_line("127.71.0.30", 0);
    no_secret_is_in_any_line("127.71.0.31", 1);
    return 0;
}
