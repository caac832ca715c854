/* Who has the key of a provisioning certificate: the process of OpenSSL's program, for one signature at a time. */
#ifndef SIGNER_H
#define SIGNER_H

#include "check.h"

/* The signature that AMT_EVENT_SIGN asks for, of certificate 0, by `openssl dgst -sign` with the key in the file `key`, to be freed; what goes to
 * and fro is in `folder`. */
static inline uint8_t *signer_makes(const amt_event *event, const char *key, const char *folder, size_t *signature_len)
{
    amt_error *err = NULL;
    char command[2048], path[128];
    const uint8_t *data;
    size_t certificate, len;
    FILE *file;

    OK(amt_event_sign_data(event, &certificate, &data, &len, &err));
    CHECK(certificate == 0 && len >= 40);
    snprintf(path, sizeof path, "%s/signed", folder);
    file = fopen(path, "wb");
    CHECK(file != NULL && fwrite(data, 1, len, file) == len && fclose(file) == 0);
    snprintf(command, sizeof command, "openssl dgst -sha256 -sign %s -out %s/signature %s/signed", key, folder, folder);
    CHECK(system(command) == 0);
    snprintf(path, sizeof path, "%s/signature", folder);
    return check_read(path, signature_len);
}

/* Answers AMT_EVENT_SIGN of an attempt so. */
static inline void signer_sign(amt_provision *attempt, const amt_event *event, const char *key, const char *folder)
{
    amt_error *err = NULL;
    size_t len;
    uint8_t *signature = signer_makes(event, key, folder, &len);

    FAILS(amt_provision_signed(attempt, signature, 0, &err), AMT_E_INVALID_ARGUMENT);
    FAILS(amt_provision_signed(attempt, signature, 2049, &err), AMT_E_INVALID_ARGUMENT);
    OK(amt_provision_signed(attempt, signature, len, &err));
    FAILS(amt_provision_signed(attempt, signature, len, &err), AMT_E_INVALID_ARGUMENT);
    free(signature);
}

/* Answers AMT_EVENT_SIGN with a refusal, which ends the attempt; the attempt is freed. */
static inline void signer_refuses(amt_provision *attempt)
{
    amt_error *err = NULL;
    amt_event *event;
    amt_status status;

    OK(amt_provision_sign_failed(attempt, "the module is locked", 20, &err));
    do {
        event = NULL;
        status = amt_provision_next(attempt, 60000, &event, NULL);
        CHECK(amt_event_free(event) == AMT_OK);
    } while (status == AMT_OK);
    CHECK(status == AMT_E_SIGNER);
    CHECK(amt_provision_free(attempt) == AMT_OK);
}

#endif
